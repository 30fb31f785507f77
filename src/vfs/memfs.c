/* /workspace and /tmp: vnodes over the memory tree. A vnode pins its inode, so what was unlinked
 * lives while it is open. */
#include <stddef.h>

#include "base/mem.h"
#include "vfs/node.h"

struct memfs {
    struct fs fs;
    struct tree *tree;
};

static struct tree *tree_of(const struct vnode *node)
{
    return ((struct memfs *)node->fs)->tree;
}

int memfs_vnode(struct fs *fs, uint64_t ino, struct vnode **ret)
{
    struct tree *tree = ((struct memfs *)fs)->tree;
    struct vnode *node = vnode_by_ino(fs, ino);
    if (node) {
        *ret = node;
        return 0;
    }
    const struct inode *inode = tree_get(tree, ino);
    if (!inode)
        return ERRNO_NOENT;
    node = mem_zalloc(sizeof *node);
    if (!node || tree_pin(tree, ino) != 0) {
        mem_free(node);
        return ERRNO_NOMEM;
    }
    vnode_init(node, fs, inode->type);
    node->ino = ino;
    vnode_hash_ino(node);
    *ret = node;
    return 0;
}

static void memfs_forget(struct vnode *node)
{
    tree_unpin(tree_of(node), node->ino);
}

static int memfs_lookup(struct vnode *dir, struct str name, struct vnode **ret)
{
    struct tree_entry entry;
    int e = tree_find(tree_of(dir), dir->ino, name, &entry);
    return e == 0 ? memfs_vnode(dir->fs, entry.ino, ret) : e;
}

static int memfs_parent(struct vnode *dir, struct vnode **ret)
{
    const struct inode *inode = tree_get(tree_of(dir), dir->ino);
    if (!inode)
        return ERRNO_NOENT;
    if (inode->parent ==
        TREE_ROOT) { /* the root of a mount that is gone: nothing above it is to be seen */
        *ret = vnode_ref(dir);
        return 0;
    }
    return memfs_vnode(dir->fs, inode->parent, ret);
}

static int memfs_name_of(struct vnode *dir, struct buf *out)
{
    struct tree_entry entry;
    const struct inode *inode = tree_get(tree_of(dir), dir->ino);
    if (!inode || inode->parent == TREE_ROOT)
        return ERRNO_NOENT;
    int e = tree_name_of(tree_of(dir), dir->ino, &entry);
    if (e != 0)
        return e;
    return buf_add_str(out, entry.name) ? 0 : ERRNO_NOMEM;
}

static int memfs_stat(struct vnode *node, struct file_stat *ret)
{
    const struct inode *inode = tree_get(tree_of(node), node->ino);
    if (!inode)
        return ERRNO_NOENT;
    uint64_t dev = ret->dev;
    tree_stat(inode, node->ino, ret);
    ret->dev = dev;
    return 0;
}

static int memfs_set_times(struct vnode *node, uint64_t atime, uint64_t mtime, unsigned which)
{
    return tree_set_times(tree_of(node), node->ino, atime, mtime, which);
}

static int memfs_set_mode(struct vnode *node, uint32_t mode)
{
    return tree_set_mode(tree_of(node), node->ino, mode);
}

static int memfs_readlink(struct vnode *node, struct buf *out)
{
    const struct inode *inode = tree_get(tree_of(node), node->ino);
    if (!inode || !inode->text)
        return ERRNO_INVAL;
    return buf_add(out, inode->text->bytes, inode->text->len) ? 0 : ERRNO_NOMEM;
}

static int memfs_create(struct vnode *dir, struct str name, struct vnode **ret)
{
    struct tree_make make = {.type = FILE_REGULAR, .mode = 0644};
    uint64_t ino;
    int e = tree_make(tree_of(dir), dir->ino, name, &make, &ino);
    if (e != 0)
        return e;
    e = memfs_vnode(dir->fs, ino, ret);
    if (e != 0)
        (void)tree_remove(tree_of(dir), dir->ino, name, false);
    return e;
}

static int memfs_mkdir(struct vnode *dir, struct str name)
{
    struct tree_make make = {.type = FILE_DIRECTORY, .mode = 0755};
    uint64_t ino;
    return tree_make(tree_of(dir), dir->ino, name, &make, &ino);
}

static int memfs_symlink(struct vnode *dir, struct str name, struct str target)
{
    struct tree_make make = {.type = FILE_SYMLINK, .mode = 0777, .text = target};
    uint64_t ino;
    return tree_make(tree_of(dir), dir->ino, name, &make, &ino);
}

static int memfs_link(struct vnode *node, struct vnode *dir, struct str name)
{
    const struct inode *inode = tree_get(tree_of(node), node->ino);
    if (!inode || inode->links == 0)
        return ERRNO_NOENT;
    return tree_link(tree_of(node), node->ino, dir->ino, name);
}

static int memfs_remove(struct vnode *dir, struct str name, struct vnode *node)
{
    (void)node;
    return tree_remove(tree_of(dir), dir->ino, name, false);
}

static int memfs_rename(struct vnode *from, struct str from_name, struct vnode *node,
                        struct vnode *to, struct str to_name, struct vnode *replaced)
{
    (void)node;
    (void)replaced;
    return tree_rename(tree_of(from), from->ino, from_name, to->ino, to_name, false);
}

static int memfs_read(struct vnode *node, void *buffer, size_t size, uint64_t offset,
                      size_t *ret_len)
{
    return tree_read(tree_of(node), node->ino, buffer, size, offset, ret_len);
}

static int memfs_write(struct vnode *node, const void *data, size_t len, uint64_t offset,
                       size_t *ret_len)
{
    return tree_write(tree_of(node), node->ino, data, len, offset, ret_len);
}

static int memfs_set_size(struct vnode *node, uint64_t size)
{
    return tree_set_size(tree_of(node), node->ino, size);
}

static int memfs_readdir(struct vnode *dir, void **state, uint64_t cookie, struct file_dirent *ret)
{
    struct tree_entry entry;
    (void)state;
    int e = tree_next(tree_of(dir), dir->ino, cookie, &entry);
    if (e == 0)
        *ret = (struct file_dirent){entry.cookie + 1, entry.ino, entry.type, entry.name};
    return e;
}

static void memfs_free(struct fs *fs)
{
    tree_unref(((struct memfs *)fs)->tree);
}

static const struct fs_ops memfs_ops = {
    .name = "memory",
    .lookup = memfs_lookup,
    .parent = memfs_parent,
    .name_of = memfs_name_of,
    .stat = memfs_stat,
    .set_times = memfs_set_times,
    .set_mode = memfs_set_mode,
    .readlink = memfs_readlink,
    .create = memfs_create,
    .mkdir = memfs_mkdir,
    .symlink = memfs_symlink,
    .link = memfs_link,
    .unlink = memfs_remove,
    .rmdir = memfs_remove,
    .rename = memfs_rename,
    .read = memfs_read,
    .write = memfs_write,
    .set_size = memfs_set_size,
    .readdir = memfs_readdir,
    .forget = memfs_forget,
    .free = memfs_free,
};

int memfs_new(struct vfs *vfs, struct tree *tree, struct fs **ret)
{
    struct memfs *memfs = mem_zalloc(sizeof *memfs);
    if (!memfs)
        return ERRNO_NOMEM;
    fs_init(&memfs->fs, &memfs_ops, vfs, false);
    memfs->tree = tree_ref(tree);
    *ret = &memfs->fs;
    return 0;
}
