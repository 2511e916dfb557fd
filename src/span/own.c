/* span/own.c - shards of the program's own memory.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

#include <string.h>

struct jsm_shard *
jsm_shard_own_new(uint8_t *base, size_t n_slices)
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
    jsm_unlock(&shard->lock);
    return shard;
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
jsm_shard_own_end(struct jsm_shard *shard, bool at_once)
{
    jsm_lock(&shard->lock); /* who walks over all arenas is not in this one now */
    shard->is_ending = true;
    if (at_once)
        retire_locked(shard);
    else
        jsm_shard_own_settle_locked(shard);
    jsm_unlock(&shard->lock);
}
