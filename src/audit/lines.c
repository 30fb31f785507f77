/* A file as lines, see lines.h. */
#include "audit/lines.h"

#include <errno.h>
#include <string.h>

#include "audit/disk.h"

#define WINDOW_FIRST ((size_t)256 << 10)
#define WINDOW_MAX   (CHAIN_LINE_MAX + 64) /* a torn line has its mark beyond it */

void lines_init(struct lines *lines)
{
    *lines = (struct lines){.fd = -1, .window = BUF_INIT(2 * WINDOW_MAX)};
}

void lines_open(struct lines *lines, int fd, uint64_t size)
{
    buf_clear(&lines->window);
    lines->fd = fd;
    lines->size = size;
    lines->offset = lines->at = lines->seen = 0;
    lines->middle = false;
}

void lines_release(struct lines *lines)
{
    buf_release(&lines->window);
}

/* Reads more behind what is there; what was given out makes room. */
static int fill(struct lines *lines)
{
    struct buf *w = &lines->window;
    buf_drop_front(w, lines->at);
    lines->seen -= lines->at;
    lines->at = 0;
    size_t room = w->len < WINDOW_FIRST ? WINDOW_FIRST : WINDOW_MAX;
    uint64_t left = lines->size - lines->offset;
    size_t wanted = room - w->len < left ? room - w->len : (size_t)left;
    if (!buf_reserve(w, wanted))
        return -ENOMEM;
    ssize_t n = disk_read(lines->fd, w->data + w->len, wanted, lines->offset);
    if (n <= 0)
        return n < 0 ? (int)n : -EIO; /* the file became shorter */
    w->len += (size_t)n;
    lines->offset += (uint64_t)n;
    return 0;
}

static int give(struct lines *lines, size_t len, bool ends, struct line *ret)
{
    struct buf *w = &lines->window;
    *ret = (struct line){.text = {w->data + lines->at, len},
                         .offset = lines->offset - (w->len - lines->at),
                         .begins = !lines->middle,
                         .ends = ends};
    lines->at += len;
    lines->seen = lines->at;
    lines->middle = !ends;
    return 1;
}

int lines_next(struct lines *lines, struct line *ret)
{
    struct buf *w = &lines->window;
    for (;;) {
        const char *newline =
            w->len > lines->seen ? memchr(w->data + lines->seen, '\n', w->len - lines->seen) : NULL;
        if (newline)
            return give(lines, (size_t)(newline - (w->data + lines->at)) + 1, true, ret);
        lines->seen = w->len;
        size_t rest = w->len - lines->at;
        if (lines->offset == lines->size)
            return rest > 0 ? give(lines, rest, false, ret) : 0;
        if (rest >= WINDOW_MAX)
            return give(lines, rest, false, ret);
        int failed = fill(lines);
        if (failed)
            return failed;
    }
}
