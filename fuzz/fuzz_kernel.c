/* Processes that do what the input says, taking turns on it: the kernel's invariants hold after
 * every step. */
#include <stdlib.h>

#include "fake_engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static uint8_t take(void)
{
    return left > 0 ? (left--, *input++) : 0;
}

static uint32_t timer(struct fake *g, uint32_t at, uint32_t fd)
{
    uint64_t s[12] = {1, 0, 1, take(), 0, 0, 2, 1, fd, 0, 0, 0}; /* a clock, a pipe */
    memcpy(fake_at(g, at), s, sizeof s);
    return (uint32_t)fake_call(g, SYS_poll_oneoff, at, at + 96, 2, at);
}

static void act(struct fake *g, uint32_t arg)
{
    static const char block[9000];
    uint32_t ends[2], at = fake_alloc(g, 512), mark = g->top;
    (void)arg;
    while (left > 0 && !kernel_check(g->process->kernel)) {
        uint32_t a = take() % 12, b = take();
        g->top = mark;
        switch (take() % 16) {
        case 0: fake_clone(g, b % 2, b); break;
        case 1: fake_wait(g, (int32_t)a - 3, b & 1, NULL); break;
        case 2: fake_call(g, SYS_proc_kill, (uint32_t)((int32_t)a - 4), b % 20); break;
        case 3: fake_pipe(g, ends); break;
        case 4: fake_read(g, a, NULL, b * 64); break;
        case 5: fake_write(g, a, block, b * 35); break;
        case 6: fake_call(g, SYS_fd_close, a); break;
        case 7: fake_call(g, SYS_fd_dup2, a, b % 12, b >> 7); break;
        case 8: fake_call(g, SYS_fd_renumber, a, b % 12); break;
        case 9: timer(g, at, a); break;
        case 10: fake_call(g, SYS_sched_yield); break;
        case 11: fake_call(g, SYS_proc_setpgid, a % 5, b % 5); break;
        case 12: fake_call(g, SYS_fd_fdstat_set_flags, a, b & 4); break;
        case 13: fake_preempt(g); break;
        case 14: fake_spawn(g, "act", b); break;
        default: b & 1 ? fake_exit(g, b) : b & 2 ? fake_trap(g, "trap") : fake_preempt(g);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image image = {
        .name = "act", .own = true, .memory = 16384, .functions = {act, act}};
    struct fake_box box;
    input = data;
    left = size;
    fake_box_init(&box);
    box.kernel.clock = CLOCK_FIXED;
    box.limits.processes = 12;
    box.images[0] = &image;
    if (fake_box_start(&box, &image))
        fake_box_run(&box); /* aborts where an invariant is broken */
    fake_box_release(&box);
    if (box.kernel.memory_used != 0 || fake_engine_state.alive != 0)
        abort();
    return 0;
}
