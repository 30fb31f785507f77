/* Attempts to reach by paths what was not given. */
#include "../unit/vfs_rig.h"

static int look(struct rig *rig, struct file *dir, bool beneath, const char *path)
{
    struct file_stat stat;
    return vfs_stat(rig->vfs, (struct vfs_at){.dir = dir, .beneath = beneath}, str_of(path),
                    VFS_FOLLOW, &stat);
}

static struct file *open_dir(struct rig *rig, const char *path)
{
    struct file *dir = NULL;
    ASSERT_EQ_INT(do_open(rig, path, VFS_DIRECTORY, false, &dir), 0);
    return dir;
}

/* The holder of a directory moves it, and what lies in it, up and down: its own ".." never gets
 * above it. */
TEST(escape_by_moving_the_directory_held)
{
    struct rig rig;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_mkdir(&rig, "jail"), 0);
    EQ(do_mkdir(&rig, "jail/a"), 0);
    EQ(do_mkdir(&rig, "jail/a/b"), 0);
    EQ(put(&rig, "secret", "secret"), 0);
    struct file *jail = open_dir(&rig, "jail"), *inner = open_dir(&rig, "jail/a/b");
    struct vfs_at in_jail = {.dir = jail, .beneath = true};
    EQ(vfs_rename(rig.vfs, in_jail, STR("a/b"), in_jail, STR("b")), 0);
    EQ(look(&rig, inner, true, "../../secret"), ERRNO_NOTCAPABLE);
    EQ(look(&rig, jail, true, "b/../../secret"), ERRNO_NOTCAPABLE);
    EQ(do_rename(&rig, "jail/b", "b"), 0); /* taken out of the jail by someone else */
    EQ(look(&rig, jail, true, "b"), ERRNO_NOENT);
    EQ(look(&rig, inner, true, ".."), ERRNO_NOTCAPABLE);
    EQ(vfs_rename(rig.vfs, in_jail, STR("a"), in_jail, STR("../a")), ERRNO_NOTCAPABLE);
    EQ(vfs_rename(rig.vfs, in_jail, STR("../secret"), in_jail, STR("mine")), ERRNO_NOTCAPABLE);
    EQ(vfs_link(rig.vfs, in_jail, STR("../secret"), 0, in_jail, STR("mine")), ERRNO_NOTCAPABLE);
    file_unref(jail);
    file_unref(inner);
    rig_close(&rig);
}

/* The root of the memory tree, with the upper layers of overlays in it, has no name anywhere. */
TEST(escape_to_the_root_of_the_tree)
{
    struct rig rig;
    const char *host = temp_directory();
    struct vfs_snapshot *snapshot;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    ASSERT_EQ_INT(mount_host(&rig, host, "/data", CAPFUL_MOUNT_OVERLAY), 0);
    EQ(put(&rig, "/data/x", "x"), 0);
    STR_EQ(list(&rig, "/workspace/.."), "workspace tmp dev proc tools data");
    STR_EQ(list(&rig, "/data/.."), "workspace tmp dev proc tools data");
    struct file *old = file_ref(rig.dir);
    ASSERT_EQ_INT(vfs_snapshot_take(rig.vfs, &snapshot), 0);
    ASSERT_EQ_INT(vfs_snapshot_restore(rig.vfs, snapshot), 0);
    /* A directory from before a restore hangs in the air: its ".." is itself. */
    EQ(look(&rig, old, false, "../x"), ERRNO_NOENT);
    EQ(look(&rig, old, false, "../tmp"), ERRNO_NOENT);
    EQ(look(&rig, old, false, "../+"), ERRNO_NOENT);
    EQ(look(&rig, old, false, "../+/data"), ERRNO_NOENT);
    EQ(look(&rig, old, false, "../workspace"), ERRNO_NOENT);
    EQ(look(&rig, old, false, ".."), 0);
    file_unref(old);
    rig_at(&rig, "/workspace");
    vfs_snapshot_free(snapshot);
    rig_close(&rig);
    remove_directory(host);
}

/* What leads out in the end is refused where it is made, in whatever steps. */
TEST(escape_by_links_made_in_steps)
{
    struct rig rig;
    const char *host = temp_directory();
    char path[512], target[512];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    host_mkdir(host, "mount");
    host_put(host, "secret", "secret");
    snprintf(path, sizeof path, "%s/mount", host);
    ASSERT_EQ_INT(mount_host(&rig, path, "/data", CAPFUL_MOUNT_RW), 0);
    rig_at(&rig, "/data");
    EQ(do_mkdir(&rig, "a"), 0);
    EQ(do_mkdir(&rig, "a/b"), 0);
    EQ(do_symlink(&rig, "../..", "a/b/up"), 0); /* leads to the mount's root */
    EQ(do_symlink(&rig, "a/b/up/../secret", "l"), ERRNO_PERM);
    EQ(do_symlink(&rig, "b/up", "a/up2"), 0); /* a link to a link */
    EQ(do_symlink(&rig, "up2/../secret", "a/l"), ERRNO_PERM);
    EQ(do_rename(&rig, "a/b", "b"), ERRNO_PERM); /* would take "up" one too high */
    EQ(do_rename(&rig, "a/b/up", "up"), ERRNO_PERM);
    EQ(do_link(&rig, "a/b/up", "up"), ERRNO_PERM);
    EQ(do_mkdir(&rig, "c"), 0);
    EQ(do_rename(&rig, "a", "c/a"), 0);
    EQ(do_rename(&rig, "c/a/b", "a"), ERRNO_PERM);
    EQ(do_rename(&rig, "c/a/b", "c/b"), 0); /* deep enough still */
    EQ(do_rename(&rig, "c/b", "b"), ERRNO_PERM);
    /* Nothing that is there now leads out on the host, where the kernel follows it. */
    static const char *const links[] = {"c/b/up/secret", "c/a/up2/secret"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(target, sizeof target, "%s/mount/%s", host, links[i]);
        EQ(access(target, F_OK), -1);
    }
    rig_close(&rig);
    remove_directory(host);
}

/* Hard links of the host's files beyond the mount cannot be made, and mounts are left by no "..".
 */
TEST(escape_over_the_roots_of_mounts)
{
    struct rig rig;
    const char *host = temp_directory();
    char path[512];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    host_mkdir(host, "mount");
    host_put(host, "secret", "secret");
    snprintf(path, sizeof path, "%s/mount", host);
    for (int mode = CAPFUL_MOUNT_RO; mode <= CAPFUL_MOUNT_OVERLAY; mode++) {
        char guest[16], text[64];
        snprintf(guest, sizeof guest, "/m%d", mode);
        ASSERT_EQ_INT(mount_host(&rig, path, guest, (enum capful_mount_mode)mode), 0);
        rig_at(&rig, guest);
        STR_EQ(get(&rig, "../secret"), "errno 44");
        STR_EQ(get(&rig, "./../secret"), "errno 44");
        OK(do_link(&rig, "../secret", "x") == ERRNO_NOENT);
        OK(do_rename(&rig, "../secret", "x") != 0);
        snprintf(text, sizeof text, "../m%d/../m%d/../secret", mode, mode);
        STR_EQ(get(&rig, text), "errno 44");
        rig.beneath = true;
        STR_EQ(get(&rig, ".."), "errno 76");
        rig.beneath = false;
    }
    rig_close(&rig);
    remove_directory(host);
}

/* A name is one name: no slash, no NUL, no dots get through by way of listings or links. */
TEST(escape_by_odd_names)
{
    struct rig rig;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(vfs_mkdir(rig.vfs, at(&rig), (struct str){"a\0/../../x", 10}), ERRNO_INVAL);
    EQ(vfs_symlink(rig.vfs, (struct str){"x\0y", 3}, at(&rig), STR("l")), ERRNO_INVAL);
    EQ(put(&rig, "..\\..\\x", "one name"), 0);
    EQ(put(&rig, "...", "three dots"), 0);
    EQ(put(&rig, "%2e%2e", "not decoded"), 0);
    STR_EQ(list(&rig, "."), "..\\..\\x ... %2e%2e");
    STR_EQ(list(&rig, "/"), "workspace tmp dev proc tools");
    rig_close(&rig);
}
