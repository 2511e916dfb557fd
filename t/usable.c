/* t/usable.c - usable sizes: what is told can be written, and nobody else has it; and the functions
 * which take a size back.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

enum { BATCH = 24 };

/* A batch of blocks of each size, all their usable bytes written: none may reach into another. */
static void
test_neighbours(void)
{
    unsigned spoilt = 0, differ = 0, blocks = 0;

    for (size_t size = 0; size <= 300000; size += size < 300 ? 1 : size / 11) {
        unsigned char *p[BATCH];
        for (unsigned i = 0; i < BATCH; i++) {
            p[i] = jsm_malloc(size);
            size_t n = jsm_malloc_usable_size(p[i]);
            differ += n != jsm_malloc_good_size(size) || n != jsm_malloc_size(p[i]) || n < size;
            set_all(p[i], n, (unsigned char)(i + 1));
            blocks++;
        }
        for (unsigned i = 0; i < BATCH; i++)
            spoilt += !is_all(p[i], jsm_malloc_usable_size(p[i]), (unsigned char)(i + 1));
        for (unsigned i = 0; i < BATCH; i++)
            jsm_free(p[i]);
    }
    diag("%u blocks", blocks);
    is_int(differ, 0, "usable size, malloc_size and malloc_good_size say the same, and enough");
    is_int(spoilt, 0, "all usable bytes of a block are its own");
}

static void
test_good_size(void)
{
    unsigned falls = 0, unstable = 0;
    size_t last = 0;

    for (size_t size = 0; size <= 200 * MIB; size += size < 70000 ? 7 : size / 9) {
        size_t good = jsm_malloc_good_size(size);
        falls += good < size || good < last;
        unstable += jsm_malloc_good_size(good) != good;
        last = good;
    }
    is_int(falls, 0, "good sizes never fall");
    is_int(unstable, 0, "a good size is good itself");
    is_uint(jsm_malloc_good_size(hide_size(SIZE_MAX)), SIZE_MAX, "there is no good size for what cannot be");
    is_uint(jsm_malloc_usable_size(NULL), 0, "NULL has no usable bytes");
    is_uint(jsm_malloc_size(NULL), 0, "by neither name");
    void *p = jsm_malloc(hide_size(0));
    is_uint(jsm_malloc_usable_size(p), jsm_malloc_good_size(0), "malloc(0) is as good as its word");
    jsm_free(p);
}

static void
test_huge(void)
{
    static const size_t sizes[] = {1000000, 10 * MIB + 1, 64 * MIB - 1, 64 * MIB, 64 * MIB + 1, 100 * MIB};
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char *p = jsm_malloc(sizes[i]), *q = jsm_malloc(sizes[i]);
        size_t n = jsm_malloc_usable_size(p);
        wrong += n < sizes[i] || n != jsm_malloc_good_size(sizes[i]);
        if (p != NULL && q != NULL) {
            volatile unsigned char *v = p, *w = q;
            v[0] = v[n - 1] = 1;
            w[0] = w[n - 1] = 2;
            wrong += v[0] != 1 || v[n - 1] != 1 || w[0] != 2 || w[n - 1] != 2;
        } else {
            wrong++;
        }
        jsm_free(p);
        jsm_free(q);
    }
    is_int(wrong, 0, "large blocks can be used from end to end");
}

static void
test_at_least(void)
{
    unsigned wrong = 0;

    for (size_t size = 0; size <= 10 * MIB; size += size / 7 + 1) {
        size_t got = 0;
        unsigned char *p = jsm_malloc_at_least(size, &got), *q = jsm_malloc_at_least(size, &got);
        wrong += p == NULL || q == NULL || got < size || got != jsm_malloc_usable_size(q);
        wrong += !is_aligned(q, natural_align(size));
        fill(p, got, 1);
        fill(q, got, 2);
        wrong += !is_filled(p, got, got, 1) || !is_filled(q, got, got, 2);
        jsm_free_sized(p, size);
        jsm_free_sized(q, got);
    }
    is_int(wrong, 0, "malloc_at_least: all it tells can be used, and either size be given back");
}

/* Every size that a program may rightly name when it frees.  A false alarm would end this program. */
static void
test_free_sized(void)
{
    for (size_t size = 0; size <= 80 * MIB; size += size < 3000 ? 1 : size / 19) {
        jsm_free_sized(jsm_malloc(size), size);
        jsm_free_sized(jsm_calloc(1, size), size);
    }
    ok(true, "free_sized with the size that was asked for");
    for (size_t size = 1; size <= 2 * MIB; size += size / 5 + 1) {
        void *p = jsm_malloc(size);
        jsm_free_sized(p, jsm_malloc_usable_size(p));
        for (size_t to = 1; to <= 2 * size; to += to / 3 + 1) {
            p = jsm_realloc(jsm_malloc(size), to);
            jsm_free_sized(p, to);
        }
    }
    ok(true, "free_sized with the usable size, and with the one given to realloc");
    for (size_t align = 1; align <= MIB; align *= 2) {
        for (size_t size = 0; size <= 2 * MIB; size += size / 2 + 1) {
            jsm_free_aligned_sized(jsm_aligned_alloc(align, size), align, size);
            jsm_free_aligned_sized(jsm_memalign(align, size), align, size);
        }
    }
    ok(true, "free_aligned_sized with alignment and size that were asked for");
    is_int(jsm_check(), 0, "the heap is sound");
}

int
main(void)
{
    plan(2 + 6 + 1 + 1 + 4);
    test_neighbours();
    test_good_size();
    test_huge();
    test_at_least();
    test_free_sized();
    return done();
}
