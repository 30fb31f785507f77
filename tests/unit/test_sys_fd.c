/* System calls on descriptors: reading, writing, seeking, duplicating, rights, readdir, times. */
#include <string.h>

#include "base/mem.h"
#include "fake_engine.h"
#include "fake_tree.h"
#include "tap.h"

enum { O_CREATE = 1, O_DIR = 2, O_EXCL = 4, O_TRUNC = 8 };
#define RW                                                                                         \
    (CAPFUL_RIGHT_FD_READ | CAPFUL_RIGHT_FD_WRITE | CAPFUL_RIGHT_FD_SEEK | CAPFUL_RIGHT_FD_TELL |  \
     CAPFUL_RIGHT_FD_FILESTAT_GET | CAPFUL_RIGHT_FD_FILESTAT_SET_SIZE | CAPFUL_RIGHT_FD_ALLOCATE | \
     CAPFUL_RIGHT_FD_ADVISE | CAPFUL_RIGHT_FD_SYNC | CAPFUL_RIGHT_FD_DATASYNC |                    \
     CAPFUL_RIGHT_FD_FILESTAT_SET_TIMES | CAPFUL_RIGHT_FD_FDSTAT_SET_FLAGS |                       \
     CAPFUL_RIGHT_POLL_FD_READWRITE)

/* Each guest is one test: it runs as a WASI program with /workspace as descriptor 3. */
#define GUEST_TEST(name)                                                                           \
    static void guest_##name(struct fake *g, uint32_t arg);                                        \
    TEST(sys_fd_##name)                                                                            \
    {                                                                                              \
        tree_run(guest_##name, false);                                                             \
    }                                                                                              \
    static void guest_##name(struct fake *g, uint32_t arg __attribute__((unused)))

static uint32_t new_file(struct fake *g, const char *name, const char *text)
{
    int64_t fd = fake_open(g, 3, name, O_CREATE, RW);
    OK(fd >= 0);
    EQ(fake_write(g, (uint32_t)fd, text, (uint32_t)strlen(text)), strlen(text));
    return (uint32_t)fd;
}

static int64_t seek(struct fake *g, uint32_t fd, int64_t offset, int whence)
{
    uint32_t top = g->top, at = fake_alloc(g, 8);
    int result = fake_call(g, SYS_fd_seek, fd, (uint64_t)offset, (uint64_t)whence, at);
    g->top = top;
    return result == 0 ? (int64_t)fake_u64(g, at) : -(int64_t)result;
}

static int64_t tell(struct fake *g, uint32_t fd)
{
    uint32_t top = g->top, at = fake_alloc(g, 8);
    int result = fake_call(g, SYS_fd_tell, fd, at);
    g->top = top;
    return result == 0 ? (int64_t)fake_u64(g, at) : -(int64_t)result;
}

static int64_t size_of(struct fake *g, uint32_t fd)
{
    uint32_t top = g->top, at = fake_alloc(g, 64);
    int result = fake_call(g, SYS_fd_filestat_get, fd, at);
    g->top = top;
    return result == 0 ? (int64_t)fake_u64(g, at + 32) : -(int64_t)result;
}

GUEST_TEST(write_seek_read)
{
    char text[16] = "";
    uint32_t fd = new_file(g, "a", "hello world");
    EQ(tell(g, fd), 11);
    EQ(seek(g, fd, 6, 0), 6);
    EQ(fake_read(g, fd, text, 15), 5);
    STR_EQ(text, "world");
    EQ(fake_read(g, fd, text, 15), 0);
    EQ(seek(g, fd, -11, 1), 0);
    EQ(seek(g, fd, -1, 1), -ERRNO_INVAL);
    EQ(seek(g, fd, 0, 3), -ERRNO_INVAL);
    EQ(seek(g, fd, 5, 2), 16);
    EQ(seek(g, fd, INT64_MAX, 1), -ERRNO_OVERFLOW);
    EQ(tell(g, fd), 16);
    EQ(fake_call(g, SYS_fd_seek, fd, 0, 0, g->size - 7), ERRNO_FAULT);
    EQ(tell(g, fd), 16);
}

GUEST_TEST(several_buffers)
{
    uint32_t fd = new_file(g, "a", "0123456789");
    uint32_t out = fake_alloc(g, 16), n = fake_alloc(g, 4);
    uint32_t pairs[8] = {out, 3, out + 3, 0, out + 3, 2, out + 5, 9};
    uint32_t list = fake_data(g, pairs, sizeof pairs);
    memset(fake_at(g, out), '.', 16);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_call(g, SYS_fd_read, fd, list, 4, n), 0);
    EQ(fake_u32(g, n), 10);
    OK(memcmp(fake_at(g, out), "0123456789......", 16) == 0);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_call(g, SYS_fd_write, fd, list, 3, n), 0);
    EQ(fake_u32(g, n), 5);
    EQ(tell(g, fd), 5);
    EQ(fake_call(g, SYS_fd_read, fd, list, 1025, n), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_read, fd, g->size - 4, 1, n), ERRNO_FAULT);
    EQ(fake_call(g, SYS_fd_read, fd, list, 1, g->size - 3), ERRNO_FAULT);
    EQ(tell(g, fd), 5); /* nothing was read by a call that failed */
}

GUEST_TEST(a_list_with_one_bad_buffer_writes_nothing)
{
    uint32_t fd = new_file(g, "a", "");
    uint32_t pairs[4] = {16, 8, g->size - 2, 3}, n = fake_alloc(g, 4);
    uint32_t list = fake_data(g, pairs, sizeof pairs);
    EQ(fake_call(g, SYS_fd_write, fd, list, 2, n), ERRNO_FAULT);
    EQ(size_of(g, fd), 0);
}

GUEST_TEST(read_over_its_own_list)
{
    /* The first buffer is the list itself: what is read must not change where the rest goes. */
    uint32_t fd = new_file(g, "a",
                           "\xff\xff\xff\xff\xff\xff\xff\xff"
                           "\xff\xff\xff\xff\xff\xff\xff\xff"
                           "tail");
    uint32_t tail = fake_alloc(g, 8), n = fake_alloc(g, 4), list = fake_alloc(g, 16);
    uint32_t pairs[4] = {list, 16, tail, 4};
    memcpy(fake_at(g, list), pairs, sizeof pairs);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_call(g, SYS_fd_read, fd, list, 2, n), 0);
    EQ(fake_u32(g, n), 20);
    OK(memcmp(fake_at(g, tail), "tail", 4) == 0);
}

static int64_t at_offset(struct fake *g, int call, uint32_t fd, void *data, uint32_t len,
                         uint64_t offset)
{
    uint32_t top = g->top, at = fake_data(g, data, len), pair[2] = {at, len};
    uint32_t list = fake_data(g, pair, sizeof pair), n = fake_alloc(g, 4);
    int result = fake_call(g, call, fd, list, 1, offset, n);
    g->top = top;
    memcpy(data, fake_at(g, at), len);
    return result == 0 ? (int64_t)fake_u32(g, n) : -(int64_t)result;
}

GUEST_TEST(pread_and_pwrite)
{
    char text[8] = "abc";
    uint32_t fd = new_file(g, "a", "0123456789");
    EQ(at_offset(g, SYS_fd_pwrite, fd, text, 3, 8), 3);
    EQ(size_of(g, fd), 11);
    EQ(tell(g, fd), 10); /* the offset of the file does not move */
    EQ(at_offset(g, SYS_fd_pread, fd, text, 4, 7), 4);
    OK(memcmp(text, "7abc", 4) == 0);
    EQ(at_offset(g, SYS_fd_pread, fd, text, 4, 11), 0);  /* at the end */
    EQ(at_offset(g, SYS_fd_pread, fd, text, 4, 500), 0); /* past it */
    EQ(at_offset(g, SYS_fd_pwrite, fd, text, 1, 20), 1);
    EQ(size_of(g, fd), 21);
    EQ(at_offset(g, SYS_fd_pread, fd, text, 1, 15), 1); /* the gap is zero */
    EQ(text[0], 0);
    EQ(at_offset(g, SYS_fd_pread, fd, text, 1, UINT64_MAX), -ERRNO_INVAL);
    EQ(at_offset(g, SYS_fd_pwrite, fd, text, 1, UINT64_MAX), -ERRNO_INVAL);
    EQ(at_offset(g, SYS_fd_pwrite, fd, text, 2, INT64_MAX), -ERRNO_FBIG);
}

GUEST_TEST(append)
{
    uint32_t fd = new_file(g, "a", "one");
    EQ(fake_call(g, SYS_fd_fdstat_set_flags, fd, FILE_APPEND), 0);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_write(g, fd, "two", 3), 3);
    EQ(size_of(g, fd), 6);
    EQ(tell(g, fd), 6);
    EQ(fake_call(g, SYS_fd_fdstat_set_flags, fd, 0), 0);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_write(g, fd, "x", 1), 1);
    EQ(size_of(g, fd), 6);
    EQ(fake_call(g, SYS_fd_fdstat_set_flags, fd, 32), ERRNO_INVAL);
}

GUEST_TEST(bad_descriptors)
{
    static const uint32_t bad[] = {20, 255, 256, 100000, UINT32_MAX, 0x80000000u};
    uint32_t at = fake_alloc(g, 64);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t fd = bad[i];
        EQ(fake_call(g, SYS_fd_close, fd), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_fdstat_get, fd, at), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_read, fd, at, 1, at + 32), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_write, fd, at, 1, at + 32), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_seek, fd, 0, 0, at), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_tell, fd, at), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_renumber, fd, 3), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_renumber, 3, fd), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_dup, fd, 0, 0, at), ERRNO_BADF);
        EQ(fake_call(g, SYS_sock_shutdown, fd, 0), ERRNO_BADF);
        EQ(fake_call(g, SYS_path_create_directory, fd, at, 1), ERRNO_BADF);
        EQ(fake_call(g, SYS_fd_prestat_get, fd, at), ERRNO_BADF);
    }
}

GUEST_TEST(closed_is_closed)
{
    uint32_t fd = new_file(g, "a", "x");
    EQ(fake_call(g, SYS_fd_close, fd), 0);
    EQ(fake_call(g, SYS_fd_close, fd), ERRNO_BADF);
    EQ(new_file(g, "b", "x"), fd); /* the lowest number again */
}

GUEST_TEST(rights_can_only_shrink)
{
    uint32_t fd = new_file(g, "a", "x"), at = fake_alloc(g, 24);
    EQ(fake_call(g, SYS_fd_fdstat_get, fd, at), 0);
    EQ(*(uint8_t *)fake_at(g, at), FILE_REGULAR);
    EQ(fake_u64(g, at + 8), (long long)RW);
    EQ(fake_u64(g, at + 16), 0);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, fd, RW | CAPFUL_RIGHT_PATH_OPEN, 0),
       ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, fd, RW, CAPFUL_RIGHT_FD_READ), ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, fd, UINT64_C(1) << 40, 0), ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, fd, CAPFUL_RIGHT_FD_SEEK, 0), 0);
    EQ(fake_read(g, fd, NULL, 1), -ERRNO_NOTCAPABLE);
    EQ(fake_write(g, fd, "y", 1), -ERRNO_NOTCAPABLE);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, fd, CAPFUL_RIGHT_FD_READ, 0), ERRNO_NOTCAPABLE);
    EQ(size_of(g, fd), -ERRNO_NOTCAPABLE);
}

GUEST_TEST(duplicates_share_the_offset_and_have_own_rights)
{
    uint32_t fd = new_file(g, "a", "0123456789"), at = fake_alloc(g, 4);
    EQ(fake_call(g, SYS_fd_dup, fd, 10, 1, at), 0);
    uint32_t copy = fake_u32(g, at);
    EQ(copy, 10);
    OK(fdtab_get(&g->process->fds, copy)->close_on_spawn);
    EQ(seek(g, copy, 3, 0), 3);
    EQ(tell(g, fd), 3);
    EQ(fake_call(g, SYS_fd_fdstat_set_rights, copy, CAPFUL_RIGHT_FD_READ, 0), 0);
    EQ(fake_write(g, copy, "x", 1), -ERRNO_NOTCAPABLE);
    EQ(fake_write(g, fd, "x", 1), 1);
    EQ(fake_call(g, SYS_fd_dup, fd, 256, 0, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_dup, fd, 0, 2, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_dup, fd, 0, 0, g->size - 3), ERRNO_FAULT);
    EQ(fake_call(g, SYS_fd_dup2, fd, 30, 0), 0);
    EQ(tell(g, 30), 4);
    EQ(fake_call(g, SYS_fd_dup2, fd, fd, 0), 0);
    EQ(fake_call(g, SYS_fd_dup2, fd, 256, 0), ERRNO_BADF);
    EQ(fake_call(g, SYS_fd_dup2, fd, 31, 4), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_cloexec, fd, 1), 0);
    OK(fdtab_get(&g->process->fds, fd)->close_on_spawn);
    EQ(fake_call(g, SYS_fd_cloexec, fd, 2), ERRNO_INVAL);
}

GUEST_TEST(descriptors_run_out)
{
    uint32_t fd = new_file(g, "a", ""), at = fake_alloc(g, 8), n = 0;
    int result;
    while ((result = fake_call(g, SYS_fd_dup, fd, 0, 0, at)) == 0)
        n++;
    EQ(result, ERRNO_MFILE);
    EQ(n, 256 - 5); /* 0, 1, 2, 3 and the file are open */
    EQ(fake_open(g, 3, "new", O_CREATE, RW), -ERRNO_MFILE);
    EQ(fake_call(g, SYS_fd_pipe, 0, at), ERRNO_MFILE);
    EQ(fake_call(g, SYS_fd_close, 100), 0);
    EQ(fake_call(g, SYS_fd_pipe, 0, at),
       ERRNO_MFILE); /* one is not enough, and none is left half made */
    EQ(fake_open(g, 3, "new", 0, RW), -ERRNO_NOENT); /* nor was the file created */
    EQ(fake_open(g, 3, "a", 0, RW), 100);
}

GUEST_TEST(renumber)
{
    uint32_t a = new_file(g, "a", "1"), b = new_file(g, "b", "22");
    EQ(fake_call(g, SYS_fd_renumber, a, b), 0);
    EQ(size_of(g, b), 1);
    EQ(size_of(g, a), -ERRNO_BADF);
    EQ(fake_call(g, SYS_fd_renumber, b, b), 0);
}

GUEST_TEST(size_and_allocate)
{
    uint32_t fd = new_file(g, "a", "0123456789");
    EQ(fake_call(g, SYS_fd_filestat_set_size, fd, 4), 0);
    EQ(size_of(g, fd), 4);
    EQ(fake_call(g, SYS_fd_filestat_set_size, fd, 100), 0);
    EQ(size_of(g, fd), 100);
    EQ(fake_call(g, SYS_fd_filestat_set_size, fd, UINT64_MAX), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_allocate, fd, 90, 20), 0);
    EQ(size_of(g, fd), 110);
    EQ(fake_call(g, SYS_fd_allocate, fd, 0, 10), 0);
    EQ(size_of(g, fd), 110);
    EQ(fake_call(g, SYS_fd_allocate, fd, 0, 0), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_allocate, fd, INT64_MAX, 1), ERRNO_FBIG);
    EQ(fake_call(g, SYS_fd_advise, fd, 0, 10, 5), 0);
    EQ(fake_call(g, SYS_fd_advise, fd, 0, 10, 6), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_advise, fd, UINT64_MAX, 10, 0), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_sync, fd), 0);
    EQ(fake_call(g, SYS_fd_datasync, fd), 0);
}

GUEST_TEST(times)
{
    uint32_t fd = new_file(g, "a", ""), at = fake_alloc(g, 64);
    EQ(fake_call(g, SYS_fd_filestat_set_times, fd, 111, 222, 1 | 4), 0);
    EQ(fake_call(g, SYS_fd_filestat_get, fd, at), 0);
    EQ(fake_u64(g, at + 40), 111);
    EQ(fake_u64(g, at + 48), 222);
    EQ(fake_call(g, SYS_fd_filestat_set_times, fd, 333, 444, 4), 0);
    EQ(fake_call(g, SYS_fd_filestat_get, fd, at), 0);
    EQ(fake_u64(g, at + 40), 111);
    EQ(fake_u64(g, at + 48), 444);
    EQ(fake_call(g, SYS_fd_filestat_set_times, fd, 0, 0, 2),
       0); /* now: the fixed clock of the rig */
    EQ(fake_call(g, SYS_fd_filestat_get, fd, at), 0);
    EQ(fake_u64(g, at + 40), TREE_TIME);
    EQ(fake_call(g, SYS_fd_filestat_set_times, fd, 0, 0, 3), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_filestat_set_times, fd, 0, 0, 12), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_filestat_set_times, fd, 0, 0, 16), ERRNO_INVAL);
}

/* Reads a directory with a buffer of `size` bytes; the names, in order, each followed by a space.
 */
static void list_names(struct fake *g, uint32_t dir, uint32_t size, char *out)
{
    uint64_t cookie = 0;
    uint32_t at = fake_alloc(g, size), n = fake_alloc(g, 4);
    *out = 0;
    for (int round = 0; round < 1000; round++) {
        EQ(fake_call(g, SYS_fd_readdir, dir, at, size, cookie, n), 0);
        uint32_t used = fake_u32(g, n), seen = 0;
        for (uint32_t i = 0; used - i >= 24;) {
            uint32_t len = fake_u32(g, at + i + 16);
            if (len > used - i - 24)
                break;
            strncat(out, fake_at(g, at + i + 24), len);
            strcat(out, " ");
            cookie = fake_u64(g, at + i);
            i += 24 + len;
            seen++;
        }
        if (used < size || seen == 0)
            return;
    }
}

GUEST_TEST(readdir_with_buffers_of_every_size)
{
    char all[400], some[400];
    char name[16];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "f%d", i);
        fake_call(g, SYS_fd_close, new_file(g, name, ""));
    }
    list_names(g, 3, 4096, all);
    OK(strncmp(all, ". .. ", 5) == 0);
    OK(strstr(all, "f11 ") != NULL);
    for (uint32_t size = 24 + 3; size < 200; size++) {
        uint32_t top = g->top;
        list_names(g, 3, size, some);
        STR_EQ(some, all);
        g->top = top;
    }
}

GUEST_TEST(readdir_corners)
{
    uint32_t at = fake_alloc(g, 64), n = fake_alloc(g, 4), fd = new_file(g, "a", "");
    EQ(fake_call(g, SYS_fd_readdir, 3, at, 0, 0, n), 0);
    EQ(fake_u32(g, n), 0);
    EQ(fake_call(g, SYS_fd_readdir, 3, at, 10, 0, n),
       0); /* smaller than any entry: full, so not the end */
    EQ(fake_u32(g, n), 10);
    EQ(fake_call(g, SYS_fd_readdir, fd, at, 64, 0, n), ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_readdir, 3, at, g->size, 0, n), ERRNO_FAULT);
    EQ(fake_call(g, SYS_fd_readdir, 3, at, 64, 0, g->size - 2), ERRNO_FAULT);
}

GUEST_TEST(directories_are_no_files)
{
    uint32_t at = fake_alloc(g, 64);
    EQ(fake_read(g, 3, NULL, 1), -ERRNO_NOTCAPABLE);
    EQ(fake_write(g, 3, "x", 1), -ERRNO_NOTCAPABLE);
    EQ(seek(g, 3, 0, 0), -ERRNO_NOTCAPABLE);
    EQ(tell(g, 3), -ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_allocate, 3, 0, 1), ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_filestat_set_size, 3, 0), ERRNO_NOTCAPABLE);
    EQ(fake_call(g, SYS_fd_filestat_get, 3, at), 0);
    EQ(*(uint8_t *)fake_at(g, at + 16), FILE_DIRECTORY);
}

GUEST_TEST(preopens)
{
    uint32_t at = fake_alloc(g, 64);
    EQ(fake_call(g, SYS_fd_prestat_get, 3, at), 0);
    EQ(fake_u32(g, at), 0);
    EQ(fake_u32(g, at + 4), 10);
    EQ(fake_call(g, SYS_fd_prestat_dir_name, 3, at, 9), ERRNO_NAMETOOLONG);
    memset(fake_at(g, at), '.', 64);
    EQ(fake_call(g, SYS_fd_prestat_dir_name, 3, at, 64), 0);
    OK(memcmp(fake_at(g, at), "/workspace.", 11) == 0);
    EQ(fake_call(g, SYS_fd_prestat_get, 0, at), ERRNO_BADF);
    EQ(fake_call(g, SYS_fd_prestat_get, 4, at), ERRNO_BADF);
    EQ(fake_call(g, SYS_fd_prestat_get, 3, g->size - 4), ERRNO_FAULT);
}

GUEST_TEST(sockets_are_refused)
{
    uint32_t at = fake_alloc(g, 64);
    EQ(fake_call(g, SYS_sock_accept, 1, 0, at), ERRNO_NOTSOCK);
    EQ(fake_call(g, SYS_sock_recv, 1, at, 1, 0, at, at), ERRNO_NOTSOCK);
    EQ(fake_call(g, SYS_sock_send, 1, at, 1, 0, at), ERRNO_NOTSOCK);
    EQ(fake_call(g, SYS_sock_shutdown, 1, 0), ERRNO_NOTSOCK);
    EQ(fake_call(g, SYS_sock_shutdown, 3, 0), ERRNO_NOTSOCK);
}

/* ---- pipes and streams */

GUEST_TEST(nonblocking_pipe)
{
    static char block[70000];
    uint32_t ends[2];
    EQ(fake_pipe(g, ends), 0);
    for (int i = 0; i < 2; i++)
        EQ(fake_call(g, SYS_fd_fdstat_set_flags, ends[i], FILE_NONBLOCK), 0);
    EQ(fake_read(g, ends[0], NULL, 1), -ERRNO_AGAIN);
    EQ(fake_write(g, ends[1], block, sizeof block), 65536); /* as much as there is room for */
    EQ(fake_write(g, ends[1], block, 1), -ERRNO_AGAIN);
    EQ(fake_read(g, ends[0], NULL, 70000), 65536);
    EQ(fake_read(g, ends[0], NULL, 0), 0);
    EQ(fake_write(g, ends[1], block, 0), 0);
}

GUEST_TEST(pipe_rights)
{
    uint32_t ends[2], at = fake_alloc(g, 64);
    EQ(fake_pipe(g, ends), 0);
    EQ(fake_write(g, ends[0], "x", 1), -ERRNO_NOTCAPABLE);
    EQ(fake_read(g, ends[1], NULL, 1), -ERRNO_NOTCAPABLE);
    EQ(seek(g, ends[0], 0, 1), -ERRNO_SPIPE);
    EQ(tell(g, ends[0]), -ERRNO_SPIPE);
    EQ(fake_call(g, SYS_fd_pread, ends[0], at, 0, 0, at), ERRNO_SPIPE);
    EQ(fake_call(g, SYS_fd_fdstat_get, ends[0], at), 0);
    EQ(*(uint8_t *)fake_at(g, at), FILE_UNKNOWN);
    EQ(fake_call(g, SYS_fd_pipe, 2, at), ERRNO_INVAL);
    EQ(fake_call(g, SYS_fd_pipe, 0, g->size - 4), ERRNO_FAULT);
    EQ(fake_call(g, SYS_fd_pipe, 1, at), 0);
    OK(fdtab_get(&g->process->fds, fake_u32(g, at))->close_on_spawn);
    OK(fdtab_get(&g->process->fds, fake_u32(g, at + 4))->close_on_spawn);
}

GUEST_TEST(gathered_write_is_atomic)
{
    uint32_t ends[2], n = fake_alloc(g, 4), text = fake_text(g, "abcdef");
    uint32_t pairs[6] = {text, 2, text + 4, 2, text + 2, 2};
    uint32_t list = fake_data(g, pairs, sizeof pairs);
    char got[8] = "";
    static char block[65536];
    EQ(fake_pipe(g, ends), 0);
    EQ(fake_call(g, SYS_fd_fdstat_set_flags, ends[1], FILE_NONBLOCK), 0);
    EQ(fake_write(g, ends[1], block, 65536 - 5), 65536 - 5);
    EQ(fake_call(g, SYS_fd_write, ends[1], list, 3, n),
       ERRNO_AGAIN); /* 6 bytes do not fit: none goes */
    EQ(fake_read(g, ends[0], NULL, 65536), 65536 - 5);
    EQ(fake_call(g, SYS_fd_write, ends[1], list, 3, n), 0);
    EQ(fake_u32(g, n), 6);
    EQ(fake_read(g, ends[0], got, 8), 6);
    STR_EQ(got, "abefcd");
}

GUEST_TEST(broken_pipe)
{
    uint32_t ends[2];
    EQ(fake_pipe(g, ends), 0);
    EQ(fake_call(g, SYS_fd_close, ends[0]), 0);
    EQ(fake_write(g, ends[1], "x", 1), -ERRNO_PIPE);
    EQ(fake_write(g, ends[1], "", 0), -ERRNO_PIPE);
}

GUEST_TEST(large_file_in_pieces)
{
    enum { BIG = 3000000 };
    uint32_t at = fake_alloc(g, BIG), n = fake_alloc(g, 4), pair[2] = {at, BIG};
    uint32_t list = fake_data(g, pair, sizeof pair), fd = new_file(g, "big", "");
    uint8_t *data = fake_at(g, at);
    for (uint32_t i = 0; i < BIG; i++)
        data[i] = (uint8_t)(i * 7 >> 4);
    EQ(fake_call(g, SYS_fd_write, fd, list, 1, n), 0);
    EQ(fake_u32(g, n), BIG);
    memset(data, 0, BIG);
    EQ(seek(g, fd, 0, 0), 0);
    EQ(fake_call(g, SYS_fd_read, fd, list, 1, n), 0);
    EQ(fake_u32(g, n), BIG);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < BIG; i++)
        wrong += data[i] != (uint8_t)(i * 7 >> 4);
    EQ(wrong, 0);
}
