/* The skeleton of the name space: a read-only file system whose nodes are C objects.
 *
 * Directories of the skeleton live as long as the vfs and keep their children in a list, made by
 * `populate` when they are first looked into. What a directory finds by itself (numbers of
 * descriptors, pages of tools) lives while it is referenced.
 */
#ifndef CAPFUL_VFS_PSEUDO_H
#define CAPFUL_VFS_PSEUDO_H

#include "vfs/node.h"

struct pnode;

struct pseudo_kind {
    enum file_type type;
    uint32_t mode;
    int (*populate)(struct pnode *dir);
    /* Directories that find their entries by themselves. */
    int (*lookup)(struct pnode *dir, struct str name, struct vnode **ret);
    int (*readdir)(struct pnode *dir, uint64_t cookie,
                   struct file_dirent *ret); /* cookies from 2 on */
    /* Devices. */
    int (*open)(struct pnode *node, bool read, bool write, struct file **ret);
    /* Contents of a read-only file, or the target of a link. */
    int (*text)(struct pnode *node, struct buf *out);
    int (*follow)(struct pnode *node, struct file **ret);
};

struct pnode {
    struct vnode vnode;
    const struct pseudo_kind *kind;
    struct pnode *up, *first, *last, *next; /* of the skeleton */
    uint64_t number; /* place among the children; for transient nodes the kind's own */
    bool populated;
    struct buf text; /* contents, once made */
    char label[16];  /* for names that a listing makes up */
};

/* A child of the skeleton, owned by its directory; `name` is borrowed. Errno: NOMEM. */
int pseudo_add(struct pnode *dir, const char *name, const struct pseudo_kind *kind,
               uint64_t number);
/* The node of that place, made if it does not live; `number` is for a fresh one. A reference. */
int pseudo_transient(struct pnode *dir, struct str name, const struct pseudo_kind *kind,
                     uint64_t number, struct vnode **ret);
uint64_t pseudo_ino(const struct pnode *dir, struct str name);
struct process *pseudo_process(const struct pnode *node); /* who is calling; NULL: the host */
static inline struct pnode *pnode_of(struct vnode *node)
{
    return (struct pnode *)node;
}

/* dev.c, proc.c, page.c */
extern const struct pseudo_kind dev_directory, proc_directory, fd_directory, fd_link,
    tools_directory;
void pages_free(struct vfs *vfs);

#endif
