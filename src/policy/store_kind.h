/* What a kind of store brings; for store.c and the kinds themselves. */
#ifndef CAPFUL_POLICY_STORE_KIND_H
#define CAPFUL_POLICY_STORE_KIND_H

#include <pthread.h>
#include <stdatomic.h>

#include "policy/store.h"

/* Called by the thread that holds the lock.  The sizes of keys and values are checked, and after a
 * false nothing follows but `rollback`.  A false comes with store_fail. */
struct store_kind {
    bool (*begin)(struct store *store, struct str account);
    bool (*get)(struct store *store, struct str key, struct store_value *ret, bool *ret_found);
    bool (*put)(struct store *store, struct str key, const void *data, size_t len);
    bool (*remove)(struct store *store, struct str key);
    bool (*clear)(struct store *store, struct str prefix);
    bool (*each)(struct store *store, struct str prefix, store_visit *visit, void *context);
    bool (*commit)(struct store *store);
    void (*rollback)(struct store *store);
    void (*free)(struct store *store); /* the store itself, too */
};

struct store { /* the beginning of each kind's own struct */
    const struct store_kind *kind;
    pthread_mutex_t lock;
    unsigned wait_ms;
    _Atomic(const char *) owner; /* stands for the thread in a transaction; NULL: none is */
    bool failed;                 /* in this transaction */
    bool visiting;               /* within store_each */
};

/* The bits of a struct store that are the same for all. */
void store_init(struct store *store, const struct store_kind *kind);
void store_release(struct store *store);
/* Notes the problem for this thread; false. */
bool store_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline bool store_has_prefix(struct str text, struct str prefix)
{
    return text.len >= prefix.len &&
           (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

#endif
