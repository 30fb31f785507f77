/* unicode.h - what Unicode says about text, beyond its encoding (utf8.h).
 *
 * The tables are those of a Rust library (rust/runtime).  Threads: any.  Call on a host stack,
 * never on a fiber.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_UNICODE_H
#define BASE_UNICODE_H

#include <stddef.h>

/* Whether the text is in normalisation form C, in which texts that look the same because their
 * characters are composed differently are the same.  Returns 1 or 0; -1: it is not UTF-8. */
int rt_is_nfc(const char *text, size_t len);

#endif
