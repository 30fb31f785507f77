/* Grants for tests of src/tool: the list that a policy would have under "grants". */
#ifndef CAPFUL_TESTS_GRANTS_H
#define CAPFUL_TESTS_GRANTS_H

#include "base/err.h"
#include "base/json.h"
#include "tool/tool.h"

static inline void grants_problem(void *context, yyjson_val *at, const char *text)
{
    struct capful_error *err = context;
    (void)at;
    if (err->code == 0)
        err_set(err, CAPFUL_EPOLICY, "%s", text);
}

static inline yyjson_val *grants_nowhere(void *context, size_t grant)
{
    (void)context, (void)grant;
    return NULL;
}

/* 0 or CAPFUL_E…, *err as it was filled first. */
static inline int grants_give(struct toolset *set, const char *list, struct capful_error *err)
{
    struct authority authority = {.n_grants = 0};
    struct capful_error first = {.code = 0}, rest;
    struct constraint_reader reader = {grants_problem, &first};
    struct json json;
    bool nomem = false;
    size_t i, n;
    yyjson_val *item;
    if (!json_parse(str_of(list), JSON_STRICT, 100, &json, NULL))
        return err_nomem(err);
    yyjson_arr_foreach(json.root, i, n, item)
    {
        struct grant *grant =
            nomem ? NULL : grant_load(item, i + 1, &authority.labels, &reader, &nomem);
        if (grant && !authority_add(&authority, grant)) {
            grant_unref(grant);
            nomem = true;
        }
    }
    json_release(&json);
    int failed = nomem ? CAPFUL_ENOMEM : first.code;
    if (failed)
        authority_release(&authority);
    else
        failed = toolset_authorise(set, &authority, grants_nowhere, &reader, &rest);
    if (failed == CAPFUL_ENOMEM)
        return err_nomem(err);
    if (failed && err)
        *err = first;
    return failed;
}

#endif
