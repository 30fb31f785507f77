/* Guest memory, see gmem.h. */
#include "syscall/gmem.h"

#include <string.h>

#include "base/mem.h"
#include "kernel/kernel.h"

#define PIECE (1u << 20)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "guest memory is little endian, and so is this code");

void *gmem_span(const struct process *process, struct gptr start, uint64_t len)
{
    const struct guest_memory *memory = &process->memory;
    if (start.at > memory->size || len > memory->size - start.at || !memory->base)
        return NULL;
    return memory->base + start.at;
}

bool gmem_read(const struct process *process, struct gptr from, void *to, uint64_t len)
{
    const void *source = gmem_span(process, from, len);
    if (!source)
        return false;
    memcpy(to, source, len);
    return true;
}

bool gmem_write(const struct process *process, struct gptr to, const void *from, uint64_t len)
{
    void *target = gmem_span(process, to, len);
    if (!target)
        return false;
    if (len > 0)
        memcpy(target, from, len);
    return true;
}

bool gmem_put32(const struct process *process, struct gptr to, uint32_t value)
{
    return gmem_write(process, to, &value, sizeof value);
}

bool gmem_put64(const struct process *process, struct gptr to, uint64_t value)
{
    return gmem_write(process, to, &value, sizeof value);
}

int gmem_text(const struct process *process, struct gptr start, uint64_t len, uint64_t max,
              int too_long, struct str *ret)
{
    if (len > max)
        return too_long;
    const char *text = gmem_span(process, start, len);
    if (!text)
        return ERRNO_FAULT;
    *ret = (struct str){text, len};
    return 0;
}

int gmem_copy_out(const struct process *process, struct gptr to, struct str from)
{
    uint8_t *target = gmem_span(process, to, from.len);
    if (!target)
        return ERRNO_FAULT;
    for (size_t done = 0; done < from.len; done += PIECE) {
        size_t n = from.len - done < PIECE ? from.len - done : PIECE;
        if (done > 0 && kernel_must_stop(process->kernel))
            return SYS_EXIT;
        memcpy(target + done, from.ptr + done, n);
    }
    return 0;
}

int gmem_append(const struct process *process, struct buf *to, struct gptr from, uint64_t len)
{
    const uint8_t *source = gmem_span(process, from, len);
    if (!source)
        return ERRNO_FAULT;
    if (!buf_reserve(to, len))
        return ERRNO_NOMEM;
    for (uint64_t done = 0; done < len; done += PIECE) {
        uint64_t n = len - done < PIECE ? len - done : PIECE;
        if (done > 0 && kernel_must_stop(process->kernel))
            return SYS_EXIT;
        if (!buf_add(to, source + done, n))
            return ERRNO_NOMEM;
    }
    return 0;
}

int iovecs_init(struct iovecs *iovecs, const struct process *process, struct gptr list,
                uint64_t count)
{
    if (count > IOVEC_MAX)
        return ERRNO_INVAL;
    const uint8_t *source = gmem_span(process, list, count * 8);
    if (!source)
        return ERRNO_FAULT;
    iovecs->count = (uint32_t)count;
    iovecs->total = 0;
    iovecs->list = iovecs->room;
    if (count > IOVEC_INLINE && !(iovecs->list = mem_array(count, sizeof iovecs->list[0])))
        return ERRNO_NOMEM;
    int result = 0;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        uint32_t pair[2];
        memcpy(pair, source + 8 * (size_t)i, sizeof pair);
        iovecs->list[i].data = gmem_span(process, (struct gptr){pair[0]}, pair[1]);
        iovecs->list[i].len = pair[1];
        iovecs->total += pair[1];
        if (!iovecs->list[i].data)
            result = ERRNO_FAULT;
    }
    if (result == 0 && iovecs->total > UINT32_MAX)
        result = ERRNO_INVAL;
    if (result != 0)
        iovecs_release(iovecs);
    return result;
}

void iovecs_release(struct iovecs *iovecs)
{
    if (iovecs->list != iovecs->room)
        mem_free(iovecs->list);
    iovecs->list = NULL;
}
