/* --trace: each tool call on stderr as it happens. */
#ifndef CAPFUL_CLI_TRACE_H
#define CAPFUL_CLI_TRACE_H

#include "base/buf.h"
#include "capful/capful.h"

void trace_call(const struct capful_record *record);

/* "12 ms", "1.5 s", "800 us". */
void trace_add_time(struct buf *out, uint64_t ns);

#endif
