/* A sandbox of the fake engine with the real file tree and tools: for tests of system calls. */
#ifndef CAPFUL_TESTS_FAKE_TREE_H
#define CAPFUL_TESTS_FAKE_TREE_H

#include "fake_engine.h"
#include "tool/tool.h"
#include "vfs/vfs.h"

#define TREE_TIME UINT64_C(1600000000000000000)

struct fake_tree {
    struct fake_box box;
    struct image image;
    struct process *process;
};

extern uint32_t tree_memory; /* bytes of guest memory: 8 MiB unless a test says otherwise */

/* One process with /dev/null as 0, 1 and 2, /workspace as 3 (a preopen), /workspace as working
 * directory, a clock that stands at TREE_TIME and the seed 1. Takes `tools`, which may be NULL. */
void tree_init(struct fake_tree *tree, fake_fn entry, bool own, struct toolset *tools);
void tree_release(struct fake_tree *tree); /* all that was charged must be given back */
/* Runs guests and tools until nothing goes on. */
enum sched_state tree_drive(struct fake_tree *tree);
/* All of it; the guest must return. */
void tree_run(fake_fn entry, bool own);

#endif
