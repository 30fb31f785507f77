/* proc_spawn with struct capful_spawn_more: what a child is handed, seen from the child. */
#include <string.h>

#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

enum { O_CREATE = 1, O_DIR = 2 };
#define CWD CAPFUL_AT_CWD

struct both {
    struct capful_spawn spawn;
    struct capful_spawn_more more;
    uint8_t later[16]; /* fields of a later version */
};

static int answers[32]; /* of the child, or of the parent's calls */

static int open_for(struct fake *g, const char *path, uint32_t oflags, uint64_t rights)
{
    int64_t fd = fake_open(g, CWD, path, oflags, rights);
    if (fd >= 0)
        fake_call(g, SYS_fd_close, (uint64_t)fd);
    return fd < 0 ? (int)-fd : 0;
}

static int mkdir_at(struct fake *g, uint32_t dir, const char *path)
{
    return fake_call(g, SYS_path_create_directory, dir, fake_text(g, path), strlen(path));
}

static uint32_t dir_list(struct fake *g, const char *const *paths, const uint32_t *access,
                         uint32_t n)
{
    struct capful_dir dirs[80];
    for (uint32_t i = 0; i < n; i++)
        dirs[i] =
            (struct capful_dir){fake_text(g, paths[i]), (uint32_t)strlen(paths[i]), access[i]};
    return fake_data(g, dirs, n * (uint32_t)sizeof dirs[0]);
}

static struct both with_dirs(struct fake *g, uint32_t dirs, uint32_t n)
{
    struct both both = {
        .spawn = {.program = fake_text(g, "child"), .program_len = 5, .flags = CAPFUL_SPAWN_MORE},
        .more = {.flags = CAPFUL_MORE_DIRS, .dirs = dirs, .dir_count = n}};
    both.more.size = sizeof both.more;
    return both;
}

static int spawn(struct fake *g, const struct both *both)
{
    uint32_t pid = fake_alloc(g, 4), status;
    int result = fake_call(g, SYS_proc_spawn, fake_data(g, both, sizeof *both), pid);
    if (result == 0)
        fake_wait(g, (int32_t)fake_u32(g, pid), 0, &status);
    return result;
}

static void echo(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    (void)context;
    capful_call_answer(call, arguments, len);
}

static struct toolset *make_tools(void)
{
    struct toolset *set;
    struct capful_tool tools[2] = {{.name = "lookup", .call = echo},
                                   {.name = "refund", .call = echo}};
    EQ(toolset_new(&set, NULL), 0);
    for (int i = 0; i < 2; i++)
        EQ(toolset_add(set, &tools[i], NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    return set;
}

static void run_with(fake_fn parent, fake_fn child)
{
    struct fake_tree tree;
    struct image image = {.name = "child", .own = true, .functions = {child}};
    memset(answers, 255, sizeof answers);
    tree_init(&tree, parent, true, make_tools());
    tree.box.images[0] = &image;
    EQ(tree_drive(&tree), KERNEL_DONE);
    EQ(fake_box_exit_code(&tree.box), 0);
    tree_release(&tree);
}

/* ---- directories */

static void confined_child(struct fake *g, uint32_t arg)
{
    uint32_t text = fake_alloc(g, 64), len = fake_alloc(g, 4);
    (void)arg;
    answers[0] = open_for(g, "/workspace/in/f", 0, CAPFUL_RIGHT_FD_READ);
    answers[1] = open_for(g, "/workspace/in/f", 0, CAPFUL_RIGHT_FD_WRITE);
    answers[2] = open_for(g, "/workspace/out/f", O_CREATE, CAPFUL_RIGHT_FD_WRITE);
    answers[3] = open_for(g, "/workspace/f", 0, CAPFUL_RIGHT_FD_READ);
    answers[4] = open_for(g, "f", 0, CAPFUL_RIGHT_FD_READ);
    answers[5] = mkdir_at(g, 4, "new"); /* /workspace/in, opened with all rights */
    answers[6] = mkdir_at(g, 5, "new"); /* /workspace/out */
    EQ(fake_call(g, SYS_proc_getcwd, text, 64, len), 0);
    answers[7] = fake_u32(g, len) == 10 && memcmp(fake_at(g, text), "/workspace", 10) == 0;
    answers[8] = fake_call(g, SYS_proc_chdir, fake_text(g, "/workspace/in"), 13);
    answers[9] = open_for(g, "f", 0, CAPFUL_RIGHT_FD_READ);
    answers[10] = fake_call(g, SYS_proc_chdir, fake_text(g, "/tmp"), 4);
    uint64_t rights = CAPFUL_RIGHT_FD_READDIR | CAPFUL_RIGHT_PATH_CREATE_DIRECTORY;
    int64_t dir = fake_open(g, CWD, "/workspace/in", O_DIR, rights);
    OK(dir >= 0);
    answers[11] = mkdir_at(g, (uint32_t)dir, "new");
    /* What it hands on is no more than it has, whether it says so or not. */
    const char *const all[] = {"/workspace/in"};
    struct both both = with_dirs(g, dir_list(g, all, (uint32_t[]){CAPFUL_DIR_WRITE}, 1), 1);
    answers[12] = spawn(g, &both);
    const char *const other[] = {"/workspace"};
    both = with_dirs(g, dir_list(g, other, (uint32_t[]){CAPFUL_DIR_AS_HELD}, 1), 1);
    answers[13] = spawn(g, &both);
}

static void hands_on(struct fake *g, uint32_t arg)
{
    (void)arg;
    const char *const paths[] = {"in", "out"};
    EQ(mkdir_at(g, CWD, "in"), 0);
    EQ(mkdir_at(g, CWD, "out"), 0);
    EQ(open_for(g, "in/f", O_CREATE, CAPFUL_RIGHT_FD_WRITE), 0);
    EQ(open_for(g, "f", O_CREATE, CAPFUL_RIGHT_FD_WRITE), 0);
    uint64_t rights = CAPFUL_RIGHT_PATH_CREATE_DIRECTORY;
    uint32_t in = (uint32_t)fake_open(g, CWD, "in", O_DIR, rights);
    uint32_t out = (uint32_t)fake_open(g, CWD, "out", O_DIR, rights);
    struct capful_fd_map maps[3] = {{4, in}, {5, out}, {6, 3}};
    uint32_t access[] = {CAPFUL_DIR_READ, CAPFUL_DIR_WRITE};
    struct both both = with_dirs(g, dir_list(g, paths, access, 2), 2);
    both.spawn.fds = fake_data(g, maps, sizeof maps);
    both.spawn.fd_count = 3;
    EQ(spawn(g, &both), ERRNO_NOTCAPABLE); /* 3 is /workspace */
    both.spawn.fd_count = 2;
    both.spawn.cwd = fake_text(g, "/tmp");
    both.spawn.cwd_len = 4;
    EQ(spawn(g, &both), ERRNO_NOENT);
    both.spawn.cwd_len = 0;
    EQ(spawn(g, &both), 0);
}

TEST(spawn_hands_on_directories)
{
    static const int wanted[14] = {
        0, ERRNO_ROFS, 0, ERRNO_NOENT, ERRNO_NOENT,      ERRNO_NOTCAPABLE, 0,
        1, 0,          0, ERRNO_NOENT, ERRNO_NOTCAPABLE, ERRNO_ROFS,       ERRNO_NOENT};
    run_with(hands_on, confined_child);
    for (int i = 0; i < 14; i++)
        EQ(answers[i] + 1000 * i, wanted[i] + 1000 * i);
}

/* ---- the structure */

static void idle(struct fake *g, uint32_t arg)
{
    (void)g;
    (void)arg;
}

static void decodes(struct fake *g, uint32_t arg)
{
    (void)arg;
    const char *const paths[] = {"/workspace"};
    uint32_t list = dir_list(g, paths, (uint32_t[]){CAPFUL_DIR_READ}, 1);
    uint32_t wrong = dir_list(g, paths, (uint32_t[]){4}, 1), far = g->size - 4;
    const struct both good = with_dirs(g, list, 1);
    struct both b;
    EQ(spawn(g, &good), 0);
    b = good, b.more.size = 4;
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.more.size = 1 << 20;
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.more.size += 8; /* of a later version, its news unused */
    EQ(spawn(g, &b), 0);
    b.later[7] = 1;
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.more.flags = 1u << 31;
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.more.flags = 0; /* a list without the flag: a mistake, not all of the tree */
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.more.dirs = far;
    EQ(spawn(g, &b), ERRNO_FAULT);
    b = good, b.more.dir_count = 65;
    EQ(spawn(g, &b), ERRNO_2BIG);
    b = good, b.more.dirs = wrong;
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.spawn.flags = 4;
    EQ(spawn(g, &b), ERRNO_INVAL);
    b = good, b.more.size = 8, b.more.flags = 0, b.more.dirs = 77; /* not known: not looked at */
    EQ(spawn(g, &b), 0);
    uint32_t pid = fake_alloc(g, 4), end = g->size - (uint32_t)sizeof(struct capful_spawn);
    memcpy(fake_at(g, end), &good.spawn, sizeof good.spawn);
    EQ(fake_call(g, SYS_proc_spawn, end, pid), ERRNO_FAULT);
}

TEST(spawn_decodes_what_follows)
{
    run_with(decodes, idle);
}

/* ---- tools */

static uint32_t call_by(struct fake *g, int call, uint64_t a, uint64_t b)
{
    struct capful_done done;
    uint32_t id = fake_alloc(g, 4), arguments = fake_text(g, "{}");
    uint32_t at = fake_data(g, &done, sizeof done), answer = fake_alloc(g, 256);
    int result = call == SYS_call_handle ? fake_call(g, call, a, arguments, 2, id)
                                         : fake_call(g, call, a, b, arguments, 2, id);
    if (result != 0)
        return 1000 + (uint32_t)result;
    EQ(fake_call(g, SYS_call_next, UINT32_MAX, (uint64_t)-1, at, answer, 256), 0);
    memcpy(&done, fake_at(g, at), sizeof done);
    EQ(done.id, fake_u32(g, id));
    return done.status;
}

static uint32_t call_named(struct fake *g, const char *name)
{
    return call_by(g, SYS_call_start, fake_text(g, name), strlen(name));
}

static int find(struct fake *g, const char *name)
{
    return fake_call(g, SYS_tool_find, fake_text(g, name), strlen(name));
}

static int narrow(struct fake *g, const char *name, uint32_t handle, const char *json,
                  uint32_t *ret_handle)
{
    uint32_t at = fake_alloc(g, 4), why = fake_alloc(g, 16);
    int result = fake_call(g, SYS_tool_narrow, fake_text(g, name), strlen(name), handle,
                           fake_text(g, json), strlen(json), at, why, 16);
    OK(memchr(fake_at(g, why), 0, 16));
    *ret_handle = fake_u32(g, at);
    return result;
}

static void holds_some(struct fake *g, uint32_t arg)
{
    (void)arg;
    answers[0] = find(g, "find");
    answers[1] = find(g, "lookup");
    answers[2] = (int)call_named(g, "find");
    answers[3] = (int)call_named(g, "pay");
    answers[4] = (int)call_named(g, "refund");
    answers[5] = (int)call_by(g, SYS_call_handle, 1, 0); /* its parent's */
    struct capful_tool_handed more = {.name = fake_text(g, "x"), .name_len = 1};
    more.from = fake_text(g, "refund");
    more.from_len = 6;
    struct both both = with_dirs(g, 0, 0);
    both.more.flags |= CAPFUL_MORE_TOOLS;
    both.more.tools = fake_data(g, &more, sizeof more);
    both.more.tool_count = 1;
    answers[6] = spawn(g, &both);
}

static void hands_tools(struct fake *g, uint32_t arg)
{
    uint32_t handle = 0, unused;
    (void)arg;
    EQ(narrow(g, "refund", 0, "{\"amount\":{\"le\":10}}", &handle), 0);
    EQ(narrow(g, "", handle, "{}", &unused), 0);
    EQ(narrow(g, "nobody", 0, "{}", &unused), ERRNO_NOENT);
    EQ(narrow(g, "", 77, "{}", &unused), ERRNO_BADF);
    EQ(narrow(g, "refund", 0, "[a long list that is none]", &unused), ERRNO_INVAL);
    EQ(call_by(g, SYS_call_handle, handle, 0), CAPFUL_CALL_DENIED);
    EQ(call_by(g, SYS_call_handle, 0, 0), 1000 + ERRNO_BADF);
    struct capful_tool_handed list[2] = {{.name = fake_text(g, "find"), .name_len = 4},
                                         {.name = fake_text(g, "pay"), .name_len = 3}};
    list[0].from = fake_text(g, "lookup");
    list[0].from_len = 6;
    list[1].handle = handle;
    struct both both = with_dirs(g, 0, 0);
    both.more.flags |= CAPFUL_MORE_TOOLS;
    both.more.tools = fake_data(g, list, sizeof list);
    both.more.tool_count = 2;
    EQ(spawn(g, &both), 0);
    struct both b = both;
    b.more.tool_count = 257;
    EQ(spawn(g, &b), ERRNO_2BIG);
    b = both, b.more.tools = g->size - 8;
    EQ(spawn(g, &b), ERRNO_FAULT);
    b = both, b.more.flags &= ~(uint32_t)CAPFUL_MORE_TOOLS;
    EQ(spawn(g, &b), ERRNO_INVAL);
    list[1].handle = 99;
    b = both, b.more.tools = fake_data(g, list, sizeof list);
    EQ(spawn(g, &b), ERRNO_BADF);
    list[1] = list[0];
    b = both, b.more.tools = fake_data(g, list, sizeof list);
    EQ(spawn(g, &b), ERRNO_INVAL); /* the name twice */
}

TEST(spawn_hands_on_tools)
{
    static const int wanted[7] = {0,
                                  ERRNO_NOENT,
                                  CAPFUL_CALL_OK,
                                  CAPFUL_CALL_DENIED,
                                  CAPFUL_CALL_DENIED,
                                  1000 + ERRNO_BADF,
                                  ERRNO_NOENT};
    run_with(hands_tools, holds_some);
    for (int i = 0; i < 7; i++)
        EQ(answers[i] + 10000 * i, wanted[i] + 10000 * i);
}

/* ---- a program text, a report, an end with the parent */

static char long_text[100000]; /* more than a pipe holds */

static void reports(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 64), len = fake_alloc(g, 4);
    (void)arg;
    answers[0] = fake_call(g, SYS_run_source, at, 64, len);
    answers[1] = fake_u32(g, len) == 9 && memcmp(fake_at(g, at), "the child", 9) == 0;
    answers[2] = fake_call(g, SYS_run_source, at, 64, len); /* it has it */
    answers[3] = fake_call(g, SYS_run_value, fake_text(g, "{no JSON"), 8);
    uint32_t text = fake_data(g, long_text, sizeof long_text);
    answers[4] = fake_call(g, SYS_run_value, text, sizeof long_text); /* waits for the reader */
    answers[5] = fake_call(g, SYS_run_error, fake_text(g, "{}"), 2);
    answers[6] = fake_call(g, SYS_run_value, g->size - 1, 2);
}

static void listens(struct fake *g, uint32_t arg)
{
    static uint8_t got[2 * sizeof long_text];
    uint32_t ends[2], pid = fake_alloc(g, 4);
    size_t n = 0;
    (void)arg;
    memset(long_text, '1', sizeof long_text);
    EQ(fake_pipe(g, ends), 0);
    struct both both = with_dirs(g, 0, 0);
    both.more.flags |= CAPFUL_MORE_SOURCE | CAPFUL_MORE_REPORT | CAPFUL_MORE_TIED;
    both.more.source = fake_text(g, "the child");
    both.more.source_len = 9;
    both.more.report = ends[0]; /* the end for reading */
    EQ(spawn(g, &both), ERRNO_NOTCAPABLE);
    both.more.report = 99;
    EQ(spawn(g, &both), ERRNO_BADF);
    both.more.report = ends[1];
    EQ(fake_call(g, SYS_proc_spawn, fake_data(g, &both, sizeof both), pid), 0);
    EQ(fake_call(g, SYS_fd_close, ends[1]), 0);
    struct capful_ready ready = {ends[0], 1, 0};
    uint32_t list = fake_data(g, &ready, sizeof ready);
    uint32_t done = fake_alloc(g, sizeof(struct capful_done));
    for (;;) {
        EQ(fake_call(g, SYS_call_wait, list, 1, (uint64_t)-1, done, 0, 0), 0);
        EQ(fake_u32(g, done + 12), 1);
        int64_t some = fake_read(g, ends[0], got + n, sizeof got - (uint32_t)n);
        if (some <= 0)
            break;
        n += (size_t)some;
    }
    struct capful_report head = {CAPFUL_REPORT_VALUE, sizeof long_text};
    ASSERT_EQ_INT(n, 2 * sizeof head + sizeof long_text + 2);
    MEM_EQ(got, &head, sizeof head);
    MEM_EQ(got + sizeof head, long_text, sizeof long_text);
    head = (struct capful_report){CAPFUL_REPORT_ERROR, 2};
    MEM_EQ(got + sizeof head + sizeof long_text, &head, sizeof head);
    fake_wait(g, (int32_t)fake_u32(g, pid), 0, NULL);
    EQ(fake_call(g, SYS_call_wait, list, 1025, 0, done, 0, 0), ERRNO_INVAL);
    EQ(fake_call(g, SYS_call_wait, g->size - 4, 1, 0, done, 0, 0), ERRNO_FAULT);
    ready = (struct capful_ready){99, 1, 0};
    EQ(fake_call(g, SYS_call_wait, fake_data(g, &ready, sizeof ready), 1, 0, done, 0, 0),
       ERRNO_BADF);
    ready = (struct capful_ready){ends[0], 8, 0};
    EQ(fake_call(g, SYS_call_wait, fake_data(g, &ready, sizeof ready), 1, 0, done, 0, 0),
       ERRNO_INVAL);
}

TEST(spawn_hears_what_the_child_reports)
{
    static const int wanted[7] = {0, 1, ERRNO_PERM, ERRNO_INVAL, 0, 0, ERRNO_FAULT};
    run_with(listens, reports);
    for (int i = 0; i < 7; i++)
        EQ(answers[i] + 1000 * i, wanted[i] + 1000 * i);
}

/* A child that was given nothing has nothing to say. */
static void mute(struct fake *g, uint32_t arg)
{
    uint32_t at = fake_alloc(g, 64), len = fake_alloc(g, 4);
    (void)arg;
    answers[0] = fake_call(g, SYS_run_source, at, 64, len);
    answers[1] = fake_call(g, SYS_run_value, fake_text(g, "1"), 1);
    answers[2] = fake_call(g, SYS_proc_kill, 1, 9); /* confined: its parent is none of its kin */
    answers[3] = fake_call(g, SYS_proc_kill, (uint64_t)-1, 9);
    answers[4] = fake_call(g, SYS_proc_kill, (uint32_t)g->process->pid, 0);
}

static void starts_mute(struct fake *g, uint32_t arg)
{
    (void)arg;
    struct both both = with_dirs(g, 0, 0);
    EQ(spawn(g, &both), 0);
}

TEST(spawn_of_a_child_that_was_given_nothing)
{
    static const int wanted[5] = {ERRNO_PERM, ERRNO_PERM, ERRNO_SRCH, ERRNO_SRCH, 0};
    run_with(starts_mute, mute);
    for (int i = 0; i < 5; i++)
        EQ(answers[i] + 1000 * i, wanted[i] + 1000 * i);
}

/* A chain of tied children: each starts the next, the last waits for ever. */
static void chain(struct fake *g, uint32_t arg)
{
    uint32_t ends[2], pid = fake_alloc(g, 4);
    (void)arg;
    struct both both = with_dirs(g, 0, 0);
    both.more.flags |= CAPFUL_MORE_TIED;
    if (g->process->pid % 2)
        both.more.flags = CAPFUL_MORE_DIRS; /* as its parent was */
    if (g->process->pid < 12)
        EQ(fake_call(g, SYS_proc_spawn, fake_data(g, &both, sizeof both), pid), 0);
    EQ(fake_pipe(g, ends), 0);
    fake_read(g, ends[0], &both, 1);
    answers[0]++; /* not reached */
}

static void cuts_chain(struct fake *g, uint32_t arg)
{
    uint32_t pid = fake_alloc(g, 4);
    (void)arg;
    struct both both = with_dirs(g, 0, 0);
    both.more.flags |= CAPFUL_MORE_TIED;
    EQ(fake_call(g, SYS_proc_spawn, fake_data(g, &both, sizeof both), pid), 0);
    while (!process_find(g->process->kernel, 12))
        fake_call(g, SYS_sched_yield);
    answers[0] = 0;
    EQ(fake_call(g, SYS_proc_kill, fake_u32(g, pid), 9), 0);
    EQ(g->process->kernel->live, 1);
    EQ(fake_wait(g, -1, 0, NULL), (int32_t)fake_u32(g, pid));
    EQ(g->process->kernel->zombies, 0);
}

TEST(spawn_ends_those_who_are_tied)
{
    run_with(cuts_chain, chain);
    EQ(answers[0], 0);
}
