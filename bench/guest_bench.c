/* A guest that measures the kernel from inside: processes, pipes, files. No libc; system calls of
 * guest/libc/capful.h.
 *
 *     guest_bench spawn|clone|read|pipe|live|write|readback COUNT     prints one number
 *
 * spawn, clone, read: ns for each; pipe, write, readback: MB a second; live: processes that were
 * alive at once.
 */
#include "../guest/libc/capful.h"

#include <stddef.h>

enum { BLOCK = 65536, PIPE_BLOCK = 4096, DIRTY_PAGES = 20, PAGE = 4096 };

_Bool capful_running = 1;

static char block[BLOCK];
static volatile char dirty[DIRTY_PAGES * PAGE];
static char arguments[256];
static capful_word argument_list[8];

#define WORD(p) ((capful_word)(uintptr_t)(p))

/* ------------------------------------------------------------------ small things */

static size_t length(const char *text)
{
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static int equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static uint32_t number(const char *text)
{
    uint32_t n = 0;
    while (*text >= '0' && *text <= '9')
        n = n * 10 + (uint32_t)(*text++ - '0');
    return n;
}

static void say(const char *text, size_t len)
{
    struct capful_iovec iov = {WORD(text), (capful_word)len};
    uint32_t n;
    capful_fd_write(1, WORD(&iov), 1, WORD(&n));
}

static void say_number(uint64_t value)
{
    char text[24];
    size_t at = sizeof text;
    text[--at] = '\n';
    do
        text[--at] = (char)('0' + value % 10);
    while (value /= 10);
    say(text + at, sizeof text - at);
}

static uint64_t now(void)
{
    uint64_t t = 0;
    capful_clock_time_get(1, 0, WORD(&t));
    return t;
}

static _Noreturn void fail(const char *what)
{
    say(what, length(what));
    say(" failed\n", 8);
    capful_proc_exit(1);
}

static uint32_t read_some(uint32_t fd, size_t len)
{
    struct capful_iovec iov = {WORD(block), (capful_word)len};
    uint32_t n = 0;
    return capful_fd_read(fd, WORD(&iov), 1, WORD(&n)) == 0 ? n : 0;
}

static uint32_t write_some(uint32_t fd, size_t len)
{
    struct capful_iovec iov = {WORD(block), (capful_word)len};
    uint32_t n = 0;
    return capful_fd_write(fd, WORD(&iov), 1, WORD(&n)) == 0 ? n : 0;
}

static uint32_t clone_process(int (*fn)(uint32_t), uint32_t argument)
{
    uint32_t pid = 0;
    return capful_proc_clone((capful_word)(uintptr_t)fn, argument, WORD(&pid)) == 0 ? pid : 0;
}

static void wait_for(uint32_t pid)
{
    struct capful_wait status;
    if (capful_proc_wait(pid, 0, WORD(&status)) != 0 || status.status != 0)
        fail("wait");
}

/* ------------------------------------------------------------------ processes */

static int leave(uint32_t argument)
{
    return (int)argument;
}

static void bench_clone(uint32_t count)
{
    uint64_t start = now();
    for (uint32_t i = 0; i < count; i++) {
        for (int page = 0; page < DIRTY_PAGES; page++)
            dirty[page * PAGE]++;
        uint32_t pid = clone_process(leave, 0);
        if (!pid)
            fail("clone");
        wait_for(pid);
    }
    say_number((now() - start) / count);
}

static void bench_spawn(uint32_t count)
{
    static const char program[] = "program", argv[] = "program\0exit";
    struct capful_spawn spawn = {.program = (uint32_t)WORD(program),
                                 .program_len = sizeof program - 1,
                                 .argv = (uint32_t)WORD(argv),
                                 .argv_len = sizeof argv};
    uint64_t start = now();
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pid = 0;
        if (capful_proc_spawn(WORD(&spawn), WORD(&pid)) != 0)
            fail("spawn");
        wait_for(pid);
    }
    say_number((now() - start) / count);
}

static int sleeper(uint32_t fd)
{
    read_some(fd, 1);
    return 0;
}

/* Each waits for a byte that comes when the pipe is closed. */
static void bench_live(uint32_t count)
{
    uint32_t fds[2], live = 0;
    if (capful_fd_pipe(0, WORD(fds)) != 0)
        fail("pipe");
    while (live < count && clone_process(sleeper, fds[0]))
        live++;
    say_number(live);
    capful_proc_exit(0); /* takes the others with it */
}

/* ------------------------------------------------------------------ pipes */

struct pair {
    uint32_t there[2], back[2];
};
static struct pair pair;

static int echo(uint32_t count)
{
    capful_fd_close(pair.there[1]);
    capful_fd_close(pair.back[0]);
    while (count-- && read_some(pair.there[0], 1) == 1)
        write_some(pair.back[1], 1);
    return 0;
}

/* Two processes hand a byte to and fro: each read finds nothing and blocks. */
static void bench_read(uint32_t count)
{
    if (capful_fd_pipe(0, WORD(pair.there)) != 0 || capful_fd_pipe(0, WORD(pair.back)) != 0)
        fail("pipe");
    uint32_t pid = clone_process(echo, count);
    if (!pid)
        fail("clone");
    uint64_t start = now();
    for (uint32_t i = 0; i < count; i++)
        if (write_some(pair.there[1], 1) != 1 || read_some(pair.back[0], 1) != 1)
            fail("read");
    say_number((now() - start) / (2 * (uint64_t)count));
    wait_for(pid);
}

static int fill(uint32_t count)
{
    capful_fd_close(pair.there[0]);
    while (count--)
        if (write_some(pair.there[1], PIPE_BLOCK) != PIPE_BLOCK)
            return 1;
    return 0;
}

static void bench_pipe(uint32_t count)
{
    if (capful_fd_pipe(0, WORD(pair.there)) != 0)
        fail("pipe");
    uint64_t start = now(), total = 0;
    uint32_t pid = clone_process(fill, count), n;
    if (!pid)
        fail("clone");
    capful_fd_close(pair.there[1]);
    while ((n = read_some(pair.there[0], BLOCK)) > 0)
        total += n;
    uint64_t took = now() - start;
    wait_for(pid);
    if (total != (uint64_t)count * PIPE_BLOCK)
        fail("pipe");
    say_number(total * 1000 / took);
}

/* ------------------------------------------------------------------ files */

static uint32_t open_file(uint32_t flags)
{
    static const char path[] = "bench";
    uint32_t fd = 0;
    /* read and write, seek, tell; O_CREAT 1, O_TRUNC 8 */
    uint64_t rights = 1u << 1 | 1u << 2 | 1u << 5 | 1u << 6;
    if (capful_path_open(CAPFUL_AT_CWD, 0, WORD(path), sizeof path - 1, flags, (int64_t)rights,
                         (int64_t)rights, 0, WORD(&fd)) != 0)
        fail("open");
    return fd;
}

static void bench_files(uint32_t count, int back)
{
    uint32_t fd = open_file(1 | 8), n;
    uint64_t start = now(), total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (write_some(fd, BLOCK) != BLOCK)
            fail("write");
        total += BLOCK;
    }
    uint64_t took = now() - start;
    if (back) {
        fd = open_file(0);
        total = 0;
        start = now();
        while ((n = read_some(fd, BLOCK)) > 0)
            total += n;
        took = now() - start;
        if (total != (uint64_t)count * BLOCK)
            fail("read");
    }
    say_number(total * 1000 / took);
}

/* ------------------------------------------------------------------ */

CAPFUL_EXPORT(init) void init(void);
void init(void)
{
}

CAPFUL_EXPORT(entry) _Noreturn void entry(int (*fn)(uint32_t), uint32_t argument);
_Noreturn void entry(int (*fn)(uint32_t), uint32_t argument)
{
    uint32_t argc = 0, size = 0;
    if (fn)
        capful_proc_exit(fn(argument));
    if (capful_args_sizes_get(WORD(&argc), WORD(&size)) != 0 || argc > 7 ||
        size > sizeof arguments || capful_args_get(WORD(argument_list), WORD(arguments)) != 0 ||
        argc < 2)
        fail("arguments");
    const char *what = (const char *)(uintptr_t)argument_list[1];
    uint32_t count = argc > 2 ? number((const char *)(uintptr_t)argument_list[2]) : 0;
    if (equal(what, "exit"))
        capful_proc_exit(0);
    else if (equal(what, "spawn"))
        bench_spawn(count);
    else if (equal(what, "clone"))
        bench_clone(count);
    else if (equal(what, "live"))
        bench_live(count);
    else if (equal(what, "read"))
        bench_read(count);
    else if (equal(what, "pipe"))
        bench_pipe(count);
    else if (equal(what, "write") || equal(what, "readback"))
        bench_files(count, equal(what, "readback"));
    else
        fail(what);
    capful_proc_exit(0);
}
