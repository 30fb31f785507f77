/* Filling in a struct capful_error in one line. */
#ifndef CAPFUL_BASE_ERR_H
#define CAPFUL_BASE_ERR_H

#include "capful/capful.h"

/* Fills *err (may be NULL) and returns `code`. */
int err_set(struct capful_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int err_set_at(struct capful_error *err, int code, int line, int column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
int err_nomem(struct capful_error *err);
/* Puts "what: " in front of the text that is there; returns its code. */
int err_prefix(struct capful_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
