/* See seen.h. Keys are hashes already: the first bytes choose the slot. */
#include "policy/seen.h"

#include "base/mem.h"

void seen_release(struct seen *seen)
{
    mem_free(seen->slots);
    *seen = (struct seen){NULL, 0, 0};
}

void seen_clear(struct seen *seen)
{
    if (seen->n > 0)
        memset(seen->slots, 0, seen->alloc * sizeof *seen->slots);
    seen->n = 0;
}

static struct seen_slot *find(const struct seen *seen, uint32_t source,
                              const struct value_key *value)
{
    uint64_t at;
    memcpy(&at, value->bytes, sizeof at);
    for (at += source;; at++) {
        struct seen_slot *slot = &seen->slots[at & (seen->alloc - 1)];
        if (slot->source == 0 ||
            (slot->source == source + 1 && memcmp(&slot->key, value, sizeof *value) == 0))
            return slot;
    }
}

static bool grow(struct seen *seen)
{
    struct seen bigger = {NULL, seen->alloc ? seen->alloc * 2 : 64, seen->n};
    bigger.slots = mem_array(bigger.alloc, sizeof *bigger.slots);
    if (!bigger.slots)
        return false;
    for (size_t i = 0; i < seen->alloc; i++) {
        const struct seen_slot *slot = &seen->slots[i];
        if (slot->source)
            *find(&bigger, slot->source - 1, &slot->key) = *slot;
    }
    mem_free(seen->slots);
    *seen = bigger;
    return true;
}

struct adding {
    struct seen *seen;
    uint32_t source;
    bool failed;
};

static bool add_value(void *context, yyjson_val *value)
{
    struct adding *adding = context;
    struct seen *seen = adding->seen;
    struct value_key key;
    if (yyjson_is_ctn(value) || yyjson_is_null(value) || !value_key_of(value, &key))
        return true;
    if (seen_has(seen, adding->source, &key))
        return true;
    if (seen->n == SEEN_MAX || (4 * (seen->n + 1) > 3 * seen->alloc && !grow(seen))) {
        adding->failed = true;
        return false;
    }
    *find(seen, adding->source, &key) = (struct seen_slot){key, adding->source + 1};
    seen->n++;
    return true;
}

bool seen_add(struct seen *seen, uint32_t source, const struct pointer *pointer, yyjson_val *result)
{
    struct adding adding = {seen, source, false};
    bool missing = false;
    pointer_each(pointer, result, add_value, &adding, &missing);
    return !adding.failed;
}

bool seen_has(void *context, uint32_t source, const struct value_key *value)
{
    const struct seen *seen = context;
    return seen->n > 0 && find(seen, source, value)->source != 0;
}
