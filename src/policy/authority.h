/* What a policy says about calls: labels, flow rules, grants, and for each tool the grants that
 * cover it, in the order of the policy. Built once, then immutable (but for the list of derived
 * grants) and shared; the decision (decide.h) reads it.
 */
#ifndef CAPFUL_POLICY_AUTHORITY_H
#define CAPFUL_POLICY_AUTHORITY_H

#include "policy/arguments.h"
#include "policy/flow.h"
#include "policy/grant.h"
#include "policy/seen.h"

#define AUTHORITY_GRANTS_MAX 100000

struct authority_tool {
    char *name;
    struct json schema; /* root NULL: any object */
    struct parameters *parameters;
    label_set labels;
    struct grant **grants; /* borrowed from the authority, in its order */
    size_t n_grants;
    /* The first grant lets everything pass and the tool has no schema: nothing is to be looked at
     * but whether it was revoked. */
    bool open;
    uint32_t *sources; /* numbers of the seen_in sources that are in its results */
    size_t n_sources;
};

/* An entry of the policy's `labels`: what the tools that a pattern matches carry. */
struct label_rule {
    char *pattern;
    label_set labels;
};

struct authority {
    struct labels labels;
    struct label_rule *label_rules;
    size_t n_label_rules;
    struct flow flow;
    struct grant **grants; /* those of the policy, in order */
    size_t n_grants;
    struct authority_tool *tools;
    size_t n_tools;
    struct seen_source *sources;
    size_t n_sources;
    bool counts; /* a grant or a label needs the stores */
};

void authority_release(struct authority *authority);

/* Copies the pattern. False: memory. */
bool authority_add_labels(struct authority *authority, struct str pattern, label_set labels);
/* Takes the grant. False: memory. */
bool authority_add(struct authority *authority, struct grant *grant);

/* What the tools are, by the time the policy is complete. */
struct authority_input {
    struct str name;
    struct str schema; /* JSON text; ptr NULL: none */
    label_set labels;  /* that it was registered with */
    label_set claimed; /* that follow from what it says about itself: they count where nobody says
                          otherwise */
};

/* Expands every pattern against the tools, checks every constraint against their schemas, finds the
 * sources of seen_in. `at` gives the place of a grant of the list for messages. Every problem is
 * reported. False: there was one, or memory is short. */
bool authority_complete(struct authority *authority, const struct authority_input *tools,
                        size_t n_tools, yyjson_val *(*at)(void *context, size_t grant),
                        const struct constraint_reader *reader, bool *ret_nomem);

/* grant_derive, with the labels and the sources of seen_in that the policy knows: another source is
 * a problem. */
struct grant *authority_derive(const struct authority *authority, struct grant *parent,
                               yyjson_val *narrowing, struct str name, uint64_t serial,
                               bool transient, const struct constraint_reader *reader,
                               bool *ret_nomem);
/* A grant of the policy by its name; NULL. */
struct grant *authority_find(const struct authority *authority, struct str name);
/* Whether the chain's patterns cover a name. */
bool grant_covers(const struct grant *grant, struct str name);

#endif
