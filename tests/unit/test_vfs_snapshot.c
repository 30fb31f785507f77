/* Snapshots of the memory tree: what they keep, what they cost, other sandboxes and other threads.
 */
#include <pthread.h>

#include "base/clock.h"
#include "vfs/chunk.h"
#include "vfs_rig.h"

static void restore(struct rig *rig, const struct vfs_snapshot *snapshot)
{
    ASSERT_EQ_INT(vfs_snapshot_restore(rig->vfs, snapshot), 0);
    rig_at(rig, "/workspace");
}

TEST(snapshot_brings_everything_back)
{
    struct rig rig;
    struct vfs_snapshot *snapshot;
    struct file_stat before, after;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(do_mkdir(&rig, "d"), 0);
    EQ(put(&rig, "d/f", "old"), 0);
    EQ(do_link(&rig, "d/f", "hard"), 0);
    EQ(do_symlink(&rig, "d/f", "soft"), 0);
    EQ(put(&rig, "/tmp/t", "tmp"), 0);
    EQ(do_stat(&rig, "d/f", true, &before), 0);
    ASSERT_EQ_INT(vfs_snapshot_take(rig.vfs, &snapshot), 0);
    EQ(put(&rig, "d/f", "new contents"), 0);
    EQ(do_unlink(&rig, "hard"), 0);
    EQ(do_rename(&rig, "d", "e"), 0);
    EQ(put(&rig, "more", "x"), 0);
    EQ(do_unlink(&rig, "/tmp/t"), 0);
    restore(&rig, snapshot);
    STR_EQ(list(&rig, "."), "d hard soft");
    STR_EQ(get(&rig, "soft"), "old");
    STR_EQ(get(&rig, "/tmp/t"), "tmp");
    EQ(do_stat(&rig, "hard", true, &after), 0);
    EQ(after.ino, before.ino);
    EQ(after.links, UINT64_C(2));
    EQ(after.mtime, before.mtime);
    EQ(put(&rig, "hard", "again"), 0);
    restore(&rig, snapshot); /* any number of times */
    STR_EQ(get(&rig, "d/f"), "old");
    STR_EQ(check(&rig), "fine");
    vfs_snapshot_free(snapshot);
    STR_EQ(get(&rig, "d/f"), "old");
    ASSERT_EQ_INT(vfs_reset(rig.vfs), 0);
    rig_at(&rig, "/workspace");
    STR_EQ(list(&rig, "."), "");
    STR_EQ(list(&rig, "/tmp"), "");
    rig_close(&rig);
}

TEST(snapshot_copies_only_what_changes)
{
    struct rig rig;
    struct vfs_snapshot *snapshot;
    struct file *file;
    static char data[64 * CHUNK_SIZE];
    size_t len;
    ASSERT_EQ_INT(rig_open(&rig), 0);
    for (int i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i);
        EQ(put(&rig, name, "x"), 0);
    }
    ASSERT_EQ_INT(do_open(&rig, "big", VFS_CREATE, true, &file), 0);
    EQ(file_write(file, data, sizeof data, &len), 0);
    uint64_t blocks = mem_live_blocks();
    ASSERT_EQ_INT(vfs_snapshot_take(rig.vfs, &snapshot), 0);
    EQ(mem_live_blocks(), blocks + 1); /* one reference, whatever the tree holds */
    blocks = mem_live_blocks();
    EQ(file_pwrite(file, "y", 1, 10 * CHUNK_SIZE + 5, &len), 0);
    OK(mem_live_blocks() - blocks < 12); /* an inode, a chunk, the nodes on the way */
    blocks = mem_live_blocks();
    EQ(file_pwrite(file, "z", 1, 10 * CHUNK_SIZE + 6, &len), 0);
    EQ(mem_live_blocks(), blocks); /* it is ours now */
    EQ(put(&rig, "f100", "y"), 0);
    OK(mem_live_blocks() - blocks < 12);
    char byte[2];
    EQ(file_pread(file, byte, 2, 10 * CHUNK_SIZE + 5, &len), 0);
    MEM_EQ(byte, "yz", 2);
    file_unref(file);
    restore(&rig, snapshot);
    ASSERT_EQ_INT(do_open(&rig, "big", 0, false, &file), 0);
    EQ(file_pread(file, byte, 2, 10 * CHUNK_SIZE + 5, &len), 0);
    MEM_EQ(byte, "\0\0", 2);
    file_unref(file);
    vfs_snapshot_free(snapshot);
    STR_EQ(check(&rig), "fine");
    rig_close(&rig);
}

TEST(snapshot_leaves_out_what_has_no_name)
{
    struct rig rig;
    struct vfs_snapshot *snapshot;
    struct file *file, *dir;
    size_t len;
    char data[8];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    EQ(put(&rig, "gone", "gone"), 0);
    EQ(do_mkdir(&rig, "d"), 0);
    ASSERT_EQ_INT(do_open(&rig, "gone", 0, true, &file), 0);
    ASSERT_EQ_INT(do_open(&rig, "d", VFS_DIRECTORY, false, &dir), 0);
    EQ(do_unlink(&rig, "gone"), 0);
    EQ(do_rmdir(&rig, "d"), 0);
    ASSERT_EQ_INT(vfs_snapshot_take(rig.vfs, &snapshot), 0);
    EQ(file_pread(file, data, 8, 0, &len), 0); /* the tree has it still */
    EQ(len, 4u);
    restore(&rig, snapshot);
    EQ(rig.vfs->tree->nodes, UINT64_C(2));
    EQ(rig.vfs->tree->bytes, UINT64_C(0));
    STR_EQ(check(&rig), "fine");
    EQ(file_pwrite(file, "goes on", 7, 0, &len), 0);
    EQ(file_pread(file, data, 8, 0, &len), 0);
    MEM_EQ(data, "goes on", 7);
    EQ(vfs_stat(rig.vfs, (struct vfs_at){.dir = dir, .beneath = false}, STR(".."), 0,
                &(struct file_stat){.dev = 0}),
       0);
    file_unref(file);
    file_unref(dir);
    vfs_snapshot_free(snapshot);
    rig_close(&rig);
}

TEST(snapshot_of_one_sandbox_in_another)
{
    struct rig one, two;
    struct vfs_snapshot *snapshot;
    const char *host = temp_directory();
    host_put(host, "h", "host");
    ASSERT_EQ_INT(rig_open(&one), 0);
    ASSERT_EQ_INT(rig_open(&two), 0);
    EQ(put(&one, "f", "from one"), 0);
    EQ(put(&two, "g", "from two"), 0);
    ASSERT_EQ_INT(mount_host(&two, host, "/workspace/mnt/h", CAPFUL_MOUNT_RO), 0);
    ASSERT_EQ_INT(vfs_snapshot_take(one.vfs, &snapshot), 0);
    rig_close(&one); /* it outlives where it comes from */
    restore(&two, snapshot);
    STR_EQ(get(&two, "f"), "from one");
    STR_EQ(get(&two, "g"), "errno 44");
    STR_EQ(get(&two, "mnt/h/h"), "host"); /* mounts are this sandbox's own */
    two.kernel.limits.vfs_nodes = 1;
    EQ(vfs_snapshot_restore(two.vfs, snapshot), CAPFUL_ELIMIT);
    STR_EQ(get(&two, "f"), "from one");
    vfs_snapshot_free(snapshot);
    rig_close(&two);
    remove_directory(host);
}

struct worker {
    const struct vfs_snapshot *snapshot;
    unsigned failures;
};

static void *work(void *context)
{
    struct worker *worker = context;
    struct rig rig;
    char name[16];
    for (int round = 0; round < 20; round++) {
        if (rig_open(&rig) != 0)
            return worker->failures++, NULL;
        if (vfs_snapshot_restore(rig.vfs, worker->snapshot) != 0)
            worker->failures++;
        file_unref(rig.dir);
        (void)vfs_open_directory(rig.vfs, STR("/workspace"), &rig.dir);
        for (int i = 0; i < 30; i++) {
            struct file *file;
            char data[8] = "";
            size_t len = 0;
            snprintf(name, sizeof name, "f%d", (i * 7 + round) % 100);
            if (do_open(&rig, name, 0, true, &file) != 0) {
                worker->failures++;
                continue;
            }
            worker->failures +=
                file_pread(file, data, 4, 70000, &len) != 0 || memcmp(data, "base", 4) != 0;
            worker->failures += file_pwrite(file, "mine", 4, 70000, &len) != 0;
            worker->failures +=
                file_pread(file, data, 4, 70000, &len) != 0 || memcmp(data, "mine", 4) != 0;
            file_unref(file);
            worker->failures += do_rename(&rig, name, "renamed") != 0;
        }
        worker->failures += strcmp(check(&rig), "fine") != 0;
        struct vfs_snapshot *own;
        if (vfs_snapshot_take(rig.vfs, &own) == 0)
            vfs_snapshot_free(own);
        file_unref(rig.dir);
        vfs_free(rig.vfs);
        kernel_release(&rig.kernel);
    }
    return NULL;
}

TEST(snapshot_on_several_threads)
{
    struct rig rig;
    struct vfs_snapshot *snapshot;
    pthread_t threads[3];
    struct worker workers[3];
    ASSERT_EQ_INT(rig_open(&rig), 0);
    for (int i = 0; i < 100; i++) {
        char name[16];
        struct file *file;
        size_t len;
        snprintf(name, sizeof name, "f%d", i);
        ASSERT_EQ_INT(do_open(&rig, name, VFS_CREATE, true, &file), 0);
        EQ(file_pwrite(file, "base", 4, 70000, &len), 0);
        file_unref(file);
    }
    ASSERT_EQ_INT(vfs_snapshot_take(rig.vfs, &snapshot), 0);
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct worker){snapshot, 0};
        ASSERT_EQ_INT(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    rig_close(&rig); /* meanwhile */
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        EQ(workers[i].failures, 0u);
    }
    vfs_snapshot_free(snapshot);
    EQ(mem_live_blocks(), UINT64_C(0));
}
