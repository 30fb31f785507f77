/* A sandbox with tools and one process that never runs: tests play guest and driver themselves. */
#ifndef CAPFUL_TESTS_TOOL_RIG_H
#define CAPFUL_TESTS_TOOL_RIG_H

#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tap.h"
#include "tool/tool.h"

struct tool_rig {
    struct kernel kernel;
    struct kernel_hooks hooks;
    struct toolset *set;
    struct tool_host *host;
    struct process *process;
    char text[8192]; /* the answer fetched last */
};

static inline void rig_begin(struct tool_rig *rig, struct toolset *set,
                             const struct capful_limits *limits)
{
    static const struct engine_ops none = {NULL, NULL, NULL, NULL};
    struct capful_limits defaults = {
#define LIMIT(name, unit, value, text) .name = value,
#include "abi/limits.def"
#undef LIMIT
    };
    memset(rig, 0, sizeof *rig);
    rig->set = set;
    rig->hooks = (struct kernel_hooks){tool_process_inherit, tool_process_exited, NULL};
    EQ(kernel_init(&rig->kernel, &none, &rig->hooks, limits ? limits : &defaults), 0);
    EQ(tool_host_new(set, &rig->kernel, NULL, &rig->host), 0);
    rig->kernel.hooks.context = rig->host;
    EQ(process_new(&rig->kernel, NULL, NULL, &rig->process), 0);
    tool_begin(rig->host, NULL, NULL);
}

/* Everything that was held and charged must be gone. */
static inline void rig_end(struct tool_rig *rig)
{
    const char *wrong = tool_host_check(rig->host);
    STR_EQ(wrong ? wrong : "", "");
    if (rig->process)
        process_discard(rig->process);
    tool_end(rig->host);
    wrong = tool_host_check(rig->host);
    STR_EQ(wrong ? wrong : "", "");
    tool_host_free(rig->host);
    EQ(rig->kernel.memory_used, 0);
    kernel_release(&rig->kernel);
    toolset_unref(rig->set);
}

static inline uint32_t rig_start(struct tool_rig *rig, const char *tool, const char *arguments)
{
    uint32_t id = 0;
    EQ(tool_call_start(rig->host, rig->process, str_of(tool), str_of(arguments), &id), 0);
    return id;
}

/* The next answer of the process into rig->text; CAPFUL_CALL_NONE if there is none. */
static inline uint32_t rig_take(struct tool_rig *rig, uint32_t *ret_id)
{
    struct capful_done done;
    struct str text;
    rig->text[0] = 0;
    if (!tool_call_next(rig->host, rig->process, &done))
        return CAPFUL_CALL_NONE;
    EQ(tool_call_take(rig->host, rig->process, done.id, &text), 0);
    EQ(text.len, done.len);
    snprintf(rig->text, sizeof rig->text, "%.*s", (int)text.len, text.ptr);
    tool_call_forget(rig->host, rig->process, done.id);
    if (ret_id)
        *ret_id = done.id;
    return done.status;
}

/* Polls programs and answers until something is settled; false after ten seconds. */
static inline bool rig_wait(struct tool_rig *rig)
{
    uint64_t until = clock_monotonic() + 10 * CAPFUL_SECOND;
    while (clock_monotonic() < until) {
        struct pollfd fds[1 + 3 * TOOL_COMMANDS];
        size_t n = tool_pollfds(rig->host, fds, 3 * TOOL_COMMANDS);
        fds[n] = (struct pollfd){.fd = tool_event_fd(rig->host), .events = POLLIN};
        uint64_t due = tool_next_deadline(rig->host), now = clock_monotonic();
        int timeout = due == UINT64_MAX ? 1000 : due <= now ? 0 : (int)((due - now) / 1000000 + 1);
        poll(fds, n + 1, timeout < 1000 ? timeout : 1000);
        bool any = tool_poll_events(rig->host, fds, n);
        any |= tool_collect(rig->host);
        tool_expire(rig->host, clock_monotonic());
        if (any || !tool_in_flight(rig->host))
            return true;
    }
    return false;
}

/* One call from start to answer. */
static inline uint32_t rig_call(struct tool_rig *rig, const char *tool, const char *arguments)
{
    uint32_t id = rig_start(rig, tool, arguments), got = 0, status;
    tool_dispatch(rig->host, clock_monotonic());
    while ((status = rig_take(rig, &got)) == CAPFUL_CALL_NONE && tool_in_flight(rig->host))
        if (!rig_wait(rig))
            break;
    EQ(got, id);
    return status;
}

#endif
