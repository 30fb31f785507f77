/* See result.h. All pointers of one rule are followed in the same tree, so that what one drops does
 * not move what another means; then the next grant's rule sees what is left. */
#include "policy/result.h"

#include "base/mem.h"

static uint64_t most(const struct grant *grant)
{
    uint64_t max = GRANT_UNLIMITED;
    for (; grant; grant = grant->parent)
        max = grant->result.max < max ? grant->result.max : max;
    return max;
}

static bool has_rules(const struct grant *grant)
{
    while (grant && grant->result.n_drop == 0 && grant->result.n_mask == 0)
        grant = grant->parent;
    return grant != NULL;
}

/* What becomes of a value is written into a map beside the tree: one byte for each of its values.
 */
enum fate { KEPT, MASKED, DROPPED };

struct marking {
    yyjson_val *root;
    uint8_t *fates;
    enum fate fate;
};

static bool mark(void *context, yyjson_val *value)
{
    struct marking *marking = context;
    uint8_t *fate = &marking->fates[value - marking->root];
    if (*fate < marking->fate)
        *fate = (uint8_t)marking->fate;
    return true;
}

static yyjson_val *after(yyjson_val *value)
{
    return yyjson_is_ctn(value) ? (yyjson_val *)(void *)((char *)value + value->uni.ofs)
                                : value + 1;
}

static enum fate fate_of(const struct marking *marking, const yyjson_val *value)
{
    return (enum fate)marking->fates[value - marking->root];
}

static bool write_scalar(struct buf *out, yyjson_val *value)
{
    size_t len;
    char *text = json_write(value, &len);
    bool ok = text && buf_add(out, text, len);
    mem_free(text);
    return ok;
}

/* Writes the tree without what is dropped; iterative: an open container is known by the end of it,
 * and what closes it is on a stack of `depth` levels. False: memory, or it is deeper after all. */
static bool write_rest(const struct marking *marking, unsigned depth, struct buf *out)
{
    yyjson_val *end[JSON_MAX_DEPTH + 1];
    bool object[JSON_MAX_DEPTH + 1];
    bool comma = false;
    unsigned level = 0;
    yyjson_val *at = marking->root, *stop = after(marking->root);
    while (at < stop || level > 0) {
        if (level > 0 && at == end[level - 1]) {
            level--;
            buf_add_char(out, object[level] ? '}' : ']');
            comma = true;
            continue;
        }
        yyjson_val *key = level > 0 && object[level - 1] ? at : NULL;
        yyjson_val *value = key ? at + 1 : at;
        enum fate fate = fate_of(marking, value);
        at = after(value);
        if (fate == DROPPED)
            continue;
        if (comma)
            buf_add_char(out, ',');
        if (key) {
            buf_add_json_string(out, json_str(key));
            buf_add_char(out, ':');
        }
        comma = true;
        if (fate == MASKED) {
            buf_add_text(out, "\"***\"");
        } else if (yyjson_is_ctn(value)) {
            if (level == depth)
                return false;
            object[level] = yyjson_is_obj(value);
            end[level] = at;
            buf_add_char(out, object[level++] ? '{' : '[');
            at = value + 1;
            comma = false;
        } else if (!write_scalar(out, value)) {
            return false;
        }
    }
    return !buf_failed(out);
}

static bool apply_one(const struct result_rule *rule, struct str text, unsigned depth,
                      struct buf *out)
{
    struct json json;
    if (!json_parse(text, JSON_CHECKED, depth, &json, NULL))
        return false;
    size_t values = (size_t)(after(json.root) - json.root);
    struct marking marking = {json.root, mem_zalloc(values), MASKED};
    bool missing = false, ok = marking.fates != NULL;
    for (size_t i = 0; ok && i < rule->n_mask; i++)
        pointer_each(&rule->mask[i], json.root, mark, &marking, &missing);
    marking.fate = DROPPED;
    for (size_t i = 0; ok && i < rule->n_drop; i++)
        pointer_each(&rule->drop[i], json.root, mark, &marking, &missing);
    ok = ok && write_rest(&marking, depth, out);
    mem_free(marking.fates);
    json_release(&json);
    return ok;
}

enum result_answer result_apply(const struct grant *grant, struct str text, unsigned depth,
                                char **ret_text, size_t *ret_len)
{
    struct grant_chain chain;
    struct buf now = BUF_INIT(SIZE_MAX), next = BUF_INIT(SIZE_MAX);
    uint64_t max = most(grant);
    bool ok = true;
    if (text.len > max) {
        *ret_len = max;
        return RESULT_REFUSED;
    }
    if (!has_rules(grant))
        return RESULT_SAME;
    grant_chain(grant, &chain);
    for (size_t i = 0; ok && i < chain.n; i++) {
        const struct result_rule *rule = &chain.nodes[i]->result;
        if (rule->n_drop == 0 && rule->n_mask == 0)
            continue;
        buf_clear(&next);
        ok = apply_one(rule, now.data ? buf_str(&now) : text, depth, &next);
        struct buf swap = now;
        now = next;
        next = swap;
    }
    buf_release(&next);
    size_t len = now.len;
    char *made = ok ? buf_steal(&now) : NULL;
    buf_release(&now);
    if (!made)
        return RESULT_NOMEM;
    *ret_text = made;
    *ret_len = len;
    return RESULT_CHANGED;
}
