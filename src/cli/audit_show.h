/* capful audit show: the records of a log as lines for people. */
#ifndef CAPFUL_CLI_AUDIT_SHOW_H
#define CAPFUL_CLI_AUDIT_SHOW_H

#include "audit/reader.h"
#include "base/buf.h"

struct show_filter {
    const char *run;     /* what its identifier begins with; NULL: all */
    const char *tool;    /* a name or pattern */
    const char *verdict; /* allow, deny or ask */
    bool json;           /* the records as they stand in the log */
    bool colour;
};

/* Appends a line, or nothing where the filter says so. False: memory. */
bool audit_show(const struct show_filter *filter, const struct audit_entry *entry, struct buf *out);

#endif
