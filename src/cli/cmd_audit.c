/* capful audit: whether a log was changed (verify), what stands in it (show, html), and a key to
 * sign one with (keygen). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/html.h"
#include "base/mem.h"
#include "cli/audit_show.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/term.h"

#define PROBLEMS_SHOWN 20
#define OUTPUT_PIECE   ((size_t)1 << 16)

/* Exit codes of verify; capful-audit(5) explains them. */
enum { AUDIT_CHANGED = 1, AUDIT_OPEN_END = 3 };

struct audit_words {
    const char *log, *key, *head, *output;
    struct show_filter show;
};

enum { TAKES_KEY = 1, TAKES_FILTER = 2, TAKES_OUTPUT = 4 };

/* ------------------------------------------------------------------ words */

static int take_option(struct audit_words *words, unsigned allowed, const char *name,
                       const char *value, const char *command)
{
    const struct {
        const char *name;
        unsigned group;
        const char **to;
    } table[] = {
        {"--key", TAKES_KEY, &words->key},
        {"--expect-head", TAKES_KEY, &words->head},
        {"--run", TAKES_FILTER, &words->show.run},
        {"--tool", TAKES_FILTER, &words->show.tool},
        {"--verdict", TAKES_FILTER, &words->show.verdict},
        {"--output", TAKES_OUTPUT, &words->output},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if ((table[i].group & allowed) && strcmp(name, table[i].name) == 0) {
            if (!value)
                return term_fail(EXIT_USAGE, "%s needs a value; see capful help audit", name);
            *table[i].to = value;
            return 0;
        }
    return term_fail(EXIT_USAGE, "audit %s has no option \"%s\"; see capful help audit", command,
                     name);
}

static int parse(struct audit_words *ret, unsigned allowed, const char *command, int count,
                 char **words)
{
    int i = 0;
    for (; i < count && words[i][0] == '-' && words[i][1]; i++) {
        char *equals = strchr(words[i], '=');
        if (strcmp(words[i], "--") == 0) {
            i++;
            break;
        }
        if ((allowed & TAKES_FILTER) && strcmp(words[i], "--json") == 0) {
            ret->show.json = true;
            continue;
        }
        if (equals)
            *equals = 0;
        int failed =
            take_option(ret, allowed, words[i], equals ? equals + 1 : words[i + 1], command);
        if (failed)
            return failed;
        i += !equals;
    }
    if (i + 1 != count)
        return term_fail(EXIT_USAGE, "audit %s needs one %s; see capful help audit", command,
                         strcmp(command, "keygen") == 0 ? "file" : "log");
    ret->log = words[i];
    return 0;
}

/* 64 hexadecimal digits, or a file that holds them. */
static int read_hex(const char *what, const char *value, uint8_t ret[32])
{
    char text[80];
    struct str digits = str_of(value);
    if (chain_from_hex(digits, ret, 32))
        return 0;
    int fd = open(value, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    if (n > 0 && text[n - 1] == '\n')
        n--;
    if (n > 0 && chain_from_hex((struct str){text, (size_t)n}, ret, 32))
        return 0;
    return term_fail(EXIT_USAGE,
                     "%s \"%s\": neither 64 hexadecimal digits (0-9, a-f) nor a file "
                     "that holds them",
                     what, value);
}

static int failed_log(const struct capful_error *err)
{
    return term_fail(err->code == CAPFUL_EFILE ? EXIT_USAGE : EXIT_FAULT, "%s", err->text);
}

static int flush(struct buf *out, size_t at_least)
{
    if (out->len < at_least)
        return 0;
    int error = term_write(1, out->data, out->len);
    buf_clear(out);
    return error ? term_fail(EXIT_FAULT, "stdout cannot be written: %s", strerror(error)) : 0;
}

/* ------------------------------------------------------------------ verify */

static void add_problem(struct buf *out, const struct audit_entry *entry)
{
    term_add_visible(out, str_of(entry->file));
    buf_printf(out, ":%" PRIu64 ": %s\n", entry->line, entry->problem);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void add_signatures(struct buf *out, const struct audit_words *words,
                           const struct audit_summary *sum)
{
    if (sum->signatures > 0)
        buf_printf(out, "%" PRIu64 " valid signature%s%s\n", sum->signatures,
                   plural(sum->signatures),
                   words->key ? " by that key" : ", by whatever key: --key says which is yours");
    else if (!words->key)
        buf_add_text(out, "not signed: whoever could write the file could have written all of it "
                          "anew\n");
    if (sum->other_keys > 0)
        buf_printf(out, "%" PRIu64 " signature%s by another key\n", sum->other_keys,
                   plural(sum->other_keys));
    if (words->key && sum->not_signed > 0)
        buf_printf(out, "the last %" PRIu64 " record%s not signed by that key\n", sum->not_signed,
                   sum->not_signed == 1 ? " is" : "s are");
}

static bool is_sound(const struct audit_words *words, const struct audit_summary *sum)
{
    return sum->problems == 0 && (!words->head || sum->head_seq > 0);
}

static void add_summary(struct buf *out, const struct audit_words *words,
                        const struct audit_summary *sum)
{
    char hex[2 * SHA256_SIZE + 1];
    sha256_hex(sum->head, hex);
    buf_printf(out, "%s: %" PRIu64 " record%s, %" PRIu64 " to %" PRIu64 ", in %" PRIu64 " file%s\n",
               is_sound(words, sum) ? "sound" : "not sound", sum->records, plural(sum->records),
               sum->first, sum->last, sum->files, plural(sum->files));
    if (sum->earlier_gone)
        buf_printf(out, "the files with the records before %" PRIu64 " are not there\n",
                   sum->first);
    if (sum->recoveries > 0)
        buf_printf(out,
                   "%" PRIu64 " unfinished record%s, %" PRIu64 " bytes, where a writer was "
                   "ended\n",
                   sum->recoveries, plural(sum->recoveries), sum->recovered_bytes);
    if (sum->torn > 0)
        buf_printf(out, "ends in an unfinished record of %" PRIu64 " bytes\n", sum->torn);
    add_signatures(out, words, sum);
    if (words->head && sum->head_seq > 0)
        buf_printf(out, "the expected head is record %" PRIu64 "; %" PRIu64 " follow\n",
                   sum->head_seq, sum->last - sum->head_seq);
    else if (words->head)
        buf_add_text(out, "the expected head is not there: the log was cut off or written anew\n");
    buf_printf(out, "head %s\n", hex);
}

static int verify_all(const struct audit_words *words, struct audit_reader *reader)
{
    struct audit_entry entry;
    struct capful_error err;
    struct buf out = BUF_INIT((size_t)1 << 20);
    uint64_t shown = 0;
    int got;
    while ((got = audit_reader_next(reader, &entry, &err)) == 1)
        if (entry.kind == AUDIT_PROBLEM && shown++ < PROBLEMS_SHOWN)
            add_problem(&out, &entry);
    if (got < 0) {
        buf_release(&out);
        return failed_log(&err);
    }
    const struct audit_summary *sum = audit_reader_summary(reader);
    if (shown > PROBLEMS_SHOWN)
        buf_printf(&out, "and %" PRIu64 " more\n", shown - PROBLEMS_SHOWN);
    add_summary(&out, words, sum);
    int failed = flush(&out, 0);
    buf_release(&out);
    if (failed)
        return failed;
    if (!is_sound(words, sum))
        return AUDIT_CHANGED;
    return sum->torn > 0 || (words->key && sum->not_signed > 0) ? AUDIT_OPEN_END : 0;
}

static int audit_verify(int count, char **argv)
{
    struct audit_words words = {.log = NULL};
    struct audit_check check = {.key = NULL};
    struct audit_reader *reader;
    struct capful_error err;
    uint8_t key[32], head[32];
    int failed = parse(&words, TAKES_KEY, "verify", count, argv);
    if (!failed && words.key) {
        failed = read_hex("--key", words.key, key);
        check.key = key;
    }
    if (!failed && words.head) {
        failed = read_hex("--expect-head", words.head, head);
        check.head = head;
    }
    if (failed)
        return failed;
    if (audit_reader_open(words.log, &check, &reader, &err) != 0)
        return failed_log(&err);
    failed = verify_all(&words, reader);
    audit_reader_free(reader);
    return failed;
}

/* ------------------------------------------------------------------ show, html */

static int show_all(const struct show_filter *filter, struct audit_reader *reader)
{
    struct audit_entry entry;
    struct capful_error err;
    struct buf out = BUF_INIT(8 * CHAIN_LINE_MAX);
    int failed = 0, got = 0;
    while (!failed && (got = audit_reader_next(reader, &entry, &err)) == 1)
        failed = audit_show(filter, &entry, &out)
                     ? flush(&out, OUTPUT_PIECE)
                     : term_fail(EXIT_FAULT, "no memory for record %" PRIu64, entry.record.seq);
    if (!failed && got < 0)
        failed = failed_log(&err);
    if (!failed)
        failed = flush(&out, 1);
    buf_release(&out);
    return failed || audit_reader_summary(reader)->problems == 0 ? failed : AUDIT_CHANGED;
}

static int audit_show_log(int count, char **argv)
{
    static const char *const verdicts[] = {"allow", "deny", "ask", NULL};
    struct audit_words words = {.log = NULL};
    struct audit_check check = {.key = NULL};
    struct audit_reader *reader;
    struct capful_error err;
    int failed = parse(&words, TAKES_FILTER, "show", count, argv);
    if (failed)
        return failed;
    const char *verdict = words.show.verdict;
    if (verdict && strcmp(verdict, "allow") != 0 && strcmp(verdict, "deny") != 0 &&
        strcmp(verdict, "ask") != 0)
        return term_fail(EXIT_USAGE, "--verdict \"%s\" must be allow, deny or ask%s", verdict,
                         options_suggest(verdict, verdicts));
    words.show.colour = term_wants_colour(1);
    if (audit_reader_open(words.log, &check, &reader, &err) != 0)
        return failed_log(&err);
    failed = show_all(&words.show, reader);
    audit_reader_free(reader);
    return failed;
}

struct page_output {
    int fd, error;
};

static bool write_page(void *context, struct str text)
{
    struct page_output *output = context;
    output->error = term_write(output->fd, text.ptr, text.len);
    return output->error == 0;
}

static int audit_html_log(int count, char **argv)
{
    struct audit_words words = {.log = NULL};
    struct page_output output = {.fd = 1};
    struct capful_error err;
    int failed = parse(&words, TAKES_OUTPUT, "html", count, argv);
    if (failed)
        return failed;
    if (words.output) {
        output.fd = open(words.output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (output.fd < 0)
            return term_fail(EXIT_USAGE, "--output \"%s\": %s", words.output, strerror(errno));
    }
    bool sound = true;
    failed = audit_html(words.log, HTML_RECORDS, write_page, &output, &sound, &err);
    if (words.output && close(output.fd) != 0 && !output.error)
        output.error = errno;
    if (output.error)
        return term_fail(EXIT_FAULT, "the page cannot be written: %s", strerror(output.error));
    if (failed)
        return failed_log(&err);
    return sound ? 0 : AUDIT_CHANGED;
}

/* ------------------------------------------------------------------ keygen */

static int audit_keygen(int count, char **argv)
{
    struct audit_words words = {.log = NULL};
    uint8_t public_key[32];
    char hex[66];
    struct capful_error err;
    int failed = parse(&words, 0, "keygen", count, argv);
    if (failed)
        return failed;
    if (audit_make_key(words.log, public_key, &err) != 0)
        return failed_log(&err);
    sha256_hex(public_key, hex);
    hex[64] = '\n';
    int error = term_write(1, hex, 65);
    return error ? term_fail(EXIT_FAULT, "stdout cannot be written: %s", strerror(error)) : 0;
}

int command_audit(int count, char **words)
{
    static const struct {
        const char *name;
        int (*run)(int count, char **words);
    } commands[] = {{"verify", audit_verify},
                    {"show", audit_show_log},
                    {"html", audit_html_log},
                    {"keygen", audit_keygen}};
    static const char *const names[] = {"verify", "show", "html", "keygen", NULL};
    if (count == 0)
        return term_fail(EXIT_USAGE, "audit needs one of verify, show, html, keygen; see capful "
                                     "help audit");
    for (int i = 0; i < count && words[i][0] == '-'; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return help_topic("audit");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(words[0], commands[i].name) == 0) {
            if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0))
                return help_topic("audit");
            return commands[i].run(count - 1, words + 1);
        }
    return term_fail(EXIT_USAGE, "audit has no \"%s\"%s", words[0],
                     options_suggest(words[0], names));
}
