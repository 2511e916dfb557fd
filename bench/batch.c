/* bench/batch.c - a thousand blocks of one size, freed newest first, oldest first and in random order.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { BLOCKS = 1000 };

static void *block[BLOCKS];
static uint16_t order[BLOCKS];

static void
shuffle(void)
{
    struct bench_random random = bench_seed(1);

    for (size_t i = BLOCKS - 1; i > 0; i--) {
        size_t j = bench_below(&random, i + 1);
        uint16_t held = order[i];

        order[i] = order[j];
        order[j] = held;
    }
}

static uint64_t
rounds(const char *name, size_t size, long n)
{
    uint64_t sum = 0;
    double start = bench_seconds();

    for (long round = 0; round < n; round++) {
        for (size_t i = 0; i < BLOCKS; i++)
            block[i] = bench_block(size, (uint64_t)round + i);
        for (size_t i = 0; i < BLOCKS; i++)
            sum += bench_free(block[order[i]]);
    }
    bench_report(name, (bench_seconds() - start) * 1e9 / ((double)n * BLOCKS), "ns");
    return sum;
}

int
main(int argc, char **argv)
{
    uint64_t sum = 0;

    if (argc != 3)
        bench_usage("batch PERCENT SIZE");

    size_t size = (size_t)bench_number(argv[2]);
    long n = bench_scaled(argv[1], 15000);

    for (size_t i = 0; i < BLOCKS; i++)
        order[i] = (uint16_t)(BLOCKS - 1 - i);
    sum += rounds("newest-first", size, n);
    for (size_t i = 0; i < BLOCKS; i++)
        order[i] = (uint16_t)i;
    sum += rounds("oldest-first", size, n);
    shuffle();
    sum += rounds("random", size, n);
    bench_checksum(sum);
    return 0;
}
