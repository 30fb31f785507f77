/* System calls on processes. What makes or ends one is done on the host's stack: such a call defers
 * itself when it is made on a guest's. */
#include <string.h>

#include "base/mem.h"
#include "syscall/calls.h"

#define STRINGS_MAX (1u << 20) /* bytes of argv and of envp */
#define FD_MAPS_MAX 1024u
#define NAME_MAX_   256u

/* ---- spawn */

/* What capful_spawn says, decoded; text lies in guest memory. */
struct spawn {
    struct image *image;
    struct str argv, envp;
    uint32_t argc, envc;
    const uint8_t *maps; /* struct capful_fd_map[map_count] */
    uint32_t map_count;
    struct file *cwd; /* NULL: the parent's */
    char *cwd_path;
    bool own_group;
};

static int get_strings(struct process *process, uint32_t start, uint32_t len, struct str *ret,
                       uint32_t *ret_count)
{
    struct str text;
    int result = gmem_text(process, gptr(start), len, STRINGS_MAX, ERRNO_2BIG, &text);
    if (result != 0)
        return result;
    if (len > 0 && text.ptr[len - 1] != 0)
        return ERRNO_INVAL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < len; i++)
        count += text.ptr[i] == 0;
    *ret = text;
    *ret_count = count;
    return 0;
}

static struct capful_fd_map map_at(const struct spawn *spawn, uint32_t i)
{
    struct capful_fd_map map;
    memcpy(&map, spawn->maps + i * sizeof map, sizeof map);
    return map;
}

static int check_maps(struct process *process, const struct spawn *spawn)
{
    for (uint32_t i = 0; i < spawn->map_count; i++) {
        struct capful_fd_map map = map_at(spawn, i);
        if (map.child >= process->fds.limit || !fdtab_get(&process->fds, map.parent))
            return ERRNO_BADF;
    }
    return 0;
}

static int decode_spawn(struct process *process, uint64_t start, struct spawn *spawn)
{
    struct capful_spawn in;
    struct str name, cwd;
    struct syscall_context *context = syscall_context(process);
    if (!gmem_read(process, gptr(start), &in, sizeof in))
        return ERRNO_FAULT;
    if (in.flags & ~1u || in.fd_count > FD_MAPS_MAX)
        return ERRNO_INVAL;
    spawn->own_group = in.flags & 1;
    spawn->map_count = in.fd_count;
    spawn->maps = gmem_span(process, gptr(in.fds), in.fd_count * sizeof(struct capful_fd_map));
    if (!spawn->maps)
        return ERRNO_FAULT;
    int result =
        gmem_text(process, gptr(in.program), in.program_len, NAME_MAX_, ERRNO_NOENT, &name);
    if (result == 0)
        result = get_strings(process, in.argv, in.argv_len, &spawn->argv, &spawn->argc);
    if (result == 0)
        result = get_strings(process, in.envp, in.envp_len, &spawn->envp, &spawn->envc);
    if (result == 0)
        result = check_maps(process, spawn);
    if (result != 0)
        return result;
    spawn->image = context->find_image ? context->find_image(context->owner, name) : NULL;
    if (!spawn->image)
        return ERRNO_NOENT;
    if (in.cwd_len == 0)
        return 0;
    result = sys_get_path(process, in.cwd, in.cwd_len, &cwd);
    return result != 0 ? result : sys_open_cwd(process, cwd, &spawn->cwd, &spawn->cwd_path);
}

static int hand_on_fds(struct process *parent, struct process *child, const struct spawn *spawn)
{
    for (uint32_t i = 0; i < spawn->map_count; i++) {
        struct capful_fd_map map = map_at(spawn, i);
        struct fd *fd = fdtab_get(&parent->fds, map.parent);
        char *preopen = NULL;
        if (fd->preopen && !(preopen = mem_strdup(fd->preopen)))
            return ERRNO_NOMEM;
        int result =
            fdtab_place(&child->fds, map.child, file_ref(fd->file), fd->rights, fd->inheriting);
        if (result != 0) {
            file_unref(fd->file);
            mem_free(preopen);
            return result;
        }
        fdtab_get(&child->fds, map.child)->preopen = preopen;
    }
    return 0;
}

static int give_strings(struct process *child, struct str argv, uint32_t argc, struct str envp,
                        uint32_t envc)
{
    if (!process_charge(child, argv.len + envp.len) || !buf_add(&child->argv, argv.ptr, argv.len) ||
        !buf_add(&child->envp, envp.ptr, envp.len))
        return ERRNO_NOMEM;
    child->argc = argc;
    child->envc = envc;
    return 0;
}

static int fill_child(struct process *parent, struct process *child, struct spawn *spawn)
{
    if (spawn->cwd) {
        file_unref(child->cwd);
        mem_free(child->cwd_path);
        child->cwd = TAKE(spawn->cwd);
        child->cwd_path = TAKE(spawn->cwd_path);
    }
    if (spawn->own_group)
        child->group = child->pid;
    int result = give_strings(child, spawn->argv, spawn->argc, spawn->envp, spawn->envc);
    if (result == 0)
        result = hand_on_fds(parent, child, spawn);
    return result != 0 ? result : process_start(child);
}

int sys_proc_spawn(struct process *process, const uint64_t *args)
{
    struct spawn spawn = {0};
    struct process *child;
    if (!process->own_abi)
        return ERRNO_PERM; /* the child would hold the whole tree, of which this one holds a part */
    if (process->kernel->on_fiber)
        return process_defer(process);
    if (!gmem_span(process, gptr(args[1]), sizeof(uint32_t)))
        return ERRNO_FAULT;
    int result = decode_spawn(process, args[0], &spawn);
    if (result != 0)
        return result;
    result = process_new(process->kernel, process, spawn.image, &child);
    if (result == 0) {
        result = fill_child(process, child, &spawn);
        if (result == 0)
            gmem_put32(process, gptr(args[1]), (uint32_t)child->pid);
        else
            process_discard(child);
    }
    file_unref(spawn.cwd);
    mem_free(spawn.cwd_path);
    return result;
}

/* ---- clone */

static int fill_clone(struct process *parent, struct process *child, uint32_t fn, uint32_t arg)
{
    int result = give_strings(child, buf_str(&parent->argv), parent->argc, buf_str(&parent->envp),
                              parent->envc);
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
