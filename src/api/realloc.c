/* api/realloc.c - blocks that change their size.
 *
 * In place where the block or the page heap allows; else a new block, into which the pages of a
 * long one are moved rather than copied.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <string.h>

enum {
    MOVE_BYTES_MIN = 1 << 20, /* below it copying is cheaper than a system call and two more mappings */
    MOVES_MAX = 2000          /* each may cost two of the 65,530 mappings that a process may have */
};
static _Atomic(uint32_t) n_moves;

/* Whether the block serves `size` as it is, or could be made to where it is. */
JSM_CORE static bool
fits_in_place(const struct jsm_block *block, size_t size)
{
    if (jsm_kind(block->span) == JSM_KIND_GUARD)
        return size == block->bytes;
    if ((block->span->traits & JSM_TRAIT_HARD) != 0)
        return jsm_harden_resize(block, size);
    if (jsm_kind(block->span) == JSM_KIND_SLAB) /* whatever option slab_max says now */
        return !jsm_hardened() && size <= JSM_CLASS_MAX_BYTES &&
               jsm_class_bytes[jsm_class_of(size)] == block->bytes;
    if (size <= (size_t)jsm_option(JSM_OPT_SLAB_MAX))
        return false;
    if (!jsm_hardened() && jsm_round_up(size, jsm_os_page_bytes()) == block->bytes)
        return true;
    if (!jsm_large_resize(block->span, size))
        return false;
    jsm_profile_forget(block->start);
    jsm_profile_note(block->start, size);
    return true;
}

/* Moves the pages of one block into another; false: they have to be copied. */
static bool
move_pages(const struct jsm_block *from, void *to, size_t bytes)
{
    size_t page = jsm_os_page_bytes();

    if (bytes < MOVE_BYTES_MIN || jsm_kind(from->span) == JSM_KIND_SLAB || ((uintptr_t)to & (page - 1)) != 0)
        return false;
    /* ORDER: relaxed; a budget. */
    if (jsm_fetch_add_relaxed(&n_moves, 1) >= MOVES_MAX) {
        /* ORDER: relaxed, so that it does not come round to 0. */
        jsm_store_relaxed(&n_moves, MOVES_MAX);
        return false;
    }
    return jsm_os_move(from->start, to, jsm_round_down(bytes, page)) == 0;
}

/* A new block in `heap` with the contents of the old one, which is freed. */
static void *
move_block(const struct jsm_block *old, struct jsm_heap *heap, size_t size)
{
    bool is_default = !jsm_heap_is_user(heap) && !jsm_heap_is_user(jsm_span_heap(old->span));

    if (is_default && !jsm_hardened() && jsm_kind(old->span) == JSM_KIND_HUGE &&
        size >= (size_t)jsm_option(JSM_OPT_MMAP_THRESHOLD)) {
        jsm_profile_forget(old->start); /* now: once it has moved, the address may be another block's */
        struct jsm_span *moved = jsm_huge_resize(old->span, size, true);
        if (moved != NULL) {
            jsm_profile_note(moved->base, size);
            return moved->base;
        }
        jsm_profile_note(old->start, old->bytes);
    }
    void *p = heap == jsm_heap_now() ? jsm_malloc_fast(size) : jsm_malloc_in(heap, size, false);
    if (p == NULL)
        return NULL;
    size_t bytes = jsm_min(old->bytes, size), done = 0;
    if (is_default && move_pages(old, p, bytes))
        done = jsm_round_down(bytes, jsm_os_page_bytes());
    memcpy((uint8_t *)p + done, (uint8_t *)old->start + done, bytes - done);
    jsm_free_found(old);
    return p;
}

JSM_CORE void *
jsm_realloc_in(const char *function, struct jsm_heap *heap, void *p, size_t size)
{
    struct jsm_block block;

    if (!jsm_block_expect_of(function, p, &block, JSM_ORIGIN_MALLOC)) {
        errno = EINVAL;
        return NULL;
    }
    if (size == 0) {
        jsm_free_found(&block);
        return NULL;
    }
    if (jsm_unlikely(size > PTRDIFF_MAX)) {
        errno = ENOMEM;
        return NULL;
    }
    if (heap == NULL)
        heap = jsm_span_heap(block.span);
    return heap == jsm_span_heap(block.span) && fits_in_place(&block, size) ? p : move_block(&block, heap, size);
}

JSM_CORE void *
jsm_realloc(void *p, size_t size)
{
    if (p == NULL)
        return jsm_malloc_fast(size);
    return jsm_realloc_in("realloc", NULL, p, size);
}

void *
jsm_reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;

    return jsm_array_bytes(count, size, &bytes) ? jsm_realloc(p, bytes) : NULL;
}

void *
jsm_reallocf(void *p, size_t size)
{
    void *q = jsm_realloc(p, size);

    if (q == NULL && p != NULL && size != 0 && jsm_is_ours(p))
        jsm_free_fast(p);
    return q;
}

void *
jsm_expand(void *p, size_t size)
{
    struct jsm_block block;

    if (p == NULL)
        return NULL;
    if (!jsm_block_expect("jsm_expand", p, &block)) {
        errno = EINVAL;
        return NULL;
    }
    if (size > PTRDIFF_MAX)
        return NULL;
    return fits_in_place(&block, size) ? p : NULL;
}

void *
jsm_rezalloc(void *p, size_t old_size, size_t size)
{
    uint8_t *q = jsm_realloc(p, size);

    if (p == NULL)
        old_size = 0;
    if (q != NULL && size > old_size)
        memset(q + old_size, 0, size - old_size);
    return q;
}

void *
jsm_recallocarray(void *p, size_t old_count, size_t count, size_t size)
{
    size_t old_bytes, bytes;
    struct jsm_block block;

    if (p == NULL)
        return jsm_calloc_fast(count, size);
    if (!jsm_array_bytes(count, size, &bytes))
        return NULL;
    if (__builtin_mul_overflow(old_count, size, &old_bytes) || !jsm_block_expect("recallocarray", p, &block) ||
        old_bytes > block.bytes) {
        errno = EINVAL;
        return NULL;
    }
    /* No copy of what was there may stay behind: never by realloc. */
    if (bytes <= old_bytes && bytes > 0 && jsm_size_is_right(&block, bytes)) {
        explicit_bzero((uint8_t *)p + bytes, old_bytes - bytes);
        return p;
    }
    struct jsm_heap *heap = jsm_span_heap(block.span);
    uint8_t *q = jsm_malloc_in(heap, bytes, false);
    if (q == NULL && (bytes > 0 || !jsm_zero_is_null(heap)))
        return NULL;
    size_t kept = jsm_min(old_bytes, bytes);
    if (bytes > 0) {
        memcpy(q, p, kept);
        memset(q + kept, 0, bytes - kept);
    }
    explicit_bzero(p, old_bytes);
    jsm_free_found(&block);
    return q;
}
