/* capful run: a JavaScript program from a file, from standard input, or from the command line. */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/launch.h"
#include "cli/term.h"

static int run_code(const struct options *options)
{
    struct program program = {CAPFUL_JAVASCRIPT, options->code,      strlen(options->code),
                              "<eval>",          options->arguments, true};
    struct launch *launch;
    int failed = launch_new(options, &launch);
    return failed ? failed : launch_run(launch, &program);
}

/* What is no JavaScript and can be told by its first bytes. */
static const char *not_a_script(const char *text, size_t len)
{
    if (len >= 4 && memcmp(text, "\0asm", 4) == 0)
        return "a WebAssembly program: use capful exec";
    if (len >= 4 && memcmp(text, "\177ELF", 4) == 0)
        return "a program of this machine, not JavaScript";
    return NULL;
}

static int run_file(const struct options *options)
{
    struct program program = {CAPFUL_JAVASCRIPT, NULL, 0, options->file, options->arguments, true};
    struct launch *launch;
    int failed = launch_new(options, &launch);
    if (failed)
        return failed;
    char *text = launch_read_file(options->file, &program.len);
    if (!text)
        return EXIT_USAGE;
    const char *wrong = not_a_script(text, program.len);
    if (wrong) {
        mem_free(text);
        return term_fail(EXIT_USAGE, "%s is %s", options->file, wrong);
    }
    program.source = text;
    if (strcmp(options->file, "-") == 0)
        program.name = "<stdin>"; /* of which nothing is left for the program to read */
    return launch_run(launch, &program);
}

int command_run(int count, char **words)
{
    struct options options;
    if (!options_parse(&options, COMMAND_RUN, count, words))
        return EXIT_USAGE;
    if (options.help)
        return help_topic("run");
    return options.code ? run_code(&options) : run_file(&options);
}
