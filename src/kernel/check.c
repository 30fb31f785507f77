/* Invariants of the kernel, walked one by one: for tests and fuzzers. */
#include <stddef.h>

#include "kernel/kernel.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return #condition;                                                                     \
    } while (0)

static const char *check_waiters(const struct process *process)
{
    for (const struct waiter *w = process->waiting; w; w = w->sibling) {
        CHECK(w->process == process);
        CHECK(w->queue);
        CHECK(w->prev ? w->prev->next == w : w->queue->first == w);
        CHECK(w->next ? w->next->prev == w : w->queue->last == w);
    }
    for (int i = 0; i < 2; i++) {
        bool listed = false;
        for (const struct waiter *w = process->waiting; w; w = w->sibling)
            listed |= w == &process->waiters[i];
        CHECK(listed == (process->waiters[i].queue != NULL));
    }
    return NULL;
}

static const char *check_family(const struct process *process)
{
    const struct process *prev = NULL;
    for (const struct process *c = process->children; c; prev = c, c = c->sibling_next) {
        CHECK(c->parent == process && c->sibling_prev == prev);
        CHECK(c->state != PROCESS_ZOMBIE);
    }
    prev = NULL;
    for (const struct process *c = process->dead_first; c; prev = c, c = c->sibling_next) {
        CHECK(c->parent == process && c->sibling_prev == prev);
        CHECK(c->state == PROCESS_ZOMBIE);
    }
    CHECK(process->dead_last == prev);
    return NULL;
}

static const char *check_zombie(const struct process *process)
{
    CHECK(!process->engine && !process->waiting && !process->queued && !process->timer);
    CHECK(!process->fds.slots && !process->cwd && !process->view && !process->cwd_path &&
          !process->argv.data && !process->report && !process->source.data);
    CHECK(!process->children && !process->dead_first);
    CHECK(!process->request.scratch && process->request.state == REQUEST_NONE);
    return NULL;
}

static const char *check_process(const struct kernel *kernel, const struct process *process)
{
    const char *wrong;
    CHECK(process->kernel == kernel && process->pid > 0 && process->group > 0);
    CHECK(process->parent || process == kernel->init || process->state != PROCESS_ZOMBIE);
    CHECK(process->queued == (process->state == PROCESS_RUNNABLE));
    CHECK(!process->queued || !process->waiting);
    CHECK((process->timer != 0) == (process->timer_slot != 0));
    CHECK(process->timer_slot <= kernel->timer_count);
    CHECK(process->timer_slot == 0 || kernel->timers[process->timer_slot - 1] == process);
    CHECK((process->request.scratch != NULL) <= (process->request.scratch_free != NULL));
    CHECK(process->fds.alloc <= process->fds.limit);
    for (uint32_t i = 0; i < process->fds.alloc; i++) {
        const struct fd *fd = &process->fds.slots[i];
        CHECK(fd->file ? fd->file->refs > 0 : !fd->preopen && !fd->rights && !fd->inheriting);
    }
    if ((wrong = check_waiters(process)) || (wrong = check_family(process)))
        return wrong;
    return process->state == PROCESS_ZOMBIE ? check_zombie(process) : NULL;
}

const char *kernel_check(const struct kernel *kernel)
{
    uint32_t live = 0, zombies = 0, queued = 0, timers = 0;
    uint64_t charged = 0;
    for (uint32_t i = 0; i < kernel->table_alloc; i++) {
        const struct process *process = kernel->table[i];
        if (!process)
            continue;
        CHECK(((uint32_t)process->pid & (kernel->table_alloc - 1)) == i);
        const char *wrong = check_process(kernel, process);
        if (wrong)
            return wrong;
        zombies += process->state == PROCESS_ZOMBIE;
        live += process->state != PROCESS_ZOMBIE;
        queued += process->queued;
        timers += process->timer_slot != 0;
        charged += process->memory_charged;
    }
    CHECK(live == kernel->live && zombies == kernel->zombies && timers == kernel->timer_count);
    CHECK(charged <= kernel->memory_used && kernel->memory_used <= kernel->memory_peak);
    const struct process *prev = NULL;
    for (const struct process *p = kernel->run_first; p; prev = p, p = p->run_next) {
        CHECK(queued-- > 0 && p->queued && p->run_prev == prev);
    }
    CHECK(queued == 0 && kernel->run_last == prev);
    for (uint32_t i = 2; i <= kernel->timer_count; i++)
        CHECK(kernel->timers[i / 2 - 1]->timer <= kernel->timers[i - 1]->timer);
    return NULL;
}
