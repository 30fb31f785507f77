/* poll_oneoff: waits for the first of many things. Times are made absolute at the first try, and
 * every try looks at all subscriptions again, so that what happened while others ran is seen. */
#include <string.h>

#include "base/mem.h"
#include "syscall/calls.h"
#include "syscall/time.h"

#define SUBSCRIPTIONS_MAX 4096u
#define ON_STACK          8u

enum { EVENT_CLOCK, EVENT_READ, EVENT_WRITE };

struct guest_subscription {
    uint64_t userdata;
    uint8_t tag, unused[7];
    uint32_t id; /* clock or descriptor */
    uint32_t unused2;
    uint64_t timeout, precision;
    uint16_t flags, unused3[3];
};
_Static_assert(sizeof(struct guest_subscription) == 48, "WASI subscription");

struct guest_event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type, unused[5];
    uint64_t bytes;
    uint16_t flags, unused2[3];
};
_Static_assert(sizeof(struct guest_event) == 32, "WASI event");

struct poll {
    struct process *process;
    uint64_t start; /* when the call was made */
    uint64_t now;
    uint64_t deadline; /* the earliest that has not passed */
    struct guest_event *out;
    uint32_t count;
};

static void add_event(struct poll *poll, const struct guest_subscription *s, int error,
                      uint64_t bytes, unsigned hangup)
{
    struct guest_event event = {.userdata = s->userdata,
                                .error = (uint16_t)error,
                                .type = s->tag,
                                .bytes = bytes,
                                .flags = (uint16_t)(hangup ? 1 : 0)};
    memcpy(&poll->out[poll->count++], &event, sizeof event);
}

static void look_at_clock(struct poll *poll, const struct guest_subscription *s)
{
    uint64_t deadline;
    if (s->flags & ~1u || s->id > TIME_THREAD_CPU) {
        add_event(poll, s, ERRNO_INVAL, 0, 0);
        return;
    }
    if (s->id >= TIME_PROCESS_CPU) { /* it does not move while the process sleeps */
        add_event(poll, s, ERRNO_NOTSUP, 0, 0);
        return;
    }
    if (s->flags & 1)
        deadline = time_deadline(poll->process->kernel, s->id, s->timeout);
    else
        deadline = s->timeout > UINT64_MAX - poll->start ? UINT64_MAX : poll->start + s->timeout;
    if (deadline <= poll->now)
        add_event(poll, s, 0, 0, 0);
    else if (deadline < poll->deadline)
        poll->deadline = deadline;
}

static void look_at_file(struct poll *poll, const struct guest_subscription *s)
{
    struct fd *fd;
    int result = sys_get_fd(poll->process, s->id, CAPFUL_RIGHT_POLL_FD_READWRITE, &fd);
    if (result != 0) {
        add_event(poll, s, result, 0, 0);
        return;
    }
    unsigned ready = file_ready(fd->file), wanted = s->tag == EVENT_READ ? READY_IN : READY_OUT;
    if (!(ready & (wanted | READY_HUP)))
        return;
    uint64_t bytes = fd->file->ops->available ? fd->file->ops->available(fd->file) : 0;
    add_event(poll, s, 0, bytes, ready & READY_HUP);
}

static int wait_for_all(struct poll *poll, const struct guest_subscription *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct fd *fd =
            list[i].tag == EVENT_CLOCK ? NULL : fdtab_get(&poll->process->fds, list[i].id);
        if (!fd || !fd->file->ops->queue)
            continue;
        struct wait_queue *queue =
            fd->file->ops->queue(fd->file, list[i].tag == EVENT_READ ? READY_IN : READY_OUT);
        int result = queue ? wait_add(poll->process, queue) : 0;
        if (result != 0) {
            wait_leave(poll->process);
            return result;
        }
    }
    if (poll->deadline != UINT64_MAX)
        wait_until(poll->process, poll->deadline);
    return SYS_PARK;
}

static int look_at_all(struct poll *poll, const struct guest_subscription *list, uint32_t n,
                       struct gptr ret_count)
{
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].tag > EVENT_WRITE)
            return ERRNO_INVAL;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].tag == EVENT_CLOCK)
            look_at_clock(poll, &list[i]);
        else
            look_at_file(poll, &list[i]);
    }
    if (poll->count == 0)
        return wait_for_all(poll, list, n);
    gmem_put32(poll->process, ret_count, poll->count);
    return 0;
}

/* The list is copied: events may be written over it. */
int sys_poll_oneoff(struct process *process, const uint64_t *args)
{
    struct guest_subscription room[ON_STACK], *list = room;
    struct request *request = &process->request;
    uint32_t n = (uint32_t)args[2];
    if (n == 0 || n > SUBSCRIPTIONS_MAX)
        return ERRNO_INVAL;
    const void *in = gmem_span(process, gptr(args[0]), n * sizeof *list);
    struct poll poll = {
        .process = process, .now = kernel_time_monotonic(process->kernel), .deadline = UINT64_MAX};
    poll.out = gmem_span(process, gptr(args[1]), n * sizeof(struct guest_event));
    if (!in || !poll.out || !gmem_span(process, gptr(args[3]), sizeof n))
        return ERRNO_FAULT;
    if (n > ON_STACK && !(list = mem_array(n, sizeof *list)))
        return ERRNO_NOMEM;
    memcpy(list, in, n * sizeof *list);
    if (request->deadline == 0)
        request->deadline = poll.now + 1; /* 0 is "not set" */
    poll.start = request->deadline - 1;
    int result = look_at_all(&poll, list, n, gptr(args[3]));
    if (list != room)
        mem_free(list);
    return result;
}
