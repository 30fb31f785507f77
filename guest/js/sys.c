/* Primitives of the JavaScript library that are no files: output, clock, random numbers, arguments,
 * inspection.
 *
 * The library sees them as properties of one object, `sys`, that no program can reach.
 */
#include "guest.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* write(fd, string or bytes): all of it */
static JSValue sys_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    int32_t fd;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &fd, argv[0]) < 0 || text_get(ctx, &t, argv[1]) < 0)
        return JS_EXCEPTION;
    guest_write_all(fd, t.data, t.len);
    text_free(ctx, &t);
    return JS_UNDEFINED;
}

static JSValue sys_exit(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    int32_t code = 0;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &code, argv[0]) < 0)
        return JS_EXCEPTION;
    guest_exit(code & 0xff);
}

/* now(): ms on the monotonic clock */
static JSValue sys_now(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    return JS_NewFloat64(ctx, guest_now());
}

/* nanoseconds(): the monotonic clock as a bigint */
static JSValue sys_nanoseconds(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint64_t now = 0;

    (void)this_val;
    (void)argc;
    (void)argv;
    capful_clock_time_get(1, 1, (capful_word)&now);
    return JS_NewBigUint64(ctx, now);
}

/* random(bytes): fills a Uint8Array */
static JSValue sys_random(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    size_t done, n;

    (void)this_val;
    (void)argc;
    if (JS_IsString(argv[0]) || text_get(ctx, &t, argv[0]) < 0)
        return JS_ThrowTypeError(ctx, "a Uint8Array expected");
    for (done = 0; done < t.len; done += n) {
        n = t.len - done < 65536 ? t.len - done : 65536;
        if (capful_random_get((capful_word)(t.data + done), n))
            return JS_ThrowPlainError(ctx, "no random numbers");
    }
    return JS_DupValue(ctx, argv[0]);
}

void sys_read_args(void)
{
    static capful_word few[16];
    static char short_text[512];
    uint32_t count = 0, size = 0;
    char *text = short_text;

    guest.argv = few;
    if (capful_args_sizes_get((capful_word)&count, (capful_word)&size) == 0) {
        if (count > sizeof(few) / sizeof(few[0]))
            guest.argv = calloc(count, sizeof(few[0]));
        if (size > sizeof(short_text))
            text = malloc(size);
        if (guest.argv && text && capful_args_get((capful_word)guest.argv, (capful_word)text) == 0)
            guest.argc = count;
    }
    guest.file = guest.argc ? (const char *)guest.argv[0] : "<script>";
}

static JSValue sys_args(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue list = JS_NewArray(ctx);
    uint32_t i;

    (void)this_val;
    (void)argc;
    (void)argv;
    for (i = 0; i < guest.argc; i++)
        JS_SetPropertyUint32(ctx, list, i, JS_NewString(ctx, (const char *)guest.argv[i]));
    return list;
}

/* env(): a list of NAME=VALUE */
static JSValue sys_env(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue ret = JS_NewArray(ctx);
    uint32_t count = 0, size = 0, i;
    capful_word *list;
    char *text;

    (void)this_val;
    (void)argc;
    (void)argv;
    if (capful_environ_sizes_get((capful_word)&count, (capful_word)&size) || count == 0)
        return ret;
    list = calloc(count, sizeof(*list));
    text = malloc((size_t)size + 1);
    if (list && text && capful_environ_get((capful_word)list, (capful_word)text) == 0) {
        for (i = 0; i < count; i++)
            JS_SetPropertyUint32(ctx, ret, i, JS_NewString(ctx, (const char *)list[i]));
    }
    free(list);
    free(text);
    return ret;
}

/* source(): the program's text; file(): its name */
static JSValue sys_source(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)ctx;
    (void)this_val;
    (void)argc;
    (void)argv;
    return script_source();
}

static JSValue sys_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    (void)argv;
    return JS_NewString(ctx, guest.file ? guest.file : "");
}

/* wake(ms): when the next timer is due; Infinity for never */
static JSValue sys_wake(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    double when;

    (void)this_val;
    (void)argc;
    if (JS_ToFloat64(ctx, &when, argv[0]) < 0)
        return JS_EXCEPTION;
    guest.wake = isnan(when) ? HUGE_VAL : when;
    return JS_UNDEFINED;
}

/* wantTicks, wantExit, wantImmediates: has main.c look after them */
enum { WANT_TICKS, WANT_EXIT, WANT_IMMEDIATES };

static JSValue sys_want(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                        int what)
{
    bool *const wanted[] = {&guest.ticks, &guest.exit_wanted, &guest.immediates};

    (void)ctx;
    (void)this_val;
    (void)argc;
    (void)argv;
    *wanted[what] = true;
    return JS_UNDEFINED;
}

/* sleep(ms): blocks this process */
static JSValue sys_sleep(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct {
        uint64_t userdata;
        uint8_t tag;
        uint8_t pad[7];
        uint32_t clock;
        uint32_t pad2;
        uint64_t timeout;
        uint64_t precision;
        uint16_t flags;
        uint16_t pad3[3];
    } sub = {.clock = 1};
    uint64_t event[4];
    uint32_t count = 0;
    double ms;

    (void)this_val;
    (void)argc;
    if (JS_ToFloat64(ctx, &ms, argv[0]) < 0)
        return JS_EXCEPTION;
    if (ms > 0) {
        sub.timeout = ms < 9e12 ? (uint64_t)(ms * 1e6) : UINT64_C(9000000000000000000);
        capful_poll_oneoff((capful_word)&sub, (capful_word)event, 1, (capful_word)&count);
    }
    return JS_UNDEFINED;
}

/* proxy(v): [target, handler], or undefined */
static JSValue sys_proxy(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue list;

    (void)this_val;
    (void)argc;
    if (!JS_IsProxy(argv[0]))
        return JS_UNDEFINED;
    list = JS_NewArray(ctx);
    JS_SetPropertyUint32(ctx, list, 0, JS_GetProxyTarget(ctx, argv[0]));
    JS_SetPropertyUint32(ctx, list, 1, JS_GetProxyHandler(ctx, argv[0]));
    return list;
}

/* promise(v): [state, result] with state 0 pending, 1 fulfilled, 2 rejected; undefined if it is
 * none */
static JSValue sys_promise(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue list;
    int state;

    (void)this_val;
    (void)argc;
    if (!JS_IsPromise(argv[0]))
        return JS_UNDEFINED;
    state = JS_PromiseState(ctx, argv[0]);
    list = JS_NewArray(ctx);
    JS_SetPropertyUint32(ctx, list, 0, JS_NewInt32(ctx, state));
    if (state != JS_PROMISE_PENDING)
        JS_SetPropertyUint32(ctx, list, 1, JS_PromiseResult(ctx, argv[0]));
    return list;
}

/* kind(v): what it is inside, whatever its prototype says */
static JSValue sys_kind(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue ret;
    JSAtom name;

    (void)this_val;
    (void)argc;
    if (!JS_IsObject(argv[0]))
        return JS_UNDEFINED;
    name = JS_GetClassName(guest.rt, JS_GetClassID(argv[0]));
    ret = JS_AtomToString(ctx, name);
    JS_FreeAtom(ctx, name);
    return ret;
}

/* cwd(): the working directory */
static JSValue sys_cwd(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    char buf[4096];
    uint32_t len = 0;

    (void)this_val;
    (void)argc;
    (void)argv;
    if (capful_proc_getcwd((capful_word)buf, sizeof(buf), (capful_word)&len) || len > sizeof(buf))
        return JS_NewString(ctx, "/");
    if (len && buf[len - 1] == '\0')
        len--;
    return JS_NewStringLen(ctx, buf, len);
}

static JSValue sys_ids(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct capful_ids ids = {1, 0, 1};
    JSValue list = JS_NewArray(ctx);

    (void)this_val;
    (void)argc;
    (void)argv;
    capful_proc_ids((capful_word)&ids);
    JS_SetPropertyUint32(ctx, list, 0, JS_NewUint32(ctx, ids.pid));
    JS_SetPropertyUint32(ctx, list, 1, JS_NewUint32(ctx, ids.parent));
    return list;
}

/* memory(): bytes that JavaScript holds */
static JSValue sys_memory(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSMemoryUsage usage;

    (void)this_val;
    (void)argc;
    (void)argv;
    JS_ComputeMemoryUsage(guest.rt, &usage);
    return JS_NewInt64(ctx, usage.memory_used_size);
}

void sys_init(void)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("write", 2, sys_write),
        JS_CFUNC_DEF("exit", 1, sys_exit),
        JS_CFUNC_DEF("now", 0, sys_now),
        JS_CFUNC_DEF("nanoseconds", 0, sys_nanoseconds),
        JS_CFUNC_DEF("random", 1, sys_random),
        JS_CFUNC_DEF("args", 0, sys_args),
        JS_CFUNC_DEF("env", 0, sys_env),
        JS_CFUNC_DEF("source", 0, sys_source),
        JS_CFUNC_DEF("file", 0, sys_file),
        JS_CFUNC_DEF("wake", 1, sys_wake),
        JS_CFUNC_MAGIC_DEF("wantTicks", 0, sys_want, WANT_TICKS),
        JS_CFUNC_MAGIC_DEF("wantExit", 0, sys_want, WANT_EXIT),
        JS_CFUNC_MAGIC_DEF("wantImmediates", 0, sys_want, WANT_IMMEDIATES),
        JS_CFUNC_DEF("sleep", 1, sys_sleep),
        JS_CFUNC_DEF("proxy", 1, sys_proxy),
        JS_CFUNC_DEF("promise", 1, sys_promise),
        JS_CFUNC_DEF("kind", 1, sys_kind),
        JS_CFUNC_DEF("cwd", 0, sys_cwd),
        JS_CFUNC_DEF("ids", 0, sys_ids),
        JS_CFUNC_DEF("memory", 0, sys_memory),
    };

    JS_SetPropertyFunctionList(guest.ctx, guest.sys, functions,
                               sizeof(functions) / sizeof(functions[0]));
}
