/* What a where is made of.  Private to constraint*.c and expr.c.
 *
 *   where ── places ── rule ── nodes (operators, all of which must hold) ── rules …
 *
 * A where has a copy of its text's tree of its own; operands are values of that copy. */
#ifndef CAPFUL_POLICY_CONSTRAINT_PARTS_H
#define CAPFUL_POLICY_CONSTRAINT_PARTS_H

#include "policy/decimal.h"
#include "policy/pointer.h"
#include "policy/time.h"
#include "policy/value.h"

#define WHERE_REFERENCES 64 /* different pointers into arguments and context */

enum op {
    OP_EQ,
    OP_NE,
    OP_IN,
    OP_NOT_IN,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_STARTS_WITH,
    OP_ENDS_WITH,
    OP_CONTAINS,
    OP_MATCHES,
    OP_TYPE,
    OP_LEN,
    OP_EACH,
    OP_SOME,
    OP_KEYS,
    OP_NOT,
    OP_ALL,
    OP_ANY,
    OP_UNDER,
    OP_URL,
    OP_BEFORE,
    OP_AFTER,
    OP_SEEN_IN,
    OP_NFC
};

struct node;

struct rule {
    size_t n;
    struct node *nodes;
};

/* A value, or what stands somewhere when the call comes. */
struct operand {
    yyjson_val *value; /* NULL: reference */
    unsigned reference;
    yyjson_val made; /* what `value` points to, if it stands in no tree */
    struct decimal number;
};

/* What "in" searches without looking at all of it. */
struct set {
    unsigned kinds; /* of the elements */
    size_t n_strings, n_numbers, n_others;
    struct str *strings;     /* sorted */
    struct decimal *numbers; /* sorted */
    yyjson_val **others;
};

struct node {
    enum op op;
    struct operand operand;
    union {
        struct {
            size_t n;
            struct rule *list;
        } rules;        /* not, all, any, len, each, some, keys */
        struct set set; /* in, not_in with a list */
        struct {
            unsigned kinds;
            bool integer; /* numbers that are whole */
        } type;
        struct {
            moment at; /* ns since 1970, or since now */
            bool from_now;
        } time; /* before, after with a text */
        struct {
            size_t first, n;
        } sources;            /* seen_in: of where.sources */
        void *regex;          /* matches; the pattern is the operand */
        struct url_rule *url; /* url */
    };
};

/* Of "url"; each list is one of the where's tree or NULL. */
struct url_rule {
    yyjson_val *hosts, *schemes; /* strings; no schemes: https */
    yyjson_val *ports;           /* numbers; none: the scheme's own */
    struct rule path;            /* perhaps empty */
};

enum presence { PRESENCE_NEEDED, PRESENCE_OPTIONAL, PRESENCE_EXISTS, PRESENCE_NONE };

struct place {
    struct pointer pointer;
    enum presence presence;
    struct rule rule;
    size_t n_counted;
    struct counted counted[3];
};

struct reference {
    bool context;
    struct pointer pointer;
};

struct source {
    struct str tool, pointer;
    uint32_t number;
};

struct where {
    struct json json;
    size_t n_places, n_references, n_sources;
    struct place *places;
    struct reference references[WHERE_REFERENCES];
    struct source *sources;
};

/* One evaluation.  What references lead to is looked up once, since a program can make that long
 * and the values many. */
struct eval {
    const struct where *where;
    const struct facts *facts;
    uint64_t looked_up, roots_judged, roots_plain; /* a bit for each reference */
    yyjson_val *found[WHERE_REFERENCES];
    uint64_t fuel; /* how many elements may still be compared with lists that are referred to */
};

void eval_init(struct eval *eval, const struct where *where, const struct facts *facts);
enum outcome rule_check(struct eval *eval, const struct rule *rule, yyjson_val *value);
enum outcome node_check(struct eval *eval, const struct node *node, yyjson_val *value);
/* Whether a value is of the kind that is counted so. */
bool counted_can(const struct counted *counted, yyjson_val *value);

/* constraint_words.c: what is wrong with a place whose outcome was not YES. */
void place_explain(struct eval *eval, const struct place *place, struct buf *out);

/* expr.c: reads a line into nodes (n of them, on the heap) whose operands' text is borrowed.  NULL,
 * or what is wrong; *ret_nomem then, too, when memory is short. */
const char *expr_read(struct str text, struct rule *ret, bool *ret_nomem);

#endif
