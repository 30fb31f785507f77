/* proc_spawn: a process from a program, with what its parent hands on and nothing else.
 *
 * Everything is decoded and checked before the child is made: first struct capful_spawn, then,
 * where it says so, struct capful_spawn_more behind it, which grows by fields at its end and tells
 * its size. */
#include <string.h>

#include "base/mem.h"
#include "syscall/calls.h"
#include "tool/cap.h"

#define STRINGS_MAX (1u << 20) /* bytes of argv and of envp */
#define FD_MAPS_MAX 1024u
#define NAME_MAX_   256u
#define MORE_MAX    256u
#define DIRS_MAX    64u
#define MORE_FLAGS                                                                                 \
    (CAPFUL_MORE_DIRS | CAPFUL_MORE_SOURCE | CAPFUL_MORE_REPORT | CAPFUL_MORE_TIED |               \
     CAPFUL_MORE_TOOLS)

/* What capful_spawn says, decoded; text lies in guest memory. */
struct spawn {
    struct image *image;
    struct str argv, envp;
    uint32_t argc, envc;
    const uint8_t *maps; /* struct capful_fd_map[map_count] */
    uint32_t map_count;
    struct file *cwd; /* NULL: the parent's */
    char *cwd_path;
    bool own_group, has_more;
    struct capful_spawn_more more;
    struct view *view;        /* MORE_DIRS: what it sees */
    struct str source;        /* MORE_SOURCE */
    struct file *report;      /* MORE_REPORT: borrowed */
    struct tool_named *tools; /* MORE_TOOLS, more.tool_count of them */
};

static int get_strings(struct process *process, uint32_t start, uint32_t len, struct str *ret,
                       uint32_t *ret_count)
{
    struct str text;
    int result = gmem_text(process, gptr(start), len, STRINGS_MAX, ERRNO_2BIG, &text);
    if (result != 0)
        return result;
    if (len > 0 && text.ptr[len - 1] != 0)
        return ERRNO_INVAL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < len; i++)
        count += text.ptr[i] == 0;
    *ret = text;
    *ret_count = count;
    return 0;
}

static struct capful_fd_map map_at(const struct spawn *spawn, uint32_t i)
{
    struct capful_fd_map map;
    memcpy(&map, spawn->maps + i * sizeof map, sizeof map);
    return map;
}

static int check_maps(struct process *process, const struct spawn *spawn)
{
    for (uint32_t i = 0; i < spawn->map_count; i++) {
        struct capful_fd_map map = map_at(spawn, i);
        if (map.child >= process->fds.limit || !fdtab_get(&process->fds, map.parent))
            return ERRNO_BADF;
    }
    return 0;
}

static int decode_program(struct process *process, uint64_t start, struct spawn *spawn)
{
    struct capful_spawn in;
    struct str name, cwd;
    struct syscall_context *context = syscall_context(process);
    if (!gmem_read(process, gptr(start), &in, sizeof in))
        return ERRNO_FAULT;
    if (in.flags & ~(uint32_t)(CAPFUL_SPAWN_GROUP | CAPFUL_SPAWN_MORE) || in.fd_count > FD_MAPS_MAX)
        return ERRNO_INVAL;
    spawn->own_group = in.flags & CAPFUL_SPAWN_GROUP;
    spawn->has_more = in.flags & CAPFUL_SPAWN_MORE;
    spawn->map_count = in.fd_count;
    spawn->maps = gmem_span(process, gptr(in.fds), in.fd_count * sizeof(struct capful_fd_map));
    if (!spawn->maps)
        return ERRNO_FAULT;
    int result =
        gmem_text(process, gptr(in.program), in.program_len, NAME_MAX_, ERRNO_NOENT, &name);
    if (result == 0)
        result = get_strings(process, in.argv, in.argv_len, &spawn->argv, &spawn->argc);
    if (result == 0)
        result = get_strings(process, in.envp, in.envp_len, &spawn->envp, &spawn->envc);
    if (result == 0)
        result = check_maps(process, spawn);
    if (result != 0)
        return result;
    spawn->image = context->find_image ? context->find_image(context->owner, name) : NULL;
    if (!spawn->image)
        return ERRNO_NOENT;
    if (in.cwd_len == 0)
        return 0;
    result = sys_get_path(process, in.cwd, in.cwd_len, &cwd);
    return result != 0 ? result : sys_open_cwd(process, cwd, &spawn->cwd, &spawn->cwd_path);
}

static int decode_source(struct process *process, struct spawn *spawn)
{
    struct fd *fd;
    if (spawn->more.flags & CAPFUL_MORE_SOURCE) {
        int result = gmem_text(process, gptr(spawn->more.source), spawn->more.source_len,
                               UINT32_MAX, ERRNO_2BIG, &spawn->source);
        if (result != 0)
            return result;
    }
    if (!(spawn->more.flags & CAPFUL_MORE_REPORT))
        return 0;
    int result = sys_get_fd(process, spawn->more.report, CAPFUL_RIGHT_FD_WRITE, &fd);
    if (result == 0)
        spawn->report = fd->file;
    return result;
}

/* What follows struct capful_spawn: fields that the caller does not know are zero, fields that we
 * do not know must be. */
static int decode_more(struct process *process, uint64_t start, struct spawn *spawn)
{
    uint64_t at = start + sizeof(struct capful_spawn);
    uint32_t size, known = sizeof spawn->more;
    if (at > UINT32_MAX || !gmem_read(process, gptr(at), &size, sizeof size))
        return ERRNO_FAULT;
    if (size < sizeof(uint32_t) * 2 || size > MORE_MAX)
        return ERRNO_INVAL;
    const uint8_t *bytes = gmem_span(process, gptr(at), size);
    if (!bytes)
        return ERRNO_FAULT;
    for (uint32_t i = known; i < size; i++) {
        if (bytes[i] != 0)
            return ERRNO_INVAL;
    }
    memcpy(&spawn->more, bytes, size < known ? size : known);
    if (spawn->more.flags & ~(uint32_t)MORE_FLAGS)
        return ERRNO_INVAL;
    return decode_source(process, spawn);
}

/* The directories that the child is to see, as the parent sees them now. */
static int decode_dirs(struct process *process, struct spawn *spawn)
{
    struct vfs_part parts[DIRS_MAX];
    uint32_t n = spawn->more.dir_count;
    struct vfs_at at;
    if (!(spawn->more.flags & CAPFUL_MORE_DIRS))
        return n == 0 ? 0 : ERRNO_INVAL;
    if (n > DIRS_MAX)
        return ERRNO_2BIG;
    const uint8_t *list = gmem_span(process, gptr(spawn->more.dirs), n * sizeof(struct capful_dir));
    if (!list)
        return ERRNO_FAULT;
    for (uint32_t i = 0; i < n; i++) {
        struct capful_dir dir;
        memcpy(&dir, list + i * sizeof dir, sizeof dir);
        if (dir.access < CAPFUL_DIR_READ || dir.access > CAPFUL_DIR_AS_HELD)
            return ERRNO_INVAL;
        int result = sys_get_path(process, dir.path, dir.path_len, &parts[i].path);
        if (result != 0)
            return result;
        parts[i].kind = dir.access;
    }
    int result = sys_get_at(process, CAPFUL_AT_CWD, 0, &at, NULL);
    if (result != 0)
        return result;
    return sys_vfs_result(vfs_view_new(syscall_context(process)->vfs, at, parts, n, &spawn->view));
}

static int decode_tool(struct process *process, const uint8_t *from, struct tool_named *ret)
{
    struct capful_tool_handed in;
    struct str name = {"", 0};
    memcpy(&in, from, sizeof in);
    int result =
        gmem_text(process, gptr(in.name), in.name_len, TOOL_NAME_MAX, ERRNO_INVAL, &ret->name);
    if (result == 0 && in.handle == 0)
        result = gmem_text(process, gptr(in.from), in.from_len, TOOL_NAME_MAX, ERRNO_NOENT, &name);
    if (result != 0)
        return result;
    return tool_cap_get(syscall_context(process)->tools, process, name, in.handle, &ret->cap);
}

/* The tools that the child is to hold, each by what the parent holds now. */
static int decode_tools(struct process *process, struct spawn *spawn)
{
    uint32_t n = spawn->more.tool_count;
    if (!(spawn->more.flags & CAPFUL_MORE_TOOLS))
        return n == 0 ? 0 : ERRNO_INVAL;
    if (!syscall_context(process)->tools)
        return ERRNO_NOTSUP;
    if (n > TOOL_LIST_MAX)
        return ERRNO_2BIG;
    const uint8_t *list =
        gmem_span(process, gptr(spawn->more.tools), n * sizeof(struct capful_tool_handed));
    if (!list)
        return ERRNO_FAULT;
    spawn->tools = mem_array(n + 1, sizeof *spawn->tools);
    if (!spawn->tools)
        return ERRNO_NOMEM;
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < n; i++)
        result =
            decode_tool(process, list + i * sizeof(struct capful_tool_handed), &spawn->tools[i]);
    return result;
}

/* A directory that the child does not see cannot be handed on open; files and pipes can: they are
 * what they are. */
static int check_dirs(struct process *process, const struct spawn *spawn)
{
    for (uint32_t i = 0; spawn->view && i < spawn->map_count; i++) {
        const struct file *file = fdtab_get(&process->fds, map_at(spawn, i).parent)->file;
        if (file->ops->type == FILE_DIRECTORY && vfs_view_access(spawn->view, file) < VIEW_READ)
            return ERRNO_NOTCAPABLE;
    }
    return 0;
}

/* The child begins where it was told to, or where its parent is; at / where it sees neither. */
static int check_cwd(struct process *process, struct spawn *spawn)
{
    if (!spawn->view)
        return 0;
    const struct file *dir = spawn->cwd ? spawn->cwd : process->cwd;
    if (dir && vfs_view_access(spawn->view, dir) != VIEW_NOTHING)
        return 0;
    if (spawn->cwd)
        return ERRNO_NOENT;
    return sys_open_cwd(process, STR("/"), &spawn->cwd, &spawn->cwd_path);
}

static int decode_spawn(struct process *process, uint64_t start, struct spawn *spawn)
{
    int result = decode_program(process, start, spawn);
    if (result == 0 && spawn->has_more)
        result = decode_more(process, start, spawn);
    if (result == 0)
        result = decode_dirs(process, spawn);
    if (result == 0)
        result = check_dirs(process, spawn);
    if (result == 0)
        result = decode_tools(process, spawn);
    return result != 0 ? result : check_cwd(process, spawn);
}

static int hand_on_fds(struct process *parent, struct process *child, const struct spawn *spawn)
{
    for (uint32_t i = 0; i < spawn->map_count; i++) {
        struct capful_fd_map map = map_at(spawn, i);
        struct fd *fd = fdtab_get(&parent->fds, map.parent);
        char *preopen = NULL;
        uint64_t mask = UINT64_MAX;
        if (child->view && fd->file->ops->type == FILE_DIRECTORY &&
            vfs_view_access(child->view, fd->file) < VIEW_WRITE)
            mask = ~RIGHTS_CHANGING;
        if (fd->preopen && !(preopen = mem_strdup(fd->preopen)))
            return ERRNO_NOMEM;
        int result = fdtab_place(&child->fds, map.child, file_ref(fd->file), fd->rights & mask,
                                 fd->inheriting & mask);
        if (result != 0) {
            file_unref(fd->file);
            mem_free(preopen);
            return result;
        }
        fdtab_get(&child->fds, map.child)->preopen = preopen;
    }
    return 0;
}

static int give_source(struct process *parent, struct process *child, const struct spawn *spawn)
{
    if (!(spawn->more.flags & CAPFUL_MORE_SOURCE))
        return 0;
    if (!process_charge(child, spawn->source.len))
        return ERRNO_NOMEM;
    if (!buf_reserve(&child->source, 1)) /* an empty one is one, too */
        return ERRNO_NOMEM;
    return gmem_append(parent, &child->source, gptr(spawn->more.source), spawn->source.len);
}

static int fill_child(struct process *parent, struct process *child, struct spawn *spawn)
{
    if (spawn->cwd) {
        file_unref(child->cwd);
        mem_free(child->cwd_path);
        child->cwd = TAKE(spawn->cwd);
        child->cwd_path = TAKE(spawn->cwd_path);
    }
    if (spawn->view) {
        view_unref(child->view);
        child->view = TAKE(spawn->view);
    }
    if (spawn->own_group)
        child->group = child->pid;
    if (spawn->report)
        child->report = file_ref(spawn->report);
    child->tied |= (spawn->more.flags & CAPFUL_MORE_TIED) != 0;
    child->confined |= (spawn->more.flags & (CAPFUL_MORE_DIRS | CAPFUL_MORE_TOOLS)) != 0;
    int result = sys_give_strings(child, spawn->argv, spawn->argc, spawn->envp, spawn->envc);
    if (result == 0 && spawn->tools)
        result = tool_process_limit(child, spawn->tools, spawn->more.tool_count);
    if (result == 0)
        result = give_source(parent, child, spawn);
    if (result == 0)
        result = hand_on_fds(parent, child, spawn);
    return result != 0 ? result : process_start(child);
}

int sys_proc_spawn(struct process *process, const uint64_t *args)
{
    struct spawn spawn = {0};
    struct process *child;
    if (!process->own_abi)
        return ERRNO_PERM; /* the child would hold the whole tree, of which this one holds a part */
    if (process->kernel->on_fiber)
        return process_defer(process);
    if (!gmem_span(process, gptr(args[1]), sizeof(uint32_t)))
        return ERRNO_FAULT;
    int result = decode_spawn(process, args[0], &spawn);
    if (result == 0)
        result = process_new(process->kernel, process, spawn.image, &child);
    if (result == 0) {
        result = fill_child(process, child, &spawn);
        if (result == 0)
            gmem_put32(process, gptr(args[1]), (uint32_t)child->pid);
        else
            process_discard(child);
    }
    file_unref(spawn.cwd);
    mem_free(spawn.cwd_path);
    view_unref(spawn.view);
    for (uint32_t i = 0; spawn.tools && i < spawn.more.tool_count; i++)
        tool_cap_unref(spawn.tools[i].cap);
    mem_free(spawn.tools);
    return result;
}
