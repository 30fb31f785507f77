/* A host with little: an address space of 2 GB, and then the plain images by choice. All works as before, slower. */
#include "api.h"

#include <sys/resource.h>
#include <sys/wait.h>

static void add(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "7", 1);
}

static void check_everything(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_limits limits;
    struct capful_error err;
    const struct capful_tool tool = {.name = "add", .call = add};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    capful_builder_get_limits(builder, &limits);
    limits.wall = CAPFUL_SECOND / 2;
    limits.process_memory = 16 * CAPFUL_MIB;
    capful_builder_set_limits(builder, &limits);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);

    struct capful_sandbox *sandbox = api_sandbox(policy);
    CHECK_VALUE(sandbox, "await add({}) + (await Promise.all([add({}), add({})])).length", "9");
    CHECK_VALUE(sandbox, "const fs = require('fs'); fs.writeFileSync('f', 'x'.repeat(1e6)); fs.statSync('f').size", "1000000");
    struct capful_result *result = api_run(sandbox, "for (;;);");
    CHECK_STR(capful_result_limit(result), "wall");
    capful_result_free(result);
    result = api_run(sandbox, "const a = []; for (;;) a.push('x'.repeat(100000) + a.length)");
    CHECK(capful_result_status(result) == CAPFUL_LIMIT || capful_result_status(result) == CAPFUL_ERROR);
    CHECK(capful_result_status(result) != CAPFUL_LIMIT || capful_result_limit(result) != NULL);
    capful_result_free(result);
    result = api_run(sandbox, "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p instanceof Object");
    CHECK(capful_result_status(result) == CAPFUL_ERROR || capful_result_status(result) == CAPFUL_LIMIT);
    capful_result_free(result);
    CHECK_VALUE(sandbox, "const f = (n) => n ? f(n - 1) + 1 : 0; f(4000)", "4000");
    CHECK_VALUE(sandbox, "const g = () => g() + 1; try { g() } catch (e) { e.name }", "\"RangeError\"");
    for (int i = 0; i < 100; i++) {
        struct capful_sandbox *other = api_sandbox(policy);
        CHECK_VALUE(other, "require('fs').readdirSync('.').length", "0");
        capful_sandbox_free(other);
    }
    capful_sandbox_free(sandbox);
    capful_policy_unref(policy);
}

static int in_child(void (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        api_checks = api_failures = 0;
        alarm(120);
        body();
        printf("    %d checks, %d failed\n", api_checks, api_failures);
        fflush(stdout);
        _exit(api_failures != 0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/* Whichever kind is chosen there, it must work. */
static void small_address_space(void)
{
    struct rlimit limit = {UINT64_C(2) << 30, UINT64_C(2) << 30};
    struct capful_error err;
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
    const char *kind = capful_engine_kind(&err);
    if (!CHECK(kind != NULL)) {
        printf("    %s\n", err.text);
        return;
    }
    printf("address space of 2 GB: %s images\n", kind);
    CHECK_STR(kind, "plain"); /* one slot reserves 4 GB */
    check_everything();
}

static void plain_by_choice(void)
{
    struct capful_engine_options options = {.plain = 1};
    struct capful_error err;
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    CHECK_STR(capful_engine_kind(&err), "plain");
    check_everything();
}

static void few_instances(void)
{
    struct capful_engine_options options = {.max_instances = 2};
    struct capful_sandbox *sandboxes[3];
    struct capful_run *runs[3] = {NULL, NULL, NULL};
    struct capful_error err;
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    for (int i = 0; i < 3; i++) {
        struct capful_job job = api_job("await new Promise((r) => setTimeout(r, 20)); 1");
        sandboxes[i] = api_sandbox(NULL);
        int result = capful_run_start(sandboxes[i], &job, &runs[i], &err);
        CHECK_INT(result, i < 2 ? 0 : CAPFUL_ECAPACITY);
        if (result == 0)
            CHECK_INT(capful_run_step(runs[i]), CAPFUL_STEP_WAIT);
    }
    for (int i = 0; i < 2; i++) {
        struct capful_result *result = NULL;
        api_must(capful_run_finish(runs[i], &result, &err), &err, "capful_run_finish");
        capful_result_free(result);
    }
    CHECK_VALUE(sandboxes[2], "'a slot is free again'", "\"a slot is free again\"");
    for (int i = 0; i < 3; i++)
        capful_sandbox_free(sandboxes[i]);
}

int main(void)
{
    CHECK_INT(in_child(small_address_space), 0);
    CHECK_INT(in_child(plain_by_choice), 0);
    CHECK_INT(in_child(few_instances), 0);
    return api_done();
}
