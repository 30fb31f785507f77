/* Bytes to strings and back, for output, files, Buffer and TextDecoder.
 *
 * Encodings are numbers here: 0 utf8, 1 latin1 (and ascii), 2 utf16le, 3 hex, 4 base64, 5
 * base64url.
 */
#include "guest.h"
#include <stdlib.h>
#include <string.h>

enum encoding { ENC_UTF8, ENC_LATIN1, ENC_UTF16LE, ENC_HEX, ENC_BASE64, ENC_BASE64URL };

/* ---- UTF-8 out */

/* QuickJS writes a lone surrogate as three bytes, ED A0..BF xx; the same room takes U+FFFD. */
static void replace_surrogates(char *text, size_t len)
{
    char *p = text, *end = text + len;

    while ((p = memchr(p, 0xed, (size_t)(end - p))) != NULL) {
        if (end - p >= 3 && (unsigned char)p[1] >= 0xa0) {
            p[0] = (char)0xef;
            p[1] = (char)0xbf;
            p[2] = (char)0xbd;
        }
        p++;
    }
}

int text_get(JSContext *ctx, struct text *ret_text, JSValueConst value)
{
    size_t len;
    const char *str;
    uint8_t *bytes;

    if (!JS_IsString(value)) {
        if (JS_GetTypedArrayType(value) >= 0) {
            size_t offset, count, size, whole;
            JSValue buffer = JS_GetTypedArrayBuffer(ctx, value, &offset, &count, &size);

            if (JS_IsException(buffer))
                return -1;
            bytes = JS_GetArrayBuffer(ctx, &whole, buffer);
            JS_FreeValue(ctx, buffer);
            if (!bytes && whole)
                return -1;
            ret_text->data = (const char *)bytes + offset;
            ret_text->len = count;
            ret_text->owned = NULL;
            return 0;
        }
        JS_ThrowTypeError(ctx, "a string or bytes expected");
        return -1;
    }
    str = JS_ToCStringLen(ctx, &len, value);
    if (!str)
        return -1;
    replace_surrogates((char *)str, len);
    ret_text->data = str;
    ret_text->len = len;
    ret_text->owned = str;
    return 0;
}

void text_free(JSContext *ctx, struct text *text)
{
    JS_FreeCString(ctx, text->owned);
}

/* ---- decoding: bytes to a string */

/* Length of the well-formed UTF-8 sequence at p, or 0 and in *ret_bad how many bytes one U+FFFD
 * stands for. */
static int utf8_sequence(const uint8_t *p, const uint8_t *end, int *ret_bad)
{
    uint8_t low = 0x80, high = 0xbf;
    int need, i;

    if (p[0] < 0x80)
        return 1;
    *ret_bad = 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        need = 1;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        need = 2;
        if (p[0] == 0xe0)
            low = 0xa0;
        if (p[0] == 0xed)
            high = 0x9f;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        need = 3;
        if (p[0] == 0xf0)
            low = 0x90;
        if (p[0] == 0xf4)
            high = 0x8f;
    } else {
        return 0;
    }
    for (i = 1; i <= need; i++) {
        if (p + i >= end || p[i] < low || p[i] > high) {
            *ret_bad = i;
            return 0;
        }
        low = 0x80;
        high = 0xbf;
    }
    return need + 1;
}

/* Index of the first byte that is not part of well-formed UTF-8; len if there is none. */
static size_t utf8_valid(const uint8_t *p, size_t len)
{
    const uint8_t *q = p, *end = p + len;
    uint64_t word;
    int n, bad;

    while (q < end) {
        if (end - q >= 8) {
            memcpy(&word, q, 8);
            if (!(word & UINT64_C(0x8080808080808080))) {
                q += 8;
                continue;
            }
        }
        n = utf8_sequence(q, end, &bad);
        if (!n)
            break;
        q += n;
    }
    return (size_t)(q - p);
}

static JSValue decode_utf8(JSContext *ctx, const uint8_t *p, size_t len, bool fatal)
{
    const uint8_t *end = p + len, *start = p;
    size_t good = utf8_valid(p, len);
    char *buf, *q;
    int n, bad;
    JSValue ret;

    if (good == len)
        return JS_NewStringLen(ctx, (const char *)p, len);
    if (fatal)
        return JS_ThrowTypeError(ctx, "The encoded data was not valid for encoding utf-8");
    buf = js_malloc(ctx, len * 3 + 1);
    if (!buf)
        return JS_EXCEPTION;
    memcpy(buf, start, good);
    q = buf + good;
    for (p += good; p < end;) {
        n = utf8_sequence(p, end, &bad);
        if (n) {
            memcpy(q, p, (size_t)n);
            q += n;
            p += n;
        } else {
            memcpy(q, "\xef\xbf\xbd", 3);
            q += 3;
            p += bad;
        }
    }
    ret = JS_NewStringLen(ctx, buf, (size_t)(q - buf));
    js_free(ctx, buf);
    return ret;
}

JSValue text_new_string(JSContext *ctx, const char *bytes, size_t len)
{
    return decode_utf8(ctx, (const uint8_t *)bytes, len, false);
}

static JSValue decode_latin1(JSContext *ctx, const uint8_t *p, size_t len)
{
    uint16_t *units = js_malloc(ctx, len * 2 + 2);
    size_t i;
    JSValue ret;

    if (!units)
        return JS_EXCEPTION;
    for (i = 0; i < len; i++)
        units[i] = p[i];
    ret = JS_NewStringUTF16(ctx, units, len);
    js_free(ctx, units);
    return ret;
}

static JSValue decode_utf16le(JSContext *ctx, const uint8_t *p, size_t len)
{
    uint16_t *units = js_malloc(ctx, len + 2);
    size_t i, n = len / 2;
    JSValue ret;

    if (!units)
        return JS_EXCEPTION;
    for (i = 0; i < n; i++)
        units[i] = (uint16_t)(p[2 * i] | p[2 * i + 1] << 8);
    ret = JS_NewStringUTF16(ctx, units, n);
    js_free(ctx, units);
    return ret;
}

static JSValue decode_hex(JSContext *ctx, const uint8_t *p, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char *buf = js_malloc(ctx, len * 2 + 1);
    size_t i;
    JSValue ret;

    if (!buf)
        return JS_EXCEPTION;
    for (i = 0; i < len; i++) {
        buf[2 * i] = digits[p[i] >> 4];
        buf[2 * i + 1] = digits[p[i] & 15];
    }
    ret = JS_NewStringLen(ctx, buf, len * 2);
    js_free(ctx, buf);
    return ret;
}

static JSValue decode_base64(JSContext *ctx, const uint8_t *p, size_t len, bool url)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *set = url ? safe : plain;
    char *buf = js_malloc(ctx, (len + 2) / 3 * 4 + 1), *q = buf;
    JSValue ret;

    if (!buf)
        return JS_EXCEPTION;
    for (; len >= 3; len -= 3, p += 3) {
        *q++ = set[p[0] >> 2];
        *q++ = set[(p[0] & 3) << 4 | p[1] >> 4];
        *q++ = set[(p[1] & 15) << 2 | p[2] >> 6];
        *q++ = set[p[2] & 63];
    }
    if (len) {
        *q++ = set[p[0] >> 2];
        *q++ = set[(p[0] & 3) << 4 | (len > 1 ? p[1] >> 4 : 0)];
        if (len > 1)
            *q++ = set[(p[1] & 15) << 2];
        else if (!url)
            *q++ = '=';
        if (!url)
            *q++ = '=';
    }
    ret = JS_NewStringLen(ctx, buf, (size_t)(q - buf));
    js_free(ctx, buf);
    return ret;
}

/* decode(bytes, encoding, fatal) */
static JSValue text_decode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    const uint8_t *p;
    int32_t enc;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &enc, argv[1]) < 0 || text_get(ctx, &t, argv[0]) < 0)
        return JS_EXCEPTION;
    p = (const uint8_t *)t.data;
    switch (enc) {
    case ENC_LATIN1: return decode_latin1(ctx, p, t.len);
    case ENC_UTF16LE: return decode_utf16le(ctx, p, t.len);
    case ENC_HEX: return decode_hex(ctx, p, t.len);
    case ENC_BASE64: return decode_base64(ctx, p, t.len, false);
    case ENC_BASE64URL: return decode_base64(ctx, p, t.len, true);
    default: return decode_utf8(ctx, p, t.len, JS_ToBool(ctx, argv[2]) > 0);
    }
}

/* ---- encoding: a string to bytes */

static int hex_digit(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int code_unit(const char *digits)
{
    int code = 0, i;

    for (i = 0; i < 4; i++)
        code = code * 16 + hex_digit(digits[i]);
    return code;
}

/* The escape of half a pair stands for no character: hosts refuse it. U+FFFD is written as long. */
void text_mend_json(char *json, size_t len)
{
    char *p = json, *end = json + len;
    int code;

    while ((p = memchr(p, '\\', end - p)) != NULL && end - p >= 6) {
        if (p[1] != 'u') {
            p += 2;
            continue;
        }
        code = code_unit(p + 2);
        if (code >= 0xd800 && code < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u' &&
            code_unit(p + 8) >= 0xdc00 && code_unit(p + 8) < 0xe000)
            p += 6;
        else if (code >= 0xd800 && code < 0xe000)
            memcpy(p + 2, "fffd", 4);
        p += 6;
    }
}

static int base64_digit(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* As Buffer does it: hex ends at the first thing that is none, base64 skips what it does not know.
 */
static size_t encode_hex(uint8_t *out, const char *text, size_t len)
{
    size_t i;

    for (i = 0; i + 1 < len; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

        if (high < 0 || low < 0)
            break;
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    return i / 2;
}

static size_t encode_base64(uint8_t *out, const char *text, size_t len)
{
    uint32_t bits = 0;
    int count = 0, d;
    size_t i, n = 0;

    for (i = 0; i < len && text[i] != '='; i++) {
        d = base64_digit(text[i]);
        if (d < 0)
            continue;
        bits = bits << 6 | (uint32_t)d;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[n++] = (uint8_t)(bits >> count);
        }
    }
    return n;
}

/* encode(string, encoding): a Uint8Array */
static JSValue text_encode(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    const uint16_t *units;
    uint8_t *out;
    size_t len, i, n;
    int32_t enc;
    JSValue ret;

    (void)this_val;
    (void)argc;
    if (JS_ToInt32(ctx, &enc, argv[1]) < 0)
        return JS_EXCEPTION;
    if (enc == ENC_LATIN1 || enc == ENC_UTF16LE) {
        units = JS_ToCStringLenUTF16(ctx, &len, argv[0]);
        if (!units)
            return JS_EXCEPTION;
        n = enc == ENC_LATIN1 ? len : len * 2;
        out = js_malloc(ctx, n + 1);
        if (!out) {
            JS_FreeCStringUTF16(ctx, units);
            return JS_EXCEPTION;
        }
        for (i = 0; i < len; i++) {
            if (enc == ENC_LATIN1) {
                out[i] = (uint8_t)units[i];
            } else {
                out[2 * i] = (uint8_t)units[i];
                out[2 * i + 1] = (uint8_t)(units[i] >> 8);
            }
        }
        JS_FreeCStringUTF16(ctx, units);
    } else {
        if (text_get(ctx, &t, argv[0]) < 0)
            return JS_EXCEPTION;
        if (enc == ENC_UTF8) {
            ret = JS_NewUint8ArrayCopy(ctx, (const uint8_t *)t.data, t.len);
            text_free(ctx, &t);
            return ret;
        }
        out = js_malloc(ctx, t.len + 1);
        if (!out) {
            text_free(ctx, &t);
            return JS_EXCEPTION;
        }
        n = enc == ENC_HEX ? encode_hex(out, t.data, t.len) : encode_base64(out, t.data, t.len);
        text_free(ctx, &t);
    }
    ret = JS_NewUint8ArrayCopy(ctx, out, n);
    js_free(ctx, out);
    return ret;
}

/* byteLength(string): how long it is in UTF-8 */
static JSValue text_byte_length(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text t;
    JSValue ret;

    (void)this_val;
    (void)argc;
    if (text_get(ctx, &t, argv[0]) < 0)
        return JS_EXCEPTION;
    ret = JS_NewInt64(ctx, (int64_t)t.len);
    text_free(ctx, &t);
    return ret;
}

/* compare(a, b): like memcmp, the shorter first */
static JSValue text_compare(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text a, b;
    int r;

    (void)this_val;
    (void)argc;
    if (text_get(ctx, &a, argv[0]) < 0 || text_get(ctx, &b, argv[1]) < 0)
        return JS_EXCEPTION;
    r = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    if (r == 0)
        r = a.len < b.len ? -1 : a.len > b.len;
    return JS_NewInt32(ctx, r < 0 ? -1 : r > 0);
}

/* indexOf(bytes, bytes, from): -1 if it is nowhere */
static JSValue text_index_of(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
    struct text hay, needle;
    const char *p;
    int64_t from;

    (void)this_val;
    (void)argc;
    if (JS_ToInt64(ctx, &from, argv[2]) < 0 || text_get(ctx, &hay, argv[0]) < 0 ||
        text_get(ctx, &needle, argv[1]) < 0)
        return JS_EXCEPTION;
    if (from < 0 || (size_t)from > hay.len)
        return JS_NewInt32(ctx, -1);
    p = memmem(hay.data + from, hay.len - (size_t)from, needle.data, needle.len);
    return JS_NewInt64(ctx, p ? p - hay.data : -1);
}

void text_init(void)
{
    static const JSCFunctionListEntry functions[] = {
        JS_CFUNC_DEF("decode", 3, text_decode),          JS_CFUNC_DEF("encode", 2, text_encode),
        JS_CFUNC_DEF("byteLength", 1, text_byte_length), JS_CFUNC_DEF("compare", 2, text_compare),
        JS_CFUNC_DEF("indexOf", 3, text_index_of),
    };

    JS_SetPropertyFunctionList(guest.ctx, guest.sys, functions,
                               sizeof(functions) / sizeof(functions[0]));
}
