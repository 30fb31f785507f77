/* Life of a sandbox: its kernel, its tree, its mounts, its state between runs. */
#include "lib/sandbox.h"

#include <unistd.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "policy/store.h"

struct capful_snapshot {
    struct vfs_snapshot *tree;
    /* What had been touched by those who wrote it goes with it. */
    label_set touched;
    struct capful_policy *policy; /* whose labels they are; NULL: none */
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
        if (tool_granted(tool) &&
            vfs_add_page(sandbox->context.vfs, tool_page_name(tool), tool_page_make, tools) != 0)
            return err_nomem(err);
    }
    return 0;
}

/* ---- mounts with labels, or whose first write is recorded */

static void mount_reached(void *context, uint32_t id)
{
    const struct capful_sandbox *sandbox = context;
    if (sandbox->run) /* else it is the host that looks */
        tool_reach(sandbox->context.tools, sandbox->policy->mounts[id].labels);
}

static bool mount_may_write(void *context, uint32_t id)
{
    struct capful_sandbox *sandbox = context;
    if (!sandbox->run)
        return true;
    if (!tool_may_write(sandbox->context.tools, sandbox->policy->mounts[id].labels))
        return false;
    sandbox->mounts_written[id / 64] |= UINT64_C(1) << (id % 64);
    return true;
}

static int watch_mounts(struct capful_sandbox *sandbox)
{
    static const struct vfs_watch watch = {mount_reached, mount_may_write};
    const struct capful_policy *policy = sandbox->policy;
    sandbox->mounts_written = mem_array(policy->n_mounts / 64 + 1, sizeof(uint64_t));
    if (!sandbox->mounts_written)
        return CAPFUL_ENOMEM;
    vfs_set_watch(sandbox->context.vfs, &watch, sandbox);
    for (size_t i = 0; i < policy->n_mounts; i++)
        if (policy->mounts[i].labels || policy->audit)
            vfs_watch_mount(sandbox->context.vfs, policy->mounts[i].guest_path, (uint32_t)i);
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
    if (policy && policy->n_mounts > 0 && watch_mounts(sandbox) != 0)
        return err_nomem(err);
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
    mem_free(sandbox->mounts_written);
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
    return 0;
}

int capful_sandbox_forget(struct capful_sandbox *sandbox, const char *account, uint32_t what,
                          struct capful_error *err)
{
    struct tool_host *tools = sandbox->context.tools;
    bool use = what == 0 || (what & CAPFUL_FORGET_USE);
    bool touched = what == 0 || (what & CAPFUL_FORGET_TOUCHED);
    struct store *store = tool_sandbox_store(tools);
    struct str name = STR("sandbox");
    if (sandbox->run)
        return busy(err);
    if (account) {
        name = str_of(account);
        store = sandbox->policy ? sandbox->policy->accounts : NULL;
        if (name.len == 0 || name.len > STORE_NAME_MAX)
            return err_set(err, CAPFUL_EINVAL, "the name of an account has 1 to %d bytes",
                           STORE_NAME_MAX);
    }
    if (tool_forget(tools, store, name, use, touched))
        return 0;
    return err_set(err, CAPFUL_EFILE, "the account cannot be cleared: %s", store_problem(store));
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
    snapshot->touched = tool_touched(sandbox->context.tools);
    snapshot->policy = sandbox->policy ? capful_policy_ref(sandbox->policy) : NULL;
    *ret = snapshot;
    return 0;
}

/* Labels of one policy as another knows them: by name. What it does not know it has no rule for. */
static label_set translate(const struct capful_policy *from, label_set labels,
                           const struct capful_policy *to)
{
    label_set set = 0;
    if (!from || !to || from == to)
        return to ? labels : 0;
    const struct labels *theirs = &toolset_authority(from->tools)->labels;
    for (size_t i = 0; i < theirs->n; i++)
        if (labels >> i & 1)
            set |= label_find(&toolset_authority(to->tools)->labels, str_of(theirs->names[i]));
    return set;
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
    tool_touch(sandbox->context.tools,
               translate(snapshot->policy, snapshot->touched, sandbox->policy));
    return 0;
}

void capful_snapshot_free(struct capful_snapshot *snapshot)
{
    if (!snapshot)
        return;
    vfs_snapshot_free(snapshot->tree);
    capful_policy_unref(snapshot->policy);
    mem_free(snapshot);
}
