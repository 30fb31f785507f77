/* A guest that moves memory by single instructions of all lengths, overlapping and not, and
 * compares with what a loop over bytes makes of the same memory. The compiler turns the
 * instructions into loops over pieces (rust/compile/src/pieces.rs).
 *
 *     moves              exit code 1, and which, if one went wrong
 *     moves copy|fill    copies or fills across the end of memory: a trap
 */
#include "../../guest/libc/capful.h"

#include <stddef.h>

enum { PIECE = 256 << 10, SIZE = 3 * PIECE + 4096, PAGE = 65536 };

_Bool capful_running = 1;

#define WORD(p) ((capful_word)(uintptr_t)(p))

static unsigned char moved[SIZE], wanted[SIZE];

static void copy(void *to, const void *from, size_t n)
{
    __asm__ volatile("local.get %0\nlocal.get %1\nlocal.get %2\nmemory.copy 0, 0"
                     :
                     : "r"(to), "r"(from), "r"(n)
                     : "memory");
}

static void fill(void *to, int byte, size_t n)
{
    __asm__ volatile("local.get %0\nlocal.get %1\nlocal.get %2\nmemory.fill 0"
                     :
                     : "r"(to), "r"(byte), "r"(n)
                     : "memory");
}

static void prepare(void)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < SIZE; i++) {
        x = x * 1664525u + 1013904223u;
        moved[i] = wanted[i] = (unsigned char)(x >> 24);
    }
}

static _Bool same(void)
{
    for (size_t i = 0; i < SIZE; i++)
        if (moved[i] != wanted[i])
            return 0;
    return 1;
}

static _Bool copies_well(size_t to, size_t from, size_t n)
{
    prepare();
    copy(moved + to, moved + from, n);
    if (to <= from) {
        for (size_t i = 0; i < n; i++)
            wanted[to + i] = wanted[from + i];
    } else {
        for (size_t i = n; i-- > 0;)
            wanted[to + i] = wanted[from + i];
    }
    return same();
}

static _Bool fills_well(size_t to, int byte, size_t n)
{
    prepare();
    fill(moved + to, byte, n);
    for (size_t i = 0; i < n; i++)
        wanted[to + i] = (unsigned char)byte;
    return same();
}

static void say(const char *text, size_t len)
{
    struct capful_iovec iov = {WORD(text), (capful_word)len};
    uint32_t n;
    capful_fd_write(1, WORD(&iov), 1, WORD(&n));
}

static _Bool try_all(void)
{
    static const size_t lengths[] = {0,         1,         PIECE - 1,     PIECE,
                                     PIECE + 1, 2 * PIECE, 2 * PIECE + 1, 2 * PIECE + 4000};
    static const size_t places[] = {0, 1, 17, PIECE - 1, PIECE, 90000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        if (!fills_well(i * 3, (int)(250 + i), lengths[i])) {
            say("fill\n", 5);
            return 0;
        }
        for (size_t j = 0; j < sizeof places / sizeof places[0]; j++)
            if (!copies_well(places[j], 5, lengths[i]) || !copies_well(5, places[j], lengths[i])) {
                say("copy\n", 5);
                return 0;
            }
    }
    return 1;
}

CAPFUL_EXPORT(entry) _Noreturn void entry(int32_t fn, int32_t arg);
_Noreturn void entry(int32_t fn, int32_t arg)
{
    static char text[64];
    static capful_word list[4];
    uint32_t count = 0, size = 0;
    unsigned char *near_end = (unsigned char *)(__builtin_wasm_memory_size(0) * PAGE - PIECE);
    (void)fn, (void)arg;
    capful_args_sizes_get(WORD(&count), WORD(&size));
    capful_args_get(WORD(list), WORD(text));
    if (count < 2)
        capful_proc_exit(!try_all());
    if (*(const char *)(uintptr_t)list[1] == 'c')
        copy(moved, near_end, 2 * PIECE);
    else
        fill(near_end, 1, PIECE + 1);
    capful_proc_exit(0);
}
