/* The demonstration: a host program that runs a script nobody vouches for on real data, with tools.
 *
 *     build/demo [POLICY [SCRIPT]]
 *
 *   distance      a C function that answers at once
 *   headcount     a C function that answers later, from another thread, as a network service would
 *   notify        a C function that the policy grants for three calls; the script tries a fourth
 *   zone_changes  an external program, defined in the policy itself
 *
 * It shows what the script printed, the value it returned, each tool call with its arguments and
 * the verdict, the file that the script left in the sandbox, and the time taken. Only the public
 * header is used.
 */
#include <capful/capful.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ------------------------------------------------------------------ tools */

/* The schema was checked before, so four numbers are there, in this order or with "to" first;
 * anything else the host refuses itself rather than trusting the order of keys. */
static int read_points(const char *json, double from[2], double to[2])
{
    const char *f = strstr(json, "\"from\""), *t = strstr(json, "\"to\"");
    return f && t && sscanf(f, "\"from\" : [ %lf , %lf ]", &from[0], &from[1]) == 2 &&
           sscanf(t, "\"to\" : [ %lf , %lf ]", &to[0], &to[1]) == 2;
}

static void distance(struct capful_call *call, void *context)
{
    const double radius_km = 6371.0, rad = 3.14159265358979323846 / 180;
    double from[2], to[2];
    char text[64];
    (void)context;
    if (!read_points(capful_call_arguments(call, NULL), from, to)) {
        capful_call_fail(call, "arguments", "distance: two points of two numbers are wanted", NULL);
        return;
    }
    double a = pow(sin((to[0] - from[0]) * rad / 2), 2) +
               cos(from[0] * rad) * cos(to[0] * rad) * pow(sin((to[1] - from[1]) * rad / 2), 2);
    int n = snprintf(text, sizeof text, "{\"km\":%.1f}", 2 * radius_km * asin(sqrt(a > 1 ? 1 : a)));
    capful_call_answer(call, text, (size_t)n);
}

static void pause_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

/* What a request to some service would do: takes its time, then answers. */
static void *headcount_answer(void *argument)
{
    static const struct {
        const char *country;
        int staff;
    } staff[] = {{"BR", 41}, {"DE", 310}, {"GB", 77}, {"IN", 120},
                 {"JP", 64}, {"KE", 23},  {"NZ", 12}, {"US", 205}};
    struct capful_call *call = argument;
    const char *country = strstr(capful_call_arguments(call, NULL), ":\"");
    char text[32];
    pause_ms(30);
    for (size_t i = 0; country && i < sizeof staff / sizeof *staff; i++)
        if (strncmp(country + 2, staff[i].country, 2) == 0) {
            int n = snprintf(text, sizeof text, "{\"staff\":%d}", staff[i].staff);
            capful_call_answer(call, text, (size_t)n);
            return NULL;
        }
    capful_call_fail(call, "not_found", "headcount: there is no office in that country", NULL);
    return NULL;
}

static void headcount(struct capful_call *call, void *context)
{
    pthread_t thread;
    (void)context;
    if (pthread_create(&thread, NULL, headcount_answer, call) == 0)
        pthread_detach(thread);
    else
        capful_call_fail(call, "busy", "headcount: no thread for the request", NULL);
}

static void notify(struct capful_call *call, void *context)
{
    int *sent = context;
    ++*sent;
    capful_call_answer(call, "{\"sent\":true}", 13);
}

static const char point[] =
    "{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"minItems\":2,\"maxItems\":2}";

static int add_tools(struct capful_builder *builder, int *sent, struct capful_error *err)
{
    char points[512];
    snprintf(points, sizeof points,
             "{\"type\":\"object\",\"properties\":{\"from\":%s,\"to\":%s},\"required\":[\"from\","
             "\"to\"],"
             "\"additionalProperties\":false}",
             point, point);
    const struct capful_tool tools[] = {
        {.name = "distance",
         .description = "Great-circle distance in km of two points in degrees",
         .schema = points,
         .call = distance},
        {.name = "headcount",
         .description = "How many people work in a country",
         .schema = "{\"type\":\"object\",\"properties\":{\"country\":{\"type\":\"string\","
                   "\"pattern\":\"^[A-Z]{2}$\"}},"
                   "\"required\":[\"country\"],\"additionalProperties\":false}",
         .call = headcount},
        {.name = "notify",
         .description = "Send a notice to the office in a zone",
         .schema =
             "{\"type\":\"object\",\"properties\":{\"zone\":{\"type\":\"string\"},\"text\":{"
             "\"type\":\"string\","
             "\"maxLength\":200}},\"required\":[\"zone\",\"text\"],\"additionalProperties\":false}",
         .call = notify,
         .context = sent},
    };
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        if (capful_builder_tool(builder, &tools[i], err) != 0)
            return -1;
    return 0;
}

/* ------------------------------------------------------------------ what is shown */

/* Each line of the script's output, set in so that it is told from ours. */
static int show(void *context, const void *data, size_t len)
{
    const char *text = data;
    int *in_line = context;
    for (size_t i = 0; i < len; i++) {
        if (!*in_line)
            fputs("  | ", stdout);
        putchar(text[i]);
        *in_line = text[i] != '\n';
    }
    return 0;
}

static const char *verdict(const struct capful_record *record)
{
    switch (record->outcome) {
    case CAPFUL_CALL_DONE: return "done";
    case CAPFUL_CALL_FAILED: return "failed";
    case CAPFUL_CALL_REFUSED: return "REFUSED";
    case CAPFUL_CALL_STARTED:
    case CAPFUL_CALL_UNKNOWN: break;
    }
    return "unknown";
}

static void show_calls(const struct capful_result *result)
{
    printf("\nTool calls:\n");
    for (size_t i = 0; i < capful_result_call_count(result); i++) {
        const struct capful_record *record = capful_result_call(result, i);
        printf("  %-8s %6.1f ms  %s(%s)\n", verdict(record),
               (double)(record->end - record->start) / 1e6, record->tool, record->arguments);
        if (record->message)
            printf("  %20s %s\n", "", record->message);
    }
}

static void show_file(struct capful_sandbox *sandbox, const char *path)
{
    void *data;
    size_t len;
    struct capful_error err;
    if (capful_file_read(sandbox, path, &data, &len, &err) != 0) {
        printf("\n%s\n", err.text);
        return;
    }
    printf("\n%s in the sandbox:\n", path);
    int in_line = 0;
    show(&in_line, data, len);
    capful_free(data);
}

static void show_result(struct capful_result *result, struct capful_sandbox *sandbox, int sent)
{
    const struct capful_usage *usage = capful_result_usage(result);
    const char *value = capful_result_value(result, NULL), *message = capful_result_message(result);
    printf("\nStatus: %s%s%s\n", capful_status_name(capful_result_status(result)),
           message ? ": " : "", message ? message : "");
    printf("Value:  %s\n", value ? value : "none");
    show_calls(result);
    show_file(sandbox, "/workspace/report.md");
    printf("\nThe host sent %d notices. The run took %.1f ms, of which %.1f ms were spent waiting "
           "for tools and %.1f ms "
           "computing;\nit held %.1f MB at most.\n",
           sent, (double)usage->wall / 1e6, (double)usage->waiting / 1e6, (double)usage->cpu / 1e6,
           (double)usage->peak_memory / 1e6);
}

/* ------------------------------------------------------------------ the run */

static char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0 && (text = malloc((size_t)size + 1)) != NULL)
        *ret_len = fread(text, 1, (size_t)size, file);
    fclose(file);
    return text;
}

static int run(const char *script, struct capful_policy *policy, const int *sent,
               struct capful_error *err)
{
    struct capful_sandbox *sandbox = NULL;
    struct capful_result *result = NULL;
    struct capful_job job;
    int in_line = 0;
    capful_job_init(&job);
    char *text = read_file(script, &job.source_len);
    if (!text) {
        fprintf(stderr, "demo: %s cannot be read\n", script);
        return 1;
    }
    job.source = text;
    job.name = "report.js";
    job.on_stdout = job.on_stderr = show;
    job.context = &in_line;
    printf("Script output:\n");
    int failed = capful_sandbox_new(policy, &sandbox, err);
    if (failed == 0)
        failed = capful_run(sandbox, &job, &result, err);
    if (failed == 0) {
        show_result(result, sandbox, *sent);
        failed = capful_result_status(result) != CAPFUL_OK;
    } else {
        fprintf(stderr, "demo: %s\n", err->text);
    }
    capful_result_free(result);
    capful_sandbox_free(sandbox);
    free(text);
    return failed != 0;
}

int main(int argc, char **argv)
{
    const char *file = argc > 1 ? argv[1] : "examples/demo/policy.jsonc";
    const char *script = argc > 2 ? argv[2] : "examples/demo/report.js";
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err;
    int sent = 0, status = 1;
    if (capful_builder_new(&builder, &err) == 0 && add_tools(builder, &sent, &err) == 0 &&
        capful_builder_policy_file(builder, file, &err) == 0 &&
        capful_builder_build(builder, &policy, &err) == 0)
        status = run(script, policy, &sent, &err);
    else
        fprintf(stderr, "demo: %s\n", err.text);
    capful_policy_unref(policy);
    capful_builder_free(builder);
    return status;
}
