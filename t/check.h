/* t/check.h - the heap whose structures the tests of jsm_check() damage.
 *
 * Each scene is the work of a child, which has the same heap as all others.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_TEST_CHECK_H
#define JSM_TEST_CHECK_H

#include "unit-heap.h"

#include "tcache/tcache.h"

#include <pthread.h>

enum { UNFIT = 90, NOT_SEEN, N_BLOCKS = 2500 };

/* What the child has: */
static void *small[N_BLOCKS];                   /* blocks of several slabs of 64 bytes, every third of them free */
static struct jsm_span *active, *partial, *full; /* slabs of them */
static struct jsm_span *long_slab;              /* of several slices */
static struct jsm_span *block, *gap;            /* a large block with a free span behind it, */
static struct jsm_span *mapping, *other_mapping;
static struct jsm_heap *heap;                   /* with one block of each kind */
static struct jsm_span *in_heap[3];             /* slab, large, direct mapping */
static struct jsm_theap *mine;
static struct jsm_shard *shard;

BB_UNUSED static void *
of_mapping(void)
{
    return jsm_malloc((size_t)jsm_option(JSM_OPT_MMAP_THRESHOLD) + 4000);
}

static void
make_slabs(void)
{
    for (size_t i = 0; i < N_BLOCKS; i++)
        small[i] = jsm_malloc(64);
    active = slab_of(small[N_BLOCKS - 1]);
    full = slab_of(small[0]);
    for (size_t i = 0; i < N_BLOCKS; i++) {
        if (slab_of(small[i]) == full || i % 3 != 0)
            continue;
        if (slab_of(small[i]) != active)
            partial = slab_of(small[i]);
        jsm_free(small[i]);
        small[i] = NULL;
    }
    long_slab = slab_of(jsm_malloc(40000));
}

static void
make_spans(void)
{
    void *p[3];

    for (size_t i = 0; i < 3; i++)
        p[i] = jsm_malloc(8 * JSM_SLICE_BYTES - 100);
    jsm_free(p[1]);
    block = slab_of(p[0]);
    gap = block + block->n_slices;
    mapping = slab_of(of_mapping());
    other_mapping = slab_of(of_mapping());
}

/* Whether the heap is what the scenes want, and sound. */
BB_UNUSED static bool
set_stage(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;

    make_slabs();
    config.limit_bytes = 64 * MIB;
    config.mmap_threshold_bytes = 16 * MIB;
    heap = (struct jsm_heap *)(void *)jsm_heap_new(&config);
    if (heap == NULL)
        return false;
    in_heap[0] = slab_of(jsm_heap_malloc((jsm_heap *)(void *)heap, 64));
    in_heap[1] = slab_of(jsm_heap_malloc((jsm_heap *)(void *)heap, MIB));
    in_heap[2] = slab_of(jsm_heap_malloc((jsm_heap *)(void *)heap, 17 * MIB));
    make_spans();
    mine = jsm_theap_peek();
    shard = &jsm_shards[mine->shard];
    if (jsm_check() != 0)
        return false;
    /* Option harden holds blocks back. */
    return jsm_hardened() ||
        (active->state == JSM_SLAB_ACTIVE && active->carved < active->capacity && partial != NULL &&
         partial->state == JSM_SLAB_PARTIAL && full->state == JSM_SLAB_FULL && jsm_kind(block) == JSM_KIND_LARGE &&
         jsm_kind(gap) == JSM_KIND_FREE && gap->n_slices > 2 && jsm_dirty_slices_of(gap) > 0 &&
         jsm_kind(mapping) == JSM_KIND_HUGE && jsm_kind(in_heap[2]) == JSM_KIND_HUGE);
}

static void (*damage)(void);

BB_UNUSED static int
play(void)
{
    if (!set_stage())
        return UNFIT;
    damage();
    return jsm_check() == 0 ? NOT_SEEN : 0;
}

/* The description is what is said. */
BB_UNUSED static void
finds(void (*scene)(void), const char *what)
{
    static struct child child;

    damage = scene;
    in_child(&child, play);
    if (!ok(ended_well(&child) && strstr(child.text, what) != NULL, "%s", what))
        tell_child(&child);
}

/* A damage, and what is said of it. */
struct scene {
    void (*scene)(void);
    const char *what;
};

#endif
