/* capful-compile, run as a program of its own: what it reads is hostile, so it works in a small
 * cage. */
#ifndef CAPFUL_CLI_COMPILE_H
#define CAPFUL_CLI_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/buf.h"

struct compiler {
    char path[4096];
    struct stat stat;
};

/* Finds the compiler: beside this executable (a build tree), or in its folder of the installation;
 * never on PATH. False after a message that says what to install. */
bool compiler_find(struct compiler *compiler);

/* The image of a module, as `kind` ("fast" or "plain"), into *image. False after a message. */
bool compiler_run(const struct compiler *compiler, const char *name, struct str module,
                  const char *kind, struct buf *image);

#endif
