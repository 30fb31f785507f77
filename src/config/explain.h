/* What a policy says of one call, in words, and of its tools to models. No tool is called. */
#ifndef CAPFUL_CONFIG_EXPLAIN_H
#define CAPFUL_CONFIG_EXPLAIN_H

#include "base/buf.h"
#include "capful/capful.h"
#include "policy/decide.h"

struct explain_call {
    const char *tool;
    const char *arguments; /* JSON; an object */
    const char *facts;     /* the context of the run, a JSON object; NULL: nothing */
    const char *grant;     /* only through this one; NULL: any */
};

/* The verdict as the first call of a run would get it, and why: one line, then one for each grant
 * of the tool. VERDICT_ALLOW, VERDICT_ASK or VERDICT_DENY. CAPFUL_EINVAL: there is no such tool or
 * grant, or what was given is no JSON object. Else as building the policy of that file fails. */
int policy_explain(const char *path, const struct explain_call *call, enum verdict *ret_verdict,
                   struct buf *out, struct capful_error *err);

/* The pages of the tools that the policy grants. */
int policy_prompt(const char *path, struct buf *out, struct capful_error *err);

#endif
