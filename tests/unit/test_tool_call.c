/* The life of a call: decided, handed out, answered, fetched; limits, budgets, time, the end of the
 * run. */
#include <pthread.h>
#include <unistd.h>

#include "base/buf.h"
#include "grants.h"
#include "tool_rig.h"

/* ------------------------------------------------------------------ tools of these tests */

static void echo(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    (void)context;
    capful_call_answer(call, arguments, len);
}

/* Answers with the text of its context. */
static void say(struct capful_call *call, void *context)
{
    capful_call_answer(call, context, strlen(context));
}

static void say_text(struct capful_call *call, void *context)
{
    capful_call_answer_text(call, context, strlen(context));
}

static void fail(struct capful_call *call, void *context)
{
    capful_call_fail(call, "not_found", "no such order", context);
}

/* Keeps the call for later. */
struct shelf {
    struct capful_call *calls[64];
    size_t n;
};

static void shelve(struct capful_call *call, void *context)
{
    struct shelf *shelf = context;
    shelf->calls[shelf->n++] = call;
}

static struct toolset *set_of(const struct capful_tool *tools, size_t n)
{
    struct toolset *set = NULL;
    EQ(toolset_new(&set, NULL), 0);
    for (size_t i = 0; i < n; i++)
        EQ(toolset_add(set, &tools[i], NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    return set;
}

static struct toolset *set_of_one(const char *name, capful_tool_fn function, void *context)
{
    struct capful_tool tool = {.name = name, .call = function, .context = context};
    return set_of(&tool, 1);
}

#define REFUND_SCHEMA                                                                              \
    "{\"type\":\"object\",\"properties\":{\"amount\":{\"type\":\"number\",\"maximum\":100}},"      \
    "\"required\":[\"amount\"],\"additionalProperties\":false}"

/* ------------------------------------------------------------------ decisions */

TEST(call_answers_at_once)
{
    struct tool_rig r;
    uint32_t id = 0;
    rig_begin(&r, set_of_one("echo", echo, NULL), NULL);
    OK(!tool_dispatch(r.host, clock_monotonic()));
    id = rig_start(&r, "echo", "{\"a\":[1,2.50,\"x\"]}");
    OK(tool_queued(r.host));
    OK(tool_call_pending(r.process));
    EQ(rig_take(&r, NULL), CAPFUL_CALL_NONE);
    OK(tool_dispatch(r.host, clock_monotonic()));
    OK(!tool_queued(r.host));
    OK(!tool_in_flight(r.host));
    OK(!tool_call_pending(r.process));
    uint32_t got = 0;
    EQ(rig_take(&r, &got), CAPFUL_CALL_OK);
    EQ(got, id);
    STR_EQ(r.text, "{\"a\":[1,2.50,\"x\"]}");
    struct str gone;
    EQ(tool_call_take(r.host, r.process, id, &gone), ERRNO_NOENT);
    EQ(tool_record_count(r.host), 1);
    const struct capful_record *record = tool_record(r.host, 0);
    STR_EQ(record->tool, "echo");
    STR_EQ(record->arguments, "{\"a\":[1,2.50,\"x\"]}");
    EQ(record->outcome, CAPFUL_CALL_DONE);
    OK(record->message == NULL);
    EQ(record->result_len, 18);
    OK(record->end >= record->start);
    struct tool_usage usage;
    tool_get_usage(r.host, &usage);
    EQ(usage.calls, 1);
    EQ(usage.argument_bytes, 18);
    EQ(usage.result_bytes, 18);
    EQ(usage.denials, 0);
    rig_end(&r);
}

TEST(call_without_a_tool)
{
    static const struct capful_tool tools[] = {{.name = "get_order", .call = echo},
                                               {.name = "refund", .call = echo}};
    struct tool_rig r;
    rig_begin(&r, set_of(tools, 2), NULL);
    EQ(rig_call(&r, "get_ordr", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text,
           "{\"name\":\"ToolError\",\"tool\":\"get_ordr\",\"code\":\"not_found\",\"message\":"
           "\"there is no tool "
           "\\\"get_ordr\\\"; did you mean \\\"get_order\\\"? There are: get_order, refund\"}");
    EQ(rig_call(&r, "launch_rocket", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "there is no tool \\\"launch_rocket\\\". There are: get_order, refund") !=
       NULL);
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_FAILED);
    rig_end(&r);
    rig_begin(&r, NULL, NULL);
    EQ(rig_call(&r, "anything", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "there is no tool \\\"anything\\\". There are none.") != NULL);
    OK(!tool_has(r.host, r.process, STR("anything")));
    rig_end(&r);
}

TEST(call_by_alias_is_recorded_by_name)
{
    struct tool_rig r;
    rig_begin(&r, set_of_one("get-order", echo, NULL), NULL);
    OK(tool_has(r.host, r.process, STR("get-order")));
    OK(tool_has(r.host, r.process, STR("get_order")));
    EQ(rig_call(&r, "get_order", "{}"), CAPFUL_CALL_OK);
    STR_EQ(tool_record(r.host, 0)->tool, "get-order");
    rig_end(&r);
}

TEST(call_not_granted)
{
    struct tool_rig r;
    struct toolset *set = NULL;
    struct capful_tool refund = {.name = "refund", .call = echo};
    EQ(toolset_new(&set, NULL), 0);
    EQ(toolset_add(set, &refund, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    rig_begin(&r, set, NULL);
    EQ(rig_call(&r, "refund", "{}"), CAPFUL_CALL_DENIED);
    STR_EQ(r.text, "{\"name\":\"ToolDenied\",\"tool\":\"refund\",\"code\":\"not_granted\","
                   "\"message\":\"refund denied: "
                   "it is not granted\"}");
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_REFUSED);
    STR_EQ(tool_record(r.host, 0)->message, "refund denied: it is not granted");
    struct buf list = BUF_INIT(1000);
    EQ(tool_list(r.host, r.process, &list), 0);
    STR_EQ(list.data, "[]");
    buf_release(&list);
    struct tool_usage usage;
    tool_get_usage(r.host, &usage);
    EQ(usage.denials, 1);
    rig_end(&r);
}

TEST(call_list)
{
    static const struct capful_tool tools[] = {{.name = "get-order", .call = echo},
                                               {.name = "a\"b", .call = echo}};
    struct tool_rig r;
    struct buf list = BUF_INIT(1000);
    rig_begin(&r, set_of(tools, 2), NULL);
    EQ(tool_list(r.host, r.process, &list), 0);
    STR_EQ(list.data, "[{\"name\":\"get-order\",\"alias\":\"get_order\"},{\"name\":\"a\\\"b\","
                      "\"alias\":\"a_b\"}]");
    buf_release(&list);
    rig_end(&r);
}

TEST(call_arguments_are_checked)
{
    struct tool_rig r;
    struct capful_tool tool = {.name = "refund", .schema = REFUND_SCHEMA, .call = echo};
    rig_begin(&r, set_of(&tool, 1), NULL);
    static const struct {
        const char *arguments, *message;
    } bad[] = {
        {"{\"amount\":5000}", "refund: /amount: 5000 is greater than the maximum of 100"},
        {"{}", "refund: /: \\\"amount\\\" is missing"},
        {"{\"amount\":1,\"to\":2}", "is not a known property"},
        {"{\"amount\":\"7\"}", "refund: /amount: "},
        {"{\"amount\":1,\"amount\":2}", "refund: the key \\\"amount\\\" stands here twice"},
        {"[1]", "refund: the arguments must be an object, not a list"},
        {"7", "refund: the arguments must be an object, not a number"},
        {"{\"amount\":NaN}",
         "refund: the arguments are not valid JSON, byte 11: 'N' where a value should be"},
        {"{\"amount\":1} ;", "not valid JSON, byte 14: "},
        {"",
         "refund: the arguments are not valid JSON, byte 1: the text ends where a value should be"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(rig_call(&r, "refund", bad[i].arguments), CAPFUL_CALL_ERROR);
        OK(strstr(r.text, "\"code\":\"schema\"") != NULL);
        STR_EQ(strstr(r.text, bad[i].message) ? bad[i].message : r.text, bad[i].message);
        EQ(tool_record(r.host, i)->outcome, CAPFUL_CALL_FAILED);
    }
    EQ(rig_call(&r, "refund", "{\"amount\":99.99}"), CAPFUL_CALL_OK);
    rig_end(&r);
}

static char *nested(size_t levels)
{
    char *text = mem_alloc(2 * levels + 16);
    size_t at = (size_t)sprintf(text, "{\"a\":");
    memset(text + at, '[', levels);
    memset(text + at + levels, ']', levels);
    text[at + 2 * levels] = '}';
    text[at + 2 * levels + 1] = 0;
    return text;
}

TEST(call_depth)
{
    struct tool_rig r;
    struct capful_tool tool = {
        .name = "echo", .schema = "{\"additionalProperties\":true}", .call = echo};
    char *deep = nested(99), *deeper = nested(100);
    rig_begin(&r, set_of(&tool, 1), NULL);
    EQ(rig_call(&r, "echo", deep), CAPFUL_CALL_OK);
    EQ(rig_call(&r, "echo", deeper), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "deeper than 100 levels") != NULL);
    mem_free(deep);
    mem_free(deeper);
    rig_end(&r);
}

TEST(call_budget_lasts_for_the_sandbox)
{
    struct tool_rig r;
    struct capful_tool tool = {
        .name = "refund", .schema = REFUND_SCHEMA, .call = fail, .max_calls = 3};
    rig_begin(&r, set_of(&tool, 1), NULL);
    const struct tool *refund = toolset_find(r.set, STR("refund"));
    EQ(tool_own_calls_left(r.host, refund), 3);
    EQ(rig_call(&r, "refund", "{\"amount\":1}"),
       CAPFUL_CALL_ERROR); /* a failure of the tool costs */
    EQ(tool_own_calls_left(r.host, refund), 2);
    EQ(rig_call(&r, "refund", "{\"amount\":101}"),
       CAPFUL_CALL_ERROR); /* what never reached it does not */
    EQ(tool_own_calls_left(r.host, refund), 2);
    for (int i = 0; i < 4; i++)
        rig_start(&r, "refund", "{\"amount\":1}"); /* all at once do not slip through */
    tool_dispatch(r.host, clock_monotonic());
    EQ(rig_take(&r, NULL), CAPFUL_CALL_ERROR);
    EQ(rig_take(&r, NULL), CAPFUL_CALL_ERROR);
    EQ(rig_take(&r, NULL), CAPFUL_CALL_DENIED);
    STR_EQ(r.text, "{\"name\":\"ToolDenied\",\"tool\":\"refund\",\"code\":\"budget\",\"message\":"
                   "\"refund denied: its "
                   "budget of 3 calls is used up\"}");
    EQ(rig_take(&r, NULL), CAPFUL_CALL_DENIED);
    tool_end(r.host);
    tool_begin(r.host, NULL, NULL);
    EQ(rig_call(&r, "refund", "{\"amount\":1}"), CAPFUL_CALL_DENIED);
    OK(tool_forget(r.host, NULL, STR("sandbox"), true, true));
    EQ(tool_own_calls_left(r.host, refund), 3);
    EQ(rig_call(&r, "refund", "{\"amount\":1}"), CAPFUL_CALL_ERROR);
    rig_end(&r);
}

TEST(call_budget_of_the_grant_and_of_the_tool)
{
    struct toolset *set = NULL;
    struct tool_rig r;
    struct capful_tool tool = {.name = "a", .call = echo, .max_calls = 5};
    EQ(toolset_new(&set, NULL), 0);
    EQ(toolset_add(set, &tool, NULL), 0);
    EQ(grants_give(set, "[{\"tool\":\"a\",\"max_calls\":1}]", NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    rig_begin(&r, set, NULL);
    EQ(rig_call(&r, "a", "{}"), CAPFUL_CALL_OK);
    EQ(rig_call(&r, "a", "{}"), CAPFUL_CALL_DENIED);
    OK(strstr(r.text, "its budget of 1 call is used up") != NULL);
    rig_end(&r);
}

/* ------------------------------------------------------------------ limits */

static struct capful_limits limits_of(uint64_t calls, uint64_t argument, uint64_t result,
                                      uint64_t memory)
{
    struct capful_limits limits = {
#define LIMIT(name, unit, value, text) .name = value,
#include "abi/limits.def"
#undef LIMIT
    };
    limits.calls = calls;
    limits.argument = argument;
    limits.result = result;
    limits.memory = memory;
    return limits;
}

TEST(call_limit_of_calls_ends_the_run)
{
    struct capful_limits limits = limits_of(3, 100, 100, CAPFUL_MIB);
    struct tool_rig r;
    uint32_t id = 77;
    rig_begin(&r, set_of_one("echo", echo, NULL), &limits);
    EQ(rig_call(&r, "echo", "{}"), CAPFUL_CALL_OK);
    EQ(rig_call(&r, "nothing", "{}"), CAPFUL_CALL_ERROR); /* refused and failed ones count */
    rig_start(&r, "echo", "{}");
    EQ(r.kernel.stop, STOP_NONE);
    EQ(tool_call_start(r.host, r.process, STR("echo"), STR("{}"), &id), ERRNO_AGAIN);
    EQ(id, 77);
    EQ(r.kernel.stop, STOP_LIMIT);
    OK(strstr(r.kernel.stop_text, "3") != NULL);
    OK(!tool_dispatch(r.host, clock_monotonic())); /* nothing is called once the run has to stop */
    tool_end(r.host);
    EQ(tool_record_count(r.host), 3);
    EQ(tool_record(r.host, 2)->outcome, CAPFUL_CALL_REFUSED);
    STR_EQ(tool_record(r.host, 2)->message, "not made: the run had ended");
    rig_end(&r);
}

TEST(call_argument_over_its_limit)
{
    struct capful_limits limits = limits_of(10, 10, 100000, CAPFUL_MIB);
    struct tool_rig r;
    rig_begin(&r, set_of_one("echo", echo, NULL), &limits);
    EQ(rig_call(&r, "echo", "{\"a\": 100}"), CAPFUL_CALL_OK);
    EQ(rig_call(&r, "echo", "{\"a\": 1000}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"echo\",\"code\":\"too_large\",\"message\":"
                   "\"echo: the arguments "
                   "are over the limit of 10 bytes\"}");
    STR_EQ(tool_record(r.host, 1)->arguments, "null");
    rig_end(&r);
}

TEST(call_result_over_its_limit)
{
    struct capful_limits limits = limits_of(10, 1000, 10, CAPFUL_MIB);
    struct tool_rig r;
    static const struct capful_tool tools[] = {
        {.name = "fits", .call = say, .context = (void *)(uintptr_t)"[1,2,3,44]"},
        {.name = "large", .call = say, .context = (void *)(uintptr_t)"[1,2,3,444]"},
        {.name = "text", .call = say_text, .context = (void *)(uintptr_t)"12345678"},
        {.name = "longer", .call = say_text, .context = (void *)(uintptr_t)"123456789"},
        {.name = "escaped", .call = say_text, .context = (void *)(uintptr_t)"\n\n\n\n\n"},
        {.name = "complains", .call = fail, .context = (void *)(uintptr_t)"1"},
    };
    rig_begin(&r, set_of(tools, 6), &limits);
    EQ(rig_call(&r, "fits", "{}"), CAPFUL_CALL_OK);
    EQ(rig_call(&r, "large", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"large\",\"code\":\"too_large\",\"message\":"
                   "\"the result of large "
                   "has 11 bytes, the limit is 10\"}");
    EQ(rig_call(&r, "text", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"12345678\"");
    EQ(rig_call(&r, "longer", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "has 11 bytes") != NULL);
    EQ(rig_call(&r, "escaped", "{}"), CAPFUL_CALL_ERROR);
    EQ(rig_call(&r, "complains", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "\"code\":\"too_large\"") != NULL);
    EQ(tool_record(r.host, 1)->outcome, CAPFUL_CALL_FAILED);
    EQ(tool_record(r.host, 1)->result_len, 0);
    rig_end(&r);
}

TEST(call_memory_is_charged_and_ends_the_run)
{
    struct capful_limits limits = limits_of(1000, 100000, 100000, 150000);
    struct tool_rig r;
    char *big = mem_alloc(20001);
    memset(big, ' ', 20000);
    memcpy(big, "{\"a\":1}", 7);
    big[20000] = 0;
    rig_begin(&r, set_of_one("echo", echo, NULL), &limits);
    uint64_t before = r.kernel.memory_used;
    rig_start(&r, "echo", big);
    OK(r.kernel.memory_used >= before + 20000);
    tool_dispatch(r.host, clock_monotonic());
    OK(r.kernel.memory_used >= before + 40000);
    EQ(rig_take(&r, NULL), CAPFUL_CALL_OK);
    OK(r.kernel.memory_used < before + 21000);
    uint32_t id;
    int failed = 0;
    for (int i = 0; i < 20 && !failed; i++)
        failed = tool_call_start(r.host, r.process, STR("echo"), str_of(big), &id);
    EQ(failed, ERRNO_AGAIN);
    EQ(r.kernel.stop, STOP_LIMIT);
    mem_free(big);
    rig_end(&r);
}

TEST(call_records_of_very_long_arguments_say_so)
{
    struct capful_limits limits = limits_of(1000, 100000, 100000, 400000);
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    struct capful_tool tools[] = {{.name = "echo", .call = echo},
                                  {.name = "later", .call = shelve, .context = &shelf}};
    char *big = mem_alloc(20001);
    memset(big, ' ', 20000);
    memcpy(big, "{\"a\":1}", 7);
    big[20000] = 0;
    rig_begin(&r, set_of(tools, 2), &limits);
    rig_start(&r, "later", big);
    for (int i = 0; i < 50; i++)
        EQ(rig_call(&r, "echo", big),
           CAPFUL_CALL_OK); /* a million bytes, more than the sandbox may hold */
    EQ(r.kernel.stop, STOP_NONE);
    STR_EQ(tool_record(r.host, 1)->arguments, big);
    STR_EQ(tool_record(r.host, 50)->arguments, "{\"omitted\":\"20000 bytes\"}");
    EQ(tool_record(r.host, 50)->outcome, CAPFUL_CALL_DONE);
    tool_end(r.host); /* the function that was not answered may still read */
    STR_EQ(tool_record(r.host, 0)->arguments, big);
    STR_EQ(capful_call_arguments(shelf.calls[0], NULL), big);
    capful_call_answer(shelf.calls[0], "1", 1);
    mem_free(big);
    rig_end(&r);
}

TEST(call_name_from_a_guest)
{
    struct tool_rig r;
    uint32_t id = 5;
    char name[TOOL_NAME_MAX + 1];
    memset(name, 'x', sizeof name);
    rig_begin(&r, set_of_one("echo", echo, NULL), NULL);
    EQ(tool_call_start(r.host, r.process, (struct str){name, sizeof name}, STR("{}"), &id),
       ERRNO_INVAL);
    EQ(tool_call_start(r.host, r.process, STR("\xff"), STR("{}"), &id), ERRNO_INVAL);
    EQ(id, 5);
    EQ(tool_record_count(r.host), 0);
    EQ(rig_call(&r, "", "{}"), CAPFUL_CALL_ERROR);
    rig_end(&r);
}

/* ------------------------------------------------------------------ answers */

TEST(answer_must_be_json)
{
    struct tool_rig r;
    char *deep = nested(100);
    struct capful_tool tools[] = {
        {.name = "bad", .call = say, .context = (void *)(uintptr_t)"{oops}"},
        {.name = "deep", .call = say, .context = deep},
        {.name = "empty", .call = say, .context = (void *)(uintptr_t)""},
        {.name = "text", .call = say_text, .context = (void *)(uintptr_t)"a \"b\" \xff \n"},
    };
    rig_begin(&r, set_of(tools, 4), NULL);
    EQ(rig_call(&r, "bad", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"bad\",\"code\":\"bad_result\",\"message\":"
                   "\"the result of bad is "
                   "not valid JSON, byte 2: 'o' where a key in quotes should be\"}");
    EQ(rig_call(&r, "deep", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "deeper than 100 levels") != NULL);
    EQ(rig_call(&r, "empty", "{}"), CAPFUL_CALL_ERROR);
    EQ(rig_call(&r, "text", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"a \\\"b\\\" \xef\xbf\xbd \\n\"");
    mem_free(deep);
    rig_end(&r);
}

TEST(answer_of_a_failure)
{
    struct tool_rig r;
    static const struct capful_tool tools[] = {
        {.name = "plain", .call = fail},
        {.name = "data", .call = fail, .context = (void *)(uintptr_t)"{\"id\": 7}"},
        {.name = "nonsense", .call = fail, .context = (void *)(uintptr_t)"{\"id\": "},
    };
    rig_begin(&r, set_of(tools, 3), NULL);
    EQ(rig_call(&r, "plain", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"plain\",\"code\":\"not_found\",\"message\":"
                   "\"no such order\"}");
    STR_EQ(tool_record(r.host, 0)->message, "no such order");
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_FAILED);
    EQ(rig_call(&r, "data", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "\"message\":\"no such order\",\"data\":{\"id\": 7}}") != NULL);
    EQ(rig_call(&r, "nonsense", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "\"data\":\"{\\\"id\\\": \"}") != NULL);
    rig_end(&r);
}

static void answer_twice(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "1", 1);
    capful_call_answer(call, "2", 1);
    capful_call_fail(call, NULL, "no", NULL);
}

TEST(answer_counts_once)
{
    struct tool_rig r;
    rig_begin(&r, set_of_one("twice", answer_twice, NULL), NULL);
    EQ(rig_call(&r, "twice", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "1");
    rig_end(&r);
}

TEST(answer_later_in_any_order)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    uint32_t ids[3], got;
    rig_begin(&r, set_of_one("later", shelve, &shelf), NULL);
    for (int i = 0; i < 3; i++)
        ids[i] = rig_start(&r, "later", "{}");
    EQ(tool_dispatch(r.host, clock_monotonic()), true);
    EQ(shelf.n, 3);
    OK(tool_in_flight(r.host));
    OK(!tool_collect(r.host));
    STR_EQ(capful_call_tool(shelf.calls[0]), "later");
    OK(strcmp(capful_call_id(shelf.calls[0]), capful_call_id(shelf.calls[1])) != 0);
    OK(capful_call_sandbox(shelf.calls[0]) == NULL);
    capful_call_answer(shelf.calls[2], "2", 1);
    capful_call_answer(shelf.calls[0], "0", 1);
    OK(tool_collect(r.host));
    EQ(rig_take(&r, &got), CAPFUL_CALL_OK);
    EQ(got, ids[2]);
    STR_EQ(r.text, "2");
    EQ(rig_take(&r, &got), CAPFUL_CALL_OK);
    EQ(got, ids[0]);
    EQ(rig_take(&r, &got), CAPFUL_CALL_NONE);
    OK(tool_call_pending(r.process));
    capful_call_fail(shelf.calls[1], NULL, NULL, NULL);
    OK(tool_collect(r.host));
    EQ(rig_take(&r, &got), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"later\",\"code\":\"failed\",\"message\":"
                   "\"the tool failed\"}");
    OK(!tool_in_flight(r.host));
    rig_end(&r);
}

TEST(answer_wakes_through_the_descriptor)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    rig_begin(&r, set_of_one("later", shelve, &shelf), NULL);
    rig_start(&r, "later", "{}");
    rig_start(&r, "later", "{}");
    tool_dispatch(r.host, clock_monotonic());
    capful_call_answer(shelf.calls[0], "0", 1); /* before the descriptor exists */
    struct pollfd fd = {.fd = tool_event_fd(r.host), .events = POLLIN};
    OK(fd.fd >= 0);
    EQ(tool_event_fd(r.host), fd.fd);
    EQ(poll(&fd, 1, 0), 1);
    OK(tool_collect(r.host));
    EQ(poll(&fd, 1, 0), 0);
    capful_call_answer(shelf.calls[1], "1", 1);
    EQ(poll(&fd, 1, 0), 1);
    OK(tool_collect(r.host));
    EQ(poll(&fd, 1, 0), 0);
    rig_end(&r);
}

TEST(step_driven_calls)
{
    struct tool_rig r;
    rig_begin(&r, set_of_one("ask", NULL, NULL), NULL);
    OK(tool_next_host_call(r.host) == NULL);
    rig_start(&r, "ask", "{\"q\":1}");
    rig_start(&r, "ask", "{\"q\":2}");
    tool_dispatch(r.host, clock_monotonic());
    OK(tool_has_host_calls(r.host));
    struct capful_call *first = tool_next_host_call(r.host), *second = tool_next_host_call(r.host);
    OK(tool_next_host_call(r.host) == NULL);
    OK(!tool_has_host_calls(r.host));
    OK(tool_in_flight(r.host));
    STR_EQ(capful_call_arguments(first, NULL), "{\"q\":1}");
    capful_call_answer(second, "2", 1);
    capful_call_answer(first, "1", 1);
    OK(tool_collect(r.host));
    EQ(rig_take(&r, NULL), CAPFUL_CALL_OK);
    STR_EQ(r.text, "2");
    EQ(rig_take(&r, NULL), CAPFUL_CALL_OK);
    rig_end(&r);
}

/* ------------------------------------------------------------------ time */

TEST(call_times_out)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    struct capful_tool tools[] = {
        {.name = "slow", .call = shelve, .context = &shelf, .time_limit = 5 * CAPFUL_SECOND},
        {.name = "host", .time_limit = 7 * CAPFUL_SECOND},
        {.name = "default", .call = shelve, .context = &shelf},
    };
    rig_begin(&r, set_of(tools, 3), NULL);
    OK(tool_next_deadline(r.host) == UINT64_MAX);
    rig_start(&r, "slow", "{}");
    rig_start(&r, "host", "{}");
    rig_start(&r, "default", "{}");
    uint64_t before = clock_monotonic();
    tool_dispatch(r.host, clock_monotonic());
    uint64_t due = tool_next_deadline(r.host);
    OK(due >= before + 5 * CAPFUL_SECOND && due < before + 6 * CAPFUL_SECOND);
    tool_expire(r.host, due - 1);
    EQ(rig_take(&r, NULL), CAPFUL_CALL_NONE);
    tool_expire(r.host, due);
    EQ(rig_take(&r, NULL), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"slow\",\"code\":\"timeout\",\"message\":"
                   "\"slow did not answer within "
                   "5 s\"}");
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_UNKNOWN);
    capful_call_answer(shelf.calls[0], "1", 1); /* too late: dropped */
    OK(!tool_collect(r.host));
    tool_expire(r.host, before + 8 * CAPFUL_SECOND);
    EQ(rig_take(&r, NULL), CAPFUL_CALL_ERROR);
    EQ(tool_record(r.host, 1)->outcome, CAPFUL_CALL_FAILED); /* the host never saw it */
    OK(tool_next_deadline(r.host) >= before + 60 * CAPFUL_SECOND);
    capful_call_answer(shelf.calls[1], "1", 1); /* an answer that lies there wins over the clock */
    tool_expire(r.host, before + 100 * CAPFUL_SECOND);
    OK(tool_collect(r.host));
    EQ(rig_take(&r, NULL), CAPFUL_CALL_OK);
    rig_end(&r);
}

/* ------------------------------------------------------------------ the end of processes and runs
 */

TEST(process_ends_before_its_calls)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    struct capful_tool tools[] = {{.name = "later", .call = shelve, .context = &shelf},
                                  {.name = "echo", .call = echo}};
    rig_begin(&r, set_of(tools, 2), NULL);
    rig_start(&r, "later", "{}");
    rig_start(&r, "echo", "{\"told\":1}");
    tool_dispatch(r.host, clock_monotonic());
    struct capful_done done;
    OK(tool_call_next(r.host, r.process, &done)); /* told, never fetched */
    rig_start(&r, "echo", "{\"done\":1}");
    tool_dispatch(r.host, clock_monotonic()); /* settled, never told */
    rig_start(&r, "echo", "{\"queued\":1}");
    process_discard(r.process);
    r.process = NULL;
    OK(tool_host_check(r.host) == NULL);
    OK(tool_dispatch(r.host, clock_monotonic())); /* what was asked still happens */
    EQ(tool_record(r.host, 3)->outcome, CAPFUL_CALL_DONE);
    capful_call_answer(shelf.calls[0], "1", 1);
    OK(tool_collect(r.host));
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_DONE);
    rig_end(&r);
}

TEST(process_does_not_see_the_calls_of_others)
{
    struct tool_rig r;
    struct process *other = NULL;
    struct capful_done done;
    struct str text;
    rig_begin(&r, set_of_one("echo", echo, NULL), NULL);
    EQ(process_new(&r.kernel, r.process, NULL, &other), 0);
    uint32_t id = rig_start(&r, "echo", "{}");
    tool_dispatch(r.host, clock_monotonic());
    OK(!tool_call_next(r.host, other, &done));
    EQ(done.status, CAPFUL_CALL_NONE);
    OK(tool_call_next(r.host, r.process, &done));
    EQ(tool_call_take(r.host, other, id, &text), ERRNO_NOENT);
    tool_call_forget(r.host, other, id);
    EQ(tool_call_take(r.host, r.process, id, &text), 0);
    process_discard(other);
    rig_end(&r);
}

TEST(run_ends_with_calls_under_way)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    struct capful_tool tools[] = {{.name = "later", .call = shelve, .context = &shelf},
                                  {.name = "host"}};
    rig_begin(&r, set_of(tools, 2), NULL);
    rig_start(&r, "later", "{\"n\":0}");
    rig_start(&r, "later", "{\"n\":1}");
    rig_start(&r, "host", "{\"n\":2}");
    rig_start(&r, "host", "{\"n\":3}");
    tool_dispatch(r.host, clock_monotonic());
    rig_start(&r, "later", "{\"n\":4}");
    struct capful_call *fetched = tool_next_host_call(r.host);
    capful_call_answer(shelf.calls[1], "1", 1); /* in the mailbox, not collected */
    process_discard(r.process);
    r.process = NULL;
    tool_end(r.host);
    static const enum capful_outcome outcomes[] = {CAPFUL_CALL_UNKNOWN, CAPFUL_CALL_DONE,
                                                   CAPFUL_CALL_UNKNOWN, CAPFUL_CALL_REFUSED,
                                                   CAPFUL_CALL_REFUSED};
    EQ(tool_record_count(r.host), 5);
    for (size_t i = 0; i < 5; i++) {
        char arguments[16];
        snprintf(arguments, sizeof arguments, "{\"n\":%zu}", i);
        EQ(tool_record(r.host, i)->outcome, outcomes[i]);
        STR_EQ(tool_record(r.host, i)->arguments, arguments);
    }
    STR_EQ(tool_record(r.host, 0)->message, "the run ended before the tool answered");
    OK(tool_record(r.host, 5) == NULL);
    OK(!tool_in_flight(r.host));
    struct tool_records records;
    tool_records_take(r.host, &records);
    EQ(records.n, 5);
    EQ(tool_record_count(r.host), 0);
    rig_end(&r);
    /* All is gone; the records and the late answers are not. */
    STR_EQ(tool_records_at(&records, 0)->arguments, "{\"n\":0}");
    STR_EQ(capful_call_arguments(shelf.calls[0], NULL), "{\"n\":0}");
    OK(capful_call_sandbox(shelf.calls[0]) == NULL);
    capful_call_answer(shelf.calls[0], "\"late\"", 6);
    tool_records_release(&records);
    capful_call_fail(fetched, "late", "late", NULL);
}

TEST(answer_between_two_runs)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    rig_begin(&r, set_of_one("later", shelve, &shelf), NULL);
    rig_start(&r, "later", "{}");
    tool_dispatch(r.host, clock_monotonic());
    tool_end(r.host);
    tool_begin(r.host, NULL, NULL);
    EQ(tool_record_count(r.host), 0);
    rig_start(&r, "later", "{}");
    tool_dispatch(r.host, clock_monotonic());
    capful_call_answer(shelf.calls[0], "1", 1);
    OK(!tool_collect(r.host));
    EQ(rig_take(&r, NULL), CAPFUL_CALL_NONE);
    capful_call_answer(shelf.calls[1], "2", 1);
    OK(tool_collect(r.host));
    EQ(rig_take(&r, NULL), CAPFUL_CALL_OK);
    STR_EQ(r.text, "2");
    rig_end(&r);
}

/* ------------------------------------------------------------------ the observer */

struct log {
    struct tool_rig *rig;
    char text[512];
    size_t len;
    bool cancel;
};

static void observe(void *context, const struct capful_record *record)
{
    static const char *const names[] = {"done", "failed", "refused", "unknown", "started"};
    struct log *log = context;
    log->len += (size_t)snprintf(log->text + log->len, sizeof log->text - log->len, "%s %s%s%s;",
                                 record->tool, names[record->outcome], record->message ? ": " : "",
                                 record->message ? record->message : "");
    if (log->cancel && record->outcome == CAPFUL_CALL_DONE)
        kernel_cancel(&log->rig->kernel, 15);
}

TEST(observer_sees_each_decision_and_each_end)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    struct log log = {.rig = &r};
    struct capful_tool tools[] = {{.name = "echo", .call = echo, .max_calls = 1},
                                  {.name = "later", .call = shelve, .context = &shelf}};
    rig_begin(&r, set_of(tools, 2), NULL);
    tool_begin(r.host, observe, &log);
    rig_start(&r, "later", "{}");
    EQ(rig_call(&r, "echo", "{}"), CAPFUL_CALL_OK);
    EQ(rig_call(&r, "echo", "{}"), CAPFUL_CALL_DENIED);
    EQ(rig_call(&r, "nix", "[]"), CAPFUL_CALL_ERROR);
    tool_end(r.host);
    STR_EQ(log.text, "later started;echo started;echo done;echo refused: echo denied: its budget "
                     "of 1 call is used up;"
                     "nix failed: there is no tool \"nix\". There are: echo, later;"
                     "later unknown: the run ended before the tool answered;");
    capful_call_answer(shelf.calls[0], "1", 1);
    rig_end(&r);
}

TEST(cancel_between_two_calls)
{
    struct tool_rig r;
    struct log log = {.rig = &r, .cancel = true};
    rig_begin(&r, set_of_one("echo", echo, NULL), NULL);
    tool_begin(r.host, observe, &log);
    rig_start(&r, "echo", "{}");
    rig_start(&r, "echo", "{}");
    OK(tool_dispatch(r.host, clock_monotonic()));
    OK(tool_queued(r.host));
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_DONE);
    rig_end(&r);
}

TEST(call_ids_are_never_the_same)
{
    struct tool_rig a, b;
    char first[64];
    rig_begin(&a, set_of_one("echo", echo, NULL), NULL);
    rig_begin(&b, set_of_one("echo", echo, NULL), NULL);
    rig_call(&a, "echo", "{}");
    rig_call(&b, "echo", "{}");
    OK(strcmp(tool_record(a.host, 0)->id, tool_record(b.host, 0)->id) != 0);
    snprintf(first, sizeof first, "%s", tool_record(a.host, 0)->id);
    OK(strlen(first) >= 20);
    tool_end(a.host);
    tool_begin(a.host, NULL, NULL);
    rig_call(&a, "echo", "{}");
    OK(strcmp(tool_record(a.host, 0)->id, first) != 0);
    rig_end(&a);
    rig_end(&b);
}

/* ------------------------------------------------------------------ memory */

/* The second part of a run whose nth allocation fails: whatever happens, nothing is lost and the
 * sandbox lives. */
static bool sweep_once(uint64_t n)
{
    struct tool_rig r;
    struct shelf shelf = {.n = 0};
    struct capful_tool tools[] = {
        {.name = "re-fund", .schema = REFUND_SCHEMA, .call = echo, .max_calls = 9},
        {.name = "later", .call = shelve, .context = &shelf},
        {.name = "ask"}};
    uint32_t id;
    bool failed = false;
    rig_begin(&r, set_of(tools, 3), NULL);
    mem_fail_after(n);
    failed |= tool_call_start(r.host, r.process, STR("re_fund"), STR("{\"amount\":1}"), &id) != 0;
    failed |= tool_call_start(r.host, r.process, STR("later"), STR("{}"), &id) != 0;
    failed |= tool_call_start(r.host, r.process, STR("ask"), STR("{}"), &id) != 0;
    failed |= tool_call_start(r.host, r.process, STR("re_fund"), STR("{\"amount\":200}"), &id) != 0;
    tool_dispatch(r.host, clock_monotonic());
    struct capful_call *asked = tool_next_host_call(r.host);
    if (shelf.n)
        capful_call_fail(shelf.calls[0], "x", "y", "[1]");
    if (asked)
        capful_call_answer_text(asked, "text", 4);
    tool_collect(r.host);
    mem_fail_after(0);
    while (rig_take(&r, NULL) != CAPFUL_CALL_NONE)
        ;
    failed |= r.kernel.stop != STOP_NONE;
    for (size_t i = 0; i < tool_record_count(r.host); i++)
        failed |= tool_record(r.host, i)->message &&
                  strstr(tool_record(r.host, i)->message, "out of memory");
    rig_end(&r);
    return failed;
}

TEST(call_survives_every_failed_allocation)
{
    uint64_t before = mem_live_blocks();
    int failures = 0;
    uint64_t n = 1;
    for (; n < 500; n++) {
        bool failed = sweep_once(n);
        EQ(mem_live_blocks(), before);
        failures += failed;
        if (!failed && n > 100)
            break;
    }
    OK(failures > 20);
}
