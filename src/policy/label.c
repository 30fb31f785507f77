/* See label.h. */
#include "policy/label.h"

#include "base/mem.h"

void labels_release(struct labels *labels)
{
    for (size_t i = 0; i < labels->n; i++)
        mem_free(labels->names[i]);
    labels->n = 0;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool label_valid(struct str name)
{
    if (name.len == 0 || name.len > LABEL_LEN_MAX || !is_letter(name.ptr[0]))
        return false;
    for (size_t i = 1; i < name.len; i++) {
        char c = name.ptr[i];
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '_' && c != '-')
            return false;
    }
    return true;
}

label_set label_find(const struct labels *labels, struct str name)
{
    for (size_t i = 0; i < labels->n; i++)
        if (str_equal(str_of(labels->names[i]), name))
            return UINT64_C(1) << i;
    return 0;
}

label_set label_bit(struct labels *labels, struct str name, bool add, bool *ret_nomem)
{
    label_set bit = label_find(labels, name);
    if (bit || !add || labels->n == LABELS_MAX)
        return bit;
    char *copy = mem_dup(name.ptr, name.len);
    if (!copy) {
        *ret_nomem = true;
        return 0;
    }
    labels->names[labels->n] = copy;
    return UINT64_C(1) << labels->n++;
}

void labels_words(const struct labels *labels, label_set set, struct buf *out)
{
    size_t left = (size_t)__builtin_popcountll(set);
    for (size_t i = 0; i < labels->n; i++) {
        if (!(set >> i & 1))
            continue;
        left--;
        buf_printf(out, "\"%s\"%s", labels->names[i], left == 0 ? "" : left == 1 ? " and " : ", ");
    }
}
