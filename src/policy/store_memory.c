/* State in memory.
 *
 *     accounts ──► account "alice" ──► entries  "calls" 3, "sum/amount" 120
 *                  account "bob"   ──► entries  "calls" 1
 *
 * Two levels of hash tables with chains.  The hash has a secret beginning, since names and keys may
 * hold what guests chose.
 *
 * A transaction changes entries where they lie.  Before it changes one for the first time it notes
 * what was there; to roll back is to put the notes back.  An entry that is deleted stays in its
 * table, absent, until the transaction ends, and one that is added comes as an absent one that is
 * then changed; so a note is all there is to undo, and whichever way it ends, those that are absent
 * at the end are taken out. */
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "policy/store_kind.h"

#define FIRST_BUCKETS 8
#define KEPT_NOTES    64 /* room that stays for the next transaction */

struct node {
    struct node *next;
    uint64_t hash;
};

struct table {
    struct node **buckets;
    size_t alloc; /* a power of two, or 0 */
    size_t count;
};

struct entry {
    struct node node;
    uint64_t noted; /* the last transaction that has a note of it */
    bool present;
    unsigned char key_len, len;
    unsigned char data[STORE_VALUE_MAX];
    unsigned char key[]; /* key_len bytes */
};

struct account {
    struct node node;
    struct table entries;
    size_t name_len;
    unsigned char name[];
};

struct note {
    struct entry *entry;
    bool present;
    unsigned char len;
    unsigned char data[STORE_VALUE_MAX];
};

struct memory {
    struct store store;
    struct table accounts;
    uint64_t secret;
    size_t max, present; /* entries of all accounts */
    /* of the transaction */
    uint64_t transaction;
    uint64_t hash; /* of the account's name */
    size_t name_len;
    unsigned char name[STORE_NAME_MAX];
    struct account *account; /* NULL: none yet */
    struct note *notes;
    size_t n_notes, alloc_notes;
};

static struct memory *memory_of(struct store *store)
{
    return (struct memory *)store;
}

/* ---- tables --------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(uint64_t secret, struct str text)
{
    uint64_t hash = secret ^ text.len, word;
    for (; text.len >= sizeof word; text.ptr += sizeof word, text.len -= sizeof word) {
        memcpy(&word, text.ptr, sizeof word);
        hash = mix(hash ^ word, UINT64_C(0x9e3779b97f4a7c15));
    }
    word = 0;
    for (size_t i = 0; i < text.len; i++)
        word = word << 8 | (unsigned char)text.ptr[i];
    return mix(hash ^ word, UINT64_C(0xd6e8feb86659fd93));
}

/* Makes room for one more. */
static bool table_reserve(struct table *table)
{
    if (table->count < table->alloc)
        return true;
    size_t alloc = table->alloc ? 2 * table->alloc : FIRST_BUCKETS;
    struct node **buckets = mem_array(alloc, sizeof(struct node *));
    if (!buckets)
        return store_fail("out of memory");
    for (size_t i = 0; i < table->alloc; i++)
        for (struct node *node = table->buckets[i], *next; node; node = next) {
            struct node **place = &buckets[node->hash & (alloc - 1)];
            next = node->next;
            node->next = *place;
            *place = node;
        }
    mem_free(table->buckets);
    table->buckets = buckets;
    table->alloc = alloc;
    return true;
}

static void table_add(struct table *table, struct node *node)
{
    struct node **place = &table->buckets[node->hash & (table->alloc - 1)];
    node->next = *place;
    *place = node;
    table->count++;
}

static void table_remove(struct table *table, struct node *node)
{
    struct node **place = &table->buckets[node->hash & (table->alloc - 1)];
    while (*place != node)
        place = &(*place)->next;
    *place = node->next;
    table->count--;
}

static struct node *table_first(const struct table *table, uint64_t hash)
{
    return table->alloc ? table->buckets[hash & (table->alloc - 1)] : NULL;
}

static struct account *find_account(const struct memory *memory)
{
    struct str name = {(const char *)memory->name, memory->name_len};
    for (struct node *node = table_first(&memory->accounts, memory->hash); node;
         node = node->next) {
        struct account *account = (struct account *)node;
        if (node->hash == memory->hash &&
            str_equal((struct str){(const char *)account->name, account->name_len}, name))
            return account;
    }
    return NULL;
}

static struct str key_of(const struct entry *entry)
{
    return (struct str){(const char *)entry->key, entry->key_len};
}

static struct entry *find_entry(const struct account *account, struct str key, uint64_t hash)
{
    for (struct node *node = table_first(&account->entries, hash); node; node = node->next) {
        struct entry *entry = (struct entry *)node;
        if (node->hash == hash && str_equal(key_of(entry), key))
            return entry;
    }
    return NULL;
}

/* ---- changes -------------------------------------------------------------------------------- */

static bool note(struct memory *memory, struct entry *entry)
{
    if (entry->noted == memory->transaction)
        return true;
    if (memory->n_notes == memory->alloc_notes) {
        size_t alloc = memory->alloc_notes ? 2 * memory->alloc_notes : 8;
        struct note *notes = mem_resize_array(memory->notes, alloc, sizeof *notes);
        if (!notes)
            return store_fail("out of memory");
        memory->notes = notes;
        memory->alloc_notes = alloc;
    }
    struct note *made = &memory->notes[memory->n_notes++];
    made->entry = entry;
    made->present = entry->present;
    made->len = entry->len;
    memcpy(made->data, entry->data, entry->len);
    entry->noted = memory->transaction;
    return true;
}

static void set_present(struct memory *memory, struct entry *entry, bool present)
{
    if (present && !entry->present)
        memory->present++;
    else if (!present && entry->present)
        memory->present--;
    entry->present = present;
}

static struct account *add_account(struct memory *memory)
{
    struct account *account = mem_zalloc(sizeof *account + memory->name_len);
    if (!account || !table_reserve(&memory->accounts)) {
        mem_free(account);
        store_fail("out of memory");
        return NULL;
    }
    account->node.hash = memory->hash;
    account->name_len = memory->name_len;
    memcpy(account->name, memory->name, memory->name_len);
    table_add(&memory->accounts, &account->node);
    return account;
}

/* An absent entry, noted as such. */
static struct entry *add_entry(struct memory *memory, struct str key, uint64_t hash)
{
    struct table *entries = &memory->account->entries;
    struct entry *entry = mem_zalloc(sizeof *entry + key.len);
    if (!entry || !table_reserve(entries)) {
        mem_free(entry);
        store_fail("out of memory");
        return NULL;
    }
    if (!note(memory, entry)) {
        mem_free(entry);
        return NULL;
    }
    entry->node.hash = hash;
    entry->key_len = (unsigned char)key.len;
    if (key.len)
        memcpy(entry->key, key.ptr, key.len);
    table_add(entries, &entry->node);
    return entry;
}

/* ---- the kind ------------------------------------------------------------------------------- */

static bool memory_begin(struct store *store, struct str account)
{
    struct memory *memory = memory_of(store);
    memory->transaction++;
    memory->name_len = account.len;
    if (account.len)
        memcpy(memory->name, account.ptr, account.len);
    memory->hash = hash_of(memory->secret, account);
    memory->account = find_account(memory);
    return true;
}

static bool memory_get(struct store *store, struct str key, struct store_value *ret,
                       bool *ret_found)
{
    struct memory *memory = memory_of(store);
    const struct entry *entry = NULL;
    if (memory->account)
        entry = find_entry(memory->account, key, hash_of(memory->hash, key));
    *ret_found = entry && entry->present;
    if (*ret_found) {
        ret->len = entry->len;
        memcpy(ret->data, entry->data, entry->len);
    }
    return true;
}

static bool memory_put(struct store *store, struct str key, const void *data, size_t len)
{
    struct memory *memory = memory_of(store);
    uint64_t hash = hash_of(memory->hash, key);
    if (!memory->account && !(memory->account = add_account(memory)))
        return false;
    struct entry *entry = find_entry(memory->account, key, hash);
    if ((!entry || !entry->present) && memory->present >= memory->max)
        return store_fail("the state has %zu values already, which is the most it may hold",
                          memory->max);
    if (!entry && !(entry = add_entry(memory, key, hash)))
        return false;
    if (!note(memory, entry))
        return false;
    set_present(memory, entry, true);
    entry->len = (unsigned char)len;
    if (len)
        memcpy(entry->data, data, len);
    return true;
}

static bool take_away(struct memory *memory, struct entry *entry)
{
    if (!entry->present)
        return true;
    if (!note(memory, entry))
        return false;
    set_present(memory, entry, false);
    return true;
}

static bool memory_remove(struct store *store, struct str key)
{
    struct memory *memory = memory_of(store);
    struct entry *entry = NULL;
    if (memory->account)
        entry = find_entry(memory->account, key, hash_of(memory->hash, key));
    return !entry || take_away(memory, entry);
}

/* Calls `act` for the entries that are there, until it answers false. */
static bool walk(struct memory *memory, struct str prefix,
                 bool (*act)(struct memory *memory, struct entry *entry, void *context),
                 void *context)
{
    if (!memory->account)
        return true;
    const struct table *entries = &memory->account->entries;
    for (size_t i = 0; i < entries->alloc; i++)
        for (struct node *node = entries->buckets[i]; node; node = node->next) {
            struct entry *entry = (struct entry *)node;
            if (entry->present && store_has_prefix(key_of(entry), prefix) &&
                !act(memory, entry, context))
                return false;
        }
    return true;
}

static bool clear_one(struct memory *memory, struct entry *entry, void *context)
{
    (void)context;
    return take_away(memory, entry);
}

static bool memory_clear(struct store *store, struct str prefix)
{
    return walk(memory_of(store), prefix, clear_one, NULL);
}

struct visitor {
    store_visit *visit;
    void *context;
};

static bool visit_one(struct memory *memory, struct entry *entry, void *context)
{
    const struct visitor *visitor = context;
    struct store_value value = {.len = entry->len};
    (void)memory;
    memcpy(value.data, entry->data, entry->len);
    return visitor->visit(visitor->context, key_of(entry), &value);
}

static bool memory_each(struct store *store, struct str prefix, store_visit *visit, void *context)
{
    struct visitor visitor = {visit, context};
    walk(memory_of(store), prefix, visit_one, &visitor);
    return true;
}

/* What is absent goes, and the account with its last entry. */
static void forget(struct memory *memory)
{
    struct account *account = memory->account;
    for (size_t i = 0; i < memory->n_notes; i++) {
        struct entry *entry = memory->notes[i].entry;
        if (!entry->present) {
            table_remove(&account->entries, &entry->node);
            mem_free(entry);
        }
    }
    memory->n_notes = 0;
    if (memory->alloc_notes > KEPT_NOTES) {
        mem_free(TAKE(memory->notes));
        memory->alloc_notes = 0;
    }
    if (account && account->entries.count == 0) {
        table_remove(&memory->accounts, &account->node);
        mem_free(account->entries.buckets);
        mem_free(account);
    }
    memory->account = NULL;
}

static bool memory_commit(struct store *store)
{
    forget(memory_of(store));
    return true;
}

static void memory_rollback(struct store *store)
{
    struct memory *memory = memory_of(store);
    for (size_t i = 0; i < memory->n_notes; i++) {
        const struct note *made = &memory->notes[i];
        set_present(memory, made->entry, made->present);
        made->entry->len = made->len;
        memcpy(made->entry->data, made->data, made->len);
    }
    forget(memory);
}

static void free_table(struct table *table)
{
    for (size_t i = 0; i < table->alloc; i++)
        for (struct node *node = table->buckets[i], *next; node; node = next) {
            next = node->next;
            mem_free(node);
        }
    mem_free(table->buckets);
}

static void memory_free(struct store *store)
{
    struct memory *memory = memory_of(store);
    for (size_t i = 0; i < memory->accounts.alloc; i++)
        for (struct node *node = memory->accounts.buckets[i]; node; node = node->next)
            free_table(&((struct account *)node)->entries);
    free_table(&memory->accounts);
    mem_free(memory->notes);
    store_release(store);
    mem_free(memory);
}

static const struct store_kind memory_kind = {
    .begin = memory_begin,
    .get = memory_get,
    .put = memory_put,
    .remove = memory_remove,
    .clear = memory_clear,
    .each = memory_each,
    .commit = memory_commit,
    .rollback = memory_rollback,
    .free = memory_free,
};

int store_memory_new(size_t max, struct store **ret)
{
    struct memory *memory = mem_zalloc(sizeof *memory);
    if (!memory)
        return CAPFUL_ENOMEM;
    store_init(&memory->store, &memory_kind);
    if (!rand_bytes(&memory->secret, sizeof memory->secret)) {
        memory_free(&memory->store);
        return CAPFUL_ENOTSUP;
    }
    memory->max = max;
    *ret = &memory->store;
    return 0;
}
