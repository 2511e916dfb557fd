/* t/guard.h - what tests of blocks between guard pages share.
 *
 * Each case is a child of its own.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_T_GUARD_H
#define JSM_T_GUARD_H

#define FAULTS_ARE_SIGNALS
#include "unit.h"

#include "heap/heap.h"

static struct child child;

BB_UNUSED static void
sample(const char *n)
{
    if (jsm_option_set("guard_sample", n) != 1)
        _exit(120);
}

BB_UNUSED static bool
is_guarded(const void *p)
{
    struct jsm_span *span = jsm_pagemap_find(p);

    return span != NULL && jsm_kind(span) == JSM_KIND_GUARD;
}

/* A block between guard pages. */
BB_UNUSED static void *
take(size_t bytes)
{
    void *p;

    sample("1");
    p = hide(jsm_malloc(bytes));
    if (!is_guarded(p))
        _exit(121);
    return p;
}

BB_UNUSED static void
test(int (*body)(void), const char *what)
{
    in_child(&child, body);
    if (!ok(ended_well(&child) && child.text[0] == '\0', "%s", what))
        tell_child(&child);
}

/* The child has to die of the signal, having said all the words. */
BB_UNUSED static bool
died(int signal, const char *const *words)
{
    bool good = WIFSIGNALED(child.status) && WTERMSIG(child.status) == signal;

    for (; *words != NULL; words++)
        good = good && strstr(child.text, *words) != NULL;
    return good;
}

#define dies(body, signal, what, ...)                               \
    do {                                                            \
        in_child(&child, body);                                     \
        if (!ok(died(signal, (const char *[]){ __VA_ARGS__, NULL }), "%s", what)) \
            tell_child(&child);                                     \
    } while (0)

/* Of a fault s390x tells the page alone. */
#ifdef __s390__
enum { FAULT_UNIT = 4096 };
#define AT_BYTE "in the page that begins "
#define AT_BYTE_50 AT_BYTE
#define BEYOND "in the page that begins 1 byte"
#define BEFORE "in the page that begins 4096 bytes"
#else
enum { FAULT_UNIT = 1 };
#define AT_BYTE "at byte "
#define AT_BYTE_50 "at byte 50"
#define BEYOND "1 byte"
#define BEFORE "1 byte"
#endif

/* What a slot has room for. */
#define MOST_BYTES(page) (jsm_max(JSM_SLICE_BYTES, 4 * (page)) - 2 * (page))

/* Whether it was a write is not known everywhere. */
#if defined(__x86_64__) || defined(__i386__) || defined(__aarch64__)
#define WRITE "write("
#else
#define WRITE "access("
#endif

#endif
