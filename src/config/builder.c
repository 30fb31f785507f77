/* Building a policy from a text and from C: the public capful_builder_… functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "config/builder.h"
#include "config/file.h"
#include "config/guard.h"
#include "policy/store.h"
#include "tool/command.h"
#include "vfs/vfs.h"

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

static int take_policy(struct capful_builder *builder, struct str text, const char *name,
                       const char *directory, const char *path, struct capful_error *err)
{
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    if (builder->file)
        return err_set(err, CAPFUL_ESTATE, "there is a policy already: %s", builder->source_name);
    struct policy_source source = {
        .name = name ? name : "policy", .directory = directory, .path = path};
    char *source_name = mem_strdup(source.name);
    if (!source_name)
        return err_nomem(err);
    failed = policy_load(text, &source, builder->tools, &builder->file, err);
    if (failed) {
        mem_free(source_name);
        return failed;
    }
    builder->source_name = source_name;
    if (!builder->limits_given)
        builder->limits = builder->file->limits;
    return 0;
}

int capful_builder_policy(struct capful_builder *builder, const char *text, size_t len,
                          const char *name, const char *directory, struct capful_error *err)
{
    return take_policy(builder, (struct str){text, len}, name, directory, NULL, err);
}

int policy_read(const char *path, struct buf *out, struct capful_error *err)
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
    struct buf text = BUF_INIT(POLICY_TEXT_MAX);
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    char *directory = slash ? mem_dup(path, len ? len : 1) : mem_strdup(".");
    int failed = directory ? policy_read(path, &text, err) : err_nomem(err);
    if (!failed)
        failed = take_policy(builder, buf_str(&text), path, directory, path, err);
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

int builder_add_mount(struct capful_builder *builder, const char *host, const char *guest,
                      enum capful_mount_mode mode, label_set labels, struct capful_error *err)
{
    struct policy_mount mount = {.root_fd = -1, .mode = mode, .labels = labels};
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
    return builder_add_mount(builder, host_directory, guest, mode, 0, err);
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

static int place_error(const struct file_mount *mount, struct capful_error *err)
{
    if (!err)
        return CAPFUL_EPOLICY;
    json_place((struct str){mount->from->text, mount->from->len}, mount->offset, &err->line,
               &err->column);
    err->code = CAPFUL_EPOLICY;
    return err_prefix(err, "%.80s:%d:%d", mount->from->name, err->line, err->column);
}

static int merge_mounts(struct capful_builder *builder, struct capful_error *err)
{
    const struct policy_file *file = builder->file;
    for (size_t i = 0; i < file->n_mounts; i++) {
        const struct file_mount *mount = &file->mounts[i];
        int failed = builder_add_mount(builder, mount->host_path, mount->guest_path, mount->mode,
                                       mount->labels, err);
        if (failed)
            return failed == CAPFUL_ENOMEM ? failed : place_error(mount, err);
    }
    return 0;
}

/* Problems of the file's own mounts are told with their place. */
static int guard_mounts(const struct capful_builder *builder, struct capful_error *err)
{
    for (size_t i = 0; i < builder->n_mounts; i++) {
        const struct policy_mount *mount = &builder->mounts[i];
        int failed = guard_mount(builder, mount, err);
        for (size_t j = 0; failed && builder->file && j < builder->file->n_mounts; j++)
            if (strcmp(builder->file->mounts[j].guest_path, mount->guest_path) == 0)
                return place_error(&builder->file->mounts[j], err);
        if (failed)
            return failed;
    }
    return 0;
}

static int apply_file(struct capful_builder *builder, struct capful_error *err)
{
    struct policy_source source = {.name = builder->source_name};
    int failed = policy_grant(builder->file, &source, builder->tools, err);
    if (!failed && builder->file->enforced) /* where only is watched, everything is there */
        failed = toolset_hide_ungranted(builder->tools, err);
    if (!failed)
        failed = merge_env(builder, err);
    return failed ? failed : merge_mounts(builder, err);
}

#define ACCOUNT_ENTRIES 10000000 /* counters of all accounts of a policy */

static int open_accounts(const struct capful_builder *builder, struct capful_policy *policy,
                         struct capful_error *err)
{
    if (builder->file && builder->file->accounts_file)
        return store_sqlite_open(builder->file->accounts_file, &policy->accounts, err);
    return store_memory_new(ACCOUNT_ENTRIES, &policy->accounts) == 0 ? 0 : err_nomem(err);
}

/* Of the text, and behind it those that it extends. */
static void hash_text(const struct capful_builder *builder, uint8_t digest[SHA256_SIZE])
{
    struct sha256 hash;
    sha256_init(&hash);
    for (const struct policy_file *file = builder->file; file; file = file->base)
        sha256_add(&hash, file->text, file->len);
    sha256_end(&hash, digest);
}

int capful_builder_build(struct capful_builder *builder, struct capful_policy **ret,
                         struct capful_error *err)
{
    int failed = check_open(builder, err);
    if (failed)
        return failed;
    struct capful_policy *policy = mem_zalloc(sizeof *policy);
    if (!policy || pthread_mutex_init(&policy->grants_lock, NULL) != 0) {
        mem_free(policy);
        return err_nomem(err);
    }
    builder->built = true;
    if (builder->file)
        failed = apply_file(builder, err);
    else
        failed = toolset_grant_all(builder->tools, err);
    if (!failed)
        failed = guard_mounts(builder, err);
    if (!failed)
        failed = open_accounts(builder, policy, err);
    if (!failed && builder->file)
        failed = file_audit_open(&builder->file->audit, &policy->audit, err);
    if (!failed)
        failed = toolset_seal(builder->tools, err);
    if (failed) {
        audit_unref(policy->audit);
        store_free(policy->accounts);
        pthread_mutex_destroy(&policy->grants_lock);
        mem_free(policy);
        return failed;
    }
    hash_text(builder, policy->digest);
    policy->watch = builder->file && !builder->file->enforced;
    atomic_init(&policy->refs, 1);
    list_init(&policy->grants);
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

int builder_open(const char *path, struct capful_builder **ret, struct capful_error *err)
{
    struct capful_builder *builder;
    int failed = capful_builder_new(&builder, err);
    if (failed)
        return failed;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set where nothing failed
    failed = capful_builder_policy_file(builder, path, err);
    struct policy_source source = {.name = path};
    if (!failed)
        failed = policy_grant(builder->file, &source, builder->tools, err);
    if (!failed)
        failed = toolset_seal(builder->tools, err);
    if (failed)
        capful_builder_free(builder);
    else
        *ret = builder;
    return failed;
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
    store_free(policy->accounts);
    audit_unref(policy->audit);
    pthread_mutex_destroy(&policy->grants_lock);
    mounts_free(policy->mounts, policy->n_mounts);
    policy_env_free(policy->env, policy->n_env);
    mem_free(policy);
}
