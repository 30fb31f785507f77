/* Reading a policy: everything but the tools (load_tool.c) and what is said of calls
 * (load_grants.c). See policy.h; the manual is
 * capful-policy(5).
 *
 * A problem does not end the reading: the part it concerns is left out and the rest is looked at,
 * so that a person sees all of them at once. Nothing is used if there was one.
 */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/number.h"
#include "config/file.h"
#include "tool/command.h"

#define DEPTH 100

/* ------------------------------------------------------------------ problems */

static void tell(struct loader *loader, const struct policy_file *file, size_t offset,
                 const char *text)
{
    struct policy_problem problem = {file->name, 0, 0, text, loader->warning};
    json_place((struct str){file->text, file->len}, offset, &problem.line, &problem.column);
    if (!loader->warning && loader->problems++ == 0)
        err_set_at(&loader->first, CAPFUL_EPOLICY, problem.line, problem.column, "%.80s:%d:%d: %s",
                   file->name, problem.line, problem.column, text);
    if (loader->source->report)
        loader->source->report(loader->source->context, &problem);
}

void load_problem(struct loader *loader, size_t offset, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell(loader, loader->file, offset, text);
}

void load_problem_in(struct loader *loader, const struct policy_file *file, size_t offset,
                     const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tell(loader, file, offset, text);
}

static bool stands_in(const struct policy_file *file, const yyjson_val *value)
{
    const yyjson_val *first = file->json.root;
    return value && first && value >= first &&
           value < first + yyjson_doc_get_val_count(file->json.doc);
}

void load_report(void *context, yyjson_val *at, const char *text)
{
    struct loader *loader = context;
    const struct policy_file *file = loader->file;
    while (file && !stands_in(file, at ? at : loader->near))
        file = file->base;
    file = file ? file : loader->file;
    size_t near = loader->near && stands_in(file, loader->near)
                      ? json_offset_or(&file->json, loader->near, 0)
                      : 0;
    tell(loader, file, at && stands_in(file, at) ? json_offset_or(&file->json, at, near) : near,
         text);
}

bool load_nomem(struct loader *loader)
{
    loader->nomem = true;
    return false;
}

int load_outcome(const struct loader *loader, struct capful_error *err)
{
    if (loader->nomem)
        return err_nomem(err);
    if (loader->problems == 0)
        return 0;
    if (err)
        *err = loader->first;
    return CAPFUL_EPOLICY;
}

size_t load_offset(const struct loader *loader, yyjson_val *key, yyjson_val *value)
{
    return json_offset_or(&loader->file->json, value,
                          key ? json_offset(&loader->file->json, key) : 0);
}

/* ------------------------------------------------------------------ kinds of values */

static void unknown_key(struct loader *loader, const char *what, yyjson_val *key,
                        const struct load_key *keys)
{
    struct near near;
    struct str name = json_str(key);
    near_init(&near, name);
    for (const struct load_key *known = keys; known->name; known++)
        near_offer(&near, str_of(known->name));
    int shown = (int)(name.len < 100 ? name.len : 100);
    if (near.best.ptr)
        load_problem(loader, json_offset(&loader->file->json, key),
                     "%s has no \"%.*s\"; did you mean \"%.*s\"?", what, shown, name.ptr,
                     (int)near.best.len, near.best.ptr);
    else
        load_problem(loader, json_offset(&loader->file->json, key), "%s has no \"%.*s\"", what,
                     shown, name.ptr);
}

void load_object(struct loader *loader, const char *what, yyjson_val *object,
                 const struct load_key *keys, void *target)
{
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
        const struct load_key *known = keys;
        while (known->name && !str_equal(str_of(known->name), json_str(key)))
            known++;
        if (known->name)
            known->load(loader, key, yyjson_obj_iter_get_val(key), target);
        else
            unknown_key(loader, what, key, keys);
    }
}

bool load_wants(struct loader *loader, yyjson_val *key, yyjson_val *value, const char *what,
                bool is)
{
    if (is)
        return true;
    struct str name = key ? json_str(key) : STR("this");
    load_problem(loader, load_offset(loader, key, value), "\"%.*s\" must be %s, not %s",
                 (int)(name.len < 100 ? name.len : 100), name.ptr, what, json_kind(value));
    return false;
}

bool load_string(struct loader *loader, yyjson_val *key, yyjson_val *value, struct str *ret)
{
    if (!load_wants(loader, key, value, "a string", yyjson_is_str(value)))
        return false;
    *ret = json_str(value);
    if (!memchr(ret->ptr, 0, ret->len))
        return true;
    load_problem(loader, load_offset(loader, key, value), "the text holds a NUL");
    return false;
}

bool load_quantity(struct loader *loader, yyjson_val *key, yyjson_val *value, int unit,
                   uint64_t *ret)
{
    static const char *const what[] = {
        [NUMBER_NS] = "a time such as \"5s\"",
        [NUMBER_BYTES] = "a size such as \"64MiB\"",
        [NUMBER_COUNT] = "a whole number",
    };
    if (!load_wants(loader, key, value, what[unit], yyjson_is_str(value) || yyjson_is_raw(value)))
        return false;
    struct str name = json_str(key), text = json_str(value);
    const char *wrong = number_parse(text, unit, ret);
    if (wrong)
        load_problem(loader, load_offset(loader, key, value), "\"%.*s\": \"%.*s\": %s",
                     (int)name.len, name.ptr, (int)(text.len < 60 ? text.len : 60), text.ptr,
                     wrong);
    return !wrong;
}

/* ------------------------------------------------------------------ limits */

struct limit_key {
    const char *name;
    enum number_unit unit;
    size_t field;
};

static const struct limit_key limit_keys[] = {
#define LIMIT(name, unit, value, text) {#name, NUMBER_##unit, offsetof(struct capful_limits, name)},
#include "abi/limits.def"
#undef LIMIT
};

static uint64_t limit_of(const struct policy_file *file, const struct limit_key *limit)
{
    uint64_t number;
    memcpy(&number, (const char *)&file->limits + limit->field, sizeof number);
    return number;
}

static void load_limit(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    for (size_t i = 0; i < sizeof limit_keys / sizeof *limit_keys; i++) {
        const struct limit_key *limit = &limit_keys[i];
        uint64_t number;
        if (!str_equal(str_of(limit->name), json_str(key)))
            continue;
        if (!load_quantity(loader, key, value, (int)limit->unit, &number))
            return;
        if (number == 0 && limit->unit == NUMBER_NS)
            load_problem(loader, load_offset(loader, key, value),
                         "\"%s\": no time at all; write \"unlimited\" to lift the limit",
                         limit->name);
        else if (loader->file->base && number > limit_of(loader->file->base, limit))
            load_problem(loader, load_offset(loader, key, value),
                         "\"%s\" is larger than in the policy that this one extends", limit->name);
        else
            memcpy((char *)target + limit->field, &number, sizeof number);
        return;
    }
}

static void load_limits(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    static const struct load_key keys[] = {
#define LIMIT(name, unit, value, text) {#name, load_limit},
#include "abi/limits.def"
#undef LIMIT
        {NULL, NULL}};
    (void)target;
    if (load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        load_object(loader, "limits", value, keys, &loader->file->limits);
}

void capful_limits_init(struct capful_limits *limits)
{
#define LIMIT(name, unit, value, text) limits->name = value;
#include "abi/limits.def"
#undef LIMIT
}

/* ------------------------------------------------------------------ mounts */

struct mount_parts {
    yyjson_val *host_key, *guest_key;
    struct str host, guest;
    enum capful_mount_mode mode;
    label_set labels;
};

static void mount_host(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct mount_parts *parts = target;
    parts->host_key = key;
    if (load_substituted(loader, key, value, &parts->host) && parts->host.len == 0) {
        load_problem(loader, load_offset(loader, key, value), "\"host\" is empty");
        parts->host.ptr = NULL;
    }
}

static void mount_guest(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct mount_parts *parts = target;
    parts->guest_key = key;
    load_string(loader, key, value, &parts->guest);
}

static void mount_mode(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct mount_parts *parts = target;
    struct str mode;
    if (!load_string(loader, key, value, &mode))
        return;
    if (str_equal(mode, STR("ro")))
        parts->mode = CAPFUL_MOUNT_RO;
    else if (str_equal(mode, STR("rw")))
        parts->mode = CAPFUL_MOUNT_RW;
    else if (str_equal(mode, STR("overlay")))
        parts->mode = CAPFUL_MOUNT_OVERLAY;
    else
        load_problem(loader, load_offset(loader, key, value),
                     "\"mode\" must be \"ro\", \"rw\" or \"overlay\"");
}

static void mount_labels(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct mount_parts *parts = target;
    parts->labels = load_label_list(loader, key, value);
}

static bool keep_mount(struct loader *loader, const struct mount_parts *parts, char *guest,
                       size_t offset)
{
    struct policy_file *file = loader->file;
    for (size_t i = 0; i < file->n_mounts; i++)
        if (strcmp(file->mounts[i].guest_path, guest) == 0) {
            load_problem(loader, offset, "%.200s is mounted twice", guest);
            mem_free(guest);
            return false;
        }
    char *host = policy_join(loader->directory, parts->host);
    struct file_mount *more =
        host ? mem_resize_array(file->mounts, file->n_mounts + 1, sizeof *more) : NULL;
    if (!more) {
        mem_free(host);
        mem_free(guest);
        return load_nomem(loader);
    }
    more[file->n_mounts++] =
        (struct file_mount){host, guest, parts->mode, parts->labels, file, offset};
    file->mounts = more;
    return true;
}

static void load_mount(struct loader *loader, yyjson_val *list_key, yyjson_val *value)
{
    static const struct load_key keys[] = {{"host", mount_host},
                                           {"guest", mount_guest},
                                           {"mode", mount_mode},
                                           {"labels", mount_labels},
                                           {NULL, NULL}};
    struct mount_parts parts = {NULL, NULL, {NULL, 0}, {NULL, 0}, CAPFUL_MOUNT_RO, 0};
    if (!load_wants(loader, list_key, value, "a list of objects", yyjson_is_obj(value)))
        return;
    load_object(loader, "a mount", value, keys, &parts);
    yyjson_val *shown = parts.host_key    ? parts.host_key
                        : parts.guest_key ? parts.guest_key
                                          : list_key;
    size_t offset = json_offset(&loader->file->json, shown);
    if (!parts.host_key || !parts.guest_key) {
        load_problem(loader, offset, "a mount needs \"%s\"", parts.host_key ? "guest" : "host");
        return;
    }
    if (!parts.host.ptr || !parts.guest.ptr)
        return;
    char *guest;
    const char *wrong = policy_guest_path(parts.guest, &guest);
    if (wrong == command_nomem)
        load_nomem(loader);
    else if (wrong)
        load_problem(loader,
                     load_offset(loader, parts.guest_key, yyjson_obj_iter_get_val(parts.guest_key)),
                     "\"guest\": %s", wrong);
    else
        keep_mount(loader, &parts, guest, offset);
}

static void load_mounts(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    size_t i, n;
    yyjson_val *item;
    (void)target;
    if (!load_wants(loader, key, value, "a list", yyjson_is_arr(value)))
        return;
    loader->file->has_mounts = true;
    yyjson_arr_foreach(value, i, n, item)
    {
        load_mount(loader, key, item);
    }
}

/* ------------------------------------------------------------------ environment */

bool load_env_pair(struct loader *loader, yyjson_val *key, yyjson_val *value, bool substituted,
                   struct str *ret_name, struct str *ret_value)
{
    if (!(substituted ? load_substituted : load_string)(loader, key, value, ret_value))
        return false;
    *ret_name = json_str(key);
    const char *wrong = policy_env_problem(*ret_name, *ret_value);
    if (wrong)
        load_problem(loader, json_offset(&loader->file->json, key), "%s", wrong);
    return !wrong;
}

static bool is_new(struct loader *loader, yyjson_val *key, struct str name)
{
    const struct policy_file *base = loader->file->base;
    for (size_t i = 0; base && i < base->n_env; i++)
        if (str_equal(str_of(base->env[i].name), name)) {
            load_problem(loader, json_offset(&loader->file->json, key),
                         "the policy that this one extends sets this variable");
            return false;
        }
    return true;
}

static void load_env(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    yyjson_obj_iter iter;
    struct str name, text;
    (void)target;
    if (!load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        return;
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *pair; (pair = yyjson_obj_iter_next(&iter));)
        if (load_env_pair(loader, pair, yyjson_obj_iter_get_val(pair), false, &name, &text) &&
            is_new(loader, pair, name) &&
            !policy_env_put(&loader->file->env, &loader->file->n_env, name, text))
            load_nomem(loader);
}

/* ------------------------------------------------------------------ the whole */

void policy_file_free(struct policy_file *file)
{
    if (!file)
        return;
    for (size_t i = 0; i < file->n_mounts; i++) {
        mem_free(file->mounts[i].host_path);
        mem_free(file->mounts[i].guest_path);
    }
    authority_release(&file->authority);
    mem_free(file->grant_at);
    mem_free(file->accounts_file);
    file_audit_release(&file->audit);
    mem_free(file->tests);
    mem_free(file->name);
    mem_free(file->path);
    policy_file_free(file->base); /* at most EXTENDS_MAX deep */
    json_release(&file->json);
    policy_env_free(file->env, file->n_env);
    mem_free(file->mounts);
    mem_free(file->text);
    mem_free(file);
}

/* The path that a file was read from, from the root. */
static bool keep_path(struct policy_file *file, const char *path)
{
    char here[PATH_MAX];
    if (!path)
        return true;
    file->path = path[0] == '/'              ? mem_strdup(path)
                 : getcwd(here, sizeof here) ? policy_join(here, str_of(path))
                                             : NULL;
    return file->path != NULL;
}

static int find_directory(const char *given, char **ret, struct capful_error *err)
{
    char resolved[PATH_MAX];
    const char *directory = given ? given : ".";
    if (!realpath(directory, resolved))
        return err_set(err, CAPFUL_EPOLICY, "the directory of the policy cannot be found: %.300s",
                       directory);
    *ret = mem_strdup(resolved);
    return *ret ? 0 : err_nomem(err);
}

/* Read elsewhere, or meant for editors. */
static void load_nothing(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct str text;
    (void)target;
    load_string(loader, key, value, &text);
}

static void load_text(struct loader *loader)
{
    static const struct load_key keys[] = {
        {"limits", load_limits},   {"mounts", load_mounts},       {"env", load_env},
        {"tools", load_tools},     {"grants", load_grants},       {"labels", load_labels},
        {"flow", load_flow},       {"approvals", load_approvals}, {"accounts", load_accounts},
        {"mode", load_mode},       {"audit", load_audit},         {"tests", load_tests},
        {"extends", load_nothing}, {"$schema", load_nothing},     {NULL, NULL}};
    struct json_problem problem;
    if (loader->text.len > POLICY_TEXT_MAX) {
        load_problem(loader, 0, "the policy is larger than 64 MiB");
        return;
    }
    if (!json_parse(loader->text, JSON_RELAXED | JSON_UNIQUE_KEYS, DEPTH, &loader->file->json,
                    &problem)) {
        if (problem.nomem)
            load_nomem(loader);
        else
            load_problem(loader, problem.offset, "%s", problem.text);
        return;
    }
    if (yyjson_is_obj(loader->file->json.root)) {
        extends_begin(loader);
        load_object(loader, "a policy", loader->file->json.root, keys, NULL);
        extends_end(loader);
    } else
        load_problem(loader, load_offset(loader, NULL, loader->file->json.root),
                     "a policy must be an object, not %s", json_kind(loader->file->json.root));
}

int policy_load(struct str text, const struct policy_source *source, struct toolset *set,
                struct policy_file **ret, struct capful_error *err)
{
    return load_file(text, source, set, NULL, ret, err);
}

int load_file(struct str text, const struct policy_source *source, struct toolset *set,
              const struct loader *child, struct policy_file **ret, struct capful_error *err)
{
    struct loader loader = {.text = text, .source = source, .set = set, .child = child};
    size_t before = toolset_count(set);
    int failed = find_directory(source->directory, &loader.directory, err);
    if (failed)
        return failed;
    struct policy_file *file = loader.file = mem_zalloc(sizeof *file);
    if (file) {
        capful_limits_init(&file->limits);
        file->enforced = true;
        file->approval_time = 300 * CAPFUL_SECOND;
        file->name = mem_strdup(source->name ? source->name : "policy");
        file->text = mem_dup(text.ptr, text.len);
        file->len = text.len;
    }
    if (!file || !file->text || !file->name || !keep_path(file, source->path))
        load_nomem(&loader);
    else
        load_text(&loader);
    mem_free(loader.directory);
    substituted_free(loader.substituted);
    failed = load_outcome(&loader, err);
    if (failed) {
        toolset_truncate(set, before);
        policy_file_free(file);
        return failed;
    }
    *ret = file;
    return 0;
}
