/* One wasmtime engine for the whole process, made at the first run. */
#include "engine/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_INSTANCES 256u
#define MAX_INSTANCES     16000u
#define MANY_SLOTS        4096u /* below, nobody looks at the limit of mappings */
#define MAPPINGS_OF_SLOT  6u
#define MAPPINGS_OF_HOST  2000u
#define RESERVATION       (UINT64_C(4) << 30)
#define WASM_STACK        (36u << 20)
#define ASYNC_STACK       (40u << 20)
/* What stays resident in a slot between processes. More memory would make every later run in that
 * slot pay for one that was large. */
#define STACK_KEPT        (32u << 10)
#define MEMORY_KEPT       (512u << 10)
#define TABLE_KEPT        (64u << 10)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t slot_freed = PTHREAD_COND_INITIALIZER;
static struct capful_engine_options options;
static _Atomic(wasm_engine_t *) engine;
static bool fast;
static _Atomic uint32_t slots_used;
static uint32_t slots;
static _Atomic uint32_t waiting;
static _Atomic uint64_t memory_used; /* by guests of the whole process */

static bool memfd_works(void)
{
    int fd = memfd_create("capful-probe", MFD_CLOEXEC);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* The kernel bounds the number of mappings of a process. A live slot has six, and the pool makes
 * the two of each stack at once, so slots that could never be used would take mappings from those
 * that are. */
static uint32_t slots_that_map(uint32_t wanted)
{
    if (wanted < MANY_SLOTS)
        return wanted;
    char text[32];
    unsigned long max = 0;
    FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
    // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection): the kernel answers at once
    if (file && fgets(text, sizeof text, file))
        max = strtoul(text, NULL, 10);
    if (file)
        fclose(file);
    if (max <= MAPPINGS_OF_HOST)
        return wanted;
    unsigned long room = (max - MAPPINGS_OF_HOST) / MAPPINGS_OF_SLOT;
    return room < wanted ? (uint32_t)room : wanted;
}

/* A pool of this many reservations must fit into the address space; fewer slots are better than
 * slower code. */
static uint32_t slots_that_fit(uint32_t wanted)
{
    wanted = slots_that_map(wanted);
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return wanted;
    uint64_t each = RESERVATION + (32u << 20) + ASYNC_STACK;
    uint64_t room = limit.rlim_cur / 2 / each;
    return room < wanted ? (uint32_t)room : wanted;
}

/* A dirty page that was swapped out must be reset too. Our patch of the engine asks the kernel for
 * such pages; where the kernel cannot tell, every page is reset the slow way. */
static wasm_engine_t *make(bool want_fast, uint32_t count, char *text, size_t size)
{
    struct rt_engine_options o;
    memset(&o, 0, sizeof o);
    o.kind = want_fast ? RT_KIND_FAST : RT_KIND_PLAIN;
    o.async_stack_size = ASYNC_STACK;
    o.max_wasm_stack = WASM_STACK;
    if (want_fast) {
        o.total_instances = o.total_memories = o.total_stacks = count;
        o.total_tables = count;
        o.max_memory_bytes = RESERVATION;
        o.table_elements = 20000;
        o.linear_memory_keep_resident = MEMORY_KEPT;
        o.table_keep_resident = TABLE_KEPT;
        o.async_stack_keep_resident = STACK_KEPT;
        o.async_stack_zeroing = true;
        o.decommit_batch_size = 1;
        o.max_unused_warm_slots = count < 100 ? count : 100;
        o.pagemap_scan = rt_pagemap_scan_available();
    }
    return rt_engine_new(&o, text, size);
}

static void fork_child(void)
{
    pthread_mutex_t new_mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t new_cond = PTHREAD_COND_INITIALIZER;
    mutex = new_mutex;
    slot_freed = new_cond;
    dirty_fork_child();
    warm_fork_child();
    ticker_fork_child();
}

static int start_locked(struct capful_error *err)
{
    static bool fork_handler;
    char text[256] = "";
    uint32_t wanted = options.max_instances ? options.max_instances : DEFAULT_INSTANCES;
    if (wanted > MAX_INSTANCES)
        wanted = MAX_INSTANCES;
    wasm_engine_t *made = NULL;
    uint32_t count = options.plain || !memfd_works() ? 0 : slots_that_fit(wanted);
    if (count > 0)
        made = make(true, count, text, sizeof text);
    fast = made != NULL;
    if (!made) {
        count = wanted;
        made = make(false, count, text, sizeof text);
    }
    if (!made)
        return err_set(err, CAPFUL_EENGINE, "the WebAssembly engine cannot start: %s", text);
    slots = count;
    if (fast)
        signals_installed();
    if (!fork_handler)
        pthread_atfork(warm_fork_prepare, warm_fork_parent, fork_child);
    fork_handler = true;
    atomic_store_explicit(&engine, made, memory_order_release);
    return 0;
}

int engine_configure(const struct capful_engine_options *wanted, struct capful_error *err)
{
    int result = 0;
    pthread_mutex_lock(&mutex);
    if (atomic_load(&engine))
        result = err_set(err, CAPFUL_ESTATE,
                         "the engine runs already: configure it before the first run");
    else if (wanted->max_instances > MAX_INSTANCES)
        result = err_set(err, CAPFUL_EINVAL, "max_instances may be at most %u", MAX_INSTANCES);
    else
        options = *wanted;
    pthread_mutex_unlock(&mutex);
    return result;
}

int engine_start(struct capful_error *err)
{
    if (atomic_load_explicit(&engine, memory_order_acquire))
        return 0;
    pthread_mutex_lock(&mutex);
    int result = atomic_load(&engine) ? 0 : start_locked(err);
    pthread_mutex_unlock(&mutex);
    return result;
}

wasm_engine_t *engine_get(void)
{
    return atomic_load_explicit(&engine, memory_order_acquire);
}

bool engine_is_fast(void)
{
    return fast;
}

void engine_enter(void)
{
    if (fast)
        signals_ensure();
    ticker_enter(engine_get());
}

void engine_leave(void)
{
    ticker_leave();
}

void engine_kick(void)
{
    wasm_engine_t *e = engine_get();
    if (e)
        wasmtime_engine_increment_epoch(e);
}

uint32_t engine_slots(void)
{
    return slots;
}

bool engine_take_slot(void)
{
    uint32_t used = atomic_load(&slots_used);
    while (used < slots) {
        if (atomic_compare_exchange_weak(&slots_used, &used, used + 1))
            return true;
    }
    return false;
}

void engine_tell_waiters(void)
{
    if (atomic_load(&waiting)) {
        pthread_mutex_lock(&mutex);
        pthread_cond_broadcast(&slot_freed);
        pthread_mutex_unlock(&mutex);
    }
}

void engine_give_slot(void)
{
    atomic_fetch_sub(&slots_used, 1);
    engine_tell_waiters();
}

bool engine_take_memory(uint64_t bytes)
{
    if (options.max_memory == 0)
        return true;
    uint64_t used = atomic_fetch_add(&memory_used, bytes);
    if (used + bytes <= options.max_memory)
        return true;
    atomic_fetch_sub(&memory_used, bytes);
    return false;
}

void engine_give_memory(uint64_t bytes)
{
    if (options.max_memory == 0 || bytes == 0)
        return;
    atomic_fetch_sub(&memory_used, bytes);
    engine_tell_waiters();
}

bool engine_wait_slot(uint64_t timeout_ns)
{
    if (!options.wait_for_slot)
        return false;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t at = (uint64_t)until.tv_nsec + timeout_ns;
    until.tv_sec += (time_t)(at / CAPFUL_SECOND);
    until.tv_nsec = (long)(at % CAPFUL_SECOND);
    atomic_fetch_add(&waiting, 1);
    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&slot_freed, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    atomic_fetch_sub(&waiting, 1);
    return true;
}

void take_error(wasmtime_error_t *error, char *text, size_t size)
{
    wasm_byte_vec_t message;
    wasmtime_error_message(error, &message);
    snprintf(text, size, "%.*s", (int)(message.size < size ? message.size : size - 1),
             message.data);
    wasm_byte_vec_delete(&message);
    wasmtime_error_delete(error);
}

/* Names as people know them; wasmtime's own text has a backtrace below it. */
static const char *trap_name(wasmtime_trap_code_t code)
{
    switch (code) {
    case WASMTIME_TRAP_CODE_STACK_OVERFLOW: return "stack overflow";
    case WASMTIME_TRAP_CODE_MEMORY_OUT_OF_BOUNDS: return "out of bounds memory access";
    case WASMTIME_TRAP_CODE_TABLE_OUT_OF_BOUNDS: return "out of bounds table access";
    case WASMTIME_TRAP_CODE_INDIRECT_CALL_TO_NULL: return "indirect call to null";
    case WASMTIME_TRAP_CODE_BAD_SIGNATURE:
        return "indirect call of a function with another signature";
    case WASMTIME_TRAP_CODE_INTEGER_OVERFLOW: return "integer overflow";
    case WASMTIME_TRAP_CODE_INTEGER_DIVISION_BY_ZERO: return "integer divide by zero";
    case WASMTIME_TRAP_CODE_BAD_CONVERSION_TO_INTEGER: return "invalid conversion to integer";
    case WASMTIME_TRAP_CODE_UNREACHABLE_CODE_REACHED: return "unreachable code reached";
    default: return NULL;
    }
}

void take_trap(wasm_trap_t *trap, char *text, size_t size)
{
    wasmtime_trap_code_t code;
    const char *name = wasmtime_trap_code(trap, &code) ? trap_name(code) : NULL;
    if (name) {
        snprintf(text, size, "%s", name);
    } else {
        wasm_byte_vec_t message;
        wasm_trap_message(trap, &message);
        size_t len = message.size;
        while (len > 0 && message.data[len - 1] == 0)
            len--;
        snprintf(text, size, "%.*s", (int)(len < size ? len : size - 1), message.data);
        wasm_byte_vec_delete(&message);
    }
    wasm_trap_delete(trap);
}
