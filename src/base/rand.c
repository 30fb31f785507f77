/* Random bytes of the host: getrandom, or the device where that call is missing.
 *
 * Few bytes at a time come from a page of them, because every run and every sandbox asks for some
 * and the call costs as much as the rest of what they ask for. The kernel empties that page in a
 * forked process, keeps it out of dumps, and bytes are wiped as they are handed out. Where it
 * cannot promise the first there is no page, and whoever finds the page taken by another thread
 * does without it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mman.h>
#include <sys/random.h>
#endif

#define PAGE_SIZE 4096
#define FEW       64 /* bytes; more are asked of the host */

static bool from_device(uint8_t *at, size_t len)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (len > 0) {
        ssize_t n = read(fd, at, len);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            break;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    close(fd);
    return len == 0;
}

static bool from_host(uint8_t *at, size_t len)
{
#ifdef __linux__
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        at += n;
        len -= (size_t)n;
    }
#endif
    return len == 0 || from_device(at, len);
}

#if defined(__linux__) && defined(MADV_WIPEONFORK)

/* All zeros after a fork: free, and nothing in it. */
struct page {
    atomic_flag taken;
    uint32_t left; /* bytes at the end */
    uint8_t bytes[PAGE_SIZE - 8];
};
_Static_assert(sizeof(struct page) == PAGE_SIZE, "one page, or a part of it is not wiped");

static struct page *get_page(void)
{
    static _Atomic(struct page *) shared;
    static atomic_bool refused;
    struct page *page = atomic_load_explicit(&shared, memory_order_acquire), *none = NULL;
    if (page || atomic_load_explicit(&refused, memory_order_relaxed))
        return page;
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    if (madvise(page, sizeof *page, MADV_WIPEONFORK) != 0) {
        munmap(page, sizeof *page);
        atomic_store(&refused, true);
        return NULL;
    }
    madvise(page, sizeof *page, MADV_DONTDUMP);
    if (atomic_compare_exchange_strong(&shared, &none, page))
        return page;
    munmap(page, sizeof *page);
    return none;
}

static bool from_page(uint8_t *at, size_t len)
{
    struct page *page = len <= FEW ? get_page() : NULL;
    if (!page || atomic_flag_test_and_set_explicit(&page->taken, memory_order_acquire))
        return false;
    bool ok = true;
    if (page->left < len) {
        ok = from_host(page->bytes, sizeof page->bytes);
        page->left = ok ? sizeof page->bytes : 0;
    }
    if (ok) {
        uint8_t *from = page->bytes + sizeof page->bytes - page->left;
        memcpy(at, from, len);
        memset(from, 0, len);
        page->left -= (uint32_t)len;
    }
    atomic_flag_clear_explicit(&page->taken, memory_order_release);
    return ok;
}

#else

static bool from_page(uint8_t *at, size_t len)
{
    (void)at, (void)len;
    return false;
}

#endif

bool rand_bytes(void *buffer, size_t len)
{
    return from_page(buffer, len) || from_host(buffer, len);
}
