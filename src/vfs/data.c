/* Contents of files in the memory tree.
 *
 * A chunk may be shorter than what the file has in its place: the rest reads as zeros, like a chunk
 * that is not there. Bytes of a chunk beyond the end of the file are zero, so that a file can grow
 * without looking.
 */
#include <stddef.h>

#include "kernel/kernel.h"
#include "vfs/chunk.h"
#include "vfs/tree.h"

#define LOOK_EVERY (1u << 20) /* bytes between looks whether the run must stop */
#define LATER_MIN                                                                                  \
    4096u /* size of a chunk that is not the first: a sparse file pays for its map                 \
           */

static size_t min_size(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

int tree_read(const struct tree *tree, uint64_t ino, void *buffer, size_t size, uint64_t offset,
              size_t *ret_len)
{
    const struct inode *inode = tree_get(tree, ino);
    if (!inode)
        return ERRNO_NOENT;
    size_t done = 0, look = LOOK_EVERY;
    if (offset < inode->size)
        size = min_size(size, inode->size - offset);
    else
        size = 0;
    while (done < size) {
        uint64_t at = offset + done;
        uint32_t within = (uint32_t)(at % CHUNK_SIZE);
        size_t piece = min_size(size - done, CHUNK_SIZE - within);
        const struct chunk *chunk = radix_get(&inode->map, at / CHUNK_SIZE);
        size_t there = chunk && chunk->size > within ? min_size(piece, chunk->size - within) : 0;
        if (there > 0)
            memcpy((char *)buffer + done, chunk->data + within, there);
        if (there < piece)
            memset((char *)buffer + done + there, 0, piece - there);
        done += piece;
        if (done >= look) {
            look += LOOK_EVERY;
            if (tree_must_stop(tree->kernel))
                break;
        }
    }
    *ret_len = done;
    return 0;
}

/* A chunk of our own with room up to `end`; bytes from `first` to `end` are about to be written,
 * the rest is as it was or zero. NULL with *ret_errno. */
static struct chunk *edit_chunk(struct tree *tree, struct inode *inode, uint64_t index,
                                uint32_t first, uint32_t end, int *ret_errno)
{
    struct chunk *old = radix_get(&inode->map, index);
    if (old && old->size >= end && radix_own(&inode->map, index)) {
        old = *radix_slot(&inode->map, index);
        if (!counted_shared(old))
            return old;
    }
    uint32_t size = chunk_size_for(old && old->size > end ? old->size : end),
             had = old ? old->size : 0;
    uint64_t fresh = old == NULL;
    if (index > 0 && size < LATER_MIN)
        size = LATER_MIN;
    *ret_errno = size > had ? tree_charge_bytes(tree, size - had, fresh) : 0;
    if (*ret_errno != 0)
        return NULL;
    struct chunk *chunk = radix_reserve(&inode->map, index) ? chunk_new(size) : NULL;
    if (!chunk) {
        if (size > had)
            tree_discharge_bytes(tree, size - had, fresh);
        *ret_errno = ERRNO_NOMEM;
        return NULL;
    }
    inode->held += size - had;
    inode->chunks += fresh;
    uint32_t kept = had < first ? had : first; /* what stands before the part to be written */
    if (kept > 0)
        memcpy(chunk->data, old->data, kept);
    memset(chunk->data + kept, 0, first - kept);
    uint32_t after = had > end ? had : end;
    if (after > end)
        memcpy(chunk->data + end, old->data + end, after - end);
    memset(chunk->data + after, 0, size - after);
    void **slot = radix_slot(&inode->map, index);
    if (*slot)
        chunk_unref(*slot);
    *slot = chunk;
    return chunk;
}

int tree_write(struct tree *tree, uint64_t ino, const void *data, size_t len, uint64_t offset,
               size_t *ret_len)
{
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return ERRNO_FBIG;
    if (!tree_get(tree, ino))
        return ERRNO_NOENT;
    struct inode *inode = tree_edit(tree, ino);
    if (!inode)
        return ERRNO_NOMEM;
    size_t done = 0, look = LOOK_EVERY;
    int e = 0;
    while (done < len) {
        uint64_t at = offset + done;
        uint32_t within = (uint32_t)(at % CHUNK_SIZE);
        uint32_t piece = (uint32_t)min_size(len - done, CHUNK_SIZE - within);
        struct chunk *chunk = edit_chunk(tree, inode, at / CHUNK_SIZE, within, within + piece, &e);
        if (!chunk)
            break;
        memcpy(chunk->data + within, (const char *)data + done, piece);
        done += piece;
        if (offset + done > inode->size)
            inode->size = offset + done;
        if (done >= look) {
            look += LOOK_EVERY;
            if (tree_must_stop(tree->kernel))
                break;
        }
    }
    if (done == 0 && len > 0)
        return e;
    if (done > 0)
        inode->mtime = inode->ctime = tree_now(tree);
    *ret_len = done;
    return 0;
}

/* Bytes of the chunks from `index` on. */
static uint64_t held_from(const struct inode *inode, uint64_t index, uint64_t *ret_chunks)
{
    uint64_t held = 0, chunks = 0;
    for (const struct chunk *chunk; (chunk = radix_next(&inode->map, index, &index));
         index++, chunks++)
        held += chunk->size;
    *ret_chunks = chunks;
    return held;
}

static int shrink(struct tree *tree, struct inode *inode, uint64_t size)
{
    uint64_t first_gone = size / CHUNK_SIZE + (size % CHUNK_SIZE != 0);
    uint32_t tail = (uint32_t)(size % CHUNK_SIZE);
    const struct chunk *last = tail ? radix_get(&inode->map, size / CHUNK_SIZE) : NULL;
    if (!radix_own(&inode->map, first_gone))
        return ERRNO_NOMEM;
    if (last && last->size > tail) {
        int e = 0;
        struct chunk *chunk = edit_chunk(tree, inode, size / CHUNK_SIZE, tail, tail, &e);
        if (!chunk)
            return e ? e : ERRNO_NOMEM;
        memset(chunk->data + tail, 0, chunk->size - tail);
    }
    uint64_t chunks, gone = held_from(inode, first_gone, &chunks);
    radix_cut(&inode->map, first_gone, chunk_unref);
    inode->held -= gone;
    inode->chunks -= chunks;
    tree_discharge_bytes(tree, gone, chunks);
    return 0;
}

int tree_set_size(struct tree *tree, uint64_t ino, uint64_t size)
{
    if (size > INT64_MAX)
        return ERRNO_FBIG;
    if (!tree_get(tree, ino))
        return ERRNO_NOENT;
    struct inode *inode = tree_edit(tree, ino);
    if (!inode)
        return ERRNO_NOMEM;
    int e = size < inode->size ? shrink(tree, inode, size) : 0;
    if (e != 0)
        return e;
    inode->size = size;
    inode->mtime = inode->ctime = tree_now(tree);
    return 0;
}
