/* The audit log: what every run was allowed, refused and did, as a file of JSON lines that cannot
 * be changed unnoticed (chain.h says how; capful-audit(5) says it to people).
 *
 *   audit_open          one log; counted, for any number of sandboxes, threads and processes
 *     audit_run_begin   a run: its identifier, and the key under which hidden values are hashed
 *       audit_call      one record before a tool is called, or instead of calling it
 *       audit_approval  what was decided about a call that had to ask
 *       audit_call_end  one record when the answer is there
 *       audit_mount, audit_limit, audit_grant
 *       audit_run_end
 *
 * The rule for callers: what is not recorded does not happen. Each function answers 0 once its
 * record is in the file (on the disk, if `sync` says so), or a negative CAPFUL_E… : then the call
 * must not be made, or the run must end. A record that reached the file although an error was
 * answered (its fsync failed, say) does no harm: it tells of a call that was allowed and not made.
 *
 * On a host stack, not on a fiber: signing and checking JSON need one.
 *
 * Text is UTF-8 of whatever origin: it is escaped here. A `struct str` with a NULL pointer is left
 * out of the record. Long texts of people and tools are cut and end in an ellipsis.
 */
#ifndef CAPFUL_AUDIT_AUDIT_H
#define CAPFUL_AUDIT_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "capful/capful.h"

/* ------------------------------------------------------------------ what the operator says */

enum audit_sync {
    AUDIT_SYNC_NEVER, /* the kernel writes when it likes: outlives this process, not a power cut */
    AUDIT_SYNC_RUN,   /* on the disk when a run has begun, and when it has ended */
    AUDIT_SYNC_RECORD /* on the disk before the tool is called */
};

/* How much of a call's arguments a record shows; each is narrower than the one before. */
enum audit_show {
    AUDIT_WHOLE,  /* but for the fields that rules hide */
    AUDIT_HASHED, /* a keyed hash */
    AUDIT_NOTHING /* not even that */
};

/* For tools whose names fit a pattern: `*` is one segment, `**` any number of them, `.`, `/` and
 * `:` end one. All rules that fit a tool hold together. */
struct audit_rule {
    const char *tool;
    enum audit_show arguments;
    const char *const *fields; /* JSON pointers into the arguments, `*` is any member or element */
    size_t n_fields;
    bool hide_result; /* its hash is keyed, too, and its error text is */
};

#define AUDIT_ROTATE_MIN 65536

struct audit_config {
    const char *path; /* the file; its directory exists. Not a symbolic link */
    bool exclusive;   /* no other process writes it: locked once, which saves half of the time of a
                         record; that the file was removed is then seen when a run begins or ends */
    enum audit_sync sync;
    uint64_t
        rotate_bytes; /* go on in a new file after so many, AUDIT_ROTATE_MIN at least; 0 never */
    uint32_t rotate_keep;      /* files kept beside the current one; 0 all */
    const uint8_t *sign_seed;  /* 32 bytes (audit_read_seed), NULL: not signed */
    uint64_t sign_every;       /* records of this process; 0: only at the end of runs and files */
    enum audit_show arguments; /* of all tools */
    const uint8_t *redact_key; /* 32 bytes, NULL: a new one for each run, which nobody learns */
    const struct audit_rule *rules;
    size_t n_rules;
};

/* Fills in: no path, shared, fsync never, no rotation, unsigned, arguments whole. */
void audit_config_init(struct audit_config *config);

/* ------------------------------------------------------------------ the log */

struct audit;

/* Copies the configuration; makes the file (mode 0600) if it is not there, and finds out what its
 * last record is.
 * CAPFUL_EINVAL   the configuration: no path, a pointer or number that is none
 * CAPFUL_EFILE    the file cannot be opened, written or locked, is no log or was damaged
 * CAPFUL_ENOMEM */
CAPFUL_MUST_USE int audit_open(const struct audit_config *config, struct audit **ret,
                               struct capful_error *err);
struct audit *audit_ref(struct audit *audit); /* any thread */
void audit_unref(struct audit *audit);        /* any thread; NULL is fine */

/* ------------------------------------------------------------------ runs */

enum audit_mode {
    AUDIT_ENFORCE,
    AUDIT_WATCH,  /* denials are recorded and not enforced */
    AUDIT_DRY_RUN /* nothing is called */
};

struct audit_run_info {
    struct str program;                 /* its name */
    struct str code;                    /* its text or bytes: only the hash is recorded */
    const uint8_t *policy;              /* SHA-256 of the policy, 32 bytes; NULL: none */
    const struct capful_limits *limits; /* may be NULL */
    enum audit_mode mode;
    struct str account;
    const struct str *context; /* the keys that the host set; values are not recorded */
    size_t n_context;
};

struct audit_run; /* used by one thread at a time */

CAPFUL_MUST_USE int audit_run_begin(struct audit *audit, const struct audit_run_info *info,
                                    struct audit_run **ret, struct capful_error *err);
void audit_run_free(struct audit_run *run); /* records nothing; NULL is fine */
/* 16 hexadecimal digits and a NUL; stands in every record of the run. */
const char *audit_run_id(const struct audit_run *run);

enum audit_verdict { AUDIT_ALLOW, AUDIT_DENY, AUDIT_ASK };

struct audit_call {
    struct str call; /* its identifier */
    struct str tool; /* as it is registered */
    uint32_t process;
    enum audit_verdict verdict;
    bool not_enforced; /* a denial while watching: the tool is called all the same */
    struct str grant;  /* that decided or is charged */
    struct str rule; /* which constraint, budget or flow rule decided, without values of the call */
    struct str found; /* the value that decided; recorded only where arguments are shown whole */
    struct str
        arguments; /* JSON as it is handed to the tool; if it is none, it is recorded as text */
};
CAPFUL_MUST_USE int audit_call(struct audit_run *run, const struct audit_call *call,
                               struct capful_error *err);

enum audit_outcome {
    AUDIT_DONE,
    AUDIT_FAILED,
    AUDIT_UNKNOWN, /* cut off under way: it may have happened */
    AUDIT_WITHHELD /* done, but the script did not get the result */
};

struct audit_call_end {
    struct str call, tool;
    enum audit_outcome outcome;
    struct str result; /* its text: size and hash are recorded */
    uint64_t duration; /* ns */
    struct str error;  /* for people */
};
CAPFUL_MUST_USE int audit_call_end(struct audit_run *run, const struct audit_call_end *end,
                                   struct capful_error *err);

enum audit_decision {
    AUDIT_ALLOWED,
    AUDIT_EDITED, /* allowed with other arguments */
    AUDIT_REFUSED,
    AUDIT_TIMEOUT,
    AUDIT_ALLOWED_NEXT /* this one and more, see `next` and the grant's own record */
};

struct audit_approval {
    struct str call, tool;
    enum audit_decision decision;
    struct str by; /* who */
    struct str reason;
    uint64_t waited;      /* ns */
    uint64_t next;        /* calls allowed from now on; 0: left out */
    struct str arguments; /* with AUDIT_EDITED */
};
CAPFUL_MUST_USE int audit_approval(struct audit_run *run, const struct audit_approval *approval,
                                   struct capful_error *err);

/* The first write to a mount. */
struct audit_mount {
    struct str guest, host, mode, path; /* `path`: what was written first */
};
CAPFUL_MUST_USE int audit_mount(struct audit_run *run, const struct audit_mount *mount,
                                struct capful_error *err);

CAPFUL_MUST_USE int audit_limit(struct audit_run *run, struct str limit, struct str text,
                                struct capful_error *err);

enum audit_grant_event { AUDIT_DERIVED, AUDIT_REVOKED };

struct audit_grant {
    enum audit_grant_event event;
    struct str grant, parent;
    uint32_t process;   /* that derived it; 0: the host */
    struct str by;      /* who, for the host */
    struct str narrows; /* JSON: what a derived grant adds */
};
/* Outside a run `run` is NULL and `audit` is not. */
CAPFUL_MUST_USE int audit_grant(struct audit *audit, struct audit_run *run,
                                const struct audit_grant *grant, struct capful_error *err);

struct audit_run_end {
    enum capful_status status;
    int exit_code;
    struct str limit;                 /* that ended it */
    struct str message;               /* hashed where anything is hidden: it may repeat values */
    const struct capful_usage *usage; /* may be NULL */
};
/* Signs the head, if the log is signed. */
CAPFUL_MUST_USE int audit_run_end(struct audit_run *run, const struct audit_run_end *end,
                                  struct capful_error *err);

/* ------------------------------------------------------------------ keys */

/* A new key: its seed goes to a file that must not exist (mode 0600, 64 hexadecimal digits). */
CAPFUL_MUST_USE int audit_make_key(const char *path, uint8_t ret_public[32],
                                   struct capful_error *err);
/* Reads such a file, which nobody but its owner may be able to read. */
CAPFUL_MUST_USE int audit_read_seed(const char *path, uint8_t ret_seed[32],
                                    struct capful_error *err);

#endif
