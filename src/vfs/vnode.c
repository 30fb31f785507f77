/* The table of live vnodes. It never owns one: the last reference takes it out. */
#include <stddef.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/node.h"

#define VNODE_COST 256u

void fs_init(struct fs *fs, const struct fs_ops *ops, struct vfs *vfs, bool read_only)
{
    fs->ops = ops;
    fs->vfs = vfs;
    fs->refs = 1;
    fs->read_only = read_only;
    fs->dev = vfs->next_dev++;
}

struct fs *fs_ref(struct fs *fs)
{
    fs->refs++;
    return fs;
}

void fs_unref(struct fs *fs)
{
    if (!fs || --fs->refs > 0)
        return;
    if (fs->ops->free)
        fs->ops->free(fs);
    mem_free(fs);
}

void vnode_init(struct vnode *node, struct fs *fs, enum file_type type)
{
    node->refs = 1;
    node->type = type;
    node->fs = fs_ref(fs);
}

static uint32_t hash_bytes(uint64_t h, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
    h *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static uint32_t hash_ino(const struct fs *fs, uint64_t ino)
{
    return hash_bytes((uintptr_t)fs ^ ino * UINT64_C(0xbf58476d1ce4e5b9), NULL, 0);
}

static uint32_t hash_place(const struct vnode *parent, struct str name)
{
    return hash_bytes((uintptr_t)parent * UINT64_C(0xbf58476d1ce4e5b9), name.ptr, name.len);
}

/* More buckets; without memory the chains just get longer. */
static void grow(struct vfs *vfs)
{
    uint32_t count = vfs->bucket_count * 4;
    struct vnode **buckets = mem_array(count, sizeof *buckets);
    if (!buckets)
        return;
    for (uint32_t i = 0; i < vfs->bucket_count; i++) {
        for (struct vnode *node = vfs->buckets[i], *next; node; node = next) {
            next = node->hash_next;
            node->hash_next = buckets[node->hash & (count - 1)];
            buckets[node->hash & (count - 1)] = node;
        }
    }
    if (vfs->buckets != vfs->fixed_buckets)
        mem_free(vfs->buckets);
    vfs->buckets = buckets;
    vfs->bucket_count = count;
}

static void put_in(struct vnode *node, uint32_t hash)
{
    struct vfs *vfs = node->fs->vfs;
    if (vfs->vnode_count >= vfs->bucket_count * 2 && vfs->bucket_count < 1u << 20)
        grow(vfs);
    struct vnode **bucket = &vfs->buckets[hash & (vfs->bucket_count - 1)];
    node->hash = hash;
    node->hash_next = *bucket;
    node->hashed = true;
    *bucket = node;
    vfs->vnode_count++;
}

static void take_out(struct vnode *node)
{
    struct vfs *vfs = node->fs->vfs;
    if (!node->hashed)
        return;
    struct vnode **at = &vfs->buckets[node->hash & (vfs->bucket_count - 1)];
    while (*at != node)
        at = &(*at)->hash_next;
    *at = node->hash_next;
    node->hashed = false;
    vfs->vnode_count--;
}

/* A chain of parents is let go in a loop: it may be as long as a path. */
void vnode_unref(struct vnode *node)
{
    while (node && --node->refs == 0) {
        struct vnode *parent = node->parent;
        struct fs *fs = node->fs;
        take_out(node);
        if (fs->ops->forget)
            fs->ops->forget(node);
        kernel_discharge(fs->vfs->kernel, node->charged);
        if (!node->fixed_name)
            mem_free(node->name);
        mem_free(node);
        fs_unref(fs);
        node = parent;
    }
}

struct vnode *vnode_by_ino(struct fs *fs, uint64_t ino)
{
    struct vfs *vfs = fs->vfs;
    uint32_t hash = hash_ino(fs, ino);
    for (struct vnode *node = vfs->buckets[hash & (vfs->bucket_count - 1)]; node;
         node = node->hash_next) {
        if (node->hash == hash && node->fs == fs && node->ino == ino && !node->parent)
            return vnode_ref(node);
    }
    return NULL;
}

static struct vnode *find_place(const struct vnode *parent, struct str name)
{
    struct vfs *vfs = parent->fs->vfs;
    uint32_t hash = hash_place(parent, name);
    for (struct vnode *node = vfs->buckets[hash & (vfs->bucket_count - 1)]; node;
         node = node->hash_next) {
        if (node->hash == hash && node->parent == parent &&
            str_equal((struct str){node->name, node->name_len}, name))
            return node;
    }
    return NULL;
}

struct vnode *vnode_by_place(struct vnode *parent, struct str name)
{
    struct vnode *node = find_place(parent, name);
    return node ? vnode_ref(node) : NULL;
}

void vnode_hash_ino(struct vnode *node)
{
    put_in(node, hash_ino(node->fs, node->ino));
}

static void set_place(struct vnode *node, struct vnode *parent, char *name, size_t len)
{
    node->name = name;
    node->name_len = (uint32_t)len;
    node->parent = vnode_ref(parent);
    put_in(node, hash_place(parent, (struct str){name, len}));
}

/* Charged to the sandbox: a guest that opens many directories holds all those above them. */
int vnode_put(struct vnode *node, struct vnode *parent, struct str name)
{
    uint32_t cost = VNODE_COST + (uint32_t)name.len;
    char *copy = mem_dup(name.ptr, name.len);
    if (!copy)
        return ERRNO_NOMEM;
    if (!kernel_charge(node->fs->vfs->kernel, cost)) {
        mem_free(copy);
        return ERRNO_NOSPC;
    }
    node->charged = cost;
    set_place(node, parent, copy, name.len);
    return 0;
}

void vnode_put_fixed(struct vnode *node, struct vnode *parent, const char *name)
{
    node->fixed_name = true;
    set_place(node, parent, (char *)name, strlen(name)); /* never written through */
}

void vnode_removed(struct vnode *parent, struct str name)
{
    struct vnode *node = find_place(parent, name);
    if (!node)
        return;
    take_out(node);
    node->removed = true;
}

int vnode_prepare_move(struct str to_name, char **ret_name)
{
    char *name = mem_dup(to_name.ptr, to_name.len);
    if (!name)
        return ERRNO_NOMEM;
    *ret_name = name;
    return 0;
}

void vnode_move(struct vnode *from, struct str from_name, struct vnode *to, char *to_name)
{
    struct str name = str_of(to_name);
    struct vnode *node = find_place(from, from_name);
    vnode_removed(to, name);
    if (!node) {
        mem_free(to_name);
        return;
    }
    take_out(node);
    mem_free(node->name);
    node->name = to_name;
    node->name_len = (uint32_t)name.len;
    node->parent = vnode_ref(to);
    put_in(node, hash_place(to, name));
    vnode_unref(from);
}

bool vnode_place_path(const struct vnode *node, struct buf *out)
{
    size_t len = 0;
    for (const struct vnode *at = node; at->parent; at = at->parent) {
        if (at->removed)
            return false;
        len += at->name_len + 1u;
    }
    size_t start = out->len;
    if (!buf_reserve(out, len + 1))
        return false;
    if (len == 0)
        return true;
    char *end = out->data + start + len - 1; /* no slash in front of the first name */
    out->len = start + len - 1;
    *end = 0;
    for (const struct vnode *at = node; at->parent; at = at->parent) {
        end -= at->name_len;
        memcpy(end, at->name, at->name_len);
        if (at->parent->parent)
            *--end = '/';
    }
    return true;
}
