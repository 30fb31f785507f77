/* Equality and keys of values, see value.h.
 *
 * Both go down a value by recursion, VALUE_DEPTH levels at most, and look at each part once, but
 * for the members of objects: what stands in another order there is searched, among VALUE_MEMBERS.
 */
#include "policy/value.h"

#include "base/sha256.h"
#include "policy/decimal.h"

int str_order(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.ptr, b.ptr, len); /* UTF-8 keeps the order of code points */
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

size_t str_length(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* ------------------------------------------------------------------ equality */

static enum outcome told(bool holds)
{
    return holds ? OUTCOME_YES : OUTCOME_NO;
}

static enum outcome equal_within(yyjson_val *a, yyjson_val *b, unsigned depth);

static enum outcome numbers_equal(yyjson_val *a, yyjson_val *b)
{
    struct decimal x, y;
    decimal_read(&x, json_str(a));
    decimal_read(&y, json_str(b));
    return x.judged && y.judged ? told(decimal_compare(&x, &y) == 0) : OUTCOME_UNKNOWN;
}

static enum outcome lists_equal(yyjson_val *a, yyjson_val *b, unsigned depth)
{
    enum outcome all = OUTCOME_YES;
    yyjson_arr_iter x = yyjson_arr_iter_with(a), y = yyjson_arr_iter_with(b);
    if (yyjson_arr_size(a) != yyjson_arr_size(b))
        return OUTCOME_NO;
    for (yyjson_val *item; all > OUTCOME_NO && (item = yyjson_arr_iter_next(&x));) {
        enum outcome one = equal_within(item, yyjson_arr_iter_next(&y), depth);
        all = one < all ? one : all;
    }
    return all;
}

static enum outcome objects_equal(yyjson_val *a, yyjson_val *b, unsigned depth)
{
    enum outcome all = OUTCOME_YES;
    yyjson_obj_iter x = yyjson_obj_iter_with(a), y = yyjson_obj_iter_with(b);
    if (yyjson_obj_size(a) != yyjson_obj_size(b))
        return OUTCOME_NO;
    if (yyjson_obj_size(a) > VALUE_MEMBERS)
        return OUTCOME_UNKNOWN;
    for (yyjson_val *key; all > OUTCOME_NO && (key = yyjson_obj_iter_next(&x));) {
        struct str name = json_str(key);
        yyjson_val *other = yyjson_obj_iter_getn(&y, name.ptr, name.len);
        enum outcome one =
            other ? equal_within(yyjson_obj_iter_get_val(key), other, depth) : OUTCOME_NO;
        all = one < all ? one : all;
    }
    return all;
}

static enum outcome equal_within(yyjson_val *a, yyjson_val *b, unsigned depth)
{
    if (value_kind(a) != value_kind(b))
        return OUTCOME_NO;
    switch (value_kind(a)) {
    case KIND_NUMBER: return numbers_equal(a, b);
    case KIND_STRING: return told(str_equal(json_str(a), json_str(b)));
    case KIND_LIST: return depth ? lists_equal(a, b, depth - 1) : OUTCOME_UNKNOWN;
    case KIND_OBJECT: return depth ? objects_equal(a, b, depth - 1) : OUTCOME_UNKNOWN;
    default: return told(yyjson_get_bool(a) == yyjson_get_bool(b)); /* null is false, too */
    }
}

enum outcome value_equal(yyjson_val *a, yyjson_val *b)
{
    return equal_within(a, b, VALUE_DEPTH);
}

enum outcome value_same(yyjson_val *a, yyjson_val *b)
{
    if (value_kind(a) == value_kind(b))
        return value_equal(a, b);
    return yyjson_is_null(a) || yyjson_is_null(b) ? OUTCOME_NO : OUTCOME_UNKNOWN;
}

bool value_is_judged(yyjson_val *value)
{
    /* Parts lie behind each other, keys among them. */
    for (yyjson_val *at = value; at < unsafe_yyjson_get_next(value); at++) {
        if (yyjson_is_raw(at)) {
            struct decimal number;
            decimal_read(&number, json_str(at));
            if (!number.judged)
                return false;
        } else if (yyjson_obj_size(at) > VALUE_MEMBERS) {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ keys */

static void add_char(struct sha256 *hash, char c)
{
    sha256_add(hash, &c, 1);
}

static void add_word(struct sha256 *hash, uint64_t word)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(word >> 8 * i);
    sha256_add(hash, bytes, sizeof bytes);
}

static void add_string(struct sha256 *hash, struct str text)
{
    add_char(hash, 's');
    add_word(hash, text.len);
    sha256_add(hash, text.ptr, text.len);
}

/* Sign, power of the first digit, digits. */
static void add_number(struct sha256 *hash, struct str text)
{
    struct decimal number;
    decimal_read(&number, text);
    add_char(hash, number.sign < 0 ? '-' : '+');
    add_word(hash, (uint64_t)number.top);
    for (const char *at = number.first; at < number.end; at++)
        if (*at != '.')
            add_char(hash, *at);
    add_char(hash, 'e');
}

static bool add_value(struct sha256 *hash, yyjson_val *value, unsigned depth);

static bool add_list(struct sha256 *hash, yyjson_val *list, unsigned depth)
{
    bool ok = true;
    yyjson_arr_iter iter = yyjson_arr_iter_with(list);
    add_char(hash, '[');
    for (yyjson_val *item; ok && (item = yyjson_arr_iter_next(&iter));)
        ok = add_value(hash, item, depth);
    add_char(hash, ']');
    return ok;
}

static bool add_object(struct sha256 *hash, yyjson_val *object, unsigned depth)
{
    yyjson_val *keys[VALUE_MEMBERS];
    size_t n = 0;
    bool ok = true;
    yyjson_obj_iter iter = yyjson_obj_iter_with(object);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter)); n++) {
        size_t i = n;
        for (; i > 0 && str_order(json_str(key), json_str(keys[i - 1])) < 0; i--)
            keys[i] = keys[i - 1];
        keys[i] = key;
    }
    add_char(hash, '{');
    for (size_t i = 0; ok && i < n; i++) {
        add_string(hash, json_str(keys[i]));
        ok = add_value(hash, yyjson_obj_iter_get_val(keys[i]), depth);
    }
    add_char(hash, '}');
    return ok;
}

static bool add_value(struct sha256 *hash, yyjson_val *value, unsigned depth)
{
    switch (value_kind(value)) {
    case KIND_NUMBER: add_number(hash, json_str(value)); return true;
    case KIND_STRING: add_string(hash, json_str(value)); return true;
    case KIND_LIST: return depth > 0 && add_list(hash, value, depth - 1);
    case KIND_OBJECT: return depth > 0 && add_object(hash, value, depth - 1);
    default:
        sha256_add(hash, yyjson_is_null(value) ? "z" : yyjson_get_bool(value) ? "t" : "f", 1);
        return true;
    }
}

bool value_key_of(yyjson_val *value, struct value_key *ret)
{
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    sha256_init(&hash);
    if (!value_is_judged(value) || !add_value(&hash, value, VALUE_DEPTH))
        return false;
    sha256_end(&hash, digest);
    memcpy(ret->bytes, digest, sizeof ret->bytes);
    return true;
}
