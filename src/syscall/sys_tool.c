/* Tool calls: text is copied out of guest memory, the rest is src/tool's. */
#include <string.h>

#include "syscall/calls.h"
#include "tool/cap.h"

#define NO_FD         UINT32_MAX
#define LIST_MAX      (64u << 20)
#define NAME_LEN_MAX  65536u
#define WAITS_MAX     1024u
#define NARROWING_MAX 65536u

static int get_tools(const struct process *process, struct tool_host **ret)
{
    *ret = syscall_context(process)->tools;
    return *ret ? 0 : ERRNO_NOTSUP;
}

static int get_name(struct process *process, uint64_t start, uint64_t len, struct str *ret)
{
    return gmem_text(process, gptr(start), (uint32_t)len, NAME_LEN_MAX, ERRNO_NAMETOOLONG, ret);
}

int sys_call_start(struct process *process, const uint64_t *args)
{
    struct str name, arguments;
    struct tool_host *tools;
    uint32_t id;
    int result = get_tools(process, &tools);
    if (result == 0)
        result = get_name(process, args[0], args[1], &name);
    if (result == 0)
        result = gmem_text(process, gptr(args[2]), (uint32_t)args[3], UINT32_MAX, ERRNO_2BIG,
                           &arguments);
    if (result != 0)
        return result;
    if (!gmem_span(process, gptr(args[4]), sizeof id))
        return ERRNO_FAULT;
    result = tool_call_start(tools, process, name, arguments, &id);
    if (result != 0)
        return result;
    kernel_ask(process->kernel); /* the call begins while others go on */
    gmem_put32(process, gptr(args[4]), id);
    return 0;
}

int sys_call_handle(struct process *process, const uint64_t *args)
{
    struct str arguments;
    struct tool_host *tools;
    uint32_t id;
    int result = get_tools(process, &tools);
    if (result == 0)
        result = gmem_text(process, gptr(args[1]), (uint32_t)args[2], UINT32_MAX, ERRNO_2BIG,
                           &arguments);
    if (result == 0 && !gmem_span(process, gptr(args[3]), sizeof id))
        result = ERRNO_FAULT;
    if (result == 0)
        result = tool_call_start_handle(tools, process, (uint32_t)args[0], arguments, &id);
    if (result != 0)
        return result;
    gmem_put32(process, gptr(args[3]), id);
    return 0;
}

static int narrow(struct tool_host *tools, struct process *process, const uint64_t *args,
                  struct buf *why)
{
    struct str name = {"", 0}, narrowing;
    struct tool_cap *from, *cap;
    uint32_t handle;
    int result = args[2] ? 0 : get_name(process, args[0], args[1], &name);
    if (result == 0)
        result = gmem_text(process, gptr(args[3]), (uint32_t)args[4], NARROWING_MAX, ERRNO_2BIG,
                           &narrowing);
    if (result == 0)
        result = tool_cap_get(tools, process, name, (uint32_t)args[2], &from);
    if (result != 0)
        return result;
    result = tool_cap_narrow(tools, process, from, narrowing, &cap, why);
    tool_cap_unref(from);
    if (result != 0)
        return result;
    result = tool_cap_keep(process, cap, &handle);
    if (result != 0)
        tool_cap_unref(cap);
    else
        gmem_put32(process, gptr(args[5]), handle);
    return result;
}

int sys_tool_narrow(struct process *process, const uint64_t *args)
{
    struct tool_host *tools;
    struct buf why = BUF_INIT(TOOL_WHY_MAX);
    uint32_t size = (uint32_t)args[7];
    int result = get_tools(process, &tools);
    char *out = gmem_span(process, gptr(args[6]), size);
    if (result == 0 && (!out || !gmem_span(process, gptr(args[5]), sizeof(uint32_t))))
        result = ERRNO_FAULT;
    if (result != 0)
        return result;
    result = narrow(tools, process, args, &why);
    if (size > 0) {
        size_t len = why.len < size ? why.len : size - 1;
        memcpy(out, buf_str(&why).ptr, len);
        out[len] = 0;
    }
    buf_release(&why);
    return result;
}

static int put_done(struct process *process, uint64_t to, const struct capful_done *done)
{
    return gmem_write(process, gptr(to), done, sizeof *done) ? 0 : ERRNO_FAULT;
}

/* What there is to tell; the answer too, if the guest's buffer takes it. Both places are known to
 * be good. */
static int tell(struct tool_host *tools, struct process *process, const uint64_t *args,
                const struct capful_done *done)
{
    struct str text;
    if (done->len <= (uint32_t)args[3] && tool_call_take(tools, process, done->id, &text) == 0) {
        int result = gmem_copy_out(process, gptr(args[2]), text);
        if (result != 0)
            return result;
        tool_call_forget(tools, process, done->id);
    }
    return put_done(process, args[1], done);
}

/* Descriptors that a call waits for, besides answers: in guest memory, known to lie there. */
struct waits {
    uint8_t *list; /* struct capful_ready[n] */
    uint32_t n;
};

static struct capful_ready wait_at(const struct waits *waits, uint32_t i)
{
    struct capful_ready one;
    memcpy(&one, waits->list + i * sizeof one, sizeof one);
    return one;
}

static int get_waits(struct process *process, uint64_t list, uint64_t n, struct waits *ret)
{
    struct fd *fd;
    ret->n = (uint32_t)n;
    if (ret->n > WAITS_MAX)
        return ERRNO_INVAL;
    ret->list = gmem_span(process, gptr(list), ret->n * sizeof(struct capful_ready));
    if (!ret->list)
        return ERRNO_FAULT;
    for (uint32_t i = 0; i < ret->n; i++) {
        struct capful_ready one = wait_at(ret, i);
        if (one.events == 0 || one.events & ~(unsigned)(READY_IN | READY_OUT))
            return ERRNO_INVAL;
        int result = sys_get_fd(process, one.fd, CAPFUL_RIGHT_POLL_FD_READWRITE, &fd);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Notes at each whether it is ready; true if one is. */
static bool look_at_waits(struct process *process, const struct waits *waits)
{
    bool any = false;
    for (uint32_t i = 0; i < waits->n; i++) {
        struct capful_ready one = wait_at(waits, i);
        struct file *file = fdtab_get(&process->fds, one.fd)->file;
        one.ready = (uint16_t)(file_ready(file) & (one.events | (unsigned)READY_HUP));
        any |= one.ready != 0;
        memcpy(waits->list + i * sizeof one, &one, sizeof one);
    }
    return any;
}

/* Nothing to tell yet: waits for a call, the descriptors and the time. */
static int wait_for_any(struct process *process, const struct waits *waits)
{
    int result = wait_add(process, tool_call_queue(process));
    for (uint32_t i = 0; result == 0 && i < waits->n; i++) {
        struct capful_ready one = wait_at(waits, i);
        struct file *file = fdtab_get(&process->fds, one.fd)->file;
        struct wait_queue *queue = file->ops->queue ? file->ops->queue(file, one.events) : NULL;
        if (queue)
            result = wait_add(process, queue);
    }
    if (result != 0) {
        wait_leave(process);
        return result;
    }
    if (process->request.deadline != 0 && process->request.deadline != UINT64_MAX)
        wait_until(process, process->request.deadline);
    return SYS_PARK;
}

static void set_deadline(struct process *process, int64_t timeout, uint64_t now)
{
    if (process->request.deadline != 0)
        return;
    if (timeout < 0)
        process->request.deadline = UINT64_MAX;
    else
        process->request.deadline = now + (uint64_t)timeout + (now == 0 && timeout == 0);
}

/* The rest of call_next and call_wait; `args` are timeout, done, buffer, size. */
static int next_or_wait(struct process *process, const uint64_t *args, const struct waits *waits)
{
    struct capful_done done;
    struct tool_host *tools;
    int64_t timeout = (int64_t)args[0];
    int result = get_tools(process, &tools);
    if (result == 0 && (!gmem_span(process, gptr(args[1]), sizeof done) ||
                        !gmem_span(process, gptr(args[2]), (uint32_t)args[3])))
        result = ERRNO_FAULT;
    if (result != 0)
        return result;
    bool ready = look_at_waits(process, waits);
    if (tool_call_next(tools, process, &done)) {
        done.fd_ready = ready;
        return tell(tools, process, args, &done);
    }
    done = (struct capful_done){0, CAPFUL_CALL_NONE, 0, ready};
    uint64_t now = timeout < 0 ? 0 : kernel_time_monotonic(process->kernel);
    set_deadline(process, timeout, now);
    bool hopeless = waits->n == 0 && timeout < 0 && !tool_call_pending(process);
    if (ready || hopeless || process->request.deadline <= now || timeout == 0)
        return put_done(process, args[1], &done);
    return wait_for_any(process, waits);
}

int sys_call_next(struct process *process, const uint64_t *args)
{
    struct capful_ready one = {(uint32_t)args[0], READY_IN, 0};
    struct waits waits = {(uint8_t *)&one, (uint32_t)args[0] != NO_FD};
    struct fd *fd;
    int result = waits.n ? sys_get_fd(process, args[0], CAPFUL_RIGHT_POLL_FD_READWRITE, &fd) : 0;
    return result != 0 ? result : next_or_wait(process, args + 1, &waits);
}

int sys_call_wait(struct process *process, const uint64_t *args)
{
    struct waits waits;
    int result = get_waits(process, args[0], args[1], &waits);
    return result != 0 ? result : next_or_wait(process, args + 2, &waits);
}

int sys_call_result(struct process *process, const uint64_t *args)
{
    struct str text;
    struct tool_host *tools;
    int result = get_tools(process, &tools);
    if (result == 0)
        result = tool_call_take(tools, process, (uint32_t)args[0], &text);
    if (result != 0)
        return result;
    if (text.len > (uint32_t)args[2])
        return ERRNO_RANGE;
    result = gmem_copy_out(process, gptr(args[1]), text);
    if (result == 0)
        tool_call_forget(tools, process, (uint32_t)args[0]);
    return result;
}

int sys_tool_find(struct process *process, const uint64_t *args)
{
    struct str name;
    struct tool_host *tools;
    int result = get_tools(process, &tools);
    if (result == 0)
        result = get_name(process, args[0], args[1], &name);
    if (result != 0)
        return result;
    return tool_has(tools, process, name) ? 0 : ERRNO_NOENT;
}

/* The length is told even where the buffer is too small (RANGE). */
int sys_tool_list(struct process *process, const uint64_t *args)
{
    struct buf list = BUF_INIT(LIST_MAX);
    struct tool_host *tools;
    int result = get_tools(process, &tools);
    if (result == 0)
        result = tool_list(tools, process, &list);
    if (result == 0 && buf_failed(&list))
        result = ERRNO_NOMEM;
    if (result == 0 && !gmem_put32(process, gptr(args[2]), (uint32_t)list.len))
        result = ERRNO_FAULT;
    if (result == 0 && list.len > (uint32_t)args[1])
        result = ERRNO_RANGE;
    if (result == 0)
        result = gmem_copy_out(process, gptr(args[0]), buf_str(&list));
    buf_release(&list);
    return result;
}
