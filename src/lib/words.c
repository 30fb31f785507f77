/* A result in words, for a model: what came out, what went wrong, and what was done and what was
 * not, so that nothing is done twice. */
#include "lib/sandbox.h"

static void add_block(struct buf *out, const char *title, struct str text)
{
    if (text.len == 0)
        return;
    buf_printf(out, "%s:\n", title);
    buf_add_utf8(out, text);
    if (text.ptr[text.len - 1] != '\n')
        buf_add_char(out, '\n');
}

static const char *outcome_words(enum capful_outcome outcome)
{
    switch (outcome) {
    case CAPFUL_CALL_DONE: return "was done";
    case CAPFUL_CALL_FAILED: return "failed";
    case CAPFUL_CALL_REFUSED: return "was refused and not done";
    case CAPFUL_CALL_STARTED:
    case CAPFUL_CALL_UNKNOWN: break;
    }
    return "was cut off: it may or may not have been done; find out before you repeat it";
}

/* What nobody may overlook. */
static void add_mode(const struct capful_result *result, struct buf *out)
{
    if (result->mode == CAPFUL_DRY_RUN)
        buf_add_text(out, "DRY RUN: no tool was called; results were made up.\n");
    if (result->mode != CAPFUL_WATCH)
        return;
    buf_add_text(out, "THE POLICY ONLY WATCHED: nothing was denied by it.\n");
    for (size_t i = 0; i < result->calls.n; i++) {
        const struct capful_record *call = tool_records_at(&result->calls, i);
        if (call->would_deny)
            buf_printf(out, "- %s(%s) would be denied: %s\n", call->tool, call->arguments,
                       call->would_deny);
    }
}

void result_write_text(const struct capful_result *result, struct buf *out)
{
    add_mode(result, out);
    size_t start = out->len;
    if (result->has_value)
        add_block(out, "value", buf_str(&result->value));
    add_block(out, "stdout", buf_str(&result->out));
    add_block(out, "stderr", buf_str(&result->err));
    if (result->status == CAPFUL_OK) {
        if (out->len == start)
            buf_add_text(out, "ok, without output\n");
        return;
    }
    buf_printf(out, "%s: %s\n", capful_status_name(result->status),
               result->message ? result->message : "");
    const char *stack = result->has_error ? result->error.stack : "";
    if (stack[0] &&
        !memmem(result->err.data ? result->err.data : "", result->err.len, stack, strlen(stack)))
        buf_printf(out, "%s\n", stack); /* most often it stands in stderr already */
    if (result->calls.n == 0) {
        buf_add_text(out, "No tool was called.\n");
        return;
    }
    buf_add_text(out, "Tool calls until then:\n");
    for (size_t i = 0; i < result->calls.n; i++) {
        const struct capful_record *call = tool_records_at(&result->calls, i);
        buf_printf(out, "- %s(%s) %s", call->tool, call->arguments, outcome_words(call->outcome));
        if (call->message)
            buf_printf(out, " (%s)", call->message);
        buf_add_char(out, '\n');
    }
}
