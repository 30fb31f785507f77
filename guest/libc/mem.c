/* The memory and string functions that matter for speed, with 128-bit vectors.
 *
 * They replace wasi-libc's, which go word by word (memcpy, memset) or byte by byte (memcmp,
 * strlen). No memory.copy and no memory.fill: the host cannot interrupt those, whereas these are
 * loops like any other. Built with -fno-builtin, else the compiler would turn the loops into calls
 * of themselves.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wasm_simd128.h>

#define LOAD(p)     wasm_v128_load(p)
#define STORE(p, v) wasm_v128_store(p, v)

/* Fewer than 16 bytes: all are loaded before any is stored, so the blocks may overlap (no restrict
 * here). */
static inline void copy_short(unsigned char *d, const unsigned char *s, size_t n)
{
    if (n >= 8) {
        uint64_t a, b;

        __builtin_memcpy_inline(&a, s, 8);
        __builtin_memcpy_inline(&b, s + n - 8, 8);
        __builtin_memcpy_inline(d, &a, 8);
        __builtin_memcpy_inline(d + n - 8, &b, 8);
    } else if (n >= 4) {
        uint32_t a, b;

        __builtin_memcpy_inline(&a, s, 4);
        __builtin_memcpy_inline(&b, s + n - 4, 4);
        __builtin_memcpy_inline(d, &a, 4);
        __builtin_memcpy_inline(d + n - 4, &b, 4);
    } else if (n) {
        unsigned char a = s[0], b = s[n / 2], c = s[n - 1];

        d[0] = a;
        d[n / 2] = b;
        d[n - 1] = c;
    }
}

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
    unsigned char *d = dst;
    const unsigned char *s = src;

    if (n < 16) {
        copy_short(d, s, n);
        return dst;
    }
    v128_t tail = LOAD(s + n - 16);
    unsigned char *last = d + n - 16;
    while (n >= 64) {
        v128_t a = LOAD(s), b = LOAD(s + 16), c = LOAD(s + 32), e = LOAD(s + 48);
        STORE(d, a);
        STORE(d + 16, b);
        STORE(d + 32, c);
        STORE(d + 48, e);
        s += 64;
        d += 64;
        n -= 64;
    }
    while (n >= 16) {
        STORE(d, LOAD(s));
        s += 16;
        d += 16;
        n -= 16;
    }
    STORE(last, tail);
    return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
    unsigned char *d = dst;
    const unsigned char *s = src;

    if (n < 16) {
        copy_short(d, s, n);
        return dst;
    }
    if ((uintptr_t)d - (uintptr_t)s >= n) {
        if ((uintptr_t)s - (uintptr_t)d >= n)
            return memcpy(dst, src, n);
        while (n >= 16) {
            STORE(d, LOAD(s));
            s += 16;
            d += 16;
            n -= 16;
        }
        while (n--)
            *d++ = *s++;
        return dst;
    }
    while (n >= 16) {
        n -= 16;
        STORE(d + n, LOAD(s + n));
    }
    while (n) {
        n--;
        d[n] = s[n];
    }
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    unsigned char *d = dst;

    if (n < 16) {
        while (n--)
            *d++ = (unsigned char)c;
        return dst;
    }
    v128_t v = wasm_i8x16_splat((int8_t)c);
    STORE(d + n - 16, v);
    while (n >= 64) {
        STORE(d, v);
        STORE(d + 16, v);
        STORE(d + 32, v);
        STORE(d + 48, v);
        d += 64;
        n -= 64;
    }
    while (n >= 16) {
        STORE(d, v);
        d += 16;
        n -= 16;
    }
    return dst;
}

int memcmp(const void *left, const void *right, size_t n)
{
    const unsigned char *a = left, *b = right;

    while (n >= 16) {
        uint32_t mask = wasm_i8x16_bitmask(wasm_i8x16_eq(LOAD(a), LOAD(b)));
        if (mask != 0xffff) {
            int i = __builtin_ctz(~mask);
            return a[i] - b[i];
        }
        a += 16;
        b += 16;
        n -= 16;
    }
    for (; n; a++, b++, n--) {
        if (*a != *b)
            return *a - *b;
    }
    return 0;
}

/* An aligned load never crosses the end of memory, so it may look at bytes before and behind the
 * string. */
size_t strlen(const char *s)
{
    const char *p = (const char *)((uintptr_t)s & ~(uintptr_t)15);
    const v128_t zero = wasm_i8x16_splat(0);
    uint32_t mask = wasm_i8x16_bitmask(wasm_i8x16_eq(LOAD(p), zero)) >> (s - p);

    if (mask)
        return __builtin_ctz(mask);
    for (;;) {
        p += 16;
        mask = wasm_i8x16_bitmask(wasm_i8x16_eq(LOAD(p), zero));
        if (mask)
            return p - s + __builtin_ctz(mask);
    }
}

void *memchr(const void *block, int c, size_t n)
{
    const unsigned char *p = block;
    const v128_t v = wasm_i8x16_splat((int8_t)c);

    while (n >= 16) {
        uint32_t mask = wasm_i8x16_bitmask(wasm_i8x16_eq(LOAD(p), v));
        if (mask)
            return (void *)(p + __builtin_ctz(mask));
        p += 16;
        n -= 16;
    }
    for (; n; p++, n--) {
        if (*p == (unsigned char)c)
            return (void *)p;
    }
    return NULL;
}
