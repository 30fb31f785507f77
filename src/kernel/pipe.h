/* Pipes: 64 KiB of back-pressure between processes. */
#ifndef CAPFUL_KERNEL_PIPE_H
#define CAPFUL_KERNEL_PIPE_H

#include "kernel/file.h"

#define PIPE_SIZE   65536u
#define PIPE_ATOMIC 4096u /* a write of up to this many bytes is never torn */

struct kernel;

/* Both ends with one reference each. Errno: NOMEM. The buffer is charged to the sandbox's memory.
 */
int pipe_new(struct kernel *kernel, struct file **ret_read, struct file **ret_write);

/* Frees the buffers that are kept for new pipes. */
void pipe_drop_spares(struct kernel *kernel);

#endif
