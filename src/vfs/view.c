/* Views, see view.h. Each answer is found by climbing from the object to the root, at every
 * question: nothing that could become stale is kept. A vnode counts the parts that hold it, so that
 * those which none holds cost one look. */
#include "vfs/view.h"

#include <stddef.h>

#include "base/mem.h"
#include "kernel/kernel.h"

struct part {
    struct vnode *node;
    enum view_access access; /* READ or WRITE */
};

struct tree_view {
    struct view view;
    struct vfs *vfs;
    struct tree_view *above; /* of whoever made it; NULL: that one sees all */
    uint32_t level, n;
    struct part parts[];
};

static const struct tree_view *tree_view_of(const struct view *view)
{
    return (const struct tree_view *)view;
}

/* One step up; false at the top, and where something has no place any more. Takes the reference and
 * gives one. */
static bool climb(const struct vfs *vfs, struct vnode **at)
{
    struct vnode *up;
    if (*at == vfs->root || vnode_up(*at, &up) != 0)
        return false;
    bool moved = up != *at;
    vnode_unref(*at);
    *at = up;
    return moved;
}

static const struct part *part_at(const struct tree_view *view, const struct vnode *node)
{
    for (uint32_t i = 0; node->held > 0 && i < view->n; i++) {
        if (view->parts[i].node == node)
            return &view->parts[i];
    }
    return NULL;
}

/* What the views of all levels let be done with `node`, the ways to their parts not counted: each
 * level finds its innermost part on one climb. */
static enum view_access covered(const struct tree_view *view, struct vnode *node)
{
    bool found[VIEW_LEVELS] = {false};
    enum view_access access = VIEW_WRITE;
    uint32_t missing = view->level + 1;
    struct vnode *at = vnode_ref(node);
    for (unsigned steps = 0; missing > 0 && steps < VIEW_CLIMB; steps++) {
        for (const struct tree_view *v = view; at->held > 0 && v; v = v->above) {
            const struct part *part = found[v->level] ? NULL : part_at(v, at);
            if (!part)
                continue;
            found[v->level] = true;
            missing--;
            if (part->access < access)
                access = part->access;
        }
        if (!climb(view->vfs, &at))
            break;
    }
    vnode_unref(at);
    return missing == 0 ? access : VIEW_NOTHING;
}

/* The step from `dir` towards `node` beneath it: a reference, NULL if it is not beneath it. */
static struct vnode *step_below(const struct vfs *vfs, struct vnode *dir, struct vnode *node)
{
    struct vnode *at = vnode_ref(node);
    for (unsigned steps = 0; steps < VIEW_CLIMB; steps++) {
        struct vnode *below = vnode_ref(at);
        bool moved = climb(vfs, &at);
        if (moved && at == dir) {
            vnode_unref(at);
            return below;
        }
        vnode_unref(below);
        if (!moved)
            break;
    }
    vnode_unref(at);
    return NULL;
}

/* The same towards part i, as long as the views above have it, too. */
static struct vnode *step_to_part(const struct tree_view *view, uint32_t i, struct vnode *dir)
{
    struct vnode *node = view->parts[i].node;
    return covered(view, node) >= VIEW_READ ? step_below(view->vfs, dir, node) : NULL;
}

static bool leads_on(const struct tree_view *view, struct vnode *dir)
{
    struct vnode *step = NULL;
    if (dir->type != FILE_DIRECTORY)
        return false;
    for (uint32_t i = 0; !step && i < view->n; i++)
        step = step_to_part(view, i, dir);
    vnode_unref(step);
    return step != NULL;
}

enum view_access view_access(const struct view *view, struct vnode *node)
{
    if (!view)
        return VIEW_WRITE;
    const struct tree_view *tree = tree_view_of(view);
    enum view_access access = covered(tree, node);
    if (access != VIEW_NOTHING)
        return access;
    return node == tree->vfs->root || leads_on(tree, node) ? VIEW_PATH : VIEW_NOTHING;
}

enum view_access view_access_in(const struct view *view, enum view_access dir, struct vnode *node)
{
    return view && node->held > 0 ? view_access(view, node) : dir;
}

static int name_of(struct vnode *node, struct buf *out)
{
    while (node->root_of)
        node = node->root_of->covered;
    return node->fs->ops->name_of(node, out);
}

int view_lookup(const struct view *view, struct vnode *dir, struct str name, struct vnode **ret)
{
    const struct tree_view *tree = tree_view_of(view);
    int e = ERRNO_NOENT;
    for (uint32_t i = 0; e == ERRNO_NOENT && i < tree->n; i++) {
        struct buf own = BUF_INIT(NAME_LENGTH_MAX + 1);
        struct vnode *step = step_to_part(tree, i, dir);
        int named = step ? name_of(step, &own) : ERRNO_NOENT;
        if (named == 0 && str_equal(buf_str(&own), name)) {
            *ret = vnode_ref(step);
            e = 0;
        } else if (named == ERRNO_NOMEM) {
            e = ERRNO_NOMEM;
        }
        buf_release(&own);
        vnode_unref(step);
    }
    return e;
}

/* Several parts may lie beneath one entry: the first of them shows it. */
static bool shown_before(const struct tree_view *view, uint32_t i, struct vnode *dir,
                         const struct vnode *step)
{
    bool shown = false;
    for (uint32_t k = 0; !shown && k < i; k++) {
        struct vnode *other = step_to_part(view, k, dir);
        shown = other == step;
        vnode_unref(other);
    }
    return shown;
}

int view_readdir(const struct view *view, struct vnode *dir, uint64_t at, struct buf *name,
                 uint64_t *ret_ino, uint64_t *ret_next)
{
    const struct tree_view *tree = tree_view_of(view);
    struct file_stat stat = {.dev = 0};
    for (uint64_t i = at; i < tree->n; i++) {
        struct vnode *step = step_to_part(tree, (uint32_t)i, dir);
        int e = !step || shown_before(tree, (uint32_t)i, dir, step) ? ERRNO_NOENT
                                                                    : vnode_stat(step, &stat);
        if (e == 0)
            e = name_of(step, name);
        vnode_unref(step);
        if (e == ERRNO_NOENT)
            continue;
        if (e == 0) {
            *ret_ino = stat.ino;
            *ret_next = i + 1;
        }
        return e;
    }
    return ERRNO_NOENT;
}

bool view_pins(const struct view *view, struct vnode *node)
{
    bool pinned = false;
    if (!view || node->type != FILE_DIRECTORY)
        return false;
    for (const struct tree_view *v = tree_view_of(view); v && !pinned; v = v->above) {
        for (uint32_t i = 0; i < v->n && !pinned; i++) {
            struct vnode *step = NULL;
            pinned = v->parts[i].node == node ||
                     (step = step_below(v->vfs, node, v->parts[i].node)) != NULL;
            vnode_unref(step);
        }
    }
    return pinned;
}

void view_plain_stat(struct file_stat *stat)
{
    *stat = (struct file_stat){
        .dev = stat->dev, .ino = stat->ino, .type = FILE_DIRECTORY, .mode = 0555, .links = 2};
}

/* ---- made and gone */

static size_t size_of(size_t n)
{
    return sizeof(struct tree_view) + n * sizeof(struct part);
}

static void tree_view_free(struct view *view)
{
    struct tree_view *tree = (struct tree_view *)view;
    struct kernel *kernel = tree->vfs->kernel;
    for (uint32_t i = 0; i < tree->n; i++) {
        tree->parts[i].node->held--;
        vnode_unref(tree->parts[i].node);
    }
    if (tree->above)
        view_unref(&tree->above->view);
    kernel_discharge(kernel, size_of(VIEW_PARTS + 2));
    mem_free(tree);
}

/* The same directory named twice: the less of the two. */
static void add_part(struct tree_view *view, struct vnode *node, enum view_access access)
{
    for (uint32_t i = 0; i < view->n; i++) {
        struct part *part = &view->parts[i];
        if (part->node != node)
            continue;
        if (access < part->access)
            part->access = access;
        return;
    }
    view->parts[view->n++] = (struct part){vnode_ref(node), access};
    node->held++;
}

/* The skeleton's own directory of that name, unless a mount lies on it. */
static int add_skeleton(struct tree_view *view, struct str name)
{
    struct vnode *root = view->vfs->root, *node;
    int e = root->fs->ops->lookup(root, name, &node);
    if (e != 0)
        return e;
    if (!node->mounted)
        add_part(view, node, VIEW_WRITE);
    vnode_unref(node);
    return 0;
}

static int add_handed(struct tree_view *view, struct vfs_at at, const struct vfs_part *part)
{
    struct place place;
    int e = place_existing(view->vfs, at, part->path, true, &place);
    if (e != 0)
        return e;
    if (place.node->type != FILE_DIRECTORY)
        e = ERRNO_NOTDIR;
    else if (place.node_access < VIEW_READ)
        e = ERRNO_NOENT; /* it only leads to what the parent holds */
    else if (part->kind == VFS_PART_WRITE && place.node_access < VIEW_WRITE)
        e = ERRNO_ROFS;
    else
        add_part(view, place.node, part->kind == VFS_PART_READ ? VIEW_READ : place.node_access);
    place_release(&place);
    return e;
}

int vfs_view_new(struct vfs *vfs, struct vfs_at at, const struct vfs_part *parts, size_t n,
                 struct view **ret)
{
    struct tree_view *above = (struct tree_view *)at.view;
    if (n > VIEW_PARTS || (above && above->level + 1 >= VIEW_LEVELS))
        return ERRNO_2BIG;
    if (!kernel_charge(vfs->kernel, size_of(VIEW_PARTS + 2)))
        return ERRNO_NOMEM;
    struct tree_view *view = mem_zalloc(size_of(n + 2));
    if (!view) {
        kernel_discharge(vfs->kernel, size_of(VIEW_PARTS + 2));
        return ERRNO_NOMEM;
    }
    view->view = (struct view){1, tree_view_free};
    view->vfs = vfs;
    if (above) {
        view->above = above;
        view->level = above->level + 1;
        view_ref(&above->view);
    }
    int e = add_skeleton(view, STR("dev"));
    if (e == 0)
        e = add_skeleton(view, STR("proc"));
    for (size_t i = 0; e == 0 && i < n; i++)
        e = add_handed(view, at, &parts[i]);
    if (e != 0) {
        view_unref(&view->view);
        return e;
    }
    *ret = &view->view;
    return 0;
}

enum view_access vfs_view_access(const struct view *view, const struct file *file)
{
    return file->vnode ? view_access(view, file->vnode) : VIEW_WRITE;
}
