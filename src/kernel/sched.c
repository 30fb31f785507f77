/* The scheduler: a queue of those who can run, a heap of those who wait for a time.
 *
 * One turn: if the process has a call pending, the call is made again; when it is answered (or
 * there was none) the engine resumes the guest until it parks, ends or uses up its slice. A call
 * that must not run on a guest's stack (process_defer) comes back here at once and is made within
 * the same turn.
 */
#include <stddef.h>

#include "base/clock.h"
#include "kernel/kernel.h"
#include "kernel/pipe.h"

#define TURNS_BETWEEN_LOOKS 64u /* a turn that does not use up its slice takes microseconds */
#define DEFERS_IN_A_TURN    64u /* then the others have theirs */
#define TRAP_EXIT_CODE      (128u + CAPFUL_SIGABRT)

/* ---- the run queue */

void kernel_enqueue(struct kernel *kernel, struct process *process)
{
    if (process->queued)
        return;
    process->queued = true;
    process->run_next = NULL;
    process->run_prev = kernel->run_last;
    if (kernel->run_last)
        kernel->run_last->run_next = process;
    else
        kernel->run_first = process;
    kernel->run_last = process;
}

void kernel_dequeue(struct kernel *kernel, struct process *process)
{
    if (!process->queued)
        return;
    process->queued = false;
    if (process->run_prev)
        process->run_prev->run_next = process->run_next;
    else
        kernel->run_first = process->run_next;
    if (process->run_next)
        process->run_next->run_prev = process->run_prev;
    else
        kernel->run_last = process->run_prev;
    process->run_next = process->run_prev = NULL;
}

static void make_runnable(struct process *process)
{
    process->state = PROCESS_RUNNABLE;
    kernel_enqueue(process->kernel, process);
}

void process_wake(struct process *process)
{
    wait_leave(process);
    if (process->state == PROCESS_WAITING)
        make_runnable(process);
    else if (process->state == PROCESS_RUNNING)
        process->woken = true;
}

int process_defer(struct process *process)
{
    process->deferred = true;
    return SYS_PARK;
}

int process_yield(struct process *process)
{
    process->woken = true;
    return SYS_PARK;
}

/* ---- timers */

static bool earlier(const struct process *a, const struct process *b)
{
    return a->timer < b->timer || (a->timer == b->timer && a->pid < b->pid);
}

static void put(struct kernel *kernel, uint32_t slot, struct process *process)
{
    kernel->timers[slot - 1] = process;
    process->timer_slot = slot;
}

static void sift_up(struct kernel *kernel, uint32_t slot, struct process *process)
{
    while (slot > 1 && earlier(process, kernel->timers[slot / 2 - 1])) {
        put(kernel, slot, kernel->timers[slot / 2 - 1]);
        slot /= 2;
    }
    put(kernel, slot, process);
}

static void sift_down(struct kernel *kernel, uint32_t slot, struct process *process)
{
    for (;;) {
        uint32_t child = slot * 2;
        if (child > kernel->timer_count)
            break;
        if (child < kernel->timer_count &&
            earlier(kernel->timers[child], kernel->timers[child - 1]))
            child++;
        if (!earlier(kernel->timers[child - 1], process))
            break;
        put(kernel, slot, kernel->timers[child - 1]);
        slot = child;
    }
    put(kernel, slot, process);
}

/* There is room: process_new saw to it. */
void kernel_timer_set(struct process *process, uint64_t deadline)
{
    struct kernel *kernel = process->kernel;
    kernel_timer_clear(process);
    process->timer = deadline;
    sift_up(kernel, ++kernel->timer_count, process);
}

void kernel_timer_clear(struct process *process)
{
    struct kernel *kernel = process->kernel;
    uint32_t slot = process->timer_slot;
    process->timer = 0;
    process->timer_slot = 0;
    if (slot == 0)
        return;
    struct process *last = kernel->timers[--kernel->timer_count];
    if (last == process)
        return;
    if (slot > 1 && earlier(last, kernel->timers[slot / 2 - 1]))
        sift_up(kernel, slot, last);
    else
        sift_down(kernel, slot, last);
}

uint64_t kernel_next_timer(const struct kernel *kernel)
{
    return kernel->timer_count ? kernel->timers[0]->timer : UINT64_MAX;
}

static void fire_timers(struct kernel *kernel)
{
    if (kernel->timer_count == 0)
        return;
    uint64_t now = kernel_time_monotonic(kernel);
    while (kernel->timer_count && kernel->timers[0]->timer <= now)
        process_wake(kernel->timers[0]);
}

void kernel_advance(struct kernel *kernel)
{
    if (kernel->clock == CLOCK_FIXED && !kernel->run_first && kernel->timer_count) {
        uint64_t next = kernel->timers[0]->timer;
        if (next > kernel->clock_mono) {
            kernel->clock_real += next - kernel->clock_mono;
            kernel->clock_mono = next;
        }
    }
    fire_timers(kernel);
}

/* ---- time used, and whether to go on */

/* Asking for the thread's processor time is slow where the host is a virtual machine. So a drive
 * that is over within one slice counts by the wall clock, which cannot be less; only a longer one
 * asks, once a slice. */
static void count_cpu(struct kernel *kernel, uint64_t now, bool ask)
{
    if (!kernel->driving)
        return;
    if (kernel->cpu_mark == 0)
        kernel->cpu_used += now - kernel->drive_start;
    kernel->drive_start = now;
    if (kernel->cpu_mark == 0 && !ask)
        return;
    uint64_t thread = clock_thread();
    if (kernel->cpu_mark != 0 && thread > kernel->cpu_mark)
        kernel->cpu_used += thread - kernel->cpu_mark;
    kernel->cpu_mark = thread;
}

static uint64_t wall_used(const struct kernel *kernel, uint64_t now)
{
    uint64_t paused = kernel->wall_paused + (kernel->pause_start ? now - kernel->pause_start : 0);
    return now - kernel->wall_start - paused;
}

static double seconds(uint64_t ns)
{
    return (double)ns / (double)CAPFUL_SECOND;
}

static bool must_stop(struct kernel *kernel, uint64_t now)
{
    int cancelled = atomic_load_explicit(&kernel->cancelled, memory_order_relaxed);
    if (cancelled != 0 && kernel->stop == STOP_NONE) {
        kernel->stop = STOP_KILLED;
        kernel->stop_signal = cancelled - 1;
    }
    if (kernel->stop != STOP_NONE)
        return true;
    const struct capful_limits *limits = &kernel->limits;
    if (now - kernel->drive_start > CAPFUL_SECOND / 1000)
        count_cpu(kernel, now, true);
    if (wall_used(kernel, now) > limits->wall)
        kernel_stop_limit(kernel, "wall",
                          "the run took more than %g s, not counting the time spent on tools",
                          seconds(limits->wall));
    else if (now - kernel->wall_start > limits->deadline)
        kernel_stop_limit(kernel, "deadline", "the run took more than %g s",
                          seconds(limits->deadline));
    else if (kernel->cpu_used > limits->cpu)
        kernel_stop_limit(kernel, "cpu", "the run used more than %g s of processor time",
                          seconds(limits->cpu));
    return kernel->stop != STOP_NONE;
}

bool kernel_must_stop(struct kernel *kernel)
{
    return must_stop(kernel, clock_monotonic());
}

uint64_t kernel_time_elapsed(const struct kernel *kernel)
{
    return clock_monotonic() - kernel->wall_start;
}

uint64_t kernel_time_left(const struct kernel *kernel, bool tools_wait)
{
    uint64_t now = clock_monotonic(), left = UINT64_MAX;
    uint64_t used = now - kernel->wall_start;
    if (kernel->limits.deadline != CAPFUL_UNLIMITED)
        left = kernel->limits.deadline > used ? kernel->limits.deadline - used : 0;
    if (kernel->limits.wall == CAPFUL_UNLIMITED || tools_wait)
        return left;
    used = wall_used(kernel, now);
    uint64_t wall = kernel->limits.wall > used ? kernel->limits.wall - used : 0;
    return wall < left ? wall : left;
}

/* ---- turns */

void kernel_forget_request(struct process *process)
{
    struct request *request = &process->request;
    if (request->scratch) {
        request->scratch_free(request->scratch);
        request->scratch = NULL;
    }
    request->deadline = 0;
    request->progress = 0;
}

/* Parked: asleep, unless what it waits for came meanwhile or it only lets others go first. */
static void put_to_sleep(struct process *process)
{
    if (process->woken || process->deferred) {
        process->woken = process->deferred = false;
        wait_leave(process);
        make_runnable(process);
    } else {
        process->state = PROCESS_WAITING;
    }
}

static void finish(struct process *process, uint32_t exit_code)
{
    process->kernel->current = NULL;
    if (process->doomed)
        process->trap[0] = 0; /* the engine ended it by a trap of ours */
    kernel_end_process(process, exit_code);
}

/* Makes the pending call again. True if it is answered and the guest can go on. */
static bool try_again(struct kernel *kernel, struct process *process)
{
    struct request *request = &process->request;
    kernel->on_fiber = false;
    int result = request->call(process, request->args);
    if (process->doomed || result == SYS_EXIT) {
        finish(process, process->exit_code);
        return false;
    }
    if (kernel->stop != STOP_NONE || result == SYS_PARK) {
        put_to_sleep(process);
        return false;
    }
    wait_leave(process);
    kernel_forget_request(process);
    request->result = result;
    request->state = REQUEST_ANSWERED;
    return true;
}

/* The guest gave up the processor. True if it goes on in the same turn. */
static bool handle(struct kernel *kernel, struct process *process, enum engine_event event)
{
    if (process->doomed) {
        finish(process, process->exit_code);
        return false;
    }
    switch (event) {
    case ENGINE_PARKED:
        if (process->deferred && !process->woken) {
            process->deferred = false;
            return true;
        }
        put_to_sleep(process);
        return false;
    case ENGINE_PREEMPTED:
        make_runnable(process);
        kernel->turns = 0;
        return false;
    case ENGINE_EXITED: finish(process, process->exit_code); return false;
    case ENGINE_RETURNED: finish(process, 0); return false;
    case ENGINE_TRAPPED: finish(process, TRAP_EXIT_CODE); return false;
    case ENGINE_STOPPED:
        if (kernel->stop == STOP_NONE)
            kernel_stop_fault(kernel, "the engine stopped without a reason");
        put_to_sleep(process);
        return false;
    case ENGINE_FAILED: break;
    }
    kernel_stop_fault(kernel, "the engine failed: %s", process->trap);
    put_to_sleep(process);
    return false;
}

static void take_turn(struct kernel *kernel, struct process *process)
{
    unsigned defers = 0;
    kernel->current = process;
    process->state = PROCESS_RUNNING;
    process->woken = process->deferred = false;
    for (;;) {
        if (process->request.state == REQUEST_PENDING) {
            if (++defers > DEFERS_IN_A_TURN) {
                make_runnable(process);
                break;
            }
            if (!try_again(kernel, process))
                break;
        }
        enum engine_event event = kernel->engine->resume(process);
        kernel->on_fiber = false;
        if (!handle(kernel, process, event))
            break;
    }
    kernel->current = NULL;
}

/* Reading the clock costs as much as a guest's system call: `now` serves until a guest has run. */
static enum sched_state run(struct kernel *kernel, uint64_t now)
{
    for (;; now = 0) {
        if (kernel->stop != STOP_NONE)
            return KERNEL_STOPPED;
        if (!kernel->init || kernel->init->state == PROCESS_ZOMBIE) {
            kernel_end_others(kernel); /* with the first process everything ends */
            return KERNEL_DONE;
        }
        if (kernel->turns == 0 || atomic_load_explicit(&kernel->cancelled, memory_order_relaxed)) {
            kernel->turns = TURNS_BETWEEN_LOOKS;
            if (must_stop(kernel, now ? now : clock_monotonic()))
                continue;
            fire_timers(kernel);
        }
        if (kernel->asked)
            return KERNEL_ASKED;
        kernel->turns--;
        if (!kernel->run_first)
            fire_timers(kernel);
        struct process *next = kernel->run_first;
        if (!next)
            return KERNEL_IDLE;
        kernel_dequeue(kernel, next);
        take_turn(kernel, next);
    }
}

enum sched_state kernel_run(struct kernel *kernel)
{
    kernel->drive_start = clock_monotonic();
    kernel_resume_wall(kernel, kernel->drive_start);
    kernel->cpu_mark = 0;
    kernel->turns = 0;
    kernel->driving = true;
    enum sched_state state = run(kernel, kernel->drive_start);
    count_cpu(kernel, clock_monotonic(), false);
    kernel->driving = false;
    kernel->asked = false;
    return state;
}

void kernel_ask(struct kernel *kernel)
{
    kernel->asked = true;
}
