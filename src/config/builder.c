/* Building a policy from a text and from C: the public capful_builder_… functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "config/file.h"
#include "tool/command.h"
#include "vfs/vfs.h"

#define FILE_MAX (64u << 20)

struct capful_builder {
    struct toolset *tools;
    struct policy_file *file; /* of the policy text; NULL: none */
    char *source_name;
    struct policy_mount *mounts;
    size_t n_mounts;
    struct policy_env *env;
    size_t n_env;
    struct capful_limits limits;
    bool limits_given;
    bool built;
};

int capful_builder_new(struct capful_builder **ret, struct capful_error *err)
{
    struct capful_builder *builder = mem_zalloc(sizeof *builder);
    if (!builder)
        return err_nomem(err);
    capful_limits_init(&builder->limits);
    int failed = toolset_new(&builder->tools, err);
    if (failed) {
        mem_free(builder);
        return failed;
    }
    *ret = builder;
    return 0;
}

static void mount_release(struct policy_mount *mount)
{
    if (mount->root_fd >= 0)
        close(mount->root_fd);
    else if (mount->ops.release)
        mount->ops.release(mount->context);
    mem_free(mount->guest_path);
    mem_free(mount->host_path);
}

static void mounts_free(struct policy_mount *mounts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mount_release(&mounts[i]);
    mem_free(mounts);
}

void capful_builder_free(struct capful_builder *builder)
{
    if (!builder)
        return;
    toolset_unref(builder->tools);
    policy_file_free(builder->file);
    mounts_free(builder->mounts, builder->n_mounts);
    policy_env_free(builder->env, builder->n_env);
    mem_free(builder->source_name);
    mem_free(builder);
}

static int check_open(const struct capful_builder *builder, struct capful_error *err)
{
    return builder->built ? err_set(err, CAPFUL_ESTATE, "the policy was built already") : 0;
}

int capful_builder_tool(struct capful_builder *builder, const struct capful_tool *tool,
                        struct capful_error *err)
{
    int failed = check_open(builder, err);
    return failed ? failed : toolset_add(builder->tools, tool, err);
}

/* ------------------------------------------------------------------ text */

int capful_builder_policy(struct capful_builder *builder, const char *text, size_t len,
                          const char *name, const char *directory, struct capful_error *err)
{
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    if (builder->file)
        return err_set(err, CAPFUL_ESTATE, "there is a policy already: %s", builder->source_name);
    struct policy_source source = {.name = name ? name : "policy", .directory = directory};
    char *source_name = mem_strdup(source.name);
    if (!source_name)
        return err_nomem(err);
    failed = policy_load((struct str){text, len}, &source, builder->tools, &builder->file, err);
    if (failed) {
        mem_free(source_name);
        return failed;
    }
    builder->source_name = source_name;
    if (!builder->limits_given)
        builder->limits = builder->file->limits;
    return 0;
}

static int read_file(const char *path, struct buf *out, struct capful_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t n = -1;
    if (fd >= 0) {
        do {
            if (!buf_reserve(out, 65536))
                break;
            n = read(fd, out->data + out->len, 65536);
            out->len += n > 0 ? (size_t)n : 0;
        } while (n > 0 || (n < 0 && errno == EINTR));
    }
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (buf_failed(out))
        return err_set(err, CAPFUL_EPOLICY, "%.300s: larger than 64 MiB, or no memory to read it",
                       path);
    if (n == 0)
        return 0;
    return err_set(err, CAPFUL_EFILE, "%.300s: cannot be read: %s", path,
                   error == ENOENT   ? "there is no such file"
                   : error == EACCES ? "permission denied"
                   : error == EISDIR ? "it is a directory"
                                     : "the system refuses");
}

int capful_builder_policy_file(struct capful_builder *builder, const char *path,
                               struct capful_error *err)
{
    struct buf text = BUF_INIT(FILE_MAX);
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    char *directory = slash ? mem_dup(path, len ? len : 1) : mem_strdup(".");
    int failed = directory ? read_file(path, &text, err) : err_nomem(err);
    if (!failed)
        failed = capful_builder_policy(builder, text.data ? text.data : "", text.len, path,
                                       directory, err);
    mem_free(directory);
    buf_release(&text);
    return failed;
}

/* ------------------------------------------------------------------ mounts, environment, limits */

static int guest_path(const char *path, char **ret, struct capful_error *err)
{
    const char *wrong = policy_guest_path(str_of(path), ret);
    if (wrong == command_nomem)
        return err_nomem(err);
    return wrong ? err_set(err, CAPFUL_EINVAL, "%.300s: %s", path, wrong) : 0;
}

/* Takes what *mount owns on success only. */
static int keep_mount(struct capful_builder *builder, const struct policy_mount *mount,
                      struct capful_error *err)
{
    for (size_t i = 0; i < builder->n_mounts; i++)
        if (strcmp(builder->mounts[i].guest_path, mount->guest_path) == 0)
            return err_set(err, CAPFUL_EINVAL, "%.300s is mounted twice", mount->guest_path);
    struct policy_mount *more =
        mem_resize_array(builder->mounts, builder->n_mounts + 1, sizeof *more);
    if (!more)
        return err_nomem(err);
    builder->mounts = more;
    more[builder->n_mounts++] = *mount;
    return 0;
}

static int add_host_mount(struct capful_builder *builder, const char *host, const char *guest,
                          enum capful_mount_mode mode, struct capful_error *err)
{
    struct policy_mount mount = {.root_fd = -1, .mode = mode};
    int failed = guest_path(guest, &mount.guest_path, err);
    if (failed)
        return failed;
    mount.host_path = mem_strdup(host);
    if (!mount.host_path)
        failed = err_nomem(err);
    if (!failed) {
        mount.root_fd = vfs_open_host_root(host, err);
        failed = mount.root_fd < 0 ? (err ? err->code : CAPFUL_EFILE) : 0;
    }
    if (!failed)
        failed = keep_mount(builder, &mount, err);
    if (failed)
        mount_release(&mount);
    return failed;
}

int capful_builder_mount(struct capful_builder *builder, const char *host_directory,
                         const char *guest, enum capful_mount_mode mode, struct capful_error *err)
{
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    if (!host_directory || !guest)
        return err_set(err, CAPFUL_EINVAL,
                       "a mount needs a host directory and a path of the sandbox");
    if (mode != CAPFUL_MOUNT_RO && mode != CAPFUL_MOUNT_RW && mode != CAPFUL_MOUNT_OVERLAY)
        return err_set(err, CAPFUL_EINVAL, "%.300s: unknown mode of a mount", guest);
    return add_host_mount(builder, host_directory, guest, mode, err);
}

int capful_builder_serve(struct capful_builder *builder, const char *guest,
                         const struct capful_mount_ops *ops, void *context,
                         struct capful_error *err)
{
    struct policy_mount mount = {.root_fd = -1,
                                 .mode = ops && ops->write ? CAPFUL_MOUNT_RW : CAPFUL_MOUNT_RO};
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    if (!guest || !ops || !ops->list || !ops->stat || !ops->read)
        return err_set(err, CAPFUL_EINVAL,
                       "a served mount needs a path and at least list, stat and read");
    failed = guest_path(guest, &mount.guest_path, err);
    if (failed)
        return failed;
    mount.ops = *ops;
    mount.context = context;
    failed = keep_mount(builder, &mount, err);
    if (failed)
        mem_free(mount.guest_path);
    return failed;
}

void capful_builder_get_limits(const struct capful_builder *builder, struct capful_limits *ret)
{
    *ret = builder->limits;
}

void capful_builder_set_limits(struct capful_builder *builder, const struct capful_limits *limits)
{
    builder->limits = *limits;
    builder->limits_given = true;
}

int capful_builder_env(struct capful_builder *builder, const char *name, const char *value,
                       struct capful_error *err)
{
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    if (!name || !value)
        return err_set(err, CAPFUL_EINVAL, "a variable needs a name and a value");
    const char *wrong = policy_env_problem(str_of(name), str_of(value));
    if (wrong)
        return err_set(err, CAPFUL_EINVAL, "%s", wrong);
    return policy_env_put(&builder->env, &builder->n_env, str_of(name), str_of(value))
               ? 0
               : err_nomem(err);
}

/* ------------------------------------------------------------------ building */

/* The file's variables stand behind what C said: those that are there already stay. */
static int merge_env(struct capful_builder *builder, struct capful_error *err)
{
    const struct policy_file *file = builder->file;
    for (size_t i = 0; i < file->n_env; i++) {
        bool there = false;
        for (size_t j = 0; j < builder->n_env && !there; j++)
            there = strcmp(builder->env[j].name, file->env[i].name) == 0;
        if (!there && !policy_env_put(&builder->env, &builder->n_env, str_of(file->env[i].name),
                                      str_of(file->env[i].value)))
            return err_nomem(err);
    }
    return 0;
}

static int place_error(const struct capful_builder *builder, size_t offset,
                       struct capful_error *err)
{
    if (!err)
        return CAPFUL_EPOLICY;
    json_place((struct str){builder->file->text, builder->file->len}, offset, &err->line,
               &err->column);
    err->code = CAPFUL_EPOLICY;
    return err_prefix(err, "%.80s:%d:%d", builder->source_name, err->line, err->column);
}

static int merge_mounts(struct capful_builder *builder, struct capful_error *err)
{
    const struct policy_file *file = builder->file;
    for (size_t i = 0; i < file->n_mounts; i++) {
        const struct file_mount *mount = &file->mounts[i];
        int failed = add_host_mount(builder, mount->host_path, mount->guest_path, mount->mode, err);
        if (failed)
            return failed == CAPFUL_ENOMEM ? failed : place_error(builder, mount->offset, err);
    }
    return 0;
}

static int apply_file(struct capful_builder *builder, struct capful_error *err)
{
    struct policy_source source = {.name = builder->source_name};
    int failed = policy_grant(builder->file, &source, builder->tools, err);
    if (!failed)
        failed = toolset_hide_ungranted(builder->tools, err);
    if (!failed)
        failed = merge_env(builder, err);
    return failed ? failed : merge_mounts(builder, err);
}

int capful_builder_build(struct capful_builder *builder, struct capful_policy **ret,
                         struct capful_error *err)
{
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    struct capful_policy *policy = mem_zalloc(sizeof *policy);
    if (!policy)
        return err_nomem(err);
    builder->built = true;
    if (builder->file)
        failed = apply_file(builder, err);
    else
        toolset_grant_all(builder->tools);
    if (!failed)
        failed = toolset_seal(builder->tools, err);
    if (failed) {
        mem_free(policy);
        return failed;
    }
    atomic_init(&policy->refs, 1);
    policy->tools = TAKE(builder->tools);
    policy->mounts = TAKE(builder->mounts);
    policy->n_mounts = builder->n_mounts;
    policy->env = TAKE(builder->env);
    policy->n_env = builder->n_env;
    policy->limits = builder->limits;
    builder->n_mounts = builder->n_env = 0;
    *ret = policy;
    return 0;
}

struct capful_policy *capful_policy_ref(struct capful_policy *policy)
{
    atomic_fetch_add_explicit(&policy->refs, 1, memory_order_relaxed);
    return policy;
}

void capful_policy_unref(struct capful_policy *policy)
{
    if (!policy || atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) != 1)
        return;
    toolset_unref(policy->tools);
    mounts_free(policy->mounts, policy->n_mounts);
    policy_env_free(policy->env, policy->n_env);
    mem_free(policy);
}

/* ------------------------------------------------------------------ checking */

static void report(const struct policy_source *source, const struct policy_file *file,
                   size_t offset, const char *text)
{
    struct policy_problem problem = {0, 0, text};
    json_place((struct str){file->text, file->len}, offset, &problem.line, &problem.column);
    if (source->report)
        source->report(source->context, &problem);
}

int policy_check(struct str text, const struct policy_source *source, struct capful_error *err)
{
    struct capful_builder *builder;
    struct capful_error why;
    int failed = capful_builder_new(&builder, err);
    if (failed)
        return failed;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set where nothing failed
    builder->source_name = mem_strdup(source->name ? source->name : "policy");
    failed = builder->source_name ? policy_load(text, source, builder->tools, &builder->file, err)
                                  : err_nomem(err);
    if (!failed) {
        failed = policy_grant(builder->file, source, builder->tools, err);
        for (size_t i = 0; i < builder->file->n_mounts; i++) {
            const struct file_mount *mount = &builder->file->mounts[i];
            int bad =
                add_host_mount(builder, mount->host_path, mount->guest_path, mount->mode, &why);
            if (!bad)
                continue;
            report(source, builder->file, mount->offset, why.text);
            bad = bad == CAPFUL_ENOMEM ? bad : place_error(builder, mount->offset, &why);
            if (!failed && err)
                *err = why;
            failed = failed ? failed : bad;
        }
    }
    capful_builder_free(builder);
    return failed;
}
