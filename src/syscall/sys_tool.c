/* Tool calls: text is copied out of guest memory, the rest is src/tool's. */
#include "syscall/calls.h"
#include "tool/tool.h"

#define NO_FD        UINT32_MAX
#define LIST_MAX     (64u << 20)
#define NAME_LEN_MAX 65536u

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
    if (done->len <= (uint32_t)args[4] && tool_call_take(tools, process, done->id, &text) == 0) {
        int result = gmem_copy_out(process, gptr(args[3]), text);
        if (result != 0)
            return result;
        tool_call_forget(tools, process, done->id);
    }
    return put_done(process, args[2], done);
}

/* Nothing to tell yet: waits for a call, the descriptor and the time. */
static int wait_for_any(struct process *process, const struct fd *fd)
{
    struct wait_queue *queue = NULL;
    int result = wait_add(process, tool_call_queue(process));
    if (result == 0 && fd && fd->file->ops->queue)
        queue = fd->file->ops->queue(fd->file, READY_IN);
    if (queue)
        result = wait_add(process, queue);
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

int sys_call_next(struct process *process, const uint64_t *args)
{
    struct fd *fd = NULL;
    struct capful_done done = {0, CAPFUL_CALL_NONE, 0, 0};
    struct tool_host *tools;
    int result = get_tools(process, &tools);
    if (result == 0 && (uint32_t)args[0] != NO_FD)
        result = sys_get_fd(process, args[0], CAPFUL_RIGHT_POLL_FD_READWRITE, &fd);
    if (result == 0 && (!gmem_span(process, gptr(args[2]), sizeof done) ||
                        !gmem_span(process, gptr(args[3]), (uint32_t)args[4])))
        result = ERRNO_FAULT;
    if (result != 0)
        return result;
    if (tool_call_next(tools, process, &done))
        return tell(tools, process, args, &done);
    done = (struct capful_done){0, CAPFUL_CALL_NONE, 0, 0};
    uint64_t now = (int64_t)args[1] < 0 ? 0 : kernel_time_monotonic(process->kernel);
    set_deadline(process, (int64_t)args[1], now);
    done.fd_ready = fd && (file_ready(fd->file) & (READY_IN | READY_HUP));
    bool hopeless = !fd && (int64_t)args[1] < 0 && !tool_call_pending(process);
    if (done.fd_ready || hopeless || process->request.deadline <= now || (int64_t)args[1] == 0)
        return put_done(process, args[2], &done);
    return wait_for_any(process, fd);
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
