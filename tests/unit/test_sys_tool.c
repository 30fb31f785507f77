/* Tool calls as a guest makes them. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

#define NO_FD UINT32_MAX

static struct capful_call *held[4];
static int held_count;

static void echo(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    (void)context;
    capful_call_answer(call, arguments, len);
}

static void fails(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_fail(call, "broken", "it does not work", NULL);
}

static void holds(struct capful_call *call, void *context)
{
    (void)context;
    held[held_count++] = call;
}

static struct toolset *make_tools(void)
{
    struct toolset *set;
    struct capful_tool tools[3] = {{.name = "echo", .call = echo},
                                   {.name = "fails", .call = fails},
                                   {.name = "holds", .call = holds}};
    EQ(toolset_new(&set, NULL), 0);
    for (int i = 0; i < 3; i++)
        EQ(toolset_add(set, &tools[i], NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    return set;
}

#define GUEST_TEST(name)                                                                           \
    static void guest_##name(struct fake *g, uint32_t arg);                                        \
    TEST(sys_tool_##name)                                                                          \
    {                                                                                              \
        struct fake_tree tree;                                                                     \
        tree_init(&tree, guest_##name, true, make_tools());                                        \
        EQ(tree_drive(&tree), KERNEL_DONE);                                                        \
        EQ(fake_box_exit_code(&tree.box), 0);                                                      \
        tree_release(&tree);                                                                       \
        while (held_count > 0) /* answers that come too late are dropped */                        \
            capful_call_answer(held[--held_count], "1", 1);                                        \
    }                                                                                              \
    static void guest_##name(struct fake *g, uint32_t arg __attribute__((unused)))

static int start(struct fake *g, const char *tool, const char *arguments, uint32_t *ret_id)
{
    uint32_t top = g->top, name = fake_text(g, tool), text = fake_text(g, arguments),
             id = fake_alloc(g, 4);
    int result = fake_call(g, SYS_call_start, name, strlen(tool), text, strlen(arguments), id);
    g->top = top;
    if (result == 0)
        *ret_id = fake_u32(g, id);
    return result;
}

static int next(struct fake *g, uint32_t fd, int64_t timeout, struct capful_done *done)
{
    uint32_t top = g->top, at = fake_alloc(g, sizeof *done);
    int result = fake_call(g, SYS_call_next, fd, (uint64_t)timeout, at);
    g->top = top;
    memcpy(done, fake_at(g, at), sizeof *done);
    return result;
}

GUEST_TEST(call_and_answer)
{
    struct capful_done done;
    uint32_t id = 0, at = fake_alloc(g, 64);
    EQ(start(g, "echo", "{\"a\":1}", &id), 0);
    EQ(next(g, NO_FD, -1, &done), 0);
    EQ(done.id, id);
    EQ(done.status, CAPFUL_CALL_OK);
    EQ(done.len, 7);
    EQ(fake_call(g, SYS_call_result, id, at, 6), ERRNO_RANGE);
    EQ(fake_call(g, SYS_call_result, id, g->size - 3, 64), ERRNO_FAULT);
    EQ(fake_call(g, SYS_call_result, id, at, 64), 0);
    MEM_EQ(fake_at(g, at), "{\"a\":1}", 7);
    EQ(fake_call(g, SYS_call_result, id, at, 64), ERRNO_NOENT); /* forgotten */
    EQ(next(g, NO_FD, -1, &done), 0); /* nothing is under way: no endless wait */
    EQ(done.status, CAPFUL_CALL_NONE);
}

/* An answer that fits comes with the news of it; one that does not is left to be fetched. */
GUEST_TEST(answer_with_the_news)
{
    struct capful_done done;
    uint32_t id = 0, at = fake_alloc(g, 64), news = fake_alloc(g, sizeof done);
    EQ(start(g, "echo", "{\"a\":1}", &id), 0);
    EQ(fake_call(g, SYS_call_next, NO_FD, (uint64_t)-1, news, g->size - 3, 64), ERRNO_FAULT);
    EQ(fake_call(g, SYS_call_next, NO_FD, (uint64_t)-1, news, at, 7), 0);
    memcpy(&done, fake_at(g, news), sizeof done);
    EQ(done.id, id);
    EQ(done.len, 7);
    MEM_EQ(fake_at(g, at), "{\"a\":1}", 7);
    EQ(fake_call(g, SYS_call_result, id, at, 64), ERRNO_NOENT); /* forgotten */
    EQ(start(g, "echo", "{\"b\":1}", &id), 0);
    EQ(fake_call(g, SYS_call_next, NO_FD, (uint64_t)-1, news, at, 6), 0);
    MEM_EQ(fake_at(g, at), "{\"a\":1}", 7); /* untouched */
    EQ(fake_call(g, SYS_call_result, id, at, 64), 0);
    MEM_EQ(fake_at(g, at), "{\"b\":1}", 7);
}

GUEST_TEST(several_at_once)
{
    struct capful_done done;
    uint32_t ids[3];
    EQ(start(g, "echo", "{}", &ids[0]), 0);
    EQ(start(g, "fails", "{}", &ids[1]), 0);
    EQ(start(g, "nobody", "{}", &ids[2]), 0);
    uint32_t status[3] = {9, 9, 9};
    for (int i = 0; i < 3; i++) {
        EQ(next(g, NO_FD, -1, &done), 0);
        for (int k = 0; k < 3; k++)
            if (done.id == ids[k])
                status[k] = done.status;
    }
    EQ(status[0], CAPFUL_CALL_OK);
    EQ(status[1], CAPFUL_CALL_ERROR);
    OK(status[2] == CAPFUL_CALL_ERROR || status[2] == CAPFUL_CALL_DENIED);
}

GUEST_TEST(time_out_while_a_call_is_under_way)
{
    struct capful_done done;
    uint32_t id, at = fake_alloc(g, 8);
    EQ(start(g, "holds", "{}", &id), 0);
    EQ(next(g, NO_FD, 0, &done), 0);
    EQ(done.status, CAPFUL_CALL_NONE);
    EQ(next(g, NO_FD, 5000, &done), 0);
    EQ(done.status, CAPFUL_CALL_NONE);
    EQ(fake_call(g, SYS_clock_time_get, 0, 0, at), 0);
    OK(fake_u64(g, at) >= TREE_TIME + 5000);
}

GUEST_TEST(descriptor_wakes_too)
{
    struct capful_done done;
    uint32_t id, ends[2];
    EQ(fake_pipe(g, ends), 0);
    EQ(fake_write(g, ends[1], "x", 1), 1);
    EQ(start(g, "holds", "{}", &id), 0);
    EQ(next(g, ends[0], -1, &done), 0);
    EQ(done.id, 0);
    EQ(done.status, CAPFUL_CALL_NONE);
    EQ(done.fd_ready, 1);
    EQ(next(g, 99, -1, &done), ERRNO_BADF);
}

GUEST_TEST(names_and_lists)
{
    uint32_t n = fake_alloc(g, 4), at = fake_alloc(g, 4096);
    EQ(fake_call(g, SYS_tool_find, fake_text(g, "echo"), 4), 0);
    EQ(fake_call(g, SYS_tool_find, fake_text(g, "nobody"), 6), ERRNO_NOENT);
    EQ(fake_call(g, SYS_tool_find, g->size - 2, 4), ERRNO_FAULT);
    EQ(fake_call(g, SYS_tool_list, at, 0, n), ERRNO_RANGE);
    uint32_t len = fake_u32(g, n);
    OK(len > 10 && len < 4096);
    EQ(fake_call(g, SYS_tool_list, at, len, n), 0);
    EQ(*(char *)fake_at(g, at), '[');
    EQ(*(char *)fake_at(g, at + len - 1), ']');
    EQ(fake_call(g, SYS_tool_list, g->size - 4, 4096, n), ERRNO_FAULT);
}

GUEST_TEST(bad_pointers_start_nothing)
{
    struct capful_done done;
    uint32_t name = fake_text(g, "echo"), text = fake_text(g, "{}"), id = fake_alloc(g, 4);
    EQ(fake_call(g, SYS_call_start, g->size - 2, 4, text, 2, id), ERRNO_FAULT);
    EQ(fake_call(g, SYS_call_start, name, 4, g->size - 1, 2, id), ERRNO_FAULT);
    EQ(fake_call(g, SYS_call_start, name, 4, text, UINT32_MAX, id), ERRNO_FAULT);
    EQ(fake_call(g, SYS_call_start, name, 4, text, 2, g->size - 3), ERRNO_FAULT);
    EQ(fake_call(g, SYS_call_next, NO_FD, 0, g->size - 15), ERRNO_FAULT);
    EQ(next(g, NO_FD, -1, &done), 0);
    EQ(done.status, CAPFUL_CALL_NONE);
}

/* Without tools: the calls answer, nothing crashes. */
static void without_tools(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 64);
    (void)arg;
    EQ(fake_call(g, SYS_tool_find, at, 4), ERRNO_NOTSUP);
    EQ(fake_call(g, SYS_tool_list, at, 4, at), ERRNO_NOTSUP);
    EQ(fake_call(g, SYS_call_start, at, 4, at, 4, at), ERRNO_NOTSUP);
    EQ(fake_call(g, SYS_call_next, NO_FD, 0, at), ERRNO_NOTSUP);
    EQ(fake_call(g, SYS_call_result, 1, at, 4), ERRNO_NOTSUP);
}

TEST(sys_tool_without_tools)
{
    static struct image image = {.name = "t", .own = true, .functions = {without_tools}};
    struct fake_box box;
    fake_box_init(&box);
    ASSERT(fake_box_start(&box, &image));
    EQ(fake_box_run(&box), KERNEL_DONE);
    fake_box_release(&box);
}
