/* The builder, as the files see it that build and check. Private to src/config. */
#ifndef CAPFUL_CONFIG_BUILDER_H
#define CAPFUL_CONFIG_BUILDER_H

#include "config/file.h"

struct capful_builder {
    struct toolset *tools;
    struct policy_file *file; /* of the policy text; NULL: none */
    char *source_name;
    struct policy_mount *mounts;
    size_t n_mounts;
    struct policy_env *env;
    size_t n_env;
    struct capful_limits limits;
    bool limits_given;
    bool built;
};

int builder_add_mount(struct capful_builder *builder, const char *host, const char *guest,
                      enum capful_mount_mode mode, label_set labels, struct capful_error *err);

/* Reads a policy and makes its grants; no mount is opened. */
int builder_open(const char *path, struct capful_builder **ret, struct capful_error *err);

#endif
