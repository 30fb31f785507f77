/* The scheduler: turns, order, preemption, deferred calls, sleeping, stopping. */
#include <string.h>

#include "base/clock.h"
#include "fake_engine.h"
#include "tap.h"

static char trail[256]; /* who did what, in order */
static size_t trail_len;

static void mark(char c)
{
    if (trail_len < sizeof trail - 1) {
        trail[trail_len++] = c;
        trail[trail_len] = 0;
    }
}

static void start(struct fake_box *box, struct image *image)
{
    trail_len = 0;
    trail[0] = 0;
    fake_box_init(box);
    box->kernel.clock = CLOCK_FIXED;
    OK(fake_box_start(box, image) != NULL);
}

static void finish(struct fake_box *box)
{
    OK(!kernel_check(&box->kernel));
    fake_box_release(box);
    EQ(fake_engine_state.alive, 0);
}

static void works(struct fake *g, uint32_t arg)
{
    for (int i = 0; i < 3; i++) {
        mark((char)arg);
        fake_preempt(g);
    }
}

static void three_workers(struct fake *g, uint32_t arg)
{
    (void)arg;
    for (char c = 'a'; c <= 'c'; c++)
        fake_clone(g, 1, (uint32_t)c);
    while (fake_wait(g, -1, 0, NULL) > 0)
        ;
}

TEST(sched_round_robin_when_preempted)
{
    static struct image image = {.name = "s", .own = true, .functions = {three_workers, works}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "abcabcabc");
    finish(&box);
}

TEST(sched_is_deterministic)
{
    static struct image image = {.name = "s", .own = true, .functions = {three_workers, works}};
    char first[sizeof trail] = "";
    for (int i = 0; i < 3; i++) {
        struct fake_box box;
        start(&box, &image);
        EQ(fake_box_run(&box), KERNEL_DONE);
        if (i == 0)
            strcpy(first, trail);
        STR_EQ(trail, first);
        finish(&box);
    }
}

static void yields(struct fake *g, uint32_t arg)
{
    for (int i = 0; i < 3; i++) {
        mark((char)arg);
        EQ(fake_call(g, SYS_sched_yield), 0);
    }
}

static void two_yielders(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 'a');
    fake_clone(g, 1, 'b');
    while (fake_wait(g, -1, 0, NULL) > 0)
        ;
}

TEST(sched_yield_lets_others_go)
{
    static struct image image = {.name = "s", .own = true, .functions = {two_yielders, yields}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "ababab");
    finish(&box);
}

static void yields_alone(struct fake *g, uint32_t arg)
{
    (void)arg;
    const uint64_t none[SYS_MAX_ARGS] = {0};
    EQ(fake_call_raw(g, SYS_sched_yield, none), 0); /* nobody else: no suspension */
    mark('x');
}

TEST(sched_yield_alone_returns_at_once)
{
    static struct image image = {.name = "s", .own = true, .functions = {yields_alone}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "x");
    finish(&box);
}

/* A call that makes processes runs on the host's stack, within the same turn. */
static void defers(struct fake *g, uint32_t arg)
{
    uint32_t pid = fake_alloc(g, 4);
    const uint64_t args[SYS_MAX_ARGS] = {1, 'a', pid};
    (void)arg;
    EQ(fake_call_raw(g, SYS_proc_clone, args), SYS_PARK);
    EQ(g->process->request.state, REQUEST_PENDING);
    EQ(g->process->kernel->live, 1);
    EQ(fake_park(g), 0);
    mark('p'); /* before the child had a turn */
    EQ(fake_wait(g, -1, 0, NULL), 2);
}

TEST(sched_deferred_call_goes_on_in_the_same_turn)
{
    static struct image image = {.name = "s", .own = true, .functions = {defers, works}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "paaa");
    finish(&box);
}

static void defers_for_ever(struct fake *g, uint32_t arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        fake_call(g, SYS_proc_kill, 1, 0);
    mark('k');
}

static void starves(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_clone(g, 1, 0);
    fake_call(g, SYS_sched_yield);
    mark('p'); /* long before the child is through */
    fake_wait(g, -1, 0, NULL);
}

TEST(sched_deferring_does_not_starve_others)
{
    static struct image image = {.name = "s", .own = true, .functions = {starves, defers_for_ever}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "pk");
    finish(&box);
}

static void calls_while_pending(struct fake *g, uint32_t arg)
{
    const uint64_t wait[SYS_MAX_ARGS] = {(uint32_t)-1, 0, fake_alloc(g, 8)},
                   ids[SYS_MAX_ARGS] = {wait[2]};
    (void)arg;
    fake_clone(g, 1, 'a');
    EQ(fake_call_raw(g, SYS_proc_wait, wait), SYS_PARK);
    fake_call_raw(g, SYS_proc_ids, ids);
    mark('!');
}

TEST(sched_second_call_while_one_is_pending_is_a_trap)
{
    static struct image image = {
        .name = "s", .own = true, .functions = {calls_while_pending, works}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    EQ(fake_box_exit_code(&box), 134);
    OK(!strchr(trail, '!'));
    finish(&box);
}

static void runs_on_while_pending(struct fake *g, uint32_t arg)
{
    const uint64_t wait[SYS_MAX_ARGS] = {(uint32_t)-1, 0, fake_alloc(g, 8)};
    (void)arg;
    fake_clone(g, 1, 'a');
    EQ(fake_call_raw(g, SYS_proc_wait, wait), SYS_PARK);
    for (int i = 0; i < 5; i++)
        fake_preempt(g); /* the answer comes meanwhile and is not lost */
    EQ(fake_park(g), 0);
    EQ(fake_u32(g, (uint32_t)wait[2]), 2);
    mark('.');
}

TEST(sched_answer_waits_for_the_guest)
{
    static struct image image = {
        .name = "s", .own = true, .functions = {runs_on_while_pending, works}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "aaa.");
    finish(&box);
}

/* ---- time */

static int sleep_for(struct fake *g, uint64_t ns)
{
    struct {
        uint64_t userdata;
        uint32_t tag, pad, id, pad2;
        uint64_t timeout, precision;
        uint64_t flags;
    } s = {.userdata = 7, .id = 1, .timeout = ns};
    uint32_t top = g->top, in = fake_data(g, &s, sizeof s), out = fake_alloc(g, 32),
             n = fake_alloc(g, 4);
    int result = fake_call(g, SYS_poll_oneoff, in, out, 1, n);
    g->top = top;
    return result;
}

static void sleeps(struct fake *g, uint32_t arg)
{
    EQ(sleep_for(g, arg * CAPFUL_SECOND), 0);
    mark((char)('0' + arg));
}

static void sort_by_sleeping(struct fake *g, uint32_t arg)
{
    (void)arg;
    for (const char *c = "31524"; *c; c++)
        fake_clone(g, 1, (uint32_t)(*c - '0'));
    while (fake_wait(g, -1, 0, NULL) > 0)
        ;
}

TEST(sched_fixed_time_jumps_to_the_next_timer)
{
    static struct image image = {.name = "s", .own = true, .functions = {sort_by_sleeping, sleeps}};
    struct fake_box box;
    start(&box, &image);
    box.kernel.clock_real = 1000;
    uint64_t before = clock_monotonic();
    EQ(fake_box_run(&box), KERNEL_DONE);
    OK(clock_monotonic() - before < 2 * CAPFUL_SECOND);
    STR_EQ(trail, "12345");
    EQ(kernel_time_monotonic(&box.kernel), 5 * CAPFUL_SECOND);
    EQ(kernel_time_real(&box.kernel), 5 * CAPFUL_SECOND + 1000);
    finish(&box);
}

static void naps(struct fake *g, uint32_t arg)
{
    (void)arg;
    EQ(sleep_for(g, 3000000), 0);
}

TEST(sched_real_time_passes)
{
    static struct image image = {.name = "s", .own = true, .functions = {naps}};
    struct fake_box box;
    start(&box, &image);
    box.kernel.clock = CLOCK_REAL_TIME;
    uint64_t before = clock_monotonic();
    EQ(fake_box_run(&box), KERNEL_DONE);
    OK(clock_monotonic() - before >= 3000000);
    finish(&box);
}

static void sleeps_long(struct fake *g, uint32_t arg)
{
    (void)arg;
    EQ(sleep_for(g, UINT64_MAX), 0);
    mark('!');
}

TEST(sched_idle_is_told_with_the_next_timer)
{
    static struct image image = {.name = "s", .own = true, .functions = {naps}};
    struct fake_box box;
    start(&box, &image);
    EQ(kernel_run(&box.kernel), KERNEL_IDLE);
    EQ(kernel_next_timer(&box.kernel), 3000000);
    EQ(kernel_run(&box.kernel), KERNEL_IDLE); /* fixed time does not pass by itself */
    kernel_advance(&box.kernel);
    EQ(kernel_run(&box.kernel), KERNEL_DONE);
    finish(&box);
}

TEST(sched_endless_sleep_does_not_overflow)
{
    static struct image image = {.name = "s", .own = true, .functions = {sleeps_long}};
    struct fake_box box;
    start(&box, &image);
    EQ(kernel_run(&box.kernel), KERNEL_IDLE);
    EQ(kernel_next_timer(&box.kernel),
       UINT64_MAX); /* no timer at all: a deadlock, if nothing else is pending */
    STR_EQ(trail, "");
    finish(&box);
}

/* ---- stopping */

static void spins(struct fake *g, uint32_t arg)
{
    (void)arg;
    for (;;)
        fake_preempt(g);
}

static void stops_by(const char *limit, void (*set)(struct capful_limits *limits))
{
    static struct image image = {.name = "s", .own = true, .functions = {spins}};
    struct fake_box box;
    trail_len = 0;
    fake_box_init(&box);
    set(&box.limits);
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    EQ(box.kernel.stop, STOP_LIMIT);
    OK(strncmp(box.kernel.stop_text, limit, strlen(limit)) == 0);
    EQ(kernel_run(&box.kernel), KERNEL_STOPPED); /* it stays so */
    finish(&box);
}

static void set_wall(struct capful_limits *limits)
{
    limits->wall = 5000000;
}
static void set_cpu(struct capful_limits *limits)
{
    limits->cpu = 5000000;
}
static void set_deadline(struct capful_limits *limits)
{
    limits->deadline = 5000000;
}

TEST(sched_wall_limit)
{
    stops_by("wall: ", set_wall);
}

TEST(sched_cpu_limit)
{
    stops_by("cpu: ", set_cpu);
}

TEST(sched_deadline)
{
    stops_by("deadline: ", set_deadline);
}

TEST(sched_cancel_before_the_run)
{
    static struct image image = {.name = "s", .own = true, .functions = {spins}};
    struct fake_box box;
    start(&box, &image);
    kernel_cancel(&box.kernel, 2);
    kernel_cancel(&box.kernel, 15); /* the first counts */
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    EQ(box.kernel.stop, STOP_KILLED);
    EQ(box.kernel.stop_signal, 2);
    finish(&box);
}

static void cancels(struct fake *g, uint32_t arg)
{
    (void)arg;
    kernel_cancel(g->process->kernel, 15); /* as another thread would */
    mark('a');
    fake_preempt(g);
    mark('b');
}

TEST(sched_cancel_takes_effect_after_the_slice)
{
    static struct image image = {.name = "s", .own = true, .functions = {cancels}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    STR_EQ(trail, "a");
    EQ(box.kernel.stop_signal, 15);
    finish(&box);
}

static void ends_while_cancelled(struct fake *g, uint32_t arg)
{
    (void)arg;
    kernel_cancel(g->process->kernel, 15);
    fake_exit(g, 4);
}

TEST(sched_what_is_done_is_done)
{
    static struct image image = {.name = "s", .own = true, .functions = {ends_while_cancelled}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    EQ(fake_box_exit_code(&box), 4);
    finish(&box);
}

static void asks(struct fake *g, uint32_t arg)
{
    (void)arg;
    kernel_ask(g->process->kernel);
    mark('a');
    fake_preempt(g);
    mark('b');
}

TEST(sched_ask_returns_after_the_turn)
{
    static struct image image = {.name = "s", .own = true, .functions = {asks}};
    struct fake_box box;
    start(&box, &image);
    EQ(kernel_run(&box.kernel), KERNEL_ASKED);
    STR_EQ(trail, "a");
    EQ(kernel_run(&box.kernel), KERNEL_DONE);
    STR_EQ(trail, "ab");
    finish(&box);
}

static void breaks(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_fail(g, "out of luck");
}

TEST(sched_engine_failure_is_a_fault_of_ours)
{
    static struct image image = {.name = "s", .own = true, .functions = {breaks}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    EQ(box.kernel.stop, STOP_FAULT);
    STR_EQ(box.kernel.stop_text, "the engine failed: out of luck");
    finish(&box);
}

static void hits_limit_in_a_call(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    (void)arg;
    for (;;) {
        mark('p');
        if (fake_pipe(g, ends) != 0)
            mark('!'); /* a limit is never an errno that the guest could hide */
    }
}

TEST(sched_limit_in_a_call_ends_the_run_at_once)
{
    static struct image image = {.name = "s", .own = true, .functions = {hits_limit_in_a_call}};
    struct fake_box box;
    trail_len = 0;
    fake_box_init(&box);
    box.limits.memory = FAKE_MEMORY + (3 * 65536 + 40000);
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    STR_EQ(trail, "pppp");
    EQ(box.kernel.stop, STOP_LIMIT);
    finish(&box);
}

/* ---- pipes between processes */

static void producer(struct fake *g, uint32_t arg)
{
    static char block[4096];
    for (int i = 0; i < 100; i++)
        EQ(fake_write(g, arg, block, sizeof block), sizeof block);
}

static void consumer(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    int64_t total = 0, n;
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    fake_clone(g, 1, ends[1]);
    fake_call(g, SYS_fd_close, ends[1]);
    while ((n = fake_read(g, ends[0], NULL, 4096)) > 0)
        total += n;
    EQ(n, 0);
    EQ(total, 100 * 4096);
    fake_wait(g, -1, 0, NULL);
}

TEST(sched_pipe_carries_all_bytes)
{
    static struct image image = {.name = "s", .own = true, .functions = {consumer, producer}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    EQ(fake_box_exit_code(&box), 0);
    finish(&box);
}

static void big_writer(struct fake *g, uint32_t arg)
{
    static char block[200000];
    memset(block, 'x', sizeof block);
    EQ(fake_write(g, arg, block, sizeof block), sizeof block); /* one call, many waits */
}

static void slow_reader(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    int64_t total = 0, n;
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    fake_clone(g, 1, ends[1]);
    fake_call(g, SYS_fd_close, ends[1]);
    while ((n = fake_read(g, ends[0], NULL, 1777)) > 0) {
        total += n;
        fake_call(g, SYS_sched_yield);
    }
    EQ(total, 200000);
}

TEST(sched_pipe_write_is_whole_over_many_waits)
{
    static struct image image = {
        .name = "s", .own = true, .memory = 1 << 20, .functions = {slow_reader, big_writer}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    finish(&box);
}

static void writer_to_the_gone(struct fake *g, uint32_t arg)
{
    static char block[100000];
    int64_t n = fake_write(g, arg, block, sizeof block);
    EQ(n, 65536); /* what fitted before the reader went */
    n = fake_write(g, arg, block, 10);
    EQ(n, -ERRNO_PIPE);
    mark('e');
}

static void reader_that_goes(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    fake_clone(g, 1, ends[1]);
    fake_call(g, SYS_fd_close, ends[1]);
    fake_call(g, SYS_sched_yield);
    /* The child inherited the reading end too: two are to be closed before the pipe is broken. */
    fake_call(g, SYS_fd_close, ends[0]);
    fake_wait(g, -1, 0, NULL);
}

static void writer_without_reading_end(struct fake *g, uint32_t arg)
{
    fake_call(g, SYS_fd_close, arg - 1);
    writer_to_the_gone(g, arg);
}

TEST(sched_pipe_breaks_under_a_waiting_writer)
{
    static struct image image = {
        .name = "s", .own = true, .functions = {reader_that_goes, writer_without_reading_end}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_DONE);
    STR_EQ(trail, "e");
    finish(&box);
}

static void reads_own_pipe(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    fake_read(g, ends[0], NULL, 1);
    mark('!');
}

TEST(sched_deadlock_is_idle_without_timer)
{
    static struct image image = {.name = "s", .own = true, .functions = {reads_own_pipe}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_IDLE);
    EQ(kernel_next_timer(&box.kernel), UINT64_MAX);
    STR_EQ(trail, "");
    finish(&box);
}

static void pipe_ring(struct fake *g, uint32_t arg)
{
    uint32_t ends[2];
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    fake_clone(g, 1, ends[0]);
    fake_clone(g, 1, ends[0]);
    fake_wait(g, -1, 0, NULL);
}

static void reads(struct fake *g, uint32_t arg)
{
    fake_read(g, arg, NULL, 1);
}

TEST(sched_deadlock_of_three)
{
    static struct image image = {.name = "s", .own = true, .functions = {pipe_ring, reads}};
    struct fake_box box;
    start(&box, &image);
    EQ(fake_box_run(&box), KERNEL_IDLE);
    EQ(box.kernel.live, 3);
    finish(&box);
}
