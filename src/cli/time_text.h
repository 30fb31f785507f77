/* Points in time as people write them: RFC 3339. */
#ifndef CAPFUL_CLI_TIME_TEXT_H
#define CAPFUL_CLI_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-01-01T00:00:00Z", with a fraction of up to nine digits or an offset such as +02:00, or a
 * date alone (midnight UTC). *ret is ns since 1970; false for anything else and for times that do
 * not fit. */
bool time_parse(const char *text, uint64_t *ret);

#endif
