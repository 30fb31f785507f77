/* A host with little: an address space of 2 GB, memfd_create refused as tight containers do, the
 * scan for dirty pages refused, openat2 missing; and the plain images by choice. All works as
 * before, slower.
 */
#include "api.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void add(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "7", 1);
}

static void check_everything(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_limits limits;
    struct capful_error err;
    const struct capful_tool tool = {.name = "add", .call = add};
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_tool(builder, &tool, &err), &err, "capful_builder_tool");
    capful_builder_get_limits(builder, &limits);
    limits.wall = CAPFUL_SECOND / 2;
    limits.process_memory = 16 * CAPFUL_MIB;
    capful_builder_set_limits(builder, &limits);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);

    struct capful_sandbox *sandbox = api_sandbox(policy);
    CHECK_VALUE(sandbox, "await add({}) + (await Promise.all([add({}), add({})])).length", "9");
    CHECK_VALUE(
        sandbox,
        "const fs = require('fs'); fs.writeFileSync('f', 'x'.repeat(1e6)); fs.statSync('f').size",
        "1000000");
    struct capful_result *result = api_run(sandbox, "for (;;);");
    CHECK_STR(capful_result_limit(result), "wall");
    capful_result_free(result);
    result = api_run(sandbox, "const a = []; for (;;) a.push('x'.repeat(100000) + a.length)");
    CHECK(capful_result_status(result) == CAPFUL_LIMIT ||
          capful_result_status(result) == CAPFUL_ERROR);
    CHECK(capful_result_status(result) != CAPFUL_LIMIT || capful_result_limit(result) != NULL);
    capful_result_free(result);
    result = api_run(
        sandbox,
        "let p = {}; for (let i = 0; i < 1e5; i++) p = new Proxy(p, {}); p instanceof Object");
    CHECK(capful_result_status(result) == CAPFUL_ERROR ||
          capful_result_status(result) == CAPFUL_LIMIT);
    capful_result_free(result);
    CHECK_VALUE(sandbox, "const f = (n) => n ? f(n - 1) + 1 : 0; f(4000)", "4000");
    CHECK_VALUE(sandbox, "const g = () => g() + 1; try { g() } catch (e) { e.name }",
                "\"RangeError\"");
    for (int i = 0; i < 100; i++) {
        struct capful_sandbox *other = api_sandbox(policy);
        CHECK_VALUE(other, "require('fs').readdirSync('.').length", "0");
        capful_sandbox_free(other);
    }
    capful_sandbox_free(sandbox);
    capful_policy_unref(policy);
}

static int in_child(void (*body)(void))
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        api_checks = api_failures = 0;
        alarm(120);
        body();
        printf("    %d checks, %d failed\n", api_checks, api_failures);
        fflush(stdout);
        _exit(api_failures != 0);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/* Whichever kind is chosen there, it must work. */
static void small_address_space(void)
{
    struct rlimit limit = {UINT64_C(2) << 30, UINT64_C(2) << 30};
    struct capful_error err;
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
    const char *kind = capful_engine_kind(&err);
    if (!CHECK(kind != NULL)) {
        printf("    %s\n", err.text);
        return;
    }
    printf("address space of 2 GB: %s images\n", kind);
    CHECK_STR(kind, "plain"); /* one slot reserves 4 GB */
    check_everything();
}

static void plain_by_choice(void)
{
    struct capful_engine_options options = {.plain = 1};
    struct capful_error err;
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    CHECK_STR(capful_engine_kind(&err), "plain");
    check_everything();
}

/* From here on the system call answers this error; with `argument`, only where that is its second
 * argument. */
static int refuse(unsigned number, int error, unsigned argument)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, argument ? 1 : 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void works_with_kind(const char *what, const char *wanted)
{
    struct capful_error err;
    const char *kind = capful_engine_kind(&err);
    if (!CHECK(kind != NULL)) {
        printf("    %s\n", err.text);
        return;
    }
    printf("%s: %s images\n", what, kind);
    if (wanted)
        CHECK_STR(kind, wanted);
    check_everything();
}

static void no_memfd(void)
{
    if (!refuse(SYS_memfd_create, EPERM, 0))
        return;
    CHECK(syscall(SYS_memfd_create, "x", 0) < 0 && errno == EPERM);
    works_with_kind("memfd_create refused with EPERM", "plain");
}

static void no_memfd_call(void)
{
    if (!refuse(SYS_memfd_create, ENOSYS, 0))
        return;
    works_with_kind("memfd_create missing", "plain");
}

/* PAGEMAP_SCAN is an ioctl: _IOWR('f', 16, struct of 96 bytes) */
static void no_pagemap_scan(void)
{
    if (!refuse(SYS_ioctl, ENOTTY, 0xc0606610))
        return;
    works_with_kind("PAGEMAP_SCAN missing", "fast");
}

static void no_openat2(void)
{
    if (!refuse(SYS_openat2, ENOSYS, 0))
        return;
    works_with_kind("openat2 missing", "fast");
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    char dir[] = "/tmp/capful-plain-XXXXXX", path[64];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/out", dir);
    CHECK_INT(symlink("/etc", path), 0);
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    api_must(capful_builder_mount(builder, dir, "/m", CAPFUL_MOUNT_RW, &err), &err,
             "capful_builder_mount");
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    capful_policy_unref(policy);
    CHECK_VALUE(sandbox,
                "const fs = require('fs'); fs.mkdirSync('/m/d'); fs.writeFileSync('/m/d/f', 'x'); "
                "fs.readFileSync('/m/d/f', 'utf8')",
                "\"x\"");
    CHECK_VALUE(sandbox, "try { require('fs').readFileSync('/m/out/passwd') } catch (e) { e.code }",
                "\"ENOENT\"");
    CHECK_VALUE(sandbox,
                "try { require('fs').readFileSync('/m/../../etc/passwd') } catch (e) { e.code }",
                "\"ENOENT\"");
    CHECK_VALUE(sandbox,
                "const fs = require('fs'); fs.unlinkSync('/m/d/f'); fs.rmdirSync('/m/d'); "
                "fs.unlinkSync('/m/out'); 1",
                "1");
    capful_sandbox_free(sandbox);
    CHECK_INT(rmdir(dir), 0);
}

static void few_instances(void)
{
    struct capful_engine_options options = {.max_instances = 2};
    struct capful_sandbox *sandboxes[3];
    struct capful_run *runs[3] = {NULL, NULL, NULL};
    struct capful_error err;
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    for (int i = 0; i < 3; i++) {
        struct capful_job job = api_job("await new Promise((r) => setTimeout(r, 20)); 1");
        sandboxes[i] = api_sandbox(NULL);
        int result = capful_run_start(sandboxes[i], &job, &runs[i], &err);
        CHECK_INT(result, i < 2 ? 0 : CAPFUL_ECAPACITY);
        if (result == 0)
            CHECK_INT(capful_run_step(runs[i]), CAPFUL_STEP_WAIT);
    }
    for (int i = 0; i < 2; i++) {
        struct capful_result *result = NULL;
        api_must(capful_run_finish(runs[i], &result, &err), &err, "capful_run_finish");
        capful_result_free(result);
    }
    CHECK_VALUE(sandboxes[2], "'a slot is free again'", "\"a slot is free again\"");
    for (int i = 0; i < 3; i++)
        capful_sandbox_free(sandboxes[i]);
}

static void *run_sleeper(void *argument)
{
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result =
        api_run(sandbox, "await new Promise((r) => setTimeout(r, 40)); 'rested'");
    *(int *)argument = capful_result_status(result) == CAPFUL_OK;
    capful_result_free(result);
    capful_sandbox_free(sandbox);
    return NULL;
}

/* One slot, three threads: each waits its turn. */
static void wait_for_slot(void)
{
    struct capful_engine_options options = {.max_instances = 1, .wait_for_slot = 1};
    struct capful_error err;
    pthread_t threads[3];
    int ok[3] = {0, 0, 0};
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    uint64_t start = api_now();
    for (int i = 0; i < 3; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_sleeper, &ok[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK(ok[0] && ok[1] && ok[2]);
    CHECK(api_now() - start >= 120000000);
}

/* A ceiling on the memory of all guests together. */
static void memory_ceiling(void)
{
    struct capful_engine_options options = {.max_memory = 64 * CAPFUL_MIB};
    struct capful_error err;
    CHECK_INT(capful_engine_configure(&options, &err), 0);
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    struct capful_result *result =
        api_run(sandbox, "const a = new Uint8Array(90 << 20).fill(1); a.length");
    CHECK(capful_result_status(result) == CAPFUL_LIMIT ||
          capful_result_status(result) == CAPFUL_ERROR);
    CHECK(capful_result_message(result) != NULL);
    printf("64 MB for all guests, one wants 90: %s\n", capful_result_message(result));
    capful_result_free(result);
    CHECK_VALUE(sandbox, "new Uint8Array(8 << 20).fill(1).length", "8388608");
    capful_sandbox_free(sandbox);
}

int main(void)
{
    CHECK_INT(in_child(small_address_space), 0);
    CHECK_INT(in_child(plain_by_choice), 0);
    CHECK_INT(in_child(few_instances), 0);
    CHECK_INT(in_child(wait_for_slot), 0);
    CHECK_INT(in_child(memory_ceiling), 0);
    CHECK_INT(in_child(no_memfd), 0);
    CHECK_INT(in_child(no_memfd_call), 0);
    CHECK_INT(in_child(no_pagemap_scan), 0);
    CHECK_INT(in_child(no_openat2), 0);
    return api_done();
}
