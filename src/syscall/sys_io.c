/* Reading and writing: fd_read, fd_write, fd_pread, fd_pwrite, fd_readdir.
 *
 * A list of buffers is checked as a whole first. A read answers as soon as it has anything. A write
 * goes on until all is written, over as many waits as it takes: request.progress says how far it
 * came. Large transfers go in pieces, and the limits of the run are looked at between them.
 */
#include <string.h>

#include "kernel/pipe.h"
#include "syscall/calls.h"

#define FILE_PIECE   (1u << 20)
#define STREAM_PIECE (64u << 10)

/* Where a transfer is: sequential, or at an offset that the guest gave. */
struct transfer {
    struct process *process;
    struct file *file;
    bool positioned;
    uint64_t offset;
    uint64_t done;
    uint64_t unchecked; /* bytes since the limits were looked at */
};

static int read_piece(struct transfer *t, void *buffer, size_t size, size_t *ret_len)
{
    if (t->positioned)
        return file_pread(t->file, buffer, size, t->offset + t->done, ret_len);
    return file_read(t->file, buffer, size, ret_len);
}

static int write_piece(struct transfer *t, const void *data, size_t len, size_t *ret_len)
{
    if (t->positioned)
        return file_pwrite(t->file, data, len, t->offset + t->done, ret_len);
    return file_write(t->file, data, len, ret_len);
}

static bool must_stop_after(struct transfer *t, size_t n)
{
    t->done += n;
    t->unchecked += n;
    if (t->unchecked < FILE_PIECE)
        return false;
    t->unchecked = 0;
    return kernel_must_stop(t->process->kernel);
}

static int read_all(struct transfer *t, const struct iovecs *iovecs)
{
    uint8_t nothing;
    size_t n;
    if (iovecs->total == 0)
        return read_piece(t, &nothing, 0, &n);
    for (uint32_t i = 0; i < iovecs->count; i++) {
        const struct iovec_entry *entry = &iovecs->list[i];
        for (uint32_t at = 0; at < entry->len;) {
            uint32_t piece = entry->len - at < FILE_PIECE ? entry->len - at : FILE_PIECE;
            int result = read_piece(t, entry->data + at, piece, &n);
            if (result != 0) {
                if (t->done == 0)
                    return result;
                wait_leave(t->process); /* what was read is answered now */
                return 0;
            }
            if (must_stop_after(t, n))
                return SYS_EXIT;
            if (n < piece)
                return 0;
            at += (uint32_t)n;
        }
    }
    return 0;
}

/* Short lists to pipes and terminals are one write: a line made of several pieces is not torn. */
static int write_gathered(struct transfer *t, const struct iovecs *iovecs)
{
    uint8_t line[PIPE_ATOMIC];
    size_t len = 0, n;
    for (uint32_t i = 0; i < iovecs->count; i++) {
        memcpy(line + len, iovecs->list[i].data, iovecs->list[i].len);
        len += iovecs->list[i].len;
    }
    int result = write_piece(t, line + t->done, len - t->done, &n);
    if (result == 0)
        t->done += n;
    return result;
}

static int write_entries(struct transfer *t, const struct iovecs *iovecs)
{
    uint64_t skip = t->done;
    uint32_t most = t->file->ops->seekable ? FILE_PIECE : STREAM_PIECE;
    size_t n;
    for (uint32_t i = 0; i < iovecs->count; i++) {
        const struct iovec_entry *entry = &iovecs->list[i];
        if (skip >= entry->len) {
            skip -= entry->len;
            continue;
        }
        uint32_t at = (uint32_t)skip;
        skip = 0;
        while (at < entry->len) {
            uint32_t piece = entry->len - at < most ? entry->len - at : most;
            int result = write_piece(t, entry->data + at, piece, &n);
            if (result != 0)
                return result;
            if (must_stop_after(t, n))
                return SYS_EXIT;
            if (n == 0)
                return 0;
            at += (uint32_t)n;
        }
    }
    return 0;
}

static int write_all(struct transfer *t, const struct iovecs *iovecs)
{
    size_t n;
    if (iovecs->total == 0)
        return write_piece(t, "", 0, &n);
    if (!t->file->ops->seekable && iovecs->count > 1 && iovecs->total <= PIPE_ATOMIC) {
        int result = 0;
        while (result == 0 && t->done < iovecs->total)
            result = write_gathered(t, iovecs);
        return result;
    }
    return write_entries(t, iovecs);
}

static int answer(struct transfer *t, struct gptr to, int result)
{
    if (result != 0)
        return result;
    gmem_put32(t->process, to, (uint32_t)t->done);
    return 0;
}

static int do_read(struct transfer *t, uint64_t number, uint64_t list, uint64_t count,
                   struct gptr to)
{
    struct fd *fd;
    struct iovecs iovecs;
    int result = sys_get_fd(t->process, number, 0, &fd);
    if (result == 0 && !gmem_span(t->process, to, sizeof(uint32_t)))
        result = ERRNO_FAULT;
    if (result == 0)
        result = iovecs_init(&iovecs, t->process, gptr(list), (uint32_t)count);
    if (result != 0)
        return result;
    t->file = fd->file;
    result = read_all(t, &iovecs);
    iovecs_release(&iovecs);
    if (result == FILE_AGAIN)
        return sys_wait_for(t->process, t->file, READY_IN);
    return answer(t, to, result == FILE_PARKED ? SYS_PARK : result);
}

static int do_write(struct transfer *t, uint64_t number, uint64_t list, uint64_t count,
                    struct gptr to)
{
    struct fd *fd;
    struct iovecs iovecs;
    struct request *request = &t->process->request;
    int result = sys_get_fd(t->process, number, 0, &fd);
    if (result == 0 && !gmem_span(t->process, to, sizeof(uint32_t)))
        result = ERRNO_FAULT;
    if (result == 0)
        result = iovecs_init(&iovecs, t->process, gptr(list), (uint32_t)count);
    if (result != 0)
        return result;
    t->file = fd->file;
    t->done = request->progress;
    result = write_all(t, &iovecs);
    iovecs_release(&iovecs);
    if (result == FILE_AGAIN)
        result = sys_wait_for(t->process, t->file, READY_OUT);
    if (result == FILE_PARKED || result == SYS_PARK) {
        request->progress = t->done;
        return SYS_PARK;
    }
    if (result > 0 && t->done > 0)
        result = 0; /* what was written counts; the next write meets the error */
    return answer(t, to, result);
}

int sys_fd_read(struct process *process, const uint64_t *args)
{
    struct transfer t = {.process = process};
    return do_read(&t, args[0], args[1], args[2], gptr(args[3]));
}

int sys_fd_pread(struct process *process, const uint64_t *args)
{
    struct transfer t = {.process = process, .positioned = true, .offset = args[3]};
    return do_read(&t, args[0], args[1], args[2], gptr(args[4]));
}

int sys_fd_write(struct process *process, const uint64_t *args)
{
    struct transfer t = {.process = process};
    return do_write(&t, args[0], args[1], args[2], gptr(args[3]));
}

int sys_fd_pwrite(struct process *process, const uint64_t *args)
{
    struct transfer t = {.process = process, .positioned = true, .offset = args[3]};
    return do_write(&t, args[0], args[1], args[2], gptr(args[4]));
}

struct guest_dirent {
    uint64_t next, ino;
    uint32_t name_len;
    uint32_t type; /* one byte and padding */
};
_Static_assert(sizeof(struct guest_dirent) == 24, "WASI dirent");

/* The last entry is cut where the buffer ends: a full buffer tells the guest that there is more,
 * and it asks again from the last cookie that it saw whole. */
static size_t put_dirent(uint8_t *out, size_t room, const struct file_dirent *entry)
{
    struct guest_dirent head = {entry->next, entry->ino, (uint32_t)entry->name.len,
                                (uint32_t)entry->type};
    size_t n = room < sizeof head ? room : sizeof head;
    memcpy(out, &head, n);
    if (n < sizeof head)
        return n;
    size_t m = room - n < entry->name.len ? room - n : entry->name.len;
    memcpy(out + n, entry->name.ptr, m);
    return n + m;
}

int sys_fd_readdir(struct process *process, const uint64_t *args)
{
    struct fd *fd;
    struct file_dirent entry;
    uint64_t cookie = args[3];
    size_t size = (uint32_t)args[2], used = 0;
    int result = sys_get_fd(process, args[0], 0, &fd);
    if (result != 0)
        return result;
    uint8_t *out = gmem_span(process, gptr(args[1]), size);
    if (!out || !gmem_span(process, gptr(args[4]), sizeof(uint32_t)))
        return ERRNO_FAULT;
    for (unsigned n = 1; used < size || n == 1; n++) {
        result = file_readdir(fd->file, cookie, &entry);
        if (result != 0)
            return sys_vfs_result(result);
        if (entry.name.len == 0)
            break;
        used += put_dirent(out + used, size - used, &entry);
        cookie = entry.next;
        if (n % 256 == 0 && kernel_must_stop(process->kernel))
            return SYS_EXIT;
    }
    gmem_put32(process, gptr(args[4]), (uint32_t)used);
    return 0;
}
