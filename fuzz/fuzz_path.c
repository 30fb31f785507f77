/* The resolver against a slow walk that opens one name at a time and keeps its way back on a stack:
 * same answer, same object, and never outside of the directory that it starts from. Input: lines
 * "aTARGET" make a link in directory a, b, c or the top (any other letter), named by the number of
 * the line; the last line is the path.
 */
#include <stdlib.h>

#include "../tests/unit/vfs_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct file *stack[90000];
static unsigned depth;

static int step(struct rig *rig, struct str name, bool last, unsigned *links, struct buf *rest,
                struct file_stat *ret)
{
    struct vfs_at here = {.dir = stack[depth]};
    if (str_equal(name, STR("..")) && depth == 0)
        return ERRNO_NOTCAPABLE;
    if (str_equal(name, STR("..")) || str_equal(name, STR("."))) {
        if (name.len == 2)
            file_unref(stack[depth--]);
        return last ? file_stat(stack[depth], ret) : 0;
    }
    int e = vfs_stat(rig->vfs, here, name, 0, ret);
    if (e == 0 && ret->type == FILE_SYMLINK) {
        struct buf text = BUF_INIT(1u << 20);
        e = ++*links > 40 ? ERRNO_LOOP : vfs_readlink(rig->vfs, here, name, &text);
        if (e == 0 && text.data[0] == '/')
            e = ERRNO_NOTCAPABLE;
        if (rest->len > 0 && e == 0)
            e = buf_add_char(&text, '/') && buf_add_str(&text, buf_str(rest)) ? 0 : ERRNO_NOMEM;
        buf_release(rest);
        *rest = text;
        return e ? e : -1; /* go on with the text */
    }
    if (e != 0 || (last && ret->type != FILE_DIRECTORY))
        return e;
    struct file *dir;
    e = vfs_open(rig->vfs, here, name, VFS_DIRECTORY, 0, true, false, &dir);
    if (e == 0)
        stack[++depth] =
            dir; /* a text of 4,000 bytes and forty links holds fewer names than the stack */
    return e;
}

static int walk(struct rig *rig, struct str path, struct file_stat *ret)
{
    struct buf rest = BUF_INIT(1u << 20);
    unsigned links = 0;
    int e = path.len == 0                   ? ERRNO_NOENT
            : memchr(path.ptr, 0, path.len) ? ERRNO_INVAL
            : path.ptr[0] == '/'            ? ERRNO_NOTCAPABLE
                                            : -1;
    for (buf_add_str(&rest, path); e == -1;) {
        size_t len = strcspn(rest.data, "/"), skip = len + strspn(rest.data + len, "/");
        char name[5000];
        memcpy(name, rest.data, len);
        bool slash = skip > len, last = skip == rest.len;
        buf_drop_front(&rest, skip);
        if (last && slash)
            buf_add_char(&rest, '.'); /* a slash at the end asks for a directory */
        e = len > 255 ? ERRNO_NAMETOOLONG
                      : step(rig, (struct str){name, len}, last && !slash, &links, &rest, ret);
        e = e == 0 && (!last || slash) ? -1 : e;
    }
    buf_release(&rest);
    return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const dirs[] = {"jail", "jail/a", "jail/a/b", "jail/c", "jail/a/b/deep"};
    struct rig rig;
    struct file_stat got = {.ino = 0}, wanted = {.ino = 0};
    struct buf text = BUF_INIT(1u << 20);
    if (size > 4000 || rig_open(&rig) != 0)
        return 0;
    for (size_t i = 0; i < 5; i++)
        (void)do_mkdir(&rig, dirs[i]);
    (void)put(&rig, "jail/file", "x");
    (void)put(&rig, "outside", "x");
    rig_at(&rig, "/workspace/jail");
    const char *at_line = (const char *)data, *end = at_line + size, *next;
    for (unsigned n = 0; (next = memchr(at_line, '\n', (size_t)(end - at_line)));
         at_line = next + 1, n++) {
        char path[32], where = next > at_line ? *at_line : 0;
        snprintf(path, sizeof path, "%s/%u",
                 where == 'a'   ? "a"
                 : where == 'b' ? "a/b"
                 : where == 'c' ? "c"
                                : ".",
                 n);
        struct str target = {at_line + 1, next > at_line ? (size_t)(next - at_line - 1) : 0};
        (void)vfs_symlink(rig.vfs, target, (struct vfs_at){.dir = rig.dir, .beneath = false},
                          str_of(path));
    }
    stack[depth = 0] = file_ref(rig.dir);
    struct str path = {at_line, (size_t)(end - at_line)};
    int slow = walk(&rig, path, &wanted);
    int fast =
        vfs_stat(rig.vfs, (struct vfs_at){.dir = rig.dir, .beneath = true}, path, VFS_FOLLOW, &got);
    if (slow != fast || (fast == 0 && (got.ino != wanted.ino || got.dev != wanted.dev)))
        abort();
    for (unsigned i = 0; i <= depth; i++)
        file_unref(stack[i]);
    struct file *dir;
    if (vfs_open(rig.vfs, (struct vfs_at){.dir = rig.dir, .beneath = true}, path, VFS_FOLLOW, 0,
                 true, false, &dir) == 0) {
        if (dir->ops->type == FILE_DIRECTORY && (vfs_path_of(rig.vfs, dir, &text) != 0 ||
                                                 strncmp(text.data, "/workspace/jail", 15) != 0))
            abort();
        file_unref(dir);
    }
    buf_release(&text);
    rig_close(&rig);
    return 0;
}
