/* What the first program of a run gets and gives. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "tap.h"

static struct fake_box box;
static const char source[] = "return 6 * 7";

static void run(fake_fn entry, fake_fn child)
{
    struct image image = {
        .name = "r", .own = true, .memory = 4u << 20, .functions = {entry, child}};
    fake_box_init(&box);
    box.io.source = source;
    box.io.source_len = strlen(source);
    ASSERT(fake_box_start(&box, &image));
    fake_box_run(&box);
}

static void gets_source(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 64), n = fake_alloc(g, 4);
    (void)arg;
    EQ(fake_call(g, SYS_run_source, at, 0, n), ERRNO_RANGE);
    EQ(fake_u32(g, n), strlen(source));
    EQ(fake_call(g, SYS_run_source, at, 64, n), 0);
    MEM_EQ(fake_at(g, at), source, strlen(source));
    EQ(fake_call(g, SYS_run_source, g->size - 4, 64, n), ERRNO_FAULT);
    EQ(fake_call(g, SYS_run_source, at, 64, g->size - 3), ERRNO_FAULT);
}

TEST(sys_run_source)
{
    run(gets_source, NULL);
    EQ(fake_box_exit_code(&box), 0);
    fake_box_release(&box);
}

static void gives(struct fake *g, uint32_t arg)
{
    (void)arg;
    EQ(fake_call(g, SYS_run_value, fake_text(g, "41"), 2), 0);
    EQ(fake_call(g, SYS_run_value, fake_text(g, "42"), 2), 0); /* the last one counts */
    EQ(fake_call(g, SYS_run_error, fake_text(g, "{}"), 2), 0);
    EQ(fake_call(g, SYS_run_value, g->size - 1, 2), ERRNO_FAULT);
}

TEST(sys_run_value_and_error)
{
    run(gives, NULL);
    OK(box.io.has_value && box.io.has_error);
    OK(str_equal(buf_str(&box.io.value), STR("42")));
    OK(str_equal(buf_str(&box.io.error), STR("{}")));
    kernel_end(&box.kernel);
    EQ(box.kernel.memory_used, 0);
    fake_box_release(&box);
}

static void interferes(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_text(g, "evil"), n = fake_alloc(g, 4);
    (void)arg;
    EQ(fake_call(g, SYS_run_value, at, 4), ERRNO_PERM);
    EQ(fake_call(g, SYS_run_error, at, 4), ERRNO_PERM);
    EQ(fake_call(g, SYS_run_source, at, 4, n), ERRNO_PERM);
}

static void has_child(struct fake *g, uint32_t arg)
{
    (void)arg;
    OK(fake_clone(g, 1, 0) > 0);
    fake_wait(g, -1, 0, NULL);
}

TEST(sys_run_is_for_the_first_only)
{
    run(has_child, interferes);
    OK(!box.io.has_value && !box.io.has_error);
    fake_box_release(&box);
}

static void gives_too_much(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 2u << 20);
    (void)arg;
    fake_call(g, SYS_run_value, at, 2u << 20);
    OK(!"reached");
}

TEST(sys_run_value_beyond_the_ceiling_ends_the_run)
{
    run(gives_too_much, NULL);
    EQ(box.kernel.stop, STOP_LIMIT);
    OK(!box.io.has_value);
    fake_box_release(&box);
}
