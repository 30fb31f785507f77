/* Quantities as people write them, read exactly: "5s", "1.5 MiB", "250ms", "64M", "1000". */
#ifndef CAPFUL_BASE_NUMBER_H
#define CAPFUL_BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum number_unit {
    NUMBER_NS,    /* ns us ms s min m h d; without one: seconds */
    NUMBER_BYTES, /* B; K M G T and KiB MiB …: by 1,024; kB MB GB TB: by 1,000; without one: bytes
                   */
    NUMBER_COUNT  /* none */
};

/* Decimal digits with an optional fraction, then the unit, perhaps after one space; or "unlimited"
 * (UINT64_MAX). NULL, or what is wrong in words: not a number, an unknown unit, not a whole number
 * of ns or bytes, too large. */
const char *number_parse(struct str text, enum number_unit unit, uint64_t *ret);

#endif
