/* heap/check.c - are the heaps sound?
 *
 * What a thread alone may touch is looked at for the calling thread, and for theaps that no thread uses; what a lock
 * protects, under the lock; of the slabs of other threads only what all may read.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

/* What the slabs of a theap say of themselves, to compare with where they are. */
struct places {
    size_t active, partial, full_listed, full_slices, idle_bytes;
};

static bool
is_slab_of(const struct jsm_theap *th, const struct jsm_span *slab)
{
    /* ORDER: relaxed; it is ours, or somebody who may not have it wrote there. */
    return jsm_kind(slab) == JSM_KIND_SLAB && jsm_load_relaxed(&slab->theap) == th;
}

/* ---- Slabs of a theap ---- */

static void
count_place(const struct jsm_span *slab, struct places *places, struct jsm_faults *faults)
{
    switch ((enum jsm_slab_state)slab->state) {
    case JSM_SLAB_ACTIVE:
        places->active++;
        places->idle_bytes += (size_t)slab->biased * JSM_IDLE_STEP_BYTES;
        return;
    case JSM_SLAB_PARTIAL:
        places->partial++;
        break;
    case JSM_SLAB_FULL:
        places->full_listed += jsm_list_is_linked(&slab->queue);
        places->full_slices += jsm_list_is_linked(&slab->queue) ? slab->n_slices : 0;
        break;
    default:
        jsm_fault(faults, "slab with an owner, in a state of one without, at ", slab->base);
        break;
    }
    if (slab->biased != 0)
        jsm_fault(faults, "slab that is biased and not in use at ", slab->base);
}

static void
check_slab(const struct jsm_theap *th, const struct jsm_span *slab, struct places *places, struct jsm_faults *faults)
{
    const char *what = jsm_slab_fault(slab);
    /* ORDER: relaxed; as in is_slab_of(). */
    uintptr_t owner = jsm_load_relaxed(&slab->owner);

    if (what != NULL)
        jsm_fault(faults, what, slab->base);
    if (jsm_span_heap(slab) != th->heap || (owner != 0 && owner != th->front.thread_id))
        jsm_fault(faults, "slab that says that it is somebody else's at ", slab->base);
    if (slab->class_id >= JSM_CLASSES || jsm_class_bytes[slab->class_id] != slab->block_bytes)
        jsm_fault(faults, "slab whose blocks are not of its class at ", slab->base);
    /* ORDER: relaxed; others may add blocks, to which it is a lock that they do not. */
    if (jsm_heap_is_user(th->heap) && jsm_remote_blocks(jsm_load_relaxed(&slab->remote)) != 0)
        jsm_fault(faults, "slab of a heap of the program's with blocks freed without its lock at ", slab->base);
    count_place(slab, places, faults);
}

static void
check_slabs(const struct jsm_theap *th, struct places *places, struct jsm_faults *faults)
{
    struct jsm_walk walk = JSM_WALK(&th->slabs, all);

    for (const struct jsm_span *slab; (slab = jsm_walk_next(&walk)) != NULL;) {
        if (is_slab_of(th, slab))
            check_slab(th, slab, places, faults);
        else
            jsm_fault(faults, "list of slabs with what is none of them at ", slab->base);
    }
    if (walk.is_broken)
        jsm_fault(faults, "list of slabs whose links do not lead there and back at ", &th->slabs);
}

/* ---- Queues ---- */

/* A list of slabs in a state, of class `c` unless that is JSM_CLASSES; how many. */
static size_t
check_queue(const struct jsm_theap *th, const struct jsm_link *list, enum jsm_slab_state state, unsigned c,
            struct jsm_faults *faults)
{
    struct jsm_walk walk = JSM_WALK(list, queue);
    size_t n = 0;

    for (const struct jsm_span *slab; (slab = jsm_walk_next(&walk)) != NULL; n++)
        if (!is_slab_of(th, slab) || slab->state != state || (c != JSM_CLASSES && slab->class_id != c))
            jsm_fault(faults, "queue with a slab that does not belong there at ", slab->base);
    if (walk.is_broken)
        jsm_fault(faults, "queue whose links do not lead there and back at ", list);
    return n;
}

static size_t
check_active(const struct jsm_theap *th, unsigned c, struct jsm_faults *faults)
{
    const struct jsm_span *slab = th->front.active[c];

    if (slab == JSM_SLAB_NONE)
        return 0;
    if (!jsm_pagemap_holds(slab) || !is_slab_of(th, slab) || slab->state != JSM_SLAB_ACTIVE || slab->class_id != c)
        jsm_fault(faults, "slab to allocate from that is none of the class, in ", &th->front.active[c]);
    return 1;
}

static void
check_queues(const struct jsm_theap *th, const struct places *places, struct jsm_faults *faults)
{
    size_t active = 0, partial = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        active += check_active(th, c, faults);
        partial += check_queue(th, &th->partial[c], JSM_SLAB_PARTIAL, c, faults);
    }
    for (size_t i = 0; th->front.thread_id != 0 && i < JSM_DIRECTS; i++) /* nobody looks at those of other theaps */
        if (th->front.direct[i] != JSM_SLAB_NONE && th->front.direct[i] != th->front.active[jsm_direct_class[i]])
            jsm_fault(faults, "slab for a size that is not that of its class, in ", &th->front.direct[i]);
    size_t full = check_queue(th, &th->full, JSM_SLAB_FULL, JSM_CLASSES, faults);
    if (active != places->active || partial != places->partial || full != places->full_listed)
        jsm_fault(faults, "slab that is not where its state has it, of the thread heap at ", th);
    if (places->full_slices != th->n_full_slices)
        jsm_fault(faults, "wrong number of full slices, of the thread heap at ", th);
    if (places->idle_bytes != th->idle_bytes)
        jsm_fault(faults, "wrong number of idle bytes, of the thread heap at ", th);
}

/* ---- What is on its way to others, and from them ---- */

/* The blocks are those of the slab's other owner, and this thread's until they are published. */
static void
check_outbox_entry(const struct jsm_outbox_entry *e, struct jsm_faults *faults)
{
    uint32_t i = e->head, n = 1;

    if (!jsm_pagemap_holds(e->slab) || jsm_kind(e->slab) != JSM_KIND_SLAB || e->blocks == 0) {
        jsm_fault(faults, "outbox with what is no slab, in ", e);
        return;
    }
    for (; n <= e->blocks && i < e->slab->capacity && i != e->tail; n++)
        i = jsm_slab_cell(e->slab, i);
    if (i != e->tail || i >= e->slab->capacity || n != e->blocks)
        jsm_fault(faults, "outbox with a broken list of blocks of the slab at ", e->slab->base);
}

static void
check_outbox(const struct jsm_theap *th, struct jsm_faults *faults)
{
    size_t before = faults->n, bytes = 0;

    for (size_t i = 0; i < JSM_OUTBOX_ENTRIES; i++) {
        const struct jsm_outbox_entry *e = &th->outbox[i];
        if (e->slab == NULL)
            continue;
        check_outbox_entry(e, faults);
        bytes += faults->n == before ? (size_t)e->blocks * e->slab->block_bytes : 0;
    }
    /* It counts blocks of entries that were sent off to make room, too. */
    if (bytes > th->outbox_bytes || th->outbox_bytes > JSM_OUTBOX_BYTES_MAX)
        jsm_fault(faults, "wrong number of bytes in the outbox of the thread heap at ", th);
}

static void
check_inbox(const struct jsm_theap *th, struct jsm_faults *faults)
{
    /* ORDER: acquire, with I1: the links of the inbox.  The owner alone takes them. */
    const struct jsm_span *slab = jsm_load_acquire(&th->inbox);
    size_t most = jsm_arena_ever_slices();

    for (size_t n = 0; slab != NULL; n++, slab = slab->inbox_next) {
        if (n > most || !jsm_pagemap_holds(slab) || !is_slab_of(th, slab) || !jsm_slab_is_pinned(slab)) {
            jsm_fault(faults, "inbox with what nobody can have posted, of the thread heap at ", th);
            return;
        }
    }
}

/* ---- What is behind blocks, which other threads change when they free or resize one ---- */

enum { SUSPECTS_MAX = 16 };

struct suspects {
    const void *block[SUSPECTS_MAX];
    size_t n;
};

static void
suspect(struct suspects *suspects, const void *block)
{
    if (suspects->n < SUSPECTS_MAX)
        suspects->block[suspects->n++] = block;
}

static void
tell_suspects(const struct suspects *suspects, struct jsm_faults *faults)
{
    for (size_t i = 0; i < suspects->n; i++)
        jsm_fault(faults, "something was written behind the block at ", suspects->block[i]);
}

static void
look_behind_span(struct jsm_span *span, void *suspects)
{
    enum jsm_kind kind = jsm_kind(span);

    if ((kind == JSM_KIND_LARGE || kind == JSM_KIND_HUGE) && !jsm_harden_is_sound(span, span->base))
        suspect(suspects, span->base);
}

static void
look_behind_blocks(const struct jsm_theap *th, struct suspects *suspects)
{
    for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        for (uint32_t i = 0; i < slab->carved; i++)
            if (jsm_slab_cell(slab, i) == JSM_LINK_USED && !jsm_harden_is_sound(slab, jsm_slab_block(slab, i)))
                suspect(suspects, jsm_slab_block(slab, i));
    }
}

static bool others_were_lost; /* [const] but for the child of fork(), which has one thread */

void
jsm_heap_check_after_fork(void)
{
    others_were_lost = true;
}

void
jsm_heap_check_behind(const struct jsm_theap *self, struct jsm_faults *faults)
{
    struct suspects suspects = { { NULL }, 0 };

    if (!jsm_hardened() || others_were_lost)
        return;
    jsm_span_visit(look_behind_span, &suspects);
    jsm_huge_visit(look_behind_span, &suspects);
    if (self != NULL)
        look_behind_blocks(self, &suspects);
    tell_suspects(&suspects, faults);
}

void
jsm_theap_check_behind(const struct jsm_theap *th, const struct jsm_theap *self, struct jsm_faults *faults)
{
    struct suspects suspects = { { NULL }, 0 };
    /* ORDER: relaxed, here and below; who begins meanwhile is counted before it can change a block. */
    uint32_t opened = jsm_load_relaxed(&jsm_theaps_opened);

    if (!jsm_hardened() || others_were_lost || jsm_load_relaxed(&jsm_theaps_live) != (self != NULL))
        return;
    look_behind_blocks(th, &suspects);
    if (jsm_load_relaxed(&jsm_theaps_opened) == opened)
        tell_suspects(&suspects, faults);
}

/* ---- A theap ---- */

void
jsm_theap_check(struct jsm_theap *th, struct jsm_faults *faults)
{
    struct places places = { 0, 0, 0, 0, 0 };
    bool was_used = th->front.active[0] != NULL; /* else it was never opened, or forgotten after fork() */

    check_slabs(th, &places, faults);
    if (was_used)
        check_queues(th, &places, faults);
    check_outbox(th, faults);
    check_inbox(th, faults);
    jsm_cache_check(th, faults);
    if (th->quarantine != NULL)
        jsm_quarantine_check(th->quarantine, faults);
}

/* ---- Slabs without owner ---- */

static void
check_shared_slab(const struct jsm_heap *heap, const struct jsm_span *slab, unsigned c, struct jsm_faults *faults)
{
    const char *what = jsm_slab_fault(slab);
    /* ORDER: relaxed, all three; no thread but its finder under the lock makes a slab of the list its own. */
    bool is_free = jsm_load_relaxed(&slab->theap) == NULL && jsm_load_relaxed(&slab->owner) == 0 &&
                   (jsm_load_relaxed(&slab->remote) & JSM_REMOTE_DETACHED) != 0;

    if (what != NULL)
        jsm_fault(faults, what, slab->base);
    if (!is_free || slab->state != JSM_SLAB_SHARED || slab->class_id != c || jsm_span_heap(slab) != heap)
        jsm_fault(faults, "shared slab that does not belong there at ", slab->base);
}

static void
check_shared(struct jsm_heap *heap, struct jsm_faults *faults)
{
    jsm_lock(&heap->lock);
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        struct jsm_walk walk = JSM_WALK(&heap->shared[c], queue);
        size_t n = 0;
        for (const struct jsm_span *slab; (slab = jsm_walk_next(&walk)) != NULL; n++) {
            if (jsm_kind(slab) == JSM_KIND_SLAB)
                check_shared_slab(heap, slab, c, faults);
            else
                jsm_fault(faults, "list of shared slabs with what is none at ", slab->base);
        }
        if (walk.is_broken)
            jsm_fault(faults, "list of shared slabs whose links do not lead there and back at ", &heap->shared[c]);
        /* ORDER: relaxed; changed only under the lock that we hold. */
        else if (n != jsm_load_relaxed(&heap->n_shared[c]))
            jsm_fault(faults, "wrong number of shared slabs, of the list at ", &heap->shared[c]);
    }
    jsm_unlock(&heap->lock);
}

/* ---- Slabs of whomever ---- */

/* Of those of other threads, and of those on no list, what was noted for all to read. */
static void
check_noted(struct jsm_span *slab, void *arg)
{
    unsigned c;
    uint32_t used, carved;

    if (jsm_kind(slab) != JSM_KIND_SLAB)
        return;
    jsm_slab_noted(slab, &c, &used, &carved);
    /* ORDER: relaxed; a figure, which its threads may change. */
    uint32_t remote = jsm_remote_blocks(jsm_load_relaxed(&slab->remote));
    size_t most = ((size_t)slab->n_slices << JSM_SLICE_SHIFT) / jsm_class_bytes[0];
    if (c >= JSM_CLASSES || carved > most || remote > most)
        jsm_fault(arg, "slab that tells what cannot be at ", slab->base);
}

/* ---- All ---- */

void
jsm_heap_tell_fault(const char *what, const void *where)
{
    char buffer[40];
    struct jsm_text t;

    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_text_hex(&t, (uintptr_t)where);
    jsm_message("heap check: ", what, buffer);
}

size_t
jsm_heap_check(struct jsm_theap *th)
{
    struct jsm_faults faults = { 0, jsm_heap_tell_fault };

    faults.n = jsm_span_check(jsm_heap_tell_fault);
    if (faults.n == 0) /* else nobody knows where they are */
        jsm_span_visit(check_noted, &faults);
    jsm_huge_check(&faults);
    jsm_meta_check(&faults);
    if (th != NULL)
        jsm_theap_check(th, &faults);
    check_shared(&jsm_heap_default, &faults);
    jsm_user_heaps_check(th, &faults);
    jsm_guard_check(&faults);
    return faults.n;
}
