/* api/alloc.c - blocks: what C, POSIX, glibc and BSD promise of the malloc family.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <string.h>

/* ---- Allocate and free ---- */

void *
jsm_malloc(size_t size)
{
    return jsm_malloc_fast(size);
}

void *
jsm_calloc(size_t count, size_t size)
{
    return jsm_calloc_fast(count, size);
}

void
jsm_free(void *p)
{
    jsm_free_fast(p);
}

void
jsm_cfree(void *p)
{
    jsm_free_fast(p);
}

void *
jsm_malloc_at_least(size_t size, size_t *got)
{
    struct jsm_block block;
    void *p = jsm_malloc_fast(size);

    if (p != NULL && jsm_block_expect("jsm_malloc_at_least", p, &block))
        *got = block.bytes;
    return p;
}

/* ---- Alignment ---- */

void *
jsm_aligned_alloc(size_t alignment, size_t size)
{
    if (jsm_unlikely(!jsm_is_pow2(alignment))) {
        errno = EINVAL;
        return NULL;
    }
    return jsm_malloc_aligned(alignment, size);
}

void *
jsm_memalign(size_t alignment, size_t size)
{
    return jsm_aligned_alloc(alignment, size);
}

int
jsm_posix_memalign(void **where, size_t alignment, size_t size)
{
    int saved_errno = errno;

    if (!jsm_is_pow2(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    void *p = jsm_malloc_aligned(alignment, size);
    errno = saved_errno;
    if (p == NULL && (size != 0 || !jsm_zero_is_null(jsm_heap_now())))
        return ENOMEM;
    *where = p;
    return 0;
}

void *
jsm_valloc(size_t size)
{
    return jsm_malloc_aligned(jsm_os_page_bytes(), size);
}

void *
jsm_pvalloc(size_t size)
{
    size_t page = jsm_os_page_bytes();

    if (size > PTRDIFF_MAX - page) {
        errno = ENOMEM;
        return NULL;
    }
    return jsm_malloc_aligned(page, jsm_max(jsm_round_up(size, page), page));
}

/* ---- Sizes ---- */

size_t
jsm_malloc_usable_size(const void *p)
{
    struct jsm_block block;

    if (p == NULL || !jsm_block_expect("malloc_usable_size", p, &block))
        return 0;
    return block.bytes;
}

size_t
jsm_malloc_size(const void *p)
{
    return jsm_malloc_usable_size(p);
}

JSM_CORE size_t
jsm_malloc_good_size(size_t size)
{
    if (size > PTRDIFF_MAX || jsm_hardened())
        return size;
    if (size <= (size_t)jsm_option(JSM_OPT_SLAB_MAX))
        return jsm_class_bytes[jsm_class_of(size)];
    return jsm_round_up(size, jsm_os_page_bytes());
}

int
jsm_is_ours(const void *p)
{
    struct jsm_block block;

    if (p == NULL)
        return 0;
    jsm_block_find(p, &block);
    return block.found == JSM_FOUND_BLOCK;
}

/* `c` is the class for `size`.  Not as it would be now: option slab_max may have changed. */
static bool
is_right_in_class(const struct jsm_block *block, unsigned c, size_t size)
{
    if (jsm_kind(block->span) == JSM_KIND_GUARD)
        return size == block->bytes;
    if ((block->span->traits & JSM_TRAIT_HARD) != 0)
        return size == block->bytes || (size == 0 && block->bytes == 1); /* large ones have a byte at least */
    if (jsm_kind(block->span) == JSM_KIND_SLAB && block->span->squeezed)
        return size <= block->bytes;
    if (jsm_kind(block->span) == JSM_KIND_SLAB)
        return c < JSM_CLASSES && jsm_class_bytes[c] == block->bytes;
    return size <= block->bytes && jsm_round_up(jsm_max(size, (size_t)1), jsm_os_page_bytes()) == block->bytes;
}

bool
jsm_size_is_right(const struct jsm_block *block, size_t size)
{
    return is_right_in_class(block, size <= JSM_CLASS_MAX_BYTES ? jsm_class_of(size) : JSM_CLASSES, size);
}

static void
free_checked(const char *function, void *p, enum jsm_origin origin, bool is_sized, size_t size)
{
    struct jsm_block block;

    if (p == NULL || !jsm_block_expect_of(function, p, &block, origin))
        return;
    if (!is_sized || jsm_size_is_right(&block, size))
        jsm_free_found(&block);
    else
        jsm_misuse_size(function, p, &block, size);
}

void
jsm_free_sized(void *p, size_t size)
{
    free_checked("free_sized", p, JSM_ORIGIN_MALLOC, true, size);
}

void
jsm_delete_slow(struct jsm_span *slab, void *p, enum jsm_origin origin, size_t size)
{
    struct jsm_theap *th = jsm_theap_tls;
    unsigned slow = th->front.slow;

    if (jsm_likely(!jsm_hardened())) {
        jsm_free_slow(slab, p);
        return;
    }
    bool is_usual = slow == JSM_SLOW_HARDENED || slow == JSM_SLOW_FULL;
    if ((!is_usual || !jsm_harden_free_usual(th, slab, p, origin, size, slow == JSM_SLOW_FULL)) &&
        !jsm_harden_free(jsm_theap_peek(), p, origin, size))
        free_checked(origin == JSM_ORIGIN_NEW ? "operator delete" : "operator delete[]", p, origin,
                     size != JSM_SIZE_UNSAID, size);
}

void
jsm_free_aligned_sized(void *p, size_t alignment, size_t size)
{
    struct jsm_block block;
    static const char function[] = "free_aligned_sized";

    if (p == NULL || !jsm_block_expect_of(function, p, &block, JSM_ORIGIN_MALLOC))
        return;
    bool aligned = jsm_is_pow2(alignment) && ((uintptr_t)p & (alignment - 1)) == 0;
    if (aligned && (jsm_size_is_right(&block, size) ||
                    is_right_in_class(&block, jsm_class_of_aligned(size, alignment), size)))
        jsm_free_found(&block);
    else
        jsm_misuse_size(function, p, &block, size);
}

void
jsm_freezero(void *p, size_t size)
{
    struct jsm_block block;

    if (p == NULL || !jsm_block_expect_of("freezero", p, &block, JSM_ORIGIN_MALLOC))
        return;
    if (size > block.bytes) {
        jsm_misuse_size("freezero", p, &block, size);
        return;
    }
    explicit_bzero(p, size);
    jsm_free_found(&block);
}

int
jsm_check(void)
{
    size_t faults = jsm_threads_check();

    return faults > INT32_MAX ? INT32_MAX : (int)faults;
}
