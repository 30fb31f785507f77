/* How long constraints and decisions take, without anything around them: see bench/README.md.
 * BENCH_ROUNDS as in bench_core. */
#include <string.h>

#include "base/mem.h"
#include "policy/decide.h"

#include "table.h"

static int rounds = 15;

static void on_problem(void *context, yyjson_val *at, const char *text)
{
    (void)context, (void)at;
    fprintf(stderr, "bench_policy: %s\n", text);
    exit(1);
}

static struct json parse(const char *text)
{
    struct json json;
    struct json_problem problem;
    if (!json_parse(str_of(text), JSON_UNIQUE_KEYS, 100, &json, &problem))
        on_problem(NULL, NULL, problem.text);
    return json;
}

/* ns for each evaluation, of many in a row; all must hold. */
static void bench_where(const char *name, const char *where_text, const char *arguments_text,
                        double goal)
{
    const struct constraint_reader reader = {on_problem, NULL};
    struct samples samples = {.count = 0};
    struct json text = parse(where_text), arguments = parse(arguments_text);
    struct facts facts = {.arguments = arguments.root, .now = UINT64_C(1781524800000000000)};
    bool nomem;
    struct where *where = where_new(text.root, false, &reader, &nomem);
    if (!where)
        on_problem(NULL, NULL, "out of memory");
    for (int r = 0; r < rounds; r++) {
        enum { TIMES = 10000 };
        int held = 0;
        uint64_t start = bench_now();
        for (int i = 0; i < TIMES; i++)
            held += where_check(where, &facts, NULL) == OUTCOME_YES;
        samples_add(&samples, (double)(bench_now() - start) / TIMES);
        if (held != TIMES)
            on_problem(NULL, NULL, "a constraint does not hold");
    }
    table_row(name, &samples, "ns", goal, 0);
    where_free(where);
    json_release(&text);
    json_release(&arguments);
}

/* {"id": ["id-0", …]} */
static char *thousand_names(void)
{
    static char text[16000];
    char *at = text + sprintf(text, "{\"id\": [\"id-0\"");
    for (int i = 1; i < 1000; i++)
        at += sprintf(at, ", \"id-%d\"", i);
    strcpy(at, "]}");
    return text;
}

static void bench_load(void)
{
    const struct constraint_reader reader = {on_problem, NULL};
    struct samples samples = {.count = 0};
    struct json text = parse("{\"amount\": {\"gt\": 0, \"le\": 100}, \"currency\": [\"USD\", "
                             "\"EUR\"], \"path\": {\"starts_with\": \"/api/\"}}");
    for (int r = 0; r < rounds; r++) {
        enum { TIMES = 1000 };
        bool nomem;
        uint64_t start = bench_now();
        for (int i = 0; i < TIMES; i++)
            where_free(where_new(text.root, false, &reader, &nomem));
        samples_add(&samples, (double)(bench_now() - start) / 1e3 / TIMES);
    }
    table_row("compile three constraints, and free them", &samples, "us", 0, 0);
    json_release(&text);
}

/* ------------------------------------------------------------------ whole decisions */

static yyjson_val *nowhere(void *context, size_t grant)
{
    (void)context, (void)grant;
    return NULL;
}

enum { TOOLS_MAX = 1000 };

/* A list of `n` grants with three constraints each; `one`: all for the same tool, of which the last
 * alone lets the arguments pass. */
static char *policy_text(int n, bool one)
{
    char *text = mem_alloc((size_t)n * 200 + 10), *at = text;
    if (!text)
        on_problem(NULL, NULL, "out of memory");
    for (int i = 0; i < n; i++)
        at += sprintf(at,
                      "%c{\"tool\": \"tool-%d\", \"name\": \"grant-%d\", \"where\": {\"amount\":"
                      " {\"gt\": 0, \"le\": %d}, \"currency\": [\"USD\", \"EUR\"], \"path\":"
                      " {\"starts_with\": \"/api/\"}}}",
                      i ? ',' : '[', one ? 0 : i, i, one && i < n - 1 ? 50 : 100);
    strcpy(at, "]");
    return text;
}

static void load_policy(struct authority *authority, const char *text, int n_tools)
{
    const struct constraint_reader reader = {on_problem, NULL};
    static char names[TOOLS_MAX][20];
    struct authority_input tools[TOOLS_MAX];
    struct json json = parse(text);
    bool nomem = false;
    size_t i, n;
    yyjson_val *item;
    *authority = (struct authority){.n_grants = 0};
    yyjson_arr_foreach(json.root, i, n, item)
    {
        struct grant *grant = grant_load(item, i + 1, &authority->labels, &reader, &nomem);
        if (!grant || !authority_add(authority, grant))
            on_problem(NULL, NULL, "out of memory");
    }
    for (int t = 0; t < n_tools; t++) {
        snprintf(names[t], sizeof names[t], "tool-%d", t);
        tools[t] = (struct authority_input){str_of(names[t]), {NULL, 0}, 0, 0};
    }
    if (!authority_complete(authority, tools, (size_t)n_tools, nowhere, &reader, &nomem))
        on_problem(NULL, NULL, "the policy is not complete");
    json_release(&json);
}

static void bench_decide(const char *name, int n, bool one, const char *arguments_text, double goal)
{
    struct samples samples = {.count = 0};
    char *text = policy_text(n, one);
    struct authority authority;
    struct json_problem problem;
    struct arguments arguments;
    load_policy(&authority, text, one ? 1 : n);
    const struct ledger ledger = {.run = NULL}; /* nothing is counted */
    const struct circumstances at = {
        .authority = &authority, .ledger = &ledger, .now = UINT64_C(1781524800000000000)};
    const struct authority_tool *tool = &authority.tools[authority.n_tools - 1];
    if (arguments_read(str_of(arguments_text), 100, NULL, &arguments, &problem) != ARGUMENTS_OK)
        on_problem(NULL, NULL, problem.text);
    const int times = one && n > 1 ? 20 : 10000;
    for (int r = 0; r < rounds; r++) {
        int allowed = 0;
        uint64_t start = bench_now();
        for (int i = 0; i < times; i++) {
            struct decision d;
            decide(&at, tool, tool->grants, tool->n_grants, &arguments, &d);
            allowed += d.verdict == VERDICT_ALLOW;
            decision_release(&d);
        }
        samples_add(&samples, (double)(bench_now() - start) / 1e3 / times);
        if (allowed != times)
            on_problem(NULL, NULL, "a decision is not what it should be");
    }
    table_row(name, &samples, "us", goal, 0);
    arguments_release(&arguments);
    authority_release(&authority);
    mem_free(text);
}

static void bench_load_policy(void)
{
    struct samples samples = {.count = 0};
    char *text = policy_text(1000, false);
    for (int r = 0; r < rounds; r++) {
        struct authority authority;
        uint64_t start = bench_now();
        load_policy(&authority, text, 1000);
        samples_add(&samples, (double)(bench_now() - start) / 1e6);
        authority_release(&authority);
    }
    table_row("read 1,000 grants with three constraints each", &samples, "ms", 20, 0);
    mem_free(text);
}

int main(void)
{
    static const char arguments[] =
        "{\"amount\": 50.25, \"currency\": \"EUR\", \"path\": \"/api/refunds\", "
        "\"url\": \"https://api.example.com/v1/refunds?id=7\", \"id\": \"id-777\", "
        "\"at\": \"2026-06-15T12:00:00Z\"}";
    const char *text = getenv("BENCH_ROUNDS");
    if (text && atoi(text) > 0)
        rounds = atoi(text) < SAMPLES_MAX ? atoi(text) : SAMPLES_MAX;
    table_head();
    bench_where("evaluate three constraints: bound, member, prefix",
                "{\"amount\": {\"gt\": 0, \"le\": 100}, \"currency\": [\"USD\", \"EUR\"], "
                "\"path\": {\"starts_with\": \"/api/\"}}",
                arguments, 300);
    bench_where("a member of 1,000 strings", thousand_names(), arguments, 0);
    bench_where("a regular expression", "{\"id\": {\"matches\": \"id-[0-9]{1,6}\"}}", arguments, 0);
    bench_where("a URL", "{\"url\": {\"url\": {\"hosts\": [\"*.example.com\"]}}}", arguments, 0);
    bench_where("a time", "{\"at\": {\"before\": \"now+7d\"}}", arguments, 0);
    bench_where("the key of a value", "{\"id\": {\"not\": {\"seen_in\": {\"t\": \"/a\"}}}}",
                arguments, 0);
    bench_load();
    bench_decide("decide: three constraints", 1, false, arguments, 1);
    bench_decide("decide: one of 1,000 grants, each for its tool", 1000, false, arguments, 2);
    bench_decide("decide: the last of 1,000 grants for one tool", 1000, true, arguments, 0);
    bench_load_policy();
    return 0;
}
