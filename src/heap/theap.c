/* heap/theap.c - what one thread owns: slabs by state, cached spans, inbox and outbox.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <string.h>

_Atomic(uint32_t) jsm_theaps_live, jsm_theaps_opened;

/* ---- Where a slab is ---- */

/* A slab has 128 steps at most. */
static unsigned
carved_steps(const struct jsm_span *slab)
{
    return (unsigned)(((size_t)slab->carved * slab->block_bytes + JSM_IDLE_STEP_BYTES - 1) / JSM_IDLE_STEP_BYTES);
}

/* Makes `slab` the one that class `c` allocates from. */
JSM_CORE static void
set_active(struct jsm_theap *th, unsigned c, struct jsm_span *slab)
{
    th->front.active[c] = slab;
    if (jsm_class_bytes[c] > JSM_DIRECT_MAX || th->front.slow)
        return;
    size_t from = c == 0 ? th->front.first_direct : (jsm_class_bytes[c - 1] >> JSM_DIRECT_SHIFT) + 1u;
    for (size_t i = from; i <= jsm_class_bytes[c] >> JSM_DIRECT_SHIFT; i++)
        th->front.direct[i] = slab;
}

static void
set_owner(struct jsm_span *slab, uintptr_t thread_id)
{
    /* ORDER: relaxed.  A thread compares it with its own identity, which nobody else writes
     * here; any other value means the slow path, which asks again. */
    jsm_store_relaxed(&slab->owner, thread_id);
}

/* Slabs of several slices are found through `back`, by the slow path; slow mode wants it always. */
static uintptr_t
fast_owner(const struct jsm_theap *th, const struct jsm_span *slab)
{
    return slab->n_slices == 1 && th->front.slow < JSM_SLOW_HARDENED ? th->front.thread_id : 0;
}

/* The theap takes a slab that has no owner. */
JSM_CORE static void
take_over(struct jsm_theap *th, struct jsm_span *slab)
{
    jsm_set_span_heap(slab, th->heap);
    /* ORDER: relaxed; others compare it with their own theap, or hold the pin, whose order they
     * have from jsm_slab_sleep(). */
    jsm_store_relaxed(&slab->theap, th);
    set_owner(slab, fast_owner(th, slab));
    jsm_list_append(&th->slabs, &slab->all);
}

static void
let_go(struct jsm_span *slab)
{
    set_owner(slab, 0);
    /* ORDER: relaxed, as in take_over(). */
    jsm_store_relaxed(&slab->theap, NULL);
    jsm_list_remove(&slab->all);
}

/* Counts free memory that this layer keeps, for the page heap to know. */
static void
keep(const struct jsm_theap *th, size_t more, size_t less)
{
    if (!jsm_heap_is_user(th->heap)) /* what other heaps keep counts as theirs */
        /* ORDER: relaxed; an amount. */
        jsm_fetch_add_relaxed(&jsm_kept_bytes, more - less);
}

JSM_CORE static void
remove_bias(struct jsm_theap *th, struct jsm_span *slab)
{
    if (slab->biased) {
        size_t bytes = (size_t)slab->biased * JSM_IDLE_STEP_BYTES;
        th->idle_bytes -= bytes;
        keep(th, 0, bytes);
        slab->biased = 0;
        jsm_slab_set_left(slab, jsm_slab_left(slab) - 1);
        jsm_slab_note(slab);
    }
}

JSM_CORE void
jsm_slab_release(struct jsm_span *slab)
{
    jsm_set_kind(slab, JSM_KIND_BUSY); /* first: who forks now must not find a slab without links */
    jsm_slab_fini(slab);
    jsm_heap_span_free(slab);
}

static void
list_partial(struct jsm_theap *th, struct jsm_span *slab)
{
    slab->state = JSM_SLAB_PARTIAL;
    jsm_slab_note(slab);
    jsm_list_append(&th->partial[slab->class_id], &slab->queue);
}

/* An empty slab, on no list of its state: to the span cache, or to the page heap. */
JSM_CORE static void
dispose(struct jsm_theap *th, struct jsm_span *slab)
{
    jsm_assert_walk(jsm_slab_check(slab));
    if (jsm_unlikely(th->n_visitors > 0)) { /* who walks the list of slabs must find the next */
        list_partial(th, slab);
        return;
    }
    let_go(slab);
    if (slab->n_slices != 1 || !jsm_cache_put(th, slab))
        jsm_slab_release(slab);
}

static void
unlist_full(struct jsm_theap *th, struct jsm_span *slab)
{
    if (jsm_list_is_linked(&slab->queue)) {
        jsm_list_remove(&slab->queue);
        th->n_full_slices -= slab->n_slices;
    }
}

/* ---- Full slabs ---- */

/* With several threads, memory in full slabs must not wait for an owner that sleeps: beyond some,
 * the oldest are given to whoever can use them. */
static void
keep_full(struct jsm_theap *th, struct jsm_span *slab)
{
    jsm_list_append(&th->full, &slab->queue);
    th->n_full_slices += slab->n_slices;
    while (th->n_full_slices > JSM_FULL_SLICES_MAX) {
        struct jsm_span *oldest = jsm_list_entry(jsm_list_first(&th->full), struct jsm_span, queue);
        unlist_full(th, oldest);
        jsm_slab_wake(oldest); /* from here on nobody pins it */
        if (jsm_slab_is_pinned(oldest))
            continue; /* it is on its way into our inbox */
        uint32_t used = jsm_slab_used(oldest);
        let_go(oldest);
        jsm_heap_detach(oldest, used);
    }
}

/* The active slab of its class has nothing left, unless blocks came back in the meantime. */
static void
set_aside(struct jsm_theap *th, struct jsm_span *slab)
{
    remove_bias(th, slab);
    if (!jsm_slab_sleep(slab))
        return;
    jsm_slab_set_left(slab, slab->wake);
    slab->state = JSM_SLAB_FULL;
    jsm_slab_note(slab);
    /* ORDER: relaxed; a thread that starts now will find the next slab listed. */
    if (jsm_load_relaxed(&jsm_theaps_live) > 1 && !jsm_heap_is_user(th->heap))
        keep_full(th, slab);
    set_active(th, slab->class_id, JSM_SLAB_NONE);
}

/* A full slab has enough free blocks again. */
JSM_CORE static void
wake_up(struct jsm_theap *th, struct jsm_span *slab)
{
    uint32_t used = jsm_slab_used(slab);

    unlist_full(th, slab);
    jsm_slab_wake(slab);
    jsm_slab_set_left(slab, used);
    list_partial(th, slab);
}

/* ---- Empty slabs ---- */

/* The active slab became empty.  To give it back at each last free and fetch it at each next malloc
 * would make the simplest of programs slow, so some stay, with a bias that keeps `left`
 * from coming to 0 again. */
static void
active_is_empty(struct jsm_theap *th, struct jsm_span *slab)
{
    unsigned steps = carved_steps(slab);
    size_t bytes = (size_t)steps * JSM_IDLE_STEP_BYTES;

    size_t most = jsm_option(JSM_OPT_CACHE_ADAPT) != 0 ? JSM_IDLE_BYTES_ADAPT : JSM_IDLE_BYTES_MAX;

    if (slab->block_bytes > (size_t)jsm_option(JSM_OPT_FAST_MAX))
        most = 0;
    if (th->idle_bytes + bytes <= most || jsm_slab_is_pinned(slab)) {
        th->idle_bytes += bytes;
        keep(th, bytes, 0);
        slab->biased = (uint8_t)steps;
        jsm_slab_set_left(slab, 1);
        jsm_slab_note(slab);
        return;
    }
    set_active(th, slab->class_id, JSM_SLAB_NONE);
    dispose(th, slab);
}

JSM_CORE void
jsm_theap_event(struct jsm_span *slab)
{
    /* ORDER: relaxed; the slab is ours, we wrote it. */
    struct jsm_theap *th = jsm_load_relaxed(&slab->theap);

    switch ((enum jsm_slab_state)slab->state) {
    case JSM_SLAB_ACTIVE:
        active_is_empty(th, slab);
        break;
    case JSM_SLAB_FULL:
        wake_up(th, slab);
        break;
    default:
        jsm_assert(slab->state == JSM_SLAB_PARTIAL);
        if (!jsm_slab_is_pinned(slab)) { /* else when it is found in the inbox */
            jsm_list_remove(&slab->queue);
            dispose(th, slab);
        }
        break;
    }
}

/* ---- Inbox and outbox ---- */

static void
collect_one(struct jsm_theap *th, struct jsm_span *slab)
{
    if (slab->state == JSM_SLAB_FULL)
        wake_up(th, slab);
    jsm_slab_set_left(slab, jsm_slab_left(slab) - jsm_slab_unpin(slab));
    if (slab->state == JSM_SLAB_PARTIAL && jsm_slab_left(slab) == 0) {
        jsm_list_remove(&slab->queue);
        dispose(th, slab);
    }
}

JSM_CORE void
jsm_theap_collect(struct jsm_theap *th)
{
    /* ORDER: relaxed, a hint: what is missed now is found next time. */
    if (jsm_load_relaxed(&th->inbox) == NULL)
        return;
    /* ORDER I2: acquire, with I1: the links of the inbox. */
    struct jsm_span *slab = jsm_exchange_acquire(&th->inbox, NULL);

    while (slab != NULL) {
        struct jsm_span *next = slab->inbox_next;
        collect_one(th, slab);
        slab = next;
    }
}

JSM_CORE void
jsm_theap_flush(struct jsm_theap *th)
{
    if (th->outbox_bytes == 0)
        return;
    th->outbox_bytes = 0;
    for (size_t i = 0; i < JSM_OUTBOX_ENTRIES; i++) {
        struct jsm_outbox_entry e = th->outbox[i];
        th->outbox[i].slab = NULL;
        if (e.slab != NULL)
            jsm_heap_act(e.slab, jsm_slab_publish(e.slab, e.head, e.tail, e.blocks));
    }
}

/* ---- Refill ---- */

static struct jsm_span *
slab_new(struct jsm_theap *th, unsigned c)
{
    size_t n_slices = jsm_heap_slab_slices(th->heap, c);
    struct jsm_span *slab;
    bool clean = false;

    slab = n_slices == 1 ? jsm_cache_take(th) : NULL;
    if (slab == NULL)
        slab = jsm_heap_span_alloc(th, n_slices, 1, JSM_WANT_NEWEST, &clean);
    if (slab == NULL)
        return NULL;
    if (jsm_hardened())
        jsm_harden_slab(slab, th->heap);
    if (!jsm_slab_init(slab, c, jsm_class_bytes[c], clean)) {
        jsm_set_kind(slab, JSM_KIND_BUSY);
        jsm_heap_span_free(slab);
        return NULL;
    }
    slab->squeezed = jsm_heap_is_user(th->heap) && jsm_user_heap_is_squeezed(th->heap);
    take_over(th, slab);
    return slab;
}

enum { PARTIAL_CANDIDATES = 4, CARVE_AHEAD_BYTES_MAX = 16 << 10 };

static bool
has_free(const struct jsm_span *slab)
{
    return slab->head != JSM_LINK_END || jsm_slab_has_remote(slab);
}

/* Of the slabs with free blocks that have waited longest, the fullest: so the sparse ones drain.
 * With `any`, also one that has none but could be carved further. */
JSM_CORE static struct jsm_span *
take_partial(struct jsm_theap *th, unsigned c, bool any)
{
    struct jsm_link *list = &th->partial[c];
    struct jsm_span *best = NULL;
    int seen = 0;

    if (jsm_list_is_empty(list))
        return NULL;
    for (struct jsm_link *l = list->next; l != list && seen < PARTIAL_CANDIDATES; l = l->next, seen++) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, queue);
        if ((any || has_free(slab)) && (best == NULL || jsm_slab_left(slab) > jsm_slab_left(best)))
            best = slab;
    }
    if (best != NULL)
        jsm_list_remove(&best->queue);
    return best;
}

/* A slab of class `c` that has free blocks already; NULL if there is none. */
JSM_CORE static struct jsm_span *
used_slab(struct jsm_theap *th, unsigned c)
{
    jsm_theap_collect(th);
    struct jsm_span *slab = take_partial(th, c, false);
    if (slab == NULL) {
        slab = jsm_heap_adopt(th->heap, c);
        if (slab != NULL)
            take_over(th, slab);
    }
    return slab;
}

static void
activate(struct jsm_theap *th, struct jsm_span *slab)
{
    slab->state = JSM_SLAB_ACTIVE;
    set_owner(slab, fast_owner(th, slab)); /* 0 in a theap that changed hands */
    set_active(th, slab->class_id, slab);
}

static _Atomic(uint32_t) trims_asked;

void
jsm_theaps_ask_to_trim(void)
{
    /* ORDER: release, with trim_if_asked(): who sees that it is asked sees the options that it is asked for, which it
     * would not look at again.  Who sees it later follows later.  Not observable: options are atomic. */
    jsm_fetch_add_release(&trims_asked, 1);
}

static void
trim_if_asked(struct jsm_theap *th)
{
    /* ORDER: acquire, with jsm_theaps_ask_to_trim().  Not observable, as there. */
    uint32_t asked = jsm_load_acquire(&trims_asked);

    if (jsm_unlikely(th->trims_done != asked)) {
        th->trims_done = asked;
        jsm_theap_adapt(th);
        jsm_theap_trim(th, true);
    }
}

/* The next slab for class `c`, now active; NULL if there is no memory. */
static struct jsm_span *
next_slab(struct jsm_theap *th, unsigned c)
{
    trim_if_asked(th);
    struct jsm_span *slab = used_slab(th, c);

    if (slab == NULL)
        slab = take_partial(th, c, true);
    if (slab == NULL) {
        jsm_theap_flush(th); /* what we hold back may be just what others wait for */
        slab = slab_new(th, c);
    }
    if (slab != NULL)
        activate(th, slab);
    return slab;
}

/* The active slab has no free block.  Memory that has been used before goes first: another slab
 * that has some takes its place, rather than that new pages are touched. */
static bool
change_active(struct jsm_theap *th, struct jsm_span *slab)
{
    struct jsm_span *other = used_slab(th, slab->class_id);

    if (other == NULL)
        return false;
    remove_bias(th, slab);
    list_partial(th, slab);
    activate(th, other);
    return true;
}

/* How much to carve next.  A slab that is being filled is carved in longer stretches, so that a busy
 * class comes here less often; what is carved and not used yet is not touched either. */
static size_t
ahead_bytes(const struct jsm_span *slab)
{
    size_t half = (size_t)slab->carved * slab->block_bytes / 2;

    if (jsm_option(JSM_OPT_CACHE_ADAPT) == 0)
        return JSM_SLAB_CARVE_BYTES;
    half = jsm_min(half, (size_t)CARVE_AHEAD_BYTES_MAX);
    return jsm_max(jsm_round_down(half, (size_t)JSM_SLAB_CARVE_BYTES), (size_t)JSM_SLAB_CARVE_BYTES);
}

/* Whether the active slab has a free block now, or could be made to have one. */
static bool
replenish(struct jsm_theap *th, struct jsm_span *slab, bool *fresh)
{
    *fresh = false;
    if (slab->head != JSM_LINK_END)
        return true;
    uint32_t came_back = jsm_slab_take_remote(slab);
    jsm_slab_set_left(slab, jsm_slab_left(slab) - came_back);
    if (came_back > 0)
        return true;
    if (jsm_slab_is_exhausted(slab) || change_active(th, slab))
        return false;
    if (jsm_slab_recarve(slab))
        return true;
    *fresh = slab->clean;
    return jsm_slab_carve_ahead(slab, ahead_bytes(slab));
}

JSM_CORE void *
jsm_theap_refill(struct jsm_theap *th, unsigned c, bool *fresh)
{
    struct jsm_span *slab = th->front.active[c];

    while (slab == JSM_SLAB_NONE || !replenish(th, slab, fresh)) {
        if (slab == JSM_SLAB_NONE) {
            slab = next_slab(th, c);
            if (slab == NULL)
                return NULL;
        } else {
            if (slab == th->front.active[c]) /* not changed for another */
                set_aside(th, slab);
            slab = th->front.active[c];
        }
    }
    void *p = jsm_slab_pop(slab);
    jsm_slab_note(slab);
    return p;
}

/* ---- Life ---- */

/* The theap follows the options from here on, and not before: else one that changes would leave it slabs in `direct`
 * that it does not take out again. */
JSM_CORE static void
follow_options(struct jsm_theap *th)
{
    bool may_hold = jsm_hardened() && th->front.thread_id != 0 && jsm_quarantine_prepare(th);

    th->front.slow = (uint8_t)jsm_theap_wants_slow(may_hold);
    th->front.first_direct = (uint8_t)jsm_option(JSM_OPT_ZERO_SIZE);
    for (size_t i = 0; i < JSM_DIRECTS; i++)
        th->front.direct[i] = JSM_SLAB_NONE;
}

JSM_CORE static void
open_theap(struct jsm_theap *th, struct jsm_heap *heap, unsigned shard, uintptr_t thread_id)
{
    th->front.thread_id = thread_id;
    th->heap = heap;
    th->shard = shard;
    follow_options(th);
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        th->front.active[c] = JSM_SLAB_NONE;
    /* ORDER: relaxed, both; see set_aside(), and jsm_theap_check_behind(). */
    jsm_fetch_add_relaxed(&jsm_theaps_live, thread_id != 0);
    jsm_fetch_add_relaxed(&jsm_theaps_opened, 1);
}

JSM_CORE void
jsm_theap_open(struct jsm_theap *th, struct jsm_heap *heap, unsigned shard)
{
    open_theap(th, heap, shard, jsm_os_thread_id());
}

void
jsm_theap_open_shared(struct jsm_theap *th, struct jsm_heap *heap, unsigned shard)
{
    open_theap(th, heap, shard, 0); /* it is no thread and does not count as one */
}

/* Takes a slab from wherever its state has it. */
JSM_CORE static void
unlist(struct jsm_theap *th, struct jsm_span *slab)
{
    switch ((enum jsm_slab_state)slab->state) {
    case JSM_SLAB_ACTIVE:
        remove_bias(th, slab);
        set_active(th, slab->class_id, JSM_SLAB_NONE);
        break;
    case JSM_SLAB_FULL:
        unlist_full(th, slab);
        break;
    default:
        jsm_list_remove(&slab->queue);
        break;
    }
}

/* The slab of a theap that closes: to the page heap if it is empty, else to the heap. */
static void
leave_slab(struct jsm_theap *th, struct jsm_span *slab)
{
    unlist(th, slab);
    jsm_slab_wake(slab); /* from here on nobody pins it */
    uint32_t used = jsm_slab_used(slab);

    if (jsm_slab_is_pinned(slab)) {
        /* It will be in our inbox, for whoever uses the theap then.  Until that nobody frees here
         * the fast way. */
        jsm_slab_set_left(slab, used);
        set_owner(slab, 0);
        list_partial(th, slab);
        jsm_list_remove(&slab->all);
        jsm_list_append(&th->slabs, &slab->all);
        return;
    }
    slab->state = JSM_SLAB_NEW;
    jsm_slab_set_left(slab, used - jsm_slab_take_remote(slab));
    let_go(slab);
    if (th->no_adopt)
        slab->wake = UINT16_MAX;
    if (jsm_slab_left(slab) == 0)
        jsm_slab_release(slab);
    else
        jsm_heap_detach(slab, jsm_slab_left(slab));
}

JSM_CORE void
jsm_theap_leave_all(struct jsm_theap *th)
{
    jsm_quarantine_drain(th);
    jsm_theap_flush(th);
    jsm_theap_collect(th);
    /* Slabs that have to stay go to the end of the list: each is visited once. */
    size_t n = 0;
    for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next)
        n++;
    for (; n > 0; n--)
        leave_slab(th, jsm_list_entry(jsm_list_first(&th->slabs), struct jsm_span, all));
    jsm_cache_drop(th);
}

JSM_CORE void
jsm_theap_close(struct jsm_theap *th)
{
    jsm_theap_leave_all(th);
    th->front.thread_id = 0;
    keep(th, 0, th->idle_bytes); /* of slabs that are waited for */
    th->idle_bytes = 0;
    /* ORDER: relaxed; see set_aside(). */
    jsm_fetch_sub_relaxed(&jsm_theaps_live, 1);
}

void
jsm_theap_release_all(struct jsm_theap *th)
{
    while (th->slabs.next != NULL && !jsm_list_is_empty(&th->slabs)) {
        struct jsm_span *slab = jsm_list_entry(jsm_list_first(&th->slabs), struct jsm_span, all);
        let_go(slab);
        jsm_slab_release(slab);
    }
    jsm_cache_drop(th);
}

void
jsm_theap_drop_empty(struct jsm_theap *th)
{
    for (struct jsm_link *l = th->slabs.next, *next; l != NULL && l != &th->slabs; l = next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        next = l->next;
        if (slab->state == JSM_SLAB_PARTIAL && jsm_slab_left(slab) == 0) {
            jsm_list_remove(&slab->queue);
            dispose(th, slab);
        }
    }
}

bool
jsm_theap_has_room(const struct jsm_theap *th, unsigned c)
{
    const struct jsm_span *active = th->front.active[c];

    return active->head != JSM_LINK_END || (active != JSM_SLAB_NONE && !jsm_slab_is_exhausted(active)) ||
           !jsm_list_is_empty(&th->partial[c]);
}

static size_t
trim_slab(struct jsm_span *slab)
{
    if (slab->state == JSM_SLAB_FULL)
        return 0; /* hardly a hole in it, and its blocks are counted otherwise */
    jsm_slab_set_left(slab, jsm_slab_left(slab) - jsm_slab_take_remote(slab));
    if (slab->state == JSM_SLAB_PARTIAL && jsm_slab_left(slab) == 0 && !jsm_slab_is_pinned(slab)) {
        jsm_list_remove(&slab->queue);
        let_go(slab);
        jsm_slab_release(slab);
        return 0;
    }
    return jsm_slab_purge_holes(slab);
}

size_t
jsm_theap_trim(struct jsm_theap *th, bool holes)
{
    size_t bytes = 0;

    jsm_quarantine_drain(th);
    jsm_theap_flush(th);
    jsm_theap_collect(th);
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        struct jsm_span *slab = th->front.active[c];
        if (slab == JSM_SLAB_NONE)
            continue;
        jsm_slab_set_left(slab, jsm_slab_left(slab) - jsm_slab_take_remote(slab));
        if (jsm_slab_used(slab) == 0 && !jsm_slab_is_pinned(slab)) {
            unlist(th, slab);
            dispose(th, slab);
        }
    }
    jsm_cache_drop(th);
    for (struct jsm_link *l = th->slabs.next, *next; holes && l != NULL && l != &th->slabs; l = next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        next = l->next;
        bytes += trim_slab(slab);
    }
    return bytes;
}

void
jsm_theap_adapt(struct jsm_theap *th)
{
    follow_options(th);
    if (th->slabs.next == NULL)
        return;
    for (struct jsm_link *l = th->slabs.next; l != &th->slabs; l = l->next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        set_owner(slab, fast_owner(th, slab));
        if (slab->state == JSM_SLAB_ACTIVE)
            set_active(th, slab->class_id, slab);
    }
}

/* ---- After fork ---- */

void
jsm_theap_after_fork(struct jsm_theap *th)
{
    /* ORDER: relaxed; there is one thread. */
    jsm_store_relaxed(&th->inbox, NULL);
    for (struct jsm_link *l = th->slabs.next, *next; l != NULL && l != &th->slabs; l = next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        next = l->next;
        if (jsm_slab_is_pinned(slab)) /* whoever was about to post it is not here */
            collect_one(th, slab);
        if (jsm_hardened() && jsm_kind(slab) == JSM_KIND_SLAB) /* else it was empty */
            jsm_quarantine_sweep(slab);
    }
}

void
jsm_theap_forget(struct jsm_theap *th)
{
    struct jsm_theap *next_all = th->next_all;
    struct jsm_quarantine *quarantine = th->quarantine;
    unsigned shard = th->shard;

    /* ORDER: relaxed; there is one thread. */
    keep(th, 0, th->idle_bytes + jsm_load_relaxed(&th->n_cached) * JSM_SLICE_BYTES);
    memset(th, 0, sizeof *th);
    th->heap = &jsm_heap_default;
    th->next_all = next_all;
    th->quarantine = quarantine;
    jsm_quarantine_forget(quarantine);
    th->shard = shard;
}
