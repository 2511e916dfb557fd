/* heap/walk.c - looking at whole heaps: checks and totals.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <string.h>

static void
fault(const char *what, const void *where)
{
    char buffer[160];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_hex(&t, (uintptr_t)where);
    jsm_message("heap check: ", what, buffer);
}

static size_t
check_slab(const struct jsm_span *slab)
{
    if (jsm_slab_check(slab))
        return 0;
    fault("slab whose lists do not add up, at ", slab->base);
    return 1;
}

size_t
jsm_heap_check(struct jsm_theap *th)
{
    size_t faults = jsm_span_check(fault);

    if (th != NULL && th->slabs.next != NULL)
        for (struct jsm_link *l = th->slabs.next; l != &th->slabs; l = l->next)
            faults += check_slab(jsm_list_entry(l, struct jsm_span, all));

    faults += jsm_user_heaps_check(check_slab);
    struct jsm_heap *heap = &jsm_heap_default;
    jsm_lock(&heap->lock);
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        for (struct jsm_link *l = heap->shared[c].next; l != NULL && l != &heap->shared[c]; l = l->next)
            faults += check_slab(jsm_list_entry(l, struct jsm_span, queue));
    jsm_unlock(&heap->lock);
    return faults;
}

/* ---- Totals ---- */

static void
add_slab(const struct jsm_span *slab, struct jsm_heap_totals *totals)
{
    unsigned c;
    uint32_t used, carved;
    /* ORDER: relaxed; a statistic. */
    uint32_t remote = jsm_remote_blocks(jsm_load_relaxed(&slab->remote));

    jsm_slab_noted(slab, &c, &used, &carved);
    if (c >= JSM_CLASSES)
        return;
    totals->slabs[c]++;
    totals->carved[c] += carved;
    totals->used[c] += used > remote ? used - remote : 0;
}

static void
add_span(struct jsm_span *span, void *arg)
{
    struct jsm_heap_totals *totals = arg;
    size_t bytes;

    if (jsm_arena_at(span->arena)->shard == JSM_SHARD_OWN)
        return; /* memory of the program's, in no total */
    switch (jsm_kind(span)) {
    case JSM_KIND_LARGE:
        bytes = jsm_round_up(jsm_size_bytes(span), jsm_os_page_bytes());
        totals->large_count++;
        totals->large_slices += span->n_slices;
        totals->large_bytes += jsm_min(bytes, (size_t)span->n_slices << JSM_SLICE_SHIFT);
        break;
    case JSM_KIND_CACHED:
        totals->cached_count++;
        totals->cached_slices += span->n_slices;
        break;
    default:
        add_slab(span, totals);
        break;
    }
}

void
jsm_heap_totals(struct jsm_heap_totals *totals)
{
    memset(totals, 0, sizeof *totals);
    jsm_span_visit(add_span, totals);
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

/* What trim_slab() in heap/theap.c would give back, or jsm_theap_trim() of an active slab. */
static size_t
trimmable_of(const struct jsm_span *slab)
{
    /* ORDER: relaxed; a statistic. */
    uint32_t remote = jsm_remote_blocks(jsm_load_relaxed(&slab->remote));

    if (slab->state == JSM_SLAB_FULL)
        return 0;
    return jsm_slab_used(slab) == remote && !jsm_slab_is_pinned(slab) ? resident_of(slab) : jsm_slab_hole_bytes(slab);
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
    if (th == NULL)
        return bytes;
    for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next)
        bytes += trimmable_of(jsm_list_entry(l, struct jsm_span, all));
    for (uint32_t i = 0; i < th->n_cached; i++)
        bytes += resident_of(th->cached[i]);
    return bytes;
}

size_t
jsm_heap_resident_bytes(void)
{
    size_t bytes = jsm_meta_resident_bytes() + jsm_huge_resident_bytes();

    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        const struct jsm_arena *arena = jsm_arena_at(i);
        size_t n = arena->n_slices;
        bytes += jsm_os_resident_in(arena->base, n << JSM_SLICE_SHIFT);
        bytes += jsm_os_resident_in(jsm_pagemap_find(arena->base), n * sizeof(struct jsm_span));
    }
    return bytes;
}
