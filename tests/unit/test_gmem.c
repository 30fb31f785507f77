/* Guest memory: every address and length at every border. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "syscall/gmem.h"
#include "tap.h"

static uint8_t memory[4096];

static struct process with_memory(uint64_t size)
{
    struct process process;
    memset(&process, 0, sizeof process);
    process.memory = (struct guest_memory){memory, size};
    return process;
}

TEST(gmem_span_at_the_borders)
{
    static const struct {
        uint32_t at;
        uint64_t len;
        bool good;
    } cases[] = {
        {0, 0, true},           {0, 4096, true},
        {0, 4097, false},       {4095, 1, true},
        {4095, 2, false},       {4096, 0, true},
        {4096, 1, false},       {4097, 0, false},
        {1, UINT64_MAX, false}, {UINT32_MAX, 0, false},
        {UINT32_MAX, 1, false}, {4000, UINT32_MAX, false},
        {100, 3996, true},      {100, 3997, false},
        {0, UINT64_MAX, false}, {2048, (uint64_t)1 << 32, false},
    };
    struct process p = with_memory(sizeof memory);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *span = gmem_span(&p, gptr(cases[i].at), cases[i].len);
        OK((span != NULL) == cases[i].good);
        OK(!span || span == memory + cases[i].at);
    }
}

TEST(gmem_of_four_gigabytes)
{
    struct process p = with_memory((uint64_t)1 << 32); /* only addresses are computed here */
    OK(gmem_span(&p, gptr(UINT32_MAX), 1) == memory + UINT32_MAX);
    OK(!gmem_span(&p, gptr(UINT32_MAX), 2));
    OK(gmem_span(&p, gptr(0), (uint64_t)1 << 32) == memory);
    OK(!gmem_span(&p, gptr(1), (uint64_t)1 << 32));
}

TEST(gmem_without_memory)
{
    struct process p = with_memory(0);
    p.memory.base = NULL;
    OK(!gmem_span(&p, gptr(0), 0));
    OK(!gmem_put32(&p, gptr(0), 1));
}

TEST(gmem_upper_half_of_an_argument_is_ignored)
{
    EQ(gptr(UINT64_C(0xffffffff00000010)).at, 16);
}

TEST(gmem_read_and_write)
{
    struct process p = with_memory(sizeof memory);
    uint32_t word = 0;
    memset(memory, 0, sizeof memory);
    OK(gmem_put32(&p, gptr(1), 0x01020304)); /* not aligned */
    EQ(memory[1], 4);
    EQ(memory[4], 1);
    OK(gmem_read(&p, gptr(1), &word, 4));
    EQ(word, 0x01020304);
    OK(!gmem_read(&p, gptr(4093), &word, 4));
    EQ(word, 0x01020304);
    OK(gmem_put64(&p, gptr(4088), UINT64_MAX));
    OK(!gmem_put64(&p, gptr(4089), 0));
    EQ(memory[4095], 255);
}

TEST(gmem_text_limits)
{
    struct process p = with_memory(sizeof memory);
    struct str text = STR("untouched");
    memcpy(memory + 10, "hello", 5);
    EQ(gmem_text(&p, gptr(10), 5, 5, ERRNO_2BIG, &text), 0);
    OK(str_equal(text, STR("hello")));
    EQ(gmem_text(&p, gptr(10), 6, 5, ERRNO_2BIG, &text), ERRNO_2BIG);
    EQ(gmem_text(&p, gptr(4090), 7, 99, ERRNO_2BIG, &text), ERRNO_FAULT);
    OK(str_equal(text, STR("hello")));
}

static void put_pair(uint32_t at, uint32_t base, uint32_t len)
{
    memcpy(memory + at, &base, 4);
    memcpy(memory + at + 4, &len, 4);
}

TEST(gmem_iovecs_are_checked_as_a_whole)
{
    struct process p = with_memory(sizeof memory);
    struct iovecs v;
    put_pair(0, 100, 50);
    put_pair(8, 4000, 96);
    put_pair(16, 4000, 97);
    EQ(iovecs_init(&v, &p, gptr(0), 2), 0);
    EQ(v.count, 2);
    EQ(v.total, 146);
    OK(v.list == v.room && v.list[1].data == memory + 4000);
    iovecs_release(&v);
    EQ(iovecs_init(&v, &p, gptr(0), 3), ERRNO_FAULT);
    EQ(iovecs_init(&v, &p, gptr(4090), 1), ERRNO_FAULT);
    EQ(iovecs_init(&v, &p, gptr(0), IOVEC_MAX + 1), ERRNO_INVAL);
    EQ(iovecs_init(&v, &p, gptr(0), 0), 0);
    EQ(v.total, 0);
    iovecs_release(&v);
}

TEST(gmem_iovecs_many)
{
    struct process p = with_memory(sizeof memory);
    struct iovecs v;
    memset(memory, 0, sizeof memory);
    for (uint32_t i = 0; i < 100; i++)
        put_pair(8 * i, i, 1);
    uint64_t blocks = mem_live_blocks();
    EQ(iovecs_init(&v, &p, gptr(0), 100), 0);
    EQ(v.total, 100);
    OK(v.list != v.room);
    iovecs_release(&v);
    put_pair(8 * 50, 4096, 1);
    EQ(iovecs_init(&v, &p, gptr(0), 100), ERRNO_FAULT);
    EQ(mem_live_blocks(), blocks);
    mem_fail_after(1);
    EQ(iovecs_init(&v, &p, gptr(0), 100), ERRNO_NOMEM);
    mem_fail_after(0);
}

TEST(gmem_iovecs_longer_than_32_bits)
{
    struct process p = with_memory((uint64_t)1 << 32);
    struct iovecs v;
    memset(memory, 0, sizeof memory);
    put_pair(0, 0, UINT32_MAX);
    put_pair(8, 0, 1);
    EQ(iovecs_init(&v, &p, gptr(0), 2), ERRNO_INVAL);
    EQ(iovecs_init(&v, &p, gptr(0), 1), 0);
    iovecs_release(&v);
}

TEST(gmem_copies_stop_with_the_run)
{
    struct fake_box box;
    struct process p;
    fake_box_init(&box);
    char *big = mem_zalloc(3u << 20);
    memset(&p, 0, sizeof p);
    p.kernel = &box.kernel;
    p.memory = (struct guest_memory){(uint8_t *)big, 3u << 20};
    struct buf copy = BUF_INIT(4u << 20);
    EQ(gmem_append(&p, &copy, gptr(0), 3u << 20), 0);
    EQ(copy.len, 3u << 20);
    EQ(gmem_copy_out(&p, gptr(0), buf_str(&copy)), 0);
    EQ(gmem_append(&p, &copy, gptr(0), 2u << 20), ERRNO_NOMEM); /* over the ceiling */
    EQ(gmem_append(&p, &copy, gptr(1), 3u << 20), ERRNO_FAULT);
    EQ(gmem_copy_out(&p, gptr(1), buf_str(&copy)), ERRNO_FAULT);
    kernel_cancel(&box.kernel, 9);
    EQ(gmem_copy_out(&p, gptr(0), buf_str(&copy)), SYS_EXIT);
    buf_clear(&copy);
    EQ(gmem_append(&p, &copy, gptr(0), 3u << 20), SYS_EXIT);
    buf_release(&copy);
    mem_free(big);
    fake_box_release(&box);
}
