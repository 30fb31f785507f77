/* Grants: capabilities to call tools, in a tree.
 *
 *     policy's list      refund-small        github.*           roots: immutable, counted
 *                          /        \            |
 *     derived        by the host   by a guest   by an approval
 *
 * A derived grant holds its parent and only what narrows it.  A call through it must pass every
 * node from the root down, and draws on the budgets of all, so that it is narrower by construction.
 * Revoking sets a flag that is looked at from the leaf up: everything beneath ends with it, in
 * every sandbox and thread that uses it.
 */
#ifndef CAPFUL_POLICY_GRANT_H
#define CAPFUL_POLICY_GRANT_H

#include <stdatomic.h>

#include "base/json.h"
#include "policy/constraint.h"
#include "policy/label.h"
#include "policy/pointer.h"

#define GRANT_DEPTH     16  /* nodes on a way from a leaf to its root, at most */
#define GRANT_NAME_MAX  200 /* bytes */
#define GRANT_CALLS_MAX 3   /* one budget for each scope */
#define GRANT_BINDS_MAX 64
#define GRANT_UNLIMITED UINT64_MAX

struct call_budget {
    uint64_t n;
    enum scope scope;
};

struct rate {
    uint64_t n;       /* calls in each period; 0: no rate */
    uint64_t period;  /* ns */
    const char *unit; /* "a minute" */
};

/* A parameter that the host fills in. */
struct bind {
    char *name;
    char *value;            /* JSON text, or NULL: */
    struct pointer context; /* what stands there in the context of the run */
};

struct result_rule {
    struct pointer *drop, *mask;
    size_t n_drop, n_mask;
    uint64_t max; /* bytes; GRANT_UNLIMITED */
};

enum approve { APPROVE_NEVER, APPROVE_ALWAYS, APPROVE_WHEN };

/* The names that a root is for, as written in the policy. */
struct grant_tools {
    char **patterns;
    size_t n;
};

struct grant {
    _Atomic uint32_t refs;
    _Atomic bool revoked;
    struct grant *parent; /* NULL: a root */
    unsigned depth;       /* of a root 0 */
    /* It ends with its run: its counters live there, whatever their scope. */
    bool transient;
    char *name;
    uint8_t key[16]; /* what its counters are known by */
    struct grant_tools tools;
    struct where *where; /* NULL: none */
    struct call_budget calls[GRANT_CALLS_MAX];
    size_t n_calls;
    struct rate rate;
    uint64_t expires; /* ns since 1970; GRANT_UNLIMITED */
    struct bind *binds;
    size_t n_binds;
    label_set labels;
    enum approve approve;
    struct where *approve_when;
    struct result_rule result;
    bool future, additional, free_failures, withhold;
};

struct grant *grant_ref(struct grant *grant); /* any thread */
void grant_unref(struct grant *grant);        /* any thread; NULL is fine */

/* Reads what a list of grants has: a name, a pattern or an object.  `number` is its place in the
 * list, from 1.  Labels are added to `labels`.  Every problem is reported; NULL then, or when
 * memory is short. */
struct grant *grant_load(yyjson_val *value, size_t number, struct labels *labels,
                         const struct constraint_reader *reader, bool *ret_nomem);
/* One that allows a single tool everything. NULL: memory. */
struct grant *grant_plain(struct str tool);
/* A child of `parent` (a reference is taken).  `narrowing` is an object with the keys that a
 * derived grant may have; labels must be known.  `name`: of the new grant, unless the narrowing has
 * one; `serial` makes its counters its own.  Problems as above; deeper than GRANT_DEPTH is one, at
 * the object. */
struct grant *grant_derive(struct grant *parent, yyjson_val *narrowing, struct str name,
                           uint64_t serial, bool transient, const struct labels *labels,
                           const struct constraint_reader *reader, bool *ret_nomem);

/* One of a policy that extends another, the `level`th above it: a narrowing that also has `tool`,
 * or a name or pattern alone.  What it counts is known by what it is itself, so that all that are
 * made of it for several parents count together.  `parent` NULL: it is only looked at for problems.
 * Not deeper than GRANT_DEPTH: that is the caller's to see to. */
struct grant *grant_narrow(yyjson_val *value, size_t number, unsigned level, struct grant *parent,
                           struct labels *labels, const struct constraint_reader *reader,
                           bool *ret_nomem);

/* Ends it and what is derived from it.  Any thread. */
void grant_revoke(struct grant *grant);
/* The node that ends it, or NULL: itself or an ancestor was revoked. */
const struct grant *grant_revoked(const struct grant *grant);
static inline const struct grant *grant_root(const struct grant *grant)
{
    while (grant->parent)
        grant = grant->parent;
    return grant;
}
/* Its nodes from the root down. */
struct grant_chain {
    const struct grant *nodes[GRANT_DEPTH];
    size_t n;
};
void grant_chain(const struct grant *grant, struct grant_chain *ret);
bool grant_binds(const struct grant *root, struct str name);
label_set grant_labels(const struct grant *grant); /* its own and its ancestors' */

#endif
