/* Views: which operation a process may do on what it was handed, in every kind of file system. */
#include "vfs_rig.h"

#include "vfs/view.h"

static struct view *view_of(struct rig *rig, const char *const *paths, const int *kinds, size_t n)
{
    struct vfs_part parts[8];
    struct view *view = NULL;
    for (size_t i = 0; i < n; i++) {
        parts[i].path = str_of(paths[i]);
        parts[i].kind = kinds[i];
    }
    ASSERT_EQ_INT(vfs_view_new(rig->vfs, at(rig), parts, n, &view), 0);
    return view;
}

/* ---- rights by operations */

enum { OP_STAT, OP_READ, OP_LIST, OP_WRITE, OP_TRUNCATE, OP_CREATE, OP_MKDIR, OP_RMDIR, OP_UNLINK };
enum { OP_RENAME_IN = OP_UNLINK + 1, OP_RENAME_OUT, OP_LINK_IN, OP_LINK_OUT, OP_SYMLINK };
enum { OP_CHMOD = OP_SYMLINK + 1, OP_TIMES, OP_COUNT };

static int open_as(struct rig *rig, const char *path, unsigned flags, bool write)
{
    struct file *file;
    int e = do_open(rig, path, flags, write, &file);
    if (e == 0)
        file_unref(file);
    return e;
}

/* In the directory `d`, which holds a file "f", an empty directory "e"; "w/x" is the caller's own.
 */
static int operate(struct rig *rig, int op, const char *d)
{
    char f[64], e[64], n[64];
    snprintf(f, sizeof f, "%s/f", d);
    snprintf(e, sizeof e, "%s/e", d);
    snprintf(n, sizeof n, "%s/new", d);
    struct file_stat stat;
    switch (op) {
    case OP_STAT: return do_stat(rig, f, true, &stat);
    case OP_READ: return open_as(rig, f, 0, false);
    case OP_LIST: return open_as(rig, d, VFS_DIRECTORY, false);
    case OP_WRITE: return open_as(rig, f, 0, true);
    case OP_TRUNCATE: return open_as(rig, f, VFS_TRUNCATE, false);
    case OP_CREATE: return open_as(rig, n, VFS_CREATE, true);
    case OP_MKDIR: return do_mkdir(rig, n);
    case OP_RMDIR: return do_rmdir(rig, e);
    case OP_UNLINK: return do_unlink(rig, f);
    case OP_RENAME_IN: return do_rename(rig, "w/x", n);
    case OP_RENAME_OUT: return do_rename(rig, f, "w/y");
    case OP_LINK_IN: return do_link(rig, "w/x", n);
    case OP_LINK_OUT: return do_link(rig, f, "w/y");
    case OP_SYMLINK: return do_symlink(rig, "f", n);
    case OP_CHMOD: return vfs_chmod(rig->vfs, at(rig), str_of(f), 0600);
    default: return vfs_set_times(rig->vfs, at(rig), str_of(f), 0, 1, 1, FILE_SET_ATIME);
    }
}

/* What it answers where only this is held; the last column is a directory on the way, in which
 * there is nothing by any name. */
static const int wanted[OP_COUNT][4] = {
    /*                  nothing       way           read          write */
    [OP_STAT] = {ERRNO_NOENT, ERRNO_NOENT, 0, 0},
    [OP_READ] = {ERRNO_NOENT, ERRNO_NOENT, 0, 0},
    [OP_LIST] = {ERRNO_NOENT, 0, 0, 0},
    [OP_WRITE] = {ERRNO_NOENT, ERRNO_NOENT, ERRNO_ROFS, 0},
    [OP_TRUNCATE] = {ERRNO_NOENT, ERRNO_NOENT, ERRNO_ROFS, 0},
    [OP_CREATE] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_MKDIR] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_RMDIR] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_UNLINK] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_RENAME_IN] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_RENAME_OUT] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_LINK_IN] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_LINK_OUT] = {ERRNO_NOENT, ERRNO_NOENT, ERRNO_XDEV, 0},
    [OP_SYMLINK] = {ERRNO_NOENT, ERRNO_ROFS, ERRNO_ROFS, 0},
    [OP_CHMOD] = {ERRNO_NOENT, ERRNO_NOENT, ERRNO_ROFS, 0},
    [OP_TIMES] = {ERRNO_NOENT, ERRNO_NOENT, ERRNO_ROFS, 0},
};

static void lay_out(struct rig *rig)
{
    static const char *const dirs[] = {"hidden", "way", "ro", "rw"};
    EQ(do_mkdir(rig, "w"), 0);
    EQ(put(rig, "w/x", "x"), 0);
    for (int i = 0; i < 4; i++) {
        char path[64];
        EQ(do_mkdir(rig, dirs[i]), 0);
        snprintf(path, sizeof path, "%s/f", dirs[i]);
        EQ(put(rig, path, "text"), 0);
        snprintf(path, sizeof path, "%s/e", dirs[i]);
        EQ(do_mkdir(rig, path), 0);
    }
    EQ(do_mkdir(rig, "way/held"), 0);
}

/* Every operation in a tree of its own: one must not make way for the next. */
static void try_all(const char *mount, enum capful_mount_mode mode)
{
    static const char *const parts[] = {"w", "way/held", "ro", "rw"};
    static const int kinds[] = {VFS_PART_WRITE, VFS_PART_WRITE, VFS_PART_READ, VFS_PART_WRITE};
    static const char *const columns[] = {"hidden", "way", "ro", "rw"};
    for (int op = 0; op < OP_COUNT; op++) {
        for (int column = 0; column < 4; column++) {
            struct rig rig;
            const char *host = temp_directory();
            ASSERT_EQ_INT(rig_open(&rig), 0);
            if (mount) {
                ASSERT_EQ_INT(mount_host(&rig, host, mount, mode), 0);
                rig_at(&rig, mount);
            }
            lay_out(&rig);
            rig.view = view_of(&rig, parts, kinds, 4);
            EQ(operate(&rig, op, columns[column]) + 1000 * op + 100 * column,
               wanted[op][column] + 1000 * op + 100 * column);
            view_unref(rig.view);
            rig.view = NULL;
            rig_close(&rig);
            remove_directory(host);
        }
    }
}

TEST(view_rights_in_memory)
{
    try_all(NULL, CAPFUL_MOUNT_RO);
}

TEST(view_rights_on_the_host)
{
    try_all("/data", CAPFUL_MOUNT_RW);
}

TEST(view_rights_in_an_overlay)
{
    try_all("/data", CAPFUL_MOUNT_OVERLAY);
}

/* ---- what is seen */

TEST(view_lists_only_what_leads_to_its_parts)
{
    static const char *const parts[] = {"/workspace/a/b", "/workspace/a/c", "/tmp"};
    static const int kinds[] = {VFS_PART_READ, VFS_PART_WRITE, VFS_PART_AS_HELD};
    struct rig rig;
    struct file_stat stat;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_mkdir(&rig, "a"), 0);
    EQ(do_mkdir(&rig, "a/b"), 0);
    EQ(do_mkdir(&rig, "a/c"), 0);
    EQ(do_mkdir(&rig, "a/d"), 0);
    EQ(put(&rig, "a/f", "secret"), 0);
    EQ(put(&rig, "a/b/f", "text"), 0);
    rig.view = view_of(&rig, parts, kinds, 3);
    STR_EQ(list(&rig, "/"), "dev proc workspace tmp");
    STR_EQ(list(&rig, "/workspace"), "a");
    STR_EQ(list(&rig, "/workspace/a"), "b c");
    STR_EQ(list(&rig, "/workspace/a/b"), "f");
    STR_EQ(list(&rig, "a/b/.."), "b c");
    STR_EQ(list(&rig, "/tools"), "errno 44");
    STR_EQ(get(&rig, "a/b/f"), "text");
    STR_EQ(get(&rig, "a/f"), "errno 44");
    EQ(do_stat(&rig, "a", true, &stat), 0);
    EQ(stat.mode, 0555);
    EQ(stat.mtime, UINT64_C(0)); /* nothing of what others do there */
    EQ(stat.links, 2);
    EQ(put(&rig, "/dev/null", "x"), 0);
    EQ(put(&rig, "a/c/new", "new"), 0);
    EQ(put(&rig, "/tmp/new", "new"), 0);
    STR_EQ(list(&rig, "/dev/fd"), "");
    view_unref(rig.view);
    rig.view = NULL;
    rig_close(&rig);
}

TEST(view_of_nothing)
{
    struct rig rig;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(put(&rig, "f", "secret"), 0);
    rig.view = view_of(&rig, NULL, NULL, 0);
    STR_EQ(list(&rig, "/"), "dev proc");
    STR_EQ(get(&rig, "f"), "errno 44");
    STR_EQ(get(&rig, "/workspace/f"), "errno 44");
    EQ(do_mkdir(&rig, "/x"), ERRNO_ROFS);
    EQ(do_mkdir(&rig, "x"), ERRNO_NOENT);
    view_unref(rig.view);
    rig.view = NULL;
    rig_close(&rig);
}

TEST(view_innermost_part_decides)
{
    static const char *const parts[] = {"/workspace", "/workspace/ro", "/workspace/ro/rw"};
    static const int kinds[] = {VFS_PART_WRITE, VFS_PART_READ, VFS_PART_WRITE};
    struct rig rig;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_mkdir(&rig, "ro"), 0);
    EQ(do_mkdir(&rig, "ro/rw"), 0);
    rig.view = view_of(&rig, parts, kinds, 3);
    EQ(put(&rig, "f", ""), 0);
    EQ(put(&rig, "ro/f", ""), ERRNO_ROFS);
    EQ(put(&rig, "ro/rw/f", ""), 0);
    EQ(put(&rig, "ro/rw/../f", ""), ERRNO_ROFS);
    view_unref(rig.view);
    rig.view = NULL;
    rig_close(&rig);
}

TEST(view_has_the_mounts_beneath_its_parts)
{
    static const char *const parts[] = {"/workspace"};
    static const int kinds[] = {VFS_PART_READ};
    struct rig rig;
    const char *host = temp_directory();
    host_put(host, "f", "host");
    ASSERT_EQ_INT(rig_open(&rig), 0);
    ASSERT_EQ_INT(mount_host(&rig, host, "/workspace/m", CAPFUL_MOUNT_RW), 0);
    rig.view = view_of(&rig, parts, kinds, 1);
    STR_EQ(get(&rig, "m/f"), "host");
    EQ(put(&rig, "m/f", "changed"), ERRNO_ROFS);
    STR_EQ(list(&rig, "m/.."), "m");
    view_unref(rig.view);
    rig.view = NULL;
    rig_close(&rig);
    remove_directory(host);
}

/* ---- made */

static int make_view(struct rig *rig, const char *path, int kind, struct view **ret)
{
    struct vfs_part part = {.path = str_of(path)};
    part.kind = kind;
    return vfs_view_new(rig->vfs, at(rig), &part, 1, ret);
}

TEST(view_refuses_what_is_not_held)
{
    struct rig rig;
    struct view *view = NULL, *outer = NULL;
    struct vfs_part many[VIEW_PARTS + 1];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_mkdir(&rig, "ro"), 0);
    EQ(do_mkdir(&rig, "ro/in"), 0);
    EQ(do_mkdir(&rig, "other"), 0);
    EQ(put(&rig, "ro/f", ""), 0);
    EQ(make_view(&rig, "missing", VFS_PART_READ, &view), ERRNO_NOENT);
    EQ(make_view(&rig, "ro/f", VFS_PART_READ, &view), ERRNO_NOTDIR);
    for (size_t i = 0; i < VIEW_PARTS + 1; i++)
        many[i] = (struct vfs_part){STR("ro"), VFS_PART_READ};
    EQ(vfs_view_new(rig.vfs, at(&rig), many, VIEW_PARTS + 1, &view), ERRNO_2BIG);
    EQ(make_view(&rig, "ro", VFS_PART_READ, &outer), 0);
    rig.view = outer;
    EQ(make_view(&rig, "/workspace", VFS_PART_READ, &view), ERRNO_NOENT);
    EQ(make_view(&rig, "other", VFS_PART_READ, &view), ERRNO_NOENT);
    EQ(make_view(&rig, "ro", VFS_PART_WRITE, &view), ERRNO_ROFS);
    OK(view == NULL);
    EQ(make_view(&rig, "ro/in", VFS_PART_AS_HELD, &view), 0);
    view_unref(outer); /* the inner one keeps it */
    rig.view = view;
    EQ(put(&rig, "ro/in/f", ""), ERRNO_ROFS);
    STR_EQ(list(&rig, "ro"), "in");
    view_unref(view);
    rig.view = NULL;
    rig_close(&rig);
}

TEST(view_levels_are_counted)
{
    struct rig rig;
    struct view *view = NULL;
    int made = 0;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    while (made < 100 && make_view(&rig, "/workspace", VFS_PART_WRITE, &view) == 0) {
        view_unref(rig.view);
        rig.view = view;
        made++;
    }
    EQ(made, VIEW_LEVELS);
    EQ(put(&rig, "f", "x"), 0);
    view_unref(rig.view);
    rig.view = NULL;
    rig_close(&rig);
}

TEST(view_without_memory)
{
    struct rig rig;
    struct file *file = NULL;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_mkdir(&rig, "a"), 0);
    FAULT_SWEEP({
        struct view *view = NULL;
        int e = make_view(&rig, "a", VFS_PART_READ, &view);
        OK(e == 0 || e == ERRNO_NOMEM);
        rig.view = view;
        if (e == 0 && do_open(&rig, "/", VFS_DIRECTORY, false, &file) == 0) {
            struct file_dirent entry;
            e = file_readdir(file, 2, &entry);
            OK(e == 0 || e == ERRNO_NOMEM);
            file_unref(file);
        }
        view_unref(view);
        rig.view = NULL;
    });
    rig_close(&rig);
}
