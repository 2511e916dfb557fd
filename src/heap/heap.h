/* heap/heap.h - facade of the heaps: slabs of all classes, and who owns them.
 *
 *   struct jsm_heap    a set of blocks; the process has a default one
 *   struct jsm_theap   the part of a heap that one thread owns: all that a thread needs to serve
 *                      itself without a lock
 *
 * Where the slabs of a heap are:
 *   ACTIVE             theap->active[class] (and theap->direct), one for each class
 *   PARTIAL            theap->partial[class], the longest waiting first
 *   FULL               nowhere; with several threads in theap->full, the oldest first, of which only
 *                      some are kept: the others are detached
 *   DETACHED           nowhere, without owner
 *   SHARED             heap->shared[class]: any thread may adopt it
 * All slabs with an owner are on theap->slabs.
 *
 * May include: base, os, rt, addr, arena, span, slab, class.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_HEAP_H
#define JSM_HEAP_H

#include "addr/addr.h"
#include "arena/arena.h"
#include "base/base.h"
#include "class/class.h"
#include "os/os.h"
#include "rt/rt.h"
#include "slab/slab.h"
#include "span/span.h"

enum {
    JSM_OUTBOX_ENTRIES = 32,
    JSM_OUTBOX_BYTES_MAX = 16 << 10, /* of blocks, in all entries */
    JSM_CACHE_SPANS_MIN = 4,         /* slab spans that a thread may keep, at first and when it was idle, */
    JSM_CACHE_SPANS_MAX = 64,        /* and when it is busy; */
    JSM_CACHE_SPANS_FIXED = 8,       /* always, without cache_adapt */
    JSM_IDLE_STEP_BYTES = 4096,      /* idle memory is counted in these */
    JSM_IDLE_BYTES_MAX = 1 << 20,    /* of empty slabs that a thread keeps active, without cache_adapt */
    JSM_IDLE_BYTES_ADAPT = 256 << 10, /* and with it: others can be had from the cache */
    JSM_FULL_SLICES_MAX = 64         /* of full slabs that a thread keeps, with several threads */
};

struct jsm_heap {
    const char *name;
    bool is_user;                                  /* [const] one of heap/user.c, not one whose slabs threads own */
    struct jsm_lock lock;                          /* of the shared slabs */
    struct jsm_link shared[JSM_CLASSES];           /* [lock shared] */
    _Atomic(uint32_t) n_shared[JSM_CLASSES];       /* a hint for those who look without the lock */
};

/* Blocks of one slab that this thread has freed and not yet published. */
struct jsm_outbox_entry {
    struct jsm_span *slab; /* NULL: unused */
    uint16_t head, tail;
    uint32_t blocks;
};

/* What the fast paths look at; a constant of this type serves threads that have no theap. */
struct jsm_theap_front {
    struct jsm_span *direct[JSM_DIRECTS];     /* the slab for sizes up to JSM_DIRECT_MAX, by 8 bytes */
    struct jsm_span *active[JSM_CLASSES];
    uintptr_t thread_id;                      /* owner of the slabs; 0 while nobody uses the theap */
    uint8_t slow;                             /* enum jsm_slow: whether every call takes the slow path */
    uint8_t first_direct;                     /* 1: malloc(0) takes it, for option zero_size says NULL */
};

struct jsm_theap {
    struct jsm_theap_front front;
    struct jsm_heap *heap;
    unsigned shard;                           /* of the page heap */
    size_t idle_bytes;                        /* carved bytes of biased slabs */
    uint32_t outbox_bytes;
    struct jsm_outbox_entry outbox[JSM_OUTBOX_ENTRIES];
    struct jsm_quarantine *quarantine;        /* see heap/harden.c; NULL: there is none yet */
    struct jsm_link slabs;                    /* all slabs owned */
    struct jsm_link partial[JSM_CLASSES];
    struct jsm_link full;
    uint32_t n_full_slices;
    uint32_t trims_done;                      /* of jsm_theaps_ask_to_trim() */
    uint32_t n_visitors;                      /* no slab leaves `slabs` meanwhile; see heap/user.c */
    bool no_adopt;                            /* slabs it leaves behind are for nobody to allocate from */
    struct jsm_theap *next_all;               /* [const] all theaps there ever were */
    struct jsm_theap *next_idle;              /* [lock threads] those that no thread uses */
    uint32_t n_spilled;                       /* spans that the cache had no room for, since it grew */
    uint32_t aged_uses, idle_ages;            /* [lock threads] see heap/cache.c */
    _Alignas(JSM_CACHE_LINE) _Atomic(struct jsm_span *) inbox; /* [any] slabs posted by others */
    _Atomic(struct jsm_span *) cached;        /* [any] see heap/cache.c, last in first out by inbox_next */
    _Atomic(uint32_t) n_cached, cache_max, cache_uses, cache_low; /* [any] */
};

#if UINTPTR_MAX > UINT32_MAX
_Static_assert(sizeof(struct jsm_theap) <= 4096 + JSM_CACHE_LINE, "a thread costs little more than a page");
#endif

extern struct jsm_heap jsm_heap_default;

/* Option harden as it was at the start, which is what counts. */
enum jsm_harden { JSM_HARDEN_OFF, JSM_HARDEN_ON, JSM_HARDEN_FULL };
extern _Atomic(uint8_t) jsm_harden_level;

static inline bool
jsm_hardened(void)
{
    /* ORDER: relaxed; it changes once, before the first thread has a theap or while there is one thread. */
    return jsm_unlikely(jsm_load_relaxed(&jsm_harden_level) != JSM_HARDEN_OFF);
}

/* Which calls take the slow path although the fast one could serve them, and why. */
enum jsm_slow {
    JSM_SLOW_NOT,
    JSM_SLOW_MALLOC,   /* every malloc, to be counted: option guard_sample */
    JSM_SLOW_HARDENED, /* from here on all calls: option harden, level on, */
    JSM_SLOW_FULL,     /* level full, */
    JSM_SLOW_COUNTED,  /* either, and guard_sample; */
    JSM_SLOW_OPTIONS   /* perturb, profile, or no quarantine */
};

/* `may_hold`: blocks that are freed can be held back. */
static inline enum jsm_slow
jsm_theap_wants_slow(bool may_hold)
{
    if (jsm_option(JSM_OPT_PERTURB) != 0 || jsm_option(JSM_OPT_PROFILE) != 0 || (jsm_hardened() && !may_hold))
        return JSM_SLOW_OPTIONS;
    bool is_counted = jsm_option(JSM_OPT_GUARD_SAMPLE) != 0;
    if (jsm_hardened())
        /* ORDER: relaxed, as in jsm_hardened(). */
        return is_counted ? JSM_SLOW_COUNTED
            : jsm_load_relaxed(&jsm_harden_level) == JSM_HARDEN_FULL ? JSM_SLOW_FULL : JSM_SLOW_HARDENED;
    return is_counted ? JSM_SLOW_MALLOC : JSM_SLOW_NOT;
}

/* How many threads have a theap now; with one, nobody else can free. */
extern _Atomic(uint32_t) jsm_theaps_live;
extern _Atomic(uint32_t) jsm_theaps_opened; /* and how often a thread got one */

/* ---- A theap: heap/theap.c ---- */

/* Makes zeroed memory, or a theap that was closed, one of the calling thread. */
void jsm_theap_open(struct jsm_theap *th, struct jsm_heap *heap, unsigned shard);

/* The same for one that many threads use, under a lock. */
void jsm_theap_open_shared(struct jsm_theap *th, struct jsm_heap *heap, unsigned shard);

/* The part of closing that is about memory. */
void jsm_theap_leave_all(struct jsm_theap *th);

/* Gives everything away: free memory to the page heap, slabs with live blocks to the heap. */
void jsm_theap_close(struct jsm_theap *th);

/* For a heap that ends: gives back all slabs, whatever lives in them. */
void jsm_theap_release_all(struct jsm_theap *th);

/* Gives back empty slabs that were left where they were because of a visitor. */
void jsm_theap_drop_empty(struct jsm_theap *th);

/* Whether class `c` has a block without a new slab. */
bool jsm_theap_has_room(const struct jsm_theap *th, unsigned c);

/* Publishes all that waits in the outbox; takes in all that waits in the inbox. */
void jsm_theap_flush(struct jsm_theap *th);
void jsm_theap_collect(struct jsm_theap *th);

/* Gives back cached spans, empty slabs and, with `holes`, free pages inside slabs; bytes of holes. */
size_t jsm_theap_trim(struct jsm_theap *th, bool holes);

/* Asks all theaps to give back their holes: each does when it next looks for a slab. */
void jsm_theaps_ask_to_trim(void);

/* Makes the fast paths of this thread what the options perturb, profile and zero_size want them to be. */
void jsm_theap_adapt(struct jsm_theap *th);

/* Checks it, and all its slabs; of the calling thread, or one that no thread can use meanwhile. */
JSM_COLD void jsm_theap_check(struct jsm_theap *th, struct jsm_faults *faults);

/* After fork(), in the child.  The calling thread's theap: nobody is going to post any more. */
void jsm_theap_after_fork(struct jsm_theap *th);
/* A theap of a thread that is not there: it owns nothing now. */
void jsm_theap_forget(struct jsm_theap *th);
/* The lists of slabs without owner are made anew. */
void jsm_heap_forget_shared(struct jsm_heap *heap);
/* And a slab or cached span of a thread that is not there. */
void jsm_heap_orphan(struct jsm_span *span);

/* ---- Cached spans: heap/cache.c ---- */

/* Keeps the span of an empty slab of one slice, if there is room. */
bool jsm_cache_put(struct jsm_theap *th, struct jsm_span *span);
/* The last one that was kept, of kind BUSY; NULL if there is none. */
struct jsm_span *jsm_cache_take(struct jsm_theap *th);
/* Gives all back to the page heap; any thread may. */
void jsm_cache_drop(struct jsm_theap *th);
/* The sum of something over all; the owner. */
size_t jsm_cache_sum(struct jsm_theap *th, size_t (*bytes_of)(const struct jsm_span *span));
/* Whether the CACHED span is the theap's; in the child of fork(). */
bool jsm_cache_has(const struct jsm_theap *th, const struct jsm_span *span);
/* Checks them; the owner. */
JSM_COLD void jsm_cache_check(struct jsm_theap *th, struct jsm_faults *faults);
/* A tick has passed.  [lock threads] */
void jsm_cache_age(struct jsm_theap *th);

/* ---- Blocks ---- */

/* A block of class `c` when the active slab has none ready; NULL if there is no memory.
 * `*fresh`: it reads as zero. */
void *jsm_theap_refill(struct jsm_theap *th, unsigned c, bool *fresh);

/* A block of a span of its own, for sizes above those of slabs; `align` is a power of two. */
void *jsm_large_alloc(struct jsm_theap *th, size_t bytes, size_t align, bool zero);

/* A block may be resized where it is; false: it may not, and nothing has changed. */
bool jsm_large_resize(struct jsm_span *span, size_t bytes);

/* Something happened to a slab whose `left` has come to 0. */
void jsm_theap_event(struct jsm_span *slab);

/* What `p` is. */
enum jsm_found {
    JSM_FOUND_BLOCK,    /* a live block */
    JSM_FOUND_FREE,     /* a block, but free */
    JSM_FOUND_INSIDE,   /* in the middle of a block */
    JSM_FOUND_FOREIGN   /* not ours */
};

struct jsm_block {
    enum jsm_found found;
    struct jsm_span *span; /* first descriptor; NULL if foreign */
    void *start;           /* of the block */
    size_t bytes;          /* all of which may be used; with option harden: what was asked for */
    uint32_t index;        /* in its slab */
};

/* Finds out about any pointer; of somebody else's block, the answer may be out of date. */
void jsm_block_find(const void *p, struct jsm_block *block);

/* Frees the live block `i` of a slab; `th` is NULL for a thread that has none. */
void jsm_free_in_slab(struct jsm_theap *th, struct jsm_span *slab, uint32_t i);

/* Frees the live block that jsm_block_find() found.  `th` may be NULL: the thread has none. */
void jsm_block_free(struct jsm_theap *th, const struct jsm_block *block);

/* Reports that somebody freed the block after `function` had found it: at the same moment as this thread. */
JSM_COLD void jsm_block_freed_meanwhile(const char *function, const struct jsm_block *block);

/* Reports a misuse: "jsmalloc: FUNCTION(P): KIND: DETAIL" and what is known of the block, then does what check_action
 * says.  Returns if the program shall go on.  `detail` may be NULL.  Takes no memory. */
JSM_COLD void jsm_misuse_kind(const char *function, const void *p, const struct jsm_block *block, const char *kind,
                     const char *detail);

/* The kinds that every call may find: `p` is not a block that `function` can take, */
JSM_COLD void jsm_misuse(const char *function, const void *p, const struct jsm_block *block);

/* it is of another heap, */
JSM_COLD void jsm_misuse_heap(const char *function, const void *p, const struct jsm_block *block);

/* or of another size. */
JSM_COLD void jsm_misuse_size(const char *function, const void *p, const struct jsm_block *block, size_t size);

/* An access (of what kind `function` says) has failed, at what `context` says; the block may be NULL.  Returns. */
JSM_COLD void jsm_misuse_fault(const char *function, const void *p, const struct jsm_block *block, const char *kind,
                      const char *detail, const void *context);

/* In the child of fork(): reports that other threads were making are nobody's. */
void jsm_misuse_after_fork(void);

/* ---- Option harden ---- */

#include "heap/harden.h"

/* ---- Heaps of the program: heap/user.c ---- */

static inline bool
jsm_heap_is_user(const struct jsm_heap *heap)
{
    /* NULL: a theap or span that was just being made when its process forked. */
    return heap != &jsm_heap_default && heap != NULL && heap->is_user;
}

/* A span for `th`, with its heap's limit and memory; and back, whatever heap it is of. */
struct jsm_span *jsm_heap_span_alloc(struct jsm_theap *th, size_t n_slices, size_t align_slices,
                                     enum jsm_span_want want, bool *clean);
void jsm_heap_span_free(struct jsm_span *span);

/* Slices of a slab of class `c`: as few as will do where the program gave the memory. */
size_t jsm_heap_slab_slices(const struct jsm_heap *heap, unsigned c);

/* A direct mapping, if the heap's limit allows it. */
struct jsm_span *jsm_heap_huge_alloc(struct jsm_theap *th, size_t bytes, size_t align);

/* A large or huge block of the theap's heap was made. */
void jsm_heap_note_large(struct jsm_theap *th, struct jsm_span *span);

/* From this size on blocks are mapped on their own; SIZE_MAX where the heap does not do that. */
size_t jsm_heap_mmap_threshold(const struct jsm_heap *heap);

/* What a heap shall be like; see <jsmalloc.h>. */
struct jsm_user_config {
    const char *name;
    size_t limit_bytes;          /* 0: none */
    void *memory;
    size_t memory_bytes, mmap_threshold_bytes, prealloc_bytes;
    bool zero_null, no_lock, from_brk, conceal;
};

/* NULL if there is no memory; *error says ENOMEM or EINVAL. */
struct jsm_heap *jsm_user_heap_new(const struct jsm_user_config *config, int *error);
void jsm_user_heap_destroy(struct jsm_heap *heap);
void jsm_user_heap_delete(struct jsm_heap *heap);

/* Its theap, to allocate from until jsm_user_heap_leave(). */
struct jsm_theap *jsm_user_heap_enter(struct jsm_heap *heap);
void jsm_user_heap_leave(struct jsm_heap *heap);

/* A block of `bytes`, aligned to `align`, of the heap that the theap is of.  Where memory is short it may
 * be of a longer class that has room. */
void *jsm_user_heap_alloc(struct jsm_theap *th, unsigned c, size_t bytes, size_t align, bool *fresh);

bool jsm_user_heap_zero_null(const struct jsm_heap *heap);

/* Whether blocks of the heap may be anywhere, and are not counted. */
bool jsm_user_heap_may_guard(const struct jsm_heap *heap);

/* Whether blocks of the heap may be longer than their size asks for. */
bool jsm_user_heap_is_squeezed(const struct jsm_heap *heap);

/* Frees a live block of a heap that is not the default one; false: it is not of that heap any more. */
bool jsm_user_free(struct jsm_heap *heap, const struct jsm_block *block);

/* Calls `visit` for each live block until it answers other than 0. */
JSM_COLD int jsm_user_heap_visit(struct jsm_heap *heap, int (*visit)(void *arg, void *block, size_t bytes), void *arg);

/* Calls `tell` for each heap of the program, oldest first, with the list locked. */
JSM_COLD void jsm_user_heaps_tell(void (*tell)(const struct jsm_heap *heap, size_t limit_bytes, void *arg), void *arg);

/* Gives back what they keep; bytes of holes. */
size_t jsm_user_heaps_trim(void);

/* Checks those that more than one thread may use; `self` is the calling thread's theap or NULL. */
JSM_COLD void jsm_user_heaps_check(const struct jsm_theap *self, struct jsm_faults *faults);

/* The sum of what `trimmable` says of each, and whether trimming looks for holes in it. */
JSM_COLD size_t jsm_user_heaps_trimmable(size_t (*trimmable)(struct jsm_theap *th, bool holes));

/* Around fork(). */
void jsm_user_heaps_lock(void);
void jsm_user_heaps_unlock(void);

/* ---- Slabs without owner: heap/shared.c ---- */

/* Gives a slab away that has no owner any more, is awake and not pinned.  `used` > 0 blocks. */
void jsm_heap_detach(struct jsm_span *slab, uint32_t used);

/* Does what the publisher of blocks has been told to do. */
void jsm_heap_act(struct jsm_span *slab, enum jsm_remote_act act);

/* A slab that has free blocks of class `c`, the caller's from now on; NULL if there is none. */
struct jsm_span *jsm_heap_adopt(struct jsm_heap *heap, unsigned c);

/* Gives back the holes of shared slabs; bytes. */
size_t jsm_heap_trim_shared(struct jsm_heap *heap);

/* Takes the links of an empty slab and gives its span to the page heap. */
void jsm_slab_release(struct jsm_span *slab);

/* ---- The profiler: heap/profile.c ---- */

/* Samples of blocks: those that live, and all. */
struct jsm_profile_figures {
    uint64_t live_blocks, live_bytes, blocks, bytes;
};

/* Begins a profile, with nothing in it; when the options profile or sample_interval are set.  Takes memory. */
JSM_COLD void jsm_profile_start(void);

/* See the functions below. */
JSM_COLD void jsm_profile_note_block(const void *block, size_t bytes);
JSM_COLD void jsm_profile_forget_block(const void *block);

/* A block was allocated: `bytes` were asked for.  No lock is held. */
static inline void
jsm_profile_note(const void *block, size_t bytes)
{
    if (jsm_unlikely(jsm_option(JSM_OPT_PROFILE) != 0))
        jsm_profile_note_block(block, bytes);
}

/* A block is about to be freed.  No lock is held. */
static inline void
jsm_profile_forget(const void *block)
{
    if (jsm_unlikely(jsm_option(JSM_OPT_PROFILE) != 0))
        jsm_profile_forget_block(block);
}

/* All blocks of a heap are about to be freed.  No lock is held. */
JSM_COLD void jsm_profile_forget_heap(const struct jsm_heap *heap);

/* The callers of the functions that allocated a block and that freed it, as far as there was a sample of it: the live
 * one, or one of those that were freed last.  False: neither, or somebody is using the profile right now.  Takes no
 * memory and waits for nobody. */
enum { JSM_PROFILE_FRAMES = 12 };
struct jsm_profile_stacks {
    void *alloc[JSM_PROFILE_FRAMES], *free[JSM_PROFILE_FRAMES];
    unsigned n_alloc, n_free;
    bool alloc_elsewhere, free_elsewhere; /* by another thread, as far as that is known */
};
bool jsm_profile_stacks_of(const void *block, bool is_live, struct jsm_profile_stacks *stacks);

/* Callers of the calling thread, JSM_OS_STACK_MAX at most, how many.  Takes no memory: where it would, that is until
 * there was a profile or guard on a processor that jsm_os_unwind() does not know, 0. */
unsigned jsm_profile_walk(void **frames);

/* Figures of all samples; and how many there was no room for. */
size_t jsm_profile_total(struct jsm_profile_figures *total);

/* Writes the profile as text that pprof reads; `write` may do what it likes. */
JSM_COLD void jsm_profile_tell(void (*write)(void *arg, const char *text), void *arg);

/* For fork(). */
extern struct jsm_lock jsm_profile_lock;

/* ---- Guards: heap/guard.c ---- */

/* Makes the pool ready, and hears of faults from then on; when the option guard_sample is set.  Takes memory. */
JSM_COLD void jsm_guard_start(void);

/* Whether it was called, and there was memory. */
bool jsm_guard_is_ready(void);

extern _Thread_local _Atomic(uint32_t) jsm_guard_countdown; /* allocations of this thread until one is due */

/* See jsm_guard_take(). */
JSM_COLD void *jsm_guard_alloc(struct jsm_heap *heap, size_t bytes, size_t align);

/* Counts an allocation; whether it is due, which it is until jsm_guard_alloc() was asked. */
static inline bool
jsm_guard_is_due(void)
{
    if (jsm_likely(!jsm_own_decrement(&jsm_guard_countdown)))
        return false;
    /* ORDER: relaxed; no other thread looks. */
    jsm_store_relaxed(&jsm_guard_countdown, 1);
    return true;
}

/* The same where the option may be off. */
static inline bool
jsm_guard_asks(void)
{
    return jsm_unlikely(jsm_option(JSM_OPT_GUARD_SAMPLE) != 0) && jsm_guard_is_due();
}

/* An allocation: a block of zeros between guard pages if it is one that is to be sampled, else, or if no slot is
 * free, NULL.  `align` is of aligned_alloc(), 1 for malloc().  No lock is held. */
static inline void *
jsm_guard_take(struct jsm_heap *heap, size_t bytes, size_t align)
{
    if (!jsm_guard_asks())
        return NULL;
    return jsm_guard_alloc(heap, bytes, jsm_max(align, bytes > JSM_MAX_ALIGN / 2 ? (size_t)JSM_MAX_ALIGN : 8));
}

/* What `p`, in a slice of kind GUARD, is; false: nothing that there ever was. */
bool jsm_guard_find(const void *p, struct jsm_block *block);

/* Frees a live block, or finds that another thread has.  No lock is held. */
void jsm_guard_free(const struct jsm_block *block);

/* The stacks of a block, if it is one of these; waits for nobody. */
bool jsm_guard_stacks_of(const struct jsm_block *block, struct jsm_profile_stacks *stacks);

/* Tells of each live block: its descriptor, and the memory of its pages.  And adds them up as direct mappings. */
JSM_COLD void jsm_guard_tell(void (*tell)(struct jsm_span *span, size_t bytes, void *arg), void *arg);
JSM_COLD void jsm_guard_totals(struct jsm_span_totals *totals);

/* Looks beside each live block, and at the queue. */
JSM_COLD void jsm_guard_check(struct jsm_faults *faults);

/* The heap ends: frees its blocks, or gives them to another.  And visits them, as jsm_user_heap_visit() does. */
void jsm_guard_end_heap(const struct jsm_heap *heap, struct jsm_heap *heir);
JSM_COLD int jsm_guard_visit(const struct jsm_heap *heap, int (*see)(void *arg, void *block, size_t bytes), void *arg);

/* For fork(): in the child slots that other threads were busy with stay so. */
extern struct jsm_lock jsm_guard_lock;

/* ---- Walking: heap/walk.c ---- */

/* Checks all that can be looked at from the thread of `th`, which may be NULL; reports and counts faults. */
JSM_COLD size_t jsm_heap_check(struct jsm_theap *th);
JSM_COLD void jsm_heap_tell_fault(const char *what, const void *where);

/* Looks behind the blocks of option harden: large ones, and those of the calling thread's slabs, if it has any.  No
 * other thread may have a theap, or get one meanwhile; those that are ending and free blocks in late destructors can
 * only be hoped not to do so at this moment. */
JSM_COLD void jsm_heap_check_behind(const struct jsm_theap *self, struct jsm_faults *faults);

/* And those of the slabs of a heap of the program's, which is locked; nothing is told if other threads have theaps. */
JSM_COLD void jsm_theap_check_behind(const struct jsm_theap *th, const struct jsm_theap *self,
                                     struct jsm_faults *faults);

/* In the child of fork(), when there were other threads: what is behind the blocks that they were in the middle of
 * making or freeing is not known. */
void jsm_heap_check_after_fork(void);

/* What one heap has.  Row 0 is the default heap, the last is for heaps that there was no row for. */
enum { JSM_HEAP_ROWS = 64, JSM_HEAP_NAME_BYTES = 32 };
struct jsm_heap_row {
    const struct jsm_heap *heap; /* to compare with; it may be gone */
    char name[JSM_HEAP_NAME_BYTES];
    size_t live_blocks, live_bytes, committed_bytes, limit_bytes;
};

struct jsm_heap_totals {
    size_t slabs[JSM_CLASSES], used[JSM_CLASSES], carved[JSM_CLASSES]; /* slabs, and blocks of them */
    size_t large_count, large_slices;
    size_t large_bytes;                                                /* that may be used */
    size_t cached_count, cached_slices;                                /* spans that threads keep */
    size_t n_heaps;                                                    /* but for the last row */
    struct jsm_heap_row heaps[JSM_HEAP_ROWS];                          /* these with memory of the program's, too */
};

/* Blocks that fit in a slab of class `c`, and the memory of such a slab. */
static inline size_t
jsm_class_slab_bytes(unsigned c)
{
    return (size_t)jsm_class_slices(jsm_class_bytes[c]) << JSM_SLICE_SHIFT;
}

static inline size_t
jsm_class_capacity(unsigned c)
{
    return jsm_class_slab_bytes(c) / jsm_class_bytes[c];
}

/* Adds up what all slabs and spans say of themselves. */
JSM_COLD void jsm_heap_totals(struct jsm_heap_totals *totals);

/* What malloc_trim(0) of the thread would give back now; `th` may be NULL.  `*free_spans`: in how many
 * free spans of the page heap, among others. */
JSM_COLD size_t jsm_heap_trimmable_bytes(struct jsm_theap *th, size_t *free_spans);

/* Memory that the heap takes now: arenas, direct mappings, metadata, descriptors. */
size_t jsm_heap_resident_bytes(void);

#endif
