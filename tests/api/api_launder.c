/* What was touched in one run, against the tricks that would have the next one send it: files that
 * stay, other accounts, a reset, a snapshot that another sandbox restores. Only the host clears it.
 */
#include "api.h"

static void give(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "1", 1);
}

static const char text[] = "{\"grants\": [\"secret\", \"page\", \"send\"], \"flow\": \"trifecta\"}";
static const char send[] = "await tools.send({}).then(() => 'sent', e => e.name)";
static const char read_both[] = "await tools.secret({}); await tools.page({});"
                                "require('fs').writeFileSync('/workspace/x', 'secret'); 1";

static struct capful_policy *make_policy(void)
{
    static const struct capful_tool tools[] = {
        {.name = "secret", .call = give, .labels = "private"},
        {.name = "page", .call = give, .labels = "untrusted"},
        {.name = "send", .call = give, .labels = "external"},
    };
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        api_must(capful_builder_tool(builder, &tools[i], &err), &err, "capful_builder_tool");
    api_must(capful_builder_policy(builder, text, strlen(text), NULL, NULL, &err), &err,
             "capful_builder_policy");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    return policy;
}

static void check_run(struct capful_sandbox *sandbox, const char *account, const char *code,
                      const char *wanted)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job = api_job(code);
    job.account = account;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(capful_result_value(result, NULL), wanted);
    capful_result_free(result);
}

static void test_next_run(struct capful_policy *policy)
{
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_error err;
    check_run(sandbox, NULL, send, "\"sent\"");
    check_run(sandbox, NULL, "await tools.secret({})", "1");
    check_run(sandbox, "alice", send, "\"sent\"");
    check_run(sandbox, "bob", read_both, "1");
    check_run(sandbox, NULL, send, "\"ToolDenied\"");
    check_run(sandbox, "alice", send, "\"ToolDenied\""); /* the files are there for her, too */
    api_must(capful_sandbox_reset(sandbox, &err), &err, "capful_sandbox_reset");
    check_run(sandbox, NULL, send, "\"ToolDenied\"");
    CHECK_INT(capful_sandbox_forget(sandbox, NULL, CAPFUL_FORGET_USE, &err), 0);
    check_run(sandbox, NULL, send, "\"ToolDenied\"");
    CHECK_INT(capful_sandbox_forget(sandbox, NULL, CAPFUL_FORGET_TOUCHED, &err), 0);
    check_run(sandbox, NULL, send, "\"sent\"");
    capful_sandbox_free(sandbox);
}

static void test_snapshot(struct capful_policy *policy)
{
    struct capful_sandbox *dirty = api_sandbox(policy), *clean = api_sandbox(policy);
    struct capful_snapshot *snapshot = NULL;
    struct capful_error err;
    check_run(dirty, NULL, read_both, "1");
    check_run(clean, NULL, send, "\"sent\"");
    api_must(capful_snapshot_take(dirty, &snapshot, &err), &err, "capful_snapshot_take");
    capful_sandbox_free(dirty);
    api_must(capful_snapshot_restore(clean, snapshot, &err), &err, "capful_snapshot_restore");
    capful_snapshot_free(snapshot);
    check_run(clean, NULL, "require('fs').readFileSync('/workspace/x', 'utf8')", "\"secret\"");
    check_run(clean, NULL, send, "\"ToolDenied\"");
    check_run(clean, "carol", send, "\"ToolDenied\"");
    /* and from there on */
    struct capful_sandbox *third = api_sandbox(policy);
    api_must(capful_snapshot_take(clean, &snapshot, &err), &err, "capful_snapshot_take");
    api_must(capful_snapshot_restore(third, snapshot, &err), &err, "capful_snapshot_restore");
    capful_snapshot_free(snapshot);
    check_run(third, NULL, send, "\"ToolDenied\"");
    capful_sandbox_free(third);
    capful_sandbox_free(clean);
}

int main(void)
{
    struct capful_policy *policy = make_policy();
    test_next_run(policy);
    test_snapshot(policy);
    capful_policy_unref(policy);
    return api_done();
}
