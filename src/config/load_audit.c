/* Reading a policy: where and how its calls are recorded, the key "audit". The log is opened when
 * the policy is built, so that checking a policy writes nothing.
 */
#include "audit/audit.h"
#include "base/mem.h"
#include "base/number.h"
#include "config/file.h"
#include "policy/pattern.h"

static struct file_audit *of(struct loader *loader)
{
    return &loader->file->audit;
}

static void take_path(struct loader *loader, yyjson_val *key, yyjson_val *value, char **ret)
{
    struct str path;
    if (!load_substituted(loader, key, value, &path))
        return;
    if (path.len == 0) {
        load_problem(loader, load_offset(loader, key, value), "\"%.*s\" is empty",
                     (int)json_str(key).len, json_str(key).ptr);
        return;
    }
    *ret = policy_join(loader->directory, path);
    if (!*ret)
        load_nomem(loader);
}

static void audit_file(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    (void)target;
    take_path(loader, key, value, &of(loader)->path);
}

static void audit_key(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    (void)target;
    take_path(loader, key, value, &of(loader)->key_path);
}

/* One word of a list of them; its index, or -1 after a problem. */
static int choose(struct loader *loader, yyjson_val *key, yyjson_val *value,
                  const char *const *words, const char *wanted)
{
    struct str word;
    if (!load_string(loader, key, value, &word))
        return -1;
    for (int i = 0; words[i]; i++)
        if (str_equal(word, str_of(words[i])))
            return i;
    load_problem(loader, load_offset(loader, key, value), "\"%.*s\" must be %s",
                 (int)json_str(key).len, json_str(key).ptr, wanted);
    return -1;
}

static void audit_sync(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    static const char *const words[] = {[AUDIT_SYNC_NEVER] = "never",
                                        [AUDIT_SYNC_RUN] = "run",
                                        [AUDIT_SYNC_RECORD] = "record",
                                        NULL};
    int chosen = choose(loader, key, value, words, "\"never\", \"run\" or \"record\"");
    (void)target;
    if (chosen >= 0)
        of(loader)->config.sync = (enum audit_sync)chosen;
}

static int choose_show(struct loader *loader, yyjson_val *key, yyjson_val *value)
{
    static const char *const words[] = {
        [AUDIT_WHOLE] = "whole", [AUDIT_HASHED] = "hashed", [AUDIT_NOTHING] = "nothing", NULL};
    return choose(loader, key, value, words, "\"whole\", \"hashed\" or \"nothing\"");
}

static void audit_arguments(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    int chosen = choose_show(loader, key, value);
    (void)target;
    if (chosen >= 0)
        of(loader)->config.arguments = (enum audit_show)chosen;
}

static void audit_rotate(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    uint64_t size;
    (void)target;
    if (!load_quantity(loader, key, value, NUMBER_BYTES, &size))
        return;
    if (size < AUDIT_ROTATE_MIN)
        load_problem(loader, load_offset(loader, key, value), "\"rotate\" is at least 64KiB");
    else
        of(loader)->config.rotate_bytes = size == CAPFUL_UNLIMITED ? 0 : size;
}

static void audit_keep(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    uint64_t n;
    (void)target;
    if (!load_quantity(loader, key, value, NUMBER_COUNT, &n))
        return;
    if (n == 0 || n > 1000000)
        load_problem(loader, load_offset(loader, key, value), "\"keep\" is a number from 1 on");
    else
        of(loader)->config.rotate_keep = (uint32_t)n;
}

static void audit_sign_every(struct loader *loader, yyjson_val *key, yyjson_val *value,
                             void *target)
{
    (void)target;
    load_quantity(loader, key, value, NUMBER_COUNT, &of(loader)->config.sign_every);
}

static void audit_exclusive(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    (void)target;
    if (load_wants(loader, key, value, "true or false", yyjson_is_bool(value)))
        of(loader)->config.exclusive = yyjson_get_bool(value);
}

/* ------------------------------------------------------------------ what is hidden */

static void redact_tool(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct audit_rule *rule = target;
    struct str pattern;
    if (!load_string(loader, key, value, &pattern))
        return;
    if (!pattern_or_name(pattern)) {
        load_problem(loader, load_offset(loader, key, value),
                     "this is no name and no pattern of tools");
        return;
    }
    mem_free((char *)rule->tool);
    rule->tool = mem_dup(pattern.ptr, pattern.len);
    if (!rule->tool)
        load_nomem(loader);
}

static void redact_arguments(struct loader *loader, yyjson_val *key, yyjson_val *value,
                             void *target)
{
    struct audit_rule *rule = target;
    int chosen = choose_show(loader, key, value);
    if (chosen >= 0)
        rule->arguments = (enum audit_show)chosen;
}

static void redact_fields(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct audit_rule *rule = target;
    size_t i, n;
    yyjson_val *item;
    if (!load_wants(loader, key, value, "a list of pointers", yyjson_is_arr(value)) || rule->fields)
        return;
    const char **fields = mem_array(yyjson_arr_size(value) + 1, sizeof *fields);
    rule->fields = fields;
    if (!fields) {
        load_nomem(loader);
        return;
    }
    yyjson_arr_foreach(value, i, n, item)
    {
        bool nomem = false;
        struct pointer pointer;
        if (!load_wants(loader, key, item, "a list of pointers", yyjson_is_str(item)))
            continue;
        const char *wrong = pointer_parse(&pointer, json_str(item), false, &nomem);
        if (wrong && !nomem)
            load_problem(loader, json_offset(&loader->file->json, item), "%s", wrong);
        if (!wrong)
            pointer_release(&pointer);
        fields[rule->n_fields] = wrong ? NULL : mem_dup(json_str(item).ptr, json_str(item).len);
        if (fields[rule->n_fields])
            rule->n_fields++;
        else if (nomem || !wrong)
            load_nomem(loader);
    }
}

static void redact_result(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct audit_rule *rule = target;
    if (load_wants(loader, key, value, "true or false", yyjson_is_bool(value)))
        rule->hide_result = yyjson_get_bool(value);
}

static void load_redaction(struct loader *loader, yyjson_val *list_key, yyjson_val *value)
{
    static const struct load_key keys[] = {{"tool", redact_tool},
                                           {"arguments", redact_arguments},
                                           {"fields", redact_fields},
                                           {"hide_result", redact_result},
                                           {NULL, NULL}};
    struct file_audit *audit = of(loader);
    if (!load_wants(loader, list_key, value, "a list of objects", yyjson_is_obj(value)))
        return;
    struct audit_rule *more = mem_resize_array(audit->rules, audit->n_rules + 1, sizeof *more);
    if (!more) {
        load_nomem(loader);
        return;
    }
    audit->rules = more;
    struct audit_rule *rule = &more[audit->n_rules++];
    *rule = (struct audit_rule){.tool = NULL};
    load_object(loader, "a redaction", value, keys, rule);
    if (!json_get(value, STR("tool")))
        load_problem(loader, json_offset(&loader->file->json, list_key),
                     "a redaction needs \"tool\"");
}

static void audit_redact(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    size_t i, n;
    yyjson_val *item;
    (void)target;
    if (!load_wants(loader, key, value, "a list", yyjson_is_arr(value)))
        return;
    yyjson_arr_foreach(value, i, n, item)
    {
        load_redaction(loader, key, item);
    }
}

/* ------------------------------------------------------------------ the whole */

void load_audit(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    static const struct load_key keys[] = {{"file", audit_file},
                                           {"sync", audit_sync},
                                           {"arguments", audit_arguments},
                                           {"rotate", audit_rotate},
                                           {"keep", audit_keep},
                                           {"key", audit_key},
                                           {"sign_every", audit_sign_every},
                                           {"exclusive", audit_exclusive},
                                           {"redact", audit_redact},
                                           {NULL, NULL}};
    if (!load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        return;
    if (of(loader)->path) {
        load_problem(loader, json_offset(&loader->file->json, key),
                     "the policy that this one extends says where calls are recorded");
        return;
    }
    audit_config_init(&of(loader)->config);
    load_object(loader, "audit", value, keys, target);
    if (!json_get(value, STR("file")))
        load_problem(loader, json_offset(&loader->file->json, key), "audit needs \"file\"");
}

void file_audit_release(struct file_audit *audit)
{
    for (size_t i = 0; i < audit->n_rules; i++) {
        for (size_t j = 0; j < audit->rules[i].n_fields; j++)
            mem_free((char *)audit->rules[i].fields[j]);
        mem_free((void *)audit->rules[i].fields);
        mem_free((char *)audit->rules[i].tool);
    }
    mem_free(audit->rules);
    mem_free(audit->path);
    mem_free(audit->key_path);
}

int file_audit_open(const struct file_audit *audit, struct audit **ret, struct capful_error *err)
{
    struct audit_config config = audit->config;
    uint8_t seed[32];
    if (!audit->path)
        return 0;
    config.path = audit->path;
    config.rules = audit->rules;
    config.n_rules = audit->n_rules;
    int failed = audit->key_path ? audit_read_seed(audit->key_path, seed, err) : 0;
    if (audit->key_path)
        config.sign_seed = seed;
    return failed ? failed : audit_open(&config, ret, err);
}
