/* The schema of a tool's arguments: checked when the tool is registered, compiled at the latest
 * when it is needed.
 *
 * Compiling is the dear part of registration. Schemas made of the usual keywords, which are most,
 * are seen here to be right without it, and compiled by whoever needs them first; all others are
 * compiled at once, so that no schema that is wrong ever gets past registration.
 */
#ifndef CAPFUL_TOOL_SCHEMA_H
#define CAPFUL_TOOL_SCHEMA_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/str.h"

struct tool_schema {
    char *text; /* compact JSON */
    size_t len;
    _Atomic(void *) compiled;
    pthread_mutex_t lock; /* held while it is compiled */
};

/* Takes `text` on success. `root` is what the text says. False: `why` says what is wrong with it;
 * "" means memory. */
bool tool_schema_new(char *text, size_t len, yyjson_val *root, struct tool_schema **ret, char *why,
                     size_t why_size);
void tool_schema_free(struct tool_schema *schema);
/* True if the arguments are as it wants them. `schema` may be shared by threads. */
bool tool_schema_accepts(struct tool_schema *schema, struct str arguments, char *why,
                         size_t why_size);

/* Built of nothing but keywords that are known here to be used rightly. For tests. */
bool tool_schema_is_plain(yyjson_val *root);

#endif
