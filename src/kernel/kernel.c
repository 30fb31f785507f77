/* One sandbox's kernel as a whole: life, limits, clocks, random numbers, memory accounts. */
#include "kernel/kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "kernel/pipe.h"

int kernel_init(struct kernel *kernel, const struct engine_ops *engine,
                const struct kernel_hooks *hooks, const struct capful_limits *limits)
{
    if (!engine || !limits)
        return CAPFUL_EINVAL;
    memset(kernel, 0, sizeof *kernel);
    kernel->engine = engine;
    if (hooks)
        kernel->hooks = *hooks;
    kernel->limits = *limits;
    kernel_begin(kernel);
    return 0;
}

void kernel_release(struct kernel *kernel)
{
    kernel_end(kernel);
    mem_free(TAKE(kernel->table));
    mem_free(TAKE(kernel->timers));
    kernel->table_alloc = kernel->timer_alloc = 0;
}

void kernel_begin(struct kernel *kernel)
{
    kernel->last_pid = 0;
    kernel->asked = false;
    kernel->stop = STOP_NONE;
    kernel->stop_text[0] = 0;
    kernel->stop_signal = 0;
    atomic_store(&kernel->cancelled, 0);
    kernel->clock = CLOCK_REAL_TIME;
    kernel->clock_real = kernel->clock_mono = 0;
    kernel->random_seeded = false;
    kernel->memory_peak = kernel->memory_used;
    kernel->processes_started = 0;
    kernel->pipes_made = 0;
    kernel->wall_start = kernel->clock_origin = clock_monotonic();
    kernel->wall_paused = kernel->pause_start = 0;
    kernel->cpu_used = kernel->cpu_mark = kernel->cpu_shown = 0;
    kernel->drive_start = kernel->wall_start;
}

/* The first process goes last: with it the zombies that others left to it. */
void kernel_end(struct kernel *kernel)
{
    kernel_end_others(kernel);
    if (kernel->init) {
        if (kernel->init->state != PROCESS_ZOMBIE)
            kernel_end_process(kernel->init, 128 + CAPFUL_SIGKILL);
        process_discard(kernel->init);
    }
    pipe_drop_spares(kernel);
}

static void stop(struct kernel *kernel, enum stop_kind kind, const char *prefix, const char *format,
                 va_list args)
{
    if (kernel->stop != STOP_NONE)
        return;
    kernel->stop = kind;
    int n =
        snprintf(kernel->stop_text, sizeof kernel->stop_text, "%s%s", prefix, *prefix ? ": " : "");
    if (n >= 0 && (size_t)n < sizeof kernel->stop_text)
        vsnprintf(kernel->stop_text + n, sizeof kernel->stop_text - (size_t)n, format, args);
}

void kernel_stop_limit(struct kernel *kernel, const char *limit, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    stop(kernel, STOP_LIMIT, limit, format, args);
    va_end(args);
}

void kernel_stop_fault(struct kernel *kernel, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    stop(kernel, STOP_FAULT, "", format, args);
    va_end(args);
}

void kernel_cancel(struct kernel *kernel, int signal_number)
{
    int none = 0;
    atomic_compare_exchange_strong(&kernel->cancelled, &none, signal_number + 1);
}

bool kernel_charge(struct kernel *kernel, uint64_t bytes)
{
    uint64_t total;
    if (__builtin_add_overflow(kernel->memory_used, bytes, &total) ||
        total > kernel->limits.memory) {
        kernel_stop_limit(kernel, "memory", "the sandbox needed more than %llu MiB of memory",
                          (unsigned long long)(kernel->limits.memory / CAPFUL_MIB));
        return false;
    }
    kernel->memory_used = total;
    if (total > kernel->memory_peak)
        kernel->memory_peak = total;
    return true;
}

void kernel_discharge(struct kernel *kernel, uint64_t bytes)
{
    kernel->memory_used -= bytes < kernel->memory_used ? bytes : kernel->memory_used;
}

uint64_t kernel_time_monotonic(const struct kernel *kernel)
{
    return kernel->clock == CLOCK_FIXED ? kernel->clock_mono
                                        : clock_monotonic() - kernel->clock_origin;
}

uint64_t kernel_time_real(const struct kernel *kernel)
{
    return kernel->clock == CLOCK_FIXED ? kernel->clock_real : clock_real();
}

uint64_t kernel_time_cpu(struct kernel *kernel)
{
    uint64_t used = kernel->cpu_used;
    if (kernel->clock == CLOCK_FIXED)
        return kernel->clock_mono;
    if (kernel->driving)
        used += clock_monotonic() - kernel->drive_start;
    if (used > kernel->cpu_shown)
        kernel->cpu_shown = used;
    return kernel->cpu_shown;
}

void kernel_pause_wall(struct kernel *kernel, uint64_t now)
{
    if (kernel->pause_start == 0)
        kernel->pause_start = now;
}

void kernel_resume_wall(struct kernel *kernel, uint64_t now)
{
    if (kernel->pause_start == 0)
        return;
    kernel->wall_paused += now - kernel->pause_start;
    kernel->pause_start = 0;
}

/* The seed is spread by splitmix64, as the authors of xoshiro256** advise. */
void kernel_seed(struct kernel *kernel, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        kernel->random[i] = z ^ (z >> 31);
    }
    kernel->random_seeded = true;
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t next_random(uint64_t *s)
{
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

int kernel_random(struct kernel *kernel, void *buffer, size_t len)
{
    uint8_t *at = buffer;
    if (!kernel->random_seeded)
        return rand_bytes(buffer, len) ? 0 : ERRNO_IO;
    while (len > 0) {
        uint64_t value = next_random(kernel->random);
        uint8_t bytes[8];
        size_t n = len < 8 ? len : 8;
        for (int i = 0; i < 8; i++)
            bytes[i] = (uint8_t)(value >> (8 * i));
        memcpy(at, bytes, n);
        at += n;
        len -= n;
    }
    return 0;
}
