/* os/stack.c - who called: the return addresses of the calling thread.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "os/os.h"

#include <link.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>

/* ---- libc's list of objects ---- */

static bool had_threads; /* [const] but for the child of fork(), which has one thread */

void
jsm_os_stack_after_fork(void)
{
    had_threads = true;
}

/* glibc has _dl_find_object() since 2.35, and gcc's library asks that as well, without a lock.  Earlier ones have the
 * lock of dl_iterate_phdr() alone, and fork() leaves it as it is; other libcs' fork() takes it. */
bool
jsm_os_may_list_objects(void)
{
#if defined(__GLIBC__) && !defined(HAVE__DL_FIND_OBJECT)
    return !had_threads;
#else
    return true;
#endif
}

/* ---- Where os/unwind.c does not know the processor ---- */

#ifdef HAVE_BACKTRACE
#include <execinfo.h>

static unsigned
walk(void **frames, unsigned max)
{
    int n = backtrace(frames, (int)max);

    return n > 0 ? (unsigned)n : 0;
}
#elif defined(HAVE__UNWIND_BACKTRACE)
#include <unwind.h>

struct walk {
    void **frames;
    unsigned n, max;
};

static _Unwind_Reason_Code
step(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;

    if (w->n == w->max)
        return _URC_END_OF_STACK;
    w->frames[w->n++] = (void *)(uintptr_t)_Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static unsigned
walk(void **frames, unsigned max)
{
    struct walk w = { frames, 0, max };

    (void)_Unwind_Backtrace(step, &w);
    return w.n;
}
#else
static unsigned
walk(void **frames, unsigned max)
{
    (void)max;
    frames[0] = __builtin_return_address(0);
    return 1;
}
#endif

/* Where the linker puts the header of the file that this is part of. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((weak, visibility("hidden")));

/* Whether `p` is code of a shared library that this is part of; in a static program nobody can tell. */
static bool
is_own(const void *p)
{
    uintptr_t base = (uintptr_t)&__ehdr_start;

    if (base == 0 || __ehdr_start.e_type != ET_DYN || base + __ehdr_start.e_phoff == getauxval(AT_PHDR))
        return false;
    const ElfW(Phdr) *ph = (const ElfW(Phdr) *)(base + __ehdr_start.e_phoff);
    for (unsigned i = 0; i < __ehdr_start.e_phnum; i++)
        if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X) != 0 &&
            (uintptr_t)p - (base + ph[i].p_vaddr) < ph[i].p_memsz)
            return true;
    return false;
}

JSM_NOINLINE unsigned
jsm_os_stack(void **frames, unsigned max)
{
    void *all[JSM_OS_STACK_MAX + 16];
    enum { OWN_MAX = 16, MAX = sizeof all / sizeof all[0] };
    unsigned n = jsm_os_unwind(NULL, all, jsm_min(max + OWN_MAX, (unsigned)MAX)), own = 0;

    if (n == 0 && jsm_os_may_list_objects())
        n = walk(all, MAX);

    while (own < n && is_own(all[own]))
        own++;
    n = jsm_min(n - own, max);
    memcpy(frames, all + own, n * sizeof frames[0]);
    return n;
}
