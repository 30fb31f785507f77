/* Views: what a process that was handed only a part of the tree sees of it.
 *
 *     handed on           what it sees                      access
 *     /workspace/in ro    /                                 PATH   lists workspace, dev, proc only
 *     /workspace/out rw   /workspace                        PATH   lists in and out only
 *                         /workspace/in, all beneath        READ
 *                         /workspace/out, all beneath       WRITE
 *                         /workspace/other, /tmp, /tools    NOTHING: not there
 *
 * A part is a directory, not a text: its path is resolved once, when the view is made, and then the
 * vnode is held. Who renames it moves it in the view, who puts another in its place hands on
 * nothing. The innermost part above an object says what may be done with it. A view made by a
 * process that has one itself stands below that one, and every question is put to both, so that
 * nothing a later move of directories does can make the lower one the larger.
 *
 * /dev and /proc, which show a process only what it has, are in every view.
 */
#ifndef CAPFUL_VFS_VIEW_H
#define CAPFUL_VFS_VIEW_H

#include "vfs/node.h"

#define VIEW_PARTS  64   /* directories of one view */
#define VIEW_LEVELS 16   /* views below one another */
#define VIEW_CLIMB  1024 /* directories above one another that are looked at: deeper is nothing */

/* For a view of NULL all is VIEW_WRITE. */
enum view_access view_access(const struct view *view, struct vnode *node);
/* The same for what lies in a directory whose access is known: READ or WRITE. */
enum view_access view_access_in(const struct view *view, enum view_access dir, struct vnode *node);
/* What has this name in a directory of access PATH: a reference. NOENT. */
int view_lookup(const struct view *view, struct vnode *dir, struct str name, struct vnode **ret);
/* The entries of such a directory, `at` from 0 on; their name is added to *name. NOENT at the end.
 */
int view_readdir(const struct view *view, struct vnode *dir, uint64_t at, struct buf *name,
                 uint64_t *ret_ino, uint64_t *ret_next);
/* A part, or above one: its name stays. */
bool view_pins(const struct view *view, struct vnode *node);
/* What stat says of a directory of access PATH: that it is there, and nothing of what goes on in
 * it. */
void view_plain_stat(struct file_stat *stat);

#endif
