/* What the tests of grants and decisions share: problems as text, an authority from a list of
 * grants, a host with stores that can be made to fail. */
#ifndef POLICY_RIG_H
#define POLICY_RIG_H

#include "base/mem.h"
#include "policy/decide.h"
#include "policy/store_kind.h"
#include "tap.h"

#define RIG_DEPTH 100

static inline struct json rig_parse(const char *text)
{
    struct json json;
    struct json_problem problem;
    if (!json_parse(str_of(text), JSON_UNIQUE_KEYS, RIG_DEPTH, &json, &problem)) {
        printf("# %s: %s\n", text, problem.text);
        tap_stop();
    }
    return json;
}

/* ------------------------------------------------------------------ problems */

/* One a line: "KEY OR VALUE | TEXT". */
static char rig_problems[20000];

static inline void rig_problem(void *context, yyjson_val *at, const char *text)
{
    size_t len = strlen(rig_problems);
    struct str where = at ? json_str(at) : STR("-");
    (void)context;
    if (!where.ptr)
        where = str_of(json_kind(at));
    snprintf(rig_problems + len, sizeof rig_problems - len, "%.*s | %s\n", (int)where.len,
             where.ptr, text);
}

static const struct constraint_reader rig_reader = {rig_problem, NULL};

static inline void rig_nothing_wrong(void)
{
    ASSERT_EQ_STR(rig_problems, "");
}

/* ------------------------------------------------------------------ an authority */

static inline yyjson_val *rig_nowhere(void *context, size_t grant)
{
    (void)context, (void)grant;
    return NULL;
}

/* {"grants": […], "tools": [{"name", "schema"?, "labels"?, "claimed"?}], "labels"?: {PATTERN:
 * LABEL}, "flow"?}: an empty one of them where there was a problem or memory was short. */
struct rig_policy {
    struct authority authority;
    bool ok, nomem;
};

static inline label_set rig_labels(struct rig_policy *policy, yyjson_val *list)
{
    label_set set = 0;
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item)
    {
        set |= label_bit(&policy->authority.labels, json_str(item), true, &policy->nomem);
    }
    return set;
}

static inline void rig_add_grants(struct rig_policy *policy, yyjson_val *list)
{
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item)
    {
        struct grant *grant = policy->nomem ? NULL
                                            : grant_load(item, i + 1, &policy->authority.labels,
                                                         &rig_reader, &policy->nomem);
        if (grant && !authority_add(&policy->authority, grant)) {
            grant_unref(grant);
            policy->nomem = true;
        }
    }
}

static inline void rig_add_labels(struct rig_policy *policy, yyjson_val *object)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        label_set set = rig_labels(policy, value);
        if (!policy->nomem && !authority_add_labels(&policy->authority, json_str(key), set))
            policy->nomem = true;
    }
}

#define RIG_TOOLS 200

static inline void rig_complete(struct rig_policy *policy, yyjson_val *list)
{
    struct authority_input tools[RIG_TOOLS];
    size_t i, n, len;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item)
    {
        yyjson_val *schema = json_get(item, STR("schema"));
        char *text = schema ? json_write(schema, &len) : NULL;
        ASSERT(i < RIG_TOOLS);
        policy->nomem = policy->nomem || (schema && !text);
        tools[i] = (struct authority_input){
            json_str(json_get(item, STR("name"))),
            {text, text ? len : 0},
            rig_labels(policy, json_get(item, STR("labels"))),
            rig_labels(policy, json_get(item, STR("claimed"))),
        };
    }
    if (!policy->nomem && rig_problems[0] == 0)
        policy->ok = authority_complete(&policy->authority, tools, n, rig_nowhere, &rig_reader,
                                        &policy->nomem);
    while (n-- > 0)
        mem_free((char *)(uintptr_t)tools[n].schema.ptr);
}

static inline struct rig_policy rig_policy(yyjson_val *value)
{
    struct rig_policy policy = {.ok = false};
    yyjson_val *flow = json_get(value, STR("flow"));
    rig_problems[0] = 0;
    rig_add_labels(&policy, json_get(value, STR("labels")));
    rig_add_grants(&policy, json_get(value, STR("grants")));
    if (flow)
        flow_load(&policy.authority.flow, flow, &policy.authority.labels, &rig_reader,
                  &policy.nomem);
    rig_complete(&policy, json_get(value, STR("tools")));
    if (!policy.ok)
        authority_release(&policy.authority);
    return policy;
}

/* ------------------------------------------------------------------ a store that fails */

/* In memory; the operation of that number, of all such stores together, fails: 1 is the next. */
static struct rig_fault {
    uint64_t fail_at, count;
} rig_fault;

struct rig_store {
    struct store store;
    struct store *inner;
};

static inline bool rig_fails(void)
{
    return ++rig_fault.count == rig_fault.fail_at && !store_fail("made to fail");
}

static inline struct store *rig_inner(struct store *store)
{
    return ((struct rig_store *)store)->inner;
}

static inline bool rig_begin(struct store *store, struct str account)
{
    return !rig_fails() && store_begin(rig_inner(store), account);
}

static inline bool rig_get(struct store *store, struct str key, struct store_value *ret,
                           bool *found)
{
    return !rig_fails() && store_get(rig_inner(store), key, ret, found);
}

static inline bool rig_put(struct store *store, struct str key, const void *data, size_t len)
{
    return !rig_fails() && store_put(rig_inner(store), key, data, len);
}

static inline bool rig_remove(struct store *store, struct str key)
{
    return !rig_fails() && store_delete(rig_inner(store), key);
}

static inline bool rig_clear_keys(struct store *store, struct str prefix)
{
    return !rig_fails() && store_clear(rig_inner(store), prefix);
}

static inline bool rig_each(struct store *store, struct str prefix, store_visit *visit,
                            void *context)
{
    return !rig_fails() && store_each(rig_inner(store), prefix, visit, context);
}

static inline bool rig_commit(struct store *store)
{
    if (!rig_fails())
        return store_commit(rig_inner(store));
    store_rollback(rig_inner(store));
    return false;
}

static inline void rig_rollback(struct store *store)
{
    store_rollback(rig_inner(store));
}

static inline void rig_free(struct store *store)
{
    store_free(rig_inner(store));
    store_release(store);
    mem_free(store);
}

static inline struct store *rig_store(size_t max)
{
    static const struct store_kind kind = {rig_begin,  rig_get,        rig_put,
                                           rig_remove, rig_clear_keys, rig_each,
                                           rig_commit, rig_rollback,   rig_free};
    struct rig_store *made = mem_alloc(sizeof *made);
    ASSERT(made);
    store_init(&made->store, &kind);
    ASSERT(store_memory_new(max, &made->inner) == 0);
    return &made->store;
}

/* ------------------------------------------------------------------ a host */

#define RIG_DERIVED 64

struct rig {
    struct json text;
    struct rig_policy policy;
    struct ledger ledger;
    struct seen seen;
    struct json context;
    struct circumstances at;
    struct grant *derived[RIG_DERIVED];
    size_t n_derived;
};

static inline void rig_open(struct rig *rig, const char *policy)
{
    *rig = (struct rig){.text = rig_parse(policy)};
    rig->policy = rig_policy(rig->text.root);
    rig_nothing_wrong();
    ASSERT(rig->policy.ok);
    rig->ledger = (struct ledger){rig_store(1000), rig_store(1000), rig_store(1000), STR("box"),
                                  STR("account")};
    rig->at = (struct circumstances){.authority = &rig->policy.authority,
                                     .ledger = &rig->ledger,
                                     .now = UINT64_C(1000000000000),
                                     .seen = &rig->seen};
}

static inline void rig_close(struct rig *rig)
{
    for (size_t i = 0; i < rig->n_derived; i++)
        grant_unref(rig->derived[i]);
    authority_release(&rig->policy.authority);
    store_free(rig->ledger.run);
    store_free(rig->ledger.sandbox);
    if (rig->ledger.account != rig->ledger.sandbox)
        store_free(rig->ledger.account);
    seen_release(&rig->seen);
    json_release(&rig->context);
    json_release(&rig->text);
}

static inline void rig_context(struct rig *rig, const char *text)
{
    json_release(&rig->context);
    rig->context = rig_parse(text);
    rig->at.context = rig->context.root;
}

static inline struct authority_tool *rig_tool(struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->policy.authority.n_tools; i++)
        if (strcmp(rig->policy.authority.tools[i].name, name) == 0)
            return &rig->policy.authority.tools[i];
    ASSERT_EQ_STR(name, "the name of a tool");
    return NULL;
}

static inline struct grant *rig_grant(struct rig *rig, const char *name)
{
    for (size_t i = 0; i < rig->n_derived; i++)
        if (strcmp(rig->derived[i]->name, name) == 0)
            return rig->derived[i];
    struct grant *grant = authority_find(&rig->policy.authority, str_of(name));
    ASSERT(grant);
    return grant;
}

static inline struct grant *rig_derive_as(struct rig *rig, const char *parent, const char *name,
                                          const char *narrowing, bool transient)
{
    struct json json = rig_parse(narrowing);
    bool nomem = false;
    struct grant *grant =
        authority_derive(&rig->policy.authority, rig_grant(rig, parent), json.root, str_of(name),
                         rig->n_derived, transient, &rig_reader, &nomem);
    json_release(&json);
    rig_nothing_wrong();
    ASSERT(grant && rig->n_derived < RIG_DERIVED);
    return rig->derived[rig->n_derived++] = grant;
}

static inline struct grant *rig_derive(struct rig *rig, const char *parent, const char *name,
                                       const char *narrowing)
{
    return rig_derive_as(rig, parent, name, narrowing, false);
}

/* A call in words: "allow GRANT ARGUMENTS", "deny GRANT CODE: WHY", "ask GRANT: WHY", "error: WHY",
 * "nomem".  `grants`: NULL, or names with blanks between. */
static inline const char *rig_call_with(struct rig *rig, const char *name, const char *given,
                                        const char *grants)
{
    static char text[10000];
    struct authority_tool *tool = rig_tool(rig, name);
    struct grant *list[RIG_DERIVED], *const *use = tool->grants;
    struct json_problem problem;
    struct arguments arguments;
    struct decision d;
    size_t n = tool->n_grants;
    char names[1000];
    if (grants) {
        snprintf(names, sizeof names, "%s", grants);
        n = 0;
        use = list;
        for (char *word = strtok(names, " "); word; word = strtok(NULL, " "))
            list[n++] = rig_grant(rig, word);
    }
    switch (arguments_read(str_of(given), RIG_DEPTH, tool->parameters, &arguments, &problem)) {
    case ARGUMENTS_NOMEM: return "nomem";
    case ARGUMENTS_WRONG: snprintf(text, sizeof text, "error: %s", problem.text); return text;
    case ARGUMENTS_OK: break;
    }
    decide(&rig->at, tool, use, n, &arguments, &d);
    const char *by = d.grant ? d.grant->name : "-", *why = buf_str(&d.why).ptr;
    switch (d.verdict) {
    case VERDICT_ALLOW:
        snprintf(text, sizeof text, "allow %s %s", by, d.bound ? d.arguments.text : arguments.text);
        rig->at.touched |= d.labels;
        break;
    case VERDICT_ASK: snprintf(text, sizeof text, "ask %s: %s", by, why); break;
    case VERDICT_DENY: snprintf(text, sizeof text, "deny %s %s: %s", by, d.code, why); break;
    case VERDICT_MISFIT: snprintf(text, sizeof text, "error %s: %s", by, why); break;
    case VERDICT_NOMEM: snprintf(text, sizeof text, "nomem"); break;
    }
    decision_release(&d);
    arguments_release(&arguments);
    return text;
}

static inline const char *rig_call(struct rig *rig, const char *name, const char *given)
{
    return rig_call_with(rig, name, given, NULL);
}

#endif
