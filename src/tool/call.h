/* One call and who holds it. Private to src/tool.
 *
 * A call is counted: its sandbox holds it (as a record, until the run's records go), the tool's
 * function holds it until it answers, and an answer on its way through the mailbox holds it. The
 * answer may come from any thread at any time, also after the sandbox is gone, so two atomic words
 * say who may do what:
 *
 *     turn     OPEN ──answer──> ANSWERED       whoever takes it from OPEN decides the outcome
 *                └──host gives up──> CUT
 *
 *     phase    IN_CALLBACK ──the function returned──> AWAITED
 *                   └──the answer is complete──> COMPLETE <──┘
 *
 * An answer that completes while the function has not returned needs no mailbox: the driver sees it
 * there.
 */
#ifndef CAPFUL_TOOL_CALL_H
#define CAPFUL_TOOL_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "policy/decide.h"
#include "policy/result.h"
#include "tool/command.h"
#include "tool/tool.h"

enum call_turn { CALL_OPEN, CALL_ANSWERED, CALL_CUT };
enum call_phase { CALL_IN_CALLBACK, CALL_AWAITED, CALL_COMPLETE };

/* Where a call of the current run stands, on the host's side. */
enum call_place {
    PLACE_QUEUED,    /* not decided yet */
    PLACE_ASKING,    /* waits for an approval */
    PLACE_FOR_HOST,  /* allowed; the host has not fetched it */
    PLACE_IN_FLIGHT, /* with a function or the host */
    PLACE_READY,     /* allowed; waits for a program to end */
    PLACE_RUNNING,   /* an external program runs */
    PLACE_SETTLED
};

/* What an answer says, ready for the guest. */
struct answer {
    uint32_t status; /* CAPFUL_CALL_OK, _ERROR, _DENIED */
    char *text;      /* JSON; mem_alloc */
    size_t len;
    char *message; /* of an error; mem_alloc */
};

/* What lies in a mailbox: the answer of a call, or of a question. */
struct letter {
    struct list link;
    bool is_question;
};

/* Carries answers from any thread to the driver. Counted by the host and every call. */
struct mailbox {
    _Atomic uint32_t refs;
    _Atomic(struct capful_sandbox *) sandbox; /* NULL once it is gone */
    _Atomic bool full;                        /* a hint that saves the driver the lock */
    pthread_mutex_t lock;
    struct list letters;
    bool closed;
    int event_fd;       /* -1 until asked for */
    int event_write_fd; /* the same, or the other end of a pipe */
};

struct tool_process;

struct capful_call {
    _Atomic uint32_t refs;
    _Atomic int turn;
    _Atomic int phase;
    struct mailbox *mailbox; /* NULL until it is handed out */
    struct letter mail;
    struct answer answer; /* written by whoever took the turn, moved to `result` after COMPLETE */
    uint64_t result_limit;
    char id[48];

    /* From here on the driver's thread only. */
    struct tool_process *process; /* NULL: it has exited */
    struct tool_cap *cap; /* it is made through this one; NULL: by what the sandbox grants */
    bool unheld;          /* the process holds nothing of that name */
    struct list mine;     /* in one of the process's lists */
    struct list link;     /* in the host's list of its place */
    enum call_place place;
    uint32_t number;                  /* what the guest knows it by */
    const struct tool *tool;          /* once found; not valid after the run */
    struct grant *grant;              /* that let it pass, or was asked about; counted */
    struct capful_question *question; /* while it waits for an approval */
    struct answer result;             /* once settled, until the guest has fetched it */
    bool recorded;                    /* in the audit log */
    bool misfit;                      /* its arguments are not what the schema wants */
    bool too_large;                   /* the arguments were */
    bool abandoned;                   /* its run is over */
    size_t argument_len;              /* as the guest gave them */
    uint64_t deadline;                /* clock_monotonic */
    uint64_t charged;      /* bytes of the sandbox's memory: for itself and its arguments, */
    uint64_t text_charged; /* and for the answer */
    struct command *command;
    struct pollfd *polled; /* where its descriptors stand in the array of tool_pollfds */
    struct capful_record record;
    char *tool_name;     /* points to `name`, or allocated where the guest used the alias */
    char *name;          /* as the guest called it; within this block */
    char *arguments;     /* within this block, or */
    char *own_arguments; /* allocated where they are long: they can go before the call does; then */
    char omitted[48];    /* stands in their place */
};

struct capful_call *call_ref(struct capful_call *call);
void call_unref(struct capful_call *call);
void answer_release(struct answer *answer);

int mailbox_new(struct capful_sandbox *sandbox, struct mailbox **ret);
struct mailbox *mailbox_ref(struct mailbox *mailbox);
void mailbox_unref(struct mailbox *mailbox);
void mailbox_close(struct mailbox *mailbox); /* what lies in it is dropped, what comes later too */
/* Takes the reference that the letter stands for. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);
/* Moves every letter that lies in it to `to`. */
void mailbox_empty(struct mailbox *mailbox, struct list *to);
int mailbox_event_fd(struct mailbox *mailbox);

/* The texts that a guest gets. `data` is JSON or empty. False: memory. */
bool answer_error(struct answer *ret, const char *tool, const char *code, struct str message,
                  struct str data);
bool answer_denied(struct answer *ret, const char *tool, const char *code, struct str message);
/* A result that has to be valid JSON within the limits; becomes an error if it is not. Takes
 * `text`. */
bool answer_result(struct answer *ret, const char *tool, char *text, size_t len, uint64_t limit);

/* set.c */
struct str toolset_listing(const struct toolset *set);

/* ------------------------------------------------------------------ the calls of a sandbox */

struct tool_cap;
struct tool_entry {
    char *name, *alias; /* the process's own */
    struct tool_cap *cap;
};

/* Hangs on process->tools. A process holds all tools of its sandbox unless it was handed a list. */
struct tool_process {
    struct tool_host *host;
    struct process *process;
    bool listed; /* it holds these and nothing else: */
    struct tool_entry *entries;
    size_t n_entries;
    struct tool_cap **handles; /* what it narrowed; handle 1 is the first */
    uint32_t n_handles;
    uint64_t charged;    /* bytes, for the list */
    struct list pending; /* not settled, by capful_call.mine */
    struct list done;    /* settled, the guest was not told */
    struct list told;    /* the guest may fetch the answer */
    struct wait_queue queue;
};

struct tool_host {
    struct toolset *set; /* may be NULL */
    struct kernel *kernel;
    struct capful_sandbox *sandbox;
    struct mailbox *mailbox; /* made for the first call */
    uint64_t *used; /* calls of each tool over the life of the sandbox; made for the first */

    /* What decisions look at and change (judge.c). */
    struct store *sandbox_store, *run_store; /* made when a grant counts something */
    struct ledger ledger;
    struct seen seen;
    uint64_t seen_charged;
    label_set touched;           /* by this sandbox */
    label_set account_touched;   /* by its account, as was last known */
    label_set touched_by_mounts; /* what the account does not know of yet */
    struct json context;         /* of the run */
    struct json canned;
    bool dry, can_ask, watch;
    struct grant **held; /* what the run holds, counted; NULL: all of the policy */
    size_t n_held;
    struct held *held_of;    /* of each tool, by its index */
    struct audit_run *audit; /* borrowed; NULL: nothing is recorded */
    struct pass *passes;     /* approvals for more than one call; of the run */
    size_t n_passes;

    char id_prefix[20];   /* random; "" until the first call */
    uint32_t run;         /* number of the run */
    uint32_t last_number; /* of a call */
    uint64_t origin;      /* clock_monotonic of the run's start */
    uint64_t now;         /* of what was last known; only tool_dispatch and what it calls use it */
    tool_observer on_call;
    void *on_call_context;

    struct list questions; /* that the host has not seen, by capful_question.fresh */
    struct list decided;   /* questions that were answered, by letter.link */
    struct list queued, asking, for_host, in_flight, ready, running; /* by capful_call.link */
    size_t n_running;
    struct capful_call **history; /* every call of the run, in order */
    size_t n_history, history_alloc;
    uint64_t kept;        /* bytes of long arguments in it */
    uint32_t n_caps;      /* narrowed by guests in this run */
    uint64_t grants_made; /* derived by guests: a number makes their counters their own */
    struct tool_usage usage;
};

/* Grants for one tool. */
struct held {
    struct grant **grants;
    size_t n;
};

/* judge.c */
struct held held_for(const struct tool_host *host, const struct tool *tool);
enum judgement {
    JUDGED_ALLOW, /* counted: it is to be made */
    JUDGED_ASK,   /* call->question stands, the call is to wait */
    JUDGED_NO     /* settled */
};
enum judgement judge(struct tool_host *host, struct capful_call *call);
/* The same after somebody was asked and said yes, perhaps with other arguments (NULL: as they
 * are). */
enum judgement judge_approved(struct tool_host *host, struct capful_call *call, struct grant *grant,
                              const char *edited, size_t len);
void judge_end(struct tool_host *host);   /* the run ends: its account is told what it touched */
void judge_reset(struct tool_host *host); /* the run is over */
void judge_release(struct tool_host *host);
/* What becomes of an answer that is ready for the guest. */
void judge_answer(struct tool_host *host, struct capful_call *call, struct answer *answer,
                  enum capful_outcome *outcome);

/* question.c */
enum question_answer { QUESTION_ALLOW, QUESTION_EDIT, QUESTION_REFUSE, QUESTION_NEXT };

/* Put to the host when a call needs an approval; counted by the call and by whoever answers. Its
 * texts are its own: the call may be gone when they are looked at. */
struct capful_question {
    _Atomic uint32_t refs;
    _Atomic int turn; /* enum call_turn */
    struct mailbox *mailbox;
    struct letter mail;
    struct list fresh;        /* in host->questions until the host has seen it */
    struct capful_call *call; /* the driver's; NULL once nobody waits */
    struct grant *grant;
    struct toolset *set;
    uint64_t asked, deadline; /* clock_monotonic */
    char *id, *tool, *reason;
    char *arguments; /* what would be sent */
    size_t argument_len;
    /* The answer, written by whoever took the turn. */
    enum question_answer answer;
    char *text; /* the arguments of an edit, or the reason of a refusal */
    size_t text_len;
    char *who;
    struct grant *pass; /* of QUESTION_NEXT */
};

/* Makes call->question. False: memory. */
bool question_put(struct tool_host *host, struct capful_call *call, struct str arguments,
                  struct str why);
void question_unref(struct capful_question *question);
/* Nobody waits for it any more. False: it is being answered at this moment. */
bool question_cut(struct capful_call *call);
/* The same, because nobody answered in time. */
bool question_expire(struct tool_host *host, struct capful_call *call);
/* A letter that came. */
void question_answered(struct tool_host *host, struct letter *letter);
/* Goes on with the calls whose questions were answered. True if there were any. */
bool question_settle(struct tool_host *host);
/* Approvals for the next calls. */
struct pass {
    struct grant *grant; /* derived from the one that was asked about */
    struct grant *from;
};
void passes_release(struct tool_host *host);

/* record.c: false where the log could not be written; the run is being stopped then. */
bool record_allowed(struct tool_host *host, struct capful_call *call);
bool record_asked(struct tool_host *host, struct capful_call *call, struct str why);
bool record_approval(struct tool_host *host, const struct capful_call *call,
                     const struct capful_question *question, bool timeout);
bool record_settled(struct tool_host *host, struct capful_call *call, const struct answer *answer,
                    bool schema);
bool record_narrowed(struct tool_host *host, const struct process *process,
                     const struct grant *grant, struct str narrows);

/* dispatch.c: hands out a call that was allowed. */
void call_hand_out(struct tool_host *host, struct capful_call *call);
void call_settle_error(struct tool_host *host, struct capful_call *call,
                       enum capful_outcome outcome, const char *code, struct str message,
                       struct str data);
__attribute__((format(printf, 5, 6))) void
call_settle_failed(struct tool_host *host, struct capful_call *call, enum capful_outcome outcome,
                   const char *code, const char *format, ...);
void call_settle_denied(struct tool_host *host, struct capful_call *call, const char *code,
                        struct str why);
void call_move(struct capful_call *call, struct list *to, enum call_place place);
/* cap.c */
const struct tool_entry *tool_process_find(const struct tool_process *tools, struct str name);
void tool_process_drop(struct tool_process *tools); /* all that it holds by name or handle */
int tool_process_copy(struct tool_process *to, const struct tool_process *from); /* errno */
int tool_process_list(const struct tool_process *tools, struct buf *out);        /* errno */

/* dispatch.c: ends a call at `now`; the answer is taken. */
void call_settle(struct tool_host *host, struct capful_call *call, enum capful_outcome outcome,
                 struct answer *answer, uint64_t now);
/* host.c */
void call_drop_answer(struct tool_host *host, struct capful_call *call);
void call_shorten(struct tool_host *host,
                  struct capful_call *call); /* nobody else may hold it any more */

#endif
