/* What system calls reach beyond the kernel: kernel->context points to this. */
#ifndef CAPFUL_SYSCALL_CONTEXT_H
#define CAPFUL_SYSCALL_CONTEXT_H

#include "base/str.h"
#include "kernel/kernel.h"
#include "syscall/run_io.h"

struct vfs;
struct tool_host;

struct syscall_context {
    struct vfs *vfs;
    struct run_io *io;
    struct tool_host *tools;
    /* A program that proc_spawn may start, NULL if there is none of that name. */
    struct image *(*find_image)(void *owner, struct str name);
    void *owner; /* handed to find_image */
};

static inline struct syscall_context *syscall_context(const struct process *process)
{
    return process->kernel->context;
}

#endif
