/* t/api.c - malloc, free and calloc as the C standard has them: sizes, alignment, zero, limits;
 * and which pointers the library calls its own.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <sys/mman.h>

/* The sizes from 1 to 70000 that are tried: all small ones, then steps with odd ends. */
static size_t
next_size(size_t n)
{
    if (n < 1100)
        return n + 1;
    if (n < 8000)
        return n + 13;
    return n + 251;
}

static void
test_sizes(void)
{
    unsigned missing = 0, misaligned = 0, small = 0, other = 0, tried = 0;

    for (size_t n = 1; n <= 70000; n = next_size(n)) {
        void *p = jsm_malloc(n), *q = jsm_malloc(n);
        if (p == NULL || q == NULL)
            missing++;
        if (!is_aligned(p, natural_align(n)) || !is_aligned(q, natural_align(n)))
            misaligned++;
        if (jsm_malloc_usable_size(p) < n)
            small++;
        if (jsm_malloc_usable_size(p) != jsm_malloc_good_size(n))
            other++;
        jsm_free(p);
        jsm_free(q);
        tried++;
    }
    diag("%u sizes", tried);
    is_int(missing, 0, "malloc gives every size from 1 to 70000 bytes");
    is_int(misaligned, 0, "blocks of 16 bytes and more are aligned to 16, smaller ones to what fits into them");
    is_int(small, 0, "the usable size is at least what was asked for");
    is_int(other, 0, "malloc_good_size tells the usable size beforehand");
}

static void
test_zero(void)
{
    enum { MANY = 100 };
    void *p[MANY];
    unsigned same = 0, missing = 0;

    for (unsigned i = 0; i < MANY; i++) {
        p[i] = jsm_malloc(hide_size(0));
        missing += p[i] == NULL;
        for (unsigned j = 0; j < i; j++)
            same += p[i] == p[j];
    }
    is_int(missing, 0, "malloc(0) gives a pointer");
    is_int(same, 0, "each malloc(0) gives another one");
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    void *c = jsm_calloc(0, 8), *d = jsm_calloc(8, hide_size(0));
    ok(c != NULL && d != NULL && c != d, "calloc of nothing gives pointers of their own");
    jsm_free(c);
    jsm_free(d);
    jsm_free(NULL);
    jsm_cfree(NULL);
    jsm_free_sized(NULL, 10);
    jsm_free_aligned_sized(NULL, 16, 10);
    jsm_freezero(NULL, 10);
    ok(true, "every way of freeing takes NULL");
}

static void
test_limits(void)
{
    static const size_t impossible[] = {
        (size_t)PTRDIFF_MAX + 1, (size_t)PTRDIFF_MAX + 2,  SIZE_MAX / 2 + 4096, SIZE_MAX - 70000, SIZE_MAX - 65536,
        SIZE_MAX - 65535,        SIZE_MAX - 4096,          SIZE_MAX - 4095,     SIZE_MAX - 64,    SIZE_MAX - 16,
        SIZE_MAX - 15,           SIZE_MAX - 8,             SIZE_MAX - 7,        SIZE_MAX - 1,     SIZE_MAX,
    };
    unsigned given = 0, wrong_errno = 0;

    for (unsigned i = 0; i < COUNT_OF(impossible); i++) {
        errno = 0;
        given += jsm_malloc(hide_size(impossible[i])) != NULL;
        wrong_errno += errno != ENOMEM;
        errno = 0;
        given += jsm_calloc(1, hide_size(impossible[i])) != NULL;
        wrong_errno += errno != ENOMEM;
    }
    is_int(given, 0, "nothing larger than PTRDIFF_MAX is given");
    is_int(wrong_errno, 0, "each of these is ENOMEM");
    errno = 0;
    ok(jsm_malloc(hide_size(PTRDIFF_MAX)) == NULL, "PTRDIFF_MAX bytes cannot be had");
    is_int(errno, ENOMEM, "that is ENOMEM as well");
    void *p = jsm_malloc(100);
    ok(p != NULL, "what can be had is given after all these");
    jsm_free(p);
}

/* Each of a mixed set of blocks keeps what was written to it while the others come and go. */
static void
test_contents(void)
{
    enum { MANY = 1500 };
    static unsigned char *p[MANY];
    static size_t size[MANY];
    uint64_t r = test_seed();
    unsigned spoilt = 0;

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            if (p[i] != NULL) {
                spoilt += !is_filled(p[i], size[i], size[i], i);
                if (random_below(&r, 3) == 0)
                    continue;
                jsm_free(p[i]);
            }
            size[i] = random_below(&r, (size_t)1 << (4 + random_below(&r, 14)));
            p[i] = jsm_malloc(size[i]);
            if (p[i] == NULL)
                spoilt++;
            else
                fill(p[i], size[i], i);
        }
    }
    for (unsigned i = 0; i < MANY; i++) {
        spoilt += !is_filled(p[i], size[i], size[i], i);
        jsm_free(p[i]);
    }
    is_int(spoilt, 0, "blocks keep their contents");
}

static void
test_is_ours(void)
{
    static const size_t sizes[] = {1, 16, 100, 1000, 5000, 40000, 70000, 1000000, 100000000};
    static char a_static[64];
    char on_stack[64];
    unsigned unknown = 0, inner = 0, freed = 0;

    for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
        char *p = jsm_malloc(sizes[i]);
        unknown += jsm_is_ours(p) != 1;
        inner += jsm_is_ours(p + 1) != 0;
        if (sizes[i] >= 100)
            inner += (jsm_is_ours(p + sizes[i] / 2) != 0) + (jsm_is_ours(p + sizes[i] - 1) != 0);
        jsm_free(p);
        freed += jsm_is_ours(hide(p)) != 0;
    }
    is_int(unknown, 0, "is_ours knows blocks of all sizes");
    is_int(inner, 0, "pointers into a block are not blocks");
    is_int(freed, 0, "freed blocks are not blocks");
    void *map = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const void *foreign[] = {NULL, a_static, on_stack, (void *)(uintptr_t)test_is_ours, map, (void *)1, (void *)4096,
        (void *)(uintptr_t)0x41414141, (void *)(UINTPTR_MAX / 2), (void *)(UINTPTR_MAX / 2 + 1),
        (void *)(UINTPTR_MAX - 15), (void *)UINTPTR_MAX};
    unsigned taken = 0;
    for (unsigned i = 0; i < COUNT_OF(foreign); i++)
        taken += jsm_is_ours(foreign[i]) != 0;
    for (unsigned bit = 0; bit < sizeof(uintptr_t) * CHAR_BIT; bit++)
        taken += jsm_is_ours((void *)((uintptr_t)1 << bit)) != 0;
    is_int(taken, 0, "any pointer may be asked about, and foreign ones are not ours");
    munmap(map, 65536);
}

int
main(void)
{
    plan(20);
    test_sizes();
    test_zero();
    test_limits();
    test_contents();
    test_is_ours();
    is_str(jsm_version(), JSM_VERSION_STRING, "the library and the header have one version");
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
