/* The checker against the library: strict, both accept the same texts; relaxed, what the checker
 * accepts the library can read; keys that the quick look finds unique are unique. What was read is
 * written and read again: the second writing is the same.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void round_trip(struct str text, unsigned flags)
{
    struct json first, second;
    struct json_problem problem;
    size_t len, again_len;
    if (!json_parse(text, flags, 100, &first, &problem)) {
        must(!problem.nomem && problem.text[0] && problem.offset <= text.len);
        return;
    }
    size_t values;
    must(json_check(text, flags, 100, &values, NULL));
    must(values == yyjson_doc_get_val_count(first.doc));
    char *written = json_write(first.root, &len);
    must(written != NULL);
    must(json_parse((struct str){written, len}, JSON_STRICT | (flags & JSON_UNIQUE_KEYS), 100,
                    &second, &problem));
    char *again = json_write(second.root, &again_len);
    must(again && again_len == len && memcmp(written, again, len) == 0);
    mem_free(written);
    mem_free(again);
    json_release(&first);
    json_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    yyjson_doc *doc = yyjson_read((const char *)data, size, YYJSON_READ_NUMBER_AS_RAW);
    bool accepted = json_check(text, JSON_STRICT, JSON_MAX_DEPTH, NULL, NULL);
    struct json_problem problem;
    /* The library has no bound of depth. */
    if (doc && !accepted)
        must(!json_check(text, JSON_STRICT, JSON_MAX_DEPTH, NULL, &problem) &&
             strstr(problem.text, "deeper than"));
    must(doc || !accepted);
    yyjson_doc_free(doc);
    if (accepted && json_flat_unique(text)) {
        struct json json;
        must(json_parse(text, JSON_STRICT | JSON_UNIQUE_KEYS, JSON_MAX_DEPTH, &json, &problem));
        json_release(&json);
    }
    round_trip(text, JSON_STRICT);
    round_trip(text, JSON_STRICT | JSON_UNIQUE_KEYS);
    round_trip(text, JSON_RELAXED | JSON_UNIQUE_KEYS);
    return 0;
}
