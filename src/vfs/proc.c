/* /proc/self as far as scripts use it: fd, cmdline, cwd, exe. It shows the process that looks, and
 * nothing to the host. */
#include <stdio.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/pseudo.h"
#include "vfs/view.h"

/* ---- descriptors: /proc/self/fd, /dev/fd, /dev/stdin … */

static struct fd *fd_of(const struct pnode *node)
{
    struct process *process = pseudo_process(node);
    return process ? fdtab_get(&process->fds, (uint32_t)node->number) : NULL;
}

/* A directory that was moved out of the view of the process does not tell where it is now. */
static bool sees(const struct file *dir)
{
    struct process *process = dir->vnode->fs->vfs->kernel->current;
    return process && view_access(process->view, dir->vnode) != VIEW_NOTHING;
}

/* "/workspace/dir", "pipe:", "file:" and the like; only directories know their path. */
static int fd_text(struct pnode *node, struct buf *out)
{
    struct fd *fd = fd_of(node);
    if (!fd)
        return ERRNO_NOENT;
    if (fd->file->vnode && fd->file->vnode->type == FILE_DIRECTORY && sees(fd->file) &&
        vfs_path_of(node->vnode.fs->vfs, fd->file, out) == 0)
        return 0;
    return buf_printf(out, "%s:[%llu]", fd->file->ops->name, (unsigned long long)node->number)
               ? 0
               : ERRNO_NOMEM;
}

static int fd_follow(struct pnode *node, struct file **ret)
{
    struct fd *fd = fd_of(node);
    if (!fd)
        return ERRNO_NOENT;
    *ret = file_ref(fd->file);
    return 0;
}

const struct pseudo_kind fd_link = {
    .type = FILE_SYMLINK, .mode = 0777, .text = fd_text, .follow = fd_follow};

static int fd_lookup(struct pnode *dir, struct str name, struct vnode **ret)
{
    struct process *process = pseudo_process(dir);
    uint64_t number = 0;
    if (name.len > 9 || (name.ptr[0] == '0' && name.len > 1))
        return ERRNO_NOENT;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return ERRNO_NOENT;
        number = number * 10 + (uint64_t)(name.ptr[i] - '0');
    }
    if (!process || !fdtab_get(&process->fds, (uint32_t)number))
        return ERRNO_NOENT;
    return pseudo_transient(dir, name, &fd_link, number, ret);
}

static int fd_readdir(struct pnode *dir, uint64_t cookie, struct file_dirent *ret)
{
    struct process *process = pseudo_process(dir);
    uint64_t number = cookie - 2;
    if (!process)
        return ERRNO_NOENT;
    while (number < process->fds.alloc && !fdtab_get(&process->fds, (uint32_t)number))
        number++;
    if (number >= process->fds.alloc)
        return ERRNO_NOENT;
    int len = snprintf(dir->label, sizeof dir->label, "%u", (unsigned)number);
    struct str name = {dir->label, (size_t)len};
    *ret = (struct file_dirent){number + 3, pseudo_ino(dir, name), FILE_SYMLINK, name};
    return 0;
}

const struct pseudo_kind fd_directory = {
    .type = FILE_DIRECTORY, .mode = 0555, .lookup = fd_lookup, .readdir = fd_readdir};

/* ---- the process itself */

static int cmdline_text(struct pnode *node, struct buf *out)
{
    struct process *process = pseudo_process(node);
    if (!process)
        return ERRNO_NOENT;
    return buf_add_str(out, buf_str(&process->argv)) ? 0 : ERRNO_NOMEM;
}

static int exe_text(struct pnode *node, struct buf *out)
{
    struct process *process = pseudo_process(node);
    if (!process || process->argv.len == 0)
        return ERRNO_NOENT;
    return buf_add_text(out, process->argv.data) ? 0 : ERRNO_NOMEM;
}

static int cwd_text(struct pnode *node, struct buf *out)
{
    struct process *process = pseudo_process(node);
    if (!process || !process->cwd || !sees(process->cwd))
        return ERRNO_NOENT;
    return vfs_path_of(node->vnode.fs->vfs, process->cwd, out);
}

static int cwd_follow(struct pnode *node, struct file **ret)
{
    struct process *process = pseudo_process(node);
    if (!process || !process->cwd)
        return ERRNO_NOENT;
    *ret = file_ref(process->cwd);
    return 0;
}

static const struct pseudo_kind cmdline_kind = {
    .type = FILE_REGULAR, .mode = 0444, .text = cmdline_text};
static const struct pseudo_kind exe_kind = {.type = FILE_SYMLINK, .mode = 0777, .text = exe_text};
static const struct pseudo_kind cwd_kind = {
    .type = FILE_SYMLINK, .mode = 0777, .text = cwd_text, .follow = cwd_follow};

/* What is in /proc/self belongs to whoever looks: made for each look, kept by nobody. */
static const struct {
    const char *name;
    const struct pseudo_kind *kind;
} self_entries[] = {
    {"fd", &fd_directory}, {"cmdline", &cmdline_kind}, {"exe", &exe_kind}, {"cwd", &cwd_kind}};

#define SELF_COUNT (sizeof self_entries / sizeof self_entries[0])

static int self_lookup(struct pnode *dir, struct str name, struct vnode **ret)
{
    for (size_t i = 0; i < SELF_COUNT; i++) {
        if (!str_equal(name, str_of(self_entries[i].name)))
            continue;
        if (self_entries[i].kind == &cmdline_kind)
            vnode_removed(&dir->vnode, name); /* a fresh one: the last may be another process's */
        return pseudo_transient(dir, name, self_entries[i].kind, i, ret);
    }
    return ERRNO_NOENT;
}

static int self_readdir(struct pnode *dir, uint64_t cookie, struct file_dirent *ret)
{
    if (cookie - 2 >= SELF_COUNT)
        return ERRNO_NOENT;
    struct str name = str_of(self_entries[cookie - 2].name);
    *ret = (struct file_dirent){cookie + 1, pseudo_ino(dir, name),
                                self_entries[cookie - 2].kind->type, name};
    return 0;
}

static const struct pseudo_kind self_directory = {
    .type = FILE_DIRECTORY, .mode = 0555, .lookup = self_lookup, .readdir = self_readdir};

static int proc_populate(struct pnode *dir)
{
    return pseudo_add(dir, "self", &self_directory, 0);
}

const struct pseudo_kind proc_directory = {
    .type = FILE_DIRECTORY, .mode = 0555, .populate = proc_populate};
