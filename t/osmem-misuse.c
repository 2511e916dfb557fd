/* t/osmem-misuse.c - what is no block of the os_ allocator is reported, and harms nothing.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include <jsmalloc/osmem.h>
#include <sys/resource.h>

#include "osmem/block.h"

static unsigned char *victim;

static int (*misuse)(void);

static int
report_only(void)
{
    return jsm_option_set("check_action", "1") ? misuse() : 9;
}

/* A child that did wrong reports it in these words, and goes on. */
static void
is_reported(int (*body)(void), const char *call, const char *kind, const char *more)
{
    struct child child;

    misuse = body;
    in_child(&child, report_only);
    bool said = strstr(child.text, call) != NULL && strstr(child.text, kind) != NULL;
    if (!ok(ended_well(&child) && said && strstr(child.text, more) != NULL, "%s...: %s", call, kind))
        tell_child(&child);
}

/* The child's verdict after its misuse: the heap is as good as ever. */
static int
survived(void)
{
    unsigned char *p[300];
    unsigned wrong = jsm_osmem_check();

    for (unsigned i = 0; i < COUNT_OF(p); i++) {
        p[i] = i % 20 == 0 ? os_calloc(i, 1000) : os_malloc(i * 7 + 1);
        p[i] = os_realloc(p[i], i * 5 + 1);
        fill(p[i], i * 5 + 1, i);
    }
    for (unsigned i = 0; i < COUNT_OF(p); i++) {
        wrong += !is_filled(p[i], i * 5 + 1, i * 5 + 1, i);
        os_free(p[i]);
    }
    return wrong + jsm_osmem_check() == 0 ? 0 : 1;
}

static int
free_twice(void)
{
    victim = os_malloc(100);
    os_free(victim);
    os_free(hide(victim));
    return survived();
}

static int
free_joined(void)
{
    unsigned char *p = os_malloc(100), *q = os_malloc(100);
    os_free(p);
    os_free(q);
    os_free(os_malloc(200));
    os_free(hide(q));
    return survived();
}

static int
free_mapped_twice(void)
{
    victim = os_malloc(MIB);
    os_free(victim);
    os_free(hide(victim));
    return survived();
}

static int
free_inside(void)
{
    victim = os_malloc(100);
    fill(victim, 100, 1);
    os_free(hide(victim + 16));
    return is_filled(victim, 100, 100, 1) ? survived() : 2;
}

static int
free_header(void)
{
    victim = os_malloc(100);
    os_free(hide(victim - 8));
    return survived();
}

static int
free_inside_mapped(void)
{
    victim = os_malloc(MIB);
    os_free(hide(victim + 4096));
    return is_all(victim, 1, 0) ? survived() : 2;
}

static int
free_foreign(void)
{
    unsigned char local = 0, *between = NULL;

    os_free(os_malloc(100));
    between = sbrk(4096);
    void *p = jsm_malloc(10), *q = os_malloc(100000);
    void *const pointers[] = {&local, p, (void *)(uintptr_t)survived, between + 1024, (void *)1, (void *)32,
                              (void *)JSM_OSMEM_HEADER, (void *)(UINTPTR_MAX - 7), &victim};
    for (unsigned i = 0; i < COUNT_OF(pointers); i++) {
        errno = 0;
        os_free(hide(pointers[i]));
        if (os_realloc(hide(pointers[i]), 10) != NULL || errno != EINVAL)
            return 2;
    }
    os_free(q);
    jsm_free(p);
    return survived();
}

static int
free_damaged(void)
{
    unsigned char *p = os_malloc(24), *q = os_malloc(24);
    set_all(p, 24 + 8, 0xff);
    os_free(hide(q));
    return jsm_osmem_check() != 0 && os_malloc(10) == NULL && errno == ENOMEM && os_realloc(q, 5) == NULL ? 0 : 2;
}

static int
realloc_freed(void)
{
    victim = os_malloc(100);
    os_free(victim);
    return os_realloc(hide(victim), 200) == NULL ? survived() : 1;
}

static int
abort_by_default(void)
{
    victim = os_malloc(100);
    os_free(victim);
    os_free(hide(victim));
    return 0;
}

int
main(void)
{
    struct rlimit none = { 0, 0 };
    struct child child;

    end_if_stuck();
    plan(10);
    (void)setrlimit(RLIMIT_CORE, &none);
    is_reported(free_twice, "os_free(0x", "double free", "block of 104 bytes at 0x");
    is_reported(free_joined, "os_free(0x", "double free", "which is free; the pointer lies");
    is_reported(free_mapped_twice, "os_free(0x", "double free", "to learn where");
    is_reported(free_inside, "os_free(0x", "invalid pointer (inside a block)", "the pointer lies 16 bytes inside");
    is_reported(free_header, "os_free(0x", "invalid pointer (inside a block)", "the pointer lies in its header");
    is_reported(free_inside_mapped, "os_free(0x", "invalid pointer (inside a block)", "lies 4096 bytes inside");
    is_reported(free_foreign, "os_realloc(0x", "invalid pointer (not from this allocator)", "to learn where");
    is_reported(free_damaged, "os_malloc: ", "damaged block (its header was overwritten)", "written to beyond");
    in_child(&child, realloc_freed);
    ok(ended_well(&child) && child.text[0] == '\0', "os_realloc() of a freed block is no more than NULL");
    in_child(&child, abort_by_default);
    ok(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGABRT && strstr(child.text, "double free") != NULL,
       "the program is aborted if nothing else is wanted");
    return done();
}
