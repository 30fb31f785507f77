/* The subcommands: each takes the words after its name, NULL-terminated, and answers the exit code.
 */
#ifndef CAPFUL_CLI_COMMANDS_H
#define CAPFUL_CLI_COMMANDS_H

int command_run(int count, char **words);
int command_exec(int count, char **words);
int command_check(int count, char **words);
int command_explain(int count, char **words);
int command_prompt(int count, char **words);
int command_policy(int count, char **words);
int command_audit(int count, char **words);
int command_help(int count, char **words);
int command_licenses(int count, char **words);

/* A topic of the help on stdout; 0, or the exit code after a message. */
int help_topic(const char *name);
/* The overview: on stdout (1), or on stderr (2) where somebody needs it. */
void help_overview(int fd);

#endif
