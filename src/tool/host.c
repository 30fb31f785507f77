/* The calls of one sandbox: its processes' side, its memory, its records. What happens to a call is
 * in dispatch.c. */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "tool/call.h"
#include "tool/cap.h"

#define LONG_ARGUMENTS 4096                /* bytes; allocated for themselves */
#define RESULT_MOST    (UINT64_C(1) << 30) /* a guest's memory ends at 4 GiB */

int tool_host_new(struct toolset *set, struct kernel *kernel, struct capful_sandbox *sandbox,
                  struct tool_host **ret)
{
    struct tool_host *host = mem_zalloc(sizeof *host);
    if (!host)
        return CAPFUL_ENOMEM;
    host->set = set ? toolset_ref(set) : NULL;
    host->kernel = kernel;
    host->sandbox = sandbox;
    list_init(&host->queued);
    list_init(&host->asking);
    list_init(&host->questions);
    list_init(&host->decided);
    list_init(&host->for_host);
    list_init(&host->in_flight);
    list_init(&host->ready);
    list_init(&host->running);
    *ret = host;
    return 0;
}

/* The sandbox no longer holds this call; its memory is no longer charged. */
static void let_go(struct tool_host *host, struct capful_call *call)
{
    call_drop_answer(host, call);
    kernel_discharge(host->kernel, call->charged);
    call->charged = 0;
    call_unref(call);
}

static void forget_history(struct tool_host *host)
{
    for (size_t i = 0; i < host->n_history; i++)
        let_go(host, host->history[i]);
    host->n_history = 0;
    host->kept = 0;
}

void tool_host_free(struct tool_host *host)
{
    if (!host)
        return;
    tool_abandon(host);
    forget_history(host);
    mem_free(host->history);
    mem_free(host->used);
    judge_release(host);
    mailbox_close(host->mailbox);
    toolset_unref(host->set);
    mem_free(host);
}

const struct toolset *tool_host_set(const struct tool_host *host)
{
    return host->set;
}

/* ------------------------------------------------------------------ processes */

int tool_process_inherit(struct process *parent, struct process *child)
{
    struct tool_process *tools = mem_zalloc(sizeof *tools);
    if (!tools)
        return ERRNO_NOMEM;
    tools->host = tool_host_of(child);
    tools->process = child;
    list_init(&tools->pending);
    list_init(&tools->done);
    list_init(&tools->told);
    child->tools = tools;
    /* Calls are not inherited. What there is after a failure goes with the child. */
    return parent && parent->tools ? tool_process_copy(tools, parent->tools) : 0;
}

static void drop_answers(struct tool_host *host, struct list *list)
{
    LIST_FOREACH (at, list) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, mine);
        list_remove(&call->mine);
        call->process = NULL;
        call_drop_answer(host, call);
    }
}

void tool_process_exited(struct process *process)
{
    struct tool_process *tools = process->tools;
    if (!tools)
        return;
    /* What is under way still finishes; nobody waits for it any more. */
    LIST_FOREACH (at, &tools->pending) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, mine);
        list_remove(&call->mine);
        call->process = NULL;
    }
    drop_answers(tools->host, &tools->done);
    drop_answers(tools->host, &tools->told);
    tool_process_drop(tools);
    process->tools = NULL;
    mem_free(tools);
}

/* ------------------------------------------------------------------ system calls */

static char *put_number(char *at, uint32_t number)
{
    char digits[10];
    int n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    while (n)
        *at++ = digits[--n];
    return at;
}

/* "<random>-<run>-<number>": never the same twice, in any sandbox, so that it can serve as
 * idempotency key. */
static bool make_id(struct tool_host *host, uint32_t number, char ret[48])
{
    if (!host->id_prefix[0]) {
        unsigned char bytes[8];
        if (!rand_bytes(bytes, sizeof bytes))
            return false;
        for (size_t i = 0; i < 8; i++) {
            host->id_prefix[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
            host->id_prefix[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
        }
        host->id_prefix[16] = 0;
    }
    memcpy(ret, host->id_prefix, 16);
    char *at = ret + 16;
    *at++ = '-';
    at = put_number(at, host->run);
    *at++ = '-';
    at = put_number(at, number);
    *at = 0;
    return true;
}

static bool remember(struct tool_host *host, struct capful_call *call)
{
    if (host->n_history == host->history_alloc) {
        size_t alloc = host->history_alloc ? host->history_alloc * 2 : 8;
        struct capful_call **history = mem_resize_array(host->history, alloc, sizeof *history);
        if (!history)
            return false;
        host->history = history;
        host->history_alloc = alloc;
    }
    host->history[host->n_history++] = call;
    return true;
}

/* One block with the texts behind the structure, but for arguments that are long. NULL: memory. */
static struct capful_call *new_call(struct str name, struct str arguments)
{
    bool apart = arguments.len > LONG_ARGUMENTS;
    struct capful_call *call = mem_alloc(sizeof *call + name.len + 2 + (apart ? 0 : arguments.len));
    if (!call)
        return NULL;
    memset(call, 0, sizeof *call);
    call->name = call->tool_name = (char *)(call + 1);
    memcpy(call->name, name.ptr, name.len);
    call->name[name.len] = 0;
    call->arguments = call->name + name.len + 1;
    if (apart) {
        call->own_arguments = call->arguments = mem_dup(arguments.ptr, arguments.len);
        if (!call->arguments) {
            mem_free(call);
            return NULL;
        }
    } else {
        memcpy(call->arguments, arguments.ptr, arguments.len);
        call->arguments[arguments.len] = 0;
    }
    call->argument_len = arguments.len;
    atomic_init(&call->refs, 1);
    atomic_init(&call->turn, CALL_OPEN);
    atomic_init(&call->phase, CALL_IN_CALLBACK);
    list_init(&call->mail.link);
    call->record.id = call->id;
    call->record.tool = call->tool_name;
    call->record.arguments = call->arguments;
    call->record.outcome = CAPFUL_CALL_UNKNOWN;
    return call;
}

/* `cap` is borrowed. */
static int start(struct tool_host *host, struct process *process, struct str name,
                 struct tool_cap *cap, struct str arguments, struct capful_call **ret)
{
    const struct capful_limits *limits = &host->kernel->limits;
    struct tool_process *tools = process->tools;
    if (name.len > TOOL_NAME_MAX || !utf8_valid(name.ptr, name.len))
        return ERRNO_INVAL;
    if (host->n_history >= limits->calls || host->last_number == UINT32_MAX) {
        kernel_stop_limit(host->kernel, "calls", "more than %llu tool calls",
                          (unsigned long long)limits->calls);
        return ERRNO_AGAIN;
    }
    bool too_large = arguments.len > limits->argument;
    struct str kept = too_large ? STR("null") : arguments;
    uint64_t size = sizeof(struct capful_call) + name.len + kept.len;
    if (!kernel_charge(host->kernel, size))
        return ERRNO_AGAIN;
    struct capful_call *call = new_call(name, kept);
    if (!call || !make_id(host, host->last_number + 1, call->id) || !remember(host, call)) {
        call_unref(call);
        kernel_discharge(host->kernel, size);
        return ERRNO_NOMEM;
    }
    call->result_limit = limits->result < RESULT_MOST ? limits->result : RESULT_MOST;
    call->process = tools;
    call->number = ++host->last_number;
    call->too_large = too_large;
    call->charged = size;
    host->kept += call->own_arguments ? kept.len : 0;
    list_append(&tools->pending, &call->mine);
    list_append(&host->queued, &call->link);
    call->place = PLACE_QUEUED;
    host->usage.calls++;
    host->usage.argument_bytes += arguments.len;
    call->cap = cap ? tool_cap_ref(cap) : NULL;
    *ret = call;
    kernel_ask(host->kernel);
    return 0;
}

int tool_call_start(struct tool_host *host, struct process *process, struct str name,
                    struct str arguments, uint32_t *ret_id)
{
    const struct tool_process *tools = process->tools;
    const struct tool_entry *entry = tools->listed ? tool_process_find(tools, name) : NULL;
    struct capful_call *call;
    int e = start(host, process, name, entry ? entry->cap : NULL, arguments, &call);
    if (e != 0)
        return e;
    call->unheld = tools->listed && !entry;
    *ret_id = call->number;
    return 0;
}

int tool_call_start_handle(struct tool_host *host, struct process *process, uint32_t handle,
                           struct str arguments, uint32_t *ret_id)
{
    const struct tool_process *tools = process->tools;
    struct capful_call *call;
    if (handle == 0 || handle > tools->n_handles)
        return ERRNO_BADF;
    struct tool_cap *cap = tools->handles[handle - 1];
    int e = start(host, process, str_of(cap->tool->name), cap, arguments, &call);
    if (e == 0)
        *ret_id = call->number;
    return e;
}

/* Records keep the arguments of every call, so that a run that ends badly can say what was done. Of
 * a run that hands very much to its tools only so much is kept, and the record says what is
 * missing. */
void call_shorten(struct tool_host *host, struct capful_call *call)
{
    if (!call->own_arguments || host->kept <= host->kernel->limits.memory / 4)
        return;
    snprintf(call->omitted, sizeof call->omitted, "{\"omitted\":\"%zu bytes\"}",
             call->argument_len);
    host->kept -= call->argument_len;
    call->charged -= call->argument_len;
    kernel_discharge(host->kernel, call->argument_len);
    mem_free(TAKE(call->own_arguments));
    call->record.arguments = call->arguments = call->omitted;
    call->argument_len = strlen(call->omitted);
}

bool tool_call_next(struct tool_host *host, struct process *process, struct capful_done *ret)
{
    struct tool_process *tools = process->tools;
    (void)host;
    if (list_empty(&tools->done)) {
        *ret = (struct capful_done){.status = CAPFUL_CALL_NONE};
        return false;
    }
    struct capful_call *call = LIST_ENTRY(tools->done.next, struct capful_call, mine);
    list_remove(&call->mine);
    list_append(&tools->told, &call->mine);
    *ret = (struct capful_done){
        .id = call->number, .status = call->result.status, .len = (uint32_t)call->result.len};
    return true;
}

bool tool_call_pending(const struct process *process)
{
    const struct tool_process *tools = process->tools;
    return !list_empty(&tools->pending);
}

struct wait_queue *tool_call_queue(struct process *process)
{
    struct tool_process *tools = process->tools;
    return &tools->queue;
}

/* The guest fetches what it was told last, as a rule: the search starts there. */
static struct capful_call *find_told(const struct process *process, uint32_t id)
{
    const struct tool_process *tools = process->tools;
    for (struct list *at = tools->told.prev; at != &tools->told; at = at->prev) {
        struct capful_call *call = LIST_ENTRY(at, struct capful_call, mine);
        if (call->number == id)
            return call;
    }
    return NULL;
}

int tool_call_take(struct tool_host *host, struct process *process, uint32_t id,
                   struct str *ret_text)
{
    (void)host;
    struct capful_call *call = find_told(process, id);
    if (!call)
        return ERRNO_NOENT;
    *ret_text = (struct str){call->result.text, call->result.len};
    return 0;
}

void tool_call_forget(struct tool_host *host, struct process *process, uint32_t id)
{
    struct capful_call *call = find_told(process, id);
    if (!call)
        return;
    list_remove(&call->mine);
    call->process = NULL;
    call_drop_answer(host, call);
}

void call_drop_answer(struct tool_host *host, struct capful_call *call)
{
    kernel_discharge(host->kernel, call->text_charged);
    call->text_charged = 0;
    answer_release(&call->result);
}

bool tool_has(const struct tool_host *host, const struct process *process, struct str name)
{
    const struct tool_process *tools = process->tools;
    return tools->listed ? tool_process_find(tools, name) != NULL
                         : toolset_find(host->set, name) != NULL;
}

int tool_list(const struct tool_host *host, const struct process *process, struct buf *out)
{
    const struct tool_process *tools = process->tools;
    if (tools->listed)
        return tool_process_list(tools, out);
    return buf_add_str(out, toolset_listing(host->set)) ? 0 : ERRNO_NOMEM;
}

/* ------------------------------------------------------------------ runs and their records */

void tool_begin(struct tool_host *host, tool_observer on_call, void *context)
{
    tool_abandon(host);
    forget_history(host);
    judge_reset(host);
    host->run++;
    host->n_caps = 0;
    host->origin = clock_monotonic();
    host->on_call = on_call;
    host->on_call_context = context;
    host->usage = (struct tool_usage){0, 0, 0, 0, 0};
}

void tool_end(struct tool_host *host)
{
    tool_abandon(host);
    judge_end(host);
    judge_reset(host);
    host->on_call = NULL;
}

void tool_get_usage(const struct tool_host *host, struct tool_usage *ret)
{
    *ret = host->usage;
}

size_t tool_record_count(const struct tool_host *host)
{
    return host->n_history;
}

const struct capful_record *tool_record(const struct tool_host *host, size_t index)
{
    return index < host->n_history ? &host->history[index]->record : NULL;
}

void tool_records_take(struct tool_host *host, struct tool_records *ret)
{
    for (size_t i = 0; i < host->n_history; i++) {
        struct capful_call *call = host->history[i];
        call_drop_answer(host, call);
        kernel_discharge(host->kernel, call->charged);
        call->charged = 0;
    }
    *ret = (struct tool_records){host->history, host->n_history};
    host->history = NULL;
    host->n_history = host->history_alloc = 0;
    host->kept = 0;
}

const struct capful_record *tool_records_at(const struct tool_records *records, size_t index)
{
    return index < records->n ? &records->calls[index]->record : NULL;
}

void tool_records_release(struct tool_records *records)
{
    for (size_t i = 0; i < records->n; i++)
        call_unref(records->calls[i]);
    mem_free(records->calls);
    *records = (struct tool_records){NULL, 0};
}

/* ------------------------------------------------------------------ for tests */

static const char *check_place(const struct list *list, enum call_place place, size_t *count)
{
    for (const struct list *at = list->next; at != list; at = at->next) {
        if (at->next->prev != at || at->prev->next != at)
            return "a list of calls is broken";
        if (LIST_ENTRY(at, struct capful_call, link)->place != place)
            return "a call stands in the wrong list";
        ++*count;
    }
    return NULL;
}

const char *tool_host_check(const struct tool_host *host)
{
    size_t n = 0, settled = 0, running = 0;
    const char *wrong = check_place(&host->queued, PLACE_QUEUED, &n);
    wrong = wrong ? wrong : check_place(&host->asking, PLACE_ASKING, &n);
    wrong = wrong ? wrong : check_place(&host->for_host, PLACE_FOR_HOST, &n);
    wrong = wrong ? wrong : check_place(&host->in_flight, PLACE_IN_FLIGHT, &n);
    wrong = wrong ? wrong : check_place(&host->ready, PLACE_READY, &n);
    wrong = wrong ? wrong : check_place(&host->running, PLACE_RUNNING, &running);
    if (wrong)
        return wrong;
    if (running != host->n_running || running > TOOL_COMMANDS)
        return "the count of programs that run is wrong";
    for (size_t i = 0; i < host->n_history; i++) {
        const struct capful_call *call = host->history[i];
        if (call->place == PLACE_SETTLED)
            settled++;
        else if (call->record.outcome != CAPFUL_CALL_UNKNOWN &&
                 call->record.outcome != CAPFUL_CALL_STARTED)
            return "a call that is not settled has an outcome";
        if (call->place == PLACE_SETTLED && !call->process && call->text_charged)
            return "an answer that nobody can fetch is kept";
    }
    return n + running + settled == host->n_history ? NULL : "a call is in no list";
}
