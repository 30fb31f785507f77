/* What was used up: calls, rates, sums, values used once. A call reserves all of it or nothing,
 * before the tool is called.
 *
 * Counters live in three stores: of the run, of the sandbox, and of the account, which others may
 * share. A reservation is a transaction over those that it needs; what cannot be read or written
 * refuses the call. Keys: the grant's key, one byte for the kind, and for counted operators the
 * hash of place and value.
 */
#ifndef CAPFUL_POLICY_BUDGET_H
#define CAPFUL_POLICY_BUDGET_H

#include "policy/grant.h"
#include "policy/store.h"

/* The stores of a run. `account` may be the sandbox's, too; the names are the accounts within. */
struct ledger {
    struct store *run, *sandbox, *account;
    struct str sandbox_name, account_name;
};

enum budget_answer { BUDGET_OK, BUDGET_CALLS, BUDGET_RATE, BUDGET_COUNTED, BUDGET_FAILED };

/* An open reservation. */
struct reservation {
    const struct ledger *ledger;
    bool open[3]; /* by enum scope */
};

void reservation_begin(struct reservation *reservation, const struct ledger *ledger);
/* Takes what a call through one grant (this node alone) uses; not BUDGET_OK: `why` says what is
 * used up, or that the counters cannot be read, and the reservation must be undone. */
enum budget_answer reservation_take(struct reservation *reservation, const struct grant *grant,
                                    const struct facts *facts, struct buf *why);
/* Touches labels for the account and reads what it had touched. */
bool reservation_touched(struct reservation *reservation, const struct labels *labels,
                         label_set *ret);
bool reservation_touch(struct reservation *reservation, const struct labels *labels,
                       label_set more);
/* False: nothing was reserved after all; store_problem of the account's says why. */
bool reservation_commit(struct reservation *reservation);
void reservation_undo(struct reservation *reservation);

/* Gives back what a failed call through this node took of calls and sums. */
bool budget_give_back(const struct ledger *ledger, const struct grant *grant,
                      const struct facts *facts);

/* Clears, in an open transaction, everything but what was touched (`use`), or that alone. */
bool budget_clear(struct store *store, bool use);

/* What is left of one budget; GRANT_UNLIMITED if the grant has none for that scope. False: cannot
 * be read. */
bool budget_calls_left(const struct ledger *ledger, const struct grant *grant, size_t index,
                       uint64_t *ret);

#endif
