/* Memory over a host directory.
 *
 *     upper   a directory of the memory tree: whole files, new directories, whiteouts
 *     lower   a directory of the host, only read
 *
 * A directory of the upper layer that stands for one of the host carries its path there, the
 * origin: what it does not hold itself is looked up at the origin, unless a whiteout hides it.
 * Since the origin is a path and not a place, a directory of the host can be renamed by copying up
 * its one inode; its contents stay where they are. A directory without an origin is opaque. Files
 * are copied up whole, in pieces, when they are first written.
 *
 * All state of the upper layer is in the tree, so a snapshot of the tree is a snapshot of the
 * overlay.
 */
#ifndef CAPFUL_VFS_OVERLAY_H
#define CAPFUL_VFS_OVERLAY_H

#include "vfs/hostdir.h"
#include "vfs/node.h"

struct overlay {
    struct fs fs;
    struct hostdir *dir;
};

struct onode {
    struct vnode vnode;
    struct tree *tree; /* counted: open files keep the tree of before a restore */
    uint64_t upper;    /* pinned; 0: only in the lower layer */
    char *lower;       /* path beneath the host's root; NULL: only in the upper layer */
    int fd;            /* of the lower file, once opened; -1 */
};

static inline struct onode *onode_of(struct vnode *node)
{
    return (struct onode *)node;
}

static inline struct hostdir *overlay_dir(const struct onode *node)
{
    return ((struct overlay *)node->vnode.fs)->dir;
}

/* "a/b" of "a" and "b", "b" of "" and "b"; to be freed. Errno: NOMEM, NAMETOOLONG. */
int overlay_join(const char *dir, struct str name, char **ret);

/* overlist.c: the merged listing. `state` as fs_ops.readdir has it. */
int overlist_next(struct onode *dir, void **state, uint64_t cookie, struct file_dirent *ret);
void overlist_free(void *state);

#endif
