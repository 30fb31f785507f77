/* The file tree of a sandbox: one name space over several file systems, all reached by resolving
 * paths here.
 *
 *     /              read-only skeleton (memory)      /dev     devices
 *     /workspace     memory, writable                 /proc    /proc/self
 *     /tmp           memory, writable                 /tools   a page for each tool
 *     mounts         host directory (ro, rw), memory over a host directory (overlay), callbacks
 *
 * Answers are errnos of abi/errno.def, never a host errno. FILE_PARKED: a served mount must call
 * the host and the system call was made on a guest's stack; process_defer was called, and the call
 * is to answer SYS_PARK and be made again from its start (or to answer with what it has done so
 * far). Resolution is ours, component by component, so that symbolic links of the host lead where
 * they would inside the sandbox and never out.
 */
#ifndef CAPFUL_VFS_VFS_H
#define CAPFUL_VFS_VFS_H

#include "capful/capful.h"
#include "kernel/file.h"
#include "kernel/kernel.h"

struct vfs;
struct vnode;
struct vfs_snapshot;

/* Where a path starts. */
struct vfs_at {
    struct file *dir; /* an open directory */
    bool beneath; /* WASI: no absolute path, no way out by ".." or by a link (NOTCAPABLE). Otherwise
                     an absolute path starts at /, and ".." stops at / */
    struct view *view; /* of the process that asks; NULL: it sees all */
};

/* How much of an object a process sees: each includes those before it. */
enum view_access {
    VIEW_NOTHING, /* it is not there */
    VIEW_PATH,    /* a directory on the way to what the process holds: nothing else is in it */
    VIEW_READ,
    VIEW_WRITE
};

enum {
    VFS_FOLLOW = 1, /* follow a symbolic link in the last component */
    VFS_CREATE = 2,
    VFS_EXCLUSIVE = 4,
    VFS_TRUNCATE = 8,
    VFS_DIRECTORY = 16 /* must be a directory */
};

/* `kernel` is charged for what the tree holds and bounds it by its limits. Errors: CAPFUL_ENOMEM.
 */
int vfs_new(struct kernel *kernel, struct vfs **ret);
void vfs_free(struct vfs *vfs); /* after all files are closed */

/* Mounts (when a sandbox is made; the guest path's missing directories are made). CAPFUL_E… with
 * *err filled. */
int vfs_mount_host(struct vfs *vfs, const char *guest_path, int root_fd /* duplicated */,
                   const char *host_path, enum capful_mount_mode mode, struct capful_error *err);
int vfs_mount_served(struct vfs *vfs, const char *guest_path, const struct capful_mount_ops *ops,
                     void *context, struct capful_error *err);
/* Asked, on whatever stack, when something in a watched mount is reached, and before it is written;
 * a "no" is PERM for the guest. `id` is what vfs_watch_mount gave. */
struct vfs_watch {
    void (*reached)(void *context, uint32_t id);
    bool (*may_write)(void *context, uint32_t id);
};
void vfs_set_watch(struct vfs *vfs, const struct vfs_watch *watch, void *context);
/* The mount at this path, if there is one. */
void vfs_watch_mount(struct vfs *vfs, const char *guest_path, uint32_t id);
/* Opens a host directory as the root of a mount; the only door to host paths. -1 with *err filled.
 */
int vfs_open_host_root(const char *path, struct capful_error *err);
/* A read-only page under /tools, made when first read: `make` fills *out. */
int vfs_add_page(struct vfs *vfs, struct str name,
                 int (*make)(void *context, struct str name, struct buf *out), void *context);

/* A directory for a view. */
struct vfs_part {
    struct str path;
    enum { VFS_PART_READ = 1, VFS_PART_WRITE, VFS_PART_AS_HELD } kind;
};
/* A view of these directories, with /dev and /proc and nothing else, for a child of the process
 * whose view is at.view; paths start as in all calls. Errno: those of a lookup, NOTDIR, ROFS where
 * WRITE is asked for and at.view lets it only read, 2BIG for too many directories or views below
 * one another. */
int vfs_view_new(struct vfs *vfs, struct vfs_at at, const struct vfs_part *parts, size_t n,
                 struct view **ret);
/* WRITE for what is not in the tree, such as pipes. */
enum view_access vfs_view_access(const struct view *view, const struct file *file);

/* A directory as a file, e.g. for preopens and cwd: absolute path. */
int vfs_open_directory(struct vfs *vfs, struct str path, struct file **ret);
/* `flags` VFS_…, `fd_flags` enum file_flags. O_TRUNC on a directory etc. as POSIX has it. */
int vfs_open(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags, unsigned fd_flags,
             bool read, bool write, struct file **ret);
int vfs_stat(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags,
             struct file_stat *ret);
int vfs_set_times(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags,
                  uint64_t atime, uint64_t mtime, unsigned which);
int vfs_chmod(struct vfs *vfs, struct vfs_at at, struct str path, uint32_t mode);
int vfs_mkdir(struct vfs *vfs, struct vfs_at at, struct str path);
int vfs_rmdir(struct vfs *vfs, struct vfs_at at, struct str path);
int vfs_unlink(struct vfs *vfs, struct vfs_at at, struct str path);
int vfs_rename(struct vfs *vfs, struct vfs_at from, struct str from_path, struct vfs_at to,
               struct str to_path);
int vfs_link(struct vfs *vfs, struct vfs_at from, struct str from_path, unsigned flags,
             struct vfs_at to, struct str to_path);
int vfs_symlink(struct vfs *vfs, struct str target, struct vfs_at at, struct str path);
int vfs_readlink(struct vfs *vfs, struct vfs_at at, struct str path, struct buf *out);
/* Absolute path of an open directory, as it is reached now. */
int vfs_path_of(struct vfs *vfs, struct file *dir, struct buf *out);

/* Snapshot of everything in memory (not of rw mounts): O(1), counted, may be restored in another
 * sandbox and on another thread. After a restore open files of the old tree go on with what they
 * had. */
int vfs_snapshot_take(struct vfs *vfs, struct vfs_snapshot **ret); /* CAPFUL_E… */
int vfs_snapshot_restore(struct vfs *vfs, const struct vfs_snapshot *snapshot);
void vfs_snapshot_free(struct vfs_snapshot *snapshot);
/* Back to the state after vfs_new and the mounts. */
int vfs_reset(struct vfs *vfs);
/* What overlays hold beyond the host's files. Stops when each answers other than 0. */
int vfs_diff(struct vfs *vfs, int (*each)(void *context, char kind, const char *path),
             void *context);

/* Files that come from outside (src/vfs/stream.c): stdin, stdout and stderr of the run. */
struct stream_ops {
    /* Bytes that are there now: FILE_AGAIN if none yet, *ret_len = 0 at the end. */
    int (*read)(void *context, void *buffer, size_t size, size_t *ret_len);
    /* All or FILE_AGAIN; ERRNO_PIPE if nobody reads any more. */
    int (*write)(void *context, const void *data, size_t len, size_t *ret_len);
    unsigned (*ready)(void *context);
    struct wait_queue *(*queue)(void *context);
};
int stream_new(const struct stream_ops *ops, void *context, bool readable, bool writable,
               struct file **ret);
/* /dev/stdin and the like, /dev/fd and /proc/self/fd open what the current process has under that
 * number. */

#endif
