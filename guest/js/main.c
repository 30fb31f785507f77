/* Start, event loop and end of a JavaScript program.
 *
 * init() runs once, when the image is made: runtime, context and the whole library are there
 * afterwards, so that a start costs nothing but the program itself. entry() runs in each process:
 *
 *     compile and run the program up to its first wait
 *     repeat  next-tick callbacks and promise jobs until none is left
 *             a rejection that nobody handled ends the program
 *             due timers, immediates
 *             one wait for whatever comes first: an answer of a tool, a pipe of a child, the next
 * timer until nothing is outstanding, then hand over the program's value
 *
 * The value is handed over last, because an error in a timer or in a call that was not awaited
 * makes the run fail.
 */
#include "guest.h"
#include "library.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef __wasm__
/* The shadow stack is 2 MiB and 128 KiB (STACK in CMakeLists.txt), so that what is used of it by
 * most programs lies in the 2 MiB in which the heap begins: fewer page tables are looked at when a
 * process ends. What is beyond the limit is left to library code that does not look. */
#define STACK_LIMIT (1664 * 1024)
#include "../libc/heap.h"
void __wasm_call_ctors(void);
static const JSMallocFunctions heap_functions = {
    heap_calloc, heap_malloc, heap_free, heap_realloc, heap_usable_size, .js_single_blocks = true};
#else
#define STACK_LIMIT (4096 * 1024)
#endif
/* A collection walks every object, those of the image too: not before the program made much garbage
 * itself. */
#define GC_THRESHOLD (8 * 1024 * 1024)

struct guest guest;

struct rejection {
    JSValue promise;
    JSValue reason;
};

static struct {
    struct rejection *list;
    int count;
    int size;
    void *main_promise; /* its rejection is looked at by the loop itself */
} rejections;

/* ---- small services */

double guest_now(void)
{
    uint64_t now = 0;

    capful_clock_time_get(1, 1, (capful_word)&now);
    return (double)now / 1e6;
}

_Noreturn void guest_exit(int code)
{
    capful_proc_exit(code);
}

void guest_write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        struct capful_iovec iov = {(capful_word)text, len};
        uint32_t done = 0;
        int err = capful_fd_write((capful_word)fd, (capful_word)&iov, 1, (capful_word)&done);

        if (err == ERRNO_AGAIN || err == ERRNO_INTR)
            continue;
        if (err == ERRNO_PIPE)
            guest_exit(128 + CAPFUL_SIGPIPE); /* the reader has gone: end quietly */
        if (err || done == 0)
            return;
        text += done;
        len -= done;
    }
}

_Noreturn void guest_fail(JSValue err)
{
    report_error(err);
    guest_exit(1);
}

JSValue guest_call_internal(const char *name, int argc, JSValueConst *argv)
{
    JSContext *ctx = guest.ctx;
    JSValue fn = JS_GetPropertyStr(ctx, guest.internal, name);
    JSValue ret = JS_Call(ctx, fn, guest.internal, argc, argv);

    JS_FreeValue(ctx, fn);
    return ret;
}

/* ---- rejections */

static void rejection_changed(JSContext *ctx, JSValueConst promise, JSValueConst reason,
                              bool is_handled, void *opaque)
{
    struct rejection *grown;
    int i;

    (void)opaque;
    if (JS_VALUE_GET_PTR(promise) == rejections.main_promise)
        return;
    if (!is_handled) {
        if (rejections.count == rejections.size) {
            grown = realloc(rejections.list, sizeof(*grown) * (size_t)(rejections.size * 2 + 4));
            if (!grown)
                return;
            rejections.list = grown;
            rejections.size = rejections.size * 2 + 4;
        }
        rejections.list[rejections.count].promise = JS_DupValue(ctx, promise);
        rejections.list[rejections.count++].reason = JS_DupValue(ctx, reason);
        return;
    }
    for (i = 0; i < rejections.count; i++) {
        if (JS_VALUE_GET_PTR(rejections.list[i].promise) != JS_VALUE_GET_PTR(promise))
            continue;
        JS_FreeValue(ctx, rejections.list[i].promise);
        JS_FreeValue(ctx, rejections.list[i].reason);
        rejections.list[i] = rejections.list[--rejections.count];
        return;
    }
}

/* ---- the loop */

static void check(JSValue result)
{
    if (JS_IsException(result))
        guest_fail(JS_GetException(guest.ctx));
    JS_FreeValue(guest.ctx, result);
}

/* Next-tick callbacks come before promise jobs, as in Node. */
static void run_jobs(void)
{
    JSContext *ctx;
    int ran;

    do {
        if (guest.ticks) {
            guest.ticks = false;
            check(guest_call_internal("runTicks", 0, NULL));
        }
        do {
            ran = JS_ExecutePendingJob(guest.rt, &ctx);
            if (ran < 0)
                guest_fail(JS_GetException(ctx));
        } while (ran > 0);
    } while (guest.ticks);
    if (rejections.count > 0)
        guest_fail(JS_DupValue(guest.ctx, rejections.list[0].reason));
}

static void run_loop(JSValueConst promise)
{
    double until;

    for (;;) {
        run_jobs();
        if (JS_PromiseState(guest.ctx, promise) == JS_PROMISE_REJECTED)
            guest_fail(JS_PromiseResult(guest.ctx, promise));
        if (guest.immediates) {
            guest.immediates = false;
            check(guest_call_internal("runImmediates", 0, NULL));
            run_jobs();
        }
        if (guest.wake != HUGE_VAL && guest.wake <= guest_now()) {
            check(guest_call_internal("runTimers", 0, NULL));
            continue;
        }
        until = guest.immediates ? 0 : guest.wake;
        if (tools_outstanding() == 0 && until == HUGE_VAL)
            return;
        if (guest.immediates && tools_outstanding() == 0)
            continue;
        if (tools_wait(until) < 0)
            guest_fail(JS_GetException(guest.ctx));
    }
}

static void run_program(void)
{
    JSContext *ctx = guest.ctx;
    JSValue promise, value;
    bool is_module = false;

    promise = script_start(&is_module);
    if (JS_IsException(promise))
        guest_fail(JS_GetException(ctx));
    rejections.main_promise = JS_VALUE_GET_PTR(promise);
    run_loop(promise);
    if (JS_PromiseState(ctx, promise) == JS_PROMISE_PENDING) {
        check(JS_ThrowPlainError(
            ctx, "The script waits for a promise that nothing can settle any more"));
    }
    value = JS_PromiseResult(ctx, promise);
    if (is_module) {
        JS_FreeValue(ctx, value);
        value = script_module_value();
        if (JS_IsException(value))
            guest_fail(JS_GetException(ctx));
        if (JS_IsPromise(value)) {
            rejections.main_promise = JS_VALUE_GET_PTR(value);
            JS_PromiseMarkAsHandled(ctx, value);
            run_loop(value);
            if (JS_PromiseState(ctx, value) == JS_PROMISE_PENDING)
                check(JS_ThrowPlainError(
                    ctx, "The default export is a promise that nothing can settle any more"));
            value = JS_PromiseResult(ctx, value);
        }
    }
    if (script_give_value(value) < 0)
        guest_fail(JS_GetException(ctx));
}

/* ---- the two exports */

static void load_library(void)
{
    JSContext *ctx = guest.ctx;
    JSValue fn, ret;
    JSValueConst args[2] = {guest.sys, guest.internal};
    size_t i;

    for (i = 0; i < sizeof(library) / sizeof(library[0]); i++) {
        fn = JS_Eval(ctx, library[i].text, strlen(library[i].text), library[i].name,
                     JS_EVAL_TYPE_GLOBAL);
        ret = JS_IsException(fn) ? fn : JS_Call(ctx, fn, JS_UNDEFINED, 2, args);
        if (JS_IsException(ret)) {
#ifndef __wasm__
            report_error(JS_GetException(ctx));
#endif
            abort(); /* a mistake of ours: no image is made */
        }
        JS_FreeValue(ctx, ret);
        JS_FreeValue(ctx, fn);
    }
}

/* What is made lazily should be in the image already. */
static void warm_up(void)
{
    static const char text[] =
        "const a = [1].map((x) => x + 1); await null; JSON.stringify({a}) + `${/x/.exec('x')}`";
    JSContext *ctx = guest.ctx;
    JSContext *job;
    JSValue promise;

    promise =
        JS_Eval(ctx, text, sizeof(text) - 1, "node:warm", JS_EVAL_FLAG_ASYNC | JS_EVAL_FLAG_SCRIPT);
    while (JS_ExecutePendingJob(guest.rt, &job) > 0)
        continue;
    if (JS_IsException(promise) || JS_PromiseState(ctx, promise) != JS_PROMISE_FULFILLED)
        abort();
    JS_FreeValue(ctx, promise);
}

CAPFUL_EXPORT(init) void init(void);
void init(void)
{
#ifdef __wasm__
    __wasm_call_ctors();
    guest.rt = JS_NewRuntime2(&heap_functions, NULL);
#else
    guest.rt = JS_NewRuntime();
#endif
    if (!guest.rt)
        abort();
    JS_SetMaxStackSize(guest.rt, STACK_LIMIT);
    guest.ctx = JS_NewContext(guest.rt);
    if (!guest.ctx)
        abort();
    guest.wake = HUGE_VAL;
    guest.sys = JS_NewObjectProto(guest.ctx, JS_NULL);
    guest.internal = JS_NewObjectProto(guest.ctx, JS_NULL);
    sys_init();
    files_init();
    text_init();
    tools_init();
    child_init();
    script_init();
    load_library();
    warm_up();
    JS_RunGC(guest.rt);
    JS_SetGCThreshold(guest.rt, GC_THRESHOLD);
#ifdef __wasm__
    JS_UseArenas(guest.rt);
    heap_ready();
#endif
}

CAPFUL_EXPORT(entry) _Noreturn void entry(int32_t fn, int32_t arg);
_Noreturn void entry(int32_t fn, int32_t arg)
{
    uint64_t seed = 0;
    JSValue code;
    int32_t status = 0;

    capful_running = true;
    if (fn)
        ((void (*)(int32_t))(uintptr_t)fn)(arg);
    capful_random_get((capful_word)&seed, sizeof(seed));
    JS_SetRandomSeed(guest.ctx, seed);
    JS_UpdateStackTop(guest.rt);
    sys_read_args();
    JS_SetHostPromiseRejectionTracker(guest.rt, rejection_changed, NULL);
    run_program();
    if (!guest.exit_wanted)
        guest_exit(0);
    code = guest_call_internal("exitCode", 0, NULL);
    if (JS_IsException(code))
        guest_fail(JS_GetException(guest.ctx));
    JS_ToInt32(guest.ctx, &status, code);
    guest_exit(status & 0xff);
}
