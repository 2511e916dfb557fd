/* t/fork.c - fork() in programs with threads: the child may use the heap at once, whatever the other
 * threads were doing, and free what they had allocated.
 * SPDX-License-Identifier: MIT
 */
#include "queue.h"

#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#ifndef TSAN
#define TSAN 0
#endif

enum { WORKERS = 3, KEPT = 200 };

/* Blocks that stay as they are: of the main thread, and of each worker. */
static struct parcel kept[WORKERS + 1][KEPT];

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static unsigned n_ready;
static bool stop;

static bool
stopped(void)
{
    pthread_mutex_lock(&gate_lock);
    bool s = stop;
    pthread_mutex_unlock(&gate_lock);
    return s;
}

static void
keep_blocks(unsigned who, uint64_t *r)
{
    for (unsigned i = 0; i < KEPT; i++)
        kept[who][i] = parcel_new(random_below(r, i % 20 == 0 ? 200000 : 2000) + 1, who * 1000 + i);
}

/* Allocates and frees without a pause. */
static void *
work(void *arg)
{
    uintptr_t who = (uintptr_t)arg;
    uint64_t r = who;
    struct parcel own[64] = {{NULL, 0, 0}};

    keep_blocks((unsigned)who, &r);
    pthread_mutex_lock(&gate_lock);
    n_ready++;
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
    while (!stopped())
        for (unsigned i = 0; i < 500; i++) {
            struct parcel *at = &own[random_below(&r, COUNT_OF(own))];
            jsm_free(at->p);
            *at = parcel_new(random_below(&r, i % 25 == 0 ? 300000 : 1000) + 1, i);
        }
    for (unsigned i = 0; i < COUNT_OF(own); i++)
        jsm_free(own[i].p);
    return NULL;
}

static void *
work_in_child(void *arg)
{
    unsigned bad = 0;

    for (unsigned i = 1; i < 500; i++) {
        struct parcel parcel = parcel_new(i * 13, i);
        bad += parcel.p == NULL || !parcel_good(&parcel);
        jsm_free(parcel.p);
    }
    return bad == 0 ? arg : NULL;
}

/* What a child does; its exit status says which step went wrong.  TSan lets the child of a program
 * with threads start none. */
static int
use_heap(void)
{
    static struct parcel fresh[1000];
    pthread_t t[2];
    void *verdict = NULL;

    for (unsigned i = 0; i < COUNT_OF(fresh); i++) {
        fresh[i] = parcel_new(i * 7 + 1, i);
        if (fresh[i].p == NULL)
            return 10;
    }
    for (unsigned who = 0; who <= WORKERS; who++)
        for (unsigned i = 0; i < KEPT; i++) {
            if (kept[who][i].p == NULL)
                continue;
            if (!parcel_good(&kept[who][i]))
                return 11;
            jsm_free(kept[who][i].p);
            kept[who][i].p = NULL;
        }
    for (unsigned i = 0; !TSAN && i < COUNT_OF(t); i++) {
        if (pthread_create(&t[i], NULL, work_in_child, t) != 0)
            return 12;
    }
    for (unsigned i = 0; !TSAN && i < COUNT_OF(t); i++)
        if (pthread_join(t[i], &verdict) != 0 || verdict != t)
            return 13;
    for (unsigned i = 0; i < COUNT_OF(fresh); i++) {
        if (!parcel_good(&fresh[i]))
            return 14;
        jsm_free(fresh[i].p);
    }
    (void)jsm_malloc_trim(0);
    return jsm_check() == 0 ? 0 : 15;
}

/* Forks a child that uses the heap, and whose own children do, `depth` deep. */
static int
fork_once(unsigned depth)
{
    pid_t child = fork_timed();

    if (child == 0) {
        int inner = depth > 1 ? fork_once(depth - 1) : 0;
        _exit(inner != 0 ? 20 : use_heap());
    }
    return verdict_of(child);
}

/* Forks `n` times; the first status that is not 0. */
static int
fork_often(unsigned n, unsigned depth)
{
    int bad = 0;

    for (unsigned i = 0; i < n && bad == 0; i++)
        bad = fork_once(depth);
    return bad;
}

static pthread_barrier_t meet;

/* Under a sanitizer all forkers meet before the first fork and after the last: libasan does not take its own locks for
 * fork(), and the child of one thread, made while another begins or ends, waits for them when it starts a thread. */
static void *
fork_in_thread(void *arg)
{
    unsigned *n = arg;

    if (SANITIZED)
        pthread_barrier_wait(&meet);
    int bad = fork_often(*n, 1);
    if (SANITIZED)
        pthread_barrier_wait(&meet);
    return (void *)(intptr_t)bad;
}

/* The worst status of what that many threads fork, all at once. */
static intptr_t
fork_in_threads(unsigned n_threads, unsigned n)
{
    pthread_t forker[3];
    void *bad = NULL;
    intptr_t worst = 0;

    pthread_barrier_init(&meet, NULL, n_threads);
    for (unsigned i = 0; i < n_threads; i++)
        if (pthread_create(&forker[i], NULL, fork_in_thread, &n) != 0)
            _exit(99);
    for (unsigned i = 0; i < n_threads; i++) {
        pthread_join(forker[i], &bad);
        worst = (intptr_t)bad != 0 ? (intptr_t)bad : worst;
    }
    pthread_barrier_destroy(&meet);
    return worst;
}

static void
test_with_workers(void)
{
    pthread_t t[WORKERS];
    unsigned n = rounds(15, 300), lost = 0;

    for (uintptr_t i = 0; i < WORKERS; i++)
        if (pthread_create(&t[i], NULL, work, (void *)(i + 1)) != 0)
            _exit(99);
    pthread_mutex_lock(&gate_lock);
    while (n_ready < WORKERS)
        pthread_cond_wait(&gate_changed, &gate_lock);
    pthread_mutex_unlock(&gate_lock);

    is_int(fork_often(n, 1), 0, "children use the heap while other threads of the parent do");
    is_int(fork_often(n / 3 + 1, 3), 0, "so do children of children");
    is_int(fork_in_threads(1, n), 0, "and children of a thread that is not the main one");
    is_int(fork_in_threads(3, n), 0, "and children of three threads that fork all the time");

    pthread_mutex_lock(&gate_lock);
    stop = true;
    pthread_mutex_unlock(&gate_lock);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
    for (unsigned who = 0; who <= WORKERS; who++)
        for (unsigned i = 0; i < KEPT; i++)
            lost += !parcel_good(&kept[who][i]);
    is_int(lost, 0, "the parent's blocks are as they were");
    is_int(fork_once(1), 0, "a child frees what threads allocated that have ended");
}

int
main(void)
{
    uint64_t r;
    unsigned lost = 0;

    plan(9);
    r = test_seed();
    is_int(fork_once(1), 0, "a child of a program that has not allocated yet");
    keep_blocks(0, &r);
    is_int(fork_often(5, 2), 0, "a child and its child, without threads");
    /* The children of a program with threads do not run under qemu-user, with any allocator. */
    unsigned n_workers = under_qemu() ? 0 : WORKERS;
    if (n_workers > 0)
        test_with_workers();
    else
        skip(6, "an emulator that forks only programs without threads");
    for (unsigned who = 0; who <= n_workers; who++)
        for (unsigned i = 0; i < KEPT; i++) {
            lost += !parcel_good(&kept[who][i]);
            jsm_free(kept[who][i].p);
        }
    ok(lost == 0 && jsm_check() == 0, "the parent frees all, and its heap is sound");
    return done();
}
