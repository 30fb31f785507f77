/* SHA-256: the standard's examples, every length around the block size, both compression functions,
 * odd pieces. */
#include <string.h>

#include "base/sha256.h"
#include "tap.h"

static const char *hash_of(const void *data, size_t len)
{
    static char text[2 * SHA256_SIZE + 1];
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    sha256_init(&hash);
    sha256_add(&hash, data, len);
    sha256_end(&hash, digest);
    sha256_hex(digest, text);
    return text;
}

static void check_standard(void)
{
    static char million[1000000];
    memset(million, 'a', sizeof million);
    STR_EQ(hash_of("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    STR_EQ(hash_of("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    STR_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    STR_EQ(hash_of(million, sizeof million),
           "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* The hash of the hashes of 301 texts, of 0 to 300 bytes: computed with another implementation. */
static void check_lengths(void)
{
    uint8_t text[300], digest[SHA256_SIZE];
    struct sha256 one, all;
    char hex[2 * SHA256_SIZE + 1];
    sha256_init(&all);
    for (unsigned n = 0; n <= 300; n++) {
        for (unsigned i = 0; i < n; i++)
            text[i] = (uint8_t)(7 * i + n);
        sha256_init(&one);
        sha256_add(&one, text, n);
        sha256_end(&one, digest);
        sha256_add(&all, digest, sizeof digest);
    }
    sha256_end(&all, digest);
    sha256_hex(digest, hex);
    STR_EQ(hex, "60d63ff40b5558727a9b786ac0be9300f7ca58fd9ddd3b2f3681b369018a87dc");
}

TEST(sha256_standard_examples)
{
    check_standard();
}

TEST(sha256_standard_examples_without_instructions)
{
    sha256_plain(1);
    EQ(sha256_has_instructions(), 0);
    check_standard();
}

TEST(sha256_all_lengths_around_a_block)
{
    check_lengths();
}

TEST(sha256_all_lengths_without_instructions)
{
    sha256_plain(1);
    check_lengths();
}

TEST(sha256_pieces_give_the_same_as_the_whole)
{
    uint8_t text[1000], digest[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * i);
    for (size_t piece = 1; piece <= 200; piece++) {
        struct sha256 hash;
        sha256_init(&hash);
        for (size_t at = 0; at < sizeof text; at += piece)
            sha256_add(&hash, text + at, sizeof text - at < piece ? sizeof text - at : piece);
        sha256_add(&hash, NULL, 0);
        sha256_end(&hash, digest);
        sha256_hex(digest, hex);
        ASSERT_EQ_STR(hex, hash_of(text, sizeof text));
    }
}

TEST(sha256_a_changed_bit_changes_the_hash)
{
    uint8_t text[64] = {0};
    char before[2 * SHA256_SIZE + 1];
    strcpy(before, hash_of(text, sizeof text));
    for (unsigned bit = 0; bit < 8 * sizeof text; bit++) {
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
        OK(strcmp(before, hash_of(text, sizeof text)) != 0);
        text[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    STR_EQ(hash_of(text, sizeof text), before);
}
