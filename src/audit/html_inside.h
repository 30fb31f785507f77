/* The inside of the page: what its two halves share. Private to src/audit.
 *
 *   html.c       reads the log, notes where the records of each run stand, and frames the page
 *   html_run.c   one run: its calls, their line of time, its records
 */
#ifndef CAPFUL_AUDIT_HTML_INSIDE_H
#define CAPFUL_AUDIT_HTML_INSIDE_H

#include "audit/page.h"
#include "audit/reader.h"
#include "base/json.h"
#include "base/map.h"

#define PROBLEMS_MAX 20

/* Where a record stands. */
struct place {
    uint64_t file, offset;
    uint32_t len, next; /* of the same run; 0: none, else one more than the index */
};

struct call {
    char tool[40];
    char id[64];                   /* as much as tells it from the others of the run */
    uint32_t place, end, approval; /* one more than the index; 0: none */
    uint32_t number;               /* on the page */
    uint64_t begun, ended;
    uint32_t process;
    const char *class; /* ok, bad, wait */
};

struct run {
    char id[CHAIN_RUN + 1];
    uint32_t first, last; /* place */
    struct run *next;
};

struct totals {
    uint64_t runs, unended, calls, allowed, denied, asked, failed, unknown;
};

struct html {
    struct page page;
    struct audit_reader *reader;
    struct capful_error *err;
    struct place *places;
    uint32_t n_places, places_alloc, max_records;
    uint64_t left_out;
    struct run *runs, **runs_end;
    struct map by_id;
    struct totals totals;
    char problems[PROBLEMS_MAX][300];
    unsigned n_problems;
    uint32_t n_calls; /* on the page so far */

    /* the file that is open for reading by place */
    int fd;
    uint64_t fd_number;
    struct buf line;

    /* of the run being shown */
    struct call *calls;
    size_t calls_len, calls_alloc;
    uint64_t begun, ended;
};

/* One record that was read again. */
struct item {
    struct chain_record record;
    struct json json;
    struct html *html;
};

/* Released with json_release(&ret->json). The line stays where it is until the next one is read. */
int html_read(struct html *html, uint32_t place, struct item *ret);

int html_show_run(struct html *html, const struct run *run);

static inline struct str html_text_in(yyjson_val *root, const char *name)
{
    yyjson_val *value = json_get(root, str_of(name));
    return yyjson_is_str(value) ? json_str(value) : (struct str){NULL, 0};
}

#endif
