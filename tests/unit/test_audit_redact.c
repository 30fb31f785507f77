/* What an audit record shows of a call: patterns of tools, pointers to fields, keyed hashes. */
#include "audit/redact.h"
#include "audit_rig.h"
#include "base/json.h"

static const uint8_t key[32] = "0123456789abcdefghijklmnopqrstuv";

TEST(patterns_of_tools)
{
    static const struct {
        const char *pattern, *name;
        bool fits;
    } cases[] = {
        {"refund", "refund", true},
        {"refund", "refunds", false},
        {"refund", "refun", false},
        {"refund", "", false},
        {"*", "refund", true},
        {"*", "a.b", false},
        {"github.*", "github.issue", true},
        {"github.*", "github/issue", true},
        {"github:*", "github.issue", true},
        {"github.*", "github", false},
        {"github.*", "github.issue.close", false},
        {"github.*", "gitlab.issue", false},
        {"github.**", "github.issue.close", true},
        {"github.**", "github", true},
        {"github.**", "githubx", false},
        {"**", "a.b.c", true},
        {"**", "x", true},
        {"**.close", "github.issue.close", true},
        {"**.close", "github.issue.open", false},
        {"**.close", "close", true},
        {"a.**.z", "a.b.z.c.z", true},
        {"a.**.z", "a.b.z.c", false},
        {"a.**.b.**.c", "a.x.b.y.b.c", true},
        {"a.**.b.**.c", "a.x.y.c", false},
        {"a.*.c", "a.b.c", true},
        {"ref*", "refund", false},
        {"ref*", "ref*", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (redact_match(str_of(cases[i].pattern), str_of(cases[i].name)) != cases[i].fits) {
            printf("# %s %s\n", cases[i].pattern, cases[i].name);
            OK(false);
        }
}

/* Once with each hidden value's hash replaced by a dot. */
static void check_copy(const char *const *fields, size_t n, const char *json, const char *expected)
{
    struct audit_rule rule = {.tool = "t", .fields = fields, .n_fields = n};
    struct audit_config config = {.rules = &rule, .n_rules = 1};
    struct redact *redact = NULL;
    struct redact_view view;
    struct json_problem problem;
    struct buf out = BUF_INIT(1 << 20), seen = BUF_INIT(1 << 20);
    static const char hidden[] = "{\"redacted\":\"hmac-sha256:";
    ASSERT_EQ_INT(redact_new(&config, &redact, NULL), 0);
    redact_view(redact, STR("t"), &view);
    EQ(view.n_fields, n);
    ASSERT(json_check(str_of(json), JSON_STRICT, REDACT_DEPTH, NULL, &problem));
    ASSERT(redact_copy(&view, key, str_of(json), &out));
    OK(json_check(buf_str(&out), JSON_STRICT, REDACT_DEPTH + 1, NULL, &problem));
    for (size_t i = 0; i < out.len;)
        if (out.len - i >= sizeof hidden && memcmp(out.data + i, hidden, sizeof hidden - 1) == 0) {
            buf_add_char(&seen, '.');
            i += sizeof hidden - 1 + 64 + 2;
        } else {
            buf_add_char(&seen, out.data[i++]);
        }
    STR_EQ(seen.data, expected);
    buf_release(&out);
    buf_release(&seen);
    redact_free(redact);
}

static void check_one(const char *field, const char *json, const char *expected)
{
    check_copy(&field, 1, json, expected);
}

TEST(fields_that_are_hidden)
{
    check_one("/a", "{\"a\":1,\"b\":2}", "{\"a\":.,\"b\":2}");
    check_one("/a", "{\"b\":{\"a\":1}}", "{\"b\":{\"a\":1}}");
    check_one("/b/a", "{\"b\":{\"a\":\"x\\\"}\"},\"a\":1}", "{\"b\":{\"a\":.},\"a\":1}");
    check_one("/a", "{\"a\":{\"x\":[1,{\"y\":\"}\"}]},\"b\":[]}", "{\"a\":.,\"b\":[]}");
    check_one("/a", "{\"a\":[[],[ ] , 1]}", "{\"a\":.}");
    check_one("/*/n", "[{\"n\":1},{\"m\":2,\"n\":null}]", "[{\"n\":.},{\"m\":2,\"n\":.}]");
    check_one("/*/*", "{\"a\":[1,2],\"b\":{\"c\":true},\"d\":3}",
              "{\"a\":[.,.],\"b\":{\"c\":.},\"d\":3}");
    check_one("/1", "[1,2,3]", "[1,.,3]");
    check_one("/10", "[0,1,2,3,4,5,6,7,8,9,10,11]", "[0,1,2,3,4,5,6,7,8,9,.,11]");
    check_one("/01", "[1,2]", "[1,2]");
    check_one("", "{\"a\":1}", ".");
    check_one("", "7", ".");
    check_one("/", "{\"\":1,\"a\":2}", "{\"\":.,\"a\":2}");
    check_one("/a", "true", "true");
    check_one("/a", "{\"a\":1,\"a\":2}", "{\"a\":.,\"a\":.}");
}

/* A key may be written in many ways. */
TEST(keys_with_escapes)
{
    check_one("/a", "{\"\\u0061\":1}", "{\"\\u0061\":.}");
    check_one("/a~1b", "{\"a/b\":1,\"a\":{\"b\":2}}", "{\"a/b\":.,\"a\":{\"b\":2}}");
    check_one("/a~0b", "{\"a~b\":1}", "{\"a~b\":.}");
    check_one("/~01", "{\"~1\":1,\"/\":2}", "{\"~1\":.,\"/\":2}");
    check_one("/\xef\xbf\xbd", "{\"\\uFFFD\":1}", "{\"\\uFFFD\":.}");
    check_one("/\xc3\xa9", "{\"\\u00e9\":1,\"\xc3\xa9\":2}", "{\"\\u00e9\":.,\"\xc3\xa9\":.}");
    check_one("/\xf0\x9f\x98\x80", "{\"\\uD83D\\ude00\":1}", "{\"\\uD83D\\ude00\":.}");
    check_one("/a\"\\/\b\f\n\r\t", "{\"a\":1}", "{\"a\":1}");
    check_one("/\"\\~1\b\f\n\r\t", "{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":1}",
              "{\"\\\"\\\\\\/\\b\\f\\n\\r\\t\":.}");
    check_one("/ab", "{\"a\":1,\"abc\":2,\"ab\":3}", "{\"a\":1,\"abc\":2,\"ab\":.}");
}

TEST(many_fields_at_once)
{
    static const char *const fields[] = {"/a/b", "/a/*/c", "/d", "/*/e"};
    check_copy(fields, 4,
               " { \"a\" : { \"b\" : 1 , \"x\" : { \"c\" : 2, \"d\":3 }, \"e\":4 } ,\n\"d\":5 }",
               "{\"a\":{\"b\":.,\"x\":{\"c\":.,\"d\":3},\"e\":.},\"d\":.}");
}

TEST(deep_arguments)
{
    char text[300] = "";
    struct buf out = BUF_INIT(1 << 16);
    struct redact_view view = {.arguments = AUDIT_WHOLE};
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    ASSERT(redact_copy(&view, key, str_of(text), &out));
    STR_EQ(out.data, text);
    buf_release(&out);
    out = BUF_INIT(50);
    OK(!redact_copy(&view, key, str_of(text), &out));
    buf_release(&out);
}

/* RFC 4231, test cases 1 and 2, with keys that are filled up by zeros. */
TEST(the_keyed_hash)
{
    uint8_t one[32] = {0}, two[32] = "Jefe", digest[32];
    char hex[65];
    memset(one, 0x0b, 20);
    redact_hash(one, STR("Hi There"), digest);
    sha256_hex(digest, hex);
    STR_EQ(hex, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    redact_hash(two, STR("what do ya want for nothing?"), digest);
    sha256_hex(digest, hex);
    STR_EQ(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static struct redact_view view_of(const struct audit_config *config, const char *tool)
{
    struct redact *redact = NULL;
    struct redact_view view;
    ASSERT_EQ_INT(redact_new(config, &redact, NULL), 0);
    redact_view(redact, str_of(tool), &view);
    redact_free(redact);
    return view;
}

TEST(all_rules_that_fit_hold)
{
    static const char *const a[] = {"/a"}, *const b[] = {"/b", "/c"};
    struct audit_rule rules[] = {{.tool = "x.**", .fields = a, .n_fields = 1},
                                 {.tool = "x.y", .fields = b, .n_fields = 2, .hide_result = true},
                                 {.tool = "z", .arguments = AUDIT_HASHED},
                                 {.tool = "**", .arguments = AUDIT_WHOLE}};
    struct audit_config config = {.rules = rules, .n_rules = 4};
    struct redact_view view = view_of(&config, "x.y");
    EQ(view.n_fields, 3);
    OK(view.hide_result && view.arguments == AUDIT_WHOLE && !redact_shows_all(&view));
    view = view_of(&config, "x.z");
    EQ(view.n_fields, 1);
    OK(!view.hide_result);
    view = view_of(&config, "z");
    EQ(view.arguments, AUDIT_HASHED);
    view = view_of(&config, "other");
    OK(redact_shows_all(&view));
    config.arguments = AUDIT_NOTHING; /* of the log: no rule shows more */
    view = view_of(&config, "z");
    EQ(view.arguments, AUDIT_NOTHING);
}

TEST(too_many_fields_hide_all)
{
    static const char *fields[REDACT_FIELDS + 1];
    for (size_t i = 0; i < REDACT_FIELDS + 1; i++)
        fields[i] = "/a";
    struct audit_rule rule = {.tool = "t", .fields = fields, .n_fields = REDACT_FIELDS};
    struct audit_config config = {.rules = &rule, .n_rules = 1};
    struct redact_view view = view_of(&config, "t");
    EQ(view.arguments, AUDIT_WHOLE);
    rule.n_fields++;
    view = view_of(&config, "t");
    EQ(view.n_fields, REDACT_FIELDS);
    EQ(view.arguments, AUDIT_HASHED);
    rule.arguments = AUDIT_NOTHING;
    view = view_of(&config, "t");
    EQ(view.arguments, AUDIT_NOTHING);
}

TEST(rules_that_are_none)
{
    static const char *const bad[] = {"a", "a/b", "/~", "/~2", "/a~"};
    struct audit_rule rule = {.tool = "t", .n_fields = 1};
    struct audit_config config = {.rules = &rule, .n_rules = 1};
    struct redact *redact = NULL;
    struct capful_error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rule.fields = &bad[i];
        EQ(redact_new(&config, &redact, &err), CAPFUL_EINVAL);
        OK(strstr(err.text, "is no JSON pointer"));
    }
    rule.tool = "";
    EQ(redact_new(&config, &redact, &err), CAPFUL_EINVAL);
    rule.tool = NULL;
    EQ(redact_new(&config, &redact, &err), CAPFUL_EINVAL);
    STR_EQ(err.text, "audit: a rule names no tool");
    redact_free(NULL);
}

/* ------------------------------------------------------------------ in records */

static const char *line_with(const char *word)
{
    static char found[70000];
    struct buf text = rig_read(rig_log);
    found[0] = 0;
    for (int i = 1; rig_line(buf_str(&text), i).len > 0; i++) {
        struct str line = rig_line(buf_str(&text), i);
        if (memmem(line.ptr, line.len, word, strlen(word)) && line.len < sizeof found) {
            memcpy(found, line.ptr, line.len);
            found[line.len] = 0;
        }
    }
    buf_release(&text);
    return found;
}

TEST(nothing_of_a_hidden_value_is_in_the_log)
{
    static const char *const fields[] = {"/pin"};
    struct audit_rule rule = {
        .tool = "refund", .fields = fields, .n_fields = 1, .hide_result = true};
    rig_init();
    struct audit_config config = rig_config();
    config.rules = &rule;
    config.n_rules = 1;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    struct str text = STR("{\"pin\":\"q711\",\"n\":1}");
    struct audit_call call = {.call = STR("1"),
                              .tool = STR("refund"),
                              .found = STR("\"q711\""),
                              .rule = STR("pin must be known"),
                              .arguments = text};
    struct audit_call_end end = {.call = STR("1"),
                                 .tool = STR("refund"),
                                 .result = STR("q711"),
                                 .error = STR("no pin q711")};
    struct audit_approval approval = {.call = STR("1"), .tool = STR("refund"), .arguments = text};
    struct audit_run_end run_end = {.message = STR("refund: no pin q711")};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    ASSERT_EQ_INT(audit_approval(run, &approval, NULL), 0);
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
    ASSERT_EQ_INT(audit_run_end(run, &run_end, NULL), 0);
    end.error.ptr = NULL;
    run_end.message.ptr = NULL;
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
    ASSERT_EQ_INT(audit_run_end(run, &run_end, NULL), 0);
    STR_EQ(line_with("q711\""), "");
    STR_EQ(line_with("pin q711"), "");
    /* nor a hash that can be tried out */
    STR_EQ(line_with("\"arguments_sha256\""), "");
    STR_EQ(line_with("\"result_sha256\""), "");
    OK(strstr(line_with("\"verdict\""), "\"arguments\":{\"pin\":{\"redacted\":\"hmac-sha256:") !=
       NULL);
    OK(strstr(line_with("\"verdict\""), "\"},\"n\":1},\"arguments_hash\":\"hmac-sha256:") != NULL);
    OK(strstr(line_with("error_hash"), "\"result_hash\":\"hmac-sha256:") != NULL);
    OK(*line_with("message_hash"));
    /* the same value has the same hash within a run, and another one in another */
    const char *first = strstr(line_with("\"verdict\""), "hmac-sha256:");
    char hash[80] = "";
    ASSERT(first != NULL);
    memcpy(hash, first, 76);
    OK(strstr(line_with("\"decision\""), hash) != NULL);
    audit_run_free(run);
    run = rig_begin(audit);
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    OK(strstr(line_with("\"verdict\""), hash) == NULL);
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 10);
}

TEST(a_key_of_the_operator)
{
    rig_init();
    struct audit_config config = rig_config();
    config.arguments = AUDIT_HASHED;
    config.redact_key = key;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    ASSERT_EQ_INT(rig_call(run, "1", STR("{}")), 0);
    char expected[200];
    uint8_t digest[32];
    char hex[65];
    redact_hash(key, STR("{}"), digest);
    sha256_hex(digest, hex);
    snprintf(expected, sizeof expected,
             ",\"arguments_bytes\":2,\"arguments_hash\":\"hmac-sha256:%s\",\"hash\":", hex);
    OK(strstr(line_with("\"verdict\""), expected) != NULL);
    audit_run_free(run);
    audit_unref(audit);
}

TEST(errors_and_messages_of_hashed_calls)
{
    rig_init();
    struct audit_config config = rig_config();
    config.arguments = AUDIT_HASHED;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    struct audit_call_end end = {.tool = STR("refund"), .error = STR("no pin q711")};
    struct audit_run_end run_end = {.message = STR("no pin q711")};
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
    ASSERT_EQ_INT(audit_run_end(run, &run_end, NULL), 0);
    STR_EQ(line_with("q711"), "");
    OK(*line_with("error_hash") && *line_with("message_hash"));
    audit_run_free(run);
    audit_unref(audit);
}

/* The arguments may be seen, the result may not. */
TEST(a_hidden_result)
{
    struct audit_rule rule = {.tool = "refund", .hide_result = true};
    rig_init();
    struct audit_config config = rig_config();
    config.rules = &rule;
    config.n_rules = 1;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    struct audit_call_end end = {.tool = STR("refund"), .error = STR("no pin q711")};
    ASSERT_EQ_INT(rig_call(run, "1", STR("{}")), 0);
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
    OK(*line_with("\"arguments_sha256\""));
    OK(*line_with("error_hash"));
    audit_run_free(run);
    audit_unref(audit);
}

TEST(nothing_at_all)
{
    rig_init();
    struct audit_config config = rig_config();
    config.arguments = AUDIT_NOTHING;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    ASSERT_EQ_INT(rig_call(run, "1", STR("{}")), 0);
    OK(strstr(line_with("\"verdict\""), ",\"grant\":\"refund\",\"hash\":") != NULL);
    audit_run_free(run);
    audit_unref(audit);
}

/* What is no JSON has no fields that could be hidden; what grows beyond the limit is hashed. */
TEST(arguments_that_cannot_be_shown)
{
    static const char *const fields[] = {"/*"};
    struct audit_rule rule = {.tool = "refund", .fields = fields, .n_fields = 1};
    rig_init();
    struct audit_config config = rig_config();
    config.rules = &rule;
    config.n_rules = 1;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    ASSERT_EQ_INT(rig_call(run, "1", STR("4711")), 0);
    OK(strstr(line_with("\"verdict\""), "\"arguments\":4711,\"arguments_hash\":") != NULL);
    ASSERT_EQ_INT(rig_call(run, "1", STR("pin 4711")), 0);
    OK(strstr(line_with("\"verdict\""), "\"refund\",\"arguments_bytes\":8,\"arguments_hash\":"));
    size_t n = 100001;
    char *text = mem_alloc(n);
    ASSERT(text != NULL);
    for (size_t i = 0; i < n; i++)
        text[i] = i == 0 ? '[' : i == n - 1 ? ']' : i % 2 ? '1' : ',';
    ASSERT_EQ_INT(rig_call(run, "1", (struct str){text, n}), 0);
    OK(strstr(line_with("\"verdict\""),
              "\"refund\",\"arguments_bytes\":100001,\"arguments_hash\":"));
    mem_free(text);
    audit_run_free(run);
    audit_unref(audit);
    RIG_SOUND(rig_log, 5);
}

/* ------------------------------------------------------------------ keys in files */

TEST(keys_in_files)
{
    static const char *const bad[] = {
        "", "00\n", "x123456789012345678901234567890123456789012345678901234567890123\n",
        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n\n"};
    char path[300];
    uint8_t public_key[32], seed[32];
    struct capful_error err;
    struct stat st;
    rig_init();
    snprintf(path, sizeof path, "%s/key", rig_dir);
    ASSERT_EQ_INT(audit_make_key(path, public_key, &err), 0);
    ASSERT_EQ_INT(stat(path, &st), 0);
    EQ(st.st_mode & 0777, 0600);
    EQ(st.st_size, 65);
    ASSERT_EQ_INT(audit_read_seed(path, seed, &err), 0);
    EQ(audit_make_key(path, public_key, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "cannot be made: File exists"));
    ASSERT_EQ_INT(chmod(path, 0640), 0);
    EQ(audit_read_seed(path, seed, &err), CAPFUL_EFILE);
    OK(strstr(err.text, "can be used by others than its owner"));
    ASSERT_EQ_INT(chmod(path, 0600), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_save(path, str_of(bad[i]));
        EQ(audit_read_seed(path, seed, &err), CAPFUL_EFILE);
        OK(strstr(err.text, "is not 64 hexadecimal digits"));
    }
    rig_save(path, str_of("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"));
    EQ(audit_read_seed(path, seed, &err), 0);
    EQ(seed[1], 0x11);
    EQ(audit_read_seed("/nowhere", seed, &err), CAPFUL_EFILE);
    EQ(audit_read_seed("/dev/null", seed, &err), CAPFUL_EFILE);
    EQ(audit_make_key("/nowhere/key", public_key, &err), CAPFUL_EFILE);
}
