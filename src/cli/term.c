/* Messages for people, see term.h. */
#include "cli/term.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
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

bool term_is_colourful(void)
{
    static int known; /* 0 not yet, 1 no, 2 yes */
    if (known == 0) {
        const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
        known = 1 + ((!no || !*no) && term && strcmp(term, "dumb") != 0 && isatty(2));
    }
    return known == 2;
}

void term_add_colour(struct buf *out, enum term_colour colour)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\033[0m",   [TERM_RED] = "\033[31m", [TERM_GREEN] = "\033[32m",
        [TERM_YELLOW] = "\033[33m", [TERM_DIM] = "\033[2m",
    };
    if (term_is_colourful())
        buf_add_text(out, codes[colour]);
}

/* Controls, and the characters of Unicode that are invisible, change the direction or end a line.
 */
static bool is_shown(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7f && code < 0xa0) && code != 0xad &&
           !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
           !(code >= 0x2060 && code <= 0x206f) && code != 0x61c && code != 0xfeff &&
           !(code >= 0xfff9 && code <= 0xfffb) && !(code >= 0xe0000 && code <= 0xe0fff);
}

void term_add_visible(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t code = 0;
        size_t n = utf8_next(text.ptr + i, text.len - i, &code);
        if (n == 0)
            // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): i < text.len
            buf_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
        else if (is_shown(code))
            buf_add(out, text.ptr + i, n);
        else if (code == '\n')
            buf_add_text(out, "\\n");
        else if (code == '\t')
            buf_add_text(out, "\\t");
        else if (code == '\r')
            buf_add_text(out, "\\r");
        else if (code < 0x100)
            buf_printf(out, "\\x%02x", code);
        else
            buf_printf(out, "\\u{%x}", code);
        i += n ? n : 1;
    }
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
