/* /tools: a read-only page for each tool, made when it is first read. A thousand of them cost a
 * sandbox one block. */
#include "base/mem.h"
#include "vfs/pseudo.h"

#define NAMES_MAX (64u << 20)

struct page {
    uint32_t name, name_len; /* in names */
    int (*make)(void *context, struct str name, struct buf *out);
    void *context;
};

struct pages {
    struct page *list;
    uint32_t count, alloc;
    struct buf names;
};

static struct str name_of(const struct pages *pages, const struct page *page)
{
    return (struct str){pages->names.data + page->name, page->name_len};
}

static int page_text(struct pnode *node, struct buf *out)
{
    const struct pages *pages = node->vnode.fs->vfs->pages;
    const struct page *page = &pages->list[node->number];
    return page->make(page->context, name_of(pages, page), out);
}

static const struct pseudo_kind page_kind = {.type = FILE_REGULAR, .mode = 0444, .text = page_text};

static int tools_lookup(struct pnode *dir, struct str name, struct vnode **ret)
{
    const struct pages *pages = dir->vnode.fs->vfs->pages;
    for (uint32_t i = 0; pages && i < pages->count; i++) {
        if (str_equal(name, name_of(pages, &pages->list[i])))
            return pseudo_transient(dir, name, &page_kind, i, ret);
    }
    return ERRNO_NOENT;
}

static int tools_readdir(struct pnode *dir, uint64_t cookie, struct file_dirent *ret)
{
    const struct pages *pages = dir->vnode.fs->vfs->pages;
    if (!pages || cookie - 2 >= pages->count)
        return ERRNO_NOENT;
    struct str name = name_of(pages, &pages->list[cookie - 2]);
    *ret = (struct file_dirent){cookie + 1, pseudo_ino(dir, name), FILE_REGULAR, name};
    return 0;
}

const struct pseudo_kind tools_directory = {
    .type = FILE_DIRECTORY, .mode = 0555, .lookup = tools_lookup, .readdir = tools_readdir};

int vfs_add_page(struct vfs *vfs, struct str name,
                 int (*make)(void *context, struct str name, struct buf *out), void *context)
{
    bool dots = str_equal(name, STR(".")) || str_equal(name, STR(".."));
    if (name.len == 0 || dots || memchr(name.ptr, '/', name.len) || memchr(name.ptr, 0, name.len))
        return ERRNO_INVAL;
    if (name.len > NAME_LENGTH_MAX)
        return ERRNO_NAMETOOLONG;
    struct pages *pages = vfs->pages;
    if (!pages) {
        pages = vfs->pages = mem_zalloc(sizeof *pages);
        if (!pages)
            return ERRNO_NOMEM;
        pages->names = BUF_INIT(NAMES_MAX);
    }
    if (pages->count == pages->alloc) {
        uint32_t alloc = pages->alloc ? pages->alloc * 2 : 16;
        struct page *list = mem_resize_array(pages->list, alloc, sizeof *list);
        if (!list)
            return ERRNO_NOMEM;
        pages->list = list;
        pages->alloc = alloc;
    }
    size_t at = pages->names.len;
    if (!buf_add_str(&pages->names, name)) {
        pages->names.failed = false;
        return ERRNO_NOMEM;
    }
    pages->list[pages->count++] = (struct page){(uint32_t)at, (uint32_t)name.len, make, context};
    return 0;
}

void pages_free(struct vfs *vfs)
{
    if (!vfs->pages)
        return;
    mem_free(vfs->pages->list);
    buf_release(&vfs->pages->names);
    mem_free(vfs->pages);
    vfs->pages = NULL;
}
