/* Patterns of tool names: segments between ".", "/" or ":", which separate alike; "*" stands for
 * any text within a segment, "**" as a whole segment for any number of segments, none included. */
#ifndef CAPFUL_POLICY_PATTERN_H
#define CAPFUL_POLICY_PATTERN_H

#include <stdbool.h>

#include "base/str.h"

/* Whether it could match a name: "**" only as a whole segment, no segment empty. */
bool pattern_valid(struct str pattern);
/* Whether it holds a "*". */
bool pattern_is_open(struct str pattern);
/* `pattern` must be valid.  At most the product of the lengths in time. */
bool pattern_matches(struct str pattern, struct str name);

/* A name is any text; what has a star must be a valid pattern. */
bool pattern_or_name(struct str text);
/* Whether it is that name, or a pattern that matches it. */
bool pattern_covers(struct str pattern, struct str name);

#endif
