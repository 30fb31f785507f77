/* Resolution of paths: components, links, limits, mounts, staying beneath a directory. */
#include "vfs_rig.h"

static int lookup(struct rig *rig, const char *path)
{
    struct file_stat stat;
    return do_stat(rig, path, true, &stat);
}

static int look_at(struct rig *rig, const char *path)
{
    struct file_stat stat;
    return do_stat(rig, path, false, &stat);
}

static void begin(struct rig *rig)
{
    ASSERT_EQ_INT(rig_open(rig), 0);
    EQ(do_mkdir(rig, "dir"), 0);
    EQ(do_mkdir(rig, "dir/sub"), 0);
    EQ(put(rig, "dir/file", "text"), 0);
    EQ(do_symlink(rig, "dir", "to-dir"), 0);
    EQ(do_symlink(rig, "dir/file", "to-file"), 0);
    EQ(do_symlink(rig, "nowhere", "dangling"), 0);
}

TEST(path_plain_and_odd_spellings)
{
    static const char *const good[] = {"dir/file",
                                       "./dir/file",
                                       "dir//file",
                                       "dir/./file",
                                       "dir/sub/../file",
                                       "dir/sub/.././../dir//./file",
                                       "/workspace/dir/file",
                                       "//workspace//dir/file",
                                       "../workspace/dir/file",
                                       "../../../workspace/dir/file",
                                       "/../workspace/dir/file",
                                       "to-dir/file",
                                       "to-file",
                                       "to-dir/../dir/file",
                                       "/tmp/../workspace/to-dir/sub/../file"};
    struct rig rig;
    begin(&rig);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        STR_EQ(get(&rig, good[i]), "text");
    rig_close(&rig);
}

TEST(path_errors)
{
    static const struct {
        const char *path;
        int want;
    } cases[] = {{"", ERRNO_NOENT},
                 {"missing", ERRNO_NOENT},
                 {"missing/x", ERRNO_NOENT},
                 {"dir/file/x", ERRNO_NOTDIR},
                 {"dir/file/", ERRNO_NOTDIR},
                 {"dir/file//", ERRNO_NOTDIR},
                 {"dir/file/.", ERRNO_NOTDIR},
                 {"dir/file/..", ERRNO_NOTDIR},
                 {"to-file/", ERRNO_NOTDIR},
                 {"dangling", ERRNO_NOENT},
                 {"dangling/x", ERRNO_NOENT},
                 {"missing/..", ERRNO_NOENT}};
    struct rig rig;
    begin(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EQ(lookup(&rig, cases[i].path), cases[i].want);
    EQ(look_at(&rig, "dangling"), 0);
    EQ(look_at(&rig, "dangling/"), ERRNO_NOENT);
    rig_close(&rig);
}

TEST(path_slash_follows_the_last_link)
{
    struct rig rig;
    struct file_stat stat;
    begin(&rig);
    EQ(do_stat(&rig, "to-dir", false, &stat), 0);
    EQ(stat.type, FILE_SYMLINK);
    EQ(stat.size, UINT64_C(3));
    EQ(do_stat(&rig, "to-dir/", false, &stat), 0);
    EQ(stat.type, FILE_DIRECTORY);
    EQ(do_stat(&rig, "to-dir/.", false, &stat), 0);
    EQ(stat.type, FILE_DIRECTORY);
    STR_EQ(do_readlink(&rig, "to-dir"), "dir");
    STR_EQ(do_readlink(&rig, "to-dir/"), "errno 28");
    rig_close(&rig);
}

TEST(path_dotdot_goes_where_the_link_led)
{
    struct rig rig;
    begin(&rig);
    EQ(do_mkdir(&rig, "deep"), 0);
    EQ(do_mkdir(&rig, "deep/er"), 0);
    EQ(put(&rig, "deep/here", "physical"), 0);
    EQ(put(&rig, "here", "lexical"), 0);
    EQ(do_symlink(&rig, "deep/er", "link"), 0);
    STR_EQ(get(&rig, "link/../here"), "physical");
    rig_close(&rig);
}

TEST(path_length_limits)
{
    struct rig rig;
    char name[300], path[5000];
    begin(&rig);
    memset(name, 'n', sizeof name);
    name[255] = 0;
    EQ(put(&rig, name, "x"), 0);
    STR_EQ(get(&rig, name), "x");
    memset(name, 'n', 256);
    name[256] = 0;
    EQ(put(&rig, name, "x"), ERRNO_NAMETOOLONG);
    EQ(lookup(&rig, name), ERRNO_NAMETOOLONG);
    EQ(do_mkdir(&rig, name), ERRNO_NAMETOOLONG);
    size_t len = 0;
    while (len + 4 + 3 < 4096) {
        memcpy(path + len, "dir/", 4);
        memcpy(path + len + 4, "../", 3);
        len += 7;
    }
    memset(path + len, '/', 4096 - len);
    path[4096] = 0;
    path[4095] = '.';
    EQ(lookup(&rig, path), 0);
    path[4096] = '/';
    path[4097] = 0;
    EQ(lookup(&rig, path), ERRNO_NAMETOOLONG);
    EQ(vfs_stat(rig.vfs, at(&rig), (struct str){"dir\0x", 5}, 0, &(struct file_stat){.dev = 0}),
       ERRNO_INVAL);
    rig_close(&rig);
}

TEST(path_links_are_counted)
{
    struct rig rig;
    char from[16], to[16];
    begin(&rig);
    EQ(put(&rig, "l0", "end"), 0);
    for (int i = 1; i <= 41; i++) {
        snprintf(from, sizeof from, "l%d", i - 1);
        snprintf(to, sizeof to, "l%d", i);
        EQ(do_symlink(&rig, from, to), 0);
    }
    STR_EQ(get(&rig, "l40"), "end");
    EQ(lookup(&rig, "l41"), ERRNO_LOOP);
    EQ(do_symlink(&rig, "self", "self"), 0);
    EQ(lookup(&rig, "self"), ERRNO_LOOP);
    EQ(lookup(&rig, "self/x"), ERRNO_LOOP);
    EQ(look_at(&rig, "self"), 0);
    EQ(do_symlink(&rig, "pong", "ping"), 0);
    EQ(do_symlink(&rig, "ping", "pong"), 0);
    EQ(lookup(&rig, "ping"), ERRNO_LOOP);
    rig_close(&rig);
}

/* Forty links, each of them 4,095 bytes long, and each with the rest of the last behind it. */
TEST(path_long_links_do_not_blow_up)
{
    struct rig rig;
    char target[4096], name[16];
    begin(&rig);
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "s%d", i);
        memset(target, '/', sizeof target - 1);
        for (size_t at = 0; at + 2 < sizeof target - 10; at += 2)
            target[at] = '.';
        snprintf(target + sizeof target - 10, 10, "/s%d////", i + 1);
        for (size_t at = 0; at < sizeof target - 1; at++)
            if (target[at] == 0)
                target[at] = '/';
        target[4095] = 0;
        EQ(do_symlink(&rig, target, name), 0);
    }
    EQ(lookup(&rig, "s0/x/y/z"), ERRNO_NOENT);
    memset(target, 'x', sizeof target);
    target[4095] = 0;
    EQ(do_symlink(&rig, target, "long-enough"), 0);
    EQ(vfs_symlink(rig.vfs, (struct str){target, 4096}, at(&rig), STR("too-long")),
       ERRNO_NAMETOOLONG);
    EQ(do_symlink(&rig, "", "empty"), ERRNO_NOENT);
    rig_close(&rig);
}

TEST(path_beneath)
{
    static const struct {
        const char *path;
        int want;
    } cases[] = {{"dir/file", 0},
                 {"dir/.//sub/../../dir/sub/../file", 0},
                 {"to-dir/file", 0},
                 {"dir/..", 0},
                 {".", 0},
                 {"/workspace/dir/file", ERRNO_NOTCAPABLE},
                 {"/", ERRNO_NOTCAPABLE},
                 {"..", ERRNO_NOTCAPABLE},
                 {"../workspace", ERRNO_NOTCAPABLE},
                 {"dir/sub/../../../workspace/dir/file", ERRNO_NOTCAPABLE},
                 {"to-root", ERRNO_NOTCAPABLE},
                 {"up", ERRNO_NOTCAPABLE},
                 {"dir/up", ERRNO_NOTCAPABLE},
                 {"dir/up-one", 0},
                 {"to-dir/../..", ERRNO_NOTCAPABLE},
                 {"dir/sub/climb/x", ERRNO_NOTCAPABLE}};
    struct rig rig;
    begin(&rig);
    EQ(do_symlink(&rig, "/", "to-root"), 0);
    EQ(do_symlink(&rig, "..", "up"), 0);
    EQ(do_symlink(&rig, "../..", "dir/up"), 0);
    EQ(do_symlink(&rig, "..", "dir/up-one"), 0);
    EQ(do_symlink(&rig, "../../../workspace", "dir/sub/climb"), 0);
    rig.beneath = true;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        EQ(lookup(&rig, cases[i].path), cases[i].want);
    EQ(look_at(&rig, "to-root"), 0);
    EQ(do_symlink(&rig, "/", "made"), ERRNO_NOTCAPABLE);
    EQ(put(&rig, "../tmp/x", "x"), ERRNO_NOTCAPABLE);
    EQ(do_mkdir(&rig, "../tmp/x"), ERRNO_NOTCAPABLE);
    EQ(do_rename(&rig, "dir", "../tmp/x"), ERRNO_NOTCAPABLE);
    EQ(do_link(&rig, "dir/file", "/tmp/x"), ERRNO_NOTCAPABLE);
    /* A directory that is open stays the border, wherever the tree is. */
    struct file *sub;
    EQ(do_open(&rig, "dir/sub", VFS_DIRECTORY, false, &sub), 0);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = sub, .beneath = true}, STR(".."), 0,
                &(struct file_stat){.dev = 0}),
       ERRNO_NOTCAPABLE);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = sub, .beneath = false}, STR("../file"), 0,
                &(struct file_stat){.dev = 0}),
       0);
    file_unref(sub);
    rig_close(&rig);
}

TEST(path_dots_and_slashes_at_the_end_of_changes)
{
    struct rig rig;
    begin(&rig);
    EQ(do_mkdir(&rig, "."), ERRNO_EXIST);
    EQ(do_mkdir(&rig, ".."), ERRNO_EXIST);
    EQ(do_mkdir(&rig, "/"), ERRNO_EXIST);
    EQ(do_mkdir(&rig, "new/"), 0);
    EQ(do_mkdir(&rig, "new//"), ERRNO_EXIST);
    EQ(do_mkdir(&rig, "dangling"), ERRNO_EXIST);
    EQ(do_mkdir(&rig, "dangling/"), ERRNO_EXIST);
    EQ(do_rmdir(&rig, "new/."), ERRNO_INVAL);
    EQ(do_rmdir(&rig, "new/.."), ERRNO_NOTEMPTY);
    EQ(do_rmdir(&rig, "/"), ERRNO_BUSY);
    EQ(do_rmdir(&rig, "new/"), 0);
    EQ(do_rmdir(&rig, "to-dir"), ERRNO_NOTDIR);
    EQ(do_rmdir(&rig, "to-dir/"), ERRNO_NOTDIR);
    EQ(do_unlink(&rig, "."), ERRNO_ISDIR);
    EQ(do_unlink(&rig, "dir"), ERRNO_ISDIR);
    EQ(do_unlink(&rig, "dir/"), ERRNO_ISDIR);
    EQ(do_unlink(&rig, "dir/file/"), ERRNO_NOTDIR);
    EQ(do_unlink(&rig, "missing/"), ERRNO_NOENT);
    EQ(do_rename(&rig, "dir/.", "x"), ERRNO_BUSY);
    EQ(do_rename(&rig, "dir", "."), ERRNO_BUSY);
    EQ(do_rename(&rig, "dir", "/"), ERRNO_XDEV);
    EQ(do_rename(&rig, "dir/file/", "x"), ERRNO_NOTDIR);
    EQ(do_rename(&rig, "dir/file", "x/"), ERRNO_NOTDIR);
    EQ(do_rename(&rig, "dir/", "moved/"), 0);
    EQ(do_rename(&rig, "moved", "dir"), 0);
    EQ(do_link(&rig, "dir/file", "x/"), ERRNO_NOENT);
    EQ(do_link(&rig, "dir", "x"), ERRNO_PERM);
    EQ(do_symlink(&rig, "x", "new/"), ERRNO_NOENT);
    EQ(do_symlink(&rig, "x", "dir/"), ERRNO_EXIST);
    EQ(do_symlink(&rig, "x", "dir/file/"), ERRNO_EXIST);
    EQ(put(&rig, "new/", "x"), ERRNO_ISDIR);
    EQ(put(&rig, "dir/", "x"), ERRNO_ISDIR);
    EQ(put(&rig, "dir/file/", "x"), ERRNO_ISDIR);
    EQ(put(&rig, ".", "x"), ERRNO_ISDIR);
    rig_close(&rig);
}

TEST(path_create_through_links)
{
    struct rig rig;
    struct file *file;
    begin(&rig);
    EQ(put(&rig, "dangling", "made"), 0); /* what it leads to is made */
    STR_EQ(get(&rig, "nowhere"), "made");
    EQ(do_unlink(&rig, "nowhere"), 0);
    EQ(do_open(&rig, "dangling", VFS_CREATE | VFS_EXCLUSIVE | VFS_FOLLOW, true, &file),
       ERRNO_EXIST);
    EQ(do_open(&rig, "dangling", VFS_CREATE, true, &file), ERRNO_LOOP);
    EQ(do_open(&rig, "to-file", 0, false, &file), ERRNO_LOOP);
    EQ(do_open(&rig, "to-dir", VFS_DIRECTORY, false, &file), ERRNO_NOTDIR);
    EQ(do_open(&rig, "to-file", VFS_DIRECTORY | VFS_FOLLOW, false, &file), ERRNO_NOTDIR);
    EQ(do_open(&rig, "new", VFS_CREATE | VFS_DIRECTORY, true, &file), ERRNO_INVAL);
    EQ(do_open(&rig, "dir", VFS_FOLLOW, true, &file), ERRNO_ISDIR);
    EQ(do_open(&rig, "dir", VFS_FOLLOW | VFS_TRUNCATE, false, &file), ERRNO_ISDIR);
    EQ(do_open(&rig, "dir/file/x", VFS_CREATE, true, &file), ERRNO_NOTDIR);
    rig_close(&rig);
}

TEST(path_start_must_be_a_directory)
{
    struct rig rig;
    struct file *file;
    begin(&rig);
    ASSERT_EQ_INT(do_open(&rig, "dir/file", 0, false, &file), 0);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = file, .beneath = false}, STR("x"), 0,
                &(struct file_stat){.dev = 0}),
       ERRNO_NOTDIR);
    file_unref(file);
    rig_close(&rig);
}

static const char *path_of(struct rig *rig, const char *path)
{
    static char text[512];
    struct file *dir;
    struct buf out = BUF_INIT(4096);
    int e =
        vfs_open(rig->vfs, at(rig), str_of(path), VFS_FOLLOW | VFS_DIRECTORY, 0, true, false, &dir);
    if (e == 0) {
        e = vfs_path_of(rig->vfs, dir, &out);
        file_unref(dir);
    }
    if (e != 0)
        snprintf(text, sizeof text, "errno %d", e);
    else
        snprintf(text, sizeof text, "%.*s", (int)out.len, out.data);
    buf_release(&out);
    return text;
}

TEST(path_of_open_directories)
{
    struct rig rig;
    struct file *dir;
    struct buf out = BUF_INIT(4096);
    begin(&rig);
    STR_EQ(path_of(&rig, "/"), "/");
    STR_EQ(path_of(&rig, "."), "/workspace");
    STR_EQ(path_of(&rig, "dir/sub"), "/workspace/dir/sub");
    STR_EQ(path_of(&rig, "to-dir/sub/.."), "/workspace/dir");
    STR_EQ(path_of(&rig, "/proc/self"), "/proc/self");
    ASSERT_EQ_INT(do_open(&rig, "dir/sub", VFS_DIRECTORY, false, &dir), 0);
    EQ(do_rename(&rig, "dir", "renamed"), 0);
    EQ(vfs_path_of(rig.vfs, dir, &out), 0);
    STR_EQ(out.data, "/workspace/renamed/sub");
    EQ(do_rmdir(&rig, "renamed/sub"), 0);
    EQ(vfs_path_of(rig.vfs, dir, &out), ERRNO_NOENT);
    EQ(vfs_mkdir(rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("x")), ERRNO_NOENT);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("../file"), 0,
                &(struct file_stat){.dev = 0}),
       0);
    buf_release(&out);
    file_unref(dir);
    rig_close(&rig);
}

TEST(path_deep_directories_need_no_stack)
{
    struct rig rig;
    begin(&rig);
    rig.kernel.limits.path = 1u << 20;
    struct file *dir = file_ref(rig.dir), *next;
    for (int i = 0; i < 20000; i++) {
        ASSERT_EQ_INT(vfs_mkdir(rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("d")),
                      0);
        ASSERT_EQ_INT(vfs_open(rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("d"),
                               VFS_DIRECTORY, 0, true, false, &next),
                      0);
        file_unref(dir);
        dir = next;
    }
    struct buf out = BUF_INIT(1u << 20);
    EQ(vfs_path_of(rig.vfs, dir, &out), 0);
    EQ(out.len, strlen("/workspace") + 40000);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, buf_str(&out), 0,
                &(struct file_stat){.dev = 0}),
       0);
    buf_release(&out);
    file_unref(dir);
    rig_close(&rig);
}

TEST(path_mounts_are_crossed_both_ways)
{
    struct rig rig;
    const char *one = temp_directory(), *two = temp_directory();
    begin(&rig);
    host_put(one, "f", "one");
    host_mkdir(one, "inner");
    host_put(two, "f", "two");
    ASSERT_EQ_INT(mount_host(&rig, one, "/data/one", CAPFUL_MOUNT_RO), 0);
    ASSERT_EQ_INT(mount_host(&rig, two, "/data/one/inner", CAPFUL_MOUNT_RW), 0);
    STR_EQ(get(&rig, "/data/one/f"), "one");
    STR_EQ(get(&rig, "/data/one/inner/f"), "two");
    STR_EQ(get(&rig, "/data/one/inner/../f"), "one");
    STR_EQ(path_of(&rig, "/data/one/inner/.."), "/data/one");
    STR_EQ(path_of(&rig, "/data/one/inner/../../.."), "/");
    STR_EQ(list(&rig, "/data"), "one");
    EQ(do_rename(&rig, "/data/one/f", "dir/f"), ERRNO_XDEV);
    EQ(do_link(&rig, "/data/one/f", "dir/f"), ERRNO_XDEV);
    EQ(do_rmdir(&rig, "/data/one/inner"), ERRNO_BUSY);
    EQ(do_mkdir(&rig, "/data/x"), ERRNO_ROFS);
    EQ(do_rmdir(&rig, "/data"), ERRNO_ROFS);
    /* Over /workspace itself, and within it. */
    ASSERT_EQ_INT(mount_host(&rig, two, "/workspace/dir/mnt", CAPFUL_MOUNT_RO), 0);
    STR_EQ(get(&rig, "dir/mnt/f"), "two");
    STR_EQ(path_of(&rig, "dir/mnt/.."), "/workspace/dir");
    EQ(do_rmdir(&rig, "dir/mnt"), ERRNO_BUSY);
    EQ(do_rename(&rig, "dir/mnt", "dir/x"), ERRNO_BUSY);
    EQ(do_rename(&rig, "dir/sub", "dir/mnt"), ERRNO_BUSY);
    ASSERT_EQ_INT(mount_host(&rig, one, "/workspace", CAPFUL_MOUNT_RW), 0);
    rig_at(&rig, "/workspace");
    STR_EQ(get(&rig, "f"), "one");
    STR_EQ(path_of(&rig, "."), "/workspace");
    STR_EQ(path_of(&rig, ".."), "/");
    struct file_stat a, b;
    EQ(do_stat(&rig, "/data/one/f", true, &a), 0);
    EQ(do_stat(&rig, "f", true, &b), 0);
    EQ(a.ino, b.ino);
    OK(a.dev != b.dev);
    rig_close(&rig);
    remove_directory(one);
    remove_directory(two);
}

TEST(path_mount_errors)
{
    struct rig rig;
    struct capful_error err = {.code = 0};
    const char *host = temp_directory();
    begin(&rig);
    EQ(mount_host(&rig, host, "relative", CAPFUL_MOUNT_RO), CAPFUL_EINVAL);
    EQ(mount_host(&rig, host, "/", CAPFUL_MOUNT_RO), CAPFUL_EINVAL);
    EQ(mount_host(&rig, host, "///", CAPFUL_MOUNT_RO), CAPFUL_EINVAL);
    EQ(mount_host(&rig, host, "/a/../b", CAPFUL_MOUNT_RO), CAPFUL_EINVAL);
    EQ(mount_host(&rig, host, "/./b", CAPFUL_MOUNT_RO), CAPFUL_EINVAL);
    EQ(mount_host(&rig, host, "/dev/x", CAPFUL_MOUNT_RO), CAPFUL_EFILE);
    EQ(mount_host(&rig, host, "/workspace/dir/file", CAPFUL_MOUNT_RO), CAPFUL_EFILE);
    EQ(vfs_open_host_root("/nonexistent/x", &err), -1);
    EQ(err.code, CAPFUL_EFILE);
    OK(strstr(err.text, "/nonexistent/x"));
    EQ(vfs_open_host_root("/proc/self/stat", &err), -1);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
    remove_directory(host);
}
