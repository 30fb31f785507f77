/* What the kernel asks of whatever runs guest code: wasmtime (src/engine), or a fake one in tests.
 */
#ifndef CAPFUL_KERNEL_ENGINE_H
#define CAPFUL_KERNEL_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

enum engine_event {
    ENGINE_PARKED,    /* a system call answered SYS_PARK: process->request is pending */
    ENGINE_PREEMPTED, /* its time slice ended */
    ENGINE_EXITED,    /* it called proc_exit: process->exit_code */
    ENGINE_RETURNED,  /* its entry returned: exit code 0 */
    ENGINE_TRAPPED,   /* process->trap says why */
    ENGINE_STOPPED,   /* a limit was hit inside: kernel->stop is set */
    ENGINE_FAILED     /* the engine itself failed: process->trap */
};

struct engine_ops {
    /* Makes the instance of process->image. Errno for the guest: NOMEM, AGAIN (no slot), NOEXEC. */
    int (*create)(struct process *process);
    /* The same for a clone: memory and globals of `parent` (which is parked), entry fn(arg). */
    int (*clone)(struct process *parent, struct process *child, uint32_t fn, uint32_t arg);
    /* Runs it until the next event. If a request was answered (request.state == REQUEST_ANSWERED),
     * the call returns request.result to the guest first. */
    enum engine_event (*resume)(struct process *process);
    /* Ends it in whatever state; the instance goes back to the pool. */
    void (*destroy)(struct process *process);
};

#endif
