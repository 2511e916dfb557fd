/* bench/replace.c - threads that each keep a number of blocks of mixed sizes and replace random ones.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { THREADS_MAX = 64 };

struct worker {
    size_t n_live;
    long n_operations;
    uint64_t seed;
    uint64_t sum;
};

static void *
work(void *arg)
{
    struct worker *w = arg;
    struct bench_random random = bench_seed(w->seed);
    size_t bytes = w->n_live * sizeof(void *);
    void **slot = bench_map(bytes);
    uint64_t sum = 0;

    for (size_t i = 0; i < w->n_live; i++)
        slot[i] = bench_block(bench_mixed_size(&random), i);
    for (long i = 0; i < w->n_operations; i++) {
        size_t j = bench_below(&random, w->n_live);

        sum += bench_free(slot[j]);
        slot[j] = bench_block(bench_mixed_size(&random), (uint64_t)i);
    }
    for (size_t i = 0; i < w->n_live; i++)
        sum += bench_free(slot[i]);
    munmap(slot, bytes);
    w->sum = sum;
    return NULL;
}

int
main(int argc, char **argv)
{
    static struct worker worker[THREADS_MAX];
    pthread_t thread[THREADS_MAX];
    uint64_t sum = 0;

    if (argc != 5 || bench_number(argv[4]) < 1 || bench_number(argv[4]) > THREADS_MAX)
        bench_usage("replace PERCENT LIVE OPERATIONS THREADS");

    size_t n_threads = (size_t)bench_number(argv[4]);
    long n_operations = bench_scaled(argv[1], bench_number(argv[3]));
    double start = bench_seconds();

    for (size_t i = 0; i < n_threads; i++)
        worker[i] = (struct worker){ (size_t)bench_number(argv[2]), n_operations, i + 1, 0 };
    for (size_t i = 1; i < n_threads; i++)
        thread[i] = bench_thread(work, &worker[i]);
    /* With one thread the program must be single-threaded: some allocators take another path then. */
    work(&worker[0]);
    for (size_t i = 1; i < n_threads; i++)
        pthread_join(thread[i], NULL);
    for (size_t i = 0; i < n_threads; i++)
        sum += worker[i].sum;
    bench_report("replace", (bench_seconds() - start) * 1e9 / ((double)n_operations * (double)n_threads), "ns");
    bench_checksum(sum);
    return 0;
}
