/* A log as one page, see html.h and html_inside.h. The log is read twice: once to check it and to
 * note where the records of each run stand, then run by run from these places. */
#include "audit/html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/disk.h"
#include "audit/html_inside.h"
#include "audit/redact.h"
#include "base/err.h"
#include "base/mem.h"

#define DEPTH (REDACT_DEPTH + 2)

/* ------------------------------------------------------------------ the first reading */

static struct run *find_run(struct html *h, struct str id)
{
    struct run *run = map_get(&h->by_id, id);
    if (run)
        return run;
    run = mem_zalloc(sizeof *run);
    if (!run)
        return NULL;
    memcpy(run->id, id.ptr, id.len);
    if (!map_put(&h->by_id, (struct str){run->id, id.len}, run)) {
        mem_free(run);
        return NULL;
    }
    *h->runs_end = run;
    h->runs_end = &run->next;
    return run;
}

static bool add_place(struct html *h, const struct audit_entry *entry)
{
    if (h->n_places == h->max_records) {
        h->left_out++;
        return true;
    }
    if (h->n_places == h->places_alloc) {
        uint32_t alloc = h->places_alloc ? 2 * h->places_alloc : 256;
        struct place *more = mem_resize_array(h->places, alloc, sizeof *more);
        if (!more)
            return false;
        h->places = more;
        h->places_alloc = alloc;
    }
    struct run *run = find_run(h, entry->record.run);
    if (!run)
        return false;
    h->places[h->n_places++] =
        (struct place){entry->file_number, entry->offset, (uint32_t)entry->record.line.len, 0};
    if (run->last)
        h->places[run->last - 1].next = h->n_places;
    else
        run->first = h->n_places;
    run->last = h->n_places;
    return true;
}

static void count(struct html *h, const struct chain_record *record, yyjson_val *root)
{
    struct totals *t = &h->totals;
    struct str verdict = html_text_in(root, "verdict"), outcome = html_text_in(root, "outcome");
    t->runs += chain_is(record, "run_begin");
    t->unended += chain_is(record, "run_begin");
    t->unended -= chain_is(record, "run_end") && t->unended > 0;
    if (chain_is(record, "call")) {
        t->calls++;
        t->allowed += str_equal(verdict, STR("allow"));
        t->denied += str_equal(verdict, STR("deny"));
        t->asked += str_equal(verdict, STR("ask"));
    } else if (chain_is(record, "call_end")) {
        t->failed += str_equal(outcome, STR("failed"));
        t->unknown += str_equal(outcome, STR("unknown"));
    }
}

static void add_problem(struct html *h, const struct audit_entry *entry, const char *text)
{
    unsigned n = h->n_problems++;
    if (n < PROBLEMS_MAX)
        snprintf(h->problems[n], sizeof h->problems[0], "line %" PRIu64 ": %s", entry->line, text);
}

static int note(struct html *h, const struct audit_entry *entry)
{
    struct json json;
    struct json_problem problem;
    if (entry->kind == AUDIT_PROBLEM) {
        add_problem(h, entry, entry->problem);
        return 0;
    }
    if (!json_parse(entry->record.line, JSON_STRICT, DEPTH, &json, &problem)) {
        if (problem.nomem)
            return err_nomem(h->err);
        add_problem(h, entry, "is no JSON, though its hash is right");
        return 0;
    }
    count(h, &entry->record, json.root);
    json_release(&json);
    return add_place(h, entry) ? 0 : err_nomem(h->err);
}

static int read_all(struct html *h)
{
    struct audit_entry entry;
    int got, failed = 0;
    while (!failed && (got = audit_reader_next(h->reader, &entry, h->err)) != 0)
        failed = got < 0 ? got : note(h, &entry);
    return failed;
}

/* ------------------------------------------------------------------ reading by place */

static int open_file(struct html *h, uint64_t number)
{
    if (h->fd >= 0 && h->fd_number == number)
        return 0;
    if (h->fd >= 0)
        disk_close(h->fd);
    h->fd = audit_reader_file(h->reader, number);
    h->fd_number = number;
    return h->fd < 0 ? err_set(h->err, CAPFUL_EFILE, "audit log: %s", strerror(-h->fd)) : 0;
}

int html_read(struct html *h, uint32_t place, struct item *ret)
{
    const struct place *at = &h->places[place - 1];
    struct json_problem problem;
    *ret = (struct item){.html = h};
    int failed = open_file(h, at->file);
    if (failed)
        return failed;
    buf_clear(&h->line);
    if (!buf_reserve(&h->line, at->len))
        return err_nomem(h->err);
    ssize_t n = disk_read(h->fd, h->line.data, at->len, at->offset);
    struct str line = {h->line.data, n > 0 ? (size_t)n : 0};
    if (!chain_parse(line, &ret->record))
        return err_set(h->err, CAPFUL_EFILE, "audit log: a record changed while it was read");
    if (!json_parse(line, JSON_STRICT, DEPTH, &ret->json, &problem))
        return err_nomem(h->err);
    return 0;
}

/* ------------------------------------------------------------------ the page */

static void total(struct html *h, const char *name, const char *class, uint64_t value)
{
    page_printf(&h->page, "<tr><th>%s</th><td class=\"%s\">%" PRIu64 "</td></tr>\n", name,
                value ? class : "dim", value);
}

static void show_state(struct html *h)
{
    const struct audit_summary *sum = audit_reader_summary(h->reader);
    char hex[2 * SHA256_SIZE + 1];
    sha256_hex(sum->head, hex);
    page_printf(&h->page,
                "<p>%" PRIu64 " records, %" PRIu64 " to %" PRIu64 ", in %" PRIu64
                " file%s: <span class=\"%s\">%s</span>. Head <code>%s</code></p>\n",
                sum->records, sum->first, sum->last, sum->files, sum->files == 1 ? "" : "s",
                h->n_problems ? "bad" : "ok", h->n_problems ? "not sound" : "sound", hex);
    if (sum->torn > 0)
        page_printf(&h->page,
                    "<p class=\"wait\">It ends in an unfinished record of %" PRIu64 " bytes.</p>\n",
                    sum->torn);
    if (h->left_out > 0)
        page_printf(&h->page,
                    "<p class=\"wait\">The last %" PRIu64 " records are not on this "
                    "page.</p>\n",
                    h->left_out);
    if (h->n_problems > 0) {
        page_printf(&h->page, "<section class=\"problems\"><h2 class=\"bad\">%u problem%s</h2>\n",
                    h->n_problems, h->n_problems == 1 ? "" : "s");
        for (unsigned i = 0; i < h->n_problems && i < PROBLEMS_MAX; i++) {
            page_add(&h->page, "<p>");
            page_text(&h->page, str_of(h->problems[i]));
            page_add(&h->page, "</p>\n");
        }
        page_add(&h->page, "</section>\n");
    }
}

static int show_page(struct html *h, const char *path)
{
    int failed = 0;
    page_begin(&h->page);
    page_add(&h->page, "<h1>Audit log ");
    page_text(&h->page, str_of(path));
    page_add(&h->page, "</h1>\n");
    show_state(h);
    page_add(&h->page, "<table class=\"totals\">\n");
    total(h, "runs", "", h->totals.runs);
    total(h, "without an end", "wait", h->totals.unended);
    total(h, "calls", "", h->totals.calls);
    total(h, "allowed", "ok", h->totals.allowed);
    total(h, "denied", "bad", h->totals.denied);
    total(h, "asked about", "wait", h->totals.asked);
    total(h, "failed", "bad", h->totals.failed);
    total(h, "outcome unknown", "bad", h->totals.unknown);
    page_add(&h->page, "</table>\n<p><label><input type=\"checkbox\" id=\"only\"> only what was "
                       "not done</label></p>\n");
    for (const struct run *run = h->runs; run && !failed && !h->page.closed; run = run->next)
        failed = html_show_run(h, run);
    page_end(&h->page);
    if (!failed && !page_flush(&h->page))
        failed = err_nomem(h->err);
    return failed;
}

static void release(struct html *h)
{
    while (h->runs) {
        struct run *run = h->runs;
        h->runs = run->next;
        mem_free(run);
    }
    map_release(&h->by_id);
    if (h->fd >= 0)
        disk_close(h->fd);
    buf_release(&h->line);
    page_release(&h->page);
    audit_reader_free(h->reader);
    mem_free(h->places);
    mem_free(h->calls);
    mem_free(h);
}

int audit_html(const char *path, uint32_t max_records,
               bool (*write)(void *context, struct str text), void *context, bool *ret_sound,
               struct capful_error *err)
{
    const struct audit_check check = {.key = NULL};
    struct html *h = mem_zalloc(sizeof *h);
    if (!h)
        return err_nomem(err);
    page_init(&h->page, write, context);
    h->line = BUF_INIT(2 * CHAIN_LINE_MAX);
    h->fd = -1;
    h->err = err;
    h->max_records = max_records;
    h->runs_end = &h->runs;
    int failed = audit_reader_open(path, &check, &h->reader, err);
    if (!failed)
        failed = read_all(h);
    if (!failed)
        failed = show_page(h, path);
    if (!failed)
        *ret_sound = h->n_problems == 0;
    release(h);
    return failed;
}
