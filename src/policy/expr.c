/* A comparison in one line: ">=0,<=10", "startswith:/api/".  Each becomes an operator as if it had
 * been written out, so that nothing here is evaluated. */
#include "policy/constraint_parts.h"

#include "base/mem.h"

static struct str trim(struct str text)
{
    while (text.len && (*text.ptr == ' ' || *text.ptr == '\t'))
        text.ptr++, text.len--;
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

static bool begins_with(struct str text, struct str start)
{
    return text.len >= start.len && memcmp(text.ptr, start.ptr, start.len) == 0;
}

static const char *read_comparison(struct str text, struct node *ret)
{
    static const struct {
        struct str sign;
        enum op op;
    } signs[] = {{{"<=", 2}, OP_LE}, {{">=", 2}, OP_GE}, {{"==", 2}, OP_EQ},
                 {{"!=", 2}, OP_NE}, {{"<", 1}, OP_LT},  {{">", 1}, OP_GT}};
    text = trim(text);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (!begins_with(text, signs[i].sign))
            continue;
        size_t skip = signs[i].sign.len;
        struct str digits = trim((struct str){text.ptr + skip, text.len - skip});
        bool is_number =
            digits.len && (*digits.ptr == '-' || (*digits.ptr >= '0' && *digits.ptr <= '9'));
        if (!is_number || !json_check(digits, JSON_STRICT, 0, NULL, NULL))
            return "a number must follow each of <=, >=, <, >, ==, !=";
        ret->op = signs[i].op;
        decimal_read(&ret->operand.number, digits);
        if (!ret->operand.number.judged)
            return "an exponent beyond 1,000,000 cannot be judged";
        unsafe_yyjson_set_raw(&ret->operand.made, digits.ptr, digits.len);
        ret->operand.value = &ret->operand.made;
        return NULL;
    }
    return "neither comparisons such as \">=0,<=10\" nor startswith:, endswith: or contains:";
}

static bool read_text(struct str text, struct node *ret)
{
    static const struct {
        struct str word;
        enum op op;
    } words[] = {{{"startswith:", 11}, OP_STARTS_WITH},
                 {{"endswith:", 9}, OP_ENDS_WITH},
                 {{"contains:", 9}, OP_CONTAINS}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t skip = words[i].word.len;
        if (!begins_with(text, words[i].word))
            continue;
        ret->op = words[i].op;
        unsafe_yyjson_set_strn(&ret->operand.made, text.ptr + skip, text.len - skip);
        ret->operand.value = &ret->operand.made;
        return true;
    }
    return false;
}

const char *expr_read(struct str text, struct rule *ret, bool *ret_nomem)
{
    struct rule rule = {.n = 1};
    const char *wrong = NULL;
    for (size_t i = 0; i < text.len; i++)
        rule.n += text.ptr[i] == ',';
    rule.nodes = mem_array(rule.n, sizeof *rule.nodes);
    if (!rule.nodes) {
        *ret_nomem = true;
        return "out of memory";
    }
    if (read_text(text, rule.nodes)) {
        rule.n = 1;
    } else {
        for (size_t i = 0; i < rule.n && !wrong; i++) {
            const char *comma = memchr(text.ptr, ',', text.len);
            size_t len = comma ? (size_t)(comma - text.ptr) : text.len;
            wrong = read_comparison((struct str){text.ptr, len}, &rule.nodes[i]);
            len += comma != NULL;
            text = (struct str){text.ptr + len, text.len - len};
        }
    }
    if (wrong)
        mem_free(rule.nodes);
    else
        *ret = rule;
    return wrong;
}
