/* What a record shows of a call: rules are compiled once and applied to JSON text as it is copied.
 *
 * A value that is not shown is replaced by {"redacted":"hmac-sha256:…"}, a hash under a key that
 * each run makes for itself and forgets, so that equal values can be told within a run and a short
 * one cannot be found by trying (docs/decisions/0008). For the same reason everything that depends
 * on a hidden value (the hash of the arguments as a whole, the value that decided) is keyed or left
 * out. */
#ifndef CAPFUL_AUDIT_REDACT_H
#define CAPFUL_AUDIT_REDACT_H

#include "audit/audit.h"
#include "base/buf.h"
#include "base/sha256.h"

#define REDACT_FIELDS                                                                              \
    64 /* pointers that may hold for one tool; with more its arguments are hashed */
#define REDACT_DEPTH 100
#define REDACT_KEY   32

struct redact; /* the rules of a log; immutable */

int redact_new(const struct audit_config *config, struct redact **ret, struct capful_error *err);
void redact_free(struct redact *redact);

struct redact_pointer;
/* What holds for one tool. */
struct redact_view {
    enum audit_show arguments;
    bool hide_result;
    size_t n_fields;
    const struct redact_pointer *fields[REDACT_FIELDS];
};
void redact_view(const struct redact *redact, struct str tool, struct redact_view *ret);
/* Whether anything of any tool is hidden: then no text that may repeat values is shown. */
bool redact_hides(const struct redact *redact);
/* Nothing of the arguments is hidden. */
static inline bool redact_shows_all(const struct redact_view *view)
{
    return view->arguments == AUDIT_WHOLE && view->n_fields == 0;
}

/* Copies a text that json_check has passed at REDACT_DEPTH: compact, hidden fields replaced. False:
 * memory, or the ceiling of `out`. */
bool redact_copy(const struct redact_view *view, const uint8_t key[REDACT_KEY], struct str json,
                 struct buf *out);

/* HMAC-SHA256 (RFC 2104). */
void redact_hash(const uint8_t key[REDACT_KEY], struct str data, uint8_t ret[SHA256_SIZE]);
/* `"hmac-sha256:…"`, with its quotes. */
bool redact_add_hash(const uint8_t key[REDACT_KEY], struct str data, struct buf *out);

/* Whether the name of a tool fits a pattern. */
bool redact_match(struct str pattern, struct str name);

#endif
