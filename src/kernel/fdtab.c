/* Descriptor tables. Slots grow by doubling up to the limit; a number beyond them is simply not
 * open. */
#include "kernel/fdtab.h"

#include <string.h>

#include "base/mem.h"

void fdtab_init(struct fdtab *table, uint32_t limit)
{
    *table = (struct fdtab){NULL, 0, limit};
}

/* The slot is free before the file goes: a release can wake others, who look. */
static void close_slot(struct fd *fd)
{
    struct file *file = fd->file;
    mem_free(fd->preopen);
    memset(fd, 0, sizeof *fd);
    file_unref(file);
}

void fdtab_release(struct fdtab *table)
{
    for (uint32_t i = 0; i < table->alloc; i++)
        close_slot(&table->slots[i]);
    mem_free(table->slots);
    table->slots = NULL;
    table->alloc = 0;
}

struct fd *fdtab_get(struct fdtab *table, uint32_t number)
{
    if (number >= table->alloc || !table->slots[number].file)
        return NULL;
    return &table->slots[number];
}

/* `number` is below the limit. */
static int grow_to(struct fdtab *table, uint32_t number)
{
    uint64_t alloc = table->alloc ? table->alloc : 8;
    if (number < table->alloc)
        return 0;
    while (alloc <= number)
        alloc *= 2;
    if (alloc > table->limit)
        alloc = table->limit;
    struct fd *slots = mem_resize_array(table->slots, alloc, sizeof *slots);
    if (!slots)
        return ERRNO_NOMEM;
    memset(slots + table->alloc, 0, (alloc - table->alloc) * sizeof *slots);
    table->slots = slots;
    table->alloc = (uint32_t)alloc;
    return 0;
}

static int find_free(struct fdtab *table, uint32_t least, uint32_t *ret)
{
    uint32_t number = least;
    while (number < table->alloc && table->slots[number].file)
        number++;
    if (number >= table->limit)
        return ERRNO_MFILE;
    *ret = number;
    return grow_to(table, number);
}

int fdtab_reserve(struct fdtab *table, uint32_t least)
{
    uint32_t number;
    return find_free(table, least, &number);
}

int fdtab_insert(struct fdtab *table, struct file *file, uint64_t rights, uint64_t inheriting,
                 uint32_t least, uint32_t *ret)
{
    uint32_t number;
    int result = find_free(table, least, &number);
    if (result != 0)
        return result;
    table->slots[number] = (struct fd){.file = file, .rights = rights, .inheriting = inheriting};
    *ret = number;
    return 0;
}

int fdtab_place(struct fdtab *table, uint32_t number, struct file *file, uint64_t rights,
                uint64_t inheriting)
{
    if (number >= table->limit)
        return ERRNO_BADF;
    int result = grow_to(table, number);
    if (result != 0)
        return result;
    struct fd old = table->slots[number];
    table->slots[number] = (struct fd){.file = file, .rights = rights, .inheriting = inheriting};
    close_slot(&old);
    return 0;
}

int fdtab_close(struct fdtab *table, uint32_t number)
{
    struct fd *fd = fdtab_get(table, number);
    if (!fd)
        return ERRNO_BADF;
    close_slot(fd);
    return 0;
}

int fdtab_renumber(struct fdtab *table, uint32_t from, uint32_t to)
{
    struct fd *source = fdtab_get(table, from), *target = fdtab_get(table, to);
    if (!source || !target)
        return ERRNO_BADF;
    if (source == target)
        return 0;
    struct fd old = *target;
    *target = *source;
    memset(source, 0, sizeof *source);
    close_slot(&old);
    return 0;
}

int fdtab_copy(struct fdtab *to, const struct fdtab *from, bool for_spawn)
{
    struct fd *slots = mem_array(from->alloc, sizeof *slots);
    if (!slots)
        return ERRNO_NOMEM;
    struct fdtab copy = {slots, from->alloc, to->limit};
    for (uint32_t i = 0; i < from->alloc; i++) {
        const struct fd *fd = &from->slots[i];
        if (!fd->file || (for_spawn && fd->close_on_spawn))
            continue;
        char *preopen = fd->preopen ? mem_strdup(fd->preopen) : NULL;
        if (fd->preopen && !preopen) {
            fdtab_release(&copy);
            return ERRNO_NOMEM;
        }
        slots[i] = *fd;
        slots[i].preopen = preopen;
        file_ref(fd->file);
    }
    fdtab_release(to);
    *to = copy;
    return 0;
}

uint32_t fdtab_count(const struct fdtab *table)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->alloc; i++)
        count += table->slots[i].file != NULL;
    return count;
}
