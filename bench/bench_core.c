/* The figures of the core, measured through the public API in this process: see bench/README.md.
 *
 *     bench_core [WORD…]     only the groups whose names hold one of the words
 *
 * Environment: BENCH_ROUNDS, samples of each figure (15); BENCH_QJS, the native build of the same
 * interpreter; BENCH_GUEST, the bench guest's image without its ending (.fast, .plain).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <capful/capful.h>

#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "table.h"

extern char **environ;

static int rounds = 15;

/* ------------------------------------------------------------------ short forms */

static void die(const char *what, const struct capful_error *err)
{
    fprintf(stderr, "bench_core: %s: %s\n", what, err->text);
    exit(1);
}

static struct capful_sandbox *new_sandbox(struct capful_policy *policy)
{
    struct capful_sandbox *sandbox = NULL;
    struct capful_error err;
    if (capful_sandbox_new(policy, &sandbox, &err) != 0)
        die("capful_sandbox_new", &err);
    return sandbox;
}

static struct capful_result *run_job(struct capful_sandbox *sandbox, const struct capful_job *job)
{
    struct capful_result *result = NULL;
    struct capful_error err;
    if (capful_run(sandbox, job, &result, &err) != 0)
        die("capful_run", &err);
    if (capful_result_status(result) != CAPFUL_OK) {
        fprintf(stderr, "bench_core: %s\n", capful_result_text(result, NULL));
        exit(1);
    }
    return result;
}

static double run_code(struct capful_sandbox *sandbox, const char *code)
{
    struct capful_job job;
    capful_job_init(&job);
    job.source = code;
    job.source_len = strlen(code);
    struct capful_result *result = run_job(sandbox, &job);
    const char *value = capful_result_value(result, NULL);
    double number = value ? atof(value) : 0;
    capful_result_free(result);
    return number;
}

static void at_once(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "1", 1);
}

static struct capful_policy *make_policy(void)
{
    static const char text[] =
        "{\"limits\": {\"wall\": \"unlimited\", \"cpu\": \"unlimited\", \"calls\": \"unlimited\", "
        "\"memory\": \"unlimited\",\n"
        "  \"processes\": 20000, \"process_memory\": \"512MiB\", \"vfs_bytes\": \"1GiB\"},\n"
        " \"tools\": {\"external\": {\"command\": [\"true\"], \"input\": \"none\", \"output\": "
        "\"text\"}},\n"
        " \"grants\": [\"external\", \"t\"]}";
    const struct capful_tool tool = {.name = "t", .call = at_once};
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    if (capful_builder_new(&builder, &err) != 0 || capful_builder_tool(builder, &tool, &err) != 0 ||
        capful_builder_policy(builder, text, sizeof text - 1, "bench", NULL, &err) != 0 ||
        capful_builder_build(builder, &policy, &err) != 0)
        die("the policy", &err);
    capful_builder_free(builder);
    return policy;
}

static struct capful_policy *policy;

/* ------------------------------------------------------------------ sandboxes */

static void bench_sandboxes(void)
{
    enum { BATCH = 500 };
    static struct capful_sandbox *list[BATCH];
    struct samples create = {.count = 0}, whole = {.count = 0}, again = {.count = 0};
    for (int r = 0; r < rounds; r++) {
        uint64_t start = bench_now();
        for (int i = 0; i < BATCH; i++)
            list[i] = new_sandbox(policy);
        samples_add(&create, (double)(bench_now() - start) / 1e3 / BATCH);
        for (int i = 0; i < BATCH; i++)
            capful_sandbox_free(list[i]);

        start = bench_now();
        for (int i = 0; i < BATCH; i++) {
            struct capful_sandbox *sandbox = new_sandbox(policy);
            run_code(sandbox, "1+1");
            capful_sandbox_free(sandbox);
        }
        samples_add(&whole, (double)(bench_now() - start) / 1e3 / BATCH);

        struct capful_sandbox *sandbox = new_sandbox(policy);
        run_code(sandbox, "1+1");
        start = bench_now();
        for (int i = 0; i < BATCH; i++)
            run_code(sandbox, "1+1");
        samples_add(&again, (double)(bench_now() - start) / 1e3 / BATCH);
        capful_sandbox_free(sandbox);
    }
    table_row("create a sandbox", &create, "us", 5, 0);
    table_row("create + first JavaScript run + destroy", &whole, "us", 30, 0);
    table_row("one more run on a live sandbox", &again, "us", 10, 0);
}

static void *cycle_thread(void *argument)
{
    long n = *(long *)argument;
    for (long i = 0; i < n; i++) {
        struct capful_sandbox *sandbox = new_sandbox(policy);
        run_code(sandbox, "1+1");
        capful_sandbox_free(sandbox);
    }
    return NULL;
}

static double cycles_per_second(int threads, long each)
{
    pthread_t list[8];
    uint64_t start = bench_now();
    for (int i = 0; i < threads; i++)
        if (pthread_create(&list[i], NULL, cycle_thread, &each) != 0)
            exit(1);
    for (int i = 0; i < threads; i++)
        pthread_join(list[i], NULL);
    return (double)threads * (double)each * 1e9 / (double)(bench_now() - start);
}

static void bench_threads(void)
{
    struct samples one = {.count = 0}, two = {.count = 0}, ratio = {.count = 0};
    for (int r = 0; r < rounds; r++) {
        double a = cycles_per_second(1, 3000), b = cycles_per_second(2, 3000);
        samples_add(&one, a);
        samples_add(&two, b);
        samples_add(&ratio, b / a);
    }
    table_row("create-run-destroy, 1 thread", &one, "/s", 30000, 1);
    table_row("create-run-destroy, 2 threads", &two, "/s", 0, 1);
    table_row("2 threads against 1", &ratio, "x", 1.9, 1);
}

static long resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long size, pages = 0;
    if (file && fscanf(file, "%ld %ld", &size, &pages) != 2)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void bench_idle(void)
{
    enum { LIVE = 1000 };
    static struct capful_sandbox *list[LIVE];
    struct samples fresh = {.count = 0}, used = {.count = 0};
    run_code(list[0] = new_sandbox(policy), "1");
    capful_sandbox_free(list[0]);
    long start = resident_kb();
    for (int i = 0; i < LIVE; i++)
        list[i] = new_sandbox(policy);
    samples_add(&fresh, (double)(resident_kb() - start) / LIVE);
    for (int i = 0; i < LIVE; i++)
        run_code(list[i], "require('fs').writeFileSync('f', 'x'); await t({})");
    samples_add(&used, (double)(resident_kb() - start) / LIVE);
    for (int i = 0; i < LIVE; i++)
        capful_sandbox_free(list[i]);
    table_row("memory of an idle sandbox, 1,000 live, never run", &fresh, "KB", 60, 0);
    table_row("the same, each has run a script with file and tool", &used, "KB", 60, 0);
}

/* ------------------------------------------------------------------ tools */

static void bench_tools(void)
{
    static const char with[] = "for (let i = 0; i < 100; i++) await t({i})";
    static const char without[] =
        "const t2 = async () => 1; for (let i = 0; i < 100; i++) await t2({i})";
    struct samples calls = {.count = 0};
    struct capful_sandbox *sandbox = new_sandbox(policy);
    run_code(sandbox, with);
    for (int r = 0; r < rounds; r++) {
        enum { BATCH = 50 };
        uint64_t start = bench_now();
        for (int i = 0; i < BATCH; i++)
            run_code(sandbox, without);
        uint64_t middle = bench_now();
        for (int i = 0; i < BATCH; i++)
            run_code(sandbox, with);
        samples_add(&calls,
                    ((double)(bench_now() - middle) - (double)(middle - start)) / 1e6 / BATCH);
    }
    table_row("100 sequential calls of a C function, beyond the run", &calls, "ms", 0.15, 0);
    capful_sandbox_free(sandbox);
}

/* What a C program would do for the same: a pipe for the output, a process group, an environment,
 * wait. */
static void spawn_once(void)
{
    int ends[2];
    static char name[] = "true", path[] = "PATH=/usr/bin:/bin", lang[] = "LANG=C.UTF-8";
    char buffer[256], *argv[] = {name, NULL}, *env[] = {path, lang, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        exit(1);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (posix_spawn(&pid, "/bin/true", &actions, &attributes, argv, env) != 0)
        exit(1);
    close(ends[1]);
    while (read(ends[0], buffer, sizeof buffer) > 0)
        ;
    close(ends[0]);
    waitpid(pid, NULL, 0);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
}

static void bench_commands(void)
{
    struct samples native = {.count = 0}, ours = {.count = 0}, ratio = {.count = 0};
    struct capful_sandbox *sandbox = new_sandbox(policy);
    run_code(sandbox, "await external({})");
    for (int r = 0; r < rounds; r++) {
        uint64_t start = bench_now();
        for (int i = 0; i < 100; i++)
            spawn_once();
        uint64_t middle = bench_now();
        run_code(sandbox, "for (let i = 0; i < 100; i++) await external({}); 1");
        double a = (double)(middle - start), b = (double)(bench_now() - middle);
        samples_add(&native, a / 1e6);
        samples_add(&ours, b / 1e6);
        samples_add(&ratio, b / a);
    }
    table_row("true spawned 100 times from C", &native, "ms", 0, 0);
    table_row("100 calls of an external program", &ours, "ms", 0, 0);
    table_row("these two", &ratio, "x", 1.3, 0);
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ the interpreter */

/* clang-format off */
static const struct {
    const char *name, *code;
} programs[] = {
    {"fib(27)", "const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2);\n"
                "const t = performance.now(); fib(27); performance.now() - t"},
    {"sort of 100,000", "let s = 1; const a = Array.from({length: 100000}, () => (s = (s * 48271) % 2147483647));\n"
                        "const t = performance.now(); a.sort((x, y) => x - y); performance.now() - t"},
    {"JSON round trip of 1 MB",
     "const o = []; for (let i = 0; i < 12000; i++) o.push({id: i, name: 'item ' + i, tags: ['a', 'b', 'c'], price: i / 7, ok: i % 2 === 0});\n"
     "const t = performance.now(); const text = JSON.stringify(o); JSON.parse(text); const d = performance.now() - t;\n"
     "if (text.length < 1000000) throw new Error(text.length); d"},
};
/* clang-format on */

/* The native interpreter prints the value of its argument. 0: it could not be run. */
static double run_native(const char *program, const char *code)
{
    int ends[2];
    char buffer[64] = "", *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)code, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    int failed = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    ssize_t n = failed ? 0 : read(ends[0], buffer, sizeof buffer - 1);
    close(ends[0]);
    if (!failed)
        waitpid(pid, NULL, 0);
    return n > 0 ? atof(buffer) : 0;
}

static void bench_interpreter(void)
{
    const char *native = getenv("BENCH_QJS");
    struct capful_sandbox *sandbox = new_sandbox(policy);
    for (size_t p = 0; p < sizeof programs / sizeof *programs; p++) {
        struct samples ours = {.count = 0}, theirs = {.count = 0}, ratio = {.count = 0};
        char name[80];
        for (int r = 0; r < rounds; r++) {
            double a = run_code(sandbox, programs[p].code),
                   b = native ? run_native(native, programs[p].code) : 0;
            samples_add(&ours, a);
            if (b > 0) {
                samples_add(&theirs, b);
                samples_add(&ratio, a / b);
            }
        }
        table_row(programs[p].name, &ours, "ms", 0, 0);
        snprintf(name, sizeof name, "%s, native QuickJS-ng (gcc -O2)", programs[p].name);
        table_row(name, &theirs, "ms", 0, 0);
        table_row("these two", &ratio, "x", 1.6, 0);
    }
    capful_sandbox_free(sandbox);
}

/* ------------------------------------------------------------------ processes, pipes and files, by
 * a guest in C */

static char *guest_image;
static size_t guest_image_len;

static int load_guest(void)
{
    const char *base = getenv("BENCH_GUEST");
    struct capful_error err;
    const char *kind = capful_engine_kind(&err);
    char path[4096];
    if (!kind)
        die("the engine", &err);
    if (!base)
        return 0;
    snprintf(path, sizeof path, "%s.%s", base, kind);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        return 0;
    long size = ftell(file);
    rewind(file);
    guest_image = malloc((size_t)size);
    guest_image_len = guest_image ? fread(guest_image, 1, (size_t)size, file) : 0;
    fclose(file);
    return guest_image_len > 0;
}

/* The guest prints one number. */
static double run_guest(const char *what, const char *count)
{
    const char *argv[] = {what, count, NULL};
    struct capful_job job;
    struct capful_sandbox *sandbox = new_sandbox(policy);
    capful_job_init(&job);
    job.language = CAPFUL_WASM;
    job.source = guest_image;
    job.source_len = guest_image_len;
    job.name = "guest_bench";
    job.argv = argv;
    struct capful_result *result = run_job(sandbox, &job);
    double number = atof(capful_result_stdout(result, NULL));
    capful_result_free(result);
    capful_sandbox_free(sandbox);
    return number;
}

static void bench_guest(void)
{
    static const struct {
        const char *what, *count, *title, *unit;
        double divide, goal;
        int more;
    } figures[] = {
        {"spawn", "1000", "spawn + exit + wait of a small program", "us", 1e3, 10, 0},
        {"clone", "1000", "clone + exit + wait, 20 dirty pages", "us", 1e3, 20, 0},
        {"read", "20000", "a blocked read", "us", 1e3, 0.5, 0},
        {"pipe", "262144", "pipe between two processes, writes of 4 KiB", "GB/s", 1e3, 5, 1},
        {"write", "1600", "write a file of 100 MB, 64 KB at a time", "GB/s", 1e3, 1, 1},
        {"readback", "1600", "read it", "GB/s", 1e3, 1, 1},
    };
    if (!load_guest()) {
        printf("%-52s not measured: no image at BENCH_GUEST\n", "processes, pipes, files");
        return;
    }
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        struct samples samples = {.count = 0};
        for (int r = 0; r < rounds; r++)
            samples_add(&samples, run_guest(figures[f].what, figures[f].count) / figures[f].divide);
        table_row(figures[f].title, &samples, figures[f].unit, figures[f].goal, figures[f].more);
    }
}

/* In a process of its own, since the pool is as large as it gets. */
static void bench_live(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        struct capful_engine_options options = {.max_instances = 16000};
        struct samples samples = {.count = 0};
        struct capful_error err;
        if (capful_engine_configure(&options, &err) != 0)
            die("capful_engine_configure", &err);
        if (load_guest()) {
            samples_add(&samples, run_guest("live", "20000"));
            table_row("live processes, then refused cleanly", &samples, "", 10000, 1);
        }
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

/* ------------------------------------------------------------------ */

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    {"live", bench_live}, /* first: before this process has an engine */
    {"sandboxes", bench_sandboxes}, {"threads", bench_threads},
    {"idle", bench_idle},           {"tools", bench_tools},
    {"commands", bench_commands},   {"interpreter", bench_interpreter},
    {"guest", bench_guest},
};

int main(int argc, char **argv)
{
    const char *text = getenv("BENCH_ROUNDS");
    if (text && atoi(text) > 0)
        rounds = atoi(text);
    if (rounds > SAMPLES_MAX)
        rounds = SAMPLES_MAX;
    policy = make_policy();
    table_head();
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        int wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= strstr(groups[g].name, argv[i]) != NULL;
        if (wanted)
            groups[g].run();
    }
    capful_policy_unref(policy);
    free(guest_image);
    return 0;
}
