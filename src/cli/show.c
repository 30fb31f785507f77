/* The end of a run, see show.h. */
#include "cli/show.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli/stop.h"
#include "cli/term.h"

/* ------------------------------------------------------------------ the value */

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_unit(const char *p, const char *end, uint32_t *ret)
{
    uint32_t unit = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return false;
    for (int i = 2; i < 6; i++) {
        int digit = hex(p[i]);
        if (digit < 0)
            return false;
        unit = unit << 4 | (uint32_t)digit;
    }
    *ret = unit;
    return true;
}

/* After a \u: one code point, from two units where they are a pair. Returns the bytes used. */
static size_t add_unit(struct buf *out, const char *p, const char *end)
{
    uint32_t unit, low;
    char bytes[4];
    size_t used = 6;
    if (!read_unit(p, end, &unit))
        return 2;
    if (unit >= 0xd800 && unit < 0xdc00 && read_unit(p + 6, end, &low) && low >= 0xdc00 &&
        low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        used = 12;
    }
    buf_add(out, bytes, utf8_put(unit, bytes));
    return used;
}

/* A JSON string literal, which the library has checked, as the text it stands for. */
static void add_unquoted(struct buf *out, const char *json, size_t len)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *p = json + 1, *end = json + len - 1;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        buf_add(out, p, (size_t)((escape ? escape : end) - p));
        if (!escape || end - escape < 2)
            return;
        p = escape;
        const char *known = strchr(from, p[1]);
        if (p[1] == 'u') {
            p += add_unit(out, p, end);
            continue;
        }
        buf_add_char(out, known && *known ? to[known - from] : p[1]);
        p += 2;
    }
}

static int print_value(const struct shown *shown)
{
    size_t len;
    const char *value = capful_result_value(shown->result, &len);
    struct buf text = BUF_INIT(SIZE_MAX);
    if (!value)
        return 0;
    if (shown->mid_line)
        buf_add_char(&text, '\n');
    if (len >= 2 && value[0] == '"')
        add_unquoted(&text, value, len);
    else
        buf_add(&text, value, len);
    if (text.len == 0 || text.data[text.len - 1] != '\n')
        buf_add_char(&text, '\n');
    int error = buf_failed(&text) ? ENOMEM : term_write(1, text.data, text.len);
    buf_release(&text);
    return error;
}

/* ------------------------------------------------------------------ what overlays hold */

static int add_difference(void *context, char kind, const char *path)
{
    struct buf *out = context;
    if (out->len > 0)
        buf_add_char(out, ',');
    buf_printf(out, "{\"kind\":\"%c\",\"path\":", kind);
    buf_add_json_string(out, str_of(path));
    buf_add_char(out, '}');
    return 0;
}

static int print_difference(void *context, char kind, const char *path)
{
    (void)context;
    term_line("%c %s", kind, path);
    return 0;
}

static bool show_differences(const struct shown *shown)
{
    struct capful_error err;
    if (capful_file_diff(shown->sandbox, print_difference, NULL, &err) == 0)
        return true;
    term_fail(0, "--diff: %s", err.text);
    return false;
}

/* ------------------------------------------------------------------ the object */

static bool make_object(const struct shown *shown, struct buf *out)
{
    size_t len;
    struct capful_error err;
    const char *json = capful_result_json(shown->result, &len);
    struct buf list = BUF_INIT(SIZE_MAX);
    if (!json) {
        term_fail(0, "no memory for the result");
        return false;
    }
    if (!shown->options->diff) {
        buf_add(out, json, len);
    } else if (capful_file_diff(shown->sandbox, add_difference, &list, &err) == 0) {
        buf_add(out, json, len - 1);
        buf_add_text(out, ",\"diff\":[");
        buf_add_str(out, buf_str(&list));
        buf_add_text(out, "]}");
    } else {
        term_fail(0, "--diff: %s", err.text);
        return false;
    }
    buf_add_char(out, '\n');
    bool ok = !buf_failed(out) && !buf_failed(&list);
    buf_release(&list);
    if (!ok)
        term_fail(0, "no memory for the result");
    return ok;
}

/* ------------------------------------------------------------------ what went wrong */

static const char *what_raises(const char *limit)
{
    static const struct {
        const char *limit, *option;
    } options[] = {{"wall", "--timeout"},      {"cpu", "--timeout"},
                   {"memory", "--memory"},     {"process_memory", "--memory"},
                   {"output", "--max-output"}, {"calls", "--max-calls"}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(options[i].limit, limit) == 0)
            return options[i].option;
    return NULL;
}

static void say_limit(const struct capful_result *result)
{
    const char *limit = capful_result_limit(result), *message = capful_result_message(result);
    const char *option = what_raises(limit);
    if (strcmp(limit, "deadlock") == 0)
        term_fail(0, "%s", message);
    else if (option)
        term_fail(0, "%s (%s raises it)", message, option);
    else
        term_fail(0, "%s (\"limits\": {\"%s\": …} in a policy raises it)", message, limit);
}

/* What nobody may overlook, whatever the run was. */
static void say_watched(const struct capful_result *result)
{
    size_t n = 0, calls = capful_result_call_count(result);
    if (capful_result_mode(result) != CAPFUL_WATCH)
        return;
    for (size_t i = 0; i < calls; i++)
        n += capful_result_call(result, i)->would_deny != NULL;
    term_fail(0, "THE POLICY ONLY WATCHES (\"mode\": \"watch\"): %zu of %zu calls would be denied",
              n, calls);
}

/* A guest that lives prints its own error; one that trapped cannot. */
static void say(const struct shown *shown)
{
    const struct capful_result *result = shown->result;
    const struct capful_script_error *error = capful_result_error(result);
    const char *message = capful_result_message(result);
    switch (capful_result_status(result)) {
    case CAPFUL_LIMIT: say_limit(result); break;
    case CAPFUL_FAULT: term_fail(0, "fault: %s", message ? message : "the run failed"); break;
    case CAPFUL_ERROR:
        if (error && strcmp(error->name, "Trap") == 0)
            term_fail(0, "%s: %s", shown->program, message);
        break;
    case CAPFUL_OK:
    case CAPFUL_DENIED:
    case CAPFUL_KILLED: break;
    }
}

static int exit_code(const struct capful_result *result)
{
    int code = capful_result_exit_code(result);
    switch (capful_result_status(result)) {
    case CAPFUL_OK: return 0;
    case CAPFUL_LIMIT: return EXIT_LIMIT;
    case CAPFUL_FAULT: return EXIT_FAULT;
    case CAPFUL_DENIED: return EXIT_DENIED;
    case CAPFUL_ERROR:
    case CAPFUL_KILLED: break;
    }
    return code & 255 ? code & 255 : 1; /* 256 must not read as success */
}

static int lost(int code, const char *what, int error)
{
    if (error == EPIPE)
        return EXIT_SIGNAL + SIGPIPE;
    if (error == EINTR)
        return EXIT_SIGNAL + stop_signal();
    return term_fail(code < EXIT_FAULT ? EXIT_FAULT : code, "%s cannot be written: %s", what,
                     strerror(error));
}

static int write_object(const struct shown *shown, bool quiet, int code)
{
    struct buf object = BUF_INIT(SIZE_MAX);
    int error = 0;
    if (!make_object(shown, &object))
        return code < EXIT_FAULT ? EXIT_FAULT : code;
    if (shown->result_fd >= 0)
        error = term_write(shown->result_fd, object.data, object.len);
    if (error)
        code = lost(code, shown->options->result, error);
    if (shown->options->json && !quiet) {
        error = term_write(1, object.data, object.len);
        if (error)
            code = lost(code, "stdout", error);
    }
    buf_release(&object);
    return code;
}

int show_result(const struct shown *shown, bool quiet)
{
    const struct options *options = shown->options;
    int code = exit_code(shown->result);
    if (options->json || shown->result_fd >= 0)
        code = write_object(shown, quiet, code);
    if (!options->json && !quiet) {
        int error = print_value(shown);
        if (error)
            code = lost(code, "stdout", error);
    }
    if (options->diff && !options->json && !show_differences(shown))
        code = code < EXIT_FAULT ? EXIT_FAULT : code;
    say(shown);
    say_watched(shown->result);
    return code;
}
