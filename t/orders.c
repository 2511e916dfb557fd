/* t/orders.c - what one thread made is whole for another that finds it, though nothing else orders the two.
 *
 * The threads tell each other by relaxed operations alone, so under ThreadSanitizer these tests fail when an order
 * in src/ is weakened; tools/mutate-orders weakens each.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "arena/arena.h"
#include "tcache/tcache.h"

#include <pthread.h>
#include <sched.h>

static _Atomic(unsigned) stage;

static void
reach(unsigned n)
{
    jsm_store_relaxed(&stage, n);
}

static void
wait_for(unsigned n)
{
    while (jsm_load_relaxed(&stage) < n)
        sched_yield();
}

/* Has the thread do all that threads do at first. */
static void
warm_up(void)
{
    jsm_free(jsm_malloc(100));
}

/* ---- The heap for secrets ---- */

static void *
find_heap(void *arg)
{
    warm_up();
    reach(1);
    wait_for(2);
    *(void **)arg = jsm_malloc_conceal(40);
    return NULL;
}

static void
test_heap(void)
{
    pthread_t thread;
    void *theirs = NULL;

    reach(0);
    warm_up();
    pthread_create(&thread, NULL, find_heap, &theirs);
    wait_for(1);
    void *ours = jsm_malloc_conceal(40);
    reach(2);
    pthread_join(thread, NULL);
    ok(ours != NULL && theirs != NULL && ours != theirs, "who finds the heap for secrets can use it at once");
    jsm_free(ours);
    jsm_free(theirs);
}

/* ---- Arenas ---- */

static void *
find_arena(void *arg)
{
    warm_up();
    reach(1);
    wait_for(2);
    unsigned n = jsm_arena_count();
    *(bool *)arg = n > 0 && jsm_arena_at(n - 1)->base != NULL && jsm_arena_at(n - 1)->n_slices > 0;
    return NULL;
}

static void
test_arena(void)
{
    pthread_t thread;
    bool is_whole = false;

    reach(0);
    warm_up();
    (void)set_option("arena_size", "1M");
    pthread_create(&thread, NULL, find_arena, &is_whole);
    wait_for(1);
    bool is_made = jsm_arena_new(1, 0, NULL) != NULL;
    reach(2);
    pthread_join(thread, NULL);
    ok(is_made && is_whole, "who counts a new arena finds it whole");
}

/* ---- Locks ---- */

static struct jsm_lock lock = { .rank = JSM_RANK_META };
static unsigned under_lock; /* plain */

static void *
try_lock(void *arg)
{
    reach(1);
    wait_for(2);
    if (jsm_lock_try(&lock)) {
        *(bool *)arg = under_lock == 7;
        jsm_unlock(&lock);
    }
    return NULL;
}

static void
test_try(void)
{
    pthread_t thread;
    bool saw = false;

    reach(0);
    pthread_create(&thread, NULL, try_lock, &saw);
    wait_for(1);
    jsm_lock(&lock);
    under_lock = 7;
    jsm_unlock(&lock);
    reach(2);
    pthread_join(thread, NULL);
    ok(saw, "who gets a lock by trying sees what was done under it");
}

/* ---- The room that a report of misuse is written in ---- */

static void
free_twice(void)
{
    void *p = jsm_malloc(5000);

    jsm_free(p);
    jsm_free(hide(p));
}

static void *
report_second(void *arg)
{
    warm_up();
    reach(1);
    wait_for(2);
    free_twice();
    *(bool *)arg = true;
    return NULL;
}

static void
test_report(void)
{
    pthread_t thread;
    bool is_back = false;

    reach(0);
    warm_up();
    (void)set_option("check_action", "1");
    pthread_create(&thread, NULL, report_second, &is_back);
    wait_for(1);
    free_twice();
    reach(2);
    pthread_join(thread, NULL);
    ok(is_back, "two threads report one after the other");
}

/* ---- The pool of guarded blocks ---- */

static void *
use_pool(void *arg)
{
    warm_up();
    reach(1);
    wait_for(2);
    void *p = jsm_guard_alloc(&jsm_heap_default, 100, 16);
    *(bool *)arg = p != NULL && jsm_is_ours(p);
    return NULL;
}

static void
test_guard(void)
{
    pthread_t thread;
    bool is_guarded = false;

    reach(0);
    warm_up();
    pthread_create(&thread, NULL, use_pool, &is_guarded);
    wait_for(1);
    bool is_set = jsm_option_set("guard_sample", "1") == 1;
    reach(2);
    pthread_join(thread, NULL);
    ok(is_set && is_guarded, "who finds the pool of guarded blocks finds it whole");
}

/* ---- What checks look at ---- */

static void *_Atomic given;

/* Makes a slab of several slices, and a guarded block. */
static void *
make_things(void *unused)
{
    void *guarded = NULL;

    warm_up();
    reach(1);
    wait_for(2);
    void *p = jsm_malloc(10000);
    for (int i = 0; i < 1000 && guarded == NULL; i++) /* the first time it is drawn when one is due */
        guarded = jsm_guard_alloc(&jsm_heap_default, 100, 16);
    reach(3);
    wait_for(4);
    jsm_free(p);
    jsm_free(guarded);
    return guarded == NULL ? NULL : unused;
}

static void
test_check_others(void)
{
    pthread_t thread;
    bool is_set = jsm_option_set("guard_sample", "99") == 1;
    void *made = NULL;

    reach(0);
    warm_up();
    pthread_create(&thread, NULL, make_things, &given);
    wait_for(1);
    reach(2);
    wait_for(3);
    int faults = jsm_check();
    reach(4);
    pthread_join(thread, &made);
    is_set = is_set && jsm_option_set("guard_sample", "off") == 1;
    ok(is_set && made != NULL && faults == 0, "who checks finds slabs and guarded blocks of others whole");
}

enum { BLOCK_BYTES = 1000, BLOCKS = 200, FREED = 15 }; /* more than two slabs; less than an outbox */

/* Frees some blocks of a slab of the other thread's that is full, and is in the inbox of that one then. */
static void *
free_some(void *unused)
{
    void **p;

    warm_up();
    reach(1);
    while ((p = jsm_load_acquire(&given)) == NULL) /* a program hands its blocks over like this */
        sched_yield();
    for (size_t i = 0; i < FREED; i++)
        jsm_free(p[i]);
    jsm_theap_flush(jsm_theap_peek());
    reach(2);
    wait_for(3);
    return unused;
}

/* Moves blocks of one slab that is full to the front. */
static void
sort_by_slab(void *block[BLOCKS])
{
    const struct jsm_span *slab = NULL;
    size_t n = 0;

    for (size_t i = 0; i < BLOCKS; i++) {
        const struct jsm_span *its = jsm_pagemap_find(block[i]);
        if (its->state != JSM_SLAB_FULL || (slab != NULL && its != slab))
            continue;
        slab = its;
        void *p = block[i];
        block[i] = block[n];
        block[n++] = p;
    }
}

static void
test_check_inbox(void)
{
    static void *block[BLOCKS];
    pthread_t thread;

    reach(0);
    pthread_create(&thread, NULL, free_some, NULL);
    wait_for(1); /* with another thread about, slabs that are full sleep */
    for (size_t i = 0; i < BLOCKS; i++)
        block[i] = jsm_malloc(BLOCK_BYTES);
    sort_by_slab(block);
    jsm_store_release(&given, block);
    wait_for(2);
    bool is_posted = jsm_load_relaxed(&jsm_theap_peek()->inbox) != NULL;
    int faults = jsm_check();
    reach(3);
    pthread_join(thread, NULL);
    for (size_t i = FREED; i < BLOCKS; i++)
        jsm_free(block[i]);
    ok(is_posted && faults == 0, "and finds whole what is in its inbox");
}

int
main(void)
{
    plan(7);
    end_if_stuck();
    test_try();
    test_heap();
    test_report();
    test_guard();
    test_check_others();
    test_check_inbox();
    test_arena(); /* makes one that no check would take for sound */
    return done();
}
