/* The engine: the only room that knows wasmtime. It runs guest programs for the kernel.
 *
 * - engine.c: one wasmtime engine for the whole process, in the kind that the host allows
 * - ticker.c: the thread that moves the epoch while guests run, so that time slices end
 * - signals.c: the trap handlers stay in front, whatever others install
 * - image.c: guest programs, those in the binary and those of the user
 * - link.c: the imports of a guest, from the table of system calls
 * - instance.c: one process is one store, one pooled instance, one fiber
 * - warm.c: instances that are used again
 * - clone.c: the copy of a process
 * - dirty.c: which pages of a memory were written
 *
 * There are two kinds of images of each program. `fast` needs address space for reservations and
 * guard pages, memfd_create for copy-on-write memory, and signal handlers for traps; `plain` needs
 * none of them.
 */
#ifndef CAPFUL_ENGINE_ENGINE_H
#define CAPFUL_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "kernel/engine.h"

struct image;

extern const struct engine_ops wasm_engine;

/* Before the first run. CAPFUL_ESTATE afterwards. */
int engine_configure(const struct capful_engine_options *wanted, struct capful_error *err);
/* Makes the engine if there is none yet; any thread. A failure can be tried again. */
int engine_start(struct capful_error *err);
bool engine_is_fast(void);
/* While guests may run on this thread: the epoch moves, the handlers are in place. */
void engine_enter(void);
void engine_leave(void);
/* Ends the time slice of whatever runs, at once: any thread, also a signal handler. */
void engine_kick(void);
/* Waits until a slot or memory was given back or the time has passed; false when runs are to fail
 * instead of waiting. */
bool engine_wait_slot(uint64_t timeout_ns);

/* A program inside the binary ("js"); loaded when first asked for, lives as long as the process. */
struct image *engine_image(struct str name, struct capful_error *err);
/* A program compiled by capful-compile of this version. The bytes are native code and trusted: they
 * must come from a place that only this user can write. */
int engine_image_load(const void *bytes, size_t len, struct image **ret, struct capful_error *err);
/* It makes the calls of module "capful" as our own guests do, which start paths at the root or the
 * working directory whatever descriptors the program holds. */
bool engine_image_is_own(const struct image *image);
void engine_image_free(struct image *image); /* of engine_image_load, once no process uses it */

#endif
