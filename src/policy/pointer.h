/* JSON pointers (RFC 6901), with "*" for every element of a list and every member of an object. */
#ifndef CAPFUL_POLICY_POINTER_H
#define CAPFUL_POLICY_POINTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/str.h"

#define POINTER_PARTS 64 /* at most */

struct pointer {
    struct str text; /* as written; owned */
    size_t n;
    struct pointer_part *parts;
};

/* `name`: a text that does not begin with "/" is the name of a member.  NULL, or what is wrong with
 * it; *ret_nomem when memory is short (then not NULL either).  pointer_release frees. */
const char *pointer_parse(struct pointer *ret, struct str text, bool name, bool *ret_nomem);
void pointer_release(struct pointer *pointer);
bool pointer_has_star(const struct pointer *pointer);
bool pointer_part_star(const struct pointer *pointer, size_t i);
struct str pointer_part_name(const struct pointer *pointer, size_t i);

/* Calls `each` for every value that the pointer leads to, in the order of the text, until it
 * answers false.  *ret_missing is set where a part is not there.  Iterative, bounded by the value's
 * size. */
bool pointer_each(const struct pointer *pointer, yyjson_val *value,
                  bool (*each)(void *context, yyjson_val *value), void *context, bool *ret_missing);
/* The one value of a pointer without "*", or NULL. */
yyjson_val *pointer_get(const struct pointer *pointer, yyjson_val *value);

#endif
