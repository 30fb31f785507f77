/* Open addressing with linear probing; removal moves what follows back, so there are no tombstones.
 */
#include "vfs/imap.h"

#include <stddef.h>

#include "base/mem.h"

static uint32_t home(const struct imap *map, uint64_t key)
{
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(key >> 32) & (map->alloc - 1);
}

void imap_release(struct imap *map)
{
    mem_free(map->slots);
    *map = (struct imap){NULL, 0, 0};
}

static struct imap_slot *find(const struct imap *map, uint64_t key)
{
    uint32_t i = home(map, key);
    while (map->slots[i].key != 0 && map->slots[i].key != key)
        i = (i + 1) & (map->alloc - 1);
    return &map->slots[i];
}

uint64_t imap_get(const struct imap *map, uint64_t key)
{
    return map->alloc ? find(map, key)->value : 0;
}

static bool grow(struct imap *map)
{
    struct imap bigger = {NULL, map->count, map->alloc ? map->alloc * 2 : 16};
    bigger.slots = mem_array(bigger.alloc, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (uint32_t i = 0; i < map->alloc; i++) {
        if (map->slots[i].key)
            *find(&bigger, map->slots[i].key) = map->slots[i];
    }
    mem_free(map->slots);
    *map = bigger;
    return true;
}

bool imap_put(struct imap *map, uint64_t key, uint64_t value)
{
    if (map->count * 4 >= map->alloc * 3 && !grow(map))
        return false;
    struct imap_slot *slot = find(map, key);
    if (slot->key == 0) {
        slot->key = key;
        map->count++;
    }
    slot->value = value;
    return true;
}

uint64_t imap_take(struct imap *map, uint64_t key)
{
    if (!map->alloc)
        return 0;
    struct imap_slot *slot = find(map, key);
    uint64_t value = slot->value;
    if (slot->key == 0)
        return 0;
    uint32_t hole = (uint32_t)(slot - map->slots), mask = map->alloc - 1;
    for (uint32_t i = (hole + 1) & mask; map->slots[i].key; i = (i + 1) & mask) {
        if (((i - home(map, map->slots[i].key)) & mask) >= ((i - hole) & mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct imap_slot){0, 0};
    map->count--;
    return value;
}
