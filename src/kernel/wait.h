/* Waiting: a process that cannot go on stands in the queues of what it waits for, and may have a
 * timer.
 *
 * A system call that must wait registers with wait_add (once for each thing), perhaps wait_until,
 * and answers SYS_PARK. When one of them fires the process leaves all of them and becomes runnable;
 * the scheduler then makes the same call again with the same arguments. So a call either completes
 * or waits again; nothing is kept half done except what it stored in process->request.
 */
#ifndef CAPFUL_KERNEL_WAIT_H
#define CAPFUL_KERNEL_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct process;

struct waiter {
    struct process *process;
    struct wait_queue *queue;
    struct waiter *next, *prev; /* in the queue */
    struct waiter *sibling;     /* of the same process */
};

struct wait_queue {
    struct waiter *first, *last;
};

/* 0 or ERRNO_NOMEM (a process has room for two without allocating). */
int wait_add(struct process *process, struct wait_queue *queue);
/* Sets or brings forward the timer of the process: kernel time, CLOCK_MONOTONIC of the sandbox. */
void wait_until(struct process *process, uint64_t deadline_ns);
/* Everyone in the queue becomes runnable, in the order in which they came. */
void wait_wake(struct wait_queue *queue);
/* One process leaves all queues and its timer, without becoming runnable. */
void wait_leave(struct process *process);

#endif
