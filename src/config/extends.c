/* A policy that extends another can only narrow it.
 *
 *     base.jsonc      tools, mounts, grants g1 g2 …       loaded first, by the same rules
 *         │
 *     child.jsonc     each of its grants is derived from every grant of the base that covers a tool
 *                     of it: a call must pass both, and draws on the budgets of both
 *
 * Labels, flow rules and tests add up; everything else is the base's, or less. The labels are
 * numbered once, so the authority is one, and moves from file to file while they are loaded.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"
#include "config/file.h"
#include "policy/pattern.h"

#define EXTENDS_MAX 8

/* ------------------------------------------------------------------ finding and loading it */

static bool is_same_file(const char *a, const char *b)
{
    struct stat one, two;
    return a && b && stat(a, &one) == 0 && stat(b, &two) == 0 && one.st_dev == two.st_dev &&
           one.st_ino == two.st_ino;
}

/* NULL, or why it cannot be a base. */
static const char *misplaced(const struct loader *loader, const char *path)
{
    unsigned depth = 1;
    for (const struct loader *above = loader; above; above = above->child, depth++)
        if (is_same_file(above->file->path, path))
            return "a policy cannot extend itself";
    return depth > EXTENDS_MAX + 1 ? "policies extend one another more than 8 deep" : NULL;
}

/* What the base is called in messages: beside the name of the file that names it. */
static char *shown_name(const struct loader *loader, struct str path)
{
    const char *slash = strrchr(loader->file->name, '/');
    struct buf name = BUF_INIT(1 << 16);
    if (slash && path.len && path.ptr[0] != '/')
        buf_add(&name, loader->file->name, (size_t)(slash + 1 - loader->file->name));
    buf_add_str(&name, path);
    return buf_steal(&name);
}

/* What belongs to the base and is to be seen from above. */
static void inherit(struct policy_file *file, struct policy_file *base)
{
    file->base = base;
    file->authority = base->authority;
    base->authority = (struct authority){.n_grants = 0};
    file->grant_at = TAKE(base->grant_at);
    file->flow_key = base->flow_key;
    file->limits = base->limits;
    file->enforced = base->enforced;
    file->approval_time = base->approval_time;
    file->accounts_file = TAKE(base->accounts_file);
    file->accounts_from = base->accounts_from;
    file->accounts_offset = base->accounts_offset;
    file->audit = base->audit;
    base->audit = (struct file_audit){.path = NULL};
    file->tests = TAKE(base->tests);
    file->n_tests = base->n_tests;
    base->n_tests = 0;
}

static void take_base(struct loader *loader, const char *path, char *name, size_t offset)
{
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    struct capful_error why = {0, 0, 0, ""};
    struct policy_file *base = NULL;
    const char *slash = strrchr(path, '/');
    char *directory = mem_dup(path, slash > path ? (size_t)(slash - path) : 1);
    struct policy_source source = {.name = name,
                                   .directory = directory,
                                   .path = path,
                                   .report = loader->source->report,
                                   .context = loader->source->context};
    int failed = directory ? policy_read(path, &text, &why) : CAPFUL_ENOMEM;
    if (failed && failed != CAPFUL_ENOMEM)
        load_problem(loader, offset, "%s", why.text);
    if (!failed) {
        failed = load_file(buf_str(&text), &source, loader->set, loader, &base, &why);
        if (failed && failed != CAPFUL_ENOMEM && loader->problems++ == 0)
            loader->first = why;
    }
    if (failed == CAPFUL_ENOMEM)
        load_nomem(loader);
    if (!failed)
        inherit(loader->file, base);
    mem_free(directory);
    buf_release(&text);
}

void extends_begin(struct loader *loader)
{
    yyjson_val *value = json_get(loader->file->json.root, STR("extends"));
    struct str text = {NULL, 0};
    if (!yyjson_is_str(value))
        return; /* none, or told as the wrong kind when the keys are read */
    text = json_str(value);
    size_t offset = json_offset(&loader->file->json, value);
    if (text.len == 0 || memchr(text.ptr, 0, text.len)) {
        load_problem(loader, offset, "\"extends\" names no file");
        return;
    }
    char *path = policy_join(loader->directory, text), *name = shown_name(loader, text);
    const char *wrong = path ? misplaced(loader, path) : NULL;
    if (!path || !name)
        load_nomem(loader);
    else if (wrong)
        load_problem(loader, offset, "%s", wrong);
    else
        take_base(loader, path, name, offset);
    mem_free(path);
    mem_free(name);
}

/* ------------------------------------------------------------------ mounts, environment, times */

/* ro, overlay, rw: each may do what the one before it may. */
static int reach(enum capful_mount_mode mode)
{
    return mode == CAPFUL_MOUNT_RO ? 0 : mode == CAPFUL_MOUNT_OVERLAY ? 1 : 2;
}

static bool same_directory(const char *a, const char *b)
{
    char one[PATH_MAX], two[PATH_MAX];
    return strcmp(a, b) == 0 || (realpath(a, one) && realpath(b, two) && strcmp(one, two) == 0);
}

static void narrow_mount(struct loader *loader, struct file_mount *mount)
{
    const struct policy_file *base = loader->file->base;
    for (size_t i = 0; i < base->n_mounts; i++) {
        const struct file_mount *from = &base->mounts[i];
        if (strcmp(from->guest_path, mount->guest_path) != 0 ||
            !same_directory(from->host_path, mount->host_path))
            continue;
        if (reach(mount->mode) > reach(from->mode))
            load_problem(loader, mount->offset,
                         "the policy that this one extends allows less at %.200s",
                         mount->guest_path);
        mount->labels |= from->labels;
        return;
    }
    load_problem(loader, mount->offset,
                 "the policy that this one extends does not mount this directory at %.200s",
                 mount->guest_path);
}

void extends_end(struct loader *loader)
{
    struct policy_file *file = loader->file, *base = file->base;
    if (!base)
        return;
    if (!file->has_mounts) {
        file->mounts = TAKE(base->mounts);
        file->n_mounts = base->n_mounts;
        base->n_mounts = 0;
    }
    for (size_t i = 0; file->has_mounts && i < file->n_mounts; i++)
        narrow_mount(loader, &file->mounts[i]);
    for (size_t i = 0; i < base->n_env; i++)
        if (!policy_env_put(&file->env, &file->n_env, str_of(base->env[i].name),
                            str_of(base->env[i].value)))
            load_nomem(loader);
    if (file->approval_time > base->approval_time)
        file->approval_time = base->approval_time;
}

/* ------------------------------------------------------------------ grants */

void load_narrowings(struct loader *loader, yyjson_val *key, yyjson_val *value)
{
    size_t i, n;
    yyjson_val *item;
    loader->file->narrowings = value;
    yyjson_arr_foreach(value, i, n, item)
    {
        struct constraint_reader reader = {load_report, loader};
        bool nomem = false;
        loader->near = grant_place(key, item);
        grant_unref(
            grant_narrow(item, i + 1, 0, NULL, &loader->file->authority.labels, &reader, &nomem));
        if (nomem)
            load_nomem(loader);
    }
}

/* What a file's grants are derived from, and how far up it is. */
struct narrowing {
    struct loader *loader;
    const struct toolset *set;
    struct grant **from;
    size_t n_from;
    unsigned level;
};

static bool covers(yyjson_val *tool, struct str name)
{
    size_t i, n;
    yyjson_val *item;
    if (yyjson_is_str(tool))
        return pattern_covers(json_str(tool), name);
    yyjson_arr_foreach(tool, i, n, item)
    {
        if (pattern_covers(json_str(item), name))
            return true;
    }
    return false;
}

static bool meet(const struct narrowing *n, yyjson_val *tool, const struct grant *parent)
{
    for (size_t i = 0; i < toolset_count(n->set); i++) {
        struct str name = str_of(toolset_at(n->set, i)->name);
        if (covers(tool, name) && grant_covers(parent, name))
            return true;
    }
    return false;
}

/* Names stay one grant's: where several are made of one, each says of what. */
static bool rename_for(struct grant *grant, const struct grant *parent)
{
    struct buf name = BUF_INIT(1 << 16);
    buf_printf(&name, "%s (%s)", grant->name, parent->name);
    char *text = buf_steal(&name);
    if (!text)
        return false;
    mem_free(grant->name);
    grant->name = text;
    return true;
}

static void derive(struct narrowing *n, yyjson_val *item, size_t number, struct grant *parent,
                   bool several)
{
    struct constraint_reader reader = {load_report, n->loader};
    bool nomem = false;
    struct grant *grant = grant_narrow(item, number, n->level, parent,
                                       &n->loader->file->authority.labels, &reader, &nomem);
    if (!grant) {
        if (nomem)
            load_nomem(n->loader);
        return;
    }
    if (several && !rename_for(grant, parent)) {
        grant_unref(grant);
        load_nomem(n->loader);
        return;
    }
    keep_grant(n->loader, grant, n->loader->near);
}

static void narrow_grant(struct narrowing *n, yyjson_val *item, size_t number)
{
    yyjson_val *tool = yyjson_is_obj(item) ? json_get(item, STR("tool")) : item;
    size_t met = 0;
    for (size_t i = 0; i < n->n_from; i++)
        met += meet(n, tool, n->from[i]);
    if (met == 0)
        load_report(n->loader, NULL, "the policy that this one extends grants no tool of these");
    if (met > AUTHORITY_GRANTS_MAX - n->loader->file->authority.n_grants) {
        load_report(n->loader, NULL, "too many grants come of this one");
        return;
    }
    for (size_t i = 0; i < n->n_from && met > 0; i++)
        if (meet(n, tool, n->from[i]))
            derive(n, item, number, n->from[i], met > 1);
}

/* From the undermost file upwards. */
static unsigned resolve(struct loader *loader, const struct policy_file *file,
                        const struct toolset *set)
{
    struct authority *authority = &loader->file->authority;
    if (!file->base)
        return 0;
    struct narrowing n = {.loader = loader, .set = set};
    n.level = resolve(loader, file->base, set) + 1; /* at most EXTENDS_MAX deep */
    if (!file->narrowings)
        return n.level;
    n.from = TAKE(authority->grants);
    n.n_from = authority->n_grants;
    authority->n_grants = 0;
    mem_free(TAKE(loader->file->grant_at));
    size_t i, count;
    yyjson_val *item;
    yyjson_arr_foreach(file->narrowings, i, count, item)
    {
        loader->near = grant_place(NULL, item);
        narrow_grant(&n, item, i + 1);
    }
    loader->near = NULL;
    for (size_t j = 0; j < n.n_from; j++)
        grant_unref(n.from[j]);
    mem_free(n.from);
    check_names(loader);
    return n.level;
}

void extends_grant(struct loader *loader, const struct toolset *set)
{
    resolve(loader, loader->file, set);
}
