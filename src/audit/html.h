/* A log as one page: each run with its processes and calls on a line of time, green and red, and
 * all that the records say. It needs no network and no script; what it holds of others' text is
 * escaped, and a policy in the page keeps a browser from obeying anything that might slip through.
 */
#ifndef CAPFUL_AUDIT_HTML_H
#define CAPFUL_AUDIT_HTML_H

#include "base/str.h"
#include "capful/capful.h"

#define HTML_RECORDS 200000 /* as many as a browser bears */

/* Writes the page in pieces, with `max_records` at most: more are counted and not shown; `write`
 * answers false to end it (0 is answered then). *ret_sound: whether the log is; if it is not, the
 * page says so at its head. CAPFUL_EFILE, CAPFUL_ENOMEM. */
CAPFUL_MUST_USE int audit_html(const char *path, uint32_t max_records,
                               bool (*write)(void *context, struct str text), void *context,
                               bool *ret_sound, struct capful_error *err);

#endif
