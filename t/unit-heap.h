/* t/unit-heap.h - blocks of theaps that a test opens and closes itself.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_UNIT_HEAP_H
#define JSM_UNIT_HEAP_H

#include "unit.h"

#include "heap/heap.h"

/* A block of class `c`, as malloc would take it. */
BB_UNUSED static void *
block_take(struct jsm_theap *th, unsigned c)
{
    struct jsm_span *slab = th->front.active[c];
    bool fresh;

    return slab->head != JSM_LINK_END ? jsm_slab_pop(slab) : jsm_theap_refill(th, c, &fresh);
}

BB_UNUSED static struct jsm_span *
slab_of(const void *p)
{
    struct jsm_span *slab = jsm_pagemap_find(p);

    return slab != NULL && jsm_kind(slab) == JSM_KIND_SLAB_PART ? slab - slab->back : slab;
}

/* Frees a live block of a slab, as the thread of `th` would; false if it is none. */
BB_UNUSED static bool
block_give(struct jsm_theap *th, void *p)
{
    struct jsm_span *slab = slab_of(p);
    uint32_t i;

    if (slab == NULL || jsm_kind(slab) != JSM_KIND_SLAB || !jsm_slab_index(slab, p, &i) ||
        slab->link[i] != JSM_LINK_USED)
        return false;
    jsm_free_in_slab(th, slab, i);
    return true;
}

BB_UNUSED static size_t
list_length(const struct jsm_link *list)
{
    size_t n = 0;

    for (const struct jsm_link *l = list->next; l != NULL && l != list; l = l->next)
        n++;
    return n;
}

BB_UNUSED static size_t
slices_in_use(void)
{
    return jsm_load_relaxed(&jsm_used_slices);
}

#endif
