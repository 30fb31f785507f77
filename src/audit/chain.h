/* The form of a log: what a line is, and how one hangs on the other.
 *
 *   {"seq":7,"time":"2026-01-31T12:00:00.123456789Z","type":"call","run":"1f...","prev":"3c..."
 *   └── head: always these members in this order ──────────────────────────────────────────────┘
 *   ,"call":"7",...      the body
 *   ,"hash":"a0..."}     76 bytes with the newline
 *
 * The hash of a record is the SHA-256 of its line without the last 76 bytes (the hash itself, what
 * stands around it, the newline); `prev` is the hash of the record before, 64 zeros in the first.
 * `seq` counts from 1 over all files of a log. `run` is left out where a record belongs to none.
 * The form is exact: the writer makes no other and the reader accepts no other, so the head of a
 * line is read without a JSON parser, and no byte of a line can change unnoticed.
 *
 * A writer that was ended in the middle of a line leaves a piece without a newline. The next one
 * closes it with TORN_MARK and accounts for these bytes in its first record (`torn`,
 * `torn_sha256`): nothing is ever cut off.
 */
#ifndef CAPFUL_AUDIT_CHAIN_H
#define CAPFUL_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "base/str.h"

#define CHAIN_LINE_MAX ((size_t)8 << 20) /* bytes of a line; a longer one is none of ours */
#define CHAIN_HEAD_MAX 320
#define CHAIN_TAIL     76 /* ,"hash":"…64…"}\n */
#define CHAIN_RUN      16 /* hexadecimal digits of a run's identifier */
#define CHAIN_LOG      32 /* of a log's */
#define CHAIN_TIME     30
#define CHAIN_HEX      ((size_t)2 * SHA256_SIZE)

#define TORN_MARK "<torn>\n"

/* A line that has the form; the pieces point into it. */
struct chain_record {
    struct str line; /* with its newline */
    uint64_t seq;    /* from 1, below 10^18 */
    struct str time, type, run /* empty: none */, body;
    uint8_t prev[SHA256_SIZE];
    uint8_t hash[SHA256_SIZE]; /* what it says of itself */
};

/* `line` ends with its only newline. */
bool chain_parse(struct str line, struct chain_record *ret);
/* Whether a parsed line has the hash that it says it has. */
bool chain_sound(const struct chain_record *record);
bool chain_is(const struct chain_record *record, const char *type);

/* The head of a line; how long it is. `time` is ns since 1970, `run` may be empty. */
size_t chain_put_head(char room[CHAIN_HEAD_MAX], uint64_t seq, uint64_t time, const char *type,
                      struct str run, const uint8_t prev[SHA256_SIZE]);
void chain_put_tail(char room[CHAIN_TAIL], const uint8_t hash[SHA256_SIZE]);
void chain_put_time(char room[CHAIN_TIME], uint64_t time);
/* The time of a parsed record, ns since 1970; 0 for what is before or beyond 2553. */
uint64_t chain_time(const struct chain_record *record);

/* ------------------------------------------------------------------ bodies that the chain needs */

/* Of a `log`, the first record of each file, and of a `recovered` one. */
struct chain_torn {
    bool given;
    uint64_t bytes;
    uint8_t hash[SHA256_SIZE]; /* of these bytes, marks and newlines counted */
};
struct chain_log {
    uint64_t file; /* from 1 */
    char id[CHAIN_LOG + 1];
    struct chain_torn torn;
};
/* Of a `head` and, where the log is signed, of a `rotate`. */
struct chain_signature {
    bool given;
    uint8_t key[32], signature[64]; /* of chain_signed(prev) */
};
struct chain_rotate {
    uint64_t file; /* the number under which the file is kept */
    struct chain_signature signature;
};

bool chain_parse_log(struct str body, struct chain_log *ret);
bool chain_parse_torn(struct str body, struct chain_torn *ret);
bool chain_parse_signature(struct str body, struct chain_signature *ret);
bool chain_parse_rotate(struct str body, struct chain_rotate *ret);

#define CHAIN_SIGNED_MAX 96
/* The text that a signature is over: "capful audit head " and the hash in hexadecimal. */
size_t chain_signed(char room[CHAIN_SIGNED_MAX], const uint8_t hash[SHA256_SIZE]);

/* `len` bytes from 2 * len lower-case digits, which must be all of the text. */
bool chain_from_hex(struct str text, uint8_t *ret, size_t len);
/* 2 * len digits, no NUL. */
void chain_to_hex(const uint8_t *data, size_t len, char *ret);

/* ------------------------------------------------------------------ the end of a file */

enum tail_answer {
    TAIL_FOUND,
    TAIL_MORE,   /* the window does not reach back far enough */
    TAIL_DAMAGED /* the last line is whole and no record */
};
struct tail {
    bool has_record;
    struct chain_record record; /* the last whole one; points into the window */
    size_t torn;                /* bytes after it */
    bool open;                  /* of these the last are not closed by a mark yet */
};
/* `window` is the end of a file, and all of it if `whole` is set. */
enum tail_answer tail_find(struct str window, bool whole, struct tail *ret);

/* The first record of a file, after what was torn before it; `window` is its beginning. */
bool chain_first(struct str window, struct chain_record *ret, struct chain_log *ret_log);

#endif
