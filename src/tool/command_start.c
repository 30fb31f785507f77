/* Starting an external program: its command line, its environment, what stands on its standard
 * input.
 *
 * Nothing has to be fed to it while it runs: the arguments lie in a pipe, or where they do not fit
 * in a file without a name, before it starts.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tool/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

#include "base/mem.h"

#define PIPE_ROOM 65536 /* what a pipe holds, as a rule */

/* ------------------------------------------------------------------ arguments and environment */

/* Strings laid end to end, and where each begins. */
struct strings {
    struct buf text;
    size_t *starts;
    size_t n;
};

static void strings_init(struct strings *strings)
{
    buf_init(&strings->text, SIZE_MAX);
    strings->starts = NULL;
    strings->n = 0;
}

static void strings_release(struct strings *strings)
{
    buf_release(&strings->text);
    mem_free(strings->starts);
}

static bool strings_begin(struct strings *strings)
{
    size_t *starts = mem_resize_array(strings->starts, strings->n + 1, sizeof *starts);
    if (!starts)
        return false;
    strings->starts = starts;
    starts[strings->n++] = strings->text.len;
    return true;
}

static bool strings_add(struct strings *strings, const char *text)
{
    return strings_begin(strings) && buf_add(&strings->text, text, strlen(text) + 1);
}

/* NULL-terminated pointers, as exec wants them. */
static char **strings_vector(struct strings *strings)
{
    char **vector = mem_array(strings->n + 1, sizeof *vector);
    for (size_t i = 0; vector && i < strings->n; i++)
        vector[i] = strings->text.data + strings->starts[i];
    return vector;
}

enum value { VALUE_THERE, VALUE_MISSING, VALUE_REFUSED };

static enum value argument_text(yyjson_val *arguments, const struct command_part *part,
                                struct str *ret, struct command_failure *failure)
{
    yyjson_val *value = json_get(arguments, str_of(part->text));
    if (!value || yyjson_is_null(value))
        return VALUE_MISSING;
    if (yyjson_is_bool(value)) {
        *ret = yyjson_get_bool(value) ? STR("true") : STR("false");
        return VALUE_THERE;
    }
    if (!yyjson_is_str(value) && !yyjson_is_raw(value)) {
        command_fail(failure, "schema", "argument %s is %s, which cannot stand in a command line",
                     part->text, json_kind(value));
        return VALUE_REFUSED;
    }
    struct str text = json_str(value);
    if (memchr(text.ptr, 0, text.len)) {
        command_fail(failure, "schema",
                     "argument %s holds a NUL character, which cannot stand in a command line",
                     part->text);
        return VALUE_REFUSED;
    }
    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '@') && !part->allow_leading) {
        command_fail(failure, "schema", "argument %s must not begin with '%c'", part->text,
                     text.ptr[0]);
        return VALUE_REFUSED;
    }
    *ret = text;
    return VALUE_THERE;
}

/* An element that is one placeholder is left out when the argument is; within an element it must be
 * there. */
static bool add_element(struct strings *argv, const struct command_element *element,
                        yyjson_val *arguments, struct command_failure *failure)
{
    size_t start = argv->text.len;
    for (size_t i = 0; i < element->n; i++) {
        const struct command_part *part = &element->parts[i];
        struct str text = str_of(part->text);
        if (part->placeholder) {
            enum value found = argument_text(arguments, part, &text, failure);
            if (found == VALUE_MISSING && element->n == 1)
                return true;
            if (found == VALUE_MISSING)
                command_fail(failure, "schema",
                             "argument %s is missing, and the command line needs it", part->text);
            if (found != VALUE_THERE)
                return false;
        }
        buf_add_str(&argv->text, text);
    }
    size_t end = argv->text.len;
    argv->text.len = start;
    bool ok = strings_begin(argv);
    argv->text.len = end;
    return ok && buf_add_char(&argv->text, 0);
}

static bool make_argv(struct strings *argv, const struct command_spec *spec, yyjson_val *arguments,
                      struct command_failure *failure)
{
    for (size_t i = 0; i < spec->n_argv; i++)
        if (!add_element(argv, &spec->argv[i], arguments, failure))
            return false;
    return true;
}

static bool names_variable(const char *line, const char *name)
{
    size_t len = strlen(name);
    return strncmp(line, name, len) == 0 && line[len] == '=';
}

static bool make_env(struct strings *env, const struct command_spec *spec, const char *call_id)
{
    bool path = false, lang = false;
    for (size_t i = 0; i < spec->n_env; i++) {
        path = path || names_variable(spec->env[i], "PATH");
        lang = lang || names_variable(spec->env[i], "LANG");
        if (!strings_add(env, spec->env[i]))
            return false;
    }
    if ((!path && !strings_add(env, "PATH=" COMMAND_PATH)) ||
        (!lang && !strings_add(env, "LANG=C.UTF-8")))
        return false;
    return strings_begin(env) && buf_add_text(&env->text, "CAPFUL_CALL_ID=") &&
           buf_add(&env->text, call_id, strlen(call_id) + 1);
}

/* ------------------------------------------------------------------ descriptors */

/* Away from 0, 1 and 2, which a host may have closed: they are about to be the program's own. */
static int raise_fd(int fd)
{
    if (fd < 0 || fd > 2)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    close(fd);
    return higher;
}

static bool make_pipe(int ret[2])
{
    int fds[2];
#ifdef __linux__
    if (pipe2(fds, O_CLOEXEC) < 0)
        return false;
#else
    if (pipe(fds) < 0)
        return false;
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
#endif
    fds[0] = raise_fd(fds[0]);
    fds[1] = raise_fd(fds[1]);
    if (fds[0] < 0 || fds[1] < 0) {
        command_close(&fds[0]);
        command_close(&fds[1]);
        return false;
    }
    ret[0] = fds[0];
    ret[1] = fds[1];
    return true;
}

/* A pipe that holds the whole text already, so that nobody has to feed the program; -1 if it does
 * not fit. */
static int input_pipe(struct str text)
{
    int fds[2];
    if (text.len > PIPE_ROOM || !make_pipe(fds))
        return -1;
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    bool whole = text.len == 0 || write(fds[1], text.ptr, text.len) == (ssize_t)text.len;
    close(fds[1]);
    if (whole)
        return fds[0];
    close(fds[0]);
    return -1;
}

static int unnamed_file(void)
{
    int fd = -1;
#ifdef __linux__
    fd = memfd_create("arguments", MFD_CLOEXEC);
#endif
    if (fd < 0) {
        char path[] = "/tmp/capful-XXXXXX";
        fd = mkstemp(path);
        if (fd >= 0) {
            unlink(path);
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
    return raise_fd(fd);
}

static int input_file(struct str text)
{
    int fd = unnamed_file();
    while (fd >= 0 && text.len) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            command_close(&fd);
            break;
        }
        text.ptr += n;
        text.len -= (size_t)n;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0)
        command_close(&fd);
    return fd;
}

static int open_exit(pid_t pid)
{
#if defined(__linux__) && defined(SYS_pidfd_open)
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd;
#else
    (void)pid;
    return -1;
#endif
}

/* ------------------------------------------------------------------ the program */

static const char *error_text(int error)
{
    switch (error) {
    case ENOENT: return "no such file or directory";
    case EACCES: return "permission denied";
    case EPERM: return "not permitted";
    case E2BIG: return "its arguments are too long";
    case ENOEXEC: return "not a program for this machine";
    case ENOMEM: return "out of memory";
    case EAGAIN: return "too many processes";
    case EMFILE:
    case ENFILE: return "too many open files";
    case ETXTBSY: return "the program is being written";
    case ENOTDIR: return "not a directory";
    default: return "the system refuses";
    }
}

static int spawn(const struct command_spec *spec, char **argv, char **env, int in, int out, int err,
                 pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    sigemptyset(&none);
    sigfillset(&all);
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
#ifdef POSIX_SPAWN_SETSID
    flags |= POSIX_SPAWN_SETSID; /* a group of its own, and no way to the terminal */
#else
    flags |= POSIX_SPAWN_SETPGROUP;
#endif
    posix_spawnattr_setflags(&attributes, flags);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    if (in >= 0)
        error = posix_spawn_file_actions_adddup2(&actions, in, 0);
    else
        error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, out, 1);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, err, 2);
    if (!error)
        error = posix_spawn_file_actions_addchdir_np(&actions, spec->cwd);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    /* What the host process left open without close-on-exec is none of the program's business. */
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#endif
    if (!error)
        error = posix_spawn(ret, spec->program, &actions, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static struct command *launch(const struct command_spec *spec, char **argv, char **env,
                              struct str input, struct command_failure *failure)
{
    struct command *command = mem_zalloc(sizeof *command);
    int in = -1, out[2] = {-1, -1}, err[2] = {-1, -1};
    if (!command) {
        command_fail(failure, "failed", "out of memory");
        return NULL;
    }
    command->out = command->err = command->exit = -1;
    bool fed = true;
    if (spec->input == COMMAND_INPUT_JSON) {
        in = input_pipe(input);
        if (in < 0)
            in = input_file(input);
        fed = in >= 0;
    }
    int error = fed && make_pipe(out) && make_pipe(err) ? 0 : errno;
    bool opened = fed && err[0] >= 0;
    if (opened)
        error = spawn(spec, argv, env, in, out[1], err[1], &command->pid);
    command_close(&in);
    command_close(&out[1]);
    command_close(&err[1]);
    if (!opened || error) {
        command_close(&out[0]);
        command_close(&err[0]);
        mem_free(command);
        command_fail(failure, "failed", "%s cannot be started: %s", spec->program,
                     error_text(error));
        return NULL;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    command->out = out[0];
    command->err = err[0];
    command->exit = open_exit(command->pid);
    command->output = spec->output;
    return command;
}

struct command *command_start(const struct command_spec *spec, yyjson_val *arguments,
                              struct str arguments_text, const char *call_id, uint64_t ceiling,
                              struct command_failure *failure)
{
    struct strings argv, env;
    struct command *command = NULL;
    char **argv_vector = NULL, **env_vector = NULL;
    command_reap_killed();
    strings_init(&argv);
    strings_init(&env);
    command_fail(failure, "failed", "out of memory");
    if (make_argv(&argv, spec, arguments, failure) && make_env(&env, spec, call_id)) {
        argv_vector = strings_vector(&argv);
        env_vector = strings_vector(&env);
        if (argv_vector && env_vector)
            command = launch(spec, argv_vector, env_vector, arguments_text, failure);
    }
    mem_free(argv_vector);
    mem_free(env_vector);
    strings_release(&argv);
    strings_release(&env);
    if (command) {
        buf_init(&command->text, SIZE_MAX);
        command->ceiling = ceiling;
    }
    return command;
}
