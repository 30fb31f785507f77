/* Messages for people, see term.h. */
#include "cli/term.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/visible.h"
#include "cli/stop.h"

#define MESSAGE_MAX ((size_t)1 << 20)

int term_write(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n >= 0) {
            p += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            if (poll(&wait, 1, -1) < 0 && errno == EINTR && stop_signal())
                return EINTR;
        } else if (errno != EINTR || stop_signal()) {
            return errno;
        }
    }
    return 0;
}

bool term_wants_colour(int fd)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return (!no || !*no) && term && strcmp(term, "dumb") != 0 && isatty(fd);
}

bool term_is_colourful(void)
{
    static int known; /* 0 not yet, 1 no, 2 yes */
    if (known == 0)
        known = 1 + term_wants_colour(2);
    return known == 2;
}

void term_put_colour(struct buf *out, enum term_colour colour)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\033[0m",   [TERM_RED] = "\033[31m", [TERM_GREEN] = "\033[32m",
        [TERM_YELLOW] = "\033[33m", [TERM_DIM] = "\033[2m",
    };
    buf_add_text(out, codes[colour]);
}

void term_add_colour(struct buf *out, enum term_colour colour)
{
    if (term_is_colourful())
        term_put_colour(out, colour);
}

void term_add_visible(struct buf *out, struct str text)
{
    buf_add_visible(out, text);
}

/* The lines of a message are ours; everything else that controls is not. */
static void send(const char *prefix, enum term_colour colour, const char *format, va_list args)
{
    struct buf text = BUF_INIT(MESSAGE_MAX), line = BUF_INIT(8 * MESSAGE_MAX);
    buf_vprintf(&text, format, args);
    if (*prefix) {
        term_add_colour(&line, colour);
        buf_add_text(&line, prefix);
        term_add_colour(&line, TERM_PLAIN);
    }
    struct str rest = buf_str(&text);
    for (const char *end; (end = memchr(rest.ptr, '\n', rest.len)) != NULL;) {
        size_t n = (size_t)(end - rest.ptr);
        term_add_visible(&line, (struct str){rest.ptr, n});
        buf_add_char(&line, '\n');
        rest = (struct str){end + 1, rest.len - n - 1};
    }
    term_add_visible(&line, rest);
    buf_add_char(&line, '\n');
    (void)term_write(2, line.data, line.len);
    buf_release(&text);
    buf_release(&line);
}

int term_fail(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send("capful: ", TERM_RED, format, args);
    va_end(args);
    return status;
}

void term_line(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    send("", TERM_PLAIN, format, args);
    va_end(args);
}

bool term_print_visible(const struct buf *text, size_t most)
{
    struct buf out = BUF_INIT(most);
    for (const char *at = text->data; at && *at;) {
        size_t len = strcspn(at, "\n");
        term_add_visible(&out, (struct str){at, len});
        at += len;
        if (*at) {
            buf_add_char(&out, '\n');
            at++;
        }
    }
    bool ok = !buf_failed(&out) && term_write(1, buf_str(&out).ptr, out.len) == 0;
    buf_release(&out);
    return ok;
}

void term_progress(const char *text)
{
    static bool shown;
    static const char wipe[] = "\r\033[K";
    if (!term_is_colourful() || (!text && !shown))
        return;
    (void)term_write(2, wipe, sizeof wipe - 1);
    if (text)
        (void)term_write(2, text, strlen(text));
    shown = text != NULL;
}
