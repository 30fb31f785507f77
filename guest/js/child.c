/* Programs started as processes of their own: the primitives beneath capful.run
 * (lib/internal/run.js), and the descriptors that the event loop waits for.
 */
#include "guest.h"
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE  65536 /* what a pipe holds */
#define PIECE_WRITE 4096  /* what goes into one that says it takes something */

/* ---- what the loop waits for */

static struct {
    struct capful_ready *list;
    uint32_t count, size;
} watched;

uint32_t child_watched(struct capful_ready **ret_list)
{
    *ret_list = watched.list;
    return watched.count;
}

/* A callback may watch others or no more: what is ready is noted first. */
int child_dispatch(void)
{
    JSContext *ctx = guest.ctx;
    uint32_t *ready = malloc(sizeof(*ready) * (watched.count ? watched.count : 1)), n = 0, i;
    JSValue fd, ret = JS_UNDEFINED;

    if (!ready) {
        JS_ThrowOutOfMemory(ctx);
        return -1;
    }
    for (i = 0; i < watched.count; i++) {
        if (watched.list[i].ready)
            ready[n++] = watched.list[i].fd;
    }
    for (i = 0; i < n && !JS_IsException(ret); i++) {
        JS_FreeValue(ctx, ret);
        fd = JS_NewUint32(ctx, ready[i]);
        ret = guest_call_internal("childReady", 1, (JSValueConst *)&fd);
    }
    free(ready);
    JS_FreeValue(ctx, ret);
    return JS_IsException(ret) ? -1 : 0;
}

/* watch(fd, events): 1 to be read, 2 to be written, 0 no more */
static JSValue child_watch(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    uint32_t fd, events, i;
    struct capful_ready *grown;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0 || JS_ToUint32(ctx, &events, argv[1]) < 0)
        return JS_EXCEPTION;
    for (i = 0; i < watched.count && watched.list[i].fd != fd; i++)
        continue;
    if (events == 0) {
        if (i < watched.count)
            watched.list[i] = watched.list[--watched.count];
        return JS_UNDEFINED;
    }
    if (i == watched.size) {
        grown = realloc(watched.list, sizeof(*grown) * (size_t)(watched.size * 2 + 16));
        if (!grown)
            return JS_ThrowOutOfMemory(ctx);
        watched.list = grown;
        watched.size = watched.size * 2 + 16;
    }
    watched.list[i] = (struct capful_ready){fd, (uint16_t)events, 0};
    if (i == watched.count)
        watched.count++;
    return JS_UNDEFINED;
}

/* ---- pipes */

/* readPipe(fd): what is there, empty at the end */
static JSValue child_read(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    static char *piece; /* no part of the image: few programs start others */
    struct capful_iovec iov;
    uint32_t fd, done = 0;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0)
        return JS_EXCEPTION;
    if (!piece && !(piece = malloc(PIECE_SIZE)))
        return JS_ThrowOutOfMemory(ctx);
    iov = (struct capful_iovec){(capful_word)piece, PIECE_SIZE};
    if (capful_fd_read(fd, (capful_word)&iov, 1, (capful_word)&done))
        done = 0;
    return JS_NewUint8ArrayCopy(ctx, (uint8_t *)piece, done);
}

/* writePipe(fd, bytes, offset): how many went in, -1 if nobody reads any more */
static JSValue child_write(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    uint32_t fd, offset, done = 0;
    int err;

    (void)this_val;
    (void)argc;
    if (JS_ToUint32(ctx, &fd, argv[0]) < 0 || JS_ToUint32(ctx, &offset, argv[2]) < 0 ||
        text_get(ctx, &t, argv[1]) < 0)
        return JS_EXCEPTION;
    if (offset > t.len)
        offset = (uint32_t)t.len;
    struct capful_iovec iov = {(capful_word)(t.data + offset), t.len - offset};
    if (iov.len > PIECE_WRITE)
        iov.len = PIECE_WRITE;
    err = capful_fd_write(fd, (capful_word)&iov, 1, (capful_word)&done);
    text_free(ctx, &t);
    return JS_NewInt32(ctx, err && err != ERRNO_AGAIN ? -1 : (int32_t)done);
}

/* ---- starting */

enum { DIRS_MAX = 64, TOOLS_MAX = 256 };

/* What a spawn hands on, as it lies in memory for the call: strings of the program as C strings, to
 * be freed together. */
struct handed {
    struct capful_dir dirs[DIRS_MAX];
    struct capful_tool_handed tools[TOOLS_MAX];
    const char *strings[4 + DIRS_MAX + 2 * TOOLS_MAX];
    int count;
};

static const char *keep_string(JSContext *ctx, struct handed *handed, JSValueConst value,
                               uint32_t *ret_len)
{
    size_t len;
    const char *str;

    str = JS_ToCStringLen(ctx, &len, value);
    if (str) {
        handed->strings[handed->count++] = str;
        *ret_len = (uint32_t)len;
    }
    return str;
}

static const char *keep_item(JSContext *ctx, struct handed *handed, JSValueConst array, int64_t i,
                             uint32_t *ret_len)
{
    JSValue item = JS_GetPropertyInt64(ctx, array, i);
    const char *str = keep_string(ctx, handed, item, ret_len);

    JS_FreeValue(ctx, item);
    return str;
}

/* Half the length of a list of pairs, at most `max`; -1 with an exception. */
static int64_t count_pairs(JSContext *ctx, JSValueConst array, int64_t max, const char *what)
{
    int64_t len;

    if (JS_GetLength(ctx, array, &len) < 0)
        return -1;
    if (len / 2 <= max)
        return len / 2;
    JS_ThrowRangeError(ctx, "more than %d %s cannot be handed on", (int)max, what);
    return -1;
}

/* [path, access, path, access, …]: how many, or -1 */
static int64_t get_dirs(JSContext *ctx, struct handed *handed, JSValueConst array)
{
    int64_t n = count_pairs(ctx, array, DIRS_MAX, "directories"), i;
    const char *path;
    JSValue access;

    for (i = 0; i < n; i++) {
        struct capful_dir *dir = &handed->dirs[i];

        path = keep_item(ctx, handed, array, 2 * i, &dir->path_len);
        access = JS_GetPropertyInt64(ctx, array, 2 * i + 1);
        if (!path || JS_ToUint32(ctx, &dir->access, access) < 0)
            return -1;
        dir->path = (uint32_t)(capful_word)path;
    }
    return n;
}

/* [name, key, …]: a key is the parent's name of a tool, or a handle */
static int64_t get_tools(JSContext *ctx, struct handed *handed, JSValueConst array)
{
    int64_t n = count_pairs(ctx, array, TOOLS_MAX, "tools"), i;
    const char *name, *from = "";
    JSValue key;

    for (i = 0; i < n; i++) {
        struct capful_tool_handed *tool = &handed->tools[i];

        name = keep_item(ctx, handed, array, 2 * i, &tool->name_len);
        key = JS_GetPropertyInt64(ctx, array, 2 * i + 1);
        if (JS_IsNumber(key)) {
            JS_ToUint32(ctx, &tool->handle, key);
        } else {
            from = keep_string(ctx, handed, key, &tool->from_len);
            tool->from = (uint32_t)(capful_word)from;
        }
        JS_FreeValue(ctx, key);
        if (!name || !from)
            return -1;
        tool->name = (uint32_t)(capful_word)name;
    }
    return n;
}

/* Pairs of ends: stdin (if wanted), stdout, stderr, report. The parent's is [which], the child's
 * the other. */
enum { PIPE_IN, PIPE_OUT, PIPE_ERR, PIPE_REPORT, PIPES };

struct pipes {
    uint32_t ends[PIPES][2]; /* read, write */
    int made;
};

static uint32_t parents_end(const struct pipes *p, int i)
{
    return p->ends[i][i == PIPE_IN];
}

static uint32_t childs_end(const struct pipes *p, int i)
{
    return p->ends[i][i != PIPE_IN];
}

static int make_pipes(struct pipes *p)
{
    int err = 0;

    for (p->made = 0; p->made < PIPES; p->made++) {
        err = capful_fd_pipe(1, (capful_word)p->ends[p->made]);
        if (err)
            break;
    }
    return err ? err : capful_fd_fdstat_set_flags(parents_end(p, PIPE_IN), 4 /* no waiting */);
}

static void close_pipes(const struct pipes *p, bool parents)
{
    int i;

    for (i = 0; i < p->made; i++) {
        capful_fd_close(childs_end(p, i));
        if (parents)
            capful_fd_close(parents_end(p, i));
    }
}

/* Both structures lie as one. */
struct spawn {
    struct capful_spawn first;
    struct capful_spawn_more more;
};

static int start(struct spawn *spawn, struct pipes *pipes, uint32_t *ret_pid)
{
    static const char program[] = "js";
    struct capful_fd_map maps[3];
    uint32_t i;
    int err = make_pipes(pipes);

    for (i = 0; i < 3 && !err; i++)
        maps[i] = (struct capful_fd_map){i, childs_end(pipes, (int)i)};
    if (!err) {
        spawn->first.program = (uint32_t)(capful_word)program;
        spawn->first.program_len = sizeof(program) - 1;
        spawn->first.fds = (uint32_t)(capful_word)maps;
        spawn->first.fd_count = 3;
        spawn->first.flags = CAPFUL_SPAWN_GROUP | CAPFUL_SPAWN_MORE;
        spawn->more.size = sizeof(spawn->more);
        spawn->more.flags = CAPFUL_MORE_DIRS | CAPFUL_MORE_TOOLS | CAPFUL_MORE_SOURCE |
                            CAPFUL_MORE_REPORT | CAPFUL_MORE_TIED;
        spawn->more.report = childs_end(pipes, PIPE_REPORT);
        err = capful_proc_spawn((capful_word)spawn, (capful_word)ret_pid);
    }
    close_pipes(pipes, err != 0);
    return err;
}

static JSValue spawn_handed(JSContext *ctx, struct handed *handed, JSValueConst *argv)
{
    struct spawn spawn = {{0}, {0}};
    struct pipes pipes = {{{0}}, 0};
    uint32_t *const at[] = {&spawn.more.source, &spawn.first.argv, &spawn.first.envp,
                            &spawn.first.cwd};
    uint32_t *const lens[] = {&spawn.more.source_len, &spawn.first.argv_len, &spawn.first.envp_len,
                              &spawn.first.cwd_len};
    int64_t dirs = get_dirs(ctx, handed, argv[4]), tools = 0;
    const char *text;
    uint32_t pid = 0, i;
    JSValue ret;
    int err;

    if (dirs < 0 || (tools = get_tools(ctx, handed, argv[5])) < 0)
        return JS_EXCEPTION;
    for (i = 0; i < 4; i++) {
        text = keep_string(ctx, handed, argv[i], lens[i]);
        if (!text)
            return JS_EXCEPTION;
        *at[i] = (uint32_t)(capful_word)text;
    }
    spawn.more.dirs = (uint32_t)(capful_word)handed->dirs;
    spawn.more.dir_count = (uint32_t)dirs;
    spawn.more.tools = (uint32_t)(capful_word)handed->tools;
    spawn.more.tool_count = (uint32_t)tools;
    err = start(&spawn, &pipes, &pid);
    if (err)
        return JS_NewInt32(ctx, err);
    ret = JS_NewArray(ctx);
    JS_SetPropertyUint32(ctx, ret, 0, JS_NewUint32(ctx, pid));
    for (i = 0; i < PIPES; i++)
        JS_SetPropertyUint32(ctx, ret, i + 1, JS_NewUint32(ctx, parents_end(&pipes, (int)i)));
    return ret;
}

/* spawn(source, argv, envp, cwd, dirs, tools): [pid, stdin, stdout, stderr, report], or the number
 * of the error. argv and envp are strings with a NUL behind each item. */
static JSValue child_spawn(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct handed *handed = calloc(1, sizeof(*handed));
    JSValue ret;

    (void)this_val;
    (void)argc;
    if (!handed)
        return JS_ThrowOutOfMemory(ctx);
    ret = spawn_handed(ctx, handed, argv);
    while (handed->count > 0)
        JS_FreeCString(ctx, handed->strings[--handed->count]);
    free(handed);
    return ret;
}

/* kill(pid) */
static JSValue child_kill(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    int32_t pid;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &pid, argv[0]) < 0)
        return JS_EXCEPTION;
    capful_proc_kill((capful_word)pid, CAPFUL_SIGKILL);
    return JS_UNDEFINED;
}

/* reap(pid): its exit code; it has ended */
static JSValue child_reap(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct capful_wait ended = {0, 255};
    int32_t pid;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &pid, argv[0]) < 0)
        return JS_EXCEPTION;
    capful_proc_wait((capful_word)pid, 0, (capful_word)&ended);
    return JS_NewUint32(ctx, ended.status);
}

void child_init(void)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("watch", 2, child_watch),     JS_CFUNC_DEF("readPipe", 1, child_read),
        JS_CFUNC_DEF("writePipe", 3, child_write), JS_CFUNC_DEF("spawn", 6, child_spawn),
        JS_CFUNC_DEF("kill", 1, child_kill),       JS_CFUNC_DEF("reap", 1, child_reap),
    };

    JS_SetPropertyFunctionList(guest.ctx, guest.sys, functions,
                               sizeof(functions) / sizeof(functions[0]));
}
