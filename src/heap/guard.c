/* heap/guard.c - sampled blocks between guard pages; doc/guard.md has the design.
 *
 * Invariants:
 *   G1  a slot is LIVE, with one block, or in the queue, with none, or BUSY: one thread is making it into the other;
 *       LOOKED_AT is LIVE, as long as somebody holds the lock
 *   G2  of the pool nothing can be accessed but the pages of LIVE blocks, and of BUSY slots
 *   G3  between the blocks of two slots there are at least two pages that cannot be accessed
 *   G4  the bytes beside a block, up to FILL_BYTES on either side within its pages, hold their pattern
 *   G5  what is known of the last block of a slot stays until the slot is used again, which is after all others that
 *       were free before it
 *   G6  nobody walks a stack, makes a system call or writes text while it holds the lock, but to reserve the pool
 *
 *   who          operation  order    publishes / sees
 *   G1 start     store      release  the pool
 *   G2 look      load       acquire  the pool
 *   G3 live      store      release  what is known of the block
 *   G4 end       CAS        acquire  that, to who frees the block
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <errno.h>
#include <string.h>

enum {
    SLOTS = 256,
    SLOT_PAGES_MIN = 4, /* two of them around the block */
    FILL_BYTES = 128,
    FILL_BYTE = 0xb5,
    REST_MS = 500,      /* of a slot, and the time between samples: 125 a second at most, */
    PACE_MS = 8,
    SPARING_FROM = 100, /* with guard_sample from here on; below, the user wants coverage more than speed */
    FRAMES = JSM_PROFILE_FRAMES
};

enum state {
    NEVER, /* used */
    LIVE,
    FREED,
    BUSY,
    LOOKED_AT /* LIVE, and somebody who holds the lock reads its pages */
};

/* Who allocated or freed a block. */
struct event {
    uintptr_t thread_id;
    unsigned n_frames;
    void *frames[FRAMES];
};

/* But for the state and the queue, fields belong to who made the slot BUSY, or holds its block. */
struct slot {
    _Atomic(uint32_t) state;
    uint32_t freed_ms;  /* [lock guard] */
    struct slot *next;  /* [lock guard] in the queue */
    uint8_t *start;     /* of the block */
    size_t bytes;
    struct event alloc, free;
};

struct pool {
    uint8_t *base;      /* [const] */
    size_t slot_bytes;  /* [const] */
    bool by_protection; /* [const] the kernel has no guards */
    struct slot *first, *last; /* [lock guard] the queue, longest free first */
    struct slot slots[SLOTS];
};

struct jsm_lock jsm_guard_lock = { .rank = JSM_RANK_GUARD };
static _Atomic(struct pool *) the_pool; /* NULL until the option is set */
static uint32_t last_ms;                /* [lock guard] when the last slot was taken */

_Thread_local _Atomic(uint32_t) jsm_guard_countdown = 1;
static _Thread_local int64_t drawn_for; /* the guard_sample that the countdown is for */
static _Thread_local uint64_t random_bits;

static struct pool *
ready_pool(void)
{
    /* ORDER G2: acquire, with G1. */
    return jsm_load_acquire(&the_pool);
}

bool
jsm_guard_is_ready(void)
{
    return ready_pool() != NULL;
}

/* ---- Pages ---- */

static size_t
page_rounded(size_t bytes)
{
    return jsm_round_up(bytes, jsm_os_page_bytes());
}

/* The pages of a block of so many bytes lie in the middle of its slot. */
static uint8_t *
first_page(const struct pool *pool, size_t index, size_t bytes)
{
    size_t rest = pool->slot_bytes - page_rounded(bytes);

    return pool->base + index * pool->slot_bytes + jsm_round_down(rest / 2, jsm_os_page_bytes());
}

static int
show(const struct pool *pool, void *page, size_t bytes)
{
    if (!pool->by_protection)
        return jsm_os_unguard(page, bytes);
    int error = jsm_os_commit(page, bytes);
    if (error == 0)
        memset(page, 0, bytes); /* locked memory was not given back */
    return error;
}

static int
hide(const struct pool *pool, void *page, size_t bytes)
{
    return pool->by_protection ? jsm_os_decommit(page, bytes) : jsm_os_guard(page, bytes);
}

/* ---- The pool ---- */

static void
push_locked(struct pool *pool, struct slot *slot)
{
    slot->next = NULL;
    if (pool->last == NULL)
        pool->first = slot;
    else
        pool->last->next = slot;
    pool->last = slot;
}

/* Whether it is too early for the slot to be used again, or for any. */
static bool
must_wait_locked(const struct slot *slot, uint32_t now_ms)
{
    if (jsm_option(JSM_OPT_GUARD_SAMPLE) < SPARING_FROM)
        return false;
    /* ORDER: relaxed; it is written under the lock alone, but for LIVE, which is not in the queue. */
    return now_ms - last_ms < PACE_MS || (jsm_load_relaxed(&slot->state) == FREED && now_ms - slot->freed_ms < REST_MS);
}

/* The slot that has rested longest, BUSY; NULL if there is none for now. */
static struct slot *
pop(struct pool *pool)
{
    uint32_t now_ms = jsm_os_now_ms();

    jsm_lock(&jsm_guard_lock);
    struct slot *slot = pool->first;
    if (slot != NULL && must_wait_locked(slot, now_ms))
        slot = NULL;
    if (slot != NULL) {
        last_ms = now_ms;
        pool->first = slot->next;
        if (pool->first == NULL)
            pool->last = NULL;
        /* ORDER: relaxed; it is for the lock's holders. */
        jsm_store_relaxed(&slot->state, BUSY);
    }
    jsm_unlock(&jsm_guard_lock);
    return slot;
}

static void
push(struct pool *pool, struct slot *slot)
{
    jsm_lock(&jsm_guard_lock);
    slot->freed_ms = jsm_os_now_ms();
    push_locked(pool, slot);
    /* ORDER: relaxed, as above. */
    jsm_store_relaxed(&slot->state, FREED);
    jsm_unlock(&jsm_guard_lock);
}

/* Addresses, inaccessible, with descriptors; false: there are none. */
static bool
reserve(struct pool *pool)
{
    size_t slot_bytes = jsm_max(JSM_SLICE_BYTES, SLOT_PAGES_MIN * jsm_os_page_bytes()), bytes = SLOTS * slot_bytes;
    uint8_t *base = jsm_os_reserve(bytes, JSM_SLICE_BYTES);

    if (base == NULL || jsm_pagemap_prepare(base, bytes) != 0) {
        if (base != NULL)
            jsm_os_unmap(base, bytes);
        return false;
    }
    pool->base = base;
    pool->slot_bytes = slot_bytes;
    /* Memory that is locked would be there at once if it were committed: a page is enough to see. */
    pool->by_protection = jsm_os_commit(base, jsm_os_page_bytes()) != 0 || jsm_os_guard(base, 1) != 0 ||
        jsm_os_commit(base, bytes) != 0 || jsm_os_guard(base, bytes) != 0;
    if (pool->by_protection)
        (void)jsm_os_decommit(base, bytes);
    return true;
}

static void
describe(const struct pool *pool)
{
    for (size_t at = 0; at < SLOTS * pool->slot_bytes; at += JSM_SLICE_BYTES) {
        struct jsm_span *slice = jsm_pagemap_find(pool->base + at);
        slice->base = pool->base + at;
        slice->n_slices = 1;
        slice->traits = 0; /* a direct mapping may have been here */
        jsm_set_span_heap(slice, &jsm_heap_default);
        jsm_set_kind(slice, JSM_KIND_GUARD);
    }
}

static bool
start_locked(void)
{
    struct pool *pool = ready_pool();

    if (pool != NULL)
        return false;
    pool = jsm_meta_alloc(sizeof *pool, _Alignof(struct pool));
    if (pool == NULL || !reserve(pool))
        return false;
    for (size_t i = 0; i < SLOTS; i++)
        push_locked(pool, &pool->slots[i]);
    describe(pool);
    /* ORDER G1: release, with G2. */
    jsm_store_release(&the_pool, pool);
    return true;
}

static bool tell_fault(const void *address, const void *context);

void
jsm_guard_start(void)
{
    void *frames[FRAMES];

    (void)jsm_os_stack(frames, FRAMES); /* which may allocate, the first time */
    jsm_lock(&jsm_guard_lock);
    bool started = start_locked();
    jsm_unlock(&jsm_guard_lock);
    if (started)
        (void)jsm_os_on_fault(tell_fault);
    else if (ready_pool() == NULL)
        jsm_message("no memory for guard_sample; set the option again when there is some", NULL, NULL);
}

/* ---- Events ---- */

static void
note(struct event *event)
{
    event->thread_id = jsm_os_thread_id();
    event->n_frames = jsm_os_stack(event->frames, FRAMES);
}

/* ---- Allocating ---- */

static uint64_t
next_random(void)
{
    if (random_bits == 0)
        random_bits = (jsm_os_entropy() ^ jsm_os_thread_id()) | 1;
    random_bits ^= random_bits >> 12;
    random_bits ^= random_bits << 25;
    random_bits ^= random_bits >> 27;
    return random_bits * UINT64_C(0x2545f4914f6cdd1d);
}

/* Sets the countdown anew, at random so that no pattern of the program's can avoid it; whether it is this block that
 * is to be sampled. */
static bool
draw(void)
{
    int64_t interval = jsm_option(JSM_OPT_GUARD_SAMPLE);
    bool is_due = drawn_for == interval;

    if (interval == 0)
        return false;
    drawn_for = interval;
    uint32_t countdown = 1 + (uint32_t)((next_random() >> 32) % (uint64_t)(2 * interval - 1));
    bool is_first = !is_due && countdown == 1;
    /* ORDER: relaxed; no other thread looks. */
    jsm_store_relaxed(&jsm_guard_countdown, is_due || is_first ? countdown : countdown - 1);
    return is_due || is_first;
}

/* The bytes beside the block, within its pages. */
static void
sides(const struct pool *pool, const struct slot *slot, uint8_t **from, uint8_t **to)
{
    uint8_t *page = first_page(pool, (size_t)(slot - pool->slots), slot->bytes);
    uint8_t *page_end = page + page_rounded(slot->bytes), *end = slot->start + slot->bytes;

    *from = slot->start - jsm_min((size_t)(slot->start - page), (size_t)FILL_BYTES);
    *to = end + jsm_min((size_t)(page_end - end), (size_t)FILL_BYTES);
}

static void
fill_sides(const struct pool *pool, const struct slot *slot)
{
    uint8_t *from, *to, *end = slot->start + slot->bytes;

    sides(pool, slot, &from, &to);
    memset(from, FILL_BYTE, (size_t)(slot->start - from));
    memset(end, FILL_BYTE, (size_t)(to - end));
}

/* Where in its pages the block begins: at their start, or so that it ends where they do. */
static uint8_t *
place(uint8_t *page, size_t bytes, size_t align)
{
    if ((next_random() >> 63) != 0)
        return page;
    return page + jsm_round_down(page_rounded(bytes) - bytes, align);
}

static void *
take(struct pool *pool, struct jsm_heap *heap, size_t bytes, size_t align)
{
    struct slot *slot = pop(pool);

    if (slot == NULL)
        return NULL;
    size_t index = (size_t)(slot - pool->slots);
    uint8_t *page = first_page(pool, index, bytes);
    if (show(pool, page, page_rounded(bytes)) != 0) {
        push(pool, slot);
        return NULL;
    }
    slot->start = place(page, bytes, align);
    slot->bytes = bytes;
    slot->free.n_frames = 0;
    fill_sides(pool, slot);
    note(&slot->alloc);
    jsm_set_span_heap(jsm_pagemap_find(pool->base + index * pool->slot_bytes), heap);
    /* ORDER G3: release, with G4.  Who frees the block has the same from the program's hand-over, who looks at all
     * slots has not. */
    jsm_store_release(&slot->state, LIVE);
    return slot->start;
}

void *
jsm_guard_alloc(struct jsm_heap *heap, size_t bytes, size_t align)
{
    struct pool *pool = ready_pool();
    size_t page = jsm_os_page_bytes();

    if (!draw() || pool == NULL || bytes == 0 || bytes > pool->slot_bytes - 2 * page || align > page)
        return NULL;
    if (jsm_heap_is_user(heap) && !jsm_user_heap_may_guard(heap))
        return NULL;
    int saved_errno = errno;
    void *p = take(pool, heap, bytes, align);
    errno = saved_errno;
    return p;
}

/* ---- Finding ---- */

static struct slot *
slot_around(struct pool *pool, const void *p)
{
    size_t offset = (uintptr_t)p - (uintptr_t)pool->base;

    return offset / pool->slot_bytes < SLOTS ? &pool->slots[offset / pool->slot_bytes] : NULL;
}

static enum state
state_of(const struct slot *slot)
{
    /* ORDER: relaxed; who asks about a block that it holds has all of it from the one who gave it; for others the
     * answer may be out of date. */
    enum state state = (enum state)jsm_load_relaxed(&slot->state);

    return state == LOOKED_AT ? LIVE : state;
}

static void
find(struct pool *pool, const struct slot *slot, struct jsm_block *block)
{
    size_t index = (size_t)(slot - pool->slots);

    block->span = jsm_pagemap_find(pool->base + index * pool->slot_bytes);
    block->index = (uint32_t)index;
    block->start = slot->start;
    block->bytes = slot->bytes;
    block->found = state_of(slot) == LIVE ? JSM_FOUND_BLOCK : JSM_FOUND_FREE;
}

bool
jsm_guard_find(const void *p, struct jsm_block *block)
{
    struct pool *pool = ready_pool();
    const struct slot *slot = pool != NULL ? slot_around(pool, p) : NULL;

    if (slot == NULL || state_of(slot) == NEVER || (uintptr_t)p - (uintptr_t)slot->start >= jsm_max(slot->bytes, 1u))
        return false;
    find(pool, slot, block);
    if (p != slot->start)
        block->found = JSM_FOUND_INSIDE;
    return true;
}

static void
copy_event(const struct event *event, void **frames, unsigned *n_frames, bool *elsewhere)
{
    *n_frames = jsm_min(event->n_frames, (unsigned)FRAMES);
    memcpy(frames, event->frames, sizeof event->frames);
    *elsewhere = event->thread_id != jsm_os_thread_id();
}

bool
jsm_guard_stacks_of(const struct jsm_block *block, struct jsm_profile_stacks *stacks)
{
    struct pool *pool = ready_pool();

    if (pool == NULL || block->span == NULL || jsm_kind(block->span) != JSM_KIND_GUARD)
        return false;
    const struct slot *slot = &pool->slots[block->index];
    copy_event(&slot->alloc, stacks->alloc, &stacks->n_alloc, &stacks->alloc_elsewhere);
    copy_event(&slot->free, stacks->free, &stacks->n_free, &stacks->free_elsewhere);
    return true;
}

/* ---- Freeing ---- */

/* Makes a slot of one state that of another; whether it was. */
static bool
turn(struct slot *slot, enum state from, enum state to)
{
    uint32_t is = from;

    /* ORDER G4: acquire, with G3. */
    return jsm_cas_strong_acquire(&slot->state, &is, to);
}

/* The byte next to the block of those that were written, or NULL. */
static const uint8_t *
spoilt(const struct pool *pool, const struct slot *slot)
{
    uint8_t *from, *to;

    sides(pool, slot, &from, &to);
    for (const uint8_t *p = slot->start + slot->bytes; p < to; p++)
        if (*p != FILL_BYTE)
            return p;
    for (const uint8_t *p = slot->start; p > from; p--)
        if (p[-1] != FILL_BYTE)
            return p - 1;
    return NULL;
}

/* How far an address is from a block, in words. */
static const char *
distance(struct jsm_text *t, const struct jsm_block *block, const void *p, const char *more)
{
    uintptr_t at = (uintptr_t)p, start = (uintptr_t)block->start;

    if (at >= start && at - start < block->bytes) {
        jsm_text_str(t, "at byte ");
        jsm_text_dec(t, at - start);
    } else {
        size_t bytes = at < start ? start - at : at - start - block->bytes + 1;
        jsm_text_dec(t, bytes);
        jsm_text_str(t, bytes == 1 ? " byte" : " bytes");
        jsm_text_str(t, at < start ? " before its start" : " beyond its end");
    }
    jsm_text_str(t, more);
    return t->buffer;
}

static const char *
kind_of(const struct jsm_block *block, const void *p)
{
    return (uintptr_t)p < (uintptr_t)block->start ? "heap underflow" : "heap overflow";
}

static void
check_sides(struct pool *pool, const struct slot *slot, const struct jsm_block *block)
{
    const uint8_t *p = spoilt(pool, slot);
    char buffer[100];
    struct jsm_text t;

    if (p == NULL)
        return;
    jsm_text_init(&t, buffer, sizeof buffer);
    jsm_misuse_kind("free", block->start, block, kind_of(block, p),
                    distance(&t, block, p, ": was written while the block was in use"));
}

void
jsm_guard_free(const struct jsm_block *block)
{
    struct pool *pool = ready_pool();
    struct slot *slot = &pool->slots[block->index];

    while (!turn(slot, LIVE, BUSY)) {
        if (state_of(slot) == LIVE) { /* somebody looks at it, with the lock */
            jsm_lock(&jsm_guard_lock);
            jsm_unlock(&jsm_guard_lock);
            continue;
        }
        struct jsm_block now;
        find(pool, slot, &now);
        jsm_misuse("free", block->start, &now);
        return;
    }
    check_sides(pool, slot, block);
    note(&slot->free);
    size_t bytes = page_rounded(slot->bytes);
    if (hide(pool, first_page(pool, block->index, slot->bytes), bytes) == 0)
        push(pool, slot);
    /* Else, when the kernel is out of memory or mappings, the slot stays BUSY for ever. */
}

/* ---- Faults ---- */

static bool
tell_fault(const void *address, const void *context)
{
    struct pool *pool = ready_pool();
    struct slot *slot = pool != NULL ? slot_around(pool, address) : NULL;
    struct jsm_block block = { .found = JSM_FOUND_FREE };
    int is_write = jsm_os_fault_is_write(context);
    const char *access = is_write < 0 ? "access" : is_write > 0 ? "write" : "read";
    char buffer[100];
    struct jsm_text t;

    if (slot == NULL)
        return false;
    if (state_of(slot) == NEVER) {
        jsm_misuse_fault(access, address, NULL, "no block was ever here", NULL, context);
        return true;
    }
    jsm_text_init(&t, buffer, sizeof buffer);
    if (jsm_os_fault_unit_bytes() > 1)
        jsm_text_str(&t, "in the page that begins ");
    find(pool, slot, &block);
    bool is_live = block.found == JSM_FOUND_BLOCK;
    jsm_misuse_fault(access, address, &block, is_live ? kind_of(&block, address) : "use after free",
                     distance(&t, &block, address, is_live ? "" : ", of the block that was freed"), context);
    return true;
}

/* ---- All blocks ---- */

/* What the block of a slot is, of `heap` unless that is NULL; false: there is none.  It is known to be that at a moment
 * in between. */
static bool
glance(struct pool *pool, struct slot *slot, const struct jsm_heap *heap, struct jsm_block *block)
{
    if (state_of(slot) != LIVE)
        return false;
    jsm_lock(&jsm_guard_lock);
    bool is_live = turn(slot, LIVE, LOOKED_AT);
    if (is_live) {
        find(pool, slot, block);
        is_live = heap == NULL || jsm_span_heap(block->span) == heap;
        /* ORDER G3: release, as it was, and after our reads of it and its pages.  Not observable by races: who frees it
         * takes the pages away by a system call. */
        jsm_store_release(&slot->state, LIVE);
    }
    jsm_unlock(&jsm_guard_lock);
    return is_live;
}

void
jsm_guard_tell(void (*tell)(struct jsm_span *span, size_t bytes, void *arg), void *arg)
{
    struct pool *pool = ready_pool();
    struct jsm_block block;

    for (size_t i = 0; pool != NULL && i < SLOTS; i++)
        if (glance(pool, &pool->slots[i], NULL, &block))
            tell(block.span, page_rounded(block.bytes), arg);
}

static void
add_one(struct jsm_span *span, size_t bytes, void *arg)
{
    struct jsm_span_totals *totals = arg;

    (void)span;
    totals->huge_count++;
    totals->huge_bytes += bytes;
}

void
jsm_guard_totals(struct jsm_span_totals *totals)
{
    jsm_guard_tell(add_one, totals);
    totals->max_huge_count = jsm_max(totals->max_huge_count, totals->huge_count);
    totals->max_huge_bytes = jsm_max(totals->max_huge_bytes, totals->huge_bytes);
}

static void
check_queue_locked(const struct pool *pool, struct jsm_faults *faults)
{
    size_t n = 0;
    const struct slot *last = NULL;

    for (const struct slot *slot = pool->first; slot != NULL && n <= SLOTS; slot = slot->next, n++) {
        if (slot < pool->slots || slot >= pool->slots + SLOTS || state_of(slot) == LIVE || state_of(slot) == BUSY) {
            jsm_fault(faults, "queue of guarded blocks with what is not free at ", slot);
            return;
        }
        last = slot;
    }
    if (n > SLOTS || last != pool->last)
        jsm_fault(faults, "queue of guarded blocks that does not end where it should at ", pool);
}

void
jsm_guard_check(struct jsm_faults *faults)
{
    struct pool *pool = ready_pool();
    const void *spoilt_blocks[SLOTS];
    size_t n = 0;

    if (pool == NULL)
        return;
    jsm_lock(&jsm_guard_lock);
    check_queue_locked(pool, faults);
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &pool->slots[i];
        if (!turn(slot, LIVE, LOOKED_AT)) /* nobody takes the pages away meanwhile */
            continue;
        if (spoilt(pool, slot) != NULL)
            spoilt_blocks[n++] = slot->start;
        /* ORDER G3: release, as in glance(); not observable either. */
        jsm_store_release(&slot->state, LIVE);
    }
    jsm_unlock(&jsm_guard_lock);
    for (size_t i = 0; i < n; i++)
        jsm_fault(faults, "something was written beside the block at ", spoilt_blocks[i]);
}

/* ---- Heaps of the program ---- */

void
jsm_guard_end_heap(const struct jsm_heap *heap, struct jsm_heap *heir)
{
    struct pool *pool = ready_pool();
    struct jsm_block block;

    for (size_t i = 0; pool != NULL && i < SLOTS; i++) {
        if (!glance(pool, &pool->slots[i], heap, &block))
            continue;
        if (heir != NULL)
            jsm_set_span_heap(block.span, heir);
        else
            jsm_guard_free(&block);
    }
}

int
jsm_guard_visit(const struct jsm_heap *heap, int (*see)(void *arg, void *block, size_t bytes), void *arg)
{
    struct pool *pool = ready_pool();
    struct jsm_block block;
    int answer = 0;

    for (size_t i = 0; pool != NULL && i < SLOTS && answer == 0; i++)
        if (glance(pool, &pool->slots[i], heap, &block))
            answer = see(arg, block.start, block.bytes);
    return answer;
}
