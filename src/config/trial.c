/* See trial.h. */
#include "config/trial.h"

#include "base/mem.h"
#include "tool/schema.h"

#define COUNTERS 1000000

bool trial_init(struct trial *trial, const struct toolset *set)
{
    *trial = (struct trial){.set = set};
    if (store_memory_new(COUNTERS, &trial->run) != 0 ||
        store_memory_new(COUNTERS, &trial->sandbox) != 0) {
        trial_release(trial);
        return false;
    }
    trial->ledger =
        (struct ledger){trial->run, trial->sandbox, trial->sandbox, STR("trial"), STR("trial")};
    return true;
}

void trial_release(struct trial *trial)
{
    store_free(trial->run);
    store_free(trial->sandbox);
    seen_release(&trial->seen);
    trial->run = trial->sandbox = NULL;
}

static bool fits(void *context, struct str arguments, struct buf *why)
{
    const struct tool *tool = context;
    char text[2048];
    if (tool_schema_accepts(tool->schema, arguments, text, sizeof text))
        return true;
    buf_clear(why);
    buf_add_text(why, text);
    return false;
}

static bool decided(struct trial *trial, struct decision *d, struct trial_answer *ret)
{
    bool ok = d->verdict != VERDICT_NOMEM && !buf_failed(&d->why);
    ret->verdict = d->verdict == VERDICT_MISFIT ? VERDICT_DENY : d->verdict;
    ret->code = d->verdict == VERDICT_MISFIT ? "schema" : d->code;
    ret->grant = d->grant;
    buf_add_str(&ret->why, buf_str(&d->why));
    if (d->verdict == VERDICT_ALLOW)
        trial->touched |= d->labels;
    decision_release(d);
    return ok;
}

static bool misread(const char *text, struct trial_answer *ret)
{
    ret->code = "schema";
    return buf_add_text(&ret->why, text);
}

bool trial_call(struct trial *trial, const struct tool *tool, struct str text, struct grant *grant,
                struct trial_answer *ret)
{
    const struct authority_tool *rules = tool->authority;
    struct circumstances at = {.authority = toolset_authority(trial->set),
                               .ledger = &trial->ledger,
                               .context = trial->context,
                               .now = trial->now,
                               .seen = &trial->seen,
                               .touched = trial->touched,
                               .fits = tool->schema ? fits : NULL,
                               .fits_context = (void *)(uintptr_t)tool,
                               .approved = trial->approved};
    struct json_problem problem = {0, false, ""};
    struct arguments arguments;
    struct decision d;
    *ret = (struct trial_answer){.verdict = VERDICT_DENY, .why = BUF_INIT(1 << 16)};
    if (!json_check(text, JSON_STRICT, TOOL_DEPTH, NULL, &problem))
        return misread(problem.text, ret);
    switch (arguments_read(text, TOOL_DEPTH, rules->parameters, &arguments, &problem)) {
    case ARGUMENTS_NOMEM: return false;
    case ARGUMENTS_WRONG: return misread(problem.text, ret);
    case ARGUMENTS_OK: break;
    }
    if (grant)
        decide(&at, rules, &grant, 1, &arguments, &d);
    else
        decide(&at, rules, rules->grants, rules->n_grants, &arguments, &d);
    arguments_release(&arguments);
    return decided(trial, &d, ret) && !buf_failed(&ret->why);
}

bool trial_result(struct trial *trial, const struct tool *tool, yyjson_val *result)
{
    const struct authority *authority = toolset_authority(trial->set);
    const struct authority_tool *rules = tool->authority;
    for (size_t i = 0; i < rules->n_sources; i++) {
        uint32_t number = rules->sources[i];
        if (!seen_add(&trial->seen, number, &authority->sources[number].pointer, result))
            return false;
    }
    return true;
}
