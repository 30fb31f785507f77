/* An engine of C functions, see fake_engine.h. Each guest is a coroutine; sanitizers are told when
 * stacks change. */
#include "fake_engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#endif
#ifdef ASAN
#include <sanitizer/common_interface_defs.h>
#define STACK (512u << 10)
#else
#define STACK (128u << 10)
#endif

struct fake_engine_state fake_engine_state;

static void enter_guest(struct fake *guest)
{
#ifdef ASAN
    __sanitizer_start_switch_fiber(&guest->asan_driver, guest->stack, STACK);
#endif
    swapcontext(&guest->driver, &guest->context);
#ifdef ASAN
    __sanitizer_finish_switch_fiber(guest->asan_driver, NULL, NULL);
#endif
}

/* `last`: it never comes back, its stack is done with. */
static void leave_guest(struct fake *guest, enum engine_event event, bool last)
{
    guest->event = event;
#ifdef ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &guest->asan_guest, guest->driver_stack,
                                   guest->driver_stack_size);
#else
    (void)last;
#endif
    swapcontext(&guest->context, &guest->driver);
#ifdef ASAN
    __sanitizer_finish_switch_fiber(guest->asan_guest, &guest->driver_stack,
                                    &guest->driver_stack_size);
#endif
}

static void begin(unsigned high, unsigned low)
{
    struct fake *guest = (struct fake *)(uintptr_t)((uint64_t)high << 32 | low);
#ifdef ASAN
    __sanitizer_finish_switch_fiber(NULL, &guest->driver_stack, &guest->driver_stack_size);
#endif
    guest->entry(guest, guest->arg);
    leave_guest(guest, ENGINE_RETURNED, true);
}

static int make(struct process *process, uint32_t function, uint32_t arg)
{
    if (fake_engine_state.fail_after && --fake_engine_state.fail_after == 0)
        return fake_engine_state.fail_errno;
    struct image *image = process->image;
    uint32_t size = image->memory ? image->memory : FAKE_MEMORY;
    if (function >= FAKE_FUNCTIONS || !image->functions[function])
        return ERRNO_INVAL;
    if (!process_charge(process, size))
        return ERRNO_NOMEM;
    struct fake *guest = mem_zalloc(sizeof *guest);
    if (!guest)
        return ERRNO_NOMEM;
    guest->memory = mem_zalloc(size);
    guest->stack = mem_alloc(STACK);
    if (!guest->memory || !guest->stack) {
        mem_free(guest->memory);
        mem_free(guest->stack);
        mem_free(guest);
        return ERRNO_NOMEM;
    }
    guest->process = process;
    guest->size = size;
    guest->top = 16; /* 0 stays free: a null pointer */
    guest->entry = image->functions[function];
    guest->arg = arg;
    getcontext(&guest->context);
    guest->context.uc_stack.ss_sp = guest->stack;
    guest->context.uc_stack.ss_size = STACK;
    guest->context.uc_link = NULL;
    uint64_t address = (uint64_t)(uintptr_t)guest;
    makecontext(&guest->context, (void (*)(void))begin, 2, (unsigned)(address >> 32),
                (unsigned)address);
    process->engine = guest;
    process->own_abi = image->own;
    process->memory.base = guest->memory;
    process->memory.size = size;
    fake_engine_state.alive++;
    fake_engine_state.created++;
    return 0;
}

static int create(struct process *process)
{
    return make(process, 0, 0);
}

static int clone_process(struct process *parent, struct process *child, uint32_t fn, uint32_t arg)
{
    struct fake *from = parent->engine, *to;
    int result = make(child, fn, arg);
    if (result != 0)
        return result;
    to = child->engine;
    memcpy(to->memory, from->memory, from->size);
    to->top = from->top;
    return 0;
}

static enum engine_event resume(struct process *process)
{
    struct fake *guest = process->engine;
    enter_guest(guest);
    return guest->event;
}

static void destroy(struct process *process)
{
    struct fake *guest = process->engine;
    process->engine = NULL;
    process->memory = (struct guest_memory){NULL, 0};
    fake_engine_state.alive--;
    mem_free(guest->memory);
    mem_free(guest->stack);
    mem_free(guest);
}

const struct engine_ops fake_engine = {create, clone_process, resume, destroy};

/* ---- from the guest */

int fake_call_raw(struct fake *guest, int number, const uint64_t *args)
{
    struct process *process = guest->process;
    struct kernel *kernel = process->kernel;
    if (process->request.state != REQUEST_NONE)
        fake_trap(guest, "system call while one is pending");
    kernel->on_fiber = true;
    kernel->current = process;
    int result = syscall_invoke(&syscalls[number], process, args);
    kernel->on_fiber = false;
    if (result == SYS_EXIT) {
        snprintf(process->trap, sizeof process->trap, "exit");
        leave_guest(guest, kernel->stop != STOP_NONE ? ENGINE_STOPPED : ENGINE_TRAPPED, true);
    }
    return result;
}

int fake_park(struct fake *guest)
{
    struct request *request = &guest->process->request;
    if (request->state == REQUEST_NONE)
        return ERRNO_INVAL;
    while (request->state != REQUEST_ANSWERED)
        leave_guest(guest, ENGINE_PARKED, false);
    request->state = REQUEST_NONE;
    return request->result;
}

int fake_call_array(struct fake *guest, int number, const uint64_t *args)
{
    int result = fake_call_raw(guest, number, args);
    return result == SYS_PARK ? fake_park(guest) : result;
}

void fake_preempt(struct fake *guest)
{
    leave_guest(guest, ENGINE_PREEMPTED, false);
}

void fake_exit(struct fake *guest, uint32_t code)
{
    syscall_exit(guest->process, code);
    leave_guest(guest, ENGINE_EXITED, true);
    abort();
}

void fake_trap(struct fake *guest, const char *text)
{
    snprintf(guest->process->trap, sizeof guest->process->trap, "%s", text);
    leave_guest(guest, ENGINE_TRAPPED, true);
    abort();
}

void fake_fail(struct fake *guest, const char *text)
{
    snprintf(guest->process->trap, sizeof guest->process->trap, "%s", text);
    leave_guest(guest, ENGINE_FAILED, true);
    abort();
}

uint32_t fake_alloc(struct fake *guest, uint32_t len)
{
    uint32_t at = guest->top;
    if (len > guest->size - at)
        fake_trap(guest, "the test uses more guest memory than there is");
    guest->top = (at + len + 7) & ~7u;
    if (guest->top > guest->size)
        guest->top = guest->size;
    return at;
}

uint32_t fake_data(struct fake *guest, const void *data, uint32_t len)
{
    uint32_t at = fake_alloc(guest, len);
    if (len > 0)
        memcpy(guest->memory + at, data, len);
    return at;
}

uint32_t fake_text(struct fake *guest, const char *text)
{
    return fake_data(guest, text, (uint32_t)strlen(text));
}

void *fake_at(struct fake *guest, uint32_t address)
{
    return guest->memory + address;
}

uint32_t fake_u32(struct fake *guest, uint32_t address)
{
    uint32_t value;
    memcpy(&value, guest->memory + address, sizeof value);
    return value;
}

uint64_t fake_u64(struct fake *guest, uint32_t address)
{
    uint64_t value;
    memcpy(&value, guest->memory + address, sizeof value);
    return value;
}

/* Each shortcut gives its memory back. */
int64_t fake_write(struct fake *guest, uint32_t fd, const void *data, uint32_t len)
{
    uint32_t mark = guest->top, at = fake_data(guest, data, len), pair[2] = {at, len};
    uint32_t list = fake_data(guest, pair, sizeof pair), done = fake_alloc(guest, 4);
    int result = fake_call(guest, SYS_fd_write, fd, list, 1, done);
    guest->top = mark;
    return result == 0 ? (int64_t)fake_u32(guest, done) : -(int64_t)result;
}

int64_t fake_read(struct fake *guest, uint32_t fd, void *buffer, uint32_t size)
{
    uint32_t mark = guest->top, at = fake_alloc(guest, size), pair[2] = {at, size};
    uint32_t list = fake_data(guest, pair, sizeof pair), done = fake_alloc(guest, 4);
    int result = fake_call(guest, SYS_fd_read, fd, list, 1, done);
    guest->top = mark;
    if (result != 0)
        return -(int64_t)result;
    uint32_t n = fake_u32(guest, done);
    if (buffer && n > 0)
        memcpy(buffer, guest->memory + at, n);
    return n;
}

int64_t fake_open(struct fake *guest, uint32_t dir, const char *path, uint32_t oflags,
                  uint64_t rights)
{
    uint32_t mark = guest->top, at = fake_text(guest, path), fd = fake_alloc(guest, 4);
    int result =
        fake_call(guest, SYS_path_open, dir, 1, at, strlen(path), oflags, rights, rights, 0, fd);
    guest->top = mark;
    return result == 0 ? (int64_t)fake_u32(guest, fd) : -(int64_t)result;
}

int fake_pipe(struct fake *guest, uint32_t ends[2])
{
    uint32_t mark = guest->top, at = fake_alloc(guest, 8);
    int result = fake_call(guest, SYS_fd_pipe, 0, at);
    guest->top = mark;
    memcpy(ends, guest->memory + at, 8);
    return result;
}

int32_t fake_clone(struct fake *guest, uint32_t fn, uint32_t arg)
{
    uint32_t mark = guest->top, pid = fake_alloc(guest, 4);
    int result = fake_call(guest, SYS_proc_clone, fn, arg, pid);
    guest->top = mark;
    return result == 0 ? (int32_t)fake_u32(guest, pid) : -result;
}

int32_t fake_spawn(struct fake *guest, const char *program, uint32_t arg)
{
    uint32_t mark = guest->top;
    char argv[64];
    int len = snprintf(argv, sizeof argv, "%s%c%u", program, 0, arg) + 1;
    struct capful_fd_map maps[3];
    uint32_t count = 0;
    for (uint32_t fd = 0; fd < 3; fd++) {
        if (fdtab_get(&guest->process->fds, fd))
            maps[count++] = (struct capful_fd_map){fd, fd};
    }
    struct capful_spawn spawn = {
        .program = fake_text(guest, program),
        .program_len = (uint32_t)strlen(program),
        .argv = fake_data(guest, argv, (uint32_t)len),
        .argv_len = (uint32_t)len,
        .fds = fake_data(guest, maps, (uint32_t)(count * sizeof maps[0])),
        .fd_count = count,
    };
    uint32_t at = fake_data(guest, &spawn, sizeof spawn), pid = fake_alloc(guest, 4);
    int result = fake_call(guest, SYS_proc_spawn, at, pid);
    guest->top = mark;
    return result == 0 ? (int32_t)fake_u32(guest, pid) : -result;
}

int32_t fake_wait(struct fake *guest, int32_t which, uint32_t options, uint32_t *ret_status)
{
    uint32_t mark = guest->top, at = fake_alloc(guest, sizeof(struct capful_wait));
    int result = fake_call(guest, SYS_proc_wait, (uint32_t)which, options, at);
    guest->top = mark;
    if (result != 0)
        return -result;
    if (ret_status)
        *ret_status = fake_u32(guest, at + 4);
    return (int32_t)fake_u32(guest, at);
}

/* ---- the box */

void fake_limits(struct capful_limits *limits)
{
#define LIMIT(name, unit, value, text) limits->name = value;
#include "abi/limits.def"
#undef LIMIT
}

static struct image *find_image(void *owner, struct str name)
{
    struct fake_box *box = owner;
    for (int i = 0; i < 4; i++) {
        if (box->images[i] && str_equal(name, str_of(box->images[i]->name)))
            return box->images[i];
    }
    return NULL;
}

void fake_box_init(struct fake_box *box)
{
    memset(box, 0, sizeof *box);
    fake_limits(&box->limits);
    box->context.io = &box->io;
    box->context.find_image = find_image;
    box->context.owner = box;
    buf_init(&box->io.value, 1u << 20);
    buf_init(&box->io.error, 1u << 20);
    if (kernel_init(&box->kernel, &fake_engine, NULL, &box->limits) != 0)
        abort();
    box->kernel.context = &box->context;
}

void fake_box_release(struct fake_box *box)
{
    kernel_release(&box->kernel);
    buf_release(&box->io.value);
    buf_release(&box->io.error);
}

struct process *fake_box_start(struct fake_box *box, struct image *image)
{
    struct process *process;
    box->kernel.limits = box->limits;
    if (process_new(&box->kernel, NULL, image, &process) != 0)
        return NULL;
    if (process_start(process) == 0)
        return process;
    process_discard(process);
    return NULL;
}

static void must_hold(struct kernel *kernel)
{
    const char *wrong = kernel_check(kernel);
    if (!wrong)
        return;
    fprintf(stderr, "kernel invariant broken: %s\n", wrong);
    abort();
}

enum sched_state fake_box_run(struct fake_box *box)
{
    struct kernel *kernel = &box->kernel;
    for (;;) {
        enum sched_state state = kernel_run(kernel);
        must_hold(kernel);
        if (state != KERNEL_IDLE && state != KERNEL_ASKED)
            return state;
        kernel_advance(kernel);
        must_hold(kernel);
        if (!kernel->run_first &&
            (kernel->clock == CLOCK_FIXED || kernel_next_timer(kernel) == UINT64_MAX))
            return KERNEL_IDLE;
        if (kernel_must_stop(kernel))
            return KERNEL_STOPPED;
    }
}

uint32_t fake_box_exit_code(const struct fake_box *box)
{
    const struct process *init = box->kernel.init;
    return init && init->state == PROCESS_ZOMBIE ? init->exit_code : UINT32_MAX;
}
