/* Pipes: one ring of PIPE_SIZE bytes and two ends, in one block that lives until both ends are
 * closed.
 *
 *       head                 (head + len) % PIPE_SIZE
 *        |                     |
 *   [....ddddddddddddddddddddddd...........]   readers take at head, writers add behind the data
 *
 * A reader that finds nothing stands in `readers`, a writer that finds no room in `writers`. Waking
 * only makes a process runnable: who reads goes on until the ring is empty, who writes until it is
 * full, so the two change places once in PIPE_SIZE bytes however small their pieces are.
 */
#include "kernel/pipe.h"

#include <string.h>

#include "base/mem.h"
#include "kernel/kernel.h"

#define SPARE_MAX 4u

struct pipe {
    struct kernel *kernel;
    uint8_t *data;
    uint32_t head, len;
    bool read_open, write_open;
    struct file read_end, write_end;
    struct wait_queue readers, writers;
    uint64_t ino;
};

#define PIPE_OF(file, member)                                                                      \
    ((struct pipe *)(void *)((char *)(file) - offsetof(struct pipe, member)))

/* Buffers go round: a shell makes and drops pipes all the time, and fresh pages cost more than the
 * copy. */
static uint8_t *take_buffer(struct kernel *kernel)
{
    uint8_t *buffer = kernel->spare;
    if (!buffer)
        return mem_alloc(PIPE_SIZE);
    memcpy(&kernel->spare, buffer, sizeof kernel->spare);
    kernel->spare_count--;
    return buffer;
}

static void give_buffer(struct kernel *kernel, uint8_t *buffer)
{
    if (kernel->spare_count >= SPARE_MAX) {
        mem_free(buffer);
        return;
    }
    memcpy(buffer, &kernel->spare, sizeof kernel->spare);
    kernel->spare = buffer;
    kernel->spare_count++;
}

void pipe_drop_spares(struct kernel *kernel)
{
    while (kernel->spare)
        mem_free(take_buffer(kernel));
}

static int pipe_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    struct pipe *pipe = PIPE_OF(file, read_end);
    if (size == 0 || (pipe->len == 0 && !pipe->write_open)) {
        *ret_len = 0;
        return 0;
    }
    if (pipe->len == 0)
        return FILE_AGAIN;
    uint32_t n = size < pipe->len ? (uint32_t)size : pipe->len;
    uint32_t first = PIPE_SIZE - pipe->head;
    if (first > n)
        first = n;
    memcpy(buffer, pipe->data + pipe->head, first);
    memcpy((uint8_t *)buffer + first, pipe->data, n - first);
    pipe->head = (pipe->head + n) % PIPE_SIZE;
    pipe->len -= n;
    if (pipe->len == 0)
        pipe->head = 0;
    wait_wake(&pipe->writers);
    *ret_len = n;
    return 0;
}

static int pipe_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    struct pipe *pipe = PIPE_OF(file, write_end);
    if (!pipe->read_open)
        return ERRNO_PIPE;
    uint32_t room = PIPE_SIZE - pipe->len;
    if (len > 0 && (room == 0 || (len <= PIPE_ATOMIC && room < len)))
        return FILE_AGAIN;
    uint32_t n = len < room ? (uint32_t)len : room;
    uint32_t at = (pipe->head + pipe->len) % PIPE_SIZE, first = PIPE_SIZE - at;
    if (first > n)
        first = n;
    memcpy(pipe->data + at, data, first);
    memcpy(pipe->data, (const uint8_t *)data + first, n - first);
    pipe->len += n;
    if (n > 0)
        wait_wake(&pipe->readers);
    *ret_len = n;
    return 0;
}

static unsigned read_ready(struct file *file)
{
    const struct pipe *pipe = PIPE_OF(file, read_end);
    return (pipe->len > 0 || !pipe->write_open ? READY_IN : 0u) |
           (pipe->write_open ? 0u : READY_HUP);
}

static unsigned write_ready(struct file *file)
{
    const struct pipe *pipe = PIPE_OF(file, write_end);
    if (!pipe->read_open)
        return READY_OUT | READY_HUP;
    return PIPE_SIZE - pipe->len >= PIPE_ATOMIC ? READY_OUT : 0u;
}

static uint64_t read_available(struct file *file)
{
    return PIPE_OF(file, read_end)->len;
}

static uint64_t write_available(struct file *file)
{
    return PIPE_SIZE - PIPE_OF(file, write_end)->len;
}

static struct wait_queue *read_queue(struct file *file, unsigned events)
{
    (void)events;
    return &PIPE_OF(file, read_end)->readers;
}

static struct wait_queue *write_queue(struct file *file, unsigned events)
{
    (void)events;
    return &PIPE_OF(file, write_end)->writers;
}

static int pipe_stat(struct pipe *pipe, struct file_stat *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->type = FILE_UNKNOWN; /* WASI has no number for pipes */
    ret->ino = pipe->ino;
    ret->mode = 0600;
    ret->links = 1;
    ret->size = pipe->len;
    return 0;
}

static int read_stat(struct file *file, struct file_stat *ret)
{
    return pipe_stat(PIPE_OF(file, read_end), ret);
}

static int write_stat(struct file *file, struct file_stat *ret)
{
    return pipe_stat(PIPE_OF(file, write_end), ret);
}

static void pipe_close(struct pipe *pipe)
{
    wait_wake(&pipe->readers);
    wait_wake(&pipe->writers);
    if (pipe->read_open || pipe->write_open)
        return;
    kernel_discharge(pipe->kernel, PIPE_SIZE + sizeof *pipe);
    give_buffer(pipe->kernel, pipe->data);
    mem_free(pipe);
}

static void read_release(struct file *file)
{
    struct pipe *pipe = PIPE_OF(file, read_end);
    pipe->read_open = false;
    pipe_close(pipe);
}

static void write_release(struct file *file)
{
    struct pipe *pipe = PIPE_OF(file, write_end);
    pipe->write_open = false;
    pipe_close(pipe);
}

static const struct file_ops read_ops = {
    .name = "pipe",
    .type = FILE_UNKNOWN,
    .read = pipe_read,
    .stat = read_stat,
    .ready = read_ready,
    .available = read_available,
    .queue = read_queue,
    .release = read_release,
};

static const struct file_ops write_ops = {
    .name = "pipe",
    .type = FILE_UNKNOWN,
    .write = pipe_write,
    .stat = write_stat,
    .ready = write_ready,
    .available = write_available,
    .queue = write_queue,
    .release = write_release,
};

int pipe_new(struct kernel *kernel, struct file **ret_read, struct file **ret_write)
{
    if (!kernel_charge(kernel, PIPE_SIZE + sizeof(struct pipe)))
        return ERRNO_NOMEM;
    struct pipe *pipe = mem_zalloc(sizeof *pipe);
    if (pipe)
        pipe->data = take_buffer(kernel);
    if (!pipe || !pipe->data) {
        mem_free(pipe);
        kernel_discharge(kernel, PIPE_SIZE + sizeof *pipe);
        return ERRNO_NOMEM;
    }
    pipe->kernel = kernel;
    pipe->ino = ++kernel->pipes_made;
    pipe->read_open = pipe->write_open = true;
    file_init(&pipe->read_end, &read_ops, 0, true, false);
    file_init(&pipe->write_end, &write_ops, 0, false, true);
    *ret_read = &pipe->read_end;
    *ret_write = &pipe->write_end;
    return 0;
}
