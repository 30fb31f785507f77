/* Allocation: the only door to the heap. It never aborts, can be made to fail for tests, and counts
 * live blocks. */
#ifndef CAPFUL_BASE_MEM_H
#define CAPFUL_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* All return NULL when memory is short. Sizes of 0 give a valid pointer. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_array(size_t count, size_t size);  /* zeroed; NULL on overflow */
void *mem_resize(void *memory, size_t size); /* the old block is untouched on failure */
void *mem_resize_array(void *memory, size_t count, size_t size);
void *mem_dup(const void *data, size_t len); /* with a NUL beyond the end */
char *mem_strdup(const char *text);
void mem_free(void *memory);

/* Tests: the nth allocation from now fails (1 = the next), once; 0 never. Not for several threads.
 */
void mem_fail_after(uint64_t n);
uint64_t mem_live_blocks(void);

#define CLEANUP(function) __attribute__((cleanup(function)))
/* Takes the value of a pointer variable and leaves NULL there. */
#define TAKE(p)                                                                                    \
    (__extension__({                                                                               \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    }))
static inline void mem_freep(void *p)
{
    mem_free(*(void **)p);
}

#endif
