/* From a queued call to its verdict: what the policy's decision (policy/decide.h) needs is put
 * together here, and what it says is turned into an answer for the guest, a question for the host,
 * or leave to go on. Afterwards, what becomes of the answer.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "tool/call.h"
#include "tool/cap.h"
#include "tool/schema.h"

#define STORE_ENTRIES 1000000 /* counters of a sandbox, and of a run */

/* ------------------------------------------------------------------ what decisions look at */

/* The stores are made when something has to be counted for the first time. */
static bool open_ledger(struct tool_host *host)
{
    if (!host->sandbox_store && store_memory_new(STORE_ENTRIES, &host->sandbox_store) != 0)
        return false;
    if (!host->run_store && store_memory_new(STORE_ENTRIES, &host->run_store) != 0)
        return false;
    host->ledger.sandbox = host->sandbox_store;
    host->ledger.run = host->run_store;
    if (!host->ledger.account)
        host->ledger.account = host->sandbox_store;
    return true;
}

/* What writes to mounts are judged by, until a call tells more. */
static bool know_account(struct tool_host *host)
{
    const struct authority *authority = host->set ? toolset_authority(host->set) : NULL;
    struct circumstances at = {.authority = authority, .ledger = &host->ledger};
    host->account_touched = 0;
    if (!authority || authority->flow.n == 0)
        return true;
    return open_ledger(host) && decide_touched(&at, &host->account_touched);
}

struct held held_for(const struct tool_host *host, const struct tool *tool)
{
    if (host->held)
        return host->held_of[tool->index];
    return (struct held){tool->authority->grants, tool->authority->n_grants};
}

static void let_held_go(struct tool_host *host)
{
    for (size_t i = 0; host->held_of && i < toolset_count(host->set); i++)
        mem_free(host->held_of[i].grants);
    for (size_t i = 0; i < host->n_held; i++)
        grant_unref(host->held[i]);
    mem_free(TAKE(host->held_of));
    mem_free(TAKE(host->held));
    host->n_held = 0;
}

/* Of each tool the grants that are for it, in the order in which they were given. */
static bool hold(struct tool_host *host, struct grant *const *grants, size_t n)
{
    size_t tools = toolset_count(host->set);
    host->held = mem_array(n + 1, sizeof(struct grant *));
    host->held_of = mem_array(tools + 1, sizeof *host->held_of);
    if (!host->held || !host->held_of)
        return false;
    for (size_t i = 0; i < n; i++)
        host->held[host->n_held++] = grant_ref(grants[i]);
    for (size_t t = 0; t < tools; t++) {
        struct held *held = &host->held_of[t];
        held->grants = mem_array(n + 1, sizeof(struct grant *));
        if (!held->grants)
            return false;
        for (size_t i = 0; i < n; i++)
            if (grant_covers(grants[i], str_of(toolset_at(host->set, t)->name)))
                held->grants[held->n++] = grants[i];
    }
    return true;
}

int tool_configure(struct tool_host *host, const struct tool_circumstances *c)
{
    judge_reset(host);
    host->ledger.account = c->account;
    host->ledger.account_name = c->account_name;
    host->can_ask = c->can_ask;
    host->watch = c->watch;
    host->audit = c->audit;
    host->dry = c->canned.ptr != NULL;
    bool ok = (!c->grants || hold(host, c->grants, c->n_grants)) &&
              (!c->context.ptr ||
               json_parse(c->context, JSON_CHECKED, TOOL_DEPTH, &host->context, NULL)) &&
              (!c->canned.ptr ||
               json_parse(c->canned, JSON_CHECKED, TOOL_DEPTH + 1, &host->canned, NULL));
    if (!ok)
        return CAPFUL_ENOMEM;
    return know_account(host) ? 0 : CAPFUL_EFILE;
}

void judge_reset(struct tool_host *host)
{
    passes_release(host);
    json_release(&host->context);
    json_release(&host->canned);
    host->context = host->canned = (struct json){NULL, NULL, 0};
    host->dry = host->can_ask = host->watch = false;
    host->audit = NULL;
    let_held_go(host);
    kernel_discharge(host->kernel, host->seen_charged);
    host->seen_charged = 0;
    seen_release(&host->seen);
    store_free(host->run_store);
    host->run_store = NULL;
    host->ledger = (struct ledger){NULL, NULL, NULL, STR("sandbox"), STR("sandbox")};
}

void judge_release(struct tool_host *host)
{
    judge_reset(host);
    store_free(host->sandbox_store);
}

static bool fits_schema(void *context, struct str arguments, struct buf *why)
{
    const struct tool *tool = context;
    char text[2048];
    if (tool_schema_accepts(tool->schema, arguments, text, sizeof text))
        return true;
    buf_clear(why);
    buf_add_text(why, text);
    return false;
}

static struct circumstances circumstances_of(struct tool_host *host, const struct tool *tool)
{
    return (struct circumstances){.authority = toolset_authority(host->set),
                                  .ledger = &host->ledger,
                                  .context = host->context.root,
                                  .now = clock_real(),
                                  .seen = &host->seen,
                                  .touched = host->touched,
                                  .fits = tool->schema ? fits_schema : NULL,
                                  .fits_context = (void *)(uintptr_t)tool};
}

/* ------------------------------------------------------------------ a "no" */

static enum judgement no_memory(struct tool_host *host, struct capful_call *call)
{
    kernel_stop_fault(host->kernel, "out of memory for a tool call");
    call_settle_failed(host, call, CAPFUL_CALL_FAILED, "failed", "out of memory");
    return JUDGED_NO;
}

static enum judgement unknown_tool(struct tool_host *host, struct capful_call *call)
{
    enum { SHOWN = 10 };
    struct buf message = BUF_INIT(8192);
    const struct tool *near = toolset_nearest(host->set, str_of(call->name));
    size_t granted = 0;
    buf_printf(&message, "there is no tool \"%s\"", call->name);
    if (near && tool_granted(near))
        buf_printf(&message, "; did you mean \"%s\"?", near->name);
    else
        buf_add_char(&message, '.');
    for (size_t i = 0; i < toolset_count(host->set); i++) {
        const struct tool *tool = toolset_at(host->set, i);
        if (tool_granted(tool) && granted++ < SHOWN)
            buf_printf(&message, "%s%s", granted == 1 ? " There are: " : ", ", tool->name);
    }
    if (granted > SHOWN)
        buf_printf(&message, " and %zu more", granted - SHOWN);
    else if (granted == 0)
        buf_add_text(&message, " There are none.");
    call_settle_error(host, call, CAPFUL_CALL_FAILED, "not_found", buf_str(&message),
                      (struct str){"", 0});
    buf_release(&message);
    return JUDGED_NO;
}

static enum judgement misfit(struct tool_host *host, struct capful_call *call, const char *why)
{
    call->misfit = true;
    call_settle_failed(host, call, CAPFUL_CALL_FAILED, "schema", "%s: %s", call->tool->name, why);
    return JUDGED_NO;
}

/* Where only is watched, the call is made all the same, and its record says that it would not have
 * been. What a guest narrowed, and what the host revoked, is not the policy's to be watched. */
static enum judgement denied(struct tool_host *host, struct capful_call *call, const char *code,
                             struct str why)
{
    bool narrowed = call->cap && call->cap->depth > 0;
    if (!host->watch || narrowed || strcmp(code, "revoked") == 0) {
        call_settle_denied(host, call, code, why);
        return JUDGED_NO;
    }
    mem_free((char *)call->record.would_deny);
    call->record.would_deny = mem_dup(why.ptr, why.len);
    return call->record.would_deny ? JUDGED_ALLOW : no_memory(host, call);
}

/* ------------------------------------------------------------------ arguments */

/* The text that was decided on takes the place of the guest's: it is what is recorded and sent. */
static bool keep_arguments(struct tool_host *host, struct capful_call *call, const char *text,
                           size_t len)
{
    if (len == call->argument_len && memcmp(text, call->arguments, len) == 0)
        return true;
    if (len > call->argument_len && !kernel_charge(host->kernel, len - call->argument_len))
        return false;
    char *copy = mem_dup(text, len);
    if (!copy)
        return false;
    if (len > call->argument_len)
        call->charged += len - call->argument_len;
    if (call->own_arguments)
        host->kept -= call->argument_len;
    mem_free(call->own_arguments);
    call->own_arguments = call->arguments = copy;
    call->argument_len = len;
    call->record.arguments = copy;
    host->kept += len;
    return true;
}

static bool name_tool(struct capful_call *call, const struct tool *tool)
{
    call->tool = tool;
    if (strcmp(call->tool_name, tool->name) == 0)
        return true;
    char *name = mem_strdup(tool->name);
    if (!name)
        return false;
    call->record.tool = call->tool_name = name;
    return true;
}

uint64_t tool_own_calls_left(const struct tool_host *host, const struct tool *tool)
{
    uint64_t used = host->used ? host->used[tool->index] : 0;
    if (tool->max_calls == CAPFUL_UNLIMITED)
        return CAPFUL_UNLIMITED;
    return used < tool->max_calls ? tool->max_calls - used : 0;
}

uint64_t tool_calls_left(const struct tool_host *host, const struct grant *grant, size_t index)
{
    uint64_t left;
    if (!host->ledger.sandbox)
        return grant->calls[index].n;
    return budget_calls_left(&host->ledger, grant, index, &left) ? left : 0;
}

void tool_reach(struct tool_host *host, uint64_t labels)
{
    host->touched_by_mounts |= labels & ~host->account_touched;
    host->touched |= labels;
}

bool tool_may_write(struct tool_host *host, uint64_t labels)
{
    const struct authority *authority = toolset_authority(host->set);
    struct buf why = BUF_INIT(8192);
    bool may = flow_judge(&authority->flow, &authority->labels, labels,
                          host->touched | host->account_touched, &why) == FLOW_ALLOW;
    buf_release(&why);
    if (may)
        tool_reach(host, labels);
    return may;
}

/* Tells the account what mounts have touched. False: it cannot be told, so nothing more is called.
 */
static bool tell_account(struct tool_host *host)
{
    struct circumstances at = {.authority = toolset_authority(host->set), .ledger = &host->ledger};
    if (!host->touched_by_mounts)
        return true;
    if (!open_ledger(host) || !decide_touch(&at, host->touched_by_mounts)) {
        kernel_stop_fault(host->kernel, "what the run has touched cannot be recorded");
        return false;
    }
    host->account_touched |= host->touched_by_mounts;
    host->touched_by_mounts = 0;
    return true;
}

void judge_end(struct tool_host *host)
{
    if (host->set)
        tell_account(host);
}

bool tool_forget(struct tool_host *host, struct store *store, struct str account, bool use,
                 bool touched)
{
    if (touched)
        host->touched = host->touched_by_mounts = 0;
    if (use && store == host->sandbox_store)
        mem_free(TAKE(host->used));
    if (!store)
        return true;
    if (!store_begin(store, account))
        return false;
    if ((use && touched && store_clear(store, STR(""))) ||
        (use && !touched && budget_clear(store, true)) ||
        (!use && touched && budget_clear(store, false)))
        return store_commit(store);
    store_rollback(store);
    return false;
}

struct store *tool_sandbox_store(struct tool_host *host)
{
    return host->sandbox_store;
}

uint64_t tool_touched(const struct tool_host *host)
{
    return host->touched;
}

void tool_touch(struct tool_host *host, uint64_t labels)
{
    host->touched |= labels;
}

static bool count_own(struct tool_host *host, const struct tool *tool)
{
    if (!host->used) {
        host->used = mem_array(toolset_count(host->set), sizeof *host->used);
        if (!host->used)
            return false;
    }
    host->used[tool->index]++;
    return true;
}

/* ------------------------------------------------------------------ the decision */

static enum judgement ask(struct tool_host *host, struct capful_call *call,
                          const struct decision *d, const struct arguments *arguments)
{
    const struct arguments *shown = d->bound ? &d->arguments : arguments;
    struct str why =
        d->why.len ? buf_str(&d->why) : STR("the policy has such calls approved by a person");
    if (host->watch) /* nobody is bothered */
        return denied(host, call, "approval", STR("it needs an approval"));
    if (!host->can_ask)
        return denied(host, call, "approval", STR("it needs an approval, and nobody can be asked"));
    uint64_t wait = toolset_approval_time(host->set), now = clock_monotonic();
    call->deadline = wait > UINT64_MAX - now ? UINT64_MAX : now + wait;
    if (!record_asked(host, call, why)) {
        call_settle_denied(host, call, "approval", STR("the question cannot be recorded"));
        return JUDGED_NO;
    }
    return question_put(host, call, (struct str){shown->text, shown->len}, why)
               ? JUDGED_ASK
               : no_memory(host, call);
}

static enum judgement allow(struct tool_host *host, struct capful_call *call,
                            const struct decision *d, const struct arguments *arguments)
{
    const struct arguments *sent = d->bound ? &d->arguments : arguments;
    host->touched |= d->labels;
    host->account_touched |= d->touched | d->labels;
    if (!keep_arguments(host, call, sent->text, sent->len) || !count_own(host, call->tool))
        return no_memory(host, call);
    return JUDGED_ALLOW;
}

static void charge_to(struct capful_call *call, struct grant *grant)
{
    struct grant *old = call->grant;
    call->grant = grant ? grant_ref(grant) : NULL;
    call->record.grant = grant ? grant->name : NULL;
    grant_unref(old);
}

/* An approval that was given for this call too. */
static void use_pass(struct tool_host *host, struct capful_call *call, struct circumstances *at,
                     const struct arguments *arguments, struct decision *d)
{
    for (size_t i = 0; i < host->n_passes; i++) {
        struct pass *pass = &host->passes[i];
        struct decision by_pass;
        if (pass->from != d->grant)
            continue;
        at->approved = true;
        decide(at, call->tool->authority, &pass->grant, 1, arguments, &by_pass);
        at->approved = false;
        if (by_pass.verdict == VERDICT_ALLOW) {
            decision_release(d);
            *d = by_pass;
            return;
        }
        decision_release(&by_pass);
    }
}

static enum judgement conclude(struct tool_host *host, struct capful_call *call,
                               struct circumstances *at, const struct arguments *arguments,
                               struct decision *d)
{
    enum judgement judgement = JUDGED_NO;
    if (d->verdict == VERDICT_ASK)
        use_pass(host, call, at, arguments, d);
    charge_to(call, d->grant);
    switch (d->verdict) {
    case VERDICT_ALLOW: return allow(host, call, d, arguments);
    case VERDICT_ASK: judgement = ask(host, call, d, arguments); break;
    case VERDICT_DENY: judgement = denied(host, call, d->code, buf_str(&d->why)); break;
    case VERDICT_MISFIT: return misfit(host, call, buf_failed(&d->why) ? "" : d->why.data);
    case VERDICT_NOMEM: return no_memory(host, call);
    }
    /* Where only is watched, it is made with what was decided on. */
    return judgement == JUDGED_ALLOW ? allow(host, call, d, arguments) : judgement;
}

/* Decides on arguments that json_check has passed. What is needed meanwhile is charged. */
static enum judgement decide_on(struct tool_host *host, struct capful_call *call, struct str text,
                                size_t values, struct grant *const *grants, size_t n_grants,
                                bool approved)
{
    struct circumstances at = circumstances_of(host, call->tool);
    uint64_t work = 4 * (uint64_t)text.len + 160 * (uint64_t)values;
    struct json_problem problem = {0, false, ""};
    struct arguments arguments;
    struct decision d;
    enum judgement judgement;
    at.approved = approved;
    if (!kernel_charge(host->kernel, work)) {
        call_settle_failed(host, call, CAPFUL_CALL_FAILED, "too_large",
                           "%s: no memory to check the arguments", call->tool->name);
        return JUDGED_NO;
    }
    switch (
        arguments_read(text, TOOL_DEPTH, call->tool->authority->parameters, &arguments, &problem)) {
    case ARGUMENTS_OK:
        decide(&at, call->tool->authority, grants, n_grants, &arguments, &d);
        judgement = conclude(host, call, &at, &arguments, &d);
        decision_release(&d);
        arguments_release(&arguments);
        break;
    case ARGUMENTS_WRONG: judgement = misfit(host, call, problem.text); break;
    default: judgement = no_memory(host, call); break;
    }
    kernel_discharge(host->kernel, work);
    return judgement;
}

static enum judgement judge_arguments(struct tool_host *host, struct capful_call *call,
                                      struct str text, struct grant *const *grants, size_t n_grants,
                                      bool approved)
{
    const struct authority_tool *rules = call->tool->authority;
    struct json_problem problem;
    size_t values;
    if (!json_check(text, JSON_STRICT, TOOL_DEPTH, &values, &problem)) {
        call->misfit = true;
        call_settle_failed(host, call, CAPFUL_CALL_FAILED, "schema",
                           "%s: the arguments are not valid JSON, byte %zu: %s", call->tool->name,
                           problem.offset + 1, problem.text);
        return JUDGED_NO;
    }
    /* What most calls without a policy are: nothing to look at, told without a tree. */
    if (n_grants > 0 && rules->open && grants == rules->grants && !grant_revoked(grants[0]) &&
        json_flat_unique(text)) {
        charge_to(call, grants[0]);
        return count_own(host, call->tool) ? JUDGED_ALLOW : no_memory(host, call);
    }
    bool counts =
        toolset_authority(host->set)->counts || grants != rules->grants || host->n_passes > 0;
    if (counts && !open_ledger(host))
        return no_memory(host, call);
    if (!tell_account(host)) {
        call_settle_denied(host, call, "state", STR("what was touched cannot be recorded"));
        return JUDGED_NO;
    }
    return decide_on(host, call, text, values, grants, n_grants, approved);
}

static enum judgement refuse_unheld(struct tool_host *host, struct capful_call *call)
{
    call_settle_denied(host, call, "not_granted", STR("this process does not hold it"));
    return JUDGED_NO;
}

enum judgement judge(struct tool_host *host, struct capful_call *call)
{
    const struct tool *tool =
        call->cap ? call->cap->tool : toolset_find(host->set, str_of(call->name));
    if (call->unheld) /* whether there is such a tool is not told, and not a matter of policy */
        return refuse_unheld(host, call);
    if (!tool)
        return unknown_tool(host, call);
    if (!name_tool(call, tool))
        return no_memory(host, call);
    if (!tool_granted(tool) && !host->watch)
        return denied(host, call, "not_granted", STR("it is not granted"));
    if (tool_own_calls_left(host, tool) == 0) {
        struct buf why = BUF_INIT(200);
        buf_printf(&why, "its budget of %llu call%s is used up",
                   (unsigned long long)tool->max_calls, tool->max_calls == 1 ? "" : "s");
        enum judgement judgement = denied(host, call, "budget", buf_str(&why));
        buf_release(&why);
        if (judgement == JUDGED_NO)
            return judgement;
    }
    if (call->too_large) {
        call_settle_failed(host, call, CAPFUL_CALL_FAILED, "too_large",
                           "%s: the arguments are over the limit of %llu bytes", tool->name,
                           (unsigned long long)host->kernel->limits.argument);
        return JUDGED_NO;
    }
    struct str text = {call->arguments, call->argument_len};
    struct held held = held_for(host, tool);
    if (call->cap && call->cap->grants)
        held = (struct held){call->cap->grants, call->cap->n_grants};
    if (held.n == 0 && !host->watch)
        return denied(host, call, "not_granted", STR("it is not granted"));
    return judge_arguments(host, call, text, held.grants, held.n, false);
}

enum judgement judge_approved(struct tool_host *host, struct capful_call *call, struct grant *grant,
                              const char *edited, size_t len)
{
    struct str text = {call->arguments, call->argument_len};
    if (edited)
        text = (struct str){edited, len};
    return judge_arguments(host, call, text, &grant, 1, true);
}

/* ------------------------------------------------------------------ what comes back */

/* The arguments that were sent, once more, to give back what they were counted for. */
static void give_back(struct tool_host *host, struct capful_call *call)
{
    struct circumstances at = circumstances_of(host, call->tool);
    struct json json;
    if (!grant_root(call->grant)->free_failures || !host->ledger.account)
        return;
    if (!json_parse((struct str){call->arguments, call->argument_len}, JSON_STRICT, JSON_MAX_DEPTH,
                    &json, NULL))
        return; /* it has cost what it has cost */
    decide_failed(&at, call->grant, json.root);
    json_release(&json);
}

static void note_seen(struct tool_host *host, const struct capful_call *call,
                      const struct answer *answer)
{
    const struct authority *authority = toolset_authority(host->set);
    const struct authority_tool *rules = call->tool->authority;
    struct json json;
    if (rules->n_sources == 0 ||
        !json_parse((struct str){answer->text, answer->len}, JSON_CHECKED, TOOL_DEPTH, &json, NULL))
        return;
    for (size_t i = 0; i < rules->n_sources; i++) {
        uint32_t number = rules->sources[i];
        seen_add(&host->seen, number, &authority->sources[number].pointer, json.root);
    }
    json_release(&json);
    uint64_t holds = seen_bytes(&host->seen);
    if (holds > host->seen_charged && kernel_charge(host->kernel, holds - host->seen_charged))
        host->seen_charged = holds;
}

static void change_result(const struct capful_call *call, struct answer *answer)
{
    char *text;
    size_t len;
    struct buf message = BUF_INIT(1024);
    switch (result_apply(call->grant, (struct str){answer->text, answer->len}, TOOL_DEPTH, &text,
                         &len)) {
    case RESULT_SAME: break;
    case RESULT_CHANGED:
        mem_free(answer->text);
        answer->text = text;
        answer->len = len;
        break;
    case RESULT_REFUSED:
        buf_printf(&message, "the result of %s has %zu bytes, and its grant allows %zu",
                   call->tool_name, answer->len, len);
        answer_release(answer);
        answer_error(answer, call->tool_name, "too_large", buf_str(&message), (struct str){"", 0});
        break;
    case RESULT_NOMEM: answer_release(answer); break;
    }
    buf_release(&message);
}

void judge_answer(struct tool_host *host, struct capful_call *call, struct answer *answer,
                  enum capful_outcome *outcome)
{
    if (!call->grant || !answer->text)
        return;
    if (*outcome == CAPFUL_CALL_FAILED)
        give_back(host, call);
    if (decide_withhold(call->grant)) {
        answer_release(answer);
        answer_denied(answer, call->tool_name, "revoked",
                      STR("the result is withheld: the grant was revoked while the call was made"));
        return;
    }
    if (*outcome != CAPFUL_CALL_DONE)
        return;
    change_result(call, answer);
    if (answer->status == CAPFUL_CALL_OK)
        note_seen(host, call, answer);
    else
        *outcome = CAPFUL_CALL_FAILED;
}
