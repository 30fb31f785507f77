/* Constraints: the cases of constraints.txt, the messages of constraint_errors.txt, and what needs
 * a program to be tried. */
#include <stdlib.h>

#include "base/mem.h"
#include "policy/constraint.h"
#include "policy/decimal.h"
#include "policy/pattern.h"
#include "policy/time.h"
#include "tap.h"

/* ------------------------------------------------------------------ a file of cases */

#define SEEN_MAX 8

struct rig {
    int line;
    struct json text, context;
    struct where *where;
    struct facts facts;
    struct buf says;
    bool said; /* a line of it was compared */
    size_t said_to;
    struct {
        uint32_t source;
        struct value_key key;
    } seen[SEEN_MAX];
    size_t n_seen;
    uint32_t sources;
    struct buf misfits; /* lines of "PLACE | TEXT" */
    size_t misfits_to;
};

static void fail_line(const struct rig *rig, const char *what, const char *got)
{
    printf("# constraints.txt:%d: %s: %s\n", rig->line, what, got);
    tap_fail(__FILE__, __LINE__);
}

static void on_problem(void *context, yyjson_val *at, const char *text)
{
    struct rig *rig = context;
    (void)at;
    fail_line(rig, "problem", text);
}

static bool was_seen(void *context, uint32_t source, const struct value_key *value)
{
    struct rig *rig = context;
    for (size_t i = 0; i < rig->n_seen; i++)
        if (rig->seen[i].source == source && memcmp(&rig->seen[i].key, value, sizeof *value) == 0)
            return true;
    return false;
}

static uint32_t number_source(void *context, struct str tool, struct str pointer)
{
    struct rig *rig = context;
    (void)tool, (void)pointer;
    return rig->sources++;
}

static struct json parse(const char *text)
{
    struct json json;
    struct json_problem problem;
    if (!json_parse(str_of(text), JSON_UNIQUE_KEYS, 200, &json, &problem)) {
        printf("# %s: %s\n", text, problem.text);
        tap_stop();
    }
    return json;
}

static void misfits_clear(struct rig *rig)
{
    if (rig->misfits_to != rig->misfits.len)
        fail_line(rig, "misfits", rig->misfits.data + rig->misfits_to);
    buf_release(&rig->misfits);
    rig->misfits = BUF_INIT(1 << 20);
    rig->misfits_to = 0;
}

static void rig_clear(struct rig *rig)
{
    if (rig->said && rig->said_to != rig->says.len)
        fail_line(rig, "says more", rig->says.data + rig->said_to);
    misfits_clear(rig);
    where_free(rig->where);
    json_release(&rig->text);
    json_release(&rig->context);
    buf_release(&rig->says);
    int line = rig->line;
    *rig = (struct rig){.line = line};
}

static void rig_where(struct rig *rig, const char *text, bool condition)
{
    bool nomem;
    struct constraint_reader reader = {on_problem, rig};
    rig_clear(rig);
    rig->text = parse(text);
    rig->where = where_new(rig->text.root, condition, &reader, &nomem);
    ASSERT(rig->where);
    where_bind_sources(rig->where, number_source, rig);
    buf_init(&rig->says, 1 << 20);
    where_describe(rig->where, &rig->says);
}

static void rig_outcome(struct rig *rig, char *text, enum outcome wanted)
{
    static const char *const names[] = {"no", "unknown", "yes"};
    char *why = NULL;
    for (char *at = text; (at = strstr(at, " => ")); at++)
        why = at;
    if (why) {
        *why = 0;
        why += 4;
    }
    struct json arguments = parse(text);
    struct buf out = BUF_INIT(1 << 20);
    rig->facts.arguments = arguments.root;
    rig->facts.context = rig->context.root;
    rig->facts.seen = rig->n_seen ? was_seen : NULL;
    rig->facts.seen_context = rig;
    enum outcome got = where_check(rig->where, &rig->facts, &out);
    if (got != wanted)
        fail_line(rig, "it is", names[got]);
    if (got != where_check(rig->where, &rig->facts, NULL))
        fail_line(rig, "without words it is another", "");
    if (why && strcmp(why, buf_str(&out).ptr) != 0)
        fail_line(rig, "says", buf_str(&out).ptr);
    if ((out.len == 0) != (got == OUTCOME_YES))
        fail_line(rig, "words", buf_str(&out).ptr);
    buf_release(&out);
    json_release(&arguments);
}

/* The next line of what was written must be this one. */
static void compare_line(struct rig *rig, const struct buf *lines, size_t *to, const char *text)
{
    size_t len = strlen(text);
    const char *at = buf_str(lines).ptr + *to;
    if (strncmp(at, text, len) != 0 || at[len] != '\n')
        fail_line(rig, "says", at);
    else
        *to += len + 1;
}

static void on_misfit(void *context, struct str place, const char *text)
{
    struct rig *rig = context;
    buf_printf(&rig->misfits, "%.*s | %s\n", (int)place.len, place.ptr, text);
}

static void rig_schema(struct rig *rig, const char *text, bool additional)
{
    misfits_clear(rig);
    struct json schema = parse(text);
    bool fits = where_fits(rig->where, schema.root, additional, on_misfit, rig);
    if (fits != (rig->misfits.len == 0))
        fail_line(rig, "it fits", fits ? "yes" : "no");
    json_release(&schema);
}

/* One value of each kind, then none. */
static void rig_kinds(struct rig *rig, const char *letters)
{
    static const char *const values[] = {"{\"x\": \"b\"}",
                                         "{\"x\": 2}",
                                         "{\"x\": true}",
                                         "{\"x\": null}",
                                         "{\"x\": [\"b\", 2]}",
                                         "{\"x\": {\"b\": 2}}",
                                         "{}"};
    char got[] = "-------";
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct json arguments = parse(values[i]);
        rig->facts.arguments = arguments.root;
        rig->facts.context = rig->context.root;
        got[i] = "n?y"[where_check(rig->where, &rig->facts, NULL)];
        json_release(&arguments);
    }
    if (strcmp(got, letters) != 0)
        fail_line(rig, "kinds", got);
}

static void rig_seen(struct rig *rig, const char *text)
{
    char *end;
    ASSERT(rig->n_seen < SEEN_MAX);
    rig->seen[rig->n_seen].source = (uint32_t)strtoul(text, &end, 10);
    struct json value = parse(end + 1);
    ASSERT(value_key_of(value.root, &rig->seen[rig->n_seen++].key));
    json_release(&value);
}

static void rig_line(struct rig *rig, char *line)
{
    char *rest = strchr(line, ' ');
    moment now;
    ASSERT(rest);
    *rest++ = 0;
    if (strcmp(line, "where") == 0)
        rig_where(rig, rest, false);
    else if (strcmp(line, "approve") == 0)
        rig_where(rig, rest, true);
    else if (strcmp(line, "context") == 0)
        json_release(&rig->context), rig->context = parse(rest);
    else if (strcmp(line, "now") == 0 && time_read(str_of(rest), &now))
        rig->facts.now = (uint64_t)now;
    else if (strcmp(line, "seen") == 0)
        rig_seen(rig, rest);
    else if (strcmp(line, "yes") == 0)
        rig_outcome(rig, rest, OUTCOME_YES);
    else if (strcmp(line, "no") == 0)
        rig_outcome(rig, rest, OUTCOME_NO);
    else if (strcmp(line, "unknown") == 0)
        rig_outcome(rig, rest, OUTCOME_UNKNOWN);
    else if (strcmp(line, "says") == 0)
        rig->said = true, compare_line(rig, &rig->says, &rig->said_to, rest);
    else if (strcmp(line, "kinds") == 0)
        rig_kinds(rig, rest);
    else if (strcmp(line, "schema") == 0)
        rig_schema(rig, rest, false);
    else if (strcmp(line, "more") == 0)
        rig_schema(rig, rest, true);
    else if (strcmp(line, "misfit") == 0)
        compare_line(rig, &rig->misfits, &rig->misfits_to, rest);
    else
        fail_line(rig, "unknown word", line);
}

TEST(constraint_cases)
{
    static char line[1 << 16];
    struct rig rig = {.line = 0};
    FILE *file = fopen("tests/unit/constraints.txt", "r");
    ASSERT(file);
    while (fgets(line, sizeof line, file)) {
        rig.line++;
        line[strcspn(line, "\n")] = 0;
        if (*line && *line != '#')
            rig_line(&rig, line);
    }
    rig_clear(&rig);
    fclose(file);
}

/* ------------------------------------------------------------------ problems */

struct complaints {
    struct json json;
    const char *text;
    struct buf lines; /* "KEY OR VALUE | MESSAGE" */
};

static void on_complaint(void *context, yyjson_val *at, const char *text)
{
    struct complaints *complaints = context;
    struct str piece = json_str(at);
    /* It must be one of the tree that was given, with a place in its text. */
    OK(json_offset(&complaints->json, at) < strlen(complaints->text));
    buf_printf(&complaints->lines, "%.*s | %s\n", (int)piece.len, piece.ptr, text);
}

static void complain(struct rig *rig, struct complaints *complaints, const char *text,
                     bool condition)
{
    bool nomem;
    struct constraint_reader reader = {on_complaint, complaints};
    complaints->text = text;
    complaints->json = parse(text);
    struct where *where = where_new(complaints->json.root, condition, &reader, &nomem);
    if (where || nomem)
        fail_line(rig, "nothing is wrong", text);
    where_free(where);
    json_release(&complaints->json);
}

TEST(constraint_errors)
{
    static char line[1 << 16];
    struct rig rig = {.line = 0};
    struct complaints complaints = {.lines = BUF_INIT(1 << 20)};
    size_t to = 0;
    FILE *file = fopen("tests/unit/constraint_errors.txt", "r");
    ASSERT(file);
    while (fgets(line, sizeof line, file)) {
        rig.line++;
        line[strcspn(line, "\n")] = 0;
        bool condition = strncmp(line, "approve ", 8) == 0;
        if (condition || strncmp(line, "where ", 6) == 0) {
            if (to != complaints.lines.len)
                fail_line(&rig, "more before", complaints.lines.data + to);
            buf_clear(&complaints.lines);
            to = 0;
            complain(&rig, &complaints, strchr(line, ' ') + 1, condition);
        } else if (*line && *line != '#') {
            compare_line(&rig, &complaints.lines, &to, line);
        }
    }
    EQ(to, complaints.lines.len);
    buf_release(&complaints.lines);
    fclose(file);
}

static struct where *compile(struct json *ret_json, const char *text)
{
    bool nomem;
    struct rig rig = {.line = 0};
    struct constraint_reader reader = {on_problem, &rig};
    *ret_json = parse(text);
    struct where *where = where_new(ret_json->root, false, &reader, &nomem);
    ASSERT(where);
    return where;
}

static enum outcome check(const char *where_text, const char *arguments_text)
{
    struct json text, arguments = parse(arguments_text);
    struct where *where = compile(&text, where_text);
    json_release(&text); /* nothing of it is kept */
    struct facts facts = {.arguments = arguments.root};
    enum outcome outcome = where_check(where, &facts, NULL);
    where_free(where);
    json_release(&arguments);
    return outcome;
}

static void on_short_memory(void *context, yyjson_val *at, const char *text)
{
    (void)context, (void)at;
    printf("# %s\n", text);
    tap_fail(__FILE__, __LINE__);
}

TEST(constraint_load_short_of_memory)
{
    struct json json =
        parse("{\"a\": {\"any\": [1, {\"le\": 5, \"in\": [1, \"b\", null]}], \"not\": \"x\"},"
              " \"/b/*\": {\"matches\": \"a+\", \"url\": {\"hosts\": [\"a\"], \"path\": \"/\"}},"
              " \"c\": {\"eq\": {\"context\": \"/a\"}, \"seen_in\": {\"t\": \"/a/*\"},"
              " \"expr\": \"<=5,>=2\", \"len\": 5, \"sum_le\": 5}, \"d\": [1, 2]}");
    struct constraint_reader reader = {on_short_memory, NULL};
    bool nomem;
    /* The Rust library's own memory does not fail here. */
    FAULT_SWEEP({
        struct where *where = where_new(json.root, false, &reader, &nomem);
        EQ(nomem, where == NULL);
        where_free(where);
    });
    json_release(&json);
}

/* ------------------------------------------------------------------ bounds */

/* {"x": [[[…]]], "y": the same}, with lists or objects. */
static char *nested(unsigned depth, const char *open, const char *close)
{
    char *text = malloc(16 * depth + 64), *at = text;
    ASSERT(text);
    for (int i = 0; i < 2; i++) {
        at += sprintf(at, i ? ", \"y\": " : "{\"x\": ");
        for (unsigned j = 1; j < depth; j++)
            at += sprintf(at, "%s", open);
        at += sprintf(at, "%c%s", *open, close);
        for (unsigned j = 1; j < depth; j++)
            at += sprintf(at, "%s", close);
    }
    strcpy(at, "}");
    return text;
}

static void try_depth(const char *open, const char *close)
{
    char *text = nested(100, open, close);
    EQ(check("{\"x\": {\"same_as\": \"/y\", \"one_time\": true}}", text), OUTCOME_YES);
    free(text);
    text = nested(101, open, close);
    EQ(check("{\"x\": {\"same_as\": \"/y\"}}", text), OUTCOME_UNKNOWN);
    EQ(check("{\"x\": {\"one_time\": true}}", text), OUTCOME_YES); /* found when it is counted */
    struct json json = parse(text);
    struct value_key key;
    OK(!value_key_of(json.root, &key));
    json_release(&json);
    free(text);
}

TEST(constraint_depth_of_values)
{
    try_depth("[", "]");
    try_depth("{\"a\": ", "}");
}

/* {"x": {"k0": 0, …}, "y": the same, backwards} */
static char *members(unsigned n)
{
    char *text = malloc(40 * n + 64), *at = text;
    ASSERT(text);
    at += sprintf(at, "{\"x\": {");
    for (unsigned i = 0; i < n; i++)
        at += sprintf(at, "%s\"k%u\": %u", i ? ", " : "", i, i);
    at += sprintf(at, "}, \"y\": {");
    for (unsigned i = n; i-- > 0;)
        at += sprintf(at, "\"k%u\": %u%s", i, i, i ? ", " : "");
    strcpy(at, "}}");
    return text;
}

TEST(constraint_members_of_objects)
{
    char *text = members(64);
    EQ(check("{\"x\": {\"same_as\": \"/y\", \"one_time\": true}}", text), OUTCOME_YES);
    free(text);
    text = members(65);
    EQ(check("{\"x\": {\"same_as\": \"/y\"}}", text), OUTCOME_UNKNOWN);
    EQ(check("{\"x\": {\"one_time\": true}}", text), OUTCOME_UNKNOWN);
    EQ(check("{\"x\": {\"eq\": {\"literal\": {\"a\": 1}}}}", text), OUTCOME_NO);
    EQ(check("{\"x\": {\"keys\": {\"starts_with\": \"k\"}}}", text), OUTCOME_YES);
    free(text);
}

/* A program makes both lists long: what is compared ends at a bound. */
TEST(constraint_lists_referred_to)
{
    enum { FEW = 100, MANY = 50000 };
    for (int n = FEW; n <= MANY; n += MANY - FEW) {
        char *text = malloc(64 + (size_t)n * 20), *at = text;
        ASSERT(text);
        at += sprintf(at, "{\"x\": [1");
        for (int i = 0; i < n; i++)
            at += sprintf(at, ", %d", n);
        at += sprintf(at, "], \"y\": [1");
        for (int i = 0; i < n; i++)
            at += sprintf(at, ", %d", n);
        strcpy(at, "]}");
        EQ(check("{\"/x/*\": {\"in\": {\"param\": \"/y\"}}}", text),
           n == FEW ? OUTCOME_YES : OUTCOME_UNKNOWN);
        free(text);
    }
}

TEST(constraint_references)
{
    for (int n = 64; n <= 65; n++) {
        char *text = malloc((size_t)n * 64 + 64), *at = text;
        bool nomem;
        struct complaints complaints = {.lines = BUF_INIT(1 << 20)};
        struct constraint_reader reader = {on_complaint, &complaints};
        ASSERT(text);
        at += sprintf(at, "{\"x\": {\"any\": [");
        for (int i = 0; i < n; i++) /* each twice */
            at += sprintf(at, "%s{\"same_as\": \"/a%d\"}, {\"same_as\": \"/a%d\"}", i ? ", " : "",
                          i, i);
        strcpy(at, "]}}");
        complaints.text = text;
        complaints.json = parse(text);
        struct where *where = where_new(complaints.json.root, false, &reader, &nomem);
        EQ(where != NULL, n == 64);
        if (n == 64) {
            struct json arguments = parse("{\"x\": 5, \"a63\": 5, \"a0\": 4}");
            struct facts facts = {.arguments = arguments.root};
            EQ(where_check(where, &facts, NULL), OUTCOME_YES);
            json_release(&arguments);
        } else {
            const char *wrong =
                "\"same_as\": more than 64 different pointers to arguments and context";
            OK(strstr(complaints.lines.data, wrong) != NULL);
        }
        where_free(where);
        json_release(&complaints.json);
        buf_release(&complaints.lines);
        free(text);
    }
}

TEST(constraint_long_texts)
{
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG + 64);
    ASSERT(text);
    /* A program of some 200 KiB times this is more than a regular expression is given. */
    strcpy(text, "{\"x\": \"");
    memset(text + 7, 'a', LONG);
    strcpy(text + 7 + LONG, "\"}");
    EQ(check("{\"x\": {\"matches\": \"(a{1,9}b?){60}\"}}", text), OUTCOME_UNKNOWN);
    EQ(check("{\"x\": {\"matches\": \"a*\"}}", text), OUTCOME_YES);
    EQ(check("{\"x\": {\"len\": 1048576}}", text), OUTCOME_YES);
    for (int n = 8192; n <= 8193; n++) {
        int start = sprintf(text, "{\"x\": \"https://a/");
        memset(text + start, '{', (size_t)n - 10); /* three characters each in normal form */
        strcpy(text + start + n - 10, "\"}");
        EQ(check("{\"x\": {\"url\": {\"hosts\": [\"a\"]}}}", text),
           n == 8192 ? OUTCOME_YES : OUTCOME_UNKNOWN);
    }
    free(text);

    char host[400] = "{\"x\": {\"url\": {\"hosts\": [\"";
    size_t len = strlen(host);
    memset(host + len, 'a', 256);
    strcpy(host + len + 256, "\"]}}}");
    bool nomem;
    struct complaints complaints = {.lines = BUF_INIT(1 << 20), .text = host, .json = parse(host)};
    struct constraint_reader reader = {on_complaint, &complaints};
    OK(!where_new(complaints.json.root, false, &reader, &nomem));
    json_release(&complaints.json);
    buf_release(&complaints.lines);
}

/* ------------------------------------------------------------------ keys and counting */

TEST(constraint_keys_of_values)
{
    /* Values of the same line are equal, those of different lines are not. */
    static const char *const lines[][3] = {
        {"1", "1.0", "10e-1"},
        {"-1", "-1.00", "-0.1e1"},
        {"0", "-0", "0.0e5"},
        {"10", "1e1", "10.0"},
        {"0.1", "1e-1", "0.10"},
        {"12.34", "1234e-2", "0.1234e2"},
        {"\"1\"", "\"\\u0031\"", "\"1\""},
        {"\"\"", "\"\"", "\"\""},
        {"true", "true", "true"},
        {"false", "false", "false"},
        {"null", "null", "null"},
        {"[]", "[]", "[ ]"},
        {"{}", "{}", "{ }"},
        {"[1,2]", "[1.0,2]", "[1,2.0]"},
        {"[2,1]", "[2,1]", "[2,1]"},
        {"[[1],2]", "[[1.0],2]", "[[1],2]"},
        {"[[1,2]]", "[[1,2]]", "[[1,2]]"},
        {"[\"1\",2]", "[\"1\",2]", "[\"1\",2]"},
        {"[12]", "[12]", "[12]"},
        {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "{\"b\":2.0,\"a\":1}"},
        {"{\"a\":2,\"b\":1}", "{\"b\":1,\"a\":2}", "{\"b\":1,\"a\":2}"},
        {"{\"ab\":1}", "{\"ab\":1}", "{\"ab\":1}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
        {"[\"a\",1]", "[\"a\",1]", "[\"a\",1]"},
        {"1e1000000", "10e999999", "1.0e1000000"},
    };
    enum { N = sizeof lines / sizeof *lines };
    struct value_key keys[N][3];
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < 3; j++) {
            struct json json = parse(lines[i][j]);
            ASSERT(value_key_of(json.root, &keys[i][j]));
            MEM_EQ(&keys[i][j], &keys[i][0], sizeof keys[i][j]);
            json_release(&json);
        }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < i; j++)
            OK(memcmp(&keys[i][0], &keys[j][0], sizeof keys[i][0]) != 0);
    static const char *const unknown[] = {"1e1000001", "[1, {\"a\": 1e-1000001}]"};
    for (size_t i = 0; i < 2; i++) {
        struct json json = parse(unknown[i]);
        OK(!value_key_of(json.root, &keys[0][0]));
        json_release(&json);
    }
}

struct counts {
    struct buf lines;
    int left;
};

static bool on_count(void *context, const struct counted *counted, const struct value_key *key,
                     fixed18 sum)
{
    static const struct value_key none;
    struct counts *counts = context;
    buf_printf(&counts->lines, "%d %d %.*s %s ", counted->kind, counted->scope,
               (int)counted->place.len, counted->place.ptr,
               memcmp(key, &none, sizeof none) ? "key" : "-");
    fixed18_write(sum, &counts->lines);
    buf_add_text(&counts->lines, ": ");
    counted_refusal(counted, &counts->lines);
    buf_add_char(&counts->lines, '\n');
    return --counts->left != 0;
}

TEST(constraint_counts)
{
    struct json text, arguments;
    struct where *where = compile(&text, "{\"plain\": 1, \"/a/*\": {\"sum_le\": {\"max\": 10.5, "
                                         "\"per\": \"run\"}, \"distinct_le\": 3},"
                                         " \"b\": {\"one_time\": true, \"optional\": true}}");
    OK(where_counts(where));
    arguments = parse("{\"a\": [1.25, 0.000000000000000001, 999999999999999999], \"b\": \"x\"}");
    struct facts facts = {.arguments = arguments.root};
    struct counts counts = {.lines = BUF_INIT(1 << 20)};
    OK(where_each_counted(where, &facts, on_count, &counts));
    STR_EQ(counts.lines.data, "1 0 /a/* - 1.25: /a/*: the sum would be over 10.5\n"
                              "1 0 /a/* - 0.000000000000000001: /a/*: the sum would be over 10.5\n"
                              "1 0 /a/* - 999999999999999999: /a/*: the sum would be over 10.5\n"
                              "2 2 /a/* key 0: /a/*: there would be more than 3 different values\n"
                              "2 2 /a/* key 0: /a/*: there would be more than 3 different values\n"
                              "2 2 /a/* key 0: /a/*: there would be more than 3 different values\n"
                              "0 0 b key 0: b: the value was used before\n");
    counts.left = 2;
    OK(!where_each_counted(where, &facts, on_count, &counts));
    json_release(&arguments);

    static const char *const cannot[] = {"{\"a\": [\"1\"]}", "{\"a\": [-1]}",
                                         "{\"a\": [], \"b\": 1e1000001}"};
    for (size_t i = 0; i < 3; i++) {
        arguments = parse(cannot[i]);
        facts.arguments = arguments.root;
        OK(!where_each_counted(where, &facts, on_count, &counts));
        json_release(&arguments);
    }
    arguments = parse("{}");
    facts.arguments = arguments.root;
    OK(where_each_counted(where, &facts, on_count, &counts));
    json_release(&arguments);
    where_free(where);
    json_release(&text);
    buf_release(&counts.lines);

    where = compile(&text, "{\"a\": 1}");
    OK(!where_counts(where));
    where_free(where);
    where_free(NULL);
    json_release(&text);
}

TEST(constraint_sums_in_words)
{
    struct buf out = BUF_INIT(1000);
    fixed18_write(~(fixed18)0, &out);
    STR_EQ(out.data, "340282366920938463463.374607431768211455");
    buf_clear(&out);
    fixed18_write((fixed18)1000000000000000000 * 1000000000000000000, &out);
    STR_EQ(out.data, "1000000000000000000");
    buf_release(&out);
}

static uint32_t refuse_third(void *context, struct str tool, struct str pointer)
{
    struct buf *lines = context;
    buf_printf(lines, "%.*s %.*s\n", (int)tool.len, tool.ptr, (int)pointer.len, pointer.ptr);
    return lines->len > 20 ? UINT32_MAX : 0;
}

TEST(constraint_sources)
{
    struct json text;
    struct where *where =
        compile(&text, "{\"a\": {\"seen_in\": {\"one\": \"/a/*\", \"two\": \"\"}},"
                       " \"b\": {\"any\": [1, {\"seen_in\": {\"three\": \"/b\"}}]}}");
    struct buf lines = BUF_INIT(1000);
    OK(!where_bind_sources(where, refuse_third, &lines));
    STR_EQ(lines.data, "one /a/*\ntwo \nthree /b\n");
    buf_release(&lines);
    where_free(where);
    json_release(&text);
}

/* ------------------------------------------------------------------ why, when memory is short */

TEST(constraint_words_short_of_memory)
{
    struct json text, arguments = parse("{\"a\": \"a long text that is cut, since it has "
                                        "more than sixty characters\"}");
    struct where *where = compile(&text, "{\"a\": {\"any\": [1, {\"len\": 5}]}}");
    struct facts facts = {.arguments = arguments.root};
    FAULT_SWEEP({
        struct buf out = BUF_INIT(1000);
        EQ(where_check(where, &facts, &out), OUTCOME_UNKNOWN);
        where_describe(where, &out);
        buf_release(&out);
    });
    struct buf small = BUF_INIT(20);
    EQ(where_check(where, &facts, &small), OUTCOME_UNKNOWN);
    OK(buf_failed(&small));
    buf_release(&small);
    where_free(where);
    json_release(&text);
    json_release(&arguments);
}

/* ------------------------------------------------------------------ numbers against each other */

/* Digits and powers that are small enough for integers, written in several ways. */
TEST(constraint_decimals_agree_with_integers)
{
    static const char *const forms[] = {"%s%d", "%s%d.0", "%s%de0", "%s%d00e-2", "%s%d.00E+0"};
    char text[2][40];
    for (int i = -120; i <= 120; i++)
        for (int j = -120; j <= 120; j += 7) {
            struct decimal a, b;
            sprintf(text[0], forms[(i + 120) % 5], i < 0 ? "-" : "", abs(i));
            sprintf(text[1], forms[(j + 121) % 5], j < 0 ? "-" : "", abs(j));
            decimal_read(&a, str_of(text[0]));
            decimal_read(&b, str_of(text[1]));
            int order = decimal_compare(&a, &b);
            EQ((order > 0) - (order < 0), (i > j) - (i < j));
            OK(decimal_is_whole(&a));
        }
}

/* ------------------------------------------------------------------ patterns */

TEST(pattern_names)
{
    static const struct {
        const char *pattern, *yes, *no;
    } cases[] = {
        {"refund", "refund", "refunds"},
        {"refund", "refund", "refun"},
        {"refund", "refund", "a.refund"},
        {"github.*", "github.get", "github"},
        {"github.*", "github/get", "github.get.all"},
        {"github.*", "github:get", "gitlab.get"},
        {"github.**", "github", "githubs"},
        {"github.**", "github.get", "gitlab.get"},
        {"github.**", "github.get/all:x", "x.github"},
        {"crm/get_*", "crm.get_x", "crm.set_x"},
        {"crm/get_*", "crm.get_", "crm.get"},
        {"*", "a", "a.b"},
        {"**", "a.b.c", ""},
        {"**.get", "get", "a.set"},
        {"**.get", "a.b.get", "a.get.b"},
        {"a.**.z", "a.z", "a"},
        {"a.**.z", "a.b.c.z", "a.b.c"},
        {"a.**.z", "a.z.z", "az"},
        {"a.**.b.**.c", "a.x.b.y.c", "a.x.c.y.b"},
        {"a.**.b.*.c", "a.b.b.x.c", "a.b.c"},
        {"**.**", "a", ""},
        {"*a*b*", "xaxbx", "xbxax"},
        {"*a*b*", "ab", "a"},
        {"a*b*c", "abbbc", "abbb"},
        {"*.*", "a.b", "a"},
        {"a*", "a", "ba"},
        {"*aab", "aaaab", "aaaa"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str pattern = str_of(cases[i].pattern);
        OK(pattern_valid(pattern));
        if (!pattern_matches(pattern, str_of(cases[i].yes)))
            STR_EQ(cases[i].pattern, cases[i].yes);
        if (*cases[i].no && pattern_matches(pattern, str_of(cases[i].no)))
            STR_EQ(cases[i].pattern, cases[i].no);
    }
    static const char *const wrong[] = {"",    ".",   "a.",    ".a",  "a..b",
                                        "a**", "**a", "a.**b", "***", "a/:b"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        OK(!pattern_valid(str_of(wrong[i])));
    OK(pattern_is_open(STR("a.*")) && !pattern_is_open(STR("a.b")));
}
