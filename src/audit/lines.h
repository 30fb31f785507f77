/* A file as lines, in bounded memory. Private to src/audit. */
#ifndef CAPFUL_AUDIT_LINES_H
#define CAPFUL_AUDIT_LINES_H

#include "audit/chain.h"
#include "base/buf.h"

struct lines {
    int fd;
    uint64_t size;   /* up to here, whatever is appended meanwhile */
    uint64_t offset; /* of what is read next from the file */
    struct buf window;
    size_t at, seen; /* in the window: what was given out, what holds no newline */
    bool middle;     /* of a line that is longer than any of ours */
};

struct line {
    struct str text;
    uint64_t offset;
    bool begins, ends; /* a piece of a line that is too long lacks one of these; the last line may
                          lack its end */
};

void lines_init(struct lines *lines);
void lines_open(struct lines *lines, int fd, uint64_t size); /* the descriptor stays the caller's */
/* 1, 0 at the end, or a negative errno. */
int lines_next(struct lines *lines, struct line *ret);
void lines_release(struct lines *lines);

#endif
