/* Patterns: what matches, that nothing gets out of the anchors, and that sizes are bounded. */
#include <pthread.h>
#include <time.h>

#include "base/regex.h"
#include "tap.h"

enum { WHOLE = 1, PART = 0 };

static int matches_len(const char *pattern, int anchored, const char *text, size_t len)
{
    void *regex = NULL;
    char why[200] = "";
    if (rt_regex_new(pattern, strlen(pattern), anchored, &regex, why, sizeof why) < 0) {
        STR_EQ(why, "a pattern that compiles");
        return -2;
    }
    int found = rt_regex_matches(regex, text, len);
    rt_regex_free(regex);
    return found;
}

static int matches(const char *pattern, int anchored, const char *text)
{
    return matches_len(pattern, anchored, text, strlen(text));
}

static bool refused(const char *pattern, size_t len, const char *wanted)
{
    void *regex = NULL;
    char why[200] = "";
    bool ok = rt_regex_new(pattern, len, WHOLE, &regex, why, sizeof why) == 0;
    if (ok)
        rt_regex_free(regex);
    else
        STR_EQ(why, wanted);
    OK(ok || !regex);
    return !ok;
}

TEST(regex_whole_and_part)
{
    EQ(matches("b+", PART, "abbc"), 1);
    EQ(matches("b+", WHOLE, "abbc"), 0);
    EQ(matches("b+", WHOLE, "bb"), 1);
    EQ(matches("b+?", WHOLE, "bb"), 1); /* lazy, but all of it */
    EQ(matches("", WHOLE, ""), 1);
    EQ(matches("", WHOLE, "a"), 0);
    EQ(matches("", PART, "a"), 1);
    EQ(matches("a|ab", WHOLE, "ab"), 1);
    EQ(matches(".*", WHOLE, "a\nb"), 0);
    EQ(matches("(?s).*", WHOLE, "a\nb"), 1);
    EQ(matches("a$", WHOLE, "a\n"), 0);
    EQ(matches_len("a", WHOLE, "a\0b", 3), 0);
    EQ(matches_len("a\\x00b", WHOLE, "a\0b", 3), 1);
}

TEST(regex_nothing_gets_out_of_the_anchors)
{
    EQ(matches("a|b", WHOLE, "ax"), 0);
    EQ(matches("a|b", WHOLE, "xb"), 0);
    EQ(matches("a|", WHOLE, "x"), 0);
    EQ(matches("(?x) a #comment", WHOLE, "a"), 1);
    EQ(matches("(?x) a #comment", WHOLE, "ax"), 0);
    EQ(matches("(?m)^a$", WHOLE, "a\nb"), 0);
    EQ(matches("(?m)^a$", PART, "b\na"), 1);
    EQ(matches("(?i)a", WHOLE, "A"), 1);
    EQ(matches("(?R)a$", WHOLE, "a\r\n"), 0);
    EQ(matches("(?U)a*", WHOLE, "aab"), 0);
    OK(refused("a)|(?:b", 7, "at character 2: unopened group"));
    OK(refused("a\\", 2,
               "at character 2: incomplete escape sequence, reached end of pattern prematurely"));
}

TEST(regex_classes_are_ascii)
{
    EQ(matches("\\d+", WHOLE, "2026"), 1);
    EQ(matches("\\d+", WHOLE, "\u0662\u0660"), 0); /* digits of Arabic */
    EQ(matches("\\D+", WHOLE, "\u0662\u0660"), 1);
    EQ(matches("[\\d-]+", WHOLE, "1-2"), 1);
    EQ(matches("[\\d-]+", WHOLE, "1-\u0662"), 0);
    EQ(matches("[^\\d]", WHOLE, "\u0662"), 1);
    EQ(matches("[\\w&&[^\\d]]", WHOLE, "1"), 0);
    EQ(matches("[\\w&&[^\\d]]", WHOLE, "a"), 1);
    EQ(matches("(x|(\\w{2}))*", WHOLE, "ab"), 1);
    EQ(matches("(x|(\\w{2}))*", WHOLE, "a\u00e9"), 0);
    EQ(matches("a\\sb", WHOLE, "a\u00a0b"), 0);
    EQ(matches("\\ba\\b", PART, "\u00e9a\u00e9"), 1); /* no letters of ASCII beside it */
    EQ(matches("\\Ba", PART, "\u00e9a"), 0);
    EQ(matches("\\pL+", WHOLE, "\u00e9a"), 1);
    EQ(matches("(?i)\u00e9", WHOLE, "\u00c9"), 1);
    EQ(matches(".", WHOLE, "\u00e9"), 1); /* a character, not a byte */
}

TEST(regex_wrong_ones_are_refused)
{
    static char many[4098];
    OK(refused("(", 1, "at character 1: unclosed group"));
    OK(refused("\u00e9[b-a]", 7,
               "at character 3: invalid character class range, the start must be <= the end"));
    OK(refused(
        "a(?=b)", 6,
        "at character 2: look-around, including look-ahead and look-behind, is not supported"));
    OK(refused("(a)\\1", 5, "at character 4: backreferences are not supported"));
    OK(refused("\\p{Nope}", 8, "at character 1: Unicode property not found"));
    OK(refused("(?-u:\\xff)", 10, "at character 6: pattern can match invalid UTF-8"));
    OK(refused("\xff", 1, "the pattern is not UTF-8"));
    OK(refused("((a{1000}){1000}){1000}", 23, "the pattern would take more than 256 KiB"));
    OK(refused("\\pL{1000}", 9, "the pattern would take more than 256 KiB"));
    memset(many, 'a', sizeof many);
    OK(refused(many, 4097, "the pattern is longer than 4096 bytes"));
    OK(!refused(many, 4096, ""));
    for (int i = 0; i < 2000; i++) {
        many[i] = '(';
        many[2000 + i] = ')';
    }
    OK(refused(many, 4000,
               "at character 51: exceed the maximum number of nested parentheses/brackets (50)"));
    OK(refused(NULL, 0, "no pattern"));
    EQ(rt_regex_new("a", 1, WHOLE, NULL, NULL, 0), -1);
    EQ(rt_regex_new("(", 1, WHOLE, &(void *){NULL}, NULL, 0), -1);
}

TEST(regex_cannot_be_answered)
{
    void *regex = NULL;
    ASSERT(rt_regex_new("(?s).*", 6, WHOLE, &regex, NULL, 0) == 0);
    EQ(rt_regex_matches(regex, "\xff", 1), -1);
    EQ(rt_regex_matches(regex, NULL, 0), -1);
    EQ(rt_regex_matches(NULL, "", 0), -1);
    rt_regex_free(regex);
    rt_regex_free(NULL);
}

static double seconds_since(struct timespec start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
}

/* The states that this pattern can be in are as many as there are texts of its length, so that no
 * table of them helps; and the usual trap for those that go back and try again. */
TEST(regex_time_is_bounded)
{
    static char text[1 << 20];
    struct timespec start;
    unsigned seed = 1;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (size_t i = 0; i < sizeof text; i++) {
        seed = seed * 1103515245 + 12345;
        text[i] = seed >> 16 & 1 ? 'a' : 'b';
    }
    EQ(matches_len("[ab]*a[ab]{2000}c", WHOLE, text, sizeof text), -1);
    EQ(matches_len("[ab]*a[ab]{2000}c", WHOLE, text, 8192), 0);
    EQ(matches_len("[ab]*a[ab]{20}c", WHOLE, text, sizeof text), 0);
    memset(text, 'a', sizeof text);
    EQ(matches_len("(a*)*b", WHOLE, text, sizeof text), 0);
    EQ(matches_len("(a|a)*", WHOLE, text, sizeof text), 1);
    OK(seconds_since(start) < 15);
}

static void *match_often(void *regex)
{
    intptr_t wrong = 0;
    for (int i = 0; i < 2000; i++) {
        wrong += rt_regex_matches(regex, "ab-12", 5) != 1;
        wrong += rt_regex_matches(regex, "ab-1x", 5) != 0;
    }
    return (void *)wrong;
}

TEST(regex_by_many_threads)
{
    pthread_t threads[4];
    void *regex = NULL;
    ASSERT(rt_regex_new("[a-z]+-\\d+", 10, WHOLE, &regex, NULL, 0) == 0);
    for (int i = 0; i < 4; i++)
        EQ(pthread_create(&threads[i], NULL, match_often, regex), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        EQ((intptr_t)wrong, 0);
    }
    rt_regex_free(regex);
}
