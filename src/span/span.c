/* span/span.c - the page heap: best fit, splitting, immediate coalescing.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

JSM_SPARSE struct jsm_shard jsm_shards[JSM_SHARDS_MAX + 1];

void (*jsm_span_pressure)(void);
_Atomic(uint32_t) jsm_purge_due;

_Atomic(size_t) jsm_used_slices, jsm_dirty_slices, jsm_purged_slices, jsm_purge_calls, jsm_kept_bytes;

static _Atomic(uint32_t) n_shards_decided; /* [lock BRK] 0: not yet */

/* The lock of the shard that always is: fork() holds it, so nobody decides meanwhile. */
static void
lock_first_of_shards(void)
{
    struct jsm_lock *lock = &jsm_shards[JSM_SHARD_BRK].lock;

    if (lock->rank != JSM_RANK_SHARD)
        lock->rank = JSM_RANK_SHARD; /* not by an initialiser: that would be 80 KiB of file */
    jsm_lock(lock);
}

JSM_CORE JSM_COLD static unsigned
decide_shards(void)
{
    int64_t option = jsm_option(JSM_OPT_ARENA_MAX);
    unsigned cpus = jsm_os_cpus(), n = cpus <= 4 ? 1 : jsm_min(cpus / 4 + 1, (unsigned)JSM_SHARDS_MAX);

    if (option > 0)
        n = jsm_min((unsigned)option, (unsigned)JSM_SHARDS_MAX);
    lock_first_of_shards();
    /* ORDER: relaxed, both; it changes under the lock. */
    unsigned decided = jsm_load_relaxed(&n_shards_decided);
    if (decided != 0) {
        n = decided;
    } else {
        for (unsigned i = 0; i < n; i++)
            jsm_shards[i].lock.rank = JSM_RANK_SHARD;
        jsm_store_relaxed(&n_shards_decided, n);
    }
    jsm_unlock(&jsm_shards[JSM_SHARD_BRK].lock);
    return n;
}

JSM_CORE unsigned
jsm_shard_count(void)
{
    /* ORDER: relaxed; who finds 0 asks again. */
    unsigned n = jsm_load_relaxed(&n_shards_decided);

    return jsm_likely(n != 0) ? n : decide_shards();
}

size_t
jsm_span_bin(size_t n_slices)
{
    if (n_slices <= JSM_BINS_EXACT)
        return n_slices - 1;
    unsigned top = jsm_log2(n_slices);
    return JSM_BINS_EXACT + (size_t)(top - 5) * 4 + ((n_slices >> (top - 2)) & 3);
}

struct jsm_shard *
jsm_shard_of(const struct jsm_arena *arena)
{
    return arena->shard == JSM_SHARD_OWN ? arena->own_shard : &jsm_shards[arena->shard];
}

static struct jsm_span *
span_of_link(struct jsm_link *link)
{
    return jsm_list_entry(link, struct jsm_span, queue);
}

static void
count(_Atomic(size_t) *counter, size_t more, size_t less)
{
    /* ORDER: relaxed; an amount to steer by, nothing is read because of it. */
    jsm_fetch_add_relaxed(counter, more - less);
}

static _Atomic(size_t) peak_bytes;

size_t
jsm_span_peak_bytes(void)
{
    /* ORDER: relaxed; a statistic. */
    return jsm_load_relaxed(&peak_bytes);
}

JSM_CORE void
jsm_span_note_peak(void)
{
    /* ORDER: relaxed, all three; amounts. */
    size_t bytes = (jsm_load_relaxed(&jsm_used_slices) << JSM_SLICE_SHIFT) + jsm_load_relaxed(&jsm_mapped_bytes);
    size_t peak = jsm_load_relaxed(&peak_bytes);

    /* ORDER: relaxed; an amount. */
    while (bytes > peak && !jsm_cas_weak_relaxed(&peak_bytes, &peak, bytes))
        ;
}

/* ---- Lists of free spans ---- */

static void
bin_insert(struct jsm_shard *shard, struct jsm_span *span, struct jsm_link *older)
{
    size_t bin = jsm_span_bin(span->n_slices), dirty = jsm_dirty_slices_of(span) != 0;

    jsm_list_append(&shard->bins[dirty][bin], &span->queue);
    shard->filled[dirty][bin / 64] |= UINT64_C(1) << (bin % 64);
    if (dirty)
        jsm_list_insert(older->next, &span->all);
    if (!shard->is_own)
        count(&jsm_dirty_slices, jsm_dirty_slices_of(span), 0);
    count(&shard->free_slices, span->n_slices, 0);
}

JSM_CORE void
jsm_span_unlist_locked(struct jsm_shard *shard, struct jsm_span *span)
{
    size_t bin = jsm_span_bin(span->n_slices), dirty = jsm_dirty_slices_of(span) != 0;

    jsm_assert(jsm_kind(span) == JSM_KIND_FREE);
    jsm_list_remove(&span->queue);
    if (jsm_list_is_empty(&shard->bins[dirty][bin]))
        shard->filled[dirty][bin / 64] &= ~(UINT64_C(1) << (bin % 64));
    if (dirty)
        jsm_list_remove(&span->all);
    if (!shard->is_own)
        count(&jsm_dirty_slices, 0, jsm_dirty_slices_of(span));
    count(&shard->free_slices, 0, span->n_slices);
    jsm_set_kind(&span[span->n_slices - 1], JSM_KIND_NONE);
    jsm_set_kind(span, JSM_KIND_BUSY);
}

/* Where in the list by age what has just been freed goes: behind the youngest. */
static struct jsm_link *
youngest(struct jsm_shard *shard)
{
    if (shard->by_age.next == NULL)
        jsm_list_init(&shard->by_age);
    return shard->by_age.prev;
}

/* Where what is left over of a free span goes: to the place that it has. */
static struct jsm_link *
older_than(struct jsm_shard *shard, struct jsm_span *span)
{
    return jsm_list_is_linked(&span->all) ? span->all.prev : youngest(shard);
}

/* Writes the descriptors of a free span at slice `index` and lists it, behind `older` by age. */
JSM_CORE static void
list_range(struct jsm_shard *shard, struct jsm_arena *arena, size_t index, size_t n, uint32_t freed_at_ms,
           struct jsm_link *older)
{
    uint8_t *base = arena->base + (index << JSM_SLICE_SHIFT);
    struct jsm_span *span = jsm_pagemap_find(base), *tail = span + n - 1;

    if (span->base != base) /* else it stays unwritten: a thread that frees the block once more may be reading it */
        span->base = base;
    span->arena = tail->arena = arena->id;
    span->n_slices = tail->n_slices = (uint32_t)n;
    jsm_set_free(span, (uint32_t)jsm_bits_count(arena->dirty, index, index + n), freed_at_ms);
    if (n > 1)
        jsm_set_kind(tail, JSM_KIND_FREE_TAIL);
    jsm_set_kind(span, JSM_KIND_FREE);
    bin_insert(shard, span, older);
}

JSM_CORE void
jsm_span_list_locked(struct jsm_shard *shard, struct jsm_span *span, uint32_t freed_at_ms, bool left_over)
{
    struct jsm_arena *arena = jsm_arena_at(span->arena);
    size_t index = jsm_arena_index(arena, span->base), n = span->n_slices;

    jsm_set_kind(span, JSM_KIND_NONE);
    if (index + n < arena->frontier && jsm_kind(span + n) == JSM_KIND_FREE) {
        struct jsm_span *right = span + n;
        jsm_span_unlist_locked(shard, right);
        jsm_set_kind(right, JSM_KIND_NONE);
        n += right->n_slices;
    }
    if (index > 0 && (jsm_kind(span - 1) == JSM_KIND_FREE || jsm_kind(span - 1) == JSM_KIND_FREE_TAIL)) {
        struct jsm_span *left = span - span[-1].n_slices;
        jsm_span_unlist_locked(shard, left);
        jsm_set_kind(left, JSM_KIND_NONE);
        index -= left->n_slices;
        n += left->n_slices;
    }
    list_range(shard, arena, index, n, freed_at_ms, left_over ? &shard->by_age : youngest(shard));
}

/* ---- Finding a span ---- */

/* The shortest span of at least `n` slices in one bin; of equals the least recently used, or the
 * most. */
static struct jsm_span *
bin_best(struct jsm_link *bin, size_t n, bool newest)
{
    struct jsm_span *best = NULL;

    for (struct jsm_link *l = newest ? bin->prev : bin->next; l != bin && l != NULL; l = newest ? l->prev : l->next) {
        struct jsm_span *span = span_of_link(l);
        if (span->n_slices >= n && (best == NULL || span->n_slices < best->n_slices))
            best = span;
        if (best != NULL && best->n_slices == n)
            break;
    }
    return best;
}

JSM_CORE static struct jsm_span *
half_best(struct jsm_shard *shard, size_t dirty, size_t n, bool newest)
{
    size_t bin = jsm_span_bin(n);
    struct jsm_span *best = NULL;

    while (best == NULL) {
        bin = jsm_bits_find(shard->filled[dirty], bin, JSM_BINS, true);
        if (bin == JSM_BINS)
            return NULL;
        best = bin_best(&shard->bins[dirty][bin], n, newest);
        bin++;
    }
    return best;
}

/* Best fit; of equals a dirty one, or a clean one if that is wanted. */
static struct jsm_span *
best_fit(struct jsm_shard *shard, size_t n, enum jsm_span_want want)
{
    bool newest = want == JSM_WANT_NEWEST, clean = want == JSM_WANT_CLEAN;
    struct jsm_span *first = half_best(shard, !clean, n, newest);
    struct jsm_span *second = half_best(shard, clean, n, newest);

    if (first == NULL || second == NULL)
        return first != NULL ? first : second;
    return second->n_slices < first->n_slices ? second : first;
}

/* ---- Handing out ---- */

/* Makes [index, index + n) of the arena a BUSY span. */
JSM_CORE static struct jsm_span *
hand_out(struct jsm_arena *arena, size_t index, size_t n, bool *clean)
{
    struct jsm_span *span = jsm_pagemap_find(arena->base + (index << JSM_SLICE_SHIFT));
    size_t purged = jsm_bits_count(arena->purged, index, index + n);

    *clean = jsm_bits_count(arena->dirty, index, index + n) == 0;
    jsm_bits_set(arena->dirty, index, index + n);
    if (purged != 0) {
        jsm_bits_clear(arena->purged, index, index + n);
        jsm_purge_regret(purged);
    }
    span->base = arena->base + (index << JSM_SLICE_SHIFT);
    span->arena = arena->id;
    span->n_slices = (uint32_t)n;
    span->traits = 0;
    jsm_set_kind(span, JSM_KIND_BUSY);
    if (arena->shard != JSM_SHARD_OWN)
        count(&jsm_used_slices, n, 0);
    jsm_span_note_peak();
    return span;
}

JSM_CORE static struct jsm_span *
alloc_from_bins(struct jsm_shard *shard, size_t n, size_t align, enum jsm_span_want want, bool *clean)
{
    struct jsm_span *span = best_fit(shard, n + align - 1, want);

    if (span == NULL)
        return NULL;
    struct jsm_arena *arena = jsm_arena_at(span->arena);
    size_t index = jsm_arena_index(arena, span->base), length = span->n_slices;
    uintptr_t slice = (uintptr_t)span->base >> JSM_SLICE_SHIFT;
    size_t skip = jsm_round_up(slice, align) - slice;
    uint32_t freed_at_ms = jsm_freed_at_ms(span);
    struct jsm_link *older = older_than(shard, span);

    jsm_span_unlist_locked(shard, span);
    jsm_set_kind(span, JSM_KIND_NONE);
    if (skip > 0)
        list_range(shard, arena, index, skip, freed_at_ms, older);
    if (length > skip + n)
        list_range(shard, arena, index + skip + n, length - skip - n, freed_at_ms, older);
    return hand_out(arena, index + skip, n, clean);
}

JSM_CORE static struct jsm_span *
alloc_from_frontier(struct jsm_shard *shard, size_t n, size_t align, bool *clean)
{
    for (struct jsm_arena *arena = shard->arenas; arena != NULL; arena = arena->next) {
        uintptr_t slice = ((uintptr_t)arena->base >> JSM_SLICE_SHIFT) + arena->frontier;
        size_t skip = jsm_round_up(slice, align) - slice, index = arena->frontier;
        if (jsm_arena_extend(arena, skip + n) == NULL)
            continue;
        struct jsm_span *span = hand_out(arena, index + skip, n, clean);
        if (skip > 0) { /* joins a free span that ended at the frontier (P2) */
            struct jsm_span *gap = span - skip;
            gap->base = arena->base + (index << JSM_SLICE_SHIFT);
            gap->arena = arena->id;
            gap->n_slices = (uint32_t)skip;
            jsm_span_list_locked(shard, gap, jsm_os_now_ms(), false);
        }
        return span;
    }
    return NULL;
}

/* Whether an arena has addresses for `n` slices.  When it has and still could not give them, what is missing
 * is memory: another arena would not have that either, and its addresses would be gone for good. */
static bool
has_room(const struct jsm_shard *shard, size_t n)
{
    for (const struct jsm_arena *arena = shard->arenas; arena != NULL; arena = arena->next)
        if (jsm_arena_room(arena) >= n)
            return true;
    return false;
}

/* From the break, as far as that can be moved, then mapped; what lies between may be somebody else's. */
static struct jsm_span *
alloc_from_break(size_t n, size_t align, enum jsm_span_want want, bool *clean)
{
    struct jsm_shard *shard = &jsm_shards[JSM_SHARD_BRK];
    struct jsm_arena *arena = NULL;

    jsm_lock(&shard->lock);
    struct jsm_span *span = alloc_from_bins(shard, n, align, want, clean);
    if (span == NULL)
        span = alloc_from_frontier(shard, n, align, clean);
    if (span == NULL && !has_room(shard, n + align - 1))
        arena = jsm_arena_new(n + align - 1, JSM_SHARD_BRK, shard->arenas);
    if (arena != NULL) {
        shard->arenas = arena;
        span = alloc_from_frontier(shard, n, align, clean);
    }
    jsm_unlock(&shard->lock);
    return span;
}

/* One attempt: own bins, bins of the other shards, own frontiers, a new arena, other frontiers. */
JSM_CORE static struct jsm_span *
alloc_once(unsigned shard_id, size_t n, size_t align, enum jsm_span_want want, bool *clean)
{
    struct jsm_span *span = NULL;
    unsigned n_shards = jsm_shard_count();
    int64_t most = jsm_option(JSM_OPT_ARENA_MAX); /* may have become less */

    if (shard_id == JSM_SHARD_BRK)
        return alloc_from_break(n, align, want, clean);
    shard_id %= most > 0 ? jsm_min((unsigned)most, n_shards) : n_shards;
    for (unsigned i = 0; span == NULL && i < n_shards; i++) {
        struct jsm_shard *other = &jsm_shards[(shard_id + i) % n_shards];
        /* ORDER: relaxed, a hint that spares the lock. */
        if (jsm_load_relaxed(&other->free_slices) < n)
            continue;
        jsm_lock(&other->lock);
        span = alloc_from_bins(other, n, align, want, clean);
        jsm_unlock(&other->lock);
    }
    if (span != NULL)
        return span;
    struct jsm_shard *shard = &jsm_shards[shard_id % n_shards];
    jsm_lock(&shard->lock);
    span = alloc_from_frontier(shard, n, align, clean);
    if (span != NULL) {
        jsm_unlock(&shard->lock);
        return span;
    }
    struct jsm_arena *arena = NULL;
    if (!has_room(shard, n + align - 1))
        arena = jsm_arena_new(n + align - 1, shard_id % n_shards, shard->arenas);
    if (arena != NULL) {
        shard->arenas = arena;
        span = alloc_from_frontier(shard, n, align, clean);
    }
    jsm_unlock(&shard->lock);
    /* No addresses for an arena: what the other shards have left of theirs. */
    for (unsigned i = 1; span == NULL && i < n_shards; i++) {
        struct jsm_shard *other = &jsm_shards[(shard_id + i) % n_shards];
        jsm_lock(&other->lock);
        span = alloc_from_frontier(other, n, align, clean);
        jsm_unlock(&other->lock);
    }
    return span;
}

JSM_CORE struct jsm_span *
jsm_span_alloc(unsigned shard, size_t n_slices, size_t align_slices, enum jsm_span_want want, bool *clean)
{
    if (n_slices > UINT32_MAX / 2 || align_slices > UINT32_MAX / 2)
        return NULL;
    struct jsm_span *span = alloc_once(shard, n_slices, align_slices, want, clean);
    if (span == NULL && jsm_span_pressure != NULL) {
        jsm_span_pressure();
        span = alloc_once(shard, n_slices, align_slices, want, clean);
    }
    jsm_purge_tick();
    return span;
}

struct jsm_span *
jsm_span_alloc_own(struct jsm_shard *first, size_t n_slices, size_t align_slices, enum jsm_span_want want, bool *clean)
{
    struct jsm_span *span = NULL;

    if (n_slices > UINT32_MAX / 2 || align_slices > UINT32_MAX / 2)
        return NULL;
    for (struct jsm_shard *shard = first; shard != NULL && span == NULL; shard = shard->next_part) {
        jsm_lock(&shard->lock);
        span = alloc_from_bins(shard, n_slices, align_slices, want, clean);
        if (span == NULL)
            span = alloc_from_frontier(shard, n_slices, align_slices, clean);
        jsm_unlock(&shard->lock);
    }
    return span;
}

/* ---- Taking back ---- */

JSM_CORE void
jsm_span_free(struct jsm_span *span)
{
    struct jsm_shard *shard = jsm_shard_of(jsm_arena_at(span->arena));
    uint32_t now_ms = jsm_os_now_ms();

    jsm_lock(&shard->lock);
    if (!shard->is_own)
        count(&jsm_used_slices, 0, span->n_slices);
    jsm_span_list_locked(shard, span, now_ms, false);
    if (shard->is_own)
        jsm_shard_own_settle_locked(shard);
    jsm_unlock(&shard->lock);
    jsm_purge_balance();
}

void
jsm_span_shrink(struct jsm_span *span, size_t n_slices)
{
    struct jsm_arena *arena = jsm_arena_at(span->arena);
    struct jsm_span *rest = span + n_slices;

    jsm_assert(n_slices > 0 && n_slices < span->n_slices);
    jsm_lock(&jsm_shard_of(arena)->lock); /* who walks the arena goes from span to span by their length */
    rest->base = span->base + (n_slices << JSM_SLICE_SHIFT);
    rest->arena = arena->id;
    rest->n_slices = (uint32_t)(span->n_slices - n_slices);
    span->n_slices = (uint32_t)n_slices;
    jsm_set_kind(rest, JSM_KIND_BUSY);
    jsm_unlock(&jsm_shard_of(arena)->lock);
    jsm_span_free(rest);
}

static bool
grow_locked(struct jsm_shard *shard, struct jsm_arena *arena, struct jsm_span *span, size_t n_slices)
{
    size_t index = jsm_arena_index(arena, span->base);
    size_t old = span->n_slices, end = index + old;
    bool clean;

    if (end < arena->frontier && jsm_kind(span + old) == JSM_KIND_FREE) {
        struct jsm_span *right = span + old;
        size_t length = right->n_slices, missing = jsm_min(n_slices - old, length);
        /* Take it only if that is enough, or the frontier behind it can give the rest. */
        if (missing < n_slices - old &&
            (end + length != arena->frontier || jsm_arena_room(arena) < n_slices - old - length))
            return false;
        uint32_t freed_at_ms = jsm_freed_at_ms(right);
        struct jsm_link *older = older_than(shard, right);
        jsm_span_unlist_locked(shard, right);
        jsm_set_kind(right, JSM_KIND_NONE);
        if (length > missing)
            list_range(shard, arena, end + missing, length - missing, freed_at_ms, older);
        hand_out(arena, end, missing, &clean);
        jsm_set_kind(span + old, JSM_KIND_NONE);
        span->n_slices += (uint32_t)missing;
        end += missing;
    }
    if (span->n_slices < n_slices) {
        size_t missing = n_slices - span->n_slices;
        if (end != arena->frontier || jsm_arena_extend(arena, missing) == NULL)
            return false;
        hand_out(arena, end, missing, &clean);
        jsm_set_kind(span + span->n_slices, JSM_KIND_NONE);
        span->n_slices = (uint32_t)n_slices;
    }
    return true;
}

bool
jsm_span_grow(struct jsm_span *span, size_t n_slices)
{
    struct jsm_arena *arena = jsm_arena_at(span->arena);
    struct jsm_shard *shard = jsm_shard_of(arena);

    jsm_lock(&shard->lock);
    bool grown = grow_locked(shard, arena, span, n_slices);
    jsm_unlock(&shard->lock);
    return grown;
}

/* ---- Looking ---- */

struct jsm_span *
jsm_span_around(const void *p)
{
    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        struct jsm_arena *arena = jsm_arena_at(i);
        if ((uintptr_t)p - (uintptr_t)arena->base >= (size_t)arena->n_slices << JSM_SLICE_SHIFT)
            continue;
        struct jsm_span *slice = jsm_pagemap_find(p);
        for (size_t index = jsm_arena_index(arena, p), back = 0; back <= index; back++, slice--) {
            enum jsm_kind kind = jsm_kind(slice);
            if (kind == JSM_KIND_SLAB || kind == JSM_KIND_LARGE)
                return slice->n_slices > back ? slice : NULL;
            /* A direct mapping may have begun here, before there was an arena. */
            if (kind != JSM_KIND_NONE && kind != JSM_KIND_SLAB_PART && kind != JSM_KIND_GONE)
                return NULL;
        }
        return NULL;
    }
    return jsm_huge_around(p);
}

static void
visit_arena(struct jsm_arena *arena, void (*visit)(struct jsm_span *span, void *arg), void *arg)
{
    struct jsm_span *first = jsm_pagemap_find(arena->base);

    for (size_t index = 0; index < arena->frontier;) {
        enum jsm_kind kind = jsm_kind(first + index);
        /* `visit` may have freed the span before, and what it was joined to ends here. */
        bool is_inside = kind == JSM_KIND_NONE || kind == JSM_KIND_FREE_TAIL || kind == JSM_KIND_SLAB_PART;
        size_t step = is_inside ? 1 : first[index].n_slices;
        if (kind == JSM_KIND_SLAB || kind == JSM_KIND_LARGE || kind == JSM_KIND_CACHED)
            visit(first + index, arg);
        index += step > 0 ? step : 1;
    }
}

void
jsm_span_visit(void (*visit)(struct jsm_span *span, void *arg), void *arg)
{
    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        struct jsm_arena *arena = jsm_arena_at(i);
        struct jsm_shard *shard = jsm_shard_of(arena);
        jsm_lock(&shard->lock);
        visit_arena(arena, visit, arg);
        jsm_unlock(&shard->lock);
    }
}

void
jsm_span_visit_alone(void (*visit)(struct jsm_span *span, void *arg), void *arg)
{
    for (unsigned i = 0; i < jsm_arena_count(); i++)
        visit_arena(jsm_arena_at(i), visit, arg);
}

void
jsm_span_visit_dirty(void (*visit)(const struct jsm_span *span, void *arg), void *arg)
{
    for (unsigned i = 0; i <= jsm_shard_count(); i++) {
        struct jsm_shard *shard = &jsm_shards[i < jsm_shard_count() ? i : JSM_SHARD_BRK];
        jsm_lock(&shard->lock);
        for (struct jsm_link *l = shard->by_age.next; l != NULL && l != &shard->by_age; l = l->next)
            visit(jsm_list_entry(l, struct jsm_span, all), arg);
        jsm_unlock(&shard->lock);
    }
}

void
jsm_span_totals(struct jsm_span_totals *totals)
{
    size_t below_frontiers = 0;

    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        struct jsm_arena *arena = jsm_arena_at(i);
        struct jsm_shard *shard = jsm_shard_of(arena);
        jsm_lock(&shard->lock);
        below_frontiers += arena->shard != JSM_SHARD_OWN ? arena->frontier : 0;
        jsm_unlock(&shard->lock);
    }
    /* ORDER: relaxed, these four; statistics that may be a moment apart. */
    totals->used_slices = jsm_load_relaxed(&jsm_used_slices);
    totals->dirty_slices = jsm_load_relaxed(&jsm_dirty_slices);
    totals->purged_bytes = jsm_load_relaxed(&jsm_purged_slices) << JSM_SLICE_SHIFT;
    totals->purge_calls = jsm_load_relaxed(&jsm_purge_calls);
    size_t known = totals->used_slices + totals->dirty_slices;
    totals->clean_slices = below_frontiers > known ? below_frontiers - known : 0;
}

/* Calls `act` for the lock of each shard that has arenas of the program's. */
static void
for_own_shards(void (*act)(struct jsm_lock *lock))
{
    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        struct jsm_arena *arena = jsm_arena_at(i);
        if (arena->shard == JSM_SHARD_OWN)
            act(&arena->own_shard->lock);
    }
}

unsigned
jsm_shards_lock_usual(void)
{
    lock_first_of_shards();
    /* ORDER: relaxed, here and below; it changes under the lock that we hold. */
    unsigned n = jsm_load_relaxed(&n_shards_decided);

    for (unsigned i = 0; i < n; i++)
        jsm_lock(&jsm_shards[i].lock);
    return n;
}

void
jsm_shards_unlock_usual(void)
{
    /* ORDER: relaxed, as above. */
    for (unsigned i = jsm_load_relaxed(&n_shards_decided); i-- > 0;)
        jsm_unlock(&jsm_shards[i].lock);
    jsm_unlock(&jsm_shards[JSM_SHARD_BRK].lock);
}

void
jsm_shards_lock(void)
{
    (void)jsm_shards_lock_usual();
    for_own_shards(jsm_lock);
}

void
jsm_shards_unlock(void)
{
    for_own_shards(jsm_unlock);
    jsm_shards_unlock_usual();
}
