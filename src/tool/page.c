/* The page /tools/<name>: what a person or a model has to know to call the tool. */
#include "base/json.h"
#include "base/mem.h"
#include "tool/tool.h"

#define PAGE_MAX (1u << 20)

struct str tool_page_name(const struct tool *tool)
{
    struct str name = str_of(tool->name);
    bool a_file = !memchr(name.ptr, '/', name.len) && !str_equal(name, STR(".")) &&
                  !str_equal(name, STR(".."));
    return a_file && name.len < 256 ? name : str_of(tool->alias);
}

/* "string", "string or null", "one of "a", "b"", "any". */
static void put_type(struct buf *out, yyjson_val *schema)
{
    yyjson_val *type = json_get(schema, STR("type")), *choices = json_get(schema, STR("enum")),
               *item;
    size_t i, n;
    if (yyjson_is_arr(choices)) {
        buf_add_text(out, "one of ");
        yyjson_arr_foreach(choices, i, n, item)
        {
            size_t len;
            char *text = json_write(item, &len);
            buf_add_text(out, i ? ", " : "");
            if (text)
                buf_add(out, text, len);
            else
                out->failed = true;
            mem_free(text);
        }
    } else if (yyjson_is_str(type)) {
        buf_add_str(out, json_str(type));
    } else if (yyjson_is_arr(type)) {
        yyjson_arr_foreach(type, i, n, item)
        {
            buf_add_text(out, i ? " or " : "");
            buf_add_str(out, yyjson_is_str(item) ? json_str(item) : STR("?"));
        }
    } else {
        buf_add_text(out, "any");
    }
}

static bool is_required(yyjson_val *schema, yyjson_val *key)
{
    yyjson_val *required = json_get(schema, STR("required")), *item;
    size_t i, n;
    yyjson_arr_foreach(required, i, n, item)
    {
        if (yyjson_is_str(item) && str_equal(json_str(item), json_str(key)))
            return true;
    }
    return false;
}

static bool put_arguments(struct buf *out, const char *schema_text)
{
    struct json json;
    struct json_problem problem;
    if (!json_parse(str_of(schema_text), JSON_STRICT, TOOL_DEPTH, &json, &problem))
        return false;
    yyjson_val *properties = json_get(json.root, STR("properties")), *key;
    if (yyjson_is_obj(properties) && yyjson_obj_size(properties)) {
        yyjson_obj_iter iter;
        yyjson_obj_iter_init(properties, &iter);
        buf_add_text(out, "\nArguments:\n");
        while ((key = yyjson_obj_iter_next(&iter))) {
            yyjson_val *schema = yyjson_obj_iter_get_val(key);
            yyjson_val *text = json_get(schema, STR("description"));
            buf_add_text(out, "  ");
            buf_add_str(out, json_str(key));
            buf_add_text(out, " (");
            put_type(out, schema);
            buf_add_text(out, is_required(json.root, key) ? ")" : ", optional)");
            if (yyjson_is_str(text)) {
                buf_add_text(out, ": ");
                buf_add_str(out, json_str(text));
            }
            buf_add_char(out, '\n');
        }
    }
    buf_add_text(out, "\nSchema: ");
    buf_add_text(out, schema_text);
    buf_add_char(out, '\n');
    json_release(&json);
    return true;
}

/* How often a grant may still be used, the scarcest of its budgets and its ancestors'. */
static void put_left(struct buf *out, const struct tool_host *host, const struct grant *grant)
{
    uint64_t least = CAPFUL_UNLIMITED;
    for (; grant; grant = grant->parent)
        for (size_t i = 0; i < grant->n_calls; i++) {
            uint64_t left = tool_calls_left(host, grant, i);
            least = left < least ? left : least;
        }
    if (least != CAPFUL_UNLIMITED)
        buf_printf(out, "  calls left: %llu\n", (unsigned long long)least);
}

/* What a grant asks of a call, so that nobody tries in vain. */
static void put_grant(struct buf *out, const struct tool_host *host, const struct grant *grant)
{
    struct buf rules = BUF_INIT(PAGE_MAX);
    bool asks = false;
    for (const struct grant *node = grant; node; node = node->parent) {
        if (node->where)
            where_describe(node->where, &rules);
        asks = asks || node->approve == APPROVE_ALWAYS;
        if (node->rate.n)
            buf_printf(out, "  at most %llu times %s\n", (unsigned long long)node->rate.n,
                       node->rate.unit);
        if (node->approve == APPROVE_WHEN)
            buf_add_text(out, "  some calls need an approval\n");
    }
    for (const char *at = rules.data; at && *at;) {
        size_t len = strcspn(at, "\n");
        buf_printf(out, "  %.*s\n", (int)len, at);
        at += len + (at[len] == '\n');
    }
    if (asks)
        buf_add_text(out, "  each call needs an approval\n");
    if (host)
        put_left(out, host, grant);
    out->failed = out->failed || buf_failed(&rules);
    buf_release(&rules);
}

static void put_grants(struct buf *out, const struct tool *tool, const struct tool_host *host)
{
    if (!tool_granted(tool)) {
        buf_add_text(out, "\nNot granted: calls are refused.\n");
        return;
    }
    for (size_t i = 0; i < tool->authority->n_grants; i++) {
        struct buf rules = BUF_INIT(PAGE_MAX);
        put_grant(&rules, host, tool->authority->grants[i]);
        if (rules.len) {
            buf_add_text(out, i ? "\nOr:\n" : "\nAllowed:\n");
            buf_add_str(out, buf_str(&rules));
        } else if (i) {
            buf_add_text(out, "\nOr without a limit.\n");
        }
        out->failed = out->failed || buf_failed(&rules);
        buf_release(&rules);
    }
}

int tool_page(const struct tool *tool, const struct tool_host *host, struct buf *out)
{
    const char *schema = tool->shown_schema ? tool->shown_schema : tool->schema_text;
    struct buf page = BUF_INIT(4 * PAGE_MAX + strlen(tool->description) + 8192 +
                               (schema ? 8 * strlen(schema) : 0));
    buf_add_text(&page, tool->name);
    buf_add_char(&page, '\n');
    if (strcmp(tool->name, tool->alias) != 0)
        buf_printf(&page, "(as an identifier: %s)\n", tool->alias);
    if (tool->description[0])
        buf_printf(&page, "\n%s\n", tool->description);
    bool ok = true;
    if (schema)
        ok = put_arguments(&page, schema);
    else
        buf_add_text(&page, "\nArguments: any object.\n");
    put_grants(&page, tool, host);
    uint64_t left = host ? tool_own_calls_left(host, tool) : CAPFUL_UNLIMITED;
    if (left != CAPFUL_UNLIMITED)
        buf_printf(&page, "\nCalls left: %llu\n", (unsigned long long)left);
    ok = ok && !buf_failed(&page) && buf_add_str(out, buf_str(&page));
    buf_release(&page);
    return ok ? 0 : ERRNO_NOMEM;
}

int tool_page_make(void *context, struct str name, struct buf *out)
{
    const struct tool_host *host = context;
    const struct tool *tool = toolset_find(tool_host_set(host), name);
    return tool ? tool_page(tool, host, out) : ERRNO_NOENT;
}
