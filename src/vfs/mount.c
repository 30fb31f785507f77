/* The name space as a whole: vfs_new, mounts, snapshots.
 *
 *     skeleton  /          workspace   tmp   dev   proc   tools   data …
 *                              |        |                          |
 *     memory tree  (root) ─ workspace  tmp  +/data ─ upper layer of an overlay
 *
 * One memory tree holds /workspace, /tmp and the upper layer of every overlay, each a directory of
 * the tree's root, so that one reference is a snapshot of all. Restoring puts another tree in its
 * place and attaches every mount anew; open files keep the old one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/errno_text.h"
#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/hostdir.h"
#include "vfs/node.h"

struct vfs_snapshot {
    struct tree_state state;
};

/* ---- attaching */

static void detach(struct mount *mount)
{
    if (!mount->root)
        return;
    mount->covered->mounted = NULL;
    mount->root->root_of = NULL;
    vnode_unref(mount->root);
    vnode_unref(mount->covered);
    mount->root = mount->covered = NULL;
}

/* The directory that the mount covers, made if it is missing. A reference. */
static int covered_directory(struct vfs *vfs, const char *path, struct vnode **ret)
{
    struct vnode *at = mount_enter(vnode_ref(vfs->root));
    int e = 0;
    while (e == 0) {
        while (*path == '/')
            path++;
        struct str name = {path, strcspn(path, "/")};
        if (name.len == 0)
            break;
        path += name.len;
        struct vnode *next = NULL;
        const struct fs_ops *ops = at->fs->ops;
        e = ops->lookup(at, name, &next);
        if (e == ERRNO_NOENT && is_pseudo(at)) {
            e = pseudo_make_directory(at, name, &next);
            if (e == 0)
                vnode_ref(next);
        } else if (e == ERRNO_NOENT) {
            e = at->fs->read_only || !ops->mkdir ? ERRNO_ROFS : ops->mkdir(at, name);
            if (e == 0)
                e = ops->lookup(at, name, &next);
        }
        if (e != 0)
            break;
        vnode_unref(at);
        at = mount_enter(next);
        if (at->type != FILE_DIRECTORY)
            e = ERRNO_NOTDIR;
    }
    if (e == 0)
        *ret = at;
    else
        vnode_unref(at);
    return e;
}

/* The directory of the tree's root that holds a mount's contents. */
static int tree_directory(struct tree *tree, const char *name, uint64_t *ret)
{
    struct tree_entry entry;
    struct tree_make make = {.type = FILE_DIRECTORY, .mode = 0755};
    int e = tree_find(tree, TREE_ROOT, str_of(name), &entry);
    if (e == 0)
        *ret = entry.ino;
    return e == ERRNO_NOENT ? tree_make(tree, TREE_ROOT, str_of(name), &make, ret) : e;
}

static int mount_root(struct mount *mount, struct tree *tree, struct vnode **ret)
{
    uint64_t ino = 0;
    int e = mount->tree_name ? tree_directory(tree, mount->tree_name, &ino) : 0;
    if (e != 0)
        return e;
    switch (mount->kind) {
    case MOUNT_MEMORY: return memfs_vnode(mount->fs, ino, ret);
    case MOUNT_HOST: return hostfs_root(mount->fs, ret);
    case MOUNT_OVERLAY: return overlay_root(mount->fs, tree, ino, ret);
    case MOUNT_SERVED: return served_root(mount->fs, ret);
    }
    return ERRNO_INVAL;
}

static int attach(struct vfs *vfs, struct mount *mount)
{
    struct vnode *covered, *root;
    int e = covered_directory(vfs, mount->guest_path, &covered);
    if (e != 0)
        return e;
    e = mount_root(mount, vfs->tree, &root);
    if (e != 0) {
        vnode_unref(covered);
        return e;
    }
    mount->covered = covered;
    mount->root = root;
    covered->mounted = mount;
    root->root_of = mount;
    return 0;
}

static void free_mount(struct mount *mount)
{
    if (!mount)
        return;
    detach(mount);
    fs_unref(mount->fs);
    mount->fs = NULL;
    if (mount->fixed)
        return;
    mem_free((char *)mount->guest_path);
    mem_free((char *)mount->tree_name);
    mem_free(mount);
}

/* Takes `fs`. */
static int new_mount(struct fs *fs, enum mount_kind kind, const char *guest_path,
                     const char *tree_name, struct mount **ret)
{
    struct mount *mount = mem_zalloc(sizeof *mount);
    if (!mount) {
        fs_unref(fs);
        return ERRNO_NOMEM;
    }
    mount->fs = fs;
    mount->kind = kind;
    mount->guest_path = mem_strdup(guest_path);
    mount->tree_name = tree_name ? mem_strdup(tree_name) : NULL;
    if (!mount->guest_path || (tree_name && !mount->tree_name)) {
        free_mount(mount);
        return ERRNO_NOMEM;
    }
    *ret = mount;
    return 0;
}

static int add_mount(struct vfs *vfs, struct mount *mount)
{
    int e = attach(vfs, mount);
    if (e != 0) {
        free_mount(mount);
        return e;
    }
    struct mount **last = &vfs->mounts;
    while (*last)
        last = &(*last)->next;
    *last = mount;
    return 0;
}

/* ---- life */

static int add_memory(struct vfs *vfs, struct fs *fs, struct mount *mount, const char *guest_path)
{
    *mount = (struct mount){
        .kind = MOUNT_MEMORY, .guest_path = guest_path, .tree_name = guest_path + 1, .fixed = true};
    mount->fs = fs_ref(fs);
    return add_mount(vfs, mount);
}

int vfs_new(struct kernel *kernel, struct vfs **ret)
{
    struct fs *memory = NULL;
    struct vfs *vfs = mem_zalloc(sizeof *vfs);
    if (!vfs)
        return CAPFUL_ENOMEM;
    vfs->kernel = kernel;
    vfs->buckets = vfs->fixed_buckets;
    vfs->bucket_count = VCACHE_FIXED;
    vfs->next_dev = 1;
    int e = pseudo_new(vfs, &vfs->root);
    if (e == 0)
        e = tree_new(kernel, &vfs->tree);
    if (e == 0)
        e = memfs_new(vfs, vfs->tree, &memory);
    if (e == 0)
        e = add_memory(vfs, memory, &vfs->memory_mounts[0], "/workspace");
    if (e == 0)
        e = add_memory(vfs, memory, &vfs->memory_mounts[1], "/tmp");
    fs_unref(memory);
    if (e != 0) {
        vfs_free(vfs);
        return e == ERRNO_NOMEM ? CAPFUL_ENOMEM : CAPFUL_ELIMIT;
    }
    *ret = vfs;
    return 0;
}

static struct mount *last_mount(struct vfs *vfs)
{
    struct mount *mount = vfs->mounts;
    while (mount && mount->next)
        mount = mount->next;
    return mount;
}

void vfs_free(struct vfs *vfs)
{
    if (!vfs)
        return;
    for (struct mount *last; (last = last_mount(vfs));) { /* what lies on top goes first */
        struct mount **at = &vfs->mounts;
        while (*at != last)
            at = &(*at)->next;
        *at = NULL;
        free_mount(last);
    }
    pseudo_release(vfs);
    tree_unref(vfs->tree);
    if (vfs->buckets != vfs->fixed_buckets)
        mem_free(vfs->buckets);
    mem_free(vfs);
}

/* ---- mounts by the host */

int vfs_open_host_root(const char *path, struct capful_error *err)
{
    struct stat stat;
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, CAPFUL_EFILE, "mount %s: %s", path, strerror(errno)), -1;
    if (fstat(fd, &stat) != 0 || !S_ISDIR(stat.st_mode)) {
        close(fd);
        return err_set(err, CAPFUL_EFILE, "mount %s: not a directory", path), -1;
    }
    return fd;
}

static bool is_good_path(const char *path)
{
    if (path[0] != '/' || strlen(path) > 4095)
        return false;
    while (*path) {
        size_t len = strcspn(++path, "/");
        bool dots = (len == 1 && path[0] == '.') || (len == 2 && path[0] == '.' && path[1] == '.');
        if (len > NAME_LENGTH_MAX || dots)
            return false;
        path += len;
    }
    return true;
}

static int check_path(const char *guest_path, struct capful_error *err)
{
    if (!is_good_path(guest_path))
        return err_set(err, CAPFUL_EINVAL,
                       "mount at %s: a guest path is absolute and has no \".\" and \"..\"",
                       guest_path);
    if (guest_path[strspn(guest_path, "/")] == 0)
        return err_set(err, CAPFUL_EINVAL,
                       "mount at /: the root itself cannot be replaced; choose a directory");
    return 0;
}

static int mount_failed(const char *guest_path, int e, struct capful_error *err)
{
    if (e == ERRNO_NOMEM)
        return err_nomem(err);
    return err_set(err, CAPFUL_EFILE, "mount at %s: %s", guest_path, errno_text(e));
}

int vfs_mount_host(struct vfs *vfs, const char *guest_path, int root_fd, const char *host_path,
                   enum capful_mount_mode mode, struct capful_error *err)
{
    struct hostdir *dir = NULL;
    struct fs *fs = NULL;
    struct mount *mount;
    char *tree_name = NULL;
    (void)host_path;
    int result = check_path(guest_path, err);
    if (result != 0)
        return result;
    int e = hostdir_new(root_fd, vfs->kernel, &dir);
    if (e == 0) {
        e = mode == CAPFUL_MOUNT_OVERLAY ? overlay_new(vfs, dir, &fs)
                                         : hostfs_new(vfs, dir, mode == CAPFUL_MOUNT_RO, &fs);
        if (e != 0)
            hostdir_free(dir);
    }
    if (e == 0 && mode == CAPFUL_MOUNT_OVERLAY) {
        size_t size = strlen(guest_path) + 2;
        tree_name =
            mem_alloc(size); /* the tree's root is ours alone: slashes do no harm in a name */
        if (tree_name)
            (void)snprintf(tree_name, size, "+%s", guest_path);
        else
            e = ERRNO_NOMEM;
    }
    if (e != 0) {
        fs_unref(fs);
    } else {
        e = new_mount(fs, mode == CAPFUL_MOUNT_OVERLAY ? MOUNT_OVERLAY : MOUNT_HOST, guest_path,
                      tree_name, &mount);
        if (e == 0)
            e = add_mount(vfs, mount);
    }
    mem_free(tree_name);
    return e == 0 ? 0 : mount_failed(guest_path, e, err);
}

int vfs_mount_served(struct vfs *vfs, const char *guest_path, const struct capful_mount_ops *ops,
                     void *context, struct capful_error *err)
{
    struct fs *fs;
    struct mount *mount;
    int result = check_path(guest_path, err);
    if (result != 0)
        return result;
    if (!ops->list || !ops->stat || !ops->read)
        return err_set(err, CAPFUL_EINVAL, "mount at %s: list, stat and read are needed",
                       guest_path);
    int e = served_new(vfs, ops, context, &fs);
    if (e == 0)
        e = new_mount(fs, MOUNT_SERVED, guest_path, NULL, &mount);
    if (e == 0)
        e = add_mount(vfs, mount);
    return e == 0 ? 0 : mount_failed(guest_path, e, err);
}

/* ---- watched */

void vfs_set_watch(struct vfs *vfs, const struct vfs_watch *watch, void *context)
{
    vfs->watch = watch;
    vfs->watch_context = context;
}

void vfs_watch_mount(struct vfs *vfs, const char *guest_path, uint32_t id)
{
    for (struct mount *mount = vfs->mounts; mount; mount = mount->next)
        if (strcmp(mount->guest_path, guest_path) == 0) {
            mount->fs->watched = true;
            mount->fs->watch_id = id;
        }
}

/* ---- snapshots */

int vfs_snapshot_take(struct vfs *vfs, struct vfs_snapshot **ret)
{
    struct vfs_snapshot *snapshot = mem_alloc(sizeof *snapshot);
    if (!snapshot || tree_save(vfs->tree, &snapshot->state) != 0) {
        mem_free(snapshot);
        return CAPFUL_ENOMEM;
    }
    *ret = snapshot;
    return 0;
}

void vfs_snapshot_free(struct vfs_snapshot *snapshot)
{
    if (!snapshot)
        return;
    tree_state_release(&snapshot->state);
    mem_free(snapshot);
}

static void detach_all(struct vfs *vfs)
{
    for (struct mount *mount = vfs->mounts; mount; mount = mount->next)
        detach(mount);
}

static int attach_all(struct vfs *vfs)
{
    int e = 0;
    for (struct mount *mount = vfs->mounts; e == 0 && mount; mount = mount->next)
        e = attach(vfs, mount);
    return e;
}

static void set_layers(struct vfs *vfs, struct tree *tree, struct fs *memory)
{
    vfs->tree = tree;
    for (struct mount *mount = vfs->mounts; mount; mount = mount->next) {
        if (mount->kind == MOUNT_MEMORY) {
            fs_unref(mount->fs);
            mount->fs = fs_ref(memory);
        }
    }
}

/* Takes `tree`. On failure the old one is back. */
static int put_tree(struct vfs *vfs, struct tree *tree)
{
    struct fs *memory, *old_memory = NULL;
    struct tree *old = vfs->tree;
    int e = memfs_new(vfs, tree, &memory);
    if (e != 0) {
        tree_unref(tree);
        return e;
    }
    for (struct mount *mount = vfs->mounts; mount && !old_memory; mount = mount->next) {
        if (mount->kind == MOUNT_MEMORY)
            old_memory = fs_ref(mount->fs);
    }
    detach_all(vfs);
    set_layers(vfs, tree, memory);
    e = attach_all(vfs);
    if (e != 0) {
        detach_all(vfs);
        set_layers(vfs, old, old_memory);
        tree_unref(tree);
        /* What was attached before is attached again by the same steps; only memory can be short
         * for it. */
        if (attach_all(vfs) != 0)
            detach_all(vfs);
    } else {
        tree_unref(old);
    }
    fs_unref(memory);
    fs_unref(old_memory);
    return e;
}

static int code_of(int e)
{
    return e == 0             ? 0
           : e == ERRNO_NOMEM ? CAPFUL_ENOMEM
           : e == ERRNO_NOSPC ? CAPFUL_ELIMIT
                              : CAPFUL_EFILE;
}

int vfs_snapshot_restore(struct vfs *vfs, const struct vfs_snapshot *snapshot)
{
    struct tree *tree;
    int e = tree_from(vfs->kernel, &snapshot->state, &tree);
    return code_of(e == 0 ? put_tree(vfs, tree) : e);
}

int vfs_reset(struct vfs *vfs)
{
    struct tree *tree;
    int e = tree_new(vfs->kernel, &tree);
    return code_of(e == 0 ? put_tree(vfs, tree) : e);
}

int vfs_diff(struct vfs *vfs, int (*each)(void *context, char kind, const char *path),
             void *context)
{
    bool stopped = false;
    int e = 0;
    for (struct mount *mount = vfs->mounts; e == 0 && !stopped && mount; mount = mount->next) {
        if (mount->kind == MOUNT_OVERLAY && mount->root)
            e = overlay_diff(mount->root, mount->guest_path, each, context, &stopped);
    }
    return e;
}
