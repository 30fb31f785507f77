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
    bool own;      /* one of our guests: entry(fn, arg), module "capful" */
    bool reusable; /* an instance is fresh again when its memory and stack pointer are */
    /* What the memory of a fresh instance holds, in whole pages; all else is zero. NULL: nobody
     * knows. */
    const uint8_t *initial;
    size_t initial_at;
    size_t initial_len;
};
#define IMAGE_PAGE 4096u

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
    int32_t first_stack;  /* what a fresh instance has */
    size_t first_size;
    uint64_t table_bytes; /* of the host's memory, for all its tables */
    const void *home;     /* the thread that kept it */
    unsigned uses;        /* small processes that it served: a count for trims of its stack */
    unsigned spare_runs;  /* processes in turn that needed less memory than is kept */
    wasm_trap_t *trap;
    wasmtime_error_t *error;
};

wasm_engine_t *engine_get(void);
uint32_t engine_slots(void); /* of the pool */
bool engine_take_slot(void);
void engine_give_slot(void);
void engine_tell_waiters(void); /* a slot can be had again */
/* The ceiling of the whole process; false when it would be passed. */
bool engine_take_memory(uint64_t bytes);
void engine_give_memory(uint64_t bytes);

/* Binds what module imports to the system calls. EINVAL: it imports something else. */
int link_module(wasm_engine_t *engine, const wasmtime_module_t *module,
                wasmtime_instance_pre_t **ret, struct capful_error *err);

/* Makes process->engine a fresh instance of its image, its exports looked up; errno of the guest.
 * On failure, too, it may be set: instance_abandon. */
int instance_make(struct process *process);
void instance_enter(struct instance *instance, uint32_t fn, uint32_t arg);
void instance_refresh(struct instance *instance, wasmtime_context_t *context);
/* Ends the call that it is in and gives back what it held for its process. */
void instance_settle(struct instance *instance);
void instance_free(struct instance *instance);
int instance_abandon(struct process *process, int result); /* answers result */
int32_t instance_get_stack(struct instance *instance, wasmtime_context_t *context);
bool instance_set_stack(struct instance *instance, int32_t stack_pointer);
int instance_clone(struct process *parent, struct process *child, uint32_t fn, uint32_t arg);

/* One that waits for a process of this image, or NULL. */
struct instance *warm_take(const struct image *image);
/* Makes an instance fresh and keeps it; false if that cannot be: it is to be freed. */
bool warm_keep(struct instance *instance);
bool warm_drop_one(void); /* gives a slot back; false if none is kept */
void warm_drop_image(const struct image *image);
void warm_fork_prepare(void);
void warm_fork_parent(void);
void warm_fork_child(void);

/* The first contents of a page of memory. */
const uint8_t *image_page(const struct image *image, size_t at);
/* Calls fn for each run of pages in base[0, size) that were written. False: the kernel cannot tell,
 * or fn answered false. */
typedef bool (*dirty_fn)(void *context, size_t start, size_t end);
bool dirty_each(const uint8_t *base, size_t size, dirty_fn fn, void *context);
void dirty_fork_child(void);

/* Takes the message out of what wasmtime answered and frees it. */
void take_error(wasmtime_error_t *error, char *text, size_t size);
void take_trap(wasm_trap_t *trap, char *text, size_t size);

void ticker_fork_child(void);
void ticker_enter(wasm_engine_t *engine);
void ticker_leave(void);

void signals_installed(void); /* after wasmtime put its handlers in: remembers them */
void signals_add_code(const void *start, size_t len);
void signals_remove_code(const void *start);
void signals_ensure(void);

#endif
