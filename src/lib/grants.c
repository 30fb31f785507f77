/* Grants in the hands of the host: found, derived, revoked, listed. What they mean is
 * policy/grant.h's; here is who holds them, so that they can be listed as a tree.
 */
#include "audit/audit.h"
#include "base/json.h"
#include "base/mem.h"
#include "lib/sandbox.h"
#include "policy/budget.h"

struct capful_grant {
    _Atomic uint32_t refs;
    struct capful_policy *policy;
    struct grant *grant;
    struct list link; /* in the policy's list */
};

static int new_handle(struct capful_policy *policy, struct grant *grant, struct capful_grant **ret,
                      struct capful_error *err)
{
    struct capful_grant *handle = mem_zalloc(sizeof *handle);
    if (!handle) {
        grant_unref(grant);
        return err_nomem(err);
    }
    atomic_init(&handle->refs, 1);
    handle->policy = capful_policy_ref(policy);
    handle->grant = grant;
    pthread_mutex_lock(&policy->grants_lock);
    list_append(&policy->grants, &handle->link);
    pthread_mutex_unlock(&policy->grants_lock);
    *ret = handle;
    return 0;
}

struct capful_grant *capful_grant_ref(struct capful_grant *handle)
{
    atomic_fetch_add_explicit(&handle->refs, 1, memory_order_relaxed);
    return handle;
}

void capful_grant_unref(struct capful_grant *handle)
{
    if (!handle || atomic_fetch_sub_explicit(&handle->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_lock(&handle->policy->grants_lock);
    list_remove(&handle->link);
    pthread_mutex_unlock(&handle->policy->grants_lock);
    grant_unref(handle->grant);
    capful_policy_unref(handle->policy);
    mem_free(handle);
}

const char *capful_grant_name(const struct capful_grant *handle)
{
    return handle->grant->name;
}

int capful_grant_find(struct capful_policy *policy, const char *name, struct capful_grant **ret,
                      struct capful_error *err)
{
    struct grant *grant = authority_find(toolset_authority(policy->tools), str_of(name));
    if (!grant)
        return err_set(err, CAPFUL_EINVAL, "the policy has no grant \"%.200s\"", name);
    return new_handle(policy, grant_ref(grant), ret, err);
}

/* ------------------------------------------------------------------ derived, revoked */

static void first_problem(void *context, yyjson_val *at, const char *text)
{
    struct capful_error *err = context;
    (void)at;
    if (err->code == 0)
        err_set(err, CAPFUL_EPOLICY, "%s", text);
}

static uint64_t next_number(struct capful_policy *policy)
{
    pthread_mutex_lock(&policy->grants_lock);
    uint64_t number = ++policy->grants_made;
    pthread_mutex_unlock(&policy->grants_lock);
    return number;
}

static int derive(const struct capful_grant *parent, yyjson_val *narrowing, struct grant **ret,
                  struct capful_error *err)
{
    struct capful_policy *policy = parent->policy;
    struct capful_error problem = {.code = 0};
    struct constraint_reader reader = {first_problem, &problem};
    bool nomem = false, named = json_get(narrowing, STR("name")) != NULL;
    uint64_t number = next_number(policy);
    struct buf name = BUF_INIT(1024);
    buf_printf(&name, "%.*s/%llu", GRANT_NAME_MAX, grant_root(parent->grant)->name,
               (unsigned long long)number);
    struct grant *grant =
        authority_derive(toolset_authority(policy->tools), parent->grant, narrowing, buf_str(&name),
                         named ? 0 : number, false, &reader, &nomem);
    buf_release(&name);
    if (!grant && nomem)
        return err_nomem(err);
    if (!grant) {
        if (err)
            *err = problem;
        return problem.code;
    }
    *ret = grant;
    return 0;
}

static int record(const struct capful_grant *handle, enum audit_grant_event event,
                  const char *narrows, const char *who, struct capful_error *err)
{
    const struct grant *grant = handle->grant;
    struct audit_grant record = {.event = event, .grant = str_of(grant->name)};
    if (grant->parent)
        record.parent = str_of(grant->parent->name);
    if (narrows)
        record.narrows = str_of(narrows);
    if (who)
        record.by = str_of(who);
    return handle->policy->audit ? audit_grant(handle->policy->audit, NULL, &record, err) : 0;
}

int capful_grant_derive(struct capful_grant *parent, const char *narrowing,
                        struct capful_grant **ret, struct capful_error *err)
{
    struct json_problem problem;
    struct capful_grant *handle;
    struct grant *grant = NULL;
    struct json json;
    if (!json_parse(str_of(narrowing), JSON_STRICT | JSON_UNIQUE_KEYS, TOOL_DEPTH, &json, &problem))
        return problem.nomem
                   ? err_nomem(err)
                   : err_set(err, CAPFUL_EPOLICY, "the narrowing is not valid JSON, byte %zu: %s",
                             problem.offset + 1, problem.text);
    int failed = derive(parent, json.root, &grant, err);
    json_release(&json);
    if (!failed)
        failed = new_handle(parent->policy, grant, &handle, err);
    if (failed)
        return failed;
    failed = record(handle, AUDIT_DERIVED, narrowing, NULL, err);
    if (failed) {
        capful_grant_unref(handle);
        return failed;
    }
    *ret = handle;
    return 0;
}

int capful_grant_revoke(struct capful_grant *handle, const char *who, struct capful_error *err)
{
    grant_revoke(handle->grant);
    return record(handle, AUDIT_REVOKED, NULL, who, err);
}

int grants_of_job(const struct capful_policy *policy, const struct capful_job *job,
                  struct grant ***ret, struct capful_error *err)
{
    struct grant **grants = mem_array(job->n_grants + 1, sizeof *grants);
    if (!grants)
        return err_nomem(err);
    for (size_t i = 0; i < job->n_grants; i++) {
        if (job->grants[i]->policy != policy) {
            mem_free(grants);
            return err_set(err, CAPFUL_EINVAL,
                           "the grant \"%s\" is of another policy than the sandbox's",
                           capful_grant_name(job->grants[i]));
        }
        grants[i] = job->grants[i]->grant;
    }
    *ret = grants;
    return 0;
}

/* ------------------------------------------------------------------ listed */

#define LISTED_MAX 10000 /* handles */

struct listing {
    struct buf out;
    const struct ledger *ledger; /* NULL: nothing was counted yet */
    struct grant *const *derived;
    size_t n_derived;
};

static void put_calls(struct listing *l, const struct grant *grant)
{
    static const char *const per[] = {"run", "sandbox", "account"};
    for (size_t i = 0; i < grant->n_calls; i++) {
        const struct call_budget *budget = &grant->calls[i];
        uint64_t left = budget->n;
        /* Of a run that is over nothing is left to tell; what has no store was never counted. */
        bool unused = !l->ledger || budget->scope == SCOPE_RUN ||
                      (budget->scope == SCOPE_SANDBOX && !l->ledger->sandbox);
        bool told = unused || budget_calls_left(l->ledger, grant, i, &left);
        buf_printf(&l->out, "%s{\"n\":%llu,\"per\":\"%s\",\"left\":", i ? "," : "",
                   (unsigned long long)budget->n, per[budget->scope]);
        buf_printf(&l->out, told ? "%llu}" : "null}", (unsigned long long)left);
    }
}

static void put_grant(struct listing *l, const struct grant *grant)
{
    buf_add_text(&l->out, "{\"name\":");
    buf_add_json_string(&l->out, str_of(grant->name));
    buf_add_text(&l->out, ",\"tools\":[");
    for (size_t i = 0; i < grant->tools.n; i++) {
        buf_add_text(&l->out, i ? "," : "");
        buf_add_json_string(&l->out, str_of(grant->tools.patterns[i]));
    }
    buf_printf(&l->out, "],\"revoked\":%s", grant_revoked(grant) ? "true" : "false");
    if (grant->expires != GRANT_UNLIMITED)
        buf_printf(&l->out, ",\"expires_ns\":%llu", (unsigned long long)grant->expires);
    buf_add_text(&l->out, ",\"calls\":[");
    put_calls(l, grant);
    buf_add_text(&l->out, "],\"derived\":[");
}

/* As deep as grants are derived: GRANT_DEPTH. */
static void put_tree(struct listing *l, const struct grant *grant)
{
    bool first = true;
    put_grant(l, grant);
    for (size_t i = 0; i < l->n_derived; i++) {
        if (l->derived[i]->parent != grant)
            continue;
        buf_add_text(&l->out, first ? "" : ",");
        put_tree(l, l->derived[i]);
        first = false;
    }
    buf_add_text(&l->out, "]}");
}

/* Derived grants that the host has in its hands, and those between them and the policy's: each
 * once. */
static bool collect(struct capful_policy *policy, struct grant **ret, size_t room, size_t *count)
{
    bool ok = true;
    pthread_mutex_lock(&policy->grants_lock);
    LIST_FOREACH (at, &policy->grants) {
        struct grant *grant = LIST_ENTRY(at, struct capful_grant, link)->grant;
        for (; grant->parent && ok; grant = grant->parent) {
            bool known = false;
            for (size_t i = 0; i < *count && !known; i++)
                known = ret[i] == grant;
            if (known)
                break;
            ok = *count < room;
            if (ok)
                ret[(*count)++] = grant_ref(grant);
        }
    }
    pthread_mutex_unlock(&policy->grants_lock);
    return ok;
}

int capful_sandbox_grants(struct capful_sandbox *sandbox, const char *account, char **ret_json,
                          size_t *ret_len, struct capful_error *err)
{
    struct capful_policy *policy = sandbox->policy;
    struct store *own = tool_sandbox_store(sandbox->context.tools);
    struct ledger ledger = {own, own, own, STR("sandbox"), STR("sandbox")};
    struct listing l = {.out = BUF_INIT(SIZE_MAX)};
    struct grant **derived = mem_array(LISTED_MAX, sizeof *derived);
    if (!derived)
        return err_nomem(err);
    if (account && policy) {
        ledger.account = policy->accounts;
        ledger.account_name = str_of(account);
    }
    l.ledger = ledger.account ? &ledger : NULL;
    bool all = !policy || collect(policy, derived, LISTED_MAX, &l.n_derived);
    l.derived = derived;
    buf_add_char(&l.out, '[');
    const struct authority *authority = policy ? toolset_authority(policy->tools) : NULL;
    for (size_t i = 0; authority && i < authority->n_grants; i++) {
        buf_add_text(&l.out, i ? "," : "");
        put_tree(&l, authority->grants[i]);
    }
    buf_add_char(&l.out, ']');
    for (size_t i = 0; i < l.n_derived; i++)
        grant_unref(derived[i]);
    mem_free(derived);
    size_t len = l.out.len;
    char *text = buf_steal(&l.out);
    if (!all) {
        mem_free(text);
        return err_set(err, CAPFUL_ELIMIT, "more than %d derived grants", LISTED_MAX);
    }
    if (!text)
        return err_nomem(err);
    *ret_json = text;
    if (ret_len)
        *ret_len = len;
    return 0;
}
