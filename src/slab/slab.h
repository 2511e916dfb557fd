/* slab/slab.h - facade of the slabs: one span cut into equal blocks, states out of band.
 *
 * link[i] is the state of block i and its link at once:
 *   JSM_LINK_USED   the program has it
 *   JSM_LINK_END    free, the last of its list
 *   JSM_LINK_QUARANTINED  freed by a thread that holds it back, see heap/harden.c
 *   else            free, index of the next block of its list
 *
 * Where a block can be:                        reached from
 *   live             with the program             -
 *   free             with the owner               head
 *   free, purged     its memory was given back    purged_head
 *   in an outbox     freed by another thread      an entry of that thread's outbox
 *   quarantined      freed by any thread          that thread's quarantine
 *   remote           published to the owner       remote
 *   not carved       never used                   index >= carved
 *
 * Invariants (jsm_slab_fault() tests those marked *):
 *   S1*  carved == used + |head| + |purged_head|, where used counts live, outbox, quarantined and remote blocks
 *   S2*  used, as `left` tells it: ACTIVE left, less one if the slab is biased; PARTIAL, DETACHED,
 *        SHARED left; FULL capacity - (wake - left)
 *   S3*  each block on a list has index < carved and is on one list once
 *   S4*  link[i] == JSM_LINK_USED for live blocks and for no others; link[capacity] is never USED
 *   S5   link[i] is written by the owner while i is on its lists, and by the thread that frees
 *        it from the call of free() until it is published; handing the block over orders the two
 *   S6   the slab is given back only with used == 0 and remote == 0
 *
 * May include: base, os, rt, addr, arena, span.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_SLAB_H
#define JSM_SLAB_H

#include "addr/addr.h"
#include "base/base.h"
#include "os/os.h"
#include "rt/rt.h"
#include "span/span.h"

#define JSM_LINK_USED ((uint16_t)0xffff)
#define JSM_LINK_END  ((uint16_t)0xfffe)
#define JSM_LINK_QUARANTINED ((uint16_t)0xfffd)

enum {
    JSM_SLAB_CAPACITY_MAX = 8192,
    JSM_SLAB_SLICES_MAX = 8,
    JSM_SLAB_WAKE_MAX = 32,
    JSM_SLAB_CARVE_BYTES = 4096, /* carved at a time; what is not carved is not touched */
    JSM_SLAB_UNIT_SHIFT = 9     /* blocks of slabs of several slices are multiples of 512 B */
};

/* A slab with no block to give, which stands where a heap has none.  Never written. */
extern const struct jsm_span jsm_slab_none;
#define JSM_SLAB_NONE ((struct jsm_span *)(uintptr_t)&jsm_slab_none)

/* `left` is written by the owner alone, and read by everybody who wants to know how many blocks are used. */
static inline uint32_t
jsm_slab_left(const struct jsm_span *slab)
{
    /* ORDER: relaxed; the owner reads what it wrote, for others it is a statistic. */
    return jsm_load_relaxed(&slab->left);
}

static inline void
jsm_slab_set_left(struct jsm_span *slab, uint32_t left)
{
    /* ORDER: relaxed, as above. */
    jsm_store_relaxed(&slab->left, left);
}

/* Option harden: so much of each block is zero when it is carved; 0: blocks are as they are.  And whether they are
 * carved in random order.  [const] from the first hardened slab on. */
extern uint32_t jsm_slab_wipe_bytes;
extern bool jsm_slab_scatter;

/* Makes a slab of a BUSY span; false if there is no memory for the links. */
bool jsm_slab_init(struct jsm_span *slab, unsigned class_id, size_t block_bytes, bool clean);

/* Gives the links back; the span may go to the page heap then. */
void jsm_slab_fini(struct jsm_span *slab);

/* Puts the blocks of the next stretch on the free list; false if all are carved. */
bool jsm_slab_carve(struct jsm_span *slab);

/* The same with a longer stretch, a multiple of JSM_SLAB_CARVE_BYTES. */
bool jsm_slab_carve_ahead(struct jsm_span *slab, size_t bytes);

/* Whether neither carving nor recarving would give a block. */
static inline bool
jsm_slab_is_exhausted(const struct jsm_span *slab)
{
    return slab->carved == slab->capacity && slab->n_purged == 0;
}

/* Puts some purged blocks on the free list again; false if there are none. */
bool jsm_slab_recarve(struct jsm_span *slab);

/* Gives back the memory of pages that hold only free blocks; bytes given back.  [own] */
size_t jsm_slab_purge_holes(struct jsm_span *slab);

/* What it would give back now, as far as it is resident. [own] */
size_t jsm_slab_hole_bytes(const struct jsm_span *slab);

/* Whether S1 to S4 hold, and its blocks are where they are thought to be; and what is wrong, or NULL.  Cells of blocks
 * that others may be freeing are read as they are.  [own] */
JSM_COLD bool jsm_slab_check(const struct jsm_span *slab);
JSM_COLD const char *jsm_slab_fault(const struct jsm_span *slab);

/* Used blocks, by S2. [own] */
uint32_t jsm_slab_used(const struct jsm_span *slab);

/* Writes down class, carved blocks and by how much used ones are more than `left`, for those who may not look
 * at the fields of the owner.  Done whenever one of these changes. [own] */
void jsm_slab_note(struct jsm_span *slab);

/* The class, and the used and carved blocks now: for everybody. */
void jsm_slab_noted(const struct jsm_span *slab, unsigned *class_id, uint32_t *used, uint32_t *carved);

/* In the child of fork(): the slab's owner is gone, whatever it was doing.  All blocks that are
 * not live become free, the slab has no remote frees. */
void jsm_slab_rebuild(struct jsm_span *slab);

/* The block at `p`: its index, if `p` is the address of one that was carved. */
JSM_INLINE bool
jsm_slab_index(const struct jsm_span *slab, const void *p, uint32_t *index)
{
    size_t offset = (size_t)((uintptr_t)p - (uintptr_t)slab->base);

    if (slab->n_slices > 1) {
        if ((offset & ((1u << JSM_SLAB_UNIT_SHIFT) - 1)) != 0)
            return false;
        offset >>= JSM_SLAB_UNIT_SHIFT;
    }
    uint64_t product = (uint64_t)(uint32_t)offset * slab->recip;
    *index = (uint32_t)(product >> 32);
    return (uint32_t)product < slab->recip && *index < slab->capacity;
}

/* The index of the block that `p`, somewhere in the slab, lies in. */
static inline uint32_t
jsm_slab_index_around(const struct jsm_span *slab, const void *p)
{
    return (uint32_t)((uintptr_t)p - (uintptr_t)slab->base) / slab->block_bytes;
}

JSM_INLINE void *
jsm_slab_block(const struct jsm_span *slab, uint32_t index)
{
    return slab->base + index * slab->block_bytes;
}

/* The cell of a block of which it is not known whether another thread frees it just now; and what that thread does. */
static inline uint16_t
jsm_slab_cell(const struct jsm_span *slab, uint32_t i)
{
    /* ORDER: relaxed; for checks, which take what there is. */
    return jsm_load_relaxed_plain(&slab->link[i]);
}

JSM_INLINE void
jsm_slab_set_cell(struct jsm_span *slab, uint32_t i, uint32_t value)
{
    /* ORDER: relaxed; who takes the block has the order from R1. */
    jsm_store_relaxed_plain(&slab->link[i], (uint16_t)value);
}

/* Takes the first block, `i`, of the free list.  [own] */
JSM_INLINE void *
jsm_slab_take(struct jsm_span *slab, uint32_t i)
{
    uint16_t *cell = &slab->link[i];

    slab->head = *cell;
    *cell = JSM_LINK_USED;
    jsm_own_increment(&slab->left);
    return jsm_slab_block(slab, i);
}

/* The same of a list that is not empty.  [own] */
JSM_INLINE void *
jsm_slab_pop(struct jsm_span *slab)
{
    return jsm_slab_take(slab, slab->head);
}

/* Puts block `i` on the free list; true when the owner must look at the slab.  [own] */
JSM_INLINE bool
jsm_slab_push(struct jsm_span *slab, uint32_t i)
{
    slab->link[i] = slab->head;
    slab->head = (uint16_t)i;
    return jsm_own_decrement(&slab->left);
}

/* ---- Frees by other threads: slab/remote.c ---- */

/* The remote word: |head 16|blocks 16|goal 16|flags 16|.  `blocks` blocks, linked from `head`,
 * have been freed.  When `goal` is not 0 and a publisher brings `blocks` to it or above, it
 * sets PIN in the same step and has to act. */
#define JSM_REMOTE_PIN      UINT64_C(1) /* somebody is going to act on the slab: it stays what it is */
#define JSM_REMOTE_DETACHED UINT64_C(2) /* no owner */
#define JSM_REMOTE_FLAGS    UINT64_C(0xffff)

static inline uint32_t
jsm_remote_goal(uint64_t word)
{
    return (uint32_t)(word >> 16) & 0xffff;
}

static inline uint32_t
jsm_remote_blocks(uint64_t word)
{
    return (uint32_t)(word >> 32) & 0xffff;
}

static inline uint32_t
jsm_remote_head(uint64_t word)
{
    return (uint32_t)(word >> 48);
}

/* Publishes `n` blocks that are linked from `head` to `tail`.  What the caller has to do: */
enum jsm_remote_act {
    JSM_ACT_NONE,
    JSM_ACT_POST, /* put the slab into its owner's inbox */
    JSM_ACT_SHARE /* bring the slab without owner to where it now belongs */
};
enum jsm_remote_act jsm_slab_publish(struct jsm_span *slab, uint32_t head, uint32_t tail, uint32_t n);

/* Whether there are published blocks. */
bool jsm_slab_has_remote(const struct jsm_span *slab);

/* Takes all published blocks onto the free list; how many.  The caller counts them.  [own] */
uint32_t jsm_slab_take_remote(struct jsm_span *slab);

/* The full slab shall be posted when `wake` blocks have been published; false, and nothing has
 * changed, if there are blocks already.  [own] */
bool jsm_slab_sleep(struct jsm_span *slab);

/* Takes sleep back; blocks published meanwhile stay.  From here on nobody pins the slab, but it
 * may be pinned already.  [own] */
void jsm_slab_wake(struct jsm_span *slab);

/* Whether a publisher is about to act on the slab.  [own] */
bool jsm_slab_is_pinned(const struct jsm_span *slab);

/* The owner found the slab in its inbox: takes the pin back and all that was published.  [own] */
uint32_t jsm_slab_unpin(struct jsm_span *slab);

/* Gives ownership up, the caller having written all [own] fields; the slab is awake and not
 * pinned.  Somebody acts when `goal` blocks are published; true when that is the caller, now.
 * [own] */
bool jsm_slab_detach(struct jsm_span *slab, uint32_t goal);

/* Takes ownership of a slab without owner, with all that was published; false if it is pinned.
 * `*blocks` were published.  The caller holds the lock of the list it was on. */
bool jsm_slab_adopt(struct jsm_span *slab, uint32_t *blocks);

/* Before a slab without owner is released: sees all that publishers did, not only the last. */
void jsm_slab_acquire_all(const struct jsm_span *slab);

/* The holder of the pin of a slab without owner takes it back and sets a new goal, if no more was
 * published than `word` says; else `word` is what it is now. */
bool jsm_slab_settle(struct jsm_span *slab, uint64_t *word, uint32_t goal);

#endif
