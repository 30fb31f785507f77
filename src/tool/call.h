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
#include "tool/command.h"
#include "tool/tool.h"

enum call_turn { CALL_OPEN, CALL_ANSWERED, CALL_CUT };
enum call_phase { CALL_IN_CALLBACK, CALL_AWAITED, CALL_COMPLETE };

/* Where a call of the current run stands, on the host's side. */
enum call_place {
    PLACE_QUEUED,    /* not decided yet */
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

/* Carries answers from any thread to the driver. Counted by the host and every call. */
struct mailbox {
    _Atomic uint32_t refs;
    _Atomic(struct capful_sandbox *) sandbox; /* NULL once it is gone */
    _Atomic bool full;                        /* a hint that saves the driver the lock */
    pthread_mutex_t lock;
    struct list answered; /* by capful_call.mail */
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
    struct list mail;
    struct answer answer; /* written by whoever took the turn, moved to `result` after COMPLETE */
    uint64_t result_limit;
    char id[48];

    /* From here on the driver's thread only. */
    struct tool_process *process; /* NULL: it has exited */
    struct list mine;             /* in one of the process's lists */
    struct list link;             /* in the host's list of its place */
    enum call_place place;
    uint32_t number;         /* what the guest knows it by */
    const struct tool *tool; /* once found; not valid after the run */
    struct answer result;    /* once settled, until the guest has fetched it */
    bool too_large;          /* the arguments were */
    bool abandoned;          /* its run is over */
    size_t argument_len;     /* as the guest gave them */
    uint64_t deadline;       /* clock_monotonic */
    uint64_t charged;        /* bytes of the sandbox's memory: for itself and its arguments, */
    uint64_t text_charged;   /* and for the answer */
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
/* Moves everything that lies in it to `to`. */
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

/* Hangs on process->tools. The processes of a sandbox hold all its tools alike; what one holds less
 * stands here. */
struct tool_process {
    struct tool_host *host;
    struct process *process;
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

    char id_prefix[20];   /* random; "" until the first call */
    uint32_t run;         /* number of the run */
    uint32_t last_number; /* of a call */
    uint64_t origin;      /* clock_monotonic of the run's start */
    uint64_t now;         /* of what was last known; only tool_dispatch and what it calls use it */
    tool_observer on_call;
    void *on_call_context;

    struct list queued, for_host, in_flight, ready, running; /* by capful_call.link */
    size_t n_running;
    struct capful_call **history; /* every call of the run, in order */
    size_t n_history, history_alloc;
    uint64_t kept; /* bytes of long arguments in it */
    struct tool_usage usage;
};

/* dispatch.c: ends a call at `now`; the answer is taken. */
void call_settle(struct tool_host *host, struct capful_call *call, enum capful_outcome outcome,
                 struct answer *answer, uint64_t now);
/* host.c */
void call_drop_answer(struct tool_host *host, struct capful_call *call);
void call_shorten(struct tool_host *host,
                  struct capful_call *call); /* nobody else may hold it any more */

#endif
