/* override/cxx.c - the operators new and delete of C++, as functions of C by the names that C++ gives
 * them; nothing in this library is C++.
 *
 * They are weak: a program may define its own.  What a failing new has to do - run the handler, try
 * again, throw - is left to the operator of the same name in the C++ library, which comes
 * back to our malloc.  The library is looked for only then, because a program in C need have
 * none, or none yet: it may load a plug-in that is written in C++.
 *
 * May include: base, os, rt, addr, arena, span, slab, class, heap, tcache, api.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "api/api.h"
#include "base/base.h"
#include "tcache/tcache.h"

#include <dlfcn.h>

/* size_t is `unsigned long` in mangled names of 64-bit programs, `unsigned int` in 32-bit ones. */
#if defined(__LP64__) || defined(__s390__)
#define Z "m"
#else
#define Z "j"
#endif

/* Alignment 0: that of malloc. */
JSM_INLINE void *
try_new(size_t size, size_t align, enum jsm_origin origin)
{
    if (align == 0)
        return jsm_malloc_fast_of(size, origin);
    void *p = jsm_aligned_alloc(align, size);
    if (jsm_hardened() && p != NULL)
        jsm_harden_set_origin(p, origin);
    return p;
}

#ifdef PIC

/* The operator of this name that would be there without us. */
static void *
find_operator(const char *name)
{
    static const char *const libraries[] = { "libstdc++.so.6", "libc++abi.so.1", "libc++.so.1" };
    void *function = dlsym(RTLD_NEXT, name);

    for (size_t i = 0; function == NULL && i < sizeof libraries / sizeof libraries[0]; i++) {
        void *library = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
        if (library != NULL) {
            function = dlsym(library, name);
            dlclose(library);
        }
    }
    return function;
}

JSM_COLD static void *
new_slow(const char *name, size_t size, size_t align, enum jsm_origin origin, bool nothrow)
{
    static const char tag; /* std::nothrow is an object without contents */
    void *found = find_operator(name);

    if (found == NULL && nothrow)
        return NULL;
    if (found == NULL) {
        jsm_message(name, " failed, and there is no C++ library to throw std::bad_alloc", NULL);
        jsm_os_abort(name);
    }
    void *p = align == 0 ? (*(void *(**)(size_t, const void *))(void *)&found)(size, &tag)
                         : (*(void *(**)(size_t, size_t, const void *))(void *)&found)(size, align, &tag);
    if (jsm_hardened() && p != NULL && jsm_is_ours(p)) /* malloc gave it */
        jsm_harden_set_origin(p, origin);
    return p;
}

#else /* a static program: this file is linked only into one in C++, and takes the place of its operators */

extern void (*std_get_new_handler(void))(void) __asm__("_ZSt15get_new_handlerv");
extern void std_throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv");

JSM_COLD static void *
new_slow(const char *name, size_t size, size_t align, enum jsm_origin origin, bool nothrow)
{
    (void)name;
    for (;;) {
        void (*handler)(void) = std_get_new_handler();
        if (handler == NULL) {
            if (!nothrow)
                std_throw_bad_alloc();
            return NULL;
        }
        handler();
        void *p = try_new(size, align, origin);
        if (p != NULL)
            return p;
    }
}

#endif

JSM_INLINE void *
operator_new(const char *name, size_t size, size_t align, enum jsm_origin origin, bool nothrow)
{
    void *p = try_new(size, align, origin);

    /* Option zero_size does not hold here: new of nothing is something. */
    if (jsm_unlikely(p == NULL))
        p = size == 0 ? try_new(1, align, origin) : NULL;
    return jsm_likely(p != NULL) ? p : new_slow(name, size, align, origin, nothrow);
}

/* A block of no bytes may have become one of one. */
JSM_INLINE void
operator_delete_sized(void *p, enum jsm_origin origin, size_t size)
{
    if (JSM_DEBUG >= 1 && !jsm_hardened())
        jsm_free_sized(p, size);
    else
        jsm_delete_fast(p, origin, size == 0 ? JSM_SIZE_UNSAID : size);
}

JSM_INLINE void
operator_delete_sized_aligned(void *p, enum jsm_origin origin, size_t size, size_t align)
{
    if (jsm_hardened())
        jsm_delete_slow(jsm_free_find(p), p, origin, size == 0 ? JSM_SIZE_UNSAID : size);
    else
        jsm_free_aligned_sized(p, align, size);
}

#define ONE   JSM_ORIGIN_NEW
#define ARRAY JSM_ORIGIN_NEW_ARRAY
#define WEAK JSM_EXPORT __attribute__((weak))
#define UNUSED_TAG   const void *tag __attribute__((unused))
#define UNUSED_ALIGN size_t a __attribute__((unused))

#define NEW(id, name, params, align, origin, nothrow)   \
    void *id params __asm__(name);                      \
    WEAK void *id params                                \
    {                                                   \
        return operator_new(name, n, align, origin, nothrow); \
    }

NEW(cxx_new, "_Znw" Z, (size_t n), 0, ONE, false)
NEW(cxx_new_array, "_Zna" Z, (size_t n), 0, ARRAY, false)
NEW(cxx_new_nothrow, "_Znw" Z "RKSt9nothrow_t", (size_t n, UNUSED_TAG), 0, ONE, true)
NEW(cxx_new_array_nothrow, "_Zna" Z "RKSt9nothrow_t", (size_t n, UNUSED_TAG), 0, ARRAY, true)
NEW(cxx_new_al, "_Znw" Z "St11align_val_t", (size_t n, size_t a), a, ONE, false)
NEW(cxx_new_array_al, "_Zna" Z "St11align_val_t", (size_t n, size_t a), a, ARRAY, false)
NEW(cxx_new_al_nothrow, "_Znw" Z "St11align_val_tRKSt9nothrow_t", (size_t n, size_t a, UNUSED_TAG), a, ONE, true)
NEW(cxx_new_array_al_nothrow, "_Zna" Z "St11align_val_tRKSt9nothrow_t", (size_t n, size_t a, UNUSED_TAG), a, ARRAY,
    true)

#define DELETE(id, name, params, call) \
    void id params __asm__(name);      \
    WEAK void id params                \
    {                                  \
        call;                          \
    }

DELETE(cxx_delete, "_ZdlPv", (void *p), jsm_delete_fast(p, ONE, JSM_SIZE_UNSAID))
DELETE(cxx_delete_array, "_ZdaPv", (void *p), jsm_delete_fast(p, ARRAY, JSM_SIZE_UNSAID))
DELETE(cxx_delete_nothrow, "_ZdlPvRKSt9nothrow_t", (void *p, UNUSED_TAG), jsm_delete_fast(p, ONE, JSM_SIZE_UNSAID))
DELETE(cxx_delete_array_nothrow, "_ZdaPvRKSt9nothrow_t", (void *p, UNUSED_TAG),
       jsm_delete_fast(p, ARRAY, JSM_SIZE_UNSAID))
DELETE(cxx_delete_sized, "_ZdlPv" Z, (void *p, size_t n), operator_delete_sized(p, ONE, n))
DELETE(cxx_delete_array_sized, "_ZdaPv" Z, (void *p, size_t n), operator_delete_sized(p, ARRAY, n))
DELETE(cxx_delete_al, "_ZdlPvSt11align_val_t", (void *p, UNUSED_ALIGN), jsm_delete_fast(p, ONE, JSM_SIZE_UNSAID))
DELETE(cxx_delete_array_al, "_ZdaPvSt11align_val_t", (void *p, UNUSED_ALIGN),
       jsm_delete_fast(p, ARRAY, JSM_SIZE_UNSAID))
DELETE(cxx_delete_al_nothrow, "_ZdlPvSt11align_val_tRKSt9nothrow_t", (void *p, UNUSED_ALIGN, UNUSED_TAG),
       jsm_delete_fast(p, ONE, JSM_SIZE_UNSAID))
DELETE(cxx_delete_array_al_nothrow, "_ZdaPvSt11align_val_tRKSt9nothrow_t", (void *p, UNUSED_ALIGN, UNUSED_TAG),
       jsm_delete_fast(p, ARRAY, JSM_SIZE_UNSAID))
DELETE(cxx_delete_sized_al, "_ZdlPv" Z "St11align_val_t", (void *p, size_t n, size_t a),
       operator_delete_sized_aligned(p, ONE, n, a))
DELETE(cxx_delete_array_sized_al, "_ZdaPv" Z "St11align_val_t", (void *p, size_t n, size_t a),
       operator_delete_sized_aligned(p, ARRAY, n, a))
