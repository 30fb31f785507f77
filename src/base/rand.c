/* Random bytes of the host: getrandom, or the device where that call is missing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#endif

static bool from_device(uint8_t *at, size_t len)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (len > 0) {
        ssize_t n = read(fd, at, len);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    close(fd);
    return len == 0;
}

bool rand_bytes(void *buffer, size_t len)
{
    uint8_t *at = buffer;
#ifdef __linux__
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += n;
        len -= (size_t)n;
    }
#endif
    return len == 0 || from_device(at, len);
}
