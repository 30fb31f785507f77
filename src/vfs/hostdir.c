/* Operations beneath a host directory, see hostdir.h. Linux; openat2 and fchmodat2 by number, with
 * fallbacks. */
#include "vfs/hostdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/tree.h"

#define PIECE       (1u << 20)
#define OPEN_ALWAYS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)
#define TRIES       16 /* openat2 answers EAGAIN when it lost a race */

struct hostdir {
    int root;
    dev_t dev;
    struct kernel *kernel;
};

static _Atomic bool no_openat2; /* found out once */
static _Atomic bool forced_walk;

void hostdir_force_walk(bool force)
{
    forced_walk = force;
}

int hostdir_new(int root_fd, struct kernel *kernel, struct hostdir **ret)
{
    struct stat stat;
    struct hostdir *dir = mem_alloc(sizeof *dir);
    if (!dir)
        return ERRNO_NOMEM;
    dir->kernel = kernel;
    dir->root = fcntl(root_fd, F_DUPFD_CLOEXEC, 3);
    if (dir->root < 0 || fstat(dir->root, &stat) != 0 || !S_ISDIR(stat.st_mode)) {
        int e = dir->root < 0 ? errno_from_host(errno) : ERRNO_NOTDIR;
        hostdir_free(dir);
        return e;
    }
    dir->dev = stat.st_dev;
    *ret = dir;
    return 0;
}

void hostdir_free(struct hostdir *dir)
{
    if (!dir)
        return;
    if (dir->root >= 0)
        close(dir->root);
    mem_free(dir);
}

/* ---- the way from the root */

/* One name at a time; none is followed if it is a link. */
static int open_by_walk(int root, const char *path, int flags, mode_t mode)
{
    char name[NAME_LENGTH_MAX + 1];
    int at = root;
    for (;;) {
        size_t len = strcspn(path, "/");
        bool last = path[len] == 0;
        if (len > NAME_LENGTH_MAX) {
            errno = ENAMETOOLONG;
            break;
        }
        memcpy(name, path, len);
        name[len] = 0;
        int next = last ? openat(at, len ? name : ".", flags | O_NOFOLLOW, mode)
                        : openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (at != root) {
            int saved = errno;
            close(at);
            errno = saved;
        }
        if (last || next < 0)
            return next;
        at = next;
        path += len + 1;
    }
    if (at != root)
        close(at);
    errno = ENAMETOOLONG;
    return -1;
}

/* A host descriptor, or -1 with errno. */
static int open_beneath(const struct hostdir *dir, const char *path, int flags, mode_t mode)
{
    if (!no_openat2 && !forced_walk) {
        struct open_how how;
        memset(&how, 0, sizeof how);
        how.flags = (uint64_t)flags;
        how.mode = flags & O_CREAT ? mode : 0;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
        for (int i = 0; i < TRIES; i++) {
            long fd = syscall(SYS_openat2, dir->root, *path ? path : ".", &how, sizeof how);
            if (fd >= 0)
                return (int)fd;
            if (errno != EAGAIN && errno != EINTR)
                break;
        }
        if (errno != ENOSYS && errno != EPERM)
            return -1;
        bool missing = errno == ENOSYS;
        /* EPERM: a filter that refuses the call, or a file that may not be opened so. Walking gives
         * the true answer. */
        int fd = open_by_walk(dir->root, path, flags, mode);
        if (missing || fd >= 0)
            no_openat2 = true;
        return fd;
    }
    return open_by_walk(dir->root, path, flags, mode);
}

/* The directory in which `path` lies; *ret_name is its last component. */
static int open_parent(const struct hostdir *dir, const char *path, int *ret_fd,
                       const char **ret_name)
{
    char parent[HOST_PATH_MAX + 1];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    memcpy(parent, path, len);
    parent[len] = 0;
    int fd = open_beneath(dir, parent, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return errno_from_host(errno);
    *ret_fd = fd;
    *ret_name = slash ? slash + 1 : path;
    return 0;
}

/* The answer of a call that gave -1 or not, after closing `fd`. */
static int answer(int result, int fd)
{
    int e = result < 0 ? errno_from_host(errno) : 0;
    close(fd);
    return e;
}

/* ---- attributes */

static uint64_t ns_of(struct timespec at)
{
    return at.tv_sec < 0 ? 0 : (uint64_t)at.tv_sec * UINT64_C(1000000000) + (uint64_t)at.tv_nsec;
}

static enum file_type type_of(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return FILE_REGULAR;
    case S_IFDIR: return FILE_DIRECTORY;
    case S_IFLNK: return FILE_SYMLINK;
    case S_IFCHR: return FILE_CHARACTER;
    case S_IFBLK: return FILE_BLOCK;
    case S_IFSOCK: return FILE_SOCKET_STREAM;
    default: return FILE_UNKNOWN;
    }
}

int hostdir_stat_fd(struct hostdir *dir, int fd, struct file_stat *ret)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0)
        return errno_from_host(errno);
    ret->ino = stat.st_ino;
    /* Other file systems of the host within the mount number their files by themselves. */
    ret->dev ^= stat.st_dev == dir->dev ? 0 : (uint64_t)stat.st_dev << 16;
    ret->type = type_of(stat.st_mode);
    ret->mode = stat.st_mode & 0777;
    ret->links = stat.st_nlink;
    ret->size = (uint64_t)stat.st_size;
    ret->atime = ns_of(stat.st_atim);
    ret->mtime = ns_of(stat.st_mtim);
    ret->ctime = ns_of(stat.st_ctim);
    return 0;
}

int hostdir_stat(struct hostdir *dir, const char *path, struct file_stat *ret)
{
    int fd = open_beneath(dir, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0)
        return errno_from_host(errno);
    int e = hostdir_stat_fd(dir, fd, ret);
    close(fd);
    return e;
}

int hostdir_open(struct hostdir *dir, const char *path, bool read, bool write, bool create,
                 int *ret_fd)
{
    struct stat stat;
    int flags = OPEN_ALWAYS | (write ? (read ? O_RDWR : O_WRONLY) : O_RDONLY);
    int fd = open_beneath(dir, path, flags | (create ? O_CREAT | O_EXCL : 0), 0666);
    if (fd < 0) {
        int e = errno_from_host(errno);
        return e == ERRNO_NXIO ? ERRNO_ACCES : e; /* a socket, or a pipe that nobody reads */
    }
    if (fstat(fd, &stat) != 0)
        return answer(-1, fd);
    if (!S_ISREG(stat.st_mode)) {
        close(fd);
        return S_ISDIR(stat.st_mode) ? ERRNO_ISDIR : ERRNO_ACCES;
    }
    *ret_fd = fd;
    return 0;
}

int hostdir_readlink(struct hostdir *dir, const char *path, struct buf *out)
{
    char target[LINK_LENGTH_MAX + 1];
    const char *name;
    int fd;
    int e = open_parent(dir, path, &fd, &name);
    if (e != 0)
        return e;
    ssize_t len = readlinkat(fd, name, target, sizeof target);
    e = answer(len < 0 ? -1 : 0, fd);
    if (e != 0)
        return e;
    return buf_add(out, target, (size_t)len) ? 0 : ERRNO_NOMEM;
}

static void fill_times(struct timespec times[2], uint64_t atime, uint64_t mtime, unsigned which)
{
    times[0] = (struct timespec){(time_t)(atime / 1000000000), (long)(atime % 1000000000)};
    times[1] = (struct timespec){(time_t)(mtime / 1000000000), (long)(mtime % 1000000000)};
    if (!(which & FILE_SET_ATIME))
        times[0].tv_nsec = UTIME_OMIT;
    if (!(which & FILE_SET_MTIME))
        times[1].tv_nsec = UTIME_OMIT;
}

int hostdir_set_times(struct hostdir *dir, const char *path, uint64_t atime, uint64_t mtime,
                      unsigned which)
{
    struct timespec times[2];
    const char *name;
    int fd;
    int e = open_parent(dir, path, &fd, &name);
    if (e != 0)
        return e;
    fill_times(times, atime, mtime, which);
    return answer(utimensat(fd, *name ? name : ".", times, AT_SYMLINK_NOFOLLOW), fd);
}

int hostdir_set_times_fd(int fd, uint64_t atime, uint64_t mtime, unsigned which)
{
    struct timespec times[2];
    fill_times(times, atime, mtime, which);
    return futimens(fd, times) == 0 ? 0 : errno_from_host(errno);
}

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

int hostdir_set_mode(struct hostdir *dir, const char *path, uint32_t mode)
{
    const char *name;
    int fd;
    struct stat stat;
    int e = open_parent(dir, path, &fd, &name);
    if (e != 0)
        return e;
    long result = syscall(SYS_fchmodat2, fd, *name ? name : ".", mode & 0777, AT_SYMLINK_NOFOLLOW);
    if (result == 0 || (errno != ENOSYS && errno != EPERM))
        return answer((int)result, fd);
    close(fd);
    /* Older hosts: through a descriptor, which needs the right to read it. */
    fd = open_beneath(dir, path, OPEN_ALWAYS | O_RDONLY, 0);
    if (fd < 0)
        return errno_from_host(errno);
    if (fstat(fd, &stat) != 0)
        return answer(-1, fd);
    if (!S_ISREG(stat.st_mode) && !S_ISDIR(stat.st_mode)) {
        close(fd);
        return ERRNO_ACCES;
    }
    return answer(fchmod(fd, mode & 0777), fd);
}

/* ---- names */

int hostdir_mkdir(struct hostdir *dir, const char *path)
{
    const char *name;
    int fd;
    int e = open_parent(dir, path, &fd, &name);
    return e == 0 ? answer(mkdirat(fd, name, 0777), fd) : e;
}

int hostdir_remove(struct hostdir *dir, const char *path, bool directory)
{
    const char *name;
    int fd;
    int e = open_parent(dir, path, &fd, &name);
    return e == 0 ? answer(unlinkat(fd, name, directory ? AT_REMOVEDIR : 0), fd) : e;
}

/* Directories in which the object at `path` lies, beneath the root. */
static unsigned depth_of(const char *path)
{
    unsigned depth = 0;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

/* A link that lies `depth` directories deep can lead nowhere but inside, whatever is there: it goes
 * up at most that far, and not again after it went down (what it went through may be a link
 * itself). */
static bool stays_inside(struct str target, unsigned depth)
{
    unsigned ups = 0;
    bool down = false;
    if (target.len > 0 && target.ptr[0] == '/')
        return false;
    for (size_t at = 0; at < target.len;) {
        const char *end = memchr(target.ptr + at, '/', target.len - at);
        size_t len = end ? (size_t)(end - target.ptr) - at : target.len - at;
        struct str part = {target.ptr + at, len};
        if (str_equal(part, STR(".."))) {
            if (down || ++ups > depth)
                return false;
        } else if (len > 0 && !str_equal(part, STR("."))) {
            down = true;
        }
        at += len + 1;
    }
    return true;
}

int hostdir_symlink(struct hostdir *dir, const char *path, struct str target)
{
    char text[LINK_LENGTH_MAX + 1];
    const char *name;
    int fd;
    if (target.len > LINK_LENGTH_MAX)
        return ERRNO_NAMETOOLONG;
    if (!stays_inside(target, depth_of(path)))
        return ERRNO_PERM;
    memcpy(text, target.ptr, target.len);
    text[target.len] = 0;
    int e = open_parent(dir, path, &fd, &name);
    return e == 0 ? answer(symlinkat(text, fd, name), fd) : e;
}

/* ---- moving links: they must stay inside from their new place too */

#define SCAN_ENTRIES 20000u
#define SCAN_DEPTH   64u

static int check_link(int parent, const char *name, unsigned depth)
{
    char target[LINK_LENGTH_MAX + 1];
    ssize_t len = readlinkat(parent, name, target, sizeof target);
    if (len < 0)
        return errno_from_host(errno);
    return stays_inside((struct str){target, (size_t)len}, depth) ? 0 : ERRNO_PERM;
}

/* Everything below `name`, whose contents will lie `depth` deep. */
static int check_links_below(struct hostdir *dir, int parent, const char *name, unsigned depth)
{
    DIR *stack[SCAN_DEPTH];
    unsigned level = 0, seen = 0;
    int e = 0;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    while (e == 0) {
        if (fd >= 0) {
            stack[level] = fdopendir(fd);
            if (!stack[level]) {
                close(fd);
                e = ERRNO_NOMEM;
                break;
            }
            level++;
        } else if (fd == -1) {
            e = errno_from_host(errno);
            break;
        }
        fd = -2; /* nothing new to enter */
        if (level == 0)
            break;
        errno = 0;
        struct dirent *entry = readdir(stack[level - 1]);
        if (!entry) {
            closedir(stack[--level]);
            continue;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        seen++;
        if (seen > SCAN_ENTRIES || (seen % 256 == 0 && tree_must_stop(dir->kernel))) {
            e = ERRNO_XDEV;
            break;
        }
        struct stat stat;
        int here = dirfd(stack[level - 1]);
        // NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions): an open stream has one
        if (fstatat(here, entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* it is gone */
        if (S_ISLNK(stat.st_mode)) {
            e = check_link(here, entry->d_name, depth + level - 1);
        } else if (S_ISDIR(stat.st_mode)) {
            if (level == SCAN_DEPTH)
                e = ERRNO_XDEV;
            else
                fd = openat(here, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
    }
    while (level > 0)
        closedir(stack[--level]);
    return e;
}

/* For rename and link of `name` from one depth to another. */
static int check_move(struct hostdir *dir, int parent, const char *name, const char *from,
                      const char *to)
{
    struct stat stat;
    unsigned depth = depth_of(to);
    if (fstatat(parent, name, &stat, AT_SYMLINK_NOFOLLOW) != 0)
        return errno_from_host(errno);
    if (depth >= depth_of(from))
        return 0;
    if (S_ISLNK(stat.st_mode))
        return check_link(parent, name, depth);
    return S_ISDIR(stat.st_mode) ? check_links_below(dir, parent, name, depth + 1) : 0;
}

static int move(struct hostdir *dir, const char *from, const char *to, bool link)
{
    const char *from_name, *to_name;
    int from_fd, to_fd;
    int e = open_parent(dir, from, &from_fd, &from_name);
    if (e != 0)
        return e;
    e = open_parent(dir, to, &to_fd, &to_name);
    if (e != 0) {
        close(from_fd);
        return e;
    }
    e = check_move(dir, from_fd, from_name, from, to);
    if (e == 0) {
        int result = link ? linkat(from_fd, from_name, to_fd, to_name, 0)
                          : renameat(from_fd, from_name, to_fd, to_name);
        e = result < 0 ? errno_from_host(errno) : 0;
    }
    close(from_fd);
    close(to_fd);
    return e;
}

int hostdir_link(struct hostdir *dir, const char *from, const char *to)
{
    struct file_stat stat = {.dev = 0};
    int e = hostdir_stat(dir, from, &stat);
    if (e != 0)
        return e;
    if (stat.type != FILE_REGULAR && stat.type != FILE_SYMLINK)
        return ERRNO_PERM;
    return move(dir, from, to, true);
}

int hostdir_rename(struct hostdir *dir, const char *from, const char *to)
{
    return move(dir, from, to, false);
}

/* ---- listing */

struct host_entry { /* as getdents64 writes it */
    uint64_t ino;
    int64_t offset; /* of the one that follows */
    uint16_t length;
    uint8_t type;
    char name[];
};

struct hostlist {
    int fd;
    uint64_t at; /* cookie of the entry at `next`, if `valid` */
    bool valid;
    size_t next, len;
    _Alignas(8) char entries[8192];
};

int hostlist_open(struct hostdir *dir, const char *path, struct hostlist **ret)
{
    struct hostlist *list = mem_alloc(sizeof *list);
    if (!list)
        return ERRNO_NOMEM;
    list->fd = open_beneath(dir, path, O_RDONLY | O_DIRECTORY | OPEN_ALWAYS, 0);
    if (list->fd < 0) {
        int e = errno_from_host(errno);
        mem_free(list);
        return e;
    }
    list->valid = false;
    *ret = list;
    return 0;
}

void hostlist_free(void *state)
{
    struct hostlist *list = state;
    if (!list)
        return;
    close(list->fd);
    mem_free(list);
}

static int refill(struct hostlist *list)
{
    long len = syscall(SYS_getdents64, list->fd, list->entries, sizeof list->entries);
    if (len < 0)
        return errno_from_host(errno);
    list->next = 0;
    list->len = (size_t)len;
    return len == 0 ? ERRNO_NOENT : 0;
}

static enum file_type type_of_entry(uint8_t type)
{
    return type_of(DTTOIF(type));
}

/* A cookie is the host's offset plus 2. */
int hostlist_next(struct hostlist *list, uint64_t cookie, struct file_dirent *ret)
{
    if (!list->valid || list->at != cookie) {
        if (cookie - 2 > INT64_MAX || lseek(list->fd, (off_t)(cookie - 2), SEEK_SET) < 0)
            return ERRNO_INVAL;
        list->next = list->len = 0;
        list->valid = true;
    }
    for (;;) {
        if (list->next >= list->len) {
            int e = refill(list);
            if (e != 0) {
                list->valid = false;
                return e;
            }
        }
        const struct host_entry *entry =
            (const struct host_entry *)(const void *)(list->entries + list->next);
        list->next += entry->length;
        list->at = (uint64_t)entry->offset + 2;
        if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
            continue;
        *ret = (struct file_dirent){list->at, entry->ino, type_of_entry(entry->type),
                                    str_of(entry->name)};
        return 0;
    }
}

/* ---- contents */

int hostdir_read(struct hostdir *dir, int fd, void *buffer, size_t size, uint64_t offset,
                 size_t *ret_len)
{
    size_t done = 0;
    while (done < size && offset + done <= INT64_MAX) {
        size_t piece = size - done < PIECE ? size - done : PIECE;
        ssize_t len = pread(fd, (char *)buffer + done, piece, (off_t)(offset + done));
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && done == 0)
            return errno_from_host(errno);
        if (len <= 0)
            break;
        done += (size_t)len;
        if (done < size && tree_must_stop(dir->kernel))
            break;
    }
    *ret_len = done;
    return 0;
}

int hostdir_write(struct hostdir *dir, int fd, const void *data, size_t len, uint64_t offset,
                  bool append, size_t *ret_len)
{
    size_t done = 0;
    if (offset > INT64_MAX || len > INT64_MAX - offset)
        return ERRNO_FBIG;
    while (done < len) {
        size_t piece = len - done < PIECE ? len - done : PIECE;
        struct stat stat;
        if (append && fstat(fd, &stat) != 0)
            return errno_from_host(errno);
        off_t at = append ? stat.st_size : (off_t)(offset + done);
        ssize_t n = pwrite(fd, (const char *)data + done, piece, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && done == 0)
            return errno_from_host(errno);
        if (n <= 0)
            break;
        done += (size_t)n;
        if (done < len && tree_must_stop(dir->kernel))
            break;
    }
    *ret_len = done;
    return 0;
}
