/* Text for people, see visible.h. */
#include "base/visible.h"

#include "base/utf8.h"

/* Controls, and the characters of Unicode that are invisible, change the direction or end a line.
 */
static bool is_shown(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7f && code < 0xa0) && code != 0xad &&
           !(code >= 0x200b && code <= 0x200f) && !(code >= 0x2028 && code <= 0x202e) &&
           !(code >= 0x2060 && code <= 0x206f) && code != 0x61c && code != 0xfeff &&
           !(code >= 0xfff9 && code <= 0xfffb) && !(code >= 0xe0000 && code <= 0xe0fff);
}

bool buf_add_visible(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len;) {
        uint32_t code = 0;
        size_t n = utf8_next(text.ptr + i, text.len - i, &code);
        if (n == 0)
            // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): i < text.len
            buf_printf(out, "\\x%02x", (unsigned char)text.ptr[i]);
        else if (is_shown(code))
            buf_add(out, text.ptr + i, n);
        else if (code == '\n')
            buf_add_text(out, "\\n");
        else if (code == '\t')
            buf_add_text(out, "\\t");
        else if (code == '\r')
            buf_add_text(out, "\\r");
        else if (code < 0x100)
            buf_printf(out, "\\x%02x", code);
        else
            buf_printf(out, "\\u{%x}", code);
        i += n ? n : 1;
    }
    return !buf_failed(out);
}
