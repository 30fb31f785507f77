/* State files: whose they are, several processes at once, ends without warning, and each way that a
 * disk refuses. */
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "policy/store.h"
#include "store_rig.h"
#include "tap.h"

/* What is wrong with a file, after what stands before its path. */
static const char *why_not(const char *name, int wanted)
{
    static char text[sizeof((struct capful_error *)NULL)->text];
    struct store *store = NULL;
    struct capful_error err = {.text = ""};
    EQ(store_sqlite_open(in_folder(name), &store, &err), wanted);
    OK(!store);
    snprintf(text, sizeof text, "%s", err.text);
    char *path = strstr(text, rig_folder);
    if (path)
        *path = 0;
    return text;
}

static void write_file(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(in_folder(name), "we");
    ASSERT(file && fwrite(data, 1, len, file) == len && fclose(file) == 0);
}

static void make_database(const char *name, const char *sql)
{
    sqlite3 *db;
    ASSERT(sqlite3_open(in_folder(name), &db) == SQLITE_OK);
    ASSERT(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

TEST(store_file_is_the_owners)
{
    struct stat st;
    umask(0);
    struct store *store = open_state("state");
    ASSERT(store_begin(store, STR("a")) && put(store, "x", "1") && store_commit(store));
    static const char *const names[] = {"state", "state-wal", "state-shm"};
    for (int i = 0; i < 3; i++) {
        ASSERT(stat(in_folder(names[i]), &st) == 0);
        EQ(st.st_mode & 07777, 0600);
    }
    store_free(store);
    store = open_state("state");
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(get(store, "x"), "1");
    store_rollback(store);
    store_free(store);
    store_free(NULL);
}

TEST(store_file_of_others_is_refused)
{
    static const char noise[5000] = "This is not a database, but a text of many lines.\n";
    static const char table[] =
        "CREATE TABLE state (account BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, "
        "PRIMARY KEY (account, key)) STRICT, WITHOUT ROWID;";
    char sql[600];
    write_file("text", noise, sizeof noise);
    STR_EQ(why_not("text", CAPFUL_EINVAL), "not a state file, or a damaged one: ");
    write_file("short", noise, 20);
    STR_EQ(why_not("short", CAPFUL_EINVAL), "not a state file, or a damaged one: ");
    make_database("theirs", "CREATE TABLE state (account, key, value)");
    STR_EQ(why_not("theirs", CAPFUL_EINVAL), "a SQLite file, but not a state file of capful: ");
    make_database("id", "PRAGMA application_id = 77");
    STR_EQ(why_not("id", CAPFUL_EINVAL), "a SQLite file, but not a state file of capful: ");
    make_database("version", "PRAGMA user_version = 1");
    STR_EQ(why_not("version", CAPFUL_EINVAL), "a SQLite file, but not a state file of capful: ");
    make_database("newer", "PRAGMA application_id = 0x63617066; PRAGMA user_version = 2");
    STR_EQ(why_not("newer", CAPFUL_EINVAL),
           "a state file of version 2, and this is for version 1: ");
    static const char ids[] = "PRAGMA application_id = 0x63617066; PRAGMA user_version = 1;";
    make_database("hollow", ids);
    STR_EQ(why_not("hollow", CAPFUL_EINVAL), "the state file has another form than it should: ");
    /* All is right but for a trigger that undoes what is written. */
    snprintf(sql, sizeof sql, "%s%s%s", ids, table,
             "CREATE TRIGGER t AFTER INSERT ON state BEGIN DELETE FROM state; END");
    make_database("trigger", sql);
    STR_EQ(why_not("trigger", CAPFUL_EINVAL), "the state file has another form than it should: ");
    snprintf(sql, sizeof sql, "%s%s", ids, table);
    make_database("right", sql);
    store_free(open_state("right"));
    write_file("empty", "", 0);
    store_free(open_state("empty"));
    /* None of the refused ones was touched. */
    struct stat st;
    ASSERT(stat(in_folder("text"), &st) == 0);
    EQ(st.st_size, sizeof noise);
    OK(access(in_folder("theirs-wal"), F_OK) != 0);
}

TEST(store_file_where_none_can_be)
{
    struct store *store = NULL;
    struct capful_error err;
    STR_EQ(why_not("no/such/folder", CAPFUL_EFILE),
           "the state file cannot be used: unable to open database file: ");
    STR_EQ(why_not("", CAPFUL_EFILE),
           "the state file cannot be used: unable to open database file: ");
    EQ(store_sqlite_open("", &store, &err), CAPFUL_EINVAL);
    STR_EQ(err.text, "the state file has no name");
    /* A name that means something else to SQLite. */
    ASSERT(chdir(rig_folder) == 0);
    ASSERT(store_sqlite_open(":memory:", &store, &err) == 0);
    ASSERT(store_begin(store, STR("a")) && put(store, "x", "1") && store_commit(store));
    store_free(store);
    OK(access(":memory:", F_OK) == 0);
}

/* As on a file system that several machines share. */
TEST(store_file_where_no_log_can_be)
{
    ASSERT(sqlite3_vfs_register(sqlite3_vfs_find("unix-none"), 1) == SQLITE_OK);
    STR_EQ(why_not("state", CAPFUL_EFILE),
           "the state file cannot be used: unable to open database file: ");
}

/* Root may write everywhere. */
static void be_nobody(void)
{
    if (geteuid() == 0)
        ASSERT(setresuid(65534, 65534, 65534) == 0);
}

TEST(store_file_that_cannot_be_written)
{
    store_free(open_state("state"));
    ASSERT(chmod(in_folder("state"), 0444) == 0 && chmod(rig_folder, 0755) == 0);
    pid_t child = fork();
    if (child == 0) {
        be_nobody();
        STR_EQ(why_not("state", CAPFUL_EFILE),
               "the state file cannot be used: attempt to write a readonly database: ");
        STR_EQ(why_not("other", CAPFUL_EFILE),
               "the state file cannot be used: unable to open database file: ");
        fflush(stdout);
        _exit(tap_state->failures != 0);
    }
    int status;
    ASSERT(waitpid(child, &status, 0) == child);
    EQ(status, 0);
}

/* What a transaction answers, and that nothing of it remains. */
TEST(store_file_when_the_disk_is_full)
{
    struct store *store = open_state("state");
    struct rlimit all, little = {20000, RLIM_INFINITY};
    uint64_t before = 0, after = 0;
    int failed_at = 0;
    ASSERT(increment(store, "a", &before));
    signal(SIGXFSZ, SIG_IGN);
    ASSERT(getrlimit(RLIMIT_FSIZE, &all) == 0 && setrlimit(RLIMIT_FSIZE, &little) == 0);
    for (int i = 0; i < 20 && !failed_at; i++) {
        if (increment(store, "a", &before))
            continue;
        failed_at = i + 1;
        OK(strstr(store_problem(store), "the state cannot be kept: ") == store_problem(store));
    }
    OK(failed_at > 1);
    OK(!increment(store, "a", NULL));
    ASSERT(setrlimit(RLIMIT_FSIZE, &all) == 0);
    OK(increment(store, "a", &after));
    EQ(after, before + 1);
    store_free(store);
}

TEST(store_file_that_is_damaged)
{
    struct store *store = open_state("state");
    static char noise[4096];
    memset(noise, 0x5a, sizeof noise);
    for (int i = 0; i < 400; i++) {
        char account[16];
        snprintf(account, sizeof account, "%d", i);
        ASSERT(increment(store, account, NULL));
    }
    store_free(store);
    /* All but the first page, which says what the file is. */
    int fd = open(in_folder("state"), O_WRONLY | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    OK(size > 8192);
    for (off_t at = 4096; at < size; at += 4096)
        ASSERT(pwrite(fd, noise, sizeof noise, at) == sizeof noise);
    close(fd);
    store = open_state("state");
    OK(!increment(store, "7", NULL));
    OK(strstr(store_problem(store), "database disk image is malformed") != NULL);
    ASSERT(store_begin(store, STR("7")));
    STR_EQ(list(store, ""), "!");
    store_rollback(store);
    store_free(store);
}

TEST(store_file_with_a_value_too_long)
{
    store_free(open_state("state"));
    make_database("state", "INSERT INTO state VALUES (x'61', x'6e', zeroblob(65))");
    struct store *store = open_state("state");
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(get(store, "n"), "!");
    OK(!store_commit(store));
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(list(store, ""), "!");
    store_rollback(store);
    store_free(store);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

TEST(store_file_held_by_another_process)
{
    store_free(open_state("state"));
    int pipes[2];
    char byte;
    ASSERT(pipe(pipes) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *store = open_state("state");
        ASSERT(store_begin(store, STR("a")) && put(store, "x", "1"));
        ASSERT(write(pipes[1], "h", 1) == 1);
        pause();
    }
    ASSERT(read(pipes[0], &byte, 1) == 1);
    sqlite3 *db; /* opening needs the lock, too, and takes it as long as usual */
    ASSERT(sqlite3_open(in_folder("state"), &db) == SQLITE_OK);
    EQ(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_BUSY);
    sqlite3_close(db);
    double start = seconds();
    STR_EQ(why_not("state", CAPFUL_EFILE), "another process has held the state for 5000 ms: ");
    OK(seconds() - start > 4.9 && seconds() - start < 10);
    /* Its end frees the state, and what it had not committed is not there. */
    kill(child, SIGKILL);
    ASSERT(waitpid(child, NULL, 0) == child);
    struct store *store = open_state("state");
    ASSERT(store_begin(store, STR("a")));
    STR_EQ(list(store, ""), "");
    store_rollback(store);
    store_free(store);
}

static void *end_reading(void *db)
{
    usleep(100000);
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? db : NULL;
}

/* The log is turned on when no other reads the file: one that does is waited for, too. */
TEST(store_file_is_made_while_another_reads_it)
{
    sqlite3 *db;
    pthread_t thread;
    void *ended;
    ASSERT(sqlite3_open(in_folder("state"), &db) == SQLITE_OK);
    ASSERT(sqlite3_exec(db, "CREATE TABLE t (a); DROP TABLE t; BEGIN; SELECT * FROM sqlite_schema",
                        NULL, NULL, NULL) == SQLITE_OK);
    ASSERT(pthread_create(&thread, NULL, end_reading, db) == 0);
    struct store *store = open_state("state");
    pthread_join(thread, &ended);
    OK(ended == db);
    OK(increment(store, "a", NULL));
    store_free(store);
    sqlite3_close(db);
}

static void make_ours_without_log(const char *name)
{
    make_database(name,
                  "PRAGMA application_id = 0x63617066; PRAGMA user_version = 1;"
                  "CREATE TABLE state (account BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT "
                  "NULL, PRIMARY KEY (account, key)) STRICT, WITHOUT ROWID;");
}

static atomic_bool enough;

/* Wants the file again as soon as it has let it go. */
static void *lock_often(void *db)
{
    while (!atomic_load(&enough))
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK) {
            usleep(100);
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        }
    return NULL;
}

TEST(store_file_is_wanted_by_several_at_its_beginning)
{
    pthread_t thread;
    for (int i = 0; i < 10; i++) {
        sqlite3 *db;
        char name[20];
        snprintf(name, sizeof name, "state%d", i);
        make_ours_without_log(name);
        ASSERT(sqlite3_open(in_folder(name), &db) == SQLITE_OK);
        atomic_store(&enough, false);
        ASSERT(pthread_create(&thread, NULL, lock_often, db) == 0);
        usleep(200);
        struct store *store = open_state(name);
        OK(increment(store, "a", NULL));
        atomic_store(&enough, true);
        pthread_join(thread, NULL);
        store_free(store);
        sqlite3_close(db);
    }
}

static sqlite3 *opened;

static int note_opened(sqlite3 *db, const char **text, const struct sqlite3_api_routines *api)
{
    (void)text, (void)api;
    opened = db;
    return SQLITE_OK;
}

static sqlite3 *taker;
static const sqlite3_io_methods *usual;
static int locked;

static int note_lock(sqlite3_file *file, int level)
{
    locked = level;
    return usual->xLock(file, level);
}

/* The first transaction that writes is over: another is faster than what comes next. */
static int take_after_unlock(sqlite3_file *file, int level)
{
    int code = usual->xUnlock(file, level);
    if (locked > SQLITE_LOCK_SHARED && level == SQLITE_LOCK_NONE)
        sqlite3_exec(taker, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    return code;
}

static int watch_locks(sqlite3 *db, const char **text, const struct sqlite3_api_routines *api)
{
    static sqlite3_io_methods watching;
    sqlite3_file *file;
    (void)text, (void)api;
    ASSERT(sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file) == SQLITE_OK);
    usual = file->pMethods;
    watching = *usual;
    watching.xLock = note_lock;
    watching.xUnlock = take_after_unlock;
    file->pMethods = &watching;
    return SQLITE_OK;
}

/* Between the two locks that opening takes. */
TEST(store_file_is_taken_at_its_beginning)
{
    make_ours_without_log("state");
    ASSERT(sqlite3_open(in_folder("state"), &taker) == SQLITE_OK);
    sqlite3_auto_extension((void (*)(void))watch_locks);
    double start = seconds();
    STR_EQ(why_not("state", CAPFUL_EFILE), "another process has held the state for 5000 ms: ");
    OK(seconds() - start > 4.9 && seconds() - start < 10);
    OK(!sqlite3_get_autocommit(taker));
    sqlite3_close(taker);
}

TEST(store_file_when_a_key_cannot_be_handed_over)
{
    sqlite3_auto_extension((void (*)(void))note_opened);
    struct store *store = open_state("state");
    sqlite3_limit(opened, SQLITE_LIMIT_LENGTH, 30);
    ASSERT(store_begin(store, STR("a")) && put(store, "short", "1"));
    STR_EQ(get(store, "a key that is longer than thirty bytes"), "!");
    OK(strstr(store_problem(store), "the state cannot be kept: string or blob too big") != NULL);
    OK(!store_commit(store));
    store_free(store);
}

TEST(store_file_waits_as_long_as_it_is_told)
{
    struct store *store = open_state("state");
    sqlite3 *db;
    ASSERT(sqlite3_open(in_folder("state"), &db) == SQLITE_OK);
    ASSERT(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
    store_set_wait(store, 50);
    OK(!store_begin(store, STR("a")));
    OK(strstr(store_problem(store), "another process has held the state for 50 ms") != NULL);
    ASSERT(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK);
    OK(increment(store, "a", NULL));
    sqlite3_close(db);
    store_free(store);
}

/* Both create it, too. */
TEST(store_file_counts_by_two_processes)
{
    enum { TIMES = 10000 };
    pid_t children[2];
    in_folder("");
    for (int i = 0; i < 2; i++)
        if ((children[i] = fork()) == 0) {
            struct store *store = open_state("state");
            for (int n = 0; n < TIMES; n++)
                OK(increment(store, "shared", NULL));
            store_free(store);
            fflush(stdout);
            _exit(tap_state->failures != 0);
        }
    for (int i = 0; i < 2; i++) {
        int status;
        ASSERT(waitpid(children[i], &status, 0) == children[i]);
        EQ(status, 0);
    }
    struct store *store = open_state("state");
    uint64_t total = 0;
    OK(increment(store, "shared", &total));
    EQ(total, 2 * TIMES + 1);
    store_free(store);
}

/* A process that is killed while it commits: what it knew to be committed is there, and at most one
 * more, and the file can be used at once. */
TEST(store_file_outlives_kills)
{
    uint64_t *known = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT(known != MAP_FAILED);
    in_folder("");
    for (unsigned round = 0; round < 60; round++) {
        pid_t child = fork();
        if (child == 0) {
            struct store *store = open_state("state");
            for (;;)
                ASSERT(increment(store, "a", known));
        }
        uint64_t start = *known;
        for (int i = 0; i < 2000 && *(volatile uint64_t *)known < start + 3; i++)
            usleep(500);
        usleep(round * 97 % 1000);
        kill(child, SIGKILL);
        ASSERT(waitpid(child, NULL, 0) == child);
        OK(*known >= start + 3);
        struct store *store = open_state("state");
        uint64_t now = 0;
        ASSERT(increment(store, "a", &now));
        OK(now == *known + 1 || now == *known + 2);
        *known = now;
        store_free(store);
    }
}

TEST(store_file_runs_out_of_memory)
{
    uint64_t committed = 0, total = 0;
    store_free(open_state("state")); /* what the library keeps for good */
    FAULT_SWEEP({
        struct store *store = NULL;
        struct capful_error err = {.code = 0};
        int code = store_sqlite_open(in_folder("state"), &store, &err);
        if (code < 0) {
            OK(!store);
            continue;
        }
        committed += increment(store, "a", NULL);
        if (store_begin(store, STR("a"))) {
            (void)store_put(store, STR("b"), "1", 1);
            (void)store_each(store, STR(""), rig_take, &(struct rig_lines){0});
            (void)store_clear(store, STR("b"));
            store_rollback(store);
        }
        store_free(store);
    });
    struct store *store = open_state("state");
    ASSERT(increment(store, "a", &total));
    EQ(total, committed + 1);
    store_free(store);
    OK(committed > 1);
}

/* The first of a process: the library has to start, too, and what it keeps is no leak. */
TEST(store_file_is_the_first_without_memory)
{
    struct store *store = NULL;
    int failures = 0;
    in_folder("");
    for (uint64_t n = 1; !store; n++) {
        mem_fail_after(n);
        int code = store_sqlite_open(in_folder("state"), &store, NULL);
        mem_fail_after(0);
        failures += code < 0;
    }
    OK(failures > 10);
    OK(increment(store, "a", NULL));
    store_free(store);
}

TEST(store_file_is_created_without_memory)
{
    store_free(open_state("warm"));
    FAULT_SWEEP({
        struct store *store = NULL;
        if (store_sqlite_open(in_folder("state"), &store, NULL) == 0) {
            (void)increment(store, "a", NULL);
            store_free(store);
        }
        unlink(in_folder("state"));
        unlink(in_folder("state-wal"));
        unlink(in_folder("state-shm"));
    });
}
