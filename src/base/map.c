/* Open addressing with linear probing, at most three quarters full, see map.h. */
#include "base/map.h"

#include "base/mem.h"

static uint64_t hash_of(struct str key)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.ptr[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static struct map_slot *slot_of(const struct map *map, struct str key, uint64_t hash)
{
    size_t mask = map->alloc - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct map_slot *slot = &map->slots[i];
        if (!slot->value || (slot->hash == hash && str_equal(slot->key, key)))
            return slot;
    }
}

void map_release(struct map *map)
{
    mem_free(map->slots);
    *map = (struct map){NULL, 0, 0};
}

void *map_get(const struct map *map, struct str key)
{
    return map->count ? slot_of(map, key, hash_of(key))->value : NULL;
}

bool map_reserve(struct map *map, size_t more)
{
    struct map bigger = {NULL, map->alloc ? map->alloc : 16, map->count};
    while ((map->count + more) > bigger.alloc / 4 * 3)
        bigger.alloc *= 2;
    if (bigger.alloc == map->alloc)
        return true;
    bigger.slots = mem_array(bigger.alloc, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    MAP_FOREACH (slot, map)
        *slot_of(&bigger, slot->key, slot->hash) = *slot;
    mem_free(map->slots);
    *map = bigger;
    return true;
}

bool map_put(struct map *map, struct str key, void *value)
{
    if (!map_reserve(map, 1))
        return false;
    uint64_t hash = hash_of(key);
    struct map_slot *slot = slot_of(map, key, hash);
    if (!slot->value)
        map->count++;
    *slot = (struct map_slot){key, hash, value};
    return true;
}

/* What follows in the same run of slots moves up, so that no search ends too early. */
void map_remove(struct map *map, struct str key)
{
    if (map->count == 0)
        return;
    struct map_slot *slot = slot_of(map, key, hash_of(key));
    if (!slot->value)
        return;
    size_t mask = map->alloc - 1, hole = (size_t)(slot - map->slots);
    for (size_t i = (hole + 1) & mask; map->slots[i].value; i = (i + 1) & mask) {
        size_t home = (size_t)map->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct map_slot){{NULL, 0}, 0, NULL};
    map->count--;
}
