/* What the tests of src/audit share: a directory of its own, a small log of every kind of record,
 * files as text, and what a reader says of a log. */
#ifndef CAPFUL_TESTS_AUDIT_RIG_H
#define CAPFUL_TESTS_AUDIT_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "audit/audit.h"
#include "audit/reader.h"
#include "base/buf.h"
#include "base/mem.h"
#include "tap.h"

#define RIG_UNUSED __attribute__((unused))

static char rig_dir[200], rig_log[220];

RIG_UNUSED static void rig_clean(void)
{
    DIR *dir = opendir(rig_dir);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;) {
        char path[sizeof rig_dir + 300];
        snprintf(path, sizeof path, "%s/%s", rig_dir, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(rig_dir);
}

/* Each test is a process and ends by exit. */
RIG_UNUSED static void rig_init(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(rig_dir, sizeof rig_dir, "%.100s/capful-audit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    ASSERT(mkdtemp(rig_dir) != NULL);
    snprintf(rig_log, sizeof rig_log, "%s/log", rig_dir);
    if (!tap_in_place)
        atexit(rig_clean);
}

RIG_UNUSED static struct audit_config rig_config(void)
{
    struct audit_config config;
    audit_config_init(&config);
    config.path = rig_log;
    return config;
}

RIG_UNUSED static struct audit *rig_open(const struct audit_config *config)
{
    struct audit *audit = NULL;
    struct capful_error err = {.text = ""};
    if (audit_open(config, &audit, &err) != 0) {
        printf("# %s\n", err.text);
        tap_stop();
    }
    return audit;
}

RIG_UNUSED static struct audit_run *rig_begin(struct audit *audit)
{
    struct audit_run_info info = {.program = STR("report.js"), .code = STR("1+1")};
    struct audit_run *run = NULL;
    ASSERT_EQ_INT(audit_run_begin(audit, &info, &run, NULL), 0);
    return run;
}

RIG_UNUSED static int rig_call(struct audit_run *run, const char *id, struct str arguments)
{
    struct audit_call call = {.call = str_of(id),
                              .tool = STR("refund"),
                              .process = 1,
                              .grant = STR("refund"),
                              .arguments = arguments};
    return audit_call(run, &call, NULL);
}

/* A run with a record of each kind; 10 records with the first one of the file. */
RIG_UNUSED static void rig_write(struct audit *audit)
{
    struct audit_run *run = rig_begin(audit);
    struct audit_call_end end = {
        .call = STR("a"), .tool = STR("refund"), .result = STR("true"), .duration = 12};
    struct audit_approval approval = {.call = STR("b"),
                                      .tool = STR("refund"),
                                      .decision = AUDIT_EDITED,
                                      .by = STR("ann"),
                                      .arguments = STR("{\"n\":2}")};
    struct audit_mount mount = {STR("/data"), STR("/srv/data"), STR("rw"), STR("/data/x")};
    struct audit_grant grant = {.grant = STR("refund/1"), .parent = STR("refund"), .process = 1};
    struct audit_run_end done = {.status = CAPFUL_OK};
    ASSERT_EQ_INT(rig_call(run, "a", STR("{\"n\":1}")), 0);
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
    ASSERT_EQ_INT(rig_call(run, "b", STR("{}")), 0);
    ASSERT_EQ_INT(audit_approval(run, &approval, NULL), 0);
    ASSERT_EQ_INT(audit_mount(run, &mount, NULL), 0);
    ASSERT_EQ_INT(audit_grant(audit, run, &grant, NULL), 0);
    ASSERT_EQ_INT(audit_limit(run, STR("wall"), STR("5 s are over"), NULL), 0);
    ASSERT_EQ_INT(audit_run_end(run, &done, NULL), 0);
    audit_run_free(run);
}

RIG_UNUSED static struct buf rig_read(const char *path)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    char piece[65536];
    int fd = open(path, O_RDONLY);
    ASSERT(fd >= 0);
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;)
        buf_add(&text, piece, (size_t)n);
    close(fd);
    return text;
}

RIG_UNUSED static void rig_save(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ASSERT(fd >= 0);
    ASSERT_EQ_INT(write(fd, text.ptr, text.len), text.len);
    close(fd);
}

/* Line number `n` (from 1) of a text, with its newline. */
RIG_UNUSED static struct str rig_line(struct str text, int n)
{
    const char *end = NULL;
    for (; n > 0; n--) {
        if (end)
            text = (struct str){end + 1, text.len - (size_t)(end + 1 - text.ptr)};
        end = text.len ? memchr(text.ptr, '\n', text.len) : NULL;
        if (!end)
            return (struct str){"", 0};
    }
    return (struct str){text.ptr, (size_t)(end - text.ptr) + 1};
}

/* Reads all of a log. The first problems stand in `rig_problems`, one a line: "LINE: TEXT". */
static char rig_problems[2000];
RIG_UNUSED static struct audit_summary rig_verify_with(const char *path,
                                                       const struct audit_check *check)
{
    struct audit_reader *reader = NULL;
    struct audit_entry entry;
    struct capful_error err = {.text = ""};
    struct audit_summary summary;
    int got, len = 0;
    rig_problems[0] = 0;
    if (audit_reader_open(path, check, &reader, &err) != 0) {
        printf("# %s\n", err.text);
        tap_stop();
    }
    while ((got = audit_reader_next(reader, &entry, &err)) == 1)
        if (entry.kind == AUDIT_PROBLEM && len < 1000)
            len += snprintf(rig_problems + len, sizeof rig_problems - (size_t)len, "%d: %s\n",
                            (int)entry.line, entry.problem);
    if (got < 0)
        printf("# %s\n", err.text);
    ASSERT_EQ_INT(got, 0);
    summary = *audit_reader_summary(reader);
    audit_reader_free(reader);
    return summary;
}

RIG_UNUSED static struct audit_summary rig_verify(const char *path)
{
    return rig_verify_with(path, &(struct audit_check){.key = NULL});
}

/* A log with nothing wrong in it, of so many records. */
#define RIG_SOUND(path, count)                                                                     \
    do {                                                                                           \
        struct audit_summary rig_sum = rig_verify(path);                                           \
        STR_EQ(rig_problems, "");                                                                  \
        EQ(rig_sum.torn, 0);                                                                       \
        EQ(rig_sum.records, count);                                                                \
    } while (0)

#endif
