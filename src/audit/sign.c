/* Signatures of a log's head: the only file here that knows which kind they are (Ed25519). */
#include "base/sign.h"
#include "audit/writer.h"

int sign_public(const uint8_t seed[AUDIT_KEY], uint8_t ret_public[AUDIT_KEY])
{
    return rt_sign_public(seed, ret_public);
}

int sign_hash(const uint8_t seed[AUDIT_KEY], const uint8_t hash[SHA256_SIZE],
              uint8_t ret_signature[64])
{
    char text[CHAIN_SIGNED_MAX];
    size_t len = chain_signed(text, hash);
    return rt_sign(seed, text, len, ret_signature);
}

bool sign_is_valid(const uint8_t public_key[AUDIT_KEY], const uint8_t hash[SHA256_SIZE],
                   const uint8_t signature[64])
{
    char text[CHAIN_SIGNED_MAX];
    size_t len = chain_signed(text, hash);
    return rt_sign_verify(public_key, text, len, signature) == 1;
}
