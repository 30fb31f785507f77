/* Clocks, random bytes, arguments and environment: what a program asks for when it starts. */
#include <string.h>

#include "syscall/calls.h"
#include "syscall/time.h"

#define PIECE (1u << 20)

uint64_t time_now(struct kernel *kernel, enum time_clock clock)
{
    switch (clock) {
    case TIME_REAL: return kernel_time_real(kernel);
    case TIME_MONOTONIC: return kernel_time_monotonic(kernel) + TIME_GUEST_START;
    default: return kernel_time_cpu(kernel);
    }
}

uint64_t time_deadline(struct kernel *kernel, enum time_clock clock, uint64_t when)
{
    uint64_t shown = time_now(kernel, clock), now = kernel_time_monotonic(kernel);
    if (when <= shown)
        return 0;
    return when - shown > UINT64_MAX - now ? UINT64_MAX : now + (when - shown);
}

int sys_clock_res_get(struct process *process, const uint64_t *args)
{
    if ((uint32_t)args[0] > TIME_THREAD_CPU)
        return ERRNO_INVAL;
    return gmem_put64(process, gptr(args[1]), (uint32_t)args[0] >= TIME_PROCESS_CPU ? 1000 : 1)
               ? 0
               : ERRNO_FAULT;
}

int sys_clock_time_get(struct process *process, const uint64_t *args)
{
    if ((uint32_t)args[0] > TIME_THREAD_CPU)
        return ERRNO_INVAL;
    uint64_t now = time_now(process->kernel, (enum time_clock)(uint32_t)args[0]);
    return gmem_put64(process, gptr(args[2]), now) ? 0 : ERRNO_FAULT;
}

int sys_random_get(struct process *process, const uint64_t *args)
{
    uint32_t len = (uint32_t)args[1];
    uint8_t *out = gmem_span(process, gptr(args[0]), len);
    if (!out)
        return ERRNO_FAULT;
    for (uint32_t done = 0; done < len;) {
        uint32_t n = len - done < PIECE ? len - done : PIECE;
        if (done > 0 && kernel_must_stop(process->kernel))
            return SYS_EXIT;
        int result = kernel_random(process->kernel, out + done, n);
        if (result != 0)
            return result;
        done += n;
    }
    return 0;
}

int sys_sched_yield(struct process *process, const uint64_t *args)
{
    (void)args;
    if (process->request.progress == 1 || !process->kernel->run_first)
        return 0;
    process->request.progress = 1;
    return process_yield(process);
}

/* ---- arguments and environment: strings laid end to end, and the addresses of their beginnings */

static int put_strings(struct process *process, const struct buf *strings, uint32_t count,
                       struct gptr list, struct gptr text)
{
    uint8_t *out = gmem_span(process, list, (uint64_t)count * 4);
    if (!out || !gmem_write(process, text, strings->data, strings->len))
        return ERRNO_FAULT;
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t address = text.at + at;
        memcpy(out + 4 * (size_t)i, &address, sizeof address);
        at += (uint32_t)strlen(strings->data + at) + 1;
    }
    return 0;
}

static int put_sizes(struct process *process, const struct buf *strings, uint32_t count,
                     struct gptr ret_count, struct gptr ret_len)
{
    if (!gmem_span(process, ret_count, 4) || !gmem_put32(process, ret_len, (uint32_t)strings->len))
        return ERRNO_FAULT;
    gmem_put32(process, ret_count, count);
    return 0;
}

int sys_args_get(struct process *process, const uint64_t *args)
{
    return put_strings(process, &process->argv, process->argc, gptr(args[0]), gptr(args[1]));
}

int sys_args_sizes_get(struct process *process, const uint64_t *args)
{
    return put_sizes(process, &process->argv, process->argc, gptr(args[0]), gptr(args[1]));
}

int sys_environ_get(struct process *process, const uint64_t *args)
{
    return put_strings(process, &process->envp, process->envc, gptr(args[0]), gptr(args[1]));
}

int sys_environ_sizes_get(struct process *process, const uint64_t *args)
{
    return put_sizes(process, &process->envp, process->envc, gptr(args[0]), gptr(args[1]));
}
