/* Constraints on the arguments of a call: compiled once when a policy is loaded, evaluated for each
 * call.  What each operator means stands in capful-policy(5), "CONSTRAINTS"; nothing else decides.
 *
 *   where object ── where_new ──> struct where ── where_check(facts) ──> outcome, and why
 *
 * Evaluation is pure and allocates nothing: three operators (one_time, sum_le, distinct_le) need
 * what was counted before, and only say what is to be counted (where_each_counted); the rest is
 * budget.c's.  A compiled where does not change and may be used by any number of threads.  The
 * stack must be a host's (regular expressions and URLs need 60 KiB and more).
 */
#ifndef CAPFUL_POLICY_CONSTRAINT_H
#define CAPFUL_POLICY_CONSTRAINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/str.h"

#define CONSTRAINT_DEPTH 16 /* levels of operators within operators */

/* NO and UNKNOWN both refuse; an approval's condition spares a question only where it is NO. */
enum outcome { OUTCOME_NO, OUTCOME_UNKNOWN, OUTCOME_YES };

enum scope { SCOPE_RUN, SCOPE_SANDBOX, SCOPE_ACCOUNT };

/* How problems of a policy text are told: at a key or value of the tree that is being read. */
struct constraint_reader {
    void (*problem)(void *context, yyjson_val *at, const char *text);
    void *context;
};

struct where;

/* `object` must be from json_parse (numbers raw).  Nothing of it is kept.  `condition`: what
 * `approve` takes, without the operators that count.  Every problem is reported; NULL then, or when
 * memory is short (*ret_nomem). */
struct where *where_new(yyjson_val *object, bool condition, const struct constraint_reader *reader,
                        bool *ret_nomem);
void where_free(struct where *where);

/* Whether it can be met by arguments that fit a tool's schema (a JSON Schema, an object, from
 * json_parse; local $ref are followed): reports parameters that the schema does not have and types
 * that can never match.  `additional`: arguments that it does not name are allowed anyway. */
bool where_fits(const struct where *where, yyjson_val *schema, bool additional,
                void (*problem)(void *context, struct str place, const char *text), void *context);

/* A value, known by 16 bytes of the SHA-256 of its canonical form: equal values, equal bytes. */
struct value_key {
    uint8_t bytes[16];
};
/* False: a number too long to be judged. */
bool value_key_of(yyjson_val *value, struct value_key *ret);

/* ------------------------------------------------------------------ evaluation */

struct facts {
    yyjson_val *arguments; /* an object from json_parse */
    yyjson_val *context;   /* likewise, or NULL */
    uint64_t now;          /* ns since 1970 */
    /* Whether a value stood at the source numbered so in an earlier result; NULL: nothing was. */
    bool (*seen)(void *context, uint32_t source, const struct value_key *value);
    void *seen_context;
};

/* `why` (may be NULL) gets, unless it holds, the first place that fails, in words, without the
 * tool's name: "amount must be at most 100 (was 5000)", "amount is missing".  Values are cut to 60
 * characters and control characters made visible. */
enum outcome where_check(const struct where *where, const struct facts *facts, struct buf *why);

/* In words for people and models, one line a place: "amount: more than 0, at most 100". */
void where_describe(const struct where *where, struct buf *out);

/* ---------------------------------------------------------------- what needs memory of its own */

enum counted_kind { COUNTED_ONCE, COUNTED_SUM, COUNTED_DISTINCT };

/* Sums are in units of 10^-18. */
typedef unsigned __int128 fixed18;

struct counted {
    enum counted_kind kind;
    enum scope scope;
    struct str place; /* as written in the policy: with kind and scope it is unique in its where */
    fixed18 max_sum;
    uint64_t max_distinct;
};

/* For each operator that counts and each value at its place (arguments that passed where_check):
 * `each` until it answers false.  `sum` is the value's for COUNTED_SUM, `key` for the others.
 * False if one did, or a value could not be counted. */
bool where_each_counted(const struct where *where, const struct facts *facts,
                        bool (*each)(void *context, const struct counted *counted,
                                     const struct value_key *key, fixed18 sum),
                        void *context);
/* Whether there is any such operator. */
bool where_counts(const struct where *where);
/* "amount: the sum would be over 1000": for the message, when such an operator refuses. */
void counted_refusal(const struct counted *counted, struct buf *out);

/* seen_in: calls `each` for every source, tool and pointer, in a fixed order; it answers the number
 * that facts.seen is asked with.  Once, before the first where_check.  False if it answers
 * UINT32_MAX. */
bool where_bind_sources(struct where *where,
                        uint32_t (*each)(void *context, struct str tool, struct str pointer),
                        void *context);

#endif
