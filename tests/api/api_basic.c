/* Every public function at least once, each result looked at: files, snapshots, results, policies,
 * errors. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------ without a run */

static void test_version_and_names(void)
{
    size_t len = 0;
    CHECK_STR(capful_version(), CAPFUL_VERSION);
    CHECK_STR(capful_status_name(CAPFUL_OK), "ok");
    CHECK_STR(capful_status_name(CAPFUL_ERROR), "error");
    CHECK_STR(capful_status_name(CAPFUL_DENIED), "denied");
    CHECK_STR(capful_status_name(CAPFUL_LIMIT), "limit");
    CHECK_STR(capful_status_name(CAPFUL_KILLED), "killed");
    CHECK_STR(capful_status_name(CAPFUL_FAULT), "fault");
    const char *licenses = capful_licenses(&len);
    CHECK(licenses != NULL);
    CHECK(len > 1000 && licenses && strlen(licenses) == len);
    CHECK(licenses && strstr(licenses, "QuickJS") != NULL);
}

static void test_limits(void)
{
    struct capful_limits limits;
    memset(&limits, 0, sizeof limits);
    capful_limits_init(&limits);
    CHECK_INT(limits.wall, 30 * CAPFUL_SECOND);
    CHECK_INT(limits.cpu, 10 * CAPFUL_SECOND);
    CHECK_INT(limits.tool_time, 60 * CAPFUL_SECOND);
    CHECK(limits.deadline == CAPFUL_UNLIMITED);
    CHECK_INT(limits.memory, 256 * CAPFUL_MIB);
    CHECK_INT(limits.process_memory, 128 * CAPFUL_MIB);
    CHECK_INT(limits.processes, 64);
    CHECK_INT(limits.fds, 256);
    CHECK_INT(limits.vfs_bytes, 128 * CAPFUL_MIB);
    CHECK_INT(limits.vfs_nodes, 100000);
    CHECK_INT(limits.output, 10 * CAPFUL_MIB);
    CHECK_INT(limits.calls, 1000);
    CHECK_INT(limits.argument, 4 * CAPFUL_MIB);
    CHECK_INT(limits.result, 4 * CAPFUL_MIB);
    CHECK_INT(limits.path, 4096);
    CHECK_INT(limits.symlinks, 40);
}

static void test_null(void)
{
    capful_free(NULL);
    capful_builder_free(NULL);
    capful_policy_unref(NULL);
    capful_result_free(NULL);
    capful_snapshot_free(NULL);
    CHECK_INT(capful_sandbox_free(NULL), 0);
}

/* ------------------------------------------------------------------ results */

static void test_result(void)
{
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result =
        api_run(sandbox, "console.log('out'); console.error('err'); ({a: [1, 'x', null]})");
    size_t len = 99;
    CHECK_INT(capful_result_status(result), CAPFUL_OK);
    CHECK_INT(capful_result_exit_code(result), 0);
    CHECK_STR(capful_result_value(result, &len), "{\"a\":[1,\"x\",null]}");
    CHECK_INT(len, strlen("{\"a\":[1,\"x\",null]}"));
    CHECK_STR(capful_result_stdout(result, &len), "out\n");
    CHECK_INT(len, 4);
    CHECK_STR(capful_result_stderr(result, NULL), "err\n");
    CHECK(capful_result_error(result) == NULL);
    CHECK(capful_result_message(result) == NULL);
    CHECK(capful_result_limit(result) == NULL);
    CHECK_INT(capful_result_call_count(result), 0);
    CHECK(capful_result_call(result, 0) == NULL);
    const struct capful_usage *usage = capful_result_usage(result);
    CHECK(usage->wall > 0 && usage->wall < 5 * CAPFUL_SECOND);
    CHECK(usage->peak_memory > 10000);
    CHECK_INT(usage->processes, 1);
    CHECK_INT(usage->stdout_bytes, 4);
    CHECK_INT(usage->stderr_bytes, 4);
    const char *json = capful_result_json(result, &len);
    CHECK(json && strlen(json) == len && json[0] == '{' && json[len - 1] == '}');
    CHECK(json && strstr(json, "\"status\":\"ok\"") && strstr(json, "\"stdout\":\"out\\n\""));
    CHECK(json == capful_result_json(result, NULL));
    const char *text = capful_result_text(result, &len);
    CHECK(text && strstr(text, "out") && strstr(text, "err") && strlen(text) == len);
    CHECK_INT(capful_sandbox_free(sandbox), 0);
    /* the result outlives its sandbox */
    CHECK_STR(capful_result_stdout(result, NULL), "out\n");
    capful_result_free(result);
}

static void test_no_value(void)
{
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result = api_run(sandbox, "let x = 1; undefined");
    size_t len = 7;
    CHECK_INT(capful_result_status(result), CAPFUL_OK);
    CHECK(capful_result_value(result, &len) == NULL);
    CHECK_STR(capful_result_stdout(result, &len), "");
    CHECK_INT(len, 0);
    capful_result_free(result);
    capful_sandbox_free(sandbox);
}

static void test_error(void)
{
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job = api_job("const a = 1;\nthrow new TypeError('not like that');\n");
    job.name = "wrong.js";
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_INT(capful_result_status(result), CAPFUL_ERROR);
    CHECK_INT(capful_result_exit_code(result), 1);
    CHECK(capful_result_value(result, NULL) == NULL);
    const struct capful_script_error *error = capful_result_error(result);
    if (CHECK(error != NULL)) {
        CHECK_STR(error->name, "TypeError");
        CHECK_STR(error->message, "not like that");
        CHECK(strstr(error->stack, "wrong.js:2") != NULL);
        CHECK_INT(error->line, 2);
        CHECK_STR(error->tool, "");
    }
    CHECK_STR(capful_result_message(result), "TypeError: not like that");
    capful_result_free(result);

    result = api_run(sandbox, "process.exit(7)");
    CHECK_INT(capful_result_status(result), CAPFUL_ERROR);
    CHECK_INT(capful_result_exit_code(result), 7);
    CHECK(capful_result_error(result) == NULL);
    capful_result_free(result);

    result = api_run(sandbox, "Promise.reject(new RangeError('nobody looks')); 1");
    CHECK_INT(capful_result_status(result), CAPFUL_ERROR);
    capful_result_free(result);

    result = api_run(sandbox, "let a = ;");
    CHECK_INT(capful_result_status(result), CAPFUL_ERROR);
    error = capful_result_error(result);
    CHECK(error && strcmp(error->name, "SyntaxError") == 0);
    capful_result_free(result);
    CHECK_VALUE(sandbox, "1 + 1", "2");
    capful_sandbox_free(sandbox);
}

static void test_limit(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_limits limits;
    struct capful_error err;
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    capful_builder_get_limits(builder, &limits);
    limits.wall = CAPFUL_SECOND / 10;
    limits.output = 10;
    capful_builder_set_limits(builder, &limits);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);

    uint64_t start = api_now();
    struct capful_result *result =
        api_run(sandbox, "console.log('first'); for (;;) try { for (;;); } finally { continue }");
    CHECK(api_now() - start < CAPFUL_SECOND);
    CHECK_INT(capful_result_status(result), CAPFUL_LIMIT);
    CHECK_STR(capful_result_limit(result), "wall");
    CHECK_INT(capful_result_exit_code(result), 124);
    CHECK_STR(capful_result_stdout(result, NULL), "first\n");
    CHECK(capful_result_message(result) != NULL);
    capful_result_free(result);

    result = api_run(sandbox, "console.log('0123456789'); 1");
    CHECK_INT(capful_result_status(result), CAPFUL_LIMIT);
    CHECK_STR(capful_result_limit(result), "output");
    CHECK_STR(capful_result_stdout(result, NULL), "0123456789");
    CHECK(capful_result_value(result, NULL) == NULL);
    capful_result_free(result);
    CHECK_VALUE(sandbox, "'after a limit'", "\"after a limit\"");
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ jobs */

struct streams {
    char out[64], err[64];
};

static int keep_out(void *context, const void *data, size_t len)
{
    struct streams *s = context;
    strncat(s->out, data, len);
    return 0;
}

static int keep_err(void *context, const void *data, size_t len)
{
    struct streams *s = context;
    strncat(s->err, data, len);
    return 0;
}

static int refuse_out(void *context, const void *data, size_t len)
{
    (void)context;
    (void)data;
    (void)len;
    return 1;
}

static void test_job(void)
{
    static const char *const argv[] = {"one", "", "drei \xc3\xa4", NULL};
    static const char *const env[] = {"COLOUR=blue", NULL};
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result = NULL;
    struct capful_error err;
    struct streams streams = {"", ""};
    struct capful_job job = api_job("console.log('to out'); console.error('to err');\n"
                                    "[process.argv.slice(2), process.env.COLOUR, process.cwd(), "
                                    "require('fs').readFileSync(0, 'utf8')]");
    job.argv = argv;
    job.env = env;
    job.cwd = "/tmp";
    job.input = "from stdin";
    job.input_len = 10;
    job.on_stdout = keep_out;
    job.on_stderr = keep_err;
    job.context = &streams;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(capful_result_value(result, NULL),
              "[[\"one\",\"\",\"drei \xc3\xa4\"],\"blue\",\"/tmp\",\"from stdin\"]");
    CHECK_STR(streams.out, "to out\n");
    CHECK_STR(streams.err, "to err\n");
    CHECK_STR(capful_result_stdout(result, NULL), "");
    capful_result_free(result);
    job.flags = CAPFUL_KEEP_OUTPUT;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(streams.out, "to out\nto out\n");
    CHECK_STR(capful_result_stdout(result, NULL), "to out\n");
    CHECK_STR(capful_result_stderr(result, NULL), "to err\n");
    capful_result_free(result);

    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], "piped", 5), 5);
    close(ends[1]);
    job = api_job("require('fs').readFileSync(0, 'utf8')");
    job.input_fd = ends[0];
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(capful_result_value(result, NULL), "\"piped\"");
    capful_result_free(result);
    close(ends[0]);

    job = api_job("[Math.random(), Date.now()]");
    job.flags = CAPFUL_HAS_SEED | CAPFUL_HAS_CLOCK;
    job.seed = 17;
    job.clock = UINT64_C(1700000000) * CAPFUL_SECOND;
    char first[200];
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    snprintf(first, sizeof first, "%s", capful_result_value(result, NULL));
    CHECK(strstr(first, "1700000000000") != NULL);
    capful_result_free(result);
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(capful_result_value(result, NULL), first);
    capful_result_free(result);
    job.seed = 18;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK(strcmp(capful_result_value(result, NULL), first) != 0);
    capful_result_free(result);

    job = api_job("for (let i = 0; i < 100; i++) console.log(i); 1");
    job.on_stdout = refuse_out;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK(capful_result_status(result) != CAPFUL_LIMIT &&
          capful_result_status(result) != CAPFUL_FAULT);
    capful_result_free(result);

    job = api_job("1");
    job.cwd = "relative";
    result = NULL;
    CHECK_INT(capful_run(sandbox, &job, &result, &err), CAPFUL_EINVAL);
    CHECK(result == NULL && err.code == CAPFUL_EINVAL && err.text[0]);
    job.cwd = NULL;
    job.language = (enum capful_language)99;
    CHECK_INT(capful_run(sandbox, &job, &result, NULL), CAPFUL_EINVAL);
    job = api_job("this is not an image");
    job.language = CAPFUL_WASM;
    CHECK(capful_run(sandbox, &job, &result, &err) < 0);
    CHECK(result == NULL);
    CHECK_VALUE(sandbox, "'still here'", "\"still here\"");
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ files */

static int count_entries(void *context, const char *name, const struct capful_stat *stat)
{
    char *list = context;
    strcat(list, name);
    strcat(list, stat->kind == CAPFUL_DIRECTORY ? "/ " : " ");
    return 0;
}

static int first_only(void *context, const char *name, const struct capful_stat *stat)
{
    (void)name;
    (void)stat;
    ++*(int *)context;
    return 1;
}

static void test_files(void)
{
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_error err;
    struct capful_stat stat;
    void *data = NULL;
    size_t len = 0;
    char list[200] = "";
    int seen = 0;
    CHECK_INT(capful_file_mkdir(sandbox, "sub", &err), 0);
    CHECK_INT(capful_file_write(sandbox, "sub/bytes", "a\0b\xff", 4, &err), 0);
    CHECK_INT(capful_file_write(sandbox, "/workspace/empty", NULL, 0, &err), 0);
    CHECK_INT(capful_file_read(sandbox, "/workspace/sub/bytes", &data, &len, &err), 0);
    CHECK_INT(len, 4);
    CHECK(data && memcmp(data, "a\0b\xff", 5) == 0); /* and a NUL beyond */
    capful_free(data);
    CHECK_INT(capful_file_read(sandbox, "empty", &data, &len, &err), 0);
    CHECK_INT(len, 0);
    capful_free(data);
    CHECK_INT(capful_file_stat(sandbox, "sub/bytes", &stat, &err), 0);
    CHECK_INT(stat.kind, CAPFUL_FILE);
    CHECK_INT(stat.size, 4);
    CHECK_INT(stat.links, 1);
    CHECK_INT(capful_file_stat(sandbox, "sub", &stat, &err), 0);
    CHECK_INT(stat.kind, CAPFUL_DIRECTORY);
    CHECK_INT(capful_file_stat(sandbox, "/dev/null", &stat, &err), 0);
    CHECK_INT(stat.kind, CAPFUL_DEVICE);
    CHECK_INT(capful_file_list(sandbox, ".", count_entries, list, &err), 0);
    CHECK_STR(list, "empty sub/ ");
    CHECK_INT(capful_file_list(sandbox, "/workspace", first_only, &seen, &err), 0);
    CHECK_INT(seen, 1);

    /* the guest sees them, and they stay from run to run */
    CHECK_VALUE(sandbox, "[...require('fs').readFileSync('sub/bytes')]", "[97,0,98,255]");
    CHECK_VALUE(sandbox, "require('fs').writeFileSync('made', 'by a guest'); 0", "0");
    CHECK_VALUE(sandbox, "require('fs').readFileSync('/workspace/made', 'utf8')", "\"by a guest\"");
    CHECK_INT(capful_file_read(sandbox, "made", &data, &len, &err), 0);
    CHECK(len == 10 && memcmp(data, "by a guest", 11) == 0);
    capful_free(data);

    data = &seen;
    CHECK_INT(capful_file_read(sandbox, "missing", &data, &len, &err), CAPFUL_EFILE);
    CHECK(data == &seen && strstr(err.text, "missing") != NULL);
    CHECK_INT(capful_file_read(sandbox, "sub", &data, &len, NULL), CAPFUL_EFILE);
    CHECK_INT(capful_file_write(sandbox, "/etc/passwd", "x", 1, &err), CAPFUL_EFILE);
    CHECK_INT(capful_file_mkdir(sandbox, "sub", NULL), CAPFUL_EFILE);
    CHECK_INT(capful_file_remove(sandbox, "sub", &err), CAPFUL_EFILE);
    CHECK_INT(capful_file_remove(sandbox, "sub/bytes", &err), 0);
    CHECK_INT(capful_file_remove(sandbox, "sub", &err), 0);
    CHECK_INT(capful_file_stat(sandbox, "sub", &stat, NULL), CAPFUL_EFILE);

    CHECK_INT(capful_sandbox_reset(sandbox, &err), 0);
    CHECK_INT(capful_file_stat(sandbox, "made", &stat, NULL), CAPFUL_EFILE);
    CHECK_VALUE(sandbox, "require('fs').readdirSync('.')", "[]");
    capful_sandbox_free(sandbox);
}

static void test_snapshots(void)
{
    struct capful_sandbox *a = api_sandbox(NULL), *b = api_sandbox(NULL);
    struct capful_snapshot *snapshot = NULL;
    struct capful_error err;
    CHECK_INT(capful_file_write(a, "kept", "old", 3, &err), 0);
    CHECK_INT(capful_snapshot_take(a, &snapshot, &err), 0);
    CHECK_INT(capful_file_write(a, "kept", "new", 3, &err), 0);
    CHECK_INT(capful_file_write(a, "more", "x", 1, &err), 0);
    CHECK_VALUE(a, "require('fs').readFileSync('kept', 'utf8')", "\"new\"");
    CHECK_INT(capful_snapshot_restore(a, snapshot, &err), 0);
    CHECK_VALUE(a, "[require('fs').readdirSync('.'), require('fs').readFileSync('kept', 'utf8')]",
                "[[\"kept\"],\"old\"]");
    capful_sandbox_free(a);
    CHECK_INT(capful_snapshot_restore(b, snapshot, &err), 0);
    CHECK_VALUE(
        b, "require('fs').appendFileSync('kept', '+'); require('fs').readFileSync('kept', 'utf8')",
        "\"old+\"");
    CHECK_INT(capful_snapshot_restore(b, snapshot, &err), 0);
    CHECK_VALUE(b, "require('fs').readFileSync('kept', 'utf8')", "\"old\"");
    capful_snapshot_free(snapshot);
    CHECK_VALUE(b, "require('fs').readFileSync('kept', 'utf8')", "\"old\"");
    capful_sandbox_free(b);
}

/* ------------------------------------------------------------------ policies */

static void echo(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    if (context)
        ++*(int *)context;
    CHECK_INT(strlen(arguments), len);
    CHECK(capful_call_id(call)[0] != 0);
    CHECK(capful_call_sandbox(call) != NULL);
    if (strcmp(capful_call_tool(call), "fails") == 0)
        capful_call_fail(call, "gone", "it is gone", "{\"id\":3}");
    else if (strcmp(capful_call_tool(call), "text") == 0)
        capful_call_answer_text(call, "plain \"text\"", 12);
    else if (strcmp(capful_call_tool(call), "bad") == 0)
        capful_call_answer(call, "{not json", 9);
    else
        capful_call_answer(call, arguments, len);
}

static void release(void *context)
{
    *(int *)context += 1000;
}

static void note_call(void *context, const struct capful_record *record)
{
    char *log = context;
    static const char *const names[] = {"done ", "failed ", "refused ", "unknown ", "started "};
    strcat(log, names[record->outcome]);
}

static struct capful_policy *tools_policy(int *count)
{
    static const char *const names[] = {"echo", "fails", "text", "bad"};
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    for (size_t i = 0; i < 4; i++) {
        struct capful_tool tool = {
            .name = names[i], .call = echo, .context = count, .release = i ? NULL : release};
        if (i == 0)
            tool.schema = "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
                          "\"required\":[\"n\"]}";
        if (i == 2)
            tool.max_calls = 1;
        api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    }
    struct capful_tool again = {.name = "echo", .call = echo};
    CHECK_INT(capful_builder_tool(builder, &again, &err), CAPFUL_ETOOL);
    again.name = "wrong schema";
    again.schema = "{\"type\":\"no such type\"}";
    CHECK_INT(capful_builder_tool(builder, &again, &err), CAPFUL_ETOOL);
    api_must(capful_builder_env(builder, "WHO", "policy", &err), &err, "capful_builder_env");
    CHECK_INT(capful_builder_env(builder, "A=B", "x", &err), CAPFUL_EINVAL);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    CHECK_INT(capful_builder_env(builder, "LATE", "x", NULL), CAPFUL_ESTATE);
    capful_builder_free(builder);
    return policy;
}

static void test_tools(void)
{
    int count = 0;
    char log[400] = "";
    struct capful_policy *policy = tools_policy(&count);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_result *result = NULL;
    struct capful_error err;
    CHECK(capful_policy_ref(policy) == policy);
    capful_policy_unref(policy);
    capful_policy_unref(policy); /* the sandbox holds one */
    CHECK_VALUE(sandbox, "process.env.WHO", "\"policy\"");
    struct capful_job job = api_job(
        "const r = [];\n"
        "r.push(await tools.echo({n: 5}));\n"
        "r.push(await text());\n"
        "for (const f of [() => tools.echo({n: 'x'}), () => tools.fails({}), () => tools.bad({}),\n"
        "                 () => tools.text({})])\n"
        "  try { await f() } catch (e) { r.push([e.name, e.tool, e.code]) }\n"
        "r");
    job.on_call = note_call;
    job.context = log;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    CHECK_STR(
        capful_result_value(result, NULL),
        "[{\"n\":5},\"plain "
        "\\\"text\\\"\",[\"ToolError\",\"echo\",\"schema\"],[\"ToolError\",\"fails\",\"gone\"],"
        "[\"ToolError\",\"bad\",\"bad_result\"],[\"ToolDenied\",\"text\",\"budget\"]]");
    CHECK_INT(count, 4);
    CHECK_STR(log, "started done started done failed started failed started failed refused ");
    CHECK_INT(capful_result_call_count(result), 6);
    const struct capful_record *record = capful_result_call(result, 0);
    if (CHECK(record != NULL)) {
        CHECK_STR(record->tool, "echo");
        CHECK_STR(record->arguments, "{\"n\":5}");
        CHECK_STR(record->grant, "echo");
        CHECK(record->would_deny == NULL);
        CHECK_INT(record->outcome, CAPFUL_CALL_DONE);
        CHECK_INT(record->result_len, 7);
        CHECK(record->end >= record->start);
        CHECK(record->message == NULL);
    }
    record = capful_result_call(result, 5);
    CHECK(record && record->outcome == CAPFUL_CALL_REFUSED && record->message);
    CHECK_INT(capful_result_usage(result)->denials, 1);
    capful_result_free(result);

    /* a denial that nobody catches; a reset gives no budget back */
    result = api_run(sandbox, "await tools.text({}); 1");
    CHECK_INT(capful_result_status(result), CAPFUL_DENIED);
    CHECK_STR(capful_result_error(result)->tool, "text");
    CHECK(strstr(capful_result_text(result, NULL), "text({}) was refused") != NULL);
    capful_result_free(result);
    CHECK_INT(capful_sandbox_reset(sandbox, &err), 0);
    result = api_run(sandbox, "await tools.text({}); 1");
    CHECK_INT(capful_result_status(result), CAPFUL_DENIED);
    capful_result_free(result);
    CHECK_INT(capful_sandbox_forget(sandbox, NULL, CAPFUL_FORGET_USE, &err), 0);
    CHECK_VALUE(sandbox, "await tools.text({})", "\"plain \\\"text\\\"\"");

    result = api_run(sandbox, "await tools.ecko({}); 1");
    CHECK_INT(capful_result_status(result), CAPFUL_ERROR);
    CHECK(capful_result_error(result) &&
          strstr(capful_result_error(result)->message, "\"echo\"") != NULL);
    capful_result_free(result);
    CHECK(count < 1000);
    capful_sandbox_free(sandbox);
    CHECK(count >= 1000); /* the last reference is gone: released once */
    CHECK(count < 2000);
}

static int build_text(const char *text, struct capful_policy **ret, struct capful_error *err)
{
    struct capful_builder *builder = NULL;
    struct capful_tool tool = {.name = "from_c", .call = echo};
    api_must(capful_builder_new(&builder, err), err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, err), err, "capful_builder_tool");
    int result = capful_builder_policy(builder, text, strlen(text), "test.jsonc", NULL, err);
    if (result == 0)
        result = capful_builder_build(builder, ret, err);
    capful_builder_free(builder);
    return result;
}

static void test_policy(void)
{
    struct capful_policy *policy = NULL;
    struct capful_error err;
    CHECK_INT(build_text("{\n  \"grant\": []\n}", &policy, &err), CAPFUL_EPOLICY);
    CHECK(policy == NULL);
    CHECK_INT(err.line, 2);
    CHECK_INT(err.column, 3);
    CHECK(strstr(err.text, "test.jsonc:2:3") && strstr(err.text, "grants"));
    CHECK_INT(build_text("{\"grants\": [\"from_d\"]}", &policy, &err), CAPFUL_EPOLICY);
    CHECK_INT(build_text("{\"limits\": {\"memory\": true}}", &policy, &err), CAPFUL_EPOLICY);
    CHECK_INT(build_text("{\"limits\": {\"memory\": \"12 parsecs\"}}", &policy, &err),
              CAPFUL_EPOLICY);
    CHECK_INT(build_text("[", &policy, &err), CAPFUL_EPOLICY);
    CHECK_INT(build_text("{\"tools\": {\"t\": {\"command\": [\"no-such-program-at-all\"]}}}",
                         &policy, &err),
              CAPFUL_EPOLICY);
    CHECK(policy == NULL);

    /* with a policy only the policy grants */
    CHECK_INT(build_text("{ // a comment\n \"limits\": {\"calls\": 7},}", &policy, &err), 0);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    CHECK_VALUE(sandbox, "typeof tools.from_c + Object.keys(tools).length", "\"undefined0\"");
    capful_sandbox_free(sandbox);
    CHECK_INT(build_text("{\"grants\": [{\"tool\": \"from_c\", \"max_calls\": 2}]}", &policy, &err),
              0);
    sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    CHECK_VALUE(sandbox,
                "await from_c({}); await from_c({}); try { await from_c({}) } catch (e) { e.name }",
                "\"ToolDenied\"");
    capful_sandbox_free(sandbox);
}

static void test_policy_file(void)
{
    char path[] = "/tmp/capful-api-XXXXXX";
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    int fd = mkstemp(path);
    static const char text[] =
        "{\"tools\": {\"upper\": {\"command\": [\"tr\", \"a-z\", \"A-Z\"], \"output\": \"json\"},\n"
        "             \"say\": {\"schema\": {\"properties\": {\"what\": {}}}, \"command\": "
        "[\"echo\", \"-n\", \"<{what}>\"],\n"
        "                     \"input\": \"none\", \"output\": \"text\"},\n"
        "             \"false\": {\"command\": [\"sh\", \"-c\", \"echo oh no >&2; exit 3\"]}},\n"
        " \"grants\": [\"upper\", \"say\", \"false\"], \"env\": {\"A\": \"b\"}}\n";
    CHECK(fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1);
    close(fd);
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    CHECK_INT(capful_builder_policy_file(builder, "/no/such/file", &err), CAPFUL_EFILE);
    api_must(capful_builder_policy_file(builder, path, &err), &err, "capful_builder_policy_file");
    CHECK_INT(capful_builder_policy_file(builder, path, &err), CAPFUL_ESTATE);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    CHECK_VALUE(sandbox, "await upper({key: 'value'})", "{\"KEY\":\"VALUE\"}");
    CHECK_VALUE(sandbox, "await say({what: '; rm -rf / $HOME'})", "\"<; rm -rf / $HOME>\"");
    CHECK_VALUE(sandbox,
                "try { await tools['false']({}) } catch (e) { [e.name, e.code, e.data.exit, /oh "
                "no/.test(e.message)] }",
                "[\"ToolError\",\"exit\",3,true]");
    CHECK_VALUE(sandbox, "process.env.A", "\"b\"");
    capful_sandbox_free(sandbox);
    unlink(path);
}

/* ------------------------------------------------------------------ mounts */

static int note_diff(void *context, char kind, const char *path)
{
    char *list = context, line[200];
    snprintf(line, sizeof line, "%c%s ", kind, path);
    strcat(list, line);
    return 0;
}

static void make_file(const char *dir, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static int host_has(const char *dir, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void test_mounts(void)
{
    char dir[] = "/tmp/capful-mount-XXXXXX", list[400] = "", path[300];
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    CHECK(mkdtemp(dir) != NULL);
    make_file(dir, "a", "host a");
    make_file(dir, "b", "host b");
    snprintf(path, sizeof path, "%s/out", dir);
    CHECK_INT(symlink("/etc/passwd", path), 0);
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_mount(builder, dir, "/ro", CAPFUL_MOUNT_RO, &err), &err, "mount");
    api_must(capful_builder_mount(builder, dir, "/rw", CAPFUL_MOUNT_RW, &err), &err, "mount");
    api_must(capful_builder_mount(builder, dir, "/over", CAPFUL_MOUNT_OVERLAY, &err), &err,
             "mount");
    CHECK_INT(capful_builder_mount(builder, dir, "/ro", CAPFUL_MOUNT_RO, &err), CAPFUL_EINVAL);
    CHECK_INT(capful_builder_mount(builder, dir, "/proc/x", CAPFUL_MOUNT_RO, &err), CAPFUL_EINVAL);
    CHECK_INT(capful_builder_mount(builder, dir, "not/absolute", CAPFUL_MOUNT_RO, &err),
              CAPFUL_EINVAL);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);

    CHECK_VALUE(sandbox, "require('fs').readFileSync('/ro/a', 'utf8')", "\"host a\"");
    CHECK_VALUE(sandbox, "try { require('fs').writeFileSync('/ro/a', 'x') } catch (e) { e.code }",
                "\"EROFS\"");
    CHECK_VALUE(sandbox,
                "try { require('fs').readFileSync('/ro/out', 'utf8') } catch (e) { e.code }",
                "\"ENOENT\"");
    CHECK_VALUE(sandbox, "require('fs').writeFileSync('/rw/c', 'guest'); 1", "1");
    CHECK(host_has(dir, "c"));
    CHECK_VALUE(sandbox,
                "const fs = require('fs'); fs.writeFileSync('/over/a', 'mine'); "
                "fs.writeFileSync('/over/d', 'n');"
                "fs.unlinkSync('/over/b'); fs.readFileSync('/over/a', 'utf8')",
                "\"mine\"");
    CHECK(!host_has(dir, "d"));
    CHECK(host_has(dir, "b"));
    CHECK_INT(capful_file_diff(sandbox, note_diff, list, &err), 0);
    CHECK(strstr(list, "M/over/a ") && strstr(list, "A/over/d ") && strstr(list, "D/over/b "));
    CHECK_VALUE(sandbox, "require('fs').readFileSync('/ro/a', 'utf8')", "\"host a\"");
    capful_sandbox_free(sandbox);
    for (const char *name = "abcd"; *name; name++) {
        snprintf(path, sizeof path, "%s/%c", dir, *name);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/out", dir);
    unlink(path);
    rmdir(dir);
}

/* A mount of two files, one of which can be written. */
struct served {
    char text[64];
    size_t len;
    int lists, released;
};

static int serve_list(void *context, const char *path, struct capful_list *list)
{
    struct served *s = context;
    struct capful_stat fixed = {CAPFUL_FILE, 5, 0, 0444, 1},
                       text = {CAPFUL_FILE, s->len, 0, 0644, 1};
    s->lists++;
    if (path[0])
        return ENOTDIR;
    return capful_list_add(list, "fixed", &fixed) || capful_list_add(list, "text", &text) ? ENOMEM
                                                                                          : 0;
}

static int serve_stat(void *context, const char *path, struct capful_stat *ret)
{
    struct served *s = context;
    if (path[0] == 0)
        *ret = (struct capful_stat){CAPFUL_DIRECTORY, 0, 0, 0755, 1};
    else if (strcmp(path, "fixed") == 0)
        *ret = (struct capful_stat){CAPFUL_FILE, 5, 0, 0444, 1};
    else if (strcmp(path, "text") == 0)
        *ret = (struct capful_stat){CAPFUL_FILE, s->len, 0, 0644, 1};
    else
        return ENOENT;
    return 0;
}

static int serve_read(void *context, const char *path, uint64_t offset, void *buffer, size_t size,
                      size_t *ret_len)
{
    struct served *s = context;
    const char *text = strcmp(path, "text") == 0 ? s->text : "fixed";
    size_t len = text == s->text ? s->len : 5;
    size_t n = offset < len ? len - (size_t)offset : 0;
    if (n > size)
        n = size;
    memcpy(buffer, text + (n ? offset : 0), n);
    *ret_len = n;
    return 0;
}

static int serve_write(void *context, const char *path, uint64_t offset, const void *data,
                       size_t len)
{
    struct served *s = context;
    if (strcmp(path, "text") != 0)
        return EACCES;
    if (offset + len > sizeof s->text)
        return EFBIG;
    memcpy(s->text + offset, data, len);
    if (offset + len > s->len)
        s->len = (size_t)offset + len;
    return 0;
}

static int serve_truncate(void *context, const char *path, uint64_t size)
{
    struct served *s = context;
    (void)path;
    if (size > sizeof s->text)
        return EFBIG;
    s->len = (size_t)size;
    return 0;
}

static void serve_release(void *context)
{
    ((struct served *)context)->released++;
}

static void test_served(void)
{
    struct served served = {"hello", 5, 0, 0};
    static const struct capful_mount_ops ops = {.list = serve_list,
                                                .stat = serve_stat,
                                                .read = serve_read,
                                                .write = serve_write,
                                                .truncate = serve_truncate,
                                                .release = serve_release};
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_serve(builder, "/served", &ops, &served, &err), &err,
             "capful_builder_serve");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    CHECK_VALUE(sandbox, "require('fs').readdirSync('/served').sort()", "[\"fixed\",\"text\"]");
    CHECK_VALUE(sandbox, "require('fs').readFileSync('/served/text', 'utf8')", "\"hello\"");
    CHECK_VALUE(sandbox, "require('fs').writeFileSync('/served/text', 'changed'); 1", "1");
    CHECK(served.len == 7 && memcmp(served.text, "changed", 7) == 0);
    CHECK_VALUE(sandbox, "try { require('fs').readFileSync('/served/none') } catch (e) { e.code }",
                "\"ENOENT\"");
    CHECK(served.lists > 0);
    capful_sandbox_free(sandbox);
    CHECK_INT(served.released, 1);
}

static void test_engine(void)
{
    struct capful_error err;
    struct capful_engine_options options = {.max_instances = 50};
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    const char *kind = capful_engine_kind(&err);
    CHECK(kind && (strcmp(kind, "fast") == 0 || strcmp(kind, "plain") == 0));
    CHECK_INT(capful_engine_configure(&options, &err), CAPFUL_ESTATE);
}

int main(void)
{
    test_version_and_names();
    test_limits();
    test_null();
    test_engine();
    test_result();
    test_no_value();
    test_error();
    test_limit();
    test_job();
    test_files();
    test_snapshots();
    test_tools();
    test_policy();
    test_policy_file();
    test_mounts();
    test_served();
    return api_done();
}
