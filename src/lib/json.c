/* The whole result of a run as one JSON object: `capful run --json`, and what bindings read. */
#include "lib/sandbox.h"

#include "base/utf8.h"

static void add_string(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, ",\"%s\":", key);
    if (text)
        buf_add_json_string(out, str_of(text));
    else
        buf_add_text(out, "null");
}

static void add_base64(struct buf *out, struct str data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < data.len; i += 3) {
        size_t n = data.len - i < 3 ? data.len - i : 3;
        // NOLINTBEGIN(clang-analyzer-security.ArrayBound): n bytes are there
        uint32_t v = (uint32_t)(unsigned char)data.ptr[i] << 16;
        if (n > 1)
            v |= (uint32_t)(unsigned char)data.ptr[i + 1] << 8;
        if (n > 2)
            v |= (unsigned char)data.ptr[i + 2];
        // NOLINTEND(clang-analyzer-security.ArrayBound)
        char group[4] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
                         n > 2 ? digits[v & 63] : '='};
        buf_add(out, group, 4);
    }
}

/* Output is text nearly always. Bytes that are not UTF-8 are given beside it, so that nothing is
 * lost. */
static void add_output(struct buf *out, const char *key, struct str data)
{
    buf_printf(out, ",\"%s\":", key);
    buf_add_json_string(out, data);
    if (utf8_valid(data.ptr, data.len))
        return;
    buf_printf(out, ",\"%s_base64\":\"", key);
    add_base64(out, data);
    buf_add_char(out, '"');
}

static void add_error(struct buf *out, const struct capful_script_error *error)
{
    buf_add_text(out, ",\"error\":{\"name\":");
    buf_add_json_string(out, str_of(error->name));
    add_string(out, "message", error->message);
    add_string(out, "stack", error->stack);
    add_string(out, "file", error->file[0] ? error->file : NULL);
    buf_printf(out, ",\"line\":%d,\"column\":%d", error->line, error->column);
    if (error->tool[0])
        add_string(out, "tool", error->tool);
    if (error->code[0])
        add_string(out, "code", error->code);
    buf_add_char(out, '}');
}

static const char *outcome_name(enum capful_outcome outcome)
{
    switch (outcome) {
    case CAPFUL_CALL_DONE: return "done";
    case CAPFUL_CALL_FAILED: return "failed";
    case CAPFUL_CALL_REFUSED: return "refused";
    case CAPFUL_CALL_STARTED: return "started";
    case CAPFUL_CALL_UNKNOWN: break;
    }
    return "unknown";
}

static void add_call(struct buf *out, const struct capful_record *call)
{
    buf_add_text(out, "{\"id\":");
    buf_add_json_string(out, str_of(call->id));
    add_string(out, "tool", call->tool);
    buf_add_text(out, ",\"arguments\":");
    buf_add_text(out, call->arguments[0] ? call->arguments : "null");
    add_string(out, "outcome", outcome_name(call->outcome));
    if (call->message)
        add_string(out, "message", call->message);
    if (call->would_deny)
        add_string(out, "would_deny", call->would_deny);
    if (call->grant)
        add_string(out, "grant", call->grant);
    buf_printf(out, ",\"start_ns\":%llu,\"end_ns\":%llu,\"result_bytes\":%zu}",
               (unsigned long long)call->start, (unsigned long long)call->end, call->result_len);
}

static void add_usage(struct buf *out, const struct capful_usage *u)
{
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"wall_ns", u->wall},
                  {"waiting_ns", u->waiting},
                  {"cpu_ns", u->cpu},
                  {"peak_memory", u->peak_memory},
                  {"calls", u->calls},
                  {"denials", u->denials},
                  {"processes", u->processes},
                  {"stdout_bytes", u->stdout_bytes},
                  {"stderr_bytes", u->stderr_bytes},
                  {"argument_bytes", u->argument_bytes},
                  {"result_bytes", u->result_bytes}};
    buf_add_text(out, ",\"usage\":{");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        buf_printf(out, "%s\"%s\":%llu", i ? "," : "", fields[i].name,
                   (unsigned long long)fields[i].value);
    buf_add_char(out, '}');
}

static const char *mode_name(enum capful_mode mode)
{
    switch (mode) {
    case CAPFUL_WATCH: return "watch";
    case CAPFUL_DRY_RUN: return "dry_run";
    case CAPFUL_ENFORCE: break;
    }
    return "enforce";
}

void result_write_json(struct capful_result *result, struct buf *out)
{
    buf_printf(out,
               "{\"status\":\"%s\",\"exit_code\":%d,\"value\":", capful_status_name(result->status),
               result->exit_code);
    if (result->has_value)
        buf_add_str(out, buf_str(&result->value));
    else
        buf_add_text(out, "null");
    buf_printf(out, ",\"has_value\":%s", result->has_value ? "true" : "false");
    add_output(out, "stdout", buf_str(&result->out));
    add_output(out, "stderr", buf_str(&result->err));
    if (result->has_error)
        add_error(out, &result->error);
    else
        buf_add_text(out, ",\"error\":null");
    add_string(out, "message", result->message);
    add_string(out, "limit", result->limit);
    add_string(out, "mode", mode_name(result->mode));
    buf_add_text(out, ",\"calls\":[");
    for (size_t i = 0; i < result->calls.n; i++) {
        if (i)
            buf_add_char(out, ',');
        add_call(out, tool_records_at(&result->calls, i));
    }
    buf_add_char(out, ']');
    add_usage(out, &result->usage);
    buf_add_char(out, '}');
}
