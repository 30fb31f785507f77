/* sign.h - Ed25519 signatures (RFC 8032).
 *
 * The implementation is a Rust library (rust/runtime).  A key pair is its seed: 32 random bytes,
 * which the caller keeps secret and wipes.  The same message and seed give the same signature.
 *
 * Threads: any.  Call on a host stack, never on a fiber.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_SIGN_H
#define BASE_SIGN_H

#include <stddef.h>
#include <stdint.h>

#define RT_SIGN_SEED      32
#define RT_SIGN_PUBLIC    32
#define RT_SIGN_SIGNATURE 64

/* The public key of a seed.  Returns 0, or -1 if it failed. */
int rt_sign_public(const uint8_t seed[RT_SIGN_SEED], uint8_t ret_public[RT_SIGN_PUBLIC]);

/* Sign a message.  Returns 0, or -1 if it failed. */
int rt_sign(const uint8_t seed[RT_SIGN_SEED], const void *message, size_t len,
            uint8_t ret_signature[RT_SIGN_SIGNATURE]);

/* Returns 1: the signature is of this message by this key.  0: it is not.  -1: the check failed;
 * treat it as not.  Strict: keys and signatures with a part of small order, for which a signature
 * fits many messages, and those not in their one canonical form are refused. */
int rt_sign_verify(const uint8_t public_key[RT_SIGN_PUBLIC], const void *message, size_t len,
                   const uint8_t signature[RT_SIGN_SIGNATURE]);

#endif
