/* The host process forks, and installs signal handlers of its own: guests go on working in the
 * parent and the child, traps stay traps, and the host's handler gets the host's faults.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "api.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* JavaScript reaches a trap where QuickJS has no check of its own: nested proxies overflow the
 * stack. */
static const char trap[] =
    "let p = {}; for (let i = 0; i < 45e4; i++) p = new Proxy(p, {}); p instanceof Object";

static void check_works(struct capful_sandbox *sandbox)
{
    CHECK_VALUE(sandbox, "[1, 2, 3].map((x) => x * x)", "[1,4,9]");
}

static void check_trap(struct capful_sandbox *sandbox)
{
    struct capful_result *result = api_run(sandbox, trap);
    CHECK_STR(capful_status_name(capful_result_status(result)), "error");
    const char *message = capful_result_message(result);
    CHECK(message && (strstr(message, "stack") != NULL));
    capful_result_free(result);
    check_works(sandbox);
}

static void check_time_limit(void)
{
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_limits limits;
    struct capful_error err;
    api_must(capful_builder_new(&builder, &err), &err, "capful_builder_new");
    capful_builder_get_limits(builder, &limits);
    limits.wall = CAPFUL_SECOND / 5;
    capful_builder_set_limits(builder, &limits);
    api_must(capful_builder_build(builder, &policy, &err), &err, "capful_builder_build");
    capful_builder_free(builder);
    struct capful_sandbox *sandbox = api_sandbox(policy);
    struct capful_result *result = api_run(sandbox, "for (;;);");
    CHECK_STR(capful_result_limit(result), "wall");
    capful_result_free(result);
    capful_sandbox_free(sandbox);
    capful_policy_unref(policy);
}

static void test_fork(struct capful_sandbox *sandbox)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); /* a child that hangs is a failure */
        check_works(sandbox);
        struct capful_sandbox *own = api_sandbox(NULL);
        check_works(own);
        check_trap(own);
        check_time_limit(); /* the thread that moves the epoch is not there in a child: it must be
                               started anew */
        capful_sandbox_free(own);
        fflush(stdout);
        _exit(api_failures != 0);
    }
    check_works(sandbox);
    check_time_limit();
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

/* ------------------------------------------------------------------ signal handlers */

static sigjmp_buf back;
static volatile sig_atomic_t faults;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    faults++;
    siglongjmp(back, 1);
}

static void own_fault(void)
{
    volatile char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigsetjmp(back, 1) == 0)
        *nowhere = 1;
    munmap((void *)nowhere, 4096);
}

static void test_handler(struct capful_sandbox *sandbox)
{
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    CHECK_INT(sigaction(SIGSEGV, &action, &old), 0);
    faults = 0;
    own_fault();
    CHECK_INT(faults, 1);
    check_works(sandbox);
    check_trap(sandbox);
    CHECK_INT(faults, 1); /* the guest's faults are not the host's */
    own_fault();
    CHECK_INT(faults, 2);
    check_trap(sandbox);
    own_fault();
    CHECK_INT(faults, 3);
    /* displaced again */
    CHECK_INT(sigaction(SIGSEGV, &action, NULL), 0);
    check_trap(sandbox);
    own_fault();
    CHECK_INT(faults, 4);
}

int main(void)
{
    struct capful_sandbox *sandbox = api_sandbox(NULL);
    check_works(sandbox);
    check_trap(sandbox);
    test_fork(sandbox);
    test_handler(sandbox);
    test_fork(sandbox);
    capful_sandbox_free(sandbox);
    return api_done();
}
