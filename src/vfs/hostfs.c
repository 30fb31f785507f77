/* Mounts of host directories, ro and rw: vnodes named by their place beneath a hostdir. */
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "vfs/hostdir.h"
#include "vfs/node.h"

struct hostfs {
    struct fs fs;
    struct hostdir *dir;
};

struct host_file {
    struct file file;
    int fd;
};

static struct hostdir *dir_of(const struct vnode *node)
{
    return ((struct hostfs *)node->fs)->dir;
}

/* The path of `node`, or of `name` in it if that is not empty. To be released. */
static int path_to(const struct vnode *node, struct str name, struct buf *ret)
{
    struct buf path = BUF_INIT(HOST_PATH_MAX);
    bool lost = false;
    for (const struct vnode *at = node; at; at = at->parent)
        lost |= at->removed;
    if (lost)
        return ERRNO_NOENT;
    bool fits = vnode_place_path(node, &path);
    if (fits && name.len > 0)
        fits = (path.len == 0 || buf_add_char(&path, '/')) && buf_add_str(&path, name);
    if (!fits || !buf_reserve(&path, 1)) {
        buf_release(&path);
        return path.failed ? ERRNO_NAMETOOLONG : ERRNO_NOMEM;
    }
    path.data[path.len] = 0;
    *ret = path;
    return 0;
}

static int new_vnode(struct fs *fs, struct vnode *parent, struct str name, enum file_type type,
                     struct vnode **ret)
{
    struct vnode *node = mem_zalloc(sizeof *node);
    if (!node)
        return ERRNO_NOMEM;
    vnode_init(node, fs, type);
    int e = parent ? vnode_put(node, parent, name) : 0;
    if (e == 0)
        *ret = node;
    else
        vnode_unref(node);
    return e;
}

static int host_lookup(struct vnode *dir, struct str name, struct vnode **ret)
{
    struct buf path;
    struct file_stat stat = {.dev = 0};
    struct vnode *there = vnode_by_place(dir, name);
    if (there && there->mounted) {
        *ret = there;
        return 0;
    }
    int e = path_to(dir, name, &path);
    if (e == 0) {
        e = hostdir_stat(dir_of(dir), path.data, &stat);
        buf_release(&path);
    }
    if (there && (e != 0 || there->type != stat.type)) { /* the host has put something else there */
        if (e == 0 || e == ERRNO_NOENT)
            vnode_removed(dir, name);
        vnode_unref(there);
        there = NULL;
    }
    if (e != 0)
        return e;
    if (there) {
        *ret = there;
        return 0;
    }
    return new_vnode(dir->fs, dir, name, stat.type, ret);
}

static int host_parent(struct vnode *dir, struct vnode **ret)
{
    *ret = vnode_ref(dir->parent ? dir->parent : dir);
    return 0;
}

static int host_name_of(struct vnode *dir, struct buf *out)
{
    if (dir->removed || !dir->parent)
        return ERRNO_NOENT;
    return buf_add(out, dir->name, dir->name_len) ? 0 : ERRNO_NOMEM;
}

static int host_stat(struct vnode *node, struct file_stat *ret)
{
    struct buf path;
    int e = path_to(node, STR(""), &path);
    if (e == 0) {
        e = hostdir_stat(dir_of(node), path.data, ret);
        buf_release(&path);
    }
    return e;
}

static int host_set_times(struct vnode *node, uint64_t atime, uint64_t mtime, unsigned which)
{
    struct buf path;
    int e = path_to(node, STR(""), &path);
    if (e == 0) {
        e = hostdir_set_times(dir_of(node), path.data, atime, mtime, which);
        buf_release(&path);
    }
    return e;
}

static int host_set_mode(struct vnode *node, uint32_t mode)
{
    struct buf path;
    int e = path_to(node, STR(""), &path);
    if (e == 0) {
        e = hostdir_set_mode(dir_of(node), path.data, mode);
        buf_release(&path);
    }
    return e;
}

static int host_readlink(struct vnode *node, struct buf *out)
{
    struct buf path;
    int e = path_to(node, STR(""), &path);
    if (e == 0) {
        e = hostdir_readlink(dir_of(node), path.data, out);
        buf_release(&path);
    }
    return e;
}

static int host_create(struct vnode *dir, struct str name, struct vnode **ret)
{
    struct buf path;
    int fd;
    int e = path_to(dir, name, &path);
    if (e != 0)
        return e;
    e = hostdir_open(dir_of(dir), path.data, false, true, true, &fd);
    if (e == 0) {
        close(fd);
        vnode_removed(dir, name); /* one that the host took away meanwhile */
        e = new_vnode(dir->fs, dir, name, FILE_REGULAR, ret);
        if (e != 0)
            (void)hostdir_remove(dir_of(dir), path.data, false);
    }
    buf_release(&path);
    return e;
}

static int host_mkdir(struct vnode *dir, struct str name)
{
    struct buf path;
    int e = path_to(dir, name, &path);
    if (e == 0) {
        e = hostdir_mkdir(dir_of(dir), path.data);
        buf_release(&path);
    }
    return e;
}

static int host_symlink(struct vnode *dir, struct str name, struct str target)
{
    struct buf path;
    int e = path_to(dir, name, &path);
    if (e == 0) {
        e = hostdir_symlink(dir_of(dir), path.data, target);
        buf_release(&path);
    }
    return e;
}

/* Of both places. */
static int two_paths(struct vnode *from, struct str from_name, struct vnode *to, struct str to_name,
                     struct buf *ret_from, struct buf *ret_to)
{
    int e = path_to(from, from_name, ret_from);
    if (e != 0)
        return e;
    e = path_to(to, to_name, ret_to);
    if (e != 0)
        buf_release(ret_from);
    return e;
}

static int host_link(struct vnode *node, struct vnode *dir, struct str name)
{
    struct buf from, to;
    int e = two_paths(node, STR(""), dir, name, &from, &to);
    if (e != 0)
        return e;
    e = hostdir_link(dir_of(dir), from.data, to.data);
    buf_release(&from);
    buf_release(&to);
    return e;
}

static int host_remove(struct vnode *dir, struct str name, struct vnode *node)
{
    struct buf path;
    int e = path_to(dir, name, &path);
    if (e != 0)
        return e;
    e = hostdir_remove(dir_of(dir), path.data, node->type == FILE_DIRECTORY);
    if (e == 0)
        vnode_removed(dir, name);
    buf_release(&path);
    return e;
}

static int host_rename(struct vnode *from, struct str from_name, struct vnode *node,
                       struct vnode *to, struct str to_name, struct vnode *replaced)
{
    struct buf from_path, to_path;
    char *name;
    (void)node;
    (void)replaced;
    int e = vnode_prepare_move(to_name, &name);
    if (e != 0)
        return e;
    e = two_paths(from, from_name, to, to_name, &from_path, &to_path);
    if (e == 0) {
        e = hostdir_rename(dir_of(from), from_path.data, to_path.data);
        buf_release(&from_path);
        buf_release(&to_path);
    }
    if (e == 0)
        vnode_move(from, from_name, to, name);
    else
        mem_free(name);
    return e;
}

static int host_readdir(struct vnode *dir, void **state, uint64_t cookie, struct file_dirent *ret)
{
    if (!*state) {
        struct buf path;
        struct hostlist *list;
        int e = path_to(dir, STR(""), &path);
        if (e != 0)
            return e;
        e = hostlist_open(dir_of(dir), path.data, &list);
        buf_release(&path);
        if (e != 0)
            return e;
        *state = list;
    }
    return hostlist_next(*state, cookie, ret);
}

static void host_free(struct fs *fs)
{
    hostdir_free(((struct hostfs *)fs)->dir);
}

/* ---- open files */

static int fd_of(const struct file *file)
{
    return ((const struct host_file *)file)->fd;
}

static int file_pread_at(struct file *file, void *buffer, size_t size, uint64_t offset,
                         size_t *ret_len)
{
    return hostdir_read(dir_of(file->vnode), fd_of(file), buffer, size, offset, ret_len);
}

static int file_read_on(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    size_t len = 0;
    int e = file_pread_at(file, buffer, size, file->offset, &len);
    if (e != 0)
        return e;
    file->offset += len;
    *ret_len = len;
    return 0;
}

static int file_pwrite_at(struct file *file, const void *data, size_t len, uint64_t offset,
                          size_t *ret_len)
{
    if (!fs_may_write(file->vnode->fs))
        return ERRNO_PERM;
    return hostdir_write(dir_of(file->vnode), fd_of(file), data, len, offset, false, ret_len);
}

static int end_of(struct file *file, uint64_t *ret)
{
    struct stat stat;
    if (fstat(fd_of(file), &stat) != 0)
        return errno_from_host(errno);
    *ret = (uint64_t)stat.st_size;
    return 0;
}

static int file_write_on(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    bool append = file->flags & FILE_APPEND;
    size_t done = 0;
    if (!fs_may_write(file->vnode->fs)) /* what was touched since it was opened counts */
        return ERRNO_PERM;
    int e = hostdir_write(dir_of(file->vnode), fd_of(file), data, len, file->offset, append, &done);
    if (e != 0)
        return e;
    file->offset += done;
    if (append)
        (void)end_of(file, &file->offset);
    *ret_len = done;
    return 0;
}

static int file_seek_to(struct file *file, int64_t offset, int whence, uint64_t *ret)
{
    uint64_t end = 0;
    int e = whence == 2 ? end_of(file, &end) : 0;
    return e == 0 ? openfile_seek(file, offset, whence, end, ret) : e;
}

static int file_stat_of(struct file *file, struct file_stat *ret)
{
    struct file_stat stat = {.dev = file->vnode->fs->dev};
    int e = hostdir_stat_fd(dir_of(file->vnode), fd_of(file), &stat);
    if (e == 0)
        *ret = stat;
    return e;
}

static int file_set_size_to(struct file *file, uint64_t size)
{
    if (!fs_may_write(file->vnode->fs))
        return ERRNO_PERM;
    return ftruncate(fd_of(file), (off_t)size) == 0 ? 0 : errno_from_host(errno);
}

static int file_allocate_to(struct file *file, uint64_t offset, uint64_t len)
{
    uint64_t end;
    int e = end_of(file, &end);
    return e != 0 || offset + len <= end ? e : file_set_size_to(file, offset + len);
}

static int file_set_times_to(struct file *file, uint64_t atime, uint64_t mtime, unsigned which)
{
    if (file->vnode->fs->read_only)
        return ERRNO_ROFS;
    if (!fs_may_write(file->vnode->fs))
        return ERRNO_PERM;
    return hostdir_set_times_fd(fd_of(file), atime, mtime, which);
}

static int file_sync_to(struct file *file)
{
    return fdatasync(fd_of(file)) == 0 ? 0 : errno_from_host(errno);
}

static uint64_t file_available(struct file *file)
{
    uint64_t end;
    return end_of(file, &end) == 0 && end > file->offset ? end - file->offset : 0;
}

static void file_close(struct file *file)
{
    close(fd_of(file));
    vnode_unref(file->vnode);
    mem_free(file);
}

static const struct file_ops host_file_ops = {
    .name = "file",
    .type = FILE_REGULAR,
    .seekable = true,
    .read = file_read_on,
    .write = file_write_on,
    .pread = file_pread_at,
    .pwrite = file_pwrite_at,
    .seek = file_seek_to,
    .stat = file_stat_of,
    .set_size = file_set_size_to,
    .allocate = file_allocate_to,
    .set_times = file_set_times_to,
    .sync = file_sync_to,
    .available = file_available,
    .release = file_close,
};

static int host_open(struct vnode *node, unsigned flags, bool read, bool write, struct file **ret)
{
    struct buf path;
    int fd = -1;
    if (node->type != FILE_REGULAR)
        return ERRNO_ACCES;
    struct host_file *file = mem_zalloc(sizeof *file);
    if (!file)
        return ERRNO_NOMEM;
    int e = path_to(node, STR(""), &path);
    if (e == 0) {
        e = hostdir_open(dir_of(node), path.data, read, write || (flags & VFS_TRUNCATE), false,
                         &fd);
        buf_release(&path);
    }
    if (e == 0 && (flags & VFS_TRUNCATE) && ftruncate(fd, 0) != 0) {
        e = errno_from_host(errno);
        close(fd);
    }
    if (e != 0) {
        mem_free(file);
        return e;
    }
    file_init(&file->file, &host_file_ops, 0, read, write);
    file->file.vnode = vnode_ref(node);
    file->fd = fd;
    *ret = &file->file;
    return 0;
}

static const struct fs_ops host_ops = {
    .name = "host",
    .lookup = host_lookup,
    .parent = host_parent,
    .name_of = host_name_of,
    .stat = host_stat,
    .set_times = host_set_times,
    .set_mode = host_set_mode,
    .readlink = host_readlink,
    .create = host_create,
    .mkdir = host_mkdir,
    .symlink = host_symlink,
    .link = host_link,
    .unlink = host_remove,
    .rmdir = host_remove,
    .rename = host_rename,
    .open = host_open,
    .readdir = host_readdir,
    .free_state = hostlist_free,
    .free = host_free,
};

int hostfs_new(struct vfs *vfs, struct hostdir *dir, bool read_only, struct fs **ret)
{
    struct hostfs *fs = mem_zalloc(sizeof *fs);
    if (!fs)
        return ERRNO_NOMEM;
    fs_init(&fs->fs, &host_ops, vfs, read_only);
    fs->dir = dir;
    *ret = &fs->fs;
    return 0;
}

int hostfs_root(struct fs *fs, struct vnode **ret)
{
    return new_vnode(fs, NULL, STR(""), FILE_DIRECTORY, ret);
}
