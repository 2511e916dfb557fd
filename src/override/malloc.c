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

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* What some headers do not declare. */
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
int malloc_trim(size_t pad);
void malloc_stats(void);
int malloc_info(int options, FILE *stream);

JSM_CORE static void *
own_malloc(size_t size)
{
    return jsm_malloc_fast(size);
}

JSM_EXPORT void *malloc(size_t size) __attribute__((alias("own_malloc")));

/* Another allocator may stand before us, preloaded as well: the program then has its malloc, but of the
 * functions that the other one lacks it has ours.  These must come down to the malloc that the program
 * has: what reallocarray() gives will be given to the other's free().
 * The loader fills these in.  valgrind stands before us in another way: calls of the names that it knows
 * end up in its own functions, whatever address they have. */
static void *(*const volatile malloc_of_program)(size_t) = malloc;
static void (*const volatile free_of_program)(void *) = free;
static void *(*const volatile calloc_of_program)(size_t, size_t) = calloc;
static void *(*const volatile realloc_of_program)(void *, size_t) = realloc;
static void *(*const volatile memalign_of_program)(size_t, size_t) = memalign;

static bool
is_second(void)
{
    enum { UNKNOWN, NO, YES };
    static _Atomic(int) known;
    /* ORDER: relaxed, both; every thread comes to the same answer. */
    int answer = jsm_load_relaxed(&known);

    if (jsm_unlikely(answer == UNKNOWN)) {
        void *p = malloc_of_program(1);
        answer = malloc_of_program != own_malloc || (p != NULL && !jsm_is_ours(p)) ? YES : NO;
        free_of_program(p);
        jsm_store_relaxed(&known, answer);
    }
    return answer == YES;
}

JSM_CORE JSM_EXPORT void
free(void *p)
{
    jsm_free_fast(p);
}

JSM_CORE JSM_EXPORT void *
calloc(size_t count, size_t size)
{
    return jsm_calloc_fast(count, size);
}

JSM_CORE JSM_EXPORT void *
realloc(void *p, size_t size)
{
    return jsm_realloc(p, size);
}

JSM_EXPORT void *
reallocarray(void *p, size_t count, size_t size)
{
    size_t bytes;

    if (jsm_likely(!is_second()))
        return jsm_reallocarray(p, count, size);
    return jsm_array_bytes(count, size, &bytes) ? realloc_of_program(p, bytes) : NULL;
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
    size_t page = jsm_os_page_bytes();

    if (jsm_unlikely(is_second()) && size <= PTRDIFF_MAX)
        return memalign_of_program(page, jsm_max(jsm_round_up(size, page), page));
    return jsm_pvalloc(size);
}

JSM_EXPORT size_t
malloc_usable_size(void *p)
{
    return jsm_malloc_usable_size(p);
}

JSM_EXPORT void
free_sized(void *p, size_t size)
{
    if (jsm_unlikely(is_second()))
        free_of_program(p);
    else
        jsm_free_sized(p, size);
}

JSM_EXPORT void
free_aligned_sized(void *p, size_t alignment, size_t size)
{
    if (jsm_unlikely(is_second()))
        free_of_program(p);
    else
        jsm_free_aligned_sized(p, alignment, size);
}

JSM_EXPORT void
cfree(void *p)
{
    free_of_program(p);
}

JSM_EXPORT void *
reallocf(void *p, size_t size)
{
    if (jsm_likely(!is_second()))
        return jsm_reallocf(p, size);
    void *q = realloc_of_program(p, size);
    if (q == NULL && size != 0)
        free_of_program(p);
    return q;
}

JSM_EXPORT void *
recallocarray(void *p, size_t old_count, size_t count, size_t size)
{
    size_t old_bytes, bytes;

    if (jsm_likely(!is_second()))
        return jsm_recallocarray(p, old_count, count, size);
    if (!jsm_array_bytes(count, size, &bytes))
        return NULL;
    if (p == NULL)
        return calloc_of_program(count, size);
    if (__builtin_mul_overflow(old_count, size, &old_bytes)) {
        errno = EINVAL;
        return NULL;
    }
    void *q = calloc_of_program(count, size);
    if (q != NULL) {
        memcpy(q, p, jsm_min(old_bytes, bytes));
        explicit_bzero(p, old_bytes);
        free_of_program(p);
    }
    return q;
}

JSM_EXPORT void
freezero(void *p, size_t size)
{
    if (jsm_likely(!is_second())) {
        jsm_freezero(p, size);
    } else if (p != NULL) {
        explicit_bzero(p, size);
        free_of_program(p);
    }
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

/* By other names in C: <malloc.h> has them with structures of its own, of the same layout, or not at all. */
struct jsm_mallinfo info(void) __asm__("mallinfo");
struct jsm_mallinfo2 info2(void) __asm__("mallinfo2");

JSM_EXPORT struct jsm_mallinfo
info(void)
{
    return jsm_mallinfo();
}

JSM_EXPORT struct jsm_mallinfo2
info2(void)
{
    return jsm_mallinfo2();
}

/* ---- Sanitizers, which bring a malloc of their own ---- */

#define WEAK JSM_EXPORT __attribute__((weak))

#define ASIDE(name) " has " name "'s allocator: this library steps aside"

/* AddressSanitizer refuses to start where another library was preloaded before its own, ThreadSanitizer crashes, and
 * LeakSanitizer sees no block.  But before anything else they ask the program for its options, by these names: we
 * are not preloaded any more then. */
#define OPTIONS(id, function, name)                                   \
    const char *id(void) __asm__(function);                           \
    WEAK const char *id(void)                                         \
    {                                                                 \
        (void)jsm_os_again_without("libjsmalloc.so", ASIDE(name));    \
        return "";                                                    \
    }

OPTIONS(asan_options, "__asan_default_options", "AddressSanitizer")
OPTIONS(hwasan_options, "__hwasan_default_options", "HWAddressSanitizer")
OPTIONS(lsan_options, "__lsan_default_options", "LeakSanitizer")
OPTIONS(tsan_options, "__tsan_default_options", "ThreadSanitizer")

/* Where the sanitizer is part of the program, or comes first, its malloc is the program's already. */
#define INIT(id) extern void id(void) __asm__("__" #id) __attribute__((weak))
INIT(asan_init);
INIT(hwasan_init);
INIT(lsan_init);
INIT(msan_init);
INIT(tsan_init);

JSM_CORE __attribute__((constructor)) static void
tell_second(void)
{
    const struct {
        void (*init)(void);
        const char *aside;
    } sanitizers[] = {
        { asan_init, ASIDE("AddressSanitizer") },      { hwasan_init, ASIDE("HWAddressSanitizer") },
        { lsan_init, ASIDE("LeakSanitizer") },         { msan_init, ASIDE("MemorySanitizer") },
        { tsan_init, ASIDE("ThreadSanitizer") },
    };

    for (size_t i = 0; i < sizeof sanitizers / sizeof sanitizers[0]; i++) {
        if (sanitizers[i].init != NULL && is_second()) {
            jsm_message(jsm_os_program_path(), sanitizers[i].aside, NULL);
            return;
        }
    }
}
