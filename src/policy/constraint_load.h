/* What the compiling of constraints shares: constraint_load.c goes from places to operators,
 * constraint_op.c knows what each operator takes.  Private to them. */
#ifndef CAPFUL_POLICY_CONSTRAINT_LOAD_H
#define CAPFUL_POLICY_CONSTRAINT_LOAD_H

#include "policy/constraint_parts.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct load {
    struct where *where;
    yyjson_val *original; /* what the root of the copy was made from */
    const struct constraint_reader *reader;
    bool condition, failed, nomem;
    bool in_url; /* within the path of a URL, which is none */
};

/* Where a part of the policy stands: a key, the value to it, and how deep in operators. */
struct spot {
    yyjson_val *key, *value;
    unsigned depth;
    struct place *place; /* not NULL: directly in a value of where */
};

/* How much of a piece of the policy is shown in a message. */
int rule_shown(struct str text);
void rule_problem_at(struct load *load, yyjson_val *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "KEY": WHAT */
void rule_problem(struct load *load, const struct spot *spot, const char *what);
void rule_unknown_key(struct load *load, yyjson_val *key, const char *known);
/* Notes a problem if `is` is false, and answers it. */
bool rule_wants(struct load *load, const struct spot *spot, const char *what, bool is);
/* Zeroed; NULL is noted. */
void *rule_allocate(struct load *load, size_t count, size_t size);

/* A constraint: operators, or short forms of eq and in. */
void rule_load(struct load *load, const struct spot *spot, struct rule *rule);
void rule_load_any(struct load *load, const struct spot *spot, struct node *node);
void rule_load_in(struct load *load, const struct spot *spot, struct node *node);

struct operator
{
    const char *name;
    enum op op;
    void (*load)(struct load *load, const struct spot *spot, struct node *node);
};
extern const struct operator rule_operators[];
extern const size_t n_rule_operators;

#endif
