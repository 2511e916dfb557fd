/* t/pagemap.c - from any pointer to the descriptor of its slice.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "addr/addr.h"

#include <pthread.h>
#include <stdatomic.h>

static void *
address_of(uint64_t slice)
{
    return (void *)(uintptr_t)(slice << JSM_SLICE_SHIFT);
}

static void
test_nothing(void)
{
    uint64_t random = 3;
    unsigned found = 0;

    for (unsigned i = 0; i < 100000; i++)
        found += jsm_pagemap_find((void *)(uintptr_t)random_next(&random)) != NULL;
    is_uint(found, 0, "before anything is mapped there is no descriptor of anything");
    int here = 0;
    ok(jsm_pagemap_find(NULL) == NULL && jsm_pagemap_find(&here) == NULL &&
           jsm_pagemap_find(hide((void *)UINTPTR_MAX)) == NULL,
       "any pointer may be asked about");
}

static void
test_prepare(void)
{
    uint8_t *p = jsm_os_reserve(100 * JSM_SLICE_BYTES, JSM_SLICE_BYTES);
    unsigned wrong = 0, not_zero = 0;

    is_int(jsm_pagemap_prepare(p, 100 * JSM_SLICE_BYTES), 0, "descriptors can be made for any addresses");
    struct jsm_span *first = jsm_pagemap_find(p);
    for (size_t i = 0; i < 100; i++) {
        struct jsm_span *span = jsm_pagemap_find(p + i * JSM_SLICE_BYTES);
        wrong += span != first + i;
        wrong += jsm_pagemap_find(p + (i + 1) * JSM_SLICE_BYTES - 1) != span;
        wrong += jsm_pagemap_find(p + i * JSM_SLICE_BYTES + 12345) != span;
        not_zero += !is_zero(span, sizeof *span) || jsm_kind(span) != JSM_KIND_NONE;
        wrong += !is_aligned(span, JSM_CACHE_LINE);
    }
    is_uint(wrong, 0, "neighbours in memory are neighbours among descriptors, one for each slice");
    is_uint(not_zero, 0, "that of a slice which nobody uses reads as zero");
    for (size_t i = 0; i < 100; i++)
        memset(first + i, (int)i + 1, sizeof *first);
    ok(jsm_pagemap_prepare(p, 100 * JSM_SLICE_BYTES) == 0 && jsm_pagemap_prepare(p + JSM_SLICE_BYTES, 1) == 0 &&
           is_all(first, sizeof *first, 1) && is_all(first + 99, sizeof *first, 100),
       "made again, they stay as they are");
    memset(first, 0, 100 * sizeof *first);
    /* Each window may be read in whole, whatever part of it is in use. */
    uintptr_t window = (uintptr_t)p >> (JSM_WINDOW_SHIFT - 1) >> 1 << (JSM_WINDOW_SHIFT - 1) << 1;
    unsigned used = 0;
    for (uint64_t i = 0; i < JSM_WINDOW_SLICES; i += 61)
        used += jsm_kind(jsm_pagemap_find((void *)(window + (uintptr_t)(i << JSM_SLICE_SHIFT)))) != JSM_KIND_NONE;
    is_uint(used, 0, "the descriptor of any address near it may be read");
}

static void
test_windows(void)
{
#if UINTPTR_MAX > UINT32_MAX
    uint64_t boundary = JSM_WINDOW_SLICES * 777;

    ok(jsm_pagemap_find(address_of(boundary)) == NULL && jsm_pagemap_find(address_of(boundary - 1)) == NULL,
       "other windows are not there");
    is_int(jsm_pagemap_prepare(address_of(boundary - 3), 6 * JSM_SLICE_BYTES), 0, "addresses may lie in two windows");
    struct jsm_span *before = jsm_pagemap_find(address_of(boundary - 3)),
    *after = jsm_pagemap_find(address_of(boundary));
    memset(before, 1, 3 * sizeof *before);
    memset(after, 2, 3 * sizeof *after);
    ok(is_all(before, 3 * sizeof *before, 1) && jsm_pagemap_find(address_of(boundary - 1)) == before + 2,
       "each has the descriptors of its own");
    ok(jsm_pagemap_find(address_of(JSM_WINDOW_SLICES * 779)) == NULL, "and no more are made than are asked for");
    ok(jsm_pagemap_prepare(address_of((uint64_t)JSM_WINDOWS * JSM_WINDOW_SLICES), 1) == ENOMEM &&
           jsm_pagemap_prepare(address_of((uint64_t)JSM_WINDOWS * JSM_WINDOW_SLICES - 1), 2 * JSM_SLICE_BYTES) ==
               ENOMEM,
       "there are none for more addresses than a process has");
    ok(jsm_pagemap_prepare(address_of((uint64_t)JSM_WINDOWS * JSM_WINDOW_SLICES - 1), JSM_SLICE_BYTES) == 0 &&
           jsm_pagemap_find(address_of((uint64_t)JSM_WINDOWS * JSM_WINDOW_SLICES - 1)) != NULL,
       "but for the last of them there are");
#else
    skip(6, "all addresses are in one window");
#endif
}

static void
test_no_memory(void)
{
#if UINTPTR_MAX > UINT32_MAX
    void *p = address_of(JSM_WINDOW_SLICES * 555);
    unsigned wrong = 0, n = 0;

    /* The window is reserved, made readable, and in part writable. */
    for (int i = 0; i < 3; i++) {
        jsm_os_fail_after = i;
        wrong += jsm_pagemap_prepare(p, 1) != ENOMEM;
        n += jsm_os_fail_after == -1;
        jsm_os_fail_after = -1;
    }
    ok(wrong == 0 && n == 3, "without memory there is no descriptor");
    ok(jsm_pagemap_prepare(p, 1) == 0 && is_zero(jsm_pagemap_find(p), sizeof(struct jsm_span)), "until there is some");
#else
    skip(2, "the only window is there");
#endif
}

enum { THREADS = 3, EACH = 200 };
static _Atomic(unsigned) n_failed;

/* Slices in twenty windows, where there are so many. */
static void *
place(uint64_t i, uint64_t self)
{
    uint64_t window = JSM_WINDOWS > 1 ? 1000 + i % 20 : 0;

    return address_of(window * JSM_WINDOW_SLICES + 8 * i + self);
}

static void *
prepare_many(void *arg)
{
    uint64_t self = (uintptr_t)arg;

    for (uint64_t i = 0; i < EACH; i++) {
        void *p = place(i, self);
        if (jsm_pagemap_prepare(p, 1) != 0) {
            atomic_fetch_add(&n_failed, 1);
            continue;
        }
        jsm_pagemap_find(p)->n_slices = (uint32_t)(i * THREADS + self);
    }
    return NULL;
}

static void
test_threads(void)
{
    pthread_t thread[THREADS];
    unsigned wrong = 0;

    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, prepare_many, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (uint64_t self = 0; self < THREADS; self++)
        for (uint64_t i = 0; i < EACH; i++)
            wrong += jsm_pagemap_find(place(i, self))->n_slices != i * THREADS + self;
    ok(wrong == 0 && n_failed == 0, "several threads may make descriptors at the same time, in the same window");
}

int
main(void)
{
    plan(2 + 5 + 6 + 2 + 1);
    test_nothing();
    test_prepare();
    test_windows();
    test_no_memory();
    test_threads();
    return done();
}
