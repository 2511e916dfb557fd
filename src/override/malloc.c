/* override/malloc.c - the standard names, all of them in this one object file.
 *
 * One object, so that a static link takes all of the family from us or none of it: a program with
 * our free() and the C library's malloc(), behind strdup() say, must not be.  The operators of C++,
 * in override/cxx.c, may be apart: whichever are used, they come down to these functions.
 *
 * May include: base, os, rt, addr, arena, span, slab, class, heap, tcache, api.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"
#include "base/base.h"
#include "tcache/tcache.h"

#include <malloc.h>
#include <stdlib.h>

JSM_EXPORT void *
malloc(size_t size)
{
    return jsm_malloc_fast(size);
}

JSM_EXPORT void
free(void *p)
{
    jsm_free_fast(p);
}

JSM_EXPORT void *
calloc(size_t count, size_t size)
{
    return jsm_calloc_fast(count, size);
}

JSM_EXPORT void *
realloc(void *p, size_t size)
{
    return jsm_realloc(p, size);
}

JSM_EXPORT void *
reallocarray(void *p, size_t count, size_t size)
{
    return jsm_reallocarray(p, count, size);
}

JSM_EXPORT void *
aligned_alloc(size_t alignment, size_t size)
{
    return jsm_aligned_alloc(alignment, size);
}

JSM_EXPORT int
posix_memalign(void **where, size_t alignment, size_t size)
{
    return jsm_posix_memalign(where, alignment, size);
}

JSM_EXPORT void *
memalign(size_t alignment, size_t size)
{
    return jsm_memalign(alignment, size);
}

JSM_EXPORT void *
valloc(size_t size)
{
    return jsm_valloc(size);
}

JSM_EXPORT void *
pvalloc(size_t size)
{
    return jsm_pvalloc(size);
}

JSM_EXPORT size_t
malloc_usable_size(void *p)
{
    return jsm_malloc_usable_size(p);
}

/* What some headers do not declare. */
void free_sized(void *p, size_t size);
void free_aligned_sized(void *p, size_t alignment, size_t size);
void cfree(void *p);
void *reallocf(void *p, size_t size);
void *recallocarray(void *p, size_t old_count, size_t count, size_t size);
void freezero(void *p, size_t size);
size_t malloc_size(const void *p);
size_t malloc_good_size(size_t size);

JSM_EXPORT void
free_sized(void *p, size_t size)
{
    jsm_free_sized(p, size);
}

JSM_EXPORT void
free_aligned_sized(void *p, size_t alignment, size_t size)
{
    jsm_free_aligned_sized(p, alignment, size);
}

JSM_EXPORT void
cfree(void *p)
{
    jsm_free_fast(p);
}

JSM_EXPORT void *
reallocf(void *p, size_t size)
{
    return jsm_reallocf(p, size);
}

JSM_EXPORT void *
recallocarray(void *p, size_t old_count, size_t count, size_t size)
{
    return jsm_recallocarray(p, old_count, count, size);
}

JSM_EXPORT void
freezero(void *p, size_t size)
{
    jsm_freezero(p, size);
}

JSM_EXPORT size_t
malloc_size(const void *p)
{
    return jsm_malloc_size(p);
}

JSM_EXPORT size_t
malloc_good_size(size_t size)
{
    return jsm_malloc_good_size(size);
}

JSM_EXPORT int
mallopt(int number, int value)
{
    return jsm_mallopt(number, value);
}

JSM_EXPORT int
malloc_trim(size_t pad)
{
    return jsm_malloc_trim(pad);
}

JSM_EXPORT void
malloc_stats(void)
{
    jsm_malloc_stats();
}

JSM_EXPORT int
malloc_info(int options, FILE *stream)
{
    return jsm_malloc_info(options, stream);
}

#if defined(__GLIBC__)
JSM_EXPORT struct mallinfo
mallinfo(void)
{
    struct jsm_mallinfo m = jsm_mallinfo();

    return (struct mallinfo){ m.arena, m.ordblks, m.smblks, m.hblks, m.hblkhd,
                              m.usmblks, m.fsmblks, m.uordblks, m.fordblks, m.keepcost };
}

JSM_EXPORT struct mallinfo2
mallinfo2(void)
{
    struct jsm_mallinfo2 m = jsm_mallinfo2();

    return (struct mallinfo2){ m.arena, m.ordblks, m.smblks, m.hblks, m.hblkhd,
                               m.usmblks, m.fsmblks, m.uordblks, m.fordblks, m.keepcost };
}
#endif
