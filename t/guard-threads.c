/* t/guard-threads.c - blocks between guard pages in programs with threads, and in children of fork().
 *
 * SPDX-License-Identifier: MIT
 */
#include "guard.h"

#include <pthread.h>

enum { THREADS = 4, HELD = 200 };

static void *_Atomic exchanged[64];

/* Blocks of many sizes, some of which another thread frees. */
static void *
work(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    static _Thread_local struct { unsigned char *p; size_t n; uint64_t id; } held[HELD];
    uintptr_t faults = 0;

    for (unsigned i = 0; i < rounds(SANITIZED ? 20000 : 100000, 1000000); i++) {
        size_t k = random_below(&seed, HELD), n = 1 + random_below(&seed, random_below(&seed, 10) == 0 ? 9000 : 300);
        if (held[k].p != NULL) {
            faults += !is_filled(held[k].p, held[k].n, held[k].n, held[k].id);
            void *old = atomic_exchange(&exchanged[i % 64], held[k].p);
            jsm_free(old);
        }
        held[k].p = jsm_malloc(n);
        held[k].n = n;
        held[k].id = i;
        fill(held[k].p, n, i);
    }
    for (unsigned k = 0; k < HELD; k++)
        jsm_free(held[k].p);
    return (void *)faults;
}

static int
threads_with(const char *n)
{
    pthread_t thread[THREADS];
    void *faults;
    int answer = 0;

    sample(n);
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, work, (void *)(i + 1)) != 0)
            return 1;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &faults);
        answer |= faults != NULL;
    }
    for (unsigned i = 0; i < 64; i++)
        jsm_free(atomic_exchange(&exchanged[i], NULL));
    return answer != 0 || jsm_check() != 0;
}

static int
threads_all(void)
{
    return threads_with("1") != 0 || threads_with("7") != 0;
}

static int
threads_few(void)
{
    return threads_with("1000");
}

static int
in_grandchild(void *p)
{
    pid_t pid = fork_timed();

    if (pid == 0) {
        if (!is_filled(p, 100, 100, 5))
            _exit(1);
        jsm_free(p);
        char *q = jsm_malloc(100);
        fill(q, 100, 9);
        if (!is_guarded(q) || jsm_check() != 0)
            _exit(2);
        close(STDERR_FILENO);
        *(volatile char *)p = 0; /* which is free here */
        _exit(3);
    }
    return verdict_of(pid);
}

static int
forks(void)
{
    void *p = take(100), *q = take(100);

    fill(p, 100, 5);
    jsm_free(q);
    if (in_grandchild(p) != -SIGSEGV || !is_filled(p, 100, 100, 5) || !jsm_is_ours(p))
        return 1;
    jsm_free(p);
    return jsm_check();
}

static _Atomic bool stop;

static void *
churn(void *arg)
{
    while (!atomic_load(&stop))
        jsm_free(jsm_malloc(100));
    return arg;
}

static int
forks_while_busy(void)
{
    pthread_t thread[2];
    int answer = 0;

    sample("1");
    for (unsigned i = 0; i < 2; i++)
        if (pthread_create(&thread[i], NULL, churn, NULL) != 0)
            return 1;
    for (unsigned i = 0; i < 50 && answer == 0; i++) {
        pid_t pid = fork_timed();
        if (pid == 0) {
            for (unsigned k = 0; k < 300; k++)
                jsm_free(jsm_malloc(k + 1));
            _exit(jsm_check());
        }
        answer = verdict_of(pid);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return answer;
}

int
main(void)
{
    plan(4);
    end_if_stuck();
    test(threads_all, "threads that free each other's blocks, all of them sampled as far as there is room");
    test(threads_few, "one in 1000");
    test(forks, "a child has the blocks, and guards of its own");
    under_qemu() ? skip(1, "an emulator does not run children of programs with threads")
                 : test(forks_while_busy, "children of threads that are at it");
    return done();
}
