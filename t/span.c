/* t/span.c - the page heap: who owns which slices, best fit, joining, what reads as zero; P1 to P5.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "span/span.h"

#include <pthread.h>
#include <stdatomic.h>

static unsigned n_faults;

static void
count_fault(const char *what, const void *where)
{
    if (n_faults++ < 5)
        diag("%s%#jx", what, (uintmax_t)(uintptr_t)where);
}

/* Whether the invariants hold. */
static bool
sound(void)
{
    return jsm_span_check(count_fault) == 0;
}

static struct jsm_span *
take(size_t n_slices)
{
    bool clean;

    return jsm_span_alloc(0, n_slices, 1, JSM_WANT_OLDEST, &clean);
}

static struct jsm_span *
take_wanted(size_t n_slices, enum jsm_span_want want, bool *clean)
{
    return jsm_span_alloc(0, n_slices, 1, want, clean);
}

static size_t
used_slices(void)
{
    struct jsm_span_totals totals;

    jsm_span_totals(&totals);
    return totals.used_slices;
}

/* In a process whose heap is empty: takes spans of the given lengths, with one slice in use behind
 * each, and frees them, the first becoming the least recently used. */
static void
row_make(struct jsm_span *part[], const size_t lengths[], unsigned n)
{
    (void)set_option("arena_size", "64M");
    for (unsigned i = 0; i < n; i++) {
        part[i] = take(lengths[i]);
        (void)take(1);
    }
    for (unsigned i = 0; i < n; i++)
        jsm_span_free(part[i]);
}

/* ---- Best fit ---- */

static int
best_fit_in_child(void)
{
    struct jsm_span *part[9];
    bool clean;
    int wrong = 0;

    row_make(part, (const size_t[]){ 5, 3, 9, 3, 4, 3, 70, 66, 68 }, 9);
    struct jsm_span *a = take(3), *b = take_wanted(3, JSM_WANT_NEWEST, &clean), *c = take(3);
    wrong |= (a != part[1]) << 0;   /* of equals the least recently used */
    wrong |= (b != part[5]) << 1;   /* or the most */
    wrong |= (c != part[3]) << 2;
    wrong |= (take(4) != part[4]) << 3;
    wrong |= (take(6) != part[2]) << 4; /* the shortest that is long enough */
    wrong |= (take(65) != part[7]) << 5; /* also where a bin holds several lengths */
    wrong |= (take(68) != part[8]) << 6;
    wrong |= !sound() << 7;
    return wrong;
}

static void
test_best_fit(void)
{
    struct child child;

    in_child(&child, best_fit_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    ok((wrong & 1) == 0 && (wrong & 4) == 0, "of spans that fit equally the least recently used is taken");
    ok((wrong & 2) == 0, "or, for slabs, the most recently used");
    ok((wrong & (8 | 16)) == 0, "the shortest that is long enough is taken");
    ok((wrong & (32 | 64)) == 0, "also of long ones, which share a bin");
    ok((wrong & 128) == 0, "and the page heap is sound");
}

static int
clean_first_in_child(void)
{
    struct jsm_span *part[4];
    bool clean;
    int wrong = 0;

    row_make(part, (const size_t[]){ 3, 3, 3, 3 }, 4);
    memset(part[0]->base, 1, 3 * JSM_SLICE_BYTES);
    (void)jsm_purge_all(0);
    struct jsm_span *used = take(3); /* none is dirty */
    wrong |= (used != part[0]) << 0;
    jsm_span_free(used); /* now this one is, and is used last */
    wrong |= (take_wanted(3, JSM_WANT_CLEAN, &clean) != part[1] || !clean) << 1;
    wrong |= (take_wanted(3, JSM_WANT_OLDEST, &clean) != part[0] || clean) << 2;
    wrong |= (take_wanted(3, JSM_WANT_NEWEST, &clean) != part[3] || !clean) << 3;
    wrong |= !sound() << 4;
    return wrong;
}

static void
test_clean_first(void)
{
    struct child child;

    in_child(&child, clean_first_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    is_int(wrong & 2, 0, "who wants zeroes gets, of equals, what reads as zero");
    is_int(wrong & (1 | 4 | 8), 0, "who does not gets what is resident, else the rest in order");
    is_int(wrong & 16, 0, "and the page heap is sound");
}

/* ---- Joining ---- */

static int
joining_in_child(void)
{
    static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                           { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    struct jsm_span *hole;
    int wrong = 0;

    row_make(&hole, (const size_t[]){ 12 }, 1);
    for (unsigned o = 0; o < 6; o++) {
        struct jsm_span *part[3] = { take(4), take(4), take(4) };
        wrong |= (part[0] != hole || part[1] != hole + 4 || part[2] != hole + 8) << 0;
        for (unsigned i = 0; i < 3; i++) {
            jsm_span_free(part[orders[o][i]]);
            wrong |= !sound() << 1;
        }
        wrong |= (jsm_kind(hole) != JSM_KIND_FREE || hole->n_slices != 12) << 2;
    }
    return wrong;
}

static void
test_joining(void)
{
    struct child child;

    in_child(&child, joining_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    is_int(wrong & 1, 0, "a free span is cut from its beginning");
    is_int(wrong & 4, 0, "P2: neighbours that are free are one span, in whatever order they came");
    is_int(wrong & 2, 0, "and the page heap is sound all the way");
}

/* ---- Alignment ---- */

static void
test_aligned(void)
{
    unsigned misaligned = 0, refused = 0, unsound = 0, n = 0;
    struct jsm_span *span[64];
    bool clean;

    for (unsigned round = 0; round < 2; round++) { /* from the frontier, then from what is free */
        n = 0;
        for (size_t align = 1; align <= 256; align *= 2) {
            for (size_t n_slices = 1; n_slices <= 3; n_slices++) {
                struct jsm_span *s = jsm_span_alloc(0, n_slices, align, JSM_WANT_OLDEST, &clean);
                refused += s == NULL;
                misaligned += s != NULL && ((uintptr_t)s->base >> JSM_SLICE_SHIFT) % align != 0;
                unsound += s != NULL &&
                           (s->n_slices != n_slices || jsm_kind(s) != JSM_KIND_BUSY || jsm_pagemap_find(s->base) != s);
                if (s != NULL)
                    span[n++] = s;
            }
        }
        unsound += !sound();
        while (n > 0)
            jsm_span_free(span[--n]);
        unsound += !sound();
    }
    is_uint(refused, 0, "spans of any alignment can be had");
    is_uint(misaligned, 0, "and are aligned");
    is_uint(unsound, 0, "what lies between stays in the page heap");
}

/* ---- Growing and shrinking ---- */

static void
test_resize(void)
{
    size_t used = used_slices();
    struct jsm_span *a = take(10), *wall;

    jsm_span_shrink(a, 4);
    ok(a->n_slices == 4 && used_slices() == used + 4 && sound(), "what is cut off is free");
    ok(jsm_span_grow(a, 9) && a->n_slices == 9 && used_slices() == used + 9 && sound(), "and may be taken again");
    jsm_span_shrink(a, 1);
    wall = take(9); /* best fit */
    bool next = wall == a + 1;
    ok(next && !jsm_span_grow(a, 2) && a->n_slices == 1 && sound(), "a span does not grow into another");
    jsm_span_free(wall);
    jsm_span_free(a);

    /* The last span below the frontier grows beyond it. */
    struct jsm_arena *arena = jsm_arena_at(jsm_arena_count() - 1);
    size_t top = jsm_arena_room(arena);
    struct jsm_span *last = NULL;
    while (top > 40 && jsm_arena_room(arena) > top - 20)
        last = take(8);
    if (last == NULL || jsm_arena_index(arena, last->base) + 8 != arena->frontier) {
        skip(3, "no room above the frontier");
        return;
    }
    size_t frontier = arena->frontier;
    memset(last->base, 7, 8 * JSM_SLICE_BYTES);
    ok(jsm_span_grow(last, 12) && arena->frontier == frontier + 4 && sound(),
       "the last span grows beyond the frontier");
    ok(is_zero(last->base + 8 * JSM_SLICE_BYTES, 4 * JSM_SLICE_BYTES) && last->base[8 * JSM_SLICE_BYTES - 1] == 7,
       "into memory that reads as zero");
    jsm_span_shrink(last, 2);
    ok(jsm_span_grow(last, 14) && arena->frontier == frontier + 6 && sound(),
       "also when part of what it needs is free and the rest not in use yet");
    jsm_span_free(last);
}

/* ---- Looking ---- */

static unsigned n_visited;
static const struct jsm_span *visited[64];

static void
visit(struct jsm_span *span, void *arg)
{
    if (arg == visited && n_visited < 64)
        visited[n_visited++] = span;
}

static bool
was_visited(const struct jsm_span *span)
{
    unsigned n = 0;

    for (unsigned i = 0; i < n_visited; i++)
        n += visited[i] == span;
    return n == 1;
}

static void
test_looking(void)
{
    struct jsm_span *large = take(5), *slab = take(4), *busy = take(3), *gone = take(6);
    unsigned wrong = 0;

    jsm_set_kind(large, JSM_KIND_LARGE);
    jsm_set_kind(slab, JSM_KIND_SLAB);
    for (unsigned i = 1; i < 4; i++)
        jsm_set_kind(slab + i, JSM_KIND_SLAB_PART);
    uint8_t *freed = gone->base;
    jsm_span_free(gone);
    for (size_t offset = 0; offset < 5 * JSM_SLICE_BYTES; offset += 4093)
        wrong += jsm_span_around(large->base + offset) != large;
    for (size_t offset = 0; offset < 4 * JSM_SLICE_BYTES; offset += 4093)
        wrong += jsm_span_around(slab->base + offset) != slab;
    is_uint(wrong, 0, "every address leads to the span of blocks around it");
    ok(jsm_span_around(freed) == NULL && jsm_span_around(freed + 3 * JSM_SLICE_BYTES) == NULL &&
           jsm_span_around(busy->base + JSM_SLICE_BYTES) == NULL && jsm_span_around(&wrong) == NULL &&
           jsm_span_around(NULL) == NULL,
       "and that of nothing to none");
    n_visited = 0;
    jsm_span_visit(visit, visited);
    ok(was_visited(large) && was_visited(slab) && n_visited == 2, "a visit finds all slabs and large blocks, once");
    for (unsigned i = 1; i < 4; i++)
        jsm_set_kind(slab + i, JSM_KIND_NONE);
    jsm_span_free(large);
    jsm_span_free(slab);
    jsm_span_free(busy);
}

/* ---- Without memory ---- */

static unsigned n_pressed;

static void
press(void)
{
    n_pressed++;
}

static void
test_no_memory(void)
{
    bool clean;

    ok(jsm_span_alloc(0, SIZE_MAX, 1, JSM_WANT_OLDEST, &clean) == NULL &&
           jsm_span_alloc(0, 1, SIZE_MAX / 2 + 1, JSM_WANT_OLDEST, &clean) == NULL,
       "no span is longer than all memory");
    jsm_span_pressure = press;
    jsm_os_fail_sticky = true;
    jsm_os_fail_after = 0;
    struct jsm_span *none = take(60000);
    jsm_os_fail_after = -1;
    jsm_os_fail_sticky = false;
    is_ptr(none, NULL, "a span that there is no memory for is not given");
    is_uint(n_pressed, 1, "after those who cache memory have been asked for it, once");
    jsm_span_pressure = NULL;
    ok(sound(), "and the page heap is sound");
}

/* ---- Random operations against a list of who has what ---- */

enum { SPANS = 200, SLICES_AT_MOST = 500 };

struct held {
    struct jsm_span *span;
    size_t n_slices;
    uint64_t id;
};

struct model {
    struct held held[SPANS];
    unsigned n;
    size_t n_slices, base_used;
    uint64_t random, next_id;
    unsigned unsound, overlapping, not_zero, changed, wrong_length, miscounted;
};

/* One word at a place in each slice; that of all other pages stays untouched. */
static uint64_t *
mark_of(const struct held *h, size_t slice)
{
    size_t offset = (h->id * 4096 + slice * 8) % (JSM_SLICE_BYTES - 8);

    return (uint64_t *)(void *)(h->span->base + (slice << JSM_SLICE_SHIFT) + (offset & ~(size_t)7));
}

static void
mark(const struct held *h, size_t from)
{
    for (size_t i = from; i < h->n_slices; i++)
        *mark_of(h, i) = h->id + i;
}

static void
check_marks(struct model *m, const struct held *h)
{
    for (size_t i = 0; i < h->n_slices; i++)
        m->changed += *mark_of(h, i) != h->id + i;
    m->wrong_length += h->span->n_slices != h->n_slices;
}

static void
model_alloc(struct model *m)
{
    static const enum jsm_span_want wants[] = { JSM_WANT_OLDEST, JSM_WANT_NEWEST, JSM_WANT_CLEAN };
    size_t n = 1 + random_below(&m->random, random_below(&m->random, 4) == 0 ? 100 : 12);
    size_t align = (size_t)1 << (random_below(&m->random, 8) == 0 ? random_below(&m->random, 6) : 0);
    bool clean;

    if (m->n == SPANS || m->n_slices + n > SLICES_AT_MOST)
        return;
    struct held *h = &m->held[m->n];
    h->span = jsm_span_alloc(0, n, align, wants[random_below(&m->random, 3)], &clean);
    if (h->span == NULL) {
        m->wrong_length++;
        return;
    }
    h->n_slices = n;
    h->id = (m->next_id += 1000003);
    m->not_zero += clean && !is_zero(h->span->base, n << JSM_SLICE_SHIFT);
    m->overlapping += ((uintptr_t)h->span->base >> JSM_SLICE_SHIFT) % align != 0;
    for (unsigned i = 0; i < m->n; i++)
        m->overlapping += h->span < m->held[i].span + m->held[i].n_slices && m->held[i].span < h->span + n;
    mark(h, 0);
    m->n++;
    m->n_slices += n;
}

static void
model_free(struct model *m, unsigned i)
{
    check_marks(m, &m->held[i]);
    m->n_slices -= m->held[i].n_slices;
    jsm_span_free(m->held[i].span);
    m->held[i] = m->held[--m->n];
}

static void
model_resize(struct model *m, unsigned i)
{
    struct held *h = &m->held[i];
    size_t n = 1 + random_below(&m->random, 2 * h->n_slices), old = h->n_slices;

    if (n < old) {
        jsm_span_shrink(h->span, n);
        h->n_slices = n;
    } else if (n > old && m->n_slices - old + n <= SLICES_AT_MOST && jsm_span_grow(h->span, n)) {
        h->n_slices = n;
        mark(h, old);
        for (unsigned k = 0; k < m->n; k++)
            m->overlapping +=
                k != i && h->span < m->held[k].span + m->held[k].n_slices && m->held[k].span < h->span + n;
    }
    m->n_slices = m->n_slices - old + h->n_slices;
    check_marks(m, h);
}

/* P1: from the bottom of each arena to its frontier, one span after the other. */
static bool
partitioned(const struct model *m)
{
    size_t used = 0;

    for (unsigned a = 0; a < jsm_arena_count(); a++) {
        struct jsm_arena *arena = jsm_arena_at(a);
        struct jsm_span *first = jsm_pagemap_find(arena->base);
        for (size_t i = 0; i < arena->frontier; i += first[i].n_slices) {
            enum jsm_kind kind = jsm_kind(first + i);
            if ((kind != JSM_KIND_FREE && kind != JSM_KIND_BUSY) || first[i].n_slices == 0)
                return false;
            used += kind == JSM_KIND_BUSY ? first[i].n_slices : 0;
        }
    }
    return used == m->base_used + m->n_slices && used_slices() == used;
}

static void
test_model(uint64_t seed)
{
    static struct model m;

    m.random = seed;
    m.base_used = used_slices();
    (void)set_option("trim_threshold", "unlimited");
    for (unsigned step = 0; step < rounds(6000, 300000); step++) {
        size_t what = random_below(&m.random, 100);
        if (what < 45)
            model_alloc(&m);
        else if (what < 75 && m.n > 0)
            model_free(&m, (unsigned)random_below(&m.random, m.n));
        else if (what < 97 && m.n > 0)
            model_resize(&m, (unsigned)random_below(&m.random, m.n));
        else
            (void)jsm_purge_all(random_below(&m.random, 4) * JSM_MIB);
        m.unsound += !sound();
        m.miscounted += !partitioned(&m);
    }
    while (m.n > 0)
        model_free(&m, 0);
    is_uint(m.unsound, 0, "P2 to P5 hold after each step");
    is_uint(m.miscounted, 0, "P1: all slices below the frontier are somebody's");
    is_uint(m.overlapping, 0, "no slice is two spans'");
    is_uint(m.wrong_length, 0, "spans are as long as was asked for");
    is_uint(m.changed, 0, "their contents stay");
    is_uint(m.not_zero, 0, "what is said to be clean reads as zero");
    ok(used_slices() == m.base_used && sound(), "and all of it comes back");
    (void)set_option("trim_threshold", "auto");
}

/* ---- Several shards, several threads ---- */

enum { THREADS = 3, SHARDS = 2 };
static atomic_uint shared_wrong;

static void *
work(void *arg)
{
    unsigned shard = (unsigned)(uintptr_t)arg % SHARDS, wrong = 0, n = 0;
    uint64_t random = (uintptr_t)arg + 5;
    struct jsm_span *held[20];
    bool clean;

    for (unsigned step = 0; step < rounds(3000, 200000); step++) {
        if (n == 20 || (n > 0 && random_below(&random, 2) == 0)) {
            unsigned i = (unsigned)random_below(&random, n);
            uint64_t *mine = (uint64_t *)(void *)held[i]->base;
            wrong += *mine != (uintptr_t)held[i] + shard;
            *mine = 0;
            jsm_span_free(held[i]);
            held[i] = held[--n];
            continue;
        }
        struct jsm_span *s = jsm_span_alloc(shard, 1 + random_below(&random, 8), 1, JSM_WANT_NEWEST, &clean);
        wrong += s == NULL || (clean && *(uint64_t *)(void *)s->base != 0);
        if (s == NULL)
            continue;
        *(uint64_t *)(void *)s->base = (uintptr_t)s + shard;
        held[n++] = s;
        if (random_below(&random, 4) == 0)
            (void)jsm_span_grow(s, s->n_slices + 1u);
        if (random_below(&random, 100) == 0)
            (void)jsm_purge_all(0);
    }
    while (n > 0)
        jsm_span_free(held[--n]);
    atomic_fetch_add(&shared_wrong, wrong);
    return NULL;
}

static int
shards_in_child(void)
{
    pthread_t thread[THREADS];
    bool clean;
    int wrong = 0;

    (void)set_option("arena_max", "2");
    wrong |= (jsm_shard_count() != SHARDS) << 0;
    struct jsm_span *a = jsm_span_alloc(0, 30, 1, JSM_WANT_OLDEST, &clean);
    struct jsm_span *b = jsm_span_alloc(1, 30, 1, JSM_WANT_OLDEST, &clean);
    wrong |= (jsm_arena_at(a->arena)->shard != 0 || jsm_arena_at(b->arena)->shard != 1) << 1;
    jsm_span_free(b);
    struct jsm_span *c = jsm_span_alloc(0, 30, 1, JSM_WANT_OLDEST, &clean);
    wrong |= (c != b) << 2;
    jsm_span_free(a);
    jsm_span_free(c);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    wrong |= (atomic_load(&shared_wrong) != 0) << 3;
    wrong |= (!sound() || used_slices() != 0) << 4;
    return wrong;
}

static void
test_shards(void)
{
    struct child child;

    in_child(&child, shards_in_child);
    if (child.text[0] != '\0')
        tell_child(&child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    is_int(wrong & 1, 0, "there are as many shards as arena_max says");
    is_int(wrong & 2, 0, "each has arenas of its own");
    is_int(wrong & 4, 0, "what lies free in another is used before new memory");
    is_int(wrong & 8, 0, "spans of several threads are not mixed up");
    is_int(wrong & 16, 0, "all of them come back, and the page heap is sound");
    ok(WIFEXITED(child.status), "and the process lives");
}

int
main(void)
{
    plan(5 + 3 + 3 + 3 + 6 + 3 + 4 + 7 + 6);
    uint64_t random = test_seed();
    end_if_stuck();
    /* In children, before the heap of this process is set up. */
    test_best_fit();
    test_clean_first();
    test_joining();
    test_shards();
    (void)set_option("arena_max", "1");
    (void)set_option("arena_size", "64M");
    test_resize();
    test_aligned();
    test_looking();
    test_no_memory();
    test_model(random_next(&random));
    return done();
}
