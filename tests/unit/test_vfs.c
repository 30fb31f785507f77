/* The memory file system through vfs.h: files, directories, times, limits, the skeleton and its
 * devices. */
#include "vfs_rig.h"

TEST(vfs_skeleton)
{
    struct rig rig;
    struct file_stat stat;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    STR_EQ(list(&rig, "/"), "workspace tmp dev proc tools");
    STR_EQ(list(&rig, "/dev"), "null zero full random urandom tty stdin stdout stderr fd");
    STR_EQ(list(&rig, "/proc"), "self");
    STR_EQ(list(&rig, "/proc/self"), "fd cmdline exe cwd");
    STR_EQ(list(&rig, "/tools"), "");
    EQ(put(&rig, "/x", "x"), ERRNO_ROFS);
    EQ(do_mkdir(&rig, "/x"), ERRNO_ROFS);
    EQ(do_symlink(&rig, "x", "/x"), ERRNO_ROFS);
    EQ(do_rmdir(&rig, "/tools"), ERRNO_ROFS);
    EQ(do_rmdir(&rig, "/tmp"), ERRNO_BUSY);
    EQ(do_unlink(&rig, "/dev/null"), ERRNO_ROFS);
    EQ(do_rename(&rig, "/dev/null", "/dev/x"), ERRNO_ROFS);
    EQ(do_rename(&rig, "/tmp", "/x"), ERRNO_ROFS);
    EQ(vfs_chmod(rig.vfs, at(&rig), STR("/"), 0777), ERRNO_ROFS);
    EQ(do_stat(&rig, "/", true, &stat), 0);
    EQ(stat.type, FILE_DIRECTORY);
    EQ(stat.mode, 0755u);
    rig_close(&rig);
}

TEST(vfs_workspace_and_tmp_are_one_file_system)
{
    struct rig rig;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(put(&rig, "a", "moved"), 0);
    EQ(do_rename(&rig, "a", "/tmp/b"), 0);
    STR_EQ(get(&rig, "/tmp/b"), "moved");
    EQ(do_link(&rig, "/tmp/b", "c"), 0);
    STR_EQ(get(&rig, "c"), "moved");
    rig_close(&rig);
}

TEST(vfs_devices)
{
    struct rig rig;
    struct file *file;
    char data[64];
    size_t len = 99;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_open(&rig, "/dev/null", VFS_FOLLOW | VFS_CREATE | VFS_TRUNCATE, true, &file), 0);
    EQ(file_write(file, "abc", 3, &len), 0);
    EQ(len, 3u);
    EQ(file_read(file, data, sizeof data, &len), 0);
    EQ(len, 0u);
    file_unref(file);
    EQ(do_open(&rig, "/dev/zero", 0, true, &file), 0);
    memset(data, 1, sizeof data);
    EQ(file_read(file, data, sizeof data, &len), 0);
    EQ(len, sizeof data);
    EQ(data[0] | data[63], 0);
    file_unref(file);
    EQ(do_open(&rig, "/dev/full", 0, true, &file), 0);
    EQ(file_write(file, "x", 1, &len), ERRNO_NOSPC);
    file_unref(file);
    kernel_seed(&rig.kernel, 7);
    char other[64];
    EQ(do_open(&rig, "/dev/urandom", 0, false, &file), 0);
    EQ(file_read(file, data, sizeof data, &len), 0);
    kernel_seed(&rig.kernel, 7);
    EQ(file_read(file, other, sizeof other, &len), 0);
    MEM_EQ(data, other, sizeof data); /* the seed decides */
    EQ(file_read(file, other, sizeof other, &len), 0);
    OK(memcmp(data, other, sizeof data) != 0);
    struct file_stat stat;
    EQ(file_stat(file, &stat), 0);
    EQ(stat.type, FILE_CHARACTER);
    EQ(stat.mode, 0666u);
    file_unref(file);
    EQ(do_open(&rig, "/dev/tty", 0, true, &file), ERRNO_NXIO);
    EQ(do_open(&rig, "/dev/stdin", VFS_FOLLOW, false, &file),
       ERRNO_NOENT); /* the host has no descriptors here */
    EQ(do_open(&rig, "/dev/null", VFS_DIRECTORY, false, &file), ERRNO_NOTDIR);
    EQ(do_open(&rig, "/dev/null/", 0, false, &file), ERRNO_NOTDIR);
    rig_close(&rig);
}

/* A process that looks at its own descriptors. */
static void give_process(struct rig *rig, struct process *process)
{
    memset(process, 0, sizeof *process);
    process->kernel = &rig->kernel;
    process->pid = 1;
    fdtab_init(&process->fds, 64);
    buf_init(&process->argv, 1000);
    buf_add(&process->argv, "prog\0arg\0", 9);
    process->cwd = rig->dir;
    rig->kernel.current = process;
}

static void take_process(struct rig *rig, struct process *process)
{
    rig->kernel.current = NULL;
    fdtab_release(&process->fds);
    buf_release(&process->argv);
}

TEST(vfs_descriptors_by_name)
{
    struct rig rig;
    struct process process;
    struct file *file, *again;
    struct file_stat stat;
    uint32_t number;
    size_t len;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    give_process(&rig, &process);
    EQ(put(&rig, "f", "contents"), 0);
    ASSERT_EQ_INT(vfs_open(rig.vfs, at(&rig), STR("f"), 0, 0, true, false, &file), 0);
    EQ(fdtab_insert(&process.fds, file, CAPFUL_RIGHTS_ALL, 0, 0, &number), 0);
    EQ(number, 0u);
    EQ(fdtab_insert(&process.fds, file_ref(rig.dir), CAPFUL_RIGHTS_ALL, 0, 7, &number), 0);
    STR_EQ(list(&rig, "/proc/self/fd"), "0 7");
    STR_EQ(list(&rig, "/dev/fd"), "0 7");
    STR_EQ(do_readlink(&rig, "/proc/self/fd/7"), "/workspace");
    STR_EQ(do_readlink(&rig, "/dev/stdin"), "file:[0]");
    STR_EQ(get(&rig, "/dev/fd/7/f"), "contents");
    EQ(do_open(&rig, "/dev/stdin", VFS_FOLLOW, false, &again), 0);
    OK(again == file); /* the same description, not a new one: no way to more rights */
    file_unref(again);
    EQ(vfs_open(rig.vfs, at(&rig), STR("/dev/fd/0"), VFS_FOLLOW, 0, true, true, &again),
       ERRNO_ACCES);
    EQ(do_open(&rig, "/dev/fd/0", 0, false, &again), ERRNO_LOOP);
    EQ(do_stat(&rig, "/dev/fd/0", true, &stat), 0);
    EQ(stat.type, FILE_REGULAR);
    EQ(stat.size, UINT64_C(8));
    EQ(do_stat(&rig, "/dev/fd/0", false, &stat), 0);
    EQ(stat.type, FILE_SYMLINK);
    EQ(do_stat(&rig, "/dev/fd/0/", true, &stat), ERRNO_NOTDIR);
    EQ(do_stat(&rig, "/dev/fd/1", true, &stat), ERRNO_NOENT);
    EQ(do_stat(&rig, "/dev/fd/00", true, &stat), ERRNO_NOENT);
    EQ(do_stat(&rig, "/dev/fd/-1", true, &stat), ERRNO_NOENT);
    EQ(do_stat(&rig, "/dev/fd/4294967296", true, &stat), ERRNO_NOENT);
    EQ(do_stat(&rig, "/dev/fd/x", true, &stat), ERRNO_NOENT);
    STR_EQ(do_readlink(&rig, "/proc/self/exe"), "prog");
    STR_EQ(do_readlink(&rig, "/proc/self/cwd"), "/workspace");
    STR_EQ(get(&rig, "/proc/self/cwd/f"), "contents");
    char text[32];
    EQ(do_open(&rig, "/proc/self/cmdline", 0, false, &again), 0);
    EQ(file_read(again, text, sizeof text, &len), 0);
    EQ(len, 9u);
    MEM_EQ(text, "prog\0arg\0", 9);
    file_unref(again);
    /* Beneath a directory a link may hand out the descriptor that is held anyway, but leads to no
     * directory. */
    struct file *root;
    EQ(vfs_open_directory(rig.vfs, STR("/"), &root), 0);
    EQ(vfs_open(rig.vfs, (struct vfs_at){.dir = root, .beneath = true}, STR("dev/stdin"),
                VFS_FOLLOW, 0, true, false, &again),
       0);
    file_unref(again);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = root, .beneath = true}, STR("dev/fd/7/f"),
                VFS_FOLLOW, &stat),
       ERRNO_NOTCAPABLE);
    file_unref(root);
    take_process(&rig, &process);
    rig_close(&rig);
}

static int make_page(void *context, struct str name, struct buf *out)
{
    (*(int *)context)++;
    return buf_printf(out, "# %.*s\n", (int)name.len, name.ptr) ? 0 : ERRNO_NOMEM;
}

TEST(vfs_pages_of_tools)
{
    struct rig rig;
    struct file_stat stat;
    struct file *file;
    int made = 0;
    char name[32];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(vfs_add_page(rig.vfs, STR("get_order"), make_page, &made), 0);
    EQ(vfs_add_page(rig.vfs, STR("r\303\251fund"), make_page, &made), 0);
    EQ(vfs_add_page(rig.vfs, STR("a/b"), make_page, &made), ERRNO_INVAL);
    EQ(vfs_add_page(rig.vfs, STR(".."), make_page, &made), ERRNO_INVAL);
    EQ(vfs_add_page(rig.vfs, STR(""), make_page, &made), ERRNO_INVAL);
    STR_EQ(list(&rig, "/tools"), "get_order r\303\251fund");
    EQ(made, 0); /* nobody looked yet */
    STR_EQ(get(&rig, "/tools/get_order"), "# get_order\n");
    EQ(made, 1);
    EQ(do_stat(&rig, "/tools/r\303\251fund", true, &stat), 0);
    EQ(stat.size, UINT64_C(10));
    EQ(stat.mode, 0444u);
    EQ(put(&rig, "/tools/get_order", "x"), ERRNO_ROFS);
    EQ(put(&rig, "/tools/new", "x"), ERRNO_ROFS);
    EQ(do_open(&rig, "/tools/none", 0, false, &file), ERRNO_NOENT);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "tool-%d", i);
        EQ(vfs_add_page(rig.vfs, str_of(name), make_page, &made), 0);
    }
    STR_EQ(get(&rig, "/tools/tool-999"), "# tool-999\n");
    rig_close(&rig);
}

TEST(vfs_reading_and_writing)
{
    struct rig rig;
    struct file *file;
    char data[32];
    size_t len = 99;
    uint64_t offset;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    ASSERT_EQ_INT(do_open(&rig, "f", VFS_CREATE, true, &file), 0);
    EQ(file_write(file, "hello", 5, &len), 0);
    EQ(file_pread(file, data, sizeof data, 0, &len), 0);
    EQ(len, 5u);
    EQ(file_pread(file, data, sizeof data, 5, &len), 0);
    EQ(len, 0u);
    EQ(file_pread(file, data, sizeof data, 5000, &len), 0); /* past the end: nothing, no error */
    EQ(len, 0u);
    EQ(file_pwrite(file, "!", 1, 10, &len), 0);
    EQ(file_pread(file, data, sizeof data, 0, &len), 0);
    EQ(len, 11u);
    MEM_EQ(data, "hello\0\0\0\0\0!", 11);
    EQ(file_read(file, data, sizeof data, &len), 0); /* pwrite did not move the offset */
    EQ(len, 6u);
    EQ(file_seek(file, -3, 2, &offset), 0);
    EQ(offset, UINT64_C(8));
    EQ(file_seek(file, -9, 1, &offset), ERRNO_INVAL);
    EQ(file_seek(file, INT64_MAX, 1, &offset), ERRNO_OVERFLOW);
    EQ(file_seek(file, 100, 0, &offset), 0);
    EQ(file_read(file, data, sizeof data, &len), 0);
    EQ(len, 0u);
    EQ(file_write(file, "", 0, &len), 0); /* makes nothing longer */
    struct file_stat stat;
    EQ(file_stat(file, &stat), 0);
    EQ(stat.size, UINT64_C(11));
    EQ(file_allocate(file, 0, 5), 0);
    EQ(file_stat(file, &stat), 0);
    EQ(stat.size, UINT64_C(11));
    EQ(file_allocate(file, 5, 20), 0);
    EQ(file_stat(file, &stat), 0);
    EQ(stat.size, UINT64_C(25));
    EQ(file_set_size(file, 2), 0);
    EQ(file_set_size(file, 5), 0);
    EQ(file_pread(file, data, sizeof data, 0, &len), 0);
    MEM_EQ(data, "he\0\0\0", 5); /* what was cut off is gone */
    EQ(file_pwrite(file, "x", 1, INT64_MAX, &len), ERRNO_FBIG);
    EQ(file_sync(file), 0);
    file_unref(file);
    EQ(vfs_open(rig.vfs, at(&rig), STR("f"), 0, FILE_APPEND, true, true, &file), 0);
    EQ(file_write(file, "end", 3, &len), 0);
    EQ(file->offset, UINT64_C(8));
    file_unref(file);
    EQ(vfs_open(rig.vfs, at(&rig), STR("f"), 0, 0, false, false, &file),
       0); /* opened for nothing */
    EQ(file_read(file, data, 1, &len), ERRNO_BADF);
    EQ(file_write(file, data, 1, &len), ERRNO_BADF);
    EQ(file_stat(file, &stat), 0);
    file_unref(file);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_sparse_files_beyond_4_gib)
{
    struct rig rig;
    struct file *file;
    char data[8];
    size_t len;
    uint64_t far = UINT64_C(10) << 30;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    ASSERT_EQ_INT(do_open(&rig, "f", VFS_CREATE, true, &file), 0);
    EQ(file_pwrite(file, "far", 3, far, &len), 0);
    struct file_stat stat;
    EQ(file_stat(file, &stat), 0);
    EQ(stat.size, far + 3);
    OK(rig.vfs->tree->bytes < 200000); /* what was not written costs nothing */
    EQ(file_pread(file, data, sizeof data, far - 5, &len), 0);
    EQ(len, 8u);
    MEM_EQ(data, "\0\0\0\0\0far", 8);
    EQ(file_pwrite(file, "end", 3, INT64_MAX - 3, &len), 0);
    EQ(file_pread(file, data, sizeof data, INT64_MAX - 3, &len), 0);
    EQ(len, 3u);
    EQ(file_set_size(file, far), 0);
    EQ(file_set_size(file, UINT64_C(5) << 30), 0);
    EQ(rig.vfs->tree->bytes, UINT64_C(0));
    file_unref(file);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_unlinked_files_live_while_open)
{
    struct rig rig;
    struct file *file;
    char data[8];
    size_t len;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(put(&rig, "f", "old"), 0);
    uint64_t before = rig.vfs->tree->nodes;
    ASSERT_EQ_INT(do_open(&rig, "f", 0, true, &file), 0);
    EQ(do_unlink(&rig, "f"), 0);
    EQ(put(&rig, "f", "new"), 0);
    EQ(file_pread(file, data, 8, 0, &len), 0);
    MEM_EQ(data, "old", 3);
    EQ(file_pwrite(file, "more", 4, 3, &len), 0);
    struct file_stat stat;
    EQ(file_stat(file, &stat), 0);
    EQ(stat.links, UINT64_C(0));
    EQ(stat.size, UINT64_C(7));
    STR_EQ(get(&rig, "f"), "new");
    EQ(rig.vfs->tree->nodes, before + 1);
    STR_EQ(check(&rig), "fine");
    file_unref(file);
    EQ(rig.vfs->tree->nodes, before);
    STR_EQ(check(&rig), "fine");
    EQ(put(&rig, "g", "replaced"), 0);
    ASSERT_EQ_INT(do_open(&rig, "g", 0, false, &file), 0);
    EQ(do_rename(&rig, "f", "g"), 0);
    EQ(file_pread(file, data, 8, 0, &len), 0);
    MEM_EQ(data, "replaced", 8);
    file_unref(file);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_rename_cases)
{
    struct rig rig;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(put(&rig, "f", "f"), 0);
    EQ(put(&rig, "g", "g"), 0);
    EQ(do_mkdir(&rig, "d"), 0);
    EQ(do_mkdir(&rig, "d/e"), 0);
    EQ(do_mkdir(&rig, "empty"), 0);
    EQ(do_link(&rig, "f", "same"), 0);
    EQ(do_rename(&rig, "f", "f"), 0);
    EQ(do_rename(&rig, "f", "same"), 0); /* two names of one file: nothing happens */
    STR_EQ(get(&rig, "f"), "f");
    STR_EQ(get(&rig, "same"), "f");
    EQ(do_rename(&rig, "d", "d"), 0);
    EQ(do_rename(&rig, "d", "d/x"), ERRNO_INVAL);
    EQ(do_rename(&rig, "d", "d/e/x"), ERRNO_INVAL);
    EQ(do_rename(&rig, "d/e", "d"), ERRNO_NOTEMPTY);
    EQ(do_rename(&rig, "f", "d"), ERRNO_ISDIR);
    EQ(do_rename(&rig, "d", "f"), ERRNO_NOTDIR);
    EQ(do_rename(&rig, "empty", "d"), ERRNO_NOTEMPTY);
    EQ(do_rename(&rig, "d", "empty"), 0);
    STR_EQ(list(&rig, "empty"), "e");
    EQ(do_rename(&rig, "missing", "x"), ERRNO_NOENT);
    EQ(do_rename(&rig, "f", "missing/x"), ERRNO_NOENT);
    EQ(do_rename(&rig, "f", "g"), 0);
    STR_EQ(get(&rig, "g"), "f");
    EQ(do_rename(&rig, "empty/e", "e"), 0);
    STR_EQ(list(&rig, "."), "same empty g e");
    struct file_stat stat;
    EQ(do_stat(&rig, "empty", true, &stat), 0);
    EQ(stat.links, UINT64_C(2));
    EQ(do_stat(&rig, ".", true, &stat), 0);
    EQ(stat.links, UINT64_C(4));
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_times_and_modes)
{
    struct rig rig;
    struct file_stat stat;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(put(&rig, "f", "x"), 0);
    EQ(do_symlink(&rig, "f", "l"), 0);
    EQ(vfs_set_times(rig.vfs, at(&rig), STR("f"), VFS_FOLLOW, 11, 22,
                     FILE_SET_ATIME | FILE_SET_MTIME),
       0);
    EQ(do_stat(&rig, "f", true, &stat), 0);
    EQ(stat.atime, UINT64_C(11));
    EQ(stat.mtime, UINT64_C(22));
    EQ(vfs_set_times(rig.vfs, at(&rig), STR("l"), 0, 1, 33, FILE_SET_MTIME), 0);
    EQ(do_stat(&rig, "l", false, &stat), 0);
    EQ(stat.mtime, UINT64_C(33));
    OK(stat.atime != 1);
    EQ(do_stat(&rig, "f", true, &stat), 0);
    EQ(stat.mtime, UINT64_C(22));
    EQ(vfs_set_times(rig.vfs, at(&rig), STR("l"), VFS_FOLLOW, 44, 0, FILE_SET_ATIME), 0);
    EQ(do_stat(&rig, "f", true, &stat), 0);
    EQ(stat.atime, UINT64_C(44));
    EQ(stat.mode, 0644u);
    EQ(vfs_chmod(rig.vfs, at(&rig), STR("l"), 07755), 0);
    EQ(do_stat(&rig, "f", true, &stat), 0);
    EQ(stat.mode, 0755u); /* no set-uid bit */
    EQ(put(&rig, "f", "longer"), 0);
    EQ(do_stat(&rig, "f", true, &stat), 0);
    OK(stat.mtime > 22);
    rig_close(&rig);
}

TEST(vfs_listing_while_it_changes)
{
    struct rig rig;
    struct file *dir;
    struct file_dirent entry;
    char name[16], seen[200] = {0};
    ASSERT_EQ_INT(rig_open(&rig), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "%d", i);
        EQ(put(&rig, name, ""), 0);
    }
    ASSERT_EQ_INT(do_open(&rig, ".", VFS_DIRECTORY, false, &dir), 0);
    int n = 0;
    for (uint64_t cookie = 0; file_readdir(dir, cookie, &entry) == 0 && entry.name.len > 0;
         cookie = entry.next) {
        if (cookie < 2)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)entry.name.len, entry.name.ptr);
        int i = atoi(name);
        EQ(seen[i]++, 0);
        n++;
        EQ(do_unlink(&rig, name), 0); /* the one just seen */
        snprintf(name, sizeof name, "%d", i + 50);
        if (i < 50 && i % 2)
            EQ(do_unlink(&rig, name), 0); /* one to come */
        if (i < 10) {
            snprintf(name, sizeof name, "%d", 100 + i);
            EQ(put(&rig, name, ""), 0); /* a new one */
        }
    }
    EQ(n, 100 - 25 + 10);
    STR_EQ(list(&rig, "."), "");
    struct file_dirent end;
    EQ(file_readdir(dir, UINT64_MAX, &end), 0);
    EQ(end.name.len, 0u);
    file_unref(dir);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_large_directories)
{
    struct rig rig;
    char name[32];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        ASSERT_EQ_INT(do_mkdir(&rig, name), 0);
    }
    for (int i = 0; i < 20000; i += 3) {
        snprintf(name, sizeof name, "file-%d", i);
        ASSERT_EQ_INT(do_rmdir(&rig, name), 0);
    }
    struct file_stat stat;
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        ASSERT_EQ_INT(do_stat(&rig, name, true, &stat), i % 3 ? 0 : ERRNO_NOENT);
    }
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_limits_of_bytes_and_nodes)
{
    struct rig rig;
    struct process process;
    struct file *file;
    static char data[100000];
    size_t len = 0;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    rig.kernel.limits.vfs_bytes = 1u << 20;
    rig.kernel.limits.vfs_nodes = rig.vfs->tree->nodes + 3;
    ASSERT_EQ_INT(do_open(&rig, "f", VFS_CREATE, true, &file), 0);
    int e = 0, rounds = 0;
    while (e == 0 && rounds++ < 100)
        e = file_write(file, data, sizeof data, &len);
    EQ(e, ERRNO_NOSPC);
    EQ(rig.vfs->tree->bytes, UINT64_C(1) << 20);
    EQ((int)rig.kernel.stop, STOP_NONE); /* the host's own mistake ends no run */
    struct file_stat stat;
    EQ(file_stat(file, &stat), 0);
    EQ(stat.size, UINT64_C(1) << 20); /* what fitted was written */
    STR_EQ(check(&rig), "fine");
    EQ(do_mkdir(&rig, "d1"), 0);
    EQ(do_mkdir(&rig, "d2"), 0);
    EQ(do_mkdir(&rig, "d3"), ERRNO_NOSPC);
    give_process(&rig, &process);
    EQ(file_write(file, data, 1, &len), ERRNO_NOSPC);
    EQ((int)rig.kernel.stop, STOP_LIMIT);
    OK(strstr(rig.kernel.stop_text, "vfs_bytes"));
    kernel_begin(&rig.kernel);
    EQ(do_symlink(&rig, "x", "l"), ERRNO_NOSPC);
    OK(strstr(rig.kernel.stop_text, "vfs_nodes"));
    kernel_begin(&rig.kernel);
    EQ(file_set_size(file, 0), 0);
    EQ(file_pwrite(file, data, 1, 0, &len), 0);
    rig.kernel.limits.memory = rig.kernel.memory_used + 70000;
    EQ(do_rmdir(&rig, "d2"), 0);
    EQ(file_pwrite(file, data, sizeof data, 0, &len), 0);
    EQ(len, 65536u);
    EQ((int)rig.kernel.stop, STOP_LIMIT);
    OK(strstr(rig.kernel.stop_text, "memory"));
    take_process(&rig, &process);
    file_unref(file);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(vfs_stops_between_pieces)
{
    struct rig rig;
    struct process process;
    struct file *file;
    size_t len = 0, size = 8u << 20;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    give_process(&rig, &process);
    ASSERT_EQ_INT(do_open(&rig, "f", VFS_CREATE, true, &file), 0);
    char *data = mem_zalloc(size);
    ASSERT(data);
    kernel_cancel(&rig.kernel, 15);
    EQ(file_write(file, data, size, &len), 0);
    EQ(len, 1u << 20);
    EQ(file_pread(file, data, size, 0, &len), 0);
    EQ(len, 1u << 20);
    mem_free(data);
    file_unref(file);
    take_process(&rig, &process);
    rig_close(&rig);
}

struct pipe_end {
    char data[64];
    size_t len;
    struct wait_queue queue;
};

static int end_read(void *context, void *buffer, size_t size, size_t *ret_len)
{
    struct pipe_end *end = context;
    if (end->len == 0)
        return FILE_AGAIN;
    *ret_len = size < end->len ? size : end->len;
    memcpy(buffer, end->data, *ret_len);
    end->len = 0;
    return 0;
}

static int end_write(void *context, const void *data, size_t len, size_t *ret_len)
{
    struct pipe_end *end = context;
    memcpy(end->data, data, len);
    *ret_len = end->len = len;
    return 0;
}

static unsigned end_ready(void *context)
{
    return ((struct pipe_end *)context)->len ? READY_IN : 0;
}

static struct wait_queue *end_queue(void *context)
{
    return &((struct pipe_end *)context)->queue;
}

TEST(vfs_streams)
{
    static const struct stream_ops ops = {end_read, end_write, end_ready, end_queue};
    struct pipe_end end = {.len = 0};
    struct file *in, *out;
    char data[8];
    size_t len;
    ASSERT_EQ_INT(stream_new(&ops, &end, true, false, &in), 0);
    ASSERT_EQ_INT(stream_new(&ops, &end, false, true, &out), 0);
    EQ(file_read(in, data, 8, &len), FILE_AGAIN);
    OK(in->ops->queue(in, READY_IN) == &end.queue);
    EQ(file_ready(in), 0u);
    EQ(file_write(in, "x", 1, &len), ERRNO_BADF);
    EQ(file_read(out, data, 1, &len), ERRNO_BADF);
    EQ(file_write(out, "text", 4, &len), 0);
    EQ(file_ready(in), (unsigned)READY_IN);
    EQ(file_read(in, data, 8, &len), 0);
    EQ(len, 4u);
    uint64_t offset;
    EQ(file_seek(in, 0, 0, &offset), ERRNO_SPIPE);
    EQ(file_pread(in, data, 1, 0, &len), ERRNO_SPIPE);
    struct file_stat stat;
    EQ(file_stat(in, &stat), 0);
    EQ(stat.type, FILE_CHARACTER);
    file_unref(in);
    file_unref(out);
}

/* Whatever allocation fails, an operation happens whole or not at all. */
TEST(vfs_fault_sweep)
{
    static char data[200000];
    FAULT_SWEEP({
        struct rig rig;
        if (rig_open(&rig) == 0) {
            struct file *file;
            size_t len;
            do_mkdir(&rig, "d");
            for (char name[] = "f0"; name[1] < '9'; name[1]++)
                put(&rig, name, "text");
            if (do_open(&rig, "big", VFS_CREATE, true, &file) == 0) {
                (void)file_write(file, data, sizeof data, &len);
                (void)file_set_size(file, 70000);
                (void)do_unlink(&rig, "big");
                (void)file_pwrite(file, data, 10, 150000, &len);
                file_unref(file);
            }
            STR_EQ(check(&rig), "fine");
            struct vfs_snapshot *snapshot = NULL;
            (void)vfs_snapshot_take(rig.vfs, &snapshot);
            (void)do_rename(&rig, "f1", "d/f1");
            (void)do_rename(&rig, "f2", "f3");
            (void)do_link(&rig, "f4", "d/link");
            (void)do_symlink(&rig, "f4", "l");
            (void)do_unlink(&rig, "f5");
            (void)do_rename(&rig, "d", "e");
            (void)put(&rig, "l", "through the link");
            STR_EQ(check(&rig), "fine");
            /* A file is there or not, and whole. */
            const char *text = get(&rig, "f6");
            OK(strcmp(text, "text") == 0 || strncmp(text, "errno", 5) == 0 ||
               strcmp(text, "") == 0);
            file_unref(rig.dir);
            rig.dir = NULL;
            if (snapshot)
                (void)vfs_snapshot_restore(rig.vfs, snapshot);
            STR_EQ(check(&rig), "fine");
            (void)list(&rig, "/dev");
            (void)vfs_reset(rig.vfs);
            vfs_snapshot_free(snapshot);
            rig_close(&rig);
        }
    });
}
