/* bench/large.c - a few large buffers of random sizes in a range, a random one replaced at a time, every page written.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { LIVE_MAX = 1000, TOUCH_BYTES = 4096 };

static unsigned char *buffer[LIVE_MAX];
static size_t size[LIVE_MAX];

static uint64_t
touch(unsigned char *p, size_t bytes, uint64_t tag)
{
    uint64_t sum = 0;

    for (size_t at = 0; at < bytes; at += TOUCH_BYTES) {
        p[at] = (unsigned char)(tag + at / TOUCH_BYTES);
        sum += p[at];
    }
    return sum;
}

int
main(int argc, char **argv)
{
    struct bench_random random = bench_seed(3);
    uint64_t sum = 0;

    if (argc != 6 || bench_number(argv[4]) > LIVE_MAX)
        bench_usage("large PERCENT MIN_KIB MAX_KIB LIVE OPERATIONS");

    size_t min = (size_t)bench_number(argv[2]) * BENCH_KIB;
    size_t max = (size_t)bench_number(argv[3]) * BENCH_KIB;
    size_t n_live = (size_t)bench_number(argv[4]);
    long n_operations = bench_scaled(argv[1], bench_number(argv[5]));
    double start = bench_seconds();

    for (long i = 0; i < n_operations; i++) {
        size_t j = bench_below(&random, n_live);

        if (buffer[j] != NULL)
            sum += buffer[j][(size[j] - 1) / TOUCH_BYTES * TOUCH_BYTES];
        free(buffer[j]);
        size[j] = min + bench_below(&random, max - min);
        buffer[j] = bench_checked(malloc(size[j]));
        sum += touch(buffer[j], size[j], (uint64_t)i);
    }
    for (size_t j = 0; j < n_live; j++)
        free(buffer[j]);
    bench_report("large", (bench_seconds() - start) * 1e6 / (double)n_operations, "us");
    bench_checksum(sum);
    return 0;
}
