/* Memory of a guest whose heap is laid out by capful-compile --train; see heap.c. */
#ifndef GUEST_HEAP_H
#define GUEST_HEAP_H

#include <stddef.h>

/* As malloc and its family; opaque is not looked at. */
void *heap_malloc(void *opaque, size_t size);
void *heap_calloc(void *opaque, size_t count, size_t size);
void *heap_realloc(void *opaque, void *block, size_t size);
void heap_free(void *opaque, void *block);
size_t heap_usable_size(const void *block);
/* init has ended: from here on memory comes from malloc. */
void heap_ready(void);

#endif
