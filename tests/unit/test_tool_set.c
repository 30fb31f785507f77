/* Registration: names, identifiers, schemas, grants; what is refused and with which words. */
#include "base/buf.h"
#include "base/mem.h"
#include "grants.h"
#include "tap.h"
#include "tool/tool.h"

static void answer_null(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "null", 4);
}

static const char *add(struct toolset *set, const char *name, const char *schema)
{
    static struct capful_error err;
    struct capful_tool tool = {.name = name, .schema = schema, .call = answer_null};
    return toolset_add(set, &tool, &err) == 0 ? "" : err.text;
}

static struct toolset *new_set(void)
{
    struct toolset *set = NULL;
    EQ(toolset_new(&set, NULL), 0);
    return set;
}

TEST(set_names_of_all_kinds)
{
    struct toolset *set = new_set();
    STR_EQ(add(set, "get_order", NULL), "");
    STR_EQ(add(set, "github.create-issue", NULL), "");
    STR_EQ(add(set, "/pets/{petId}", NULL), "");
    STR_EQ(add(set, "\xe5\xa4\xa9\xe6\xb0\x97", NULL), ""); /* Japanese */
    STR_EQ(add(set, "caf\xc3\xa9 menu", NULL), "");
    STR_EQ(add(set, "\xf0\x9f\x8d\x95", NULL), ""); /* a pizza */
    STR_EQ(add(set, "2fast", NULL), "");
    STR_EQ(add(set, "__proto__", NULL), "");
    STR_EQ(add(set, "constructor", NULL), "");
    EQ(toolset_count(set), 9);
    static const char *const aliases[] = {"get_order",        "github_create_issue",
                                          "_pets__petId_",    "\xe5\xa4\xa9\xe6\xb0\x97",
                                          "caf\xc3\xa9_menu", "_",
                                          "_2fast",           "__proto__",
                                          "constructor"};
    for (size_t i = 0; i < 9; i++) {
        STR_EQ(toolset_at(set, i)->alias, aliases[i]);
        OK(toolset_find(set, str_of(toolset_at(set, i)->name)) == toolset_at(set, i));
        OK(toolset_find(set, str_of(aliases[i])) == toolset_at(set, i));
    }
    OK(toolset_at(set, 9) == NULL);
    OK(toolset_find(set, STR("nothing")) == NULL);
    toolset_unref(set);
}

TEST(set_refuses_bad_names)
{
    struct toolset *set = new_set();
    char longest[TOOL_NAME_MAX + 2];
    memset(longest, 'n', sizeof longest);
    longest[TOOL_NAME_MAX + 1] = 0;
    STR_EQ(add(set, NULL, NULL), "the name is missing");
    STR_EQ(add(set, "", NULL), "the name is empty");
    STR_EQ(add(set, longest, NULL), "the name is longer than 256 bytes");
    longest[TOOL_NAME_MAX] = 0;
    STR_EQ(add(set, longest, NULL), "");
    STR_EQ(add(set, "a\nb", NULL), "the name holds a control character");
    STR_EQ(add(set, "a\x7f", NULL), "the name holds a control character");
    STR_EQ(add(set, "a\xc2\x85", NULL), "the name holds a control character");
    STR_EQ(add(set, "a\xe2\x80\xa8", NULL), "the name holds a control character");
    STR_EQ(add(set, "a\xe2\x80\xae", NULL),
           "the name holds a control character for the direction of text");
    STR_EQ(add(set, "a\xff", NULL), "the name is not UTF-8");
    EQ(toolset_count(set), 1);
    toolset_unref(set);
}

TEST(set_two_names_with_one_identifier)
{
    struct toolset *set = new_set();
    STR_EQ(add(set, "get-order", NULL), "");
    STR_EQ(add(set, "get-order", NULL), "tool \"get-order\": there is a tool of that name already");
    STR_EQ(add(set, "get_order", NULL), "tool \"get_order\": as an identifier the name is "
                                        "\"get_order\", and so is that of the tool \"get-order\"");
    STR_EQ(add(set, "get.order", NULL), "tool \"get.order\": as an identifier the name is "
                                        "\"get_order\", and so is that of the tool \"get-order\"");
    STR_EQ(add(set, "a_b", NULL), "");
    STR_EQ(
        add(set, "a b", NULL),
        "tool \"a b\": as an identifier the name is \"a_b\", and so is that of the tool \"a_b\"");
    EQ(toolset_count(set), 2);
    toolset_unref(set);
}

TEST(set_schemas_are_checked)
{
    struct toolset *set = new_set();
    STR_EQ(
        add(set, "a", "{\"type\": \"object\", \"properties\": {\"n\": {\"type\": \"integer\"}}}"),
        "");
    STR_EQ(toolset_at(set, 0)->schema_text,
           "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}");
    STR_EQ(add(set, "b", " {\"type\":\"object\", \"properties\":{\"n\":{\"type\":\"integer\"}}}"),
           "");
    OK(toolset_at(set, 1)->schema == toolset_at(set, 0)->schema);
    STR_EQ(add(set, "c", "{\"type\":\n \"object\",}"),
           "tool \"c\": the schema is not valid JSON, line 2, column 11: '}' where a key in quotes "
           "should be");
    STR_EQ(add(set, "c", "{\"type\":\"string\"}"),
           "tool \"c\": arguments are an object: the schema's type must be \"object\"");
    STR_EQ(add(set, "c", "true"), "tool \"c\": a schema must be an object");
    STR_EQ(add(set, "c", "{\"a\":1,\"a\":2}"), "tool \"c\": the schema is not valid JSON, line 1, "
                                               "column 8: the key \"a\" stands here twice");
    OK(strstr(add(set, "c", "{\"type\":\"obect\"}"), "the schema's type must be") != NULL);
    OK(strstr(add(set, "c", "{\"properties\":{\"x\":{\"type\":\"strnig\"}}}"),
              "the schema is not valid: ") != NULL);
    OK(strstr(add(set, "c", "{\"$ref\":\"#\"}"), "the schema is not valid: ") != NULL);
    OK(strstr(add(set, "c", "{\"$ref\":\"https://example.com/x\"}"), "the schema is not valid: ") !=
       NULL);
    OK(strstr(add(set, "c", "{\"properties\":{\"x\":{\"pattern\":\"(\"}}}"),
              "the schema is not valid: ") != NULL);
    EQ(toolset_count(set), 2);
    toolset_unref(set);
}

TEST(set_grants)
{
    static const struct {
        const char *grants, *problem;
    } wrong[] = {
        {"[\"refnud\"]", "there is no tool \"refnud\"; did you mean \"refund\"?"},
        {"[\"get_order\"]", "there is no tool \"get_order\"; did you mean \"get-order\"?"},
        {"[\"something else\"]", "there is no tool \"something else\""},
        {"[\"crm.*\"]", "no tool matches \"crm.*\""},
    };
    struct toolset *set = new_set();
    struct capful_error err = {.code = 0};
    add(set, "refund", NULL);
    add(set, "get-order", NULL);
    OK(!tool_granted(toolset_at(set, 0)));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EQ(grants_give(set, wrong[i].grants, &err), CAPFUL_EPOLICY);
        STR_EQ(err.text, wrong[i].problem);
        OK(!tool_granted(toolset_at(set, 0)));
    }
    EQ(grants_give(set, "[{\"tool\":\"refund\",\"max_calls\":5},\"*\"]", &err), 0);
    EQ(toolset_at(set, 0)->authority->n_grants, 2);
    EQ(toolset_at(set, 0)->authority->grants[0]->calls[0].n, 5);
    EQ(toolset_at(set, 1)->authority->n_grants, 1);
    EQ(toolset_seal(set, &err), 0);
    struct capful_tool late = {.name = "late"};
    EQ(toolset_add(set, &late, &err), CAPFUL_ESTATE);
    toolset_unref(set);
}

static int released;

static void count_release(void *context)
{
    released += *(int *)context;
}

TEST(set_releases_each_context_once)
{
    int one = 1, hundred = 100;
    struct capful_error err;
    struct toolset *set = new_set();
    struct capful_tool a = {
        .name = "a", .call = answer_null, .context = &one, .release = count_release};
    struct capful_tool b = {
        .name = "b", .call = answer_null, .context = &hundred, .release = count_release};
    released = 0;
    EQ(toolset_add(set, &a, &err), 0);
    EQ(toolset_add(set, &b, &err), 0);
    EQ(toolset_add(set, &b, &err), CAPFUL_ETOOL);
    EQ(released, 0);
    EQ(grants_give(set, "[\"a\"]", &err), 0);
    EQ(toolset_hide_ungranted(set, &err), 0);
    EQ(toolset_count(set), 1);
    OK(toolset_find(set, STR("b")) == NULL);
    EQ(released, 0);
    toolset_ref(set);
    toolset_unref(set);
    EQ(released, 0);
    toolset_unref(set);
    EQ(released, 101);
}

TEST(set_truncate_takes_names_back)
{
    struct toolset *set = new_set();
    add(set, "keep", NULL);
    add(set, "get-x", "{\"properties\":{}}");
    add(set, "other", NULL);
    toolset_truncate(set, 1);
    EQ(toolset_count(set), 1);
    OK(toolset_find(set, STR("get_x")) == NULL);
    OK(toolset_find(set, STR("keep")) != NULL);
    STR_EQ(add(set, "get_x", "{\"properties\":{}}"), "");
    EQ(toolset_count(set), 2);
    toolset_unref(set);
}

TEST(set_survives_every_failed_allocation)
{
    uint64_t before = mem_live_blocks();
    int failures = 0;
    for (uint64_t n = 1; n < 1000; n++) {
        struct toolset *set = new_set();
        struct capful_tool tool = {
            .name = "get-order", .schema = "{\"properties\":{\"a\":{}}}", .call = answer_null};
        struct capful_error err = {0, 0, 0, ""};
        mem_fail_after(n);
        int failed = toolset_add(set, &tool, &err);
        if (!failed) {
            tool.name = "second";
            failed = toolset_add(set, &tool, &err);
        }
        if (!failed)
            failed = grants_give(set, "[{\"tool\":\"second\",\"where\":{\"a\":5}}]", &err);
        if (!failed)
            failed = toolset_hide_ungranted(set, &err);
        if (!failed)
            failed = toolset_seal(set, &err);
        mem_fail_after(0);
        if (failed) {
            EQ(failed, CAPFUL_ENOMEM);
            STR_EQ(err.text, "out of memory");
        }
        toolset_unref(set);
        EQ(mem_live_blocks(), before);
        if (!failed)
            break;
        failures++;
    }
    OK(failures > 20);
}
