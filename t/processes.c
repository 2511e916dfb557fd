/* t/processes.c - processes and threads that begin and end in ways that are hard on an allocator: fork in a signal
 * handler, storms of vfork and posix_spawn, clone, handlers that jump out of what they interrupted, exit while others
 * allocate, threads by the thousand, small stacks.
 * SPDX-License-Identifier: MIT
 */
#include "queue.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>

extern char **environ;

enum { WORKERS = 3 };

static atomic_bool stop;
static atomic_uint n_working, n_ended, n_bad;

/* Allocates and frees blocks of all sizes until it is told to stop. */
static void *
work(void *arg)
{
    uint64_t r = (uintptr_t)arg;
    struct parcel own[32] = {{NULL, 0, 0}};

    atomic_fetch_add(&n_working, 1);
    while (!atomic_load(&stop)) {
        struct parcel *at = &own[random_below(&r, COUNT_OF(own))];
        if (at->p != NULL)
            atomic_fetch_add(&n_bad, !parcel_good(at));
        jsm_free(at->p);
        *at = parcel_new(random_below(&r, random_below(&r, 20) == 0 ? 300000 : 1500) + 1, random_next(&r));
    }
    for (unsigned i = 0; i < COUNT_OF(own); i++)
        jsm_free(own[i].p);
    return NULL;
}

static void
start_workers(pthread_t t[WORKERS])
{
    atomic_store(&stop, false);
    atomic_store(&n_working, 0);
    for (uintptr_t i = 0; i < WORKERS; i++)
        if (pthread_create(&t[i], NULL, work, (void *)(i + 1)) != 0)
            _exit(99);
    while (atomic_load(&n_working) < WORKERS)
        sched_yield();
}

static void
stop_workers(pthread_t t[WORKERS])
{
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(t[i], NULL);
}

/* What a new process does: some work, and a look at all of its heap. */
static int
use_heap(void)
{
    struct parcel parcel[200];
    int bad = 0;

    for (unsigned i = 0; i < COUNT_OF(parcel); i++)
        parcel[i] = parcel_new(i * i + 1, i);
    for (unsigned i = 0; i < COUNT_OF(parcel); i++) {
        bad |= parcel[i].p == NULL || !parcel_good(&parcel[i]);
        jsm_free(parcel[i].p);
    }
    return bad != 0 ? 10 : jsm_check() != 0 ? 11 : 0;
}

/* ---- Processes ---- */

/* Forks, in the middle of something, and says what became of the child. */
static int
fork_once(void)
{
    pid_t child = fork_timed();

    if (child == 0)
        _exit(use_heap());
    return verdict_of(child);
}

static atomic_int odd_verdict;

static void
fork_in_destructor(void *value)
{
    jsm_free(value);
    atomic_store(&odd_verdict, fork_once());
}

static void *
leave_value(void *key)
{
    pthread_setspecific(*(pthread_key_t *)key, jsm_malloc(100));
    return NULL;
}

static int
fork_in_visitor(void *heap, void *block, size_t size)
{
    pid_t child = fork_timed();

    (void)block;
    if (child == 0) { /* which frees what is being visited */
        jsm_heap_destroy(heap);
        _exit(use_heap());
    }
    int verdict = verdict_of(child);
    atomic_store(&odd_verdict, verdict != 0 ? verdict : atomic_load(&odd_verdict));
    return size == 0;
}

static void
fork_at_exit(void)
{
    int verdict = fork_once();

    if (verdict != 0)
        _exit(verdict);
}

/* While other threads allocate. */
static void
test_fork_in_odd_places(void)
{
    struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
    pthread_key_t odd_key;
    pthread_t t;

    atomic_store(&odd_verdict, 99);
    pthread_key_create(&odd_key, fork_in_destructor);
    if (pthread_create(&t, NULL, leave_value, &odd_key) != 0)
        _exit(99);
    pthread_join(t, NULL);
    is_int(odd_verdict, 0, "a thread forks in a destructor of its data");
    pthread_key_delete(odd_key);

    atomic_store(&odd_verdict, 0);
    jsm_heap *heap = jsm_heap_new(&config);
    for (size_t i = 1; i <= 10 && heap != NULL; i++)
        atomic_fetch_add(&odd_verdict, jsm_heap_malloc(heap, i * 20000) == NULL);
    ok(heap != NULL && jsm_heap_visit(heap, fork_in_visitor, heap) == 0 && odd_verdict == 0,
       "one forks while it visits a heap, which the child destroys");
    jsm_heap_destroy(heap);

    pid_t child = fork_timed();
    if (child == 0) {
        pthread_t workers[WORKERS];
        start_workers(workers);
        atexit(fork_at_exit);
        exit(atomic_load(&n_bad) != 0);
    }
    is_int(verdict_of(child), 0, "a process forks as it exits");
}

static int
fork_chain(unsigned depth)
{
    pid_t child = fork_timed();

    if (child == 0) {
        int bad = use_heap();
        _exit(bad != 0 || depth == 0 ? bad : fork_chain(depth - 1));
    }
    return verdict_of(child);
}

static atomic_int handler_verdict;

/* Comes between two calls of the library, never inside one: fork() takes its locks. */
static void
fork_in_handler(int sig)
{
    pid_t child;

    (void)sig;
    child = fork_timed();
    if (child == 0)
        _exit(use_heap());
    atomic_store(&handler_verdict, verdict_of(child));
}

static void
test_fork_in_handler(void)
{
    struct sigaction action = {.sa_handler = fork_in_handler};
    int worst = 0;

    sigaction(SIGUSR1, &action, NULL);
    for (unsigned i = 0; i < rounds(20, 300); i++) {
        void *p = jsm_malloc(100 + i);
        raise(SIGUSR1);
        jsm_free(p);
        worst = atomic_load(&handler_verdict) != 0 ? atomic_load(&handler_verdict) : worst;
    }
    is_int(worst, 0, "a signal handler forks while other threads allocate");
}

static char program[] = "true";
static char *const program_argv[] = {program, NULL};

static pid_t
start_by_spawn(void)
{
    pid_t child;

    return posix_spawnp(&child, program, NULL, NULL, program_argv, environ) == 0 ? child : -1;
}

static pid_t
start_by_vfork(void)
{
    pid_t child = vfork();

    if (child == 0) {
        execvp(program, program_argv);
        _exit(127);
    }
    return child;
}

static void
test_spawn(void)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < rounds(60, 1000); i++)
        bad += verdict_of(i % 2 == 0 ? start_by_spawn() : start_by_vfork()) != 0;
    is_uint(bad, 0, "programs are started by posix_spawn and vfork while other threads allocate");
}

/* ---- clone() runs no handler of fork's ---- */

enum { CLONE_STACK_BYTES = 256 * 1024 };

static _Alignas(64) unsigned char clone_stack[CLONE_STACK_BYTES];

/* How a child that begins with `body` ends.  It grows its stack down, as on all systems but one that is gone. */
static int
verdict_of_clone(int (*body)(void *), int flags, void *arg)
{
    return verdict_of(clone(body, clone_stack + CLONE_STACK_BYTES, flags | SIGCHLD, arg));
}

/* With a copy of the memory, as after fork() in a program without other threads. */
static int
use_copy(void *arg)
{
    struct parcel *parcel = arg;

    alarm(patience(120));
    if (!parcel_good(parcel))
        return 12;
    jsm_free(parcel->p);
    return use_heap();
}

/* With other threads the child may only do what is safe in a signal handler, and then be another program. */
static int
become_another(void *arg)
{
    (void)arg;
    execvp(program, program_argv);
    return 127;
}

/* In the memory of the parent, and as its thread, which waits. */
static int
use_shared(void *arg)
{
    struct parcel *parcel = arg;
    int bad = parcel_good(&parcel[0]) ? use_heap() : 12;

    jsm_free(parcel[0].p);
    parcel[0] = parcel_new(5000, 7);
    parcel[1] = parcel_new(500000, 8);
    return bad;
}

static void
test_clone_alone(void)
{
    struct parcel parcel = parcel_new(3000, 1);

    is_int(verdict_of_clone(use_copy, 0, &parcel), 0, "a child by clone() uses its copy of the heap");
    ok(parcel_good(&parcel), "and the parent has its own");
    jsm_free(parcel.p);
}

static void
test_clone(void)
{
    int worst = 0, other = 0;

    for (unsigned i = 0; i < rounds(30, 500); i++) {
        struct parcel parcel[2] = {parcel_new(1 + i * 50, i), {NULL, 0, 0}};
        int verdict = verdict_of_clone(use_shared, CLONE_VM | CLONE_VFORK, parcel);
        worst = verdict != 0 || !parcel_good(&parcel[0]) || !parcel_good(&parcel[1]) ? verdict + 1 : worst;
        jsm_free(parcel[0].p);
        jsm_free(parcel[1].p);
        verdict = verdict_of_clone(become_another, i % 2 != 0 ? CLONE_VM | CLONE_VFORK : 0, NULL);
        other = verdict != 0 ? verdict : other;
    }
    is_int(worst, 0, "a child by clone() that shares the memory allocates while other threads do");
    is_int(other, 0, "and one, by itself or not, becomes another program");
}

/* ---- Handlers that do not return ---- */

static sigjmp_buf before_interruption;
static volatile sig_atomic_t is_in_call, n_jumps;
static pthread_t interrupted;

/* Leaves the program's own code where it is, but never a function of the library. */
static void
jump_away(int sig)
{
    (void)sig;
    if (is_in_call)
        return;
    n_jumps++;
    siglongjmp(before_interruption, 1);
}

static void *
interrupt(void *arg)
{
    while (!atomic_load(&stop)) {
        pthread_kill(interrupted, SIGUSR2);
        sched_yield();
    }
    return arg;
}

static struct parcel held[40];

/* One of the blocks for another. */
static void
exchange(uint64_t r)
{
    struct parcel *at = &held[random_below(&r, COUNT_OF(held))];

    is_in_call = 1;
    jsm_free(at->p);
    *at = parcel_new(random_below(&r, random_below(&r, 10) == 0 ? 200000 : 1000) + 1, r);
    is_in_call = 0;
    atomic_fetch_add(&n_bad, !parcel_good(at));
}

static void
test_longjmp(void)
{
    struct sigaction action = {.sa_handler = jump_away};
    static volatile unsigned i;
    pthread_t t;

    is_in_call = 1;
    interrupted = pthread_self();
    atomic_store(&stop, false);
    sigaction(SIGUSR2, &action, NULL);
    if (pthread_create(&t, NULL, interrupt, NULL) != 0)
        _exit(99);
    (void)sigsetjmp(before_interruption, 1);
    while (i < rounds(20000, 500000)) {
        i++;
        exchange(i);
        if (i % 100 == 0)
            raise(SIGUSR2);
    }
    is_in_call = 1;
    atomic_store(&stop, true);
    pthread_join(t, NULL);
    for (unsigned k = 0; k < COUNT_OF(held); k++) {
        atomic_fetch_add(&n_bad, held[k].p != NULL && !parcel_good(&held[k]));
        jsm_free(held[k].p);
    }
    ok(n_jumps >= (int)rounds(20000, 500000) / 100 && jsm_check() == 0,
       "a signal handler jumps out of the program's code, %d times", (int)n_jumps);
}

static void
test_exit(bool quick)
{
    int worst = 0;

    for (unsigned i = 0; i < rounds(20, 300); i++) {
        pid_t child = fork_timed();
        if (child == 0) {
            pthread_t t[WORKERS];
            start_workers(t);
            for (unsigned k = 0; k < i % 7; k++)
                sched_yield();
            if (quick)
                _exit(atomic_load(&n_bad) != 0);
            exit(atomic_load(&n_bad) != 0);
        }
        int verdict = verdict_of(child);
        worst = verdict != 0 ? verdict : worst;
    }
    is_int(worst, 0, "%s while other threads allocate", quick ? "_exit" : "exit");
}

/* ---- Threads ---- */

static void *
live_shortly(void *arg)
{
    struct parcel parcel = parcel_new(1000, (uintptr_t)arg), large = parcel_new(100000, 1);

    atomic_fetch_add(&n_bad, parcel.p == NULL || !parcel_good(&parcel) || !parcel_good(&large));
    jsm_free(parcel.p);
    jsm_free(large.p);
    atomic_fetch_add(&n_ended, 1);
    return NULL;
}

static void
test_detached(void)
{
    unsigned n = rounds(10000, 100000), started = 0;
    size_t at_first = 0, after;
    pthread_attr_t attr;
    pthread_t t;

    atomic_store(&n_ended, 0);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    while (started < n) {
        while (started - atomic_load(&n_ended) >= 16)
            sched_yield();
        if (pthread_create(&t, &attr, live_shortly, (void *)(uintptr_t)started) != 0)
            sched_yield(); /* those before have not left their stacks yet */
        else if (++started == n / 10)
            at_first = jsm_mallinfo2().arena;
    }
    while (atomic_load(&n_ended) < n)
        sched_yield();
    after = jsm_mallinfo2().arena;
    pthread_attr_destroy(&attr);
    diag("heap of %zu bytes after %u threads, %zu after %u", at_first, n / 10, after, n);
    ok(after <= at_first + 4 * MIB, "the heap does not grow with the number of detached threads");
}

/* Frees all that comes, and nothing else. */
static void *
only_free(void *arg)
{
    for (;;) {
        struct parcel parcel = queue_take(arg);
        if (parcel.p == NULL)
            return NULL;
        atomic_fetch_add(&n_bad, !parcel_good(&parcel));
        jsm_free(parcel.p);
    }
}

static void
test_only_free(void)
{
    static struct queue q;
    unsigned n = rounds(200000, 5000000);
    uint64_t r = 5;
    size_t at_first = 0, after;
    pthread_t t;

    queue_init(&q);
    if (pthread_create(&t, NULL, only_free, &q) != 0)
        _exit(99);
    for (unsigned i = 0; i < n; i++) {
        queue_put(&q, parcel_new(random_below(&r, i % 100 == 0 ? 50000 : 500) + 1, i));
        if (i == n / 10)
            at_first = jsm_mallinfo2().arena;
    }
    after = jsm_mallinfo2().arena;
    queue_put(&q, (struct parcel){NULL, 0, 0});
    pthread_join(t, NULL);
    diag("heap of %zu bytes after %u blocks, %zu after %u", at_first, n / 10, after, n);
    ok(after <= at_first + 4 * MIB, "the heap does not grow when another thread frees all of it");
}

static pthread_key_t key;

/* Four rounds of destructors, which is all there are: the last one's block is not freed by any. */
static void
destroy(void *value)
{
    unsigned char *old = value;
    unsigned round = old[0];

    jsm_free(old);
    if (round < 3) {
        unsigned char *p = jsm_malloc(3000);
        if (p != NULL)
            p[0] = (unsigned char)(round + 1);
        pthread_setspecific(key, p);
    }
}

static void *
leave_values(void *arg)
{
    unsigned char *p = jsm_malloc(100);

    if (p != NULL)
        p[0] = 0;
    pthread_setspecific(key, p);
    return arg;
}

static void
test_destructors(void)
{
    unsigned n = rounds(2000, 20000);
    size_t at_first = 0, before = jsm_mallinfo2().uordblks, after;

    pthread_key_create(&key, destroy);
    for (unsigned i = 0; i < n; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, leave_values, NULL) != 0)
            _exit(99);
        pthread_join(t, NULL);
        if (i == n / 10)
            at_first = jsm_mallinfo2().arena;
    }
    after = jsm_mallinfo2().uordblks;
    ok(jsm_mallinfo2().arena <= at_first + 4 * MIB && after < before + 64 * KIB,
       "destructors that allocate in four rounds leave nothing: %zu bytes in use before, %zu after", before, after);
    pthread_key_delete(key);
}

static void *
work_until_cancelled(void *arg)
{
    uint64_t r = (uintptr_t)arg;

    for (;;) {
        struct parcel parcel = parcel_new(random_below(&r, 100000) + 1, 1);
        jsm_free(parcel.p);
        pthread_testcancel(); /* with nothing in hand */
    }
    return NULL;
}

static void
test_cancel(void)
{
    size_t before = jsm_mallinfo2().uordblks, after;

#ifdef __SANITIZE_ADDRESS__
    skip(1, "AddressSanitizer takes the frames of a cancelled thread for in use when it ends");
    return;
#endif
    for (uintptr_t i = 0; i < rounds(300, 5000); i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, work_until_cancelled, (void *)i) != 0)
            _exit(99);
        if (i % 3 == 0)
            sched_yield();
        pthread_cancel(t);
        pthread_join(t, NULL);
    }
    after = jsm_mallinfo2().uordblks;
    ok(after < before + 64 * KIB, "threads are cancelled between any two calls: %zu bytes in use before, %zu after",
       before, after);
}

static void *
use_all_on_small_stack(void *arg)
{
    struct parcel parcel[30];
    jsm_heap *heap = jsm_heap_new(NULL);

    for (unsigned i = 0; i < COUNT_OF(parcel); i++)
        parcel[i] = parcel_new((size_t)1 << (i % 23), i);
    for (unsigned i = 0; i < COUNT_OF(parcel); i++) {
        parcel[i].p = jsm_realloc(parcel[i].p, parcel[i].size * 2);
        atomic_fetch_add(&n_bad, parcel[i].p == NULL || !is_filled(parcel[i].p, parcel[i].size, parcel[i].size, i));
        jsm_free(parcel[i].p);
    }
    jsm_free(jsm_aligned_alloc(MIB, MIB));
    atomic_fetch_add(&n_bad, heap == NULL || jsm_heap_malloc(heap, 100) == NULL);
    jsm_heap_destroy(heap);
    (void)jsm_malloc_trim(0);
    atomic_fetch_add(&n_bad, jsm_check() != 0);
    return arg;
}

/* The first thread of all to use the library, too, which sets it up: in a child. */
static void
test_small_stack(void)
{
    pid_t child = fork_timed();
    pthread_attr_t attr;
    pthread_t t;

    if (child == 0) {
        pthread_attr_init(&attr);
        if (pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN) != 0 ||
            pthread_create(&t, &attr, use_all_on_small_stack, NULL) != 0)
            _exit(99);
        pthread_join(t, NULL);
        _exit(atomic_load(&n_bad) != 0);
    }
    is_int(verdict_of(child), 0, "a thread with the smallest of stacks makes use of everything");
}

/* How long this test waits for its own children, on a machine that is told to be slow. */
static void
test_patience(void)
{
    char before[32];
    const char *limit = getenv("JSM_TEST_SECONDS");

    snprintf(before, sizeof before, "%s", limit == NULL ? "" : limit);
    setenv("JSM_TEST_SECONDS", "3000", 1);
    is_uint(patience(60), 600, "JSM_TEST_SECONDS stretches what a child may take");
    setenv("JSM_TEST_SECONDS", "1", 1);
    is_uint(patience(60), 60, "and makes it no shorter");
    if (limit == NULL)
        unsetenv("JSM_TEST_SECONDS");
    else
        setenv("JSM_TEST_SECONDS", before, 1);
}

int
main(void)
{
    pthread_t t[WORKERS];

    if (under_qemu())
        skip_all("an emulator does not run children of programs with threads");
    plan(23);
    test_patience();
    test_small_stack();
    is_int(fork_chain(rounds(30, 200)), 0, "a chain of children of children");
    test_clone_alone();
    start_workers(t);
    is_int(fork_chain(rounds(20, 100)), 0, "and one that begins while other threads allocate");
    test_fork_in_handler();
    test_fork_in_odd_places();
    test_spawn();
    test_clone();
    stop_workers(t);
    test_longjmp();
    test_exit(false);
    test_exit(true);
    test_detached();
    test_only_free();
    test_destructors();
    test_cancel();
    is_uint(n_bad, 0, "no block was spoilt");
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
