/* Writing HTML: pieces of ours as they are, text of others escaped. Private to src/audit. */
#ifndef CAPFUL_AUDIT_PAGE_H
#define CAPFUL_AUDIT_PAGE_H

#include "base/buf.h"

struct page {
    struct buf out;
    struct buf work;
    bool (*write)(void *context, struct str text);
    void *context;
    bool closed; /* nobody reads any more */
};

void page_init(struct page *page, bool (*write)(void *context, struct str text), void *context);
void page_release(struct page *page);
bool page_flush(struct page *page); /* false: memory was short */

void page_add(struct page *page, const char *html);
void page_printf(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Made visible (base/visible.h) and escaped, at most PAGE_TEXT_MAX bytes of it. */
#define PAGE_TEXT_MAX 65536
void page_text(struct page *page, struct str text);
/* "1.5 s", "12 ms", "80 µs" */
void page_duration(struct page *page, uint64_t ns);

/* Up to and with the beginning of the body: title, style, and the policy that allows nothing else.
 */
void page_begin(struct page *page);
void page_end(struct page *page);

#endif
