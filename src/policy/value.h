/* Values of arguments: their kinds, equality, and what each is known by. */
#ifndef CAPFUL_POLICY_VALUE_H
#define CAPFUL_POLICY_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "policy/constraint.h"

/* Objects with more members are not compared: a member is looked for among all. */
#define VALUE_MEMBERS 64
/* Deeper values are not compared; arguments never are. */
#define VALUE_DEPTH   100

enum kind {
    KIND_NUMBER = 1 << YYJSON_TYPE_RAW,
    KIND_NULL = 1 << YYJSON_TYPE_NULL,
    KIND_BOOLEAN = 1 << YYJSON_TYPE_BOOL,
    KIND_STRING = 1 << YYJSON_TYPE_STR,
    KIND_LIST = 1 << YYJSON_TYPE_ARR,
    KIND_OBJECT = 1 << YYJSON_TYPE_OBJ,
    KIND_ANY = KIND_NUMBER | KIND_NULL | KIND_BOOLEAN | KIND_STRING | KIND_LIST | KIND_OBJECT
};

static inline unsigned value_kind(yyjson_val *value)
{
    return 1u << unsafe_yyjson_get_type(value);
}

/* As within lists and objects: values of different kinds are unequal. */
enum outcome value_equal(yyjson_val *a, yyjson_val *b);
/* As at a place: what is of different kinds cannot be told, but for null. */
enum outcome value_same(yyjson_val *a, yyjson_val *b);
/* Whether nothing in it keeps it from being compared. */
bool value_is_judged(yyjson_val *value);
/* By code points. */
int str_order(struct str a, struct str b);
/* Code points of UTF-8. */
size_t str_length(struct str text);

#endif
