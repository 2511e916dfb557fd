/* bench/steps.c - counts the instructions that one malloc and one free execute, from their first to their return.
 *
 *   steps SIZE PRELOAD
 *
 * A child is started with the library preloaded; after a warm-up it allocates and frees blocks of SIZE bytes while
 * this process executes it one instruction at a time.  The functions are called through pointers that the loader
 * gave, so no PLT stub of the caller is counted; all that they call is.  The usual call is reported (the median of
 * many), with the fewest and the most, once for a block that is freed at once ("pair") and once for blocks out of a
 * working set ("among").
 *
 * SPDX-License-Identifier: MIT
 */
#include "bench.h"

#include <dlfcn.h>
#include <elf.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

enum { CALLS = 201, WARM_UP = 5000, LIVE = 500 };

/* What the child tells; in memory that both see, since its addresses are chosen after exec. */
struct told {
    uintptr_t malloc_address;
    uintptr_t free_address;
};

struct counter {
    uintptr_t address;
    long count[2 * CALLS];
    size_t n_calls;
};

struct place {
    uintptr_t pc;
    uintptr_t sp;
    uintptr_t link; /* return address, if it is in a register */
};

static struct place
place_of(pid_t pid)
{
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
    struct user_regs_struct regs;
    struct iovec io = { &regs, sizeof regs };

    if (ptrace(PTRACE_GETREGSET, pid, (void *)(uintptr_t)NT_PRSTATUS, &io) != 0)
        bench_die("ptrace: registers");
#if defined(__x86_64__)
    return (struct place){ regs.rip, regs.rsp, 0 };
#elif defined(__i386__)
    return (struct place){ (uintptr_t)regs.eip, (uintptr_t)regs.esp, 0 };
#else
    return (struct place){ regs.pc, regs.sp, regs.regs[30] };
#endif
#else
    (void)pid;
    errno = ENOSYS;
    bench_die("single steps");
#endif
}

/* The address that the function which was just entered will return to. */
static uintptr_t
return_address(pid_t pid, struct place entry)
{
    if (entry.link != 0)
        return entry.link;
    errno = 0;

    long word = ptrace(PTRACE_PEEKDATA, pid, (void *)entry.sp, NULL);

    if (errno != 0)
        bench_die("ptrace: stack");
    return (uintptr_t)word;
}

static bool
step(pid_t pid)
{
    int status;

    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid)
        bench_die("ptrace: step");
    return !WIFEXITED(status) && !WIFSIGNALED(status);
}

/* Executes the function at whose first instruction the child stands; returns how many instructions it had. */
static long
count_call(pid_t pid, struct place entry)
{
    uintptr_t back = return_address(pid, entry);
    long n = 0;

    for (;;) {
        if (!step(pid))
            bench_fail("the child ended inside a call");
        n++;

        struct place now = place_of(pid);

        if (now.pc == back && now.sp >= entry.sp)
            return n;
    }
}

static int
compare(const void *a, const void *b)
{
    long x = *(const long *)a, y = *(const long *)b;

    return (x > y) - (x < y);
}

static void
report(const char *kind, const char *function, long *count)
{
    char name[64];

    qsort(count, CALLS, sizeof *count, compare);
    snprintf(name, sizeof name, "%s-%s", kind, function);
    bench_report(name, (double)count[CALLS / 2], "instructions");
    snprintf(name, sizeof name, "%s-%s-fewest", kind, function);
    bench_report(name, (double)count[0], "instructions");
    snprintf(name, sizeof name, "%s-%s-most", kind, function);
    bench_report(name, (double)count[CALLS - 1], "instructions");
}

static void
follow(pid_t pid, const struct told *told)
{
    static struct counter c[2];

    c[0].address = told->malloc_address;
    c[1].address = told->free_address;
    while (c[0].n_calls < 2 * CALLS || c[1].n_calls < 2 * CALLS) {
        struct place now = place_of(pid);
        struct counter *called = now.pc == c[0].address ? &c[0] : now.pc == c[1].address ? &c[1] : NULL;

        if (called != NULL && called->n_calls < 2 * CALLS) {
            called->count[called->n_calls++] = count_call(pid, now);
            continue;
        }
        if (!step(pid))
            bench_fail("the child ended early");
    }
    report("pair", "malloc", c[0].count);
    report("pair", "free", c[1].count);
    report("among", "malloc", c[0].count + CALLS);
    report("among", "free", c[1].count + CALLS);
}

/* The traced side.  It says where malloc and free lie, warms up, stops, and makes the calls that are counted. */
static int
child(size_t size, struct told *told)
{
    void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(RTLD_DEFAULT, "malloc");
    void (*release)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "free");
    static void *live[LIVE];
    struct bench_random random = bench_seed(12);

    for (size_t i = 0; i < WARM_UP; i++) {
        size_t j = bench_below(&random, LIVE);

        release(live[j]);
        live[j] = allocate(size);
        release(allocate(size));
    }
    told->malloc_address = (uintptr_t)allocate;
    told->free_address = (uintptr_t)release;
    raise(SIGSTOP);
    for (size_t i = 0; i < CALLS; i++)
        release(allocate(size));
    for (size_t i = 0; i < CALLS; i++) {
        size_t j = bench_below(&random, LIVE);

        release(live[j]);
        live[j] = allocate(size);
    }
    return 0;
}

static struct told *
share(int fd)
{
    void *p = mmap(NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        bench_die("mmap");
    return p;
}

static void
start_traced(char **argv, int fd)
{
    char fd_text[16];

    snprintf(fd_text, sizeof fd_text, "%d", fd);
    if (argv[2][0] != '\0')
        setenv("LD_PRELOAD", argv[2], 1);
    /* Every function is bound before the count begins. */
    setenv("LD_BIND_NOW", "1", 1);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
        execl("/proc/self/exe", argv[0], argv[1], "child", fd_text, (char *)NULL);
    _exit(127);
}

int
main(int argc, char **argv)
{
    int status;

    if (argc == 4 && strcmp(argv[2], "child") == 0)
        return child((size_t)bench_number(argv[1]), share((int)bench_number(argv[3])));
    if (argc != 3)
        bench_usage("steps SIZE PRELOAD");

    int fd = memfd_create("steps", 0);

    if (fd < 0 || ftruncate(fd, sizeof(struct told)) != 0)
        bench_die("memfd_create");

    pid_t pid = fork();

    if (pid == 0)
        start_traced(argv, fd);
    /* The first stop is exec's, a SIGTRAP; the second is the child's own. */
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || ptrace(PTRACE_CONT, pid, NULL, NULL) != 0)
        bench_die("ptrace: start");
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
        bench_die("ptrace: the child did not come to its start");
    follow(pid, share(fd));
    ptrace(PTRACE_KILL, pid, NULL, NULL);
    waitpid(pid, &status, 0);
    return 0;
}
