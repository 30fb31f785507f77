/* The host's files, as the log needs them: one function for each system call, so that tests can put
 * failing ones in their place. All answer a negative errno when they fail. */
#ifndef CAPFUL_AUDIT_DISK_H
#define CAPFUL_AUDIT_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct disk_stat {
    uint64_t size, device, inode;
    uint32_t mode, links;
    bool regular;
};

/* Whether two of them are of the same file. */
static inline bool disk_same(uint64_t device, uint64_t inode, const struct disk_stat *st)
{
    return ((device ^ st->device) | (inode ^ st->inode)) == 0;
}

int disk_open(int dir, const char *name, int flags, mode_t mode);
void disk_close(int fd);
int disk_stat(int fd, struct disk_stat *ret);
int disk_stat_at(int dir, const char *name, struct disk_stat *ret);
/* The whole file, for every open file that is not a copy of this one; does not wait: -EAGAIN. */
int disk_lock(int fd, bool shared);
void disk_unlock(int fd);
void disk_pause(uint64_t ns);
/* A page that is all zeros in a forked process; NULL where the kernel cannot promise that. */
void *disk_fork_page(void);
void disk_free_page(void *page);
ssize_t disk_read(int fd, void *to, size_t len, uint64_t offset);
ssize_t disk_write(int fd, const struct iovec *pieces, int count); /* at the end of the file */
int disk_sync(int fd);
int disk_mode(int fd, mode_t mode);
int disk_link(int dir, const char *name, const char *other);
int disk_rename(int dir, const char *from, const char *to);
int disk_unlink(int dir, const char *name);

#endif
