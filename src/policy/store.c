/* What is the same for all stores: sizes, the lock, and that a transaction which failed once has
 * failed. See store.h. */
#include "policy/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "policy/store_kind.h"

static _Thread_local char problem[300];
static _Thread_local char self; /* its address stands for the thread */

bool store_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(problem, sizeof problem, format, args);
    va_end(args);
    return false;
}

const char *store_problem(const struct store *store)
{
    (void)store;
    return problem;
}

void store_init(struct store *store, const struct store_kind *kind)
{
    memset(store, 0, sizeof *store);
    store->kind = kind;
    store->lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    store->wait_ms = STORE_WAIT_MS;
}

void store_release(struct store *store)
{
    pthread_mutex_destroy(&store->lock);
}

void store_free(struct store *store)
{
    if (store)
        store->kind->free(store);
}

void store_set_wait(struct store *store, unsigned ms)
{
    store->wait_ms = ms;
}

static bool is_ours(const struct store *store)
{
    return atomic_load_explicit(&store->owner, memory_order_relaxed) == &self;
}

static bool take_lock(struct store *store)
{
    struct timespec until;
    if (is_ours(store))
        return store_fail("the state is in a transaction of the same thread");
    if (pthread_mutex_trylock(&store->lock) == 0)
        return true;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + (uint64_t)store->wait_ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    if (pthread_mutex_timedlock(&store->lock, &until) == 0)
        return true;
    return store_fail("another thread has held the state for %u ms", store->wait_ms);
}

static void end(struct store *store)
{
    atomic_store_explicit(&store->owner, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&store->lock);
}

bool store_begin(struct store *store, struct str account)
{
    if (account.len > STORE_NAME_MAX)
        return store_fail("the name of an account is longer than %d bytes", STORE_NAME_MAX);
    if (!take_lock(store))
        return false;
    atomic_store_explicit(&store->owner, &self, memory_order_relaxed);
    store->failed = false;
    if (store->kind->begin(store, account))
        return true;
    end(store);
    return false;
}

/* Whether the transaction may go on, and the key may be asked for. */
static bool may(struct store *store, struct str key)
{
    if (!is_ours(store))
        return store_fail("there is no transaction");
    if (store->failed)
        return false;
    if (store->visiting) {
        store->failed = true;
        return store_fail("the state is used while it is being listed");
    }
    if (key.len <= STORE_NAME_MAX)
        return true;
    store->failed = true;
    return store_fail("a key of the state is longer than %d bytes", STORE_NAME_MAX);
}

static bool noted(struct store *store, bool ok)
{
    if (!ok)
        store->failed = true;
    return ok;
}

bool store_get(struct store *store, struct str key, struct store_value *ret, bool *ret_found)
{
    return may(store, key) && noted(store, store->kind->get(store, key, ret, ret_found));
}

bool store_put(struct store *store, struct str key, const void *data, size_t len)
{
    if (!may(store, key))
        return false;
    if (len > STORE_VALUE_MAX)
        return noted(store,
                     store_fail("a value of the state is longer than %d bytes", STORE_VALUE_MAX));
    return noted(store, store->kind->put(store, key, data, len));
}

bool store_delete(struct store *store, struct str key)
{
    return may(store, key) && noted(store, store->kind->remove(store, key));
}

bool store_clear(struct store *store, struct str prefix)
{
    return may(store, prefix) && noted(store, store->kind->clear(store, prefix));
}

bool store_each(struct store *store, struct str prefix, store_visit *visit, void *context)
{
    if (!may(store, prefix))
        return false;
    store->visiting = true;
    bool ok = store->kind->each(store, prefix, visit, context);
    store->visiting = false;
    return noted(store, ok) && !store->failed;
}

/* Whether the transaction may be ended. */
static bool may_end(struct store *store)
{
    return may(store, STR("")) || (is_ours(store) && !store->visiting);
}

bool store_commit(struct store *store)
{
    if (!may_end(store))
        return false;
    bool ok = !store->failed && store->kind->commit(store);
    if (!ok)
        store->kind->rollback(store);
    end(store);
    return ok;
}

void store_rollback(struct store *store)
{
    if (!may_end(store))
        return;
    store->kind->rollback(store);
    end(store);
}
