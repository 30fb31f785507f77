/* The form of a log, see chain.h. */
#include "audit/chain.h"

#include <string.h>

#define SEQ_DIGITS 18

static const char time_form[CHAIN_TIME] = /* and no NUL */ "0000-00-00T00:00:00.000000000Z";

struct cursor {
    const char *at, *end;
};

/* ------------------------------------------------------------------ reading */

static bool take_text(struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0)
        return false;
    c->at += len;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number from 1, as it is written by us: no leading zero. */
static bool take_number(struct cursor *c, uint64_t *ret)
{
    uint64_t value = 0;
    int digits = 0;
    while (c->at < c->end && is_digit(*c->at) && digits < SEQ_DIGITS) {
        value = 10 * value + (uint64_t)(*c->at++ - '0');
        if (digits++ == 0 && value == 0)
            return false;
    }
    *ret = value;
    return digits > 0;
}

/* One more than the value of a digit; 0 for what is none. */
static const uint8_t hex_values[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
};

bool chain_from_hex(struct str text, uint8_t *ret, size_t len)
{
    const uint8_t *digits = (const uint8_t *)text.ptr;
    unsigned wrong = 0;
    if (text.len != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned high = hex_values[digits[2 * i]] - 1u, low = hex_values[digits[2 * i + 1]] - 1u;
        wrong |= high | low;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return wrong < 16;
}

/* A string of a member: from here to the next quote. */
static bool take_quoted(struct cursor *c, struct str *ret)
{
    const char *quote = memchr(c->at, '"', (size_t)(c->end - c->at));
    if (!quote)
        return false;
    *ret = (struct str){c->at, (size_t)(quote - c->at)};
    c->at = quote + 1;
    return true;
}

static bool take_hex(struct cursor *c, uint8_t *ret, size_t len)
{
    struct str text;
    return take_quoted(c, &text) && chain_from_hex(text, ret, len);
}

static bool is_time(struct str text)
{
    bool ok = text.len == CHAIN_TIME;
    for (size_t i = 0; ok && i < CHAIN_TIME; i++)
        ok = time_form[i] == '0' ? is_digit(text.ptr[i]) : time_form[i] == text.ptr[i];
    return ok;
}

static bool is_word(struct str text)
{
    bool ok = text.len > 0 && text.len <= 20;
    for (size_t i = 0; ok && i < text.len; i++)
        ok = (text.ptr[i] >= 'a' && text.ptr[i] <= 'z') || text.ptr[i] == '_';
    return ok;
}

static bool take_run(struct cursor *c, struct str *ret)
{
    uint8_t number[CHAIN_RUN / 2];
    *ret = (struct str){"", 0};
    return !take_text(c, ",\"run\":\"") ||
           (take_quoted(c, ret) && chain_from_hex(*ret, number, sizeof number));
}

bool chain_parse(struct str line, struct chain_record *ret)
{
    if (line.len < CHAIN_TAIL)
        return false;
    struct chain_record r = {.line = line};
    struct cursor c = {line.ptr, line.ptr + line.len - CHAIN_TAIL};
    struct cursor tail = {c.end, line.ptr + line.len};
    if (!take_text(&tail, ",\"hash\":\"") || !take_hex(&tail, r.hash, SHA256_SIZE) ||
        !take_text(&tail, "}\n"))
        return false;
    if (!take_text(&c, "{\"seq\":") || !take_number(&c, &r.seq) || !take_text(&c, ",\"time\":\"") ||
        !take_quoted(&c, &r.time) || !is_time(r.time) || !take_text(&c, ",\"type\":\"") ||
        !take_quoted(&c, &r.type) || !is_word(r.type) || !take_run(&c, &r.run) ||
        !take_text(&c, ",\"prev\":\"") || !take_hex(&c, r.prev, SHA256_SIZE))
        return false;
    r.body = (struct str){c.at, (size_t)(c.end - c.at)};
    if (r.body.len > 0 && r.body.ptr[0] != ',')
        return false;
    *ret = r;
    return true;
}

bool chain_sound(const struct chain_record *record)
{
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    sha256_init(&hash);
    sha256_add(&hash, record->line.ptr, record->line.len - CHAIN_TAIL);
    sha256_end(&hash, digest);
    return memcmp(digest, record->hash, SHA256_SIZE) == 0;
}

bool chain_is(const struct chain_record *record, const char *type)
{
    return str_equal(record->type, str_of(type));
}

/* ------------------------------------------------------------------ bodies */

static bool take_torn(struct cursor *c, struct chain_torn *ret)
{
    ret->given = take_text(c, ",\"torn\":");
    return !ret->given || (take_number(c, &ret->bytes) && take_text(c, ",\"torn_sha256\":\"") &&
                           take_hex(c, ret->hash, SHA256_SIZE));
}

static bool take_signature(struct cursor *c, struct chain_signature *ret)
{
    ret->given = take_text(c, ",\"key\":\"");
    return !ret->given ||
           (take_hex(c, ret->key, sizeof ret->key) && take_text(c, ",\"signature\":\"") &&
            take_hex(c, ret->signature, sizeof ret->signature));
}

static struct cursor cursor_of(struct str text)
{
    return (struct cursor){text.ptr, text.ptr + text.len};
}

bool chain_parse_log(struct str body, struct chain_log *ret)
{
    struct cursor c = cursor_of(body);
    struct str id;
    uint8_t number[CHAIN_LOG / 2];
    if (!take_text(&c, ",\"version\":1,\"file\":") || !take_number(&c, &ret->file) ||
        !take_text(&c, ",\"log\":\"") || !take_quoted(&c, &id) ||
        !chain_from_hex(id, number, sizeof number) || !take_torn(&c, &ret->torn))
        return false;
    memcpy(ret->id, id.ptr, CHAIN_LOG);
    ret->id[CHAIN_LOG] = 0;
    return c.at == c.end;
}

bool chain_parse_torn(struct str body, struct chain_torn *ret)
{
    struct cursor c = cursor_of(body);
    return take_torn(&c, ret) && ret->given && c.at == c.end;
}

bool chain_parse_signature(struct str body, struct chain_signature *ret)
{
    struct cursor c = cursor_of(body);
    return take_signature(&c, ret) && ret->given && c.at == c.end;
}

bool chain_parse_rotate(struct str body, struct chain_rotate *ret)
{
    struct cursor c = cursor_of(body);
    return take_text(&c, ",\"file\":") && take_number(&c, &ret->file) &&
           take_signature(&c, &ret->signature) && c.at == c.end;
}

/* ------------------------------------------------------------------ writing */

void chain_to_hex(const uint8_t *data, size_t len, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        ret[2 * i] = digits[data[i] >> 4];
        ret[2 * i + 1] = digits[data[i] & 15];
    }
}

static char *put_text(char *to, struct str text)
{
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

static char *put_digits(char *to, uint64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        to[i] = (char)('0' + value % 10);
    return to + width;
}

static int width_of(uint64_t value)
{
    int width = 1;
    while (value >= 10) {
        value /= 10;
        width++;
    }
    return width;
}

/* Year, month and day from days since 1970: years begin in March here, so that the day that some of
 * them have more is the last. */
static void split_days(uint64_t days, uint64_t *year, uint64_t *month, uint64_t *day)
{
    uint64_t z = days + 719468, era = z / 146097, of_era = z % 146097;
    uint64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2);
}

void chain_put_time(char room[CHAIN_TIME], uint64_t time)
{
    uint64_t second = time / 1000000000, of_day = second % 86400, year, month, day;
    split_days(second / 86400, &year, &month, &day);
    put_text(room, (struct str){time_form, CHAIN_TIME});
    put_digits(room, year, 4);
    put_digits(room + 5, month, 2);
    put_digits(room + 8, day, 2);
    put_digits(room + 11, of_day / 3600, 2);
    put_digits(room + 14, of_day / 60 % 60, 2);
    put_digits(room + 17, of_day % 60, 2);
    put_digits(room + 20, time % 1000000000, 9);
}

static uint64_t number_at(const char *digits, int width)
{
    uint64_t value = 0;
    for (int i = 0; i < width; i++)
        value = 10 * value + (uint64_t)(digits[i] - '0');
    return value;
}

uint64_t chain_time(const struct chain_record *record)
{
    const char *t = record->time.ptr;
    uint64_t year = number_at(t, 4), month = number_at(t + 5, 2), day = number_at(t + 8, 2);
    if (year < 1970 || year > 2553 || month < 1 || month > 12)
        return 0;
    uint64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    uint64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
    uint64_t seconds = days * 86400 + number_at(t + 11, 2) * 3600 + number_at(t + 14, 2) * 60 +
                       number_at(t + 17, 2);
    return seconds * 1000000000 + number_at(t + 20, 9);
}

static char *put_hex(char *to, const uint8_t *data, size_t len)
{
    chain_to_hex(data, len, to);
    return to + 2 * len;
}

size_t chain_put_head(char room[CHAIN_HEAD_MAX], uint64_t seq, uint64_t time, const char *type,
                      struct str run, const uint8_t prev[SHA256_SIZE])
{
    char *to = put_text(room, STR("{\"seq\":"));
    to = put_digits(to, seq, width_of(seq));
    to = put_text(to, STR(",\"time\":\""));
    chain_put_time(to, time);
    to = put_text(to + CHAIN_TIME, STR("\",\"type\":\""));
    to = put_text(to, str_of(type));
    if (run.len > 0) {
        to = put_text(to, STR("\",\"run\":\""));
        to = put_text(to, run);
    }
    to = put_text(to, STR("\",\"prev\":\""));
    to = put_hex(to, prev, SHA256_SIZE);
    *to++ = '"';
    return (size_t)(to - room);
}

void chain_put_tail(char room[CHAIN_TAIL], const uint8_t hash[SHA256_SIZE])
{
    char *to = put_text(room, STR(",\"hash\":\""));
    put_text(put_hex(to, hash, SHA256_SIZE), STR("\"}\n"));
}

size_t chain_signed(char room[CHAIN_SIGNED_MAX], const uint8_t hash[SHA256_SIZE])
{
    char *to = put_text(room, STR("capful audit head "));
    return (size_t)(put_hex(to, hash, SHA256_SIZE) - room);
}

/* ------------------------------------------------------------------ the ends of a file */

static bool is_marked(struct str line)
{
    size_t n = sizeof TORN_MARK - 1;
    return line.len >= n && memcmp(line.ptr + line.len - n, TORN_MARK, n) == 0;
}

/* Where the line begins whose last byte stands before `end`; SIZE_MAX: before the window. */
static size_t line_start(struct str window, size_t end, bool whole)
{
    const char *newline = memrchr(window.ptr, '\n', end - 1);
    return newline ? (size_t)(newline - window.ptr) + 1 : whole ? 0 : SIZE_MAX;
}

enum tail_answer tail_find(struct str window, bool whole, struct tail *ret)
{
    size_t end = window.len;
    *ret = (struct tail){.open = end > 0 && window.ptr[end - 1] != '\n'};
    while (end > 0) {
        size_t start = line_start(window, end, whole);
        if (start == SIZE_MAX)
            return TAIL_MORE;
        struct str line = {window.ptr + start, end - start};
        bool open = ret->open && end == window.len;
        if (!open && !is_marked(line)) {
            ret->has_record = chain_parse(line, &ret->record) && chain_sound(&ret->record);
            ret->torn = window.len - end;
            return ret->has_record ? TAIL_FOUND : TAIL_DAMAGED;
        }
        end = start;
    }
    ret->torn = window.len;
    return whole ? TAIL_FOUND : TAIL_MORE;
}

bool chain_first(struct str window, struct chain_record *ret, struct chain_log *ret_log)
{
    struct str rest = window;
    for (;;) {
        const char *newline = memchr(rest.ptr, '\n', rest.len);
        if (!newline)
            return false;
        struct str line = {rest.ptr, (size_t)(newline - rest.ptr) + 1};
        if (!is_marked(line))
            return chain_parse(line, ret) && chain_is(ret, "log") &&
                   chain_parse_log(ret->body, ret_log);
        rest = (struct str){line.ptr + line.len, rest.len - line.len};
    }
}
