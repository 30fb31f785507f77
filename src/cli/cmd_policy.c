/* capful policy: from an audit log to a policy (suggest), and what another policy would have said
 * to the calls of a log (replay). */
#include <string.h>

#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/term.h"
#include "config/history.h"

#define OUTPUT_MAX (256u << 20)

enum { REPLAY_CHANGED = 1 };

struct policy_words {
    const char *log, *option;
};

/* One log, and one option with a value. */
static int parse(struct policy_words *ret, const char *command, const char *option, int count,
                 char **words)
{
    size_t len = strlen(option);
    for (int i = 0; i < count; i++) {
        if (strncmp(words[i], option, len) == 0 && words[i][len] == '=')
            ret->option = words[i] + len + 1;
        else if (strcmp(words[i], option) == 0 && i + 1 < count)
            ret->option = words[++i];
        else if (strcmp(words[i], option) == 0)
            return term_fail(EXIT_USAGE, "%s needs a value; see capful help policy", option);
        else if (words[i][0] == '-' && words[i][1])
            return term_fail(EXIT_USAGE, "policy %s has no option \"%s\"; see capful help policy",
                             command, words[i]);
        else if (ret->log)
            return term_fail(EXIT_USAGE, "policy %s reads one log; \"%s\" is too much", command,
                             words[i]);
        else
            ret->log = words[i];
    }
    return ret->log ? 0 : term_fail(EXIT_USAGE, "policy %s needs a log", command);
}

static int failed_with(const struct capful_error *err)
{
    return err->code == CAPFUL_EFILE ? term_fail(EXIT_USAGE, "%s", err->text) : launch_failed(err);
}

static int suggest(int count, char **words)
{
    struct policy_words given = {NULL, NULL};
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct capful_error err;
    int code = parse(&given, "suggest", "--extends", count, words);
    if (code)
        return code;
    code = policy_suggest(given.log, given.option, &out, &err) ? failed_with(&err)
           : term_print_visible(&out, 4 * (size_t)OUTPUT_MAX)  ? 0
                                                               : EXIT_FAULT;
    buf_release(&out);
    return code;
}

static int replay(int count, char **words)
{
    struct policy_words given = {NULL, NULL};
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct replay_summary summary;
    struct capful_error err;
    int code = parse(&given, "replay", "--policy", count, words);
    if (code)
        return code;
    if (!given.option)
        return term_fail(EXIT_USAGE, "policy replay needs --policy FILE");
    if (policy_replay(given.log, given.option, &out, &summary, &err)) {
        buf_release(&out);
        return failed_with(&err);
    }
    buf_printf(&out, "%llu call%s in %llu run%s: %llu verdict%s", (unsigned long long)summary.calls,
               summary.calls == 1 ? "" : "s", (unsigned long long)summary.runs,
               summary.runs == 1 ? "" : "s", (unsigned long long)summary.changed,
               summary.changed == 1 ? " changes" : "s change");
    if (summary.unknown)
        buf_printf(&out, ", %llu calls have no arguments in the log",
                   (unsigned long long)summary.unknown);
    buf_add_char(&out, '\n');
    code = term_print_visible(&out, 4 * (size_t)OUTPUT_MAX) ? 0 : EXIT_FAULT;
    buf_release(&out);
    return code || !summary.changed ? code : REPLAY_CHANGED;
}

int command_policy(int count, char **words)
{
    if (count > 0 && (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0))
        return help_topic("policy");
    if (count > 0 && strcmp(words[0], "suggest") == 0)
        return suggest(count - 1, words + 1);
    if (count > 0 && strcmp(words[0], "replay") == 0)
        return replay(count - 1, words + 1);
    return term_fail(EXIT_USAGE, "policy needs suggest or replay; see capful help policy");
}
