/* Approvals at the terminal, see ask.h. Everything that came from the program or a server is shown
 * so that nothing of it can act on the terminal.
 *
 *     capful: 2 calls wait for an approval
 *       1  refund({"amount":250,"order":"17"})
 *          grant "refunds": amount is over 100
 *       2  …
 *     allow 1, refund? [y]es, [n]o, [a]ll through this grant in this run:
 */
#include "cli/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "cli/stop.h"
#include "cli/term.h"

#define SHOWN_MAX (1u << 20)

static void add_question(struct buf *out, size_t number, const struct capful_question *question)
{
    buf_printf(out, "  %zu  ", number);
    term_add_visible(out, str_of(capful_question_tool(question)));
    buf_add_char(out, '(');
    term_add_visible(out, str_of(capful_question_arguments(question, NULL)));
    buf_add_text(out, ")\n     grant \"");
    term_add_visible(out, str_of(capful_question_grant(question)));
    buf_add_text(out, "\": ");
    term_add_visible(out, str_of(capful_question_reason(question)));
    buf_add_char(out, '\n');
}

static void show(int tty, struct capful_question *const *questions, size_t n)
{
    struct buf text = BUF_INIT(SHOWN_MAX);
    buf_printf(&text, "capful: %zu call%s for an approval\n", n, n == 1 ? " waits" : "s wait");
    for (size_t i = 0; i < n; i++)
        add_question(&text, i + 1, questions[i]);
    if (buf_failed(&text)) { /* nobody could judge what cannot be shown */
        buf_clear(&text);
        buf_add_text(&text, "capful: the calls that wait for an approval are too large to show\n");
    }
    (void)term_write(tty, text.data, text.len);
    buf_release(&text);
}

#define SLICE 500 /* ms: a signal that comes just before poll is seen after this time */

static bool wait_for_input(int tty, const struct capful_question *question)
{
    while (stop_signal() == 0) {
        struct pollfd fd = {.fd = tty, .events = POLLIN};
        uint64_t ms = (capful_question_time_left(question) + 999999) / 1000000;
        if (ms == 0)
            return false;
        int n = poll(&fd, 1, ms > SLICE ? SLICE : (int)ms);
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
    }
    return false;
}

/* The end of a line is waited for, so that the rest of a long one answers nothing. 0: the time is
 * over, a signal came, or the terminal is gone. */
static size_t read_line(int tty, const struct capful_question *question, char *line, size_t size)
{
    size_t len = 0, got = 0;
    while (got == 0 || line[len - 1] != '\n') {
        if (len == size) /* too long to be an answer: its beginning goes, its end is looked for */
            len = 1;
        if (!wait_for_input(tty, question))
            return 0;
        ssize_t n = read(tty, line + len, size - len);
        if (n <= 0)
            return 0;
        got += (size_t)n;
        len += (size_t)n;
    }
    return got < size ? got : size;
}

/* 'y', 'n' or 'a'; '?' for anything else, 0 where nobody answers. */
static char read_answer(int tty, const struct capful_question *question)
{
    static const char *const answers[] = {"y", "yes", "n", "no", "a", "all"};
    char line[64];
    size_t len = read_line(tty, question, line, sizeof line);
    if (len == 0)
        return 0;
    if (len == sizeof line)
        return '?';
    line[len - 1] = 0;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        if (strcasecmp(line, answers[i]) == 0)
            return answers[i][0];
    return '?';
}

static void decide(int tty, size_t number, struct capful_question *question, const char *who)
{
    for (;;) {
        struct buf text = BUF_INIT(SHOWN_MAX);
        buf_printf(&text, "allow %zu, ", number);
        term_add_visible(&text, str_of(capful_question_tool(question)));
        buf_add_text(&text, "? [y]es, [n]o, [a]ll through this grant in this run: ");
        (void)term_write(tty, text.data, text.len);
        buf_release(&text);
        switch (read_answer(tty, question)) {
        case 'y': capful_question_allow(question, who); return;
        case 'n': capful_question_refuse(question, NULL, who); return;
        case 'a':
            if (capful_question_allow_next(question, CAPFUL_UNLIMITED, NULL, who, NULL) != 0)
                capful_question_refuse(question, "the approval cannot be kept", who);
            return;
        case 0: capful_question_refuse(question, "nobody has answered", NULL); return;
        default: break;
        }
    }
}

void ask_questions(void *context, struct capful_question *const *questions, size_t n)
{
    char who[64];
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    (void)context;
    if (tty < 0) {
        for (size_t i = 0; i < n; i++)
            capful_question_refuse(questions[i], "there is no terminal to ask on", NULL);
        return;
    }
    snprintf(who, sizeof who, "terminal, uid %lu", (unsigned long)getuid());
    tcflush(tty, TCIFLUSH); /* what was typed before the question was shown does not answer it */
    show(tty, questions, n);
    for (size_t i = 0; i < n; i++)
        decide(tty, i + 1, questions[i], who);
    close(tty);
}
