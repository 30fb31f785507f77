/* The JSON checker and the tree: what is accepted, where and how a text is refused, how values are
 * traced back. */
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "tap.h"

static bool accepts(const char *text, unsigned flags)
{
    return json_check(str_of(text), flags, 100, NULL, NULL);
}

/* "" if it is accepted, else "line:column: message". */
static const char *refusal(const char *text, unsigned flags)
{
    static char out[256];
    struct json_problem problem;
    struct json json;
    int line, column;
    if (json_parse(str_of(text), flags, 100, &json, &problem)) {
        json_release(&json);
        return "";
    }
    json_place(str_of(text), problem.offset, &line, &column);
    snprintf(out, sizeof out, "%d:%d: %s", line, column, problem.text);
    return out;
}

TEST(json_accepts_what_the_grammar_has)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1.5e+10",
        "0.0",
        "1E5",
        "-1e-2",
        "true",
        "false",
        "null",
        "\"\"",
        "[]",
        "{}",
        " [ ] ",
        "\t{\n}\r\n",
        "[1,2,[3,{\"a\":[]}]]",
        "{\"a\":1,\"b\":{\"c\":null}}",
        "\"\\u00e9\\n\\\\\\/\\\"\\b\\f\\r\\t\"",
        "\"\\ud83d\\ude00\"",
        "\"\xf0\x9f\x98\x80\"",
        "\"eight chars and more, to pass over words at once\"",
        "1e999",
        "123456789012345678901234567890",
        "\"\x7f\"",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OK(accepts(good[i], JSON_STRICT));
        STR_EQ(refusal(good[i], JSON_STRICT), "");
        STR_EQ(refusal(good[i], JSON_RELAXED), "");
    }
}

TEST(json_refuses_and_says_where)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        {"", "1:1: the text ends where a value should be"},
        {"  ", "1:3: the text ends where a value should be"},
        {"[", "1:2: the text ends where a value should be"},
        {"{", "1:2: the text ends where a key in quotes should be"},
        {"[1", "1:3: the text ends where ',' or ']' should be"},
        {"[1,]", "1:4: ']' where a value should be"},
        {"{\"a\":1,}", "1:8: '}' where a key in quotes should be"},
        {"[1 2]", "1:4: '2' where ',' or ']' should be"},
        {"[1}", "1:3: '}' where ',' or ']' should be"},
        {"{\"a\" 1}", "1:6: '1' where ':' should be"},
        {"{\"a\":}", "1:6: '}' where a value should be"},
        {"{a:1}", "1:2: 'a' where a key in quotes should be"},
        {"{1:1}", "1:2: '1' where a key in quotes should be"},
        {"1 1", "1:3: '1' where the end should be"},
        {"01", "1:1: a number must not begin with 0"},
        {"-", "1:2: the text ends where a digit should be"},
        {"1.", "1:3: the text ends where a digit should be"},
        {"1e", "1:3: the text ends where a digit should be"},
        {"+1", "1:1: '+' where a value should be"},
        {".5", "1:1: '.' where a value should be"},
        {"tru", "1:1: 't' where a value should be"},
        {"NaN", "1:1: 'N' where a value should be"},
        {"'a'", "1:1: ''' where a value should be"},
        {"\"a", "1:1: the text is never closed"},
        {"\"\\x\"", "1:2: unknown escape"},
        {"\"\\u12g4\"", "1:2: \\u without four hexadecimal digits"},
        {"\"\\ud800\"", "1:2: half of a surrogate pair"},
        {"\"\\udc00\"", "1:2: half of a surrogate pair"},
        {"\"\\ud800\\u0041\"", "1:2: half of a surrogate pair"},
        {"\"a\nb\"", "1:3: a control character in a string must be escaped"},
        {"\"\xff\"", "1:2: not UTF-8"},
        {"\"\xc0\x80\"", "1:2: not UTF-8"},
        {"\"\xed\xa0\x80\"", "1:2: not UTF-8"},
        {"[\n  1,\n  oops\n]", "3:3: 'o' where a value should be"},
        {"[\"\xc3\xa9\", x]", "1:8: 'x' where a value should be"},
        {"[1] // no", "1:5: comments are not allowed here"},
        {"\xef\xbb\xbf[]", "1:1: '\xef\xbb\xbf' where a value should be"},
        {"[\x01]", "1:2: control character U+0001 where a value should be"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        OK(!accepts(bad[i].text, JSON_STRICT));
        STR_EQ(refusal(bad[i].text, JSON_STRICT), bad[i].what);
    }
}

TEST(json_relaxed)
{
    STR_EQ(refusal("// head\n{ /* in */ \"a\": [1, 2,], // tail\n}", JSON_RELAXED), "");
    STR_EQ(refusal("[] // to the end", JSON_RELAXED), "");
    STR_EQ(refusal("\xef\xbb\xbf{\"a\":1}", JSON_RELAXED), "");
    STR_EQ(refusal("[,]", JSON_RELAXED), "1:2: ',' where a value should be");
    STR_EQ(refusal("[1,,]", JSON_RELAXED), "1:4: ',' where a value should be");
    STR_EQ(refusal("[1]]", JSON_RELAXED), "1:4: ']' where the end should be");
    STR_EQ(refusal("[ /* open", JSON_RELAXED), "1:3: the comment is never closed");
    STR_EQ(refusal("[1] /", JSON_RELAXED), "1:5: '/' begins no comment");
    STR_EQ(refusal("/* \xff */ 1", JSON_RELAXED), "1:4: not UTF-8");
    STR_EQ(refusal("/", JSON_RELAXED), "1:1: '/' begins no comment");
    STR_EQ(refusal("\xef\xbb\xbf[x]", JSON_RELAXED), "1:2: 'x' where a value should be");
    STR_EQ(refusal("{\"a\":]", JSON_RELAXED), "1:6: ']' where a value should be");
}

TEST(json_depth_is_bounded_without_recursion)
{
    enum { LEVELS = 1000000 };
    struct json_problem problem;
    char *text = mem_alloc(2 * LEVELS + 1);
    memset(text, '[', LEVELS);
    memset(text + LEVELS, ']', LEVELS);
    OK(!json_check((struct str){text, 2 * LEVELS}, JSON_STRICT, 100, NULL, &problem));
    EQ(problem.offset, 100);
    STR_EQ(problem.text, "deeper than 100 levels");
    OK(json_check((struct str){text + LEVELS - 100, 200}, JSON_STRICT, 100, NULL, NULL));
    OK(!json_check((struct str){text + LEVELS - 101, 202}, JSON_STRICT, 100, NULL, NULL));
    OK(json_check((struct str){text + LEVELS - 1024, 2048}, JSON_STRICT, 5000, NULL, NULL));
    OK(!json_check((struct str){text + LEVELS - 1025, 2050}, JSON_STRICT, 5000, NULL, NULL));
    OK(json_check(STR("7"), JSON_STRICT, 0, NULL, NULL));
    OK(!json_check(STR("[]"), JSON_STRICT, 0, NULL, NULL));
    mem_free(text);
    /* Objects and lists in turn: each level remembers what it is. */
    OK(accepts("[{\"a\":[{\"b\":[{\"c\":[]}]}]}]", JSON_STRICT));
    OK(!accepts("[{\"a\":[{\"b\":[{\"c\":[]}]}}]", JSON_STRICT));
}

TEST(json_counts_values)
{
    size_t n = 0;
    OK(json_check(STR("{\"a\":[1,2,3],\"b\":{}}"), JSON_STRICT, 9, &n, NULL));
    EQ(n, 8);
}

TEST(json_duplicate_keys)
{
    STR_EQ(refusal("{\"a\":1,\"b\":2,\n\"a\":3}", JSON_UNIQUE_KEYS),
           "2:1: the key \"a\" stands here twice");
    STR_EQ(refusal("[{\"x\":{\"k\":1,\"\\u006b\":2}}]", JSON_UNIQUE_KEYS),
           "1:14: the key \"k\" stands here twice");
    STR_EQ(refusal("{\"a\":{\"a\":{\"a\":1}}}", JSON_UNIQUE_KEYS), "");
    STR_EQ(refusal("{\"a\":1,\"a\":2}", JSON_STRICT), "");
    /* Many keys take the other way. */
    struct buf text = BUF_INIT(SIZE_MAX);
    buf_add_char(&text, '{');
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "\"k%d\":%d,", i, i);
    size_t len = text.len;
    buf_add_text(&text, "\"last\":0}");
    STR_EQ(refusal(text.data, JSON_UNIQUE_KEYS), "");
    text.len = len;
    buf_add_text(&text, "\"k77\":0}");
    char wanted[64];
    snprintf(wanted, sizeof wanted, "1:%zu: the key \"k77\" stands here twice", len + 1);
    STR_EQ(refusal(text.data, JSON_UNIQUE_KEYS), wanted);
    buf_release(&text);
}

TEST(json_flat_objects_need_no_tree)
{
    static const char *const flat[] = {
        "{}",
        " { } ",
        "{\"a\":1}",
        "{\"a\":\"}\\\",{\",\"b\":-1.5e3 , \"\":null}\n",
        "{\"a\":true,\"A\":false}",
        "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,\"10\":1,\"11\":"
        "1,\"12\":1,\"13\":1,"
        "\"14\":1,\"15\":1,\"16\":1}",
    };
    static const char *const other[] = {
        "1",
        "[]",
        "\"{}\"",
        "{\"a\":{}}",
        "{\"a\":[]}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"\":1,\"\":2}",
        "{\"\\u0061\":1,\"a\":2}",
        "{\"a\\\"\":1}",
        "{\"1\":1,\"2\":1,\"3\":1,\"4\":1,\"5\":1,\"6\":1,\"7\":1,\"8\":1,\"9\":1,\"10\":1,\"11\":"
        "1,\"12\":1,\"13\":1,"
        "\"14\":1,\"15\":1,\"16\":1,\"17\":1}",
    };
    /* Not JSON: never asked, yet nothing is read that is not there. */
    static const char *const broken[] = {
        "",       "{",       "{\"",      "{\"a",        "{\"a\\",
        "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":\"\\", "{\"a\":1,"};
    for (size_t i = 0; i < sizeof flat / sizeof *flat; i++) {
        STR_EQ(refusal(flat[i], JSON_UNIQUE_KEYS), "");
        OK(json_flat_unique(str_of(flat[i])));
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        OK(!json_flat_unique(str_of(other[i])));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        size_t len = strlen(broken[i]);
        char *exact = mem_dup(broken[i], len); /* a sanitizer sees what lies behind */
        OK(exact && !json_flat_unique((struct str){exact, len}));
        mem_free(exact);
    }
}

TEST(json_tree_keeps_numbers_and_places)
{
    const char *text = "\xef\xbb\xbf{ // c\n \"n\": 0.10,\n \"s\": \"x\\ny\",\n \"big\": "
                       "18446744073709551615, \"l\": [true]}";
    struct json json;
    struct json_problem problem;
    uint64_t number = 7;
    int line, column;
    OK(json_parse(str_of(text), JSON_RELAXED, 10, &json, &problem));
    yyjson_val *n = json_get(json.root, STR("n")), *s = json_get(json.root, STR("s"));
    yyjson_val *big = json_get(json.root, STR("big")), *l = json_get(json.root, STR("l"));
    OK(str_equal(json_str(n), STR("0.10")));
    OK(str_equal(json_str(s), STR("x\ny")));
    OK(!json_uint(n, &number));
    EQ(number, 7);
    OK(json_uint(big, &number));
    OK(number == UINT64_MAX);
    OK(!json_uint(s, &number));
    json_place(str_of(text), json_offset(&json, n), &line, &column);
    EQ(line, 2);
    EQ(column, 7);
    json_place(str_of(text), json_offset(&json, s), &line, &column);
    EQ(line, 3);
    EQ(column, 7);
    OK(json_offset(&json, l) == SIZE_MAX);
    EQ(json_offset_or(&json, l, 5), 5);
    STR_EQ(json_kind(n), "a number");
    STR_EQ(json_kind(s), "a string");
    STR_EQ(json_kind(l), "a list");
    STR_EQ(json_kind(yyjson_arr_get_first(l)), "true or false");
    STR_EQ(json_kind(json.root), "an object");
    STR_EQ(json_kind(NULL), "null");
    size_t len;
    char *compact = json_write(json.root, &len);
    STR_EQ(compact, "{\"n\":0.10,\"s\":\"x\\ny\",\"big\":18446744073709551615,\"l\":[true]}");
    EQ(len, strlen(compact));
    mem_free(compact);
    json_release(&json);
}

TEST(json_survives_every_failed_allocation)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    buf_add_char(&text, '{');
    for (int i = 0; i < 40; i++)
        buf_printf(&text, "%s\"k%d\":[{\"x\":%d}]", i ? "," : "", i, i);
    buf_add_char(&text, '}');
    uint64_t before = mem_live_blocks();
    int failures = 0;
    for (uint64_t n = 1;; n++) {
        struct json json;
        struct json_problem problem = {0, false, ""};
        mem_fail_after(n);
        bool ok = json_parse(buf_str(&text), JSON_UNIQUE_KEYS, 10, &json, &problem);
        mem_fail_after(0);
        if (ok) {
            json_release(&json);
            break;
        }
        OK(problem.nomem);
        EQ(mem_live_blocks(), before);
        failures++;
    }
    OK(failures >= 3);
    EQ(mem_live_blocks(), before);
    buf_release(&text);
}
