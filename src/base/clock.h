/* The host's clocks, in nanoseconds. */
#ifndef CAPFUL_BASE_CLOCK_H
#define CAPFUL_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_monotonic(void); /* never 0 */
uint64_t clock_real(void);      /* since 1970 */
uint64_t
clock_thread(void); /* processor time of the calling thread; about 1 µs in a virtual machine */

#endif
