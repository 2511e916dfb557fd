/* t/syscalls.c - the library makes no system calls but those of doc/syscalls.md: any other kills a process that makes
 * use of all of it.
 * SPDX-License-Identifier: MIT
 */
#include "scenario.h"
#include "traps.h"

#include <fcntl.h>
#include <signal.h>

static const struct {
    const char *name;
    long number;
} documented[] = {
    {"mmap", SYS_mmap},
    {"munmap", SYS_munmap},
    {"mremap", SYS_mremap},
    {"mprotect", SYS_mprotect},
    {"madvise", SYS_madvise},
    {"mincore", SYS_mincore},
    {"brk", SYS_brk},
    {"futex", SYS_futex},
    {"sched_getaffinity", SYS_sched_getaffinity},
    {"prlimit64", SYS_prlimit64},
    {"openat", SYS_openat},
    {"read", SYS_read},
    {"close", SYS_close},
    {"write", SYS_write},
    {"fcntl", SYS_fcntl},
    {"newfstatat", SYS_newfstatat},
    {"getpid", SYS_getpid},
    {"clock_gettime", SYS_clock_gettime},
    {"rt_sigaction", SYS_rt_sigaction},
    {"rt_sigprocmask", SYS_rt_sigprocmask},
    {"gettid", SYS_gettid},
    {"tgkill", SYS_tgkill},
};

enum { OWN = 2, DOCUMENTED = COUNT_OF(documented) };

static long
refuse(long number, const long arg[6])
{
    (void)arg;
    diag("system call %ld is not in doc/syscalls.md", number);
    _exit(77);
}

/* Everything but what is documented, the end of the process, and the return from a signal handler. */
static bool
allow_documented(void)
{
    long number[DOCUMENTED + OWN] = {SYS_exit_group, SYS_rt_sigreturn};

    for (unsigned i = 0; i < DOCUMENTED; i++)
        number[OWN + i] = documented[i].number;
    trap_judge = refuse;
    return trap_calls(number, COUNT_OF(number), false);
}

static int
use_all(const char *options)
{
    if (!freopen("/dev/null", "w", stderr) || !allow_documented() || !set_options(options))
        return UNABLE;
    enum verdict v = work();
    (void)jsm_malloc_trim(0);
    jsm_malloc_stats();
    (void)jsm_option_set("stats", "exit");
    (void)jsm_option_set("guard_sample", "2");
    v = v == GOOD ? work() : v;
    if (v == GOOD)
        exit(0);
    return v;
}

static int
misuse(void)
{
    void *p = jsm_malloc(10);

    if (!freopen("/dev/null", "w", stderr) || !allow_documented())
        return UNABLE;
    jsm_free(hide(p));
    jsm_free(hide(p));
    return GOOD;
}

/* A sandbox that allows the least there is: part 2 of the document. */
static long
answer_enosys(long number, const long arg[6])
{
    (void)number;
    (void)arg;
    return -ENOSYS;
}

static int
use_with_least(void)
{
    static const long least[] = {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_futex, SYS_write,
        SYS_exit_group, SYS_rt_sigreturn};

    trap_judge = answer_enosys;
    if (!freopen("/dev/null", "w", stderr) || !trap_calls(least, COUNT_OF(least), false))
        return UNABLE;
    enum verdict v = scenario();
    if (v == GOOD)
        v = use_heap(JSM_HEAP_BRK, false);
    if (v == GOOD && n_refused > 0)
        v = NO_SERVICE;
    if (v == GOOD)
        v = work(); /* once more, and with the os_ allocator, which needs the break */
    (void)jsm_malloc_trim(0);
    jsm_malloc_stats();
    return v;
}

static void
test_documents(void)
{
    char path[4096], line[2000], name[64];
    const char *top = getenv("top_srcdir");
    unsigned n = 0, unknown = 0;

    snprintf(path, sizeof path, "%s/doc/syscalls.md", top != NULL ? top : ".");
    FILE *f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        bool known = false;
        if (sscanf(line, "| `%63[a-z0-9_]` |", name) != 1)
            continue;
        n++;
        for (unsigned i = 0; i < DOCUMENTED; i++)
            known = known || strcmp(documented[i].name, name) == 0;
        if (!known)
            diag("%s is not known to this test", name);
        unknown += !known;
    }
    if (f != NULL)
        fclose(f);
    is_uint(n, DOCUMENTED, "doc/syscalls.md has as many calls as this test");
    is_uint(unknown, 0, "and the same");
}

int
main(void)
{
    static const char *const options[] = {"", "trim_threshold=0,purge_delay=0,thp=on",
        "source=brk,arena_size=2M,arena_shift_max=0", "mmap_threshold=300000,memory_limit=auto", "slab_max=8K"};

    plan(2 + COUNT_OF(options) + 2);
    test_documents();
    if (!traps_work()) {
        skip(COUNT_OF(options) + 2, TRAPS_WHY);
        return done();
    }
    for (unsigned i = 0; i < COUNT_OF(options); i++) {
        pid_t child = fork_timed();
        if (child == 0)
            _exit(use_all(options[i]));
        is_int(verdict_of(child), 0, "no other calls are made with %s",
               options[i][0] != '\0' ? options[i] : "no options");
    }
    pid_t child = fork_timed();
    if (child == 0)
        _exit(misuse());
    is_int(verdict_of(child), -SIGABRT, "nor for a report of misuse");
    child = fork_timed();
    if (child == 0)
        _exit(use_with_least());
    is_int(verdict_of(child), GOOD, "all works where only the least is allowed, and the rest is ENOSYS");
    return done();
}
