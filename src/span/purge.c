/* span/purge.c - return of memory to the system.
 *
 * Two rules, both applied by whoever gives memory to the page heap, so no thread is needed:
 * by amount, at once: what exceeds trim_threshold goes, oldest first; by time: what has lain
 * unused for purge_delay goes, a bounded part at each tick.
 *
 * A page that is given back and wanted again costs far more than it saved.  Regret is measured:
 * slices handed out soon after they were purged.  It raises the amount that may stay, up to
 * what is in use, and the delay; both fall again when there is none.
 *
 * As memory_limit comes near, nothing may stay, and threads are asked to give back what they keep.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "span/span.h"

enum {
    TICK_MS = 100,
    AGE_MS = 250,
    REGRET_MS = 2000,                                    /* what counts as soon */
    TICK_SLICES = (1 << 20) / (1 << JSM_SLICE_SHIFT),    /* work of one tick */
    TICK_CALLS = 8,
    HOLD_SLICES = 32, /* given back in one go with the lock held: about 0.1 ms */
    DELAY_SHIFT_MAX = 6,
    PRESSURE_MS = 1000 /* between two requests to give all back, with memory_limit */
};
#define LIMIT_MIN_SLICES ((size_t)(16 * JSM_MIB >> JSM_SLICE_SHIFT))

/* ORDER: all of this is relaxed: amounts and times to steer by, which nothing is read through. */
static _Atomic(uint32_t) last_tick_ms, last_purge_ms, last_regret_ms, last_pressure_ms, last_age_ms;
static _Atomic(size_t) extra_slices; /* may stay beyond the limit, by regret */
static _Atomic(uint32_t) delay_shift;

static uint32_t
elapsed_ms(uint32_t now_ms, _Atomic(uint32_t) *since)
{
    /* ORDER: relaxed, see above. */
    return now_ms - jsm_load_relaxed(since);
}

void
jsm_purge_regret(size_t n_slices)
{
    uint32_t now_ms = jsm_os_now_ms();

    if (elapsed_ms(now_ms, &last_purge_ms) > REGRET_MS)
        return;
    /* ORDER: relaxed, see above. */
    jsm_fetch_add_relaxed(&extra_slices, n_slices);
    if (elapsed_ms(now_ms, &last_regret_ms) > TICK_MS) {
        /* ORDER: relaxed, see above. */
        uint32_t shift = jsm_load_relaxed(&delay_shift);
        jsm_store_relaxed(&delay_shift, jsm_min(shift + 1, (uint32_t)DELAY_SHIFT_MAX));
        jsm_store_relaxed(&last_regret_ms, now_ms);
    }
}

size_t
jsm_memory_limit_bytes(void)
{
    static _Atomic(size_t) of_group;
    int64_t option = jsm_option(JSM_OPT_MEMORY_LIMIT);

    if (jsm_likely(option == JSM_OPT_UNLIMITED))
        return SIZE_MAX;
    if (option != JSM_OPT_AUTO)
        return (uint64_t)option < SIZE_MAX ? (size_t)option : SIZE_MAX;
    /* ORDER: relaxed; all threads that find 0 read the same. */
    size_t bytes = jsm_load_relaxed(&of_group);
    if (bytes == 0) {
        bytes = jsm_max(jsm_os_group_limit_bytes("/proc/self/cgroup", "/sys/fs/cgroup"), (size_t)1);
        /* ORDER: relaxed, as above. */
        jsm_store_relaxed(&of_group, bytes);
    }
    return bytes;
}

/* How much memory may still come into use before seven eighths of memory_limit are. */
JSM_CORE static size_t
room_bytes(void)
{
    size_t limit = jsm_memory_limit_bytes();

    if (jsm_likely(limit == SIZE_MAX))
        return SIZE_MAX;
    /* ORDER: relaxed, see above. */
    size_t used = jsm_load_relaxed(&jsm_used_slices) << JSM_SLICE_SHIFT;
    used += jsm_load_relaxed(&jsm_mapped_bytes) + jsm_meta_bytes();
    limit -= limit / 8;
    return limit > used ? limit - used : 0;
}

static size_t
limit_bytes(void)
{
    int64_t option = jsm_option(JSM_OPT_TRIM_THRESHOLD);

    if (option == JSM_OPT_UNLIMITED)
        return SIZE_MAX;
    if (option != JSM_OPT_AUTO)
        return (size_t)option;
    /* ORDER: relaxed, see above. */
    size_t used = jsm_load_relaxed(&jsm_used_slices);
    size_t extra = jsm_load_relaxed(&extra_slices);
    return (jsm_max(LIMIT_MIN_SLICES, used / 8) + jsm_min(extra, used)) << JSM_SLICE_SHIFT;
}

JSM_CORE size_t
jsm_purge_limit_bytes(void)
{
    return jsm_min(limit_bytes(), room_bytes());
}

/* What is unused and resident beside free spans: what threads keep, links of no slab, descriptors of
 * free slices.  It counts against the limit, as far as half of that. */
static size_t
overhead_slices(size_t limit)
{
    /* ORDER: relaxed, see above. */
    size_t bytes = jsm_load_relaxed(&jsm_kept_bytes) + jsm_meta_free_bytes();
    size_t used = jsm_load_relaxed(&jsm_used_slices), ever = jsm_arena_ever_slices();

    bytes += (ever > used ? ever - used : 0) * sizeof(struct jsm_span);
    return jsm_min((bytes >> JSM_SLICE_SHIFT) + 1, limit / 2);
}

/* The kernel does not take memory back that is locked.  Let it be for a while. */
static _Atomic(bool) refused;
static _Atomic(uint32_t) refused_at_ms;

static void
refuse(void)
{
    /* ORDER: relaxed, see above. */
    jsm_store_relaxed(&refused_at_ms, jsm_os_now_ms());
    jsm_store_relaxed(&refused, true);
}

/* Gives back up to `want` dirty slices of a span that is on no list, from its end; how many. */
static size_t
purge_runs(struct jsm_arena *arena, struct jsm_span *span, size_t want, size_t *calls)
{
    size_t first = jsm_arena_index(arena, span->base), end = first + span->n_slices, done = 0;

    while (end > first && done < want) {
        while (end > first && !jsm_bit_get(arena->dirty, end - 1))
            end--;
        size_t start = end;
        while (start > first && jsm_bit_get(arena->dirty, start - 1) && done + (end - start) < want)
            start--;
        if (start == end)
            break;
        ++*calls;
        if (jsm_os_purge(arena->base + (start << JSM_SLICE_SHIFT), (end - start) << JSM_SLICE_SHIFT) != 0) {
            refuse();
            break; /* it stays dirty (A3) */
        }
        done += end - start;
        end = start;
    }
    return done;
}

/* Clears the dirty bits of what purge_runs() gave back: the last `n` dirty slices. */
static void
mark_purged(struct jsm_arena *arena, struct jsm_span *span, size_t n)
{
    size_t first = jsm_arena_index(arena, span->base);

    for (size_t i = first + span->n_slices; i-- > first && n > 0;) {
        if (jsm_bit_get(arena->dirty, i)) {
            jsm_bits_clear(arena->dirty, i, i + 1);
            jsm_bits_set(arena->purged, i, i + 1);
            n--;
        }
    }
}

/* Gives back up to `want` slices of the span that has been free for longest, if it has been for
 * `age_ms`.  The lock is held meanwhile, so `want` is small. */
static size_t
purge_oldest(struct jsm_shard *shard, size_t want, uint32_t now_ms, uint32_t age_ms, size_t *calls)
{
    size_t done = 0;

    jsm_lock(&shard->lock);
    struct jsm_link *oldest = jsm_list_first(&shard->by_age);
    if (oldest != NULL) {
        struct jsm_span *span = jsm_list_entry(oldest, struct jsm_span, all);
        uint32_t freed_at_ms = jsm_freed_at_ms(span);
        int32_t age = (int32_t)(now_ms - freed_at_ms); /* below 0: freed since we looked at the clock */
        if (age >= 0 && (uint32_t)age >= age_ms) {
            struct jsm_arena *arena = jsm_arena_at(span->arena);
            jsm_span_unlist_locked(shard, span);
            done = purge_runs(arena, span, want, calls);
            mark_purged(arena, span, done);
            jsm_span_list_locked(shard, span, freed_at_ms, true);
        }
    }
    jsm_unlock(&shard->lock);
    if (done > 0) {
        /* ORDER: relaxed, see above. */
        jsm_fetch_add_relaxed(&jsm_purged_slices, done);
        jsm_store_relaxed(&last_purge_ms, now_ms);
    }
    return done;
}

/* Gives back up to `want` slices that are at least `age_ms` old, of all shards. */
JSM_CORE static size_t
purge(size_t want, uint32_t age_ms, size_t max_calls)
{
    uint32_t now_ms = jsm_os_now_ms();
    size_t done = 0, calls = 0;

    /* ORDER: relaxed, see above. */
    if (jsm_load_relaxed(&refused) && elapsed_ms(now_ms, &refused_at_ms) < REGRET_MS)
        return 0;
    for (unsigned i = 0; i <= jsm_shard_count(); i++) {
        struct jsm_shard *shard = &jsm_shards[i < jsm_shard_count() ? i : JSM_SHARD_BRK];
        size_t n = 1;
        while (n > 0 && done < want && calls < max_calls) {
            size_t part = jsm_min(want - done, (size_t)HOLD_SLICES);
            n = purge_oldest(shard, part, now_ms, age_ms, &calls);
            done += n;
        }
    }
    /* ORDER: relaxed; a statistic. */
    jsm_fetch_add_relaxed(&jsm_purge_calls, calls);
    return done;
}

/* A bounded part of what has been free for so long; all of it, if no waiting is wanted. */
static void
purge_aged(uint64_t age_ms)
{
    if (age_ms == 0)
        purge(SIZE_MAX, 0, SIZE_MAX);
    else
        purge(TICK_SLICES, (uint32_t)jsm_min(age_ms, (uint64_t)INT32_MAX), TICK_CALLS);
}

static void
tick(uint32_t now_ms)
{
    int64_t delay_ms = jsm_option(JSM_OPT_PURGE_DELAY);
    /* ORDER: relaxed, see above. */
    uint32_t shift = jsm_load_relaxed(&delay_shift);

    if (elapsed_ms(now_ms, &last_regret_ms) > REGRET_MS) {
        /* ORDER: relaxed, see above. */
        size_t extra = jsm_load_relaxed(&extra_slices);
        jsm_store_relaxed(&extra_slices, extra - extra / 8);
        if (shift > 0) {
            jsm_store_relaxed(&delay_shift, shift - 1);
            jsm_store_relaxed(&last_regret_ms, now_ms); /* not all at once */
        }
    }
    if (delay_ms != JSM_OPT_UNLIMITED)
        purge_aged(delay_ms == 0 ? 0 : (uint64_t)delay_ms << shift);
}

JSM_CORE static void
tick_if_due(void)
{
    /* Small programs end before there is anything to look for; libc's clock is in a part of it that they do not touch.
     * ORDER: relaxed, see above. */
    if (jsm_load_relaxed(&jsm_dirty_slices) == 0 && jsm_load_relaxed(&jsm_kept_bytes) < JSM_SLICE_BYTES)
        return;
    uint32_t now_ms = jsm_os_now_ms();

    if (elapsed_ms(now_ms, &last_tick_ms) >= TICK_MS || jsm_option(JSM_OPT_PURGE_DELAY) == 0) {
        /* ORDER: relaxed, see above. */
        jsm_store_relaxed(&last_tick_ms, now_ms);
        tick(now_ms);
        uint32_t last_ms = jsm_load_relaxed(&last_age_ms);
        if (now_ms - last_ms >= AGE_MS) {
            jsm_store_relaxed(&last_age_ms, now_ms);
            if (last_ms != 0) /* not at the first call of all */
                jsm_fetch_or_relaxed(&jsm_purge_due, JSM_DUE_AGE);
        }
    }
}

JSM_CORE void
jsm_purge_tick(void)
{
    tick_if_due();
    if (jsm_unlikely(room_bytes() == 0)) {
        uint32_t now_ms = jsm_os_now_ms();
        if (elapsed_ms(now_ms, &last_pressure_ms) >= PRESSURE_MS) {
            /* ORDER: relaxed, see above. */
            jsm_store_relaxed(&last_pressure_ms, now_ms);
            jsm_fetch_or_relaxed(&jsm_purge_due, JSM_DUE_TRIM);
            purge(SIZE_MAX, 0, SIZE_MAX);
        }
    }
}

JSM_CORE void
jsm_purge_balance(void)
{
    /* ORDER: relaxed, see above. */
    size_t dirty = jsm_load_relaxed(&jsm_dirty_slices);
    size_t bytes = jsm_purge_limit_bytes(), limit = bytes >> JSM_SLICE_SHIFT;

    limit -= bytes == SIZE_MAX ? 0 : overhead_slices(limit);
    if (jsm_unlikely(dirty > limit)) {
        /* A little more than what is too much, so that the next free does not come here again. */
        size_t slack = jsm_min(limit / 16, (size_t)TICK_SLICES);
        purge(dirty - limit + slack, 0, SIZE_MAX);
    }
    tick_if_due();
}

size_t
jsm_purge_all(size_t keep_bytes)
{
    size_t keep = keep_bytes >> JSM_SLICE_SHIFT;
    /* ORDER: relaxed, see above. */
    size_t dirty = jsm_load_relaxed(&jsm_dirty_slices);

    if (dirty <= keep)
        return 0;
    return purge(dirty - keep, 0, SIZE_MAX) << JSM_SLICE_SHIFT;
}
