/* t/orders.c - what one thread made is whole for another that finds it, though nothing else orders the two.
 *
 * The threads tell each other by relaxed operations alone, so under ThreadSanitizer these tests fail when an order
 * in src/ is weakened; tools/mutate-orders weakens each.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "arena/arena.h"
#include "heap/heap.h"

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

int
main(void)
{
    plan(5);
    end_if_stuck();
    test_try();
    test_heap();
    test_arena();
    test_report();
    test_guard();
    return done();
}
