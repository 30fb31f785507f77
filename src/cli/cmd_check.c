/* capful check: whether a policy would be accepted, without running anything. */
#include <string.h>

#include "base/buf.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/term.h"

static int check_file(const char *path)
{
    struct capful_builder *builder;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    struct buf line = BUF_INIT(1 << 16);
    int failed = capful_builder_new(&builder, &err);
    if (failed)
        return launch_failed(&err);
    failed = capful_builder_policy_file(builder, path, &err);
    if (!failed)
        failed = capful_builder_build(builder, &policy, &err);
    capful_builder_free(builder);
    capful_policy_unref(policy);
    if (failed)
        return launch_failed(&err);
    term_add_visible(&line, str_of(path));
    buf_add_text(&line, ": ok\n");
    (void)term_write(1, line.data, line.len);
    buf_release(&line);
    return 0;
}

int command_check(int count, char **words)
{
    int code = 0;
    if (count > 0 && (strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0))
        return help_topic("check");
    if (count > 0 && strcmp(words[0], "--") == 0) {
        words++;
        count--;
    } else if (count > 0 && words[0][0] == '-') {
        return term_fail(EXIT_USAGE, "check has no option \"%s\"; see capful help check", words[0]);
    }
    if (count == 0)
        return term_fail(EXIT_USAGE, "check needs a policy: capful check POLICY");
    for (int i = 0; i < count; i++) {
        int failed = check_file(words[i]);
        if (failed > code)
            code = failed;
    }
    return code;
}
