/* t/theap.c - what a thread owns: slabs in each state, idle memory, inbox, outbox, life and fork.
 * SPDX-License-Identifier: MIT
 */
#include "unit-heap.h"

#include "tcache/tcache.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { BYTES = 256, PER_SLAB = 65536 / BYTES, BLOCKS_MAX = 80 * PER_SLAB };

static struct jsm_heap heap = { .name = "test", .lock = { .rank = JSM_RANK_SHARED } };
static struct jsm_theap mine, other;
static unsigned class;
static void *block[BLOCKS_MAX];

static void
take_range(struct jsm_theap *th, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        block[i] = block_take(th, class);
}

static void
give_range(struct jsm_theap *th, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (!block_give(th, block[i]))
            diag("block %u is not live", i);
}

/* Each slab of the theap is where its state says, once, and adds up. */
static unsigned
misplaced(const struct jsm_theap *th)
{
    unsigned wrong = 0;
    size_t n_partial = 0, n_listed_partial = 0;

    for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next) {
        struct jsm_span *slab = jsm_list_entry(l, struct jsm_span, all);
        bool active = th->front.active[slab->class_id] == slab;
        wrong += !jsm_slab_check(slab) || jsm_load_relaxed(&slab->theap) != th || jsm_kind(slab) != JSM_KIND_SLAB;
        wrong += active != (slab->state == JSM_SLAB_ACTIVE);
        wrong += slab->state != JSM_SLAB_ACTIVE && slab->state != JSM_SLAB_PARTIAL && slab->state != JSM_SLAB_FULL;
        wrong += slab->state == JSM_SLAB_PARTIAL && slab->left == 0 && !jsm_slab_is_pinned(slab);
        n_partial += slab->state == JSM_SLAB_PARTIAL;
    }
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        n_listed_partial += list_length(&th->partial[c]);
    for (size_t i = 0; i < JSM_DIRECTS; i++)
        wrong += th->front.direct[i] != th->front.active[jsm_direct_class[i]] && !th->front.slow;
    return wrong + (n_partial != n_listed_partial) + (jsm_load_relaxed(&th->n_cached) > JSM_CACHE_SPANS_MAX);
}

/* ---- States ---- */

static void
test_open(void)
{
    unsigned live = jsm_load_relaxed(&jsm_theaps_live), wrong = 0;

    jsm_theap_open(&mine, &heap, 0);
    is_uint(jsm_load_relaxed(&jsm_theaps_live), live + 1, "a theap that is open counts");
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        wrong += mine.front.active[c] != JSM_SLAB_NONE;
    for (unsigned i = 0; i < JSM_DIRECTS; i++)
        wrong += mine.front.direct[i] != JSM_SLAB_NONE;
    ok(wrong == 0 && mine.front.thread_id == jsm_os_thread_id() && list_length(&mine.slabs) == 0,
       "it has no slab at first");
}

static void
test_refill(void)
{
    unsigned not_zero = 0, wrong = 0;

    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        bool fresh = false;
        uint8_t *p = jsm_theap_refill(&mine, c, &fresh);
        wrong += p == NULL || slab_of(p)->class_id != c || mine.front.active[c] != slab_of(p);
        wrong += slab_of(p)->state != JSM_SLAB_ACTIVE || slab_of(p)->left != 1;
        not_zero += fresh && !is_zero(p, jsm_class_bytes[c]);
        memset(p, 0x66, jsm_class_bytes[c]);
        block[c] = p;
    }
    is_uint(wrong, 0, "a refill gives a block of its class, whose slab is active then");
    is_uint(not_zero, 0, "what is said to be fresh reads as zero");
    is_uint(misplaced(&mine), 0, "the direct table leads to the active slabs");
    give_range(&mine, 0, JSM_CLASSES);
    is_uint(misplaced(&mine), 0, "and all of them are where they belong");
    jsm_theap_trim(&mine, false);
    is_uint(list_length(&mine.slabs), 0, "empty slabs go when the theap is trimmed");
}

/* A recycled slab is not clean: what was in it must not be called fresh. */
static void
test_fresh(void)
{
    unsigned not_zero = 0;

    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3 * PER_SLAB; i++) {
            struct jsm_span *slab = mine.front.active[class];
            bool fresh = false;
            block[i] = slab->head != JSM_LINK_END ? jsm_slab_pop(slab) : jsm_theap_refill(&mine, class, &fresh);
            not_zero += fresh && !is_zero(block[i], BYTES);
            memset(block[i], 0x66, BYTES);
        }
        give_range(&mine, 0, 3 * PER_SLAB);
        if (round % 2 != 0)
            jsm_theap_trim(&mine, true);
    }
    is_uint(not_zero, 0, "memory that was used is not called fresh");
}

static void
test_full(void)
{
    struct jsm_span *first, *second;

    take_range(&mine, 0, PER_SLAB);
    first = slab_of(block[0]);
    take_range(&mine, PER_SLAB, PER_SLAB + 1);
    second = slab_of(block[PER_SLAB]);
    ok(first != second && first->state == JSM_SLAB_FULL && second->state == JSM_SLAB_ACTIVE,
       "a slab without free blocks is set aside");
    unsigned wake = first->wake;
    give_range(&mine, 0, wake - 1);
    ok(first->state == JSM_SLAB_FULL && misplaced(&mine) == 0, "it stays aside while few have come back");
    give_range(&mine, wake - 1, wake);
    ok(first->state == JSM_SLAB_PARTIAL && first->left == PER_SLAB - wake && misplaced(&mine) == 0,
       "with enough of them it is of use again");
    take_range(&mine, PER_SLAB + 1, 2 * PER_SLAB);
    take_range(&mine, 0, 1);
    unsigned again = slab_of(block[0]) == first;
    for (unsigned i = PER_SLAB + 1; i < 2 * PER_SLAB; i++)
        again += slab_of(block[i]) == first;
    is_uint(again, wake, "and serves before memory is touched that was never used");
    is_uint(list_length(&mine.slabs), 2, "two slabs are enough for their blocks");
    take_range(&mine, 1, wake);
    give_range(&mine, 0, 2 * PER_SLAB);
    is_uint(misplaced(&mine), 0, "all of it is where it belongs when all is free");
    jsm_theap_trim(&mine, false);
}

static void
test_idle(void)
{
    size_t used = slices_in_use();
    void *p = block_take(&mine, class);
    struct jsm_span *slab = slab_of(p);
    unsigned moved = 0;

    for (unsigned i = 0; i < 100; i++) {
        (void)block_give(&mine, p);
        p = block_take(&mine, class);
        moved += slab_of(p) != slab;
    }
    (void)block_give(&mine, p);
    ok(moved == 0 && mine.front.active[class] == slab && jsm_slab_used(slab) == 0,
       "an empty slab stays active, so that a block taken and given costs no slab");

    /* Many classes at once, fully carved: not all of that may stay. */
    size_t kept;
    for (unsigned c = jsm_class_of(1024); c < JSM_CLASSES; c++) {
        unsigned n = (jsm_class_slices(jsm_class_bytes[c]) << JSM_SLICE_SHIFT) / jsm_class_bytes[c];
        for (unsigned i = 0; i < n; i++)
            block[i] = block_take(&mine, c);
        give_range(&mine, 0, n);
    }
    kept = (slices_in_use() - used) << JSM_SLICE_SHIFT;
    ok(mine.idle_bytes <= JSM_IDLE_BYTES_MAX &&
           kept <= JSM_IDLE_BYTES_MAX + (JSM_CACHE_SPANS_FIXED + 1) * JSM_SLICE_BYTES + 8 * JSM_SLICE_BYTES,
       "but no more than a bound of them all");
    is_uint(misplaced(&mine), 0, "and what stays is where it belongs");

    take_range(&mine, 0, 20 * PER_SLAB);
    give_range(&mine, 0, 20 * PER_SLAB);
    uint32_t cached = jsm_load_relaxed(&mine.n_cached);
    ok(cached >= JSM_CACHE_SPANS_MIN && cached <= JSM_CACHE_SPANS_MAX,
       "of empty slabs a few are cached, the others go back");
    jsm_theap_trim(&mine, false);
    ok(mine.n_cached == 0 && mine.idle_bytes == 0 && slices_in_use() == used, "trimming gives back all of it");
}

/* Slabs with 10, 60 and 110 blocks used wait. */
static void
test_fullest_first(void)
{
    take_range(&mine, 0, 4 * PER_SLAB);
    for (unsigned s = 0; s < 3; s++)
        give_range(&mine, s * PER_SLAB + 10 + 50 * s, (s + 1) * PER_SLAB);
    /* The fourth is active, and full. */
    void *p = block_take(&mine, class);
    ok(slab_of(p) == slab_of(block[2 * PER_SLAB]),
       "of slabs that wait the fullest serves first, so that sparse ones drain");
    (void)block_give(&mine, p);
    for (unsigned s = 0; s < 3; s++)
        give_range(&mine, s * PER_SLAB, s * PER_SLAB + 10 + 50 * s);
    give_range(&mine, 3 * PER_SLAB, 4 * PER_SLAB);
    is_uint(misplaced(&mine), 0, "and all are where they belong");
    jsm_theap_trim(&mine, false);
}

/* ---- Outbox and inbox ---- */

static void
test_outbox(void)
{
    struct jsm_span *slab;

    jsm_theap_open(&other, &heap, 0);
    take_range(&mine, 0, PER_SLAB + 1);
    slab = slab_of(block[0]);
    unsigned wake = slab->wake, left = slab->left;
    give_range(&other, 0, wake - 1);
    ok(!jsm_slab_has_remote(slab), "what others free is held back for a while");
    unsigned refused = 0;
    for (unsigned i = 0; i < wake - 1; i++)
        refused += !block_give(&other, block[i]);
    is_uint(refused, wake - 1, "but is not live any more");
    jsm_theap_flush(&other);
    ok(jsm_slab_has_remote(slab) && slab->left == left && jsm_load_relaxed(&mine.inbox) == NULL,
       "published, it waits for its owner");
    give_range(&other, wake - 1, wake);
    jsm_theap_flush(&other);
    ok(jsm_load_relaxed(&mine.inbox) == slab && slab->state == JSM_SLAB_FULL,
       "a full slab to which enough came back is posted to its owner");
    jsm_theap_collect(&mine);
    ok(slab->state == JSM_SLAB_PARTIAL && slab->left == PER_SLAB - wake && misplaced(&mine) == 0 &&
           !jsm_slab_is_pinned(slab),
       "who finds it in the inbox");

    /* No thread holds back more than a bound. */
    unsigned most = 0;
    for (unsigned i = wake; i < PER_SLAB; i++) {
        (void)block_give(&other, block[i]);
        most = jsm_max(most, other.outbox_bytes);
    }
    ok(most <= JSM_OUTBOX_BYTES_MAX && most > JSM_OUTBOX_BYTES_MAX / 2, "no more is held back than a bound");
    jsm_theap_close(&other);
    jsm_theap_collect(&mine);
    block[1] = block_take(&mine, class);
    (void)block_give(&mine, block[1]);
    give_range(&mine, PER_SLAB, PER_SLAB + 1);
    jsm_theap_trim(&mine, true);
    is_uint(list_length(&mine.slabs), 0, "when a thread ends it publishes all that it holds back");
}

static void
test_full_kept(void)
{
    enum { SLABS = 70 };
    size_t used = slices_in_use();
    unsigned n_detached = 0;

    jsm_theap_open(&other, &heap, 0); /* there are several threads */
    take_range(&mine, 0, SLABS * PER_SLAB);
    for (unsigned s = 0; s < SLABS; s++)
        n_detached += slab_of(block[s * PER_SLAB])->state == JSM_SLAB_DETACHED;
    ok(mine.n_full_slices <= JSM_FULL_SLICES_MAX && n_detached >= SLABS - 1 - JSM_FULL_SLICES_MAX &&
           slab_of(block[0])->state == JSM_SLAB_DETACHED,
       "of many full slabs the oldest are given to whoever can use them");
    is_uint(misplaced(&mine), 0, "the others are where they belong");
    give_range(&other, 0, SLABS * PER_SLAB);
    jsm_theap_close(&other);
    jsm_theap_collect(&mine);
    jsm_theap_trim(&mine, true);
    give_range(&mine, 0, 0);
    /* Slabs of ours that got too few blocks at a time to be posted. */
    jsm_theap_close(&mine);
    is_uint(slices_in_use(), used, "and all of them come back");
    jsm_theap_open(&mine, &heap, 0);
}

/* ---- Trimming, slow mode, closing ---- */

static void
test_trim(void)
{
    size_t page = jsm_os_page_bytes();
    unsigned changed = 0, lost = 0;
    static bool kept[8 * PER_SLAB];

    take_range(&mine, 0, 8 * PER_SLAB);
    for (unsigned i = 0; i < 8 * PER_SLAB; i++) {
        memset(block[i], (int)(i % 251), BYTES);
        kept[i] = (uintptr_t)block[i] % (4 * page) < page;
    }
    for (unsigned i = 0; i < 8 * PER_SLAB; i++)
        if (!kept[i])
            (void)block_give(&mine, block[i]);
    size_t bytes = jsm_theap_trim(&mine, true);
    ok(bytes == 8 * JSM_SLICE_BYTES / 4 * 3 || page > JSM_SLICE_BYTES / 4,
       "trimming gives back the free pages of all slabs");
    for (unsigned i = 0; i < 8 * PER_SLAB; i++)
        changed += kept[i] && !is_all(block[i], BYTES, (unsigned char)(i % 251));
    is_uint(changed, 0, "live blocks keep their contents");
    is_uint(misplaced(&mine), 0, "slabs are where they belong");
    size_t n_slabs = list_length(&mine.slabs);
    for (unsigned i = 0; i < 8 * PER_SLAB; i++) {
        if (kept[i])
            continue;
        block[i] = block_take(&mine, class);
        memset(block[i], 1, BYTES);
    }
    for (unsigned i = 0; i < 8 * PER_SLAB; i++)
        lost += kept[i] && !is_all(block[i], BYTES, (unsigned char)(i % 251));
    bool is_number_right = list_length(&mine.slabs) == n_slabs || page > JSM_SLICE_BYTES / 4; /* which have no holes */
    ok(lost == 0 && is_number_right, "and their free blocks can be had again");
    give_range(&mine, 0, 8 * PER_SLAB);
    jsm_theap_trim(&mine, true);
    is_uint(list_length(&mine.slabs), 0, "until all are gone");
}

static void
test_slow(void)
{
    unsigned fast = 0, not_back = 0;

    take_range(&mine, 0, 2 * PER_SLAB);
    (void)set_option("perturb", "1");
    jsm_theap_adapt(&mine);
    for (unsigned i = 0; i < JSM_DIRECTS; i++)
        fast += mine.front.direct[i] != JSM_SLAB_NONE;
    for (unsigned i = 0; i < 2 * PER_SLAB; i++)
        fast += jsm_load_relaxed(&slab_of(block[i])->owner) != 0;
    take_range(&mine, 2 * PER_SLAB, 2 * PER_SLAB + 5);
    fast += jsm_load_relaxed(&slab_of(block[2 * PER_SLAB + 4])->owner) != 0;
    is_uint(fast, 0, "in slow mode nothing is served the fast way");
    (void)set_option("perturb", "0");
    jsm_theap_adapt(&mine);
    for (unsigned i = 0; i < 2 * PER_SLAB + 5; i++)
        not_back += jsm_load_relaxed(&slab_of(block[i])->owner) != mine.front.thread_id;
    ok(not_back == 0 && misplaced(&mine) == 0, "and all is when that is over");
    give_range(&mine, 0, 2 * PER_SLAB + 5);
    jsm_theap_trim(&mine, false);
}

static void
test_random(uint64_t random)
{
    enum { HELD = 3000 };
    static struct { uint8_t *p; unsigned bytes; } held[HELD];
    unsigned n = 0, wrong = 0, changed = 0, overlapped = 0;

    for (unsigned step = 0; step < rounds(150000, 5000000); step++) {
        if (n < HELD && random_below(&random, step / 5000 % 2 ? 100 : 60) < 45) {
            unsigned c = (unsigned)random_below(&random, random_below(&random, 4) == 0 ? JSM_CLASSES : 20);
            uint8_t *p = block_take(&mine, c);
            overlapped += p[0] == 0x5a && p[jsm_class_bytes[c] - 1] == 0x5a && p[1] == (uint8_t)c && p[2] == 0x11;
            held[n].p = p;
            held[n++].bytes = jsm_class_bytes[c];
            p[0] = p[jsm_class_bytes[c] - 1] = 0x5a;
            p[1] = (uint8_t)c, p[2] = 0x11;
        } else if (n > 0) {
            unsigned i = (unsigned)random_below(&random, n);
            uint8_t *p = held[i].p;
            changed += p[0] != 0x5a || p[held[i].bytes - 1] != 0x5a || jsm_class_bytes[p[1]] != held[i].bytes;
            p[2] = 0;
            changed += !block_give(&mine, p);
            held[i] = held[--n];
        }
        if (step % 1000 == 999) {
            if (step % 7000 == 6999)
                jsm_theap_trim(&mine, step % 14000 == 13999);
            wrong += misplaced(&mine) + (jsm_heap_check(&mine) != 0);
        }
    }
    while (n > 0)
        changed += !block_give(&mine, held[--n].p);
    is_uint(wrong, 0, "S1 to S3 hold through random work, every slab is where its state says");
    is_uint(changed + overlapped, 0, "no block is given twice, none loses its contents");
    jsm_theap_trim(&mine, false);
    is_uint(list_length(&mine.slabs), 0, "and all slabs are given back");
}

static void
test_close(void)
{
    size_t used = slices_in_use();
    unsigned live = jsm_load_relaxed(&jsm_theaps_live);

    take_range(&mine, 0, 3 * PER_SLAB);
    give_range(&mine, 0, 2 * PER_SLAB);
    jsm_theap_close(&mine);
    ok(jsm_load_relaxed(&jsm_theaps_live) == live - 1 && mine.front.thread_id == 0 && list_length(&mine.slabs) == 0,
       "a theap that is closed owns nothing");
    ok(slices_in_use() == used + 1 && slab_of(block[2 * PER_SLAB])->state == JSM_SLAB_DETACHED,
       "empty slabs and what was cached went back, the one with live blocks is without owner");
    jsm_theap_open(&mine, &heap, 0);
    give_range(&mine, 2 * PER_SLAB, 3 * PER_SLAB);
    jsm_theap_flush(&mine);
    is_uint(slices_in_use(), used, "until these are freed");
    take_range(&mine, 0, 10);
    give_range(&mine, 0, 10);
    jsm_theap_close(&mine);
    is_uint(slices_in_use(), used, "opened again, it works as before");
}

/* ---- Fork, while another thread is anywhere in the library ---- */

static atomic_bool stop;

/* Slabs of ever other classes: made of cached spans, given back, taken. */
static void *
restless(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    static void *held[2][600];

    while (!atomic_load(&stop)) {
        void **p = held[(uintptr_t)arg];
        size_t bytes = (1 + random_below(&random, 60)) * 64;
        unsigned n = jsm_min(600u, (unsigned)(140000 / bytes));
        for (unsigned i = 0; i < n; i++)
            p[i] = jsm_malloc(bytes);
        for (unsigned i = 0; i < n; i++)
            jsm_free(p[i]);
    }
    return NULL;
}

static int
child_works(void)
{
    void *p[200];
    int wrong = 0;

    for (unsigned i = 0; i < 200; i++) {
        p[i] = jsm_malloc(16 + i * 40);
        wrong |= p[i] == NULL;
    }
    for (unsigned i = 0; i < 200; i++)
        jsm_free(p[i]);
    return wrong || jsm_check() != 0;
}

static void
test_fork(void)
{
    pthread_t thread[2];
    struct child child;
    unsigned bad = 0;

    jsm_free(jsm_malloc(1));
    for (uintptr_t i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, restless, (void *)i);
    for (unsigned round = 0; round < rounds(150, 5000); round++) {
        in_child(&child, child_works);
        if (!ended_well(&child) && bad++ < 3)
            tell_child(&child);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    is_uint(bad, 0, "a child works, wherever other threads were when it was made");
}

int
main(void)
{
    plan(2 + 5 + 1 + 6 + 5 + 2 + 7 + 3 + 5 + 2 + 3 + 4 + 1);
    uint64_t random = test_seed();
    end_if_stuck();
    class = jsm_class_of(BYTES);
    (void)jsm_shard_count();
    test_open();
    test_refill();
    test_fresh();
    test_full();
    test_idle();
    test_fullest_first();
    test_outbox();
    test_full_kept();
    test_trim();
    test_slow();
    test_random(random_next(&random));
    test_close();
    test_fork();
    return done();
}
