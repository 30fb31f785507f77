/* What the operator lets in: the tools that a guest may call, and the life of each call.
 *
 *   guest's stack          host's stack (the driver loop of src/lib)             any thread
 *   ─────────────          ─────────────────────────────────────────             ──────────
 *   tool_call_start ─────> queued
 *                            │ tool_dispatch: found? granted? budget? schema?
 *                            ├─ no ───────────────────────────> settled
 *                            ├─ C callback ─────> in flight ── capful_call_answer ──> mailbox
 *                            ├─ command ────────> in flight ── tool_poll_events           │
 *                            └─ no function ────> for the host: tool_next_host_call       │
 *                                                     │ tool_collect <────────────────────┘
 *   tool_call_next  <───────────────────────────── settled (the process is woken)
 *   tool_call_take, tool_call_forget
 *
 * A toolset is immutable once sealed and shared by any number of sandboxes and threads. A tool_host
 * belongs to one sandbox and is used by the thread that drives it; only the answers come from
 * elsewhere.
 */
#ifndef CAPFUL_TOOL_TOOL_H
#define CAPFUL_TOOL_TOOL_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/abi.h"
#include "base/buf.h"
#include "base/str.h"
#include "capful/capful.h"
#include "kernel/kernel.h"
#include "policy/authority.h"

#define TOOL_DEPTH    100 /* levels of JSON in arguments and results */
#define TOOL_NAME_MAX 256 /* bytes */
#define TOOL_COMMANDS 16  /* programs that a sandbox runs at a time; further calls wait */

struct audit_run;
struct command_spec;
struct store;
struct tool_schema;

/* ------------------------------------------------------------------ the set of tools */

enum tool_kind {
    TOOL_CALLBACK, /* a C function */
    TOOL_STEP,     /* no function: the host answers by the step-driven form */
    TOOL_COMMAND   /* an external program */
};

struct tool {
    uint32_t index; /* in the set: counters of a sandbox are kept under it */
    char *name;
    char *alias;        /* the name as an identifier; equal to the name where that is one already */
    char *description;  /* "" if none */
    char *schema_text;  /* compact JSON; NULL: any object */
    char *shown_schema; /* without the parameters that every grant binds; NULL: as it is */
    struct tool_schema *schema; /* owned by the set, which shares equal ones; NULL likewise */
    enum tool_kind kind;
    capful_tool_fn call;
    void *context;
    void (*release)(void *context);
    struct command_spec *command;
    uint64_t time_limit; /* ns; 0: the limit tool_time */
    uint64_t max_calls;  /* the tool's own, over the life of a sandbox; CAPFUL_UNLIMITED */
    char *labels;        /* that it was registered with, separated by blanks; "" if none */
    uint32_t hints;      /* CAPFUL_HINT_… that it was registered with */
    const struct authority_tool *authority; /* what the policy says of it; NULL until authorised */
};

/* Guests may call it, if the grants let the call pass. */
static inline bool tool_granted(const struct tool *tool)
{
    return tool->authority && tool->authority->n_grants > 0;
}

struct toolset;

int toolset_new(struct toolset **ret, struct capful_error *err);
struct toolset *toolset_ref(struct toolset *set); /* any thread */
void toolset_unref(struct toolset *set);          /* any thread; calls each tool's release */

/* Copies what *tool points to. Not granted yet. After a failure nothing was added, and `release` is
 * not called. CAPFUL_ETOOL   the name is empty, too long, not UTF-8 or holds a control character;
 * it is taken, or another tool has the same identifier; the schema does not compile CAPFUL_ESTATE
 * the set is sealed CAPFUL_ENOMEM */
int toolset_add(struct toolset *set, const struct capful_tool *tool, struct capful_error *err);
/* The same for an external program; takes `command` on success only. tool->call must be NULL. */
int toolset_add_command(struct toolset *set, const struct capful_tool *from,
                        struct command_spec *command, struct capful_error *err);
/* Takes back what was added after there were `count` tools; their `release` is not called. */
void toolset_truncate(struct toolset *set, size_t count);
/* Gives the set what a policy says: its grants are expanded against the tools, its constraints held
 * against their schemas. Takes *authority, which is empty afterwards, also after a failure. `at`
 * and `reader` as in authority_complete. CAPFUL_EPOLICY: problems, all of which were reported. */
int toolset_authorise(struct toolset *set, struct authority *authority,
                      yyjson_val *(*at)(void *context, size_t grant),
                      const struct constraint_reader *reader, struct capful_error *err);
/* Without a policy: each tool has a grant that allows everything. */
int toolset_grant_all(struct toolset *set, struct capful_error *err);
/* How long a question may wait, ns; 5 minutes unless set before it is sealed. */
void toolset_set_approval_time(struct toolset *set, uint64_t time);
uint64_t toolset_approval_time(const struct toolset *set);
const struct authority *toolset_authority(const struct toolset *set);
/* Takes the tools without a grant out of sight, external programs excepted: with a policy, a tool
 * from C that it does not name is not there. */
int toolset_hide_ungranted(struct toolset *set, struct capful_error *err);
int toolset_seal(struct toolset *set, struct capful_error *err); /* CAPFUL_ENOMEM */

size_t toolset_count(const struct toolset *set);
const struct tool *toolset_at(const struct toolset *set, size_t index);
/* By name or alias; NULL if there is none. */
const struct tool *toolset_find(const struct toolset *set, struct str name);
/* The name most like `name`, or NULL if none is near. */
const struct tool *toolset_nearest(const struct toolset *set, struct str name);

/* The identifier form of a name: every character that cannot stand in an identifier becomes "_",
 * and a first one that cannot begin it gets "_" before it. */
bool tool_alias(struct str name, struct buf *out);
/* NULL, or what is wrong with it, in words: empty, longer than TOOL_NAME_MAX, not UTF-8, control
 * characters. */
const char *tool_name_problem(struct str name);

/* Text of the page /tools/<name>: name, description, arguments; with a host also what is left of
 * its budget. */
struct tool_host;
int tool_page(const struct tool *tool, const struct tool_host *host, struct buf *out); /* errno */
/* The name of its page: the tool's name, or the alias where the name cannot be a file's. */
struct str tool_page_name(const struct tool *tool);
/* Fits vfs_add_page: `context` is the tool_host, `name` a page's name. Errno. */
int tool_page_make(void *context, struct str name, struct buf *out);

/* ------------------------------------------------------------------ one sandbox's calls */

/* `set` may be NULL: no tools. The kernel is charged for what is held, and its limits hold.
 * `sandbox` is what capful_call_sandbox answers. Takes a reference on the set. CAPFUL_ENOMEM. */
int tool_host_new(struct toolset *set, struct kernel *kernel, struct capful_sandbox *sandbox,
                  struct tool_host **ret);
/* No run is under way. Answers that come later are dropped. NULL is fine. */
void tool_host_free(struct tool_host *host);
const struct toolset *tool_host_set(const struct tool_host *host); /* may be NULL */
/* Calls that one budget of a grant still allows: 0 if that cannot be told, CAPFUL_UNLIMITED where
 * nothing was counted yet and there is no ledger. */
uint64_t tool_calls_left(const struct tool_host *host, const struct grant *grant, size_t index);
/* Calls that the tool's own max_calls still allows; CAPFUL_UNLIMITED if it has none. */
uint64_t tool_own_calls_left(const struct tool_host *host, const struct tool *tool);
/* Labels that this sandbox has touched: they go with its snapshots. */
uint64_t tool_touched(const struct tool_host *host);
void tool_touch(struct tool_host *host, uint64_t labels);
/* Something that carries labels was reached without a call: a mount. On any stack; the account gets
 * to know of it at the next call, or when the run ends. */
void tool_reach(struct tool_host *host, uint64_t labels);
/* Whether the flow rules let it be written, by what was last known of the account; it is reached.
 */
bool tool_may_write(struct tool_host *host, uint64_t labels);
/* Clears what an account has used, or touched, or both. `store` NULL: nothing was counted yet.
 * False: the store failed (store_problem). */
bool tool_forget(struct tool_host *host, struct store *store, struct str account, bool use,
                 bool touched);
struct store *tool_sandbox_store(struct tool_host *host); /* NULL until something was counted */

/* For struct kernel_hooks, whose context is the tool_host. */
int tool_process_inherit(struct process *parent /* NULL: the first */, struct process *child);
void tool_process_exited(struct process *process);
static inline struct tool_host *tool_host_of(const struct process *process)
{
    return process->kernel->hooks.context;
}

/* ---- from src/syscall, on a guest's stack; errnos */

/* Queues a call. INVAL: name too long or not UTF-8. 2BIG is not answered: arguments over the limit
 * are copied in part only and the call fails with a ToolError. NOMEM. AGAIN: a limit ended the run.
 */
int tool_call_start(struct tool_host *host, struct process *process, struct str name,
                    struct str arguments, uint32_t *ret_id);
/* The same through a handle of the process (cap.h). BADF. */
int tool_call_start_handle(struct tool_host *host, struct process *process, uint32_t handle,
                           struct str arguments, uint32_t *ret_id);
/* The next settled call of the process that was not told yet. False: none (ret->status =
 * CAPFUL_CALL_NONE then if nothing is under way either; the caller waits on tool_call_queue
 * otherwise). */
bool tool_call_next(struct tool_host *host, struct process *process, struct capful_done *ret);
/* Calls of the process that are not settled yet. */
bool tool_call_pending(const struct process *process);
/* Woken when a call of the process is settled. */
struct wait_queue *tool_call_queue(struct process *process);
/* The answer of a call that tool_call_next told, valid until it is forgotten. NOENT. */
int tool_call_take(struct tool_host *host, struct process *process, uint32_t id,
                   struct str *ret_text);
void tool_call_forget(struct tool_host *host, struct process *process, uint32_t id);
/* True if the process sees a tool of that name or alias (it may still not be granted). */
bool tool_has(const struct tool_host *host, const struct process *process, struct str name);
/* Appends a JSON array of {"name","alias"} of the granted tools. Errno. */
int tool_list(const struct tool_host *host, const struct process *process, struct buf *out);

/* ---- from src/lib, on the host's stack */

typedef void (*tool_observer)(void *context, const struct capful_record *record);

/* What a run has beside its calls: set between tool_begin and the first call. */
struct tool_circumstances {
    struct store
        *account; /* where its account is kept, borrowed; NULL: the sandbox is the account */
    struct str account_name;
    struct str context; /* what the host says about the run: a JSON object that json_check has
                           passed, copied; ptr NULL: nothing */
    bool can_ask;       /* somebody takes questions; else calls that need one are denied */
    bool watch;         /* denials are recorded, and the calls made all the same */
    struct grant *const *grants; /* what the run holds; referenced. NULL: all of the policy */
    size_t n_grants;
    struct audit_run *audit; /* where calls are recorded, borrowed until tool_end; may be NULL */
    struct str canned;       /* a dry run: no tool is called; a JSON object of results by the tool's
                                name, copied; ptr NULL: tools are called */
};
/* CAPFUL_ENOMEM; CAPFUL_EFILE: what the account has touched cannot be read (store_problem). */
int tool_configure(struct tool_host *host, const struct tool_circumstances *circumstances);

/* Before and after a run. tool_end abandons what is still under way (outcome UNKNOWN; external
 * programs are killed; queued calls that were never made are REFUSED). The records stay readable
 * until the next tool_begin. */
void tool_begin(struct tool_host *host, tool_observer on_call /* may be NULL */, void *context);
void tool_end(struct tool_host *host);
void tool_abandon(struct tool_host *host); /* what tool_end does first */

/* Makes the queued calls, one by one, until the run must stop. True if it did anything. `now` is
 * clock_monotonic. */
bool tool_dispatch(struct tool_host *host, uint64_t now);
/* The next call for the host to answer (tools without a function); NULL if there is none. */
struct capful_call *tool_next_host_call(struct tool_host *host);
bool tool_has_host_calls(const struct tool_host *host);
/* Settles the calls that were answered. True if there were any. */
bool tool_collect(struct tool_host *host);
/* Calls that are neither settled nor waiting to be dispatched, those for the host included. */
bool tool_in_flight(const struct tool_host *host);
bool tool_queued(const struct tool_host *host);

/* ---- questions: calls that wait for an approval (question.c) */

/* Questions that were put since it was asked last, in order; NULL: none. For the caller, who
 * answers each once, from any thread. */
struct capful_question *tool_next_question(struct tool_host *host);
bool tool_has_questions(const struct tool_host *host);

/* Becomes readable when an answer arrives from another thread; tool_collect empties it. Made on
 * first use; -1 if that fails. */
int tool_event_fd(struct tool_host *host);
/* Fills in what to poll for external programs; answers how many there are, which may be more than
 * `room`. */
size_t tool_pollfds(struct tool_host *host, struct pollfd *fds, size_t room);
/* Hands over the results of poll on that very array. True if a call was settled or started. */
bool tool_poll_events(struct tool_host *host, const struct pollfd *fds, size_t count);
/* Time (clock_monotonic) at which tool_expire has something to do; UINT64_MAX: never. */
uint64_t tool_next_deadline(const struct tool_host *host);
void tool_expire(struct tool_host *host, uint64_t now);

/* ---- what happened in the run */

struct tool_usage {
    uint64_t calls, denials;
    uint64_t argument_bytes, result_bytes;
    uint64_t waiting; /* ns spent in callbacks on the host's stack */
};
void tool_get_usage(const struct tool_host *host, struct tool_usage *ret);
size_t tool_record_count(const struct tool_host *host);
const struct capful_record *tool_record(const struct tool_host *host, size_t index);

/* The records of a run that ended, as an object of its own that outlives the host. */
struct tool_records {
    struct capful_call **calls;
    size_t n;
};
void tool_records_take(struct tool_host *host, struct tool_records *ret);
const struct capful_record *tool_records_at(const struct tool_records *records, size_t index);
void tool_records_release(struct tool_records *records);

/* Tests: walks every list and count; NULL or what is wrong. */
const char *tool_host_check(const struct tool_host *host);

#endif
