/* Three lines of JSON: constraints, arguments, context.  Whatever they say: the constraints compile
 * or each problem is told at a place of the text; what is evaluated allocates nothing and says the
 * same with and without words; the words are one line that is all seen. */
#include <stdlib.h>

#include "base/mem.h"
#include "policy/constraint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct problems {
    struct json json;
    size_t n, text_len;
};

static void on_problem(void *context, yyjson_val *at, const char *text)
{
    struct problems *problems = context;
    must(*text && json_offset(&problems->json, at) < problems->text_len);
    problems->n++;
}

static bool is_seen(void *context, uint32_t source, const struct value_key *value)
{
    (void)context;
    return source < 1000 && (value->bytes[0] & 1);
}

static uint32_t number_source(void *context, struct str tool, struct str pointer)
{
    (void)tool, (void)pointer;
    return (*(uint32_t *)context)++;
}

static bool on_counted(void *context, const struct counted *counted, const struct value_key *key,
                       fixed18 sum)
{
    (void)key, (void)sum;
    counted_refusal(counted, context);
    return true;
}

static void on_misfit(void *context, struct str place, const char *text)
{
    (void)place;
    must(*text);
    ++*(size_t *)context;
}

static void check_words(const struct buf *words)
{
    for (size_t i = 0; i < words->len; i++)
        must((unsigned char)words->data[i] >= 0x20 && words->data[i] != 0x7f);
}

static void evaluate(const struct where *where, const struct facts *facts)
{
    struct buf words = BUF_INIT(SIZE_MAX);
    enum outcome outcome = where_check(where, facts, &words);
    must((words.len == 0) == (outcome == OUTCOME_YES));
    check_words(&words);
    mem_fail_after(1);
    must(where_check(where, facts, NULL) == outcome);
    must(mem_alloc(1) == NULL); /* the one that fails was not used up */
    mem_fail_after(0);
    buf_clear(&words);
    bool counted = where_each_counted(where, facts, on_counted, &words);
    must(where_counts(where) || (counted && words.len == 0));
    check_words(&words);
    buf_release(&words);
}

static void try_where(yyjson_val *object, bool condition, struct problems *problems,
                      const struct facts *facts)
{
    struct constraint_reader reader = {on_problem, problems};
    struct buf words = BUF_INIT(SIZE_MAX);
    uint32_t sources = 0;
    size_t misfits = 0;
    bool nomem;
    problems->n = 0;
    struct where *where = where_new(object, condition, &reader, &nomem);
    must(!nomem && (where == NULL) == (problems->n > 0));
    if (!where)
        return;
    must(where_bind_sources(where, number_source, &sources));
    where_describe(where, &words);
    buf_release(&words);
    must(where_fits(where, facts->arguments, condition, on_misfit, &misfits) == (misfits == 0));
    evaluate(where, facts);
    where_free(where);
}

/* One line as an object; an empty one if it is none. */
static struct json take_object(struct str *text, size_t *ret_len)
{
    struct json json = {NULL, NULL, 0};
    const char *end = memchr(text->ptr, '\n', text->len);
    struct str line = {text->ptr, end ? (size_t)(end - text->ptr) : text->len};
    size_t skip = end ? line.len + 1 : line.len;
    *text = (struct str){text->ptr + skip, text->len - skip};
    *ret_len = line.len;
    if (json_parse(line, JSON_UNIQUE_KEYS, 100, &json, NULL) && yyjson_is_obj(json.root))
        return json;
    json_release(&json);
    must(json_parse(STR("{}"), JSON_UNIQUE_KEYS, 100, &json, NULL));
    return json;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {size ? (const char *)data : "", size};
    struct problems problems;
    size_t len;
    uint64_t blocks = mem_live_blocks();
    problems.json = take_object(&text, &problems.text_len);
    struct json arguments = take_object(&text, &len), context = take_object(&text, &len);
    struct facts facts = {.arguments = arguments.root,
                          .context = context.root,
                          .now = UINT64_C(1781524800000000000),
                          .seen = is_seen};
    try_where(problems.json.root, false, &problems, &facts);
    try_where(problems.json.root, true, &problems, &facts);
    json_release(&problems.json);
    json_release(&arguments);
    json_release(&context);
    must(mem_live_blocks() == blocks);
    return 0;
}
