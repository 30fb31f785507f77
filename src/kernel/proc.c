/* Processes: birth, death, families, groups and signals.
 *
 *   process_new -> process_start ......... running ......... end -> zombie -> process_reap by its
 * parent
 *        \-> process_discard                                  \-> freed at once: an orphan
 *
 * When a process ends its living children become orphans, but for those tied to it, which end
 * first, and its zombies are freed. The first process stays a zombie until kernel_end, so that its
 * exit code can be read; with it the run ends.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "kernel/kernel.h"

/* What the host holds for a living process besides its memory, and for a zombie: counted flat. */
#define LIVE_COST   (16u << 10)
#define ZOMBIE_COST sizeof(struct process)
#define ZOMBIES_MAX 4096u /* beyond the limit of processes */
#define LIVE_MAX    1000000u
#define FDS_MAX     (1u << 20)

void view_unref(struct view *view)
{
    if (view && --view->refs == 0)
        view->free(view);
}

static struct process **slot_of(const struct kernel *kernel, int32_t pid)
{
    return &kernel->table[(uint32_t)pid & (kernel->table_alloc - 1)];
}

struct process *process_find(struct kernel *kernel, int32_t pid)
{
    if (pid <= 0 || kernel->table_alloc == 0)
        return NULL;
    struct process *process = *slot_of(kernel, pid);
    return process && process->pid == pid ? process : NULL;
}

/* At most half of the table is used; pids that differ in the small table differ in the large one.
 */
static int make_room(struct kernel *kernel)
{
    uint32_t count = kernel->live + kernel->zombies + 1;
    if (count > kernel->timer_alloc) {
        uint32_t alloc = kernel->timer_alloc ? kernel->timer_alloc * 2 : 16;
        struct process **timers = mem_resize_array(kernel->timers, alloc, sizeof *timers);
        if (!timers)
            return ERRNO_NOMEM;
        kernel->timers = timers;
        kernel->timer_alloc = alloc;
    }
    if ((uint64_t)count * 2 <= kernel->table_alloc)
        return 0;
    uint32_t old_alloc = kernel->table_alloc, alloc = old_alloc ? old_alloc * 2 : 32;
    struct process **old = kernel->table, **table = mem_array(alloc, sizeof *table);
    if (!table)
        return ERRNO_NOMEM;
    kernel->table = table;
    kernel->table_alloc = alloc;
    for (uint32_t i = 0; i < old_alloc; i++) {
        if (old[i])
            *slot_of(kernel, old[i]->pid) = old[i];
    }
    mem_free(old);
    return 0;
}

static bool may_have_another(struct kernel *kernel)
{
    uint64_t limit = kernel->limits.processes < LIVE_MAX ? kernel->limits.processes : LIVE_MAX;
    if (kernel->live >= limit) {
        kernel_stop_limit(kernel, "processes", "more than %llu processes at a time",
                          (unsigned long long)limit);
        return false;
    }
    if (kernel->zombies >= limit + ZOMBIES_MAX) {
        kernel_stop_limit(kernel, "processes", "%u processes have ended and nobody waited for them",
                          kernel->zombies);
        return false;
    }
    if (kernel->last_pid >= INT32_MAX - (int32_t)kernel->table_alloc) {
        kernel_stop_limit(kernel, "processes", "no process numbers are left");
        return false;
    }
    return true;
}

static void link_child(struct process *child)
{
    struct process *parent = child->parent;
    child->sibling_prev = NULL;
    child->sibling_next = parent->children;
    if (parent->children)
        parent->children->sibling_prev = child;
    parent->children = child;
}

static void unlink_child(struct process *parent, struct process *child)
{
    bool dead = child->state == PROCESS_ZOMBIE;
    if (child->sibling_prev)
        child->sibling_prev->sibling_next = child->sibling_next;
    else if (dead)
        parent->dead_first = child->sibling_next;
    else
        parent->children = child->sibling_next;
    if (child->sibling_next)
        child->sibling_next->sibling_prev = child->sibling_prev;
    else if (dead)
        parent->dead_last = child->sibling_prev;
    child->sibling_next = child->sibling_prev = NULL;
}

static int copy_from_parent(struct process *process, struct process *parent)
{
    process->group = parent->group;
    process->confined = parent->confined;
    process->tied = parent->tied; /* it leaves nobody behind */
    process->view = view_ref(parent->view);
    if (parent->cwd)
        process->cwd = file_ref(parent->cwd);
    if (parent->cwd_path && !(process->cwd_path = mem_strdup(parent->cwd_path)))
        return ERRNO_NOMEM;
    return 0;
}

/* Everything of it but the structure itself. */
static void release_parts(struct process *process)
{
    struct kernel *kernel = process->kernel;
    wait_leave(process);
    kernel_dequeue(kernel, process);
    kernel_forget_request(process);
    process->request.state = REQUEST_NONE;
    if (process->engine)
        kernel->engine->destroy(process);
    if (kernel->hooks.exited)
        kernel->hooks.exited(process);
    process->tools = NULL;
    fdtab_release(&process->fds);
    file_unref(TAKE(process->cwd));
    mem_free(TAKE(process->cwd_path));
    view_unref(TAKE(process->view));
    file_unref(TAKE(process->report));
    buf_release(&process->source);
    buf_release(&process->argv);
    buf_release(&process->envp);
    process->argc = process->envc = 0;
    kernel_discharge(kernel, process->memory_charged);
    process->memory_charged = 0;
}

/* Out of the table and gone; its parts are released. */
static void free_process(struct process *process)
{
    struct kernel *kernel = process->kernel;
    *slot_of(kernel, process->pid) = NULL;
    if (process->state == PROCESS_ZOMBIE)
        kernel->zombies--;
    else
        kernel->live--;
    kernel_discharge(kernel, process->memory_charged);
    if (kernel->init == process)
        kernel->init = NULL;
    if (kernel->current == process)
        kernel->current = NULL;
    mem_free(process);
}

int process_new(struct kernel *kernel, struct process *parent, struct image *image,
                struct process **ret)
{
    if (!may_have_another(kernel))
        return ERRNO_AGAIN;
    int result = make_room(kernel);
    if (result != 0)
        return result;
    struct process *process = mem_zalloc(sizeof *process);
    if (!process)
        return ERRNO_NOMEM;
    process->kernel = kernel;
    process->state = PROCESS_WAITING;
    process->image = image;
    if (!process_charge(process, LIVE_COST)) {
        mem_free(process);
        return ERRNO_NOMEM;
    }
    do
        kernel->last_pid++;
    while (*slot_of(kernel, kernel->last_pid));
    process->pid = process->group = kernel->last_pid;
    *slot_of(kernel, process->pid) = process;
    kernel->live++;
    uint64_t fds = kernel->limits.fds < FDS_MAX ? kernel->limits.fds : FDS_MAX;
    fdtab_init(&process->fds, (uint32_t)fds);
    buf_init(&process->argv, SIZE_MAX);
    buf_init(&process->envp, SIZE_MAX);
    buf_init(&process->source, SIZE_MAX);
    if (parent) {
        process->parent = parent;
        link_child(process);
        result = copy_from_parent(process, parent);
    } else if (!kernel->init) {
        kernel->init = process;
    }
    if (result == 0 && kernel->hooks.inherit)
        result = kernel->hooks.inherit(parent, process);
    if (result != 0) {
        process_discard(process);
        return result;
    }
    *ret = process;
    return 0;
}

void process_discard(struct process *process)
{
    if (process->state != PROCESS_ZOMBIE)
        release_parts(process);
    if (process->parent)
        unlink_child(process->parent, process);
    free_process(process);
}

static int started(struct process *process, int result)
{
    if (result != 0)
        return result;
    process->started = true;
    process->state = PROCESS_RUNNABLE;
    process->kernel->processes_started++;
    kernel_enqueue(process->kernel, process);
    return 0;
}

int process_start(struct process *process)
{
    return started(process, process->kernel->engine->create(process));
}

int process_start_clone(struct process *process, uint32_t fn, uint32_t arg)
{
    return started(process, process->kernel->engine->clone(process->parent, process, fn, arg));
}

static void leave_family(struct process *process)
{
    while (process->children) {
        struct process *child = process->children;
        unlink_child(process, child);
        child->parent = NULL;
    }
    while (process->dead_first) {
        struct process *child = process->dead_first;
        unlink_child(process, child);
        free_process(child);
    }
}

static void end_one(struct process *process, uint32_t exit_code)
{
    struct kernel *kernel = process->kernel;
    struct process *parent = process->parent;
    release_parts(process);
    leave_family(process);
    process->exit_code = exit_code;
    if (!parent && process != kernel->init) {
        free_process(process);
        return;
    }
    if (parent)
        unlink_child(parent, process);
    process->state = PROCESS_ZOMBIE;
    kernel->live--;
    kernel->zombies++;
    /* What a zombie costs is counted without asking: its death has just given back more. */
    kernel->memory_used += ZOMBIE_COST;
    process->memory_charged = ZOMBIE_COST;
    if (!parent)
        return;
    process->sibling_prev = parent->dead_last;
    if (parent->dead_last)
        parent->dead_last->sibling_next = process;
    else
        parent->dead_first = process;
    parent->dead_last = process;
    wait_wake(&parent->child_exited);
}

static struct process *tied_child(const struct process *process)
{
    struct process *child = process->children;
    while (child && (!child->tied || child->doomed))
        child = child->sibling_next;
    return child;
}

/* Those tied to it go first, the deepest before the others, in a loop. */
void kernel_end_process(struct process *process, uint32_t exit_code)
{
    struct process *at = process;
    for (;;) {
        struct process *child = tied_child(at);
        if (child && child == process->kernel->current) { /* ends when its own call returns */
            child->doomed = true;
            child->exit_code = 128 + CAPFUL_SIGKILL;
        } else if (child) {
            at = child;
        } else if (at == process) {
            break;
        } else {
            struct process *up = at->parent;
            end_one(at, 128 + CAPFUL_SIGKILL);
            at = up;
        }
    }
    end_one(process, exit_code);
}

void kernel_end_others(struct kernel *kernel)
{
    for (uint32_t i = 0; i < kernel->table_alloc; i++) {
        struct process *process = kernel->table[i];
        if (process && process != kernel->init && process->state != PROCESS_ZOMBIE)
            kernel_end_process(process, 128 + CAPFUL_SIGKILL);
    }
}

void process_kill(struct process *process, uint32_t exit_code)
{
    if (process->state == PROCESS_ZOMBIE || process->doomed)
        return;
    if (process == process->kernel->current) {
        process->doomed = true; /* its own call is being made: kernel_run ends it afterwards */
        process->exit_code = exit_code;
        return;
    }
    kernel_end_process(process, exit_code);
}

bool process_charge(struct process *process, uint64_t bytes)
{
    if (!kernel_charge(process->kernel, bytes))
        return false;
    process->memory_charged += bytes;
    return true;
}

static bool is_meant(const struct process *parent, int32_t which, const struct process *child)
{
    if (which > 0)
        return child->pid == which;
    if (which == -1)
        return true;
    return child->group == (which == 0 ? parent->group : -which);
}

int process_reap(struct process *parent, int32_t which, int32_t *ret_pid, uint32_t *ret_status)
{
    if (which == INT32_MIN)
        return ERRNO_CHILD;
    struct process *child;
    if (which > 0) {
        child = process_find(parent->kernel, which);
        if (!child || child->parent != parent)
            return ERRNO_CHILD;
        if (child->state != PROCESS_ZOMBIE)
            return ERRNO_AGAIN;
    } else {
        for (child = parent->dead_first; child && !is_meant(parent, which, child);)
            child = child->sibling_next;
        if (!child) {
            for (child = parent->children; child && !is_meant(parent, which, child);)
                child = child->sibling_next;
            return child ? ERRNO_AGAIN : ERRNO_CHILD;
        }
    }
    *ret_pid = child->pid;
    *ret_status = child->exit_code;
    unlink_child(parent, child);
    free_process(child);
    return 0;
}

enum verdict { SIGNAL_UNKNOWN, SIGNAL_LOOKS, SIGNAL_KILLS };

static enum verdict verdict_on(int signal_number)
{
    if (signal_number >= 1 && signal_number <= 15)
        return SIGNAL_KILLS;
    switch (signal_number) {
    case 0:  /* asks whether it exists */
    case 16: /* CHLD, as WASI numbers it */
    case 17: /* CONT */
    case 22: /* URG */
    case 27: /* WINCH */ return SIGNAL_LOOKS;
    default: return SIGNAL_UNKNOWN;
    }
}

static bool may_reach(const struct process *sender, const struct process *target)
{
    if (!sender->confined)
        return true;
    while (target && target != sender)
        target = target->parent;
    return target != NULL;
}

static bool is_target(const struct process *sender, int32_t pid, const struct process *process)
{
    if (process->state == PROCESS_ZOMBIE || !may_reach(sender, process))
        return false;
    if (pid == -1)
        return process != sender && process != sender->kernel->init;
    return process->group == (pid == 0 ? sender->group : -pid);
}

int process_signal(struct process *sender, int32_t pid, int signal_number)
{
    struct kernel *kernel = sender->kernel;
    enum verdict verdict = verdict_on(signal_number);
    if (verdict == SIGNAL_UNKNOWN)
        return ERRNO_INVAL;
    if (pid > 0) {
        struct process *target = process_find(kernel, pid);
        if (!target || !may_reach(sender, target))
            return ERRNO_SRCH;
        if (verdict == SIGNAL_KILLS)
            process_kill(target, 128 + (uint32_t)signal_number);
        return 0;
    }
    bool any = false;
    for (uint32_t i = 0; pid != INT32_MIN && i < kernel->table_alloc; i++) {
        struct process *target = kernel->table[i];
        if (!target || !is_target(sender, pid, target))
            continue;
        any = true;
        if (verdict == SIGNAL_KILLS)
            process_kill(target, 128 + (uint32_t)signal_number);
    }
    return any ? 0 : ERRNO_SRCH;
}

int process_set_group(struct process *caller, int32_t pid, int32_t group)
{
    struct kernel *kernel = caller->kernel;
    struct process *process = pid == 0 ? caller : process_find(kernel, pid);
    if (pid < 0 || group < 0)
        return ERRNO_INVAL;
    if (!process || process->state == PROCESS_ZOMBIE ||
        (process != caller && process->parent != caller))
        return ERRNO_SRCH;
    if (group == 0)
        group = process->pid;
    bool known = group == process->pid;
    for (uint32_t i = 0; !known && i < kernel->table_alloc; i++)
        known = kernel->table[i] && kernel->table[i]->state != PROCESS_ZOMBIE &&
                kernel->table[i]->group == group;
    if (!known)
        return ERRNO_PERM;
    process->group = group;
    return 0;
}
