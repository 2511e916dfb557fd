/* slab/remote.c - frees into a slab by threads that do not own it.
 *
 * One word a slab: a list of blocks, linked through their cells, with its length, a goal and
 * flags.  A publisher adds a chain of blocks and learns in the same step whether it is the
 * one that has to act: then it holds the pin, and until the pin is taken back the slab is neither
 * released, adopted nor detached.  So publishing is the last access to the slab of everybody
 * but the holder of the pin, and each goal is acted on once.
 *
 *   who          operation  order    publishes / sees
 *   R1 publish   CAS        acq_rel  publishes links and last contents; sees D1 where it acts
 *   R2 take      CAS        acquire  what all R1 on the list published
 *   R3 sleep     CAS        release  the owner's fields, to who acts
 *   D1 detach    CAS        release  all fields of the owner
 *   D2 adopt     CAS        acquire  D1's fields, R1's blocks
 *   D3 settle    CAS        relaxed  nothing: who acts next takes the lock, under which the slab was listed
 *   D4 release   load       acquire  what all R1 published, before the slab is gone
 *
 * ABA: the word holds indices and counts, nothing is followed before the exchange succeeded, and
 * a word that came back to an old value describes the slab as well as the old one did.
 * Fork: only the word of the child's own slabs is kept, see jsm_slab_rebuild().
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "slab/slab.h"

static uint64_t
word_of(uint32_t head, uint32_t blocks, uint32_t goal, uint64_t flags)
{
    return (uint64_t)head << 48 | (uint64_t)blocks << 32 | (uint64_t)goal << 16 | flags;
}

/* The word without blocks. */
static uint64_t
emptied(uint64_t word)
{
    return word & UINT64_C(0xffffffff);
}

JSM_CORE enum jsm_remote_act
jsm_slab_publish(struct jsm_span *slab, uint32_t head, uint32_t tail, uint32_t n)
{
    /* ORDER: relaxed, a first guess. */
    uint64_t old = jsm_load_relaxed(&slab->remote), new;
    bool act;

    do {
        uint32_t blocks = jsm_remote_blocks(old) + n, goal = jsm_remote_goal(old);
        jsm_slab_set_cell(slab, tail, jsm_remote_blocks(old) > 0 ? jsm_remote_head(old) : JSM_LINK_END);
        act = goal != 0 && blocks >= goal && (old & JSM_REMOTE_PIN) == 0;
        new = word_of(head, blocks, goal, (old & JSM_REMOTE_FLAGS) | (act ? JSM_REMOTE_PIN : 0));
        /* ORDER R1: acq_rel.  Release, with R2 and D2: links, and our last accesses to the blocks.
         * Acquire, with R3 and D1: who acts reads what the owner wrote before it set the goal. */
    } while (!jsm_cas_weak_acq_rel(&slab->remote, &old, new));

    if (!act)
        return JSM_ACT_NONE;
    return (new & JSM_REMOTE_DETACHED) != 0 ? JSM_ACT_SHARE : JSM_ACT_POST;
}

/* Puts a chain of `n` > 0 blocks in front of the free list. */
static void
join(struct jsm_span *slab, uint32_t head, uint32_t n)
{
    if (slab->head != JSM_LINK_END) {
        uint32_t tail = head;
        for (uint32_t i = 1; i < n; i++)
            tail = slab->link[tail];
        slab->link[tail] = slab->head;
    }
    slab->head = (uint16_t)head;
}

JSM_CORE bool
jsm_slab_has_remote(const struct jsm_span *slab)
{
    /* ORDER: relaxed, a hint. */
    return jsm_remote_blocks(jsm_load_relaxed(&slab->remote)) > 0;
}

JSM_CORE uint32_t
jsm_slab_take_remote(struct jsm_span *slab)
{
    /* ORDER: relaxed, a hint: missing what is under way only delays it. */
    uint64_t old = jsm_load_relaxed(&slab->remote);

    do {
        if (jsm_remote_blocks(old) == 0)
            return 0;
        /* ORDER R2: acquire, with R1.  One acquire covers the whole list: each push is a
         * read-modify-write and so continues the release sequence of those before it. */
    } while (!jsm_cas_weak_acquire(&slab->remote, &old, emptied(old)));
    join(slab, jsm_remote_head(old), jsm_remote_blocks(old));
    return jsm_remote_blocks(old);
}

JSM_CORE bool
jsm_slab_sleep(struct jsm_span *slab)
{
    /* ORDER: relaxed, a first guess. */
    uint64_t old = jsm_load_relaxed(&slab->remote);

    do {
        if (jsm_remote_blocks(old) != 0)
            return false;
        /* ORDER R3: release, with R1: who posts the slab reads its owner. */
    } while (!jsm_cas_weak_release(&slab->remote, &old,
                                   word_of(0, 0, slab->wake, old & JSM_REMOTE_PIN)));
    return true;
}

JSM_CORE void
jsm_slab_wake(struct jsm_span *slab)
{
    /* ORDER: relaxed, a first guess. */
    uint64_t old = jsm_load_relaxed(&slab->remote);

    /* ORDER: relaxed; nothing is published, and as a read-modify-write it keeps what R1 has. */
    while (!jsm_cas_weak_relaxed(&slab->remote, &old,
                                 word_of(jsm_remote_head(old), jsm_remote_blocks(old), 0, old & JSM_REMOTE_PIN)))
        ;
}

JSM_CORE bool
jsm_slab_is_pinned(const struct jsm_span *slab)
{
    /* ORDER: relaxed; only the owner, who asks, takes a pin back, and with no block outside
     * none is set any more. */
    return (jsm_load_relaxed(&slab->remote) & JSM_REMOTE_PIN) != 0;
}

uint32_t
jsm_slab_unpin(struct jsm_span *slab)
{
    /* ORDER: relaxed, a first guess. */
    uint64_t old = jsm_load_relaxed(&slab->remote);

    /* ORDER R2: acquire, with R1. */
    while (!jsm_cas_weak_acquire(&slab->remote, &old, 0))
        ;
    if (jsm_remote_blocks(old) > 0)
        join(slab, jsm_remote_head(old), jsm_remote_blocks(old));
    return jsm_remote_blocks(old);
}

JSM_CORE bool
jsm_slab_detach(struct jsm_span *slab, uint32_t goal)
{
    /* ORDER: relaxed, a first guess. */
    uint64_t old = jsm_load_relaxed(&slab->remote);
    bool act;

    do {
        jsm_assert((old & JSM_REMOTE_PIN) == 0);
        act = jsm_remote_blocks(old) >= goal;
        /* ORDER D1: release, with R1 and D2: the fields of the owner, to who acts or adopts. */
    } while (!jsm_cas_weak_release(&slab->remote, &old,
                                   word_of(jsm_remote_head(old), jsm_remote_blocks(old), goal,
                                           JSM_REMOTE_DETACHED | (act ? JSM_REMOTE_PIN : 0))));
    return act;
}

JSM_CORE bool
jsm_slab_adopt(struct jsm_span *slab, uint32_t *blocks)
{
    /* ORDER: relaxed, a first guess. */
    uint64_t old = jsm_load_relaxed(&slab->remote);

    do {
        if ((old & JSM_REMOTE_PIN) != 0)
            return false;
        /* ORDER D2: acquire, with D1 and R1. */
    } while (!jsm_cas_weak_acquire(&slab->remote, &old, 0));
    *blocks = jsm_remote_blocks(old);
    if (*blocks > 0)
        join(slab, jsm_remote_head(old), *blocks);
    return true;
}

void
jsm_slab_acquire_all(const struct jsm_span *slab)
{
    /* ORDER D4: acquire, with R1.  The pin was taken with an earlier value of the word; other
     * publishers came after it. */
    (void)jsm_load_acquire(&slab->remote);
}

JSM_CORE bool
jsm_slab_settle(struct jsm_span *slab, uint64_t *word, uint32_t goal)
{
    uint64_t new = word_of(jsm_remote_head(*word), jsm_remote_blocks(*word), goal, JSM_REMOTE_DETACHED);

    /* ORDER D3: relaxed.  Who acts next finds the slab on its list because he takes the lock that we hold; as a
     * read-modify-write it keeps what D1 and R1 have released. */
    return jsm_cas_weak_relaxed(&slab->remote, word, new);
}
