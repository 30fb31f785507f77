/* Checking and reading JSON, see json.h.
 *
 * json_check is a machine of five states with one bit of stack a level:
 *
 *     VALUE ──scalar──> AFTER ──','──> VALUE or KEY          FIRST: VALUE, or the list ends at once
 *       │ '[' push         │ ']' '}' pop                     KEY, FIRST_KEY: likewise in objects
 *       └─────────> FIRST  └──> AFTER, or the end
 */
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/utf8.h"

enum state { VALUE, FIRST, KEY, FIRST_KEY, AFTER };

struct scanner {
    const unsigned char *at, *start, *end;
    bool relaxed;
    size_t values;
    unsigned depth, max_depth;
    uint64_t is_object[JSON_MAX_DEPTH / 64];
    struct json_problem *problem;
};

__attribute__((format(printf, 3, 4))) static bool fail_at(struct json_problem *problem,
                                                          size_t offset, const char *format, ...)
{
    if (problem) {
        va_list args;
        va_start(args, format);
        problem->offset = offset;
        problem->nomem = false;
        vsnprintf(problem->text, sizeof problem->text, format, args);
        va_end(args);
    }
    return false;
}

static bool fail(struct scanner *s, const char *what)
{
    return fail_at(s->problem, (size_t)(s->at - s->start), "%s", what);
}

static bool fail_here(struct scanner *s, const char *wanted)
{
    size_t offset = (size_t)(s->at - s->start);
    if (s->at == s->end)
        return fail_at(s->problem, offset, "the text ends where %s should be", wanted);
    uint32_t code = 0;
    size_t n = utf8_next((const char *)s->at, (size_t)(s->end - s->at), &code);
    if (n == 0)
        return fail_at(s->problem, offset, "not UTF-8");
    if (code < 0x20 || code == 0x7f)
        return fail_at(s->problem, offset, "control character U+%04X where %s should be",
                       (unsigned)code, wanted);
    return fail_at(s->problem, offset, "'%.*s' where %s should be", (int)n, (const char *)s->at,
                   wanted);
}

/* White space, and comments where they are allowed. */
static bool skip(struct scanner *s)
{
    for (;;) {
        while (s->at < s->end &&
               (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
            s->at++;
        if (s->at == s->end || *s->at != '/')
            return true;
        if (!s->relaxed)
            return fail(s, "comments are not allowed here");
        const unsigned char *open = s->at;
        if (s->end - s->at < 2 || (s->at[1] != '/' && s->at[1] != '*'))
            return fail(s, "'/' begins no comment");
        bool line = s->at[1] == '/';
        s->at += 2;
        for (;;) {
            if (s->at == s->end) {
                if (line)
                    return true;
                s->at = open;
                return fail(s, "the comment is never closed");
            }
            if (line && *s->at == '\n')
                break;
            if (!line && *s->at == '*' && s->end - s->at > 1 && s->at[1] == '/') {
                s->at += 2;
                break;
            }
            size_t n =
                *s->at < 0x80 ? 1 : utf8_next((const char *)s->at, (size_t)(s->end - s->at), NULL);
            if (n == 0)
                return fail(s, "not UTF-8");
            s->at += n;
        }
    }
}

static int hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits behind "\u"; -1 if they are not there. */
static int32_t unicode_escape(const unsigned char *at, const unsigned char *end)
{
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return -1;
    int32_t code = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        code = code << 4 | digit;
    }
    return code;
}

static bool check_escape(struct scanner *s)
{
    if (s->end - s->at < 2)
        return fail(s, "the text is never closed");
    unsigned char c = s->at[1];
    if (c != 'u') {
        // NOLINTNEXTLINE(bugprone-not-null-terminated-result): NUL is not among them
        if (!memchr("\"\\/bfnrt", c, 8))
            return fail(s, "unknown escape");
        s->at += 2;
        return true;
    }
    int32_t code = unicode_escape(s->at, s->end);
    if (code < 0)
        return fail(s, "\\u without four hexadecimal digits");
    if (code >= 0xdc00 && code <= 0xdfff)
        return fail(s, "half of a surrogate pair");
    if (code >= 0xd800 && code <= 0xdbff) {
        int32_t low = unicode_escape(s->at + 6, s->end);
        if (low < 0xdc00 || low > 0xdfff)
            return fail(s, "half of a surrogate pair");
        s->at += 6;
    }
    s->at += 6;
    return true;
}

/* Eight bytes at a time over what needs no look: true if one of them is a quote, a backslash, a
 * control character or not ASCII. */
static bool word_is_special(const unsigned char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t w;
    memcpy(&w, at, sizeof w);
    uint64_t quote = w ^ ones * '"', back = w ^ ones * '\\';
    uint64_t found = ((quote - ones) & ~quote) | ((back - ones) & ~back) | (w - ones * 0x20) | w;
    return (found & tops) != 0;
}

static bool check_string(struct scanner *s)
{
    const unsigned char *open = s->at++;
    for (;;) {
        while (s->end - s->at >= 8 && !word_is_special(s->at))
            s->at += 8;
        if (s->at == s->end) {
            s->at = open;
            return fail(s, "the text is never closed");
        }
        unsigned char c = *s->at;
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c == '\\') {
            if (!check_escape(s))
                return false;
        } else if (c < 0x20) {
            return fail(s, "a control character in a string must be escaped");
        } else if (c < 0x80) {
            s->at++;
        } else {
            size_t n = utf8_next((const char *)s->at, (size_t)(s->end - s->at), NULL);
            if (n == 0)
                return fail(s, "not UTF-8");
            s->at += n;
        }
    }
}

static bool digits(struct scanner *s)
{
    const unsigned char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > from;
}

static bool check_number(struct scanner *s)
{
    if (*s->at == '-')
        s->at++;
    const unsigned char *first = s->at;
    if (!digits(s))
        return fail_here(s, "a digit");
    if (*first == '0' && s->at - first > 1) {
        s->at = first;
        return fail(s, "a number must not begin with 0");
    }
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!digits(s))
            return fail_here(s, "a digit");
    }
    if (s->at < s->end && (*s->at | 0x20) == 'e') {
        s->at++;
        if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
            s->at++;
        if (!digits(s))
            return fail_here(s, "a digit");
    }
    return true;
}

static bool check_word(struct scanner *s, const char *word, size_t len)
{
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return fail_here(s, "a value");
    s->at += len;
    return true;
}

static bool top_is_object(const struct scanner *s)
{
    unsigned level = s->depth - 1;
    return s->is_object[level / 64] >> (level % 64) & 1;
}

static bool push(struct scanner *s, bool object)
{
    if (s->depth == s->max_depth)
        return fail_at(s->problem, (size_t)(s->at - s->start), "deeper than %u levels",
                       s->max_depth);
    uint64_t bit = UINT64_C(1) << (s->depth % 64);
    if (object)
        s->is_object[s->depth / 64] |= bit;
    else
        s->is_object[s->depth / 64] &= ~bit;
    s->depth++;
    s->at++;
    return true;
}

static bool check_value(struct scanner *s, enum state *ret_next)
{
    *ret_next = AFTER;
    s->values++;
    if (s->at == s->end)
        return fail_here(s, "a value");
    switch (*s->at) {
    case '{': *ret_next = FIRST_KEY; return push(s, true);
    case '[': *ret_next = FIRST; return push(s, false);
    case '"': return check_string(s);
    case 't': return check_word(s, "true", 4);
    case 'f': return check_word(s, "false", 5);
    case 'n': return check_word(s, "null", 4);
    default:
        if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
            return check_number(s);
        return fail_here(s, "a value");
    }
}

static bool check_key(struct scanner *s)
{
    if (s->at == s->end || *s->at != '"')
        return fail_here(s, "a key in quotes");
    s->values++;
    if (!check_string(s) || !skip(s))
        return false;
    if (s->at == s->end || *s->at != ':')
        return fail_here(s, "':'");
    s->at++;
    return true;
}

/* Takes the bracket that closes what was opened last, if it stands here. */
static bool take_close(struct scanner *s, unsigned char bracket, enum state *state)
{
    if (s->at == s->end || *s->at != bracket)
        return false;
    s->at++;
    s->depth--;
    *state = AFTER;
    return true;
}

static bool check_after(struct scanner *s, enum state *state)
{
    bool object = top_is_object(s);
    if (s->at < s->end && *s->at == ',') {
        s->at++;
        *state = object ? KEY : VALUE;
        return true;
    }
    return take_close(s, object ? '}' : ']', state) ||
           fail_here(s, object ? "',' or '}'" : "',' or ']'");
}

/* From one token to the next: a value, a key with its value, or what follows a value. */
static bool check_step(struct scanner *s, enum state *state)
{
    switch (*state) {
    case FIRST:
    case VALUE: {
        bool may_close = *state == FIRST || (s->relaxed && s->depth > 0 && !top_is_object(s));
        return (may_close && take_close(s, ']', state)) || check_value(s, state);
    }
    case FIRST_KEY:
    case KEY: {
        bool may_close = *state == FIRST_KEY || s->relaxed;
        return (may_close && take_close(s, '}', state)) ||
               (check_key(s) && skip(s) && check_value(s, state));
    }
    case AFTER: return check_after(s, state);
    }
    return false;
}

bool json_check(struct str text, unsigned flags, unsigned depth, size_t *ret_values,
                struct json_problem *problem)
{
    struct scanner s = {.start = (const unsigned char *)text.ptr,
                        .relaxed = flags & JSON_RELAXED,
                        .max_depth = depth < JSON_MAX_DEPTH ? depth : JSON_MAX_DEPTH,
                        .problem = problem};
    s.at = s.start;
    s.end = s.start + text.len;
    if (s.relaxed && text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        s.at += 3;

    enum state state = VALUE;
    do {
        if (!skip(&s) || !check_step(&s, &state))
            return false;
    } while (state != AFTER || s.depth > 0);
    if (!skip(&s))
        return false;
    if (s.at < s.end)
        return fail_here(&s, "the end");
    if (ret_values)
        *ret_values = s.values;
    return true;
}

/* ------------------------------------------------------------------ trees */

static void *alc_alloc(void *context, size_t size)
{
    (void)context;
    return mem_alloc(size);
}

static void *alc_resize(void *context, void *memory, size_t old_size, size_t size)
{
    (void)context, (void)old_size;
    return mem_resize(memory, size);
}

static void alc_free(void *context, void *memory)
{
    (void)context;
    mem_free(memory);
}

static const yyjson_alc allocator = {alc_alloc, alc_resize, alc_free, NULL};

const yyjson_alc *json_allocator(void)
{
    return &allocator;
}

static bool no_memory(struct json_problem *problem)
{
    fail_at(problem, 0, "out of memory");
    if (problem)
        problem->nomem = true;
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    yyjson_val *x = *(yyjson_val *const *)a, *y = *(yyjson_val *const *)b;
    size_t x_len = yyjson_get_len(x), y_len = yyjson_get_len(y);
    if (x_len != y_len)
        return x_len < y_len ? -1 : 1;
    int order = memcmp(yyjson_get_str(x), yyjson_get_str(y), x_len);
    if (order)
        return order;
    /* Equal keys in the order of the text, so that the second is the one to complain about. */
    return x < y ? -1 : x > y;
}

/* The second of two equal keys, or NULL. Few keys are compared with each other, many are sorted. */
static bool find_duplicate(yyjson_val *object, yyjson_val **ret)
{
    size_t count = yyjson_obj_size(object), n = 0;
    yyjson_val *few[16], **keys = few;
    if (count > 16) {
        keys = mem_array(count, sizeof *keys);
        if (!keys)
            return false;
    }
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(object, &iter);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));)
        keys[n++] = key;
    *ret = NULL;
    if (count <= 16) {
        for (size_t i = 1; i < n && !*ret; i++)
            for (size_t j = 0; j < i && !*ret; j++)
                if (str_equal(json_str(keys[i]), json_str(keys[j])))
                    *ret = keys[i];
    } else {
        qsort(keys, n, sizeof *keys, compare_keys);
        for (size_t i = 1; i < n; i++)
            if (str_equal(json_str(keys[i - 1]), json_str(keys[i])) && (!*ret || keys[i] < *ret))
                *ret = keys[i];
        mem_free(keys);
    }
    return true;
}

/* Values lie in the document in the order of the text, one after the other. */
static bool check_unique(const struct json *json, struct json_problem *problem)
{
    size_t count = yyjson_doc_get_val_count(json->doc);
    for (yyjson_val *value = json->root; count > 0; value++, count--) {
        yyjson_val *twice;
        if (!yyjson_is_obj(value))
            continue;
        if (!find_duplicate(value, &twice))
            return no_memory(problem);
        if (twice) {
            struct str key = json_str(twice);
            return fail_at(problem, json_offset(json, twice), "the key \"%.*s\" stands here twice",
                           (int)(key.len < 100 ? key.len : 100), key.ptr);
        }
    }
    return true;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* Behind the quote that closes the string at `at`; NULL if there is none. */
static const char *skip_string(const char *at, const char *end)
{
    at++;
    while (at < end && *at != '"')
        at += *at == '\\' ? 2 : 1;
    return at < end ? at + 1 : NULL;
}

bool json_flat_unique(struct str text)
{
    const char *at = text.ptr, *end = at + text.len;
    struct str keys[16];
    size_t n = 0;
    at = skip_blanks(at, end);
    if (at == end || *at != '{')
        return false;
    for (;;) {
        at = skip_blanks(at + 1, end);
        if (at < end && *at == '}')
            return true;
        const char *close = at < end && *at == '"' ? skip_string(at, end) : NULL;
        if (!close || n == sizeof keys / sizeof keys[0])
            return false;
        struct str key = {at + 1, (size_t)(close - at) - 2};
        if (memchr(key.ptr, '\\', key.len))
            return false;
        for (size_t i = 0; i < n; i++)
            if (str_equal(keys[i], key))
                return false;
        keys[n++] = key;
        at = skip_blanks(close, end);
        at = at < end && *at == ':' ? skip_blanks(at + 1, end) : end;
        if (at < end && *at == '"')
            at = skip_string(at, end);
        while (at && at < end && *at != ',' && *at != '}') {
            if (*at == '{' || *at == '[')
                return false;
            at++;
        }
        if (!at || at == end)
            return false;
        if (*at == '}')
            return true;
    }
}

bool json_parse(struct str text, unsigned flags, unsigned depth, struct json *ret,
                struct json_problem *problem)
{
    size_t skipped = 0;
    if (!(flags & JSON_CHECKED) && !json_check(text, flags, depth, NULL, problem))
        return false;
    if ((flags & JSON_RELAXED) && text.len >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        skipped = 3;
    yyjson_read_flag read = YYJSON_READ_NUMBER_AS_RAW;
    if (flags & JSON_RELAXED)
        read |= YYJSON_READ_ALLOW_COMMENTS | YYJSON_READ_ALLOW_TRAILING_COMMAS;
    yyjson_read_err err;
    struct json json = {NULL, NULL, skipped};
    json.doc =
        yyjson_read_opts((char *)text.ptr + skipped, text.len - skipped, read, &allocator, &err);
    if (!json.doc) {
        if (err.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return no_memory(problem);
        return fail_at(problem, err.pos + skipped, "%s", err.msg);
    }
    json.root = yyjson_doc_get_root(json.doc);
    if ((flags & JSON_UNIQUE_KEYS) && !check_unique(&json, problem)) {
        json_release(&json);
        return false;
    }
    *ret = json;
    return true;
}

void json_release(struct json *json)
{
    yyjson_doc_free(json->doc);
    *json = (struct json){NULL, NULL, 0};
}

size_t json_offset(const struct json *json, yyjson_val *value)
{
    const char *pool = json->doc->str_pool;
    if (!pool || !value || !(yyjson_is_str(value) || yyjson_is_raw(value)))
        return SIZE_MAX;
    size_t offset = (size_t)(value->uni.str - pool) + json->skipped;
    return yyjson_is_str(value) ? offset - 1 : offset;
}

size_t json_offset_or(const struct json *json, yyjson_val *value, size_t otherwise)
{
    size_t offset = json_offset(json, value);
    return offset == SIZE_MAX ? otherwise : offset;
}

void json_place(struct str text, size_t offset, int *ret_line, int *ret_column)
{
    if (offset > text.len)
        offset = text.len;
    int line = 1;
    size_t start = 0;
    for (size_t i = 0; i < offset; i++)
        if (text.ptr[i] == '\n') {
            line++;
            start = i + 1;
        }
    if (start == 0 && offset >= 3 && memcmp(text.ptr, "\xef\xbb\xbf", 3) == 0)
        start = 3;
    *ret_line = line;
    *ret_column = (int)(offset - start) + 1;
}

const char *json_kind(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return "a string";
    if (yyjson_is_raw(value) || yyjson_is_num(value))
        return "a number";
    if (yyjson_is_bool(value))
        return "true or false";
    if (yyjson_is_arr(value))
        return "a list";
    return yyjson_is_obj(value) ? "an object" : "null";
}

yyjson_val *json_get(yyjson_val *object, struct str key)
{
    return yyjson_obj_getn(object, key.ptr, key.len);
}

bool json_uint(yyjson_val *value, uint64_t *ret)
{
    if (!yyjson_is_raw(value))
        return false;
    struct str digits = json_str(value);
    uint64_t number = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = digits.ptr[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(c - '0'), &number))
            return false;
    }
    *ret = number;
    return true;
}

char *json_write(yyjson_val *value, size_t *ret_len)
{
    size_t len;
    char *text = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &allocator, &len, NULL);
    if (text)
        *ret_len = len;
    return text;
}
