/* JSON: one strict checker for every text that crosses the boundary, and a tree of values over
 * yyjson.
 *
 * The checker is iterative, allocates nothing and bounds the depth, so it stands before every
 * library that recurses or builds trees. Numbers stay text: what is exact in the document is exact
 * here. Strings and numbers of a tree point into its own copy of the text, which is how a value is
 * traced back to its line.
 */
#ifndef CAPFUL_BASE_JSON_H
#define CAPFUL_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "base/buf.h"
#include "base/str.h"

#define JSON_MAX_DEPTH 1024 /* the most that a caller may allow */

enum json_flags {
    JSON_STRICT = 0,
    JSON_RELAXED = 1, /* comments, trailing commas, a byte order mark: files written by people */
    JSON_UNIQUE_KEYS = 2, /* json_parse only: an object that has a key twice is refused */
    JSON_CHECKED = 4      /* json_parse only: json_check has passed the text already */
};

struct json_problem {
    size_t offset; /* in the text, bytes */
    bool nomem;
    char text[160];
};

/* Checks the grammar (RFC 8259), UTF-8, and that nothing is deeper than `depth` levels (a scalar
 * has 0, an empty list 1). On success *ret_values, if wanted, is how many values there are, keys
 * counted: what a tree would hold. */
bool json_check(struct str text, unsigned flags, unsigned depth, size_t *ret_values,
                struct json_problem *problem);

struct json {
    yyjson_doc *doc;
    yyjson_val *root;
    size_t skipped; /* a byte order mark before what the library saw */
};

/* Checks, then builds the tree; keeps no pointer to `text`. Release it with json_release. */
bool json_parse(struct str text, unsigned flags, unsigned depth, struct json *ret,
                struct json_problem *problem);
void json_release(struct json *json);

/* Whether a text that json_check passed is one object of at most 16 members, none of them a list or
 * an object, no key with an escape, no key twice. What most calls have for arguments: told without
 * a tree. */
bool json_flat_unique(struct str text);

/* Where a string (its quote), a key or a number stands in the text; SIZE_MAX for the other kinds,
 * which leave no trace: ask for the key before them. */
size_t json_offset(const struct json *json, yyjson_val *value);
/* The same with a second choice. */
size_t json_offset_or(const struct json *json, yyjson_val *value, size_t otherwise);
/* Line and column (in bytes) of an offset, both from 1. */
void json_place(struct str text, size_t offset, int *ret_line, int *ret_column);

/* A string's bytes, or a number's digits as they were written. */
static inline struct str json_str(yyjson_val *value)
{
    return (struct str){yyjson_is_raw(value) ? yyjson_get_raw(value) : yyjson_get_str(value),
                        yyjson_get_len(value)};
}
/* "a string", "a number", "true or false", "null", "a list", "an object". */
const char *json_kind(yyjson_val *value);
yyjson_val *json_get(yyjson_val *object, struct str key);
/* False unless it is a number, whole, not negative and below 2^64. */
bool json_uint(yyjson_val *value, uint64_t *ret);

/* For trees that are changed with the library itself: its memory comes through mem_alloc. */
const yyjson_alc *json_allocator(void);
/* Compact text of a value, numbers as they were written. NULL when memory is short; mem_free. */
char *json_write(yyjson_val *value, size_t *ret_len);

#endif
