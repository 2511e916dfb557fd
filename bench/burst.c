/* bench/burst.c - a burst of a million blocks, of which most, then all, are freed: what stays resident?
 *
 * Resident memory is reported less what the program had before its first block.  The table of pointers is mapped
 * beside the heap and unmapped before the last reading, so that what is left is the allocator's alone.
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <dlfcn.h>
#include <malloc.h>

enum { BLOCKS = 1000 * 1000, MIN_BYTES = 16, MAX_BYTES = 1000 };

static long base_kib;

static void
report_resident(const char *name)
{
    bench_report(name, (double)(bench_resident_kib() - base_kib) / 1024.0, "MiB");
}

/* malloc_trim is glibc's, and does nothing useful when another allocator serves malloc without defining it.  So each
 * is asked in its own words. */
static void
trim(void)
{
    void (*collect)(bool) = (void (*)(bool))dlsym(RTLD_DEFAULT, "mi_collect");
    int (*control)(const char *, void *, size_t *, void *, size_t) =
        (int (*)(const char *, void *, size_t *, void *, size_t))dlsym(RTLD_DEFAULT, "mallctl");
    void (*release)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");

    if (collect != NULL) {
        collect(true);
    } else if (control != NULL) {
        control("thread.tcache.flush", NULL, NULL, NULL, 0);
        control("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096: all arenas */
    } else if (release != NULL) {
        release();
    } else {
        malloc_trim(0);
    }
}

/* What the library under test may keep by its own account, so that a reader can judge "all-freed". */
static void
report_threshold(void)
{
    int (*get)(const char *, char *, size_t) =
        (int (*)(const char *, char *, size_t))dlsym(RTLD_DEFAULT, "jsm_option_get");
    char text[64];
    char *unit;

    if (get == NULL || get("trim_threshold", text, sizeof text) != 1)
        return;

    double value = strtod(text, &unit);

    if (unit == text)
        return;
    value *= *unit == 'G' ? 1024.0 : *unit == 'M' ? 1.0 : *unit == 'K' ? 1.0 / 1024.0 : 1.0 / 1048576.0;
    bench_report("trim-threshold", value, "MiB");
}

static uint64_t
free_most(void **block, size_t n, struct bench_random *random, size_t percent)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (bench_below(random, 100) < percent) {
            sum += bench_free(block[i]);
            block[i] = NULL;
        }
    return sum;
}

int
main(int argc, char **argv)
{
    struct bench_random random = bench_seed(8);
    uint64_t sum = 0;

    if (argc != 4)
        bench_usage("burst PERCENT FREED_PERCENT trim|leave");

    size_t n = (size_t)bench_scaled(argv[1], BLOCKS);
    void **block = bench_map(n * sizeof *block);

    memset(block, 0xff, n * sizeof *block);
    free(bench_checked(malloc(1)));
    base_kib = bench_resident_kib();
    for (size_t i = 0; i < n; i++) {
        size_t size = MIN_BYTES + bench_below(&random, MAX_BYTES - MIN_BYTES + 1);

        block[i] = memset(bench_checked(malloc(size)), 0x5a, size);
        memcpy(block[i], &i, sizeof i);
    }
    report_resident("full");
    sum += free_most(block, n, &random, (size_t)bench_number(argv[2]));
    report_resident("most-freed");
    if (strcmp(argv[3], "trim") == 0) {
        double start = bench_seconds();

        trim();
        bench_report("trim", (bench_seconds() - start) * 1e3, "ms");
        report_resident("trimmed");
    }
    for (size_t i = 0; i < n; i++)
        if (block[i] != NULL)
            sum += bench_free(block[i]);
    munmap(block, n * sizeof *block);
    base_kib -= (long)(n * sizeof *block / 1024);
    report_resident("all-freed");
    report_threshold();
    bench_checksum(sum);
    return 0;
}
