/* heap/block.c - blocks by their address: what a pointer is, and freeing what it points to.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <string.h>

/* ---- Finding ---- */

static void
find_in_slab(struct jsm_span *slab, const void *p, struct jsm_block *block)
{
    const uint16_t *link = slab->link;
    uint32_t i;
    bool exact = jsm_slab_index(slab, p, &i);

    if (!exact)
        i = jsm_slab_index_around(slab, p);
    block->span = slab;
    block->index = i;
    block->start = jsm_slab_block(slab, i);
    block->bytes = slab->block_bytes;
    if (i >= slab->capacity)
        block->found = JSM_FOUND_FOREIGN; /* what is left over behind the last block */
    else if (link == NULL || link[i] != JSM_LINK_USED) /* NULL: somebody is giving it back just now */
        block->found = JSM_FOUND_FREE;
    else
        block->found = exact ? JSM_FOUND_BLOCK : JSM_FOUND_INSIDE;
    if ((block->found == JSM_FOUND_BLOCK || block->found == JSM_FOUND_INSIDE) && (slab->traits & JSM_TRAIT_HARD) != 0)
        block->bytes = jsm_harden_bytes(slab, block->start);
}

JSM_CORE static void
find_in_large(struct jsm_span *span, const void *p, struct jsm_block *block)
{
    block->span = span;
    block->index = 0;
    block->start = span->base;
    block->bytes = jsm_size_bytes(span);
    if ((span->traits & JSM_TRAIT_HARD) == 0)
        block->bytes = jsm_round_up(block->bytes, jsm_os_page_bytes());
    block->found = p == span->base ? JSM_FOUND_BLOCK : JSM_FOUND_INSIDE;
}

/* A pointer to nothing that could be freed: is it in a free part of an arena, or not ours? */
static void
find_none(struct jsm_span *slice, const void *p, struct jsm_block *block)
{
    struct jsm_span *span = jsm_span_around(p);

    memset(block, 0, sizeof *block);
    block->found = JSM_FOUND_FOREIGN;
    if (span != NULL) {
        find_in_large(span, p, block);
        return;
    }
    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        struct jsm_arena *arena = jsm_arena_at(i);
        if ((uintptr_t)p - (uintptr_t)arena->base < (size_t)arena->n_slices << JSM_SLICE_SHIFT)
            block->found = JSM_FOUND_FREE;
    }
    if (slice != NULL && jsm_kind(slice) == JSM_KIND_GONE && p == slice->base)
        block->found = JSM_FOUND_FREE;
}

JSM_CORE void
jsm_block_find(const void *p, struct jsm_block *block)
{
    struct jsm_span *slice = jsm_pagemap_find(p);

    switch (slice != NULL ? jsm_kind(slice) : JSM_KIND_NONE) {
    case JSM_KIND_SLAB_PART:
        slice -= slice->back;
        /* fall through */
    case JSM_KIND_SLAB:
        find_in_slab(slice, p, block);
        break;
    case JSM_KIND_LARGE:
    case JSM_KIND_HUGE:
        if ((uintptr_t)p - (uintptr_t)slice->base < jsm_size_bytes(slice) || p == slice->base) {
            find_in_large(slice, p, block);
            break;
        }
        /* fall through */
    default:
        find_none(slice, p, block);
        break;
    case JSM_KIND_GUARD:
        if (!jsm_guard_find(p, block))
            *block = (struct jsm_block){ .found = JSM_FOUND_FOREIGN };
        break;
    }
}

/* ---- Freeing ---- */

static bool
free_to_user_heap(struct jsm_span *slab, uint32_t i)
{
    struct jsm_block block = { .found = JSM_FOUND_BLOCK, .span = slab, .start = jsm_slab_block(slab, i),
                               .bytes = slab->block_bytes, .index = i };

    struct jsm_heap *heap = jsm_span_heap(slab);

    return jsm_heap_is_user(heap) && jsm_user_free(heap, &block);
}

static void
publish_one(struct jsm_span *slab, uint32_t i)
{
    jsm_slab_set_cell(slab, i, JSM_LINK_END);
    jsm_heap_act(slab, jsm_slab_publish(slab, i, i, 1));
}

/* Whether the slab lies in memory that the program gave to a heap. */
static bool
is_in_given(const struct jsm_span *slab)
{
    return jsm_arena_at(slab->arena)->shard == JSM_SHARD_OWN;
}

/* Puts the block into the outbox entry of its slab, and publishes what was there before. */
static void
free_by_outbox(struct jsm_theap *th, struct jsm_span *slab, uint32_t i)
{
    size_t hash = ((uintptr_t)slab / sizeof *slab) * UINT32_C(0x9e3779b1);
    struct jsm_outbox_entry *e = &th->outbox[(uint32_t)hash >> 27];
    _Static_assert(JSM_OUTBOX_ENTRIES == 1 << (32 - 27), "the hash gives an index of the outbox");

    if (e->slab == slab) {
        jsm_slab_set_cell(slab, i, e->head);
        e->head = (uint16_t)i;
        e->blocks++;
    } else {
        if (jsm_unlikely(jsm_heap_is_user(jsm_span_heap(slab))) && free_to_user_heap(slab, i))
            return; /* so no outbox ever holds blocks of a heap that may be destroyed */
        if (jsm_unlikely(is_in_given(slab))) {
            publish_one(slab, i); /* at once: with the last block the memory is the program's again */
            return;
        }
        struct jsm_outbox_entry old = *e;
        jsm_slab_set_cell(slab, i, JSM_LINK_END);
        *e = (struct jsm_outbox_entry){ slab, (uint16_t)i, (uint16_t)i, 1 };
        if (old.slab != NULL)
            jsm_heap_act(old.slab, jsm_slab_publish(old.slab, old.head, old.tail, old.blocks));
    }
    th->outbox_bytes += slab->block_bytes;
    if (jsm_unlikely(th->outbox_bytes > JSM_OUTBOX_BYTES_MAX))
        jsm_theap_flush(th);
}

JSM_CORE void
jsm_free_in_slab(struct jsm_theap *th, struct jsm_span *slab, uint32_t i)
{
    /* ORDER: relaxed.  It is `th` only if this thread wrote it, or one that had `th` before; any other value is
     * somebody else. */
    if (th != NULL && jsm_load_relaxed(&slab->theap) == th) {
        if (jsm_slab_push(slab, i))
            jsm_theap_event(slab);
    } else if (th != NULL) {
        free_by_outbox(th, slab, i);
    } else if (!jsm_heap_is_user(jsm_span_heap(slab)) || !free_to_user_heap(slab, i)) {
        publish_one(slab, i);
    }
}

void
jsm_block_freed_meanwhile(const char *function, const struct jsm_block *block)
{
    struct jsm_block now;

    jsm_block_find(block->start, &now);
    now.found = JSM_FOUND_FREE; /* whatever it is by now */
    jsm_misuse(function, block->start, &now);
}

static void
free_large(const struct jsm_block *block, enum jsm_kind kind)
{
    struct jsm_span *span = block->span;
    struct jsm_heap *heap = jsm_span_heap_or_not(span);

    if (jsm_kind(span) != kind) { /* it was not */
        jsm_block_freed_meanwhile("free", block);
        return;
    }
    if (jsm_unlikely(jsm_heap_is_user(heap)) && jsm_user_free(heap, block))
        return;
    if (kind == JSM_KIND_HUGE) {
        if (!jsm_huge_free(span))
            jsm_block_freed_meanwhile("free", block);
    } else if (jsm_claim_kind(span, JSM_KIND_LARGE, JSM_KIND_BUSY)) {
        if ((span->traits & JSM_TRAIT_GUARDED) == 0 || jsm_harden_unguard(span))
            jsm_span_free(span);
    } else {
        jsm_block_freed_meanwhile("free", block);
    }
}

JSM_CORE void
jsm_block_free(struct jsm_theap *th, const struct jsm_block *block)
{
    enum jsm_kind kind = jsm_kind(block->span);

    if (jsm_hardened() && jsm_harden_keep(th, block))
        return;
    switch (kind) {
    case JSM_KIND_LARGE:
    case JSM_KIND_HUGE:
        free_large(block, kind);
        break;
    case JSM_KIND_SLAB:
        jsm_free_in_slab(th, block->span, block->index);
        break;
    case JSM_KIND_GUARD:
        jsm_guard_free(block);
        break;
    default:
        jsm_block_freed_meanwhile("free", block);
        break;
    }
}

/* ---- Large blocks ---- */

static size_t
slices_of(size_t bytes)
{
    return (bytes + JSM_SLICE_BYTES - 1) >> JSM_SLICE_SHIFT;
}

static void *
finish_large(struct jsm_span *span)
{
    if (jsm_hardened())
        jsm_harden_large(span);
    return span->base;
}

JSM_CORE void *
jsm_large_alloc(struct jsm_theap *th, size_t bytes, size_t align, bool zero)
{
    struct jsm_span *span = NULL;
    bool clean;

    if (bytes > PTRDIFF_MAX - 4 * JSM_SLICE_BYTES)
        return NULL;
    if (bytes >= jsm_heap_mmap_threshold(th->heap)) {
        span = jsm_heap_huge_alloc(th, bytes, align);
        if (span != NULL)
            return finish_large(span);
    }
    size_t align_slices = jsm_max(align, JSM_SLICE_BYTES) >> JSM_SLICE_SHIFT;
    size_t behind = jsm_hardened() ? 2 * jsm_os_page_bytes() : 0; /* what is left of its last page, and one more */
    span = jsm_heap_span_alloc(th, slices_of(bytes + behind), align_slices, zero ? JSM_WANT_CLEAN : JSM_WANT_OLDEST,
                               &clean);
    if (span == NULL) {
        /* Too long for an arena, or no room for one: a mapping of just this size may do. */
        span = jsm_heap_huge_alloc(th, bytes, align);
        return span != NULL ? finish_large(span) : NULL;
    }
    jsm_set_size_bytes(span, bytes);
    /* ORDER: relaxed; blocks of spans have no owner. */
    jsm_store_relaxed(&span->owner, 0);
    jsm_heap_note_large(th, span);
    jsm_set_kind(span, JSM_KIND_LARGE);
    if (zero && !clean)
        memset(span->base, 0, bytes);
    return finish_large(span);
}

bool
jsm_large_resize(struct jsm_span *span, size_t bytes)
{
    size_t n = slices_of(bytes);

    if (jsm_unlikely(jsm_heap_is_user(jsm_span_heap(span)))) {
        /* Its heap counts spans and keeps them in a list: what stays within its pages may stay. */
        bool fits = jsm_round_up(bytes, jsm_os_page_bytes()) == jsm_round_up(jsm_size_bytes(span), jsm_os_page_bytes());
        if (fits)
            jsm_set_size_bytes(span, bytes);
        return fits;
    }
    if (jsm_kind(span) == JSM_KIND_HUGE)
        return bytes >= (size_t)jsm_option(JSM_OPT_MMAP_THRESHOLD) / 2 && jsm_huge_resize(span, bytes, false) != NULL;
    if (n < span->n_slices)
        jsm_span_shrink(span, n);
    else if (n > span->n_slices && !jsm_span_grow(span, n))
        return false;
    jsm_set_size_bytes(span, bytes);
    return true;
}

/* ---- After fork ---- */

void
jsm_heap_orphan(struct jsm_span *span)
{
    if (jsm_kind(span) == JSM_KIND_CACHED) {
        jsm_slab_release(span);
        return;
    }
    /* ORDER: relaxed; the child of fork() has one thread. */
    jsm_store_relaxed(&span->owner, 0);
    jsm_store_relaxed(&span->theap, NULL);
    if (jsm_hardened())
        jsm_quarantine_clean(span);
    jsm_slab_rebuild(span);
    span->state = JSM_SLAB_NEW;
    jsm_set_span_heap(span, &jsm_heap_default); /* the owner may not have come to writing it */
    span->all = span->queue = (struct jsm_link){ NULL, NULL };
    if (jsm_slab_left(span) == 0)
        jsm_slab_release(span);
    else
        jsm_heap_detach(span, jsm_slab_left(span));
}
