/* A growing run of bytes with a ceiling. Always NUL-terminated beyond its length once anything was
 * added.
 *
 * A failed append leaves the contents as they were and is remembered: a writer can append many
 * times and look once, with buf_failed. */
#ifndef CAPFUL_BASE_BUF_H
#define CAPFUL_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct buf {
    char *data;
    size_t len;
    size_t alloc;
    size_t ceiling;
    bool failed;
};

#define BUF_INIT(limit) ((struct buf){NULL, 0, 0, (limit), false})

static inline void buf_init(struct buf *buf, size_t ceiling)
{
    *buf = BUF_INIT(ceiling);
}
void buf_release(struct buf *buf); /* frees the contents; usable again */
static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->failed = false;
}
/* All return false when memory is short or the ceiling would be passed. */
bool buf_reserve(struct buf *buf, size_t more);
bool buf_add(struct buf *buf, const void *data, size_t len);
bool buf_add_str(struct buf *buf, struct str text);
bool buf_add_text(struct buf *buf, const char *text);
bool buf_add_char(struct buf *buf, char c);
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Appends a JSON string literal, quotes included; bytes that are not UTF-8 become U+FFFD. */
bool buf_add_json_string(struct buf *buf, struct str text);
/* Appends text as UTF-8: each byte that belongs to no sequence becomes U+FFFD. */
bool buf_add_utf8(struct buf *buf, struct str text);
void buf_drop_front(struct buf *buf, size_t len);
static inline bool buf_failed(const struct buf *buf)
{
    return buf->failed;
}
static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data ? buf->data : "", buf->len};
}
/* The contents as a block of the caller's (mem_free); NULL if an append had failed. The buffer is
 * empty then. */
char *buf_steal(struct buf *buf);

#endif
