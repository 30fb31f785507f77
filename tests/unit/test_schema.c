/* Schemas of tools: those taken for right without the compiler are right, and arguments are checked
 * the same. */
#include <pthread.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/schema.h"
#include "tap.h"
#include "tool/schema.h"

static bool is_plain(const char *text)
{
    struct json json;
    ASSERT(json_parse(str_of(text), JSON_STRICT, 100, &json, NULL));
    bool plain = tool_schema_is_plain(json.root);
    json_release(&json);
    return plain;
}

static bool compiles(const char *text)
{
    void *compiled = NULL;
    bool ok = rt_schema_compile(text, strlen(text), &compiled, NULL, 0) == 0;
    if (ok)
        rt_schema_free(compiled);
    return ok;
}

/* Values of all kinds under every keyword: nothing that is found plain may be refused by the
 * compiler. */
TEST(schema_plain_is_never_wrong)
{
    static const char *const names[] = {"type",
                                        "description",
                                        "properties",
                                        "required",
                                        "additionalProperties",
                                        "items",
                                        "enum",
                                        "const",
                                        "default",
                                        "title",
                                        "format",
                                        "examples",
                                        "minimum",
                                        "maximum",
                                        "exclusiveMinimum",
                                        "exclusiveMaximum",
                                        "minLength",
                                        "maxLength",
                                        "minItems",
                                        "maxItems",
                                        "minProperties",
                                        "maxProperties",
                                        "uniqueItems",
                                        "anyOf",
                                        "oneOf",
                                        "allOf",
                                        "deprecated",
                                        "readOnly",
                                        "writeOnly",
                                        "pattern",
                                        "$ref",
                                        "not",
                                        "if",
                                        "multipleOf",
                                        "patternProperties",
                                        "$id",
                                        "$schema",
                                        "$defs",
                                        "unknown",
                                        "dependentRequired",
                                        "contains",
                                        "propertyNames",
                                        "$anchor"};
    static const char *const values[] = {"null",
                                         "true",
                                         "false",
                                         "0",
                                         "-1",
                                         "1.5",
                                         "7",
                                         "1e999",
                                         "123456789012345678901234567890",
                                         "\"\"",
                                         "\"string\"",
                                         "\"strnig\"",
                                         "\"(\"",
                                         "\"#\"",
                                         "[]",
                                         "[1]",
                                         "[\"a\"]",
                                         "[\"a\",\"a\"]",
                                         "[\"string\"]",
                                         "[\"string\",\"null\"]",
                                         "[\"string\",\"string\"]",
                                         "[{}]",
                                         "[{\"type\":\"x\"}]",
                                         "[true]",
                                         "{}",
                                         "{\"a\":{}}",
                                         "{\"a\":1}",
                                         "{\"a\":[]}",
                                         "{\"type\":\"object\"}",
                                         "{\"a\":{\"type\":5}}",
                                         "{\"minimum\":\"1\"}",
                                         "[1e999]",
                                         "{\"a\":{\"const\":1e999}}",
                                         "[{\"pattern\":\"(\"}]",
                                         "{\"a\":{\"$ref\":\"#/nowhere\"}}",
                                         "{\"a\":true}"};
    int plain = 0, wrong = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t j = 0; j < sizeof values / sizeof *values; j++) {
            char text[256];
            for (int deep = 0; deep < 2; deep++) {
                snprintf(text, sizeof text,
                         deep ? "{\"properties\":{\"p\":{\"%s\":%s}}}" : "{\"%s\":%s}", names[i],
                         values[j]);
                if (!is_plain(text))
                    continue;
                plain++;
                if (!compiles(text)) {
                    wrong++;
                    STR_EQ(text, "a schema that compiles");
                }
            }
        }
    EQ(wrong, 0);
    OK(plain > 300);
}

TEST(schema_usual_ones_are_plain)
{
    OK(is_plain("{\"type\":\"object\",\"properties\":{\"amount\":{\"type\":\"number\",\"maximum\":"
                "100},\"tags\":{\"type\":"
                "\"array\",\"items\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]},\"maxItems\":3},"
                "\"note\":{\"type\":[\"string\","
                "\"null\"],\"description\":\"x\",\"default\":null}},\"required\":[\"amount\"],"
                "\"additionalProperties\":false}"));
    OK(!is_plain("{\"properties\":{\"x\":{\"pattern\":\"^a\"}}}"));
    OK(!is_plain("{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{}}}"));
    OK(!is_plain("{\"properties\":{\"x\":{\"tpye\":\"string\"}}}"));
}

static struct tool_schema *make(const char *text)
{
    struct json json;
    struct tool_schema *schema = NULL;
    char why[200];
    ASSERT(json_parse(str_of(text), JSON_STRICT, 100, &json, NULL));
    char *copy = mem_strdup(text);
    if (!tool_schema_new(copy, strlen(copy), json.root, &schema, why, sizeof why))
        mem_free(copy);
    json_release(&json);
    return schema;
}

TEST(schema_wrong_ones_are_refused_at_once)
{
    OK(make("{\"properties\":{\"x\":{\"pattern\":\"(\"}}}") == NULL);
    OK(make("{\"properties\":{\"x\":{\"type\":\"strnig\"}}}") == NULL);
    OK(make("{\"minimum\":\"5\"}") == NULL);
    OK(make("{\"properties\":{\"x\":{\"const\":1e999}}}") == NULL);
}

static void *check_often(void *context)
{
    char why[200];
    intptr_t wrong = 0;
    for (int i = 0; i < 500; i++) {
        wrong += !tool_schema_accepts(context, STR("{\"n\":5}"), why, sizeof why);
        wrong += tool_schema_accepts(context, STR("{\"n\":50}"), why, sizeof why);
        wrong += strcmp(why, "/n: 50 is greater than the maximum of 10") != 0;
    }
    return (void *)wrong;
}

TEST(schema_is_compiled_once_by_whoever_is_first)
{
    struct tool_schema *schema = make("{\"properties\":{\"n\":{\"maximum\":10}}}");
    pthread_t threads[4];
    ASSERT(schema != NULL);
    OK(atomic_load(&schema->compiled) == NULL);
    for (int i = 0; i < 4; i++)
        EQ(pthread_create(&threads[i], NULL, check_often, schema), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        EQ((intptr_t)wrong, 0);
    }
    OK(atomic_load(&schema->compiled) != NULL);
    tool_schema_free(schema);
    schema = make("{\"properties\":{\"n\":{\"pattern\":\"^a\"}}}");
    OK(atomic_load(&schema->compiled) != NULL);
    tool_schema_free(schema);
    tool_schema_free(NULL);
}
