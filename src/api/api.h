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

JSM_INLINE void *
jsm_calloc_fast(size_t count, size_t size)
{
    size_t bytes;

    if (jsm_unlikely(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    if (bytes > JSM_DIRECT_MAX)
        return jsm_malloc_slow(bytes, true);
    void *p = jsm_malloc_fast(bytes);
    return jsm_likely(p != NULL) ? __builtin_memset(p, 0, bytes) : NULL;
}

/* Everything there is to say about the heap, at one time or nearly so. */
struct jsm_stats {
    struct jsm_heap_totals heap;
    struct jsm_span_totals spans;
    size_t live_bytes, live_blocks;    /* of slabs and large blocks, without direct mappings */
    size_t committed_bytes;            /* slices in use or dirty */
    size_t reserved_bytes, resident_bytes, metadata_bytes;
    size_t purgeable_bytes;
    size_t limit_bytes;                /* trim_threshold now */
    size_t threads;
};

void jsm_stats_take(struct jsm_stats *stats);

#endif
