/* The loop that drives a run. It alternates between the guests, who run until each of them waits,
 * and the host's part: output is handed on, tools are called, answers are collected, timers fire.
 * All of the host's part happens here, on the stack of whoever called, never on a guest's.
 */
#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine.h"

#define MAX_POLL 128

/* The host's part, after kernel_run. True if anything happened that may let a guest go on. The time
 * that tools take is not the run's: it pauses until kernel_run or kernel_resume_wall. */
static bool host_turn(struct capful_run *run)
{
    struct capful_sandbox *sandbox = run->sandbox;
    struct tool_host *tools = sandbox->context.tools;
    bool progress = stdio_flush(&run->stdio);
    uint64_t now = progress ? clock_monotonic() : sandbox->kernel.drive_start;
    kernel_pause_wall(&sandbox->kernel, now);
    progress |= tool_dispatch(tools, now);
    progress |= tool_collect(tools);
    return progress;
}

static void poll_commands(struct capful_run *run)
{
    struct tool_host *tools = run->sandbox->context.tools;
    struct pollfd fds[MAX_POLL];
    size_t n = tool_pollfds(tools, fds, MAX_POLL);
    if (n > 0 && poll(fds, (nfds_t)n, 0) > 0)
        tool_poll_events(tools, fds, n);
    stdio_input_ready(&run->stdio);
}

/* Hands the host every question that came up since: nobody can run, so all that will be asked at
 * this moment has been. */
static bool put_questions(struct capful_run *run)
{
    struct capful_question *questions[64];
    struct tool_host *tools = run->sandbox->context.tools;
    size_t n = 0;
    while (n < 64 && (questions[n] = tool_next_question(tools)) != NULL)
        n++;
    if (n == 0)
        return false;
    kernel_pause_wall(&run->sandbox->kernel, clock_monotonic());
    run->job.on_questions(run->job.context, questions, n);
    return true;
}

/* Nobody can run. What could change that: a timer, a tool, input. Without any of them it is a
 * deadlock. */
static bool idle(struct capful_run *run, enum capful_step *ret)
{
    struct capful_sandbox *sandbox = run->sandbox;
    struct kernel *kernel = &sandbox->kernel;
    struct tool_host *tools = sandbox->context.tools;
    int input_fd;
    bool tools_wait = tool_in_flight(tools);
    bool input_wait = stdio_wants_input(&run->stdio, &input_fd);
    if (run->job.on_questions && put_questions(run))
        return false;
    if (tool_has_host_calls(tools) || tool_has_questions(tools)) {
        kernel_pause_wall(kernel, clock_monotonic());
        *ret = CAPFUL_STEP_CALLS;
        return true;
    }
    uint64_t timer = kernel_next_timer(kernel);
    if (kernel->clock == CLOCK_FIXED && timer != UINT64_MAX && !tools_wait && !input_wait) {
        kernel_advance(kernel);
        return false;
    }
    if (timer == UINT64_MAX && !tools_wait && !input_wait) {
        kernel_stop_limit(
            kernel, "deadlock",
            "every process waits for another: no timer, tool call or input is pending");
        return false;
    }
    uint64_t now = kernel_time_monotonic(kernel);
    run->timeout = kernel->clock == CLOCK_FIXED || timer == UINT64_MAX ? UINT64_MAX
                   : timer > now                                       ? timer - now
                                                                       : 0;
    uint64_t due = tool_next_deadline(tools), host_now = clock_monotonic();
    if (due != UINT64_MAX)
        due = due > host_now ? due - host_now : 0;
    if (due < run->timeout)
        run->timeout = due;
    due = kernel_time_left(kernel, tools_wait);
    if (due < run->timeout)
        run->timeout = due;
    if (run->timeout == 0)
        return false;
    if (tools_wait)
        kernel_pause_wall(kernel, clock_monotonic());
    *ret = CAPFUL_STEP_WAIT;
    return true;
}

static enum capful_step drive(struct capful_run *run)
{
    struct capful_sandbox *sandbox = run->sandbox;
    struct kernel *kernel = &sandbox->kernel;
    enum capful_step step = CAPFUL_STEP_DONE;
    for (;;) {
        switch (kernel_run(kernel)) {
        case KERNEL_DONE:
            host_turn(run);
            kernel_resume_wall(kernel, clock_monotonic());
            return CAPFUL_STEP_DONE;
        case KERNEL_STOPPED: return CAPFUL_STEP_DONE;
        case KERNEL_ASKED: host_turn(run); break;
        case KERNEL_IDLE:
            if (host_turn(run))
                break;
            kernel_resume_wall(kernel, clock_monotonic());
            poll_commands(run);
            tool_expire(sandbox->context.tools, clock_monotonic());
            if (tool_collect(sandbox->context.tools) || kernel->run_first)
                break;
            if (idle(run, &step))
                return step;
            break;
        }
    }
}

/* What woke the driver is looked at in any case: the counter only has to be empty again. */
static void drain(int fd)
{
    uint64_t count;
    if (fd >= 0 && read(fd, &count, sizeof count) < 0)
        return;
}

enum capful_step driver_step(struct capful_run *run)
{
    struct capful_sandbox *sandbox = run->sandbox;
    drain(atomic_load(&sandbox->wake_fd));
    kernel_resume_wall(&sandbox->kernel, clock_monotonic());
    engine_enter();
    poll_commands(run);
    tool_expire(sandbox->context.tools, clock_monotonic());
    tool_collect(sandbox->context.tools);
    enum capful_step step = drive(run);
    engine_leave();
    return step;
}

/* The descriptor that other threads write to wake the driver. Made only when somebody has to wait.
 */
static int wake_fd(struct capful_run *run)
{
    struct capful_sandbox *sandbox = run->sandbox;
    int fd = atomic_load(&sandbox->wake_fd);
    if (fd >= 0)
        return fd;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    atomic_store(&sandbox->wake_fd, fd);
    return fd;
}

static size_t gather(struct capful_run *run, struct pollfd *fds)
{
    struct capful_sandbox *sandbox = run->sandbox;
    size_t n = 0;
    int fd = wake_fd(run);
    if (fd >= 0)
        fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    fd = tool_event_fd(sandbox->context.tools);
    if (fd >= 0)
        fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    if (stdio_wants_input(&run->stdio, &fd))
        fds[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    return n + tool_pollfds(sandbox->context.tools, fds + n, MAX_POLL - n);
}

static bool must_not_wait(struct capful_run *run)
{
    struct capful_sandbox *sandbox = run->sandbox;
    return atomic_load(&sandbox->kernel.cancelled) != 0 || tool_collect(sandbox->context.tools);
}

void driver_wait(struct capful_run *run)
{
    struct pollfd fds[MAX_POLL];
    size_t n = gather(run, fds);
    /* An answer or a cancel that came before the descriptors existed wrote nothing to them. */
    if (run->state == CAPFUL_STEP_WAIT && run->timeout == 0)
        return;
    if (must_not_wait(run))
        return;
    struct timespec limit = {(time_t)(run->timeout / CAPFUL_SECOND),
                             (long)(run->timeout % CAPFUL_SECOND)};
    bool forever = run->timeout == UINT64_MAX || run->state == CAPFUL_STEP_CALLS;
    ppoll(fds, (nfds_t)n, forever ? NULL : &limit, NULL);
}

/* One descriptor that stands for all of them. Its set is brought up to date each time it is asked
 * for. */
int driver_epoll(struct capful_run *run)
{
    struct pollfd fds[MAX_POLL];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        return -1;
    size_t n = gather(run, fds);
    for (size_t i = 0; i < n; i++) {
        struct epoll_event event = {.events = (fds[i].events & POLLIN ? EPOLLIN : 0u) |
                                              (fds[i].events & POLLOUT ? EPOLLOUT : 0u)};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i].fd, &event) != 0 && errno != EEXIST &&
            errno != EPERM) {
            close(epoll);
            return -1;
        }
    }
    if (must_not_wait(run)) {
        uint64_t one = 1;
        if (write(wake_fd(run), &one, sizeof one) < 0 && errno != EAGAIN) {
            close(epoll);
            return -1;
        }
    }
    /* The number stays the same for the host, whatever is behind it. */
    if (run->epoll_fd < 0) {
        run->epoll_fd = epoll;
    } else {
        dup3(epoll, run->epoll_fd, O_CLOEXEC);
        close(epoll);
    }
    return run->epoll_fd;
}
