/* Mounts served by callbacks: a table of files on the host's side, every call counted. */
#include <errno.h>

#include "vfs_rig.h"

struct item {
    char path[64];
    enum capful_node_kind kind;
    char *data;
    size_t len;
};

struct shop {
    struct item items[64];
    unsigned count;
    unsigned lists, stats, reads, writes;
    struct kernel *kernel;
    bool on_fiber;          /* a callback was made on a guest's stack: never right */
    struct rig *write_back; /* the read callback writes a file of the sandbox */
    int answer;             /* what the next call answers instead */
};

static struct item *find(struct shop *shop, const char *path)
{
    for (unsigned i = 0; i < shop->count; i++)
        if (strcmp(shop->items[i].path, path) == 0)
            return &shop->items[i];
    return NULL;
}

static int called(struct shop *shop)
{
    int answer = shop->answer;
    shop->on_fiber |= shop->kernel->on_fiber;
    shop->answer = 0;
    return answer;
}

static void fill(const struct item *item, struct capful_stat *ret)
{
    ret->kind = item->kind;
    ret->size = item->len;
    ret->mtime = 1000;
    ret->links = 1;
}

static int shop_list(void *context, const char *path, struct capful_list *list)
{
    struct shop *shop = context;
    size_t len = strlen(path);
    int answer = called(shop);
    shop->lists++;
    if (answer)
        return answer;
    for (unsigned i = 0; i < shop->count; i++) {
        struct item *item = &shop->items[i];
        const char *rest = item->path + (len ? len + 1 : 0);
        struct capful_stat stat = {.kind = CAPFUL_FILE};
        if (!item->path[0] || strncmp(item->path, path, len) != 0 ||
            (len && item->path[len] != '/') || strchr(rest, '/'))
            continue;
        fill(item, &stat);
        if (capful_list_add(list, rest, &stat) != 0)
            return ENOMEM;
    }
    EQ(capful_list_add(list, "a/b", NULL), CAPFUL_EINVAL);
    EQ(capful_list_add(list, "..", NULL), CAPFUL_EINVAL);
    EQ(capful_list_add(list, "", NULL), CAPFUL_EINVAL);
    return 0;
}

static int shop_stat(void *context, const char *path, struct capful_stat *ret)
{
    struct shop *shop = context;
    struct item *item = find(shop, path);
    int answer = called(shop);
    shop->stats++;
    if (answer || !item)
        return answer ? answer : ENOENT;
    fill(item, ret);
    return 0;
}

static int shop_read(void *context, const char *path, uint64_t offset, void *buffer, size_t size,
                     size_t *ret_len)
{
    struct shop *shop = context;
    struct item *item = find(shop, path);
    int answer = called(shop);
    shop->reads++;
    if (answer || !item)
        return answer ? answer : ENOENT;
    *ret_len = offset < item->len ? item->len - offset : 0;
    if (*ret_len > size)
        *ret_len = size;
    memcpy(buffer, item->data + offset, *ret_len);
    if (shop->write_back)
        EQ(put(shop->write_back, "/workspace/from-callback", "yes"), 0);
    return 0;
}

static int shop_write(void *context, const char *path, uint64_t offset, const void *data,
                      size_t len)
{
    struct shop *shop = context;
    struct item *item = find(shop, path);
    int answer = called(shop);
    shop->writes++;
    if (answer || !item)
        return answer ? answer : ENOENT;
    if (offset + len > item->len) {
        item->data = realloc(item->data, offset + len);
        memset(item->data + item->len, 0, offset + len - item->len);
        item->len = offset + len;
    }
    memcpy(item->data + offset, data, len);
    return 0;
}

static int shop_create(void *context, const char *path, enum capful_node_kind kind)
{
    struct shop *shop = context;
    int answer = called(shop);
    if (answer)
        return answer;
    if (find(shop, path))
        return EEXIST;
    struct item *item = &shop->items[shop->count++];
    snprintf(item->path, sizeof item->path, "%s", path);
    item->kind = kind;
    return 0;
}

static int shop_remove(void *context, const char *path)
{
    struct shop *shop = context;
    struct item *item = find(shop, path);
    int answer = called(shop);
    if (answer || !item)
        return answer ? answer : ENOENT;
    free(item->data);
    *item = shop->items[--shop->count];
    memset(&shop->items[shop->count], 0, sizeof shop->items[0]);
    return 0;
}

static int shop_truncate(void *context, const char *path, uint64_t size)
{
    struct shop *shop = context;
    struct item *item = find(shop, path);
    int answer = called(shop);
    if (answer || !item)
        return answer ? answer : ENOENT;
    item->data = realloc(item->data, size + 1);
    if (size > item->len)
        memset(item->data + item->len, 0, size - item->len);
    item->len = size;
    return 0;
}

static const struct capful_mount_ops shop_ops = {
    shop_list, shop_stat, shop_read, shop_write, shop_create, shop_remove, shop_truncate, NULL};
static const struct capful_mount_ops read_only_ops = {shop_list, shop_stat, shop_read, NULL,
                                                      NULL,      NULL,      NULL,      NULL};

static void stock(struct shop *shop, const char *path, enum capful_node_kind kind, const char *data,
                  size_t len)
{
    struct item *item = &shop->items[shop->count++];
    snprintf(item->path, sizeof item->path, "%s", path);
    item->kind = kind;
    item->data = malloc(len + 1);
    memcpy(item->data, data, len);
    item->len = len;
}

static void begin(struct rig *rig, struct shop *shop, const struct capful_mount_ops *ops)
{
    memset(shop, 0, sizeof *shop);
    ASSERT_EQ_INT(rig_open(rig), 0);
    shop->kernel = &rig->kernel;
    stock(shop, "", CAPFUL_DIRECTORY, "", 0);
    stock(shop, "orders", CAPFUL_DIRECTORY, "", 0);
    stock(shop, "orders/17.json", CAPFUL_FILE, "{\"id\":17}", 9);
    stock(shop, "readme", CAPFUL_FILE, "hello", 5);
    stock(shop, "latest", CAPFUL_SYMLINK, "orders/17.json", 14);
    ASSERT_EQ_INT(vfs_mount_served(rig->vfs, "/shop", ops, shop, NULL), 0);
    rig_at(rig, "/shop");
}

static void end(struct rig *rig, struct shop *shop)
{
    rig_close(rig);
    for (unsigned i = 0; i < shop->count; i++)
        free(shop->items[i].data);
    OK(!shop->on_fiber);
}

TEST(served_reading)
{
    struct rig rig;
    struct shop shop;
    struct file_stat stat;
    begin(&rig, &shop, &read_only_ops);
    STR_EQ(list(&rig, "."), "orders readme latest");
    STR_EQ(list(&rig, "orders"), "17.json");
    STR_EQ(get(&rig, "orders/17.json"), "{\"id\":17}");
    STR_EQ(get(&rig, "latest"), "{\"id\":17}");
    STR_EQ(do_readlink(&rig, "latest"), "orders/17.json");
    STR_EQ(get(&rig, "missing"), "errno 44");
    STR_EQ(get(&rig, "readme/x"), "errno 54");
    EQ(do_stat(&rig, "readme", true, &stat), 0);
    EQ(stat.size, UINT64_C(5));
    EQ(stat.mode, 0644u);
    EQ(stat.mtime, UINT64_C(1000));
    EQ(put(&rig, "readme", "x"), ERRNO_ROFS);
    EQ(put(&rig, "new", "x"), ERRNO_ROFS);
    EQ(do_mkdir(&rig, "d"), ERRNO_ROFS);
    EQ(do_unlink(&rig, "readme"), ERRNO_ROFS);
    EQ(do_rename(&rig, "readme", "x"), ERRNO_ROFS);
    EQ(vfs_set_times(rig.vfs, at(&rig), STR("readme"), 0, 1, 1, 3), ERRNO_ROFS);
    shop.answer = EACCES;
    rig_at(&rig, "/shop");
    shop.answer = EIO;
    STR_EQ(list(&rig, "."), "errno 29");
    end(&rig, &shop);
}

TEST(served_contents_are_fetched_when_read_and_kept)
{
    struct rig rig;
    struct shop shop;
    struct file *file;
    struct file_stat stat;
    char data[100];
    size_t len;
    static char large[300000];
    begin(&rig, &shop, &read_only_ops);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 31 >> 3);
    stock(&shop, "large", CAPFUL_FILE, large, sizeof large);
    EQ(do_stat(&rig, "large", true, &stat), 0);
    EQ(stat.size, (uint64_t)sizeof large);
    EQ(shop.reads, 0u);
    ASSERT_EQ_INT(do_open(&rig, "large", 0, false, &file), 0);
    EQ(shop.reads, 0u);
    for (size_t at = 0; at < 60000; at += 100) {
        EQ(file_pread(file, data, 100, at, &len), 0);
        MEM_EQ(data, large + at, 100);
    }
    EQ(shop.reads, 1u);
    EQ(file_pread(file, data, 100, 65500, &len), 0); /* over the edge of two blocks */
    EQ(len, 100u);
    MEM_EQ(data, large + 65500, 100);
    EQ(shop.reads, 2u);
    EQ(file_pread(file, data, 100, sizeof large - 50, &len), 0);
    EQ(len, 50u);
    EQ(file_pread(file, data, 100, sizeof large + 50, &len), 0);
    EQ(len, 0u);
    file_unref(file);
    end(&rig, &shop);
}

TEST(served_writing)
{
    struct rig rig;
    struct shop shop;
    struct file *file;
    size_t len;
    begin(&rig, &shop, &shop_ops);
    EQ(put(&rig, "readme", "changed"), 0);
    STR_EQ(get(&rig, "readme"), "changed");
    EQ(put(&rig, "orders/18.json", "{}"), 0);
    STR_EQ(list(&rig, "orders"), "17.json 18.json");
    EQ(do_mkdir(&rig, "more"), 0);
    EQ(do_mkdir(&rig, "more"), ERRNO_EXIST);
    EQ(put(&rig, "more/x", "x"), 0);
    EQ(do_unlink(&rig, "more/x"), 0);
    STR_EQ(get(&rig, "more/x"), "errno 44");
    EQ(do_rmdir(&rig, "more"), 0);
    EQ(vfs_open(rig.vfs, at(&rig), STR("readme"), 0, FILE_APPEND, true, true, &file), 0);
    EQ(file_write(file, "+", 1, &len), 0);
    EQ(file_set_size(file, 4), 0);
    STR_EQ(get(&rig, "readme"), "chan");
    shop.answer = ENOSPC;
    EQ(file_write(file, "x", 1, &len), ERRNO_NOSPC);
    file_unref(file);
    EQ(do_symlink(&rig, "x", "l"), ERRNO_ROFS);
    EQ(do_link(&rig, "readme", "l"), ERRNO_ROFS);
    end(&rig, &shop);
}

/* On a guest's stack nothing is called: the system call is deferred, and made again where callbacks
 * may run. */
TEST(served_calls_leave_the_guests_stack)
{
    struct rig rig;
    struct shop shop;
    struct process process;
    struct file *file;
    char data[16];
    size_t len;
    begin(&rig, &shop, &shop_ops);
    memset(&process, 0, sizeof process);
    process.kernel = &rig.kernel;
    rig.kernel.current = &process;
    rig.kernel.on_fiber = true;
    unsigned stats = shop.stats;
    EQ(do_open(&rig, "readme", 0, true, &file), FILE_PARKED);
    OK(process.deferred);
    EQ(shop.stats, stats);
    process.deferred = false;
    rig.kernel.on_fiber = false;
    ASSERT_EQ_INT(do_open(&rig, "readme", 0, true, &file), 0);
    rig.kernel.on_fiber = true;
    EQ(file_pread(file, data, 16, 0, &len), FILE_PARKED);
    rig.kernel.on_fiber = false;
    EQ(file_pread(file, data, 16, 0, &len), 0);
    rig.kernel.on_fiber = true;
    EQ(file_pread(file, data, 16, 0, &len), 0); /* what was fetched just now is there */
    EQ(len, 5u);
    unsigned writes = shop.writes;
    EQ(file_pwrite(file, "x", 1, 0, &len), FILE_PARKED);
    EQ(shop.writes, writes);
    EQ(do_mkdir(&rig, "x"), FILE_PARKED);
    EQ(do_unlink(&rig, "readme"), FILE_PARKED);
    STR_EQ(list(&rig, "."), "errno -2");
    rig.kernel.on_fiber = false;
    rig.kernel.current = NULL;
    file_unref(file);
    end(&rig, &shop);
}

TEST(served_callbacks_may_use_the_sandbox)
{
    struct rig rig;
    struct shop shop;
    begin(&rig, &shop, &shop_ops);
    shop.write_back = &rig;
    STR_EQ(get(&rig, "readme"), "hello");
    shop.write_back = NULL;
    STR_EQ(get(&rig, "/workspace/from-callback"), "yes");
    end(&rig, &shop);
}

TEST(served_wrong_answers)
{
    struct rig rig;
    struct shop shop;
    struct capful_error err;
    static const struct capful_mount_ops none;
    begin(&rig, &shop, &shop_ops);
    EQ(vfs_mount_served(rig.vfs, "/x", &none, NULL, &err), CAPFUL_EINVAL);
    stock(&shop, "odd", (enum capful_node_kind)77, "", 0);
    STR_EQ(get(&rig, "odd"), "errno 29");
    stock(&shop, "device", CAPFUL_DEVICE, "", 0);
    STR_EQ(get(&rig, "device"), "errno 2");
    end(&rig, &shop);
}

TEST(served_fault_sweep)
{
    FAULT_SWEEP({
        struct rig rig;
        struct shop shop;
        memset(&shop, 0, sizeof shop);
        if (rig_open(&rig) == 0) {
            shop.kernel = &rig.kernel;
            stock(&shop, "", CAPFUL_DIRECTORY, "", 0);
            stock(&shop, "f", CAPFUL_FILE, "text", 4);
            if (vfs_mount_served(rig.vfs, "/shop", &shop_ops, &shop, NULL) == 0) {
                (void)get(&rig, "/shop/f");
                (void)list(&rig, "/shop");
                (void)put(&rig, "/shop/g", "x");
            }
            rig_close(&rig);
            for (unsigned i = 0; i < shop.count; i++)
                free(shop.items[i].data);
        }
    });
}
