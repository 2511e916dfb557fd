/* t/aligned.c - alignment on request: every power of two, every way to ask, bad requests.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

static const size_t sizes[] = {0, 1, 7, 16, 33, 100, 500, 1024, 4095, 4096, 10000, 65536, 65537, 200000, 3000000};

#define GREATEST_ALIGN (4 * MIB)

static unsigned missing, misaligned, small, spoilt;

/* Judges a block: where it lies, and that all of it can be written. */
static void
judge(void *p, size_t align, size_t size, uint64_t id)
{
    if (p == NULL) {
        missing++;
        return;
    }
    size_t usable = jsm_malloc_usable_size(p);
    misaligned += !is_aligned(p, align) || !is_aligned(p, natural_align(size));
    small += usable < size;
    fill(p, usable, id);
}

static void *
allocate(unsigned how, size_t align, size_t size)
{
    void *p = NULL;

    if (how == 0)
        return jsm_aligned_alloc(align, size);
    if (how == 1)
        return jsm_memalign(align, size);
    if (jsm_posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) != 0)
        return NULL;
    return p;
}

static void
report(const char *what)
{
    is_int(missing, 0, "%s: all are given", what);
    is_int(misaligned, 0, "%s: each is aligned", what);
    is_int(small, 0, "%s: each is large enough", what);
    is_int(spoilt, 0, "%s: all of each can be written, and stays", what);
    missing = misaligned = small = spoilt = 0;
}

/* For each alignment blocks of all sizes live at once, among plain ones. */
static void
test_powers(void)
{
    enum { EACH = 3 };
    void *p[COUNT_OF(sizes)][EACH], *plain[COUNT_OF(sizes)];

    for (size_t align = 1; align <= GREATEST_ALIGN; align *= 2) {
        for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
            plain[i] = jsm_malloc(sizes[i]);
            for (unsigned how = 0; how < EACH; how++) {
                p[i][how] = allocate(how, align, sizes[i]);
                judge(p[i][how], align, sizes[i], align + i * EACH + how);
            }
        }
        for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
            for (unsigned how = 0; how < EACH; how++) {
                size_t n = jsm_malloc_usable_size(p[i][how]);
                spoilt += !is_filled(p[i][how], n, n, align + i * EACH + how);
                if (how == 0)
                    jsm_free_aligned_sized(p[i][how], align, sizes[i]);
                else
                    jsm_free(p[i][how]);
            }
            jsm_free(plain[i]);
        }
    }
    report("powers of two from 1 to 4 MiB");
}

/* Small blocks with large alignment are many to a span or few; both kinds must be found again. */
static void
test_many(void)
{
    enum { MANY = 400 };
    static void *p[MANY];
    static size_t align[MANY], size[MANY];
    uint64_t r = test_seed();

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            if (p[i] != NULL) {
                size_t n = jsm_malloc_usable_size(p[i]);
                spoilt += !is_filled(p[i], n, n, i);
                jsm_free(p[i]);
            }
            align[i] = (size_t)1 << random_below(&r, 17);
            size[i] = random_below(&r, (size_t)1 << random_below(&r, 17)) + 1;
            p[i] = jsm_aligned_alloc(align[i], size[i]);
            judge(p[i], align[i], size[i], i);
        }
    }
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    report("400 of random size and alignment");
}

static void
test_pages(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        void *v = jsm_valloc(sizes[i]), *w = jsm_pvalloc(sizes[i]);
        judge(v, page, sizes[i], i);
        judge(w, page, (sizes[i] + page - 1) / page * page, i + 100);
        jsm_free(v);
        jsm_free(w);
    }
    report("valloc and pvalloc, to pages");
}

/* A block with alignment takes part in everything else. */
static void
test_realloc(void)
{
    for (size_t align = 32; align <= GREATEST_ALIGN; align *= 4) {
        for (unsigned i = 1; i < COUNT_OF(sizes); i++) {
            char *p = jsm_aligned_alloc(align, sizes[i]);
            if (p == NULL) {
                missing++;
                continue;
            }
            fill(p, sizes[i], i);
            size_t n = sizes[i] * 3 / 2 + 40;
            char *q = jsm_realloc(p, n);
            missing += q == NULL;
            spoilt += q == NULL || !is_filled(q, sizes[i], sizes[i], i);
            small += jsm_malloc_usable_size(q) < n;
            misaligned += !is_aligned(q, 16);
            q = jsm_realloc(q, sizes[i] / 2 + 1);
            spoilt += q == NULL || !is_filled(q, sizes[i] / 2, sizes[i], i);
            jsm_free(q);
        }
    }
    report("realloc of blocks with alignment");
}

static void
test_bad(void)
{
    static const size_t bad[] = {0, 3, 5, 6, 7, 9, 12, 24, 48, 100, 4095, 4097, 65537,
        SIZE_MAX, SIZE_MAX / 2, SIZE_MAX - 1};
    unsigned given = 0, wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(bad); i++) {
        void *p = &given;
        errno = 0;
        given += jsm_aligned_alloc(hide_size(bad[i]), 64) != NULL;
        wrong += errno != EINVAL;
        errno = 0;
        given += jsm_memalign(hide_size(bad[i]), 64) != NULL;
        wrong += errno != EINVAL;
        wrong += jsm_posix_memalign(&p, hide_size(bad[i]), 64) != EINVAL || p != &given;
    }
    is_int(given, 0, "nothing is given for what is no power of two");
    is_int(wrong, 0, "that is EINVAL");
    void *p = &given;
    for (size_t align = 1; align < sizeof(void *); align *= 2)
        wrong += jsm_posix_memalign(&p, align, 64) != EINVAL || p != &given;
    is_int(wrong, 0, "posix_memalign refuses alignments below sizeof (void *)");
    const size_t align = SIZE_MAX / 2 + 1;
    errno = 0;
    given += jsm_aligned_alloc(hide_size(align), 64) != NULL;
    wrong += errno != ENOMEM;
    wrong += jsm_posix_memalign(&p, hide_size(align), 64) != ENOMEM || p != &given;
    errno = 0;
    given += jsm_aligned_alloc(hide_size(align), hide_size(align)) != NULL;
    wrong += errno != ENOMEM;
    is_int(given + wrong, 0, "a power of two that cannot be had is ENOMEM, also where the sum with the size overflows");
}

int
main(void)
{
    plan(4 * 4 + 4 + 1);
    test_powers();
    test_many();
    test_pages();
    test_realloc();
    test_bad();
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
