/* Inside the vfs: handles of objects, the table that a file system supplies, mounts.
 *
 *     path.c      resolves a path to (directory, name, object): crosses mounts, follows links
 *     view.c      what of all that a process sees
 *     names.c     the operations of vfs.h on what path.c found: what POSIX says of all of them
 *     mount.c     vfs_new, mounts, snapshots
 *     pseudo.c    / and what is always there: /dev (dev.c), /proc (proc.c), /tools (page.c)
 *     memfs.c     over tree.c: /workspace, /tmp
 *     hostfs.c    over hostdir.c: ro and rw mounts
 *     overlay.c   tree.c over hostdir.c
 *     served.c    mounts that the host answers
 *
 * A vnode is counted and unique: while it lives, looking its object up again gives the same one, so
 * a mount can be hung on it and pointers can be compared. A file system finds its objects by number
 * (memory) or by place, that is by parent and name (host, overlay, served); then a rename moves the
 * vnode.
 */
#ifndef CAPFUL_VFS_NODE_H
#define CAPFUL_VFS_NODE_H

#include "base/buf.h"
#include "vfs/tree.h"
#include "vfs/vfs.h"

struct fs;
struct mount;

struct vnode {
    uint32_t refs;
    enum file_type type;
    struct fs *fs; /* counted */
    uint64_t ino;  /* by number: the key. Elsewhere the file system's own affair */
    struct vnode
        *parent; /* by place: counted, NULL at the root and when it has no place any more */
    char *name;
    uint32_t name_len, hash;
    uint32_t charged; /* bytes */
    struct vnode *hash_next;
    uint32_t held;         /* parts of views that are this directory */
    bool hashed;           /* can be found */
    bool removed;          /* by place: lost its name */
    bool fixed_name;       /* the name is not ours to free */
    struct mount *mounted; /* on this directory */
    struct mount *root_of; /* this is the root of a mount */
};

struct fs_ops {
    const char *name;
    /* Answers an errno. `name` is neither empty nor "." or ".." nor longer than 255 and holds no
     * slash. A result is a reference for the caller. Missing operations: ROFS for changes, else
     * INVAL. */
    int (*lookup)(struct vnode *dir, struct str name, struct vnode **ret);
    int (*parent)(struct vnode *dir, struct vnode **ret); /* never asked of a root */
    int (*name_of)(struct vnode *dir,
                   struct buf *out); /* the same; NOENT if it has none any more */
    int (*stat)(struct vnode *node, struct file_stat *ret); /* all but dev */
    int (*set_times)(struct vnode *node, uint64_t atime, uint64_t mtime, unsigned which);
    int (*set_mode)(struct vnode *node, uint32_t mode);
    int (*readlink)(struct vnode *node, struct buf *out);
    /* A link that leads to an open file, whatever its text says (/proc/self/fd/3): a reference,
     * INVAL if it is an ordinary one. NULL: all are. */
    int (*follow)(struct vnode *node, struct file **ret);
    /* The name is free. */
    int (*create)(struct vnode *dir, struct str name, struct vnode **ret);
    int (*mkdir)(struct vnode *dir, struct str name);
    int (*symlink)(struct vnode *dir, struct str name, struct str target);
    int (*link)(struct vnode *node, struct vnode *dir, struct str name);
    /* `node` is what has the name; kinds have been checked, the rest has not. */
    int (*unlink)(struct vnode *dir, struct str name, struct vnode *node);
    int (*rmdir)(struct vnode *dir, struct str name, struct vnode *node);
    int (*rename)(struct vnode *from, struct str from_name, struct vnode *node, struct vnode *to,
                  struct str to_name, struct vnode *replaced /* NULL: none */);
    /* Something other than a link. NULL: a file made of the operations below. */
    int (*open)(struct vnode *node, unsigned flags, bool read, bool write, struct file **ret);
    /* Files and directories opened by openfile.c. */
    int (*read)(struct vnode *node, void *buffer, size_t size, uint64_t offset, size_t *ret_len);
    int (*write)(struct vnode *node, const void *data, size_t len, uint64_t offset,
                 size_t *ret_len);
    int (*set_size)(struct vnode *node, uint64_t size);
    /* Entries after "." and "..", cookies from 2 on; NOENT at the end. `state` is the open
     * directory's own, NULL at first; freed by free_state. */
    int (*readdir)(struct vnode *dir, void **state, uint64_t cookie, struct file_dirent *ret);
    void (*free_state)(void *state);
    void (*forget)(struct vnode *node); /* last reference gone: frees what is the file system's own,
                                           not the vnode */
    void (*free)(struct fs *fs);        /* likewise */
};

struct fs {
    const struct fs_ops *ops;
    struct vfs *vfs;
    uint32_t refs;
    bool read_only;
    bool watched;      /* of a mount that vfs->watch wants to know about, */
    uint32_t watch_id; /* by this number */
    uint64_t dev;
};

static inline bool fs_may_write(const struct fs *fs);

enum mount_kind { MOUNT_MEMORY, MOUNT_HOST, MOUNT_OVERLAY, MOUNT_SERVED };

struct mount {
    struct mount *next; /* in the order in which they were made */
    enum mount_kind kind;
    const char *guest_path; /* absolute, as it was asked for */
    const char *tree_name;  /* memory and overlay: the directory of the tree that holds it */
    bool fixed;             /* part of struct vfs, its strings too */
    struct fs *fs;
    struct vnode *covered, *root; /* NULL while detached */
};

#define VCACHE_FIXED 64

struct vfs {
    struct kernel *kernel;
    struct tree *tree;
    struct vnode *root;  /* of pseudo.c */
    struct pages *pages; /* of page.c; NULL: none */
    struct mount *mounts;
    struct mount memory_mounts[2]; /* the first of them: /workspace, /tmp */
    uint64_t next_dev;
    const struct vfs_watch *watch; /* NULL: nothing is watched */
    void *watch_context;
    struct vnode **buckets; /* vnodes that can be found */
    uint32_t bucket_count, vnode_count;
    struct vnode *fixed_buckets[VCACHE_FIXED];
};

static inline bool fs_may_write(const struct fs *fs)
{
    return !fs->watched || fs->vfs->watch->may_write(fs->vfs->watch_context, fs->watch_id);
}

/* ---- vnode.c */
static inline struct vnode *vnode_ref(struct vnode *node)
{
    node->refs++;
    return node;
}
void vnode_unref(struct vnode *node); /* NULL is fine */
/* Fills in a fresh vnode (zeroed, perhaps the start of something larger; mem_free frees it). */
void vnode_init(struct vnode *node, struct fs *fs, enum file_type type);
/* Found: a reference. */
struct vnode *vnode_by_ino(struct fs *fs, uint64_t ino);
struct vnode *vnode_by_place(struct vnode *parent, struct str name);
void vnode_hash_ino(struct vnode *node);
/* Gives it a place. Errno: NOMEM, NOSPC at the limit of memory. */
int vnode_put(struct vnode *node, struct vnode *parent, struct str name);
/* With a name that outlives it; for nodes that are never moved. */
void vnode_put_fixed(struct vnode *node, struct vnode *parent, const char *name);
/* A live vnode at that place (if there is one) has lost it: it cannot be found any more. */
void vnode_removed(struct vnode *parent, struct str name);
/* Moves the one at `from`, if there is one, over what is at `to`. Whatever fails is done before
 * `commit`. */
int vnode_prepare_move(struct str to_name, char **ret_name);
void vnode_move(struct vnode *from, struct str from_name, struct vnode *to, char *to_name);
/* The names from the root of the file system, joined by slashes; false if it lost its place or
 * memory is short. */
bool vnode_place_path(const struct vnode *node, struct buf *out);
struct fs *fs_ref(struct fs *fs);
void fs_unref(struct fs *fs);
void fs_init(struct fs *fs, const struct fs_ops *ops, struct vfs *vfs, bool read_only);

/* ---- path.c */
struct place {
    struct vnode *dir; /* where the last component is; the directory itself for ".", ".." and "/" */
    char name[NAME_LENGTH_MAX + 1];
    struct str last;                      /* the name; empty for those */
    bool dot, dotdot;                     /* the last component is "." or ".." */
    bool slash;                           /* slashes followed */
    struct vnode *node;                   /* what is there, mounts crossed; NULL if nothing */
    struct file *file;                    /* `node` is a link to this open file */
    enum view_access access, node_access; /* of dir and node */
};

enum {
    PLACE_FOLLOW = 1, /* a link in the last component */
    PLACE_SLASH_FOLLOWS =
        2,            /* also when a slash stands behind it, as lookups of what must exist do */
    PLACE_CREATES = 4 /* a regular file: a slash behind its name is ISDIR */
};

/* On success place_release must be called. `node` may be NULL only where the last component alone
 * is missing. */
int place_find(struct vfs *vfs, struct vfs_at at, struct str path, unsigned flags,
               struct place *ret);
void place_release(struct place *place);
/* What must exist: NOENT if not, NOTDIR if slashes follow something else than a directory. */
int place_existing(struct vfs *vfs, struct vfs_at at, struct str path, bool follow,
                   struct place *ret);
/* Into the mounts that lie on a directory. Takes the reference and gives one. */
struct vnode *mount_enter(struct vnode *node);
/* ".." of a directory, out of mounts; the root is its own. */
int vnode_up(struct vnode *dir, struct vnode **ret);

/* ---- openfile.c */
/* The seek of files that keep an offset: moves file->offset; `end` is the size. */
int openfile_seek(struct file *file, int64_t offset, int whence, uint64_t end, uint64_t *ret);
int openfile_new(struct vnode *node, unsigned fd_flags, bool read, bool write, struct file **ret);
int vnode_stat(struct vnode *node, struct file_stat *ret);
/* The directory lists and tells no more than this view shows of it. Errno: NOMEM. */
int openfile_limit(struct file *dir, struct view *view);

/* ---- file systems */
int memfs_new(struct vfs *vfs, struct tree *tree, struct fs **ret);
int memfs_vnode(struct fs *fs, uint64_t ino, struct vnode **ret);
struct hostdir;
int hostfs_new(struct vfs *vfs, struct hostdir *dir /* taken */, bool read_only, struct fs **ret);
int hostfs_root(struct fs *fs, struct vnode **ret);
int overlay_new(struct vfs *vfs, struct hostdir *dir /* taken */, struct fs **ret);
int overlay_root(struct fs *fs, struct tree *tree, uint64_t upper, struct vnode **ret);
/* *ret_stopped is set when `each` asked to stop. */
int overlay_diff(struct vnode *root, const char *guest_path,
                 int (*each)(void *, char, const char *), void *context, bool *ret_stopped);
int served_new(struct vfs *vfs, const struct capful_mount_ops *ops, void *context, struct fs **ret);
int served_root(struct fs *fs, struct vnode **ret);
int pseudo_new(struct vfs *vfs, struct vnode **ret_root);
void pseudo_release(struct vfs *vfs);
/* A directory of the skeleton, made if it is missing; borrowed. */
int pseudo_make_directory(struct vnode *vnode, struct str name, struct vnode **ret);
bool is_pseudo(const struct vnode *node);

#endif
