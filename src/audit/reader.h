/* Reading a log and checking it: record by record, in bounded memory, over all its files from the
 * oldest that is still there.
 *
 * What is wrong comes as an entry of its own before the record that it concerns, and reading goes
 * on behind it, so that one change is told once and everything else is still checked. */
#ifndef CAPFUL_AUDIT_READER_H
#define CAPFUL_AUDIT_READER_H

#include "audit/chain.h"
#include "capful/capful.h"

struct audit_check {
    const uint8_t *key;  /* 32 bytes: signatures must be by this key; NULL: by the one they name */
    const uint8_t *head; /* 32 bytes: a record with this hash must be there; NULL: no matter */
};

enum audit_entry_kind { AUDIT_RECORD, AUDIT_PROBLEM };

struct audit_entry { /* valid until the next one is asked for */
    enum audit_entry_kind kind;
    const char *file;
    uint64_t file_number;       /* 0: the file has no first record */
    uint64_t line;              /* from 1 */
    uint64_t offset;            /* of the record's line in the file */
    struct chain_record record; /* of AUDIT_RECORD */
    const char *problem;        /* of AUDIT_PROBLEM, one line; names the record's number */
};

struct audit_summary {
    uint64_t files, records, bytes, problems;
    uint64_t first, last;      /* seq */
    uint8_t head[SHA256_SIZE]; /* hash of the last record */
    bool earlier_gone;         /* the log begins in a file that is not there any more */
    uint64_t recoveries, recovered_bytes;
    uint64_t torn;       /* bytes of an unfinished record at the end */
    uint64_t signatures; /* valid ones, by the key that was given if one was */
    uint64_t other_keys; /* signatures by another key */
    uint64_t not_signed; /* records after the last valid signature */
    uint64_t head_seq;   /* the record with the hash that was asked for; 0: not found */
};

struct audit_reader;

/* CAPFUL_EFILE: the log cannot be read. CAPFUL_ENOMEM. */
CAPFUL_MUST_USE int audit_reader_open(const char *path, const struct audit_check *check,
                                      struct audit_reader **ret, struct capful_error *err);
/* 1 and an entry; 0 at the end; or negative. */
CAPFUL_MUST_USE int audit_reader_next(struct audit_reader *reader, struct audit_entry *ret,
                                      struct capful_error *err);
/* Of what was read so far. */
const struct audit_summary *audit_reader_summary(const struct audit_reader *reader);
/* The file that has a number, opened again for reading by place; a negative errno. */
int audit_reader_file(const struct audit_reader *reader, uint64_t number);
void audit_reader_free(struct audit_reader *reader);

#endif
