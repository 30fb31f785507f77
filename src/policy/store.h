/* Where the state of accounts lives: what is used of budgets and rates, totals, values that were
 * used up, labels that were touched.
 *
 * A store holds small values under keys, each account having keys of its own.  Everything is done
 * within a transaction on one account: all of it comes true with store_commit, or none.
 *
 *     if (store_begin(store, account)) {
 *         if (store_get(store, key, &value, &found) && may(&value) && store_put(store, key, …))
 *             done = store_commit(store);
 *         else
 *             store_rollback(store);
 *     }
 *
 * Every false means that the question cannot be answered, and so that what was asked for is denied.
 * After the first false of a transaction all its other calls answer false too, and store_commit
 * takes everything back; so a caller may look at the answer of store_commit alone.
 *
 * Two kinds: in memory, gone with the process; or in a SQLite file, which several processes may use
 * at once, and which loses nothing that was committed, not even when power fails.
 *
 * Threads: any number may use a store.  A transaction keeps the others waiting, from store_begin
 * to store_commit or store_rollback in the same thread, so nothing slow belongs inside.  A thread
 * that waits too long gets false.  After fork, the child must not touch a store of its parent. */
#ifndef CAPFUL_POLICY_STORE_H
#define CAPFUL_POLICY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "capful/capful.h"

#define STORE_NAME_MAX  255 /* bytes of an account's name and of a key; any bytes */
#define STORE_VALUE_MAX 64
#define STORE_WAIT_MS   5000 /* for other threads, and as long again for other processes */

struct store;

struct store_value {
    size_t len;
    unsigned char data[STORE_VALUE_MAX];
};

/* At most `max` values in all accounts: one more is a false.  0, or CAPFUL_ENOMEM, or
 * CAPFUL_ENOTSUP where the host gives no random bytes. */
int store_memory_new(size_t max, struct store **ret);
/* Opens a state file, or creates it for its owner alone.  CAPFUL_EINVAL: the file is not one of
 * ours, or of another version, or damaged.  CAPFUL_EFILE: it cannot be opened, read and written.
 * CAPFUL_ENOMEM.  A file grows up to 1 GiB; beside it lie `-wal` and `-shm`, which belong to it. It
 * must be on a local file system. */
int store_sqlite_open(const char *path, struct store **ret, struct capful_error *err);
/* No thread may be in a transaction. NULL is allowed. */
void store_free(struct store *store);
/* Before others use it: another time than STORE_WAIT_MS. */
void store_set_wait(struct store *store, unsigned ms);

bool store_begin(struct store *store, struct str account);
/* *ret is set only where something was found. */
bool store_get(struct store *store, struct str key, struct store_value *ret, bool *ret_found);
bool store_put(struct store *store, struct str key, const void *data, size_t len);
bool store_delete(struct store *store, struct str key); /* true if there was nothing, too */
/* For the host: takes away all keys that begin with `prefix`; "" is the whole account. */
bool store_clear(struct store *store, struct str prefix);
/* Calls `visit` for these keys, in no useful order, until it answers false; that is no failure. It
 * must not use the store, and key and value are valid within the call only. */
typedef bool store_visit(void *context, struct str key, const struct store_value *value);
bool store_each(struct store *store, struct str prefix, store_visit *visit, void *context);
bool store_commit(struct store *store); /* ends the transaction in either case */
void store_rollback(struct store *store);

/* One line that says why the calling thread's last call to fail did; "" before any has. Valid until
 * the next one. */
const char *store_problem(const struct store *store);

#endif
