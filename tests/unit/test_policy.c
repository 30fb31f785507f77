/* Policies: every way in which a text can be wrong (policy_errors.txt), and what right ones become.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "config/policy.h"
#include "tap.h"
#include "tool/command.h"

#ifndef TEST_DATA
#define TEST_DATA "tests/unit"
#endif

/* ------------------------------------------------------------------ the file of errors */

struct problems {
    struct buf lines;
};

static void note(void *context, const struct policy_problem *problem)
{
    struct problems *problems = context;
    buf_printf(&problems->lines, "%d:%d: %s\n", problem->line, problem->column, problem->text);
}

/* Lines are equal, or the wanted one ends in "*" and the other begins like it. */
static bool lines_match(const char *wanted, const char *got)
{
    while (*wanted) {
        size_t w = strcspn(wanted, "\n"), g = strcspn(got, "\n");
        bool open = w > 0 && wanted[w - 1] == '*';
        if (open ? g < w - 1 || strncmp(wanted, got, w - 1) != 0
                 : w != g || strncmp(wanted, got, w) != 0)
            return false;
        wanted += w + (wanted[w] == '\n');
        got += g + (got[g] == '\n');
    }
    return *got == 0;
}

static void check_case(struct str text, const char *wanted)
{
    struct problems problems = {BUF_INIT(SIZE_MAX)};
    struct policy_source source = {
        .name = "case", .directory = "/", .report = note, .context = &problems};
    struct capful_error err = {0, 0, 0, ""};
    int result = policy_check(text, &source, &err);
    bool good = strcmp(wanted, "ok\n") == 0;
    const char *got = problems.lines.data ? problems.lines.data : "";
    EQ(result, good ? 0 : CAPFUL_EPOLICY);
    STR_EQ(good || lines_match(wanted, got) ? wanted : got, wanted);
    if (!good && result) {
        /* The error is the first problem. */
        char first[700];
        snprintf(first, sizeof first, "case:%.*s", (int)strcspn(got, "\n"), got);
        STR_EQ(err.text, first);
        OK(err.line > 0 && err.column > 0);
    }
    buf_release(&problems.lines);
}

static char *read_all(const char *path)
{
    struct buf text = BUF_INIT(SIZE_MAX);
    FILE *file = fopen(path, "r");
    ASSERT(file != NULL);
    for (int c; (c = getc(file)) != EOF;)
        buf_add_char(&text, (char)c);
    fclose(file);
    return buf_steal(&text);
}

TEST(policy_every_error_of_the_file)
{
    char *all = read_all(TEST_DATA "/policy_errors.txt");
    int cases = 0;
    for (char *at = strstr(all, "\n----\n"); at;) {
        char *text = at + 6, *middle = strstr(text, "\n>>>>\n");
        ASSERT(middle != NULL);
        char *next = strstr(middle, "\n----\n");
        char *wanted =
            mem_dup(middle + 6, next ? (size_t)(next + 1 - middle - 6) : strlen(middle + 6));
        check_case((struct str){text, (size_t)(middle + 1 - text)}, wanted);
        mem_free(wanted);
        cases++;
        at = next;
    }
    OK(cases >= 18);
    mem_free(all);
}

/* ------------------------------------------------------------------ what a text becomes */

static int load(const char *text, struct toolset **ret_set, struct policy_file **ret,
                struct capful_error *err)
{
    struct policy_source source = {.directory = "/usr"};
    EQ(toolset_new(ret_set, NULL), 0);
    return policy_load(str_of(text), &source, *ret_set, ret, err);
}

TEST(policy_tool_has_all_its_parts)
{
    struct toolset *set;
    struct policy_file *file = NULL;
    struct capful_error err = {0, 0, 0, ""};
    const char *text = "{\"tools\": {\"count\": {\"description\": \"Counts\", \"schema\": "
                       "{\"properties\": {\"f\": {\"maximum\": "
                       "1.10}}}, \"command\": [\"wc\", \"-{f}x\", \"{{f}}\", \"\"], \"input\": "
                       "\"none\", \"output\": \"text\","
                       "\"env\": {\"A\": \"1\", \"B\": \"2\"}, \"cwd\": \"bin\", \"time_limit\": "
                       "\"2s\", \"allow_leading\": [\"f\"]}}}";
    EQ(load(text, &set, &file, &err), 0);
    STR_EQ(err.text, "");
    ASSERT(toolset_count(set) == 1);
    const struct tool *tool = toolset_at(set, 0);
    const struct command_spec *spec = tool->command;
    STR_EQ(tool->description, "Counts");
    STR_EQ(tool->schema_text, "{\"properties\":{\"f\":{\"maximum\":1.10}}}");
    EQ(tool->kind, TOOL_COMMAND);
    EQ(tool->time_limit, 2 * CAPFUL_SECOND);
    OK(!tool_granted(tool));
    STR_EQ(spec->program, "/usr/bin/wc");
    STR_EQ(spec->cwd, "/usr/bin");
    EQ(spec->n_argv, 4);
    EQ(spec->argv[1].n, 3);
    STR_EQ(spec->argv[1].parts[0].text, "-");
    STR_EQ(spec->argv[1].parts[1].text, "f");
    OK(spec->argv[1].parts[1].placeholder && spec->argv[1].parts[1].allow_leading);
    STR_EQ(spec->argv[1].parts[2].text, "x");
    EQ(spec->argv[2].n, 1);
    STR_EQ(spec->argv[2].parts[0].text, "{f}");
    OK(!spec->argv[2].parts[0].placeholder);
    STR_EQ(spec->argv[3].parts[0].text, "");
    EQ(spec->n_env, 2);
    STR_EQ(spec->env[1], "B=2");
    EQ(spec->input, COMMAND_INPUT_NONE);
    EQ(spec->output, COMMAND_OUTPUT_TEXT);
    policy_file_free(file);
    toolset_unref(set);
}

TEST(policy_failure_leaves_the_set_as_it_was)
{
    struct toolset *set;
    struct policy_file *file = NULL;
    struct capful_error err;
    EQ(load("{\"tools\": {\"a\": {\"command\": [\"ls\"]}, \"b\": {}}}", &set, &file, &err),
       CAPFUL_EPOLICY);
    EQ(toolset_count(set), 0);
    OK(toolset_find(set, STR("a")) == NULL);
    OK(file == NULL);
    STR_EQ(err.text, "policy:1:38: the tool \"b\" needs \"command\"");
    EQ(err.line, 1);
    EQ(err.column, 38);
    toolset_unref(set);
}

TEST(policy_without_directory)
{
    struct policy_source source = {.directory = "/nowhere/at/all"};
    struct capful_error err;
    struct policy_file *file = NULL;
    struct toolset *set;
    EQ(toolset_new(&set, NULL), 0);
    EQ(policy_load(STR("{}"), &source, set, &file, &err), CAPFUL_EPOLICY);
    OK(strstr(err.text, "/nowhere/at/all") != NULL);
    toolset_unref(set);
}

/* ------------------------------------------------------------------ the builder */

static void nothing(struct capful_call *call, void *context)
{
    (void)context;
    capful_call_answer(call, "null", 4);
}

static int released;

static void release(void *context)
{
    (void)context;
    released++;
}

static struct capful_builder *builder_with(const char *policy, struct capful_error *err)
{
    static const char *const names[] = {"refund", "get_order"};
    struct capful_builder *builder = NULL;
    EQ(capful_builder_new(&builder, err), 0);
    for (int i = 0; i < 2; i++) {
        struct capful_tool tool = {.name = names[i], .call = nothing, .release = release};
        EQ(capful_builder_tool(builder, &tool, err), 0);
    }
    if (policy)
        EQ(capful_builder_policy(builder, policy, strlen(policy), "p.json", "/", err), 0);
    return builder;
}

TEST(builder_without_a_text_grants_all)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_builder *builder = builder_with(NULL, &err);
    released = 0;
    EQ(capful_builder_build(builder, &policy, &err), 0);
    EQ(capful_builder_build(builder, &policy, &err), CAPFUL_ESTATE);
    struct capful_tool late = {.name = "late", .call = nothing};
    EQ(capful_builder_tool(builder, &late, &err), CAPFUL_ESTATE);
    capful_builder_free(builder);
    EQ(toolset_count(policy->tools), 2);
    OK(tool_granted(toolset_at(policy->tools, 0)) && tool_granted(toolset_at(policy->tools, 1)));
    EQ(policy->limits.calls, 1000);
    EQ(policy->limits.wall, 30 * CAPFUL_SECOND);
    OK(policy->limits.deadline == CAPFUL_UNLIMITED);
    OK(capful_policy_ref(policy) == policy);
    capful_policy_unref(policy);
    EQ(released, 0);
    capful_policy_unref(policy);
    EQ(released, 2);
    capful_policy_unref(NULL);
    capful_builder_free(NULL);
}

TEST(builder_with_a_text_only_the_text_grants)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_builder *builder =
        builder_with("{\"grants\": [{\"tool\": \"refund\", \"max_calls\": 2}],"
                     "\"tools\": {\"own\": {\"command\": [\"true\"]}}, \"limits\": {\"calls\": 7}}",
                     &err);
    EQ(capful_builder_build(builder, &policy, &err), 0);
    EQ(toolset_count(policy->tools), 2);
    OK(toolset_find(policy->tools, STR("get_order")) == NULL);
    EQ(toolset_find(policy->tools, STR("refund"))->authority->grants[0]->calls[0].n, 2);
    OK(!tool_granted(toolset_find(policy->tools, STR("own"))));
    EQ(policy->limits.calls, 7);
    capful_builder_free(builder);
    capful_policy_unref(policy);
}

TEST(builder_misspelt_grant_stops_the_building)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_builder *builder = builder_with("{\"grants\":\n [\"get_ordr\"]}", &err);
    EQ(capful_builder_build(builder, &policy, &err), CAPFUL_EPOLICY);
    STR_EQ(err.text, "p.json:2:3: there is no tool \"get_ordr\"; did you mean \"get_order\"?");
    EQ(err.line, 2);
    EQ(err.column, 3);
    OK(policy == NULL);
    capful_builder_free(builder);
}

TEST(builder_order_does_not_matter)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_builder *builder = NULL;
    const char *text = "{\"grants\": [\"late\"]}";
    struct capful_tool late = {.name = "late", .call = nothing};
    EQ(capful_builder_new(&builder, &err), 0);
    EQ(capful_builder_policy(builder, text, strlen(text), NULL, NULL, &err), 0);
    EQ(capful_builder_policy(builder, text, strlen(text), NULL, NULL, &err), CAPFUL_ESTATE);
    EQ(capful_builder_tool(builder, &late, &err), 0);
    EQ(capful_builder_build(builder, &policy, &err), 0);
    OK(tool_granted(toolset_find(policy->tools, STR("late"))));
    capful_builder_free(builder);
    capful_policy_unref(policy);
}

TEST(builder_limits_given_in_c_win)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_limits limits;
    struct capful_builder *builder =
        builder_with("{\"limits\": {\"calls\": 7, \"wall\": \"9s\"}}", &err);
    capful_builder_get_limits(builder, &limits);
    EQ(limits.calls, 7);
    limits.calls = 5;
    capful_builder_set_limits(builder, &limits);
    EQ(capful_builder_build(builder, &policy, &err), 0);
    EQ(policy->limits.calls, 5);
    EQ(policy->limits.wall, 9 * CAPFUL_SECOND);
    capful_builder_free(builder);
    capful_policy_unref(policy);
}

TEST(builder_environment)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_builder *builder =
        builder_with("{\"env\": {\"A\": \"file\", \"B\": \"file\"}}", &err);
    EQ(capful_builder_env(builder, "A", "first", &err), 0);
    EQ(capful_builder_env(builder, "A", "c", &err), 0);
    EQ(capful_builder_env(builder, "", "x", &err), CAPFUL_EINVAL);
    EQ(capful_builder_env(builder, "A=B", "x", &err), CAPFUL_EINVAL);
    EQ(capful_builder_env(builder, "A", NULL, &err), CAPFUL_EINVAL);
    EQ(capful_builder_build(builder, &policy, &err), 0);
    EQ(policy->n_env, 2);
    STR_EQ(policy->env[0].name, "A");
    STR_EQ(policy->env[0].value, "c");
    STR_EQ(policy->env[1].name, "B");
    STR_EQ(policy->env[1].value, "file");
    capful_builder_free(builder);
    capful_policy_unref(policy);
}

static int no_list(void *context, const char *path, struct capful_list *list)
{
    (void)context, (void)path, (void)list;
    return 0;
}

static int no_stat(void *context, const char *path, struct capful_stat *ret)
{
    (void)context, (void)path, (void)ret;
    return 0;
}

static int no_read(void *context, const char *path, uint64_t offset, void *buffer, size_t size,
                   size_t *ret_len)
{
    (void)context, (void)path, (void)offset, (void)buffer, (void)size;
    *ret_len = 0;
    return 0;
}

TEST(builder_mounts)
{
    struct capful_error err = {0, 0, 0, ""};
    struct capful_policy *policy = NULL;
    struct capful_builder *builder =
        builder_with("{\"mounts\": [{\"host\": \"usr\", \"guest\": \"/data/\"}]}", &err);
    struct capful_mount_ops ops = {
        .list = no_list, .stat = no_stat, .read = no_read, .release = release};
    struct capful_mount_ops lame = {.list = no_list, .release = release};
    released = 0;
    EQ(capful_builder_mount(builder, "/tmp", "/work/./space", CAPFUL_MOUNT_RW, &err), 0);
    EQ(capful_builder_mount(builder, "/tmp", "/work/space", CAPFUL_MOUNT_RW, &err), CAPFUL_EINVAL);
    STR_EQ(err.text, "/work/space is mounted twice");
    EQ(capful_builder_mount(builder, "/tmp", "nix", CAPFUL_MOUNT_RO, &err), CAPFUL_EINVAL);
    EQ(capful_builder_mount(builder, "/tmp", "/x", (enum capful_mount_mode)9, &err), CAPFUL_EINVAL);
    EQ(capful_builder_mount(builder, NULL, "/x", CAPFUL_MOUNT_RO, &err), CAPFUL_EINVAL);
    EQ(capful_builder_mount(builder, "/etc/passwd", "/x", CAPFUL_MOUNT_RO, &err), CAPFUL_EFILE);
    EQ(capful_builder_serve(builder, "/db", &ops, NULL, &err), 0);
    EQ(capful_builder_serve(builder, "/db", &ops, NULL, &err), CAPFUL_EINVAL);
    EQ(capful_builder_serve(builder, "/db2", &lame, NULL, &err), CAPFUL_EINVAL);
    EQ(released, 0);
    EQ(capful_builder_build(builder, &policy, &err), 0);
    EQ(policy->n_mounts, 3);
    STR_EQ(policy->mounts[0].guest_path, "/work/space");
    EQ(policy->mounts[0].mode, CAPFUL_MOUNT_RW);
    struct stat st;
    OK(fstat(policy->mounts[0].root_fd, &st) == 0 && S_ISDIR(st.st_mode));
    OK(fcntl(policy->mounts[0].root_fd, F_GETFD) & FD_CLOEXEC);
    EQ(policy->mounts[1].root_fd, -1);
    EQ(policy->mounts[1].mode, CAPFUL_MOUNT_RO);
    STR_EQ(policy->mounts[2].guest_path, "/data");
    STR_EQ(policy->mounts[2].host_path, "//usr");
    int fd = policy->mounts[2].root_fd;
    capful_builder_free(builder);
    capful_policy_unref(policy);
    EQ(released, 3);
    EQ(fcntl(fd, F_GETFD), -1);
}

TEST(builder_policy_file)
{
    struct capful_error err = {0, 0, 0, ""};
    char directory[] = "/tmp/capful-test-XXXXXX", path[64], tool[64];
    ASSERT(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/policy.json", directory);
    snprintf(tool, sizeof tool, "%s/tool", directory);
    FILE *file = fopen(tool, "w");
    fputs("#!/bin/sh\n", file);
    fclose(file);
    chmod(tool, 0700);
    file = fopen(path, "w");
    fputs("\xef\xbb\xbf// beside its tool\n{\"tools\": {\"t\": {\"command\": [\"./tool\"]}}, "
          "\"grants\": [\"t\"]}",
          file);
    fclose(file);
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    EQ(capful_builder_new(&builder, &err), 0);
    EQ(capful_builder_policy_file(builder, "/nowhere/policy.json", &err), CAPFUL_EFILE);
    STR_EQ(err.text, "/nowhere/policy.json: cannot be read: there is no such file");
    EQ(capful_builder_policy_file(builder, directory, &err), CAPFUL_EFILE);
    EQ(capful_builder_policy_file(builder, path, &err), 0);
    STR_EQ(err.code == CAPFUL_EFILE ? "" : err.text, "");
    EQ(capful_builder_build(builder, &policy, &err), 0);
    STR_EQ(toolset_at(policy->tools, 0)->command->program + strlen(directory), "/./tool");
    capful_builder_free(builder);
    capful_policy_unref(policy);
    unlink(tool);
    unlink(path);
    rmdir(directory);
}

static void sweep(void)
{
    static const char text[] =
        "{\"tools\": {\"count\": {\"schema\": {\"properties\": {\"f\": {}}}, \"command\": [\"wc\", "
        "\"-{f}x\"],"
        "\"env\": {\"A\": \"1\"}, \"cwd\": \"bin\", \"allow_leading\": [\"f\"]}}, \"env\": {\"X\": "
        "\"1\"},"
        "\"grants\": [\"count\", \"c\"], \"mounts\": [{\"host\": \"/usr\", \"guest\": \"/u\"}]}";
    struct capful_builder *builder = NULL;
    struct capful_policy *policy = NULL;
    struct capful_error err = {0, 0, 0, ""};
    struct capful_tool tool = {.name = "c", .call = nothing};
    int failed = capful_builder_new(&builder, &err);
    if (!failed)
        failed = capful_builder_tool(builder, &tool, &err);
    if (!failed)
        failed = capful_builder_policy(builder, text, sizeof text - 1, "p", "/usr", &err);
    if (!failed)
        failed = capful_builder_env(builder, "Y", "1", &err);
    if (!failed)
        failed = capful_builder_build(builder, &policy, &err);
    if (failed && failed != CAPFUL_ENOMEM)
        STR_EQ(err.text, "out of memory");
    if (!failed)
        EQ(toolset_count(policy->tools), 2);
    capful_builder_free(builder);
    capful_policy_unref(policy);
}

TEST(builder_survives_every_failed_allocation)
{
    FAULT_SWEEP(sweep());
}
