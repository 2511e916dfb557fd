/* heap/walk.c - looking at whole heaps: totals.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <string.h>

/* ---- Totals ---- */

static void
list_heap(const struct jsm_heap *heap, size_t limit_bytes, void *arg)
{
    struct jsm_heap_totals *totals = arg;

    if (totals->n_heaps == JSM_HEAP_ROWS - 1)
        return;
    struct jsm_heap_row *row = &totals->heaps[totals->n_heaps++];
    row->heap = heap;
    row->limit_bytes = limit_bytes;
    strncpy(row->name, heap->name, sizeof row->name - 1);
}

/* Counts blocks for the heap that a slab, large or huge block, or cached span is of. */
static void
add_to_heap(const struct jsm_span *span, size_t blocks, size_t live_bytes, size_t bytes, struct jsm_heap_totals *totals)
{
    const struct jsm_heap *heap = jsm_span_heap(span);
    struct jsm_heap_row *row = &totals->heaps[JSM_HEAP_ROWS - 1];

    for (size_t i = 0; i < totals->n_heaps; i++) {
        if (totals->heaps[i].heap == heap) {
            row = &totals->heaps[i];
            break;
        }
    }
    row->live_blocks += blocks;
    row->live_bytes += live_bytes;
    row->committed_bytes += bytes;
}

static size_t
usable_bytes(const struct jsm_span *span)
{
    return jsm_round_up(jsm_size_bytes(span), jsm_os_page_bytes());
}

static void
add_slab(const struct jsm_span *slab, bool in_total, struct jsm_heap_totals *totals)
{
    unsigned c;
    uint32_t used, carved;
    /* ORDER: relaxed; a statistic. */
    uint32_t remote = jsm_remote_blocks(jsm_load_relaxed(&slab->remote));

    jsm_slab_noted(slab, &c, &used, &carved);
    if (c >= JSM_CLASSES)
        return;
    used = used > remote ? used - remote : 0;
    add_to_heap(slab, used, used * (size_t)jsm_class_bytes[c], (size_t)slab->n_slices << JSM_SLICE_SHIFT, totals);
    totals->slabs[c] += in_total;
    totals->carved[c] += in_total ? carved : 0;
    totals->used[c] += in_total ? used : 0;
}

static void
add_span(struct jsm_span *span, void *arg)
{
    struct jsm_heap_totals *totals = arg;
    bool in_total = jsm_arena_at(span->arena)->shard != JSM_SHARD_OWN; /* else it is memory of the program's */
    size_t bytes = (size_t)span->n_slices << JSM_SLICE_SHIFT, usable;

    switch (jsm_kind(span)) {
    case JSM_KIND_LARGE:
        usable = jsm_min(usable_bytes(span), bytes);
        add_to_heap(span, 1, usable, bytes, totals);
        totals->large_count += in_total;
        totals->large_slices += in_total ? span->n_slices : 0;
        totals->large_bytes += in_total ? usable : 0;
        break;
    case JSM_KIND_CACHED:
        add_to_heap(span, 0, 0, bytes, totals);
        totals->cached_count += in_total;
        totals->cached_slices += in_total ? span->n_slices : 0;
        break;
    default:
        add_slab(span, in_total, totals);
        break;
    }
}

static void
add_huge(struct jsm_span *span, void *arg)
{
    add_to_heap(span, 1, usable_bytes(span), usable_bytes(span), arg);
}

static void
add_guarded(struct jsm_span *span, size_t bytes, void *arg)
{
    add_to_heap(span, 1, bytes, bytes, arg);
}

void
jsm_heap_totals(struct jsm_heap_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    list_heap(&jsm_heap_default, 0, totals);
    jsm_user_heaps_tell(list_heap, totals);
    strcpy(totals->heaps[JSM_HEAP_ROWS - 1].name, "(others)");
    jsm_span_visit(add_span, totals);
    jsm_huge_visit(add_huge, totals);
    jsm_guard_tell(add_guarded, totals);
}

/* ---- What is resident, and what of it could go ---- */

static size_t
resident_of(const struct jsm_span *span)
{
    return jsm_os_resident_in(span->base, (size_t)span->n_slices << JSM_SLICE_SHIFT);
}

struct dirty_totals {
    size_t spans, resident_bytes;
};

static void
add_dirty(const struct jsm_span *span, void *arg)
{
    struct dirty_totals *totals = arg;

    totals->spans++;
    totals->resident_bytes += resident_of(span);
}

/* What jsm_theap_trim() would give back. */
static size_t
theap_trimmable(struct jsm_theap *th, bool holes)
{
    size_t bytes = 0;

    for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next) {
        const struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        /* ORDER: relaxed; a statistic. */
        bool is_empty = jsm_slab_used(slab) == jsm_remote_blocks(jsm_load_relaxed(&slab->remote));
        if (slab->state == JSM_SLAB_FULL)
            continue;
        if (is_empty && !jsm_slab_is_pinned(slab) && (holes || slab->state == JSM_SLAB_ACTIVE))
            bytes += resident_of(slab);
        else if (holes)
            bytes += jsm_slab_hole_bytes(slab);
    }
    return bytes + jsm_cache_sum(th, resident_of);
}

size_t
jsm_heap_trimmable_bytes(struct jsm_theap *th, size_t *free_spans)
{
    struct jsm_heap *heap = &jsm_heap_default;
    struct dirty_totals dirty = { 0, 0 };

    jsm_span_visit_dirty(add_dirty, &dirty);
    *free_spans = dirty.spans;
    size_t bytes = dirty.resident_bytes;
    jsm_lock(&heap->lock);
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        for (struct jsm_link *l = heap->shared[c].next; l != NULL && l != &heap->shared[c]; l = l->next)
            bytes += jsm_slab_hole_bytes(jsm_list_entry(l, struct jsm_span, queue));
    jsm_unlock(&heap->lock);
    bytes += jsm_user_heaps_trimmable(theap_trimmable);
    return th != NULL ? bytes + theap_trimmable(th, true) : bytes;
}

/* Slices of an arena that can be accessed: beyond nothing is resident. */
static size_t
accessible_slices(const struct jsm_arena *arena)
{
    struct jsm_shard *shard = jsm_shard_of(arena);

    jsm_lock(&shard->lock);
    size_t n = arena->committed;
    jsm_unlock(&shard->lock);
    return n;
}

/* The pages of an arena's descriptors. */
struct page_range {
    uintptr_t from, to;
};

static struct page_range
descriptor_pages(const struct jsm_arena *arena)
{
    struct jsm_shard *shard = jsm_shard_of(arena);
    uintptr_t page = jsm_os_page_bytes();

    jsm_lock(&shard->lock);
    uintptr_t first = (uintptr_t)jsm_pagemap_find(arena->base);
    size_t n = arena->shard == JSM_SHARD_OWN ? arena->n_slices : arena->committed;
    jsm_unlock(&shard->lock);
    if (n == 0)
        return (struct page_range){ first, first };
    return (struct page_range){ jsm_round_down(first, page),
                                jsm_round_up(first + n * sizeof(struct jsm_span), page) };
}

/* Those of arena `i` that no arena before it has as well: where arenas are neighbours, their descriptors
 * share a page. */
static size_t
descriptor_resident_bytes(unsigned i)
{
    struct page_range mine = descriptor_pages(jsm_arena_at(i));

    for (unsigned j = 0; j < i && mine.from < mine.to; j++) {
        struct page_range other = descriptor_pages(jsm_arena_at(j));
        if (other.from <= mine.from && mine.from < other.to)
            mine.from = other.to;
        else if (other.from < mine.to && mine.to <= other.to)
            mine.to = other.from;
    }
    return mine.from < mine.to ? jsm_os_resident_in((void *)mine.from, mine.to - mine.from) : 0;
}

size_t
jsm_heap_resident_bytes(void)
{
    struct jsm_span_totals guarded = { .huge_bytes = 0 };
    jsm_guard_totals(&guarded);
    size_t bytes = jsm_meta_resident_bytes() + jsm_huge_resident_bytes() + guarded.huge_bytes;

    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        const struct jsm_arena *arena = jsm_arena_at(i);
        if (arena->shard != JSM_SHARD_OWN) /* of whose memory the descriptors alone are ours */
            bytes += jsm_os_resident_in(arena->base, accessible_slices(arena) << JSM_SLICE_SHIFT);
        bytes += descriptor_resident_bytes(i);
    }
    return bytes;
}
