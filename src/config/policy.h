/* A policy: everything the operator decided, built once from a file, from C, or both; immutable and
 * shared.
 *
 *   policy text ── policy_load ──> struct policy_file ─┐
 *                                                      ├─ builder ──> struct capful_policy
 *   capful_builder_tool, _mount, … ────────────────────┘              tools, mounts, env, limits
 *
 * Loading fails closed: an unknown key, a misspelt tool, a wrong type or unit is an error that says
 * where.
 */
#ifndef CAPFUL_CONFIG_POLICY_H
#define CAPFUL_CONFIG_POLICY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/str.h"
#include "capful/capful.h"
#include "tool/tool.h"

struct audit;

struct policy_mount {
    char *guest_path; /* absolute, normalised: no ".", "..", empty parts or slash at the end */
    /* A host directory … */
    char *host_path; /* as it was given, for messages; NULL: served */
    int root_fd;     /* open, close-on-exec; -1: served */
    enum capful_mount_mode mode;
    label_set labels;
    /* … or served by callbacks. */
    struct capful_mount_ops ops;
    void *context;
};

struct policy_env {
    char *name;
    char *value;
};

struct capful_policy {
    _Atomic uint32_t refs;
    struct toolset *tools; /* sealed; never NULL */
    struct policy_mount *mounts;
    size_t n_mounts;
    struct policy_env *env;
    size_t n_env;
    struct capful_limits limits;
    struct store *accounts; /* of all its sandboxes */
    /* Grants that the host has in its hands, by capful_grant.link. */
    pthread_mutex_t grants_lock;
    struct list grants;
    uint64_t grants_made;
    struct audit *audit; /* NULL: nothing is recorded */
    uint8_t digest[32];  /* SHA-256 of the policy's text; of nothing where there is none */
    bool watch;          /* denials are recorded only */
};

/* ------------------------------------------------------------------ loading */

struct policy_problem {
    const char *file; /* as in policy_source */
    int line, column; /* from 1 */
    const char *text; /* what is wrong and what to do, without the place */
    bool warning;     /* suspicious, not wrong: policy_check alone */
};
typedef void (*policy_reporter)(void *context, const struct policy_problem *problem);

struct policy_source {
    const char *name;       /* for messages: "policy.json"; NULL: "policy" */
    const char *directory;  /* where relative paths start; NULL: the working directory */
    const char *path;       /* of the file that the text is from; NULL: from none */
    policy_reporter report; /* called for every problem, in the order of the text; may be NULL */
    void *context;
};

#define POLICY_TEXT_MAX (64u << 20)
/* The whole of a file, appended to `out`, whose ceiling is that. CAPFUL_EFILE, CAPFUL_EPOLICY. */
int policy_read(const char *path, struct buf *out, struct capful_error *err);

/* What a policy text says beyond its tools, every part checked. */
struct policy_file;

/* Adds the text's tools to `set` (none if it fails); grants them only in policy_grant, when all
 * tools are known. On failure *err is the first problem: "NAME:LINE:COLUMN: what", with line and
 * column also in their fields. CAPFUL_EPOLICY  there are problems; all were reported CAPFUL_ENOMEM
 */
int policy_load(struct str text, const struct policy_source *source, struct toolset *set,
                struct policy_file **ret, struct capful_error *err);
void policy_file_free(struct policy_file *file);
/* Gives the tools of the set what the text grants: once. Reports and fails like policy_load. */
int policy_grant(struct policy_file *file, const struct policy_source *source, struct toolset *set,
                 struct capful_error *err);

/* Loads, grants, opens the mounts, makes the calls of `tests`, and looks for what is suspicious;
 * reports every problem, keeps nothing: 0 if there is none but warnings. */
int policy_check(struct str text, const struct policy_source *source, struct capful_error *err);

#endif
