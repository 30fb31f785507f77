/* Errors, see err.h. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int set(struct capful_error *err, int code, int line, int column, const char *format,
               va_list args)
{
    if (err) {
        err->code = code;
        err->line = line;
        err->column = column;
        vsnprintf(err->text, sizeof err->text, format, args);
    }
    return code;
}

int err_set(struct capful_error *err, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, 0, 0, format, args);
    va_end(args);
    return code;
}

int err_set_at(struct capful_error *err, int code, int line, int column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set(err, code, line, column, format, args);
    va_end(args);
    return code;
}

int err_nomem(struct capful_error *err)
{
    return err_set(err, CAPFUL_ENOMEM, "out of memory");
}

int err_prefix(struct capful_error *err, const char *format, ...)
{
    if (!err)
        return CAPFUL_EINVAL;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %.400s", old);
    return err->code;
}
