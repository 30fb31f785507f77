/* A run from start to result. */
#include "lib/sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/errno_text.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "policy/store.h"
#include "syscall/calls.h"

void capful_job_init(struct capful_job *job)
{
    memset(job, 0, sizeof *job);
    job->input_fd = -1;
}

static int add_arguments(struct buf *list, uint32_t *count, const char *const *strings)
{
    for (; strings && *strings; strings++) {
        if (!buf_add(list, *strings, strlen(*strings) + 1))
            return CAPFUL_ENOMEM;
        ++*count;
    }
    return 0;
}

/* The policy's variables, then the job's, which win. */
static int add_environment(struct process *process, const struct capful_policy *policy,
                           const char *const *extra)
{
    for (size_t i = 0; policy && i < policy->n_env; i++) {
        const struct policy_env *v = &policy->env[i];
        size_t n = strlen(v->name);
        bool replaced = false;
        for (const char *const *e = extra; e && *e && !replaced; e++)
            replaced = strncmp(*e, v->name, n) == 0 && (*e)[n] == '=';
        if (replaced)
            continue;
        if (!buf_printf(&process->envp, "%s=%s", v->name, v->value) ||
            !buf_add_char(&process->envp, 0))
            return CAPFUL_ENOMEM;
        process->envc++;
    }
    return add_arguments(&process->envp, &process->envc, extra);
}

/* Descriptors 0, 1, 2. */
static int add_descriptors(struct capful_run *run, struct process *process)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct file *file;
        int e = stdio_file(run, i, &file);
        if (e != 0)
            return e;
        uint64_t rights = CAPFUL_RIGHT_FD_FILESTAT_GET | CAPFUL_RIGHT_POLL_FD_READWRITE |
                          CAPFUL_RIGHT_FD_FDSTAT_SET_FLAGS |
                          (i == 0 ? CAPFUL_RIGHT_FD_READ : CAPFUL_RIGHT_FD_WRITE);
        e = fdtab_place(&process->fds, i, file, rights, 0);
        if (e != 0) {
            file_unref(file);
            return e;
        }
    }
    return 0;
}

static int add_preopen(struct capful_run *run, struct process *process, const char *path,
                       const char *name)
{
    struct file *file;
    uint32_t number;
    int e = vfs_open_directory(run->sandbox->context.vfs, str_of(path), &file);
    if (e != 0)
        return e;
    e = fdtab_insert(&process->fds, file, rights_of_file(file), CAPFUL_RIGHTS_ALL, 3, &number);
    if (e != 0) {
        file_unref(file);
        return e;
    }
    struct fd *fd = fdtab_get(&process->fds, number);
    fd->preopen = mem_strdup(name);
    return fd->preopen ? 0 : ERRNO_NOMEM;
}

/* What a WASI program finds: its working directory as "." at 3, then every directory of the root
 * under its name. The root itself is not among them, because wasi-libc takes "/" and "." for the
 * same and would then start relative paths at the root. */
static int add_preopens(struct capful_run *run, struct process *process)
{
    struct file *root;
    char path[257] = "/";
    int e = add_preopen(run, process, process->cwd_path, ".");
    if (e == 0)
        e = vfs_open_directory(run->sandbox->context.vfs, STR("/"), &root);
    if (e != 0)
        return e;
    for (uint64_t cookie = 0;;) {
        struct file_dirent entry;
        e = file_readdir(root, cookie, &entry);
        if (e != 0 || entry.name.len == 0)
            break;
        cookie = entry.next;
        if (entry.type != FILE_DIRECTORY || entry.name.ptr[0] == '.' || entry.name.len > 255)
            continue;
        memcpy(path + 1, entry.name.ptr, entry.name.len);
        path[entry.name.len + 1] = 0;
        e = add_preopen(run, process, path, path);
        if (e != 0)
            break;
    }
    file_unref(root);
    return e;
}

static int add_given_preopens(struct capful_run *run, struct process *process,
                              struct capful_error *err)
{
    for (const char *const *p = run->job.preopens; *p; p++) {
        const char *colons = strstr(*p, "::");
        char *path = mem_dup(*p, colons ? (size_t)(colons - *p) : strlen(*p));
        if (!path)
            return err_nomem(err);
        int e = path[0] == '/' ? add_preopen(run, process, path, colons ? colons + 2 : path)
                               : ERRNO_INVAL;
        mem_free(path);
        if (e != 0)
            return err_set(err, CAPFUL_EINVAL,
                           "the directory \"%s\" cannot be opened for the program: %s", *p,
                           errno_text(e));
    }
    return 0;
}

static int set_directory(struct capful_run *run, struct process *process, struct capful_error *err)
{
    const char *cwd = run->job.cwd ? run->job.cwd : "/workspace";
    if (cwd[0] != '/')
        return err_set(err, CAPFUL_EINVAL, "the working directory must be absolute: \"%s\"", cwd);
    int e = vfs_open_directory(run->sandbox->context.vfs, str_of(cwd), &process->cwd);
    if (e != 0)
        return err_set(err, CAPFUL_EINVAL, "the working directory \"%s\" cannot be used: %s", cwd,
                       errno_text(e));
    process->cwd_path = mem_strdup(cwd);
    return process->cwd_path ? 0 : err_nomem(err);
}

static int fill_process(struct capful_run *run, struct process *process, struct capful_error *err)
{
    const struct capful_job *job = &run->job;
    const char *name[2] = {job->name ? job->name : "<eval>", NULL};
    int result = set_directory(run, process, err);
    if (result != 0)
        return result;
    if (add_arguments(&process->argv, &process->argc, name) != 0 ||
        add_arguments(&process->argv, &process->argc, job->argv) != 0 ||
        add_environment(process, run->sandbox->policy, job->env) != 0)
        return err_set(err, CAPFUL_ELIMIT, "arguments and environment are too long");
    int e = add_descriptors(run, process);
    if (e == 0 && job->language == CAPFUL_WASM && job->preopens)
        return add_given_preopens(run, process, err);
    if (e == 0 && job->language == CAPFUL_WASM)
        e = add_preopens(run, process);
    return e == 0 ? 0
                  : err_set(err, CAPFUL_ENOMEM, "the first process cannot be set up: %s",
                            errno_text(e));
}

static int start_process(struct capful_run *run, struct image *image, struct capful_error *err)
{
    struct kernel *kernel = &run->sandbox->kernel;
    struct process *process;
    int e = process_new(kernel, NULL, image, &process);
    if (e != 0)
        return err_set(err, CAPFUL_ENOMEM, "the first process cannot be made: %s", errno_text(e));
    int result = fill_process(run, process, err);
    if (result != 0) {
        process_discard(process);
        return result;
    }
    while ((e = process_start(process)) == ERRNO_AGAIN && engine_wait_slot(20000000)) {
        if (kernel_must_stop(kernel))
            break;
    }
    if (e == 0 || kernel->stop != STOP_NONE)
        return 0; /* a limit at the very start is a result, not an error */
    if (e == ERRNO_AGAIN)
        result = err_set(err, CAPFUL_ECAPACITY,
                         "all instances or all memory of this host process are in use: raise "
                         "max_instances or max_memory, "
                         "or set wait_for_slot");
    else if (e == ERRNO_NOEXEC)
        result = err_set(err, CAPFUL_EINVAL, "the program cannot be started: %s", process->trap);
    else
        result = err_set(err, CAPFUL_EENGINE, "the first process cannot be started: %s%s%s",
                         errno_text(e), process->trap[0] ? ": " : "", process->trap);
    process_discard(process);
    return result;
}

static void io_begin(struct capful_sandbox *sandbox, const struct capful_job *job)
{
    struct run_io *io = &sandbox->io;
    memset(io, 0, sizeof *io);
    io->source = job->source;
    io->source_len = job->language == CAPFUL_JAVASCRIPT ? job->source_len : 0;
    /* The value leaves the sandbox as a tool's result comes in: under the same limit. */
    uint64_t limit = sandbox->kernel.limits.result;
    buf_init(&io->value, limit < SIZE_MAX ? (size_t)limit : SIZE_MAX);
    buf_init(&io->error, CAPFUL_MIB);
}

static void end(struct capful_sandbox *sandbox)
{
    kernel_end(&sandbox->kernel);
    tool_end(sandbox->context.tools);
    buf_release(&sandbox->io.value);
    buf_release(&sandbox->io.error);
}

static int load_image(struct capful_run *run, struct image **ret, struct capful_error *err)
{
    const struct capful_job *job = &run->job;
    int result = engine_start(err);
    if (result == 0 && job->language == CAPFUL_WASM)
        result = engine_image_load(job->source, job->source_len, &run->loaded, err);
    if (result != 0)
        return result;
    /* A program chooses by its exports which calls it speaks. It must not choose by that to see
     * more than the directories that the host picked. */
    if (job->language == CAPFUL_WASM && job->preopens && engine_image_is_own(run->loaded))
        return err_set(
            err, CAPFUL_EINVAL,
            "a program that exports \"entry\" reaches the whole tree of the sandbox and cannot be "
            "confined to some directories: build it as a WASI program (\"_start\")");
    *ret = job->language == CAPFUL_WASM ? run->loaded : engine_image(STR("js"), err);
    return *ret ? 0 : CAPFUL_EENGINE;
}

/* A JSON object that the host gave; NULL is fine. */
static int check_object(const char *what, const char *text, struct str *ret,
                        struct capful_error *err)
{
    struct json_problem problem;
    struct json json;
    if (!text)
        return 0;
    struct str whole = str_of(text);
    if (!json_parse(whole, JSON_STRICT | JSON_UNIQUE_KEYS, TOOL_DEPTH, &json, &problem))
        return problem.nomem
                   ? err_nomem(err)
                   : err_set(err, CAPFUL_EINVAL, "the %s are not valid JSON, byte %zu: %s", what,
                             problem.offset + 1, problem.text);
    bool object = yyjson_is_obj(json.root);
    json_release(&json);
    if (!object)
        return err_set(err, CAPFUL_EINVAL, "the %s must be a JSON object", what);
    *ret = whole;
    return 0;
}

/* The keys of the host's facts; their values are not recorded. Borrowed from `facts`. */
static size_t fact_keys(const struct json *facts, struct str *ret, size_t room)
{
    size_t n = 0;
    yyjson_obj_iter iter;
    yyjson_obj_iter_init(facts->root, &iter);
    for (yyjson_val *key; n < room && (key = yyjson_obj_iter_next(&iter));)
        ret[n++] = json_str(key);
    return n;
}

enum capful_mode run_mode(const struct capful_run *run)
{
    const struct capful_policy *policy = run->sandbox->policy;
    if (run->job.dry_results)
        return CAPFUL_DRY_RUN;
    return policy && policy->watch ? CAPFUL_WATCH : CAPFUL_ENFORCE;
}

static int begin_audit(struct capful_run *run, struct str facts, struct capful_error *err)
{
    static const enum audit_mode modes[] = {[CAPFUL_ENFORCE] = AUDIT_ENFORCE,
                                            [CAPFUL_WATCH] = AUDIT_WATCH,
                                            [CAPFUL_DRY_RUN] = AUDIT_DRY_RUN};
    const struct capful_job *job = &run->job;
    const struct capful_policy *policy = run->sandbox->policy;
    struct str keys[256];
    struct json json = {NULL, NULL, 0};
    if (!policy || !policy->audit)
        return 0;
    struct audit_run_info info = {
        .program = str_of(job->name ? job->name : "<eval>"),
        .code = {job->source ? job->source : "", job->source_len},
        .policy = policy->digest,
        .limits = &run->sandbox->kernel.limits,
        .mode = modes[run_mode(run)],
        .context = keys,
    };
    if (run->account)
        info.account = str_of(run->account);
    if (facts.ptr && !json_parse(facts, JSON_CHECKED, TOOL_DEPTH, &json, NULL))
        return err_nomem(err);
    info.n_context = json.root ? fact_keys(&json, keys, 256) : 0;
    int failed = audit_run_begin(policy->audit, &info, &run->audit, err);
    json_release(&json);
    return failed;
}

/* What decisions of this run look at. */
static int set_circumstances(struct capful_run *run, struct capful_error *err)
{
    const struct capful_job *job = &run->job;
    const struct capful_policy *policy = run->sandbox->policy;
    struct tool_circumstances c = {.watch = policy && policy->watch,
                                   .can_ask =
                                       job->on_questions || (job->flags & CAPFUL_TAKE_QUESTIONS)};
    int failed = check_object("facts", job->facts, &c.context, err);
    if (!failed)
        failed = check_object("dry results", job->dry_results, &c.canned, err);
    if (failed)
        return failed;
    if (job->account && policy && !job->dry_results) {
        size_t len = strlen(job->account);
        if (len == 0 || len > STORE_NAME_MAX)
            return err_set(err, CAPFUL_EINVAL, "the name of an account has 1 to %d bytes",
                           STORE_NAME_MAX);
        run->account = mem_strdup(job->account);
        if (!run->account)
            return err_nomem(err);
        c.account = policy->accounts;
        c.account_name = str_of(run->account);
    }
    struct grant **grants = NULL;
    failed = begin_audit(run, c.context, err);
    if (!failed && job->grants)
        failed = grants_of_job(policy, job, &grants, err);
    if (!failed) {
        c.audit = run->audit;
        c.grants = grants;
        c.n_grants = job->n_grants;
        failed = tool_configure(run->sandbox->context.tools, &c);
        if (failed == CAPFUL_EFILE && c.account)
            failed = err_set(err, failed, "what the account has touched cannot be read: %s",
                             store_problem(c.account));
        else if (failed)
            failed = err_nomem(err);
    }
    mem_free(grants);
    return failed;
}

/* Which mounts the run has written. */
static int record_mounts(struct capful_run *run, struct capful_error *err)
{
    static const char *const modes[] = {
        [CAPFUL_MOUNT_RO] = "ro", [CAPFUL_MOUNT_RW] = "rw", [CAPFUL_MOUNT_OVERLAY] = "overlay"};
    const struct capful_sandbox *sandbox = run->sandbox;
    for (size_t i = 0; sandbox->mounts_written && i < sandbox->policy->n_mounts; i++) {
        const struct policy_mount *mount = &sandbox->policy->mounts[i];
        struct audit_mount record = {.guest = str_of(mount->guest_path),
                                     .mode = str_of(modes[mount->mode])};
        if (!(sandbox->mounts_written[i / 64] >> (i % 64) & 1))
            continue;
        if (mount->host_path)
            record.host = str_of(mount->host_path);
        int failed = audit_mount(run->audit, &record, err);
        if (failed)
            return failed;
    }
    return 0;
}

/* The last record. Where it cannot be written, the result says so, whatever else it would say. */
static void end_audit(struct capful_run *run, struct capful_result *result)
{
    struct capful_error err;
    const struct kernel *kernel = &run->sandbox->kernel;
    struct audit_run_end end = {
        .status = result->status, .exit_code = result->exit_code, .usage = &result->usage};
    if (!run->audit)
        return;
    if (result->limit)
        end.limit = str_of(result->limit);
    if (result->message)
        end.message = str_of(result->message);
    int failed = record_mounts(run, &err);
    if (!failed && kernel->stop == STOP_LIMIT)
        failed = audit_limit(run->audit, end.limit, str_of(kernel->stop_text), &err);
    if (!failed)
        failed = audit_run_end(run->audit, &end, &err);
    if (failed)
        result_fault(result, "the audit log cannot be written: ", err.text);
}

/* The kernel begins first, so that a cancel counts from here on, however long the engine takes to
 * start. */
static int prepare(struct capful_run *run, struct capful_error *err)
{
    struct capful_sandbox *sandbox = run->sandbox;
    struct kernel *kernel = &sandbox->kernel;
    const struct capful_job *job = &run->job;
    struct image *image = NULL;
    kernel_begin(kernel);
    if (sandbox->mounts_written)
        memset(sandbox->mounts_written, 0,
               (sandbox->policy->n_mounts / 64 + 1) * sizeof *sandbox->mounts_written);
    if (job->flags & CAPFUL_HAS_SEED)
        kernel_seed(kernel, job->seed);
    if (job->flags & CAPFUL_HAS_CLOCK) {
        kernel->clock = CLOCK_FIXED;
        kernel->clock_real = job->clock;
    }
    io_begin(sandbox, job);
    tool_begin(sandbox->context.tools, job->on_call, job->context);
    int result = set_circumstances(run, err);
    if (result == 0)
        result = load_image(run, &image, err);
    if (result == 0)
        result = start_process(run, image, err);
    if (result != 0)
        end(sandbox);
    return result;
}

static void run_free(struct capful_run *run)
{
    struct capful_sandbox *sandbox = run->sandbox;
    int fd = atomic_exchange(&sandbox->wake_fd, -1);
    if (fd >= 0)
        close(fd);
    if (run->epoll_fd >= 0)
        close(run->epoll_fd);
    engine_image_free(run->loaded);
    stdio_release(&run->stdio);
    audit_run_free(run->audit);
    mem_free(run->account);
    sandbox->run = NULL;
    mem_free(run);
}

int capful_run_start(struct capful_sandbox *sandbox, const struct capful_job *job,
                     struct capful_run **ret, struct capful_error *err)
{
    if (sandbox->run)
        return err_set(err, CAPFUL_EBUSY, "the sandbox is running: one run at a time");
    if (job->language != CAPFUL_JAVASCRIPT && job->language != CAPFUL_WASM)
        return err_set(err, CAPFUL_EINVAL, "unknown language %d", (int)job->language);
    if (!job->source && job->source_len > 0)
        return err_set(err, CAPFUL_EINVAL, "source is NULL");
    struct capful_run *run = mem_zalloc(sizeof *run);
    if (!run)
        return err_nomem(err);
    run->sandbox = sandbox;
    run->job = *job;
    run->epoll_fd = -1;
    run->timeout = 0;
    run->state = CAPFUL_STEP_WAIT;
    stdio_init(&run->stdio, run, job);
    sandbox->run = run;
    int result = prepare(run, err);
    if (result != 0) {
        run_free(run);
        return result;
    }
    *ret = run;
    return 0;
}

enum capful_step capful_run_step(struct capful_run *run)
{
    if (run->driving || run->state == CAPFUL_STEP_DONE)
        return run->driving ? CAPFUL_STEP_WAIT : CAPFUL_STEP_DONE;
    run->driving = true;
    run->state = driver_step(run);
    run->driving = false;
    return run->state;
}

struct capful_call *capful_run_next_call(struct capful_run *run)
{
    return tool_next_host_call(run->sandbox->context.tools);
}

struct capful_question *capful_run_next_question(struct capful_run *run)
{
    if (run->job.on_questions || !(run->job.flags & CAPFUL_TAKE_QUESTIONS))
        return NULL;
    return tool_next_question(run->sandbox->context.tools);
}

int capful_run_fd(const struct capful_run *run)
{
    return driver_epoll((struct capful_run *)run);
}

uint64_t capful_run_timeout(const struct capful_run *run)
{
    return run->state == CAPFUL_STEP_WAIT ? run->timeout : 0;
}

void capful_run_wait(struct capful_run *run)
{
    if (!run->driving && run->state != CAPFUL_STEP_DONE)
        driver_wait(run);
}

static void fill_usage(struct capful_usage *u, struct capful_run *run)
{
    const struct kernel *kernel = &run->sandbox->kernel;
    u->wall = kernel_time_elapsed(kernel);
    u->waiting = kernel->wall_paused;
    u->cpu = kernel->cpu_used;
    u->peak_memory = kernel->memory_peak;
    u->processes = kernel->processes_started;
    u->stdout_bytes = run->stdio.total[1];
    u->stderr_bytes = run->stdio.total[2];
    struct tool_usage tools;
    tool_get_usage(run->sandbox->context.tools, &tools);
    u->calls = tools.calls;
    u->denials = tools.denials;
    u->argument_bytes = tools.argument_bytes;
    u->result_bytes = tools.result_bytes;
}

int capful_run_finish(struct capful_run *run, struct capful_result **ret, struct capful_error *err)
{
    struct capful_sandbox *sandbox = run->sandbox;
    struct kernel *kernel = &sandbox->kernel;
    if (run->driving)
        return err_set(err, CAPFUL_EBUSY, "a callback of the run cannot finish it");
    if (run->state != CAPFUL_STEP_DONE) {
        kernel_cancel(kernel, 15);
        capful_run_step(run);
    }
    stdio_flush(&run->stdio);
    struct capful_usage usage = {0};
    fill_usage(&usage, run);
    tool_abandon(sandbox->context.tools);
    struct capful_result *result = NULL;
    int status = result_make(run, &result, err);
    if (status == 0) {
        result->usage = usage;
        end_audit(run, result);
        *ret = result;
    }
    end(sandbox);
    run_free(run);
    return status;
}

int capful_run(struct capful_sandbox *sandbox, const struct capful_job *job,
               struct capful_result **ret, struct capful_error *err)
{
    struct capful_run *run;
    int result = capful_run_start(sandbox, job, &run, err);
    if (result != 0)
        return result;
    enum capful_step step;
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): set where result is 0
    while ((step = capful_run_step(run)) != CAPFUL_STEP_DONE) {
        struct capful_call *call;
        while (step == CAPFUL_STEP_CALLS && (call = capful_run_next_call(run)) != NULL)
            capful_call_fail(call, "no_function",
                             "this tool has no function: the host must drive the run step by step",
                             NULL);
        struct capful_question *question;
        while (step == CAPFUL_STEP_CALLS && (question = capful_run_next_question(run)) != NULL)
            capful_question_refuse(question, "nobody takes questions of this run", NULL);
        if (step == CAPFUL_STEP_WAIT)
            capful_run_wait(run);
    }
    return capful_run_finish(run, ret, err);
}
