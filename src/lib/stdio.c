/* stdin, stdout and stderr of a run.
 *
 * Guests print on their own stacks, where the host's callbacks must not run. So what they print is
 * kept in order and handed on by the driver after the turn of the process; a guest that prints
 * faster than that waits.
 */
#include "lib/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define PENDING_MAX ((size_t)256 << 10)

void stdio_init(struct stdio *stdio, struct capful_run *run, const struct capful_job *job)
{
    memset(stdio, 0, sizeof *stdio);
    stdio->run = run;
    stdio->input = job->input;
    stdio->input_len = job->input ? job->input_len : 0;
    stdio->input_fd = job->input ? -1 : job->input_fd;
    buf_init(&stdio->pending, 2 * PENDING_MAX);
    for (int i = 1; i <= 2; i++)
        buf_init(&stdio->kept[i], SIZE_MAX);
    for (uint32_t i = 0; i < 3; i++)
        run->ends[i] = (struct stdio_end){stdio, i};
}

void stdio_release(struct stdio *stdio)
{
    buf_release(&stdio->pending);
    for (int i = 1; i <= 2; i++)
        buf_release(&stdio->kept[i]);
}

static struct kernel *kernel_of(struct stdio *stdio)
{
    return &stdio->run->sandbox->kernel;
}

static bool fd_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static int input_read(void *context, void *buffer, size_t size, size_t *ret_len)
{
    struct stdio *stdio = ((struct stdio_end *)context)->stdio;
    size_t left = stdio->input_len - stdio->input_used;
    if (left > 0) {
        if (size > left)
            size = left;
        memcpy(buffer, stdio->input + stdio->input_used, size);
        stdio->input_used += size;
        *ret_len = size;
        return 0;
    }
    if (stdio->input_fd < 0 || stdio->input_ended || size == 0) {
        *ret_len = 0;
        return 0;
    }
    if (!fd_readable(stdio->input_fd))
        return FILE_AGAIN;
    ssize_t n = read(stdio->input_fd, buffer, size);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? FILE_AGAIN : ERRNO_IO;
    stdio->input_ended = n == 0;
    *ret_len = (size_t)n;
    return 0;
}

static unsigned input_ready(void *context)
{
    struct stdio *stdio = ((struct stdio_end *)context)->stdio;
    bool now = stdio->input_used < stdio->input_len || stdio->input_fd < 0 || stdio->input_ended ||
               fd_readable(stdio->input_fd);
    return now ? READY_IN : 0;
}

static struct wait_queue *input_queue(void *context)
{
    return &((struct stdio_end *)context)->stdio->readers;
}

static bool has_callback(const struct stdio *stdio, uint32_t stream)
{
    const struct capful_job *job = &stdio->run->job;
    return stream == 1 ? job->on_stdout != NULL : job->on_stderr != NULL;
}

static bool is_kept(const struct stdio *stdio, uint32_t stream)
{
    return !has_callback(stdio, stream) || (stdio->run->job.flags & CAPFUL_KEEP_OUTPUT);
}

static bool add_piece(struct stdio *stdio, uint32_t stream, const void *data, size_t len)
{
    unsigned n = stdio->piece_count;
    bool same = n > 0 && stdio->pieces[n - 1].stream == stream;
    if (!same && n == sizeof stdio->pieces / sizeof stdio->pieces[0])
        return false;
    if (!buf_add(&stdio->pending, data, len))
        return false;
    if (same) {
        stdio->pieces[n - 1].len += len;
    } else {
        stdio->pieces[n].stream = stream;
        stdio->pieces[n].len = len;
        stdio->piece_count = n + 1;
    }
    return true;
}

static int output_write(void *context, const void *data, size_t len, size_t *ret_len)
{
    struct stdio_end *end = context;
    struct stdio *stdio = end->stdio;
    uint32_t stream = end->stream;
    struct kernel *kernel = kernel_of(stdio);
    uint64_t limit = kernel->limits.output;
    if (stdio->closed[stream])
        return ERRNO_PIPE;
    if (len == 0) {
        *ret_len = 0;
        return 0;
    }
    size_t room = SIZE_MAX;
    if (has_callback(stdio, stream)) {
        if (stdio->pending.len >= PENDING_MAX)
            return FILE_AGAIN;
        room = PENDING_MAX - stdio->pending.len;
    }
    size_t n = len < room ? len : room;
    bool too_much = limit != CAPFUL_UNLIMITED && n > limit - stdio->total[stream];
    if (too_much)
        n = (size_t)(limit - stdio->total[stream]); /* what fits is kept */
    if (has_callback(stdio, stream)) {
        if (n > 0 && !add_piece(stdio, stream, data, n)) {
            kernel_ask(kernel);
            return FILE_AGAIN;
        }
        kernel_ask(kernel);
    }
    if (is_kept(stdio, stream)) {
        if (!kernel_charge(kernel, n))
            return ERRNO_NOSPC;
        if (!buf_add(&stdio->kept[stream], data, n)) {
            kernel_stop_limit(kernel, "memory", "no memory for the output");
            return ERRNO_NOSPC;
        }
    }
    stdio->total[stream] += n;
    if (too_much) {
        kernel_stop_limit(kernel, "output", "%s is limited to %llu bytes",
                          stream == 1 ? "stdout" : "stderr", (unsigned long long)limit);
        return ERRNO_NOSPC;
    }
    *ret_len = n;
    return 0;
}

static unsigned output_ready(void *context)
{
    struct stdio_end *end = context;
    return !has_callback(end->stdio, end->stream) || end->stdio->pending.len < PENDING_MAX
               ? READY_OUT
               : 0;
}

static struct wait_queue *output_queue(void *context)
{
    return &((struct stdio_end *)context)->stdio->writers;
}

static const struct stream_ops input_ops = {input_read, NULL, input_ready, input_queue};
static const struct stream_ops output_ops = {NULL, output_write, output_ready, output_queue};

int stdio_file(struct capful_run *run, uint32_t stream, struct file **ret)
{
    return stream_new(stream == 0 ? &input_ops : &output_ops, &run->ends[stream], stream == 0,
                      stream != 0, ret);
}

bool stdio_flush(struct stdio *stdio)
{
    if (stdio->piece_count == 0)
        return false;
    struct buf pending = stdio->pending;
    unsigned count = stdio->piece_count;
    size_t at = 0;
    const struct capful_job *job = &stdio->run->job;
    /* Callbacks may read the sandbox but cannot run it: nothing is added meanwhile. */
    for (unsigned i = 0; i < count; i++) {
        uint32_t stream = stdio->pieces[i].stream;
        int (*callback)(void *, const void *, size_t) =
            stream == 1 ? job->on_stdout : job->on_stderr;
        if (!stdio->closed[stream] &&
            callback(job->context, pending.data + at, stdio->pieces[i].len) != 0)
            stdio->closed[stream] = true;
        at += stdio->pieces[i].len;
    }
    stdio->piece_count = 0;
    buf_clear(&stdio->pending);
    wait_wake(&stdio->writers);
    return true;
}

bool stdio_wants_input(const struct stdio *stdio, int *ret_fd)
{
    *ret_fd = stdio->readers.first ? stdio->input_fd : -1;
    return *ret_fd >= 0;
}

void stdio_input_ready(struct stdio *stdio)
{
    if (stdio->readers.first && fd_readable(stdio->input_fd))
        wait_wake(&stdio->readers);
}
