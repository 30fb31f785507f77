/* Descriptor tables: numbers, limits, references. */
#include <stddef.h>

#include "base/mem.h"
#include "kernel/fdtab.h"
#include "tap.h"

struct probe {
    struct file file;
    int released;
};

static void probe_release(struct file *file)
{
    ((struct probe *)(void *)file)->released++;
}
static const struct file_ops probe_ops = {
    .name = "probe", .type = FILE_REGULAR, .release = probe_release};

static void probe_init(struct probe *probe)
{
    file_init(&probe->file, &probe_ops, 0, true, true);
    probe->released = 0;
}

static uint32_t insert(struct fdtab *table, struct file *file, uint32_t least)
{
    uint32_t number = 999;
    EQ(fdtab_insert(table, file, 1, 2, least, &number), 0);
    return number;
}

TEST(fdtab_gives_the_lowest_number)
{
    struct fdtab table;
    struct probe p;
    probe_init(&p);
    fdtab_init(&table, 16);
    EQ(insert(&table, &p.file, 0), 0);
    EQ(insert(&table, file_ref(&p.file), 0), 1);
    EQ(insert(&table, file_ref(&p.file), 5), 5);
    EQ(insert(&table, file_ref(&p.file), 0), 2);
    EQ(fdtab_close(&table, 1), 0);
    EQ(insert(&table, file_ref(&p.file), 0), 1);
    EQ(fdtab_count(&table), 4);
    EQ(p.file.refs, 4);
    fdtab_release(&table);
    EQ(p.released, 1);
}

TEST(fdtab_limit_is_mfile)
{
    struct fdtab table;
    struct probe p;
    uint32_t number = 77;
    probe_init(&p);
    fdtab_init(&table, 3);
    for (uint32_t i = 0; i < 3; i++)
        EQ(insert(&table, file_ref(&p.file), 0), i);
    EQ(fdtab_insert(&table, &p.file, 0, 0, 0, &number), ERRNO_MFILE);
    EQ(fdtab_insert(&table, &p.file, 0, 0, UINT32_MAX, &number), ERRNO_MFILE);
    EQ(fdtab_reserve(&table, 0), ERRNO_MFILE);
    EQ(number, 77);
    EQ(p.file.refs, 4);
    fdtab_release(&table);
    EQ(p.file.refs, 1);
}

TEST(fdtab_limit_of_zero)
{
    struct fdtab table;
    struct probe p;
    uint32_t number;
    probe_init(&p);
    fdtab_init(&table, 0);
    EQ(fdtab_insert(&table, &p.file, 0, 0, 0, &number), ERRNO_MFILE);
    EQ(fdtab_place(&table, 0, &p.file, 0, 0), ERRNO_BADF);
    fdtab_release(&table);
}

TEST(fdtab_get_of_anything_else_is_null)
{
    struct fdtab table;
    struct probe p;
    probe_init(&p);
    fdtab_init(&table, 64);
    OK(!fdtab_get(&table, 0));
    insert(&table, &p.file, 0);
    OK(fdtab_get(&table, 0));
    OK(!fdtab_get(&table, 1));
    OK(!fdtab_get(&table, 63));
    OK(!fdtab_get(&table, UINT32_MAX));
    EQ(fdtab_close(&table, UINT32_MAX), ERRNO_BADF);
    EQ(fdtab_close(&table, 1), ERRNO_BADF);
    fdtab_release(&table);
}

TEST(fdtab_place_closes_what_was_there)
{
    struct fdtab table;
    struct probe a, b;
    probe_init(&a);
    probe_init(&b);
    fdtab_init(&table, 32);
    EQ(insert(&table, &a.file, 0), 0);
    fdtab_get(&table, 0)->preopen = mem_strdup("/x");
    fdtab_get(&table, 0)->close_on_spawn = true;
    EQ(fdtab_place(&table, 0, &b.file, 7, 8), 0);
    EQ(a.released, 1);
    struct fd *fd = fdtab_get(&table, 0);
    OK(fd->file == &b.file && fd->rights == 7 && fd->inheriting == 8 && !fd->preopen &&
       !fd->close_on_spawn);
    EQ(fdtab_place(&table, 31, file_ref(&b.file), 1, 1), 0);
    EQ(fdtab_place(&table, 32, &b.file, 1, 1), ERRNO_BADF);
    fdtab_release(&table);
    EQ(b.released, 1);
}

TEST(fdtab_renumber_moves)
{
    struct fdtab table;
    struct probe a, b;
    probe_init(&a);
    probe_init(&b);
    fdtab_init(&table, 32);
    insert(&table, &a.file, 0);
    insert(&table, &b.file, 9);
    EQ(fdtab_renumber(&table, 0, 4), ERRNO_BADF);
    EQ(fdtab_renumber(&table, 4, 0), ERRNO_BADF);
    EQ(fdtab_renumber(&table, 0, 0), 0);
    OK(fdtab_get(&table, 0));
    EQ(fdtab_renumber(&table, 0, 9), 0);
    OK(!fdtab_get(&table, 0));
    OK(fdtab_get(&table, 9)->file == &a.file);
    EQ(b.released, 1);
    fdtab_release(&table);
}

TEST(fdtab_copy_with_and_without_close_on_spawn)
{
    struct fdtab table, copy;
    struct probe a, b;
    probe_init(&a);
    probe_init(&b);
    fdtab_init(&table, 32);
    insert(&table, &a.file, 0);
    insert(&table, &b.file, 3);
    fdtab_get(&table, 0)->preopen = mem_strdup("/data");
    fdtab_get(&table, 3)->close_on_spawn = true;
    fdtab_init(&copy, 32);
    EQ(fdtab_copy(&copy, &table, true), 0);
    STR_EQ(fdtab_get(&copy, 0)->preopen, "/data");
    OK(!fdtab_get(&copy, 3));
    EQ(fdtab_copy(&copy, &table, false), 0);
    OK(fdtab_get(&copy, 3)->close_on_spawn);
    EQ(a.file.refs, 2);
    EQ(b.file.refs, 2);
    fdtab_release(&copy);
    fdtab_release(&table);
    EQ(a.released + b.released, 2);
}

TEST(fdtab_copy_without_memory)
{
    for (uint64_t n = 1; n <= 2; n++) {
        struct fdtab table, copy;
        struct probe a;
        probe_init(&a);
        fdtab_init(&table, 32);
        insert(&table, &a.file, 0);
        fdtab_get(&table, 0)->preopen = mem_strdup("/data");
        fdtab_init(&copy, 32);
        mem_fail_after(n);
        EQ(fdtab_copy(&copy, &table, false), ERRNO_NOMEM);
        mem_fail_after(0);
        EQ(fdtab_count(&copy), 0);
        EQ(a.file.refs, 1);
        fdtab_release(&copy);
        fdtab_release(&table);
    }
}

TEST(fdtab_grow_without_memory)
{
    struct fdtab table;
    struct probe a;
    uint32_t number = 5;
    probe_init(&a);
    fdtab_init(&table, 32);
    mem_fail_after(1);
    EQ(fdtab_insert(&table, &a.file, 0, 0, 0, &number), ERRNO_NOMEM);
    mem_fail_after(1);
    EQ(fdtab_place(&table, 7, &a.file, 0, 0), ERRNO_NOMEM);
    EQ(number, 5);
    EQ(a.file.refs, 1);
    EQ(a.released, 0);
    fdtab_release(&table);
}

TEST(fdtab_grows_to_a_limit_that_is_no_power_of_two)
{
    struct fdtab table;
    struct probe a;
    probe_init(&a);
    fdtab_init(&table, 100);
    for (uint32_t i = 0; i < 100; i++)
        EQ(insert(&table, file_ref(&a.file), 0), i);
    EQ(table.alloc, 100);
    fdtab_release(&table);
    EQ(a.file.refs, 1);
}
