/* One process: a store, a pooled instance, and the fiber that its code runs on.
 *
 * While a future lives its store is not asked for anything except through the caller of a system
 * call: so memory base and size are taken when the instance is made, and again at the first call
 * after it grew.
 *
 * An instance whose process has ended may be kept for another process of the same program (warm.c).
 */
#include "engine/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define TABLE_ELEMENT 8u /* bytes of the host's memory */

void instance_settle(struct instance *instance)
{
    if (instance->future)
        wasmtime_call_future_delete(TAKE(instance->future)); /* a suspended fiber unwinds here */
    if (instance->trap)
        wasm_trap_delete(TAKE(instance->trap));
    if (instance->error)
        wasmtime_error_delete(TAKE(instance->error));
    engine_give_memory(instance->memory_held);
    instance->memory_held = 0;
    instance->process = NULL;
}

void instance_free(struct instance *instance)
{
    if (!instance)
        return;
    instance_settle(instance);
    if (instance->store)
        wasmtime_store_delete(instance->store); /* the slot is reset here */
    if (instance->holds_slot)
        engine_give_slot();
    mem_free(instance);
}

/* Called by the engine before a memory or table grows. Refusing by -1 ends the process: the run
 * stops with its reason and no part of the program sees a failed allocation that it might hide. */
static int on_growth(void *env, int what, uint64_t current, uint64_t desired, uint64_t maximum)
{
    struct instance *instance = env;
    struct process *process = instance->process;
    struct kernel *kernel = process->kernel;
    if (desired > maximum)
        return 0; /* the module's own maximum: its business */
    if (what == RT_GROW_TABLE) {
        if (!process_charge(process, (desired - current) * TABLE_ELEMENT))
            return -1;
        instance->table_bytes += (desired - current) * TABLE_ELEMENT;
        return 1;
    }
    if (desired > kernel->limits.process_memory) {
        if (process != kernel->init)
            return 0; /* its parent hears how it ends */
        kernel_stop_limit(kernel, "process_memory", "a process needed more than %llu MiB of memory",
                          (unsigned long long)(kernel->limits.process_memory / CAPFUL_MIB));
        return -1;
    }
    if (!engine_take_memory(desired - current)) {
        instance->over_ceiling = true;
        if (instance->future) /* else it does not run yet, and may wait its turn */
            kernel_stop_limit(kernel, "memory",
                              "the ceiling of memory of the whole host process is reached");
        return -1;
    }
    instance->memory_held += desired - current;
    if (!process_charge(process, desired - current))
        return -1;
    instance->memory_stale = true;
    return 1;
}

void instance_refresh(struct instance *instance, wasmtime_context_t *context)
{
    instance->process->memory.base = wasmtime_memory_data(context, &instance->memory);
    instance->process->memory.size = wasmtime_memory_data_size(context, &instance->memory);
    instance->memory_stale = false;
}

int32_t instance_get_stack(struct instance *instance, wasmtime_context_t *context)
{
    wasmtime_val_t value;
    wasmtime_global_get(context, &instance->stack_pointer, &value);
    return value.of.i32;
}

static int find_exports(struct instance *instance, const wasmtime_instance_t *handle)
{
    wasmtime_extern_t item;
    const char *entry = instance->image->own ? "entry" : "_start";
    struct process *process = instance->process;
    if (!wasmtime_instance_export_get(instance->context, handle, entry, strlen(entry), &item) ||
        item.kind != WASMTIME_EXTERN_FUNC) {
        snprintf(process->trap, sizeof process->trap, "the program exports no function \"%s\"",
                 entry);
        return ERRNO_NOEXEC;
    }
    instance->entry = item.of.func;
    if (!wasmtime_instance_export_get(instance->context, handle, "memory", 6, &item) ||
        item.kind != WASMTIME_EXTERN_MEMORY) {
        snprintf(process->trap, sizeof process->trap, "the program exports no memory");
        return ERRNO_NOEXEC;
    }
    instance->memory = item.of.memory;
    if (instance->image->own &&
        wasmtime_instance_export_get(instance->context, handle, "__stack_pointer", 15, &item) &&
        item.kind == WASMTIME_EXTERN_GLOBAL) {
        instance->stack_pointer = item.of.global;
        instance->has_stack_pointer = true;
        instance->first_stack = instance_get_stack(instance, instance->context);
    }
    instance_refresh(instance, instance->context);
    instance->first_size = process->memory.size;
    return 0;
}

static int make_store(struct instance *instance)
{
    instance->store = wasmtime_store_new(engine_get(), instance, NULL);
    instance->context = wasmtime_store_context(instance->store);
    if (!rt_store_limiter(instance->store, on_growth, instance))
        return ERRNO_NOMEM;
    wasmtime_context_set_epoch_deadline(instance->context, 1);
    /* The function answers nothing, whatever its declaration says: its value must not be looked at.
     */
    wasmtime_context_epoch_deadline_async_yield_and_update(instance->context, 1);
    return 0;
}

static int instantiate(struct instance *instance)
{
    wasmtime_instance_t handle;
    struct process *process = instance->process;
    wasmtime_call_future_t *made = wasmtime_instance_pre_instantiate_async(
        instance->image->pre, instance->context, &handle, &instance->trap, &instance->error);
    /* A start function of a user's module may run for long: its slices end here and it goes on. It
     * cannot wait: there is no process yet that could be woken. */
    bool waits = false;
    while (!waits && !wasmtime_call_future_poll(made)) {
        waits = process->request.state == REQUEST_PENDING;
        if (kernel_must_stop(process->kernel))
            break;
    }
    wasmtime_call_future_delete(made);
    if (process->kernel->stop != STOP_NONE)
        return ERRNO_NOMEM;
    if (waits) {
        snprintf(process->trap, sizeof process->trap,
                 "its start function makes a system call that waits");
        return ERRNO_NOEXEC;
    }
    if (instance->trap) {
        take_trap(TAKE(instance->trap), process->trap, sizeof process->trap);
        return instance->over_ceiling ? ERRNO_AGAIN : ERRNO_NOEXEC;
    }
    if (instance->over_ceiling)
        return ERRNO_AGAIN;
    if (instance->error) {
        take_error(TAKE(instance->error), process->trap, sizeof process->trap);
        return ERRNO_NOMEM;
    }
    return find_exports(instance, &handle);
}

static int make_new(struct process *process)
{
    struct instance *instance = mem_zalloc(sizeof *instance);
    if (!instance)
        return ERRNO_NOMEM;
    instance->process = process;
    instance->image = process->image;
    process->engine = instance;
    while (!engine_take_slot()) {
        if (!warm_drop_one())
            return ERRNO_AGAIN;
    }
    instance->holds_slot = true;
    int result = make_store(instance);
    if (result != 0)
        return result;
    if (instance->image->reusable) /* it has no start function: no guest code runs yet */
        return instantiate(instance);
    engine_enter();
    result = instantiate(instance);
    engine_leave();
    return result;
}

static int make_again(struct process *process, struct instance *instance)
{
    instance->process = process;
    process->engine = instance;
    instance->exited = instance->over_ceiling = false;
    wasmtime_context_set_epoch_deadline(instance->context, 1);
    /* What the engine asked for when the instance was new. */
    if (!process_charge(process, instance->table_bytes) ||
        on_growth(instance, RT_GROW_MEMORY, 0, instance->first_size, UINT64_MAX) != 1)
        return instance->over_ceiling ? ERRNO_AGAIN : ERRNO_NOMEM;
    instance_refresh(instance, instance->context);
    return 0;
}

int instance_make(struct process *process)
{
    struct instance *instance = warm_take(process->image);
    return instance ? make_again(process, instance) : make_new(process);
}

bool instance_set_stack(struct instance *instance, int32_t stack_pointer)
{
    wasmtime_val_t value = {.kind = WASMTIME_I32, .of.i32 = stack_pointer};
    wasmtime_error_t *error =
        wasmtime_global_set(instance->context, &instance->stack_pointer, &value);
    if (error)
        wasmtime_error_delete(error);
    return !error;
}

void instance_enter(struct instance *instance, uint32_t fn, uint32_t arg)
{
    wasmtime_val_t values[2] = {{.kind = WASMTIME_I32, .of.i32 = (int32_t)fn},
                                {.kind = WASMTIME_I32, .of.i32 = (int32_t)arg}};
    instance->future = wasmtime_func_call_async(instance->context, &instance->entry, values,
                                                instance->image->own ? 2 : 0, NULL, 0,
                                                &instance->trap, &instance->error);
}

/* Gives back what a process was charged for its memory. */
static void discharge(struct process *process)
{
    kernel_discharge(process->kernel, process->memory_charged);
    process->memory_charged = 0;
}

int instance_abandon(struct process *process, int result)
{
    instance_free(TAKE(process->engine));
    discharge(process);
    return result;
}

static int create(struct process *process)
{
    process->own_abi = process->image->own;
    int result = instance_make(process);
    if (result == 0)
        instance_enter(process->engine, 0, 0);
    return result == 0 ? 0 : instance_abandon(process, result);
}

static enum engine_event ended(struct instance *instance)
{
    struct process *process = instance->process;
    if (process->kernel->stop != STOP_NONE)
        return ENGINE_STOPPED;
    if (instance->exited)
        return ENGINE_EXITED;
    if (!instance->trap && !instance->error)
        return ENGINE_RETURNED;
    char text[sizeof process->trap];
    if (instance->trap)
        take_trap(TAKE(instance->trap), text, sizeof text);
    else
        take_error(TAKE(instance->error), text, sizeof text);
    if (!process->trap[0])
        snprintf(process->trap, sizeof process->trap, "%s", text);
    return ENGINE_TRAPPED;
}

static enum engine_event resume(struct process *process)
{
    struct instance *instance = process->engine;
    bool done = wasmtime_call_future_poll(instance->future);
    process->kernel->on_fiber = false;
    if (done)
        return ended(instance);
    return process->request.state == REQUEST_PENDING ? ENGINE_PARKED : ENGINE_PREEMPTED;
}

static void destroy(struct process *process)
{
    struct instance *instance = process->engine;
    process->engine = NULL;
    process->memory.base = NULL;
    process->memory.size = 0;
    if (!warm_keep(instance))
        instance_free(instance);
    discharge(process);
}

const struct engine_ops wasm_engine = {create, instance_clone, resume, destroy};
