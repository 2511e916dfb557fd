/* arena/arena.h - facade of the arena layer: reservations, for blocks and for metadata.
 *
 * An arena is a stretch of reserved addresses that is never unmapped.  Its slices are handed
 * out from the bottom by moving the frontier; slices below the frontier belong to the page
 * heap for ever.  Invariants:
 *   A1  frontier <= committed <= n_slices; what is not committed cannot be accessed, unless it came
 *       from the program break
 *   A2  a slice at or above the frontier has never been touched and is not dirty
 *   A3  dirty(i) is clear only if slice i reads as zero and takes no memory, while it is free
 *   A4  an arena does not cross a boundary of the pagemap's windows
 *
 * May include: base, os, rt, addr.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_ARENA_H
#define JSM_ARENA_H

#include "addr/addr.h"
#include "base/base.h"
#include "os/os.h"
#include "rt/rt.h"

enum { JSM_ARENAS_MAX = 4096 };

/* Shards that are not one of the page heap's usual ones: memory from the program break, for heaps that
 * ask for it; and memory of the program's, which has a shard of its own. */
enum { JSM_SHARDS_MAX = 16, JSM_SHARD_BRK = JSM_SHARDS_MAX, JSM_SHARD_OWN = 0xffff };

struct jsm_shard;

struct jsm_arena {
    uint8_t *base;          /* [const] */
    uint32_t n_slices;      /* [const], of the program's memory [shard] */
    uint16_t id;            /* [const] index in the list of arenas */
    uint16_t shard;         /* [const] shard of the page heap that it belongs to */
    struct jsm_arena *next; /* [const] older arena of the same shard */
    uint32_t frontier;      /* [shard] slices handed out so far */
    uint32_t committed;     /* [shard] slices that can be accessed */
    struct jsm_shard *own_shard; /* [const] with JSM_SHARD_OWN, of which arenas come and go */
    uint64_t *dirty;        /* [shard] one bit a slice, see A3 */
    uint64_t *purged;       /* [shard] given back to the system and not used since */
};

/* Reserves an arena of at least `min_slices` for `shard`, whose arenas so far begin at `next`.
 * NULL if there are no addresses or no metadata. */
struct jsm_arena *jsm_arena_new(size_t min_slices, unsigned shard, struct jsm_arena *next);

/* Option arena_size. */
size_t jsm_arena_first_bytes(void);

/* An arena for `n_slices` of the program's memory, NULL if there is no metadata.  It is of `shard`, or one that was
 * retired, with its old shard; of no slices until that memory, of which nothing is known to be zero, is put into
 * place with the shard's lock held. */
struct jsm_arena *jsm_arena_adopt(uint8_t *base, size_t n_slices, struct jsm_shard *shard);
void jsm_arena_place(struct jsm_arena *arena, uint8_t *base, size_t n_slices);

/* The program takes its memory back; there are no blocks in it.  With the shard's lock held. */
void jsm_arena_retire(struct jsm_arena *arena);

/* Whether there is such an arena between two addresses. */
bool jsm_arena_is_taken(uintptr_t from, uintptr_t to);

/* Arenas so far, and one of them. */
unsigned jsm_arena_count(void);
struct jsm_arena *jsm_arena_at(unsigned id);

/* Moves the frontier by `n` slices; their address, or NULL: no room or no memory.
 * The caller holds the lock of the shard. */
uint8_t *jsm_arena_extend(struct jsm_arena *arena, size_t n);

/* Slices above the frontier. */
static inline size_t
jsm_arena_room(const struct jsm_arena *arena)
{
    return arena->n_slices - arena->frontier;
}

/* Index of the slice at `addr`, which lies in the arena. */
static inline size_t
jsm_arena_index(const struct jsm_arena *arena, const void *addr)
{
    return (size_t)((const uint8_t *)addr - arena->base) >> JSM_SLICE_SHIFT;
}

/* Slices that all frontiers have passed. */
size_t jsm_arena_ever_slices(void);

/* Bytes of addresses reserved by all arenas. */
size_t jsm_arena_reserved_bytes(void);

/* Checks that arenas are where they say, described, and apart. */
JSM_COLD void jsm_arenas_check(struct jsm_faults *faults);

extern struct jsm_lock jsm_arena_lock;

/* ---- Metadata: memory for our own structures, never beside that of the user ---- */

/* Zeroed memory, aligned to `align` (a power of two up to a page); never given back as such.
 * NULL if there is none. */
void *jsm_meta_alloc(size_t bytes, size_t align);

/* A free list of equal objects.  `bytes` of all objects of a pool are the same. */
struct jsm_meta_pool {
    void *first;                /* [lock meta] linked through their first word */
    size_t free_bytes;
    size_t object_bytes;        /* [lock meta] 0: nothing was ever given to it */
    struct jsm_meta_pool *next; /* [lock meta] of those that something was given to */
};

/* From the pool, else fresh.  The contents are undefined. */
void *jsm_meta_pool_take(struct jsm_meta_pool *pool, size_t bytes);
void jsm_meta_pool_give(struct jsm_meta_pool *pool, void *object, size_t bytes);

/* Memory taken by metadata, and how much of it lies unused in pools. */
size_t jsm_meta_bytes(void);
size_t jsm_meta_free_bytes(void);

/* How much memory it takes now. */
size_t jsm_meta_resident_bytes(void);

/* Whether all of [p, p + bytes), which may be anywhere, was handed out as metadata. */
bool jsm_meta_holds(const void *p, size_t bytes);

/* Checks the pools. */
JSM_COLD void jsm_meta_check(struct jsm_faults *faults);

extern struct jsm_lock jsm_meta_lock;

#endif
