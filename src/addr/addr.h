/* addr/addr.h - facade of the address layer: slices, descriptors, the pagemap.
 *
 *   slice       64 KiB of addresses, aligned; what the page heap counts in
 *   span        a run of slices with one use
 *   descriptor  struct jsm_span: what is known of the span that starts at a slice
 *   pagemap     root[address >> 32] -> window -> descriptor: two loads
 *   window      the descriptors of 4 GiB of addresses, one for each slice, in order
 *
 * The descriptor stands in the window at the place of the slice, so neighbours in memory are
 * neighbours in the window.  That of a slice nobody uses reads as zero, kind NONE.
 *
 * May include: base, os, rt.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_ADDR_H
#define JSM_ADDR_H

#include "base/base.h"
#include "os/os.h"
#include "rt/rt.h"

#define JSM_SLICE_SHIFT 16
#define JSM_SLICE_BYTES ((size_t)1 << JSM_SLICE_SHIFT)

#if UINTPTR_MAX > UINT32_MAX
#define JSM_WINDOWS      65536 /* 48 bits of addresses */
#define JSM_WINDOW_SHIFT 32
#else
#define JSM_WINDOWS      1
#define JSM_WINDOW_SHIFT 32
#endif
#define JSM_WINDOW_SLICES ((size_t)1 << (JSM_WINDOW_SHIFT - JSM_SLICE_SHIFT))

struct jsm_theap;
struct jsm_heap;

enum jsm_kind {
    JSM_KIND_NONE,      /* not the first slice of anything (but see FREE_TAIL) */
    JSM_KIND_FREE,      /* free span, in the bins of its shard */
    JSM_KIND_FREE_TAIL, /* last slice of a free span of two or more */
    JSM_KIND_BUSY,      /* allocated, and being made into or out of something */
    JSM_KIND_CACHED,    /* free for one thread, in its span cache */
    JSM_KIND_SLAB,      /* cut into blocks */
    JSM_KIND_SLAB_PART, /* a further slice of a slab; `back` leads to the first */
    JSM_KIND_LARGE,     /* one block in an arena */
    JSM_KIND_HUGE,      /* one block, a mapping of its own */
    JSM_KIND_GONE,      /* was HUGE, and was freed; in an arena as good as NONE */
    JSM_KIND_GUARD      /* of the pool of blocks between guard pages, see heap/guard.c */
};

/* Where a slab stands; see doc/concurrency.md for the transitions. */
enum jsm_slab_state {
    JSM_SLAB_NEW,      /* nobody's yet */
    JSM_SLAB_ACTIVE,   /* its heap allocates from it */
    JSM_SLAB_PARTIAL,  /* in the queue of its class */
    JSM_SLAB_FULL,     /* set aside until enough blocks have come back */
    JSM_SLAB_DETACHED, /* without owner, on no list */
    JSM_SLAB_SHARED    /* without owner, on the list that any thread may adopt from */
};

/* Traits of a span: */
enum {
    JSM_TRAIT_HARD = 1,     /* its blocks are those of option harden: with trailers or, if large, canaries */
    JSM_TRAIT_GUARDED = 2,  /* its last pages are inaccessible */
    JSM_TRAIT_ORIGIN = 4,   /* the factor of enum jsm_origin of a large block, two bits */
    JSM_TRAIT_LARGE = 16,   /* it is one block */
    JSM_TRAIT_CUT = 32,     /* the guard cuts a mapping in two */
    JSM_TRAIT_KEEP = 64,    /* blocks that are freed may be held back */
    JSM_TRAIT_USUAL = 128   /* both, and it has one slice */
};

/* Who may touch a field:
 *   [const]  written before the first block is handed out, never after.  Whoever holds a live
 *            block may read it: the program's own hand-over of the block orders that.
 *   [own]    the owning thread; of a slab without owner, who holds the lock of shared slabs.
 *   [shard]  under the lock of the arena's shard, while the span is free; else its user.
 *   [any]    every thread, by atomic operations.
 * The first line is read by all who free a block and hardly written, the second is written by the owner's malloc and
 * free, and by who publishes blocks of others.  With both on one line, a thread that frees what another allocates
 * fetches it from the other processor at each block: 1.5 times as long for the pair of them. */
struct jsm_span {
    _Atomic(uintptr_t) owner; /* [any] thread that may free here the fast way, or 0 */
    uint16_t *link;           /* [const] state of each block, see slab/slab.h */
    uint32_t recip;           /* [const] ceil(2^32 / block_bytes) */
    uint32_t block_bytes;     /* [const] */
    uint8_t *base;            /* [const] address of the span */
    _Atomic(struct jsm_theap *) theap; /* [any] owner; changes only as slab/slab.h says */
    uint32_t n_slices;        /* [const], [shard] length of the span */
    uint16_t capacity;        /* [const] blocks that fit */
    uint8_t class_id;         /* [const] */
    uint8_t state;            /* [own] enum jsm_slab_state */
    _Atomic(uint8_t) kind;    /* [any] enum jsm_kind, by jsm_kind() and jsm_set_kind() */
    union {
        uint8_t back;         /* [const] of a SLAB_PART: slices from the start of the slab */
        uint8_t traits;       /* [const] of a first slice in use: JSM_TRAIT_..., see doc/hardening.md */
    };
    uint16_t arena;           /* [const] id of the arena */
    uint16_t wake;            /* [const] frees after which a full slab is of use again */
    uint16_t n_purged;        /* [own] length of the list from purged_head */
    struct jsm_span *inbox_next; /* [pin] next in the owner's inbox */

    _Alignas(JSM_CACHE_LINE) _Atomic(uint64_t) remote; /* [any] slab/remote.c */
    _Atomic(uint32_t) left;      /* [own] local frees until the owner must look at the slab; all may read it */
    uint16_t head;               /* [own] first block of the free list */
    uint16_t carved;             /* [own] blocks that were ever on the free list */
    struct jsm_link queue;       /* [own], [shard] the list of its state */
    struct jsm_link all;         /* [own] all slabs of the heap; [shard] dirty free spans by age */
    union {
        _Atomic(struct jsm_heap *) heap; /* [any] of blocks: whose they are; changes only as heap/user.c says */
        struct {               /* [shard] of a free span; who frees a block once more may take them for a heap */
            _Atomic(uint32_t) dirty_slices;
            _Atomic(uint32_t) freed_at_ms;
        };
    };
    union {
        _Atomic(size_t) size_bytes; /* [any] of a large or huge block: what was asked for */
        struct {           /* [own] of a slab */
            uint16_t purged_head; /* first block whose memory was given back */
            uint8_t biased;      /* not 0: `left` is one too high, and so many steps count as idle */
            uint8_t clean : 1;    /* [const] was zero when it became a slab */
            uint8_t squeezed : 1; /* [const] a block may stand in for a shorter one, see heap/user.c */
            _Atomic(uint32_t) seen; /* [any] for statistics, see jsm_slab_note() */
        };
    };
};

#if UINTPTR_MAX > UINT32_MAX
_Static_assert(sizeof(struct jsm_span) == 2 * JSM_CACHE_LINE, "a descriptor is two cache lines");
#endif
_Static_assert(sizeof(struct jsm_span) % JSM_CACHE_LINE == 0, "descriptors keep to their lines");

JSM_INLINE enum jsm_kind
jsm_kind(const struct jsm_span *span)
{
    /* ORDER: relaxed.  Neighbours look only for FREE and FREE_TAIL, which are written and read
     * under the lock of the shard; for who holds a block of the span it does not change. */
    return (enum jsm_kind)jsm_load_relaxed(&span->kind);
}

/* Size of a large or huge block. */
JSM_INLINE size_t
jsm_size_bytes(const struct jsm_span *span)
{
    /* ORDER: relaxed; read by its holder, or as a statistic. */
    return jsm_load_relaxed(&span->size_bytes);
}

JSM_INLINE void
jsm_set_size_bytes(struct jsm_span *span, size_t bytes)
{
    /* ORDER: relaxed, as above. */
    jsm_store_relaxed(&span->size_bytes, bytes);
}

/* The heap of a slab, a large or a huge block. */
JSM_INLINE struct jsm_heap *
jsm_span_heap(const struct jsm_span *span)
{
    /* ORDER: relaxed; who frees a block got it from who allocated it, and a heap that is deleted
     * meanwhile is found out under its lock. */
    return jsm_load_relaxed(&span->heap);
}

JSM_INLINE void
jsm_set_span_heap(struct jsm_span *span, struct jsm_heap *heap)
{
    /* ORDER: relaxed, as above. */
    jsm_store_relaxed(&span->heap, heap);
}

/* The same for a block that another thread may be freeing at this moment.  It is a heap only if the block is of the
 * same kind as before when the kind is looked at afterwards. */
JSM_INLINE struct jsm_heap *
jsm_span_heap_or_not(const struct jsm_span *span)
{
    /* ORDER: acquire, with the release of jsm_set_free(): whoever has that for a heap sees that the kind has changed.
     * Not observable: the loads would have to change places between two frees of one block, which is a misuse. */
    return jsm_load_acquire(&span->heap);
}

/* Of a free span, under the lock of its shard. */
JSM_INLINE void
jsm_set_free(struct jsm_span *span, uint32_t dirty_slices, uint32_t freed_at_ms)
{
    /* ORDER: release, both, with jsm_span_heap_or_not(); not observable, as there. */
    jsm_store_release(&span->dirty_slices, dirty_slices);
    jsm_store_release(&span->freed_at_ms, freed_at_ms);
}

JSM_INLINE uint32_t
jsm_dirty_slices_of(const struct jsm_span *span)
{
    /* ORDER: relaxed; it changes under the lock. */
    return jsm_load_relaxed(&span->dirty_slices);
}

JSM_INLINE uint32_t
jsm_freed_at_ms(const struct jsm_span *span)
{
    /* ORDER: relaxed, as above. */
    return jsm_load_relaxed(&span->freed_at_ms);
}

JSM_INLINE void
jsm_set_kind(struct jsm_span *span, enum jsm_kind kind)
{
    /* ORDER: release, with jsm_kind_seen().  And the child of fork() finds the fields of other threads' spans as they
     * were when the kind was written, or later. */
    jsm_store_release(&span->kind, (uint8_t)kind);
}

/* Whether the span was of kind `from`; then it is of kind `to`, and the caller is the one that made it so. */
JSM_INLINE bool
jsm_claim_kind(struct jsm_span *span, enum jsm_kind from, enum jsm_kind to)
{
    uint8_t was = (uint8_t)from;

    /* ORDER: release, as in jsm_set_kind(); not observable by a thread. */
    while (!jsm_cas_weak_byte_release(&span->kind, &was, (uint8_t)to))
        if (was != (uint8_t)from)
            return false;
    return true;
}

/* Written once for each window, under the lock of the pagemap; never taken back. */
extern _Atomic(struct jsm_span *) jsm_pagemap_root[JSM_WINDOWS];
extern struct jsm_lock jsm_pagemap_lock;

/* The descriptor of the slice that `p` lies in; NULL for an address of no window.  Any
 * pointer is safe to ask about. */
JSM_INLINE struct jsm_span *
jsm_pagemap_find(const void *p)
{
    uintptr_t address = (uintptr_t)p;
#if UINTPTR_MAX > UINT32_MAX
    size_t w = address >> JSM_WINDOW_SHIFT;
    if (jsm_unlikely(w >= JSM_WINDOWS))
        return NULL;
#else
    size_t w = 0;
#endif
    /* ORDER: relaxed.  Who holds a block of the window got it after the window was stored; for
     * a pointer out of nowhere either answer is right, and the window itself was zeroed by
     * the kernel, not by a thread of ours. */
    struct jsm_span *window = jsm_load_relaxed(&jsm_pagemap_root[w]);
    if (jsm_unlikely(window == NULL))
        return NULL;
    return (struct jsm_span *)(void *)((char *)window +
        (size_t)((uint32_t)address >> JSM_SLICE_SHIFT) * sizeof(struct jsm_span));
}

/* Makes the descriptors of [addr, addr + bytes) writable; 0 or an errno value. */
int jsm_pagemap_prepare(const void *addr, size_t bytes);

/* ---- For checks: addr/check.c ---- */

/* Whether `span`, which may be any address, is that of a descriptor: then it can be read. */
bool jsm_pagemap_holds(const struct jsm_span *span);

/* The kind, and what was written before it. */
static inline enum jsm_kind
jsm_kind_seen(const struct jsm_span *span)
{
    /* ORDER: acquire, with the release in jsm_set_kind(). */
    return (enum jsm_kind)jsm_load_acquire(&span->kind);
}

/* Goes over a list of descriptors both ways at once, so that it ends whatever was written to the links. */
struct jsm_walk {
    const struct jsm_link *list, *at;
    size_t member;  /* the offset of the link in a descriptor */
    bool is_broken; /* it ended where a link led to nowhere, or not back */
};

#define JSM_WALK(list, member) ((struct jsm_walk){ (list), (list), offsetof(struct jsm_span, member), false })

/* The next on the list; NULL at its end. */
struct jsm_span *jsm_walk_next(struct jsm_walk *walk);

#endif
