/* The system calls as guest code uses them: capful_NAME() for every line of abi/syscalls.def.
 *
 * Each answers a ERRNO_* number. A call that has to wait does so here: the host answers
 * CAPFUL_PARK, and park() suspends the process until the answer is there. Where the guest is built
 * for the host instead (sanitizers, fuzzing), the same names are ordinary functions of a small host
 * file and addresses are as wide as pointers.
 */
#ifndef GUEST_CAPFUL_H
#define GUEST_CAPFUL_H

#include "abi/abi.h"
#include <stdint.h>

#ifdef __wasm__
#define CAPFUL_IMPORT(name) __attribute__((import_module("capful"), import_name(#name)))
#define CAPFUL_EXPORT(name) __attribute__((export_name(#name), visibility("default")))
#else
#define CAPFUL_IMPORT(name)
#define CAPFUL_EXPORT(name)
#endif

typedef uintptr_t capful_word; /* the i32 of a guest: a number, or an address */

struct capful_iovec {
    capful_word base;
    capful_word len;
};

CAPFUL_IMPORT(park) int32_t capful_park(void);
CAPFUL_IMPORT(proc_exit) _Noreturn void capful_proc_exit(int32_t code);

static inline int32_t capful_wait(int32_t answer)
{
    return __builtin_expect(answer == CAPFUL_PARK, 0) ? capful_park() : answer;
}

#include "capful_stubs.h"

/* false while the image is made, when there is no host to call */
extern _Bool capful_running;

#endif
