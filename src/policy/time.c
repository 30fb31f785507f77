/* Dates and times, see time.h. */
#include "policy/time.h"

#define SECOND ((moment)1000000000)

struct cursor {
    const char *at, *end;
};

static bool take_char(struct cursor *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Exactly n digits. */
static bool take_digits(struct cursor *in, int n, int *ret)
{
    int value = 0;
    for (; n > 0; n--, in->at++) {
        if (in->at == in->end || !is_digit(*in->at))
            return false;
        value = value * 10 + (*in->at - '0');
    }
    *ret = value;
    return true;
}

static int days_in(int year, int month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970.  The year is counted from March, so that the day that leap years have is its
 * last. */
static int64_t days_since(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 719469;
}

static bool take_date(struct cursor *in, int64_t *ret_days)
{
    int year, month, day;
    if (!take_digits(in, 4, &year) || !take_char(in, '-') || !take_digits(in, 2, &month) ||
        !take_char(in, '-') || !take_digits(in, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in(year, month))
        return false;
    *ret_days = days_since(year, month, day);
    return true;
}

/* One to nine digits behind the point; ns. */
static bool take_fraction(struct cursor *in, int *ret)
{
    int value = 0, n = 0;
    for (; in->at < in->end && is_digit(*in->at) && n < 9; in->at++, n++)
        value = value * 10 + (*in->at - '0');
    if (n == 0)
        return false;
    for (; n < 9; n++)
        value *= 10;
    *ret = value;
    return true;
}

/* Minutes. */
static bool take_offset(struct cursor *in, int *ret)
{
    int hours, minutes;
    *ret = 0;
    if (take_char(in, 'Z'))
        return true;
    bool east = take_char(in, '+');
    if (!east && !take_char(in, '-'))
        return false;
    if (!take_digits(in, 2, &hours) || !take_char(in, ':') || !take_digits(in, 2, &minutes) ||
        hours > 23 || minutes > 59)
        return false;
    *ret = east ? hours * 60 + minutes : -(hours * 60 + minutes);
    return true;
}

bool time_read(struct str text, moment *ret)
{
    struct cursor in = {text.ptr, text.ptr + text.len};
    int64_t days;
    int hour, minute, second, ns = 0, offset;
    if (!take_date(&in, &days))
        return false;
    moment midnight = (moment)days * 86400 * SECOND;
    if (in.at == in.end) {
        *ret = midnight;
        return true;
    }
    if (!take_char(&in, 'T') || !take_digits(&in, 2, &hour) || !take_char(&in, ':') ||
        !take_digits(&in, 2, &minute) || !take_char(&in, ':') || !take_digits(&in, 2, &second) ||
        hour > 23 || minute > 59 || second > 59)
        return false;
    if (take_char(&in, '.') && !take_fraction(&in, &ns))
        return false;
    if (!take_offset(&in, &offset) || in.at < in.end)
        return false;
    *ret = midnight + (moment)((hour * 60 + minute - offset) * 60 + second) * SECOND + ns;
    return true;
}

const char *time_read_now(struct str text, moment *ret)
{
    static const char form[] =
        "not a time such as \"2026-03-01\", \"2026-03-01T12:00:00Z\", \"now\" or \"now+7d\"";
    struct cursor in = {text.ptr, text.ptr + text.len};
    uint64_t n = 0;
    if (text.len < 3 || memcmp(text.ptr, "now", 3) != 0)
        return form;
    in.at += 3;
    *ret = 0;
    if (in.at == in.end)
        return NULL;
    bool later = take_char(&in, '+');
    if (!later && !take_char(&in, '-'))
        return form;
    const char *digits = in.at;
    for (; in.at < in.end && is_digit(*in.at); in.at++)
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*in.at - '0'), &n))
            return "the number is too large";
    if (in.at == digits)
        return form;
    int seconds = take_char(&in, 's')   ? 1
                  : take_char(&in, 'm') ? 60
                  : take_char(&in, 'h') ? 3600
                  : take_char(&in, 'd') ? 86400
                                        : 0;
    if (seconds == 0 || in.at < in.end)
        return form;
    moment distance = (moment)n * seconds * SECOND;
    *ret = later ? distance : -distance;
    return NULL;
}
