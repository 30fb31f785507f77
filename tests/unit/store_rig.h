/* What the tests of stores share: texts in and out, a counter, a folder for files. */
#ifndef STORE_RIG_H
#define STORE_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/store.h"
#include "tap.h"

static char rig_folder[100];

/* In memory where that can be: what these tests are about is not the disk. */
static inline const char *in_folder(const char *name)
{
    static char path[200];
    if (!rig_folder[0]) {
        snprintf(rig_folder, sizeof rig_folder, "%s/capful-store-XXXXXX",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        ASSERT(mkdtemp(rig_folder) != NULL);
    }
    snprintf(path, sizeof path, "%s/%s", rig_folder, name);
    return path;
}

__attribute__((destructor)) static inline void rig_clean(void)
{
    char command[200];
    if (!rig_folder[0])
        return;
    snprintf(command, sizeof command, "rm -rf %s", rig_folder);
    if (system(command) != 0)
        perror(command);
}

static inline struct store *open_state(const char *name)
{
    struct store *store = NULL;
    struct capful_error err = {.text = ""};
    if (store_sqlite_open(in_folder(name), &store, &err) < 0)
        ASSERT_EQ_STR(err.text, "");
    return store;
}

static inline bool put(struct store *store, const char *key, const char *value)
{
    return store_put(store, str_of(key), value, strlen(value));
}

/* "-" where there is nothing, "!" where it failed. */
static inline const char *get(struct store *store, const char *key)
{
    static char text[STORE_VALUE_MAX + 1];
    struct store_value value;
    bool found = false;
    if (!store_get(store, str_of(key), &value, &found))
        return "!";
    if (!found)
        return "-";
    memcpy(text, value.data, value.len);
    text[value.len] = 0;
    return text;
}

struct rig_lines {
    size_t n;
    char lines[64][80];
};

static inline bool rig_take(void *context, struct str key, const struct store_value *value)
{
    struct rig_lines *taken = context;
    ASSERT(taken->n < 64);
    snprintf(taken->lines[taken->n++], 80, "%.*s=%.*s ", (int)key.len, key.ptr, (int)value->len,
             (const char *)value->data);
    return true;
}

static inline int rig_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* "key=value " for each of them, sorted. */
static inline const char *list(struct store *store, const char *prefix)
{
    static char text[64 * 80];
    struct rig_lines taken = {0};
    if (!store_each(store, str_of(prefix), rig_take, &taken))
        return "!";
    qsort(taken.lines, taken.n, sizeof taken.lines[0], rig_compare);
    text[0] = 0;
    for (size_t i = 0; i < taken.n; i++)
        strcat(text, taken.lines[i]);
    return text;
}

/* One more under the key "n" of an account, as a transaction. */
static inline bool increment(struct store *store, const char *account, uint64_t *ret)
{
    struct store_value value;
    uint64_t n = 0;
    bool found = false;
    if (!store_begin(store, str_of(account)))
        return false;
    if (store_get(store, STR("n"), &value, &found) && found)
        memcpy(&n, value.data, sizeof n);
    n++;
    (void)store_put(store, STR("n"), &n, sizeof n);
    if (!store_commit(store))
        return false;
    if (ret)
        *ret = n;
    return true;
}

#endif
