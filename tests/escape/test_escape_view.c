/* Attempts of a process that holds only some directories to reach others, or to write where it may
 * only read. `rig.view` is its view; without it the rig is its parent, which holds everything. */
#include "../unit/vfs_rig.h"

struct jail {
    struct rig rig;
    struct view *view;
};

/* /workspace/secret, /workspace/in/f (to be read), /workspace/out (to be written). */
static void jail_open(struct jail *j)
{
    struct vfs_part parts[2] = {{STR("in"), VFS_PART_READ}, {STR("out"), VFS_PART_WRITE}};
    ASSERT_EQ_INT(rig_open(&j->rig), 0);
    EQ(do_mkdir(&j->rig, "in"), 0);
    EQ(do_mkdir(&j->rig, "in/sub"), 0);
    EQ(do_mkdir(&j->rig, "out"), 0);
    EQ(put(&j->rig, "secret", "secret"), 0);
    EQ(put(&j->rig, "in/f", "text"), 0);
    EQ(vfs_view_new(j->rig.vfs, at(&j->rig), parts, 2, &j->view), 0);
}

static void inside(struct jail *j)
{
    j->rig.view = j->view;
}

static void outside(struct jail *j)
{
    j->rig.view = NULL;
}

static void jail_close(struct jail *j)
{
    j->rig.view = NULL;
    view_unref(j->view);
    rig_close(&j->rig);
}

TEST(escape_view_by_links)
{
    struct jail j;
    jail_open(&j);
    EQ(do_symlink(&j.rig, "../secret", "in/parents"), 0);
    inside(&j);
    EQ(do_symlink(&j.rig, "/workspace/secret", "out/absolute"), 0);
    EQ(do_symlink(&j.rig, "../secret", "out/relative"), 0);
    EQ(do_symlink(&j.rig, "/workspace", "out/dir"), 0);
    EQ(do_symlink(&j.rig, "../in/f", "out/f"), 0);
    EQ(do_symlink(&j.rig, "/proc/self/cwd/secret", "out/cwd"), 0);
    STR_EQ(get(&j.rig, "in/parents"), "errno 44");
    STR_EQ(get(&j.rig, "out/absolute"), "errno 44");
    STR_EQ(get(&j.rig, "out/relative"), "errno 44");
    STR_EQ(get(&j.rig, "out/dir/secret"), "errno 44");
    STR_EQ(get(&j.rig, "out/cwd"), "errno 44");
    STR_EQ(list(&j.rig, "out/dir"), "in out");
    STR_EQ(get(&j.rig, "out/f"), "text");
    EQ(put(&j.rig, "out/f", "changed"), ERRNO_ROFS);
    EQ(put(&j.rig, "out/dir/in/f", "changed"), ERRNO_ROFS);
    EQ(do_mkdir(&j.rig, "out/dir/new"), ERRNO_ROFS);
    jail_close(&j);
}

TEST(escape_view_by_dots)
{
    static const char *const ways[] = {"in/../secret",
                                       "out/../../workspace/secret",
                                       "in/sub/../../secret",
                                       "/workspace/in/../secret",
                                       "/dev/../workspace/secret",
                                       "/proc/self/../../workspace/secret",
                                       "../workspace/secret",
                                       "//workspace//secret",
                                       "in/./../secret",
                                       "secret/."};
    struct jail j;
    jail_open(&j);
    inside(&j);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        STR_EQ(get(&j.rig, ways[i]), "errno 44");
    jail_close(&j);
}

/* Whether a hidden name is taken shows in no answer. */
TEST(escape_view_by_asking_for_names)
{
    struct jail j;
    struct file *file;
    jail_open(&j);
    EQ(do_mkdir(&j.rig, "hidden"), 0);
    inside(&j);
    static const char *const names[] = {"secret", "hidden", "missing"};
    for (int i = 0; i < 3; i++) {
        struct file_stat stat;
        char below[32];
        snprintf(below, sizeof below, "%s/x", names[i]);
        EQ(do_mkdir(&j.rig, names[i]), ERRNO_ROFS);
        EQ(do_symlink(&j.rig, "x", names[i]), ERRNO_ROFS);
        EQ(do_unlink(&j.rig, names[i]), ERRNO_ROFS);
        EQ(do_rmdir(&j.rig, names[i]), ERRNO_ROFS);
        EQ(do_rename(&j.rig, names[i], "out/x"), ERRNO_ROFS);
        EQ(do_link(&j.rig, names[i], "out/x"), ERRNO_NOENT);
        EQ(do_stat(&j.rig, names[i], false, &stat), ERRNO_NOENT);
        EQ(do_stat(&j.rig, below, false, &stat), ERRNO_NOENT);
        EQ(do_open(&j.rig, names[i], VFS_CREATE | VFS_EXCLUSIVE, true, &file), ERRNO_ROFS);
        EQ(do_open(&j.rig, names[i], VFS_CREATE, true, &file), ERRNO_ROFS);
        STR_EQ(do_readlink(&j.rig, names[i]), "errno 44");
    }
    jail_close(&j);
}

/* A second name in a directory that may be written would make a file writable. */
TEST(escape_view_by_a_second_name)
{
    struct jail j;
    jail_open(&j);
    inside(&j);
    EQ(do_link(&j.rig, "in/f", "out/f"), ERRNO_XDEV);
    EQ(vfs_link(j.rig.vfs, at(&j.rig), STR("in/f"), VFS_FOLLOW, at(&j.rig), STR("out/f")),
       ERRNO_XDEV);
    EQ(do_symlink(&j.rig, "../in/f", "out/l"), 0);
    EQ(vfs_link(j.rig.vfs, at(&j.rig), STR("out/l"), VFS_FOLLOW, at(&j.rig), STR("out/f")),
       ERRNO_XDEV);
    EQ(do_rename(&j.rig, "in/f", "out/f"), ERRNO_ROFS);
    EQ(do_rename(&j.rig, "in/sub", "out/sub"), ERRNO_ROFS);
    EQ(put(&j.rig, "out/g", ""), 0);
    EQ(do_rename(&j.rig, "out/g", "in/f"), ERRNO_ROFS);
    STR_EQ(get(&j.rig, "in/f"), "text");
    jail_close(&j);
}

/* A directory to be read within one to be written: it cannot be moved away, to be replaced by
 * another under its name, nor can what it lies in. */
TEST(escape_view_by_moving_the_part)
{
    struct jail j;
    struct vfs_part parts[2] = {{STR("/workspace"), VFS_PART_WRITE},
                                {STR("/workspace/a/b/ro"), VFS_PART_READ}};
    struct view *view;
    jail_open(&j);
    EQ(do_mkdir(&j.rig, "a"), 0);
    EQ(do_mkdir(&j.rig, "a/b"), 0);
    EQ(do_mkdir(&j.rig, "a/b/ro"), 0);
    EQ(do_mkdir(&j.rig, "new"), 0);
    ASSERT_EQ_INT(vfs_view_new(j.rig.vfs, at(&j.rig), parts, 2, &view), 0);
    j.rig.view = view;
    EQ(do_rename(&j.rig, "a/b/ro", "a/b/x"), ERRNO_BUSY);
    EQ(do_rename(&j.rig, "a/b", "x"), ERRNO_BUSY);
    EQ(do_rename(&j.rig, "a", "x"), ERRNO_BUSY);
    EQ(do_rename(&j.rig, "new", "a/b/ro"), ERRNO_BUSY);
    EQ(do_rmdir(&j.rig, "a/b/ro"), ERRNO_BUSY);
    EQ(put(&j.rig, "a/b/ro/f", ""), ERRNO_ROFS);
    EQ(do_rename(&j.rig, "new", "a/b/new"), 0);
    EQ(put(&j.rig, "a/b/new/f", ""), 0);
    /* The same for a process below it that was handed the outer one alone. */
    struct vfs_part outer = {STR("/workspace"), VFS_PART_WRITE};
    struct view *below;
    ASSERT_EQ_INT(vfs_view_new(j.rig.vfs, at(&j.rig), &outer, 1, &below), 0);
    j.rig.view = below;
    EQ(put(&j.rig, "a/b/ro/f", ""), ERRNO_ROFS);
    EQ(do_rename(&j.rig, "a/b/ro", "a/b/x"), ERRNO_BUSY);
    view_unref(below);
    view_unref(view);
    jail_close(&j);
}

/* The parent moves directories while the child runs. */
TEST(escape_view_when_others_move_directories)
{
    struct jail j;
    struct file *inner = NULL;
    jail_open(&j);
    EQ(do_mkdir(&j.rig, "out/sub"), 0);
    EQ(put(&j.rig, "out/sub/f", "mine"), 0);
    inside(&j);
    ASSERT_EQ_INT(do_open(&j.rig, "out/sub", VFS_DIRECTORY, false, &inner), 0);
    struct vfs_at from_inner = {.dir = inner, .view = j.view};
    struct file_stat stat;
    EQ(vfs_stat(j.rig.vfs, from_inner, STR("f"), 0, &stat), 0);
    /* A directory that was taken out of the part is out of sight, for who has it open too. */
    outside(&j);
    EQ(do_rename(&j.rig, "out/sub", "gone"), 0);
    EQ(vfs_stat(j.rig.vfs, from_inner, STR("f"), 0, &stat), ERRNO_NOENT);
    EQ(vfs_stat(j.rig.vfs, from_inner, STR(".."), 0, &stat), ERRNO_NOENT);
    EQ(vfs_stat(j.rig.vfs, from_inner, STR("../secret"), 0, &stat), ERRNO_NOENT);
    EQ(vfs_mkdir(j.rig.vfs, from_inner, STR("x")), ERRNO_NOENT);
    EQ(vfs_stat(j.rig.vfs, from_inner, STR("/workspace/in/f"), 0, &stat), 0);
    /* The part itself is moved: it is seen at its new place, with what it was. */
    EQ(do_rename(&j.rig, "in", "out/in"), 0);
    inside(&j);
    STR_EQ(get(&j.rig, "in/f"), "errno 44");
    STR_EQ(get(&j.rig, "out/in/f"), "text");
    EQ(put(&j.rig, "out/in/f", "changed"), ERRNO_ROFS);
    /* Another in its place is not what was handed on. */
    outside(&j);
    EQ(do_mkdir(&j.rig, "in"), 0);
    EQ(put(&j.rig, "in/f", "other"), 0);
    inside(&j);
    STR_EQ(get(&j.rig, "in/f"), "errno 44");
    file_unref(inner);
    jail_close(&j);
}

/* What the parent only reads does not become the child's to write by being moved. */
TEST(escape_view_of_a_child_by_a_move_above)
{
    struct jail j;
    struct vfs_part out = {STR("out"), VFS_PART_WRITE};
    struct view *below;
    jail_open(&j);
    inside(&j);
    ASSERT_EQ_INT(vfs_view_new(j.rig.vfs, at(&j.rig), &out, 1, &below), 0);
    outside(&j);
    EQ(do_rename(&j.rig, "in", "out/in"), 0);
    j.rig.view = below;
    STR_EQ(get(&j.rig, "out/in/f"), "text");
    EQ(put(&j.rig, "out/in/f", "changed"), ERRNO_ROFS);
    /* And what is taken from the parent is taken from the child. */
    outside(&j);
    EQ(do_mkdir(&j.rig, "out/sub"), 0);
    EQ(put(&j.rig, "out/sub/f", "x"), 0);
    j.rig.view = below;
    STR_EQ(get(&j.rig, "out/sub/f"), "x");
    view_unref(below);
    jail_close(&j);
}

/* A removed part is an empty shell. */
TEST(escape_view_of_a_removed_part)
{
    struct jail j;
    jail_open(&j);
    EQ(do_rmdir(&j.rig, "out"), 0);
    EQ(do_mkdir(&j.rig, "out"), 0);
    EQ(put(&j.rig, "out/f", "of the new one"), 0);
    inside(&j);
    STR_EQ(get(&j.rig, "out/f"), "errno 44");
    EQ(put(&j.rig, "out/g", ""), ERRNO_NOENT);
    STR_EQ(list(&j.rig, "."), "in");
    jail_close(&j);
}

/* Descriptors say what may be done, whatever the path was. */
TEST(escape_view_by_open_files)
{
    struct jail j;
    struct file *file = NULL, *dir = NULL;
    jail_open(&j);
    inside(&j);
    ASSERT_EQ_INT(do_open(&j.rig, "in/f", 0, false, &file), 0);
    ASSERT_EQ_INT(do_open(&j.rig, "in", VFS_DIRECTORY, false, &dir), 0);
    EQ(file_set_times(file, 1, 1, FILE_SET_MTIME), ERRNO_ROFS);
    EQ(file_set_times(dir, 1, 1, FILE_SET_MTIME), ERRNO_ROFS);
    EQ(file_write(file, "x", 1, &(size_t){0}), ERRNO_BADF);
    EQ(file_set_size(file, 0), ERRNO_INVAL);
    struct vfs_at from = {.dir = dir, .view = j.view};
    EQ(vfs_mkdir(j.rig.vfs, from, STR("x")), ERRNO_ROFS);
    EQ(vfs_unlink(j.rig.vfs, from, STR("f")), ERRNO_ROFS);
    from.beneath = true;
    EQ(vfs_unlink(j.rig.vfs, from, STR("f")), ERRNO_ROFS);
    file_unref(file);
    file_unref(dir);
    jail_close(&j);
}

/* Deeper than anyone climbs there is nothing: the answer is no, and it comes soon. */
TEST(escape_view_by_depth)
{
    struct jail j;
    struct file *dir = NULL;
    int depth = 0;
    jail_open(&j);
    inside(&j);
    ASSERT_EQ_INT(do_open(&j.rig, "out", VFS_DIRECTORY, false, &dir), 0);
    for (; depth < 2000; depth++) {
        struct vfs_at here = {.dir = dir, .view = j.view};
        struct file *next = NULL;
        if (vfs_mkdir(j.rig.vfs, here, STR("d")) != 0)
            break;
        if (vfs_open(j.rig.vfs, here, STR("d"), VFS_DIRECTORY, 0, true, false, &next) != 0)
            break;
        file_unref(dir);
        dir = next;
    }
    OK(depth > 1000 && depth < 1030);
    file_unref(dir);
    jail_close(&j);
}
