/* Reading a policy: the external programs under "tools". */
#include <sys/stat.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/number.h"
#include "config/file.h"
#include "tool/command.h"

struct tool_parts {
    struct str name;
    struct str description;
    yyjson_val *schema, *schema_key;
    yyjson_val *command, *command_key;
    yyjson_val *allow_leading, *allow_key;
    struct command_spec *spec;
    uint64_t time_limit;
    struct buf labels; /* separated by blanks */
};

static void tool_description(struct loader *loader, yyjson_val *key, yyjson_val *value,
                             void *target)
{
    struct tool_parts *parts = target;
    load_string(loader, key, value, &parts->description);
}

static void tool_schema(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    if (load_wants(loader, key, value, "an object", yyjson_is_obj(value))) {
        parts->schema = value;
        parts->schema_key = key;
    }
}

static void tool_command(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    parts->command_key = key;
    if (!load_wants(loader, key, value, "a list of strings", yyjson_is_arr(value)))
        return;
    if (yyjson_arr_size(value) == 0)
        load_problem(loader, json_offset(&loader->file->json, key),
                     "\"command\" is empty: it must begin with a program");
    else
        parts->command = value;
}

static void tool_input(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    struct str text;
    if (!load_string(loader, key, value, &text))
        return;
    if (str_equal(text, STR("json")))
        parts->spec->input = COMMAND_INPUT_JSON;
    else if (str_equal(text, STR("none")))
        parts->spec->input = COMMAND_INPUT_NONE;
    else
        load_problem(loader, load_offset(loader, key, value),
                     "\"input\" must be \"json\" or \"none\"");
}

static void tool_output(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    struct str text;
    if (!load_string(loader, key, value, &text))
        return;
    if (str_equal(text, STR("json")))
        parts->spec->output = COMMAND_OUTPUT_JSON;
    else if (str_equal(text, STR("text")))
        parts->spec->output = COMMAND_OUTPUT_TEXT;
    else
        load_problem(loader, load_offset(loader, key, value),
                     "\"output\" must be \"json\" or \"text\"");
}

static void tool_env(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    yyjson_obj_iter iter;
    struct str name, text;
    if (!load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        return;
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *pair; (pair = yyjson_obj_iter_next(&iter));)
        if (load_env_pair(loader, pair, yyjson_obj_iter_get_val(pair), true, &name, &text) &&
            !command_spec_setenv(parts->spec, name, text))
            load_nomem(loader);
}

static void tool_cwd(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    struct str text;
    struct stat st;
    if (!load_string(loader, key, value, &text))
        return;
    mem_free(parts->spec->cwd);
    parts->spec->cwd = policy_join(loader->directory, text);
    if (!parts->spec->cwd)
        load_nomem(loader);
    else if (text.len == 0 || stat(parts->spec->cwd, &st) < 0 || !S_ISDIR(st.st_mode))
        load_problem(loader, load_offset(loader, key, value),
                     "\"cwd\": \"%.*s\" is not a directory", (int)(text.len < 200 ? text.len : 200),
                     text.ptr);
}

static void tool_time_limit(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    if (load_quantity(loader, key, value, NUMBER_NS, &parts->time_limit) && parts->time_limit == 0)
        load_problem(loader, load_offset(loader, key, value),
                     "\"time_limit\": no time at all; write \"unlimited\" to lift the limit");
}

static void tool_allow_leading(struct loader *loader, yyjson_val *key, yyjson_val *value,
                               void *target)
{
    struct tool_parts *parts = target;
    if (load_wants(loader, key, value, "a list of arguments", yyjson_is_arr(value))) {
        parts->allow_leading = value;
        parts->allow_key = key;
    }
}

/* ------------------------------------------------------------------ what concerns several keys */

static void find_program(struct loader *loader, struct tool_parts *parts, yyjson_val *first)
{
    struct str name = json_str(first);
    const struct command_element *element = &parts->spec->argv[0];
    size_t offset = json_offset(&loader->file->json, first);
    if (element->n != 1 || element->parts[0].placeholder) {
        load_problem(loader, offset, "the program itself cannot be an argument of the call");
        return;
    }
    const char *wrong =
        command_resolve(str_of(element->parts[0].text), loader->directory, &parts->spec->program);
    if (wrong == command_nomem)
        load_nomem(loader);
    else if (wrong)
        load_problem(loader, offset, "\"%.*s\": %s", (int)(name.len < 200 ? name.len : 200),
                     name.ptr, wrong);
}

/* A placeholder must be a property of the schema: a misspelt one would always be missing. */
static void check_placeholders(struct loader *loader, const struct tool_parts *parts, size_t index,
                               size_t offset)
{
    const struct command_element *element = &parts->spec->argv[index];
    yyjson_val *properties = parts->schema ? json_get(parts->schema, STR("properties")) : NULL,
               *key;
    for (size_t i = 0; i < element->n; i++) {
        struct str name = str_of(element->parts[i].text);
        struct near near;
        yyjson_obj_iter iter;
        if (!element->parts[i].placeholder || json_get(properties, name))
            continue;
        near_init(&near, name);
        yyjson_obj_iter_init(properties, &iter);
        while ((key = yyjson_obj_iter_next(&iter)))
            near_offer(&near, json_str(key));
        if (near.best.ptr)
            load_problem(loader, offset,
                         "{%.100s} is not an argument of the schema; did you mean {%.*s}? "
                         "(\"{{\" stands for a brace)",
                         name.ptr, (int)near.best.len, near.best.ptr);
        else
            load_problem(loader, offset,
                         "{%.100s} is not an argument that the schema names; "
                         "write \"{{\" for a brace",
                         name.ptr);
    }
}

static void read_command(struct loader *loader, struct tool_parts *parts)
{
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(parts->command, i, n, item)
    {
        size_t offset = load_offset(loader, parts->command_key, item);
        if (!load_wants(loader, parts->command_key, item, "a list of strings", yyjson_is_str(item)))
            return;
        const char *wrong = command_spec_add(parts->spec, json_str(item));
        if (wrong == command_nomem) {
            load_nomem(loader);
            return;
        }
        if (wrong) {
            load_problem(loader, offset, "%s", wrong);
            return;
        }
        if (i == 0)
            find_program(loader, parts, item);
        check_placeholders(loader, parts, i, offset);
    }
}

static bool allow_leading(struct command_spec *spec, struct str name)
{
    bool found = false;
    for (size_t i = 0; i < spec->n_argv; i++)
        for (size_t j = 0; j < spec->argv[i].n; j++) {
            struct command_part *part = &spec->argv[i].parts[j];
            if (part->placeholder && str_equal(str_of(part->text), name))
                part->allow_leading = found = true;
        }
    return found;
}

static void read_allow_leading(struct loader *loader, struct tool_parts *parts)
{
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(parts->allow_leading, i, n, item)
    {
        if (!load_wants(loader, parts->allow_key, item, "a list of strings", yyjson_is_str(item)))
            continue;
        struct str name = json_str(item);
        if (!allow_leading(parts->spec, name))
            load_problem(loader, json_offset(&loader->file->json, item),
                         "{%.*s} does not stand in \"command\"",
                         (int)(name.len < 100 ? name.len : 100), name.ptr);
    }
}

static void tool_labels(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    struct tool_parts *parts = target;
    size_t i, n;
    yyjson_val *item;
    load_label_list(loader, key, value);
    yyjson_arr_foreach(value, i, n, item)
    {
        buf_add_str(&parts->labels, yyjson_is_str(item) ? json_str(item) : STR(""));
        buf_add_char(&parts->labels, ' ');
    }
}

static bool add_tool(struct loader *loader, struct tool_parts *parts, size_t offset)
{
    char *name = mem_dup(parts->name.ptr, parts->name.len);
    char *description = mem_dup(parts->description.ptr, parts->description.len);
    char *schema = NULL;
    size_t len;
    struct capful_error why;
    bool ok = name && description && !buf_failed(&parts->labels);
    if (ok && parts->schema) {
        schema = json_write(parts->schema, &len);
        ok = schema != NULL;
    }
    if (ok) {
        struct capful_tool tool = {.name = name,
                                   .description = description,
                                   .schema = schema,
                                   .labels = parts->labels.data,
                                   .time_limit = parts->time_limit};
        int failed = toolset_add_command(loader->set, &tool, parts->spec, &why);
        if (!failed)
            parts->spec = NULL;
        else if (failed == CAPFUL_ENOMEM)
            ok = false;
        else
            load_problem(loader, offset, "%s", why.text);
    }
    mem_free(name);
    mem_free(description);
    mem_free(schema);
    return ok || load_nomem(loader);
}

static void load_tool(struct loader *loader, yyjson_val *key, yyjson_val *value)
{
    static const struct load_key keys[] = {{"description", tool_description},
                                           {"schema", tool_schema},
                                           {"command", tool_command},
                                           {"input", tool_input},
                                           {"output", tool_output},
                                           {"env", tool_env},
                                           {"cwd", tool_cwd},
                                           {"time_limit", tool_time_limit},
                                           {"allow_leading", tool_allow_leading},
                                           {"labels", tool_labels},
                                           {NULL, NULL}};
    struct tool_parts parts = {.name = json_str(key), .description = {"", 0}};
    buf_init(&parts.labels, 1 << 16);
    size_t before = loader->problems, offset = json_offset(&loader->file->json, key);
    if (!load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        return;
    if (memchr(parts.name.ptr, 0, parts.name.len)) {
        load_problem(loader, offset, "the name of a tool must not hold a NUL");
        return;
    }
    parts.spec = command_spec_new();
    if (!parts.spec) {
        load_nomem(loader);
        return;
    }
    load_object(loader, "a tool", value, keys, &parts);
    if (!parts.command_key)
        load_problem(loader, offset, "the tool \"%.*s\" needs \"command\"",
                     (int)(parts.name.len < 100 ? parts.name.len : 100), parts.name.ptr);
    if (parts.command)
        read_command(loader, &parts);
    if (parts.allow_leading && loader->problems == before)
        read_allow_leading(loader, &parts);
    if (!parts.spec->cwd) {
        parts.spec->cwd = mem_strdup(loader->directory);
        if (!parts.spec->cwd)
            load_nomem(loader);
    }
    if (loader->problems == before && !loader->nomem)
        add_tool(loader, &parts, offset);
    command_spec_free(parts.spec);
    buf_release(&parts.labels);
}

void load_tools(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target)
{
    yyjson_obj_iter iter;
    (void)target;
    if (!load_wants(loader, key, value, "an object", yyjson_is_obj(value)))
        return;
    if (loader->file->base) {
        load_problem(loader, json_offset(&loader->file->json, key),
                     "a policy that extends another has no tools of its own");
        return;
    }
    yyjson_obj_iter_init(value, &iter);
    for (yyjson_val *tool; (tool = yyjson_obj_iter_next(&iter));)
        load_tool(loader, tool, yyjson_obj_iter_get_val(tool));
}
