/* The skeleton, see pseudo.h. */
#include "vfs/pseudo.h"

#include "base/mem.h"
#include "kernel/kernel.h"

#define TEXT_MAX (64u << 20)

static int plain_populate(struct pnode *dir)
{
    (void)dir;
    return 0;
}

static const struct pseudo_kind plain_directory = {
    .type = FILE_DIRECTORY, .mode = 0755, .populate = plain_populate};

static const struct fs_ops pseudo_ops;

bool is_pseudo(const struct vnode *node)
{
    return node->fs->ops == &pseudo_ops;
}

struct process *pseudo_process(const struct pnode *node)
{
    return node->vnode.fs->vfs->kernel->current;
}

uint64_t pseudo_ino(const struct pnode *dir, struct str name)
{
    uint64_t h = dir->vnode.ino;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (uint8_t)name.ptr[i]) * UINT64_C(0x100000001b3);
    return (h * UINT64_C(0x9e3779b97f4a7c15)) >> 32 | 1;
}

static int new_node(struct fs *fs, const struct pseudo_kind *kind, struct pnode **ret)
{
    struct pnode *node = mem_zalloc(sizeof *node);
    if (!node)
        return ERRNO_NOMEM;
    vnode_init(&node->vnode, fs, kind->type);
    node->kind = kind;
    node->text = BUF_INIT(TEXT_MAX);
    *ret = node;
    return 0;
}

static void adopt(struct pnode *dir, struct pnode *node)
{
    node->up = dir;
    node->vnode.ino = pseudo_ino(dir, (struct str){node->vnode.name, node->vnode.name_len});
    if (dir->last)
        dir->last->next = node;
    else
        dir->first = node;
    dir->last = node;
}

int pseudo_add(struct pnode *dir, const char *name, const struct pseudo_kind *kind, uint64_t number)
{
    struct pnode *node;
    int e = new_node(dir->vnode.fs, kind, &node);
    if (e != 0)
        return e;
    node->number = number;
    vnode_put_fixed(&node->vnode, &dir->vnode, name);
    adopt(dir, node);
    return 0;
}

int pseudo_transient(struct pnode *dir, struct str name, const struct pseudo_kind *kind,
                     uint64_t number, struct vnode **ret)
{
    struct pnode *node;
    struct vnode *there = vnode_by_place(&dir->vnode, name);
    if (there) {
        *ret = there;
        return 0;
    }
    int e = new_node(dir->vnode.fs, kind, &node);
    if (e != 0)
        return e;
    node->number = number;
    node->vnode.ino = pseudo_ino(dir, name);
    e = vnode_put(&node->vnode, &dir->vnode, name);
    if (e == 0)
        *ret = &node->vnode;
    else
        vnode_unref(&node->vnode);
    return e;
}

static void drop_first(struct pnode *dir)
{
    struct pnode *node = dir->first;
    dir->first = node->next;
    if (!dir->first)
        dir->last = NULL;
    vnode_unref(&node->vnode);
}

static int populate(struct pnode *dir)
{
    if (dir->populated || !dir->kind->populate)
        return 0;
    int e = dir->kind->populate(dir);
    dir->populated = e == 0;
    while (e != 0 && dir->first) /* all or none */
        drop_first(dir);
    return e;
}

static int pseudo_lookup(struct vnode *vnode, struct str name, struct vnode **ret)
{
    struct pnode *dir = pnode_of(vnode);
    if (dir->kind->lookup)
        return dir->kind->lookup(dir, name, ret);
    int e = populate(dir);
    if (e != 0)
        return e;
    *ret = vnode_by_place(vnode, name);
    return *ret ? 0 : ERRNO_NOENT;
}

static int pseudo_parent(struct vnode *dir, struct vnode **ret)
{
    *ret = vnode_ref(dir->parent ? dir->parent : dir);
    return 0;
}

static int pseudo_name_of(struct vnode *dir, struct buf *out)
{
    return buf_add(out, dir->name, dir->name_len) ? 0 : ERRNO_NOMEM;
}

/* Contents are made once and kept while the node lives. */
static int make_text(struct pnode *node)
{
    if (node->text.data)
        return 0;
    int e = node->kind->text(node, &node->text);
    if (e == 0 && !node->text.data)
        e = buf_reserve(&node->text, 1) ? 0 : ERRNO_NOMEM;
    if (e == 0 && buf_failed(&node->text))
        e = ERRNO_NOMEM;
    if (e == 0 && !kernel_charge(node->vnode.fs->vfs->kernel, node->text.len))
        e = ERRNO_NOSPC;
    if (e != 0)
        buf_release(&node->text);
    return e;
}

static int pseudo_stat(struct vnode *vnode, struct file_stat *ret)
{
    struct pnode *node = pnode_of(vnode);
    int e = vnode->type == FILE_REGULAR ? make_text(node) : 0;
    if (e != 0)
        return e;
    ret->ino = vnode->ino;
    ret->type = vnode->type;
    ret->mode = node->kind->mode;
    ret->links = vnode->type == FILE_DIRECTORY ? 2 : 1;
    ret->size = node->text.len;
    return 0;
}

static int pseudo_readlink(struct vnode *vnode, struct buf *out)
{
    struct pnode *node = pnode_of(vnode);
    return node->kind->text ? node->kind->text(node, out) : ERRNO_INVAL;
}

static int pseudo_follow(struct vnode *vnode, struct file **ret)
{
    struct pnode *node = pnode_of(vnode);
    return node->kind->follow ? node->kind->follow(node, ret) : ERRNO_INVAL;
}

static int pseudo_open(struct vnode *vnode, unsigned flags, bool read, bool write,
                       struct file **ret)
{
    struct pnode *node = pnode_of(vnode);
    if (node->kind->open)
        return node->kind->open(node, read, write, ret);
    int e = (flags & VFS_TRUNCATE) || write ? ERRNO_ROFS : make_text(node);
    return e == 0 ? openfile_new(vnode, 0, read, false, ret) : e;
}

static int pseudo_read(struct vnode *vnode, void *buffer, size_t size, uint64_t offset,
                       size_t *ret_len)
{
    struct pnode *node = pnode_of(vnode);
    size_t left = offset < node->text.len ? node->text.len - (size_t)offset : 0;
    size_t len = size < left ? size : left;
    if (len > 0)
        memcpy(buffer, node->text.data + offset, len);
    *ret_len = len;
    return 0;
}

static int pseudo_readdir(struct vnode *vnode, void **state, uint64_t cookie,
                          struct file_dirent *ret)
{
    struct pnode *dir = pnode_of(vnode);
    (void)state;
    if (dir->kind->readdir)
        return dir->kind->readdir(dir, cookie, ret);
    int e = populate(dir);
    if (e != 0)
        return e;
    struct pnode *node = dir->first;
    for (uint64_t at = 2; node && at < cookie; at++)
        node = node->next;
    if (!node)
        return ERRNO_NOENT;
    struct file_stat stat = {.dev = 0};
    enum file_type type = node->vnode.type;
    uint64_t ino = node->vnode.ino;
    if (node->vnode.mounted && vnode_stat(node->vnode.mounted->root, &stat) == 0)
        ino = stat.ino;
    *ret = (struct file_dirent){cookie + 1, ino, type, {node->vnode.name, node->vnode.name_len}};
    return 0;
}

static void pseudo_forget(struct vnode *vnode)
{
    struct pnode *node = pnode_of(vnode);
    if (node->text.data)
        kernel_discharge(vnode->fs->vfs->kernel, node->text.len);
    buf_release(&node->text);
}

static const struct fs_ops pseudo_ops = {
    .name = "skeleton",
    .lookup = pseudo_lookup,
    .parent = pseudo_parent,
    .name_of = pseudo_name_of,
    .stat = pseudo_stat,
    .readlink = pseudo_readlink,
    .follow = pseudo_follow,
    .open = pseudo_open,
    .read = pseudo_read,
    .readdir = pseudo_readdir,
    .forget = pseudo_forget,
};

int pseudo_make_directory(struct vnode *vnode, struct str name, struct vnode **ret)
{
    struct pnode *dir = pnode_of(vnode), *node;
    if (dir->kind != &plain_directory)
        return ERRNO_ROFS;
    int e = new_node(vnode->fs, &plain_directory, &node);
    if (e != 0)
        return e;
    e = vnode_put(&node->vnode, vnode, name);
    if (e != 0) {
        vnode_unref(&node->vnode);
        return e;
    }
    adopt(dir, node);
    *ret = &node->vnode;
    return 0;
}

/* Takes children before their directory, in a loop. */
static void free_nodes(struct pnode *root)
{
    struct pnode *node = root;
    while (node) {
        if (node->first) {
            node = node->first;
            continue;
        }
        struct pnode *up = node->up;
        if (up)
            drop_first(up);
        else
            vnode_unref(&node->vnode);
        node = up;
    }
}

int pseudo_new(struct vfs *vfs, struct vnode **ret_root)
{
    static const struct {
        const char *name;
        const struct pseudo_kind *kind;
    } skeleton[] = {{"workspace", &plain_directory},
                    {"tmp", &plain_directory},
                    {"dev", &dev_directory},
                    {"proc", &proc_directory},
                    {"tools", &tools_directory}};
    struct pnode *root;
    struct fs *fs = mem_zalloc(sizeof *fs);
    if (!fs)
        return ERRNO_NOMEM;
    fs_init(fs, &pseudo_ops, vfs, true);
    int e = new_node(fs, &plain_directory, &root);
    fs_unref(fs); /* the nodes hold it */
    if (e != 0)
        return e;
    root->vnode.ino = 1;
    for (size_t i = 0; e == 0 && i < sizeof skeleton / sizeof skeleton[0]; i++)
        e = pseudo_add(root, skeleton[i].name, skeleton[i].kind, 0);
    if (e != 0) {
        free_nodes(root);
        return e;
    }
    *ret_root = &root->vnode;
    return 0;
}

void pseudo_release(struct vfs *vfs)
{
    if (vfs->root)
        free_nodes(pnode_of(vfs->root));
    pages_free(vfs);
}
