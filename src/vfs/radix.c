/* Persistent radix trees, see radix.h. Recursion goes down levels only: at most sixteen. */
#include "vfs/radix.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

#define BITS       4
#define SLOTS      (1u << BITS)
#define MAX_HEIGHT (64 / BITS)

struct radix_node {
    struct counted count;
    void *slots[SLOTS];
};

static unsigned digit(uint64_t key, unsigned level)
{
    return (key >> (level * BITS)) & (SLOTS - 1);
}

/* A map of this height has room for the key. */
static bool fits(uint64_t key, unsigned height)
{
    return height >= MAX_HEIGHT || key >> (height * BITS) == 0;
}

struct radix radix_copy(const struct radix *map)
{
    if (map->root)
        counted_ref(map->root);
    return *map;
}

static void drop_node(struct radix_node *node, unsigned level, radix_drop_fn drop)
{
    if (!counted_unref(node))
        return;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (!node->slots[i])
            continue;
        if (level == 0)
            drop(node->slots[i]);
        else
            drop_node(node->slots[i], level - 1, drop);
    }
    mem_free(node);
}

void radix_release(struct radix *map, radix_drop_fn drop)
{
    if (map->root)
        drop_node(map->root, map->height - 1, drop);
    *map = (struct radix){NULL, 0};
}

void *radix_get(const struct radix *map, uint64_t key)
{
    const struct radix_node *node = map->root;
    if (!node || !fits(key, map->height))
        return NULL;
    for (unsigned level = map->height - 1; level > 0 && node; level--)
        node = node->slots[digit(key, level)];
    return node ? node->slots[digit(key, 0)] : NULL;
}

static void *next_in(const struct radix_node *node, unsigned level, uint64_t base, uint64_t from,
                     uint64_t *ret_key)
{
    unsigned first = from > base ? digit(from, level) : 0;
    for (unsigned i = first; i < SLOTS; i++) {
        if (!node->slots[i])
            continue;
        uint64_t here = base | (uint64_t)i << (level * BITS);
        if (level == 0) {
            *ret_key = here;
            return node->slots[i];
        }
        void *item = next_in(node->slots[i], level - 1, here, from, ret_key);
        if (item)
            return item;
    }
    return NULL;
}

void *radix_next(const struct radix *map, uint64_t key, uint64_t *ret_key)
{
    if (!map->root || !fits(key, map->height))
        return NULL;
    return next_in(map->root, map->height - 1, 0, key, ret_key);
}

/* Replaces *at, a node that others hold too, by a copy of its own. */
static bool own_node(struct radix_node **at)
{
    struct radix_node *node = *at;
    if (!counted_shared(node))
        return true;
    struct radix_node *copy = mem_alloc(sizeof *copy);
    if (!copy)
        return false;
    atomic_init(&copy->count.refs, 1);
    memcpy(copy->slots, node->slots, sizeof copy->slots);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (copy->slots[i])
            counted_ref(copy->slots[i]);
    }
    *at = copy;
    /* Another thread may let go of the rest meanwhile, and then this is the last reference; all
     * that it held is held by the copy too, so that only the node itself goes. */
    if (counted_unref(node)) {
        for (unsigned i = 0; i < SLOTS; i++) {
            if (node->slots[i])
                (void)counted_unref(node->slots[i]);
        }
        mem_free(node);
    }
    return true;
}

static struct radix_node *new_node(void)
{
    struct radix_node *node = mem_zalloc(sizeof *node);
    if (node)
        atomic_init(&node->count.refs, 1);
    return node;
}

static bool walk(struct radix *map, uint64_t key, bool make)
{
    if (!fits(key, map->height) || !map->root) {
        if (!make)
            return true;
        while (!map->root || !fits(key, map->height)) {
            struct radix_node *top = new_node();
            if (!top)
                return false;
            top->slots[0] = map->root;
            map->root = top;
            map->height++;
        }
    }
    struct radix_node **at = &map->root;
    for (unsigned level = map->height - 1;; level--) {
        if (!own_node(at))
            return false;
        if (level == 0)
            return true;
        at = (struct radix_node **)&(*at)->slots[digit(key, level)];
        if (!*at) {
            if (!make)
                return true;
            *at = new_node();
            if (!*at)
                return false;
        }
    }
}

bool radix_reserve(struct radix *map, uint64_t key)
{
    return walk(map, key, true);
}

bool radix_own(struct radix *map, uint64_t key)
{
    return walk(map, key, false);
}

void **radix_slot(struct radix *map, uint64_t key)
{
    struct radix_node *node = map->root;
    for (unsigned level = map->height - 1; level > 0; level--)
        node = node->slots[digit(key, level)];
    return &node->slots[digit(key, 0)];
}

static bool is_empty(const struct radix_node *node)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (node->slots[i])
            return false;
    }
    return true;
}

void *radix_take(struct radix *map, uint64_t key)
{
    struct radix_node *path[MAX_HEIGHT], *node = map->root;
    if (!node || !fits(key, map->height))
        return NULL;
    for (unsigned level = map->height - 1; level > 0; level--) {
        path[level] = node;
        node = node->slots[digit(key, level)];
        if (!node)
            return NULL;
    }
    void *item = node->slots[digit(key, 0)];
    node->slots[digit(key, 0)] = NULL;
    for (unsigned level = 1; level <= map->height; level++) {
        if (!is_empty(node))
            return item;
        mem_free(node);
        if (level == map->height)
            break;
        node = path[level];
        node->slots[digit(key, level)] = NULL;
    }
    *map = (struct radix){NULL, 0};
    return item;
}

/* True if the node is empty afterwards. */
static bool cut_in(struct radix_node *node, unsigned level, uint64_t from, radix_drop_fn drop)
{
    unsigned edge = digit(from, level);
    for (unsigned i = edge; i < SLOTS; i++) {
        if (!node->slots[i])
            continue;
        if (level == 0) {
            drop(node->slots[i]);
        } else if (i == edge) {
            if (!cut_in(node->slots[i], level - 1, from, drop))
                continue;
            mem_free(node->slots[i]);
        } else {
            drop_node(node->slots[i], level - 1, drop);
        }
        node->slots[i] = NULL;
    }
    return is_empty(node);
}

void radix_cut(struct radix *map, uint64_t from, radix_drop_fn drop)
{
    if (!map->root || !fits(from, map->height))
        return;
    if (cut_in(map->root, map->height - 1, from, drop)) {
        mem_free(map->root);
        *map = (struct radix){NULL, 0};
    }
}
