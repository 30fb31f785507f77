/* Mounts of host directories: read-only and writable, links that lead out, devices, set-uid bits,
 * odd names. Each test runs with openat2 and without. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "vfs_rig.h"

struct host {
    struct rig rig;
    const char *inside, *outside;
};

static void host_begin(struct host *h, enum capful_mount_mode mode)
{
    ASSERT_EQ_INT(rig_open(&h->rig), 0);
    h->inside = temp_directory();
    h->outside = temp_directory();
    host_put(h->outside, "secret", "secret");
    host_put(h->inside, "file", "text");
    host_mkdir(h->inside, "dir");
    host_put(h->inside, "dir/inner", "inner");
    ASSERT_EQ_INT(mount_host(&h->rig, h->inside, "/data", mode), 0);
    rig_at(&h->rig, "/data");
}

static void host_end(struct host *h)
{
    rig_close(&h->rig);
    remove_directory(h->inside);
    remove_directory(h->outside);
}

/* Both ways of opening. */
static void twice(void (*test)(void))
{
    test();
    hostdir_force_walk(true);
    test();
    hostdir_force_walk(false);
}

static void link_on_host(struct host *h, const char *target, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", h->inside, name);
    ASSERT_EQ_INT(symlink(target, path), 0);
}

static void read_only(void)
{
    struct host h;
    struct file *file;
    struct file_stat stat;
    host_begin(&h, CAPFUL_MOUNT_RO);
    STR_EQ(get(&h.rig, "file"), "text");
    STR_EQ(get(&h.rig, "dir/inner"), "inner");
    EQ(put(&h.rig, "file", "x"), ERRNO_ROFS);
    EQ(put(&h.rig, "new", "x"), ERRNO_ROFS);
    EQ(do_open(&h.rig, "file", VFS_TRUNCATE, false, &file), ERRNO_ROFS);
    EQ(do_open(&h.rig, "file", VFS_CREATE, false, &file), 0); /* it is there */
    EQ(file_set_times(file, 1, 1, FILE_SET_MTIME), ERRNO_ROFS);
    file_unref(file);
    EQ(do_mkdir(&h.rig, "new"), ERRNO_ROFS);
    EQ(do_mkdir(&h.rig, "dir"), ERRNO_EXIST);
    EQ(do_rmdir(&h.rig, "dir"), ERRNO_ROFS);
    EQ(do_unlink(&h.rig, "file"), ERRNO_ROFS);
    EQ(do_unlink(&h.rig, "missing"), ERRNO_ROFS);
    EQ(do_rename(&h.rig, "file", "new"), ERRNO_ROFS);
    EQ(do_link(&h.rig, "file", "new"), ERRNO_ROFS);
    EQ(do_symlink(&h.rig, "file", "new"), ERRNO_ROFS);
    EQ(vfs_chmod(h.rig.vfs, at(&h.rig), STR("file"), 0600), ERRNO_ROFS);
    EQ(vfs_set_times(h.rig.vfs, at(&h.rig), STR("file"), 0, 1, 1, FILE_SET_MTIME), ERRNO_ROFS);
    EQ(do_open(&h.rig, "dir", VFS_DIRECTORY, false, &file), 0);
    EQ(file_set_times(file, 1, 1, FILE_SET_MTIME), ERRNO_ROFS);
    file_unref(file);
    EQ(do_stat(&h.rig, "file", true, &stat), 0);
    EQ(stat.size, UINT64_C(4));
    host_end(&h);
}

TEST(hostdir_read_only)
{
    twice(read_only);
}

static void writable(void)
{
    struct host h;
    struct file *file;
    size_t len;
    char data[64];
    host_begin(&h, CAPFUL_MOUNT_RW);
    EQ(put(&h.rig, "new", "written"), 0);
    STR_EQ(host_get(h.inside, "new"), "written");
    EQ(do_mkdir(&h.rig, "made"), 0);
    EQ(do_rename(&h.rig, "new", "made/moved"), 0);
    STR_EQ(host_get(h.inside, "made/moved"), "written");
    EQ(do_link(&h.rig, "made/moved", "linked"), 0);
    STR_EQ(host_get(h.inside, "linked"), "written");
    EQ(do_symlink(&h.rig, "../linked", "made/l"), 0);
    STR_EQ(get(&h.rig, "made/l"), "written");
    EQ(vfs_open(h.rig.vfs, at(&h.rig), STR("linked"), 0, FILE_APPEND, true, true, &file), 0);
    EQ(file_write(file, "+", 1, &len), 0);
    EQ(file->offset, UINT64_C(8));
    EQ(do_unlink(&h.rig, "linked"), 0);
    EQ(file_pread(file, data, sizeof data, 0, &len), 0); /* open files stay */
    EQ(len, 8u);
    EQ(file_allocate(file, 0, 100), 0);
    EQ(file_set_size(file, 3), 0);
    EQ(file_sync(file), 0);
    file_unref(file);
    STR_EQ(host_get(h.inside, "made/moved"), "wri");
    EQ(vfs_set_times(h.rig.vfs, at(&h.rig), STR("made/moved"), 0, 5, UINT64_C(7000000009), 3), 0);
    struct file_stat stat;
    EQ(do_stat(&h.rig, "made/moved", true, &stat), 0);
    EQ(stat.mtime, UINT64_C(7000000009));
    EQ(stat.atime, UINT64_C(5));
    /* A directory that is open follows its renames. */
    EQ(do_open(&h.rig, "made", VFS_DIRECTORY, false, &file), 0);
    EQ(do_rename(&h.rig, "made", "dir/made"), 0);
    EQ(vfs_stat(h.rig.vfs, (struct vfs_at){.dir = file, .beneath = false}, STR("moved"), 0, &stat),
       0);
    EQ(do_unlink(&h.rig, "dir/made/moved"), 0);
    EQ(do_unlink(&h.rig, "dir/made/l"), 0);
    EQ(do_rmdir(&h.rig, "dir/made"), 0);
    EQ(vfs_stat(h.rig.vfs, (struct vfs_at){.dir = file, .beneath = false}, STR("moved"), 0, &stat),
       ERRNO_NOENT);
    EQ(vfs_mkdir(h.rig.vfs, (struct vfs_at){.dir = file, .beneath = false}, STR("x")), ERRNO_NOENT);
    file_unref(file);
    host_end(&h);
}

TEST(hostdir_writable)
{
    twice(writable);
}

static void links_of_the_host(void)
{
    struct host h;
    struct file *file;
    char target[600];
    host_begin(&h, CAPFUL_MOUNT_RW);
    EQ(put(&h.rig, "/workspace/secret", "the sandbox's own"), 0);
    link_on_host(&h, h.outside, "out-absolute");
    snprintf(target, sizeof target, "..%s/secret", strrchr(h.outside, '/'));
    link_on_host(&h, target, "out-relative");
    link_on_host(&h, "/etc/passwd", "passwd");
    link_on_host(&h, "/proc/self/root/etc/passwd", "magic");
    link_on_host(&h, "/workspace/secret", "into-sandbox");
    link_on_host(&h, "dir/inner", "fine");
    STR_EQ(get(&h.rig, "out-absolute/secret"), "errno 44");
    STR_EQ(get(&h.rig, "out-relative"), "errno 44");
    STR_EQ(get(&h.rig, "passwd"), "errno 44");
    STR_EQ(get(&h.rig, "magic"), "errno 44");
    STR_EQ(get(&h.rig, "into-sandbox"),
           "the sandbox's own"); /* a link leads where it leads in the sandbox */
    STR_EQ(get(&h.rig, "fine"), "inner");
    EQ(put(&h.rig, "passwd", "x"), ERRNO_NOENT);
    EQ(do_open(&h.rig, "passwd", 0, false, &file), ERRNO_LOOP);
    snprintf(target, sizeof target, "%s/secret", h.outside);
    STR_EQ(get(&h.rig, target), "errno 44");
    h.rig.beneath = true;
    STR_EQ(get(&h.rig, "out-absolute/secret"), "errno 76");
    STR_EQ(get(&h.rig, "out-relative"), "errno 76");
    STR_EQ(get(&h.rig, "into-sandbox"), "errno 76");
    STR_EQ(get(&h.rig, "fine"), "inner");
    STR_EQ(host_get(h.outside, "secret"), "secret");
    host_end(&h);
}

TEST(hostdir_links_of_the_host_lead_nowhere)
{
    twice(links_of_the_host);
}

TEST(hostdir_guests_cannot_make_links_that_lead_out)
{
    struct host h;
    host_begin(&h, CAPFUL_MOUNT_RW);
    EQ(do_mkdir(&h.rig, "a"), 0);
    EQ(do_mkdir(&h.rig, "a/b"), 0);
    EQ(do_symlink(&h.rig, "/etc/passwd", "l"), ERRNO_PERM);
    EQ(do_symlink(&h.rig, "..", "l"), ERRNO_PERM);
    EQ(do_symlink(&h.rig, "../x", "l"), ERRNO_PERM);
    EQ(do_symlink(&h.rig, "dir/../../x", "l"), ERRNO_PERM);
    EQ(do_symlink(&h.rig, "dir/../file", "l"), ERRNO_PERM); /* dir may become a link */
    EQ(do_symlink(&h.rig, "./.././x", "l"), ERRNO_PERM);
    EQ(do_symlink(&h.rig, "../../../x", "a/b/l"), ERRNO_PERM);
    EQ(do_symlink(&h.rig, "../..", "a/b/l"), 0);
    EQ(do_symlink(&h.rig, "..//file", "a/l1"), 0);
    EQ(do_symlink(&h.rig, "dir/inner", "ok"), 0);
    EQ(do_symlink(&h.rig, "..foo/...", "dots"), 0);
    /* A link that is good in its place may not be moved to where it is not. */
    EQ(do_rename(&h.rig, "a/b/l", "a/l"), ERRNO_PERM);
    EQ(do_rename(&h.rig, "a/b/l", "l"), ERRNO_PERM);
    EQ(do_link(&h.rig, "a/b/l", "l"), ERRNO_PERM);
    EQ(do_rename(&h.rig, "a/b", "b"), ERRNO_PERM);
    EQ(do_mkdir(&h.rig, "dir/deeper"), 0);
    EQ(do_rename(&h.rig, "a", "dir/deeper/a"), 0);
    EQ(do_rename(&h.rig, "dir/deeper/a", "a"), 0); /* back: still deep enough */
    EQ(do_rename(&h.rig, "a/b/l", "dir/deeper/l"), 0);
    EQ(do_rename(&h.rig, "a/b", "b"), 0);
    host_end(&h);
}

TEST(hostdir_deep_directories_are_not_moved_up_unseen)
{
    struct host h;
    char name[400] = "dir/deep";
    host_begin(&h, CAPFUL_MOUNT_RW);
    host_mkdir(h.inside, name);
    for (int i = 0; i < 40; i++) {
        strcat(name, "/d");
        host_mkdir(h.inside, name);
    }
    EQ(do_rename(&h.rig, "dir/deep", "deep"), 0);
    EQ(do_rename(&h.rig, "deep", "dir/deep"), 0); /* down is always right */
    for (int i = 40; i < 70; i++) {
        strcat(name, "/d");
        host_mkdir(h.inside, name);
    }
    EQ(do_rename(&h.rig, "dir/deep", "deep"), ERRNO_XDEV); /* too deep to look for links */
    host_end(&h);
}

static void no_devices(void)
{
    struct host h;
    char path[512];
    struct file *file;
    struct file_stat stat;
    host_begin(&h, CAPFUL_MOUNT_RW);
    snprintf(path, sizeof path, "%s/fifo", h.inside);
    ASSERT_EQ_INT(mkfifo(path, 0666), 0);
    EQ(do_open(&h.rig, "fifo", VFS_FOLLOW, false, &file), ERRNO_ACCES);
    EQ(do_open(&h.rig, "fifo", VFS_FOLLOW | VFS_CREATE | VFS_TRUNCATE, true, &file), ERRNO_ACCES);
    EQ(do_stat(&h.rig, "fifo", true, &stat), 0);
    EQ(stat.type, FILE_UNKNOWN);
    EQ(do_link(&h.rig, "fifo", "fifo2"), ERRNO_PERM);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", h.inside);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ_INT(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    EQ(do_open(&h.rig, "socket", VFS_FOLLOW, true, &file), ERRNO_ACCES);
    close(fd);
    snprintf(path, sizeof path, "%s/null", h.inside);
    if (mknod(path, S_IFCHR | 0666, (1 << 8) | 3) == 0) {
        EQ(do_open(&h.rig, "null", VFS_FOLLOW, true, &file), ERRNO_ACCES);
        EQ(do_stat(&h.rig, "null", true, &stat), 0);
        EQ(stat.type, FILE_CHARACTER);
        int e = vfs_chmod(h.rig.vfs, at(&h.rig), STR("null"), 0600);
        OK(e == 0 || e == ERRNO_ACCES); /* hosts before Linux 6.6 need an open file for it */
    }
    /* The same where the kind is found out only after opening. */
    struct hostdir *dir;
    int root = vfs_open_host_root(h.inside, NULL);
    ASSERT_EQ_INT(hostdir_new(root, &h.rig.kernel, &dir), 0);
    EQ(hostdir_open(dir, "fifo", true, false, false, &fd), ERRNO_ACCES);
    EQ(hostdir_open(dir, "fifo", false, true, false, &fd), ERRNO_ACCES);
    EQ(hostdir_open(dir, "dir", true, false, false, &fd), ERRNO_ISDIR);
    hostdir_free(dir);
    close(root);
    host_end(&h);
}

TEST(hostdir_opens_no_device_socket_or_pipe)
{
    twice(no_devices);
}

TEST(hostdir_set_uid_bits_do_not_pass)
{
    struct host h;
    char path[512];
    struct stat host;
    struct file_stat stat;
    host_begin(&h, CAPFUL_MOUNT_RW);
    snprintf(path, sizeof path, "%s/file", h.inside);
    ASSERT_EQ_INT(chmod(path, 06755), 0);
    EQ(do_stat(&h.rig, "file", true, &stat), 0);
    EQ(stat.mode, 0755u);
    EQ(vfs_chmod(h.rig.vfs, at(&h.rig), STR("file"), 06750), 0);
    ASSERT_EQ_INT(lstat(path, &host), 0);
    EQ((unsigned)host.st_mode & 07777, 0750u);
    EQ(vfs_chmod(h.rig.vfs, at(&h.rig), STR("dir"), 07700), 0);
    EQ(do_stat(&h.rig, "dir", true, &stat), 0);
    EQ(stat.mode, 0700u);
    link_on_host(&h, "file", "l");
    EQ(vfs_chmod(h.rig.vfs, at(&h.rig), STR("l"), 0640), 0); /* what the link leads to */
    EQ(do_stat(&h.rig, "file", true, &stat), 0);
    EQ(stat.mode, 0640u);
    host_end(&h);
}

TEST(hostdir_names_are_bytes)
{
    struct host h;
    host_begin(&h, CAPFUL_MOUNT_RW);
    host_put(h.inside, "\377\376 latin-\351", "odd");
    STR_EQ(get(&h.rig, "\377\376 latin-\351"), "odd");
    OK(strstr(list(&h.rig, "."), "\377\376 latin-\351"));
    EQ(put(&h.rig, "new\nline\1", "x"), 0);
    STR_EQ(host_get(h.inside, "new\nline\1"), "x");
    EQ(do_rename(&h.rig, "\377\376 latin-\351", "\200"), 0);
    STR_EQ(host_get(h.inside, "\200"), "odd");
    host_end(&h);
}

static void listing(void)
{
    struct host h;
    struct file *dir;
    struct file_dirent entry;
    char name[32];
    host_begin(&h, CAPFUL_MOUNT_RW);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "entry-with-a-name-%d", i);
        host_put(h.inside, name, "");
    }
    ASSERT_EQ_INT(do_open(&h.rig, ".", VFS_DIRECTORY, false, &dir), 0);
    int n = 0;
    uint64_t middle = 0;
    char at_middle[64] = "";
    for (uint64_t cookie = 0; file_readdir(dir, cookie, &entry) == 0 && entry.name.len > 0;
         cookie = entry.next) {
        if (n == 500) {
            middle = cookie;
            snprintf(at_middle, sizeof at_middle, "%.*s", (int)entry.name.len, entry.name.ptr);
        }
        n++;
        if (cookie < 2)
            EQ(entry.name.ptr[0], '.');
    }
    EQ(n, 1004);
    EQ(file_readdir(dir, middle, &entry), 0); /* a cookie leads back */
    snprintf(name, sizeof name, "%.*s", (int)entry.name.len, entry.name.ptr);
    STR_EQ(name, at_middle);
    EQ(file_readdir(dir, UINT64_MAX, &entry), ERRNO_INVAL);
    EQ(file_readdir(dir, 0, &entry), 0);
    EQ(entry.name.len, 1u);
    file_unref(dir);
    host_end(&h);
}

TEST(hostdir_listing)
{
    twice(listing);
}

TEST(hostdir_what_the_host_changes_is_seen)
{
    struct host h;
    struct file *dir;
    char path[512], other[512];
    struct file_stat stat;
    host_begin(&h, CAPFUL_MOUNT_RW);
    ASSERT_EQ_INT(do_open(&h.rig, "dir", VFS_DIRECTORY, false, &dir), 0);
    snprintf(path, sizeof path, "%s/dir", h.inside);
    snprintf(other, sizeof other, "%s/dir", h.outside);
    ASSERT_EQ_INT(rename(path, other), 0); /* moved out of the mount */
    EQ(vfs_stat(h.rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("inner"), 0, &stat),
       ERRNO_NOENT);
    ASSERT_EQ_INT(symlink(h.outside, path), 0); /* and a link in its place */
    host_put(h.outside, "inner", "secret");
    int e =
        vfs_stat(h.rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("inner"), 0, &stat);
    OK(e == ERRNO_LOOP || e == ERRNO_NOTDIR);
    EQ(do_stat(&h.rig, "dir", false, &stat), 0);
    EQ(stat.type, FILE_SYMLINK);
    file_unref(dir);
    host_end(&h);
}

/* A thread of the host swaps a directory for a link that leads out, again and again, while the
 * guest reads, writes and removes below it. Nothing outside is ever read or touched. */
struct swapper {
    const char *inside, *outside;
    atomic_bool stop;
    atomic_ulong swaps;
};

static void *swap(void *context)
{
    struct swapper *s = context;
    char dir[512], aside[512], link[512];
    snprintf(dir, sizeof dir, "%s/race", s->inside);
    snprintf(aside, sizeof aside, "%s/race.aside", s->inside);
    snprintf(link, sizeof link, "%s/race.link", s->inside);
    if (symlink(s->outside, link) != 0)
        return NULL;
    while (!atomic_load(&s->stop)) {
        (void)rename(dir, aside);
        (void)rename(link, dir);
        (void)rename(dir, link);
        (void)rename(aside, dir);
        atomic_fetch_add(&s->swaps, 1);
    }
    return NULL;
}

static void race(void)
{
    struct host h;
    pthread_t thread;
    unsigned good = 0, bad = 0;
    host_begin(&h, CAPFUL_MOUNT_RW);
    host_mkdir(h.inside, "race");
    host_put(h.inside, "race/secret", "inside");
    host_put(h.outside, "victim", "outside");
    struct swapper s = {.inside = h.inside, .outside = h.outside};
    ASSERT_EQ_INT(pthread_create(&thread, NULL, swap, &s), 0);
    for (int i = 0; i < 4000 || (atomic_load(&s.swaps) < 500 && i < 400000); i++) {
        const char *text = get(&h.rig, "race/secret");
        if (strcmp(text, "inside") == 0)
            good++;
        else if (strncmp(text, "errno", 5) != 0)
            bad++;
        (void)put(&h.rig, "race/made", "x");
        (void)do_unlink(&h.rig, "race/victim");
        (void)do_mkdir(&h.rig, "race/sub");
        (void)do_rename(&h.rig, "race/made", "race/victim2");
        (void)vfs_chmod(h.rig.vfs, at(&h.rig), STR("race/victim"), 0);
        OK(strstr(list(&h.rig, "race"), "victim ") == NULL);
    }
    atomic_store(&s.stop, true);
    pthread_join(thread, NULL);
    EQ(bad, 0u);
    OK(good > 0);
    STR_EQ(host_get(h.outside, "victim"), "outside");
    STR_EQ(host_get(h.outside, "made"), "missing");
    STR_EQ(host_get(h.outside, "victim2"), "missing");
    STR_EQ(host_get(h.outside, "secret"), "secret");
    host_end(&h);
}

TEST(hostdir_race_of_a_directory_and_a_link)
{
    twice(race);
}

TEST(hostdir_errnos)
{
    EQ(errno_from_host(ENOENT), ERRNO_NOENT);
    EQ(errno_from_host(EMFILE), ERRNO_NFILE);
    EQ(errno_from_host(EROFS), ERRNO_ROFS);
    EQ(errno_from_host(EOPNOTSUPP), ERRNO_NOTSUP);
    EQ(errno_from_host(12345), ERRNO_IO);
}

TEST(hostdir_fault_sweep)
{
    const char *host = temp_directory();
    host_put(host, "f", "text");
    host_mkdir(host, "d");
    FAULT_SWEEP({
        struct rig rig;
        if (rig_open(&rig) == 0) {
            if (mount_host(&rig, host, "/a/b", CAPFUL_MOUNT_RW) == 0) {
                (void)get(&rig, "/a/b/f");
                (void)put(&rig, "/a/b/g", "x");
                (void)do_rename(&rig, "/a/b/g", "/a/b/d/g");
                (void)do_link(&rig, "/a/b/d/g", "/a/b/g");
                (void)do_symlink(&rig, "f", "/a/b/l");
                (void)get(&rig, "/a/b/l");
                (void)list(&rig, "/a/b");
                (void)do_unlink(&rig, "/a/b/g");
                (void)do_unlink(&rig, "/a/b/l");
                (void)do_unlink(&rig, "/a/b/d/g");
            }
            rig_close(&rig);
        }
    });
    STR_EQ(host_get(host, "f"), "text");
    remove_directory(host);
}
