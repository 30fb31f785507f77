/* The decision as a filter: JSON Lines in, JSON Lines out, so that the evaluator in Python
 * (evaluator.py) can be held against it. The operations are described in compare.py.
 *
 * It is a host without a sandbox: it does what src/tool does around a decision, with the time
 * given.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/file.h"
#include "policy/decide.h"
#include "policy/result.h"
#include "tool/schema.h"
#include "tool/tool.h"

#define DEPTH     100
#define CALLS_MAX 4096

struct made_call {
    bool used;
    bool asking;
    char *given; /* the text of the program */
    char *sent;
    struct grant *grant;
    const struct tool *tool;
};

static struct {
    struct toolset *set;
    struct policy_file *file;
    struct store *account, *sandbox, *run;
    struct ledger ledger;
    struct seen seen;
    label_set touched;
    struct json context;
    struct grant *derived[1024];
    size_t n_derived;
    struct made_call calls[CALLS_MAX];
    uint64_t n_calls;
} host;

static struct buf out;

static void fatal(const char *what)
{
    fprintf(stderr, "policy_oracle: %s\n", what);
    exit(2);
}

static void put_key(const char *key)
{
    buf_add_char(&out, out.len > 1 ? ',' : ' ');
    buf_add_json_string(&out, str_of(key));
    buf_add_char(&out, ':');
}

static void put_text(const char *key, struct str text)
{
    put_key(key);
    if (text.ptr)
        buf_add_json_string(&out, text);
    else
        buf_add_text(&out, "null");
}

static void put_ok(void)
{
    buf_add_text(&out, "\"ok\":true");
}

static struct str text_of(yyjson_val *op, const char *key)
{
    yyjson_val *value = json_get(op, str_of(key));
    return yyjson_is_str(value) ? json_str(value) : (struct str){NULL, 0};
}

static uint64_t number_of(yyjson_val *op, const char *key)
{
    uint64_t n = 0;
    json_uint(json_get(op, str_of(key)), &n);
    return n;
}

static struct store *new_store(void)
{
    struct store *store;
    if (store_memory_new(1000000, &store) != 0)
        fatal("out of memory");
    return store;
}

/* ------------------------------------------------------------------ life */

static void new_run(yyjson_val *context)
{
    size_t len;
    store_free(host.run);
    host.run = host.ledger.run = new_store();
    seen_release(&host.seen);
    json_release(&host.context);
    host.context = (struct json){NULL, NULL, 0};
    if (!context || yyjson_is_null(context))
        return;
    char *text = json_write(context, &len);
    if (!text || !json_parse((struct str){text, len}, JSON_STRICT, DEPTH, &host.context, NULL))
        fatal("the context cannot be read");
    mem_free(text);
}

static void new_sandbox(void)
{
    store_free(host.sandbox);
    host.sandbox = host.ledger.sandbox = new_store();
    host.touched = 0;
    new_run(NULL);
}

static void new_account(void)
{
    store_free(host.account);
    host.account = host.ledger.account = new_store();
    host.ledger.account_name = STR("account");
    host.ledger.sandbox_name = STR("sandbox");
    new_sandbox();
}

static void forget_policy(void)
{
    for (size_t i = 0; i < host.n_derived; i++)
        grant_unref(host.derived[i]);
    host.n_derived = 0;
    for (size_t i = 0; i < CALLS_MAX; i++) {
        mem_free(host.calls[i].given);
        mem_free(host.calls[i].sent);
        grant_unref(host.calls[i].grant);
        host.calls[i] = (struct made_call){false, false, NULL, NULL, NULL, NULL};
    }
    host.n_calls = 0;
    policy_file_free(host.file);
    toolset_unref(host.set);
    host.file = NULL;
    host.set = NULL;
}

static int add_tool(yyjson_val *from, struct capful_error *err)
{
    size_t len;
    struct str name = text_of(from, "name");
    yyjson_val *schema = json_get(from, STR("schema")), *labels = json_get(from, STR("labels")),
               *item;
    struct buf words = BUF_INIT(1 << 16);
    size_t i, n;
    yyjson_arr_foreach(labels, i, n, item)
    {
        buf_add_str(&words, json_str(item));
        buf_add_char(&words, ' ');
    }
    char *copy = mem_dup(name.ptr, name.len);
    char *text = schema && !yyjson_is_null(schema) ? json_write(schema, &len) : NULL;
    struct capful_tool tool = {.name = copy, .schema = text, .labels = words.data};
    int failed = toolset_add(host.set, &tool, err);
    mem_free(copy);
    mem_free(text);
    buf_release(&words);
    return failed;
}

static void op_policy(yyjson_val *op)
{
    struct policy_source source = {.name = "policy"};
    struct capful_error err = {0, 0, 0, ""};
    size_t i, n, len;
    yyjson_val *tool;
    forget_policy();
    if (toolset_new(&host.set, NULL) != 0)
        fatal("out of memory");
    int failed = 0;
    yyjson_arr_foreach(json_get(op, STR("tools")), i, n, tool)
    {
        if (!failed)
            failed = add_tool(tool, &err);
    }
    char *text = json_write(json_get(op, STR("policy")), &len);
    if (!failed)
        failed = policy_load((struct str){text, len}, &source, host.set, &host.file, &err);
    if (!failed)
        failed = policy_grant(host.file, &source, host.set, &err);
    mem_free(text);
    new_account();
    if (failed)
        put_text("error", str_of(err.text));
    else
        put_ok();
}

/* ------------------------------------------------------------------ grants */

static struct grant *find_grant(struct str name)
{
    for (size_t i = 0; i < host.n_derived; i++)
        if (str_equal(str_of(host.derived[i]->name), name))
            return host.derived[i];
    return authority_find(toolset_authority(host.set), name);
}

static void first_problem(void *context, yyjson_val *at, const char *text)
{
    struct buf *problem = context;
    (void)at;
    if (problem->len == 0)
        buf_add_text(problem, text);
}

static void op_derive(yyjson_val *op)
{
    struct buf problem = BUF_INIT(4096);
    struct constraint_reader reader = {first_problem, &problem};
    struct grant *parent = find_grant(text_of(op, "parent")), *child = NULL;
    bool nomem = false;
    if (parent && host.n_derived < 1024)
        child =
            authority_derive(toolset_authority(host.set), parent, json_get(op, STR("narrowing")),
                             text_of(op, "name"), host.n_derived, false, &reader, &nomem);
    if (child) {
        host.derived[host.n_derived++] = child;
        put_ok();
    } else {
        put_text("error", problem.len ? buf_str(&problem) : STR("no such grant"));
    }
    buf_release(&problem);
}

static void op_revoke(yyjson_val *op)
{
    struct grant *grant = find_grant(text_of(op, "grant"));
    if (grant)
        grant_revoke(grant);
    if (grant)
        put_ok();
    else
        put_text("error", STR("no such grant"));
}

/* ------------------------------------------------------------------ calls */

static bool fits_schema(void *context, struct str arguments, struct buf *why)
{
    const struct tool *tool = context;
    char text[1024];
    bool fits = tool_schema_accepts(tool->schema, arguments, text, sizeof text);
    if (!fits)
        buf_add_text(why, text);
    return fits;
}

static struct circumstances circumstances_of(const struct tool *tool, uint64_t now)
{
    return (struct circumstances){.authority = toolset_authority(host.set),
                                  .ledger = &host.ledger,
                                  .context = host.context.root,
                                  .now = now,
                                  .seen = &host.seen,
                                  .touched = host.touched,
                                  .fits = tool->schema ? fits_schema : NULL,
                                  .fits_context = (void *)(uintptr_t)tool};
}

/* The grants of a call: those of the policy for its tool, or a list of names of which those count
 * that are for it. */
static size_t choose_grants(const struct tool *tool, yyjson_val *names, struct grant **ret,
                            size_t room)
{
    size_t i, n, count = 0;
    yyjson_val *name;
    if (!yyjson_is_arr(names)) {
        for (i = 0; i < tool->authority->n_grants && count < room; i++)
            ret[count++] = tool->authority->grants[i];
        return count;
    }
    yyjson_arr_foreach(names, i, n, name)
    {
        struct grant *grant = find_grant(json_str(name));
        if (grant && grant_covers(grant, str_of(tool->name)) && count < room)
            ret[count++] = grant;
    }
    return count;
}

static void put_decision(struct made_call *call, const struct decision *d,
                         const struct arguments *arguments)
{
    static const char *const names[] = {"allow", "ask", "deny", "error", "nomem"};
    const struct arguments *sent = d->bound ? &d->arguments : arguments;
    bool passes = d->verdict == VERDICT_ALLOW || d->verdict == VERDICT_ASK;
    put_text("verdict", str_of(names[d->verdict]));
    put_text("grant", d->grant ? str_of(d->grant->name) : (struct str){NULL, 0});
    put_text("arguments", passes ? (struct str){sent->text, sent->len} : (struct str){NULL, 0});
    put_text("why", buf_str(&d->why));
    call->asking = d->verdict == VERDICT_ASK;
    if (!passes)
        return;
    grant_unref(call->grant);
    call->grant = grant_ref(d->grant);
    mem_free(call->sent);
    call->sent = mem_dup(sent->text, sent->len);
    if (d->verdict == VERDICT_ALLOW)
        host.touched |= d->labels;
}

static void put_error(const char *why)
{
    put_text("verdict", STR("error"));
    put_text("grant", (struct str){NULL, 0});
    put_text("arguments", (struct str){NULL, 0});
    put_text("why", str_of(why));
}

static void decide_call(struct made_call *call, struct str text, struct grant **grants, size_t n,
                        uint64_t now, bool approved)
{
    struct circumstances at = circumstances_of(call->tool, now);
    struct json_problem problem = {0, false, ""};
    struct arguments arguments;
    struct decision d;
    call->asking = false;
    if (n == 0) {
        struct arguments none = {{NULL, NULL, 0}, NULL, 0, 0};
        decide(&at, call->tool->authority, grants, 0, &none, &d);
        put_decision(call, &d, &none);
        decision_release(&d);
        return;
    }
    if (!json_check(text, JSON_STRICT, DEPTH, NULL, &problem) ||
        arguments_read(text, DEPTH, call->tool->authority->parameters, &arguments, &problem) !=
            ARGUMENTS_OK) {
        put_error(problem.text);
        return;
    }
    at.approved = approved;
    decide(&at, call->tool->authority, grants, n, &arguments, &d);
    put_decision(call, &d, &arguments);
    decision_release(&d);
    arguments_release(&arguments);
}

static void op_call(yyjson_val *op)
{
    struct grant *grants[1024];
    struct str text = text_of(op, "arguments");
    uint64_t number = ++host.n_calls;
    struct made_call *call = &host.calls[number % CALLS_MAX];
    mem_free(call->given);
    mem_free(call->sent);
    grant_unref(call->grant);
    *call = (struct made_call){.used = true, .given = mem_dup(text.ptr, text.len)};
    call->tool = toolset_find(host.set, text_of(op, "tool"));
    if (call->tool)
        decide_call(call, text, grants,
                    choose_grants(call->tool, json_get(op, STR("grants")), grants, 1024),
                    number_of(op, "now"), false);
    else
        put_error("there is no such tool");
    put_key("call");
    buf_printf(&out, "%llu", (unsigned long long)number);
}

static struct made_call *find_call(yyjson_val *op)
{
    struct made_call *call = &host.calls[number_of(op, "call") % CALLS_MAX];
    return call->used ? call : NULL;
}

static void op_answer(yyjson_val *op)
{
    struct made_call *call = find_call(op);
    struct str decision = text_of(op, "decision");
    if (!call || !call->asking) {
        put_text("error", STR("no such question"));
        return;
    }
    struct grant *grant = grant_ref(call->grant);
    if (str_equal(decision, STR("refuse"))) {
        call->asking = false;
        put_text("verdict", STR("deny"));
        put_text("grant", str_of(grant->name));
        put_text("arguments", (struct str){NULL, 0});
        put_text("why", STR("it was not approved"));
    } else {
        struct str text =
            str_equal(decision, STR("edit")) ? text_of(op, "arguments") : str_of(call->given);
        decide_call(call, text, &grant, 1, number_of(op, "now"), true);
    }
    put_key("call");
    buf_printf(&out, "%llu", (unsigned long long)number_of(op, "call"));
    grant_unref(grant);
}

static void note_seen(const struct tool *tool, struct str text)
{
    const struct authority *authority = toolset_authority(host.set);
    struct json json;
    if (!json_parse(text, JSON_STRICT, DEPTH, &json, NULL))
        return;
    for (size_t i = 0; i < tool->authority->n_sources; i++) {
        uint32_t number = tool->authority->sources[i];
        seen_add(&host.seen, number, &authority->sources[number].pointer, json.root);
    }
    json_release(&json);
}

static void op_end(yyjson_val *op)
{
    struct made_call *call = find_call(op);
    struct str text = text_of(op, "result"), delivered = {NULL, 0};
    char *changed = NULL;
    size_t len;
    if (!call || !call->grant) {
        put_text("error", STR("no such call"));
        return;
    }
    bool ok = yyjson_is_true(json_get(op, STR("ok")));
    if (!ok && call->sent) {
        struct circumstances at = circumstances_of(call->tool, 0);
        struct json json;
        if (json_parse(str_of(call->sent), JSON_STRICT, JSON_MAX_DEPTH, &json, NULL)) {
            decide_failed(&at, call->grant, json.root);
            json_release(&json);
        }
    }
    if (ok && !decide_withhold(call->grant)) {
        switch (result_apply(call->grant, text, DEPTH, &changed, &len)) {
        case RESULT_SAME: delivered = text; break;
        case RESULT_CHANGED: delivered = (struct str){changed, len}; break;
        case RESULT_REFUSED:
        case RESULT_NOMEM: break;
        }
        if (delivered.ptr)
            note_seen(call->tool, delivered);
    }
    put_text("delivered", delivered);
    mem_free(changed);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void op_touched(void)
{
    const struct labels *labels = &toolset_authority(host.set)->labels;
    const char *names[LABELS_MAX];
    struct reservation reservation;
    label_set touched = 0;
    size_t n = 0;
    reservation_begin(&reservation, &host.ledger);
    if (!reservation_touched(&reservation, labels, &touched))
        fatal("the labels cannot be read");
    reservation_undo(&reservation);
    touched |= host.touched;
    for (size_t i = 0; i < labels->n; i++)
        if (touched >> i & 1)
            names[n++] = labels->names[i];
    qsort(names, n, sizeof *names, by_name);
    put_key("labels");
    for (size_t i = 0; i < n; i++) {
        buf_add_char(&out, i ? ',' : '[');
        buf_add_json_string(&out, str_of(names[i]));
    }
    buf_add_text(&out, n ? "]" : "[]");
}

/* ------------------------------------------------------------------ the loop */

static void answer(yyjson_val *op)
{
    struct str name = text_of(op, "op");
    buf_clear(&out);
    buf_add_char(&out, '{');
    if (str_equal(name, STR("policy")))
        op_policy(op);
    else if (!host.set)
        put_text("error", STR("there is no policy"));
    else if (str_equal(name, STR("account")))
        new_account(), put_ok();
    else if (str_equal(name, STR("sandbox")))
        new_sandbox(), put_ok();
    else if (str_equal(name, STR("run")))
        new_run(json_get(op, STR("context"))), put_ok();
    else if (str_equal(name, STR("call")))
        op_call(op);
    else if (str_equal(name, STR("answer")))
        op_answer(op);
    else if (str_equal(name, STR("end")))
        op_end(op);
    else if (str_equal(name, STR("derive")))
        op_derive(op);
    else if (str_equal(name, STR("revoke")))
        op_revoke(op);
    else if (str_equal(name, STR("touched")))
        op_touched();
    else
        put_text("error", STR("unknown operation"));
    buf_add_text(&out, "}\n");
    if (buf_failed(&out) || fwrite(out.data, 1, out.len, stdout) != out.len)
        fatal("the answer cannot be written");
    fflush(stdout);
}

int main(void)
{
    char *line = NULL;
    size_t alloc = 0;
    ssize_t len;
    buf_init(&out, SIZE_MAX);
    while ((len = getline(&line, &alloc, stdin)) > 0) {
        struct json json;
        struct json_problem problem;
        if (!json_parse((struct str){line, (size_t)len}, JSON_STRICT, 200, &json, &problem))
            fatal(problem.text);
        answer(json.root);
        json_release(&json);
    }
    free(line);
    forget_policy();
    store_free(host.account);
    store_free(host.sandbox);
    store_free(host.run);
    seen_release(&host.seen);
    json_release(&host.context);
    buf_release(&out);
    return 0;
}
