/* heap/cache.c - spans that a thread keeps for its next slabs.
 *
 * Invariants:
 *   C1  a span in a cache has kind CACHED, `theap` tells whose, and it still has the links of its last class
 *   C2  only the owner puts spans in and takes one; anybody may take all, so that the memory of a
 *       thread that sleeps is not out of reach
 *   C3  n_cached is the length of the list, but for what somebody is about to take
 *
 *   who          operation       order    publishes / sees
 *   E1 keep      CAS, store      release  the descriptors in the list
 *   E2 empty     exchange        acquire  the same; the owner, who alone puts spans in, knows them
 *
 * How many it may be follows demand (option cache_adapt): for each span that a thread gave back and
 * then had to fetch again it may keep one more, up to a share of the memory in use; what was not used
 * between two ticks is cut by half, and a cache that nobody used for two ticks is emptied.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

static bool
is_adaptive(void)
{
    return jsm_option(JSM_OPT_CACHE_ADAPT) != 0;
}

/* The most that a cache may hold now. */
static uint32_t
most_spans(const struct jsm_theap *th)
{
    /* ORDER: relaxed; an amount. */
    uint32_t most = jsm_load_relaxed(&th->cache_max);

    if (!is_adaptive())
        return JSM_CACHE_SPANS_FIXED;
    return jsm_max(most, (uint32_t)JSM_CACHE_SPANS_MIN);
}

/* A thread's share: a quarter of the memory in use, divided by all. */
static uint32_t
share_spans(void)
{
    /* ORDER: relaxed, both; amounts. */
    size_t used = jsm_load_relaxed(&jsm_used_slices), threads = jsm_load_relaxed(&jsm_theaps_live);
    size_t share = used / (4 * jsm_max(threads, (size_t)1));

    return (uint32_t)jsm_min(jsm_max(share, (size_t)JSM_CACHE_SPANS_MIN), (size_t)JSM_CACHE_SPANS_MAX);
}

JSM_CORE static void
count(struct jsm_theap *th, size_t more, size_t less)
{
    /* ORDER: relaxed, all; amounts. */
    jsm_fetch_add_relaxed(&th->n_cached, (uint32_t)(more - less));
    jsm_fetch_add_relaxed(&th->cache_uses, 1);
    if (!jsm_heap_is_user(th->heap))
        jsm_fetch_add_relaxed(&jsm_kept_bytes, (more - less) << JSM_SLICE_SHIFT);
}

JSM_CORE bool
jsm_cache_put(struct jsm_theap *th, struct jsm_span *span)
{
    /* ORDER: relaxed; C3 allows it to be a little off. */
    if (jsm_load_relaxed(&th->n_cached) >= most_spans(th) ||
        span->block_bytes > (size_t)jsm_option(JSM_OPT_FAST_MAX)) {
        th->n_spilled = jsm_min(th->n_spilled + 1, (uint32_t)JSM_CACHE_SPANS_MAX);
        return false;
    }
    /* ORDER: relaxed; with the kind, for who looks after fork(). */
    jsm_store_relaxed(&span->theap, th);
    jsm_set_kind(span, JSM_KIND_CACHED);
    /* ORDER: relaxed, a first guess. */
    struct jsm_span *first = jsm_load_relaxed(&th->cached);
    do
        span->inbox_next = first;
    /* ORDER E1: release, with E2: the descriptors. */
    while (!jsm_cas_weak_release(&th->cached, &first, span));
    count(th, 1, 0);
    return true;
}

/* The cache is empty: would it have had a span if it were larger? */
static void
consider_growth(struct jsm_theap *th)
{
    uint32_t most = most_spans(th);

    if (th->n_spilled == 0 || !is_adaptive())
        return;
    th->n_spilled--;
    if (most < share_spans())
        /* ORDER: relaxed; an amount. */
        jsm_store_relaxed(&th->cache_max, most + 1);
}

JSM_CORE struct jsm_span *
jsm_cache_take(struct jsm_theap *th)
{
    /* ORDER: relaxed, a hint that spares the exchange. */
    if (jsm_load_relaxed(&th->cached) == NULL) {
        consider_growth(th);
        return NULL;
    }
    /* ORDER: relaxed; by C2 it is NULL or what we stored ourselves. */
    struct jsm_span *span = jsm_exchange_relaxed(&th->cached, NULL);
    if (span == NULL)
        return NULL;
    /* ORDER E1: release, with E2: a store, so it has to publish what is left once more.  It is NULL now, and by C2
     * remains so. */
    jsm_store_release(&th->cached, span->inbox_next);
    jsm_set_kind(span, JSM_KIND_BUSY); /* see jsm_slab_release() */
    count(th, 0, 1);
    /* ORDER: relaxed, both; the ager may miss one. */
    uint32_t left = jsm_load_relaxed(&th->n_cached);
    if (left < jsm_load_relaxed(&th->cache_low))
        jsm_store_relaxed(&th->cache_low, left);
    return span;
}

JSM_CORE void
jsm_cache_drop(struct jsm_theap *th)
{
    /* ORDER E2: acquire, with E1: the descriptors. */
    struct jsm_span *span = jsm_exchange_acquire(&th->cached, NULL);

    while (span != NULL) {
        struct jsm_span *next = span->inbox_next;
        count(th, 0, 1);
        jsm_slab_release(span);
        span = next;
    }
}

size_t
jsm_cache_sum(struct jsm_theap *th, size_t (*bytes_of)(const struct jsm_span *span))
{
    /* ORDER: relaxed, as in jsm_cache_take(). */
    struct jsm_span *all = jsm_exchange_relaxed(&th->cached, NULL);
    size_t bytes = 0;

    for (const struct jsm_span *span = all; span != NULL; span = span->inbox_next)
        bytes += bytes_of(span);
    /* ORDER E1: release, as in jsm_cache_take(). */
    jsm_store_release(&th->cached, all);
    return bytes;
}

void
jsm_cache_check(struct jsm_theap *th, struct jsm_faults *faults)
{
    /* ORDER: relaxed, as in jsm_cache_take(). */
    struct jsm_span *all = jsm_exchange_relaxed(&th->cached, NULL);
    /* ORDER: relaxed; from here on it is no less than the length of our list (C3). */
    uint32_t n = 0, most = jsm_load_relaxed(&th->n_cached);

    for (const struct jsm_span *span = all; span != NULL; span = span->inbox_next, n++) {
        /* ORDER: relaxed; we wrote it. */
        if (n == most || !jsm_pagemap_holds(span) || jsm_kind(span) != JSM_KIND_CACHED || span->link == NULL ||
            span->n_slices != 1 || jsm_load_relaxed(&span->theap) != th) {
            jsm_fault(faults, "cache with what cannot be there, of the thread heap at ", th);
            break;
        }
    }
    /* ORDER E1: release, as in jsm_cache_take(). */
    jsm_store_release(&th->cached, all);
}

bool
jsm_cache_has(const struct jsm_theap *th, const struct jsm_span *span)
{
    /* ORDER: relaxed; the child of fork() has one thread. */
    return th != NULL && jsm_load_relaxed(&span->theap) == th;
}

/* All that ageing looks at are amounts, of which the owner may change one meanwhile. */
static void
set_amount(_Atomic(uint32_t) *of, uint32_t value)
{
    /* ORDER: relaxed, as said. */
    jsm_store_relaxed(of, value);
}

static uint32_t
amount(const _Atomic(uint32_t) *of)
{
    /* ORDER: relaxed, as said. */
    return jsm_load_relaxed(of);
}

JSM_CORE void
jsm_cache_age(struct jsm_theap *th)
{
    if (!is_adaptive())
        return;
    if (amount(&th->cache_uses) != th->aged_uses) {
        uint32_t most = most_spans(th), unused = amount(&th->cache_low);
        th->aged_uses = amount(&th->cache_uses);
        th->idle_ages = 0;
        if (unused > 1)
            set_amount(&th->cache_max, jsm_max(most - jsm_min(unused / 2, most), (uint32_t)JSM_CACHE_SPANS_MIN));
        set_amount(&th->cache_low, amount(&th->n_cached));
    } else if (th->idle_ages < 2 && ++th->idle_ages == 2) {
        jsm_cache_drop(th);
        th->aged_uses = amount(&th->cache_uses);
        set_amount(&th->cache_max, JSM_CACHE_SPANS_MIN);
    }
}
