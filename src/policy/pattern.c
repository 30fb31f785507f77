/* Patterns of tool names, see pattern.h.
 *
 * "*" in a segment and "**" among segments are searched the same way: what follows the last star is
 * tried at each place in turn, and no star before it is ever tried again. */
#include "policy/pattern.h"

static bool is_separator(char c)
{
    return c == '.' || c == '/' || c == ':';
}

/* The segment that begins at *at; *at is then behind its separator, or beyond the end by one. */
static struct str take_segment(struct str text, size_t *at)
{
    size_t start = *at;
    while (*at < text.len && !is_separator(text.ptr[*at]))
        ++*at;
    return (struct str){text.ptr + start, (*at)++ - start};
}

static bool is_any_number(struct str segment)
{
    return str_equal(segment, STR("**"));
}

bool pattern_valid(struct str pattern)
{
    for (size_t at = 0; at <= pattern.len;) {
        struct str segment = take_segment(pattern, &at);
        if (segment.len == 0)
            return false;
        for (size_t i = 1; i < segment.len && !is_any_number(segment); i++)
            if (segment.ptr[i - 1] == '*' && segment.ptr[i] == '*')
                return false;
    }
    return true;
}

bool pattern_is_open(struct str pattern)
{
    return memchr(pattern.ptr, '*', pattern.len);
}

static bool segment_matches(struct str pattern, struct str segment)
{
    size_t i = 0, j = 0, star = 0, tried = 0; /* behind the last star; where what follows began */
    while (j < segment.len) {
        if (i < pattern.len && pattern.ptr[i] == '*') {
            star = ++i;
            tried = j;
        } else if (i < pattern.len && pattern.ptr[i] == segment.ptr[j]) {
            i++, j++;
        } else if (star) {
            i = star;
            j = ++tried;
        } else {
            return false;
        }
    }
    while (i < pattern.len && pattern.ptr[i] == '*')
        i++;
    return i == pattern.len;
}

bool pattern_matches(struct str pattern, struct str name)
{
    size_t i = 0, j = 0, star = 0, tried = 0;
    while (j <= name.len) {
        size_t next_i = i, next_j = j;
        struct str want = {"", 0}, have = take_segment(name, &next_j);
        if (i <= pattern.len)
            want = take_segment(pattern, &next_i);
        if (is_any_number(want)) {
            star = i = next_i;
            tried = j;
        } else if (i <= pattern.len && segment_matches(want, have)) {
            i = next_i;
            j = next_j;
        } else if (star) {
            take_segment(name, &tried);
            i = star;
            j = tried;
        } else {
            return false;
        }
    }
    while (i <= pattern.len)
        if (!is_any_number(take_segment(pattern, &i)))
            return false;
    return true;
}

bool pattern_or_name(struct str text)
{
    return pattern_is_open(text) ? pattern_valid(text) : text.len > 0;
}

bool pattern_covers(struct str pattern, struct str name)
{
    return str_equal(pattern, name) || (pattern_is_open(pattern) && pattern_matches(pattern, name));
}
