/* Labels: the names that flow rules speak of.  A policy has at most 64, so that a set of them is
 * one word. */
#ifndef CAPFUL_POLICY_LABEL_H
#define CAPFUL_POLICY_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define LABELS_MAX    64
#define LABEL_LEN_MAX 64 /* bytes */

typedef uint64_t label_set;

struct labels {
    char *names[LABELS_MAX]; /* NUL-terminated; bit i of a label_set is names[i] */
    size_t n;
};

void labels_release(struct labels *labels);
/* A letter, then letters, digits, "_" and "-". */
bool label_valid(struct str name);
/* The bit of a name, added if `add` and it is not there.  0: not there; too many, or no memory
 * (*ret_nomem). */
label_set label_bit(struct labels *labels, struct str name, bool add, bool *ret_nomem);
label_set label_find(const struct labels *labels, struct str name);
/* "private" and "untrusted" */
void labels_words(const struct labels *labels, label_set set, struct buf *out);

#endif
