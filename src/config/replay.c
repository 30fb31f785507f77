/* See history.h. Each run of the log is made anew against the policy, with counters of its own and
 * at the times of the log. The log has neither results nor what the host said of the runs:
 * constraints that need them refuse.
 */
#include <string.h>

#include "audit/reader.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/builder.h"
#include "config/history.h"
#include "config/trial.h"

#define DEPTH    120
#define RUNS_MAX 10000 /* under way at a time */

struct replayed_run {
    char name[CHAIN_RUN + 1];
    struct trial trial;
};

struct replay {
    const struct toolset *set;
    struct map runs;
    struct buf *out;
    struct replay_summary *summary;
    bool nomem, beyond;
};

static struct str member(yyjson_val *object, const char *name)
{
    yyjson_val *value = json_get(object, str_of(name));
    return yyjson_is_str(value) ? json_str(value) : (struct str){"", 0};
}

static void run_free(struct replayed_run *run)
{
    trial_release(&run->trial);
    mem_free(run);
}

static struct replayed_run *run_of(struct replay *replay, struct str name)
{
    struct replayed_run *run = map_get(&replay->runs, name);
    if (run)
        return run;
    if (replay->runs.count >= RUNS_MAX) {
        replay->beyond = true;
        return NULL;
    }
    run = mem_zalloc(sizeof *run);
    if (run && trial_init(&run->trial, replay->set)) {
        memcpy(run->name, name.ptr, name.len < CHAIN_RUN ? name.len : CHAIN_RUN);
        if (map_put(&replay->runs, str_of(run->name), run)) {
            replay->summary->runs++;
            return run;
        }
        trial_release(&run->trial);
    }
    mem_free(run);
    replay->nomem = true;
    return NULL;
}

static void end_run(struct replay *replay, struct str name)
{
    struct replayed_run *run = map_get(&replay->runs, name);
    if (!run)
        return;
    map_remove(&replay->runs, name);
    run_free(run);
}

/* ------------------------------------------------------------------ one call */

/* The log has what the host filled in; a program may not give it. */
static char *without_bound(const struct tool *tool, yyjson_val *arguments)
{
    size_t len;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(json_allocator());
    yyjson_mut_val *copy = doc ? yyjson_val_mut_copy(doc, arguments) : NULL;
    for (size_t i = 0; copy && i < tool->authority->n_grants; i++) {
        const struct grant *root = grant_root(tool->authority->grants[i]);
        for (size_t j = 0; j < root->n_binds; j++)
            yyjson_mut_obj_remove_key(copy, root->binds[j].name);
    }
    char *text = copy ? yyjson_mut_val_write_opts(copy, 0, json_allocator(), &len, NULL) : NULL;
    yyjson_mut_doc_free(doc);
    return text;
}

static bool judge_again(struct replay *replay, struct trial *trial, const struct tool *tool,
                        yyjson_val *arguments, struct trial_answer *ret)
{
    size_t len;
    char *text = json_write(arguments, &len);
    bool ok = text && trial_call(trial, tool, (struct str){text, len}, NULL, ret);
    if (ok && ret->verdict == VERDICT_DENY) {
        char *bare = without_bound(tool, arguments);
        if (bare && strcmp(bare, text) != 0) {
            buf_release(&ret->why);
            ok = trial_call(trial, tool, str_of(bare), NULL, ret);
        }
        ok = ok && bare;
        mem_free(bare);
    }
    if (ok && ret->verdict == VERDICT_ASK) { /* it counts as made: somebody said yes */
        struct trial_answer counted;
        trial->approved = true;
        ok = trial_call(trial, tool, (struct str){text, len}, NULL, &counted);
        trial->approved = false;
        buf_release(&counted.why);
    }
    mem_free(text);
    if (!ok)
        replay->nomem = true;
    return ok;
}

static void put_change(struct replay *replay, const struct chain_record *record, yyjson_val *root,
                       const char *verdict, struct str why)
{
    size_t len = 0;
    struct str tool = member(root, "tool"), old = member(root, "verdict");
    char *text = json_write(json_get(root, STR("arguments")), &len);
    replay->summary->changed++;
    buf_printf(replay->out, "record %llu, run %.*s: %.*s %.*s%s: %.*s becomes %s",
               (unsigned long long)record->seq, (int)record->run.len, record->run.ptr,
               (int)tool.len, tool.ptr, (int)(len < 200 ? len : 200), text ? text : "",
               len > 200 ? "…" : "", (int)old.len, old.ptr, verdict);
    if (why.len)
        buf_printf(replay->out, ": %.*s", (int)why.len, why.ptr);
    buf_add_char(replay->out, '\n');
    mem_free(text);
}

static void replay_call(struct replay *replay, const struct chain_record *record, yyjson_val *root)
{
    static const char *const words[] = {
        [VERDICT_ALLOW] = "allow", [VERDICT_ASK] = "ask", [VERDICT_DENY] = "deny"};
    struct replayed_run *run = run_of(replay, record->run);
    yyjson_val *arguments = json_get(root, STR("arguments"));
    struct str old = member(root, "verdict");
    const struct tool *tool = toolset_find(replay->set, member(root, "tool"));
    struct trial_answer answer;
    if (!run)
        return;
    replay->summary->calls++;
    if (!arguments) {
        replay->summary->unknown++;
        return;
    }
    if (!tool) {
        if (!str_equal(old, STR("deny")))
            put_change(replay, record, root, "deny", STR("the policy has no such tool"));
        return;
    }
    run->trial.now = chain_time(record);
    if (!judge_again(replay, &run->trial, tool, arguments, &answer))
        return;
    if (!str_equal(old, str_of(words[answer.verdict])))
        put_change(replay, record, root, words[answer.verdict], buf_str(&answer.why));
    buf_release(&answer.why);
}

static void replay_record(struct replay *replay, const struct chain_record *record)
{
    struct json json;
    struct json_problem problem;
    if (chain_is(record, "run_end"))
        end_run(replay, record->run);
    if (!chain_is(record, "call"))
        return;
    if (json_parse(record->line, JSON_STRICT, DEPTH, &json, &problem)) {
        replay_call(replay, record, json.root);
        json_release(&json);
    } else {
        replay->nomem = replay->nomem || problem.nomem;
    }
}

/* ------------------------------------------------------------------ the log */

static int replay_log(struct replay *replay, const char *log, struct capful_error *err)
{
    static const struct audit_check check = {NULL, NULL};
    struct audit_reader *reader;
    struct audit_entry entry;
    int failed = audit_reader_open(log, &check, &reader, err), more;
    if (failed)
        return failed;
    while ((more = audit_reader_next(reader, &entry, err)) > 0 && !replay->nomem && !replay->beyond)
        if (entry.kind == AUDIT_RECORD)
            replay_record(replay, &entry.record);
    if (more >= 0 && audit_reader_summary(reader)->problems)
        more = err_set(err, CAPFUL_EPOLICY,
                       "%.300s was changed: see capful audit verify; nothing follows from it", log);
    audit_reader_free(reader);
    if (replay->nomem || buf_failed(replay->out))
        return err_nomem(err);
    if (replay->beyond)
        return err_set(err, CAPFUL_EPOLICY, "%.300s has more than %d runs at a time", log,
                       RUNS_MAX);
    return more < 0 ? more : 0;
}

int policy_replay(const char *log, const char *policy, struct buf *out, struct replay_summary *ret,
                  struct capful_error *err)
{
    struct capful_builder *builder;
    *ret = (struct replay_summary){0, 0, 0, 0};
    int failed = builder_open(policy, &builder, err);
    if (failed)
        return failed;
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set where nothing failed
    struct replay replay = {.set = builder->tools, .out = out, .summary = ret};
    failed = replay_log(&replay, log, err);
    MAP_FOREACH (slot, &replay.runs)
        run_free(slot->value);
    map_release(&replay.runs);
    capful_builder_free(builder);
    return failed;
}
