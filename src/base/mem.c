/* Allocation over the C library's heap, see mem.h. */
#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t fail_countdown;
static atomic_uint_fast64_t live_blocks;

static int must_fail(void)
{
    uint64_t n = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    if (n == 0)
        return 0;
    atomic_store_explicit(&fail_countdown, n - 1, memory_order_relaxed);
    return n == 1;
}

static void *counted(void *memory)
{
    if (memory)
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    return memory;
}

void *mem_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return must_fail() ? NULL : counted(calloc(1, size ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    return must_fail() ? NULL : counted(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *memory, size_t size)
{
    if (!memory)
        return mem_alloc(size);
    return must_fail() ? NULL : realloc(memory, size ? size : 1);
}

void *mem_resize_array(void *memory, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return mem_resize(memory, total);
}

void *mem_dup(const void *data, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = mem_alloc(len + 1);
    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text));
}

void mem_free(void *memory)
{
    if (!memory)
        return;
    atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    free(memory);
}

void mem_fail_after(uint64_t n)
{
    atomic_store(&fail_countdown, n);
}

uint64_t mem_live_blocks(void)
{
    return atomic_load(&live_blocks);
}
