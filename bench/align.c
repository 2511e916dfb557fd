/* bench/align.c - aligned blocks among ordinary ones: 32 bytes to a page, sizes that are and are not multiples.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

enum { SLOTS = 4000 };

static void *
aligned(struct bench_random *random, size_t size, size_t *alignment)
{
    void *p = NULL;

    *alignment = (size_t)32 << bench_below(random, 4);
    if (bench_below(random, 50) == 0)
        *alignment = 4096;
    if (bench_below(random, 2) == 0)
        return bench_checked(aligned_alloc(*alignment, (size + *alignment - 1) & ~(*alignment - 1)));
    if (posix_memalign(&p, *alignment, size) != 0)
        bench_die("posix_memalign");
    return p;
}

int
main(int argc, char **argv)
{
    static void *slot[SLOTS];
    struct bench_random random = bench_seed(6);
    uint64_t sum = 0;

    if (argc != 2)
        bench_usage("align PERCENT");

    long n = bench_scaled(argv[1], 4 * 1000 * 1000);
    double start = bench_seconds();

    for (long i = 0; i < n; i++) {
        size_t j = bench_below(&random, SLOTS);
        size_t size = bench_mixed_size(&random);
        size_t alignment = 1;

        if (slot[j] != NULL)
            sum += bench_free(slot[j]);
        /* One in four is aligned beyond malloc's promise. */
        slot[j] = bench_below(&random, 4) == 0 ? aligned(&random, size, &alignment) : bench_checked(malloc(size));
        if (((uintptr_t)slot[j] & (alignment - 1)) != 0)
            bench_fail("a block is not aligned");
        memcpy(slot[j], &(uint64_t){ (uint64_t)i }, 8);
        ((unsigned char *)slot[j])[size - 1] = (unsigned char)i;
    }
    for (size_t j = 0; j < SLOTS; j++)
        if (slot[j] != NULL)
            sum += bench_free(slot[j]);
    bench_report("align", (bench_seconds() - start) * 1e9 / (double)n, "ns");
    bench_checksum(sum);
    return 0;
}
