/* capful: run untrusted programs in a sandbox inside this process, with the tools you grant and
 * nothing else.
 *
 * Life of the objects:
 *
 *     struct capful_policy    what may be done: tools, grants, mounts, limits. Built once,
 *                             immutable, counted, shared by any number of sandboxes and threads.
 *     struct capful_sandbox   a file tree and the state that outlives one run. Used by one thread
 *                             at a time, except for the functions that say otherwise.
 *     struct capful_run       one program being run, for hosts that drive it step by step.
 *     struct capful_result    what a run left: owned by the caller, independent of the sandbox.
 *
 * Conventions: functions that can fail return 0 or a negative CAPFUL_E… and fill *err (which may be
 * NULL) only on failure; out-parameters are untouched on failure. Text is UTF-8, lengths are bytes,
 * times are nanoseconds. Strings passed in are copied unless a comment says "borrowed".
 * `_free(NULL)` and `_unref(NULL)` do nothing. The library never prints, never exits and installs
 * no signal handler but the one the WebAssembly engine needs for traps.
 *
 * Example:
 *     struct capful_sandbox *sandbox;
 *     struct capful_result *result;
 *     struct capful_error err;
 *     struct capful_job job;
 *     capful_job_init(&job);
 *     job.source = "[1, 2, 3].map((n) => n * n)";
 *     job.source_len = strlen(job.source);
 *     if (capful_sandbox_new(NULL, &sandbox, &err) != 0) {
 *         fprintf(stderr, "%s\n", err.text);
 *         return 1;
 *     }
 *     if (capful_run(sandbox, &job, &result, &err) != 0) {
 *         fprintf(stderr, "%s\n", err.text);
 *         capful_sandbox_free(sandbox);
 *         return 1;
 *     }
 *     if (capful_result_status(result) == CAPFUL_OK)
 *         printf("%s\n", capful_result_value(result, NULL));
 *     else
 *         printf("%s\n", capful_result_message(result));
 *     capful_result_free(result);
 *     capful_sandbox_free(sandbox);
 * Output:
 *     [1,4,9]
 */
#ifndef CAPFUL_CAPFUL_H
#define CAPFUL_CAPFUL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CAPFUL_API      __attribute__((visibility("default")))
#define CAPFUL_MUST_USE __attribute__((warn_unused_result))
#else
#define CAPFUL_API
#define CAPFUL_MUST_USE
#endif

#define CAPFUL_VERSION_MAJOR 0
#define CAPFUL_VERSION_MINOR 1
#define CAPFUL_VERSION_PATCH 0
#define CAPFUL_VERSION       "0.1.0"

/* Version of the library that is linked, "0.1.0". */
CAPFUL_API const char *capful_version(void);

/* ------------------------------------------------------------------ errors */

#define CAPFUL_ERROR_CODES(X)                                                                      \
    X(CAPFUL_ENOMEM, -1, "out of memory")                                                          \
    X(CAPFUL_EINVAL, -2, "invalid argument")                                                       \
    X(CAPFUL_EBUSY, -3, "the sandbox is running")                                                  \
    X(CAPFUL_EPOLICY, -4, "the policy is not valid")                                               \
    X(CAPFUL_ETOOL, -5, "the tool cannot be registered")                                           \
    X(CAPFUL_EFILE, -6, "a file operation failed")                                                 \
    X(CAPFUL_EENGINE, -7, "the engine failed")                                                     \
    X(CAPFUL_ECAPACITY, -8, "the process-wide ceiling of instances or memory is reached")          \
    X(CAPFUL_ELIMIT, -9, "a limit is reached")                                                     \
    X(CAPFUL_ENOTSUP, -10, "not supported")                                                        \
    X(CAPFUL_ESTATE, -11, "not possible in this state")

enum capful_error_code {
#define X(name, number, text) name = (number),
    CAPFUL_ERROR_CODES(X)
#undef X
};

struct capful_error {
    int code;       /* CAPFUL_E… */
    int line;       /* in a policy or program, from 1; 0 where it has none */
    int column;     /* in bytes, from 1 */
    char text[500]; /* one line for people: what happened, where, what to do */
};

/* ------------------------------------------------------------------ limits */

#define CAPFUL_SECOND    UINT64_C(1000000000)
#define CAPFUL_MIB       UINT64_C(1048576)
#define CAPFUL_UNLIMITED UINT64_MAX

/* The fields and their defaults: man capful-policy, "limits". CAPFUL_UNLIMITED lifts one. */
struct capful_limits {
    uint64_t wall; /* ns: one run on the clock, waiting for tools and approvals not counted. 30 s */
    uint64_t cpu;  /* ns: processor time of one run. 10 s */
    uint64_t tool_time;      /* ns: one tool call. 60 s */
    uint64_t deadline;       /* ns: one run on the clock, everything counted. Unlimited */
    uint64_t memory;         /* bytes: the sandbox, what the host holds for it included. 256 MiB */
    uint64_t process_memory; /* bytes: one process. 128 MiB */
    uint64_t processes;      /* at a time. 64 */
    uint64_t fds;            /* of one process. 256 */
    uint64_t vfs_bytes;      /* in /workspace and /tmp. 128 MiB */
    uint64_t vfs_nodes;      /* files and directories there. 100,000 */
    uint64_t output;         /* bytes: stdout, and stderr. 10 MiB each */
    uint64_t calls;          /* tool calls of one run. 1,000 */
    uint64_t denials;        /* denied calls of one run. 100 */
    uint64_t argument;       /* bytes: arguments of one call. 4 MiB */
    uint64_t result;         /* bytes: result of one call. 4 MiB */
    uint64_t path;           /* bytes. 4,096 */
    uint64_t symlinks;       /* followed in one path. 40 */
};

/* Fills in the defaults. */
CAPFUL_API void capful_limits_init(struct capful_limits *limits);

/* ------------------------------------------------------------------ tools */

struct capful_call; /* one tool call that waits for its answer */

/* Called when a guest calls the tool and the call is allowed, on the thread and the stack that
 * drive the run. It answers by capful_call_answer or capful_call_fail: before it returns, or later
 * from any thread. */
typedef void (*capful_tool_fn)(struct capful_call *call, void *context);

struct capful_tool {
    const char *name;        /* any UTF-8 name without control characters */
    const char *description; /* may be NULL */
    const char *schema;      /* JSON Schema of the arguments (an object), or NULL: any object */
    capful_tool_fn call;     /* NULL: the host answers by the step-driven form */
    void *context;           /* handed to call; borrowed */
    void (*release)(
        void *context);  /* called once when the policy is freed, on whatever thread; may be NULL */
    uint64_t time_limit; /* ns for one call; 0: the limit tool_time */
    uint64_t max_calls;  /* over the life of a sandbox; 0: no limit of its own */
    const char *labels;  /* for flow rules, separated by blanks: "private untrusted"; may be NULL */
    uint32_t hints;      /* CAPFUL_HINT_…: what a server says about its tool; 0: nothing is known */
};

/* What follows from them is in capful-policy(5), "LABELS". Labels of the tool or of a policy take
 * their place. */
#define CAPFUL_HINTS                1u /* the tool comes from a server that gives hints */
#define CAPFUL_HINT_READ_ONLY       2u
#define CAPFUL_HINT_NOT_DESTRUCTIVE 4u
#define CAPFUL_HINT_CLOSED_WORLD    8u

/* Valid until the call is answered. The identifier is stable: use it as an idempotency key. */
CAPFUL_API const char *capful_call_id(const struct capful_call *call);
CAPFUL_API const char *capful_call_tool(const struct capful_call *call);
CAPFUL_API const char *capful_call_arguments(const struct capful_call *call, size_t *ret_len);
CAPFUL_API struct capful_sandbox *capful_call_sandbox(const struct capful_call *call);

/* Answer with a JSON text, or with plain text that becomes a JSON string. Any thread; exactly once
 * for each call, counting capful_call_fail. The text is copied; a text that is not valid JSON, too
 * deep (100 levels) or over the limit `result` reaches the guest as a ToolError that says so. The
 * call is gone afterwards. Safe after the run was cancelled or the sandbox freed: the answer is
 * then dropped. */
CAPFUL_API void capful_call_answer(struct capful_call *call, const char *json, size_t len);
CAPFUL_API void capful_call_answer_text(struct capful_call *call, const char *text, size_t len);
/* The tool failed: the guest sees a ToolError with this message. `code` (e.g. "not_found") may be
 * NULL, `data` is JSON or NULL. */
CAPFUL_API void capful_call_fail(struct capful_call *call, const char *code, const char *message,
                                 const char *data);

/* ------------------------------------------------------------------ policy */

enum capful_mount_mode { CAPFUL_MOUNT_RO, CAPFUL_MOUNT_RW, CAPFUL_MOUNT_OVERLAY };

enum capful_node_kind {
    CAPFUL_FILE = 1,
    CAPFUL_DIRECTORY = 2,
    CAPFUL_SYMLINK = 3,
    CAPFUL_DEVICE = 4
};

struct capful_stat {
    enum capful_node_kind kind;
    uint64_t size;  /* bytes */
    uint64_t mtime; /* ns since 1970 */
    uint32_t mode;  /* permission bits */
    uint32_t links;
};

/* A mount that the host serves. Called on the stack that drives the run, never while a guest runs.
 * Each answers 0 or a positive errno of <errno.h>. `path` is relative to the mount's root, without
 * leading slash, "" = root. */
struct capful_list;
CAPFUL_API int capful_list_add(struct capful_list *list, const char *name,
                               const struct capful_stat *stat);
struct capful_mount_ops {
    int (*list)(void *context, const char *path, struct capful_list *list);
    int (*stat)(void *context, const char *path, struct capful_stat *ret);
    int (*read)(void *context, const char *path, uint64_t offset, void *buffer, size_t size,
                size_t *ret_len);
    int (*write)(void *context, const char *path, uint64_t offset, const void *data,
                 size_t len); /* NULL: read-only */
    int (*create)(void *context, const char *path, enum capful_node_kind kind); /* NULL likewise */
    int (*remove)(void *context, const char *path);
    int (*truncate)(void *context, const char *path, uint64_t size);
    void (*release)(void *context); /* when the policy is freed; may be NULL */
};

/* Builder: not for several threads at once. After capful_builder_build it is empty and can be
 * freed. */
struct capful_builder;
struct capful_policy;

CAPFUL_API CAPFUL_MUST_USE int capful_builder_new(struct capful_builder **ret,
                                                  struct capful_error *err);
CAPFUL_API void capful_builder_free(struct capful_builder *builder);
/* Without a policy text a tool added is granted; with one only the policy grants. */
CAPFUL_API CAPFUL_MUST_USE int capful_builder_tool(struct capful_builder *builder,
                                                   const struct capful_tool *tool,
                                                   struct capful_error *err);
/* `name` is used in messages; relative paths in the policy start at `directory` (NULL: working
 * directory). */
CAPFUL_API CAPFUL_MUST_USE int capful_builder_policy(struct capful_builder *builder,
                                                     const char *text, size_t len, const char *name,
                                                     const char *directory,
                                                     struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_builder_policy_file(struct capful_builder *builder,
                                                          const char *path,
                                                          struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int
capful_builder_mount(struct capful_builder *builder, const char *host_directory,
                     const char *guest_path, enum capful_mount_mode mode, struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_builder_serve(struct capful_builder *builder,
                                                    const char *guest_path,
                                                    const struct capful_mount_ops *ops,
                                                    void *context, struct capful_error *err);
/* Limits given here win over the policy's; read the current ones first to change some. */
CAPFUL_API void capful_builder_get_limits(const struct capful_builder *builder,
                                          struct capful_limits *ret);
CAPFUL_API void capful_builder_set_limits(struct capful_builder *builder,
                                          const struct capful_limits *limits);
/* Adds or replaces one variable of the guests' environment. */
CAPFUL_API CAPFUL_MUST_USE int capful_builder_env(struct capful_builder *builder, const char *name,
                                                  const char *value, struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_builder_build(struct capful_builder *builder,
                                                    struct capful_policy **ret,
                                                    struct capful_error *err);
CAPFUL_API struct capful_policy *capful_policy_ref(struct capful_policy *policy); /* any thread */
CAPFUL_API void capful_policy_unref(struct capful_policy *policy);                /* any thread */

/* ------------------------------------------------------------------ grants */

/* A capability of a policy, or one that was derived from it: counted, any thread. A derived one
 * allows less and never more: a call through it must pass its ancestors, too, and draws on their
 * budgets. */
struct capful_grant;

/* A grant of the policy by its name (capful-policy(5), "GRANTS"). CAPFUL_EINVAL: there is none. */
CAPFUL_API CAPFUL_MUST_USE int capful_grant_find(struct capful_policy *policy, const char *name,
                                                 struct capful_grant **ret,
                                                 struct capful_error *err);
/* `narrowing`: a JSON object with the keys of a derived grant (capful-policy(5), "Derived grants").
 * What it counts lasts as long as that of its parent if it has a "name". CAPFUL_EPOLICY: the
 * narrowing is not valid. */
CAPFUL_API CAPFUL_MUST_USE int capful_grant_derive(struct capful_grant *parent,
                                                   const char *narrowing, struct capful_grant **ret,
                                                   struct capful_error *err);
/* Ends it and everything derived from it at once and for ever, in every sandbox, also in runs under
 * way. A call that was handed to its tool already is not interrupted; whether its result is
 * withheld says the policy. `who` is for the audit log; may be NULL. An error: it is revoked, but
 * that could not be recorded. */
CAPFUL_API int capful_grant_revoke(struct capful_grant *grant, const char *who,
                                   struct capful_error *err);
CAPFUL_API const char *capful_grant_name(const struct capful_grant *grant);
CAPFUL_API struct capful_grant *capful_grant_ref(struct capful_grant *grant);
CAPFUL_API void capful_grant_unref(struct capful_grant *grant);

/* ------------------------------------------------------------------ sandbox */

struct capful_sandbox;
struct capful_snapshot;

/* `policy` NULL: no tools, no mounts, default limits. Takes a reference of its own. */
CAPFUL_API CAPFUL_MUST_USE int capful_sandbox_new(struct capful_policy *policy,
                                                  struct capful_sandbox **ret,
                                                  struct capful_error *err);
/* CAPFUL_EBUSY from within a callback of its own run; otherwise frees and returns 0. */
CAPFUL_API int capful_sandbox_free(struct capful_sandbox *sandbox);
/* Files and environment as after capful_sandbox_new. What was used of budgets and what was touched
 * stays: see capful_sandbox_forget. CAPFUL_EBUSY while a run is under way. */
CAPFUL_API CAPFUL_MUST_USE int capful_sandbox_reset(struct capful_sandbox *sandbox,
                                                    struct capful_error *err);
/* Forgets what an account (NULL: the sandbox itself) has used and touched: only the host can.
 * `what`: CAPFUL_FORGET_…, or 0 for everything. CAPFUL_EBUSY while a run is under way. */
#define CAPFUL_FORGET_USE 1u /* budgets, rates, sums, values used once */
#define CAPFUL_FORGET_TOUCHED                                                                      \
    2u /* labels; those of the sandbox, too: its files are then as good as new */
CAPFUL_API CAPFUL_MUST_USE int capful_sandbox_forget(struct capful_sandbox *sandbox,
                                                     const char *account, uint32_t what,
                                                     struct capful_error *err);
/* The grants of the policy as a JSON list, in its order, each with what is derived from it by the
 * host and what is left of its budgets: {"name", "tools", "revoked", "expires", "calls": [{"n",
 * "per", "left"}], "derived": […]}. `account` as in struct capful_job. mem to be freed by
 * capful_free. */
CAPFUL_API CAPFUL_MUST_USE int capful_sandbox_grants(struct capful_sandbox *sandbox,
                                                     const char *account, char **ret_json,
                                                     size_t *ret_len, struct capful_error *err);
/* Ends the run under way, if any, with status CAPFUL_KILLED. Any thread; returns at once.
 * `signal_number` is reported as exit code 128 + n. */
CAPFUL_API void capful_sandbox_cancel(struct capful_sandbox *sandbox, int signal_number);

/* Files of the sandbox: guest paths, absolute or from /workspace. Mounts are reached as a guest
 * would. Also allowed from within a tool's callback. */
CAPFUL_API CAPFUL_MUST_USE int capful_file_write(struct capful_sandbox *sandbox, const char *path,
                                                 const void *data, size_t len,
                                                 struct capful_error *err);
/* *ret_data is allocated, NUL-terminated beyond its length, and freed by capful_free. */
CAPFUL_API CAPFUL_MUST_USE int capful_file_read(struct capful_sandbox *sandbox, const char *path,
                                                void **ret_data, size_t *ret_len,
                                                struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_file_stat(struct capful_sandbox *sandbox, const char *path,
                                                struct capful_stat *ret, struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_file_mkdir(struct capful_sandbox *sandbox, const char *path,
                                                 struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_file_remove(struct capful_sandbox *sandbox, const char *path,
                                                  struct capful_error *err);
/* Calls `each` for every entry but "." and "..", sorted by name, until it returns other than 0. */
CAPFUL_API CAPFUL_MUST_USE int capful_file_list(struct capful_sandbox *sandbox, const char *path,
                                                int (*each)(void *context, const char *name,
                                                            const struct capful_stat *stat),
                                                void *context, struct capful_error *err);
/* What overlay mounts hold beyond the host's files: kind is 'A' added, 'M' changed, 'D' deleted;
 * guest paths. */
CAPFUL_API CAPFUL_MUST_USE int capful_file_diff(struct capful_sandbox *sandbox,
                                                int (*each)(void *context, char kind,
                                                            const char *path),
                                                void *context, struct capful_error *err);
CAPFUL_API void capful_free(void *memory);

/* A snapshot of /workspace and /tmp (and overlays): O(1). It may outlive the sandbox and be
 * restored into any. */
CAPFUL_API CAPFUL_MUST_USE int capful_snapshot_take(struct capful_sandbox *sandbox,
                                                    struct capful_snapshot **ret,
                                                    struct capful_error *err);
CAPFUL_API CAPFUL_MUST_USE int capful_snapshot_restore(struct capful_sandbox *sandbox,
                                                       const struct capful_snapshot *snapshot,
                                                       struct capful_error *err);
CAPFUL_API void capful_snapshot_free(struct capful_snapshot *snapshot);

/* ------------------------------------------------------------------ run */

enum capful_language { CAPFUL_JAVASCRIPT, CAPFUL_WASM };

#define CAPFUL_HAS_SEED  1u /* seed is given: all randomness of the run follows from it */
#define CAPFUL_HAS_CLOCK 2u /* clock is given: time stands still there while any process works */
#define CAPFUL_TAKE_QUESTIONS                                                                      \
    8u /* the host takes questions by capful_run_next_question; else, without on_questions, a call \
          that needs an approval is denied */
#define CAPFUL_KEEP_OUTPUT 4u /* the result keeps what goes to on_stdout and on_stderr, too */

/* ---- approvals: a call that its grant, or a flow rule, lets pass only if somebody agrees */

struct capful_question;
/* Valid until the question is answered. Text that came from the program or a server may hold
 * control characters: show it with them made visible. */
CAPFUL_API const char *capful_question_id(const struct capful_question *question); /* the call's */
CAPFUL_API const char *capful_question_tool(const struct capful_question *question);
/* JSON: what would be sent, bound parameters and defaults included. */
CAPFUL_API const char *capful_question_arguments(const struct capful_question *question,
                                                 size_t *ret_len);
CAPFUL_API const char *capful_question_grant(const struct capful_question *question); /* its name */
CAPFUL_API const char *capful_question_reason(const struct capful_question *question); /* words */

CAPFUL_API uint64_t
capful_question_time_left(const struct capful_question *question); /* ns; then it is denied */

/* One of these, exactly once, from any thread, at any time; the question is gone afterwards. Safe
 * after the run has ended or the sandbox was freed: the answer is then dropped. `who` answers, for
 * the audit log; may be NULL. Texts are copied. Constraints, budgets, expiry and revocation are
 * looked at once more before the call is made. */
CAPFUL_API void capful_question_allow(struct capful_question *question, const char *who);
/* With other arguments, a JSON object, checked as the program's were. Not valid: the call is
 * refused. */
CAPFUL_API void capful_question_edit(struct capful_question *question, const char *json, size_t len,
                                     const char *who);
/* The program sees the reason; NULL: none. */
CAPFUL_API void capful_question_refuse(struct capful_question *question, const char *reason,
                                       const char *who);
/* Allows this call and the next `n` - 1 of the run through the same grant without asking, as long
 * as they fit `narrowing`: JSON, the keys of a derived grant; NULL: no bounds but those of the
 * grant. Where this call does not fit it either, it is denied. CAPFUL_EPOLICY: the narrowing is not
 * valid; the question still waits. */
CAPFUL_API CAPFUL_MUST_USE int capful_question_allow_next(struct capful_question *question,
                                                          uint64_t n, const char *narrowing,
                                                          const char *who,
                                                          struct capful_error *err);

struct capful_record;
struct capful_job {
    enum capful_language language;
    const char *source; /* program text; for CAPFUL_WASM the bytes of an image made by
                           capful-compile. Borrowed */
    size_t source_len;
    const char *name;        /* shown in stack traces, argv[0]; NULL: "<eval>" */
    const char *const *argv; /* the arguments after argv[0]; NULL-terminated, may be NULL */
    const char *const *env;  /* "NAME=value", added to the policy's; NULL-terminated, may be NULL */
    const char *cwd;         /* NULL: /workspace */
    /* Directories that a CAPFUL_WASM program finds opened, "GUEST_DIR" or "GUEST_DIR::NAME", from
     * descriptor 3 on; NULL-terminated. NULL: cwd as ".", then each directory of the root under its
     * own name. A program that exports "entry" reaches the whole tree by the calls that it speaks:
     * it is refused (CAPFUL_EINVAL) where this is given. */
    const char *const *preopens;
    const void *input; /* stdin as bytes; borrowed until the run ends */
    size_t input_len;
    int input_fd; /* used where input is NULL: read when the guest reads; -1 none. Borrowed */
    /* Called with what the guests print, as it comes, on the driving stack. NULL: kept in the
     * result. A result other than 0 means that nobody reads any more: the guest then gets EPIPE. */
    int (*on_stdout)(void *context, const void *data, size_t len);
    int (*on_stderr)(void *context, const void *data, size_t len);
    /* Called after each decided call and each answer; see struct capful_record. */
    void (*on_call)(void *context, const struct capful_record *record);
    /* Called when no process can go on, with all questions that came up since: answer each, before
     * it returns or later. NULL: see CAPFUL_TAKE_QUESTIONS. */
    void (*on_questions)(void *context, struct capful_question *const *questions, size_t n);
    void *context;
    /* The account that budgets, rates, sums and touched labels belong to: capful-policy(5),
     * "ACCOUNTS". NULL: the sandbox is the account. */
    const char *account;
    /* What the run holds, of the sandbox's policy; counted while it runs. NULL: all grants of the
     * policy. A tool that none of them is for is denied. */
    struct capful_grant *const *grants;
    size_t n_grants;
    /* What the host says about the run, a JSON object that constraints and bound parameters can
     * refer to; NULL: nothing. */
    const char *facts;
    /* A dry run: no tool is called. A JSON object of results by the tool's name, "{}" for null
     * everywhere; NULL: tools are called. Counts against the sandbox, not the account. */
    const char *dry_results;
    uint32_t flags; /* CAPFUL_HAS_… */
    uint64_t seed;
    uint64_t clock; /* ns since 1970 */
};

/* Fills in: JavaScript, no input, no callbacks. */
CAPFUL_API void capful_job_init(struct capful_job *job);

enum capful_status {
    CAPFUL_OK,     /* exit code 0 */
    CAPFUL_ERROR,  /* an exception, another exit code, a trap in the program */
    CAPFUL_DENIED, /* a denial that the script did not catch */
    CAPFUL_LIMIT,  /* see limit */
    CAPFUL_KILLED, /* cancelled */
    CAPFUL_FAULT   /* our side failed */
};
CAPFUL_API const char *capful_status_name(enum capful_status status); /* "ok", "error", … */

enum capful_mode {
    CAPFUL_ENFORCE,
    CAPFUL_WATCH,  /* the policy only watched: what it denies was done all the same */
    CAPFUL_DRY_RUN /* no tool was called */
};

enum capful_outcome {
    CAPFUL_CALL_DONE,    /* answered */
    CAPFUL_CALL_FAILED,  /* the tool failed, or its arguments or result were not accepted */
    CAPFUL_CALL_REFUSED, /* denied: the tool was not called */
    CAPFUL_CALL_UNKNOWN, /* cut off under way: it may have happened */
    CAPFUL_CALL_STARTED  /* on_call only: allowed and handed to the tool */
};
struct capful_record {
    const char *id;
    const char *tool;
    const char *arguments; /* JSON */
    enum capful_outcome outcome;
    const char *message;    /* why failed or refused; else NULL */
    const char *would_deny; /* where the policy only watches: why it would be denied; else NULL */
    const char *grant;      /* name of the grant that was charged, or that refused; NULL: none */
    uint64_t start, end;    /* ns from the start of the run */
    size_t result_len;      /* bytes */
};

struct capful_usage {
    uint64_t wall, waiting, cpu; /* ns; waiting is the part of wall spent on tools */
    uint64_t peak_memory;        /* bytes */
    uint64_t calls, denials;
    uint64_t processes; /* started */
    uint64_t stdout_bytes, stderr_bytes, argument_bytes, result_bytes;
};

struct capful_script_error {
    const char *name, *message, *stack; /* "" where unknown */
    const char *file;
    int line, column;        /* from 1; 0 unknown */
    const char *tool, *code; /* of a ToolError or ToolDenied */
};

struct capful_result;

/* Runs to the end. CAPFUL_OK or not is in the result: a return value other than 0 means that
 * nothing was run. */
CAPFUL_API CAPFUL_MUST_USE int capful_run(struct capful_sandbox *sandbox,
                                          const struct capful_job *job, struct capful_result **ret,
                                          struct capful_error *err);

CAPFUL_API enum capful_status capful_result_status(const struct capful_result *result);
CAPFUL_API int capful_result_exit_code(const struct capful_result *result);
CAPFUL_API enum capful_mode capful_result_mode(const struct capful_result *result);
/* JSON text; NULL when the program gave no value. */
CAPFUL_API const char *capful_result_value(const struct capful_result *result, size_t *ret_len);
CAPFUL_API const char *capful_result_stdout(const struct capful_result *result, size_t *ret_len);
CAPFUL_API const char *capful_result_stderr(const struct capful_result *result, size_t *ret_len);
/* NULL unless the program failed by an exception or a trap. */
CAPFUL_API const struct capful_script_error *
capful_result_error(const struct capful_result *result);
/* One line for people, also with limit, killed and fault; NULL with ok. */
CAPFUL_API const char *capful_result_message(const struct capful_result *result);
/* Name of the limit that was hit ("wall", "memory", …, "deadlock"); NULL with another status. */
CAPFUL_API const char *capful_result_limit(const struct capful_result *result);
CAPFUL_API const struct capful_usage *capful_result_usage(const struct capful_result *result);
CAPFUL_API size_t capful_result_call_count(const struct capful_result *result);
CAPFUL_API const struct capful_record *capful_result_call(const struct capful_result *result,
                                                          size_t index);
/* The whole result as one JSON object (man capful, "RESULT"). Owned by the result. */
CAPFUL_API const char *capful_result_json(struct capful_result *result, size_t *ret_len);
/* The same for a model: what happened, what was done and what was not, in words. Owned by the
 * result. */
CAPFUL_API const char *capful_result_text(struct capful_result *result, size_t *ret_len);
CAPFUL_API void capful_result_free(struct capful_result *result);

/* ------------------------------------------------------------------ step by step */

/* For a host that has a loop of its own, or answers calls later. A tool without a function is
 * answered by the loop.
 *
 * Example:
 *     struct capful_tool tool = {.name = "weekday"};
 *     struct capful_builder *builder;
 *     struct capful_policy *policy;
 *     struct capful_sandbox *sandbox;
 *     struct capful_run *run;
 *     struct capful_result *result;
 *     struct capful_job job;
 *     enum capful_step step;
 *     capful_job_init(&job);
 *     job.source = "await tools.weekday({ date: '2026-12-24' })";
 *     job.source_len = strlen(job.source);
 *     if (capful_builder_new(&builder, NULL) || capful_builder_tool(builder, &tool, NULL) ||
 *         capful_builder_build(builder, &policy, NULL) ||
 *         capful_sandbox_new(policy, &sandbox, NULL) ||
 *         capful_run_start(sandbox, &job, &run, NULL))
 *         return 1;
 *     while ((step = capful_run_step(run)) != CAPFUL_STEP_DONE) {
 *         struct capful_call *call;
 *         while ((call = capful_run_next_call(run)) != NULL) {
 *             printf("%s %s\n", capful_call_tool(call), capful_call_arguments(call, NULL));
 *             capful_call_answer_text(call, "Thursday", 8);
 *         }
 *         if (step == CAPFUL_STEP_WAIT)
 *             capful_run_wait(run); // or poll capful_run_fd together with others
 *     }
 *     if (capful_run_finish(run, &result, NULL) != 0)
 *         return 1;
 *     printf("%s\n", capful_result_value(result, NULL));
 *     capful_result_free(result);
 *     capful_sandbox_free(sandbox);
 *     capful_policy_unref(policy);
 *     capful_builder_free(builder);
 * Output:
 *     weekday {"date":"2026-12-24"}
 *     "Thursday"
 */

enum capful_step {
    CAPFUL_STEP_DONE,  /* call capful_run_finish */
    CAPFUL_STEP_CALLS, /* calls or questions for the host wait: capful_run_next_call,
                          capful_run_next_question */
    CAPFUL_STEP_WAIT   /* nothing to do until capful_run_fd is readable or capful_run_timeout has
                          passed */
};
struct capful_run;
CAPFUL_API CAPFUL_MUST_USE int capful_run_start(struct capful_sandbox *sandbox,
                                                const struct capful_job *job,
                                                struct capful_run **ret, struct capful_error *err);
/* Runs guests until they need something; never waits. */
CAPFUL_API enum capful_step capful_run_step(struct capful_run *run);
/* The next call of a tool that has no function of its own; NULL when there is none. Answer in any
 * order, with capful_call_answer and capful_call_fail. */
CAPFUL_API struct capful_call *capful_run_next_call(struct capful_run *run);
/* With CAPFUL_TAKE_QUESTIONS: the next question that was put; NULL when there is none. */
CAPFUL_API struct capful_question *capful_run_next_question(struct capful_run *run);
/* A descriptor to poll for reading, valid until capful_run_finish; and ns until a step is due
 * (UINT64_MAX: none). */
CAPFUL_API int capful_run_fd(const struct capful_run *run);
CAPFUL_API uint64_t capful_run_timeout(const struct capful_run *run);
/* Waits for that descriptor or time. */
CAPFUL_API void capful_run_wait(struct capful_run *run);
/* Ends the run (as killed, if it was not done), frees it, gives its result. */
CAPFUL_API CAPFUL_MUST_USE int capful_run_finish(struct capful_run *run, struct capful_result **ret,
                                                 struct capful_error *err);

/* ------------------------------------------------------------------ the process as a whole */

struct capful_engine_options {
    uint32_t max_instances; /* guest processes at a time in this host process, at most 16,000 and
                               what the kernel's limit of mappings allows, six for each; 0: 256 */
    uint64_t
        max_memory; /* bytes of guest memory at a time; 0: no ceiling beyond the sandboxes' own */
    uint32_t wait_for_slot; /* 1: a run waits its turn when a ceiling is reached; 0: it fails */
    uint32_t plain; /* 1: the images that need no signal handler, memfd or address space (slower) */
};
/* Before the first run; CAPFUL_ESTATE afterwards. Optional. */
CAPFUL_API CAPFUL_MUST_USE int capful_engine_configure(const struct capful_engine_options *options,
                                                       struct capful_error *err);
/* Which images this host allows, "fast" or "plain": capful-compile's --kind. Starts the engine;
 * NULL with *err filled. */
CAPFUL_API const char *capful_engine_kind(struct capful_error *err);
/* Notices of everything inside the library, as text. */
CAPFUL_API const char *capful_licenses(size_t *ret_len);

#ifdef __cplusplus
}
#endif

#endif
