/* Listing a directory of an overlay: first the entries of the upper layer, then those of the host
 * that it does not hide.
 *
 * The host's names are taken when a listing starts, so that their places are stable. What is copied
 * up while the listing goes on appears in the upper layer behind the point where its part ended:
 * such entries are still listed as the host's, everything once. Cookies of the host's part start at
 * HOST_PART.
 */
#include <stddef.h>

#include "base/mem.h"
#include "kernel/kernel.h"
#include "vfs/overlay.h"

#define HOST_PART (UINT64_C(1) << 40)
#define NAMES_MAX (UINT32_MAX / 2)

struct host_name {
    uint64_t ino;
    uint32_t at; /* in names */
    uint16_t len;
    uint8_t type;
};

struct overlist {
    struct kernel *kernel;
    uint64_t charged;
    uint64_t end; /* of the upper part: cookies given out later belong to what was made since */
    struct host_name *list;
    uint32_t count, alloc;
    struct buf names;
};

void overlist_free(void *state)
{
    struct overlist *list = state;
    if (!list)
        return;
    kernel_discharge(list->kernel, list->charged);
    mem_free(list->list);
    buf_release(&list->names);
    mem_free(list);
}

static int add_name(struct overlist *list, const struct file_dirent *entry)
{
    if (list->count == list->alloc) {
        uint32_t alloc = list->alloc ? list->alloc * 2 : 64;
        uint64_t more = (uint64_t)(alloc - list->alloc) * (sizeof *list->list + 32);
        if (!kernel_charge(list->kernel, more))
            return ERRNO_NOSPC;
        list->charged += more;
        struct host_name *bigger = mem_resize_array(list->list, alloc, sizeof *bigger);
        if (!bigger)
            return ERRNO_NOMEM;
        list->list = bigger;
        list->alloc = alloc;
    }
    size_t at = list->names.len;
    if (!buf_add_str(&list->names, entry->name))
        return ERRNO_NOMEM;
    list->list[list->count++] = (struct host_name){entry->ino, (uint32_t)at,
                                                   (uint16_t)entry->name.len, (uint8_t)entry->type};
    return 0;
}

static int take_names(struct overlist *list, struct onode *dir)
{
    struct hostlist *host;
    struct file_dirent entry;
    uint64_t cookie = 2;
    int e = hostlist_open(overlay_dir(dir), dir->lower, &host);
    if (e != 0)
        return e;
    while ((e = hostlist_next(host, cookie, &entry)) == 0) {
        cookie = entry.next;
        e = add_name(list, &entry);
        if (e == 0 && list->count % 1024 == 0 && tree_must_stop(list->kernel))
            e = ERRNO_INTR;
        if (e != 0)
            break;
    }
    hostlist_free(host);
    return e == ERRNO_NOENT ? 0 : e;
}

static int start(struct onode *dir, struct overlist **ret)
{
    struct overlist *list = mem_zalloc(sizeof *list);
    if (!list)
        return ERRNO_NOMEM;
    const struct inode *upper = dir->upper ? tree_get(dir->tree, dir->upper) : NULL;
    list->kernel = dir->tree->kernel;
    list->names = BUF_INIT(NAMES_MAX);
    list->end = upper ? upper->next_cookie : 0;
    int e = dir->lower ? take_names(list, dir) : 0;
    if (e == 0)
        *ret = list;
    else
        overlist_free(list);
    return e;
}

static uint64_t shown_ino(const struct onode *dir, uint64_t ino)
{
    const struct inode *inode = tree_get(dir->tree, ino);
    return inode && inode->alias ? inode->alias : ino | UINT64_C(1) << 50;
}

int overlist_next(struct onode *dir, void **state, uint64_t cookie, struct file_dirent *ret)
{
    struct overlist *list = *state;
    struct tree_entry entry;
    if (!list || cookie == 2) {
        overlist_free(list);
        *state = NULL;
        int e = start(dir, &list);
        if (e != 0)
            return e;
        *state = list;
    }
    while (cookie < HOST_PART) {
        if (!dir->upper || tree_next(dir->tree, dir->upper, cookie, &entry) != 0 ||
            entry.cookie >= list->end) {
            cookie = HOST_PART;
            break;
        }
        cookie = entry.cookie + 1;
        if (entry.ino == 0)
            continue;
        *ret = (struct file_dirent){cookie, shown_ino(dir, entry.ino), entry.type, entry.name};
        return 0;
    }
    for (uint64_t i = cookie - HOST_PART; i < list->count; i++) {
        const struct host_name *host = &list->list[i];
        struct file_dirent found = {HOST_PART + i + 1,
                                    host->ino,
                                    (enum file_type)host->type,
                                    {list->names.data + host->at, host->len}};
        if (dir->upper && tree_find(dir->tree, dir->upper, found.name, &entry) == 0) {
            if (entry.ino == 0 || entry.cookie < list->end)
                continue;
            found.ino = shown_ino(dir, entry.ino);
            found.type = entry.type;
        }
        *ret = found;
        return 0;
    }
    return ERRNO_NOENT;
}
