/* Paths with one reading, see path_shape.h.  The rules stand in capful-policy(5), "under". */
#include "policy/path_shape.h"

#include <stddef.h>
#include <stdint.h>

#include "base/utf8.h"

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Dots, strokes and backslashes that normalisation or a careless eye takes for the plain ones. */
static bool is_look_alike(uint32_t code)
{
    static const uint16_t codes[] = {0x2024, 0x2025, 0x2026, 0x2044, 0x2215, 0x29f8,
                                     0xfe52, 0xfe68, 0xff0e, 0xff0f, 0xff3c};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (code == codes[i])
            return true;
    return false;
}

static bool is_plain_text(struct str path)
{
    uint32_t code = 0;
    for (size_t i = 0; i < path.len; i += utf8_next(path.ptr + i, path.len - i, &code)) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x20 || c == 0x7f || c == '\\')
            return false;
        if (c == '%' && path.len - i > 2 && is_hex(path.ptr[i + 1]) && is_hex(path.ptr[i + 2]))
            return false;
        if (c >= 0x80) {
            utf8_next(path.ptr + i, path.len - i, &code);
            if (is_look_alike(code))
                return false;
        }
    }
    return true;
}

/* Without the slash at the end. */
static struct str trimmed(struct str path)
{
    if (path.ptr[path.len - 1] == '/')
        path.len--;
    return path;
}

bool path_shape_plain(struct str path)
{
    if (path.len == 0 || path.ptr[0] == '~' || !is_plain_text(path))
        return false;
    path = trimmed(path);
    size_t start = path.len && path.ptr[0] == '/';
    for (size_t i = start; i <= path.len && path.len; i++) {
        if (i < path.len && path.ptr[i] != '/')
            continue;
        struct str part = {path.ptr + start, i - start};
        if (part.len == 0 || str_equal(part, STR(".")) || str_equal(part, STR("..")))
            return false;
        start = i + 1;
    }
    return true;
}

bool path_shape_under(struct str path, struct str root)
{
    path = trimmed(path);
    root = trimmed(root);
    if (root.len == 0)
        return path.len == 0 || path.ptr[0] == '/';
    return path.len >= root.len && memcmp(path.ptr, root.ptr, root.len) == 0 &&
           (path.len == root.len || path.ptr[root.len] == '/');
}
