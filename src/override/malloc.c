/* override/malloc.c - the standard names, all of them in this one object file.
 *
 * One object, so that a static link takes all of the family from us or none of it: a program with
 * our free() and the C library's malloc(), behind strdup() say, must not be.  For the same
 * reason the operators of C++ stand here, though nothing in this library is C++: they are
 * functions of C by the names that C++ gives them.
 *
 * May include: base, os, rt, addr, arena, span, slab, class, heap, tcache, api.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"
#include "base/base.h"
#include "tcache/tcache.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdlib.h>

/* ---- C, POSIX, glibc, BSD ---- */

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

/* ---- C++ ---- */

/* std::get_new_handler() and std::__throw_bad_alloc().  Weak, so that C programs need no
 * libstdc++.  In a C program that loads a plug-in written in C++ the weak references stay null:
 * then whatever libstdc++ has been loaded is asked. */
typedef void (*new_handler)(void);
extern new_handler std_get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern void std_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));

static void *
find_in_libstdcxx(const char *name)
{
    void *library = dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD);
    void *function = NULL;

    if (library != NULL) {
        function = dlsym(library, name);
        dlclose(library);
    }
    return function;
}

static new_handler
current_new_handler(void)
{
    new_handler (*get)(void) = std_get_new_handler;

    if (get == NULL)
        *(void **)(void *)&get = find_in_libstdcxx("_ZSt15get_new_handlerv");
    return get != NULL ? get() : NULL;
}

static void
throw_bad_alloc(void)
{
    void (*throw)(void) = std_throw_bad_alloc;

    if (throw == NULL)
        *(void **)(void *)&throw = find_in_libstdcxx("_ZSt17__throw_bad_allocv");
    if (throw != NULL)
        throw();
    jsm_message("operator new failed, and there is no libstdc++ to throw std::bad_alloc", NULL, NULL);
    abort();
}

/* Alignment 0: that of malloc. */
static void *
try_new(size_t size, size_t align)
{
    return align == 0 ? jsm_malloc_fast(size) : jsm_aligned_alloc(align, size);
}

/* new runs the handler and tries again until there is memory or no handler, then throws.  A handler
 * may throw, too, or not return. */
JSM_COLD static void *
new_slow(size_t size, size_t align, bool nothrow)
{
    for (;;) {
        new_handler handler = current_new_handler();
        if (handler == NULL) {
            if (!nothrow)
                throw_bad_alloc();
            return NULL;
        }
        handler();
        void *p = try_new(jsm_max(size, (size_t)1), align);
        if (p != NULL)
            return p;
    }
}

JSM_INLINE void *
operator_new(size_t size, size_t align, bool nothrow)
{
    void *p = try_new(size, align);

    /* Option zero_size does not hold here: new of nothing is something. */
    if (jsm_unlikely(p == NULL))
        p = size == 0 ? try_new(1, align) : NULL;
    return jsm_likely(p != NULL) ? p : new_slow(size, align, nothrow);
}

JSM_INLINE void
operator_delete_sized(void *p, size_t size)
{
#if JSM_DEBUG >= 1
    jsm_free_sized(p, size);
#else
    (void)size;
    jsm_free_fast(p);
#endif
}

/* size_t is `unsigned long` in mangled names of 64-bit programs, `unsigned int` in 32-bit ones. */
#if defined(__LP64__) || defined(__s390__)
#define Z "m"
#else
#define Z "j"
#endif
#define NAMED(name) __asm__(name)

#define NEW(id, name, params, size, align, nothrow)     \
    void *id params NAMED(name);                        \
    JSM_EXPORT void *id params                          \
    {                                                   \
        return operator_new(size, align, nothrow);      \
    }
#define UNUSED_TAG const void *tag __attribute__((unused))

NEW(cxx_new, "_Znw" Z, (size_t n), n, 0, false)
NEW(cxx_new_array, "_Zna" Z, (size_t n), n, 0, false)
NEW(cxx_new_nothrow, "_Znw" Z "RKSt9nothrow_t", (size_t n, UNUSED_TAG), n, 0, true)
NEW(cxx_new_array_nothrow, "_Zna" Z "RKSt9nothrow_t", (size_t n, UNUSED_TAG), n, 0, true)
NEW(cxx_new_aligned, "_Znw" Z "St11align_val_t", (size_t n, size_t a), n, a, false)
NEW(cxx_new_array_aligned, "_Zna" Z "St11align_val_t", (size_t n, size_t a), n, a, false)
NEW(cxx_new_aligned_nothrow, "_Znw" Z "St11align_val_tRKSt9nothrow_t", (size_t n, size_t a, UNUSED_TAG), n, a, true)
NEW(cxx_new_array_aligned_nothrow, "_Zna" Z "St11align_val_tRKSt9nothrow_t", (size_t n, size_t a, UNUSED_TAG), n, a, true)

#define DELETE(id, name, params, call) \
    void id params NAMED(name);        \
    JSM_EXPORT void id params          \
    {                                  \
        call;                          \
    }
#define UNUSED_ALIGN size_t a __attribute__((unused))

DELETE(cxx_delete, "_ZdlPv", (void *p), jsm_free_fast(p))
DELETE(cxx_delete_array, "_ZdaPv", (void *p), jsm_free_fast(p))
DELETE(cxx_delete_nothrow, "_ZdlPvRKSt9nothrow_t", (void *p, UNUSED_TAG), jsm_free_fast(p))
DELETE(cxx_delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *p, UNUSED_TAG), jsm_free_fast(p))
DELETE(cxx_delete_sized, "_ZdlPv" Z, (void *p, size_t n), operator_delete_sized(p, n))
DELETE(cxx_delete_array_sized, "_ZdaPv" Z, (void *p, size_t n), operator_delete_sized(p, n))
DELETE(cxx_delete_aligned, "_ZdlPvSt11align_val_t", (void *p, UNUSED_ALIGN), jsm_free_fast(p))
DELETE(cxx_delete_array_aligned, "_ZdaPvSt11align_val_t", (void *p, UNUSED_ALIGN), jsm_free_fast(p))
DELETE(cxx_delete_aligned_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t", (void *p, UNUSED_ALIGN, UNUSED_TAG), jsm_free_fast(p))
DELETE(cxx_delete_array_aligned_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t", (void *p, UNUSED_ALIGN, UNUSED_TAG), jsm_free_fast(p))
DELETE(cxx_delete_sized_aligned, "_ZdlPv" Z "St11align_val_t", (void *p, size_t n, size_t a), jsm_free_aligned_sized(p, a, n))
DELETE(cxx_delete_array_sized_aligned, "_ZdaPv" Z "St11align_val_t", (void *p, size_t n, size_t a), jsm_free_aligned_sized(p, a, n))
