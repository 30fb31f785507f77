/* Wait queues, see wait.h. A waiter belongs to one process and one queue; a process keeps the list
 * of its own. */
#include "kernel/wait.h"

#include "abi/abi.h"
#include "base/mem.h"
#include "kernel/kernel.h"

static struct waiter *new_waiter(struct process *process)
{
    for (int i = 0; i < 2; i++) {
        if (!process->waiters[i].queue)
            return &process->waiters[i];
    }
    return mem_alloc(sizeof(struct waiter));
}

int wait_add(struct process *process, struct wait_queue *queue)
{
    struct waiter *waiter = new_waiter(process);
    if (!waiter)
        return ERRNO_NOMEM;
    *waiter = (struct waiter){process, queue, NULL, queue->last, process->waiting};
    if (queue->last)
        queue->last->next = waiter;
    else
        queue->first = waiter;
    queue->last = waiter;
    process->waiting = waiter;
    return 0;
}

void wait_until(struct process *process, uint64_t deadline_ns)
{
    if (deadline_ns == 0)
        deadline_ns = 1; /* 0 means none */
    if (process->timer == 0 || deadline_ns < process->timer)
        kernel_timer_set(process, deadline_ns);
}

static void unlink_waiter(struct waiter *waiter)
{
    struct wait_queue *queue = waiter->queue;
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        queue->first = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    else
        queue->last = waiter->prev;
    waiter->queue = NULL;
}

void wait_leave(struct process *process)
{
    struct waiter *waiter = process->waiting;
    process->waiting = NULL;
    while (waiter) {
        struct waiter *sibling = waiter->sibling;
        unlink_waiter(waiter);
        if (waiter < process->waiters || waiter >= process->waiters + 2)
            mem_free(waiter);
        waiter = sibling;
    }
    kernel_timer_clear(process);
}

void wait_wake(struct wait_queue *queue)
{
    while (queue->first)
        process_wake(queue->first->process);
}
