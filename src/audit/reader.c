/* Checking a log, see reader.h. Three layers: which files there are; their lines (lines.h); what
 * each line must be after the one before. */
#include "audit/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/lines.h"
#include "audit/writer.h"
#include "base/err.h"
#include "base/mem.h"

#define PROBLEMS_MAX 8 /* of one line */
#define PROBLEM_SIZE 240
#define PATIENCE     UINT64_C(200000000) /* ns */

/* Lines that are no records: what a writer left that was ended, if the next record says so. */
struct region {
    bool open;
    uint64_t line, bytes;
    bool marked; /* each line of it that has an end */
    struct sha256 hash;
};

struct audit_reader {
    struct audit_check check;
    uint8_t key[AUDIT_KEY], wanted[SHA256_SIZE];
    struct audit_summary summary;

    char *path, *stem; /* an older file is STEM.NUMBER */
    size_t stem_len;
    int last_fd;
    uint64_t last_size, last_number; /* 0: it does not say */
    uint64_t number;                 /* of the file being read; 0 before the first */
    char name[PATH_MAX + 32];
    int fd;            /* of an older file */
    bool done, at_end; /* of the log; of the file */

    struct lines lines;
    uint64_t line;
    bool first_in_file, rotated;
    bool seq_known, hash_known; /* of the record before */
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
    struct region region;

    char problems[PROBLEMS_MAX][PROBLEM_SIZE];
    uint64_t problem_lines[PROBLEMS_MAX];
    int n_problems, next_problem;
    bool has_record;
    struct chain_record record;
    uint64_t offset;
};

/* ------------------------------------------------------------------ problems */

__attribute__((format(printf, 3, 4))) static void problem(struct audit_reader *r, uint64_t line,
                                                          const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->problems[r->n_problems], PROBLEM_SIZE, format, args);
    va_end(args);
    r->problem_lines[r->n_problems++] = line;
    r->summary.problems++;
}

#define NUMBER(n) ((unsigned long long)(n))

/* ------------------------------------------------------------------ lines that are no records */

static void add_to_region(struct audit_reader *r, const struct line *line)
{
    struct region *region = &r->region;
    size_t n = sizeof TORN_MARK - 1;
    if (!region->open) {
        *region = (struct region){.open = true, .line = r->line, .marked = true};
        sha256_init(&region->hash);
    }
    sha256_add(&region->hash, line->text.ptr, line->text.len);
    region->bytes += line->text.len;
    if (line->ends && (line->text.len < n || !line->begins ||
                       memcmp(line->text.ptr + line->text.len - n, TORN_MARK, n) != 0))
        region->marked = false;
}

/* A record says how many bytes before it are torn, or nothing of the kind. */
static void close_region(struct audit_reader *r, const struct chain_torn *told)
{
    struct region region = r->region;
    uint8_t digest[SHA256_SIZE];
    r->region.open = false;
    if (!region.open) {
        if (told->given)
            problem(r, r->line, "record %llu tells of torn bytes before it, and there are none",
                    NUMBER(r->record.seq));
        return;
    }
    sha256_end(&region.hash, digest);
    if (told->given && region.marked && region.bytes == told->bytes &&
        memcmp(digest, told->hash, SHA256_SIZE) == 0) {
        r->summary.recoveries++;
        r->summary.recovered_bytes += region.bytes;
        return;
    }
    problem(r, region.line, "line %llu is no record: one was changed here, or something inserted",
            NUMBER(region.line));
}

/* The end of a file: only the newest may be torn. */
static void end_region(struct audit_reader *r, bool newest)
{
    struct region *region = &r->region;
    if (!region->open)
        return;
    region->open = false;
    if (newest && region->marked)
        r->summary.torn = region->bytes;
    else
        problem(r, region->line, "line %llu is no record: one was changed here, or something added",
                NUMBER(region->line));
}

/* ------------------------------------------------------------------ records */

static void check_order(struct audit_reader *r, const struct chain_record *record)
{
    uint64_t expected = r->seq + 1;
    if (r->seq_known && record->seq > expected + 1)
        problem(r, r->line, "records %llu to %llu are missing before record %llu", NUMBER(expected),
                NUMBER(record->seq - 1), NUMBER(record->seq));
    else if (r->seq_known && record->seq == expected + 1)
        problem(r, r->line, "record %llu is missing before record %llu", NUMBER(expected),
                NUMBER(record->seq));
    else if (r->seq_known && record->seq < expected)
        problem(r, r->line,
                "record %llu stands where record %llu should: it was moved here, or inserted",
                NUMBER(record->seq), NUMBER(expected));
    else if (r->hash_known && memcmp(record->prev, r->hash, SHA256_SIZE) != 0)
        problem(r, r->line,
                "record %llu does not hang on the record before it: one of the two was replaced",
                NUMBER(record->seq));
    r->seq = record->seq;
    memcpy(r->hash, record->hash, SHA256_SIZE);
    r->seq_known = r->hash_known = true;
}

static void check_signature(struct audit_reader *r, const struct chain_signature *signature)
{
    struct audit_summary *s = &r->summary;
    if (r->check.key && memcmp(signature->key, r->check.key, AUDIT_KEY) != 0) {
        s->other_keys++;
    } else if (sign_is_valid(signature->key, r->record.prev, signature->signature)) {
        s->signatures++;
        s->not_signed = 0;
    } else {
        problem(r, r->line, "the signature in record %llu is not valid", NUMBER(r->record.seq));
    }
}

static void malformed(struct audit_reader *r)
{
    problem(r, r->line, "record %llu is not as this program writes such records",
            NUMBER(r->record.seq));
}

static void check_log(struct audit_reader *r, struct chain_torn *ret_torn)
{
    struct chain_log log;
    if (!chain_parse_log(r->record.body, &log))
        malformed(r);
    else if (!r->first_in_file)
        problem(r, r->line, "record %llu begins a file and stands within one",
                NUMBER(r->record.seq));
    else
        *ret_torn = log.torn;
}

static void check_recovered(struct audit_reader *r, struct chain_torn *ret_torn)
{
    struct chain_torn torn;
    if (chain_parse_torn(r->record.body, &torn))
        *ret_torn = torn;
    else
        malformed(r);
}

static void check_rotate(struct audit_reader *r)
{
    struct chain_rotate rotate;
    if (!chain_parse_rotate(r->record.body, &rotate)) {
        malformed(r);
        return;
    }
    r->rotated = true;
    if (rotate.signature.given)
        check_signature(r, &rotate.signature);
}

static void check_head(struct audit_reader *r)
{
    struct chain_signature signature;
    if (chain_parse_signature(r->record.body, &signature))
        check_signature(r, &signature);
    else
        malformed(r);
}

/* What the kinds say that the chain itself needs; other records say what they like. */
static void check_kind(struct audit_reader *r)
{
    struct chain_torn torn = {.given = false};
    bool is_log = chain_is(&r->record, "log");
    if (r->first_in_file && !is_log)
        problem(r, r->line, "record %llu is the first of its file and does not begin one",
                NUMBER(r->record.seq));
    if (r->rotated)
        problem(r, r->line, "record %llu stands behind the end of its file", NUMBER(r->record.seq));
    if (is_log)
        check_log(r, &torn);
    else if (chain_is(&r->record, "recovered"))
        check_recovered(r, &torn);
    close_region(r, &torn);
    if (chain_is(&r->record, "rotate"))
        check_rotate(r);
    else if (chain_is(&r->record, "head"))
        check_head(r);
}

static void take_record(struct audit_reader *r)
{
    static const struct chain_torn nothing = {.given = false};
    struct audit_summary *s = &r->summary;
    s->records++;
    s->not_signed++;
    if (!chain_sound(&r->record)) {
        close_region(r, &nothing);
        problem(r, r->line, "record %llu was changed: its hash is not that of its contents",
                NUMBER(r->seq_known ? r->seq + 1 : r->record.seq));
        r->seq++;
        r->hash_known = r->first_in_file = false;
        return;
    }
    if (s->first == 0)
        s->first = r->record.seq;
    s->last = r->record.seq;
    memcpy(s->head, r->record.hash, SHA256_SIZE);
    if (r->check.head && memcmp(r->record.hash, r->check.head, SHA256_SIZE) == 0)
        s->head_seq = r->record.seq;
    check_order(r, &r->record);
    check_kind(r);
    r->first_in_file = false;
}

/* ------------------------------------------------------------------ files */

static void name_file(struct audit_reader *r, uint64_t number)
{
    if (number == r->last_number)
        snprintf(r->name, sizeof r->name, "%s", r->path);
    else
        snprintf(r->name, sizeof r->name, "%.*s.%llu", (int)r->stem_len, r->stem, NUMBER(number));
}

static int fail(const struct audit_reader *r, int error, const char *what, struct capful_error *err)
{
    return error == -ENOMEM ? err_nomem(err)
                            : err_set(err, CAPFUL_EFILE, "audit log %.200s: %s: %s", r->name, what,
                                      strerror(-error));
}

/* Whether STEM.NUMBER is a file of the same log. */
static bool is_there(struct audit_reader *r, uint64_t number, const char *id)
{
    struct chain_log log;
    name_file(r, number);
    int fd = disk_open(AT_FDCWD, r->name, O_RDONLY, 0);
    if (fd < 0)
        return false;
    bool ok = tail_read_first(fd, &log) == 0 && log.file == number && strcmp(log.id, id) == 0;
    disk_close(fd);
    return ok;
}

/* The older files of LOG are LOG.1 and so on; of LOG.7, which a rotation made, LOG.6 … . */
static void find_files(struct audit_reader *r)
{
    struct chain_log log;
    char ending[24];
    if (tail_read_first(r->last_fd, &log) != 0)
        return;
    r->number = r->last_number = log.file;
    if (log.file > 1 && !is_there(r, log.file - 1, log.id)) {
        size_t n = (size_t)snprintf(ending, sizeof ending, ".%llu", NUMBER(log.file));
        if (r->stem_len > n && strcmp(r->stem + r->stem_len - n, ending) == 0)
            r->stem_len -= n;
    }
    while (r->number > 1 && is_there(r, r->number - 1, log.id))
        r->number--;
    r->summary.earlier_gone = r->number > 1;
}

/* The next file to be read is number r->number. */
static int begin_file(struct audit_reader *r, struct capful_error *err)
{
    struct disk_stat st = {.size = r->last_size};
    int fd = r->last_fd;
    name_file(r, r->number);
    if (r->number != r->last_number) {
        fd = r->fd = disk_open(AT_FDCWD, r->name, O_RDONLY, 0);
        int failed = fd < 0 ? fd : disk_stat(fd, &st);
        if (failed)
            return fail(r, failed, "cannot be opened", err);
    }
    lines_open(&r->lines, fd, st.size);
    r->summary.files++;
    r->summary.bytes += st.size;
    r->line = 0;
    r->first_in_file = true;
    r->rotated = r->at_end = false;
    return 0;
}

static void end_file(struct audit_reader *r)
{
    const struct audit_summary *s = &r->summary;
    bool newest = r->number == r->last_number;
    end_region(r, newest);
    r->done = newest;
    r->at_end = true;
    if (newest && s->records == 0 && s->problems == 0 && s->torn == 0)
        problem(r, r->line, "the log holds no record");
    if (!newest && !r->rotated)
        problem(r, r->line, "the file ends before its last record: record %llu should follow",
                NUMBER(r->seq + 1));
}

static int next_file(struct audit_reader *r, struct capful_error *err)
{
    disk_close(r->fd);
    r->fd = -1;
    r->number++;
    return begin_file(r, err);
}

static int open_newest(struct audit_reader *r, struct capful_error *err)
{
    struct disk_stat st = {.size = 0};
    r->last_fd = disk_open(AT_FDCWD, r->path, O_RDONLY, 0);
    int failed = r->last_fd < 0 ? r->last_fd : 0;
    if (!failed) {
        /* So as not to see half a line. Whoever has the log for himself alone never lets go. */
        bool locked = tail_lock(r->last_fd, true, PATIENCE) == 0;
        failed = disk_stat(r->last_fd, &st);
        if (locked)
            disk_unlock(r->last_fd);
    }
    if (failed)
        return fail(r, failed, "cannot be opened", err);
    if (!st.regular)
        return fail(r, -EINVAL, "is no regular file", err);
    r->last_size = st.size;
    find_files(r);
    /* Before the first record of all there is none; before another one is what we do not have. */
    r->seq_known = r->hash_known = !r->summary.earlier_gone;
    return begin_file(r, err);
}

int audit_reader_open(const char *path, const struct audit_check *check, struct audit_reader **ret,
                      struct capful_error *err)
{
    struct audit_reader *r = mem_zalloc(sizeof *r);
    if (!r)
        return err_nomem(err);
    lines_init(&r->lines);
    r->last_fd = r->fd = -1;
    if (check->key)
        r->check.key = memcpy(r->key, check->key, AUDIT_KEY);
    if (check->head)
        r->check.head = memcpy(r->wanted, check->head, SHA256_SIZE);
    r->path = r->stem = mem_strdup(path);
    if (!r->path) {
        audit_reader_free(r);
        return err_nomem(err);
    }
    r->stem_len = strlen(path);
    name_file(r, 0);
    int failed = open_newest(r, err);
    if (failed)
        audit_reader_free(r);
    else
        *ret = r;
    return failed;
}

void audit_reader_free(struct audit_reader *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        disk_close(r->fd);
    if (r->last_fd >= 0)
        disk_close(r->last_fd);
    lines_release(&r->lines);
    mem_free(r->path);
    mem_free(r);
}

/* ------------------------------------------------------------------ one after the other */

static int read_line(struct audit_reader *r, struct capful_error *err)
{
    struct line line;
    r->n_problems = r->next_problem = 0;
    if (r->at_end)
        return next_file(r, err);
    int got = lines_next(&r->lines, &line);
    if (got < 0)
        return fail(r, got, "cannot be read", err);
    if (got == 0) {
        end_file(r);
        return 0;
    }
    r->line += line.begins;
    if (line.begins && line.ends && chain_parse(line.text, &r->record)) {
        r->offset = line.offset;
        r->has_record = true;
        take_record(r);
    } else {
        add_to_region(r, &line);
    }
    return 0;
}

int audit_reader_next(struct audit_reader *r, struct audit_entry *ret, struct capful_error *err)
{
    for (;;) {
        *ret = (struct audit_entry){.file = r->name, .file_number = r->number, .line = r->line};
        if (r->next_problem < r->n_problems) {
            ret->kind = AUDIT_PROBLEM;
            ret->line = r->problem_lines[r->next_problem];
            ret->problem = r->problems[r->next_problem++];
            return 1;
        }
        if (r->has_record) {
            r->has_record = false;
            ret->kind = AUDIT_RECORD;
            ret->offset = r->offset;
            ret->record = r->record;
            return 1;
        }
        if (r->done)
            return 0;
        int failed = read_line(r, err);
        if (failed)
            return failed;
    }
}

const struct audit_summary *audit_reader_summary(const struct audit_reader *r)
{
    return &r->summary;
}

int audit_reader_file(const struct audit_reader *r, uint64_t number)
{
    char name[sizeof r->name];
    if (number == r->last_number)
        return disk_open(AT_FDCWD, r->path, O_RDONLY, 0);
    snprintf(name, sizeof name, "%.*s.%llu", (int)r->stem_len, r->stem, NUMBER(number));
    return disk_open(AT_FDCWD, name, O_RDONLY, 0);
}
