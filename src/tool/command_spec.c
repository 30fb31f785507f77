/* How an external program is called, see command.h: reading its argument list, finding it. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "tool/command.h"

const char command_nomem[] = "out of memory";

struct command_spec *command_spec_new(void)
{
    return mem_zalloc(sizeof(struct command_spec));
}

static void element_release(struct command_element *element)
{
    for (size_t i = 0; i < element->n; i++)
        mem_free(element->parts[i].text);
    mem_free(element->parts);
    *element = (struct command_element){NULL, 0};
}

void command_spec_free(struct command_spec *spec)
{
    if (!spec)
        return;
    for (size_t i = 0; i < spec->n_argv; i++)
        element_release(&spec->argv[i]);
    for (size_t i = 0; i < spec->n_env; i++)
        mem_free(spec->env[i]);
    mem_free(spec->argv);
    mem_free(spec->env);
    mem_free(spec->program);
    mem_free(spec->cwd);
    mem_free(spec);
}

static bool add_part(struct command_element *element, struct buf *text, bool placeholder)
{
    char *copy = buf_steal(text);
    struct command_part *parts =
        copy ? mem_resize_array(element->parts, element->n + 1, sizeof *parts) : NULL;
    if (!parts) {
        mem_free(copy);
        return false;
    }
    element->parts = parts;
    parts[element->n++] = (struct command_part){copy, placeholder, false};
    return true;
}

static const char *read_element(struct command_element *element, struct str text,
                                struct buf *literal)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool twice = i + 1 < text.len && text.ptr[i + 1] == c;
        if (c == 0)
            return "holds a NUL";
        if ((c == '{' || c == '}') && twice) {
            buf_add_char(literal, c);
            i++;
            continue;
        }
        if (c == '}')
            return "'}' closes no placeholder; write \"}}\" for a brace";
        if (c != '{') {
            buf_add_char(literal, c);
            continue;
        }
        size_t end = i + 1;
        while (end < text.len && text.ptr[end] != '}' && text.ptr[end] != '{')
            end++;
        if (end == text.len || text.ptr[end] != '}')
            return "the placeholder is never closed; write \"{{\" for a brace";
        if (end == i + 1)
            return "a placeholder needs the name of an argument; write \"{{}}\" for braces";
        if (memchr(text.ptr + i, 0, end - i))
            return "holds a NUL";
        if (literal->len && !add_part(element, literal, false))
            return command_nomem;
        buf_add(literal, text.ptr + i + 1, end - i - 1);
        if (!add_part(element, literal, true))
            return command_nomem;
        i = end;
    }
    if ((literal->len || element->n == 0) && !add_part(element, literal, false))
        return command_nomem;
    return NULL;
}

const char *command_spec_add(struct command_spec *spec, struct str text)
{
    struct command_element *argv = mem_resize_array(spec->argv, spec->n_argv + 1, sizeof *argv);
    if (!argv)
        return command_nomem;
    spec->argv = argv;
    struct command_element element = {NULL, 0};
    struct buf literal = BUF_INIT(SIZE_MAX);
    const char *wrong = read_element(&element, text, &literal);
    if (!wrong && buf_failed(&literal))
        wrong = command_nomem;
    buf_release(&literal);
    if (wrong) {
        element_release(&element);
        return wrong;
    }
    argv[spec->n_argv++] = element;
    return NULL;
}

bool command_spec_setenv(struct command_spec *spec, struct str name, struct str value)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    buf_add_str(&text, name);
    buf_add_char(&text, '=');
    buf_add_str(&text, value);
    char *line = buf_steal(&text);
    if (!line)
        return false;
    for (size_t i = 0; i < spec->n_env; i++)
        if (strncmp(spec->env[i], line, name.len + 1) == 0) {
            mem_free(spec->env[i]);
            spec->env[i] = line;
            return true;
        }
    char **env = mem_resize_array(spec->env, spec->n_env + 1, sizeof *env);
    if (!env) {
        mem_free(line);
        return false;
    }
    spec->env = env;
    env[spec->n_env++] = line;
    return true;
}

/* ------------------------------------------------------------------ finding it */

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static char *join(struct str directory, struct str name)
{
    struct buf path = BUF_INIT(SIZE_MAX);
    buf_add_str(&path, directory);
    if (directory.len == 0 || directory.ptr[directory.len - 1] != '/')
        buf_add_char(&path, '/');
    buf_add_str(&path, name);
    return buf_steal(&path);
}

static const char *accept(char *path, char **ret)
{
    if (!path)
        return command_nomem;
    struct stat st;
    const char *wrong = NULL;
    if (stat(path, &st) < 0)
        wrong = "there is no such program";
    else if (!is_program(path))
        wrong = "it is not an executable file";
    if (wrong)
        mem_free(path);
    else
        *ret = path;
    return wrong;
}

const char *command_resolve(struct str name, const char *directory, char **ret)
{
    if (name.len == 0)
        return "the program has no name";
    if (name.ptr[0] == '/')
        return accept(mem_dup(name.ptr, name.len), ret);
    if (memchr(name.ptr, '/', name.len))
        return accept(join(str_of(directory), name), ret);
    for (const char *at = COMMAND_PATH;;) {
        size_t len = strcspn(at, ":");
        char *path = join((struct str){at, len}, name);
        if (!path)
            return command_nomem;
        if (is_program(path)) {
            *ret = path;
            return NULL;
        }
        mem_free(path);
        if (at[len] == 0)
            return "there is no such program in " COMMAND_PATH;
        at += len + 1;
    }
}
