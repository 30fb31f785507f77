/* The table of system calls and the way in: rights of the first descriptor, the call, what remains
 * to be tidied. */
#include "syscall/table.h"

#include <string.h>

#include "syscall/calls.h"

/* The names in the list of calls are those of the rights, without their prefix. */
enum {
#define RIGHT(name, bit) name = 1 << (bit),
#include "abi/rights.def"
#undef RIGHT
};
#define NOW   SYSCALL_NOW
#define PARKS SYSCALL_PARKS

const struct syscall syscalls[] = {
#define SYSCALL_WASI(name, params, kind, rights)                                                   \
    {#name, params, kind, true, SYS_##name, rights, sys_##name},
#define SYSCALL_OWN(name, params, kind, rights)                                                    \
    {#name, params, kind, false, SYS_##name, rights, sys_##name},
#include "abi/syscalls.def"
};
const size_t syscall_count = sizeof syscalls / sizeof syscalls[0];

/* Calls on paths take CAPFUL_AT_CWD from our own guests; it carries every right. */
static bool starts_at_cwd(const struct syscall *call, const struct process *process,
                          uint64_t number)
{
    return process->own_abi && (uint32_t)number == CAPFUL_AT_CWD &&
           strncmp(call->name, "path_", 5) == 0;
}

static int check_rights(const struct syscall *call, struct process *process, uint64_t number)
{
    struct fd *fd;
    return starts_at_cwd(call, process, number) ? 0
                                                : sys_get_fd(process, number, call->rights, &fd);
}

static int park(const struct syscall *call, struct process *process, const uint64_t *args)
{
    struct request *request = &process->request;
    if (call->kind == SYSCALL_NOW) {
        kernel_stop_fault(process->kernel, "system call %s has to wait but may not", call->name);
        return SYS_EXIT;
    }
    request->state = REQUEST_PENDING;
    request->call = call->fn;
    memcpy(request->args, args, strlen(call->params) * sizeof args[0]);
    return SYS_PARK;
}

int syscall_invoke(const struct syscall *call, struct process *process, const uint64_t *args)
{
    int result = call->rights ? check_rights(call, process, args[0]) : 0;
    if (result == 0)
        result = call->fn(process, args);
    if (process->kernel->stop != STOP_NONE)
        return SYS_EXIT;
    if (result == SYS_PARK)
        return park(call, process, args);
    if (process->waiting || process->timer)
        wait_leave(process);
    kernel_forget_request(process);
    return result;
}

int syscall_exit(struct process *process, uint32_t code)
{
    process->exit_code = code & 0xff;
    return SYS_EXIT;
}

uint64_t rights_of_file(const struct file *file)
{
    uint64_t rights = file->ops->seekable ? RIGHTS_SEEKABLE : RIGHTS_STREAM;
    if (file->ops->type == FILE_DIRECTORY)
        rights = RIGHTS_DIRECTORY;
    if (file->read_only)
        rights &= ~RIGHTS_CHANGING;
    if (file->ops->type == FILE_DIRECTORY)
        return rights;
    if (!file->readable)
        rights &= ~CAPFUL_RIGHT_FD_READ;
    if (!file->writable)
        rights &= ~RIGHTS_WRITING;
    return rights;
}

int sys_get_fd(struct process *process, uint64_t number, uint64_t rights, struct fd **ret)
{
    struct fd *fd = fdtab_get(&process->fds, (uint32_t)number);
    if (!fd)
        return ERRNO_BADF;
    uint64_t missing = rights & ~fd->rights;
    if (missing & (CAPFUL_RIGHT_FD_SEEK | CAPFUL_RIGHT_FD_TELL) && !fd->file->ops->seekable &&
        fd->file->ops->type != FILE_DIRECTORY)
        return ERRNO_SPIPE;
    if (missing)
        return ERRNO_NOTCAPABLE;
    *ret = fd;
    return 0;
}

int sys_get_at(struct process *process, uint64_t number, uint64_t rights, struct vfs_at *ret,
               struct fd **ret_fd)
{
    struct fd *fd = NULL;
    if (process->own_abi && (uint32_t)number == CAPFUL_AT_CWD) {
        if (!process->cwd)
            return ERRNO_NOENT;
        *ret = (struct vfs_at){process->cwd, false, process->view};
    } else {
        int result = sys_get_fd(process, number, 0, &fd);
        if (result != 0)
            return result;
        if (fd->file->ops->type != FILE_DIRECTORY)
            return ERRNO_NOTDIR;
        if (rights & ~fd->rights)
            return ERRNO_NOTCAPABLE;
        *ret = (struct vfs_at){fd->file, !process->own_abi, process->view};
    }
    if (ret_fd)
        *ret_fd = fd;
    return 0;
}

int sys_get_path(struct process *process, uint64_t start, uint64_t len, struct str *ret)
{
    struct str path;
    int result = gmem_text(process, gptr(start), (uint32_t)len, process->kernel->limits.path,
                           ERRNO_NAMETOOLONG, &path);
    if (result != 0)
        return result;
    if (path.len == 0)
        return ERRNO_NOENT;
    if (memchr(path.ptr, 0, path.len))
        return ERRNO_INVAL;
    *ret = path;
    return 0;
}

int sys_wait_for(struct process *process, struct file *file, unsigned events)
{
    struct wait_queue *queue = file->ops->queue ? file->ops->queue(file, events) : NULL;
    if (file->flags & FILE_NONBLOCK || !queue)
        return ERRNO_AGAIN;
    int result = wait_add(process, queue);
    return result == 0 ? SYS_PARK : result;
}
