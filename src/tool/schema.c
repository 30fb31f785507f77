/* Schemas of tools, see schema.h. */
#include "tool/schema.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/schema.h"

/* ------------------------------------------------------------------ what needs no compiler to be
 * right */

static bool is_schema(yyjson_val *schema);

static bool is_string(yyjson_val *value)
{
    return yyjson_is_str(value);
}

static bool is_bool(yyjson_val *value)
{
    return yyjson_is_bool(value);
}

static bool is_any(yyjson_val *value)
{
    (void)value;
    return true;
}

static bool is_list(yyjson_val *value)
{
    return yyjson_is_arr(value);
}

/* Short ones only: nothing that another reader could find out of range. */
static bool is_number(yyjson_val *value)
{
    struct str digits = json_str(value);
    return yyjson_is_raw(value) && digits.len <= 15 && !memchr(digits.ptr, 'e', digits.len) &&
           !memchr(digits.ptr, 'E', digits.len);
}

static bool is_count(yyjson_val *value)
{
    uint64_t count;
    return is_number(value) && json_uint(value, &count);
}

static bool is_choice(yyjson_val *value)
{
    return yyjson_is_arr(value) && yyjson_arr_size(value) > 0;
}

static bool is_type_name(yyjson_val *value)
{
    static const char *const names[] = {"object",  "string", "number", "integer",
                                        "boolean", "array",  "null"};
    for (size_t i = 0; yyjson_is_str(value) && i < sizeof names / sizeof *names; i++)
        if (str_equal(json_str(value), str_of(names[i])))
            return true;
    return false;
}

/* Texts, none of them twice. Few, as a rule: a long list is left to the compiler. */
static bool is_set_of(yyjson_val *list, bool (*is)(yyjson_val *))
{
    size_t i, n, j, m;
    yyjson_val *a, *b;
    if (!yyjson_is_arr(list) || yyjson_arr_size(list) > 64)
        return false;
    yyjson_arr_foreach(list, i, n, a)
    {
        if (!is(a))
            return false;
        yyjson_arr_foreach(list, j, m, b)
        {
            if (j < i && str_equal(json_str(a), json_str(b)))
                return false;
        }
    }
    return true;
}

static bool is_type(yyjson_val *value)
{
    return is_type_name(value) || (is_choice(value) && is_set_of(value, is_type_name));
}

static bool is_names(yyjson_val *value)
{
    return is_set_of(value, is_string);
}

static bool is_properties(yyjson_val *value)
{
    yyjson_obj_iter iter;
    if (!yyjson_is_obj(value))
        return false;
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        if (!is_schema(yyjson_obj_iter_get_val(key)))
            return false;
    return true;
}

static bool is_schemas(yyjson_val *value)
{
    size_t i, n;
    yyjson_val *item;
    if (!is_choice(value))
        return false;
    yyjson_arr_foreach(value, i, n, item)
    {
        if (!is_schema(item))
            return false;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*is)(yyjson_val *value);
} keywords[] = {
    {"type", is_type},
    {"description", is_string},
    {"properties", is_properties},
    {"required", is_names},
    {"additionalProperties", is_schema},
    {"items", is_schema},
    {"enum", is_choice},
    {"const", is_any},
    {"default", is_any},
    {"title", is_string},
    {"format", is_string},
    {"examples", is_list},
    {"minimum", is_number},
    {"maximum", is_number},
    {"exclusiveMinimum", is_number},
    {"exclusiveMaximum", is_number},
    {"minLength", is_count},
    {"maxLength", is_count},
    {"minItems", is_count},
    {"maxItems", is_count},
    {"minProperties", is_count},
    {"maxProperties", is_count},
    {"uniqueItems", is_bool},
    {"anyOf", is_schemas},
    {"oneOf", is_schemas},
    {"allOf", is_schemas},
    {"deprecated", is_bool},
    {"readOnly", is_bool},
    {"writeOnly", is_bool},
};

static bool keyword_is_right(yyjson_val *key, yyjson_val *value)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (str_equal(json_str(key), str_of(keywords[i].name)))
            return keywords[i].is(value);
    return false;
}

/* Values under const, default, enum and examples are read by the compiler too: a number in them
 * that is out of its range would be found only then. So no long number may stand anywhere. */
static bool numbers_are_short(yyjson_val *root)
{
    size_t count = yyjson_is_ctn(root)
                       ? (size_t)((yyjson_val *)(void *)((char *)root + root->uni.ofs) - root)
                       : 1;
    for (yyjson_val *value = root; count > 0; value++, count--)
        if (yyjson_is_raw(value) && !is_number(value))
            return false;
    return true;
}

/* As deep as the text, which is bounded. */
static bool is_schema(yyjson_val *schema)
{
    yyjson_obj_iter iter;
    if (yyjson_is_bool(schema))
        return true;
    if (!yyjson_is_obj(schema))
        return false;
    yyjson_obj_iter_init(schema, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        if (!keyword_is_right(key, yyjson_obj_iter_get_val(key)))
            return false;
    return true;
}

bool tool_schema_is_plain(yyjson_val *root)
{
    return is_schema(root) && numbers_are_short(root);
}

/* ------------------------------------------------------------------ life */

bool tool_schema_new(char *text, size_t len, yyjson_val *root, struct tool_schema **ret, char *why,
                     size_t why_size)
{
    struct tool_schema *schema = mem_zalloc(sizeof *schema);
    void *compiled = NULL;
    why[0] = 0;
    if (!schema)
        return false;
    if (pthread_mutex_init(&schema->lock, NULL) != 0) {
        mem_free(schema);
        return false;
    }
    if (!tool_schema_is_plain(root) && rt_schema_compile(text, len, &compiled, why, why_size) < 0) {
        pthread_mutex_destroy(&schema->lock);
        mem_free(schema);
        return false;
    }
    schema->text = text;
    schema->len = len;
    atomic_init(&schema->compiled, compiled);
    *ret = schema;
    return true;
}

void tool_schema_free(struct tool_schema *schema)
{
    if (!schema)
        return;
    rt_schema_free(atomic_load(&schema->compiled));
    pthread_mutex_destroy(&schema->lock);
    mem_free(schema->text);
    mem_free(schema);
}

static void *compiled_schema(struct tool_schema *schema, char *why, size_t why_size)
{
    void *compiled = atomic_load_explicit(&schema->compiled, memory_order_acquire);
    if (compiled)
        return compiled;
    pthread_mutex_lock(&schema->lock);
    compiled = atomic_load_explicit(&schema->compiled, memory_order_relaxed);
    if (!compiled && rt_schema_compile(schema->text, schema->len, &compiled, why, why_size) == 0)
        atomic_store_explicit(&schema->compiled, compiled, memory_order_release);
    pthread_mutex_unlock(&schema->lock);
    return compiled;
}

bool tool_schema_accepts(struct tool_schema *schema, struct str arguments, char *why,
                         size_t why_size)
{
    void *compiled = compiled_schema(schema, why, why_size);
    return compiled && rt_schema_check(compiled, arguments.ptr, arguments.len, why, why_size) == 0;
}
