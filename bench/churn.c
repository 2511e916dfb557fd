/* bench/churn.c - threads that live shortly and leave their blocks to the thread that follows them.
 *
 * A lineage is a row of threads: each replaces random ones among the blocks it was given, starts its successor and
 * exits.  So most frees are of blocks whose allocating thread is gone, and every thread starts with an empty cache.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { LINEAGES = 4, BLOCKS = 2000, GENERATIONS = 60, OPERATIONS = 30000 };

struct lineage {
    void *block[BLOCKS];
    struct bench_random random;
    long n_generations_left;
    long n_operations;
    uint64_t sum;
};

static struct lineage lineage[LINEAGES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int n_ended;

static void *
live(void *arg)
{
    struct lineage *l = arg;

    for (long i = 0; i < l->n_operations; i++) {
        size_t j = bench_below(&l->random, BLOCKS);

        if (l->block[j] != NULL)
            l->sum += bench_free(l->block[j]);
        l->block[j] = bench_block(bench_mixed_size(&l->random), (uint64_t)i);
    }
    if (--l->n_generations_left > 0) {
        pthread_detach(bench_thread(live, l));
        return NULL;
    }
    pthread_mutex_lock(&lock);
    n_ended++;
    pthread_cond_signal(&ended);
    pthread_mutex_unlock(&lock);
    return NULL;
}

int
main(int argc, char **argv)
{
    uint64_t sum = 0;

    if (argc != 2)
        bench_usage("churn PERCENT");

    long n_generations = bench_scaled(argv[1], GENERATIONS);
    double start = bench_seconds();

    for (size_t i = 0; i < LINEAGES; i++) {
        lineage[i].random = bench_seed(i + 100);
        lineage[i].n_generations_left = n_generations;
        lineage[i].n_operations = OPERATIONS;
        pthread_detach(bench_thread(live, &lineage[i]));
    }
    pthread_mutex_lock(&lock);
    while (n_ended < LINEAGES)
        pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < LINEAGES; i++) {
        sum += lineage[i].sum;
        for (size_t j = 0; j < BLOCKS; j++)
            sum += lineage[i].block[j] != NULL ? bench_free(lineage[i].block[j]) : 0;
    }
    bench_report("churn", (bench_seconds() - start) * 1e9 / ((double)n_generations * LINEAGES * OPERATIONS), "ns");
    bench_checksum(sum);
    return 0;
}
