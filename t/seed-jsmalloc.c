/* t/seed-jsmalloc.c - "JSMalloc: Two-Tiered Dynamic Allocator", sentence by sentence: a page heap below, caches
 * above.  Where the library does better than a sentence by design, doc/seeds.md says so.
 * SPDX-License-Identifier: MIT
 */
#include "seed.h"

#include "class/class.h"
#include "heap/heap.h"
#include "span/span.h"
#include "tcache/tcache.h"

#include <pthread.h>
#include <stdatomic.h>

/* The span that a block lies in. */
static struct jsm_span *
span_of(const void *p)
{
    struct jsm_span *span = jsm_pagemap_find(p);

    return jsm_kind(span) == JSM_KIND_SLAB_PART ? span - span->back : span;
}

/* ---- Motivation ---- */

enum { THREADS = 4, KEPT = 500 };

static _Atomic(unsigned) damaged;

static void *
work(void *arg)
{
    static _Thread_local void *kept[KEPT];
    static _Thread_local size_t size[KEPT];
    uint64_t state = (uint64_t)(uintptr_t)arg, id = state << 32;

    for (unsigned i = 0; i < rounds(100000, 1000000); i++) {
        size_t n = random_below(&state, KEPT);
        if (kept[n] != NULL && !is_filled(kept[n], size[n], size[n], id + n))
            atomic_fetch_add(&damaged, 1);
        jsm_free(kept[n]);
        size[n] = 1 + random_below(&state, i % 100 == 0 ? 200000 : 1000);
        kept[n] = must_have(jsm_malloc(size[n]));
        fill(kept[n], size[n], id + n);
    }
    for (unsigned n = 0; n < KEPT; n++)
        jsm_free(kept[n]);
    return NULL;
}

static void
motivation(void)
{
    pthread_t thread[THREADS];
    size_t more = 0, asked = 0;

    for (size_t size = 16; size <= 4096; size++) {
        asked += size;
        more += jsm_malloc_good_size(size) - size;
    }
    CLAIM(more * 100 / asked < 12,
          "efficient memory utilization across various object sizes: %zu.%zu %% more on average", more * 100 / asked,
          more * 1000 / asked % 10);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    CLAIM(damaged == 0 && jsm_check() == 0,
          "it will better handle concurrent memory access in multi-threaded applications");
}

static void *own_slab[2];

static void *
take_one(void *arg)
{
    void **where = arg;

    *where = must_have(jsm_malloc(64));
    return NULL;
}

static void
separation(void)
{
    pthread_t thread;

    take_one(&own_slab[0]);
    pthread_create(&thread, NULL, take_one, &own_slab[1]);
    pthread_join(thread, NULL);
    CLAIM(span_of(own_slab[0]) != span_of(own_slab[1]),
          "by segregating backend pageheap and frontend cache: each thread takes from memory of its own");
}

/* ---- Backend pageheap ---- */

static void
backend(void)
{
    size_t before = jsm_arena_reserved_bytes();
    char *p = must_have(jsm_malloc(3 * JSM_SLICE_BYTES)), *q = must_have(jsm_malloc(5 * JSM_SLICE_BYTES));
    struct jsm_span *a = span_of(p), *b = span_of(q);

    CLAIM(before == 0 && jsm_arena_reserved_bytes() > 0,
          "it interacts with the operating system for memory allocation");
    CLAIM(a != b && (char *)a->base == p && (char *)b->base == q, "memory is organized into spans");
    CLAIM(p + 3 * JSM_SLICE_BYTES <= q || q + 5 * JSM_SLICE_BYTES <= p, "isolated from each other");
    CLAIM(strcmp(access_of(p), "rw-p") == 0 && is_zero(p, 3 * JSM_SLICE_BYTES),
          "allocated using the mmap() system call");
    CLAIM(a->n_slices == 3 && b->n_slices == 5 && is_aligned(p, JSM_SLICE_BYTES),
          "spans are further divided into pages, each a contiguous block of memory of a fixed size");

    unsigned wrong = 0;
    for (size_t i = 0; i < 3; i++)
        wrong += jsm_pagemap_find(p + i * JSM_SLICE_BYTES) != a + i ||
                 jsm_pagemap_find(p + i * JSM_SLICE_BYTES + 12345) != a + i;
    CLAIM(wrong == 0, "the pagemap facilitates efficient mapping of memory addresses to pages");
    struct jsm_span *stack = jsm_pagemap_find(&wrong);
    CLAIM(stack == NULL || jsm_kind(stack) == JSM_KIND_NONE, "also of addresses that are no memory of ours");

    must_set("trim_threshold", "0");
    memset(p, 1, 3 * JSM_SLICE_BYTES);
    jsm_free(p);
    CLAIM(resident_pages(p, 3 * JSM_SLICE_BYTES) == 0, "and for deallocation");
}

/* ---- Frontend cache ---- */

static void
fast_cache(void)
{
    unsigned wrong = 0;

    for (size_t size = 1; size <= 64; size++) {
        void *p = must_have(jsm_malloc(size));
        struct jsm_span *slab = jsm_theap_get()->front.direct[(size + 7) / 8];
        wrong += slab != span_of(p) || slab->block_bytes != jsm_malloc_good_size(size);
        jsm_free(p);
        wrong += jsm_slab_block(slab, slab->head) != p;
    }
    CLAIM(wrong == 0, "fast cache: all chunks are of the same size, accessed via a simple array of linked lists");
    void *p = must_have(jsm_malloc(40));
    CLAIM(span_of(p)->carved > 1, "by creating predefined memory blocks");
    jsm_free(p);
}

enum { SLAB_OF_64 = JSM_SLICE_BYTES / 64 };
static void *chunk[2 * SLAB_OF_64];

static void *
free_chunks(void *unused)
{
    for (unsigned i = 0; i < SLAB_OF_64; i++)
        jsm_free(chunk[i]);
    return unused;
}

/* What other threads free is not sorted: it waits in lists until a malloc looks for memory. */
static void
unsorted_cache(void)
{
    pthread_t thread;
    unsigned reused = 0;

    for (unsigned i = 0; i < 2 * SLAB_OF_64; i++)
        chunk[i] = must_have(jsm_malloc(64));
    struct jsm_span *slab = span_of(chunk[0]);
    pthread_create(&thread, NULL, free_chunks, NULL);
    pthread_join(thread, NULL);
    CLAIM(span_of(chunk[0]) == slab && slab->head == JSM_LINK_END && jsm_slab_has_remote(slab),
          "this cache has a singly linked list of recently freed chunks");
    CLAIM(!jsm_is_ours(chunk[0]) && !jsm_is_ours(chunk[SLAB_OF_64 - 1]), "they count as free at once");
    for (unsigned i = 0; i < SLAB_OF_64; i++) {
        void *p = must_have(jsm_malloc(64));
        reused += span_of(p) == slab;
    }
    CLAIM(reused > SLAB_OF_64 * 9 / 10 && !jsm_slab_has_remote(slab),
          "chunks are dynamically sorted into the sorted cache during the search");
}

/* Recently freed spans of one page are kept apart, the last one first; when they are too many they go to the bins. */
static void
recent_spans(void)
{
    struct jsm_theap *th = jsm_theap_get();
    static void *p[64 * 16];
    bool first = true;

    (void)jsm_theap_trim(th, false);
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        p[i] = must_have(jsm_malloc(4096));
    for (unsigned i = 0; i < COUNT_OF(p); i++)
        jsm_free(p[i]);
    CLAIM(th->n_cached > 0 && th->n_cached <= JSM_CACHE_SPANS_MAX, "recently freed pages are cached as well");
    struct jsm_span *last = jsm_load_relaxed(&th->cached);
    for (unsigned i = 0; i < 4 * SLAB_OF_64 && first; i++)
        first = span_of(must_have(jsm_malloc(64))) != last;
    CLAIM(!first, "what was freed last is used again first");
}

/* Takes and frees so many pages' worth of blocks. */
static void
burst(unsigned n_pages)
{
    static void *p[200 * 16];

    for (unsigned i = 0; i < n_pages * 16; i++)
        p[i] = must_have(jsm_malloc(4096));
    for (unsigned i = 0; i < n_pages * 16; i++)
        jsm_free(p[i]);
}

static uint32_t
cached_after_bursts(struct jsm_theap *th)
{
    uint32_t most = 0;

    for (unsigned i = 0; i < 10; i++) {
        burst(200);
        most = jsm_max(most, jsm_load_relaxed(&th->n_cached));
    }
    return most;
}

static void
adjusting(void)
{
    struct jsm_theap *th = jsm_theap_get();

    burst(20);
    uint32_t few = jsm_load_relaxed(&th->n_cached), most = cached_after_bursts(th);
    CLAIM(most > few, "by dynamically adjusting cache sizes: a busy thread keeps %u pages, at first %u", most, few);
    for (unsigned i = 0; i < 4; i++)
        jsm_cache_age(th); /* as time passes */
    CLAIM(jsm_load_relaxed(&th->n_cached) == 0, "an idle one gives them back");
    must_set("cache_adapt", "off");
    uint32_t fixed = cached_after_bursts(th);
    CLAIM(fixed < most && cached_after_bursts(th) == fixed, "and with cache_adapt=off it is %u always", fixed);
    must_set("fast_max", "64");
    (void)jsm_malloc_trim(0);
    CLAIM(cached_after_bursts(th) == 0,
          "employing different allocation strategies based on object size: not above fast_max");
}

/* The bin that a free span is in, by its ring; JSM_BINS if it is in none. */
static unsigned
bin_of(const struct jsm_span *span)
{
    for (unsigned half = 0; half < 2; half++)
        for (unsigned bin = 0; bin < JSM_BINS; bin++) {
            const struct jsm_link *head = &jsm_shards[0].bins[half][bin];
            for (const struct jsm_link *l = head->next; l != NULL && l != head; l = l->next)
                if (l == &span->queue && l->next->prev == l && l->prev->next == l)
                    return bin;
        }
    return JSM_BINS;
}

static void
sorted_cache(void)
{
    static const size_t lengths[] = {3, 5, 45, 44};
    struct jsm_span *span[COUNT_OF(lengths)];

    must_set("arena_max", "1");
    must_set("trim_threshold", "unlimited");
    for (unsigned i = 0; i < COUNT_OF(lengths); i++) {
        span[i] = jsm_pagemap_find(must_have(jsm_malloc(lengths[i] * JSM_SLICE_BYTES)));
        (void)must_have(jsm_malloc(2 * JSM_SLICE_BYTES));
    }
    for (unsigned i = 0; i < COUNT_OF(lengths); i++)
        jsm_free(span[i]->base);
    struct jsm_span *three = span[0], *five = span[1], *long_one = span[2], *other = span[3];

    CLAIM(bin_of(three) < JSM_BINS && bin_of(five) < JSM_BINS,
          "sorted cache: a table with bins for various chunk sizes");
    CLAIM(bin_of(three) != bin_of(five),
          "each hash points to the head of a doubly linked list of chunks of the same size");
    CLAIM(bin_of(long_one) == bin_of(other), "or similar size once we enter the larger object sizes");
    CLAIM(jsm_malloc(5 * JSM_SLICE_BYTES) == (void *)five->base && bin_of(five) == JSM_BINS, "best fit is found there");
    CLAIM(sizeof jsm_shards[0].bins <= 4096,
          "better: the bins of a shard take %zu bytes, room for all need not be dynamic", sizeof jsm_shards[0].bins);
}

/* ---- Memory chunk categorization ---- */

static void
tiny(void)
{
    static size_t size_in[1 << 16]; /* of blocks in each 4 KiB of the arena; 0: there is none yet */
    uint64_t state = 1;
    unsigned mixed = 0;

    for (unsigned i = 0; i < 20000; i++) {
        char *p = must_have(jsm_malloc(1 + random_below(&state, 64)));
        size_t *in = &size_in[(uintptr_t)p / 4096 % COUNT_OF(size_in)], size = jsm_malloc_usable_size(p);
        mixed += *in != 0 && *in != size;
        *in = size;
    }
    CLAIM(mixed == 0, "tiny, to 64 bytes: each page contains objects of a single size");
    CLAIM(jsm_malloc_good_size(1) == 8, "from min_chunk_size, which is 8");
}

static void
tell_fault(const char *what, const void *where)
{
    diag("%s%#jx", what, (uintmax_t)(uintptr_t)where);
}

/* Small and large ones: freed together, their pages become one span again. */
static void
coalesce_of(size_t size, const char *name)
{
    enum { MANY = 2000 };
    static void *p[MANY];

    for (unsigned i = 0; i < MANY; i++)
        p[i] = must_have(jsm_malloc(size));
    struct jsm_span *slab = span_of(p[MANY / 2]);
    CLAIM(slab->block_bytes == jsm_malloc_good_size(size) && slab->block_bytes >= size && slab->all.next != NULL &&
              slab->all.next->prev == &slab->all,
          "%s, %zu bytes: managed using a doubly linked list structure (of slabs)", name, size);
    size_t used = jsm_load_relaxed(&jsm_used_slices);
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[(i * 7919) % MANY]);
    (void)jsm_malloc_trim(0);
    size_t least = (MANY - 1) * size / JSM_SLICE_BYTES;
    CLAIM(used - jsm_load_relaxed(&jsm_used_slices) >= least,
          "%s: with efficient handling of coalescing: %zu pages are free", name,
          used - jsm_load_relaxed(&jsm_used_slices));
    CLAIM(jsm_span_check(tell_fault) == 0, "%s: and free chunk sorting: each is in the bin of its length", name);
}

static void
small_and_large(void)
{
    must_set("arena_max", "1");
    must_set("arena_size", "64M");
    coalesce_of(72, "small");
    coalesce_of(512, "small");
    coalesce_of(513, "large");
    coalesce_of(4096, "large");
}

/* ---- Statistics in these categories ---- */

static char told[64 * 1024];

static void
tell(void *arg, const char *text)
{
    (void)arg;
    strncat(told, text, sizeof told - strlen(told) - 1);
}

/* Live blocks of a category, from the JSON statistics. */
static long
live_blocks(const char *category)
{
    char row[64];

    told[0] = '\0';
    if (jsm_stats_print("json", tell, NULL) != 0)
        return -1;
    snprintf(row, sizeof row, "{\"name\": \"%s\", \"live_blocks\": ", category);
    const char *at = strstr(told, row);
    return at == NULL ? -1 : strtol(at + strlen(row), NULL, 10);
}

static void
categories(void)
{
    static const struct {
        const char *name;
        size_t least, most;
    } category[] = {{"tiny", 8, 64}, {"small", 72, 512}, {"large", 513, 4096}, {"huge", 4097, 100 * MIB}};

    for (unsigned i = 0; i < COUNT_OF(category); i++) {
        long before = live_blocks(category[i].name);
        for (unsigned n = 0; n < 10; n++)
            (void)must_have(jsm_malloc(n % 2 == 0 ? category[i].least : category[i].most));
        CLAIM(before >= 0 && live_blocks(category[i].name) == before + 10,
              "objects are categorized based on their size: %s, %zu to %zu bytes", category[i].name, category[i].least,
              category[i].most);
    }
}

/* ---- Huge size allocation ---- */

static void
huge(void)
{
    size_t bytes = 100 * MIB;
    struct jsm_span_totals before, with, after;

    jsm_span_totals(&before);
    char *p = must_have(jsm_malloc(bytes));
    jsm_span_totals(&with);
    CLAIM(jsm_mallinfo2().hblks == 1, "objects larger are allocated directly from the operating system using mmap()");
    CLAIM(with.used_slices == before.used_slices && jsm_arena_reserved_bytes() <= 64 * MIB,
          "bypassing the frontend cache and backend pageheap");
    memset(p, 1, 10 * MIB);
    jsm_free(p);
    jsm_span_totals(&after);
    CLAIM(after.dirty_slices == before.dirty_slices && !is_mapped(p),
          "without incurring the overhead of cache management: it is gone when it is freed");
    must_set("mmap_threshold", "65537");
    p = must_have(jsm_malloc(65537));
    CLAIM(jsm_mallinfo2().hblks == 1, "the limit can be set as low as the largest chunk of a page allows");
    jsm_free(p);
}

int
main(void)
{
    plan(2 + 4 + 1 + 8 + 2 + 3 + 2 + 5 + 2 + 4 * 3 + 4 + 4);
    chapter("Motivation", motivation);
    chapter("Flexible resource management", adjusting);
    chapter("Enhanced scalability", separation);
    chapter("JSMalloc backend pageheap", backend);
    chapter("Fast cache", fast_cache);
    chapter("Unsorted cache", unsorted_cache);
    chapter("Unsorted cache: pages", recent_spans);
    chapter("Sorted cache", sorted_cache);
    chapter("Tiny allocation", tiny);
    chapter("Small and large allocation", small_and_large);
    chapter("Tiered allocation", categories);
    chapter("Huge size allocation", huge);
    return done();
}
