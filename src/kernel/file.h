/* An open file description: what descriptors point at. Counted; shared by dup, inheritance and
 * clone.
 *
 * Each kind of file (regular file, directory, pipe end, device, host stream) supplies a table of
 * operations. An operation answers an errno of abi/errno.def, or FILE_AGAIN when it would have to
 * wait: the caller then asks `queue` what to wait for, or, for a file of a served mount, finds the
 * process parked already (FILE_PARKED). A missing operation is answered by file_… with the errno
 * that POSIX has for it.
 */
#ifndef CAPFUL_KERNEL_FILE_H
#define CAPFUL_KERNEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/abi.h"
#include "base/buf.h"
#include "base/str.h"
#include "kernel/wait.h"

#define FILE_AGAIN (-1) /* would wait: see queue() */
#define FILE_PARKED                                                                                \
    (-2) /* the operation asked the host something and registered the process's wait itself */

enum file_type { /* WASI filetype numbers */
                 FILE_UNKNOWN = 0,
                 FILE_BLOCK = 1,
                 FILE_CHARACTER = 2,
                 FILE_DIRECTORY = 3,
                 FILE_REGULAR = 4,
                 FILE_SOCKET_DGRAM = 5,
                 FILE_SOCKET_STREAM = 6,
                 FILE_SYMLINK = 7
};

enum file_flags { /* WASI fdflags */
                  FILE_APPEND = 1,
                  FILE_DSYNC = 2,
                  FILE_NONBLOCK = 4,
                  FILE_RSYNC = 8,
                  FILE_SYNC = 16
};

enum { READY_IN = 1, READY_OUT = 2, READY_HUP = 4 };

struct file_stat {
    uint64_t dev, ino;
    enum file_type type;
    uint32_t mode; /* permission bits only */
    uint64_t links, size;
    uint64_t atime, mtime, ctime; /* ns since 1970 */
};

struct file_dirent {
    uint64_t next; /* cookie of the entry that follows */
    uint64_t ino;
    enum file_type type;
    struct str name; /* valid until the next operation on the file */
};

enum { FILE_SET_ATIME = 1, FILE_SET_MTIME = 2 };

struct file;
struct process;
struct vnode;

struct file_ops {
    const char *name;
    enum file_type type;
    bool seekable;
    int (*read)(struct file *file, void *buffer, size_t size, size_t *ret_len);
    int (*write)(struct file *file, const void *data, size_t len, size_t *ret_len);
    int (*pread)(struct file *file, void *buffer, size_t size, uint64_t offset, size_t *ret_len);
    int (*pwrite)(struct file *file, const void *data, size_t len, uint64_t offset,
                  size_t *ret_len);
    int (*seek)(struct file *file, int64_t offset, int whence /* 0 set, 1 current, 2 end */,
                uint64_t *ret);
    /* One entry; a name of length 0 is the end. Cookie 0 starts; entries "." and ".." come first.
     */
    int (*readdir)(struct file *file, uint64_t cookie, struct file_dirent *ret);
    int (*stat)(struct file *file, struct file_stat *ret);
    int (*set_size)(struct file *file, uint64_t size);
    int (*allocate)(struct file *file, uint64_t offset, uint64_t len);
    int (*set_times)(struct file *file, uint64_t atime, uint64_t mtime,
                     unsigned which /* FILE_SET_… */);
    int (*sync)(struct file *file);
    unsigned (*ready)(struct file *file);     /* POLL_…; NULL: always ready for both */
    uint64_t (*available)(struct file *file); /* bytes that a read would find; NULL: 0 */
    struct wait_queue *(*queue)(struct file *file, unsigned events);
    void (*release)(struct file *file); /* last reference gone: frees `file` too */
};

struct file {
    const struct file_ops *ops;
    uint32_t refs;
    uint32_t flags; /* FILE_APPEND, FILE_NONBLOCK, … */
    bool readable, writable;
    bool read_only;      /* opened where the process may only read */
    uint64_t offset;     /* where the kind has one */
    struct vnode *vnode; /* directory or file of the vfs, NULL for pipes, devices and streams */
};

void file_init(struct file *file, const struct file_ops *ops, uint32_t flags, bool readable,
               bool writable);
static inline struct file *file_ref(struct file *file)
{
    file->refs++;
    return file;
}
void file_unref(struct file *file); /* NULL is fine */

/* The operations with what POSIX says about files that lack them: EBADF for the wrong direction,
 * ESPIPE for offsets on pipes, ENOTDIR, EISDIR, EINVAL. */
int file_read(struct file *file, void *buffer, size_t size, size_t *ret_len);
int file_write(struct file *file, const void *data, size_t len, size_t *ret_len);
int file_pread(struct file *file, void *buffer, size_t size, uint64_t offset, size_t *ret_len);
int file_pwrite(struct file *file, const void *data, size_t len, uint64_t offset, size_t *ret_len);
int file_seek(struct file *file, int64_t offset, int whence, uint64_t *ret);
int file_readdir(struct file *file, uint64_t cookie, struct file_dirent *ret);
int file_stat(struct file *file, struct file_stat *ret);
int file_set_size(struct file *file, uint64_t size);
int file_allocate(struct file *file, uint64_t offset, uint64_t len);
int file_set_times(struct file *file, uint64_t atime, uint64_t mtime, unsigned which);
int file_sync(struct file *file);
unsigned file_ready(struct file *file);

#endif
