/* What a run left, independent of the sandbox. */
#include "lib/sandbox.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

enum { E_NAME, E_MESSAGE, E_STACK, E_FILE, E_TOOL, E_CODE };

const char *capful_status_name(enum capful_status status)
{
    switch (status) {
    case CAPFUL_OK: return "ok";
    case CAPFUL_ERROR: return "error";
    case CAPFUL_DENIED: return "denied";
    case CAPFUL_LIMIT: return "limit";
    case CAPFUL_KILLED: return "killed";
    case CAPFUL_FAULT: break;
    }
    return "fault";
}

static bool set_error(struct capful_result *result, const char *const strings[6], int line,
                      int column)
{
    for (int i = 0; i < 6; i++) {
        mem_free(result->error_strings[i]);
        result->error_strings[i] = mem_strdup(strings[i] ? strings[i] : "");
        if (!result->error_strings[i])
            return false;
    }
    result->error = (struct capful_script_error){.name = result->error_strings[E_NAME],
                                                 .message = result->error_strings[E_MESSAGE],
                                                 .stack = result->error_strings[E_STACK],
                                                 .file = result->error_strings[E_FILE],
                                                 .line = line,
                                                 .column = column,
                                                 .tool = result->error_strings[E_TOOL],
                                                 .code = result->error_strings[E_CODE]};
    result->has_error = true;
    return true;
}

static int position(const struct json *json, const char *key)
{
    uint64_t value;
    yyjson_val *v = json_get(json->root, str_of(key));
    return v && json_uint(v, &value) && value < INT32_MAX ? (int)value : 0;
}

/* The guest's own account of its failure: JSON, but from a guest, so anything may be in it. */
static bool read_script_error(struct capful_result *result, struct str text)
{
    static const char *const keys[6] = {"name", "message", "stack", "file", "tool", "code"};
    const char *strings[6] = {"Error", "", "", "", "", ""};
    struct json json;
    struct json_problem problem;
    if (!json_parse(text, JSON_STRICT, 4, &json, &problem))
        return set_error(result, strings, 0, 0);
    for (int i = 0; i < 6; i++) {
        yyjson_val *v = json_get(json.root, str_of(keys[i]));
        if (yyjson_is_str(v))
            strings[i] = yyjson_get_str(v);
    }
    bool ok = set_error(result, strings, position(&json, "line"), position(&json, "column"));
    json_release(&json);
    return ok;
}

static bool set_message(struct capful_result *result, const char *format, const char *a,
                        const char *b)
{
    struct buf text = BUF_INIT(1 << 20);
    buf_printf(&text, format, a, b);
    mem_free(result->message);
    result->message = buf_steal(&text);
    return result->message != NULL;
}

void result_fault(struct capful_result *result, const char *what, const char *why)
{
    result->status = CAPFUL_FAULT;
    result->exit_code = 125;
    result->has_value = false;
    set_message(result, "%s%s", what, why);
}

static bool decide_ended(struct capful_result *result, struct capful_run *run)
{
    struct kernel *kernel = &run->sandbox->kernel;
    struct run_io *io = &run->sandbox->io;
    struct process *init = kernel->init;
    result->exit_code = (int)(init ? init->exit_code : 125);
    /* A guest of ours that traps is our failure; deep recursion that QuickJS has no check for is
     * the script's. */
    if (init && init->trap[0] && !run->loaded && strcmp(init->trap, "stack overflow") != 0) {
        result->status = CAPFUL_FAULT;
        result->exit_code = 125;
        return set_message(result, "%s%s", "the JavaScript engine failed: ", init->trap);
    }
    if (init && init->trap[0]) {
        const char *strings[6] = {"Trap", init->trap, "", "", "", ""};
        result->status = CAPFUL_ERROR;
        result->exit_code = run->loaded ? 134 : 1;
        return set_error(result, strings, 0, 0) &&
               set_message(result, "%s%s", "Trap: ", init->trap);
    }
    if (io->has_error) {
        if (!read_script_error(result, buf_str(&io->error)))
            return false;
        /* A script can throw anything under this name: only a denial that happened counts. */
        struct tool_usage tools;
        tool_get_usage(run->sandbox->context.tools, &tools);
        bool denied = strcmp(result->error.name, "ToolDenied") == 0 && tools.denials > 0;
        result->status = denied ? CAPFUL_DENIED : CAPFUL_ERROR;
        result->exit_code = denied ? 126 : result->exit_code == 0 ? 1 : result->exit_code;
        return set_message(result, "%s: %s", result->error.name, result->error.message);
    }
    result->status = result->exit_code == 0 ? CAPFUL_OK : CAPFUL_ERROR;
    if (result->status == CAPFUL_OK)
        return true;
    char code[24];
    snprintf(code, sizeof code, "%d", result->exit_code);
    return set_message(result, "%s%s", "the program ended with exit code ", code);
}

static bool decide(struct capful_result *result, struct capful_run *run)
{
    struct kernel *kernel = &run->sandbox->kernel;
    switch (kernel->stop) {
    case STOP_LIMIT: {
        /* stop_text is "name: words" */
        const char *colon = strchr(kernel->stop_text, ':');
        result->status = CAPFUL_LIMIT;
        result->exit_code = 124;
        result->limit = colon ? mem_dup(kernel->stop_text, (size_t)(colon - kernel->stop_text))
                              : mem_strdup(kernel->stop_text);
        return result->limit && set_message(result, "%s%s", "limit ", kernel->stop_text);
    }
    case STOP_KILLED:
        result->status = CAPFUL_KILLED;
        result->exit_code = 128 + kernel->stop_signal;
        return set_message(result, "%s%s", "the run was cancelled", "");
    case STOP_FAULT:
        result->status = CAPFUL_FAULT;
        result->exit_code = 125;
        return set_message(result, "%s%s", kernel->stop_text, "");
    case STOP_NONE: break;
    }
    return decide_ended(result, run);
}

int result_make(struct capful_run *run, struct capful_result **ret, struct capful_error *err)
{
    struct capful_sandbox *sandbox = run->sandbox;
    struct run_io *io = &sandbox->io;
    struct capful_result *result = mem_zalloc(sizeof *result);
    if (!result)
        return err_nomem(err);
    buf_init(&result->json, SIZE_MAX);
    buf_init(&result->text, SIZE_MAX);
    result->out = run->stdio.kept[1];
    result->err = run->stdio.kept[2];
    buf_init(&run->stdio.kept[1], SIZE_MAX);
    buf_init(&run->stdio.kept[2], SIZE_MAX);
    bool ok = decide(result, run);
    if (ok && io->has_value && result->status == CAPFUL_OK) {
        result->value = io->value;
        buf_init(&io->value, 0);
        result->has_value = true;
    }
    if (!ok) {
        capful_result_free(result);
        return err_nomem(err);
    }
    result->mode = run_mode(run);
    tool_records_take(sandbox->context.tools, &result->calls);
    *ret = result;
    return 0;
}

enum capful_status capful_result_status(const struct capful_result *result)
{
    return result->status;
}

enum capful_mode capful_result_mode(const struct capful_result *result)
{
    return result->mode;
}

int capful_result_exit_code(const struct capful_result *result)
{
    return result->exit_code;
}

static const char *bytes(const struct buf *buf, size_t *ret_len)
{
    if (ret_len)
        *ret_len = buf->len;
    return buf->data ? buf->data : "";
}

const char *capful_result_value(const struct capful_result *result, size_t *ret_len)
{
    return result->has_value ? bytes(&result->value, ret_len) : NULL;
}

const char *capful_result_stdout(const struct capful_result *result, size_t *ret_len)
{
    return bytes(&result->out, ret_len);
}

const char *capful_result_stderr(const struct capful_result *result, size_t *ret_len)
{
    return bytes(&result->err, ret_len);
}

const struct capful_script_error *capful_result_error(const struct capful_result *result)
{
    return result->has_error ? &result->error : NULL;
}

const char *capful_result_message(const struct capful_result *result)
{
    return result->message;
}

const char *capful_result_limit(const struct capful_result *result)
{
    return result->limit;
}

const struct capful_usage *capful_result_usage(const struct capful_result *result)
{
    return &result->usage;
}

size_t capful_result_call_count(const struct capful_result *result)
{
    return result->calls.n;
}

const struct capful_record *capful_result_call(const struct capful_result *result, size_t index)
{
    return index < result->calls.n ? tool_records_at(&result->calls, index) : NULL;
}

const char *capful_result_json(struct capful_result *result, size_t *ret_len)
{
    if (result->json.len == 0)
        result_write_json(result, &result->json);
    return buf_failed(&result->json) ? NULL : bytes(&result->json, ret_len);
}

const char *capful_result_text(struct capful_result *result, size_t *ret_len)
{
    if (result->text.len == 0)
        result_write_text(result, &result->text);
    return buf_failed(&result->text) ? NULL : bytes(&result->text, ret_len);
}

void capful_result_free(struct capful_result *result)
{
    if (!result)
        return;
    tool_records_release(&result->calls);
    for (int i = 0; i < 6; i++)
        mem_free(result->error_strings[i]);
    mem_free(result->message);
    mem_free(result->limit);
    buf_release(&result->value);
    buf_release(&result->out);
    buf_release(&result->err);
    buf_release(&result->json);
    buf_release(&result->text);
    mem_free(result);
}
