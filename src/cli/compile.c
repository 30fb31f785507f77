/* Running the compiler, see compile.h. */
#include "cli/compile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "base/clock.h"
#include "cli/term.h"

#ifndef CAPFUL_LIBEXEC
#define CAPFUL_LIBEXEC "/usr/local/libexec/capful"
#endif

#define COMPILER     "capful-compile"
#define IMAGE_MAX    (UINT64_C(512) << 20)
#define MESSAGES_MAX 65536
#define SECONDS      120
#define MEMORY       (UINT64_C(4) << 30)

/* ------------------------------------------------------------------ where it is */

/* A program that others could have put there or changed is not run. */
static bool is_trusted(struct compiler *compiler, bool *ret_there)
{
    *ret_there = stat(compiler->path, &compiler->stat) == 0;
    if (!*ret_there)
        return false;
    const struct stat *st = &compiler->stat;
    return S_ISREG(st->st_mode) && (st->st_uid == 0 || st->st_uid == geteuid()) &&
           !(st->st_mode & 022);
}

static bool beside_this(char *path, size_t size)
{
    char own[4000];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    if (n <= 0)
        return false;
    own[n] = 0;
    char *slash = strrchr(own, '/');
    if (!slash)
        return false;
    *slash = 0;
    snprintf(path, size, "%s/%s", own, COMPILER);
    return true;
}

bool compiler_find(struct compiler *compiler)
{
    bool there = false;
    if (beside_this(compiler->path, sizeof compiler->path) && is_trusted(compiler, &there))
        return true;
    if (!there) {
        snprintf(compiler->path, sizeof compiler->path, "%s/%s", CAPFUL_LIBEXEC, COMPILER);
        if (is_trusted(compiler, &there))
            return true;
    }
    if (there)
        term_fail(
            0, "%s is not used: it must be a file of root's or your own that nobody else can write",
            compiler->path);
    else
        term_fail(0,
                  "exec needs %s, which compiles WebAssembly: it is not installed at %s; `make "
                  "install` of capful's "
                  "source puts it there",
                  COMPILER, compiler->path);
    return false;
}

/* ------------------------------------------------------------------ the cage */

static void limit(int resource, rlim_t value)
{
    struct rlimit now, wanted = {value, value};
    if (getrlimit(resource, &now) == 0 && now.rlim_max != RLIM_INFINITY && now.rlim_max < value)
        wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
    if (setrlimit(resource, &wanted) != 0)
        _exit(127);
}

_Noreturn static void become_compiler(const struct compiler *compiler, const char *kind,
                                      const int fds[3])
{
    char *arguments[] = {(char *)COMPILER, (char *)"--untrusted", (char *)"--kind", (char *)kind,
                         (char *)"-",      (char *)"-o",          (char *)"-",      NULL};
    char *environment[] = {NULL};
    sigset_t none;
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#endif
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(127);
    if (chdir("/") != 0)
        _exit(127);
    limit(RLIMIT_CPU, 2UL * SECONDS);
    limit(RLIMIT_AS, MEMORY);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_NOFILE, 32);
    limit(RLIMIT_CORE, 0);
    execve(compiler->path, arguments, environment);
    _exit(127);
}

/* ------------------------------------------------------------------ talking to it */

struct talk {
    int in, out, err; /* ours; -1 closed */
    struct str left;  /* of the module */
    struct buf *image;
    struct buf messages;
};

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void feed(struct talk *talk)
{
    ssize_t n = write(talk->in, talk->left.ptr, talk->left.len);
    if (n > 0) {
        talk->left.ptr += n;
        talk->left.len -= (size_t)n;
    }
    if (talk->left.len == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        close_end(&talk->in);
}

/* False: more came than may. */
static bool take(int *fd, struct buf *into)
{
    char piece[65536];
    ssize_t n = read(*fd, piece, sizeof piece);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (n <= 0) {
        close_end(fd);
        return true;
    }
    return buf_add(into, piece, (size_t)n);
}

/* NULL, or what went wrong. */
static const char *exchange(struct talk *talk)
{
    uint64_t end = clock_monotonic() + SECONDS * UINT64_C(1000000000);
    while (talk->out >= 0 || talk->err >= 0) {
        struct pollfd fds[3] = {
            {talk->in, POLLOUT, 0}, {talk->out, POLLIN, 0}, {talk->err, POLLIN, 0}};
        uint64_t now = clock_monotonic();
        if (now >= end)
            return "it took more than two minutes";
        if (poll(fds, 3, (int)((end - now) / 1000000) + 1) < 0 && errno != EINTR)
            return strerror(errno);
        if (fds[0].revents)
            feed(talk);
        if (fds[1].revents && !take(&talk->out, talk->image))
            return "the image is larger than 512 MiB";
        if (fds[2].revents && !take(&talk->err, &talk->messages))
            return "it complains without end";
    }
    return NULL;
}

static pid_t start(const struct compiler *compiler, const char *kind, struct talk *talk)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    pid_t child = -1;
    if (pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0)
        child = fork();
    if (child == 0)
        become_compiler(compiler, kind, (const int[3]){in[0], out[1], err[1]});
    close_end(&in[0]);
    close_end(&out[1]);
    close_end(&err[1]);
    talk->in = in[1];
    talk->out = out[0];
    talk->err = err[0];
    if (child > 0)
        fcntl(talk->in, F_SETFL, O_NONBLOCK);
    return child;
}

static bool say_failed(const char *name, const struct talk *talk, const char *wrong, int status)
{
    char text[128];
    if (!wrong && WIFSIGNALED(status)) {
        snprintf(text, sizeof text, "the compiler was ended: %.60s", strsignal(WTERMSIG(status)));
        wrong = text;
    }
    if (wrong)
        term_fail(0, "%s cannot be compiled: %s", name, wrong);
    else if (talk->messages.len > 0)
        term_fail(0, "%s cannot be compiled: %.*s", name,
                  (int)(talk->messages.len - (talk->messages.data[talk->messages.len - 1] == '\n')),
                  talk->messages.data);
    else
        term_fail(0, "%s cannot be compiled: the compiler ended with exit code %d", name,
                  WEXITSTATUS(status));
    return false;
}

bool compiler_run(const struct compiler *compiler, const char *name, struct str module,
                  const char *kind, struct buf *image)
{
    struct talk talk = {-1, -1, -1, module, image, BUF_INIT(MESSAGES_MAX)};
    int status = 0;
    buf_init(image, IMAGE_MAX);
    signal(SIGPIPE, SIG_IGN); /* it may go away before it has read everything */
    pid_t child = start(compiler, kind, &talk);
    const char *wrong = child < 0 ? strerror(errno) : exchange(&talk);
    close_end(&talk.in);
    close_end(&talk.out);
    close_end(&talk.err);
    if (child > 0) {
        if (wrong)
            kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    bool ok = !wrong && status == 0 && image->len > 0;
    if (!ok)
        say_failed(name, &talk, wrong, status);
    buf_release(&talk.messages);
    return ok;
}
