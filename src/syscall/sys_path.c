/* System calls on paths. The tree resolves; here arguments are decoded and rights are checked. */
#include <string.h>

#include "base/mem.h"
#include "syscall/calls.h"

enum { OPEN_CREATE = 1, OPEN_DIRECTORY = 2, OPEN_EXCLUSIVE = 4, OPEN_TRUNCATE = 8 };

static struct vfs *vfs_of(const struct process *process)
{
    return syscall_context(process)->vfs;
}

/* The common beginning: where the path starts, and the path. */
static int get_place(struct process *process, const uint64_t *args, uint64_t rights,
                     struct vfs_at *ret_at, struct str *ret_path)
{
    int result = sys_get_at(process, args[0], rights, ret_at, NULL);
    return result != 0 ? result : sys_get_path(process, args[1], args[2], ret_path);
}

int sys_path_create_directory(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    int result = get_place(process, args, 0, &at, &path);
    return result != 0 ? result : sys_vfs_result(vfs_mkdir(vfs_of(process), at, path));
}

int sys_path_remove_directory(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    int result = get_place(process, args, 0, &at, &path);
    return result != 0 ? result : sys_vfs_result(vfs_rmdir(vfs_of(process), at, path));
}

int sys_path_unlink_file(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    int result = get_place(process, args, 0, &at, &path);
    return result != 0 ? result : sys_vfs_result(vfs_unlink(vfs_of(process), at, path));
}

int sys_path_chmod(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    int result = get_place(process, args, 0, &at, &path);
    return result != 0
               ? result
               : sys_vfs_result(vfs_chmod(vfs_of(process), at, path, (uint32_t)args[3] & 0777));
}

int sys_path_link(struct process *process, const uint64_t *args)
{
    struct vfs_at from, to;
    struct str from_path, to_path;
    int result = sys_get_at(process, args[0], 0, &from, NULL);
    if (result == 0)
        result = sys_get_path(process, args[2], args[3], &from_path);
    if (result == 0)
        result = get_place(process, args + 4, CAPFUL_RIGHT_PATH_LINK_TARGET, &to, &to_path);
    if (result == 0 && (uint32_t)args[1] & ~1u)
        result = ERRNO_INVAL;
    if (result != 0)
        return result;
    return sys_vfs_result(
        vfs_link(vfs_of(process), from, from_path, args[1] & 1 ? VFS_FOLLOW : 0, to, to_path));
}

int sys_path_rename(struct process *process, const uint64_t *args)
{
    struct vfs_at from, to;
    struct str from_path, to_path;
    int result = get_place(process, args, 0, &from, &from_path);
    if (result == 0)
        result = get_place(process, args + 3, CAPFUL_RIGHT_PATH_RENAME_TARGET, &to, &to_path);
    return result != 0 ? result
                       : sys_vfs_result(vfs_rename(vfs_of(process), from, from_path, to, to_path));
}

int sys_path_symlink(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str target, path;
    int result = sys_get_path(process, args[0], args[1], &target);
    if (result == 0)
        result = get_place(process, args + 2, CAPFUL_RIGHT_PATH_SYMLINK, &at, &path);
    return result != 0 ? result : sys_vfs_result(vfs_symlink(vfs_of(process), target, at, path));
}

/* A buffer too small gets the beginning, as readlink has it. */
int sys_path_readlink(struct process *process, const uint64_t *args)
{
    struct vfs_at at;
    struct str path;
    int result = get_place(process, args, 0, &at, &path);
    if (result != 0)
        return result;
    uint32_t size = (uint32_t)args[4];
    uint8_t *out = gmem_span(process, gptr(args[3]), size);
    if (!out || !gmem_span(process, gptr(args[5]), sizeof size))
        return ERRNO_FAULT;
    struct buf target = BUF_INIT(1u << 20);
    result = sys_vfs_result(vfs_readlink(vfs_of(process), at, path, &target));
    if (result == 0 && buf_failed(&target))
        result = ERRNO_NOMEM;
    if (result == 0) {
        uint32_t n = target.len < size ? (uint32_t)target.len : size;
        if (n > 0)
            memcpy(out, target.data, n);
        gmem_put32(process, gptr(args[5]), n);
    }
    buf_release(&target);
    return result;
}

/* ---- path_open */

struct open_request {
    struct vfs_at at;
    struct str path;
    unsigned vfs_flags;
    uint32_t fd_flags;
    uint64_t rights, inheriting;
};

/* Rights beyond those of the directory are refused; bits that name nothing here (sockets, numbers
 * without meaning) are left out: without a socket they allow nothing. */
static int decode_rights(const uint64_t *args, const struct fd *dir, struct open_request *open)
{
    // NOLINTNEXTLINE(misc-redundant-expression): the two sets have rights in common
    const uint64_t known = RIGHTS_DIRECTORY | RIGHTS_SEEKABLE;
    open->rights = args[5] & known;
    open->inheriting = args[6] & known;
    if (dir && (open->rights | open->inheriting) & ~dir->inheriting)
        return ERRNO_NOTCAPABLE;
    return 0;
}

static int decode_open(struct process *process, const uint64_t *args, struct open_request *open)
{
    struct fd *dir;
    uint32_t flags = (uint32_t)args[4];
    uint64_t extra = (flags & OPEN_CREATE ? CAPFUL_RIGHT_PATH_CREATE_FILE : 0) |
                     (flags & OPEN_TRUNCATE ? CAPFUL_RIGHT_PATH_FILESTAT_SET_SIZE : 0);
    int result = sys_get_at(process, args[0], extra, &open->at, &dir);
    if (result == 0)
        result = sys_get_path(process, args[2], args[3], &open->path);
    if (result == 0)
        result = decode_rights(args, dir, open);
    if (result != 0)
        return result;
    open->fd_flags = (uint32_t)args[7];
    if ((uint32_t)args[1] & ~1u || flags & ~15u || open->fd_flags & ~31u)
        return ERRNO_INVAL;
    if ((flags & OPEN_CREATE) && (flags & OPEN_DIRECTORY))
        return ERRNO_INVAL;
    open->vfs_flags = (args[1] & 1 ? VFS_FOLLOW : 0u) | (flags & OPEN_CREATE ? VFS_CREATE : 0u) |
                      (flags & OPEN_EXCLUSIVE ? VFS_EXCLUSIVE : 0u) |
                      (flags & OPEN_TRUNCATE ? VFS_TRUNCATE : 0u) |
                      (flags & OPEN_DIRECTORY ? VFS_DIRECTORY : 0u);
    return gmem_span(process, gptr(args[8]), sizeof(uint32_t)) ? 0 : ERRNO_FAULT;
}

int sys_path_open(struct process *process, const uint64_t *args)
{
    struct open_request open;
    struct file *file;
    uint32_t number;
    int result = decode_open(process, args, &open);
    if (result == 0)
        result = fdtab_reserve(&process->fds, 0); /* before the tree changes */
    if (result != 0)
        return result;
    bool reads = open.rights & (CAPFUL_RIGHT_FD_READ | CAPFUL_RIGHT_FD_READDIR);
    bool writes = open.rights & RIGHTS_WRITING;
    result = vfs_open(vfs_of(process), open.at, open.path, open.vfs_flags, open.fd_flags, reads,
                      writes, &file);
    if (result != 0)
        return sys_vfs_result(result);
    uint64_t inheriting = file->ops->type == FILE_DIRECTORY ? open.inheriting : 0;
    if (file->read_only)
        inheriting &= ~RIGHTS_CHANGING;
    result = fdtab_insert(&process->fds, file, open.rights & rights_of_file(file), inheriting, 0,
                          &number);
    if (result != 0) {
        file_unref(file);
        return result;
    }
    gmem_put32(process, gptr(args[8]), number);
    return 0;
}

int sys_open_cwd(struct process *process, struct str path, struct file **ret, char **ret_path)
{
    struct file *file;
    struct vfs *vfs = vfs_of(process);
    if (!process->cwd)
        return ERRNO_NOENT;
    int result = vfs_open(vfs, (struct vfs_at){process->cwd, false, process->view}, path,
                          VFS_FOLLOW | VFS_DIRECTORY, 0, true, false, &file);
    if (result != 0)
        return sys_vfs_result(result);
    struct buf text = BUF_INIT(1u << 20);
    result = sys_vfs_result(vfs_path_of(vfs, file, &text));
    char *name = result == 0 ? buf_steal(&text) : NULL;
    if (!name) {
        buf_release(&text);
        file_unref(file);
        return result != 0 ? result : ERRNO_NOMEM;
    }
    *ret = file;
    *ret_path = name;
    return 0;
}
