/* Compiling constraints, see constraint.h.
 *
 * A where works on a copy of its text's tree, read anew, whose values lie in the same order as the
 * ones that the policy was read from: that is how a problem of the copy is told at its place in the
 * policy.  A problem does not end the loading; the where is thrown away at the end if there was
 * one.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/regex.h"
#include "policy/constraint_load.h"

#define TREE_DEPTH 1024

/* ------------------------------------------------------------------ problems */

/* Pieces of the policy in messages. */
int rule_shown(struct str text)
{
    return (int)(text.len < 60 ? text.len : 60);
}

void rule_problem_at(struct load *load, yyjson_val *at, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    load->failed = true;
    if (!load->nomem)
        load->reader->problem(load->reader->context, load->original + (at - load->where->json.root),
                              text);
}

/* Strings and numbers leave a trace in the text, others are found by their key. */
static yyjson_val *trace_of(const struct spot *spot)
{
    return yyjson_is_str(spot->value) || yyjson_is_raw(spot->value) ? spot->value : spot->key;
}

/* "KEY": WHAT */
void rule_problem(struct load *load, const struct spot *spot, const char *what)
{
    struct str name = json_str(spot->key);
    rule_problem_at(load, trace_of(spot), "\"%.*s\": %s", rule_shown(name), name.ptr, what);
}

bool rule_wants(struct load *load, const struct spot *spot, const char *what, bool is)
{
    struct str name = json_str(spot->key);
    if (!is)
        rule_problem_at(load, trace_of(spot), "\"%.*s\" must be %s, not %s", rule_shown(name),
                        name.ptr, what, json_kind(spot->value));
    return is;
}

void rule_unknown_key(struct load *load, yyjson_val *key, const char *known)
{
    struct str name = json_str(key);
    rule_problem_at(load, key, "unknown key \"%.*s\": known are %s", rule_shown(name), name.ptr,
                    known);
}

void *rule_allocate(struct load *load, size_t count, size_t size)
{
    void *memory = mem_array(count, size);
    if (!memory)
        load->nomem = true;
    return memory;
}

/* ------------------------------------------------------------------ what stands at a place only */

static void load_presence(struct load *load, const struct spot *spot)
{
    struct str name = json_str(spot->key);
    enum presence presence = PRESENCE_OPTIONAL;
    if (str_equal(name, STR("exists"))) {
        if (!rule_wants(load, spot, "true or false", yyjson_is_bool(spot->value)))
            return;
        presence = yyjson_is_true(spot->value) ? PRESENCE_EXISTS : PRESENCE_NONE;
    } else {
        if (!rule_wants(load, spot, "true", yyjson_is_true(spot->value)))
            return;
        if (str_equal(name, STR("not_exists")))
            presence = PRESENCE_NONE;
    }
    if (spot->place->presence != PRESENCE_NEEDED)
        rule_problem(load, spot, "only one of optional, exists and not_exists can be said");
    spot->place->presence = presence;
}

static bool load_scope(struct load *load, const struct spot *spot, enum scope *ret)
{
    static const char *const names[] = {
        [SCOPE_RUN] = "run", [SCOPE_SANDBOX] = "sandbox", [SCOPE_ACCOUNT] = "account"};
    for (size_t i = 0; yyjson_is_str(spot->value) && i < COUNT(names); i++)
        if (str_equal(json_str(spot->value), str_of(names[i]))) {
            *ret = (enum scope)i;
            return true;
        }
    rule_problem(load, spot, "a scope is \"run\", \"sandbox\" or \"account\"");
    return false;
}

/* A maximum alone, or {"max": …, "per": …}. */
static bool load_maximum(struct load *load, const struct spot *spot, struct counted *counted,
                         struct spot *ret)
{
    *ret = *spot;
    if (!yyjson_is_obj(spot->value))
        return true;
    bool ok = true;
    ret->value = NULL;
    yyjson_obj_iter iter = yyjson_obj_iter_with(spot->value);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        struct str name = json_str(key);
        struct spot one = {.key = key, .value = yyjson_obj_iter_get_val(key)};
        if (str_equal(name, STR("max"))) {
            *ret = one;
        } else if (str_equal(name, STR("per"))) {
            ok = load_scope(load, &one, &counted->scope) && ok;
        } else {
            rule_unknown_key(load, key, "max and per");
            ok = false;
        }
    }
    if (!ret->value)
        rule_problem(load, spot, "\"max\" is missing");
    return ok && ret->value;
}

static void load_once(struct load *load, const struct spot *spot, struct counted *counted)
{
    if (!yyjson_is_true(spot->value))
        load_scope(load, spot, &counted->scope);
}

static void load_sum(struct load *load, const struct spot *spot, struct counted *counted)
{
    struct spot max;
    struct decimal number;
    if (!load_maximum(load, spot, counted, &max) ||
        !rule_wants(load, &max, "a number", yyjson_is_raw(max.value)))
        return;
    decimal_read(&number, json_str(max.value));
    if (!decimal_fixed18(&number, &counted->max_sum))
        rule_problem(load, &max, "a sum is at least 0, below 10^18 and has at most 18 decimals");
}

static void load_distinct(struct load *load, const struct spot *spot, struct counted *counted)
{
    struct spot max;
    if (load_maximum(load, spot, counted, &max) && !json_uint(max.value, &counted->max_distinct))
        rule_problem(load, &max, "a whole number is wanted");
}

static const struct special {
    const char *name;
    void (*presence)(struct load *load, const struct spot *spot);
    void (*count)(struct load *load, const struct spot *spot, struct counted *counted);
    enum counted_kind kind;
    enum scope scope; /* by default */
} specials[] = {
    {"exists", load_presence, NULL, 0, 0},
    {"not_exists", load_presence, NULL, 0, 0},
    {"optional", load_presence, NULL, 0, 0}, /* from here on not in conditions */
    {"one_time", NULL, load_once, COUNTED_ONCE, SCOPE_RUN},
    {"sum_le", NULL, load_sum, COUNTED_SUM, SCOPE_ACCOUNT},
    {"distinct_le", NULL, load_distinct, COUNTED_DISTINCT, SCOPE_ACCOUNT},
};

static void load_special(struct load *load, const struct spot *spot, const struct special *special)
{
    struct place *place = spot->place;
    if (!place) {
        rule_problem(load, spot, "stands only directly in a value of \"where\"");
    } else if (load->condition && special >= specials + 2) {
        rule_problem(load, spot, "cannot be used in \"approve\"");
    } else if (special->presence) {
        special->presence(load, spot);
    } else {
        struct counted *counted = &place->counted[place->n_counted++];
        *counted = (struct counted){
            .kind = special->kind, .scope = special->scope, .place = place->pointer.text};
        special->count(load, spot, counted);
    }
}

/* ------------------------------------------------------------------ rules */

/* What other languages of constraints call them, which is further away than a misspelling. */
static const char *const elsewhere[][2] = {
    {"lte", "le"},    {"gte", "ge"},        {"neq", "ne"},          {"nin", "not_in"},
    {"equals", "eq"}, {"regex", "matches"}, {"pattern", "matches"},
};

static const char *suggestion(struct str name)
{
    struct near near;
    near_init(&near, name);
    for (size_t i = 0; i < COUNT(elsewhere); i++)
        if (str_equal(name, str_of(elsewhere[i][0])))
            return elsewhere[i][1];
    for (size_t i = 0; i < n_rule_operators; i++)
        near_offer(&near, str_of(rule_operators[i].name));
    for (size_t i = 0; i < COUNT(specials); i++)
        near_offer(&near, str_of(specials[i].name));
    return near.best.ptr;
}

static void unknown_operator(struct load *load, yyjson_val *key)
{
    struct str name = json_str(key);
    const char *other = suggestion(name);
    if (other)
        rule_problem_at(load, key, "unknown operator \"%.*s\": did you mean \"%s\"?",
                        rule_shown(name), name.ptr, other);
    else
        rule_problem_at(load, key, "unknown operator \"%.*s\"", rule_shown(name), name.ptr);
}

static void load_operator(struct load *load, const struct spot *spot, struct rule *rule)
{
    struct str name = json_str(spot->key);
    for (size_t i = 0; i < n_rule_operators; i++)
        if (str_equal(name, str_of(rule_operators[i].name))) {
            struct node *node = &rule->nodes[rule->n++];
            node->op = rule_operators[i].op;
            rule_operators[i].load(load, spot, node);
            return;
        }
    for (size_t i = 0; i < COUNT(specials); i++)
        if (str_equal(name, str_of(specials[i].name))) {
            load_special(load, spot, &specials[i]);
            return;
        }
    unknown_operator(load, spot->key);
}

static void load_operators(struct load *load, const struct spot *spot, struct rule *rule)
{
    yyjson_obj_iter iter = yyjson_obj_iter_with(spot->value);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        struct spot one = {key, yyjson_obj_iter_get_val(key), spot->depth, spot->place};
        load_operator(load, &one, rule);
    }
    if (spot->place && spot->place->presence == PRESENCE_NONE &&
        rule->n + spot->place->n_counted > 0)
        rule_problem(load, spot, "where nothing may stand, nothing else can be demanded");
}

/* A constraint: operators, or short forms of eq and in. */
void rule_load(struct load *load, const struct spot *spot, struct rule *rule)
{
    size_t n = yyjson_is_obj(spot->value) ? yyjson_obj_size(spot->value) : 1;
    if (spot->depth > CONSTRAINT_DEPTH) {
        rule_problem(load, spot, "operators within operators are deeper than 16 levels");
        return;
    }
    if (n == 0) {
        rule_problem(load, spot, "the constraint is empty");
        return;
    }
    rule->nodes = rule_allocate(load, n, sizeof *rule->nodes);
    if (!rule->nodes)
        return;
    if (yyjson_is_obj(spot->value)) {
        load_operators(load, spot, rule);
        return;
    }
    rule->n = 1;
    rule->nodes->op = yyjson_is_arr(spot->value) ? OP_IN : OP_EQ;
    if (rule->nodes->op == OP_IN)
        rule_load_in(load, spot, rule->nodes);
    else
        rule_load_any(load, spot, rule->nodes);
}

static void load_place(struct load *load, yyjson_val *key, struct place *place)
{
    struct spot spot = {key, yyjson_obj_iter_get_val(key), 1, place};
    const char *wrong = pointer_parse(&place->pointer, json_str(key), true, &load->nomem);
    if (wrong)
        rule_problem_at(load, key, "\"%.*s\": %s", rule_shown(json_str(key)), json_str(key).ptr,
                        wrong);
    rule_load(load, &spot, &place->rule);
}

/* ------------------------------------------------------------------ life */

static bool copy_tree(struct load *load, yyjson_val *object)
{
    size_t len;
    char *text = json_write(object, &len);
    bool ok = text && json_parse((struct str){text, len}, JSON_CHECKED, TREE_DEPTH,
                                 &load->where->json, NULL);
    mem_free(text);
    return ok;
}

static void load_places(struct load *load, yyjson_val *object)
{
    struct where *where = load->where;
    if (copy_tree(load, object))
        where->places = mem_array(yyjson_obj_size(object), sizeof *where->places);
    if (!where->places) {
        load->nomem = true;
        return;
    }
    yyjson_obj_iter iter = yyjson_obj_iter_with(where->json.root);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        load_place(load, key, &where->places[where->n_places++]);
}

struct where *where_new(yyjson_val *object, bool condition, const struct constraint_reader *reader,
                        bool *ret_nomem)
{
    struct load load = {
        mem_zalloc(sizeof *load.where), object, reader, condition, false, false, false};
    if (load.where)
        load_places(&load, object);
    else
        load.nomem = true;
    *ret_nomem = load.nomem;
    if (load.nomem || load.failed) {
        where_free(load.where);
        return NULL;
    }
    return load.where;
}

static void rule_release(struct rule *rule);

static void node_release(struct node *node)
{
    switch (node->op) {
    case OP_IN:
    case OP_NOT_IN:
        mem_free(node->set.strings);
        mem_free(node->set.numbers);
        mem_free(node->set.others);
        break;
    case OP_LEN:
    case OP_EACH:
    case OP_SOME:
    case OP_KEYS:
    case OP_NOT:
    case OP_ALL:
    case OP_ANY:
        for (size_t i = 0; i < node->rules.n; i++)
            rule_release(&node->rules.list[i]);
        mem_free(node->rules.list);
        break;
    case OP_MATCHES: rt_regex_free(node->regex); break;
    case OP_URL:
        if (node->url)
            rule_release(&node->url->path);
        mem_free(node->url);
        break;
    default: break;
    }
}

static void rule_release(struct rule *rule)
{
    for (size_t i = 0; i < rule->n; i++)
        node_release(&rule->nodes[i]);
    mem_free(rule->nodes);
}

void where_free(struct where *where)
{
    if (!where)
        return;
    for (size_t i = 0; i < where->n_places; i++) {
        pointer_release(&where->places[i].pointer);
        rule_release(&where->places[i].rule);
    }
    for (size_t i = 0; i < where->n_references; i++)
        pointer_release(&where->references[i].pointer);
    mem_free(where->places);
    mem_free(where->sources);
    json_release(&where->json);
    mem_free(where);
}
