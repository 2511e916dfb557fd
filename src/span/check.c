/* span/check.c - do the invariants P1 to P5 of span/span.h hold?
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

typedef void fault_fn(const char *what, const void *where);

static size_t
check_free_span(const struct jsm_arena *arena, const struct jsm_span *span, size_t index, fault_fn *fault)
{
    size_t n = span->n_slices, faults = 0;
    const struct jsm_span *tail = span + n - 1;

    if (n == 0 || index + n > arena->frontier) {
        fault("free span of impossible length at ", span->base);
        return 1;
    }
    if (n > 1 && (jsm_kind(tail) != JSM_KIND_FREE_TAIL || tail->n_slices != n)) {
        fault("free span whose ends disagree at ", span->base);
        faults++;
    }
    if (index + n < arena->frontier && jsm_kind(span + n) == JSM_KIND_FREE) {
        fault("free spans that were not joined at ", span->base);
        faults++;
    }
    if (jsm_dirty_slices_of(span) != jsm_bits_count(arena->dirty, index, index + n)) {
        fault("free span with a wrong number of dirty slices at ", span->base);
        faults++;
    }
    if (!jsm_list_is_linked(&span->queue) || jsm_list_is_linked(&span->all) != (jsm_dirty_slices_of(span) != 0)) {
        fault("free span that is not listed at ", span->base);
        faults++;
    }
    return faults;
}

static size_t
check_arena(const struct jsm_arena *arena, fault_fn *fault)
{
    const struct jsm_span *first = jsm_pagemap_find(arena->base);
    size_t faults = 0;
    bool is_own = arena->shard == JSM_SHARD_OWN; /* memory of the program's: committed and dirty from the start */

    if (arena->frontier > arena->committed || (!is_own && arena->committed > arena->n_slices)) {
        fault("arena whose frontier is not committed at ", arena->base);
        faults++;
    }
    if (!is_own && jsm_bits_count(arena->dirty, arena->frontier, arena->n_slices) != 0) {
        fault("dirty slices above the frontier of the arena at ", arena->base);
        faults++;
    }
    for (size_t index = 0; index < arena->frontier; index++) {
        /* A large block may itself be the memory of a heap, with an arena of its own. */
        if (jsm_kind(first + index) == JSM_KIND_FREE && first[index].arena == arena->id) {
            faults += check_free_span(arena, first + index, index, fault);
            index += first[index].n_slices > 0 ? first[index].n_slices - 1 : 0;
        }
    }
    return faults;
}

size_t
jsm_span_check(void (*fault)(const char *what, const void *where))
{
    size_t faults = 0;

    for (unsigned i = 0; i < jsm_arena_count(); i++) {
        struct jsm_arena *arena = jsm_arena_at(i);
        struct jsm_shard *shard = jsm_shard_of(arena);
        jsm_lock(&shard->lock);
        faults += check_arena(arena, fault);
        jsm_unlock(&shard->lock);
    }
    return faults;
}
