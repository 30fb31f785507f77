/* The host's files, see disk.h. */
#include "audit/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static int answer(int result)
{
    return result < 0 ? -errno : result;
}

int disk_open(int dir, const char *name, int flags, mode_t mode)
{
    return answer(openat(dir, name, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode));
}

void disk_close(int fd)
{
    close(fd);
}

static void take(const struct stat *s, struct disk_stat *ret)
{
    *ret = (struct disk_stat){.size = (uint64_t)s->st_size,
                              .device = s->st_dev,
                              .inode = s->st_ino,
                              .mode = s->st_mode & 0777,
                              .links = (uint32_t)s->st_nlink,
                              .regular = S_ISREG(s->st_mode)};
}

int disk_stat(int fd, struct disk_stat *ret)
{
    struct stat s = {0};
    int failed = answer(fstat(fd, &s));
    take(&s, ret);
    return failed;
}

int disk_stat_at(int dir, const char *name, struct disk_stat *ret)
{
    struct stat s = {0};
    int failed = answer(fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW));
    take(&s, ret);
    return failed;
}

int disk_lock(int fd, bool shared)
{
    return answer(flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB));
}

void disk_unlock(int fd)
{
    (void)flock(fd, LOCK_UN);
}

void disk_pause(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    (void)nanosleep(&t, NULL);
}

void *disk_fork_page(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
#ifdef MADV_WIPEONFORK
    if (madvise(page, PAGE, MADV_WIPEONFORK) == 0)
        return page;
#endif
    munmap(page, PAGE);
    return NULL;
}

void disk_free_page(void *page)
{
    munmap(page, PAGE);
}

ssize_t disk_read(int fd, void *to, size_t len, uint64_t offset)
{
    ssize_t n = pread(fd, to, len, (off_t)offset);
    return n < 0 ? -errno : n;
}

ssize_t disk_write(int fd, const struct iovec *pieces, int count)
{
    ssize_t n = writev(fd, pieces, count);
    return n < 0 ? -errno : n;
}

int disk_sync(int fd)
{
    return answer(fdatasync(fd));
}

int disk_mode(int fd, mode_t mode)
{
    return answer(fchmod(fd, mode));
}

int disk_link(int dir, const char *name, const char *other)
{
    return answer(linkat(dir, name, dir, other, 0));
}

int disk_rename(int dir, const char *from, const char *to)
{
    return answer(renameat(dir, from, dir, to));
}

int disk_unlink(int dir, const char *name)
{
    return answer(unlinkat(dir, name, 0));
}
