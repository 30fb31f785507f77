/* External programs: how they are started, what they see, what becomes of their output, how they
 * end. The programs are small scripts in a directory of the test's own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/policy.h"
#include "tool/command.h"
#include "tool_rig.h"

static char directory[64];

static void make_script(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL);
    fprintf(file, "#!/bin/sh\n%s\n", text);
    fclose(file);
    chmod(path, 0700);
}

/* One tool "t" whose program is the script; `more` are further keys of the tool. */
static void begin(struct tool_rig *rig, const char *script, const char *command, const char *more,
                  const struct capful_limits *limits)
{
    struct toolset *set = NULL;
    struct policy_file *file = NULL;
    struct policy_source source = {.name = "test", .directory = directory};
    struct capful_error err = {0, 0, 0, ""};
    struct buf text = BUF_INIT(100000);
    strcpy(directory, "/tmp/capful-test-XXXXXX");
    ASSERT(mkdtemp(directory) != NULL);
    source.directory = directory;
    make_script("tool", script);
    buf_printf(&text,
               "{\"tools\": {\"t\": {\"command\": [\"./tool\"%s], \"schema\": {\"properties\": "
               "{\"a\": {}, \"b\": {}}}%s}},"
               " \"grants\": [\"t\"]}",
               command, more);
    EQ(toolset_new(&set, NULL), 0);
    if (policy_load(buf_str(&text), &source, set, &file, &err) != 0) {
        STR_EQ(err.text, "");
        tap_stop();
    }
    EQ(policy_grant(file, &source, set, NULL), 0);
    EQ(toolset_seal(set, NULL), 0);
    policy_file_free(file);
    buf_release(&text);
    rig_begin(rig, set, limits);
}

/* No child is left, dead or alive, and no descriptor. */
static int open_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void end(struct tool_rig *rig)
{
    char command[128];
    rig_end(rig);
    /* A program that was killed may take its time to die on a busy machine: it is reaped at a later
     * occasion. */
    siginfo_t info;
    int left = 0;
    for (int i = 0; i < 500 && left == 0; i++) {
        command_reap_killed();
        left = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
        if (left == 0)
            usleep(10000);
    }
    EQ(left, -1);
    EQ(errno, ECHILD);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    EQ(system(command), 0);
}

static const char text_out[] = ", \"output\": \"text\"";

TEST(command_json_in_and_out)
{
    struct tool_rig r;
    int fds = open_fds();
    begin(&r, "cat", "", "", NULL);
    EQ(rig_call(&r, "t", "{\"a\": [1, {\"x\": \"\\u00e9\"}]}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "{\"a\":[1,{\"x\":\"é\"}]}"); /* written anew */
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_DONE);
    end(&r);
    EQ(open_fds(), fds);
}

TEST(command_large_arguments_that_nobody_reads_at_first)
{
    struct tool_rig r;
    struct buf arguments = BUF_INIT(SIZE_MAX);
    buf_add_text(&arguments, "{\"a\":\"");
    for (int i = 0; i < 2000000; i++)
        buf_add_char(&arguments, 'x');
    buf_add_text(&arguments, "\"}");
    begin(&r, "sleep 0.05; wc -c", "", text_out, NULL);
    EQ(rig_call(&r, "t", arguments.data), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"2000008\\n\"");
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    buf_release(&arguments);
    end(&r);
    begin(&r, "exit 0", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{\"a\":\"a program that does not read\"}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"\"");
    end(&r);
}

TEST(command_arguments_in_the_list)
{
    struct tool_rig r;
    begin(&r, "for x; do printf '<%s>' \"$x\"; done",
          ", \"--a={a}\", \"{b}\", \"{{{a}}}\", \"plain\"",
          ", \"input\": \"none\", \"output\": \"text\"", NULL);
    EQ(rig_call(&r, "t", "{\"a\":\"x y;$(id)`id`'\\\"\",\"b\":\"two\\nlines\"}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"<--a=x y;$(id)`id`'\\\"><two\\nlines><{x y;$(id)`id`'\\\"}><plain>\"");
    EQ(rig_call(&r, "t", "{\"a\":12.50,\"b\":true}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"<--a=12.50><true><{12.50}><plain>\"");
    /* What may be missing is left out where it stands alone. */
    EQ(rig_call(&r, "t", "{\"a\":\"\"}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"<--a=><{}><plain>\"");
    EQ(rig_call(&r, "t", "{\"a\":\"\",\"b\":null}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"<--a=><{}><plain>\"");
    EQ(rig_call(&r, "t", "{\"a\":\"\",\"b\":\"\"}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"<--a=><><{}><plain>\"");
    EQ(rig_call(&r, "t", "{\"b\":\"x\"}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"t\",\"code\":\"schema\",\"message\":\"t: "
                   "argument a is missing, and "
                   "the command line needs it\"}");
    end(&r);
}

TEST(command_refuses_values_that_look_like_options)
{
    struct tool_rig r;
    static const struct {
        const char *arguments, *message;
    } bad[] = {
        {"{\"a\":\"-rf\"}", "t: argument a must not begin with '-'"},
        {"{\"a\":\"@file\"}", "t: argument a must not begin with '@'"},
        {"{\"a\":-5}", "t: argument a must not begin with '-'"},
        {"{\"a\":\"x\\u0000y\"}", "t: argument a holds a NUL character"},
        {"{\"a\":[1]}", "t: argument a is a list, which cannot stand in a command line"},
        {"{\"a\":{}}", "t: argument a is an object, which cannot stand in a command line"},
        {"{\"b\":\"x\\u0000\"}", "t: argument b holds a NUL character"},
    };
    begin(&r, "echo \"$*\"", ", \"{a}\", \"{b}\"",
          ", \"output\": \"text\", \"allow_leading\": [\"b\"]", NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EQ(rig_call(&r, "t", bad[i].arguments), CAPFUL_CALL_ERROR);
        STR_EQ(strstr(r.text, bad[i].message) ? bad[i].message : r.text, bad[i].message);
        EQ(tool_record(r.host, i)->outcome, CAPFUL_CALL_FAILED);
    }
    EQ(rig_call(&r, "t", "{\"a\":\"a-b@c\",\"b\":\"-n @x\"}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"a-b@c -n @x\\n\"");
    end(&r);
}

TEST(command_environment_is_clean)
{
    struct tool_rig r;
    setenv("SECRET", "x", 1);
    begin(&r, "env | grep -v -e ^CAPFUL_CALL_ID= -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sort", "",
          ", \"output\": \"text\", \"env\": {\"KEY\": \"a=b\", \"LANG\": \"de_DE.UTF-8\"}", NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"KEY=a=b\\nLANG=de_DE.UTF-8\\nPATH=/usr/local/bin:/usr/bin:/bin\\n\"");
    end(&r);
    begin(&r, "echo $CAPFUL_CALL_ID; pwd", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    char wanted[256];
    snprintf(wanted, sizeof wanted, "\"%s\\n%s\\n\"", tool_record(r.host, 0)->id, directory);
    STR_EQ(r.text, wanted);
    end(&r);
    begin(&r, "pwd", "", ", \"output\": \"text\", \"cwd\": \"/usr\"", NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"/usr\\n\"");
    end(&r);
}

TEST(command_sees_no_descriptor_and_no_signal_setting)
{
    struct tool_rig r;
    int leak = open("/dev/null", O_RDONLY); /* without close-on-exec, as hosts have them */
    sigset_t blocked;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    begin(&r, "exec ls /proc/self/fd", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"0\\n1\\n2\\n3\\n\""); /* 3 is the directory that ls reads */
    end(&r);
    begin(&r, "kill -PIPE $$; echo still here", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "was ended by signal 13") != NULL);
    end(&r);
    begin(&r, "kill -TERM $$; echo still here", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "was ended by signal 15") != NULL);
    end(&r);
    close(leak);
}

TEST(command_works_where_the_host_closed_its_own)
{
    struct tool_rig r;
    begin(&r, "cat; echo err >&2", "", "", NULL);
    int saved[3];
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
        close(i);
    }
    uint32_t status = rig_call(&r, "t", "{\"a\":1}");
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    EQ(status, CAPFUL_CALL_OK);
    STR_EQ(r.text, "{\"a\":1}");
    end(&r);
}

TEST(command_exit_status_and_stderr)
{
    struct tool_rig r;
    begin(&r, "echo out; echo first >&2; echo 'the \"reason\"' >&2; exit 3", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text,
           "{\"name\":\"ToolError\",\"tool\":\"t\",\"code\":\"exit\",\"message\":\"t failed with "
           "exit status 3: the "
           "\\\"reason\\\"\",\"data\":{\"exit\":3,\"stderr\":\"first\\nthe \\\"reason\\\"\\n\"}}");
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_FAILED);
    end(&r);
    begin(&r, "kill -9 $$", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text,
              "\"message\":\"t was ended by signal 9\",\"data\":{\"signal\":9,\"stderr\":\"\"}") !=
       NULL);
    end(&r);
}

TEST(command_long_stderr_keeps_its_end)
{
    struct tool_rig r;
    begin(&r,
          "i=0; while [ $i -lt 3000 ]; do echo \"\xc3\xa9 line $i\" >&2; i=$((i+1)); done; printf "
          "'\\377' >&2; exit 1",
          "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "line 2999\\n\xef\xbf\xbd\"") != NULL);
    OK(strstr(r.text, "line 100\\n") == NULL);
    OK(strlen(r.text) > 4000 && strlen(r.text) < 7000);
    end(&r);
}

TEST(command_output_ceiling)
{
    struct capful_limits limits;
    struct tool_rig r;
    capful_limits_init(&limits);
    limits.result = 1000;
    begin(&r, "yes", "", text_out, &limits);
    uint64_t before = clock_monotonic();
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"t\",\"code\":\"too_large\",\"message\":\"t "
                   "printed more than the limit "
                   "of 1000 bytes\"}");
    OK(clock_monotonic() - before < 5 * CAPFUL_SECOND);
    end(&r);
    begin(&r, "head -c 900 /dev/zero", "", text_out, &limits); /* six characters each as JSON */
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "\"code\":\"too_large\"") != NULL);
    end(&r);
    begin(&r, "yes >&2", "", ", \"output\": \"text\", \"time_limit\": \"0.2s\"", &limits);
    EQ(rig_call(&r, "t", "{}"),
       CAPFUL_CALL_ERROR); /* a flood on stderr neither fills memory nor blocks */
    OK(strstr(r.text, "\"code\":\"timeout\"") != NULL);
    end(&r);
}

TEST(command_bad_json)
{
    struct tool_rig r;
    begin(&r, "echo '{oops'", "", "", NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(
           r.text,
           "\"code\":\"bad_result\",\"message\":\"the result of t is not valid JSON, byte 2: ") !=
       NULL);
    end(&r);
    begin(&r, "echo", "", "", NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(
           r.text,
           "\"code\":\"bad_result\",\"message\":\"t printed nothing where JSON was expected\"") !=
       NULL);
    end(&r);
    begin(&r, "echo ' [1] '", "", "", NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    STR_EQ(r.text, " [1] \n");
    end(&r);
}

static bool alive(const char *file)
{
    char path[128];
    long pid = 0;
    snprintf(path, sizeof path, "%s/%s", directory, file);
    FILE *in = fopen(path, "r");
    if (!in || fscanf(in, "%ld", &pid) != 1)
        pid = 0;
    if (in)
        fclose(in);
    OK(pid > 1);
    /* A killed process without a parent may be a zombie for a moment. */
    for (int i = 0; i < 200; i++) {
        char state = 'X', name[64];
        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        in = fopen(path, "r");
        if (!in)
            return false;
        if (fscanf(in, "%*d %63s %c", name, &state) != 2)
            state = 'X';
        fclose(in);
        if (state == 'Z' || state == 'X')
            return false;
        usleep(5000);
    }
    return true;
}

TEST(command_time_limit_kills_the_whole_group)
{
    struct tool_rig r;
    begin(&r, "sleep 100 & echo $! > child; echo $$ > self; trap '' TERM; sleep 100; sleep 100", "",
          ", \"output\": \"text\", \"time_limit\": \"300ms\"", NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    STR_EQ(r.text, "{\"name\":\"ToolError\",\"tool\":\"t\",\"code\":\"timeout\",\"message\":\"t "
                   "did not answer within 0.3 s\"}");
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_UNKNOWN);
    OK(!alive("child"));
    OK(!alive("self"));
    end(&r);
}

TEST(command_leaves_nothing_behind)
{
    struct tool_rig r;
    begin(&r, "sleep 100 & echo $! > child; echo done", "", text_out, NULL);
    uint64_t before = clock_monotonic();
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK); /* although the child holds stdout open */
    STR_EQ(r.text, "\"done\\n\"");
    OK(clock_monotonic() - before < 5 * CAPFUL_SECOND);
    OK(!alive("child"));
    end(&r);
}

TEST(command_that_closes_its_output_early)
{
    struct tool_rig r;
    begin(&r, "echo early; exec >&- 2>&-; sleep 0.2; exit 4", "", text_out, NULL);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "exit status 4") != NULL);
    end(&r);
}

TEST(command_abandoned_with_the_run)
{
    struct tool_rig r;
    begin(&r, "echo $$ > self; exec sleep 100", "", "", NULL);
    char path[128];
    struct stat st = {.st_size = 0};
    rig_start(&r, "t", "{}");
    tool_dispatch(r.host, clock_monotonic());
    OK(tool_in_flight(r.host));
    snprintf(path, sizeof path, "%s/self", directory);
    for (int i = 0; i < 400 && (stat(path, &st) < 0 || st.st_size == 0); i++)
        usleep(5000);
    tool_end(r.host);
    EQ(tool_record(r.host, 0)->outcome, CAPFUL_CALL_UNKNOWN);
    OK(!alive("self"));
    end(&r);
}

TEST(command_many_at_once_take_turns)
{
    struct tool_rig r;
    begin(&r, "cat; sleep 0.02", "", "", NULL);
    for (int i = 0; i < 40; i++)
        rig_start(&r, "t", "{\"a\":1}");
    tool_dispatch(r.host, clock_monotonic());
    struct pollfd fds[3 * TOOL_COMMANDS + 1];
    EQ(tool_pollfds(r.host, fds, 3 * TOOL_COMMANDS), 3 * TOOL_COMMANDS);
    EQ(tool_pollfds(r.host, fds, 5), 3 * TOOL_COMMANDS);
    OK(tool_host_check(r.host) == NULL);
    int answers = 0;
    while (tool_in_flight(r.host) && rig_wait(&r)) {
        OK(tool_host_check(r.host) == NULL);
        while (rig_take(&r, NULL) == CAPFUL_CALL_OK)
            answers++;
    }
    EQ(answers, 40);
    end(&r);
}

TEST(command_run_ends_with_some_waiting)
{
    struct tool_rig r;
    begin(&r, "sleep 100", "", "", NULL);
    for (int i = 0; i < TOOL_COMMANDS + 3; i++)
        rig_start(&r, "t", "{}");
    tool_dispatch(r.host, clock_monotonic());
    tool_end(r.host);
    EQ(tool_record(r.host, TOOL_COMMANDS - 1)->outcome, CAPFUL_CALL_UNKNOWN);
    EQ(tool_record(r.host, TOOL_COMMANDS)->outcome, CAPFUL_CALL_REFUSED);
    end(&r);
}

TEST(command_that_cannot_be_started)
{
    struct tool_rig r;
    char path[128];
    begin(&r, "exit 0", ", \"{a}\"", "", NULL);
    struct buf arguments = BUF_INIT(SIZE_MAX);
    buf_add_text(&arguments, "{\"a\":\"");
    for (int i = 0; i < 300000; i++)
        buf_add_char(&arguments, 'x');
    buf_add_text(&arguments, "\"}");
    EQ(rig_call(&r, "t", arguments.data), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "cannot be started: its arguments are too long") != NULL);
    snprintf(path, sizeof path, "%s/tool", directory);
    unlink(path);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    OK(strstr(r.text, "cannot be started: no such file or directory") != NULL);
    buf_release(&arguments);
    end(&r);
}

TEST(command_leaves_other_children_alone)
{
    struct tool_rig r;
    int status = 0;
    begin(&r, "exit 0", "", text_out, NULL);
    pid_t mine = fork();
    if (mine == 0)
        _exit(42);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_OK);
    EQ(waitpid(mine, &status, 0), mine);
    EQ(WEXITSTATUS(status), 42);
    end(&r);
}

TEST(command_where_the_host_ignores_its_children)
{
    struct tool_rig r;
    begin(&r, "echo hello", "", text_out, NULL);
    signal(SIGCHLD, SIG_IGN);
    EQ(rig_call(&r, "t", "{}"), CAPFUL_CALL_ERROR);
    signal(SIGCHLD, SIG_DFL);
    OK(strstr(r.text, "its exit status is lost") != NULL);
    end(&r);
}

/* What some containers refuse: a pidfd, an unnamed file in memory. */
static void refuse_system_calls(void)
{
#define REFUSE(number)                                                                             \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        REFUSE(SYS_pidfd_open), REFUSE(SYS_memfd_create),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    ASSERT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    ASSERT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

TEST(command_where_the_system_refuses_pidfd_and_memfd)
{
    struct tool_rig r;
    struct buf arguments = BUF_INIT(SIZE_MAX);
    refuse_system_calls();
    begin(&r, "sleep 100 & echo $! > child; wc -c", "", text_out, NULL);
    buf_add_text(&arguments, "{\"a\":\"");
    for (int i = 0; i < 200000; i++)
        buf_add_char(&arguments, 'x');
    buf_add_text(&arguments, "\"}");
    EQ(rig_call(&r, "t", arguments.data), CAPFUL_CALL_OK);
    STR_EQ(r.text, "\"200008\\n\"");
    OK(!alive("child"));
    struct pollfd fds[3];
    rig_start(&r, "t", "{}");
    tool_dispatch(r.host, clock_monotonic());
    EQ(tool_pollfds(r.host, fds, 3), 2);
    OK(tool_next_deadline(r.host) < clock_monotonic() + CAPFUL_SECOND);
    while (tool_in_flight(r.host))
        ASSERT(rig_wait(&r));
    EQ(rig_take(&r, NULL), CAPFUL_CALL_OK);
    buf_release(&arguments);
    end(&r);
}

TEST(command_survives_every_failed_allocation)
{
    int failures = 0;
    for (uint64_t n = 1; n < 200; n++) {
        struct tool_rig r;
        begin(&r, "cat", ", \"{a}\"", "", NULL);
        uint32_t id;
        EQ(tool_call_start(r.host, r.process, STR("t"), STR("{\"a\":\"x\"}"), &id), 0);
        mem_fail_after(n);
        tool_dispatch(r.host, clock_monotonic());
        void *block = mem_alloc(1);
        mem_fail_after(0);
        while (tool_in_flight(r.host) && rig_wait(&r))
            ;
        failures += tool_record(r.host, 0)->outcome != CAPFUL_CALL_DONE;
        end(&r);
        mem_free(block);
        if (!block)
            break;
    }
    OK(failures > 12);
}
