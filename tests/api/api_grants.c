/* Grants in the hands of the host: found, narrowed, handed to a run, revoked in the middle of it,
 * listed as a tree; all of it with an audit log that can be verified. */
#include "api.h"

static struct capful_grant *revoked_by_tool;

static void echo(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    (void)context;
    if (revoked_by_tool)
        CHECK_INT(capful_grant_revoke(revoked_by_tool, "the test", NULL), 0);
    capful_call_answer(call, arguments, len);
}

static const char policy_text[] =
    "{\"grants\": [{\"tool\": \"refund\", \"name\": \"refunds\", \"max_calls\": 5,"
    " \"where\": {\"amount\": {\"le\": 100}}, \"withhold\": true}, \"lookup\"],"
    " \"audit\": {\"file\": \"%s\"}}";

static struct capful_policy *make_policy(const char *log)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    char text[4096];
    const struct capful_tool tools[] = {
        {.name = "refund",
         .schema = "{\"properties\":{\"amount\":{\"type\":\"number\"}}}",
         .call = echo},
        {.name = "lookup", .call = echo}};
    snprintf(text, sizeof text, policy_text, log);
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    for (int i = 0; i < 2; i++)
        api_must(capful_builder_tool(builder, &tools[i], &err), &err, "capful_builder_tool");
    api_must(capful_builder_policy(builder, text, strlen(text), "policy", NULL, &err), &err,
             "capful_builder_policy");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    return policy;
}

/* The value of a run that holds these grants, or its message. */
static char *run_with(struct capful_sandbox *sandbox, struct capful_grant *const *grants, size_t n,
                      const char *code)
{
    struct capful_job job = api_job(code);
    struct capful_result *result = NULL;
    struct capful_error err;
    job.grants = grants;
    job.n_grants = n;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    const char *value = capful_result_value(result, NULL);
    char *text = strdup(value ? value : capful_result_message(result));
    capful_result_free(result);
    return text;
}

static void check_run(struct capful_sandbox *sandbox, struct capful_grant *const *grants, size_t n,
                      const char *code, const char *wanted)
{
    char *got = run_with(sandbox, grants, n, code);
    CHECK_STR(got, wanted);
    free(got);
}

static void check_list(struct capful_sandbox *sandbox, const char *wanted)
{
    struct capful_error err;
    char *json = NULL;
    size_t len = 0;
    api_must(capful_sandbox_grants(sandbox, NULL, &json, &len, &err), &err,
             "capful_sandbox_grants");
    CHECK_INT(strlen(json), len);
    CHECK(strstr(json, wanted) != NULL || (printf("%s\n", json), 0));
    capful_free(json);
}

int main(void)
{
    struct capful_sandbox *sandbox = NULL;
    struct capful_grant *refunds = NULL, *small = NULL, *tiny = NULL, *lookup = NULL, *none = NULL;
    struct capful_error err;
    char directory[] = "/tmp/api-grants-XXXXXX", log[100], command[300];
    if (!mkdtemp(directory))
        return api_skip("no directory for the log");
    snprintf(log, sizeof log, "%s/log.jsonl", directory);
    struct capful_policy *policy = make_policy(log);
    api_must(capful_sandbox_new(policy, &sandbox, &err), &err, "capful_sandbox_new");

    CHECK_INT(capful_grant_find(policy, "nothing", &none, &err), CAPFUL_EINVAL);
    CHECK_STR(err.text, "the policy has no grant \"nothing\"");
    api_must(capful_grant_find(policy, "refunds", &refunds, &err), &err, "capful_grant_find");
    api_must(capful_grant_find(policy, "lookup#2", &lookup, &err), &err, "capful_grant_find");
    CHECK_STR(capful_grant_name(refunds), "refunds");

    /* A narrowing that cannot be meant is an error, never less narrow. */
    CHECK_INT(capful_grant_derive(refunds, "{\"where\":{\"amount\":{\"lee\":1}}}", &none, &err),
              CAPFUL_EPOLICY);
    CHECK_INT(capful_grant_derive(refunds, "{\"tool\":\"*\"}", &none, &err), CAPFUL_EPOLICY);
    CHECK_INT(capful_grant_derive(refunds, "[]", &none, &err), CAPFUL_EPOLICY);
    CHECK_INT(capful_grant_derive(refunds, "{", &none, &err), CAPFUL_EPOLICY);
    CHECK(none == NULL);
    api_must(capful_grant_derive(
                 refunds, "{\"name\":\"small\",\"where\":{\"amount\":{\"le\":10}},\"max_calls\":2}",
                 &small, &err),
             &err, "capful_grant_derive");
    api_must(capful_grant_derive(small, "{\"where\":{\"amount\":{\"le\":1000}}}", &tiny, &err),
             &err, "capful_grant_derive");

    /* A run holds what it was handed. */
    struct capful_grant *held[2] = {tiny, lookup};
    check_run(sandbox, held, 2, "(await tools.refund({amount: 10})).amount", "10");
    check_run(sandbox, held, 2, "await tools.refund({amount: 11})",
              "ToolDenied: refund denied: amount must be at most 10 (was 11)");
    check_run(sandbox, held, 1, "await tools.lookup({})",
              "ToolDenied: lookup denied: it is not granted");
    check_run(sandbox, NULL, 0, "(await tools.refund({amount: 100})).amount", "100");
    check_run(sandbox, held, 2, "(await tools.refund({amount: 1})).amount", "1");
    check_run(sandbox, held, 2, "await tools.refund({amount: 1})",
              "ToolDenied: refund denied: its budget of 2 calls is used up");
    check_list(sandbox,
               "\"calls\":[{\"n\":5,\"per\":\"account\",\"left\":2}],\"derived\":[{\"name\":"
               "\"small\",\"tools\":[],\"revoked\":false,\"calls\":[{\"n\":2,\"per\":"
               "\"account\",\"left\":0}],\"derived\":[{\"name\":\"refunds/");

    /* Revoked while a call is under way: it was made, its result is withheld, and the next is
     * denied. */
    revoked_by_tool = refunds;
    check_run(sandbox, NULL, 0,
              "const said = []; for (let i = 0; i < 2; i++) try { await tools.refund({amount: 1}) }"
              " catch (e) { said.push(e.message) } said",
              "[\"the result is withheld: the grant was revoked while the call was made\","
              "\"refund denied: its grant was revoked\"]");
    revoked_by_tool = NULL;
    check_run(sandbox, held, 2, "await tools.refund({amount: 1})",
              "ToolDenied: refund denied: its grant was revoked");
    check_run(sandbox, NULL, 0, "(await tools.lookup({a: 1})).a", "1");
    check_list(sandbox, "\"name\":\"small\",\"tools\":[],\"revoked\":true");

    /* Grants of another policy are nothing here. */
    struct capful_policy *other = make_policy(log);
    struct capful_job job = api_job("1");
    struct capful_result *result = NULL;
    struct capful_sandbox *elsewhere = NULL;
    api_must(capful_sandbox_new(other, &elsewhere, &err), &err, "capful_sandbox_new");
    job.grants = held;
    job.n_grants = 2;
    CHECK_INT(capful_run(elsewhere, &job, &result, &err), CAPFUL_EINVAL);
    capful_sandbox_free(elsewhere);
    capful_policy_unref(other);

    capful_sandbox_free(sandbox);
    capful_policy_unref(policy); /* the grants keep it */
    CHECK(capful_grant_ref(tiny) == tiny);
    capful_grant_unref(tiny);
    capful_grant_unref(tiny);
    capful_grant_unref(small);
    capful_grant_unref(lookup);
    capful_grant_unref(refunds);
    capful_grant_unref(NULL);
    snprintf(command, sizeof command, "rm -r %s", directory);
    CHECK_INT(system(command), 0);
    return api_done();
}
