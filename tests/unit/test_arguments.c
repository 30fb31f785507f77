/* The arguments of a call: what a schema names, defaults, what a grant fills in. */
#include "policy_rig.h"

static struct parameters *parameters(struct json *schema, const char *text)
{
    *schema = rig_parse(text);
    struct parameters *made = parameters_new(schema->root);
    ASSERT(made);
    return made;
}

/* The text that is sent, or what is wrong. */
static const char *read_with(const char *schema_text, const char *text, unsigned depth)
{
    static char result[4000];
    struct json schema = {NULL, NULL, 0};
    struct parameters *p = schema_text ? parameters(&schema, schema_text) : NULL;
    struct json_problem problem = {0, false, ""};
    struct arguments arguments;
    enum arguments_result got = arguments_read(str_of(text), depth, p, &arguments, &problem);
    if (got == ARGUMENTS_OK) {
        EQ(strlen(arguments.text), arguments.len);
        snprintf(result, sizeof result, "%s", arguments.text);
        arguments_release(&arguments);
    } else {
        snprintf(result, sizeof result, "%s", problem.text);
    }
    parameters_free(p);
    json_release(&schema);
    return result;
}

/* ------------------------------------------------------------------ names */

TEST(which_arguments_a_schema_names)
{
    static const struct {
        const char *schema, *known, *unknown;
    } cases[] = {
        {"{\"properties\": {\"a\": {}, \"b\": true}}", "a b", "c aa x"},
        {"true", "", "a"},
        {"{}", "", "a"},
        {"{\"additionalProperties\": true}", "a", ""},
        {"{\"additionalProperties\": {\"type\": \"string\"}}", "a", ""},
        {"{\"unevaluatedProperties\": true}", "a", ""},
        {"{\"unevaluatedProperties\": {}}", "a", ""},
        {"{\"additionalProperties\": false, \"properties\": {\"a\": {}}}", "a", "b"},
        {"{\"patternProperties\": {\"^x-\": {}, \"(?=y)\": {}, \"z$\": {}}}", "x-a z", "y xa"},
        {"{\"patternProperties\": {}}", "", "a"},
        {"{\"allOf\": [{\"additionalProperties\": true}, {}]}", "a", ""},
        {"{\"patternProperties\": []}", "", "a"},
        {"{\"allOf\": [{\"properties\": {\"a\": {}}}, {\"patternProperties\": {\"^p\": {}}}, true],"
         " \"anyOf\": [{\"properties\": {\"b\": {}}}], \"oneOf\": [{\"properties\": {\"c\": {}}}],"
         " \"if\": {\"properties\": {\"d\": {}}}, \"then\": {\"properties\": {\"e\": {}}},"
         " \"else\": {\"allOf\": [{\"properties\": {\"f\": {}}}]}}",
         "a b c d e f pq", "g"},
        {"{\"$ref\": \"#/$defs/x\", \"$defs\": {\"x\": {\"properties\": {\"a\": {}}}}}", "a", "b"},
        {"{\"$ref\": \"#\", \"properties\": {\"a\": {}}}", "a", "b"},
        {"{\"$ref\": \"#/nowhere\", \"properties\": {\"a\": {}}}", "a", "b"},
        {"{\"$ref\": \"http://x/y\"}", "", "a"},
        {"{\"$ref\": \"\"}", "", "a"},
        {"{\"$ref\": 5}", "", "a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json schema;
        struct parameters *p = parameters(&schema, cases[i].schema);
        char words[200];
        snprintf(words, sizeof words, "%s", cases[i].known);
        for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
            OK(parameters_know(p, str_of(word)));
        snprintf(words, sizeof words, "%s", cases[i].unknown);
        for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
            OK(!parameters_know(p, str_of(word)));
        parameters_free(p);
        json_release(&schema);
    }
    OK(parameters_know(NULL, STR("anything")));
    parameters_free(NULL);
}

/* Beyond 64 subschemas names are not known any more, whichever way they hang together. */
TEST(more_subschemas_than_are_looked_at)
{
    static char wide[10000], chained[10000];
    struct json schema;
    strcpy(wide, "{\"properties\": {\"first\": {}}, \"allOf\": [{}");
    for (int i = 0; i < 70; i++)
        sprintf(wide + strlen(wide), ", {\"properties\": {\"p%d\": {}}}", i);
    strcat(wide, "]}");
    struct parameters *p = parameters(&schema, wide);
    OK(parameters_know(p, STR("first")) && !parameters_know(p, STR("p69")));
    parameters_free(p);
    json_release(&schema);
    p = parameters(
        &schema,
        "{\"if\": {\"$ref\": \"#\"}, \"then\": {\"$ref\": \"#\"}, \"properties\": {\"a\": {}}}");
    OK(parameters_know(p, STR("a")) && !parameters_know(p, STR("b")));
    parameters_free(p);
    json_release(&schema);
    for (int i = 0; i < 70; i++)
        strcat(chained, "{\"if\": ");
    strcat(chained, "{\"properties\": {\"deep\": {}}}");
    for (int i = 0; i < 70; i++)
        strcat(chained, "}");
    p = parameters(&schema, chained);
    OK(!parameters_know(p, STR("deep")));
    parameters_free(p);
    json_release(&schema);
}

/* ------------------------------------------------------------------ reading and defaults */

TEST(arguments_are_read_once_and_written_anew)
{
    static const struct {
        const char *schema, *text, *wanted;
    } cases[] = {
        {NULL, "{ \"a\" : 1.50, \"b\": [1, 2] }", "{\"a\":1.50,\"b\":[1,2]}"},
        {"{}", "{}", "{}"},
        {NULL, "[1]", "the arguments must be an object, not a list"},
        {NULL, "5", "the arguments must be an object, not a number"},
        {NULL, "{\"a\": 1, \"a\": 2}", "the key \"a\" stands here twice"},
        {"{\"properties\": {\"a\": {\"default\": 1}}}", "{}", "{\"a\":1}"},
        {"{\"properties\": {\"a\": {\"default\": 1.50}}}", "{\"a\": null}", "{\"a\":null}"},
        {"{\"properties\": {\"a\": {\"default\": {\"x\": [\"y\"]}}, \"b\": {}}}", "{\"c\": 1}",
         "{\"c\":1,\"a\":{\"x\":[\"y\"]}}"},
        {"{\"properties\": {\"o\": {\"properties\": {\"a\": {\"default\": 1}}}}}", "{\"o\": {}}",
         "{\"o\":{\"a\":1}}"},
        {"{\"properties\": {\"o\": {\"properties\": {\"a\": {\"default\": 1}}}}}", "{}", "{}"},
        {"{\"properties\": {\"o\": {\"properties\": {\"a\": {\"default\": 1}}}}}", "{\"o\": 3}",
         "{\"o\":3}"},
        {"{\"properties\": {\"o\": {\"$ref\": \"#/d\"}}, \"d\": {\"default\": 7}}", "{}",
         "{\"o\":7}"},
        {"{\"properties\": {\"o\": {\"$ref\": \"#/none\"}}, \"default\": 7}", "{}", "{}"},
        {"{\"properties\": {\"\": {\"default\": 7}}}", "{}", "{\"\":7}"},
        {"{\"allOf\": [{\"properties\": {\"a\": {\"default\": 1}}}], \"properties\": {\"b\": "
         "{\"default\": 2}}}",
         "{}", "{\"b\":2,\"a\":1}"},
        {"{\"properties\": [], \"default\": 1}", "{}", "{}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        STR_EQ(read_with(cases[i].schema, cases[i].text, 10), cases[i].wanted);
}

TEST(a_schema_that_asks_for_defaults_without_end)
{
    static const char once[] =
        "{\"properties\": {\"a\": {\"$ref\": \"#\", \"default\": {}}}, \"default\": {}}";
    static const char twice[] =
        "{\"properties\": {\"a\": {\"$ref\": \"#\"}, \"b\": {\"$ref\": \"#\"}}, \"default\": {}}";
    STR_EQ(read_with(once, "{}", 3), "{\"a\":{\"a\":{\"a\":{}}}}");
    STR_EQ(read_with(twice, "{}", 2), "{\"a\":{\"a\":{},\"b\":{}},\"b\":{\"a\":{},\"b\":{}}}");
    STR_EQ(read_with(twice, "{}", 100), "the schema has more than 1 MiB of defaults");
}

/* ------------------------------------------------------------------ what a grant fills in */

static struct grant *load(const char *text)
{
    struct labels labels = {.n = 0};
    struct json json = rig_parse(text);
    bool nomem = false;
    struct grant *grant = grant_load(json.root, 1, &labels, &rig_reader, &nomem);
    rig_nothing_wrong();
    ASSERT(grant);
    json_release(&json);
    return grant;
}

TEST(what_the_host_fills_in)
{
    static const struct {
        const char *grant, *context, *text, *wanted;
    } cases[] = {
        {"\"t\"", NULL, "{\"a\": 1}", "same"},
        {"{\"tool\": \"t\", \"bind\": {\"k\": \"v\"}}", NULL, "{\"a\": 1}",
         "{\"a\":1,\"k\":\"v\"}"},
        {"{\"tool\": \"t\", \"bind\": {\"a\": {\"x\": 1.0}}}", NULL, "{\"a\": 1, \"b\": 2}",
         "{\"a\":{\"x\":1.0},\"b\":2}"},
        {"{\"tool\": \"t\", \"bind\": {\"u\": {\"context\": \"/user/id\"}}}",
         "{\"user\": {\"id\": 7}}", "{}", "{\"u\":7}"},
        {"{\"tool\": \"t\", \"bind\": {\"u\": {\"context\": \"\"}}}", "{\"x\": 1}", "{}",
         "{\"u\":{\"x\":1}}"},
        {"{\"tool\": \"t\", \"bind\": {\"u\": {\"context\": \"/user/id\"}}}", "{\"user\": {}}",
         "{}", "the host has said nothing for \"u\""},
        {"{\"tool\": \"t\", \"bind\": {\"u\": {\"context\": \"/user\"}}}", NULL, "{}",
         "the host has said nothing for \"u\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grant *grant = load(cases[i].grant);
        struct json context = {NULL, NULL, 0};
        struct json_problem problem;
        struct buf why = BUF_INIT(1000);
        struct arguments given, made;
        if (cases[i].context)
            context = rig_parse(cases[i].context);
        ASSERT(arguments_read(str_of(cases[i].text), 10, NULL, &given, &problem) == ARGUMENTS_OK);
        switch (arguments_bind(&given, grant, context.root, &made, &why)) {
        case BIND_SAME: STR_EQ("same", cases[i].wanted); break;
        case BIND_MADE:
            STR_EQ(made.text, cases[i].wanted);
            arguments_release(&made);
            break;
        case BIND_MISSING: STR_EQ(why.data, cases[i].wanted); break;
        case BIND_NOMEM: OK(!"memory is short"); break;
        }
        buf_release(&why);
        arguments_release(&given);
        json_release(&context);
        grant_unref(grant);
    }
}

TEST(which_arguments_may_be_given)
{
    static const char schema_text[] = "{\"properties\": {\"a\": {}, \"d\": {\"default\": 1}}}";
    static const struct {
        const char *grant;
        bool schema;
        const char *text, *wanted;
    } cases[] = {
        {"\"t\"", false, "{\"x\": 1}", ""},
        {"\"t\"", true, "{\"a\": 1}", ""},
        {"\"t\"", true, "{\"a\": 1, \"x\": 1}", "it takes no argument \"x\""},
        {"{\"tool\": \"t\", \"additional\": true}", true, "{\"x\": 1}", ""},
        {"\"t\"", true, "{}", ""},
        {"{\"tool\": \"t\", \"bind\": {\"a\": 1}}", true, "{}", ""},
        {"{\"tool\": \"t\", \"bind\": {\"a\": 1}}", true, "{\"a\": 1}",
         "it takes no argument \"a\""},
        {"{\"tool\": \"t\", \"bind\": {\"a\": 1}}", false, "{\"b\": 1}", ""},
        {"{\"tool\": \"t\", \"bind\": {\"a\": 1}, \"additional\": true}", true, "{\"z\": 1}", ""},
        /* What is there by default was not given. */
        {"{\"tool\": \"t\", \"bind\": {\"d\": 2}}", true, "{}", ""},
        {"{\"tool\": \"t\", \"bind\": {\"d\": 2}}", true, "{\"d\": 1}",
         "it takes no argument \"d\""},
        {"\"t\"", true,
         "{\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxxxxxxxxxxxx\": 1}",
         "it takes no argument "
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xxxxxxxxxxxxx\""},
    };
    struct json schema;
    struct parameters *p = parameters(&schema, schema_text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grant *grant = load(cases[i].grant);
        struct json_problem problem;
        struct buf why = BUF_INIT(1000);
        struct arguments given;
        const struct parameters *use = cases[i].schema ? p : NULL;
        ASSERT(arguments_read(str_of(cases[i].text), 10, use, &given, &problem) == ARGUMENTS_OK);
        EQ(arguments_allowed(&given, grant, use, &why), cases[i].wanted[0] == 0);
        STR_EQ(buf_str(&why).ptr, cases[i].wanted);
        buf_release(&why);
        arguments_release(&given);
        grant_unref(grant);
    }
    parameters_free(p);
    json_release(&schema);
}

TEST(a_schema_that_allows_others)
{
    struct json schema;
    struct parameters *p = parameters(&schema, "{\"additionalProperties\": true}");
    struct grant *grant = load("\"t\"");
    struct json_problem problem;
    struct buf why = BUF_INIT(1000);
    struct arguments given;
    ASSERT(arguments_read(STR("{\"x\": 1}"), 10, p, &given, &problem) == ARGUMENTS_OK);
    OK(arguments_allowed(&given, grant, p, &why));
    arguments_release(&given);
    grant_unref(grant);
    parameters_free(p);
    json_release(&schema);
}

/* ------------------------------------------------------------------ the schema for others */

static bool starts_with_x(void *context, struct str name)
{
    (void)context;
    return name.len > 0 && name.ptr[0] == 'x';
}

TEST(a_schema_without_what_is_hidden)
{
    static const struct {
        const char *schema, *wanted;
    } cases[] = {
        {"{\"properties\": {\"xa\": {}, \"b\": {\"x\": 1}}, \"required\": [\"xa\", \"b\", 5]}",
         "{\"properties\":{\"b\":{\"x\":1}},\"required\":[\"b\",5]}"},
        {"{\"type\": \"object\"}", "{\"type\":\"object\"}"},
        {"true", "true"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json schema = rig_parse(cases[i].schema);
        size_t len;
        char *text = parameters_schema_without(schema.root, starts_with_x, NULL, &len);
        STR_EQ(text, cases[i].wanted);
        EQ(len, strlen(cases[i].wanted));
        mem_free(text);
        json_release(&schema);
    }
}

/* ------------------------------------------------------------------ memory that is short */

/* Large enough that the library has to ask for more within each step. */
TEST(memory_that_is_short_for_arguments)
{
    static char large[40000], binds[40000];
    strcpy(
        large,
        "{\"patternProperties\": {\"^p\": {}}, \"allOf\": [{\"patternProperties\": {\"^q\": {}}}],"
        " \"properties\": {\"d\": {\"default\": {\"x\": 1}}");
    strcpy(binds, "{\"tool\": \"t\", \"bind\": {\"a\": 1, \"b\": {\"context\": \"/x\"}");
    for (int i = 0; i < 60; i++) {
        sprintf(large + strlen(large), ", \"default-%0200d\": {\"default\": 1}", i);
        sprintf(binds + strlen(binds), ", \"bound-%0200d\": %d%0100d", i, i + 1, i);
    }
    strcat(large, "}}");
    strcat(binds, "}}");
    struct json schema = rig_parse(large);
    struct grant *grant = load(binds);
    struct json context = rig_parse("{\"x\": [1, \"text\"]}");
    FAULT_SWEEP({
        struct parameters *p = parameters_new(schema.root);
        struct json_problem problem;
        struct arguments given;
        struct arguments made;
        struct buf why = BUF_INIT(100);
        size_t len;
        if (p && arguments_read(STR("{\"c\": 1}"), 10, p, &given, &problem) == ARGUMENTS_OK) {
            if (arguments_bind(&given, grant, context.root, &made, &why) == BIND_MADE) {
                EQ(memcmp(made.text, "{\"c\":1,\"d\":{\"x\":1},\"def", 23), 0);
                arguments_release(&made);
            }
            arguments_release(&given);
        }
        if (arguments_read(STR("{\"c\": 1}"), 10, NULL, &given, &problem) == ARGUMENTS_OK)
            arguments_release(&given);
        mem_free(parameters_schema_without(schema.root, starts_with_x, NULL, &len));
        buf_release(&why);
        parameters_free(p);
    });
    json_release(&context);
    json_release(&schema);
    grant_unref(grant);
}
