/* Traps arrive as signals. wasmtime puts its handlers in when the engine is made; a handler that
 * the host installs later (Python's faulthandler, a crash reporter) would turn every guest trap
 * into a crash of the process.
 *
 * So before guests run we look: where wasmtime's handler was displaced, one of ours goes in front.
 * It gives faults whose program counter lies in guest code to wasmtime and everything else to the
 * handler that it displaced.
 */
#include "engine/internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#define CODE_RANGES 64

static const int trap_signals[] = {SIGSEGV, SIGILL, SIGFPE};
enum { TRAP_SIGNALS = sizeof trap_signals / sizeof trap_signals[0] };

static struct sigaction engine_action[TRAP_SIGNALS]; /* wasmtime's */
static struct sigaction host_action[TRAP_SIGNALS];   /* whom ours stands before */
static _Atomic int remembered;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Read in the handler: only ever grows, slots are reused by setting start to 0 first. */
static struct {
    _Atomic uintptr_t start;
    _Atomic uintptr_t end;
} code[CODE_RANGES];

static bool in_guest_code(uintptr_t pc)
{
    for (int i = 0; i < CODE_RANGES; i++) {
        uintptr_t start = atomic_load_explicit(&code[i].start, memory_order_acquire);
        if (start && pc >= start && pc < atomic_load_explicit(&code[i].end, memory_order_acquire))
            return true;
    }
    return false;
}

static uintptr_t program_counter(const void *context)
{
    const ucontext_t *uc = context;
#if defined(__x86_64__)
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)uc->uc_mcontext.pc;
#else
    (void)uc;
    return 0;
#endif
}

static void forward(const struct sigaction *action, int number, siginfo_t *info, void *context)
{
    if (action->sa_flags & SA_SIGINFO) {
        action->sa_sigaction(number, info, context);
    } else if (action->sa_handler == SIG_DFL || action->sa_handler == SIG_IGN) {
        /* A fault that is ignored would repeat for ever: the default ends the process, as it
         * should. */
        signal(number, SIG_DFL);
    } else {
        action->sa_handler(number);
    }
}

static void front(int number, siginfo_t *info, void *context)
{
    int i = 0;
    while (i < TRAP_SIGNALS - 1 && trap_signals[i] != number)
        i++;
    forward(in_guest_code(program_counter(context)) ? &engine_action[i] : &host_action[i], number,
            info, context);
}

void signals_installed(void)
{
    for (int i = 0; i < TRAP_SIGNALS; i++)
        sigaction(trap_signals[i], NULL, &engine_action[i]);
    atomic_store(&remembered, 1);
}

static bool displaced(int i, struct sigaction *now)
{
    if (sigaction(trap_signals[i], NULL, now) != 0)
        return false;
    bool with_info = (now->sa_flags & SA_SIGINFO) != 0;
    return !(with_info &&
             (now->sa_sigaction == engine_action[i].sa_sigaction || now->sa_sigaction == front));
}

void signals_ensure(void)
{
    if (!atomic_load_explicit(&remembered, memory_order_acquire))
        return;
    for (int i = 0; i < TRAP_SIGNALS; i++) {
        struct sigaction now;
        if (!displaced(i, &now))
            continue;
        pthread_mutex_lock(&mutex);
        if (displaced(i, &now)) {
            struct sigaction ours;
            memset(&ours, 0, sizeof ours);
            host_action[i] = now;
            ours.sa_sigaction = front;
            ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
            sigemptyset(&ours.sa_mask);
            sigaction(trap_signals[i], &ours, NULL);
        }
        pthread_mutex_unlock(&mutex);
    }
}

void signals_add_code(const void *start, size_t len)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < CODE_RANGES; i++) {
        if (atomic_load(&code[i].start))
            continue;
        atomic_store_explicit(&code[i].end, (uintptr_t)start + len, memory_order_release);
        atomic_store_explicit(&code[i].start, (uintptr_t)start, memory_order_release);
        break;
    }
    pthread_mutex_unlock(&mutex);
}

void signals_remove_code(const void *start)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < CODE_RANGES; i++) {
        if (atomic_load(&code[i].start) == (uintptr_t)start)
            atomic_store_explicit(&code[i].start, 0, memory_order_release);
    }
    pthread_mutex_unlock(&mutex);
}
