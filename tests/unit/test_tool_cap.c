/* Capabilities to tools: held, narrowed, handed on; a call through one. */
#include "tool_rig.h"

#include "tool/call.h"
#include "tool/cap.h"

static void echo(struct capful_call *call, void *context)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    (void)context;
    capful_call_answer(call, arguments, len);
}

static void begin(struct tool_rig *rig)
{
    struct toolset *set = NULL;
    struct capful_tool tools[2] = {{.name = "get-order", .call = echo},
                                   {.name = "refund", .call = echo}};
    EQ(toolset_new(&set, NULL), 0);
    for (int i = 0; i < 2; i++)
        EQ(toolset_add(set, &tools[i], NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    rig_begin(rig, set, NULL);
}

static struct process *child_of(struct tool_rig *rig, struct process *parent)
{
    struct process *child = NULL;
    ASSERT_EQ_INT(process_new(&rig->kernel, parent, NULL, &child), 0);
    return child;
}

static struct tool_cap *cap_of(struct tool_rig *rig, struct process *process, const char *name)
{
    struct tool_cap *cap = NULL;
    ASSERT_EQ_INT(tool_cap_get(rig->host, process, str_of(name), 0, &cap), 0);
    return cap;
}

static struct tool_cap *narrowed(struct tool_rig *rig, struct tool_cap *from, const char *json)
{
    struct buf why = BUF_INIT(TOOL_WHY_MAX);
    struct tool_cap *cap = NULL;
    ASSERT_EQ_INT(tool_cap_narrow(rig->host, rig->process, from, str_of(json), &cap, &why), 0);
    EQ(why.len, 0);
    return cap;
}

static uint32_t call_as(struct tool_rig *rig, struct process *process, const char *name)
{
    struct process *own = rig->process;
    rig->process = process;
    uint32_t status = rig_call(rig, name, "{}");
    rig->process = own;
    return status;
}

static const char *listing(struct tool_rig *rig, const struct process *process)
{
    static char text[512];
    struct buf out = BUF_INIT(4096);
    EQ(tool_list(rig->host, process, &out), 0);
    snprintf(text, sizeof text, "%.*s", (int)out.len, buf_str(&out).ptr);
    buf_release(&out);
    return text;
}

/* ---- lists */

TEST(cap_a_child_holds_what_it_was_handed)
{
    struct tool_rig r;
    begin(&r);
    struct process *child = child_of(&r, r.process);
    struct tool_named list = {STR("get-it"), cap_of(&r, r.process, "get_order")};
    EQ(tool_process_limit(child, &list, 1), 0);
    STR_EQ(listing(&r, child), "[{\"name\":\"get-it\",\"alias\":\"get_it\"}]");
    OK(tool_has(r.host, child, STR("get-it")) && tool_has(r.host, child, STR("get_it")));
    OK(!tool_has(r.host, child, STR("get-order")) && !tool_has(r.host, child, STR("refund")));
    EQ(call_as(&r, child, "get_it"), CAPFUL_CALL_OK);
    STR_EQ(tool_record(r.host, 0)->tool, "get-order");
    /* What it does not hold is refused in the same words, whether it is there or not. */
    EQ(call_as(&r, child, "refund"), CAPFUL_CALL_DENIED);
    STR_EQ(tool_record(r.host, 1)->message, "refund denied: this process does not hold it");
    EQ(tool_record(r.host, 1)->outcome, CAPFUL_CALL_REFUSED);
    EQ(call_as(&r, child, "nobody"), CAPFUL_CALL_DENIED);
    STR_EQ(tool_record(r.host, 2)->message, "nobody denied: this process does not hold it");
    EQ(call_as(&r, r.process, "refund"), CAPFUL_CALL_OK);
    /* Its own children hold the same, or less; never what it does not hold. */
    struct process *below = child_of(&r, child);
    EQ(call_as(&r, below, "get-it"), CAPFUL_CALL_OK);
    EQ(call_as(&r, below, "refund"), CAPFUL_CALL_DENIED);
    struct tool_cap *cap = NULL;
    EQ(tool_cap_get(r.host, child, STR("refund"), 0, &cap), ERRNO_NOENT);
    EQ(tool_process_limit(below, NULL, 0), 0);
    EQ(call_as(&r, below, "get-it"), CAPFUL_CALL_DENIED);
    STR_EQ(listing(&r, below), "[]");
    tool_cap_unref(list.cap);
    process_discard(below);
    process_discard(child);
    rig_end(&r);
}

TEST(cap_lists_are_checked)
{
    struct tool_rig r;
    begin(&r);
    struct process *child = child_of(&r, r.process);
    struct tool_cap *cap = cap_of(&r, r.process, "refund");
    struct tool_named list[2] = {{STR("a-b"), cap}, {STR("a-b"), cap}};
    EQ(tool_process_limit(child, list, 2), ERRNO_INVAL); /* twice */
    list[1].name = STR("a_b");                           /* the other's identifier */
    EQ(tool_process_limit(child, list, 2), ERRNO_INVAL);
    list[1].name = STR("");
    EQ(tool_process_limit(child, list, 2), ERRNO_INVAL);
    list[1].name = STR("a\nb");
    EQ(tool_process_limit(child, list, 2), ERRNO_INVAL);
    list[1].name = STR("a\0b");
    EQ(tool_process_limit(child, list, 2), ERRNO_INVAL);
    EQ(tool_process_limit(child, list, TOOL_LIST_MAX + 1), ERRNO_2BIG);
    tool_cap_unref(cap);
    process_discard(child);
    rig_end(&r);
}

/* ---- narrowing */

TEST(cap_narrowed_allows_less)
{
    struct tool_rig r;
    uint32_t handle = 0, id, got = 0;
    begin(&r);
    struct tool_cap *whole = cap_of(&r, r.process, "refund");
    EQ(tool_cap_keep(r.process, narrowed(&r, whole, "{\"amount\":{\"le\":10}}"), &handle), 0);
    EQ(handle, 1);
    EQ(tool_call_start_handle(r.host, r.process, handle, STR("{}"), &id), 0);
    OK(tool_dispatch(r.host, clock_monotonic()));
    EQ(rig_take(&r, &got), CAPFUL_CALL_DENIED);
    EQ(got, id);
    STR_EQ(tool_record(r.host, 0)->message, "refund denied: amount is missing");
    EQ(tool_call_start_handle(r.host, r.process, handle, STR("{\"amount\":11}"), &id), 0);
    EQ(tool_call_start_handle(r.host, r.process, handle, STR("{\"amount\":10}"), &id), 0);
    OK(tool_dispatch(r.host, clock_monotonic()));
    EQ(rig_take(&r, &got), CAPFUL_CALL_DENIED);
    STR_EQ(tool_record(r.host, 1)->message, "refund denied: amount must be at most 10 (was 11)");
    EQ(rig_take(&r, &got), CAPFUL_CALL_OK);
    EQ(got, id);
    EQ(tool_call_start_handle(r.host, r.process, 0, STR("{}"), &id), ERRNO_BADF);
    EQ(tool_call_start_handle(r.host, r.process, 2, STR("{}"), &id), ERRNO_BADF);
    /* Handed on under a name it is what it was; a clone has the handle, too. */
    struct process *clone = child_of(&r, r.process), *child = child_of(&r, r.process);
    struct tool_named list = {STR("pay"), NULL};
    EQ(tool_cap_get(r.host, clone, STR(""), handle, &list.cap), 0);
    EQ(tool_process_limit(child, &list, 1), 0);
    tool_cap_unref(list.cap);
    EQ(call_as(&r, child, "pay"), CAPFUL_CALL_DENIED);
    EQ(tool_call_start_handle(r.host, child, handle, STR("{}"), &id), ERRNO_BADF);
    tool_cap_unref(whole);
    process_discard(child);
    process_discard(clone);
    rig_end(&r);
}

static uint32_t call_by(struct tool_rig *r, uint32_t handle)
{
    uint32_t id, got = 0;
    EQ(tool_call_start_handle(r->host, r->process, handle, STR("{}"), &id), 0);
    OK(tool_dispatch(r->host, clock_monotonic()));
    return rig_take(r, &got);
}

TEST(cap_revoked_with_what_was_made_from_it)
{
    struct tool_rig r;
    uint32_t first = 0, second = 0;
    begin(&r);
    struct tool_cap *whole = cap_of(&r, r.process, "refund");
    struct tool_cap *less = narrowed(&r, whole, "{\"x\":{\"not_exists\":true}}");
    struct tool_cap *least = narrowed(&r, less, "{\"y\":{\"not_exists\":true}}");
    EQ(less->depth, 1);
    EQ(least->depth, 2);
    EQ(tool_cap_keep(r.process, tool_cap_ref(less), &first), 0);
    EQ(tool_cap_keep(r.process, least, &second), 0);
    EQ(call_by(&r, first), CAPFUL_CALL_OK);
    EQ(call_by(&r, second), CAPFUL_CALL_OK);
    grant_revoke(less->grants[0]);
    EQ(call_by(&r, first), CAPFUL_CALL_DENIED);
    EQ(call_by(&r, second), CAPFUL_CALL_DENIED);
    EQ(call_as(&r, r.process, "refund"), CAPFUL_CALL_OK);
    tool_cap_unref(less);
    tool_cap_unref(whole);
    rig_end(&r);
}

TEST(cap_narrowing_is_an_object_and_bounded)
{
    static const char *const wrong[] = {"", "5", "[]", "null", "{", "{\"a\":1,\"a\":2}", "{} {}"};
    struct tool_rig r;
    struct tool_cap *cap = NULL;
    begin(&r);
    struct tool_cap *whole = cap_of(&r, r.process, "refund");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct buf why = BUF_INIT(TOOL_WHY_MAX);
        EQ(tool_cap_narrow(r.host, r.process, whole, str_of(wrong[i]), &cap, &why), ERRNO_INVAL);
        OK(why.len > 0);
        buf_release(&why);
    }
    struct buf why = BUF_INIT(TOOL_WHY_MAX);
    struct tool_cap *at = tool_cap_ref(whole);
    int depth = 0;
    while (tool_cap_narrow(r.host, r.process, at, STR("{}"), &cap, &why) == 0) {
        tool_cap_unref(at);
        at = cap;
        depth++;
    }
    EQ(depth, TOOL_CAPS_DEPTH);
    tool_cap_unref(at);
    int more = 0;
    while (tool_cap_narrow(r.host, r.process, whole, STR("{}"), &cap, &why) == 0) {
        tool_cap_unref(cap); /* it counts although it is gone */
        more++;
    }
    EQ(more + depth, TOOL_CAPS_MAX);
    tool_begin(r.host, NULL, NULL);
    EQ(tool_cap_narrow(r.host, r.process, whole, STR("{}"), &cap, &why), 0);
    tool_cap_unref(cap);
    tool_cap_unref(whole);
    buf_release(&why);
    rig_end(&r);
}

/* A call that waits keeps what it is made through, though the process is gone. */
TEST(cap_outlives_its_process)
{
    struct tool_rig r;
    uint32_t id;
    begin(&r);
    struct process *child = child_of(&r, r.process);
    struct tool_named list = {STR("pay"), cap_of(&r, r.process, "refund")};
    EQ(tool_process_limit(child, &list, 1), 0);
    tool_cap_unref(list.cap);
    EQ(tool_call_start(r.host, child, STR("pay"), STR("{}"), &id), 0);
    process_discard(child);
    OK(tool_dispatch(r.host, clock_monotonic()));
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_DONE);
    rig_end(&r);
}

TEST(cap_without_memory)
{
    struct tool_rig r;
    begin(&r);
    struct tool_cap *whole = cap_of(&r, r.process, "refund");
    FAULT_SWEEP({
        struct buf why = BUF_INIT(TOOL_WHY_MAX);
        struct process *child = NULL;
        struct tool_cap *cap = NULL;
        uint32_t handle;
        if (tool_cap_narrow(r.host, r.process, whole, STR("{}"), &cap, &why) == 0 &&
            process_new(&r.kernel, r.process, NULL, &child) == 0) {
            struct tool_named list = {STR("pay"), cap};
            struct process *below = NULL;
            if (tool_process_limit(child, &list, 1) == 0 &&
                tool_cap_keep(child, tool_cap_ref(cap), &handle) != 0)
                tool_cap_unref(cap);
            if (process_new(&r.kernel, child, NULL, &below) == 0)
                process_discard(below);
            process_discard(child);
        }
        tool_cap_unref(cap);
        buf_release(&why);
        r.host->n_caps = 0;
    });
    tool_cap_unref(whole);
    rig_end(&r);
}
