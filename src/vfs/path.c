/* Resolution of paths, component by component, in a loop: no path and no chain of links uses more
 * stack than another.
 *
 * What is left to do is a text of our own; following a link puts the link's target in front of it.
 * Links are counted (limit `symlinks`), a path is at most `path` bytes long, a name 255. The host
 * is asked only about places that we walked to ourselves, and follows no link on the way, so that a
 * link of the host leads where it leads inside the sandbox.
 *
 * Beneath (WASI): `depth` counts the directories entered below the start. Going up from depth 0, an
 * absolute path and a link to an absolute path are NOTCAPABLE.
 */
#include <stddef.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/view.h"

#define PENDING_MAX (1u << 20) /* a path with all its links put in */

struct walk {
    struct vfs *vfs;
    struct view *view;
    bool beneath;
    unsigned flags;
    uint64_t depth, links;
    struct vnode *dir;       /* where we are: counted */
    enum view_access access; /* of dir */
    struct buf pending;      /* the text, if a link was put in front */
    struct str rest;         /* what is left of it */
};

struct component {
    struct str name;
    bool last, slash; /* slashes follow */
};

struct vnode *mount_enter(struct vnode *node)
{
    while (node->mounted) {
        struct vnode *root = vnode_ref(node->mounted->root);
        vnode_unref(node);
        node = root;
        if (node->fs->watched)
            node->fs->vfs->watch->reached(node->fs->vfs->watch_context, node->fs->watch_id);
    }
    return node;
}

int vnode_up(struct vnode *dir, struct vnode **ret)
{
    while (dir->root_of)
        dir = dir->root_of->covered;
    if (dir == dir->fs->vfs->root) {
        *ret = mount_enter(vnode_ref(dir));
        return 0;
    }
    int e = dir->fs->ops->parent(dir, ret);
    if (e == 0)
        *ret = mount_enter(*ret);
    return e;
}

static struct component next_component(struct walk *walk)
{
    struct component part = {walk->rest, false, false};
    const char *end = memchr(part.name.ptr, '/', part.name.len);
    if (end)
        part.name.len = (size_t)(end - part.name.ptr);
    walk->rest.ptr += part.name.len;
    walk->rest.len -= part.name.len;
    while (walk->rest.len > 0 && walk->rest.ptr[0] == '/') {
        walk->rest.ptr++;
        walk->rest.len--;
        part.slash = true;
    }
    part.last = walk->rest.len == 0;
    return part;
}

static void move_to(struct walk *walk, struct vnode *dir, enum view_access access)
{
    vnode_unref(walk->dir);
    walk->dir = dir;
    walk->access = access;
}

/* Slashes at the start of a path or of a link's target. */
static int start_absolute(struct walk *walk)
{
    if (walk->rest.len == 0 || walk->rest.ptr[0] != '/')
        return 0;
    if (walk->beneath)
        return ERRNO_NOTCAPABLE;
    while (walk->rest.len > 0 && walk->rest.ptr[0] == '/') {
        walk->rest.ptr++;
        walk->rest.len--;
    }
    struct vnode *root = mount_enter(vnode_ref(walk->vfs->root));
    move_to(walk, root, view_access(walk->view, root));
    return 0;
}

static int go_up(struct walk *walk)
{
    struct vnode *up;
    if (walk->beneath && walk->depth == 0)
        return ERRNO_NOTCAPABLE;
    int e = vnode_up(walk->dir, &up);
    if (e != 0)
        return e;
    walk->depth--;
    move_to(walk, up, view_access(walk->view, up));
    return walk->access == VIEW_NOTHING ? ERRNO_NOENT : 0;
}

/* Puts the target of `link` in front of what is left; `slash` stood behind the link's name. */
static int put_link(struct walk *walk, struct vnode *link, bool slash)
{
    struct buf text = BUF_INIT(PENDING_MAX);
    if (!link->fs->ops->readlink)
        return ERRNO_INVAL;
    int e = link->fs->ops->readlink(link, &text);
    if (e == 0 && text.len == 0)
        e = ERRNO_NOENT;
    if (e == 0) {
        if (slash)
            buf_add_char(&text, '/');
        buf_add_str(&text, walk->rest);
        if (buf_failed(&text))
            e = text.len + walk->rest.len + 1 >= PENDING_MAX ? ERRNO_NAMETOOLONG : ERRNO_NOMEM;
    }
    if (e != 0) {
        buf_release(&text);
        return e;
    }
    buf_release(&walk->pending);
    walk->pending = text;
    walk->rest = buf_str(&walk->pending);
    return start_absolute(walk);
}

static void set_place(struct place *place, struct walk *walk, struct str name, struct vnode *node,
                      enum view_access access)
{
    place->access = walk->access;
    place->node_access = access;
    place->dir = vnode_ref(walk->dir);
    memcpy(place->name, name.ptr, name.len);
    place->name[name.len] = 0;
    place->last = (struct str){place->name, name.len};
    place->node = node;
}

/* One component; *ret_done when it was the last and *place is filled. */
static int step(struct walk *walk, struct place *place, bool *ret_done)
{
    struct component part = next_component(walk);
    place->slash = part.slash;
    if (walk->dir->type != FILE_DIRECTORY)
        return ERRNO_NOTDIR;
    bool dot = str_equal(part.name, STR(".")), dotdot = str_equal(part.name, STR(".."));
    if (dot || dotdot) {
        int e = dotdot ? go_up(walk) : 0;
        if (e == 0 && part.last) {
            place->dot = dot;
            place->dotdot = dotdot;
            set_place(place, walk, (struct str){"", 0}, vnode_ref(walk->dir), walk->access);
            *ret_done = true;
        }
        return e;
    }
    if (part.last && part.slash && (walk->flags & PLACE_CREATES))
        return ERRNO_ISDIR;
    if (part.name.len > NAME_LENGTH_MAX)
        return ERRNO_NAMETOOLONG;
    struct vnode *node = NULL;
    int e = walk->access == VIEW_PATH ? view_lookup(walk->view, walk->dir, part.name, &node)
                                      : walk->dir->fs->ops->lookup(walk->dir, part.name, &node);
    if (e == ERRNO_NOENT && part.last) {
        set_place(place, walk, part.name, NULL, VIEW_NOTHING);
        *ret_done = true;
        return 0;
    }
    if (e != 0)
        return e;
    node = mount_enter(node);
    enum view_access access = walk->access == VIEW_PATH
                                  ? view_access(walk->view, node)
                                  : view_access_in(walk->view, walk->access, node);
    bool follow = !part.last || (walk->flags & PLACE_FOLLOW) ||
                  (part.slash && (walk->flags & PLACE_SLASH_FOLLOWS));
    if (node->type == FILE_SYMLINK && follow) {
        struct file *file = NULL;
        if (++walk->links > walk->vfs->kernel->limits.symlinks)
            e = ERRNO_LOOP;
        else if (!node->fs->ops->follow || (e = node->fs->ops->follow(node, &file)) == ERRNO_INVAL)
            e = put_link(walk, node, part.slash);
        if (!file || e != 0) {
            vnode_unref(node);
            return e;
        }
        struct vnode *there = file->vnode;
        if (there && there->type == FILE_DIRECTORY) {
            access = view_access(walk->view, there);
            if (walk->beneath)
                e = ERRNO_NOTCAPABLE;
            else if (access == VIEW_NOTHING)
                e = ERRNO_NOENT;
            vnode_unref(node);
            node = vnode_ref(there);
            file_unref(file);
            if (e != 0) {
                vnode_unref(node);
                return e;
            }
        } else if (part.last && !part.slash) {
            place->file = file;
            access = VIEW_WRITE; /* what the descriptor may is written on the file */
        } else {
            file_unref(file);
            vnode_unref(node);
            return ERRNO_NOTDIR;
        }
    }
    if (part.last) {
        set_place(place, walk, part.name, node, access);
        *ret_done = true;
        return 0;
    }
    walk->depth++;
    move_to(walk, node, access);
    return 0;
}

int place_find(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags,
               struct place *ret)
{
    struct place place = {.dir = NULL};
    bool done = false;
    if (path.len == 0)
        return ERRNO_NOENT;
    if (path.len > vfs->kernel->limits.path)
        return ERRNO_NAMETOOLONG;
    if (memchr(path.ptr, 0, path.len))
        return ERRNO_INVAL;
    if (!at.dir || !at.dir->vnode || at.dir->vnode->type != FILE_DIRECTORY)
        return ERRNO_NOTDIR;
    struct walk walk = {
        .vfs = vfs, .view = at.view, .beneath = at.beneath, .flags = flags, .rest = path};
    walk.pending = BUF_INIT(PENDING_MAX);
    walk.dir = vnode_ref(at.dir->vnode);
    walk.access = path.ptr[0] == '/' ? VIEW_NOTHING : view_access(at.view, walk.dir);
    int e = start_absolute(&walk);
    if (e == 0 && walk.access == VIEW_NOTHING)
        e = ERRNO_NOENT; /* where it starts is none of what it sees */
    while (e == 0 && !done) {
        if (walk.rest.len == 0) { /* nothing but slashes: the root */
            place.slash = true;
            set_place(&place, &walk, (struct str){"", 0}, vnode_ref(walk.dir), walk.access);
            break;
        }
        e = step(&walk, &place, &done);
    }
    buf_release(&walk.pending);
    vnode_unref(walk.dir);
    if (e != 0)
        return e;
    *ret = place;
    /* The name lies in the structure that was copied. */
    ret->last.ptr = ret->name;
    return 0;
}

void place_release(struct place *place)
{
    file_unref(place->file);
    vnode_unref(place->node);
    vnode_unref(place->dir);
}

int place_existing(struct vfs *vfs, struct vfs_at at, struct str path, bool follow,
                   struct place *ret)
{
    int e = place_find(vfs, at, path, PLACE_SLASH_FOLLOWS | (follow ? PLACE_FOLLOW : 0), ret);
    if (e != 0)
        return e;
    if (!ret->node)
        e = ERRNO_NOENT;
    else if (ret->slash && ret->node->type != FILE_DIRECTORY)
        e = ERRNO_NOTDIR;
    if (e != 0)
        place_release(ret);
    return e;
}
