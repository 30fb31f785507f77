/* Compiling what stands behind the name of an operator: see constraint_load.h. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/regex.h"
#include "policy/constraint_load.h"
#include "policy/path_shape.h"
#include "policy/url_shape.h"

/* ------------------------------------------------------------------ operands */

static bool is_judged(struct load *load, const struct spot *spot)
{
    bool judged = value_is_judged(spot->value);
    if (!judged)
        rule_problem(
            load, spot,
            "a number with an exponent beyond 1,000,000 or an object of more than 64 members "
            "cannot be compared");
    return judged;
}

static bool same_reference(const struct reference *reference, bool context, struct str text)
{
    return reference->context == context && str_equal(reference->pointer.text, text);
}

static bool load_reference(struct load *load, const struct spot *spot, bool context,
                           struct operand *ret)
{
    struct where *where = load->where;
    struct pointer pointer;
    if (!rule_wants(load, spot, "a pointer", yyjson_is_str(spot->value)))
        return false;
    struct str text = json_str(spot->value);
    for (unsigned i = 0; i < where->n_references; i++)
        if (same_reference(&where->references[i], context, text)) {
            ret->reference = i;
            return true;
        }
    const char *wrong = pointer_parse(&pointer, text, false, &load->nomem);
    if (!wrong && pointer_has_star(&pointer)) {
        wrong = "\"*\" leads to more than one value";
        pointer_release(&pointer);
    } else if (!wrong && where->n_references == WHERE_REFERENCES) {
        wrong = "more than 64 different pointers to arguments and context";
        pointer_release(&pointer);
    }
    if (wrong) {
        rule_problem(load, spot, wrong);
        return false;
    }
    where->references[where->n_references] = (struct reference){context, pointer};
    ret->reference = (unsigned)where->n_references++;
    return true;
}

/* A value of one of these kinds, or a reference. */
static bool load_operand(struct load *load, const struct spot *spot, unsigned kinds,
                         const char *what, struct operand *ret)
{
    struct spot literal = *spot;
    if (yyjson_is_obj(spot->value)) {
        yyjson_val *key = unsafe_yyjson_get_first(spot->value);
        struct str name = yyjson_obj_size(spot->value) == 1 ? json_str(key) : STR("");
        struct spot inner = {.key = key, .value = key + 1};
        bool context = str_equal(name, STR("context"));
        if (context || str_equal(name, STR("param")))
            return load_reference(load, &inner, context, ret);
        if (!str_equal(name, STR("literal"))) {
            rule_problem(load, spot,
                         "an object here is {\"context\": pointer}, {\"param\": pointer} or "
                         "{\"literal\": value}");
            return false;
        }
        literal.value = inner.value;
    }
    if (!rule_wants(load, &literal, what, value_kind(literal.value) & kinds) ||
        !is_judged(load, &literal))
        return false;
    ret->value = literal.value;
    if (yyjson_is_raw(ret->value))
        decimal_read(&ret->number, json_str(ret->value));
    return true;
}

void rule_load_any(struct load *load, const struct spot *spot, struct node *node)
{
    load_operand(load, spot, KIND_ANY, "a value", &node->operand);
}

static void load_ordered(struct load *load, const struct spot *spot, struct node *node)
{
    load_operand(load, spot, KIND_NUMBER | KIND_STRING, "a number or a string", &node->operand);
}

static void load_text(struct load *load, const struct spot *spot, struct node *node)
{
    load_operand(load, spot, KIND_STRING, "a string", &node->operand);
}

static void load_root(struct load *load, const struct spot *spot, struct node *node)
{
    if (load_operand(load, spot, KIND_STRING, "a path", &node->operand) && node->operand.value &&
        !path_shape_plain(json_str(node->operand.value)))
        rule_problem(load, spot,
                     "the path is not plain: empty, or with \"..\", \".\", \"//\", \"~\", \"\\\", "
                     "\"%2e\" or the like");
}

static void load_time(struct load *load, const struct spot *spot, struct node *node)
{
    if (!load_operand(load, spot, KIND_STRING, "a time", &node->operand) || !node->operand.value)
        return;
    struct str text = json_str(node->operand.value);
    if (time_read(text, &node->time.at))
        return;
    const char *wrong = time_read_now(text, &node->time.at);
    node->time.from_now = true;
    if (wrong)
        rule_problem(load, spot, wrong);
}

static void load_same_as(struct load *load, const struct spot *spot, struct node *node)
{
    load_reference(load, spot, false, &node->operand);
}

/* ------------------------------------------------------------------ sets */

static int compare_strings(const void *a, const void *b)
{
    return str_order(*(const struct str *)a, *(const struct str *)b);
}

static int compare_numbers(const void *a, const void *b)
{
    return decimal_compare(a, b);
}

static void fill_set(struct set *set, yyjson_val *list)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));) {
        set->kinds |= value_kind(item);
        if (yyjson_is_str(item))
            set->strings[set->n_strings++] = json_str(item);
        else if (yyjson_is_raw(item))
            decimal_read(&set->numbers[set->n_numbers++], json_str(item));
        else
            set->others[set->n_others++] = item;
    }
    qsort(set->strings, set->n_strings, sizeof *set->strings, compare_strings);
    qsort(set->numbers, set->n_numbers, sizeof *set->numbers, compare_numbers);
}

void rule_load_in(struct load *load, const struct spot *spot, struct node *node)
{
    if (!load_operand(load, spot, KIND_LIST, "a list", &node->operand) || !node->operand.value)
        return;
    size_t n = yyjson_arr_size(node->operand.value);
    if (n == 0) {
        rule_problem(load, spot, "the list is empty");
        return;
    }
    node->set.strings = rule_allocate(load, n, sizeof *node->set.strings);
    node->set.numbers = rule_allocate(load, n, sizeof *node->set.numbers);
    node->set.others = rule_allocate(load, n, sizeof(yyjson_val *));
    if (!load->nomem)
        fill_set(&node->set, node->operand.value);
}

static bool load_type_name(struct load *load, const struct spot *spot, struct node *node)
{
    static const struct {
        const char *name;
        unsigned kind;
    } names[] = {{"string", KIND_STRING},   {"number", KIND_NUMBER}, {"integer", 0},
                 {"boolean", KIND_BOOLEAN}, {"null", KIND_NULL},     {"list", KIND_LIST},
                 {"array", KIND_LIST},      {"object", KIND_OBJECT}};
    struct near near;
    if (!rule_wants(load, spot, "a type or a list of types", yyjson_is_str(spot->value)))
        return false;
    near_init(&near, json_str(spot->value));
    for (size_t i = 0; i < COUNT(names); i++) {
        near_offer(&near, str_of(names[i].name));
        if (str_equal(near.wanted, str_of(names[i].name))) {
            node->type.kinds |= names[i].kind;
            node->type.integer |= names[i].kind == 0;
            return true;
        }
    }
    if (near.best.ptr)
        rule_problem_at(load, spot->value, "unknown type \"%.*s\": did you mean \"%s\"?",
                        rule_shown(near.wanted), near.wanted.ptr, near.best.ptr);
    else
        rule_problem_at(load, spot->value, "unknown type \"%.*s\"", rule_shown(near.wanted),
                        near.wanted.ptr);
    return false;
}

static void load_type(struct load *load, const struct spot *spot, struct node *node)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(spot->value);
    struct spot one = *spot;
    if (!yyjson_is_arr(spot->value))
        load_type_name(load, spot, node);
    else if (yyjson_arr_size(spot->value) == 0)
        rule_problem(load, spot, "the list is empty");
    while ((one.value = yyjson_arr_iter_next(&iter)))
        load_type_name(load, &one, node);
}

/* ------------------------------------------------------------------ rules within rules */

static void load_inner(struct load *load, const struct spot *spot, struct node *node)
{
    struct spot inner = {spot->key, spot->value, spot->depth + 1, NULL};
    node->rules.list = rule_allocate(load, 1, sizeof *node->rules.list);
    if (!node->rules.list)
        return;
    node->rules.n = 1;
    rule_load(load, &inner, node->rules.list);
}

static void load_rules(struct load *load, const struct spot *spot, struct node *node)
{
    struct spot inner = {spot->key, NULL, spot->depth + 1, NULL};
    if (!rule_wants(load, spot, "a list of constraints", yyjson_is_arr(spot->value)))
        return;
    if (yyjson_arr_size(spot->value) == 0) {
        rule_problem(load, spot, "the list is empty");
        return;
    }
    node->rules.list = rule_allocate(load, yyjson_arr_size(spot->value), sizeof *node->rules.list);
    yyjson_arr_iter iter = yyjson_arr_iter_with(spot->value);
    while (node->rules.list && (inner.value = yyjson_arr_iter_next(&iter)))
        rule_load(load, &inner, &node->rules.list[node->rules.n++]);
}

static void load_expr(struct load *load, const struct spot *spot, struct node *node)
{
    if (!rule_wants(load, spot, "a string", yyjson_is_str(spot->value)))
        return;
    node->rules.list = rule_allocate(load, 1, sizeof *node->rules.list);
    if (!node->rules.list)
        return;
    node->rules.n = 1;
    const char *wrong = expr_read(json_str(spot->value), node->rules.list, &load->nomem);
    if (wrong)
        rule_problem(load, spot, wrong);
}

/* ------------------------------------------------------------------ regular expressions */

static void load_pattern(struct load *load, const struct spot *spot, bool anywhere,
                         struct node *node)
{
    char wrong[200];
    struct str text = json_str(spot->value);
    node->operand.value = spot->value;
    if (rt_regex_new(text.ptr, text.len, !anywhere, &node->regex, wrong, sizeof wrong) != 0)
        rule_problem(load, spot, wrong);
}

static void load_matches(struct load *load, const struct spot *spot, struct node *node)
{
    struct spot pattern = *spot;
    bool anywhere = false;
    if (yyjson_is_obj(spot->value)) {
        yyjson_obj_iter iter = yyjson_obj_iter_with(spot->value);
        pattern.value = NULL;
        for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
            struct spot one = {.key = key, .value = yyjson_obj_iter_get_val(key)};
            if (str_equal(json_str(key), STR("regex")))
                pattern = one;
            else if (!str_equal(json_str(key), STR("anywhere")))
                rule_unknown_key(load, key, "regex and anywhere");
            else if (rule_wants(load, &one, "true or false", yyjson_is_bool(one.value)))
                anywhere = yyjson_is_true(one.value);
        }
    }
    if (!pattern.value)
        rule_problem(load, spot, "\"regex\" is missing");
    else if (rule_wants(load, &pattern, "a regular expression", yyjson_is_str(pattern.value)))
        load_pattern(load, &pattern, anywhere, node);
}

/* ------------------------------------------------------------------ URLs */

static bool is_host(yyjson_val *value)
{
    return yyjson_is_str(value) && url_shape_host_valid(json_str(value));
}

static bool is_scheme(yyjson_val *value)
{
    return yyjson_is_str(value) && url_shape_scheme_valid(json_str(value));
}

static bool is_port(yyjson_val *value)
{
    uint64_t port;
    return json_uint(value, &port) && port <= 65535;
}

/* A list that is not empty, of what `is` says. */
static void load_choice(struct load *load, const struct spot *spot, bool (*is)(yyjson_val *),
                        const char *wrong, yyjson_val **ret)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(spot->value);
    struct spot one = *spot;
    *ret = spot->value;
    if (!rule_wants(load, spot, "a list", yyjson_is_arr(spot->value)))
        return;
    if (yyjson_arr_size(spot->value) == 0)
        rule_problem(load, spot, "the list is empty");
    while ((one.value = yyjson_arr_iter_next(&iter)))
        if (!is(one.value))
            rule_problem(load, &one, wrong);
}

static void load_url_path(struct load *load, const struct spot *spot, struct rule *rule)
{
    struct spot inner = {spot->key, spot->value, spot->depth + 1, NULL};
    load->in_url = true;
    rule_load(load, &inner, rule);
    load->in_url = false;
}

static void load_url_key(struct load *load, const struct spot *spot, struct url_rule *url)
{
    struct str name = json_str(spot->key);
    if (str_equal(name, STR("hosts")))
        load_choice(load, spot, is_host,
                    "no host as URLs write it (\"example.com\" in small letters, "
                    "\"*.example.com\" or \"*\")",
                    &url->hosts);
    else if (str_equal(name, STR("schemes")))
        load_choice(load, spot, is_scheme, "no scheme (small letters, without \":\")",
                    &url->schemes);
    else if (str_equal(name, STR("ports")))
        load_choice(load, spot, is_port, "no port (0 to 65535)", &url->ports);
    else if (str_equal(name, STR("path")))
        load_url_path(load, spot, &url->path);
    else
        rule_unknown_key(load, spot->key, "hosts, schemes, ports and path");
}

static void load_url(struct load *load, const struct spot *spot, struct node *node)
{
    if (!rule_wants(load, spot, "an object", yyjson_is_obj(spot->value)))
        return;
    if (load->in_url) {
        rule_problem(load, spot, "the path of a URL is no URL");
        return;
    }
    node->url = rule_allocate(load, 1, sizeof *node->url);
    if (!node->url)
        return;
    yyjson_obj_iter iter = yyjson_obj_iter_with(spot->value);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        struct spot one = {key, yyjson_obj_iter_get_val(key), spot->depth, NULL};
        load_url_key(load, &one, node->url);
    }
    if (!node->url->hosts)
        rule_problem(load, spot, "\"hosts\" is missing");
}

/* ------------------------------------------------------------------ the others */

static void load_nfc(struct load *load, const struct spot *spot, struct node *node)
{
    (void)node;
    rule_wants(load, spot, "true", yyjson_is_true(spot->value));
}

static bool load_source(struct load *load, const struct spot *spot, struct source *ret)
{
    struct pointer pointer;
    if (!rule_wants(load, spot, "a pointer", yyjson_is_str(spot->value)))
        return false;
    const char *wrong = pointer_parse(&pointer, json_str(spot->value), false, &load->nomem);
    if (wrong) {
        rule_problem(load, spot, wrong);
        return false;
    }
    pointer_release(&pointer);
    *ret = (struct source){json_str(spot->key), json_str(spot->value), UINT32_MAX};
    return true;
}

static void load_seen_in(struct load *load, const struct spot *spot, struct node *node)
{
    struct where *where = load->where;
    if (!rule_wants(load, spot, "an object of tools and pointers", yyjson_is_obj(spot->value)))
        return;
    size_t n = yyjson_obj_size(spot->value);
    if (n == 0) {
        rule_problem(load, spot, "no tool is named");
        return;
    }
    struct source *sources =
        mem_resize_array(where->sources, where->n_sources + n, sizeof *sources);
    if (!sources) {
        load->nomem = true;
        return;
    }
    where->sources = sources;
    node->sources.first = where->n_sources;
    yyjson_obj_iter iter = yyjson_obj_iter_with(spot->value);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        struct spot one = {.key = key, .value = yyjson_obj_iter_get_val(key)};
        where->n_sources += load_source(load, &one, &sources[where->n_sources]);
    }
    node->sources.n = where->n_sources - node->sources.first;
}

const struct operator rule_operators[] = {
    {"eq", OP_EQ, rule_load_any},
    {"ne", OP_NE, rule_load_any},
    {"in", OP_IN, rule_load_in},
    {"not_in", OP_NOT_IN, rule_load_in},
    {"lt", OP_LT, load_ordered},
    {"le", OP_LE, load_ordered},
    {"gt", OP_GT, load_ordered},
    {"ge", OP_GE, load_ordered},
    {"starts_with", OP_STARTS_WITH, load_text},
    {"ends_with", OP_ENDS_WITH, load_text},
    {"contains", OP_CONTAINS, rule_load_any},
    {"matches", OP_MATCHES, load_matches},
    {"type", OP_TYPE, load_type},
    {"len", OP_LEN, load_inner},
    {"each", OP_EACH, load_inner},
    {"some", OP_SOME, load_inner},
    {"keys", OP_KEYS, load_inner},
    {"not", OP_NOT, load_inner},
    {"all", OP_ALL, load_rules},
    {"any", OP_ANY, load_rules},
    {"under", OP_UNDER, load_root},
    {"url", OP_URL, load_url},
    {"before", OP_BEFORE, load_time},
    {"after", OP_AFTER, load_time},
    {"same_as", OP_EQ, load_same_as},
    {"seen_in", OP_SEEN_IN, load_seen_in},
    {"nfc", OP_NFC, load_nfc},
    {"expr", OP_ALL, load_expr},
};

const size_t n_rule_operators = COUNT(rule_operators);
