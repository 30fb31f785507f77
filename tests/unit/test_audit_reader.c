/* Reading a log: no change to it stays unnoticed, and what is found is named. */
#include "audit/writer.h"
#include "audit_rig.h"

static const uint8_t seed[32] = {1, 2, 3}, other_seed[32] = {9};
static struct buf whole = BUF_INIT(SIZE_MAX); /* of a small log, 10 records */
static int n_lines;

static void make(const struct audit_config *config)
{
    struct audit *audit = rig_open(config);
    rig_write(audit);
    audit_unref(audit);
    buf_release(&whole);
    whole = rig_read(rig_log);
    for (n_lines = 0; rig_line(buf_str(&whole), n_lines + 1).len > 0;)
        n_lines++;
}

static void make_plain(void)
{
    rig_init();
    struct audit_config config = rig_config();
    make(&config);
    EQ(n_lines, 10);
}

static void save_lines(const int *lines, int n)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    for (int i = 0; i < n; i++)
        buf_add_str(&text, rig_line(buf_str(&whole), lines[i]));
    rig_save(rig_log, buf_str(&text));
    buf_release(&text);
}

TEST(every_flipped_bit_is_found)
{
    make_plain();
    int fd = open(rig_log, O_RDWR);
    ASSERT(fd >= 0);
    for (size_t at = 0; at < whole.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            char c = (char)(whole.data[at] ^ 1 << bit);
            ASSERT_EQ_INT(pwrite(fd, &c, 1, (off_t)at), 1);
            struct audit_summary sum = rig_verify(rig_log);
            bool found = sum.problems > 0 || sum.torn > 0;
            if (!found)
                printf("# bit %d of byte %zu\n", bit, at);
            ASSERT(found);
            ASSERT_EQ_INT(pwrite(fd, &whole.data[at], 1, (off_t)at), 1);
        }
    close(fd);
    RIG_SOUND(rig_log, 10);
}

TEST(every_changed_record_is_named)
{
    make_plain();
    for (int line = 1; line <= 10; line++) {
        char expected[100];
        struct str text = rig_line(buf_str(&whole), line);
        whole.data[text.ptr - whole.data + (ptrdiff_t)text.len - 80] ^= 1;
        rig_save(rig_log, buf_str(&whole));
        whole.data[text.ptr - whole.data + (ptrdiff_t)text.len - 80] ^= 1;
        (void)rig_verify(rig_log);
        snprintf(expected, sizeof expected,
                 "%d: record %d was changed: its hash is not that of its contents\n", line, line);
        STR_EQ(rig_problems, expected);
    }
}

TEST(every_removed_record_is_missed)
{
    make_plain();
    for (int gone = 2; gone < 10; gone++) {
        int lines[10], n = 0;
        char expected[100];
        for (int i = 1; i <= 10; i++)
            if (i != gone)
                lines[n++] = i;
        save_lines(lines, n);
        (void)rig_verify(rig_log);
        snprintf(expected, sizeof expected, "%d: record %d is missing before record %d\n", gone,
                 gone, gone + 1);
        STR_EQ(rig_problems, expected);
    }
    save_lines((const int[]){2, 3}, 2);
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems, "1: record 1 is missing before record 2\n"
                         "1: record 2 is the first of its file and does not begin one\n");
    save_lines((const int[]){1, 2, 6, 7}, 4);
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems, "3: records 3 to 5 are missing before record 6\n");
}

TEST(every_record_that_is_twice_there_is_found)
{
    make_plain();
    for (int twice = 1; twice <= 10; twice++) {
        int lines[11], n = 0;
        char expected[200];
        for (int i = 1; i <= 10; i++) {
            lines[n++] = i;
            if (i == twice)
                lines[n++] = i;
        }
        save_lines(lines, n);
        (void)rig_verify(rig_log);
        snprintf(expected, sizeof expected,
                 "%d: record %d stands where record %d should: it was moved here, or inserted\n",
                 twice + 1, twice, twice + 1);
        OK(strncmp(rig_problems, expected, strlen(expected)) == 0);
    }
}

TEST(every_pair_that_changed_places_is_found)
{
    make_plain();
    for (int a = 1; a <= 10; a++)
        for (int b = a + 1; b <= 10; b++) {
            int lines[10];
            for (int i = 0; i < 10; i++)
                lines[i] = i + 1;
            lines[a - 1] = b;
            lines[b - 1] = a;
            save_lines(lines, 10);
            OK(rig_verify(rig_log).problems >= 2);
        }
}

/* A record with a right number and a right hash of its own, in the place of another. */
TEST(a_replaced_record_hangs_loose)
{
    make_plain();
    struct buf ours = whole;
    whole = BUF_INIT(SIZE_MAX);
    unlink(rig_log);
    struct audit_config config = rig_config();
    make(&config);
    struct buf mixed = BUF_INIT(SIZE_MAX);
    for (int i = 1; i <= 10; i++)
        buf_add_str(&mixed, rig_line(i == 5 ? buf_str(&ours) : buf_str(&whole), i));
    rig_save(rig_log, buf_str(&mixed));
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems,
           "5: record 5 does not hang on the record before it: one of the two was replaced\n"
           "6: record 6 does not hang on the record before it: one of the two was replaced\n");
    buf_release(&mixed);
    buf_release(&ours);
}

TEST(what_is_no_record_is_named)
{
    static const char *const texts[] = {"hello\n", "\n", "{}\n", "x<torn>\n"};
    make_plain();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf text = BUF_INIT(SIZE_MAX);
        size_t first = rig_line(buf_str(&whole), 1).len;
        buf_add(&text, whole.data, first);
        buf_add_text(&text, texts[i]);
        buf_add(&text, whole.data + first, whole.len - first);
        rig_save(rig_log, buf_str(&text));
        (void)rig_verify(rig_log);
        STR_EQ(rig_problems,
               "2: line 2 is no record: one was changed here, or something inserted\n");
        buf_clear(&text);
        buf_add(&text, whole.data, whole.len);
        buf_add_text(&text, texts[i]);
        rig_save(rig_log, buf_str(&text));
        struct audit_summary sum = rig_verify(rig_log);
        if (i == 3)
            EQ(sum.torn, 8);
        else
            STR_EQ(rig_problems,
                   "11: line 11 is no record: one was changed here, or something added\n");
        buf_release(&text);
    }
}

TEST(files_that_are_no_logs)
{
    rig_init();
    rig_save(rig_log, STR(""));
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems, "0: the log holds no record\n");
    rig_save(rig_log, STR("hello\nworld\n"));
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems, "1: line 1 is no record: one was changed here, or something added\n");
    rig_save(rig_log, STR("hello"));
    EQ(rig_verify(rig_log).torn, 5);
    struct audit_reader *reader;
    struct capful_error err;
    struct audit_check check = {.key = NULL};
    EQ(audit_reader_open("/nowhere", &check, &reader, &err), CAPFUL_EFILE);
    STR_EQ(err.text, "audit log /nowhere: cannot be opened: No such file or directory");
    EQ(audit_reader_open("/dev/null", &check, &reader, &err), CAPFUL_EFILE);
    STR_EQ(err.text, "audit log /dev/null: is no regular file: Invalid argument");
    audit_reader_free(NULL);
}

/* A line that is longer than any record takes no more memory than one. */
TEST(a_line_without_end)
{
    make_plain();
    int fd = open(rig_log, O_WRONLY | O_APPEND);
    static char text[1 << 20];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 20; i++)
        ASSERT_EQ_INT(write(fd, text, sizeof text), sizeof text);
    EQ(rig_verify(rig_log).torn, 20 << 20);
    ASSERT_EQ_INT(write(fd, "<torn>\n", 7), 7);
    EQ(rig_verify(rig_log).torn, 0);
    STR_EQ(rig_problems, "11: line 11 is no record: one was changed here, or something added\n");
    close(fd);
    struct audit_config config = rig_config();
    struct audit *audit;
    EQ(audit_open(&config, &audit, NULL), CAPFUL_EFILE);
}

TEST(an_unfinished_record_is_told)
{
    make_plain();
    size_t last = rig_line(buf_str(&whole), 10).len;
    for (size_t cut = 1; cut < last; cut++) {
        rig_save(rig_log, (struct str){whole.data, whole.len - cut});
        struct audit_summary sum = rig_verify(rig_log);
        STR_EQ(rig_problems, "");
        EQ(sum.records, 9);
        EQ(sum.torn, last - cut);
    }
}

TEST(a_head_kept_elsewhere)
{
    make_plain();
    struct audit_summary sum = rig_verify(rig_log);
    struct audit_check check = {.head = sum.head};
    EQ(rig_verify_with(rig_log, &check).head_seq, 10);
    struct audit_config config = rig_config();
    struct audit *audit = rig_open(&config);
    rig_write(audit);
    audit_unref(audit);
    EQ(rig_verify_with(rig_log, &check).head_seq, 10); /* and it went on */
    save_lines((const int[]){1, 2, 3, 4, 5, 6, 7, 8, 9}, 9);
    EQ(rig_verify_with(rig_log, &check).head_seq, 0);
    STR_EQ(rig_problems, "");
    unlink(rig_log);
    make(&config); /* another log like it */
    EQ(rig_verify_with(rig_log, &check).head_seq, 0);
}

static struct audit_config signed_config(uint64_t every)
{
    struct audit_config config = rig_config();
    config.sign_seed = seed;
    config.sign_every = every;
    return config;
}

TEST(a_signed_log)
{
    uint8_t key[32], other[32];
    rig_init();
    struct audit_config config = signed_config(0);
    make(&config);
    EQ(n_lines, 11);
    ASSERT_EQ_INT(sign_public(seed, key), 0);
    ASSERT_EQ_INT(sign_public(other_seed, other), 0);
    struct audit_summary sum = rig_verify(rig_log);
    EQ(sum.signatures, 1);
    EQ(sum.not_signed, 0);
    sum = rig_verify_with(rig_log, &(struct audit_check){.key = key});
    EQ(sum.signatures, 1);
    EQ(sum.not_signed, 0);
    EQ(sum.other_keys, 0);
    sum = rig_verify_with(rig_log, &(struct audit_check){.key = other});
    EQ(sum.signatures, 0);
    EQ(sum.not_signed, 11);
    EQ(sum.other_keys, 1);
    /* cut off within what was signed */
    save_lines((const int[]){1, 2, 3, 4, 5}, 5);
    EQ(rig_verify_with(rig_log, &(struct audit_check){.key = key}).not_signed, 5);
}

TEST(signatures_at_intervals)
{
    uint8_t key[32];
    rig_init();
    struct audit_config config = signed_config(3);
    make(&config);
    EQ(n_lines, 14); /* after 3, 6, 9, and at the end */
    ASSERT_EQ_INT(sign_public(seed, key), 0);
    struct audit_check check = {.key = key};
    struct audit_summary sum = rig_verify_with(rig_log, &check);
    EQ(sum.signatures, 4);
    EQ(sum.not_signed, 0);
    struct audit *audit = rig_open(&config);
    struct audit_grant grant = {.event = AUDIT_REVOKED, .grant = STR("g")};
    ASSERT_EQ_INT(audit_grant(audit, NULL, &grant, NULL), 0); /* outside a run: at once */
    struct audit_run *run = rig_begin(audit);
    ASSERT_EQ_INT(rig_call(run, "1", STR("{}")), 0);
    sum = rig_verify_with(rig_log, &check);
    EQ(sum.signatures, 5);
    EQ(sum.not_signed, 2);
    audit_run_free(run);
    audit_unref(audit);
}

/* Whoever has not the key makes a log of his own, or makes ours anew. */
TEST(a_forged_signature)
{
    struct chain_record record;
    struct chain_signature signature;
    uint8_t key[32];
    char body[300], tail[CHAIN_TAIL], head[CHAIN_HEAD_MAX], hex[129] = "", key_hex[65] = "";
    rig_init();
    struct audit_config config = signed_config(0);
    make(&config);
    ASSERT_EQ_INT(sign_public(seed, key), 0);
    ASSERT(chain_parse(rig_line(buf_str(&whole), 11), &record));
    ASSERT(chain_parse_signature(record.body, &signature));
    MEM_EQ(signature.key, key, 32);
    signature.signature[5] ^= 1;
    chain_to_hex(key, 32, key_hex);
    chain_to_hex(signature.signature, 64, hex);
    int len = snprintf(body, sizeof body, ",\"key\":\"%s\",\"signature\":\"%s\"", key_hex, hex);
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    size_t n = chain_put_head(head, 11, 0, "head", STR(""), record.prev);
    sha256_init(&hash);
    sha256_add(&hash, head, n);
    sha256_add(&hash, body, (size_t)len);
    sha256_end(&hash, digest);
    chain_put_tail(tail, digest);
    struct buf text = BUF_INIT(SIZE_MAX);
    buf_add(&text, whole.data, whole.len - record.line.len);
    buf_add(&text, head, n);
    buf_add(&text, body, (size_t)len);
    buf_add(&text, tail, sizeof tail);
    rig_save(rig_log, buf_str(&text));
    struct audit_summary sum = rig_verify_with(rig_log, &(struct audit_check){.key = key});
    STR_EQ(rig_problems, "11: the signature in record 11 is not valid\n");
    EQ(sum.not_signed, 11);
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems, "11: the signature in record 11 is not valid\n");
    buf_release(&text);
}

/* ------------------------------------------------------------------ lines of our own making */

static uint8_t chain_hash[SHA256_SIZE];
static uint64_t chain_seq;
static struct buf forged = BUF_INIT(SIZE_MAX);

/* Appends a record that hangs on the one before and has a right hash. */
static void forge(const char *type, const char *body)
{
    char head[CHAIN_HEAD_MAX], tail[CHAIN_TAIL];
    struct sha256 hash;
    size_t n = chain_put_head(head, ++chain_seq, 0, type, STR(""), chain_hash);
    sha256_init(&hash);
    sha256_add(&hash, head, n);
    sha256_add(&hash, body, strlen(body));
    sha256_end(&hash, chain_hash);
    chain_put_tail(tail, chain_hash);
    buf_add(&forged, head, n);
    buf_add_text(&forged, body);
    buf_add(&forged, tail, sizeof tail);
}

#define LOG_BODY(number)                                                                           \
    ",\"version\":1,\"file\":" number ",\"log\":\"00112233445566778899aabbccddeeff\""
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void begin_forging(void)
{
    buf_clear(&forged);
    chain_seq = 0;
    memset(chain_hash, 0, sizeof chain_hash);
}

static void check_forged(const char *problems)
{
    rig_save(rig_log, buf_str(&forged));
    (void)rig_verify(rig_log);
    STR_EQ(rig_problems, problems);
}

TEST(records_that_do_not_fit_their_place)
{
    rig_init();
    begin_forging();
    forge("log", LOG_BODY("1"));
    forge("anything", "");
    forge("anything", ",\"x\":1");
    check_forged("");
    forge("log", LOG_BODY("1"));
    check_forged("4: record 4 begins a file and stands within one\n");
    begin_forging();
    forge("log", LOG_BODY("1"));
    forge("rotate", ",\"file\":1");
    check_forged("");
    forge("anything", "");
    check_forged("3: record 3 stands behind the end of its file\n");
    begin_forging();
    forge("log", LOG_BODY("1") ",\"torn\":5,\"torn_sha256\":\"" ZEROS "\"");
    check_forged("1: record 1 tells of torn bytes before it, and there are none\n");
    begin_forging();
    forge("log", LOG_BODY("1"));
    forge("recovered", ",\"torn\":5,\"torn_sha256\":\"" ZEROS "\"");
    check_forged("2: record 2 tells of torn bytes before it, and there are none\n");
}

/* Torn bytes of which the next record says something else. */
TEST(torn_bytes_that_are_not_those)
{
    static const char torn[] = "abc<torn>\n", other[] = "abc-torn>\n";
    static const char wrong[] =
        "2: line 2 is no record: one was changed here, or something inserted\n";
    rig_init();
    for (int i = 0; i < 4; i++) {
        const char *text = i == 3 ? other : torn;
        char body[200], hex[65];
        uint8_t digest[SHA256_SIZE];
        struct sha256 hash;
        sha256_init(&hash);
        sha256_add(&hash, text, 10);
        sha256_end(&hash, digest);
        digest[0] ^= i == 2;
        sha256_hex(digest, hex);
        snprintf(body, sizeof body, ",\"torn\":%d,\"torn_sha256\":\"%s\"", i == 1 ? 9 : 10, hex);
        begin_forging();
        forge("log", LOG_BODY("1"));
        buf_add_text(&forged, text);
        forge("recovered", body);
        check_forged(i == 0 ? "" : wrong);
    }
}

TEST(records_that_are_not_as_they_should_be)
{
    static const struct {
        const char *type, *body;
    } cases[] = {
        {"log", ""},
        {"log", ",\"version\":2,\"file\":1,\"log\":\"00112233445566778899aabbccddeeff\""},
        {"log", ",\"version\":1,\"file\":01,\"log\":\"00112233445566778899aabbccddeeff\""},
        {"log", ",\"version\":1,\"file\":1,\"log\":\"00112233445566778899aabbccddeef\""},
        {"log", ",\"version\":1,\"file\":1,\"lag\":\"00112233445566778899aabbccddeeff\""},
        {"log", ",\"version\":1,\"file\":1,\"log\":\"00112233445566778899aabbccddeeff"},
        {"log", LOG_BODY("1") ",\"x\":1"},
        {"log", LOG_BODY("1") ",\"torn\":0,\"torn_sha256\":\"" ZEROS "\""},
        {"log", LOG_BODY("1") ",\"torn\":1,\"torn_sha25\":\"" ZEROS "\""},
        {"log", LOG_BODY("1") ",\"torn\":1,\"torn_sha256\":\"" ZEROS "0\""},
        {"recovered", ""},
        {"recovered", ",\"torn\":x"},
        {"recovered", ",\"torn\":1,\"torn_sha256\":\"" ZEROS "\",\"x\":1"},
        {"rotate", ""},
        {"rotate", ",\"file\":"},
        {"rotate", ",\"file\":1,\"key\":\"" ZEROS "\""},
        {"rotate", ",\"file\":1,\"x\":1"},
        {"head", ""},
        {"head", ",\"key\":\"" ZEROS "\",\"signature\":\"" ZEROS "\""},
        {"head", ",\"key\":\"0\",\"signature\":\"" ZEROS ZEROS "\""},
        {"head", ",\"key\":\"" ZEROS "\",\"signature\":\"" ZEROS ZEROS "\",\"x\":1"},
    };
    rig_init();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool is_log = strcmp(cases[i].type, "log") == 0;
        begin_forging();
        if (!is_log)
            forge("log", LOG_BODY("1"));
        forge(cases[i].type, cases[i].body);
        check_forged(is_log ? "1: record 1 is not as this program writes such records\n"
                            : "2: record 2 is not as this program writes such records\n");
    }
}

TEST(lines_that_nearly_have_the_form)
{
    struct chain_record record;
    begin_forging();
    forge("call", ",\"x\":1");
    struct str good = buf_str(&forged);
    ASSERT(chain_parse(good, &record));
    EQ(record.seq, 1);
    for (size_t cut = 1; cut <= good.len; cut++)
        OK(!chain_parse((struct str){good.ptr, good.len - cut}, &record));
    for (size_t i = 0; i < good.len; i++) {
        struct str copy = {mem_dup(good.ptr, good.len), good.len};
        ((char *)copy.ptr)[i] = '~';
        if (chain_parse(copy, &record))
            OK(!chain_sound(&record) && record.body.ptr <= copy.ptr + i);
        mem_free((void *)copy.ptr);
    }
    static const char *const heads[] = {
        "{\"seq\":0,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call\",\"prev\":\"" ZEROS
        "\"",
        "{\"seq\":1000000000000000000,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":"
        "\"call\",\"prev\":\"" ZEROS "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.00000000Z\",\"type\":\"call\",\"prev\":\"" ZEROS
        "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"\",\"prev\":\"" ZEROS
        "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"a_word_that_is_too_"
        "long\",\"prev\":\"" ZEROS "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call\",\"run\":\"12\","
        "\"prev\":\"" ZEROS "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call\",\"run\":"
        "\"0123456789abcdef",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call\",\"prev\":\"" ZEROS
        "\"x",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call\",\"prev\":"
        "\"A" ZEROS "\"",
        "{\"seq\":1,\"tame\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call\",\"prev\":\"" ZEROS
        "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"tape\":\"call\",\"prev\":\"" ZEROS
        "\"",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"type\":\"call",
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        char tail[CHAIN_TAIL];
        uint8_t digest[SHA256_SIZE] = {0};
        chain_put_tail(tail, digest);
        buf_clear(&forged);
        buf_add_text(&forged, heads[i]);
        buf_add(&forged, tail, sizeof tail);
        OK(!chain_parse(buf_str(&forged), &record));
    }
}

TEST(the_end_of_a_file)
{
    struct tail tail;
    begin_forging();
    forge("log", LOG_BODY("1"));
    forge("call", "");
    size_t len = forged.len;
    EQ(tail_find(buf_str(&forged), true, &tail), TAIL_FOUND);
    EQ(tail.record.seq, 2);
    EQ(tail.torn, 0);
    OK(!tail.open);
    EQ(tail_find((struct str){forged.data + 1, len - 1}, false, &tail), TAIL_FOUND);
    EQ(tail_find((struct str){forged.data + len - 10, 10}, false, &tail), TAIL_MORE);
    buf_add_text(&forged, "abc");
    EQ(tail_find(buf_str(&forged), true, &tail), TAIL_FOUND);
    EQ(tail.torn, 3);
    OK(tail.open);
    EQ(tail_find((struct str){"abc", 3}, false, &tail), TAIL_MORE);
    buf_add_text(&forged, "<torn>\nde<torn>\n");
    EQ(tail_find(buf_str(&forged), true, &tail), TAIL_FOUND);
    EQ(tail.torn, 19);
    OK(!tail.open);
    EQ(tail_find((struct str){"x<torn>\n", 8}, false, &tail), TAIL_MORE);
    EQ(tail_find((struct str){"\n\nx<torn>\n", 10}, false, &tail), TAIL_DAMAGED);
    EQ(tail_find((struct str){"\n\nx<torn>\nabc", 13}, false, &tail), TAIL_DAMAGED);
    EQ(tail_find((struct str){"", 0}, true, &tail), TAIL_FOUND);
    OK(!tail.has_record);
    EQ(tail_find((struct str){"x<torn>\nabc", 11}, true, &tail), TAIL_FOUND);
    OK(!tail.has_record && tail.torn == 11 && tail.open);
    buf_add_text(&forged, "x\n");
    EQ(tail_find(buf_str(&forged), true, &tail), TAIL_DAMAGED);
    forged.data[10] = forged.data[len - 80] ^= 1;
    EQ(tail_find((struct str){forged.data, len}, true, &tail), TAIL_DAMAGED);
}

TEST(out_of_memory_while_reading)
{
    make_plain();
    FAULT_SWEEP({
        struct audit_reader *reader = NULL;
        struct audit_entry entry;
        struct capful_error err;
        struct audit_check check = {.key = NULL};
        int got = audit_reader_open(rig_log, &check, &reader, &err);
        while (got == 0 && (got = audit_reader_next(reader, &entry, &err)) == 1)
            got = 0;
        OK(got == 0 || got == CAPFUL_ENOMEM);
        audit_reader_free(reader);
    });
}
