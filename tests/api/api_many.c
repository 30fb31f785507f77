/* Many sandboxes: a thousand live at once, two threads, and thousands of create-run-destroy cycles
 * without growth.
 *
 * CAPFUL_TEST_CYCLES raises the number of cycles (100,000 is the full test). Memory is compared
 * after 1,000 cycles and at the end; growth beyond 2 MB fails, which at 20,000 cycles is about 100
 * bytes a cycle.
 */
#include "api.h"

#include <pthread.h>

enum { LIVE = 1000 };

static void add(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "7", 1);
}

static struct capful_policy *make_policy(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    const struct capful_tool tool = {.name = "add", .call = add};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    return policy;
}

static void cycle(struct capful_policy *policy, long i)
{
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_result *result;
    /* now and then a run that ends badly, since those paths leak most easily */
    switch (i % 50) {
    case 1: result = api_run(sandbox, "throw new Error('planned')"); break;
    case 2:
        result =
            api_run(sandbox, "require('fs').writeFileSync('f', 'x'.repeat(100000)); await add({})");
        break;
    case 3: result = api_run(sandbox, "add({}); nothing.here"); break;
    case 4: result = api_run(sandbox, "this is no program"); break;
    default: result = api_run(sandbox, "await add({}) + 1"); break;
    }
    if (i % 50 == 0 || i % 50 > 4)
        CHECK_STR(capful_result_value(result, NULL), "8");
    capful_result_free(result);
    CHECK_INT(capful_sandbox_free(sandbox), 0);
}

static void test_cycles(struct capful_policy *policy)
{
    long cycles = api_count("CAPFUL_TEST_CYCLES", 20000), settled = 0;
    uint64_t start = api_now();
    for (long i = 0; i < cycles; i++) {
        if (i == cycles / 4) /* by then every slot of the pool has had its turn */
            settled = api_rss();
        cycle(policy, i);
    }
    long growth = api_rss() - settled;
    printf("%ld cycles in %.2f s, memory %ld KB after a quarter, %+ld KB since\n", cycles,
           (double)(api_now() - start) / 1e9, settled, growth);
    CHECK(growth < 1024);
}

static void test_live(struct capful_policy *policy)
{
    static struct capful_sandbox *live[LIVE];
    long before = api_rss();
    for (int i = 0; i < LIVE; i++) {
        live[i] = api_sandbox(policy);
        char code[120];
        snprintf(code, sizeof code, "require('fs').writeFileSync('mine', '%d'); await add({})", i);
        CHECK_VALUE(live[i], code, "7");
    }
    double each = (double)(api_rss() - before) / LIVE;
    printf("%d sandboxes live, each used once: %.1f KB each\n", LIVE, each);
    CHECK(each <= 60);
    for (int i = 0; i < LIVE; i += 111) {
        char wanted[20];
        snprintf(wanted, sizeof wanted, "\"%d\"", i);
        CHECK_VALUE(live[i], "require('fs').readFileSync('mine', 'utf8')", wanted);
    }
    for (int i = 0; i < LIVE; i++)
        CHECK_INT(capful_sandbox_free(live[i]), 0);
}

/* Runs that are under way at the same time, one suspended in each sandbox. */
static void test_suspended(struct capful_policy *policy)
{
    enum { RUNS = 200 };
    static struct capful_sandbox *live[RUNS];
    static struct capful_run *runs[RUNS];
    struct capful_error err;
    for (int i = 0; i < RUNS; i++) {
        struct capful_job job = api_job("await new Promise((r) => setTimeout(r, 50)); 'rested'");
        live[i] = api_sandbox(policy);
        api_must(capful_run_start(live[i], &job, &runs[i], &err), &err, "capful_run_start");
        CHECK_INT(capful_run_step(runs[i]), CAPFUL_STEP_WAIT);
    }
    for (int i = 0; i < RUNS; i++) {
        struct capful_result *result = NULL;
        while (capful_run_step(runs[i]) != CAPFUL_STEP_DONE)
            capful_run_wait(runs[i]);
        api_must(capful_run_finish(runs[i], &result, &err), &err, "capful_run_finish");
        CHECK_STR(capful_result_value(result, NULL), "\"rested\"");
        capful_result_free(result);
        capful_sandbox_free(live[i]);
    }
}

static void *thread_main(void *argument)
{
    for (long i = 0; i < 2000; i++)
        cycle(argument, 5 + i % 40);
    return NULL;
}

static void test_threads(struct capful_policy *policy)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, thread_main, policy) != 0)
            exit(1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    struct capful_policy *policy = make_policy();
    test_live(policy);
    test_suspended(policy);
    test_cycles(policy);
    test_threads(policy);
    capful_policy_unref(policy);
    return api_done();
}
