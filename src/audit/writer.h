/* The writer's inside: one log that is open for appending. Private to src/audit.
 *
 *   audit_append ── take ── lock the file; has somebody else written? find the last record
 *                     │        a piece without an end? account for it
 *                     │        a record that says "goes on elsewhere"? follow it
 *                     ├──── rotate, if it is time
 *                     ├──── put: one writev
 *                     └──── put a signed head, if it is time
 *                   unlock; fsync, if wanted
 */
#ifndef CAPFUL_AUDIT_WRITER_H
#define CAPFUL_AUDIT_WRITER_H

#include <pthread.h>
#include <stdatomic.h>

#include "audit/audit.h"
#include "audit/chain.h"
#include "audit/disk.h"
#include "audit/redact.h"

#define AUDIT_KEY 32

/* The file that is written now, and the end of it as it was when we last held its lock. */
struct audit_file {
    int fd;
    uint64_t device, inode;
    uint32_t mode;
    uint64_t number; /* of the file, from 1; 0: not known yet */
    uint64_t size;   /* up to the end of the last whole record */
    uint64_t end;    /* of the file; larger if something is torn */
    uint64_t seq;    /* of the last record; 0: none */
    uint8_t hash[SHA256_SIZE];
    bool rotated; /* the last record says that the log goes on in another file */
};

struct audit {
    _Atomic uint32_t refs;
    char *path, *name; /* the name within its directory points into the path */
    int dir;
    bool exclusive;
    uint8_t *ours; /* a byte that is 1, and 0 in a child; NULL: ask for the process's number */
    enum audit_sync sync;
    uint64_t rotate_bytes;
    uint32_t rotate_keep;
    bool is_signed, has_key;
    uint8_t seed[AUDIT_KEY], public_key[AUDIT_KEY], redact_key[REDACT_KEY];
    uint64_t sign_every;
    struct redact *redact;

    pthread_mutex_t lock; /* before the file's */
    struct audit_file at;
    char id[CHAIN_LOG + 1];
    bool locked;         /* exclusive: we hold the lock and need not look */
    pid_t pid;           /* that opened the file: a child shares the lock of its parent */
    uint64_t not_signed; /* records of ours since the last signature */
    int broken;          /* an fsync failed with this: what is on the disk is not known any more */
};

enum append_flags {
    APPEND_BEGIN = 1, /* of a run: the name must still lead to the file */
    APPEND_END = 2    /* the same, and it is signed; also of a record outside a run */
};
int audit_append(struct audit *audit, const char *type, struct str run, struct str body,
                 unsigned flags, struct capful_error *err);
#define APPEND_BODY_MAX (CHAIN_LINE_MAX - CHAIN_HEAD_MAX - CHAIN_TAIL)

/* Writes a line at the end; the lock is held. `before` is a mark that closes torn bytes. */
int audit_put(struct audit *audit, const char *type, struct str run, struct str body,
              struct str before, struct capful_error *err);
/* A `log` record, the first of a file. */
int audit_put_log(struct audit *audit, const struct chain_torn *torn, struct str before,
                  struct capful_error *err);
/* The members key and signature, over the hash of the last record: how long they are, or negative.
 */
int audit_print_signature(const struct audit *audit, char *room, size_t size,
                          struct capful_error *err);
/* Fills in CAPFUL_EFILE with the path, what was done and the errno. */
int audit_fail(const struct audit *audit, int error, const char *what, struct capful_error *err);

/* rotate.c. The lock is held, and afterwards that of the new file. The file's last record is a
 * `rotate` already for audit_go_on. */
int audit_rotate(struct audit *audit, struct capful_error *err);
int audit_go_on(struct audit *audit, struct capful_error *err);

/* tail.c */
#define LOCK_WAIT UINT64_C(10000000000) /* ns */
/* 0 or a negative errno; -ETIMEDOUT: somebody held it for `wait` ns. */
int tail_lock(int fd, bool shared, uint64_t wait);
/* 0; a negative errno; -EILSEQ: the last line is no record. What `ret` points to is in `window`. */
int tail_read(int fd, uint64_t size, struct buf *window, struct tail *ret);
/* The first record of a file; -EILSEQ: it is no log. */
int tail_read_first(int fd, struct chain_log *ret);

/* sign.c: 0 or -1. */
int sign_public(const uint8_t seed[AUDIT_KEY], uint8_t ret_public[AUDIT_KEY]);
int sign_hash(const uint8_t seed[AUDIT_KEY], const uint8_t hash[SHA256_SIZE],
              uint8_t ret_signature[64]);
bool sign_is_valid(const uint8_t public_key[AUDIT_KEY], const uint8_t hash[SHA256_SIZE],
                   const uint8_t signature[64]);

#endif
