/* See explain.h. */
#include "config/explain.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "config/builder.h"
#include "config/trial.h"

/* ------------------------------------------------------------------ one call */

struct explanation {
    const struct explain_call *call;
    const struct toolset *set;
    const struct tool *tool;
    struct json facts;
    struct buf *out;
};

static int read_object(const char *what, const char *text, struct json *ret,
                       struct capful_error *err)
{
    struct json_problem problem = {0, false, ""};
    if (!json_parse(str_of(text), JSON_UNIQUE_KEYS, TOOL_DEPTH, ret, &problem))
        return problem.nomem ? err_nomem(err)
                             : err_set(err, CAPFUL_EINVAL, "%s, byte %zu: %s", what,
                                       problem.offset + 1, problem.text);
    if (yyjson_is_obj(ret->root))
        return 0;
    int failed =
        err_set(err, CAPFUL_EINVAL, "%s must be an object, not %s", what, json_kind(ret->root));
    json_release(ret);
    *ret = (struct json){NULL, NULL, 0};
    return failed;
}

/* Each answer is of a run that has done nothing yet: one does not use up what another counts. */
static int ask_policy(const struct explanation *e, struct grant *grant, struct trial_answer *ret,
                      struct capful_error *err)
{
    struct trial trial;
    if (!trial_init(&trial, e->set))
        return err_nomem(err);
    trial.context = e->facts.root;
    trial.now = clock_real();
    bool ok = trial_call(&trial, e->tool, str_of(e->call->arguments), grant, ret);
    trial_release(&trial);
    if (ok)
        return 0;
    buf_release(&ret->why);
    return err_nomem(err);
}

static void put_verdict(const struct explanation *e, const struct trial_answer *answer)
{
    const char *name = answer->grant ? answer->grant->name : "";
    buf_printf(e->out, "%s %s: ", e->tool->name, e->call->arguments);
    if (answer->verdict == VERDICT_ALLOW)
        buf_printf(e->out, "allowed by the grant \"%s\"\n", name);
    else if (answer->verdict == VERDICT_ASK)
        buf_printf(e->out, "needs an approval, says the grant \"%s\"\n", name);
    else
        buf_printf(e->out, "denied (%s)%s%s\n", answer->code, answer->why.len ? ": " : "",
                   answer->why.len ? answer->why.data : "");
}

/* What a grant wants of each call, indented under its line. */
static void put_where(const struct explanation *e, const struct grant *grant)
{
    struct buf rules = BUF_INIT(1 << 20);
    for (const struct grant *node = grant; node; node = node->parent)
        if (node->where)
            where_describe(node->where, &rules);
    for (const char *at = rules.data; at && *at;) {
        size_t len = strcspn(at, "\n");
        buf_printf(e->out, "      %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
    e->out->failed = e->out->failed || buf_failed(&rules);
    buf_release(&rules);
}

static int put_grant(const struct explanation *e, struct grant *grant, struct capful_error *err)
{
    struct trial_answer answer;
    int failed = ask_policy(e, grant, &answer, err);
    if (failed)
        return failed;
    const char *why = answer.why.len ? answer.why.data : "";
    buf_printf(e->out, "  %s", grant->name);
    for (const struct grant *parent = grant->parent; parent; parent = parent->parent)
        buf_printf(e->out, ", within %s", parent->name);
    if (answer.verdict == VERDICT_ALLOW)
        buf_add_text(e->out, ": allows it\n");
    else if (answer.verdict == VERDICT_ASK)
        buf_printf(e->out, ": asks%s%s\n", *why ? ": " : "", why);
    else
        buf_printf(e->out, ": refuses (%s): %s\n", answer.code, why);
    put_where(e, grant);
    buf_release(&answer.why);
    return 0;
}

static int find_grant(const struct explanation *e, struct grant **ret, struct capful_error *err)
{
    const struct authority_tool *rules = e->tool->authority;
    *ret = NULL;
    if (!e->call->grant)
        return 0;
    for (size_t i = 0; i < rules->n_grants && !*ret; i++)
        if (strcmp(rules->grants[i]->name, e->call->grant) == 0)
            *ret = rules->grants[i];
    return *ret ? 0
                : err_set(err, CAPFUL_EINVAL, "no grant \"%.200s\" covers the tool \"%s\"",
                          e->call->grant, e->tool->name);
}

static int explain(struct explanation *e, enum verdict *ret_verdict, struct capful_error *err)
{
    const struct authority_tool *rules = e->tool->authority;
    struct trial_answer answer;
    struct grant *only;
    int failed = find_grant(e, &only, err);
    if (!failed)
        failed = ask_policy(e, only, &answer, err);
    if (failed)
        return failed;
    put_verdict(e, &answer);
    *ret_verdict = answer.verdict;
    buf_release(&answer.why);
    for (size_t i = 0; i < rules->n_grants && !failed; i++)
        if (!only || only == rules->grants[i])
            failed = put_grant(e, rules->grants[i], err);
    return failed;
}

static int no_tool(const struct toolset *set, const char *name, struct capful_error *err)
{
    const struct tool *near = toolset_nearest(set, str_of(name));
    return err_set(err, CAPFUL_EINVAL, "the policy has no tool \"%.200s\"%s%.200s%s", name,
                   near ? "; did you mean \"" : "", near ? near->name : "", near ? "\"?" : "");
}

int policy_explain(const char *path, const struct explain_call *call, enum verdict *ret_verdict,
                   struct buf *out, struct capful_error *err)
{
    struct capful_builder *builder;
    struct json arguments;
    int failed = builder_open(path, &builder, err);
    if (failed)
        return failed;
    struct explanation e = {.call = call, .set = builder->tools, .out = out};
    e.tool = toolset_find(e.set, str_of(call->tool));
    if (!e.tool)
        failed = no_tool(e.set, call->tool, err);
    if (!failed)
        failed = read_object("the arguments", call->arguments, &arguments, err);
    if (!failed) {
        json_release(&arguments);
        if (call->facts)
            failed = read_object("the facts", call->facts, &e.facts, err);
    }
    if (!failed)
        failed = explain(&e, ret_verdict, err);
    if (!failed && !builder->file->enforced)
        buf_add_text(out, "The policy only watches: the call is made in any case.\n");
    if (!failed && buf_failed(out))
        failed = err_nomem(err);
    json_release(&e.facts);
    capful_builder_free(builder);
    return failed;
}

/* ------------------------------------------------------------------ for models */

int policy_prompt(const char *path, struct buf *out, struct capful_error *err)
{
    struct capful_builder *builder;
    int failed = builder_open(path, &builder, err);
    if (failed)
        return failed;
    bool first = true;
    for (size_t i = 0; i < toolset_count(builder->tools) && !failed; i++) {
        const struct tool *tool = toolset_at(builder->tools, i);
        if (!tool_granted(tool))
            continue;
        buf_add_text(out, first ? "" : "\n---\n\n");
        first = false;
        if (tool_page(tool, NULL, out) != 0)
            failed = err_nomem(err);
    }
    if (!failed && buf_failed(out))
        failed = err_nomem(err);
    capful_builder_free(builder);
    return failed;
}
