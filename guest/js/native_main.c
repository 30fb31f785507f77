/* The guest built for the host, for sanitizers, fuzzing and tests without an engine: the calls of
 * "capful" that JavaScript uses, over the real system. No sandbox at all: only for programs that
 * are trusted.
 *
 *     js-native [--tools LIST] FILE|-e CODE [ARG…]
 *
 * LIST is names parted by commas. A call of any of them answers with its own arguments; names that
 * begin with "fail" answer an error, "deny" a denial, "slow" only after 20 ms, and "sum" adds {a,
 * b}. The value of the run is printed last on stdout, as the capful program does.
 */
#include "guest.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool capful_running;
void init(void);
_Noreturn void entry(int32_t fn, int32_t arg);

static struct {
    char *text;
    size_t len;
    int argc;
    char **argv;
    const char *tools; /* ",a,b," */
    char *value;
    size_t value_len;
} host;

struct answer {
    uint32_t id;
    uint32_t status;
    int64_t due;
    char *text;
    struct answer *next;
};
static struct answer *answers;

static int wasi_errno(void)
{
    switch (errno) {
    case EACCES: return ERRNO_ACCES;
    case EBADF: return ERRNO_BADF;
    case EEXIST: return ERRNO_EXIST;
    case EINVAL: return ERRNO_INVAL;
    case EISDIR: return ERRNO_ISDIR;
    case ELOOP: return ERRNO_LOOP;
    case ENAMETOOLONG: return ERRNO_NAMETOOLONG;
    case ENOENT: return ERRNO_NOENT;
    case ENOTDIR: return ERRNO_NOTDIR;
    case ENOTEMPTY: return ERRNO_NOTEMPTY;
    case EPERM: return ERRNO_PERM;
    case EPIPE: return ERRNO_PIPE;
    case EROFS: return ERRNO_ROFS;
    default: return ERRNO_IO;
    }
}

#define CHECK(call)                                                                                \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            return wasi_errno();                                                                   \
    } while (0)

static char path_buf[2][8192];
static const char *path_at(int i, capful_word p, capful_word len)
{
    if (len >= sizeof(path_buf[0]))
        len = sizeof(path_buf[0]) - 1;
    memcpy(path_buf[i], (const char *)p, len);
    path_buf[i][len] = '\0';
    return path_buf[i];
}

static int64_t now_ns(int clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- arguments, clock, random numbers */

int32_t capful_park(void)
{
    return ERRNO_NOSYS;
}

_Noreturn void capful_proc_exit(int32_t code)
{
    if (host.value && code == 0) {
        fflush(stdout);
        if (write(1, host.value, host.value_len) < 0 || write(1, "\n", 1) < 0)
            code = 1;
    }
    exit(code);
}

int32_t capful_import_args_sizes_get(capful_word count, capful_word size)
{
    size_t n = 0;

    for (int i = 0; i < host.argc; i++)
        n += strlen(host.argv[i]) + 1;
    *(uint32_t *)count = (uint32_t)host.argc;
    *(uint32_t *)size = (uint32_t)n;
    return 0;
}

int32_t capful_import_args_get(capful_word list, capful_word text)
{
    for (int i = 0; i < host.argc; i++) {
        ((capful_word *)list)[i] = text;
        strcpy((char *)text, host.argv[i]);
        text += strlen(host.argv[i]) + 1;
    }
    return 0;
}

int32_t capful_import_environ_sizes_get(capful_word count, capful_word size)
{
    *(uint32_t *)count = 2;
    *(uint32_t *)size = 32;
    return 0;
}

int32_t capful_import_environ_get(capful_word list, capful_word text)
{
    memcpy((char *)text, "HOME=/workspace\0LANG=C.UTF-8", 29);
    ((capful_word *)list)[0] = text;
    ((capful_word *)list)[1] = text + 16;
    return 0;
}

int32_t capful_import_clock_time_get(capful_word clock, int64_t precision, capful_word ret)
{
    (void)precision;
    *(uint64_t *)ret = (uint64_t)now_ns(clock == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
    return 0;
}

int32_t capful_import_random_get(capful_word buf, capful_word len)
{
    return getrandom((void *)buf, len, 0) < 0 ? ERRNO_IO : 0;
}

int32_t capful_import_poll_oneoff(capful_word in, capful_word out, capful_word count,
                                  capful_word ret)
{
    (void)out;
    (void)count;
    usleep((useconds_t)(*(uint64_t *)(in + 24) / 1000));
    *(uint32_t *)ret = 1;
    return 0;
}

int32_t capful_import_proc_ids(capful_word ids)
{
    *(struct capful_ids *)ids = (struct capful_ids){1, 0, 1};
    return 0;
}

int32_t capful_import_proc_getcwd(capful_word buf, capful_word size, capful_word ret)
{
    if (!getcwd((char *)buf, size))
        return ERRNO_RANGE;
    *(uint32_t *)ret = (uint32_t)strlen((char *)buf);
    return 0;
}

int32_t capful_import_proc_chdir(capful_word p, capful_word len)
{
    CHECK(chdir(path_at(0, p, len)));
    return 0;
}

/* ---- descriptors */

int32_t capful_import_fd_close(capful_word fd)
{
    CHECK(close((int)fd));
    return 0;
}

int32_t capful_import_fd_read(capful_word fd, capful_word iov, capful_word n, capful_word ret)
{
    struct capful_iovec *v = (void *)iov;
    ssize_t done = read((int)fd, (void *)v->base, v->len);

    (void)n;
    CHECK(done);
    *(uint32_t *)ret = (uint32_t)done;
    return 0;
}

int32_t capful_import_fd_pread(capful_word fd, capful_word iov, capful_word n, int64_t pos,
                               capful_word ret)
{
    struct capful_iovec *v = (void *)iov;
    ssize_t done = pread((int)fd, (void *)v->base, v->len, pos);

    (void)n;
    CHECK(done);
    *(uint32_t *)ret = (uint32_t)done;
    return 0;
}

int32_t capful_import_fd_write(capful_word fd, capful_word iov, capful_word n, capful_word ret)
{
    struct capful_iovec *v = (void *)iov;
    ssize_t done = write((int)fd, (void *)v->base, v->len);

    (void)n;
    CHECK(done);
    *(uint32_t *)ret = (uint32_t)done;
    return 0;
}

int32_t capful_import_fd_pwrite(capful_word fd, capful_word iov, capful_word n, int64_t pos,
                                capful_word ret)
{
    struct capful_iovec *v = (void *)iov;
    ssize_t done = pwrite((int)fd, (void *)v->base, v->len, pos);

    (void)n;
    CHECK(done);
    *(uint32_t *)ret = (uint32_t)done;
    return 0;
}

int32_t capful_import_fd_sync(capful_word fd)
{
    CHECK(fsync((int)fd));
    return 0;
}

int32_t capful_import_fd_filestat_set_size(capful_word fd, int64_t size)
{
    CHECK(ftruncate((int)fd, size));
    return 0;
}

static uint8_t file_type(mode_t mode)
{
    return S_ISDIR(mode)   ? 3
           : S_ISREG(mode) ? 4
           : S_ISLNK(mode) ? 7
           : S_ISCHR(mode) ? 2
           : S_ISBLK(mode) ? 1
                           : 0;
}

static void put_stat(capful_word out, const struct stat *st)
{
    uint64_t *p = (uint64_t *)out;

    p[0] = st->st_dev;
    p[1] = st->st_ino;
    p[2] = file_type(st->st_mode);
    p[3] = st->st_nlink;
    p[4] = (uint64_t)st->st_size;
    p[5] = (uint64_t)st->st_atim.tv_sec * 1000000000 + (uint64_t)st->st_atim.tv_nsec;
    p[6] = (uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec;
    p[7] = (uint64_t)st->st_ctim.tv_sec * 1000000000 + (uint64_t)st->st_ctim.tv_nsec;
}

int32_t capful_import_fd_filestat_get(capful_word fd, capful_word out)
{
    struct stat st;

    CHECK(fstat((int)fd, &st));
    put_stat(out, &st);
    return 0;
}

int32_t capful_import_fd_readdir(capful_word fd, capful_word buf, capful_word size, int64_t cookie,
                                 capful_word ret)
{
    DIR *dir = fdopendir(dup((int)fd));
    struct dirent *e;
    int64_t index = 0;
    size_t used = 0;

    if (!dir)
        return wasi_errno();
    rewinddir(dir);
    while ((e = readdir(dir)) != NULL && used < size) {
        uint8_t head[24] = {0};
        uint32_t len = (uint32_t)strlen(e->d_name);
        size_t n;

        if (index++ < cookie)
            continue;
        memcpy(head, &index, 8);
        memcpy(head + 16, &len, 4);
        head[20] = e->d_type == DT_DIR ? 3 : e->d_type == DT_LNK ? 7 : e->d_type == DT_REG ? 4 : 0;
        n = size - used < 24 ? size - used : 24;
        memcpy((char *)buf + used, head, n);
        used += n;
        n = size - used < len ? size - used : len;
        memcpy((char *)buf + used, e->d_name, n);
        used += n;
    }
    closedir(dir);
    *(uint32_t *)ret = (uint32_t)used;
    return 0;
}

/* ---- paths */

int32_t capful_import_path_open(capful_word dir, capful_word follow, capful_word p, capful_word len,
                                capful_word oflags, int64_t rights, int64_t inheriting,
                                capful_word fdflags, capful_word ret)
{
    bool read = rights & (int64_t)(CAPFUL_RIGHT_FD_READ | CAPFUL_RIGHT_FD_READDIR);
    bool write = rights & (int64_t)CAPFUL_RIGHT_FD_WRITE;
    int flags = read && write ? O_RDWR : write ? O_WRONLY : O_RDONLY;
    struct stat st;
    int fd;

    (void)dir;
    (void)follow;
    (void)inheriting;
    flags |= (oflags & 1 ? O_CREAT : 0) | (oflags & 2 ? O_DIRECTORY : 0) |
             (oflags & 4 ? O_EXCL : 0) | (oflags & 8 ? O_TRUNC : 0) | (fdflags & 1 ? O_APPEND : 0);
    fd = open(path_at(0, p, len), flags, 0644);
    CHECK(fd);
    if (!(oflags & 2) && read && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        return ERRNO_ISDIR;
    }
    *(uint32_t *)ret = (uint32_t)fd;
    return 0;
}

int32_t capful_import_path_filestat_get(capful_word dir, capful_word follow, capful_word p,
                                        capful_word len, capful_word out)
{
    struct stat st;
    const char *path = path_at(0, p, len);

    (void)dir;
    CHECK(follow ? stat(path, &st) : lstat(path, &st));
    put_stat(out, &st);
    return 0;
}

int32_t capful_import_path_filestat_set_times(capful_word dir, capful_word follow, capful_word p,
                                              capful_word len, int64_t atime, int64_t mtime,
                                              capful_word flags)
{
    struct timespec t[2] = {{atime / 1000000000, atime % 1000000000},
                            {mtime / 1000000000, mtime % 1000000000}};

    (void)dir;
    (void)follow;
    (void)flags;
    CHECK(utimensat(AT_FDCWD, path_at(0, p, len), t, 0));
    return 0;
}

int32_t capful_import_path_create_directory(capful_word dir, capful_word p, capful_word len)
{
    (void)dir;
    CHECK(mkdir(path_at(0, p, len), 0755));
    return 0;
}

int32_t capful_import_path_remove_directory(capful_word dir, capful_word p, capful_word len)
{
    (void)dir;
    CHECK(rmdir(path_at(0, p, len)));
    return 0;
}

int32_t capful_import_path_unlink_file(capful_word dir, capful_word p, capful_word len)
{
    (void)dir;
    CHECK(unlink(path_at(0, p, len)));
    return 0;
}

int32_t capful_import_path_rename(capful_word dir, capful_word p, capful_word len, capful_word dir2,
                                  capful_word p2, capful_word len2)
{
    (void)dir;
    (void)dir2;
    CHECK(rename(path_at(0, p, len), path_at(1, p2, len2)));
    return 0;
}

int32_t capful_import_path_link(capful_word dir, capful_word follow, capful_word p, capful_word len,
                                capful_word dir2, capful_word p2, capful_word len2)
{
    (void)dir;
    (void)follow;
    (void)dir2;
    CHECK(link(path_at(0, p, len), path_at(1, p2, len2)));
    return 0;
}

int32_t capful_import_path_symlink(capful_word p, capful_word len, capful_word dir, capful_word p2,
                                   capful_word len2)
{
    (void)dir;
    CHECK(symlink(path_at(0, p, len), path_at(1, p2, len2)));
    return 0;
}

int32_t capful_import_path_readlink(capful_word dir, capful_word p, capful_word len,
                                    capful_word buf, capful_word size, capful_word ret)
{
    ssize_t n = readlink(path_at(0, p, len), (char *)buf, size);

    (void)dir;
    CHECK(n);
    *(uint32_t *)ret = (uint32_t)n;
    return 0;
}

int32_t capful_import_path_chmod(capful_word dir, capful_word p, capful_word len, capful_word mode)
{
    (void)dir;
    CHECK(chmod(path_at(0, p, len), (mode_t)mode));
    return 0;
}

/* ---- tools */

int32_t capful_import_tool_find(capful_word name, capful_word len)
{
    char word[256];

    if (!host.tools || len > sizeof(word) - 3)
        return ERRNO_NOENT;
    word[0] = ',';
    memcpy(word + 1, (const char *)name, len);
    memcpy(word + 1 + len, ",", 2);
    return strstr(host.tools, word) ? 0 : ERRNO_NOENT;
}

int32_t capful_import_tool_list(capful_word buf, capful_word size, capful_word ret)
{
    char *text = NULL, *names = strdup(host.tools ? host.tools : ""), *save, *name;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    int n = 0;

    fputc('[', f);
    for (name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save))
        fprintf(f, "%s{\"name\":\"%s\"}", n++ ? "," : "", name);
    fputc(']', f);
    fclose(f);
    *(uint32_t *)ret = (uint32_t)len;
    if (len <= size)
        memcpy((char *)buf, text, len);
    free(text);
    free(names);
    return len <= size ? 0 : ERRNO_RANGE;
}

int32_t capful_import_call_start(capful_word name, capful_word name_len, capful_word json,
                                 capful_word json_len, capful_word ret)
{
    static uint32_t last;
    struct answer *a, **end;
    const char *tool = (const char *)name;
    double x, y;

    if (capful_import_tool_find(name, name_len))
        return ERRNO_NOENT;
    a = calloc(1, sizeof(*a));
    a->id = ++last;
    if (strncmp(tool, "slow", 4) == 0)
        a->due = now_ns(CLOCK_MONOTONIC) + 20000000;
    if (strncmp(tool, "fail", 4) == 0 || strncmp(tool, "deny", 4) == 0) {
        bool denied = tool[0] == 'd';
        a->status = denied ? CAPFUL_CALL_DENIED : CAPFUL_CALL_ERROR;
        if (asprintf(&a->text,
                     "{\"name\":\"%s\",\"message\":\"%s\",\"tool\":\"%.*s\",\"code\":\"%s\","
                     "\"data\":%.*s}",
                     denied ? "ToolDenied" : "ToolError",
                     denied ? "amount is above 100" : "it broke", (int)name_len, tool,
                     denied ? "constraint" : "failed", (int)json_len, (const char *)json) < 0)
            abort();
    } else if (name_len == 3 && memcmp(tool, "sum", 3) == 0 &&
               sscanf((const char *)json, "{\"a\":%lf,\"b\":%lf", &x, &y) == 2) {
        if (asprintf(&a->text, "%g", x + y) < 0)
            abort();
    } else {
        a->text = strndup((const char *)json, json_len);
    }
    for (end = &answers; *end; end = &(*end)->next)
        continue;
    *end = a;
    *(uint32_t *)ret = a->id;
    return 0;
}

int32_t capful_import_call_next(capful_word fd, int64_t timeout, capful_word out, capful_word buf,
                                capful_word size)
{
    struct capful_done *done = (void *)out;
    int64_t end = timeout < 0 ? INT64_MAX : now_ns(CLOCK_MONOTONIC) + timeout, now;
    struct answer *a;

    (void)fd;
    for (;;) {
        now = now_ns(CLOCK_MONOTONIC);
        for (a = answers; a; a = a->next) {
            if (a->due >= 0 && a->due <= now) {
                *done = (struct capful_done){a->id, a->status, (uint32_t)strlen(a->text), 0};
                a->due = -1; /* handed out */
                if (done->len <= size)
                    return capful_import_call_result(done->id, buf, size);
                return 0;
            }
        }
        if (now >= end || (!answers && timeout < 0)) {
            *done = (struct capful_done){.status = CAPFUL_CALL_NONE};
            return 0;
        }
        usleep(200);
    }
}

int32_t capful_import_call_result(capful_word id, capful_word buf, capful_word size)
{
    struct answer **p, *a;

    for (p = &answers; (a = *p) != NULL; p = &a->next) {
        if (a->id == id) {
            if (strlen(a->text) > size)
                return ERRNO_RANGE;
            memcpy((char *)buf, a->text, strlen(a->text));
            *p = a->next;
            free(a->text);
            free(a);
            return 0;
        }
    }
    return ERRNO_NOENT;
}

/* ---- no other processes, nothing to narrow */

int32_t capful_import_call_wait(capful_word list, capful_word n, int64_t timeout, capful_word out,
                                capful_word buf, capful_word size)
{
    (void)list;
    (void)n;
    return capful_import_call_next((capful_word)-1, timeout, out, buf, size);
}

int32_t capful_import_call_handle(capful_word handle, capful_word json, capful_word len,
                                  capful_word ret)
{
    (void)handle;
    (void)json;
    (void)len;
    (void)ret;
    return ERRNO_NOSYS;
}

int32_t capful_import_tool_narrow(capful_word name, capful_word name_len, capful_word handle,
                                  capful_word json, capful_word len, capful_word ret,
                                  capful_word why, capful_word why_size)
{
    (void)name;
    (void)name_len;
    (void)handle;
    (void)json;
    (void)len;
    (void)ret;
    (void)why;
    (void)why_size;
    return ERRNO_NOSYS;
}

int32_t capful_import_fd_pipe(capful_word flags, capful_word ret)
{
    (void)flags;
    (void)ret;
    return ERRNO_NOSYS;
}

int32_t capful_import_fd_fdstat_set_flags(capful_word fd, capful_word flags)
{
    (void)fd;
    (void)flags;
    return ERRNO_NOSYS;
}

int32_t capful_import_proc_spawn(capful_word spawn, capful_word ret)
{
    (void)spawn;
    (void)ret;
    return ERRNO_NOSYS;
}

int32_t capful_import_proc_kill(capful_word pid, capful_word number)
{
    (void)pid;
    (void)number;
    return ERRNO_NOSYS;
}

int32_t capful_import_proc_wait(capful_word pid, capful_word options, capful_word ret)
{
    (void)pid;
    (void)options;
    (void)ret;
    return ERRNO_NOSYS;
}

/* ---- the run */

int32_t capful_import_run_source(capful_word buf, capful_word size, capful_word ret)
{
    *(uint32_t *)ret = (uint32_t)host.len;
    if (host.len > size)
        return ERRNO_RANGE;
    memcpy((char *)buf, host.text, host.len);
    return 0;
}

int32_t capful_import_run_value(capful_word text, capful_word len)
{
    JSValue value;
    const char *str;

    /* a string is printed as it is */
    host.value = strndup((const char *)text, len);
    host.value_len = len;
    if (host.value[0] == '"') {
        value = JS_ParseJSON(guest.ctx, host.value, len, "<value>");
        str = JS_ToCStringLen(guest.ctx, &host.value_len, value);
        host.value = strndup(str, host.value_len);
        JS_FreeCString(guest.ctx, str);
        JS_FreeValue(guest.ctx, value);
    }
    return 0;
}

int32_t capful_import_run_error(capful_word text, capful_word len)
{
    if (getenv("JS_NATIVE_ERROR"))
        fprintf(stderr, "%.*s\n", (int)len, (const char *)text);
    return 0;
}

int main(int argc, char **argv)
{
    static char name[] = "<eval>";
    FILE *f;
    size_t len;
    char *list;

    if (argc > 2 && strcmp(argv[1], "--tools") == 0) {
        if (asprintf(&list, ",%s,", argv[2]) < 0)
            return 2;
        host.tools = list;
        argc -= 2;
        argv += 2;
    }
    if (argc > 2 && strcmp(argv[1], "-e") == 0) {
        host.text = argv[2];
        host.len = strlen(host.text);
        argv[2] = name;
        host.argc = argc - 2;
        host.argv = argv + 2;
    } else if (argc > 1 && (f = fopen(argv[1], "rb")) != NULL) {
        host.text = malloc(1 << 26);
        len = fread(host.text, 1, 1 << 26, f);
        fclose(f);
        host.len = len;
        host.argc = argc - 1;
        host.argv = argv + 1;
        if (strrchr(argv[1], '/'))
            host.argv[0] = strrchr(argv[1], '/') + 1;
    } else {
        fprintf(stderr, "usage: js-native [--tools LIST] FILE|-e CODE [ARG...]\n");
        return 2;
    }
    init();
    entry(0, 0);
}
