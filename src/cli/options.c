/* Options, see options.h: one table that is parsed from, described from and guessed from. */
#include "cli/options.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/number.h"
#include "cli/term.h"
#include "cli/time_text.h"

#define BOTH (COMMAND_RUN | COMMAND_EXEC)

static const char no_memory[] = "out of memory";

/* ------------------------------------------------------------------ values: NULL, or a problem */

// NOLINTBEGIN(readability-non-const-parameter): one type for all; take_mount cuts the value

static const char *take_code(struct options *options, char *value)
{
    options->code = value;
    return NULL;
}

static const char *take_policy(struct options *options, char *value)
{
    if (options->policy)
        return "is given twice; one policy holds all grants";
    options->policy = value;
    return *value ? NULL : "names no file";
}

/* The last part may be a mode; the guest's path is what follows the last colon before it. */
static const char *take_mount(struct options *options, char *value)
{
    static const struct {
        const char *name;
        enum capful_mount_mode mode;
    } modes[] = {
        {"ro", CAPFUL_MOUNT_RO}, {"rw", CAPFUL_MOUNT_RW}, {"overlay", CAPFUL_MOUNT_OVERLAY}};
    struct mount_option *mount = &options->mounts[options->n_mounts];
    char *colon = strrchr(value, ':');
    mount->mode = CAPFUL_MOUNT_RO;
    if (colon && colon[1] != '/') {
        size_t i = 0;
        while (i < sizeof modes / sizeof *modes && strcmp(modes[i].name, colon + 1) != 0)
            i++;
        if (i == sizeof modes / sizeof *modes)
            return strchr(value, ':') == colon ? "the path in the sandbox must begin with a slash "
                                                 "(HOST:/GUEST[:ro|rw|overlay])"
                                               : "the mode must be ro, rw or overlay";
        mount->mode = modes[i].mode;
        *colon = 0;
        colon = strrchr(value, ':');
    }
    if (!colon)
        return "must be HOST:GUEST, with :ro, :rw or :overlay after it if wanted";
    if (colon == value)
        return "names no directory of the host";
    if (colon[1] != '/')
        return "the path in the sandbox must begin with a slash (HOST:/GUEST[:ro|rw|overlay])";
    *colon = 0;
    mount->host = value;
    mount->guest = colon + 1;
    options->n_mounts++;
    return NULL;
}

static const char *take_env(struct options *options, char *value)
{
    const char *equals = strchr(value, '=');
    if (!equals)
        return "must be NAME=VALUE";
    if (equals == value)
        return "the name is empty";
    size_t len = (size_t)(equals - value) + 1;
    for (size_t i = 0; i < options->n_env; i++)
        if (strncmp(options->env[i], value, len) == 0) {
            options->env[i] = value; /* the last one counts */
            return NULL;
        }
    options->env[options->n_env++] = value;
    return NULL;
}

static const char *take_cwd(struct options *options, char *value)
{
    options->cwd = value;
    return value[0] == '/' ? NULL : "must be an absolute path of the sandbox, such as /workspace";
}

static const char *take_dir(struct options *options, char *value)
{
    options->has_dirs = true;
    if (strcmp(value, "none") == 0)
        return NULL;
    options->dirs[options->n_dirs++] = value;
    return value[0] == '/'
               ? NULL
               : "must be an absolute path of the sandbox, perhaps with ::NAME after it";
}

static const char *take_result(struct options *options, char *value)
{
    options->result = value;
    return *value ? NULL : "names no file";
}

static const char *take_account(struct options *options, char *value)
{
    options->account = value;
    return *value ? NULL : "names no account";
}

static const char *take_facts(struct options *options, char *value)
{
    options->facts = value;
    return *value == '{' ? NULL : "must be a JSON object, such as {\"tenant\":\"acme\"}";
}

static const char *take_dry_run(struct options *options, char *value)
{
    options->dry_run = value;
    return *value ? NULL : "must be a file with results, or none";
}

static const char *take_quantity(char *value, enum number_unit unit, bool *ret_has, uint64_t *ret)
{
    *ret_has = true;
    return number_parse(str_of(value), unit, ret);
}

static const char *take_timeout(struct options *options, char *value)
{
    const char *wrong = take_quantity(value, NUMBER_NS, &options->has_timeout, &options->timeout);
    return wrong || options->timeout > 0 ? wrong : "no time at all; \"unlimited\" lifts the limit";
}

static const char *take_memory(struct options *options, char *value)
{
    return take_quantity(value, NUMBER_BYTES, &options->has_memory, &options->memory);
}

static const char *take_output(struct options *options, char *value)
{
    return take_quantity(value, NUMBER_BYTES, &options->has_output, &options->output);
}

static const char *take_calls(struct options *options, char *value)
{
    return take_quantity(value, NUMBER_COUNT, &options->has_calls, &options->calls);
}

static const char *take_seed(struct options *options, char *value)
{
    options->flags |= CAPFUL_HAS_SEED;
    const char *wrong = number_parse(str_of(value), NUMBER_COUNT, &options->seed);
    return wrong || options->seed != UINT64_MAX ? wrong : "must be a whole number";
}

static const char *take_clock(struct options *options, char *value)
{
    options->flags &= ~CAPFUL_HAS_CLOCK;
    if (strcmp(value, "real") == 0)
        return NULL;
    if (strncmp(value, "fixed:", 6) != 0)
        return "must be real or fixed:TIME, such as fixed:2026-01-01T00:00:00Z";
    options->flags |= CAPFUL_HAS_CLOCK;
    return time_parse(value + 6, &options->clock)
               ? NULL
               : "the time must be like 2026-01-01T00:00:00Z, from 1970 to 2554";
}

#define TAKE_FLAG(name)                                                                            \
    static const char *take_##name(struct options *options, char *value)                           \
    {                                                                                              \
        (void)value;                                                                               \
        options->name = true;                                                                      \
        return NULL;                                                                               \
    }
TAKE_FLAG(json)
TAKE_FLAG(trace)
TAKE_FLAG(diff)
TAKE_FLAG(help)
// NOLINTEND(readability-non-const-parameter)

/* ------------------------------------------------------------------ the table */

struct option {
    const char *name;
    char letter; /* 0: none */
    unsigned commands;
    const char *value; /* what it is called in the help; NULL: the option takes none */
    const char *text;
    const char *(*take)(struct options *options, char *value);
};

static const struct option table[] = {
    {"eval", 'e', COMMAND_RUN, "CODE", "run this code instead of a file", take_code},
    {"policy", 0, BOTH, "FILE", "tools, grants, mounts and limits (capful help policy)",
     take_policy},
    {"mount", 0, BOTH, "HOST:GUEST[:MODE]",
     "show a directory; MODE is ro, rw or overlay, ro if left out", take_mount},
    {"timeout", 0, BOTH, "TIME", "time of the run, waiting for tools not counted (30s)",
     take_timeout},
    {"memory", 0, BOTH, "SIZE", "memory of the whole sandbox (256MiB)", take_memory},
    {"max-output", 0, BOTH, "SIZE", "bytes printed to stdout, and to stderr (10MiB)", take_output},
    {"max-calls", 0, BOTH, "N", "tool calls (1000)", take_calls},
    {"env", 0, BOTH, "NAME=VALUE",
     "a variable of the guest's environment, which is empty otherwise", take_env},
    {"cwd", 0, BOTH, "DIR", "working directory in the sandbox (/workspace)", take_cwd},
    {"dir", 0, COMMAND_EXEC, "GUEST[::NAME]",
     "a directory that the program finds opened, instead of the usual ones; or none", take_dir},
    {"account", 0, BOTH, "NAME", "whose budgets are used and whose labels are touched",
     take_account},
    {"facts", 0, BOTH, "JSON", "what constraints and bound parameters may refer to as context",
     take_facts},
    {"dry-run", 0, BOTH, "FILE|none", "call no tool: show the calls, answer from FILE or with null",
     take_dry_run},
    {"seed", 0, BOTH, "N", "all randomness follows from this number", take_seed},
    {"clock", 0, BOTH, "real|fixed:TIME", "a fixed clock moves only while everything sleeps",
     take_clock},
    {"json", 0, BOTH, NULL, "print the whole result as one JSON object on stdout", take_json},
    {"result", 0, BOTH, "FILE", "write that object to a file, beside the normal output",
     take_result},
    {"trace", 0, BOTH, NULL, "show each tool call on stderr as it happens", take_trace},
    {"diff", 0, BOTH, NULL, "list what overlay mounts hold on stderr at the end", take_diff},
    {"help", 'h', BOTH, NULL, "print this", take_help},
};
enum { OPTIONS = sizeof table / sizeof *table };

static const char *command_name(enum command command)
{
    return command == COMMAND_RUN ? "run" : "exec";
}

const char *options_suggest(const char *name, const char *const *names)
{
    static char text[100];
    struct near near;
    near_init(&near, str_of(name));
    for (; *names; names++)
        near_offer(&near, str_of(*names));
    if (!near.best.ptr)
        return "";
    snprintf(text, sizeof text, "; did you mean \"%.*s\"?", (int)near.best.len, near.best.ptr);
    return text;
}

static bool unknown(enum command command, const char *word)
{
    const char *names[OPTIONS + 1];
    char spelt[64], dashed[OPTIONS][32];
    size_t n = 0;
    for (size_t i = 0; i < OPTIONS; i++)
        if (table[i].commands & command) {
            snprintf(dashed[n], sizeof dashed[n], "--%s", table[i].name);
            names[n] = dashed[n];
            n++;
        }
    names[n] = NULL;
    snprintf(spelt, sizeof spelt, "%.*s", (int)strcspn(word, "="), word);
    const char *guess = word[1] == '-' ? options_suggest(spelt, names) : "";
    term_fail(0, "%s has no option \"%s\"%s%s", command_name(command), spelt, guess,
              *guess                   ? ""
              : command == COMMAND_RUN ? "; see capful help run"
                                       : "; see capful help exec");
    return false;
}

static bool wrong_value(const struct option *option, const char *shown, const char *wrong)
{
    if (shown && *shown)
        term_fail(0, "--%s \"%s\": %s", option->name, shown, wrong);
    else
        term_fail(0, "--%s %s", option->name, wrong);
    return false;
}

static const struct option *find(enum command command, const char *word, char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &table[i];
        size_t n = strlen(option->name);
        if (!(option->commands & command))
            continue;
        if (option->letter && word[1] == option->letter) {
            if (word[2] && option->value)
                *ret_value = (char *)word + 2;
            if (!word[2] || option->value)
                return option;
        }
        if (word[1] != '-' || strncmp(word + 2, option->name, n) != 0)
            continue;
        if (word[2 + n] == '=')
            *ret_value = (char *)word + 2 + n + 1;
        if (word[2 + n] == '=' || word[2 + n] == 0)
            return option;
    }
    return NULL;
}

/* One option and its value; *at is moved to the last word used. */
static bool take(struct options *options, char **words, int *at)
{
    char *value, shown[200] = "";
    const struct option *option = find(options->command, words[*at], &value);
    if (!option)
        return unknown(options->command, words[*at]);
    if (!option->value && value)
        return wrong_value(option, NULL, "takes no value");
    if (option->value && !value) {
        value = words[*at + 1];
        if (!value) {
            char text[100];
            snprintf(text, sizeof text, "needs a value: --%s %s", option->name, option->value);
            return wrong_value(option, NULL, text);
        }
        ++*at;
    }
    if (value)
        snprintf(shown, sizeof shown, "%s", value);
    const char *wrong = option->take(options, value);
    return wrong ? wrong_value(option, shown, wrong) : true;
}

static bool check(const struct options *options)
{
    bool wants_file = !options->code;
    if (options->help || !wants_file || options->file)
        return true;
    term_fail(0, options->command == COMMAND_RUN
                     ? "run needs a program: capful run FILE.js, capful run -e CODE, or capful run "
                       "- for standard input"
                     : "exec needs a program: capful exec PROG.wasm [ARG…]");
    return false;
}

bool options_parse(struct options *options, enum command command, int count, char **arguments)
{
    memset(options, 0, sizeof *options);
    options->command = command;
    options->mounts = mem_array((size_t)count + 1, sizeof *options->mounts);
    options->env = mem_array((size_t)count + 1, sizeof *options->env);
    options->dirs = mem_array((size_t)count + 1, sizeof *options->dirs);
    if (!options->mounts || !options->env || !options->dirs) {
        term_fail(0, "%s", no_memory);
        return false;
    }
    int i = 0;
    for (; i < count && arguments[i][0] == '-' && arguments[i][1]; i++) {
        if (strcmp(arguments[i], "--") == 0) {
            i++;
            break;
        }
        if (!take(options, arguments, &i))
            return false;
    }
    if (!options->code && i < count)
        options->file = arguments[i++];
    options->arguments = (const char *const *)arguments + (i < count ? i : count);
    return check(options);
}

void options_release(struct options *options)
{
    mem_free(options->mounts);
    mem_free(options->env);
    mem_free(options->dirs);
}

void options_describe(struct buf *out, enum command command)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        char left[64];
        if (!(table[i].commands & command))
            continue;
        int n = table[i].letter ? snprintf(left, sizeof left, "-%c, ", table[i].letter) : 0;
        snprintf(left + n, sizeof left - (size_t)n, "--%s%s%s", table[i].name,
                 table[i].value ? " " : "", table[i].value ? table[i].value : "");
        buf_printf(out, "  %-27s %s\n", left, table[i].text);
    }
}
