/* Flow rules: what may still be called, given what a run and its account have touched.  A pure
 * function of label sets; capful-policy(5), "FLOW". */
#ifndef CAPFUL_POLICY_FLOW_H
#define CAPFUL_POLICY_FLOW_H

#include "base/json.h"
#include "policy/constraint.h"
#include "policy/label.h"

#define FLOW_RULES_MAX 1000

enum flow_answer { FLOW_ALLOW, FLOW_ASK, FLOW_DENY };

struct flow_rule {
    enum flow_answer answer; /* FLOW_ASK or FLOW_DENY */
    label_set calls;         /* a call that carries one of these … */
    label_set after;         /* … once all of these were touched, */
    label_set unless_after;  /* or as long as not all of these were; */
    bool exclusive;          /* or `calls` are labels of which only one may be touched */
    yyjson_val *at;          /* where it stands, while the policy is loaded */
};

struct flow {
    struct flow_rule *rules;
    size_t n;
};

/* Reads "trifecta" or a list of rules and adds them; every problem is reported.  Labels are added
 * to `labels`. */
void flow_load(struct flow *flow, yyjson_val *value, struct labels *labels,
               const struct constraint_reader *reader, bool *ret_nomem);
/* Reports labels of the rules that are not in `carried` ("trifecta" excepted). */
void flow_lint(const struct flow *flow, const struct labels *labels, label_set carried,
               const struct constraint_reader *reader);
void flow_release(struct flow *flow);

/* What the rules say to a call that carries `call` when `touched` was touched before; `why` gets
 * the reason of the strictest. */
enum flow_answer flow_judge(const struct flow *flow, const struct labels *labels, label_set call,
                            label_set touched, struct buf *why);

#endif
