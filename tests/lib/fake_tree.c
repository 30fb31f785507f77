/* The rig of fake_tree.h. */
#include "fake_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "syscall/calls.h"

/* Without tap.h: fuzzers use the rig too. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

uint32_t tree_memory = 8u << 20;

static void give_fd(struct process *process, uint32_t number, struct file *file,
                    const char *preopen)
{
    uint64_t all = CAPFUL_RIGHTS_ALL;
    MUST(fdtab_place(&process->fds, number, file, rights_of_file(file), preopen ? all : 0) == 0);
    if (preopen)
        fdtab_get(&process->fds, number)->preopen = mem_strdup(preopen);
}

static void give_files(struct fake_tree *tree)
{
    struct process *process = tree->process;
    struct vfs *vfs = tree->box.context.vfs;
    struct file *file;
    MUST(vfs_open_directory(vfs, STR("/workspace"), &process->cwd) == 0);
    process->cwd_path = mem_strdup("/workspace");
    for (uint32_t fd = 0; fd < 3; fd++) {
        struct vfs_at at = {.dir = process->cwd};
        MUST(vfs_open(vfs, at, STR("/dev/null"), 0, 0, true, true, &file) == 0);
        give_fd(process, fd, file, NULL);
    }
    MUST(vfs_open_directory(vfs, STR("/workspace"), &file) == 0);
    give_fd(process, 3, file, "/workspace");
}

void tree_init(struct fake_tree *tree, fake_fn entry, bool own, struct toolset *tools)
{
    struct kernel *kernel = &tree->box.kernel;
    memset(tree, 0, sizeof *tree);
    fake_box_init(&tree->box);
    MUST(vfs_new(kernel, &tree->box.context.vfs) == 0);
    MUST(tool_host_new(tools, kernel, NULL, &tree->box.context.tools) == 0);
    toolset_unref(tools);
    kernel->hooks =
        (struct kernel_hooks){tool_process_inherit, tool_process_exited, tree->box.context.tools};
    tool_begin(tree->box.context.tools, NULL, NULL);
    tree->box.kernel.clock = CLOCK_FIXED;
    tree->box.kernel.clock_real = TREE_TIME;
    kernel_seed(&tree->box.kernel, 1);
    tree->image =
        (struct image){.name = "tree", .own = own, .memory = tree_memory, .functions = {entry}};
    MUST(process_new(&tree->box.kernel, NULL, &tree->image, &tree->process) == 0);
    give_files(tree);
    MUST(process_start(tree->process) == 0);
}

void tree_release(struct fake_tree *tree)
{
    kernel_end(&tree->box.kernel);
    tool_end(tree->box.context.tools);
    tool_host_free(tree->box.context.tools);
    vfs_free(tree->box.context.vfs);
    MUST(tree->box.kernel.memory_used == 0);
    fake_box_release(&tree->box);
}

enum sched_state tree_drive(struct fake_tree *tree)
{
    struct tool_host *tools = tree->box.context.tools;
    for (;;) {
        enum sched_state state = fake_box_run(&tree->box);
        bool progress = tool_dispatch(tools, clock_monotonic());
        progress |= tool_collect(tools);
        if (state != KERNEL_IDLE || !progress)
            return state;
    }
}

void tree_run(fake_fn entry, bool own)
{
    struct fake_tree tree;
    tree_init(&tree, entry, own, NULL);
    MUST(tree_drive(&tree) == KERNEL_DONE);
    MUST(fake_box_exit_code(&tree.box) == 0);
    MUST(tree.box.kernel.init->trap[0] == 0);
    tree_release(&tree);
}
