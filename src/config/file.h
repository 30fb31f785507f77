/* What is between a policy's text and the policy. Private to src/config. */
#ifndef CAPFUL_CONFIG_FILE_H
#define CAPFUL_CONFIG_FILE_H

#include "audit/audit.h"
#include "base/json.h"
#include "config/policy.h"

struct file_mount {
    char *host_path; /* absolute */
    char *guest_path;
    enum capful_mount_mode mode;
    label_set labels;
    const struct policy_file *from; /* the text that it stands in … */
    size_t offset;                  /* … and where, for messages */
};

/* A call that the policy says the verdict of. */
struct policy_test {
    yyjson_val *at;                 /* the name of the tool, in the text */
    yyjson_val *arguments;          /* NULL: none */
    yyjson_val *facts;              /* likewise */
    yyjson_val *before;             /* a list of objects, checked; NULL: nothing */
    struct str verdict, grant, why; /* ptr NULL: nothing said */
    struct policy_file *from;       /* the text that it stands in */
    uint64_t time;                  /* ns since 1970; 0: now */
};

/* What "audit" says. */
struct file_audit {
    char *path;     /* absolute; NULL: nothing is recorded */
    char *key_path; /* absolute, of the seed that signs; NULL: unsigned */
    struct audit_config config;
    struct audit_rule *rules;
    size_t n_rules;
};
void file_audit_release(struct file_audit *audit);
/* 0 with *ret as it was where nothing is to be recorded. */
int file_audit_open(const struct file_audit *audit, struct audit **ret, struct capful_error *err);

struct policy_file {
    struct policy_file *base; /* that it extends; NULL: none. Its authority has moved up */
    yyjson_val *narrowings;   /* its grants, if it has a base and says some */
    bool has_mounts;
    char *name; /* for messages */
    char *path; /* of the file, absolute; NULL: the text comes from none */
    char *text; /* a copy, to tell where something stands */
    size_t len;
    struct json json;            /* of it */
    struct capful_limits limits; /* defaults where the text says nothing */
    struct file_mount *mounts;
    size_t n_mounts;
    struct policy_env *env;
    size_t n_env;
    struct authority authority; /* labels, flow rules, grants: not yet held against tools */
    yyjson_val **grant_at;      /* where each of the grants stands */
    bool enforced;              /* not "mode": "watch" */
    uint64_t approval_time;     /* ns */
    struct file_audit audit;
    char *accounts_file;                     /* absolute; NULL: accounts live in memory */
    const struct policy_file *accounts_from; /* the text that says so … */
    size_t accounts_offset;                  /* … and where */
    struct policy_test *tests;
    size_t n_tests;
    yyjson_val *flow_key; /* NULL: no flow rules */
};

/* One loading: what went wrong so far. */
struct loader {
    struct str text;
    const struct policy_source *source;
    struct policy_file *file;
    struct toolset *set;
    yyjson_val *near; /* stands by what is read, for problems with values that leave no trace */
    char *directory;  /* absolute */
    const struct loader *child; /* that extends what is loaded; NULL: none */
    struct substituted *substituted;
    size_t problems;
    bool warning; /* what is reported is suspicious, not wrong */
    bool nomem;
    struct capful_error first;
};

void load_problem(struct loader *loader, size_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Where a value stands: itself if it left a trace, else its key. */
size_t load_offset(const struct loader *loader, yyjson_val *key, yyjson_val *value);
/* In another of the files that take part. */
void load_problem_in(struct loader *loader, const struct policy_file *file, size_t offset,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
/* At a value of one of the texts, or at `near`, which leaves a trace. Fits struct
 * constraint_reader. */
void load_report(void *loader, yyjson_val *at, const char *text);
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
/* substitute.c: a string in which ${NAME} and ${file:PATH} are replaced. */
bool load_substituted(struct loader *loader, yyjson_val *key, yyjson_val *value, struct str *ret);
void substituted_free(struct substituted *list);
bool load_wants(struct loader *loader, yyjson_val *key, yyjson_val *value, const char *what,
                bool is);
bool load_quantity(struct loader *loader, yyjson_val *key, yyjson_val *value, int unit,
                   uint64_t *ret);
/* A variable. `substituted`: ${…} is replaced in its value. */
bool load_env_pair(struct loader *loader, yyjson_val *key, yyjson_val *value, bool substituted,
                   struct str *ret_name, struct str *ret_value);

/* load_grants.c */
void load_grants(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
void load_labels(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
void load_flow(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
void load_approvals(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
void load_accounts(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
void load_mode(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
/* load_audit.c */
void load_audit(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
/* A list of labels, as a mount or a tool has it. */
label_set load_label_list(struct loader *loader, yyjson_val *key, yyjson_val *value);

/* A policy that may be the base of another, `child`, which is being loaded. */
int load_file(struct str text, const struct policy_source *source, struct toolset *set,
              const struct loader *child, struct policy_file **ret, struct capful_error *err);
/* A key or a name of a grant that leaves a trace. */
yyjson_val *grant_place(yyjson_val *list_key, yyjson_val *grant);
bool keep_grant(struct loader *loader, struct grant *grant, yyjson_val *at);
void check_names(struct loader *loader);

/* extends.c: loads the base, before anything else of the text; afterwards holds against it what the
 * text said; and makes its grants, once the tools are known */
void extends_begin(struct loader *loader);
void extends_end(struct loader *loader);
void extends_grant(struct loader *loader, const struct toolset *set);
void load_narrowings(struct loader *loader, yyjson_val *key, yyjson_val *value);

/* load_tests.c: reads `tests`, and makes their calls against tools that were granted */
void load_tests(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);
void tests_run(struct loader *loader, const struct toolset *set);

/* lint.c */
void lint(struct loader *loader, const struct toolset *set);
label_set carried_labels(const struct policy_file *file, const struct authority *authority);

/* load_tool.c */
void load_tools(struct loader *loader, yyjson_val *key, yyjson_val *value, void *target);

/* path.c: NULL or what is wrong. */
const char *policy_guest_path(struct str path, char **ret);
const char *policy_env_problem(struct str name, struct str value);
char *policy_join(const char *directory, struct str path); /* NULL: memory */
bool policy_env_put(struct policy_env **env, size_t *n, struct str name, struct str value);
void policy_env_free(struct policy_env *env, size_t n);

#endif
