/* What a program that writes to a mount must not reach: what decides about it, what tells of it,
 * and what is run on its behalf. Private to src/config. */
#ifndef CAPFUL_CONFIG_GUARD_H
#define CAPFUL_CONFIG_GUARD_H

#include "config/builder.h"

/* Finds the first of the things that must stay out of reach of `mount`: the policy's files, the
 * file of accounts, the cache of compiled programs, the programs of tools. CAPFUL_EPOLICY: one lies
 * within it, `err` says which. Mounts that write nothing to the host hold what they like. */
int guard_mount(const struct capful_builder *builder, const struct policy_mount *mount,
                struct capful_error *err);

#endif
