/* t/calloc.c - calloc gives zeros, above all where the memory was in use before.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

enum { MANY = 512 };
static void *block[MANY];

/* How many blocks of `size` bytes to work with: enough for several slabs, bounded in all. */
static unsigned
how_many(size_t size)
{
    size_t n = 4 * MIB / (size + 1) + 2;

    return n < MANY ? (unsigned)n : MANY;
}

/* Leaves freed memory full of 0xa5 behind, from blocks of `size` bytes. */
static void
soil(size_t size, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        block[i] = jsm_malloc(size);
        if (block[i] != NULL)
            set_all(block[i], jsm_malloc_usable_size(block[i]), 0xa5);
    }
    for (unsigned i = 0; i < n; i++)
        jsm_free(block[i]);
}

/* Number of blocks among `n` of `size` bytes from calloc that are missing or not zero. */
static unsigned
count_dirty(size_t size, unsigned n)
{
    unsigned dirty = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t parts = size % 4 == 0 ? 4 : 1;
        block[i] = jsm_calloc(parts, size / parts);
        dirty += block[i] == NULL || !is_all(block[i], size, 0);
        /* The next caller must not profit from this one having found zeros. */
        if (block[i] != NULL)
            set_all(block[i], jsm_malloc_usable_size(block[i]), 0x5a);
    }
    for (unsigned i = 0; i < n; i++)
        jsm_free(block[i]);
    return dirty;
}

static void
test_same_size(void)
{
    unsigned dirty = 0;

    for (size_t size = 1; size <= 9 * MIB; size += size / 5 + 1) {
        unsigned n = how_many(size);
        soil(size, n);
        dirty += count_dirty(size, n);
        dirty += count_dirty(size, n / 2 + 1);
    }
    is_int(dirty, 0, "zeros after blocks of the same size, 1 byte to 9 MiB");
}

static void
test_other_size(void)
{
    uint64_t r = test_seed();
    unsigned dirty = 0;

    for (unsigned i = 0; i < rounds(150, 3000); i++) {
        size_t before = random_below(&r, (size_t)1 << (3 + random_below(&r, 20))) + 1;
        size_t after = random_below(&r, (size_t)1 << (3 + random_below(&r, 20))) + 1;
        soil(before, how_many(before));
        if (i % 8 == 0)
            (void)jsm_malloc_trim(0);
        dirty += count_dirty(after, how_many(after));
    }
    is_int(dirty, 0, "zeros after blocks of other sizes, with pages given back in between");
}

/* Freed memory with live blocks in it: holes of pages that are given back, and cut up anew. */
static void
test_holes(void)
{
    enum { SMALL = 20000 };
    static unsigned char *p[SMALL];
    unsigned dirty = 0, spoilt = 0;
    uint64_t r = test_seed();

    for (unsigned round = 0; round < 3; round++) {
        size_t size = round == 0 ? 48 : round == 1 ? 272 : 1500;
        for (unsigned i = 0; i < SMALL / (round + 1); i++) {
            p[i] = jsm_malloc(size);
            set_all(p[i], size, 0xa5);
        }
        for (unsigned i = 0; i < SMALL / (round + 1); i++)
            if (random_below(&r, 20) != 0) {
                jsm_free(p[i]);
                p[i] = NULL;
            }
        (void)jsm_malloc_trim(0);
        for (unsigned i = 0; i < SMALL / (round + 1); i++)
            if (p[i] == NULL) {
                p[i] = jsm_calloc(1, size);
                dirty += p[i] == NULL || !is_all(p[i], size, 0);
            } else {
                spoilt += !is_all(p[i], size, 0xa5);
            }
        for (unsigned i = 0; i < SMALL / (round + 1); i++) {
            jsm_free(p[i]);
            p[i] = NULL;
        }
    }
    is_int(dirty, 0, "zeros in the holes between live blocks, after malloc_trim");
    is_int(spoilt, 0, "and the live blocks are as they were");
}

static void
test_large(void)
{
    static const size_t sizes[] = {16 * MIB, 40 * MIB + 12345, 64 * MIB, 100 * MIB};
    unsigned dirty = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        char *p = jsm_malloc(sizes[i]);
        if (p != NULL)
            for (size_t at = 0; at < sizes[i]; at += 4096)
                ((volatile char *)p)[at] = 1;
        jsm_free(p);
        p = jsm_calloc(1, sizes[i]);
        dirty += p == NULL;
        if (p != NULL) {
            for (size_t at = 0; at < sizes[i]; at += 4096)
                dirty += ((volatile char *)p)[at] != 0;
            dirty += p[sizes[i] - 1] != 0;
        }
        jsm_free(p);
    }
    is_int(dirty, 0, "zeros from 16 to 100 MiB, where all pages were written before");
}

static void
test_overflow(void)
{
    static const size_t factors[][2] = {{SIZE_MAX, 2}, {2, SIZE_MAX}, {SIZE_MAX / 2 + 1, 2}, {SIZE_MAX / 4 + 1, 4},
        {SIZE_MAX / 3 + 1, 3}, {SIZE_MAX, SIZE_MAX},
        {(size_t)1 << (sizeof(size_t) * 4), (size_t)1 << (sizeof(size_t) * 4)},
        {PTRDIFF_MAX, 2}, {PTRDIFF_MAX / 2 + 1, 2}};
    unsigned given = 0, wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(factors); i++) {
        errno = 0;
        given += jsm_calloc(hide_size(factors[i][0]), hide_size(factors[i][1])) != NULL;
        wrong += errno != ENOMEM;
    }
    is_int(given, 0, "no product that overflows or passes PTRDIFF_MAX is given");
    is_int(wrong, 0, "that is ENOMEM");
}

int
main(void)
{
    plan(8);
    test_same_size();
    test_other_size();
    test_holes();
    test_large();
    test_overflow();
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
