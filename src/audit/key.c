/* Keys in files: a seed of 32 bytes as 64 hexadecimal digits, for its owner's eyes only. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "audit/writer.h"
#include "base/err.h"
#include "base/rand.h"

#define SEED_DIGITS ((size_t)2 * AUDIT_KEY)

static int fail(const char *path, const char *what, int error, struct capful_error *err)
{
    return err_set(err, CAPFUL_EFILE, "key %.200s %s: %s", path, what, strerror(-error));
}

static int write_seed(const char *path, const uint8_t seed[AUDIT_KEY], struct capful_error *err)
{
    char text[SEED_DIGITS + 1];
    chain_to_hex(seed, AUDIT_KEY, text);
    text[SEED_DIGITS] = '\n';
    int fd = disk_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return fail(path, "cannot be made", fd, err);
    ssize_t n = disk_write(fd, &(struct iovec){text, sizeof text}, 1);
    int failed = n == (ssize_t)sizeof text ? disk_sync(fd) : n < 0 ? (int)n : -ENOSPC;
    disk_close(fd);
    explicit_bzero(text, sizeof text);
    if (!failed)
        return 0;
    (void)disk_unlink(AT_FDCWD, path);
    return fail(path, "cannot be written", failed, err);
}

int audit_make_key(const char *path, uint8_t ret_public[32], struct capful_error *err)
{
    uint8_t seed[AUDIT_KEY];
    if (!rand_bytes(seed, sizeof seed))
        return err_set(err, CAPFUL_EFILE, "key: the host gives no random bytes");
    int failed = sign_public(seed, ret_public) == 0
                     ? write_seed(path, seed, err)
                     : err_set(err, CAPFUL_EFILE, "key: it cannot be made");
    explicit_bzero(seed, sizeof seed);
    return failed;
}

static int read_text(int fd, const char *path, char *text, size_t size, size_t *ret_len,
                     struct capful_error *err)
{
    struct disk_stat st;
    int failed = disk_stat(fd, &st);
    if (failed)
        return fail(path, "cannot be looked at", failed, err);
    if (!st.regular || (st.mode & 077))
        return err_set(err, CAPFUL_EFILE,
                       "key %.200s can be used by others than its owner, or is no file: chmod 600",
                       path);
    ssize_t n = disk_read(fd, text, size, 0);
    if (n < 0)
        return fail(path, "cannot be read", (int)n, err);
    *ret_len = (size_t)n;
    return 0;
}

int audit_read_seed(const char *path, uint8_t ret_seed[32], struct capful_error *err)
{
    char text[SEED_DIGITS + 2];
    uint8_t seed[AUDIT_KEY];
    size_t len = 0;
    int fd = disk_open(AT_FDCWD, path, O_RDONLY, 0);
    if (fd < 0)
        return fail(path, "cannot be opened", fd, err);
    int failed = read_text(fd, path, text, sizeof text, &len, err);
    disk_close(fd);
    if (failed)
        return failed;
    len -= len > 0 && text[len - 1] == '\n';
    if (chain_from_hex((struct str){text, len}, seed, sizeof seed))
        memcpy(ret_seed, seed, sizeof seed);
    else
        failed = err_set(err, CAPFUL_EFILE, "key %.200s is not 64 hexadecimal digits", path);
    explicit_bzero(text, sizeof text);
    explicit_bzero(seed, sizeof seed);
    return failed;
}
