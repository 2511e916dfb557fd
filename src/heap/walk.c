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

    struct jsm_heap *heap = &jsm_heap_default;
    jsm_lock(&heap->lock);
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        for (struct jsm_link *l = heap->shared[c].next; l != NULL && l != &heap->shared[c]; l = l->next)
            faults += check_slab(jsm_list_entry(l, struct jsm_span, queue));
    jsm_unlock(&heap->lock);
    return faults;
}

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
    totals->blocks[c] += (jsm_class_slices(jsm_class_bytes[c]) << JSM_SLICE_SHIFT) / jsm_class_bytes[c];
    totals->carved[c] += carved;
    totals->used[c] += used > remote ? used - remote : 0;
}

static void
add_span(struct jsm_span *span, void *arg)
{
    struct jsm_heap_totals *totals = arg;

    switch (jsm_kind(span)) {
    case JSM_KIND_LARGE:
        totals->large_count++;
        totals->large_bytes += jsm_size_bytes(span);
        break;
    case JSM_KIND_CACHED:
        totals->cached_bytes += (size_t)span->n_slices << JSM_SLICE_SHIFT;
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
