/* A directory of the host, and the only code that opens files of the host for guests.
 *
 * Everything is named by a relative path beneath the root, made of names that we walked through:
 * never "..", never a symbolic link but as the last component, which is not followed. Each
 * operation opens its way anew from the root, with openat2 and RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS, or where the host has no openat2, name by name with
 * O_NOFOLLOW. So whatever the host does to the directory meanwhile, a symbolic link leads nowhere.
 *
 * Only regular files and directories are opened (O_NONBLOCK | O_NOCTTY, then fstat): devices,
 * sockets and pipes are ACCES. Set-uid, set-gid and sticky bits are neither shown nor set. Names
 * are bytes.
 */
#ifndef CAPFUL_VFS_HOSTDIR_H
#define CAPFUL_VFS_HOSTDIR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "kernel/file.h"

struct hostdir;
struct kernel;

#define HOST_PATH_MAX 4095u /* of a path beneath the root */

/* Duplicates the descriptor. Errno. */
int hostdir_new(int root_fd, struct kernel *kernel, struct hostdir **ret);
void hostdir_free(struct hostdir *dir);
/* Tests: do without openat2. */
void hostdir_force_walk(bool force);
int errno_lookup(int host_errno); /* hosterr.c: the one table */
/* Never 0, whatever errno was left: a failure stays one. */
static inline int errno_from_host(int host_errno)
{
    int e = errno_lookup(host_errno);
    return e != 0 ? e : ERRNO_IO;
}

/* In `path` "" is the root itself. All answer an errno. */
int hostdir_stat(struct hostdir *dir, const char *path, struct file_stat *ret);
int hostdir_stat_fd(struct hostdir *dir, int fd, struct file_stat *ret);
/* A regular file; `create`: it must not exist. A host descriptor. */
int hostdir_open(struct hostdir *dir, const char *path, bool read, bool write, bool create,
                 int *ret_fd);
int hostdir_readlink(struct hostdir *dir, const char *path, struct buf *out);
int hostdir_set_times(struct hostdir *dir, const char *path, uint64_t atime, uint64_t mtime,
                      unsigned which);
int hostdir_set_times_fd(int fd, uint64_t atime, uint64_t mtime, unsigned which);
int hostdir_set_mode(struct hostdir *dir, const char *path, uint32_t mode);
int hostdir_mkdir(struct hostdir *dir, const char *path);
/* PERM if it could lead out: an absolute target, or one that goes up further than the link lies
 * deep, or that goes up after it went down. */
int hostdir_symlink(struct hostdir *dir, const char *path, struct str target);
int hostdir_link(struct hostdir *dir, const char *from, const char *to);
int hostdir_remove(struct hostdir *dir, const char *path, bool directory);
/* A directory with links that would lead out from its new place is PERM; XDEV if it is too large to
 * look. */
int hostdir_rename(struct hostdir *dir, const char *from, const char *to);

/* Listing: "." and ".." are left out; cookies from 2 on. */
struct hostlist;
int hostlist_open(struct hostdir *dir, const char *path, struct hostlist **ret);
int hostlist_next(struct hostlist *list, uint64_t cookie,
                  struct file_dirent *ret); /* NOENT at the end */
void hostlist_free(void *state);

/* pread and pwrite in pieces, looking in between whether the run must stop. */
int hostdir_read(struct hostdir *dir, int fd, void *buffer, size_t size, uint64_t offset,
                 size_t *ret_len);
int hostdir_write(struct hostdir *dir, int fd, const void *data, size_t len, uint64_t offset,
                  bool append, size_t *ret_len);

#endif
