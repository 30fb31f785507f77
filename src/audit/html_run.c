/* One run on the page, see html_inside.h: its calls are collected first, each with the records of
 * its approval and its end; then they are drawn, and told in their order among the other records.
 */
#include <inttypes.h>
#include <string.h>

#include "audit/html_inside.h"
#include "base/err.h"
#include "base/mem.h"

#define ROWS_MAX 40   /* processes on a line of time; the others share the last */
#define BARS_MAX 2000 /* calls on it */
#define WIDTH    1000
#define ROW      20
#define LABEL    90

static struct str text_of(const struct item *item, const char *name)
{
    return html_text_in(item->json.root, name);
}

static uint64_t number_of(const struct item *item, const char *name)
{
    uint64_t value = 0;
    (void)json_uint(json_get(item->json.root, str_of(name)), &value);
    return value;
}

/* ------------------------------------------------------------------ the calls of a run */

static void keep(char *room, size_t size, struct str text)
{
    size_t n = text.len < size ? text.len : size - 1;
    if (n > 0)
        memcpy(room, text.ptr, n);
    room[n] = 0;
}

/* From the newest: what ends is mostly what began last. Bounded, so that a log of a million calls
 * without ends takes no square of that. */
static struct call *find_call(struct html *h, struct str id)
{
    char key[sizeof((struct call *)0)->id];
    keep(key, sizeof key, id);
    for (size_t i = h->calls_len, tries = 0; i > 0 && tries < 4096; i--, tries++)
        if (strcmp(h->calls[i - 1].id, key) == 0)
            return &h->calls[i - 1];
    return NULL;
}

static int add_call(struct html *h, const struct item *item, uint32_t place)
{
    struct str id = text_of(item, "call"), verdict = text_of(item, "verdict");
    if (h->calls_len == h->calls_alloc) {
        size_t alloc = h->calls_alloc ? 2 * h->calls_alloc : 64;
        struct call *more = mem_resize_array(h->calls, alloc, sizeof *more);
        if (!more)
            return err_nomem(h->err);
        h->calls = more;
        h->calls_alloc = alloc;
    }
    struct call *call = &h->calls[h->calls_len++];
    *call = (struct call){.place = place,
                          .number = ++h->n_calls,
                          .process = (uint32_t)number_of(item, "process"),
                          .class = str_equal(verdict, STR("deny")) ? "bad" : "wait"};
    keep(call->id, sizeof call->id, id);
    keep(call->tool, sizeof call->tool, text_of(item, "tool"));
    call->begun = call->ended = chain_time(&item->record);
    return 0;
}

static void end_call(struct html *h, const struct item *item, uint32_t place)
{
    struct call *call = find_call(h, text_of(item, "call"));
    if (!call || call->end)
        return;
    struct str outcome = text_of(item, "outcome");
    call->end = place;
    call->ended = chain_time(&item->record);
    call->class = str_equal(outcome, STR("done")) ? "ok" : "bad";
}

static void ask_call(struct html *h, const struct item *item, uint32_t place)
{
    struct str decision = text_of(item, "decision");
    struct call *call = find_call(h, text_of(item, "call"));
    if (!call || call->approval)
        return;
    call->approval = place;
    if (str_equal(decision, STR("refused")) || str_equal(decision, STR("timeout")))
        call->class = "bad";
}

static int collect(struct html *h, const struct run *run)
{
    struct item item;
    h->calls_len = 0;
    h->begun = UINT64_MAX;
    h->ended = 0;
    for (uint32_t at = run->first; at; at = h->places[at - 1].next) {
        int failed = html_read(h, at, &item);
        if (failed)
            return failed;
        uint64_t time = chain_time(&item.record);
        h->begun = time < h->begun ? time : h->begun;
        h->ended = time > h->ended ? time : h->ended;
        if (chain_is(&item.record, "call"))
            failed = add_call(h, &item, at);
        else if (chain_is(&item.record, "call_end"))
            end_call(h, &item, at);
        else if (chain_is(&item.record, "approval"))
            ask_call(h, &item, at);
        json_release(&item.json);
        if (failed)
            return failed;
    }
    return 0;
}

/* ------------------------------------------------------------------ the line of time */

static size_t row_of(const struct call *call, uint32_t *rows, size_t *n_rows)
{
    for (size_t i = 0; i < *n_rows; i++)
        if (rows[i] == call->process)
            return i;
    if (*n_rows == ROWS_MAX)
        return ROWS_MAX - 1;
    rows[*n_rows] = call->process;
    return (*n_rows)++;
}

/* A time beyond the ends, which a clock that was set makes, stands at the end. */
static double x_of(const struct html *h, uint64_t time)
{
    double span = (double)(h->ended - h->begun);
    double at = time > h->begun ? (double)(time - h->begun) : 0;
    return LABEL + (span > 0 ? at / span : 0) * (WIDTH - LABEL - 4);
}

static void show_bar(struct html *h, const struct call *call, size_t row)
{
    double from = x_of(h, call->begun), to = x_of(h, call->ended);
    page_printf(&h->page,
                "<a href=\"#c%" PRIu32 "\"><rect class=\"%s\" x=\"%.1f\" y=\"%zu\" width=\"%.1f\" "
                "height=\"%d\"><title>",
                call->number, call->class, from, row * ROW + 3, to > from + 4 ? to - from : 4,
                ROW - 6);
    page_text(&h->page, str_of(call->tool));
    page_add(&h->page, " ");
    page_text(&h->page, str_of(call->id));
    page_add(&h->page, "</title></rect></a>\n");
}

static void show_timeline(struct html *h)
{
    uint32_t rows[ROWS_MAX];
    size_t n_rows = 0, bars = h->calls_len < BARS_MAX ? h->calls_len : BARS_MAX;
    for (size_t i = 0; i < bars; i++)
        (void)row_of(&h->calls[i], rows, &n_rows);
    if (n_rows == 0)
        return;
    page_printf(&h->page,
                "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"calls over time\">\n", WIDTH,
                n_rows * ROW);
    for (size_t i = 0; i < n_rows; i++)
        page_printf(
            &h->page,
            "<line x1=\"0\" x2=\"%d\" y1=\"%zu\" y2=\"%zu\"/><text x=\"4\" y=\"%zu\">process "
            "%" PRIu32 "</text>\n",
            WIDTH, i * ROW, i * ROW, i * ROW + 14, rows[i]);
    for (size_t i = 0; i < bars; i++)
        show_bar(h, &h->calls[i], row_of(&h->calls[i], rows, &n_rows));
    page_add(&h->page, "</svg>\n");
    if (bars < h->calls_len)
        page_printf(&h->page, "<p class=\"dim\">the first %zu of %zu calls are drawn</p>\n", bars,
                    h->calls_len);
}

/* ------------------------------------------------------------------ records */

static void member(const struct item *item, const char *before, const char *name)
{
    struct str text = text_of(item, name);
    if (!text.ptr)
        return;
    page_add(&item->html->page, before);
    page_text(&item->html->page, text);
}

static void show_time(struct html *h, uint64_t time)
{
    page_add(&h->page, "<span class=\"dim\">+");
    page_duration(&h->page, time > h->begun ? time - h->begun : 0);
    page_add(&h->page, "</span> ");
}

static bool is_head(struct str name)
{
    static const char *const head[] = {"seq", "time", "type", "run", "prev", "hash", "call"};
    bool found = false;
    for (size_t i = 0; i < sizeof head / sizeof *head; i++)
        found |= str_equal(name, str_of(head[i]));
    return found;
}

static void show_member(struct page *page, struct str name, yyjson_val *value)
{
    uint8_t type = unsafe_yyjson_get_type(value);
    bool is_tree = type == YYJSON_TYPE_OBJ || type == YYJSON_TYPE_ARR;
    page_add(page, "<tr><th>");
    page_text(page, name);
    page_add(page, is_tree ? "</th><td><pre>" : "</th><td>");
    if (type == YYJSON_TYPE_STR) {
        page_text(page, json_str(value));
    } else {
        size_t len = 0;
        char *text = json_write(value, &len);
        page->out.failed |= !text;
        page_text(page, (struct str){text, len});
        mem_free(text);
    }
    page_add(page, is_tree ? "</pre></td></tr>\n" : "</td></tr>\n");
}

/* Every member of a body as a row, but for those that the heading says. A record is an object: its
 * line begins so. */
static void show_members(const struct item *item)
{
    struct page *page = &item->html->page;
    yyjson_val *key = unsafe_yyjson_get_first(item->json.root);
    page_add(page, "<table>\n");
    for (size_t left = unsafe_yyjson_get_len(item->json.root); left > 0; left--) {
        yyjson_val *value = key + 1;
        if (!is_head(json_str(key)))
            show_member(page, json_str(key), value);
        key = unsafe_yyjson_get_next(value);
    }
    page_add(page, "</table>\n");
}

static int show_part(struct html *h, uint32_t place, const char *title)
{
    struct item item;
    if (!place)
        return 0;
    int failed = html_read(h, place, &item);
    if (failed)
        return failed;
    page_printf(&h->page, "<p class=\"dim\">%s, record %" PRIu64 ", %.*s</p>\n", title,
                item.record.seq, (int)item.record.time.len, item.record.time.ptr);
    show_members(&item);
    json_release(&item.json);
    return 0;
}

/* The line of a call that is always there; the rest is opened by a click. */
static void show_heading(const struct item *item, const struct call *call)
{
    struct page *page = &item->html->page;
    page_printf(page, "<details class=\"call%s\"><summary>",
                strcmp(call->class, "ok") == 0 ? "" : " no");
    show_time(item->html, call->begun);
    page_printf(page, "<span class=\"%s\">", call->class);
    member(item, "", "verdict");
    page_add(page, "</span> <b>");
    member(item, "", "tool");
    page_add(page, "</b>");
    member(item, ": ", "rule");
    if (call->end) {
        page_printf(page, " <span class=\"dim\">%s ",
                    strcmp(call->class, "ok") ? "not done" : "done");
        page_duration(page, call->ended > call->begun ? call->ended - call->begun : 0);
        page_add(page, "</span>");
    }
    page_printf(page, "</summary>\n<div id=\"c%" PRIu32 "\">\n", call->number);
}

static void show_call(struct html *h, const struct item *item, const struct call *call)
{
    show_heading(item, call);
    page_printf(&h->page, "<p class=\"dim\">decision, record %" PRIu64 ", %.*s</p>\n",
                item->record.seq, (int)item->record.time.len, item->record.time.ptr);
    show_members(item);
}

static int show_call_parts(struct html *h, const struct call *call)
{
    int failed = show_part(h, call->approval, "approval");
    if (!failed)
        failed = show_part(h, call->end, "end");
    page_add(&h->page, "</div></details>\n");
    return failed;
}

static void show_event(const struct item *item)
{
    struct page *page = &item->html->page;
    page_add(page, "<details class=\"event\"><summary>");
    show_time(item->html, chain_time(&item->record));
    page_text(page, item->record.type);
    member(item, " ", "guest");
    member(item, " ", "grant");
    member(item, " ", "limit");
    member(item, " ", "event");
    member(item, " ", "message");
    page_add(page, "</summary>\n");
    show_members(item);
    page_add(page, "</details>\n");
}

/* Whether a record is told with the call that it belongs to. */
static bool belongs_to_call(struct html *h, const struct item *item, uint32_t place)
{
    if (!chain_is(&item->record, "call_end") && !chain_is(&item->record, "approval"))
        return false;
    const struct call *call = find_call(h, text_of(item, "call"));
    return call && (call->end == place || call->approval == place);
}

static int show_record(struct html *h, uint32_t place, size_t *next_call)
{
    struct item item;
    int failed = html_read(h, place, &item);
    if (failed)
        return failed;
    const struct call *call = NULL;
    if (*next_call < h->calls_len && h->calls[*next_call].place == place) {
        call = &h->calls[(*next_call)++];
        show_call(h, &item, call);
    } else if (!belongs_to_call(h, &item, place)) {
        show_event(&item);
    }
    json_release(&item.json);
    return call ? show_call_parts(h, call) : 0;
}

/* ------------------------------------------------------------------ runs */

static int show_run_head(struct html *h, const struct run *run)
{
    struct item item;
    int failed = html_read(h, run->first, &item);
    if (failed)
        return failed;
    page_add(&h->page, "<section><h2>");
    if (run->id[0]) {
        page_add(&h->page, "Run ");
        member(&item, "", "program");
        page_printf(&h->page, " <span class=\"dim\">%s</span>", run->id);
    } else {
        page_add(&h->page, "The log itself");
    }
    page_printf(&h->page, "</h2>\n<p class=\"dim\">from %.*s, ", (int)item.record.time.len,
                item.record.time.ptr);
    page_duration(&h->page, h->ended - h->begun);
    json_release(&item.json);
    failed = html_read(h, run->last, &item);
    if (failed)
        return failed;
    if (chain_is(&item.record, "run_end")) {
        bool ok = str_equal(text_of(&item, "status"), STR("ok"));
        page_printf(&h->page, ", <span class=\"%s\">", ok ? "ok" : "bad");
        member(&item, "", "status");
        page_add(&h->page, "</span>");
    } else if (run->id[0]) {
        page_add(&h->page, ", <span class=\"wait\">no end</span>");
    }
    json_release(&item.json);
    page_add(&h->page, "</p>\n");
    return 0;
}

int html_show_run(struct html *h, const struct run *run)
{
    size_t next_call = 0;
    int failed = collect(h, run);
    if (!failed)
        failed = show_run_head(h, run);
    if (failed)
        return failed;
    show_timeline(h);
    for (uint32_t at = run->first; at && !h->page.closed; at = h->places[at - 1].next) {
        failed = show_record(h, at, &next_call);
        if (!failed && !page_flush(&h->page))
            failed = err_nomem(h->err);
        if (failed)
            return failed;
    }
    page_add(&h->page, "</section>\n");
    return 0;
}
