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

static int define_all(wasmtime_linker_t *linker, struct capful_error *err)
{
    static const char *const wasi = "wasi_snapshot_preview1";
    int result = define_blocking(linker, "capful", "park", "", start_park, NULL, err);
    if (result == 0)
        result = define(linker, "capful", "proc_exit", "i", false, call_exit, NULL, err);
    if (result == 0)
        result = define(linker, wasi, "proc_exit", "i", false, call_exit, NULL, err);
    for (size_t i = 0; result == 0 && i < syscall_count; i++) {
        const struct syscall *call = &syscalls[i];
        result = define(linker, "capful", call->name, call->params, true, call_own, call, err);
        if (result != 0 || !call->wasi)
            continue;
        if (call->kind == SYSCALL_PARKS)
            result = define_blocking(linker, wasi, call->name, call->params, start_wasi, call, err);
        else
            result = define(linker, wasi, call->name, call->params, true, call_own, call, err);
    }
    return result;
}

wasmtime_linker_t *link_new(wasm_engine_t *engine, struct capful_error *err)
{
    wasmtime_linker_t *linker = wasmtime_linker_new(engine);
    if (define_all(linker, err) == 0)
        return linker;
    wasmtime_linker_delete(linker);
    return NULL;
}
