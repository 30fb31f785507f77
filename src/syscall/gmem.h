/* Guest memory: the only code that turns a guest's address into a pointer of the host.
 *
 * An address is 32 bits and comes from the guest, so it is wrapped and cannot be mixed up with a
 * host pointer. Every access gives a length and is checked in 64 bits. A span stays good until the
 * system call returns: the guest does not run meanwhile and its memory does not move. Structures
 * are read and written as bytes, so alignment does not matter.
 */
#ifndef CAPFUL_SYSCALL_GMEM_H
#define CAPFUL_SYSCALL_GMEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "kernel/process.h"

struct gptr {
    uint32_t at;
};

static inline struct gptr gptr(uint64_t argument)
{
    return (struct gptr){(uint32_t)argument};
}

/* NULL if any byte of it lies outside; a span of no bytes may start anywhere inside or at the end.
 */
void *gmem_span(const struct process *process, struct gptr start, uint64_t len);
/* False (FAULT) if it lies outside; then nothing is copied. */
bool gmem_read(const struct process *process, struct gptr from, void *to, uint64_t len);
bool gmem_write(const struct process *process, struct gptr to, const void *from, uint64_t len);
bool gmem_put32(const struct process *process, struct gptr to, uint32_t value);
bool gmem_put64(const struct process *process, struct gptr to, uint64_t value);
/* Text in place, at most `max` bytes: FAULT, or `too_long`. */
int gmem_text(const struct process *process, struct gptr start, uint64_t len, uint64_t max,
              int too_long, struct str *ret);

/* Copies that look at the limits of the run between pieces of 1 MiB: 0, FAULT, or SYS_EXIT when it
 * must stop. */
int gmem_copy_out(const struct process *process, struct gptr to, struct str from);
int gmem_append(const struct process *process, struct buf *to, struct gptr from,
                uint64_t len); /* NOMEM too */

/* Lists of (address, length) for reads and writes, copied and checked as a whole before anything is
 * done. */
#define IOVEC_MAX    1024u
#define IOVEC_INLINE 8u
struct iovecs {
    struct iovec_entry {
        uint8_t *data;
        uint32_t len;
    } *list, room[IOVEC_INLINE];
    uint32_t count;
    uint64_t total; /* at most UINT32_MAX */
};
/* INVAL: too many, or too many bytes. FAULT. NOMEM. To be released on success only. */
int iovecs_init(struct iovecs *iovecs, const struct process *process, struct gptr list,
                uint64_t count);
void iovecs_release(struct iovecs *iovecs);

#endif
