/* A hash map from text to pointers. Keys are borrowed: they must outlive the map. Zeroed memory is
 * an empty map. */
#ifndef CAPFUL_BASE_MAP_H
#define CAPFUL_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct map_slot {
    struct str key;
    uint64_t hash;
    void *value; /* NULL: free */
};

struct map {
    struct map_slot *slots;
    size_t alloc; /* a power of two, or 0 */
    size_t count;
};

void map_release(struct map *map); /* not the values; empty afterwards */
/* Makes room, so that the next `more` map_put cannot fail. */
bool map_reserve(struct map *map, size_t more);
/* NULL if the key is not there. */
void *map_get(const struct map *map, struct str key);
/* Adds or replaces; `value` is not NULL. False when memory is short: nothing changed then. */
bool map_put(struct map *map, struct str key, void *value);
void map_remove(struct map *map, struct str key);

/* The slots, in no useful order: skips free ones. */
// NOLINTBEGIN(bugprone-macro-parentheses): slot is a name
#define MAP_FOREACH(slot, map)                                                                     \
    for (struct map_slot *slot = (map)->slots; slot < (map)->slots + (map)->alloc; slot++)         \
        if (slot->value)
// NOLINTEND(bugprone-macro-parentheses)

#endif
