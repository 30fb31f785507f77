/* The pages of a process's memory that were written since its instance was made.
 *
 * Linux 6.7 and newer tell by PAGEMAP_SCAN: a page that was only read shows the image or the zero
 * page, one that was written is the process's own. A page that was swapped out counts as written.
 */
#include "engine/internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

const uint8_t *image_page(const struct image *image, size_t at)
{
    static const uint8_t zero[IMAGE_PAGE] __attribute__((aligned(16)));
    return at >= image->initial_at && at - image->initial_at < image->initial_len
               ? image->initial + (at - image->initial_at)
               : zero;
}

#ifdef __linux__
struct scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
    uint64_t start, end, categories;
};
#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
enum { SCAN_FILE = 4, SCAN_PRESENT = 8, SCAN_SWAPPED = 16, SCAN_ZERO = 32, SCAN_REGIONS = 256 };

static int scan_fd = -1;
static pthread_once_t scan_once = PTHREAD_ONCE_INIT;

static void open_scan(void)
{
    scan_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
}

/* An open pagemap shows the process that opened it: a forked child needs its own under the same
 * number. */
void dirty_fork_child(void)
{
    if (scan_fd < 0)
        return;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the scan then fails */
    if (fd >= 0) {
        dup2(fd, scan_fd);
        close(fd);
    } else {
        close(scan_fd);
        scan_fd = -1;
    }
}

bool dirty_each(const uint8_t *base, size_t size, dirty_fn fn, void *context)
{
    struct scan_region regions[SCAN_REGIONS];
    uint64_t start = (uint64_t)(uintptr_t)base, at = start, end = at + size;
    pthread_once(&scan_once, open_scan);
    if (scan_fd < 0)
        return false;
    while (at < end) {
        struct scan_arg arg = {.size = sizeof arg,
                               .start = at,
                               .end = end,
                               .vec = (uint64_t)(uintptr_t)regions,
                               .vec_len = SCAN_REGIONS,
                               .category_inverted = SCAN_ZERO | SCAN_FILE,
                               .category_mask = SCAN_ZERO | SCAN_FILE,
                               .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED};
        int n = ioctl(scan_fd, SCAN_IOCTL, &arg);
        if (n < 0)
            return false;
        for (int i = 0; i < n; i++) {
            if (!fn(context, regions[i].start - start, regions[i].end - start))
                return false;
        }
        if (arg.walk_end <= at)
            return false;
        at = arg.walk_end;
    }
    return true;
}
#else
void dirty_fork_child(void)
{
}

bool dirty_each(const uint8_t *base, size_t size, dirty_fn fn, void *context)
{
    (void)base, (void)size, (void)fn, (void)context;
    return false;
}
#endif
