/* Mounts that the host serves by callbacks (struct capful_mount_ops).
 *
 * Callbacks run on the host's stack. An operation that needs one while it runs on a guest's stack
 * defers the system call (process_defer, FILE_PARKED); the kernel then makes the same call again on
 * the driver's stack, and there the callback is made directly. Attributes and contents that were
 * fetched less than a second ago are answered from here, so that a program reading on does not
 * leave its fiber for every piece. Contents are fetched in blocks when they are read; a bounded
 * number of blocks is kept.
 */
#include <errno.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/hostdir.h"
#include "vfs/node.h"

#define FRESH_NS    UINT64_C(1000000000)
#define BLOCK_SIZE  65536u
#define BLOCKS      32u /* 2 MiB of one mount */
#define WRITE_PIECE (1u << 20)
#define PATH_LIMIT  65536u

struct block {
    const struct vnode *node; /* NULL: free */
    uint64_t index, fetched, used;
    uint32_t len;
    char *data; /* BLOCK_SIZE, kept when the block is free */
};

struct served {
    struct fs fs;
    const struct capful_mount_ops *ops;
    void *context;
    uint64_t clock; /* of uses, for choosing the block to replace */
    struct block blocks[BLOCKS];
};

struct snode {
    struct vnode vnode;
    struct capful_stat stat;
    uint64_t fetched; /* 0: not */
};

struct listed {
    uint32_t name; /* in names */
    uint16_t len;
    uint8_t type;
};

struct capful_list {
    struct kernel *kernel;
    uint64_t charged;
    struct listed *list;
    uint32_t count, alloc;
    struct buf names;
    int failed; /* CAPFUL_E… */
};

static struct served *served_of(const struct vnode *node)
{
    return (struct served *)node->fs;
}

static struct snode *snode_of(struct vnode *node)
{
    return (struct snode *)node;
}

static bool is_fresh(uint64_t fetched)
{
    return fetched != 0 && clock_monotonic() - fetched < FRESH_NS;
}

/* 0: a callback may be made here and now. */
static int ask_host(const struct vnode *node)
{
    struct kernel *kernel = node->fs->vfs->kernel;
    if (!kernel->current || !kernel->on_fiber)
        return 0;
    (void)process_defer(kernel->current);
    return FILE_PARKED;
}

/* Around a callback: its time is not the guest's. Not where the clock stands still already. */
static bool hold_clock(const struct vnode *node)
{
    struct kernel *kernel = node->fs->vfs->kernel;
    bool paused = kernel->current && kernel->pause_start == 0;
    if (paused)
        kernel_pause_wall(kernel, clock_monotonic());
    return paused;
}

static int let_clock(const struct vnode *node, bool paused, int host_errno)
{
    if (paused)
        kernel_resume_wall(node->fs->vfs->kernel, clock_monotonic());
    return host_errno == 0 ? 0 : errno_from_host(host_errno);
}

/* ---- paths and attributes */

/* The path of `node`, or of `name` in it. To be released. */
static int path_to(const struct vnode *node, struct str name, struct buf *ret)
{
    struct buf path = BUF_INIT(PATH_LIMIT);
    if (!vnode_place_path(node, &path))
        goto failed;
    if (name.len > 0 && !((path.len == 0 || buf_add_char(&path, '/')) && buf_add_str(&path, name)))
        goto failed;
    if (!buf_reserve(&path, 1))
        goto failed;
    path.data[path.len] = 0;
    *ret = path;
    return 0;
failed:
    buf_release(&path);
    return path.failed ? ERRNO_NAMETOOLONG : ERRNO_NOENT;
}

static enum file_type type_of(enum capful_node_kind kind)
{
    switch (kind) {
    case CAPFUL_FILE: return FILE_REGULAR;
    case CAPFUL_DIRECTORY: return FILE_DIRECTORY;
    case CAPFUL_SYMLINK: return FILE_SYMLINK;
    case CAPFUL_DEVICE: return FILE_CHARACTER;
    }
    return FILE_UNKNOWN;
}

static int ask_stat(const struct vnode *node, struct str name, struct capful_stat *ret)
{
    struct served *served = served_of(node);
    struct capful_stat stat;
    struct buf path;
    int e = ask_host(node);
    if (e == 0)
        e = path_to(node, name, &path);
    if (e != 0)
        return e;
    memset(&stat, 0, sizeof stat);
    bool paused = hold_clock(node);
    int answer = served->ops->stat(served->context, path.data, &stat);
    buf_release(&path);
    e = let_clock(node, paused, answer);
    if (e == 0 && type_of(stat.kind) == FILE_UNKNOWN)
        e = ERRNO_IO;
    if (e == 0)
        *ret = stat;
    return e;
}

static void drop_blocks(struct served *served, const struct vnode *node)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (served->blocks[i].node == node)
            served->blocks[i].node = NULL;
    }
}

static void set_stat(struct snode *node, const struct capful_stat *stat)
{
    if (node->fetched && (node->stat.size != stat->size || node->stat.mtime != stat->mtime))
        drop_blocks(served_of(&node->vnode), &node->vnode);
    node->stat = *stat;
    node->fetched = clock_monotonic();
}

static int refresh(struct snode *node)
{
    struct capful_stat stat;
    if (is_fresh(node->fetched))
        return 0;
    if (node->vnode.removed)
        return ERRNO_NOENT;
    int e = ask_stat(&node->vnode, STR(""), &stat);
    if (e != 0)
        return e;
    if (type_of(stat.kind) != node->vnode.type)
        return ERRNO_STALE;
    set_stat(node, &stat);
    return 0;
}

static int served_stat(struct vnode *vnode, struct file_stat *ret)
{
    struct snode *node = snode_of(vnode);
    int e = refresh(node);
    if (e != 0)
        return e;
    bool directory = vnode->type == FILE_DIRECTORY;
    ret->ino = vnode->ino;
    ret->type = vnode->type;
    ret->mode = node->stat.mode & 0777 ? node->stat.mode & 0777 : directory ? 0755 : 0644;
    ret->links = node->stat.links ? node->stat.links : 1;
    ret->size = node->stat.size;
    ret->atime = ret->mtime = ret->ctime = node->stat.mtime;
    return 0;
}

static uint64_t ino_of(const struct vnode *dir, struct str name)
{
    uint64_t h = dir->ino;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (uint8_t)name.ptr[i]) * UINT64_C(0x100000001b3);
    return (h * UINT64_C(0x9e3779b97f4a7c15)) >> 16 | 1;
}

static int new_snode(struct fs *fs, struct vnode *parent, struct str name,
                     const struct capful_stat *stat, struct vnode **ret)
{
    struct snode *node = mem_zalloc(sizeof *node);
    if (!node)
        return ERRNO_NOMEM;
    vnode_init(&node->vnode, fs, stat ? type_of(stat->kind) : FILE_DIRECTORY);
    node->vnode.ino = parent ? ino_of(parent, name) : 1;
    int e = parent ? vnode_put(&node->vnode, parent, name) : 0;
    if (e != 0) {
        vnode_unref(&node->vnode);
        return e;
    }
    if (stat)
        set_stat(node, stat);
    *ret = &node->vnode;
    return 0;
}

static int served_lookup(struct vnode *dir, struct str name, struct vnode **ret)
{
    struct capful_stat stat;
    struct vnode *there = vnode_by_place(dir, name);
    if (there && (there->mounted || is_fresh(snode_of(there)->fetched))) {
        *ret = there;
        return 0;
    }
    int e = ask_stat(dir, name, &stat);
    if (there && (e == ERRNO_NOENT || (e == 0 && type_of(stat.kind) != there->type))) {
        vnode_removed(dir, name);
        vnode_unref(there);
        there = NULL;
    }
    if (e == 0 && !there)
        return new_snode(dir->fs, dir, name, &stat, ret);
    if (e == 0) {
        set_stat(snode_of(there), &stat);
        *ret = there;
    } else {
        vnode_unref(there);
    }
    return e;
}

static int served_parent(struct vnode *dir, struct vnode **ret)
{
    *ret = vnode_ref(dir->parent ? dir->parent : dir);
    return 0;
}

static int served_name_of(struct vnode *dir, struct buf *out)
{
    if (dir->removed || !dir->parent)
        return ERRNO_NOENT;
    return buf_add(out, dir->name, dir->name_len) ? 0 : ERRNO_NOMEM;
}

/* ---- contents */

static struct block *find_block(struct served *served, const struct vnode *node, uint64_t index)
{
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (served->blocks[i].node == node && served->blocks[i].index == index)
            return &served->blocks[i];
    }
    return NULL;
}

/* A block to be filled: a free one, else the one that was not used for longest. */
static int take_block(struct served *served, struct block **ret)
{
    struct block *best = &served->blocks[0];
    for (unsigned i = 0; i < BLOCKS; i++) {
        struct block *block = &served->blocks[i];
        bool better = block->node ? best->node && block->used < best->used
                                  : best->node || (block->data && !best->data);
        if (better)
            best = block;
    }
    if (!best->data) {
        if (!kernel_charge(served->fs.vfs->kernel, BLOCK_SIZE))
            return ERRNO_NOSPC;
        best->data = mem_alloc(BLOCK_SIZE);
        if (!best->data) {
            kernel_discharge(served->fs.vfs->kernel, BLOCK_SIZE);
            return ERRNO_NOMEM;
        }
    }
    best->node = NULL;
    *ret = best;
    return 0;
}

static int get_block(struct vnode *node, uint64_t index, struct block **ret)
{
    struct served *served = served_of(node);
    struct block *block = find_block(served, node, index);
    struct buf path;
    size_t len = 0;
    if (!block || !is_fresh(block->fetched)) {
        int e = ask_host(node);
        if (e == 0)
            e = path_to(node, STR(""), &path);
        if (e != 0)
            return e;
        if (!block)
            e = take_block(served, &block);
        if (e == 0) {
            block->node = NULL; /* the callback may come back here */
            char *data = block->data;
            block->data = NULL;
            bool paused = hold_clock(node);
            int answer = served->ops->read(served->context, path.data, index * BLOCK_SIZE, data,
                                           BLOCK_SIZE, &len);
            e = let_clock(node, paused, answer);
            if (block->data) { /* it did, and filled this block in between */
                mem_free(block->data);
                kernel_discharge(served->fs.vfs->kernel, BLOCK_SIZE);
            }
            block->data = data;
            block->node = NULL;
        }
        buf_release(&path);
        if (e == 0 && len > BLOCK_SIZE)
            e = ERRNO_IO;
        if (e != 0)
            return e;
        block->node = node;
        block->index = index;
        block->len = (uint32_t)len;
        block->fetched = clock_monotonic();
    }
    block->used = ++served->clock;
    *ret = block;
    return 0;
}

static int served_read(struct vnode *node, void *buffer, size_t size, uint64_t offset,
                       size_t *ret_len)
{
    size_t done = 0;
    while (done < size && offset + done <= INT64_MAX) {
        struct block *block = NULL;
        uint32_t within = (uint32_t)((offset + done) % BLOCK_SIZE);
        int e = get_block(node, (offset + done) / BLOCK_SIZE, &block);
        if (e == FILE_PARKED || (e != 0 && done == 0))
            return e;
        if (e != 0 || within >= block->len)
            break;
        size_t piece = block->len - within < size - done ? block->len - within : size - done;
        memcpy((char *)buffer + done, block->data + within, piece);
        done += piece;
        if (block->len < BLOCK_SIZE)
            break;
        if (done < size && tree_must_stop(node->fs->vfs->kernel))
            break;
    }
    *ret_len = done;
    return 0;
}

/* The target of a link is its contents. */
static int served_readlink(struct vnode *node, struct buf *out)
{
    char target[LINK_LENGTH_MAX];
    size_t len;
    int e = served_read(node, target, sizeof target, 0, &len);
    if (e != 0)
        return e;
    if (len == 0 || memchr(target, 0, len))
        return ERRNO_INVAL;
    return buf_add(out, target, len) ? 0 : ERRNO_NOMEM;
}

static void changed(struct vnode *node)
{
    drop_blocks(served_of(node), node);
    snode_of(node)->fetched = 0;
}

static int served_write(struct vnode *node, const void *data, size_t len, uint64_t offset,
                        size_t *ret_len)
{
    struct served *served = served_of(node);
    struct buf path;
    size_t done = 0;
    if (!served->ops->write)
        return ERRNO_ROFS;
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return ERRNO_FBIG;
    int e = ask_host(node);
    if (e == 0)
        e = path_to(node, STR(""), &path);
    if (e != 0)
        return e;
    while (done < len && e == 0) {
        size_t piece = len - done < WRITE_PIECE ? len - done : WRITE_PIECE;
        bool paused = hold_clock(node);
        int answer = served->ops->write(served->context, path.data, offset + done,
                                        (const char *)data + done, piece);
        e = let_clock(node, paused, answer);
        if (e == 0)
            done += piece;
        if (done < len && tree_must_stop(node->fs->vfs->kernel))
            break;
    }
    buf_release(&path);
    changed(node);
    if (e != 0 && done == 0)
        return e;
    *ret_len = done;
    return 0;
}

static int served_set_size(struct vnode *node, uint64_t size)
{
    struct served *served = served_of(node);
    struct buf path;
    if (!served->ops->truncate)
        return ERRNO_ROFS;
    int e = ask_host(node);
    if (e == 0)
        e = path_to(node, STR(""), &path);
    if (e != 0)
        return e;
    bool paused = hold_clock(node);
    e = let_clock(node, paused, served->ops->truncate(served->context, path.data, size));
    buf_release(&path);
    changed(node);
    return e;
}

/* ---- names */

static int ask_create(struct vnode *dir, struct str name, enum capful_node_kind kind)
{
    struct served *served = served_of(dir);
    struct buf path;
    if (!served->ops->create)
        return ERRNO_ROFS;
    int e = ask_host(dir);
    if (e == 0)
        e = path_to(dir, name, &path);
    if (e != 0)
        return e;
    bool paused = hold_clock(dir);
    e = let_clock(dir, paused, served->ops->create(served->context, path.data, kind));
    buf_release(&path);
    return e;
}

static int served_create(struct vnode *dir, struct str name, struct vnode **ret)
{
    int e = ask_create(dir, name, CAPFUL_FILE);
    if (e != 0)
        return e;
    vnode_removed(dir, name);
    struct capful_stat stat = {.kind = CAPFUL_FILE};
    e = new_snode(dir->fs, dir, name, &stat, ret);
    if (e == 0)
        snode_of(*ret)->fetched = 0; /* the host knows its times */
    return e;
}

static int served_mkdir(struct vnode *dir, struct str name)
{
    return ask_create(dir, name, CAPFUL_DIRECTORY);
}

static int served_remove(struct vnode *dir, struct str name, struct vnode *node)
{
    struct served *served = served_of(dir);
    struct buf path;
    (void)node;
    if (!served->ops->remove)
        return ERRNO_ROFS;
    int e = ask_host(dir);
    if (e == 0)
        e = path_to(dir, name, &path);
    if (e != 0)
        return e;
    bool paused = hold_clock(dir);
    e = let_clock(dir, paused, served->ops->remove(served->context, path.data));
    buf_release(&path);
    if (e == 0)
        vnode_removed(dir, name);
    return e;
}

/* ---- listings: taken whole when they start */

int capful_list_add(struct capful_list *list, const char *name, const struct capful_stat *stat)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_LENGTH_MAX || strchr(name, '/') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return CAPFUL_EINVAL;
    if (list->failed)
        return list->failed;
    if (list->count == list->alloc) {
        uint32_t alloc = list->alloc ? list->alloc * 2 : 64;
        uint64_t more = (uint64_t)(alloc - list->alloc) * (sizeof *list->list + 32);
        if (!kernel_charge(list->kernel, more))
            return list->failed = CAPFUL_ELIMIT;
        list->charged += more;
        struct listed *bigger = mem_resize_array(list->list, alloc, sizeof *bigger);
        if (!bigger)
            return list->failed = CAPFUL_ENOMEM;
        list->list = bigger;
        list->alloc = alloc;
    }
    size_t at = list->names.len;
    if (!buf_add(&list->names, name, len))
        return list->failed = CAPFUL_ENOMEM;
    list->list[list->count++] =
        (struct listed){(uint32_t)at, (uint16_t)len, stat ? (uint8_t)type_of(stat->kind) : 0};
    return 0;
}

static void free_list(void *state)
{
    struct capful_list *list = state;
    if (!list)
        return;
    kernel_discharge(list->kernel, list->charged);
    mem_free(list->list);
    buf_release(&list->names);
    mem_free(list);
}

static int take_list(struct vnode *dir, struct capful_list **ret)
{
    struct served *served = served_of(dir);
    struct buf path;
    int e = ask_host(dir);
    if (e == 0)
        e = path_to(dir, STR(""), &path);
    if (e != 0)
        return e;
    struct capful_list *list = mem_zalloc(sizeof *list);
    if (!list) {
        buf_release(&path);
        return ERRNO_NOMEM;
    }
    list->kernel = dir->fs->vfs->kernel;
    list->names = BUF_INIT(UINT32_MAX / 2);
    bool paused = hold_clock(dir);
    e = let_clock(dir, paused, served->ops->list(served->context, path.data, list));
    buf_release(&path);
    if (e == 0 && list->failed)
        e = list->failed == CAPFUL_ELIMIT ? ERRNO_NOSPC : ERRNO_NOMEM;
    if (e == 0)
        *ret = list;
    else
        free_list(list);
    return e;
}

static int served_readdir(struct vnode *dir, void **state, uint64_t cookie, struct file_dirent *ret)
{
    struct capful_list *list = *state;
    if (!list || cookie == 2) {
        int e = take_list(dir, &list);
        if (e != 0)
            return e;
        free_list(*state);
        *state = list;
    }
    if (cookie - 2 >= list->count)
        return ERRNO_NOENT;
    const struct listed *entry = &list->list[cookie - 2];
    struct str name = {list->names.data + entry->name, entry->len};
    *ret = (struct file_dirent){cookie + 1, ino_of(dir, name), (enum file_type)entry->type, name};
    return 0;
}

static int served_open(struct vnode *node, unsigned flags, bool read, bool write, struct file **ret)
{
    if (node->type != FILE_REGULAR)
        return ERRNO_ACCES;
    int e = flags & VFS_TRUNCATE ? served_set_size(node, 0) : 0;
    return e == 0 ? openfile_new(node, 0, read, write, ret) : e;
}

static void served_forget(struct vnode *node)
{
    drop_blocks(served_of(node), node);
}

static void served_free(struct fs *fs)
{
    struct served *served = (struct served *)fs;
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (served->blocks[i].data) {
            mem_free(served->blocks[i].data);
            kernel_discharge(fs->vfs->kernel, BLOCK_SIZE);
        }
    }
}

static const struct fs_ops served_ops = {
    .name = "served",
    .lookup = served_lookup,
    .parent = served_parent,
    .name_of = served_name_of,
    .stat = served_stat,
    .readlink = served_readlink,
    .create = served_create,
    .mkdir = served_mkdir,
    .unlink = served_remove,
    .rmdir = served_remove,
    .open = served_open,
    .read = served_read,
    .write = served_write,
    .set_size = served_set_size,
    .readdir = served_readdir,
    .free_state = free_list,
    .forget = served_forget,
    .free = served_free,
};

int served_new(struct vfs *vfs, const struct capful_mount_ops *ops, void *context, struct fs **ret)
{
    struct served *served = mem_zalloc(sizeof *served);
    if (!served)
        return ERRNO_NOMEM;
    bool read_only = !ops->write && !ops->create && !ops->remove && !ops->truncate;
    fs_init(&served->fs, &served_ops, vfs, read_only);
    served->ops = ops;
    served->context = context;
    *ret = &served->fs;
    return 0;
}

int served_root(struct fs *fs, struct vnode **ret)
{
    return new_snode(fs, NULL, STR(""), NULL, ret);
}
