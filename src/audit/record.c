/* The records, one function for each kind: see audit.h, and capful-audit(5) for what each member
 * says. A body is made without any lock; audit_append puts it between the head and the hash. */
#include <string.h>
#include <unistd.h>

#include "audit/writer.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rand.h"

#define TEXT_MAX      4096 /* bytes of a text of people, tools or guests */
#define ARGUMENTS_MAX ((size_t)4 << 20)

struct audit_run {
    struct audit *audit;
    char id[CHAIN_RUN + 1];
    uint8_t key[REDACT_KEY];
};

/* ------------------------------------------------------------------ members */

static void put_name(struct buf *body, const char *name)
{
    static const char open[] = {',', '"'}, close[] = {'"', ':', 0};
    struct str text = str_of(name);
    if (!buf_reserve(body, text.len + sizeof open + sizeof close))
        return;
    char *to = body->data + body->len;
    memcpy(to, open, sizeof open);
    memcpy(to + sizeof open, text.ptr, text.len);
    memcpy(to + sizeof open + text.len, close, sizeof close);
    body->len += text.len + sizeof open + sizeof close - 1;
}

/* At most TEXT_MAX bytes, whole characters. */
static void put_text(struct buf *body, const char *name, struct str text)
{
    static const char ellipsis[] = {'\xe2', '\x80', '\xa6'};
    char cut[TEXT_MAX + sizeof ellipsis];
    if (!text.ptr)
        return;
    put_name(body, name);
    if (text.len > TEXT_MAX) {
        size_t len = TEXT_MAX;
        while (len > TEXT_MAX - 4 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
            len--;
        memcpy(cut, text.ptr, len);
        memcpy(cut + len, ellipsis, sizeof ellipsis);
        text = (struct str){cut, len + sizeof ellipsis};
    }
    buf_add_json_string(body, text);
}

static void put_number(struct buf *body, const char *name, uint64_t value)
{
    char digits[24];
    size_t n = sizeof digits;
    put_name(body, name);
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(body, digits + n, sizeof digits - n);
}

static void put_hash(struct buf *body, const char *name, const uint8_t hash[SHA256_SIZE])
{
    char hex[CHAIN_HEX + 1];
    sha256_hex(hash, hex);
    put_name(body, name);
    buf_add_char(body, '"');
    buf_add(body, hex, CHAIN_HEX);
    buf_add_char(body, '"');
}

static void put_sha256(struct buf *body, const char *name, struct str data)
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    if (!data.ptr)
        return;
    sha256_init(&hash);
    sha256_add(&hash, data.ptr, data.len);
    sha256_end(&hash, digest);
    put_hash(body, name, digest);
}

/* JSON that comes from outside, as JSON if it is some, and on one line; else as text. */
static void put_json(struct buf *body, const char *name, struct str json)
{
    static const struct redact_view all = {.arguments = AUDIT_WHOLE};
    static const uint8_t no_key[REDACT_KEY];
    struct json_problem problem;
    if (!json.ptr)
        return;
    if (json.len > TEXT_MAX || !json_check(json, JSON_STRICT, REDACT_DEPTH, NULL, &problem)) {
        put_text(body, name, json);
        return;
    }
    put_name(body, name);
    redact_copy(&all, no_key, json, body);
}

/* ------------------------------------------------------------------ what is shown of a call */

static void put_keyed(struct buf *body, const char *name, const struct audit_run *run,
                      struct str data)
{
    put_name(body, name);
    redact_add_hash(run->key, data, body);
}

/* Shown, with the fields hidden that rules name. False: it would be too long then. */
static bool put_shown(struct buf *body, const struct audit_run *run, const struct redact_view *view,
                      struct str json)
{
    size_t before = body->len;
    size_t ceiling = body->ceiling;
    put_name(body, "arguments");
    if (view->n_fields == 0 && !memchr(json.ptr, '\n', json.len)) {
        buf_add_str(body, json);
    } else {
        body->ceiling = before + ARGUMENTS_MAX + 64;
        bool failed = buf_failed(body);
        bool fits = redact_copy(view, run->key, json, body);
        body->ceiling = ceiling;
        if (!fits && !failed) {
            buf_clear(body);
            body->len = before;
            return false;
        }
    }
    return true;
}

/* `arguments` as JSON, `arguments_text` where they are none, or their size; and always a hash: a
 * plain one only of what everyone can read in the record anyway. */
static void put_arguments(struct buf *body, const struct audit_run *run,
                          const struct redact_view *view, struct str json)
{
    struct json_problem problem;
    bool plain = redact_shows_all(view), shown = false;
    if (!json.ptr)
        return;
    if (view->arguments == AUDIT_WHOLE && json.len <= ARGUMENTS_MAX) {
        if (json_check(json, JSON_STRICT, REDACT_DEPTH, NULL, &problem)) {
            shown = put_shown(body, run, view, json);
        } else if (plain) {
            put_text(body, "arguments_text", json);
            shown = true;
        }
    }
    if (!shown && view->arguments != AUDIT_NOTHING)
        put_number(body, "arguments_bytes", json.len);
    if (plain)
        put_sha256(body, "arguments_sha256", json);
    else if (view->arguments != AUDIT_NOTHING)
        put_keyed(body, "arguments_hash", run, json);
}

/* ------------------------------------------------------------------ runs */

#define BODY(name)                                                                                 \
    __attribute__((cleanup(buf_release))) struct buf name = BUF_INIT(APPEND_BODY_MAX);             \
    buf_reserve(&(name), 1000)

static int append(struct audit_run *run, const char *type, const struct buf *body, unsigned flags,
                  struct capful_error *err)
{
    if (buf_failed(body))
        return err_nomem(err);
    return audit_append(run->audit, type, (struct str){run->id, CHAIN_RUN},
                        (struct str){body->data, body->len}, flags, err);
}

static void put_limits(struct buf *body, const struct capful_limits *limits)
{
    if (!limits)
        return;
    put_name(body, "limits");
    size_t from = body->len;
#define LIMIT(name, unit, value, text)                                                             \
    if (limits->name != CAPFUL_UNLIMITED)                                                          \
        put_number(body, #name, limits->name);
#include "abi/limits.def"
#undef LIMIT
    if (body->len > from)
        body->data[from] = '{'; /* in place of the first comma */
    else
        buf_add_char(body, '{');
    buf_add_char(body, '}');
}

static void put_context(struct buf *body, const struct str *keys, size_t n)
{
    if (n == 0)
        return;
    put_name(body, "context");
    for (size_t i = 0; i < n; i++) {
        buf_add_char(body, i == 0 ? '[' : ',');
        buf_add_json_string(body, keys[i]);
    }
    buf_add_char(body, ']');
}

static int new_run(struct audit *audit, struct audit_run **ret, struct capful_error *err)
{
    uint8_t id[CHAIN_RUN / 2];
    struct audit_run *run = mem_zalloc(sizeof *run);
    if (!run)
        return err_nomem(err);
    bool ok = rand_bytes(id, sizeof id);
    if (ok && audit->has_key)
        memcpy(run->key, audit->redact_key, REDACT_KEY);
    else if (ok)
        ok = rand_bytes(run->key, REDACT_KEY);
    if (!ok) {
        mem_free(run);
        return err_set(err, CAPFUL_EFILE, "audit: the host gives no random bytes");
    }
    chain_to_hex(id, sizeof id, run->id);
    run->audit = audit_ref(audit);
    *ret = run;
    return 0;
}

int audit_run_begin(struct audit *audit, const struct audit_run_info *info, struct audit_run **ret,
                    struct capful_error *err)
{
    static const char *const modes[] = {
        [AUDIT_ENFORCE] = "enforce", [AUDIT_WATCH] = "watch", [AUDIT_DRY_RUN] = "dry_run"};
    struct audit_run *run = NULL;
    int failed = new_run(audit, &run, err);
    if (!run)
        return failed;
    BODY(body);
    put_text(&body, "program", info->program);
    put_text(&body, "mode", str_of(modes[info->mode]));
    put_sha256(&body, "code_sha256", info->code);
    if (info->policy)
        put_hash(&body, "policy_sha256", info->policy);
    put_text(&body, "account", info->account);
    put_context(&body, info->context, info->n_context);
    put_limits(&body, info->limits);
    put_number(&body, "host_pid", (uint64_t)getpid());
    failed = append(run, "run_begin", &body, APPEND_BEGIN, err);
    if (failed)
        audit_run_free(run);
    else
        *ret = run;
    return failed;
}

void audit_run_free(struct audit_run *run)
{
    if (!run)
        return;
    audit_unref(run->audit);
    explicit_bzero(run->key, sizeof run->key);
    mem_free(run);
}

const char *audit_run_id(const struct audit_run *run)
{
    return run->id;
}

static void put_usage(struct buf *body, const struct capful_usage *u)
{
    if (!u)
        return;
    put_number(body, "wall_ns", u->wall);
    put_number(body, "waiting_ns", u->waiting);
    put_number(body, "cpu_ns", u->cpu);
    put_number(body, "peak_memory", u->peak_memory);
    put_number(body, "calls", u->calls);
    put_number(body, "denials", u->denials);
    put_number(body, "processes", u->processes);
    put_number(body, "stdout_bytes", u->stdout_bytes);
    put_number(body, "stderr_bytes", u->stderr_bytes);
    put_number(body, "argument_bytes", u->argument_bytes);
    put_number(body, "result_bytes", u->result_bytes);
}

static const char *status_name(enum capful_status status)
{
    static const char *const names[] = {[CAPFUL_OK] = "ok",         [CAPFUL_ERROR] = "error",
                                        [CAPFUL_DENIED] = "denied", [CAPFUL_LIMIT] = "limit",
                                        [CAPFUL_KILLED] = "killed", [CAPFUL_FAULT] = "fault"};
    return names[status];
}

int audit_run_end(struct audit_run *run, const struct audit_run_end *end, struct capful_error *err)
{
    BODY(body);
    put_text(&body, "status", str_of(status_name(end->status)));
    put_number(&body, "exit_code", (uint32_t)end->exit_code);
    put_text(&body, "limit", end->limit);
    if (!redact_hides(run->audit->redact))
        put_text(&body, "message", end->message);
    else if (end->message.ptr)
        put_keyed(&body, "message_hash", run, end->message);
    put_usage(&body, end->usage);
    return append(run, "run_end", &body, APPEND_END, err);
}

/* ------------------------------------------------------------------ calls */

static const char *verdict_name(enum audit_verdict verdict)
{
    static const char *const names[] = {
        [AUDIT_ALLOW] = "allow", [AUDIT_DENY] = "deny", [AUDIT_ASK] = "ask"};
    return names[verdict];
}

int audit_call(struct audit_run *run, const struct audit_call *call, struct capful_error *err)
{
    struct redact_view view;
    redact_view(run->audit->redact, call->tool, &view);
    BODY(body);
    put_text(&body, "call", call->call);
    put_number(&body, "process", call->process);
    put_text(&body, "tool", call->tool);
    put_text(&body, "verdict", str_of(verdict_name(call->verdict)));
    if (call->not_enforced)
        buf_add_text(&body, ",\"enforced\":false");
    put_text(&body, "grant", call->grant);
    put_text(&body, "rule", call->rule);
    if (redact_shows_all(&view))
        put_json(&body, "found", call->found);
    put_arguments(&body, run, &view, call->arguments);
    return append(run, "call", &body, 0, err);
}

/* What a tool says of its failure may repeat what it was given. */
static void put_error(struct buf *body, const struct audit_run *run, const struct redact_view *view,
                      struct str text)
{
    if (redact_shows_all(view) && !view->hide_result)
        put_text(body, "error", text);
    else if (text.ptr)
        put_keyed(body, "error_hash", run, text);
}

int audit_call_end(struct audit_run *run, const struct audit_call_end *end,
                   struct capful_error *err)
{
    static const char *const outcomes[] = {[AUDIT_DONE] = "done",
                                           [AUDIT_FAILED] = "failed",
                                           [AUDIT_UNKNOWN] = "unknown",
                                           [AUDIT_WITHHELD] = "withheld"};
    struct redact_view view;
    redact_view(run->audit->redact, end->tool, &view);
    BODY(body);
    put_text(&body, "call", end->call);
    put_text(&body, "tool", end->tool);
    put_text(&body, "outcome", str_of(outcomes[end->outcome]));
    put_number(&body, "duration_ns", end->duration);
    if (end->result.ptr) {
        put_number(&body, "result_bytes", end->result.len);
        if (view.hide_result)
            put_keyed(&body, "result_hash", run, end->result);
        else
            put_sha256(&body, "result_sha256", end->result);
    }
    put_error(&body, run, &view, end->error);
    return append(run, "call_end", &body, 0, err);
}

int audit_approval(struct audit_run *run, const struct audit_approval *approval,
                   struct capful_error *err)
{
    static const char *const decisions[] = {[AUDIT_ALLOWED] = "allowed",
                                            [AUDIT_EDITED] = "edited",
                                            [AUDIT_REFUSED] = "refused",
                                            [AUDIT_TIMEOUT] = "timeout",
                                            [AUDIT_ALLOWED_NEXT] = "allowed_next"};
    struct redact_view view;
    redact_view(run->audit->redact, approval->tool, &view);
    BODY(body);
    put_text(&body, "call", approval->call);
    put_text(&body, "tool", approval->tool);
    put_text(&body, "decision", str_of(decisions[approval->decision]));
    put_text(&body, "by", approval->by);
    put_text(&body, "reason", approval->reason);
    put_number(&body, "waited_ns", approval->waited);
    if (approval->next > 0)
        put_number(&body, "next", approval->next);
    put_arguments(&body, run, &view, approval->arguments);
    return append(run, "approval", &body, 0, err);
}

/* ------------------------------------------------------------------ the rest */

int audit_mount(struct audit_run *run, const struct audit_mount *mount, struct capful_error *err)
{
    BODY(body);
    put_text(&body, "guest", mount->guest);
    put_text(&body, "host", mount->host);
    put_text(&body, "mode", mount->mode);
    put_text(&body, "path", mount->path);
    return append(run, "mount", &body, 0, err);
}

int audit_limit(struct audit_run *run, struct str limit, struct str text, struct capful_error *err)
{
    BODY(body);
    put_text(&body, "limit", limit);
    put_text(&body, "message", text);
    return append(run, "limit", &body, 0, err);
}

int audit_grant(struct audit *audit, struct audit_run *run, const struct audit_grant *grant,
                struct capful_error *err)
{
    BODY(body);
    put_text(&body, "event", grant->event == AUDIT_DERIVED ? STR("derived") : STR("revoked"));
    put_text(&body, "grant", grant->grant);
    put_text(&body, "parent", grant->parent);
    put_number(&body, "process", grant->process);
    put_text(&body, "by", grant->by);
    put_json(&body, "narrows", grant->narrows);
    if (run)
        return append(run, "grant", &body, 0, err);
    if (buf_failed(&body))
        return err_nomem(err);
    return audit_append(audit, "grant", STR(""), (struct str){body.data, body.len}, APPEND_END,
                        err);
}
