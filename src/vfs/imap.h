/* A hash map from numbers other than 0 to numbers other than 0. Zeroed memory is an empty map. */
#ifndef CAPFUL_VFS_IMAP_H
#define CAPFUL_VFS_IMAP_H

#include <stdbool.h>
#include <stdint.h>

struct imap_slot {
    uint64_t key, value; /* key 0: free */
};

struct imap {
    struct imap_slot *slots;
    uint32_t count, alloc; /* alloc: a power of two, or 0 */
};

void imap_release(struct imap *map);
uint64_t imap_get(const struct imap *map, uint64_t key);       /* 0 if it is not there */
bool imap_put(struct imap *map, uint64_t key, uint64_t value); /* false when memory is short */
uint64_t imap_take(struct imap *map, uint64_t key); /* removes it; 0 if it was not there */

#endif
