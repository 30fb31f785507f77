/* Any bytes as an audit log: the reader names what is wrong and ends; what it calls sound is a
 * chain that hangs together; a writer either refuses the file or makes it one that is still read;
 * the page holds no markup that is not ours. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/html.h"
#include "audit/reader.h"
#include "audit/writer.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static bool take(void *context, struct str text)
{
    (void)context;
    must(!memmem(text.ptr, text.len, "<script", 7) && !memchr(text.ptr, 0x1b, text.len));
    return true;
}

static struct audit_summary read_log(const char *path)
{
    struct audit_reader *reader;
    struct audit_entry entry;
    struct audit_check check = {.key = NULL};
    uint64_t records = 0, problems = 0;
    int got;
    must(audit_reader_open(path, &check, &reader, NULL) == 0);
    while ((got = audit_reader_next(reader, &entry, NULL)) == 1) {
        records += entry.kind == AUDIT_RECORD;
        problems += entry.kind == AUDIT_PROBLEM;
    }
    must(got == 0);
    struct audit_summary sum = *audit_reader_summary(reader);
    must(sum.records == records && sum.problems == problems);
    must(problems > 0 || sum.torn > 0 || sum.last - sum.first + 1 == records);
    audit_reader_free(reader);
    return sum;
}

static char dir[100], path[120];

static void remove_dir(void)
{
    rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tail tail;
    uint64_t blocks = mem_live_blocks();
    if (!*dir) {
        snprintf(dir, sizeof dir, "/tmp/capful-fuzz-audit-XXXXXX");
        must(mkdtemp(dir) != NULL && atexit(remove_dir) == 0);
        snprintf(path, sizeof path, "%s/log", dir);
    }
    FILE *file = fopen(path, "wb");
    must(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    (void)tail_find((struct str){(const char *)data, size}, true, &tail);
    (void)tail_find((struct str){(const char *)data, size}, false, &tail);

    struct audit_summary before = read_log(path);
    bool sound = false;
    must(audit_html(path, HTML_RECORDS, take, NULL, &sound, NULL) == 0);
    must(!sound || before.problems == 0);

    struct audit_config config;
    struct audit *audit;
    audit_config_init(&config);
    config.path = path;
    if (audit_open(&config, &audit, NULL) == 0) {
        struct audit_grant grant = {.grant = STR("g")};
        must(audit_grant(audit, NULL, &grant, NULL) == 0);
        audit_unref(audit);
        struct audit_summary after = read_log(path);
        bool was_empty = before.records == 0 && before.torn == 0;
        must(after.torn == 0);
        must(was_empty || before.problems > 0 || after.problems == 0);
    } else {
        must(before.problems > 0 || before.torn > 0);
    }
    must(mem_live_blocks() == blocks);
    unlink(path);
    return 0;
}
