/* regex.h - regular expressions in linear time: compile once, match many times.
 *
 * The matcher is a Rust library (rust/runtime).  Patterns are those of the crate `regex`: no
 * look-around and no back-references, so the time a match takes grows with the length of the text
 * and of the pattern and never beyond their product.  \d \w \s \b and their opposites are about
 * ASCII, as in the patterns of JSON Schema; \p{…} and (?i) are about Unicode.
 *
 * A pattern has at most 4096 bytes and 50 levels of nesting, and its program at most 256 KiB.
 *
 * Threads: a compiled pattern does not change, and any number of threads may match with it.  Call
 * these functions on a host stack, never on a fiber.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_REGEX_H
#define BASE_REGEX_H

#include <stddef.h>

#define RT_REGEX_MOST (1u << 20) /* bytes that one takes, with what matching needs */

/* Compile a pattern.  ANCHORED: the whole text must match, whatever the pattern says; else a part
 * of it is enough.  Returns 0 and stores a pattern to be freed with rt_regex_free(), or -1: ERR
 * says where it is wrong, or that it is too large.
 *
 * ERR: one line of UTF-8, cut to fit and ended with a NUL; may be NULL. */
int rt_regex_new(const char *pattern, size_t len, int anchored, void **ret, char *err,
                 size_t err_size);

/* Returns 1: the text matches.  0: it does not.  -1: that cannot be answered (the text is not
 * UTF-8, or too long for a pattern of this size: their product is above 2^33); treat it as a
 * refusal. */
int rt_regex_matches(const void *regex, const char *text, size_t len);

/* Free a pattern; NULL is allowed. */
void rt_regex_free(void *regex);

#endif
