/* Chunks and their arenas, see chunk.h. */
#include "vfs/chunk.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/list.h"
#include "base/mem.h"

#define ARENA_SIZE  (2u << 20)
#define RECORD_SIZE 65536u /* a page, whatever its size is here */
#define MAP_SIZE    (2u * ARENA_SIZE + RECORD_SIZE)
#define KEPT_ARENAS 16 /* that are empty: 32 MiB */
#define ALL_FREE    UINT32_MAX

struct arena {
    struct list link; /* among those with a free chunk */
    uint8_t *base;
    uint32_t free; /* a bit for each chunk */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct list partial; /* arenas with free chunks; those that are empty stand last */
static unsigned arena_count, empty_count;

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

static void set_up(void)
{
    list_init(&partial);
    (void)pthread_atfork(before_fork, after_fork, after_fork);
}

/* Aligned to its size, so that one huge page covers it; the page before it holds its own record. */
static struct arena *new_arena(void)
{
    uint8_t *map = mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    size_t before = -((uintptr_t)map + RECORD_SIZE) % ARENA_SIZE,
           after = MAP_SIZE - RECORD_SIZE - ARENA_SIZE - before;
    uint8_t *base = map + before + RECORD_SIZE;
    if (before > 0)
        munmap(map, before);
    if (after > 0)
        munmap(base + ARENA_SIZE, after);
    struct arena *arena = (struct arena *)(void *)(base - RECORD_SIZE);
    arena->base = base;
    arena->free = ALL_FREE;
#ifdef MADV_HUGEPAGE
    if (arena_count > 0)
        (void)madvise(arena->base, ARENA_SIZE, MADV_HUGEPAGE);
#endif
    arena_count++;
    empty_count++;
    list_append(&partial, &arena->link);
    return arena;
}

static uint8_t *take_chunk(struct arena **ret_arena)
{
    uint8_t *data = NULL;
    pthread_once(&once, set_up);
    pthread_mutex_lock(&lock);
    struct arena *arena =
        list_empty(&partial) ? new_arena() : LIST_ENTRY(partial.next, struct arena, link);
    if (arena) {
        if (arena->free == ALL_FREE)
            empty_count--;
        unsigned slot = (unsigned)__builtin_ctz(arena->free);
        arena->free &= ~(UINT32_C(1) << slot);
        if (arena->free == 0)
            list_remove(&arena->link);
        data = arena->base + (size_t)slot * CHUNK_SIZE;
        *ret_arena = arena;
    }
    pthread_mutex_unlock(&lock);
    return data;
}

static void give_chunk(struct arena *arena, const uint8_t *data)
{
    struct arena *unmapped = NULL;
    pthread_mutex_lock(&lock);
    if (arena->free ==
        0) { /* in front: used again before others, so that the others may become empty */
        arena->link.next = partial.next;
        arena->link.prev = &partial;
        partial.next->prev = &arena->link;
        partial.next = &arena->link;
    }
    arena->free |= UINT32_C(1) << ((size_t)(data - arena->base) / CHUNK_SIZE);
    if (arena->free == ALL_FREE) {
        list_remove(&arena->link);
        if (empty_count >= KEPT_ARENAS) {
            arena_count--;
            unmapped = arena;
        } else {
            empty_count++;
            list_append(&partial, &arena->link);
        }
    }
    pthread_mutex_unlock(&lock);
    if (unmapped)
        munmap(unmapped->base - RECORD_SIZE, ARENA_SIZE + RECORD_SIZE);
}

uint32_t chunk_size_for(uint32_t need)
{
    if (need > CHUNK_SIZE / 2)
        return CHUNK_SIZE;
    uint32_t size = 64;
    while (size < need)
        size *= 2;
    return size;
}

struct chunk *chunk_new(uint32_t size)
{
    struct chunk *chunk = mem_alloc(size < CHUNK_SIZE ? sizeof *chunk + size : sizeof *chunk);
    if (!chunk)
        return NULL;
    atomic_init(&chunk->count.refs, 1);
    chunk->size = size;
    chunk->arena = NULL;
    chunk->data = (uint8_t *)(chunk + 1);
    if (size == CHUNK_SIZE) {
        struct arena *arena = NULL;
        chunk->data = take_chunk(&arena);
        chunk->arena = arena;
        if (!chunk->data) {
            mem_free(chunk);
            return NULL;
        }
    }
    return chunk;
}

void chunk_unref(void *item)
{
    struct chunk *chunk = item;
    if (!counted_unref(chunk))
        return;
    if (chunk->arena)
        give_chunk(chunk->arena, chunk->data);
    mem_free(chunk);
}

uint64_t chunk_arena_bytes(void)
{
    pthread_once(&once, set_up);
    pthread_mutex_lock(&lock);
    uint64_t bytes = (uint64_t)arena_count * ARENA_SIZE;
    pthread_mutex_unlock(&lock);
    return bytes;
}
