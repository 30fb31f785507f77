/* The imports of a guest, made from the table of system calls.
 *
 * A call of module "capful" is a plain host function; when it has to wait it answers CAPFUL_PARK
 * and the guest's stub calls park(), the one that suspends. A WASI program knows nothing of that:
 * its calls that may wait are made as functions that suspend by themselves.
 */
#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

#include "syscall/table.h"

static struct instance *instance_of(wasmtime_caller_t *caller, wasmtime_context_t **ret_context)
{
    *ret_context = wasmtime_caller_context(caller);
    return wasmtime_context_get_data(*ret_context);
}

static wasm_trap_t *end_of_process(void)
{
    return wasmtime_trap_new("exit", 4);
}

/* Makes the call on the guest's stack. SYS_PARK leaves the request pending. */
static int make_call(struct instance *instance, wasmtime_context_t *context,
                     const struct syscall *call, const uint64_t *args)
{
    struct process *process = instance->process;
    struct kernel *kernel = process->kernel;
    if (process->request.state != REQUEST_NONE) {
        snprintf(process->trap, sizeof process->trap, "system call while another is pending");
        return SYS_EXIT;
    }
    if (instance->memory_stale)
        instance_refresh(instance, context);
    kernel->on_fiber = true;
    kernel->current = process;
    int result = syscall_invoke(call, process, args);
    kernel->on_fiber = false;
    return result;
}

static wasm_trap_t *call_own(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                             size_t count)
{
    const struct syscall *call = env;
    uint64_t args[SYS_MAX_ARGS];
    wasmtime_context_t *context;
    struct instance *instance = instance_of(caller, &context);
    (void)count;
    for (int i = 0; call->params[i]; i++)
        args[i] = call->params[i] == 'i' ? (uint32_t)values[i].i32 : (uint64_t)values[i].i64;
    if (call->number == SYS_proc_clone && instance->has_stack_pointer)
        instance->clone_stack = instance_get_stack(instance, context);
    int result = make_call(instance, context, call, args);
    if (result == SYS_EXIT)
        return end_of_process();
    values[0].i32 = result == SYS_PARK ? CAPFUL_PARK : result;
    return NULL;
}

/* Suspended: asked at each poll whether the kernel has the answer. */
static int poll_request(void *token, int32_t *ret)
{
    struct process *process = ((struct instance *)token)->process;
    if (process->request.state != REQUEST_ANSWERED)
        return 0;
    *ret = process->request.result;
    process->request.state = REQUEST_NONE;
    return 1;
}

static int start_wasi(void *env, wasmtime_caller_t *caller, const uint64_t *args, int32_t *ret,
                      void **ret_token)
{
    wasmtime_context_t *context;
    struct instance *instance = instance_of(caller, &context);
    int result = make_call(instance, context, env, args);
    if (result == SYS_EXIT)
        return -1;
    if (result == SYS_PARK) {
        *ret_token = instance;
        return 0;
    }
    *ret = result;
    return 1;
}

static int start_park(void *env, wasmtime_caller_t *caller, const uint64_t *args, int32_t *ret,
                      void **ret_token)
{
    wasmtime_context_t *context;
    struct instance *instance = instance_of(caller, &context);
    (void)env, (void)args;
    *ret_token = instance;
    if (instance->process->request.state == REQUEST_NONE) { /* nothing to wait for */
        *ret = ERRNO_INVAL;
        return 1;
    }
    return poll_request(instance, ret);
}

static wasm_trap_t *call_exit(void *env, wasmtime_caller_t *caller, wasmtime_val_raw_t *values,
                              size_t count)
{
    wasmtime_context_t *context;
    struct instance *instance = instance_of(caller, &context);
    (void)env, (void)count;
    instance->exited = true;
    syscall_exit(instance->process, (uint32_t)values[0].i32);
    return end_of_process();
}

static wasm_functype_t *type_of(const char *params, bool answers)
{
    wasm_valtype_t *list[SYS_MAX_ARGS];
    wasm_valtype_vec_t in, out;
    size_t n = 0;
    for (; params[n]; n++)
        list[n] = params[n] == 'i' ? wasm_valtype_new_i32() : wasm_valtype_new_i64();
    wasm_valtype_vec_new(&in, n, list);
    if (answers) {
        list[0] = wasm_valtype_new_i32();
        wasm_valtype_vec_new(&out, 1, list);
    } else {
        wasm_valtype_vec_new_empty(&out);
    }
    return wasm_functype_new(&in, &out);
}

static int define(wasmtime_linker_t *linker, const char *module, const char *name,
                  const char *params, bool answers, wasmtime_func_unchecked_callback_t function,
                  const void *env, struct capful_error *err)
{
    wasm_functype_t *type = type_of(params, answers);
    wasmtime_error_t *error = wasmtime_linker_define_func_unchecked(
        linker, module, strlen(module), name, strlen(name), type, function, (void *)env, NULL);
    wasm_functype_delete(type);
    if (!error)
        return 0;
    char text[200];
    take_error(error, text, sizeof text);
    return err_set(err, CAPFUL_EENGINE, "%s.%s: %s", module, name, text);
}

static int define_blocking(wasmtime_linker_t *linker, const char *module, const char *name,
                           const char *params, rt_start_fn start, const void *env,
                           struct capful_error *err)
{
    if (rt_linker_define_blocking(linker, module, name, params, start, poll_request, (void *)env))
        return 0;
    return err_set(err, CAPFUL_EENGINE, "%s.%s cannot be defined", module, name);
}

/* How much of a name is shown. */
static int clip(size_t len)
{
    return len < 60 ? (int)len : 60;
}

struct link {
    wasmtime_linker_t *linker;
    struct capful_error *err;
    int result;
};

static bool is_named(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && memcmp(name, wanted, len) == 0;
}

static const struct syscall *find_call(const char *name, size_t len, bool wasi)
{
    for (size_t i = 0; i < syscall_count; i++) {
        if (is_named(name, len, syscalls[i].name))
            return !wasi || syscalls[i].wasi ? &syscalls[i] : NULL;
    }
    return NULL;
}

/* Defines what a program imports. To define all that could be imported would take longer than to
 * run a short script. */
static bool define_import(void *env, const char *module, size_t module_len, const char *name,
                          size_t name_len)
{
    static const char wasi[] = "wasi_snapshot_preview1", own[] = "capful";
    struct link *link = env;
    bool is_wasi = is_named(module, module_len, wasi);
    const char *from = is_wasi ? wasi : own;
    bool known = is_wasi || is_named(module, module_len, own);
    const struct syscall *call = known ? find_call(name, name_len, is_wasi) : NULL;
    if (known && is_named(name, name_len, "proc_exit"))
        link->result =
            define(link->linker, from, "proc_exit", "i", false, call_exit, NULL, link->err);
    else if (known && !is_wasi && is_named(name, name_len, "park"))
        link->result = define_blocking(link->linker, own, "park", "", start_park, NULL, link->err);
    else if (!call)
        link->result =
            err_set(link->err, CAPFUL_EINVAL,
                    "the program cannot run here: it imports \"%.*s\" of module \"%.*s\"; "
                    "only WASI preview 1 is there",
                    clip(name_len), name, clip(module_len), module);
    else if (is_wasi && call->kind == SYSCALL_PARKS)
        link->result = define_blocking(link->linker, wasi, call->name, call->params, start_wasi,
                                       call, link->err);
    else
        link->result =
            define(link->linker, from, call->name, call->params, true, call_own, call, link->err);
    return link->result == 0;
}

int link_module(wasm_engine_t *engine, const wasmtime_module_t *module,
                wasmtime_instance_pre_t **ret, struct capful_error *err)
{
    struct link link = {wasmtime_linker_new(engine), err, 0};
    wasmtime_linker_allow_shadowing(link.linker, true); /* a program may import a call twice */
    rt_module_imports(module, define_import, &link);
    if (link.result == 0) {
        wasmtime_error_t *error = wasmtime_linker_instantiate_pre(link.linker, module, ret);
        if (error) {
            char text[300];
            take_error(error, text, sizeof text);
            link.result = err_set(err, CAPFUL_EINVAL, "the program cannot be linked: %s", text);
        }
    }
    wasmtime_linker_delete(link.linker);
    return link.result;
}
