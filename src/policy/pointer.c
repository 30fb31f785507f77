/* JSON pointers, see pointer.h.
 *
 * A walk keeps a frame for each "*" that it is under: the element whose turn is next, and how many
 * are left.  What a pointer leads through are different parts of the value, so that all of it is
 * looked at once at most. */
#include "policy/pointer.h"

#include <stdint.h>

#include "base/mem.h"

struct pointer_part {
    struct str name; /* without escapes */
    bool star;
    size_t index; /* SIZE_MAX: cannot be one */
};

/* "0", or digits that do not begin with it. */
static size_t index_of(struct str name)
{
    size_t index = 0;
    if (name.len == 0 || (name.len > 1 && name.ptr[0] == '0'))
        return SIZE_MAX;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9' || __builtin_mul_overflow(index, 10, &index) ||
            __builtin_add_overflow(index, (size_t)(name.ptr[i] - '0'), &index))
            return SIZE_MAX;
    return index;
}

/* From `at` to the next slash, without escapes, to *out; NULL or what is wrong. */
static const char *take_part(struct str text, size_t *at, char **out, struct pointer_part *ret)
{
    char *start = *out;
    size_t from = *at;
    for (; *at < text.len && text.ptr[*at] != '/'; ++*at) {
        char c = text.ptr[*at];
        if (c == '~') {
            char next = ++*at < text.len ? text.ptr[*at] : 0;
            if (next != '0' && next != '1')
                return "in a pointer \"~\" is written \"~0\"";
            c = next == '0' ? '~' : '/';
        }
        *(*out)++ = c;
    }
    ret->name = (struct str){start, (size_t)(*out - start)};
    ret->star = *at - from == 1 && text.ptr[from] == '*';
    ret->index = index_of(ret->name);
    return NULL;
}

/* The names of the parts lie behind them.  `single`: all of the text is one. */
static const char *take_parts(struct pointer *pointer, bool single)
{
    const char *wrong = NULL;
    if (single) {
        pointer->parts[0] = (struct pointer_part){pointer->text, false, SIZE_MAX};
        return NULL;
    }
    char *out = (char *)(pointer->parts + pointer->n);
    for (size_t i = 0, at = 1; i < pointer->n && !wrong; i++, at++)
        wrong = take_part(pointer->text, &at, &out, &pointer->parts[i]);
    return wrong;
}

const char *pointer_parse(struct pointer *ret, struct str text, bool name, bool *ret_nomem)
{
    bool single = name && (text.len == 0 || text.ptr[0] != '/');
    size_t n = single;
    if (!single && text.len && text.ptr[0] != '/')
        return "a pointer begins with \"/\"";
    for (size_t i = 0; i < text.len && !single; i++)
        n += text.ptr[i] == '/';
    if (n > POINTER_PARTS)
        return "the pointer has more than 64 parts";

    struct pointer pointer = {.n = n};
    char *copy = mem_dup(text.ptr, text.len);
    pointer.text = (struct str){copy, text.len};
    pointer.parts = mem_alloc(n * sizeof *pointer.parts + text.len);
    const char *wrong = "out of memory";
    if (!copy || !pointer.parts)
        *ret_nomem = true;
    else
        wrong = take_parts(&pointer, single);
    if (wrong)
        pointer_release(&pointer);
    else
        *ret = pointer;
    return wrong;
}

void pointer_release(struct pointer *pointer)
{
    mem_free((char *)pointer->text.ptr);
    mem_free(pointer->parts);
    *pointer = (struct pointer){{NULL, 0}, 0, NULL};
}

bool pointer_has_star(const struct pointer *pointer)
{
    for (size_t i = 0; i < pointer->n; i++)
        if (pointer->parts[i].star)
            return true;
    return false;
}

bool pointer_part_star(const struct pointer *pointer, size_t i)
{
    return pointer->parts[i].star;
}

struct str pointer_part_name(const struct pointer *pointer, size_t i)
{
    return pointer->parts[i].name;
}

static yyjson_val *step(const struct pointer_part *part, yyjson_val *value)
{
    if (yyjson_is_obj(value))
        return json_get(value, part->name);
    return yyjson_arr_get(value, part->index); /* NULL if it is no list */
}

/* What a "*" goes through. */
struct frame {
    yyjson_val *at;
    size_t left, part;
    bool object;
};

/* Follows parts from *i on up to the end or to a "*". */
static yyjson_val *descend(const struct pointer *pointer, size_t *i, yyjson_val *value)
{
    while (value && *i < pointer->n && !pointer->parts[*i].star)
        value = step(&pointer->parts[(*i)++], value);
    return value;
}

static yyjson_val *next_of(struct frame *frame)
{
    yyjson_val *value = frame->object ? frame->at + 1 : frame->at;
    frame->at = unsafe_yyjson_get_next(value);
    frame->left--;
    return value;
}

bool pointer_each(const struct pointer *pointer, yyjson_val *value,
                  bool (*each)(void *context, yyjson_val *value), void *context, bool *ret_missing)
{
    struct frame frames[POINTER_PARTS];
    size_t depth = 0, i = 0;
    for (;;) {
        value = descend(pointer, &i, value);
        if (value && i == pointer->n) {
            if (!each(context, value))
                return false;
        } else if (value && yyjson_is_ctn(value)) {
            frames[depth++] =
                (struct frame){unsafe_yyjson_get_first(value), unsafe_yyjson_get_len(value), i + 1,
                               yyjson_is_obj(value)};
        } else {
            *ret_missing = true;
        }
        while (depth > 0 && frames[depth - 1].left == 0)
            depth--;
        if (depth == 0)
            return true;
        i = frames[depth - 1].part;
        value = next_of(&frames[depth - 1]);
    }
}

yyjson_val *pointer_get(const struct pointer *pointer, yyjson_val *value)
{
    size_t i = 0;
    value = descend(pointer, &i, value);
    return i == pointer->n ? value : NULL;
}
