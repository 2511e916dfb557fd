/* t/check.c - jsm_check() finds each kind of damage of slabs, thread heaps, heaps of the program and what is around
 * blocks, and says what it is.
 *
 * SPDX-License-Identifier: MIT
 */
#include "check.h"

/* ---- Slabs ---- */

static void
lead_nowhere(void)
{
    active->link[active->capacity - 1u] = JSM_LINK_USED; /* it is not carved */
}

static void
lead_out(void)
{
    uint32_t i;

    if (jsm_slab_index(full, small[0], &i))
        full->link[i] = (uint16_t)(full->carved + 1);
}

static void
loop_free(void)
{
    partial->link[partial->link[partial->head]] = partial->head;
}

static void
free_live(void)
{
    uint32_t i;

    if (jsm_slab_index(full, small[0], &i))
        full->head = (uint16_t)i;
}

static void
miscount(void)
{
    jsm_slab_set_left(partial, jsm_slab_left(partial) + 1);
}

static void
misdivide(void)
{
    partial->recip++;
}

static void
lose_links(void)
{
    partial->link = (uint16_t *)(void *)small;
}

static void
disown(void)
{
    partial->state = JSM_SLAB_SHARED;
}

static void
reclassify(void)
{
    partial->class_id++;
}

static void
change_owner(void)
{
    jsm_store_relaxed(&partial->owner, 1);
}

static void
bias_partial(void)
{
    partial->biased = 1;
}

static void
publish_too_many(void)
{
    jsm_store_relaxed(&partial->remote, (uint64_t)partial->head << 48 | UINT64_C(1) << 32);
}

/* ---- Theaps ---- */

static void
swap_active(void)
{
    mine->front.active[jsm_class_of(64)] = partial;
}

static void
swap_direct(void)
{
    mine->front.direct[8] = partial;
}

static void
leave_queue(void)
{
    jsm_list_remove(&partial->queue);
}

static void
queue_wrong_class(void)
{
    jsm_list_remove(&partial->queue);
    jsm_list_append(&mine->partial[0], &partial->queue);
}

static void
break_queue(void)
{
    partial->queue.next = (struct jsm_link *)(void *)small;
}

static void
break_slabs(void)
{
    partial->all.next = NULL;
}

static void
list_other(void)
{
    jsm_store_relaxed(&partial->theap, NULL);
}

static void
change_full(void)
{
    mine->n_full_slices++;
}

static void
change_idle(void)
{
    mine->idle_bytes += 4096;
}

/* A slab of another thread, which has freed none of it, and a block of it in our outbox. */
static pthread_barrier_t barrier;
static void *lent[4];

static void *
lend(void *unused)
{
    for (size_t i = 0; i < COUNT_OF(lent); i++)
        lent[i] = jsm_malloc(500);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return unused;
}

static struct jsm_outbox_entry *
outbox_entry(void)
{
    pthread_t thread;

    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, lend, NULL);
    pthread_barrier_wait(&barrier);
    jsm_free(lent[0]);
    jsm_free(lent[1]);
    for (size_t i = 0; i < JSM_OUTBOX_ENTRIES; i++)
        if (mine->outbox[i].slab == slab_of(lent[0]))
            return &mine->outbox[i];
    _exit(UNFIT);
}

static void
cut_outbox(void)
{
    outbox_entry()->blocks++;
}

static void
lose_outbox_slab(void)
{
    outbox_entry()->slab = (struct jsm_span *)(void *)small;
}

static void
change_outbox_bytes(void)
{
    (void)outbox_entry();
    mine->outbox_bytes = 1;
}

static void
note_nonsense(void)
{
    (void)outbox_entry();
    jsm_store_relaxed(&slab_of(lent[2])->seen, UINT32_MAX);
}

static void
post_nonsense(void)
{
    jsm_store_relaxed(&mine->inbox, active);
}

/* Some slabs become empty, and their spans stay with the thread. */
static struct jsm_span *
cached_span(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        jsm_free(small[i]);
    struct jsm_span *span = jsm_load_relaxed(&mine->cached);
    if (span == NULL || jsm_check() != 0)
        _exit(UNFIT);
    return span;
}

static void
use_cached(void)
{
    jsm_set_kind(cached_span(), JSM_KIND_BUSY);
}

static void
loop_cached(void)
{
    struct jsm_span *span = cached_span();

    span->inbox_next = span;
}

/* ---- Slabs without owner ---- */

static void *
leave_blocks(void *unused)
{
    lent[0] = jsm_malloc(500);
    return unused;
}

static struct jsm_span *
shared_slab(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, leave_blocks, NULL);
    pthread_join(thread, NULL);
    struct jsm_span *slab = slab_of(lent[0]);
    if (slab->state != JSM_SLAB_SHARED || jsm_check() != 0)
        _exit(UNFIT);
    return slab;
}

static void
own_shared(void)
{
    jsm_store_relaxed(&shared_slab()->theap, mine);
}

static void
miscount_shared(void)
{
    jsm_fetch_add_relaxed(&jsm_heap_default.n_shared[shared_slab()->class_id], 1);
}

static void
break_shared(void)
{
    shared_slab()->queue.prev = NULL;
}

static void
share_none(void)
{
    jsm_set_kind(shared_slab(), JSM_KIND_LARGE);
}

/* ---- Heaps of the program ---- */

static void
give_away(void)
{
    jsm_set_span_heap(in_heap[1], &jsm_heap_default);
}

static void
break_large(void)
{
    in_heap[1]->queue.prev = &in_heap[1]->queue;
}

static void
grow_secretly(void)
{
    jsm_set_size_bytes(in_heap[2], jsm_size_bytes(in_heap[2]) + 4096 * 16);
}

static void
free_unlocked(void)
{
    jsm_store_relaxed(&in_heap[0]->remote, UINT64_C(1) << 32);
}

/* ---- Blocks of options harden and guard_sample ---- */

static const char *harden_level;

static int
play_hardened(void)
{
    if (!set_option("harden", harden_level) || !set_option("check_action", "0"))
        return UNFIT;
    return play();
}

static void
finds_hardened(void (*scene)(void), const char *what)
{
    static struct child child;

    damage = scene;
    in_child(&child, play_hardened);
    if (!ok(ended_well(&child) && strstr(child.text, what) != NULL, "harden=%s: %s", harden_level, what))
        tell_child(&child);
}

static void
write_behind(void *p)
{
    *((volatile uint8_t *)p + jsm_malloc_usable_size(p)) ^= 0x55;
}

static void
overflow_small(void)
{
    write_behind(small[1]);
}

static void
overflow_in_heap(void)
{
    write_behind(hide(jsm_heap_malloc((jsm_heap *)(void *)heap, 100)));
}

static void
overflow_large(void)
{
    write_behind(block->base);
}

static void
overflow_mapping(void)
{
    write_behind(mapping->base);
}

static void
write_freed(void)
{
    volatile uint8_t *p = small[1];

    jsm_free(small[1]);
    p[5] = 1;
}

static void
use_kept(void)
{
    uint32_t i;

    jsm_free(small[1]);
    struct jsm_span *slab = slab_of(small[1]);
    if (!jsm_slab_index(slab, small[1], &i) || slab->link[i] != JSM_LINK_QUARANTINED)
        _exit(UNFIT);
    slab->link[i] = JSM_LINK_USED;
}

static void
overflow_guarded(void)
{
    if (!set_option("guard_sample", "1"))
        _exit(UNFIT);
    jsm_guard_start();
    void *p = NULL;
    for (int i = 0; i < 100; i++) { /* one that ends before its page does */
        p = hide(jsm_malloc(100));
        if (jsm_kind(jsm_pagemap_find(p)) == JSM_KIND_GUARD && (uintptr_t)p % 4096 == 0)
            break;
    }
    write_behind(p);
}

/* Guarded blocks where direct mappings of option harden were are not taken for theirs. */
static int
sample_after_mappings(void)
{
    void *p[60];

    if (!set_option("harden", harden_level) || !set_option("mmap_threshold", "300000"))
        return UNFIT;
    for (size_t i = 0; i < COUNT_OF(p); i++)
        p[i] = jsm_malloc(400000);
    for (size_t i = 0; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    if (!set_option("guard_sample", "1"))
        return UNFIT;
    jsm_guard_start();
    for (size_t i = 0; i < 200; i++)
        p[i % COUNT_OF(p)] = jsm_realloc(i < COUNT_OF(p) ? NULL : p[i % COUNT_OF(p)], 100 + i);
    for (size_t i = 0; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    return jsm_check();
}

static const struct scene scenes[] = {
    { lead_nowhere, "slab with a cell that leads to nowhere" },
    { lead_out, "slab with a cell that leads to nowhere" },
    { loop_free, "slab whose lists hold what is not free, or twice" },
    { free_live, "slab whose lists hold what is not free, or twice" },
    { miscount, "slab whose lists do not add up" },
    { misdivide, "slab of an impossible shape" },
    { lose_links, "slab of an impossible shape" },
    { disown, "slab with an owner, in a state of one without" },
    { reclassify, "slab whose blocks are not of its class" },
    { change_owner, "slab that says that it is somebody else's" },
    { bias_partial, "slab that is biased and not in use" },
    { publish_too_many, "slab with a broken list of blocks that others freed" },
    { swap_active, "slab to allocate from that is none of the class" },
    { swap_direct, "slab for a size that is not that of its class" },
    { leave_queue, "slab that is not where its state has it" },
    { queue_wrong_class, "queue with a slab that does not belong there" },
    { break_queue, "queue whose links do not lead there and back" },
    { break_slabs, "list of slabs whose links do not lead there and back" },
    { list_other, "list of slabs with what is none of them" },
    { change_full, "wrong number of full slices" },
    { change_idle, "wrong number of idle bytes" },
    { cut_outbox, "outbox with a broken list of blocks" },
    { lose_outbox_slab, "outbox with what is no slab" },
    { change_outbox_bytes, "wrong number of bytes in the outbox" },
    { note_nonsense, "slab that tells what cannot be" },
    { post_nonsense, "inbox with what nobody can have posted" },
    { use_cached, "cache with what cannot be there" },
    { loop_cached, "cache with what cannot be there" },
    { own_shared, "shared slab that does not belong there" },
    { miscount_shared, "wrong number of shared slabs" },
    { break_shared, "list of shared slabs whose links do not lead there and back" },
    { share_none, "list of shared slabs with what is none" },
    { give_away, "list of a heap with what is not the heap's" },
    { break_large, "list of a heap whose links do not lead there and back" },
    { grow_secretly, "heap whose memory does not add up" },
    { free_unlocked, "slab of a heap of the program's with blocks freed without its lock" },
    { overflow_guarded, "something was written beside the block" },
}, hardened_scenes[] = {
    { overflow_small, "something was written behind the block" },
    { overflow_in_heap, "something was written behind the block" },
    { overflow_large, "something was written behind the block" },
    { overflow_mapping, "something was written behind the block" },
    { write_freed, "block that was written to after it was freed" },
    { use_kept, "quarantine with what was not freed" },
};

int
main(void)
{
    static const char *const levels[] = { "on", "full" };

    end_if_stuck();
    static struct child child;

    plan(COUNT_OF(scenes) + 2 * COUNT_OF(hardened_scenes) + 2);
    for (size_t i = 0; i < COUNT_OF(scenes); i++)
        finds(scenes[i].scene, scenes[i].what);
    for (size_t i = 0; i < 2 * COUNT_OF(hardened_scenes); i++) {
        harden_level = levels[i / COUNT_OF(hardened_scenes)];
        const struct scene *s = &hardened_scenes[i % COUNT_OF(hardened_scenes)];
        finds_hardened(s->scene, s->what);
    }
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        harden_level = levels[i];
        in_child(&child, sample_after_mappings);
        if (!ok(ended_well(&child), "harden=%s: guarded blocks lie where direct mappings were", harden_level))
            tell_child(&child);
    }
    return done();
}
