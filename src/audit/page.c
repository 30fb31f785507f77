/* Writing HTML, see page.h. */
#include "audit/page.h"

#include <inttypes.h>
#include <string.h>

#include "base/sha256.h"
#include "base/visible.h"

#define PIECE ((size_t)1 << 16)

static const char style[] =
    ":root{color-scheme:light dark;--ok:#1a7f37;--bad:#cf222e;--wait:#9a6700;--dim:#6e7781;"
    "--line:#d0d7de;--back:#f6f8fa}"
    "@media(prefers-color-scheme:dark){:root{--ok:#3fb950;--bad:#f85149;--wait:#d29922;"
    "--dim:#8b949e;--line:#30363d;--back:#161b22}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem}"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin:0}"
    "section{border:1px solid var(--line);border-radius:.5rem;padding:.8rem 1rem;margin:1rem 0}"
    ".ok{color:var(--ok)}.bad{color:var(--bad)}.wait{color:var(--wait)}.dim{color:var(--dim)}"
    "rect.ok{fill:var(--ok)}rect.bad{fill:var(--bad)}rect.wait{fill:var(--wait)}"
    "rect{opacity:.75}a:hover rect{opacity:1}"
    "svg{width:100%;height:auto;background:var(--back);border-radius:.3rem;margin:.5rem 0}"
    "svg text{font:11px system-ui,sans-serif;fill:var(--dim)}svg line{stroke:var(--line)}"
    "table{border-collapse:collapse}th,td{text-align:left;padding:.1rem 1.2rem .1rem 0;"
    "vertical-align:top}th{font-weight:normal;color:var(--dim);white-space:nowrap}"
    "details p{margin:.3rem 0}details table,details "
    "p{margin-left:1rem}summary{cursor:pointer}details,.event{margin:.15rem "
    "0;overflow-wrap:anywhere}"
    ".event{padding-left:1rem}"
    "pre{background:var(--back);padding:.5rem;border-radius:.3rem;white-space:pre-wrap;"
    "overflow-wrap:anywhere;max-height:24rem;overflow:auto;margin:.3rem 0}"
    ".problems{border-color:var(--bad)}:target{outline:2px solid var(--wait)}"
    "body:has(#only:checked) .call:not(.no),body:has(#only:checked) .event{display:none}";

void page_init(struct page *page, bool (*write)(void *context, struct str text), void *context)
{
    *page = (struct page){.out = BUF_INIT(64 * PIECE),
                          .work = BUF_INIT(64 * PIECE),
                          .write = write,
                          .context = context};
}

void page_release(struct page *page)
{
    buf_release(&page->out);
    buf_release(&page->work);
}

bool page_flush(struct page *page)
{
    bool ok = !buf_failed(&page->out);
    if (ok && !page->closed)
        page->closed = !page->write(page->context, (struct str){page->out.data, page->out.len});
    buf_clear(&page->out);
    return ok;
}

void page_add(struct page *page, const char *html)
{
    buf_add_text(&page->out, html);
}

void page_printf(struct page *page, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(&page->out, format, args);
    va_end(args);
}

static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): i < text.len
        switch (text.ptr[i]) {
        case '&': buf_add_text(out, "&amp;"); break;
        case '<': buf_add_text(out, "&lt;"); break;
        case '>': buf_add_text(out, "&gt;"); break;
        case '"': buf_add_text(out, "&quot;"); break;
        case '\'': buf_add_text(out, "&#39;"); break;
        default: buf_add_char(out, text.ptr[i]);
        }
}

void page_text(struct page *page, struct str text)
{
    bool cut = text.len > PAGE_TEXT_MAX;
    buf_clear(&page->work);
    buf_add_visible(&page->work, (struct str){text.ptr, cut ? PAGE_TEXT_MAX : text.len});
    page->out.failed |= buf_failed(&page->work);
    add_escaped(&page->out, buf_str(&page->work));
    if (cut)
        page_printf(page, "<span class=\"dim\">… %zu bytes in all</span>", text.len);
}

void page_duration(struct page *page, uint64_t ns)
{
    if (ns >= 1000000000)
        page_printf(page, "%.2f s", (double)ns / 1e9);
    else if (ns >= 1000000)
        page_printf(page, "%" PRIu64 " ms", ns / 1000000);
    else
        page_printf(page, "%" PRIu64 " µs", ns / 1000);
}

/* 32 bytes are ten times three and two: one digit of the last four is a filler. */
static void add_base64(struct buf *out, const uint8_t digest[SHA256_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[SHA256_SIZE + 1] = {0};
    memcpy(bytes, digest, SHA256_SIZE);
    for (size_t i = 0; i < sizeof bytes; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6) {
            size_t digit = three >> shift & 63;
            buf_add_char(out, digits[digit]);
        }
    }
    if (!buf_failed(out))
        out->data[out->len - 1] = '=';
}

void page_begin(struct page *page)
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    sha256_init(&hash);
    sha256_add(&hash, style, sizeof style - 1);
    sha256_end(&hash, digest);
    page_add(page, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                   "base-uri 'none'; form-action 'none'; style-src 'sha256-");
    add_base64(&page->out, digest);
    page_add(page, "'\"><meta name=\"referrer\" content=\"no-referrer\">"
                   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                   "<title>Audit log</title><style>");
    page_add(page, style);
    page_add(page, "</style></head>\n<body>\n");
}

void page_end(struct page *page)
{
    page_add(page, "</body></html>\n");
}
