/* bench/idle.c - many threads that allocate once and then sleep: what does each keep resident?
 *
 * With `none` the threads only sleep.  The difference of the two runs is what a thread costs the allocator; stacks
 * and the C library's own share are in both.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { THREADS = 400, BLOCK_BYTES = 100 };

static pthread_barrier_t ready;
static pthread_barrier_t end;
static bool allocates;
static uint64_t sum_of[THREADS];

static void *
wait_idle(void *arg)
{
    size_t i = (size_t)(uintptr_t)arg;
    void *block = allocates ? bench_block(BLOCK_BYTES, i) : NULL;

    pthread_barrier_wait(&ready);
    pthread_barrier_wait(&end);
    if (block != NULL)
        sum_of[i] = bench_free(block);
    return NULL;
}

int
main(int argc, char **argv)
{
    static pthread_t thread[THREADS];
    uint64_t sum = 0;

    if (argc != 3)
        bench_usage("idle PERCENT alloc|none");

    long n = bench_scaled(argv[1], THREADS);

    if (n > THREADS)
        n = THREADS;
    allocates = strcmp(argv[2], "alloc") == 0;
    free(bench_checked(malloc(BLOCK_BYTES)));
    pthread_barrier_init(&ready, NULL, (unsigned)n + 1);
    pthread_barrier_init(&end, NULL, (unsigned)n + 1);

    long before_kib = bench_resident_kib();

    for (long i = 0; i < n; i++)
        thread[i] = bench_thread(wait_idle, (void *)(uintptr_t)i);
    pthread_barrier_wait(&ready);
    bench_report("per-thread", (double)(bench_resident_kib() - before_kib) / (double)n, "KiB");
    pthread_barrier_wait(&end);
    for (long i = 0; i < n; i++) {
        pthread_join(thread[i], NULL);
        sum += sum_of[i];
    }
    bench_checksum(sum);
    return 0;
}
