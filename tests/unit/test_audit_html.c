/* A log as a page: what others wrote stays text, each record is told once, and no log makes the
 * page fail or take more memory than it should. */
#include "audit/html.h"
#include "audit/redact.h"
#include "audit_rig.h"
#include "base/sha256.h"

static struct buf page = BUF_INIT(SIZE_MAX);
static size_t pieces_left = SIZE_MAX;
static uint32_t max_records = HTML_RECORDS;
static void (*meanwhile)(void); /* done when the first piece is written */

static bool take(void *context, struct str text)
{
    (void)context;
    if (pieces_left == 0)
        return false;
    pieces_left--;
    if (meanwhile)
        meanwhile();
    meanwhile = NULL;
    return buf_add_str(&page, text);
}

/* Whether the log is sound. */
static bool make_page(void)
{
    bool sound = false;
    struct capful_error err = {.text = ""};
    buf_clear(&page);
    if (audit_html(rig_log, max_records, take, NULL, &sound, &err) != 0) {
        printf("# %s\n", err.text);
        tap_stop();
    }
    return sound;
}

static int times(const char *text)
{
    int n = 0;
    for (const char *at = page.data; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

#define HAS(text)                                                                                  \
    do {                                                                                           \
        if (!strstr(page.data, text)) {                                                            \
            printf("# the page lacks %s\n", text);                                                 \
            tap_fail(__FILE__, __LINE__);                                                          \
        }                                                                                          \
    } while (0)
#define LACKS(text) EQ(times(text), 0)

static struct audit *opened(void)
{
    rig_init();
    struct audit_config config = rig_config();
    return rig_open(&config);
}

TEST(a_page_of_every_kind_of_record)
{
    struct audit *audit = opened();
    rig_write(audit);
    audit_unref(audit);
    OK(make_page());
    HAS("<!doctype html>");
    HAS("<span class=\"ok\">sound</span>");
    HAS("<tr><th>runs</th><td class=\"\">1</td></tr>");
    HAS("<tr><th>calls</th><td class=\"\">2</td></tr>");
    HAS("<h2>The log itself</h2>");
    HAS("<h2>Run report.js <span class=\"dim\">");
    HAS("<pre>{&quot;n&quot;:1}</pre>");
    HAS("<pre>{&quot;n&quot;:2}</pre>");
    HAS("mount /data</summary>");
    HAS("grant refund/1 derived</summary>");
    HAS("limit wall 5 s are over</summary>");
    EQ(times("<details class=\"call"), 2);
    EQ(times("<rect"), 2);
    EQ(times("<svg"), 1);
    EQ(times("<details"), times("</details>"));
    EQ(times("<section"), times("</section>"));
    EQ(times("<table"), times("</table>"));
    HAS("</body></html>\n");
}

/* The policy allows this style and nothing else; there is nothing else. */
TEST(a_page_that_loads_nothing)
{
    struct audit *audit = opened();
    rig_write(audit);
    audit_unref(audit);
    make_page();
    HAS("content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-");
    LACKS("<script");
    LACKS("http:");
    LACKS("https:");
    LACKS(" style=");
    LACKS(" onclick");
    LACKS(" onload");
    LACKS("javascript:");
    LACKS("url(");
    LACKS("@import");
}

static void hostile_run(struct audit *audit)
{
    static const char evil[] = "</pre><script>alert(1)</script>'\"&\x1b[31m\xe2\x80\xae\n";
    struct str text = {evil, sizeof evil - 1};
    struct audit_run_info info = {
        .program = text, .account = text, .context = &text, .n_context = 1};
    struct audit_run *run;
    ASSERT_EQ_INT(audit_run_begin(audit, &info, &run, NULL), 0);
    struct audit_call call = {
        .call = text, .tool = text, .grant = text, .rule = text, .found = text, .arguments = text};
    struct audit_call_end end = {
        .call = text, .tool = text, .outcome = AUDIT_FAILED, .error = text};
    struct audit_approval approval = {
        .call = text, .tool = text, .by = text, .reason = text, .decision = AUDIT_REFUSED};
    struct audit_mount mount = {text, text, text, text};
    struct audit_grant grant = {.grant = text, .parent = text, .by = text, .narrows = text};
    struct audit_run_end done = {.status = CAPFUL_ERROR, .limit = text, .message = text};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    ASSERT_EQ_INT(audit_approval(run, &approval, NULL), 0);
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
    ASSERT_EQ_INT(audit_mount(run, &mount, NULL), 0);
    ASSERT_EQ_INT(audit_grant(audit, run, &grant, NULL), 0);
    ASSERT_EQ_INT(audit_limit(run, text, text, NULL), 0);
    ASSERT_EQ_INT(audit_run_end(run, &done, NULL), 0);
    call.arguments = STR("{\"<b>\":\"</pre><script>\"}");
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
    audit_run_free(run);
}

TEST(hostile_text_stays_text)
{
    struct audit *audit = opened();
    hostile_run(audit);
    audit_unref(audit);
    OK(make_page());
    LACKS("<script");
    LACKS("<b>\"");
    LACKS("\x1b");
    LACKS("\xe2\x80\xae");
    HAS("&lt;/pre&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&quot;&amp;\\x1b[31m\\u{202e}\\n");
    HAS("{&quot;&lt;b&gt;&quot;:&quot;&lt;/pre&gt;&lt;script&gt;&quot;}");
}

static void simple_call(struct audit_run *run, const char *id, uint32_t process,
                        enum audit_verdict verdict)
{
    struct audit_call call = {
        .call = str_of(id), .tool = STR("t"), .process = process, .verdict = verdict};
    ASSERT_EQ_INT(audit_call(run, &call, NULL), 0);
}

static void simple_end(struct audit_run *run, const char *id, enum audit_outcome outcome)
{
    struct audit_call_end end = {.call = str_of(id), .outcome = outcome};
    ASSERT_EQ_INT(audit_call_end(run, &end, NULL), 0);
}

static void decide(struct audit_run *run, const char *id, enum audit_decision decision)
{
    struct audit_approval approval = {.call = str_of(id), .decision = decision};
    ASSERT_EQ_INT(audit_approval(run, &approval, NULL), 0);
}

TEST(calls_are_green_or_red)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    simple_call(run, "a", 1, AUDIT_ALLOW);
    simple_call(run, "b", 1, AUDIT_DENY);
    simple_call(run, "c", 2, AUDIT_ASK);
    simple_call(run, "d", 2, AUDIT_ASK);
    simple_call(run, "e", 2, AUDIT_ASK);
    simple_call(run, "f", 3, AUDIT_ALLOW);
    decide(run, "c", AUDIT_ALLOWED);
    decide(run, "d", AUDIT_TIMEOUT);
    decide(run, "d", AUDIT_ALLOWED); /* told by itself: the call has been decided */
    decide(run, "nobody", AUDIT_ALLOWED);
    simple_end(run, "a", AUDIT_DONE);
    simple_end(run, "a", AUDIT_DONE); /* once is enough */
    simple_end(run, "c", AUDIT_UNKNOWN);
    simple_end(run, "nobody", AUDIT_DONE);
    audit_run_free(run);
    audit_unref(audit);
    OK(make_page());
    EQ(times("<rect class=\"ok\""), 1);
    EQ(times("<rect class=\"bad\""), 3);
    EQ(times("<rect class=\"wait\""), 2);
    EQ(times(">process "), 3);
    EQ(times(", <span class=\"wait\">no end</span>"), 1);
    EQ(times("<details class=\"event\"><summary><span class=\"dim\">"), 1 + 1 + 4);
    HAS("<tr><th>without an end</th><td class=\"wait\">1</td></tr>");
    HAS("<tr><th>outcome unknown</th><td class=\"bad\">1</td></tr>");
}

TEST(a_run_that_ended_badly)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    struct audit_run_end end = {.status = CAPFUL_LIMIT, .limit = STR("cpu")};
    ASSERT_EQ_INT(audit_run_end(run, &end, NULL), 0);
    audit_run_free(run);
    audit_unref(audit);
    OK(make_page());
    HAS(", <span class=\"bad\">limit</span>");
    LACKS("<svg"); /* there is nothing to draw */
}

TEST(many_processes_and_calls)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    char id[20];
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "%d", i);
        simple_call(run, id, (uint32_t)i % 50, AUDIT_ALLOW);
    }
    simple_end(run, "0", AUDIT_DONE); /* too long ago to be looked for */
    simple_end(run, "4000", AUDIT_DONE);
    audit_run_free(run);
    audit_unref(audit);
    OK(make_page());
    EQ(times("<rect"), 2000);
    EQ(times(">process "), 40);
    HAS("the first 2000 of 5000 calls are drawn");
    EQ(times("<details class=\"call\">"), 1);
}

TEST(what_is_wrong_stands_at_the_head)
{
    struct audit *audit = opened();
    rig_write(audit);
    audit_unref(audit);
    struct buf text = rig_read(rig_log);
    struct str line = rig_line(buf_str(&text), 4);
    text.data[line.ptr - text.data + 200] ^= 1;
    buf_add_text(&text, "unfinished");
    rig_save(rig_log, buf_str(&text));
    OK(!make_page());
    HAS("<span class=\"bad\">not sound</span>");
    HAS("1 problem</h2>");
    HAS("<p>line 4: record 4 was changed: its hash is not that of its contents</p>");
    HAS("It ends in an unfinished record of 10 bytes.");
    /* more of it than is shown */
    struct buf many = BUF_INIT(SIZE_MAX);
    for (int i = 0; i < 40; i++)
        buf_add_str(&many, rig_line(buf_str(&text), 1));
    rig_save(rig_log, buf_str(&many));
    OK(!make_page());
    EQ(times("<p>line "), 20);
    buf_release(&many);
    buf_release(&text);
    rig_save(rig_log, STR(""));
    OK(!make_page());
    HAS("the log holds no record");
}

/* Whoever makes a log of his own can write what is no JSON, or no text where we write some. */
TEST(records_of_another_making)
{
    static const char *const bodies[] = {
        ",\"tool\":1,\"call\":{},\"verdict\":[],\"process\":\"x\"",
        ",\"x\":",
        ",\"call\":null",
        ",\"outcome\":\"done\"",
        "",
    };
    static const char *const types[] = {"run_end", "call", "call_end", "approval", "run_begin"};
    struct buf text = BUF_INIT(SIZE_MAX);
    uint8_t prev[SHA256_SIZE] = {0};
    uint64_t seq = 0;
    rig_init();
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++) {
            char head[CHAIN_HEAD_MAX], tail[CHAIN_TAIL];
            struct sha256 hash;
            seq++;
            size_t n = chain_put_head(head, seq, UINT64_MAX / seq, types[j],
                                      seq % 2 ? STR("0123456789abcdef") : STR(""), prev);
            sha256_init(&hash);
            sha256_add(&hash, head, n);
            sha256_add(&hash, bodies[i], strlen(bodies[i]));
            sha256_end(&hash, prev);
            chain_put_tail(tail, prev);
            buf_add(&text, head, n);
            buf_add_text(&text, bodies[i]);
            buf_add(&text, tail, sizeof tail);
        }
    rig_save(rig_log, buf_str(&text));
    OK(!make_page());
    HAS("is no JSON, though its hash is right");
    buf_release(&text);
}

static void rotated_log(void)
{
    rig_init();
    struct audit_config config = rig_config();
    config.rotate_bytes = AUDIT_ROTATE_MIN;
    struct audit *audit = rig_open(&config);
    struct audit_run *run = rig_begin(audit);
    static char text[70000];
    memset(text, '<', sizeof text);
    text[0] = text[sizeof text - 1] = '"';
    for (int i = 0; i < 3; i++)
        ASSERT_EQ_INT(rig_call(run, i % 2 ? "1" : "2", (struct str){text, sizeof text}), 0);
    rig_write(audit);
    audit_run_free(run);
    audit_unref(audit);
}

TEST(a_rotated_log_is_one_page)
{
    rotated_log();
    OK(make_page());
    HAS("in 4 files");
    EQ(times("<details class=\"call"), 5);
    EQ(times("… 69998 bytes in all"), 3);
}

/* What is not there any more, or not as it was, when it is read again. */
static void remove_file(void)
{
    char path[300];
    snprintf(path, sizeof path, "%s.2", rig_log);
    unlink(path);
}

static void cut_file(void)
{
    ASSERT_EQ_INT(truncate(rig_log, 400), 0);
}

TEST(a_log_that_changes_meanwhile)
{
    bool sound;
    struct capful_error err;
    rotated_log();
    meanwhile = remove_file;
    EQ(audit_html(rig_log, max_records, take, NULL, &sound, &err), CAPFUL_EFILE);
    STR_EQ(err.text, "audit log: No such file or directory");
    rig_clean();
    struct audit *audit = opened();
    rig_write(audit);
    audit_unref(audit);
    meanwhile = cut_file;
    EQ(audit_html(rig_log, max_records, take, NULL, &sound, &err), CAPFUL_EFILE);
    STR_EQ(err.text, "audit log: a record changed while it was read");
}

TEST(more_records_than_a_browser_bears)
{
    struct audit *audit = opened();
    rig_write(audit);
    rig_write(audit);
    audit_unref(audit);
    max_records = 12;
    OK(make_page());
    HAS("The last 7 records are not on this page.");
    HAS("<tr><th>runs</th><td class=\"\">2</td></tr>");
    EQ(times("<details"), 12 - 2); /* two ends stand with their calls */
}

/* A run of one record has no length. */
TEST(a_call_out_of_time)
{
    struct audit *audit = opened();
    struct audit_run *run = rig_begin(audit);
    simple_call(run, "1", 1, AUDIT_ALLOW);
    audit_run_free(run);
    audit_unref(audit);
    struct buf text = rig_read(rig_log);
    struct str line = rig_line(buf_str(&text), 3);
    rig_save(rig_log, line);
    OK(!make_page());
    HAS("<rect class=\"wait\" x=\"90.0\"");
    buf_release(&text);
}

TEST(nobody_reads_the_page)
{
    struct audit *audit = opened();
    rig_write(audit);
    rig_write(audit);
    audit_unref(audit);
    for (size_t i = 0; i < 30; i++) {
        pieces_left = i;
        OK(make_page());
    }
}

TEST(a_page_that_cannot_be_made)
{
    bool sound;
    EQ(audit_html("/nowhere", 9, take, NULL, &sound, NULL), CAPFUL_EFILE);
    struct audit *audit = opened();
    hostile_run(audit);
    rig_write(audit);
    audit_unref(audit);
    buf_reserve(&page, 1 << 20);
    FAULT_SWEEP({
        struct capful_error err;
        buf_clear(&page);
        int failed = audit_html(rig_log, max_records, take, NULL, &sound, &err);
        OK(failed == 0 || failed == CAPFUL_ENOMEM);
        OK(failed || strstr(page.data, "alert(1)"));
    });
    rig_save(rig_log, STR("")); /* one piece */
    FAULT_SWEEP({
        buf_clear(&page);
        int failed = audit_html(rig_log, max_records, take, NULL, &sound, NULL);
        OK(failed == 0 || failed == CAPFUL_ENOMEM);
    });
}

TEST(times_of_records)
{
    static const uint64_t times_tried[] = {0,
                                           1,
                                           UINT64_C(951782400000000000),
                                           UINT64_C(951868799999999999),
                                           UINT64_C(4107542400000000000),
                                           UINT64_C(1767225599123456789)};
    for (size_t i = 0; i < sizeof times_tried / sizeof *times_tried; i++) {
        char text[CHAIN_TIME];
        struct chain_record record = {.time = {text, CHAIN_TIME}};
        chain_put_time(text, times_tried[i]);
        EQ(chain_time(&record), times_tried[i]);
    }
    static const char *const outside[] = {
        "1969-12-31T23:59:59.000000000Z", "2554-01-01T00:00:00.000000000Z",
        "2000-00-01T00:00:00.000000000Z", "2000-13-01T00:00:00.000000000Z"};
    for (size_t i = 0; i < 4; i++)
        EQ(chain_time(&(struct chain_record){.time = str_of(outside[i])}), 0);
}
