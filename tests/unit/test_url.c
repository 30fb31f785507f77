/* URLs: the normal form, its parts, and the ways of writing that other parsers read differently. */
#include "base/url.h"
#include "tap.h"

enum { HOST = RT_URL_HAS_HOST, USER = RT_URL_HAS_USERINFO, QUERY = RT_URL_HAS_QUERY };
enum { FRAGMENT = RT_URL_HAS_FRAGMENT, OPAQUE = RT_URL_OPAQUE_PATH, ODD = RT_URL_IRREGULAR };

/* href and parts as the standard has them; the parts divided by blanks: scheme username password
 * host path query fragment, "-" for an empty one. */
static const struct example {
    const char *text, *href, *parts;
    int port;
    unsigned flags;
} examples[] = {
    {"http://example.com", "http://example.com/", "http - - example.com / - -", 80, HOST},
    {"HTTPS://user:pw@Example.COM:443/a/../b?q=1#f", "https://user:pw@example.com/b?q=1#f",
     "https user pw example.com /b q=1 f", 443, HOST | USER | QUERY | FRAGMENT},
    {"https://h:8443/?#", "https://h:8443/?#", "https - - h / - -", 8443, HOST | QUERY | FRAGMENT},
    /* user names, and what looks like a host before an @ */
    {"http://@h/", "http://h/", "http - - h / - -", 80, HOST | USER},
    {"http://:@h/", "http://h/", "http - - h / - -", 80, HOST | USER},
    {"http://:p@h/", "http://:p@h/", "http - p h / - -", 80, HOST | USER},
    {"http://good.com@evil.com/", "http://good.com@evil.com/", "http good.com - evil.com / - -", 80,
     HOST | USER},
    {"http://a@b@c/", "http://a%40b@c/", "http a%40b - c / - -", 80, HOST | USER | ODD},
    {"http://good.com\\@evil.com/", "http://good.com/@evil.com/",
     "http - - good.com /@evil.com/ - -", 80, HOST | ODD},
    {"http://good.com#@evil.com/", "http://good.com/#@evil.com/",
     "http - - good.com / - @evil.com/", 80, HOST | FRAGMENT},
    /* slashes, blanks, tabs */
    {"http:\\\\a\\b", "http://a/b", "http - - a /b - -", 80, HOST | ODD},
    {"http:a", "http://a/", "http - - a / - -", 80, HOST | ODD},
    {"http:/a", "http://a/", "http - - a / - -", 80, HOST | ODD},
    {"https:////a//b", "https://a//b", "https - - a //b - -", 443, HOST | ODD},
    {" http://a\t.b\n/c\r ", "http://a.b/c", "http - - a.b /c - -", 80, HOST | ODD},
    {"ht\ntp://a/", "http://a/", "http - - a / - -", 80, HOST | ODD},
    {"http://a/%2e%2E/b/%2e/./c/..", "http://a/b/", "http - - a /b/ - -", 80, HOST},
    {"http://a/b%2F..%5c", "http://a/b%2F..%5c", "http - - a /b%2F..%5c - -", 80, HOST},
    {"http://a/\u00e9?\u00e9#\u00e9", "http://a/%C3%A9?%C3%A9#%C3%A9",
     "http - - a /%C3%A9 %C3%A9 %C3%A9", 80, HOST | QUERY | FRAGMENT},
    /* addresses */
    {"http://0x7f.1", "http://127.0.0.1/", "http - - 127.0.0.1 / - -", 80, HOST},
    {"http://2130706433", "http://127.0.0.1/", "http - - 127.0.0.1 / - -", 80, HOST},
    {"http://0177.0.0.01/", "http://127.0.0.1/", "http - - 127.0.0.1 / - -", 80, HOST},
    {"http://127.0.0.1./", "http://127.0.0.1/", "http - - 127.0.0.1 / - -", 80, HOST},
    {"http://\uff11\uff12\uff17.1/", "http://127.0.0.1/", "http - - 127.0.0.1 / - -", 80, HOST},
    {"http://[0:0::1]:8080/", "http://[::1]:8080/", "http - - [::1] / - -", 8080, HOST},
    {"http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http - - [::ffff:7f00:1] / - -", 80,
     HOST},
    /* names */
    {"http://b\u00fccher.de/", "http://xn--bcher-kva.de/", "http - - xn--bcher-kva.de / - -", 80,
     HOST},
    {"http://B\u00dcCHER.de/", "http://xn--bcher-kva.de/", "http - - xn--bcher-kva.de / - -", 80,
     HOST},
    {"http://fa\u00df.de/", "http://xn--fa-hia.de/", "http - - xn--fa-hia.de / - -", 80, HOST},
    {"http://\uff27\uff4f.com/", "http://go.com/", "http - - go.com / - -", 80, HOST},
    {"http://www\u3002a\u3002com/", "http://www.a.com/", "http - - www.a.com / - -", 80, HOST},
    {"http://a\u00adb.com/", "http://ab.com/", "http - - ab.com / - -", 80, HOST},
    {"http://%65x%61mple.com/", "http://example.com/", "http - - example.com / - -", 80, HOST},
    {"http://a.com./", "http://a.com./", "http - - a.com. / - -", 80, HOST},
    /* other schemes */
    {"ws://h", "ws://h/", "ws - - h / - -", 80, HOST},
    {"wss://h/", "wss://h/", "wss - - h / - -", 443, HOST},
    {"ftp://h/", "ftp://h/", "ftp - - h / - -", 21, HOST},
    {"gopher://HoSt/x", "gopher://HoSt/x", "gopher - - HoSt /x - -", -1, HOST},
    {"file:///etc/passwd", "file:///etc/passwd", "file - - - /etc/passwd - -", -1, 0},
    {"file://localhost/etc", "file:///etc", "file - - - /etc - -", -1, 0},
    {"file://server/x", "file://server/x", "file - - server /x - -", -1, HOST},
    {"file:c:\\a", "file:///c:/a", "file - - - /c:/a - -", -1, ODD},
    {"file:x", "file:///x", "file - - - /x - -", -1, ODD},
    {"javascript:alert(1)", "javascript:alert(1)", "javascript - - - alert(1) - -", -1, OPAQUE},
    {"data:text/plain,x?y", "data:text/plain,x?y", "data - - - text/plain,x y -", -1,
     OPAQUE | QUERY},
    {"mailto:a@b", "mailto:a@b", "mailto - - - a@b - -", -1, OPAQUE},
};

static const char *part_of(const char *buf, struct rt_url_part part)
{
    static char texts[8][100];
    static unsigned next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "%.*s", (int)part.len, part.len ? buf + part.at : "");
    return part.len ? text : "-";
}

TEST(url_examples)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *e = &examples[i];
        struct rt_url url;
        char buf[200], parts[400];
        if (rt_url_parse(e->text, strlen(e->text), buf, sizeof buf, &url) < 0) {
            STR_EQ(e->text, "a URL");
            continue;
        }
        STR_EQ(buf, e->href);
        EQ(url.len, strlen(e->href));
        snprintf(parts, sizeof parts, "%s %s %s %s %s %s %s", part_of(buf, url.scheme),
                 part_of(buf, url.username), part_of(buf, url.password), part_of(buf, url.host),
                 part_of(buf, url.path), part_of(buf, url.query), part_of(buf, url.fragment));
        STR_EQ(parts, e->parts);
        EQ(url.port, e->port);
        if (url.flags != e->flags) {
            STR_EQ(e->text, "has these flags:");
            EQ(url.flags, e->flags);
        }
        /* The normal form of the normal form is itself, and nothing about it is odd. */
        char again[200];
        ASSERT(rt_url_parse(buf, url.len, again, sizeof again, &url) == 0);
        STR_EQ(again, buf);
        EQ(url.flags & ODD, 0);
    }
}

TEST(url_what_is_none)
{
    static const char *const texts[] = {
        "",
        "example.com",
        "/a",
        "//a/",
        "http://",
        "http:///",
        "https://?x",
        "http://:80/",
        "http://u@/",
        "http://a b/",
        "http://a%00b/",
        "http://a%2fb/",
        "http://a<b/",
        "http://a:99999/",
        "http://a:x/",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://0x100000000/",
        "http://[::1/",
        "http://[::g]/",
        "http://[1.2.3.4]/",
        "http://xn--a/",
        "http://\u00ad/",
        "http://a\uff0fb/",
        "1http://a/",
        "http\xff://a/",
        "http://\xed\xa0\x80/",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct rt_url url;
        char buf[200] = "";
        if (rt_url_parse(texts[i], strlen(texts[i]), buf, sizeof buf, &url) != -1)
            STR_EQ(buf, texts[i]);
        STR_EQ(buf, "");
    }
}

TEST(url_buffer_of_each_size)
{
    struct rt_url url = {.port = -7};
    char buf[16] = "?";
    EQ(rt_url_parse("http://abcd", 11, buf, 12, &url), -2); /* http://abcd/ and a NUL */
    STR_EQ(buf, "?");
    EQ(url.port, -7);
    EQ(rt_url_parse("http://abcd", 11, buf, 13, &url), 0);
    STR_EQ(buf, "http://abcd/");
    EQ(rt_url_parse("http://abcd", 11, NULL, 0, &url), -2);
    EQ(rt_url_parse(NULL, 0, buf, sizeof buf, &url), -1);
    EQ(rt_url_parse("http://abcd", 11, buf, sizeof buf, NULL), -1);
    EQ(rt_url_parse("http://a\0.b/", 12, buf, sizeof buf, &url), -1);
}

static char long_text[1 << 20], long_buf[(3 << 20) + 100];

static int parse_long(const char *start, const char *piece)
{
    struct rt_url url;
    size_t at = strlen(start), len = strlen(piece);
    memcpy(long_text, start, at);
    for (; at + len <= sizeof long_text; at += len)
        memcpy(long_text + at, piece, len);
    return rt_url_parse(long_text, at, long_buf, sizeof long_buf, &url);
}

/* Where a parser could go over the text again and again; the runner ends what takes too long. */
TEST(url_long_texts)
{
    EQ(parse_long("http://", "a"), 0);
    EQ(parse_long("http://", "a."), 0);
    EQ(parse_long("http://", "@"), -1);
    EQ(parse_long("http://", "\u00fc"), -1);
    EQ(parse_long("http://xn--", "a"), -1);
    EQ(parse_long("http://", "%41"), 0);
    EQ(parse_long("http://a/", "../"), 0);
    EQ(parse_long("http://a/", "b/"), 0);
    EQ(parse_long("http://a/", "b/../"), 0);
    EQ(parse_long("http://a/", "\u00fc"), 0);
    EQ(parse_long("http://[", ":"), -1);
    EQ(parse_long("http://", "1."), -1);
    EQ(parse_long("http://", "\t"), -1);
    EQ(parse_long("", ":"), -1);
    EQ(parse_long("a:", " "), 0);
}
