/* From a log to a policy and back: what is suggested, that the log passes under it, what another
 * policy would have said. */
#include "audit_rig.h"
#include "config/history.h"

static void call(struct audit_run *run, const char *id, const char *tool, const char *arguments,
                 enum audit_verdict verdict)
{
    struct audit_call call = {.call = str_of(id),
                              .tool = str_of(tool),
                              .process = 1,
                              .verdict = verdict,
                              .arguments = str_of(arguments)};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
}

static void answer(struct audit_run *run, const char *id, const char *tool,
                   enum audit_decision decision, const char *arguments)
{
    struct audit_approval approval = {
        .call = str_of(id), .tool = str_of(tool), .decision = decision, .by = STR("ann")};
    if (arguments)
        approval.arguments = str_of(arguments);
    ASSERT_EQ_INT(audit_approval(run, &approval, NULL), 0);
}

/* Two runs at the same time. */
static void write_log(void)
{
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    struct audit_run *one = rig_begin(audit), *two = rig_begin(audit);
    struct audit_run_end done = {.status = CAPFUL_OK};
    char text[200], id[20];
    for (int i = 0; i < 7; i++) {
        snprintf(id, sizeof id, "r%d", i);
        snprintf(text, sizeof text,
                 "{\"path\":\"/data/%s/%d.txt\",\"n\":%d.%d,\"mode\":\"%s\",\"key\":\"k%d\"%s}",
                 i % 2 ? "in" : "out", i, i, i, i % 3 ? "a" : "b", i, i ? "" : ",\"/x\":null");
        call(i < 4 ? one : two, id, "read", text, AUDIT_ALLOW);
    }
    call(one, "p1", "pay", "{\"amount\":5}", AUDIT_ASK);
    call(two, "p1", "pay", "{\"amount\":9}", AUDIT_ASK);
    call(two, "p2", "pay", "{\"amount\":6}", AUDIT_ASK);
    answer(one, "p1", "pay", AUDIT_ALLOWED, NULL);
    answer(two, "p1", "pay", AUDIT_REFUSED, NULL);
    answer(two, "p2", "pay", AUDIT_EDITED, "{\"amount\":4}");
    call(two, "d", "wipe", "{}", AUDIT_DENY);
    call(two, "t", "tick", "{}", AUDIT_ALLOW);
    ASSERT_EQ_INT(audit_run_end(one, &done, NULL), 0);
    ASSERT_EQ_INT(audit_run_end(two, &done, NULL), 0);
    audit_run_free(one);
    audit_run_free(two);
    audit_unref(audit);
}

static const char *write_policy(const char *name, const char *text)
{
    static char path[sizeof rig_dir + 100];
    snprintf(path, sizeof path, "%s/%s", rig_dir, name);
    rig_save(path, str_of(text));
    return path;
}

static const char base[] =
    "{\"tools\": {\"read\": {\"command\": [\"true\"]}, \"pay\": {\"command\": [\"true\"]},"
    " \"tick\": {\"command\": [\"true\"]}, \"wipe\": {\"command\": [\"true\"]}},"
    " \"grants\": [\"*\"]}";

static const char expected[] =
    "{\n"
    "    \"extends\": \"base.json\",\n"
    "    \"grants\": [\n"
    "        // 7 calls in 2 runs\n"
    "        {\n"
    "            \"tool\": \"read\",\n"
    "            \"max_calls\": {\"n\": 4, \"per\": \"run\"},\n"
    "            \"where\": {\n"
    "                \"path\": {\"under\": \"/data\"},\n"
    "                \"n\": {\"ge\": 0.0, \"le\": 6.6},\n"
    "                \"mode\": {\"in\": [\"b\", \"a\"]},\n"
    "                \"key\": {\"type\": \"string\", \"len\": {\"le\": 2}},\n"
    "                \"/~1x\": {\"eq\": null, \"optional\": true}, // in 1 of 7 calls\n"
    "            },\n"
    "        },\n"
    "        // 2 calls in 2 runs, 2 of them after a question\n"
    "        {\n"
    "            \"tool\": \"pay\",\n"
    "            \"max_calls\": {\"n\": 1, \"per\": \"run\"},\n"
    "            \"approve\": \"ask\",\n"
    "            \"where\": {\n"
    "                \"amount\": {\"in\": [5, 4]},\n"
    "            },\n"
    "        },\n"
    "        // 1 call in 1 run\n"
    "        {\n"
    "            \"tool\": \"tick\",\n"
    "            \"max_calls\": {\"n\": 1, \"per\": \"run\"},\n"
    "        },\n"
    "    ],\n"
    "}\n";

TEST(history_suggests_what_was_done_and_no_more)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct capful_error err = {.text = ""};
    rig_init();
    write_log();
    EQ(policy_suggest(rig_log, "base.json", &out, &err), 0);
    STR_EQ(out.data, expected);
    buf_clear(&out);
    EQ(policy_suggest(rig_log, NULL, &out, &err), 0);
    OK(strstr(out.data, "extends") == NULL);
    buf_release(&out);
}

TEST(history_the_log_passes_under_what_is_suggested)
{
    struct buf draft = BUF_INIT(SIZE_MAX), out = BUF_INIT(SIZE_MAX);
    struct replay_summary summary;
    struct capful_error err = {.text = ""};
    rig_init();
    write_log();
    write_policy("base.json", base);
    EQ(policy_suggest(rig_log, "base.json", &draft, &err), 0);
    EQ(policy_replay(rig_log, write_policy("new.json", draft.data), &out, &summary, &err), 0);
    STR_EQ(err.text, "");
    EQ(summary.calls, 12);
    EQ(summary.runs, 2);
    EQ(summary.unknown, 0);
    /* The two that people had refused or changed. */
    EQ(summary.changed, 2);
    OK(strstr(out.data, "pay {\"amount\":9}: ask becomes deny: amount must be") != NULL);
    OK(strstr(out.data, "pay {\"amount\":6}: ask becomes deny: amount must be") != NULL);
    buf_release(&draft);
    buf_release(&out);
}

TEST(history_replay_says_which_verdicts_change)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct replay_summary summary;
    struct capful_error err = {.text = ""};
    rig_init();
    write_log();
    EQ(policy_replay(rig_log, write_policy("base.json", base), &out, &summary, &err), 0);
    EQ(summary.changed, 4); /* three questions, one denial */
    OK(strstr(out.data, "wipe {}: deny becomes allow\n") != NULL);
    buf_clear(&out);
    const char *narrow = "{\"tools\": {\"read\": {\"command\": [\"true\"]}},"
                         " \"grants\": [{\"tool\": \"read\", \"max_calls\": 2}]}";
    EQ(policy_replay(rig_log, write_policy("narrow.json", narrow), &out, &summary, &err), 0);
    EQ(summary.changed, 2 + 1 + 3 + 1);
    OK(strstr(out.data, "allow becomes deny: its budget of 2 calls is used up") != NULL);
    OK(strstr(out.data, "tick {}: allow becomes deny: the policy has no such tool") != NULL);
    buf_release(&out);
}

TEST(history_a_log_that_was_changed_says_nothing)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    struct replay_summary summary;
    struct capful_error err = {.text = ""};
    rig_init();
    write_log();
    struct buf text = rig_read(rig_log);
    *strstr(text.data, "\"amount\":5") = '\'';
    rig_save(rig_log, buf_str(&text));
    EQ(policy_suggest(rig_log, NULL, &out, &err), CAPFUL_EPOLICY);
    OK(strstr(err.text, "was changed") != NULL);
    EQ(policy_replay(rig_log, write_policy("base.json", base), &out, &summary, &err),
       CAPFUL_EPOLICY);
    EQ(policy_suggest("/nowhere/at/all", NULL, &out, &err), CAPFUL_EFILE);
    buf_release(&text);
    buf_release(&out);
}

TEST(history_out_of_memory_is_an_error)
{
    rig_init();
    write_log();
    const char *path = write_policy("base.json", base);
    uint64_t live = mem_live_blocks();
    for (uint64_t n = 1; n < 2000; n++) {
        struct buf out = BUF_INIT(SIZE_MAX);
        struct replay_summary summary;
        struct capful_error err = {.text = ""};
        mem_fail_after(n);
        int one = policy_suggest(rig_log, NULL, &out, &err);
        mem_fail_after(n);
        int two = policy_replay(rig_log, path, &out, &summary, &err);
        mem_fail_after(0);
        OK(one == 0 || one == CAPFUL_ENOMEM);
        OK(two == 0 || two == CAPFUL_ENOMEM || two == CAPFUL_EPOLICY);
        buf_release(&out);
    }
    EQ(mem_live_blocks(), live);
}
