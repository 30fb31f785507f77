/* One call's life on the host's stack: decided (judge.c), handed out, settled. Decisions are made
 * one call at a time. */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "tool/call.h"
#include "tool/cap.h"
#include "tool/schema.h"

#define NOTHING ((struct str){"", 0})

/* ------------------------------------------------------------------ the end of a call */

static void observe(struct tool_host *host, const struct capful_call *call)
{
    if (!host->on_call)
        return;
    host->on_call(host->on_call_context, &call->record);
    host->now = clock_monotonic();
}

/* A function that has not answered yet may still look at the arguments, whatever the host thinks of
 * it. */
static bool nobody_reads(const struct capful_call *call)
{
    bool handed_out = call->mailbox && call->tool->kind != TOOL_COMMAND;
    return !handed_out || atomic_load_explicit(&call->phase, memory_order_acquire) == CALL_COMPLETE;
}

void call_settle(struct tool_host *host, struct capful_call *call, enum capful_outcome outcome,
                 struct answer *answer, uint64_t now)
{
    struct tool_process *tools = call->process;
    host->now = now;
    list_remove(&call->link);
    tool_cap_unref(TAKE(call->cap));
    call->place = PLACE_SETTLED;
    call->record.outcome = outcome;
    call->record.end = now - host->origin;
    call->record.message = TAKE(answer->message);
    call->record.result_len = answer->status == CAPFUL_CALL_OK ? answer->len : 0;
    record_settled(host, call, answer, call->misfit);
    host->usage.result_bytes += call->record.result_len;
    list_remove(&call->mine);
    if (!tools) {
        answer_release(answer);
    } else if (!answer->text) {
        kernel_stop_fault(host->kernel, "out of memory for the answer of a tool");
        answer_release(answer);
        call->process = NULL;
    } else if (!kernel_charge(host->kernel, answer->len)) {
        answer_release(answer);
        call->process = NULL;
    } else {
        call->text_charged = answer->len;
        call->result = *answer;
        *answer = (struct answer){CAPFUL_CALL_NONE, NULL, 0, NULL};
        list_append(&tools->done, &call->mine);
        wait_wake(&tools->queue);
    }
    observe(host, call);
    if (nobody_reads(call))
        call_shorten(host, call);
}

void call_settle_error(struct tool_host *host, struct capful_call *call,
                       enum capful_outcome outcome, const char *code, struct str message,
                       struct str data)
{
    struct answer answer = {CAPFUL_CALL_NONE, NULL, 0, NULL};
    answer_error(&answer, call->tool_name, code, message, data);
    call_settle(host, call, outcome, &answer, clock_monotonic());
}

void call_settle_failed(struct tool_host *host, struct capful_call *call,
                        enum capful_outcome outcome, const char *code, const char *format, ...)
{
    struct buf message = BUF_INIT(8192);
    va_list args;
    va_start(args, format);
    buf_vprintf(&message, format, args);
    va_end(args);
    call_settle_error(host, call, outcome, code, buf_str(&message), NOTHING);
    buf_release(&message);
}

/* A program that goes on trying is stopped. */
static void count_denial(struct tool_host *host)
{
    uint64_t most = host->kernel->limits.denials;
    if (++host->usage.denials > most)
        kernel_stop_limit(host->kernel, "denials", "more than %llu denied tool calls",
                          (unsigned long long)most);
}

void call_settle_denied(struct tool_host *host, struct capful_call *call, const char *code,
                        struct str why)
{
    struct buf message = BUF_INIT(8192);
    struct answer answer = {CAPFUL_CALL_NONE, NULL, 0, NULL};
    buf_printf(&message, "%s denied: ", call->tool_name);
    buf_add_str(&message, why);
    answer_denied(&answer, call->tool_name, code, buf_str(&message));
    count_denial(host);
    call_settle(host, call, CAPFUL_CALL_REFUSED, &answer, clock_monotonic());
    buf_release(&message);
}

/* The answer of a call that was made: its grant has a word in what the guest gets of it. */
static void settle_made(struct tool_host *host, struct capful_call *call, struct answer *answer,
                        uint64_t now)
{
    bool ok = answer->text && answer->status == CAPFUL_CALL_OK;
    enum capful_outcome outcome = ok ? CAPFUL_CALL_DONE : CAPFUL_CALL_FAILED;
    judge_answer(host, call, answer, &outcome);
    call_settle(host, call, outcome, answer, now);
}

/* The answer of a call that is COMPLETE. */
static void settle_answered(struct tool_host *host, struct capful_call *call, uint64_t now)
{
    struct answer answer = call->answer;
    call->answer = (struct answer){CAPFUL_CALL_NONE, NULL, 0, NULL};
    settle_made(host, call, &answer, now);
}

/* ------------------------------------------------------------------ handing out */

static uint64_t deadline_of(const struct tool_host *host, const struct tool *tool, uint64_t now)
{
    uint64_t limit = tool->time_limit ? tool->time_limit : host->kernel->limits.tool_time, deadline;
    return __builtin_add_overflow(now, limit, &deadline) ? UINT64_MAX : deadline;
}

void call_move(struct capful_call *call, struct list *to, enum call_place place)
{
    list_remove(&call->link);
    list_append(to, &call->link);
    call->place = place;
}

static void call_function(struct tool_host *host, struct capful_call *call)
{
    const struct tool *tool = call->tool;
    uint64_t now = host->now;
    call_move(call, &host->in_flight, PLACE_IN_FLIGHT);
    call->deadline = deadline_of(host, tool, now);
    call_ref(call);
    tool->call(call, tool->context);
    host->now = clock_monotonic();
    host->usage.waiting += host->now - now;
    int phase = CALL_IN_CALLBACK;
    if (!atomic_compare_exchange_strong(&call->phase, &phase, CALL_AWAITED))
        settle_answered(host, call, host->now);
}

static void start_command(struct tool_host *host, struct capful_call *call)
{
    struct str text = {call->arguments, call->argument_len};
    struct command_failure failure;
    struct json json;
    command_failure_init(&failure);
    if (!json_parse(text, JSON_CHECKED, TOOL_DEPTH, &json, NULL)) {
        call_settle_failed(host, call, CAPFUL_CALL_FAILED, "failed", "%s: out of memory",
                           call->tool_name);
    } else {
        call->command = command_start(call->tool->command, json.root, text, call->id,
                                      call->result_limit, &failure);
        json_release(&json);
        if (call->command) {
            call_move(call, &host->running, PLACE_RUNNING);
            host->n_running++;
            call->deadline = deadline_of(host, call->tool, clock_monotonic());
            call->polled = NULL;
        } else {
            host->used[call->tool->index]--; /* it never reached the tool */
            call_settle_failed(host, call, CAPFUL_CALL_FAILED, failure.code, "%s: %.*s",
                               call->tool_name, (int)failure.message.len,
                               buf_str(&failure.message).ptr);
        }
    }
    command_failure_release(&failure);
}

/* Starts waiting programs as long as there is room. */
static bool start_ready(struct tool_host *host)
{
    bool any = false;
    while (!list_empty(&host->ready) && host->n_running < TOOL_COMMANDS) {
        start_command(host, LIST_ENTRY(host->ready.next, struct capful_call, link));
        any = true;
    }
    return any;
}

/* A dry run: what would have been called is recorded, and answered from what was prepared. */
static void answer_dry(struct tool_host *host, struct capful_call *call)
{
    struct answer answer = {CAPFUL_CALL_NONE, NULL, 0, NULL};
    yyjson_val *result = json_get(host->canned.root, str_of(call->tool_name));
    size_t len = 4;
    char *text = result ? json_write(result, &len) : mem_strdup("null");
    if (text)
        answer_result(&answer, call->tool_name, text, len, call->result_limit);
    settle_made(host, call, &answer, clock_monotonic());
}

void call_hand_out(struct tool_host *host, struct capful_call *call)
{
    if (!record_allowed(host, call)) { /* what is not recorded does not happen */
        call_settle_denied(host, call, "audit", STR("it cannot be recorded"));
        return;
    }
    call->mailbox = mailbox_ref(host->mailbox);
    call->record.outcome = CAPFUL_CALL_STARTED;
    observe(host, call);
    call->record.outcome = CAPFUL_CALL_UNKNOWN;
    if (host->dry) {
        answer_dry(host, call);
        return;
    }
    switch (call->tool->kind) {
    case TOOL_CALLBACK: call_function(host, call); break;
    case TOOL_STEP:
        atomic_store(&call->phase, CALL_AWAITED);
        call->deadline = deadline_of(host, call->tool, host->now);
        call_move(call, &host->for_host, PLACE_FOR_HOST);
        break;
    case TOOL_COMMAND:
        call_move(call, &host->ready, PLACE_READY);
        start_ready(host);
        break;
    }
}

static void dispatch_one(struct tool_host *host, struct capful_call *call)
{
    call->record.start = host->now - host->origin;
    switch (judge(host, call)) {
    case JUDGED_ALLOW:
        if (call->own_arguments || call->tool->schema) /* else it took no time */
            host->now = clock_monotonic();
        call_hand_out(host, call);
        break;
    case JUDGED_ASK: call_move(call, &host->asking, PLACE_ASKING); break;
    case JUDGED_NO: break;
    }
}

static bool must_stop(const struct tool_host *host)
{
    return host->kernel->stop != STOP_NONE ||
           atomic_load_explicit(&host->kernel->cancelled, memory_order_relaxed);
}

bool tool_dispatch(struct tool_host *host, uint64_t now)
{
    bool any = false;
    host->now = now;
    if (!host->mailbox && !list_empty(&host->queued) &&
        mailbox_new(host->sandbox, &host->mailbox) < 0) {
        kernel_stop_fault(host->kernel, "out of memory for tool calls");
        return false;
    }
    any = question_settle(host);
    while (!list_empty(&host->queued) && !must_stop(host)) {
        dispatch_one(host, LIST_ENTRY(host->queued.next, struct capful_call, link));
        any = true;
    }
    return any;
}

bool tool_has_host_calls(const struct tool_host *host)
{
    return !list_empty(&host->for_host);
}

struct capful_call *tool_next_host_call(struct tool_host *host)
{
    if (list_empty(&host->for_host))
        return NULL;
    struct capful_call *call = LIST_ENTRY(host->for_host.next, struct capful_call, link);
    call_move(call, &host->in_flight, PLACE_IN_FLIGHT);
    return call_ref(call);
}

/* ------------------------------------------------------------------ what comes back */

bool tool_collect(struct tool_host *host)
{
    struct list mail;
    list_init(&mail);
    mailbox_empty(host->mailbox, &mail);
    bool any = false;
    LIST_FOREACH (at, &mail) {
        struct letter *letter = LIST_ENTRY(at, struct letter, link);
        list_remove(&letter->link);
        if (letter->is_question) {
            question_answered(host, letter);
            any = true;
            continue;
        }
        struct capful_call *call = LIST_ENTRY(letter, struct capful_call, mail);
        if (!call->abandoned) {
            settle_answered(host, call, clock_monotonic());
            any = true;
        }
        call_unref(call);
    }
    return any;
}

bool tool_queued(const struct tool_host *host)
{
    return !list_empty(&host->queued);
}

bool tool_in_flight(const struct tool_host *host)
{
    return !list_empty(&host->asking) || !list_empty(&host->for_host) ||
           !list_empty(&host->in_flight) || !list_empty(&host->ready) ||
           !list_empty(&host->running);
}

int tool_event_fd(struct tool_host *host)
{
    if (!host->mailbox && mailbox_new(host->sandbox, &host->mailbox) < 0)
        return -1;
    return mailbox_event_fd(host->mailbox);
}

size_t tool_pollfds(struct tool_host *host, struct pollfd *fds, size_t room)
{
    size_t n = 0;
    LIST_FOREACH (at, &host->running) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, link);
        struct pollfd own[COMMAND_FDS];
        size_t more = command_pollfds(call->command, own);
        call->polled = NULL;
        if (n + more <= room) {
            memcpy(fds + n, own, more * sizeof *own);
            call->polled = fds + n;
        }
        n += more;
    }
    return n;
}

static void finish_command(struct tool_host *host, struct capful_call *call)
{
    struct command_failure failure;
    struct answer answer = {CAPFUL_CALL_NONE, NULL, 0, NULL};
    char *text;
    size_t len;
    command_failure_init(&failure);
    host->n_running--;
    if (command_finish(TAKE(call->command), &text, &len, &failure)) {
        answer_result(&answer, call->tool_name, text, len, call->result_limit);
        settle_made(host, call, &answer, clock_monotonic());
    } else {
        struct buf message = BUF_INIT(16384);
        buf_printf(&message, "%s ", call->tool_name);
        buf_add_str(&message, buf_str(&failure.message));
        call_settle_error(host, call, CAPFUL_CALL_FAILED, failure.code, buf_str(&message),
                          buf_str(&failure.data));
        buf_release(&message);
    }
    command_failure_release(&failure);
}

static bool look_at_commands(struct tool_host *host, const struct pollfd *fds, size_t count)
{
    bool any = false;
    LIST_FOREACH (at, &host->running) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, link);
        bool known = fds && call->polled >= fds && call->polled < fds + count;
        if (command_events(call->command, known ? call->polled : NULL)) {
            finish_command(host, call);
            any = true;
        }
        call->polled = NULL;
    }
    return any;
}

bool tool_poll_events(struct tool_host *host, const struct pollfd *fds, size_t count)
{
    bool any = look_at_commands(host, fds, count);
    return start_ready(host) || any;
}

/* ------------------------------------------------------------------ time */

static void earliest(const struct list *list, uint64_t *at)
{
    for (const struct list *link = list->next; link != list; link = link->next) {
        const struct capful_call *call = LIST_ENTRY(link, struct capful_call, link);
        if (call->deadline < *at)
            *at = call->deadline;
        if (call->command) {
            uint64_t interval = command_interval(call->command);
            uint64_t due = interval == UINT64_MAX ? interval : clock_monotonic() + interval;
            if (due < *at)
                *at = due;
        }
    }
}

uint64_t tool_next_deadline(const struct tool_host *host)
{
    uint64_t at = UINT64_MAX;
    earliest(&host->asking, &at);
    earliest(&host->for_host, &at);
    earliest(&host->in_flight, &at);
    earliest(&host->running, &at);
    return at;
}

static void settle_timeout(struct tool_host *host, struct capful_call *call,
                           enum capful_outcome outcome)
{
    uint64_t limit =
        call->tool->time_limit ? call->tool->time_limit : host->kernel->limits.tool_time;
    call_settle_failed(host, call, outcome, "timeout", "%s did not answer within %g s",
                       call->tool_name, (double)limit / 1e9);
}

static void stop_command(struct tool_host *host, struct capful_call *call)
{
    command_kill(TAKE(call->command));
    host->n_running--;
}

/* The host gives up on an answer. False: it is being given at this moment. */
static bool cut(struct capful_call *call)
{
    int turn = CALL_OPEN;
    return atomic_compare_exchange_strong(&call->turn, &turn, CALL_CUT);
}

/* Nobody answered the question. */
static void expire_questions(struct tool_host *host, uint64_t now)
{
    LIST_FOREACH (at, &host->asking) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, link);
        if (call->deadline <= now && question_expire(host, call))
            call_settle_denied(host, call, "approval",
                               STR("it needs an approval, and nobody has answered in time"));
    }
}

void tool_expire(struct tool_host *host, uint64_t now)
{
    expire_questions(host, now);
    LIST_FOREACH (at, &host->for_host) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, link);
        if (call->deadline <= now)
            settle_timeout(host, call, CAPFUL_CALL_FAILED);
    }
    LIST_FOREACH (flying, &host->in_flight) {
        struct capful_call *call = LIST_ENTRY(flying, struct capful_call, link);
        if (call->deadline <= now && cut(call))
            settle_timeout(host, call, CAPFUL_CALL_UNKNOWN);
    }
    LIST_FOREACH (run, &host->running) {
        struct capful_call *call = LIST_ENTRY(run, struct capful_call, link);
        if (command_interval(call->command) != UINT64_MAX && command_events(call->command, NULL)) {
            finish_command(host, call);
        } else if (call->deadline <= now) {
            stop_command(host, call);
            settle_timeout(host, call, CAPFUL_CALL_UNKNOWN);
        }
    }
    start_ready(host);
}

/* ------------------------------------------------------------------ the end of the run */

static void abandon_list(struct tool_host *host, struct list *list, enum capful_outcome outcome,
                         const char *why)
{
    LIST_FOREACH (at, list) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, link);
        struct answer answer = {CAPFUL_CALL_ERROR, NULL, 0, mem_strdup(why)};
        call->abandoned = true;
        if (call->question)
            question_cut(call);
        cut(call);
        if (call->command)
            stop_command(host, call);
        list_remove(&call->mine);
        call->process = NULL;
        call_settle(host, call, outcome, &answer, clock_monotonic());
    }
}

void tool_abandon(struct tool_host *host)
{
    static const char not_made[] = "not made: the run had ended";
    static const char cut_off[] = "the run ended before the tool answered";
    tool_collect(host);
    look_at_commands(host, NULL, 0);
    abandon_list(host, &host->queued, CAPFUL_CALL_REFUSED, not_made);
    abandon_list(host, &host->asking, CAPFUL_CALL_REFUSED, not_made);
    abandon_list(host, &host->for_host, CAPFUL_CALL_REFUSED, not_made);
    abandon_list(host, &host->ready, CAPFUL_CALL_REFUSED, not_made);
    abandon_list(host, &host->in_flight, CAPFUL_CALL_UNKNOWN, cut_off);
    abandon_list(host, &host->running, CAPFUL_CALL_UNKNOWN, cut_off);
}
