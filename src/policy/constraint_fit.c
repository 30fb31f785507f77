/* Whether constraints and a tool's schema can both be met, see constraint.h.
 *
 * For each place two sets of kinds are compared: those that its constraint can hold for, and those
 * that the schema may let stand there.  What is hard to follow in a schema counts as any kind: only
 * what is surely wrong is reported. */
#include <stdio.h>

#include "base/near.h"
#include "policy/constraint_parts.h"

/* Schemas looked at for one place, and how deep within each other; what lies beyond counts as any
 * kind. */
#define STEPS 10000
#define DEPTH 100

struct fit {
    yyjson_val *root;
    bool additional;
    unsigned steps, depth; /* that may still be taken */
    const struct pointer *pointer;
};

/* ------------------------------------------------------------------ what constraints want */

static unsigned rule_kinds(const struct rule *rule, bool holds);

/* Of all or of one of the rules. */
static unsigned rules_kinds(const struct node *node, bool all, bool holds)
{
    unsigned kinds = all ? KIND_ANY : 0;
    for (size_t i = 0; i < node->rules.n; i++) {
        unsigned one = rule_kinds(&node->rules.list[i], holds);
        kinds = all ? kinds & one : kinds | one;
    }
    return kinds;
}

static unsigned equal_kinds(const struct node *node, bool holds)
{
    if (!node->operand.value)
        return KIND_ANY;
    unsigned kind = value_kind(node->operand.value);
    if (holds)
        return kind;
    return kind == KIND_NULL ? KIND_ANY & ~KIND_NULL : kind | KIND_NULL;
}

static unsigned member_kinds(const struct node *node, bool holds)
{
    if (!node->operand.value)
        return KIND_ANY;
    return holds ? node->set.kinds : node->set.kinds | KIND_NULL;
}

/* Of an operand that must be of the value's own kind, one of two. */
static unsigned operand_kinds(const struct node *node, unsigned kinds)
{
    return node->operand.value ? kinds & value_kind(node->operand.value) : kinds;
}

static unsigned type_kinds(const struct node *node, bool holds)
{
    if (!holds)
        return KIND_ANY & ~node->type.kinds;
    return node->type.kinds | (node->type.integer ? KIND_NUMBER : 0);
}

/* The kinds of values for which an operator can hold, or can be told not to. */
static unsigned node_kinds(const struct node *node, bool holds)
{
    switch (node->op) {
    case OP_EQ: return equal_kinds(node, holds);
    case OP_NE: return equal_kinds(node, !holds);
    case OP_IN: return member_kinds(node, holds);
    case OP_NOT_IN: return member_kinds(node, !holds);
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE: return operand_kinds(node, KIND_NUMBER | KIND_STRING);
    case OP_CONTAINS: return operand_kinds(node, KIND_STRING) | KIND_LIST;
    case OP_TYPE: return type_kinds(node, holds);
    case OP_LEN: return KIND_STRING | KIND_LIST | KIND_OBJECT;
    case OP_EACH:
    case OP_SOME: return KIND_LIST;
    case OP_KEYS: return KIND_OBJECT;
    case OP_NOT: return rules_kinds(node, true, !holds);
    case OP_ALL: return rules_kinds(node, holds, holds);
    case OP_ANY: return rules_kinds(node, !holds, holds);
    case OP_SEEN_IN: return KIND_STRING | KIND_NUMBER | KIND_BOOLEAN;
    default: return KIND_STRING;
    }
}

static unsigned rule_kinds(const struct rule *rule, bool holds)
{
    unsigned kinds = holds ? KIND_ANY : 0;
    for (size_t i = 0; i < rule->n; i++) {
        unsigned one = node_kinds(&rule->nodes[i], holds);
        kinds = holds ? kinds & one : kinds | one;
    }
    return kinds;
}

static unsigned place_kinds(const struct place *place)
{
    unsigned kinds = rule_kinds(&place->rule, true);
    for (size_t i = 0; i < place->n_counted; i++)
        if (place->counted[i].kind == COUNTED_SUM)
            kinds &= KIND_NUMBER;
    return kinds;
}

/* ------------------------------------------------------------------ what the schema lets stand */

static unsigned kinds_at(struct fit *fit, yyjson_val *schema, size_t part);

static const struct {
    const char *name, *words;
    unsigned kind;
} kind_names[] = {
    {"string", "a string", KIND_STRING},  {"number", "a number", KIND_NUMBER},
    {"integer", "a number", KIND_NUMBER}, {"boolean", "a boolean", KIND_BOOLEAN},
    {"null", "null", KIND_NULL},          {"array", "a list", KIND_LIST},
    {"object", "an object", KIND_OBJECT},
};

static unsigned named_kind(yyjson_val *name)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++)
        if (yyjson_equals_str(name, kind_names[i].name))
            return kind_names[i].kind;
    return KIND_ANY;
}

/* By "type", "enum" and "const". */
static unsigned own_kinds(yyjson_val *schema)
{
    yyjson_val *type = json_get(schema, STR("type")), *values = json_get(schema, STR("enum"));
    yyjson_val *constant = json_get(schema, STR("const")), *item;
    yyjson_arr_iter types = yyjson_arr_iter_with(type), choice = yyjson_arr_iter_with(values);
    unsigned kinds = KIND_ANY, one = 0;
    if (yyjson_is_str(type))
        kinds = named_kind(type);
    while ((item = yyjson_arr_iter_next(&types)))
        one |= named_kind(item);
    kinds &= one ? one : KIND_ANY;
    one = constant ? value_kind(constant) : 0;
    while ((item = yyjson_arr_iter_next(&choice)))
        one |= value_kind(item);
    return kinds & (one ? one : KIND_ANY);
}

/* Of each of the schemas that are members or elements of a container. */
static unsigned any_of_them(struct fit *fit, yyjson_val *schemas, size_t part)
{
    unsigned kinds = 0;
    yyjson_arr_iter list = yyjson_arr_iter_with(schemas);
    yyjson_obj_iter object = yyjson_obj_iter_with(schemas);
    yyjson_val *item;
    while ((item = yyjson_arr_iter_next(&list)))
        kinds |= kinds_at(fit, item, part);
    while ((item = yyjson_obj_iter_next(&object)))
        kinds |= kinds_at(fit, yyjson_obj_iter_get_val(item), part);
    return kinds;
}

/* Under "*": of the parts that are named and of all others, if the schema speaks of these. */
static unsigned star_kinds(struct fit *fit, yyjson_val *schema, size_t part, unsigned own)
{
    yyjson_val *others = json_get(schema, STR("additionalProperties"));
    yyjson_val *items = json_get(schema, STR("items"));
    unsigned kinds = 0;
    if ((own & KIND_OBJECT && !others) || (own & KIND_LIST && !items))
        return KIND_ANY;
    if (own & KIND_OBJECT)
        kinds |= kinds_at(fit, others, part + 1) |
                 any_of_them(fit, json_get(schema, STR("properties")), part + 1) |
                 any_of_them(fit, json_get(schema, STR("patternProperties")), part + 1);
    if (own & KIND_LIST)
        kinds |= kinds_at(fit, items, part + 1) |
                 any_of_them(fit, json_get(schema, STR("prefixItems")), part + 1);
    return kinds;
}

/* Under a name.  `closed`: what is not named is not there. */
static unsigned member_at(struct fit *fit, yyjson_val *schema, size_t part, bool closed)
{
    yyjson_val *named =
        json_get(json_get(schema, STR("properties")), pointer_part_name(fit->pointer, part));
    yyjson_val *others = json_get(schema, STR("additionalProperties"));
    if (named)
        return kinds_at(fit, named, part + 1);
    if (json_get(schema, STR("patternProperties")))
        return KIND_ANY;
    if (others)
        return kinds_at(fit, others, part + 1);
    return closed ? 0 : KIND_ANY;
}

static unsigned inner_kinds(struct fit *fit, yyjson_val *schema, size_t part, bool closed)
{
    unsigned own = own_kinds(schema);
    if (!(own & (KIND_OBJECT | KIND_LIST)))
        return 0;
    if (pointer_part_star(fit->pointer, part))
        return star_kinds(fit, schema, part, own);
    if (own & KIND_OBJECT)
        return member_at(fit, schema, part, closed);
    return star_kinds(fit, schema, part, own); /* an element, as far as is told */
}

/* What "$ref" names within the schema, or NULL. */
static yyjson_val *follow(struct fit *fit, yyjson_val *ref)
{
    struct pointer pointer;
    bool nomem;
    yyjson_val *found;
    if (!yyjson_is_str(ref) || yyjson_get_len(ref) == 0 || *yyjson_get_str(ref) != '#')
        return NULL;
    struct str text = {yyjson_get_str(ref) + 1, yyjson_get_len(ref) - 1};
    if (pointer_parse(&pointer, text, false, &nomem))
        return NULL;
    found = pointer_get(&pointer, fit->root);
    pointer_release(&pointer);
    return found;
}

/* By the schemas that this one is made of: "allOf", "anyOf", "oneOf", "$ref". */
static unsigned made_kinds(struct fit *fit, yyjson_val *schema, size_t part, bool *ret_any)
{
    static const char *const many[] = {"allOf", "anyOf", "oneOf"};
    yyjson_val *ref = json_get(schema, STR("$ref"));
    unsigned kinds = 0;
    *ret_any = ref != NULL;
    if (ref) {
        yyjson_val *target = follow(fit, ref);
        kinds = target ? kinds_at(fit, target, part) : KIND_ANY;
    }
    for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
        yyjson_val *list = json_get(schema, str_of(many[i]));
        *ret_any = *ret_any || list;
        kinds |= any_of_them(fit, list, part);
    }
    return kinds;
}

/* Kinds of what may stand at the parts of the pointer from this one on; 0: there is no such place.
 */
static unsigned kinds_at(struct fit *fit, yyjson_val *schema, size_t part)
{
    bool made, closed = part == 0 && !fit->additional;
    if (fit->steps == 0 || fit->depth == 0 || !yyjson_is_obj(schema))
        return yyjson_is_false(schema) ? 0 : KIND_ANY;
    fit->steps--;
    fit->depth--;
    unsigned kinds = made_kinds(fit, schema, part, &made);
    if (part == fit->pointer->n)
        kinds = own_kinds(schema) & (made ? kinds : KIND_ANY);
    else
        kinds |= inner_kinds(fit, schema, part, closed || made);
    fit->depth++;
    return kinds;
}

/* ------------------------------------------------------------------ problems */

static void no_such_place(const struct fit *fit, const struct place *place,
                          void (*problem)(void *context, struct str place, const char *text),
                          void *context)
{
    char text[300];
    struct near near;
    struct str name = pointer_part_name(&place->pointer, 0);
    yyjson_obj_iter iter = yyjson_obj_iter_with(json_get(fit->root, STR("properties")));
    near_init(&near, name);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        near_offer(&near, json_str(key));
    int len = snprintf(text, sizeof text, "by the tool's schema nothing can stand there");
    if (near.best.ptr && near.distance > 0)
        snprintf(text + len, sizeof text - (size_t)len, ": did you mean \"%.*s\"?",
                 (int)(near.best.len < 100 ? near.best.len : 100), near.best.ptr);
    problem(context, place->pointer.text, text);
}

static void write_kinds(unsigned kinds, char *text, size_t size)
{
    size_t len = 0;
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (!(kinds & kind_names[i].kind))
            continue;
        kinds &= ~kind_names[i].kind;
        len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " or " : "",
                                kind_names[i].words);
    }
}

bool where_fits(const struct where *where, yyjson_val *schema, bool additional,
                void (*problem)(void *context, struct str place, const char *text), void *context)
{
    bool fits = true;
    for (size_t i = 0; i < where->n_places; i++) {
        const struct place *place = &where->places[i];
        struct fit fit = {schema, additional, STEPS, DEPTH, &place->pointer};
        char kinds[100], text[200];
        unsigned may = kinds_at(&fit, schema, 0), wanted = place_kinds(place);
        if (may & wanted)
            continue;
        fits = false;
        if (!may) {
            no_such_place(&fit, place, problem, context);
        } else if (!wanted) {
            problem(context, place->pointer.text, "no value can ever meet all of this");
        } else {
            write_kinds(may, kinds, sizeof kinds);
            snprintf(text, sizeof text, "by the tool's schema %s stands there: this can never hold",
                     kinds);
            problem(context, place->pointer.text, text);
        }
    }
    return fits;
}
