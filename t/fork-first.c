/* t/fork-first.c - a process that forks while the first of its threads begins to allocate: the child has its locks.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "arena/arena.h"
#include "tcache/tcache.h"

#include <pthread.h>
#include <time.h>

static pthread_barrier_t held;

/* As if in the middle of its first allocation. */
static void *
hold_lock(void *arg)
{
    struct timespec pause = { 0, 100000000 };

    jsm_lock(&jsm_arena_lock);
    pthread_barrier_wait(&held);
    nanosleep(&pause, NULL); /* a fork() that does not wait for the lock is through by then */
    jsm_unlock(&jsm_arena_lock);
    return arg;
}

static int
run(void)
{
    pthread_t thread;
    int status = -1;

    pthread_barrier_init(&held, NULL, 2);
    pthread_create(&thread, NULL, hold_lock, NULL);
    pthread_barrier_wait(&held);
    pid_t child = fork();
    if (child == 0)
        exit_at_once(!jsm_lock_try(&jsm_arena_lock));
    waitpid(child, &status, 0);
    pthread_join(thread, NULL);
    return status;
}

int
main(void)
{
    end_if_stuck();
    if (under_qemu())
        skip_all("an emulator does not run children of programs with threads");
    plan(2);
    ok(jsm_theap_peek() == NULL, "nothing was allocated yet");
    is_int(run(), 0, "a lock that another thread held at fork() is free in the child");
    return done();
}
