/* The options of `run` and `exec`, and the words that follow them. */
#ifndef CAPFUL_CLI_OPTIONS_H
#define CAPFUL_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "capful/capful.h"

/* Exit codes of our own; every other is the guest's. */
enum exit_code {
    EXIT_USAGE = 2, /* usage or policy: nothing was run */
    EXIT_LIMIT = 124,
    EXIT_FAULT = 125,
    EXIT_DENIED = 126,
    EXIT_SIGNAL = 128 /* plus the signal */
};

enum command { COMMAND_RUN = 1, COMMAND_EXEC = 2 };

struct mount_option {
    const char *host, *guest;
    enum capful_mount_mode mode;
};

struct options {
    enum command command;
    const char *code;             /* -e; NULL: a file */
    const char *file;             /* NULL with code */
    const char *const *arguments; /* what follows; NULL-terminated */
    const char *policy, *cwd, *result, *account, *facts, *dry_run;
    struct mount_option *mounts;
    size_t n_mounts;
    const char **env; /* NULL-terminated, NULL without */
    size_t n_env;
    const char **dirs; /* GUEST[::NAME]; NULL-terminated, NULL without */
    size_t n_dirs;
    bool has_dirs;
    bool json, trace, diff, help;
    bool has_timeout, has_memory, has_output, has_calls;
    uint64_t timeout, memory, output, calls;
    uint32_t flags; /* CAPFUL_HAS_… */
    uint64_t seed, clock;
};

/* `arguments` are those after the subcommand, NULL-terminated, and changed in place. False: a
 * message was printed. */
bool options_parse(struct options *options, enum command command, int count, char **arguments);
void options_release(struct options *options);
/* One line for each option of the command, for the help. */
void options_describe(struct buf *out, enum command command);

/* ", did you mean \"…\"?" after a name that is none, or "". Static storage. `names` ends with NULL.
 */
const char *options_suggest(const char *name, const char *const *names);

#endif
