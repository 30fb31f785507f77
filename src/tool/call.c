/* A call as the tool's function sees it: public, callable from any thread, see call.h. */
#include "tool/call.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"

struct capful_call *call_ref(struct capful_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
    return call;
}

void call_unref(struct capful_call *call)
{
    if (!call || atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return;
    answer_release(&call->answer);
    answer_release(&call->result);
    mem_free((char *)call->record.message);
    mem_free((char *)call->record.would_deny);
    if (call->tool_name != call->name)
        mem_free(call->tool_name);
    mem_free(call->own_arguments);
    grant_unref(call->grant);
    mailbox_unref(call->mailbox);
    mem_free(call);
}

/* ------------------------------------------------------------------ answers */

void answer_release(struct answer *answer)
{
    mem_free(answer->text);
    mem_free(answer->message);
    *answer = (struct answer){CAPFUL_CALL_NONE, NULL, 0, NULL};
}

static bool answer_problem(struct answer *ret, uint32_t status, const char *name, const char *tool,
                           const char *code, struct str message, struct str data)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    buf_add_text(&out, "{\"name\":\"");
    buf_add_text(&out, name);
    buf_add_text(&out, "\",\"tool\":");
    buf_add_json_string(&out, str_of(tool));
    buf_add_text(&out, ",\"code\":");
    buf_add_json_string(&out, str_of(code));
    buf_add_text(&out, ",\"message\":");
    buf_add_json_string(&out, message);
    if (data.len) {
        buf_add_text(&out, ",\"data\":");
        buf_add_str(&out, data);
    }
    buf_add_char(&out, '}');
    size_t len = out.len;
    char *text = buf_steal(&out);
    char *copy = text ? mem_dup(message.ptr, message.len) : NULL;
    if (!copy) {
        mem_free(text);
        return false;
    }
    *ret = (struct answer){status, text, len, copy};
    return true;
}

bool answer_error(struct answer *ret, const char *tool, const char *code, struct str message,
                  struct str data)
{
    return answer_problem(ret, CAPFUL_CALL_ERROR, "ToolError", tool, code, message, data);
}

bool answer_denied(struct answer *ret, const char *tool, const char *code, struct str message)
{
    return answer_problem(ret, CAPFUL_CALL_DENIED, "ToolDenied", tool, code, message,
                          (struct str){"", 0});
}

static bool answer_too_large(struct answer *ret, const char *tool, size_t len, uint64_t limit)
{
    struct buf message = BUF_INIT(1024);
    buf_printf(&message, "the result of %s has %zu bytes, the limit is %llu", tool, len,
               (unsigned long long)limit);
    bool ok = answer_error(ret, tool, "too_large", buf_str(&message), (struct str){"", 0});
    buf_release(&message);
    return ok;
}

bool answer_result(struct answer *ret, const char *tool, char *text, size_t len, uint64_t limit)
{
    struct json_problem problem;
    bool ok;
    if (len > limit) {
        ok = answer_too_large(ret, tool, len, limit);
    } else if (!json_check((struct str){text, len}, JSON_STRICT, TOOL_DEPTH, NULL, &problem)) {
        struct buf message = BUF_INIT(1024);
        buf_printf(&message, "the result of %s is not valid JSON, byte %zu: %s", tool,
                   problem.offset + 1, problem.text);
        ok = answer_error(ret, tool, "bad_result", buf_str(&message), (struct str){"", 0});
        buf_release(&message);
    } else {
        *ret = (struct answer){CAPFUL_CALL_OK, text, len, NULL};
        return true;
    }
    mem_free(text);
    return ok;
}

/* ------------------------------------------------------------------ the mailbox */

int mailbox_new(struct capful_sandbox *sandbox, struct mailbox **ret)
{
    struct mailbox *mailbox = mem_zalloc(sizeof *mailbox);
    if (!mailbox)
        return CAPFUL_ENOMEM;
    if (pthread_mutex_init(&mailbox->lock, NULL) != 0) {
        mem_free(mailbox);
        return CAPFUL_ENOMEM;
    }
    atomic_init(&mailbox->refs, 1);
    atomic_init(&mailbox->sandbox, sandbox);
    atomic_init(&mailbox->full, false);
    list_init(&mailbox->letters);
    mailbox->event_fd = mailbox->event_write_fd = -1;
    *ret = mailbox;
    return 0;
}

struct mailbox *mailbox_ref(struct mailbox *mailbox)
{
    atomic_fetch_add_explicit(&mailbox->refs, 1, memory_order_relaxed);
    return mailbox;
}

void mailbox_unref(struct mailbox *mailbox)
{
    if (!mailbox || atomic_fetch_sub_explicit(&mailbox->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&mailbox->lock);
    mem_free(mailbox);
}

static void signal_event(const struct mailbox *mailbox)
{
    const uint64_t one = 1;
    while (write(mailbox->event_write_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void drop_letter(struct letter *letter)
{
    if (letter->is_question)
        question_unref(LIST_ENTRY(letter, struct capful_question, mail));
    else
        call_unref(LIST_ENTRY(letter, struct capful_call, mail));
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    mailbox_ref(mailbox); /* the driver may free call and sandbox as soon as it sees the answer */
    pthread_mutex_lock(&mailbox->lock);
    bool closed = mailbox->closed;
    if (!closed) {
        bool was_empty = list_empty(&mailbox->letters);
        list_append(&mailbox->letters, &letter->link);
        atomic_store_explicit(&mailbox->full, true, memory_order_release);
        if (was_empty && mailbox->event_write_fd >= 0)
            signal_event(mailbox);
    }
    pthread_mutex_unlock(&mailbox->lock);
    if (closed)
        drop_letter(letter);
    mailbox_unref(mailbox);
}

void mailbox_empty(struct mailbox *mailbox, struct list *to)
{
    if (!mailbox || !atomic_load_explicit(&mailbox->full, memory_order_acquire))
        return;
    pthread_mutex_lock(&mailbox->lock);
    LIST_FOREACH (at, &mailbox->letters) {
        list_remove(at);
        list_append(to, at);
    }
    atomic_store_explicit(&mailbox->full, false, memory_order_release);
    if (mailbox->event_fd >= 0) {
        uint64_t drained;
        // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): it never blocks
        while (read(mailbox->event_fd, &drained, sizeof drained) > 0)
            ;
    }
    pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_close(struct mailbox *mailbox)
{
    if (!mailbox)
        return;
    struct list left;
    list_init(&left);
    mailbox_empty(mailbox, &left);
    pthread_mutex_lock(&mailbox->lock);
    LIST_FOREACH (at, &mailbox->letters) {
        list_remove(at);
        list_append(&left, at);
    }
    mailbox->closed = true;
    atomic_store(&mailbox->sandbox, NULL);
    if (mailbox->event_write_fd >= 0 && mailbox->event_write_fd != mailbox->event_fd)
        close(mailbox->event_write_fd);
    if (mailbox->event_fd >= 0)
        close(mailbox->event_fd);
    mailbox->event_fd = mailbox->event_write_fd = -1;
    pthread_mutex_unlock(&mailbox->lock);
    LIST_FOREACH (late, &left)
        drop_letter(LIST_ENTRY(late, struct letter, link));
    mailbox_unref(mailbox);
}

static int make_event(int fds[2])
{
#ifdef __linux__
    fds[0] = fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fds[0] >= 0)
        return 0;
#endif
    if (pipe(fds) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(fds[i], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

int mailbox_event_fd(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->event_fd < 0) {
        int fds[2];
        if (make_event(fds) == 0) {
            mailbox->event_fd = fds[0];
            mailbox->event_write_fd = fds[1];
            if (!list_empty(&mailbox->letters))
                signal_event(mailbox);
        }
    }
    int fd = mailbox->event_fd;
    pthread_mutex_unlock(&mailbox->lock);
    return fd;
}

/* ------------------------------------------------------------------ public */

const char *capful_call_id(const struct capful_call *call)
{
    return call->id;
}

const char *capful_call_tool(const struct capful_call *call)
{
    return call->tool_name;
}

const char *capful_call_arguments(const struct capful_call *call, size_t *ret_len)
{
    if (ret_len)
        *ret_len = call->argument_len;
    return call->arguments;
}

struct capful_sandbox *capful_call_sandbox(const struct capful_call *call)
{
    return atomic_load(&call->mailbox->sandbox);
}

/* The right to answer: the first who asks gets it. Without it the answer is dropped, with the
 * reference if it was the host that gave up; a second answer of the same function changes nothing.
 */
static bool take_turn(struct capful_call *call)
{
    int turn = CALL_OPEN;
    if (atomic_compare_exchange_strong(&call->turn, &turn, CALL_ANSWERED))
        return true;
    if (turn == CALL_CUT && atomic_compare_exchange_strong(&call->turn, &turn, CALL_ANSWERED))
        call_unref(call);
    return false;
}

static void complete(struct capful_call *call)
{
    struct mailbox *mailbox = call->mailbox;
    if (atomic_exchange(&call->phase, CALL_COMPLETE) == CALL_AWAITED)
        mailbox_post(mailbox, &call->mail);
    else
        call_unref(call);
}

void capful_call_answer(struct capful_call *call, const char *json, size_t len)
{
    if (!call || !take_turn(call))
        return;
    if (len > call->result_limit) {
        answer_too_large(&call->answer, call->tool_name, len, call->result_limit);
    } else {
        char *copy = mem_dup(json, len);
        if (copy)
            answer_result(&call->answer, call->tool_name, copy, len, call->result_limit);
    }
    complete(call);
}

void capful_call_answer_text(struct capful_call *call, const char *text, size_t len)
{
    if (!call || !take_turn(call))
        return;
    struct buf out = BUF_INIT(SIZE_MAX);
    if (len <= call->result_limit)
        buf_add_json_string(&out, (struct str){text, len});
    size_t made = len <= call->result_limit ? out.len : len;
    if (made > call->result_limit) {
        answer_too_large(&call->answer, call->tool_name, made, call->result_limit);
        buf_release(&out);
    } else {
        char *json = buf_steal(&out);
        if (json)
            call->answer = (struct answer){CAPFUL_CALL_OK, json, made, NULL};
    }
    complete(call);
}

void capful_call_fail(struct capful_call *call, const char *code, const char *message,
                      const char *data)
{
    if (!call || !take_turn(call))
        return;
    struct str text = str_of(message ? message : "the tool failed");
    struct str more = data ? str_of(data) : (struct str){"", 0};
    uint64_t limit = call->result_limit;
    struct buf quoted = BUF_INIT(SIZE_MAX);
    /* One level less: it stands within the error's object. What is not JSON is handed on as a
     * string. */
    if (more.len && more.len <= limit &&
        !json_check(more, JSON_STRICT, TOOL_DEPTH - 1, NULL, NULL)) {
        buf_add_json_string(&quoted, more);
        more = buf_str(&quoted);
    }
    if (text.len > limit || more.len > limit - text.len)
        answer_too_large(&call->answer, call->tool_name, text.len + more.len, limit);
    else
        answer_error(&call->answer, call->tool_name, code ? code : "failed", text, more);
    buf_release(&quoted);
    complete(call);
}
