/* RFC 3339 times, see time_text.h. */
#include "cli/time_text.h"

#include <string.h>

static bool digits(const char **text, int count, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if ((*text)[i] < '0' || (*text)[i] > '9')
            return false;
        value = 10 * value + ((*text)[i] - '0');
    }
    *text += count;
    *ret = value;
    return true;
}

static bool skip(const char **text, const char *any)
{
    if (!**text || !strchr(any, **text))
        return false;
    ++*text;
    return true;
}

/* Days from 1970-01-01, by the rule of leap years: 146,097 in 400 years. */
static int64_t days_from_epoch(int year, int month, int day)
{
    static const int before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year - 1;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return 365 * y + y / 4 - y / 100 + y / 400 + before[month - 1] + (leap && month > 2) + day - 1 -
           719162;
}

static bool read_date(const char **text, int64_t *ret_days)
{
    static const int lengths[12] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!digits(text, 4, &year) || !skip(text, "-") || !digits(text, 2, &month) ||
        !skip(text, "-") || !digits(text, 2, &day))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1])
        return false;
    if (month == 2 && day == 29 && !((year % 4 == 0 && year % 100 != 0) || year % 400 == 0))
        return false;
    *ret_days = days_from_epoch(year, month, day);
    return true;
}

static bool read_offset(const char **text, int64_t *ret_seconds)
{
    int hours, minutes;
    bool west = **text == '-';
    *ret_seconds = 0;
    if (skip(text, "Zz"))
        return true;
    if (!skip(text, "+-") || !digits(text, 2, &hours) || !skip(text, ":") ||
        !digits(text, 2, &minutes))
        return false;
    *ret_seconds = (west ? -1 : 1) * (hours * INT64_C(3600) + minutes * INT64_C(60));
    return hours < 24 && minutes < 60;
}

bool time_parse(const char *text, uint64_t *ret)
{
    int hour = 0, minute = 0, second = 0;
    int64_t days, offset = 0, fraction = 0;
    if (!read_date(&text, &days))
        return false;
    if (*text) {
        if (!skip(&text, "Tt ") || !digits(&text, 2, &hour) || !skip(&text, ":") ||
            !digits(&text, 2, &minute) || !skip(&text, ":") || !digits(&text, 2, &second) ||
            hour > 23 || minute > 59 || second > 59)
            return false;
        if (skip(&text, ".")) {
            int64_t unit = 100000000;
            int digit;
            if (!digits(&text, 1, &digit))
                return false;
            do {
                fraction += digit * unit;
                unit /= 10;
            } while (unit > 0 && digits(&text, 1, &digit));
        }
        if (!read_offset(&text, &offset) || *text)
            return false;
    }
    int64_t seconds = days * 86400 + hour * INT64_C(3600) + minute * INT64_C(60) + second - offset;
    if (seconds < 0 || seconds > (int64_t)(UINT64_MAX / 1000000000) - 1)
        return false;
    *ret = (uint64_t)seconds * 1000000000 + (uint64_t)fraction;
    return true;
}
