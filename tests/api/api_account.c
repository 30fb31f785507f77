/* What outlives a run and a sandbox: accounts, touched labels, and what only the host can forget.
 * And what the host says about a run: facts, canned results, a policy that only watches.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int called;

static void answer(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    (void)context;
    called++;
    capful_call_answer(call, arguments, len);
}

static struct capful_policy *policy_of(const char *text)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    const struct capful_tool tools[] = {
        {.name = "pay", .call = answer},
        {.name = "tenant",
         .schema =
             "{\"properties\":{\"tenant\":{\"type\":\"string\"},\"n\":{\"type\":\"number\"}}}",
         .call = answer},
        {.name = "page", .call = answer, .labels = "untrusted other"},
        {.name = "records",
         .call = answer,
         .hints = CAPFUL_HINTS | CAPFUL_HINT_READ_ONLY | CAPFUL_HINT_CLOSED_WORLD},
        {.name = "post", .call = answer, .hints = CAPFUL_HINTS},
        {.name = "other", .call = answer}};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++)
        api_must(capful_builder_tool(builder, &tools[i], &err), &err, "capful_builder_tool");
    api_must(capful_builder_policy(builder, text, strlen(text), "test", NULL, &err), &err, text);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    return policy;
}

static struct capful_sandbox *sandbox_with(const char *text)
{
    struct capful_policy *policy = policy_of(text);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    return sandbox;
}

static struct capful_result *run_for(struct capful_sandbox *sandbox, const char *account,
                                     const char *code)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job = api_job(code);
    job.account = account;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    return result;
}

#define EXPECT_FOR(sandbox, account, code, wanted)                                                 \
    expect_for((sandbox), (account), (code), (wanted), __LINE__)
static void expect_for(struct capful_sandbox *sandbox, const char *account, const char *code,
                       const char *wanted, int line)
{
    struct capful_result *result = run_for(sandbox, account, code);
    api_check_str(capful_result_value(result, NULL), wanted, code, __FILE__, line);
    capful_result_free(result);
}

/* How many of so many calls made at once pass; and what one call answers, or its code. */
#define PASS(n)                                                                                    \
    "(await Promise.allSettled(Array.from({length: " #n                                            \
    "}, (_, n) => tools.pay({n})))).filter((r) => r.status == 'fulfilled').length"
#define CALL(tool) "try { await tools." tool "({}); 'passed' } catch (e) { e.code }"
#define PASSED     "\"passed\""

#define THREE "{\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\",\"max_calls\":3}]}"

/* ------------------------------------------------------------------ shared and forgotten */

static void test_shared(void)
{
    struct capful_policy *policy = policy_of(THREE);
    struct capful_sandbox *a = api_sandbox(policy), *b = api_sandbox(policy);
    struct capful_error err;
    EXPECT_FOR(a, "ann", PASS(2), "2");
    EXPECT_FOR(b, "ann", PASS(2), "1");
    EXPECT_FOR(a, "ann", CALL("pay"), "\"budget\"");
    EXPECT_FOR(b, "bob", PASS(9), "3"); /* another account */
    EXPECT_FOR(a, NULL, PASS(9), "3");  /* the sandbox itself */
    EXPECT_FOR(b, NULL, PASS(9), "3");  /* and the other one */
    EXPECT_FOR(a, "Ann", PASS(9), "3"); /* names are bytes */
    EXPECT_FOR(a, "ann ", PASS(9), "3");

    /* a reset gives nothing back, of the account or the sandbox; nor does a new sandbox */
    CHECK_INT(capful_sandbox_reset(a, &err), 0);
    EXPECT_FOR(a, "ann", PASS(2), "0");
    EXPECT_FOR(a, NULL, PASS(2), "0");
    capful_sandbox_free(b);
    b = api_sandbox(policy);
    EXPECT_FOR(b, "ann", PASS(2), "0");

    /* touched is not used */
    CHECK_INT(capful_sandbox_forget(a, "ann", CAPFUL_FORGET_TOUCHED, &err), 0);
    EXPECT_FOR(b, "ann", PASS(2), "0");
    CHECK_INT(capful_sandbox_forget(a, "ann", CAPFUL_FORGET_USE, &err), 0);
    EXPECT_FOR(b, "ann", PASS(9), "3");
    EXPECT_FOR(b, "bob", PASS(2), "0");
    EXPECT_FOR(a, NULL, PASS(2), "0");
    CHECK_INT(capful_sandbox_forget(a, NULL, 0, &err), 0);
    EXPECT_FOR(a, NULL, PASS(9), "3");
    CHECK_INT(capful_sandbox_forget(a, "nobody", 0, &err), 0);
    CHECK_INT(capful_sandbox_forget(a, "", 0, &err), CAPFUL_EINVAL);

    struct capful_result *result = NULL;
    struct capful_job job = api_job("1");
    job.account = "";
    CHECK_INT(capful_run(a, &job, &result, &err), CAPFUL_EINVAL);
    capful_sandbox_free(a);
    capful_sandbox_free(b);
    capful_policy_unref(policy);
}

/* ------------------------------------------------------------------ a race for a budget */

struct racer {
    pthread_t thread;
    struct capful_sandbox *sandbox;
    int passed;
};

static void *race(void *context)
{
    struct racer *racer = context;
    struct capful_result *result = run_for(racer->sandbox, "all", PASS(25));
    racer->passed = atoi(capful_result_value(result, NULL));
    capful_result_free(result);
    return NULL;
}

static void race_with(const char *text, int wanted)
{
    enum { RACERS = 4 };
    struct racer racers[RACERS];
    struct capful_policy *policy = policy_of(text);
    int passed = 0;
    called = 0;
    for (int i = 0; i < RACERS; i++)
        racers[i].sandbox = api_sandbox(policy);
    for (int i = 0; i < RACERS; i++)
        if (!CHECK_INT(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0))
            exit(1);
    for (int i = 0; i < RACERS; i++) {
        pthread_join(racers[i].thread, NULL);
        passed += racers[i].passed;
        capful_sandbox_free(racers[i].sandbox);
    }
    CHECK_INT(passed, wanted);
    CHECK_INT(called, wanted);
    capful_policy_unref(policy);
}

/* ------------------------------------------------------------------ a file of accounts */

static void file_policy(char *text, size_t size, const char *path, int max_calls)
{
    snprintf(text, size,
             "{\"accounts\":{\"file\":\"%s\"},\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\","
             "\"max_calls\":%d},\"records\",\"page\",\"post\"],\"flow\":\"trifecta\"}",
             path, max_calls);
}

/* In a process of its own: what it has used is there afterwards, and after a kill. */
static int in_child(const char *text, const char *code)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct capful_sandbox *sandbox = sandbox_with(text);
        struct capful_result *result = run_for(sandbox, "ann", code);
        const char *value = capful_result_value(result, NULL);
        _exit(value ? atoi(value) : 99); /* nothing is closed */
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_file(const char *directory)
{
    char text[600], path[300];
    struct capful_error err;
    snprintf(path, sizeof path, "%s/accounts.db", directory);
    file_policy(text, sizeof text, path, 5);
    CHECK_INT(in_child(text, PASS(2)), 2);
    CHECK_INT(in_child(text, "await tools.records({}); await tools.page({}); 1"), 1);
    CHECK_INT(access(path, R_OK), 0);
    struct capful_sandbox *sandbox = sandbox_with(text);
    EXPECT_FOR(sandbox, "bob", CALL("post"), PASSED);
    EXPECT_FOR(sandbox, "ann", PASS(9), "3");
    EXPECT_FOR(sandbox, "ann", CALL("post"), "\"flow\"");
    CHECK_INT(capful_sandbox_forget(sandbox, "ann", CAPFUL_FORGET_USE, &err), 0);
    EXPECT_FOR(sandbox, "ann", PASS(4), "4");
    EXPECT_FOR(sandbox, "ann", CALL("post"), "\"flow\"");
    CHECK_INT(capful_sandbox_forget(sandbox, "ann", CAPFUL_FORGET_TOUCHED, &err), 0);
    EXPECT_FOR(sandbox, "ann", CALL("post"), PASSED);
    EXPECT_FOR(sandbox, "ann", PASS(4), "1");
    capful_sandbox_free(sandbox);
    sandbox = sandbox_with(text);
    EXPECT_FOR(sandbox, "ann", PASS(4), "0");
    capful_sandbox_free(sandbox);
    unlink(path);
    file_policy(text, sizeof text, path, 10);
    race_with(text, 10);
}

/* ------------------------------------------------------------------ what was touched */

#define TRIFECTA "{\"grants\":[\"page\",\"records\",\"post\",\"other\"],\"flow\":\"trifecta\"}"

static void test_touched(void)
{
    struct capful_policy *policy = policy_of(TRIFECTA);
    struct capful_policy *same = policy_of(TRIFECTA);
    struct capful_sandbox *a = api_sandbox(policy), *b = api_sandbox(same);
    struct capful_snapshot *snapshot = NULL;
    struct capful_error err;
    EXPECT_FOR(a, NULL, CALL("page"), PASSED);
    EXPECT_FOR(a, NULL, CALL("post"), PASSED);
    EXPECT_FOR(a, NULL, CALL("records"), PASSED);
    EXPECT_FOR(a, NULL, CALL("post"), "\"flow\"");
    EXPECT_FOR(a, NULL, CALL("other"), PASSED);
    EXPECT_FOR(b, NULL, CALL("post"), PASSED);

    /* it goes where the files go: another account, a reset, another sandbox */
    EXPECT_FOR(a, "ann", CALL("post"), "\"flow\"");
    CHECK_INT(capful_sandbox_reset(a, &err), 0);
    EXPECT_FOR(a, NULL, CALL("post"), "\"flow\"");
    api_must(capful_snapshot_take(a, &snapshot, &err), &err, "capful_snapshot_take");
    CHECK_INT(capful_snapshot_restore(b, snapshot, &err), 0);
    EXPECT_FOR(b, NULL, CALL("post"), "\"flow\"");
    CHECK_INT(capful_sandbox_forget(b, NULL, CAPFUL_FORGET_USE, &err), 0);
    EXPECT_FOR(b, NULL, CALL("post"), "\"flow\"");
    CHECK_INT(capful_sandbox_forget(b, NULL, CAPFUL_FORGET_TOUCHED, &err), 0);
    EXPECT_FOR(b, NULL, CALL("post"), PASSED);
    CHECK_INT(capful_snapshot_restore(b, snapshot, &err), 0);
    EXPECT_FOR(b, NULL, CALL("post"), "\"flow\"");
    capful_snapshot_free(snapshot);
    capful_sandbox_free(a);
    capful_sandbox_free(b);

    /* and to the account: what one sandbox has read another must not send */
    a = api_sandbox(policy);
    b = api_sandbox(policy);
    EXPECT_FOR(a, "ann", CALL("page"), PASSED);
    EXPECT_FOR(b, "ann", CALL("records"), PASSED);
    struct capful_sandbox *c = api_sandbox(policy);
    EXPECT_FOR(c, "ann", CALL("post"), "\"flow\"");
    EXPECT_FOR(c, "bob", CALL("post"), PASSED);
    capful_sandbox_free(a);
    capful_sandbox_free(b);
    capful_sandbox_free(c);
    capful_policy_unref(policy);
    capful_policy_unref(same);
}

/* ------------------------------------------------------------------ facts */

static struct capful_result *run_job(const char *policy, const struct capful_job *job)
{
    struct capful_sandbox *sandbox = sandbox_with(policy);
    struct capful_result *result = NULL;
    struct capful_error err;
    api_must(capful_run(sandbox, job, &result, &err), &err, "capful_run");
    capful_sandbox_free(sandbox);
    return result;
}

static void expect_fact(const char *policy, const char *facts, const char *code, const char *wanted)
{
    struct capful_job job = api_job(code);
    job.facts = facts;
    struct capful_result *result = run_job(policy, &job);
    CHECK_STR(capful_result_value(result, NULL), wanted);
    capful_result_free(result);
}

static void test_facts(void)
{
    static const char compared[] = "{\"grants\":[{\"tool\":\"tenant\",\"where\":{\"tenant\":{"
                                   "\"eq\":{\"context\":\"/user/of\"}}}}]}";
    static const char bound[] =
        "{\"grants\":[{\"tool\":\"tenant\",\"bind\":{\"tenant\":{\"context\":\"/user/of\"}}}]}";
    static const char give[] =
        "try { JSON.stringify(await tools.tenant({tenant: 'acme'})) } catch (e) { e.code }";
    static const char leave[] =
        "try { JSON.stringify(await tools.tenant({n: 1})) } catch (e) { e.code }";
    static const char acme[] = "{\"user\":{\"of\":\"acme\"}}";
    expect_fact(compared, acme, give, "\"{\\\"tenant\\\":\\\"acme\\\"}\"");
    expect_fact(compared, "{\"user\":{\"of\":\"evil\"}}", give, "\"constraint\"");
    expect_fact(compared, "{\"user\":{\"of\":7}}", give, "\"constraint\"");
    expect_fact(compared, "{}", give, "\"constraint\"");
    expect_fact(compared, NULL, give, "\"constraint\"");
    expect_fact(bound, acme, leave, "\"{\\\"n\\\":1,\\\"tenant\\\":\\\"acme\\\"}\"");
    struct capful_job job = api_job(give);
    job.facts = acme;
    struct capful_result *result = run_job(bound, &job);
    CHECK_INT(capful_result_usage(result)->denials, 1);
    capful_result_free(result);
    job = api_job(leave); /* nothing to bind */
    result = run_job(bound, &job);
    CHECK_INT(capful_result_usage(result)->denials, 1);
    capful_result_free(result);

    /* what is no object runs nothing */
    static const char *const wrong[] = {"", "[]", "1", "null", "{", "{\"a\":1,\"a\":2}", "{} x"};
    struct capful_sandbox *sandbox = sandbox_with(compared);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        for (int dry = 0; dry < 2; dry++) {
            struct capful_error err = {.code = 0};
            job = api_job("1");
            *(dry ? &job.dry_results : &job.facts) = wrong[i];
            result = NULL;
            if (!CHECK_INT(capful_run(sandbox, &job, &result, &err), CAPFUL_EINVAL))
                printf("    %s\n", wrong[i]);
            CHECK(err.text[0] != 0);
            capful_result_free(result);
        }
    CHECK_VALUE(sandbox, "2", "2");
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ dry runs and watching */

static void test_dry(void)
{
    struct capful_sandbox *sandbox =
        sandbox_with("{\"grants\":[{\"tool\":\"pay\",\"max_calls\":2},\"other\"]}");
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job =
        api_job("const seen = [];\n"
                "for (const t of [tools.pay, tools.other, tools.pay, tools.pay])\n"
                "  try { seen.push(await t({})) } catch (e) { seen.push(e.code) }\n"
                "JSON.stringify(seen)");
    job.account = "ann";
    job.dry_results = "{\"pay\":{\"done\":true}}";
    called = 0;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(capful_result_value(result, NULL),
              "\"[{\\\"done\\\":true},null,{\\\"done\\\":true},\\\"budget\\\"]\"");
    CHECK_INT(called, 0);
    CHECK_INT(capful_result_mode(result), CAPFUL_DRY_RUN);
    CHECK(strstr(capful_result_json(result, NULL), "\"mode\":\"dry_run\"") != NULL);
    CHECK(strncmp(capful_result_text(result, NULL), "DRY RUN", 7) == 0);
    capful_result_free(result);
    EXPECT_FOR(sandbox, "ann", PASS(5), "2"); /* the account has not paid for it */
    capful_sandbox_free(sandbox);
}

static void on_call(void *context, const struct capful_record *record)
{
    int *watched = context;
    *watched += record->outcome == CAPFUL_CALL_STARTED && record->would_deny;
}

static void test_watch(void)
{
    struct capful_sandbox *sandbox = sandbox_with(
        "{\"mode\":\"watch\",\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\",\"max_calls\":1,"
        "\"where\":{\"n\":{\"le\":5}}}]}");
    struct capful_result *result = NULL;
    struct capful_error err;
    int watched = 0;
    struct capful_job job = api_job("await tools.pay({n: 1}); await tools.pay({n: 2});\n"
                                    "await tools.pay({n: 9}); await tools.other({})");
    job.on_call = on_call;
    job.context = &watched;
    called = 0;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_INT(capful_result_status(result), CAPFUL_OK);
    CHECK_INT(capful_result_mode(result), CAPFUL_WATCH);
    CHECK_INT(called, 4);
    CHECK_INT(watched, 3);
    if (CHECK_INT(capful_result_call_count(result), 4)) {
        CHECK(capful_result_call(result, 0)->would_deny == NULL);
        CHECK(strstr(capful_result_call(result, 1)->would_deny, "budget") != NULL);
        CHECK_STR(capful_result_call(result, 2)->would_deny, "n must be at most 5 (was 9)");
        CHECK_STR(capful_result_call(result, 2)->grant, "payments");
        CHECK(capful_result_call(result, 3)->would_deny != NULL);
        CHECK(capful_result_call(result, 3)->grant == NULL);
    }
    CHECK(strstr(capful_result_json(result, NULL), "\"mode\":\"watch\"") != NULL);
    CHECK(strstr(capful_result_json(result, NULL),
                 "\"would_deny\":\"n must be at most 5 (was 9)\"") != NULL);
    CHECK(strncmp(capful_result_text(result, NULL), "THE POLICY ONLY WATCHED", 23) == 0);
    CHECK(strstr(capful_result_text(result, NULL), "pay({\"n\":9}) would be denied: n must") !=
          NULL);
    capful_result_free(result);

    /* what the script narrowed is no matter of policy */
    EXPECT_FOR(sandbox, NULL,
               "try { await tools.pay.narrow({n: 1})({n: 2}) } catch (e) { e.message }",
               "\"pay denied: n must be 1 (was 2)\"");
    capful_sandbox_free(sandbox);
}

/* A run that is denied again and again is ended, though the script catches it. */
static void test_denials(void)
{
    struct capful_sandbox *sandbox = sandbox_with(
        "{\"limits\":{\"denials\":3},\"grants\":[{\"tool\":\"pay\",\"where\":{\"n\":1}}]}");
    struct capful_result *result =
        run_for(sandbox, NULL, "for (let n = 2; n < 99; n++) await tools.pay({n}).catch(() => 0)");
    CHECK_INT(capful_result_status(result), CAPFUL_LIMIT);
    CHECK_STR(capful_result_limit(result), "denials");
    CHECK(capful_result_usage(result)->denials <= 4);
    capful_result_free(result);
    EXPECT_FOR(sandbox, NULL, "JSON.stringify(await tools.pay({n: 1}))", "\"{\\\"n\\\":1}\"");
    capful_sandbox_free(sandbox);
}

int main(void)
{
    char directory[] = "/tmp/capful-account-XXXXXX";
    if (!mkdtemp(directory))
        return api_skip("no directory for temporary files");
    test_file(directory); /* first: it forks */
    rmdir(directory);
    test_shared();
    race_with("{\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\",\"max_calls\":10}]}", 10);
    race_with("{\"grants\":[{\"tool\":\"pay\",\"rate\":\"7/day\"}]}", 7);
    race_with("{\"grants\":[{\"tool\":\"pay\",\"where\":{\"n\":{\"sum_le\":0}}}]}", 4);
    test_touched();
    test_facts();
    test_dry();
    test_watch();
    test_denials();
    return api_done();
}
