/* Open files without operations: the errno that POSIX has for each. */
#include <stddef.h>

#include "kernel/file.h"
#include "tap.h"

static int released;
static void release(struct file *file)
{
    (void)file;
    released++;
}
static const struct file_ops pipe_like = {.name = "pipe", .type = FILE_UNKNOWN, .release = release};
static const struct file_ops directory = {
    .name = "dir", .type = FILE_DIRECTORY, .release = release};
static const struct file_ops device = {
    .name = "dev", .type = FILE_CHARACTER, .seekable = true, .release = release};

static int all_ways(struct file *file, int results[9])
{
    char byte = 0;
    size_t n;
    uint64_t at;
    struct file_dirent entry;
    results[0] = file_read(file, &byte, 1, &n);
    results[1] = file_write(file, &byte, 1, &n);
    results[2] = file_pread(file, &byte, 1, 0, &n);
    results[3] = file_pwrite(file, &byte, 1, 0, &n);
    results[4] = file_seek(file, 0, 0, &at);
    results[5] = file_readdir(file, 0, &entry);
    results[6] = file_set_size(file, 0);
    results[7] = file_allocate(file, 0, 1);
    results[8] = file_sync(file);
    return 9;
}

static void expect(const struct file_ops *ops, bool readable, bool writable, const int *wanted)
{
    struct file file;
    int results[9];
    file_init(&file, ops, 0, readable, writable);
    int n = all_ways(&file, results);
    for (int i = 0; i < n; i++)
        EQ(results[i], wanted[i]);
}

TEST(file_pipe_like)
{
    expect(&pipe_like, true, true,
           (int[]){ERRNO_INVAL, ERRNO_INVAL, ERRNO_SPIPE, ERRNO_SPIPE, ERRNO_SPIPE, ERRNO_NOTDIR,
                   ERRNO_INVAL, ERRNO_SPIPE, ERRNO_INVAL});
}

TEST(file_closed_in_both_directions)
{
    expect(&pipe_like, false, false,
           (int[]){ERRNO_BADF, ERRNO_BADF, ERRNO_BADF, ERRNO_BADF, ERRNO_SPIPE, ERRNO_NOTDIR,
                   ERRNO_INVAL, ERRNO_BADF, ERRNO_INVAL});
}

TEST(file_directory)
{
    expect(&directory, true, false,
           (int[]){ERRNO_ISDIR, ERRNO_ISDIR, ERRNO_ISDIR, ERRNO_ISDIR, ERRNO_ISDIR, ERRNO_NOTDIR,
                   ERRNO_ISDIR, ERRNO_ISDIR, ERRNO_INVAL});
}

TEST(file_device_cannot_allocate)
{
    struct file file;
    file_init(&file, &device, 0, true, true);
    EQ(file_allocate(&file, 0, 1), ERRNO_NODEV);
}

TEST(file_whence_is_checked)
{
    struct file file;
    uint64_t at;
    file_init(&file, &device, 0, true, true);
    EQ(file_seek(&file, 0, 3, &at), ERRNO_INVAL);
    EQ(file_seek(&file, 0, -1, &at), ERRNO_INVAL);
}

TEST(file_stat_without_operation)
{
    struct file file;
    struct file_stat stat;
    file_init(&file, &device, 0, true, true);
    EQ(file_stat(&file, &stat), 0);
    EQ(stat.type, FILE_CHARACTER);
    EQ(stat.size, 0);
    EQ(stat.links, 1);
}

TEST(file_ready_without_operation)
{
    struct file file;
    file_init(&file, &device, 0, true, true);
    EQ(file_ready(&file), READY_IN | READY_OUT);
}

TEST(file_references)
{
    struct file file;
    released = 0;
    file_init(&file, &device, 0, true, true);
    file_ref(&file);
    file_unref(&file);
    EQ(released, 0);
    file_unref(&file);
    EQ(released, 1);
    file_unref(NULL);
}
