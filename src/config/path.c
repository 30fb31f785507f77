/* Paths and environment variables as policies have them. */
#include "base/buf.h"
#include "base/mem.h"
#include "config/file.h"
#include "tool/command.h"

/* Places of the sandbox's own that nothing may cover. */
static const char *const reserved[] = {"/dev", "/proc", "/tools"};

static const char *check_place(struct str path)
{
    if (path.len == 0)
        return "the root of the sandbox cannot be mounted over";
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        struct str own = str_of(reserved[i]);
        if (path.len < own.len || memcmp(path.ptr, own.ptr, own.len) != 0)
            continue;
        // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): it is longer than own
        if (path.len == own.len || path.ptr[own.len] == '/')
            return "/dev, /proc and /tools belong to the sandbox";
    }
    return NULL;
}

const char *policy_guest_path(struct str path, char **ret)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return "a path of the sandbox must begin with \"/\"";
    if (memchr(path.ptr, 0, path.len))
        return "the path holds a NUL";
    if (path.len > 4096)
        return "the path is longer than 4,096 bytes";
    struct buf out = BUF_INIT(SIZE_MAX);
    const char *wrong = NULL;
    for (size_t i = 0; i < path.len && !wrong;) {
        while (i < path.len && path.ptr[i] == '/')
            i++;
        size_t start = i;
        while (i < path.len && path.ptr[i] != '/')
            i++;
        struct str part = {path.ptr + start, i - start};
        if (str_equal(part, STR("..")))
            wrong = "the path must not hold \"..\"";
        else if (part.len && !str_equal(part, STR("."))) {
            buf_add_char(&out, '/');
            buf_add_str(&out, part);
        }
    }
    if (!wrong)
        wrong = buf_failed(&out) ? command_nomem : check_place(buf_str(&out));
    char *text = wrong ? NULL : buf_steal(&out);
    buf_release(&out);
    if (wrong)
        return wrong;
    if (!text)
        return command_nomem;
    *ret = text;
    return NULL;
}

const char *policy_env_problem(struct str name, struct str value)
{
    if (name.len == 0)
        return "a variable needs a name";
    if (memchr(name.ptr, '=', name.len))
        return "the name of a variable must not hold \"=\"";
    if (memchr(name.ptr, 0, name.len) || memchr(value.ptr, 0, value.len))
        return "a variable must not hold a NUL";
    return NULL;
}

char *policy_join(const char *directory, struct str path)
{
    if (path.len && path.ptr[0] == '/')
        return mem_dup(path.ptr, path.len);
    struct buf out = BUF_INIT(SIZE_MAX);
    buf_add_text(&out, directory);
    buf_add_char(&out, '/');
    buf_add_str(&out, path);
    return buf_steal(&out);
}

bool policy_env_put(struct policy_env **env, size_t *n, struct str name, struct str value)
{
    char *copy = mem_dup(value.ptr, value.len);
    if (!copy)
        return false;
    for (size_t i = 0; i < *n; i++)
        if (str_equal(str_of((*env)[i].name), name)) {
            mem_free((*env)[i].value);
            (*env)[i].value = copy;
            return true;
        }
    char *key = mem_dup(name.ptr, name.len);
    struct policy_env *more = key ? mem_resize_array(*env, *n + 1, sizeof *more) : NULL;
    if (!more) {
        mem_free(copy);
        mem_free(key);
        return false;
    }
    more[*n] = (struct policy_env){key, copy};
    *env = more;
    ++*n;
    return true;
}

void policy_env_free(struct policy_env *env, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(env[i].name);
        mem_free(env[i].value);
    }
    mem_free(env);
}
