/* What is printed at the end of a run, and the exit code. */
#ifndef CAPFUL_CLI_SHOW_H
#define CAPFUL_CLI_SHOW_H

#include "cli/options.h"

struct shown {
    const struct options *options;
    struct capful_sandbox *sandbox;
    struct capful_result *result;
    const char *program;
    bool mid_line; /* stdout stands in the middle of a line */
    int result_fd; /* of --result; -1 none */
};

/* `quiet`: stdout is gone, nothing is said about it. */
int show_result(const struct shown *shown, bool quiet);

#endif
