/* Overlay mounts: reading through, copying up, whiteouts, moved directories, the list of
 * differences. */
#include "vfs_rig.h"

struct over {
    struct rig rig;
    const char *host;
};

static void begin(struct over *o)
{
    ASSERT_EQ_INT(rig_open(&o->rig), 0);
    o->host = temp_directory();
    host_put(o->host, "file", "lower");
    host_mkdir(o->host, "dir");
    host_put(o->host, "dir/one", "1");
    host_put(o->host, "dir/two", "2");
    host_mkdir(o->host, "dir/sub");
    host_put(o->host, "dir/sub/deep", "deep");
    ASSERT_EQ_INT(mount_host(&o->rig, o->host, "/data", CAPFUL_MOUNT_OVERLAY), 0);
    rig_at(&o->rig, "/data");
}

static void end(struct over *o)
{
    STR_EQ(check(&o->rig), "fine");
    rig_close(&o->rig);
    /* The host never changed. */
    STR_EQ(host_get(o->host, "file"), "lower");
    STR_EQ(host_get(o->host, "dir/one"), "1");
    STR_EQ(host_get(o->host, "dir/two"), "2");
    STR_EQ(host_get(o->host, "dir/sub/deep"), "deep");
    STR_EQ(host_get(o->host, "new"), "missing");
    remove_directory(o->host);
}

static int add_line(void *context, char kind, const char *path)
{
    char *text = context;
    size_t len = strlen(text);
    snprintf(text + len, 4096 - len, "%c %s\n", kind, path);
    return 0;
}

static int by_line(const void *a, const void *b)
{
    return strcmp((*(const char *const *)a) + 2, (*(const char *const *)b) + 2);
}

/* Sorted by path. */
static const char *diff(struct over *o)
{
    static char out[4096];
    char text[4096] = "", *lines[100];
    unsigned n = 0;
    EQ(vfs_diff(o->rig.vfs, add_line, text), 0);
    for (char *line = strtok(text, "\n"); line && n < 100; line = strtok(NULL, "\n"))
        lines[n++] = line;
    qsort(lines, n, sizeof lines[0], by_line);
    out[0] = 0;
    for (unsigned i = 0; i < n; i++) {
        strcat(out, lines[i]);
        strcat(out, "\n");
    }
    return out;
}

/* Sorted names. */
static const char *names(struct over *o, const char *path)
{
    static char out[4096];
    char text[8192], *words[100];
    unsigned n = 0;
    snprintf(text, sizeof text, "%s", list(&o->rig, path));
    for (char *word = strtok(text, " "); word && n < 100; word = strtok(NULL, " "))
        words[n++] = word;
    for (unsigned i = 1; i < n; i++)
        for (unsigned j = i; j > 0 && strcmp(words[j - 1], words[j]) > 0; j--) {
            char *swap = words[j];
            words[j] = words[j - 1];
            words[j - 1] = swap;
        }
    out[0] = 0;
    for (unsigned i = 0; i < n; i++) {
        strcat(out, i ? " " : "");
        strcat(out, words[i]);
    }
    return out;
}

TEST(overlay_reads_through_and_writes_up)
{
    struct over o;
    struct file_stat before, after;
    begin(&o);
    STR_EQ(get(&o.rig, "file"), "lower");
    STR_EQ(get(&o.rig, "dir/sub/deep"), "deep");
    STR_EQ(names(&o, "."), "dir file");
    STR_EQ(diff(&o), "");
    EQ(do_stat(&o.rig, "file", true, &before), 0);
    EQ(put(&o.rig, "file", "upper"), 0);
    STR_EQ(get(&o.rig, "file"), "upper");
    EQ(do_stat(&o.rig, "file", true, &after), 0);
    EQ(after.ino, before.ino); /* copying up does not make another file of it */
    EQ(after.dev, before.dev);
    EQ(after.mode, before.mode);
    EQ(put(&o.rig, "new", "new"), 0);
    EQ(put(&o.rig, "dir/sub/three", "3"), 0);
    STR_EQ(names(&o, "."), "dir file new");
    STR_EQ(names(&o, "dir"), "one sub two");
    STR_EQ(names(&o, "dir/sub"), "deep three");
    STR_EQ(diff(&o), "A /data/dir/sub/three\nM /data/file\nA /data/new\n");
    end(&o);
}

TEST(overlay_partial_writes_keep_the_rest)
{
    struct over o;
    struct file *file, *reader;
    size_t len;
    begin(&o);
    ASSERT_EQ_INT(do_open(&o.rig, "file", 0, false, &reader), 0);
    ASSERT_EQ_INT(do_open(&o.rig, "file", 0, true, &file), 0);
    char data[16];
    EQ(file_pread(reader, data, 16, 0, &len), 0);
    STR_EQ(diff(&o), ""); /* opening for writing copies nothing yet */
    EQ(file_pwrite(file, "W", 1, 1, &len), 0);
    EQ(file_pread(reader, data, 16, 0, &len), 0); /* who opened it before sees the change */
    MEM_EQ(data, "lWwer", 5);
    EQ(file_set_size(file, 3), 0);
    STR_EQ(get(&o.rig, "file"), "lWw");
    file_unref(file);
    file_unref(reader);
    ASSERT_EQ_INT(do_open(&o.rig, "dir/one", VFS_TRUNCATE, true, &file), 0);
    file_unref(file);
    STR_EQ(get(&o.rig, "dir/one"), "");
    ASSERT_EQ_INT(
        vfs_open(o.rig.vfs, at(&o.rig), STR("dir/two"), 0, FILE_APPEND, false, true, &file), 0);
    EQ(file_write(file, "+", 1, &len), 0);
    file_unref(file);
    STR_EQ(get(&o.rig, "dir/two"), "2+");
    end(&o);
}

TEST(overlay_whiteouts)
{
    struct over o;
    begin(&o);
    EQ(do_unlink(&o.rig, "file"), 0);
    STR_EQ(get(&o.rig, "file"), "errno 44");
    STR_EQ(names(&o, "."), "dir");
    EQ(do_unlink(&o.rig, "file"), ERRNO_NOENT);
    STR_EQ(diff(&o), "D /data/file\n");
    EQ(put(&o.rig, "file", "again"), 0);
    STR_EQ(diff(&o), "M /data/file\n");
    EQ(do_unlink(&o.rig, "file"), 0);
    EQ(do_mkdir(&o.rig, "file"), 0); /* another kind in its place */
    EQ(put(&o.rig, "file/x", "x"), 0);
    STR_EQ(names(&o, "file"), "x");
    EQ(do_rmdir(&o.rig, "dir"), ERRNO_NOTEMPTY);
    EQ(do_unlink(&o.rig, "dir/one"), 0);
    EQ(do_unlink(&o.rig, "dir/two"), 0);
    EQ(do_rmdir(&o.rig, "dir"), ERRNO_NOTEMPTY);
    EQ(do_unlink(&o.rig, "dir/sub/deep"), 0);
    EQ(do_rmdir(&o.rig, "dir/sub"), 0);
    EQ(do_rmdir(&o.rig, "dir"), 0);
    STR_EQ(names(&o, "."), "file");
    EQ(do_mkdir(&o.rig, "dir"), 0); /* opaque: nothing of the old one shows */
    STR_EQ(names(&o, "dir"), "");
    EQ(put(&o.rig, "dir/two", "other"), 0);
    STR_EQ(diff(&o),
           "D /data/dir/one\nD /data/dir/sub\nM /data/dir/two\nM /data/file\nA /data/file/x\n");
    end(&o);
}

TEST(overlay_moves_directories_of_the_host)
{
    struct over o;
    struct file *dir;
    struct file_stat stat;
    begin(&o);
    ASSERT_EQ_INT(do_open(&o.rig, "dir/sub", VFS_DIRECTORY, false, &dir), 0);
    EQ(do_rename(&o.rig, "dir", "moved"), 0);
    STR_EQ(names(&o, "."), "file moved");
    STR_EQ(get(&o.rig, "moved/sub/deep"), "deep");
    STR_EQ(get(&o.rig, "dir/one"), "errno 44");
    EQ(vfs_stat(o.rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR("deep"), 0, &stat),
       0);
    file_unref(dir);
    EQ(put(&o.rig, "moved/one", "changed"), 0);
    EQ(do_unlink(&o.rig, "moved/two"), 0);
    STR_EQ(names(&o, "moved"), "one sub");
    EQ(do_mkdir(&o.rig, "dir"), 0);
    STR_EQ(names(&o, "dir"), "");
    EQ(do_rename(&o.rig, "moved/sub", "dir/sub"), 0);
    STR_EQ(get(&o.rig, "dir/sub/deep"), "deep");
    STR_EQ(diff(&o), "D /data/dir/one\nD /data/dir/two\nA /data/moved\nA /data/moved/one\n");
    EQ(do_rename(&o.rig, "file", "dir/file"), 0);
    EQ(do_rename(&o.rig, "dir/file", "file"), 0);
    STR_EQ(get(&o.rig, "file"), "lower");
    EQ(do_rename(&o.rig, "dir", "dir/sub/x"), ERRNO_INVAL);
    end(&o);
}

TEST(overlay_hard_links_and_symbolic_links)
{
    struct over o;
    struct file_stat stat;
    begin(&o);
    EQ(do_link(&o.rig, "file", "linked"), 0);
    EQ(put(&o.rig, "linked", "both"), 0);
    STR_EQ(get(&o.rig, "file"), "both");
    EQ(do_stat(&o.rig, "file", true, &stat), 0);
    EQ(stat.links, UINT64_C(2));
    EQ(do_rename(&o.rig, "file", "linked"), 0);
    STR_EQ(names(&o, "."), "dir file linked");
    EQ(do_symlink(&o.rig, "dir/one", "sym"), 0);
    STR_EQ(get(&o.rig, "sym"), "1");
    EQ(put(&o.rig, "sym", "through"), 0);
    STR_EQ(get(&o.rig, "dir/one"), "through");
    EQ(do_symlink(&o.rig, "/workspace", "out"),
       0); /* it stays in memory: it may lead anywhere in the sandbox */
    EQ(put(&o.rig, "/workspace/w", "w"), 0);
    STR_EQ(get(&o.rig, "out/w"), "w");
    EQ(vfs_chmod(o.rig.vfs, at(&o.rig), STR("dir/two"), 0600), 0);
    EQ(vfs_set_times(o.rig.vfs, at(&o.rig), STR("dir"), 0, 1, 2, 3), 0);
    EQ(do_stat(&o.rig, "dir", true, &stat), 0);
    EQ(stat.mtime, UINT64_C(2));
    STR_EQ(get(&o.rig, "dir/two"), "2");
    end(&o);
}

TEST(overlay_listing_while_files_are_copied_up)
{
    struct over o;
    struct file *dir;
    struct file_dirent entry;
    char name[64], seen[64] = {0};
    begin(&o);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "dir/sub/%d", i);
        host_put(o.host, name, "x");
    }
    EQ(put(&o.rig, "dir/sub/7", "before"), 0);
    EQ(put(&o.rig, "dir/sub/upper", "before"), 0);
    ASSERT_EQ_INT(do_open(&o.rig, "dir/sub", VFS_DIRECTORY, false, &dir), 0);
    int n = 0;
    for (uint64_t cookie = 0; file_readdir(dir, cookie, &entry) == 0 && entry.name.len > 0;
         cookie = entry.next) {
        if (cookie < 2 || entry.name.ptr[0] > '9')
            continue;
        snprintf(name, sizeof name, "%.*s", (int)entry.name.len, entry.name.ptr);
        int i = atoi(name);
        EQ(seen[i]++, 0);
        n++;
        for (int j = i; j < 60; j += 13) {
            snprintf(name, sizeof name, "dir/sub/%d", j);
            EQ(put(&o.rig, name, "copied up"), 0);
        }
    }
    EQ(n, 60);
    file_unref(dir);
    end(&o);
}

TEST(overlay_snapshots)
{
    struct over o;
    struct vfs_snapshot *snapshot;
    struct file *old;
    char data[16];
    size_t len;
    begin(&o);
    EQ(put(&o.rig, "file", "first"), 0);
    EQ(do_unlink(&o.rig, "dir/one"), 0);
    ASSERT_EQ_INT(vfs_snapshot_take(o.rig.vfs, &snapshot), 0);
    EQ(put(&o.rig, "file", "second"), 0);
    EQ(put(&o.rig, "dir/one", "back"), 0);
    EQ(put(&o.rig, "new", "x"), 0);
    ASSERT_EQ_INT(do_open(&o.rig, "file", 0, false, &old), 0);
    ASSERT_EQ_INT(vfs_snapshot_restore(o.rig.vfs, snapshot), 0);
    rig_at(&o.rig, "/data");
    STR_EQ(get(&o.rig, "file"), "first");
    STR_EQ(get(&o.rig, "dir/one"), "errno 44");
    STR_EQ(diff(&o), "D /data/dir/one\nM /data/file\n");
    EQ(file_pread(old, data, 16, 0, &len), 0);
    MEM_EQ(data, "second", 6); /* an open file goes on with what it had */
    file_unref(old);
    ASSERT_EQ_INT(vfs_reset(o.rig.vfs), 0);
    rig_at(&o.rig, "/data");
    STR_EQ(get(&o.rig, "file"), "lower");
    STR_EQ(diff(&o), "");
    vfs_snapshot_free(snapshot);
    end(&o);
}

TEST(overlay_fault_sweep)
{
    const char *host = temp_directory();
    host_put(host, "f", "text");
    host_mkdir(host, "d");
    host_put(host, "d/g", "inner");
    FAULT_SWEEP({
        struct rig rig;
        if (rig_open(&rig) == 0) {
            if (mount_host(&rig, host, "/o", CAPFUL_MOUNT_OVERLAY) == 0) {
                char lines[4096] = "";
                (void)put(&rig, "/o/f", "changed");
                (void)put(&rig, "/o/d/new", "x");
                (void)do_rename(&rig, "/o/d", "/o/e");
                (void)do_unlink(&rig, "/o/e/g");
                (void)list(&rig, "/o/e");
                (void)do_link(&rig, "/o/f", "/o/l");
                STR_EQ(check(&rig), "fine");
                const char *text = get(&rig, "/o/f");
                OK(strcmp(text, "text") == 0 || strcmp(text, "changed") == 0 ||
                   strcmp(text, "") == 0 || strncmp(text, "errno", 5) == 0);
                (void)vfs_diff(rig.vfs, add_line, lines);
            }
            rig_close(&rig);
        }
    });
    STR_EQ(host_get(host, "f"), "text");
    STR_EQ(host_get(host, "d/g"), "inner");
    remove_directory(host);
}
