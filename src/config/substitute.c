/* What a policy takes from its surroundings, in the few places that allow it:
 *
 *     ${NAME}        a variable of the environment; that it is not set is a problem
 *     ${file:PATH}   the text of a file, without the newline at its end
 *     $${            these two characters and nothing else
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/file.h"

#define VALUE_MAX (1u << 20)

/* A text that lives as long as the loading. */
struct substituted {
    struct substituted *next;
    char *text;
};

void substituted_free(struct substituted *list)
{
    while (list) {
        struct substituted *next = list->next;
        mem_free(list->text);
        mem_free(list);
        list = next;
    }
}

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return name.len > 0;
}

static bool add_variable(struct loader *loader, size_t offset, struct str name, struct buf *out)
{
    char *copy = mem_dup(name.ptr, name.len);
    const char *value = copy ? getenv(copy) : NULL;
    bool ok = false;
    if (!copy)
        load_nomem(loader);
    else if (!value)
        load_problem(loader, offset, "the variable %.100s is not set", copy);
    else if (!utf8_valid(value, strlen(value)))
        load_problem(loader, offset, "the variable %.100s is not UTF-8", copy);
    else
        ok = buf_add_text(out, value);
    mem_free(copy);
    return ok;
}

static bool add_file(struct loader *loader, size_t offset, struct str path, struct buf *out)
{
    struct buf text = BUF_INIT(VALUE_MAX);
    struct capful_error why;
    char *full = policy_join(loader->directory, path);
    if (!full)
        return load_nomem(loader);
    int failed = policy_read(full, &text, &why);
    mem_free(full);
    struct str found = buf_str(&text);
    if (found.len && found.ptr[found.len - 1] == '\n')
        found.len--;
    bool ok = false;
    if (failed && text.failed)
        load_problem(loader, offset, "\"%.*s\" is larger than 1 MiB",
                     (int)(path.len < 200 ? path.len : 200), path.ptr);
    else if (failed)
        load_problem(loader, offset, "%s", why.text);
    else if (memchr(found.ptr, 0, found.len) || !utf8_valid(found.ptr, found.len))
        load_problem(loader, offset, "\"%.*s\" is no text", (int)(path.len < 200 ? path.len : 200),
                     path.ptr);
    else
        ok = buf_add_str(out, found);
    buf_release(&text);
    return ok;
}

/* What stands between the braces. */
static bool add_one(struct loader *loader, size_t offset, struct str inner, struct buf *out)
{
    static const struct str file = {"file:", 5};
    if (inner.len > file.len && memcmp(inner.ptr, file.ptr, file.len) == 0)
        return add_file(loader, offset, (struct str){inner.ptr + file.len, inner.len - file.len},
                        out);
    if (is_name(inner))
        return add_variable(loader, offset, inner, out);
    load_problem(loader, offset,
                 "\"${%.*s}\" is neither ${NAME} nor ${file:PATH}; \"$${\" stands for \"${\"",
                 (int)(inner.len < 100 ? inner.len : 100), inner.ptr);
    return false;
}

static bool substitute(struct loader *loader, size_t offset, struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len;) {
        const char *at = text.ptr + i;
        size_t left = text.len - i;
        if (left >= 3 && memcmp(at, "$${", 3) == 0) {
            buf_add_text(out, "${");
            i += 3;
        } else if (left >= 2 && memcmp(at, "${", 2) == 0) {
            const char *end = memchr(at, '}', left);
            struct str inner = {at + 2, end ? (size_t)(end - at) - 2 : 0};
            if (!end) {
                load_problem(loader, offset, "\"${\" without \"}\"; \"$${\" stands for \"${\"");
                return false;
            }
            if (!add_one(loader, offset, inner, out))
                return false;
            i += inner.len + 3;
        } else {
            buf_add_char(out, *at);
            i++;
        }
    }
    return true;
}

bool load_substituted(struct loader *loader, yyjson_val *key, yyjson_val *value, struct str *ret)
{
    struct str text;
    struct buf out = BUF_INIT(VALUE_MAX);
    if (!load_string(loader, key, value, &text))
        return false;
    if (!memmem(text.ptr, text.len, "${", 2)) {
        *ret = text;
        return true;
    }
    size_t offset = load_offset(loader, key, value);
    bool ok = substitute(loader, offset, text, &out);
    size_t len = out.len;
    if (!ok && buf_failed(&out))
        load_problem(loader, offset, "the text is larger than 1 MiB, or memory is short");
    struct substituted *kept = ok ? mem_zalloc(sizeof *kept) : NULL;
    char *made = kept ? buf_steal(&out) : NULL;
    buf_release(&out);
    if (!made && len == 0 && kept)
        made = mem_strdup("");
    if (!made) {
        mem_free(kept);
        return ok ? load_nomem(loader) : false;
    }
    *kept = (struct substituted){loader->substituted, made};
    loader->substituted = kept;
    *ret = (struct str){made, len};
    return true;
}
