/* The values that stood in results of a run at the places that seen_in speaks of. */
#ifndef CAPFUL_POLICY_SEEN_H
#define CAPFUL_POLICY_SEEN_H

#include "policy/constraint.h"
#include "policy/pointer.h"

/* A place in the results of a tool; numbered by its index in the authority's list. */
struct seen_source {
    char *tool;
    struct pointer pointer;
};

/* A hash set, open addressing. Zeroed memory is an empty one. */
struct seen {
    struct seen_slot *slots;
    size_t alloc; /* a power of two, or 0 */
    size_t n;
};

void seen_release(struct seen *seen);
/* Forgets everything, keeps its memory. */
void seen_clear(struct seen *seen);
/* Bytes that it holds. */
static inline size_t seen_bytes(const struct seen *seen);
/* Adds the strings, numbers and booleans that stand at a source's place in a result. False: memory,
 * or more than SEEN_MAX values; then some are missing, and calls that name them will be refused. */
#define SEEN_MAX (1u << 20)
bool seen_add(struct seen *seen, uint32_t source, const struct pointer *pointer,
              yyjson_val *result);
/* Fits struct facts. */
bool seen_has(void *seen, uint32_t source, const struct value_key *value);

struct seen_slot {
    struct value_key key;
    uint32_t source; /* plus one; 0: free */
};

static inline size_t seen_bytes(const struct seen *seen)
{
    return seen->alloc * sizeof *seen->slots;
}

#endif
