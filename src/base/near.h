/* How near two names are, for "did you mean": misspellings, not synonyms. */
#ifndef CAPFUL_BASE_NEAR_H
#define CAPFUL_BASE_NEAR_H

#include <stddef.h>

#include "base/str.h"

/* Insertions, deletions, replacements and swaps of neighbours that lead from a to b; case and the
 * kind of separator ("-", "_", ".", " ") do not count. More than `bound` (at most 8) is answered as
 * bound + 1. */
size_t near_distance(struct str a, struct str b, size_t bound);
/* How far a suggestion for a name of this length may be. */
size_t near_bound(size_t len);

/* Keeps the best of many candidates. */
struct near {
    struct str wanted;
    size_t distance; /* of the best so far, plus one: what a better one must stay below */
    struct str best; /* ptr NULL: none */
};
void near_init(struct near *near, struct str wanted);
bool near_offer(struct near *near, struct str candidate); /* true if it is the best so far */

#endif
