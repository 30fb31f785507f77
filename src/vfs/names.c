/* The operations of vfs.h by path: what POSIX says whatever the file system is. Here kinds,
 * trailing slashes, "." and
 * "..", mount points and read-only mounts are checked; the file systems only do. */
#include <stddef.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/view.h"

/* Linux looks whether it may write before it looks whether the name is there, except where it
 * creates. */
static int writable(const struct place *place)
{
    if (place->dir->fs->read_only || place->access < VIEW_WRITE)
        return ERRNO_ROFS;
    return fs_may_write(place->dir->fs) ? 0 : ERRNO_PERM;
}

/* The same for an operation that its file system may not have. */
static int writable_by(const struct place *place, bool has)
{
    return has ? writable(place) : ERRNO_ROFS;
}

/* Its times and its mode may be set. */
static bool changeable(const struct place *place)
{
    return !place->node->fs->read_only && place->node_access == VIEW_WRITE &&
           fs_may_write(place->node->fs);
}

/* What lies on this name would lie on another: a mount, or a part of a view, which would make room
 * for something else where its holders expect it. */
static bool is_fixed(struct vfs_at at, struct vnode *node)
{
    return node->root_of || node->mounted || view_pins(at.view, node);
}

/* ---- opening */

static int open_link_to_file(struct place *place, unsigned flags, bool read, bool write,
                             struct file **ret)
{
    struct file *file = place->file;
    if (flags & VFS_DIRECTORY)
        return ERRNO_NOTDIR;
    if ((read && !file->readable) || (write && !file->writable))
        return ERRNO_ACCES;
    if ((flags & VFS_TRUNCATE) && file->vnode && file->writable) {
        int e = file_set_size(file, 0);
        if (e != 0)
            return e;
    }
    *ret = file_ref(file);
    return 0;
}

static int open_node(struct vnode *node, enum view_access access, unsigned flags, unsigned fd_flags,
                     bool read, bool write, struct file **ret)
{
    const struct fs_ops *ops = node->fs->ops;
    if (node->type == FILE_SYMLINK)
        return flags & VFS_DIRECTORY ? ERRNO_NOTDIR : ERRNO_LOOP;
    if (node->type == FILE_DIRECTORY) {
        if (write || (flags & (VFS_TRUNCATE | VFS_CREATE)))
            return ERRNO_ISDIR;
        return openfile_new(node, fd_flags, read, false, ret);
    }
    if (flags & VFS_DIRECTORY)
        return ERRNO_NOTDIR;
    if ((write || (flags & VFS_TRUNCATE)) && node->type == FILE_REGULAR &&
        (node->fs->read_only || access < VIEW_WRITE))
        return ERRNO_ROFS;
    if ((write || (flags & VFS_TRUNCATE)) && !fs_may_write(node->fs))
        return ERRNO_PERM;
    if (ops->open) {
        int e = ops->open(node, flags, read, write, ret);
        if (e == 0)
            (*ret)->flags |= fd_flags;
        return e;
    }
    struct file *file;
    int e = openfile_new(node, fd_flags, read, write, &file);
    if (e == 0 && (flags & VFS_TRUNCATE)) {
        e = ops->set_size ? ops->set_size(node, 0) : ERRNO_INVAL;
        if (e != 0)
            file_unref(file);
    }
    if (e == 0)
        *ret = file;
    return e;
}

static int open_new(struct place *place, unsigned flags, unsigned fd_flags, bool read, bool write,
                    struct file **ret)
{
    const struct fs_ops *ops = place->dir->fs->ops;
    struct vnode *node;
    int e = ops->create ? writable(place) : ERRNO_ROFS;
    if (e != 0)
        return e;
    e = ops->create(place->dir, place->last, &node);
    if (e != 0)
        return e;
    e = open_node(node, VIEW_WRITE, flags & ~(unsigned)(VFS_TRUNCATE | VFS_CREATE), fd_flags, read,
                  write, ret);
    vnode_unref(node);
    return e;
}

/* What is there, with what the view says of it written on the open file. */
static int open_there(struct vfs_at at, struct place *place, unsigned flags, unsigned fd_flags,
                      bool read, bool write, struct file **ret)
{
    struct file *file;
    int e = open_node(place->node, place->node_access, flags, fd_flags, read, write, &file);
    if (e != 0)
        return e;
    file->read_only = place->node_access < VIEW_WRITE;
    if (place->node_access == VIEW_PATH)
        e = openfile_limit(file, at.view);
    if (e != 0) {
        file_unref(file);
        return e;
    }
    *ret = file;
    return 0;
}

int vfs_open(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags, unsigned fd_flags,
             bool read, bool write, struct file **ret)
{
    struct place place;
    unsigned how = flags & VFS_CREATE ? PLACE_CREATES : PLACE_SLASH_FOLLOWS;
    if ((flags & VFS_CREATE) && (flags & VFS_DIRECTORY))
        return ERRNO_INVAL;
    if ((flags & VFS_FOLLOW) && !((flags & VFS_CREATE) && (flags & VFS_EXCLUSIVE)))
        how |= PLACE_FOLLOW;
    int e = place_find(vfs, at, path, how, &place);
    if (e != 0)
        return e;
    if (!place.node)
        e = flags & VFS_CREATE ? open_new(&place, flags, fd_flags, read, write, ret) : ERRNO_NOENT;
    else if ((flags & VFS_CREATE) && (flags & VFS_EXCLUSIVE))
        e = ERRNO_EXIST;
    else if (place.slash && place.node->type != FILE_DIRECTORY)
        e = ERRNO_NOTDIR;
    else if (place.file)
        e = open_link_to_file(&place, flags, read, write, ret);
    else
        e = open_there(at, &place, flags, fd_flags, read, write, ret);
    place_release(&place);
    return e;
}

int vfs_open_directory(struct vfs *vfs, struct str path, struct file **ret)
{
    struct file *root;
    int e = openfile_new(vfs->root, 0, true, false, &root);
    if (e != 0)
        return e;
    e = vfs_open(vfs, (struct vfs_at){.dir = root}, path, VFS_FOLLOW | VFS_DIRECTORY, 0, true,
                 false, ret);
    file_unref(root);
    return e;
}

/* ---- attributes */

int vnode_stat(struct vnode *node, struct file_stat *ret)
{
    struct file_stat stat;
    memset(&stat, 0, sizeof stat);
    stat.dev = node->fs->dev;
    int e = node->fs->ops->stat(node, &stat);
    if (e == 0)
        *ret = stat;
    return e;
}

int vfs_stat(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags,
             struct file_stat *ret)
{
    struct place place;
    int e = place_existing(vfs, at, path, flags & VFS_FOLLOW, &place);
    if (e != 0)
        return e;
    e = place.file ? file_stat(place.file, ret) : vnode_stat(place.node, ret);
    if (e == 0 && place.node_access == VIEW_PATH)
        view_plain_stat(ret);
    place_release(&place);
    return e;
}

int vfs_set_times(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags,
                  uint64_t atime, uint64_t mtime, unsigned which)
{
    struct place place;
    int e = place_existing(vfs, at, path, flags & VFS_FOLLOW, &place);
    if (e != 0)
        return e;
    const struct fs_ops *ops = place.node->fs->ops;
    if (place.file)
        e = file_set_times(place.file, atime, mtime, which);
    else if (!changeable(&place) || !ops->set_times)
        e = ERRNO_ROFS;
    else
        e = ops->set_times(place.node, atime, mtime, which);
    place_release(&place);
    return e;
}

int vfs_chmod(struct vfs *vfs, struct vfs_at at, struct str path, uint32_t mode)
{
    struct place place;
    int e = place_existing(vfs, at, path, true, &place);
    if (e != 0)
        return e;
    const struct fs_ops *ops = place.node->fs->ops;
    if (!changeable(&place) || !ops->set_mode)
        e = ERRNO_ROFS;
    else
        e = ops->set_mode(place.node, mode & 0777);
    place_release(&place);
    return e;
}

int vfs_readlink(struct vfs *vfs, struct vfs_at at, struct str path, struct buf *out)
{
    struct place place;
    int e = place_existing(vfs, at, path, false, &place);
    if (e != 0)
        return e;
    if (place.node->type != FILE_SYMLINK || !place.node->fs->ops->readlink)
        e = ERRNO_INVAL;
    else
        e = place.node->fs->ops->readlink(place.node, out);
    place_release(&place);
    return e;
}

int vfs_path_of(struct vfs *vfs, struct file *dir, struct buf *out)
{
    struct buf path = BUF_INIT(1u << 20);
    if (!dir->vnode || dir->vnode->type != FILE_DIRECTORY)
        return ERRNO_NOTDIR;
    struct vnode *at = vnode_ref(dir->vnode);
    int e = 0;
    /* From the end to the start, each name reversed, and turned round in the end. */
    for (;;) {
        struct vnode *below = at, *up;
        while (below->root_of)
            below = below->root_of->covered;
        if (below == vfs->root)
            break;
        size_t start = path.len;
        e = below->fs->ops->name_of(below, &path);
        if (e == 0)
            e = buf_add_char(&path, '/') ? below->fs->ops->parent(below, &up) : ERRNO_NOMEM;
        if (e != 0)
            break;
        for (size_t i = start, j = path.len - 2; i < j && j < path.len; i++, j--) {
            char c = path.data[i];
            path.data[i] = path.data[j];
            path.data[j] = c;
        }
        vnode_unref(at);
        at = up;
    }
    vnode_unref(at);
    if (e == 0 && path.len == 0)
        buf_add_char(&path, '/');
    for (size_t i = 0, j = path.len; e == 0 && i + 1 < j; i++, j--) {
        char c = path.data[i];
        path.data[i] = path.data[j - 1];
        path.data[j - 1] = c;
    }
    if (e == 0 && (buf_failed(&path) || !buf_add_str(out, buf_str(&path))))
        e = ERRNO_NOMEM;
    buf_release(&path);
    return e;
}

/* ---- making and removing names */

/* For mkdir, symlink and link: the name must be free. */
static int place_free(struct vfs *vfs, struct vfs_at at, struct str path, struct place *ret)
{
    int e = place_find(vfs, at, path, 0, ret);
    if (e != 0)
        return e;
    if (ret->node)
        e = ERRNO_EXIST;
    else
        e = writable(ret);
    if (e != 0)
        place_release(ret);
    return e;
}

int vfs_mkdir(struct vfs *vfs, struct vfs_at at, struct str path)
{
    struct place place;
    int e = place_free(vfs, at, path, &place);
    if (e != 0)
        return e;
    const struct fs_ops *ops = place.dir->fs->ops;
    e = ops->mkdir ? ops->mkdir(place.dir, place.last) : ERRNO_ROFS;
    place_release(&place);
    return e;
}

int vfs_symlink(struct vfs *vfs, struct str target, struct vfs_at at, struct str path)
{
    struct place place;
    if (target.len == 0)
        return ERRNO_NOENT;
    if (target.len > LINK_LENGTH_MAX)
        return ERRNO_NAMETOOLONG;
    if (memchr(target.ptr, 0, target.len))
        return ERRNO_INVAL;
    if (at.beneath && target.ptr[0] == '/')
        return ERRNO_NOTCAPABLE; /* nobody who has only this directory could follow it */
    int e = place_free(vfs, at, path, &place);
    if (e != 0)
        return e;
    const struct fs_ops *ops = place.dir->fs->ops;
    if (place.slash)
        e = ERRNO_NOENT;
    else
        e = ops->symlink ? ops->symlink(place.dir, place.last, target) : ERRNO_ROFS;
    place_release(&place);
    return e;
}

int vfs_link(struct vfs *vfs, struct vfs_at from, struct str from_path, unsigned flags,
             struct vfs_at to, struct str to_path)
{
    struct place source, place;
    int e = place_existing(vfs, from, from_path, flags & VFS_FOLLOW, &source);
    if (e != 0)
        return e;
    e = place_find(vfs, to, to_path, 0, &place);
    if (e != 0) {
        place_release(&source);
        return e;
    }
    const struct fs_ops *ops = place.dir->fs->ops;
    if (place.node)
        e = ERRNO_EXIST;
    else if (place.slash)
        e = ERRNO_NOENT;
    else if (source.node->fs != place.dir->fs || source.file || source.node_access < VIEW_WRITE)
        e = ERRNO_XDEV; /* a second name would let it be written */
    else if (source.node->type == FILE_DIRECTORY)
        e = ERRNO_PERM;
    else if ((e = writable_by(&place, ops->link)) == 0)
        e = ops->link(source.node, place.dir, place.last);
    place_release(&place);
    place_release(&source);
    return e;
}

int vfs_unlink(struct vfs *vfs, struct vfs_at at, struct str path)
{
    struct place place;
    int e = place_find(vfs, at, path, 0, &place);
    if (e != 0)
        return e;
    const struct fs_ops *ops = place.dir->fs->ops;
    // NOLINTBEGIN(bugprone-branch-clone): the order of the checks decides
    if (place.last.len == 0 || (place.node && is_fixed(at, place.node)))
        e = ERRNO_ISDIR;
    else if ((e = writable_by(&place, ops->unlink)) != 0)
        ; /* it may not */
    else if (!place.node)
        e = ERRNO_NOENT;
    else if (place.node->type == FILE_DIRECTORY)
        e = ERRNO_ISDIR;
    else if (place.slash)
        e = ERRNO_NOTDIR;
    else
        e = ops->unlink(place.dir, place.last, place.node);
    // NOLINTEND(bugprone-branch-clone)
    place_release(&place);
    return e;
}

int vfs_rmdir(struct vfs *vfs, struct vfs_at at, struct str path)
{
    struct place place;
    int e = place_find(vfs, at, path, 0, &place);
    if (e != 0)
        return e;
    const struct fs_ops *ops = place.dir->fs->ops;
    if (place.dot)
        e = ERRNO_INVAL;
    else if (place.dotdot)
        e = ERRNO_NOTEMPTY;
    else if (place.last.len == 0 || (place.node && is_fixed(at, place.node)))
        e = ERRNO_BUSY;
    else if ((e = writable_by(&place, ops->rmdir)) != 0)
        ; /* it may not */
    else if (!place.node)
        e = ERRNO_NOENT;
    else if (place.node->type != FILE_DIRECTORY)
        e = ERRNO_NOTDIR;
    else
        e = ops->rmdir(place.dir, place.last, place.node);
    place_release(&place);
    return e;
}

/* ---- rename */

/* `above` is `dir` or one of those in which it lies, in one file system. *ret on success. */
static int is_above(struct vnode *above, struct vnode *dir, bool *ret)
{
    struct vnode *at = vnode_ref(dir);
    int e = 0;
    bool found = false;
    while (!(found = at == above) && !at->root_of && at != at->fs->vfs->root) {
        struct vnode *up;
        e = at->fs->ops->parent(at, &up);
        if (e != 0)
            break;
        bool top = up == at; /* the root of a tree that is no longer mounted */
        vnode_unref(at);
        at = up;
        if (top)
            break;
    }
    vnode_unref(at);
    if (e == 0)
        *ret = found;
    return e;
}

static int check_rename(struct vfs_at at, struct place *from, struct place *to)
{
    bool above = false;
    int e = 0;
    struct vnode *node = from->node, *there = to->node;
    if (from->dir->fs != to->dir->fs)
        return ERRNO_XDEV;
    if (from->last.len == 0 || to->last.len == 0)
        return ERRNO_BUSY;
    e = writable_by(from, from->dir->fs->ops->rename);
    if (e == 0)
        e = writable(to);
    if (e != 0)
        return e;
    if (!node)
        return ERRNO_NOENT;
    bool directory = node->type == FILE_DIRECTORY;
    if (!directory && (from->slash || to->slash))
        return ERRNO_NOTDIR;
    if (is_fixed(at, node) || (there && is_fixed(at, there)))
        return ERRNO_BUSY;
    if (directory) {
        e = is_above(node, to->dir, &above);
        if (e == 0 && above)
            e = ERRNO_INVAL;
    }
    if (e == 0 && there && there->type == FILE_DIRECTORY) {
        e = is_above(there, from->dir, &above);
        if (e == 0 && above)
            e = ERRNO_NOTEMPTY;
    }
    if (e != 0 || !there || there == node)
        return e;
    if (directory && there->type != FILE_DIRECTORY)
        return ERRNO_NOTDIR;
    if (!directory && there->type == FILE_DIRECTORY)
        return ERRNO_ISDIR;
    return 0;
}

int vfs_rename(struct vfs *vfs, struct vfs_at from, struct str from_path, struct vfs_at to,
               struct str to_path)
{
    struct place source, place;
    int e = place_find(vfs, from, from_path, 0, &source);
    if (e != 0)
        return e;
    e = place_find(vfs, to, to_path, 0, &place);
    if (e == 0) {
        e = check_rename(from, &source, &place);
        if (e == 0 && source.node != place.node)
            e = source.dir->fs->ops->rename(source.dir, source.last, source.node, place.dir,
                                            place.last, place.node);
        place_release(&place);
    }
    place_release(&source);
    return e;
}
