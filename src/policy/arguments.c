/* See arguments.h. */
#include "policy/arguments.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/regex.h"

#define ROOM 64 /* subschemas that are looked at for names */

struct parameters {
    yyjson_val *schema;
    yyjson_val *objects[ROOM]; /* subschemas that say something about the same object */
    size_t n_objects;
    bool any; /* other arguments are expressly allowed */
    bool has_defaults;
    void **patterns;
    size_t n_patterns;
};

/* ------------------------------------------------------------------ what a schema names */

/* A reference within the document, "#/…"; NULL if it leads nowhere. */
static yyjson_val *follow(yyjson_val *root, yyjson_val *reference)
{
    struct str text = json_str(reference);
    if (!yyjson_is_str(reference) || text.len == 0 || text.ptr[0] != '#')
        return NULL;
    return yyjson_ptr_getn(root, text.ptr + 1, text.len - 1);
}

/* Adds a subschema and those that it combines. Of more than there is room for the names are not
 * known: such arguments are refused. */
static void collect(struct parameters *p, yyjson_val *schema)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    static const char *const single[] = {"if", "then", "else"};
    yyjson_val *queue[ROOM];
    size_t head = 0, tail = 0;
    queue[tail++] = schema;
    while (head < tail) {
        yyjson_val *at = queue[head++];
        if (!yyjson_is_obj(at))
            continue;
        p->objects[p->n_objects++] = at;
        for (size_t i = 0; i < 3; i++) {
            size_t j, n;
            yyjson_val *item, *list = json_get(at, str_of(lists[i]));
            yyjson_arr_foreach(list, j, n, item)
            {
                if (tail == ROOM)
                    return;
                queue[tail++] = item;
            }
        }
        for (size_t i = 0; i < 4; i++) {
            yyjson_val *one = i < 3 ? json_get(at, str_of(single[i]))
                                    : follow(p->schema, json_get(at, STR("$ref")));
            if (one && tail == ROOM)
                return;
            if (one)
                queue[tail++] = one;
        }
    }
}

static bool allows_others(yyjson_val *schema)
{
    static const char *const keys[] = {"additionalProperties", "unevaluatedProperties"};
    for (size_t i = 0; i < 2; i++) {
        yyjson_val *value = json_get(schema, str_of(keys[i]));
        if (yyjson_is_true(value) || yyjson_is_obj(value))
            return true;
    }
    return false;
}

static bool add_patterns(struct parameters *p, yyjson_val *schema)
{
    yyjson_val *patterns = json_get(schema, STR("patternProperties"));
    yyjson_obj_iter iter;
    if (!yyjson_is_obj(patterns) || yyjson_obj_size(patterns) == 0)
        return true;
    void **more =
        mem_resize_array(p->patterns, p->n_patterns + yyjson_obj_size(patterns), sizeof *more);
    if (!more)
        return false;
    p->patterns = more;
    yyjson_obj_iter_init(patterns, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        /* A pattern that linear-time matching cannot do names nothing: refused, not allowed. */
        if (rt_regex_new(json_str(key).ptr, json_str(key).len, 0, &p->patterns[p->n_patterns], NULL,
                         0) == 0)
            p->n_patterns++;
    return true;
}

/* How many values stand in a row for one of them, itself and all beneath it. */
static size_t values_of(yyjson_val *value)
{
    return yyjson_is_ctn(value) ? value->uni.ofs / sizeof *value : 1;
}

static bool has_defaults(const struct parameters *p)
{
    /* A key "default" anywhere is enough to look. */
    size_t count = values_of(p->schema);
    for (size_t i = 0; i < count; i++)
        if (yyjson_equals_strn(p->schema + i, "default", 7))
            return true;
    return false;
}

struct parameters *parameters_new(yyjson_val *schema)
{
    struct parameters *p = mem_zalloc(sizeof *p);
    if (!p)
        return NULL;
    p->schema = schema;
    collect(p, schema);
    for (size_t i = 0; i < p->n_objects; i++) {
        p->any = p->any || allows_others(p->objects[i]);
        if (!add_patterns(p, p->objects[i])) {
            parameters_free(p);
            return NULL;
        }
    }
    p->has_defaults = has_defaults(p);
    return p;
}

void parameters_free(struct parameters *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_patterns; i++)
        rt_regex_free(p->patterns[i]);
    mem_free(p->patterns);
    mem_free(p);
}

bool parameters_know(const struct parameters *p, struct str name)
{
    if (!p || p->any)
        return true;
    for (size_t i = 0; i < p->n_objects; i++)
        if (json_get(json_get(p->objects[i], STR("properties")), name))
            return true;
    for (size_t i = 0; i < p->n_patterns; i++)
        if (rt_regex_matches(p->patterns[i], name.ptr, name.len) == 1)
            return true;
    return false;
}

/* ------------------------------------------------------------------ defaults */

/* What may be put in. A schema that refers to itself, or twice to what refers twice to something
 * else, can ask for more than there is memory. */
#define DEFAULTS_MAX (1u << 20) /* bytes, of a value sizeof (yyjson_val) and its text */

struct defaults {
    const struct parameters *p;
    yyjson_mut_doc *doc;
    size_t left;
    bool too_many;
};

static bool may_put(struct defaults *d, yyjson_val *value)
{
    size_t count = values_of(value), bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += sizeof *value + json_str(value + i).len;
    d->too_many = bytes > d->left;
    if (!d->too_many)
        d->left -= bytes;
    return !d->too_many;
}

/* Puts the defaults of `schema` into an object, and into the objects in it. As deep as schema and
 * value both go, at most `depth`. */
static bool put_defaults(struct defaults *d, yyjson_val *schema, yyjson_mut_val *object,
                         unsigned depth)
{
    yyjson_mut_doc *doc = d->doc;
    yyjson_val *properties = json_get(schema, STR("properties"));
    yyjson_obj_iter iter;
    if (depth == 0 || !yyjson_is_obj(properties))
        return true;
    yyjson_obj_iter_init(properties, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        yyjson_val *property = yyjson_obj_iter_get_val(key);
        yyjson_val *reference = json_get(property, STR("$ref"));
        if (reference)
            property = follow(d->p->schema, reference);
        struct str name = json_str(key);
        yyjson_mut_val *there = yyjson_mut_obj_getn(object, name.ptr, name.len);
        yyjson_val *value = json_get(property, STR("default"));
        if (!there && value) {
            if (!may_put(d, value))
                return false;
            yyjson_mut_val *copy = yyjson_val_mut_copy(doc, value);
            yyjson_mut_val *name_copy = yyjson_mut_strncpy(doc, name.ptr, name.len);
            if (!yyjson_mut_obj_add(object, name_copy, copy))
                return false;
            there = copy;
        }
        if (yyjson_mut_is_obj(there) && !put_defaults(d, property, there, depth - 1))
            return false;
    }
    return true;
}

/* Replaces the tree by one with more in it. */
static bool rebuild(struct arguments *arguments, yyjson_mut_doc *doc, unsigned depth)
{
    size_t len;
    char *text = yyjson_mut_write_opts(doc, 0, json_allocator(), &len, NULL);
    struct json json;
    if (!text)
        return false;
    /* Defaults and bound values are the operator's: with them it may be deeper than a guest's. */
    if (!json_parse((struct str){text, len}, JSON_STRICT, depth, &json, NULL)) {
        mem_free(text);
        return false;
    }
    json_release(&arguments->json);
    mem_free(arguments->text);
    arguments->json = json;
    arguments->text = text;
    arguments->len = len;
    return true;
}

static enum arguments_result add_defaults(struct arguments *arguments, const struct parameters *p,
                                          unsigned depth, struct json_problem *problem)
{
    struct defaults d = {p, yyjson_doc_mut_copy(arguments->json.doc, json_allocator()),
                         DEFAULTS_MAX, false};
    yyjson_mut_val *root = yyjson_mut_doc_get_root(d.doc);
    bool ok = d.doc != NULL;
    for (size_t i = 0; ok && i < p->n_objects; i++)
        ok = put_defaults(&d, p->objects[i], root, depth);
    ok = ok && rebuild(arguments, d.doc, JSON_MAX_DEPTH);
    yyjson_mut_doc_free(d.doc);
    if (d.too_many)
        snprintf(problem->text, sizeof problem->text, "the schema has more than 1 MiB of defaults");
    return ok ? ARGUMENTS_OK : d.too_many ? ARGUMENTS_WRONG : ARGUMENTS_NOMEM;
}

void arguments_release(struct arguments *arguments)
{
    json_release(&arguments->json);
    mem_free(arguments->text);
    *arguments = (struct arguments){{NULL, NULL, 0}, NULL, 0, 0};
}

enum arguments_result arguments_read(struct str text, unsigned depth, const struct parameters *p,
                                     struct arguments *ret, struct json_problem *problem)
{
    struct arguments made = {{NULL, NULL, 0}, NULL, 0, 0};
    if (!json_parse(text, JSON_CHECKED | JSON_UNIQUE_KEYS, depth, &made.json, problem))
        return problem->nomem ? ARGUMENTS_NOMEM : ARGUMENTS_WRONG;
    if (!yyjson_is_obj(made.json.root)) {
        snprintf(problem->text, sizeof problem->text, "the arguments must be an object, not %s",
                 json_kind(made.json.root));
        json_release(&made.json);
        return ARGUMENTS_WRONG;
    }
    made.n_given = yyjson_obj_size(made.json.root);
    enum arguments_result result = ARGUMENTS_OK;
    if (p && p->has_defaults) {
        result = add_defaults(&made, p, depth, problem);
    } else {
        made.text = json_write(made.json.root, &made.len);
        result = made.text ? ARGUMENTS_OK : ARGUMENTS_NOMEM;
    }
    if (result == ARGUMENTS_OK)
        *ret = made;
    else
        arguments_release(&made);
    return result;
}

/* ------------------------------------------------------------------ what a grant fills in */

bool arguments_allowed(const struct arguments *arguments, const struct grant *root,
                       const struct parameters *p, struct buf *why)
{
    yyjson_obj_iter iter;
    size_t left = arguments->n_given;
    if (root->n_binds == 0 && (!p || p->any || root->additional))
        return true;
    yyjson_obj_iter_init(arguments->json.root, &iter);
    for (; left > 0; left--) {
        struct str name = json_str(yyjson_obj_iter_next(&iter));
        if (!grant_binds(root, name) && (root->additional || parameters_know(p, name)))
            continue;
        buf_add_text(why, "it takes no argument ");
        buf_add_json_string(why, (struct str){name.ptr, name.len < 100 ? name.len : 100});
        return false;
    }
    return true;
}

static yyjson_mut_val *bound_value(yyjson_mut_doc *doc, const struct bind *bind,
                                   yyjson_val *context)
{
    if (bind->value)
        return yyjson_mut_rawncpy(doc, bind->value, strlen(bind->value));
    return yyjson_val_mut_copy(doc, pointer_get(&bind->context, context));
}

enum bind_result arguments_bind(const struct arguments *arguments, const struct grant *root,
                                yyjson_val *context, struct arguments *ret, struct buf *why)
{
    struct arguments made = {{NULL, NULL, 0}, NULL, 0, 0};
    if (root->n_binds == 0)
        return BIND_SAME;
    for (size_t i = 0; i < root->n_binds; i++)
        if (!root->binds[i].value && (!context || !pointer_get(&root->binds[i].context, context))) {
            buf_printf(why, "the host has said nothing for \"%s\"", root->binds[i].name);
            return BIND_MISSING;
        }
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(arguments->json.doc, json_allocator());
    bool ok = doc != NULL;
    for (size_t i = 0; ok && i < root->n_binds; i++) {
        const struct bind *bind = &root->binds[i];
        yyjson_mut_val *value = bound_value(doc, bind, context);
        yyjson_mut_val *key = yyjson_mut_strcpy(doc, bind->name);
        ok = value && yyjson_mut_obj_put(yyjson_mut_doc_get_root(doc), key, value);
    }
    ok = ok && rebuild(&made, doc, JSON_MAX_DEPTH);
    yyjson_mut_doc_free(doc);
    if (!ok)
        return BIND_NOMEM;
    *ret = made;
    return BIND_MADE;
}

char *parameters_schema_without(yyjson_val *schema, bool (*hidden)(void *context, struct str name),
                                void *context, size_t *ret_len)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(json_allocator());
    yyjson_mut_val *copy = doc ? yyjson_val_mut_copy(doc, schema) : NULL;
    char *text = NULL;
    if (copy) {
        yyjson_mut_val *properties = yyjson_mut_obj_get(copy, "properties");
        yyjson_mut_val *required = yyjson_mut_obj_get(copy, "required");
        yyjson_mut_obj_iter iter;
        yyjson_mut_arr_iter names;
        yyjson_mut_obj_iter_init(properties, &iter);
        for (yyjson_mut_val *key; (key = yyjson_mut_obj_iter_next(&iter));)
            if (hidden(context, (struct str){yyjson_mut_get_str(key), yyjson_mut_get_len(key)}))
                yyjson_mut_obj_iter_remove(&iter);
        yyjson_mut_arr_iter_init(required, &names);
        for (yyjson_mut_val *name; (name = yyjson_mut_arr_iter_next(&names));)
            if (yyjson_mut_is_str(name) &&
                hidden(context, (struct str){yyjson_mut_get_str(name), yyjson_mut_get_len(name)}))
                yyjson_mut_arr_iter_remove(&names);
        yyjson_mut_doc_set_root(doc, copy);
        text = yyjson_mut_write_opts(doc, 0, json_allocator(), ret_len, NULL);
    }
    yyjson_mut_doc_free(doc);
    return text;
}
