/* Grants: the messages of grant_errors.txt, what is read, derived, revoked and found; labels; what
 * becomes of it when memory is short. */
#include "policy_rig.h"

/* ------------------------------------------------------------------ messages */

static struct grant *load(yyjson_val *value, struct labels *labels, bool *nomem)
{
    rig_problems[0] = 0;
    return grant_load(value, 1, labels, &rig_reader, nomem);
}

static struct grant *load_text(const char *text)
{
    struct labels labels = {.n = 0};
    struct json json = rig_parse(text);
    bool nomem = false;
    struct grant *grant = load(json.root, &labels, &nomem);
    rig_nothing_wrong();
    ASSERT(grant && !nomem);
    json_release(&json);
    labels_release(&labels);
    return grant;
}

static void try_grant(yyjson_val *value)
{
    struct labels labels = {.n = 0};
    bool nomem = false;
    OK(!load(value, &labels, &nomem));
    OK(!nomem);
    labels_release(&labels);
}

static void try_derive(yyjson_val *value)
{
    const struct labels labels = {.n = 0};
    struct grant *parent = load_text("\"t\"");
    bool nomem = false;
    OK(!grant_derive(parent, value, STR("child"), 1, false, &labels, &rig_reader, &nomem));
    OK(!nomem);
    EQ(parent->refs, 1);
    grant_unref(parent);
}

static void try_flow(yyjson_val *value)
{
    struct labels labels = {.n = 0};
    struct flow flow = {NULL, 0};
    bool nomem = false;
    flow_load(&flow, value, &labels, &rig_reader, &nomem);
    EQ(flow.n, 0);
    OK(!nomem);
    flow_release(&flow);
    labels_release(&labels);
}

static void try_policy(yyjson_val *value)
{
    struct rig_policy policy = rig_policy(value);
    OK(!policy.ok && !policy.nomem);
}

static void check_messages(unsigned line, const char *wanted)
{
    if (strcmp(rig_problems, wanted) == 0)
        return;
    printf("# grant_errors.txt:%u\n", line);
    STR_EQ(rig_problems, wanted);
}

TEST(what_is_wrong_is_told)
{
    static const struct {
        const char *word;
        void (*attempt)(yyjson_val *value);
    } kinds[] = {{"grant ", try_grant},
                 {"derive ", try_derive},
                 {"flow ", try_flow},
                 {"policy ", try_policy}};
    static char line[2000], wanted[4000];
    FILE *file = fopen("tests/unit/grant_errors.txt", "r");
    unsigned number = 0, begun = 0, cases = 0;
    ASSERT(file);
    while (fgets(line, sizeof line, file)) {
        size_t kind = 0;
        number++;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        while (kind < 4 && strncmp(line, kinds[kind].word, strlen(kinds[kind].word)) != 0)
            kind++;
        if (kind == 4) {
            strcat(wanted, line);
            continue;
        }
        if (begun)
            check_messages(begun, wanted);
        struct json json = rig_parse(line + strlen(kinds[kind].word));
        begun = number;
        wanted[0] = rig_problems[0] = 0;
        kinds[kind].attempt(json.root);
        json_release(&json);
        cases++;
    }
    check_messages(begun, wanted);
    fclose(file);
    OK(cases > 50);
}

TEST(more_parameters_than_may_be_bound)
{
    char text[2000] = "{\"tool\": \"t\", \"bind\": {\"p0\": 1";
    for (int i = 1; i <= 64; i++)
        sprintf(text + strlen(text), ", \"p%d\": 1", i);
    strcat(text, "}}");
    struct json json = rig_parse(text);
    try_grant(json.root);
    STR_EQ(rig_problems, "bind | \"bind\" has more than 64 parameters\n");
    json_release(&json);
}

/* ------------------------------------------------------------------ what is read */

static const char everything[] =
    "{\"tool\": [\"t\", \"u.*\"], \"name\": \"all of it\", \"where\": {\"a\": {\"le\": 5}},"
    " \"max_calls\": [9, {\"n\": 3}, {\"n\": 7, \"per\": \"account\"}, {\"n\": 2, \"per\": "
    "\"run\"},"
    " {\"n\": 4, \"per\": \"sandbox\"}], \"rate\": \"10/min\", \"expires\": \"2026-03-01\","
    " \"bind\": {\"k\": {\"context\": \"/key\"}, \"v\": {\"context\": 1, \"x\": 2}, \"w\": {\"c\": "
    "1}},"
    " \"additional\": true, \"labels\": [\"x\", \"y\", \"x\"], \"approve\": {\"a\": {\"gt\": 3}},"
    " \"result\": {\"drop\": [\"/a\", \"/b/*\"], \"mask\": [\"/c\"], \"max\": \"64KiB\"},"
    " \"free_failures\": true, \"withhold\": true, \"future\": true}";

TEST(everything_that_a_grant_may_say)
{
    struct grant *g = load_text(everything);
    EQ(g->tools.n, 2);
    STR_EQ(g->tools.patterns[1], "u.*");
    STR_EQ(g->name, "all of it");
    OK(g->where && g->approve_when && g->approve == APPROVE_WHEN);
    ASSERT_EQ_INT(g->n_calls, 3);
    EQ(g->calls[0].n, 3);
    EQ(g->calls[0].scope, SCOPE_ACCOUNT);
    EQ(g->calls[1].n, 2);
    EQ(g->calls[1].scope, SCOPE_RUN);
    EQ(g->calls[2].n, 4);
    EQ(g->calls[2].scope, SCOPE_SANDBOX);
    EQ(g->rate.n, 10);
    EQ(g->rate.period, UINT64_C(60000000000));
    EQ(g->expires, UINT64_C(1772323200000000000));
    ASSERT_EQ_INT(g->n_binds, 3);
    OK(!g->binds[0].value && g->binds[0].context.n == 1);
    STR_EQ(g->binds[1].value, "{\"context\":1,\"x\":2}");
    STR_EQ(g->binds[2].value, "{\"c\":1}");
    OK(grant_binds(g, STR("w")) && !grant_binds(g, STR("x")));
    EQ(g->labels, 3);
    EQ(g->result.n_drop, 2);
    EQ(g->result.n_mask, 1);
    EQ(g->result.max, 65536);
    OK(g->future && g->additional && g->free_failures && g->withhold && !g->transient);
    grant_unref(g);
    grant_unref(NULL);
}

TEST(what_a_grant_is_called)
{
    struct grant *g =
        load_text("{\"tool\": [\"refund\", \"b\"], \"approve\": \"ask\", \"rate\": \"1/day\"}");
    STR_EQ(g->name, "refund#1");
    EQ(g->approve, APPROVE_ALWAYS);
    STR_EQ(g->rate.unit, "a day");
    grant_unref(g);
    g = load_text(
        "{\"tool\": \"t\", \"where\": {}, \"bind\": {\"a\": {}}, \"result\": {\"max\": 5}}");
    STR_EQ(g->name, "t#1");
    OK(g->where);
    EQ(g->result.max, 5);
    grant_unref(g);
    char text[400] = "\"";
    memset(text + 1, 'n', 300);
    strcpy(text + 301, "\"");
    g = load_text(text);
    EQ(strlen(g->name), GRANT_NAME_MAX + 2);
    grant_unref(g);
}

/* The counters of a grant with a name are known by it, those of one without by what it says. */
TEST(what_counters_are_known_by)
{
    static const char *const texts[] = {"\"t\"",
                                        "\"t\"",
                                        "\"u\"",
                                        "{\"tool\": \"t\", \"name\": \"n\"}",
                                        "{\"tool\": \"u\", \"name\": \"n\"}",
                                        "{\"tool\": \"u\", \"name\": \"m\"}"};
    struct grant *g[6];
    for (int i = 0; i < 6; i++)
        g[i] = load_text(texts[i]);
    MEM_EQ(g[0]->key, g[1]->key, 16);
    OK(memcmp(g[0]->key, g[2]->key, 16) != 0);
    MEM_EQ(g[3]->key, g[4]->key, 16);
    OK(memcmp(g[4]->key, g[5]->key, 16) != 0);
    for (int i = 0; i < 6; i++)
        grant_unref(g[i]);
}

TEST(when_a_grant_expires)
{
    static const struct {
        const char *time;
        uint64_t wanted;
    } cases[] = {{"1970-01-01", 0},
                 {"1969-01-01", 0},
                 {"1970-01-01T00:00:00.000000001Z", 1},
                 {"2553-01-01", UINT64_C(18397756800000000000)},
                 {"2600-01-01", GRANT_UNLIMITED - 1},
                 {"9999-12-31T23:59:59Z", GRANT_UNLIMITED - 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"tool\": \"t\", \"expires\": \"%s\"}", cases[i].time);
        struct grant *g = load_text(text);
        EQ(g->expires, cases[i].wanted);
        grant_unref(g);
    }
}

TEST(one_of_its_patterns_is_enough)
{
    struct grant *g = load_text("{\"tool\": [\"a\", \"b.*\", \"c\"]}");
    OK(grant_covers(g, STR("a")) && grant_covers(g, STR("b.x")) && grant_covers(g, STR("c")));
    OK(!grant_covers(g, STR("b")) && grant_covers(NULL, STR("b")));
    grant_unref(g);
}

TEST(a_plain_grant_is_for_one_name)
{
    struct grant *g = grant_plain(STR("a.b"));
    ASSERT(g);
    STR_EQ(g->name, "a.b");
    OK(grant_covers(g, STR("a.b")) && !grant_covers(g, STR("a.c")));
    EQ(g->expires, GRANT_UNLIMITED);
    grant_unref(g);
}

/* ------------------------------------------------------------------ chains */

static struct grant *derive(struct grant *parent, const char *text, bool transient)
{
    const struct labels labels = {.n = 0};
    struct json json = rig_parse(text);
    bool nomem = false;
    rig_problems[0] = 0;
    struct grant *child = grant_derive(parent, json.root, STR("child"), parent->depth, transient,
                                       &labels, &rig_reader, &nomem);
    OK(!nomem);
    json_release(&json);
    return child;
}

TEST(sixteen_in_a_row_and_no_more)
{
    struct grant *nodes[GRANT_DEPTH];
    struct grant_chain chain;
    nodes[0] = load_text("{\"tool\": \"t.*\", \"labels\": [\"x\"]}");
    for (unsigned i = 1; i < GRANT_DEPTH; i++) {
        nodes[i] = derive(nodes[i - 1], i == 3 ? "{\"name\": \"third\"}" : "{}", i == 5);
        ASSERT(nodes[i]);
        EQ(nodes[i]->depth, i);
        EQ(nodes[i]->transient, i >= 5);
        STR_EQ(nodes[i]->name, i == 3 ? "third" : "child");
        OK(memcmp(nodes[i]->key, nodes[i - 1]->key, 16) != 0);
    }
    OK(!derive(nodes[15], "{}", false));
    STR_EQ(rig_problems, "- | a grant can be derived 15 times in a row at most\n");
    grant_chain(nodes[15], &chain);
    EQ(chain.n, GRANT_DEPTH);
    for (unsigned i = 0; i < GRANT_DEPTH; i++)
        OK(chain.nodes[i] == nodes[i]);
    OK(grant_root(nodes[15]) == nodes[0]);
    EQ(grant_labels(nodes[15]), 1);
    OK(grant_covers(nodes[15], STR("t.a")) && !grant_covers(nodes[15], STR("u")));
    /* Whoever is beneath keeps those above. */
    for (unsigned i = 0; i < GRANT_DEPTH - 1; i++)
        grant_unref(nodes[i]);
    STR_EQ(grant_root(nodes[15])->name, "t.*#1");
    grant_unref(nodes[15]);
}

TEST(revoking_at_each_level)
{
    for (unsigned at = 0; at < 4; at++) {
        struct grant *nodes[4];
        nodes[0] = load_text("\"t\"");
        for (unsigned i = 1; i < 4; i++)
            nodes[i] = derive(nodes[i - 1], "{}", false);
        grant_revoke(nodes[at]);
        for (unsigned i = 0; i < 4; i++)
            OK(grant_revoked(nodes[i]) == (i >= at ? nodes[at] : NULL));
        for (unsigned i = 0; i < 4; i++)
            grant_unref(nodes[i]);
    }
}

/* ------------------------------------------------------------------ labels */

TEST(what_a_label_is)
{
    static const char *const good[] = {"a", "Z", "a9", "a_b-c", "z0"};
    static const char *const bad[] = {"",      "9", "_a", "-", "a b", "a.", "\xc3\xa4",
                                      "a\x80", "@", "[",  "`", "{",   "a/", "a:"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        OK(label_valid(str_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        OK(!label_valid(str_of(bad[i])));
}

static struct labels many_labels(size_t n)
{
    struct labels labels = {.n = 0};
    bool nomem = false;
    for (size_t i = 0; i < n; i++) {
        char name[30];
        snprintf(name, sizeof name, "l%zu", i);
        EQ(label_bit(&labels, str_of(name), true, &nomem), UINT64_C(1) << i);
    }
    OK(!nomem);
    return labels;
}

TEST(sixty_four_labels_and_no_more)
{
    struct labels labels = many_labels(64);
    struct buf text = BUF_INIT(100);
    struct json json = rig_parse("{\"tool\": \"t\", \"labels\": [\"l63\", \"l64\"]}");
    bool nomem = false;
    EQ(label_bit(&labels, STR("l63"), true, &nomem), UINT64_C(1) << 63);
    EQ(label_bit(&labels, STR("l64"), true, &nomem), 0);
    EQ(label_bit(&labels, STR("l64"), false, &nomem), 0);
    OK(!load(json.root, &labels, &nomem));
    STR_EQ(rig_problems, "l64 | a policy has at most 64 labels\n");
    labels_words(&labels, UINT64_C(1) << 63 | 1, &text);
    STR_EQ(text.data, "\"l0\" and \"l63\"");
    buf_clear(&text);
    labels_words(&labels, 7, &text);
    STR_EQ(text.data, "\"l0\", \"l1\" and \"l2\"");
    OK(!nomem);
    buf_release(&text);
    json_release(&json);
    labels_release(&labels);
}

/* ------------------------------------------------------------------ the authority */

static const char whole[] =
    "{\"grants\": [{\"tool\": [\"github.*\", \"github.get\"], \"name\": \"hub\", \"where\": "
    "{\"id\":"
    " {\"seen_in\": {\"list\": \"/ids/*\"}}}}, {\"tool\": \"list\", \"approve\": {\"id\": "
    "{\"seen_in\":"
    " {\"list\": \"/ids/*\"}}}, \"where\": {\"id\": {\"seen_in\": {\"list\": \"/other\"}}}},"
    " {\"tool\": \"**\", \"additional\": true, \"bind\": {\"x\": 1}, \"name\": \"rest\"}, "
    "\"plain\"],"
    " \"labels\": {\"github.*\": [\"g\"], \"list\": [\"p\"], \"none.*\": [\"q\"]}, \"tools\":"
    " [{\"name\": \"github.get\", \"claimed\": [\"external\"], \"schema\": {\"properties\":"
    " {\"id\": {\"type\": \"string\"}}}}, {\"name\": \"github.put\", \"labels\": [\"own\"]},"
    " {\"name\": \"list\"}, {\"name\": \"said\", \"claimed\": [\"external\"]},"
    " {\"name\": \"plain\", \"schema\": {}}]}";

TEST(grants_are_spread_over_the_tools)
{
    struct rig rig;
    rig_open(&rig, whole);
    const struct authority *a = &rig.policy.authority;
    struct authority_tool *get = rig_tool(&rig, "github.get"), *list = rig_tool(&rig, "list");
    EQ(get->n_grants, 2); /* by two of its patterns, once */
    STR_EQ(get->grants[0]->name, "hub");
    STR_EQ(get->grants[1]->name, "rest");
    EQ(list->n_grants, 2);
    STR_EQ(list->grants[0]->name, "list#2");
    EQ(rig_tool(&rig, "plain")->n_grants, 2);
    OK(get->parameters && !list->parameters);
    EQ(get->labels, label_find(&a->labels, STR("g")));
    EQ(rig_tool(&rig, "github.put")->labels,
       label_find(&a->labels, STR("g")) | label_find(&a->labels, STR("own")));
    EQ(list->labels, label_find(&a->labels, STR("p")));
    EQ(rig_tool(&rig, "said")->labels, label_find(&a->labels, STR("external")));
    EQ(rig_tool(&rig, "plain")->labels, 0);
    EQ(a->n_sources, 2);
    EQ(list->n_sources, 2);
    EQ(get->n_sources, 0);
    STR_EQ(a->sources[0].tool, "list");
    OK(authority_find(a, STR("hub")) == get->grants[0]);
    OK(!authority_find(a, STR("hu")));
    rig_close(&rig);
}

TEST(a_derived_grant_names_known_sources)
{
    static const struct {
        const char *narrowing, *problem;
    } cases[] = {
        {"{\"where\": {\"id\": {\"seen_in\": {\"list\": \"/ids/*\"}}}}", ""},
        {"{\"approve\": {\"id\": {\"seen_in\": {\"list\": \"/other\"}}}}", ""},
        {"{\"where\": {\"id\": {\"seen_in\": {\"list\": \"/new\"}}}}",
         "- | seen_in: of a derived grant it can name only what a grant of the policy names\n"},
        {"{\"approve\": {\"id\": {\"seen_in\": {\"said\": \"/other\"}}}}",
         "- | seen_in: of a derived grant it can name only what a grant of the policy names\n"},
        {"{\"x\": 1}", "x | a derived grant has no \"x\"\n"},
    };
    struct rig rig;
    rig_open(&rig, whole);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json = rig_parse(cases[i].narrowing);
        bool nomem = false;
        rig_problems[0] = 0;
        struct grant *grant =
            authority_derive(&rig.policy.authority, rig_grant(&rig, "hub"), json.root, STR("child"),
                             1, false, &rig_reader, &nomem);
        STR_EQ(rig_problems, cases[i].problem);
        EQ(grant != NULL, cases[i].problem[0] == 0);
        grant_unref(grant);
        json_release(&json);
    }
    rig_close(&rig);
}

/* A grant of the policy that narrows another is for what both are for, and must fit as both do. */
TEST(a_grant_of_the_policy_that_narrows_another)
{
    static const char *const childs[] = {"{\"tool\": \"*\"}", "\"b\"", "\"a.x\"",
                                         "{\"tool\": \"a.*\"}"};
    static const size_t covered[] = {0, 0, 1, 1};
    for (size_t i = 0; i < 4; i++) {
        struct authority authority = {.n_grants = 0};
        const struct authority_input tools[] = {
            {STR("a.x"), STR("{\"properties\": {\"n\": {}}}"), 0, 0},
            {STR("b"), {NULL, 0}, 0, 0},
            {STR("a.y"), {NULL, 0}, 0, 0}};
        struct json top =
            rig_parse("{\"tool\": \"a.*\", \"where\": {\"n\": {\"sum_le\": 1}, \"m\": 1}}");
        struct json under = rig_parse(childs[i]);
        bool nomem = false;
        rig_problems[0] = 0;
        struct grant *parent =
            grant_narrow(top.root, 1, 0, NULL, &authority.labels, &rig_reader, &nomem);
        ASSERT(parent);
        struct grant *child =
            grant_narrow(under.root, 2, 1, parent, &authority.labels, &rig_reader, &nomem);
        ASSERT(child && authority_add(&authority, child));
        EQ(authority_complete(&authority, tools, 3, rig_nowhere, &rig_reader, &nomem),
           covered[i] == 0);
        OK(!nomem && authority.counts);
        STR_EQ(rig_problems, covered[i]
                                 ? "- | tool \"a.x\", \"m\": by the tool's schema nothing can "
                                   "stand there\n"
                                 : "");
        EQ(authority.tools[0].n_grants, covered[i]);
        EQ(authority.tools[1].n_grants, 0);
        EQ(authority.tools[2].n_grants, i == 3);
        OK(!authority.tools[2].open);
        grant_unref(parent);
        authority_release(&authority);
        json_release(&top);
        json_release(&under);
    }
}

static const char *narrow(const char *text, struct grant *parent)
{
    struct labels labels = {.n = 0};
    struct json json = rig_parse(text);
    bool nomem = false;
    rig_problems[0] = 0;
    struct grant *grant = grant_narrow(json.root, 1, 1, parent, &labels, &rig_reader, &nomem);
    EQ(grant != NULL, rig_problems[0] == 0);
    grant_unref(grant);
    json_release(&json);
    labels_release(&labels);
    return rig_problems;
}

TEST(what_a_narrowing_grant_may_say)
{
    struct grant *parent = load_text("\"t\"");
    STR_EQ(narrow("\"t\"", parent), "");
    STR_EQ(narrow("{\"tool\": \"t\", \"name\": \"n\", \"max_calls\": 1}", parent), "");
    STR_EQ(narrow("{\"max_calls\": 1}", parent), "max_calls | a grant needs \"tool\"\n");
    STR_EQ(narrow("5", parent), "- | a grant is a name, a pattern or an object, not a number\n");
    STR_EQ(narrow("{\"tool\": \"t\", \"zzzzzzzzz\": 1}", parent),
           "zzzzzzzzz | a grant that narrows another has no \"zzzzzzzzz\"\n");
    struct json json = rig_parse("{\"tool\": \"t\"}");
    FAULT_SWEEP({
        struct labels labels = {.n = 0};
        bool nomem = false;
        struct grant *grant = grant_narrow(json.root, 1, 1, parent, &labels, &rig_reader, &nomem);
        EQ(nomem, grant == NULL);
        grant_unref(grant);
    });
    json_release(&json);
    grant_unref(parent);
}

TEST(what_is_open_and_what_counts)
{
    static const struct {
        const char *policy;
        bool open, counts;
    } cases[] = {
        {"{\"grants\": [\"t\"], \"tools\": [{\"name\": \"t\"}]}", true, false},
        {"{\"grants\": [], \"tools\": [{\"name\": \"t\"}]}", false, false},
        {"{\"grants\": [\"t\"], \"tools\": [{\"name\": \"t\", \"schema\": {}}]}", false, false},
        {"{\"grants\": [\"t\"], \"tools\": [{\"name\": \"t\", \"labels\": [\"x\"]}]}", false, true},
        {"{\"grants\": [\"t\"], \"flow\": \"trifecta\", \"tools\": [{\"name\": \"t\"}]}", true,
         true},
        {"{\"grants\": [{\"tool\": \"t\", \"where\": {\"a\": 1}}], \"tools\": [{\"name\": \"t\"}]}",
         false, false},
        {"{\"grants\": [{\"tool\": \"t\", \"where\": {\"a\": {\"sum_le\": 1}}}], \"tools\": "
         "[{\"name\": \"t\"}]}",
         false, true},
        {"{\"grants\": [{\"tool\": \"t\", \"max_calls\": 1}], \"tools\": [{\"name\": \"t\"}]}",
         false, true},
        {"{\"grants\": [{\"tool\": \"t\", \"rate\": \"1/s\"}], \"tools\": [{\"name\": \"t\"}]}",
         false, true},
        {"{\"grants\": [{\"tool\": \"t\", \"labels\": [\"x\"]}], \"tools\": [{\"name\": \"t\"}]}",
         false, true},
        {"{\"grants\": [{\"tool\": \"t\", \"expires\": \"2100-01-01\"}], \"tools\": [{\"name\": "
         "\"t\"}]}",
         false, false},
        {"{\"grants\": [{\"tool\": \"t\", \"bind\": {\"a\": 1}}], \"tools\": [{\"name\": \"t\"}]}",
         false, false},
        {"{\"grants\": [{\"tool\": \"t\", \"approve\": \"ask\"}], \"tools\": [{\"name\": \"t\"}]}",
         false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        rig_open(&rig, cases[i].policy);
        EQ(rig_tool(&rig, "t")->open, cases[i].open);
        EQ(rig.policy.authority.counts, cases[i].counts);
        rig_close(&rig);
    }
}

/* ------------------------------------------------------------------ memory that is short */

TEST(memory_that_is_short_for_a_policy)
{
    struct json json = rig_parse(whole);
    FAULT_SWEEP({
        struct rig_policy policy = rig_policy(json.root);
        OK(policy.ok != policy.nomem);
        rig_nothing_wrong();
        authority_release(&policy.authority);
    });
    json_release(&json);
}

TEST(memory_that_is_short_for_a_grant)
{
    struct json json = rig_parse(everything), narrowing = rig_parse("{\"where\": {\"a\": 1}}");
    FAULT_SWEEP({
        struct labels labels = {.n = 0};
        bool nomem = false;
        struct grant *grant = load(json.root, &labels, &nomem), *child = NULL;
        EQ(nomem, grant == NULL);
        if (grant)
            child = grant_derive(grant, narrowing.root, STR("x"), 1, true, &labels, &rig_reader,
                                 &nomem);
        EQ(nomem, child == NULL);
        rig_nothing_wrong();
        grant_unref(child);
        grant_unref(grant);
        labels_release(&labels);
    });
    FAULT_SWEEP(grant_unref(grant_plain(STR("tool"))));
    json_release(&json);
    json_release(&narrowing);
}
