/* Pieces of file contents: counted blocks of up to 64 KiB, shared between a tree and its snapshots.
 *
 * Full chunks come from arenas of 2 MiB that the whole process shares: page faults would otherwise
 * cost more than the copying. From the second arena on they ask for huge pages; the first does not,
 * so that a run which writes one report does not pay for clearing 2 MiB. A few freed arenas are
 * kept. Smaller chunks come from the heap.
 */
#ifndef CAPFUL_VFS_CHUNK_H
#define CAPFUL_VFS_CHUNK_H

#include "vfs/radix.h"

#define CHUNK_SIZE 65536u

struct chunk {
    struct counted count;
    uint32_t size; /* bytes at data, at most CHUNK_SIZE */
    uint8_t *data;
    void *arena; /* NULL: data is on the heap */
};

/* Bytes that a chunk will have in which `need` bytes are used. */
uint32_t chunk_size_for(uint32_t need);
/* The contents are not cleared. NULL when memory is short. Any thread. */
struct chunk *chunk_new(uint32_t size);
void chunk_unref(void *item);
/* Bytes that the arenas hold, used or not. */
uint64_t chunk_arena_bytes(void);

#endif
