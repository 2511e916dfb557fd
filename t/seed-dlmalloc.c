/* t/seed-dlmalloc.c - a malloc like Doug Lea's, sentence by sentence: best fit, caching, splitting, coalescing,
 * preallocation, fragmentation, alignment.  Where the library does better than a sentence by design,
 * doc/seeds.md says so.
 * SPDX-License-Identifier: MIT
 */
#include "seed.h"

#include "class/class.h"
#include "heap/heap.h"
#include "span/span.h"
#include "tcache/tcache.h"

#include <stdalign.h>

enum { SLICE = JSM_SLICE_BYTES };

/* Blocks that are not served from slabs: the page heap's, of so many slices. */
static char *
large(size_t n_slices)
{
    return must_have(jsm_malloc(n_slices * SLICE));
}

/* One shard, in which nothing is given back: addresses tell what was chosen. */
static void
quiet_page_heap(void)
{
    must_set("arena_max", "1");
    must_set("trim_threshold", "unlimited");
    must_set("purge_delay", "unlimited");
}

/* Blocks of these lengths with others between them, so that freeing makes holes; then frees them in order. */
static void
holes(char *hole[], const size_t lengths[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        hole[i] = large(lengths[i]);
        (void)large(2);
    }
    for (unsigned i = 0; i < n; i++)
        jsm_free(hole[i]);
}

/* ---- The main properties of the algorithms ---- */

static void
best_fit(void)
{
    char *hole[6];

    quiet_page_heap();
    holes(hole, (const size_t[]){7, 3, 5, 4, 70, 66}, 6);
    CLAIM(large(4) == hole[3], "a pure best-fit allocator: 4 slices go where 4 are free, not to the first hole");
    CLAIM(large(5) == hole[2], "5 where 5 are");
    CLAIM(large(6) == hole[0], "6 where 7 are, the least that is enough");
    CLAIM(large(65) == hole[5], "65 where 66 are, also for long ones");
    CLAIM(large(2) == hole[1], "2 where 3 are");
}

static void
ties(void)
{
    char *hole[4];
    unsigned wrong = 0;

    quiet_page_heap();
    holes(hole, (const size_t[]){3, 3, 3, 3}, 4);
    for (unsigned i = 0; i < 4; i++)
        wrong += large(3) != hole[i];
    CLAIM(wrong == 0, "with ties normally decided via FIFO (i.e. least recently used)");
    jsm_free(hole[2]);
    jsm_free(hole[0]);
    CLAIM(large(3) == hole[2] && large(3) == hole[0], "recently used, not lowest address");
}

static void
caching(void)
{
    unsigned wrong = 0;

    for (size_t size = 2; size <= 64; size++) {
        void *kept = must_have(jsm_malloc(size)), *p = must_have(jsm_malloc(size));
        jsm_free(p);
        wrong += jsm_malloc(size) != p;
        jsm_free(p);
        jsm_free(kept);
    }
    CLAIM(wrong == 0,
          "for small (<= 64 bytes) requests, it is a caching allocator: a quickly recycled chunk comes first");
    void *pool[100];
    for (unsigned i = 0; i < 100; i++)
        pool[i] = must_have(jsm_malloc(48));
    for (unsigned i = 0; i < 100; i++)
        jsm_free(pool[i]);
    for (unsigned i = 100; i-- > 0;)
        wrong += jsm_malloc(48) != pool[i];
    CLAIM(wrong == 0, "that maintains pools of them");

    size_t most = 0, size_of_most = 0;
    for (size_t size = 16; size <= JSM_CLASS_MAX_BYTES; size++) {
        size_t more = (jsm_malloc_good_size(size) - size) * 1000 / size;
        if (size > 64 && more > most) {
            most = more;
            size_of_most = size;
        }
    }
    CLAIM(most < 250, "in between it does the best it can: at most %zu.%zu %% more than asked for (%zu bytes)",
          most / 10, most % 10, size_of_most);
}

/* Takes and frees blocks that fill 20 pages of the page heap; how many stay with the thread. */
static unsigned
kept_of(size_t size)
{
    static void *p[20 * JSM_SLICE_BYTES / 64];
    unsigned n = 20 * JSM_SLICE_BYTES / size;

    (void)jsm_malloc_trim(0);
    size_t before = jsm_load_relaxed(&jsm_used_slices);
    for (unsigned i = 0; i < n; i++)
        p[i] = must_have(jsm_malloc(size));
    for (unsigned i = 0; i < n; i++)
        jsm_free(p[i]);
    return (unsigned)(jsm_load_relaxed(&jsm_used_slices) - before);
}

static void
fast_limit(void)
{
    unsigned by_default = kept_of(1024);

    CLAIM(by_default > 1,
          "caching is good in programs that allocate and release chunks of only a few sizes: %u pages stay",
          by_default);
    CLAIM(jsm_mallopt(M_MXFAST, 64) == 1, "small (<= 64 bytes by default): M_MXFAST is tunable");
    unsigned small = kept_of(64), more = kept_of(1024);
    CLAIM(small > 1 && more == 0, "chunks of 64 bytes are recycled then (%u pages), larger ones are not (%u)", small,
          more);
}

static void
mapping(void)
{
    size_t mapped, bytes = 128 * KIB;

    must_set("mmap_threshold", "128K");
    void *below = must_have(jsm_malloc(bytes - 1));
    mapped = jsm_mallinfo2().hblks;
    void *above = must_have(jsm_malloc(bytes));
    CLAIM(mapped == 0 && jsm_mallinfo2().hblks == 1,
          "for very large requests (>= 128KB) it relies on system memory mapping facilities");
    jsm_free(above);
    CLAIM(!is_mapped(above), "which have it back when it is freed");
    must_set("mmap_max", "0");
    above = jsm_malloc(bytes);
    CLAIM(above != NULL && jsm_mallinfo2().hblks == 0, "if supported: without them it serves such requests itself");
    jsm_free(above);
    jsm_free(below);
    CLAIM(jsm_mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1 && jsm_mallopt(M_TRIM_THRESHOLD, 1 << 20) == 1 &&
              jsm_mallopt(M_TOP_PAD, 1 << 20) == 1 && jsm_mallopt(M_MMAP_MAX, 100) == 1,
          "it should be tunable");
}

/* ---- The word hidden before each chunk; a list in the chunks ---- */

static void
no_header(void)
{
    enum { MANY = 200 };
    static char *p[MANY];
    unsigned wrong = 0, touching = 0;

    for (unsigned i = 0; i < MANY; i++)
        p[i] = must_have(jsm_malloc(32));
    for (unsigned i = 0; i < MANY; i++)
        for (unsigned j = 0; j < MANY; j++)
            touching += p[j] == p[i] + 32;
    CLAIM(touching > MANY / 2, "better: no header lies adjacent, before the pointer; there is the block before");
    for (unsigned i = 0; i < MANY; i++)
        set_all(p[i], 32, 0xee);
    for (unsigned i = 0; i < MANY; i++)
        wrong += jsm_malloc_usable_size(p[i]) != 32 || !jsm_is_ours(p[i]);
    CLAIM(wrong == 0, "better: information about the allocation is not there to be overwritten");
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    CLAIM(jsm_check() == 0, "and free finds it all the same");
}

/* The length of a ring of spans, if it leads back to its head both ways with the same. */
static size_t
ring_length(const struct jsm_link *head)
{
    size_t forth = 0, back = 0;

    for (const struct jsm_link *l = head->next; l != NULL && l != head; l = l->next)
        forth++;
    for (const struct jsm_link *l = head->prev; l != NULL && l != head; l = l->prev)
        back++;
    return forth == back ? forth : SIZE_MAX;
}

static size_t
ring_lengths(void)
{
    size_t n = 0;

    for (unsigned half = 0; half < 2; half++)
        for (unsigned bin = 0; bin < JSM_BINS; bin++) {
            size_t length = ring_length(&jsm_shards[0].bins[half][bin]);
            if (length == SIZE_MAX)
                return SIZE_MAX;
            n += length;
        }
    return n;
}

static void
rings(void)
{
    char *hole[20];
    size_t lengths[20];

    quiet_page_heap();
    for (unsigned i = 0; i < 20; i++)
        lengths[i] = 2 + i % 4;
    size_t before = ring_lengths();
    holes(hole, lengths, 20);
    CLAIM(ring_lengths() == before + 20, "we can implement a simple circular doubled linked list");
    for (unsigned i = 0; i < 20; i++)
        (void)large(lengths[i]);
    CLAIM(ring_lengths() == before,
          "which is super fast for insertion and deletion, as we access the iterator directly");
}

static void
facts(void)
{
    char *p = must_have(jsm_malloc(1000));

    CLAIM(sizeof p * CHAR_BIT == (UINTPTR_MAX > UINT32_MAX ? 64 : 32), "in 64-bit systems addresses are 64 bits");
    for (unsigned i = 0; i < 1000; i++)
        p[i] = (char)(i * 7);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 1000; i++)
        wrong += p[i] != (char)(i * 7);
    CLAIM(wrong == 0, "each address stores 1 byte, and you can write N of them from there on");
}

/* ---- Caching, splitting, coalescing and preallocation ---- */

static void
splitting(void)
{
    char *hole[1];

    quiet_page_heap();
    holes(hole, (const size_t[]){10}, 1);
    char *first = large(3);
    CLAIM(first == hole[0], "chunks are created by splitting larger chunks, only when explicitly requested");
    char *rest = large(7);
    CLAIM(rest == hole[0] + 3 * SLICE, "what is left of the larger one is a chunk");
    jsm_free(first);
    jsm_free(rest);
    CLAIM(large(10) == hole[0], "each freed chunk is immediately coalesced with neighbors");
    char *a = large(3), *b = large(3);
    jsm_free(b);
    CLAIM(jsm_realloc(a, 6 * SLICE) == a, "in any of malloc, free, or realloc: it grows into the free neighbor");
    CLAIM(jsm_realloc(a, 2 * SLICE) == a && jsm_malloc_usable_size(a) == 2 * SLICE, "and shrinks in place");
}

/* So many blocks of `size` in use, and their number that is at an address of `was`. */
static unsigned
again(void *const was[], unsigned n, size_t size)
{
    static void *now[1000];
    unsigned same = 0;

    for (unsigned i = 0; i < n; i++)
        now[i] = must_have(jsm_malloc(size));
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < n; j++)
            same += now[i] == was[j];
    return same;
}

static void
deferred_coalescing(void)
{
    enum { MANY = 1000 }; /* they fit into one slab */
    static void *p[MANY];

    for (unsigned i = 0; i < MANY; i++)
        p[i] = must_have(jsm_malloc(48));
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    CLAIM(again(p, MANY, 48) == MANY, "deferred coalescing: leave freed chunks at their current sizes");

    struct jsm_span *slab = jsm_pagemap_find(p[0]);
    CLAIM(jsm_kind(slab) == JSM_KIND_SLAB && slab->block_bytes == 48, "a chunk of 48 bytes it still is");
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    (void)jsm_malloc_trim(0);
    CLAIM(jsm_kind(slab) == JSM_KIND_FREE || jsm_kind(slab) == JSM_KIND_NONE || jsm_kind(slab) == JSM_KIND_FREE_TAIL,
          "the basic data structures permit coalescing at any time: malloc_trim does it");
}

static void
preallocation(void)
{
    must_set("prealloc", "8M");
    must_set("arena_size", "64M");
    void *p = must_have(jsm_malloc(48));
    struct jsm_span *slab = jsm_pagemap_find(p);
    struct jsm_arena *arena = jsm_arena_at(slab->arena);
    unsigned carved = slab->carved, committed = arena->committed;

    CLAIM(carved > 1, "preallocation: pre-split many at once: %u chunks of 48 bytes", carved);
    CLAIM(committed == 8 * MIB / SLICE, "rather than one-by-one: 8 MiB of the heap are made ready in one step");
    for (unsigned i = 0; i < 4 * MIB / 4096; i++)
        (void)must_have(jsm_malloc(4096));
    CLAIM(arena->committed == committed,
          "this is faster than doing it one-at-a-time: 4 MiB later it still is that one");
}

/* ---- Fragmentation ---- */

static void
fragmentation(void)
{
    size_t worst = 0;

    for (size_t size = JSM_CLASS_MAX_BYTES + 1; size < 4 * MIB; size += 10007) {
        void *p = must_have(jsm_malloc(size));
        size_t waste = jsm_malloc_usable_size(p) - size;
        worst = waste > worst ? waste : worst;
        jsm_free(p);
    }
    CLAIM(worst < page_bytes(), "internal fragmentation: only the last page is partially full, %zu bytes at most",
          worst);
}

/* ---- Memory alignment ---- */

#define IS_ALIGNED_FOR(type) claim_alignment(#type, sizeof(type), alignof(type))

static void
claim_alignment(const char *type, size_t size, size_t align)
{
    unsigned wrong = 0;

    for (size_t n = size; n < 100 * size; n += size) {
        void *p = must_have(jsm_malloc(n));
        wrong += !is_aligned(p, align);
        jsm_free(p);
    }
    CLAIM(wrong == 0, "an object of type %s is stored at a multiple of %zu", type, align);
}

static void
alignment(void)
{
    static void *p[2000];
    unsigned wrong = 0;

    IS_ALIGNED_FOR(char);
    IS_ALIGNED_FOR(short);
    IS_ALIGNED_FOR(int);
    IS_ALIGNED_FOR(long);
    IS_ALIGNED_FOR(double);
    IS_ALIGNED_FOR(void *);
    IS_ALIGNED_FOR(max_align_t);
    for (size_t size = 9; size < 2000; size++) {
        p[size] = must_have(jsm_malloc(size));
        wrong += !is_aligned(p[size], alignof(max_align_t)) || !is_aligned(p[size], 16);
    }
    CLAIM(wrong == 0, "every malloc result must be a multiple of 16, from 9 bytes on");
    for (size_t size = 1; size < 9; size++) {
        p[size] = must_have(jsm_malloc(size));
        wrong += !is_aligned(p[size], natural_align(size)) || !is_aligned(p[size], 8);
    }
    CLAIM(wrong == 0, "better: 8 bytes and less are aligned to 8, which no object that fits needs more than");
}

static void
mapped_alignment(void)
{
    must_set("mmap_threshold", "128K");
    char *p = must_have(jsm_malloc(200000));

    CLAIM(jsm_mallinfo2().hblks == 1 && is_aligned(p, page_bytes()),
          "the base pointer returned by mmap is already aligned (page-aligned)");
    CLAIM(jsm_malloc_usable_size(p) % page_bytes() == 0,
          "better: no header to pad in front of it, all pages are usable");
}

int
main(void)
{
    plan(5 + 2 + 3 + 3 + 4 + 3 + 2 + 2 + 5 + 3 + 3 + 1 + 9 + 2);
    chapter("For large requests, a pure best-fit allocator", best_fit);
    chapter("Ties", ties);
    chapter("For small requests, a caching allocator", caching);
    chapter("For small requests: the limit", fast_limit);
    chapter("For very large requests, system memory mapping", mapping);
    chapter("The header word", no_header);
    chapter("A circular doubly linked list", rings);
    chapter("Facts", facts);
    chapter("Splitting and coalescing", splitting);
    chapter("Deferred coalescing", deferred_coalescing);
    chapter("Preallocation", preallocation);
    chapter("Fragmentation", fragmentation);
    chapter("Memory alignment", alignment);
    chapter("From the manual: mmap", mapped_alignment);
    return done();
}
