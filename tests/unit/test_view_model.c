/* Views against a slow, obvious idea of them: a process that holds some directories, and one that
 * sees all, do whatever comes to mind in turn, and after each step of the first nothing has changed
 * where it may not write, and nothing was read where it may not look. */
#include "vfs_rig.h"

#include "vfs/view.h"

#define ITEMS 256

static uint64_t state;

static unsigned pick(unsigned n)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % n;
}

/* ---- what there is, as one who sees all finds it */

struct item {
    char path[256];
    uint64_t ino, above;
    bool directory;
    char text[32];
};

struct world {
    struct item items[ITEMS];
    size_t n;
};

static void note(struct rig *rig, struct world *world, const char *path, uint64_t above)
{
    struct file_stat stat;
    struct item *item = &world->items[world->n];
    if (do_stat(rig, path, false, &stat) != 0 || stat.type == FILE_SYMLINK)
        return;
    ASSERT(world->n < ITEMS);
    snprintf(item->path, sizeof item->path, "%s", path);
    item->ino = stat.ino;
    item->above = above;
    item->directory = stat.type == FILE_DIRECTORY;
    snprintf(item->text, sizeof item->text, "%.31s", item->directory ? "" : get(rig, path));
    world->n++;
}

static void look(struct rig *rig, struct world *world)
{
    world->n = 0;
    note(rig, world, "/workspace", 0);
    for (size_t i = 0; i < world->n; i++) {
        struct item *item = &world->items[i];
        char names[1024], path[300];
        if (!item->directory)
            continue;
        const char *listed = list(rig, item->path);
        ASSERT(strlen(listed) < sizeof names);
        memcpy(names, listed, strlen(listed) + 1);
        for (char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
            snprintf(path, sizeof path, "%s/%s", item->path, name);
            note(rig, world, path, item->ino);
        }
    }
}

static const struct item *by_ino(const struct world *world, uint64_t ino)
{
    for (size_t i = 0; i < world->n; i++) {
        if (world->items[i].ino == ino)
            return &world->items[i];
    }
    return NULL;
}

/* ---- what is held */

struct level {
    uint64_t ino[3];
    int access[3]; /* 1 read, 2 write */
    int n;
};

static int access_of(const struct world *world, const struct level *levels, int n, uint64_t ino)
{
    int least = 2;
    for (int k = 0; k < n; k++) {
        int access = 0;
        for (const struct item *at = by_ino(world, ino); at && !access;
             at = by_ino(world, at->above)) {
            for (int i = 0; i < levels[k].n; i++) {
                if (levels[k].ino[i] == at->ino)
                    access = levels[k].access[i];
            }
        }
        if (access < least)
            least = access;
    }
    return least;
}

static struct view *new_level(struct rig *rig, const struct world *world, struct level *level)
{
    struct vfs_part parts[3];
    struct view *view = NULL;
    level->n = 0;
    for (int tries = 0; tries < 20 && level->n < 3; tries++) {
        const struct item *item = &world->items[pick((unsigned)world->n)];
        bool again = false;
        for (int i = 0; i < level->n; i++)
            again |= level->ino[i] == item->ino;
        struct vfs_part part = {str_of(item->path), pick(2) ? VFS_PART_READ : VFS_PART_AS_HELD};
        struct view *one = NULL;
        if (again || !item->directory || vfs_view_new(rig->vfs, at(rig), &part, 1, &one) != 0)
            continue;
        view_unref(one);
        parts[level->n] = part;
        level->ino[level->n] = item->ino;
        level->access[level->n++] = part.kind == VFS_PART_READ ? 1 : 2;
    }
    ASSERT_EQ_INT(vfs_view_new(rig->vfs, at(rig), parts, (size_t)level->n, &view), 0);
    return view;
}

/* ---- what is done */

static const char *any_path(const struct world *world)
{
    static char paths[2][700];
    static int next;
    static const char *const ends[] = {"",   "",    "",      "/a",   "/b", "/f",
                                       "/l", "/..", "/../f", "/l/f", "/."};
    char *path = paths[next++ % 2];
    if (pick(8) == 0)
        snprintf(path, sizeof paths[0], "%s",
                 (const char *const[]){"l", "../a", "/", "f"}[pick(4)]);
    else
        snprintf(path, sizeof paths[0], "%s%s", world->items[pick((unsigned)world->n)].path,
                 ends[pick(sizeof ends / sizeof ends[0])]);
    return path;
}

static void act(struct rig *rig, const struct world *world, char read_text[32])
{
    static unsigned written;
    const char *path = any_path(world), *other = any_path(world);
    char text[32];
    switch (pick(12)) {
    case 0: (void)do_mkdir(rig, path); break;
    case 1: (void)do_rmdir(rig, path); break;
    case 2: (void)do_unlink(rig, path); break;
    case 3:
    case 4:
    case 5: (void)do_rename(rig, path, other); break;
    case 6:
        if (rig->view) /* a file with two names is as open as the more open of them */
            (void)do_link(rig, path, other);
        break;
    case 7: (void)do_symlink(rig, path, other); break;
    case 8:
    case 9:
        snprintf(text, sizeof text, "text %u", ++written);
        (void)put(rig, path, text);
        break;
    default: snprintf(read_text, 32, "%.31s", get(rig, path)); break;
    }
}

/* ---- the comparison */

static void compare(const struct world *before, const struct world *after,
                    const struct level *levels, int n)
{
    for (size_t i = 0; i < before->n; i++) {
        const struct item *item = &before->items[i];
        const struct item *now = by_ino(after, item->ino);
        if (item->above == 0 || access_of(before, levels, n, item->above) == 2)
            continue; /* its name is the holder's to change */
        OK(now != NULL);
        if (now)
            STR_EQ(now->path + strlen(now->path) - strlen(strrchr(item->path, '/')),
                   strrchr(item->path, '/'));
        if (now && now->above != item->above)
            OK(!"moved from where nothing may be written");
        if (now && !item->directory)
            STR_EQ(now->text, item->text);
    }
    for (size_t i = 0; i < after->n; i++) {
        const struct item *item = &after->items[i];
        if (by_ino(before, item->ino) || item->above == 0)
            continue;
        const struct item *above = by_ino(before, item->above);
        OK(above && access_of(before, levels, n, above->ino) == 2); /* made where it may be */
    }
}

static void check_read(const struct world *world, const struct level *levels, int n,
                       const char *text)
{
    bool may = false;
    if (strncmp(text, "text ", 5) != 0)
        return; /* an error */
    for (size_t i = 0; i < world->n; i++)
        may |= strcmp(world->items[i].text, text) == 0 &&
               access_of(world, levels, n, world->items[i].above) >= 1;
    OK(may);
}

static void play(uint64_t seed)
{
    static struct world before, after;
    struct rig rig;
    struct level levels[2];
    struct view *views[2] = {NULL, NULL};
    ASSERT_EQ_INT(rig_open(&rig), 0);
    state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (int i = 0; i < 40;
         i++) { /* no hard links: a file with two names is as open as the more open */
        char text[32] = "";
        look(&rig, &before);
        act(&rig, &before, text);
    }
    int n = 1 + (int)pick(2);
    for (int k = 0; k < n; k++) {
        look(&rig, &before);
        rig.view = k ? views[k - 1] : NULL;
        views[k] = new_level(&rig, &before, &levels[k]);
        rig.view = NULL;
    }
    for (int i = 0; i < 60 && tap_state->failures == 0; i++) {
        char text[32] = "";
        bool inner = pick(3) != 0;
        look(&rig, &before);
        bool linked = false;
        for (size_t a = 0; a < before.n; a++) {
            for (size_t b = 0; b < a; b++)
                linked |= !before.items[a].directory && before.items[a].ino == before.items[b].ino;
        }
        if (linked)
            break;
        rig.view = inner ? views[n - 1] : NULL;
        act(&rig, &before, text);
        rig.view = NULL;
        look(&rig, &after);
        if (inner)
            compare(&before, &after, levels, n);
        if (inner)
            check_read(&before, levels, n, text);
    }
    if (tap_state->failures > 0)
        printf("# seed %llu\n", (unsigned long long)seed);
    view_unref(views[1]);
    view_unref(views[0]);
    rig_close(&rig);
}

TEST(view_model)
{
    const char *rounds = getenv("VIEW_ROUNDS");
    unsigned n = rounds ? (unsigned)atoi(rounds) : 400;
    for (unsigned seed = 1; seed <= n && tap_state->failures == 0; seed++)
        play(seed);
}
