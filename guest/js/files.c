/* File primitives of the JavaScript library, straight on the system calls: a path is relative to
 * the working directory of the process (CAPFUL_AT_CWD), there are no preopened directories in
 * between.
 *
 * Every function throws an Error in Node's form: "ENOENT: no such file or directory, open 'x'" with
 * errno, code, syscall and path.
 */
#include "guest.h"
#include <stdlib.h>
#include <string.h>

enum { O_CREAT_ = 1, O_DIRECTORY_ = 2, O_EXCL_ = 4, O_TRUNC_ = 8 }; /* oflags of path_open */
enum { FD_APPEND = 1 };
enum { FOLLOW = 1 };
enum { DIRECTORY = 3 }; /* file type */

#define READ_RIGHTS (CAPFUL_RIGHT_FD_READ)
#define WRITE_RIGHTS                                                                               \
    (CAPFUL_RIGHT_FD_WRITE | CAPFUL_RIGHT_FD_FILESTAT_SET_SIZE | CAPFUL_RIGHT_FD_ALLOCATE)
#define BASE_RIGHTS                                                                                \
    (CAPFUL_RIGHT_FD_SEEK | CAPFUL_RIGHT_FD_TELL | CAPFUL_RIGHT_FD_FILESTAT_GET |                  \
     CAPFUL_RIGHT_FD_FILESTAT_SET_TIMES | CAPFUL_RIGHT_FD_SYNC | CAPFUL_RIGHT_FD_DATASYNC |        \
     CAPFUL_RIGHT_POLL_FD_READWRITE | CAPFUL_RIGHT_FD_FDSTAT_SET_FLAGS | CAPFUL_RIGHT_FD_ADVISE)

struct filestat {
    uint64_t dev, ino;
    uint8_t type;
    uint8_t pad[7];
    uint64_t nlink, size, atime, mtime, ctime;
};

struct dirent_head {
    uint64_t next;
    uint64_t ino;
    uint32_t name_len;
    uint8_t type;
    uint8_t pad[3];
};

/* ---- errors */

static JSValue throw_errno(JSContext *ctx, int err, const char *syscall, const char *path,
                           const char *dest)
{
    static const struct {
        int number;
        int linux_number;
        const char *code;
        const char *text;
    } table[] = {
#define NODE_ERRNO(name, code, number, text) {ERRNO_##name, number, code, text},
#include "node_errno.def"
#undef NODE_ERRNO
    };
    const char *code = "UNKNOWN", *text = "unknown error";
    int number = 4094;
    JSValue message, args[6], ret;
    size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].number == err) {
            code = table[i].code;
            text = table[i].text;
            number = table[i].linux_number;
        }
    }
    message = JS_NewString(ctx, text);
    args[0] = JS_NewString(ctx, code);
    args[1] = message;
    args[2] = JS_NewInt32(ctx, -number);
    args[3] = JS_NewString(ctx, syscall);
    args[4] = path ? JS_NewString(ctx, path) : JS_UNDEFINED;
    args[5] = dest ? JS_NewString(ctx, dest) : JS_UNDEFINED;
    ret = guest_call_internal("systemError", 6, (JSValueConst *)args);
    for (i = 0; i < 6; i++)
        JS_FreeValue(ctx, args[i]);
    return JS_IsException(ret) ? ret : JS_Throw(ctx, ret);
}

/* ---- paths */

struct path {
    const char *str;
    size_t len;
};

static int path_get(JSContext *ctx, struct path *ret_path, JSValueConst value)
{
    ret_path->str = JS_ToCStringLen(ctx, &ret_path->len, value);
    return ret_path->str ? 0 : -1;
}

#define PATH(p) (capful_word)(p).str, (capful_word)(p).len

/* Frees the path; undefined, or throws. */
static JSValue path_done(JSContext *ctx, int err, const char *syscall, struct path *path)
{
    JSValue ret = err ? throw_errno(ctx, err, syscall, path->str, NULL) : JS_UNDEFINED;

    JS_FreeCString(ctx, path->str);
    return ret;
}

static JSValue two_paths_done(JSContext *ctx, int err, const char *syscall, struct path *a,
                              struct path *b)
{
    JSValue ret = err ? throw_errno(ctx, err, syscall, a->str, b->str) : JS_UNDEFINED;

    JS_FreeCString(ctx, a->str);
    JS_FreeCString(ctx, b->str);
    return ret;
}

static int get_two(JSContext *ctx, struct path *a, struct path *b, JSValueConst *argv)
{
    if (path_get(ctx, a, argv[0]) < 0)
        return -1;
    if (path_get(ctx, b, argv[1]) < 0) {
        JS_FreeCString(ctx, a->str);
        return -1;
    }
    return 0;
}

/* ---- open files */

static int open_path(const struct path *p, int oflags, bool read, bool write, bool append,
                     uint32_t *ret_fd)
{
    uint64_t rights = BASE_RIGHTS | (read ? READ_RIGHTS : 0) | (write ? WRITE_RIGHTS : 0);

    if (oflags & O_DIRECTORY_)
        rights = CAPFUL_RIGHT_FD_READDIR | CAPFUL_RIGHT_FD_FILESTAT_GET;
    return capful_path_open(CAPFUL_AT_CWD, FOLLOW, PATH(*p), (capful_word)oflags, (int64_t)rights,
                            0, append ? FD_APPEND : 0, (capful_word)ret_fd);
}

/* open(path, access, oflags): access 1 read, 2 write, 4 append */
static JSValue files_open(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;
    int32_t access, oflags;
    uint32_t fd = 0;
    JSValue ret;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &access, argv[1]) < 0 || JS_ToInt32(ctx, &oflags, argv[2]) < 0 ||
        path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    err = open_path(&p, oflags, access & 1, access & 2, access & 4, &fd);
    if (err == ERRNO_ISDIR && access == 1) /* a directory can be opened, only not read */
        err = open_path(&p, O_DIRECTORY_, true, false, false, &fd);
    ret = path_done(ctx, err, "open", &p);
    return JS_IsException(ret) ? ret : JS_NewUint32(ctx, fd);
}

static JSValue files_close(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint32_t fd;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0)
        return JS_EXCEPTION;
    err = capful_fd_close(fd);
    return err ? throw_errno(ctx, err, "close", NULL, NULL) : JS_UNDEFINED;
}

/* How much one call moves: the host copies without looking at the clock. */
#define PIECE ((size_t)1 << 20)

static int read_some(uint32_t fd, char *buf, size_t len, int64_t pos, size_t *ret_done)
{
    struct capful_iovec iov = {(capful_word)buf, len < PIECE ? len : PIECE};
    uint32_t done = 0;
    int err;

    do {
        err = pos < 0 ? capful_fd_read(fd, (capful_word)&iov, 1, (capful_word)&done)
                      : capful_fd_pread(fd, (capful_word)&iov, 1, pos, (capful_word)&done);
    } while (err == ERRNO_INTR);
    *ret_done = done;
    return err;
}

static int write_some(uint32_t fd, const char *buf, size_t len, int64_t pos, size_t *ret_done)
{
    struct capful_iovec iov = {(capful_word)buf, len < PIECE ? len : PIECE};
    uint32_t done = 0;
    int err;

    do {
        err = pos < 0 ? capful_fd_write(fd, (capful_word)&iov, 1, (capful_word)&done)
                      : capful_fd_pwrite(fd, (capful_word)&iov, 1, pos, (capful_word)&done);
    } while (err == ERRNO_INTR);
    *ret_done = done;
    return err;
}

/* The slice of a typed array that read and write name: bytes, offset, length; position -1 for the
 * current one. */
static int get_slice(JSContext *ctx, JSValueConst *argv, uint32_t *ret_fd, struct text *t,
                     int64_t *ret_pos)
{
    int64_t offset, len;

    if (JS_ToUint32(ctx, ret_fd, argv[0]) < 0 || JS_ToInt64(ctx, &offset, argv[2]) < 0 ||
        JS_ToInt64(ctx, &len, argv[3]) < 0 || JS_ToInt64(ctx, ret_pos, argv[4]) < 0 ||
        text_get(ctx, t, argv[1]) < 0)
        return -1;
    if (offset < 0 || len < 0 || (uint64_t)offset > t->len ||
        (uint64_t)len > t->len - (uint64_t)offset) {
        text_free(ctx, t);
        JS_ThrowRangeError(ctx, "offset or length is out of range");
        return -1;
    }
    t->data += offset;
    t->len = (size_t)len;
    return 0;
}

static JSValue files_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    uint32_t fd;
    int64_t pos;
    size_t done, total = 0;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_IsString(argv[1]))
        return JS_ThrowTypeError(ctx, "bytes expected");
    if (get_slice(ctx, argv, &fd, &t, &pos) < 0)
        return JS_EXCEPTION;
    do {
        err = read_some(fd, (char *)t.data + total, t.len - total,
                        pos < 0 ? -1 : pos + (int64_t)total, &done);
        total += done;
    } while (!err && done == PIECE && total < t.len);
    if (err && total == 0) {
        struct filestat st = {0};

        if (err == ERRNO_NOTCAPABLE && capful_fd_filestat_get(fd, (capful_word)&st) == 0 &&
            st.type == DIRECTORY)
            err = ERRNO_ISDIR;
        return throw_errno(ctx, err, "read", NULL, NULL);
    }
    return JS_NewInt64(ctx, (int64_t)total);
}

static JSValue files_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    uint32_t fd;
    int64_t pos;
    size_t done;
    int err;
    JSValue ret;

    (void)this_val;
    (void)argc;
    if (get_slice(ctx, argv, &fd, &t, &pos) < 0)
        return JS_EXCEPTION;
    err = write_some(fd, t.data, t.len, pos, &done);
    ret = err ? throw_errno(ctx, err, "write", NULL, NULL) : JS_NewInt64(ctx, (int64_t)done);
    text_free(ctx, &t);
    return ret;
}

/* All that is left of a file; 0 and *ret_buf (js_malloc), or an errno. */
static int read_all(JSContext *ctx, uint32_t fd, char **ret_buf, size_t *ret_len)
{
    struct filestat st = {0};
    size_t size = 4096, len = 0, done = 0;
    char *buf, *grown;
    int err;

    if (capful_fd_filestat_get(fd, (capful_word)&st) == 0) {
        if (st.type == DIRECTORY)
            return ERRNO_ISDIR;
        if (st.size >= size && st.size < SIZE_MAX / 4)
            size = (size_t)st.size + 1;
    }
    buf = js_malloc(ctx, size);
    if (!buf)
        return ERRNO_NOMEM;
    for (;;) {
        if (len == size) {
            grown = js_realloc(ctx, buf, size * 2);
            if (!grown) {
                js_free(ctx, buf);
                return ERRNO_NOMEM;
            }
            buf = grown;
            size *= 2;
        }
        err = read_some(fd, buf + len, size - len, -1, &done);
        if (err) {
            js_free(ctx, buf);
            return err;
        }
        if (done == 0)
            break;
        len += done;
    }
    *ret_buf = buf;
    *ret_len = len;
    return 0;
}

static void *resize_bytes(JSRuntime *rt, void *opaque, void *ptr, size_t size)
{
    (void)opaque;
    if (size)
        return js_realloc_rt(rt, ptr, size);
    js_free_rt(rt, ptr);
    return NULL;
}

/* readFile(path or fd, as text): a string, or a Uint8Array */
static JSValue files_read_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p = {NULL, 0};
    uint32_t fd = 0;
    size_t len = 0;
    char *buf = NULL;
    const char *call = "open";
    JSValue ret;
    int err = 0, as_text = JS_ToBool(ctx, argv[1]);

    (void)this_val;
    (void)argc;
    if (JS_IsNumber(argv[0])) {
        if (JS_ToUint32(ctx, &fd, argv[0]) < 0)
            return JS_EXCEPTION;
    } else {
        if (path_get(ctx, &p, argv[0]) < 0)
            return JS_EXCEPTION;
        err = open_path(&p, 0, true, false, false, &fd);
        if (err == ERRNO_ISDIR)
            call = "read";
    }
    if (!err) {
        call = "read";
        err = read_all(ctx, fd, &buf, &len);
        if (p.str)
            capful_fd_close(fd);
    }
    if (err) {
        ret = throw_errno(ctx, err, call, strcmp(call, "read") == 0 ? NULL : p.str, NULL);
    } else if (as_text) {
        ret = text_new_string(ctx, buf, len);
        js_free(ctx, buf);
    } else {
        ret = JS_NewUint8Array(ctx, (uint8_t *)buf, len, resize_bytes, NULL, false);
    }
    JS_FreeCString(ctx, p.str);
    return ret;
}

/* writeFile(path or fd, string or bytes, append, exclusive) */
static JSValue files_write_file(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p = {NULL, 0};
    struct text t;
    uint32_t fd = 0;
    size_t total = 0, done;
    const char *call = "open";
    JSValue ret = JS_UNDEFINED;
    int err = 0, oflags, append = JS_ToBool(ctx, argv[2]);

    (void)this_val;
    (void)argc;
    if (text_get(ctx, &t, argv[1]) < 0)
        return JS_EXCEPTION;
    if (JS_IsNumber(argv[0])) {
        JS_ToUint32(ctx, &fd, argv[0]);
    } else {
        if (path_get(ctx, &p, argv[0]) < 0) {
            text_free(ctx, &t);
            return JS_EXCEPTION;
        }
        oflags = O_CREAT_ | (append ? 0 : O_TRUNC_) | (JS_ToBool(ctx, argv[3]) > 0 ? O_EXCL_ : 0);
        err = open_path(&p, oflags, false, true, append, &fd);
    }
    if (!err) {
        call = "write";
        while (!err && total < t.len) {
            err = write_some(fd, t.data + total, t.len - total, -1, &done);
            total += done;
        }
        if (p.str) {
            int closed = capful_fd_close(fd);
            if (!err)
                err = closed;
        }
    }
    if (err)
        ret = throw_errno(ctx, err, call, strcmp(call, "write") == 0 ? NULL : p.str, NULL);
    JS_FreeCString(ctx, p.str);
    text_free(ctx, &t);
    return ret;
}

static JSValue files_truncate(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint32_t fd;
    int64_t size;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0 || JS_ToInt64(ctx, &size, argv[1]) < 0)
        return JS_EXCEPTION;
    err = capful_fd_filestat_set_size(fd, size < 0 ? 0 : size);
    return err ? throw_errno(ctx, err, "ftruncate", NULL, NULL) : JS_UNDEFINED;
}

static JSValue files_sync(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint32_t fd;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0)
        return JS_EXCEPTION;
    err = capful_fd_sync(fd);
    return err ? throw_errno(ctx, err, "fsync", NULL, NULL) : JS_UNDEFINED;
}

/* ---- what is known of a file */

/* [dev, ino, type, nlink, size, atime ms, mtime ms, ctime ms] */
static JSValue new_stat(JSContext *ctx, const struct filestat *st)
{
    double values[8] = {(double)st->dev,         (double)st->ino,        (double)st->type,
                        (double)st->nlink,       (double)st->size,       (double)st->atime / 1e6,
                        (double)st->mtime / 1e6, (double)st->ctime / 1e6};
    JSValue list = JS_NewArray(ctx);
    uint32_t i;

    for (i = 0; i < 8; i++)
        JS_SetPropertyUint32(ctx, list, i, JS_NewNumber(ctx, values[i]));
    return list;
}

/* stat(path, follow, throw if missing) */
static JSValue files_stat(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct filestat st = {0};
    struct path p;
    int err, follow = JS_ToBool(ctx, argv[1]);
    JSValue ret;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    err = capful_path_filestat_get(CAPFUL_AT_CWD, follow ? FOLLOW : 0, PATH(p), (capful_word)&st);
    if ((err == ERRNO_NOENT || err == ERRNO_NOTDIR) && JS_ToBool(ctx, argv[2]) == 0) {
        JS_FreeCString(ctx, p.str);
        return JS_UNDEFINED;
    }
    ret = path_done(ctx, err, follow ? "stat" : "lstat", &p);
    return JS_IsException(ret) ? ret : new_stat(ctx, &st);
}

static JSValue files_fstat(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct filestat st = {0};
    uint32_t fd;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0)
        return JS_EXCEPTION;
    err = capful_fd_filestat_get(fd, (capful_word)&st);
    return err ? throw_errno(ctx, err, "fstat", NULL, NULL) : new_stat(ctx, &st);
}

/* exists(path) */
static JSValue files_exists(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct filestat st;
    struct path p;
    int err;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    err = capful_path_filestat_get(CAPFUL_AT_CWD, FOLLOW, PATH(p), (capful_word)&st);
    JS_FreeCString(ctx, p.str);
    return JS_NewBool(ctx, err == 0);
}

static JSValue files_utimes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;
    double atime, mtime;

    (void)this_val;
    (void)argc;
    if (JS_ToFloat64(ctx, &atime, argv[1]) < 0 || JS_ToFloat64(ctx, &mtime, argv[2]) < 0 ||
        path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    if (!(atime >= 0 && atime < 9e12 && mtime >= 0 && mtime < 9e12))
        return path_done(ctx, ERRNO_INVAL, "utime", &p);
    return path_done(ctx,
                     capful_path_filestat_set_times(CAPFUL_AT_CWD, FOLLOW, PATH(p),
                                                    (int64_t)(atime * 1e6), (int64_t)(mtime * 1e6),
                                                    1 | 4),
                     "utime", &p);
}

static JSValue files_chmod(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;
    uint32_t mode;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &mode, argv[1]) < 0 || path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    return path_done(ctx, capful_path_chmod(CAPFUL_AT_CWD, PATH(p), mode & 07777), "chmod", &p);
}

/* ---- the tree */

/* readdir(path): [name, type, name, type, …], without . and .. */
static JSValue files_readdir(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;
    struct dirent_head head;
    uint32_t fd = 0, used = 0, at, count = 0;
    uint64_t cookie = 0;
    size_t size = 8192;
    char *buf = NULL;
    JSValue list = JS_UNDEFINED, ret;
    int err;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    err = open_path(&p, O_DIRECTORY_, true, false, false, &fd);
    if (err)
        return path_done(ctx, err, "scandir", &p);
    list = JS_NewArray(ctx);
    buf = malloc(size);
    if (!buf)
        err = ERRNO_NOMEM;
    while (!err) {
        err = capful_fd_readdir(fd, (capful_word)buf, size, (int64_t)cookie, (capful_word)&used);
        if (err || used == 0)
            break;
        at = 0;
        while (used - at >= sizeof(head)) {
            const char *name = buf + at + sizeof(head);

            memcpy(&head, buf + at, sizeof(head));
            if (head.name_len > used - at - sizeof(head))
                break;
            at += (uint32_t)sizeof(head) + head.name_len;
            cookie = head.next;
            if ((head.name_len == 1 && name[0] == '.') ||
                (head.name_len == 2 && name[0] == '.' && name[1] == '.'))
                continue;
            JS_SetPropertyUint32(ctx, list, count++, JS_NewStringLen(ctx, name, head.name_len));
            JS_SetPropertyUint32(ctx, list, count++, JS_NewInt32(ctx, head.type));
        }
        if (at == 0 && used == size && size < (1u << 20)) { /* a name longer than the buffer */
            free(buf);
            size *= 2;
            buf = malloc(size);
            if (!buf)
                err = ERRNO_NOMEM;
        } else if (used < size) {
            break;
        } else if (at == 0) {
            err = ERRNO_IO;
        }
    }
    free(buf);
    capful_fd_close(fd);
    ret = path_done(ctx, err, "scandir", &p);
    if (JS_IsException(ret)) {
        JS_FreeValue(ctx, list);
        return ret;
    }
    return list;
}

static JSValue files_mkdir(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    return path_done(ctx, capful_path_create_directory(CAPFUL_AT_CWD, PATH(p)), "mkdir", &p);
}

static JSValue files_rmdir(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    return path_done(ctx, capful_path_remove_directory(CAPFUL_AT_CWD, PATH(p)), "rmdir", &p);
}

static JSValue files_unlink(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    return path_done(ctx, capful_path_unlink_file(CAPFUL_AT_CWD, PATH(p)), "unlink", &p);
}

static JSValue files_rename(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path a, b;

    (void)this_val;
    (void)argc;
    if (get_two(ctx, &a, &b, argv) < 0)
        return JS_EXCEPTION;
    return two_paths_done(ctx, capful_path_rename(CAPFUL_AT_CWD, PATH(a), CAPFUL_AT_CWD, PATH(b)),
                          "rename", &a, &b);
}

static JSValue files_link(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path a, b;

    (void)this_val;
    (void)argc;
    if (get_two(ctx, &a, &b, argv) < 0)
        return JS_EXCEPTION;
    return two_paths_done(ctx, capful_path_link(CAPFUL_AT_CWD, 0, PATH(a), CAPFUL_AT_CWD, PATH(b)),
                          "link", &a, &b);
}

/* symlink(target, path) */
static JSValue files_symlink(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path a, b;

    (void)this_val;
    (void)argc;
    if (get_two(ctx, &a, &b, argv) < 0)
        return JS_EXCEPTION;
    return two_paths_done(ctx, capful_path_symlink(PATH(a), CAPFUL_AT_CWD, PATH(b)), "symlink", &a,
                          &b);
}

static JSValue files_readlink(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    char buf[4096];
    uint32_t used = 0;
    struct path p;
    JSValue ret;
    int err;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    err = capful_path_readlink(CAPFUL_AT_CWD, PATH(p), (capful_word)buf, sizeof(buf),
                               (capful_word)&used);
    ret = path_done(ctx, err, "readlink", &p);
    return JS_IsException(ret) ? ret : JS_NewStringLen(ctx, buf, used);
}

static JSValue files_chdir(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct path p;

    (void)this_val;
    (void)argc;
    if (path_get(ctx, &p, argv[0]) < 0)
        return JS_EXCEPTION;
    return path_done(ctx, capful_proc_chdir(PATH(p)), "chdir", &p);
}

void files_init(void)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("open", 3, files_open),
        JS_CFUNC_DEF("close", 1, files_close),
        JS_CFUNC_DEF("read", 5, files_read),
        JS_CFUNC_DEF("writeSlice", 5, files_write),
        JS_CFUNC_DEF("readFile", 2, files_read_file),
        JS_CFUNC_DEF("writeFile", 4, files_write_file),
        JS_CFUNC_DEF("truncate", 2, files_truncate),
        JS_CFUNC_DEF("sync", 1, files_sync),
        JS_CFUNC_DEF("stat", 3, files_stat),
        JS_CFUNC_DEF("fstat", 1, files_fstat),
        JS_CFUNC_DEF("exists", 1, files_exists),
        JS_CFUNC_DEF("utimes", 3, files_utimes),
        JS_CFUNC_DEF("chmod", 2, files_chmod),
        JS_CFUNC_DEF("readdir", 1, files_readdir),
        JS_CFUNC_DEF("mkdir", 1, files_mkdir),
        JS_CFUNC_DEF("rmdir", 1, files_rmdir),
        JS_CFUNC_DEF("unlink", 1, files_unlink),
        JS_CFUNC_DEF("rename", 2, files_rename),
        JS_CFUNC_DEF("link", 2, files_link),
        JS_CFUNC_DEF("symlink", 2, files_symlink),
        JS_CFUNC_DEF("readlink", 1, files_readlink),
        JS_CFUNC_DEF("chdir", 1, files_chdir),
    };

    JS_SetPropertyFunctionList(guest.ctx, guest.sys, functions,
                               sizeof(functions) / sizeof(functions[0]));
}
