/* The clocks as guests see them.
 *
 * Their monotonic clock shows one second at the start of the run: the runtime of Go takes 0 for a
 * broken clock.
 */
#ifndef CAPFUL_SYSCALL_TIME_H
#define CAPFUL_SYSCALL_TIME_H

#include "kernel/kernel.h"

enum time_clock { TIME_REAL, TIME_MONOTONIC, TIME_PROCESS_CPU, TIME_THREAD_CPU };

#define TIME_GUEST_START CAPFUL_SECOND

uint64_t time_now(struct kernel *kernel, enum time_clock clock);
/* A time of TIME_REAL or TIME_MONOTONIC as the kernel's own: 0 if it is over. */
uint64_t time_deadline(struct kernel *kernel, enum time_clock clock, uint64_t when);

#endif
