/* Pipes: order of bytes, back-pressure, ends, atomic writes. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "kernel/pipe.h"
#include "tap.h"

struct rig {
    struct fake_box box;
    struct file *in, *out;
};

static void rig_init(struct rig *rig)
{
    fake_box_init(&rig->box);
    EQ(pipe_new(&rig->box.kernel, &rig->in, &rig->out), 0);
}

static void rig_release(struct rig *rig)
{
    file_unref(rig->in);
    file_unref(rig->out);
    EQ(rig->box.kernel.memory_used, 0);
    fake_box_release(&rig->box);
}

TEST(pipe_bytes_come_in_order)
{
    struct rig r;
    char text[8] = "";
    size_t n = 0;
    rig_init(&r);
    EQ(file_write(r.out, "hello", 5, &n), 0);
    EQ(n, 5);
    EQ(file_read(r.in, text, 2, &n), 0);
    EQ(n, 2);
    EQ(file_read(r.in, text + 2, 6, &n), 0);
    EQ(n, 3);
    STR_EQ(text, "hello");
    rig_release(&r);
}

TEST(pipe_empty_and_full)
{
    struct rig r;
    size_t n = 99;
    char *block = mem_zalloc(PIPE_SIZE + 1);
    rig_init(&r);
    EQ(file_read(r.in, block, 1, &n), FILE_AGAIN);
    EQ(n, 99);
    EQ(file_read(r.in, block, 0, &n), 0);
    EQ(n, 0);
    EQ(file_write(r.out, block, PIPE_SIZE + 1, &n), 0);
    EQ(n, PIPE_SIZE);
    EQ(file_write(r.out, block, 1, &n), FILE_AGAIN);
    EQ(file_write(r.out, block, 0, &n), 0);
    EQ(file_read(r.in, block, 1, &n), 0);
    EQ(file_write(r.out, block, 1, &n), 0);
    EQ(n, 1);
    rig_release(&r);
    mem_free(block);
}

TEST(pipe_small_writes_are_never_torn)
{
    struct rig r;
    size_t n;
    char *block = mem_zalloc(PIPE_SIZE);
    rig_init(&r);
    EQ(file_write(r.out, block, PIPE_SIZE - 100, &n), 0);
    EQ(file_write(r.out, block, 101, &n), FILE_AGAIN);
    EQ(file_write(r.out, block, PIPE_ATOMIC, &n), FILE_AGAIN);
    EQ(file_write(r.out, block, 100, &n), 0);
    EQ(n, 100);
    EQ(file_read(r.in, block, 200, &n), 0);
    EQ(file_write(r.out, block, PIPE_ATOMIC + 1, &n), 0); /* a large one may be */
    EQ(n, 200);
    rig_release(&r);
    mem_free(block);
}

TEST(pipe_ring_wraps_without_losing_bytes)
{
    struct rig r;
    uint8_t out[3000], in[3000];
    uint32_t wrote = 0, got = 0;
    size_t n;
    rig_init(&r);
    for (int round = 0; round < 400; round++) {
        size_t want = 1 + (size_t)(round * 7919) % sizeof out;
        for (size_t i = 0; i < want; i++)
            out[i] = (uint8_t)((wrote + i) * 31 >> 3);
        if (file_write(r.out, out, want, &n) == 0)
            wrote += (uint32_t)n;
        want = 1 + (size_t)(round * 104729) % sizeof in;
        if (round % 3 && file_read(r.in, in, want, &n) == 0) {
            for (size_t i = 0; i < n; i++)
                if (in[i] != (uint8_t)((got + i) * 31 >> 3))
                    EQ(got + i, UINT32_MAX);
            got += (uint32_t)n;
        }
    }
    OK(got > 100000);
    EQ(r.in->ops->available(r.in), wrote - got);
    rig_release(&r);
}

TEST(pipe_end_of_file_after_the_last_byte)
{
    struct rig r;
    char c;
    size_t n;
    rig_init(&r);
    EQ(file_write(r.out, "x", 1, &n), 0);
    file_unref(r.out);
    EQ(file_read(r.in, &c, 1, &n), 0);
    EQ(n, 1);
    EQ(file_read(r.in, &c, 1, &n), 0);
    EQ(n, 0);
    EQ(file_ready(r.in), READY_IN | READY_HUP);
    file_unref(r.in);
    EQ(r.box.kernel.memory_used, 0);
    fake_box_release(&r.box);
}

TEST(pipe_without_reader)
{
    struct rig r;
    size_t n = 5;
    rig_init(&r);
    file_unref(r.in);
    EQ(file_write(r.out, "x", 1, &n), ERRNO_PIPE);
    EQ(file_write(r.out, "", 0, &n), ERRNO_PIPE);
    EQ(n, 5);
    EQ(file_ready(r.out), READY_OUT | READY_HUP);
    file_unref(r.out);
    fake_box_release(&r.box);
}

TEST(pipe_directions)
{
    struct rig r;
    char c = 0;
    size_t n;
    uint64_t at;
    struct file_stat stat;
    rig_init(&r);
    EQ(file_write(r.in, &c, 1, &n), ERRNO_BADF);
    EQ(file_read(r.out, &c, 1, &n), ERRNO_BADF);
    EQ(file_pread(r.in, &c, 1, 0, &n), ERRNO_SPIPE);
    EQ(file_pwrite(r.out, &c, 1, 0, &n), ERRNO_SPIPE);
    EQ(file_seek(r.in, 0, 1, &at), ERRNO_SPIPE);
    EQ(file_set_size(r.out, 0), ERRNO_INVAL);
    EQ(file_stat(r.in, &stat), 0);
    EQ(stat.type, FILE_UNKNOWN);
    EQ(stat.ino, 1);
    rig_release(&r);
}

TEST(pipe_ready)
{
    struct rig r;
    size_t n;
    char *block = mem_zalloc(PIPE_SIZE);
    rig_init(&r);
    EQ(file_ready(r.in), 0);
    EQ(file_ready(r.out), READY_OUT);
    EQ(file_write(r.out, block, PIPE_SIZE - PIPE_ATOMIC, &n), 0);
    EQ(file_ready(r.in), READY_IN);
    EQ(file_ready(r.out), READY_OUT);
    EQ(file_write(r.out, block, 1, &n), 0);
    EQ(file_ready(r.out), 0); /* a write of PIPE_ATOMIC would wait */
    EQ(r.out->ops->available(r.out), PIPE_ATOMIC - 1);
    rig_release(&r);
    mem_free(block);
}

TEST(pipe_memory_is_charged)
{
    struct fake_box box;
    struct file *in, *out;
    fake_box_init(&box);
    box.kernel.limits.memory = PIPE_SIZE;
    EQ(pipe_new(&box.kernel, &in, &out), ERRNO_NOMEM);
    EQ(box.kernel.stop, STOP_LIMIT);
    OK(strncmp(box.kernel.stop_text, "memory: ", 8) == 0);
    EQ(box.kernel.memory_used, 0);
    fake_box_release(&box);
}

TEST(pipe_without_memory)
{
    for (uint64_t n = 1; n <= 2; n++) {
        struct fake_box box;
        struct file *in, *out;
        fake_box_init(&box);
        uint64_t blocks = mem_live_blocks();
        mem_fail_after(n);
        EQ(pipe_new(&box.kernel, &in, &out), ERRNO_NOMEM);
        mem_fail_after(0);
        EQ(box.kernel.memory_used, 0);
        EQ(box.kernel.stop, STOP_NONE);
        EQ(mem_live_blocks(), blocks);
        fake_box_release(&box);
    }
}

TEST(pipe_buffers_go_round_and_are_bounded)
{
    struct fake_box box;
    struct file *in[6], *out[6];
    fake_box_init(&box);
    uint64_t blocks = mem_live_blocks();
    for (int i = 0; i < 6; i++)
        EQ(pipe_new(&box.kernel, &in[i], &out[i]), 0);
    for (int i = 0; i < 6; i++) {
        file_unref(in[i]);
        file_unref(out[i]);
    }
    EQ(box.kernel.spare_count, 4);
    EQ(mem_live_blocks(), blocks + 4);
    EQ(pipe_new(&box.kernel, &in[0], &out[0]), 0);
    EQ(box.kernel.spare_count, 3);
    file_unref(in[0]);
    file_unref(out[0]);
    kernel_end(&box.kernel);
    EQ(mem_live_blocks(), blocks);
    fake_box_release(&box);
}
