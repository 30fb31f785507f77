/* poll_oneoff, clocks, random bytes, arguments. */
#include <string.h>

#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

#define GUEST_TEST(name)                                                                           \
    static void guest_##name(struct fake *g, uint32_t arg);                                        \
    TEST(sys_poll_##name)                                                                          \
    {                                                                                              \
        tree_run(guest_##name, true);                                                              \
    }                                                                                              \
    static void guest_##name(struct fake *g, uint32_t arg __attribute__((unused)))

enum { CLOCK = 0, READ = 1, WRITE = 2 };
struct subscription {
    uint64_t userdata;
    uint64_t tag;
    uint64_t id;
    uint64_t timeout, precision;
    uint64_t flags;
};
struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type, unused[5];
    uint64_t bytes;
    uint64_t flags;
};

/* Answers the number of events, or a negative errno. */
static int poll_on(struct fake *g, const struct subscription *list, uint32_t n,
                   struct event *events)
{
    uint32_t top = g->top, in = fake_data(g, list, n * (uint32_t)sizeof *list);
    uint32_t out = fake_alloc(g, n * (uint32_t)sizeof *events), count = fake_alloc(g, 4);
    int result = fake_call(g, SYS_poll_oneoff, in, out, n, count);
    g->top = top;
    if (result != 0)
        return -result;
    memcpy(events, fake_at(g, out), fake_u32(g, count) * sizeof *events);
    return (int)fake_u32(g, count);
}

static uint64_t now(struct fake *g, uint32_t clock)
{
    uint32_t top = g->top, at = fake_alloc(g, 8);
    EQ(fake_call(g, SYS_clock_time_get, clock, 0, at), 0);
    g->top = top;
    return fake_u64(g, at);
}

GUEST_TEST(relative_timeout)
{
    struct event e[2];
    uint64_t start = now(g, 1);
    struct subscription s[2] = {{.userdata = 1, .id = 1, .timeout = 5000},
                                {.userdata = 2, .id = 0, .timeout = 3000}};
    EQ(poll_on(g, s, 2, e), 1);
    EQ(e[0].userdata, 2);
    EQ(e[0].error, 0);
    EQ(e[0].type, CLOCK);
    EQ(now(g, 1) - start, 3000);
    EQ(now(g, 0) - TREE_TIME, 3000);
}

GUEST_TEST(equal_timeouts_fire_together)
{
    struct event e[3];
    struct subscription s[3] = {{.userdata = 1, .id = 1, .timeout = 100},
                                {.userdata = 2, .id = 1, .timeout = 100},
                                {.userdata = 3, .id = 1, .timeout = 101}};
    EQ(poll_on(g, s, 3, e), 2);
    EQ(e[0].userdata, 1);
    EQ(e[1].userdata, 2);
}

GUEST_TEST(absolute_times)
{
    struct event e[1];
    struct subscription s = {.id = 1, .timeout = now(g, 1) + 700, .flags = 1};
    EQ(poll_on(g, &s, 1, e), 1);
    EQ(now(g, 1), s.timeout);
    s.timeout = 1; /* long ago */
    EQ(poll_on(g, &s, 1, e), 1);
    s.id = 0;
    s.timeout = TREE_TIME + 5000;
    EQ(poll_on(g, &s, 1, e), 1);
    EQ(now(g, 0), TREE_TIME + 5000);
}

GUEST_TEST(zero_timeout_does_not_wait)
{
    struct event e[2];
    uint32_t ends[2];
    EQ(fake_pipe(g, ends), 0);
    struct subscription s[2] = {{.userdata = 1, .tag = READ, .id = ends[0]},
                                {.userdata = 2, .id = 1}};
    EQ(poll_on(g, s, 2, e), 1);
    EQ(e[0].userdata, 2);
}

GUEST_TEST(bad_clocks_are_errors_of_their_subscription)
{
    struct event e[4];
    struct subscription s[4] = {{.id = 2, .timeout = 5},
                                {.id = 3, .timeout = 5},
                                {.id = 4, .timeout = 5},
                                {.id = 1, .timeout = 5, .flags = 2}};
    EQ(poll_on(g, s, 4, e), 4);
    EQ(e[0].error, ERRNO_NOTSUP);
    EQ(e[1].error, ERRNO_NOTSUP);
    EQ(e[2].error, ERRNO_INVAL);
    EQ(e[3].error, ERRNO_INVAL);
}

GUEST_TEST(pipe_readiness)
{
    struct event e[2];
    uint32_t ends[2];
    EQ(fake_pipe(g, ends), 0);
    struct subscription s[2] = {{.userdata = 7, .tag = READ, .id = ends[0]},
                                {.userdata = 8, .tag = WRITE, .id = ends[1]}};
    EQ(poll_on(g, s, 2, e), 1);
    EQ(e[0].userdata, 8);
    EQ(e[0].type, WRITE);
    EQ(e[0].bytes, 65536);
    EQ(fake_write(g, ends[1], "abc", 3), 3);
    EQ(poll_on(g, s, 1, e), 1);
    EQ(e[0].bytes, 3);
    EQ(e[0].flags, 0);
    EQ(fake_call(g, SYS_fd_close, ends[1]), 0);
    EQ(poll_on(g, s, 1, e), 1);
    EQ(e[0].flags & 1, 1); /* hang-up */
}

GUEST_TEST(the_same_descriptor_twice)
{
    struct event e[4];
    uint32_t ends[2];
    EQ(fake_pipe(g, ends), 0);
    struct subscription s[4] = {{.userdata = 1, .tag = READ, .id = ends[0]},
                                {.userdata = 2, .tag = READ, .id = ends[0]},
                                {.userdata = 3, .id = 1, .timeout = 50}};
    EQ(poll_on(g, s, 3, e), 1);
    EQ(e[0].userdata, 3);
    EQ(fake_write(g, ends[1], "x", 1), 1);
    EQ(poll_on(g, s, 3, e), 2);
    EQ(e[0].userdata, 1);
    EQ(e[1].userdata, 2);
}

GUEST_TEST(bad_descriptors_are_errors_of_their_subscription)
{
    struct event e[3];
    struct subscription s[3] = {{.userdata = 1, .tag = READ, .id = 77},
                                {.userdata = 2, .id = 1, .timeout = 1000000},
                                {.userdata = 3, .tag = WRITE, .id = UINT32_MAX}};
    EQ(poll_on(g, s, 3, e), 2);
    EQ(e[0].userdata, 1);
    EQ(e[0].error, ERRNO_BADF);
    EQ(e[1].userdata, 3);
    EQ(e[1].error, ERRNO_BADF);
}

GUEST_TEST(the_right_is_needed)
{
    struct event e[1];
    uint32_t ends[2];
    EQ(fake_pipe(g, ends), 0);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, ends[0], CAPFUL_RIGHT_FD_READ, 0), 0);
    struct subscription s = {.tag = READ, .id = ends[0]};
    EQ(poll_on(g, &s, 1, e), 1);
    EQ(e[0].error, ERRNO_NOTCAPABLE);
}

GUEST_TEST(files_are_always_ready)
{
    struct event e[2];
    int64_t fd = fake_open(g, 3, "f", 1, CAPFUL_RIGHTS_ALL & ~(UINT64_C(3) << 28));
    ASSERT(fd >= 0);
    struct subscription s[2] = {{.tag = READ, .id = (uint64_t)fd},
                                {.tag = WRITE, .id = (uint64_t)fd}};
    EQ(poll_on(g, s, 2, e), 2);
}

GUEST_TEST(counts_and_tags)
{
    struct event e[1];
    static struct subscription many[4097];
    struct subscription s = {.tag = 3};
    uint32_t at = fake_alloc(g, 256);
    EQ(fake_call(g, SYS_poll_oneoff, at, at, 0, at), ERRNO_INVAL);
    EQ(poll_on(g, &s, 1, e), -ERRNO_INVAL);
    EQ(fake_call(g, SYS_poll_oneoff, fake_data(g, many, sizeof many), at, 4097, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_poll_oneoff, g->size - 40, at, 1, at), ERRNO_FAULT);
    EQ(fake_call(g, SYS_poll_oneoff, at, g->size - 30, 1, at), ERRNO_FAULT);
    EQ(fake_call(g, SYS_poll_oneoff, at, at, 1, g->size - 3), ERRNO_FAULT);
}

GUEST_TEST(many_subscriptions)
{
    static struct subscription s[4096];
    static struct event e[4096];
    for (uint32_t i = 0; i < 4096; i++)
        s[i] = (struct subscription){.userdata = i, .id = 1, .timeout = 100 + i / 2};
    EQ(poll_on(g, s, 4096, e), 2);
    EQ(e[1].userdata, 1);
}

GUEST_TEST(events_may_lie_over_the_list)
{
    struct subscription s[3] = {
        {.userdata = 1, .id = 1}, {.userdata = 2, .id = 1}, {.userdata = 3, .id = 1}};
    uint32_t at = fake_data(g, s, sizeof s), n = fake_alloc(g, 4);
    EQ(fake_call(g, SYS_poll_oneoff, at, at, 3, n), 0);
    EQ(fake_u32(g, n), 3);
    for (uint32_t i = 0; i < 3; i++)
        EQ(fake_u64(g, at + 32 * i), i + 1);
}

/* Woken by what another process writes, with a timer that has not come. */
static void writes_later(struct fake *g, uint32_t fd)
{
    struct event e[1];
    struct subscription s = {.id = 1, .timeout = 400};
    EQ(poll_on(g, &s, 1, e), 1);
    EQ(fake_write(g, fd, "x", 1), 1);
}

static void waits_for_writer(struct fake *g, uint32_t arg)
{
    struct event e[2];
    uint32_t ends[2];
    uint64_t start = now(g, 1);
    (void)arg;
    EQ(fake_pipe(g, ends), 0);
    OK(fake_clone(g, 1, ends[1]) > 0);
    struct subscription s[2] = {{.userdata = 1, .id = 1, .timeout = 1000},
                                {.userdata = 2, .tag = READ, .id = ends[0]}};
    EQ(poll_on(g, s, 2, e), 1);
    EQ(e[0].userdata, 2);
    EQ(now(g, 1) - start, 400);
    EQ(fake_read(g, ends[0], NULL, 1), 1);
    EQ(poll_on(g, s, 2, e), 1); /* the relative time starts anew */
    EQ(e[0].userdata, 1);
    EQ(now(g, 1) - start, 1400);
}

TEST(sys_poll_is_woken_by_a_write)
{
    static struct image image = {
        .name = "p", .own = true, .functions = {waits_for_writer, writes_later}};
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.clock = CLOCK_FIXED;
    ASSERT(fake_box_start(&box, &image));
    EQ(fake_box_run(&box), KERNEL_DONE);
    fake_box_release(&box);
}

/* ---- clocks and the rest */

GUEST_TEST(clocks)
{
    uint32_t at = fake_alloc(g, 8);
    EQ(now(g, 0), TREE_TIME);
    EQ(now(g, 1), CAPFUL_SECOND); /* never 0 */
    for (uint32_t id = 0; id < 4; id++) {
        EQ(fake_call(g, SYS_clock_res_get, id, at), 0);
        OK(fake_u64(g, at) > 0);
        EQ(fake_call(g, SYS_clock_time_get, id, 0, at), 0);
    }
    EQ(fake_call(g, SYS_clock_res_get, 4, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_clock_time_get, 4, 0, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_clock_time_get, UINT32_MAX, 0, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_clock_time_get, 0, 0, g->size - 7), ERRNO_FAULT);
    EQ(fake_call(g, SYS_clock_res_get, 0, g->size - 7), ERRNO_FAULT);
}

GUEST_TEST(random_bytes)
{
    uint32_t at = fake_alloc(g, 3000000);
    uint8_t *bytes = fake_at(g, at);
    EQ(fake_call(g, SYS_random_get, at, 3000000), 0);
    uint32_t zeros = 0;
    for (uint32_t i = 0; i < 3000000; i++)
        zeros += bytes[i] == 0;
    OK(zeros > 10000 && zeros < 14000);
    EQ(fake_call(g, SYS_random_get, at, 0), 0);
    EQ(fake_call(g, SYS_random_get, g->size - 10, 11), ERRNO_FAULT);
    EQ(fake_call(g, SYS_random_get, 0, UINT32_MAX), ERRNO_FAULT);
}

GUEST_TEST(arguments)
{
    struct process *p = g->process;
    uint32_t list = fake_alloc(g, 16), text = fake_alloc(g, 64), sizes = fake_alloc(g, 8);
    EQ(fake_call(g, SYS_args_sizes_get, sizes, sizes + 4), 0);
    EQ(fake_u32(g, sizes), 0);
    EQ(fake_u32(g, sizes + 4), 0);
    EQ(fake_call(g, SYS_args_get, list, text), 0);
    buf_add(&p->argv, "prog\0\0last", 11);
    p->argc = 3;
    EQ(fake_call(g, SYS_args_sizes_get, sizes, sizes + 4), 0);
    EQ(fake_u32(g, sizes), 3);
    EQ(fake_u32(g, sizes + 4), 11);
    EQ(fake_call(g, SYS_args_get, list, text), 0);
    EQ(fake_u32(g, list), text);
    EQ(fake_u32(g, list + 4), text + 5);
    EQ(fake_u32(g, list + 8), text + 6);
    STR_EQ(fake_at(g, text + 6), "last");
    EQ(fake_call(g, SYS_args_get, g->size - 11, text), ERRNO_FAULT);
    EQ(fake_call(g, SYS_args_get, list, g->size - 10), ERRNO_FAULT);
    EQ(fake_call(g, SYS_args_sizes_get, g->size - 3, sizes), ERRNO_FAULT);
    buf_add(&p->envp, "A=1", 4);
    p->envc = 1;
    EQ(fake_call(g, SYS_environ_sizes_get, sizes, sizes + 4), 0);
    EQ(fake_u32(g, sizes + 4), 4);
    EQ(fake_call(g, SYS_environ_get, list, text), 0);
    STR_EQ(fake_at(g, fake_u32(g, list)), "A=1");
}
