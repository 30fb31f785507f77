/* Constraints in words, see constraint.h: what a denial says, and what is told about a tool before.
 */
#include "policy/constraint_parts.h"

#include "policy/shown.h"

/* How an operator goes on after "must", and how it stands by itself. */
static const struct words {
    const char *must, *plain;
} words[] = {
    [OP_EQ] = {"be ", ""},
    [OP_NE] = {"not be ", "not "},
    [OP_IN] = {"be one of ", "one of "},
    [OP_NOT_IN] = {"be none of ", "none of "},
    [OP_LT] = {"be less than ", "less than "},
    [OP_LE] = {"be at most ", "at most "},
    [OP_GT] = {"be more than ", "more than "},
    [OP_GE] = {"be at least ", "at least "},
    [OP_STARTS_WITH] = {"start with ", "starting with "},
    [OP_ENDS_WITH] = {"end with ", "ending with "},
    [OP_CONTAINS] = {"contain ", "containing "},
    [OP_MATCHES] = {"match ", "matching "},
    [OP_TYPE] = {"be ", ""},
    [OP_LEN] = {"have a length ", "length "},
    [OP_EACH] = {"have only elements ", "every element "},
    [OP_SOME] = {"have an element ", "some element "},
    [OP_KEYS] = {"have only keys ", "every key "},
    [OP_NOT] = {"not be ", "not "},
    [OP_ALL] = {"be ", ""},
    [OP_ANY] = {"be ", ""},
    [OP_UNDER] = {"be a path within ", "a path within "},
    [OP_URL] = {"be a URL with host ", "a URL with host "},
    [OP_BEFORE] = {"be before ", "before "},
    [OP_AFTER] = {"be after ", "after "},
    [OP_SEEN_IN] = {"be from a result of ", "from a result of "},
    [OP_NFC] = {"be in Unicode's form NFC", "in Unicode's form NFC"},
};

static void write_rule(const struct where *where, const struct rule *rule, const char *comma,
                       struct buf *out);

static void write_reference(const struct reference *reference, struct buf *out)
{
    buf_add_text(out, reference->context ? "the context's \"" : "the argument \"");
    shown_text(reference->pointer.text, out);
    buf_add_char(out, '"');
}

static void write_operand(const struct where *where, const struct operand *operand, struct buf *out)
{
    if (operand->value)
        shown_value(operand->value, out);
    else
        write_reference(&where->references[operand->reference], out);
}

/* "A", "B" without the brackets. */
static void write_list(const struct where *where, const struct operand *operand, struct buf *out)
{
    if (!operand->value) {
        write_operand(where, operand, out);
        return;
    }
    yyjson_arr_iter iter = yyjson_arr_iter_with(operand->value);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));) {
        shown_value(item, out);
        if (yyjson_arr_iter_has_next(&iter))
            buf_add_text(out, ", ");
    }
}

static void write_type(const struct node *node, struct buf *out)
{
    static const struct {
        unsigned kind;
        const char *name;
    } names[] = {{KIND_STRING, "a string"}, {KIND_NUMBER, "a number"}, {KIND_BOOLEAN, "a boolean"},
                 {KIND_NULL, "null"},       {KIND_LIST, "a list"},     {KIND_OBJECT, "an object"}};
    const char *comma = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (node->type.kinds & names[i].kind) {
            buf_printf(out, "%s%s", comma, names[i].name);
            comma = " or ";
        }
    if (node->type.integer)
        buf_printf(out, "%sa whole number", comma);
}

static void write_sources(const struct where *where, const struct node *node, struct buf *out)
{
    for (size_t i = 0; i < node->sources.n; i++) {
        if (i > 0)
            buf_add_text(out, " or ");
        shown_text(where->sources[node->sources.first + i].tool, out);
    }
}

/* example.com or *.example.org */
static void write_choice(yyjson_val *list, const char *name, struct buf *out)
{
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter)); name = " or ") {
        buf_add_text(out, name);
        shown_text(json_str(item), out);
    }
}

static void write_url(const struct where *where, const struct url_rule *url, struct buf *out)
{
    write_choice(url->hosts, "", out);
    if (url->schemes)
        write_choice(url->schemes, ", scheme ", out);
    else
        buf_add_text(out, ", scheme https");
    write_choice(url->ports, ", port ", out);
    if (url->path.n)
        buf_add_text(out, ", path ");
    write_rule(where, &url->path, " and ", out);
}

/* Rules joined by "and" or "or", in brackets where there is more than one operator. */
static void write_rules(const struct where *where, const struct node *node, struct buf *out)
{
    for (size_t i = 0; i < node->rules.n; i++) {
        const struct rule *rule = &node->rules.list[i];
        bool brackets = rule->n > 1 && (node->rules.n > 1 || node->op == OP_NOT);
        if (i > 0)
            buf_add_text(out, node->op == OP_ANY ? " or " : " and ");
        buf_add_text(out, brackets ? "(" : "");
        write_rule(where, rule, " and ", out);
        buf_add_text(out, brackets ? ")" : "");
    }
}

static void write_node(const struct where *where, const struct node *node, bool must,
                       struct buf *out)
{
    buf_add_text(out, must ? words[node->op].must : words[node->op].plain);
    switch (node->op) {
    case OP_IN:
    case OP_NOT_IN: write_list(where, &node->operand, out); break;
    case OP_TYPE: write_type(node, out); break;
    case OP_LEN:
    case OP_EACH:
    case OP_SOME:
    case OP_KEYS:
    case OP_NOT:
    case OP_ALL:
    case OP_ANY: write_rules(where, node, out); break;
    case OP_URL: write_url(where, node->url, out); break;
    case OP_SEEN_IN: write_sources(where, node, out); break;
    case OP_NFC: break;
    default: write_operand(where, &node->operand, out); break;
    }
}

static void write_rule(const struct where *where, const struct rule *rule, const char *comma,
                       struct buf *out)
{
    for (size_t i = 0; i < rule->n; i++) {
        if (i > 0)
            buf_add_text(out, comma);
        write_node(where, &rule->nodes[i], false, out);
    }
}

/* ------------------------------------------------------------------ denials */

struct search {
    struct eval *eval;
    const struct place *place;
    yyjson_val *value; /* the first that does not pass */
};

static const struct node *failing_node(struct eval *eval, const struct rule *rule,
                                       yyjson_val *value)
{
    for (size_t i = 0; i < rule->n; i++)
        if (node_check(eval, &rule->nodes[i], value) != OUTCOME_YES)
            return &rule->nodes[i];
    return NULL;
}

static const struct counted *failing_count(const struct place *place, yyjson_val *value)
{
    for (size_t i = 0; i < place->n_counted; i++)
        if (!counted_can(&place->counted[i], value))
            return &place->counted[i];
    return NULL;
}

static bool find_failure(void *context, yyjson_val *value)
{
    struct search *search = context;
    bool fails = search->place->presence == PRESENCE_NONE ||
                 failing_node(search->eval, &search->place->rule, value) ||
                 failing_count(search->place, value);
    if (fails)
        search->value = value;
    return !fails;
}

void place_explain(struct eval *eval, const struct place *place, struct buf *out)
{
    struct search search = {eval, place, NULL};
    bool missing;
    pointer_each(&place->pointer, eval->facts->arguments, find_failure, &search, &missing);
    shown_text(place->pointer.text, out);
    if (!search.value) {
        buf_add_text(out, " is missing");
        return;
    }
    buf_add_text(out, " must ");
    const struct node *node = failing_node(eval, &place->rule, search.value);
    const struct counted *counted = failing_count(place, search.value);
    if (node)
        write_node(eval->where, node, true, out);
    else if (!counted)
        buf_add_text(out, "not be given");
    else if (counted->kind == COUNTED_SUM)
        buf_add_text(out, "be a number that can be summed");
    else
        buf_add_text(out, "be a value that can be compared");
    buf_add_text(out, " (was ");
    shown_value(search.value, out);
    buf_add_char(out, ')');
}

void counted_refusal(const struct counted *counted, struct buf *out)
{
    shown_text(counted->place, out);
    switch (counted->kind) {
    case COUNTED_SUM:
        buf_add_text(out, ": the sum would be over ");
        fixed18_write(counted->max_sum, out);
        break;
    case COUNTED_DISTINCT:
        buf_printf(out, ": there would be more than %llu different values",
                   (unsigned long long)counted->max_distinct);
        break;
    default: buf_add_text(out, ": the value was used before"); break;
    }
}

/* ------------------------------------------------------------------ descriptions */

static void describe_counted(const struct counted *counted, struct buf *out)
{
    static const char *const scopes[] = {[SCOPE_RUN] = "in a run",
                                         [SCOPE_SANDBOX] = "in the sandbox",
                                         [SCOPE_ACCOUNT] = "in the account"};
    switch (counted->kind) {
    case COUNTED_SUM:
        buf_add_text(out, "in all at most ");
        fixed18_write(counted->max_sum, out);
        break;
    case COUNTED_DISTINCT:
        buf_printf(out, "at most %llu different values", (unsigned long long)counted->max_distinct);
        break;
    default: buf_add_text(out, "each value only once"); break;
    }
    buf_printf(out, " %s", scopes[counted->scope]);
}

static void describe_place(const struct where *where, const struct place *place, struct buf *out)
{
    static const char *const presences[] = {[PRESENCE_NEEDED] = "",
                                            [PRESENCE_OPTIONAL] = "optional",
                                            [PRESENCE_EXISTS] = "must be given",
                                            [PRESENCE_NONE] = "must not be given"};
    const char *comma = *presences[place->presence] ? ", " : "";
    shown_text(place->pointer.text, out);
    buf_printf(out, ": %s", presences[place->presence]);
    if (place->rule.n) {
        buf_add_text(out, comma);
        write_rule(where, &place->rule, ", ", out);
        comma = ", ";
    }
    for (size_t i = 0; i < place->n_counted; i++, comma = ", ") {
        buf_add_text(out, comma);
        describe_counted(&place->counted[i], out);
    }
    buf_add_char(out, '\n');
}

void where_describe(const struct where *where, struct buf *out)
{
    for (size_t i = 0; i < where->n_places; i++)
        describe_place(where, &where->places[i], out);
}
