/* The cache of images, see cache.h. Each file is the SHA-256 of an image and the image, named by
 * what it was made from; files come by rename, so that none is seen half written. */
#include "cli/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/term.h"

#define IMAGE_MAX (UINT64_C(512) << 20)
#define FILES_MAX 128 /* beyond it the one used longest ago goes */

/* ------------------------------------------------------------------ the directory */

static bool find_path(struct cache *cache)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/')
        n = snprintf(cache->path, sizeof cache->path, "%s/capful", base);
    else if (home && home[0] == '/')
        n = snprintf(cache->path, sizeof cache->path, "%s/.cache/capful", home);
    return n > 0 && (size_t)n < sizeof cache->path;
}

static bool make_directories(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static const char *not_private(const struct stat *st, mode_t kind)
{
    if ((st->st_mode & S_IFMT) != kind)
        return kind == S_IFDIR ? "it is not a directory" : "it is not a regular file";
    if (st->st_uid != geteuid())
        return "it belongs to another user";
    if (st->st_mode & 077)
        return kind == S_IFDIR ? "others may enter it (chmod 700 mends that)"
                               : "others may use it (remove it)";
    return NULL;
}

bool cache_open(struct cache *cache)
{
    struct stat st;
    cache->fd = -1;
    if (!find_path(cache) || !make_directories(cache->path))
        return true;
    int fd = open(cache->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const char *wrong = NULL;
    if (fd < 0)
        wrong = errno == ENOTDIR || errno == ELOOP ? "it is not a directory" : strerror(errno);
    else if (fstat(fd, &st) != 0)
        wrong = strerror(errno);
    else
        wrong = not_private(&st, S_IFDIR);
    if (!wrong) {
        cache->fd = fd;
        return true;
    }
    if (fd >= 0)
        close(fd);
    term_fail(0, "the cache of compiled programs %s is not used: %s", cache->path, wrong);
    return false;
}

void cache_close(struct cache *cache)
{
    if (cache->fd >= 0)
        close(cache->fd);
    cache->fd = -1;
}

/* ------------------------------------------------------------------ files */

static void hash(struct str image, uint8_t digest[SHA256_SIZE])
{
    struct sha256 sum;
    sha256_init(&sum);
    sha256_add(&sum, image.ptr, image.len);
    sha256_end(&sum, digest);
}

static bool read_exactly(int fd, char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_image(int fd, uint64_t size, struct buf *image)
{
    uint8_t stored[SHA256_SIZE], digest[SHA256_SIZE];
    if (size <= SHA256_SIZE || size > IMAGE_MAX || !buf_reserve(image, size - SHA256_SIZE))
        return false;
    if (!read_exactly(fd, (char *)stored, sizeof stored) ||
        !read_exactly(fd, image->data, size - SHA256_SIZE))
        return false;
    image->len = size - SHA256_SIZE;
    hash(buf_str(image), digest);
    return memcmp(stored, digest, sizeof digest) == 0;
}

int cache_load(const struct cache *cache, const char key[2 * SHA256_SIZE + 1], struct buf *image)
{
    struct stat st;
    buf_init(image, IMAGE_MAX);
    if (cache->fd < 0)
        return 0;
    int fd = openat(cache->fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno != ELOOP)
        return 0;
    const char *wrong = fd < 0           ? "it is a symbolic link"
                        : fstat(fd, &st) ? strerror(errno)
                                         : not_private(&st, S_IFREG);
    if (wrong) {
        if (fd >= 0)
            close(fd);
        term_fail(0, "the compiled program %s/%s is not used: %s", cache->path, key, wrong);
        return -1;
    }
    bool ok = read_image(fd, (uint64_t)st.st_size, image);
    if (ok)
        futimens(fd, NULL);
    close(fd);
    if (!ok) {
        buf_release(image);
        cache_drop(cache, key);
    }
    return ok;
}

void cache_drop(const struct cache *cache, const char key[2 * SHA256_SIZE + 1])
{
    if (cache->fd >= 0)
        unlinkat(cache->fd, key, 0);
}

/* Removes the file used longest ago if there are too many. */
static void trim(const struct cache *cache)
{
    int fd = openat(cache->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    char oldest[256] = "";
    struct timespec when = {0, 0};
    unsigned count = 0;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat st;
        if (entry->d_name[0] == '.' ||
            fstatat(cache->fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        count++;
        if (!oldest[0] || st.st_mtim.tv_sec < when.tv_sec ||
            (st.st_mtim.tv_sec == when.tv_sec && st.st_mtim.tv_nsec < when.tv_nsec)) {
            snprintf(oldest, sizeof oldest, "%s", entry->d_name);
            when = st.st_mtim;
        }
    }
    closedir(dir);
    if (count > FILES_MAX)
        unlinkat(cache->fd, oldest, 0);
}

void cache_store(const struct cache *cache, const char key[2 * SHA256_SIZE + 1], struct str image)
{
    char name[64];
    uint8_t digest[SHA256_SIZE];
    if (cache->fd < 0)
        return;
    snprintf(name, sizeof name, ".new-%ld", (long)getpid());
    unlinkat(cache->fd, name, 0);
    int fd = openat(cache->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    hash(image, digest);
    bool ok = term_write(fd, digest, sizeof digest) == 0 &&
              term_write(fd, image.ptr, image.len) == 0 && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (!ok || renameat(cache->fd, name, cache->fd, key) != 0)
        unlinkat(cache->fd, name, 0);
    else
        trim(cache);
}
