/* The decision on one call: a function of the grants that a process holds, what was used and
 * touched so far, and the call.
 *
 *   for each grant, in order:    bind ──> schema ──> revoked? expired? where ──> flow
 *                                                                          │
 *        the first that allows or asks decides        budgets <── approve? <┘
 *                                                     (reserved; undone for a question)
 *
 * Nothing but the stores of the ledger and the seen set is read besides, and nothing but the stores
 * is changed, and that only when the answer is VERDICT_ALLOW. What cannot be told refuses.
 */
#ifndef CAPFUL_POLICY_DECIDE_H
#define CAPFUL_POLICY_DECIDE_H

#include "policy/authority.h"
#include "policy/budget.h"

enum verdict {
    VERDICT_ALLOW,
    VERDICT_ASK,
    VERDICT_DENY,
    VERDICT_MISFIT, /* the arguments do not fit the schema */
    VERDICT_NOMEM
};

/* What a decision looks at beside the call. */
struct circumstances {
    const struct authority *authority;
    const struct ledger *ledger;
    yyjson_val *context; /* of the run; NULL: none */
    uint64_t now;        /* ns since 1970 */
    struct seen *seen;
    label_set touched; /* by the sandbox and its mounts; the account's are read from the ledger */
    /* Whether arguments fit the tool's schema; NULL: there is none. `why` gets what is wrong. */
    bool (*fits)(void *context, struct str arguments, struct buf *why);
    void *fits_context;
    bool approved; /* somebody was asked: no question is put again */
};

struct decision {
    enum verdict verdict;
    const char *code;    /* of a denial: "constraint", "budget", "rate", "revoked", "expired",
                            "flow", "not_granted", "state" */
    struct grant *grant; /* that allows or asks, or the first that refuses; borrowed */
    bool bound;          /* `arguments` holds what is to be recorded and sent; else they are as they
                            were given to decide() */
    struct arguments arguments;
    label_set labels;  /* of the call */
    label_set touched; /* what the account had touched, where there are rules */
    struct buf why;    /* of a denial, a misfit or a question, in words */
};

/* Release with decision_release. `arguments` is from arguments_read and stays the caller's. */
void decide(const struct circumstances *circumstances, const struct authority_tool *tool,
            struct grant *const *grants, size_t n_grants, const struct arguments *arguments,
            struct decision *ret);
void decision_release(struct decision *decision);

/* What the account has touched. False: its store failed. */
bool decide_touched(const struct circumstances *circumstances, label_set *ret);
/* Labels were touched otherwise than by a call. False: the account's store failed. */
bool decide_touch(const struct circumstances *circumstances, label_set labels);

/* A call ended with a failure: gives back what the grants say is free then. */
bool decide_failed(const struct circumstances *circumstances, const struct grant *grant,
                   yyjson_val *arguments);
/* Whether the result of a call that is under way is withheld because a grant was revoked. */
bool decide_withhold(const struct grant *grant);

#endif
