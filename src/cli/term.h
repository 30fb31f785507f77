/* What the program says to people: on stderr, in colour only on a terminal, control characters made
 * visible. */
#ifndef CAPFUL_CLI_TERM_H
#define CAPFUL_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum term_colour { TERM_PLAIN, TERM_RED, TERM_GREEN, TERM_YELLOW, TERM_DIM };

/* "capful: " and a line on stderr. Returns `status`, so that a failure is one statement. */
int term_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line on stderr without that. */
void term_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line that is wiped off again by term_progress(NULL); nothing unless stderr is a terminal. */
void term_progress(const char *text);

/* Whether stderr is a terminal that wants colours: NO_COLOR unset or empty, TERM not "dumb". */
bool term_is_colourful(void);
bool term_wants_colour(int fd); /* the same for another descriptor */
/* Switches the colour within a text for stderr. */
void term_add_colour(struct buf *out, enum term_colour colour);
void term_put_colour(struct buf *out, enum term_colour colour); /* whatever it is for */
/* Text of which nothing can act on a terminal or reorder what stands around it. */
void term_add_visible(struct buf *out, struct str text);

/* Text of somebody else's on stdout, made visible line by line, so that line ends stay. False: it
 * cannot be written, or would take more than `most` bytes. */
bool term_print_visible(const struct buf *text, size_t most);

/* All of it, also to a pipe that does not block. 0, or the errno of the write; EINTR when the run
 * was cancelled. */
int term_write(int fd, const void *data, size_t len);

#endif
