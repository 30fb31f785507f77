/* Inodes and names of the memory file system, see tree.h.
 *
 * Every change has two parts: first everything that may fail (limits, memory, making shared nodes
 * our own), which changes nothing that can be seen; then the change itself, which cannot fail.
 */
#include "vfs/tree.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "kernel/kernel.h"
#include "vfs/chunk.h"

#define FIRST_COOKIE 3u  /* 0 is the start, 1 and 2 follow "." and ".." */
#define SMALL        16u /* entries up to which a directory is searched from end to end */
/* With their share of the maps that hold them, which is large where few of many are left. */
#define INODE_COST   (sizeof(struct inode) + 192)
#define DIRENT_COST  (sizeof(struct dirent) + 160)

struct dirent {
    struct counted count;
    uint32_t hash;
    uint64_t ino;
    enum file_type type;
    uint32_t len;
    char name[];
};

/* Open addressing; cookie 0 is free, 1 was removed. */
struct dirindex {
    uint64_t *cookies;
    uint32_t *hashes;
    uint32_t alloc, used; /* used: removed ones included */
};

/* ---- hashing */

static uint64_t hash_seed;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (!rand_bytes(&hash_seed, sizeof hash_seed))
        hash_seed = clock_monotonic() ^ (uintptr_t)&hash_seed;
}

static uint32_t hash_name(struct str name)
{
    uint64_t h = hash_seed ^ name.len, word;
    size_t at = 0;
    for (; at + 8 <= name.len; at += 8) {
        memcpy(&word, name.ptr + at, 8);
        h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    word = 0;
    if (name.len > at)
        memcpy(&word, name.ptr + at, name.len - at);
    h = (h ^ word ^ hash_seed) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 32) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(h >> 32);
}

/* ---- counted parts */

static struct text *new_text(struct str from)
{
    struct text *text = mem_alloc(sizeof *text + from.len);
    if (!text)
        return NULL;
    atomic_init(&text->count.refs, 1);
    text->len = (uint32_t)from.len;
    if (from.len)
        memcpy(text->bytes, from.ptr, from.len);
    return text;
}

static void unref_text(struct text *text)
{
    if (text && counted_unref(text))
        mem_free(text);
}

static struct dirent *new_dirent(struct str name, uint64_t ino, enum file_type type)
{
    struct dirent *entry = mem_alloc(sizeof *entry + name.len);
    if (!entry)
        return NULL;
    atomic_init(&entry->count.refs, 1);
    entry->hash = hash_name(name);
    entry->ino = ino;
    entry->type = type;
    entry->len = (uint32_t)name.len;
    memcpy(entry->name, name.ptr, name.len);
    return entry;
}

static void unref_dirent(void *item)
{
    if (counted_unref(item))
        mem_free(item);
}

static void unref_inode(void *item)
{
    struct inode *inode = item;
    if (!counted_unref(inode))
        return;
    radix_release(&inode->map, inode->type == FILE_DIRECTORY ? unref_dirent : chunk_unref);
    unref_text(inode->text);
    mem_free(inode);
}

static struct inode *new_inode(const struct tree *tree, const struct tree_make *make)
{
    struct inode *inode = mem_zalloc(sizeof *inode);
    if (!inode)
        return NULL;
    atomic_init(&inode->count.refs, 1);
    inode->type = make->type;
    inode->mode = make->mode & 0777;
    inode->links = make->type == FILE_DIRECTORY ? 2 : 1;
    inode->atime = inode->mtime = inode->ctime = tree_now(tree);
    inode->next_cookie = FIRST_COOKIE;
    if (make->text.ptr) {
        inode->text = new_text(make->text);
        if (!inode->text) {
            mem_free(inode);
            return NULL;
        }
        if (make->type == FILE_SYMLINK)
            inode->size = make->text.len;
        inode->held = make->text.len;
    }
    return inode;
}

/* ---- the index of a directory */

/* As the map of all indexes holds it. */
static struct dirindex *index_of(uint64_t value)
{
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the map holds integers
    return (struct dirindex *)(uintptr_t)value;
}

static void free_index(struct tree *tree, uint64_t dir)
{
    struct dirindex *index = index_of(imap_take(&tree->indexes, dir));
    if (!index)
        return;
    mem_free(index->cookies);
    mem_free(index->hashes);
    mem_free(index);
}

static void index_put(struct dirindex *index, uint32_t hash, uint64_t cookie)
{
    uint32_t i = hash & (index->alloc - 1);
    while (index->cookies[i] != 0)
        i = (i + 1) & (index->alloc - 1);
    index->cookies[i] = cookie;
    index->hashes[i] = hash;
    index->used++;
}

/* NULL when memory is short: then the directory is searched from end to end. */
static struct dirindex *get_index(struct tree *tree, uint64_t dir, const struct inode *inode)
{
    struct dirindex *index = index_of(imap_get(&tree->indexes, dir));
    if (index)
        return index;
    index = mem_zalloc(sizeof *index);
    if (!index)
        return NULL;
    index->alloc = 64;
    while (index->alloc < inode->entries * 2)
        index->alloc *= 2;
    index->cookies = mem_array(index->alloc, sizeof *index->cookies);
    index->hashes = mem_array(index->alloc, sizeof *index->hashes);
    if (!index->cookies || !index->hashes || !imap_put(&tree->indexes, dir, (uintptr_t)index)) {
        mem_free(index->cookies);
        mem_free(index->hashes);
        mem_free(index);
        return NULL;
    }
    uint64_t cookie = 0;
    for (struct dirent *entry; (entry = radix_next(&inode->map, cookie, &cookie)); cookie++)
        index_put(index, entry->hash, cookie);
    return index;
}

static void index_added(struct tree *tree, uint64_t dir, uint32_t hash, uint64_t cookie)
{
    struct dirindex *index = index_of(imap_get(&tree->indexes, dir));
    if (!index)
        return;
    if (index->used * 4 >= index->alloc * 3)
        free_index(tree, dir); /* made anew, larger, when it is needed */
    else
        index_put(index, hash, cookie);
}

static void index_removed(struct tree *tree, uint64_t dir, uint32_t hash, uint64_t cookie)
{
    struct dirindex *index = index_of(imap_get(&tree->indexes, dir));
    if (!index)
        return;
    uint32_t i = hash & (index->alloc - 1);
    while (index->cookies[i] != 0 && index->cookies[i] != cookie)
        i = (i + 1) & (index->alloc - 1);
    if (index->cookies[i] == cookie)
        index->cookies[i] = 1;
}

/* ---- accounts */

uint64_t tree_now(const struct tree *tree)
{
    return kernel_time_real(tree->kernel);
}

bool tree_must_stop(struct kernel *kernel)
{
    return kernel->current && kernel_must_stop(kernel);
}

/* A guest that passes a limit ends its run; a host that does gets the errno only. */
static int over(const struct tree *tree, const char *limit, uint64_t value)
{
    struct kernel *kernel = tree->kernel;
    if (kernel->current)
        kernel_stop_limit(kernel, limit, "the limit %s of %llu is reached", limit,
                          (unsigned long long)value);
    return ERRNO_NOSPC;
}

static int charge(struct tree *tree, uint64_t bytes)
{
    if (!kernel_charge(tree->kernel, bytes))
        return ERRNO_NOSPC;
    tree->charged += bytes;
    return 0;
}

static void discharge(struct tree *tree, uint64_t bytes)
{
    kernel_discharge(tree->kernel, bytes);
    tree->charged -= bytes;
}

int tree_charge_bytes(struct tree *tree, uint64_t bytes, uint64_t chunks)
{
    uint64_t limit = tree->kernel->limits.vfs_bytes;
    if (bytes > limit || tree->bytes > limit - bytes)
        return over(tree, "vfs_bytes", limit);
    int e = charge(tree, bytes + chunks * CHUNK_COST);
    if (e == 0)
        tree->bytes += bytes;
    return e;
}

void tree_discharge_bytes(struct tree *tree, uint64_t bytes, uint64_t chunks)
{
    tree->bytes -= bytes;
    discharge(tree, bytes + chunks * CHUNK_COST);
}

static int charge_node(struct tree *tree, uint64_t bytes)
{
    uint64_t limit = tree->kernel->limits.vfs_nodes;
    if (tree->nodes >= limit)
        return over(tree, "vfs_nodes", limit);
    int e = charge(tree, INODE_COST + bytes);
    if (e == 0)
        tree->nodes++;
    return e;
}

static void discharge_node(struct tree *tree, uint64_t bytes)
{
    tree->nodes--;
    discharge(tree, INODE_COST + bytes);
}

/* ---- life */

static int make_root(struct tree *tree)
{
    struct tree_make make = {.type = FILE_DIRECTORY, .mode = 0755};
    struct inode *root = new_inode(tree, &make);
    if (!root || !radix_reserve(&tree->table, TREE_ROOT)) {
        if (root)
            unref_inode(root);
        return ERRNO_NOMEM;
    }
    root->parent = TREE_ROOT;
    *radix_slot(&tree->table, TREE_ROOT) = root;
    return 0;
}

static struct tree *new_tree(struct kernel *kernel)
{
    pthread_once(&hash_once, make_seed);
    struct tree *tree = mem_zalloc(sizeof *tree);
    if (!tree)
        return NULL;
    tree->refs = 1;
    tree->kernel = kernel;
    tree->next_ino = TREE_ROOT + 1;
    return tree;
}

int tree_new(struct kernel *kernel, struct tree **ret)
{
    struct tree *tree = new_tree(kernel);
    if (!tree)
        return ERRNO_NOMEM;
    int e = make_root(tree);
    if (e == 0)
        *ret = tree;
    else
        tree_unref(tree);
    return e;
}

int tree_from(struct kernel *kernel, const struct tree_state *state, struct tree **ret)
{
    if (state->bytes > kernel->limits.vfs_bytes || state->nodes > kernel->limits.vfs_nodes)
        return ERRNO_NOSPC;
    struct tree *tree = new_tree(kernel);
    if (!tree)
        return ERRNO_NOMEM;
    if (charge(tree, state->charged) != 0) {
        tree_unref(tree);
        return ERRNO_NOSPC;
    }
    tree->table = radix_copy(&state->table);
    tree->next_ino = state->next_ino;
    tree->bytes = state->bytes;
    tree->nodes = state->nodes;
    *ret = tree;
    return 0;
}

void tree_unref(struct tree *tree)
{
    if (!tree || --tree->refs > 0)
        return;
    radix_release(&tree->table, unref_inode);
    for (uint32_t i = 0; i < tree->indexes.alloc; i++) {
        struct dirindex *index = index_of(tree->indexes.slots[i].value);
        if (index) {
            mem_free(index->cookies);
            mem_free(index->hashes);
            mem_free(index);
        }
    }
    imap_release(&tree->indexes);
    imap_release(&tree->pins);
    kernel_discharge(tree->kernel, tree->charged);
    mem_free(tree);
}

void tree_state_release(struct tree_state *state)
{
    radix_release(&state->table, unref_inode);
}

static uint64_t node_bytes(const struct inode *inode)
{
    return inode->type == FILE_REGULAR ? 0 : inode->held;
}

int tree_save(struct tree *tree, struct tree_state *ret)
{
    struct tree_state state = {radix_copy(&tree->table), tree->next_ino, tree->bytes, tree->nodes,
                               tree->charged};
    for (uint32_t i = 0; tree->orphans > 0 && i < tree->pins.alloc; i++) {
        uint64_t ino = tree->pins.slots[i].key;
        const struct inode *inode = ino ? radix_get(&state.table, ino) : NULL;
        if (!inode || inode->links > 0)
            continue;
        if (!radix_own(&state.table, ino)) {
            tree_state_release(&state);
            return ERRNO_NOMEM;
        }
        state.nodes--;
        state.charged -= INODE_COST + node_bytes(inode);
        if (inode->type == FILE_REGULAR) {
            state.bytes -= inode->held;
            state.charged -= inode->held + inode->chunks * CHUNK_COST;
        }
        unref_inode(radix_take(&state.table, ino));
    }
    *ret = state;
    return 0;
}

/* ---- inodes */

const struct inode *tree_get(const struct tree *tree, uint64_t ino)
{
    return radix_get(&tree->table, ino);
}

/* The inode in a table whose path to it is ours already. */
static bool own_inode(struct inode **at)
{
    struct inode *inode = *at;
    if (!counted_shared(inode))
        return true;
    struct inode *copy = mem_alloc(sizeof *copy);
    if (!copy)
        return false;
    /* All but the count, which other threads may be changing. */
    memcpy((char *)copy + offsetof(struct inode, type),
           (const char *)inode + offsetof(struct inode, type),
           sizeof *copy - offsetof(struct inode, type));
    atomic_init(&copy->count.refs, 1);
    copy->map = radix_copy(&inode->map);
    if (copy->text)
        counted_ref(copy->text);
    *at = copy;
    unref_inode(inode);
    return true;
}

struct inode *tree_edit(struct tree *tree, uint64_t ino)
{
    if (!radix_get(&tree->table, ino) || !radix_own(&tree->table, ino))
        return NULL;
    struct inode **at = (struct inode **)radix_slot(&tree->table, ino);
    return own_inode(at) ? *at : NULL;
}

void tree_stat(const struct inode *inode, uint64_t ino, struct file_stat *ret)
{
    ret->dev = 0;
    ret->ino = ino;
    ret->type = inode->type;
    ret->mode = inode->mode;
    ret->links = inode->links;
    ret->size = inode->type == FILE_DIRECTORY ? inode->entries * 32 : inode->size;
    ret->atime = inode->atime;
    ret->mtime = inode->mtime;
    ret->ctime = inode->ctime;
}

/* The path to the inode is ours: it loses its place in the table. */
static void free_inode(struct tree *tree, uint64_t ino)
{
    free_index(tree, ino);
    struct inode *inode = radix_take(&tree->table, ino);
    discharge_node(tree, node_bytes(inode));
    if (inode->type == FILE_REGULAR)
        tree_discharge_bytes(tree, inode->held, inode->chunks);
    unref_inode(inode);
}

int tree_pin(struct tree *tree, uint64_t ino)
{
    return imap_put(&tree->pins, ino, imap_get(&tree->pins, ino) + 1) ? 0 : ERRNO_NOMEM;
}

void tree_unpin(struct tree *tree, uint64_t ino)
{
    uint64_t count = imap_get(&tree->pins, ino);
    if (count > 1) {
        (void)imap_put(&tree->pins, ino, count - 1); /* the key is there: nothing to allocate */
        return;
    }
    if (count == 0)
        return;
    imap_take(&tree->pins, ino);
    const struct inode *inode = tree_get(tree, ino);
    if (!inode || inode->links > 0)
        return;
    if (!radix_own(&tree->table, ino))
        return; /* short of memory a nameless inode stays in a table that is shared, until the tree
                   goes */
    tree->orphans--;
    free_inode(tree, ino);
}

/* Drops one name of an inode that tree_edit made ours. */
static void drop_name(struct tree *tree, uint64_t ino, struct inode *inode)
{
    inode->links = inode->type == FILE_DIRECTORY ? 0 : inode->links - 1;
    inode->ctime = tree_now(tree);
    if (inode->links > 0)
        return;
    if (imap_get(&tree->pins, ino))
        tree->orphans++;
    else
        free_inode(tree, ino);
}

/* ---- names */

static bool is_named(const struct dirent *entry, uint32_t hash, struct str name)
{
    return entry->hash == hash && entry->len == name.len &&
           memcmp(entry->name, name.ptr, name.len) == 0;
}

static struct dirent *find_dirent(struct tree *tree, uint64_t dir, const struct inode *inode,
                                  struct str name, uint64_t *ret_cookie)
{
    uint32_t hash = hash_name(name);
    struct dirindex *index = inode->entries > SMALL ? get_index(tree, dir, inode) : NULL;
    if (index) {
        for (uint32_t i = hash & (index->alloc - 1); index->cookies[i] != 0;
             i = (i + 1) & (index->alloc - 1)) {
            if (index->hashes[i] != hash || index->cookies[i] == 1)
                continue;
            struct dirent *entry = radix_get(&inode->map, index->cookies[i]);
            if (entry && is_named(entry, hash, name)) {
                *ret_cookie = index->cookies[i];
                return entry;
            }
        }
        return NULL;
    }
    uint64_t cookie = 0;
    for (struct dirent *entry; (entry = radix_next(&inode->map, cookie, &cookie)); cookie++) {
        if (is_named(entry, hash, name)) {
            *ret_cookie = cookie;
            return entry;
        }
    }
    return NULL;
}

static void fill_entry(struct tree_entry *ret, const struct dirent *entry, uint64_t cookie)
{
    *ret = (struct tree_entry){cookie, entry->ino, entry->type, {entry->name, entry->len}};
}

int tree_find(struct tree *tree, uint64_t dir, struct str name, struct tree_entry *ret)
{
    const struct inode *inode = tree_get(tree, dir);
    uint64_t cookie;
    if (!inode)
        return ERRNO_NOENT;
    if (inode->type != FILE_DIRECTORY)
        return ERRNO_NOTDIR;
    const struct dirent *entry = find_dirent(tree, dir, inode, name, &cookie);
    if (!entry)
        return ERRNO_NOENT;
    fill_entry(ret, entry, cookie);
    return 0;
}

int tree_next(const struct tree *tree, uint64_t dir, uint64_t cookie, struct tree_entry *ret)
{
    const struct inode *inode = tree_get(tree, dir);
    if (!inode || inode->type != FILE_DIRECTORY)
        return ERRNO_NOENT;
    const struct dirent *entry = radix_next(&inode->map, cookie, &cookie);
    if (!entry)
        return ERRNO_NOENT;
    fill_entry(ret, entry, cookie);
    return 0;
}

int tree_name_of(const struct tree *tree, uint64_t dir, struct tree_entry *ret)
{
    const struct inode *inode = tree_get(tree, dir);
    const struct inode *parent = inode && inode->links > 0 ? tree_get(tree, inode->parent) : NULL;
    const struct dirent *entry = parent ? radix_get(&parent->map, inode->place) : NULL;
    if (!entry)
        return ERRNO_NOENT;
    fill_entry(ret, entry, inode->place);
    return 0;
}

/* What is needed to put an entry into a directory, and to take another out, without failing. */
struct change {
    struct inode *dir;
    uint64_t ino;
    struct dirent *old; /* under that name, NULL if none */
    uint64_t old_cookie;
    struct dirent *fresh; /* goes in; NULL if none */
};

/* `ino` 0 with FILE_UNKNOWN: a whiteout goes in. */
static int prepare(struct tree *tree, uint64_t dir, struct str name, bool put, uint64_t ino,
                   enum file_type type, struct change *ret)
{
    const struct inode *seen = tree_get(tree, dir);
    if (!seen || seen->links == 0)
        return ERRNO_NOENT;
    if (seen->type != FILE_DIRECTORY)
        return ERRNO_NOTDIR;
    struct change change = {tree_edit(tree, dir), dir, NULL, 0, NULL};
    if (!change.dir)
        return ERRNO_NOMEM;
    change.old = find_dirent(tree, dir, change.dir, name, &change.old_cookie);
    if (change.old && !radix_own(&change.dir->map, change.old_cookie))
        return ERRNO_NOMEM;
    if (put) {
        int e = charge(tree, DIRENT_COST + name.len);
        if (e != 0)
            return e;
        change.fresh = new_dirent(name, ino, type);
        if (!change.fresh || !radix_reserve(&change.dir->map, change.dir->next_cookie)) {
            if (change.fresh)
                unref_dirent(change.fresh);
            discharge(tree, DIRENT_COST + name.len);
            return ERRNO_NOMEM;
        }
        /* Making room may have copied nodes on the way to the old entry: it is ours still, since
         * they were ours. */
    }
    *ret = change;
    return 0;
}

static void abandon(struct tree *tree, struct change *change)
{
    if (!change->fresh)
        return;
    discharge(tree, DIRENT_COST + change->fresh->len);
    unref_dirent(change->fresh);
    change->fresh = NULL;
}

static void take_old(struct tree *tree, struct change *change)
{
    struct inode *dir = change->dir;
    if (!change->old)
        return;
    uint64_t cost = DIRENT_COST + change->old->len;
    index_removed(tree, change->ino, change->old->hash, change->old_cookie);
    radix_take(&dir->map, change->old_cookie);
    dir->entries--;
    dir->held -= cost;
    discharge(tree, cost);
    unref_dirent(change->old);
    change->old = NULL;
}

/* Puts the new entry first: taking the old one out may drop the room that was made. */
static uint64_t commit(struct tree *tree, struct change *change)
{
    struct inode *dir = change->dir;
    uint64_t cookie = 0;
    if (change->fresh) {
        cookie = dir->next_cookie++;
        *radix_slot(&dir->map, cookie) = change->fresh;
        dir->entries++;
        dir->held += DIRENT_COST + change->fresh->len;
        index_added(tree, change->ino, change->fresh->hash, cookie);
        change->fresh = NULL;
    }
    take_old(tree, change);
    dir->mtime = dir->ctime = tree_now(tree);
    return cookie;
}

static int insert_inode(struct tree *tree, const struct tree_make *make, struct inode **ret,
                        uint64_t *ret_ino)
{
    int e = charge_node(tree, make->text.len);
    if (e != 0)
        return e;
    struct inode *inode = new_inode(tree, make);
    if (!inode || !radix_reserve(&tree->table, tree->next_ino)) {
        if (inode)
            unref_inode(inode);
        discharge_node(tree, make->text.len);
        return ERRNO_NOMEM;
    }
    *ret = inode;
    *ret_ino = tree->next_ino;
    return 0;
}

int tree_make(struct tree *tree, uint64_t dir, struct str name, const struct tree_make *make,
              uint64_t *ret_ino)
{
    struct inode *inode;
    uint64_t ino;
    struct change change;
    int e = prepare(tree, dir, name, true, tree->next_ino, make->type, &change);
    if (e != 0)
        return e;
    e = change.old && change.old->ino != 0 ? ERRNO_EXIST : insert_inode(tree, make, &inode, &ino);
    if (e != 0) {
        abandon(tree, &change);
        return e;
    }
    tree->next_ino++;
    *radix_slot(&tree->table, ino) = inode;
    uint64_t cookie = commit(tree, &change);
    if (make->type == FILE_DIRECTORY) {
        inode->parent = dir;
        inode->place = cookie;
        change.dir->links++;
    }
    *ret_ino = ino;
    return 0;
}

int tree_make_unnamed(struct tree *tree, const struct tree_make *make, uint64_t *ret_ino)
{
    struct inode *inode;
    uint64_t ino;
    int e = insert_inode(tree, make, &inode, &ino);
    if (e != 0)
        return e;
    e = tree_pin(tree, ino);
    if (e != 0) {
        discharge_node(tree, make->text.len);
        unref_inode(inode);
        return e;
    }
    inode->links = 0;
    tree->next_ino++;
    tree->orphans++;
    *radix_slot(&tree->table, ino) = inode;
    *ret_ino = ino;
    return 0;
}

int tree_link(struct tree *tree, uint64_t ino, uint64_t dir, struct str name)
{
    const struct inode *seen = tree_get(tree, ino);
    if (!seen)
        return ERRNO_NOENT;
    if (seen->links >= UINT32_MAX)
        return ERRNO_MLINK;
    struct change change;
    int e = prepare(tree, dir, name, true, ino, seen->type, &change);
    if (e != 0)
        return e;
    struct inode *inode = change.old && change.old->ino != 0 ? NULL : tree_edit(tree, ino);
    if (!inode) {
        e = change.old && change.old->ino != 0 ? ERRNO_EXIST : ERRNO_NOMEM;
        abandon(tree, &change);
        return e;
    }
    if (inode->links == 0)
        tree->orphans--;
    inode->ctime = tree_now(tree);
    uint64_t cookie = commit(tree, &change);
    if (inode->type == FILE_DIRECTORY) { /* one that tree_make_unnamed made */
        inode->links = 2;
        inode->parent = dir;
        inode->place = cookie;
        change.dir->links++;
    } else {
        inode->links++;
    }
    return 0;
}

/* Only whiteouts, or nothing. */
static bool is_hollow(const struct inode *dir)
{
    uint64_t cookie = 0;
    for (struct dirent *entry; (entry = radix_next(&dir->map, cookie, &cookie)); cookie++) {
        if (entry->ino != 0)
            return false;
    }
    return true;
}

/* The old entry's inode, ours. *ret stays NULL for a whiteout. */
static int prepare_victim(struct tree *tree, const struct change *change, struct inode **ret)
{
    if (!change->old || change->old->ino == 0)
        return 0;
    struct inode *inode = tree_edit(tree, change->old->ino);
    if (!inode)
        return tree_get(tree, change->old->ino) ? ERRNO_NOMEM : ERRNO_IO;
    if (inode->type == FILE_DIRECTORY && !is_hollow(inode))
        return ERRNO_NOTEMPTY;
    *ret = inode;
    return 0;
}

static void drop_victim(struct tree *tree, struct inode *dir, uint64_t ino, struct inode *victim)
{
    if (!victim)
        return;
    if (victim->type == FILE_DIRECTORY) {
        dir->links--;
        if (victim->held > 0) { /* whiteouts that are left */
            uint64_t text = victim->text ? victim->text->len : 0;
            discharge(tree, victim->held - text);
            victim->held = text;
            victim->entries = 0;
            free_index(tree, ino);
            radix_release(&victim->map, unref_dirent);
        }
    }
    drop_name(tree, ino, victim);
}

int tree_remove(struct tree *tree, uint64_t dir, struct str name, bool whiteout)
{
    struct inode *victim = NULL;
    struct change change;
    int e = prepare(tree, dir, name, whiteout, 0, FILE_UNKNOWN, &change);
    if (e != 0)
        return e;
    if (!change.old && !whiteout)
        return ERRNO_NOENT;
    e = prepare_victim(tree, &change, &victim);
    if (e != 0) {
        abandon(tree, &change);
        return e;
    }
    uint64_t ino = change.old ? change.old->ino : 0;
    commit(tree, &change);
    drop_victim(tree, change.dir, ino, victim);
    return 0;
}

int tree_rename(struct tree *tree, uint64_t from, struct str from_name, uint64_t to,
                struct str to_name, bool whiteout)
{
    struct tree_entry moved;
    struct inode *victim = NULL, *inode = NULL;
    struct change out, in;
    int e = tree_find(tree, from, from_name, &moved);
    if (e != 0)
        return e;
    e = prepare(tree, to, to_name, true, moved.ino, moved.type, &in);
    if (e != 0)
        return e;
    e = prepare(tree, from, from_name, whiteout, 0, FILE_UNKNOWN, &out);
    if (e == 0) {
        inode = tree_edit(tree, moved.ino);
        e = inode ? prepare_victim(tree, &in, &victim) : ERRNO_NOMEM;
        if (e != 0)
            abandon(tree, &out);
    }
    /* In one directory both changes need room of their own: the second cookie comes after the
     * first. */
    if (e == 0 && out.fresh && out.dir == in.dir &&
        !radix_reserve(&in.dir->map, in.dir->next_cookie + 1)) {
        abandon(tree, &out);
        e = ERRNO_NOMEM;
    }
    if (e != 0) {
        abandon(tree, &in);
        return e;
    }
    uint64_t victim_ino = in.old ? in.old->ino : 0;
    uint64_t cookie = commit(tree, &in);
    commit(tree, &out);
    if (inode->type == FILE_DIRECTORY) {
        out.dir->links--;
        in.dir->links++;
        inode->parent = to;
        inode->place = cookie;
    }
    inode->ctime = tree_now(tree);
    drop_victim(tree, in.dir, victim_ino, victim);
    return 0;
}

/* ---- attributes */

int tree_set_times(struct tree *tree, uint64_t ino, uint64_t atime, uint64_t mtime, unsigned which)
{
    struct inode *inode = tree_edit(tree, ino);
    if (!inode)
        return ERRNO_NOMEM;
    if (which & FILE_SET_ATIME)
        inode->atime = atime;
    if (which & FILE_SET_MTIME)
        inode->mtime = mtime;
    inode->ctime = tree_now(tree);
    return 0;
}

int tree_set_mode(struct tree *tree, uint64_t ino, uint32_t mode)
{
    struct inode *inode = tree_edit(tree, ino);
    if (!inode)
        return ERRNO_NOMEM;
    inode->mode = mode & 0777;
    inode->ctime = tree_now(tree);
    return 0;
}

int tree_set_alias(struct tree *tree, uint64_t ino, uint64_t alias)
{
    struct inode *inode = tree_edit(tree, ino);
    if (!inode)
        return ERRNO_NOMEM;
    inode->alias = alias;
    return 0;
}

/* ---- for tests */

static const char *check_directory(const struct tree *tree, uint64_t ino, const struct inode *dir)
{
    uint64_t cookie = 0, entries = 0, held = dir->text ? dir->text->len : 0;
    for (const struct dirent *entry; (entry = radix_next(&dir->map, cookie, &cookie)); cookie++) {
        entries++;
        held += DIRENT_COST + entry->len;
        if (cookie >= dir->next_cookie)
            return "a cookie that was never given out";
        if (entry->ino == 0)
            continue;
        const struct inode *child = tree_get(tree, entry->ino);
        if (!child || child->links == 0)
            return "an entry whose inode is gone";
        if (child->type != entry->type)
            return "an entry of another type than its inode";
        if (child->type == FILE_DIRECTORY && (child->parent != ino || child->place != cookie))
            return "a directory that does not know its place";
    }
    if (entries != dir->entries)
        return "a wrong count of entries";
    return held == dir->held ? NULL : "wrong bytes held by a directory";
}

const char *tree_check(const struct tree *tree)
{
    uint64_t ino = 0, nodes = 0, bytes = 0, charged = 0, orphans = 0;
    for (const struct inode *inode; (inode = radix_next(&tree->table, ino, &ino)); ino++) {
        const char *wrong =
            inode->type == FILE_DIRECTORY ? check_directory(tree, ino, inode) : NULL;
        if (wrong)
            return wrong;
        orphans += inode->links == 0;
        if (inode->type == FILE_REGULAR) {
            uint64_t held = 0, chunks = 0, at = 0;
            for (const struct chunk *chunk; (chunk = radix_next(&inode->map, at, &at));
                 at++, chunks++)
                held += chunk->size;
            if (held != inode->held || chunks != inode->chunks)
                return "wrong bytes held by a file";
            bytes += held;
            charged += chunks * CHUNK_COST;
        }
        charged += inode->held;
        if (ino == TREE_ROOT)
            continue;
        nodes++;
        charged += INODE_COST;
    }
    if (nodes != tree->nodes)
        return "a wrong count of inodes";
    if (bytes != tree->bytes)
        return "a wrong sum of bytes";
    if (charged != tree->charged)
        return "a wrong charge";
    return orphans == tree->orphans ? NULL : "a wrong count of nameless inodes";
}
