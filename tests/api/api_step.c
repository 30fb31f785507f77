/* The step-driven form: calls answered in any order, by the host and from threads, and answers that
 * come too late. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <poll.h>
#include <pthread.h>

enum { CALLS = 20 };

static void later(struct capful_call *call, void *context);

static struct capful_policy *make_policy(void *context)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    const struct capful_tool host = {.name = "host"};
    const struct capful_tool slow = {.name = "slow", .call = later, .context = context};
    const struct capful_tool brief = {.name = "brief", .time_limit = CAPFUL_SECOND / 20};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &host, &err), &err, "capful_builder_tool");
    api_must(capful_builder_tool(builder, &slow, &err), &err, "capful_builder_tool");
    api_must(capful_builder_tool(builder, &brief, &err), &err, "capful_builder_tool");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    return policy;
}

static struct capful_run *start(struct capful_sandbox *sandbox, const char *code)
{
    struct capful_run *run = NULL;
    struct capful_error err;
    struct capful_job job = api_job(code);
    api_must(capful_run_start(sandbox, &job, &run, &err), &err, "capful_run_start");
    return run;
}

static struct capful_result *finish(struct capful_run *run)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    api_must(capful_run_finish(run, &result, &err), &err, "capful_run_finish");
    return result;
}

/* Steps until the run wants the host, waiting where it says so; gives up after ten seconds. */
static enum capful_step step_until_calls(struct capful_run *run)
{
    uint64_t end = api_now() + 10 * CAPFUL_SECOND;
    enum capful_step step;
    while ((step = capful_run_step(run)) == CAPFUL_STEP_WAIT && api_now() < end)
        capful_run_wait(run);
    return step;
}

static void answer_number(struct capful_call *call, int number)
{
    char text[16];
    int n = snprintf(text, sizeof text, "%d", number);
    capful_call_answer(call, text, (size_t)n);
}

/* ------------------------------------------------------------------ in any order */

static void test_any_order(struct capful_sandbox *sandbox)
{
    struct capful_call *calls[CALLS];
    struct capful_run *run =
        start(sandbox, "const all = []; for (let i = 0; i < 20; i++) all.push(tools.host({i}));\n"
                       "await Promise.all(all)");
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_CALLS);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = capful_run_next_call(run);
        if (!CHECK(calls[i] != NULL))
            exit(1);
        char wanted[16];
        snprintf(wanted, sizeof wanted, "{\"i\":%d}", i);
        CHECK_STR(capful_call_arguments(calls[i], NULL), wanted);
        CHECK_STR(capful_call_tool(calls[i]), "host");
        CHECK(capful_call_sandbox(calls[i]) == sandbox);
        CHECK(i == 0 || strcmp(capful_call_id(calls[i]), capful_call_id(calls[i - 1])) != 0);
    }
    CHECK(capful_run_next_call(run) == NULL);
    for (int i = 0; i < CALLS; i++) {
        int which = (i * 7 + 3) % CALLS;
        answer_number(calls[which], which * which);
        if (i % 5 == 0 && i < CALLS - 1)
            CHECK(capful_run_step(run) != CAPFUL_STEP_DONE);
    }
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_DONE);
    CHECK_INT(capful_run_step(run), CAPFUL_STEP_DONE); /* again is harmless */
    struct capful_result *result = finish(run);
    CHECK_STR(capful_result_value(result, NULL),
              "[0,1,4,9,16,25,36,49,64,81,100,121,144,169,196,225,256,289,324,361]");
    CHECK_INT(capful_result_call_count(result), CALLS);
    capful_result_free(result);
}

/* While the host thinks, the wall clock stands still and the descriptor wakes it. */
static void test_descriptor(struct capful_sandbox *sandbox)
{
    struct capful_run *run = start(sandbox, "await new Promise((r) => setTimeout(r, 30)); 5");
    int waits = 0;
    while (capful_run_step(run) == CAPFUL_STEP_WAIT && waits < 1000) {
        struct pollfd p = {capful_run_fd(run), POLLIN, 0};
        uint64_t ns = capful_run_timeout(run);
        CHECK(p.fd >= 0);
        CHECK(ns <= 10 * CAPFUL_SECOND);
        poll(&p, 1, (int)(ns / 1000000) + 1);
        waits++;
    }
    CHECK(waits > 0 && waits < 100);
    struct capful_result *result = finish(run);
    CHECK_STR(capful_result_value(result, NULL), "5");
    CHECK(capful_result_usage(result)->wall >= 30000000);
    capful_result_free(result);
}

/* ------------------------------------------------------------------ from threads */

static void *answer_soon(void *argument)
{
    struct capful_call *call = argument;
    struct timespec t = {0, 3000000};
    nanosleep(&t, NULL);
    capful_call_answer(call, "\"soon\"", 6);
    return NULL;
}

struct threads {
    pthread_t list[CALLS * 2];
    int count;
};

static void later(struct capful_call *call, void *context)
{
    struct threads *threads = context;
    if (threads->count < CALLS * 2 &&
        pthread_create(&threads->list[threads->count], NULL, answer_soon, call) == 0)
        threads->count++;
    else
        capful_call_fail(call, NULL, "no thread", NULL);
}

static void join_all(struct threads *threads)
{
    while (threads->count > 0)
        pthread_join(threads->list[--threads->count], NULL);
}

static void test_threads(struct capful_sandbox *sandbox, struct threads *threads)
{
    uint64_t before = api_now();
    struct capful_result *result =
        api_run(sandbox, "const all = []; for (let i = 0; i < 20; i++) all.push(slow({}));\n"
                         "new Set(await Promise.all(all)).size + all.length");
    CHECK_STR(capful_result_value(result, NULL), "21");
    CHECK(api_now() - before < CAPFUL_SECOND);
    CHECK(capful_result_usage(result)->waiting > 0);
    capful_result_free(result);
    join_all(threads);

    /* both kinds at once */
    struct capful_run *run = start(sandbox, "await Promise.all([host({}), slow({})])");
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_CALLS);
    struct capful_call *call = capful_run_next_call(run);
    if (call)
        answer_number(call, 4);
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_DONE);
    result = finish(run);
    CHECK_STR(capful_result_value(result, NULL), "[4,\"soon\"]");
    capful_result_free(result);
    join_all(threads);
}

/* ------------------------------------------------------------------ too late */

static void test_late(struct capful_policy *policy)
{
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_error err;
    struct capful_run *run =
        start(sandbox, "await Promise.all([host({n: 1}), host({n: 2}), host({n: 3})])");
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_CALLS);
    struct capful_call *first = capful_run_next_call(run), *second = capful_run_next_call(run);
    CHECK(first && second);
    struct capful_result *result = finish(run); /* ends it as killed */
    CHECK_INT(capful_result_status(result), CAPFUL_KILLED);
    CHECK_INT(capful_result_call_count(result), 3);
    CHECK_INT(capful_result_call(result, 0)->outcome, CAPFUL_CALL_UNKNOWN);
    CHECK_INT(capful_result_call(result, 1)->outcome, CAPFUL_CALL_UNKNOWN);
    CHECK_INT(capful_result_call(result, 2)->outcome,
              CAPFUL_CALL_REFUSED); /* the host never got it */
    CHECK_STR(capful_result_call(result, 0)->arguments, "{\"n\":1}");
    CHECK(strstr(capful_result_text(result, NULL), "may or may not") != NULL);
    capful_result_free(result);

    /* the run is over, its sandbox is not */
    CHECK_STR(capful_call_arguments(first, NULL), "{\"n\":1}");
    answer_number(first, 1);
    CHECK_VALUE(sandbox, "'next run'", "\"next run\"");
    CHECK_INT(capful_sandbox_reset(sandbox, &err), 0);
    CHECK_INT(capful_sandbox_free(sandbox), 0);
    /* and now that is gone too */
    capful_call_fail(second, "late", "too late", NULL);
}

static void test_late_threads(struct capful_policy *policy, struct threads *threads)
{
    for (int round = 0; round < 5; round++) {
        struct capful_sandbox *sandbox = api_sandbox(policy);
        struct capful_run *run =
            start(sandbox, "for (let i = 0; i < 8; i++) slow({}); await slow({})");
        CHECK_INT(capful_run_step(run), CAPFUL_STEP_WAIT);
        capful_result_free(finish(run));
        capful_sandbox_free(sandbox);
        join_all(threads);
    }
}

/* A tool's own time limit: the script sees it, and the answer that comes later is dropped. */
static void test_time_limit(struct capful_sandbox *sandbox)
{
    struct capful_run *run =
        start(sandbox, "try { await brief({}) } catch (e) { [e.name, e.code] }");
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_CALLS);
    struct capful_call *call = capful_run_next_call(run);
    CHECK(call != NULL);
    CHECK_INT(step_until_calls(run), CAPFUL_STEP_DONE);
    struct capful_result *result = finish(run);
    CHECK_STR(capful_result_value(result, NULL), "[\"ToolError\",\"timeout\"]");
    CHECK_INT(capful_result_call(result, 0)->outcome, CAPFUL_CALL_UNKNOWN);
    capful_result_free(result);
    if (call)
        answer_number(call, 0);
}

/* A host that only knows capful_run cannot answer: the script is told, nothing hangs. */
static void test_blocking_form(struct capful_sandbox *sandbox)
{
    CHECK_VALUE(sandbox, "try { await host({}) } catch (e) { [e.name, e.code] }",
                "[\"ToolError\",\"no_function\"]");
}

static void test_abandoned_start(struct capful_sandbox *sandbox)
{
    struct capful_error err;
    struct capful_run *run = start(sandbox, "1"), *second = NULL;
    struct capful_job job = api_job("2");
    CHECK_INT(capful_run_start(sandbox, &job, &second, &err), CAPFUL_EBUSY);
    CHECK(second == NULL);
    CHECK_INT(capful_sandbox_reset(sandbox, &err), CAPFUL_EBUSY);
    CHECK_INT(capful_sandbox_free(sandbox), CAPFUL_EBUSY);
    struct capful_result *result = finish(run); /* without a single step */
    CHECK_INT(capful_result_status(result), CAPFUL_KILLED);
    capful_result_free(result);
    CHECK_VALUE(sandbox, "3", "3");
}

int main(void)
{
    struct threads threads = {.count = 0};
    struct capful_policy *policy = make_policy(&threads);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    test_any_order(sandbox);
    test_descriptor(sandbox);
    test_threads(sandbox, &threads);
    test_late(policy);
    test_late_threads(policy, &threads);
    test_time_limit(sandbox);
    test_blocking_form(sandbox);
    test_abandoned_start(sandbox);
    capful_sandbox_free(sandbox);
    capful_policy_unref(policy);
    return api_done();
}
