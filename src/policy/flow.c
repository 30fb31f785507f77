/* See flow.h. */
#include "policy/flow.h"

#include "base/mem.h"

void flow_release(struct flow *flow)
{
    mem_free(flow->rules);
    *flow = (struct flow){NULL, 0};
}

/* ------------------------------------------------------------------ loading */

struct reading {
    struct flow *flow;
    struct labels *labels;
    const struct constraint_reader *reader;
    bool *nomem;
};

static bool wrong(const struct reading *r, yyjson_val *at, const char *text)
{
    r->reader->problem(r->reader->context, at, text);
    return false;
}

static bool read_label(const struct reading *r, yyjson_val *value, label_set *set)
{
    if (!yyjson_is_str(value) || !label_valid(json_str(value)))
        return wrong(r, value,
                     "a label is a letter, then letters, digits, \"_\" and \"-\", at most 64");
    label_set bit = label_bit(r->labels, json_str(value), true, r->nomem);
    if (!bit && !*r->nomem)
        return wrong(r, value, "a policy has at most 64 labels");
    *set |= bit;
    return bit != 0;
}

static bool read_labels(const struct reading *r, yyjson_val *key, yyjson_val *value, bool list_only,
                        label_set *set)
{
    size_t i, n;
    yyjson_val *item;
    if (yyjson_is_str(value) && !list_only)
        return read_label(r, value, set);
    if (!yyjson_is_arr(value) || yyjson_arr_size(value) == 0)
        return wrong(r, key,
                     list_only ? "this must be a list of labels"
                               : "this must be a label or a list of labels");
    yyjson_arr_foreach(value, i, n, item)
    {
        if (!read_label(r, item, set))
            return false;
    }
    return true;
}

static bool keep(const struct reading *r, const struct flow_rule *rule)
{
    struct flow *flow = r->flow;
    if (flow->n == FLOW_RULES_MAX)
        return wrong(r, rule->at, "a policy has at most 1000 flow rules");
    struct flow_rule *more = mem_resize_array(flow->rules, flow->n + 1, sizeof *more);
    if (!more) {
        *r->nomem = true;
        return false;
    }
    more[flow->n++] = *rule;
    flow->rules = more;
    return true;
}

static void read_trifecta(const struct reading *r)
{
    struct flow_rule rule = {.answer = FLOW_DENY};
    bool *nomem = r->nomem;
    rule.calls = label_bit(r->labels, STR("external"), true, nomem);
    label_set private = label_bit(r->labels, STR("private"), true, nomem);
    label_set untrusted = label_bit(r->labels, STR("untrusted"), true, nomem);
    if (rule.calls && private && untrusted) {
        rule.after = private | untrusted;
        keep(r, &rule);
    } else if (!*nomem) {
        wrong(r, NULL, "a policy has at most 64 labels");
    }
}

/* Reads the keys of a rule; `seen` gets a bit for each: deny, ask, after, unless_after, exclusive.
 */
static bool read_keys(const struct reading *r, yyjson_val *object, struct flow_rule *rule,
                      unsigned *seen)
{
    static const char *const keys[] = {"deny", "ask", "after", "unless_after", "at_most_one_of"};
    label_set *const into[] = {&rule->calls, &rule->calls, &rule->after, &rule->unless_after,
                               &rule->calls};
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        size_t i = 0;
        while (i < 5 && !str_equal(json_str(key), str_of(keys[i])))
            i++;
        if (i == 5)
            return wrong(r, key,
                         "a flow rule has \"deny\" or \"ask\" with \"after\" or \"unless_after\", "
                         "or \"at_most_one_of\"");
        *seen |= 1u << i;
        if (!read_labels(r, key, yyjson_obj_iter_get_val(key), i == 4, into[i]))
            return false;
    }
    return true;
}

static void read_rule(const struct reading *r, yyjson_val *list, yyjson_val *value)
{
    enum { DENY = 1, ASK = 2, AFTER = 4, UNLESS = 8, ONE = 16 };
    struct flow_rule rule = {.answer = FLOW_DENY};
    unsigned seen = 0;
    yyjson_obj_iter iter;
    if (yyjson_is_str(value) && str_equal(json_str(value), STR("trifecta"))) {
        read_trifecta(r);
        return;
    }
    if (!yyjson_is_obj(value) || yyjson_obj_size(value) == 0) {
        wrong(r, yyjson_is_str(value) ? value : list, "a flow rule is \"trifecta\" or an object");
        return;
    }
    yyjson_obj_iter_init(value, &iter);
    rule.at = yyjson_obj_iter_next(&iter);
    if (!read_keys(r, value, &rule, &seen))
        return;
    rule.exclusive = seen == ONE;
    rule.answer = seen & ASK ? FLOW_ASK : FLOW_DENY;
    unsigned who = seen & (DENY | ASK), when = seen & (AFTER | UNLESS);
    bool right = rule.exclusive || (!(seen & ONE) && (who == DENY || who == ASK) &&
                                    (when == AFTER || when == UNLESS));
    if (!right)
        wrong(r, rule.at,
              "a flow rule has \"deny\" or \"ask\" with \"after\" or \"unless_after\", or "
              "\"at_most_one_of\"");
    else if (rule.exclusive && __builtin_popcountll(rule.calls) < 2)
        wrong(r, rule.at, "\"at_most_one_of\" needs two labels");
    else
        keep(r, &rule);
}

void flow_load(struct flow *flow, yyjson_val *value, struct labels *labels,
               const struct constraint_reader *reader, bool *ret_nomem)
{
    struct reading r = {flow, labels, reader, ret_nomem};
    size_t i, n;
    yyjson_val *item;
    if (!yyjson_is_arr(value)) {
        read_rule(&r, value, value);
        return;
    }
    yyjson_arr_foreach(value, i, n, item)
    {
        read_rule(&r, value, item);
    }
}

void flow_lint(const struct flow *flow, const struct labels *labels, label_set carried,
               const struct constraint_reader *reader)
{
    for (size_t i = 0; i < flow->n; i++) {
        const struct flow_rule *rule = &flow->rules[i];
        label_set unknown = (rule->calls | rule->after | rule->unless_after) & ~carried;
        if (!rule->at || !unknown)
            continue;
        struct buf text = BUF_INIT(8192);
        buf_add_text(&text, "nothing carries ");
        labels_words(labels, unknown, &text);
        buf_add_text(&text, ": no tool, mount or grant has it in its labels");
        reader->problem(reader->context, rule->at,
                        buf_failed(&text) ? "nothing carries a label of this rule" : text.data);
        buf_release(&text);
    }
}

/* ------------------------------------------------------------------ judging */

static bool applies(const struct flow_rule *rule, label_set call, label_set touched)
{
    label_set hit = rule->calls & call;
    if (!hit)
        return false;
    if (rule->exclusive) /* another one was touched, or the call has two itself */
        return (hit & (hit - 1)) != 0 || (rule->calls & touched & ~hit) != 0;
    if (rule->after)
        return (touched & rule->after) == rule->after;
    return (touched & rule->unless_after) != rule->unless_after;
}

static void explain(const struct flow_rule *rule, const struct labels *labels, label_set call,
                    label_set touched, struct buf *why)
{
    label_set hit = rule->calls & call;
    buf_clear(why);
    if (rule->exclusive) {
        buf_add_text(why, "only one of ");
        labels_words(labels, rule->calls, why);
        buf_add_text(why, " may be used, and this is ");
        labels_words(labels, hit, why);
        if (rule->calls & touched & ~hit) {
            buf_add_text(why, " after ");
            labels_words(labels, rule->calls & touched & ~hit, why);
        }
        return;
    }
    buf_add_text(why, "nothing that is ");
    labels_words(labels, hit, why);
    if (rule->after) {
        buf_add_text(why, " may be called after what is ");
        labels_words(labels, rule->after, why);
    } else {
        buf_add_text(why, " may be called before what is ");
        labels_words(labels, rule->unless_after & ~touched, why);
    }
}

enum flow_answer flow_judge(const struct flow *flow, const struct labels *labels, label_set call,
                            label_set touched, struct buf *why)
{
    enum flow_answer answer = FLOW_ALLOW;
    for (size_t i = 0; i < flow->n && answer != FLOW_DENY; i++) {
        const struct flow_rule *rule = &flow->rules[i];
        if (rule->answer <= answer || !applies(rule, call, touched))
            continue;
        answer = rule->answer;
        explain(rule, labels, call, touched, why);
    }
    return answer;
}
