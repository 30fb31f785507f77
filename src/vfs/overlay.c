/* Overlay mounts, see overlay.h. */
#include "vfs/overlay.h"

#include <stddef.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernel/kernel.h"

#define PIECE      65536u              /* copied at a time */
#define LOOK_EVERY 16                  /* pieces */
#define OWN_INO    (UINT64_C(1) << 50) /* set in the numbers of what the host does not have */

static struct tree *tree_of(const struct vnode *node)
{
    return ((const struct onode *)node)->tree;
}

int overlay_join(const char *dir, struct str name, char **ret)
{
    size_t dir_len = strlen(dir), slash = dir_len > 0;
    if (dir_len + slash + name.len > HOST_PATH_MAX)
        return ERRNO_NAMETOOLONG;
    char *path = mem_alloc(dir_len + slash + name.len + 1);
    if (!path)
        return ERRNO_NOMEM;
    memcpy(path, dir, dir_len);
    if (slash)
        path[dir_len] = '/';
    memcpy(path + dir_len + slash, name.ptr, name.len);
    path[dir_len + slash + name.len] = 0;
    *ret = path;
    return 0;
}

/* Takes `lower` (may be NULL), also on failure. */
static int new_onode(struct fs *fs, struct tree *tree, struct vnode *parent, struct str name,
                     enum file_type type, uint64_t upper, char *lower, struct vnode **ret)
{
    struct onode *node = mem_zalloc(sizeof *node);
    if (!node || (upper && tree_pin(tree, upper) != 0)) {
        mem_free(node);
        mem_free(lower);
        return ERRNO_NOMEM;
    }
    vnode_init(&node->vnode, fs, type);
    node->tree = tree_ref(tree);
    node->upper = upper;
    node->lower = lower;
    node->fd = -1;
    int e = parent ? vnode_put(&node->vnode, parent, name) : 0;
    if (e == 0)
        *ret = &node->vnode;
    else
        vnode_unref(&node->vnode);
    return e;
}

static void overlay_forget(struct vnode *vnode)
{
    struct onode *node = onode_of(vnode);
    if (node->fd >= 0)
        close(node->fd);
    if (node->upper)
        tree_unpin(node->tree, node->upper);
    mem_free(node->lower);
    tree_unref(node->tree);
}

/* ---- looking */

static int upper_onode(struct vnode *dir, struct str name, uint64_t ino, struct vnode **ret)
{
    const struct inode *inode = tree_get(tree_of(dir), ino);
    char *lower = NULL;
    if (!inode)
        return ERRNO_NOENT;
    if (inode->type == FILE_DIRECTORY && inode->text) {
        lower = mem_dup(inode->text->bytes, inode->text->len);
        if (!lower)
            return ERRNO_NOMEM;
    }
    return new_onode(dir->fs, tree_of(dir), dir, name, inode->type, ino, lower, ret);
}

static int overlay_lookup(struct vnode *vnode, struct str name, struct vnode **ret)
{
    struct onode *dir = onode_of(vnode);
    struct tree_entry entry;
    struct file_stat stat = {.dev = 0};
    char *path;
    struct vnode *there = vnode_by_place(vnode, name);
    if (there && (onode_of(there)->upper || there->mounted)) {
        *ret = there;
        return 0;
    }
    if (!there && dir->upper && tree_find(dir->tree, dir->upper, name, &entry) == 0)
        return entry.ino ? upper_onode(vnode, name, entry.ino, ret) : ERRNO_NOENT;
    int e = dir->lower ? overlay_join(dir->lower, name, &path) : ERRNO_NOENT;
    if (e == 0) {
        e = hostdir_stat(overlay_dir(dir), path, &stat);
        if (e != 0)
            mem_free(path);
    }
    if (there && (e != 0 || there->type != stat.type)) { /* the host has put something else there */
        if (e == 0 || e == ERRNO_NOENT)
            vnode_removed(vnode, name);
        vnode_unref(there);
        there = NULL;
    }
    if (e != 0)
        return e;
    if (there) {
        mem_free(path);
        *ret = there;
        return 0;
    }
    return new_onode(vnode->fs, dir->tree, vnode, name, stat.type, 0, path, ret);
}

static int overlay_parent(struct vnode *dir, struct vnode **ret)
{
    *ret = vnode_ref(dir->parent ? dir->parent : dir);
    return 0;
}

static int overlay_name_of(struct vnode *dir, struct buf *out)
{
    if (dir->removed || !dir->parent)
        return ERRNO_NOENT;
    return buf_add(out, dir->name, dir->name_len) ? 0 : ERRNO_NOMEM;
}

static int overlay_stat(struct vnode *vnode, struct file_stat *ret)
{
    struct onode *node = onode_of(vnode);
    if (!node->upper)
        return node->fd >= 0 ? hostdir_stat_fd(overlay_dir(node), node->fd, ret)
                             : hostdir_stat(overlay_dir(node), node->lower, ret);
    const struct inode *inode = tree_get(node->tree, node->upper);
    if (!inode)
        return ERRNO_NOENT;
    uint64_t dev = ret->dev;
    tree_stat(inode, inode->alias ? inode->alias : node->upper | OWN_INO, ret);
    ret->dev = dev;
    return 0;
}

static int overlay_readlink(struct vnode *vnode, struct buf *out)
{
    struct onode *node = onode_of(vnode);
    if (!node->upper)
        return hostdir_readlink(overlay_dir(node), node->lower, out);
    const struct inode *inode = tree_get(node->tree, node->upper);
    if (!inode || !inode->text)
        return ERRNO_INVAL;
    return buf_add(out, inode->text->bytes, inode->text->len) ? 0 : ERRNO_NOMEM;
}

/* ---- copying up */

/* What an inode takes over from the lower layer. */
static int copy_attributes(struct onode *node, uint64_t ino, const struct file_stat *stat)
{
    int e = tree_set_mode(node->tree, ino, stat->mode);
    if (e == 0)
        e = tree_set_alias(node->tree, ino, stat->ino);
    if (e == 0)
        e = tree_set_times(node->tree, ino, stat->atime, stat->mtime,
                           FILE_SET_ATIME | FILE_SET_MTIME);
    return e;
}

static int copy_up_one_directory(struct onode *node)
{
    struct file_stat stat = {.dev = 0};
    struct onode *parent = onode_of(node->vnode.parent);
    int e = hostdir_stat(overlay_dir(node), node->lower, &stat);
    if (e == 0 && stat.type != FILE_DIRECTORY)
        e = ERRNO_NOTDIR;
    if (e != 0)
        return e;
    struct tree_make make = {
        .type = FILE_DIRECTORY, .mode = stat.mode, .text = str_of(node->lower)};
    uint64_t ino;
    e = tree_make_unnamed(node->tree, &make, &ino);
    if (e != 0)
        return e;
    e = copy_attributes(node, ino, &stat);
    if (e == 0)
        e = tree_link(node->tree, ino, parent->upper,
                      (struct str){node->vnode.name, node->vnode.name_len});
    if (e == 0)
        node->upper = ino; /* with the pin */
    else
        tree_unpin(node->tree, ino);
    return e;
}

/* The directory and those in which it lies, from the top. */
static int ensure_directory(struct onode *node)
{
    while (!node->upper) {
        struct onode *top = node;
        if (top->vnode.removed)
            return ERRNO_NOENT;
        while (!onode_of(top->vnode.parent)->upper) {
            top = onode_of(top->vnode.parent);
            if (top->vnode.removed)
                return ERRNO_NOENT;
        }
        int e = copy_up_one_directory(top);
        if (e != 0)
            return e;
    }
    return 0;
}

static int ensure_lower_fd(struct onode *node)
{
    if (node->fd >= 0)
        return 0;
    return hostdir_open(overlay_dir(node), node->lower, true, false, false, &node->fd);
}

static int copy_contents(struct onode *node, uint64_t ino, uint64_t keep)
{
    int e = keep > 0 ? ensure_lower_fd(node) : 0;
    char *piece = e == 0 && keep > 0 ? mem_alloc(PIECE) : NULL;
    if (e == 0 && keep > 0 && !piece)
        e = ERRNO_NOMEM;
    for (uint64_t at = 0, n = 1; e == 0 && at < keep; n++) {
        size_t want = keep - at < PIECE ? (size_t)(keep - at) : PIECE, len = 0, put = 0;
        e = hostdir_read(overlay_dir(node), node->fd, piece, want, at, &len);
        if (e != 0 || len == 0)
            break;
        e = tree_write(node->tree, ino, piece, len, at, &put);
        if (e == 0 && put < len)
            e = ERRNO_NOSPC;
        at += put;
        if (n % LOOK_EVERY == 0 && tree_must_stop(node->tree->kernel))
            e = ERRNO_INTR;
    }
    mem_free(piece);
    return e;
}

/* The first `keep` bytes at least. A name that is gone gets no new one. */
static int ensure_file(struct onode *node, uint64_t keep)
{
    struct file_stat stat = {.dev = 0};
    struct buf target = BUF_INIT(LINK_LENGTH_MAX + 1);
    struct tree_make make = {.type = node->vnode.type, .mode = 0777};
    uint64_t ino;
    if (node->upper)
        return 0;
    if (make.type != FILE_REGULAR && make.type != FILE_SYMLINK)
        return ERRNO_ACCES;
    int e = overlay_stat(&node->vnode, &stat);
    if (e == 0 && stat.type != make.type)
        e = ERRNO_NOENT;
    if (e == 0 && !node->vnode.removed)
        e = ensure_directory(onode_of(node->vnode.parent));
    if (e == 0 && make.type == FILE_SYMLINK) {
        e = hostdir_readlink(overlay_dir(node), node->lower, &target);
        make.text = buf_str(&target);
    }
    if (e == 0)
        e = tree_make_unnamed(node->tree, &make, &ino);
    buf_release(&target);
    if (e != 0)
        return e;
    if (make.type == FILE_REGULAR)
        e = copy_contents(node, ino, keep < stat.size ? keep : stat.size);
    if (e == 0)
        e = copy_attributes(node, ino, &stat);
    if (e == 0 && !node->vnode.removed)
        e = tree_link(node->tree, ino, onode_of(node->vnode.parent)->upper,
                      (struct str){node->vnode.name, node->vnode.name_len});
    if (e != 0) {
        tree_unpin(node->tree, ino);
        return e;
    }
    node->upper = ino; /* with the pin */
    if (node->fd >= 0)
        close(node->fd);
    node->fd = -1;
    mem_free(node->lower);
    node->lower = NULL;
    return 0;
}

static int ensure(struct onode *node)
{
    return node->vnode.type == FILE_DIRECTORY ? ensure_directory(node)
                                              : ensure_file(node, UINT64_MAX);
}

/* ---- changing */

static int overlay_set_times(struct vnode *vnode, uint64_t atime, uint64_t mtime, unsigned which)
{
    struct onode *node = onode_of(vnode);
    int e = ensure(node);
    return e == 0 ? tree_set_times(node->tree, node->upper, atime, mtime, which) : e;
}

static int overlay_set_mode(struct vnode *vnode, uint32_t mode)
{
    struct onode *node = onode_of(vnode);
    int e = ensure(node);
    return e == 0 ? tree_set_mode(node->tree, node->upper, mode) : e;
}

static int make(struct vnode *vnode, struct str name, enum file_type type, uint32_t mode,
                struct str text, uint64_t *ret_ino)
{
    struct onode *dir = onode_of(vnode);
    struct tree_make what = {.type = type, .mode = mode, .text = text};
    int e = vnode->removed ? ERRNO_NOENT : ensure_directory(dir);
    return e == 0 ? tree_make(dir->tree, dir->upper, name, &what, ret_ino) : e;
}

/* The lower layer has something under that name: a whiteout is needed to hide it. */
static int is_beneath(struct onode *dir, struct str name, bool *ret)
{
    struct file_stat stat = {.dev = 0};
    char *path;
    if (!dir->lower) {
        *ret = false;
        return 0;
    }
    int e = overlay_join(dir->lower, name, &path);
    if (e != 0)
        return e;
    e = hostdir_stat(overlay_dir(dir), path, &stat);
    mem_free(path);
    *ret = e == 0;
    return e == ERRNO_NOENT || e == ERRNO_NOTDIR ? 0 : e;
}

static int overlay_create(struct vnode *dir, struct str name, struct vnode **ret)
{
    uint64_t ino;
    int e = make(dir, name, FILE_REGULAR, 0644, (struct str){NULL, 0}, &ino);
    if (e != 0)
        return e;
    vnode_removed(dir, name); /* one of the lower layer that the host took away */
    e = upper_onode(dir, name, ino, ret);
    if (e != 0) {
        bool beneath = false;
        (void)is_beneath(onode_of(dir), name, &beneath);
        (void)tree_remove(tree_of(dir), onode_of(dir)->upper, name, beneath);
    }
    return e;
}

static int overlay_mkdir(struct vnode *dir, struct str name)
{
    uint64_t ino;
    return make(dir, name, FILE_DIRECTORY, 0755, (struct str){NULL, 0}, &ino);
}

static int overlay_symlink(struct vnode *dir, struct str name, struct str target)
{
    uint64_t ino;
    return make(dir, name, FILE_SYMLINK, 0777, target, &ino);
}

static int overlay_link(struct vnode *vnode, struct vnode *dir, struct str name)
{
    struct onode *node = onode_of(vnode);
    if (vnode->removed || dir->removed)
        return ERRNO_NOENT;
    int e = ensure_file(node, UINT64_MAX);
    if (e == 0)
        e = ensure_directory(onode_of(dir));
    return e == 0 ? tree_link(node->tree, node->upper, onode_of(dir)->upper, name) : e;
}

static int overlay_unlink(struct vnode *vnode, struct str name, struct vnode *node)
{
    struct onode *dir = onode_of(vnode);
    bool beneath;
    (void)node;
    int e = is_beneath(dir, name, &beneath);
    if (e == 0)
        e = ensure_directory(dir);
    if (e == 0)
        e = tree_remove(dir->tree, dir->upper, name, beneath);
    if (e == 0)
        vnode_removed(vnode, name);
    return e;
}

static int check_empty(struct onode *dir)
{
    struct file_dirent entry;
    void *state = NULL;
    int e = overlist_next(dir, &state, 2, &entry);
    overlist_free(state);
    return e == 0 ? ERRNO_NOTEMPTY : e == ERRNO_NOENT ? 0 : e;
}

static int overlay_rmdir(struct vnode *vnode, struct str name, struct vnode *node)
{
    int e = check_empty(onode_of(node));
    return e == 0 ? overlay_unlink(vnode, name, node) : e;
}

static int overlay_rename(struct vnode *from, struct str from_name, struct vnode *node,
                          struct vnode *to, struct str to_name, struct vnode *replaced)
{
    struct onode *source = onode_of(from), *target = onode_of(to);
    bool beneath;
    char *name;
    int e = vnode_prepare_move(to_name, &name);
    if (e != 0)
        return e;
    if (to->removed)
        e = ERRNO_NOENT;
    if (e == 0 && replaced && replaced->type == FILE_DIRECTORY)
        e = check_empty(onode_of(replaced));
    if (e == 0)
        e = is_beneath(source, from_name, &beneath);
    if (e == 0)
        e = ensure_directory(target);
    if (e == 0)
        e = ensure(onode_of(node));
    if (e == 0 && replaced && onode_of(node)->upper == onode_of(replaced)->upper)
        goto same; /* two names of one file: POSIX leaves both */
    if (e == 0)
        e = tree_rename(source->tree, source->upper, from_name, target->upper, to_name, beneath);
    if (e == 0) {
        vnode_move(from, from_name, to, name);
        return 0;
    }
same:
    mem_free(name);
    return e;
}

/* ---- contents */

static int overlay_open(struct vnode *vnode, unsigned flags, bool read, bool write,
                        struct file **ret)
{
    struct onode *node = onode_of(vnode);
    if (vnode->type != FILE_REGULAR)
        return ERRNO_ACCES;
    int e = node->upper ? 0 : ensure_lower_fd(node);
    if (e == 0 && (flags & VFS_TRUNCATE)) {
        e = ensure_file(node, 0);
        if (e == 0)
            e = tree_set_size(node->tree, node->upper, 0);
    }
    return e == 0 ? openfile_new(vnode, 0, read, write, ret) : e;
}

static int overlay_read(struct vnode *vnode, void *buffer, size_t size, uint64_t offset,
                        size_t *ret_len)
{
    struct onode *node = onode_of(vnode);
    if (node->upper)
        return tree_read(node->tree, node->upper, buffer, size, offset, ret_len);
    int e = ensure_lower_fd(node);
    return e == 0 ? hostdir_read(overlay_dir(node), node->fd, buffer, size, offset, ret_len) : e;
}

static int overlay_write(struct vnode *vnode, const void *data, size_t len, uint64_t offset,
                         size_t *ret_len)
{
    struct onode *node = onode_of(vnode);
    int e = ensure_file(node, UINT64_MAX);
    return e == 0 ? tree_write(node->tree, node->upper, data, len, offset, ret_len) : e;
}

static int overlay_set_size(struct vnode *vnode, uint64_t size)
{
    struct onode *node = onode_of(vnode);
    int e = ensure_file(node, size);
    return e == 0 ? tree_set_size(node->tree, node->upper, size) : e;
}

static int overlay_readdir(struct vnode *dir, void **state, uint64_t cookie,
                           struct file_dirent *ret)
{
    return overlist_next(onode_of(dir), state, cookie, ret);
}

static void overlay_free(struct fs *fs)
{
    hostdir_free(((struct overlay *)fs)->dir);
}

static const struct fs_ops overlay_ops = {
    .name = "overlay",
    .lookup = overlay_lookup,
    .parent = overlay_parent,
    .name_of = overlay_name_of,
    .stat = overlay_stat,
    .set_times = overlay_set_times,
    .set_mode = overlay_set_mode,
    .readlink = overlay_readlink,
    .create = overlay_create,
    .mkdir = overlay_mkdir,
    .symlink = overlay_symlink,
    .link = overlay_link,
    .unlink = overlay_unlink,
    .rmdir = overlay_rmdir,
    .rename = overlay_rename,
    .open = overlay_open,
    .read = overlay_read,
    .write = overlay_write,
    .set_size = overlay_set_size,
    .readdir = overlay_readdir,
    .free_state = overlist_free,
    .forget = overlay_forget,
    .free = overlay_free,
};

int overlay_new(struct vfs *vfs, struct hostdir *dir, struct fs **ret)
{
    struct overlay *overlay = mem_zalloc(sizeof *overlay);
    if (!overlay)
        return ERRNO_NOMEM;
    fs_init(&overlay->fs, &overlay_ops, vfs, false);
    overlay->dir = dir;
    *ret = &overlay->fs;
    return 0;
}

int overlay_root(struct fs *fs, struct tree *tree, uint64_t upper, struct vnode **ret)
{
    char *lower = mem_strdup("");
    return lower ? new_onode(fs, tree, NULL, STR(""), FILE_DIRECTORY, upper, lower, ret)
                 : ERRNO_NOMEM;
}
