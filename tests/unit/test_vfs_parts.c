/* Radix maps, number maps and chunks: what the tree is made of. */
#include <stddef.h>

#include "base/mem.h"
#include "tap.h"
#include "vfs/chunk.h"
#include "vfs/imap.h"
#include "vfs/radix.h"

struct item {
    struct counted count;
    uint64_t key;
};

static int items;

static void drop(void *item)
{
    if (counted_unref(item)) {
        items--;
        mem_free(item);
    }
}

static bool set(struct radix *map, uint64_t key)
{
    struct item *item = mem_alloc(sizeof *item);
    if (!item || !radix_reserve(map, key)) {
        mem_free(item);
        return false;
    }
    atomic_init(&item->count.refs, 1);
    item->key = key;
    items++;
    void **slot = radix_slot(map, key);
    if (*slot)
        drop(*slot);
    *slot = item;
    return true;
}

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

TEST(radix_keys_of_every_size)
{
    static const uint64_t keys[] = {
        0, 1, 15, 16, 255, 256, 65535, 65536, UINT64_C(1) << 40, UINT64_MAX - 1, UINT64_MAX};
    struct radix map = {NULL, 0};
    uint64_t key;
    OK(!radix_get(&map, 0));
    OK(!radix_next(&map, 0, &key));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ASSERT(set(&map, keys[i]));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct item *item = radix_get(&map, keys[i]);
        ASSERT(item);
        EQ(item->key, keys[i]);
        item = radix_next(&map, keys[i], &key);
        EQ(key, keys[i]);
        if (keys[i] != UINT64_MAX) {
            OK(radix_next(&map, keys[i] + 1, &key));
            EQ(key, keys[i + 1]);
        }
    }
    OK(!radix_get(&map, 2));
    OK(!radix_get(&map, UINT64_C(1) << 50));
    ASSERT(radix_own(&map, 257));
    radix_cut(&map, 257, drop);
    EQ(items, 6);
    OK(!radix_get(&map, 65535));
    OK(radix_get(&map, 256));
    ASSERT(radix_own(&map, 0));
    radix_cut(&map, 0, drop);
    OK(!map.root);
    EQ(items, 0);
    EQ(mem_live_blocks(), UINT64_C(0));
}

TEST(radix_copies_do_not_see_each_other)
{
    struct radix maps[4] = {{NULL, 0}};
    static bool model[4][4096];
    for (int step = 0; step < 40000; step++) {
        unsigned m = draw() % 4, from = draw() % 4;
        uint64_t key = draw() % 4096;
        switch (draw() % 12) {
        case 0:
            if (m != from) {
                radix_release(&maps[m], drop);
                maps[m] = radix_copy(&maps[from]);
                memcpy(model[m], model[from], sizeof model[m]);
            }
            break;
        case 1:
        case 2:
        case 3:
        case 4:
            if (model[m][key]) {
                ASSERT(radix_own(&maps[m], key));
                drop(radix_take(&maps[m], key));
                model[m][key] = false;
            }
            break;
        case 5:
            if (key > 3000) {
                ASSERT(radix_own(&maps[m], key));
                radix_cut(&maps[m], key, drop);
                memset(model[m] + key, 0, 4096 - key);
            }
            break;
        default: ASSERT(set(&maps[m], key)); model[m][key] = true;
        }
        if (step % 500)
            continue;
        for (unsigned i = 0; i < 4; i++) {
            uint64_t next = 0, at = 0;
            for (; at < 4096; at++) {
                struct item *item = radix_get(&maps[i], at);
                ASSERT((item != NULL) == model[i][at]);
                if (item)
                    ASSERT_EQ_INT(item->key, at);
            }
            for (at = 0; radix_next(&maps[i], at, &next); at = next + 1)
                for (; at < next; at++)
                    ASSERT(!model[i][at]);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        radix_release(&maps[i], drop);
    EQ(items, 0);
    EQ(mem_live_blocks(), UINT64_C(0));
}

TEST(radix_without_memory_keeps_its_contents)
{
    FAULT_SWEEP({
        struct radix map = {NULL, 0};
        bool first = set(&map, 5), second = set(&map, 70000);
        struct radix copy = radix_copy(&map);
        bool third = set(&copy, 5), fourth = set(&copy, 6);
        EQ(radix_get(&map, 5) != NULL, first);
        EQ(radix_get(&map, 70000) != NULL, second);
        OK(!radix_get(&map, 6));
        EQ(radix_get(&copy, 5) != NULL, first || third);
        EQ(radix_get(&copy, 6) != NULL, fourth);
        EQ(radix_get(&copy, 70000) != NULL, second);
        radix_release(&map, drop);
        radix_release(&copy, drop);
    });
    EQ(items, 0);
}

TEST(imap_against_an_array)
{
    struct imap map = {NULL, 0, 0};
    static uint64_t model[500];
    EQ(imap_get(&map, 7), UINT64_C(0));
    EQ(imap_take(&map, 7), UINT64_C(0));
    for (int step = 0; step < 50000; step++) {
        uint64_t key = 1 + draw() % 499;
        if (draw() % 3 == 0) {
            ASSERT_EQ_INT(imap_take(&map, key), model[key]);
            model[key] = 0;
        } else {
            ASSERT(imap_put(&map, key, model[key] = 1 + draw() % 1000));
        }
        uint64_t look = 1 + draw() % 499;
        ASSERT_EQ_INT(imap_get(&map, look), model[look]);
    }
    imap_release(&map);
}

TEST(chunk_sizes)
{
    EQ(chunk_size_for(0), 64u);
    EQ(chunk_size_for(64), 64u);
    EQ(chunk_size_for(65), 128u);
    EQ(chunk_size_for(32768), 32768u);
    EQ(chunk_size_for(32769), 65536u);
    EQ(chunk_size_for(65536), 65536u);
}

TEST(chunk_arenas_are_given_back)
{
    static struct chunk *chunks[3000];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3000; i++) {
            chunks[i] = chunk_new(CHUNK_SIZE);
            ASSERT(chunks[i]);
            memset(chunks[i]->data, i, CHUNK_SIZE);
        }
        OK(chunk_arena_bytes() >= UINT64_C(3000) * CHUNK_SIZE);
        for (int i = 0; i < 3000; i++) {
            ASSERT_EQ_INT(chunks[i]->data[0], (uint8_t)i);
            ASSERT_EQ_INT(chunks[i]->data[CHUNK_SIZE - 1], (uint8_t)i);
        }
        for (int i = 0; i < 3000; i++) /* in another order */
            chunk_unref(chunks[i * 1009 % 3000]);
        OK(chunk_arena_bytes() <= UINT64_C(17) * (2u << 20)); /* a few are kept for the next */
    }
    EQ(mem_live_blocks(), UINT64_C(0));
}
