/* runtime.h - the functions that wasmtime's C API lacks, made in rust/runtime.
 *
 * They stand beside wasmtime.h in one static library.  None of them prints, and none lets a Rust
 * panic out: it becomes an error.  (A panic inside wasmtime's own C functions aborts.)
 *
 * Errors: where a function takes ERR and ERR_SIZE, a failure leaves one line of UTF-8 there, cut to
 * fit and ended with a NUL; ERR may be NULL.  On success it is untouched.
 *
 * Threads: engines, modules and linkers may be shared once made; a store and everything in it
 * belongs to one thread at a time.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef ENGINE_RUNTIME_H
#define ENGINE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wasm.h>
#include <wasmtime.h>

enum rt_kind {
    RT_KIND_FAST = 0,  /* guard pages, signals, copy-on-write images, 4 GiB reserved a memory */
    RT_KIND_PLAIN = 1, /* none of these: for hosts that refuse them */
};

/* What an engine is made of.  Zero it first; a zero means what the comment says.
 *
 * A pool is for RT_KIND_FAST.  Without one, memories and stacks are mapped when they are needed.
 */
struct rt_engine_options {
    int32_t kind;                   /* enum rt_kind */
    uint32_t total_instances;       /* 0: no pool, and the other figures of the pool are ignored */
    uint32_t total_memories;        /* slots of the pool */
    uint32_t total_tables;          /* a program takes one for each of its tables, up to 4 */
    uint32_t total_stacks;          /* live fibers */
    uint32_t max_unused_warm_slots; /* free slots that keep their image and resident pages */
    uint64_t max_memory_bytes;      /* ceiling of one memory; at most 4 GiB, the reservation */
    uint64_t table_elements;        /* ceiling of one table */
    uint64_t linear_memory_keep_resident;
    uint64_t table_keep_resident;
    uint64_t async_stack_keep_resident; /* counts only with async_stack_zeroing */
    uint64_t async_stack_size;          /* 0: 2 MiB */
    uint64_t max_wasm_stack;            /* 0: 512 KiB; at most async_stack_size */
    uint64_t decommit_batch_size;       /* 0: 1 */
    bool async_stack_zeroing;
    bool pagemap_scan; /* used where the kernel has it */
};

/* Make an engine; free it with wasm_engine_delete().  NULL: the options contradict each other, or
 * the pool's address space cannot be had. */
wasm_engine_t *rt_engine_new(const struct rt_engine_options *options, char *err, size_t err_size);

/* True: the kernel has PAGEMAP_SCAN and lets this process use it. */
bool rt_pagemap_scan_available(void);

/* Load an image that lies in this process for good, without a copy.
 *
 * IMAGE is aligned to a page and readable; its code is made executable where it is.  One image can
 * be loaded once in a process: keep the module, and clone it with wasmtime_module_clone().
 * The bytes are trusted native code made by capful-compile with the engine's kind.  NULL: another
 * kind or version, a processor that lacks what the image needs, or mprotect() refused.
 */
wasmtime_module_t *rt_module_in_place(const wasm_engine_t *engine, const void *image, size_t len,
                                      char *err, size_t err_size);

/* Say that the LEN bytes at START are a mapping of the file FD from OFFSET on, and that the file
 * cannot change as long as the process lives: memory of images that lie there is then mapped from
 * the file, instead of being copied first.  Takes FD.  Before rt_module_in_place; the first call
 * counts. */
void rt_image_file(const void *start, size_t len, int fd, uint64_t offset);

/* The same for bytes that may go away: they are copied. */
wasmtime_module_t *rt_module_from_bytes(const wasm_engine_t *engine, const void *image, size_t len,
                                        char *err, size_t err_size);

enum rt_grow {
    RT_GROW_MEMORY = 0, /* figures in bytes */
    RT_GROW_TABLE = 1,  /* figures in elements */
};

/* May this memory or table grow?  Asked also for the first size, with CURRENT 0.  MAXIMUM is what
 * the program itself declared, or UINT64_MAX.  Return 1 to allow, 0 to refuse (memory.grow gives
 * -1), -1 to stop the guest. */
typedef int (*rt_grow_fn)(void *env, int what, uint64_t current, uint64_t desired,
                          uint64_t maximum);

/* Have FN asked before anything in STORE grows.  Call it before anything is instantiated there.
 * False: a NULL argument. */
bool rt_store_limiter(wasmtime_store_t *store, rt_grow_fn fn, void *env);

/* What start and poll return. */
enum rt_call {
    RT_CALL_STOP = -1,   /* the guest is stopped: exit, kill, a limit */
    RT_CALL_PENDING = 0, /* not yet */
    RT_CALL_DONE = 1,    /* *ret is the result */
};

/* Begin a call: decode ARGS (an i32 is zero-extended) and either finish it, stop the guest, or
 * store a token and return RT_CALL_PENDING.  CALLER is good until start returns; the token must be
 * good until poll has answered something else, or the call's future is deleted. */
typedef int (*rt_start_fn)(void *env, wasmtime_caller_t *caller, const uint64_t *args, int32_t *ret,
                           void **ret_token);

/* Go on with a pending call.  Runs on the guest's fiber each time the future is polled after the
 * call has suspended, so it does no more than look whether the answer is there. */
typedef int (*rt_poll_fn)(void *token, int32_t *ret);

/* Define an import that may block.
 *
 * PARAMS has one letter a parameter: i for i32, I for i64; there is one result, an i32.  The known
 * signatures are those of WASI preview 1, of up to ten i32, and: I Ii iI iiI iiiI.
 * False: a signature that is not known, a name that is taken, or a NULL argument (ENV may be NULL).
 */
bool rt_linker_define_blocking(wasmtime_linker_t *linker, const char *module, const char *name,
                               const char *params, rt_start_fn start, rt_poll_fn poll, void *env);

/* True: a call ended because start, poll or a grow function stopped the guest.  Borrows ERROR. */
bool rt_error_is_stop(const wasmtime_error_t *error);

/* What the memory of a fresh instance of MODULE holds from *RET_OFFSET on; all else is zero. The
   bytes live as long as the module. False if instantiation computes it, or there are several. */
bool rt_module_memory(const wasmtime_module_t *module, const uint8_t **ret_bytes, size_t *ret_len,
                      uint64_t *ret_offset);

/* Calls FN for each import of MODULE, in order, with the module and the name that it asks for.
 * False: FN answered false, and no other was asked. */
typedef bool (*rt_import_fn)(void *env, const char *module, size_t module_len, const char *name,
                             size_t name_len);
bool rt_module_imports(const wasmtime_module_t *module, rt_import_fn fn, void *env);

/* Where the stack lies that STORE keeps for its next asynchronous call. False if it keeps none. */
bool rt_store_stack(wasmtime_store_t *store, uintptr_t *ret_start, uintptr_t *ret_end);

#endif
