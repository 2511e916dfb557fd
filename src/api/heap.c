/* api/heap.c - heaps of the program's own, and blocks for secrets.
 *
 * In this layer NULL is the default heap, as in <jsmalloc.h>.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"

#include <string.h>

static struct jsm_heap *_Atomic secrets; /* the heap of jsm_malloc_conceal(), once there is one */

static struct jsm_heap *
inside(jsm_heap *heap)
{
    return heap != NULL ? heap : &jsm_heap_default;
}

static jsm_heap *
outside(struct jsm_heap *heap)
{
    return jsm_heap_is_user(heap) ? heap : NULL;
}

/* ---- Life ---- */

/* Takes what the caller's version of the structure has; false if that has fields that we do not know
 * and that are not 0. */
static bool
read_config(const struct jsm_heap_config *from, struct jsm_heap_config *to)
{
    const unsigned char *bytes = (const unsigned char *)from;

    memset(to, 0, sizeof *to);
    if (from == NULL)
        return true;
    if (from->size < sizeof from->size)
        return false;
    for (size_t i = sizeof *to; i < from->size; i++)
        if (bytes[i] != 0)
            return false;
    memcpy(to, from, jsm_min(from->size, sizeof *to));
    return true;
}

jsm_heap *
jsm_heap_new(const struct jsm_heap_config *config)
{
    struct jsm_heap_config c;
    const unsigned known = JSM_HEAP_BRK | JSM_HEAP_ZERO_NULL | JSM_HEAP_NOLOCK;
    int error = EINVAL;
    struct jsm_heap *heap = NULL;

    jsm_options_init();
    (void)jsm_harden_start();
    if (read_config(config, &c) && (c.flags & ~known) == 0 && !(c.memory != NULL && (c.flags & JSM_HEAP_BRK) != 0) &&
        (c.mmap_threshold_bytes == 0 || c.mmap_threshold_bytes > JSM_CLASS_MAX_BYTES)) {
        const struct jsm_user_config user = {
            .name = c.name, .limit_bytes = c.limit_bytes, .memory = c.memory, .memory_bytes = c.memory_bytes,
            .mmap_threshold_bytes = c.mmap_threshold_bytes, .prealloc_bytes = c.prealloc_bytes,
            .zero_null = (c.flags & JSM_HEAP_ZERO_NULL) != 0, .no_lock = (c.flags & JSM_HEAP_NOLOCK) != 0,
            .from_brk = (c.flags & JSM_HEAP_BRK) != 0
        };
        heap = jsm_user_heap_new(&user, &error);
    }
    if (heap == NULL)
        errno = error;
    return heap;
}

/* Whether the program may end the heap: not the one of secrets, which jsm_heap_of() may have told it of. */
static bool
may_end(const char *function, const jsm_heap *heap)
{
    static const struct jsm_block none;

    /* ORDER: relaxed; only compared. */
    if (heap == NULL || heap != jsm_load_relaxed(&secrets))
        return heap != NULL;
    jsm_misuse_kind(function, heap, &none, "wrong heap", "that of secrets stays");
    return false;
}

void
jsm_heap_destroy(jsm_heap *heap)
{
    if (may_end("jsm_heap_destroy", heap))
        jsm_user_heap_destroy(heap);
}

void
jsm_heap_delete(jsm_heap *heap)
{
    if (may_end("jsm_heap_delete", heap))
        jsm_user_heap_delete(heap);
}

/* ---- Blocks ---- */

void *
jsm_heap_malloc(jsm_heap *heap, size_t size)
{
    return jsm_malloc_in(inside(heap), size, false);
}

void *
jsm_heap_calloc(jsm_heap *heap, size_t count, size_t size)
{
    size_t bytes;

    return jsm_array_bytes(count, size, &bytes) ? jsm_malloc_in(inside(heap), bytes, true) : NULL;
}

void *
jsm_heap_realloc(jsm_heap *heap, void *p, size_t size)
{
    return p != NULL ? jsm_realloc_in("jsm_heap_realloc", inside(heap), p, size) : jsm_heap_malloc(heap, size);
}

void *
jsm_heap_aligned_alloc(jsm_heap *heap, size_t alignment, size_t size)
{
    if (!jsm_is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return jsm_malloc_aligned_in(inside(heap), alignment, size);
}

void
jsm_heap_free(jsm_heap *heap, void *p)
{
    struct jsm_block block;

    if (p == NULL || !jsm_block_expect("jsm_heap_free", p, &block))
        return;
    if (jsm_span_heap(block.span) == inside(heap))
        jsm_free_found(&block);
    else
        jsm_misuse_heap("jsm_heap_free", p, &block);
}

jsm_heap *
jsm_heap_of(const void *p)
{
    struct jsm_block block;

    if (p == NULL)
        return NULL;
    jsm_block_find(p, &block);
    return block.found == JSM_FOUND_BLOCK ? outside(jsm_span_heap(block.span)) : NULL;
}

int
jsm_heap_visit(jsm_heap *heap, int (*visit)(void *arg, void *block, size_t usable_bytes), void *arg)
{
    if (heap == NULL || visit == NULL) {
        errno = EINVAL;
        return -1;
    }
    return jsm_user_heap_visit(heap, visit, arg);
}

int
jsm_heap_push(jsm_heap *heap)
{
    if (jsm_scope_push(inside(heap)))
        return 0;
    errno = ENOMEM;
    return -1;
}

jsm_heap *
jsm_heap_pop(void)
{
    struct jsm_heap *heap = jsm_scope_pop();

    return heap != NULL ? outside(heap) : NULL;
}

/* ---- Secrets ---- */

static struct jsm_heap *
ready_heap(void)
{
    /* ORDER: acquire, with the release below: the heap. */
    return jsm_load_acquire(&secrets);
}

static struct jsm_heap *
concealed(void)
{
    static const struct jsm_user_config config = { .name = "conceal", .conceal = true };
    struct jsm_heap *now = ready_heap();
    int error;

    if (now != NULL)
        return now;
    jsm_options_init();
    (void)jsm_harden_start();
    struct jsm_heap *made = jsm_user_heap_new(&config, &error);
    /* ORDER: release, as above; who comes second takes the first one's. */
    while (made != NULL && now == NULL && !jsm_cas_weak_release(&secrets, &now, made))
        ;
    if (now != NULL && made != NULL)
        jsm_user_heap_destroy(made);
    return ready_heap();
}

void *
jsm_calloc_conceal(size_t count, size_t size)
{
    size_t bytes;
    struct jsm_heap *heap;

    if (__builtin_mul_overflow(count, size, &bytes) || (heap = concealed()) == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    return jsm_malloc_in(heap, bytes, true);
}

void *
jsm_malloc_conceal(size_t size)
{
    return jsm_calloc_conceal(1, size);
}
