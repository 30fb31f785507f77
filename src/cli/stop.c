/* Signals, see stop.h. */
#include "cli/stop.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static _Atomic(struct capful_sandbox *) watched;
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    struct capful_sandbox *sandbox = atomic_load(&watched);
    if (caught || !sandbox)
        _exit(128 + number);
    caught = number;
    capful_sandbox_cancel(sandbox, number);
}

static void handle(int number)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, &before) == 0 && before.sa_handler == SIG_IGN)
        sigaction(number, &before,
                  NULL); /* started by nohup, or in the background of an old shell */
}

void stop_watch(struct capful_sandbox *sandbox)
{
    atomic_store(&watched, sandbox);
    if (!sandbox)
        return;
    handle(SIGINT);
    handle(SIGTERM);
    handle(SIGHUP);
    signal(SIGPIPE, SIG_IGN);
}

int stop_signal(void)
{
    return caught;
}
