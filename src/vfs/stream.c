/* Files that come from outside the sandbox: what is read and written goes through the host's
 * functions. */
#include "base/mem.h"
#include "vfs/vfs.h"

struct stream {
    struct file file;
    const struct stream_ops *ops;
    void *context;
};

static struct stream *stream_of(struct file *file)
{
    return (struct stream *)file;
}

static int stream_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    struct stream *stream = stream_of(file);
    return stream->ops->read ? stream->ops->read(stream->context, buffer, size, ret_len)
                             : ERRNO_BADF;
}

static int stream_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    struct stream *stream = stream_of(file);
    return stream->ops->write ? stream->ops->write(stream->context, data, len, ret_len)
                              : ERRNO_BADF;
}

static unsigned stream_ready(struct file *file)
{
    struct stream *stream = stream_of(file);
    unsigned all = (file->readable ? READY_IN : 0) | (file->writable ? READY_OUT : 0);
    return stream->ops->ready ? stream->ops->ready(stream->context) : all;
}

static struct wait_queue *stream_queue(struct file *file, unsigned events)
{
    struct stream *stream = stream_of(file);
    (void)events;
    return stream->ops->queue ? stream->ops->queue(stream->context) : NULL;
}

static void stream_release(struct file *file)
{
    mem_free(file);
}

static const struct file_ops stream_file_ops = {
    .name = "stream",
    .type = FILE_CHARACTER,
    .read = stream_read,
    .write = stream_write,
    .ready = stream_ready,
    .queue = stream_queue,
    .release = stream_release,
};

int stream_new(const struct stream_ops *ops, void *context, bool readable, bool writable,
               struct file **ret)
{
    struct stream *stream = mem_zalloc(sizeof *stream);
    if (!stream)
        return ERRNO_NOMEM;
    file_init(&stream->file, &stream_file_ops, 0, readable, writable);
    stream->ops = ops;
    stream->context = context;
    *ret = &stream->file;
    return 0;
}
