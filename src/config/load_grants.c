/* Reading a policy: what it says of calls — grants, labels, flow rules, approvals, accounts, mode.
 * The parts are read by src/policy; here is told where in the text their problems stand.
 */
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/number.h"
#include "config/file.h"
#include "policy/pattern.h"

static struct constraint_reader reader_of(struct loader *loader, yyjson_val *near)
{
    loader->near = near;
    return (struct constraint_reader){load_report, loader};
}

/* ------------------------------------------------------------------ grants */

yyjson_val *grant_place(yyjson_val *list_key, yyjson_val *grant)
{
    yyjson_val *tool = json_get(grant, STR("tool"));
    yyjson_obj_iter iter;
    if (yyjson_is_str(grant) || yyjson_is_raw(grant))
        return grant;
    if (yyjson_is_str(tool))
        return tool;
    if (!yyjson_is_obj(grant) || yyjson_obj_size(grant) == 0)
        return list_key;
    yyjson_obj_iter_init(grant, &iter);
    return yyjson_obj_iter_next(&iter);
}

bool keep_grant(struct loader *loader, struct grant *grant, yyjson_val *at)
{
    struct policy_file *file = loader->file;
    size_t n = file->authority.n_grants;
    yyjson_val **more = mem_resize_array(file->grant_at, n + 1, sizeof *more);
    if (!more || !authority_add(&file->authority, grant)) {
        file->grant_at = more ? more : file->grant_at;
        grant_unref(grant);
        return load_nomem(loader);
    }
    more[n] = at;
    file->grant_at = more;
    return true;
}

static void load_grant(struct loader *loader, yyjson_val *key, yyjson_val *value, size_t number)
{
    yyjson_val *at = grant_place(key, value);
    struct constraint_reader reader = reader_of(loader, at);
    bool nomem = false;
    struct grant *grant =
        grant_load(value, number, &loader->file->authority.labels, &reader, &nomem);
    if (grant)
        keep_grant(loader, grant, at);
    else if (nomem)
        load_nomem(loader);
}

void check_names(struct loader *loader)
{
    const struct authority *authority = &loader->file->authority;
    struct map names = {NULL, 0, 0};
    for (size_t i = 0; i < authority->n_grants; i++) {
        struct str name = str_of(authority->grants[i]->name);
        if (map_get(&names, name))
            load_report(loader, loader->file->grant_at[i], "another grant has the same name");
        else if (!map_put(&names, name, authority->grants[i]))
            load_nomem(loader);
    }
    map_release(&names);
}

void load_grants(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    size_t i, n;
    yyjson_val *item;
    (void)target;
    if (!load_wants(loader, key, value, "a list", yyjson_is_arr(value)))
        return;
    if (yyjson_arr_size(value) > AUTHORITY_GRANTS_MAX) {
        load_problem(loader, load_offset(loader, key, value), "more than %d grants",
                     AUTHORITY_GRANTS_MAX);
        return;
    }
    if (loader->file->base) {
        load_narrowings(loader, key, value);
        return;
    }
    yyjson_arr_foreach(value, i, n, item)
    {
        load_grant(loader, key, item, i + 1);
    }
    check_names(loader);
}

/* ------------------------------------------------------------------ labels, flow rules */

label_set load_label_list(struct loader *loader, yyjson_val *key, yyjson_val *value)
{
    label_set set = 0;
    size_t i, n;
    yyjson_val *item;
    if (!load_wants(loader, key, value, "a list of labels", yyjson_is_arr(value)))
        return 0;
    yyjson_arr_foreach(value, i, n, item)
    {
        bool nomem = false;
        struct constraint_reader reader = reader_of(loader, key);
        if (!yyjson_is_str(item) || !label_valid(json_str(item))) {
            load_report(loader, item,
                        "a label is a letter, then letters, digits, \"_\" and \"-\", at most 64");
            continue;
        }
        label_set bit = label_bit(&loader->file->authority.labels, json_str(item), true, &nomem);
        if (nomem)
            load_nomem(loader);
        else if (!bit)
            reader.problem(loader, item, "a policy has at most 64 labels");
        set |= bit;
    }
    return set;
}

void load_labels(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    yyjson_obj_iter iter;
    (void)target;
    if (!load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        return;
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *tool; (tool = yyjson_obj_iter_next(&iter));) {
        struct str pattern = json_str(tool);
        label_set set = load_label_list(loader, tool, yyjson_obj_iter_get_val(tool));
        if (memchr(pattern.ptr, 0, pattern.len) || !pattern_or_name(pattern))
            load_report(loader, tool, "this is no name and no pattern of tools");
        else if (!authority_add_labels(&loader->file->authority, pattern, set))
            load_nomem(loader);
    }
}

void load_flow(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct authority *authority = &loader->file->authority;
    struct constraint_reader reader = reader_of(loader, key);
    bool nomem = false;
    (void)target;
    loader->file->flow_key = key;
    flow_load(&authority->flow, value, &authority->labels, &reader, &nomem);
    if (nomem)
        load_nomem(loader);
}

/* ------------------------------------------------------------------ approvals, accounts, mode */

static void approvals_timeout(struct loader *loader, yyjson_val *key, yyjson_val *value,
                              void *target)
{
    (void)target;
    load_quantity(loader, key, value, NUMBER_NS, &loader->file->approval_time);
}

void load_approvals(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    static const struct load_key keys[] = {{"timeout", approvals_timeout}, {NULL, NULL}};
    if (load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        load_object(loader, "approvals", value, keys, target);
}

static void accounts_file(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct str path;
    (void)target;
    if (!load_substituted(loader, key, value, &path))
        return;
    if (path.len == 0) {
        load_problem(loader, load_offset(loader, key, value), "\"file\" is empty");
        return;
    }
    if (loader->file->accounts_file) {
        load_problem(loader, load_offset(loader, key, value),
                     "the policy that this one extends says where accounts are");
        return;
    }
    loader->file->accounts_from = loader->file;
    loader->file->accounts_offset = load_offset(loader, key, value);
    loader->file->accounts_file = policy_join(loader->directory, path);
    if (!loader->file->accounts_file)
        load_nomem(loader);
}

void load_accounts(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    static const struct load_key keys[] = {{"file", accounts_file}, {NULL, NULL}};
    if (load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        load_object(loader, "accounts", value, keys, target);
}

void load_mode(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct str mode;
    (void)target;
    if (!load_string(loader, key, value, &mode))
        return;
    bool watch = str_equal(mode, STR("watch"));
    if (!watch && !str_equal(mode, STR("enforce")))
        load_problem(loader, load_offset(loader, key, value),
                     "\"mode\" must be \"enforce\" or \"watch\"");
    else if (watch && loader->file->base && loader->file->base->enforced)
        load_problem(loader, load_offset(loader, key, value),
                     "the policy that this one extends is enforced");
    else
        loader->file->enforced = !watch;
}

/* ------------------------------------------------------------------ against the tools */

static yyjson_val *grant_at(void *context, size_t grant)
{
    const struct loader *loader = context;
    return loader->file->grant_at[grant];
}

label_set carried_labels(const struct policy_file *file, const struct authority *authority)
{
    label_set carried = 0;
    for (size_t i = 0; i < authority->n_tools; i++)
        carried |= authority->tools[i].labels;
    for (size_t i = 0; i < authority->n_label_rules; i++)
        carried |= authority->label_rules[i].labels;
    for (size_t i = 0; i < authority->n_grants; i++)
        carried |= grant_labels(authority->grants[i]);
    for (size_t i = 0; i < file->n_mounts; i++)
        carried |= file->mounts[i].labels;
    return carried;
}

int policy_grant(struct policy_file *file, const struct policy_source *source, struct toolset *set,
                 struct capful_error *err)
{
    struct loader loader = {.text = {file->text, file->len}, .source = source, .file = file};
    struct constraint_reader reader = {load_report, &loader};
    extends_grant(&loader, set);
    int outcome = load_outcome(&loader, err);
    if (outcome)
        return outcome;
    int failed = toolset_authorise(set, &file->authority, grant_at, &reader, err);
    if (failed == CAPFUL_ENOMEM)
        return failed;
    if (!failed) {
        const struct authority *authority = toolset_authority(set);
        flow_lint(&authority->flow, &authority->labels, carried_labels(file, authority), &reader);
        toolset_set_approval_time(set, file->approval_time);
    }
    outcome = load_outcome(&loader, err);
    return outcome ? outcome : failed;
}
