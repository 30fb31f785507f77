/* Reading grants from a policy, and narrowings from whoever derives one.
 *
 * Both are objects with keys of one table; what only a root may say is marked there.  Every problem
 * is reported, and nothing comes of a grant that had one.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/number.h"
#include "base/sha256.h"
#include "policy/grant.h"
#include "policy/pattern.h"
#include "policy/time.h"

struct reading {
    const struct constraint_reader *reader;
    struct labels *labels;
    bool add_labels;
    bool narrows; /* a grant of a policy: it also has "tool" */
    bool *nomem;
    size_t problems;
    struct grant *grant;
};

static void problem_seen(void *context, yyjson_val *at, const char *text)
{
    struct reading *r = context;
    r->problems++;
    r->reader->problem(r->reader->context, at, text);
}

__attribute__((format(printf, 3, 4))) static bool wrong(struct reading *r, yyjson_val *at,
                                                        const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    problem_seen(r, at, text);
    return false;
}

static bool nomem(struct reading *r)
{
    *r->nomem = true;
    return false;
}

/* What was allocated, or the note that it could not be. */
static bool made(struct reading *r, const void *memory)
{
    if (!memory)
        nomem(r);
    return memory != NULL;
}

static const char *kind_of(yyjson_val *value)
{
    if (yyjson_is_arr(value) && yyjson_arr_size(value) == 0)
        return "an empty list";
    return yyjson_is_obj(value) && yyjson_obj_size(value) == 0 ? "an empty object"
                                                               : json_kind(value);
}

static bool must_be(struct reading *r, yyjson_val *key, yyjson_val *value, const char *what,
                    bool is)
{
    yyjson_val *at = yyjson_is_str(value) || yyjson_is_raw(value) ? value : key;
    if (!is)
        wrong(r, at, "\"%.*s\" must be %s, not %s", (int)json_str(key).len, json_str(key).ptr, what,
              kind_of(value));
    return is;
}

/* ------------------------------------------------------------------ tools, name */

static bool add_pattern(struct reading *r, yyjson_val *value)
{
    struct grant_tools *tools = &r->grant->tools;
    struct str text = json_str(value);
    if (!yyjson_is_str(value) || memchr(text.ptr, 0, text.len) || !pattern_or_name(text))
        return wrong(r, value,
                     "a tool is a name or a pattern in which \"*\" stands for text within a "
                     "segment and \"**\" for whole segments");
    char *copy = mem_dup(text.ptr, text.len);
    char **more = copy ? mem_resize_array(tools->patterns, tools->n + 1, sizeof *more) : NULL;
    if (!more) {
        mem_free(copy);
        return nomem(r);
    }
    more[tools->n++] = copy;
    tools->patterns = more;
    return true;
}

static void load_tool(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    size_t i, n;
    yyjson_val *item;
    if (yyjson_is_str(value)) {
        add_pattern(r, value);
    } else if (must_be(r, key, value, "a name, a pattern or a list of them",
                       yyjson_is_arr(value) && yyjson_arr_size(value) > 0)) {
        yyjson_arr_foreach(value, i, n, item)
        {
            add_pattern(r, item);
        }
    }
}

static bool set_name(struct reading *r, struct str name)
{
    mem_free(r->grant->name);
    r->grant->name = mem_dup(name.ptr, name.len);
    return made(r, r->grant->name);
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static void load_name(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    struct str name = json_str(value);
    if (!must_be(r, key, value, "a string", yyjson_is_str(value)))
        return;
    if (name.len == 0 || name.len > GRANT_NAME_MAX || has_control(name) ||
        memchr(name.ptr, '#', name.len))
        wrong(r, value, "a grant's name has 1 to 200 bytes, no control characters and no \"#\"");
    else
        set_name(r, name);
}

/* ------------------------------------------------------------------ constraints */

static struct where *read_where(struct reading *r, yyjson_val *key, yyjson_val *value,
                                bool condition)
{
    struct constraint_reader reader = {problem_seen, r};
    if (!must_be(r, key, value, condition ? "\"ask\" or an object" : "an object",
                 yyjson_is_obj(value)))
        return NULL;
    bool short_of_memory = false;
    struct where *where = where_new(value, condition, &reader, &short_of_memory);
    if (short_of_memory)
        nomem(r);
    return where;
}

static void load_where(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    r->grant->where = read_where(r, key, value, false);
}

static void load_approve(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    if (yyjson_is_str(value) && str_equal(json_str(value), STR("ask"))) {
        r->grant->approve = APPROVE_ALWAYS;
    } else {
        r->grant->approve = APPROVE_WHEN;
        r->grant->approve_when = read_where(r, key, value, true);
    }
}

/* ------------------------------------------------------------------ budgets */

static bool read_scope(struct reading *r, yyjson_val *value, enum scope *ret)
{
    static const char *const names[] = {
        [SCOPE_RUN] = "run", [SCOPE_SANDBOX] = "sandbox", [SCOPE_ACCOUNT] = "account"};
    for (size_t i = 0; yyjson_is_str(value) && i < 3; i++)
        if (str_equal(json_str(value), str_of(names[i]))) {
            *ret = (enum scope)i;
            return true;
        }
    return wrong(r, value, "\"per\" must be \"run\", \"sandbox\" or \"account\"");
}

static void keep_budget(struct grant *grant, uint64_t n, enum scope scope)
{
    for (size_t i = 0; i < grant->n_calls; i++)
        if (grant->calls[i].scope == scope) { /* of two that both hold the smaller counts */
            grant->calls[i].n = n < grant->calls[i].n ? n : grant->calls[i].n;
            return;
        }
    grant->calls[grant->n_calls++] = (struct call_budget){n, scope};
}

static bool read_budget(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    enum scope scope = SCOPE_ACCOUNT;
    uint64_t n;
    if (json_uint(value, &n)) {
        keep_budget(r->grant, n, scope);
        return true;
    }
    if (!must_be(r, key, value,
                 "a whole number, an object {\"n\": 3, \"per\": \"run\"} or a list of these",
                 yyjson_is_obj(value)))
        return false;
    yyjson_val *count = json_get(value, STR("n")), *per = json_get(value, STR("per"));
    if (!json_uint(count, &n) || yyjson_obj_size(value) != (per ? 2 : 1))
        return wrong(r, key, "\"max_calls\" is an object of \"n\", a whole number, and \"per\"");
    if (per && !read_scope(r, per, &scope))
        return false;
    keep_budget(r->grant, n, scope);
    return true;
}

static void load_max_calls(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    size_t i, n;
    yyjson_val *item;
    if (!yyjson_is_arr(value)) {
        read_budget(r, key, value);
        return;
    }
    if (yyjson_arr_size(value) == 0)
        wrong(r, key, "\"max_calls\" has no budget in its list");
    yyjson_arr_foreach(value, i, n, item)
    {
        if (!read_budget(r, key, item))
            return;
    }
}

#define RATE_MAX 1000000

static void load_rate(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    static const struct {
        const char *name, *words;
        uint64_t seconds;
    } units[] = {{"s", "a second", 1},
                 {"min", "a minute", 60},
                 {"h", "an hour", 3600},
                 {"day", "a day", 86400}};
    if (!must_be(r, key, value, "a text such as \"10/min\"", yyjson_is_str(value)))
        return;
    struct str text = json_str(value);
    uint64_t n = 0;
    size_t at = 0;
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9' && n <= RATE_MAX)
        n = n * 10 + (uint64_t)(text.ptr[at++] - '0');
    if (at > 0 && at < text.len && text.ptr[at] == '/' && n > 0 && n <= RATE_MAX)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (str_equal(str_of(units[i].name),
                          (struct str){text.ptr + at + 1, text.len - at - 1})) {
                r->grant->rate =
                    (struct rate){n, units[i].seconds * UINT64_C(1000000000), units[i].words};
                return;
            }
    wrong(r, value,
          "\"rate\" is a number of calls from 1 to 1000000, a slash and s, min, h or day: "
          "\"10/min\"");
}

static void load_expires(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    moment time;
    if (!must_be(r, key, value, "a time", yyjson_is_str(value)))
        return;
    if (time_read(json_str(value), &time))
        r->grant->expires = time < 0                  ? 0
                            : time >= GRANT_UNLIMITED ? GRANT_UNLIMITED - 1
                                                      : (uint64_t)time;
    else
        wrong(r, value,
              "\"expires\" is a date such as \"2026-03-01\" or a time such as "
              "\"2026-03-01T12:00:00Z\"");
}

/* ------------------------------------------------------------------ parameters and results */

static bool read_pointer(struct reading *r, yyjson_val *at, yyjson_val *value, bool star,
                         struct pointer *ret)
{
    if (!yyjson_is_str(value))
        return wrong(r, at, "a pointer must be a string, not %s", json_kind(value));
    bool short_of_memory = false;
    const char *bad = pointer_parse(ret, json_str(value), false, &short_of_memory);
    if (bad)
        return short_of_memory ? nomem(r) : wrong(r, value, "%s", bad);
    if (star || !pointer_has_star(ret))
        return true;
    pointer_release(ret);
    return wrong(r, value, "this pointer leads to one value: it cannot have \"*\"");
}

static bool is_context(yyjson_val *value)
{
    return yyjson_is_obj(value) && yyjson_obj_size(value) == 1 &&
           json_get(value, STR("context")) != NULL;
}

static bool read_bind(struct reading *r, yyjson_val *key, yyjson_val *value, struct bind *bind)
{
    size_t len;
    bind->name = mem_dup(json_str(key).ptr, json_str(key).len);
    if (!made(r, bind->name))
        return false;
    if (is_context(value))
        return read_pointer(r, key, json_get(value, STR("context")), false, &bind->context);
    bind->value = json_write(value, &len);
    return made(r, bind->value);
}

static void load_bind(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    yyjson_obj_iter iter;
    size_t n = yyjson_obj_size(value);
    if (!must_be(r, key, value, "an object", yyjson_is_obj(value) && n > 0))
        return;
    if (n > GRANT_BINDS_MAX) {
        wrong(r, key, "\"bind\" has more than 64 parameters");
        return;
    }
    r->grant->binds = mem_array(n, sizeof *r->grant->binds);
    if (!made(r, r->grant->binds))
        return;
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *name; (name = yyjson_obj_iter_next(&iter));) {
        struct bind *bind = &r->grant->binds[r->grant->n_binds++];
        if (memchr(json_str(name).ptr, 0, json_str(name).len))
            wrong(r, name, "the name of a parameter holds a NUL");
        else
            read_bind(r, name, yyjson_obj_iter_get_val(name), bind);
    }
}

static void read_pointers(struct reading *r, yyjson_val *key, yyjson_val *value,
                          struct pointer **list, size_t *count)
{
    size_t i, n;
    yyjson_val *item;
    if (!must_be(r, key, value, "a list of pointers",
                 yyjson_is_arr(value) && yyjson_arr_size(value) > 0))
        return;
    *list = mem_array(yyjson_arr_size(value), sizeof **list);
    if (!made(r, *list))
        return;
    yyjson_arr_foreach(value, i, n, item)
    {
        struct pointer pointer;
        if (!read_pointer(r, key, item, true, &pointer))
            continue;
        (*list)[(*count)++] = pointer;
        if (pointer.n == 0)
            wrong(r, item, "this pointer leads to the whole result");
    }
}

static void read_max(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    if (!must_be(r, key, value, "a size such as \"64KiB\"",
                 yyjson_is_str(value) || yyjson_is_raw(value)))
        return;
    const char *bad = number_parse(json_str(value), NUMBER_BYTES, &r->grant->result.max);
    if (bad)
        wrong(r, key, "\"max\": %s", bad);
}

static void load_result(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    struct result_rule *rule = &r->grant->result;
    yyjson_obj_iter iter;
    if (!must_be(r, key, value, "an object of \"drop\", \"mask\" and \"max\"",
                 yyjson_is_obj(value)))
        return;
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *name; (name = yyjson_obj_iter_next(&iter));) {
        yyjson_val *item = yyjson_obj_iter_get_val(name);
        if (str_equal(json_str(name), STR("drop")))
            read_pointers(r, name, item, &rule->drop, &rule->n_drop);
        else if (str_equal(json_str(name), STR("mask")))
            read_pointers(r, name, item, &rule->mask, &rule->n_mask);
        else if (str_equal(json_str(name), STR("max")))
            read_max(r, name, item);
        else
            wrong(r, name, "\"result\" has \"drop\", \"mask\" and \"max\"");
    }
}

static void load_labels(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    size_t i, n;
    yyjson_val *item;
    if (!must_be(r, key, value, "a list of labels", yyjson_is_arr(value)))
        return;
    yyjson_arr_foreach(value, i, n, item)
    {
        if (!yyjson_is_str(item) || !label_valid(json_str(item))) {
            wrong(r, yyjson_is_str(item) ? item : key,
                  "a label is a letter, then letters, digits, \"_\" and \"-\", at most 64");
            continue;
        }
        label_set bit = label_bit(r->labels, json_str(item), r->add_labels, r->nomem);
        if (!bit && !*r->nomem)
            wrong(r, item,
                  r->add_labels ? "a policy has at most 64 labels"
                                : "the policy has no such label");
        r->grant->labels |= bit;
    }
}

/* ------------------------------------------------------------------ the table of keys */

static void load_flag(struct reading *r, yyjson_val *key, yyjson_val *value, bool *ret)
{
    if (must_be(r, key, value, "true or false", yyjson_is_bool(value)))
        *ret = yyjson_get_bool(value);
}

static void load_future(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    load_flag(r, key, value, &r->grant->future);
}

static void load_additional(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    load_flag(r, key, value, &r->grant->additional);
}

static void load_free_failures(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    load_flag(r, key, value, &r->grant->free_failures);
}

static void load_withhold(struct reading *r, yyjson_val *key, yyjson_val *value)
{
    load_flag(r, key, value, &r->grant->withhold);
}

static const struct grant_key {
    const char *name;
    bool root_only;
    void (*load)(struct reading *r, yyjson_val *key, yyjson_val *value);
} keys[] = {
    {"tool", true, load_tool},          {"name", false, load_name},
    {"where", false, load_where},       {"max_calls", false, load_max_calls},
    {"rate", false, load_rate},         {"expires", false, load_expires},
    {"bind", true, load_bind},          {"additional", true, load_additional},
    {"labels", false, load_labels},     {"approve", false, load_approve},
    {"result", false, load_result},     {"free_failures", true, load_free_failures},
    {"withhold", false, load_withhold}, {"future", true, load_future},
};

static bool may_have(const struct reading *r, size_t i, bool root)
{
    return root || !keys[i].root_only || (r->narrows && keys[i].load == load_tool);
}

static void unknown_key(struct reading *r, yyjson_val *key, bool root)
{
    struct near near;
    near_init(&near, json_str(key));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (may_have(r, i, root))
            near_offer(&near, str_of(keys[i].name));
    int shown = (int)(json_str(key).len < 100 ? json_str(key).len : 100);
    const char *what = root         ? "a grant"
                       : r->narrows ? "a grant that narrows another"
                                    : "a derived grant";
    if (near.best.ptr)
        wrong(r, key, "%s has no \"%.*s\"; did you mean \"%.*s\"?", what, shown, json_str(key).ptr,
              (int)near.best.len, near.best.ptr);
    else
        wrong(r, key, "%s has no \"%.*s\"", what, shown, json_str(key).ptr);
}

static void load_keys(struct reading *r, yyjson_val *object, bool root)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        size_t i = 0, n = sizeof keys / sizeof *keys;
        while (i < n && !str_equal(json_str(key), str_of(keys[i].name)))
            i++;
        if (i < n && may_have(r, i, root))
            keys[i].load(r, key, yyjson_obj_iter_get_val(key));
        else
            unknown_key(r, key, root);
    }
}

/* ------------------------------------------------------------------ the two doors */

static struct grant *grant_new(void)
{
    struct grant *grant = mem_zalloc(sizeof *grant);
    if (!grant)
        return NULL;
    atomic_init(&grant->refs, 1);
    grant->expires = GRANT_UNLIMITED;
    grant->result.max = GRANT_UNLIMITED;
    return grant;
}

static void hash_key(struct grant *grant, const void *first, size_t first_len, struct str second,
                     uint64_t serial)
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    sha256_init(&hash);
    sha256_add(&hash, &first_len, sizeof first_len);
    sha256_add(&hash, first, first_len);
    sha256_add(&hash, second.ptr, second.len);
    sha256_add(&hash, &serial, sizeof serial);
    sha256_end(&hash, digest);
    memcpy(grant->key, digest, sizeof grant->key);
}

static bool name_root(struct reading *r, size_t number)
{
    struct buf name = BUF_INIT(4096);
    const char *first = r->grant->tools.patterns[0];
    buf_printf(&name, "%.*s#%zu", GRANT_NAME_MAX, first, number);
    bool ok = made(r, name.data) && set_name(r, buf_str(&name));
    buf_release(&name);
    return ok;
}

/* Counters of a grant with a name are known by it, those of one without by what it says. */
static bool key_root(struct reading *r, yyjson_val *value, bool named)
{
    size_t len;
    if (named) {
        hash_key(r->grant, "name", 4, str_of(r->grant->name), 0);
        return true;
    }
    char *text = json_write(value, &len);
    if (!made(r, text))
        return false;
    hash_key(r->grant, "text", 4, (struct str){text, len}, 0);
    mem_free(text);
    return true;
}

static struct grant *finish(struct reading *r)
{
    if (r->problems == 0 && !*r->nomem)
        return r->grant;
    grant_unref(r->grant);
    return NULL;
}

struct grant *grant_load(yyjson_val *value, size_t number, struct labels *labels,
                         const struct constraint_reader *reader, bool *ret_nomem)
{
    struct reading r = {reader, labels, true, false, ret_nomem, 0, grant_new()};
    if (!r.grant) {
        nomem(&r);
        return NULL;
    }
    if (yyjson_is_str(value)) {
        add_pattern(&r, value);
    } else if (yyjson_is_obj(value)) {
        load_keys(&r, value, true);
        if (!json_get(value, STR("tool"))) {
            yyjson_obj_iter iter;
            yyjson_obj_iter_init(value, &iter);
            wrong(&r, yyjson_obj_iter_next(&iter), "a grant needs \"tool\"");
        }
    } else {
        wrong(&r, NULL, "a grant is a name, a pattern or an object, not %s", json_kind(value));
    }
    bool named = r.grant->name != NULL;
    if (r.problems == 0 && !*ret_nomem && (named || name_root(&r, number)))
        key_root(&r, value, named);
    return finish(&r);
}

struct grant *grant_plain(struct str tool)
{
    struct grant *grant = grant_new();
    if (!grant)
        return NULL;
    grant->name = mem_dup(tool.ptr, tool.len);
    grant->tools.patterns = mem_array(1, sizeof *grant->tools.patterns);
    if (grant->tools.patterns) {
        grant->tools.patterns[0] = mem_dup(tool.ptr, tool.len);
        grant->tools.n = 1;
    }
    if (!grant->name || !grant->tools.patterns || !grant->tools.patterns[0]) {
        grant_unref(grant);
        return NULL;
    }
    hash_key(grant, "name", 4, tool, 0);
    return grant;
}

struct grant *grant_derive(struct grant *parent, yyjson_val *narrowing, struct str name,
                           uint64_t serial, bool transient, const struct labels *labels,
                           const struct constraint_reader *reader, bool *ret_nomem)
{
    /* Labels are looked up only. */
    struct reading r = {reader,     (struct labels *)(uintptr_t)labels, false, false, ret_nomem, 0,
                        grant_new()};
    if (!r.grant) {
        nomem(&r);
        return NULL;
    }
    r.grant->parent = grant_ref(parent);
    r.grant->depth = parent->depth + 1;
    r.grant->transient = transient || parent->transient;
    if (r.grant->depth >= GRANT_DEPTH)
        wrong(&r, NULL, "a grant can be derived %d times in a row at most", GRANT_DEPTH - 1);
    else if (!yyjson_is_obj(narrowing))
        wrong(&r, NULL, "a narrowing must be an object, not %s", json_kind(narrowing));
    else
        load_keys(&r, narrowing, false);
    if (r.problems == 0 && !*ret_nomem && !r.grant->name)
        set_name(&r, name);
    if (r.grant->name)
        hash_key(r.grant, parent->key, sizeof parent->key, str_of(r.grant->name), serial);
    return finish(&r);
}

/* Its counters are known as those of a root are, and apart from those of every root. */
static bool key_narrowed(struct reading *r, yyjson_val *value, unsigned level, bool named)
{
    size_t len;
    if (named) {
        hash_key(r->grant, "extends", 7, str_of(r->grant->name), level);
        return true;
    }
    char *text = json_write(value, &len);
    if (!text)
        return nomem(r);
    hash_key(r->grant, "extended", 8, (struct str){text, len}, level);
    mem_free(text);
    return true;
}

static void read_narrowed(struct reading *r, yyjson_val *value)
{
    if (yyjson_is_str(value)) {
        add_pattern(r, value);
    } else if (yyjson_is_obj(value)) {
        load_keys(r, value, false);
        if (!json_get(value, STR("tool"))) {
            yyjson_obj_iter iter;
            yyjson_obj_iter_init(value, &iter);
            wrong(r, yyjson_obj_iter_next(&iter), "a grant needs \"tool\"");
        }
    } else {
        wrong(r, NULL, "a grant is a name, a pattern or an object, not %s", json_kind(value));
    }
}

struct grant *grant_narrow(yyjson_val *value, size_t number, unsigned level, struct grant *parent,
                           struct labels *labels, const struct constraint_reader *reader,
                           bool *ret_nomem)
{
    struct reading r = {reader, labels, true, true, ret_nomem, 0, grant_new()};
    if (!r.grant) {
        nomem(&r);
        return NULL;
    }
    if (parent) {
        r.grant->parent = grant_ref(parent);
        r.grant->depth = parent->depth + 1;
        r.grant->transient = parent->transient;
    }
    read_narrowed(&r, value);
    bool named = r.grant->name != NULL;
    if (r.problems == 0 && !*ret_nomem && (named || name_root(&r, number)))
        key_narrowed(&r, value, level, named);
    return finish(&r);
}
