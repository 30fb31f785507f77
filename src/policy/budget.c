/* See budget.h. */
#include "policy/budget.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/sha256.h"

enum kind {
    KIND_CALLS = 'c',
    KIND_RATE = 'r',
    KIND_SUM = 's',
    KIND_VALUE = 'v',
    KIND_DISTINCT = 'd'
};

#define TOUCHED "touched:"
#define KEY_MAX (16 + 1 + 16 + 16)

struct key {
    char bytes[KEY_MAX];
    size_t len;
};

static struct str key_str(const struct key *key)
{
    return (struct str){key->bytes, key->len};
}

static struct key make_key(const struct grant *grant, enum kind kind)
{
    struct key key = {.len = 17};
    memcpy(key.bytes, grant->key, 16);
    key.bytes[16] = (char)kind;
    return key;
}

/* Of an operator that counts; with a value, of that value. */
static struct key counted_key(const struct grant *grant, enum kind kind,
                              const struct counted *counted, const struct value_key *value)
{
    struct key key = make_key(grant, kind);
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    const uint8_t what[2] = {(uint8_t)counted->kind, (uint8_t)counted->scope};
    sha256_init(&hash);
    sha256_add(&hash, what, sizeof what);
    sha256_add(&hash, counted->place.ptr, counted->place.len);
    sha256_end(&hash, digest);
    memcpy(key.bytes + key.len, digest, 16);
    key.len += 16;
    if (value) {
        memcpy(key.bytes + key.len, value->bytes, 16);
        key.len += 16;
    }
    return key;
}

/* ------------------------------------------------------------------ stores */

static struct store *store_of(const struct ledger *ledger, enum scope scope)
{
    return scope == SCOPE_RUN       ? ledger->run
           : scope == SCOPE_SANDBOX ? ledger->sandbox
                                    : ledger->account;
}

static struct str name_of(const struct ledger *ledger, enum scope scope)
{
    return scope == SCOPE_RUN       ? STR("run")
           : scope == SCOPE_SANDBOX ? ledger->sandbox_name
                                    : ledger->account_name;
}

/* Counters of a grant that ends with its run are of the run. Where the sandbox is the account, one
 * transaction serves both. */
static enum scope scope_for(const struct ledger *ledger, const struct grant *grant,
                            enum scope scope)
{
    if (grant->transient)
        return SCOPE_RUN;
    return scope == SCOPE_ACCOUNT && ledger->account == ledger->sandbox ? SCOPE_SANDBOX : scope;
}

void reservation_begin(struct reservation *reservation, const struct ledger *ledger)
{
    *reservation = (struct reservation){.ledger = ledger};
}

static struct store *open_store(struct reservation *reservation, const struct grant *grant,
                                enum scope scope)
{
    const struct ledger *ledger = reservation->ledger;
    scope = scope_for(ledger, grant, scope);
    struct store *store = store_of(ledger, scope);
    if (!reservation->open[scope] && !store_begin(store, name_of(ledger, scope)))
        return NULL;
    reservation->open[scope] = true;
    return store;
}

/* The account's first: it may fail, the others cannot. */
bool reservation_commit(struct reservation *reservation)
{
    bool ok = true;
    for (int scope = SCOPE_ACCOUNT; scope >= SCOPE_RUN; scope--) {
        struct store *store = store_of(reservation->ledger, (enum scope)scope);
        if (!reservation->open[scope])
            continue;
        if (ok)
            ok = store_commit(store);
        else
            store_rollback(store);
        reservation->open[scope] = false;
    }
    return ok;
}

void reservation_undo(struct reservation *reservation)
{
    for (int scope = SCOPE_RUN; scope <= SCOPE_ACCOUNT; scope++)
        if (reservation->open[scope])
            store_rollback(store_of(reservation->ledger, (enum scope)scope));
    memset(reservation->open, 0, sizeof reservation->open);
}

/* A counter that is not there is 0; one of another size is not ours. */
static bool get(struct store *store, const struct key *key, void *ret, size_t size)
{
    struct store_value value;
    bool found;
    memset(ret, 0, size);
    if (!store_get(store, key_str(key), &value, &found))
        return false;
    if (!found)
        return true;
    if (value.len != size)
        return false;
    memcpy(ret, value.data, size);
    return true;
}

static bool put(struct store *store, const struct key *key, const void *data, size_t size)
{
    return store_put(store, key_str(key), data, size);
}

static enum budget_answer failed(struct buf *why)
{
    buf_clear(why);
    buf_add_text(why, "what was used so far cannot be told");
    return BUDGET_FAILED;
}

/* ------------------------------------------------------------------ calls and rates */

static struct key calls_key(const struct grant *grant, size_t index)
{
    struct key key = make_key(grant, KIND_CALLS);
    key.bytes[key.len++] = (char)grant->calls[index].scope;
    return key;
}

static enum budget_answer take_call(struct reservation *reservation, const struct grant *grant,
                                    size_t index, struct buf *why)
{
    static const char *const per[] = {" a run", " in this sandbox", ""};
    const struct call_budget *budget = &grant->calls[index];
    struct store *store = open_store(reservation, grant, budget->scope);
    struct key key = calls_key(grant, index);
    uint64_t used;
    if (!store || !get(store, &key, &used, sizeof used))
        return failed(why);
    if (used >= budget->n) {
        buf_printf(why, "its budget of %llu call%s%s is used up", (unsigned long long)budget->n,
                   budget->n == 1 ? "" : "s", per[budget->scope]);
        return BUDGET_CALLS;
    }
    used++;
    return put(store, &key, &used, sizeof used) ? BUDGET_OK : failed(why);
}

/* A bucket of n calls that gains n in each period: kept in units of 1/period calls, so that a
 * nanosecond gains n of them and nothing is rounded. What is missing is kept, so that no record
 * means full. */
struct bucket {
    uint64_t time; /* of the last look; never goes back */
    uint64_t missing_low, missing_high;
};

static enum budget_answer take_rate(struct reservation *reservation, const struct grant *grant,
                                    uint64_t now, struct buf *why)
{
    const struct rate *rate = &grant->rate;
    struct store *store = open_store(reservation, grant, SCOPE_ACCOUNT);
    struct key key = make_key(grant, KIND_RATE);
    struct bucket bucket;
    if (!store || !get(store, &key, &bucket, sizeof bucket))
        return failed(why);
    unsigned __int128 missing = (unsigned __int128)bucket.missing_high << 64 | bucket.missing_low;
    unsigned __int128 gained =
        now > bucket.time ? (unsigned __int128)(now - bucket.time) * rate->n : 0;
    unsigned __int128 full = (unsigned __int128)rate->period * rate->n;
    missing = missing > gained ? missing - gained : 0;
    if (missing > full - rate->period) {
        unsigned __int128 second = (unsigned __int128)rate->n * 1000000000;
        uint64_t wait = (uint64_t)((missing - (full - rate->period) + second - 1) / second);
        buf_printf(why, "it may be called %llu time%s %s; try again in %llu s",
                   (unsigned long long)rate->n, rate->n == 1 ? "" : "s", rate->unit,
                   (unsigned long long)wait);
        return BUDGET_RATE;
    }
    missing += rate->period;
    bucket.time = now > bucket.time ? now : bucket.time;
    bucket.missing_low = (uint64_t)missing;
    bucket.missing_high = (uint64_t)(missing >> 64);
    return put(store, &key, &bucket, sizeof bucket) ? BUDGET_OK : failed(why);
}

/* ------------------------------------------------------------------ counted values */

struct taking {
    struct reservation *reservation;
    const struct grant *grant;
    struct buf *why;
    enum budget_answer answer;
};

static bool refuse(struct taking *t, const struct counted *counted)
{
    buf_clear(t->why);
    counted_refusal(counted, t->why);
    t->answer = BUDGET_COUNTED;
    return false;
}

static bool broken(struct taking *t)
{
    t->answer = failed(t->why);
    return false;
}

static bool keep_count(struct taking *t, struct store *store, const struct key *key,
                       const void *data, size_t size)
{
    if (!put(store, key, data, size))
        return broken(t);
    return true;
}

static bool take_sum(struct taking *t, struct store *store, const struct counted *counted,
                     fixed18 value)
{
    struct key key = counted_key(t->grant, KIND_SUM, counted, NULL);
    fixed18 sum;
    if (!get(store, &key, &sum, sizeof sum))
        return broken(t);
    if (sum > counted->max_sum || value > counted->max_sum - sum)
        return refuse(t, counted);
    sum += value;
    return keep_count(t, store, &key, &sum, sizeof sum);
}

static bool take_distinct(struct taking *t, struct store *store, const struct counted *counted)
{
    struct key key = counted_key(t->grant, KIND_DISTINCT, counted, NULL);
    uint64_t n;
    if (!get(store, &key, &n, sizeof n))
        return broken(t);
    if (n >= counted->max_distinct)
        return refuse(t, counted);
    n++;
    return keep_count(t, store, &key, &n, sizeof n);
}

/* A value that may be used once, or is one of several that may be used. */
static bool take_value(struct taking *t, struct store *store, const struct counted *counted,
                       const struct value_key *value)
{
    struct key key = counted_key(t->grant, KIND_VALUE, counted, value);
    uint8_t there;
    if (!get(store, &key, &there, sizeof there))
        return broken(t);
    if (there && counted->kind == COUNTED_ONCE)
        return refuse(t, counted);
    if (there)
        return true;
    there = 1;
    return keep_count(t, store, &key, &there, sizeof there) &&
           (counted->kind == COUNTED_ONCE || take_distinct(t, store, counted));
}

static bool take_counted(void *context, const struct counted *counted,
                         const struct value_key *value, fixed18 sum)
{
    struct taking *t = context;
    struct store *store = open_store(t->reservation, t->grant, counted->scope);
    if (!store)
        return broken(t);
    return counted->kind == COUNTED_SUM ? take_sum(t, store, counted, sum)
                                        : take_value(t, store, counted, value);
}

enum budget_answer reservation_take(struct reservation *reservation, const struct grant *grant,
                                    const struct facts *facts, struct buf *why)
{
    struct taking taking = {reservation, grant, why, BUDGET_OK};
    enum budget_answer answer = BUDGET_OK;
    if (grant->where && where_counts(grant->where) &&
        !where_each_counted(grant->where, facts, take_counted, &taking))
        return taking.answer != BUDGET_OK ? taking.answer : failed(why);
    for (size_t i = 0; i < grant->n_calls && answer == BUDGET_OK; i++)
        answer = take_call(reservation, grant, i, why);
    if (answer == BUDGET_OK && grant->rate.n)
        answer = take_rate(reservation, grant, facts->now, why);
    return answer;
}

/* ------------------------------------------------------------------ labels */

/* What an account touched stands under "touched:" and the name, so that it outlives a change of the
 * policy. */
static struct key label_key(const char *name)
{
    struct key key;
    int len = snprintf(key.bytes, sizeof key.bytes, TOUCHED);
    size_t n = strlen(name);
    if (n <= sizeof key.bytes - (size_t)len) {
        memcpy(key.bytes + len, name, n);
        key.len = (size_t)len + n;
        return key;
    }
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    sha256_init(&hash);
    sha256_add(&hash, name, n);
    sha256_end(&hash, digest);
    memcpy(key.bytes + len, digest, SHA256_SIZE);
    key.len = (size_t)len + SHA256_SIZE;
    return key;
}

static struct store *open_account(struct reservation *reservation)
{
    static const struct grant any = {.parent = NULL};
    return open_store(reservation, &any, SCOPE_ACCOUNT);
}

bool reservation_touched(struct reservation *reservation, const struct labels *labels,
                         label_set *ret)
{
    struct store *store = open_account(reservation);
    label_set touched = 0;
    if (!store)
        return false;
    for (size_t i = 0; i < labels->n; i++) {
        struct key key = label_key(labels->names[i]);
        uint8_t there;
        if (!get(store, &key, &there, sizeof there))
            return false;
        touched |= (label_set)(there != 0) << i;
    }
    *ret = touched;
    return true;
}

bool reservation_touch(struct reservation *reservation, const struct labels *labels, label_set more)
{
    const uint8_t one = 1;
    struct store *store = more ? open_account(reservation) : NULL;
    for (size_t i = 0; more && i < labels->n; i++) {
        struct key key = label_key(labels->names[i]);
        if ((more >> i & 1) && (!store || !put(store, &key, &one, sizeof one)))
            return false;
    }
    return true;
}

/* What was touched is kept aside while the rest goes: labels of every policy that the account had,
 * which may be more than one policy has. */
struct kept {
    struct key *keys;
    size_t n, alloc;
    bool failed;
};

static bool keep(void *context, struct str key, const struct store_value *value)
{
    struct kept *kept = context;
    (void)value;
    if (kept->n == kept->alloc) {
        size_t alloc = kept->alloc ? 2 * kept->alloc : LABELS_MAX;
        struct key *more = mem_resize_array(kept->keys, alloc, sizeof *more);
        kept->failed = !more;
        if (kept->failed)
            return false;
        kept->keys = more;
        kept->alloc = alloc;
    }
    kept->failed = key.len > KEY_MAX; /* none of ours */
    if (kept->failed)
        return false;
    memcpy(kept->keys[kept->n].bytes, key.ptr, key.len);
    kept->keys[kept->n++].len = key.len;
    return true;
}

bool budget_clear(struct store *store, bool use)
{
    const uint8_t one = 1;
    struct kept kept = {.n = 0};
    if (!use)
        return store_clear(store, STR(TOUCHED));
    bool ok =
        store_each(store, STR(TOUCHED), keep, &kept) && !kept.failed && store_clear(store, STR(""));
    for (size_t i = 0; ok && i < kept.n; i++)
        ok = put(store, &kept.keys[i], &one, sizeof one);
    mem_free(kept.keys);
    return ok;
}

/* ------------------------------------------------------------------ giving back, looking */

static bool return_sum(void *context, const struct counted *counted, const struct value_key *value,
                       fixed18 amount)
{
    struct taking *t = context;
    (void)value;
    if (counted->kind != COUNTED_SUM)
        return true;
    struct store *store = open_store(t->reservation, t->grant, counted->scope);
    struct key key = counted_key(t->grant, KIND_SUM, counted, NULL);
    fixed18 sum;
    if (!store || !get(store, &key, &sum, sizeof sum))
        return false;
    sum = sum > amount ? sum - amount : 0;
    return put(store, &key, &sum, sizeof sum);
}

static bool return_call(struct reservation *reservation, const struct grant *grant, size_t index)
{
    struct store *store = open_store(reservation, grant, grant->calls[index].scope);
    struct key key = calls_key(grant, index);
    uint64_t used;
    if (!store || !get(store, &key, &used, sizeof used))
        return false;
    used -= used > 0;
    return put(store, &key, &used, sizeof used);
}

bool budget_give_back(const struct ledger *ledger, const struct grant *grant,
                      const struct facts *facts)
{
    struct reservation reservation;
    struct taking taking = {&reservation, grant, NULL, BUDGET_OK};
    reservation_begin(&reservation, ledger);
    bool ok = !grant->where || !where_counts(grant->where) ||
              where_each_counted(grant->where, facts, return_sum, &taking);
    for (size_t i = 0; ok && i < grant->n_calls; i++)
        ok = return_call(&reservation, grant, i);
    if (ok)
        return reservation_commit(&reservation);
    reservation_undo(&reservation);
    return false;
}

bool budget_calls_left(const struct ledger *ledger, const struct grant *grant, size_t index,
                       uint64_t *ret)
{
    struct reservation reservation;
    uint64_t used;
    reservation_begin(&reservation, ledger);
    struct store *store = open_store(&reservation, grant, grant->calls[index].scope);
    struct key key = calls_key(grant, index);
    bool ok = store && get(store, &key, &used, sizeof used);
    reservation_undo(&reservation);
    if (ok)
        *ret = used < grant->calls[index].n ? grant->calls[index].n - used : 0;
    return ok;
}
