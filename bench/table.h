/* Samples and the table that benchmarks print: minimum, median, maximum, and what is to be reached.
 */
#ifndef CAPFUL_BENCH_TABLE_H
#define CAPFUL_BENCH_TABLE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES_MAX = 1000 };

struct samples {
    double list[SAMPLES_MAX];
    int count;
};

static inline uint64_t bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline void samples_add(struct samples *samples, double value)
{
    if (samples->count < SAMPLES_MAX)
        samples->list[samples->count++] = value;
}

static inline int samples_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static inline double samples_median(struct samples *samples)
{
    int n = samples->count;
    if (n == 0)
        return 0;
    qsort(samples->list, (size_t)n, sizeof samples->list[0], samples_compare);
    return n % 2 ? samples->list[n / 2] : (samples->list[n / 2 - 1] + samples->list[n / 2]) / 2;
}

static inline void table_head(void)
{
    printf("%-52s %10s %10s %10s  %-6s %s\n", "", "min", "median", "max", "", "to reach");
}

/* `goal` 0: none. A figure is reached when its median is at most the goal, or at least, if `more`
 * is better. */
static inline void table_row(const char *name, struct samples *samples, const char *unit,
                             double goal, int more)
{
    double median = samples_median(samples);
    if (samples->count == 0) {
        printf("%-52s %10s\n", name, "not measured");
        return;
    }
    printf("%-52s %10.4g %10.4g %10.4g  %-6s", name, samples->list[0], median,
           samples->list[samples->count - 1], unit);
    if (goal > 0)
        printf(" %s %g%s", more ? ">=" : "<=", goal,
               (more ? median >= goal : median <= goal) ? "" : "   NOT REACHED");
    printf("\n");
    fflush(stdout);
}

#endif
