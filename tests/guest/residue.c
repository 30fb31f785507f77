/* A guest that looks for what the process before it left, in every place where a program can leave
 * something, and then leaves something there itself.
 *
 *     residue parent COUNT     starts COUNT processes in turn; exit code 1 if one saw anything
 *     residue child            exit code 1, and the place on stdout, if it sees anything
 *
 * Built three times: as it is; with RESIDUE_GLOBAL, where it also uses a global variable of
 * WebAssembly that nobody outside sees; with RESIDUE_TABLE, where it lets a table grow.
 */
#include "../../guest/libc/capful.h"

#include <stddef.h>

enum { LARGE = 200000, PAGE = 65536 };

_Bool capful_running = 1;

#define WORD(p) ((capful_word)(uintptr_t)(p))

static char zeros[LARGE];
static int number = 42;
static int answer(void)
{
    return 42;
}
static int other(void)
{
    return 43;
}
static int (*volatile function)(void) = answer;

static const char *seen;

static void check(_Bool fresh, const char *place)
{
    if (!fresh && !seen)
        seen = place;
}

/* ---- places */

#ifdef RESIDUE_GLOBAL
__asm__(".globaltype hidden_global, i32\n"
        ".globl hidden_global\n"
        "hidden_global:\n");
static int global_get(void)
{
    int value;
    __asm__ volatile("global.get hidden_global\nlocal.set %0" : "=r"(value));
    return value;
}
static void global_set(int value)
{
    __asm__ volatile("local.get %0\nglobal.set hidden_global" : : "r"(value));
}
#else
static int global_get(void)
{
    return 0;
}
static void global_set(int value)
{
    (void)value;
}
#endif

#ifdef RESIDUE_TABLE
__asm__(".tabletype hidden_table, funcref\n"
        ".globl hidden_table\n"
        "hidden_table:\n");
static int table_size(void)
{
    int value;
    __asm__ volatile("table.size hidden_table\nlocal.set %0" : "=r"(value));
    return value;
}
static void table_grow(void)
{
    __asm__ volatile("ref.null_func\ni32.const 3\ntable.grow hidden_table\ndrop");
}
#else
static int table_size(void)
{
    return 0;
}
static void table_grow(void)
{
}
#endif

/* The bytes are computed, so that they stand in no initial memory. */
static char mark_at(size_t i)
{
    return (char)((i % 48) * 37 + 11);
}

static _Bool is_marked(const char *at)
{
    size_t n = 0;
    while (n < 48 && at[n] == mark_at(n))
        n++;
    return n == 48;
}

/* Below this frame: what deeper calls of an earlier process left. */
static __attribute__((noinline)) void mark_stack(void)
{
    volatile char frame[4800];
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = mark_at(i);
}

static void look_everywhere(void)
{
    const char *end = (const char *)(__builtin_wasm_memory_size(0) * PAGE);
    for (const char *at = (const char *)16; at + 48 <= end; at++) {
        if (*at == mark_at(0) && is_marked(at)) {
            check(0, "memory\n");
            return;
        }
    }
}

static void look(void)
{
    look_everywhere();
    for (size_t i = 0; i < LARGE; i++)
        check(zeros[i] == 0, "zeros\n");
    check(number == 42, "data\n");
    check(function() == 42, "function pointer\n");
    check(global_get() == 0, "global\n");
    check(table_size() == 0, "table\n");
}

static void leave(void)
{
    for (size_t i = 0; i < LARGE; i++)
        zeros[i] = mark_at(i);
    number = 7;
    function = other;
    global_set(5);
    table_grow();
    mark_stack();
}

/* ---- processes */

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static void say(const char *text)
{
    struct capful_iovec iov = {WORD(text), (capful_word)length(text)};
    uint32_t n;
    capful_fd_write(1, WORD(&iov), 1, WORD(&n));
}

static int run_child(void)
{
    static const char program[] = "program", argv[] = "program\0child";
    struct capful_spawn spawn = {.program = WORD(program),
                                 .program_len = sizeof program - 1,
                                 .argv = WORD(argv),
                                 .argv_len = sizeof argv};
    struct capful_wait status;
    uint32_t pid = 0;
    if (capful_proc_spawn(WORD(&spawn), WORD(&pid)) != 0 ||
        capful_proc_wait(pid, 0, WORD(&status)) != 0)
        return 1;
    return (int)status.status;
}

CAPFUL_EXPORT(entry) _Noreturn void entry(int32_t fn, int32_t arg);
_Noreturn void entry(int32_t fn, int32_t arg)
{
    static char text[64];
    static capful_word list[4];
    uint32_t failed = 0, count = 0;
    (void)fn, (void)arg;
    capful_args_get(WORD(list), WORD(text));
    const char *what = (const char *)(uintptr_t)list[1];
    if (what[0] == 'c') {
        look();
        if (seen)
            say(seen);
        leave();
        capful_proc_exit(seen != NULL);
    }
    for (const char *p = (const char *)(uintptr_t)list[2]; *p; p++)
        count = count * 10 + (uint32_t)(*p - '0');
    for (uint32_t i = 0; i < count; i++)
        failed += run_child() != 0;
    capful_proc_exit(failed != 0);
}
