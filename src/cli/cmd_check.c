/* capful check: everything that is wrong with a policy, and what is suspicious, without running
 * anything. */
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/term.h"
#include "config/policy.h"

struct findings {
    size_t problems, warnings;
};

static void report(void *context, const struct policy_problem *problem)
{
    struct findings *findings = context;
    struct buf line = BUF_INIT(1 << 16);
    term_add_visible(&line, str_of(problem->file));
    buf_printf(&line, ":%d:%d: %s", problem->line, problem->column,
               problem->warning ? "warning: " : "");
    term_add_visible(&line, str_of(problem->text));
    term_line("%s", line.data ? line.data : "out of memory");
    buf_release(&line);
    if (problem->warning)
        findings->warnings++;
    else
        findings->problems++;
}

static int check_file(const char *path, bool strict)
{
    struct findings findings = {0, 0};
    struct policy_source source = {
        .name = path, .path = path, .report = report, .context = &findings};
    struct capful_error err;
    struct buf line = BUF_INIT(1 << 16);
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    const char *slash = strrchr(path, '/');
    char *directory = slash ? mem_dup(path, slash > path ? (size_t)(slash - path) : 1) : NULL;
    source.directory = directory;
    int failed = slash && !directory ? CAPFUL_ENOMEM : policy_read(path, &text, &err);
    if (!failed)
        failed = policy_check(buf_str(&text), &source, &err);
    buf_release(&text);
    mem_free(directory);
    if (failed && findings.problems == 0)
        return launch_failed(&err);
    if (failed || (strict && findings.warnings))
        return EXIT_USAGE;
    term_add_visible(&line, str_of(path));
    buf_add_text(&line, ": ok\n");
    (void)term_write(1, line.data, line.len);
    buf_release(&line);
    return 0;
}

int command_check(int count, char **words)
{
    int code = 0;
    bool strict = false;
    for (; count > 0 && words[0][0] == '-' && words[0][1]; words++, count--) {
        if (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0)
            return help_topic("check");
        if (strcmp(words[0], "--") == 0) {
            words++;
            count--;
            break;
        }
        if (strcmp(words[0], "--strict") != 0)
            return term_fail(EXIT_USAGE, "check has no option \"%s\"; see capful help check",
                             words[0]);
        strict = true;
    }
    if (count == 0)
        return term_fail(EXIT_USAGE, "check needs a policy: capful check POLICY");
    for (int i = 0; i < count; i++) {
        int failed = check_file(words[i], strict);
        if (failed > code)
            code = failed;
    }
    return code;
}
