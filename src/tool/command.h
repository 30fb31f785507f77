/* External programs as tools: how one is called, and one that runs.
 *
 * A program gets a list of arguments, never a shell's line; a clean environment; a process group of
 * its own; its JSON arguments on standard input, whole before it starts. Nothing here waits: the
 * driver loop polls.
 */
#ifndef CAPFUL_TOOL_COMMAND_H
#define CAPFUL_TOOL_COMMAND_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

#define COMMAND_PATH   "/usr/local/bin:/usr/bin:/bin"
#define COMMAND_STDERR 4096 /* bytes of its end that an error carries */
#define COMMAND_FDS    3    /* to poll, at most, for one program */

/* ------------------------------------------------------------------ how it is called */

struct command_part {
    char *text; /* literal text, or the name of the argument that stands here */
    bool placeholder;
    bool allow_leading; /* the value may begin with "-" or "@" */
};

struct command_element { /* one element of argv */
    struct command_part *parts;
    size_t n;
};

enum command_input { COMMAND_INPUT_JSON, COMMAND_INPUT_NONE };
enum command_output { COMMAND_OUTPUT_JSON, COMMAND_OUTPUT_TEXT };

struct command_spec {
    char *program; /* absolute */
    char *cwd;     /* absolute */
    struct command_element *argv;
    size_t n_argv;
    char **env; /* "NAME=value", beyond PATH and LANG; n_env of them */
    size_t n_env;
    enum command_input input;
    enum command_output output;
};

struct command_spec *command_spec_new(void);
void command_spec_free(struct command_spec *spec); /* NULL is fine */
/* Reads one element with its {placeholders}; "{{" and "}}" stand for braces. NULL, or what is wrong
 * with it; a lack of memory is answered as command_nomem. */
const char *command_spec_add(struct command_spec *spec, struct str text);
/* Replaces one of that name. False: memory. */
bool command_spec_setenv(struct command_spec *spec, struct str name, struct str value);
extern const char command_nomem[];
/* Absolute path of a program: `name` itself, from `directory` where it holds a slash, else along
 * COMMAND_PATH. NULL, or what is wrong (command_nomem among it). */
const char *command_resolve(struct str name, const char *directory, char **ret);

/* ------------------------------------------------------------------ one that runs */

struct command_failure {
    const char *code; /* of the ToolError */
    struct buf message;
    struct buf data; /* JSON, or empty */
};
void command_failure_init(struct command_failure *failure);
void command_failure_release(struct command_failure *failure);

/* Its insides belong to command.c and command_start.c. */
struct command {
    pid_t pid;
    int out, err, exit; /* descriptors; -1 closed or missing */
    enum command_output output;
    uint64_t ceiling;
    struct buf text; /* stdout */
    char tail[2 * COMMAND_STDERR];
    size_t tail_len;
    bool tail_cut;   /* there was more before it */
    size_t n_polled; /* descriptors given by command_pollfds */
    bool too_large, over, lost;
    int status;
};
void command_close(int *fd);
void command_fail(struct command_failure *failure, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void command_reap_killed(void);

/* Starts it. NULL with *failure filled in if an argument cannot stand in the command line or the
 * program cannot be started. `call_id` goes into its environment as CAPFUL_CALL_ID. Output beyond
 * `ceiling` bytes ends it. */
struct command *command_start(const struct command_spec *spec, yyjson_val *arguments,
                              struct str arguments_text, const char *call_id, uint64_t ceiling,
                              struct command_failure *failure);
/* What to poll: at most COMMAND_FDS. Remembered until command_events. */
size_t command_pollfds(struct command *command, struct pollfd *fds);
/* ns after which command_events is due even if nothing became ready; UINT64_MAX: never. */
uint64_t command_interval(const struct command *command);
/* Reads what is there. True when it is over: command_finish. `fds` may be NULL: looks at
 * everything. */
bool command_events(struct command *command, const struct pollfd *fds);
/* Its result as JSON text in *ret (mem_free), or false with *failure filled in. Frees the command.
 */
bool command_finish(struct command *command, char **ret, size_t *ret_len,
                    struct command_failure *failure);
/* Kills its process group, reaps it, frees it. Does not wait for a program that the kernel cannot
 * end at once: that one is reaped later. */
void command_kill(struct command *command);

#endif
