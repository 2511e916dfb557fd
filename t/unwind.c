/* t/unwind.c - the unwinder finds the callers that there are, in code that keeps no frame pointers.
 *
 * It is built without them.  Each caller notes where it will be returned to; the stack has to have these places in this
 * order, and be as long as the one that libc finds.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <alloca.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#ifdef HAVE_BACKTRACE
#include <execinfo.h>
#endif

enum { MAX = 64, DEEP = 40 };

static void *frames[MAX], *noted[MAX], *by_libc[MAX];
static unsigned n_frames, n_noted, n_by_libc;
static const void *context; /* of a signal; NULL: the caller */

#define NOTE_CALLER() noted[n_noted++] = __builtin_extract_return_addr(__builtin_return_address(0))

/* Keeps calls in place that would be jumps. */
#define AFTER() __asm__ volatile("" : : : "memory")

__attribute__((noinline)) static void
take(void)
{
    NOTE_CALLER();
    n_frames = jsm_os_unwind(context, frames, MAX);
#ifdef HAVE_BACKTRACE
    int n = backtrace(by_libc, MAX);
    n_by_libc = n > 0 ? (unsigned)n : 0;
#endif
    AFTER();
}

/* Whether the stack has all that was noted, innermost first, and no other places between. */
static bool
has_noted(void)
{
    unsigned at = 0;

    while (at < n_frames && frames[at] != noted[n_noted - 1])
        at++;
    for (unsigned i = 0; i < n_noted; i++, at++)
        if (at >= n_frames || frames[at] != noted[n_noted - 1 - i])
            return false;
    return true;
}

/* Whether libc has found the same callers of take(), up to where the thread begins. */
static bool
is_as_by_libc(void)
{
    unsigned ours = 0, its = 0;

    while (ours < n_frames && frames[ours] != noted[n_noted - 1])
        ours++;
    while (its < n_by_libc && by_libc[its] != noted[n_noted - 1])
        its++;
    if (its == n_by_libc)
        return n_by_libc == 0; /* a libc that does not look */
    for (; its < n_by_libc && ours < n_frames; ours++, its++)
        if (frames[ours] != by_libc[its] && frames[ours] != (char *)by_libc[its] + 1) /* what a signal interrupted */
            break;
    if (its == n_by_libc && ours == n_frames)
        return true;
    diag("ours %u of %u, libc's %u of %u", ours, n_frames, its, n_by_libc);
    return false;
}

static void
check(const char *what)
{
    bool noted_well = has_noted(), same = is_as_by_libc();

    if (!ok(noted_well && same, "%s", what)) {
        diag("noted %s, as libc has it %s", noted_well ? "yes" : "no", same ? "yes" : "no");
        for (unsigned i = 0; i < n_frames; i++)
            diag("  %p", frames[i]);
        for (unsigned i = 0; i < n_noted; i++)
            diag("  noted %p", noted[n_noted - 1 - i]);
        for (unsigned i = 0; i < n_by_libc; i++)
            diag("  libc %p", by_libc[i]);
    }
    n_noted = n_frames = 0;
}

/* ---- Callers of many forms ---- */

static void (*volatile take_by)(void) = take;

__attribute__((noinline)) static void
plain(unsigned depth)
{
    NOTE_CALLER();
    if (depth > 0)
        plain(depth - 1);
    else
        take_by();
    AFTER();
}

__attribute__((noinline)) static void
with_much(unsigned bytes)
{
    NOTE_CALLER();
    char large[100000];
    set_all(large, sizeof large, (unsigned char)bytes);
    plain(2);
    set_all(large, sizeof large, 0);
}

__attribute__((noinline)) static void
with_variable_frame(size_t bytes)
{
    NOTE_CALLER();
    char *p = alloca(hide_size(bytes));
    set_all(p, bytes, 1);
    plain(2);
    set_all(p, bytes, 0);
}

__attribute__((noinline)) static void
with_aligned_frame(size_t bytes)
{
    NOTE_CALLER();
    _Alignas(64) char wide[256];
    char *p = alloca(hide_size(bytes));
    set_all(wide, sizeof wide, 1);
    set_all(p, bytes, 1);
    with_variable_frame(100);
    set_all(wide, sizeof wide, 0);
    set_all(p, bytes, 0);
}

static int
compare(const void *a, const void *b)
{
    if (n_frames == 0) {
        NOTE_CALLER();
        take_by();
    }
    return *(const int *)a - *(const int *)b;
}

__attribute__((noinline)) static void
by_way_of_libc(void)
{
    int numbers[] = { 3, 1, 2 };

    qsort(numbers, 3, sizeof numbers[0], compare);
    AFTER();
}

/* ---- Signals ---- */

static void
take_in_handler(int signal, siginfo_t *info, void *where)
{
    (void)signal;
    (void)info;
    context = where;
    take();
    context = NULL;
    n_noted--; /* the handler's place is no part of what was interrupted */
}

static void
go_on_in_handler(int signal)
{
    (void)signal;
    take_by();
}

__attribute__((noinline)) static void
stop_here(void)
{
    NOTE_CALLER();
    raise(SIGUSR1);
    AFTER();
}

static void
with_handler(void (*function)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = function, .sa_flags = SA_SIGINFO | flags };

    sigaction(SIGUSR1, &action, NULL);
    stop_here();
    signal(SIGUSR1, SIG_DFL);
}

static void
go_on_with_context(int signal, siginfo_t *info, void *where)
{
    (void)info;
    (void)where;
    go_on_in_handler(signal);
}

/* Two results: what was interrupted is found, and what libc finds. */
static void
check_beyond_handler(const char *what)
{
    const void *interrupted = noted[0];
    bool found = false;

    for (unsigned i = 0; i < n_frames; i++)
        found = found || frames[i] == interrupted;
    ok(found, "%s", what);
    ok(is_as_by_libc(), "and finds what libc finds");
    n_noted = 0;
}

static void
test_signals(void)
{
    static char other[64 * 1024];
    stack_t alternate = { .ss_sp = other, .ss_size = sizeof other };
    struct sigaction action = { .sa_handler = go_on_in_handler };

    if (!IS_GLIBC) {
        skip(6, "raise() of this libc has no unwind information");
        return;
    }
    n_by_libc = 0;
    with_handler(take_in_handler, 0);
    ok(has_noted() && n_frames > 2, "of what a signal has interrupted");
    n_noted = 0;
    sigaltstack(&alternate, NULL);
    with_handler(take_in_handler, SA_ONSTACK);
    ok(has_noted() && n_frames > 2, "also from another stack");
    n_noted = 0;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    stop_here();
    check_beyond_handler("a walk goes on where a handler has interrupted");
    with_handler(go_on_with_context, SA_ONSTACK);
    check_beyond_handler("and where one with three arguments has");
}

static void *touched;

static void
take_fault(int signal, siginfo_t *info, void *where)
{
    unsigned n = jsm_os_unwind(where, frames, MAX);
    int is_write = jsm_os_fault_is_write(where);
    (void)signal;

    _exit(info->si_addr == touched && n > 2 ? 10 + is_write : 1);
}

static int
fault(bool is_write)
{
    struct sigaction action = { .sa_sigaction = take_fault, .sa_flags = SA_SIGINFO };

    touched = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction(SIGSEGV, &action, NULL);
    if (is_write)
        *(volatile char *)touched = 1;
    else
        (void)*(volatile char *)touched;
    return 2;
}

static int
fault_by_read(void)
{
    return fault(false);
}

static int
fault_by_write(void)
{
    return fault(true);
}

static void
test_faults(void)
{
    struct child child;

    if (under_valgrind()) {
        skip(2, "memcheck takes these for errors of the program's, which ends with 99");
        return;
    }
    in_child(&child, fault_by_read);
    int by_read = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : -1;
    ok(by_read == 10 || by_read == 9, "a read that fails is not taken for a write");
    in_child(&child, fault_by_write);
    int by_write = WIFEXITED(child.status) ? WEXITSTATUS(child.status) : -1;
    ok(by_write == 11 || by_write == 9, "nor a write for a read");
}

/* ---- Stacks ---- */

static void *
in_thread(void *arg)
{
    (void)arg;
    with_aligned_frame(1000);
    return NULL;
}

static void
test_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    check("of a thread, up to its start");
}

#ifdef __GLIBC__
static ucontext_t main_context, other_context;

static void
in_coroutine(void)
{
    with_much(7);
    swapcontext(&other_context, &main_context);
}

static void
test_coroutine(void)
{
    size_t bytes = 1 << 20;
    char *stack = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    getcontext(&other_context);
    other_context.uc_stack.ss_sp = stack;
    other_context.uc_stack.ss_size = bytes;
    other_context.uc_link = &main_context;
    makecontext(&other_context, in_coroutine, 0);
    swapcontext(&main_context, &other_context);
    ok(has_noted(), "of a stack that the program has made");
    n_noted = n_frames = 0;
}
#else
static void
test_coroutine(void)
{
    skip(1, "no coroutines in this libc");
}
#endif

/* One frame lies far from the next, and what that one reads lies between, where nothing is. */
static void
test_far_apart(const void *in_aligned_frame)
{
#if defined(__x86_64__)
    ucontext_t far = { .uc_flags = 0 };
    void *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const void *frame[2] = { nothing, in_aligned_frame };

    far.uc_mcontext.gregs[REG_RIP] = 8;
    far.uc_mcontext.gregs[REG_RSP] = 4096;
    far.uc_mcontext.gregs[REG_RBP] = (greg_t)(uintptr_t)frame;
    is_uint(jsm_os_unwind(&far, frames, MAX), 2, "what lies between two frames is not taken for a part of the stack");
#else
    (void)in_aligned_frame;
    skip(1, "the registers have other names here");
#endif
}

/* Whatever the registers of a context are, there is no crash. */
static void
test_nonsense(void)
{
    ucontext_t nonsense;
    uint64_t seed = test_seed();
    unsigned too_many = 0;

    if (under_valgrind()) {
        skip(1, "memcheck says that what such a walk reads was never written");
        return;
    }
    for (unsigned i = 0; i < rounds(20000, 1000000); i++) {
        uint64_t words[sizeof nonsense / 8];
        for (size_t w = 0; w < COUNT_OF(words); w++) {
            words[w] = random_next(&seed) >> random_below(&seed, 64);
            if (random_below(&seed, 3) == 0)
                words[w] = (uint64_t)(uintptr_t)words + (words[w] & 0xfff8);
            else if (random_below(&seed, 3) == 0)
                words[w] = (uint64_t)(uintptr_t)test_nonsense + (words[w] & 0xffff);
        }
        memcpy(&nonsense, words, sizeof words);
        too_many += jsm_os_unwind(&nonsense, frames, MAX) > MAX;
    }
    is_uint(too_many, 0, "registers full of nonsense do no harm");
}

int
main(void)
{
    if (jsm_os_unwind(NULL, frames, MAX) == 0)
        skip_all("the unwinder does not know this processor");
    plan(6 + 6 + 2 + 1 + 1 + 1 + 1);
    end_if_stuck();
    plain(DEEP);
    check("functions without frame pointers");
    with_much(1);
    check("with long frames");
    with_variable_frame(5000);
    check("with frames of a length that is not known before");
    with_aligned_frame(3000);
    const void *in_aligned_frame = noted[1];
    check("with aligned frames");
    by_way_of_libc();
    check("by way of a function of libc");
    errno = ERRNO_MARK;
    (void)jsm_os_unwind(NULL, frames, 1);
    ok(errno == ERRNO_MARK, "errno stays");
    test_signals();
    test_faults();
    test_thread();
    test_coroutine();
    test_far_apart(in_aligned_frame);
    test_nonsense();
    return done();
}
