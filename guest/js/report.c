/* An error that nobody handled: the host gets it as a JSON object, stderr shows it as Node would.
 *
 * The library does the work (internal.describeError gives both texts); should that fail, because
 * memory or the stack is used up or the program has bent what it stands on, a poorer report is put
 * together here.
 */
#include "guest.h"
#include <stdio.h>
#include <string.h>

static void give(const char *json, size_t len)
{
    capful_run_error((capful_word)json, len);
}

/* Without any JavaScript: only what JSON needs escaped is escaped. */
static void report_plainly(JSContext *ctx, JSValueConst err)
{
    static const char fallback[] = "an error that could not be described";
    const char *str = JS_ToCString(ctx, err), *p;
    char json[2048], *q = json, *end = json + sizeof(json) - 16;

    if (!str)
        JS_FreeValue(ctx, JS_GetException(ctx));
    q += snprintf(q, sizeof(json), "{\"name\":\"Error\",\"message\":\"");
    for (p = str ? str : fallback; *p && q < end; p++) {
        if (*p == '"' || *p == '\\')
            *q++ = '\\';
        *q++ = (unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f ? '?' : *p;
    }
    memcpy(q, "\"}", 3);
    q += 2;
    guest_write_all(2, "Uncaught ", 9);
    guest_write_all(2, str ? str : fallback, strlen(str ? str : fallback));
    guest_write_all(2, "\n", 1);
    give(json, (size_t)(q - json));
    JS_FreeCString(ctx, str);
}

void report_error(JSValueConst err)
{
    JSContext *ctx = guest.ctx;
    JSValue both = guest_call_internal("describeError", 1, &err);
    JSValue text = JS_IsException(both) ? JS_UNDEFINED : JS_GetPropertyUint32(ctx, both, 0);
    JSValue json = JS_IsException(both) ? JS_UNDEFINED : JS_GetPropertyUint32(ctx, both, 1);
    struct text t, j;

    if (JS_IsException(both))
        JS_FreeValue(ctx, JS_GetException(ctx));
    if (!JS_IsString(text) || !JS_IsString(json) || text_get(ctx, &t, text) < 0) {
        report_plainly(ctx, err);
    } else {
        guest_write_all(2, t.data, t.len);
        text_free(ctx, &t);
        if (text_get(ctx, &j, json) == 0) {
            give(j.data, j.len);
            text_free(ctx, &j);
        }
    }
    JS_FreeValue(ctx, text);
    JS_FreeValue(ctx, json);
    JS_FreeValue(ctx, both);
}
