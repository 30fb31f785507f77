/* The tests of a policy: calls with the verdict that they must get. Their form is checked whenever
 * a policy is read, the calls are made by policy_check alone; each begins with nothing used,
 * touched or seen.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/file.h"
#include "config/trial.h"
#include "policy/time.h"

#define TESTS_MAX 100000

static const char *const verdicts[] = {
    [VERDICT_ALLOW] = "allow", [VERDICT_ASK] = "ask", [VERDICT_DENY] = "deny"};

/* ------------------------------------------------------------------ reading */

static void test_tool(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    struct str name;
    if (load_string(loader, key, value, &name))
        test->at = value;
}

static void test_arguments(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    if (load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        test->arguments = value;
}

static void test_verdict(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    if (!load_string(loader, key, value, &test->verdict))
        return;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (str_equal(test->verdict, str_of(verdicts[i])))
            return;
    load_problem(loader, load_offset(loader, key, value),
                 "\"verdict\" must be \"allow\", \"ask\" or \"deny\"");
}

static void test_grant(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    load_string(loader, key, value, &test->grant);
}

static void test_facts(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    if (load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        test->facts = value;
}

static void test_time(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    struct str text;
    moment time;
    if (!load_string(loader, key, value, &text))
        return;
    if (time_read(text, &time) && time > 0 && time < UINT64_MAX)
        test->time = (uint64_t)time;
    else
        load_problem(loader, load_offset(loader, key, value),
                     "\"time\" must be a date such as \"2026-03-01\" or a time such as "
                     "\"2026-03-01T12:00:00Z\"");
}

static void test_why(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct policy_test *test = target;
    load_string(loader, key, value, &test->why);
}

static void any_value(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    (void)loader;
    (void)key;
    (void)value;
    (void)target;
}

/* An object of a list must have a "tool" that leaves a trace; else where the problem is shown. */
static yyjson_val *place_in(yyjson_val *list_key, yyjson_val *object)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    yyjson_val *first = yyjson_obj_iter_next(&iter);
    return first ? first : list_key;
}

static void test_before(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    static const struct load_key keys[] = {
        {"tool", test_tool}, {"arguments", test_arguments}, {"result", any_value}, {NULL, NULL}};
    struct policy_test *test = target;
    size_t i, n;
    yyjson_val *item;
    if (!load_wants(loader, key, value, "a list", yyjson_is_arr(value)))
        return;
    test->before = value;
    yyjson_arr_foreach(value, i, n, item)
    {
        struct policy_test call = {NULL};
        size_t before = loader->problems;
        if (!load_wants(loader, key, item, "a list of objects", yyjson_is_obj(item)))
            continue;
        load_object(loader, "an earlier call", item, keys, &call);
        if (!call.at && loader->problems == before)
            load_problem(loader, json_offset(&loader->file->json, place_in(key, item)),
                         "an earlier call needs \"tool\"");
    }
}

static void keep_test(struct loader *loader, const struct policy_test *test)
{
    struct policy_file *file = loader->file;
    if ((file->n_tests & (file->n_tests - 1)) == 0) {
        size_t room = file->n_tests ? 2 * file->n_tests : 1;
        struct policy_test *more = mem_resize_array(file->tests, room, sizeof *more);
        if (!more) {
            load_nomem(loader);
            return;
        }
        file->tests = more;
    }
    file->tests[file->n_tests] = *test;
    file->tests[file->n_tests++].from = file;
}

static void load_test(struct loader *loader, yyjson_val *list_key, yyjson_val *value)
{
    static const struct load_key keys[] = {{"tool", test_tool},
                                           {"arguments", test_arguments},
                                           {"verdict", test_verdict},
                                           {"grant", test_grant},
                                           {"facts", test_facts},
                                           {"time", test_time},
                                           {"before", test_before},
                                           {"why", test_why},
                                           {NULL, NULL}};
    struct policy_test test = {NULL};
    size_t before = loader->problems;
    if (!load_wants(loader, list_key, value, "a list of objects", yyjson_is_obj(value)))
        return;
    load_object(loader, "a test", value, keys, &test);
    if (loader->problems != before)
        return;
    size_t offset = json_offset(&loader->file->json, place_in(list_key, value));
    bool allowed = str_equal(test.verdict, STR("allow"));
    if (!test.at || !test.verdict.ptr)
        load_problem(loader, offset, "a test needs \"%s\"", test.at ? "verdict" : "tool");
    else if (test.why.ptr && allowed)
        load_problem(loader, offset, "there is no reason (\"why\") where a call is allowed");
    else
        keep_test(loader, &test);
}

void load_tests(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    size_t i, n;
    yyjson_val *item;
    (void)target;
    if (!load_wants(loader, key, value, "a list", yyjson_is_arr(value)))
        return;
    if (yyjson_arr_size(value) > TESTS_MAX) {
        load_problem(loader, json_offset(&loader->file->json, key), "more than %d tests",
                     TESTS_MAX);
        return;
    }
    yyjson_arr_foreach(value, i, n, item)
    {
        load_test(loader, key, item);
    }
}

/* ------------------------------------------------------------------ making the calls */

struct tester {
    struct loader *loader;
    const struct toolset *set;
    struct trial trial;
};

/* Text of a value of the policy as a call would have it. */
static char *written(struct loader *loader, yyjson_val *value, struct str *ret)
{
    char *text = value ? json_write(value, &ret->len) : mem_strdup("{}");
    if (!text) {
        load_nomem(loader);
        return NULL;
    }
    if (!value)
        ret->len = 2;
    ret->ptr = text;
    return text;
}

static bool make_call(struct tester *t, yyjson_val *at, yyjson_val *arguments,
                      const struct tool **ret_tool, struct trial_answer *ret)
{
    struct loader *loader = t->loader;
    struct str name = json_str(at), text;
    const struct tool *tool = toolset_find(t->set, name);
    if (!tool) {
        load_problem(loader, json_offset(&loader->file->json, at), "there is no tool \"%.*s\"",
                     (int)(name.len < 100 ? name.len : 100), name.ptr);
        return false;
    }
    char *made = written(loader, arguments, &text);
    bool ok = made && trial_call(&t->trial, tool, text, NULL, ret);
    if (made && !ok) {
        buf_release(&ret->why);
        load_nomem(loader);
    }
    mem_free(made);
    *ret_tool = tool;
    return ok;
}

/* The calls that a test says were made before; whoever was asked about them said yes. */
static bool make_earlier(struct tester *t, const struct policy_test *test)
{
    size_t i, n;
    yyjson_val *item;
    t->trial.approved = true;
    yyjson_arr_foreach(test->before, i, n, item)
    {
        struct trial_answer answer;
        const struct tool *tool;
        yyjson_val *at = json_get(item, STR("tool")), *result = json_get(item, STR("result"));
        if (!make_call(t, at, json_get(item, STR("arguments")), &tool, &answer))
            return false;
        bool allowed = answer.verdict == VERDICT_ALLOW;
        if (!allowed)
            load_problem(t->loader, json_offset(&t->loader->file->json, at),
                         "the earlier call is denied: %.200s",
                         answer.why.data ? answer.why.data : "");
        buf_release(&answer.why);
        if (!allowed)
            return false;
        if (result && !trial_result(&t->trial, tool, result))
            return load_nomem(t->loader);
    }
    t->trial.approved = false;
    return true;
}

static void compare(struct tester *t, const struct policy_test *test,
                    const struct trial_answer *answer)
{
    static const char *const words[] = {
        [VERDICT_ALLOW] = "is allowed", [VERDICT_ASK] = "asks", [VERDICT_DENY] = "is denied"};
    struct loader *loader = t->loader;
    size_t offset = json_offset(&loader->file->json, test->at);
    const char *why = answer->why.len ? answer->why.data : "";
    const char *by = answer->grant ? answer->grant->name : "no grant";
    if (!str_equal(test->verdict, str_of(verdicts[answer->verdict])))
        load_problem(loader, offset, "the test wants \"%.*s\", and the call %s by %.100s%s%.200s",
                     (int)test->verdict.len, test->verdict.ptr, words[answer->verdict], by,
                     *why ? ": " : "", why);
    else if (test->grant.ptr && (!answer->grant || !str_equal(test->grant, str_of(by))))
        load_problem(loader, offset, "the test wants the grant \"%.*s\", and the call %s by %.100s",
                     (int)(test->grant.len < 100 ? test->grant.len : 100), test->grant.ptr,
                     words[answer->verdict], by);
    else if (test->why.ptr && !memmem(why, strlen(why), test->why.ptr, test->why.len))
        load_problem(loader, offset, "the test wants \"%.*s\" for a reason, which is: %.200s",
                     (int)(test->why.len < 100 ? test->why.len : 100), test->why.ptr,
                     *why ? why : "none");
}

static void run_test(struct tester *t, const struct policy_test *test)
{
    struct trial_answer answer;
    const struct tool *tool;
    t->loader->file = test->from; /* problems are told there */
    if (!trial_init(&t->trial, t->set)) {
        load_nomem(t->loader);
        return;
    }
    t->trial.context = test->facts;
    t->trial.now = test->time ? test->time : clock_real();
    if (make_earlier(t, test) && make_call(t, test->at, test->arguments, &tool, &answer)) {
        compare(t, test, &answer);
        buf_release(&answer.why);
    }
    trial_release(&t->trial);
}

void tests_run(struct loader *loader, const struct toolset *set)
{
    struct tester tester = {.loader = loader, .set = set};
    struct policy_file *file = loader->file;
    for (size_t i = 0; i < file->n_tests; i++)
        run_test(&tester, &file->tests[i]);
    loader->file = file;
}
