/* capful explain: what a policy says of one call, and why. capful prompt: what is to be said to
 * models about the tools that it grants. */
#include "config/explain.h"

#include <string.h>

#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/term.h"

/* Exit codes of explain; capful(1) has them. */
enum { EXPLAIN_ALLOWED = 0, EXPLAIN_DENIED = 1, EXPLAIN_ASKS = 3 };

#define OUTPUT_MAX (64u << 20)

static int failed_policy(const struct capful_error *err)
{
    return err->code == CAPFUL_EINVAL ? term_fail(EXIT_USAGE, "%s", err->text) : launch_failed(err);
}

/* "--name VALUE" or "--name=VALUE" at words[*at]. */
static bool take(char **words, int count, int *at, const char *name, const char **ret)
{
    size_t len = strlen(name);
    const char *word = words[*at];
    if (strncmp(word, name, len) != 0 || (word[len] && word[len] != '='))
        return false;
    if (word[len] == '=')
        *ret = word + len + 1;
    else if (*at + 1 < count)
        *ret = words[++*at];
    else
        *ret = NULL;
    return true;
}

static int explain(const char *path, const struct explain_call *call)
{
    static const int codes[] = {[VERDICT_ALLOW] = EXPLAIN_ALLOWED,
                                [VERDICT_ASK] = EXPLAIN_ASKS,
                                [VERDICT_DENY] = EXPLAIN_DENIED};
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct capful_error err;
    enum verdict verdict = VERDICT_DENY;
    int failed = policy_explain(path, call, &verdict, &out, &err);
    int code = failed                                     ? failed_policy(&err)
               : term_print_visible(&out, 4 * OUTPUT_MAX) ? 0
                                                          : EXIT_FAULT;
    buf_release(&out);
    return code ? code : codes[verdict];
}

int command_explain(int count, char **words)
{
    const char *given[3] = {NULL};
    struct explain_call call = {.tool = NULL};
    int n = 0;
    for (int i = 0; i < count; i++) {
        const char *value = "";
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return help_topic("explain");
        if (take(words, count, &i, "--facts", &value))
            call.facts = value;
        else if (take(words, count, &i, "--grant", &value))
            call.grant = value;
        else if (words[i][0] == '-' && words[i][1])
            return term_fail(EXIT_USAGE, "explain has no option \"%s\"; see capful help explain",
                             words[i]);
        else if (n == 3)
            return term_fail(EXIT_USAGE,
                             "explain takes a policy, a tool and arguments; \"%s\" is "
                             "too much",
                             words[i]);
        else
            given[n++] = words[i];
        if (!value)
            return term_fail(EXIT_USAGE, "%s needs a value; see capful help explain", words[i]);
    }
    if (n < 3)
        return term_fail(EXIT_USAGE, "explain needs a policy, a tool and arguments: capful explain "
                                     "POLICY TOOL JSON");
    call.tool = given[1];
    call.arguments = given[2];
    return explain(given[0], &call);
}

int command_prompt(int count, char **words)
{
    struct buf out = BUF_INIT(OUTPUT_MAX);
    struct capful_error err;
    const char *path = NULL;
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0)
            return help_topic("prompt");
        if (path || !take(words, count, &i, "--policy", &path))
            return term_fail(EXIT_USAGE, "prompt does not know \"%s\"; see capful help prompt",
                             words[i]);
    }
    if (!path || !*path)
        return term_fail(EXIT_USAGE, "prompt needs a policy: capful prompt --policy FILE");
    int failed = policy_prompt(path, &out, &err);
    int code = failed                                     ? failed_policy(&err)
               : term_print_visible(&out, 4 * OUTPUT_MAX) ? 0
                                                          : EXIT_FAULT;
    buf_release(&out);
    return code;
}
