/* See decide.h. */
#include "policy/decide.h"

#include "base/mem.h"

/* One grant that is being tried. */
struct trial {
    const struct circumstances *at;
    const struct authority_tool *tool;
    const struct arguments *given;
    struct grant_chain chain;
    struct facts facts;
    struct decision *d;
    struct buf *why; /* NULL: nobody reads what its constraints say */
};

static enum verdict refuse(struct decision *d, const char *code)
{
    d->code = code;
    return VERDICT_DENY;
}

static enum verdict refuse_with(struct decision *d, const char *code, const char *why)
{
    buf_clear(&d->why);
    buf_add_text(&d->why, why);
    return refuse(d, code);
}

static struct facts make_facts(const struct circumstances *at, yyjson_val *arguments)
{
    return (struct facts){.arguments = arguments,
                          .context = at->context,
                          .now = at->now,
                          .seen = at->seen ? seen_has : NULL,
                          .seen_context = at->seen};
}

/* ------------------------------------------------------------------ one grant */

static enum verdict check_shape(struct trial *t)
{
    struct decision *d = t->d;
    const struct arguments *arguments = t->given;
    enum bind_result bound =
        arguments_bind(t->given, t->chain.nodes[0], t->at->context, &d->arguments, &d->why);
    if (bound == BIND_NOMEM)
        return VERDICT_NOMEM;
    if (bound == BIND_MISSING)
        return refuse(d, "constraint");
    d->bound = bound == BIND_MADE;
    if (d->bound)
        arguments = &d->arguments;
    t->facts = make_facts(t->at, arguments->json.root);
    struct str text = {arguments->text, arguments->len};
    if (t->at->fits && !t->at->fits(t->at->fits_context, text, &d->why))
        return VERDICT_MISFIT;
    return VERDICT_ALLOW;
}

static enum verdict check_node(struct trial *t, const struct grant *node)
{
    if (atomic_load_explicit(&node->revoked, memory_order_acquire))
        return refuse_with(t->d, "revoked", "its grant was revoked");
    if (t->facts.now >= node->expires)
        return refuse_with(t->d, "expired", "its grant has expired");
    if (!node->parent && !arguments_allowed(t->given, node, t->tool->parameters, &t->d->why))
        return refuse(t->d, "constraint");
    if (node->where && where_check(node->where, &t->facts, t->why) != OUTCOME_YES)
        return refuse(t->d, "constraint");
    return VERDICT_ALLOW;
}

static bool asks(const struct grant *node, const struct facts *facts)
{
    return node->approve == APPROVE_ALWAYS ||
           (node->approve == APPROVE_WHEN &&
            where_check(node->approve_when, facts, NULL) != OUTCOME_NO);
}

static const char *budget_code(enum budget_answer answer)
{
    static const char *const codes[] = {[BUDGET_CALLS] = "budget",
                                        [BUDGET_RATE] = "rate",
                                        [BUDGET_COUNTED] = "constraint",
                                        [BUDGET_FAILED] = "state"};
    return codes[answer];
}

/* Flow rules, and what the account had touched for them. */
static enum verdict check_flow(struct trial *t, struct reservation *reservation)
{
    const struct authority *authority = t->at->authority;
    if (authority->flow.n == 0)
        return VERDICT_ALLOW;
    if (!reservation_touched(reservation, &authority->labels, &t->d->touched))
        return refuse_with(t->d, "state", "what was touched so far cannot be told");
    enum flow_answer answer = flow_judge(&authority->flow, &authority->labels, t->d->labels,
                                         t->d->touched | t->at->touched, &t->d->why);
    if (answer == FLOW_DENY)
        return refuse(t->d, "flow");
    return answer == FLOW_ASK ? VERDICT_ASK : VERDICT_ALLOW;
}

static enum verdict reserve(struct trial *t, struct reservation *reservation)
{
    enum verdict verdict = check_flow(t, reservation);
    if (verdict == VERDICT_DENY)
        return verdict;
    for (size_t i = 0; i < t->chain.n; i++) {
        const struct grant *node = t->chain.nodes[i];
        struct buf why = BUF_INIT(8192);
        enum budget_answer answer = reservation_take(reservation, node, &t->facts, &why);
        if (answer != BUDGET_OK) {
            buf_release(&t->d->why);
            t->d->why = why;
            return refuse(t->d, budget_code(answer));
        }
        if (asks(node, &t->facts))
            verdict = VERDICT_ASK;
    }
    if (verdict == VERDICT_ASK && !t->at->approved)
        return VERDICT_ASK;
    if (!reservation_touch(reservation, &t->at->authority->labels, t->d->labels))
        return refuse_with(t->d, "state", "what is touched cannot be recorded");
    return VERDICT_ALLOW;
}

static enum verdict try_grant(struct trial *t, struct grant *grant)
{
    struct reservation reservation;
    struct decision *d = t->d;
    grant_chain(grant, &t->chain);
    d->labels = t->tool->labels | grant_labels(grant);
    enum verdict verdict = check_shape(t);
    for (size_t i = 0; i < t->chain.n && verdict == VERDICT_ALLOW; i++)
        verdict = check_node(t, t->chain.nodes[i]);
    if (verdict != VERDICT_ALLOW)
        return verdict;
    reservation_begin(&reservation, t->at->ledger);
    verdict = reserve(t, &reservation);
    if (verdict != VERDICT_ALLOW)
        reservation_undo(&reservation);
    else if (!reservation_commit(&reservation))
        return refuse_with(d, "state", "what is used cannot be recorded");
    return verdict;
}

/* ------------------------------------------------------------------ all grants */

static void decision_init(struct decision *d)
{
    *d = (struct decision){.verdict = VERDICT_DENY, .code = "not_granted"};
    buf_init(&d->why, 8192);
}

void decision_release(struct decision *d)
{
    arguments_release(&d->arguments);
    buf_release(&d->why);
}

void decide(const struct circumstances *at, const struct authority_tool *tool,
            struct grant *const *grants, size_t n_grants, const struct arguments *arguments,
            struct decision *ret)
{
    struct decision first;
    decision_init(&first);
    if (n_grants == 0)
        buf_add_text(&first.why, "it is not granted");
    for (size_t i = 0; i < n_grants; i++) {
        struct decision d;
        decision_init(&d);
        struct trial trial = {.at = at, .tool = tool, .given = arguments, .d = &d};
        trial.why = i == 0 ? &d.why : NULL; /* the reason is that of the first */
        d.verdict = try_grant(&trial, grants[i]);
        d.grant = grants[i];
        if (d.verdict == VERDICT_ALLOW || d.verdict == VERDICT_ASK || d.verdict == VERDICT_NOMEM) {
            decision_release(&first);
            *ret = d;
            return;
        }
        if (i == 0)
            first = d;
        else
            decision_release(&d);
    }
    *ret = first;
}

/* ------------------------------------------------------------------ beside calls */

bool decide_touched(const struct circumstances *at, label_set *ret)
{
    struct reservation reservation;
    reservation_begin(&reservation, at->ledger);
    bool ok = reservation_touched(&reservation, &at->authority->labels, ret);
    reservation_undo(&reservation);
    return ok;
}

bool decide_touch(const struct circumstances *at, label_set labels)
{
    struct reservation reservation;
    reservation_begin(&reservation, at->ledger);
    if (reservation_touch(&reservation, &at->authority->labels, labels))
        return reservation_commit(&reservation);
    reservation_undo(&reservation);
    return false;
}

bool decide_failed(const struct circumstances *at, const struct grant *grant, yyjson_val *arguments)
{
    struct facts facts = make_facts(at, arguments);
    bool ok = true;
    if (!grant_root(grant)->free_failures)
        return true;
    for (; grant; grant = grant->parent)
        ok = budget_give_back(at->ledger, grant, &facts) && ok;
    return ok;
}

bool decide_withhold(const struct grant *grant)
{
    for (; grant; grant = grant->parent)
        if (grant->withhold && grant_revoked(grant))
            return true;
    return false;
}
