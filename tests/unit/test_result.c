/* What a program gets of a result, and the values that are remembered of it. */
#include "policy/result.h"
#include "policy/seen.h"
#include "policy_rig.h"

/* ------------------------------------------------------------------ result rules */

/* A grant for each rule, the first the root. */
static struct grant *chain_of(const char *const *rules)
{
    struct labels labels = {.n = 0};
    struct grant *grant = NULL;
    for (; *rules; rules++) {
        char text[1000];
        bool nomem = false;
        snprintf(text, sizeof text, "{%s \"result\": %s}", grant ? "" : "\"tool\": \"t\",", *rules);
        struct json json = rig_parse(text);
        struct grant *next = grant ? grant_derive(grant, json.root, STR("next"), 1, false, &labels,
                                                  &rig_reader, &nomem)
                                   : grant_load(json.root, 1, &labels, &rig_reader, &nomem);
        json_release(&json);
        rig_nothing_wrong();
        ASSERT(next);
        grant_unref(grant);
        grant = next;
    }
    return grant;
}

static const char *apply(struct grant *grant, const char *result, unsigned depth)
{
    static char text[1000];
    char *made = NULL;
    size_t len = 0;
    switch (result_apply(grant, str_of(result), depth, &made, &len)) {
    case RESULT_SAME: return "same";
    case RESULT_CHANGED: break;
    case RESULT_REFUSED: snprintf(text, sizeof text, "more than %zu", len); return text;
    case RESULT_NOMEM: return "nomem";
    }
    EQ(strlen(made), len);
    snprintf(text, sizeof text, "%s", made);
    mem_free(made);
    return text;
}

static const char tree[] = "{\"a\": [{\"x\": 1.50, \"y\": \"\\u00e9\"}, {\"x\": [1, [2, {}], 3]}], "
                           "\"b\": null, \"\": true, \"c\": {}}";

TEST(what_is_dropped_and_masked)
{
    static const struct {
        const char *rules[4], *result, *wanted;
    } cases[] = {
        {{"{}"}, tree, "same"},
        {{"{\"drop\": [\"/none\"]}"},
         tree,
         "{\"a\":[{\"x\":1.50,\"y\":\"\xc3\xa9\"},{\"x\":[1,[2,{}],3]}],\"b\":null,\"\":true,\"c\":"
         "{}}"},
        {{"{\"drop\": [\"/a/*/x\"]}"},
         tree,
         "{\"a\":[{\"y\":\"\xc3\xa9\"},{}],\"b\":null,\"\":true,\"c\":{}}"},
        {{"{\"drop\": [\"/a/0\", \"/b\", \"/c\"]}"},
         tree,
         "{\"a\":[{\"x\":[1,[2,{}],3]}],\"\":true}"},
        {{"{\"drop\": [\"/*\"]}"}, tree, "{}"},
        {{"{\"mask\": [\"/*\"]}"},
         tree,
         "{\"a\":\"***\",\"b\":\"***\",\"\":\"***\",\"c\":\"***\"}"},
        {{"{\"mask\": [\"/a/1/x/1/0\", \"/\"]}"},
         tree,
         "{\"a\":[{\"x\":1.50,\"y\":\"\xc3\xa9\"},{\"x\":[1,[\"***\",{}],3]}],\"b\":null,\"\":\"***"
         "\",\"c\":{}}"},
        {{"{\"drop\": [\"/b\", \"/b\"], \"mask\": [\"/a\", \"/*\"]}"},
         tree,
         "{\"a\":\"***\",\"\":\"***\",\"c\":\"***\"}"},
        /* Of two that mean the same, or one what is in the other, the stronger counts. */
        {{"{\"drop\": [\"/a/0\"], \"mask\": [\"/a/*\", \"/a/0/x\"]}"},
         tree,
         "{\"a\":[\"***\"],\"b\":null,\"\":true,\"c\":{}}"},
        {{"{\"drop\": [\"/a/0/x\"], \"mask\": [\"/a/0\"]}"},
         tree,
         "{\"a\":[\"***\",{\"x\":[1,[2,{}],3]}],\"b\":null,\"\":true,\"c\":{}}"},
        /* Indices are those of what the tool gave, within a rule; of what is left, in the next. */
        {{"{\"drop\": [\"/0\", \"/2\"]}"}, "[1, 2, 3, 4]", "[2,4]"},
        {{"{\"drop\": [\"/0\"]}", "{\"drop\": [\"/0\"]}"}, "[1, 2, 3, 4]", "[3,4]"},
        {{"{\"drop\": [\"/0\"]}", "{}", "{\"mask\": [\"/1\"]}"}, "[1, 2, 3, 4]", "[2,\"***\",4]"},
        {{"{}", "{\"mask\": [\"/a\"]}"}, "{\"a\": 1}", "{\"a\":\"***\"}"},
        {{"{\"drop\": [\"/*/*\"]}"}, "[[1, 2], {\"a\": 1}, 3]", "[[],{},3]"},
        {{"{\"drop\": [\"/a\"]}"}, "5", "5"},
        {{"{\"drop\": [\"/a\"]}"}, "[]", "[]"},
        {{"{\"max\": 9}"}, "[1, 2, 3]", "same"},
        {{"{\"max\": 8}"}, "[1, 2, 3]", "more than 8"},
        {{"{\"max\": 20}", "{\"max\": 5}", "{\"max\": 7}"}, "[1, 2, 3]", "more than 5"},
        {{"{\"drop\": [\"/0\"], \"max\": 0}"}, "[1]", "more than 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grant *grant = chain_of(cases[i].rules);
        STR_EQ(apply(grant, cases[i].result, 10), cases[i].wanted);
        grant_unref(grant);
    }
}

TEST(what_is_as_deep_as_may_be)
{
    struct grant *grant = chain_of((const char *[]){"{\"mask\": [\"/0\"]}", NULL});
    char text[2100] = "";
    memset(text, '[', JSON_MAX_DEPTH);
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    STR_EQ(apply(grant, text, JSON_MAX_DEPTH), "[\"***\"]");
    STR_EQ(apply(grant, "[1, [[]]]", 3), "[\"***\",[[]]]");
    STR_EQ(apply(grant, "[1, [[]]]", 2),
           "nomem"); /* it was said to be less deep: nothing gets out */
    grant_unref(grant);
}

TEST(memory_that_is_short_for_a_result)
{
    struct grant *grant =
        chain_of((const char *[]){"{\"drop\": [\"/b\"]}", "{\"mask\": [\"/a/*/x\"]}", NULL});
    FAULT_SWEEP({
        const char *got = apply(grant, tree, 10);
        if (strcmp(got, "nomem") != 0)
            STR_EQ(
                got,
                "{\"a\":[{\"x\":\"***\",\"y\":\"\xc3\xa9\"},{\"x\":\"***\"}],\"\":true,\"c\":{}}");
    });
    grant_unref(grant);
}

/* ------------------------------------------------------------------ the seen set */

static bool add(struct seen *seen, uint32_t source, const char *pointer_text, const char *result)
{
    struct json json = rig_parse(result);
    struct pointer pointer;
    bool nomem = false;
    bool ok = !pointer_parse(&pointer, str_of(pointer_text), false, &nomem);
    if (ok) {
        ok = seen_add(seen, source, &pointer, json.root);
        pointer_release(&pointer);
    }
    json_release(&json);
    return ok;
}

static struct value_key key_of(const char *text)
{
    struct json json = rig_parse(text);
    struct value_key key;
    ASSERT(value_key_of(json.root, &key));
    json_release(&json);
    return key;
}

static bool has(struct seen *seen, uint32_t source, const char *text)
{
    struct value_key key = key_of(text);
    return seen_has(seen, source, &key);
}

TEST(what_was_seen_is_known)
{
    struct seen seen = {NULL, 0, 0};
    OK(!has(&seen, 0, "1"));
    seen_clear(&seen);
    OK(add(&seen, 0, "/*", "[1, \"a\", true, null, [5], {\"x\": 6}]"));
    EQ(seen.n, 3);
    OK(has(&seen, 0, "1.0") && has(&seen, 0, "\"a\"") && has(&seen, 0, "true"));
    OK(!has(&seen, 0, "null") && !has(&seen, 0, "5") && !has(&seen, 1, "1"));
    OK(add(&seen, 1, "/x", "{\"x\": 1}") && add(&seen, 1, "/x", "{}") &&
       add(&seen, 1, "/x", "{\"x\": 1}"));
    EQ(seen.n, 4);
    OK(has(&seen, 1, "1") && !has(&seen, 1, "\"a\""));
    OK(seen_bytes(&seen) > 0);
    seen_clear(&seen);
    OK(!has(&seen, 0, "1") && seen.n == 0 && seen.alloc == 64);
    seen_release(&seen);
}

TEST(a_number_too_long_to_be_judged_was_not_seen)
{
    struct seen seen = {NULL, 0, 0};
    OK(add(&seen, 0, "/*", "[1e9999999, 2]"));
    EQ(seen.n, 1);
    OK(has(&seen, 0, "2"));
    seen_release(&seen);
}

static char *numbers(size_t n, size_t from)
{
    char *text = mem_alloc(n * 8 + 3), *at = text;
    ASSERT(text);
    *at++ = '[';
    for (size_t i = 0; i < n; i++)
        at += sprintf(at, "%s%zu", i ? "," : "", from + i);
    strcpy(at, "]");
    return text;
}

TEST(as_many_as_are_remembered)
{
    struct seen seen = {NULL, 0, 0};
    char *text = numbers(SEEN_MAX, 0);
    OK(add(&seen, 3, "/*", text));
    EQ(seen.n, SEEN_MAX);
    OK(has(&seen, 3, "0") && has(&seen, 3, "1048575") && !has(&seen, 3, "1048576"));
    OK(add(&seen, 3, "/*", "[0, 1048575]")); /* that is nothing new */
    OK(!add(&seen, 3, "/*", "[1048576, 1048577]"));
    OK(!add(&seen, 4, "/*", "[0]"));
    EQ(seen.n, SEEN_MAX);
    mem_free(text);
    seen_release(&seen);
}

TEST(memory_that_is_short_for_what_was_seen)
{
    char *text = numbers(200, 1000);
    const struct value_key first = key_of("1000"), last = key_of("1199");
    struct json json = rig_parse(text);
    struct pointer pointer;
    bool nomem = false;
    ASSERT(!pointer_parse(&pointer, STR("/*"), false, &nomem));
    FAULT_SWEEP({
        struct seen seen = {NULL, 0, 0};
        bool ok = seen_add(&seen, 0, &pointer, json.root);
        EQ(ok, seen.n == 200);
        EQ(ok, seen_has(&seen, 0, &last));
        EQ(seen.n > 0, seen_has(&seen, 0, &first));
        seen_release(&seen);
    });
    pointer_release(&pointer);
    json_release(&json);
    mem_free(text);
}
