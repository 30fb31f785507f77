/* Calls that are decided on and never made: the tests of a policy, capful explain, capful policy
 * replay. Budgets, what was touched and what was seen are the trial's own, and count from nothing.
 * Private to src/config. */
#ifndef CAPFUL_CONFIG_TRIAL_H
#define CAPFUL_CONFIG_TRIAL_H

#include "policy/decide.h"
#include "policy/store.h"
#include "tool/tool.h"

struct trial {
    const struct toolset *set; /* authorised */
    struct store *run, *sandbox;
    struct ledger ledger;
    struct seen seen;
    label_set touched;
    /* To be set before each call: */
    yyjson_val *context; /* borrowed; NULL: nothing */
    uint64_t now;        /* ns since 1970 */
    bool approved;       /* somebody says yes to every question */
};

bool trial_init(struct trial *trial, const struct toolset *set); /* false: memory */
void trial_release(struct trial *trial);

/* What a run would be answered. Arguments that do not fit the tool are a denial with the code
 * "schema". `grant` NULL: through any of the tool's grants. False: memory. */
struct trial_answer {
    enum verdict verdict; /* VERDICT_ALLOW, VERDICT_ASK, VERDICT_DENY */
    const char *code;     /* of a denial */
    struct grant
        *grant;     /* that allows, asks or refuses first; NULL: none, or not asked; borrowed */
    struct buf why; /* of a denial or a question; release it */
};
bool trial_call(struct trial *trial, const struct tool *tool, struct str arguments,
                struct grant *grant, struct trial_answer *ret);
/* The result of an earlier call, for seen_in. False: memory. */
bool trial_result(struct trial *trial, const struct tool *tool, yyjson_val *result);

#endif
