/* What the first program of a run gets and gives: its source, the run's value, the run's error.
 * Nobody else may. */
#include "base/json.h"
#include "syscall/calls.h"

static int get_io(struct process *process, struct run_io **ret)
{
    struct run_io *io = syscall_context(process)->io;
    if (process != process->kernel->init)
        return ERRNO_PERM;
    if (!io)
        return ERRNO_NOTSUP;
    *ret = io;
    return 0;
}

/* The length is told even where the buffer is too small (RANGE). */
int sys_run_source(struct process *process, const uint64_t *args)
{
    struct run_io *io;
    int result = get_io(process, &io);
    if (result != 0)
        return result;
    if (io->source_len > UINT32_MAX)
        return ERRNO_OVERFLOW;
    if (!gmem_put32(process, gptr(args[2]), (uint32_t)io->source_len))
        return ERRNO_FAULT;
    if (io->source_len > (uint32_t)args[1])
        return ERRNO_RANGE;
    return gmem_copy_out(process, gptr(args[0]), (struct str){io->source, io->source_len});
}

#define VALUE_DEPTH 100 /* levels of JSON, as for tools */

/* A text given again replaces the one before. It is counted for the process that gives it. */
static int take_text(struct process *process, const uint64_t *args, struct buf *to, bool *has)
{
    uint32_t len = (uint32_t)args[1];
    if (!gmem_span(process, gptr(args[0]), len))
        return ERRNO_FAULT;
    if (len > to->ceiling) {
        kernel_stop_limit(process->kernel, "result", "the run's value is larger than %llu bytes",
                          (unsigned long long)to->ceiling);
        return SYS_EXIT;
    }
    if (!process_charge(process, len))
        return SYS_EXIT;
    buf_clear(to);
    *has = false;
    int result = gmem_append(process, to, gptr(args[0]), len);
    *has = result == 0;
    return result;
}

int sys_run_value(struct process *process, const uint64_t *args)
{
    struct run_io *io;
    int result = get_io(process, &io);
    if (result == 0)
        result = take_text(process, args, &io->value, &io->has_value);
    /* It becomes a part of the result object: any program can call this, and must not write the
     * rest of that, too. */
    if (result == 0 && !json_check(buf_str(&io->value), JSON_STRICT, VALUE_DEPTH, NULL, NULL)) {
        io->has_value = false;
        result = ERRNO_INVAL;
    }
    return result;
}

int sys_run_error(struct process *process, const uint64_t *args)
{
    struct run_io *io;
    int result = get_io(process, &io);
    return result != 0 ? result : take_text(process, args, &io->error, &io->has_error);
}
