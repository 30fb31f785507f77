/* Approvals: calls that wait until the host has agreed to them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <pthread.h>

/* What a run asked, and what its tool was called with. */
struct desk {
    struct capful_question *kept[16];
    size_t n_kept;
    char called[512]; /* arguments of each call, one after the other */
    int times, most;  /* how often on_questions was called, and with how many at most */
};

static void pay(struct capful_call *call, void *context)
{
    struct desk *desk = context;
    size_t len = strlen(desk->called);
    snprintf(desk->called + len, sizeof desk->called - len, "%s;",
             capful_call_arguments(call, NULL));
    capful_call_answer(call, "true", 4);
}

static struct capful_sandbox *sandbox_with(const char *text, struct desk *desk)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    const struct capful_tool tool = {
        .name = "pay",
        .schema = "{\"properties\":{\"amount\":{\"type\":\"number\"},\"to\":{\"type\":\"string\","
                  "\"default\":\"bank\"}},\"required\":[\"amount\"],"
                  "\"additionalProperties\":false}",
        .call = pay,
        .context = desk};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    api_must(capful_builder_policy(builder, text, strlen(text), "test", NULL, &err), &err,
             "capful_builder_policy");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    return sandbox;
}

#define ALWAYS                                                                                     \
    "{\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\",\"where\":{\"amount\":{\"le\":100}},"    \
    "\"approve\":\"ask\"}]}"
#define LARGE                                                                                      \
    "{\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\",\"approve\":{\"amount\":{\"gt\":100}}}]" \
    "}"

/* A script that says for each amount what came of it. */
#define TRY(amounts)                                                                               \
    "const seen = [];\n"                                                                           \
    "for (const amount of " amounts ")\n"                                                          \
    "  try { seen.push(await tools.pay({amount})) }\n"                                             \
    "  catch (e) { seen.push(e.code + ': ' + e.message) }\n"                                       \
    "seen.join('\\n')"

typedef void (*questions_fn)(void *context, struct capful_question *const *questions, size_t n);

static struct capful_result *run(struct capful_sandbox *sandbox, const char *code,
                                 questions_fn answer, void *context)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job = api_job(code);
    job.on_questions = answer;
    job.context = context;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    return result;
}

/* Runs, expects this value and these calls of the tool. */
static void expect(const char *policy, const char *code, questions_fn answer, const char *value,
                   const char *called)
{
    struct desk desk = {.called = ""};
    struct capful_sandbox *sandbox = sandbox_with(policy, &desk);
    struct capful_result *result = run(sandbox, code, answer, &desk);
    CHECK_STR(capful_result_value(result, NULL), value);
    CHECK_STR(desk.called, called);
    capful_result_free(result);
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ the answers */

static void allow(void *context, struct capful_question *const *questions, size_t n)
{
    struct desk *desk = context;
    size_t len;
    desk->times++;
    desk->most = (int)n > desk->most ? (int)n : desk->most;
    for (size_t i = 0; i < n; i++) {
        CHECK_STR(capful_question_tool(questions[i]), "pay");
        CHECK_STR(capful_question_grant(questions[i]), "payments");
        CHECK(capful_question_id(questions[i])[0] != 0);
        CHECK(capful_question_reason(questions[i])[0] != 0);
        CHECK(strstr(capful_question_arguments(questions[i], &len), "\"to\":\"bank\"") != NULL);
        CHECK_INT(len, strlen(capful_question_arguments(questions[i], NULL)));
        CHECK(capful_question_time_left(questions[i]) > 200 * CAPFUL_SECOND);
        CHECK(capful_question_time_left(questions[i]) <= 300 * CAPFUL_SECOND);
        capful_question_allow(questions[i], "ann");
    }
}

static void refuse_with_reason(void *context, struct capful_question *const *questions, size_t n)
{
    (void)context;
    for (size_t i = 0; i < n; i++)
        capful_question_refuse(questions[i], i == 0 ? "not on \"Fridays\"" : NULL, NULL);
}

static void edit_to(struct capful_question *question, const char *json)
{
    capful_question_edit(question, json, strlen(json), "ann");
}

/* By the amount that is asked about: what it becomes. */
static void edit(void *context, struct capful_question *const *questions, size_t n)
{
    static const char *const edits[] = {"{\"amount\":7}",
                                        "{\"amount\":101}",
                                        "{\"amount\":\"7\"}",
                                        "{\"amount\":7",
                                        "{\"amount\":7,\"amount\":8}",
                                        "[7]",
                                        "",
                                        "{\"amount\":7,\"more\":1}",
                                        "{\"to\":\"x\"}"};
    (void)context;
    for (size_t i = 0; i < n; i++) {
        int number = 0;
        CHECK_INT(sscanf(capful_question_arguments(questions[i], NULL), "{\"amount\":%d", &number),
                  1);
        if (number < (int)(sizeof edits / sizeof edits[0]))
            edit_to(questions[i], edits[number]);
        else
            capful_question_edit(questions[i], NULL, 0, NULL);
    }
}

static void test_answers(void)
{
    expect(ALWAYS, TRY("[5, 500]"), allow,
           "\"true\\nconstraint: pay denied: amount must be at most 100 (was 500)\"",
           "{\"amount\":5,\"to\":\"bank\"};");
    expect(LARGE, TRY("[5, 500]"), allow, "\"true\\ntrue\"",
           "{\"amount\":5,\"to\":\"bank\"};{\"amount\":500,\"to\":\"bank\"};");
    expect(ALWAYS, TRY("[5]"), refuse_with_reason,
           "\"approval: pay denied: it was not approved: not on \\\"Fridays\\\"\"", "");
    expect(ALWAYS,
           "(await Promise.allSettled([1, 2].map((amount) => tools.pay({amount}))))"
           ".map((r) => r.reason.message).join('\\n')",
           refuse_with_reason,
           "\"pay denied: it was not approved: not on \\\"Fridays\\\"\\n"
           "pay denied: it was not approved\"",
           "");
    /* nobody takes questions */
    expect(LARGE, TRY("[5, 500]"), NULL,
           "\"true\\napproval: pay denied: it needs an approval, and nobody can be asked\"",
           "{\"amount\":5,\"to\":\"bank\"};");
    /* an edit is checked as the program's arguments were, and defaults are put in */
    expect(ALWAYS, "await tools.pay({amount: 0})", edit, "true", "{\"amount\":7,\"to\":\"bank\"};");
    expect(ALWAYS,
           "const seen = [];\n"
           "for (let amount = 1; amount < 10; amount++)\n"
           "  try { seen.push(await tools.pay({amount})) } catch (e) { seen.push(e.code) }\n"
           "seen.join(' ')",
           edit, "\"constraint schema schema schema schema schema schema schema approval\"", "");
}

/* ------------------------------------------------------------------ the next calls */

static const char *narrowing; /* of allow_next */
static uint64_t next;

static void allow_next(void *context, struct capful_question *const *questions, size_t n)
{
    struct desk *desk = context;
    struct capful_error err;
    desk->times++;
    for (size_t i = 0; i < n; i++)
        if (desk->times > 1)
            capful_question_refuse(questions[i], "asked again", NULL);
        else if (!CHECK_INT(capful_question_allow_next(questions[i], next, narrowing, "ann", &err),
                            0)) {
            printf("    %s\n", err.text);
            capful_question_refuse(questions[i], NULL, NULL);
        }
}

/* A narrowing that is not valid leaves the question as it was. */
static void wrong_next(void *context, struct capful_question *const *questions, size_t n)
{
    static const char *const wrong[] = {"",
                                        "{",
                                        "[]",
                                        "7",
                                        "{\"wher\":{}}",
                                        "{\"where\":{\"amount\":{\"lee\":1}}}",
                                        "{\"max_calls\":3}",
                                        "{\"approve\":\"ask\"}",
                                        "{\"where\":{\"amount\":1},\"where\":{\"amount\":2}}"};
    struct capful_error err;
    CHECK_INT(n, 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        err.text[0] = 0;
        if (!CHECK_INT(capful_question_allow_next(questions[0], 2, wrong[i], "ann", &err),
                       CAPFUL_EPOLICY))
            printf("    %s\n", wrong[i]);
        CHECK(err.text[0] != 0);
        CHECK_INT(err.code, CAPFUL_EPOLICY);
    }
    CHECK_INT(capful_question_allow_next(questions[0], 0, NULL, "ann", &err), CAPFUL_EINVAL);
    CHECK_INT(capful_question_allow_next(questions[0], 0, "{", "ann", NULL), CAPFUL_EINVAL);
    allow(context, questions, n);
}

static void test_next(void)
{
    next = 3;
    narrowing = NULL;
    expect(ALWAYS, TRY("[1, 2, 3, 4]"), allow_next,
           "\"true\\ntrue\\ntrue\\napproval: pay denied: it was not approved: asked again\"",
           "{\"amount\":1,\"to\":\"bank\"};{\"amount\":2,\"to\":\"bank\"};"
           "{\"amount\":3,\"to\":\"bank\"};");
    next = CAPFUL_UNLIMITED;
    expect(ALWAYS, TRY("[1, 2, 101, 4]"), allow_next,
           "\"true\\ntrue\\nconstraint: pay denied: amount must be at most 100 (was 101)\\ntrue\"",
           "{\"amount\":1,\"to\":\"bank\"};{\"amount\":2,\"to\":\"bank\"};"
           "{\"amount\":4,\"to\":\"bank\"};");
    narrowing = "{\"where\":{\"amount\":{\"le\":2}}}";
    expect(ALWAYS, TRY("[1, 2, 3, 1]"), allow_next,
           "\"true\\ntrue\\napproval: pay denied: it was not approved: asked again\\ntrue\"",
           "{\"amount\":1,\"to\":\"bank\"};{\"amount\":2,\"to\":\"bank\"};"
           "{\"amount\":1,\"to\":\"bank\"};");
    /* the call that was asked about is held to it, too */
    expect(ALWAYS, TRY("[3, 2]"), allow_next,
           "\"constraint: pay denied: amount must be at most 2 (was 3)\\ntrue\"",
           "{\"amount\":2,\"to\":\"bank\"};");
    expect(ALWAYS, TRY("[1]"), wrong_next, "\"true\"", "{\"amount\":1,\"to\":\"bank\"};");

    /* it ends with the run */
    struct desk desk = {.called = ""};
    struct capful_sandbox *sandbox = sandbox_with(ALWAYS, &desk);
    narrowing = NULL;
    capful_result_free(run(sandbox, TRY("[1, 2]"), allow_next, &desk));
    CHECK_INT(desk.times, 1);
    struct capful_result *result = run(sandbox, TRY("[3]"), NULL, NULL);
    CHECK(strstr(capful_result_value(result, NULL), "nobody can be asked") != NULL);
    capful_result_free(result);
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ several, late, and too late */

static void keep(void *context, struct capful_question *const *questions, size_t n)
{
    struct desk *desk = context;
    desk->times++;
    desk->most = (int)n > desk->most ? (int)n : desk->most;
    for (size_t i = 0; i < n; i++)
        if (CHECK(desk->n_kept < 16))
            desk->kept[desk->n_kept++] = questions[i];
}

#define AT_ONCE "(await Promise.all([1, 2, 3, 4, 5].map((amount) => tools.pay({amount})))).length"

static void test_several(void)
{
    struct desk desk = {.called = ""};
    struct capful_sandbox *sandbox = sandbox_with(ALWAYS, &desk);
    struct capful_result *result = run(sandbox, AT_ONCE, allow, &desk);
    CHECK_STR(capful_result_value(result, NULL), "5");
    CHECK_INT(desk.times, 1);
    CHECK_INT(desk.most, 5);
    const struct capful_record *record = capful_result_call(result, 4);
    CHECK(record && record->outcome == CAPFUL_CALL_DONE);
    CHECK_STR(record ? record->grant : NULL, "payments");
    CHECK_INT(capful_result_mode(result), CAPFUL_ENFORCE);
    capful_result_free(result);
    capful_sandbox_free(sandbox);
}

static void *answer_later(void *context)
{
    struct desk *desk = context;
    const struct timespec pause = {1, 100000000};
    nanosleep(&pause, NULL);
    for (size_t i = desk->n_kept; i-- > 0;)
        capful_question_allow(desk->kept[i], "a thread");
    return NULL;
}

static void keep_for_thread(void *context, struct capful_question *const *questions, size_t n)
{
    pthread_t thread;
    keep(context, questions, n);
    if (CHECK_INT(pthread_create(&thread, NULL, answer_later, context), 0))
        pthread_detach(thread);
}

/* The wall clock of the run stands still meanwhile. */
static void test_threads(void)
{
    struct desk desk = {.called = ""};
    struct capful_sandbox *sandbox =
        sandbox_with("{\"limits\":{\"wall\":\"900ms\"},\"grants\":[{\"tool\":\"pay\",\"name\":"
                     "\"payments\",\"approve\":\"ask\"}]}",
                     &desk);
    struct capful_result *result = run(sandbox, AT_ONCE, keep_for_thread, &desk);
    CHECK_STR(capful_result_value(result, NULL), "5");
    CHECK(capful_result_usage(result)->waiting >= 1000000000);
    capful_result_free(result);
    capful_sandbox_free(sandbox);
}

static void keep_and_cancel(void *context, struct capful_question *const *questions, size_t n)
{
    struct desk *desk = context;
    keep(desk, questions, n);
    capful_sandbox_cancel(*(struct capful_sandbox **)desk->called, 15);
}

static void answer_all(struct desk *desk)
{
    for (size_t i = 0; i < desk->n_kept; i++) {
        CHECK_STR(capful_question_tool(desk->kept[i]), "pay");
        switch (i % 4) {
        case 0: capful_question_allow(desk->kept[i], "late"); break;
        case 1: capful_question_refuse(desk->kept[i], "late", NULL); break;
        case 2: capful_question_edit(desk->kept[i], "{}", 2, NULL); break;
        default:
            CHECK_INT(capful_question_allow_next(desk->kept[i], 2, NULL, NULL, NULL), 0);
            break;
        }
    }
    desk->n_kept = 0;
}

static void test_too_late(void)
{
    for (int freed = 0; freed < 2; freed++) {
        struct desk desk = {.called = ""}, unused = {.called = ""};
        struct capful_sandbox *sandbox = sandbox_with(ALWAYS, &unused);
        memcpy(desk.called, &sandbox, sizeof sandbox);
        struct capful_result *result = run(sandbox, AT_ONCE, keep_and_cancel, &desk);
        CHECK_INT(capful_result_status(result), CAPFUL_KILLED);
        CHECK_INT(desk.n_kept, 5);
        const struct capful_record *record = capful_result_call(result, 0);
        CHECK(record && record->outcome == CAPFUL_CALL_REFUSED);
        capful_result_free(result);
        if (!freed) {
            answer_all(&desk);
            CHECK_VALUE(sandbox, "1", "1");
        }
        capful_sandbox_free(sandbox);
        answer_all(&desk);
        CHECK_STR(unused.called, "");
    }
}

static void test_time_limit(void)
{
    struct desk desk = {.called = ""};
    struct capful_sandbox *sandbox =
        sandbox_with("{\"approvals\":{\"timeout\":\"60ms\"},\"grants\":[{\"tool\":\"pay\",\"name\":"
                     "\"payments\",\"approve\":\"ask\"}]}",
                     &desk);
    uint64_t before = api_now();
    struct capful_result *result = run(sandbox, TRY("[1]"), keep, &desk);
    CHECK(api_now() - before >= 60000000);
    CHECK(strstr(capful_result_value(result, NULL), "approval: pay denied: ") != NULL);
    if (CHECK_INT(desk.n_kept, 1))
        CHECK_INT(capful_question_time_left(desk.kept[0]), 0);
    capful_result_free(result);
    answer_all(&desk);
    CHECK_VALUE(sandbox, "2", "2");
    CHECK_STR(desk.called, "");
    capful_sandbox_free(sandbox);
}

/* Two calls wait, the budget is for one: what is allowed second is denied all the same. */
static void test_budget(void)
{
    expect("{\"grants\":[{\"tool\":\"pay\",\"name\":\"payments\",\"max_calls\":1,"
           "\"approve\":\"ask\"}]}",
           "(await Promise.allSettled([1, 2].map((amount) => tools.pay({amount}))))"
           ".map((r) => r.value ?? r.reason.code).join()",
           allow, "\"true,budget\"", "{\"amount\":1,\"to\":\"bank\"};");
}

/* Revoked while the question waits: yes is too late. */
static void revoke_and_allow(void *context, struct capful_question *const *questions, size_t n)
{
    struct capful_error err;
    CHECK_INT(capful_grant_revoke(context, "ann", &err), 0);
    for (size_t i = 0; i < n; i++)
        if (i == 0)
            capful_question_allow(questions[i], "bob");
        else
            capful_question_refuse(questions[i], NULL, NULL);
}

static void test_revoked(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_grant *grant = NULL;
    struct capful_error err;
    struct desk desk = {.called = ""};
    const struct capful_tool tool = {.name = "pay", .call = pay, .context = &desk};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    api_must(capful_builder_policy(builder, ALWAYS, strlen(ALWAYS), "test", NULL, &err), &err,
             "capful_builder_policy");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    api_must(capful_grant_find(policy, "payments", &grant, &err), &err, "capful_grant_find");
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_result *result =
        run(sandbox, "try { await tools.pay({amount: 1}) } catch (e) { e.code }", revoke_and_allow,
            grant);
    CHECK_STR(capful_result_value(result, NULL), "\"revoked\"");
    CHECK_STR(desk.called, "");
    capful_result_free(result);
    capful_sandbox_free(sandbox);
    capful_grant_unref(grant);
    capful_policy_unref(policy);
    capful_builder_free(builder);
}

/* ------------------------------------------------------------------ step by step */

static void test_steps(void)
{
    struct desk desk = {.called = ""};
    struct capful_sandbox *sandbox = sandbox_with(ALWAYS, &desk);
    struct capful_run *stepped = NULL;
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_question *question;
    struct capful_job job = api_job(AT_ONCE);
    enum capful_step step;
    int asked = 0;
    job.flags = CAPFUL_TAKE_QUESTIONS;
    api_must(capful_run_start(sandbox, &job, &stepped, &err), &err, "capful_run_start");
    while ((step = capful_run_step(stepped)) != CAPFUL_STEP_DONE) {
        if (step == CAPFUL_STEP_WAIT)
            capful_run_wait(stepped);
        while ((question = capful_run_next_question(stepped)) != NULL) {
            asked++;
            capful_question_allow(question, NULL);
        }
    }
    CHECK(capful_run_next_question(stepped) == NULL);
    api_must(capful_run_finish(stepped, &result, &err), &err, "capful_run_finish");
    CHECK_STR(capful_result_value(result, NULL), "5");
    CHECK_INT(asked, 5);
    capful_result_free(result);

    /* finished while a question waits, and one that nobody took */
    for (int take = 0; take < 2; take++) {
        api_must(capful_run_start(sandbox, &job, &stepped, &err), &err, "capful_run_start");
        while ((step = capful_run_step(stepped)) == CAPFUL_STEP_WAIT)
            capful_run_wait(stepped);
        CHECK_INT(step, CAPFUL_STEP_CALLS);
        question = take ? capful_run_next_question(stepped) : NULL;
        api_must(capful_run_finish(stepped, &result, &err), &err, "capful_run_finish");
        CHECK_INT(capful_result_status(result), CAPFUL_KILLED);
        capful_result_free(result);
        if (take && CHECK(question != NULL))
            capful_question_allow(question, NULL);
    }

    /* capful_run has nobody who could take them */
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_INT(capful_result_status(result), CAPFUL_DENIED);
    CHECK(strstr(capful_result_message(result), "nobody takes questions") != NULL);
    capful_result_free(result);
    capful_sandbox_free(sandbox);
}

int main(void)
{
    test_answers();
    test_next();
    test_several();
    test_threads();
    test_too_late();
    test_time_limit();
    test_budget();
    test_revoked();
    test_steps();
    return api_done();
}
