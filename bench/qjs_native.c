/* The interpreter of the JavaScript guest, built for this machine from the same source: what the
 * benchmarks compare with.
 *
 *     qjs-native CODE     prints the value of the last statement
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "quickjs.h"

static JSValue now(JSContext *ctx, JSValueConst self, int argc, JSValueConst *argv)
{
    struct timespec t;
    (void)self;
    (void)argc;
    (void)argv;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return JS_NewFloat64(ctx, (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: qjs-native CODE\n");
        return 2;
    }
    JSRuntime *rt = JS_NewRuntime();
    JSContext *ctx = rt ? JS_NewContext(rt) : NULL;
    if (!ctx)
        return 1;
    JSValue global = JS_GetGlobalObject(ctx), performance = JS_NewObject(ctx);
    JS_SetPropertyStr(ctx, performance, "now", JS_NewCFunction(ctx, now, "now", 0));
    JS_SetPropertyStr(ctx, global, "performance", performance);
    JS_FreeValue(ctx, global);
    JSValue value = JS_Eval(ctx, argv[1], strlen(argv[1]), "<eval>", JS_EVAL_TYPE_GLOBAL);
    int failed = JS_IsException(value);
    if (failed)
        value = JS_GetException(ctx);
    const char *text = JS_ToCString(ctx, value);
    fprintf(failed ? stderr : stdout, "%s\n", text ? text : "");
    JS_FreeCString(ctx, text);
    JS_FreeValue(ctx, value);
    JS_FreeContext(ctx);
    JS_FreeRuntime(rt);
    return failed;
}
