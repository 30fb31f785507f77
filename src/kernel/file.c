/* Open files: what POSIX answers where a kind of file has no operation of its own. */
#include "kernel/file.h"

#include <string.h>

void file_init(struct file *file, const struct file_ops *ops, uint32_t flags, bool readable,
               bool writable)
{
    memset(file, 0, sizeof *file);
    file->ops = ops;
    file->refs = 1;
    file->flags = flags;
    file->readable = readable;
    file->writable = writable;
}

void file_unref(struct file *file)
{
    if (!file || --file->refs > 0)
        return;
    file->ops->release(file);
}

static bool is_directory(const struct file *file)
{
    return file->ops->type == FILE_DIRECTORY;
}

int file_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    if (is_directory(file))
        return ERRNO_ISDIR;
    if (!file->readable)
        return ERRNO_BADF;
    return file->ops->read ? file->ops->read(file, buffer, size, ret_len) : ERRNO_INVAL;
}

int file_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    if (is_directory(file))
        return ERRNO_ISDIR;
    if (!file->writable)
        return ERRNO_BADF;
    return file->ops->write ? file->ops->write(file, data, len, ret_len) : ERRNO_INVAL;
}

int file_pread(struct file *file, void *buffer, size_t size, uint64_t offset, size_t *ret_len)
{
    if (is_directory(file))
        return ERRNO_ISDIR;
    if (!file->readable)
        return ERRNO_BADF;
    if (!file->ops->pread)
        return ERRNO_SPIPE;
    return offset > INT64_MAX ? ERRNO_INVAL : file->ops->pread(file, buffer, size, offset, ret_len);
}

int file_pwrite(struct file *file, const void *data, size_t len, uint64_t offset, size_t *ret_len)
{
    if (is_directory(file))
        return ERRNO_ISDIR;
    if (!file->writable)
        return ERRNO_BADF;
    if (!file->ops->pwrite)
        return ERRNO_SPIPE;
    if (offset > INT64_MAX)
        return ERRNO_INVAL;
    return len > INT64_MAX - offset ? ERRNO_FBIG
                                    : file->ops->pwrite(file, data, len, offset, ret_len);
}

int file_seek(struct file *file, int64_t offset, int whence, uint64_t *ret)
{
    if (whence < 0 || whence > 2)
        return ERRNO_INVAL;
    if (!file->ops->seek)
        return is_directory(file) ? ERRNO_ISDIR : ERRNO_SPIPE;
    return file->ops->seek(file, offset, whence, ret);
}

int file_readdir(struct file *file, uint64_t cookie, struct file_dirent *ret)
{
    return file->ops->readdir ? file->ops->readdir(file, cookie, ret) : ERRNO_NOTDIR;
}

int file_stat(struct file *file, struct file_stat *ret)
{
    if (file->ops->stat)
        return file->ops->stat(file, ret);
    memset(ret, 0, sizeof *ret);
    ret->type = file->ops->type;
    ret->mode = 0600;
    ret->links = 1;
    return 0;
}

int file_set_size(struct file *file, uint64_t size)
{
    if (is_directory(file))
        return ERRNO_ISDIR;
    if (!file->writable || !file->ops->set_size || size > INT64_MAX)
        return ERRNO_INVAL;
    return file->ops->set_size(file, size);
}

int file_allocate(struct file *file, uint64_t offset, uint64_t len)
{
    if (is_directory(file))
        return ERRNO_ISDIR;
    if (!file->writable)
        return ERRNO_BADF;
    if (!file->ops->allocate)
        return file->ops->seekable ? ERRNO_NODEV : ERRNO_SPIPE;
    if (len == 0 || offset > INT64_MAX)
        return ERRNO_INVAL;
    return len > INT64_MAX - offset ? ERRNO_FBIG : file->ops->allocate(file, offset, len);
}

int file_set_times(struct file *file, uint64_t atime, uint64_t mtime, unsigned which)
{
    if (file->read_only)
        return ERRNO_ROFS;
    return file->ops->set_times ? file->ops->set_times(file, atime, mtime, which) : ERRNO_NOTSUP;
}

int file_sync(struct file *file)
{
    return file->ops->sync ? file->ops->sync(file) : ERRNO_INVAL;
}

unsigned file_ready(struct file *file)
{
    return file->ops->ready ? file->ops->ready(file) : READY_IN | READY_OUT;
}
