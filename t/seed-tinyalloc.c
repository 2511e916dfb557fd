/* t/seed-tinyalloc.c - "TinyAlloc Project Plan", sentence by sentence: arenas, segments, queues, slabs, heap objects.
 * Here a segment is a span, and a heap object a thread's or one of jsm_heap_new().  Where the library does
 * better than a sentence by design, doc/seeds.md says so.
 * SPDX-License-Identifier: MIT
 */
#include "seed.h"

#include "arena/arena.h"
#include "class/class.h"
#include "heap/heap.h"
#include "span/span.h"
#include "tcache/tcache.h"
#include "unit-heap.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SLAB_OF_1K = JSM_SLICE_BYTES / 1024 };
static void *block[64 * SLAB_OF_1K];

/* ---- 1. Global arenas ---- */

static void
arenas(void)
{
    must_set("arena_size", "4M");
    must_set("arena_max", "1");
    must_set("prealloc", "64K");
    CLAIM(jsm_arena_count() == 0, "create new arenas as memory demand increases: none at first");
    void *p = must_have(jsm_malloc(100));
    struct jsm_arena *arena = jsm_arena_at(0);
    CLAIM(jsm_arena_count() == 1 && is_aligned(arena->base, page_bytes()), "page-aligned allocation");
    CLAIM(arena->committed < arena->n_slices && strcmp(access_of(arena->base), "rw-p") == 0 &&
              is_reserved(arena->base + ((size_t)arena->n_slices - 1) * JSM_SLICE_BYTES),
          "with commit-on-demand: unused space is uncommitted");
    for (unsigned i = 0; i < 20; i++)
        block[i] = must_have(jsm_malloc(MIB));
    unsigned count = jsm_arena_count();
    CLAIM(count > 1, "growing strategy: more memory, more arenas");
    for (unsigned i = 0; i < 20; i++)
        jsm_free(block[i]);
    jsm_free(p);
    (void)jsm_malloc_trim(0);
    unsigned gone = 0;
    for (unsigned i = 0; i < count; i++)
        gone += !is_mapped(jsm_arena_at(i)->base);
    CLAIM(jsm_arena_count() == count && gone == 0,
          "NEVER destructed: once created, arenas remain until process termination");
    p = must_have(jsm_malloc(3 * MIB));
    CLAIM(jsm_arena_count() == count && slab_of(p)->arena < count,
          "shared resource: memory of all of them is used again");
}

/* ta_arena_size(): every batch_size arenas (default 8), multiply by 2^shift. */
static void
arena_growth(void)
{
    static const size_t example_mib[] = {4, 8, 16, 32, 32};
    unsigned wrong = 0;

    must_set("arena_size", "4M");
    must_set("arena_batch", "8");
    must_set("arena_shift_max", "3");
    must_set("arena_max", "1");
    while (jsm_arena_count() < 34)
        (void)must_have(jsm_malloc(4 * MIB));
    for (unsigned i = 0; i < 34; i++)
        wrong += jsm_arena_at(i)->n_slices * JSM_SLICE_BYTES != example_mib[i / 8] * MIB;
    CLAIM(wrong == 0,
          "arenas 0-7: 4MB each, 8-15: 8MB, 16-23: 16MB, 24-31: 32MB, and no more than the max_multiplier_shift");
}

/* "Bitmap-based tracking for fast arena selection" and "fast lookup for available segments": bits tell which bins
 * have spans. */
static unsigned
wrong_bits(void)
{
    unsigned wrong = 0;

    for (unsigned half = 0; half < 2; half++)
        for (unsigned bin = 0; bin < JSM_BINS; bin++) {
            const struct jsm_link *head = &jsm_shards[0].bins[half][bin];
            bool bit = (jsm_shards[0].filled[half][bin / 64] >> bin % 64 & 1) != 0;
            wrong += bit != (head->next != NULL && head->next != head);
        }
    return wrong;
}

/* ---- 2. Segments ---- */

static void *
leave_blocks(void *unused)
{
    for (unsigned i = 0; i < 4 * SLAB_OF_1K; i++)
        block[i] = must_have(jsm_malloc(1024));
    for (unsigned i = 0; i < 4 * SLAB_OF_1K; i++)
        if (i % 4 != 0)
            jsm_free(block[i]);
    return unused;
}

static void
segments(void)
{
    pthread_t thread;

    must_set("arena_max", "1");
    void *p = must_have(jsm_malloc(1024)), *q = must_have(jsm_malloc(100));
    struct jsm_span *segment = slab_of(p);
    CLAIM(segment != slab_of(q) && segment->block_bytes == 1024, "each segment handles specific allocation sizes");
    size_t used = slices_in_use();
    jsm_free(p);
    (void)jsm_malloc_trim(0);
    CLAIM(slices_in_use() == used - 1 && jsm_kind(segment) != JSM_KIND_SLAB, "destructible when completely empty");
    CLAIM(wrong_bits() == 0, "bitmap tracking: fast lookup for available segments");

    pthread_create(&thread, NULL, leave_blocks, NULL);
    pthread_join(thread, NULL);
    segment = slab_of(block[0]);
    bool apart = jsm_load_relaxed(&segment->theap) != jsm_theap_get();
    bool adopted = false;
    for (unsigned i = 0; i < 4 * SLAB_OF_1K && !adopted; i++)
        adopted = slab_of(must_have(jsm_malloc(1024))) == segment;
    CLAIM(apart && adopted && jsm_load_relaxed(&segment->theap) == jsm_theap_get(),
          "OR moved to another freelist: the next owner of an ended thread's memory");
    CLAIM(wrong_bits() == 0, "and the bits go along");
}

/* ---- 3. Queues ---- */

static void
queues(void)
{
    struct jsm_theap *th = jsm_theap_get();
    unsigned c = jsm_class_of(1024);

    for (unsigned i = 0; i < 3 * SLAB_OF_1K; i++)
        block[i] = must_have(jsm_malloc(1024));
    CLAIM(list_length(&th->slabs) == 3, "slab creation: dynamically creates new slabs as needed");
    CLAIM(list_length(&th->partial[c]) == 0, "full ones are not on the freelist");
    for (unsigned i = 0; i < SLAB_OF_1K - 1; i++)
        jsm_free(block[i]);
    CLAIM(list_length(&th->partial[c]) == 1 && th->partial[c].next == &slab_of(block[0])->queue,
          "freelist management: appends slabs to appropriate freelists");
    struct jsm_span *first = slab_of(block[0]);
    jsm_free(block[SLAB_OF_1K - 1]);
    CLAIM(list_length(&th->partial[c]) == 0 && jsm_kind(first) != JSM_KIND_SLAB,
          "slab destruction: removes empty slabs and returns memory");
    void *p = must_have(jsm_malloc(1024));
    CLAIM(jsm_is_ours(p) && jsm_check() == 0, "transparent operation: invisible to higher-level allocation logic");
}

/* ---- 4. Slabs ---- */

static void
slabs(void)
{
    unsigned apart = 0, wrong = 0;

    for (unsigned i = 0; i < SLAB_OF_1K; i++)
        block[i] = must_have(jsm_malloc(1024));
    struct jsm_span *slab = slab_of(block[0]);
    for (unsigned i = 0; i < SLAB_OF_1K; i++) {
        apart += slab_of(block[i]) != slab || ((uintptr_t)block[i] - (uintptr_t)slab->base) % 1024 != 0;
        wrong += jsm_malloc_usable_size(block[i]) != 1024;
    }
    CLAIM(apart == 0, "memory blocks: contiguous regions of allocatable memory");
    CLAIM(wrong == 0, "fixed size units: all allocations within a slab are identical size");
    for (unsigned i = 0; i < SLAB_OF_1K; i += 2)
        jsm_free(block[i]);
    for (unsigned i = 0; i < SLAB_OF_1K; i++) {
        uint32_t n = 0;
        wrong += !jsm_slab_index(slab, block[i], &n);
        wrong += (slab->link[n] == JSM_LINK_USED) != (i % 2 != 0);
    }
    CLAIM(wrong == 0, "bitmap tracking: allocation state tracking for individual units");
    CLAIM(jsm_theap_get()->front.active[slab->class_id] == slab, "caching: hot slab caching for performance");
    CLAIM((char *)slab < (char *)slab->base || (char *)slab >= (char *)slab->base + JSM_SLICE_BYTES,
          "better: metadata lie outside of the slab, all of which is units");
}

/* ---- 5. Heap objects ---- */

static void
heap_object(void)
{
    void *p = must_have(jsm_malloc(100)), *q = must_have(jsm_malloc(100 * MIB));

    CLAIM(jsm_is_ours(p) && jsm_is_ours(q), "uniform interface: standard alloc() and dealloc() methods");
    jsm_free(p);
    jsm_free(q);
    CLAIM(!jsm_is_ours(p) && !jsm_is_ours(q), "for any size");
    CLAIM(jsm_malloc(100) == p, "top-level allocation caches for frequent operations");
}

static int
count_visit(void *arg, void *p, size_t usable_bytes)
{
    (void)p;
    *(size_t *)arg += usable_bytes >= 1000;
    return 0;
}

static void
several_heaps(void)
{
    jsm_heap *x = jsm_heap_new(NULL), *y = jsm_heap_new(NULL);
    enum { EACH = 100 };
    static void *of_x[EACH], *of_y[EACH];
    unsigned wrong = 0, shared = 0;
    size_t live = 0;

    void *plain = must_have(jsm_malloc(1000));
    for (unsigned i = 0; i < EACH; i++) {
        of_x[i] = must_have(jsm_heap_malloc(x, 1000));
        of_y[i] = must_have(jsm_heap_malloc(y, 1000));
        fill(of_y[i], 1000, i);
        wrong += jsm_heap_of(of_x[i]) != x || jsm_heap_of(of_y[i]) != y;
    }
    CLAIM(wrong == 0 && jsm_heap_of(plain) == NULL, "multiple heap instances: a block belongs to its heap");
    for (unsigned i = 0; i < EACH; i++)
        for (unsigned j = 0; j < EACH; j++)
            shared += slab_of(of_x[i]) == slab_of(of_y[j]) || slab_of(of_x[i]) == slab_of(plain);
    CLAIM(shared == 0, "independent allocation contexts: a segment belongs to a specific allocator instance");
    CLAIM(slab_of(of_x[0])->arena == slab_of(of_y[0])->arena && slab_of(of_x[0])->arena == slab_of(plain)->arena,
          "connect heaps to arena system: all heaps allocate segments from global arenas");
    jsm_heap_free(x, of_x[0]);
    CLAIM(!jsm_is_ours(of_x[0]), "dealloc()");
    CLAIM(jsm_heap_visit(x, count_visit, &live) == 0 && live == EACH - 1, "per-heap tracking: each live block is seen");
    char *large = must_have(jsm_heap_malloc(x, 100 * MIB));
    CLAIM(jsm_heap_of(large) == x, "direct management of large allocations");
    jsm_heap_destroy(x);
    wrong = is_mapped(large);
    for (unsigned i = 0; i < EACH; i++)
        wrong += jsm_is_ours(of_x[i]) || !is_filled(of_y[i], 1000, 1000, i);
    CLAIM(wrong == 0, "a heap goes with all of its blocks, large ones too; those of others stay");
    jsm_heap_delete(y);
    for (unsigned i = 0; i < EACH; i++)
        wrong += !jsm_is_ours(of_y[i]) || jsm_heap_of(of_y[i]) != NULL || !is_filled(of_y[i], 1000, 1000, i);
    CLAIM(wrong == 0, "or its segments move to another: live blocks belong to the default heap");

    size_t ever = 0;
    for (unsigned round = 0; round < 50; round++) {
        x = must_have(jsm_heap_new(NULL));
        for (unsigned i = 0; i < 500; i++)
            (void)must_have(jsm_heap_malloc(x, 1000));
        jsm_heap_destroy(x);
        if (round == 0)
            ever = jsm_arena_ever_slices();
    }
    CLAIM(jsm_arena_ever_slices() == ever,
          "cross-allocator segment sharing: the next heap takes what the last one had");
}

/* ---- 6. Large allocations ---- */

static void
large_allocations(void)
{
    struct jsm_span_totals totals;
    size_t used = slices_in_use();

    must_set("mmap_threshold", "128K");
    for (unsigned i = 0; i < 10; i++)
        block[i] = must_have(jsm_malloc(128 * KIB + i * 1000));
    jsm_huge_totals(&totals);
    CLAIM(slices_in_use() == used && jsm_arena_count() == 0,
          "direct system calls: bypasses segment/slab system entirely");
    CLAIM(totals.huge_count == 10, "simple tracking: basic linked list for large block management");
    CLAIM(jsm_malloc_usable_size(block[9]) < 128 * KIB + 9000 + page_bytes(),
          "minimal overhead: less than a page each");
    for (unsigned i = 0; i < 10; i += 2)
        jsm_free(block[i]);
    jsm_huge_totals(&totals);
    CLAIM(totals.huge_count == 5 && !is_mapped(block[0]) && jsm_is_ours(block[1]), "each goes by itself");
    void *below = must_have(jsm_malloc(128 * KIB - 1));
    jsm_huge_totals(&totals);
    CLAIM(totals.huge_count == 5, "size threshold: configurable cutoff (typically >128KiB)");
    must_set("mmap_threshold", "1M");
    jsm_free(below);
    void *now_below = must_have(jsm_malloc(500 * KIB));
    jsm_huge_totals(&totals);
    CLAIM(totals.huge_count == 5, "and while it runs");
    jsm_free(now_below);
}

/* ---- Size class strategy ---- */

static void
size_classes(void)
{
    static const size_t small[] = {8, 16, 32, 48, 64, 80, 96, 112, 128};
    unsigned wrong = 0, too_few = 0;

    CLAIM(JSM_CLASSES >= 44, "total size classes: 44, here %d", JSM_CLASSES);
    for (unsigned i = 0; i < COUNT_OF(small); i++)
        wrong += jsm_malloc_good_size(small[i]) != small[i];
    CLAIM(wrong == 0, "small: 8, 16, 32, 48, 64, 80, 96, 112, 128 bytes");
    CLAIM(jsm_malloc_good_size(24) == 32, "better: no 24, of which every second would not be aligned to 16");
    for (size_t size = 256; size <= JSM_CLASS_MAX_BYTES; size *= 2)
        wrong += jsm_malloc_good_size(size) != size ||
                 (size < JSM_CLASS_MAX_BYTES && jsm_malloc_good_size(size + 1) > size * 5 / 4);
    CLAIM(wrong == 0, "medium: powers of 2 with increments up to segment limit");
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        too_few += jsm_class_slices(jsm_class_bytes[c]) * JSM_SLICE_BYTES < 8 * (size_t)jsm_class_bytes[c];
    CLAIM(too_few == 0, "largest size class must fit in segment: at least 8 of each do");
}

/* ---- Phases 2 and 3 ---- */

static void
lookups(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < COUNT_OF(block); i++)
        block[i] = must_have(jsm_malloc(1 + i * 37 % 60000));
    for (unsigned i = 0; i < COUNT_OF(block); i++) {
        const struct jsm_span *found = slab_of((char *)block[i] + i * 37 % 60000);
        wrong += (uintptr_t)block[i] < (uintptr_t)found->base ||
                 (uintptr_t)block[i] >= (uintptr_t)found->base + found->n_slices * JSM_SLICE_BYTES;
    }
    CLAIM(wrong == 0, "pointer masking for O(1) lookups: any address leads to its segment");
}

static _Atomic(unsigned) lost;

static void *
use_heap(void *arg)
{
    static _Thread_local void *mine[200];
    uint64_t state = (uint64_t)(uintptr_t)arg;

    for (unsigned i = 0; i < rounds(50000, 500000); i++) {
        size_t n = random_below(&state, COUNT_OF(mine));
        if (mine[n] != NULL && *(uint64_t *)mine[n] != n + ((uint64_t)(uintptr_t)arg << 32))
            atomic_fetch_add(&lost, 1);
        jsm_free(mine[n]);
        mine[n] = must_have(jsm_malloc(8 + random_below(&state, 3000)));
        *(uint64_t *)mine[n] = n + ((uint64_t)(uintptr_t)arg << 32);
    }
    for (unsigned n = 0; n < COUNT_OF(mine); n++)
        jsm_free(mine[n]);
    return NULL;
}

static void
thread_safety(void)
{
    pthread_t thread[4];

    for (uintptr_t i = 0; i < 4; i++)
        pthread_create(&thread[i], NULL, use_heap, (void *)(i + 1));
    for (unsigned i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    CLAIM(lost == 0 && jsm_check() == 0, "optional thread safety layer: it is always there");
}

static int
double_free(void)
{
    void *p = hide(must_have(jsm_malloc(100)));

    jsm_free(p);
    jsm_free(hide(p));
    return 0;
}

static size_t n_told;

static void
count_text(void *arg, const char *text)
{
    (void)arg;
    n_told += strlen(text);
}

static void
debugging(void)
{
    struct child child;

    in_child(&child, double_free);
    CLAIM(WIFSIGNALED(child.status) && strstr(child.text, "double free") != NULL,
          "memory debugging tools: misuse is told");
    must_set("perturb", "165");
    unsigned char *p = must_have(jsm_malloc(100));
    CLAIM(is_all(p, 100, 165 ^ 0xff), "use of fresh memory shows");
    jsm_free(p);
    CLAIM(is_all(p, 100, 165), "so does use of freed memory");
    CLAIM(jsm_check() == 0, "the whole heap can be checked");
    CLAIM(jsm_stats_print("json", count_text, NULL) == 0 && n_told > 100 && jsm_mallinfo2().arena > 0,
          "statistics collection");
}

/* ---- Testing strategy: memory commit/decommit cycles ---- */

static void
cycles(void)
{
    size_t reserved = 0, most = 0;
    unsigned wrong = 0, stayed = 0;

    must_set("arena_size", "16M");
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 500; i++) {
            block[i] = must_have(jsm_calloc(1, 10000));
            wrong += !is_zero(block[i], 10000);
            memset(block[i], 0xff, 10000);
        }
        for (unsigned i = 0; i < 500; i++)
            jsm_free(block[i]);
        (void)jsm_malloc_trim(0);
        for (unsigned i = 0; i < 500; i++)
            stayed += resident_pages(block[i], 10000) > 0;
        if (round == 0)
            reserved = jsm_arena_reserved_bytes();
        most = jsm_max(most, jsm_arena_reserved_bytes());
    }
    CLAIM(stayed == 0, "memory commit/decommit cycles: what is freed is given back");
    CLAIM(wrong == 0, "what comes again is zero where it has to be");
    CLAIM(most == reserved && jsm_check() == 0, "and no addresses are lost on the way");
}

int
main(void)
{
    plan(6 + 1 + 5 + 5 + 5 + 3 + 9 + 6 + 5 + 1 + 1 + 5 + 3);
    chapter("1. Global arenas layer", arenas);
    chapter("Arena growth formula", arena_growth);
    chapter("2. Segments layer", segments);
    chapter("3. Queue layer", queues);
    chapter("4. Slabs layer", slabs);
    chapter("5. Heap object layer", heap_object);
    chapter("5. Heap object layer: multiple heap support", several_heaps);
    chapter("6. Large allocations", large_allocations);
    chapter("Size class strategy", size_classes);
    chapter("Phase 2: optimization", lookups);
    chapter("Phase 3: thread safety", thread_safety);
    chapter("Phase 3: memory debugging tools, statistics collection", debugging);
    chapter("Missing tests: commit/decommit cycles", cycles);
    return done();
}
