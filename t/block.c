/* t/block.c - what a pointer is, wherever it points; large blocks.
 * SPDX-License-Identifier: MIT
 */
#include "unit-heap.h"

#include <sys/mman.h>

static struct jsm_heap heap = { .name = "test", .lock = { .rank = JSM_RANK_SHARED } };
static struct jsm_theap mine;

static enum jsm_found
found(const void *p, struct jsm_block *block)
{
    memset(block, 0x55, sizeof *block);
    jsm_block_find(p, block);
    return block->found;
}

/* ---- Slabs: every address of a slab in which one block of three is free ---- */

static unsigned
wrong_in_slab(struct jsm_span *slab, const bool *live)
{
    struct jsm_block b;
    unsigned wrong = 0;
    size_t size = slab->block_bytes, end = (size_t)slab->n_slices << JSM_SLICE_SHIFT;

    for (size_t offset = 0; offset < end; offset += size <= 64 ? 1 : 1 + offset % 13) {
        size_t i = offset / size;
        enum jsm_found want = i >= slab->capacity  ? JSM_FOUND_FOREIGN
                              : !live[i]           ? JSM_FOUND_FREE
                              : offset % size == 0 ? JSM_FOUND_BLOCK
                                                   : JSM_FOUND_INSIDE;
        wrong += found(slab->base + offset, &b) != want;
        if (want != JSM_FOUND_FOREIGN)
            wrong += b.span != slab || b.index != i || b.start != slab->base + i * size || b.bytes != size;
    }
    for (size_t i = 0; i < slab->capacity; i++) /* all starts */
        wrong += found(slab->base + i * size, &b) != (live[i] ? JSM_FOUND_BLOCK : JSM_FOUND_FREE);
    return wrong;
}

static void
test_slabs(void)
{
    static bool live[JSM_SLAB_CAPACITY_MAX];
    static void *block[JSM_SLAB_CAPACITY_MAX];
    unsigned wrong = 0, wrong_after = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        block[0] = block_take(&mine, c);
        struct jsm_span *slab = slab_of(block[0]);
        unsigned n = 1 + slab->capacity / 2; /* some are never carved */
        memset(live, 0, sizeof live);
        for (unsigned i = 1; i < n; i++)
            block[i] = block_take(&mine, c);
        for (unsigned i = 0; i < n; i++)
            live[((uintptr_t)block[i] - (uintptr_t)slab->base) / slab->block_bytes] = true;
        for (unsigned i = 0; i < n; i += 3) {
            live[((uintptr_t)block[i] - (uintptr_t)slab->base) / slab->block_bytes] = false;
            (void)block_give(&mine, block[i]);
        }
        wrong += wrong_in_slab(slab, live);
        for (unsigned i = 0; i < n; i++)
            if (i % 3 != 0)
                (void)block_give(&mine, block[i]);
        jsm_theap_trim(&mine, false);
        struct jsm_block b;
        wrong_after += found(block[0], &b) != JSM_FOUND_FREE || found(block[n - 1], &b) != JSM_FOUND_FREE;
    }
    is_uint(wrong, 0, "every address in a slab is a block, inside of one, free, or behind the last");
    is_uint(wrong_after, 0, "what was a block is free when its slab is gone");
}

/* ---- Large blocks ---- */

static unsigned
wrong_in_large(uint8_t *p, size_t bytes)
{
    struct jsm_block b;
    size_t usable = jsm_round_up(bytes, jsm_os_page_bytes());
    unsigned wrong = found(p, &b) != JSM_FOUND_BLOCK || b.start != p || b.bytes != usable;

    for (size_t offset = 1; offset < usable; offset += 1 + offset / 3)
        wrong += found(p + offset, &b) != JSM_FOUND_INSIDE || b.start != p;
    wrong += found(p + usable - 1, &b) != JSM_FOUND_INSIDE;
    return wrong;
}

static void
test_large(void)
{
    static const size_t sizes[] = { 65537, 100000, 131072, 131073, 1000000, 5000001 };
    struct jsm_block b;
    unsigned wrong = 0, wrong_after = 0, misaligned = 0, not_zero = 0;

    for (unsigned round = 0; round < 2; round++) {
        bool huge = round == 1;
        (void)set_option("mmap_threshold", huge ? "65537" : "64M");
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            uint8_t *p = jsm_large_alloc(&mine, sizes[i], 16, false);
            wrong += wrong_in_large(p, sizes[i]) +
                     (jsm_kind(jsm_pagemap_find(p)) != (huge ? JSM_KIND_HUGE : JSM_KIND_LARGE));
            memset(p, 0x33, sizes[i]);
            (void)found(p, &b);
            jsm_block_free(&mine, &b);
            wrong_after += found(p, &b) != JSM_FOUND_FREE;
            p = jsm_large_alloc(&mine, sizes[i], 16, true);
            not_zero += !is_zero(p, sizes[i]);
            (void)found(p, &b);
            jsm_block_free(&mine, &b);
            for (size_t align = 4096; align <= JSM_MIB; align *= 4) {
                p = jsm_large_alloc(&mine, sizes[i], align, false);
                misaligned += !is_aligned(p, align);
                (void)found(p, &b);
                jsm_block_free(&mine, &b);
            }
        }
    }
    (void)set_option("mmap_threshold", "64M");
    is_uint(wrong, 0, "every address of a large block leads to it");
    is_uint(wrong_after, 0, "freed, its address is known as free");
    is_uint(not_zero, 0, "a large block that shall be zero is");
    is_uint(misaligned, 0, "and aligned as it shall be");
    ok(jsm_large_alloc(&mine, SIZE_MAX, 16, false) == NULL && jsm_large_alloc(&mine, PTRDIFF_MAX, 16, false) == NULL,
       "there is no block of all addresses");
}

static void
test_limits(void)
{
    struct jsm_block b;

    (void)set_option("mmap_threshold", "1M");
    (void)set_option("mmap_max", "0");
    void *p = jsm_large_alloc(&mine, 2 * JSM_MIB, 16, false);
    ok(p != NULL && jsm_kind(jsm_pagemap_find(p)) == JSM_KIND_LARGE, "without mappings large blocks come from arenas");
    (void)found(p, &b);
    jsm_block_free(&mine, &b);
    (void)set_option("mmap_max", "65536");
    (void)set_option("mmap_threshold", "64M");
}

static int
zero_in_child(void)
{
    void *p[4], *wall[4];
    struct jsm_block b;

    (void)set_option("trim_threshold", "unlimited");
    for (unsigned i = 0; i < 4; i++) {
        p[i] = jsm_large_alloc(&mine, 3 * JSM_SLICE_BYTES, 16, false);
        wall[i] = jsm_large_alloc(&mine, JSM_SLICE_BYTES, 16, false);
        if (p[i] == NULL || wall[i] == NULL)
            return 2;
    }
    for (unsigned i = 0; i < 2; i++) {
        (void)found(p[i], &b);
        jsm_block_free(&mine, &b);
    }
    (void)jsm_purge_all(0);
    for (unsigned i = 2; i < 4; i++) {
        (void)found(p[i], &b);
        jsm_block_free(&mine, &b);
    }
    /* Two are dirty now, two clean. */
    void *zero = jsm_large_alloc(&mine, 3 * JSM_SLICE_BYTES, 16, true);
    void *any = jsm_large_alloc(&mine, 3 * JSM_SLICE_BYTES, 16, false);
    return (zero != p[0] && zero != p[1]) || (any != p[2] && any != p[3]);
}

static void
test_zero_prefers_clean(void)
{
    struct child child;

    in_child(&child, zero_in_child);
    ok(ended_well(&child), "a block that shall be zero comes from memory that is, any other from used memory");
}

static void
test_resize(void)
{
    uint8_t *p = jsm_large_alloc(&mine, 10 * JSM_SLICE_BYTES, 16, false);
    struct jsm_span *span = jsm_pagemap_find(p);
    struct jsm_block b;
    size_t used = slices_in_use();

    fill(p, 10 * JSM_SLICE_BYTES, 9);
    ok(jsm_large_resize(span, 4 * JSM_SLICE_BYTES - 100) && slices_in_use() == used - 6 &&
           found(p, &b) == JSM_FOUND_BLOCK && b.bytes == 4 * JSM_SLICE_BYTES,
       "a large block shrinks where it is, and gives the rest back");
    ok(found(p + 5 * JSM_SLICE_BYTES, &b) == JSM_FOUND_FREE, "which is free then");
    ok(jsm_large_resize(span, 4 * JSM_SLICE_BYTES - 50000) && slices_in_use() == used - 6 &&
           found(p, &b) == JSM_FOUND_BLOCK && b.bytes == jsm_round_up(4 * JSM_SLICE_BYTES - 50000, jsm_os_page_bytes()),
       "within its last slice only its length changes");
    ok(jsm_large_resize(span, 8 * JSM_SLICE_BYTES) && slices_in_use() == used - 2 && found(p, &b) == JSM_FOUND_BLOCK &&
           b.bytes == 8 * JSM_SLICE_BYTES,
       "it grows into what is free behind it");
    ok(is_filled(p, 4 * JSM_SLICE_BYTES - 50000, 10 * JSM_SLICE_BYTES, 9), "with its contents");

    /* Whatever is behind it now, a block beyond all arenas does not fit. */
    size_t bytes = jsm_size_bytes(span);
    ok(!jsm_large_resize(span, (size_t)1 << (sizeof(size_t) * 8 - 2)) && jsm_size_bytes(span) == bytes &&
           span->n_slices == 8,
       "if it cannot grow nothing changes");
    (void)found(p, &b);
    jsm_block_free(&mine, &b);
}

/* ---- What is not ours ---- */

static void
test_foreign(void)
{
    struct jsm_block b;
    int on_stack = 0;
    static int in_data;
    unsigned wrong = 0;
    uint64_t random = 1;
    void *mapping = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    wrong += found(&on_stack, &b) != JSM_FOUND_FOREIGN || b.span != NULL;
    wrong += found(&in_data, &b) != JSM_FOUND_FOREIGN;
    wrong += found("text", &b) != JSM_FOUND_FOREIGN;
    wrong += found(mapping, &b) != JSM_FOUND_FOREIGN;
    wrong += found(NULL, &b) != JSM_FOUND_FOREIGN;
    wrong += found((void *)UINTPTR_MAX, &b) != JSM_FOUND_FOREIGN;
    is_uint(wrong, 0, "what others mapped is not ours");
    wrong = 0;
    for (unsigned i = 0; i < 100000; i++) {
        uintptr_t address = (uintptr_t)random_next(&random) >> random_below(&random, sizeof(void *) * 8);
        enum jsm_found f = found((void *)address, &b);
        wrong += f == JSM_FOUND_BLOCK || f == JSM_FOUND_INSIDE;
    }
    is_uint(wrong, 0, "any pointer may be asked about, none of them is a block");
    munmap(mapping, 65536);
}

/* Frees by another theap, and by a thread that has none. */
static void
test_free(void)
{
    static struct jsm_theap other;
    struct jsm_block b;
    void *p = block_take(&mine, 5), *q = block_take(&mine, 5);
    struct jsm_span *slab = slab_of(p);

    jsm_theap_open(&other, &heap, 0);
    (void)found(p, &b);
    jsm_block_free(&other, &b);
    ok(found(p, &b) == JSM_FOUND_FREE && other.outbox_bytes > 0, "a block of another thread is free at once");
    (void)found(q, &b);
    jsm_block_free(NULL, &b);
    ok(found(q, &b) == JSM_FOUND_FREE && jsm_slab_has_remote(slab), "also when a thread without theap frees it");
    jsm_theap_close(&other);
    is_uint(jsm_slab_take_remote(slab), 2, "and comes back to its owner");
    slab->left -= 2;
    jsm_theap_trim(&mine, false);
}

/* A heap in a buffer, where direct mappings were before. */
static void
test_former_mapping(void)
{
    const size_t bytes = 2 * JSM_MIB;
    struct jsm_span *a = jsm_huge_alloc(bytes, 16), *b = jsm_huge_alloc(bytes, 16);
    uint8_t *low = jsm_min(a->base, b->base), *high = jsm_max(a->base, b->base);
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    struct jsm_block block;

    jsm_huge_free(a);
    jsm_huge_free(b);
    void *buffer = high == low + bytes ? mmap(low, 2 * bytes, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) : MAP_FAILED;
    if (buffer != low) {
        skip(2, "the mappings were not side by side, or their place is taken");
        return;
    }
    config.memory = buffer;
    config.memory_bytes = 2 * bytes;
    config.mmap_threshold_bytes = 16 * bytes;
    jsm_heap *in_buffer = jsm_heap_new(&config);
    uint8_t *p = jsm_heap_malloc(in_buffer, bytes + bytes / 2);
    ok(p == low && found(p, &block) == JSM_FOUND_BLOCK, "a large block lies where mappings were");
    ok(found(high, &block) == JSM_FOUND_INSIDE && block.start == p && found(high + 100, &block) == JSM_FOUND_INSIDE &&
           found(high + JSM_SLICE_BYTES, &block) == JSM_FOUND_INSIDE,
       "a pointer into it is one, also where one of them began");
    jsm_heap_destroy(in_buffer);
    munmap(buffer, 2 * bytes);
}

int
main(void)
{
    plan(2 + 5 + 1 + 1 + 6 + 2 + 3 + 2 + 1);
    end_if_stuck();
    (void)jsm_shard_count();
    (void)set_option("arena_max", "1");
    jsm_theap_open(&mine, &heap, 0);
    test_zero_prefers_clean();
    test_slabs();
    test_large();
    test_limits();
    test_resize();
    test_foreign();
    test_free();
    test_former_mapping();
    jsm_theap_close(&mine);
    is_uint(slices_in_use(), 0, "all memory is back in the page heap");
    return done();
}
