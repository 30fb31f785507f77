/* The audit log: what each record says, and how one hangs on the other. */
#include "audit/writer.h"
#include "audit_rig.h"
#include "base/json.h"

/* The record's members without the head and the hash. */
static const char *body_of(struct str text, int line)
{
    static char body[70000];
    struct chain_record record;
    struct json json;
    struct json_problem problem;
    struct str whole = rig_line(text, line);
    ASSERT(chain_parse(whole, &record));
    ASSERT(chain_sound(&record));
    ASSERT(json_parse(whole, JSON_UNIQUE_KEYS, 110, &json, &problem));
    json_release(&json);
    ASSERT(record.body.len < sizeof body);
    memcpy(body, record.body.ptr, record.body.len);
    body[record.body.len] = 0;
    return body;
}

/* What the last record of the log says. */
static const char *last_body(void)
{
    struct buf text = rig_read(rig_log);
    int line = 1;
    while (rig_line(buf_str(&text), line + 1).len > 0)
        line++;
    const char *body = body_of(buf_str(&text), line);
    buf_release(&text);
    return body;
}

static void check_type(struct str text, int line, const char *type)
{
    struct chain_record record;
    ASSERT(chain_parse(rig_line(text, line), &record));
    OK(chain_is(&record, type));
    EQ(record.seq, line);
    EQ(record.run.len, line == 1 ? 0 : CHAIN_RUN);
}

TEST(every_kind_of_record)
{
    static const char *const types[] = {"log",      "run_begin", "call",  "call_end", "call",
                                        "approval", "mount",     "grant", "limit",    "run_end"};
    rig_init();
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    rig_write(audit);
    audit_unref(audit);
    RIG_SOUND(rig_log, 10);
    struct buf file = rig_read(rig_log);
    struct str text = buf_str(&file);
    for (int i = 0; i < 10; i++)
        check_type(text, i + 1, types[i]);
    OK(strncmp(body_of(text, 1), ",\"version\":1,\"file\":1,\"log\":\"", 29) == 0);
    STR_EQ(body_of(text, 3),
           ",\"call\":\"a\",\"process\":1,\"tool\":\"refund\",\"verdict\":\"allow\",\"grant\":"
           "\"refund\",\"arguments\":{\"n\":1},\"arguments_sha256\":"
           "\"2bfd14f43d17fc7cea24e0917a8879b4b2f880b8baeec1b9d90fbaad655e71bd\"");
    STR_EQ(body_of(text, 4),
           ",\"call\":\"a\",\"tool\":\"refund\",\"outcome\":\"done\",\"duration_ns\":12,"
           "\"result_bytes\":4,\"result_sha256\":"
           "\"b5bea41b6c623f7c09f1bf24dcae58ebab3c0cdd90ad966bc43a45b44867e12b\"");
    STR_EQ(body_of(text, 6),
           ",\"call\":\"b\",\"tool\":\"refund\",\"decision\":\"edited\",\"by\":\"ann\",\"waited_"
           "ns\":0,\"arguments\":{\"n\":2},\"arguments_sha256\":"
           "\"363379742f80b51bdb9206579af7754911543079b9399cb3fc315fb199f476e8\"");
    STR_EQ(body_of(text, 7), ",\"guest\":\"/data\",\"host\":\"/srv/data\",\"mode\":\"rw\","
                             "\"path\":\"/data/x\"");
    STR_EQ(body_of(text, 8), ",\"event\":\"derived\",\"grant\":\"refund/1\",\"parent\":"
                             "\"refund\",\"process\":1");
    STR_EQ(body_of(text, 9), ",\"limit\":\"wall\",\"message\":\"5 s are over\"");
    STR_EQ(body_of(text, 10), ",\"status\":\"ok\",\"exit_code\":0");
    buf_release(&file);
}

static struct audit *opened(void)
{
    rig_init();
    struct audit_config config = rig_config();
    return rig_open(&config);
}

TEST(a_run_begins_with_what_it_is)
{
    struct audit *audit = opened();
    struct str context[] = {STR("/user"), STR("/a\"b")};
    uint8_t policy[32] = {0xab};
    struct capful_limits limits;
    struct audit_run *run;
    memset(&limits, 0xff, sizeof limits); /* all unlimited */
    struct audit_run_info info = {.program = STR("x"), .limits = &limits, .mode = AUDIT_DRY_RUN};
    ASSERT_EQ_INT(audit_run_begin(audit, &info, &run, NULL), 0);
    OK(strstr(last_body(), ",\"program\":\"x\",\"mode\":\"dry_run\",\"limits\":{},\"host_pid\":"));
    EQ(strlen(audit_run_id(run)), 16);
    audit_run_free(run);
    limits.cpu = 7;
    limits.calls = 1000;
    info = (struct audit_run_info){.mode = AUDIT_WATCH,
                                   .code = STR("1+1"),
                                   .policy = policy,
                                   .limits = &limits,
                                   .account = STR("ann"),
                                   .context = context,
                                   .n_context = 2};
    ASSERT_EQ_INT(audit_run_begin(audit, &info, &run, NULL), 0);
    char expected[600];
    snprintf(expected, sizeof expected,
             ",\"mode\":\"watch\",\"code_sha256\":"
             "\"4a1b21d876ae00c8ed5c4d1cde09c61f8a61b50fe370a801b10c339831f370ab\","
             "\"policy_sha256\":\"ab%062d\",\"account\":\"ann\",\"context\":[\"/user\","
             "\"/a\\\"b\"],\"limits\":{\"cpu\":7,\"calls\":1000},\"host_pid\":%d",
             0, (int)getpid());
    STR_EQ(last_body(), expected);
    audit_run_free(run);
    uint64_t *each = (uint64_t *)&limits;
    for (size_t i = 0; i < sizeof limits / sizeof *each; i++)
        each[i] = i;
    ASSERT_EQ_INT(audit_run_begin(audit, &info, &run, NULL), 0);
    int len = 0;
#define LIMIT(name, unit, value, text)                                                             \
    len += snprintf(expected + len, sizeof expected - (size_t)len, "%s\"%s\":%llu",                \
                    len ? "," : "\"limits\":{", #name, (unsigned long long)limits.name);
#include "abi/limits.def"
#undef LIMIT
    OK(strstr(last_body(), expected));
    audit_run_free(run);
    audit_run_free(NULL);
    audit_unref(audit);
}

TEST(a_run_ends_with_what_it_used)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    struct capful_usage usage = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct audit_run_end end = {.status = CAPFUL_LIMIT,
                                .exit_code = 124,
                                .limit = STR("cpu"),
                                .message = STR("too long"),
                                .usage = &usage};
    ASSERT_EQ_INT(audit_run_end(run, &end, NULL), 0);
    STR_EQ(last_body(),
           ",\"status\":\"limit\",\"exit_code\":124,\"limit\":\"cpu\",\"message\":\"too long\","
           "\"wall_ns\":1,\"waiting_ns\":2,\"cpu_ns\":3,\"peak_memory\":4,\"calls\":5,"
           "\"denials\":6,\"processes\":7,\"stdout_bytes\":8,\"stderr_bytes\":9,"
           "\"argument_bytes\":10,\"result_bytes\":11");
    for (int status = CAPFUL_OK; status <= CAPFUL_FAULT; status++) {
        char expected[100];
        end = (struct audit_run_end){.status = (enum capful_status)status};
        ASSERT_EQ_INT(audit_run_end(run, &end, NULL), 0);
        snprintf(expected, sizeof expected, ",\"status\":\"%s\",\"exit_code\":0",
                 capful_status_name((enum capful_status)status));
        STR_EQ(last_body(), expected);
    }
    audit_run_free(run);
    audit_unref(audit);
}

TEST(what_was_refused_says_why)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    struct audit_call call = {.call = STR("9"),
                              .tool = STR("refund"),
                              .process = 4294967295u,
                              .verdict = AUDIT_DENY,
                              .rule = STR("amount must be at most 100"),
                              .found = STR("5000")};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    STR_EQ(last_body(), ",\"call\":\"9\",\"process\":4294967295,\"tool\":\"refund\",\"verdict\":"
                        "\"deny\",\"rule\":\"amount must be at most 100\",\"found\":5000");
    call.verdict = AUDIT_ASK;
    call.not_enforced = true;
    call.rule.ptr = NULL;
    call.found = STR("{\"a\":\n1}");
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    STR_EQ(last_body(), ",\"call\":\"9\",\"process\":4294967295,\"tool\":\"refund\",\"verdict\":"
                        "\"ask\",\"enforced\":false,\"found\":{\"a\":1}");
    call.found = STR("no JSON");
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    STR_EQ(strstr(last_body(), "false"), "false,\"found\":\"no JSON\"");
    audit_run_free(run);
    audit_unref(audit);
}

TEST(outcomes_and_decisions)
{
    static const char *const outcomes[] = {"done", "failed", "unknown", "withheld"};
    static const char *const decisions[] = {"allowed", "edited", "refused", "timeout",
                                            "allowed_next"};
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    char expected[200];
    for (int i = 0; i < 4; i++) {
        struct audit_call_end end = {.outcome = (enum audit_outcome)i, .error = STR("oh")};
        ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
        snprintf(expected, sizeof expected,
                 ",\"outcome\":\"%s\",\"duration_ns\":0,\"error\":\"oh\"", outcomes[i]);
        STR_EQ(last_body(), expected);
    }
    for (int i = 0; i < 5; i++) {
        struct audit_approval approval = {
            .decision = (enum audit_decision)i, .reason = STR("no"), .next = (uint64_t)i};
        ASSERT_EQ_INT(audit_approval(run, &approval, NULL), 0);
        int len = snprintf(expected, sizeof expected,
                           ",\"decision\":\"%s\",\"reason\":\"no\",\"waited_ns\":0", decisions[i]);
        if (i > 0)
            snprintf(expected + len, sizeof expected - (size_t)len, ",\"next\":%d", i);
        STR_EQ(last_body(), expected);
    }
    struct audit_grant grant = {
        .event = AUDIT_REVOKED, .grant = STR("g"), .by = STR("ann"), .narrows = STR("[1, 2]")};
    ASSERT_EQ_INT(audit_grant(audit, NULL, &grant, NULL), 0);
    STR_EQ(last_body(), ",\"event\":\"revoked\",\"grant\":\"g\",\"process\":0,\"by\":\"ann\","
                        "\"narrows\":[1,2]");
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 12);
}

/* Whatever a guest says stays one line of JSON. */
TEST(hostile_text_is_escaped)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    struct audit_call call = {.call = STR("1"),
                              .tool = STR("a\"\n\x1b[31m\xff,\"hash\":\""),
                              .arguments = STR("\"\n,\"hash\":\"\x01")};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    STR_EQ(last_body(),
           ",\"call\":\"1\",\"process\":0,\"tool\":\"a\\\"\\n\\u001b[31m\xef\xbf\xbd,\\\"hash\\\":"
           "\\\"\",\"verdict\":\"allow\",\"arguments_text\":\"\\\"\\n,\\\"hash\\\":\\\"\\u0001\","
           "\"arguments_sha256\":"
           "\"874486e6ce9b208042a6468e68355a79e023e2aee22992ff2006bef55d009adf\"");
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 3);
}

TEST(arguments_stand_on_one_line)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    ASSERT_EQ_INT(rig_call(run, "1", STR(" {\"a\" :\n[1 ,\t\"x\\n\" , {} ]\r}\n")), 0);
    OK(strstr(last_body(), ",\"arguments\":{\"a\":[1,\"x\\n\",{}]},\"arguments_sha256\":"));
    ASSERT_EQ_INT(rig_call(run, "1", STR("\n-1.5e3\n")), 0);
    OK(strstr(last_body(), ",\"arguments\":-1.5e3,\"arguments_sha256\":"));
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 4);
}

TEST(long_texts_are_cut)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    static char text[5000];
    memset(text, 'x', sizeof text);
    memcpy(text + 4094, "\xe2\x82\xac", 3); /* a character across the end */
    ASSERT_EQ_INT(audit_limit(run, STR("x"), (struct str){text, sizeof text}, NULL), 0);
    const char *body = last_body();
    EQ(strlen(body), strlen(",\"limit\":\"x\",\"message\":\"\"") + 4094 + 3);
    STR_EQ(body + strlen(body) - 6, "xx\xe2\x80\xa6\"");
    ASSERT_EQ_INT(audit_limit(run, STR("x"), (struct str){text, 4096}, NULL), 0);
    body = last_body();
    EQ(strlen(body), strlen(",\"limit\":\"x\",\"message\":\"\"") + 4094 + 6);
    memset(text, 0x80, sizeof text); /* no character at all */
    ASSERT_EQ_INT(audit_limit(run, STR("x"), (struct str){text, sizeof text}, NULL), 0);
    struct audit_call call = {.tool = STR("t"), .found = {text, sizeof text}};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 6);
}

TEST(very_long_arguments_are_hashed)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    size_t max = (size_t)4 << 20;
    char *text = mem_alloc(max + 2);
    ASSERT(text != NULL);
    memset(text, 'x', max + 2);
    text[0] = text[max - 1] = '"';
    ASSERT_EQ_INT(rig_call(run, "1", (struct str){text, max}), 0);
    text[max - 1] = 'x';
    text[max] = '"';
    ASSERT_EQ_INT(rig_call(run, "2", (struct str){text, max + 1}), 0);
    const char *body = last_body();
    OK(strstr(body, ",\"arguments_bytes\":4194305,\"arguments_sha256\":\""));
    OK(!strstr(body, "\"arguments\":"));
    mem_free(text);
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 4);
    struct stat st;
    ASSERT_EQ_INT(stat(rig_log, &st), 0);
    OK(st.st_size > (off_t)max);
    /* The next writer finds the end behind a line of that length, too. */
    struct audit_config config = rig_config();
    audit = rig_open(&config);
    rig_write(audit);
    audit_unref(audit);
    RIG_SOUND(rig_log, 13);
}

TEST(a_log_goes_on_where_it_ended)
{
    struct audit *audit = opened();
    struct audit *again = audit_ref(audit);
    rig_write(audit);
    audit_unref(again);
    rig_write(audit);
    audit_unref(audit);
    audit_unref(NULL);
    struct audit_config config = rig_config();
    audit = rig_open(&config);
    struct audit *other = rig_open(&config); /* a second writer in the same process */
    rig_write(audit);
    rig_write(other);
    rig_write(audit);
    audit_unref(audit);
    audit_unref(other);
    RIG_SOUND(rig_log, 1 + 5 * 9);
    struct stat st;
    ASSERT_EQ_INT(stat(rig_log, &st), 0);
    EQ(st.st_mode & 0777, 0600);
}

TEST(times_are_written_as_they_are)
{
    static const struct {
        uint64_t time;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {UINT64_C(951782399999999999), "2000-02-28T23:59:59.999999999Z"},
        {UINT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z"},
        {UINT64_C(951868800000000000), "2000-03-01T00:00:00.000000000Z"},
        {UINT64_C(1767225599000000000), "2025-12-31T23:59:59.000000000Z"},
        {UINT64_C(4107542400000000000), "2100-03-01T00:00:00.000000000Z"},
        {UINT64_MAX, "2554-07-21T23:34:33.709551615Z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CHAIN_TIME + 1] = "";
        chain_put_time(text, cases[i].time);
        STR_EQ(text, cases[i].text);
    }
}

TEST(settings_that_are_none)
{
    struct audit *audit;
    struct capful_error err;
    rig_init();
    struct audit_config config = rig_config();
    config.path = NULL;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EINVAL);
    config.path = "";
    EQ(audit_open(&config, &audit, &err), CAPFUL_EINVAL);
    config.path = "/tmp/";
    EQ(audit_open(&config, &audit, &err), CAPFUL_EINVAL);
    STR_EQ(err.text, "audit: the path names no file");
    config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN - 1;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EINVAL);
    STR_EQ(err.text, "audit: a file takes 65536 bytes at least");
}

TEST(paths_that_cannot_be_a_log)
{
    struct audit *audit;
    struct capful_error err;
    char path[300];
    rig_init();
    struct audit_config config = rig_config();
    config.path = "/proc/nowhere/log";
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "its directory cannot be opened: No such file or directory"));
    config.path = "/dev/full";
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "is no regular file"));
    config.path = rig_dir;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "cannot be opened: Is a directory"));
    snprintf(path, sizeof path, "%s/link", rig_dir);
    ASSERT_EQ_INT(symlink("log", path), 0);
    config.path = path;
    EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "is a symbolic link: name the file itself"));
    ASSERT_EQ_INT(chdir(rig_dir), 0);
    config.path = "log";
    audit = rig_open(&config);
    ASSERT_EQ_INT(chdir("/"), 0);
    rig_write(audit);
    audit_unref(audit);
    RIG_SOUND(rig_log, 10);
}

/* A file of something else is left alone. */
TEST(a_file_that_is_no_log)
{
    static const char *const texts[] = {
        "hello", "hello\n",       "{\"seq\":1,\"time\":x", "{\"seq\":2,\"time\":\"2",
        "\n",    "<torn>\nhello", "x\n<torn>\n",           "hello<torn>\n",
    };
    rig_init();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct audit_config config = rig_config();
        struct audit *audit;
        struct capful_error err;
        rig_save(rig_log, str_of(texts[i]));
        EQ(audit_open(&config, &audit, &err), CAPFUL_EFILE);
        OK(strstr(err.text, "is damaged, or no log"));
        struct buf text = rig_read(rig_log);
        STR_EQ(text.data, texts[i]);
        buf_release(&text);
    }
}

TEST(a_log_that_is_taken_away)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit), *other;
    struct audit_run_info info = {.program = STR("x")};
    struct capful_error err;
    char path[300];
    snprintf(path, sizeof path, "%s/elsewhere", rig_dir);
    ASSERT_EQ_INT(rename(rig_log, path), 0);
    EQ(rig_call(run, "1", STR("{}")), 0); /* it is not lost */
    EQ(audit_run_begin(audit, &info, &other, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was moved or replaced while it was in use"));
    rig_save(rig_log, STR(""));
    EQ(audit_run_begin(audit, &info, &other, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was moved or replaced while it was in use"));
    RIG_SOUND(path, 3);
    ASSERT_EQ_INT(truncate(path, 100), 0);
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was cut off while it was in use"));
    ASSERT_EQ_INT(unlink(path), 0);
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was removed while it was in use"));
    audit_run_free(run);
    audit_unref(audit);
}

/* Another log in the place of ours, a longer one. */
TEST(a_log_that_is_rewritten)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    struct capful_error err;
    for (int i = 0; i < 10; i++)
        ASSERT_EQ_INT(rig_call(run, "1", STR("{}")), 0);
    struct buf ours = rig_read(rig_log);
    char path[300];
    snprintf(path, sizeof path, "%s/other", rig_dir);
    struct audit_config config = rig_config();
    config.path = path;
    struct audit *other = rig_open(&config);
    struct audit_run *long_run = rig_begin(other);
    static char text[9000];
    memset(text, 'x', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    ASSERT_EQ_INT(rig_call(long_run, "1", (struct str){text, sizeof text}), 0);
    struct buf theirs = rig_read(path);
    ASSERT(theirs.len > ours.len);
    rig_save(rig_log, buf_str(&theirs));
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was rewritten: a record of this process is gone"));
    /* with a last record of the same number */
    for (int i = 3; i < 12; i++)
        ASSERT_EQ_INT(rig_call(long_run, "1", STR("{}")), 0);
    buf_release(&theirs);
    theirs = rig_read(path);
    rig_save(rig_log, buf_str(&theirs));
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was rewritten: a record of this process is gone"));
    rig_save(rig_log, (struct str){"{\"seq\":1,\"time\":\"", 17});
    EQ(truncate(rig_log, 100000), 0);
    EQ(audit_limit(run, STR("x"), STR("y"), &err), CAPFUL_EFILE);
    OK(strstr(err.text, "was rewritten: a record of this process is gone"));
    rig_save(rig_log, buf_str(&ours));
    EQ(audit_limit(run, STR("x"), STR("y"), &err), 0);
    RIG_SOUND(rig_log, 13);
    buf_release(&ours);
    buf_release(&theirs);
    audit_run_free(run);
    audit_run_free(long_run);
    audit_unref(audit);
    audit_unref(other);
}

/* A child has the descriptor of its parent, and with it its lock: it opens the file anew. */
TEST(a_forked_process_goes_on)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    pid_t child = fork();
    ASSERT(child >= 0);
    for (int i = 0; i < 200; i++)
        if (rig_call(run, "1", STR("{}")) != 0)
            _exit(1);
    if (child == 0)
        _exit(0);
    int status = 1;
    ASSERT_EQ_INT(waitpid(child, &status, 0), child);
    EQ(status, 0);
    RIG_SOUND(rig_log, 402);
    audit_run_free(run);
    audit_unref(audit);
}

TEST(out_of_memory_is_an_error)
{
    rig_init();
    static const char *const fields[] = {"/a/b", "/c"};
    struct audit_rule rules[] = {{.tool = "refund", .fields = fields, .n_fields = 2},
                                 {.tool = "x"}};
    struct audit_config config = rig_config();
    config.rules = rules;
    config.n_rules = 2;
    FAULT_SWEEP({
        struct audit *audit = NULL;
        struct audit_run *run = NULL;
        struct audit_run_info info = {.program = STR("x"), .code = STR("y")};
        struct capful_error err;
        if (audit_open(&config, &audit, &err) == 0) {
            struct audit_grant grant = {.grant = STR("g")};
            if (audit_run_begin(audit, &info, &run, &err) == 0) {
                static char text[9000];
                memset(text, 'x', sizeof text);
                memcpy(text, "{\"a\":{\"b\":\"", 11);
                memcpy(text + sizeof text - 3, "\"}}", 3);
                (void)rig_call(run, "1", (struct str){text, sizeof text});
                (void)rig_call(run, "1", STR("{\"d\":1}"));
            }
            if (audit_grant(audit, NULL, &grant, &err) != 0)
                OK(err.code < 0);
            audit_run_free(run);
        }
        audit_unref(audit);
    });
    struct audit_summary sum = rig_verify(rig_log);
    STR_EQ(rig_problems, "");
    OK(sum.records > 10);
}
