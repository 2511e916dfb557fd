/* t/faults.c - each system call of the library fails, with each error that it can give: once, every third time, and
 * always; in one thread and in several.  Then the fault goes.
 *
 * Each fault is tried in a child of its own, in which the library is as new.
 * SPDX-License-Identifier: MIT
 */
#include "scenario.h"
#include "traps.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { THREADS = 3, ERRORS_MAX = 6 };

#define BRK "source=brk,arena_size=2M,arena_shift_max=0"
#define MAPS "mmap_threshold=300000"
#define PURGES "trim_threshold=0,purge_delay=0,thp=on"
#define FILES "memory_limit=auto"

/* A call; what it may answer; options with which it is made often. */
static const struct call {
    const char *name;
    long number;
    const char *options;
    int error[ERRORS_MAX];
} calls[] = {
    {"mmap", SYS_mmap, "prealloc=1M,arena_size=2M,arena_shift_max=0", {ENOMEM, EAGAIN, EPERM, EINVAL, ENODEV}},
    {"mmap (large blocks)", SYS_mmap, MAPS, {ENOMEM, EEXIST}},
    {"munmap", SYS_munmap, MAPS, {ENOMEM, EINVAL}},
    {"mremap", SYS_mremap, MAPS, {ENOMEM, EFAULT, EAGAIN, EINVAL, ENOSYS}},
    {"mremap (pages)", SYS_mremap, "mmap_threshold=unlimited", {ENOMEM, EINVAL}},
    {"madvise", SYS_madvise, PURGES, {EINVAL, ENOMEM, EAGAIN, EPERM, EIO, ENOSYS}},
    {"mprotect", SYS_mprotect, "prealloc=64K,arena_size=2M,arena_shift_max=0", {ENOMEM, EACCES, EINVAL}},
    {"brk", SYS_brk, BRK, {ENOMEM}},
    {"futex", SYS_futex, "", {EAGAIN, EINTR, ENOSYS}},
    {"openat", SYS_openat, FILES, {ENOENT, EACCES, EMFILE, ENFILE, ENOMEM, EINTR}},
    {"read", SYS_read, FILES, {EIO, EISDIR, EAGAIN, EBADF}},
    {"close", SYS_close, FILES, {EIO, EINTR, EBADF}},
    {"write", SYS_write, "check_action=1", {EBADF, EPIPE, ENOSPC, EAGAIN, EIO}},
    {"newfstatat", SYS_newfstatat, "check_action=1", {EBADF, EACCES, ENOMEM, ENOSYS}},
    {"fcntl", SYS_fcntl, "check_action=1", {EBADF, EPERM, ENOSYS}},
    {"sched_getaffinity", SYS_sched_getaffinity, "", {EINVAL, EPERM, ENOSYS}},
    {"prlimit64", SYS_prlimit64, "", {EPERM, EINVAL, ENOSYS}},
    {"mincore", SYS_mincore, "", {ENOMEM, EAGAIN, ENOSYS}},
};

/* ---- The fault ---- */

enum how { ALWAYS, THIRD, FIRST, SECOND, SEVENTH, HOWS };
static const char *const how_words[] = {"always", "every third time", "the first time", "the second time",
    "the seventh time"};

static const struct call *faulty_call;
static int faulty_error;
static enum how faulty_how;
static atomic_bool faulty;
static atomic_uint n_calls;

static long
judge(long number, const long arg[6])
{
    static const unsigned at[] = {0, 0, 0, 1, 6};

    if (!atomic_load(&faulty) || (number == SYS_futex && (arg[1] & 0x7f) != 0))
        return 0; /* not FUTEX_WAIT: the kernel always wakes */
    unsigned n = atomic_fetch_add(&n_calls, 1);
    if (faulty_how != ALWAYS && (faulty_how == THIRD ? n % 3 != 0 : n != at[faulty_how]))
        return 0;
    if (number == SYS_brk) /* which says where the break is, whatever became of the wish */
        return trap_raw(SYS_brk, 0, 0, 0, 0, 0, 0);
    return -faulty_error;
}

/* ---- Threads ---- */

static atomic_uint round_no, n_done, worst, n_refusals;

/* Which is reported, and no more. */
static void
misuse(void)
{
    void *p = jsm_malloc(10);

    jsm_free(hide(p));
    jsm_free(hide(p));
}

static bool
makes_messages(void)
{
    long number = faulty_call->number;

    return number == SYS_write || number == SYS_newfstatat || number == SYS_fcntl;
}

/* A log in place of standard error, at which the library looks twice before it writes to it. */
static bool
have_log(void)
{
    char path[] = "/tmp/jsm-faults-XXXXXX";
    int fd = mkstemp(path), log = open(path, O_WRONLY | O_APPEND);

    (void)unlink(path);
    return fd >= 0 && close(fd) == 0 && dup2(log, STDERR_FILENO) == STDERR_FILENO && close(log) == 0;
}

/* All threads do the work once for each round; and stay. */
static void *
work_in_rounds(void *arg)
{
    for (unsigned r = 1;; r++) {
        while (atomic_load(&round_no) < r)
            sched_yield();
        enum verdict v = work();
        if (makes_messages())
            misuse();
        if (v != GOOD)
            atomic_store(&worst, v);
        atomic_fetch_add(&n_refusals, n_refused);
        atomic_fetch_add(&n_done, 1);
    }
    return arg;
}

static enum verdict
work_in_all(unsigned threads)
{
    atomic_store(&n_done, 0);
    atomic_store(&n_refusals, 0);
    atomic_fetch_add(&round_no, 1);
    while (atomic_load(&n_done) < threads)
        sched_yield();
    return (enum verdict)atomic_load(&worst);
}

/* ---- A child ---- */

static enum verdict
try_fault(unsigned threads)
{
    pthread_t t;

    bool quiet = makes_messages() ? have_log() : freopen("/dev/null", "w", stderr) != NULL;
    if (!quiet || !set_options(faulty_call->options))
        return UNABLE;
    scenario_bytes = faulty_call->number == SYS_mremap ? 25 * MIB : 3 * MIB;
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&t, NULL, work_in_rounds, NULL) != 0)
            return UNABLE;
    trap_judge = judge;
    if (!trap_calls(&faulty_call->number, 1, true))
        return UNABLE;
    atomic_store(&faulty, true);
    enum verdict v = work_in_all(threads);
    atomic_store(&faulty, false);
    if (v != GOOD)
        return v;
    if (atomic_load(&n_calls) == 0)
        return UNTOUCHED;
    v = work_in_all(threads);
    if (v == GOOD && atomic_load(&n_refusals) > 0)
        return NO_SERVICE;
    if (v == GOOD && jsm_mallinfo2().uordblks > 64 * KIB)
        return LOST;
    return v;
}

/* The fault in all its forms; all that went wrong is told. */
static void
test_call(const struct call *call, unsigned threads)
{
    unsigned bad = 0, touched = 0;

    faulty_call = call;
    for (unsigned e = 0; e < ERRORS_MAX && call->error[e] != 0; e++)
        for (faulty_how = ALWAYS; faulty_how < HOWS; faulty_how++) {
            if (!want_extra() && (e > 0 ? threads > 1 || faulty_how != e % HOWS : threads > 1 && faulty_how > FIRST))
                continue; /* another time for each error */
            faulty_error = call->error[e];
            pid_t child = fork_timed();
            if (child == 0)
                _exit((int)try_fault(threads));
            int verdict = verdict_of(child);
            touched += verdict != UNTOUCHED && verdict != UNABLE;
            if (verdict != GOOD && verdict != UNTOUCHED && bad++ < 10)
                diag("%s fails with %s %s: %s (%d)", call->name, strerror(faulty_error), how_words[faulty_how],
                     verdict > 0 ? verdict_words[verdict] : "killed", verdict);
        }
    /* Whether threads meet at a lock is chance, and whether a block that grows finds room where it is. */
    bool meets = threads > 1 || call->number == SYS_futex || touched > 0;
    ok(bad == 0 && meets, "%s fails, in %u thread%s: %u faults", call->name, threads,
       threads > 1 ? "s" : "", touched);
}

int
main(void)
{
    if (!traps_work())
        skip_all(TRAPS_WHY);
    scenario_bytes = 10 * MIB;
    plan(2 * COUNT_OF(calls));
    for (unsigned i = 0; i < COUNT_OF(calls); i++) {
        test_call(&calls[i], 1);
        test_call(&calls[i], THREADS);
    }
    return done();
}
