/* What the files of this room share. */
#ifndef CAPFUL_ENGINE_INTERNAL_H
#define CAPFUL_ENGINE_INTERNAL_H

#include <wasm.h>
#include <wasmtime.h>

#include "engine/engine.h"
#include "engine/runtime.h"
#include "kernel/kernel.h"

struct image {
    char name[16];
    wasmtime_module_t *module;
    wasmtime_instance_pre_t *pre;
    bool own;                /* one of our guests: entry(fn, arg), module "capful" */
    const uint8_t *pristine; /* memory of a fresh instance, for clone; made when first needed */
    size_t pristine_size;
};

/* One process as the engine knows it: process->engine. */
struct instance {
    struct process *process;
    struct image *image;
    wasmtime_store_t *store;
    wasmtime_context_t *context;
    wasmtime_call_future_t *future;
    wasmtime_memory_t memory;
    wasmtime_func_t entry;
    wasmtime_global_t stack_pointer;
    bool has_stack_pointer;
    bool memory_stale; /* it grew: base and size must be asked for again */
    bool exited;       /* by proc_exit */
    bool holds_slot;
    bool over_ceiling;    /* the process-wide ceiling of memory refused it */
    uint64_t memory_held; /* of that ceiling */
    int32_t clone_stack;  /* the caller's stack pointer at proc_clone */
    wasm_trap_t *trap;
    wasmtime_error_t *error;
};

wasm_engine_t *engine_get(void);
wasmtime_linker_t *engine_linker(void);
bool engine_take_slot(void);
void engine_give_slot(void);
/* The ceiling of the whole process; false when it would be passed. */
bool engine_take_memory(uint64_t bytes);
void engine_give_memory(uint64_t bytes);

wasmtime_linker_t *link_new(wasm_engine_t *engine, struct capful_error *err);
int image_finish(struct image *image, struct capful_error *err); /* module is set: makes `pre` */

/* A fresh instance of image for instance->process, its exports looked up; errno of the guest. */
int instance_make(struct instance *instance);
void instance_enter(struct instance *instance, uint32_t fn, uint32_t arg);
void instance_refresh(struct instance *instance, wasmtime_context_t *context);
struct instance *instance_new(struct process *process);
void instance_free(struct instance *instance);
int instance_abandon(struct instance *instance,
                     int result); /* one that could not start; answers result */
int instance_clone(struct process *parent, struct process *child, uint32_t fn, uint32_t arg);

/* Takes the message out of what wasmtime answered and frees it. */
void take_error(wasmtime_error_t *error, char *text, size_t size);
void take_trap(wasm_trap_t *trap, char *text, size_t size);

void clone_fork_child(void);
void ticker_fork_child(void);
void ticker_enter(wasm_engine_t *engine);
void ticker_leave(void);

void signals_installed(void); /* after wasmtime put its handlers in: remembers them */
void signals_add_code(const void *start, size_t len);
void signals_remove_code(const void *start);
void signals_ensure(void);

#endif
