/* Evaluating constraints, see constraint.h.
 *
 * Outcomes are ordered NO < UNKNOWN < YES, so that Kleene's "all" is the least of them, "any" the
 * greatest, and "not" the mirror.
 *
 * Recursion goes down operators, CONSTRAINT_DEPTH of them at most, never down the arguments (but in
 * value.c).  Time is bounded by the size of the policy times that of the arguments: references are
 * resolved once, and a list that one leads to can be compared only so often (FUEL). */
#include "policy/constraint_parts.h"

#include <stdio.h>

#include "base/regex.h"
#include "base/unicode.h"

#include "policy/path_shape.h"
#include "policy/url_shape.h"

#define FUEL (UINT64_C(4) << 20)

void eval_init(struct eval *eval, const struct where *where, const struct facts *facts)
{
    eval->where = where;
    eval->facts = facts;
    eval->looked_up = eval->roots_judged = eval->roots_plain = 0;
    eval->fuel = FUEL;
}

static enum outcome told(bool holds)
{
    return holds ? OUTCOME_YES : OUTCOME_NO;
}

static enum outcome lesser(enum outcome a, enum outcome b)
{
    return a < b ? a : b;
}

static enum outcome not_of(enum outcome outcome)
{
    return OUTCOME_YES - outcome;
}

/* ------------------------------------------------------------------ operands */

/* NULL: nothing stands there. */
static yyjson_val *operand_value(struct eval *eval, const struct operand *operand)
{
    if (operand->value)
        return operand->value;
    unsigned i = operand->reference;
    if (!(eval->looked_up >> i & 1)) {
        const struct reference *reference = &eval->where->references[i];
        yyjson_val *root = reference->context ? eval->facts->context : eval->facts->arguments;
        eval->found[i] = pointer_get(&reference->pointer, root);
        eval->looked_up |= UINT64_C(1) << i;
    }
    return eval->found[i];
}

/* Whether the operand is a path that can be a root. */
static bool root_is_plain(struct eval *eval, const struct operand *operand, struct str root)
{
    if (operand->value)
        return true; /* looked at when it was loaded */
    uint64_t bit = UINT64_C(1) << operand->reference;
    if (!(eval->roots_judged & bit)) {
        eval->roots_judged |= bit;
        if (path_shape_plain(root))
            eval->roots_plain |= bit;
    }
    return eval->roots_plain & bit;
}

static void read_operand(const struct operand *operand, yyjson_val *value, struct decimal *ret)
{
    if (operand->value)
        *ret = operand->number;
    else
        decimal_read(ret, json_str(value));
}

/* ------------------------------------------------------------------ comparisons */

static enum outcome check_order(struct eval *eval, const struct node *node, yyjson_val *value)
{
    yyjson_val *other = operand_value(eval, &node->operand);
    int order;
    if (!other || value_kind(other) != value_kind(value))
        return OUTCOME_UNKNOWN;
    if (yyjson_is_str(value)) {
        order = str_order(json_str(value), json_str(other));
    } else if (yyjson_is_raw(value)) {
        struct decimal x, y;
        decimal_read(&x, json_str(value));
        read_operand(&node->operand, other, &y);
        if (!x.judged || !y.judged)
            return OUTCOME_UNKNOWN;
        order = decimal_compare(&x, &y);
    } else {
        return OUTCOME_UNKNOWN;
    }
    switch (node->op) {
    case OP_LT: return told(order < 0);
    case OP_LE: return told(order <= 0);
    case OP_GT: return told(order > 0);
    default: return told(order >= 0);
    }
}

static enum outcome check_same(struct eval *eval, const struct node *node, yyjson_val *value)
{
    yyjson_val *other = operand_value(eval, &node->operand);
    return other ? value_same(value, other) : OUTCOME_UNKNOWN;
}

/* Equal to one of the elements; `otherwise` if none is of the value's kind. */
static enum outcome check_member(yyjson_val *list, yyjson_val *value, enum outcome otherwise)
{
    unsigned kinds = KIND_NULL;
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    bool unknown = false;
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));) {
        enum outcome one = value_equal(item, value);
        if (one == OUTCOME_YES)
            return OUTCOME_YES;
        unknown = unknown || one == OUTCOME_UNKNOWN;
        kinds |= value_kind(item);
    }
    if (unknown)
        return OUTCOME_UNKNOWN;
    return kinds & value_kind(value) ? OUTCOME_NO : otherwise;
}

static bool set_has_string(const struct set *set, struct str text)
{
    size_t low = 0, high = set->n_strings;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = str_order(text, set->strings[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static bool set_has_number(const struct set *set, const struct decimal *number)
{
    size_t low = 0, high = set->n_numbers;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = decimal_compare(number, &set->numbers[middle]);
        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

static enum outcome check_set(const struct set *set, yyjson_val *value)
{
    bool unknown = false;
    if (yyjson_is_str(value)) {
        if (set_has_string(set, json_str(value)))
            return OUTCOME_YES;
    } else if (yyjson_is_raw(value)) {
        struct decimal number;
        decimal_read(&number, json_str(value));
        if (!number.judged)
            return OUTCOME_UNKNOWN;
        if (set_has_number(set, &number))
            return OUTCOME_YES;
    }
    for (size_t i = 0; i < set->n_others; i++) {
        enum outcome one = value_equal(set->others[i], value);
        if (one == OUTCOME_YES)
            return OUTCOME_YES;
        unknown = unknown || one == OUTCOME_UNKNOWN;
    }
    bool same_kind = (set->kinds | KIND_NULL) & value_kind(value);
    return same_kind && !unknown ? OUTCOME_NO : OUTCOME_UNKNOWN;
}

static enum outcome check_in(struct eval *eval, const struct node *node, yyjson_val *value)
{
    if (node->operand.value)
        return check_set(&node->set, value);
    yyjson_val *list = operand_value(eval, &node->operand);
    if (!list || !yyjson_is_arr(list))
        return OUTCOME_UNKNOWN;
    size_t parts = (size_t)(unsafe_yyjson_get_next(list) - list);
    if (parts > eval->fuel)
        return OUTCOME_UNKNOWN;
    eval->fuel -= parts;
    return check_member(list, value, OUTCOME_UNKNOWN);
}

/* ------------------------------------------------------------------ strings */

static bool text_has(enum op op, struct str text, struct str part)
{
    if (part.len > text.len)
        return false;
    if (op == OP_STARTS_WITH)
        return memcmp(text.ptr, part.ptr, part.len) == 0;
    if (op == OP_ENDS_WITH)
        return memcmp(text.ptr + text.len - part.len, part.ptr, part.len) == 0;
    return memmem(text.ptr, text.len, part.ptr, part.len);
}

static enum outcome check_text(struct eval *eval, const struct node *node, yyjson_val *value)
{
    yyjson_val *part = operand_value(eval, &node->operand);
    if (!part || !yyjson_is_str(part) || !yyjson_is_str(value))
        return OUTCOME_UNKNOWN;
    return told(text_has(node->op, json_str(value), json_str(part)));
}

static enum outcome check_contains(struct eval *eval, const struct node *node, yyjson_val *value)
{
    if (!yyjson_is_arr(value))
        return check_text(eval, node, value);
    yyjson_val *part = operand_value(eval, &node->operand);
    if (!part)
        return OUTCOME_UNKNOWN;
    return check_member(value, part, yyjson_arr_size(value) ? OUTCOME_UNKNOWN : OUTCOME_NO);
}

static enum outcome check_under(struct eval *eval, const struct node *node, yyjson_val *value)
{
    yyjson_val *root = operand_value(eval, &node->operand);
    if (!root || !yyjson_is_str(root) || !yyjson_is_str(value) ||
        !root_is_plain(eval, &node->operand, json_str(root)) || !path_shape_plain(json_str(value)))
        return OUTCOME_UNKNOWN;
    return told(path_shape_under(json_str(value), json_str(root)));
}

static enum outcome check_matches(const struct node *node, yyjson_val *value)
{
    /* -1, 0, 1: too long to be judged, no, yes. */
    static const enum outcome outcomes[] = {OUTCOME_UNKNOWN, OUTCOME_NO, OUTCOME_YES};
    if (!yyjson_is_str(value))
        return OUTCOME_UNKNOWN;
    struct str text = json_str(value);
    return outcomes[rt_regex_matches(node->regex, text.ptr, text.len) + 1];
}

static enum outcome check_nfc(yyjson_val *value)
{
    if (!yyjson_is_str(value))
        return OUTCOME_UNKNOWN;
    struct str text = json_str(value);
    return told(rt_is_nfc(text.ptr, text.len) == 1);
}

/* ------------------------------------------------------------------ URLs */

static bool has_scheme(const struct url_rule *rule, const struct url_shape *url)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(rule->schemes);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));)
        if (str_equal(json_str(item), url->scheme))
            return true;
    return !rule->schemes && str_equal(url->scheme, STR("https"));
}

static bool has_host(const struct url_rule *rule, const struct url_shape *url)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(rule->hosts);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));)
        if (url_shape_host_fits(json_str(item), url->host))
            return true;
    return false;
}

static bool has_port(const struct url_rule *rule, const struct url_shape *url)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(rule->ports);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));) {
        uint64_t port = 0;
        json_uint(item, &port);
        if (url->port >= 0 && port == (uint64_t)url->port)
            return true;
    }
    return !rule->ports && url->usual_port;
}

/* Not inlined: its 24 KiB would be part of each level of the recursion. */
__attribute__((noinline)) static enum outcome check_url(struct eval *eval, const struct node *node,
                                                        yyjson_val *value)
{
    struct url_shape url;
    yyjson_val path;
    if (!yyjson_is_str(value) || !url_shape_read(json_str(value), &url))
        return OUTCOME_UNKNOWN;
    if (!has_scheme(node->url, &url) || !has_host(node->url, &url) || !has_port(node->url, &url))
        return OUTCOME_NO;
    unsafe_yyjson_set_strn(&path, url.path.ptr, url.path.len);
    return rule_check(eval, &node->url->path, &path);
}

/* ------------------------------------------------------------------ the others */

static enum outcome check_time(struct eval *eval, const struct node *node, yyjson_val *value)
{
    moment at, limit = node->time.at;
    if (!yyjson_is_str(value) || !time_read(json_str(value), &at))
        return OUTCOME_UNKNOWN;
    if (!node->operand.value) {
        yyjson_val *other = operand_value(eval, &node->operand);
        if (!other || !yyjson_is_str(other) || !time_read(json_str(other), &limit))
            return OUTCOME_UNKNOWN;
    } else if (node->time.from_now) {
        limit += eval->facts->now;
    }
    return told(node->op == OP_BEFORE ? at < limit : at > limit);
}

static enum outcome check_type(const struct node *node, yyjson_val *value)
{
    if (value_kind(value) & node->type.kinds)
        return OUTCOME_YES;
    if (!node->type.integer || !yyjson_is_raw(value))
        return OUTCOME_NO;
    struct decimal number;
    decimal_read(&number, json_str(value));
    return told(decimal_is_whole(&number));
}

static enum outcome check_len(struct eval *eval, const struct node *node, yyjson_val *value)
{
    char digits[24];
    yyjson_val number;
    if (!yyjson_is_str(value) && !yyjson_is_ctn(value))
        return OUTCOME_UNKNOWN;
    size_t len = yyjson_is_str(value) ? str_length(json_str(value)) : yyjson_get_len(value);
    unsafe_yyjson_set_raw(&number, digits, (size_t)snprintf(digits, sizeof digits, "%zu", len));
    return rule_check(eval, node->rules.list, &number);
}

static enum outcome check_each(struct eval *eval, const struct node *node, yyjson_val *value)
{
    enum outcome all = OUTCOME_YES;
    yyjson_arr_iter iter = yyjson_arr_iter_with(value);
    if (!yyjson_is_arr(value))
        return OUTCOME_UNKNOWN;
    for (yyjson_val *item; all > OUTCOME_NO && (item = yyjson_arr_iter_next(&iter));)
        all = lesser(all, rule_check(eval, node->rules.list, item));
    return all;
}

static enum outcome check_some(struct eval *eval, const struct node *node, yyjson_val *value)
{
    enum outcome none = OUTCOME_YES;
    yyjson_arr_iter iter = yyjson_arr_iter_with(value);
    if (!yyjson_is_arr(value))
        return OUTCOME_UNKNOWN;
    for (yyjson_val *item; none > OUTCOME_NO && (item = yyjson_arr_iter_next(&iter));)
        none = lesser(none, not_of(rule_check(eval, node->rules.list, item)));
    return not_of(none);
}

static enum outcome check_keys(struct eval *eval, const struct node *node, yyjson_val *value)
{
    enum outcome all = OUTCOME_YES;
    yyjson_obj_iter iter = yyjson_obj_iter_with(value);
    if (!yyjson_is_obj(value))
        return OUTCOME_UNKNOWN;
    for (yyjson_val *key; all > OUTCOME_NO && (key = yyjson_obj_iter_next(&iter));)
        all = lesser(all, rule_check(eval, node->rules.list, key));
    return all;
}

static enum outcome check_all(struct eval *eval, const struct node *node, yyjson_val *value)
{
    enum outcome all = OUTCOME_YES;
    for (size_t i = 0; i < node->rules.n && all > OUTCOME_NO; i++)
        all = lesser(all, rule_check(eval, &node->rules.list[i], value));
    return all;
}

static enum outcome check_any(struct eval *eval, const struct node *node, yyjson_val *value)
{
    enum outcome none = OUTCOME_YES;
    for (size_t i = 0; i < node->rules.n && none > OUTCOME_NO; i++)
        none = lesser(none, not_of(rule_check(eval, &node->rules.list[i], value)));
    return not_of(none);
}

static enum outcome check_seen(struct eval *eval, const struct node *node, yyjson_val *value)
{
    const struct facts *facts = eval->facts;
    struct value_key key;
    if (!(value_kind(value) & (KIND_STRING | KIND_NUMBER | KIND_BOOLEAN)) ||
        !value_key_of(value, &key))
        return OUTCOME_UNKNOWN;
    for (size_t i = 0; i < node->sources.n && facts->seen; i++)
        if (facts->seen(facts->seen_context, eval->where->sources[node->sources.first + i].number,
                        &key))
            return OUTCOME_YES;
    return OUTCOME_NO;
}

enum outcome node_check(struct eval *eval, const struct node *node, yyjson_val *value)
{
    switch (node->op) {
    case OP_EQ: return check_same(eval, node, value);
    case OP_NE: return not_of(check_same(eval, node, value));
    case OP_IN: return check_in(eval, node, value);
    case OP_NOT_IN: return not_of(check_in(eval, node, value));
    case OP_LT:
    case OP_LE:
    case OP_GT:
    case OP_GE: return check_order(eval, node, value);
    case OP_STARTS_WITH:
    case OP_ENDS_WITH: return check_text(eval, node, value);
    case OP_CONTAINS: return check_contains(eval, node, value);
    case OP_MATCHES: return check_matches(node, value);
    case OP_TYPE: return check_type(node, value);
    case OP_LEN: return check_len(eval, node, value);
    case OP_EACH: return check_each(eval, node, value);
    case OP_SOME: return check_some(eval, node, value);
    case OP_KEYS: return check_keys(eval, node, value);
    case OP_NOT: return not_of(rule_check(eval, node->rules.list, value));
    case OP_ALL: return check_all(eval, node, value);
    case OP_ANY: return check_any(eval, node, value);
    case OP_UNDER: return check_under(eval, node, value);
    case OP_URL: return check_url(eval, node, value);
    case OP_BEFORE:
    case OP_AFTER: return check_time(eval, node, value);
    case OP_SEEN_IN: return check_seen(eval, node, value);
    default: return check_nfc(value);
    }
}

enum outcome rule_check(struct eval *eval, const struct rule *rule, yyjson_val *value)
{
    enum outcome all = OUTCOME_YES;
    for (size_t i = 0; i < rule->n && all > OUTCOME_NO; i++)
        all = lesser(all, node_check(eval, &rule->nodes[i], value));
    return all;
}

/* ------------------------------------------------------------------ places */

bool counted_can(const struct counted *counted, yyjson_val *value)
{
    struct decimal number;
    fixed18 sum;
    if (counted->kind != COUNTED_SUM)
        return value_is_judged(value);
    if (!yyjson_is_raw(value))
        return false;
    decimal_read(&number, json_str(value));
    return decimal_fixed18(&number, &sum);
}

struct walk {
    struct eval *eval;
    const struct place *place;
    enum outcome all;
};

static bool check_value(void *context, yyjson_val *value)
{
    struct walk *walk = context;
    const struct place *place = walk->place;
    walk->all = lesser(walk->all, rule_check(walk->eval, &place->rule, value));
    for (size_t i = 0; i < place->n_counted; i++)
        if (!counted_can(&place->counted[i], value))
            walk->all = lesser(walk->all, OUTCOME_UNKNOWN);
    return walk->all > OUTCOME_NO;
}

static bool is_there(void *context, yyjson_val *value)
{
    (void)value;
    *(enum outcome *)context = OUTCOME_NO;
    return false;
}

static enum outcome place_check(struct eval *eval, const struct place *place)
{
    struct walk walk = {eval, place, OUTCOME_YES};
    bool missing = false;
    if (place->presence == PRESENCE_NONE) {
        pointer_each(&place->pointer, eval->facts->arguments, is_there, &walk.all, &missing);
        return walk.all;
    }
    pointer_each(&place->pointer, eval->facts->arguments, check_value, &walk, &missing);
    if (!missing || place->presence == PRESENCE_OPTIONAL)
        return walk.all;
    return lesser(walk.all, place->presence == PRESENCE_EXISTS ? OUTCOME_NO : OUTCOME_UNKNOWN);
}

enum outcome where_check(const struct where *where, const struct facts *facts, struct buf *why)
{
    struct eval eval;
    const struct place *failed = NULL;
    enum outcome all = OUTCOME_YES;
    eval_init(&eval, where, facts);
    for (size_t i = 0; i < where->n_places && all > OUTCOME_NO; i++) {
        enum outcome one = place_check(&eval, &where->places[i]);
        if (one != OUTCOME_YES && !failed)
            failed = &where->places[i];
        all = lesser(all, one);
    }
    if (failed && why)
        place_explain(&eval, failed, why);
    return all;
}

/* ------------------------------------------------------------------ counting */

struct count_walk {
    const struct counted *counted;
    bool (*each)(void *context, const struct counted *counted, const struct value_key *key,
                 fixed18 sum);
    void *context;
};

static bool count_value(void *context, yyjson_val *value)
{
    const struct count_walk *walk = context;
    const struct counted *counted = walk->counted;
    struct value_key key = {{0}};
    struct decimal number;
    fixed18 sum = 0;
    if (!counted_can(counted, value))
        return false;
    if (counted->kind == COUNTED_SUM) {
        decimal_read(&number, json_str(value));
        decimal_fixed18(&number, &sum);
    } else {
        value_key_of(value, &key);
    }
    return walk->each(walk->context, counted, &key, sum);
}

bool where_each_counted(const struct where *where, const struct facts *facts,
                        bool (*each)(void *context, const struct counted *counted,
                                     const struct value_key *key, fixed18 sum),
                        void *context)
{
    bool missing;
    for (size_t i = 0; i < where->n_places; i++) {
        const struct place *place = &where->places[i];
        for (size_t j = 0; j < place->n_counted; j++) {
            struct count_walk walk = {&place->counted[j], each, context};
            if (!pointer_each(&place->pointer, facts->arguments, count_value, &walk, &missing))
                return false;
        }
    }
    return true;
}

bool where_counts(const struct where *where)
{
    for (size_t i = 0; i < where->n_places; i++)
        if (where->places[i].n_counted)
            return true;
    return false;
}

bool where_bind_sources(struct where *where,
                        uint32_t (*each)(void *context, struct str tool, struct str pointer),
                        void *context)
{
    for (size_t i = 0; i < where->n_sources; i++) {
        struct source *source = &where->sources[i];
        source->number = each(context, source->tool, source->pointer);
        if (source->number == UINT32_MAX)
            return false;
    }
    return true;
}
