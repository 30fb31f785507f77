/* What the tests of the vfs share: a kernel without processes, a vfs, paths from /workspace,
 * temporary host directories. */
#ifndef CAPFUL_TESTS_VFS_RIG_H
#define CAPFUL_TESTS_VFS_RIG_H

#include <fcntl.h>
#include <ftw.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "tap.h"
#include "vfs/hostdir.h"
#include "vfs/node.h"

struct rig {
    struct kernel kernel;
    struct vfs *vfs;
    struct file *dir; /* where relative paths start */
    bool beneath;
    struct view *view; /* of whoever asks; NULL: all */
};

static inline int rig_open(struct rig *rig)
{
    struct capful_limits limits = {
#define LIMIT(name, unit, value, text) .name = value,
#include "abi/limits.def"
#undef LIMIT
    };
    static const struct engine_ops no_engine; /* nothing is ever run */
    memset(rig, 0, sizeof *rig);
    int result = kernel_init(&rig->kernel, &no_engine, NULL, &limits);
    if (result != 0)
        return result;
    result = vfs_new(&rig->kernel, &rig->vfs);
    if (result == 0 && vfs_open_directory(rig->vfs, STR("/workspace"), &rig->dir) != 0) {
        vfs_free(rig->vfs);
        result = CAPFUL_ENOMEM;
    }
    if (result != 0)
        kernel_release(&rig->kernel);
    return result;
}

static inline void rig_close(struct rig *rig)
{
    file_unref(rig->dir);
    vfs_free(rig->vfs);
    EQ(rig->kernel.memory_used, UINT64_C(0));
    kernel_release(&rig->kernel);
}

/* Paths start at that directory from now on. */
static inline void rig_at(struct rig *rig, const char *path)
{
    struct file *dir = NULL;
    ASSERT_EQ_INT(vfs_open_directory(rig->vfs, str_of(path), &dir), 0);
    file_unref(rig->dir);
    rig->dir = dir;
}

static inline struct vfs_at at(struct rig *rig)
{
    return (struct vfs_at){rig->dir, rig->beneath, rig->view};
}

static inline int do_open(struct rig *rig, const char *path, unsigned flags, bool write,
                          struct file **ret)
{
    return vfs_open(rig->vfs, at(rig), str_of(path), flags, 0, true, write, ret);
}

/* Replaces the contents; errno. */
static inline int put(struct rig *rig, const char *path, const char *text)
{
    struct file *file;
    size_t len = 0;
    int e = do_open(rig, path, VFS_FOLLOW | VFS_CREATE | VFS_TRUNCATE, true, &file);
    if (e != 0)
        return e;
    e = *text ? file_write(file, text, strlen(text), &len) : 0;
    if (e == 0 && len != strlen(text))
        e = ERRNO_IO;
    file_unref(file);
    return e;
}

static inline const char *get(struct rig *rig, const char *path)
{
    static char text[4096];
    struct file *file;
    size_t len = 0;
    int e = do_open(rig, path, VFS_FOLLOW, false, &file);
    if (e == 0) {
        e = file_read(file, text, sizeof text - 1, &len);
        file_unref(file);
    }
    if (e != 0)
        snprintf(text, sizeof text, "errno %d", e);
    else
        text[len] = 0;
    return text;
}

static inline int do_mkdir(struct rig *rig, const char *path)
{
    return vfs_mkdir(rig->vfs, at(rig), str_of(path));
}
static inline int do_rmdir(struct rig *rig, const char *path)
{
    return vfs_rmdir(rig->vfs, at(rig), str_of(path));
}
static inline int do_unlink(struct rig *rig, const char *path)
{
    return vfs_unlink(rig->vfs, at(rig), str_of(path));
}
static inline int do_rename(struct rig *rig, const char *from, const char *to)
{
    return vfs_rename(rig->vfs, at(rig), str_of(from), at(rig), str_of(to));
}
static inline int do_link(struct rig *rig, const char *from, const char *to)
{
    return vfs_link(rig->vfs, at(rig), str_of(from), 0, at(rig), str_of(to));
}
static inline int do_symlink(struct rig *rig, const char *target, const char *path)
{
    return vfs_symlink(rig->vfs, str_of(target), at(rig), str_of(path));
}
static inline int do_stat(struct rig *rig, const char *path, bool follow, struct file_stat *ret)
{
    return vfs_stat(rig->vfs, at(rig), str_of(path), follow ? VFS_FOLLOW : 0, ret);
}

static inline const char *do_readlink(struct rig *rig, const char *path)
{
    static char text[4200];
    struct buf out = BUF_INIT(8192);
    int e = vfs_readlink(rig->vfs, at(rig), str_of(path), &out);
    if (e != 0)
        snprintf(text, sizeof text, "errno %d", e);
    else
        snprintf(text, sizeof text, "%.*s", (int)out.len, buf_str(&out).ptr);
    buf_release(&out);
    return text;
}

/* Names in the order of the listing, "." and ".." left out: "a b c". */
static inline const char *list(struct rig *rig, const char *path)
{
    static char text[8192];
    struct file *file;
    struct file_dirent entry;
    uint64_t cookie = 0;
    size_t n = 0;
    text[0] = 0;
    int e = vfs_open(rig->vfs, at(rig), str_of(path), VFS_FOLLOW | VFS_DIRECTORY, 0, true, false,
                     &file);
    if (e != 0) {
        snprintf(text, sizeof text, "errno %d", e);
        return text;
    }
    while ((e = file_readdir(file, cookie, &entry)) == 0 && entry.name.len > 0) {
        if (cookie >= 2)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%.*s", n ? " " : "",
                                  (int)entry.name.len, entry.name.ptr);
        cookie = entry.next;
    }
    if (e != 0)
        snprintf(text, sizeof text, "errno %d", e);
    file_unref(file);
    return text;
}

static inline const char *check(struct rig *rig)
{
    const char *wrong = tree_check(rig->vfs->tree);
    return wrong ? wrong : "fine";
}

/* ---- the host's side */

static inline const char *temp_directory(void)
{
    static char paths[64][64];
    static unsigned next;
    char *path = paths[next++ % 64];
    snprintf(path, sizeof paths[0], "/tmp/capful-vfs-XXXXXX");
    ASSERT(mkdtemp(path));
    return path;
}

static inline int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline void remove_directory(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void host_put(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ASSERT(file);
    fputs(text, file);
    fclose(file);
}

static inline void host_mkdir(const char *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    ASSERT_EQ_INT(mkdir(path, 0755), 0);
}

static inline const char *host_get(const char *dir, const char *name)
{
    static char text[4096];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return "missing";
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = 0;
    return text;
}

static inline int mount_host(struct rig *rig, const char *host, const char *guest,
                             enum capful_mount_mode mode)
{
    struct capful_error err = {.code = 0};
    int fd = vfs_open_host_root(host, &err);
    if (fd < 0)
        return err.code;
    int result = vfs_mount_host(rig->vfs, guest, fd, host, mode, &err);
    close(fd);
    return result;
}

#endif
