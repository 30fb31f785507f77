/* The set of tools: registration with all its checks, then an immutable object shared by sandboxes.
 *
 * One map leads from names and aliases to tools. A name that is an identifier is its own alias, so
 * a clash of any two names or aliases shows when the second is added. Equal schemas are compiled
 * once.
 */
#include <stdatomic.h>

#include "base/err.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/utf8.h"
#include "tool/call.h"
#include "tool/schema.h"

#define SCHEMA_MAX (1u << 20) /* bytes */

struct toolset {
    _Atomic uint32_t refs;
    bool sealed;
    struct tool **tools; /* [0, n) can be seen, [n, n_all) are hidden */
    size_t n, n_all, alloc;
    struct map names;   /* names and aliases of what can be seen */
    struct map schemas; /* compact text to struct tool_schema */
    struct buf listing; /* what tool_list answers; made by toolset_seal */
    struct authority authority;
    uint64_t approval_time; /* ns */
};

int toolset_new(struct toolset **ret, struct capful_error *err)
{
    struct toolset *set = mem_zalloc(sizeof *set);
    if (!set)
        return err_nomem(err);
    atomic_init(&set->refs, 1);
    buf_init(&set->listing, SIZE_MAX);
    set->approval_time = 300 * CAPFUL_SECOND;
    *ret = set;
    return 0;
}

struct toolset *toolset_ref(struct toolset *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    return set;
}

/* Does not call tool->release. */
static void tool_free(struct tool *tool)
{
    if (!tool)
        return;
    mem_free(tool->name);
    mem_free(tool->alias);
    mem_free(tool->description);
    mem_free(tool->labels);
    mem_free(tool->shown_schema);
    command_spec_free(tool->command);
    mem_free(tool);
}

void toolset_unref(struct toolset *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < set->n_all; i++) {
        if (set->tools[i]->release)
            set->tools[i]->release(set->tools[i]->context);
        tool_free(set->tools[i]);
    }
    MAP_FOREACH (slot, &set->schemas)
        tool_schema_free(slot->value);
    map_release(&set->schemas);
    map_release(&set->names);
    authority_release(&set->authority);
    buf_release(&set->listing);
    mem_free(set->tools);
    mem_free(set);
}

/* ------------------------------------------------------------------ schemas */

/* Arguments are always an object, so a schema of another type could never be met. */
static const char *schema_root_problem(yyjson_val *root)
{
    if (!yyjson_is_obj(root))
        return "a schema must be an object";
    yyjson_val *type = json_get(root, STR("type"));
    if (yyjson_is_str(type) && !str_equal(json_str(type), STR("object")))
        return "arguments are an object: the schema's type must be \"object\"";
    return NULL;
}

/* Takes `text` on success. */
static int new_schema(struct toolset *set, char *text, size_t len, yyjson_val *root,
                      struct tool_schema **ret, struct capful_error *err)
{
    char why[300];
    struct tool_schema *schema;
    if (!map_reserve(&set->schemas, 1))
        return err_nomem(err);
    if (!tool_schema_new(text, len, root, &schema, why, sizeof why))
        return why[0] ? err_set(err, CAPFUL_ETOOL, "the schema is not valid: %s", why)
                      : err_nomem(err);
    if (!map_put(&set->schemas, (struct str){text, len}, schema)) {
        schema->text = NULL;
        tool_schema_free(schema);
        return err_nomem(err);
    }
    *ret = schema;
    return 0;
}

static int share_schema(struct toolset *set, yyjson_val *root, struct tool_schema **ret,
                        struct capful_error *err)
{
    size_t len;
    const char *wrong = schema_root_problem(root);
    if (wrong)
        return err_set(err, CAPFUL_ETOOL, "%s", wrong);
    char *compact = json_write(root, &len);
    if (!compact)
        return err_nomem(err);
    struct tool_schema *known = map_get(&set->schemas, (struct str){compact, len});
    int failed = 0;
    if (known)
        *ret = known;
    else
        failed = new_schema(set, compact, len, root, ret, err);
    if (known || failed)
        mem_free(compact);
    return failed;
}

static int find_schema(struct toolset *set, struct str text, struct tool_schema **ret,
                       struct capful_error *err)
{
    if (text.len > SCHEMA_MAX)
        return err_set(err, CAPFUL_ETOOL, "the schema is larger than 1 MiB");
    struct json json;
    struct json_problem problem;
    if (!json_parse(text, JSON_STRICT | JSON_UNIQUE_KEYS, TOOL_DEPTH, &json, &problem)) {
        int line, column;
        if (problem.nomem)
            return err_nomem(err);
        json_place(text, problem.offset, &line, &column);
        return err_set_at(err, CAPFUL_ETOOL, line, column,
                          "the schema is not valid JSON, line %d, column %d: %s", line, column,
                          problem.text);
    }
    int failed = share_schema(set, json.root, ret, err);
    json_release(&json);
    return failed;
}

/* ------------------------------------------------------------------ registration */

static int check_free(const struct toolset *set, struct str name, struct str alias,
                      struct capful_error *err)
{
    const struct tool *other = map_get(&set->names, name);
    if (!other)
        other = map_get(&set->names, alias);
    if (!other)
        return 0;
    if (str_equal(str_of(other->name), name))
        return err_set(err, CAPFUL_ETOOL, "there is a tool of that name already");
    return err_set(err, CAPFUL_ETOOL,
                   "as an identifier the name is \"%.*s\", and so is that of the tool \"%s\"",
                   (int)alias.len, alias.ptr, other->name);
}

static int fill(struct toolset *set, struct tool *tool, const struct capful_tool *from,
                struct capful_error *err)
{
    struct buf alias = BUF_INIT((size_t)4 * TOOL_NAME_MAX);
    tool_alias(str_of(from->name), &alias);
    tool->alias = buf_steal(&alias);
    tool->name = mem_strdup(from->name);
    tool->description = mem_strdup(from->description ? from->description : "");
    tool->labels = mem_strdup(from->labels ? from->labels : "");
    tool->hints = from->hints;
    if (!tool->alias || !tool->name || !tool->description || !tool->labels)
        return err_nomem(err);
    if (!utf8_valid(tool->description, strlen(tool->description)))
        return err_set(err, CAPFUL_ETOOL, "the description is not UTF-8");
    int failed = check_free(set, str_of(tool->name), str_of(tool->alias), err);
    if (failed)
        return failed;
    if (from->schema) {
        failed = find_schema(set, str_of(from->schema), &tool->schema, err);
        if (failed)
            return failed;
        tool->schema_text = tool->schema->text;
    }
    tool->call = from->call;
    tool->context = from->context;
    tool->release = from->release;
    tool->time_limit = from->time_limit;
    tool->max_calls = from->max_calls ? from->max_calls : CAPFUL_UNLIMITED;
    tool->kind = from->call ? TOOL_CALLBACK : TOOL_STEP;
    return 0;
}

static bool make_room(struct toolset *set)
{
    if (set->n_all < set->alloc)
        return true;
    size_t alloc = set->alloc ? set->alloc * 2 : 16;
    struct tool **tools = mem_resize_array(set->tools, alloc, sizeof *tools);
    if (!tools)
        return false;
    set->tools = tools;
    set->alloc = alloc;
    return true;
}

static bool put_names(struct map *names, struct tool *tool)
{
    return map_put(names, str_of(tool->name), tool) && map_put(names, str_of(tool->alias), tool);
}

int toolset_add_command(struct toolset *set, const struct capful_tool *from,
                        struct command_spec *command, struct capful_error *err)
{
    const char *wrong = from->name ? tool_name_problem(str_of(from->name)) : "the name is missing";
    if (wrong)
        return err_set(err, CAPFUL_ETOOL, "%s", wrong);
    if (set->sealed)
        return err_set(err, CAPFUL_ESTATE, "tool \"%s\": the set of tools is complete", from->name);
    if (set->n_all >= UINT32_MAX)
        return err_set(err, CAPFUL_ETOOL, "too many tools");
    struct tool *tool = mem_zalloc(sizeof *tool);
    if (!tool)
        return err_nomem(err);
    int failed = fill(set, tool, from, err);
    if (!failed &&
        (!make_room(set) || !map_reserve(&set->names, 2) || !put_names(&set->names, tool)))
        failed = err_nomem(err);
    if (failed) {
        tool_free(tool);
        return failed == CAPFUL_ENOMEM ? failed : err_prefix(err, "tool \"%s\"", from->name);
    }
    if (command) {
        tool->command = command;
        tool->kind = TOOL_COMMAND;
    }
    tool->index = (uint32_t)set->n_all;
    set->tools[set->n_all++] = tool;
    set->n = set->n_all;
    return 0;
}

int toolset_add(struct toolset *set, const struct capful_tool *tool, struct capful_error *err)
{
    return toolset_add_command(set, tool, NULL, err);
}

void toolset_truncate(struct toolset *set, size_t count)
{
    while (set->n_all > count) {
        struct tool *tool = set->tools[--set->n_all];
        map_remove(&set->names, str_of(tool->name));
        map_remove(&set->names, str_of(tool->alias));
        tool_free(tool);
    }
    set->n = set->n_all;
}

/* ------------------------------------------------------------------ grants */

struct authorising {
    struct toolset *set;
    struct authority *authority;
    struct capful_error *err;
    bool nomem;
};

/* Labels that a tool was registered with; a word that is none, or a label too many, fails. */
static int own_labels(struct authorising *a, const struct tool *tool, label_set *ret)
{
    for (const char *at = tool->labels; *at;) {
        size_t len = strcspn(at, " ");
        struct str name = {at, len};
        label_set bit = len == 0 ? 0
                        : label_valid(name)
                            ? label_bit(&a->authority->labels, name, true, &a->nomem)
                            : 0;
        if (len > 0 && !bit)
            return a->nomem ? err_nomem(a->err)
                            : err_set(a->err, CAPFUL_ETOOL,
                                      "tool \"%s\": \"%.*s\" is no label, or one too many",
                                      tool->name, (int)(len < 100 ? len : 100), at);
        *ret |= bit;
        at += len + (at[len] == ' ');
    }
    return 0;
}

/* Labels that follow from what a server says about its tool; what it does not say is taken for the
 * worse. */
static label_set claimed_labels(struct authorising *a, uint32_t hints)
{
    struct labels *labels = &a->authority->labels;
    bool open = !(hints & CAPFUL_HINT_CLOSED_WORLD), reads = hints & CAPFUL_HINT_READ_ONLY;
    label_set set = 0;
    if (!(hints & CAPFUL_HINTS))
        return 0;
    if (open || !reads)
        set |= label_bit(labels, STR("external"), true, &a->nomem);
    set |= label_bit(labels, open ? STR("untrusted") : STR("private"), true, &a->nomem);
    if (!reads && !(hints & CAPFUL_HINT_NOT_DESTRUCTIVE))
        set |= label_bit(labels, STR("destructive"), true, &a->nomem);
    return set;
}

static int describe_tools(struct authorising *a, struct authority_input *inputs)
{
    for (size_t i = 0; i < a->set->n; i++) {
        const struct tool *tool = a->set->tools[i];
        struct authority_input *input = &inputs[i];
        input->name = str_of(tool->name);
        if (tool->schema)
            input->schema = (struct str){tool->schema->text, tool->schema->len};
        input->claimed = claimed_labels(a, tool->hints);
        int failed = own_labels(a, tool, &input->labels);
        if (failed)
            return failed;
    }
    return a->nomem ? err_nomem(a->err) : 0;
}

static bool is_bound(void *context, struct str name)
{
    const struct authority_tool *rules = context;
    for (size_t i = 0; i < rules->n_grants; i++)
        if (!grant_binds(grant_root(rules->grants[i]), name))
            return false;
    return rules->n_grants > 0;
}

/* Parameters that the host fills in whatever grant is used are not the program's. */
static bool hide_bound(struct tool *tool)
{
    const struct authority_tool *rules = tool->authority;
    size_t len;
    if (!tool->schema || rules->n_grants == 0 || grant_root(rules->grants[0])->n_binds == 0)
        return true;
    tool->shown_schema =
        parameters_schema_without(rules->schema.root, is_bound, (void *)(uintptr_t)rules, &len);
    return tool->shown_schema != NULL;
}

int toolset_authorise(struct toolset *set, struct authority *authority,
                      yyjson_val *(*at)(void *context, size_t grant),
                      const struct constraint_reader *reader, struct capful_error *err)
{
    struct authorising a = {set, authority, err, false};
    struct authority_input *inputs = mem_array(set->n + 1, sizeof *inputs);
    int failed = inputs ? describe_tools(&a, inputs) : err_nomem(err);
    if (!failed && !authority_complete(authority, inputs, set->n, at, reader, &a.nomem))
        failed =
            a.nomem ? err_nomem(err) : err_set(err, CAPFUL_EPOLICY, "the grants have problems");
    mem_free(inputs);
    if (failed) {
        authority_release(authority);
        return failed;
    }
    set->authority = *authority;
    *authority = (struct authority){.n_grants = 0};
    for (size_t i = 0; i < set->n; i++) {
        set->tools[i]->authority = &set->authority.tools[i];
        if (!hide_bound(set->tools[i]))
            return err_nomem(err);
    }
    return 0;
}

static yyjson_val *nowhere(void *context, size_t grant)
{
    (void)context, (void)grant;
    return NULL;
}

static void no_problem(void *context, yyjson_val *at, const char *text)
{
    (void)at;
    err_set(context, CAPFUL_EPOLICY, "%s", text);
}

int toolset_grant_all(struct toolset *set, struct capful_error *err)
{
    struct authority authority = {.n_grants = 0};
    struct constraint_reader reader = {no_problem, err};
    for (size_t i = 0; i < set->n; i++) {
        struct grant *grant = grant_plain(str_of(set->tools[i]->name));
        if (!grant || !authority_add(&authority, grant)) {
            grant_unref(grant);
            authority_release(&authority);
            return err_nomem(err);
        }
    }
    return toolset_authorise(set, &authority, nowhere, &reader, err);
}

void toolset_set_approval_time(struct toolset *set, uint64_t time)
{
    set->approval_time = time;
}

uint64_t toolset_approval_time(const struct toolset *set)
{
    return set->approval_time;
}

const struct authority *toolset_authority(const struct toolset *set)
{
    return &set->authority;
}

static bool stays(const struct tool *tool)
{
    return tool_granted(tool) || tool->kind == TOOL_COMMAND;
}

int toolset_hide_ungranted(struct toolset *set, struct capful_error *err)
{
    struct map names = {NULL, 0, 0};
    struct tool **sorted = mem_array(set->alloc, sizeof *sorted);
    bool ok = sorted != NULL;
    size_t n = 0, at;
    for (size_t i = 0; ok && i < set->n_all; i++)
        if (stays(set->tools[i])) {
            sorted[n++] = set->tools[i];
            ok = put_names(&names, set->tools[i]);
        }
    if (!ok) {
        map_release(&names);
        mem_free(sorted);
        return err_nomem(err);
    }
    at = n;
    for (size_t i = 0; i < set->n_all; i++)
        if (!stays(set->tools[i]))
            sorted[at++] = set->tools[i];
    for (size_t i = 0; i < at; i++)
        sorted[i]->index = (uint32_t)i;
    mem_free(set->tools);
    map_release(&set->names);
    set->tools = sorted;
    set->names = names;
    set->n = n;
    return 0;
}

int toolset_seal(struct toolset *set, struct capful_error *err)
{
    struct buf *out = &set->listing;
    bool first = true;
    buf_clear(out);
    buf_add_char(out, '[');
    for (size_t i = 0; i < set->n; i++) {
        const struct tool *tool = set->tools[i];
        if (!tool_granted(tool))
            continue;
        buf_add_text(out, first ? "{\"name\":" : ",{\"name\":");
        buf_add_json_string(out, str_of(tool->name));
        buf_add_text(out, ",\"alias\":");
        buf_add_json_string(out, str_of(tool->alias));
        buf_add_char(out, '}');
        first = false;
    }
    buf_add_char(out, ']');
    if (buf_failed(out))
        return err_nomem(err);
    set->sealed = true;
    return 0;
}

/* ------------------------------------------------------------------ looking */

struct str toolset_listing(const struct toolset *set)
{
    return set ? buf_str(&set->listing) : STR("[]");
}

size_t toolset_count(const struct toolset *set)
{
    return set ? set->n : 0;
}

const struct tool *toolset_at(const struct toolset *set, size_t index)
{
    return index < set->n ? set->tools[index] : NULL;
}

const struct tool *toolset_find(const struct toolset *set, struct str name)
{
    return set ? map_get(&set->names, name) : NULL;
}

const struct tool *toolset_nearest(const struct toolset *set, struct str name)
{
    struct near near;
    const struct tool *best = NULL;
    near_init(&near, name);
    for (size_t i = 0; i < toolset_count(set); i++)
        if (near_offer(&near, str_of(set->tools[i]->name)))
            best = set->tools[i];
    return best;
}
