/* Random bytes of the host. */
#ifndef CAPFUL_BASE_RAND_H
#define CAPFUL_BASE_RAND_H

#include <stdbool.h>
#include <stddef.h>

/* False if the host gives none: then nothing may be made up in their place. */
bool rand_bytes(void *buffer, size_t len);

#endif
