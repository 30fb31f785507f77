/* The WASI calls of wasi-libc, led through the module "capful".
 *
 * wasi-libc calls functions named __imported_wasi_snapshot_preview1_*; defining them here takes the
 * place of its own imports, so that a guest imports nothing but "capful".
 */
#define CAPFUL_WASI_STUBS
#include "capful.h"

_Bool capful_running;

int32_t __imported_wasi_snapshot_preview1_clock_time_get(capful_word clock, int64_t precision,
                                                         capful_word ret_time);
_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code);

/* The one call that is made while the image is built, when there is no host: the clock stands still
 * then. */
int32_t __imported_wasi_snapshot_preview1_clock_time_get(capful_word clock, int64_t precision,
                                                         capful_word ret_time)
{
    if (capful_running)
        return capful_clock_time_get(clock, precision, ret_time);
    *(uint64_t *)ret_time = 0;
    return ERRNO_SUCCESS;
}

_Noreturn void __imported_wasi_snapshot_preview1_proc_exit(int32_t code)
{
    capful_proc_exit(code);
}
