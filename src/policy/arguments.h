/* The arguments of one call, from the text that a guest gave to the text that is sent.
 *
 *   guest's text ── parsed once ──> defaults put in ──> for each grant: bound values put in
 *                                                             │
 *                          recorded, checked and sent  <── written anew
 *
 * What the schema has to say is worked out once for a tool (struct parameters).
 */
#ifndef CAPFUL_POLICY_ARGUMENTS_H
#define CAPFUL_POLICY_ARGUMENTS_H

#include "base/json.h"
#include "policy/grant.h"

/* What a tool's schema says about names and defaults; NULL stands for a tool without a schema. */
struct parameters;

/* `schema`: from json_parse, kept alive by the caller as long as the result.  NULL: memory. */
struct parameters *parameters_new(yyjson_val *schema);
void parameters_free(struct parameters *parameters);
/* Whether an argument of that name is named by the schema, or expressly allowed. */
bool parameters_know(const struct parameters *parameters, struct str name);

struct arguments {
    struct json json; /* the tree that is checked: an object */
    char *text;       /* written from it; mem_alloc */
    size_t len;
    size_t n_given; /* members that the program gave: the first ones */
};

void arguments_release(struct arguments *arguments);

enum arguments_result {
    ARGUMENTS_OK,
    ARGUMENTS_NOMEM,
    ARGUMENTS_WRONG, /* *problem says what: not JSON, not an object, a key twice */
};

/* Parses the text (of at most `depth` levels, json_check has passed it), puts defaults in, writes
 * it anew. */
enum arguments_result arguments_read(struct str text, unsigned depth,
                                     const struct parameters *parameters, struct arguments *ret,
                                     struct json_problem *problem);

enum bind_result {
    BIND_SAME, /* the grant fills in nothing: *ret is untouched */
    BIND_MADE,
    BIND_NOMEM,
    BIND_MISSING /* the context has nothing to fill in; `why` says for what */
};

/* What the call would be through a grant: what it fills in takes the place of what is there. */
enum bind_result arguments_bind(const struct arguments *arguments, const struct grant *root,
                                yyjson_val *context, struct arguments *ret, struct buf *why);
/* Whether the program may give all the arguments that it gave: each is named by the schema, or the
 * grant accepts others, and the grant does not fill it in. */
bool arguments_allowed(const struct arguments *arguments, const struct grant *root,
                       const struct parameters *parameters, struct buf *why);

/* The schema without the parameters that `hidden` tells, as JSON text for people and models. NULL:
 * memory. */
char *parameters_schema_without(yyjson_val *schema, bool (*hidden)(void *context, struct str name),
                                void *context, size_t *ret_len);

#endif
