/* Running a program, see launch.h: policy and sandbox made, streams passed on, the result shown. */
#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/ask.h"
#include "cli/show.h"
#include "cli/stop.h"
#include "cli/term.h"
#include "cli/trace.h"

#define FILE_MAX        (UINT64_C(1) << 30)
#define INSTANCES_MAX   10000
#define PROGRAMS_OF_RUN 16 /* that a script starts at a time; the others wait */

struct launch {
    const struct options *options;
    struct capful_policy *policy;
    struct capful_sandbox *sandbox;
    char *dry_results; /* of --dry-run; NULL: tools are called */
    int result_fd;     /* of --result; -1 none */
    int output_error;  /* errno of a write to stdout that failed */
    bool mid_line;     /* the last thing printed to stdout was not a newline */
};

int launch_failed(const struct capful_error *err)
{
    if (err->code == CAPFUL_EPOLICY && err->line > 0) {
        term_line("%s", err->text); /* FILE:LINE:COLUMN: first, as editors want it */
        return EXIT_USAGE;
    }
    bool ours = err->code == CAPFUL_ENOMEM || err->code == CAPFUL_EENGINE ||
                err->code == CAPFUL_ECAPACITY || err->code == CAPFUL_EBUSY ||
                err->code == CAPFUL_ESTATE;
    return term_fail(ours ? EXIT_FAULT : EXIT_USAGE, "%s", err->text);
}

/* ------------------------------------------------------------------ files */

static char *read_all(int fd, const char *name, size_t *ret_len)
{
    struct buf text = BUF_INIT(FILE_MAX);
    struct stat st;
    size_t step = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
                          (uint64_t)st.st_size < FILE_MAX
                      ? (size_t)st.st_size + 1
                      : 65536;
    for (;;) {
        if (!buf_reserve(&text, step)) {
            term_fail(0, text.len + step > FILE_MAX ? "%s: larger than 1 GiB" : "%s: out of memory",
                      name);
            break;
        }
        ssize_t n = read(fd, text.data + text.len, step);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            term_fail(0, "%s cannot be read: %s", name, strerror(errno));
            break;
        }
        if (n == 0) {
            *ret_len = text.len;
            text.data[text.len] = 0;
            return text.data;
        }
        text.len += (size_t)n;
        step = 65536;
    }
    buf_release(&text);
    return NULL;
}

char *launch_read_file(const char *path, size_t *ret_len)
{
    if (strcmp(path, "-") == 0)
        return read_all(0, "standard input", ret_len);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        term_fail(0, "%s cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_all(fd, path, ret_len);
    close(fd);
    return text;
}

/* ------------------------------------------------------------------ policy */

static void set_limits(struct capful_builder *builder, const struct options *options)
{
    struct capful_limits limits, defaults;
    capful_builder_get_limits(builder, &limits);
    capful_limits_init(&defaults);
    if (options->has_timeout) {
        limits.wall = options->timeout;
        /* Who gives a program more time means time to work in, unless the policy says otherwise. */
        if (limits.cpu == defaults.cpu && limits.cpu < limits.wall)
            limits.cpu = limits.wall;
    }
    if (options->has_memory) {
        limits.memory = options->memory;
        if (limits.process_memory == defaults.process_memory &&
            limits.process_memory < limits.memory)
            limits.process_memory = limits.memory;
    }
    if (options->has_output)
        limits.output = options->output;
    if (options->has_calls)
        limits.calls = options->calls;
    capful_builder_set_limits(builder, &limits);
}

static int fill_builder(struct capful_builder *builder, const struct options *options,
                        struct capful_error *err)
{
    int failed = 0;
    if (options->policy)
        failed = capful_builder_policy_file(builder, options->policy, err);
    for (size_t i = 0; i < options->n_mounts && !failed; i++) {
        const struct mount_option *mount = &options->mounts[i];
        failed = capful_builder_mount(builder, mount->host, mount->guest, mount->mode, err);
    }
    if (!failed)
        set_limits(builder, options);
    return failed;
}

/* Every instance that may be costs a little at the start, so there are no more than can be used. */
static int configure_engine(enum command command, const struct capful_limits *limits,
                            struct capful_error *err)
{
    struct capful_engine_options engine = {0};
    uint64_t processes = limits->processes;
    if (command == COMMAND_RUN && processes > PROGRAMS_OF_RUN)
        processes = PROGRAMS_OF_RUN;
    engine.max_instances = (uint32_t)(processes < INSTANCES_MAX ? processes : INSTANCES_MAX) + 1;
    return capful_engine_configure(&engine, err);
}

static int make_policy(struct launch *launch, struct capful_error *err)
{
    const struct options *options = launch->options;
    struct capful_limits limits;
    struct capful_builder *builder;
    bool plain = !options->policy && options->n_mounts == 0 && !options->has_timeout &&
                 !options->has_memory && !options->has_output && !options->has_calls;
    capful_limits_init(&limits);
    if (!plain) {
        int failed = capful_builder_new(&builder, err);
        if (failed)
            return failed;
        failed = fill_builder(builder, options, err);
        if (!failed) {
            capful_builder_get_limits(builder, &limits);
            failed = capful_builder_build(builder, &launch->policy, err);
        }
        capful_builder_free(builder);
        if (failed)
            return failed;
    }
    return configure_engine(options->command, &limits, err);
}

static bool read_dry_results(struct launch *launch)
{
    const char *path = launch->options->dry_run;
    size_t len = 2;
    if (strcmp(path, "none") == 0) {
        launch->dry_results = mem_strdup("{}");
        return launch->dry_results || term_fail(0, "out of memory");
    }
    launch->dry_results = launch_read_file(path, &len);
    if (launch->dry_results && strlen(launch->dry_results) != len) {
        term_fail(0, "--dry-run \"%s\": the file holds a NUL", path);
        return false;
    }
    return launch->dry_results != NULL;
}

int launch_new(const struct options *options, struct launch **ret)
{
    struct launch *launch = mem_zalloc(sizeof *launch);
    struct capful_error err;
    if (!launch)
        return term_fail(EXIT_FAULT, "out of memory");
    launch->options = options;
    launch->result_fd = -1;
    if (options->dry_run && !read_dry_results(launch))
        return EXIT_USAGE;
    int failed = make_policy(launch, &err);
    if (!failed)
        failed = capful_sandbox_new(launch->policy, &launch->sandbox, &err);
    if (failed)
        return launch_failed(&err);
    *ret = launch;
    return 0;
}

/* ------------------------------------------------------------------ streams */

/* Nobody reads any more: the run ends, quietly when the reader went away, with a message when
 * writing failed. */
static int output_lost(struct launch *launch, int error)
{
    if (launch->output_error == 0)
        launch->output_error = error;
    capful_sandbox_cancel(launch->sandbox, error == EPIPE ? SIGPIPE : SIGTERM);
    return -1;
}

static int on_stdout(void *context, const void *data, size_t len)
{
    struct launch *launch = context;
    int error = term_write(1, data, len);
    if (error == EINTR)
        return -1; /* cancelled */
    if (error)
        return output_lost(launch, error);
    if (len > 0)
        launch->mid_line = ((const char *)data)[len - 1] != '\n';
    return 0;
}

static int on_stderr(void *context, const void *data, size_t len)
{
    (void)context;
    return term_write(2, data, len) ? -1 : 0;
}

/* ------------------------------------------------------------------ the run */

static void on_call(void *context, const struct capful_record *record)
{
    (void)context;
    trace_call(record);
}

static void fill_job(struct launch *launch, const struct program *program, struct capful_job *job)
{
    const struct options *options = launch->options;
    capful_job_init(job);
    job->language = program->language;
    job->source = program->source;
    job->source_len = program->len;
    job->name = program->name;
    job->argv = program->arguments;
    job->env = options->n_env ? options->env : NULL;
    job->cwd = options->cwd;
    job->preopens = options->has_dirs ? options->dirs : NULL;
    if (program->input)
        job->input_fd = 0;
    if (!options->json) {
        job->on_stdout = on_stdout;
        job->on_stderr = on_stderr;
    }
    job->on_questions = ask_questions;
    job->account = options->account;
    job->facts = options->facts;
    job->dry_results = launch->dry_results;
    if (options->trace || options->dry_run)
        job->on_call = on_call;
    job->context = launch;
    job->flags = options->flags;
    job->seed = options->seed;
    job->clock = options->clock;
    if (options->result)
        job->flags |= CAPFUL_KEEP_OUTPUT;
}

/* It is emptied before the run, so that an old result is never taken for this one's. */
static bool open_result(struct launch *launch)
{
    const char *path = launch->options->result;
    if (!path)
        return true;
    launch->result_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (launch->result_fd < 0)
        term_fail(0, "--result \"%s\": %s", path, strerror(errno));
    return launch->result_fd >= 0;
}

static int show(struct launch *launch, const struct program *program, struct capful_result *result)
{
    struct shown shown = {.options = launch->options,
                          .sandbox = launch->sandbox,
                          .result = result,
                          .program = program->name,
                          .mid_line = launch->mid_line,
                          .result_fd = launch->result_fd};
    int error = launch->output_error;
    int code = show_result(&shown, error != 0);
    if (error == 0 || stop_signal() != 0)
        return code;
    /* How the program took it, or whether it was cancelled first, is a matter of luck. */
    if (error == EPIPE)
        return EXIT_SIGNAL + SIGPIPE;
    return term_fail(EXIT_FAULT, "stdout cannot be written: %s", strerror(error));
}

int launch_run(struct launch *launch, const struct program *program)
{
    struct capful_job job;
    struct capful_result *result;
    struct capful_error err;
    if (!open_result(launch))
        return EXIT_USAGE;
    fill_job(launch, program, &job);
    stop_watch(launch->sandbox);
    int failed = capful_run(launch->sandbox, &job, &result, &err);
    if (failed) {
        stop_watch(NULL);
        return launch_failed(&err);
    }
    int code = show(launch, program, result);
    stop_watch(NULL);
    return code;
}
