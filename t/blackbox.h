/* t/blackbox.h - what the tests of the library's outside have in common.
 *
 * They are written in terms of the jsm_* names and built with libcore.la, where libc's malloc
 * lives beside ours.  With JSM_TEST_STANDARD defined the very same test is about the standard
 * names, and is linked to libjsmalloc.la.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_BLACKBOX_H
#define JSM_BLACKBOX_H

#include <config.h>

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <jsmalloc.h>

#include "tap.h"

#ifdef JSM_TEST_STANDARD
/* Those which <stdlib.h> and <malloc.h> do not have, or not everywhere. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);
void cfree(void *p);
void *reallocf(void *p, size_t size);
void *recallocarray(void *p, size_t old_count, size_t count, size_t size);
void freezero(void *p, size_t size);
size_t malloc_size(const void *p);
size_t malloc_good_size(size_t size);
void *pvalloc(size_t size);
int mallopt(int number, int value);
void malloc_stats(void);
int malloc_info(int options, FILE *stream);
int malloc_trim(size_t pad);

#define jsm_malloc malloc
#define jsm_calloc calloc
#define jsm_realloc realloc
#define jsm_free free
#define jsm_reallocarray reallocarray
#define jsm_aligned_alloc aligned_alloc
#define jsm_posix_memalign posix_memalign
#define jsm_memalign memalign
#define jsm_valloc valloc
#define jsm_pvalloc pvalloc
#define jsm_malloc_usable_size malloc_usable_size
#define jsm_free_sized free_sized
#define jsm_free_aligned_sized free_aligned_sized
#define jsm_cfree cfree
#define jsm_reallocf reallocf
#define jsm_recallocarray recallocarray
#define jsm_freezero freezero
#define jsm_malloc_size malloc_size
#define jsm_malloc_good_size malloc_good_size
#define jsm_mallopt mallopt
#ifdef __GLIBC__
#define jsm_mallinfo mallinfo
#define jsm_mallinfo2 mallinfo2
#else
struct jsm_mallinfo mallinfo(void);
struct jsm_mallinfo2 mallinfo2(void);
#define jsm_mallinfo() mallinfo()
#define jsm_mallinfo2() mallinfo2()
#endif
#define jsm_malloc_stats malloc_stats
#define jsm_malloc_info malloc_info
#define jsm_malloc_trim malloc_trim
#endif

/* Whether thread or address sanitizer is in the test. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* What sanitizers are to do here.  Faults are signals, for tests that say so before they include this file: their
 * children die of them.  ThreadSanitizer's _exit() does not wait for a second, in each child that has had threads; and
 * children of such a process may have threads of their own. */
#ifdef FAULTS_ARE_SIGNALS
#define SANITIZER_FAULTS "handle_segv=0:handle_sigbus=0"
#else
#define SANITIZER_FAULTS ""
#endif
#if SANITIZED
/* Weak: more than one file of a test may include this. */
#define SANITIZER_OPTIONS __attribute__((weak, visibility("default"))) const char *
SANITIZER_OPTIONS __tsan_default_options(void);
SANITIZER_OPTIONS __asan_default_options(void);

SANITIZER_OPTIONS
__tsan_default_options(void)
{
    return "atexit_sleep_ms=0:die_after_fork=0:" SANITIZER_FAULTS;
}

SANITIZER_OPTIONS
__asan_default_options(void)
{
    return SANITIZER_FAULTS;
}
#endif

#define BB_UNUSED __attribute__((unused))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * 1024)

/* glibc's numbers for mallopt(), which not each <malloc.h> has. */
#ifndef M_MXFAST
enum { M_MXFAST = 1, M_TRIM_THRESHOLD = -1, M_TOP_PAD = -2, M_MMAP_THRESHOLD = -3, M_MMAP_MAX = -4 };
#endif

#ifdef __GLIBC__
#define IS_GLIBC true
#else
#define IS_GLIBC false
/* musl's sbrk() moves nothing: here is the library's own break, see os/mem.c, for the tests to move as well. */
void *jsm_os_break(void);
void *jsm_os_break_grow(size_t bytes);

static inline void *
test_sbrk(intptr_t n)
{
    void *p = n > 0 ? jsm_os_break_grow((size_t)n) : jsm_os_break(); /* never down */

    return p != NULL ? p : (void *)-1;
}
#define sbrk test_sbrk
#endif

/* A value of errno that no function of the library sets. */
#define ERRNO_MARK EXDEV

/* The same pointer or size, of which the compiler knows nothing any more: neither how large the
 * block was asked to be, nor that it was freed. */
BB_UNUSED static void *
hide(const void *p)
{
    uintptr_t n = (uintptr_t)p;

    __asm__ volatile("" : "+r"(n));
    return (void *)n;
}

BB_UNUSED static size_t
hide_size(size_t n)
{
    __asm__ volatile("" : "+r"(n));
    return n;
}

/* Whether the long version of the tests is wanted. */
BB_UNUSED static bool
want_extra(void)
{
    const char *e = getenv("JSM_TEST_EXTRA");

    return e != NULL && e[0] == '1';
}

/* The seconds after which a child hangs that is given `usual` on a fast machine: more where t/limit gives more than its
   300 to a whole test, by JSM_TEST_SECONDS for a slow or busy one. */
BB_UNUSED static unsigned
patience(unsigned usual)
{
    const char *text = getenv("JSM_TEST_SECONDS");
    unsigned long limit = text == NULL ? 0 : strtoul(text, NULL, 10);

    return limit > 300 && limit <= 1000000 ? (unsigned)(limit * usual / 300) : usual;
}

/* Whether qemu-user runs the test. */
BB_UNUSED static bool
under_qemu(void)
{
    const char *emulator = getenv("JSM_EMULATOR");

    return emulator != NULL && strstr(emulator, "qemu") != NULL;
}

/* Whether that or valgrind runs it; both keep a break of their own, and make little of limits. */
BB_UNUSED static bool
is_emulated(void)
{
    const char *emulator = getenv("JSM_EMULATOR");

    return emulator != NULL && emulator[0] != '\0';
}

BB_UNUSED static bool
under_valgrind(void)
{
    return is_emulated() && !under_qemu();
}

/* Whether one of these, or a sanitizer, makes all of it many times slower. */
BB_UNUSED static bool
is_slow(void)
{
    return SANITIZED || is_emulated();
}

/* `full` under JSM_TEST_EXTRA, a tenth of `usual` where an emulator or valgrind runs the test. */
BB_UNUSED static unsigned
rounds(unsigned usual, unsigned full)
{
    if (want_extra())
        return full;
    return is_emulated() ? usual / 10 + 1 : usual;
}

/* ---- Random numbers ---- */

/* The seed of this run, from JSM_TEST_SEED if that is set; it is printed. */
BB_UNUSED static uint64_t
test_seed(void)
{
    const char *e = getenv("JSM_TEST_SEED");
    struct timespec now;
    uint64_t seed;

    clock_gettime(CLOCK_REALTIME, &now);
    seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec + (uint64_t)getpid() * 7919;
    if (e != NULL && e[0] != '\0')
        seed = strtoull(e, NULL, 0);
    diag("JSM_TEST_SEED=%llu", (unsigned long long)seed);
    return seed;
}

BB_UNUSED static uint64_t
random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below `n`. */
BB_UNUSED static size_t
random_below(uint64_t *state, size_t n)
{
    return (size_t)(random_next(state) % n);
}

/* ---- Contents of blocks ---- */

/* Word number `i` of the pattern that belongs to `id`. */
static inline uint64_t
pattern_word(uint64_t id, size_t i)
{
    return (id + 1) * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)i * UINT64_C(0x0101010101010101) + i;
}

/* All of it up to here; beyond, a word in each 4 KiB, and the end. */
#define PATTERN_DENSE_BYTES (32 * KIB)

/* Calls `word` for each piece of the pattern of a block of `n` bytes, the last may be shorter than
 * a word.  Positions before the end do not depend on `n`. */
BB_UNUSED static bool
pattern_each(unsigned char *p, size_t n, uint64_t id, bool (*word)(unsigned char *, const void *, size_t))
{
    size_t i = 0;

    while (i < n) {
        uint64_t w = pattern_word(id, i / 8);
        if (!word(p + i, &w, n - i < 8 ? n - i : 8))
            return false;
        i += i < PATTERN_DENSE_BYTES ? 8 : 4096;
    }
    return true;
}

BB_UNUSED static bool
pattern_put(unsigned char *at, const void *w, size_t n)
{
    memcpy(at, w, n);
    return true;
}

BB_UNUSED static bool
pattern_same(unsigned char *at, const void *w, size_t n)
{
    return memcmp(at, w, n) == 0;
}

/* Fills the `n` bytes at `p` with the pattern of `id`; its last byte is always part of it. */
BB_UNUSED static void
fill(void *p, size_t n, uint64_t id)
{
    unsigned char *b = hide(p);

    (void)pattern_each(b, n, id, pattern_put);
    if (n > PATTERN_DENSE_BYTES)
        b[n - 1] = (unsigned char)id;
}

/* Whether `n` bytes at `p`, the first of `filled` bytes once given to fill(), are as they were. */
BB_UNUSED static bool
is_filled(const void *p, size_t n, size_t filled, uint64_t id)
{
    unsigned char *b = hide(p);

    if (filled > PATTERN_DENSE_BYTES && n == filled) {
        if (b[n - 1] != (unsigned char)id)
            return false;
        n--;
    }
    return pattern_each(b, n, id, pattern_same);
}

/* Whether the `n` bytes at `p` all are `byte`. */
BB_UNUSED static bool
is_all(const void *p, size_t n, unsigned char byte)
{
    const unsigned char *b = hide(p);

    if (n == 0)
        return true;
    return b[0] == byte && memcmp(b, b + 1, n - 1) == 0;
}

/* memset() that the compiler neither leaves out nor checks against what was asked for. */
BB_UNUSED static void
set_all(void *p, size_t n, unsigned char byte)
{
    memset(hide(p), byte, hide_size(n));
}

/* What the address of a block of `size` bytes must be a multiple of. */
BB_UNUSED static size_t
natural_align(size_t size)
{
    size_t align = 1;

    while (align < 16 && align * 2 <= size)
        align *= 2;
    return align;
}

BB_UNUSED static bool
is_aligned(const void *p, size_t align)
{
    return ((uintptr_t)p & (align - 1)) == 0;
}

/* ---- Children ---- */

/* fork() with a child that does not hang for ever, and the test with it. */
BB_UNUSED static pid_t
fork_timed(void)
{
    pid_t child = fork();

    if (child == 0)
        alarm(patience(120));
    return child;
}

/* _exit() for the child of a process that had threads, without what ThreadSanitizer says about those. */
BB_UNUSED static _Noreturn void
exit_at_once(int status)
{
    (void)syscall(SYS_exit_group, status);
    abort();
}

/* Exit status of a child, -1 when there was none, -signal when it was killed. */
BB_UNUSED static int
verdict_of(pid_t child)
{
    int status;

    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#endif
