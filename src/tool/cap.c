/* Capabilities to tools, see cap.h. */
#include "tool/cap.h"

#include <stdio.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/regex.h"
#include "tool/call.h"

/* ------------------------------------------------------------------ made and gone */

#define WHERE "{\"where\":"

/* What the grants of a narrowing take in memory follows from its text; a regular expression may
 * take as much as its compiler allows. */
static uint64_t cost_of(struct str narrowing, size_t n_grants)
{
    uint64_t patterns = 0;
    for (size_t i = 0; i + 9 <= narrowing.len; i++)
        patterns += memcmp(narrowing.ptr + i, "\"matches\"", 9) == 0;
    return (sizeof(struct grant) + 64 * (uint64_t)narrowing.len + patterns * RT_REGEX_MOST) *
           n_grants;
}

/* A chain is as long as it is deep: at most TOOL_CAPS_DEPTH. */
void tool_cap_unref(struct tool_cap *cap)
{
    while (cap && --cap->refs == 0) {
        struct tool_cap *parent = cap->parent;
        kernel_discharge(cap->host->kernel, cap->charged);
        for (size_t i = 0; i < cap->n_grants; i++)
            grant_unref(cap->grants[i]);
        mem_free(cap->grants);
        mem_free(cap);
        cap = parent;
    }
}

static int new_cap(struct tool_host *host, const struct tool *tool, uint64_t more,
                   struct tool_cap **ret)
{
    uint64_t size = sizeof(struct tool_cap) + more;
    if (!kernel_charge(host->kernel, size))
        return ERRNO_NOMEM;
    struct tool_cap *cap = mem_zalloc(sizeof *cap);
    if (!cap) {
        kernel_discharge(host->kernel, size);
        return ERRNO_NOMEM;
    }
    cap->refs = 1;
    cap->host = host;
    cap->tool = tool;
    cap->charged = size;
    *ret = cap;
    return 0;
}

/* ------------------------------------------------------------------ narrowed */

static void first_problem(void *context, yyjson_val *at, const char *text)
{
    struct buf *why = context;
    (void)at;
    if (why->len == 0)
        buf_add_text(why, text);
}

static int derive_all(struct tool_cap *cap, const struct tool_cap *from, yyjson_val *narrowing,
                      struct buf *why)
{
    struct held whole = held_for(cap->host, from->tool);
    struct grant *const *parents = from->grants ? from->grants : whole.grants;
    size_t n = from->grants ? from->n_grants : whole.n;
    struct constraint_reader reader = {first_problem, why};
    cap->grants = mem_array(n + 1, sizeof *cap->grants);
    if (!cap->grants)
        return ERRNO_NOMEM;
    for (size_t i = 0; i < n; i++) {
        bool nomem = false;
        char name[GRANT_NAME_MAX + 24];
        uint64_t number = ++cap->host->grants_made;
        snprintf(name, sizeof name, "%.*s/%llu", GRANT_NAME_MAX, grant_root(parents[i])->name,
                 (unsigned long long)number);
        struct grant *grant =
            authority_derive(toolset_authority(cap->host->set), parents[i], narrowing, str_of(name),
                             number, true, &reader, &nomem);
        if (!grant)
            return nomem ? ERRNO_NOMEM : ERRNO_INVAL;
        cap->grants[cap->n_grants++] = grant;
    }
    return 0;
}

static int narrow(struct tool_host *host, const struct process *process, struct tool_cap *from,
                  struct str text, yyjson_val *narrowing, struct tool_cap **ret, struct buf *why)
{
    size_t n = from->grants ? from->n_grants : held_for(host, from->tool).n;
    struct tool_cap *cap;
    int e = new_cap(host, from->tool, cost_of(text, n), &cap);
    if (e != 0)
        return e;
    cap->parent = tool_cap_ref(from);
    cap->depth = from->depth + 1;
    e = derive_all(cap, from, narrowing, why);
    if (e != 0) {
        tool_cap_unref(cap);
        return e;
    }
    for (size_t i = 0; i < cap->n_grants; i++)
        if (!record_narrowed(host, process, cap->grants[i], text)) {
            tool_cap_unref(cap);
            return ERRNO_NOMEM;
        }
    host->n_caps++;
    *ret = cap;
    return 0;
}

int tool_cap_narrow(struct tool_host *host, struct process *process, struct tool_cap *from,
                    struct str narrowing_json, struct tool_cap **ret, struct buf *why)
{
    struct json_problem problem;
    struct json json;
    if (narrowing_json.len > TOOL_NARROWING) {
        buf_printf(why, "it is longer than %d bytes", TOOL_NARROWING);
        return ERRNO_INVAL;
    }
    if (from->depth >= TOOL_CAPS_DEPTH || host->n_caps >= TOOL_CAPS_MAX) {
        buf_printf(why,
                   from->depth >= TOOL_CAPS_DEPTH
                       ? "it was narrowed %d times already"
                       : "the run has %d of them, more than which it cannot have",
                   from->depth >= TOOL_CAPS_DEPTH ? TOOL_CAPS_DEPTH : TOOL_CAPS_MAX);
        return ERRNO_NFILE;
    }
    struct buf whole = BUF_INIT(2 * TOOL_NARROWING);
    bool ok = buf_add_text(&whole, WHERE) && buf_add_str(&whole, narrowing_json) &&
              buf_add_char(&whole, '}');
    int e = ok ? 0 : ERRNO_NOMEM;
    /* It is looked at alone first: it must not reach out of its place. */
    if (e == 0 && !json_check(narrowing_json, JSON_STRICT, TOOL_DEPTH - 1, NULL, &problem)) {
        buf_printf(why, "byte %zu: %s", problem.offset + 1, problem.text);
        e = ERRNO_INVAL;
    }
    if (e == 0 && !json_parse(buf_str(&whole), JSON_CHECKED | JSON_UNIQUE_KEYS, TOOL_DEPTH, &json,
                              &problem)) {
        buf_add_text(why, problem.text);
        e = problem.nomem ? ERRNO_NOMEM : ERRNO_INVAL;
    } else if (e == 0) {
        e = narrow(host, process, from, buf_str(&whole), json.root, ret, why);
        json_release(&json);
    }
    buf_release(&whole);
    return e;
}

/* ------------------------------------------------------------------ what a process holds */

const struct tool_entry *tool_process_find(const struct tool_process *tools, struct str name)
{
    for (size_t i = 0; i < tools->n_entries; i++) {
        const struct tool_entry *entry = &tools->entries[i];
        if (str_equal(str_of(entry->name), name) || str_equal(str_of(entry->alias), name))
            return entry;
    }
    return NULL;
}

int tool_cap_get(struct tool_host *host, struct process *process, struct str name, uint32_t handle,
                 struct tool_cap **ret)
{
    const struct tool_process *tools = process->tools;
    if (handle > tools->n_handles)
        return ERRNO_BADF;
    if (handle > 0) {
        *ret = tool_cap_ref(tools->handles[handle - 1]);
        return 0;
    }
    if (tools->listed) {
        const struct tool_entry *entry = tool_process_find(tools, name);
        if (entry)
            *ret = tool_cap_ref(entry->cap);
        return entry ? 0 : ERRNO_NOENT;
    }
    const struct tool *tool = toolset_find(host->set, name);
    return tool ? new_cap(host, tool, 0, ret) : ERRNO_NOENT;
}

int tool_cap_keep(struct process *process, struct tool_cap *cap, uint32_t *ret_handle)
{
    struct tool_process *tools = process->tools;
    struct tool_cap **handles =
        mem_resize_array(tools->handles, tools->n_handles + 1, sizeof(struct tool_cap *));
    if (!handles)
        return ERRNO_NOMEM;
    tools->handles = handles;
    handles[tools->n_handles] = cap;
    *ret_handle = ++tools->n_handles;
    return 0;
}

void tool_process_drop(struct tool_process *tools)
{
    for (size_t i = 0; i < tools->n_entries; i++) {
        mem_free(tools->entries[i].name);
        mem_free(tools->entries[i].alias);
        tool_cap_unref(tools->entries[i].cap);
    }
    for (uint32_t i = 0; i < tools->n_handles; i++)
        tool_cap_unref(tools->handles[i]);
    mem_free(TAKE(tools->entries));
    mem_free(TAKE(tools->handles));
    tools->n_entries = tools->n_handles = 0;
    kernel_discharge(tools->host->kernel, tools->charged);
    tools->charged = 0;
}

/* Counted before it is complete, so that tool_process_drop frees what there is. */
static int add_entry(struct tool_process *tools, struct str name, struct tool_cap *cap)
{
    struct buf alias = BUF_INIT((size_t)4 * TOOL_NAME_MAX);
    struct tool_entry *entry = &tools->entries[tools->n_entries++];
    *entry = (struct tool_entry){mem_dup(name.ptr, name.len), NULL, tool_cap_ref(cap)};
    if (tool_alias(name, &alias))
        entry->alias = buf_steal(&alias);
    buf_release(&alias);
    return entry->name && entry->alias ? 0 : ERRNO_NOMEM;
}

static int make_list(struct tool_process *tools, size_t n)
{
    uint64_t size = n * (sizeof(struct tool_entry) + (size_t)2 * TOOL_NAME_MAX);
    if (!kernel_charge(tools->host->kernel, size))
        return ERRNO_NOMEM;
    tools->charged = size;
    tools->listed = true;
    tools->entries = mem_array(n + 1, sizeof *tools->entries);
    return tools->entries ? 0 : ERRNO_NOMEM;
}

int tool_process_limit(struct process *process, const struct tool_named *list, size_t n)
{
    struct tool_process *tools = process->tools;
    if (n > TOOL_LIST_MAX)
        return ERRNO_2BIG;
    for (size_t i = 0; i < n; i++) {
        if (list[i].name.len > TOOL_NAME_MAX || memchr(list[i].name.ptr, 0, list[i].name.len))
            return ERRNO_INVAL;
    }
    tool_process_drop(tools);
    int e = make_list(tools, n);
    for (size_t i = 0; e == 0 && i < n; i++) {
        e = add_entry(tools, list[i].name, list[i].cap);
        if (e == 0 && tool_name_problem(str_of(tools->entries[i].name)))
            e = ERRNO_INVAL;
        if (e == 0 && tool_process_find(tools, list[i].name) != &tools->entries[i])
            e = ERRNO_INVAL;
    }
    if (e != 0) /* it holds nothing */
        tool_process_drop(tools);
    return e;
}

/* A clone goes on with its parent's memory, in which handles stand: they are copied, too. */
int tool_process_copy(struct tool_process *to, const struct tool_process *from)
{
    int e = from->listed ? make_list(to, from->n_entries) : 0;
    for (size_t i = 0; e == 0 && i < from->n_entries; i++)
        e = add_entry(to, str_of(from->entries[i].name), from->entries[i].cap);
    if (e != 0 || from->n_handles == 0)
        return e;
    to->handles = mem_array(from->n_handles, sizeof *to->handles);
    if (!to->handles)
        return ERRNO_NOMEM;
    for (; to->n_handles < from->n_handles; to->n_handles++)
        to->handles[to->n_handles] = tool_cap_ref(from->handles[to->n_handles]);
    return 0;
}

int tool_process_list(const struct tool_process *tools, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < tools->n_entries; i++) {
        buf_add_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        buf_add_json_string(out, str_of(tools->entries[i].name));
        buf_add_text(out, ",\"alias\":");
        buf_add_json_string(out, str_of(tools->entries[i].alias));
        buf_add_char(out, '}');
    }
    return buf_add_char(out, ']') ? 0 : ERRNO_NOMEM;
}
