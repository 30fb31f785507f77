/* What a program gets and gives: its source, its value, its error. For the first of a run these are
 * the run's; for a child they come from its parent and go there, and a child that was given nothing
 * has nothing. */
#include "base/json.h"
#include "syscall/calls.h"

static bool is_first(const struct process *process)
{
    return process == process->kernel->init;
}

static int get_io(struct process *process, struct run_io **ret)
{
    struct run_io *io = syscall_context(process)->io;
    if (!is_first(process))
        return ERRNO_PERM;
    if (!io)
        return ERRNO_NOTSUP;
    *ret = io;
    return 0;
}

/* The length is told even where the buffer is too small (RANGE). */
static int tell_source(struct process *process, const uint64_t *args, struct str source)
{
    if (source.len > UINT32_MAX)
        return ERRNO_OVERFLOW;
    if (!gmem_put32(process, gptr(args[2]), (uint32_t)source.len))
        return ERRNO_FAULT;
    if (source.len > (uint32_t)args[1])
        return ERRNO_RANGE;
    return gmem_copy_out(process, gptr(args[0]), source);
}

/* A child has its own copy afterwards. */
static int give_up_source(struct process *process, const uint64_t *args)
{
    if (!process->source.data)
        return ERRNO_PERM;
    int result = tell_source(process, args, buf_str(&process->source));
    if (result == 0) {
        process->memory_charged -= process->source.len;
        kernel_discharge(process->kernel, process->source.len);
        buf_release(&process->source);
    }
    return result;
}

int sys_run_source(struct process *process, const uint64_t *args)
{
    struct run_io *io;
    if (!is_first(process))
        return give_up_source(process, args);
    int result = get_io(process, &io);
    return result != 0 ? result
                       : tell_source(process, args, (struct str){io->source, io->source_len});
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

/* ---- a child reports to its parent */

/* The structure, then the text; request->progress counts what is written. Nobody is told that the
 * parent does not read any more: it will not hear of this value. */
static int report(struct process *process, const uint64_t *args, uint32_t kind)
{
    uint32_t len = (uint32_t)args[1];
    struct capful_report head = {kind, len};
    const char *text = gmem_span(process, gptr(args[0]), len);
    uint64_t *done = &process->request.progress, total = sizeof head + (uint64_t)len;
    if (!process->report)
        return ERRNO_PERM;
    if (!text)
        return ERRNO_FAULT;
    if (len > process->kernel->limits.result)
        return ERRNO_2BIG;
    if (*done == 0 && !json_check((struct str){text, len}, JSON_STRICT, VALUE_DEPTH, NULL, NULL))
        return ERRNO_INVAL;
    while (*done < total) {
        bool in_head = *done < sizeof head;
        const char *from = in_head ? (const char *)&head + *done : text + (*done - sizeof head);
        size_t left = (size_t)((in_head ? sizeof head : total) - *done), n = 0;
        int result = file_write(process->report, from, left, &n);
        if (result == FILE_AGAIN)
            return sys_wait_for(process, process->report, READY_OUT);
        if (result != 0)
            return result == ERRNO_PIPE ? 0 : sys_vfs_result(result);
        *done += n;
    }
    return 0;
}

int sys_run_value(struct process *process, const uint64_t *args)
{
    struct run_io *io;
    if (!is_first(process))
        return report(process, args, CAPFUL_REPORT_VALUE);
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
    if (!is_first(process))
        return report(process, args, CAPFUL_REPORT_ERROR);
    int result = get_io(process, &io);
    return result != 0 ? result : take_text(process, args, &io->error, &io->has_error);
}
