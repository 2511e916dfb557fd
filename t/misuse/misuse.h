/* t/misuse/misuse.h - for programs that do one wrong thing each; t/misuse.sh says what must come of it.
 *
 * main() sets the scene, tells misuse_at() of which address the report must speak, does the wrong thing,
 * and, should it live to do so, returns misuse_survived(): 0 if the heap is as good as ever.
 * Nothing is written to standard output, where a library has no business.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_MISUSE_H
#define JSM_MISUSE_H

#include "../blackbox.h"

#include <pthread.h>

enum { MISUSE_FD = 3, MISUSE_BYSTANDERS = 200, MISUSE_SKIP = 77 };

/* Live blocks around those of the scene, which must not suffer. */
static unsigned char *misuse_bystander[MISUSE_BYSTANDERS];
static size_t misuse_bystander_size;

/* Surrounds the scene with blocks of `size` bytes: also keeps its slab from being given up. */
BB_UNUSED static void
misuse_surround(size_t size)
{
    misuse_bystander_size = size;
    for (unsigned i = 0; i < MISUSE_BYSTANDERS; i++) {
        misuse_bystander[i] = jsm_malloc(size);
        if (misuse_bystander[i] != NULL)
            fill(misuse_bystander[i], size, i);
    }
}

/* Tells the script, on a descriptor that it opens for this, of which address the report must speak. */
BB_UNUSED static void
misuse_at(const volatile void *p)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%#llx\n", (unsigned long long)(uintptr_t)p);

    (void)!write(MISUSE_FD, text, (size_t)n);
}

/* Frees `p` in another thread, which has ended when this returns. */
static void *
misuse_free(void *p)
{
    jsm_free(p);
    return NULL;
}

BB_UNUSED static void
misuse_free_elsewhere(void *p)
{
    pthread_t t;

    if (pthread_create(&t, NULL, misuse_free, p) != 0)
        exit(MISUSE_SKIP);
    pthread_join(t, NULL);
}

/* Uses the heap as a good program does; number of things that were not right. */
static unsigned
misuse_use_heap(void)
{
    enum { MANY = 600 };
    static unsigned char *p[MANY];
    unsigned bad = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY; i++) {
            size_t size = i < 200 ? 64 : i * 37;
            p[i] = jsm_malloc(size);
            bad += p[i] == NULL;
            fill(p[i], size, i);
        }
        for (unsigned i = 0; i < MANY; i++)
            for (unsigned j = 0; j < i && i < 200; j++)
                bad += p[i] == p[j];
        for (unsigned i = 0; i < MANY; i++) {
            size_t size = i < 200 ? 64 : i * 37;
            bad += !is_filled(p[i], size, size, i);
            jsm_free(p[i]);
        }
        (void)jsm_malloc_trim(0);
    }
    return bad;
}

/* The exit status of a program that goes on after what it did. */
BB_UNUSED static int
misuse_survived(void)
{
    unsigned bad;

    (void)jsm_malloc_trim(0); /* what other threads have freed is taken in here at the latest */
    (void)jsm_check();
    bad = misuse_use_heap();
    for (unsigned i = 0; i < MISUSE_BYSTANDERS; i++) {
        if (misuse_bystander[i] == NULL)
            continue;
        bad += !is_filled(misuse_bystander[i], misuse_bystander_size, misuse_bystander_size, i);
        jsm_free(misuse_bystander[i]);
    }
    return bad == 0 && jsm_check() == 0 ? 0 : 1;
}

#endif
