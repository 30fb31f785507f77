/* schema.h - JSON Schema: compile once, check many times.
 *
 * The checker is a Rust library (rust/runtime).  It recurses: the caller first makes sure that
 * schema and instance are at most 100 levels deep, and calls these functions on a host stack, never
 * on a fiber.  A schema without "$schema" is read as draft 2020-12.  References to other documents
 * are never fetched: they are an error when the schema is compiled.  "format" is an annotation.
 *
 * Errors: one line of UTF-8 in ERR, cut to fit and ended with a NUL; ERR may be NULL.
 *
 * Threads: a compiled schema does not change, and any number of threads may check with it.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef BASE_SCHEMA_H
#define BASE_SCHEMA_H

#include <stddef.h>

/* Compile the JSON text of a schema.  Returns 0 and stores a schema to be freed with
 * rt_schema_free(), or -1: not JSON, not a schema, a reference that leads nowhere or back to
 * itself, a pattern that does not parse.  ERR says where. */
int rt_schema_compile(const char *text, size_t len, void **ret, char *err, size_t err_size);

/* Check the JSON text of an instance.
 *
 * Returns 0: valid.  1: invalid; ERR names the JSON pointer of each part that is wrong and what is
 * wrong with it ("/amount: -5 is less than the minimum of 0"), three at most, joined by "; ".
 * -1: the checker itself failed; treat it as a refusal.
 */
int rt_schema_check(const void *schema, const char *json, size_t len, char *err, size_t err_size);

/* Free a compiled schema; NULL is allowed. */
void rt_schema_free(void *schema);

#endif
