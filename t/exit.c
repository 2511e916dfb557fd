/* t/exit.c - the end of threads: blocks that outlive them, destructors that allocate, detached
 * threads, threads that only free, cancellation, the end of the main thread.
 * SPDX-License-Identifier: MIT
 */
#include "queue.h"

#include <sched.h>
#include <sys/wait.h>

enum { BLOCKS = 400 };

struct estate {
    struct parcel parcel[BLOCKS];
    uint64_t seed;
};

/* Leaves many blocks behind, and holes between them. */
static void *
bequeath(void *arg)
{
    struct estate *e = arg;

    for (unsigned i = 0; i < BLOCKS; i++)
        e->parcel[i] = parcel_new(random_below(&e->seed, i % 16 == 0 ? 100000 : 700) + 1, i);
    for (unsigned i = 0; i < BLOCKS; i += 3) {
        jsm_free(e->parcel[i].p);
        e->parcel[i].p = NULL;
    }
    return NULL;
}

/* Frees what is left; number of blocks not as they should be. */
static unsigned
inherit(struct estate *e)
{
    unsigned spoilt = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        if (e->parcel[i].p == NULL)
            continue;
        spoilt += !parcel_good(&e->parcel[i]);
        jsm_free(e->parcel[i].p);
        e->parcel[i].p = NULL;
    }
    return spoilt;
}

static void
test_outlive(uint64_t seed)
{
    enum { THREADS = 16 };
    static struct estate e[THREADS];
    pthread_t t[THREADS];
    unsigned spoilt = 0, faults = 0;

    for (unsigned round = 0; round < rounds(10, 200); round++) {
        for (unsigned i = 0; i < THREADS; i++) {
            e[i].seed = seed + round * THREADS + i;
            if (pthread_create(&t[i], NULL, bequeath, &e[i]) != 0)
                _exit(99);
            /* Half of the rounds one after the other, so that blocks of the dead are taken over. */
            if (round % 2 == 0)
                pthread_join(t[i], NULL);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            if (round % 2 != 0)
                pthread_join(t[i], NULL);
            spoilt += i % 2 == 0 ? inherit(&e[i]) : 0;
        }
        faults += jsm_check() != 0;
        for (unsigned i = 1; i < THREADS; i += 2)
            spoilt += inherit(&e[i]);
    }
    is_int(spoilt, 0, "blocks outlive the thread that allocated them");
    is_int(faults, 0, "the heap is sound with blocks whose thread has ended");
}

/* What threads leave behind is used again: the heap does not grow with the number of threads. */
static void
test_reuse(uint64_t seed)
{
    static struct estate e;
    size_t first = 0, last = 0;
    unsigned n = rounds(300, 5000);

    for (unsigned i = 0; i < n; i++) {
        pthread_t t;
        e.seed = seed;
        if (pthread_create(&t, NULL, bequeath, &e) != 0)
            _exit(99);
        pthread_join(t, NULL);
        (void)inherit(&e);
        last = jsm_mallinfo2().arena;
        if (i == n / 10)
            first = last;
    }
    diag("heap of %zu bytes after %u threads, %zu after %u", first, n / 10, last, n);
    ok(last <= first + 4 * MIB, "the heap does not grow with every thread that ends");
}

/* ---- Destructors ---- */

static pthread_key_t key[2];
static pthread_mutex_t tally_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_destroyed, n_spoilt, n_ended;

struct legacy {
    struct parcel parcel;
    pthread_key_t key;
    unsigned rounds_left;
};

static void
tally(unsigned *what, unsigned n)
{
    pthread_mutex_lock(&tally_lock);
    *what += n;
    pthread_mutex_unlock(&tally_lock);
}

static unsigned
tally_get(const unsigned *what)
{
    pthread_mutex_lock(&tally_lock);
    unsigned n = *what;
    pthread_mutex_unlock(&tally_lock);
    return n;
}

/* Frees what it finds, allocates anew, and comes back as often as it was told to. */
static void
destroy(void *value)
{
    struct legacy *old = value, *new = NULL;

    tally(&n_spoilt, !parcel_good(&old->parcel));
    if (old->rounds_left > 0) {
        new = jsm_malloc(sizeof *new);
        new->parcel = parcel_new(old->parcel.size * 2, old->parcel.id + 1);
        new->key = old->key;
        new->rounds_left = old->rounds_left - 1;
        pthread_setspecific(new->key, new);
    }
    for (unsigned i = 1; i < 60; i++) {
        struct parcel parcel = parcel_new(i * 37, i);
        tally(&n_spoilt, !parcel_good(&parcel));
        jsm_free(parcel.p);
    }
    jsm_free(old->parcel.p);
    jsm_free(old);
    tally(&n_destroyed, 1);
}

static void *
leave_legacies(void *arg)
{
    for (unsigned i = 0; i < COUNT_OF(key); i++) {
        struct legacy *l = jsm_malloc(sizeof *l);
        l->parcel = parcel_new(100 + i, i);
        l->key = key[i];
        l->rounds_left = 2; /* three rounds in all, of the four that POSIX promises */
        pthread_setspecific(key[i], l);
    }
    return arg;
}

static void
test_destructors(void)
{
    unsigned n = rounds(100, 2000);

    for (unsigned i = 0; i < n; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, leave_legacies, NULL) != 0)
            _exit(99);
        pthread_join(t, NULL);
    }
    is_int(n_destroyed, n * COUNT_OF(key) * 3, "destructors of thread data run in three rounds");
    is_int(n_spoilt, 0, "and may allocate and free in each");
    is_int(jsm_check(), 0, "the heap is sound after them");
}

/* ---- Detached threads, threads that only free ---- */

static void *
end_detached(void *arg)
{
    bequeath(arg);
    leave_legacies(NULL);
    tally(&n_ended, 1);
    return NULL;
}

static void
test_detached(uint64_t seed)
{
    enum { THREADS = 24 };
    static struct estate e[THREADS];
    unsigned spoilt = 0;

    n_ended = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_attr_t detached;
        pthread_t t;
        pthread_attr_init(&detached);
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        e[i].seed = seed + i;
        if (pthread_create(&t, &detached, end_detached, &e[i]) != 0)
            _exit(99);
        pthread_attr_destroy(&detached);
    }
    /* Frees race with the last moments of these threads, which is the point. */
    while (tally_get(&n_ended) < THREADS)
        sched_yield();
    for (unsigned i = 0; i < THREADS; i++)
        spoilt += inherit(&e[i]);
    is_int(spoilt, 0, "blocks outlive detached threads");
}

static void *
only_free(void *arg)
{
    return (void *)(uintptr_t)inherit(arg);
}

static void
test_only_free(uint64_t seed)
{
    static struct estate e;
    size_t before = jsm_mallinfo2().uordblks, after;
    uintptr_t spoilt = 0;

    for (unsigned i = 0; i < rounds(50, 1000); i++) {
        pthread_t t;
        void *verdict = NULL;
        e.seed = seed + i;
        (void)bequeath(&e);
        if (pthread_create(&t, NULL, only_free, &e) != 0)
            _exit(99);
        pthread_join(t, &verdict);
        spoilt += (uintptr_t)verdict;
    }
    after = jsm_mallinfo2().uordblks;
    is_int(spoilt, 0, "a thread may do nothing but free");
    ok(after < before + MIB, "and what it freed is free: %zu bytes in use before, %zu after", before, after);
    is_int(jsm_check(), 0, "the heap is sound then");
}

/* ---- Cancellation ---- */

static void
free_parcel(void *arg)
{
    struct parcel *parcel = arg;

    tally(&n_spoilt, !parcel_good(parcel));
    jsm_free(parcel->p);
    tally(&n_ended, 1);
}

static void
work_for_ever(uint64_t r)
{
    for (;;) {
        struct parcel next = parcel_new(random_below(&r, 5000) + 1, 6);
        tally(&n_spoilt, !parcel_good(&next));
        jsm_free(next.p);
        pthread_testcancel();
    }
}

static void *
work_until_cancelled(void *arg)
{
    struct parcel parcel = parcel_new(3000, 5);

    pthread_cleanup_push(free_parcel, &parcel);
    tally(&n_destroyed, 1);
    work_for_ever((uintptr_t)arg);
    pthread_cleanup_pop(1);
    return NULL;
}

static void
test_cancel(void)
{
    enum { THREADS = 8 };
    pthread_t t[THREADS];

    n_spoilt = n_ended = n_destroyed = 0;
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&t[i], NULL, work_until_cancelled, (void *)i) != 0)
            _exit(99);
    while (tally_get(&n_destroyed) < THREADS)
        sched_yield();
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_cancel(t[i]);
        pthread_join(t[i], NULL);
    }
    is_int(n_ended, THREADS, "cancelled threads free in their clean-up handlers");
    is_int(n_spoilt, 0, "and nothing is spoilt");
    is_int(jsm_check(), 0, "the heap is sound after them");
}

/* ---- The main thread ends first ---- */

static pthread_t main_thread;

static void *
carry_on(void *arg)
{
    struct estate *e = arg;

    pthread_join(main_thread, NULL);
    unsigned spoilt = inherit(e);
    (void)bequeath(e);
    spoilt += inherit(e);
    _exit(spoilt == 0 && jsm_check() == 0 ? 0 : 1);
}

static void
test_main_ends(uint64_t seed)
{
    static struct estate e;
#ifdef __SANITIZE_THREAD__
    const char *why = "ThreadSanitizer wants the main thread to stay";
#else
    const char *why = IS_GLIBC ? NULL : "in a child of fork() musl joins no main thread";
#endif
    int status = -1;

    if (why != NULL) {
        skip(1, why);
        return;
    }
    pid_t child = fork();

    if (child == 0) {
        pthread_t t;
        alarm(patience(120)); /* a child that hangs must not hang the test */
        main_thread = pthread_self();
        e.seed = seed;
        (void)bequeath(&e);
        if (pthread_create(&t, NULL, carry_on, &e) != 0)
            _exit(2);
        pthread_exit(NULL);
    }
    waitpid(child, &status, 0);
    is_int(status, 0, "the main thread may end before the others");
}

int
main(void)
{
    uint64_t seed;

    plan(2 + 1 + 3 + 1 + 3 + 3 + 1);
    seed = test_seed();
    pthread_key_create(&key[0], destroy);
    test_main_ends(seed);
    test_outlive(seed);
    pthread_key_create(&key[1], destroy);
    test_destructors();
    test_reuse(seed);
    test_detached(seed);
    test_only_free(seed);
    test_cancel();
    return done();
}
