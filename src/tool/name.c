/* Names of tools: what may be one, and what it looks like as an identifier. */
#include "base/utf8.h"
#include "tool/identifier.h"
#include "tool/tool.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *tool_name_problem(struct str name)
{
    if (name.len == 0)
        return "the name is empty";
    if (name.len > TOOL_NAME_MAX)
        return "the name is longer than 256 bytes";
    for (size_t i = 0; i < name.len;) {
        uint32_t code;
        size_t n = utf8_next(name.ptr + i, name.len - i, &code);
        if (n == 0)
            return "the name is not UTF-8";
        if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029)
            return "the name holds a control character";
        /* Marks that turn the direction of text make one name look like another. */
        if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
            return "the name holds a control character for the direction of text";
        i += n;
    }
    return NULL;
}

static bool in_ranges(const uint32_t (*ranges)[2], size_t count, uint32_t code)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && code >= ranges[low][0];
}

static bool may_begin(uint32_t code)
{
    if (code < 0x80)
        return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || code == '_' ||
               code == '$';
    return in_ranges(identifier_start, COUNT(identifier_start), code);
}

static bool may_continue(uint32_t code)
{
    if (may_begin(code) || (code >= '0' && code <= '9'))
        return true;
    return code >= 0x80 && in_ranges(identifier_more, COUNT(identifier_more), code);
}

bool tool_alias(struct str name, struct buf *out)
{
    for (size_t i = 0; i < name.len;) {
        uint32_t code = 0;
        size_t n = utf8_next(name.ptr + i, name.len - i, &code);
        bool kept = n && may_continue(code);
        if (i == 0 && kept && !may_begin(code))
            buf_add_char(out, '_');
        if (kept)
            buf_add(out, name.ptr + i, n);
        else
            buf_add_char(out, '_');
        i += n ? n : 1;
    }
    return !buf_failed(out);
}
