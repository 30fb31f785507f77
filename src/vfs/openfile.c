/* Open files and directories of those file systems that read and write by vnode and offset. */
#include <stddef.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/view.h"

/* Of a directory of which a process sees only what leads to its own. */
struct way {
    struct view *view;
    struct buf name; /* the entry told last */
};

struct open_directory {
    struct file file;
    void *state;     /* of the file system's readdir */
    struct way *way; /* NULL: all of it is seen */
};

static int regular_pread(struct file *file, void *buffer, size_t size, uint64_t offset,
                         size_t *ret_len)
{
    return file->vnode->fs->ops->read(file->vnode, buffer, size, offset, ret_len);
}

static int regular_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    size_t len = 0;
    int e = regular_pread(file, buffer, size, file->offset, &len);
    if (e != 0)
        return e;
    file->offset += len;
    *ret_len = len;
    return 0;
}

static int end_of(struct file *file, uint64_t *ret)
{
    struct file_stat stat;
    int e = vnode_stat(file->vnode, &stat);
    if (e == 0)
        *ret = stat.size;
    return e;
}

static int regular_pwrite(struct file *file, const void *data, size_t len, uint64_t offset,
                          size_t *ret_len)
{
    const struct fs_ops *ops = file->vnode->fs->ops;
    if (!fs_may_write(file->vnode->fs)) /* what was touched since it was opened counts */
        return ERRNO_PERM;
    return ops->write ? ops->write(file->vnode, data, len, offset, ret_len) : ERRNO_ROFS;
}

static int regular_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    uint64_t offset = file->offset;
    size_t done = 0;
    int e = file->flags & FILE_APPEND ? end_of(file, &offset) : 0;
    if (e == 0)
        e = regular_pwrite(file, data, len, offset, &done);
    if (e != 0)
        return e;
    file->offset = offset + done;
    *ret_len = done;
    return 0;
}

int openfile_seek(struct file *file, int64_t offset, int whence, uint64_t end, uint64_t *ret)
{
    uint64_t base = whence == 1 ? file->offset : whence == 2 ? end : 0;
    int64_t at;
    if (base > INT64_MAX || __builtin_add_overflow((int64_t)base, offset, &at))
        return ERRNO_OVERFLOW;
    if (at < 0)
        return ERRNO_INVAL;
    *ret = file->offset = (uint64_t)at;
    return 0;
}

static int regular_seek(struct file *file, int64_t offset, int whence, uint64_t *ret)
{
    uint64_t end = 0;
    int e = whence == 2 ? end_of(file, &end) : 0;
    return e == 0 ? openfile_seek(file, offset, whence, end, ret) : e;
}

static int any_stat(struct file *file, struct file_stat *ret)
{
    return vnode_stat(file->vnode, ret);
}

static int regular_set_size(struct file *file, uint64_t size)
{
    const struct fs_ops *ops = file->vnode->fs->ops;
    if (!fs_may_write(file->vnode->fs))
        return ERRNO_PERM;
    return ops->set_size ? ops->set_size(file->vnode, size) : ERRNO_ROFS;
}

static int regular_allocate(struct file *file, uint64_t offset, uint64_t len)
{
    uint64_t end;
    int e = end_of(file, &end);
    if (e != 0 || offset + len <= end)
        return e;
    return regular_set_size(file, offset + len);
}

static int any_set_times(struct file *file, uint64_t atime, uint64_t mtime, unsigned which)
{
    struct fs *fs = file->vnode->fs;
    if (fs->read_only || !fs->ops->set_times)
        return ERRNO_ROFS;
    if (!fs_may_write(fs))
        return ERRNO_PERM;
    return fs->ops->set_times(file->vnode, atime, mtime, which);
}

static int any_sync(struct file *file)
{
    (void)file;
    return 0; /* nothing is held back */
}

static uint64_t regular_available(struct file *file)
{
    uint64_t end;
    return end_of(file, &end) == 0 && end > file->offset ? end - file->offset : 0;
}

static void regular_release(struct file *file)
{
    vnode_unref(file->vnode);
    mem_free(file);
}

static const struct file_ops regular_ops = {
    .name = "file",
    .type = FILE_REGULAR,
    .seekable = true,
    .read = regular_read,
    .write = regular_write,
    .pread = regular_pread,
    .pwrite = regular_pwrite,
    .seek = regular_seek,
    .stat = any_stat,
    .set_size = regular_set_size,
    .allocate = regular_allocate,
    .set_times = any_set_times,
    .sync = any_sync,
    .available = regular_available,
    .release = regular_release,
};

static int way_readdir(struct way *way, struct vnode *dir, uint64_t cookie, struct file_dirent *ret)
{
    uint64_t ino, next;
    buf_clear(&way->name);
    int e = view_readdir(way->view, dir, cookie - 2, &way->name, &ino, &next);
    if (e == 0)
        *ret = (struct file_dirent){next + 2, ino, FILE_DIRECTORY, buf_str(&way->name)};
    return e;
}

static int next_entry(struct open_directory *open, struct vnode *dir, uint64_t cookie,
                      struct file_dirent *ret)
{
    if (dir->removed)
        return ERRNO_NOENT;
    if (open->way)
        return way_readdir(open->way, dir, cookie, ret);
    return dir->fs->ops->readdir(dir, &open->state, cookie, ret);
}

static int directory_readdir(struct file *file, uint64_t cookie, struct file_dirent *ret)
{
    struct open_directory *open = (struct open_directory *)file;
    struct vnode *dir = file->vnode, *up = NULL;
    if (cookie >= 2) {
        struct file_dirent entry;
        int e = next_entry(open, dir, cookie, &entry);
        if (e == ERRNO_NOENT) {
            memset(&entry, 0, sizeof entry);
            entry.next = cookie;
            entry.name = STR("");
        } else if (e != 0) {
            return e;
        }
        *ret = entry;
        return 0;
    }
    struct file_stat stat;
    int e = cookie == 0 ? 0 : vnode_up(dir, &up);
    if (e == 0)
        e = vnode_stat(up ? up : dir, &stat);
    else if (e == ERRNO_NOENT) /* it was removed, and so was what it lay in */
        e = vnode_stat(dir, &stat);
    vnode_unref(up);
    if (e != 0)
        return e;
    *ret = (struct file_dirent){cookie + 1, stat.ino, FILE_DIRECTORY,
                                cookie == 0 ? STR(".") : STR("..")};
    return 0;
}

static int directory_stat(struct file *file, struct file_stat *ret)
{
    int e = vnode_stat(file->vnode, ret);
    if (e == 0 && ((struct open_directory *)file)->way)
        view_plain_stat(ret);
    return e;
}

int openfile_limit(struct file *dir, struct view *view)
{
    struct way *way = mem_alloc(sizeof *way);
    if (!way)
        return ERRNO_NOMEM;
    *way = (struct way){view_ref(view), BUF_INIT(NAME_LENGTH_MAX + 1)};
    ((struct open_directory *)dir)->way = way;
    return 0;
}

static void directory_release(struct file *file)
{
    struct open_directory *open = (struct open_directory *)file;
    if (open->way) {
        view_unref(open->way->view);
        buf_release(&open->way->name);
        mem_free(open->way);
    }
    if (open->state)
        file->vnode->fs->ops->free_state(open->state);
    vnode_unref(file->vnode);
    mem_free(open);
}

static const struct file_ops directory_ops = {
    .name = "directory",
    .type = FILE_DIRECTORY,
    .readdir = directory_readdir,
    .stat = directory_stat,
    .set_times = any_set_times,
    .sync = any_sync,
    .release = directory_release,
};

int openfile_new(struct vnode *node, unsigned fd_flags, bool read, bool write, struct file **ret)
{
    bool directory = node->type == FILE_DIRECTORY;
    struct file *file = mem_zalloc(directory ? sizeof(struct open_directory) : sizeof *file);
    if (!file)
        return ERRNO_NOMEM;
    file_init(file, directory ? &directory_ops : &regular_ops, fd_flags, read, write);
    file->vnode = vnode_ref(node);
    *ret = file;
    return 0;
}
