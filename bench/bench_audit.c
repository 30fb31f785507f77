/* The figures of the audit log: records of a typical call, appended, and a log of them verified.
 * The functions are not public yet, so this program knows src/audit.
 *
 *     bench_audit [DIRECTORY]     where the log is written (TMPDIR, or /tmp)
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/reader.h"
#include "table.h"

enum { RECORDS = 20000, SYNCED = 200 };

static int rounds = 15;
static char path[300];
static struct capful_error err;

static void die(const char *what)
{
    fprintf(stderr, "bench_audit: %s: %s\n", what, err.text);
    unlink(path);
    exit(1);
}

/* µs for one record */
static double append(const struct audit_config *config, int count)
{
    static const struct audit_call call = {
        .call = STR("4b1d0c66a1f20e77.12"),
        .tool = STR("refund"),
        .process = 1,
        .grant = STR("refund"),
        .arguments =
            STR("{\"order_id\":\"A-1734\",\"amount\":50,\"reason\":\"damaged on arrival\"}")};
    const struct audit_run_info info = {.program = STR("report.js")};
    struct audit *audit;
    struct audit_run *run;
    unlink(path);
    if (audit_open(config, &audit, &err) != 0 || audit_run_begin(audit, &info, &run, &err) != 0)
        die("the log");
    uint64_t start = bench_now();
    for (int i = 0; i < count; i++)
        if (audit_call(run, &call, &err) != 0)
            die("a record");
    uint64_t end = bench_now();
    audit_run_free(run);
    audit_unref(audit);
    return (double)(end - start) / 1e3 / count;
}

/* What no log can do without: as many bytes, written as often. */
static double bare_write(void)
{
    char text[500];
    memset(text, 'x', sizeof text);
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    uint64_t start = bench_now();
    for (int i = 0; i < RECORDS; i++)
        if (write(fd, text, sizeof text) != (ssize_t)sizeof text)
            die("write");
    uint64_t end = bench_now();
    close(fd);
    return (double)(end - start) / 1e3 / RECORDS;
}

static double verify(void)
{
    const struct audit_check check = {.key = NULL};
    struct audit_reader *reader;
    struct audit_entry entry;
    uint64_t start = bench_now();
    if (audit_reader_open(path, &check, &reader, &err) != 0)
        die("verify");
    while (audit_reader_next(reader, &entry, &err) == 1)
        if (entry.kind == AUDIT_PROBLEM)
            die(entry.problem);
    double megabytes = (double)audit_reader_summary(reader)->bytes / 1e6;
    audit_reader_free(reader);
    return megabytes / ((double)(bench_now() - start) / 1e9);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR"), *asked = getenv("BENCH_ROUNDS");
    struct samples bare = {.count = 0}, alone = {.count = 0}, shared = {.count = 0};
    struct samples synced = {.count = 0}, read_back = {.count = 0};
    struct audit_config config;
    rounds = asked ? atoi(asked) : rounds;
    snprintf(path, sizeof path, "%s/capful-bench-%d.log",
             argc > 1 ? argv[1]
             : tmp    ? tmp
                      : "/tmp",
             (int)getpid());
    for (int i = 0; i < rounds; i++) {
        audit_config_init(&config);
        config.path = path;
        samples_add(&bare, bare_write());
        config.sync = AUDIT_SYNC_RECORD;
        samples_add(&synced, append(&config, SYNCED));
        config.sync = AUDIT_SYNC_NEVER;
        samples_add(&shared, append(&config, RECORDS));
        config.exclusive = true;
        samples_add(&alone, append(&config, RECORDS));
        samples_add(&read_back, verify());
    }
    unlink(path);
    table_row("write(2) of 500 bytes, appended to a file", &bare, "us", 0, 0);
    table_row("audit record, log of one process", &alone, "us", 3, 0);
    table_row("audit record, log of many processes", &shared, "us", 3, 0);
    table_row("audit record with fsync", &synced, "us", 0, 0);
    table_row("audit verify", &read_back, "MB/s", 500, 1);
    return 0;
}
