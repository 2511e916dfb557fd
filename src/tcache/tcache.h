/* tcache/tcache.h - facade of the thread layer: the thread's theap and the fast paths.
 *
 * The thread-local pointer leads to the theap of this thread alone, or to a constant in which every
 * slab is jsm_slab_none, so that the fast path needs no test: the thread has not allocated yet,
 * it is ending and has given its theap back, or plain malloc is to land in a heap of the program.
 *
 * May include: base, os, rt, addr, arena, span, slab, class, heap.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TCACHE_H
#define JSM_TCACHE_H

#include "addr/addr.h"
#include "base/base.h"
#include "class/class.h"
#include "heap/heap.h"
#include "os/os.h"
#include "rt/rt.h"
#include "slab/slab.h"

extern _Thread_local struct jsm_theap *jsm_theap_tls;
extern const struct jsm_theap_front jsm_theap_none;
#define JSM_THEAP_NONE ((struct jsm_theap *)(uintptr_t)&jsm_theap_none)

/* ---- Slow paths; all take any argument ---- */

/* A block of `bytes`, NULL and ENOMEM if there is none; of zeros. */
void *jsm_malloc_slow(size_t bytes);
void *jsm_calloc_slow(size_t bytes);

/* The same from a heap, zeroed if asked. */
void *jsm_malloc_in(struct jsm_heap *heap, size_t bytes, bool zero);

/* Whether size 0 gets no block there. */
bool jsm_zero_is_null(const struct jsm_heap *heap);

/* For sizes above JSM_DIRECT_MAX, those of slabs without a lock. */
void *jsm_malloc_medium(size_t bytes);

/* A block aligned to `align`, a power of two; the size is what malloc takes. */
void *jsm_malloc_aligned(size_t align, size_t bytes);
void *jsm_malloc_aligned_in(struct jsm_heap *heap, size_t align, size_t bytes);

/* The same for the operators new, which option harden tells apart. */
void *jsm_new_slow(size_t bytes, enum jsm_origin origin);

/* Frees what the fast path does not: other threads' blocks, large ones, and finds misuse.  `slab` is what
 * jsm_free_find() says. */
void jsm_free_slow(struct jsm_span *slab, void *p);

/* Finds the live block at `p`, or reports misuse in the name of `function`: false, if the
 * program goes on nevertheless. */
bool jsm_block_expect(const char *function, const void *p, struct jsm_block *block);

/* The same for a block that `function` frees: of this origin, if option harden is on. */
bool jsm_block_expect_of(const char *function, const void *p, struct jsm_block *block, enum jsm_origin origin);

/* Frees a block that was found. */
void jsm_free_found(const struct jsm_block *block);

/* ---- Fast paths ---- */

JSM_INLINE void *
jsm_malloc_fast_of(size_t bytes, enum jsm_origin origin)
{
    if (jsm_unlikely(bytes > JSM_DIRECT_MAX))
        return origin == JSM_ORIGIN_MALLOC ? jsm_malloc_medium(bytes) : jsm_new_slow(bytes, origin);
    struct jsm_span *slab = jsm_theap_tls->front.direct[(bytes + 7) >> JSM_DIRECT_SHIFT];
    uint32_t i = slab->head;
    if (jsm_unlikely(i == JSM_LINK_END))
        return origin == JSM_ORIGIN_MALLOC ? jsm_malloc_slow(bytes) : jsm_new_slow(bytes, origin);
    return jsm_slab_take(slab, i);
}

JSM_INLINE void *
jsm_malloc_fast(size_t bytes)
{
    return jsm_malloc_fast_of(bytes, JSM_ORIGIN_MALLOC);
}

/* What the pagemap says of a pointer that is going to be freed, or a descriptor of nothing. */
JSM_INLINE struct jsm_span *
jsm_free_find(const void *p)
{
    struct jsm_span *span = jsm_pagemap_find(p);

    return jsm_likely(span != NULL) ? span : JSM_SLAB_NONE;
}

/* `slab` is what jsm_free_find() says.  False: the slow path has to do it. */
JSM_INLINE bool
jsm_free_try(struct jsm_span *slab, void *p)
{
    /* ORDER: relaxed; see set_owner() in heap/theap.c. */
    if (jsm_unlikely(!jsm_os_is_thread(jsm_load_relaxed(&slab->owner))))
        return false;
    /* The slab has one slice: exact division of the offset, by multiplication. */
    uint32_t recip = slab->recip;
    uint64_t product = (uint64_t)(uint16_t)(uintptr_t)p * recip;
    if (jsm_unlikely((uint32_t)product >= recip))
        return false; /* will find what is wrong */
    uint64_t i = product >> 32;
    uint16_t *cell = &slab->link[i];
    if (jsm_unlikely(*cell != JSM_LINK_USED))
        return false;
    *cell = slab->head;
    slab->head = (uint16_t)i;
    if (jsm_unlikely(jsm_own_decrement(&slab->left)))
        jsm_theap_event(slab);
    return true;
}

JSM_INLINE void
jsm_free_fast(void *p)
{
    struct jsm_span *slab = jsm_free_find(p);

    if (jsm_unlikely(!jsm_free_try(slab, p)))
        jsm_free_slow(slab, p);
}

/* ---- The thread ---- */

extern struct jsm_lock jsm_fallback_lock;
extern struct jsm_theap jsm_fallback_theap; /* [lock fallback] */

/* The theap of this thread, made if it has none; NULL if it cannot have one. */
struct jsm_theap *jsm_theap_get(void);

/* The same, but not made. */
struct jsm_theap *jsm_theap_peek(void);

/* Where plain malloc of this thread lands. */
struct jsm_heap *jsm_heap_now(void);

/* Pushes a heap; false: no memory.  And pops it: what was pushed, NULL if nothing was. */
bool jsm_scope_push(struct jsm_heap *heap);
struct jsm_heap *jsm_scope_pop(void);

/* Gives back what the calling thread and threads that are gone keep, and asks the others to:
 * jsm_span_pressure. */
void jsm_threads_trim(void);

/* Does what jsm_purge_due says; with no lock held. */
void jsm_threads_do(void);

/* Checks all heaps; the number of faults, each of which is reported. */
JSM_COLD size_t jsm_threads_check(void);

/* Around fork(), in this order; called by its handlers. */
void jsm_fork_prepare(void);
void jsm_fork_parent(void);
void jsm_fork_child(void);

#endif
