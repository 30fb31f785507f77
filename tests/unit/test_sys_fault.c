/* Memory runs out at every allocation in turn, while a guest does a bit of everything: each call
 * either works or answers an errno, the kernel stays sound, and nothing is leaked. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

static void child(struct fake *g, uint32_t arg)
{
    if (arg == 0)
        fake_exit(g, 4);
    fake_write(g, arg, "from the child", 14);
    fake_exit(g, 3);
}

static void uses_pipes_and_processes(struct fake *g, uint32_t arg)
{
    uint32_t ends[2] = {90, 91}, at = fake_alloc(g, 8);
    (void)arg;
    fake_pipe(g, ends);
    fake_call(g, SYS_fd_dup, ends[0], 20, 1, at);
    fake_call(g, SYS_fd_dup2, ends[0], 60, 0);
    if (fake_clone(g, 1, ends[1]) > 0) {
        fake_read(g, ends[0], NULL, 64);
        fake_wait(g, -1, 0, NULL);
    }
    fake_spawn(g, "child", 5);
    fake_wait(g, -1, 1, NULL);
}

static void uses_files(struct fake *g, uint32_t arg)
{
    static char block[20000];
    uint32_t name = fake_text(g, "d"), target = fake_text(g, "../d/f"), at = fake_alloc(g, 512);
    (void)arg;
    fake_call(g, SYS_path_create_directory, 3, name, 1);
    int64_t fd = fake_open(g, 3, "d/f", 1,
                           CAPFUL_RIGHT_FD_READ | CAPFUL_RIGHT_FD_WRITE | CAPFUL_RIGHT_FD_SEEK);
    if (fd >= 0) {
        fake_write(g, (uint32_t)fd, block, sizeof block);
        fake_call(g, SYS_fd_seek, (uint64_t)fd, 0, 0, at);
        fake_read(g, (uint32_t)fd, NULL, sizeof block);
        fake_call(g, SYS_fd_filestat_set_size, (uint64_t)fd, 50000);
    }
    fake_call(g, SYS_path_symlink, target, 6, 3, fake_text(g, "link"), 4);
    fake_call(g, SYS_path_readlink, 3, fake_text(g, "link"), 4, at, 100, at + 128);
    fake_call(g, SYS_path_filestat_get, 3, 1, fake_text(g, "link"), 4, at);
    fake_call(g, SYS_fd_readdir, 3, at, 400, 0, at + 400);
    fake_call(g, SYS_path_link, 3, 0, fake_text(g, "d/f"), 3, 3, fake_text(g, "hard"), 4);
    fake_call(g, SYS_path_rename, 3, fake_text(g, "hard"), 4, 3, fake_text(g, "harder"), 6);
    fake_call(g, SYS_path_unlink_file, 3, fake_text(g, "harder"), 6);
    fake_call(g, SYS_proc_chdir, name, 1);
    fake_call(g, SYS_proc_getcwd, at, 100, at + 128);
}

static void uses_polls_and_tools(struct fake *g, uint32_t arg)
{
    uint64_t s[6] = {1, 0, 1, 5, 0, 0};
    uint32_t in = fake_alloc(g, 48 * 20), out = fake_alloc(g, 32 * 20), n = fake_alloc(g, 64);
    uint32_t pairs[40];
    (void)arg;
    for (uint32_t i = 0; i < 20; i++)
        memcpy(fake_at(g, in + 48 * i), s, sizeof s);
    fake_call(g, SYS_poll_oneoff, in, out, 20, n);
    for (int i = 0; i < 40; i++)
        pairs[i] = 16;
    fake_call(g, SYS_fd_write, 1, fake_data(g, pairs, sizeof pairs), 20, n);
    fake_call(g, SYS_tool_list, out, 100, n);
    if (fake_call(g, SYS_call_start, fake_text(g, "none"), 4, fake_text(g, "{}"), 2, n) == 0)
        fake_call(g, SYS_call_next, UINT32_MAX, 1000, out);
    fake_call(g, SYS_run_value, fake_text(g, "[1,2]"), 5);
}

/* A program that is handed a directory, a tool, a text and a place to report to. */
static void hands_on(struct fake *g, uint32_t arg)
{
    struct {
        struct capful_spawn first;
        struct capful_spawn_more more;
    } s = {{.program = fake_text(g, "child"), .program_len = 5, .flags = CAPFUL_SPAWN_MORE},
           {.flags = CAPFUL_MORE_DIRS | CAPFUL_MORE_TOOLS | CAPFUL_MORE_SOURCE |
                     CAPFUL_MORE_REPORT | CAPFUL_MORE_TIED}};
    struct capful_dir dir = {fake_text(g, "/workspace"), 10, CAPFUL_DIR_READ};
    struct capful_tool_handed tool = {.name = fake_text(g, "pay"), .name_len = 3};
    uint32_t ends[2] = {90, 91}, at = fake_alloc(g, 8), why = fake_alloc(g, 64);
    (void)arg;
    fake_pipe(g, ends);
    if (fake_call(g, SYS_tool_narrow, fake_text(g, "refund"), 6, 0, fake_text(g, "{}"), 2, at, why,
                  64) == 0)
        tool.handle = fake_u32(g, at);
    tool.from = fake_text(g, "refund");
    tool.from_len = 6;
    s.more.size = sizeof s.more;
    s.more.dirs = fake_data(g, &dir, sizeof dir);
    s.more.tools = fake_data(g, &tool, sizeof tool);
    s.more.dir_count = s.more.tool_count = 1;
    s.more.source = fake_text(g, "1 + 1");
    s.more.source_len = 5;
    s.more.report = ends[1];
    if (fake_call(g, SYS_proc_spawn, fake_data(g, &s, sizeof s), at) == 0)
        fake_wait(g, -1, 0, NULL);
    if (tool.handle)
        fake_call(g, SYS_call_handle, tool.handle, fake_text(g, "{}"), 2, at);
}

static void looks_around(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 256), len = fake_alloc(g, 8);
    (void)arg;
    fake_call(g, SYS_run_source, at, 64, len);
    fake_call(g, SYS_run_value, fake_text(g, "1"), 1);
    int64_t fd = fake_open(g, CAPFUL_AT_CWD, "/", 2, CAPFUL_RIGHT_FD_READDIR);
    if (fd >= 0)
        fake_call(g, SYS_fd_readdir, (uint64_t)fd, at, 256, 0, len);
    fake_open(g, CAPFUL_AT_CWD, "/workspace/f", 1, CAPFUL_RIGHT_FD_WRITE);
    fake_call(g, SYS_tool_list, at, 256, len);
    fake_call(g, SYS_call_start, fake_text(g, "pay"), 3, fake_text(g, "{}"), 2, len);
}

static struct image child_image = {
    .name = "child", .own = true, .memory = 4096, .functions = {child}};

static struct image handed_image = {
    .name = "child", .own = true, .memory = 4096, .functions = {looks_around}};

static struct toolset *one_tool(void)
{
    struct toolset *set;
    struct capful_tool tool = {.name = "refund"};
    EQ(toolset_new(&set, NULL), 0);
    EQ(toolset_add(set, &tool, NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    return set;
}

static void sweep(fake_fn entry, struct image *other)
{
    tree_memory = 128u << 10;
    for (bool more = true; more && tap_state->failures == 0;) {
        struct fake_tree tree;
        uint64_t blocks = mem_live_blocks();
        tree_init(&tree, entry, true, one_tool());
        tree.image.functions[1] = child;
        tree.box.images[0] = other;
        mem_fail_after(++tap_state->sweep);
        tree_drive(&tree);
        more = !TAP_SWEEP_UNUSED();
        mem_fail_after(0);
        OK(!kernel_check(&tree.box.kernel));
        tree_release(&tree); /* aborts when anything stays charged */
        EQ(mem_live_blocks(), blocks);
    }
    OK(tap_state->sweep > 10);
}

TEST(sys_fault_pipes_and_processes)
{
    sweep(uses_pipes_and_processes, &child_image);
}

TEST(sys_fault_files)
{
    sweep(uses_files, &child_image);
}

TEST(sys_fault_polls_and_tools)
{
    sweep(uses_polls_and_tools, &child_image);
}

TEST(sys_fault_handing_on)
{
    sweep(hands_on, &handed_image);
}
