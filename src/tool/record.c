/* What of a call goes into the audit log. Where a record cannot be written, nothing more is called:
 * the run ends.
 */
#include "audit/audit.h"
#include "base/clock.h"
#include "tool/call.h"

#define NOTHING ((struct str){NULL, 0})

static struct str text_of(const char *text)
{
    return text ? str_of(text) : NOTHING;
}

static bool failed(struct tool_host *host, int result, const struct capful_error *err)
{
    if (result == 0)
        return true;
    kernel_stop_fault(host->kernel, "the audit log cannot be written: %s", err->text);
    return false;
}

/* What decided, without values of the call, and the value: "amount must be at most 100 (was 5000)".
 * The words before the first "(was" are the operator's. */
static void split(struct str why, struct str *ret_rule, struct str *ret_found)
{
    static const char mark[] = " (was ";
    const char *at = why.len ? memmem(why.ptr, why.len, mark, sizeof mark - 1) : NULL;
    *ret_rule = why;
    *ret_found = NOTHING;
    if (!at || why.ptr[why.len - 1] != ')')
        return;
    const char *value = at + sizeof mark - 1;
    *ret_rule = (struct str){why.ptr, (size_t)(at - why.ptr)};
    *ret_found = (struct str){value, (size_t)(why.ptr + why.len - 1 - value)};
}

static bool write_call(struct tool_host *host, struct capful_call *call, enum audit_verdict verdict,
                       struct str rule, struct str found)
{
    struct capful_error err;
    struct audit_call record = {
        .call = str_of(call->id),
        .tool = str_of(call->tool_name),
        .process = call->process ? (uint32_t)call->process->process->pid : 0,
        .verdict = verdict,
        .not_enforced = call->record.would_deny != NULL,
        .grant = call->grant ? str_of(call->grant->name) : NOTHING,
        .rule = rule,
        .found = found,
        .arguments = {call->arguments, call->argument_len},
    };
    call->recorded = true;
    return failed(host, audit_call(host->audit, &record, &err), &err);
}

bool record_allowed(struct tool_host *host, struct capful_call *call)
{
    struct str rule, found;
    if (!host->audit)
        return true;
    if (!call->record.would_deny)
        return write_call(host, call, AUDIT_ALLOW, NOTHING, NOTHING);
    split(str_of(call->record.would_deny), &rule, &found);
    return write_call(host, call, AUDIT_DENY, rule, found);
}

bool record_asked(struct tool_host *host, struct capful_call *call, struct str why)
{
    struct str rule, found;
    if (!host->audit)
        return true;
    split(why, &rule, &found);
    bool ok = write_call(host, call, AUDIT_ASK, rule, found);
    call->recorded = false; /* what comes of it is recorded, too */
    return ok;
}

bool record_approval(struct tool_host *host, const struct capful_call *call,
                     const struct capful_question *question, bool timeout)
{
    static const enum audit_decision decisions[] = {[QUESTION_ALLOW] = AUDIT_ALLOWED,
                                                    [QUESTION_EDIT] = AUDIT_EDITED,
                                                    [QUESTION_REFUSE] = AUDIT_REFUSED,
                                                    [QUESTION_NEXT] = AUDIT_ALLOWED_NEXT};
    struct capful_error err;
    if (!host->audit)
        return true;
    struct audit_approval record = {
        .call = str_of(call->id),
        .tool = str_of(call->tool_name),
        .decision = timeout ? AUDIT_TIMEOUT : decisions[question->answer],
        .by = text_of(question->who),
        .waited = clock_monotonic() - question->asked,
    };
    if (!timeout && question->answer == QUESTION_REFUSE)
        record.reason = (struct str){question->text, question->text_len};
    if (!timeout && question->answer == QUESTION_EDIT)
        record.arguments = (struct str){question->text, question->text_len};
    if (!timeout && question->pass && question->pass->n_calls)
        record.next = question->pass->calls[0].n;
    return failed(host, audit_approval(host->audit, &record, &err), &err);
}

/* A call that never got to its tool. */
static bool record_refused(struct tool_host *host, struct capful_call *call, bool schema)
{
    struct str why = text_of(call->record.message), rule, found;
    if (schema)
        return write_call(host, call, AUDIT_DENY, STR("the arguments do not fit the tool's schema"),
                          why);
    struct str name = str_of(call->tool_name);
    if (why.len > name.len + 9 && memcmp(why.ptr, name.ptr, name.len) == 0 &&
        memcmp(why.ptr + name.len, " denied: ", 9) == 0)
        why = (struct str){why.ptr + name.len + 9, why.len - name.len - 9};
    split(why, &rule, &found);
    return write_call(host, call, AUDIT_DENY, rule, found);
}

bool record_settled(struct tool_host *host, struct capful_call *call, const struct answer *answer,
                    bool schema)
{
    struct capful_error err;
    if (!host->audit)
        return true;
    if (!call->recorded)
        return record_refused(host, call, schema);
    struct audit_call_end record = {
        .call = str_of(call->id),
        .tool = str_of(call->tool_name),
        .outcome = call->record.outcome == CAPFUL_CALL_DONE      ? AUDIT_DONE
                   : call->record.outcome == CAPFUL_CALL_UNKNOWN ? AUDIT_UNKNOWN
                                                                 : AUDIT_FAILED,
        .duration = call->record.end - call->record.start,
        .error = text_of(call->record.message),
    };
    if (answer->status == CAPFUL_CALL_DENIED)
        record.outcome = AUDIT_WITHHELD;
    else if (record.outcome == AUDIT_DONE && answer->text)
        record.result = (struct str){answer->text, answer->len};
    return failed(host, audit_call_end(host->audit, &record, &err), &err);
}

bool record_narrowed(struct tool_host *host, const struct process *process,
                     const struct grant *grant, struct str narrows)
{
    struct capful_error err;
    struct audit_grant record = {.event = AUDIT_DERIVED,
                                 .grant = str_of(grant->name),
                                 .parent = str_of(grant->parent->name),
                                 .process = (uint32_t)process->pid,
                                 .narrows = narrows};
    if (!host->audit)
        return true;
    return failed(host, audit_grant(NULL, host->audit, &record, &err), &err);
}
