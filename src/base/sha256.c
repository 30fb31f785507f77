/* SHA-256, see sha256.h: one compression function in C and one with the SHA instructions of x86. */
#include "base/sha256.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t load_big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void store_big_endian(uint8_t *p, uint32_t x)
{
    p[0] = (uint8_t)(x >> 24);
    p[1] = (uint8_t)(x >> 16);
    p[2] = (uint8_t)(x >> 8);
    p[3] = (uint8_t)x;
}

static void compress_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], s[8];
    for (size_t i = 0; i < 16; i++)
        w[i] = load_big_endian(block + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t early = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t late = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + early + w[i - 7] + late;
    }
    memcpy(s, state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        uint32_t one = s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice +
                       round_constants[i] + w[i];
        uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += s[i];
}

static void compress_plainly(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += SHA256_BLOCK)
        compress_block(state, data);
}

#if defined(__x86_64__)
/* The instructions keep the state as two vectors, A B E F and C D G H, and do two rounds at a time.
 */
__attribute__((target("sha,sse4.1,ssse3"))) static void
compress_fast(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i dcba = _mm_loadu_si128((const __m128i *)(const void *)state);
    __m128i hgfe = _mm_loadu_si128((const __m128i *)(const void *)(state + 4));
    __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
    for (; blocks > 0; blocks--, data += SHA256_BLOCK) {
        __m128i abef_before = abef, cdgh_before = cdgh, w[4];
        for (size_t i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i)),
                                    swap);
#pragma GCC unroll 16
        for (size_t i = 0; i < 16; i++) {
            const void *constants = round_constants + 4 * i;
            __m128i now = w[i & 3];
            __m128i sum = _mm_add_epi32(now, _mm_loadu_si128(constants));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            if (i < 12) { /* the four words that are needed four steps from now */
                __m128i next = _mm_sha256msg1_epu32(now, w[(i + 1) & 3]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

static int processor_has_sha(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1) &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}
#else
static void compress_fast(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    compress_plainly(state, data, blocks);
}

static int processor_has_sha(void)
{
    return 0;
}
#endif

static atomic_int choice; /* 0 not yet known, 1 instructions, 2 plain C */

int sha256_has_instructions(void)
{
    int known = atomic_load_explicit(&choice, memory_order_relaxed);
    if (known == 0) {
        known = processor_has_sha() ? 1 : 2;
        atomic_store_explicit(&choice, known, memory_order_relaxed);
    }
    return known == 1;
}

void sha256_plain(int plain)
{
    atomic_store_explicit(&choice, plain ? 2 : 0, memory_order_relaxed);
}

static void compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
    if (sha256_has_instructions())
        compress_fast(state, data, blocks);
    else
        compress_plainly(state, data, blocks);
}

void sha256_init(struct sha256 *hash)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(hash->state, start, sizeof start);
    hash->len = 0;
}

void sha256_add(struct sha256 *hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t held = hash->len % SHA256_BLOCK;
    if (len == 0)
        return;
    hash->len += len;
    if (held > 0) {
        size_t n = SHA256_BLOCK - held < len ? SHA256_BLOCK - held : len;
        memcpy(hash->block + held, p, n);
        p += n;
        len -= n;
        if (held + n < SHA256_BLOCK)
            return;
        compress(hash->state, hash->block, 1);
    }
    if (len >= SHA256_BLOCK)
        compress(hash->state, p, len / SHA256_BLOCK);
    p += len - len % SHA256_BLOCK;
    memcpy(hash->block, p, len % SHA256_BLOCK);
}

void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_SIZE])
{
    uint64_t bits = hash->len * 8;
    size_t held = hash->len % SHA256_BLOCK;
    hash->block[held++] = 0x80;
    if (held > SHA256_BLOCK - 8) {
        memset(hash->block + held, 0, SHA256_BLOCK - held);
        compress(hash->state, hash->block, 1);
        held = 0;
    }
    memset(hash->block + held, 0, SHA256_BLOCK - 8 - held);
    store_big_endian(hash->block + SHA256_BLOCK - 8, (uint32_t)(bits >> 32));
    store_big_endian(hash->block + SHA256_BLOCK - 4, (uint32_t)bits);
    compress(hash->state, hash->block, 1);
    for (size_t i = 0; i < 8; i++)
        store_big_endian(ret_digest + 4 * i, hash->state[i]);
}

void sha256_hex(const uint8_t digest[SHA256_SIZE], char ret_text[2 * SHA256_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        ret_text[2 * i] = digits[digest[i] >> 4];
        ret_text[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_text[(size_t)2 * SHA256_SIZE] = 0;
}
