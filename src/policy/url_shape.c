/* URLs with one reading, see url_shape.h.  The rules stand in capful-policy(5), "url". */
#include "policy/url_shape.h"

#include <string.h>

#include "base/url.h"

/* Those that the standard calls special: hosts and paths are read by rules of their own. */
static const struct special {
    struct str scheme;
    int32_t port;
} specials[] = {
    {{"https", 5}, 443}, {{"http", 4}, 80}, {{"wss", 3}, 443},
    {{"ws", 2}, 80},     {{"ftp", 3}, 21},  {{"file", 4}, -1},
};

static const struct special *special_of(struct str scheme)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        if (str_equal(scheme, specials[i].scheme))
            return &specials[i];
    return NULL;
}

static bool is_plain_text(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x21 || text.ptr[i] > 0x7e || text.ptr[i] == '\\')
            return false;
    return true;
}

/* "scheme://", and then no third slash but for files.  The standard forgives other numbers of
 * slashes, where others see no host. */
static bool has_two_slashes(struct str text, const struct special *special)
{
    struct str rest = {text.ptr + special->scheme.len, text.len - special->scheme.len};
    return rest.len > 3 && memcmp(rest.ptr, "://", 3) == 0 &&
           (rest.ptr[3] != '/' || special->port < 0);
}

/* After the two slashes stands the host as the standard writes it, but for its letters' case. It
 * reads others, too, percent-encoded or as numbers such as 0177.1, in which other readers see other
 * hosts. */
static bool has_plain_host(struct str text, const struct special *special, struct str host)
{
    struct str rest = {text.ptr + special->scheme.len + 3, text.len - special->scheme.len - 3};
    if (rest.len < host.len)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = rest.ptr[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != host.ptr[i])
            return false;
    }
    return rest.len == host.len || strchr("/?#:", rest.ptr[host.len]) != NULL;
}

static struct str piece(const char *text, struct rt_url_part part)
{
    return (struct str){text + part.at, part.len};
}

bool url_shape_read(struct str text, struct url_shape *ret)
{
    struct rt_url url;
    if (text.len > URL_MAX || !is_plain_text(text) ||
        rt_url_parse(text.ptr, text.len, ret->text, sizeof ret->text, &url) != 0 ||
        url.flags & RT_URL_HAS_USERINFO)
        return false;
    ret->scheme = piece(ret->text, url.scheme);
    ret->host = piece(ret->text, url.host);
    ret->path = piece(ret->text, url.path);
    ret->port = url.port;
    const struct special *special = special_of(ret->scheme);
    ret->usual_port = special && url.port == special->port && url.port > 0;
    return !special || (has_two_slashes(text, special) && has_plain_host(text, special, ret->host));
}

bool url_shape_host_fits(struct str pattern, struct str host)
{
    if (pattern.ptr[0] != '*')
        return str_equal(pattern, host);
    struct str end = {pattern.ptr + 1, pattern.len - 1};
    return host.len > end.len && memcmp(host.ptr + host.len - end.len, end.ptr, end.len) == 0;
}

bool url_shape_host_valid(struct str pattern)
{
    struct url_shape url;
    char text[300];
    size_t len = sizeof "https://" - 1;
    if (str_equal(pattern, STR("*")))
        return true;
    if (pattern.len > 2 && memcmp(pattern.ptr, "*.", 2) == 0)
        pattern = (struct str){pattern.ptr + 2, pattern.len - 2};
    if (pattern.len == 0 || pattern.len > 255 || memchr(pattern.ptr, '*', pattern.len))
        return false;
    memcpy(text, "https://", len);
    memcpy(text + len, pattern.ptr, pattern.len);
    return url_shape_read((struct str){text, len + pattern.len}, &url) &&
           str_equal(url.host, pattern);
}

bool url_shape_scheme_valid(struct str scheme)
{
    for (size_t i = 0; i < scheme.len; i++) {
        char c = scheme.ptr[i];
        bool letter = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        bool sign = c == '+' || c == '-' || c == '.';
        if (!letter && (i == 0 || !(digit || sign)))
            return false;
    }
    return scheme.len > 0;
}
