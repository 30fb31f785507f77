/* Text of others for the eyes of people: nothing in it can act on a terminal, hide, or reorder what
 * stands around it. */
#ifndef CAPFUL_BASE_VISIBLE_H
#define CAPFUL_BASE_VISIBLE_H

#include "base/buf.h"

/* Appends the text; controls, invisible characters and bytes that are not UTF-8 are spelt: \n,
 * \x1b, \u{202e}. */
bool buf_add_visible(struct buf *out, struct str text);

#endif
