/* Flow rules: reading them, and what they say. What is wrong with them stands in grant_errors.txt.
 */
#include "policy_rig.h"

static void load(struct flow *flow, struct labels *labels, const char *text)
{
    struct json json = rig_parse(text);
    bool nomem = false;
    rig_problems[0] = 0;
    flow_load(flow, json.root, labels, &rig_reader, &nomem);
    OK(!nomem);
    for (size_t i = 0; i < flow->n; i++) /* the tree goes */
        flow->rules[i].at = NULL;
    json_release(&json);
}

static label_set set_of(struct labels *labels, const char *names)
{
    label_set set = 0;
    bool nomem = false;
    char words[200];
    snprintf(words, sizeof words, "%s", names);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        set |= label_bit(labels, str_of(word), true, &nomem);
    return set;
}

/* What the rules say: "allow", or "ask: WHY", "deny: WHY". */
static const char *judge(const char *rules, const char *call, const char *touched)
{
    static char text[1000];
    static const char *const names[] = {"allow", "ask", "deny"};
    struct labels labels = {.n = 0};
    struct flow flow = {NULL, 0};
    struct buf why = BUF_INIT(1000);
    load(&flow, &labels, rules);
    rig_nothing_wrong();
    label_set carried = set_of(&labels, call);
    enum flow_answer answer = flow_judge(&flow, &labels, carried, set_of(&labels, touched), &why);
    snprintf(text, sizeof text, "%s%s%s", names[answer], answer ? ": " : "", buf_str(&why).ptr);
    buf_release(&why);
    flow_release(&flow);
    labels_release(&labels);
    return text;
}

TEST(what_rules_say)
{
    static const struct {
        const char *rules, *call, *touched, *wanted;
    } cases[] = {
        {"[]", "a", "a", "allow"},
        {"\"trifecta\"", "external", "private", "allow"},
        {"\"trifecta\"", "external", "private untrusted",
         "deny: nothing that is \"external\" may be called after what is \"private\" and "
         "\"untrusted\""},
        {"[\"trifecta\"]", "private untrusted", "private untrusted", "allow"},
        {"{\"deny\": \"a\", \"after\": \"b\"}", "a", "", "allow"},
        {"{\"deny\": \"a\", \"after\": \"b\"}", "c", "b", "allow"},
        {"{\"deny\": \"a\", \"after\": \"b\"}", "a b", "", "allow"}, /* touched before it */
        {"{\"deny\": [\"a\", \"x\"], \"after\": \"b\"}", "x c", "b c",
         "deny: nothing that is \"x\" may be called after what is \"b\""},
        {"{\"ask\": \"a\", \"after\": [\"b\", \"c\"]}", "a", "c", "allow"},
        {"{\"ask\": \"a\", \"after\": [\"b\", \"c\"]}", "a", "c b",
         "ask: nothing that is \"a\" may be called after what is \"b\" and \"c\""},
        {"{\"deny\": \"a\", \"unless_after\": [\"b\", \"c\"]}", "a", "c",
         "deny: nothing that is \"a\" may be called before what is \"b\""},
        {"{\"ask\": \"a\", \"unless_after\": \"b\"}", "a", "b", "allow"},
        {"{\"ask\": \"a\", \"unless_after\": \"b\"}", "a", "",
         "ask: nothing that is \"a\" may be called before what is \"b\""},
        {"{\"at_most_one_of\": [\"a\", \"b\", \"c\"]}", "a", "a", "allow"},
        {"{\"at_most_one_of\": [\"a\", \"b\", \"c\"]}", "a", "x", "allow"},
        {"{\"at_most_one_of\": [\"a\", \"b\", \"c\"]}", "a", "b c",
         "deny: only one of \"a\", \"b\" and \"c\" may be used, and this is \"a\" after \"b\" and "
         "\"c\""},
        {"{\"at_most_one_of\": [\"a\", \"b\", \"c\"]}", "a c", "",
         "deny: only one of \"a\", \"b\" and \"c\" may be used, and this is \"a\" and \"c\""},
        /* The strictest, and of two that are the same the first. */
        {"[{\"ask\": \"a\", \"after\": \"b\"}, {\"ask\": \"a\", \"after\": \"c\"}]", "a", "b c",
         "ask: nothing that is \"a\" may be called after what is \"b\""},
        {"[{\"ask\": \"a\", \"after\": \"b\"}, {\"deny\": \"a\", \"after\": \"c\"},"
         " {\"deny\": \"a\", \"after\": \"b\"}]",
         "a", "b c", "deny: nothing that is \"a\" may be called after what is \"c\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        STR_EQ(judge(cases[i].rules, cases[i].call, cases[i].touched), cases[i].wanted);
}

TEST(labels_that_nothing_carries)
{
    struct labels labels = {.n = 0};
    struct flow flow = {NULL, 0};
    struct json json = rig_parse("[\"trifecta\", {\"deny\": \"a\", \"after\": [\"b\", \"c\"]},"
                                 " {\"ask\": \"a\", \"unless_after\": \"d\"}]");
    bool nomem = false;
    rig_problems[0] = 0;
    flow_load(&flow, json.root, &labels, &rig_reader, &nomem);
    flow_lint(&flow, &labels, set_of(&labels, "a b c d"), &rig_reader);
    rig_nothing_wrong();
    flow_lint(&flow, &labels, set_of(&labels, "a"), &rig_reader);
    STR_EQ(rig_problems,
           "deny | nothing carries \"b\" and \"c\": no tool, mount or grant has it in its labels\n"
           "ask | nothing carries \"d\": no tool, mount or grant has it in its labels\n");
    FAULT_SWEEP({
        rig_problems[0] = 0;
        flow_lint(&flow, &labels, set_of(&labels, "a d"), &rig_reader);
        OK(strncmp(rig_problems, "deny | nothing carries ", 23) == 0);
    });
    flow_release(&flow);
    labels_release(&labels);
    json_release(&json);
}

TEST(no_room_for_more_labels)
{
    for (size_t n = 61; n <= 64; n++) {
        struct labels labels = {.n = 0};
        struct flow flow = {NULL, 0};
        char names[64 * 5] = "";
        for (size_t i = 0; i < n; i++)
            sprintf(names + strlen(names), "l%zu ", i);
        bool nomem = false;
        for (char *word = strtok(names, " "); word; word = strtok(NULL, " "))
            OK(label_bit(&labels, str_of(word), true, &nomem));
        load(&flow, &labels, "\"trifecta\"");
        STR_EQ(rig_problems, n == 61 ? "" : "- | a policy has at most 64 labels\n");
        EQ(flow.n, n == 61);
        load(&flow, &labels, "{\"deny\": \"l0\", \"after\": [\"l1\", \"another\"]}");
        STR_EQ(rig_problems, "another | a policy has at most 64 labels\n");
        flow_release(&flow);
        labels_release(&labels);
    }
}

TEST(more_rules_than_a_policy_may_have)
{
    static char text[40000] = "[{\"deny\": \"a\", \"after\": \"b\"}";
    struct labels labels = {.n = 0};
    struct flow flow = {NULL, 0};
    for (int i = 1; i <= FLOW_RULES_MAX; i++)
        strcat(text, ", {\"deny\": \"a\", \"after\": \"b\"}");
    strcat(text, "]");
    load(&flow, &labels, text);
    STR_EQ(rig_problems, "deny | a policy has at most 1000 flow rules\n");
    EQ(flow.n, FLOW_RULES_MAX);
    flow_release(&flow);
    labels_release(&labels);
}

TEST(memory_that_is_short_for_rules)
{
    struct json json =
        rig_parse("[\"trifecta\", {\"deny\": \"a\", \"after\": [\"b\", \"c\"]}, \"trifecta\"]");
    FAULT_SWEEP({
        struct labels labels = {.n = 0};
        struct flow flow = {NULL, 0};
        bool nomem = false;
        rig_problems[0] = 0;
        flow_load(&flow, json.root, &labels, &rig_reader, &nomem);
        EQ(nomem, flow.n < 3);
        rig_nothing_wrong();
        flow_release(&flow);
        labels_release(&labels);
    });
    json_release(&json);
}
