/* Ed25519: the examples of RFC 8032, section 7.1, and what must not pass. */
#include "base/sign.h"
#include "tap.h"

static const struct example {
    const char *seed, *public_key, *message, *signature;
} examples[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
     "4"
     "6bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
     "d"
     "8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
     "6"
     "594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3fee"
     "b"
     "bd454d4423643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
     "0"
     "303dca179c138ac17ad9bef1177331a704"},
};

static size_t from_hex(const char *text, uint8_t *ret)
{
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        ASSERT(sscanf(text + 2 * i, "%2x", &byte) == 1);
        ret[i] = (uint8_t)byte;
    }
    return len;
}

TEST(sign_examples)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        uint8_t seed[RT_SIGN_SEED], wanted[RT_SIGN_PUBLIC], public_key[RT_SIGN_PUBLIC];
        uint8_t message[64], wanted_signature[RT_SIGN_SIGNATURE], signature[RT_SIGN_SIGNATURE];
        size_t len = from_hex(examples[i].message, message);
        from_hex(examples[i].seed, seed);
        from_hex(examples[i].public_key, wanted);
        from_hex(examples[i].signature, wanted_signature);
        EQ(rt_sign_public(seed, public_key), 0);
        MEM_EQ(public_key, wanted, sizeof wanted);
        EQ(rt_sign(seed, message, len, signature), 0);
        MEM_EQ(signature, wanted_signature, sizeof wanted_signature);
        EQ(rt_sign_verify(public_key, message, len, signature), 1);
    }
}

TEST(sign_each_bit_counts)
{
    uint8_t seed[RT_SIGN_SEED] = {7}, public_key[RT_SIGN_PUBLIC], signature[RT_SIGN_SIGNATURE];
    char message[] = "head";
    ASSERT(rt_sign_public(seed, public_key) == 0 && rt_sign(seed, message, 4, signature) == 0);
    for (unsigned i = 0; i < 8 * sizeof signature; i++) {
        signature[i / 8] ^= (uint8_t)(1u << i % 8);
        EQ(rt_sign_verify(public_key, message, 4, signature), 0);
        signature[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (unsigned i = 0; i < 8 * sizeof public_key; i++) {
        public_key[i / 8] ^= (uint8_t)(1u << i % 8);
        EQ(rt_sign_verify(public_key, message, 4, signature), 0);
        public_key[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    EQ(rt_sign_verify(public_key, message, 3, signature), 0);
    message[0] ^= 1;
    EQ(rt_sign_verify(public_key, message, 4, signature), 0);
    message[0] ^= 1;
    EQ(rt_sign_verify(public_key, message, 4, signature), 1);
}

/* The neutral element as key and as half of a signature fits every message. */
TEST(sign_small_order_is_refused)
{
    uint8_t public_key[RT_SIGN_PUBLIC] = {1}, signature[RT_SIGN_SIGNATURE] = {1};
    EQ(rt_sign_verify(public_key, "any", 3, signature), 0);
    uint8_t seed[RT_SIGN_SEED] = {7};
    ASSERT(rt_sign_public(seed, public_key) == 0);
    EQ(rt_sign_verify(public_key, "any", 3, signature), 0);
}

/* The second half is a number below the order of the group; adding the order gives the same
 * remainder. */
TEST(sign_one_form_of_each_signature)
{
    static const char order_hex[] =
        "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    uint8_t seed[RT_SIGN_SEED] = {9}, public_key[RT_SIGN_PUBLIC], signature[RT_SIGN_SIGNATURE];
    uint8_t order[32];
    unsigned carry = 0;
    from_hex(order_hex, order);
    ASSERT(rt_sign_public(seed, public_key) == 0 && rt_sign(seed, "x", 1, signature) == 0);
    for (int i = 0; i < 32; i++) {
        carry += signature[32 + i] + order[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    EQ(carry, 0);
    EQ(rt_sign_verify(public_key, "x", 1, signature), 0);
}

TEST(sign_without_arguments)
{
    uint8_t seed[RT_SIGN_SEED] = {1}, public_key[RT_SIGN_PUBLIC], signature[RT_SIGN_SIGNATURE];
    EQ(rt_sign_public(NULL, public_key), -1);
    EQ(rt_sign_public(seed, NULL), -1);
    EQ(rt_sign(NULL, "", 0, signature), -1);
    EQ(rt_sign(seed, "", 0, NULL), -1);
    EQ(rt_sign(seed, NULL, 1, signature), -1);
    ASSERT(rt_sign_public(seed, public_key) == 0 && rt_sign(seed, NULL, 0, signature) == 0);
    EQ(rt_sign_verify(public_key, NULL, 0, signature), 1);
    EQ(rt_sign_verify(public_key, NULL, 1, signature), -1);
    EQ(rt_sign_verify(NULL, NULL, 0, signature), -1);
    EQ(rt_sign_verify(public_key, NULL, 0, NULL), -1);
}
