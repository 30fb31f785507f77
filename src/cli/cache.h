/* The private cache of compiled programs. An image is machine code that is trusted, so nothing is
 * taken from a directory or a file that anybody else could have written. */
#ifndef CAPFUL_CLI_CACHE_H
#define CAPFUL_CLI_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/sha256.h"

struct cache {
    int fd; /* of the directory; -1: there is none, everything is compiled anew */
    char path[4096];
};

/* $XDG_CACHE_HOME/capful or ~/.cache/capful, made if need be. False after a message: it is not
 * private. Where none can be made the cache does nothing. */
bool cache_open(struct cache *cache);
void cache_close(struct cache *cache);

/* 1: the image is in *image; 0: there is none; -1 after a message: the file there is not private.
 */
int cache_load(const struct cache *cache, const char key[2 * SHA256_SIZE + 1], struct buf *image);
/* Quietly does nothing when it fails: the next run compiles again. */
void cache_store(const struct cache *cache, const char key[2 * SHA256_SIZE + 1], struct str image);
void cache_drop(const struct cache *cache, const char key[2 * SHA256_SIZE + 1]);

#endif
