/* Unit tests in one header: each TEST registers itself, runs in a process of its own and prints a
 * line of TAP.
 *
 *     #include "tap.h"
 *     TEST(map_finds_what_was_put) { EQ(map_count(&map), 1); ASSERT(found); STR_EQ(found->name,
 * "x"); }
 *
 * The header brings main, too (weak, so that a helper file may include it as well). `test [WORD…]`
 * runs the tests whose names hold one of the words, `test -l` lists them; TAP_NOFORK=1 runs them in
 * this process, for a debugger, and TAP_SECONDS changes the time that one may take (20).
 *
 * OK, EQ, STR_EQ, MEM_EQ note a failure and go on; ASSERT… end the test. All print both values.
 */
#ifndef CAPFUL_TESTS_TAP_H
#define CAPFUL_TESTS_TAP_H

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct tap_test {
    const char *name;
    void (*run)(void);
    struct tap_test *next;
};

/* What a test and the process that watches it share. */
struct tap_state {
    unsigned failures;
    uint64_t sweep; /* the allocation that fails at the moment; 0 none */
};

#define TAP_SHARED __attribute__((weak))

TAP_SHARED struct tap_test *tap_tests;
TAP_SHARED struct tap_state *tap_state;
TAP_SHARED int tap_in_place;

void tap_register(struct tap_test *test);
void tap_fail(const char *file, int line);
void tap_stop(void);
bool tap_ok(bool ok, const char *file, int line, const char *what);
bool tap_int(int64_t got, int64_t wanted, bool is_unsigned, const char *file, int line,
             const char *what, const char *wanted_what);
bool tap_str(const char *got, const char *wanted, const char *file, int line, const char *what);
bool tap_mem(const void *got, const void *wanted, size_t len, const char *file, int line,
             const char *what);
int tap_main(int argc, char **argv);

#define TEST(name)                                                                                 \
    static void test_##name(void);                                                                 \
    __attribute__((constructor)) static void tap_register_##name(void)                             \
    {                                                                                              \
        static struct tap_test test = {#name, test_##name, NULL};                                  \
        tap_register(&test);                                                                       \
    }                                                                                              \
    static void test_##name(void)

#define TAP_UNSIGNED(a) ((__typeof__(a))-1 > (__typeof__(a))0)
#define TAP_INT(a, b)                                                                              \
    tap_int((int64_t)(a), (int64_t)(b), TAP_UNSIGNED((a) + 0) || TAP_UNSIGNED((b) + 0), __FILE__,  \
            __LINE__, #a, #b)

#define OK(condition)     ((void)tap_ok(!!(condition), __FILE__, __LINE__, #condition))
#define EQ(a, b)          ((void)TAP_INT(a, b))
#define STR_EQ(a, b)      ((void)tap_str(a, b, __FILE__, __LINE__, #a))
#define MEM_EQ(a, b, len) ((void)tap_mem(a, b, len, __FILE__, __LINE__, #a))

#define TAP_NEEDED(passed)                                                                         \
    do {                                                                                           \
        if (!(passed))                                                                             \
            tap_stop();                                                                            \
    } while (0)
#define ASSERT(condition)        TAP_NEEDED(tap_ok(!!(condition), __FILE__, __LINE__, #condition))
#define ASSERT_EQ_INT(a, b)      TAP_NEEDED(TAP_INT(a, b))
#define ASSERT_EQ_STR(a, b)      TAP_NEEDED(tap_str(a, b, __FILE__, __LINE__, #a))
#define ASSERT_EQ_MEM(a, b, len) TAP_NEEDED(tap_mem(a, b, len, __FILE__, __LINE__, #a))

/* Runs the statements again and again, the 1st, 2nd, 3rd … allocation failing, until all of them
 * succeed. The statements must accept either outcome; what they leave allocated is a failure.
 * Include "base/mem.h" first. */
#define FAULT_SWEEP(...)                                                                           \
    for (bool tap_more = true; tap_more;) {                                                        \
        uint64_t tap_blocks = mem_live_blocks();                                                   \
        mem_fail_after(++tap_state->sweep);                                                        \
        do {                                                                                       \
            __VA_ARGS__;                                                                           \
        } while (0);                                                                               \
        tap_more = !TAP_SWEEP_UNUSED();                                                            \
        mem_fail_after(0);                                                                         \
        if (mem_live_blocks() != tap_blocks) {                                                     \
            EQ(mem_live_blocks(), tap_blocks);                                                     \
            tap_stop();                                                                            \
        }                                                                                          \
        if (!tap_more)                                                                             \
            tap_state->sweep = 0;                                                                  \
    }
/* Whether the failure that was ordered is still to come: the sweep has passed the last allocation,
 * so it is the next one. A few more are tried for statements that do not allocate the same each
 * time. */
#define TAP_SWEEP_UNUSED()                                                                         \
    (__extension__({                                                                               \
        bool tap_unused = false;                                                                   \
        for (int tap_try = 0; tap_try < 16 && !tap_unused; tap_try++) {                            \
            void *tap_block = mem_alloc(1);                                                        \
            tap_unused = !tap_block;                                                               \
            mem_free(tap_block);                                                                   \
        }                                                                                          \
        tap_unused;                                                                                \
    }))

/* ------------------------------------------------------------------ the rest is the runner */

TAP_SHARED void tap_register(struct tap_test *test)
{
    struct tap_test **end = &tap_tests;
    while (*end)
        end = &(*end)->next;
    *end = test;
}

TAP_SHARED void tap_fail(const char *file, int line)
{
    tap_state->failures++;
    if (tap_state->sweep)
        printf("#   %s:%d (allocation %" PRIu64 " failed)\n", file, line, tap_state->sweep);
    else
        printf("#   %s:%d\n", file, line);
    fflush(stdout);
}

TAP_SHARED void tap_stop(void)
{
    fflush(stdout);
    _exit(1);
}

TAP_SHARED bool tap_ok(bool ok, const char *file, int line, const char *what)
{
    if (ok)
        return true;
    printf("# %s: false\n", what);
    tap_fail(file, line);
    return false;
}

TAP_SHARED bool tap_int(int64_t got, int64_t wanted, bool is_unsigned, const char *file, int line,
                        const char *what, const char *wanted_what)
{
    if (got == wanted)
        return true;
    if (is_unsigned && (got < 0 || wanted < 0))
        printf("# %s is %" PRIu64 ", not %s = %" PRIu64 "\n", what, (uint64_t)got, wanted_what,
               (uint64_t)wanted);
    else
        printf("# %s is %" PRId64 ", not %s = %" PRId64 "\n", what, got, wanted_what, wanted);
    tap_fail(file, line);
    return false;
}

static inline void tap_quote(const char *text)
{
    if (!text) {
        fputs("NULL", stdout);
        return;
    }
    putchar('"');
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", stdout);
        else if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\')
            printf("\\x%02x", (unsigned char)*text);
        else
            putchar(*text);
    putchar('"');
}

TAP_SHARED bool tap_str(const char *got, const char *wanted, const char *file, int line,
                        const char *what)
{
    if (got == wanted || (got && wanted && strcmp(got, wanted) == 0))
        return true;
    printf("# %s is\n#   ", what);
    tap_quote(got);
    printf(", not\n#   ");
    tap_quote(wanted);
    putchar('\n');
    tap_fail(file, line);
    return false;
}

TAP_SHARED bool tap_mem(const void *got, const void *wanted, size_t len, const char *file, int line,
                        const char *what)
{
    const unsigned char *a = got, *b = wanted;
    size_t at = 0;
    if (len == 0 || (got && wanted && memcmp(a, b, len) == 0))
        return true;
    if (!got || !wanted) {
        printf("# %s is %p, not %p\n", what, got, wanted);
    } else {
        while (a[at] == b[at])
            at++;
        printf("# %s differs at byte %zu of %zu: ", what, at, len);
        for (size_t i = at; i < len && i < at + 16; i++)
            printf("%02x ", a[i]);
        printf("not ");
        for (size_t i = at; i < len && i < at + 16; i++)
            printf("%02x ", b[i]);
        putchar('\n');
    }
    tap_fail(file, line);
    return false;
}

static inline void tap_child(const struct tap_test *test)
{
    const char *seconds = getenv("TAP_SECONDS");
    alarm(seconds ? (unsigned)atoi(seconds) : 20);
    test->run();
    fflush(stdout);
    exit(tap_state->failures != 0); /* not _exit: a leak checker has its say */
}

static inline bool tap_run(const struct tap_test *test)
{
    int status;
    pid_t child;
    memset(tap_state, 0, sizeof *tap_state);
    if (tap_in_place) {
        test->run();
        return tap_state->failures == 0;
    }
    fflush(stdout);
    child = fork();
    if (child == 0)
        tap_child(test);
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("# %s could not be started\n", test->name);
        return false;
    }
    if (WIFSIGNALED(status)) {
        printf("# %s\n",
               WTERMSIG(status) == SIGALRM ? "took too long" : strsignal(WTERMSIG(status)));
        if (tap_state->sweep)
            printf("#   (allocation %" PRIu64 " failed)\n", tap_state->sweep);
    } else if (WEXITSTATUS(status) && tap_state->failures == 0) {
        printf("# exit status %d\n", WEXITSTATUS(status));
    }
    return status == 0;
}

static inline bool tap_wanted(const struct tap_test *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(test->name, argv[i]))
            return true;
    return argc < 2;
}

TAP_SHARED int tap_main(int argc, char **argv)
{
    unsigned number = 0, failed = 0;
    bool list = argc > 1 && strcmp(argv[1], "-l") == 0;
    tap_in_place = getenv("TAP_NOFORK") != NULL;
    tap_state =
        mmap(NULL, sizeof *tap_state, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tap_state == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    for (const struct tap_test *test = tap_tests; test; test = test->next) {
        if (list) {
            puts(test->name);
        } else if (tap_wanted(test, argc, argv)) {
            bool passed = tap_run(test);
            failed += !passed;
            printf("%sok %u - %s\n", passed ? "" : "not ", ++number, test->name);
        }
    }
    if (list)
        return 0;
    printf("1..%u\n", number);
    if (number == 0)
        puts("# no such test");
    if (failed)
        printf("# %u of %u failed\n", failed, number);
    return failed || number == 0;
}

TAP_SHARED int main(int argc, char **argv)
{
    return tap_main(argc, argv);
}

#endif
