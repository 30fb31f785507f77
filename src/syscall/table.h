/* The table of system calls, made from abi/syscalls.def, and the one door through which guests make
 * them. */
#ifndef CAPFUL_SYSCALL_TABLE_H
#define CAPFUL_SYSCALL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/process.h"

enum syscall_kind {
    SYSCALL_NOW,  /* answers at once */
    SYSCALL_PARKS /* may answer SYS_PARK */
};

enum { /* SYS_fd_read, … : positions in the table */
#define SYSCALL(name, params, kind, rights) SYS_##name,
#include "abi/syscalls.def"
#undef SYSCALL
       SYSCALL_COUNT
};

struct syscall {
    const char *name;
    const char *params; /* 'i' 32 bits, 'I' 64 bits, at most SYS_MAX_ARGS */
    enum syscall_kind kind;
    bool wasi;       /* also in the module wasi_snapshot_preview1 */
    int number;      /* SYS_… */
    uint64_t rights; /* of the descriptor in the first parameter; 0: nothing is looked at */
    sys_fn fn;
};

extern const struct syscall syscalls[];
extern const size_t syscall_count;

/* Makes one call for `process`, which has none pending. Answers what the call answered; with
 * SYS_PARK the request is stored in the process. Once the run has to stop every call answers
 * SYS_EXIT. */
int syscall_invoke(const struct syscall *call, struct process *process, const uint64_t *args);

/* proc_exit: sets the exit code; the engine then ends the process. Only the low 8 bits count, as
 * for waitpid. */
int syscall_exit(struct process *process, uint32_t code);

#endif
