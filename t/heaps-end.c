/* t/heaps-end.c - heaps of the program's that come and go in some threads, while others give memory back and take
 * statistics of all heaps.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAKERS = 3 };

static atomic_uint n_making = MAKERS, n_bad;

static void *
make_and_end(void *arg)
{
    uintptr_t who = (uintptr_t)arg;

    for (unsigned i = 0; i < rounds(3000, 30000); i++) {
        jsm_heap *heap = jsm_heap_new(NULL);
        char *p[12];
        for (unsigned k = 0; k < COUNT_OF(p); k++) {
            p[k] = jsm_heap_malloc(heap, 50u << k);
            if (p[k] != NULL)
                memset(p[k], (int)k, 50);
        }
        if ((i + who) % 3 == 0) {
            jsm_heap_delete(heap);
            for (unsigned k = 0; k < COUNT_OF(p); k++) {
                atomic_fetch_add(&n_bad, p[k] == NULL || !is_all(p[k], 50, (unsigned char)k));
                jsm_free(p[k]);
            }
        } else {
            jsm_heap_destroy(heap);
        }
    }
    atomic_fetch_sub(&n_making, 1);
    return NULL;
}

int
main(void)
{
    pthread_t t[MAKERS];
    unsigned n = 0;

    plan(2);
    for (uintptr_t i = 0; i < MAKERS; i++)
        if (pthread_create(&t[i], NULL, make_and_end, (void *)i) != 0)
            _exit(99);
    while (atomic_load(&n_making) > 0) {
        (void)jsm_malloc_trim(0);
        (void)jsm_mallinfo2();
        n++;
    }
    for (unsigned i = 0; i < MAKERS; i++)
        pthread_join(t[i], NULL);
    diag("memory was given back %u times", n);
    is_uint(n_bad, 0, "blocks outlive a heap that ends while memory is given back");
    is_int(jsm_check(), 0, "and all is sound");
    return done();
}
