/* t/lock.c - locks: one holder, no wake-up lost, ranks upwards only.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 4 };

static struct jsm_lock lock = { .rank = JSM_RANK_META }, high = { .rank = JSM_RANK_PAGEMAP };
static unsigned n_inside, n_together, n_done; /* plain, so that a race would be seen */
static unsigned long total;

static uint32_t
state_of(struct jsm_lock *l)
{
    return jsm_load_relaxed(&l->word);
}

/* Short work, sometimes long enough that others have to sleep. */
static void *
work(void *arg)
{
    uint64_t random = (uintptr_t)arg;

    for (unsigned i = 0; i < rounds(30000, 3000000); i++) {
        jsm_lock(&lock);
        n_together += n_inside != 0;
        n_inside++;
        total++;
        if (random_below(&random, 500) == 0)
            sched_yield();
        n_inside--;
        jsm_unlock(&lock);
    }
    return NULL;
}

static void
test_exclusion(void)
{
    pthread_t thread[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, work, (void *)i);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    is_uint(n_together, 0, "one thread at a time holds a lock");
    is_uint(total, (unsigned long)THREADS * rounds(30000, 3000000), "and sees what the one before did");
    is_uint(state_of(&lock), 0, "afterwards it is open");
}

static void *
wait_once(void *arg)
{
    (void)arg;
    jsm_lock(&lock);
    n_done++;
    jsm_unlock(&lock);
    return NULL;
}

/* All sleep on a lock that is held, and have to be woken one after the other. */
static void
test_wake(void)
{
    unsigned lost = 0;

    for (unsigned round = 0; round < rounds(100, 5000); round++) {
        pthread_t thread[THREADS];
        n_done = 0;
        jsm_lock(&lock);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_create(&thread[i], NULL, wait_once, NULL);
        while (state_of(&lock) != 2)
            sched_yield();
        for (unsigned i = 0; i < round % 8; i++)
            sched_yield();
        jsm_unlock(&lock);
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(thread[i], NULL);
        lost += n_done != THREADS;
    }
    is_uint(lost, 0, "no sleeper is forgotten");
}

static void
test_reset(void)
{
    jsm_lock(&lock);
    is_uint(state_of(&lock), 1, "a lock that is held says so");
    jsm_lock_reset(&lock);
    is_uint(state_of(&lock), 0, "one that was reset is open");
    jsm_lock(&lock);
    jsm_lock(&high);
    ok(state_of(&lock) == 1 && state_of(&high) == 1, "a lock of a higher rank may be taken as well");
    jsm_unlock(&lock);
    jsm_unlock(&high);
    ok(state_of(&lock) == 0 && state_of(&high) == 0, "they are left in any order");
}

static int
take_downwards(void)
{
    jsm_lock(&high);
    jsm_lock(&lock);
    return 0;
}

static int
take_again(void)
{
    static struct jsm_lock same = { .rank = JSM_RANK_PAGEMAP };

    jsm_lock(&high);
    jsm_lock(&same);
    return 0;
}

static void
test_ranks(void)
{
    struct child child;

    if (JSM_DEBUG < 2) {
        skip(3, "ranks are checked at debug level 2");
        return;
    }
    in_child(&child, take_downwards);
    ok(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT, "one of a lower rank may not");
    ok(strstr(child.text, "internal check failed") != NULL, "which is told");
    in_child(&child, take_again);
    ok(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT, "nor one of the same");
}

int
main(void)
{
    plan(3 + 1 + 4 + 3);
    end_if_stuck();
    test_exclusion();
    test_wake();
    test_reset();
    test_ranks();
    return done();
}
