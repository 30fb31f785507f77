/* One log and many writers: processes, threads, rotation under both, and a real disk that is full.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "audit_rig.h"

enum { PROCESSES = 4, RECORDS = 1000, THREADS = 4 };

static void append_many(const struct audit_config *config, int n)
{
    struct audit *audit = rig_open(config);
    struct audit_run *run = rig_begin(audit);
    char id[32];
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%d", i);
        ASSERT_EQ_INT(rig_call(run, id, STR("{\"a\":1}")), 0);
    }
    audit_run_free(run);
    audit_unref(audit);
}

static void many_processes(const struct audit_config *config)
{
    pid_t children[PROCESSES];
    fflush(stdout);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        ASSERT(children[i] >= 0);
        if (children[i] == 0) {
            append_many(config, RECORDS);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;
        ASSERT_EQ_INT(waitpid(children[i], &status, 0), children[i]);
        EQ(status, 0);
    }
}

TEST(many_processes_append)
{
    rig_init();
    struct audit_config config = rig_config();
    many_processes(&config);
    RIG_SOUND(rig_log, 1 + PROCESSES * (RECORDS + 1));
}

/* Each run's calls stand in the order in which they were made, and none is missing. */
TEST(no_record_is_mixed_with_another)
{
    rig_init();
    struct audit_config config = rig_config();
    struct audit_check check = {.key = NULL};
    struct audit_reader *reader;
    struct audit_entry entry;
    char runs[PROCESSES][17] = {""};
    int next[PROCESSES] = {0}, n_runs = 0;
    many_processes(&config);
    ASSERT_EQ_INT(audit_reader_open(rig_log, &check, &reader, NULL), 0);
    while (audit_reader_next(reader, &entry, NULL) == 1) {
        char expected[40];
        int i = 0;
        ASSERT_EQ_INT(entry.kind, AUDIT_RECORD);
        if (chain_is(&entry.record, "run_begin")) {
            ASSERT(n_runs < PROCESSES);
            memcpy(runs[n_runs++], entry.record.run.ptr, 16);
        }
        if (!chain_is(&entry.record, "call"))
            continue;
        while (i < n_runs && memcmp(runs[i], entry.record.run.ptr, 16) != 0)
            i++;
        ASSERT(i < n_runs);
        int len = snprintf(expected, sizeof expected, ",\"call\":\"%d\",\"process\":1,", next[i]++);
        ASSERT(entry.record.body.len > (size_t)len);
        ASSERT_EQ_MEM(entry.record.body.ptr, expected, (size_t)len);
    }
    audit_reader_free(reader);
    EQ(n_runs, PROCESSES);
    for (int i = 0; i < PROCESSES; i++)
        EQ(next[i], RECORDS);
}

TEST(many_processes_rotate)
{
    rig_init();
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    many_processes(&config);
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    OK(sum.files > 10);
    EQ(sum.records, 1 + PROCESSES * (RECORDS + 1) + 2 * (sum.files - 1));
    EQ(sum.first, 1);
    EQ(sum.last, sum.records);
    OK(!sum.earlier_gone);
}

TEST(only_the_newest_are_kept)
{
    char path[300];
    rig_init();
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    config.rotate_keep = 2;
    config.sync = AUDIT_SYNC_RUN;
    append_many(&config, 2000);
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    EQ(sum.files, 3);
    OK(sum.earlier_gone && sum.first > 1);
    EQ(sum.records, sum.last - sum.first + 1);
    /* an older file by itself, with what came before it */
    uint64_t last = sum.last;
    for (int i = 1; i < 100; i++) {
        snprintf(path, sizeof path, "%s.%d", rig_log, i);
        if (access(path, F_OK) == 0)
            break;
    }
    sum = rig_verify(path);
    STR_EQ(rig_problems, "");
    EQ(sum.files, 1);
    OK(sum.earlier_gone && sum.last < last);
    int number = atoi(strrchr(path, '.') + 1);
    snprintf(path, sizeof path, "%s.%d", rig_log, number + 1);
    sum = rig_verify(path);
    STR_EQ(rig_problems, "");
    EQ(sum.files, 2);
}

/* A file in the middle is taken away or exchanged. */
TEST(files_that_do_not_fit)
{
    char one[300], two[300], three[300];
    rig_init();
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    append_many(&config, 700);
    snprintf(one, sizeof one, "%s.1", rig_log);
    snprintf(two, sizeof two, "%s.2", rig_log);
    snprintf(three, sizeof three, "%s.3", rig_log);
    ASSERT(access(three, F_OK) == 0);
    struct buf first = rig_read(one), second = rig_read(two);
    unlink(two);
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    OK(sum.earlier_gone && sum.first > 1);
    rig_save(two, buf_str(&first)); /* does not say that it is the second: not taken */
    sum = rig_verify(rig_log);
    OK(sum.earlier_gone);
    rig_save(two, STR("something else\n"));
    sum = rig_verify(rig_log);
    OK(sum.earlier_gone);
    /* the second file of another log */
    char *at;
    struct buf foreign = BUF_INIT(SIZE_MAX);
    buf_add_str(&foreign, buf_str(&second));
    at = strstr(foreign.data, "\"log\":\"");
    ASSERT(at != NULL);
    memset(at + 7, '0', 32);
    rig_save(two, buf_str(&foreign));
    sum = rig_verify(rig_log);
    OK(sum.earlier_gone);
    buf_release(&foreign);
    /* a name that is shorter than the ending of a kept file */
    ASSERT_EQ_INT(chdir(rig_dir), 0);
    rig_save("l", buf_str(&second));
    sum = rig_verify("l");
    STR_EQ(rig_problems, "");
    OK(sum.earlier_gone && sum.files == 1);
    /* cut off at a line's end */
    struct str line = rig_line(buf_str(&second), 5);
    rig_save(two, (struct str){second.data, (size_t)(line.ptr - second.data)});
    sum = rig_verify(rig_log);
    OK(!sum.earlier_gone);
    OK(strstr(rig_problems, "5: ") == NULL && strstr(rig_problems, "4: the file ends before its"));
    OK(strstr(rig_problems, "are missing before record"));
    /* and within one */
    rig_save(two, (struct str){second.data, (size_t)(line.ptr - second.data) + 10});
    sum = rig_verify(rig_log);
    EQ(sum.torn, 0);
    OK(strstr(rig_problems, "5: line 5 is no record"));
    rig_save(two, buf_str(&second));
    sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    EQ(sum.first, 1);
    buf_release(&first);
    buf_release(&second);
}

/* A name of a kept file that somebody else has. */
TEST(a_name_that_is_taken)
{
    char path[300];
    rig_init();
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    snprintf(path, sizeof path, "%s.1", rig_log);
    rig_save(path, STR("mine"));
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    static char text[70000];
    memset(text, '1', sizeof text);
    ASSERT_EQ_INT(rig_call(run, "1", (struct str){text, sizeof text}), 0);
    struct capful_error err;
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "the full file cannot be kept: File exists"));
    struct buf mine = rig_read(path);
    STR_EQ(mine.data, "mine");
    buf_release(&mine);
    ASSERT_EQ_INT(unlink(path), 0);
    EQ(audit_limit(run, STR("x"), STR("y"), &err), 0);
    audit_run_free(run);
    audit_unref(audit);
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    EQ(sum.files, 2);
}

/* ------------------------------------------------------------------ threads */

static struct audit *shared;

static void *thread(void *context)
{
    struct audit_run *run = rig_begin(shared);
    (void)context;
    for (int i = 0; i < RECORDS; i++)
        ASSERT_EQ_INT(rig_call(run, "1", STR("{\"a\":1}")), 0);
    audit_run_free(run);
    return NULL;
}

static void many_threads(const struct audit_config *config)
{
    pthread_t threads[THREADS];
    shared = rig_open(config);
    for (int i = 0; i < THREADS; i++)
        ASSERT_EQ_INT(pthread_create(&threads[i], NULL, thread, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ASSERT_EQ_INT(pthread_join(threads[i], NULL), 0);
    audit_unref(shared);
}

TEST(many_threads_append)
{
    rig_init();
    struct audit_config config = rig_config();
    config.exclusive = true;
    many_threads(&config);
    RIG_SOUND(rig_log, 1 + THREADS * (RECORDS + 1));
}

TEST(many_threads_rotate_and_sign)
{
    static const uint8_t seed[32] = {5};
    rig_init();
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    config.sign_seed = seed;
    config.sign_every = 100;
    many_threads(&config);
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    OK(sum.signatures > 40 && sum.not_signed <= 101);
}

/* ------------------------------------------------------------------ a real disk that is full */

/* Appends until it is refused; how many were told to be there. */
static uint64_t append_until_refused(void)
{
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    uint64_t told = 2;
    while (told < 10000 && rig_call(run, "1", STR("{\"a\":1}")) == 0)
        told++;
    EQ(rig_call(run, "1", STR("{\"a\":1}")), CAPFUL_EFILE);
    audit_run_free(run);
    audit_unref(audit);
    return told;
}

TEST(a_file_that_may_not_grow)
{
    rig_init();
    struct rlimit old, limit;
    signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ_INT(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = 20000;
    ASSERT_EQ_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
    uint64_t told = append_until_refused();
    ASSERT_EQ_INT(setrlimit(RLIMIT_FSIZE, &old), 0);
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    EQ(sum.records, told);
    OK(sum.torn > 0 && told > 20);
    struct audit_config config = rig_config();
    append_many(&config, 3);
    sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    EQ(sum.records, told + 1 + 4);
}

static bool say(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* A disk of 64 KiB on the directory, in a namespace of this process's own. */
static bool mount_small(void)
{
    char user[40], group[40];
    snprintf(user, sizeof user, "0 %u 1", getuid());
    snprintf(group, sizeof group, "0 %u 1", getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && say("/proc/self/setgroups", "deny") &&
           say("/proc/self/uid_map", user) && say("/proc/self/gid_map", group) &&
           mount("none", rig_dir, "tmpfs", 0, "size=64k") == 0;
}

TEST(a_disk_that_is_full)
{
    rig_init();
    if (!mount_small()) {
        puts("# skipped: no small disk can be made here");
        return;
    }
    uint64_t told = append_until_refused();
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    EQ(sum.records, told);
    OK(told > 100);
    unlink(rig_log);
    umount(rig_dir);
}
