/* t/fork-loader.c - a process that forks while one of its threads has libc's lock of the list of objects: the child
 * takes blocks whose stacks are noted, and reports misuse, without it.
 *
 * glibc's fork() does not open that lock in the child.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <link.h>
#include <pthread.h>
#include <time.h>

static pthread_barrier_t held;
static _Atomic bool has_forked;

/* Until the process has forked; but no longer than a second, as other libcs' fork() waits for the lock. */
static int
hold(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    struct timespec pause = { 0, 10000000 };

    (void)info;
    (void)bytes;
    (void)arg;
    pthread_barrier_wait(&held);
    for (unsigned i = 0; i < 100 && !atomic_load(&has_forked); i++)
        nanosleep(&pause, NULL);
    return 1;
}

static void *
hold_lock(void *arg)
{
    jsm_free(hide(jsm_malloc(10)));
    (void)dl_iterate_phdr(hold, NULL);
    return arg;
}

/* Each in a function of its own: nothing is known yet of the stack's rules there. */
__attribute__((noinline)) static int
sample_in_child(void)
{
    void *p = hide(jsm_malloc(100));

    jsm_free(p);
    return p == NULL;
}

__attribute__((noinline)) static int
misuse_in_child(void)
{
    void *p = hide(jsm_malloc(100));

    dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    jsm_free(p);
    jsm_free(p);
    return 0;
}

static int
fork_meanwhile(int (*body)(void))
{
    pthread_t thread;

    atomic_store(&has_forked, false);
    pthread_barrier_init(&held, NULL, 2);
    if (pthread_create(&thread, NULL, hold_lock, NULL) != 0)
        return -1;
    pthread_barrier_wait(&held);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        exit_at_once(body());
    }
    atomic_store(&has_forked, true);
    pthread_join(thread, NULL);
    return verdict_of(pid);
}

/* The option is set by then, and libc's unwinder loaded if it is needed. */
static void
test_with(const char *name, const char *value, int (*body)(void), const char *what)
{
    if (jsm_option_set(name, value) != 1)
        _exit(99);
    jsm_free(hide(jsm_malloc(100)));
    is_int(fork_meanwhile(body), 0, "%s", what);
}

int
main(void)
{
    end_if_stuck();
    if (under_qemu())
        skip_all("an emulator does not run children of programs with threads");
    plan(3);
    (void)jsm_option_set("sample_interval", "1");
    test_with("check_action", "1", misuse_in_child, "a child reports misuse, and who called");
    test_with("profile", "on", sample_in_child, "a child allocates with a profile of all blocks");
    (void)jsm_option_set("profile", "off");
    test_with("guard_sample", "1", sample_in_child, "a child allocates with guards around the blocks");
    return done();
}
