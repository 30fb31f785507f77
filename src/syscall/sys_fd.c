/* System calls on descriptors, but for reading and writing (sys_io.c). */
#include <string.h>

#include "kernel/pipe.h"
#include "syscall/calls.h"

struct guest_fdstat {
    uint8_t type, unused;
    uint16_t flags;
    uint32_t unused2;
    uint64_t rights, inheriting;
};
_Static_assert(sizeof(struct guest_fdstat) == 24, "WASI fdstat");

struct guest_filestat {
    uint64_t dev, ino;
    uint64_t type; /* one byte and padding */
    uint64_t links, size, atime, mtime, ctime;
};
_Static_assert(sizeof(struct guest_filestat) == 64, "WASI filestat");

struct guest_prestat {
    uint32_t tag, name_len;
};

enum { FLAGS_ALL = FILE_APPEND | FILE_DSYNC | FILE_NONBLOCK | FILE_RSYNC | FILE_SYNC };

int sys_fd_advise(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if (fd->file->ops->type == FILE_DIRECTORY)
        return ERRNO_BADF;
    if (!fd->file->ops->seekable)
        return ERRNO_SPIPE;
    return (uint32_t)args[3] > 5 || args[1] > INT64_MAX || args[2] > INT64_MAX ? ERRNO_INVAL : 0;
}

int sys_fd_allocate(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    return result != 0 ? result : sys_vfs_result(file_allocate(fd->file, args[1], args[2]));
}

int sys_fd_close(struct process *process, const uint64_t *args)
{
    return fdtab_close(&process->fds, (uint32_t)args[0]);
}

static int sync_fd(struct process *process, uint64_t number)
{
    struct fd *fd;
    int result = sys_get_fd(process, number, 0, &fd);
    return result != 0 ? result : sys_vfs_result(file_sync(fd->file));
}

int sys_fd_datasync(struct process *process, const uint64_t *args)
{
    return sync_fd(process, args[0]);
}

int sys_fd_sync(struct process *process, const uint64_t *args)
{
    return sync_fd(process, args[0]);
}

int sys_fd_fdstat_get(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    struct guest_fdstat stat = {.type = (uint8_t)fd->file->ops->type,
                                .flags = (uint16_t)(fd->file->flags & FLAGS_ALL),
                                .rights = fd->rights,
                                .inheriting = fd->inheriting};
    return gmem_write(process, gptr(args[1]), &stat, sizeof stat) ? 0 : ERRNO_FAULT;
}

int sys_fd_fdstat_set_flags(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if ((uint32_t)args[1] & ~(uint32_t)FLAGS_ALL)
        return ERRNO_INVAL;
    fd->file->flags = (fd->file->flags & ~(uint32_t)FLAGS_ALL) | (uint32_t)args[1];
    return 0;
}

int sys_fd_fdstat_set_rights(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if (args[1] & ~fd->rights || args[2] & ~fd->inheriting)
        return ERRNO_NOTCAPABLE;
    fd->rights = args[1];
    fd->inheriting = args[2];
    return 0;
}

static int put_filestat(struct process *process, uint64_t to, const struct file_stat *stat)
{
    struct guest_filestat out = {stat->dev,  stat->ino,   (uint64_t)stat->type, stat->links,
                                 stat->size, stat->atime, stat->mtime,          stat->ctime};
    return gmem_write(process, gptr(to), &out, sizeof out) ? 0 : ERRNO_FAULT;
}

int sys_fd_filestat_get(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    struct file_stat stat;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result == 0)
        result = sys_vfs_result(file_stat(fd->file, &stat));
    return result != 0 ? result : put_filestat(process, args[1], &stat);
}

int sys_path_filestat_get(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    struct file_stat stat;
    int result = sys_get_at(process, args[0], 0, &at, NULL);
    if (result == 0)
        result = sys_get_path(process, args[2], args[3], &path);
    if (result == 0 && (uint32_t)args[1] & ~1u)
        result = ERRNO_INVAL;
    if (result == 0)
        result = sys_vfs_result(
            vfs_stat(syscall_context(process)->vfs, at, path, args[1] & 1 ? VFS_FOLLOW : 0, &stat));
    return result != 0 ? result : put_filestat(process, args[4], &stat);
}

int sys_fd_filestat_set_size(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    return result != 0 ? result : sys_vfs_result(file_set_size(fd->file, args[1]));
}

/* fstflags: 1 atime given, 2 atime now, 4 mtime given, 8 mtime now. */
static int decode_times(struct process *process, uint64_t flags, uint64_t *atime, uint64_t *mtime,
                        unsigned *which)
{
    uint32_t f = (uint32_t)flags;
    uint64_t now = kernel_time_real(process->kernel);
    if (f & ~15u || (f & 3) == 3 || (f & 12) == 12)
        return ERRNO_INVAL;
    *which = (f & 3 ? FILE_SET_ATIME : 0u) | (f & 12 ? FILE_SET_MTIME : 0u);
    if (f & 2)
        *atime = now;
    if (f & 8)
        *mtime = now;
    return 0;
}

int sys_fd_filestat_set_times(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    uint64_t atime = args[1], mtime = args[2];
    unsigned which;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result == 0)
        result = decode_times(process, args[3], &atime, &mtime, &which);
    return result != 0 ? result : sys_vfs_result(file_set_times(fd->file, atime, mtime, which));
}

int sys_path_filestat_set_times(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    uint64_t atime = args[4], mtime = args[5];
    unsigned which;
    int result = sys_get_at(process, args[0], 0, &at, NULL);
    if (result == 0)
        result = sys_get_path(process, args[2], args[3], &path);
    if (result == 0 && (uint32_t)args[1] & ~1u)
        result = ERRNO_INVAL;
    if (result == 0)
        result = decode_times(process, args[6], &atime, &mtime, &which);
    if (result != 0)
        return result;
    return sys_vfs_result(vfs_set_times(syscall_context(process)->vfs, at, path,
                                        args[1] & 1 ? VFS_FOLLOW : 0, atime, mtime, which));
}

int sys_fd_prestat_get(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if (!fd->preopen)
        return ERRNO_BADF;
    struct guest_prestat stat = {0, (uint32_t)strlen(fd->preopen)};
    return gmem_write(process, gptr(args[1]), &stat, sizeof stat) ? 0 : ERRNO_FAULT;
}

int sys_fd_prestat_dir_name(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if (!fd->preopen)
        return ERRNO_BADF;
    size_t len = strlen(fd->preopen);
    if ((uint32_t)args[2] < len)
        return ERRNO_NAMETOOLONG;
    return gmem_write(process, gptr(args[1]), fd->preopen, len) ? 0 : ERRNO_FAULT;
}

int sys_fd_renumber(struct process *process, const uint64_t *args)
{
    return fdtab_renumber(&process->fds, (uint32_t)args[0], (uint32_t)args[1]);
}

int sys_fd_seek(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    uint64_t offset;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result == 0 && !gmem_span(process, gptr(args[3]), sizeof offset))
        result = ERRNO_FAULT;
    if (result == 0 && (uint32_t)args[2] > 2)
        result = ERRNO_INVAL;
    if (result == 0)
        result = sys_vfs_result(file_seek(fd->file, (int64_t)args[1], (int)args[2], &offset));
    if (result == 0)
        gmem_put64(process, gptr(args[3]), offset);
    return result;
}

int sys_fd_tell(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    uint64_t offset;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result == 0)
        result = file_seek(fd->file, 0, 1, &offset);
    if (result == 0 && !gmem_put64(process, gptr(args[1]), offset))
        result = ERRNO_FAULT;
    return result;
}

/* ---- our own */

int sys_fd_dup(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    uint32_t number;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if ((uint32_t)args[1] >= process->fds.limit || (uint32_t)args[2] > 1)
        return ERRNO_INVAL;
    if (!gmem_span(process, gptr(args[3]), sizeof number))
        return ERRNO_FAULT;
    struct file *file = fd->file;
    result =
        fdtab_insert(&process->fds, file, fd->rights, fd->inheriting, (uint32_t)args[1], &number);
    if (result != 0)
        return result;
    file_ref(file);
    fdtab_get(&process->fds, number)->close_on_spawn = args[2] & 1;
    gmem_put32(process, gptr(args[3]), number);
    return 0;
}

int sys_fd_dup2(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    uint32_t number = (uint32_t)args[1];
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if ((uint32_t)args[2] > 1)
        return ERRNO_INVAL;
    if (number == (uint32_t)args[0])
        return 0;
    struct file *file = file_ref(fd->file);
    result = fdtab_place(&process->fds, number, file, fd->rights, fd->inheriting);
    if (result != 0) {
        file_unref(file);
        return result;
    }
    fdtab_get(&process->fds, number)->close_on_spawn = args[2] & 1;
    return 0;
}

int sys_fd_pipe(struct process *process, const uint64_t *args)
{
    struct file *ends[2];
    uint32_t numbers[2];
    if ((uint32_t)args[0] > 1)
        return ERRNO_INVAL;
    if (!gmem_span(process, gptr(args[1]), sizeof numbers))
        return ERRNO_FAULT;
    int result = pipe_new(process->kernel, &ends[0], &ends[1]);
    if (result != 0)
        return result;
    for (int i = 0; i < 2; i++) {
        result = fdtab_insert(&process->fds, ends[i], rights_of_file(ends[i]), 0, 0, &numbers[i]);
        if (result != 0) {
            if (i == 1)
                fdtab_close(&process->fds, numbers[0]);
            else
                file_unref(ends[0]);
            file_unref(ends[1]);
            return result;
        }
        fdtab_get(&process->fds, numbers[i])->close_on_spawn = args[0] & 1;
    }
    gmem_write(process, gptr(args[1]), numbers, sizeof numbers);
    return 0;
}

int sys_fd_cloexec(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    if ((uint32_t)args[1] > 1)
        return ERRNO_INVAL;
    fd->close_on_spawn = args[1] & 1;
    return 0;
}

/* ---- there is no network */

static int no_socket(struct process *process, uint64_t number)
{
    struct fd *fd;
    int result = sys_get_fd(process, number, 0, &fd);
    return result != 0 ? result : ERRNO_NOTSOCK;
}

int sys_sock_accept(struct process *process, const uint64_t *args)
{
    return no_socket(process, args[0]);
}

int sys_sock_recv(struct process *process, const uint64_t *args)
{
    return no_socket(process, args[0]);
}

int sys_sock_send(struct process *process, const uint64_t *args)
{
    return no_socket(process, args[0]);
}

int sys_sock_shutdown(struct process *process, const uint64_t *args)
{
    return no_socket(process, args[0]);
}
