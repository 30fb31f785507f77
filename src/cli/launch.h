/* One program from its options to the exit code: what `run` and `exec` share. */
#ifndef CAPFUL_CLI_LAUNCH_H
#define CAPFUL_CLI_LAUNCH_H

#include "cli/options.h"

struct program {
    enum capful_language language;
    const char *source;
    size_t len;
    const char *name; /* in stack traces, argv[0] */
    const char *const *arguments;
    bool input; /* stdin is the guest's */
};

/* Checks that need no program: the policy, mounts, limits. 0, or the exit code after a message. */
struct launch;
int launch_new(const struct options *options, struct launch **ret);
/* Runs it, prints what is to be printed; the exit code of capful. */
int launch_run(struct launch *launch, const struct program *program);

/* Exit code for a call of the library that failed, after a message. */
int launch_failed(const struct capful_error *err);

/* A whole file; "-" is standard input. NULL after a message. mem_free. */
char *launch_read_file(const char *path, size_t *ret_len);

#endif
