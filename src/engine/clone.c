/* The copy of a process: a fresh instance of the same image, then the caller's private pages, its
 * stack pointer, and an entry at fn(arg). No stack is copied: the caller has none, it is parked in
 * proc_clone.
 *
 * Only pages that the caller dirtied are looked at, and only those that differ from a fresh
 * instance are written, since each page written costs a page fault, an order more than comparing
 * it. Where nobody can tell which pages are dirty, every page is compared.
 */
#include "engine/internal.h"

#include <string.h>

struct copy {
    const struct image *image;
    const uint8_t *from;
    uint8_t *to;
};

static bool copy_range(void *context, size_t start, size_t end)
{
    const struct copy *copy = context;
    for (size_t at = start; at < end; at += IMAGE_PAGE) {
        const uint8_t *fresh = copy->image->initial ? image_page(copy->image, at) : copy->to + at;
        if (memcmp(copy->from + at, fresh, IMAGE_PAGE) != 0)
            memcpy(copy->to + at, copy->from + at, IMAGE_PAGE);
    }
    return true;
}

static int copy_memory(struct instance *from, struct instance *to)
{
    struct guest_memory *source = &from->process->memory, *target = &to->process->memory;
    if (source->size > target->size) {
        uint64_t before;
        wasmtime_error_t *error = wasmtime_memory_grow(
            to->context, &to->memory, (source->size - target->size) >> 16, &before);
        if (error) {
            wasmtime_error_delete(error);
            return ERRNO_NOMEM;
        }
        instance_refresh(to, to->context);
    }
    struct copy copy = {to->image, source->base, target->base};
    if (!engine_is_fast() || !dirty_each(source->base, source->size, copy_range, &copy))
        copy_range(&copy, 0, source->size);
    return 0;
}

int instance_clone(struct process *parent, struct process *child, uint32_t fn, uint32_t arg)
{
    struct instance *from = parent->engine;
    child->own_abi = true;
    if (!from->image->own || !from->has_stack_pointer)
        return ERRNO_NOSYS;
    int result = instance_make(child);
    struct instance *to = child->engine;
    if (result == 0)
        result = copy_memory(from, to);
    if (result == 0 && !instance_set_stack(to, from->clone_stack))
        result = ERRNO_NOSYS;
    if (result == 0)
        instance_enter(to, fn, arg);
    return result == 0 ? 0 : instance_abandon(child, result);
}
