/* State in a SQLite file.
 *
 * One connection, used by the thread that holds the lock of the store.  A transaction takes the
 * file's write lock at its beginning, so it reads what the last one left, and two of them never
 * meet halfway.  The write-ahead log is synced with each commit (synchronous=FULL): what
 * store_commit has confirmed is on the disk.
 *
 * The file says whose it is: application_id, user_version and the text of its one table must be
 * those below.  What else may be in a file that somebody prepared (triggers, views) is refused with
 * that. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "policy/store_kind.h"

#define APPLICATION 0x63617066 /* "capf" */
#define VERSION     1
#define TABLE                                                                                      \
    "CREATE TABLE state (account BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, "          \
    "PRIMARY KEY (account, key)) STRICT, WITHOUT ROWID"
#define PAUSE_US 200 /* between two looks at a lock that another process holds */

enum statement { BEGIN, COMMIT, ROLLBACK, GET, PUT, REMOVE, CLEAR, EACH, STATEMENTS };

static const char *const sources[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GET] = "SELECT value FROM state WHERE account = ?1 AND key = ?2",
    [PUT] = ("INSERT INTO state (account, key, value) VALUES (?1, ?2, ?3) "
             "ON CONFLICT DO UPDATE SET value = excluded.value"),
    [REMOVE] = "DELETE FROM state WHERE account = ?1 AND key = ?2",
    [CLEAR] = "DELETE FROM state WHERE account = ?1 AND key >= ?2 AND key < ?3",
    [EACH] = "SELECT value, key FROM state WHERE account = ?1 AND key >= ?2 AND key < ?3",
};

struct sqlite {
    struct store store;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    uint64_t waits_since; /* for another process; 0 not */
    size_t account_len;
    char account[STORE_NAME_MAX];
    char path[]; /* for people */
};

static struct sqlite *sqlite_of(struct store *store)
{
    return (struct sqlite *)store;
}

/* ---- the library ---------------------------------------------------------------------------- */

/* SQLite asks how large a block is: that stands before it. It never asks about NULL. */
#define SIZE_ROOM 16

static void *block_new(int size)
{
    char *block = mem_alloc((size_t)size + SIZE_ROOM);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    return block + SIZE_ROOM;
}

static void block_free(void *memory)
{
    mem_free((char *)memory - SIZE_ROOM);
}

static void *block_resize(void *memory, int size)
{
    char *block = mem_resize((char *)memory - SIZE_ROOM, (size_t)size + SIZE_ROOM);
    if (!block)
        return NULL;
    memcpy(block, &size, sizeof size);
    return block + SIZE_ROOM;
}

static int block_size(void *memory)
{
    int size;
    memcpy(&size, (char *)memory - SIZE_ROOM, sizeof size);
    return size;
}

static int round_size(int size)
{
    return (size + 7) & ~7;
}

static int nothing_to_start(void *context)
{
    (void)context;
    return SQLITE_OK;
}

static void configure(void)
{
    static const sqlite3_mem_methods memory = {
        .xMalloc = block_new,
        .xFree = block_free,
        .xRealloc = block_resize,
        .xSize = block_size,
        .xRoundup = round_size,
        .xInit = nothing_to_start,
    };
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* 120 KB for each connection */
}

/* How long a lock is waited for. SQLite's own pauses grow until one that waits is passed over. */
static int wait_for_lock(void *context, int tries)
{
    struct sqlite *sqlite = context;
    if (tries == 0)
        sqlite->waits_since = clock_monotonic();
    if (clock_monotonic() - sqlite->waits_since >= (uint64_t)sqlite->store.wait_ms * 1000000)
        return 0;
    usleep(PAUSE_US);
    return 1;
}

/* ---- running statements --------------------------------------------------------------------- */

static bool fail(struct sqlite *sqlite, int code)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM: return store_fail("out of memory");
    case SQLITE_BUSY:
        return store_fail("another process has held the state for %u ms: %s", sqlite->store.wait_ms,
                          sqlite->path);
    default:
        return store_fail("the state cannot be kept: %s: %s", sqlite3_errstr(code), sqlite->path);
    }
}

static int bind(struct sqlite *sqlite, enum statement which, int at, struct str text)
{
    return sqlite3_bind_blob(sqlite->statements[which], at, text.len ? text.ptr : "", (int)text.len,
                             SQLITE_STATIC);
}

/* The first step of a statement about a key of the account; `third` where it has a third
 * parameter. */
static int start(struct sqlite *sqlite, enum statement which, struct str key,
                 const struct str *third)
{
    int code = bind(sqlite, which, 1, (struct str){sqlite->account, sqlite->account_len});
    code |= bind(sqlite, which, 2, key);
    if (third)
        code |= bind(sqlite, which, 3, *third);
    return code == SQLITE_OK ? sqlite3_step(sqlite->statements[which]) : code;
}

/* For a statement that has no rows to tell, after its first step. */
static bool finish(struct sqlite *sqlite, enum statement which, int code)
{
    sqlite3_reset(sqlite->statements[which]);
    if (code == SQLITE_DONE)
        return true;
    return fail(sqlite, code);
}

/* What stands in the file may have been written by others. */
static bool read_value(struct sqlite *sqlite, sqlite3_stmt *statement, struct store_value *ret)
{
    const void *data = sqlite3_column_blob(statement, 0);
    int len = sqlite3_column_bytes(statement, 0);
    if ((len > STORE_VALUE_MAX) | (!data != !len))
        return fail(sqlite, SQLITE_CORRUPT);
    ret->len = (size_t)len;
    if (len)
        memcpy(ret->data, data, ret->len);
    return true;
}

/* ---- the kind ------------------------------------------------------------------------------- */

static bool sqlite_begin(struct store *store, struct str account)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite->account_len = account.len;
    if (account.len)
        memcpy(sqlite->account, account.ptr, account.len);
    return finish(sqlite, BEGIN, sqlite3_step(sqlite->statements[BEGIN]));
}

static bool sqlite_get(struct store *store, struct str key, struct store_value *ret,
                       bool *ret_found)
{
    struct sqlite *sqlite = sqlite_of(store);
    int code = start(sqlite, GET, key, NULL);
    if (code != SQLITE_ROW) {
        *ret_found = false;
        return finish(sqlite, GET, code);
    }
    *ret_found = read_value(sqlite, sqlite->statements[GET], ret);
    sqlite3_reset(sqlite->statements[GET]);
    return *ret_found;
}

static bool sqlite_put(struct store *store, struct str key, const void *data, size_t len)
{
    struct sqlite *sqlite = sqlite_of(store);
    return finish(sqlite, PUT, start(sqlite, PUT, key, &(struct str){data, len}));
}

static bool sqlite_remove(struct store *store, struct str key)
{
    struct sqlite *sqlite = sqlite_of(store);
    return finish(sqlite, REMOVE, start(sqlite, REMOVE, key, NULL));
}

/* The first text that is above all that begin with `prefix`: its last byte that is not 255 made one
 * larger; or one above all keys. */
static struct str above(struct str prefix, char memory[STORE_NAME_MAX + 1])
{
    size_t len = prefix.len;
    while (len > 0 && (unsigned char)prefix.ptr[len - 1] == 255)
        len--;
    if (len == 0) {
        memset(memory, 255, STORE_NAME_MAX + 1);
        return (struct str){memory, STORE_NAME_MAX + 1};
    }
    memcpy(memory, prefix.ptr, len);
    memory[len - 1] = (char)((unsigned char)prefix.ptr[len - 1] + 1);
    return (struct str){memory, len};
}

static bool sqlite_clear(struct store *store, struct str prefix)
{
    struct sqlite *sqlite = sqlite_of(store);
    char memory[STORE_NAME_MAX + 1];
    struct str end = above(prefix, memory);
    return finish(sqlite, CLEAR, start(sqlite, CLEAR, prefix, &end));
}

static bool sqlite_each(struct store *store, struct str prefix, store_visit *visit, void *context)
{
    struct sqlite *sqlite = sqlite_of(store);
    sqlite3_stmt *statement = sqlite->statements[EACH];
    char memory[STORE_NAME_MAX + 1];
    struct str end = above(prefix, memory);
    struct store_value value;
    int code = start(sqlite, EACH, prefix, &end);
    for (; code == SQLITE_ROW; code = sqlite3_step(statement)) {
        struct str key = {sqlite3_column_blob(statement, 1),
                          (size_t)sqlite3_column_bytes(statement, 1)};
        if (!read_value(sqlite, statement, &value)) {
            sqlite3_reset(statement);
            return false;
        }
        if (!visit(context, key.ptr ? key : STR(""), &value)) {
            sqlite3_reset(statement);
            return true;
        }
    }
    return finish(sqlite, EACH, code);
}

static bool sqlite_commit(struct store *store)
{
    struct sqlite *sqlite = sqlite_of(store);
    return finish(sqlite, COMMIT, sqlite3_step(sqlite->statements[COMMIT]));
}

/* Some failures have ended the transaction already. */
static void sqlite_rollback(struct store *store)
{
    struct sqlite *sqlite = sqlite_of(store);
    if (!sqlite3_get_autocommit(sqlite->db)) {
        sqlite3_step(sqlite->statements[ROLLBACK]);
        sqlite3_reset(sqlite->statements[ROLLBACK]);
    }
}

static void sqlite_free(struct store *store)
{
    struct sqlite *sqlite = sqlite_of(store);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(sqlite->statements[i]);
    sqlite3_close(sqlite->db);
    store_release(store);
    mem_free(sqlite);
}

static const struct store_kind sqlite_kind = {
    .begin = sqlite_begin,
    .get = sqlite_get,
    .put = sqlite_put,
    .remove = sqlite_remove,
    .clear = sqlite_clear,
    .each = sqlite_each,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .free = sqlite_free,
};

/* ---- opening -------------------------------------------------------------------------------- */

static int open_failed(struct sqlite *sqlite, int code, struct capful_error *err)
{
    switch (code & 0xff) {
    case SQLITE_NOMEM: return err_nomem(err);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_set(err, CAPFUL_EINVAL, "not a state file, or a damaged one: %s", sqlite->path);
    case SQLITE_BUSY:
        return err_set(err, CAPFUL_EFILE, "another process has held the state for %u ms: %s",
                       sqlite->store.wait_ms, sqlite->path);
    default:
        return err_set(err, CAPFUL_EFILE, "the state file cannot be used: %s: %s",
                       sqlite3_errstr(code), sqlite->path);
    }
}

static int query(struct sqlite *sqlite, const char *text, sqlite3_stmt **ret)
{
    int code = sqlite3_prepare_v2(sqlite->db, text, -1, ret, NULL);
    return code == SQLITE_OK ? sqlite3_step(*ret) : code;
}

static int query_number(struct sqlite *sqlite, const char *text, sqlite3_int64 *ret)
{
    sqlite3_stmt *statement = NULL;
    int code = query(sqlite, text, &statement);
    if (code == SQLITE_ROW) {
        *ret = sqlite3_column_int64(statement, 0);
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

/* *ret: the file holds our table and nothing else. */
static int has_our_table(struct sqlite *sqlite, bool *ret)
{
    sqlite3_stmt *statement = NULL;
    int code = query(sqlite, "SELECT count(*) = 1 AND max(sql) = '" TABLE "' FROM sqlite_schema",
                     &statement);
    if (code == SQLITE_ROW) {
        *ret = sqlite3_column_int(statement, 0) != 0;
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code;
}

/* Looks whose the file is, and makes it ours if it is empty. Within a transaction, so that two
 * processes can be the first. */
static int identify(struct sqlite *sqlite, struct capful_error *err)
{
    sqlite3_int64 application = 0, version = 0, objects = 0;
    bool ours = false;
    int code = query_number(sqlite, "PRAGMA application_id", &application);
    if (code == SQLITE_OK)
        code = query_number(sqlite, "PRAGMA user_version", &version);
    if (code == SQLITE_OK)
        code = query_number(sqlite, "SELECT count(*) FROM sqlite_schema", &objects);
    if (code == SQLITE_OK && application == 0 && version == 0 && objects == 0) {
        char text[200];
        snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                 APPLICATION, VERSION);
        code = sqlite3_exec(sqlite->db, TABLE, NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(sqlite->db, text, NULL, NULL, NULL);
        application = APPLICATION;
        version = VERSION;
    }
    if (code == SQLITE_OK && application == APPLICATION && version == VERSION)
        code = has_our_table(sqlite, &ours);
    if (code != SQLITE_OK)
        return open_failed(sqlite, code, err);
    if (application != APPLICATION)
        return err_set(err, CAPFUL_EINVAL, "a SQLite file, but not a state file of capful: %s",
                       sqlite->path);
    if (version != VERSION)
        return err_set(err, CAPFUL_EINVAL,
                       "a state file of version %lld, and this is for version %d: %s",
                       (long long)version, VERSION, sqlite->path);
    return ours ? 0
                : err_set(err, CAPFUL_EINVAL, "the state file has another form than it should: %s",
                          sqlite->path);
}

static int turn_log_on_once(struct sqlite *sqlite)
{
    sqlite3_stmt *statement = NULL;
    int code = query(sqlite, "PRAGMA journal_mode = WAL", &statement);
    if (code == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(statement, 0);
        code = sqlite3_stricmp(mode, "wal") == 0 ? SQLITE_OK : SQLITE_CANTOPEN;
    }
    sqlite3_finalize(statement);
    return code;
}

/* That needs the file alone. Of two processes that want it at once, SQLite tells one to try again
 * without waiting, since each holds what the other waits for. */
static int turn_log_on(struct sqlite *sqlite)
{
    int code;
    sqlite->waits_since = clock_monotonic();
    do
        code = turn_log_on_once(sqlite);
    while ((code & 0xff) == SQLITE_BUSY && wait_for_lock(sqlite, 1));
    return code;
}

static int open_file(struct sqlite *sqlite, const char *path)
{
    static const char settings[] = "PRAGMA synchronous = FULL; PRAGMA cache_size = -512; "
                                   "PRAGMA max_page_count = 262144; PRAGMA trusted_schema = OFF; "
                                   "PRAGMA cell_size_check = ON";
    int code = sqlite3_open_v2(path, &sqlite->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_EXRESCODE,
                               NULL);
    if (code != SQLITE_OK)
        return code;
    code = sqlite3_busy_handler(sqlite->db, wait_for_lock, sqlite);
    code |= sqlite3_db_config(sqlite->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return code | sqlite3_exec(sqlite->db, settings, NULL, NULL, NULL);
}

static int open_and_look(struct sqlite *sqlite, const char *path, struct capful_error *err)
{
    int code = open_file(sqlite, path);
    if (code == SQLITE_OK)
        code = sqlite3_exec(sqlite->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return open_failed(sqlite, code, err);
    int result = identify(sqlite, err);
    if (result < 0)
        return result;
    code = sqlite3_exec(sqlite->db, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = turn_log_on(sqlite);
    for (int i = 0; i < STATEMENTS && code == SQLITE_OK; i++)
        code = sqlite3_prepare_v3(sqlite->db, sources[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &sqlite->statements[i], NULL);
    return code == SQLITE_OK ? 0 : open_failed(sqlite, code, err);
}

int store_sqlite_open(const char *path, struct store **ret, struct capful_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, configure);
    if (!*path)
        return err_set(err, CAPFUL_EINVAL, "the state file has no name");
    if (sqlite3_initialize() != SQLITE_OK)
        return err_nomem(err);
    /* A name of SQLite's own, as ":memory:", is a file like others. */
    const char *folder = *path == '/' ? "" : "./";
    size_t size = strlen(folder) + strlen(path) + 1;
    struct sqlite *sqlite = mem_zalloc(sizeof *sqlite + size);
    if (!sqlite)
        return err_nomem(err);
    store_init(&sqlite->store, &sqlite_kind);
    snprintf(sqlite->path, size, "%s%s", folder, path);
    int result = open_and_look(sqlite, sqlite->path, err);
    if (result < 0) {
        sqlite_free(&sqlite->store);
        return result;
    }
    *ret = &sqlite->store;
    return 0;
}
