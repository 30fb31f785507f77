/* What a run hands to its first program and gets back: the source, the value, the error. */
#ifndef CAPFUL_SYSCALL_RUN_IO_H
#define CAPFUL_SYSCALL_RUN_IO_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct run_io {
    const char *source; /* borrowed until the run ends */
    size_t source_len;
    struct buf value; /* JSON text; its ceiling is set by the owner */
    struct buf error; /* JSON object */
    bool has_value, has_error;
};

#endif
