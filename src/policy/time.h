/* Dates and times as RFC 3339 writes them, and nothing beside. */
#ifndef CAPFUL_POLICY_TIME_H
#define CAPFUL_POLICY_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

typedef __int128 moment; /* ns since 1970, in UTC */

/* "2026-03-01" (its first moment) or "2026-03-01T12:00:00.5+02:00". */
bool time_read(struct str text, moment *ret);
/* "now", "now+7d", "now-30m": what is to be added to now.  NULL, or what is wrong. */
const char *time_read_now(struct str text, moment *ret);

#endif
