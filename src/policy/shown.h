/* Values and texts in messages: short, on one line, with nothing in them that is not seen. */
#ifndef CAPFUL_POLICY_SHOWN_H
#define CAPFUL_POLICY_SHOWN_H

#include "base/buf.h"
#include "base/json.h"

#define SHOWN_MAX 60 /* characters */

/* JSON in one line, cut with "…" when it is longer.  Control characters, marks that turn the
 * direction of text and others that have no width are escaped. */
void shown_value(yyjson_val *value, struct buf *out);
/* A text without quotes, whole. */
void shown_text(struct str text, struct buf *out);

#endif
