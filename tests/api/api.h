/* Helpers of the tests in this directory. Each test is a program that uses <capful/capful.h> and
 * nothing else of the project; it prints a line for each failed check and exits with 0, 1, or 77
 * when the host cannot run it.
 */
#ifndef CAPFUL_TESTS_API_H
#define CAPFUL_TESTS_API_H

#include <capful/capful.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77

static _Atomic int api_checks, api_failures; /* some tests have threads */

#define CHECK(condition)       api_check((condition) != 0, #condition, __FILE__, __LINE__)
#define CHECK_STR(got, wanted) api_check_str((got), (wanted), #got, __FILE__, __LINE__)
#define CHECK_INT(got, wanted)                                                                     \
    api_check_int((long long)(got), (long long)(wanted), #got, __FILE__, __LINE__)

static inline int api_check(int ok, const char *what, const char *file, int line)
{
    api_checks++;
    if (!ok) {
        api_failures++;
        printf("%s:%d: not true: %s\n", file, line, what);
        fflush(stdout);
    }
    return ok;
}

static inline int api_check_str(const char *got, const char *wanted, const char *what,
                                const char *file, int line)
{
    api_checks++;
    if (got == wanted || (got && wanted && strcmp(got, wanted) == 0))
        return 1;
    api_failures++;
    printf("%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, got ? got : "(NULL)",
           wanted ? wanted : "(NULL)");
    fflush(stdout);
    return 0;
}

static inline int api_check_int(long long got, long long wanted, const char *what, const char *file,
                                int line)
{
    api_checks++;
    if (got == wanted)
        return 1;
    api_failures++;
    printf("%s:%d: %s is %lld, not %lld\n", file, line, what, got, wanted);
    fflush(stdout);
    return 0;
}

/* The last line of main. */
static inline int api_done(void)
{
    printf("%d checks, %d failed\n", api_checks, api_failures);
    return api_failures != 0;
}

static inline int api_skip(const char *why)
{
    printf("skipped: %s\n", why);
    return SKIPPED;
}

/* For what the test cannot go on without. */
static inline void api_must(int result, const struct capful_error *err, const char *what)
{
    if (result == 0)
        return;
    printf("%s: %s\n", what, err->text);
    exit(1);
}

static inline struct capful_sandbox *api_sandbox(struct capful_policy *policy)
{
    struct capful_sandbox *sandbox = NULL;
    struct capful_error err;
    api_must(capful_sandbox_new(policy, &sandbox, &err), &err, "capful_sandbox_new");
    return sandbox;
}

static inline struct capful_job api_job(const char *code)
{
    struct capful_job job;
    capful_job_init(&job);
    job.source = code;
    job.source_len = strlen(code);
    return job;
}

static inline struct capful_result *api_run(struct capful_sandbox *sandbox, const char *code)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job = api_job(code);
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    return result;
}

/* Runs, expects status ok and this value. */
#define CHECK_VALUE(sandbox, code, wanted)                                                         \
    api_check_value((sandbox), (code), (wanted), __FILE__, __LINE__)
static inline void api_check_value(struct capful_sandbox *sandbox, const char *code,
                                   const char *wanted, const char *file, int line)
{
    struct capful_result *result = api_run(sandbox, code);
    if (!api_check_str(capful_status_name(capful_result_status(result)), "ok", "status", file,
                       line))
        printf("    %s\n", capful_result_message(result));
    api_check_str(capful_result_value(result, NULL), wanted, "value", file, line);
    capful_result_free(result);
}

static inline uint64_t api_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Resident memory of this process in KB, as the kernel counts it. */
static inline long api_rss(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size = 0, resident = 0;
    if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A count that an environment variable may raise. */
static inline long api_count(const char *variable, long count)
{
    const char *text = getenv(variable);
    long wanted = text ? atol(text) : 0;
    return wanted > 0 ? wanted : count;
}

/* A run of an image, with the arguments after argv[0]: a list that NULL ends, or NULL. */
static inline struct capful_result *api_run_image(struct capful_sandbox *sandbox, const char *data,
                                                  size_t len, const char *const *argv)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    struct capful_job job;
    capful_job_init(&job);
    job.language = CAPFUL_WASM;
    job.source = data;
    job.source_len = len;
    job.argv = argv;
    api_must(capful_run(sandbox, &job, &result, &err), &err, "capful_run");
    return result;
}

/* The image of a program of tests/guest, for the engine that runs here; to be freed. */
static inline char *api_guest(const char *name, size_t *ret_len)
{
    enum { MAX = 1 << 20 };
    char path[4096];
    const char *guests = getenv("GUESTS");
    snprintf(path, sizeof path, "%s/%s.%s", guests ? guests : "build", name,
             capful_engine_kind(NULL));
    FILE *file = fopen(path, "rb");
    char *data = file ? malloc(MAX) : NULL;
    CHECK(data != NULL);
    *ret_len = data ? fread(data, 1, MAX, file) : 0;
    if (file)
        fclose(file);
    return data;
}

#endif
