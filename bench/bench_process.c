/* How long a whole process takes: started, run, waited for. The programs take turns, so that a
 * disturbance meets all.
 *
 *     bench_process CAPFUL [RUNS]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "table.h"

extern char **environ;

/* ms, or -1 */
static double run_once(char *const argv[])
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    uint64_t start = bench_now();
    int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    if (!failed)
        waitpid(pid, &status, 0);
    uint64_t end = bench_now();
    posix_spawn_file_actions_destroy(&actions);
    return failed || status != 0 ? -1 : (double)(end - start) / 1e6;
}

int main(int argc, char **argv)
{
    char *capful = argc > 1 ? argv[1] : (char *)"build/capful";
    int runs = argc > 2 ? atoi(argv[2]) : 200;
    char *empty[] = {(char *)"/bin/true", NULL};
    char *sum[] = {capful, (char *)"run", (char *)"-e", (char *)"1+1", NULL};
    char *version[] = {capful, (char *)"--version", NULL};
    char *node[] = {(char *)"node", (char *)"-e", (char *)"1+1", NULL};
    static struct samples s_empty, s_sum, s_above, s_version, s_node;
    if (runs < 1 || runs > SAMPLES_MAX)
        runs = 200;
    for (int i = 0; i < 5; i++)
        if (run_once(sum) < 0 || run_once(empty) < 0) {
            fprintf(stderr, "bench_process: %s run -e 1+1 fails\n", capful);
            return 1;
        }
    int with_node = run_once(node) >= 0;
    for (int i = 0; i < runs; i++) {
        double a = run_once(empty), b = run_once(sum);
        samples_add(&s_empty, a);
        samples_add(&s_sum, b);
        samples_add(&s_above, b - a);
        samples_add(&s_version, run_once(version));
        if (with_node && i < 20)
            samples_add(&s_node, run_once(node));
    }
    table_row("/bin/true, whole process", &s_empty, "ms", 0, 0);
    table_row("capful --version, whole process", &s_version, "ms", 0, 0);
    table_row("capful run -e '1+1', whole process", &s_sum, "ms", 2, 0);
    table_row("above /bin/true", &s_above, "ms", 1.5, 0);
    if (with_node)
        table_row("node -e '1+1', whole process", &s_node, "ms", 0, 0);
    return 0;
}
