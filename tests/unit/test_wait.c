/* Wait queues and timers: who is woken, in what order, and what is left behind. */
#include "base/mem.h"
#include "fake_engine.h"
#include "tap.h"

static void never(struct fake *guest, uint32_t arg)
{
    (void)arg;
    fake_exit(guest, 0);
}
static struct image image = {.name = "never", .own = true, .functions = {never}};

/* Processes that were not started: they sleep until something wakes them. */
static struct process *sleeper(struct fake_box *box)
{
    struct process *process = NULL;
    EQ(process_new(&box->kernel, box->kernel.init, &image, &process), 0);
    return process;
}

static void has_no_fault(struct fake_box *box)
{
    const char *wrong = kernel_check(&box->kernel);
    STR_EQ(wrong ? wrong : "", "");
}

TEST(wait_wakes_in_order_of_arrival)
{
    struct fake_box box;
    struct wait_queue queue = {0};
    fake_box_init(&box);
    struct process *a = sleeper(&box), *b = sleeper(&box), *c = sleeper(&box);
    EQ(wait_add(b, &queue), 0);
    EQ(wait_add(c, &queue), 0);
    EQ(wait_add(a, &queue), 0);
    has_no_fault(&box);
    wait_wake(&queue);
    OK(!queue.first && !queue.last);
    OK(box.kernel.run_first == b && b->run_next == c && c->run_next == a);
    has_no_fault(&box);
    fake_box_release(&box);
}

TEST(wait_one_event_leaves_all_queues)
{
    struct fake_box box;
    struct wait_queue first = {0}, second = {0};
    fake_box_init(&box);
    struct process *a = sleeper(&box), *b = sleeper(&box);
    EQ(wait_add(a, &first), 0);
    EQ(wait_add(b, &first), 0);
    EQ(wait_add(a, &second), 0);
    wait_until(a, 1000);
    wait_wake(&second);
    OK(a->queued && !a->waiting && a->timer == 0 && box.kernel.timer_count == 0);
    OK(first.first == &b->waiters[0] && first.last == first.first);
    has_no_fault(&box);
    fake_box_release(&box);
}

TEST(wait_in_many_queues_allocates_and_frees)
{
    struct fake_box box;
    struct wait_queue queues[5] = {{0}};
    fake_box_init(&box);
    struct process *a = sleeper(&box);
    uint64_t blocks = mem_live_blocks();
    for (int i = 0; i < 5; i++)
        EQ(wait_add(a, &queues[i]), 0);
    EQ(mem_live_blocks(), blocks + 3); /* two have room in the process */
    has_no_fault(&box);
    wait_leave(a);
    EQ(mem_live_blocks(), blocks);
    for (int i = 0; i < 5; i++)
        OK(!queues[i].first && !queues[i].last);
    OK(!a->queued);
    fake_box_release(&box);
}

TEST(wait_add_without_memory_changes_nothing)
{
    struct fake_box box;
    struct wait_queue queues[3] = {{0}};
    fake_box_init(&box);
    struct process *a = sleeper(&box);
    EQ(wait_add(a, &queues[0]), 0);
    EQ(wait_add(a, &queues[1]), 0);
    mem_fail_after(1);
    EQ(wait_add(a, &queues[2]), ERRNO_NOMEM);
    OK(!queues[2].first);
    has_no_fault(&box);
    wait_leave(a);
    fake_box_release(&box);
}

TEST(wait_twice_in_one_queue)
{
    struct fake_box box;
    struct wait_queue queue = {0};
    fake_box_init(&box);
    struct process *a = sleeper(&box), *b = sleeper(&box);
    EQ(wait_add(a, &queue), 0);
    EQ(wait_add(b, &queue), 0);
    EQ(wait_add(a, &queue), 0);
    has_no_fault(&box);
    wait_wake(&queue);
    OK(!queue.first);
    OK(box.kernel.run_first == a && box.kernel.run_last == b);
    fake_box_release(&box);
}

TEST(wait_leave_from_the_middle)
{
    struct fake_box box;
    struct wait_queue queue = {0};
    fake_box_init(&box);
    struct process *p[4];
    for (int i = 0; i < 4; i++) {
        p[i] = sleeper(&box);
        EQ(wait_add(p[i], &queue), 0);
    }
    wait_leave(p[1]);
    wait_leave(p[3]);
    wait_leave(p[0]);
    OK(queue.first == &p[2]->waiters[0] && queue.last == queue.first);
    has_no_fault(&box);
    fake_box_release(&box);
}

TEST(wait_until_only_brings_forward)
{
    struct fake_box box;
    fake_box_init(&box);
    struct process *a = sleeper(&box);
    wait_until(a, 500);
    wait_until(a, 900);
    EQ(kernel_next_timer(&box.kernel), 500);
    wait_until(a, 0); /* now: but not "none" */
    EQ(kernel_next_timer(&box.kernel), 1);
    has_no_fault(&box);
    fake_box_release(&box);
}

TEST(wait_timers_fire_by_time_then_pid)
{
    static const uint64_t times[8] = {70, 10, 40, 10, 90, 20, 40, 30};
    static const int order[8] = {1, 3, 5, 7, 2, 6, 0, 4};
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.clock = CLOCK_FIXED;
    struct process *p[8];
    for (int i = 0; i < 8; i++) {
        p[i] = sleeper(&box);
        wait_until(p[i], times[i]);
        has_no_fault(&box);
    }
    for (int i = 0; i < 8; i++) {
        if (!box.kernel.run_first)
            kernel_advance(&box.kernel);
        EQ(box.kernel.clock_mono, times[order[i]]);
        struct process *next = box.kernel.run_first;
        OK(next == p[order[i]]);
        kernel_dequeue(&box.kernel, next);
        next->state = PROCESS_WAITING;
        has_no_fault(&box);
    }
    EQ(kernel_next_timer(&box.kernel), UINT64_MAX);
    fake_box_release(&box);
}

TEST(wait_timer_heap_survives_random_removals)
{
    struct fake_box box;
    fake_box_init(&box);
    struct process *p[60];
    uint64_t seed = 12345;
    for (int i = 0; i < 60; i++)
        p[i] = sleeper(&box);
    for (int round = 0; round < 2000; round++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct process *one = p[(seed >> 33) % 60];
        if ((seed >> 60) & 1)
            wait_until(one, 1 + (seed >> 40) % 1000);
        else
            wait_leave(one);
        has_no_fault(&box);
    }
    for (int i = 0; i < 60; i++)
        wait_leave(p[i]);
    EQ(box.kernel.timer_count, 0);
    fake_box_release(&box);
}

TEST(wait_fixed_clock_moves_both_clocks)
{
    struct fake_box box;
    fake_box_init(&box);
    box.kernel.clock = CLOCK_FIXED;
    box.kernel.clock_real = 1000;
    wait_until(sleeper(&box), 250);
    kernel_advance(&box.kernel);
    EQ(kernel_time_monotonic(&box.kernel), 250);
    EQ(kernel_time_real(&box.kernel), 1250);
    kernel_advance(&box.kernel); /* somebody is runnable: time stands still */
    EQ(kernel_time_monotonic(&box.kernel), 250);
    fake_box_release(&box);
}

TEST(wait_wake_of_a_dead_process_does_nothing)
{
    struct fake_box box;
    fake_box_init(&box);
    struct process *init = sleeper(&box), *child = sleeper(&box);
    OK(box.kernel.init == init);
    kernel_end_process(child, 3);
    process_wake(child);
    OK(!child->queued && child->state == PROCESS_ZOMBIE);
    has_no_fault(&box);
    fake_box_release(&box);
}
