/* heap/user.c - heaps of the program's own.
 *
 * A heap has one theap, which belongs to no thread: everything in it happens under the heap's
 * lock.  Invariants:
 *   H1  no slab of the heap has remote blocks, and no outbox holds one of its blocks: frees go
 *       through jsm_user_free(), under the lock
 *   H2  used_bytes is the memory of all its spans and direct mappings, and not above limit_bytes
 *   H3  all its slabs are on theap.slabs, large and huge blocks on `large`, spare spans on
 *       `ready` or in theap.cached; so it can be destroyed without looking at a block
 *   H4  a span says whose it is; that changes only in jsm_user_heap_delete(), under the lock, to the
 *       default heap.  Who found this heap there has to look again under the lock
 *   H5  a heap's structure is memory of a heap for ever, for those who come late to its lock
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <errno.h>
#include <string.h>

enum { NAME_BYTES = JSM_HEAP_NAME_BYTES, VISIT_BATCH = 64 };

/* Where somebody is who walks over the large blocks. */
struct cursor {
    struct jsm_link *at;
    struct cursor *next;
};

struct jsm_user_heap {
    struct jsm_heap heap;                 /* first: the same address */
    struct jsm_link all;                  /* [lock heaps] */
    struct jsm_user_heap *next_dead;      /* [lock heaps] */
    /* From here on all is zero in a new heap. */
    struct jsm_theap theap;
    struct jsm_link large, ready;
    struct cursor *cursors;
    size_t used_bytes;
    bool ending;                          /* nothing of it may be looked at any more */
    struct jsm_shard *shard;              /* of the program's memory */
    struct jsm_user_config config;
    char name[NAME_BYTES];
};

static struct jsm_lock heaps_lock = { .rank = JSM_RANK_HEAPS };
static struct jsm_link all_heaps;         /* [lock heaps] oldest first */
static struct jsm_user_heap *dead_heaps;  /* [lock heaps] */

static struct jsm_user_heap *
user_of(struct jsm_heap *heap)
{
    return (struct jsm_user_heap *)(void *)heap;
}

static const struct jsm_user_heap *
const_user_of(const struct jsm_heap *heap)
{
    return (const struct jsm_user_heap *)(const void *)heap;
}

struct jsm_theap *
jsm_user_heap_enter(struct jsm_heap *heap)
{
    struct jsm_user_heap *u = user_of(heap);

    if (!u->config.no_lock)
        jsm_lock(&heap->lock);
    u->theap.front.slow = (uint8_t)jsm_theap_wants_slow(false);
    return &u->theap;
}

void
jsm_user_heap_leave(struct jsm_heap *heap)
{
    if (!user_of(heap)->config.no_lock)
        jsm_unlock(&heap->lock);
}

bool
jsm_user_heap_zero_null(const struct jsm_heap *heap)
{
    return const_user_of(heap)->config.zero_null;
}

bool
jsm_user_heap_may_guard(const struct jsm_heap *heap)
{
    const struct jsm_user_config *config = &const_user_of(heap)->config;

    return !jsm_user_heap_is_squeezed(heap) && !config->conceal && !config->from_brk;
}

bool
jsm_user_heap_is_squeezed(const struct jsm_heap *heap)
{
    return const_user_of(heap)->shard != NULL || const_user_of(heap)->config.limit_bytes != 0;
}

/* ---- Spans ---- */

static bool
charge(struct jsm_user_heap *u, size_t bytes)
{
    size_t limit = u->config.limit_bytes;

    if (limit != 0 && (bytes > limit || u->used_bytes > limit - bytes))
        return false;
    u->used_bytes += bytes;
    return true;
}

static void
conceal(const struct jsm_user_heap *u, void *addr, size_t bytes, bool wanted)
{
    if (u->config.conceal)
        jsm_os_conceal(addr, bytes, wanted);
}

static struct jsm_span *
take_ready(struct jsm_user_heap *u, size_t n_slices, bool *clean)
{
    if (n_slices != 1 || jsm_list_is_empty(&u->ready))
        return NULL;
    struct jsm_span *span = jsm_list_entry(jsm_list_first(&u->ready), struct jsm_span, queue);
    jsm_list_remove(&span->queue);
    jsm_set_kind(span, JSM_KIND_BUSY);
    *clean = false;
    return span;
}

static struct jsm_span *
new_span(struct jsm_user_heap *u, size_t n, size_t align, enum jsm_span_want want, bool *clean)
{
    size_t bytes = n << JSM_SLICE_SHIFT;

    if (!charge(u, bytes))
        return NULL;
    struct jsm_span *span = u->shard != NULL ? jsm_span_alloc_own(u->shard, n, align, want, clean)
                                              : jsm_span_alloc(u->theap.shard, n, align, want, clean);
    if (span == NULL) {
        u->used_bytes -= bytes;
        return NULL;
    }
    jsm_set_span_heap(span, &u->heap);
    conceal(u, span->base, bytes, true);
    return span;
}

static struct jsm_span *
user_span_alloc(struct jsm_user_heap *u, size_t n, size_t align, enum jsm_span_want want, bool *clean)
{
    struct jsm_span *span = align == 1 ? take_ready(u, n, clean) : NULL;

    return span != NULL ? span : new_span(u, n, align, want, clean);
}

JSM_CORE struct jsm_span *
jsm_heap_span_alloc(struct jsm_theap *th, size_t n_slices, size_t align_slices, enum jsm_span_want want, bool *clean)
{
    if (jsm_likely(!jsm_heap_is_user(th->heap))) {
        struct jsm_span *span = jsm_span_alloc(th->shard, n_slices, align_slices, want, clean);
        if (span != NULL)
            jsm_set_span_heap(span, th->heap);
        return span;
    }
    struct jsm_user_heap *u = user_of(th->heap);
    struct jsm_span *span = user_span_alloc(u, n_slices, align_slices, want, clean);
    if (span == NULL) { /* perhaps what the heap keeps for later helps */
        jsm_theap_trim(th, false);
        span = user_span_alloc(u, n_slices, align_slices, want, clean);
    }
    return span;
}

JSM_CORE void
jsm_heap_span_free(struct jsm_span *span)
{
    struct jsm_heap *heap = jsm_span_heap(span);

    bool is_usable = (span->traits & JSM_TRAIT_GUARDED) == 0 || jsm_harden_unguard(span);
    if (jsm_heap_is_user(heap)) {
        struct jsm_user_heap *u = user_of(heap);
        size_t bytes = (size_t)span->n_slices << JSM_SLICE_SHIFT;
        u->used_bytes -= bytes;
        conceal(u, span->base, bytes, false);
    }
    if (is_usable)
        jsm_span_free(span);
}

JSM_CORE size_t
jsm_heap_mmap_threshold(const struct jsm_heap *heap)
{
    if (jsm_heap_is_user(heap)) {
        const struct jsm_user_heap *u = const_user_of(heap);
        if (u->shard != NULL)
            return SIZE_MAX;
        if (u->config.mmap_threshold_bytes != 0)
            return u->config.mmap_threshold_bytes;
    }
    return (size_t)jsm_option(JSM_OPT_MMAP_THRESHOLD);
}

static size_t
page_rounded(size_t bytes)
{
    return jsm_round_up(bytes, jsm_os_page_bytes());
}

struct jsm_span *
jsm_heap_huge_alloc(struct jsm_theap *th, size_t bytes, size_t align)
{
    struct jsm_user_heap *u = jsm_heap_is_user(th->heap) ? user_of(th->heap) : NULL;

    if (u != NULL && (u->shard != NULL || !charge(u, page_rounded(bytes))))
        return NULL;
    struct jsm_span *span = jsm_huge_alloc(bytes, align);
    if (span == NULL) {
        if (u != NULL)
            u->used_bytes -= page_rounded(bytes);
        return NULL;
    }
    jsm_set_span_heap(span, th->heap);
    jsm_heap_note_large(th, span);
    if (u != NULL)
        conceal(u, span->base, page_rounded(bytes), true);
    return span;
}

JSM_CORE void
jsm_heap_note_large(struct jsm_theap *th, struct jsm_span *span)
{
    if (jsm_heap_is_user(th->heap))
        jsm_list_append(&user_of(th->heap)->large, &span->queue);
}

static void
unlist_large(struct jsm_user_heap *u, struct jsm_span *span)
{
    for (struct cursor *c = u->cursors; c != NULL; c = c->next)
        if (c->at == &span->queue)
            c->at = span->queue.next;
    jsm_list_remove(&span->queue);
}

static void
release_large(struct jsm_user_heap *u, struct jsm_span *span)
{
    unlist_large(u, span);
    if (jsm_kind(span) == JSM_KIND_HUGE) {
        u->used_bytes -= page_rounded(jsm_size_bytes(span));
        (void)jsm_huge_free(span);
    } else {
        jsm_set_kind(span, JSM_KIND_BUSY);
        jsm_heap_span_free(span);
    }
}

/* ---- Blocks ---- */

bool
jsm_user_free(struct jsm_heap *heap, const struct jsm_block *block)
{
    struct jsm_span *span = block->span;
    struct jsm_user_heap *u = user_of(heap);

    (void)jsm_user_heap_enter(heap);
    if (jsm_span_heap(span) != heap) { /* H4 */
        jsm_user_heap_leave(heap);
        return false;
    }
    enum jsm_kind kind = jsm_kind(span);
    bool is_slab = kind == JSM_KIND_SLAB;
    bool is_live = is_slab ? span->link[block->index] == JSM_LINK_USED
                           : kind == JSM_KIND_LARGE || kind == JSM_KIND_HUGE;
    if (is_live && u->config.conceal)
        explicit_bzero(block->start, block->bytes);
    if (is_live && !is_slab)
        release_large(u, span);
    else if (is_live && jsm_slab_push(span, block->index))
        jsm_theap_event(span);
    jsm_user_heap_leave(heap);
    if (!is_live)
        jsm_block_freed_meanwhile("free", block);
    return true;
}

/* A block of a class above `c`, up to `most_bytes`, that needs no new slab. */
static void *
squeeze(struct jsm_theap *th, unsigned c, size_t align, size_t most_bytes)
{
    bool fresh;

    for (c++; c < JSM_CLASSES && jsm_class_bytes[c] <= most_bytes; c++)
        if ((jsm_class_bytes[c] & (align - 1)) == 0 && jsm_theap_has_room(th, c))
            return jsm_theap_refill(th, c, &fresh);
    return NULL;
}

void *
jsm_user_heap_alloc(struct jsm_theap *th, unsigned c, size_t bytes, size_t align, bool *fresh)
{
    void *p = NULL;

    *fresh = false;
    /* Little memory is not cut into slabs of fifty classes. */
    if (user_of(th->heap)->shard != NULL && !jsm_theap_has_room(th, c))
        p = squeeze(th, c, align, 2 * (size_t)jsm_class_bytes[c]);
    if (p == NULL)
        p = jsm_theap_refill(th, c, fresh);
    if (p == NULL)
        p = squeeze(th, c, align, JSM_CLASS_MAX_BYTES);
    return p != NULL ? p : jsm_large_alloc(th, jsm_max(bytes, (size_t)1), align, false);
}

JSM_CORE size_t
jsm_heap_slab_slices(const struct jsm_heap *heap, unsigned c)
{
    bool is_own = jsm_heap_is_user(heap) && const_user_of(heap)->shard != NULL;

    return is_own ? 1 : jsm_class_slices(jsm_class_bytes[c]);
}

/* ---- Visiting ---- */

struct batch {
    void *blocks[VISIT_BATCH];
    size_t n;
};

/* Live blocks of the slab from index `from` on; where to go on. */
static uint32_t
gather(const struct jsm_span *slab, uint32_t from, struct batch *batch)
{
    for (batch->n = 0; from < slab->carved && batch->n < VISIT_BATCH; from++)
        if (slab->link[from] == JSM_LINK_USED)
            batch->blocks[batch->n++] = jsm_slab_block(slab, from);
    return from;
}

/* Whether it has not been freed since it was gathered. */
static bool
is_still_live(struct jsm_heap *heap, const void *p, struct jsm_block *block)
{
    (void)jsm_user_heap_enter(heap);
    jsm_block_find(p, block);
    bool live = block->found == JSM_FOUND_BLOCK && jsm_span_heap(block->span) == heap;
    jsm_user_heap_leave(heap);
    return live;
}

/* Without the lock: the visitor may do what it likes, also free the block. */
static int
tell_batch(struct jsm_heap *heap, const struct batch *batch, int (*visit)(void *arg, void *block, size_t bytes),
           void *arg)
{
    int answer = 0;

    for (size_t i = 0; i < batch->n && answer == 0; i++) {
        struct jsm_block block;
        if (is_still_live(heap, batch->blocks[i], &block))
            answer = visit(arg, block.start, block.bytes);
    }
    return answer;
}

static int
visit_slabs(struct jsm_user_heap *u, int (*visit)(void *arg, void *block, size_t bytes), void *arg)
{
    struct batch batch;
    int answer = 0;

    for (struct jsm_link *l = u->theap.slabs.next; answer == 0 && l != NULL && l != &u->theap.slabs; l = l->next) {
        const struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        for (uint32_t from = 0; answer == 0 && from < slab->carved;) {
            from = gather(slab, from, &batch);
            jsm_user_heap_leave(&u->heap);
            answer = tell_batch(&u->heap, &batch, visit, arg);
            (void)jsm_user_heap_enter(&u->heap);
        }
    }
    return answer;
}

static int
visit_large(struct jsm_user_heap *u, int (*visit)(void *arg, void *block, size_t bytes), void *arg)
{
    struct cursor cursor = { u->large.next, u->cursors };
    int answer = 0;

    u->cursors = &cursor;
    while (answer == 0 && cursor.at != NULL && cursor.at != &u->large) {
        struct batch batch = { { jsm_list_entry(cursor.at, struct jsm_span, queue)->base }, 1 };
        cursor.at = cursor.at->next;
        jsm_user_heap_leave(&u->heap);
        answer = tell_batch(&u->heap, &batch, visit, arg);
        (void)jsm_user_heap_enter(&u->heap);
    }
    for (struct cursor **c = &u->cursors; *c != NULL; c = &(*c)->next) {
        if (*c == &cursor) {
            *c = cursor.next;
            break;
        }
    }
    return answer;
}

int
jsm_user_heap_visit(struct jsm_heap *heap, int (*visit)(void *arg, void *block, size_t bytes), void *arg)
{
    struct jsm_theap *th = jsm_user_heap_enter(heap);

    th->n_visitors++;
    int answer = visit_slabs(user_of(heap), visit, arg);
    if (answer == 0)
        answer = visit_large(user_of(heap), visit, arg);
    if (--th->n_visitors == 0)
        jsm_theap_drop_empty(th);
    jsm_user_heap_leave(heap);
    return answer != 0 ? answer : jsm_guard_visit(heap, visit, arg);
}

/* ---- Life ---- */

static struct jsm_user_heap *
structure_locked(void)
{
    struct jsm_user_heap *u = dead_heaps;

    if (u != NULL) {
        dead_heaps = u->next_dead;
        jsm_lock(&u->heap.lock);
        memset(&u->theap, 0, sizeof *u - offsetof(struct jsm_user_heap, theap));
        jsm_unlock(&u->heap.lock);
        return u;
    }
    u = jsm_meta_alloc(sizeof *u, JSM_CACHE_LINE);
    if (u != NULL) {
        u->heap.lock.rank = JSM_RANK_HEAP;
        u->heap.is_user = true;
    }
    return u;
}

/* The slices that lie wholly in the program's buffer.  The first may be described already, as that of
 * the large block that the buffer is; no other may. */
static bool
own_slices(const struct jsm_user_config *config, uint8_t **base, size_t *n_slices)
{
    uintptr_t from = jsm_round_up((uintptr_t)config->memory, (uintptr_t)JSM_SLICE_BYTES);
    uintptr_t to = jsm_round_down((uintptr_t)config->memory + config->memory_bytes, (uintptr_t)JSM_SLICE_BYTES);
    struct jsm_span *slice = jsm_pagemap_find((void *)from);

    if (from < (uintptr_t)config->memory || to < (uintptr_t)config->memory) /* round the end of the addresses */
        return false;
    if (from < to && slice != NULL && jsm_kind(slice) != JSM_KIND_NONE && jsm_kind(slice) != JSM_KIND_GONE)
        from += JSM_SLICE_BYTES;
    if (from >= to || jsm_arena_is_taken(from, to))
        return false;
    for (uintptr_t p = from; p < to; p += JSM_SLICE_BYTES) {
        slice = jsm_pagemap_find((void *)p);
        if (slice != NULL && jsm_kind(slice) != JSM_KIND_NONE && jsm_kind(slice) != JSM_KIND_GONE)
            return false;
    }
    *base = (uint8_t *)from;
    *n_slices = (to - from) >> JSM_SLICE_SHIFT;
    return true;
}

static bool
preallocate(struct jsm_user_heap *u)
{
    for (size_t bytes = 0; bytes < u->config.prealloc_bytes; bytes += JSM_SLICE_BYTES) {
        bool clean;
        struct jsm_span *span = new_span(u, 1, 1, JSM_WANT_NEWEST, &clean);
        if (span == NULL)
            return false;
        jsm_set_kind(span, JSM_KIND_CACHED);
        jsm_list_append(&u->ready, &span->queue);
    }
    return true;
}

/* 0 or an errno value. */
static int
set_up_locked(struct jsm_user_heap *u, const struct jsm_user_config *config)
{
    uint8_t *base;
    size_t n_slices;

    u->config = *config;
    if (config->name != NULL)
        strncpy(u->name, config->name, sizeof u->name - 1);
    u->heap.name = u->config.name = u->name;
    jsm_theap_open_shared(&u->theap, &u->heap, config->from_brk ? JSM_SHARD_BRK : 0);
    if (config->memory != NULL) {
        if (!own_slices(config, &base, &n_slices))
            return EINVAL;
        u->shard = jsm_shard_own_new(base, n_slices);
        if (u->shard == NULL)
            return ENOMEM;
    }
    return preallocate(u) ? 0 : ENOMEM;
}

struct jsm_heap *
jsm_user_heap_new(const struct jsm_user_config *config, int *error)
{
    *error = ENOMEM;
    jsm_lock(&heaps_lock);
    struct jsm_user_heap *u = structure_locked();
    if (u != NULL) {
        *error = set_up_locked(u, config);
        jsm_list_append(&all_heaps, &u->all);
    }
    jsm_unlock(&heaps_lock);
    if (u != NULL && *error != 0) {
        jsm_user_heap_destroy(&u->heap);
        u = NULL;
    }
    return u != NULL ? &u->heap : NULL;
}

/* The heap has neither slabs nor large blocks any more. */
static void
bury(struct jsm_user_heap *u, bool at_once)
{
    while (!jsm_list_is_empty(&u->ready)) {
        bool clean;
        jsm_heap_span_free(take_ready(u, 1, &clean));
    }
    jsm_lock(&heaps_lock);
    if (u->shard != NULL)
        jsm_shard_own_end(u->shard, at_once);
    u->shard = NULL;
    jsm_list_remove(&u->all);
    u->next_dead = dead_heaps;
    dead_heaps = u;
    jsm_unlock(&heaps_lock);
}

void
jsm_user_heap_destroy(struct jsm_heap *heap)
{
    struct jsm_user_heap *u = user_of(heap);

    if (jsm_option(JSM_OPT_PROFILE) != 0)
        jsm_profile_forget_heap(heap);
    jsm_guard_end_heap(heap, NULL);
    struct jsm_theap *th = jsm_user_heap_enter(heap);
    u->ending = true;
    jsm_theap_release_all(th);
    while (!jsm_list_is_empty(&u->large))
        release_large(u, jsm_list_entry(jsm_list_first(&u->large), struct jsm_span, queue));
    jsm_user_heap_leave(heap);
    bury(u, true);
}

static void
abandon(struct jsm_theap *th)
{
    for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        if (jsm_slab_used(slab) == 0)
            continue;
        jsm_slab_wake(slab); /* first: who frees from here on publishes, and shall not post the slab to us */
        jsm_set_span_heap(slab, &jsm_heap_default);
    }
    jsm_theap_leave_all(th);
}

void
jsm_user_heap_delete(struct jsm_heap *heap)
{
    struct jsm_user_heap *u = user_of(heap);

    jsm_guard_end_heap(heap, &jsm_heap_default);
    struct jsm_theap *th = jsm_user_heap_enter(heap);
    u->ending = true;
    while (!jsm_list_is_empty(&u->large)) {
        struct jsm_span *span = jsm_list_entry(jsm_list_first(&u->large), struct jsm_span, queue);
        unlist_large(u, span);
        jsm_set_span_heap(span, &jsm_heap_default);
    }
    th->no_adopt = u->shard != NULL; /* no other block comes into the program's memory */
    abandon(th);
    jsm_user_heap_leave(heap);
    bury(u, false);
}

/* ---- All heaps ---- */

void
jsm_user_heaps_tell(void (*tell)(const struct jsm_heap *heap, size_t limit_bytes, void *arg), void *arg)
{
    jsm_lock(&heaps_lock);
    for (struct jsm_link *l = all_heaps.next; l != NULL && l != &all_heaps; l = l->next) {
        const struct jsm_user_heap *u = jsm_list_entry(l, struct jsm_user_heap, all);
        tell(&u->heap, u->config.limit_bytes, arg);
    }
    jsm_unlock(&heaps_lock);
}

/* The sum over all heaps that may be looked into: not those of one thread, which may be in it, nor those
 * that are ending.  Each is entered. */
static size_t
sum_heaps(size_t (*look)(struct jsm_user_heap *u, void *arg), void *arg)
{
    size_t sum = 0;

    jsm_lock(&heaps_lock);
    for (struct jsm_link *l = all_heaps.next; l != NULL && l != &all_heaps; l = l->next) {
        struct jsm_user_heap *u = jsm_list_entry(l, struct jsm_user_heap, all);
        if (u->config.no_lock)
            continue;
        (void)jsm_user_heap_enter(&u->heap);
        if (!u->ending)
            sum += look(u, arg);
        jsm_user_heap_leave(&u->heap);
    }
    jsm_unlock(&heaps_lock);
    return sum;
}

static size_t
trim_heap(struct jsm_user_heap *u, void *arg)
{
    (void)arg;
    return u->theap.n_visitors > 0 ? 0 : jsm_theap_trim(&u->theap, u->shard == NULL && !u->config.conceal);
}

size_t
jsm_user_heaps_trim(void)
{
    return sum_heaps(trim_heap, NULL);
}

typedef size_t trimmable_fn(struct jsm_theap *th, bool holes);

static size_t
trimmable_of_heap(struct jsm_user_heap *u, void *arg)
{
    if (u->theap.n_visitors > 0 || u->shard != NULL) /* memory of the program's stays */
        return 0;
    return (*(trimmable_fn **)arg)(&u->theap, !u->config.conceal);
}

size_t
jsm_user_heaps_trimmable(size_t (*trimmable)(struct jsm_theap *th, bool holes))
{
    return sum_heaps(trimmable_of_heap, (void *)&trimmable);
}

/* ---- Checks ---- */

static size_t
span_bytes(const struct jsm_span *span)
{
    return (size_t)span->n_slices << JSM_SLICE_SHIFT;
}

/* The memory of a list of spans of these kinds. */
static size_t
check_list(const struct jsm_user_heap *u, const struct jsm_link *list, enum jsm_kind one, enum jsm_kind other,
           struct jsm_faults *faults)
{
    struct jsm_walk walk = JSM_WALK(list, queue);
    size_t bytes = 0;

    for (const struct jsm_span *span; (span = jsm_walk_next(&walk)) != NULL;) {
        enum jsm_kind kind = jsm_kind(span);
        if ((kind != one && kind != other) || jsm_span_heap(span) != &u->heap)
            jsm_fault(faults, "list of a heap with what is not the heap's at ", span->base);
        bytes += kind == JSM_KIND_HUGE ? page_rounded(jsm_size_bytes(span)) : span_bytes(span);
    }
    if (walk.is_broken)
        jsm_fault(faults, "list of a heap whose links do not lead there and back at ", list);
    return bytes;
}

struct checking {
    const struct jsm_theap *self;
    struct jsm_faults *faults;
};

static size_t
check_heap(struct jsm_user_heap *u, void *arg)
{
    const struct checking *checking = arg;
    struct jsm_faults *faults = checking->faults;
    size_t before = faults->n;

    jsm_theap_check(&u->theap, faults);
    size_t bytes = check_list(u, &u->large, JSM_KIND_LARGE, JSM_KIND_HUGE, faults);
    bytes += check_list(u, &u->ready, JSM_KIND_CACHED, JSM_KIND_CACHED, faults);
    if (faults->n != before)
        return 0;
    for (struct jsm_link *l = u->theap.slabs.next; l != NULL && l != &u->theap.slabs; l = l->next)
        bytes += span_bytes(jsm_list_entry(l, struct jsm_span, all));
    bytes += jsm_cache_sum(&u->theap, span_bytes);
    if (bytes != u->used_bytes)
        jsm_fault(faults, "heap whose memory does not add up at ", u);
    if (u->config.limit_bytes != 0 && u->used_bytes > u->config.limit_bytes)
        jsm_fault(faults, "heap above its limit at ", u);
    jsm_theap_check_behind(&u->theap, checking->self, faults);
    return 0;
}

void
jsm_user_heaps_check(const struct jsm_theap *self, struct jsm_faults *faults)
{
    struct checking checking = { self, faults };

    (void)sum_heaps(check_heap, &checking);
}

/* ---- fork ---- */

void
jsm_user_heaps_lock(void)
{
    jsm_lock(&heaps_lock);
    for (struct jsm_link *l = all_heaps.next; l != NULL && l != &all_heaps; l = l->next)
        jsm_lock(&jsm_list_entry(l, struct jsm_user_heap, all)->heap.lock);
}

void
jsm_user_heaps_unlock(void)
{
    for (struct jsm_link *l = all_heaps.next; l != NULL && l != &all_heaps; l = l->next)
        jsm_unlock(&jsm_list_entry(l, struct jsm_user_heap, all)->heap.lock);
    jsm_unlock(&heaps_lock);
}
