/* heap/shared.c - slabs without owner: given away, listed, adopted, released.
 *
 * A slab is given away when its thread ends, or when it is one of too many full ones.  Its frees
 * are all remote then.  When enough blocks have come back the publisher lists it for any
 * thread to adopt; when all have, the publisher releases it, so that the memory of threads that
 * ended or sleep comes back without them.
 *   who          operation  order    publishes / sees
 *   I1 post      CAS        release  the link of the inbox
 *   I2 collect   exchange   acquire  the same
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

struct jsm_heap jsm_heap_default = { .name = "default", .lock = { .rank = JSM_RANK_SHARED } };

static void
list_shared(struct jsm_heap *heap, struct jsm_span *slab)
{
    slab->state = JSM_SLAB_SHARED;
    jsm_list_append(&heap->shared[slab->class_id], &slab->queue);
    /* ORDER: relaxed; a hint, the list is read under the lock. */
    jsm_fetch_add_relaxed(&heap->n_shared[slab->class_id], 1);
}

static void
unlist_shared(struct jsm_heap *heap, struct jsm_span *slab)
{
    jsm_list_remove(&slab->queue);
    /* ORDER: relaxed; a hint. */
    jsm_fetch_sub_relaxed(&heap->n_shared[slab->class_id], 1);
}

/* Brings a slab that we hold the pin of to where it belongs now. */
JSM_CORE static void
share(struct jsm_span *slab)
{
    struct jsm_heap *heap = jsm_span_heap(slab);

    jsm_lock(&heap->lock);
    /* ORDER: relaxed; the acquire of R1, or our own D1, came before. */
    uint64_t word = jsm_load_relaxed(&slab->remote);
    do {
        if (jsm_remote_blocks(word) == jsm_slab_left(slab)) { /* all of them have come back */
            if (slab->state == JSM_SLAB_SHARED)
                unlist_shared(heap, slab);
            jsm_unlock(&heap->lock);
            jsm_slab_acquire_all(slab);
            jsm_slab_release(slab);
            return;
        }
        if (slab->state != JSM_SLAB_SHARED)
            list_shared(heap, slab);
    } while (!jsm_slab_settle(slab, &word, jsm_slab_left(slab)));
    jsm_unlock(&heap->lock);
}

JSM_CORE void
jsm_heap_detach(struct jsm_span *slab, uint32_t used)
{
    uint32_t n_free = slab->capacity - used;
    uint32_t missing = slab->wake > n_free ? slab->wake - n_free : 0;

    jsm_slab_set_left(slab, used);
    slab->state = JSM_SLAB_DETACHED;
    jsm_slab_note(slab);
    if (jsm_slab_detach(slab, jsm_min(missing, used)))
        share(slab);
}

JSM_CORE void
jsm_heap_act(struct jsm_span *slab, enum jsm_remote_act act)
{
    if (act == JSM_ACT_SHARE) {
        share(slab);
    } else if (act == JSM_ACT_POST) {
        /* ORDER: relaxed; R1 acquired what the owner wrote before R3. */
        struct jsm_theap *owner = jsm_load_relaxed(&slab->theap);
        /* ORDER: relaxed, a first guess. */
        struct jsm_span *first = jsm_load_relaxed(&owner->inbox);
        do
            slab->inbox_next = first;
        /* ORDER I1: release, with I2: the link.  The owner takes all
         * at once, so a first slab that left and came back does no harm. */
        while (!jsm_cas_weak_release(&owner->inbox, &first, slab));
    }
}

JSM_CORE struct jsm_span *
jsm_heap_adopt(struct jsm_heap *heap, unsigned c)
{
    struct jsm_span *found = NULL;
    uint32_t came_back = 0;

    /* ORDER: relaxed, a hint: a slab that is missed costs a fresh one. */
    if (jsm_load_relaxed(&heap->n_shared[c]) == 0)
        return NULL;
    jsm_lock(&heap->lock);
    struct jsm_link *list = &heap->shared[c];
    for (struct jsm_link *l = list->next; l != list && l != NULL && found == NULL; l = l->next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, queue);
        if (jsm_slab_adopt(slab, &came_back))
            found = slab;
    }
    if (found != NULL) {
        unlist_shared(heap, found);
        jsm_slab_set_left(found, jsm_slab_left(found) - came_back);
        found->state = JSM_SLAB_NEW;
        jsm_slab_note(found);
    }
    jsm_unlock(&heap->lock);
    return found;
}

size_t
jsm_heap_trim_shared(struct jsm_heap *heap)
{
    size_t bytes = 0;

    jsm_lock(&heap->lock);
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        /* Slabs go back to the end of the list: each is visited once.
         * ORDER: relaxed; changed only under the lock that we hold. */
        uint32_t n = jsm_load_relaxed(&heap->n_shared[c]);
        for (struct jsm_link *l = heap->shared[c].next, *next; n > 0; n--, l = next) {
            struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, queue);
            uint32_t came_back;
            next = l->next;
            if (!jsm_slab_adopt(slab, &came_back))
                continue; /* pinned: somebody is about to look at it anyway */
            unlist_shared(heap, slab);
            jsm_slab_set_left(slab, jsm_slab_left(slab) - came_back);
            if (jsm_slab_left(slab) == 0) {
                jsm_slab_release(slab);
                continue;
            }
            bytes += jsm_slab_purge_holes(slab);
            jsm_slab_note(slab);
            list_shared(heap, slab);
            if (jsm_slab_detach(slab, jsm_slab_left(slab))) { /* the last blocks came in just now */
                unlist_shared(heap, slab);
                jsm_slab_acquire_all(slab);
                jsm_slab_release(slab);
            }
        }
    }
    jsm_unlock(&heap->lock);
    return bytes;
}

void
jsm_heap_forget_shared(struct jsm_heap *heap)
{
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        heap->shared[c] = (struct jsm_link){ NULL, NULL };
        /* ORDER: relaxed; the child of fork() has one thread. */
        jsm_store_relaxed(&heap->n_shared[c], 0);
    }
}
