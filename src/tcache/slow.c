/* tcache/slow.c - what the fast paths do not do.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "tcache/tcache.h"

#include <errno.h>
#include <string.h>

/* ---- The fallback theap: for threads that have none, because they are ending or because there
 * was no memory for one.  It has no thread, so nobody frees into it the fast way. ---- */

struct jsm_lock jsm_fallback_lock = { .rank = JSM_RANK_FALLBACK };
JSM_SPARSE struct jsm_theap jsm_fallback_theap;

static struct jsm_theap *
enter_fallback(void)
{
    struct jsm_theap *th = &jsm_fallback_theap;

    jsm_lock(&jsm_fallback_lock);
    if (th->heap == NULL)
        jsm_theap_open_shared(th, &jsm_heap_default, 0);
    return th;
}

/* The theap to allocate from; leave() after use. */
JSM_CORE static struct jsm_theap *
enter(struct jsm_heap *heap)
{
    if (jsm_unlikely(jsm_heap_is_user(heap)))
        return jsm_user_heap_enter(heap);
    struct jsm_theap *th = jsm_theap_get();
    return jsm_likely(th != NULL) ? th : enter_fallback();
}

static void
leave(struct jsm_theap *th)
{
    if (jsm_unlikely(jsm_heap_is_user(th->heap)))
        jsm_user_heap_leave(th->heap);
    else if (jsm_unlikely(th == &jsm_fallback_theap))
        jsm_unlock(&jsm_fallback_lock);
}

/* ---- Option perturb ---- */

static void
fill_new(void *p, size_t bytes)
{
    int byte = (int)jsm_option(JSM_OPT_PERTURB);

    if (byte != 0)
        memset(p, byte ^ 0xff, bytes);
}

/* ---- Allocating ---- */

JSM_CORE static void *
alloc_in_class(struct jsm_theap *th, unsigned c, size_t bytes, size_t align, bool zero)
{
    struct jsm_span *slab = th->front.active[c];
    bool fresh = false;
    void *p;

    if (slab->head != JSM_LINK_END)
        p = jsm_slab_pop(slab);
    else if (jsm_likely(!jsm_heap_is_user(th->heap)))
        p = jsm_theap_refill(th, c, &fresh);
    else
        p = jsm_user_heap_alloc(th, c, bytes, align, &fresh);
    if (jsm_unlikely(p == NULL))
        return NULL;
    if (jsm_hardened())
        fresh = jsm_harden_new(p, bytes);
    if (zero) {
        if (!fresh)
            memset(p, 0, bytes);
    } else if (jsm_unlikely(th->front.slow)) {
        fill_new(p, bytes);
    }
    return p;
}

static void *
out_of_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

/* What an allocation gives; no lock is held. */
static void *
done(void *p, size_t bytes)
{
    if (jsm_unlikely(p == NULL))
        return out_of_memory();
    jsm_profile_note(p, bytes);
    return p;
}

static void *
done_guarded(void *p, size_t bytes, bool zero)
{
    if (!zero)
        fill_new(p, bytes);
    return done(p, bytes);
}

bool
jsm_zero_is_null(const struct jsm_heap *heap)
{
    return jsm_option(JSM_OPT_ZERO_SIZE) != 0 || (jsm_heap_is_user(heap) && jsm_user_heap_zero_null(heap));
}

JSM_CORE void *
jsm_malloc_in(struct jsm_heap *heap, size_t bytes, bool zero)
{
    if (jsm_unlikely(bytes > PTRDIFF_MAX))
        return out_of_memory();
    void *p = jsm_guard_take(heap, bytes, 1);
    if (jsm_unlikely(p != NULL))
        return done_guarded(p, bytes, zero);
    struct jsm_theap *th = enter(heap); /* also reads the options, at the first call */

    if (jsm_unlikely(bytes == 0 && jsm_zero_is_null(heap))) {
        leave(th);
        return NULL;
    }
    if (jsm_harden_room(bytes) <= (size_t)jsm_option(JSM_OPT_SLAB_MAX)) {
        p = alloc_in_class(th, jsm_class_of(jsm_harden_room(bytes)), bytes, JSM_MAX_ALIGN, zero);
    } else {
        p = jsm_large_alloc(th, bytes, JSM_MAX_ALIGN, zero);
        if (p != NULL && !zero && jsm_unlikely(th->front.slow))
            fill_new(p, bytes);
    }
    leave(th);
    /* ORDER: relaxed, a hint: flags. */
    if (jsm_unlikely(jsm_load_relaxed(&jsm_purge_due) != 0))
        jsm_threads_do();
    return done(p, bytes);
}

/* The block at the head of the active slab, unless another one is due: where every malloc is counted. */
JSM_INLINE void *
count(struct jsm_theap *th, unsigned c)
{
    struct jsm_span *slab = th->front.active[c];
    uint32_t i = slab->head;

    return i != JSM_LINK_END && !jsm_guard_is_due() ? jsm_slab_take(slab, i) : NULL;
}

/* A block for malloc or new where option harden is on and counts alone; or none. */
static void *
take_hardened(size_t bytes, enum jsm_origin origin)
{
    struct jsm_theap *th = jsm_theap_tls;

    if (th->front.slow < JSM_SLOW_HARDENED || th->front.slow > JSM_SLOW_COUNTED ||
        (th->front.slow == JSM_SLOW_COUNTED && jsm_guard_is_due()))
        return NULL;
    struct jsm_span *slab = jsm_harden_active(&th->front, bytes);
    if (slab->head == JSM_LINK_END)
        return NULL;
    return jsm_harden_take(slab, slab->head, bytes, origin, jsm_harden_is_full());
}

JSM_CORE JSM_NOINLINE static void *
malloc_slower(size_t bytes, bool zero)
{
    struct jsm_theap *th = jsm_theap_tls;
    void *p = NULL;

    if (th->front.slow == JSM_SLOW_COUNTED && !zero)
        p = take_hardened(bytes, JSM_ORIGIN_MALLOC);
    else if (th->front.slow == JSM_SLOW_MALLOC && bytes - 1 < JSM_CLASS_MAX_BYTES && (zero || bytes > JSM_DIRECT_MAX))
        p = count(th, jsm_class_of(bytes));
    if (p == NULL)
        return jsm_malloc_in(jsm_heap_now(), bytes, zero);
    return zero ? memset(p, 0, bytes) : p;
}

/* ---- Option harden: the usual malloc and free of each level ---- */

JSM_NOINLINE static void *
malloc_on(size_t bytes, struct jsm_theap *th)
{
    struct jsm_span *slab = jsm_harden_active(&th->front, bytes);
    uint32_t i = slab->head;

    if (jsm_unlikely(i == JSM_LINK_END))
        return malloc_slower(bytes, false);
    return jsm_harden_take(slab, i, bytes, JSM_ORIGIN_MALLOC, false);
}

JSM_NOINLINE static void *
calloc_on(size_t bytes, struct jsm_theap *th)
{
    struct jsm_span *slab = jsm_harden_active(&th->front, bytes);
    uint32_t i = slab->head;

    if (jsm_unlikely(i == JSM_LINK_END))
        return malloc_slower(bytes, true);
    void *p = jsm_harden_take(slab, i, bytes, JSM_ORIGIN_MALLOC, false);
    return bytes > JSM_HARDEN_HEAD_BYTES ? memset(p, 0, bytes) : p;
}

/* All of a free block is zero. */
JSM_NOINLINE static void *
malloc_full(size_t bytes, struct jsm_theap *th, bool zero)
{
    struct jsm_span *slab = jsm_harden_active(&th->front, bytes);
    uint32_t i = slab->head;

    if (jsm_unlikely(i == JSM_LINK_END))
        return malloc_slower(bytes, zero);
    return jsm_harden_take(slab, i, bytes, JSM_ORIGIN_MALLOC, true);
}

/* With option guard_sample this is the fast path, and with harden the first step of it. */
JSM_CORE void *
jsm_malloc_slow(size_t bytes)
{
    struct jsm_theap *th = jsm_theap_tls;

    if (th->front.slow == JSM_SLOW_HARDENED)
        return malloc_on(bytes, th);
    if (th->front.slow == JSM_SLOW_MALLOC && jsm_likely(bytes - 1 < JSM_DIRECT_MAX)) {
        void *p = count(th, jsm_direct_class[(bytes + 7) >> JSM_DIRECT_SHIFT]);
        if (jsm_likely(p != NULL))
            return p;
    }
    if (th->front.slow == JSM_SLOW_FULL)
        return malloc_full(bytes, th, false);
    return malloc_slower(bytes, false);
}

JSM_CORE void *
jsm_calloc_slow(size_t bytes)
{
    struct jsm_theap *th = jsm_theap_tls;

    if (th->front.slow == JSM_SLOW_HARDENED)
        return calloc_on(bytes, th);
    return th->front.slow == JSM_SLOW_FULL ? malloc_full(bytes, th, true) : malloc_slower(bytes, true);
}

JSM_CORE void *
jsm_malloc_medium(size_t bytes)
{
    if (jsm_likely(bytes <= JSM_CLASS_MAX_BYTES)) {
        struct jsm_theap *th = jsm_theap_tls;
        struct jsm_span *slab = th->front.active[jsm_class_of(bytes)];
        if (jsm_likely(slab->head != JSM_LINK_END) && jsm_likely(!th->front.slow))
            return jsm_slab_pop(slab);
    }
    return jsm_malloc_slow(bytes);
}

/* Whether every block of the size is aligned so. */
static bool
is_natural(size_t align, size_t bytes)
{
    return align <= 8 || (align <= JSM_MAX_ALIGN && bytes > 8);
}

void *
jsm_new_slow(size_t bytes, enum jsm_origin origin)
{
    if (jsm_likely(!jsm_hardened()))
        return bytes > JSM_DIRECT_MAX ? jsm_malloc_medium(bytes) : jsm_malloc_slow(bytes);
    void *p = take_hardened(bytes, origin);
    if (p == NULL && (p = malloc_slower(bytes, false)) != NULL)
        jsm_harden_set_origin(p, origin);
    return p;
}

void *
jsm_malloc_aligned(size_t align, size_t bytes)
{
    if (is_natural(align, bytes))
        return jsm_malloc_fast(bytes);
    return jsm_malloc_aligned_in(jsm_heap_now(), align, bytes);
}

void *
jsm_malloc_aligned_in(struct jsm_heap *heap, size_t align, size_t bytes)
{
    if (is_natural(align, bytes))
        return jsm_malloc_in(heap, bytes, false);
    if (jsm_unlikely(bytes > PTRDIFF_MAX || align > PTRDIFF_MAX))
        return out_of_memory();
    unsigned c = jsm_class_of_aligned(jsm_harden_room(bytes), align);
    void *p = jsm_guard_take(heap, bytes, align);
    if (jsm_unlikely(p != NULL))
        return done_guarded(p, bytes, false);
    struct jsm_theap *th = enter(heap);

    if (c < JSM_CLASSES && jsm_class_bytes[c] <= (size_t)jsm_option(JSM_OPT_SLAB_MAX))
        p = alloc_in_class(th, c, bytes, align, false);
    else
        p = jsm_large_alloc(th, jsm_max(bytes, (size_t)1), align, false);
    leave(th);
    return done(p, bytes);
}

/* ---- Freeing ---- */

JSM_CORE bool
jsm_block_expect(const char *function, const void *p, struct jsm_block *block)
{
    jsm_block_find(p, block);
    if (jsm_likely(block->found == JSM_FOUND_BLOCK))
        return !jsm_hardened() || jsm_harden_expect(function, block);
    jsm_misuse(function, p, block);
    return false;
}

JSM_CORE bool
jsm_block_expect_of(const char *function, const void *p, struct jsm_block *block, enum jsm_origin origin)
{
    return jsm_block_expect(function, p, block) &&
        (!jsm_hardened() || jsm_harden_expect_origin(function, block, origin));
}

JSM_CORE void
jsm_free_found(const struct jsm_block *block)
{
    int saved_errno = errno;
    struct jsm_theap *th = jsm_theap_get();
    int byte = (int)jsm_option(JSM_OPT_PERTURB);

    if (byte != 0)
        memset(block->start, byte, block->bytes);
    jsm_profile_forget(block->start);
    jsm_block_free(th, block);
    errno = saved_errno;
}

JSM_CORE JSM_NOINLINE static void
free_rare(void *p)
{
    struct jsm_block block;

    if (jsm_block_expect_of("free", p, &block, JSM_ORIGIN_MALLOC))
        jsm_free_found(&block);
}

JSM_NOINLINE static void
free_hardened(void *p)
{
    if (p != NULL && !jsm_harden_free(jsm_theap_peek(), p, JSM_ORIGIN_MALLOC, JSM_SIZE_UNSAID))
        free_rare(p);
}

JSM_NOINLINE static void
free_on(struct jsm_span *slab, void *p, struct jsm_theap *th)
{
    if (jsm_unlikely(!jsm_harden_free_usual(th, slab, p, JSM_ORIGIN_MALLOC, JSM_SIZE_UNSAID, false)))
        free_hardened(p);
}

JSM_NOINLINE static void
free_full(struct jsm_span *slab, void *p, struct jsm_theap *th)
{
    if (jsm_unlikely(!jsm_harden_free_usual(th, slab, p, JSM_ORIGIN_MALLOC, JSM_SIZE_UNSAID, true)))
        free_hardened(p);
}

JSM_INLINE void
free_plain(struct jsm_theap *th, struct jsm_span *slab, void *p)
{
    uint32_t i;

    /* Blocks of slabs of several slices, and those of other threads, are no rarity. */
    if (jsm_likely(th->front.thread_id != 0)) {
        if (jsm_kind(slab) == JSM_KIND_SLAB_PART)
            slab -= slab->back;
        if (jsm_likely(jsm_kind(slab) == JSM_KIND_SLAB) && jsm_likely(jsm_slab_index(slab, p, &i)) &&
            jsm_likely(slab->link[i] == JSM_LINK_USED)) {
            jsm_free_in_slab(th, slab, i);
            return;
        }
    }
    free_rare(p);
}

JSM_CORE void
jsm_free_slow(struct jsm_span *slab, void *p)
{
    struct jsm_theap *th = jsm_theap_tls;

    if (jsm_likely(th->front.slow < JSM_SLOW_HARDENED)) {
        if (p != NULL)
            free_plain(th, slab, p);
    } else if (th->front.slow == JSM_SLOW_HARDENED) {
        free_on(slab, p, th);
    } else if (th->front.slow == JSM_SLOW_FULL) {
        free_full(slab, p, th);
    } else {
        free_hardened(p);
    }
}
