/* The same random operations on a tree of the vfs and on a directory of the host: same answers,
 * same contents.
 *
 * The host resolves with openat2(RESOLVE_BENEATH), the vfs beneath too. CAPFUL_MODEL_SEED and
 * CAPFUL_MODEL_STEPS make other or longer runs. Where the vfs is stricter than a plain directory
 * (links in rw mounts that could lead out) the operation is left out on the host's side.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "vfs_rig.h"

enum side { MEMORY, HOST, OVERLAY };

#define OPEN_FILES 5

struct model {
    struct rig rig;
    enum side side;
    const char *host; /* the model's directory */
    int top;          /* of it */
    uint64_t random;
    struct file *files[OPEN_FILES];
    int fds[OPEN_FILES];
    struct vfs_snapshot *snapshot;
    const char *saved; /* copy of the model's directory at the snapshot */
    uint64_t steps, refused;
    char log[200];
};

static uint32_t draw(struct model *m, uint32_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (uint32_t)(m->random >> 33) % below;
}

static void random_path(struct model *m, char out[64])
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "long-name", "a", "b"};
    static const char *const odd[] = {".", "..", "..", "a", "b"};
    unsigned parts = 1 + draw(m, 4);
    out[0] = 0;
    for (unsigned i = 0; i < parts; i++) {
        if (i > 0)
            strcat(out, draw(m, 12) ? "/" : "//");
        strcat(out, draw(m, 8) ? names[draw(m, 8)] : odd[draw(m, 5)]);
    }
    if (draw(m, 10) == 0)
        strcat(out, "/");
}

/* An answer of the host as the guest would see it. */
static int answer(long result)
{
    if (result >= 0)
        return 0;
    return errno == EXDEV ? ERRNO_NOTCAPABLE : errno_from_host(errno);
}

static int host_open(struct model *m, const char *path, int flags, mode_t mode)
{
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)flags | O_CLOEXEC;
    how.mode = flags & O_CREAT ? mode : 0;
    how.resolve = RESOLVE_BENEATH;
    long fd;
    do {
        fd = syscall(SYS_openat2, m->top, path, &how, sizeof how);
    } while (fd < 0 && errno == EAGAIN);
    return (int)fd;
}

/* The directory of the last component, and that component with its slashes. */
static int host_parent(struct model *m, const char *path, const char **ret_last)
{
    char dir[64];
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    memcpy(dir, path, end);
    dir[end] = 0;
    *ret_last = path + end;
    if (strncmp(path + end, "..", 2) == 0) { /* the last step up counts too */
        int fd = host_open(m, path, O_PATH | O_DIRECTORY, 0);
        if (fd < 0)
            return fd;
        close(fd);
    }
    return host_open(m, end ? dir : ".", O_PATH | O_DIRECTORY, 0);
}

static void compare(struct model *m, const char *what, const char *path, const char *more, int got,
                    int wanted)
{
    if (got == wanted)
        return;
    printf("# step %llu: %s %s %s: %d, the host says %d\n", (unsigned long long)m->steps, what,
           path, more, got, wanted);
    tap_fail(__FILE__, __LINE__);
    tap_stop();
}

static void step_mkdir(struct model *m)
{
    char path[64];
    const char *last;
    random_path(m, path);
    int got = do_mkdir(&m->rig, path), fd = host_parent(m, path, &last);
    int wanted = fd < 0 ? answer(fd) : answer(mkdirat(fd, last, 0777));
    close(fd);
    compare(m, "mkdir", path, "", got, wanted);
}

static void step_rmdir(struct model *m)
{
    char path[64];
    const char *last;
    random_path(m, path);
    int got = do_rmdir(&m->rig, path), fd = host_parent(m, path, &last);
    int wanted = fd < 0 ? answer(fd) : answer(unlinkat(fd, last, AT_REMOVEDIR));
    close(fd);
    compare(m, "rmdir", path, "", got, wanted);
}

static void step_unlink(struct model *m)
{
    char path[64];
    const char *last;
    random_path(m, path);
    int got = do_unlink(&m->rig, path), fd = host_parent(m, path, &last);
    int wanted = fd < 0 ? answer(fd) : answer(unlinkat(fd, last, 0));
    close(fd);
    compare(m, "unlink", path, "", got, wanted);
}

static void step_rename(struct model *m)
{
    char from[64], to[64];
    const char *last, *to_last;
    random_path(m, from);
    random_path(m, to);
    int got = do_rename(&m->rig, from, to);
    if (m->side == HOST && (got == ERRNO_PERM || got == ERRNO_XDEV)) {
        m->refused++;
        return;
    }
    int fd = host_parent(m, from, &last), wanted = fd < 0 ? answer(fd) : 0, to_fd = -1;
    if (wanted == 0) {
        to_fd = host_parent(m, to, &to_last);
        wanted = to_fd < 0 ? answer(to_fd) : answer(renameat(fd, last, to_fd, to_last));
    }
    close(fd);
    close(to_fd);
    compare(m, "rename", from, to, got, wanted);
}

static void step_link(struct model *m)
{
    char from[64], to[64];
    const char *last, *to_last;
    random_path(m, from);
    random_path(m, to);
    int got = do_link(&m->rig, from, to);
    if (m->side == HOST && got == ERRNO_PERM) {
        m->refused++;
        return;
    }
    int fd = host_parent(m, from, &last), wanted = fd < 0 ? answer(fd) : 0, to_fd = -1;
    struct stat stat;
    /* The host looks at the source whole before it looks at the target's way. */
    if (wanted == 0) {
        int there = host_open(m, from, O_PATH | O_NOFOLLOW, 0);
        wanted = there < 0 ? answer(there) : 0;
        if (wanted == 0 && fstat(there, &stat) != 0)
            wanted = answer(-1);
        close(there);
    }
    if (wanted == 0) {
        to_fd = host_parent(m, to, &to_last);
        wanted = to_fd < 0 ? answer(to_fd) : answer(linkat(fd, last, to_fd, to_last, 0));
    }
    close(fd);
    close(to_fd);
    compare(m, "link", from, to, got, wanted);
}

static void step_symlink(struct model *m)
{
    char target[64], path[64];
    const char *last;
    random_path(m, target);
    random_path(m, path);
    int got = do_symlink(&m->rig, target, path);
    if (m->side == HOST && got == ERRNO_PERM) {
        m->refused++;
        return;
    }
    int fd = host_parent(m, path, &last),
        wanted = fd < 0 ? answer(fd) : answer(symlinkat(target, fd, last));
    close(fd);
    compare(m, "symlink", target, path, got, wanted);
}

static void step_stat(struct model *m)
{
    char path[64];
    struct stat stat;
    struct file_stat mine;
    random_path(m, path);
    bool follow = draw(m, 2);
    int got = do_stat(&m->rig, path, follow, &mine);
    int fd = host_open(m, path, O_PATH | (follow ? 0 : O_NOFOLLOW), 0);
    int wanted = fd < 0 ? answer(fd) : answer(fstat(fd, &stat));
    close(fd);
    compare(m, follow ? "stat" : "lstat", path, "", got, wanted);
    if (got != 0)
        return;
    EQ(mine.type == FILE_DIRECTORY, S_ISDIR(stat.st_mode) != 0);
    EQ(mine.type == FILE_SYMLINK, S_ISLNK(stat.st_mode) != 0);
    if (mine.type == FILE_REGULAR) {
        EQ(mine.size, (uint64_t)stat.st_size);
        if (m->side != OVERLAY) /* copying up ends a lower file's other names */
            EQ(mine.links, (uint64_t)stat.st_nlink);
    }
}

static void step_readlink(struct model *m)
{
    char path[64], target[128];
    const char *last;
    struct buf out = BUF_INIT(8192);
    random_path(m, path);
    int got = vfs_readlink(m->rig.vfs, at(&m->rig), str_of(path), &out);
    ssize_t len = -1;
    int fd, wanted;
    if (path[strlen(path) - 1] == '/') { /* resolved to the end, then read */
        fd = host_open(m, path, O_PATH, 0);
        wanted = fd < 0 ? answer(fd) : ERRNO_INVAL;
    } else {
        fd = host_parent(m, path, &last);
        bool up = strcmp(last, "..") == 0;
        if (fd >= 0 && up) {
            close(fd);
            fd = host_open(m, path, O_PATH, 0);
        }
        len = fd < 0 ? -1 : up ? -1 : readlinkat(fd, last, target, sizeof target);
        wanted = fd < 0 ? answer(fd) : up ? ERRNO_INVAL : answer(len);
    }
    close(fd);
    compare(m, "readlink", path, "", got, wanted);
    if (got == 0) {
        EQ(out.len, (size_t)len);
        MEM_EQ(out.data, target, out.len);
    }
    buf_release(&out);
}

static void close_slot(struct model *m, unsigned slot)
{
    if (!m->files[slot])
        return;
    file_unref(m->files[slot]);
    close(m->fds[slot]);
    m->files[slot] = NULL;
}

static void step_open(struct model *m)
{
    char path[64];
    unsigned slot = draw(m, OPEN_FILES), flags = 0;
    int host = 0;
    struct file *file = NULL;
    bool write = draw(m, 3);
    close_slot(m, slot);
    random_path(m, path);
    if (draw(m, 4))
        flags |= VFS_FOLLOW;
    else
        host |= O_NOFOLLOW;
    if (draw(m, 2)) {
        flags |= VFS_CREATE;
        host |= O_CREAT;
        if (draw(m, 4) == 0) {
            flags |= VFS_EXCLUSIVE;
            host |= O_EXCL;
        }
    } else if (draw(m, 8) == 0) {
        flags |= VFS_DIRECTORY;
        host |= O_DIRECTORY;
    }
    if (write && draw(m, 4) == 0) {
        flags |= VFS_TRUNCATE;
        host |= O_TRUNC;
    }
    unsigned append = draw(m, 5) == 0;
    int got = vfs_open(m->rig.vfs, at(&m->rig), str_of(path), flags, append ? FILE_APPEND : 0, true,
                       write, &file);
    int fd = host_open(m, path, host | (append ? O_APPEND : 0) | (write ? O_RDWR : O_RDONLY), 0666);
    int wanted = fd < 0 ? answer(fd) : 0;
    snprintf(m->log, sizeof m->log, "(flags %u write %d)", flags, write);
    compare(m, "open", path, m->log, got, wanted);
    if (got != 0)
        return;
    m->files[slot] = file;
    m->fds[slot] = fd;
}

static uint64_t random_offset(struct model *m)
{
    static const uint64_t edges[] = {0, 1, 4095, 4096, 65535, 65536, 131072, 200000};
    return draw(m, 2) ? edges[draw(m, 8)] : draw(m, 300);
}

static void step_write(struct model *m)
{
    static char data[150000];
    unsigned slot = draw(m, OPEN_FILES);
    if (!m->files[slot] || m->files[slot]->ops->type == FILE_DIRECTORY)
        return;
    size_t len = draw(m, 3) ? draw(m, 200) : draw(m, sizeof data), done = 0;
    memset(data, 'a' + (int)draw(m, 26), len);
    struct file *file = m->files[slot];
    ssize_t host;
    int got;
    if (draw(m, 2)) {
        uint64_t offset = random_offset(m);
        if (file->flags & FILE_APPEND)
            return; /* Linux appends with pwrite, POSIX and we do not */
        got = file_pwrite(file, data, len, offset, &done);
        host = pwrite(m->fds[slot], data, len, (off_t)offset);
    } else {
        got = file_write(file, data, len, &done);
        host = write(m->fds[slot], data, len);
    }
    compare(m, "write", "", "", got, answer(host));
    if (got == 0)
        EQ(done, (size_t)host);
}

static void step_read(struct model *m)
{
    static char mine[150000], theirs[150000];
    unsigned slot = draw(m, OPEN_FILES);
    if (!m->files[slot] || m->files[slot]->ops->type == FILE_DIRECTORY)
        return;
    size_t len = draw(m, 3) ? draw(m, 200) : draw(m, sizeof mine), done = 0;
    ssize_t host;
    int got;
    if (draw(m, 2)) {
        uint64_t offset = random_offset(m);
        got = file_pread(m->files[slot], mine, len, offset, &done);
        host = pread(m->fds[slot], theirs, len, (off_t)offset);
    } else {
        got = file_read(m->files[slot], mine, len, &done);
        host = read(m->fds[slot], theirs, len);
    }
    compare(m, "read", "", "", got, answer(host));
    if (got != 0)
        return;
    ASSERT_EQ_INT(done, (size_t)host);
    ASSERT_EQ_MEM(mine, theirs, done);
}

static void step_seek_or_size(struct model *m)
{
    unsigned slot = draw(m, OPEN_FILES);
    struct file *file = m->files[slot];
    if (!file || file->ops->type == FILE_DIRECTORY)
        return;
    if (draw(m, 2)) {
        uint64_t to = 0;
        int whence = (int)draw(m, 3);
        int64_t offset = (int64_t)random_offset(m) - 100;
        int got = file_seek(file, offset, whence, &to);
        off_t host = lseek(m->fds[slot], offset, whence);
        compare(m, "seek", "", "", got, answer(host));
        if (got == 0)
            EQ(to, (uint64_t)host);
    } else {
        uint64_t size = random_offset(m);
        compare(m, "truncate", "", "", file_set_size(file, size),
                answer(ftruncate(m->fds[slot], (off_t)size)));
    }
}

/* ---- whole trees */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void compare_file(struct model *m, const char *path)
{
    static char mine[400000], theirs[400000];
    struct file *file = NULL;
    size_t done = 0;
    ASSERT_EQ_INT(do_open(&m->rig, path, 0, false, &file), 0);
    ASSERT_EQ_INT(file_pread(file, mine, sizeof mine, 0, &done), 0);
    file_unref(file);
    int fd = host_open(m, path, O_RDONLY | O_NOFOLLOW, 0);
    ssize_t len = read(fd, theirs, sizeof theirs);
    close(fd);
    ASSERT_EQ_INT(done, (size_t)len);
    ASSERT_EQ_MEM(mine, theirs, done);
}

static void compare_tree(struct model *m, const char *path, unsigned depth)
{
    char *mine[64], *theirs[64], below[512];
    unsigned mine_count = 0, theirs_count = 0;
    struct file *dir = NULL;
    struct file_dirent entry;
    struct file_stat stat;
    struct stat host;
    ASSERT(depth < 60);
    ASSERT_EQ_INT(do_open(&m->rig, path, VFS_DIRECTORY, false, &dir), 0);
    for (uint64_t cookie = 0; file_readdir(dir, cookie, &entry) == 0 && entry.name.len > 0;
         cookie = entry.next) {
        if (cookie >= 2 && mine_count < 64)
            mine[mine_count++] = strndup(entry.name.ptr, entry.name.len);
    }
    file_unref(dir);
    DIR *list = fdopendir(host_open(m, path, O_RDONLY | O_DIRECTORY, 0));
    ASSERT(list);
    for (struct dirent *found; (found = readdir(list));) {
        if (strcmp(found->d_name, ".") && strcmp(found->d_name, "..") && theirs_count < 64)
            theirs[theirs_count++] = strdup(found->d_name);
    }
    qsort(mine, mine_count, sizeof mine[0], by_name);
    qsort(theirs, theirs_count, sizeof theirs[0], by_name);
    if (mine_count != theirs_count)
        printf("# in %s\n", path);
    ASSERT_EQ_INT(mine_count, theirs_count);
    for (unsigned i = 0; i < mine_count; i++) {
        ASSERT_EQ_STR(mine[i], theirs[i]);
        snprintf(below, sizeof below, "%s/%s", path, mine[i]);
        ASSERT_EQ_INT(do_stat(&m->rig, below, false, &stat), 0);
        ASSERT_EQ_INT(fstatat(dirfd(list), mine[i], &host, AT_SYMLINK_NOFOLLOW), 0);
        EQ(stat.type == FILE_DIRECTORY, S_ISDIR(host.st_mode) != 0);
        EQ(stat.type == FILE_REGULAR, S_ISREG(host.st_mode) != 0);
        EQ(stat.mode, (uint32_t)host.st_mode & 0777);
        if (stat.type == FILE_DIRECTORY)
            compare_tree(m, below, depth + 1);
        else if (stat.type == FILE_REGULAR)
            compare_file(m, below);
        free(mine[i]);
        free(theirs[i]);
    }
    closedir(list);
}

static void run(const char *format, const char *a, const char *b)
{
    char command[300];
    snprintf(command, sizeof command, format, a, b);
    ASSERT_EQ_INT(system(command), 0);
}

static void close_all(struct model *m)
{
    for (unsigned i = 0; i < OPEN_FILES; i++)
        close_slot(m, i);
}

static void take_snapshot(struct model *m)
{
    if (m->snapshot) {
        vfs_snapshot_free(m->snapshot);
        remove_directory(m->saved);
    }
    ASSERT_EQ_INT(vfs_snapshot_take(m->rig.vfs, &m->snapshot), 0);
    m->saved = temp_directory();
    run("cp -a %s/. %s/", m->host, m->saved);
}

static void restore_snapshot(struct model *m)
{
    if (!m->snapshot)
        return;
    close_all(m);
    file_unref(m->rig.dir);
    m->rig.dir = NULL;
    ASSERT_EQ_INT(vfs_snapshot_restore(m->rig.vfs, m->snapshot), 0);
    ASSERT_EQ_INT(vfs_open_directory(m->rig.vfs,
                                     m->side == OVERLAY ? STR("/data") : STR("/workspace"),
                                     &m->rig.dir),
                  0);
    close(m->top);
    remove_directory(m->host);
    m->host = temp_directory();
    run("cp -a %s/. %s/", m->saved, m->host);
    m->top = open(m->host, O_PATH | O_DIRECTORY | O_CLOEXEC);
    compare_tree(m, ".", 0);
}

static void steps(struct model *m, uint64_t count)
{
    static void (*const kinds[])(struct model *) = {
        step_mkdir, step_mkdir,   step_rmdir, step_unlink,   step_rename, step_rename,
        step_link,  step_symlink, step_stat,  step_readlink, step_open,   step_open,
        step_open,  step_write,   step_write, step_read,     step_read,   step_seek_or_size};
    for (uint64_t i = 0; i < count; i++, m->steps++) {
        kinds[draw(m, sizeof kinds / sizeof kinds[0])](m);
        if (i % 500 == 499) {
            compare_tree(m, ".", 0);
            ASSERT_EQ_STR(check(&m->rig), "fine");
        }
        if (m->side != HOST && i % 1500 == 700)
            take_snapshot(m);
        if (m->side != HOST && i % 1500 == 1400)
            restore_snapshot(m);
    }
    compare_tree(m, ".", 0);
}

static void play(enum side side, uint64_t seed, uint64_t count)
{
    struct model m = {.side = side};
    const char *mine = NULL, *text = getenv("CAPFUL_MODEL_SEED"),
               *length = getenv("CAPFUL_MODEL_STEPS");
    umask(022);
    m.random = (text ? strtoull(text, NULL, 10) : seed) * 0x9e3779b97f4a7c15u + 1;
    if (length)
        count = strtoull(length, NULL, 10);
    ASSERT_EQ_INT(rig_open(&m.rig), 0);
    m.rig.kernel.limits.memory = m.rig.kernel.limits.vfs_bytes = UINT64_C(1) << 40;
    m.host = temp_directory();
    m.top = open(m.host, O_PATH | O_DIRECTORY | O_CLOEXEC);
    m.rig.beneath = true;
    if (side != MEMORY) {
        mine = temp_directory();
        if (side == OVERLAY) { /* begin with something in the lower layer */
            host_mkdir(mine, "a");
            host_mkdir(mine, "a/b");
            host_mkdir(mine, "a/b/c");
            host_mkdir(mine, "b");
            host_put(mine, "c", "lower c\n");
            host_put(mine, "a/a", "lower a/a\n");
            host_put(mine, "a/b/d", "lower a/b/d\n");
            host_put(mine, "b/e", "lower b/e\n");
            run("ln -s a/b %s/d && ln -s ../c %s/b/a", mine, mine);
            run("cp -a %s/. %s/", mine, m.host);
        }
        ASSERT_EQ_INT(mount_host(&m.rig, mine, "/data",
                                 side == HOST ? CAPFUL_MOUNT_RW : CAPFUL_MOUNT_OVERLAY),
                      0);
        rig_at(&m.rig, "/data");
    }
    steps(&m, count);
    close_all(&m);
    vfs_snapshot_free(m.snapshot);
    if (m.saved)
        remove_directory(m.saved);
    close(m.top);
    remove_directory(m.host);
    if (side == OVERLAY) { /* the host's files are as they were */
        STR_EQ(host_get(mine, "c"), "lower c\n");
        STR_EQ(host_get(mine, "a/b/d"), "lower a/b/d\n");
        STR_EQ(host_get(mine, "b/e"), "lower b/e\n");
    }
    if (mine)
        remove_directory(mine);
    rig_close(&m.rig);
}

TEST(vfs_model_memory)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        play(MEMORY, seed, 4000);
}

TEST(vfs_model_host)
{
    for (uint64_t seed = 11; seed <= 12; seed++)
        play(HOST, seed, 3000);
}

TEST(vfs_model_host_without_openat2)
{
    hostdir_force_walk(true);
    for (uint64_t seed = 21; seed <= 22; seed++)
        play(HOST, seed, 2000);
    hostdir_force_walk(false);
}

TEST(vfs_model_overlay)
{
    for (uint64_t seed = 31; seed <= 33; seed++)
        play(OVERLAY, seed, 3000);
}
