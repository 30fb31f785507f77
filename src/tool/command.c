/* An external program that runs, see command.h.
 *
 *                                           ┌─────────┐ stdout ──> pipe ──> text, up to the ceiling
 *     arguments, whole, in a pipe ──> stdin │ program │ stderr ──> pipe ──> the last 4 KiB
 *                                           └─────────┘ exit ────> pidfd
 *
 * It is over when the program itself has exited: what it left behind in its group is killed then,
 * and only after that is it reaped, so that the group's number cannot be somebody else's. No other
 * child of the host process is waited for, and no signal handler is touched.
 */
#include "tool/command.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_SIZE   65536
#define READS       16                /* at a time, so that a flood does not hold up the driver */
#define NO_PIDFD_NS UINT64_C(2000000) /* how often to look without a pidfd */

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

void command_fail(struct command_failure *failure, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    failure->code = code;
    buf_clear(&failure->message);
    buf_vprintf(&failure->message, format, args);
    va_end(args);
}

void command_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ------------------------------------------------------------------ programs that would not die at
 * once */

static pthread_mutex_t grave_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t *graves;
static size_t n_graves;

void command_reap_killed(void)
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

static void read_some(struct command *command, int *fd,
                      void (*keep)(struct command *, const char *, size_t))
{
    char buffer[READ_SIZE];
    for (int i = 0; i < READS && *fd >= 0; i++) {
        ssize_t n = read(*fd, buffer, sizeof buffer);
        if (n > 0)
            keep(command, buffer, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            command_close(fd);
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
    command_close(&command->out);
    command_close(&command->err);
    command_close(&command->exit);
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
    command_reap_killed();
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
    command_fail(failure, "exit", exited ? "failed with exit status %d" : "was ended by signal %d",
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

static bool take_output(struct command *command, char **ret, size_t *ret_len,
                        struct command_failure *failure)
{
    struct buf quoted = BUF_INIT(SIZE_MAX), *from = &command->text;
    if (command->output == COMMAND_OUTPUT_TEXT) {
        buf_add_json_string(&quoted, buf_str(&command->text));
        from = &quoted;
    } else if (!has_text(buf_str(&command->text))) {
        command_fail(failure, "bad_result", "printed nothing where JSON was expected");
        return false;
    }
    size_t len = from->len;
    char *text = buf_steal(from);
    if (!text) {
        command_fail(failure, "failed", "out of memory for its output");
        return false;
    }
    *ret = text;
    *ret_len = len;
    return true;
}

bool command_finish(struct command *command, char **ret, size_t *ret_len,
                    struct command_failure *failure)
{
    bool ok = false;
    if (command->too_large)
        command_fail(failure, "too_large", "printed more than the limit of %llu bytes",
                     (unsigned long long)command->ceiling);
    else if (command->lost)
        command_fail(
            failure, "failed",
            "ended, but its exit status is lost: the host process reaps children that are not "
            "its own");
    else if (!WIFEXITED(command->status) || WEXITSTATUS(command->status) != 0)
        fail_exit(command, failure);
    else if (buf_failed(&command->text))
        command_fail(failure, "failed", "out of memory for its output");
    else
        ok = take_output(command, ret, ret_len, failure);
    release(command);
    return ok;
}
