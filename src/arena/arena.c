/* arena/arena.c - reserving addresses and moving the frontier.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "arena/arena.h"

#include <string.h>

struct jsm_lock jsm_arena_lock = { .rank = JSM_RANK_ARENA };

JSM_SPARSE static struct jsm_arena *_Atomic arenas[JSM_ARENAS_MAX]; /* written under the lock */
static _Atomic(uint32_t) n_arenas;
static _Atomic(size_t) reserved_bytes, ever_slices;

enum { ARENA_BYTES_MIN = 1 << 20 };
#if UINTPTR_MAX > UINT32_MAX
#define ARENA_BYTES_MAX ((size_t)1 << JSM_WINDOW_SHIFT)
#else
#define ARENA_BYTES_MAX ((size_t)1 << 30)
#endif

unsigned
jsm_arena_count(void)
{
    /* ORDER: acquire, with the release in jsm_arena_new(): the arenas below it are whole. */
    return jsm_load_acquire(&n_arenas);
}

JSM_CORE struct jsm_arena *
jsm_arena_at(unsigned id)
{
    /* ORDER: relaxed; who knows the id got it from something written after the arena. */
    return jsm_load_relaxed(&arenas[id]);
}

JSM_CORE size_t
jsm_arena_ever_slices(void)
{
    /* ORDER: relaxed; an amount. */
    return jsm_load_relaxed(&ever_slices);
}

size_t
jsm_arena_reserved_bytes(void)
{
    /* ORDER: relaxed; a statistic. */
    return jsm_load_relaxed(&reserved_bytes);
}

size_t
jsm_arena_first_bytes(void)
{
    int64_t option = jsm_option(JSM_OPT_ARENA_SIZE);

    return option != JSM_OPT_AUTO ? (size_t)option : sizeof(void *) == 8 ? 64 * JSM_MIB : 4 * JSM_MIB;
}

/* The growth rule: arena number i reserves arena_size << min(i / arena_batch, arena_shift_max). */
JSM_CORE static size_t
growth_bytes(unsigned i)
{
    size_t bytes = jsm_arena_first_bytes();
    unsigned shift = i / (unsigned)jsm_option(JSM_OPT_ARENA_BATCH);

    shift = jsm_min(shift, (unsigned)jsm_option(JSM_OPT_ARENA_SHIFT_MAX));
    bytes = jsm_pow2_ceil(jsm_max(bytes, (size_t)ARENA_BYTES_MIN));
    while (shift-- > 0 && bytes < ARENA_BYTES_MAX)
        bytes *= 2;
    /* Under a limit of address space the rest of the program needs room as well. */
    size_t limit = jsm_os_address_limit_bytes();
    while (bytes > limit / 8 && bytes > ARENA_BYTES_MIN)
        bytes /= 2;
    return jsm_min(bytes, ARENA_BYTES_MAX);
}

static bool
crosses_window(const uint8_t *p, size_t bytes)
{
    uint64_t first = (uintptr_t)p, last = first + bytes - 1;

    return first >> JSM_WINDOW_SHIFT != last >> JSM_WINDOW_SHIFT;
}

/* From the program break: already committed, which does no harm.  NULL if it cannot be moved so far. */
static uint8_t *
reserve_by_break(size_t bytes, size_t align)
{
    jsm_lock(&jsm_break_lock);
    uintptr_t now = (uintptr_t)jsm_os_break(), want = jsm_round_up(now, align);
    if (crosses_window((uint8_t *)want, bytes)) /* A4; what lies before the boundary is lost */
        want = jsm_round_up(want, (uintptr_t)jsm_pow2_ceil(bytes));
    uintptr_t old = (uintptr_t)jsm_os_break_grow(want - now + bytes);
    jsm_unlock(&jsm_break_lock);
    return old == now ? (uint8_t *)want : NULL; /* else refused, or somebody without the lock came between */
}

/* Reserves `*bytes` or, if that is refused, half of it and so on down to `min_bytes`. */
static uint8_t *
reserve(size_t *bytes, size_t min_bytes)
{
    for (;; *bytes = jsm_max(*bytes / 2, min_bytes)) {
        /* Huge pages need their own alignment; small arenas will hardly hold one. */
        size_t align = *bytes >= 16 * JSM_MIB ? 2 * JSM_MIB : JSM_SLICE_BYTES;
        bool by_break = jsm_option(JSM_OPT_SOURCE) == 1;
        uint8_t *p = by_break ? reserve_by_break(*bytes, align) : NULL;
        if (p == NULL)
            p = jsm_os_reserve(*bytes, align);
        if (p != NULL && crosses_window(p, *bytes)) { /* A4 */
            jsm_os_unmap(p, *bytes);
            p = jsm_os_reserve(*bytes, jsm_pow2_ceil(*bytes));
        }
        if (p != NULL || *bytes <= min_bytes)
            return p;
    }
}

/* The same from the program break, which others may move, too, but nobody back. */
static uint8_t *
reserve_from_break(size_t *bytes, size_t min_bytes)
{
    uint8_t *base = NULL;

    jsm_lock(&jsm_break_lock);
    for (;; *bytes = jsm_max(*bytes / 2, min_bytes)) {
        uint8_t *end = jsm_os_break();
        uintptr_t from = jsm_round_up((uintptr_t)end, (uintptr_t)JSM_SLICE_BYTES);
        if (crosses_window((uint8_t *)from, *bytes)) /* A4 */
            from = jsm_round_up(from, jsm_pow2_ceil(*bytes));
        if (end != NULL && jsm_os_break_grow(from - (uintptr_t)end + *bytes) == end)
            base = (uint8_t *)from;
        if (base != NULL || *bytes <= min_bytes)
            break;
    }
    jsm_unlock(&jsm_break_lock);
    return base;
}

JSM_CORE static struct jsm_arena *
describe(uint8_t *base, size_t bytes, unsigned shard, struct jsm_arena *next)
{
    size_t n_slices = bytes >> JSM_SLICE_SHIFT;
    size_t bitmap_bytes = jsm_round_up(n_slices, (size_t)64) / 8;
    struct jsm_arena *arena = jsm_meta_alloc(sizeof *arena + 2 * bitmap_bytes, JSM_CACHE_LINE);

    if (arena == NULL)
        return NULL;
    arena->base = base;
    arena->n_slices = (uint32_t)n_slices;
    arena->shard = (uint16_t)shard;
    arena->next = next;
    arena->dirty = (uint64_t *)(void *)(arena + 1);
    arena->purged = arena->dirty + bitmap_bytes / 8;
    return arena;
}

/* Enters the arena into the list; false if that is full. */
static bool
publish(struct jsm_arena *arena)
{
    /* ORDER: relaxed; written under the lock that we hold. */
    unsigned id = jsm_load_relaxed(&n_arenas);

    if (id == JSM_ARENAS_MAX)
        return false;
    arena->id = (uint16_t)id;
    /* ORDER: relaxed; published by the release of n_arenas. */
    jsm_store_relaxed(&arenas[id], arena);
    /* ORDER: release, with the acquire in jsm_arena_count(). */
    jsm_store_release(&n_arenas, id + 1);
    return true;
}

static struct jsm_arena *
arena_new_locked(size_t min_slices, unsigned shard, struct jsm_arena *next)
{
    /* ORDER: relaxed; written under the lock that we hold. */
    unsigned id = jsm_load_relaxed(&n_arenas);
    size_t min_bytes = min_slices << JSM_SLICE_SHIFT;

    if (id == JSM_ARENAS_MAX || min_slices > ARENA_BYTES_MAX >> JSM_SLICE_SHIFT)
        return NULL;
    size_t bytes = jsm_max(growth_bytes(id), min_bytes);
    size_t break_bytes = bytes;
    uint8_t *base = shard == JSM_SHARD_BRK ? reserve_from_break(&break_bytes, min_bytes) : NULL;
    bool from_break = base != NULL;
    if (from_break)
        bytes = break_bytes;
    else
        base = reserve(&bytes, min_bytes);
    if (base == NULL)
        return NULL;
    struct jsm_arena *arena = NULL;
    if (jsm_pagemap_prepare(base, bytes) == 0)
        arena = describe(base, bytes, shard, next);
    if (arena == NULL) {
        if (!from_break) /* else it is lost: the break does not go back */
            jsm_os_unmap(base, bytes);
        return NULL;
    }
    if (from_break)
        arena->committed = arena->n_slices;
    (void)publish(arena); /* there is room, see above */
    /* ORDER: relaxed; a statistic. */
    jsm_fetch_add_relaxed(&reserved_bytes, bytes);
    if (jsm_option(JSM_OPT_THP) != 0)
        jsm_os_huge_pages(base, bytes, jsm_option(JSM_OPT_THP) == 1);
    return arena;
}

JSM_CORE struct jsm_arena *
jsm_arena_new(size_t min_slices, unsigned shard, struct jsm_arena *next)
{
    jsm_lock(&jsm_arena_lock);
    struct jsm_arena *arena = arena_new_locked(min_slices, shard, next);
    jsm_unlock(&jsm_arena_lock);
    return arena;
}

/* ---- Memory of the program's ---- */

static struct jsm_arena *retired; /* [lock arena] their bitmaps have room for as much as they once had */

static struct jsm_arena *
take_retired(size_t n_slices)
{
    for (struct jsm_arena **link = &retired; *link != NULL; link = &(*link)->next) {
        struct jsm_arena *arena = *link;
        if (arena->committed >= n_slices) {
            *link = arena->next;
            return arena;
        }
    }
    return NULL;
}

struct jsm_arena *
jsm_arena_adopt(uint8_t *base, size_t n_slices, struct jsm_shard *shard)
{
    if (n_slices > ARENA_BYTES_MAX >> JSM_SLICE_SHIFT || jsm_pagemap_prepare(base, n_slices << JSM_SLICE_SHIFT) != 0)
        return NULL;
    jsm_lock(&jsm_arena_lock);
    struct jsm_arena *arena = take_retired(n_slices);
    if (arena == NULL) {
        arena = describe(base, n_slices << JSM_SLICE_SHIFT, JSM_SHARD_OWN, NULL);
        if (arena != NULL) {
            arena->n_slices = 0;
            arena->committed = (uint32_t)n_slices;
            arena->own_shard = shard; /* before others can find the arena */
            if (!publish(arena))
                arena = NULL;
        }
    }
    jsm_unlock(&jsm_arena_lock);
    return arena;
}

void
jsm_arena_place(struct jsm_arena *arena, uint8_t *base, size_t n_slices)
{
    jsm_lock(&jsm_arena_lock);
    arena->base = base;
    arena->next = NULL;
    jsm_bits_set(arena->dirty, 0, n_slices);
    arena->n_slices = (uint32_t)n_slices;
    jsm_unlock(&jsm_arena_lock);
}

void
jsm_arena_retire(struct jsm_arena *arena)
{
    jsm_lock(&jsm_arena_lock);
    /* Nothing is left of its spans: the next owner of the addresses starts from scratch. */
    memset(jsm_pagemap_find(arena->base), 0, arena->n_slices * sizeof(struct jsm_span));
    arena->n_slices = 0; /* from here on no address lies in it */
    arena->frontier = 0;
    arena->next = retired;
    retired = arena;
    jsm_unlock(&jsm_arena_lock);
}

bool
jsm_arena_is_taken(uintptr_t from, uintptr_t to)
{
    bool found = false;

    jsm_lock(&jsm_arena_lock);
    for (unsigned i = 0; i < jsm_arena_count() && !found; i++) {
        const struct jsm_arena *arena = jsm_arena_at(i);
        uintptr_t base = (uintptr_t)arena->base, end = base + ((size_t)arena->n_slices << JSM_SLICE_SHIFT);
        found = arena->shard == JSM_SHARD_OWN && arena->n_slices > 0 && from < end && base < to;
    }
    jsm_unlock(&jsm_arena_lock);
    return found;
}

JSM_CORE uint8_t *
jsm_arena_extend(struct jsm_arena *arena, size_t n)
{
    if (n > jsm_arena_room(arena))
        return NULL;
    size_t want = arena->frontier + n;
    if (want > arena->committed) {
        size_t step = (size_t)jsm_option(JSM_OPT_PREALLOC) >> JSM_SLICE_SHIFT;
        size_t to = jsm_min(jsm_max(want, arena->committed + step), (size_t)arena->n_slices);
        uint8_t *from = arena->base + ((size_t)arena->committed << JSM_SLICE_SHIFT);
        if (jsm_os_commit(from, (to - arena->committed) << JSM_SLICE_SHIFT) != 0) {
            to = want; /* perhaps there is enough for what is needed now */
            if (jsm_os_commit(from, (to - arena->committed) << JSM_SLICE_SHIFT) != 0)
                return NULL;
        }
        arena->committed = (uint32_t)to;
    }
    uint8_t *p = arena->base + ((size_t)arena->frontier << JSM_SLICE_SHIFT);
    arena->frontier = (uint32_t)want;
    /* ORDER: relaxed; an amount. */
    jsm_fetch_add_relaxed(&ever_slices, n);
    return p;
}

/* ---- Checks ---- */

static bool
overlap(const struct jsm_arena *a, const struct jsm_arena *b)
{
    return a->n_slices > 0 && b->n_slices > 0 &&
        (uintptr_t)a->base < (uintptr_t)b->base + ((size_t)b->n_slices << JSM_SLICE_SHIFT) &&
        (uintptr_t)b->base < (uintptr_t)a->base + ((size_t)a->n_slices << JSM_SLICE_SHIFT);
}

static void
check_arena(const struct jsm_arena *arena, unsigned id, struct jsm_faults *faults)
{
    size_t bytes = (size_t)arena->n_slices << JSM_SLICE_SHIFT;

    if (arena->id != id)
        jsm_fault(faults, "arena that does not know its number at ", arena->base);
    if (arena->n_slices > 0 && ((uintptr_t)arena->base % JSM_SLICE_BYTES != 0 || crosses_window(arena->base, bytes)))
        jsm_fault(faults, "arena at an impossible place at ", arena->base);
    else if (arena->n_slices > 0 && jsm_pagemap_find(arena->base) == NULL)
        jsm_fault(faults, "arena that nothing describes at ", arena->base);
    /* Memory of the program's may be a large block. */
    for (unsigned i = 0; i < id && arena->shard != JSM_SHARD_OWN; i++) {
        const struct jsm_arena *other = jsm_arena_at(i);
        if (other->shard != JSM_SHARD_OWN && overlap(arena, other))
            jsm_fault(faults, "arena that overlaps another at ", arena->base);
    }
}

void
jsm_arenas_check(struct jsm_faults *faults)
{
    jsm_lock(&jsm_arena_lock);
    for (unsigned id = 0; id < jsm_arena_count(); id++)
        check_arena(jsm_arena_at(id), id, faults);
    jsm_unlock(&jsm_arena_lock);
}
