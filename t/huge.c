/* t/huge.c - blocks that are mappings of their own: found, resized, moved, counted, given back.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "span/span.h"

#include <pthread.h>
#include <stdatomic.h>

static size_t page;

static struct jsm_span_totals
totals(void)
{
    struct jsm_span_totals t;

    memset(&t, 0, sizeof t);
    jsm_huge_totals(&t);
    return t;
}

static void
put_pattern(struct jsm_span *span)
{
    fill(span->base, span->size_bytes, 5);
}

static bool
has_pattern(const struct jsm_span *span, size_t n, size_t filled)
{
    return is_filled(span->base, n, filled, 5);
}

static void
test_alloc(void)
{
    struct jsm_span *span = jsm_huge_alloc(3 * JSM_MIB + 100, 16);
    uint8_t *base = span->base;

    ok(jsm_kind(span) == JSM_KIND_HUGE && span->size_bytes == 3 * JSM_MIB + 100, "a mapping has the length asked for");
    ok(is_aligned(base, JSM_SLICE_BYTES) && jsm_pagemap_find(base) == span, "and is found by its address");
    ok(is_zero(base, jsm_round_up(span->size_bytes, page)), "it reads as zero");
    memset(base, 1, jsm_round_up(span->size_bytes, page));
    ok(jsm_huge_around(base) == span && jsm_huge_around(base + 2 * JSM_MIB) == span &&
           jsm_huge_around(base + span->size_bytes) == span,
       "an address in its middle leads to it");
    ok(jsm_huge_around(base - 1) == NULL && jsm_huge_around(base + jsm_round_up(span->size_bytes, page)) == NULL &&
           jsm_huge_around(NULL) == NULL,
       "one outside of it does not");
    jsm_huge_free(span);
    ok(jsm_kind(span) == JSM_KIND_GONE && jsm_huge_around(base) == NULL, "freed, it is nothing any more");
    is_str(access_of(base), "", "and its addresses are given back");

    unsigned misaligned = 0;
    for (size_t align = 16; align <= 8 * JSM_MIB; align *= 2) {
        span = jsm_huge_alloc(100000, align);
        misaligned += span == NULL || !is_aligned(span->base, align);
        if (span != NULL)
            jsm_huge_free(span);
    }
    is_uint(misaligned, 0, "alignments are kept");
}

static void
test_count(void)
{
    struct jsm_span_totals before = totals();
    struct jsm_span *a = jsm_huge_alloc(JSM_MIB, 16), *b = jsm_huge_alloc(2 * JSM_MIB + 1, 16);
    struct jsm_span_totals with = totals();

    ok(with.huge_count == before.huge_count + 2 && with.huge_bytes == before.huge_bytes + 3 * JSM_MIB + page,
       "mappings are counted, in whole pages");
    jsm_huge_free(a);
    jsm_huge_free(b);
    struct jsm_span_totals after = totals();
    ok(after.huge_count == before.huge_count && after.huge_bytes == before.huge_bytes, "until they are freed");
    ok(after.max_huge_bytes >= with.huge_bytes, "the most there ever were is known");
}

static void
test_refused(void)
{
    ok(jsm_huge_alloc(SIZE_MAX, 16) == NULL && jsm_huge_alloc(SIZE_MAX - page, 16) == NULL,
       "there is no mapping of all addresses");
    (void)set_option("mmap_max", "2");
    struct jsm_span *a = jsm_huge_alloc(JSM_MIB, 16), *b = jsm_huge_alloc(JSM_MIB, 16);
    ok(a != NULL && b != NULL && jsm_huge_alloc(JSM_MIB, 16) == NULL, "there are no more than mmap_max");
    jsm_huge_free(b);
    b = jsm_huge_alloc(JSM_MIB, 16);
    ok(b != NULL, "one that was freed makes room");
    (void)set_option("mmap_max", "0");
    ok(jsm_huge_alloc(JSM_MIB, 16) == NULL, "with mmap_max=0 there are none");
    jsm_huge_free(a);
    jsm_huge_free(b);
    (void)set_option("mmap_max", "65536");

    struct jsm_span_totals before = totals();
    unsigned given = 0;
    for (int i = 0; i < 2; i++) {
        jsm_os_fail_sticky = true;
        jsm_os_fail_after = i;
        struct jsm_span *span = jsm_huge_alloc(JSM_MIB, 16);
        jsm_os_fail_after = -1;
        given += span != NULL;
    }
    jsm_os_fail_sticky = false;
    ok(given == 0 && totals().huge_bytes == before.huge_bytes && totals().huge_count == before.huge_count,
       "without memory for it or its descriptor there is none, and none is counted");
}

/* ---- Resizing ---- */

static void
test_in_place(void)
{
    struct jsm_span *span = jsm_huge_alloc(4 * JSM_MIB, 16);
    uint8_t *base = span->base;
    size_t bytes = totals().huge_bytes;

    put_pattern(span);
    ok(jsm_huge_resize(span, 2 * JSM_MIB + 1, false) == span && span->base == base &&
           span->size_bytes == 2 * JSM_MIB + 1,
       "a mapping shrinks where it is");
    ok(has_pattern(span, 2 * JSM_MIB + 1, 4 * JSM_MIB), "with its contents");
    ok(strcmp(access_of(base + 3 * JSM_MIB), "") == 0 && totals().huge_bytes == bytes - 2 * JSM_MIB + page,
       "and gives the rest back");
    ok(jsm_huge_resize(span, 2 * JSM_MIB + 50, false) == span && span->size_bytes == 2 * JSM_MIB + 50,
       "within its last page it just changes its length");
    /* Where there is something behind it, it cannot grow. */
    struct jsm_span *grown = jsm_huge_resize(span, 3 * JSM_MIB, false);
    ok((grown == span && span->size_bytes == 3 * JSM_MIB) || (grown == NULL && span->size_bytes == 2 * JSM_MIB + 50),
       "it grows where it is, or stays as it is");
    jsm_os_fail_after = 0;
    grown = jsm_huge_resize(span, 40 * JSM_MIB, false);
    jsm_os_fail_after = -1;
    ok(grown == NULL && span->base == base && jsm_kind(span) == JSM_KIND_HUGE && jsm_huge_around(base) == span,
       "refused, it stays as it is");
    ok(has_pattern(span, 2 * JSM_MIB + 1, 4 * JSM_MIB), "and its contents do");
    ok(jsm_huge_resize(span, SIZE_MAX - 5, true) == NULL && jsm_kind(span) == JSM_KIND_HUGE,
       "it does not grow beyond all addresses");
    jsm_huge_free(span);
}

static void
test_moving(void)
{
    struct jsm_span *span = jsm_huge_alloc(2 * JSM_MIB, 16);
    uint8_t *base = span->base;
    size_t bytes = totals().huge_bytes, count = totals().huge_count;

    put_pattern(span);
    jsm_os_fail_after = 0; /* not in place */
    struct jsm_span *moved = jsm_huge_resize(span, 6 * JSM_MIB, true);
    jsm_os_fail_after = -1;
    ok(moved != NULL && moved != span && moved->base != base && jsm_kind(moved) == JSM_KIND_HUGE,
       "what cannot grow where it is moves");
    if (moved == NULL)
        _exit(1);
    ok(is_aligned(moved->base, JSM_SLICE_BYTES) && jsm_pagemap_find(moved->base) == moved &&
           moved->size_bytes == 6 * JSM_MIB,
       "to where it is found as before");
    ok(has_pattern(moved, 2 * JSM_MIB, 2 * JSM_MIB), "with its contents");
    ok(is_zero(moved->base + 2 * JSM_MIB, 4 * JSM_MIB), "what is new reads as zero");
    memset(moved->base + 2 * JSM_MIB, 1, 4 * JSM_MIB);
    ok(jsm_kind(span) == JSM_KIND_GONE && jsm_huge_around(base) == NULL && strcmp(access_of(base), "") == 0,
       "where it was there is nothing any more");
    ok(totals().huge_bytes == bytes + 4 * JSM_MIB && totals().huge_count == count, "it is counted once, as it is now");

    unsigned changed = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t *now = moved->base;
        jsm_os_fail_sticky = true;
        jsm_os_fail_after = i;
        struct jsm_span *got = jsm_huge_resize(moved, 100 * JSM_MIB, true);
        jsm_os_fail_after = -1;
        jsm_os_fail_sticky = false;
        changed += got == NULL && (moved->base != now || moved->size_bytes != 6 * JSM_MIB ||
                                   jsm_kind(moved) != JSM_KIND_HUGE || !has_pattern(moved, 2 * JSM_MIB, 2 * JSM_MIB));
        if (got != NULL)
            moved = jsm_huge_resize(got, 6 * JSM_MIB, true);
    }
    is_uint(changed, 0, "what may not move, for lack of anything, stays as it is");
    jsm_huge_free(moved);
    ok(totals().huge_bytes == bytes - 2 * JSM_MIB && totals().huge_count == count - 1, "and in the end it is gone");
}

/* ---- Several threads ---- */

enum { THREADS = 4, MAPPINGS_MAX = 3 };
static atomic_uint wrong_contents, too_many;
static pthread_barrier_t start;

static void *
work(void *arg)
{
    uint64_t random = (uintptr_t)arg + 3;
    unsigned wrong = 0;

    for (unsigned step = 0; step < rounds(300, 10000); step++) {
        size_t bytes = 65536 + random_below(&random, 500000);
        struct jsm_span *span = jsm_huge_alloc(bytes, 16);
        if (span == NULL)
            continue;
        wrong += span->base[0] != 0 || span->base[bytes - 1] != 0;
        span->base[0] = span->base[60000] = (uint8_t)step;
        struct jsm_span *resized = jsm_huge_resize(span, 65536 + random_below(&random, 500000), step % 2 == 0);
        span = resized != NULL ? resized : span;
        wrong += span->base[0] != (uint8_t)step || span->base[60000] != (uint8_t)step;
        wrong += jsm_huge_around(span->base + 60000) != span;
        jsm_huge_free(span);
    }
    atomic_fetch_add(&wrong_contents, wrong);
    return NULL;
}

/* All ask at the same time, many times. */
static void *
compete(void *arg)
{
    (void)arg;
    for (unsigned round = 0; round < rounds(300, 10000); round++) {
        pthread_barrier_wait(&start);
        struct jsm_span *span = jsm_huge_alloc(65536, 16);
        pthread_barrier_wait(&start);
        if (totals().huge_count > MAPPINGS_MAX)
            atomic_fetch_add(&too_many, 1);
        pthread_barrier_wait(&start);
        if (span != NULL)
            jsm_huge_free(span);
    }
    return NULL;
}

static void
run(void *(*body)(void *))
{
    pthread_t thread[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, body, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

static void
test_threads(void)
{
    struct jsm_span_totals before = totals();

    run(work);
    is_uint(atomic_load(&wrong_contents), 0, "the mappings of several threads are not mixed up");
    pthread_barrier_init(&start, NULL, THREADS);
    (void)set_option("mmap_max", "3");
    run(compete);
    is_uint(atomic_load(&too_many), 0, "there are no more than mmap_max, however many ask at once");
    ok(totals().huge_count == before.huge_count && totals().huge_bytes == before.huge_bytes, "all of them are gone");
}

int
main(void)
{
    plan(8 + 3 + 5 + 8 + 8 + 3);
    end_if_stuck();
    page = jsm_os_page_bytes();
    test_alloc();
    test_count();
    test_refused();
    test_in_place();
    test_moving();
    test_threads();
    return done();
}
