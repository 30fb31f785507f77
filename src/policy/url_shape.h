/* URLs that have one reading, whoever reads them. */
#ifndef CAPFUL_POLICY_URL_SHAPE_H
#define CAPFUL_POLICY_URL_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define URL_MAX 8192 /* bytes; longer ones are not read */

struct url_shape {
    struct str scheme, host, path; /* in normal form, within `text` */
    int32_t port;                  /* -1: none */
    bool usual_port;               /* the scheme has one by itself, and it is this */
    char text[3 * URL_MAX + 64];
};

/* False: not an absolute URL, or one that others could read in another way: with white space,
 * backslashes, characters beyond ASCII, a user name, slashes too few or too many. */
bool url_shape_read(struct str text, struct url_shape *ret);
/* "example.com", "*.example.com" (what is beneath it) or "*" (any that is not empty). */
bool url_shape_host_fits(struct str pattern, struct str host);
/* Whether a pattern is written as hosts are in normal form. */
bool url_shape_host_valid(struct str pattern);
bool url_shape_scheme_valid(struct str scheme);

#endif
