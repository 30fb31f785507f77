/* What stands behind struct capful_sandbox and struct capful_run: shared by the files of this room.
 *
 *   sandbox.c  life of a sandbox, mounts, reset, snapshots, cancel     files.c   its files, from
 * outside run.c      a run from start to result, step by step or blocking    driver.c  the loop
 * that drives it stdio.c    stdin, stdout and stderr of a run                       result.c  what
 * it left; json.c, words.c its texts process.c  what concerns the whole host process
 */
#ifndef CAPFUL_LIB_SANDBOX_H
#define CAPFUL_LIB_SANDBOX_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "capful/capful.h"
#include "config/policy.h"
#include "kernel/kernel.h"
#include "syscall/context.h"
#include "syscall/run_io.h"
#include "tool/tool.h"
#include "vfs/vfs.h"

struct image;

struct capful_sandbox {
    struct syscall_context context; /* what system calls reach through kernel->context */
    struct kernel kernel;
    struct run_io io;
    struct capful_policy *policy; /* NULL: no tools, no mounts, default limits */
    uint64_t *mounts_written;     /* one bit a mount of the policy, of the run; NULL: no mounts */
    struct capful_run *run;       /* under way, else NULL */
    _Atomic int wake_fd; /* eventfd of the run under way, -1 none: written by other threads */
};

/* The stdin, stdout and stderr of one run. */
struct stdio {
    struct capful_run *run;
    const char *input;
    size_t input_len, input_used;
    int input_fd; /* -1: only the bytes above */
    bool input_ended;
    struct wait_queue readers; /* processes that wait for input_fd */
    struct wait_queue writers; /* processes that wait until pending output was handed on */
    /* Printed but not yet handed to the callbacks, in the order in which it came. */
    struct buf pending;
    struct {
        uint32_t stream; /* 1 or 2 */
        size_t len;
    } pieces[64];
    unsigned piece_count;
    bool closed[3];     /* the reader of that stream is gone */
    struct buf kept[3]; /* what goes into the result: streams without a callback */
    uint64_t total[3];
};

struct stdio_end {
    struct stdio *stdio;
    uint32_t stream;
};

struct capful_run {
    struct capful_sandbox *sandbox;
    struct capful_job job;
    struct audit_run *audit; /* NULL: nothing is recorded */
    char *account;           /* a copy of the job's; NULL: the sandbox is the account */
    struct image *loaded;    /* image of CAPFUL_WASM, freed at the end */
    struct stdio stdio;
    struct stdio_end ends[3];
    int epoll_fd;     /* made when the host asks for a descriptor */
    uint64_t timeout; /* ns until a step is due; UINT64_MAX none */
    enum capful_step state;
    bool driving; /* inside capful_run_step: callbacks must not step, reset or free */
};

/* stdio.c */
void stdio_init(struct stdio *stdio, struct capful_run *run, const struct capful_job *job);
void stdio_release(struct stdio *stdio);
int stdio_file(struct capful_run *run, uint32_t stream, struct file **ret); /* errno */
/* Hands pending output to the callbacks; on the driver's stack. True if there was any. */
bool stdio_flush(struct stdio *stdio);
/* True if a process waits for input that may still come; *ret_fd is what to poll, -1 for none. */
bool stdio_wants_input(const struct stdio *stdio, int *ret_fd);
void stdio_input_ready(struct stdio *stdio);

/* driver.c */
enum capful_step driver_step(struct capful_run *run);
void driver_wait(struct capful_run *run);
int driver_epoll(struct capful_run *run);

/* grants.c: those of a job as the tools know them; mem_free. */
int grants_of_job(const struct capful_policy *policy, const struct capful_job *job,
                  struct grant ***ret, struct capful_error *err);
/* run.c */
enum capful_mode run_mode(const struct capful_run *run);

/* run.c */
enum capful_mode run_mode(const struct capful_run *run);

/* result.c */
struct capful_result {
    enum capful_status status;
    int exit_code;
    bool has_value, has_error;
    enum capful_mode mode; /* how the policy was applied */
    struct buf value, out, err;
    char *message, *limit;
    struct capful_script_error error;
    char *error_strings[6];
    struct capful_usage usage;
    struct tool_records calls;
    struct buf json, text;
};
/* Our side failed after the run: the result says that and nothing else. */
void result_fault(struct capful_result *result, const char *what, const char *why);
int result_make(struct capful_run *run, struct capful_result **ret, struct capful_error *err);
void result_write_json(struct capful_result *result, struct buf *out);
void result_write_text(const struct capful_result *result, struct buf *out);

#endif
