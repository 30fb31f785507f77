/* Rules about what is shown, see redact.h. */
#include "audit/redact.h"

#include <string.h>

#include "audit/chain.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"

struct segment {
    struct str text; /* ~0 and ~1 replaced */
    bool any;        /* "*" */
};

struct redact_pointer {
    struct segment *segments;
    size_t n;
    char *text; /* what they point into */
};

struct rule {
    char *tool;
    enum audit_show arguments;
    bool hide_result;
    struct redact_pointer *fields;
    size_t n_fields;
};

struct redact {
    enum audit_show arguments;
    struct rule *rules;
    size_t n_rules;
};

/* ------------------------------------------------------------------ names of tools */

static struct str next_segment(struct str *rest)
{
    static const char ends[] = {'.', '/', ':'};
    size_t n = 0;
    while (n < rest->len && !memchr(ends, rest->ptr[n], sizeof ends))
        n++;
    struct str segment = {rest->ptr, n};
    n += n < rest->len;
    *rest = (struct str){rest->ptr + n, rest->len - n};
    return segment;
}

/* Segment by segment; where one does not fit, the last `**` takes one more. */
bool redact_match(struct str pattern, struct str name)
{
    struct str retry_pattern = {NULL, 0}, retry_name = {NULL, 0};
    while (name.len > 0 || pattern.len > 0) {
        struct str p = pattern, n = name;
        struct str wanted = next_segment(&p), found = next_segment(&n);
        if (str_equal(wanted, STR("**"))) {
            retry_pattern = pattern = p;
            retry_name = name;
        } else if (name.len > 0 && pattern.len > 0 &&
                   (str_equal(wanted, STR("*")) || str_equal(wanted, found))) {
            pattern = p;
            name = n;
        } else if (retry_name.len > 0) {
            (void)next_segment(&retry_name);
            pattern = retry_pattern;
            name = retry_name;
        } else {
            return false;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ compiling */

static void free_pointer(struct redact_pointer *pointer)
{
    mem_free(pointer->segments);
    mem_free(pointer->text);
}

void redact_free(struct redact *redact)
{
    if (!redact)
        return;
    for (size_t i = 0; i < redact->n_rules; i++) {
        struct rule *rule = &redact->rules[i];
        for (size_t j = 0; j < rule->n_fields; j++)
            free_pointer(&rule->fields[j]);
        mem_free(rule->fields);
        mem_free(rule->tool);
    }
    mem_free(redact->rules);
    mem_free(redact);
}

/* Replaces ~0 and ~1 in place; false where another character follows a tilde. */
static bool unescape(char *text)
{
    char *to = text;
    for (; *text; text++) {
        char c = *text;
        if (c == '~') {
            text++;
            if (*text != '0' && *text != '1')
                return false;
            c = *text == '0' ? '~' : '/';
        }
        *to++ = c;
    }
    *to = 0;
    return true;
}

/* "" is the whole value; otherwise each segment follows a slash. */
static int compile_pointer(const char *text, struct redact_pointer *ret, struct capful_error *err)
{
    size_t n = 0;
    for (const char *at = text; *at; at++)
        n += *at == '/';
    ret->text = mem_strdup(text);
    ret->segments = mem_array(n, sizeof *ret->segments);
    if (!ret->text || !ret->segments)
        return err_nomem(err);
    bool ok = *text == 0 || *text == '/';
    for (char *at = ret->text; ok && *at;) {
        char *from = at + 1;
        at = from + strcspn(from, "/");
        bool last = *at == 0;
        *at = 0;
        bool any = strcmp(from, "*") == 0;
        ok = unescape(from);
        ret->segments[ret->n++] = (struct segment){str_of(from), any};
        *at = last ? 0 : '/';
    }
    return ok ? 0
              : err_set(err, CAPFUL_EINVAL,
                        "audit: \"%.100s\" is no JSON pointer: it must begin with a slash, and ~ "
                        "stands before 0 or 1 only",
                        text);
}

static int compile_rule(const struct audit_rule *from, struct rule *ret, struct capful_error *err)
{
    if (!from->tool || !*from->tool)
        return err_set(err, CAPFUL_EINVAL, "audit: a rule names no tool");
    ret->arguments = from->arguments;
    ret->hide_result = from->hide_result;
    ret->tool = mem_strdup(from->tool);
    ret->fields = mem_array(from->n_fields, sizeof *ret->fields);
    if (!ret->tool || !ret->fields)
        return err_nomem(err);
    for (size_t i = 0; i < from->n_fields; i++) {
        ret->n_fields++;
        int failed = compile_pointer(from->fields[i], &ret->fields[i], err);
        if (failed)
            return failed;
    }
    return 0;
}

int redact_new(const struct audit_config *config, struct redact **ret, struct capful_error *err)
{
    struct redact *redact = mem_zalloc(sizeof *redact);
    if (!redact)
        return err_nomem(err);
    redact->arguments = config->arguments;
    redact->rules = mem_array(config->n_rules, sizeof *redact->rules);
    if (!redact->rules) {
        mem_free(redact);
        return err_nomem(err);
    }
    int failed = 0;
    for (size_t i = 0; !failed && i < config->n_rules; i++) {
        redact->n_rules++;
        failed = compile_rule(&config->rules[i], &redact->rules[i], err);
    }
    if (failed)
        redact_free(redact);
    else
        *ret = redact;
    return failed;
}

void redact_view(const struct redact *redact, struct str tool, struct redact_view *ret)
{
    ret->arguments = redact->arguments;
    ret->hide_result = false;
    ret->n_fields = 0;
    for (size_t i = 0; i < redact->n_rules; i++) {
        const struct rule *rule = &redact->rules[i];
        if (!redact_match(str_of(rule->tool), tool))
            continue;
        ret->hide_result |= rule->hide_result;
        if (rule->arguments > ret->arguments)
            ret->arguments = rule->arguments;
        for (size_t j = 0; j < rule->n_fields; j++)
            if (ret->n_fields < REDACT_FIELDS)
                ret->fields[ret->n_fields++] = &rule->fields[j];
            else if (ret->arguments < AUDIT_HASHED)
                ret->arguments = AUDIT_HASHED;
    }
}

bool redact_hides(const struct redact *redact)
{
    return redact->arguments != AUDIT_WHOLE || redact->n_rules > 0;
}

/* ------------------------------------------------------------------ hashing under a key */

void redact_hash(const uint8_t key[REDACT_KEY], struct str data, uint8_t ret[SHA256_SIZE])
{
    uint8_t inner[SHA256_BLOCK], outer[SHA256_BLOCK];
    struct sha256 hash;
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        uint8_t byte = i < REDACT_KEY ? key[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5c;
    }
    sha256_init(&hash);
    sha256_add(&hash, inner, sizeof inner);
    sha256_add(&hash, data.ptr, data.len);
    sha256_end(&hash, ret);
    sha256_init(&hash);
    sha256_add(&hash, outer, sizeof outer);
    sha256_add(&hash, ret, SHA256_SIZE);
    sha256_end(&hash, ret);
}

bool redact_add_hash(const uint8_t key[REDACT_KEY], struct str data, struct buf *out)
{
    uint8_t digest[SHA256_SIZE];
    char text[CHAIN_HEX];
    redact_hash(key, data, digest);
    chain_to_hex(digest, sizeof digest, text);
    buf_add_text(out, "\"hmac-sha256:");
    buf_add(out, text, sizeof text);
    return buf_add_char(out, '"');
}

/* ------------------------------------------------------------------ copying */

/* Of each level that is open: which pointers lead to it, and where in it we are. */
struct level {
    uint64_t live;
    bool is_list;
    size_t index;
};

struct walk {
    const char *at, *end;
    const struct redact_view *view;
    const uint8_t *key;
    struct buf *out;
    size_t depth; /* open levels */
    struct level levels[REDACT_DEPTH + 1];
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The text is known to be valid: behind blanks there is always something. */
static void skip_blanks(struct walk *w)
{
    while (is_blank(*w->at))
        w->at++;
}

static const char *string_end(const char *at)
{
    for (at++; *at != '"'; at++)
        at += *at == '\\';
    return at + 1;
}

static const char *scalar_end(const char *at, const char *end)
{
    static const char ends[] = {',', ']', '}'};
    if (*at == '"')
        return string_end(at);
    while (at < end && !is_blank(*at) && !memchr(ends, *at, sizeof ends))
        at++;
    return at;
}

/* The text is known to be valid, so what opens is closed. */
static const char *value_end(const char *at, const char *end)
{
    size_t open = 0;
    do {
        if (*at == '{' || *at == '[') {
            open++;
            at++;
        } else if (*at == '}' || *at == ']') {
            open--;
            at++;
        } else if (*at == ',' || *at == ':' || is_blank(*at)) {
            at++;
        } else {
            at = *at == '"' ? string_end(at) : scalar_end(at, end);
        }
    } while (open > 0);
    return at;
}

static uint32_t four_digits(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

/* One character of a JSON string, as UTF-8; *at moves beyond it. */
static size_t next_character(const char **at, char out[4])
{
    static const char escapes[] = "b\bf\fn\nr\rt\t";
    const char *c = *at;
    if (*c != '\\') {
        out[0] = *c;
        *at = c + 1;
        return 1;
    }
    *at = c + 2;
    if (c[1] != 'u') {
        const char *known = strchr(escapes, c[1]);
        out[0] = known ? known[1] : c[1];
        return 1;
    }
    uint32_t code = four_digits(c + 2);
    *at = c + 6;
    if (code >= 0xd800 &&
        code < 0xdc00) { /* the check has seen to it that the other half follows */
        code = 0x10000 + ((code - 0xd800) << 10) + (four_digits(c + 8) - 0xdc00);
        *at = c + 12;
    }
    return utf8_put(code, out);
}

/* Whether a key, from its quote, says `text`. */
static bool key_is(const char *quote, struct str text)
{
    const char *at = quote + 1;
    size_t matched = 0;
    while (*at != '"') {
        char bytes[4];
        size_t n = next_character(&at, bytes);
        if (text.len - matched < n || memcmp(text.ptr + matched, bytes, n) != 0)
            return false;
        matched += n;
    }
    return matched == text.len;
}

static bool index_is(size_t index, struct str text)
{
    char digits[24];
    size_t n = sizeof digits;
    do {
        digits[--n] = (char)('0' + index % 10);
        index /= 10;
    } while (index > 0);
    return str_equal(text, (struct str){digits + n, sizeof digits - n});
}

/* The pointers that go on into the member or element that comes now. */
static uint64_t go_in(const struct walk *w, const char *key)
{
    const struct level *in = &w->levels[w->depth];
    uint64_t live = 0;
    for (size_t i = 0; i < w->view->n_fields; i++) {
        const struct redact_pointer *pointer = w->view->fields[i];
        if (!(in->live >> i & 1))
            continue;
        const struct segment *segment = &pointer->segments[w->depth - 1];
        if (segment->any || (key ? key_is(key, segment->text) : index_is(in->index, segment->text)))
            live |= UINT64_C(1) << i;
    }
    return live;
}

/* Whether a pointer ends here; those that go on stay in *live. */
static bool is_hidden(const struct walk *w, uint64_t live)
{
    for (size_t i = 0; i < w->view->n_fields; i++)
        if ((live >> i & 1) && w->view->fields[i]->n == w->depth)
            return true;
    return false;
}

static void hide(struct walk *w)
{
    const char *end = value_end(w->at, w->end);
    buf_add_text(w->out, "{\"redacted\":");
    redact_add_hash(w->key, (struct str){w->at, (size_t)(end - w->at)}, w->out);
    buf_add_char(w->out, '}');
    w->at = end;
}

/* A value from its first character: hidden, opened, or copied. */
static void enter(struct walk *w, uint64_t live)
{
    char c = *w->at;
    if (is_hidden(w, live)) {
        hide(w);
    } else if (c == '{' || c == '[') {
        w->levels[++w->depth] = (struct level){live, c == '[', 0};
        buf_add_char(w->out, c);
        w->at++;
    } else {
        const char *end = scalar_end(w->at, w->end);
        buf_add(w->out, w->at, (size_t)(end - w->at));
        w->at = end;
    }
}

/* A member's key and colon, then its value; or an element. */
static void enter_member(struct walk *w)
{
    const char *key = NULL;
    if (!w->levels[w->depth].is_list) {
        key = w->at;
        w->at = string_end(key);
        buf_add(w->out, key, (size_t)(w->at - key));
        buf_add_char(w->out, ':');
        skip_blanks(w);
        w->at++;
        skip_blanks(w);
    }
    enter(w, go_in(w, key));
}

bool redact_copy(const struct redact_view *view, const uint8_t key[REDACT_KEY], struct str json,
                 struct buf *out)
{
    struct walk w = {
        .at = json.ptr, .end = json.ptr + json.len, .view = view, .key = key, .out = out};
    skip_blanks(&w);
    enter(&w, ~UINT64_C(0));
    while (w.depth > 0 && !buf_failed(out)) {
        skip_blanks(&w);
        if (*w.at == '}' || *w.at == ']') {
            buf_add_char(out, *w.at++);
            w.depth--;
        } else if (*w.at == ',') {
            buf_add_char(out, *w.at++);
            w.levels[w.depth].index++;
        } else {
            enter_member(&w);
        }
    }
    return !buf_failed(out);
}
