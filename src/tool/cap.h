/* Capabilities to tools: what a process holds, narrows and hands on.
 *
 *     the sandbox's grants      tools.refund            the first process: everything, by name
 *            │                       │ narrow({amount: {le: 10}})
 *            └── cap (depth 0) ── cap (depth 1) ─ ...   a handle of that process
 *                                    │ handed on as "pay"
 *                                    └───────────────   the child: a list of names, each a cap
 *
 * A process that was not handed a list holds the tools of the sandbox, for which nothing is kept. A
 * cap never allows more than the one it was made from: it holds grants that are derived from those
 * of its parent (policy/grant.h). The host side: made, kept and asked on the thread that drives the
 * sandbox.
 */
#ifndef CAPFUL_TOOL_CAP_H
#define CAPFUL_TOOL_CAP_H

#include "tool/tool.h"

#define TOOL_CAPS_MAX   1000 /* that guests make in one run */
#define TOOL_CAPS_DEPTH 12   /* narrowings of narrowings */
#define TOOL_NARROWING  8192 /* bytes of one */
#define TOOL_LIST_MAX   256  /* tools handed to one process */
#define TOOL_WHY_MAX    1024 /* words of why a narrowing is refused */

struct tool_cap {
    uint32_t refs;
    uint32_t depth; /* 0: the sandbox's own right to the tool */
    struct tool_host *host;
    const struct tool *tool;
    struct tool_cap *parent; /* counted; NULL at depth 0 */
    struct grant **grants;   /* derived from the parent's, in their order; NULL at depth 0 */
    size_t n_grants;
    uint64_t charged; /* bytes */
};

void tool_cap_unref(struct tool_cap *cap); /* NULL is fine */
static inline struct tool_cap *tool_cap_ref(struct tool_cap *cap)
{
    cap->refs++;
    return cap;
}

/* What the process calls `name`, or its handle if `handle` is not 0: a reference. NOENT; BADF for
 * the handle; NOMEM. */
int tool_cap_get(struct tool_host *host, struct process *process, struct str name, uint32_t handle,
                 struct tool_cap **ret);
/* One that allows what `from` does and the narrowing, too: a reference. INVAL with *why filled in
 * for a narrowing that cannot be meant, NFILE for too many or too deep, NOMEM. */
int tool_cap_narrow(struct tool_host *host, struct process *process, struct tool_cap *from,
                    struct str narrowing_json, struct tool_cap **ret, struct buf *why);
/* A number by which the process knows it from now on, until it ends. Takes the reference on
 * success. NOMEM. */
int tool_cap_keep(struct process *process, struct tool_cap *cap, uint32_t *ret_handle);

struct tool_named {
    struct str name;
    struct tool_cap *cap;
};
/* From now on the process holds these and nothing else; after a failure, nothing. INVAL for a name
 * that is none or stands there twice, 2BIG, NOMEM. */
int tool_process_limit(struct process *process, const struct tool_named *list, size_t n);

#endif
