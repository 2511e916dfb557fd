/* span/own.c - shards of the program's own memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

#include <string.h>

/* Of memory that lies in one window. */
static struct jsm_shard *
part_new(uint8_t *base, size_t n_slices)
{
    static struct jsm_shard *spare; /* of the one thread that may be here; what was retired has its own */

    if (spare == NULL) {
        spare = jsm_meta_alloc(sizeof *spare, JSM_CACHE_LINE);
        if (spare == NULL)
            return NULL;
        spare->lock.rank = JSM_RANK_SHARD;
        spare->is_own = true;
    }
    struct jsm_arena *arena = jsm_arena_adopt(base, n_slices, spare);
    if (arena == NULL)
        return NULL;
    if (arena->own_shard == spare)
        spare = NULL;
    struct jsm_shard *shard = arena->own_shard;
    jsm_lock(&shard->lock); /* somebody may be looking at all arenas */
    jsm_arena_place(arena, base, n_slices);
    shard->arenas = arena;
    shard->next_part = NULL;
    jsm_unlock(&shard->lock);
    return shard;
}

struct jsm_shard *
jsm_shard_own_new(uint8_t *base, size_t n_slices)
{
    struct jsm_shard *first = NULL, **link = &first;

    while (n_slices > 0) {
        size_t to_window = JSM_WINDOW_SLICES - ((uintptr_t)base >> JSM_SLICE_SHIFT) % JSM_WINDOW_SLICES;
        size_t n = jsm_min(n_slices, to_window);
        *link = part_new(base, n);
        if (*link == NULL) {
            jsm_shard_own_end(first, true);
            return NULL;
        }
        link = &(*link)->next_part;
        base += n << JSM_SLICE_SHIFT;
        n_slices -= n;
    }
    return first;
}

static void
retire_locked(struct jsm_shard *shard)
{
    struct jsm_arena *arena = shard->arenas;

    shard->is_ending = false;
    shard->arenas = NULL;
    memset(shard->filled, 0, sizeof shard->filled);
    memset(shard->bins, 0, sizeof shard->bins);
    shard->by_age = (struct jsm_link){ NULL, NULL };
    /* ORDER: relaxed; a hint. */
    jsm_store_relaxed(&shard->free_slices, 0);
    jsm_arena_retire(arena); /* last: from here on both may be another heap's */
}

void
jsm_shard_own_settle_locked(struct jsm_shard *shard)
{
    /* ORDER: relaxed; written under the lock that we hold. */
    if (shard->is_ending && jsm_load_relaxed(&shard->free_slices) == shard->arenas->frontier)
        retire_locked(shard);
}

void
jsm_shard_own_end(struct jsm_shard *first, bool at_once)
{
    for (struct jsm_shard *shard = first, *next; shard != NULL; shard = next) {
        jsm_lock(&shard->lock); /* who walks over all arenas is not in this one now */
        next = shard->next_part; /* now: once it is retired it may be another heap's */
        shard->is_ending = true;
        if (at_once)
            retire_locked(shard);
        else
            jsm_shard_own_settle_locked(shard);
        jsm_unlock(&shard->lock);
    }
}
