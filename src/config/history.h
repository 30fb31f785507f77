/* Policies and audit logs: what policy a log would have passed under, and what another policy would
 * have said to it. */
#ifndef CAPFUL_CONFIG_HISTORY_H
#define CAPFUL_CONFIG_HISTORY_H

#include "base/buf.h"
#include "capful/capful.h"

/* Drafts the narrowest grants under which every call of the log that was made would have been.
 * `base` is what the draft extends; NULL: it has grants alone. CAPFUL_EPOLICY: the log was changed,
 * or is beyond what is looked at. CAPFUL_EFILE, CAPFUL_ENOMEM. */
int policy_suggest(const char *log, const char *base, struct buf *out, struct capful_error *err);

struct replay_summary {
    uint64_t calls, runs, changed;
    uint64_t unknown; /* without arguments in the log: not judged */
};
/* A line for each call whose verdict would be another. Fails as above, or as the policy does. */
int policy_replay(const char *log, const char *policy, struct buf *out, struct replay_summary *ret,
                  struct capful_error *err);

#endif
