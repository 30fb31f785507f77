/* The heap of a guest while its image is made, and which blocks lie side by side in it.
 *
 * init() leaves tens of thousands of blocks, of which a run touches some hundred. Strewn over the
 * image they would cost it a page each: a page to be copied, and to be taken back afterwards, for a
 * count of references. So capful-compile runs init() twice:
 *
 *   HEAP_TRAINING  each block gets pages of its own, and the host sees which pages a program reads
 *                  and writes that it then runs
 *   HEAP_PLANNED   the n-th block goes where the host wants it: what was written side by side, then
 *                  what was read, then the rest. Blocks that do not outlive init() get pages again,
 *                  in memory that the host takes back.
 *
 * init() makes the same blocks both times, because nothing that it can ask for tells the two apart;
 * the host compares the sum of what was asked for. Afterwards malloc serves; a block of the image
 * that is freed then is not used again.
 */
#include "heap.h"
#include "capful.h"
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE       4096u
#define WASM_PAGE  65536u
#define GROWTH     (16 * WASM_PAGE)
#define REUSED     16 /* blocks of up to so many pages are used again */
#define HEAD       16 /* of a block in pages of its own: struct head, the size before the block */
#define FREED      0xffffffffu
#define SIZE_OF(p) (((uint32_t *)(uintptr_t)(p))[-1])
#define BIGGEST    0x40000000u
#define STEP       (4 * WASM_PAGE) /* of the memory that malloc uses */

enum { HEAP_PLAIN, HEAP_TRAINING, HEAP_PLANNED };

/* The host writes the first five before init() and reads the others afterwards. */
struct heap_plan {
    uint32_t mode;
    uint32_t arena; /* where planned blocks lie */
    uint32_t arena_size;
    uint32_t table; /* the place in the arena of each block, by its number; 0: it does not last */
    uint32_t table_len;
    uint32_t first, end; /* the pages of other blocks */
    uint32_t made;       /* blocks so far */
    uint32_t sum;        /* of their sizes and order */
};
__attribute__((visibility("default"))) struct heap_plan heap_plan;

struct head {
    uint32_t pages;
    uint32_t number; /* FREED: nobody's */
    uint32_t next;   /* of those */
};

static struct {
    bool ready;
    uint32_t brk;   /* the end of what malloc has */
    uint32_t limit; /* memory that was got for pages */
    uint32_t live;  /* blocks in them */
    uint32_t freed[REUSED + 1];
} heap;

/* wasi-libc's malloc takes all memory behind the static data that there is at its first call: the
 * host makes that call before it adds any. */
CAPFUL_EXPORT(heap_start) void heap_start(void);
void heap_start(void)
{
    void *volatile block = malloc(1); /* volatile, or the compiler leaves the call out */

    free(block);
    heap.brk = 0; /* until heap_ready: malloc must do with what it has */
}

/* What malloc grows by. There is room behind a planned image; beyond it memory comes in larger
 * steps than the 64 KiB that malloc asks for, because each is a call out. */
void *sbrk(intptr_t len)
{
    uint32_t end = __builtin_wasm_memory_size(0) * WASM_PAGE, start, more;

    if (!heap.brk)
        heap.brk = end;
    start = heap.brk;
    if (len < 0 || (uint32_t)len > UINT32_MAX - STEP - start)
        return (void *)-1;
    if ((uint32_t)len > end - start) {
        more = (uint32_t)len - (end - start);
        more = more < STEP ? STEP : (more + WASM_PAGE - 1) / WASM_PAGE * WASM_PAGE;
        if (__builtin_wasm_memory_grow(0, more / WASM_PAGE) == (size_t)-1)
            return (void *)-1;
    }
    heap.brk += (uint32_t)len;
    return (void *)(uintptr_t)start;
}

static inline bool in_image(const void *block)
{
    uint32_t p = (uint32_t)(uintptr_t)block;

    return p - heap_plan.arena < heap_plan.arena_size ||
           p - heap_plan.first < heap_plan.end - heap_plan.first;
}

static uint32_t new_pages(uint32_t pages)
{
    uint32_t start, grow;

    if (pages <= REUSED && heap.freed[pages]) {
        start = heap.freed[pages];
        heap.freed[pages] = ((struct head *)(uintptr_t)start)->next;
        return start;
    }
    if (!heap_plan.end) {
        heap.limit = __builtin_wasm_memory_size(0) * WASM_PAGE;
        heap_plan.first = heap_plan.end = heap.limit;
    }
    if (pages * PAGE > heap.limit - heap_plan.end) {
        grow = (pages * PAGE + GROWTH - 1) / GROWTH * GROWTH;
        /* Pages in one row: nobody else may have got memory meanwhile. */
        if (__builtin_wasm_memory_grow(0, grow / WASM_PAGE) * WASM_PAGE != heap.limit)
            abort();
        heap.limit += grow;
    }
    start = heap_plan.end;
    heap_plan.end += pages * PAGE;
    return start;
}

static void *new_block(size_t size)
{
    uint32_t usable = (uint32_t)((size + 4 + 7) & ~(size_t)7) - 4;
    uint32_t number = heap_plan.made++, place = 0, start, pages;
    unsigned char *block;

    if (size > BIGGEST)
        abort();
    heap_plan.sum = (heap_plan.sum ^ usable) * 16777619u;
    if (number < heap_plan.table_len)
        place = ((uint32_t *)(uintptr_t)heap_plan.table)[number];
    if (place) {
        block = (unsigned char *)(uintptr_t)(heap_plan.arena + place);
    } else {
        pages = (HEAD + usable + PAGE - 1) / PAGE;
        start = new_pages(pages);
        *(struct head *)(uintptr_t)start = (struct head){pages, number, 0};
        block = (unsigned char *)(uintptr_t)(start + HEAD);
        heap.live++;
    }
    SIZE_OF(block) = usable;
    return block;
}

void *heap_malloc(void *opaque, size_t size)
{
    (void)opaque;
    return heap.ready || heap_plan.mode == HEAP_PLAIN ? malloc(size) : new_block(size);
}

void *heap_calloc(void *opaque, size_t count, size_t size)
{
    size_t all;
    void *block;

    if (__builtin_mul_overflow(count, size, &all))
        return NULL;
    block = heap_malloc(opaque, all);
    return block ? memset(block, 0, all) : NULL;
}

void *heap_realloc(void *opaque, void *block, size_t size)
{
    void *grown;

    if (!block)
        return heap_malloc(opaque, size);
    if (!in_image(block))
        return realloc(block, size);
    if (size <= SIZE_OF(block))
        return block;
    grown = heap_malloc(opaque, size);
    if (grown) {
        memcpy(grown, block, SIZE_OF(block));
        heap_free(opaque, block);
    }
    return grown;
}

void heap_free(void *opaque, void *block)
{
    struct head *head;

    (void)opaque;
    if (!in_image(block)) {
        free(block);
        return;
    }
    if (heap.ready)
        return;
    if ((uint32_t)(uintptr_t)block - heap_plan.arena < heap_plan.arena_size)
        abort(); /* this one should have lasted */
    head = (struct head *)((unsigned char *)block - HEAD);
    head->number = FREED;
    heap.live--;
    if (head->pages <= REUSED) {
        head->next = heap.freed[head->pages];
        heap.freed[head->pages] = (uint32_t)(uintptr_t)head;
    }
}

size_t heap_usable_size(const void *block)
{
    return in_image(block) ? SIZE_OF(block) : malloc_usable_size((void *)(uintptr_t)block);
}

void heap_ready(void)
{
    if (heap_plan.mode != HEAP_PLAIN) {
        if (heap.brk || heap.limit != __builtin_wasm_memory_size(0) * WASM_PAGE)
            abort(); /* malloc was used meanwhile */
        heap.brk = heap.limit;
    }
    /* The host takes the pages back. */
    if (heap_plan.mode == HEAP_PLANNED) {
        if (heap.live)
            abort();
        heap.brk = heap_plan.arena + heap_plan.arena_size;
        heap_plan.first = heap_plan.end = 0;
    }
    heap.ready = true;
}
