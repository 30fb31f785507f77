/* What a tool's function may do with the sandbox that calls it: its files and cancelling, yes;
 * running, resetting, freeing, no. Whatever is refused says busy, and the run goes on.
 */
#include "api.h"

static int seen;

static void busy(struct capful_call *call, void *context)
{
    struct capful_sandbox *sandbox = capful_call_sandbox(call);
    struct capful_result *result = NULL;
    struct capful_run *run = NULL;
    struct capful_snapshot *snapshot = NULL;
    struct capful_error err;
    struct capful_job job = api_job("1");
    (void)context;
    CHECK_INT(capful_run(sandbox, &job, &result, &err), CAPFUL_EBUSY);
    CHECK_INT(err.code, CAPFUL_EBUSY);
    CHECK(result == NULL);
    CHECK_INT(capful_run_start(sandbox, &job, &run, NULL), CAPFUL_EBUSY);
    CHECK(run == NULL);
    CHECK_INT(capful_sandbox_reset(sandbox, &err), CAPFUL_EBUSY);
    CHECK_INT(capful_sandbox_free(sandbox), CAPFUL_EBUSY);
    CHECK_INT(capful_snapshot_take(sandbox, &snapshot, &err), 0);
    CHECK_INT(capful_snapshot_restore(sandbox, snapshot, &err), CAPFUL_EBUSY);
    capful_snapshot_free(snapshot);
    seen++;
    capful_call_answer(call, "null", 4);
}

static void files(struct capful_call *call, void *context)
{
    struct capful_sandbox *sandbox = capful_call_sandbox(call);
    struct capful_error err;
    struct capful_stat stat;
    void *data = NULL;
    size_t len = 0;
    (void)context;
    CHECK_INT(capful_file_read(sandbox, "in", &data, &len, &err), 0);
    CHECK(len == 5 && memcmp(data, "given", 5) == 0);
    CHECK_INT(capful_file_write(sandbox, "out", data, len, &err), 0);
    CHECK_INT(capful_file_mkdir(sandbox, "dir", &err), 0);
    CHECK_INT(capful_file_stat(sandbox, "dir", &stat, &err), 0);
    CHECK_INT(capful_file_remove(sandbox, "in", &err), 0);
    capful_free(data);
    capful_call_answer(call, "true", 4);
}

/* Another sandbox of the same policy is another sandbox: it may run here. */
static void nested(struct capful_call *call, void *context)
{
    struct capful_policy **policy = context;
    struct capful_sandbox *other = api_sandbox(*policy);
    CHECK_VALUE(other, "require('fs').writeFileSync('out', 'of the other'); 6 * 7", "42");
    capful_sandbox_free(other);
    capful_call_answer(call, "42", 2);
}

static void cancel(struct capful_call *call, void *context)
{
    (void)context;
    capful_sandbox_cancel(capful_call_sandbox(call), 2);
    capful_call_answer(call, "true", 4);
}

static struct capful_policy *shared;

static int out_callback(void *context, const void *data, size_t len)
{
    struct capful_sandbox *sandbox = context;
    struct capful_error err;
    (void)len;
    CHECK_INT(capful_sandbox_reset(sandbox, &err), CAPFUL_EBUSY);
    CHECK_INT(capful_file_write(sandbox, "from_output", data, len, &err), 0);
    return 0;
}

int main(void)
{
    static const struct {
        const char *name;
        capful_tool_fn call;
    } tools[] = {{"busy", busy}, {"files", files}, {"nested", nested}, {"cancel", cancel}};
    struct capful_builder *builder = NULL;
    struct capful_result *result = NULL;
    struct capful_error err;
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        struct capful_tool tool = {
            .name = tools[i].name, .call = tools[i].call, .context = &shared};
        api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    }
    api_must(capful_builder_build(builder, &shared, &err), &err, "capful_builder_build");
    capful_builder_free(builder);

    struct capful_sandbox *sandbox = api_sandbox(shared);
    CHECK_VALUE(sandbox, "await busy({}); await Promise.all([busy({}), busy({})]); 'went on'",
                "\"went on\"");
    CHECK_INT(seen, 3);
    CHECK_VALUE(
        sandbox,
        "const fs = require('fs'); fs.writeFileSync('in', 'given'); await files({});\n"
        "[fs.readFileSync('out', 'utf8'), fs.existsSync('in'), fs.statSync('dir').isDirectory()]",
        "[\"given\",false,true]");
    CHECK_VALUE(sandbox, "[await nested({}), require('fs').readFileSync('out', 'utf8')]",
                "[42,\"given\"]");

    result =
        api_run(sandbox, "try { await cancel({}); for (;;); } finally { console.log('never') }");
    CHECK_INT(capful_result_status(result), CAPFUL_KILLED);
    CHECK_INT(capful_result_exit_code(result), 130);
    CHECK_STR(capful_result_stdout(result, NULL), "");
    capful_result_free(result);

    struct capful_job job = api_job("console.log('hello'); 1");
    job.on_stdout = out_callback;
    job.context = sandbox;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(capful_result_value(result, NULL), "1");
    capful_result_free(result);
    CHECK_VALUE(sandbox, "require('fs').readFileSync('from_output', 'utf8')", "\"hello\\n\"");

    CHECK_INT(capful_sandbox_reset(sandbox, &err), 0);
    CHECK_INT(capful_sandbox_free(sandbox), 0);
    capful_policy_unref(shared);
    return api_done();
}
