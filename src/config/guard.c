/* See guard.h. A path is walked as the system would walk it, through every symbolic link; if one of
 * the directories on the way is the root of the mount (the same device and inode: whatever name it
 * was reached by), what the path leads to could be replaced from within. Of what is not there yet
 * the directories that are there count.
 */
#include "config/guard.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "tool/command.h"

#define LINKS_MAX 40

struct walk {
    char at[PATH_MAX];   /* canonical, without a slash at the end; "" is the root */
    char rest[PATH_MAX]; /* yet to be walked */
    unsigned links;
    const struct stat *root;
};

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static bool is_root(const struct walk *walk)
{
    struct stat st;
    return stat(walk->at[0] ? walk->at : "/", &st) == 0 && same(&st, walk->root);
}

/* The link at `at` takes the place of its name in what is to be walked. */
static bool follow(struct walk *walk)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t n = readlink(walk->at, target, sizeof target - 1);
    if (n <= 0 || ++walk->links > LINKS_MAX)
        return false;
    target[n] = 0;
    int len = snprintf(rest, sizeof rest, "%s/%s", target, walk->rest);
    if (len < 0 || (size_t)len >= sizeof rest)
        return false;
    memcpy(walk->rest, rest, (size_t)len + 1);
    if (target[0] == '/')
        walk->at[0] = 0;
    else
        *strrchr(walk->at, '/') = 0;
    return true;
}

/* One part of the path. False: it ends here. */
static bool step(struct walk *walk)
{
    struct stat st;
    size_t blanks = strspn(walk->rest, "/"), len = strcspn(walk->rest + blanks, "/");
    size_t used = strlen(walk->at);
    const char *part = walk->rest + blanks;
    if (len == 0)
        return false;
    bool up = len == 2 && memcmp(part, "..", 2) == 0, stay = len == 1 && *part == '.';
    if (up && used)
        *strrchr(walk->at, '/') = 0;
    if (!up && !stay) {
        if (used + len + 2 > sizeof walk->at)
            return false;
        walk->at[used] = '/';
        memcpy(walk->at + used + 1, part, len);
        walk->at[used + 1 + len] = 0;
    }
    memmove(walk->rest, part + len, strlen(part + len) + 1);
    if (up || stay)
        return true;
    if (lstat(walk->at, &st) < 0)
        return false;
    return S_ISLNK(st.st_mode) ? follow(walk) : S_ISDIR(st.st_mode);
}

/* Whether the way to `path`, which is absolute, leads through the directory `root`. */
static bool leads_through(const char *path, const struct stat *root)
{
    struct walk walk = {.links = 0, .root = root};
    if ((size_t)snprintf(walk.rest, sizeof walk.rest, "%s", path) >= sizeof walk.rest)
        return true; /* it cannot be told */
    do {
        if (is_root(&walk))
            return true;
    } while (step(&walk));
    return is_root(&walk);
}

static int holds(const struct policy_mount *mount, const char *what, const char *path,
                 struct capful_error *err)
{
    struct stat root;
    if (fstat(mount->root_fd, &root) < 0)
        return err_set(err, CAPFUL_EFILE, "%.300s cannot be looked at", mount->host_path);
    if (!leads_through(path, &root))
        return 0;
    return err_set(err, CAPFUL_EPOLICY, "%.150s can be written and holds %s: %.150s",
                   mount->host_path, what, path);
}

/* The directory itself and all beneath it. */
static int meets_cache(const struct policy_mount *mount, struct capful_error *err)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char path[PATH_MAX], here[PATH_MAX];
    struct stat st;
    bool own = base && base[0] == '/';
    if (!own && (!home || home[0] != '/'))
        return 0;
    int n = snprintf(path, sizeof path, "%s/capful", own ? base : home);
    if (!own)
        n = snprintf(path, sizeof path, "%s/.cache/capful", home);
    if (n < 0 || (size_t)n >= sizeof path)
        return 0;
    int failed = holds(mount, "the cache of compiled programs", path, err);
    if (failed || stat(path, &st) < 0 || !realpath(mount->host_path, here) ||
        !leads_through(here, &st))
        return failed;
    return err_set(err, CAPFUL_EPOLICY,
                   "%.150s can be written and lies in the cache of compiled programs",
                   mount->host_path);
}

static int holds_program(const struct capful_builder *builder, const struct policy_mount *mount,
                         struct capful_error *err)
{
    int failed = 0;
    for (size_t i = 0; i < toolset_count(builder->tools) && !failed; i++) {
        const struct tool *tool = toolset_at(builder->tools, i);
        char what[TOOL_NAME_MAX + 40];
        if (tool->kind != TOOL_COMMAND || !tool->command->program)
            continue;
        snprintf(what, sizeof what, "the program of the tool \"%.100s\"", tool->name);
        failed = holds(mount, what, tool->command->program, err);
    }
    return failed;
}

int guard_mount(const struct capful_builder *builder, const struct policy_mount *mount,
                struct capful_error *err)
{
    const struct policy_file *file = builder->file;
    int failed = 0;
    if (mount->root_fd < 0 || mount->mode != CAPFUL_MOUNT_RW)
        return 0;
    for (const struct policy_file *part = file; part && !failed; part = part->base)
        if (part->path)
            failed = holds(mount, "the policy", part->path, err);
    if (!failed && file && file->accounts_file)
        failed = holds(mount, "the file of accounts", file->accounts_file, err);
    if (!failed && file && file->audit.path)
        failed = holds(mount, "the audit log", file->audit.path, err);
    if (!failed && file && file->audit.key_path)
        failed = holds(mount, "the key of the audit log", file->audit.key_path, err);
    if (!failed)
        failed = meets_cache(mount, err);
    return failed ? failed : holds_program(builder, mount, err);
}
