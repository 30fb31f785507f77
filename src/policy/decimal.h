/* Numbers of JSON, read from their text and compared as the decimals that they are: nothing is
 * rounded and nothing expanded, so that the time grows with the text and not with the exponent. */
#ifndef CAPFUL_POLICY_DECIMAL_H
#define CAPFUL_POLICY_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "policy/constraint.h"

#define DECIMAL_EXPONENT 1000000 /* beyond it, either way, a number is not judged */

struct decimal {
    int sign;                /* -1, 0, 1 */
    bool judged;             /* the exponent, as written, is within bounds */
    const char *first, *end; /* from the first digit that is not 0 to behind the last; borrowed, a
                               point may lie between */
    int64_t top, low;        /* the powers of ten that these two count */
};

/* `text` must be a number that json_check passed. */
void decimal_read(struct decimal *ret, struct str text);
/* Less than 0, 0, more than 0.  Right for those that are not judged, too, up to 10^15. */
int decimal_compare(const struct decimal *a, const struct decimal *b);
bool decimal_is_whole(const struct decimal *number);
/* False: negative, 10^18 or more, with more than 18 decimals, or not judged. */
bool decimal_fixed18(const struct decimal *number, fixed18 *ret);
void fixed18_write(fixed18 number, struct buf *out);

#endif
