/* rt/lock.c - mutual exclusion on a futex, with ranks.
 *
 *   who          operation  order    publishes / sees
 *   K1 lock      CAS        acquire  what the last K2 published
 *   K2 unlock    exchange   release  everything done under the lock
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "rt/rt.h"

enum { SPINS = 60 };

static _Thread_local uint32_t held_ranks; /* bit set, kept at debug level 2 and above only */

struct jsm_lock jsm_break_lock = { .rank = JSM_RANK_BREAK };

/* Whether a lock may be taken now.  fork() takes those of all shards; and that of the os_ allocator, under which
 * nothing but the break's is taken else, before or after the others: as its handler was registered. */
static bool
rank_is_free(uint32_t rank)
{
    uint32_t held = rank < JSM_RANK_OSMEM ? held_ranks & ~(1u << JSM_RANK_OSMEM) : held_ranks;

    bool fork_takes_many = rank == JSM_RANK_SHARD || rank == JSM_RANK_HEAP;

    return held < (1u << rank) || (fork_takes_many && held < (2u << rank));
}

JSM_NOINLINE static void
lock_slow(struct jsm_lock *lock)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t open = 0;
        /* ORDER: relaxed look first, so that spinning does not steal the line; K1 acquires. */
        if (jsm_load_relaxed(&lock->word) == 0 && jsm_cas_strong_acquire(&lock->word, &open, 1))
            return;
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#endif
    }
    /* ORDER K1: acquire.  2 says that somebody may sleep, so K2 has to wake. */
    while (jsm_exchange_acquire(&lock->word, 2) != 0)
        jsm_os_futex_wait(&lock->word, 2);
}

JSM_CORE void
jsm_lock(struct jsm_lock *lock)
{
    uint32_t open = 0;

    if (JSM_DEBUG >= 2)
        jsm_assert_inv(rank_is_free(lock->rank));
    /* ORDER K1: acquire, with K2. */
    if (jsm_unlikely(!jsm_cas_strong_acquire(&lock->word, &open, 1)))
        lock_slow(lock);
    if (JSM_DEBUG >= 2)
        held_ranks |= 1u << lock->rank;
}

bool
jsm_lock_try(struct jsm_lock *lock)
{
    uint32_t open = 0;

    /* ORDER K1: acquire, with K2. */
    if (!jsm_cas_strong_acquire(&lock->word, &open, 1))
        return false;
    if (JSM_DEBUG >= 2)
        held_ranks |= 1u << lock->rank;
    return true;
}

JSM_CORE void
jsm_unlock(struct jsm_lock *lock)
{
    if (JSM_DEBUG >= 2)
        held_ranks &= ~(1u << lock->rank);
    /* ORDER K2: release, with K1. */
    if (jsm_unlikely(jsm_exchange_release(&lock->word, 0) == 2))
        jsm_os_futex_wake(&lock->word);
}

void
jsm_lock_reset(struct jsm_lock *lock)
{
    if (JSM_DEBUG >= 2)
        held_ranks &= ~(1u << lock->rank);
    /* ORDER: relaxed; the child of fork() has one thread. */
    jsm_store_relaxed(&lock->word, 0);
}
