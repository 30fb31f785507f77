/* The kernel as a whole: accounts, clocks, random numbers, stop reasons, repeated runs. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "fake_engine.h"
#include "tap.h"

static void exits(struct fake *g, uint32_t arg)
{
    (void)arg;
    fake_exit(g, 6);
}
static struct image image = {.name = "k", .own = true, .functions = {exits}};

TEST(kernel_init_checks_its_arguments)
{
    struct kernel kernel;
    struct capful_limits limits;
    fake_limits(&limits);
    EQ(kernel_init(&kernel, NULL, NULL, &limits), CAPFUL_EINVAL);
    EQ(kernel_init(&kernel, &fake_engine, NULL, NULL), CAPFUL_EINVAL);
    EQ(kernel_init(&kernel, &fake_engine, NULL, &limits), 0);
    OK(!kernel_check(&kernel));
    kernel_release(&kernel);
}

TEST(kernel_charge_up_to_the_limit)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.limits.memory = 1000;
    OK(kernel_charge(&box.kernel, 400));
    OK(kernel_charge(&box.kernel, 600));
    EQ(box.kernel.memory_used, 1000);
    EQ(box.kernel.stop, STOP_NONE);
    OK(!kernel_charge(&box.kernel, 1));
    EQ(box.kernel.memory_used, 1000);
    EQ(box.kernel.stop, STOP_LIMIT);
    kernel_discharge(&box.kernel, 1000);
    EQ(box.kernel.memory_peak, 1000);
    fake_box_release(&box);
}

TEST(kernel_charge_does_not_overflow)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.limits.memory = CAPFUL_UNLIMITED;
    OK(kernel_charge(&box.kernel, UINT64_MAX));
    OK(!kernel_charge(&box.kernel, 1));
    kernel_discharge(&box.kernel, UINT64_MAX);
    kernel_discharge(&box.kernel, 5); /* never below nothing */
    EQ(box.kernel.memory_used, 0);
    fake_box_release(&box);
}

TEST(kernel_first_reason_wins)
{
    struct fake_box box;
    fake_box_init(&box);
    kernel_stop_limit(&box.kernel, "output", "stdout is limited to %d bytes", 10);
    kernel_stop_fault(&box.kernel, "later");
    kernel_cancel(&box.kernel, 9);
    OK(kernel_must_stop(&box.kernel));
    EQ(box.kernel.stop, STOP_LIMIT);
    STR_EQ(box.kernel.stop_text, "output: stdout is limited to 10 bytes");
    fake_box_release(&box);
}

TEST(kernel_stop_text_is_cut)
{
    struct fake_box box;
    char longer[600];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    fake_box_init(&box);
    kernel_stop_fault(&box.kernel, "%s", longer);
    EQ(strlen(box.kernel.stop_text), sizeof box.kernel.stop_text - 1);
    fake_box_release(&box);
}

TEST(kernel_seeded_random_repeats)
{
    struct fake_box box;
    uint8_t a[37], b[37], c[37];
    fake_box_init(&box);
    kernel_seed(&box.kernel, 42);
    EQ(kernel_random(&box.kernel, a, sizeof a), 0);
    kernel_seed(&box.kernel, 42);
    EQ(kernel_random(&box.kernel, b, sizeof b), 0);
    kernel_seed(&box.kernel, 43);
    EQ(kernel_random(&box.kernel, c, sizeof c), 0);
    OK(memcmp(a, b, sizeof a) == 0);
    OK(memcmp(a, c, sizeof a) != 0);
    fake_box_release(&box);
}

/* Reference values of splitmix64 seeding xoshiro256**: a change would break every recorded run. */
TEST(kernel_seeded_random_has_known_values)
{
    struct fake_box box;
    uint64_t first;
    fake_box_init(&box);
    kernel_seed(&box.kernel, 0);
    EQ(box.kernel.random[0], (long long)UINT64_C(0xe220a8397b1dcdaf));
    EQ(box.kernel.random[1], (long long)UINT64_C(0x6e789e6aa1b965f4));
    EQ(kernel_random(&box.kernel, &first, sizeof first), 0);
    uint64_t x = UINT64_C(0x6e789e6aa1b965f4) * 5;
    EQ(first, (long long)(((x << 7) | (x >> 57)) * 9));
    fake_box_release(&box);
}

TEST(kernel_random_of_the_host_differs)
{
    struct fake_box box;
    uint8_t a[16], b[16];
    fake_box_init(&box);
    EQ(kernel_random(&box.kernel, a, sizeof a), 0);
    EQ(kernel_random(&box.kernel, b, sizeof b), 0);
    OK(memcmp(a, b, sizeof a) != 0);
    EQ(kernel_random(&box.kernel, a, 0), 0);
    OK(rand_bytes(a, 0));
    fake_box_release(&box);
}

TEST(kernel_fixed_clock_stands)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.clock = CLOCK_FIXED;
    box.kernel.clock_real = 77;
    uint64_t until = clock_monotonic() + 1000000;
    while (clock_monotonic() < until)
        ;
    EQ(kernel_time_real(&box.kernel), 77);
    EQ(kernel_time_monotonic(&box.kernel), 0);
    EQ(kernel_time_cpu(&box.kernel), 0);
    kernel_advance(&box.kernel); /* no timer: nothing to move to */
    EQ(kernel_time_monotonic(&box.kernel), 0);
    fake_box_release(&box);
}

TEST(kernel_real_clock_runs)
{
    struct fake_box box;
    fake_box_init(&box);
    uint64_t a = kernel_time_monotonic(&box.kernel), host = clock_real();
    while (kernel_time_monotonic(&box.kernel) == a)
        ;
    OK(kernel_time_monotonic(&box.kernel) > a);
    OK(kernel_time_real(&box.kernel) >= host);
    fake_box_release(&box);
}

TEST(kernel_pause_stops_the_wall_clock)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.limits.wall = 20000000;
    kernel_pause_wall(&box.kernel, clock_monotonic());
    kernel_pause_wall(&box.kernel, clock_monotonic());
    uint64_t until = clock_monotonic() + 40000000;
    while (clock_monotonic() < until)
        ;
    OK(!kernel_must_stop(&box.kernel));
    kernel_resume_wall(&box.kernel, clock_monotonic());
    kernel_resume_wall(&box.kernel, clock_monotonic());
    OK(!kernel_must_stop(&box.kernel));
    OK(box.kernel.wall_paused >= 40000000);
    OK(kernel_time_elapsed(&box.kernel) >= 40000000);
    fake_box_release(&box);
}

TEST(kernel_pause_does_not_stop_the_deadline)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.limits.deadline = 5000000;
    kernel_pause_wall(&box.kernel, clock_monotonic());
    uint64_t until = clock_monotonic() + 6000000;
    while (clock_monotonic() < until)
        ;
    OK(kernel_must_stop(&box.kernel));
    OK(strncmp(box.kernel.stop_text, "deadline: ", 10) == 0);
    fake_box_release(&box);
}

TEST(kernel_time_left)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.limits.wall = CAPFUL_UNLIMITED;
    EQ(kernel_time_left(&box.kernel, false), UINT64_MAX);
    box.kernel.limits.wall = 1000 * CAPFUL_SECOND;
    OK(kernel_time_left(&box.kernel, false) <= 1000 * CAPFUL_SECOND);
    OK(kernel_time_left(&box.kernel, false) > 900 * CAPFUL_SECOND);
    EQ(kernel_time_left(&box.kernel, true), UINT64_MAX);
    box.kernel.limits.deadline = 10 * CAPFUL_SECOND;
    OK(kernel_time_left(&box.kernel, true) <= 10 * CAPFUL_SECOND);
    OK(kernel_time_left(&box.kernel, false) <= 10 * CAPFUL_SECOND);
    box.kernel.limits.deadline = 1;
    EQ(kernel_time_left(&box.kernel, true), 0);
    fake_box_release(&box);
}

TEST(kernel_serves_many_runs)
{
    struct fake_box box;
    fake_box_init(&box);
    uint64_t blocks = 0;
    for (int i = 0; i < 50; i++) {
        kernel_begin(&box.kernel);
        EQ(box.kernel.stop, STOP_NONE);
        struct process *process = fake_box_start(&box, &image);
        OK(process && process->pid == 1); /* every run looks the same */
        EQ(fake_box_run(&box), KERNEL_DONE);
        EQ(fake_box_exit_code(&box), 6);
        kernel_end(&box.kernel);
        EQ(box.kernel.memory_used, 0);
        OK(!box.kernel.init);
        if (i == 0)
            blocks = mem_live_blocks();
        EQ(mem_live_blocks(), blocks);
    }
    fake_box_release(&box);
}

TEST(kernel_run_after_a_limit_works)
{
    struct fake_box box;
    fake_box_init(&box);
    kernel_stop_limit(&box.kernel, "calls", "too many");
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_STOPPED);
    kernel_end(&box.kernel);
    kernel_begin(&box.kernel);
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_DONE);
    fake_box_release(&box);
}

TEST(kernel_end_in_the_middle)
{
    static struct image sleeper = {.name = "k", .own = true, .functions = {exits}};
    struct fake_box box;
    struct process *init, *child, *grandchild, *orphan;
    fake_box_init(&box);
    init = fake_box_start(&box, &sleeper);
    EQ(process_new(&box.kernel, init, &sleeper, &child), 0);
    EQ(process_new(&box.kernel, child, &sleeper, &grandchild), 0);
    EQ(process_new(&box.kernel, child, &sleeper, &orphan), 0);
    EQ(process_start(child), 0);
    kernel_end_process(grandchild, 1);
    OK(!kernel_check(&box.kernel));
    kernel_end(&box.kernel);
    EQ(box.kernel.live + box.kernel.zombies, 0);
    EQ(box.kernel.memory_used, 0);
    OK(!kernel_check(&box.kernel));
    fake_box_release(&box);
}

TEST(kernel_run_without_a_process_is_done)
{
    struct fake_box box;
    fake_box_init(&box);
    EQ(kernel_run(&box.kernel), KERNEL_DONE);
    fake_box_release(&box);
}

TEST(kernel_cpu_time_is_counted)
{
    struct fake_box box;
    fake_box_init(&box);
    OK(fake_box_start(&box, &image) != NULL);
    EQ(fake_box_run(&box), KERNEL_DONE);
    OK(box.kernel.cpu_used > 0);
    OK(box.kernel.cpu_used < CAPFUL_SECOND);
    uint64_t shown = kernel_time_cpu(&box.kernel);
    EQ(kernel_time_cpu(&box.kernel), shown);
    fake_box_release(&box);
}

TEST(kernel_check_sees_what_is_wrong)
{
    struct fake_box box;
    struct process *process;
    fake_box_init(&box);
    EQ(process_new(&box.kernel, NULL, &image, &process), 0);
    OK(!kernel_check(&box.kernel));
    box.kernel.live++;
    OK(kernel_check(&box.kernel) != NULL);
    box.kernel.live--;
    process->queued = true;
    OK(kernel_check(&box.kernel) != NULL);
    process->queued = false;
    process->timer = 5;
    OK(kernel_check(&box.kernel) != NULL);
    process->timer = 0;
    box.kernel.memory_used = 0;
    OK(kernel_check(&box.kernel) != NULL);
    box.kernel.memory_used = process->memory_charged;
    OK(!kernel_check(&box.kernel));
    fake_box_release(&box);
}
