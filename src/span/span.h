/* span/span.h - facade of the page heap: runs of slices, handed out and taken back.
 *
 * Invariants, under the lock of the shard that an arena belongs to:
 *   P1  the slices below an arena's frontier are partitioned into spans
 *   P2  no two free spans are neighbours (coalescing is immediate)
 *   P3  a free span is in the bin of its length, in the half of its cleanliness, and, if any of
 *       its slices is dirty, on the shard's list by age
 *   P4  the first descriptor of a free span has kind FREE, the last of two or more FREE_TAIL, and
 *       both its length; all other descriptors of spans that are not slabs have kind NONE
 *   P5  dirty_slices of a free span is the number of its slices whose dirty bit is set
 *
 * May include: base, os, rt, addr, arena.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_SPAN_H
#define JSM_SPAN_H

#include "addr/addr.h"
#include "arena/arena.h"
#include "base/base.h"
#include "os/os.h"
#include "rt/rt.h"

enum {
    JSM_BINS_EXACT = 32,                      /* one bin for each length up to here */
    JSM_BINS = JSM_BINS_EXACT + 12 * 4,       /* then four for each doubling */
    JSM_BIN_WORDS = (JSM_BINS + 63) / 64
};

struct jsm_shard {
    _Alignas(JSM_CACHE_LINE) struct jsm_lock lock;
    struct jsm_arena *arenas;                   /* newest first */
    uint64_t filled[2][JSM_BIN_WORDS];          /* which bins hold spans; [1] dirty ones */
    struct jsm_link bins[2][JSM_BINS];          /* least recently used first */
    struct jsm_link by_age;                     /* spans with dirty slices, oldest first */
    _Atomic(size_t) free_slices;                /* written under the lock, a hint without it */
    bool is_own;                                /* [const] of a heap whose memory the program gave, */
    bool is_ending;                             /* which is no more: the program gets it back with the last span */
    struct jsm_shard *next_part;                /* [const] and the next of that memory, as an arena keeps to a window */
};

extern struct jsm_shard jsm_shards[JSM_SHARDS_MAX + 1]; /* the last is JSM_SHARD_BRK */

/* The shard that the arena belongs to. */
struct jsm_shard *jsm_shard_of(const struct jsm_arena *arena);

/* How many shards are in use; a thread picks one. */
unsigned jsm_shard_count(void);

/* What is preferred among spans that fit equally well. */
enum jsm_span_want {
    JSM_WANT_OLDEST, /* dirty ones, the least recently used: large blocks, which fill it */
    JSM_WANT_NEWEST, /* dirty ones, the most recently used: slabs, which touch a page at a time */
    JSM_WANT_CLEAN   /* clean ones: calloc */
};

/* A span of `n_slices`, aligned to `align_slices` (a power of two), of kind BUSY; NULL if there
 * is no memory.  `*clean` says whether all of it reads as zero. */
struct jsm_span *jsm_span_alloc(unsigned shard, size_t n_slices, size_t align_slices, enum jsm_span_want want,
                                bool *clean);

/* A shard of `n_slices` of the program's memory, or several, linked by `next_part`; and a span of them.  Nothing is
 * ever purged, nor counted in the totals.  No two threads may make one at a time; fork() waits for that. */
struct jsm_shard *jsm_shard_own_new(uint8_t *base, size_t n_slices);
/* The shards end, at once whatever is in them, or with their last spans. */
void jsm_shard_own_end(struct jsm_shard *first, bool at_once);
/* A span has come back. */
void jsm_shard_own_settle_locked(struct jsm_shard *shard);
struct jsm_span *jsm_span_alloc_own(struct jsm_shard *first, size_t n_slices, size_t align_slices,
                                    enum jsm_span_want want, bool *clean);

/* Takes back a span that one of these gave, whatever its kind is now. */
void jsm_span_free(struct jsm_span *span);

/* Grows a span in place, taking the free spans behind it one after the other; whether it is
 * `n_slices` long now.  Or shrinks it. */
bool jsm_span_grow(struct jsm_span *span, size_t n_slices);
void jsm_span_shrink(struct jsm_span *span, size_t n_slices);

/* The span of blocks whose memory `p` lies in, also in its middle; NULL if there is none.
 * Slow; for reports. */
struct jsm_span *jsm_span_around(const void *p);

/* Checks P1 to P5 of all shards; the number of faults.  Each is reported by `fault`. */
JSM_COLD size_t jsm_span_check(void (*fault)(const char *what, const void *where));

/* Calls `visit` for each span that is a slab, a large block or in a thread's cache, with the lock of
 * its shard held: `visit` may read what is [any] or [shard]. */
JSM_COLD void jsm_span_visit(void (*visit)(struct jsm_span *span, void *arg), void *arg);

/* The same where there is one thread; `visit` may free the span. */
JSM_COLD void jsm_span_visit_alone(void (*visit)(struct jsm_span *span, void *arg), void *arg);

/* Takes and leaves the locks of all shards, in order; for fork().  And of those that are not of the program's memory,
 * which come and go: how many they are, but for JSM_SHARD_BRK. */
void jsm_shards_lock(void);
void jsm_shards_unlock(void);
unsigned jsm_shards_lock_usual(void);
void jsm_shards_unlock_usual(void);

/* The bin of free spans of that length. */
size_t jsm_span_bin(size_t n_slices);

/* ---- Return of memory: span/purge.c ---- */

/* Gives back what exceeds trim_threshold, and by time what exceeds purge_delay.  Called after
 * each return of a span; bounded work. */
void jsm_purge_balance(void);

/* The part of it that goes by time, and what memory_limit demands; called when memory has been handed
 * out, without a lock. */
void jsm_purge_tick(void);

/* Gives back the memory of all free spans, but for `keep_bytes`; bytes given back. */
size_t jsm_purge_all(size_t keep_bytes);

/* The page heap handed out slices whose memory had been given back not long ago. */
void jsm_purge_regret(size_t n_slices);

/* Bytes of free memory that may stay resident now: trim_threshold. */
size_t jsm_purge_limit_bytes(void);

/* Option memory_limit; SIZE_MAX: none. */
size_t jsm_memory_limit_bytes(void);

/* Takes a free span out of its lists, and puts one in (joining its neighbours), one that has just
 * been freed or is left over of an older one; the caller holds the shard's lock. */
void jsm_span_unlist_locked(struct jsm_shard *shard, struct jsm_span *span);
void jsm_span_list_locked(struct jsm_shard *shard, struct jsm_span *span, uint32_t freed_at_ms, bool left_over);

/* ---- Direct mappings: span/huge.c ---- */

/* Whether they shall have an inaccessible page behind them.  [const] from the first on. */
extern bool jsm_huge_guards;

/* A block of its own mapping; NULL if there is no memory or mmap_max is reached. */
struct jsm_span *jsm_huge_alloc(size_t bytes, size_t align);
/* False: somebody has freed it already. */
bool jsm_huge_free(struct jsm_span *span);

/* Unmaps what the system refused to unmap when it was freed, as the process had too many mappings. */
void jsm_huge_return_stranded(void);

/* Grows or shrinks it, with `may_move` elsewhere; its descriptor now, or NULL. */
struct jsm_span *jsm_huge_resize(struct jsm_span *span, size_t bytes, bool may_move);

/* The direct mapping around `p`, or NULL. */
struct jsm_span *jsm_huge_around(const void *p);

extern struct jsm_lock jsm_huge_lock;

/* ---- Upcall: gives back what threads cache; set once by the layer that knows them. ---- */
extern void (*jsm_span_pressure)(void);

/* What the layers above shall do next time they hold no lock. */
enum { JSM_DUE_AGE = 1 /* caches lose what they do not use */, JSM_DUE_TRIM = 2 /* all that is free goes back */ };
extern _Atomic(uint32_t) jsm_purge_due;

/* ---- Statistics ---- */

struct jsm_span_totals {
    size_t used_slices;   /* in spans that are not free */
    size_t dirty_slices;  /* free and possibly resident */
    size_t clean_slices;  /* free, not resident, below a frontier */
    size_t huge_count, huge_bytes;
    size_t max_huge_count, max_huge_bytes;
    size_t purged_bytes, purge_calls;
};

JSM_COLD void jsm_span_totals(struct jsm_span_totals *totals); /* all but the direct mappings */
JSM_COLD void jsm_huge_totals(struct jsm_span_totals *totals); /* these */

/* Checks the list of direct mappings. */
JSM_COLD void jsm_huge_check(struct jsm_faults *faults);

/* Memory of direct mappings, in bytes. */
extern _Atomic(size_t) jsm_mapped_bytes;

/* Calls `visit` for each direct mapping, with the lock held. */
JSM_COLD void jsm_huge_visit(void (*visit)(struct jsm_span *span, void *arg), void *arg);

/* Memory of direct mappings that is resident, with that of their descriptors. */
size_t jsm_huge_resident_bytes(void);

/* Calls `visit` for each free span that has dirty slices, with the lock of its shard held. */
void jsm_span_visit_dirty(void (*visit)(const struct jsm_span *span, void *arg), void *arg);

/* The most memory that was ever in spans in use and direct mappings.  Whoever makes that more says so. */
size_t jsm_span_peak_bytes(void);
void jsm_span_note_peak(void);

/* Free memory that the layers above keep for themselves, in bytes. */
extern _Atomic(size_t) jsm_kept_bytes;

extern _Atomic(size_t) jsm_used_slices, jsm_dirty_slices, jsm_purged_slices, jsm_purge_calls;

#endif
