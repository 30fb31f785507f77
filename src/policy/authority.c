/* See authority.h. */
#include "policy/authority.h"

#include <stdio.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/near.h"
#include "policy/pattern.h"

#define SCHEMA_DEPTH 100

void authority_release(struct authority *authority)
{
    for (size_t i = 0; i < authority->n_tools; i++) {
        struct authority_tool *tool = &authority->tools[i];
        mem_free(tool->name);
        parameters_free(tool->parameters);
        json_release(&tool->schema);
        mem_free(tool->grants);
        mem_free(tool->sources);
    }
    mem_free(authority->tools);
    for (size_t i = 0; i < authority->n_sources; i++) {
        mem_free(authority->sources[i].tool);
        pointer_release(&authority->sources[i].pointer);
    }
    mem_free(authority->sources);
    for (size_t i = 0; i < authority->n_grants; i++)
        grant_unref(authority->grants[i]);
    mem_free(authority->grants);
    for (size_t i = 0; i < authority->n_label_rules; i++)
        mem_free(authority->label_rules[i].pattern);
    mem_free(authority->label_rules);
    flow_release(&authority->flow);
    labels_release(&authority->labels);
    *authority = (struct authority){.n_grants = 0};
}

/* Room for one more in an array that doubles. */
static bool make_room(void **array, size_t n, size_t size)
{
    if (n & (n - 1))
        return true; /* not a power of two: there is room */
    void *more = mem_resize_array(*array, n ? 2 * n : 1, size);
    if (!more)
        return false;
    *array = more;
    return true;
}

bool authority_add_labels(struct authority *authority, struct str pattern, label_set labels)
{
    char *copy = mem_dup(pattern.ptr, pattern.len);
    if (!copy || !make_room((void **)&authority->label_rules, authority->n_label_rules,
                            sizeof *authority->label_rules)) {
        mem_free(copy);
        return false;
    }
    authority->label_rules[authority->n_label_rules++] = (struct label_rule){copy, labels};
    return true;
}

bool authority_add(struct authority *authority, struct grant *grant)
{
    if (!make_room((void **)&authority->grants, authority->n_grants, sizeof *authority->grants))
        return false;
    authority->grants[authority->n_grants++] = grant;
    return true;
}

struct grant *authority_find(const struct authority *authority, struct str name)
{
    for (size_t i = 0; i < authority->n_grants; i++)
        if (str_equal(str_of(authority->grants[i]->name), name))
            return authority->grants[i];
    return NULL;
}

bool grant_covers(const struct grant *grant, struct str name)
{
    for (; grant; grant = grant->parent) {
        bool covered = grant->tools.n == 0;
        for (size_t i = 0; i < grant->tools.n && !covered; i++)
            covered = pattern_covers(str_of(grant->tools.patterns[i]), name);
        if (!covered)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ completing */

struct completing {
    struct authority *authority;
    struct map names; /* of tools, to struct authority_tool */
    yyjson_val *(*at)(void *context, size_t grant);
    const struct constraint_reader *reader;
    bool *nomem;
    bool failed;
    size_t grant; /* that is looked at */
    const struct authority_tool *tool;
};

static bool no_memory(struct completing *c)
{
    *c->nomem = true;
    return false;
}

__attribute__((format(printf, 2, 3))) static void wrong(struct completing *c, const char *format,
                                                        ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->failed = true;
    c->reader->problem(c->reader->context, c->at(c->reader->context, c->grant), text);
}

static label_set labels_of(const struct authority *authority, const struct authority_input *tool)
{
    label_set labels = tool->labels;
    bool said = labels != 0;
    for (size_t i = 0; i < authority->n_label_rules; i++) {
        const struct label_rule *rule = &authority->label_rules[i];
        if (!pattern_covers(str_of(rule->pattern), tool->name))
            continue;
        labels |= rule->labels;
        said = true;
    }
    return said ? labels : tool->claimed;
}

static bool add_tool(struct completing *c, const struct authority_input *from)
{
    struct authority_tool *tool = &c->authority->tools[c->authority->n_tools++];
    tool->name = mem_dup(from->name.ptr, from->name.len);
    tool->labels = labels_of(c->authority, from);
    if (!tool->name || !map_put(&c->names, str_of(tool->name), tool))
        return no_memory(c);
    if (!from->schema.ptr)
        return true;
    /* The tool's registration has found it good. */
    if (!json_parse(from->schema, JSON_STRICT, SCHEMA_DEPTH, &tool->schema, NULL))
        return no_memory(c);
    tool->parameters = parameters_new(tool->schema.root);
    if (!tool->parameters)
        return no_memory(c);
    return true;
}

static void misfit(void *context, struct str place, const char *text)
{
    struct completing *c = context;
    wrong(c, "tool \"%.100s\", \"%.*s\": %s", c->tool->name,
          (int)(place.len < 100 ? place.len : 100), place.ptr, text);
}

static void check_binds(struct completing *c, const struct grant *grant)
{
    for (size_t i = 0; i < grant->n_binds; i++) {
        struct str name = str_of(grant->binds[i].name);
        if (!grant->additional && !parameters_know(c->tool->parameters, name))
            misfit(c, name, "the tool has no such parameter to bind");
    }
}

/* A bound parameter is there, whatever the schema says of names. */
static void check_fit(struct completing *c, const struct grant *grant)
{
    yyjson_val *schema = c->tool->schema.root;
    bool additional = grant_root(grant)->additional;
    for (const struct grant *node = grant; schema && node; node = node->parent) {
        if (node->where)
            where_fits(node->where, schema, additional, misfit, c);
        if (node->approve_when)
            where_fits(node->approve_when, schema, additional, misfit, c);
    }
    check_binds(c, grant_root(grant));
}

static bool pin(struct completing *c, struct grant *grant, struct authority_tool *tool)
{
    if (tool->n_grants > 0 && tool->grants[tool->n_grants - 1] == grant)
        return true; /* by another of its patterns */
    if (!make_room((void **)&tool->grants, tool->n_grants, sizeof *tool->grants))
        return no_memory(c);
    tool->grants[tool->n_grants++] = grant;
    c->tool = tool;
    check_fit(c, grant);
    return true;
}

static void no_such_tool(struct completing *c, const char *pattern)
{
    struct near near;
    near_init(&near, str_of(pattern));
    for (size_t i = 0; i < c->authority->n_tools; i++)
        near_offer(&near, str_of(c->authority->tools[i].name));
    if (strchr(pattern, '*'))
        wrong(c, "no tool matches \"%.200s\"", pattern);
    else if (near.best.ptr)
        wrong(c, "there is no tool \"%.200s\"; did you mean \"%.*s\"?", pattern, (int)near.best.len,
              near.best.ptr);
    else
        wrong(c, "there is no tool \"%.200s\"", pattern);
}

/* Gives the tools that one pattern matches the grant; those that the ancestors' patterns do not
 * cover, too, are left out. */
static bool expand(struct completing *c, struct grant *grant, const char *pattern)
{
    bool any = false;
    struct authority_tool *tool = map_get(&c->names, str_of(pattern));
    if (tool) {
        any = true;
        if (grant_covers(grant->parent, str_of(tool->name)) && !pin(c, grant, tool))
            return false;
    } else if (strchr(pattern, '*')) {
        for (size_t i = 0; i < c->authority->n_tools; i++) {
            tool = &c->authority->tools[i];
            if (!pattern_matches(str_of(pattern), str_of(tool->name)))
                continue;
            any = true;
            if (grant_covers(grant->parent, str_of(tool->name)) && !pin(c, grant, tool))
                return false;
        }
    }
    if (!any && !grant->future)
        no_such_tool(c, pattern);
    return true;
}

/* ------------------------------------------------------------------ sources of seen_in */

static bool add_source_to(struct completing *c, struct authority_tool *tool, uint32_t number)
{
    if (!make_room((void **)&tool->sources, tool->n_sources, sizeof *tool->sources))
        return no_memory(c);
    tool->sources[tool->n_sources++] = number;
    return true;
}

static uint32_t bind_source(void *context, struct str name, struct str pointer)
{
    struct completing *c = context;
    struct authority *authority = c->authority;
    struct authority_tool *tool = map_get(&c->names, name);
    if (!tool) {
        struct near near;
        near_init(&near, name);
        for (size_t i = 0; i < authority->n_tools; i++)
            near_offer(&near, str_of(authority->tools[i].name));
        wrong(c, "seen_in: there is no tool \"%.*s\"%s%.*s%s",
              (int)(name.len < 100 ? name.len : 100), name.ptr,
              near.best.ptr ? "; did you mean \"" : "", (int)near.best.len,
              near.best.ptr ? near.best.ptr : "", near.best.ptr ? "\"?" : "");
        return 0;
    }
    for (size_t i = 0; i < tool->n_sources; i++)
        if (str_equal(authority->sources[tool->sources[i]].pointer.text, pointer))
            return tool->sources[i];
    if (!make_room((void **)&authority->sources, authority->n_sources,
                   sizeof *authority->sources)) {
        no_memory(c);
        return UINT32_MAX;
    }
    struct seen_source *source = &authority->sources[authority->n_sources];
    source->tool = mem_dup(name.ptr, name.len);
    if (!source->tool || pointer_parse(&source->pointer, pointer, false, c->nomem)) {
        mem_free(source->tool);
        no_memory(c);
        return UINT32_MAX;
    }
    authority->n_sources++;
    return add_source_to(c, tool, (uint32_t)authority->n_sources - 1)
               ? (uint32_t)authority->n_sources - 1
               : UINT32_MAX;
}

static void bind_sources(struct completing *c, const struct grant *grant)
{
    if (grant->where)
        where_bind_sources(grant->where, bind_source, c);
    if (grant->approve_when)
        where_bind_sources(grant->approve_when, bind_source, c);
}

/* ------------------------------------------------------------------ derived at run time */

struct binding {
    const struct authority *authority;
    bool unknown;
};

static uint32_t known_source(void *context, struct str tool, struct str pointer)
{
    struct binding *binding = context;
    const struct authority *authority = binding->authority;
    for (size_t i = 0; i < authority->n_sources; i++)
        if (str_equal(str_of(authority->sources[i].tool), tool) &&
            str_equal(authority->sources[i].pointer.text, pointer))
            return (uint32_t)i;
    binding->unknown = true;
    return 0;
}

struct grant *authority_derive(const struct authority *authority, struct grant *parent,
                               yyjson_val *narrowing, struct str name, uint64_t serial,
                               bool transient, const struct constraint_reader *reader,
                               bool *ret_nomem)
{
    struct binding binding = {authority, false};
    struct grant *grant = grant_derive(parent, narrowing, name, serial, transient,
                                       &authority->labels, reader, ret_nomem);
    if (!grant)
        return NULL;
    if (grant->where)
        where_bind_sources(grant->where, known_source, &binding);
    if (grant->approve_when)
        where_bind_sources(grant->approve_when, known_source, &binding);
    if (!binding.unknown)
        return grant;
    reader->problem(
        reader->context, NULL,
        "seen_in: of a derived grant it can name only what a grant of the policy names");
    grant_unref(grant);
    return NULL;
}

/* ------------------------------------------------------------------ the whole */

static bool grant_counts(const struct grant *grant)
{
    for (; grant; grant = grant->parent)
        if (grant->n_calls || grant->rate.n || grant->labels ||
            (grant->where && where_counts(grant->where)))
            return true;
    return false;
}

static bool grant_is_open(const struct grant *grant)
{
    return !grant->parent && !grant->where && !grant->n_calls && !grant->rate.n &&
           grant->expires == GRANT_UNLIMITED && !grant->n_binds && !grant->labels &&
           grant->approve == APPROVE_NEVER;
}

static void summarise(struct authority *authority)
{
    authority->counts = authority->flow.n > 0;
    for (size_t i = 0; i < authority->n_grants; i++)
        authority->counts = authority->counts || grant_counts(authority->grants[i]);
    for (size_t i = 0; i < authority->n_tools; i++) {
        struct authority_tool *tool = &authority->tools[i];
        authority->counts = authority->counts || tool->labels;
        tool->open = tool->n_grants > 0 && !tool->labels && !tool->schema.root &&
                     grant_is_open(tool->grants[0]);
    }
}

bool authority_complete(struct authority *authority, const struct authority_input *tools,
                        size_t n_tools, yyjson_val *(*at)(void *context, size_t grant),
                        const struct constraint_reader *reader, bool *ret_nomem)
{
    struct completing c = {.authority = authority, .at = at, .reader = reader, .nomem = ret_nomem};
    authority->tools = mem_array(n_tools, sizeof *authority->tools);
    bool ok = authority->tools != NULL;
    if (!ok)
        no_memory(&c);
    for (size_t i = 0; ok && i < n_tools; i++)
        ok = add_tool(&c, &tools[i]);
    for (c.grant = 0; ok && c.grant < authority->n_grants; c.grant++) {
        struct grant *grant = authority->grants[c.grant];
        for (size_t i = 0; ok && i < grant->tools.n; i++)
            ok = expand(&c, grant, grant->tools.patterns[i]);
        if (ok)
            bind_sources(&c, grant);
        ok = ok && !*ret_nomem;
    }
    map_release(&c.names);
    summarise(authority);
    return ok && !c.failed;
}
