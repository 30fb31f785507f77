/* Growing bytes, see buf.h. */
#include "base/buf.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/utf8.h"

void buf_release(struct buf *buf)
{
    mem_free(buf->data);
    *buf = BUF_INIT(buf->ceiling);
}

bool buf_reserve(struct buf *buf, size_t more)
{
    size_t need;
    if (buf->failed)
        return false;
    if (__builtin_add_overflow(buf->len, more, &need) || need > buf->ceiling || need == SIZE_MAX) {
        buf->failed = true;
        return false;
    }
    if (buf->data && need < buf->alloc)
        return true;
    size_t alloc = buf->alloc < 64 ? 64 : buf->alloc;
    while (alloc <= need)
        alloc = alloc > SIZE_MAX / 2 ? need + 1 : alloc * 2;
    char *data = mem_resize(buf->data, alloc);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->alloc = alloc;
    return true;
}

bool buf_add(struct buf *buf, const void *data, size_t len)
{
    if (!buf_reserve(buf, len))
        return false;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = 0;
    return true;
}

bool buf_add_str(struct buf *buf, struct str text)
{
    return buf_add(buf, text.ptr, text.len);
}

bool buf_add_text(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

bool buf_add_char(struct buf *buf, char c)
{
    return buf_add(buf, &c, 1);
}

bool buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    bool ok = n >= 0 && buf_reserve(buf, (size_t)n);
    if (ok) {
        vsnprintf(buf->data + buf->len, (size_t)n + 1, format, again);
        buf->len += (size_t)n;
    } else {
        buf->failed = true;
    }
    va_end(again);
    return ok;
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    bool ok = buf_vprintf(buf, format, args);
    va_end(args);
    return ok;
}

/* One character, or U+FFFD for a byte that begins none; how many bytes of the text it was. */
static size_t add_character(struct buf *buf, const char *text, size_t len)
{
    size_t n = utf8_next(text, len, NULL);
    if (n)
        buf_add(buf, text, n);
    else
        buf_add_text(buf, "\xef\xbf\xbd");
    return n ? n : 1;
}

bool buf_add_utf8(struct buf *buf, struct str text)
{
    for (size_t i = 0; i < text.len;)
        i += add_character(buf, text.ptr + i, text.len - i);
    return !buf->failed;
}

bool buf_add_json_string(struct buf *buf, struct str text)
{
    buf_add_char(buf, '"');
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', (char)c};
            buf_add(buf, pair, 2);
            i++;
        } else if (c == '\n' || c == '\t' || c == '\r') {
            buf_add_text(buf, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
            i++;
        } else if (c < 0x20 || c == 0x7f) {
            buf_printf(buf, "\\u%04x", c);
            i++;
        } else if (c < 0x80) {
            size_t run = i + 1;
            while (run < text.len && (unsigned char)text.ptr[run] >= 0x20 &&
                   (unsigned char)text.ptr[run] < 0x7f && text.ptr[run] != '"' &&
                   text.ptr[run] != '\\')
                run++;
            buf_add(buf, text.ptr + i, run - i);
            i = run;
        } else {
            i += add_character(buf, text.ptr + i, text.len - i);
        }
    }
    return buf_add_char(buf, '"');
}

void buf_drop_front(struct buf *buf, size_t len)
{
    if (len > buf->len)
        len = buf->len;
    if (!buf->data)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
    buf->data[buf->len] = 0;
}

char *buf_steal(struct buf *buf)
{
    if (!buf->failed && !buf->data)
        buf_reserve(buf, 1);
    if (buf->failed) {
        buf_release(buf);
        return NULL;
    }
    buf->data[buf->len] = 0;
    char *data = buf->data;
    *buf = BUF_INIT(buf->ceiling);
    return data;
}
