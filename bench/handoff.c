/* bench/handoff.c - one thread allocates, another frees, through a ring of batches.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <stdatomic.h>

enum { BATCHES = 64, BATCH_BLOCKS = 256 };

static void *ring[BATCHES][BATCH_BLOCKS];
/* Both only grow, and lie on lines of their own: what is measured is the allocator, not this ring. */
static _Alignas(128) _Atomic(long) n_filled;
static _Alignas(128) _Atomic(long) n_emptied;
static long n_batches;

static void *
consume(void *arg)
{
    uint64_t *sum = arg;

    for (long n = 0; n < n_batches; n++) {
        unsigned turns = 0;

        while (atomic_load_explicit(&n_filled, memory_order_acquire) == n)
            bench_pause(&turns);
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            *sum += bench_free(ring[n % BATCHES][i]);
        atomic_store_explicit(&n_emptied, n + 1, memory_order_release);
    }
    return NULL;
}

static void
produce(size_t size)
{
    struct bench_random random = bench_seed(7);

    for (long n = 0; n < n_batches; n++) {
        unsigned turns = 0;

        while (n - atomic_load_explicit(&n_emptied, memory_order_acquire) >= BATCHES)
            bench_pause(&turns);
        for (size_t i = 0; i < BATCH_BLOCKS; i++)
            ring[n % BATCHES][i] = bench_block(size != 0 ? size : bench_mixed_size(&random), (uint64_t)n + i);
        atomic_store_explicit(&n_filled, n + 1, memory_order_release);
    }
}

int
main(int argc, char **argv)
{
    uint64_t sum = 0;

    if (argc != 4)
        bench_usage("handoff PERCENT SIZE(0: mixed) BLOCKS");
    n_batches = bench_scaled(argv[1], bench_number(argv[3]) / BATCH_BLOCKS);

    double start = bench_seconds();
    pthread_t consumer = bench_thread(consume, &sum);

    produce((size_t)bench_number(argv[2]));
    pthread_join(consumer, NULL);
    bench_report("handoff", (bench_seconds() - start) * 1e9 / ((double)n_batches * BATCH_BLOCKS), "ns");
    bench_checksum(sum);
    return 0;
}
