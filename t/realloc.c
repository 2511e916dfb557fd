/* t/realloc.c - changing sizes: realloc and its relatives, in place and moving, contents, zeroing,
 * wiping, failure.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

static const size_t sizes[] = {1, 8, 16, 17, 40, 64, 100, 128, 200, 256, 500, 1000, 1024, 2000, 4096, 5000, 10000,
    16384, 30000, 65536, 65537, 100000, 262144, 1000000, 5000000};

static const size_t impossible[] = {(size_t)PTRDIFF_MAX + 1, SIZE_MAX - 4096, SIZE_MAX};

static void
test_realloc_pairs(void)
{
    unsigned lost = 0, spoilt = 0, small = 0, misaligned = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        for (unsigned j = 0; j < COUNT_OF(sizes); j++) {
            void *p = jsm_malloc(sizes[i]);
            fill(p, sizes[i], i);
            void *q = jsm_realloc(p, sizes[j]);
            if (q == NULL) {
                lost++;
                continue;
            }
            spoilt += !is_filled(q, sizes[i] < sizes[j] ? sizes[i] : sizes[j], sizes[i], i);
            small += jsm_malloc_usable_size(q) < sizes[j];
            misaligned += !is_aligned(q, natural_align(sizes[j]));
            fill(q, sizes[j], j);
            jsm_free(q);
        }
    }
    is_int(lost, 0, "realloc from each size to each other");
    is_int(spoilt, 0, "what both sizes hold is kept");
    is_int(small, 0, "the new size can be used");
    is_int(misaligned, 0, "the new block is aligned");
}

static void
test_realloc_special(void)
{
    char *p = jsm_realloc(NULL, 100), *old = hide(p), *q;

    ok(p != NULL && jsm_malloc_usable_size(p) >= 100, "realloc(NULL, n) allocates");
    errno = ERRNO_MARK;
    q = jsm_realloc(p, hide_size(0));
    ok(q == NULL, "realloc(p, 0) returns NULL");
    is_int(errno, ERRNO_MARK, "and no error");
    ok(!jsm_is_ours(old), "realloc(p, 0) has freed the block");
    p = jsm_realloc(NULL, hide_size(0));
    ok(p != NULL && jsm_is_ours(p), "realloc(NULL, 0) is malloc(0)");
    p = jsm_realloc(p, 50);
    ok(p != NULL, "a block of no bytes can grow");
    old = hide(p);
    q = jsm_realloc(p, 50);
    ok(q == old, "a block which has the size already does not move");
    p = jsm_reallocarray(q, 5, hide_size(0));
    ok(p == NULL && !jsm_is_ours(old), "reallocarray to nothing frees");
}

static void
test_realloc_failure(void)
{
    unsigned given = 0, spoilt = 0, wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        void *p = jsm_malloc(sizes[i]);
        fill(p, sizes[i], i);
        for (unsigned j = 0; j < COUNT_OF(impossible); j++) {
            errno = 0;
            given += jsm_realloc(p, hide_size(impossible[j])) != NULL;
            wrong += errno != ENOMEM;
            errno = 0;
            given += jsm_reallocarray(hide(p), hide_size(impossible[j]), hide_size(2)) != NULL;
            wrong += errno != ENOMEM;
            errno = 0;
            given += jsm_rezalloc(p, sizes[i], hide_size(impossible[j])) != NULL;
            wrong += errno != ENOMEM;
            errno = 0;
            given += jsm_recallocarray(p, 1, hide_size(impossible[j]), hide_size(sizes[i])) != NULL;
            wrong += errno != ENOMEM;
            given += jsm_expand(p, hide_size(impossible[j])) != NULL;
        }
        spoilt += !jsm_is_ours(p) || !is_filled(p, sizes[i], sizes[i], i);
        jsm_free(p);
    }
    is_int(given, 0, "no block grows beyond PTRDIFF_MAX");
    is_int(wrong, 0, "that is ENOMEM");
    is_int(spoilt, 0, "the block is as it was then");
}

static void
test_reallocf(void)
{
    char *p = jsm_reallocf(NULL, 20), *old, *q;

    fill(p, 20, 1);
    p = jsm_reallocf(p, 20000);
    ok(p != NULL && is_filled(p, 20, 20, 1), "reallocf changes the size");
    old = hide(p);
    errno = 0;
    q = jsm_reallocf(p, hide_size(SIZE_MAX));
    ok(q == NULL && errno == ENOMEM, "reallocf of too much is ENOMEM");
    ok(!jsm_is_ours(old), "and has freed the block");
    p = jsm_reallocf(NULL, 30);
    old = hide(p);
    q = jsm_reallocf(p, hide_size(0));
    ok(q == NULL && !jsm_is_ours(old), "reallocf to nothing frees");
}

/* Allocates blocks of `size` until one lies at `want`, and says whether its first `n` bytes are zero.
 * 1: they are; 0: they are not; -1: that address did not come back. */
static int
left_zero(const void *want, size_t size, size_t n)
{
    enum { MANY = 5000 };
    static void *p[MANY];
    unsigned i = 0;
    int verdict = -1;

    while (i < MANY && verdict < 0) {
        p[i] = jsm_malloc(size);
        if (p[i] == want)
            verdict = is_all(p[i], n, 0);
        i++;
    }
    while (i > 0)
        jsm_free(p[--i]);
    return verdict;
}

/* Nothing is said about blocks whose address does not come back, so it must come back often enough. */
static void
test_wiping(void)
{
    static const size_t some[] = {32, 64, 100, 256, 1000, 3000};
    unsigned dirty = 0, seen = 0, not_zero = 0, kept = 0;

    for (unsigned i = 0; i < COUNT_OF(some); i++) {
        size_t n = some[i];
        char *p = jsm_malloc(n);
        set_all(p, n, 0xa5);
        jsm_freezero(p, n);
        int verdict = left_zero(p, n, n);
        dirty += verdict == 0;
        seen += verdict == 1;

        p = jsm_malloc(n);
        set_all(p, n, 0xa5);
        char *q = jsm_recallocarray(p, n, 40 * n, 1);
        kept += q != NULL && is_all(q, n, 0xa5);
        not_zero += q == NULL || !is_all(q + n, 39 * n, 0);
        if (q != hide(p)) {
            verdict = left_zero(p, n, n);
            dirty += verdict == 0;
            seen += verdict == 1;
        }
        jsm_free(q);
    }
    diag("%u of %u freed blocks seen again", seen + dirty, 2 * (unsigned)COUNT_OF(some));
    is_int(dirty, 0, "freezero and a recallocarray that moves leave zeros behind");
    ok(seen >= COUNT_OF(some), "most of those blocks were seen again");
    is_int(not_zero, 0, "recallocarray: new elements are zero");
    is_int(kept, COUNT_OF(some), "recallocarray: old elements are kept");
}

static void
test_recallocarray(void)
{
    unsigned dirty = 0, lost = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        size_t n = sizes[i];
        unsigned char *p = jsm_recallocarray(NULL, 0, n, 2);
        dirty += p == NULL || !is_all(p, 2 * n, 0);
        set_all(p, 2 * n, 0xa5);
        unsigned char *q = jsm_recallocarray(p, 2 * n, n, 1);
        lost += q == NULL || !is_all(q, n, 0xa5);
        if (q == hide(p))
            dirty += !is_all(q + n, n, 0);
        q = jsm_recallocarray(q, n, 3 * n, 1);
        lost += q == NULL || !is_all(q, n, 0xa5);
        dirty += q == NULL || !is_all(q + n, 2 * n, 0);
        jsm_free(q);
    }
    is_int(dirty, 0, "recallocarray: what is new, or cut off in place, is zero");
    is_int(lost, 0, "recallocarray: what is old stays");

    char *p = jsm_malloc(100);
    set_all(p, 100, 0x11);
    errno = 0;
    void *q = jsm_recallocarray(p, hide_size(SIZE_MAX / 2), 5, 10);
    ok(q == NULL && errno == EINVAL, "recallocarray: an old size that overflows is EINVAL");
    errno = 0;
    q = jsm_recallocarray(p, hide_size(1000000), 2000000, 10);
    ok(q == NULL && errno == EINVAL, "recallocarray: an old size beyond the block is EINVAL");
    ok(jsm_is_ours(p) && is_all(p, 100, 0x11), "and the block is as it was");
    q = jsm_recallocarray(p, 100, hide_size(0), 1);
    ok(q != NULL, "recallocarray to nothing gives a block");
    jsm_free(q);
}

static void
test_rezalloc(void)
{
    unsigned dirty = 0, lost = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        for (unsigned j = 0; j < COUNT_OF(sizes); j++) {
            size_t from = sizes[i], to = sizes[j], old = from / 2 + 1;
            unsigned char *p = jsm_malloc(from);
            set_all(p, jsm_malloc_usable_size(p), 0xa5);
            unsigned char *q = jsm_rezalloc(p, old, to);
            size_t both = old < to ? old : to;
            lost += q == NULL || !is_all(q, both, 0xa5);
            dirty += q == NULL || !is_all(q + both, to - both, 0);
            set_all(q, jsm_malloc_usable_size(q), 0x5a);
            jsm_free(q);
        }
    }
    is_int(dirty, 0, "rezalloc: all bytes after the old ones are zero");
    is_int(lost, 0, "rezalloc: the old ones are kept");
    unsigned char *p = jsm_rezalloc(NULL, 0, 500);
    ok(p != NULL && is_all(p, 500, 0), "rezalloc(NULL) is all zero");
    void *q = jsm_rezalloc(p, 500, hide_size(0));
    ok(q == NULL && !jsm_is_ours(hide(p)), "rezalloc to nothing frees");
}

static void
test_expand(void)
{
    unsigned moved = 0, refused = 0, spoilt = 0, small = 0, grown = 0;

    ok(jsm_expand(NULL, 100) == NULL, "expand of NULL is NULL");
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char *p = jsm_malloc(sizes[i]), *after = jsm_malloc(sizes[i]);
        size_t usable = jsm_malloc_usable_size(p);
        fill(p, usable, i);
        fill(after, sizes[i], i + 100);
        refused += jsm_expand(p, usable) != p;
        for (size_t n = usable + 1; n < 8 * usable + 4096; n += n / 2) {
            void *q = jsm_expand(p, n);
            moved += q != NULL && q != p;
            if (q != NULL) {
                grown++;
                small += jsm_malloc_usable_size(p) < n;
                spoilt += !is_filled(p, usable, usable, i);
                usable = jsm_malloc_usable_size(p);
                fill(p, usable, i);
            } else {
                small += jsm_malloc_usable_size(p) != usable;
            }
        }
        void *q = jsm_expand(p, 1);
        moved += q != NULL && q != p;
        size_t n = jsm_malloc_usable_size(p);
        spoilt += !is_filled(p, n < usable ? n : usable, usable, i) || !is_filled(after, sizes[i], sizes[i], i + 100);
        jsm_free(p);
        jsm_free(after);
    }
    diag("%u blocks grew in place", grown);
    is_int(moved, 0, "expand never moves a block");
    is_int(refused, 0, "expand to the usable size always can");
    is_int(small, 0, "after success the size is there, after refusal it is what it was");
    is_int(spoilt, 0, "expand keeps the block and its neighbour");
}

/* One block from 16 bytes to 64 MiB and back, as programs which read a stream do it. */
static void
test_growth(void)
{
    const size_t top = 64 * MIB;
    unsigned lost = 0;
    size_t n = 16;
    unsigned char *p = jsm_malloc(n);

    fill(p, n, 7);
    while (n < top) {
        size_t larger = n + n / 2 + 1;
        unsigned char *q = jsm_realloc(p, larger);
        if (q == NULL) {
            lost++;
            break;
        }
        lost += !is_filled(q, n, n, 7);
        fill(q, larger, 7);
        p = q;
        n = larger;
    }
    while (n > 16) {
        size_t smaller = n / 3 + 1;
        unsigned char *q = jsm_realloc(p, smaller);
        lost += q == NULL || !is_filled(q, smaller, n, 7);
        fill(q, smaller, 7);
        p = q;
        n = smaller;
    }
    jsm_free(p);
    is_int(lost, 0, "a block keeps its contents from 16 bytes to 64 MiB and back");
}

/* Several blocks grow in turn, so that none can take all the space after it. */
static void
test_growth_together(void)
{
    enum { MANY = 8 };
    unsigned char *p[MANY] = {NULL};
    size_t n[MANY] = {0};
    uint64_t r = test_seed();
    unsigned lost = 0;

    for (unsigned step = 0; step < rounds(600, 6000); step++) {
        unsigned i = (unsigned)random_below(&r, MANY);
        size_t to = random_below(&r, (size_t)1 << (4 + random_below(&r, 18))) + 1;
        unsigned char *q = jsm_realloc(p[i], to);
        if (q == NULL) {
            lost++;
            continue;
        }
        lost += !is_filled(q, n[i] < to ? n[i] : to, n[i], i);
        fill(q, to, i);
        p[i] = q;
        n[i] = to;
    }
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    is_int(lost, 0, "eight blocks which change their sizes in turn keep their contents");
}

int
main(void)
{
    plan(4 + 8 + 3 + 4 + 4 + 6 + 4 + 5 + 1 + 1 + 1);
    test_realloc_pairs();
    test_realloc_special();
    test_realloc_failure();
    test_reallocf();
    test_wiping();
    test_recallocarray();
    test_rezalloc();
    test_expand();
    test_growth();
    test_growth_together();
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
