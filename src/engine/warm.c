/* Instances that wait for the next process of their program.
 *
 * To make an instance and to take it apart costs ten times what a call into it does. So where a
 * process ended by itself, and its program changes nothing of an instance but its memory and its
 * stack pointer (the compiler looked: image->reusable), both are put back and the instance is kept.
 *
 * The memory: each page that was written gets its first contents again. If those are many, or most
 * of them have not been needed for a while, all go back to the system instead; the next process
 * finds the image mapped as it was at first.
 *
 * The stack of the fiber: what lies deep goes back to the system, after each process that wrote
 * more than a little, and now and then. What lies near its top stays: no guest can read a stack.
 */
#include "engine/internal.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#define KEPT_MAX   64u
#define RESET_MAX  256u /* pages; beyond, page faults are cheaper than copies */
#define SPARE_MIN  32u  /* pages that the last process did not need */
#define SPARE_RUNS 16u  /* so many processes in turn */
#define STACK_KEPT (64u << 10)
#define TRIM_PAGES 16u /* a process that wrote so many may have gone deep */
#define TRIM_USES  16u

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct instance *kept[KEPT_MAX]; /* the youngest is the last */
static unsigned kept_count;
static _Thread_local char home; /* its address stands for the thread */

void warm_fork_prepare(void)
{
    pthread_mutex_lock(&mutex);
}

void warm_fork_parent(void)
{
    pthread_mutex_unlock(&mutex);
}

void warm_fork_child(void)
{
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    mutex = fresh;
}

/* One of image, or of any image where that is NULL: of those the youngest that this thread put
 * there, else the youngest, since its pages lie in the caches that are near. */
static struct instance *take(const struct image *image)
{
    struct instance *instance = NULL;
    unsigned found = KEPT_MAX;
    pthread_mutex_lock(&mutex);
    for (unsigned i = kept_count; i-- > 0;) {
        if (image && kept[i]->image != image)
            continue;
        if (found == KEPT_MAX || kept[i]->home == &home)
            found = i;
        if (kept[i]->home == &home)
            break;
    }
    if (found < KEPT_MAX) {
        instance = kept[found];
        kept_count--;
        memmove(&kept[found], &kept[found + 1], (kept_count - found) * sizeof kept[0]);
    }
    pthread_mutex_unlock(&mutex);
    return instance;
}

struct instance *warm_take(const struct image *image)
{
    return image->reusable ? take(image) : NULL;
}

bool warm_drop_one(void)
{
    struct instance *instance = take(NULL);
    instance_free(instance);
    return instance != NULL;
}

void warm_drop_image(const struct image *image)
{
    struct instance *instance;
    while ((instance = take(image)) != NULL)
        instance_free(instance);
}

struct reset {
    const struct image *image;
    uint8_t *base;
    size_t pages;
    size_t unchanged;
};

static bool reset_range(void *context, size_t start, size_t end)
{
    struct reset *reset = context;
    reset->pages += (end - start) / IMAGE_PAGE;
    if (reset->pages > RESET_MAX)
        return false;
    for (size_t at = start; at < end; at += IMAGE_PAGE) {
        const uint8_t *fresh = image_page(reset->image, at);
        if (memcmp(reset->base + at, fresh, IMAGE_PAGE) != 0)
            memcpy(reset->base + at, fresh, IMAGE_PAGE);
        else
            reset->unchanged++;
    }
    return true;
}

static bool reset_memory(struct instance *instance, size_t *ret_changed)
{
    uint8_t *base = wasmtime_memory_data(instance->context, &instance->memory);
    size_t size = wasmtime_memory_data_size(instance->context, &instance->memory);
    struct reset reset = {instance->image, base, 0, 0};
    if (size != instance->first_size)
        return false;
    bool all = dirty_each(base, size, reset_range, &reset);
    *ret_changed = all ? reset.pages - reset.unchanged : SIZE_MAX;
    bool spare = reset.unchanged >= SPARE_MIN && reset.unchanged >= reset.pages / 2;
    instance->spare_runs = spare ? instance->spare_runs + 1 : 0;
    if (all && instance->spare_runs < SPARE_RUNS)
        return true;
    instance->spare_runs = 0;
    return madvise(base, size, MADV_DONTNEED) == 0;
}

static bool trim_stack(struct instance *instance, size_t changed)
{
    uintptr_t start, end;
    if (changed < TRIM_PAGES && ++instance->uses % TRIM_USES != 0)
        return true;
    if (!rt_store_stack(instance->store, &start, &end))
        return false;
    return end - start <= STACK_KEPT ||
           // NOLINTNEXTLINE(performance-no-int-to-ptr): the runtime gives numbers
           madvise((void *)start, end - start - STACK_KEPT, MADV_DONTNEED) == 0;
}

static bool put_back(struct instance *instance)
{
    bool kept_it = false;
    instance->home = &home;
    pthread_mutex_lock(&mutex);
    if (kept_count < KEPT_MAX) {
        kept[kept_count++] = instance;
        kept_it = true;
    }
    pthread_mutex_unlock(&mutex);
    if (kept_it)
        engine_tell_waiters();
    return kept_it;
}

bool warm_keep(struct instance *instance)
{
    if (!instance->image->reusable || !instance->exited || !engine_is_fast())
        return false;
    size_t changed;
    instance_settle(instance);
    return reset_memory(instance, &changed) &&
           instance_set_stack(instance, instance->first_stack) && trim_stack(instance, changed) &&
           put_back(instance);
}
