/* Nothing of one process is seen by the next, also when its memory was swapped out in between.
 *
 * A guest fills 2 MB with a pattern and calls a tool. The tool's function has the kernel push every
 * private page of this process out to a small swap file; the run ends. Then every page that this
 * process has, present or swapped, is read: the pattern must be nowhere. Needs root and a kernel
 * that lets us add swap; exits with 77 where that is not so.
 *
 * The pattern is never written down here: guest and test compute it, so that the only copies are
 * the guest's.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { PAGE = 4096, PATTERN = 48, SWAP_MB = 64, BATCH = 4096 };

/* The first lets memory grow, and its instance goes; the second does not, and its instance is used
 * again. */
static const char *const secrets[] = {"const secret = new Uint8Array(2 << 20);\n",
                                      "const secret = new Uint8Array(80000);\n"};
static const char guest[] =
    "for (let i = 0; i < secret.length; i++) secret[i] = ((i % 48) * 37 + 11) & 255;\n"
    "await tools.pressure({});\n"
    "let sum = 0;\n"
    "for (let i = 0; i < 4096; i++) sum += secret[i];\n"
    "sum";

/* ------------------------------------------------------------------ every page of this process */

struct totals {
    size_t present, swapped, found;
};

static int holds_pattern(const unsigned char *page)
{
    for (size_t at = 0; at + PATTERN <= PAGE; at++) {
        size_t n = 0;
        while (n < PATTERN && page[at + n] == (unsigned char)(n * 37 + 11))
            n++;
        if (n == PATTERN)
            return 1;
    }
    return 0;
}

/* Reads through /proc/self/mem, which does not care about protection. */
static void look_at(int mem, uint64_t address, struct totals *totals)
{
    static unsigned char page[PAGE];
    if (pread(mem, page, PAGE, (off_t)address) == PAGE && holds_pattern(page))
        totals->found++;
    memset(page, 0, sizeof page);
}

static void scan_range(int pagemap, int mem, uint64_t start, uint64_t end, int read_pages,
                       struct totals *totals)
{
    static uint64_t entries[BATCH];
    for (uint64_t at = start; at < end;) {
        size_t n = (size_t)((end - at) / PAGE) < BATCH ? (size_t)((end - at) / PAGE) : BATCH;
        ssize_t got =
            pread(pagemap, entries, n * sizeof *entries, (off_t)(at / PAGE * sizeof *entries));
        if (got <= 0)
            return;
        for (size_t i = 0; i < (size_t)got / sizeof *entries; i++) {
            totals->present += entries[i] >> 63;
            totals->swapped += entries[i] >> 62 & 1;
            if (read_pages && entries[i] >> 62)
                look_at(mem, at + i * PAGE, totals);
        }
        at += (uint64_t)got / sizeof *entries * PAGE;
    }
}

/* Calls scan for each mapping; with `out` pushes private writable ones out instead. */
static struct totals scan(int read_pages, int out)
{
    struct totals totals = {0, 0, 0};
    int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC),
        mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], access[8];
    uint64_t start, end;
    while (maps && pagemap >= 0 && mem >= 0 && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &start, &end, access) != 3 ||
            strstr(line, "[vsyscall]"))
            continue;
        if (out && access[1] == 'w' && access[3] == 'p')
            madvise((void *)(uintptr_t)start, (size_t)(end - start), MADV_PAGEOUT);
        else if (!out)
            scan_range(pagemap, mem, start, end, read_pages, &totals);
    }
    if (maps)
        fclose(maps);
    close(pagemap);
    close(mem);
    return totals;
}

static struct totals during, at_pressure;

static void pressure(struct capful_call *call, void *context)
{
    (void)context;
    during = scan(1, 0);
    for (int i = 0; i < 50; i++) {
        scan(0, 1);
        at_pressure = scan(0, 0);
        if (at_pressure.swapped >= 150)
            break;
        usleep(20000);
    }
    capful_call_answer(call, "true", 4);
}

/* ------------------------------------------------------------------ swap */

static char swap_path[] = "/var/tmp/capful-swap-XXXXXX";

static int run_program(const char *program, const char *argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        execlp(program, program, argument, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

static const char *add_swap(void)
{
    static char zeros[1 << 20];
    int fd = mkstemp(swap_path);
    if (fd < 0)
        return "no room for a swap file";
    int ok = fchmod(fd, 0600) == 0;
    for (int i = 0; ok && i < SWAP_MB; i++)
        ok = write(fd, zeros, sizeof zeros) == (ssize_t)sizeof zeros;
    ok = ok && fsync(fd) == 0;
    close(fd);
    if (!ok)
        return "no room for a swap file";
    if (run_program("mkswap", swap_path) != 0)
        return "there is no mkswap";
    return swapon(swap_path, 0) == 0 ? NULL : "the kernel refuses to add swap";
}

static void remove_swap(void)
{
    swapoff(swap_path);
    unlink(swap_path);
}

/* ------------------------------------------------------------------ the test */

static struct capful_policy *make_policy(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    const struct capful_tool tool = {.name = "pressure", .call = pressure};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    return policy;
}

static void test_reset(struct capful_policy *policy, int round)
{
    static const size_t least[] = {500, 18}; /* the scan can find it: 512 and 19 pages */
    char code[1024];
    snprintf(code, sizeof code, "%s%s", secrets[round % 2], guest);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_result *result = api_run(sandbox, code);
    CHECK_STR(capful_status_name(capful_result_status(result)), "ok");
    CHECK(during.found >= least[round % 2]);
    printf("round %d: %zu pages held the pattern, then %zu pages were swapped out", round,
           during.found, at_pressure.swapped);
    capful_result_free(result);
    struct totals after = scan(1, 0);
    printf("; after the run %zu hold it\n", after.found);
    CHECK_INT(after.found, 0);
    capful_sandbox_free(sandbox);
    after = scan(1, 0);
    CHECK_INT(after.found, 0);
}

int main(void)
{
    struct capful_engine_options options = {.max_instances =
                                                4}; /* few slots: each reserves 4 GB to look at */
    struct capful_error err;
    if (geteuid() != 0)
        return api_skip("adding swap needs root");
    const char *why = add_swap();
    if (why) {
        unlink(swap_path);
        return api_skip(why);
    }
    atexit(remove_swap);
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    struct capful_policy *policy = make_policy();
    for (int round = 0; round < 6; round++)
        test_reset(policy, round);
    capful_policy_unref(policy);
    if (api_failures == 0 && at_pressure.swapped < 150)
        return api_skip("the kernel did not swap the guest's pages out");
    return api_done();
}
