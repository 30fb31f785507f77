/* The memory file system as data: a numbered table of inodes, changed by value.
 *
 *     struct tree ── table: number → inode ──┬─ directory: cookie → dirent (name, number)
 *                                            ├─ file: index → chunk of 64 KiB (none: a hole)
 *                                            └─ symbolic link: text
 *
 * Table, directories and files are persistent maps (radix.h), inodes, dirents and chunks are
 * counted and never changed while shared: a snapshot is one more reference on the table's root, and
 * a write afterwards copies the inode, the chunk and the few nodes on the way. A tree belongs to
 * one thread, what it shares with snapshots to any number.
 *
 * Cookies of directory entries are given out in order and never again, so a listing goes on where
 * it was whatever is added or removed meanwhile. Directories of more than a few entries get an
 * index by hash: a cache of this tree that is made when it is first needed and never shared. The
 * hash has a secret seed.
 *
 * An inode without names lives while something pins it (an open file, a working directory). Numbers
 * start at 1 (the root) and are never reused. Entries with number 0 are whiteouts: they hide what
 * an overlay has beneath.
 *
 * Answers are errnos of abi/errno.def. Each change happens whole or not at all. Bytes held are
 * charged to the kernel, and limits vfs_bytes and vfs_nodes end the run when the guest passes them
 * (NOSPC).
 */
#ifndef CAPFUL_VFS_TREE_H
#define CAPFUL_VFS_TREE_H

#include "base/str.h"
#include "kernel/file.h"
#include "vfs/imap.h"
#include "vfs/radix.h"

#define TREE_ROOT       1u
#define NAME_LENGTH_MAX 255u
#define LINK_LENGTH_MAX 4095u
#define CHUNK_COST 384u /* of memory, besides the contents: its record and a share of the map */

struct kernel;

struct text { /* counted, never changed */
    struct counted count;
    uint32_t len;
    char bytes[];
};

struct inode {
    struct counted count;
    enum file_type type;
    uint32_t mode;
    uint64_t links, size;
    uint64_t atime, mtime, ctime;
    struct radix map;  /* file: chunks; directory: entries by cookie */
    uint64_t held;     /* bytes charged for it beyond the inode itself, without those of `chunks` */
    uint64_t chunks;   /* of a file: each costs CHUNK_COST besides */
    struct text *text; /* target of a symbolic link; origin of an overlay's directory */
    uint64_t alias;    /* overlay: the number that it had in the layer beneath, 0 none */
    uint64_t parent, place; /* directory: where its name is */
    uint64_t next_cookie;
    uint64_t entries; /* whiteouts included */
};

struct tree_entry {
    uint64_t cookie, ino; /* ino 0: a whiteout */
    enum file_type type;
    struct str name; /* until the tree is changed */
};

struct tree {
    uint32_t refs;
    struct kernel *kernel;
    struct radix table;
    uint64_t next_ino;
    uint64_t bytes, nodes; /* contents of files; inodes */
    uint64_t charged;      /* to the kernel */
    struct imap pins;      /* number → count */
    uint64_t orphans;      /* pinned without a name */
    struct imap indexes;   /* number of a directory → struct dirindex * */
};

/* Room for a snapshot: a table and its figures. */
struct tree_state {
    struct radix table;
    uint64_t next_ino, bytes, nodes, charged;
};

/* Between the pieces of long work: only a guest's call is cut short. */
bool tree_must_stop(struct kernel *kernel);

/* With an empty root directory. */
int tree_new(struct kernel *kernel, struct tree **ret);
/* What a snapshot holds. LIMIT of the sandbox: NOSPC. */
int tree_from(struct kernel *kernel, const struct tree_state *state, struct tree **ret);
static inline struct tree *tree_ref(struct tree *tree)
{
    tree->refs++;
    return tree;
}
void tree_unref(struct tree *tree);
int tree_save(struct tree *tree, struct tree_state *ret);
void tree_state_release(struct tree_state *state);

/* Borrowed until the tree is changed; NULL if there is no such inode. */
const struct inode *tree_get(const struct tree *tree, uint64_t ino);
void tree_stat(const struct inode *inode, uint64_t ino, struct file_stat *ret);
/* Pinning keeps an inode that loses its last name. Errno: NOMEM. */
int tree_pin(struct tree *tree, uint64_t ino);
void tree_unpin(struct tree *tree, uint64_t ino);

/* NOENT, NOTDIR; whiteouts are found too. */
int tree_find(struct tree *tree, uint64_t dir, struct str name, struct tree_entry *ret);
/* The entry with the smallest cookie from `cookie` on; NOENT at the end. */
int tree_next(const struct tree *tree, uint64_t dir, uint64_t cookie, struct tree_entry *ret);
/* Name of a directory in its parent; NOENT if it has none any more. */
int tree_name_of(const struct tree *tree, uint64_t dir, struct tree_entry *ret);

struct tree_make {
    enum file_type type;
    uint32_t mode;
    struct str text;
    bool whiteout_under; /* the entry stands for one in the layer beneath: for tree_remove,
                            tree_rename */
};
/* A new inode under a name that is free or a whiteout. EXIST, NOENT (the directory was removed),
 * NOSPC, NOMEM. */
int tree_make(struct tree *tree, uint64_t dir, struct str name, const struct tree_make *make,
              uint64_t *ret_ino);
/* A new inode without a name, pinned once. */
int tree_make_unnamed(struct tree *tree, const struct tree_make *make, uint64_t *ret_ino);
/* One more name for an inode that is no directory. */
int tree_link(struct tree *tree, uint64_t ino, uint64_t dir, struct str name);
/* Takes a name away; a directory must be empty but for whiteouts (NOTEMPTY). With `whiteout` one
 * stays in its place, also where there was no entry. */
int tree_remove(struct tree *tree, uint64_t dir, struct str name, bool whiteout);
/* Moves a name, over what is there (which the caller has checked: kinds fit, a directory is empty
 * but for whiteouts). */
int tree_rename(struct tree *tree, uint64_t from, struct str from_name, uint64_t to,
                struct str to_name, bool whiteout);

int tree_set_times(struct tree *tree, uint64_t ino, uint64_t atime, uint64_t mtime, unsigned which);
int tree_set_mode(struct tree *tree, uint64_t ino, uint32_t mode);
int tree_set_alias(struct tree *tree, uint64_t ino, uint64_t alias);

/* src/vfs/data.c: contents of files. */
int tree_read(const struct tree *tree, uint64_t ino, void *buffer, size_t size, uint64_t offset,
              size_t *ret_len);
int tree_write(struct tree *tree, uint64_t ino, const void *data, size_t len, uint64_t offset,
               size_t *ret_len);
int tree_set_size(struct tree *tree, uint64_t ino, uint64_t size);

/* For data.c. The inode as this tree's own, to be changed; NULL when memory is short. */
struct inode *tree_edit(struct tree *tree, uint64_t ino);
/* Counts `bytes` of contents and chunks: 0, or NOSPC at a limit. */
int tree_charge_bytes(struct tree *tree, uint64_t bytes, uint64_t chunks);
void tree_discharge_bytes(struct tree *tree, uint64_t bytes, uint64_t chunks);
uint64_t tree_now(const struct tree *tree);

/* Tests: walks everything; NULL or what is wrong. */
const char *tree_check(const struct tree *tree);

#endif
