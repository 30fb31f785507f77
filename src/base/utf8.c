/* UTF-8, see utf8.h. */
#include "base/utf8.h"

size_t utf8_next(const char *text, size_t len, uint32_t *ret_code)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0)
        return 0;
    uint32_t code = s[0];
    size_t n = 1;
    if (code >= 0x80) {
        uint32_t least;
        if (code >= 0xc2 && code <= 0xdf) {
            n = 2, code &= 0x1f, least = 0x80;
        } else if (code >= 0xe0 && code <= 0xef) {
            n = 3, code &= 0x0f, least = 0x800;
        } else if (code >= 0xf0 && code <= 0xf4) {
            n = 4, code &= 0x07, least = 0x10000;
        } else {
            return 0;
        }
        if (len < n)
            return 0;
        for (size_t i = 1; i < n; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (s[i] & 0x3f);
        }
        if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return 0;
    }
    if (ret_code)
        *ret_code = code;
    return n;
}

bool utf8_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = utf8_next(text + i, len - i, NULL);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t utf8_put(uint32_t code, char out[4])
{
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        code = 0xfffd;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}
