/* The copy of a process: a fresh instance of the same image, then the caller's private pages, its
 * stack pointer, and an entry at fn(arg). No stack is copied: the caller has none, it is parked in
 * proc_clone.
 *
 * Only pages that the caller dirtied are looked at (PAGEMAP_SCAN, Linux 6.7), and only those that
 * differ from the fresh image are written, since each page written costs a page fault, an order
 * more than comparing it. Where the scan is missing every page is compared.
 */
#include "engine/internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

#define PAGE 4096u

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Memory of a fresh instance, kept once for each image. */
static int take_pristine(struct image *image, const struct guest_memory *memory)
{
    int result = 0;
    pthread_mutex_lock(&mutex);
    if (!image->pristine) {
        uint8_t *copy = mem_dup(memory->base, memory->size);
        if (copy) {
            /* Reading mapped every page of the slot: let go of them, since each would be walked in
             * later scans. */
            if (engine_is_fast())
                madvise(memory->base, memory->size, MADV_DONTNEED);
            image->pristine_size = memory->size;
            image->pristine = copy;
        } else {
            result = ERRNO_NOMEM;
        }
    }
    pthread_mutex_unlock(&mutex);
    return result;
}

static void copy_range(const struct image *image, const uint8_t *from, uint8_t *to, size_t start,
                       size_t end)
{
    static const uint8_t zero[PAGE];
    for (size_t at = start; at < end; at += PAGE) {
        const uint8_t *fresh = at < image->pristine_size ? image->pristine + at : zero;
        if (memcmp(from + at, fresh, PAGE) != 0)
            memcpy(to + at, from + at, PAGE);
    }
}

#ifdef __linux__
struct scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
    uint64_t start, end, categories;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
enum { SCAN_FILE = 4, SCAN_PRESENT = 8, SCAN_SWAPPED = 16, SCAN_ZERO = 32, SCAN_REGIONS = 256 };

static int scan_fd = -1;
static pthread_once_t scan_once = PTHREAD_ONCE_INIT;

static void open_scan(void)
{
    scan_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* An open pagemap shows the process that opened it: a forked child needs its own under the same
 * number. */
void clone_fork_child(void)
{
    if (scan_fd < 0)
        return;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fd = open("/dev/null",
                  O_RDONLY | O_CLOEXEC); /* the scan then fails and every page is compared */
    if (fd >= 0) {
        dup2(fd, scan_fd);
        close(fd);
    } else {
        close(scan_fd);
        scan_fd = -1;
    }
}

/* False where the kernel cannot tell. */
static bool copy_dirty(const struct image *image, const uint8_t *from, uint8_t *to, size_t size)
{
    struct scan_region regions[SCAN_REGIONS];
    uint64_t at = (uint64_t)(uintptr_t)from, end = at + size;
    pthread_once(&scan_once, open_scan);
    if (scan_fd < 0)
        return false;
    while (at < end) {
        struct scan_arg arg = {.size = sizeof arg,
                               .start = at,
                               .end = end,
                               .vec = (uint64_t)(uintptr_t)regions,
                               .vec_len = SCAN_REGIONS,
                               .category_inverted = SCAN_ZERO | SCAN_FILE,
                               .category_mask = SCAN_ZERO | SCAN_FILE,
                               .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED};
        int n = ioctl(scan_fd, SCAN_IOCTL, &arg);
        if (n < 0)
            return false;
        for (int i = 0; i < n; i++)
            copy_range(image, from, to, regions[i].start - (uint64_t)(uintptr_t)from,
                       regions[i].end - (uint64_t)(uintptr_t)from);
        if (arg.walk_end <= at)
            return false;
        at = arg.walk_end;
    }
    return true;
}
#else
void clone_fork_child(void)
{
}

static bool copy_dirty(const struct image *image, const uint8_t *from, uint8_t *to, size_t size)
{
    (void)image, (void)from, (void)to, (void)size;
    return false;
}
#endif

static int copy_memory(struct instance *from, struct instance *to)
{
    struct guest_memory *source = &from->process->memory, *target = &to->process->memory;
    int result = take_pristine(to->image, target);
    if (result != 0)
        return result;
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
    if (!engine_is_fast() || !copy_dirty(to->image, source->base, target->base, source->size))
        copy_range(to->image, source->base, target->base, 0, source->size);
    return 0;
}

int instance_clone(struct process *parent, struct process *child, uint32_t fn, uint32_t arg)
{
    struct instance *from = parent->engine;
    struct instance *to = instance_new(child);
    if (!to)
        return ERRNO_NOMEM;
    child->own_abi = true;
    int result = from->image->own && from->has_stack_pointer ? instance_make(to) : ERRNO_NOSYS;
    if (result == 0)
        result = copy_memory(from, to);
    if (result == 0) {
        wasmtime_val_t value = {.kind = WASMTIME_I32, .of.i32 = from->clone_stack};
        wasmtime_error_t *error = wasmtime_global_set(to->context, &to->stack_pointer, &value);
        if (error) {
            wasmtime_error_delete(error);
            result = ERRNO_NOSYS;
        }
    }
    if (result == 0)
        instance_enter(to, fn, arg);
    return result == 0 ? 0 : instance_abandon(to, result);
}
