/* os/mem.c - mappings, on Linux.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE  103
#endif

volatile int jsm_os_fail_after = -1;
volatile bool jsm_os_fail_sticky = false;

/* Whether this call is the one that the test wants to see fail. */
static bool
injected_failure(void)
{
    if (jsm_likely(jsm_os_fail_after < 0))
        return false;
    if (jsm_os_fail_after > 0) {
        jsm_os_fail_after--;
        return false;
    }
    if (!jsm_os_fail_sticky)
        jsm_os_fail_after = -1;
    return true;
}

JSM_CORE size_t
jsm_os_page_bytes(void)
{
    static _Atomic(size_t) page_bytes;
    /* ORDER: relaxed; every thread that finds 0 computes the same value. */
    size_t n = jsm_load_relaxed(&page_bytes);

    if (jsm_unlikely(n == 0)) {
        n = (size_t)getauxval(AT_PAGESZ);
        if (n == 0)
            n = 4096;
        /* ORDER: relaxed, as above. */
        jsm_store_relaxed(&page_bytes, n);
    }
    return n;
}

JSM_CORE static void *
map_raw(size_t bytes, int protection)
{
    if (injected_failure())
        return NULL;

    int saved_errno = errno;
    void *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    return p == MAP_FAILED ? NULL : p;
}

JSM_CORE static void *
map_aligned(size_t bytes, size_t align, int protection)
{
    size_t page = jsm_os_page_bytes();
    uint8_t *p = map_raw(bytes, protection);

    if (p == NULL || ((uintptr_t)p & (align - 1)) == 0)
        return p;
    jsm_os_unmap(p, bytes);

    /* Not aligned by luck: map what certainly holds an aligned part, and cut the rest off. */
    size_t slack = align - page;
    if (bytes + slack < bytes)
        return NULL;
    p = map_raw(bytes + slack, protection);
    if (p == NULL)
        return NULL;
    uint8_t *start = (uint8_t *)jsm_round_up((uintptr_t)p, align);
    if (start > p)
        jsm_os_unmap(p, (size_t)(start - p));
    if (start + bytes < p + bytes + slack)
        jsm_os_unmap(start + bytes, (size_t)(p + slack - start));
    return start;
}

JSM_CORE void *
jsm_os_reserve(size_t bytes, size_t align)
{
    return map_aligned(bytes, align, PROT_NONE);
}

void *
jsm_os_map(size_t bytes, size_t align)
{
    return map_aligned(bytes, align, PROT_READ | PROT_WRITE);
}

static int
protect(void *addr, size_t bytes, int protection)
{
    if (injected_failure())
        return ENOMEM;

    int saved_errno = errno;
    int result = mprotect(addr, bytes, protection) == 0 ? 0 : errno;
    errno = saved_errno;
    return result;
}

JSM_CORE int
jsm_os_commit(void *addr, size_t bytes)
{
    return protect(addr, bytes, PROT_READ | PROT_WRITE);
}

JSM_CORE int
jsm_os_commit_read(void *addr, size_t bytes)
{
    return protect(addr, bytes, PROT_READ);
}

static int
advise(void *addr, size_t bytes, int advice)
{
    int saved_errno = errno;
    int result = madvise(addr, bytes, advice) == 0 ? 0 : errno;
    errno = saved_errno;
    return result;
}

/* Whether the kernel has guards: qemu-user, for one, says yes to any advice and does nothing. */
static bool
try_guard(void)
{
    size_t page = jsm_os_page_bytes();
    uint8_t *p = map_raw(page, PROT_READ | PROT_WRITE);

    if (p == NULL)
        return false;
    *(volatile uint8_t *)p = 1;
    bool works = advise(p, page, MADV_GUARD_INSTALL) == 0 && advise(p, page, MADV_GUARD_REMOVE) == 0 &&
        *(volatile uint8_t *)p == 0;
    (void)jsm_os_unmap(p, page);
    return works;
}

int
jsm_os_guard(void *addr, size_t bytes)
{
    enum { UNKNOWN, WORKS, LACKS };
    static _Atomic(uint32_t) known;
    /* ORDER: relaxed, both; every thread that finds out finds the same. */
    uint32_t now = jsm_load_relaxed(&known);

    if (jsm_unlikely(now == UNKNOWN)) {
        now = try_guard() ? WORKS : LACKS;
        jsm_store_relaxed(&known, now);
    }
    return now == WORKS && advise(addr, bytes, MADV_GUARD_INSTALL) == 0 ? 0 : ENOSYS;
}

int
jsm_os_unguard(void *addr, size_t bytes)
{
    return advise(addr, bytes, MADV_GUARD_REMOVE);
}

int
jsm_os_shut(void *addr, size_t bytes)
{
    return protect(addr, bytes, PROT_NONE);
}

int
jsm_os_decommit(void *addr, size_t bytes)
{
    int result = jsm_os_shut(addr, bytes);

    if (result == 0)
        (void)advise(addr, bytes, MADV_DONTNEED);
    return result;
}

int
jsm_os_unmap(void *addr, size_t bytes)
{
    int saved_errno = errno;
    int result = munmap(addr, bytes) == 0 ? 0 : errno;
    errno = saved_errno;
    return result;
}

int
jsm_os_purge(void *addr, size_t bytes)
{
    return advise(addr, bytes, MADV_DONTNEED);
}

int
jsm_os_move(void *from, void *to, size_t bytes)
{
    if (injected_failure())
        return ENOMEM;

    int saved_errno = errno;
    void *p = mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to);
    int result = p == MAP_FAILED ? ENOSYS : 0;
    /* A fresh mapping in place of what stayed behind joins its neighbours again.  (And qemu-user
     * forgets that anything stayed.)  If it is refused, the old one is as good. */
    if (result == 0)
        (void)mmap(from, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    errno = saved_errno;
    return result;
}

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* Not mremap(): it takes one mapping of the kernel's, and after pages were moved, or protections
 * changed, a block may consist of several. */
bool
jsm_os_resize(void *addr, size_t old_bytes, size_t new_bytes)
{
    uint8_t *end = (uint8_t *)addr + old_bytes;

    if (new_bytes < old_bytes)
        return jsm_os_unmap((uint8_t *)addr + new_bytes, old_bytes - new_bytes) == 0;
    if (injected_failure())
        return false;

    int saved_errno = errno;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    void *p = mmap(end, new_bytes - old_bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p != MAP_FAILED && p != end) { /* a kernel that took the address for a hint */
        (void)munmap(p, new_bytes - old_bytes);
        p = MAP_FAILED;
    }
    errno = saved_errno;
    return p != MAP_FAILED;
}

bool
jsm_os_relocate(void *addr, size_t old_bytes, void *to, size_t new_bytes)
{
    if (jsm_os_commit((uint8_t *)to + old_bytes, new_bytes - old_bytes) != 0 || injected_failure())
        return false;

    int saved_errno = errno;
    bool done = mremap(addr, old_bytes, old_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED;
    errno = saved_errno;
    return done;
}

#ifdef __GLIBC__
/* Here the functions of libc, not the system call: libc remembers where the break is, and whoever calls sbrk()
 * next would go by that. */
void *
jsm_os_break(void)
{
    return sbrk(0);
}

static void *
move_break(size_t bytes)
{
    int saved_errno = errno;
    void *p = sbrk((intptr_t)bytes);
    /* Where a filter answers the call with an error libc takes that for the new break, far up, and is content. */
    bool moved = p != (void *)-1 && (uintptr_t)sbrk(0) < (uintptr_t)-4096;

    errno = saved_errno;
    return moved ? p : NULL;
}
#else
/* musl keeps the break for its own malloc: its sbrk() moves nothing, and what the system call would give us it
 * cuts off again.  Addresses that are reserved at the first use stand for the heap then. */
static struct {
    uint8_t *start;
    size_t bytes, used_bytes, ready_bytes;
} private_break;

void *
jsm_os_break(void)
{
    size_t bytes = UINTPTR_MAX > UINT32_MAX ? 65536 * JSM_MIB : 512 * JSM_MIB;
    int saved_errno = errno;

    for (; private_break.start == NULL && bytes >= JSM_MIB; bytes /= 16) {
        void *p = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED) {
            private_break.start = p;
            private_break.bytes = bytes;
        }
    }
    errno = saved_errno;
    if (private_break.start == NULL)
        return &private_break; /* no heap starts here: move_break() fails */
    return private_break.start + private_break.used_bytes;
}

static void *
move_break(size_t bytes)
{
    uint8_t *p = jsm_os_break();

    if (private_break.start == NULL || bytes > private_break.bytes - private_break.used_bytes)
        return NULL;
    size_t ready_bytes = jsm_round_up(private_break.used_bytes + bytes, 64 * JSM_KIB);
    if (ready_bytes > private_break.ready_bytes) {
        int saved_errno = errno, result = mprotect(private_break.start, ready_bytes, PROT_READ | PROT_WRITE);
        errno = saved_errno;
        if (result != 0)
            return NULL;
        private_break.ready_bytes = ready_bytes;
    }
    private_break.used_bytes += bytes;
    return p;
}
#endif

void *
jsm_os_break_grow(size_t bytes)
{
    return injected_failure() || bytes > PTRDIFF_MAX ? NULL : move_break(bytes);
}

size_t
jsm_os_resident_in(const void *addr, size_t bytes)
{
    size_t page = jsm_os_page_bytes(), n_resident = 0;
    uintptr_t from = jsm_round_down((uintptr_t)addr, page);
    uintptr_t to = bytes > 0 ? jsm_round_up((uintptr_t)addr + bytes, page) : from;
    unsigned char state[4096]; /* of a page each */
    int saved_errno = errno;

    while (from < to) {
        size_t n = jsm_min((to - from) / page, sizeof state);
        bool known = syscall(SYS_mincore, from, n * page, state) == 0;
        for (size_t i = 0; i < n; i++)
            n_resident += !known || (state[i] & 1) != 0;
        from += n * page;
    }
    errno = saved_errno;
    return n_resident * page;
}

JSM_CORE size_t
jsm_os_address_limit_bytes(void)
{
    int saved_errno = errno;
    struct { uint64_t now, most; } limit; /* as the kernel has it, on all architectures */
    size_t bytes = SIZE_MAX;

    if (syscall(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit) == 0 && limit.now < SIZE_MAX)
        bytes = (size_t)limit.now; /* no limit is UINT64_MAX */
    errno = saved_errno;
    return bytes;
}

void
jsm_os_huge_pages(void *addr, size_t bytes, bool wanted)
{
    int saved_errno = errno;

    (void)madvise(addr, bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    errno = saved_errno;
}

void
jsm_os_conceal(void *addr, size_t bytes, bool wanted)
{
    int saved_errno = errno;

    (void)madvise(addr, bytes, wanted ? MADV_DONTDUMP : MADV_DODUMP);
    (void)madvise(addr, bytes, wanted ? MADV_WIPEONFORK : MADV_KEEPONFORK);
    errno = saved_errno;
}
