/* The program text: compiled, started, and its value handed over; the modules it imports.
 *
 * A program is compiled as the body of an async function, where the parser (patched) lets import
 * declarations, return and await stand side by side and keeps the value of the last statement. Only
 * a program with `export` is compiled as a module; its value is the default export.
 *
 * Modules: "fs" and "node:fs" are objects of the library; "./x.js", "/workspace/x.mjs", "./x.json"
 * are files. A .js or .cjs file that neither imports nor exports is CommonJS, its module.exports
 * the default export.
 */
#include "guest.h"
#include <stdlib.h>
#include <string.h>

#define SCRIPT_FLAGS (JS_EVAL_TYPE_GLOBAL | JS_EVAL_FLAG_ASYNC | JS_EVAL_FLAG_SCRIPT)

static struct {
    char *text;
    size_t len;
    JSModuleDef *module;
    bool lone; /* the module is one statement */
    char first[8192];
} source;

/* ---- modules */

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), k = strlen(suffix);

    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static JSValue call_with_name(const char *function, const char *name, const char *base)
{
    JSContext *ctx = guest.ctx;
    JSValue args[2] = {JS_NewString(ctx, name), base ? JS_NewString(ctx, base) : JS_UNDEFINED};
    JSValue ret = guest_call_internal(function, 2, (JSValueConst *)args);

    JS_FreeValue(ctx, args[0]);
    JS_FreeValue(ctx, args[1]);
    return ret;
}

/* The library decides what a name means; it throws for what does not exist. */
static char *normalize(JSContext *ctx, const char *base, const char *name, void *opaque)
{
    JSValue path = call_with_name("resolveModule", name, base);
    const char *str;
    char *ret = NULL;

    (void)opaque;
    str = JS_IsException(path) ? NULL : JS_ToCString(ctx, path);
    if (str)
        ret = js_strdup(ctx, str);
    JS_FreeCString(ctx, str);
    JS_FreeValue(ctx, path);
    return ret;
}

static int init_object_module(JSContext *ctx, JSModuleDef *m)
{
    JSValue object = JS_GetModulePrivateValue(ctx, m);
    JSPropertyEnum *names = NULL;
    uint32_t count = 0, i;
    const char *name;
    int ret = -1;

    if (JS_SetModuleExport(ctx, m, "default", JS_DupValue(ctx, object)) < 0)
        goto done;
    if (JS_IsObject(object) && JS_GetOwnPropertyNames(ctx, &names, &count, object,
                                                      JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0)
        goto done;
    for (i = 0; i < count; i++) {
        name = JS_AtomToCString(ctx, names[i].atom);
        if (!name)
            goto done;
        if (strcmp(name, "default") != 0)
            JS_SetModuleExport(ctx, m, name, JS_GetProperty(ctx, object, names[i].atom));
        JS_FreeCString(ctx, name);
    }
    ret = 0;
done:
    JS_FreePropertyEnum(ctx, names, count);
    JS_FreeValue(ctx, object);
    return ret;
}

/* A module whose exports are the properties of an object. Takes object. */
static JSModuleDef *new_object_module(JSContext *ctx, const char *name, JSValue object)
{
    JSModuleDef *m = JS_NewCModule(ctx, name, init_object_module);
    JSPropertyEnum *names = NULL;
    uint32_t count = 0, i;
    const char *str;
    bool failed;

    failed = !m || JS_AddModuleExport(ctx, m, "default") < 0;
    if (!failed && JS_IsObject(object))
        failed = JS_GetOwnPropertyNames(ctx, &names, &count, object,
                                        JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY) < 0;
    for (i = 0; i < count && !failed; i++) {
        str = JS_AtomToCString(ctx, names[i].atom);
        failed = !str || (strcmp(str, "default") != 0 && JS_AddModuleExport(ctx, m, str) < 0);
        JS_FreeCString(ctx, str);
    }
    JS_FreePropertyEnum(ctx, names, count);
    if (failed) {
        JS_FreeValue(ctx, object);
        return NULL;
    }
    JS_SetModulePrivateValue(ctx, m, object);
    return m;
}

static void set_import_meta(JSContext *ctx, JSModuleDef *m, const char *name)
{
    JSValue meta = JS_GetImportMeta(ctx, m);
    JSValue args[2] = {meta, JS_NewString(ctx, name)};

    if (!JS_IsException(meta))
        JS_FreeValue(ctx, guest_call_internal("fillImportMeta", 2, (JSValueConst *)args));
    JS_FreeValue(ctx, args[1]);
    JS_FreeValue(ctx, meta);
}

static JSModuleDef *compile_module(JSContext *ctx, const char *text, size_t len, const char *name)
{
    JSValue fn = JS_Eval(ctx, text, len, name, JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    JSModuleDef *m;

    if (JS_IsException(fn))
        return NULL;
    m = JS_VALUE_GET_PTR(fn);
    JS_FreeValue(ctx, fn); /* the context keeps the module */
    set_import_meta(ctx, m, name);
    return m;
}

/* Does this text export or import something? Errors in it are met again when it is compiled. */
static bool looks_like_module(JSContext *ctx, const char *text, size_t len)
{
    JSValue fn;
    bool exports;

    if (!memmem(text, len, "export", 6) && !memmem(text, len, "import", 6))
        return false;
    fn = JS_Eval(ctx, text, len, "node:probe", SCRIPT_FLAGS | JS_EVAL_FLAG_COMPILE_ONLY);
    exports = (JS_GetScriptKind(ctx) & (JS_SCRIPT_EXPORTS | JS_SCRIPT_IMPORTS)) != 0;
    if (JS_IsException(fn))
        JS_FreeValue(ctx, JS_GetException(ctx));
    JS_FreeValue(ctx, fn);
    return exports;
}

static JSModuleDef *load_module(JSContext *ctx, const char *name, void *opaque,
                                JSValueConst attributes)
{
    JSValue text, object;
    JSModuleDef *m;
    const char *str;
    size_t len;

    (void)opaque;
    (void)attributes;
    if (strncmp(name, "node:", 5) == 0 || has_suffix(name, ".json") || has_suffix(name, ".cjs")) {
        object = call_with_name("loadModule", name, NULL);
        return JS_IsException(object) ? NULL : new_object_module(ctx, name, object);
    }
    text = call_with_name("readModule", name, NULL);
    if (JS_IsException(text))
        return NULL;
    str = JS_ToCStringLen(ctx, &len, text);
    JS_FreeValue(ctx, text);
    if (!str)
        return NULL;
    if (has_suffix(name, ".mjs") || looks_like_module(ctx, str, len)) {
        m = compile_module(ctx, str, len, name);
    } else {
        object = call_with_name("loadModule", name, NULL);
        m = JS_IsException(object) ? NULL : new_object_module(ctx, name, object);
    }
    JS_FreeCString(ctx, str);
    return m;
}

/* ---- the program */

static int read_source(void)
{
    uint32_t len = 0;
    int err =
        capful_run_source((capful_word)source.first, sizeof(source.first) - 1, (capful_word)&len);

    source.text = source.first;
    if (len > sizeof(source.first) - 1) {
        source.text = malloc((size_t)len + 1);
        if (!source.text)
            return -1;
        err = capful_run_source((capful_word)source.text, len, (capful_word)&len);
    }
    if (err)
        return -1;
    source.len = len;
    source.text[len] = '\0';
    return 0;
}

JSValue script_source(void)
{
    return JS_NewStringLen(guest.ctx, source.text, source.len);
}

JSValue script_start(bool *ret_is_module)
{
    JSContext *ctx = guest.ctx;
    JSValue ret, fn;

    if (read_source() < 0)
        return JS_ThrowPlainError(ctx, "The program text could not be read");
    ret = JS_Eval(ctx, source.text, source.len, guest.file, SCRIPT_FLAGS);
    if (!JS_IsException(ret) || !(JS_GetScriptKind(ctx) & JS_SCRIPT_EXPORTS))
        return ret;
    JS_FreeValue(ctx, JS_GetException(ctx));
    fn = JS_Eval(ctx, source.text, source.len, guest.file,
                 JS_EVAL_TYPE_MODULE | JS_EVAL_FLAG_COMPILE_ONLY);
    if (JS_IsException(fn))
        return fn;
    source.lone = (JS_GetScriptKind(ctx) & JS_SCRIPT_LONE) != 0;
    source.module = JS_VALUE_GET_PTR(fn);
    set_import_meta(ctx, source.module, guest.file);
    *ret_is_module = true;
    return JS_EvalFunction(ctx, fn);
}

JSValue script_module_value(void)
{
    JSContext *ctx = guest.ctx;
    JSValue space = JS_GetModuleNamespace(ctx, source.module);
    JSValue value, ret;

    if (JS_IsException(space))
        return space;
    value = JS_GetPropertyStr(ctx, space, "default");
    JS_FreeValue(ctx, space);
    if (source.lone && JS_IsFunction(ctx, value) && !JS_IsException(value)) {
        ret = JS_Call(ctx, value, JS_UNDEFINED, 0, NULL);
        JS_FreeValue(ctx, value);
        return ret;
    }
    return value;
}

/* ---- the value */

/* What JSON has no word for, and would lose: the library says what stands for it. Takes value. */
static JSValue convert(JSContext *ctx, JSValue value)
{
    JSValue ret;
    JSValueConst args[1] = {value};

    if (!JS_IsBigInt(value) && !JS_IsMap(value) && !JS_IsSet(value) && !JS_IsError(value) &&
        !JS_IsRegExp(value) && !JS_IsArrayBuffer(value) && JS_GetTypedArrayType(value) < 0)
        return value;
    ret = guest_call_internal("jsonValue", 1, args);
    JS_FreeValue(ctx, value);
    return ret;
}

int script_give_value(JSValue value)
{
    JSContext *ctx = guest.ctx;
    JSValue json, err, reason;
    const char *str;
    size_t len;

    if (JS_IsUndefined(value))
        return 0;
    JS_SetJSONConvert(ctx, convert);
    json = JS_JSONStringify(ctx, value, JS_UNDEFINED, JS_UNDEFINED);
    JS_SetJSONConvert(ctx, NULL);
    JS_FreeValue(ctx, value);
    if (JS_IsException(json)) {
        reason = JS_GetException(ctx);
        err = guest_call_internal("valueError", 1, (JSValueConst *)&reason);
        JS_FreeValue(ctx, reason);
        if (!JS_IsException(err))
            JS_Throw(ctx, err);
        return -1;
    }
    if (JS_IsUndefined(json)) /* a function or a symbol */
        return 0;
    str = JS_ToCStringLen(ctx, &len, json);
    JS_FreeValue(ctx, json);
    if (!str)
        return -1;
    text_mend_json((char *)str, len);
    int refused = capful_run_value((capful_word)str, len);
    JS_FreeCString(ctx, str);
    if (refused && refused != ERRNO_PERM) { /* nobody wants a value of this one */
        JS_ThrowRangeError(ctx, "the value cannot leave the sandbox: it has more than 100 levels "
                                "or text that is not Unicode");
        return -1;
    }
    return 0;
}

/* ---- CommonJS: compileFunction(text, file) gives the function of a module's body */

JSValue script_compile_function(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    static const char head[] = "(function (exports, require, module, __filename, __dirname) {";
    const char *file = JS_ToCString(ctx, argv[1]);
    struct text text;
    JSValue ret = JS_EXCEPTION;
    char *buf;

    (void)this_val;
    (void)argc;
    if (file && text_get(ctx, &text, argv[0]) == 0) {
        buf = js_malloc(ctx, sizeof(head) + text.len + 4);
        if (buf) {
            memcpy(buf, head, sizeof(head) - 1);
            memcpy(buf + sizeof(head) - 1, text.data, text.len);
            memcpy(buf + sizeof(head) - 1 + text.len, "\n})", 4);
            ret = JS_Eval(ctx, buf, sizeof(head) - 1 + text.len + 3, file, JS_EVAL_TYPE_GLOBAL);
            js_free(ctx, buf);
        }
        text_free(ctx, &text);
    }
    JS_FreeCString(ctx, file);
    return ret;
}

void script_init(void)
{
    JS_SetModuleLoaderFunc2(guest.rt, normalize, load_module, NULL, NULL);
    JS_DefinePropertyValueStr(
        guest.ctx, guest.sys, "compileFunction",
        JS_NewCFunction(guest.ctx, script_compile_function, "compileFunction", 2), JS_PROP_C_W_E);
}
