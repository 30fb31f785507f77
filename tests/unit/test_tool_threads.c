/* Answers from other threads: while the driver collects, while it gives up, after the sandbox is
 * gone. Made to be run under a thread sanitizer as well. */
#include <pthread.h>
#include <stdatomic.h>

#include "tool_rig.h"

enum { THREADS = 3, CALLS = 300 };

/* Calls on their way from the tool's function to the threads that answer. */
struct belt {
    pthread_mutex_t lock;
    struct capful_call *calls[4 * CALLS];
    size_t n, taken;
    _Atomic bool closed;
};

static void put(struct capful_call *call, void *context)
{
    struct belt *belt = context;
    pthread_mutex_lock(&belt->lock);
    belt->calls[belt->n++] = call;
    pthread_mutex_unlock(&belt->lock);
}

static struct capful_call *take(struct belt *belt)
{
    struct capful_call *call = NULL;
    pthread_mutex_lock(&belt->lock);
    if (belt->taken < belt->n)
        call = belt->calls[belt->taken++];
    pthread_mutex_unlock(&belt->lock);
    return call;
}

static void answer(struct capful_call *call)
{
    size_t len;
    const char *arguments = capful_call_arguments(call, &len);
    if (len % 3 == 0)
        capful_call_fail(call, "odd", capful_call_id(call), NULL);
    else if (len % 3 == 1)
        capful_call_answer_text(call, capful_call_tool(call), strlen(capful_call_tool(call)));
    else
        capful_call_answer(call, arguments, len);
}

static void *answer_all(void *context)
{
    struct belt *belt = context;
    for (;;) {
        bool closed = atomic_load(&belt->closed);
        struct capful_call *call = take(belt);
        if (call)
            answer(call);
        else if (closed)
            return NULL;
        else
            usleep(50);
    }
}

static struct toolset *belt_tools(struct belt *belt, uint64_t time_limit)
{
    struct toolset *set = NULL;
    struct capful_tool tool = {
        .name = "later", .call = put, .context = belt, .time_limit = time_limit};
    EQ(toolset_new(&set, NULL), 0);
    EQ(toolset_add(set, &tool, NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    return set;
}

static void start_threads(struct belt *belt, pthread_t threads[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        ASSERT(pthread_create(&threads[i], NULL, answer_all, belt) == 0);
}

static void join_threads(struct belt *belt, pthread_t threads[THREADS])
{
    atomic_store(&belt->closed, true);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void start_call(struct tool_rig *rig, int i)
{
    char arguments[32];
    snprintf(arguments, sizeof arguments, "{\"n\":%d}", i);
    rig_start(rig, "later", arguments);
}

TEST(threads_answer_while_the_driver_collects)
{
    static struct belt belt = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct tool_rig r;
    pthread_t threads[THREADS];
    int ok = 0, errors = 0, started = 0;
    rig_begin(&r, belt_tools(&belt, 0), NULL);
    start_threads(&belt, threads);
    while (ok + errors < CALLS) {
        for (int i = 0; i < 7 && started < CALLS; i++)
            start_call(&r, started++);
        tool_dispatch(r.host, clock_monotonic());
        ASSERT(rig_wait(&r));
        for (uint32_t status; (status = rig_take(&r, NULL)) != CAPFUL_CALL_NONE;) {
            ok += status == CAPFUL_CALL_OK;
            errors += status == CAPFUL_CALL_ERROR;
        }
    }
    OK(ok > 0 && errors > 0);
    EQ(ok + errors, CALLS);
    OK(!tool_in_flight(r.host));
    join_threads(&belt, threads);
    rig_end(&r);
}

TEST(threads_answer_while_the_driver_gives_up)
{
    static struct belt belt = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct tool_rig r;
    pthread_t threads[THREADS];
    size_t done = 0, unknown = 0;
    rig_begin(&r, belt_tools(&belt, 1), NULL);
    start_threads(&belt, threads);
    for (int i = 0; i < CALLS; i++) {
        start_call(&r, i);
        tool_dispatch(r.host, clock_monotonic());
        if (i % 3 == 0)
            tool_collect(r.host);
        if (i % 5 == 0)
            tool_expire(r.host, UINT64_MAX - 1); /* all that are open */
        while (rig_take(&r, NULL) != CAPFUL_CALL_NONE)
            ;
    }
    process_discard(r.process);
    r.process = NULL;
    tool_end(r.host);
    for (size_t i = 0; i < tool_record_count(r.host); i++) {
        enum capful_outcome outcome = tool_record(r.host, i)->outcome;
        done += outcome == CAPFUL_CALL_DONE || outcome == CAPFUL_CALL_FAILED;
        unknown += outcome == CAPFUL_CALL_UNKNOWN;
    }
    EQ(done + unknown, CALLS);
    rig_end(&r);
    join_threads(&belt, threads);
}

TEST(threads_answer_after_the_sandbox_is_gone)
{
    static struct belt belt = {.lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[THREADS];
    uint64_t before = mem_live_blocks();
    for (int round = 0; round < 20; round++) {
        struct tool_rig r;
        struct tool_records records;
        rig_begin(&r, belt_tools(&belt, 0), NULL);
        for (int i = 0; i < 20; i++)
            start_call(&r, i);
        tool_dispatch(r.host, clock_monotonic());
        if (round % 2)
            OK(tool_event_fd(r.host) >= 0);
        if (round == 3)
            start_threads(&belt, threads);
        process_discard(r.process);
        r.process = NULL;
        tool_end(r.host);
        tool_records_take(r.host, &records);
        EQ(records.n, 20);
        rig_end(&r);
        tool_records_release(&records);
    }
    join_threads(&belt, threads);
    EQ(belt.taken, 400);
    EQ(mem_live_blocks(), before);
}

TEST(threads_answer_while_the_function_still_runs)
{
    static struct belt belt = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct tool_rig r;
    pthread_t threads[THREADS];
    rig_begin(&r, belt_tools(&belt, 0), NULL);
    start_threads(&belt, threads);
    for (int i = 0; i < CALLS; i++) {
        start_call(&r, i);
        tool_dispatch(r.host,
                      clock_monotonic()); /* the thread may be done before put() has returned */
        while (tool_in_flight(r.host))
            tool_collect(r.host);
        OK(rig_take(&r, NULL) != CAPFUL_CALL_NONE);
    }
    join_threads(&belt, threads);
    rig_end(&r);
}

static void *run_one_set(void *context)
{
    struct toolset *set = context;
    for (int i = 0; i < 20; i++) {
        struct tool_rig r;
        rig_begin(&r, toolset_ref(set), NULL);
        for (int j = 0; j < 10; j++) {
            EQ(rig_call(&r, "echo", "{\"n\":1}"), CAPFUL_CALL_OK);
            EQ(rig_call(&r, "echo", "{\"n\":\"x\"}"), CAPFUL_CALL_ERROR);
        }
        rig_end(&r);
    }
    toolset_unref(set);
    return NULL;
}

static void echo(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "1", 1);
}

TEST(threads_share_a_set)
{
    struct toolset *set = NULL;
    struct capful_tool tool = {
        .name = "echo", .call = echo, .schema = "{\"properties\":{\"n\":{\"type\":\"integer\"}}}"};
    pthread_t threads[THREADS];
    EQ(toolset_new(&set, NULL), 0);
    EQ(toolset_add(set, &tool, NULL), 0);
    EQ(toolset_grant_all(set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ASSERT(pthread_create(&threads[i], NULL, run_one_set, toolset_ref(set)) == 0);
    toolset_unref(set);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
