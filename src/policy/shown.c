/* Values in messages, see shown.h. */
#include "policy/shown.h"

#include <stdint.h>

#include "base/utf8.h"

struct shown {
    struct buf *out;
    size_t left; /* characters that may still be written */
};

/* Characters that are not seen, or change how others are. */
static bool is_hidden(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0xad, 0xad},     {0x61c, 0x61c},   {0x115f, 0x1160},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
        {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    return false;
}

/* One character, with a backslash before it if `quoted` and needed. */
static void put_char(struct shown *shown, struct str piece, uint32_t code, bool quoted)
{
    shown->left--;
    if (is_hidden(code))
        buf_printf(shown->out, "\\u%04x", (unsigned)code);
    else if (quoted && (code == '"' || code == '\\'))
        buf_printf(shown->out, "\\%c", (int)code);
    else
        buf_add_str(shown->out, piece);
}

static void put(struct shown *shown, struct str text, bool quoted)
{
    for (size_t i = 0; i < text.len && shown->left;) {
        uint32_t code = 0;
        size_t n = utf8_next(text.ptr + i, text.len - i, &code);
        put_char(shown, (struct str){text.ptr + i, n}, code, quoted);
        i += n;
    }
}

static void put_string(struct shown *shown, struct str text)
{
    put(shown, STR("\""), false);
    put(shown, text, true);
    put(shown, STR("\""), false);
}

/* Each level writes a bracket first, so that it goes SHOWN_MAX levels deep at most. */
static void put_value(struct shown *shown, yyjson_val *value)
{
    if (yyjson_is_str(value)) {
        put_string(shown, json_str(value));
    } else if (yyjson_is_raw(value)) {
        put(shown, json_str(value), false);
    } else if (yyjson_is_ctn(value)) {
        bool object = yyjson_is_obj(value);
        yyjson_val *at = unsafe_yyjson_get_first(value);
        put(shown, object ? STR("{") : STR("["), false);
        for (size_t n = yyjson_get_len(value); n > 0 && shown->left; n--) {
            if (object) {
                put_string(shown, json_str(at++));
                put(shown, STR(": "), false);
            }
            put_value(shown, at);
            if (n > 1)
                put(shown, STR(", "), false);
            at = unsafe_yyjson_get_next(at);
        }
        put(shown, object ? STR("}") : STR("]"), false);
    } else {
        put(shown,
            yyjson_is_null(value)    ? STR("null")
            : yyjson_get_bool(value) ? STR("true")
                                     : STR("false"),
            false);
    }
}

void shown_value(yyjson_val *value, struct buf *out)
{
    size_t start = out->len;
    struct shown shown = {out, SHOWN_MAX + 1};
    put_value(&shown, value);
    if (shown.left > 0 || buf_failed(out))
        return;
    /* One too many: the first SHOWN_MAX again, and a sign that there is more. */
    out->len = start;
    shown.left = SHOWN_MAX;
    put_value(&shown, value);
    buf_add_text(out, "\xe2\x80\xa6");
}

void shown_text(struct str text, struct buf *out)
{
    struct shown shown = {out, SIZE_MAX};
    put(&shown, text, false);
}
