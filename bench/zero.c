/* bench/zero.c - calloc of mixed sizes, each block checked for zero at both ends and then dirtied.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { SLOTS = 2000, TOUCH_BYTES = 512 };

struct slot {
    unsigned char *p;
    size_t size;
};

static size_t
draw_size(struct bench_random *random)
{
    size_t kind = bench_below(random, 1000);

    if (kind < 900)
        return bench_mixed_size(random);
    if (kind < 998)
        return 4096 + bench_below(random, 28 * BENCH_KIB);
    return 64 * BENCH_KIB + bench_below(random, 448 * BENCH_KIB);
}

int
main(int argc, char **argv)
{
    static struct slot slot[SLOTS];
    struct bench_random random = bench_seed(5);
    uint64_t sum = 0;

    if (argc != 2)
        bench_usage("zero PERCENT");

    long n = bench_scaled(argv[1], 2500 * 1000);
    double start = bench_seconds();

    for (long i = 0; i < n; i++) {
        struct slot *s = &slot[bench_below(&random, SLOTS)];

        free(s->p);
        s->size = draw_size(&random);
        s->p = bench_checked(calloc(s->size / 8 + 1, 8));
        if (s->p[0] != 0 || s->p[s->size / 2] != 0 || s->p[s->size - 1] != 0)
            bench_fail("calloc: the block is not zero");
        for (size_t at = 0; at < s->size; at += TOUCH_BYTES)
            s->p[at] = 0xff;
        s->p[s->size - 1] = 0xff;
        sum += s->size;
    }
    for (size_t i = 0; i < SLOTS; i++)
        free(slot[i].p);
    bench_report("zero", (bench_seconds() - start) * 1e9 / (double)n, "ns");
    bench_checksum(sum);
    return 0;
}
