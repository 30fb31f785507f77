/* What is between a policy's text and the policy. Private to src/config. */
#ifndef CAPFUL_CONFIG_FILE_H
#define CAPFUL_CONFIG_FILE_H

#include "base/json.h"
#include "config/policy.h"

struct file_mount {
    char *host_path; /* absolute */
    char *guest_path;
    enum capful_mount_mode mode;
    size_t offset; /* in the text, for messages */
};

struct file_grant {
    char *tool;
    uint64_t max_calls;
    size_t offset;
};

struct policy_file {
    char *text; /* a copy, to tell where something stands */
    size_t len;
    struct capful_limits limits; /* defaults where the text says nothing */
    struct file_mount *mounts;
    size_t n_mounts;
    struct policy_env *env;
    size_t n_env;
    struct file_grant *grants;
    size_t n_grants;
};

/* One loading: what went wrong so far. */
struct loader {
    struct str text;
    const struct policy_source *source;
    struct json json;
    struct policy_file *file;
    struct toolset *set;
    char *directory; /* absolute */
    size_t problems;
    bool nomem;
    struct capful_error first;
};

void load_problem(struct loader *loader, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Where a value stands: itself if it left a trace, else its key. */
size_t load_offset(const struct loader *loader, yyjson_val *key, yyjson_val *value);
/* What a loading failed with, if it did: CAPFUL_E… and *err. */
int load_outcome(const struct loader *loader, struct capful_error *err);
bool load_nomem(struct loader *loader); /* always false */

/* Keys that an object may have. Each value goes to its function; an unknown key is a problem. */
struct load_key {
    const char *name;
    void (*load)(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
};
/* `what` names the object in messages ("limits", "tool \"x\""). */
void load_object(struct loader *loader, const char *what, yyjson_val *object,
                 const struct load_key *keys, void *target);

/* Checks of kind; false: it was a problem. */
bool load_string(struct loader *loader, yyjson_val *key, yyjson_val *value, struct str *ret);
bool load_wants(struct loader *loader, yyjson_val *key, yyjson_val *value, const char *what,
                bool is);
bool load_quantity(struct loader *loader, yyjson_val *key, yyjson_val *value, int unit,
                   uint64_t *ret);
/* An environment: pairs of text. */
bool load_env_pair(struct loader *loader, yyjson_val *key, yyjson_val *value, struct str *ret_name,
                   struct str *ret_value);

/* load_tool.c */
void load_tools(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);

/* path.c: NULL or what is wrong. */
const char *policy_guest_path(struct str path, char **ret);
const char *policy_env_problem(struct str name, struct str value);
char *policy_join(const char *directory, struct str path); /* NULL: memory */
bool policy_env_put(struct policy_env **env, size_t *n, struct str name, struct str value);
void policy_env_free(struct policy_env *env, size_t n);

#endif
