/* t/errno.c - errno: kept by success and by freeing, right after failure.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <pthread.h>

/* From the first size class to mappings of their own. */
static const size_t sizes[] = {0, 1, 8, 16, 100, 1024, 4096, 5000, 20000, 65536, 65537, 300000, 5 * MIB, 70 * MIB};

static unsigned changed;

/* Counts one call after which errno is not what it was before. */
static void
expect_kept(void)
{
    changed += errno != ERRNO_MARK;
    errno = ERRNO_MARK;
}

static void
test_allocation(void)
{
    changed = 0;
    errno = ERRNO_MARK;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        void *p = jsm_malloc(sizes[i]);
        expect_kept();
        void *c = jsm_calloc(1, sizes[i]);
        expect_kept();
        void *a = jsm_aligned_alloc(4096, sizes[i]);
        expect_kept();
        void *m = NULL;
        if (jsm_posix_memalign(&m, 64, sizes[i]) != 0)
            changed++;
        expect_kept();
        void *n = jsm_memalign(256, sizes[i]);
        expect_kept();
        void *v = jsm_valloc(sizes[i]);
        expect_kept();
        void *w = jsm_pvalloc(sizes[i]);
        expect_kept();
        size_t got;
        void *l = jsm_malloc_at_least(sizes[i], &got);
        expect_kept();
        if (p == NULL || c == NULL || a == NULL || n == NULL || v == NULL || w == NULL || l == NULL)
            changed++;
        jsm_free(p);
        jsm_free(c);
        jsm_free(a);
        jsm_free(m);
        jsm_free(n);
        jsm_free(v);
        jsm_free(w);
        jsm_free(l);
        expect_kept();
    }
    is_int(changed, 0, "allocating with success leaves errno alone");
}

static void
test_changing(void)
{
    changed = 0;
    errno = ERRNO_MARK;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        for (unsigned j = 0; j < COUNT_OF(sizes); j++) {
            if (sizes[i] + sizes[j] > 64 * MIB && (i + j) % 4 != 0)
                continue; /* a few moves of that size are enough */
            void *p = jsm_malloc(sizes[i]);
            p = jsm_realloc(p, sizes[j]);
            expect_kept();
            if (p == NULL)
                p = jsm_malloc(1);
            p = jsm_reallocarray(p, 1, sizes[i] + 1);
            expect_kept();
            p = jsm_reallocf(p, sizes[j] + 1);
            expect_kept();
            (void)jsm_expand(p, sizes[i] + 1);
            expect_kept();
            p = jsm_rezalloc(p, 1, sizes[i] + 1);
            expect_kept();
            p = jsm_recallocarray(p, sizes[i] + 1, sizes[j] + 1, 1);
            expect_kept();
            changed += p == NULL;
            jsm_freezero(p, 1);
            expect_kept();
        }
    }
    is_int(changed, 0, "changing a size with success leaves errno alone, also when the block moves or goes");
}

static void *
free_all(void *arg)
{
    void **p = arg;

    errno = ERRNO_MARK;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        jsm_free(p[i]);
        if (errno != ERRNO_MARK)
            return arg;
    }
    return NULL;
}

static void
test_freeing(void)
{
    void *p[COUNT_OF(sizes)];
    pthread_t t;
    void *verdict = p;

    changed = 0;
    errno = ERRNO_MARK;
    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        jsm_free(jsm_malloc(sizes[i]));
        expect_kept();
        jsm_cfree(jsm_malloc(sizes[i]));
        expect_kept();
        jsm_free_sized(jsm_malloc(sizes[i]), sizes[i]);
        expect_kept();
        jsm_free_aligned_sized(jsm_aligned_alloc(64, sizes[i]), 64, sizes[i]);
        expect_kept();
        jsm_freezero(jsm_malloc(sizes[i]), sizes[i] < 65536 ? sizes[i] : 65536);
        expect_kept();
        p[i] = jsm_malloc(sizes[i]);
    }
    jsm_free(NULL);
    (void)jsm_malloc_trim(0);
    (void)jsm_check();
    (void)jsm_is_ours(p);
    (void)jsm_malloc_good_size(100);
    expect_kept();
    is_int(changed, 0, "freeing, trimming and asking leave errno alone");
    if (pthread_create(&t, NULL, free_all, p) == 0)
        pthread_join(t, &verdict);
    ok(verdict == NULL, "so does freeing in another thread");
}

/* Checks one refusal: `want` in errno.  NULL is what `p` must be. */
static void
refused(const void *p, int want, const char *what)
{
    int got = errno;

    ok(p == NULL, "%s: NULL", what);
    is_int(got, want, "%s: errno", what);
    errno = 0;
}

static void
test_refusals(void)
{
    static const size_t too_much = (size_t)PTRDIFF_MAX + 1, half = SIZE_MAX / 2 + 1;
    size_t got = 77;
    void *p = (void *)&got;

    errno = 0;
    refused(jsm_malloc(hide_size(too_much)), ENOMEM, "malloc of too much");
    refused(jsm_calloc(hide_size(half), 2), ENOMEM, "calloc whose product is 0");
    refused(jsm_calloc(hide_size(half), 3), ENOMEM, "calloc whose product overflows");
    refused(jsm_realloc(NULL, hide_size(too_much)), ENOMEM, "realloc(NULL) of too much");
    refused(jsm_reallocarray(NULL, hide_size(half), 2), ENOMEM, "reallocarray that overflows");
    refused(jsm_aligned_alloc(16, hide_size(too_much)), ENOMEM, "aligned_alloc of too much");
    refused(jsm_aligned_alloc(hide_size(half), 1), ENOMEM, "aligned_alloc with the greatest alignment");
    refused(jsm_aligned_alloc(hide_size(24), 24), EINVAL, "aligned_alloc with no power of two");
    refused(jsm_aligned_alloc(hide_size(0), 24), EINVAL, "aligned_alloc with alignment 0");
    refused(jsm_memalign(hide_size(48), 24), EINVAL, "memalign with no power of two");
    refused(jsm_memalign(64, hide_size(SIZE_MAX)), ENOMEM, "memalign of too much");
    refused(jsm_valloc(hide_size(SIZE_MAX)), ENOMEM, "valloc of too much");
    refused(jsm_pvalloc(hide_size(SIZE_MAX)), ENOMEM, "pvalloc whose rounding overflows");
    refused(jsm_pvalloc(hide_size(PTRDIFF_MAX)), ENOMEM, "pvalloc whose rounding is too much");
    refused(jsm_malloc_at_least(hide_size(too_much), &got), ENOMEM, "malloc_at_least of too much");
    is_int(got, 77, "malloc_at_least writes no size when there is no block");
    refused(jsm_reallocf(NULL, hide_size(too_much)), ENOMEM, "reallocf(NULL) of too much");
    refused(jsm_recallocarray(NULL, 0, hide_size(half), 2), ENOMEM, "recallocarray that overflows");
    refused(jsm_rezalloc(NULL, 0, hide_size(too_much)), ENOMEM, "rezalloc(NULL) of too much");

    errno = ERRNO_MARK;
    is_int(jsm_posix_memalign(&p, hide_size(24), 24), EINVAL, "posix_memalign returns EINVAL");
    is_int(jsm_posix_memalign(&p, 64, hide_size(SIZE_MAX)), ENOMEM, "posix_memalign returns ENOMEM");
    is_int(errno, ERRNO_MARK, "posix_memalign leaves errno alone when it fails");
    ok(p == (void *)&got, "posix_memalign stores nothing when it fails");
}

int
main(void)
{
    plan(4 + 18 * 2 + 1 + 4 + 1);
    test_allocation();
    test_changing();
    test_freeing();
    test_refusals();
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
