/* SHA-256 (FIPS 180-4), with the processor's own instructions where it has them. */
#ifndef CAPFUL_BASE_SHA256_H
#define CAPFUL_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE  32
#define SHA256_BLOCK 64

struct sha256 {
    uint32_t state[8];
    uint64_t len;                /* bytes so far */
    uint8_t block[SHA256_BLOCK]; /* those that do not fill a block yet */
};

void sha256_init(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t len);
/* The hash must be initialised anew before it is used again. */
void sha256_end(struct sha256 *hash, uint8_t ret_digest[SHA256_SIZE]);
/* Lower-case hexadecimal with a NUL beyond it. */
void sha256_hex(const uint8_t digest[SHA256_SIZE], char ret_text[2 * SHA256_SIZE + 1]);

/* Tests: whether the processor's instructions are used; sha256_plain(1) does without them. */
int sha256_has_instructions(void);
void sha256_plain(int plain);

#endif
