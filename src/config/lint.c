/* What is suspicious in a policy that is right: told as warnings, in the order of the grants.
 *
 *   a grant that nothing can satisfy     an earlier one allows all that it could     a destructive
 *   tool without a condition     a home directory that can be written     "trifecta" and nothing
 *   external
 */
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/file.h"
#include "policy/decimal.h"

struct linter {
    struct loader *loader;
    const struct authority *authority;
    uint64_t now;
};

static yyjson_val *place_of_grant(const struct linter *l, size_t index)
{
    return l->loader->file->grant_at[index];
}

__attribute__((format(printf, 3, 4))) static void warn(struct linter *l, yyjson_val *at,
                                                       const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    load_report(l->loader, at, text);
}

/* ------------------------------------------------------------------ grants nothing can satisfy */

static bool is_literal(yyjson_val *value)
{
    return value && !yyjson_is_obj(value);
}

/* The number that one of two operators compares with. */
static bool bound(yyjson_val *rule, struct str strict, struct str loose, struct decimal *ret,
                  bool *ret_strict)
{
    yyjson_val *a = json_get(rule, strict), *b = json_get(rule, loose);
    yyjson_val *value = a ? a : b;
    if (!yyjson_is_raw(value) || (a && b))
        return false;
    decimal_read(ret, json_str(value));
    *ret_strict = a != NULL;
    return ret->judged;
}

static bool range_is_empty(yyjson_val *rule)
{
    struct decimal low, high;
    bool above, below;
    if (!bound(rule, STR("gt"), STR("ge"), &low, &above) ||
        !bound(rule, STR("lt"), STR("le"), &high, &below))
        return false;
    int order = decimal_compare(&low, &high);
    return order > 0 || (order == 0 && (above || below));
}

/* The rule was read before, and found good. */
static void ignore(void *context, yyjson_val *at, const char *text)
{
    (void)context;
    (void)at;
    (void)text;
}

/* Whether a value of `eq` or `in` passes all of its rule. */
static bool candidate_passes(yyjson_val *key, yyjson_val *rule, yyjson_val *candidate)
{
    static const struct constraint_reader quiet = {ignore, NULL};
    bool nomem = false, passes = true;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(json_allocator());
    struct json where_json = {NULL, NULL, 0}, arguments_json = {NULL, NULL, 0};
    char *where_text = NULL, *arguments_text = NULL;
    size_t where_len, arguments_len;
    yyjson_mut_val *where_object = doc ? yyjson_mut_obj(doc) : NULL;
    yyjson_mut_val *arguments = doc ? yyjson_mut_obj(doc) : NULL;
    if (where_object && arguments &&
        yyjson_mut_obj_add(where_object, yyjson_val_mut_copy(doc, key),
                           yyjson_val_mut_copy(doc, rule)) &&
        yyjson_mut_obj_add(arguments, yyjson_val_mut_copy(doc, key),
                           yyjson_val_mut_copy(doc, candidate))) {
        where_text = yyjson_mut_val_write_opts(where_object, 0, json_allocator(), &where_len, NULL);
        arguments_text =
            yyjson_mut_val_write_opts(arguments, 0, json_allocator(), &arguments_len, NULL);
    }
    if (where_text && arguments_text &&
        json_parse((struct str){where_text, where_len}, JSON_STRICT, 100, &where_json, NULL) &&
        json_parse((struct str){arguments_text, arguments_len}, JSON_STRICT, 100, &arguments_json,
                   NULL)) {
        struct where *where = where_new(where_json.root, false, &quiet, &nomem);
        struct facts facts = {.arguments = arguments_json.root, .now = clock_real()};
        passes = !where || where_check(where, &facts, NULL) == OUTCOME_YES;
        where_free(where);
    }
    json_release(&where_json);
    json_release(&arguments_json);
    mem_free(where_text);
    mem_free(arguments_text);
    yyjson_mut_doc_free(doc);
    return passes;
}

/* Whether a rule speaks of nothing but the value and what stands in the policy. */
static bool is_closed(yyjson_val *rule)
{
    static const char *const plain[] = {"eq",   "ne",      "lt",      "le",          "gt",
                                        "ge",   "in",      "not_in",  "starts_with", "ends_with",
                                        "type", "matches", "optional"};
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(rule, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        bool known = false;
        for (size_t i = 0; i < sizeof plain / sizeof *plain && !known; i++)
            known = str_equal(json_str(key), str_of(plain[i]));
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (!known || (yyjson_is_obj(value) && !str_equal(json_str(key), STR("matches"))))
            return false;
    }
    return true;
}

#define CANDIDATES_MAX 64

static bool values_fail(yyjson_val *key, yyjson_val *rule)
{
    yyjson_val *eq = json_get(rule, STR("eq")), *in = json_get(rule, STR("in")), *item;
    size_t i, n;
    struct str name = json_str(key);
    if (!is_closed(rule) || yyjson_obj_size(rule) < 2 || (name.len && name.ptr[0] == '/'))
        return false;
    if (is_literal(eq))
        return !candidate_passes(key, rule, eq);
    if (!yyjson_is_arr(in) || yyjson_arr_size(in) > CANDIDATES_MAX)
        return false;
    yyjson_arr_foreach(in, i, n, item)
    {
        if (candidate_passes(key, rule, item))
            return false;
    }
    return true;
}

static void lint_where(struct linter *l, yyjson_val *where)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(where, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        yyjson_val *rule = yyjson_obj_iter_get_val(key);
        if (yyjson_is_obj(rule) && !json_get(rule, STR("optional")) &&
            (range_is_empty(rule) || values_fail(key, rule)))
            warn(l, key, "no value satisfies \"%.*s\": the grant never applies",
                 (int)(json_str(key).len < 100 ? json_str(key).len : 100), json_str(key).ptr);
    }
}

static void lint_void(struct linter *l, const struct grant *grant, yyjson_val *at)
{
    if (grant->expires <= l->now)
        warn(l, at, "the grant has expired: it never applies");
    for (size_t i = 0; i < grant->n_calls; i++)
        if (grant->calls[i].n == 0)
            warn(l, at, "\"max_calls\" is 0: the grant never applies");
}

/* ------------------------------------------------------------------ one grant beside others */

/* Whether it lets every call of its tools pass. */
static bool is_open(const struct grant *grant, uint64_t now)
{
    for (const struct grant *node = grant; node; node = node->parent)
        if (node->where || node->n_calls || node->rate.n || node->n_binds ||
            node->approve != APPROVE_NEVER || node->labels || node->expires <= now ||
            node->expires != GRANT_UNLIMITED)
            return false;
    return true;
}

static bool covered_before(const struct linter *l, const struct authority_tool *tool,
                           const struct grant *grant)
{
    for (size_t i = 0; i < tool->n_grants && tool->grants[i] != grant; i++)
        if (is_open(tool->grants[i], l->now) &&
            (grant_root(tool->grants[i])->additional || !grant_root(grant)->additional))
            return true;
    return false;
}

static bool holds(const struct authority_tool *tool, const struct grant *grant)
{
    for (size_t i = 0; i < tool->n_grants; i++)
        if (tool->grants[i] == grant)
            return true;
    return false;
}

static bool has_condition(const struct grant *grant)
{
    for (; grant; grant = grant->parent)
        if (grant->where || grant->approve != APPROVE_NEVER)
            return true;
    return false;
}

static void lint_beside(struct linter *l, const struct grant *grant, yyjson_val *at)
{
    const struct authority *authority = l->authority;
    label_set destructive = label_find(&authority->labels, STR("destructive"));
    size_t tools = 0, moot = 0;
    for (size_t i = 0; i < authority->n_tools; i++) {
        const struct authority_tool *tool = &authority->tools[i];
        if (!holds(tool, grant))
            continue;
        tools++;
        moot += covered_before(l, tool, grant);
        if (((tool->labels | grant_labels(grant)) & destructive) && !has_condition(grant))
            warn(l, at,
                 "\"%.100s\" is destructive, and the grant has neither \"where\" nor "
                 "\"approve\"",
                 tool->name);
    }
    if (tools > 0 && tools == moot)
        warn(l, at, "an earlier grant allows all that this one could");
}

/* ------------------------------------------------------------------ mounts, flow */

static bool lies_beneath(const char *path, const char *root)
{
    size_t len = strlen(root);
    if (strcmp(root, "/") == 0)
        return true;
    return strncmp(path, root, len) == 0 && (path[len] == 0 || path[len] == '/');
}

/* Whether a directory is somebody's home, or has homes beneath it. */
static bool has_home(const char *path)
{
    char home[PATH_MAX];
    const char *mine = getenv("HOME");
    struct passwd *user = getpwuid(getuid());
    if (mine && realpath(mine, home) && lies_beneath(home, path))
        return true;
    if (user && realpath(user->pw_dir, home) && lies_beneath(home, path))
        return true;
    return lies_beneath("/home", path) || lies_beneath("/root", path) ||
           (strncmp(path, "/home/", 6) == 0 && !strchr(path + 6, '/'));
}

static void lint_mounts(struct linter *l)
{
    const struct policy_file *file = l->loader->file;
    char path[PATH_MAX];
    for (size_t i = 0; i < file->n_mounts; i++) {
        const struct file_mount *mount = &file->mounts[i];
        if (mount->mode == CAPFUL_MOUNT_RW && realpath(mount->host_path, path) && has_home(path))
            load_problem_in(l->loader, mount->from, mount->offset,
                            "a home directory can be written: %.200s", path);
    }
}

static void lint_flow(struct linter *l)
{
    const struct flow *flow = &l->authority->flow;
    label_set carried = carried_labels(l->loader->file, l->authority);
    for (size_t i = 0; i < flow->n; i++)
        if (!flow->rules[i].at && !(flow->rules[i].calls & carried)) /* "trifecta" */
            warn(l, l->loader->file->flow_key,
                 "\"trifecta\" stops nothing: no tool, mount or grant is labelled \"external\"");
}

/* ------------------------------------------------------------------ the whole */

static void lint_grants(struct linter *l)
{
    for (size_t i = 0; i < l->authority->n_grants; i++) {
        const struct grant *grant = l->authority->grants[i];
        yyjson_val *at = place_of_grant(l, i);
        lint_void(l, grant, at);
        lint_beside(l, grant, at);
    }
    yyjson_val *list = json_get(l->loader->file->json.root, STR("grants")), *item;
    size_t i, n;
    yyjson_arr_foreach(list, i, n, item)
    {
        lint_where(l, json_get(item, STR("where")));
    }
}

void lint(struct loader *loader, const struct toolset *set)
{
    struct linter l = {loader, toolset_authority(set), clock_real()};
    loader->warning = true;
    lint_grants(&l);
    lint_mounts(&l);
    lint_flow(&l);
    loader->warning = false;
}
