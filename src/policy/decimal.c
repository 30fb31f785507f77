/* Exact decimals, see decimal.h. */
#include "policy/decimal.h"

#include <stdio.h>

#define SATURATED INT64_C(1000000000000000) /* longer than any text */

/* What stands behind the "e". */
static int64_t read_exponent(const char *at, const char *end)
{
    bool negative = *at == '-';
    int64_t exponent = 0;
    if (*at == '-' || *at == '+')
        at++;
    for (; at < end; at++)
        if (exponent < SATURATED)
            exponent = exponent * 10 + (*at - '0');
    return negative ? -exponent : exponent;
}

static int64_t power_of(const char *digit, const char *point)
{
    return digit < point ? point - digit - 1 : point - digit;
}

void decimal_read(struct decimal *ret, struct str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len, *point = NULL;
    int64_t exponent = 0;
    *ret = (struct decimal){.sign = 0};
    if (*at == '-')
        at++;
    bool negative = at > text.ptr;
    for (; at < end && (*at | 0x20) != 'e'; at++) {
        if (*at == '.') {
            point = at;
        } else if (*at != '0') {
            if (!ret->first)
                ret->first = at;
            ret->end = at + 1;
        }
    }
    if (!point)
        point = at;
    if (at < end)
        exponent = read_exponent(at + 1, end);
    ret->judged = exponent <= DECIMAL_EXPONENT && exponent >= -DECIMAL_EXPONENT;
    if (!ret->first)
        return;
    ret->sign = negative ? -1 : 1;
    ret->top = power_of(ret->first, point) + exponent;
    ret->low = power_of(ret->end - 1, point) + exponent;
}

/* Of the digits alone, beginning at the same power of ten. */
static int compare_digits(const struct decimal *a, const struct decimal *b)
{
    const char *x = a->first, *y = b->first;
    while (x < a->end && y < b->end) {
        /* The last digit is not 0, so one follows a point. */
        x += *x == '.';
        y += *y == '.';
        if (*x != *y)
            return *x - *y;
        x++, y++;
    }
    return (x < a->end) - (y < b->end);
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->sign != b->sign || a->sign == 0)
        return a->sign - b->sign;
    int order = a->top != b->top ? (a->top < b->top ? -1 : 1) : compare_digits(a, b);
    return a->sign * order;
}

bool decimal_is_whole(const struct decimal *number)
{
    return number->low >= 0;
}

bool decimal_fixed18(const struct decimal *number, fixed18 *ret)
{
    fixed18 value = 0;
    if (!number->judged || number->sign < 0 || number->top >= 18 || number->low < -18)
        return false;
    for (const char *at = number->first; at < number->end; at++)
        if (*at != '.')
            value = value * 10 + (fixed18)(*at - '0');
    for (int64_t power = -18; power < number->low && value; power++)
        value *= 10;
    *ret = value;
    return true;
}

void fixed18_write(fixed18 number, struct buf *out)
{
    const uint64_t unit = UINT64_C(1000000000000000000);
    char text[64];
    fixed18 whole = number / unit;
    int len;
    /* The whole part can have 21 digits. */
    if (whole < unit)
        len = snprintf(text, sizeof text, "%llu", (unsigned long long)whole);
    else
        len = snprintf(text, sizeof text, "%llu%018llu", (unsigned long long)(whole / unit),
                       (unsigned long long)(whole % unit));
    len += snprintf(text + len, sizeof text - (size_t)len, ".%018llu",
                    (unsigned long long)(number % unit));
    while (text[len - 1] == '0')
        len--;
    if (text[len - 1] == '.')
        len--;
    buf_add(out, text, (size_t)len);
}
