/* Paths that have one reading, whoever reads them. */
#ifndef CAPFUL_POLICY_PATH_SHAPE_H
#define CAPFUL_POLICY_PATH_SHAPE_H

#include <stdbool.h>

#include "base/str.h"

/* Nothing in it that some reader would take for something else: "..", "//", "\", "%2e", "~",
 * control characters, look-alikes of "." and "/".  `path` is UTF-8. */
bool path_shape_plain(struct str path);
/* Whether a plain path is a plain root or lies beneath it. */
bool path_shape_under(struct str path, struct str root);

#endif
