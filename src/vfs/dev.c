/* /dev: null, zero, full, random, urandom, tty, the standard streams, fd. */
#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/pseudo.h"

#define PIECE (1u << 20)

struct device {
    struct file file;
    struct kernel *kernel;
};

static struct kernel *kernel_of(struct file *file)
{
    return ((struct device *)file)->kernel;
}

static int null_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    (void)file;
    (void)buffer;
    (void)size;
    *ret_len = 0;
    return 0;
}

static int null_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    (void)file;
    (void)data;
    *ret_len = len;
    return 0;
}

static int full_write(struct file *file, const void *data, size_t len, size_t *ret_len)
{
    (void)file;
    (void)data;
    if (len > 0)
        return ERRNO_NOSPC;
    *ret_len = 0;
    return 0;
}

static int zero_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    size_t done = 0;
    while (done < size) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        memset((char *)buffer + done, 0, piece);
        done += piece;
        if (done < size && tree_must_stop(kernel_of(file)))
            break;
    }
    *ret_len = done;
    return 0;
}

static int random_read(struct file *file, void *buffer, size_t size, size_t *ret_len)
{
    size_t done = 0;
    while (done < size) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        int e = kernel_random(kernel_of(file), (char *)buffer + done, piece);
        if (e != 0)
            return e;
        done += piece;
        if (done < size && tree_must_stop(kernel_of(file)))
            break;
    }
    *ret_len = done;
    return 0;
}

static int null_pread(struct file *file, void *buffer, size_t size, uint64_t offset,
                      size_t *ret_len)
{
    (void)offset;
    return file->ops->read(file, buffer, size, ret_len);
}

static int null_pwrite(struct file *file, const void *data, size_t len, uint64_t offset,
                       size_t *ret_len)
{
    (void)offset;
    return file->ops->write(file, data, len, ret_len);
}

static int device_seek(struct file *file, int64_t offset, int whence, uint64_t *ret)
{
    (void)file;
    (void)offset;
    (void)whence;
    *ret = 0; /* as Linux answers for these */
    return 0;
}

static int device_stat(struct file *file, struct file_stat *ret)
{
    return vnode_stat(file->vnode, ret);
}

static int device_sync(struct file *file)
{
    (void)file;
    return ERRNO_INVAL;
}

static void device_release(struct file *file)
{
    vnode_unref(file->vnode);
    mem_free(file);
}

#define DEVICE(what, reader, writer)                                                               \
    {.name = (what),                                                                               \
     .type = FILE_CHARACTER,                                                                       \
     .seekable = true,                                                                             \
     .read = (reader),                                                                             \
     .write = (writer),                                                                            \
     .pread = null_pread,                                                                          \
     .pwrite = null_pwrite,                                                                        \
     .seek = device_seek,                                                                          \
     .stat = device_stat,                                                                          \
     .sync = device_sync,                                                                          \
     .release = device_release}

static const struct file_ops null_ops = DEVICE("null", null_read, null_write);
static const struct file_ops zero_ops = DEVICE("zero", zero_read, null_write);
static const struct file_ops full_ops = DEVICE("full", zero_read, full_write);
static const struct file_ops random_ops = DEVICE("random", random_read, null_write);

static const struct {
    const char *name;
    const struct file_ops *ops; /* NULL: the terminal, of which there is none */
} devices[] = {{"null", &null_ops},     {"zero", &zero_ops},      {"full", &full_ops},
               {"random", &random_ops}, {"urandom", &random_ops}, {"tty", NULL}};

static int device_open(struct pnode *node, bool read, bool write, struct file **ret)
{
    const struct file_ops *ops = devices[node->number].ops;
    if (!ops)
        return ERRNO_NXIO;
    struct device *device = mem_zalloc(sizeof *device);
    if (!device)
        return ERRNO_NOMEM;
    file_init(&device->file, ops, 0, read, write);
    device->file.vnode = vnode_ref(&node->vnode);
    device->kernel = node->vnode.fs->vfs->kernel;
    *ret = &device->file;
    return 0;
}

static const struct pseudo_kind device_kind = {
    .type = FILE_CHARACTER, .mode = 0666, .open = device_open};

static int dev_populate(struct pnode *dir)
{
    static const char *const streams[] = {"stdin", "stdout", "stderr"};
    int e = 0;
    for (size_t i = 0; e == 0 && i < sizeof devices / sizeof devices[0]; i++)
        e = pseudo_add(dir, devices[i].name, &device_kind, i);
    for (size_t i = 0; e == 0 && i < 3; i++)
        e = pseudo_add(dir, streams[i], &fd_link, i);
    return e == 0 ? pseudo_add(dir, "fd", &fd_directory, 0) : e;
}

const struct pseudo_kind dev_directory = {
    .type = FILE_DIRECTORY, .mode = 0755, .populate = dev_populate};
