/* Exact reading of quantities, see number.h. */
#include "base/number.h"

#include <stddef.h>

struct scale {
    const char *name;
    uint64_t factor;
};

static const struct scale time_scales[] = {
    {"", UINT64_C(1000000000)},
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},
    {"ms", 1000000},
    {"s", UINT64_C(1000000000)},
    {"m", UINT64_C(60000000000)},
    {"min", UINT64_C(60000000000)},
    {"h", UINT64_C(3600000000000)},
    {"d", UINT64_C(86400000000000)},
    {NULL, 0},
};
static const struct scale byte_scales[] = {
    {"", 1},
    {"B", 1},
    {"K", UINT64_C(1) << 10},
    {"k", UINT64_C(1) << 10},
    {"KiB", UINT64_C(1) << 10},
    {"kB", 1000},
    {"KB", 1000},
    {"M", UINT64_C(1) << 20},
    {"MiB", UINT64_C(1) << 20},
    {"MB", 1000000},
    {"G", UINT64_C(1) << 30},
    {"GiB", UINT64_C(1) << 30},
    {"GB", UINT64_C(1000000000)},
    {"T", UINT64_C(1) << 40},
    {"TiB", UINT64_C(1) << 40},
    {"TB", UINT64_C(1000000000000)},
    {NULL, 0},
};
static const struct scale plain_scales[] = {{"", 1}, {NULL, 0}};

static const char *const unknown_unit[] = {
    [NUMBER_NS] = "the unit is not one of ns, us, ms, s, m, h, d",
    [NUMBER_BYTES] = "the unit is not one of B, K, M, G, T, KiB, MiB, GiB, TiB, kB, MB, GB, TB",
    [NUMBER_COUNT] = "a count has no unit",
};
static const char *const not_whole[] = {
    [NUMBER_NS] = "not a whole number of nanoseconds",
    [NUMBER_BYTES] = "not a whole number of bytes",
    [NUMBER_COUNT] = "not a whole number",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 0.digits * factor, which must be whole. */
static bool add_fraction(struct str digits, uint64_t factor, uint64_t *value)
{
    while (digits.len && digits.ptr[digits.len - 1] == '0')
        digits.len--;
    /* Each factor divides by 10 at most 12 times and by 2 at most 40 times more. */
    if (digits.len > 60)
        return false;
    /* Long multiplication, digit by digit from the last: what is carried out of the first is the
     * whole part, and what stays behind must be zero. */
    uint8_t rest[60];
    uint64_t carry = 0;
    for (size_t i = digits.len; i-- > 0;) {
        unsigned __int128 product =
            (unsigned __int128)(unsigned)(digits.ptr[i] - '0') * factor + carry;
        rest[i] = (uint8_t)(product % 10);
        carry = (uint64_t)(product / 10);
    }
    for (size_t i = 0; i < digits.len; i++)
        if (rest[i])
            return false;
    return !__builtin_add_overflow(*value, carry, value);
}

const char *number_parse(struct str text, enum number_unit unit, uint64_t *ret)
{
    if (str_equal(text, STR("unlimited"))) {
        *ret = UINT64_MAX;
        return NULL;
    }
    size_t at = 0;
    while (at < text.len && is_digit(text.ptr[at]))
        at++;
    if (at == 0)
        return text.len && text.ptr[0] == '-' ? "must not be negative" : "not a number";
    struct str whole = {text.ptr, at}, fraction = {text.ptr, 0};
    if (at < text.len && text.ptr[at] == '.') {
        size_t start = ++at;
        while (at < text.len && is_digit(text.ptr[at]))
            at++;
        if (at == start)
            return "not a number";
        fraction = (struct str){text.ptr + start, at - start};
    }
    if (at + 1 < text.len && text.ptr[at] == ' ')
        at++;
    struct str name = {text.ptr + at, text.len - at};
    const struct scale *scale = unit == NUMBER_NS      ? time_scales
                                : unit == NUMBER_BYTES ? byte_scales
                                                       : plain_scales;
    // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): each table ends with a NULL
    while (scale->name && !str_equal(str_of(scale->name), name))
        scale++;
    if (!scale->name)
        return unknown_unit[unit];

    uint64_t value = 0;
    for (size_t i = 0; i < whole.len; i++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(whole.ptr[i] - '0'), &value))
            return "too large";
    if (__builtin_mul_overflow(value, scale->factor, &value))
        return "too large";
    if (!add_fraction(fraction, scale->factor, &value))
        return not_whole[unit];
    if (value == UINT64_MAX)
        return "too large";
    *ret = value;
    return NULL;
}
