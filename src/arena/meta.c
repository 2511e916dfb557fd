/* arena/meta.c - memory for our own structures.
 *
 * Chunks of reserved addresses with an inaccessible page at either end; committed a step at a
 * time, handed out from the bottom.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "arena/arena.h"

enum { CHUNK_BYTES = sizeof(void *) == 8 ? 8 << 20 : 1 << 20, STEP_BYTES = 128 << 10 };

/* At the start of a chunk. */
struct chunk {
    struct chunk *older;
    size_t bytes; /* between the inaccessible pages */
};

struct jsm_lock jsm_meta_lock = { .rank = JSM_RANK_META };

/* [lock meta] the chunk in use: [next, committed) is ready, [committed, end) reserved. */
static uintptr_t next, committed, end;
static struct chunk *chunks; /* all there are, newest first */
static size_t used_bytes;
static struct jsm_meta_pool *pools;
static _Atomic(size_t) free_bytes;

static bool
chunk_new(size_t bytes)
{
    size_t page = jsm_os_page_bytes(), needed = bytes + sizeof(struct chunk) + 2 * page;
    size_t chunk_bytes = jsm_max(jsm_round_up(needed, page), (size_t)CHUNK_BYTES);
    uint8_t *reserved = NULL;

    for (; chunk_bytes >= needed; chunk_bytes /= 2) {
        reserved = jsm_os_reserve(chunk_bytes, page);
        if (reserved != NULL)
            break;
    }
    if (reserved == NULL)
        return false;
    struct chunk *chunk = (struct chunk *)(void *)(reserved + page);
    size_t usable = jsm_round_down(chunk_bytes, page) - 2 * page, ready = jsm_min(usable, (size_t)STEP_BYTES);
    if (jsm_os_commit(chunk, ready) != 0) {
        jsm_os_unmap(reserved, chunk_bytes);
        return false;
    }
    chunk->older = chunks;
    chunk->bytes = usable;
    chunks = chunk;
    next = (uintptr_t)(chunk + 1);
    committed = (uintptr_t)chunk + ready;
    end = (uintptr_t)chunk + usable;
    return true;
}

static bool
commit_up_to(uintptr_t wanted)
{
    uintptr_t to = jsm_round_up(wanted, (uintptr_t)STEP_BYTES);

    to = jsm_min(to, end);
    if (jsm_os_commit((void *)committed, to - committed) != 0)
        return false;
    committed = to;
    return true;
}

JSM_CORE static void *
alloc_locked(size_t bytes, size_t align)
{
    uintptr_t start = jsm_round_up(next, align);

    if (next == 0 || bytes > end - start || start > end) {
        if (!chunk_new(bytes + align))
            return NULL;
        start = jsm_round_up(next, align);
    }
    if (start + bytes > committed && !commit_up_to(start + bytes))
        return NULL;
    next = start + bytes;
    used_bytes += bytes;
    return (void *)start;
}

JSM_CORE void *
jsm_meta_alloc(size_t bytes, size_t align)
{
    jsm_lock(&jsm_meta_lock);
    void *p = alloc_locked(bytes, align);
    jsm_unlock(&jsm_meta_lock);
    return p;
}

JSM_CORE void *
jsm_meta_pool_take(struct jsm_meta_pool *pool, size_t bytes)
{
    jsm_lock(&jsm_meta_lock);
    void **object = pool->first;
    if (object != NULL) {
        pool->first = *object;
        pool->free_bytes -= bytes;
        /* ORDER: relaxed; an amount. */
        jsm_fetch_sub_relaxed(&free_bytes, bytes);
    } else {
        object = alloc_locked(bytes, jsm_min(jsm_pow2_ceil(bytes), (size_t)JSM_CACHE_LINE));
    }
    jsm_unlock(&jsm_meta_lock);
    return object;
}

JSM_CORE void
jsm_meta_pool_give(struct jsm_meta_pool *pool, void *object, size_t bytes)
{
    jsm_lock(&jsm_meta_lock);
    if (pool->object_bytes == 0) {
        pool->object_bytes = bytes;
        pool->next = pools;
        pools = pool;
    }
    *(void **)object = pool->first;
    pool->first = object;
    pool->free_bytes += bytes;
    /* ORDER: relaxed; an amount. */
    jsm_fetch_add_relaxed(&free_bytes, bytes);
    jsm_unlock(&jsm_meta_lock);
}

size_t
jsm_meta_bytes(void)
{
    jsm_lock(&jsm_meta_lock);
    size_t n = used_bytes;
    jsm_unlock(&jsm_meta_lock);
    return n;
}

JSM_CORE size_t
jsm_meta_free_bytes(void)
{
    /* ORDER: relaxed; an amount. */
    return jsm_load_relaxed(&free_bytes);
}

size_t
jsm_meta_resident_bytes(void)
{
    size_t bytes = 0;

    jsm_lock(&jsm_meta_lock);
    for (const struct chunk *chunk = chunks; chunk != NULL; chunk = chunk->older)
        bytes += jsm_os_resident_in(chunk, chunk->bytes);
    jsm_unlock(&jsm_meta_lock);
    return bytes;
}

/* ---- Checks ---- */

static bool
holds_locked(const void *p, size_t bytes)
{
    uintptr_t at = (uintptr_t)p;

    for (const struct chunk *chunk = chunks; chunk != NULL; chunk = chunk->older) {
        uintptr_t from = (uintptr_t)(chunk + 1), to = chunk == chunks ? next : (uintptr_t)chunk + chunk->bytes;
        if (at >= from && at <= to && bytes <= to - at)
            return true;
    }
    return false;
}

bool
jsm_meta_holds(const void *p, size_t bytes)
{
    jsm_lock(&jsm_meta_lock);
    bool answer = holds_locked(p, bytes);
    jsm_unlock(&jsm_meta_lock);
    return answer;
}

static void
check_pool(const struct jsm_meta_pool *pool, struct jsm_faults *faults)
{
    size_t bytes = 0;
    void *const *object = pool->first;

    /* A list that leads back to itself is longer than it says. */
    for (; object != NULL && bytes < pool->free_bytes; object = *object) {
        if ((uintptr_t)object % sizeof *object != 0 || !holds_locked(object, pool->object_bytes)) {
            jsm_fault(faults, "pool of metadata with what is none at ", object);
            return;
        }
        bytes += pool->object_bytes;
    }
    if (object != NULL || bytes != pool->free_bytes)
        jsm_fault(faults, "pool of metadata with a wrong number of objects at ", pool);
}

void
jsm_meta_check(struct jsm_faults *faults)
{
    size_t sum = 0;

    jsm_lock(&jsm_meta_lock);
    if (next > committed || committed > end)
        jsm_fault(faults, "metadata that was not committed at ", (void *)next);
    for (const struct jsm_meta_pool *pool = pools; pool != NULL; pool = pool->next) {
        check_pool(pool, faults);
        sum += pool->free_bytes;
    }
    /* ORDER: relaxed; it changes under the lock that we hold. */
    if (sum != jsm_load_relaxed(&free_bytes))
        jsm_fault(faults, "pools of metadata with a wrong sum, of those from ", pools);
    jsm_unlock(&jsm_meta_lock);
}
