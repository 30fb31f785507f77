/* Life of a sandbox: its kernel, its tree, its mounts, its state between runs. */
#include "lib/sandbox.h"

#include <unistd.h>

#include "base/mem.h"
#include "engine/engine.h"

struct capful_snapshot {
    struct vfs_snapshot *tree;
};

/* "program" is what `capful exec` was given; the others are in the library. */
static struct image *find_image(void *owner, struct str name)
{
    const struct capful_sandbox *sandbox = owner;
    if (str_equal(name, STR("program")) && sandbox->run)
        return sandbox->run->loaded;
    return engine_image(name, NULL);
}

static int add_pages(struct capful_sandbox *sandbox, struct capful_error *err)
{
    struct tool_host *tools = sandbox->context.tools;
    const struct toolset *set = tool_host_set(tools);
    for (size_t i = 0; set && i < toolset_count(set); i++) {
        const struct tool *tool = toolset_at(set, i);
        if (tool->grant.given &&
            vfs_add_page(sandbox->context.vfs, tool_page_name(tool), tool_page_make, tools) != 0)
            return err_nomem(err);
    }
    return 0;
}

static int mount_all(struct capful_sandbox *sandbox, struct capful_error *err)
{
    const struct capful_policy *policy = sandbox->policy;
    struct vfs *vfs = sandbox->context.vfs;
    for (size_t i = 0; policy && i < policy->n_mounts; i++) {
        const struct policy_mount *m = &policy->mounts[i];
        int result = m->root_fd < 0 ? vfs_mount_served(vfs, m->guest_path, &m->ops, m->context, err)
                                    : vfs_mount_host(vfs, m->guest_path, m->root_fd, m->host_path,
                                                     m->mode, err);
        if (result != 0)
            return result;
    }
    return add_pages(sandbox, err);
}

static int set_up(struct capful_sandbox *sandbox, struct capful_error *err)
{
    static const struct kernel_hooks hooks = {tool_process_inherit, tool_process_exited, NULL};
    struct capful_limits limits;
    if (sandbox->policy)
        limits = sandbox->policy->limits;
    else
        capful_limits_init(&limits);
    int result = kernel_init(&sandbox->kernel, &wasm_engine, &hooks, &limits);
    if (result != 0)
        return err_nomem(err);
    sandbox->context.io = &sandbox->io;
    sandbox->context.find_image = find_image;
    sandbox->context.owner = sandbox;
    sandbox->kernel.context = &sandbox->context;
    result = tool_host_new(sandbox->policy ? sandbox->policy->tools : NULL, &sandbox->kernel,
                           sandbox, &sandbox->context.tools);
    sandbox->kernel.hooks.context = sandbox->context.tools;
    if (result == 0)
        result = vfs_new(&sandbox->kernel, &sandbox->context.vfs);
    return result == 0 ? mount_all(sandbox, err) : err_nomem(err);
}

int capful_sandbox_new(struct capful_policy *policy, struct capful_sandbox **ret,
                       struct capful_error *err)
{
    struct capful_sandbox *sandbox = mem_zalloc(sizeof *sandbox);
    if (!sandbox)
        return err_nomem(err);
    atomic_store(&sandbox->wake_fd, -1);
    sandbox->policy = policy ? capful_policy_ref(policy) : NULL;
    int result = set_up(sandbox, err);
    if (result != 0) {
        capful_sandbox_free(sandbox);
        return result;
    }
    *ret = sandbox;
    return 0;
}

int capful_sandbox_free(struct capful_sandbox *sandbox)
{
    if (!sandbox)
        return 0;
    if (sandbox->run)
        return CAPFUL_EBUSY;
    vfs_free(sandbox->context.vfs);
    tool_host_free(sandbox->context.tools);
    kernel_release(&sandbox->kernel);
    capful_policy_unref(sandbox->policy);
    mem_free(sandbox);
    return 0;
}

static int busy(struct capful_error *err)
{
    return err_set(err, CAPFUL_EBUSY,
                   "the sandbox is running: wait until its run has ended, or cancel it");
}

int capful_sandbox_reset(struct capful_sandbox *sandbox, struct capful_error *err)
{
    if (sandbox->run)
        return busy(err);
    int result = vfs_reset(sandbox->context.vfs);
    if (result != 0)
        return err_nomem(err);
    tool_host_reset(sandbox->context.tools);
    return 0;
}

void capful_sandbox_cancel(struct capful_sandbox *sandbox, int signal_number)
{
    kernel_cancel(&sandbox->kernel, signal_number);
    engine_kick();
    int fd = atomic_load(&sandbox->wake_fd);
    uint64_t one = 1;
    if (fd >= 0 && write(fd, &one, sizeof one) < 0)
        return; /* the counter is full: the driver is awake already */
}

int capful_snapshot_take(struct capful_sandbox *sandbox, struct capful_snapshot **ret,
                         struct capful_error *err)
{
    struct capful_snapshot *snapshot = mem_zalloc(sizeof *snapshot);
    if (!snapshot || vfs_snapshot_take(sandbox->context.vfs, &snapshot->tree) != 0) {
        mem_free(snapshot);
        return err_nomem(err);
    }
    *ret = snapshot;
    return 0;
}

int capful_snapshot_restore(struct capful_sandbox *sandbox, const struct capful_snapshot *snapshot,
                            struct capful_error *err)
{
    if (sandbox->run)
        return busy(err);
    int result = vfs_snapshot_restore(sandbox->context.vfs, snapshot->tree);
    if (result == CAPFUL_ENOMEM)
        return err_nomem(err);
    if (result != 0)
        return err_set(
            err, result,
            "the snapshot does not fit this sandbox: other overlay mounts, or over its limits");
    return 0;
}

void capful_snapshot_free(struct capful_snapshot *snapshot)
{
    if (!snapshot)
        return;
    vfs_snapshot_free(snapshot->tree);
    mem_free(snapshot);
}
