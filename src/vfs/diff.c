/* What an overlay holds beyond the host's files, by comparing its view with the host's at the same
 * places.
 *
 * Directories that stand where the host has them need a look at their upper layer only. One that
 * was moved there, or made anew in the place of another, is compared name by name.
 */
#include <stddef.h>
#include <unistd.h>

#include "base/mem.h"
#include "vfs/overlay.h"

struct todo {
    struct todo *next;
    uint64_t upper; /* 0: only the host's, seen at `origin` */
    char *origin;   /* NULL: opaque */
    char *place;    /* beneath the mount */
};

struct diff {
    struct onode *root;
    const char *guest_path;
    int (*each)(void *context, char kind, const char *path);
    void *context;
    bool stopped;
    struct todo *todo;
};

static void free_todo(struct todo *todo)
{
    mem_free(todo->origin);
    mem_free(todo->place);
    mem_free(todo);
}

/* Copies both; `origin` may be NULL. */
static int push(struct diff *diff, uint64_t upper, struct str origin, const char *place)
{
    struct todo *todo = mem_zalloc(sizeof *todo);
    if (!todo)
        return ERRNO_NOMEM;
    todo->upper = upper;
    todo->place = mem_strdup(place);
    todo->origin = origin.ptr ? mem_dup(origin.ptr, origin.len) : NULL;
    if (!todo->place || (origin.ptr && !todo->origin)) {
        free_todo(todo);
        return ERRNO_NOMEM;
    }
    todo->next = diff->todo;
    diff->todo = todo;
    return 0;
}

static int tell(struct diff *diff, char kind, const char *place)
{
    struct buf path = BUF_INIT(1u << 20);
    buf_add_text(&path, diff->guest_path);
    while (path.len > 1 && path.data[path.len - 1] == '/')
        path.len--;
    buf_add_char(&path, '/');
    buf_add_text(&path, place);
    int e = buf_failed(&path) ? ERRNO_NOMEM : 0;
    if (e == 0 && diff->each(diff->context, kind, path.data) != 0)
        diff->stopped = true;
    buf_release(&path);
    return e;
}

/* FILE_UNKNOWN if the host has nothing there. */
static int host_type(struct diff *diff, const char *path, enum file_type *ret)
{
    struct file_stat stat = {.dev = 0};
    int e = hostdir_stat(overlay_dir(diff->root), path, &stat);
    *ret = e == 0 ? stat.type : FILE_UNKNOWN;
    return e == ERRNO_NOENT || e == ERRNO_NOTDIR ? 0 : e;
}

/* Something of the view at `place`: of the upper layer, or (upper 0) of the host at `origin`. */
static int compare(struct diff *diff, uint64_t upper, enum file_type type, struct str origin,
                   const char *place)
{
    enum file_type host;
    int e = host_type(diff, place, &host);
    if (e != 0)
        return e;
    if (type != FILE_DIRECTORY)
        return tell(diff, host == FILE_UNKNOWN ? 'A' : 'M', place);
    if (host != FILE_DIRECTORY)
        e = tell(diff, host == FILE_UNKNOWN ? 'A' : 'M', place);
    return e == 0 ? push(diff, upper, origin, place) : e;
}

static int upper_entry(struct diff *diff, const struct todo *dir, const struct tree_entry *entry)
{
    struct tree *tree = diff->root->tree;
    enum file_type host;
    char *place;
    int e = overlay_join(dir->place, entry->name, &place);
    if (e != 0)
        return e;
    if (entry->ino == 0) {
        e = host_type(diff, place, &host);
        if (e == 0 && host != FILE_UNKNOWN && dir->origin && strcmp(dir->origin, dir->place) == 0)
            e = tell(diff, 'D', place);
    } else {
        const struct inode *inode = tree_get(tree, entry->ino);
        struct str origin = {NULL, 0};
        if (inode && inode->type == FILE_DIRECTORY && inode->text)
            origin = (struct str){inode->text->bytes, inode->text->len};
        e = compare(diff, entry->ino, entry->type, origin, place);
    }
    mem_free(place);
    return e;
}

/* What the host has in `from`, each handed to `one`. */
static int host_entries(struct diff *diff, const struct todo *dir, const char *from,
                        int (*one)(struct diff *, const struct todo *, const struct file_dirent *))
{
    struct hostlist *list;
    struct file_dirent entry;
    uint64_t cookie = 2;
    int e = hostlist_open(overlay_dir(diff->root), from, &list);
    if (e != 0)
        return e == ERRNO_NOENT || e == ERRNO_NOTDIR ? 0 : e;
    while (!diff->stopped && (e = hostlist_next(list, cookie, &entry)) == 0) {
        cookie = entry.next;
        e = one(diff, dir, &entry);
        if (e != 0)
            break;
    }
    hostlist_free(list);
    return e == ERRNO_NOENT ? 0 : e;
}

static bool in_upper(struct diff *diff, const struct todo *dir, struct str name, bool *ret_hidden)
{
    struct tree_entry entry;
    if (!dir->upper || tree_find(diff->root->tree, dir->upper, name, &entry) != 0)
        return false;
    *ret_hidden = entry.ino == 0;
    return true;
}

/* An entry of the origin that shows through, in a place that is not its own. */
static int shown_entry(struct diff *diff, const struct todo *dir, const struct file_dirent *entry)
{
    char *place, *origin;
    bool hidden;
    if (in_upper(diff, dir, entry->name, &hidden))
        return 0;
    int e = overlay_join(dir->place, entry->name, &place);
    if (e != 0)
        return e;
    e = overlay_join(dir->origin, entry->name, &origin);
    if (e == 0) {
        e = compare(diff, 0, entry->type, str_of(origin), place);
        mem_free(origin);
    }
    mem_free(place);
    return e;
}

/* An entry that the host has in this place: is it still in the view? */
static int lost_entry(struct diff *diff, const struct todo *dir, const struct file_dirent *entry)
{
    enum file_type type = FILE_UNKNOWN;
    bool hidden = false;
    char *path;
    int e = 0;
    if (in_upper(diff, dir, entry->name, &hidden)) {
        if (!hidden)
            return 0;
    } else if (dir->origin) {
        e = overlay_join(dir->origin, entry->name, &path);
        if (e == 0) {
            e = host_type(diff, path, &type);
            mem_free(path);
        }
    }
    if (e != 0 || type != FILE_UNKNOWN)
        return e;
    e = overlay_join(dir->place, entry->name, &path);
    if (e == 0) {
        e = tell(diff, 'D', path);
        mem_free(path);
    }
    return e;
}

static int directory(struct diff *diff, const struct todo *dir)
{
    struct tree_entry entry;
    int e = 0;
    for (uint64_t cookie = 0; e == 0 && !diff->stopped && dir->upper; cookie = entry.cookie + 1) {
        if (tree_next(diff->root->tree, dir->upper, cookie, &entry) != 0)
            break;
        e = upper_entry(diff, dir, &entry);
    }
    bool own_place = dir->origin && strcmp(dir->origin, dir->place) == 0;
    if (e == 0 && dir->origin && !own_place)
        e = host_entries(diff, dir, dir->origin, shown_entry);
    if (e == 0 && !own_place)
        e = host_entries(diff, dir, dir->place, lost_entry);
    return e;
}

int overlay_diff(struct vnode *root, const char *guest_path,
                 int (*each)(void *, char, const char *), void *context, bool *ret_stopped)
{
    struct diff diff = {onode_of(root), guest_path, each, context, false, NULL};
    int e = push(&diff, diff.root->upper, STR(""), "");
    while (diff.todo) {
        struct todo *todo = diff.todo;
        diff.todo = todo->next;
        if (e == 0 && !diff.stopped)
            e = directory(&diff, todo);
        free_todo(todo);
    }
    *ret_stopped = diff.stopped;
    return e;
}
