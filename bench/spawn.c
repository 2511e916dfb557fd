/* bench/spawn.c - starts a program many times, one after the other: what does starting cost?
 *
 *   spawn PERCENT TIMES PRELOAD PROGRAM [ARGUMENT...]
 *
 * PRELOAD is the LD_PRELOAD of the program, or "-" for the one that this program itself was started with.  Medians of
 * the time from fork to the end and of the peak resident memory are reported.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum { TIMES_MAX = 10000 };

static double time_us[TIMES_MAX];
static double peak_kib[TIMES_MAX];

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double
median(double *value, size_t n)
{
    qsort(value, n, sizeof *value, compare);
    return value[n / 2];
}

static void
start_once(char **argv, double *us, double *kib)
{
    struct rusage used;
    int status = 0;
    double start = bench_seconds();
    pid_t pid = fork();

    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
        bench_die("fork or wait");
    if (status != 0)
        bench_fail("the program that was started failed");
    *us = (bench_seconds() - start) * 1e6;
    *kib = (double)used.ru_maxrss;
}

int
main(int argc, char **argv)
{
    if (argc < 5 || bench_number(argv[2]) > TIMES_MAX)
        bench_usage("spawn PERCENT TIMES PRELOAD|- PROGRAM [ARGUMENT...]");

    size_t n = (size_t)bench_scaled(argv[1], bench_number(argv[2]));

    if (n > TIMES_MAX)
        n = TIMES_MAX;
    if (argv[3][0] == '\0')
        unsetenv("LD_PRELOAD");
    else if (strcmp(argv[3], "-") != 0)
        setenv("LD_PRELOAD", argv[3], 1);
    for (size_t i = 0; i < n; i++)
        start_once(argv + 4, &time_us[i], &peak_kib[i]);
    bench_report("start", median(time_us, n), "us");
    bench_report("start-rss", median(peak_kib, n), "KiB");
    bench_checksum(n);
    return 0;
}
