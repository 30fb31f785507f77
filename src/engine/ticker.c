/* The ticker: one thread that moves the engine's epoch each millisecond while guests run.
 *
 * Starting and stopping it with each run would cost more than a run. So it goes on for a while
 * after the last guest left, then sleeps on a condition; a run that finds it asleep wakes it. A
 * forked child has no threads: it gets a new one with its first run.
 */
#include "engine/internal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define TICK_NS      1000000
#define LINGER_TICKS 64

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t awake = PTHREAD_COND_INITIALIZER;
static _Atomic int guests; /* threads that run guests now */
static _Atomic unsigned
    entries;              /* counts ticker_enter, so that the thread sees activity between ticks */
static _Atomic int state; /* 0 no thread, 1 ticking, 2 asleep */

static void *tick(void *engine)
{
    unsigned seen = atomic_load(&entries);
    int idle = 0;
    for (;;) {
        struct timespec pause = {0, TICK_NS};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        wasmtime_engine_increment_epoch(engine);
        unsigned now = atomic_load(&entries);
        idle = atomic_load(&guests) > 0 || now != seen ? 0 : idle + 1;
        seen = now;
        if (idle < LINGER_TICKS)
            continue;
        pthread_mutex_lock(&mutex);
        atomic_store(&state, 2);
        while (atomic_load(&guests) == 0)
            pthread_cond_wait(&awake, &mutex);
        atomic_store(&state, 1);
        pthread_mutex_unlock(&mutex);
        idle = 0;
    }
    return NULL;
}

static void start_thread(wasm_engine_t *engine)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, old;
    if (pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setstacksize(&attributes, (size_t)128 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* Signals of the host are for the host's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    if (pthread_create(&thread, &attributes, tick, engine) == 0)
        atomic_store(&state, 1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
}

void ticker_enter(wasm_engine_t *engine)
{
    atomic_fetch_add(&guests, 1);
    atomic_fetch_add(&entries, 1);
    if (atomic_load(&state) == 1)
        return;
    pthread_mutex_lock(&mutex);
    if (atomic_load(&state) == 0)
        start_thread(engine);
    else
        pthread_cond_signal(&awake);
    pthread_mutex_unlock(&mutex);
}

void ticker_leave(void)
{
    atomic_fetch_sub(&guests, 1);
}

void ticker_fork_child(void)
{
    pthread_mutex_t new_mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t new_cond = PTHREAD_COND_INITIALIZER;
    mutex = new_mutex;
    awake = new_cond;
    atomic_store(&state, 0);
    atomic_store(&guests, 0);
}
