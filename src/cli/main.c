/* The program `capful`: the first word says what to do, one file each (cmd_*.c). */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/term.h"

static int print_version(int count, char **words)
{
    static const char text[] = "capful " CAPFUL_VERSION "\n";
    (void)count;
    (void)words;
    return term_write(1, text, sizeof text - 1) ? EXIT_FAULT : 0;
}

static int print_help(int count, char **words)
{
    (void)count;
    (void)words;
    help_overview(1);
    return 0;
}

int command_licenses(int count, char **words)
{
    size_t len;
    const char *text = capful_licenses(&len);
    (void)count;
    (void)words;
    return term_write(1, text, len) ? EXIT_FAULT : 0;
}

static const struct {
    const char *name;
    int (*run)(int count, char **words);
} commands[] = {
    {"run", command_run},
    {"exec", command_exec},
    {"check", command_check},
    {"explain", command_explain},
    {"prompt", command_prompt},
    {"policy", command_policy},
    {"audit", command_audit},
    {"help", command_help},
    {"--version", print_version},
    {"--help", print_help},
    {"-h", print_help},
    {"-V", print_version},
    {"--licenses", command_licenses},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int unknown_command(const char *word)
{
    const char *names[COMMANDS + 1];
    for (int i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    names[COMMANDS] = NULL;
    size_t len = strlen(word);
    const char *guess = options_suggest(word, names);
    if (!*guess && len > 3 &&
        (strcmp(word + len - 3, ".js") == 0 || strcmp(word + len - 4, ".mjs") == 0))
        return term_fail(EXIT_USAGE, "there is no command \"%s\"; to run a file: capful run %s",
                         word, word);
    if (!*guess && len > 5 && strcmp(word + len - 5, ".wasm") == 0)
        return term_fail(EXIT_USAGE, "there is no command \"%s\"; to run a program: capful exec %s",
                         word, word);
    return term_fail(EXIT_USAGE, "there is no %s \"%s\"%s%s", word[0] == '-' ? "option" : "command",
                     word, guess, *guess ? "" : "; see capful --help");
}

static int dispatch(int count, char **words)
{
    if (count == 0) {
        help_overview(2);
        return EXIT_USAGE;
    }
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(words[0], commands[i].name) == 0)
            return commands[i].run(count - 1, words + 1);
    return unknown_command(words[0]);
}

/* A descriptor that is missing would be given to the next file opened: output would end up there.
 */
static void open_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0)
            _exit(EXIT_FAULT);
}

int main(int argc, char **argv)
{
    open_standard_streams();
    /* Memory and engine go with the process; everything that was to be written has been written. */
    _exit(dispatch(argc > 0 ? argc - 1 : 0, argv + 1));
}
