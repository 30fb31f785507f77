/* Waiting for a log's lock, and finding the two ends of a file. */
#include <errno.h>
#include <string.h>

#include "audit/writer.h"
#include "base/clock.h"

#define WINDOW_FIRST 4096
#define WINDOW_MAX   ((size_t)16 << 20) /* two lines of the greatest length */

/* Polls, since a lock that never comes must be an error: no call is made without its record. */
int tail_lock(int fd, bool shared, uint64_t wait)
{
    uint64_t pause = 5000, until = 0;
    int failed;
    while ((failed = disk_lock(fd, shared)) == -EAGAIN) {
        uint64_t now = clock_monotonic();
        if (until == 0)
            until = now + wait;
        else if (now >= until)
            return -ETIMEDOUT;
        disk_pause(pause);
        pause = pause < 500000 ? 2 * pause : pause;
    }
    return failed;
}

static int read_piece(int fd, uint64_t offset, size_t len, struct buf *window)
{
    buf_clear(window);
    if (!buf_reserve(window, len))
        return -ENOMEM;
    while (window->len < len) {
        ssize_t n =
            disk_read(fd, window->data + window->len, len - window->len, offset + window->len);
        if (n <= 0)
            return n < 0 ? (int)n : -EIO;
        window->len += (size_t)n;
    }
    return 0;
}

int tail_read(int fd, uint64_t size, struct buf *window, struct tail *ret)
{
    for (size_t wanted = WINDOW_FIRST;; wanted *= 16) {
        bool whole = size <= wanted;
        size_t len = whole ? (size_t)size : wanted;
        int failed = read_piece(fd, size - len, len, window);
        if (failed)
            return failed;
        enum tail_answer answer = tail_find((struct str){window->data, len}, whole, ret);
        if (answer == TAIL_FOUND)
            return 0;
        if (answer == TAIL_DAMAGED || wanted == WINDOW_MAX)
            return -EILSEQ;
    }
}

int tail_read_first(int fd, struct chain_log *ret)
{
    char window[WINDOW_FIRST];
    struct chain_record record;
    ssize_t n = disk_read(fd, window, sizeof window, 0);
    if (n < 0)
        return (int)n;
    return chain_first((struct str){window, (size_t)n}, &record, ret) ? 0 : -EILSEQ;
}
