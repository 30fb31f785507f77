/* UTF-8: decoding that accepts nothing but well-formed sequences (Unicode 15, table 3-7). */
#ifndef CAPFUL_BASE_UTF8_H
#define CAPFUL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the sequence at `text`, 0 if it is not well formed; *ret_code (may be NULL) is the code
 * point. */
size_t utf8_next(const char *text, size_t len, uint32_t *ret_code);
bool utf8_valid(const char *text, size_t len);
/* Writes 1 to 4 bytes; surrogates and values beyond U+10FFFF give U+FFFD. */
size_t utf8_put(uint32_t code, char out[4]);

#endif
