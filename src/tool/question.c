/* Questions: calls that wait for an approval. Put by judge.c, shown by the host, answered from any
 * thread by the public functions below; the driver goes on with the call when it sees the answer.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "tool/call.h"

#define REASON_MAX 4096 /* bytes of a refusal's reason that the program sees */

static struct capful_question *question_ref(struct capful_question *question)
{
    atomic_fetch_add_explicit(&question->refs, 1, memory_order_relaxed);
    return question;
}

void question_unref(struct capful_question *question)
{
    if (!question || atomic_fetch_sub_explicit(&question->refs, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(question->id);
    mem_free(question->tool);
    mem_free(question->reason);
    mem_free(question->arguments);
    mem_free(question->text);
    mem_free(question->who);
    grant_unref(question->grant);
    grant_unref(question->pass);
    mailbox_unref(question->mailbox);
    toolset_unref(question->set);
    mem_free(question);
}

bool question_put(struct tool_host *host, struct capful_call *call, struct str arguments,
                  struct str why)
{
    struct capful_question *question = mem_zalloc(sizeof *question);
    if (!question)
        return false;
    atomic_init(&question->refs, 1);
    atomic_init(&question->turn, CALL_OPEN);
    list_init(&question->mail.link);
    list_init(&question->fresh);
    question->asked = clock_monotonic();
    question->deadline = call->deadline;
    question->mail.is_question = true;
    question->mailbox = mailbox_ref(host->mailbox);
    question->call = call;
    question->grant = grant_ref(call->grant);
    question->set = toolset_ref(host->set);
    question->id = mem_strdup(call->id);
    question->tool = mem_strdup(call->tool_name);
    question->reason = mem_dup(why.ptr, why.len);
    question->arguments = mem_dup(arguments.ptr, arguments.len);
    question->argument_len = arguments.len;
    if (!question->id || !question->tool || !question->reason || !question->arguments) {
        question_unref(question);
        return false;
    }
    call->question = question;
    list_append(&host->questions, &question_ref(question)->fresh);
    return true;
}

/* The call no longer waits for it. */
static void part(struct capful_call *call)
{
    struct capful_question *question = TAKE(call->question);
    if (!list_empty(&question->fresh)) { /* nobody has seen it: nobody will answer */
        list_remove(&question->fresh);
        question_unref(question);
    }
    question->call = NULL;
    question_unref(question);
}

bool question_cut(struct capful_call *call)
{
    int turn = CALL_OPEN;
    if (!atomic_compare_exchange_strong(&call->question->turn, &turn, CALL_CUT))
        return false;
    part(call);
    return true;
}

bool question_expire(struct tool_host *host, struct capful_call *call)
{
    struct capful_question *question = question_ref(call->question);
    bool cut = question_cut(call);
    if (cut)
        record_approval(host, call, question, true);
    question_unref(question);
    return cut;
}

bool tool_has_questions(const struct tool_host *host)
{
    return !list_empty(&host->questions);
}

struct capful_question *tool_next_question(struct tool_host *host)
{
    if (list_empty(&host->questions))
        return NULL;
    struct capful_question *question =
        LIST_ENTRY(host->questions.next, struct capful_question, fresh);
    list_remove(&question->fresh);
    return question;
}

/* ------------------------------------------------------------------ the driver's side */

void question_answered(struct tool_host *host, struct letter *letter)
{
    struct capful_question *question = LIST_ENTRY(letter, struct capful_question, mail);
    if (question->call)
        list_append(&host->decided, &letter->link);
    else
        question_unref(question);
}

static bool keep_pass(struct tool_host *host, struct capful_question *question)
{
    struct pass *more = mem_resize_array(host->passes, host->n_passes + 1, sizeof *more);
    if (!more)
        return false;
    more[host->n_passes++] = (struct pass){TAKE(question->pass), grant_ref(question->grant)};
    host->passes = more;
    return true;
}

void passes_release(struct tool_host *host)
{
    for (size_t i = 0; i < host->n_passes; i++) {
        grant_unref(host->passes[i].grant);
        grant_unref(host->passes[i].from);
    }
    mem_free(TAKE(host->passes));
    host->n_passes = 0;
}

static void refuse(struct tool_host *host, struct capful_call *call,
                   const struct capful_question *question)
{
    struct buf why = BUF_INIT(2 * REASON_MAX);
    buf_add_text(&why, "it was not approved");
    if (question->text && question->text[0]) {
        buf_add_text(&why, ": ");
        buf_add_utf8(&why, (struct str){question->text, question->text_len});
    }
    call_settle_denied(host, call, "approval", buf_str(&why));
    buf_release(&why);
}

static void go_on(struct tool_host *host, struct capful_question *question)
{
    struct capful_call *call = question->call;
    enum judgement judgement;
    part(call);
    if (!record_approval(host, call, question, false)) {
        call_settle_denied(host, call, "approval", STR("the approval cannot be recorded"));
        return;
    }
    if (question->answer == QUESTION_REFUSE) {
        refuse(host, call, question);
        return;
    }
    if (question->answer == QUESTION_NEXT && !keep_pass(host, question)) {
        call_settle_denied(host, call, "approval", STR("no memory for the approval"));
        return;
    }
    if (question->answer == QUESTION_NEXT) /* it is the first to use the pass, and held to it */
        judgement = judge_approved(host, call, host->passes[host->n_passes - 1].grant, NULL, 0);
    else
        judgement = judge_approved(host, call, question->grant, question->text, question->text_len);
    if (judgement == JUDGED_ALLOW)
        call_hand_out(host, call);
}

bool question_settle(struct tool_host *host)
{
    bool any = false;
    while (!list_empty(&host->decided)) {
        struct letter *letter = LIST_ENTRY(host->decided.next, struct letter, link);
        struct capful_question *question = LIST_ENTRY(letter, struct capful_question, mail);
        list_remove(&letter->link);
        if (question->call)
            go_on(host, question);
        question_unref(question);
        any = true;
    }
    return any;
}

/* ------------------------------------------------------------------ public */

const char *capful_question_id(const struct capful_question *question)
{
    return question->id;
}

const char *capful_question_tool(const struct capful_question *question)
{
    return question->tool;
}

const char *capful_question_arguments(const struct capful_question *question, size_t *ret_len)
{
    if (ret_len)
        *ret_len = question->argument_len;
    return question->arguments;
}

const char *capful_question_grant(const struct capful_question *question)
{
    return question->grant->name;
}

const char *capful_question_reason(const struct capful_question *question)
{
    return question->reason;
}

uint64_t capful_question_time_left(const struct capful_question *question)
{
    uint64_t now = clock_monotonic();
    return question->deadline > now ? question->deadline - now : 0;
}

/* The right to answer. Without it the answer is dropped, with the reference if it was the run that
 * gave up; a second answer changes nothing. */
static bool take_turn(struct capful_question *question)
{
    int turn = CALL_OPEN;
    if (atomic_compare_exchange_strong(&question->turn, &turn, CALL_ANSWERED))
        return true;
    if (turn == CALL_CUT && atomic_compare_exchange_strong(&question->turn, &turn, CALL_ANSWERED))
        question_unref(question);
    return false;
}

/* An answer that cannot be kept whole is a refusal. */
static void answer(struct capful_question *question, enum question_answer kind, struct str text,
                   const char *who)
{
    question->answer = kind;
    question->text = text.ptr ? mem_dup(text.ptr, text.len) : NULL;
    question->text_len = text.len;
    question->who = who ? mem_strdup(who) : NULL;
    if (text.ptr && !question->text)
        question->answer = QUESTION_REFUSE;
    mailbox_post(question->mailbox, &question->mail);
}

#define NO_TEXT ((struct str){NULL, 0})

void capful_question_allow(struct capful_question *question, const char *who)
{
    if (question && take_turn(question))
        answer(question, QUESTION_ALLOW, NO_TEXT, who);
}

void capful_question_edit(struct capful_question *question, const char *json, size_t len,
                          const char *who)
{
    if (question && take_turn(question))
        answer(question, json ? QUESTION_EDIT : QUESTION_REFUSE,
               json ? (struct str){json, len} : STR("its edited arguments are missing"), who);
}

void capful_question_refuse(struct capful_question *question, const char *reason, const char *who)
{
    struct str text = reason ? str_of(reason) : NO_TEXT;
    if (text.len > REASON_MAX)
        text.len = REASON_MAX;
    if (question && take_turn(question))
        answer(question, QUESTION_REFUSE, text, who);
}

static void first_problem(void *context, yyjson_val *at, const char *text)
{
    struct capful_error *err = context;
    (void)at;
    if (err->code == 0)
        err_set(err, CAPFUL_EPOLICY, "%s", text);
}

/* A grant for n calls beneath the one that was asked about; what else it says is the caller's. */
static struct grant *make_pass(struct capful_question *question, uint64_t n, const char *narrowing,
                               struct capful_error *err)
{
    static _Atomic uint64_t serial;
    struct constraint_reader reader = {first_problem, err};
    struct json_problem problem;
    struct json json;
    bool nomem = false;
    struct str text = narrowing ? str_of(narrowing) : STR("{}");
    if (!json_parse(text, JSON_STRICT | JSON_UNIQUE_KEYS, TOOL_DEPTH, &json, &problem)) {
        err_set(err, CAPFUL_EPOLICY, "the narrowing is not valid JSON, byte %zu: %s",
                problem.offset + 1, problem.text);
        return NULL;
    }
    struct grant *pass =
        authority_derive(toolset_authority(question->set), question->grant, json.root,
                         STR("approval"), ++serial, true, &reader, &nomem);
    json_release(&json);
    if (!pass) {
        if (nomem)
            err_nomem(err);
        return NULL;
    }
    if (pass->n_calls > 0 || pass->approve != APPROVE_NEVER) {
        err_set(err, CAPFUL_EPOLICY,
                "the narrowing of an approval has neither \"max_calls\" nor \"approve\"");
        grant_unref(pass);
        return NULL;
    }
    if (n != CAPFUL_UNLIMITED)
        pass->calls[pass->n_calls++] = (struct call_budget){n, SCOPE_RUN};
    return pass;
}

int capful_question_allow_next(struct capful_question *question, uint64_t n, const char *narrowing,
                               const char *who, struct capful_error *err)
{
    struct capful_error own = {.code = 0};
    if (!question || n == 0)
        return err_set(err, CAPFUL_EINVAL, "an approval is for one call at least");
    struct grant *pass = make_pass(question, n, narrowing, &own);
    if (!pass) {
        if (err)
            *err = own;
        return own.code;
    }
    if (take_turn(question)) {
        question->pass = pass;
        answer(question, QUESTION_NEXT, NO_TEXT, who);
    } else {
        grant_unref(pass);
    }
    return 0;
}
