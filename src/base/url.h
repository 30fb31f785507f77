/* url.h - URLs as the WHATWG's standard reads them, which is how browsers and `fetch` do.
 *
 * The parser is a Rust library (rust/runtime).  What it returns is a normal form: lower-case
 * scheme, host in lower case and punycode, or as an IPv4 address in decimals whatever way it was
 * written, or as an IPv6 address in brackets; default ports, dot segments, tabs and line ends gone;
 * other characters percent-encoded.  Two texts that browsers take for the same host have the same
 * one here.
 *
 * Threads: any.  Call on a host stack, never on a fiber.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_URL_H
#define BASE_URL_H

#include <stddef.h>
#include <stdint.h>

/* A piece of the normal form; at and len are 0 where it is missing or empty. */
struct rt_url_part {
    uint32_t at;
    uint32_t len;
};

#define RT_URL_HAS_HOST     1u
#define RT_URL_HAS_USERINFO 2u  /* user name or password, even empty ones: there was an "@" */
#define RT_URL_HAS_QUERY    4u  /* a "?", even with nothing behind it */
#define RT_URL_HAS_FRAGMENT 8u  /* a "#", likewise */
#define RT_URL_OPAQUE_PATH  16u /* as in data: and javascript:: no host, no folders */
#define RT_URL_IRREGULAR                                                                           \
    32u /* understood, but not written as URLs should be (backslashes, tabs,                       \
           missing slashes …): another parser may read another host */

struct rt_url {
    uint32_t len; /* of the whole */
    struct rt_url_part scheme, username, password, host, path, query, fragment;
    int32_t port; /* as given, or the scheme's own; -1: unknown */
    uint32_t flags;
};

/* Take a URL apart.  The normal form is written to BUF, ended with a NUL; at most three times as
 * long as TEXT, and some characters more.
 *
 * Returns 0.  -1: not an absolute URL in UTF-8.  -2: BUF is too small.  BUF and *RET are unchanged
 * unless it returns 0. */
int rt_url_parse(const char *text, size_t len, char *buf, size_t size, struct rt_url *ret);

#endif
