/* osmem/heap.c - blocks in memory from the program break.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "osmem/block.h"

#include <jsmalloc/osmem.h>
#include <string.h>

struct segment {
    uint8_t *start, *end;
};

enum { FIRST_SEGMENTS = 32 };

JSM_SPARSE static struct segment first_segments[FIRST_SEGMENTS];
static struct segment *segments = first_segments;
static size_t n_segments, max_segments = FIRST_SEGMENTS;
static struct jsm_osmem_block *first, *last;

/* ---- Blocks and their neighbours ---- */

/* The free block that begins where `b` ends, NULL if there is none. */
static struct jsm_osmem_block *
free_behind(const struct jsm_osmem_block *b)
{
    struct jsm_osmem_block *next = b->next;

    return next != NULL && (uint8_t *)next == jsm_osmem_end(b) && next->status == JSM_OSMEM_FREE ? next : NULL;
}

/* Joins `b` with `next`, free and behind it. */
static void
join(struct jsm_osmem_block *b, struct jsm_osmem_block *next)
{
    size_t size = b->size + JSM_OSMEM_HEADER + next->size;

    b->next = next->next;
    *(b->next != NULL ? &b->next->prev : &last) = b;
    next->seal = ~next->seal;
    jsm_osmem_set(b, size, b->status);
}

/* Puts a free block of `size` bytes at `at`, behind the block `prev`. */
static struct jsm_osmem_block *
put(void *at, size_t size, struct jsm_osmem_block *prev)
{
    struct jsm_osmem_block *b = at;

    b->prev = prev;
    b->next = prev != NULL ? prev->next : NULL;
    *(b->next != NULL ? &b->next->prev : &last) = b;
    *(prev != NULL ? &prev->next : &first) = b;
    jsm_osmem_set(b, size, JSM_OSMEM_FREE);
    return b;
}

/* Cuts off what `b` has beyond `size` bytes, if that is enough for a block. */
static void
split(struct jsm_osmem_block *b, size_t size)
{
    size_t rest = b->size - size;

    if (rest < JSM_OSMEM_HEADER + JSM_OSMEM_ALIGN)
        return;
    jsm_osmem_set(b, size, b->status);
    (void)put(jsm_osmem_end(b), rest - JSM_OSMEM_HEADER, b);
}

/* ---- Growth ---- */

/* Whether there is room in the list for one segment more. */
static bool
have_segment_room(void)
{
    size_t page = jsm_os_page_bytes();

    if (n_segments < max_segments)
        return true;
    size_t bytes = jsm_round_up(2 * max_segments * sizeof *segments, page);
    struct segment *more = jsm_os_map(bytes, page);
    if (more == NULL)
        return false;
    memcpy(more, segments, n_segments * sizeof *segments);
    if (segments != first_segments)
        (void)jsm_os_unmap(segments, jsm_round_up(max_segments * sizeof *segments, page));
    segments = more;
    max_segments *= 2;
    return true;
}

static uint8_t *
heap_end(void)
{
    return n_segments > 0 ? segments[n_segments - 1].end : NULL;
}

/* Moves the break up from `from` by `bytes`; false if it could not be, or somebody else moved it just now:
 * what came of that is left alone. */
static bool
move_break(const uint8_t *from, size_t bytes)
{
    return jsm_os_break_grow(bytes) == from;
}

/* Makes the last block `size` bytes long, if the break still is where it ends. */
static bool
grow_last(size_t size)
{
    jsm_lock(&jsm_break_lock);
    uint8_t *end = heap_end();
    bool done = jsm_os_break() == end && move_break(end, size - last->size);
    jsm_unlock(&jsm_break_lock);
    if (done) {
        segments[n_segments - 1].end += size - last->size;
        jsm_osmem_set(last, size, last->status);
    }
    return done;
}

/* A free block of `size` bytes or more in memory that is new. */
static struct jsm_osmem_block *
grow(size_t size)
{
    size_t bytes = JSM_OSMEM_HEADER + size;

    if (last != NULL && last->status == JSM_OSMEM_FREE && grow_last(size))
        return last;
    if (!have_segment_room())
        return NULL;
    if (n_segments == 0)
        bytes = jsm_max(bytes, (size_t)OS_PREALLOC_BYTES);
    jsm_lock(&jsm_break_lock);
    uint8_t *at = jsm_os_break(), *end = heap_end();
    size_t pad = -(uintptr_t)at & (JSM_OSMEM_ALIGN - 1);
    /* Below our end there is only memory that somebody took from us. */
    bool done = at >= end && move_break(at, pad + bytes);
    jsm_unlock(&jsm_break_lock);
    if (!done)
        return NULL;
    if (at == end)
        segments[n_segments - 1].end += bytes;
    else
        segments[n_segments++] = (struct segment){ at + pad, at + pad + bytes };
    return put(at + pad, bytes - JSM_OSMEM_HEADER, last);
}

/* ---- Search ---- */

/* Joins all free neighbours, and finds the smallest free block of at least `size` bytes. */
static struct jsm_osmem_block *
best_fit(size_t size, const struct jsm_osmem_block **damaged)
{
    struct jsm_osmem_block *best = NULL;

    for (struct jsm_osmem_block *next, *b = first; b != NULL; b = b->next) {
        if (!jsm_osmem_is_sealed(b)) {
            *damaged = b;
            return NULL;
        }
        if (b->status != JSM_OSMEM_FREE)
            continue;
        while ((next = free_behind(b)) != NULL && jsm_osmem_is_sealed(next))
            join(b, next);
        if (b->size >= size && (best == NULL || b->size < best->size))
            best = b;
    }
    return best;
}

struct jsm_osmem_block *
jsm_osmem_heap_take(size_t size, const struct jsm_osmem_block **damaged)
{
    struct jsm_osmem_block *b = best_fit(size, damaged);

    if (b == NULL && *damaged == NULL)
        b = grow(size);
    if (b != NULL) {
        split(b, size);
        jsm_osmem_set(b, b->size, JSM_OSMEM_USED);
    }
    return b;
}

bool
jsm_osmem_heap_resize(struct jsm_osmem_block *b, size_t size, bool may_grow, const struct jsm_osmem_block **damaged)
{
    struct jsm_osmem_block *next;

    while (b->size < size && (next = free_behind(b)) != NULL) {
        if (!jsm_osmem_is_sealed(next)) {
            *damaged = next;
            return false;
        }
        join(b, next);
    }
    if (b->size < size && !(b == last && may_grow && grow_last(size)))
        return false;
    split(b, size);
    return true;
}

/* ---- Any pointer ---- */

/* The segment of an address; NULL if it is in none. */
static const struct segment *
segment_of(const uint8_t *p)
{
    size_t low = 0, high = n_segments;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p < segments[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return low < n_segments && p >= segments[low].start ? &segments[low] : NULL;
}

struct jsm_osmem_found
jsm_osmem_heap_find(const void *p)
{
    const uint8_t *at = p;
    const struct segment *s = segment_of(at);

    if (s == NULL)
        return (struct jsm_osmem_found){ JSM_OSMEM_UNKNOWN, NULL };
    if ((uintptr_t)at % JSM_OSMEM_ALIGN == 0 && (size_t)(at - s->start) >= JSM_OSMEM_HEADER) {
        struct jsm_osmem_block *b = (struct jsm_osmem_block *)((uintptr_t)at - JSM_OSMEM_HEADER);
        if (jsm_osmem_is_sealed(b))
            return (struct jsm_osmem_found){ b->status == JSM_OSMEM_FREE ? JSM_OSMEM_GONE : JSM_OSMEM_LIVE, b };
    }

    struct jsm_osmem_block *b = (struct jsm_osmem_block *)(void *)s->start;
    while (jsm_osmem_is_sealed(b) && jsm_osmem_end(b) <= at)
        b = (struct jsm_osmem_block *)(void *)jsm_osmem_end(b);
    if (!jsm_osmem_is_sealed(b))
        return (struct jsm_osmem_found){ JSM_OSMEM_DAMAGED, b };
    return (struct jsm_osmem_found){ b->status == JSM_OSMEM_FREE ? JSM_OSMEM_GONE : JSM_OSMEM_INSIDE, b };
}

unsigned
jsm_osmem_heap_check(void)
{
    unsigned faults = 0;
    const struct jsm_osmem_block *prev = NULL, *b = first;

    for (size_t i = 0; i < n_segments; i++) {
        uint8_t *at = segments[i].start;
        if (at >= segments[i].end || (uintptr_t)at % JSM_OSMEM_ALIGN != 0 || (i > 0 && segments[i - 1].end > at)) {
            jsm_message("os_ heap: a segment is empty, misaligned or out of order", NULL, NULL);
            faults++;
        }
        while (at < segments[i].end) {
            if ((const uint8_t *)b != at || !jsm_osmem_is_sealed(b) || b->prev != prev ||
                b->size % JSM_OSMEM_ALIGN != 0 || b->size == 0 || b->status == JSM_OSMEM_MAPPED ||
                b->size > (size_t)(segments[i].end - jsm_osmem_payload(b))) {
                jsm_message("os_ heap: a block's header is not as it was left", NULL, NULL);
                return faults + 1;
            }
            at = jsm_osmem_end(b);
            prev = b;
            b = b->next;
        }
    }
    if (b != NULL || last != prev) {
        jsm_message("os_ heap: the list goes on beyond the last segment", NULL, NULL);
        faults++;
    }
    return faults;
}
