/* What a program gets of a result: the rules of a grant and its ancestors. */
#ifndef CAPFUL_POLICY_RESULT_H
#define CAPFUL_POLICY_RESULT_H

#include "policy/grant.h"

enum result_answer {
    RESULT_SAME,    /* as it is */
    RESULT_CHANGED, /* *ret_text: mem_alloc */
    RESULT_REFUSED, /* larger than *ret_len bytes, which is all that is allowed */
    RESULT_NOMEM
};

/* `text` is valid JSON of at most `depth` levels. */
enum result_answer result_apply(const struct grant *grant, struct str text, unsigned depth,
                                char **ret_text, size_t *ret_len);

#endif
