/* span/check.c - do the invariants P1 to P5 of span/span.h hold?
 *
 * What a slab, a large block or a cached span is made into and out of happens without the lock of its shard; but no
 * span comes, goes, or changes its length without it.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

/* What an arena or a shard has. */
struct sums {
    size_t free_spans, free_slices, dirty_spans, dirty_slices, used_slices;
};

/* ---- Spans of an arena ---- */

static void
check_free_span(const struct jsm_arena *arena, const struct jsm_span *span, size_t index, struct jsm_faults *faults)
{
    size_t n = span->n_slices;
    const struct jsm_span *tail = span + n - 1;

    if (n > 1 && (jsm_kind(tail) != JSM_KIND_FREE_TAIL || tail->n_slices != n))
        jsm_fault(faults, "free span whose ends disagree at ", span->base);
    if (index + n < arena->frontier && jsm_kind(span + n) == JSM_KIND_FREE)
        jsm_fault(faults, "free spans that were not joined at ", span->base);
    if (jsm_dirty_slices_of(span) != jsm_bits_count(arena->dirty, index, index + n))
        jsm_fault(faults, "free span with a wrong number of dirty slices at ", span->base);
    if (!jsm_list_is_linked(&span->queue) || jsm_list_is_linked(&span->all) != (jsm_dirty_slices_of(span) != 0))
        jsm_fault(faults, "free span that is not listed at ", span->base);
}

static bool
is_nothing(enum jsm_kind kind)
{
    return kind == JSM_KIND_NONE || kind == JSM_KIND_GONE;
}

/* Of a slab: what says how far it is from the first slice. */
static void
check_parts(const struct jsm_span *slab, struct jsm_faults *faults)
{
    for (uint32_t i = 1; i < slab->n_slices; i++) {
        bool is_part = jsm_kind_seen(slab + i) == JSM_KIND_SLAB_PART;
        /* If it is not, its owner may have begun to give it back; it cannot become a slab again as long as we hold
         * the lock. */
        if (jsm_kind(slab) != JSM_KIND_SLAB)
            return;
        if (!is_part || slab[i].back != i)
            jsm_fault(faults, "slab whose further slices do not lead to it at ", slab->base);
    }
}

/* Slices of the program's memory from `slice` on; 0 if it is not part of any. */
static size_t
own_slices_locked(const struct jsm_arena *outer, const uint8_t *slice)
{
    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        const struct jsm_arena *own = jsm_arena_at(i);
        size_t offset = (uintptr_t)slice - (uintptr_t)own->base;
        if (own->shard == JSM_SHARD_OWN && own != outer && offset < (size_t)own->n_slices << JSM_SLICE_SHIFT)
            return own->n_slices - (offset >> JSM_SLICE_SHIFT);
    }
    return 0;
}

/* Of a large block, which may be the memory of a heap. */
static void
check_inside(const struct jsm_arena *arena, const struct jsm_span *span, struct jsm_faults *faults)
{
    jsm_lock(&jsm_arena_lock);
    for (size_t i = 1; i < span->n_slices; i++) {
        if (is_nothing(jsm_kind(span + i)))
            continue;
        size_t own = own_slices_locked(arena, span->base + (i << JSM_SLICE_SHIFT));
        if (own > 0)
            i += own - 1;
        else
            jsm_fault(faults, "something begins inside of the block at ", span->base);
    }
    jsm_unlock(&jsm_arena_lock);
}

static void
check_inner_slices(const struct jsm_arena *arena, const struct jsm_span *span, enum jsm_kind kind,
                   struct jsm_faults *faults)
{
    size_t n = span->n_slices - (kind == JSM_KIND_FREE && span->n_slices > 1);

    if (kind == JSM_KIND_SLAB) {
        check_parts(span, faults);
    } else if (kind == JSM_KIND_LARGE && n > 1) {
        check_inside(arena, span, faults);
    } else if (kind != JSM_KIND_BUSY) { /* which may be anything */
        for (size_t i = 1; i < n; i++)
            if (!is_nothing(jsm_kind(span + i)))
                jsm_fault(faults, "something begins inside of the span at ", span->base);
    }
}

/* The slices that the span at `index` takes: 0 if nobody knows. */
static size_t
check_span(const struct jsm_arena *arena, const struct jsm_span *span, size_t index, struct sums *sums,
           struct jsm_faults *faults)
{
    uint8_t *base = arena->base + (index << JSM_SLICE_SHIFT);
    enum jsm_kind kind = jsm_kind_seen(span);
    size_t n = span->n_slices;

    if (kind != JSM_KIND_FREE && kind != JSM_KIND_BUSY && kind != JSM_KIND_CACHED && kind != JSM_KIND_SLAB &&
        kind != JSM_KIND_LARGE) {
        jsm_fault(faults, "slices that belong to no span at ", base);
        return 0;
    }
    if (n == 0 || index + n > arena->frontier) {
        jsm_fault(faults, kind == JSM_KIND_FREE ? "free span of impossible length at " :
                                                  "span of impossible length at ", base);
        return 0;
    }
    if (span->base != base || span->arena != arena->id)
        jsm_fault(faults, "span that says that it is elsewhere at ", base);
    check_inner_slices(arena, span, kind, faults);
    if (kind == JSM_KIND_FREE) {
        check_free_span(arena, span, index, faults);
        sums->free_spans++;
        sums->free_slices += n;
        sums->dirty_spans += jsm_dirty_slices_of(span) != 0;
        sums->dirty_slices += jsm_dirty_slices_of(span);
    } else {
        sums->used_slices += n;
    }
    return n;
}

static void
check_arena(const struct jsm_arena *arena, struct sums *sums, struct jsm_faults *faults)
{
    const struct jsm_span *first = jsm_pagemap_find(arena->base);
    bool is_own = arena->shard == JSM_SHARD_OWN; /* memory of the program's: committed and dirty from the start */

    if (arena->frontier > arena->committed || (!is_own && arena->committed > arena->n_slices)) {
        jsm_fault(faults, "arena whose frontier is not committed at ", arena->base);
        return;
    }
    if (!is_own && jsm_bits_count(arena->dirty, arena->frontier, arena->n_slices) != 0)
        jsm_fault(faults, "dirty slices above the frontier of the arena at ", arena->base);
    for (size_t index = 0, n; index < arena->frontier; index += n) {
        n = check_span(arena, first + index, index, sums, faults);
        if (n == 0)
            return; /* where the next one begins nobody knows */
    }
}

/* ---- Lists of a shard ---- */

static bool
is_free_of(const struct jsm_shard *shard, const struct jsm_span *span)
{
    return jsm_kind(span) == JSM_KIND_FREE && span->arena < jsm_arena_count() &&
           jsm_shard_of(jsm_arena_at(span->arena)) == shard;
}

static void
check_bin(const struct jsm_shard *shard, size_t dirty, size_t bin, struct sums *sums, struct jsm_faults *faults)
{
    struct jsm_walk walk = JSM_WALK(&shard->bins[dirty][bin], queue);
    bool is_filled = (shard->filled[dirty][bin / 64] >> (bin % 64) & 1) != 0;

    if (is_filled == jsm_list_is_empty(&shard->bins[dirty][bin]))
        jsm_fault(faults, "bin that is empty or not, against its bit, at ", &shard->bins[dirty][bin]);
    for (const struct jsm_span *span; (span = jsm_walk_next(&walk)) != NULL; sums->free_spans++) {
        sums->free_slices += span->n_slices;
        if (!is_free_of(shard, span))
            jsm_fault(faults, "bin with what is not free at ", span->base);
        else if (jsm_span_bin(span->n_slices) != bin || (jsm_dirty_slices_of(span) != 0) != (dirty != 0))
            jsm_fault(faults, "free span in a wrong bin at ", span->base);
    }
    if (walk.is_broken)
        jsm_fault(faults, "bin whose links do not lead there and back at ", &shard->bins[dirty][bin]);
}

static void
check_lists(const struct jsm_shard *shard, const struct sums *found, struct jsm_faults *faults)
{
    struct jsm_walk by_age = JSM_WALK(&shard->by_age, all);
    struct sums listed = { 0, 0, 0, 0, 0 };

    for (size_t bin = 0; bin < 2 * JSM_BINS; bin++)
        check_bin(shard, bin / JSM_BINS, bin % JSM_BINS, &listed, faults);
    for (const struct jsm_span *span; (span = jsm_walk_next(&by_age)) != NULL; listed.dirty_spans++)
        if (!is_free_of(shard, span) || jsm_dirty_slices_of(span) == 0)
            jsm_fault(faults, "list by age with what is not free and dirty at ", span->base);
    if (by_age.is_broken)
        jsm_fault(faults, "list by age whose links do not lead there and back at ", &shard->by_age);
    if (listed.free_spans != found->free_spans || listed.free_slices != found->free_slices)
        jsm_fault(faults, "bins that do not have what is free, of the shard at ", shard);
    if (listed.dirty_spans != found->dirty_spans)
        jsm_fault(faults, "list by age that does not have what is dirty, of the shard at ", shard);
    /* ORDER: relaxed; written under the lock that we hold. */
    if (jsm_load_relaxed(&shard->free_slices) != found->free_slices)
        jsm_fault(faults, "wrong number of free slices, of the shard at ", shard);
}

/* ---- All of them ---- */

/* Arenas of the shard are on its list, each once. */
static void
check_shard(const struct jsm_shard *shard, struct sums *all, struct jsm_faults *faults)
{
    struct sums found = { 0, 0, 0, 0, 0 };
    const struct jsm_arena *arena;
    size_t n = 0;

    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        arena = jsm_arena_at(i);
        /* One that was retired is nobody's; one that is just being made may be on no list yet. */
        if (jsm_shard_of(arena) != shard || (shard->is_own && arena->frontier == 0))
            continue;
        check_arena(arena, &found, faults);
        n++;
    }
    for (arena = shard->arenas; arena != NULL && n > 0; arena = arena->next, n--) {
        if (!jsm_meta_holds(arena, sizeof *arena) || jsm_shard_of(arena) != shard) {
            jsm_fault(faults, "list of arenas with what is none, of the shard at ", shard);
            return;
        }
    }
    if (n > 0 || (arena != NULL && !shard->is_own))
        jsm_fault(faults, "list of arenas that does not have all, of the shard at ", shard);
    check_lists(shard, &found, faults);
    all->used_slices += found.used_slices;
    all->dirty_slices += found.dirty_slices;
}

static void
check_sums(const struct sums *found, struct jsm_faults *faults)
{
    /* ORDER: relaxed, both; they change under the locks that we hold. */
    if (jsm_load_relaxed(&jsm_used_slices) != found->used_slices)
        jsm_fault(faults, "wrong number of slices in use, of the shards from ", jsm_shards);
    if (jsm_load_relaxed(&jsm_dirty_slices) != found->dirty_slices)
        jsm_fault(faults, "wrong number of dirty slices, of the shards from ", jsm_shards);
}

size_t
jsm_span_check(void (*fault)(const char *what, const void *where))
{
    struct jsm_faults faults = { 0, fault };
    struct sums all = { 0, 0, 0, 0, 0 };

    jsm_arenas_check(&faults);
    unsigned n_shards = jsm_shards_lock_usual();
    for (unsigned i = 0; i < n_shards; i++)
        check_shard(&jsm_shards[i], &all, &faults);
    check_shard(&jsm_shards[JSM_SHARD_BRK], &all, &faults);
    check_sums(&all, &faults);
    jsm_shards_unlock_usual();
    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        const struct jsm_arena *arena = jsm_arena_at(i);
        if (arena->shard != JSM_SHARD_OWN)
            continue;
        jsm_lock(&arena->own_shard->lock);
        check_shard(arena->own_shard, &all, &faults);
        jsm_unlock(&arena->own_shard->lock);
    }
    return faults.n;
}
