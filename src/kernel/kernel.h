/* The microkernel of one sandbox: its processes, who runs next, what has been used, and why it had
 * to stop.
 *
 *                       spawn, clone
 *                            |
 *                            v                 resume()
 *     run queue  [ p3 ]->[ p1 ]->[ p7 ] ----------------------> guest code
 *         ^                                                         |
 *         | wait_wake, timer                parked, preempted, exit |
 *         +---- wait queues (pipe, child, call, stream) <-----------+
 *
 * One thread drives it at a time. It knows no wasmtime and no host file: the engine comes in
 * through struct engine_ops, files through struct file_ops, tools through struct kernel_hooks.
 */
#ifndef CAPFUL_KERNEL_KERNEL_H
#define CAPFUL_KERNEL_KERNEL_H

#include <stdatomic.h>

#include "capful/capful.h"
#include "kernel/engine.h"
#include "kernel/process.h"

enum stop_kind {
    STOP_NONE,
    STOP_LIMIT,  /* stop_text is "name: words", name "wall", "memory", …, "deadlock" */
    STOP_KILLED, /* cancelled; stop_signal */
    STOP_FAULT   /* our side; stop_text says what */
};

struct kernel_hooks {
    int (*inherit)(struct process *parent /* NULL: the first */, struct process *child); /* errno */
    void (*exited)(struct process *process); /* frees process->tools */
    void *context;
};

enum clock_mode { CLOCK_REAL_TIME, CLOCK_FIXED };

struct kernel {
    const struct engine_ops *engine;
    struct kernel_hooks hooks;
    struct capful_limits limits;

    struct process **table; /* by slot: pid & mask */
    uint32_t table_alloc;
    int32_t last_pid;
    uint32_t live; /* processes that are not zombies */
    uint32_t zombies;
    struct process *init;    /* the root of the run */
    struct process *current; /* whose system call is being made */
    bool on_fiber;           /* the current system call runs on a guest's stack */
    bool asked;              /* kernel_ask was called */
    bool driving;            /* inside kernel_run */
    uint32_t turns;          /* until the clocks are looked at again */
    struct process *run_first, *run_last;
    struct process **timers; /* binary heap by time, then pid; room for every process */
    uint32_t timer_count, timer_alloc;

    enum stop_kind stop; /* first reason wins */
    char stop_text[200];
    int stop_signal;
    _Atomic int cancelled; /* signal number + 1, set from any thread */

    enum clock_mode clock;
    uint64_t clock_real;   /* CLOCK_FIXED: ns since 1970 now */
    uint64_t clock_origin; /* monotonic host time of the run's start */
    uint64_t clock_mono;   /* CLOCK_FIXED: ns since the run's start */
    uint64_t random[4];    /* xoshiro256** */
    bool random_seeded;    /* else random bytes come from the host's getrandom */

    uint64_t memory_used, memory_peak;
    uint64_t processes_started;

    uint64_t wall_start, wall_paused, pause_start; /* host time; pause_start 0: not paused */
    uint64_t cpu_used;  /* ns of guests and kernel, up to the last look */
    uint64_t cpu_shown; /* the largest answer of kernel_time_cpu */
    uint64_t cpu_mark;  /* thread's processor time at the last look, 0: not asked in this drive */
    /* Host time when kernel_run was entered, cpu_mark was taken, or kernel_run returned. */
    uint64_t drive_start;
    void *spare; /* pipe buffers to be used again (pipe.c) */
    uint32_t spare_count;
    uint64_t pipes_made;
    void *context; /* the sandbox, for the layers above */
};

int kernel_init(struct kernel *kernel, const struct engine_ops *engine,
                const struct kernel_hooks *hooks,
                const struct capful_limits *limits); /* CAPFUL_E… */
void kernel_release(struct kernel *kernel);
/* Before a run: clocks, counters of the run and the stop reason are set anew; files and memory stay
 * charged. */
void kernel_begin(struct kernel *kernel);
/* After a run: every process is gone. */
void kernel_end(struct kernel *kernel);

enum sched_state {
    KERNEL_IDLE,    /* nobody can run: something outside must happen, or it is a deadlock */
    KERNEL_DONE,    /* the first process is gone */
    KERNEL_STOPPED, /* kernel->stop */
    KERNEL_ASKED    /* kernel_ask was called: the host has something to do (calls, output) */
};
/* Runs processes until one of these. */
enum sched_state kernel_run(struct kernel *kernel);
/* From a system call: kernel_run returns KERNEL_ASKED after the current process's turn. */
void kernel_ask(struct kernel *kernel);
/* ns (monotonic of the sandbox) of the next timer, UINT64_MAX if none. */
uint64_t kernel_next_timer(const struct kernel *kernel);
/* Wakes those whose time has come (kernel_run does so too). With CLOCK_FIXED and nobody runnable it
 * first moves the clock to the next timer: only for a driver that knows that nothing outside is
 * pending. */
void kernel_advance(struct kernel *kernel);

void kernel_stop_limit(struct kernel *kernel, const char *limit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void kernel_stop_fault(struct kernel *kernel, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void kernel_cancel(struct kernel *kernel, int signal_number); /* any thread */
/* Looks at cancel, wall, cpu and deadline; true if the run must stop. Long host loops call it
 * between pieces of some ten microseconds or more. */
bool kernel_must_stop(struct kernel *kernel);
/* ns of host time until kernel_must_stop would answer true by itself; UINT64_MAX if never. While
 * only tools are being waited for the wall limit does not come nearer. */
uint64_t kernel_time_left(const struct kernel *kernel, bool tools_wait);
uint64_t kernel_time_elapsed(
    const struct kernel *kernel); /* ns of host time since the run's start, all counted */

/* Charges the sandbox; at the limit stops the run and returns false (nothing is charged then). */
bool kernel_charge(struct kernel *kernel, uint64_t bytes);
void kernel_discharge(struct kernel *kernel, uint64_t bytes);

uint64_t kernel_time_monotonic(const struct kernel *kernel); /* ns since the run's start */
uint64_t kernel_time_real(const struct kernel *kernel);      /* ns since 1970 */
uint64_t
kernel_time_cpu(struct kernel *kernel); /* ns used so far, never less than it answered before */
int kernel_random(struct kernel *kernel, void *buffer, size_t len);
void kernel_seed(struct kernel *kernel, uint64_t seed);
/* Only tools and approvals are being waited for, from now (clock_monotonic) on. Guests that run end
 * it. */
void kernel_pause_wall(struct kernel *kernel, uint64_t now);
void kernel_resume_wall(struct kernel *kernel, uint64_t now);

/* For process.c and sched.c. */
void kernel_enqueue(struct kernel *kernel, struct process *process);
void kernel_dequeue(struct kernel *kernel, struct process *process);
void kernel_timer_set(struct process *process, uint64_t deadline);
void kernel_timer_clear(struct process *process);
void kernel_end_process(struct process *process, uint32_t exit_code);
void kernel_end_others(struct kernel *kernel);       /* all but the first */
void kernel_forget_request(struct process *process); /* frees what a call kept between tries */

/* Tests: walks every list and count; NULL or what is wrong. */
const char *kernel_check(const struct kernel *kernel);

#endif
