/* Tools as JavaScript functions.
 *
 *   tools.name(args)      a property looked up when it is used, so that a thousand tools cost
 * nothing at the start tools.group.name      for tools called "group.name", "group/name" or
 * "group:name" name(args)            the same function through the prototype of the global object:
 * whatever the program declares, and every standard global, hides it, never the other way round
 *
 * A name that no tool has reads as an object that is falsy, `== null` and of type "undefined", but
 * answers a call with an error that says which tools exist. Arguments become JSON text once, here;
 * everything after that is the host's. Each call is a promise kept in a table by call id until its
 * answer is fetched. What every call needs is kept: functions by the atom of their name, the buffer
 * of the arguments, one for answers.
 */
#include "guest.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAVED_FRAMES 4
#define NAME_MAX_LEN 1024
#define ANSWER_SMALL 512         /* comes with the news of it; larger ones are fetched */
#define KEEP_BUFFER  (64 * 1024) /* of arguments; more than that is freed again */

struct call {
    uint32_t id; /* 0: free slot */
    JSValue promise;
    JSValue name;
    JSSavedFrame frames[SAVED_FRAMES];
    int frame_count;
};

static struct {
    struct call *slots; /* a call lies at its id modulo the size */
    uint32_t size;      /* power of two */
    int used;
} calls;

static JSClassID space_class;  /* `tools` and the groups beneath it */
static JSClassID global_class; /* prototype of the global object */

enum { SPACE_GLOBAL, SPACE_TOOLS }; /* groups are numbered from there on */
struct space {
    uint32_t number;
    char prefix[];
};

/* Functions and groups that were asked for before. Only names that tools have get here. */
struct found {
    JSAtom atom; /* JS_ATOM_NULL: free */
    uint32_t space;
    JSValue value;
};
static struct {
    struct found *slots;
    uint32_t size; /* power of two, never full */
    uint32_t used;
} found;
static uint32_t spaces = SPACE_TOOLS;
static JSTextBuffer argument_text;
static JSAtom key_atom; /* of a tool's function: its name, or the handle of what was narrowed */
static JSValue narrow_function;

/* ---- the table of calls */

static struct call *call_slot(uint32_t id)
{
    return calls.size ? &calls.slots[id & (calls.size - 1)] : NULL;
}

static int calls_grow(void)
{
    struct call *old = calls.slots, *grown;
    uint32_t old_size = calls.size, size = old_size ? old_size * 2 : 16, i;

    grown = calloc(size, sizeof(*grown));
    if (!grown)
        return -1;
    calls.slots = grown;
    calls.size = size;
    for (i = 0; i < old_size; i++) {
        if (old[i].id)
            *call_slot(old[i].id) = old[i];
    }
    free(old);
    return 0;
}

/* A free slot for id, or NULL when memory is out. Ids grow, so doubling ends soon. */
static struct call *call_add(uint32_t id)
{
    struct call *c = call_slot(id);

    while (!c || c->id) {
        if (calls_grow() < 0)
            return NULL;
        c = call_slot(id);
    }
    c->id = id;
    calls.used++;
    return c;
}

static void call_forget(struct call *c)
{
    JSContext *ctx = guest.ctx;
    int i;

    JS_FreeValue(ctx, c->promise);
    JS_FreeValue(ctx, c->name);
    for (i = 0; i < c->frame_count; i++)
        JS_FreeValue(ctx, c->frames[i].func);
    c->id = 0;
    calls.used--;
}

int tools_outstanding(void)
{
    struct capful_ready *list;

    return calls.used + (int)child_watched(&list);
}

/* ---- calls */

/* A promise rejected by an error of the library: internal.NAME(tool name, detail, frames). */
static JSValue reject_with(const char *maker, JSValueConst name, JSValue detail)
{
    JSContext *ctx = guest.ctx;
    JSSavedFrame frames[SAVED_FRAMES];
    int n = JS_SaveFrames(ctx, frames, SAVED_FRAMES);
    JSValue trace = JS_PrintFrames(ctx, frames, n);
    JSValueConst args[3] = {name, detail, trace};
    JSValue err = guest_call_internal(maker, 3, args), ret;

    JS_FreeValue(ctx, trace);
    JS_FreeValue(ctx, detail);
    while (n > 0)
        JS_FreeValue(ctx, frames[--n].func);
    if (JS_IsException(err))
        err = JS_GetException(ctx);
    ret = JS_NewSettledPromise(ctx, true, err);
    JS_FreeValue(ctx, err);
    return ret;
}

static JSValue start_call(JSContext *ctx, JSValueConst name, int handle, const char *json,
                          size_t len)
{
    JSValue promise;
    struct call *c;
    const char *str;
    size_t name_len;
    uint32_t id = 0;
    int err;

    if (handle) {
        err = capful_call_handle((capful_word)handle, (capful_word)json, len, (capful_word)&id);
    } else {
        str = JS_ToCStringLen(ctx, &name_len, name);
        if (!str)
            return JS_EXCEPTION;
        err =
            capful_call_start((capful_word)str, name_len, (capful_word)json, len, (capful_word)&id);
        JS_FreeCString(ctx, str);
    }
    if (err == ERRNO_NOENT)
        return reject_with("toolMissing", name, JS_UNDEFINED);
    if (err)
        return reject_with("toolRefused", name, JS_NewInt32(ctx, err));
    promise = JS_NewPendingPromise(ctx);
    if (JS_IsException(promise))
        return promise;
    c = call_add(id);
    if (!c) {
        JS_FreeValue(ctx, promise);
        return JS_ThrowOutOfMemory(ctx);
    }
    c->promise = JS_DupValue(ctx, promise);
    c->name = JS_DupValue(ctx, name);
    c->frame_count = JS_SaveFrames(ctx, c->frames, SAVED_FRAMES);
    return promise;
}

static JSValue reject_pending(JSContext *ctx)
{
    JSValue err = JS_GetException(ctx), ret = JS_NewSettledPromise(ctx, true, err);

    JS_FreeValue(ctx, err);
    return ret;
}

/* Arguments that JSON.stringify has to look at: getters, toJSON, proxies. */
static JSValue call_with_object(JSContext *ctx, JSValueConst name, int handle, JSValueConst object)
{
    JSValue json = JS_JSONStringify(ctx, object, JS_UNDEFINED, JS_UNDEFINED), ret;
    const char *str;
    size_t len;

    if (JS_IsException(json))
        return reject_pending(ctx);
    str = JS_IsString(json) ? JS_ToCStringLen(ctx, &len, json) : "";
    if (!str) {
        JS_FreeValue(ctx, json);
        return JS_EXCEPTION;
    }
    /* toJSON may have given anything */
    if (str[0] != '{') {
        ret = reject_with("toolMisused", name,
                          JS_NewArrayFrom(ctx, 1, (JSValue[]){JS_DupValue(ctx, object)}));
    } else {
        text_mend_json((char *)str, len);
        ret = start_call(ctx, name, handle, str, len);
    }
    if (JS_IsString(json))
        JS_FreeCString(ctx, str);
    JS_FreeValue(ctx, json);
    return ret;
}

/* A call is asynchronous in every respect: what is wrong with its arguments rejects the promise
 * too. */
static JSValue tool_call(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                         int magic, JSValueConst *data)
{
    JSTextBuffer *text = &argument_text;
    JSValue ret;
    int plain;

    (void)this_val;
    while (argc > 0 && JS_IsUndefined(argv[argc - 1]))
        argc--;
    if (argc == 0)
        return start_call(ctx, data[0], magic, "{}", 2);
    if (argc > 1 || !JS_IsObject(argv[0]) || JS_IsArray(argv[0]) || JS_IsFunction(ctx, argv[0]))
        return reject_with("toolMisused", data[0],
                           JS_NewArrayFrom(ctx, 1, (JSValue[]){JS_DupValue(ctx, argv[0])}));
    text->len = 0;
    plain = JS_WritePlainJSON(ctx, text, argv[0]);
    if (plain < 0)
        return reject_pending(ctx);
    if (!plain)
        return call_with_object(ctx, data[0], magic, argv[0]);
    text_mend_json(text->data, text->len);
    ret = start_call(ctx, data[0], magic, text->data, text->len);
    if (text->size > KEEP_BUFFER) {
        js_free(ctx, text->data);
        *text = (JSTextBuffer){0};
    }
    return ret;
}

static JSValue tool_missing(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv,
                            int magic, JSValueConst *data)
{
    (void)ctx;
    (void)this_val;
    (void)argc;
    (void)argv;
    (void)magic;
    return reject_with("toolMissing", data[0], JS_UNDEFINED);
}

static JSValue new_function(JSContext *ctx, const char *name, size_t len, JSCFunctionData *call)
{
    JSValue data = JS_NewStringLen(ctx, name, len);
    JSValue fn = JS_NewCFunctionData2(ctx, call, name, 1, 0, 1, (JSValueConst *)&data);

    JS_FreeValue(ctx, data);
    return fn;
}

/* A tool as the program has it: by name, or by a handle. */
static JSValue new_tool(JSContext *ctx, const char *name, size_t len, int handle)
{
    JSValue data = JS_NewStringLen(ctx, name, len);
    JSValue fn = JS_NewCFunctionData2(ctx, tool_call, name, 1, handle, 1, (JSValueConst *)&data);

    if (!JS_IsException(fn)) {
        JS_DefinePropertyValue(ctx, fn, key_atom,
                               handle ? JS_NewInt32(ctx, handle) : JS_DupValue(ctx, data), 0);
        JS_DefinePropertyValueStr(ctx, fn, "narrow", JS_DupValue(ctx, narrow_function),
                                  JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    }
    JS_FreeValue(ctx, data);
    return fn;
}

/* ---- narrowing */

static JSValue throw_narrowing(JSContext *ctx, JSValueConst name, const char *why)
{
    JSValueConst args[2] = {name, JS_NewString(ctx, why)};
    JSValue err = guest_call_internal("narrowingRefused", 2, args);

    JS_FreeValue(ctx, args[1]);
    return JS_IsException(err) ? err : JS_Throw(ctx, err);
}

static JSValue narrow_by(JSContext *ctx, JSValueConst key, JSValueConst name, const char *json,
                         size_t json_len)
{
    char why[1024] = "";
    uint32_t handle = 0, from = 0;
    size_t len = 0;
    const char *str = JS_ToCStringLen(ctx, &len, name);
    JSValue ret;
    int err;

    if (!str)
        return JS_EXCEPTION;
    if (JS_IsNumber(key))
        JS_ToUint32(ctx, &from, key);
    err = capful_tool_narrow((capful_word)str, len, from, (capful_word)json, json_len,
                             (capful_word)&handle, (capful_word)why, sizeof(why));
    if (err == ERRNO_NOENT)
        strcpy(why, "there is no such tool");
    ret = err ? throw_narrowing(ctx, name, why) : new_tool(ctx, str, len, (int)handle);
    JS_FreeCString(ctx, str);
    return ret;
}

/* tool.narrow({amount: {le: 10}}): a tool that allows what this one does and the argument, too */
static JSValue tool_narrow(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    JSValue key = JS_IsObject(this_val) ? JS_GetProperty(ctx, this_val, key_atom) : JS_UNDEFINED;
    JSValue name, json, ret;
    const char *str;
    size_t len;

    (void)argc;
    if (JS_IsException(key))
        return key;
    if (JS_IsUndefined(key))
        return JS_ThrowTypeError(ctx, "narrow is a method of tools");
    name = JS_IsString(key) ? JS_DupValue(ctx, key) : JS_GetPropertyStr(ctx, this_val, "name");
    json = JS_JSONStringify(ctx, argv[0], JS_UNDEFINED, JS_UNDEFINED);
    if (!JS_IsString(json)) {
        ret = JS_IsException(json) ? JS_EXCEPTION
                                   : throw_narrowing(ctx, name, "it must be an object");
    } else {
        str = JS_ToCStringLen(ctx, &len, json);
        ret = str ? narrow_by(ctx, key, name, str, len) : JS_EXCEPTION;
        JS_FreeCString(ctx, str);
    }
    JS_FreeValue(ctx, json);
    JS_FreeValue(ctx, name);
    JS_FreeValue(ctx, key);
    return ret;
}

/* toolKey(v): what spawn knows it by; undefined if it is no tool */
static JSValue tool_key(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    (void)this_val;
    (void)argc;
    return JS_IsFunction(ctx, argv[0]) ? JS_GetProperty(ctx, argv[0], key_atom) : JS_UNDEFINED;
}

/* ---- answers */

/* The value that an answer stands for; JS_EXCEPTION: it cannot be had. */
static JSValue read_answer(const struct capful_done *done, char *text)
{
    JSContext *ctx = guest.ctx;
    char *own = NULL;
    JSValue value;

    if (done->len >= ANSWER_SMALL) {
        text = own = malloc((size_t)done->len + 1);
        if (!own)
            return JS_ThrowOutOfMemory(ctx);
        if (capful_call_result(done->id, (capful_word)own, done->len) != ERRNO_SUCCESS) {
            free(own);
            return JS_ThrowPlainError(ctx, "The answer of the tool could not be fetched");
        }
    }
    text[done->len] = '\0';
    value = JS_ParseJSON(ctx, text, done->len, "<answer>");
    free(own);
    return value;
}

static void settle(struct call *c, const struct capful_done *done, char *text)
{
    JSContext *ctx = guest.ctx;
    JSValue value = read_answer(done, text), trace, ret;
    bool failed = done->status != CAPFUL_CALL_OK;

    if (JS_IsException(value)) {
        JS_FreeValue(ctx, JS_GetException(ctx));
        value = JS_UNDEFINED;
        failed = true;
    }
    if (failed) {
        trace = JS_PrintFrames(ctx, c->frames, c->frame_count);
        JSValueConst args[4] = {c->name, value, trace,
                                JS_NewBool(ctx, done->status == CAPFUL_CALL_DENIED)};
        ret = guest_call_internal("toolFailed", 4, args);
        JS_FreeValue(ctx, trace);
        JS_FreeValue(ctx, value);
        value = JS_IsException(ret) ? JS_GetException(ctx) : ret;
    }
    ret = JS_DupValue(ctx, c->promise);
    call_forget(c);
    JS_SettlePromise(ctx, ret, value, failed);
    JS_FreeValue(ctx, ret);
    JS_FreeValue(ctx, value);
}

int tools_wait(double until)
{
    static char text[ANSWER_SMALL];
    struct capful_done done = {0};
    struct capful_ready *list;
    struct call *c;
    uint32_t n;
    double left;
    int64_t timeout = -1;
    int err;

    if (until != HUGE_VAL) {
        left = until - guest_now();
        timeout = left > 0 ? (int64_t)ceil(left * 1e6) : 0;
    }
    n = child_watched(&list);
    if (n > 0)
        err = capful_call_wait((capful_word)list, n, timeout, (capful_word)&done, (capful_word)text,
                               sizeof(text) - 1);
    else
        err = capful_call_next((capful_word)-1, timeout, (capful_word)&done, (capful_word)text,
                               sizeof(text) - 1);
    if (err == ERRNO_INTR)
        return 0;
    if (!err && n > 0 && done.fd_ready && child_dispatch() < 0)
        return -1;
    if (!err && done.status == CAPFUL_CALL_NONE)
        return 0;
    if (err) {
        JS_ThrowPlainError(guest.ctx, "The wait for tools failed (error %d)", err);
        return -1;
    }
    c = call_slot(done.id);
    if (c && c->id == done.id && done.id)
        settle(c, &done, text);
    return 0;
}

/* ---- names */

static bool tool_exists(const char *name, size_t len)
{
    return len > 0 && len <= NAME_MAX_LEN &&
           capful_tool_find((capful_word)name, len) == ERRNO_SUCCESS;
}

static JSValue tool_list(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint32_t len = 0;
    char *buf;
    JSValue ret;

    (void)this_val;
    (void)argc;
    (void)argv;
    capful_tool_list(0, 0, (capful_word)&len);
    buf = malloc((size_t)len + 1);
    if (!buf)
        return JS_ThrowOutOfMemory(ctx);
    if (len == 0 || capful_tool_list((capful_word)buf, len, (capful_word)&len)) {
        free(buf);
        return JS_NewArray(ctx);
    }
    buf[len] = '\0';
    ret = JS_ParseJSON(ctx, buf, len, "<tools>");
    free(buf);
    return ret;
}

/* Names that code asks any object for: only a tool of exactly that name makes them something else.
 */
static bool is_common_name(JSContext *ctx, const char *name)
{
    static const char *const names[] = {
        "then",      "toJSON",   "inspect",         "nodeType", "length",    "name",
        "prototype", "$$typeof", "asymmetricMatch", "default",  "__esModule"};
    JSAtom atom;
    JSValue proto;
    size_t i;
    int has;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    atom = JS_NewAtom(ctx, name);
    proto = JS_GetClassProto(ctx, 1 /* Object */);
    has = JS_HasProperty(ctx, proto, atom);
    JS_FreeValue(ctx, proto);
    JS_FreeAtom(ctx, atom);
    return has != 0;
}

/* The place of a name in the table: its own, or a free one. The table is not empty. */
static struct found *found_slot(uint32_t space, JSAtom atom)
{
    uint32_t i = (atom * 2654435761u ^ space) & (found.size - 1);

    while (found.slots[i].atom != JS_ATOM_NULL &&
           (found.slots[i].atom != atom || found.slots[i].space != space))
        i = (i + 1) & (found.size - 1);
    return &found.slots[i];
}

static bool found_get(JSContext *ctx, uint32_t space, JSAtom atom, JSValue *ret_value)
{
    struct found *f;

    if (found.used == 0)
        return false;
    f = found_slot(space, atom);
    if (f->atom == JS_ATOM_NULL)
        return false;
    *ret_value = JS_DupValue(ctx, f->value);
    return true;
}

/* Only saves time: without memory the name is looked up again. */
static void found_put(JSContext *ctx, uint32_t space, JSAtom atom, JSValueConst value)
{
    struct found *old = found.slots, *f;
    uint32_t old_size = found.size, i;

    if (found.used * 2 >= found.size) {
        f = calloc(old_size ? (size_t)old_size * 2 : 16, sizeof(*f));
        if (!f)
            return;
        found.slots = f;
        found.size = old_size ? old_size * 2 : 16;
        for (i = 0; i < old_size; i++) {
            if (old[i].atom != JS_ATOM_NULL)
                *found_slot(old[i].space, old[i].atom) = old[i];
        }
        free(old);
    }
    f = found_slot(space, atom);
    if (f->atom != JS_ATOM_NULL)
        return;
    *f = (struct found){JS_DupAtom(ctx, atom), space, JS_DupValue(ctx, value)};
    found.used++;
}

static JSValue new_space(JSContext *ctx, const char *prefix)
{
    JSValue obj = JS_NewObjectClass(ctx, (int)space_class);
    struct space *space;

    if (JS_IsException(obj))
        return obj;
    space = malloc(sizeof(*space) + strlen(prefix) + 1);
    if (!space) {
        JS_FreeValue(ctx, obj);
        return JS_ThrowOutOfMemory(ctx);
    }
    space->number = spaces++;
    strcpy(space->prefix, prefix);
    JS_SetOpaque(obj, space);
    return obj;
}

static void space_finalizer(JSRuntime *rt, JSValueConst val)
{
    (void)rt;
    free(JS_GetOpaque(val, space_class));
}

/* 1: *ret_value is a function or a group; 0: no tool is called that, *ret_full its whole name; -1
 * exception. */
static int space_find(JSContext *ctx, JSValueConst obj, JSAtom prop, JSValue *ret_value,
                      char **ret_full)
{
    static const char joints[] = "./:";
    const struct space *space = JS_GetOpaque(obj, space_class);
    const char *prefix, *name;
    JSValue key, cache, kept, args[1];
    size_t len, plen;
    char *full;
    int i, ret = -1;

    *ret_full = NULL;
    if (!space)
        return -1;
    if (found_get(ctx, space->number, prop, ret_value))
        return 1;
    prefix = space->prefix;
    key = JS_AtomToValue(ctx, prop);
    if (!JS_IsString(key)) {
        JS_FreeValue(ctx, key);
        return 0;
    }
    name = JS_ToCStringLen(ctx, &len, key);
    JS_FreeValue(ctx, key);
    if (!name)
        return -1;
    plen = strlen(prefix);
    full = malloc(plen + len + 2);
    if (!full) {
        JS_FreeCString(ctx, name);
        JS_ThrowOutOfMemory(ctx);
        return -1;
    }
    memcpy(full, prefix, plen);
    full[plen] = '.';
    memcpy(plen ? full + plen + 1 : full, name, len + 1);
    len += plen ? plen + 1 : 0;
    cache = JS_GetPropertyStr(ctx, guest.internal, "toolCache");
    kept = JS_GetPropertyStr(ctx, cache, full);
    if (!JS_IsUndefined(kept)) {
        *ret_value = kept;
        ret = 1;
        goto done;
    }
    ret = 0;
    for (i = 0; joints[i] && !ret; i++) {
        if (plen)
            full[plen] = joints[i];
        if (tool_exists(full, len))
            ret = 1;
        if (!plen)
            break;
    }
    if (ret) {
        *ret_value = new_tool(ctx, full, len, 0);
    } else {
        if (plen)
            full[plen] = '.';
        args[0] = JS_NewString(ctx, full);
        kept = guest_call_internal("isToolGroup", 1, (JSValueConst *)args);
        JS_FreeValue(ctx, args[0]);
        ret = JS_ToBool(ctx, kept);
        JS_FreeValue(ctx, kept);
        if (ret > 0)
            *ret_value = new_space(ctx, full);
    }
    if (ret > 0) {
        if (JS_IsException(*ret_value)) {
            ret = -1;
            goto done;
        }
        if (plen)
            full[plen] = '.';
        JS_SetPropertyStr(ctx, cache, full, JS_DupValue(ctx, *ret_value));
    }
done:
    if (ret > 0)
        found_put(ctx, space->number, prop, *ret_value);
    JS_FreeValue(ctx, cache);
    JS_FreeCString(ctx, name);
    if (ret == 0)
        *ret_full = full;
    else
        free(full);
    return ret;
}

static int space_get_own_property(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst obj,
                                  JSAtom prop)
{
    JSValue value;
    char *full;
    int ret = space_find(ctx, obj, prop, &value, &full);

    free(full);
    if (ret <= 0)
        return ret;
    if (desc) {
        desc->flags = JS_PROP_C_W_E;
        desc->getter = JS_UNDEFINED;
        desc->setter = JS_UNDEFINED;
        desc->value = value;
    } else {
        JS_FreeValue(ctx, value);
    }
    return 1;
}

static JSValue space_get_property(JSContext *ctx, JSValueConst obj, JSAtom prop,
                                  JSValueConst receiver)
{
    JSValue value, proto;
    char *full;
    int ret = space_find(ctx, obj, prop, &value, &full);

    (void)receiver;
    if (ret < 0)
        return JS_EXCEPTION;
    if (ret > 0)
        return value;
    if (full && !is_common_name(ctx, full)) {
        value = new_function(ctx, full, strlen(full), tool_missing);
        if (!JS_IsException(value))
            JS_SetIsHTMLDDA(ctx, value);
    } else {
        proto = JS_GetPrototype(ctx, obj);
        value = JS_GetProperty(ctx, proto, prop);
        JS_FreeValue(ctx, proto);
    }
    free(full);
    return value;
}

static int space_names(JSContext *ctx, JSPropertyEnum **ret_names, uint32_t *ret_len,
                       JSValueConst obj)
{
    const struct space *space = JS_GetOpaque(obj, space_class);
    JSValue arg = JS_NewString(ctx, space->prefix);
    JSValue list = guest_call_internal("toolNames", 1, (JSValueConst *)&arg), item;
    JSPropertyEnum *names;
    int64_t len = 0, i;

    JS_FreeValue(ctx, arg);
    if (JS_IsException(list) || JS_GetLength(ctx, list, &len) < 0)
        return -1;
    names = js_mallocz(ctx, sizeof(*names) * (size_t)(len ? len : 1));
    if (!names)
        return -1;
    for (i = 0; i < len; i++) {
        item = JS_GetPropertyInt64(ctx, list, i);
        names[i].atom = JS_ValueToAtom(ctx, item);
        names[i].is_enumerable = true;
        JS_FreeValue(ctx, item);
    }
    JS_FreeValue(ctx, list);
    *ret_names = names;
    *ret_len = (uint32_t)len;
    return 0;
}

/* Is there a tool of that name, for the global scope to have it? 1, 0, -1. */
static int global_has_tool(JSContext *ctx, JSAtom prop)
{
    JSValue key = JS_AtomToValue(ctx, prop);
    const char *name;
    size_t len;
    int ret;

    if (!capful_running || !JS_IsString(key)) {
        JS_FreeValue(ctx, key);
        return 0;
    }
    name = JS_ToCStringLen(ctx, &len, key);
    JS_FreeValue(ctx, key);
    if (!name)
        return -1;
    ret = tool_exists(name, len);
    JS_FreeCString(ctx, name);
    return ret;
}

/* The prototype of the global object: only asked for names that nothing else has. */
static int global_get_own_property(JSContext *ctx, JSPropertyDescriptor *desc, JSValueConst obj,
                                   JSAtom prop)
{
    JSValue value = JS_UNDEFINED, proto, tools;
    bool known = found_get(ctx, SPACE_GLOBAL, prop, &value);
    int ret = known ? 1 : global_has_tool(ctx, prop);

    (void)obj;
    if (ret <= 0)
        return ret;
    proto = JS_GetClassProto(ctx, 1 /* Object */);
    ret = JS_HasProperty(ctx, proto, prop) == 0;
    JS_FreeValue(ctx, proto);
    if (ret && !known) {
        tools = JS_GetPropertyStr(ctx, guest.internal, "tools");
        value = JS_GetProperty(ctx, tools, prop);
        JS_FreeValue(ctx, tools);
        if (JS_IsException(value))
            return -1;
        found_put(ctx, SPACE_GLOBAL, prop, value);
    }
    if (!ret || !desc) {
        JS_FreeValue(ctx, value);
        return ret;
    }
    desc->flags = JS_PROP_CONFIGURABLE | JS_PROP_WRITABLE;
    desc->getter = JS_UNDEFINED;
    desc->setter = JS_UNDEFINED;
    desc->value = value;
    return 1;
}

void tools_init(void)
{
    static JSClassExoticMethods space_methods = {.get_own_property = space_get_own_property,
                                                 .get_own_property_names = space_names,
                                                 .get_property = space_get_property};
    static JSClassExoticMethods global_methods = {.get_own_property = global_get_own_property};
    static const JSClassDef space_def = {"Tools", .finalizer = space_finalizer,
                                         .exotic = &space_methods};
    static const JSClassDef global_def = {"Globals", .exotic = &global_methods};
    JSContext *ctx = guest.ctx;
    JSValue global = JS_GetGlobalObject(ctx), proto, object_proto, tools;

    JSValue key = JS_NewSymbol(ctx, "tool", false);

    key_atom = JS_ValueToAtom(ctx, key);
    JS_FreeValue(ctx, key);
    narrow_function = JS_NewCFunction(ctx, tool_narrow, "narrow", 1);
    JS_NewClassID(guest.rt, &space_class);
    JS_NewClassID(guest.rt, &global_class);
    JS_NewClass(guest.rt, space_class, &space_def);
    JS_NewClass(guest.rt, global_class, &global_def);
    object_proto = JS_GetPrototype(ctx, global);
    JS_SetClassProto(ctx, space_class, JS_DupValue(ctx, object_proto));
    proto = JS_NewObjectProtoClass(ctx, object_proto, global_class);
    JS_SetPrototype(ctx, global, proto);
    tools = new_space(ctx, "");
    JS_SetPropertyStr(ctx, guest.internal, "tools", JS_DupValue(ctx, tools));
    JS_SetPropertyStr(ctx, guest.internal, "toolCache", JS_NewObjectProto(ctx, JS_NULL));
    JS_DefinePropertyValueStr(ctx, global, "tools", tools, JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
    JS_SetPropertyStr(ctx, guest.sys, "toolKey", JS_NewCFunction(ctx, tool_key, "toolKey", 1));
    JS_SetPropertyStr(ctx, guest.sys, "toolList", JS_NewCFunction(ctx, tool_list, "toolList", 0));
    JS_FreeValue(ctx, proto);
    JS_FreeValue(ctx, object_proto);
    JS_FreeValue(ctx, global);
}
