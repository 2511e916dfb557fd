/* bench/pair.c - one block of one size, allocated and freed at once: the shortest path there is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

int
main(int argc, char **argv)
{
    if (argc != 3)
        bench_usage("pair PERCENT SIZE");

    size_t size = (size_t)bench_number(argv[2]);
    long pairs = bench_scaled(argv[1], size <= 1024 ? 40 * 1000 * 1000 : 20 * 1000 * 1000);
    uint64_t sum = 0;
    double start = bench_seconds();

    for (long i = 0; i < pairs; i++) {
        unsigned char *p = bench_checked(malloc(size));

        *p = (unsigned char)i;
        sum += *p;
        free(p);
    }
    bench_report("pair", (bench_seconds() - start) * 1e9 / (double)pairs, "ns");
    bench_checksum(sum);
    return 0;
}
