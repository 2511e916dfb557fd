/* t/shared.c - slabs without owner: listed when they are of use, adopted, given back when empty; S6.
 * SPDX-License-Identifier: MIT
 */
#include "unit-heap.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { BYTES = 256, PER_SLAB = 65536 / BYTES, BLOCKS_MAX = 8 * PER_SLAB };

static unsigned class;

static struct jsm_heap heap = { .name = "test", .lock = { .rank = JSM_RANK_SHARED } };
static struct jsm_theap ending, living; /* the first is closed with live blocks, the other frees them */
static void *block[BLOCKS_MAX];

static unsigned
n_listed(void)
{
    return (unsigned)list_length(&heap.shared[class]);
}

static unsigned
n_shared(void)
{
    return jsm_load_relaxed(&heap.n_shared[class]);
}

static void
give_range(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (!block_give(&living, block[i]))
            diag("block %u is not live", i);
    jsm_theap_flush(&living);
}

/* `n` full slabs, of a thread that ended. */
static void
leave_behind(unsigned n)
{
    jsm_theap_open(&ending, &heap, 0);
    for (unsigned i = 0; i < n * PER_SLAB; i++)
        block[i] = block_take(&ending, class);
    jsm_theap_close(&ending);
}

static void
test_life(void)
{
    size_t used = slices_in_use();
    struct jsm_span *slab;
    unsigned wake;

    leave_behind(1);
    slab = slab_of(block[0]);
    wake = slab->wake;
    ok(slices_in_use() == used + 1 && slab->state == JSM_SLAB_DETACHED && jsm_load_relaxed(&slab->theap) == NULL &&
           jsm_load_relaxed(&slab->owner) == 0,
       "a slab with live blocks stays when its thread ends, without owner");
    ok(n_listed() == 0 && n_shared() == 0 && jsm_heap_adopt(&heap, class) == NULL, "full, nobody can adopt it");
    give_range(0, wake - 1);
    is_uint(n_listed(), 0, "neither with a few free blocks");
    give_range(wake - 1, wake);
    ok(n_listed() == 1 && n_shared() == 1 && slab->state == JSM_SLAB_SHARED, "with enough of them it is listed");
    give_range(wake, PER_SLAB - 1);
    ok(n_listed() == 1 && slices_in_use() == used + 1, "and stays as long as a block is live");
    give_range(PER_SLAB - 1, PER_SLAB);
    ok(n_listed() == 0 && n_shared() == 0 && slices_in_use() == used,
       "S6: with the last block it goes back to the page heap");
    leave_behind(1);
    slab = slab_of(block[0]);
    for (unsigned i = 0; i < PER_SLAB; i++)
        (void)block_give(NULL, block[i]); /* threads that have no theap free one by one */
    ok(n_listed() == 0 && slices_in_use() == used, "also when threads without theap free its blocks");
}

static void
test_sparse(void)
{
    size_t used = slices_in_use();

    jsm_theap_open(&ending, &heap, 0);
    void *p = block_take(&ending, class);
    for (unsigned i = 0; i < 20; i++)
        (void)block_give(&ending, block_take(&ending, class));
    jsm_theap_close(&ending);
    ok(n_listed() == 1 && slices_in_use() == used + 1, "a sparse slab is listed as soon as its thread ends");
    uint32_t wrong = slab_of(p)->left != 1;
    (void)block_give(&living, p);
    jsm_theap_flush(&living);
    ok(wrong == 0 && n_listed() == 0 && slices_in_use() == used, "and given back with its only block");
    jsm_theap_open(&ending, &heap, 0);
    for (unsigned i = 0; i < 20; i++)
        block[i] = block_take(&ending, class);
    for (unsigned i = 0; i < 20; i++)
        (void)block_give(&ending, block[i]);
    jsm_theap_close(&ending);
    ok(n_listed() == 0 && slices_in_use() == used, "an empty one is given back when its thread ends");
}

static void
test_adoption(void)
{
    size_t used = slices_in_use();
    struct jsm_span *slab;
    unsigned outside = 0, changed = 0;

    leave_behind(2);
    slab = slab_of(block[0]);
    for (unsigned i = 0; i < 2 * PER_SLAB; i++)
        memset(block[i], (int)(i % 251), BYTES);
    give_range(0, 100);
    ok(n_listed() == 1, "the slab that has free blocks is listed, the full one is not");
    block[0] = block_take(&living, class);
    ok(slab_of(block[0]) == slab && n_listed() == 0 && n_shared() == 0, "who needs a block adopts it");
    ok(slab->state == JSM_SLAB_ACTIVE && jsm_load_relaxed(&slab->theap) == &living && slab->left == PER_SLAB - 99 &&
           jsm_slab_check(slab),
       "and is its owner, with all that is left of it");
    for (unsigned i = 1; i < 100; i++) {
        block[i] = block_take(&living, class);
        outside += slab_of(block[i]) != slab;
        memset(block[i], (int)(i % 251), BYTES);
    }
    memset(block[0], 0, BYTES);
    is_uint(outside, 0, "its free blocks are used before new memory");
    for (unsigned i = 0; i < 2 * PER_SLAB; i++)
        changed += !is_all(block[i], BYTES, (unsigned char)(i % 251));
    is_uint(changed, 0, "its live blocks keep their contents");
    give_range(0, 2 * PER_SLAB);
    jsm_theap_trim(&living, false);
    ok(slices_in_use() == used && n_listed() == 0, "and all of it comes back");
}

/* ---- Trimming ---- */

/* Two blocks of each slab stay, the second far from the first. */
static int
trim_in_child(void)
{
    enum { SLABS = 5 };
    size_t page = jsm_os_page_bytes();
    unsigned wrong = 0;

    leave_behind(SLABS);
    for (unsigned i = 0; i < SLABS * PER_SLAB; i++)
        memset(block[i], 0x5a, BYTES);
    for (unsigned i = 0; i < SLABS * PER_SLAB; i++) {
        size_t offset = (uintptr_t)block[i] % JSM_SLICE_BYTES;
        if (offset != 0 && offset != JSM_SLICE_BYTES / 2)
            wrong |= !block_give(&living, block[i]);
    }
    jsm_theap_flush(&living);
    wrong |= (n_listed() != SLABS) << 1;
    size_t bytes = jsm_heap_trim_shared(&heap);
    wrong |= (bytes != SLABS * (JSM_SLICE_BYTES - 2 * page)) << 2;
    wrong |= (n_listed() != SLABS || n_shared() != SLABS) << 3;
    for (unsigned i = 0; i < SLABS * PER_SLAB; i++) {
        size_t offset = (uintptr_t)block[i] % JSM_SLICE_BYTES;
        if (offset == 0 || offset == JSM_SLICE_BYTES / 2)
            wrong |= !is_all(block[i], BYTES, 0x5a) << 4 | !block_give(&living, block[i]) << 5;
    }
    jsm_theap_flush(&living);
    wrong |= (n_listed() != 0 || slices_in_use() != 0) << 6;
    return (int)wrong;
}

static void
test_trim(void)
{
    struct child child;

    in_child(&child, trim_in_child);
    int wrong = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : 255;
    if (wrong != 0)
        tell_child(&child);
    ok(WIFEXITED(child.status), "trimming several slabs without owner comes to an end");
    is_int(wrong & (1 | 2), 0, "sparse slabs are listed");
    is_int(wrong & 4, 0, "trimming gives back their free pages");
    is_int(wrong & 8, 0, "and leaves them where they are");
    is_int(wrong & (16 | 32), 0, "live blocks stay live, with their contents");
    is_int(wrong & 64, 0, "and with the last of them the slabs are gone");
}

/* ---- Threads that start, take, hand on, free and end ---- */

enum { THREADS = 3, PLACES = 600, LIVES = 40 };

static _Atomic(void *) places[PLACES];
static atomic_uint wrong_contents, wrong_frees, unsound;

/* Frees what lies in a place, if something does. */
static void
take_away(struct jsm_theap *th, unsigned place)
{
    uint32_t *p = atomic_exchange_explicit(&places[place], NULL, memory_order_acquire);

    if (p == NULL)
        return;
    if (p[0] != place || p[1] != (uint32_t)(uintptr_t)p || p[BYTES / 8 - 1] != place)
        atomic_fetch_add(&wrong_contents, 1);
    p[0] = p[1] = 0;
    if (!block_give(th, p))
        atomic_fetch_add(&wrong_frees, 1);
}

static void
put(struct jsm_theap *th, unsigned place, unsigned c)
{
    uint32_t *p = block_take(th, c);

    p[0] = p[BYTES / 8 - 1] = place;
    p[1] = (uint32_t)(uintptr_t)p;
    p = atomic_exchange_explicit(&places[place], p, memory_order_acq_rel);
    if (p != NULL && !block_give(th, p))
        atomic_fetch_add(&wrong_frees, 1);
}

static void *
live_often(void *arg)
{
    static struct jsm_theap theap[THREADS];
    unsigned self = (unsigned)(uintptr_t)arg;
    struct jsm_theap *th = &theap[self];
    uint64_t random = self + 11;

    for (unsigned life = 0; life < rounds(LIVES, 100 * LIVES); life++) {
        jsm_theap_open(th, &heap, 0);
        for (unsigned step = 0; step < 1500; step++) {
            unsigned place = (unsigned)random_below(&random, PLACES);
            if (random_below(&random, 2) == 0)
                put(th, place, place % 2 != 0 ? class : class + 20);
            else
                take_away(th, place);
        }
        for (struct jsm_link *l = th->slabs.next; l != NULL && l != &th->slabs; l = l->next)
            if (!jsm_slab_check(jsm_list_entry(l, struct jsm_span, all)))
                atomic_fetch_add(&unsound, 1);
        if (life % 8 == 3)
            jsm_theap_trim(th, true);
        if (life % 16 == 5)
            sched_yield();
        jsm_theap_close(th);
    }
    /* What was posted since: pinned slabs wait for the next who uses the theap. */
    jsm_theap_open(th, &heap, 0);
    jsm_theap_close(th);
    return NULL;
}

static void
test_threads(void)
{
    size_t used = slices_in_use();
    pthread_t thread[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, live_often, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (unsigned place = 0; place < PLACES; place++)
        take_away(&living, place);
    jsm_theap_flush(&living);
    for (uintptr_t i = 0; i < THREADS; i++) {
        pthread_create(&thread[i], NULL, live_often, (void *)i);
        pthread_join(thread[i], NULL);
    }
    for (unsigned place = 0; place < PLACES; place++)
        take_away(&living, place);
    jsm_theap_trim(&living, false);
    is_uint(atomic_load(&wrong_contents), 0, "blocks go from thread to thread with their contents");
    is_uint(atomic_load(&wrong_frees), 0, "each is live until it is freed");
    is_uint(atomic_load(&unsound), 0, "S1, S3: slabs of threads are sound");
    ok(n_listed() == 0 && list_length(&heap.shared[class + 20]) == 0,
       "freed by others than took them, no slab is left");
    is_uint(slices_in_use(), used, "and all memory is back in the page heap");
}

int
main(void)
{
    plan(7 + 3 + 6 + 6 + 5);
    end_if_stuck();
    class = jsm_class_of(BYTES);
    test_trim(); /* in a child, before anything is in use here */
    (void)jsm_shard_count();
    jsm_theap_open(&living, &heap, 0);
    test_life();
    test_sparse();
    test_adoption();
    test_threads();
    return done();
}
