/* An external program that runs, see command.h.
 *
 *     arguments ──> pipe or unnamed file, whole ──> stdin ┌─────────┐ stdout ──> pipe ──> out, up to the ceiling
 *                                                         │ program │ stderr ──> pipe ──> the last 4 KiB
 *                                        its own session  └─────────┘ exit ────> pidfd
 *
 * It is over when the program itself has exited: what it left behind in its group is killed then, and only after
 * that is it reaped, so that the group's number cannot be somebody else's. No other child of the host process is
 * waited for, and no signal handler is touched.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tool/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

#include "base/mem.h"
#include "base/utf8.h"

#define READ_SIZE   65536
#define READS       16                /* at a time, so that a flood does not hold up the driver */
#define NO_PIDFD_NS UINT64_C(2000000) /* how often to look without a pidfd */

struct command {
    pid_t pid;
    int out, err, exit; /* descriptors; -1 closed or missing */
    enum command_output output;
    struct buf text;    /* stdout */
    char tail[2 * COMMAND_STDERR];
    size_t tail_len;
    bool tail_cut;      /* there was more before it */
    size_t n_polled;    /* descriptors given by command_pollfds */
    bool too_large, over, lost;
    int status;
    uint64_t ceiling;
};

void command_failure_init(struct command_failure *failure)
{
    failure->code = "failed";
    buf_init(&failure->message, 65536);
    buf_init(&failure->data, 65536);
}

void command_failure_release(struct command_failure *failure)
{
    buf_release(&failure->message);
    buf_release(&failure->data);
}

__attribute__((format(printf, 3, 4))) static void fail(struct command_failure *failure, const char *code,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    failure->code = code;
    buf_clear(&failure->message);
    buf_vprintf(&failure->message, format, args);
    va_end(args);
}

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

static enum value argument_text(yyjson_val *arguments, const struct command_part *part, struct str *ret,
                                struct command_failure *failure)
{
    yyjson_val *value = json_get(arguments, str_of(part->text));
    if (!value || yyjson_is_null(value))
        return VALUE_MISSING;
    if (yyjson_is_bool(value)) {
        *ret = yyjson_get_bool(value) ? STR("true") : STR("false");
        return VALUE_THERE;
    }
    if (!yyjson_is_str(value) && !yyjson_is_raw(value)) {
        fail(failure, "schema", "argument %s is %s, which cannot stand in a command line", part->text,
             json_kind(value));
        return VALUE_REFUSED;
    }
    struct str text = json_str(value);
    if (memchr(text.ptr, 0, text.len)) {
        fail(failure, "schema", "argument %s holds a NUL character, which cannot stand in a command line",
             part->text);
        return VALUE_REFUSED;
    }
    if (text.len && (text.ptr[0] == '-' || text.ptr[0] == '@') && !part->allow_leading) {
        fail(failure, "schema", "argument %s must not begin with '%c'", part->text, text.ptr[0]);
        return VALUE_REFUSED;
    }
    *ret = text;
    return VALUE_THERE;
}

/* An element that is one placeholder is left out when the argument is; within an element it must be there. */
static bool add_element(struct strings *argv, const struct command_element *element, yyjson_val *arguments,
                        struct command_failure *failure)
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
                fail(failure, "schema", "argument %s is missing, and the command line needs it", part->text);
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
    if ((!path && !strings_add(env, "PATH=" COMMAND_PATH)) || (!lang && !strings_add(env, "LANG=C.UTF-8")))
        return false;
    return strings_begin(env) && buf_add_text(&env->text, "CAPFUL_CALL_ID=") &&
           buf_add(&env->text, call_id, strlen(call_id) + 1);
}

/* ------------------------------------------------------------------ descriptors */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

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
        close_fd(&fds[0]);
        close_fd(&fds[1]);
        return false;
    }
    ret[0] = fds[0];
    ret[1] = fds[1];
    return true;
}

/* A pipe that holds the whole text already, so that nobody has to feed the program; -1 if it does not fit. */
static int input_pipe(struct str text)
{
    int fds[2];
    if (text.len > READ_SIZE || !make_pipe(fds))
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
            close_fd(&fd);
            break;
        }
        text.ptr += n;
        text.len -= (size_t)n;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) < 0)
        close_fd(&fd);
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

/* ------------------------------------------------------------------ programs that would not die at once */

static pthread_mutex_t grave_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t *graves;
static size_t n_graves;

static void reap_graves(void)
{
    pthread_mutex_lock(&grave_lock);
    size_t kept = 0;
    for (size_t i = 0; i < n_graves; i++)
        if (waitpid(graves[i], NULL, WNOHANG) == 0)
            graves[kept++] = graves[i];
    n_graves = kept;
    if (n_graves == 0) {
        mem_free(graves);
        graves = NULL;
    }
    pthread_mutex_unlock(&grave_lock);
}

static void bury(pid_t pid)
{
    pthread_mutex_lock(&grave_lock);
    pid_t *more = mem_resize_array(graves, n_graves + 1, sizeof *more);
    if (more) {
        graves = more;
        graves[n_graves++] = pid;
    }
    pthread_mutex_unlock(&grave_lock);
}

/* ------------------------------------------------------------------ start */

static int spawn(const struct command_spec *spec, char **argv, char **env, int in, int out, int err, pid_t *ret)
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

static struct command *launch(const struct command_spec *spec, char **argv, char **env, struct str input,
                              struct command_failure *failure)
{
    struct command *command = mem_zalloc(sizeof *command);
    int in = -1, out[2] = {-1, -1}, err[2] = {-1, -1};
    if (!command) {
        fail(failure, "failed", "out of memory");
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
    close_fd(&in);
    close_fd(&out[1]);
    close_fd(&err[1]);
    if (!opened || error) {
        close_fd(&out[0]);
        close_fd(&err[0]);
        mem_free(command);
        fail(failure, "failed", "%s cannot be started: %s", spec->program, error_text(error));
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

struct command *command_start(const struct command_spec *spec, yyjson_val *arguments, struct str arguments_text,
                              const char *call_id, uint64_t ceiling, struct command_failure *failure)
{
    struct strings argv, env;
    struct command *command = NULL;
    char **argv_vector = NULL, **env_vector = NULL;
    reap_graves();
    strings_init(&argv);
    strings_init(&env);
    fail(failure, "failed", "out of memory");
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

/* ------------------------------------------------------------------ while it runs */

size_t command_pollfds(struct command *command, struct pollfd *fds)
{
    const int wanted[COMMAND_FDS] = {command->out, command->err, command->exit};
    size_t n = 0;
    for (int i = 0; i < COMMAND_FDS; i++)
        if (wanted[i] >= 0)
            fds[n++] = (struct pollfd){.fd = wanted[i], .events = POLLIN};
    command->n_polled = n;
    return n;
}

uint64_t command_interval(const struct command *command)
{
    return command->exit < 0 ? NO_PIDFD_NS : UINT64_MAX;
}

static bool is_ready(const struct command *command, const struct pollfd *fds, int fd)
{
    if (!fds)
        return true;
    for (size_t i = 0; i < command->n_polled; i++)
        if (fds[i].fd == fd)
            return fds[i].revents != 0;
    return false;
}

static void kill_group(const struct command *command)
{
    kill(-command->pid, SIGKILL);
}

static void keep_output(struct command *command, const char *data, size_t len)
{
    if (command->too_large)
        return;
    if (len > command->ceiling - command->text.len) {
        command->too_large = true;
        buf_release(&command->text);
        kill_group(command);
    } else {
        buf_add(&command->text, data, len);
    }
}

static void keep_tail(struct command *command, const char *data, size_t len)
{
    if (len > COMMAND_STDERR) {
        command->tail_cut = true;
        command->tail_len = 0;
        data += len - COMMAND_STDERR;
        len = COMMAND_STDERR;
    }
    memcpy(command->tail + command->tail_len, data, len);
    command->tail_len += len;
    if (command->tail_len > COMMAND_STDERR) {
        size_t extra = command->tail_len - COMMAND_STDERR;
        memmove(command->tail, command->tail + extra, COMMAND_STDERR);
        command->tail_len = COMMAND_STDERR;
        command->tail_cut = true;
    }
}

static void read_some(struct command *command, int *fd, void (*keep)(struct command *, const char *, size_t))
{
    char buffer[READ_SIZE];
    for (int i = 0; i < READS && *fd >= 0; i++) {
        ssize_t n = read(*fd, buffer, sizeof buffer);
        if (n > 0)
            keep(command, buffer, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            close_fd(fd);
        else if (errno == EAGAIN)
            return;
    }
}

/* True if the program itself has ended; it is still a zombie then. */
static bool has_exited(struct command *command)
{
    siginfo_t info;
    info.si_pid = 0;
    if (waitid(P_PID, (id_t)command->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
        command->lost = errno == ECHILD;
        return command->lost;
    }
    return info.si_pid == command->pid;
}

static void reap(struct command *command)
{
    if (!command->lost) {
        kill_group(command);
        while (waitpid(command->pid, &command->status, 0) < 0)
            if (errno != EINTR) {
                command->lost = true;
                break;
            }
    }
    command->over = true;
}

bool command_events(struct command *command, const struct pollfd *fds)
{
    bool look = !fds || command->exit < 0 || is_ready(command, fds, command->exit);
    bool exited = look && has_exited(command);
    if (command->out >= 0 && (exited || is_ready(command, fds, command->out)))
        read_some(command, &command->out, keep_output);
    if (command->err >= 0 && (exited || is_ready(command, fds, command->err)))
        read_some(command, &command->err, keep_tail);
    if (exited)
        reap(command);
    return command->over;
}

/* ------------------------------------------------------------------ the end */

static void release(struct command *command)
{
    close_fd(&command->out);
    close_fd(&command->err);
    close_fd(&command->exit);
    buf_release(&command->text);
    mem_free(command);
}

void command_kill(struct command *command)
{
    if (!command)
        return;
    /* Once somebody else has reaped it, its number may be another process's. */
    pid_t reaped = has_exited(command) && command->lost ? -1 : 0;
    if (reaped == 0)
        kill_group(command);
    for (int i = 0; i < 50 && reaped == 0; i++) {
        reaped = waitpid(command->pid, NULL, WNOHANG);
        if (reaped == 0)
            usleep(200);
    }
    if (reaped == 0)
        bury(command->pid);
    release(command);
    reap_graves();
}

/* The last bytes of stderr, from the beginning of a character on. */
static struct str tail_text(const struct command *command)
{
    struct str text = {command->tail, command->tail_len};
    while (command->tail_cut && text.len && ((unsigned char)text.ptr[0] & 0xc0) == 0x80) {
        text.ptr++;
        text.len--;
    }
    return text;
}

static struct str last_line(struct str text)
{
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    for (size_t i = text.len; i > 0; i--)
        if (text.ptr[i - 1] == '\n')
            return (struct str){text.ptr + i, text.len - i};
    return text;
}

static void fail_exit(const struct command *command, struct command_failure *failure)
{
    struct str tail = tail_text(command), line = last_line(tail);
    int status = command->status;
    bool exited = WIFEXITED(status);
    fail(failure, "exit", exited ? "failed with exit status %d" : "was ended by signal %d",
         exited ? WEXITSTATUS(status) : WTERMSIG(status));
    if (line.len) {
        buf_add_text(&failure->message, ": ");
        buf_add_str(&failure->message, line);
    }
    buf_printf(&failure->data, "{\"%s\":%d,\"stderr\":", exited ? "exit" : "signal",
               exited ? WEXITSTATUS(status) : WTERMSIG(status));
    buf_add_json_string(&failure->data, tail);
    buf_add_char(&failure->data, '}');
}

static bool has_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]) || text.ptr[i] == 0)
            return true;
    return false;
}

static bool take_output(struct command *command, char **ret, size_t *ret_len, struct command_failure *failure)
{
    struct buf quoted = BUF_INIT(SIZE_MAX), *from = &command->text;
    if (command->output == COMMAND_OUTPUT_TEXT) {
        buf_add_json_string(&quoted, buf_str(&command->text));
        from = &quoted;
    } else if (!has_text(buf_str(&command->text))) {
        fail(failure, "bad_result", "printed nothing where JSON was expected");
        return false;
    }
    size_t len = from->len;
    char *text = buf_steal(from);
    if (!text) {
        fail(failure, "failed", "out of memory for its output");
        return false;
    }
    *ret = text;
    *ret_len = len;
    return true;
}

bool command_finish(struct command *command, char **ret, size_t *ret_len, struct command_failure *failure)
{
    bool ok = false;
    if (command->too_large)
        fail(failure, "too_large", "printed more than the limit of %llu bytes",
             (unsigned long long)command->ceiling);
    else if (command->lost)
        fail(failure, "failed", "ended, but its exit status is lost: the host process reaps children that are not "
                                "its own");
    else if (!WIFEXITED(command->status) || WEXITSTATUS(command->status) != 0)
        fail_exit(command, failure);
    else if (buf_failed(&command->text))
        fail(failure, "failed", "out of memory for its output");
    else
        ok = take_output(command, ret, ret_len, failure);
    release(command);
    return ok;
}
