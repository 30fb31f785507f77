/* Reading a policy: everything but the tools (load_tool.c). See policy.h; the manual is
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

#define TEXT_MAX (64u << 20)
#define DEPTH    100

/* ------------------------------------------------------------------ problems */

void load_problem(struct loader *loader, size_t offset, const char *format, ...)
{
    char text[400];
    struct policy_problem problem = {0, 0, text};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_place(loader->text, offset, &problem.line, &problem.column);
    if (loader->problems++ == 0)
        err_set_at(&loader->first, CAPFUL_EPOLICY, problem.line, problem.column, "%.80s:%d:%d: %s",
                   loader->source->name ? loader->source->name : "policy", problem.line,
                   problem.column, text);
    if (loader->source->report)
        loader->source->report(loader->source->context, &problem);
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
    return json_offset_or(&loader->json, value, key ? json_offset(&loader->json, key) : 0);
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
        load_problem(loader, json_offset(&loader->json, key),
                     "%s has no \"%.*s\"; did you mean \"%.*s\"?", what, shown, name.ptr,
                     (int)near.best.len, near.best.ptr);
    else
        load_problem(loader, json_offset(&loader->json, key), "%s has no \"%.*s\"", what, shown,
                     name.ptr);
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
};

static void mount_host(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct mount_parts *parts = target;
    parts->host_key = key;
    if (load_string(loader, key, value, &parts->host) && parts->host.len == 0) {
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
    more[file->n_mounts++] = (struct file_mount){host, guest, parts->mode, offset};
    file->mounts = more;
    return true;
}

static void load_mount(struct loader *loader, yyjson_val *list_key, yyjson_val *value)
{
    static const struct load_key keys[] = {
        {"host", mount_host}, {"guest", mount_guest}, {"mode", mount_mode}, {NULL, NULL}};
    struct mount_parts parts = {NULL, NULL, {NULL, 0}, {NULL, 0}, CAPFUL_MOUNT_RO};
    if (!load_wants(loader, list_key, value, "a list of objects", yyjson_is_obj(value)))
        return;
    load_object(loader, "a mount", value, keys, &parts);
    yyjson_val *shown = parts.host_key    ? parts.host_key
                        : parts.guest_key ? parts.guest_key
                                          : list_key;
    size_t offset = json_offset(&loader->json, shown);
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
    yyjson_arr_foreach(value, i, n, item)
    {
        load_mount(loader, key, item);
    }
}

/* ------------------------------------------------------------------ environment */

bool load_env_pair(struct loader *loader, yyjson_val *key, yyjson_val *value, struct str *ret_name,
                   struct str *ret_value)
{
    if (!load_string(loader, key, value, ret_value))
        return false;
    *ret_name = json_str(key);
    const char *wrong = policy_env_problem(*ret_name, *ret_value);
    if (wrong)
        load_problem(loader, json_offset(&loader->json, key), "%s", wrong);
    return !wrong;
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
        if (load_env_pair(loader, pair, yyjson_obj_iter_get_val(pair), &name, &text) &&
            !policy_env_put(&loader->file->env, &loader->file->n_env, name, text))
            load_nomem(loader);
}

/* ------------------------------------------------------------------ grants */

struct grant_parts {
    yyjson_val *tool;
    uint64_t max_calls;
};

static void grant_tool(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct grant_parts *parts = target;
    struct str name;
    if (load_string(loader, key, value, &name))
        parts->tool = value;
}

static void grant_max_calls(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct grant_parts *parts = target;
    load_quantity(loader, key, value, NUMBER_COUNT, &parts->max_calls);
}

static void keep_grant(struct loader *loader, const struct grant_parts *parts)
{
    struct policy_file *file = loader->file;
    struct str name = json_str(parts->tool);
    char *copy = mem_dup(name.ptr, name.len);
    struct file_grant *more =
        copy ? mem_resize_array(file->grants, file->n_grants + 1, sizeof *more) : NULL;
    if (!more) {
        mem_free(copy);
        load_nomem(loader);
        return;
    }
    more[file->n_grants++] =
        (struct file_grant){copy, parts->max_calls, json_offset(&loader->json, parts->tool)};
    file->grants = more;
}

static void load_grant(struct loader *loader, yyjson_val *list_key, yyjson_val *value)
{
    static const struct load_key keys[] = {
        {"tool", grant_tool}, {"max_calls", grant_max_calls}, {NULL, NULL}};
    struct grant_parts parts = {NULL, CAPFUL_UNLIMITED};
    if (yyjson_is_obj(value)) {
        size_t before = loader->problems;
        load_object(loader, "a grant", value, keys, &parts);
        if (!parts.tool && loader->problems == before)
            load_problem(loader,
                         json_offset_or(&loader->json, yyjson_obj_get(value, "max_calls"),
                                        json_offset(&loader->json, list_key)),
                         "a grant needs \"tool\"");
    } else if (load_wants(loader, list_key, value, "a list of names and objects",
                          yyjson_is_str(value))) {
        if (memchr(yyjson_get_str(value), 0, yyjson_get_len(value)))
            load_problem(loader, json_offset(&loader->json, value), "the text holds a NUL");
        else
            parts.tool = value;
    }
    if (parts.tool)
        keep_grant(loader, &parts);
}

static void load_grants(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    size_t i, n;
    yyjson_val *item;
    (void)target;
    if (!load_wants(loader, key, value, "a list", yyjson_is_arr(value)))
        return;
    yyjson_arr_foreach(value, i, n, item)
    {
        load_grant(loader, key, item);
    }
}

int policy_grant(const struct policy_file *file, const struct policy_source *source,
                 struct toolset *set, struct capful_error *err)
{
    struct loader loader = {.text = {file->text, file->len}, .source = source};
    struct map seen = {NULL, 0, 0};
    for (size_t i = 0; i < file->n_grants; i++) {
        const struct file_grant *grant = &file->grants[i];
        struct str name = str_of(grant->tool);
        struct capful_error why;
        if (map_get(&seen, name)) {
            load_problem(&loader, grant->offset, "\"%.200s\" is granted twice", grant->tool);
            continue;
        }
        if (!map_put(&seen, name, grant->tool))
            load_nomem(&loader);
        if (toolset_grant(set, name, grant->max_calls, &why))
            load_problem(&loader, grant->offset, "%s", why.text);
    }
    map_release(&seen);
    return load_outcome(&loader, err);
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
    for (size_t i = 0; i < file->n_grants; i++)
        mem_free(file->grants[i].tool);
    policy_env_free(file->env, file->n_env);
    mem_free(file->mounts);
    mem_free(file->grants);
    mem_free(file->text);
    mem_free(file);
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

static void load_text(struct loader *loader)
{
    static const struct load_key keys[] = {{"limits", load_limits}, {"mounts", load_mounts},
                                           {"env", load_env},       {"tools", load_tools},
                                           {"grants", load_grants}, {NULL, NULL}};
    struct json_problem problem;
    if (loader->text.len > TEXT_MAX) {
        load_problem(loader, 0, "the policy is larger than 64 MiB");
        return;
    }
    if (!json_parse(loader->text, JSON_RELAXED | JSON_UNIQUE_KEYS, DEPTH, &loader->json,
                    &problem)) {
        if (problem.nomem)
            load_nomem(loader);
        else
            load_problem(loader, problem.offset, "%s", problem.text);
        return;
    }
    if (yyjson_is_obj(loader->json.root))
        load_object(loader, "a policy", loader->json.root, keys, NULL);
    else
        load_problem(loader, load_offset(loader, NULL, loader->json.root),
                     "a policy must be an object, not %s", json_kind(loader->json.root));
    json_release(&loader->json);
}

int policy_load(struct str text, const struct policy_source *source, struct toolset *set,
                struct policy_file **ret, struct capful_error *err)
{
    struct loader loader = {.text = text, .source = source, .set = set};
    size_t before = toolset_count(set);
    int failed = find_directory(source->directory, &loader.directory, err);
    if (failed)
        return failed;
    struct policy_file *file = loader.file = mem_zalloc(sizeof *file);
    if (file) {
        capful_limits_init(&file->limits);
        file->text = mem_dup(text.ptr, text.len);
        file->len = text.len;
    }
    if (!file || !file->text)
        load_nomem(&loader);
    else
        load_text(&loader);
    mem_free(loader.directory);
    failed = load_outcome(&loader, err);
    if (failed) {
        toolset_truncate(set, before);
        policy_file_free(file);
        return failed;
    }
    *ret = file;
    return 0;
}
