/* A process: one instance of a guest program with its descriptors, its place in the family, and the
 * one system call that it may be waiting in. */
#ifndef CAPFUL_KERNEL_PROCESS_H
#define CAPFUL_KERNEL_PROCESS_H

#include "kernel/fdtab.h"
#include "kernel/wait.h"

struct kernel;
struct process;
struct image; /* a guest program, known to the engine */

/* Guest memory as the current system call sees it. Only src/syscall/gmem.h reads it. */
struct guest_memory {
    uint8_t *base;
    uint64_t size;
};

#define SYS_PARK                                                                                   \
    (-1) /* has to wait: registered with wait_add or wait_until, or process_defer was called */
#define SYS_EXIT     (-2) /* the process ends: exit_code is set */
#define SYS_MAX_ARGS 9

/* One system call: answers an errno, SYS_PARK or SYS_EXIT. May be made again after a wait (see
 * wait.h). */
typedef int (*sys_fn)(struct process *process, const uint64_t *args);

enum request_state { REQUEST_NONE, REQUEST_PENDING, REQUEST_ANSWERED };

struct request {
    enum request_state state;
    sys_fn call;
    uint64_t args[SYS_MAX_ARGS];
    int result;
    /* For the call's own use between tries; zero on the first. */
    uint64_t deadline; /* absolute, once computed */
    uint64_t progress; /* bytes already written, … */
    void *scratch;
    void (*scratch_free)(void *scratch);
};

/* What a process sees of the file tree; src/vfs/view.c says how. Counted. */
struct view {
    uint32_t refs;
    void (*free)(struct view *view); /* the last reference is gone */
};
static inline struct view *view_ref(struct view *view)
{
    if (view)
        view->refs++;
    return view;
}
void view_unref(struct view *view); /* NULL is fine */

enum process_state { PROCESS_RUNNABLE, PROCESS_WAITING, PROCESS_RUNNING, PROCESS_ZOMBIE };

struct process {
    struct kernel *kernel;
    int32_t pid, group;
    enum process_state state;
    struct process *parent;   /* NULL: the first, or an orphan; an orphan is freed when it ends */
    struct process *children; /* living ones, the youngest first */
    struct process *dead_first, *dead_last;      /* zombies, in the order in which they ended */
    struct process *sibling_next, *sibling_prev; /* in one of those two lists of the parent */
    struct process *run_next, *run_prev;         /* in the run queue */
    bool queued;                                 /* it is there */
    bool woken;         /* something it waits for fired before it was put to sleep */
    bool deferred;      /* process_defer: try the call again without leaving the turn */
    bool doomed;        /* killed by its own system call: ends when that returns */
    bool started;       /* it was in the run queue once */
    uint32_t exit_code; /* once a zombie: 128 + signal if killed */
    char trap[160];     /* "" unless it trapped */
    bool tied;          /* ends with its parent; what it starts is tied, too */
    bool confined;      /* was handed less than its parent had: signals its own kin only */
    bool own_abi;       /* one of our guests: CAPFUL_AT_CWD and the "capful" module */

    struct image *image;
    void *engine;               /* the engine's part */
    struct guest_memory memory; /* set by the engine before each system call and each retry */
    uint64_t memory_charged;    /* bytes counted for it; given back when it ends */

    struct fdtab fds;
    struct file *cwd;      /* a directory */
    struct view *view;     /* NULL: the whole tree */
    char *cwd_path;        /* its absolute path at the time of chdir */
    struct buf argv, envp; /* NUL-terminated strings laid end to end */
    uint32_t argc, envc;
    struct buf source;   /* the program text that its parent gave it, until it has fetched that */
    struct file *report; /* where its value and error go: its parent reads the other end */
    void *tools;         /* what src/tool keeps for it */

    struct request request;
    struct waiter waiters[2], *waiting; /* inline room; list of all that are queued */
    uint64_t timer;                     /* 0 none */
    uint32_t timer_slot;                /* position in the kernel's heap, from 1 */
    struct wait_queue child_exited;
};

/* Makes the driver try the pending call again at once, but on the host's own stack instead of the
 * fiber's: for calls that create, copy or kill processes, and for all that calls the host. */
int process_defer(struct process *process); /* always SYS_PARK */
/* Lets the others have their turn first; the call is made again when this process's comes. */
int process_yield(struct process *process); /* always SYS_PARK */
/* It leaves what it waits for and becomes runnable. */
void process_wake(struct process *process);
/* Counts memory that the host holds for it: false at the limit, the run stops then. */
bool process_charge(struct process *process, uint64_t bytes);

/* A process without parent or the child of one, not yet runnable: the caller fills in argv, fds,
 * cwd, and then calls process_start, or process_discard. Group, cwd, view and tools come from the
 * parent. Errno: NOMEM, AGAIN at the limit of processes (which stops the run). */
int process_new(struct kernel *kernel, struct process *parent, struct image *image,
                struct process **ret);
/* engine->create, then the run queue. May be tried again after AGAIN (no slot). */
int process_start(struct process *process);
/* The same for a copy of its parent that goes on at fn(arg). */
int process_start_clone(struct process *process, uint32_t fn, uint32_t arg);
void process_discard(struct process *process); /* one that never started */
/* On the driver's stack only. Frees everything of it but its exit code, and ends the children that
 * are tied to it, and theirs; the caller of the current
 * system call ends when that returns. Nothing happens to one that is dead. */
void process_kill(struct process *process, uint32_t exit_code);
struct process *process_find(struct kernel *kernel, int32_t pid); /* NULL; also finds zombies */

/* A child that ended, by `which`: > 0 that pid, -1 any, 0 the caller's own group, < -1 group
 * -which. Frees it. CHILD when there is none that could ever answer, AGAIN when it still lives
 * (wait on child_exited). */
int process_reap(struct process *parent, int32_t which, int32_t *ret_pid, uint32_t *ret_status);
/* Sends a signal to one process (pid > 0), the caller's group (0), everyone but the first and the
 * caller (-1), or group -pid. There are no handlers: 1 to 15 (HUP … TERM) end a process, 0 only
 * looks, CHLD, CONT, URG and WINCH (16, 17, 22, 27 in WASI's numbers) do nothing. A confined sender
 * finds itself and its descendants only. On the driver's stack. Errno: INVAL, SRCH. */
int process_signal(struct process *sender, int32_t pid, int signal_number);
/* Moves `process` (the caller or its child) into a group. Errno: SRCH, PERM, INVAL. */
int process_set_group(struct process *caller, int32_t pid, int32_t group);

#endif
