/* System calls on processes, but for making one from a program (sys_spawn.c). What makes or ends
 * one is done on the host's stack: such a call defers itself when it is made on a guest's. */
#include <string.h>

#include "base/mem.h"
#include "syscall/calls.h"

int sys_give_strings(struct process *child, struct str argv, uint32_t argc, struct str envp,
                     uint32_t envc)
{
    if (!process_charge(child, argv.len + envp.len) || !buf_add(&child->argv, argv.ptr, argv.len) ||
        !buf_add(&child->envp, envp.ptr, envp.len))
        return ERRNO_NOMEM;
    child->argc = argc;
    child->envc = envc;
    return 0;
}

/* ---- clone */

static int fill_clone(struct process *parent, struct process *child, uint32_t fn, uint32_t arg)
{
    int result = sys_give_strings(child, buf_str(&parent->argv), parent->argc,
                                  buf_str(&parent->envp), parent->envc);
    if (result == 0)
        result = fdtab_copy(&child->fds, &parent->fds, false);
    if (result != 0)
        return result;
    child->own_abi = true;
    return process_start_clone(child, fn, arg);
}

int sys_proc_clone(struct process *process, const uint64_t *args)
{
    struct process *child;
    if (!process->own_abi)
        return ERRNO_PERM;
    if (process->kernel->on_fiber)
        return process_defer(process);
    if (!gmem_span(process, gptr(args[2]), sizeof(uint32_t)))
        return ERRNO_FAULT;
    int result = process_new(process->kernel, process, process->image, &child);
    if (result != 0)
        return result;
    result = fill_clone(process, child, (uint32_t)args[0], (uint32_t)args[1]);
    if (result == 0)
        gmem_put32(process, gptr(args[2]), (uint32_t)child->pid);
    else
        process_discard(child);
    return result;
}

/* ---- families */

int sys_proc_wait(struct process *process, const uint64_t *args)
{
    struct capful_wait answer = {0, 0};
    int32_t pid = 0;
    uint32_t status = 0;
    if ((uint32_t)args[1] > 1)
        return ERRNO_INVAL;
    if (!gmem_span(process, gptr(args[2]), sizeof answer))
        return ERRNO_FAULT;
    int result = process_reap(process, (int32_t)(uint32_t)args[0], &pid, &status);
    if (result == ERRNO_AGAIN) {
        if (!(args[1] & 1)) {
            result = wait_add(process, &process->child_exited);
            return result != 0 ? result : SYS_PARK;
        }
        result = 0; /* pid 0: none yet */
    }
    if (result != 0)
        return result;
    answer.pid = (uint32_t)pid;
    answer.status = status;
    gmem_write(process, gptr(args[2]), &answer, sizeof answer);
    return 0;
}

int sys_proc_kill(struct process *process, const uint64_t *args)
{
    if (process->kernel->on_fiber)
        return process_defer(process);
    return process_signal(process, (int32_t)(uint32_t)args[0], (int)(uint32_t)args[1]);
}

/* Without handlers a signal to oneself either does nothing or ends the process. */
int sys_proc_raise(struct process *process, const uint64_t *args)
{
    int result = process_signal(process, process->pid, (int)(uint32_t)args[0]);
    return process->doomed ? SYS_EXIT : result;
}

int sys_proc_ids(struct process *process, const uint64_t *args)
{
    const struct process *init = process->kernel->init;
    int32_t parent = process->parent ? process->parent->pid : process == init ? 0 : init->pid;
    struct capful_ids ids = {(uint32_t)process->pid, (uint32_t)parent, (uint32_t)process->group};
    return gmem_write(process, gptr(args[0]), &ids, sizeof ids) ? 0 : ERRNO_FAULT;
}

int sys_proc_setpgid(struct process *process, const uint64_t *args)
{
    return process_set_group(process, (int32_t)(uint32_t)args[0], (int32_t)(uint32_t)args[1]);
}

/* ---- working directory */

int sys_proc_chdir(struct process *process, const uint64_t *args)
{
    struct str path;
    struct file *dir;
    char *name;
    if (!process->own_abi)
        return ERRNO_PERM;
    int result = sys_get_path(process, args[0], args[1], &path);
    if (result == 0)
        result = sys_open_cwd(process, path, &dir, &name);
    if (result != 0)
        return result;
    file_unref(process->cwd);
    mem_free(process->cwd_path);
    process->cwd = dir;
    process->cwd_path = name;
    return 0;
}

/* The length is told even where the buffer is too small (RANGE); no NUL is written. */
int sys_proc_getcwd(struct process *process, const uint64_t *args)
{
    if (!process->own_abi)
        return ERRNO_PERM;
    if (!process->cwd_path)
        return ERRNO_NOENT;
    size_t len = strlen(process->cwd_path);
    if (!gmem_span(process, gptr(args[0]), (uint32_t)args[1]) ||
        !gmem_put32(process, gptr(args[2]), (uint32_t)len))
        return ERRNO_FAULT;
    if (len > (uint32_t)args[1])
        return ERRNO_RANGE;
    gmem_write(process, gptr(args[0]), process->cwd_path, len);
    return 0;
}
