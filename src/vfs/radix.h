/* A persistent map from numbers to counted items: a radix tree whose nodes are shared between
 * copies.
 *
 * Copying a map takes a reference on its root, nothing more. Nodes are changed in place only while
 * nobody else holds them; the first change after a copy duplicates the nodes on the way to that
 * key, at most sixteen of sixteen slots. The inode table, every directory and the chunks of every
 * file are such maps, so a snapshot of a whole tree is one reference.
 *
 *     root (height 2)            keys 0..255
 *       [ 0 | 1 | . | … ]
 *         |   '-> [16|17|…|31]   leaves point to items
 *         '-----> [0|1|…|15]
 *
 * An item starts with its count (struct counted). What may run out of memory is done first
 * (radix_reserve, radix_own); what changes the map afterwards cannot fail, so that operations over
 * several maps are all or nothing.
 */
#ifndef CAPFUL_VFS_RADIX_H
#define CAPFUL_VFS_RADIX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct counted {
    _Atomic uint32_t refs;
};

struct radix_node;
struct radix {
    struct radix_node *root; /* NULL: empty */
    unsigned height;         /* levels; keys are below 16^height */
};

typedef void (*radix_drop_fn)(void *item);

static inline void *counted_ref(void *item)
{
    atomic_fetch_add_explicit(&((struct counted *)item)->refs, 1, memory_order_relaxed);
    return item;
}

/* True if that was the last reference. */
static inline bool counted_unref(void *item)
{
    return atomic_fetch_sub_explicit(&((struct counted *)item)->refs, 1, memory_order_acq_rel) == 1;
}

static inline bool counted_shared(const void *item)
{
    return atomic_load_explicit(&((const struct counted *)item)->refs, memory_order_acquire) > 1;
}

/* Another map with the same contents. */
struct radix radix_copy(const struct radix *map);
void radix_release(struct radix *map, radix_drop_fn drop);

/* Borrowed; NULL if there is none. Must not be changed unless the map was made its only owner. */
void *radix_get(const struct radix *map, uint64_t key);
/* The item with the smallest key from `key` on. */
void *radix_next(const struct radix *map, uint64_t key, uint64_t *ret_key);

/* Makes the nodes towards `key`, each held by this map only. False when memory is short; the
 * contents are the same. */
bool radix_reserve(struct radix *map, uint64_t key);
/* The same for nodes that exist, without making new ones. */
bool radix_own(struct radix *map, uint64_t key);
/* After radix_reserve: where the item of `key` is kept. Valid until the map is changed. */
void **radix_slot(struct radix *map, uint64_t key);
/* After radix_own: takes the item out (the caller has its reference then) and drops nodes that
 * became empty. */
void *radix_take(struct radix *map, uint64_t key);
/* After radix_own(map, from): drops every item from that key on. */
void radix_cut(struct radix *map, uint64_t from, radix_drop_fn drop);

#endif
