/* See history.h. For each tool one grant: of each parameter the values that it had, where they are
 * few; else the range of its numbers, the directory that its paths lie beneath, or its type and
 * length. What was redacted or not recorded leaves the parameter open, and a comment says so.
 */
#include <stdio.h>
#include <string.h>

#include "audit/reader.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/history.h"
#include "policy/decimal.h"
#include "policy/path_shape.h"
#include "policy/value.h"

#define FEW            5 /* values that are listed one by one */
#define PARAMETERS_MAX 1000
#define TOOLS_MAX      100000
#define WAITING_MAX    1000000
#define DEPTH          120

struct parameter {
    char *name;
    uint64_t present, redacted;
    unsigned kinds; /* enum kind */
    char *values[FEW];
    size_t n_values;
    bool many;              /* more than FEW */
    char *least, *greatest; /* of its numbers */
    char *directory;        /* of its paths: what all lie beneath */
    bool no_path;           /* one of its strings is none */
    size_t longest;         /* of strings and lists */
    bool whole;             /* all numbers are integers */
};

struct used_tool {
    char *name;
    uint64_t calls, asked, unrecorded, most_in_run;
    struct map runs; /* of a run's name to a count */
    struct parameter *parameters;
    size_t n_parameters;
    bool too_many;
};

/* A call that somebody was asked about, or one of a run that has not ended. */
struct waiting {
    char *key;
    char *tool, *arguments;
};

struct draft {
    struct used_tool **tools;
    size_t n_tools;
    struct map by_name;
    struct map waiting;
    bool nomem, beyond;
};

static bool no_memory(struct draft *draft)
{
    draft->nomem = true;
    return false;
}

/* ------------------------------------------------------------------ one value */

static bool replace(char **text, struct str with)
{
    char *copy = mem_dup(with.ptr, with.len);
    if (!copy)
        return false;
    mem_free(*text);
    *text = copy;
    return true;
}

static bool note_number(struct parameter *p, yyjson_val *value)
{
    struct decimal number, bound;
    decimal_read(&number, json_str(value));
    p->whole = p->whole && decimal_is_whole(&number);
    if (p->least) {
        decimal_read(&bound, str_of(p->least));
        if (decimal_compare(&number, &bound) < 0 && !replace(&p->least, json_str(value)))
            return false;
        decimal_read(&bound, str_of(p->greatest));
        return decimal_compare(&number, &bound) <= 0 || replace(&p->greatest, json_str(value));
    }
    return replace(&p->least, json_str(value)) && replace(&p->greatest, json_str(value));
}

/* How much of the directory `a` lies above `b` too; 0: nothing but the root. */
static size_t common(struct str a, struct str b)
{
    size_t i = 0, last = 0;
    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i]) {
        if (a.ptr[i] == '/')
            last = i;
        i++;
    }
    bool ends = (i == a.len || a.ptr[i] == '/') && (i == b.len || b.ptr[i] == '/');
    return ends ? i : last;
}

static bool note_path(struct parameter *p, struct str text)
{
    struct str shape = text;
    if (shape.len > 1 && shape.ptr[shape.len - 1] == '/')
        shape.len--;
    if (p->no_path || text.len == 0 || text.ptr[0] != '/' || !path_shape_plain(text)) {
        p->no_path = true;
        return true;
    }
    if (p->directory) {
        p->directory[common(str_of(p->directory), shape)] = 0;
        return true;
    }
    const char *slash = memrchr(shape.ptr, '/', shape.len);
    return replace(&p->directory, (struct str){shape.ptr, (size_t)(slash - shape.ptr)});
}

static bool note_value(struct parameter *p, yyjson_val *value)
{
    size_t len;
    char *text = json_write(value, &len);
    if (!text)
        return false;
    for (size_t i = 0; i < p->n_values; i++)
        if (strcmp(p->values[i], text) == 0) {
            mem_free(text);
            return true;
        }
    if (p->n_values == FEW || len > 1000) {
        p->many = true;
        mem_free(text);
    } else {
        p->values[p->n_values++] = text;
    }
    return true;
}

static bool note(struct parameter *p, yyjson_val *value)
{
    p->present++;
    if (yyjson_is_obj(value) && yyjson_obj_size(value) == 1 && json_get(value, STR("redacted"))) {
        p->redacted++;
        return true;
    }
    p->kinds |= value_kind(value);
    size_t len = yyjson_is_str(value)   ? str_length(json_str(value))
                 : yyjson_is_arr(value) ? yyjson_arr_size(value)
                                        : 0;
    p->longest = len > p->longest ? len : p->longest;
    return note_value(p, value) && (!yyjson_is_raw(value) || note_number(p, value)) &&
           (!yyjson_is_str(value) || note_path(p, json_str(value)));
}

/* ------------------------------------------------------------------ one call */

static struct parameter *parameter_of(struct draft *draft, struct used_tool *tool, struct str name)
{
    for (size_t i = 0; i < tool->n_parameters; i++)
        if (str_equal(str_of(tool->parameters[i].name), name))
            return &tool->parameters[i];
    if (tool->n_parameters == PARAMETERS_MAX) {
        tool->too_many = true;
        return NULL;
    }
    struct parameter *more =
        mem_resize_array(tool->parameters, tool->n_parameters + 1, sizeof *more);
    char *copy = more ? mem_dup(name.ptr, name.len) : NULL;
    tool->parameters = more ? more : tool->parameters;
    if (!copy) {
        no_memory(draft);
        return NULL;
    }
    more[tool->n_parameters] = (struct parameter){.name = copy, .whole = true};
    return &more[tool->n_parameters++];
}

static struct used_tool *tool_of(struct draft *draft, struct str name)
{
    struct used_tool *tool = map_get(&draft->by_name, name);
    if (tool)
        return tool;
    if (draft->n_tools == TOOLS_MAX) {
        draft->beyond = true;
        return NULL;
    }
    struct used_tool **more = mem_resize_array(draft->tools, draft->n_tools + 1, sizeof *more);
    draft->tools = more ? more : draft->tools;
    tool = more ? mem_zalloc(sizeof *tool) : NULL;
    char *copy = tool ? mem_dup(name.ptr, name.len) : NULL;
    if (!copy || !map_put(&draft->by_name, str_of(copy), tool)) {
        mem_free(copy);
        mem_free(tool);
        no_memory(draft);
        return NULL;
    }
    tool->name = copy;
    more[draft->n_tools++] = tool;
    return tool;
}

/* Records of runs are mixed: a count for each. The map borrows its keys, which the counts hold. */
struct run_count {
    uint64_t n;
    char name[CHAIN_RUN + 1];
};

static bool count_run(struct used_tool *tool, struct str run)
{
    struct run_count *count = map_get(&tool->runs, run);
    if (!count) {
        count = mem_zalloc(sizeof *count);
        if (!count)
            return false;
        memcpy(count->name, run.ptr, run.len < CHAIN_RUN ? run.len : CHAIN_RUN);
        if (!map_put(&tool->runs, str_of(count->name), count)) {
            mem_free(count);
            return false;
        }
    }
    count->n++;
    tool->most_in_run = count->n > tool->most_in_run ? count->n : tool->most_in_run;
    return true;
}

static void made(struct draft *draft, struct str run, struct str name, yyjson_val *arguments,
                 bool asked)
{
    struct used_tool *tool = tool_of(draft, name);
    if (!tool)
        return;
    tool->calls++;
    tool->asked += asked;
    tool->unrecorded += !yyjson_is_obj(arguments);
    if (!count_run(tool, run))
        no_memory(draft);
    if (!yyjson_is_obj(arguments))
        return;
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(arguments, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        struct parameter *p = parameter_of(draft, tool, json_str(key));
        if (p && !note(p, yyjson_obj_iter_get_val(key)))
            no_memory(draft);
    }
}

/* ------------------------------------------------------------------ the log */

static struct str member(yyjson_val *object, const char *name)
{
    yyjson_val *value = json_get(object, str_of(name));
    return yyjson_is_str(value) ? json_str(value) : (struct str){"", 0};
}

static char *key_of(struct str run, struct str call)
{
    struct buf key = BUF_INIT(1 << 16);
    buf_add_str(&key, run);
    buf_add_char(&key, '/');
    buf_add_str(&key, call);
    return buf_steal(&key);
}

static void waiting_free(struct waiting *waiting)
{
    mem_free(waiting->key);
    mem_free(waiting->tool);
    mem_free(waiting->arguments);
    mem_free(waiting);
}

static void wait_for(struct draft *draft, struct str run, yyjson_val *root)
{
    yyjson_val *arguments = json_get(root, STR("arguments"));
    struct str tool = member(root, "tool");
    struct waiting *waiting = mem_zalloc(sizeof *waiting);
    size_t len;
    if (draft->waiting.count >= WAITING_MAX)
        draft->beyond = true;
    if (waiting) {
        waiting->key = key_of(run, member(root, "call"));
        waiting->tool = mem_dup(tool.ptr, tool.len);
        waiting->arguments = arguments ? json_write(arguments, &len) : mem_strdup("null");
    }
    if (!waiting || !waiting->key || !waiting->tool || !waiting->arguments ||
        map_get(&draft->waiting, str_of(waiting->key)) ||
        !map_put(&draft->waiting, str_of(waiting->key), waiting)) {
        if (waiting)
            waiting_free(waiting);
        no_memory(draft);
    }
}

static void approved(struct draft *draft, struct str run, yyjson_val *root)
{
    struct str decision = member(root, "decision");
    char *key = key_of(run, member(root, "call"));
    struct waiting *waiting = key ? map_get(&draft->waiting, str_of(key)) : NULL;
    if (!key)
        no_memory(draft);
    mem_free(key);
    if (!waiting)
        return;
    map_remove(&draft->waiting, str_of(waiting->key));
    if (str_equal(decision, STR("allowed")) || str_equal(decision, STR("allowed_next")) ||
        str_equal(decision, STR("edited"))) {
        yyjson_val *edited = json_get(root, STR("arguments"));
        struct json json = {NULL, NULL, 0};
        if (!edited && !json_parse(str_of(waiting->arguments), JSON_STRICT, DEPTH, &json, NULL))
            no_memory(draft);
        made(draft, run, str_of(waiting->tool), edited ? edited : json.root, true);
        json_release(&json);
    }
    waiting_free(waiting);
}

static void read_record(struct draft *draft, const struct chain_record *record)
{
    struct json json;
    struct json_problem problem;
    bool call = chain_is(record, "call");
    if (!call && !chain_is(record, "approval"))
        return;
    if (!json_parse(record->line, JSON_STRICT, DEPTH, &json, &problem)) {
        draft->nomem = draft->nomem || problem.nomem;
        return;
    }
    struct str verdict = member(json.root, "verdict");
    bool watched = yyjson_is_false(json_get(json.root, STR("enforced")));
    if (!call)
        approved(draft, record->run, json.root);
    else if (str_equal(verdict, STR("allow")) || (str_equal(verdict, STR("deny")) && watched))
        made(draft, record->run, member(json.root, "tool"), json_get(json.root, STR("arguments")),
             false);
    else if (str_equal(verdict, STR("ask")))
        wait_for(draft, record->run, json.root);
    json_release(&json);
}

static int read_log(struct draft *draft, const char *log, struct capful_error *err)
{
    static const struct audit_check check = {NULL, NULL};
    struct audit_reader *reader;
    struct audit_entry entry;
    int failed = audit_reader_open(log, &check, &reader, err), more;
    if (failed)
        return failed;
    while ((more = audit_reader_next(reader, &entry, err)) > 0 && !draft->nomem && !draft->beyond)
        if (entry.kind == AUDIT_RECORD)
            read_record(draft, &entry.record);
    if (more >= 0 && audit_reader_summary(reader)->problems)
        more = err_set(err, CAPFUL_EPOLICY,
                       "%.300s was changed: see capful audit verify; nothing follows from it", log);
    audit_reader_free(reader);
    if (draft->nomem)
        return err_nomem(err);
    if (draft->beyond)
        return err_set(err, CAPFUL_EPOLICY, "%.300s names more than can be looked at", log);
    return more < 0 ? more : 0;
}

/* ------------------------------------------------------------------ writing */

static void put_types(struct buf *out, const struct parameter *p)
{
    static const struct {
        unsigned kind;
        const char *name;
    } names[] = {{KIND_STRING, "string"}, {KIND_NUMBER, "number"}, {KIND_BOOLEAN, "boolean"},
                 {KIND_NULL, "null"},     {KIND_LIST, "list"},     {KIND_OBJECT, "object"}};
    bool several = (p->kinds & (p->kinds - 1)) != 0, first = true;
    buf_add_text(out, several ? "\"type\": [" : "\"type\": ");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (p->kinds & names[i].kind) {
            const char *name = names[i].kind == KIND_NUMBER && p->whole ? "integer" : names[i].name;
            buf_printf(out, "%s\"%s\"", first ? "" : ", ", name);
            first = false;
        }
    buf_add_text(out, several ? "]" : "");
}

static void put_values(struct buf *out, const struct parameter *p)
{
    buf_add_text(out, p->n_values == 1 ? "\"eq\": " : "\"in\": [");
    if (p->n_values == 1 && p->values[0][0] == '{')
        buf_printf(out, "{\"literal\": %s}", p->values[0]);
    for (size_t i = 0; i < p->n_values; i++)
        if (p->n_values > 1 || p->values[0][0] != '{')
            buf_printf(out, "%s%s", i ? ", " : "", p->values[i]);
    buf_add_text(out, p->n_values == 1 ? "" : "]");
}

static void put_rule(struct buf *out, const struct parameter *p)
{
    if (!p->many) {
        put_values(out, p);
    } else if (p->kinds == KIND_NUMBER) {
        buf_printf(out, "\"ge\": %s, \"le\": %s%s", p->least, p->greatest,
                   p->whole ? ", \"type\": \"integer\"" : "");
    } else if (p->kinds == KIND_STRING && !p->no_path && p->directory && p->directory[0]) {
        buf_add_text(out, "\"under\": ");
        buf_add_json_string(out, str_of(p->directory));
    } else {
        put_types(out, p);
        if ((p->kinds & ~(unsigned)(KIND_STRING | KIND_LIST)) == 0)
            buf_printf(out, ", \"len\": {\"le\": %zu}", p->longest);
    }
}

/* A name that begins with a slash would be read as a pointer. */
static void put_place(struct buf *out, const char *name)
{
    struct buf place = BUF_INIT(1 << 20);
    if (name[0] != '/') {
        buf_add_json_string(out, str_of(name));
        return;
    }
    buf_add_char(&place, '/');
    for (; *name; name++)
        if (*name == '~' || *name == '/')
            buf_add_text(&place, *name == '~' ? "~0" : "~1");
        else
            buf_add_char(&place, *name);
    buf_add_json_string(out, buf_str(&place));
    buf_release(&place);
}

static void put_parameter(struct buf *out, const struct used_tool *tool, const struct parameter *p)
{
    uint64_t recorded = tool->calls - tool->unrecorded;
    if (p->redacted) {
        buf_add_text(out, "                // ");
        buf_add_json_string(out, str_of(p->name));
        buf_printf(out, " was redacted in %llu calls: say yourself what it may be\n",
                   (unsigned long long)p->redacted);
        return;
    }
    buf_add_text(out, "                ");
    put_place(out, p->name);
    buf_add_text(out, ": {");
    put_rule(out, p);
    if (p->present < recorded)
        buf_printf(out, ", \"optional\": true}, // in %llu of %llu calls\n",
                   (unsigned long long)p->present, (unsigned long long)recorded);
    else
        buf_add_text(out, "},\n");
}

static bool is_constrained(const struct used_tool *tool)
{
    for (size_t i = 0; i < tool->n_parameters; i++)
        if (!tool->parameters[i].redacted)
            return tool->unrecorded == 0;
    return false;
}

static void put_tool(struct buf *out, const struct used_tool *tool)
{
    buf_printf(out, "        // %llu call%s in %zu run%s", (unsigned long long)tool->calls,
               tool->calls == 1 ? "" : "s", tool->runs.count, tool->runs.count == 1 ? "" : "s");
    if (tool->asked)
        buf_printf(out, ", %llu of them after a question", (unsigned long long)tool->asked);
    buf_add_text(out, "\n        {\n            \"tool\": ");
    buf_add_json_string(out, str_of(tool->name));
    buf_printf(out, ",\n            \"max_calls\": {\"n\": %llu, \"per\": \"run\"},\n",
               (unsigned long long)tool->most_in_run);
    if (tool->asked == tool->calls)
        buf_add_text(out, "            \"approve\": \"ask\",\n");
    if (tool->unrecorded)
        buf_printf(out, "            // the arguments of %llu calls are not in the log\n",
                   (unsigned long long)tool->unrecorded);
    if (tool->too_many)
        buf_add_text(out, "            // there are more parameters than these\n");
    bool where = is_constrained(tool);
    buf_add_text(out, where ? "            \"where\": {\n" : "");
    for (size_t i = 0; i < tool->n_parameters && tool->unrecorded == 0; i++)
        put_parameter(out, tool, &tool->parameters[i]);
    buf_add_text(out, where ? "            },\n        },\n" : "        },\n");
}

static void put_draft(struct buf *out, const struct draft *draft, const char *base)
{
    buf_add_text(out, "{\n");
    if (base) {
        buf_add_text(out, "    \"extends\": ");
        buf_add_json_string(out, str_of(base));
        buf_add_text(out, ",\n");
    }
    buf_add_text(out, "    \"grants\": [\n");
    for (size_t i = 0; i < draft->n_tools; i++)
        put_tool(out, draft->tools[i]);
    buf_add_text(out, "    ],\n}\n");
}

static void tool_free(struct used_tool *tool)
{
    for (size_t i = 0; i < tool->n_parameters; i++) {
        struct parameter *p = &tool->parameters[i];
        for (size_t j = 0; j < p->n_values; j++)
            mem_free(p->values[j]);
        mem_free(p->name);
        mem_free(p->least);
        mem_free(p->greatest);
        mem_free(p->directory);
    }
    MAP_FOREACH (slot, &tool->runs)
        mem_free(slot->value);
    map_release(&tool->runs);
    mem_free(tool->parameters);
    mem_free(tool->name);
    mem_free(tool);
}

int policy_suggest(const char *log, const char *base, struct buf *out, struct capful_error *err)
{
    struct draft draft = {.n_tools = 0};
    int failed = read_log(&draft, log, err);
    if (!failed) {
        put_draft(out, &draft, base);
        if (buf_failed(out))
            failed = err_nomem(err);
    }
    for (size_t i = 0; i < draft.n_tools; i++)
        tool_free(draft.tools[i]);
    MAP_FOREACH (slot, &draft.waiting)
        waiting_free(slot->value);
    map_release(&draft.waiting);
    map_release(&draft.by_name);
    mem_free(draft.tools);
    return failed;
}
