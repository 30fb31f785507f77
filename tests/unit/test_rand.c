/* Random bytes: never the same twice, in no process that was forked, for short and long requests.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rand.h"
#include "tap.h"

TEST(rand_gives_what_is_asked_for)
{
    unsigned char bytes[9000], zero[64] = {0};
    for (size_t len = 0; len <= 200; len++) {
        memset(bytes, 0, sizeof bytes);
        OK(rand_bytes(bytes + 1, len));
        EQ(bytes[0], 0);
        EQ(bytes[len + 1], 0);
        if (len >= 16)
            OK(memcmp(bytes + 1 + len - 16, zero, 16) != 0);
    }
    OK(rand_bytes(bytes, sizeof bytes));
    OK(memcmp(bytes + sizeof bytes - 64, zero, 64) != 0);
}

TEST(rand_never_repeats)
{
    static uint64_t seen[2000];
    size_t twice = 0;
    for (size_t i = 0; i < 2000; i++) {
        OK(rand_bytes(&seen[i], sizeof seen[i]));
        for (size_t k = 0; k < i; k++)
            twice += seen[k] == seen[i];
    }
    EQ(twice, 0);
}

/* What was asked of the host before the fork is not handed out in both processes. */
TEST(rand_differs_after_a_fork)
{
    unsigned char ours[32], theirs[32];
    int ends[2];
    OK(rand_bytes(ours, sizeof ours));
    EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = rand_bytes(theirs, sizeof theirs) &&
                  write(ends[1], theirs, sizeof theirs) == (ssize_t)sizeof theirs;
        _exit(ok ? 0 : 1);
    }
    int status = 1;
    EQ(waitpid(child, &status, 0), child);
    EQ(status, 0);
    EQ(read(ends[0], theirs, sizeof theirs), (ssize_t)sizeof theirs);
    OK(rand_bytes(ours, sizeof ours));
    OK(memcmp(ours, theirs, sizeof ours) != 0);
    close(ends[0]);
    close(ends[1]);
}
