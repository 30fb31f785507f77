/* The descriptors of one process: small numbers to open files, each with the rights that the holder
 * has. */
#ifndef CAPFUL_KERNEL_FDTAB_H
#define CAPFUL_KERNEL_FDTAB_H

#include "kernel/file.h"

struct fd {
    struct file *file;   /* NULL: free */
    uint64_t rights;     /* what may be done through this number */
    uint64_t inheriting; /* what files opened beneath it may have */
    bool close_on_spawn;
    char *preopen; /* name under which WASI programs find it; NULL for others */
};

struct fdtab {
    struct fd *slots;
    uint32_t alloc;
    uint32_t limit; /* numbers below it exist */
};

void fdtab_init(struct fdtab *table, uint32_t limit);
void fdtab_release(struct fdtab *table); /* closes everything */
/* NULL if the number is not open. */
struct fd *fdtab_get(struct fdtab *table, uint32_t number);
/* Takes the reference on success only. Lowest free number from `least`. Errno: MFILE, NOMEM. */
int fdtab_insert(struct fdtab *table, struct file *file, uint64_t rights, uint64_t inheriting,
                 uint32_t least, uint32_t *ret);
/* Makes sure that the next fdtab_insert from `least` succeeds: MFILE, NOMEM. */
int fdtab_reserve(struct fdtab *table, uint32_t least);
/* Puts it at exactly `number`, closing what was there. Takes the reference on success only. Errno:
 * BADF, NOMEM. */
int fdtab_place(struct fdtab *table, uint32_t number, struct file *file, uint64_t rights,
                uint64_t inheriting);
int fdtab_close(struct fdtab *table, uint32_t number);
/* Moves `from` over `to`; both must be open. */
int fdtab_renumber(struct fdtab *table, uint32_t from, uint32_t to);
/* What `to` had is closed. Without those marked close_on_spawn if for_spawn. On failure `to` is
 * untouched. */
int fdtab_copy(struct fdtab *to, const struct fdtab *from, bool for_spawn);
uint32_t fdtab_count(const struct fdtab *table);

#endif
