/* Both kinds of store do the same, each step compared with a plain table; then what may go wrong:
 * memory, sizes, threads that meet, a thread that holds on. Files are in test_store_file.c. */
#include <pthread.h>

#include "base/mem.h"
#include "base/rand.h"
#include "policy/store.h"
#include "store_rig.h"
#include "tap.h"

#define MANY 1000000

/* Runs the case for a store of either kind. */
#define FOR_EACH_KIND(name)                                                                        \
    static void name(struct store *store);                                                         \
    TEST(store_##name)                                                                             \
    {                                                                                              \
        struct store *store;                                                                       \
        ASSERT(store_memory_new(MANY, &store) == 0);                                               \
        name(store);                                                                               \
        store_free(store);                                                                         \
        store = open_state("state");                                                               \
        name(store);                                                                               \
        store_free(store);                                                                         \
    }                                                                                              \
    static void name(struct store *store)

FOR_EACH_KIND(keeps_what_is_committed)
{
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(get(store, "x"), "-");
    OK(put(store, "x", "1"));
    OK(put(store, "", "empty key"));
    OK(store_put(store, STR("n"), NULL, 0));
    STR_EQ(get(store, "x"), "1");
    OK(put(store, "x", "22"));
    STR_EQ(get(store, "x"), "22");
    OK(store_commit(store));

    ASSERT(store_begin(store, STR("a")));
    STR_EQ(get(store, "x"), "22");
    STR_EQ(get(store, ""), "empty key");
    STR_EQ(get(store, "n"), "");
    OK(store_delete(store, STR("x")));
    OK(store_delete(store, STR("nowhere")));
    STR_EQ(get(store, "x"), "-");
    OK(store_commit(store));

    ASSERT(store_begin(store, STR("a")));
    STR_EQ(get(store, "x"), "-");
    STR_EQ(list(store, ""), "=empty key n= ");
    store_rollback(store);
}

FOR_EACH_KIND(takes_back_what_is_not)
{
    ASSERT(store_begin(store, STR("a")));
    OK(put(store, "kept", "1") && put(store, "gone", "2") && put(store, "p/1", "3"));
    OK(store_commit(store));

    ASSERT(store_begin(store, STR("a")));
    OK(put(store, "kept", "a longer value") && put(store, "kept", "x"));
    OK(put(store, "new", "1") && store_delete(store, STR("new")) && put(store, "new", "2"));
    OK(store_delete(store, STR("gone")) && put(store, "gone", "again"));
    OK(store_clear(store, STR("p/")) && put(store, "p/2", "4"));
    STR_EQ(list(store, ""), "gone=again kept=x new=2 p/2=4 ");
    store_rollback(store);

    ASSERT(store_begin(store, STR("b")));
    OK(put(store, "only", "1"));
    store_rollback(store);
    ASSERT(store_begin(store, STR("b")));
    STR_EQ(list(store, ""), "");
    OK(store_commit(store));

    ASSERT(store_begin(store, STR("a")));
    STR_EQ(list(store, ""), "gone=2 kept=1 p/1=3 ");
    store_rollback(store);
}

FOR_EACH_KIND(keeps_accounts_apart)
{
    static const char long_name[STORE_NAME_MAX] = "\xff\0x";
    const struct str names[] = {STR(""),     STR("a"), STR("a\0"),
                                STR("a\0b"), STR("b"), {long_name, sizeof long_name}};
    enum { N = sizeof names / sizeof *names };
    for (int i = 0; i < N; i++) {
        char text[2] = {(char)('0' + i), 0};
        ASSERT(store_begin(store, names[i]));
        STR_EQ(list(store, ""), "");
        OK(put(store, "k", text));
        OK(store_put(store, names[N - 1], text, 1));
        OK(store_commit(store));
    }
    ASSERT(store_begin(store, STR("a")));
    OK(store_clear(store, STR("")));
    OK(store_commit(store));
    for (int i = 0; i < N; i++) {
        char text[2] = {(char)('0' + i), 0};
        ASSERT(store_begin(store, names[i]));
        STR_EQ(get(store, "k"), i == 1 ? "-" : text);
        store_rollback(store);
    }
}

static bool stop_at_second(void *context, struct str key, const struct store_value *value)
{
    (void)key, (void)value;
    return ++*(int *)context < 2;
}

FOR_EACH_KIND(finds_keys_by_their_beginning)
{
    static const struct str keys[] = {STR(""),
                                      STR("a"),
                                      STR("a/"),
                                      STR("a/1"),
                                      STR("a/2"),
                                      STR("a0"),
                                      STR("\xff"),
                                      STR("\xff\xff"),
                                      STR("\xff\xff"
                                          "2"),
                                      STR("a\xff\xff"),
                                      STR("b")};
    int visited = 0;
    ASSERT(store_begin(store, STR("x")));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        OK(store_put(store, keys[i], "1", 1));
    STR_EQ(list(store, "a/"), "a/1=1 a/2=1 a/=1 ");
    STR_EQ(list(store, "a\xff"), "a\xff\xff=1 ");
    STR_EQ(list(store, "c"), "");
    STR_EQ(list(store, "\xff\xff"), "\xff\xff"
                                    "2=1 \xff\xff=1 ");
    OK(store_each(store, STR("a"), stop_at_second, &visited));
    EQ(visited, 2);
    OK(store_clear(store, STR("\xff")));
    OK(store_clear(store, STR("a/")));
    OK(store_clear(store, STR("nothing")));
    STR_EQ(list(store, ""), "=1 a0=1 a=1 a\xff\xff=1 b=1 ");
    OK(store_clear(store, STR("")));
    STR_EQ(list(store, ""), "");
    OK(store_commit(store));
}

FOR_EACH_KIND(bounds_sizes)
{
    static char text[STORE_NAME_MAX + 1];
    struct store_value value = {.len = 7};
    bool found = true;
    OK(!store_begin(store, (struct str){text, sizeof text}));
    STR_EQ(store_problem(store), "the name of an account is longer than 255 bytes");

    ASSERT(store_begin(store, STR("a")));
    OK(store_put(store, (struct str){text, STORE_NAME_MAX}, text, STORE_VALUE_MAX));
    OK(store_commit(store));
    ASSERT(store_begin(store, STR("a")));
    OK(store_get(store, (struct str){text, STORE_NAME_MAX}, &value, &found));
    OK(found);
    EQ(value.len, STORE_VALUE_MAX);
    MEM_EQ(value.data, text, STORE_VALUE_MAX);
    OK(!store_put(store, STR("v"), text, STORE_VALUE_MAX + 1));
    STR_EQ(store_problem(store), "a value of the state is longer than 64 bytes");
    OK(!store_commit(store));

    ASSERT(store_begin(store, STR("a")));
    OK(!store_get(store, (struct str){text, sizeof text}, &value, &found));
    STR_EQ(store_problem(store), "a key of the state is longer than 255 bytes");
    store_rollback(store);
}

/* What was done before the first failure is taken back, and what follows is not done. */
FOR_EACH_KIND(fails_as_a_whole)
{
    static const char large[STORE_VALUE_MAX + 1];
    struct store_value value;
    bool found;
    ASSERT(store_begin(store, STR("a")));
    OK(put(store, "x", "1"));
    OK(store_commit(store));
    ASSERT(store_begin(store, STR("a")));
    OK(put(store, "x", "2"));
    OK(!store_put(store, STR("y"), large, sizeof large));
    OK(!put(store, "z", "3"));
    OK(!store_get(store, STR("x"), &value, &found));
    OK(!store_delete(store, STR("x")));
    OK(!store_clear(store, STR("")));
    OK(!store_each(store, STR(""), stop_at_second, &(int){0}));
    OK(!store_commit(store));
    STR_EQ(store_problem(store), "a value of the state is longer than 64 bytes");
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(list(store, ""), "x=1 ");
    OK(store_commit(store));
}

FOR_EACH_KIND(tells_a_wrong_order)
{
    OK(!store_commit(store));
    STR_EQ(store_problem(store), "there is no transaction");
    OK(!put(store, "x", "1"));
    STR_EQ(store_problem(store), "there is no transaction");
    store_rollback(store);
    ASSERT(store_begin(store, STR("a")));
    OK(!store_begin(store, STR("a")));
    STR_EQ(store_problem(store), "the state is in a transaction of the same thread");
    OK(put(store, "x", "1"));
    OK(store_commit(store));
}

static bool meddle(void *context, struct str key, const struct store_value *value)
{
    (void)key, (void)value;
    OK(!put(context, "y", "2"));
    STR_EQ(store_problem(context), "the state is used while it is being listed");
    OK(!store_each(context, STR(""), meddle, context));
    OK(!store_begin(context, STR("a")));
    OK(!store_commit(context));
    store_rollback(context);
    return true;
}

FOR_EACH_KIND(is_not_used_while_it_is_listed)
{
    ASSERT(store_begin(store, STR("a")) && put(store, "w", "1") && put(store, "x", "1"));
    OK(store_commit(store));
    ASSERT(store_begin(store, STR("a")) && store_delete(store, STR("w")));
    OK(!store_each(store, STR(""), meddle, store));
    OK(!store_commit(store));
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(list(store, ""), "w=1 x=1 ");
    OK(store_commit(store));
}

/* ---- against a plain table ------------------------------------------------------------------ */

enum { ACCOUNTS = 3, KEYS = 40 };
static char model[ACCOUNTS][KEYS][4], saved[KEYS][4];
static unsigned seed;

static unsigned below(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

static void check_account(struct store *store, unsigned account)
{
    for (unsigned key = 0; key < KEYS; key++) {
        char name[8];
        snprintf(name, sizeof name, "%u", key);
        const char *got = get(store, name);
        STR_EQ(got, model[account][key][0] ? model[account][key] : "-");
    }
}

static void change(struct store *store, unsigned account)
{
    char name[8], value[4];
    unsigned key = below(KEYS);
    snprintf(name, sizeof name, "%u", key);
    switch (below(8)) {
    case 0:
        OK(store_clear(store, str_of(name)));
        for (unsigned i = 0; i < KEYS; i++)
            if (i == key || (i >= 10 && i / 10 == key))
                model[account][i][0] = 0;
        break;
    case 1:
    case 2:
        OK(store_delete(store, str_of(name)));
        model[account][key][0] = 0;
        break;
    default:
        snprintf(value, sizeof value, "%u", below(100));
        OK(put(store, name, value));
        memcpy(model[account][key], value, sizeof value);
    }
}

FOR_EACH_KIND(does_as_a_plain_table)
{
    memset(model, 0, sizeof model);
    seed = 7;
    for (int i = 0; i < 1500; i++) {
        unsigned account = below(ACCOUNTS), changes = below(12);
        ASSERT(store_begin(store, (struct str){"abc" + account, 1}));
        check_account(store, account);
        memcpy(saved, model[account], sizeof saved);
        while (changes-- > 0)
            change(store, account);
        check_account(store, account);
        if (below(3) == 0) {
            store_rollback(store);
            memcpy(model[account], saved, sizeof saved);
        } else {
            OK(store_commit(store));
        }
    }
}

/* ---- threads -------------------------------------------------------------------------------- */

struct counter {
    struct store *store;
    int times, failures;
};

static void *count_up(void *context)
{
    struct counter *counter = context;
    for (int i = 0; i < counter->times; i++)
        counter->failures += !increment(counter->store, "shared", NULL);
    return NULL;
}

FOR_EACH_KIND(counts_by_several_threads)
{
    struct counter counters[4];
    pthread_t threads[4];
    uint64_t total = 0;
    for (int i = 0; i < 4; i++) {
        counters[i] = (struct counter){store, 500, 0};
        ASSERT(pthread_create(&threads[i], NULL, count_up, &counters[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        EQ(counters[i].failures, 0);
    }
    OK(increment(store, "shared", &total));
    EQ(total, 2001);
}

static void *try_to_begin(void *context)
{
    return store_begin(context, STR("a")) ? NULL : mem_strdup(store_problem(context));
}

FOR_EACH_KIND(waits_for_no_more_than_the_time)
{
    pthread_t thread;
    void *text;
    store_set_wait(store, 20);
    ASSERT(store_begin(store, STR("a")));
    ASSERT(pthread_create(&thread, NULL, try_to_begin, store) == 0);
    pthread_join(thread, &text);
    STR_EQ(text, "another thread has held the state for 20 ms");
    mem_free(text);
    OK(put(store, "x", "1"));
    OK(store_commit(store));
    /* A problem is told to the thread that had it. */
    STR_EQ(store_problem(store), "");
}

/* ---- memory --------------------------------------------------------------------------------- */

TEST(store_memory_is_bounded)
{
    struct store *store;
    ASSERT(store_memory_new(3, &store) == 0);
    ASSERT(store_begin(store, STR("a")));
    OK(put(store, "1", "") && put(store, "2", ""));
    OK(store_commit(store));
    ASSERT(store_begin(store, STR("b")));
    OK(put(store, "3", ""));
    OK(!put(store, "4", ""));
    STR_EQ(store_problem(store), "the state has 3 values already, which is the most it may hold");
    OK(!store_commit(store));
    ASSERT(store_begin(store, STR("b")));
    OK(put(store, "3", ""));
    OK(store_commit(store));
    ASSERT(store_begin(store, STR("a")));
    OK(put(store, "1", "another value"));
    OK(store_delete(store, STR("2")) && put(store, "5", ""));
    OK(store_commit(store));
    ASSERT(store_begin(store, STR("c")));
    OK(!put(store, "1", ""));
    store_rollback(store);
    store_free(store);
    OK(store_memory_new(0, &store) == 0);
    ASSERT(store_begin(store, STR("a")));
    OK(!put(store, "1", ""));
    OK(!store_commit(store));
    store_free(store);
}

/* Nothing stays of accounts whose last value went. */
TEST(store_memory_forgets_accounts)
{
    struct store *store;
    uint64_t blocks = mem_live_blocks();
    ASSERT(store_memory_new(10, &store) == 0);
    for (int i = 0; i < 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        ASSERT(store_begin(store, str_of(name)));
        OK(put(store, "x", "1"));
        OK(store_commit(store));
        ASSERT(store_begin(store, str_of(name)));
        OK(store_clear(store, STR("")));
        OK(store_commit(store));
    }
    OK(mem_live_blocks() - blocks < 10);
    store_free(store);
    EQ(mem_live_blocks(), blocks);
}

/* Gives all the value, or takes them away if it is NULL. */
static bool set_many(struct store *store, const char *value)
{
    bool ok = true;
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        ok = (value ? put(store, name, value) : store_delete(store, str_of(name))) && ok;
    }
    return ok;
}

TEST(store_memory_runs_out_of_memory)
{
    FAULT_SWEEP({
        struct store *store = NULL;
        if (store_memory_new(MANY, &store) < 0) {
            OK(!store);
            continue;
        }
        static const char *const steps[] = {"1", "2", NULL, "3", "-"};
        const char *wanted = "-";
        for (int i = 0; i < 5; i++) {
            ASSERT(store_begin(store, STR("a")));
            bool ok = i < 4 ? set_many(store, steps[i]) : store_clear(store, STR(""));
            EQ(store_commit(store), ok);
            if (!ok)
                STR_EQ(store_problem(store), "out of memory");
            else
                wanted = steps[i] ? steps[i] : "-";
            ASSERT(store_begin(store, STR("a")));
            STR_EQ(get(store, "99"), wanted);
            STR_EQ(get(store, "0"), wanted);
            store_rollback(store);
        }
        store_free(store);
    });
}

/* In place of that in src/base. */
static bool no_random;
bool rand_bytes(void *buffer, size_t len)
{
    memset(buffer, 0x5c, len);
    return !no_random;
}

TEST(store_memory_needs_a_secret)
{
    struct store *store = NULL;
    no_random = true;
    EQ(store_memory_new(MANY, &store), CAPFUL_ENOTSUP);
    OK(!store);
}

/* ---- the same hash -----------------------------------------------------------------------------
 */

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two texts of 15 bytes that have the same hash under a known secret: 8 bytes, then 7 that make up
 * for what the first ones changed. */
static void make_alike(uint64_t secret, char first[16], char second[16])
{
    uint64_t start = secret ^ 15, a = 1, b = 2;
    uint64_t hash = mix(start ^ a, UINT64_C(0x9e3779b97f4a7c15)), other;
    while (other = mix(start ^ b, UINT64_C(0x9e3779b97f4a7c15)), (hash ^ other) >> 56)
        b++;
    memcpy(first, &a, 8);
    memcpy(second, &b, 8);
    for (int i = 0; i < 7; i++) {
        first[8 + i] = 0;
        second[8 + i] = (char)((hash ^ other) >> (48 - 8 * i));
    }
}

TEST(store_memory_tells_apart_what_hashes_alike)
{
    struct store *store;
    struct store_value value;
    char names[2][16], keys[2][16];
    uint64_t secret, account;
    bool found;
    memset(&secret, 0x5c, sizeof secret);
    make_alike(secret, names[0], names[1]);
    /* The hash of the name is the secret of its keys. */
    memcpy(&account, names[0], 8);
    account =
        mix(mix(secret ^ 15 ^ account, UINT64_C(0x9e3779b97f4a7c15)), UINT64_C(0xd6e8feb86659fd93));
    make_alike(account, keys[0], keys[1]);
    ASSERT(store_memory_new(MANY, &store) == 0);
    for (int i = 0; i < 2; i++) {
        ASSERT(store_begin(store, (struct str){names[i], 15}));
        STR_EQ(list(store, ""), "");
        for (int k = 0; k < 2; k++) {
            char text = (char)('0' + 2 * i + k);
            OK(store_get(store, (struct str){keys[k], 15}, &value, &found) && !found);
            OK(store_put(store, (struct str){keys[k], 15}, &text, 1));
        }
        OK(store_commit(store));
    }
    for (int i = 0; i < 4; i++) {
        ASSERT(store_begin(store, (struct str){names[i / 2], 15}));
        OK(store_get(store, (struct str){keys[i % 2], 15}, &value, &found) && found);
        EQ(value.data[0], '0' + i);
        store_rollback(store);
    }
    store_free(store);
}
