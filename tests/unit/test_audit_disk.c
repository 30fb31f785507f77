/* A log whose writer is ended at every byte and at every system call, or for which every system
 * call fails once: it verifies up to its last whole record, the next writer goes on, and nothing is
 * reported as recorded that is not there.
 *
 * The functions of src/audit/disk.h are those of this file, and its clock. */
#include <sys/file.h>
#include <sys/uio.h>

#include "audit/disk.h"
#include "audit/writer.h"
#include "audit_rig.h"
#include "base/clock.h"

/* ------------------------------------------------------------------ the host's files, at fault */

enum fault { FAULT_NONE, FAULT_ERROR, FAULT_KILL };

static enum fault fault;
static uint64_t calls_left;            /* until the fault; 0: not by calls */
static int64_t bytes_left = INT64_MAX; /* that can be written before it */
static int error_given = EIO;
static bool no_fork_page, short_writes;
static uint64_t busy; /* times that the lock is not to be had */
static int (*stat_at_hook)(struct disk_stat *ret);
static uint64_t paused;
static bool reads_nothing;
static uint8_t *fork_page; /* of the newest log */

static bool at_fault(void)
{
    if (fault == FAULT_NONE || calls_left == 0 || --calls_left > 0)
        return false;
    if (fault == FAULT_KILL)
        _exit(9);
    return true;
}

#define GUARD                                                                                      \
    do {                                                                                           \
        if (at_fault())                                                                            \
            return -error_given;                                                                   \
    } while (0)

static int answer(int result)
{
    return result < 0 ? -errno : result;
}

int disk_open(int dir, const char *name, int flags, mode_t mode)
{
    GUARD;
    return answer(openat(dir, name, flags | O_CLOEXEC, mode));
}

void disk_close(int fd)
{
    close(fd);
}

static void take(const struct stat *s, struct disk_stat *ret)
{
    *ret = (struct disk_stat){.size = (uint64_t)s->st_size,
                              .device = s->st_dev,
                              .inode = s->st_ino,
                              .mode = s->st_mode & 0777,
                              .links = (uint32_t)s->st_nlink,
                              .regular = S_ISREG(s->st_mode)};
}

int disk_stat(int fd, struct disk_stat *ret)
{
    struct stat s = {0};
    GUARD;
    int failed = answer(fstat(fd, &s));
    take(&s, ret);
    return failed;
}

int disk_stat_at(int dir, const char *name, struct disk_stat *ret)
{
    struct stat s = {0};
    GUARD;
    if (stat_at_hook)
        return stat_at_hook(ret);
    int failed = answer(fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW));
    take(&s, ret);
    return failed;
}

int disk_lock(int fd, bool shared)
{
    GUARD;
    if (busy > 0) {
        busy--;
        return -EAGAIN;
    }
    return answer(flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB));
}

void disk_unlock(int fd)
{
    flock(fd, LOCK_UN);
}

void disk_pause(uint64_t ns)
{
    paused += ns;
}

/* Time passes by pausing only: nobody waits for 10 s here. */
uint64_t clock_monotonic(void)
{
    return 1 + paused;
}

uint64_t clock_real(void)
{
    return UINT64_C(1767225600000000000) + paused;
}

uint64_t clock_thread(void)
{
    return paused;
}

void *disk_fork_page(void)
{
    return no_fork_page ? NULL : (fork_page = calloc(1, 1));
}

void disk_free_page(void *page)
{
    free(page);
}

ssize_t disk_read(int fd, void *to, size_t len, uint64_t offset)
{
    GUARD;
    if (reads_nothing)
        return 0;
    ssize_t n = pread(fd, to, len, (off_t)offset);
    return n < 0 ? -errno : n;
}

ssize_t disk_write(int fd, const struct iovec *pieces, int count)
{
    static char text[9 << 20];
    size_t len = 0;
    GUARD;
    for (int i = 0; i < count; i++) {
        memcpy(text + len, pieces[i].iov_base, pieces[i].iov_len);
        len += pieces[i].iov_len;
    }
    if (short_writes && len > 1)
        len = len / 2;
    if ((int64_t)len > bytes_left) {
        len = (size_t)bytes_left;
        ASSERT_EQ_INT(write(fd, text, len), len);
        bytes_left = 0;
        if (fault == FAULT_KILL)
            _exit(9);
        return len > 0 ? (ssize_t)len : -ENOSPC;
    }
    if (bytes_left != INT64_MAX)
        bytes_left -= (int64_t)len;
    return write(fd, text, len);
}

int disk_sync(int fd)
{
    (void)fd;
    GUARD;
    return 0;
}

int disk_mode(int fd, mode_t mode)
{
    GUARD;
    return answer(fchmod(fd, mode));
}

int disk_link(int dir, const char *name, const char *other)
{
    GUARD;
    return answer(linkat(dir, name, dir, other, 0));
}

int disk_rename(int dir, const char *from, const char *to)
{
    GUARD;
    return answer(renameat(dir, from, dir, to));
}

int disk_unlink(int dir, const char *name)
{
    GUARD;
    return answer(unlinkat(dir, name, 0));
}

static void no_fault(void)
{
    fault = FAULT_NONE;
    calls_left = 0;
    bytes_left = INT64_MAX;
}

/* ------------------------------------------------------------------ ended at every byte */

static const uint8_t seed[32] = {7};

/* What a program does that has no idea of all this; how many records it was told are there. */
static int work(const struct audit_config *config)
{
    struct audit *audit;
    struct audit_run_info info = {.program = STR("x")};
    struct audit_run *run = NULL;
    int told = 0;
    if (audit_open(config, &audit, NULL) != 0)
        return 0;
    if (audit_run_begin(audit, &info, &run, NULL) == 0) {
        struct audit_run_end end = {.status = CAPFUL_OK};
        told++;
        for (int i = 0; i < 3; i++)
            told += rig_call(run, "1", STR("{\"a\":1}")) == 0;
        told += audit_run_end(run, &end, NULL) == 0;
    }
    audit_run_free(run);
    audit_unref(audit);
    return told;
}

/* In a process that may be ended; its exit status. */
static int work_apart(const struct audit_config *config, int64_t bytes, uint64_t calls)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        fault = FAULT_KILL;
        bytes_left = bytes;
        calls_left = calls;
        (void)work(config);
        _exit(0);
    }
    ASSERT_EQ_INT(waitpid(child, &status, 0), child);
    return WEXITSTATUS(status);
}

/* How many lines of the file end in a newline and how many bytes follow them. */
static void count_lines(uint64_t *ret_lines, uint64_t *ret_rest)
{
    struct buf text = rig_read(rig_log);
    *ret_lines = *ret_rest = 0;
    for (size_t i = 0; i < text.len; i++) {
        *ret_rest = text.data[i] == '\n' ? 0 : *ret_rest + 1;
        *ret_lines += text.data[i] == '\n';
    }
    buf_release(&text);
}

/* `step` 3: at every third byte. */
static void end_at_every_byte(const struct audit_config *config, int64_t step)
{
    int ended;
    int64_t n = 0;
    do {
        uint64_t lines, rest;
        unlink(rig_log);
        ended = work_apart(config, n, 0);
        n += step;
        count_lines(&lines, &rest);
        struct audit_summary sum = rig_verify(rig_log);
        STR_EQ(rig_problems, sum.records || rest ? "" : "0: the log holds no record\n");
        EQ(sum.records, lines);
        EQ(sum.torn, rest);
        EQ(work(config), 5);
        sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        EQ(sum.torn, 0);
        EQ(sum.recoveries, rest > 0);
        OK(sum.records >= lines + 5);
    } while (ended == 9);
    EQ(ended, 0);
    OK(n > 2000);
}

TEST(a_writer_ended_at_every_byte)
{
    rig_init();
    struct audit_config config = rig_config();
    end_at_every_byte(&config, 1);
}

TEST(a_signing_writer_ended_at_every_third_byte)
{
    rig_init();
    struct audit_config config = rig_config();
    config.sign_seed = seed;
    config.exclusive = true;
    end_at_every_byte(&config, 3);
}

/* Ended again while it accounts for what was torn, after a whole record and before the first. */
TEST(a_writer_ended_while_it_recovers)
{
    rig_init();
    struct audit_config config = rig_config();
    static const int64_t torn_at[] = {100, 500};
    for (size_t i = 0; i < sizeof torn_at / sizeof *torn_at; i++) {
        int ended;
        int64_t n = 2 * (int64_t)i - 5;
        do {
            n += 5;
            unlink(rig_log);
            EQ(work_apart(&config, torn_at[i], 0), 9);
            ended = work_apart(&config, n, 0);
            struct audit_summary sum = rig_verify(rig_log);
            STR_EQ(rig_problems, "");
            uint64_t before = sum.records;
            EQ(work_apart(&config, n / 2, 0), 9); /* and a third time */
            EQ(work(&config), 5);
            sum = rig_verify(rig_log);
            STR_EQ(rig_problems, "");
            EQ(sum.torn, 0);
            OK(sum.records >= before + 5 && sum.recoveries >= 1 && sum.recoveries <= 3);
        } while (ended == 9);
    }
}

/* The disk is full at every byte: the call is refused, and all that was told to be there is. */
TEST(a_full_disk_at_every_byte)
{
    int told;
    int64_t n = 0;
    rig_init();
    struct audit_config config = rig_config();
    do {
        unlink(rig_log);
        fault = FAULT_ERROR;
        bytes_left = n++;
        told = work(&config);
        no_fault();
        struct audit_summary sum = rig_verify(rig_log);
        OK(!strstr(rig_problems, "record "));
        EQ(sum.records, told + (sum.records > 0));
        EQ(work(&config), 5);
        sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
    } while (told < 5);
}

/* Room again while the same writer goes on. */
TEST(a_disk_that_was_full_for_a_while)
{
    for (int64_t n = 0; n < 500; n += 7) {
        rig_init();
        struct audit_config config = rig_config();
        config.exclusive = n % 2;
        struct audit *audit = rig_open(&config);
        struct audit_run *run = rig_begin(audit);
        fault = FAULT_ERROR;
        bytes_left = n;
        bool told = rig_call(run, "1", STR("{}")) == 0;
        EQ(rig_call(run, "2", STR("{}")) == 0, false);
        no_fault();
        EQ(rig_call(run, "3", STR("{}")), 0);
        struct audit_summary sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        EQ(sum.torn, 0);
        EQ(sum.recoveries, n > 0);
        EQ(sum.records, 3 + told + sum.recoveries);
        audit_run_free(run);
        audit_unref(audit);
        rig_clean();
    }
}

TEST(a_write_that_takes_many)
{
    rig_init();
    short_writes = true;
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    rig_write(audit);
    static char text[9000];
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    struct audit_run *run = rig_begin(audit);
    EQ(rig_call(run, "1", (struct str){text, sizeof text}), 0);
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 12);
}

/* ------------------------------------------------------------------ every system call */

/* Fills a file, so that the next record of `work` goes on in another. */
static void fill(const struct audit_config *config, int files)
{
    static char text[70000];
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    for (int i = 0; i < files; i++) {
        struct audit *audit = rig_open(config);
        struct audit_run *run = rig_begin(audit);
        ASSERT_EQ_INT(rig_call(run, "1", (struct str){text, sizeof text}), 0);
        audit_run_free(run);
        audit_unref(audit);
    }
}

static void remove_files(void)
{
    char path[300];
    for (int i = 1; i < 9; i++) {
        snprintf(path, sizeof path, "%s.%d", rig_log, i);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s.new", rig_log);
    unlink(path);
    unlink(rig_log);
}

static struct audit_config rotating(bool is_signed)
{
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    config.sync = AUDIT_SYNC_RECORD;
    config.sign_seed = is_signed ? seed : NULL;
    return config;
}

static void end_at_every_call(bool is_signed)
{
    int ended;
    uint64_t n = 1;
    rig_init();
    struct audit_config config = rotating(is_signed);
    do {
        remove_files();
        fill(&config, 2);
        uint64_t before = rig_verify(rig_log).records;
        ended = work_apart(&config, INT64_MAX, n++);
        struct audit_summary sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        OK(sum.records >= before);
        before = sum.records;
        EQ(work(&config), 5);
        sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        OK(sum.records >= before + 5 && sum.files == 3);
    } while (ended == 9);
    EQ(ended, 0);
    OK(n > 40);
}

TEST(a_writer_ended_at_every_call)
{
    end_at_every_call(false);
}

TEST(a_signing_writer_ended_at_every_call)
{
    end_at_every_call(true);
}

static int open_files(void)
{
    int n = 0;
    for (int fd = 0; fd < 100; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* What was told is there, whatever failed, and nothing is left open. */
static void fail_every_call(struct audit_config config)
{
    uint64_t n = 1;
    bool failed;
    uint64_t blocks = mem_live_blocks();
    int files = open_files();
    do {
        remove_files();
        fill(&config, 2);
        uint64_t before = rig_verify(rig_log).last;
        fault = FAULT_ERROR;
        calls_left = n++;
        uint64_t told = (uint64_t)work(&config);
        failed = calls_left == 0;
        no_fault();
        struct audit_summary sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        OK(sum.last >= before + told);
        before = sum.last;
        EQ(work(&config), 5);
        sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        OK(sum.last >= before + 5);
    } while (failed);
    EQ(mem_live_blocks(), blocks);
    EQ(open_files(), files);
    OK(n > 25);
}

TEST(every_call_fails_once)
{
    rig_init();
    fail_every_call(rotating(false));
}

TEST(every_call_fails_once_for_one_that_signs)
{
    rig_init();
    struct audit_config config = rotating(true);
    config.exclusive = true;
    config.rotate_keep = 1;
    fail_every_call(config);
}

TEST(every_call_fails_once_without_room)
{
    rig_init();
    error_given = EEXIST;
    fail_every_call(rotating(false));
}

TEST(every_call_fails_once_while_reading)
{
    rig_init();
    struct audit_config config = rotating(true);
    fill(&config, 3);
    EQ(work(&config), 5);
    bool failed;
    uint64_t n = 1, blocks = mem_live_blocks();
    int files = open_files();
    do {
        struct audit_reader *reader = NULL;
        struct audit_entry entry;
        struct audit_check check = {.key = NULL};
        fault = FAULT_ERROR;
        calls_left = n++;
        int got = audit_reader_open(rig_log, &check, &reader, NULL);
        while (got == 0 && (got = audit_reader_next(reader, &entry, NULL)) == 1)
            got = 0;
        OK(got == 0 || got == CAPFUL_EFILE);
        audit_reader_free(reader);
        failed = calls_left == 0;
        no_fault();
    } while (failed);
    EQ(mem_live_blocks(), blocks);
    EQ(open_files(), files);
}

TEST(every_call_fails_once_for_keys)
{
    char path[300];
    uint8_t key[32], read_back[32];
    rig_init();
    snprintf(path, sizeof path, "%s/key", rig_dir);
    bool failed;
    uint64_t n = 1;
    do {
        unlink(path);
        fault = FAULT_ERROR;
        calls_left = n++;
        int made = audit_make_key(path, key, NULL);
        int got = made ? made : audit_read_seed(path, read_back, NULL);
        failed = calls_left == 0;
        no_fault();
        EQ(got, failed ? CAPFUL_EFILE : 0);
        EQ(made == 0, access(path, F_OK) == 0);
    } while (failed);
    unlink(path);
    bytes_left = 10;
    fault = FAULT_ERROR;
    EQ(audit_make_key(path, key, NULL), CAPFUL_EFILE);
    OK(access(path, F_OK) != 0);
}

/* ------------------------------------------------------------------ single faults */

/* After an fsync that failed nobody knows what is on the disk: the log is not used any more. */
TEST(an_fsync_that_fails)
{
    rig_init();
    struct audit_config config = rig_config();
    struct capful_error err;
    config.sync = AUDIT_SYNC_RUN;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    struct audit_run_end end = {.status = CAPFUL_OK};
    EQ(rig_call(run, "1", STR("{}")), 0);
    fault = FAULT_ERROR;
    calls_left = 5; /* lock, stat, name, write, fsync */
    EQ(audit_run_end(run, &end, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "is not on the disk: Input/output error"));
    no_fault();
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "an earlier record may not be on the disk: Input/output error"));
    audit_run_free(run);
    audit_unref(audit);
}

TEST(a_lock_that_takes_a_while)
{
    rig_init();
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    busy = 50;
    EQ(rig_call(run, "1", STR("{}")), 0);
    OK(paused > 10000000 && paused < 50000000);
    busy = 100000;
    struct capful_error err;
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "is locked by another process for 10 s"));
    RIG_SOUND(rig_log, 3); /* a reader goes on without */
    audit_run_free(run);
    audit_unref(audit);
}

static int elsewhere(struct disk_stat *ret)
{
    *ret = (struct disk_stat){.inode = 1};
    return 0;
}

TEST(a_log_that_goes_on_without_end)
{
    rig_init();
    struct audit_config config = rotating(false);
    fill(&config, 1);
    fault = FAULT_KILL;
    int ended;
    uint64_t n = 1;
    struct buf text;
    do { /* until its last record says that it goes on */
        ended = work_apart(&config, INT64_MAX, n++);
        text = rig_read(rig_log);
        bool rotates = strstr(text.data, "\"type\":\"rotate\"") != NULL;
        buf_release(&text);
        if (rotates)
            break;
    } while (ended == 9);
    no_fault();
    stat_at_hook = elsewhere;
    struct audit *audit;
    struct capful_error err;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "goes on in other files without end"));
}

/* A file that becomes shorter between the look at its size and the reading. */
TEST(a_file_that_becomes_shorter)
{
    rig_init();
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    rig_write(audit);
    audit_unref(audit);
    reads_nothing = true;
    struct capful_error err;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "cannot be read: Input/output error"));
    struct audit_reader *reader;
    struct audit_entry entry;
    struct audit_check check = {.key = NULL};
    ASSERT_EQ_INT(audit_reader_open(rig_log, &check, &reader, &err), 0);
    EQ(audit_reader_next(reader, &entry, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "cannot be read: Input/output error"));
    audit_reader_free(reader);
}

/* One writer goes on in another file; each call fails once for another, which has to follow. */
TEST(every_call_fails_once_for_one_that_follows)
{
    bool failed;
    uint64_t n = 1;
    rig_init();
    struct audit_config config = rotating(false);
    do {
        remove_files();
        struct audit *audit = rig_open(&config);
        struct audit_run *run = rig_begin(audit);
        fill(&config, 2);
        fault = FAULT_ERROR;
        calls_left = n++;
        int told = rig_call(run, "1", STR("{}"));
        failed = calls_left == 0;
        no_fault();
        OK(told == 0 || (failed && told == CAPFUL_EFILE)); /* one may fail: it removes nothing */
        bool broken = rig_call(run, "2", STR("{}")) != 0;  /* after an fsync only */
        OK(!broken || failed);
        audit_run_free(run);
        audit_unref(audit);
        struct audit_summary sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        OK(sum.files >= 2);
    } while (failed);
    OK(n > 8);
}

/* What a child of this process sees, in this process. */
TEST(a_page_that_was_wiped)
{
    rig_init();
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    fork_page[0] = 0;
    EQ(rig_call(run, "1", STR("{}")), 0);
    EQ(fork_page[0], 1);
    fork_page[0] = 0;
    fault = FAULT_ERROR;
    calls_left = 1;
    EQ(rig_call(run, "1", STR("{}")), CAPFUL_EFILE);
    no_fault();
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 3);
}

/* A child of a process that has the log for itself may not write it. */
TEST(a_child_of_an_exclusive_writer)
{
    rig_init();
    struct audit_config config = rig_config();
    config.exclusive = true;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    ASSERT_EQ_INT(rig_call(run, "1", STR("{}")), 0);
    fflush(stdout);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0) {
        fork_page[0] = 0; /* as the kernel does */
        _exit(rig_call(run, "2", STR("{}")) == CAPFUL_EFILE ? 0 : 1);
    }
    int status = 1;
    ASSERT_EQ_INT(waitpid(child, &status, 0), child);
    EQ(status, 0);
    ASSERT_EQ_INT(rig_call(run, "3", STR("{}")), 0);
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 4);
}

/* Where the kernel cannot mark a page, the number of the process tells a child. */
TEST(a_child_without_the_page)
{
    rig_init();
    no_fork_page = true;
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    pid_t child = fork();
    for (int i = 0; i < 50; i++)
        if (rig_call(run, "1", STR("{}")) != 0)
            _exit(1);
    if (child == 0)
        _exit(0);
    int status = 1;
    ASSERT_EQ_INT(waitpid(child, &status, 0), child);
    EQ(status, 0);
    RIG_SOUND(rig_log, 102);
    audit_run_free(run);
    audit_unref(audit);
}
