/* An engine without WebAssembly: guests are C functions on stacks of their own, with guest memory
 * from the heap.
 *
 *     static void child(struct fake *g, uint32_t arg) { fake_exit(g, arg); }
 *     static void shell(struct fake *g, uint32_t arg)
 *     {
 *         uint32_t pid = fake_alloc(g, 4);
 *         EQ(fake_call(g, SYS_proc_clone, 1, 7, pid), 0);   // functions[1] = child
 *     }
 *     static struct image image = {.name = "shell", .own = true, .functions = {shell, child}};
 *
 * A guest makes system calls as compiled code would: when one has to wait the guest is suspended
 * until it is answered. So the kernel and the system calls run under sanitizers, valgrind and
 * fuzzers.
 */
#ifndef CAPFUL_TESTS_FAKE_ENGINE_H
#define CAPFUL_TESTS_FAKE_ENGINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "kernel/kernel.h"
#include "syscall/context.h"
#include "syscall/table.h"

#define FAKE_MEMORY    (256u << 10)
#define FAKE_FUNCTIONS 8

struct fake;
typedef void (*fake_fn)(struct fake *guest, uint32_t arg);

/* The kernel knows no more of an image than its name: this is ours. */
struct image {
    const char *name;
    bool own;
    uint32_t memory;                   /* bytes; 0: FAKE_MEMORY */
    fake_fn functions[FAKE_FUNCTIONS]; /* [0] is the entry; the others are for clone */
};

struct fake {
    struct process *process;
    uint8_t *memory;
    uint32_t size, top; /* fake_alloc gives out from top */
    ucontext_t context, driver;
    void *stack;
    fake_fn entry;
    uint32_t arg;
    enum engine_event event; /* why it gave up the processor */
    void *asan_guest, *asan_driver;
    const void *driver_stack;
    size_t driver_stack_size;
};

extern const struct engine_ops fake_engine;
/* Counts, and faults to be made: the nth create or clone from now answers this errno. */
extern struct fake_engine_state {
    uint32_t alive, created;
    uint32_t fail_after;
    int fail_errno;
} fake_engine_state;

/* One system call with its arguments; missing ones are 0. Answers an errno. */
#define fake_call(guest, number, ...)                                                              \
    fake_call_array(guest, number, (const uint64_t[SYS_MAX_ARGS]){__VA_ARGS__})
int fake_call_array(struct fake *guest, int number, const uint64_t *args);
/* As our own guests call: SYS_PARK comes back, and fake_park waits for the answer. */
int fake_call_raw(struct fake *guest, int number, const uint64_t *args);
int fake_park(struct fake *guest);

uint32_t fake_alloc(struct fake *guest, uint32_t len);
uint32_t fake_text(struct fake *guest, const char *text); /* without its NUL: use strlen */
uint32_t fake_data(struct fake *guest, const void *data, uint32_t len);
void *fake_at(struct fake *guest, uint32_t address);
uint32_t fake_u32(struct fake *guest, uint32_t address);
uint64_t fake_u64(struct fake *guest, uint32_t address);

/* Shortcuts for what many guests do. Lengths come back; an errno is negative. */
int64_t fake_write(struct fake *guest, uint32_t fd, const void *data, uint32_t len);
int64_t fake_read(struct fake *guest, uint32_t fd, void *buffer, uint32_t size);
int64_t fake_open(struct fake *guest, uint32_t dir, const char *path, uint32_t oflags,
                  uint64_t rights);
int fake_pipe(struct fake *guest, uint32_t ends[2]);
int32_t fake_clone(struct fake *guest, uint32_t fn, uint32_t arg); /* pid, or negative errno */
int32_t fake_spawn(struct fake *guest, const char *program,
                   uint32_t arg); /* hands on 0, 1 and 2; argv is program, arg */
int32_t fake_wait(struct fake *guest, int32_t which, uint32_t options, uint32_t *ret_status);

void fake_preempt(struct fake *guest); /* the slice is over */
void fake_exit(struct fake *guest, uint32_t code) __attribute__((noreturn));
void fake_trap(struct fake *guest, const char *text) __attribute__((noreturn));
void fake_fail(struct fake *guest, const char *text)
    __attribute__((noreturn)); /* the engine breaks */

/* One sandbox with nothing in it but a kernel: init, a first process of `image`, and what it left.
 */
struct fake_box {
    struct kernel kernel;
    struct capful_limits limits;
    struct syscall_context context;
    struct run_io io;
    struct image *images[4]; /* what proc_spawn finds by name */
};
void fake_box_init(struct fake_box *box); /* default limits; change them before fake_box_start */
void fake_box_release(struct fake_box *box);
struct process *fake_box_start(struct fake_box *box, struct image *image); /* NULL: refused */
/* Runs until the first process is gone or nothing goes on; time moves when all sleep. Fails the
 * test when an invariant of the kernel is broken on the way. */
enum sched_state fake_box_run(struct fake_box *box);
uint32_t fake_box_exit_code(const struct fake_box *box);
/* The limits of the product's manual, without the library. */
void fake_limits(struct capful_limits *limits);

#endif
