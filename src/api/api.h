/* api/api.h - facade of the public functions, for the layer of the standard names.
 *
 * May include: base, os, rt, addr, arena, span, slab, class, heap, tcache, <jsmalloc.h>.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_API_LAYER_H
#define JSM_API_LAYER_H

#include "base/base.h"
#include "tcache/tcache.h"

#include <errno.h>
#include <jsmalloc.h>

/* The size of an array; false and ENOMEM if there can be none. */
JSM_INLINE bool
jsm_array_bytes(size_t count, size_t size, size_t *bytes)
{
    if (jsm_likely(!__builtin_mul_overflow(count, size, bytes)))
        return true;
    errno = ENOMEM;
    return false;
}

JSM_INLINE void *
jsm_calloc_fast(size_t count, size_t size)
{
    size_t bytes;

    if (!jsm_array_bytes(count, size, &bytes))
        return NULL;
    if (bytes > JSM_DIRECT_MAX)
        return jsm_calloc_slow(bytes);
    struct jsm_span *slab = jsm_theap_tls->front.direct[(bytes + 7) >> JSM_DIRECT_SHIFT];
    uint32_t i = slab->head;
    if (jsm_unlikely(i == JSM_LINK_END))
        return jsm_calloc_slow(bytes); /* which may know that the block is zero */
    return __builtin_memset(jsm_slab_take(slab, i), 0, bytes);
}

/* Frees what an operator new of the origin allocated; slowly, if that must be.  `size` may be JSM_SIZE_UNSAID. */
void jsm_delete_slow(struct jsm_span *slab, void *p, enum jsm_origin origin, size_t size);

JSM_INLINE void
jsm_delete_fast(void *p, enum jsm_origin origin, size_t size)
{
    struct jsm_span *slab = jsm_free_find(p);

    if (jsm_unlikely(!jsm_free_try(slab, p)))
        jsm_delete_slow(slab, p, origin, size);
}

/* Changes the size of the block at `p`, which ends up in `heap`; NULL: it stays in its own. */
void *jsm_realloc_in(const char *function, struct jsm_heap *heap, void *p, size_t size);

/* Whether the block may have been asked for with this size: it is as long as that is rounded to, to a class if it
 * is of a slab, else to pages.  The block of jsm_malloc_at_least(), all of which may be used, is for its length as
 * well. */
bool jsm_size_is_right(const struct jsm_block *block, size_t size);

/* Everything there is to say about the heap, at one time or nearly so.  doc/statistics.md has the terms.
 *   T1  committed = live + cached + free + metadata
 *   T2  committed = arena + mapped + metadata */
struct jsm_stats {
    struct jsm_heap_totals heap;
    struct jsm_span_totals spans;
    size_t committed_bytes, live_bytes, cached_bytes, free_bytes, metadata_bytes;
    size_t arena_bytes, live_blocks;
    size_t freed_blocks, freed_bytes;  /* in slabs: with the next, all that is cached */
    size_t cached_span_bytes;          /* that threads keep */
    size_t free_span_bytes, uncarved_bytes, tail_bytes, busy_bytes; /* all that is free */
    size_t free_spans;
    size_t unused_metadata_bytes;
    size_t retained_bytes, reserved_bytes;
    size_t resident_bytes, process_resident_bytes;
    size_t trimmable_bytes, peak_bytes;
    size_t limit_bytes;                /* trim_threshold now */
    size_t threads, arenas;
};

/* Takes them; what is resident costs a look at each page and is left out without `resident`. */
JSM_COLD void jsm_stats_take(struct jsm_stats *stats, bool resident);

/* Prints them in a format, by its number in the option stats_format. */
JSM_COLD void jsm_stats_tell(const struct jsm_stats *stats, size_t format, void (*write)(void *arg, const char *text),
                    void *arg);

/* The number of a format, -1 for none. */
JSM_COLD int jsm_stats_format(const char *name);

#endif
