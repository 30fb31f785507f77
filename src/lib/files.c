/* The files of a sandbox, from outside: bytes in and out, by the same paths that guests use. */
#include "lib/sandbox.h"

#include <stdlib.h>

#include "base/errno_text.h"
#include "base/mem.h"

#define PIECE (1u << 20)

void capful_free(void *memory)
{
    mem_free(memory);
}

static int failed(struct capful_error *err, const char *what, const char *path, int e)
{
    if (e == ERRNO_NOMEM)
        return err_nomem(err);
    return err_set(err, CAPFUL_EFILE, "%s %s: %s", what, path, errno_text(e));
}

/* Where a path from the host starts: the root for absolute ones, else /workspace. */
static int start(struct capful_sandbox *sandbox, struct vfs_at *ret)
{
    *ret = (struct vfs_at){.dir = NULL};
    return vfs_open_directory(sandbox->context.vfs, STR("/workspace"), &ret->dir);
}

static int open_path(struct capful_sandbox *sandbox, const char *path, unsigned flags, bool write,
                     struct file **ret)
{
    struct vfs_at at;
    int e = start(sandbox, &at);
    if (e != 0)
        return e;
    e = vfs_open(sandbox->context.vfs, at, str_of(path), flags, 0, !write, write, ret);
    file_unref(at.dir);
    return e;
}

int capful_file_write(struct capful_sandbox *sandbox, const char *path, const void *data,
                      size_t len, struct capful_error *err)
{
    struct file *file;
    int e = open_path(sandbox, path, VFS_FOLLOW | VFS_CREATE | VFS_TRUNCATE, true, &file);
    if (e != 0)
        return failed(err, "write", path, e);
    for (size_t at = 0; e == 0 && at < len;) {
        size_t n = 0, piece = len - at < PIECE ? len - at : PIECE;
        e = file_write(file, (const char *)data + at, piece, &n);
        at += n;
        if (e == 0 && n == 0)
            e = ERRNO_IO;
    }
    file_unref(file);
    return e == 0 ? 0 : failed(err, "write", path, e);
}

int capful_file_read(struct capful_sandbox *sandbox, const char *path, void **ret_data,
                     size_t *ret_len, struct capful_error *err)
{
    struct file *file;
    struct buf data = BUF_INIT(SIZE_MAX);
    int e = open_path(sandbox, path, VFS_FOLLOW, false, &file);
    if (e != 0)
        return failed(err, "read", path, e);
    if (file->ops->type == FILE_DIRECTORY)
        e = ERRNO_ISDIR;
    for (size_t n = 1; e == 0 && n > 0;) {
        if (!buf_reserve(&data, PIECE)) {
            e = ERRNO_NOMEM;
            break;
        }
        e = file_read(file, data.data + data.len, PIECE, &n);
        if (e == 0)
            data.len += n;
        if (e == 0 && file->ops->type == FILE_CHARACTER && data.len > CAPFUL_MIB)
            e = ERRNO_FBIG; /* /dev/zero has no end */
    }
    file_unref(file);
    if (e != 0) {
        buf_release(&data);
        return failed(err, "read", path, e);
    }
    size_t len = data.len;
    char *block = buf_steal(&data);
    if (!block)
        return err_nomem(err);
    *ret_data = block;
    *ret_len = len;
    return 0;
}

static void to_public(const struct file_stat *from, struct capful_stat *to)
{
    to->kind = from->type == FILE_REGULAR     ? CAPFUL_FILE
               : from->type == FILE_DIRECTORY ? CAPFUL_DIRECTORY
               : from->type == FILE_SYMLINK   ? CAPFUL_SYMLINK
                                              : CAPFUL_DEVICE;
    to->size = from->size;
    to->mtime = from->mtime;
    to->mode = from->mode;
    to->links = (uint32_t)from->links;
}

int capful_file_stat(struct capful_sandbox *sandbox, const char *path, struct capful_stat *ret,
                     struct capful_error *err)
{
    struct vfs_at at;
    struct file_stat stat;
    int e = start(sandbox, &at);
    if (e == 0) {
        e = vfs_stat(sandbox->context.vfs, at, str_of(path), VFS_FOLLOW, &stat);
        file_unref(at.dir);
    }
    if (e != 0)
        return failed(err, "stat", path, e);
    to_public(&stat, ret);
    return 0;
}

int capful_file_mkdir(struct capful_sandbox *sandbox, const char *path, struct capful_error *err)
{
    struct vfs_at at;
    int e = start(sandbox, &at);
    if (e == 0) {
        e = vfs_mkdir(sandbox->context.vfs, at, str_of(path));
        file_unref(at.dir);
    }
    return e == 0 ? 0 : failed(err, "make directory", path, e);
}

int capful_file_remove(struct capful_sandbox *sandbox, const char *path, struct capful_error *err)
{
    struct vfs_at at;
    int e = start(sandbox, &at);
    if (e == 0) {
        e = vfs_unlink(sandbox->context.vfs, at, str_of(path));
        if (e == ERRNO_ISDIR || e == ERRNO_PERM)
            e = vfs_rmdir(sandbox->context.vfs, at, str_of(path));
        file_unref(at.dir);
    }
    return e == 0 ? 0 : failed(err, "remove", path, e);
}

struct names {
    char **list;
    size_t count, alloc;
};

static int add_name(struct names *names, struct str name)
{
    if (names->count == names->alloc) {
        size_t alloc = names->alloc ? names->alloc * 2 : 64;
        char **list = mem_resize_array(names->list, alloc, sizeof *list);
        if (!list)
            return ERRNO_NOMEM;
        names->list = list;
        names->alloc = alloc;
    }
    char *copy = mem_dup(name.ptr, name.len);
    if (!copy)
        return ERRNO_NOMEM;
    names->list[names->count++] = copy;
    return 0;
}

static int read_names(struct file *dir, struct names *names)
{
    for (uint64_t cookie = 0;;) {
        struct file_dirent entry;
        int e = file_readdir(dir, cookie, &entry);
        if (e != 0 || entry.name.len == 0)
            return e;
        cookie = entry.next;
        if (str_equal(entry.name, STR(".")) || str_equal(entry.name, STR("..")))
            continue;
        e = add_name(names, entry.name);
        if (e != 0)
            return e;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int capful_file_list(struct capful_sandbox *sandbox, const char *path,
                     int (*each)(void *context, const char *name, const struct capful_stat *stat),
                     void *context, struct capful_error *err)
{
    struct names names = {0};
    struct file *dir;
    int e = open_path(sandbox, path, VFS_FOLLOW | VFS_DIRECTORY, false, &dir);
    if (e != 0)
        return failed(err, "list", path, e);
    e = read_names(dir, &names);
    if (e == 0 && names.count > 1)
        qsort(names.list, names.count, sizeof *names.list, by_name);
    for (size_t i = 0; e == 0 && i < names.count; i++) {
        struct file_stat stat;
        struct capful_stat public;
        struct vfs_at at = {.dir = dir};
        int missing = vfs_stat(sandbox->context.vfs, at, str_of(names.list[i]), 0, &stat);
        if (missing != 0)
            continue; /* a mount changed under our hands: the entry is gone */
        to_public(&stat, &public);
        if (each(context, names.list[i], &public) != 0)
            break;
    }
    for (size_t i = 0; i < names.count; i++)
        mem_free(names.list[i]);
    mem_free(names.list);
    file_unref(dir);
    return e == 0 ? 0 : failed(err, "list", path, e);
}

int capful_file_diff(struct capful_sandbox *sandbox,
                     int (*each)(void *context, char kind, const char *path), void *context,
                     struct capful_error *err)
{
    int e = vfs_diff(sandbox->context.vfs, each, context);
    return e == 0 ? 0 : failed(err, "diff", "overlays", e);
}
