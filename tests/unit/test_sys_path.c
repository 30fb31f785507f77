/* System calls on paths: decoding, rights, and that a WASI program stays beneath its directories.
 */
#include <string.h>

#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

enum { O_CREATE = 1, O_DIR = 2, O_EXCL = 4, O_TRUNC = 8 };
#define READS  CAPFUL_RIGHT_FD_READ
#define WRITES CAPFUL_RIGHT_FD_WRITE
#define CWD    CAPFUL_AT_CWD

#define GUEST_TEST_AS(name, own)                                                                   \
    static void guest_##name(struct fake *g, uint32_t arg);                                        \
    TEST(sys_path_##name)                                                                          \
    {                                                                                              \
        tree_run(guest_##name, own);                                                               \
    }                                                                                              \
    static void guest_##name(struct fake *g, uint32_t arg __attribute__((unused)))
#define GUEST_TEST(name) GUEST_TEST_AS(name, false)

/* Calls of (directory, path) and of two such pairs; texts are given back afterwards. */
static int one(struct fake *g, int call, uint32_t dir, const char *path)
{
    uint32_t top = g->top;
    int result = fake_call(g, call, dir, fake_text(g, path), strlen(path));
    g->top = top;
    return result;
}

static int two(struct fake *g, int call, uint32_t dir, const char *from, uint32_t dir2,
               const char *to)
{
    uint32_t top = g->top, a = fake_text(g, from), b = fake_text(g, to);
    int result = call == SYS_path_link
                     ? fake_call(g, call, dir, 0, a, strlen(from), dir2, b, strlen(to))
                     : fake_call(g, call, dir, a, strlen(from), dir2, b, strlen(to));
    g->top = top;
    return result;
}

static int symlink_to(struct fake *g, const char *target, uint32_t dir, const char *path)
{
    uint32_t top = g->top, a = fake_text(g, target), b = fake_text(g, path);
    int result = fake_call(g, SYS_path_symlink, a, strlen(target), dir, b, strlen(path));
    g->top = top;
    return result;
}

static int open_with(struct fake *g, uint32_t dir, const char *path, uint32_t oflags,
                     uint64_t rights, uint64_t inheriting, uint32_t *ret)
{
    uint32_t top = g->top, at = fake_text(g, path), fd = fake_alloc(g, 4);
    int result =
        fake_call(g, SYS_path_open, dir, 0, at, strlen(path), oflags, rights, inheriting, 0, fd);
    if (result == 0 && ret)
        *ret = fake_u32(g, fd);
    g->top = top;
    return result;
}

static int64_t stat_of(struct fake *g, uint32_t dir, const char *path, uint32_t follow,
                       uint32_t field)
{
    uint32_t top = g->top, at = fake_text(g, path), out = fake_alloc(g, 64);
    int result = fake_call(g, SYS_path_filestat_get, dir, follow, at, strlen(path), out);
    g->top = top;
    return result == 0 ? (int64_t)fake_u64(g, out + field) : -(int64_t)result;
}

static void make(struct fake *g, const char *path)
{
    int64_t fd = fake_open(g, 3, path, O_CREATE, WRITES);
    ASSERT(fd >= 0);
    EQ(fake_call(g, SYS_fd_close, (uint64_t)fd), 0);
}

GUEST_TEST(create_stat_remove)
{
    EQ(one(g, SYS_path_create_directory, 3, "d"), 0);
    EQ(one(g, SYS_path_create_directory, 3, "d"), ERRNO_EXIST);
    make(g, "d/f");
    EQ(stat_of(g, 3, "d/f", 0, 16), FILE_REGULAR);
    EQ(stat_of(g, 3, "d", 0, 16), FILE_DIRECTORY);
    EQ(one(g, SYS_path_remove_directory, 3, "d"), ERRNO_NOTEMPTY);
    EQ(one(g, SYS_path_remove_directory, 3, "d/f"), ERRNO_NOTDIR);
    EQ(one(g, SYS_path_unlink_file, 3, "d"), ERRNO_ISDIR);
    EQ(one(g, SYS_path_unlink_file, 3, "d/f"), 0);
    EQ(one(g, SYS_path_unlink_file, 3, "d/f"), ERRNO_NOENT);
    EQ(one(g, SYS_path_remove_directory, 3, "d"), 0);
    EQ(stat_of(g, 3, "d", 0, 16), -ERRNO_NOENT);
}

GUEST_TEST(open_flags)
{
    uint32_t fd;
    EQ(open_with(g, 3, "f", 0, READS, 0, &fd), ERRNO_NOENT);
    EQ(open_with(g, 3, "f", O_CREATE | O_EXCL, READS | WRITES, 0, &fd), 0);
    EQ(fake_write(g, fd, "hello", 5), 5);
    EQ(open_with(g, 3, "f", O_CREATE | O_EXCL, READS, 0, &fd), ERRNO_EXIST);
    EQ(open_with(g, 3, "f", O_DIR, READS, 0, &fd), ERRNO_NOTDIR);
    EQ(open_with(g, 3, "f", O_TRUNC, 0, 0, &fd), 0); /* without the right to write through it */
    EQ(stat_of(g, 3, "f", 0, 32), 0);
    EQ(open_with(g, 3, "f", 16, READS, 0, &fd), ERRNO_INVAL);
    EQ(open_with(g, 3, "f", O_CREATE | O_DIR, READS, 0, &fd), ERRNO_INVAL);
    EQ(fake_call(g, SYS_path_open, 3, 2, fake_text(g, "f"), 1, 0, READS, 0, 0, fake_alloc(g, 4)),
       ERRNO_INVAL);
    EQ(fake_call(g, SYS_path_open, 3, 0, fake_text(g, "f"), 1, 0, READS, 0, 32, fake_alloc(g, 4)),
       ERRNO_INVAL);
    EQ(fake_call(g, SYS_path_open, 3, 0, fake_text(g, "f"), 1, 0, READS, 0, 0, g->size - 3),
       ERRNO_FAULT);
    EQ(fake_call(g, SYS_path_open, 3, 0, fake_text(g, "new"), 3, O_CREATE, READS, 0, 0,
                 g->size - 3),
       ERRNO_FAULT);
    EQ(stat_of(g, 3, "new", 0, 16), -ERRNO_NOENT); /* a call that fails has created nothing */
}

GUEST_TEST(rights_of_what_is_opened)
{
    uint32_t fd, at = fake_alloc(g, 24);
    make(g, "f");
    EQ(open_with(g, 3, "f", 0, READS | CAPFUL_RIGHT_PATH_OPEN | CAPFUL_RIGHT_FD_READDIR, READS,
                 &fd),
       0);
    EQ(fake_call(g, SYS_fd_fdstat_get, fd, at), 0);
    EQ(fake_u64(g, at + 8), (long long)READS); /* what a file cannot have is not there */
    EQ(fake_u64(g, at + 16), 0);
    EQ(fake_write(g, fd, "x", 1), -ERRNO_NOTCAPABLE);
    EQ(open_with(g, 3, "f", 0, WRITES, 0, &fd), 0);
    EQ(fake_read(g, fd, NULL, 1), -ERRNO_NOTCAPABLE);
    EQ(fake_write(g, fd, "x", 1), 1);
    EQ(open_with(g, 3, ".", O_DIR, CAPFUL_RIGHT_FD_SEEK | READS, 0, &fd), 0);
    EQ(fake_call(g, SYS_fd_fdstat_get, fd, at), 0);
    EQ(fake_u64(g, at + 8), 0);
    EQ(open_with(g, 3, ".", O_DIR, READS | WRITES, 0, &fd), ERRNO_ISDIR);
    EQ(open_with(g, 3, ".", 0, READS | WRITES, 0, &fd), ERRNO_ISDIR);
    EQ(open_with(g, 3, "f", 0, UINT64_MAX, UINT64_MAX, &fd),
       0); /* bits that name nothing allow nothing */
    EQ(fake_call(g, SYS_fd_fdstat_get, fd, at), 0);
    EQ(fake_u64(g, at + 8) & ~CAPFUL_RIGHTS_ALL, 0);
}

GUEST_TEST(rights_are_handed_down_and_never_up)
{
    uint32_t dir, sub, fd;
    EQ(one(g, SYS_path_create_directory, 3, "d"), 0);
    EQ(one(g, SYS_path_create_directory, 3, "d/e"), 0);
    make(g, "d/f");
    uint64_t base = CAPFUL_RIGHT_PATH_OPEN | CAPFUL_RIGHT_PATH_FILESTAT_GET;
    EQ(open_with(g, 3, "d", O_DIR, base, base | READS, &dir), 0);
    EQ(open_with(g, dir, "f", 0, READS, 0, &fd), 0);
    EQ(open_with(g, dir, "f", 0, WRITES, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, dir, "f", 0, READS, WRITES, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, dir, "new", O_CREATE, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, dir, "f", O_TRUNC, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, dir, "e", O_DIR, base, base, &sub), 0);
    EQ(open_with(g, sub, "../f", 0, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(one(g, SYS_path_create_directory, dir, "x"), ERRNO_NOTCAPABLE);
    EQ(one(g, SYS_path_remove_directory, dir, "e"), ERRNO_NOTCAPABLE);
    EQ(one(g, SYS_path_unlink_file, dir, "f"), ERRNO_NOTCAPABLE);
    EQ(stat_of(g, dir, "f", 0, 16), FILE_REGULAR);
}

GUEST_TEST(both_directories_need_their_rights)
{
    uint32_t source, target;
    make(g, "f");
    EQ(open_with(g, 3, ".", O_DIR, CAPFUL_RIGHT_PATH_RENAME_SOURCE | CAPFUL_RIGHT_PATH_LINK_SOURCE,
                 0, &source),
       0);
    EQ(open_with(g, 3, ".", O_DIR,
                 CAPFUL_RIGHT_PATH_RENAME_TARGET | CAPFUL_RIGHT_PATH_LINK_TARGET |
                     CAPFUL_RIGHT_PATH_SYMLINK,
                 0, &target),
       0);
    EQ(two(g, SYS_path_rename, target, "f", source, "g"), ERRNO_NOTCAPABLE);
    EQ(two(g, SYS_path_rename, source, "f", source, "g"), ERRNO_NOTCAPABLE);
    EQ(two(g, SYS_path_rename, source, "f", target, "g"), 0);
    EQ(two(g, SYS_path_link, target, "g", source, "h"), ERRNO_NOTCAPABLE);
    EQ(two(g, SYS_path_link, source, "g", source, "h"), ERRNO_NOTCAPABLE);
    EQ(two(g, SYS_path_link, source, "g", target, "h"), 0);
    EQ(symlink_to(g, "h", source, "s"), ERRNO_NOTCAPABLE);
    EQ(symlink_to(g, "h", target, "s"), 0);
    EQ(stat_of(g, 3, "h", 0, 24), 2);
}

GUEST_TEST(a_path_stays_beneath_its_directory)
{
    uint32_t fd;
    EQ(one(g, SYS_path_create_directory, 3, "d"), 0);
    make(g, "d/f");
    EQ(open_with(g, 3, "/workspace/d/f", 0, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, 3, "../workspace/d/f", 0, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, 3, "d/../../workspace/d/f", 0, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, 3, "d/../d/./f", 0, READS, 0, &fd), 0);
    EQ(open_with(g, 3, "..", O_DIR, 0, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(open_with(g, CWD, "d/f", 0, READS, 0, &fd), ERRNO_BADF); /* only for our own guests */
    EQ(open_with(g, 0, "d/f", 0, READS, 0, &fd), ERRNO_NOTCAPABLE);
    EQ(stat_of(g, 3, "..", 1, 16), -ERRNO_NOTCAPABLE);
}

GUEST_TEST(a_link_does_not_lead_out)
{
    uint32_t fd;
    int result = symlink_to(g, "../../etc", 3, "out");
    OK(result == 0 || result == ERRNO_NOTCAPABLE || result == ERRNO_PERM);
    result = symlink_to(g, "/etc/passwd", 3, "abs");
    OK(result == 0 || result == ERRNO_NOTCAPABLE || result == ERRNO_PERM);
    result = open_with(g, 3, "out/passwd", 0, READS, 0, &fd);
    OK(result == ERRNO_NOTCAPABLE || result == ERRNO_NOENT);
    OK(stat_of(g, 3, "abs", 1, 16) < 0);
}

GUEST_TEST(texts_of_paths)
{
    static char longer[5000];
    uint32_t at = fake_alloc(g, 64);
    memset(longer, 'a', sizeof longer - 1);
    EQ(stat_of(g, 3, "", 0, 16), -ERRNO_NOENT);
    EQ(stat_of(g, 3, longer, 0, 16), -ERRNO_NAMETOOLONG);
    longer[4096] = 0;
    OK(stat_of(g, 3, longer, 0, 16) == -ERRNO_NAMETOOLONG ||
       stat_of(g, 3, longer, 0, 16) == -ERRNO_NOENT);
    EQ(fake_call(g, SYS_path_filestat_get, 3, 0, fake_data(g, "a\0b", 3), 3, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_path_filestat_get, 3, 0, g->size - 2, 3, at), ERRNO_FAULT);
    EQ(fake_call(g, SYS_path_filestat_get, 3, 2, fake_text(g, "a"), 1, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_path_filestat_get, 3, 0, fake_text(g, "."), 1, g->size - 63), ERRNO_FAULT);
    EQ(one(g, SYS_path_create_directory, 1, "x"), ERRNO_NOTCAPABLE);
}

GUEST_TEST(trailing_slashes)
{
    uint32_t fd;
    make(g, "f");
    EQ(one(g, SYS_path_create_directory, 3, "d///"), 0);
    EQ(open_with(g, 3, "f/", 0, READS, 0, &fd), ERRNO_NOTDIR);
    EQ(open_with(g, 3, "d///", 0, 0, 0, &fd), 0);
    int result = open_with(g, 3, "new/", O_CREATE, READS, 0, &fd);
    OK(result == ERRNO_ISDIR || result == ERRNO_NOENT || result == ERRNO_INVAL);
    EQ(stat_of(g, 3, "new", 0, 16), -ERRNO_NOENT);
    EQ(one(g, SYS_path_unlink_file, 3, "f/"), ERRNO_NOTDIR);
    EQ(one(g, SYS_path_remove_directory, 3, "d/"), 0);
}

GUEST_TEST(readlink)
{
    uint32_t out = fake_alloc(g, 16), n = fake_alloc(g, 4), name = fake_text(g, "s");
    make(g, "target");
    EQ(symlink_to(g, "target", 3, "s"), 0);
    memset(fake_at(g, out), '.', 16);
    EQ(fake_call(g, SYS_path_readlink, 3, name, 1, out, 16, n), 0);
    EQ(fake_u32(g, n), 6);
    MEM_EQ(fake_at(g, out), "target..", 8);
    EQ(fake_call(g, SYS_path_readlink, 3, name, 1, out, 4, n), 0);
    EQ(fake_u32(g, n), 4);
    EQ(fake_call(g, SYS_path_readlink, 3, name, 1, out, 0, n), 0);
    EQ(fake_u32(g, n), 0);
    EQ(fake_call(g, SYS_path_readlink, 3, name, 1, g->size - 3, 4, n), ERRNO_FAULT);
    EQ(fake_call(g, SYS_path_readlink, 3, name, 1, out, 4, g->size - 3), ERRNO_FAULT);
    EQ(fake_call(g, SYS_path_readlink, 3, fake_text(g, "target"), 6, out, 16, n), ERRNO_INVAL);
    EQ(stat_of(g, 3, "s", 0, 16), FILE_SYMLINK);
    EQ(stat_of(g, 3, "s", 1, 16), FILE_REGULAR);
    EQ(symlink_to(g, "", 3, "t"), ERRNO_NOENT);
}

GUEST_TEST(times_by_path)
{
    uint32_t name = fake_text(g, "f");
    make(g, "f");
    EQ(fake_call(g, SYS_path_filestat_set_times, 3, 0, name, 1, 5, 6, 1 | 4), 0);
    EQ(stat_of(g, 3, "f", 0, 40), 5);
    EQ(stat_of(g, 3, "f", 0, 48), 6);
    EQ(fake_call(g, SYS_path_filestat_set_times, 3, 0, name, 1, 0, 0, 2 | 8), 0);
    EQ(stat_of(g, 3, "f", 0, 48), TREE_TIME);
    EQ(fake_call(g, SYS_path_filestat_set_times, 3, 0, name, 1, 0, 0, 12), ERRNO_INVAL);
    EQ(fake_call(g, SYS_path_filestat_set_times, 3, 4, name, 1, 0, 0, 1), ERRNO_INVAL);
}

/* ---- our own guests */

GUEST_TEST_AS(working_directory, true)
{
    uint32_t out = fake_alloc(g, 64), n = fake_alloc(g, 4), fd;
    EQ(one(g, SYS_path_create_directory, CWD, "d"), 0);
    EQ(fake_call(g, SYS_proc_getcwd, out, 64, n), 0);
    EQ(fake_u32(g, n), 10);
    MEM_EQ(fake_at(g, out), "/workspace", 10);
    EQ(fake_call(g, SYS_proc_chdir, fake_text(g, "d"), 1), 0);
    EQ(fake_call(g, SYS_proc_getcwd, out, 11, n), ERRNO_RANGE);
    EQ(fake_u32(g, n), 12);
    EQ(fake_call(g, SYS_proc_getcwd, out, 12, n), 0);
    MEM_EQ(fake_at(g, out), "/workspace/d", 12);
    EQ(open_with(g, CWD, "f", O_CREATE, WRITES, 0, &fd), 0);
    EQ(stat_of(g, CWD, "/workspace/d/f", 0, 16), FILE_REGULAR);
    EQ(stat_of(g, CWD, "../d/f", 0, 16), FILE_REGULAR);
    EQ(stat_of(g, CWD, "../../../../workspace", 0, 16), FILE_DIRECTORY);
    EQ(fake_call(g, SYS_proc_chdir, fake_text(g, "f"), 1), ERRNO_NOTDIR);
    EQ(fake_call(g, SYS_proc_chdir, fake_text(g, "nowhere"), 7), ERRNO_NOENT);
    EQ(fake_call(g, SYS_proc_chdir, fake_text(g, "/"), 1), 0);
    EQ(fake_call(g, SYS_proc_getcwd, out, 64, n), 0);
    EQ(fake_u32(g, n), 1);
    EQ(fake_call(g, SYS_fd_close, CWD), ERRNO_BADF); /* it is no descriptor */
    EQ(fake_call(g, SYS_fd_filestat_get, CWD, out), ERRNO_BADF);
}

GUEST_TEST_AS(chmod, true)
{
    uint32_t fd, name = fake_text(g, "f");
    EQ(open_with(g, CWD, "f", O_CREATE, WRITES, 0, &fd), 0);
    EQ(fake_call(g, SYS_path_chmod, CWD, name, 1, 0755), 0);
    EQ(fake_call(g, SYS_path_chmod, CWD, name, 1, 07777), 0); /* no set-uid bit passes */
    EQ(fake_call(g, SYS_path_chmod, CWD, fake_text(g, "g"), 1, 0755), ERRNO_NOENT);
    EQ(fake_call(g, SYS_path_chmod, 99, name, 1, 0755), ERRNO_BADF);
}

GUEST_TEST_AS(read_only_root, true)
{
    uint32_t fd;
    EQ(open_with(g, CWD, "/new", O_CREATE, WRITES, 0, &fd), ERRNO_ROFS);
    EQ(one(g, SYS_path_create_directory, CWD, "/new"), ERRNO_ROFS);
    EQ(open_with(g, CWD, "/tmp/new", O_CREATE, WRITES, 0, &fd), 0);
}

GUEST_TEST_AS(devices, true)
{
    uint32_t fd, at = fake_alloc(g, 24);
    char bytes[8] = "xxxxxxx";
    EQ(open_with(g, CWD, "/dev/zero", 0, READS, 0, &fd), 0);
    EQ(fake_read(g, fd, bytes, 8), 8);
    MEM_EQ(bytes, "\0\0\0\0\0\0\0\0", 8);
    EQ(open_with(g, CWD, "/dev/null", 0, READS | WRITES, 0, &fd), 0);
    EQ(fake_read(g, fd, bytes, 8), 0);
    EQ(fake_write(g, fd, bytes, 8), 8);
    EQ(fake_call(g, SYS_fd_fdstat_get, fd, at), 0);
    EQ(*(uint8_t *)fake_at(g, at), FILE_CHARACTER);
    EQ(open_with(g, CWD, "/dev/full", 0, WRITES, 0, &fd), 0);
    EQ(fake_write(g, fd, bytes, 8), -ERRNO_NOSPC);
}
