/* Records for people, see audit_show.h. Every text of a log is somebody else's: it is made visible,
 * and what a record lacks is left out. */
#include "cli/audit_show.h"

#include <inttypes.h>
#include <string.h>

#include "audit/redact.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/term.h"
#include "cli/trace.h"

#define DEPTH       (REDACT_DEPTH + 2)
#define SHOWN_BYTES 400 /* of arguments and other JSON */

struct line {
    const struct show_filter *filter;
    const struct chain_record *record;
    yyjson_val *root;
    struct buf *out;
};

/* ------------------------------------------------------------------ pieces */

static void colour(const struct line *line, enum term_colour which)
{
    if (line->filter->colour)
        term_put_colour(line->out, which);
}

static struct str text_of(const struct line *line, const char *name)
{
    yyjson_val *value = json_get(line->root, str_of(name));
    return yyjson_is_str(value) ? json_str(value) : (struct str){NULL, 0};
}

static uint64_t number_of(const struct line *line, const char *name)
{
    uint64_t value = 0;
    (void)json_uint(json_get(line->root, str_of(name)), &value);
    return value;
}

static bool has(const struct line *line, const char *name)
{
    return json_get(line->root, str_of(name)) != NULL;
}

static void plain(const struct line *line, const char *text)
{
    buf_add_text(line->out, text);
}

static void visible(const struct line *line, struct str text)
{
    term_add_visible(line->out, text);
}

/* `before` and the text, if the record has it. */
static void member(const struct line *line, const char *before, const char *name)
{
    struct str text = text_of(line, name);
    if (!text.ptr)
        return;
    plain(line, before);
    visible(line, text);
}

/* The beginning of a hash. */
static void hash_member(const struct line *line, const char *before, const char *name)
{
    struct str text = text_of(line, name);
    if (!text.ptr)
        return;
    plain(line, before);
    visible(line, (struct str){text.ptr, text.len < 12 ? text.len : 12});
}

static void json_member(const struct line *line, const char *name)
{
    size_t len = 0;
    char *text = json_write(json_get(line->root, str_of(name)), &len);
    size_t shown = len < SHOWN_BYTES ? len : SHOWN_BYTES;
    while (shown < len && shown > 0 && ((unsigned char)text[shown] & 0xc0) == 0x80)
        shown--;
    if (text)
        visible(line, (struct str){text, shown});
    if (shown < len)
        buf_printf(line->out, "… %zu bytes in all", len);
    mem_free(text);
}

static void coloured(const struct line *line, struct str word)
{
    static const struct {
        const char *word;
        enum term_colour colour;
    } known[] = {
        {"allow", TERM_GREEN},   {"deny", TERM_RED},           {"ask", TERM_YELLOW},
        {"done", TERM_GREEN},    {"failed", TERM_RED},         {"unknown", TERM_RED},
        {"allowed", TERM_GREEN}, {"edited", TERM_YELLOW},      {"refused", TERM_RED},
        {"timeout", TERM_RED},   {"allowed_next", TERM_GREEN}, {"ok", TERM_GREEN},
    };
    enum term_colour found = TERM_YELLOW;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_equal(word, str_of(known[i].word)))
            found = known[i].colour;
    colour(line, found);
    visible(line, word);
    colour(line, TERM_PLAIN);
}

/* ------------------------------------------------------------------ one function for each kind */

static void show_log(const struct line *line)
{
    buf_printf(line->out, "file %" PRIu64 " of log ", number_of(line, "file"));
    visible(line, text_of(line, "log"));
    if (has(line, "torn"))
        buf_printf(line->out, "; %" PRIu64 " bytes before this were never finished",
                   number_of(line, "torn"));
}

static void show_recovered(const struct line *line)
{
    buf_printf(line->out, "%" PRIu64 " bytes before this are a record that was never finished",
               number_of(line, "torn"));
}

static void show_rotate(const struct line *line)
{
    buf_printf(line->out, "goes on in file %" PRIu64, number_of(line, "file") + 1);
    hash_member(line, ", signed by ", "key");
}

static void show_head(const struct line *line)
{
    hash_member(line, "signed by ", "key");
}

static void show_run_begin(const struct line *line)
{
    plain(line, "begins");
    member(line, " ", "program");
    if (!str_equal(text_of(line, "mode"), STR("enforce"))) {
        plain(line, ", ");
        coloured(line, text_of(line, "mode"));
    }
    member(line, ", account ", "account");
    hash_member(line, ", code ", "code_sha256");
    hash_member(line, ", policy ", "policy_sha256");
}

static void show_call(const struct line *line)
{
    coloured(line, text_of(line, "verdict"));
    if (has(line, "enforced"))
        plain(line, " (not enforced)");
    member(line, " ", "tool");
    plain(line, "(");
    if (has(line, "arguments_text")) {
        plain(line, "no JSON: ");
        visible(line, text_of(line, "arguments_text"));
    } else if (has(line, "arguments")) {
        json_member(line, "arguments");
    } else {
        plain(line, "…");
    }
    plain(line, ")");
    member(line, ", grant ", "grant");
    member(line, ": ", "rule");
    if (has(line, "found")) {
        plain(line, ", was ");
        json_member(line, "found");
    }
    member(line, " [", "call");
    plain(line, "]");
}

static void show_call_end(const struct line *line)
{
    coloured(line, text_of(line, "outcome"));
    member(line, " ", "tool");
    plain(line, " in ");
    trace_add_time(line->out, number_of(line, "duration_ns"));
    if (has(line, "result_bytes"))
        buf_printf(line->out, ", %" PRIu64 " bytes", number_of(line, "result_bytes"));
    member(line, ": ", "error");
    member(line, " [", "call");
    plain(line, "]");
}

static void show_approval(const struct line *line)
{
    coloured(line, text_of(line, "decision"));
    member(line, " ", "tool");
    member(line, " by ", "by");
    plain(line, " after ");
    trace_add_time(line->out, number_of(line, "waited_ns"));
    if (has(line, "next"))
        buf_printf(line->out, ", and %" PRIu64 " more", number_of(line, "next"));
    if (has(line, "arguments")) {
        plain(line, ", with ");
        json_member(line, "arguments");
    }
    member(line, ": ", "reason");
    member(line, " [", "call");
    plain(line, "]");
}

static void show_mount(const struct line *line)
{
    member(line, "written ", "guest");
    member(line, ", which is ", "host");
    member(line, " of the host, ", "mode");
}

static void show_limit(const struct line *line)
{
    coloured(line, text_of(line, "limit"));
    member(line, ": ", "message");
}

static void show_grant(const struct line *line)
{
    visible(line, text_of(line, "grant"));
    member(line, " ", "event");
    member(line, " from ", "parent");
    member(line, " by ", "by");
    if (has(line, "narrows")) {
        plain(line, ": ");
        json_member(line, "narrows");
    }
}

static void show_run_end(const struct line *line)
{
    plain(line, "ends ");
    coloured(line, text_of(line, "status"));
    member(line, ", limit ", "limit");
    if (has(line, "calls")) {
        buf_printf(line->out, ", %" PRIu64 " calls, %" PRIu64 " denied, ", number_of(line, "calls"),
                   number_of(line, "denials"));
        trace_add_time(line->out, number_of(line, "wall_ns"));
    }
    member(line, ": ", "message");
}

/* ------------------------------------------------------------------ lines */

static void show_other(const struct line *line)
{
    visible(line, (struct str){line->record->body.ptr + (line->record->body.len > 0),
                               line->record->body.len - (line->record->body.len > 0)});
}

static const struct {
    const char *type, *word;
    void (*show)(const struct line *line);
} kinds[] = {
    {"log", "log", show_log},
    {"recovered", "torn", show_recovered},
    {"rotate", "log", show_rotate},
    {"head", "head", show_head},
    {"run_begin", "run", show_run_begin},
    {"call", "call", show_call},
    {"call_end", "end", show_call_end},
    {"approval", "asked", show_approval},
    {"mount", "mount", show_mount},
    {"limit", "limit", show_limit},
    {"grant", "grant", show_grant},
    {"run_end", "run", show_run_end},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static bool is_wanted(const struct line *line)
{
    const struct show_filter *filter = line->filter;
    struct str run = line->record->run, tool = text_of(line, "tool");
    if (filter->run &&
        (run.len < strlen(filter->run) || memcmp(run.ptr, filter->run, strlen(filter->run)) != 0))
        return false;
    if (filter->tool && (!tool.ptr || !redact_match(str_of(filter->tool), tool)))
        return false;
    return !filter->verdict || str_equal(text_of(line, "verdict"), str_of(filter->verdict));
}

/* "2026-01-31 12:00:00.123  1f2e3d4c  call  …" */
static void show_line(const struct line *line)
{
    const struct chain_record *record = line->record;
    size_t kind = 0;
    while (kind < KINDS && !chain_is(record, kinds[kind].type))
        kind++;
    colour(line, TERM_DIM);
    buf_printf(line->out, "%.10s %.12s  %-8.*s  ", record->time.ptr, record->time.ptr + 11,
               record->run.len ? 8 : 0, record->run.ptr);
    colour(line, TERM_PLAIN);
    buf_printf(line->out, "%-5.*s  ", kind < KINDS ? 5 : (int)record->type.len,
               kind < KINDS ? kinds[kind].word : record->type.ptr);
    (kind < KINDS ? kinds[kind].show : show_other)(line);
    plain(line, "\n");
}

static void show_problem(const struct show_filter *filter, const struct audit_entry *entry,
                         struct buf *out)
{
    if (filter->json)
        return;
    if (filter->colour)
        term_put_colour(out, TERM_RED);
    term_add_visible(out, str_of(entry->file));
    buf_printf(out, ":%" PRIu64 ": %s", entry->line, entry->problem);
    if (filter->colour)
        term_put_colour(out, TERM_PLAIN);
    buf_add_char(out, '\n');
}

bool audit_show(const struct show_filter *filter, const struct audit_entry *entry, struct buf *out)
{
    struct json json;
    struct json_problem problem;
    struct line line = {filter, &entry->record, NULL, out};
    if (entry->kind == AUDIT_PROBLEM) {
        show_problem(filter, entry, out);
        return !buf_failed(out);
    }
    if (!json_parse(entry->record.line, JSON_STRICT, DEPTH, &json, &problem)) {
        if (!problem.nomem && !filter->json)
            buf_printf(out, "record %" PRIu64 " is no JSON\n", entry->record.seq);
        return !problem.nomem && !buf_failed(out);
    }
    line.root = json.root;
    if (is_wanted(&line)) {
        if (filter->json)
            buf_add_str(out, entry->record.line);
        else
            show_line(&line);
    }
    json_release(&json);
    return !buf_failed(out);
}
