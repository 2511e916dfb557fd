/* t/check-live.c - jsm_check() finds nothing while other threads work, whatever they do.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "tcache/tcache.h"

#include <pthread.h>
#include <stdatomic.h>

enum { UNFIT = 90 };

enum { WORKERS = 3 };
static atomic_bool stop;

static void *
work(void *arg)
{
    static _Thread_local void *slots[200];
    static void *_Atomic common[64];
    uint64_t random = (uintptr_t)arg * 77 + 1;

    while (!atomic_load(&stop)) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
        size_t kind = random >> 58;
        size_t size = kind < 60 ? (random >> 40) % 3000 : kind < 63 ? (random >> 40) % 600000 : 3 * MIB;
        void **slot = &slots[(random >> 33) % COUNT_OF(slots)];
        jsm_free(*slot);
        *slot = jsm_malloc(size);
        *slot = atomic_exchange(&common[(random >> 20) % COUNT_OF(common)], *slot);
        if (kind == 7)
            *slot = jsm_realloc(*slot, size / 2 + 1);
    }
    for (size_t i = 0; i < COUNT_OF(slots); i++)
        jsm_free(slots[i]);
    return NULL;
}

/* Heaps with memory of their own, each anew, and threads that come and go. */
static void *
make_heaps(void *unused)
{
    static unsigned char memory[40][192 << 10];
    size_t wrong = 0;

    for (size_t i = 0; !atomic_load(&stop); i++) {
        struct jsm_heap_config config = JSM_HEAP_CONFIG_INIT;
        config.memory = i < COUNT_OF(memory) || i % 3 != 0 ? memory[i % COUNT_OF(memory)] : NULL;
        config.memory_bytes = sizeof memory[0];
        jsm_heap *h = jsm_heap_new(&config);
        if (h == NULL)
            continue;
        for (size_t n = 0; n < 20; n++)
            wrong += jsm_heap_malloc(h, n * 50) == NULL;
        jsm_heap_destroy(h);
    }
    return wrong == 0 ? unused : NULL;
}

static int
check_while_others_work(void)
{
    pthread_t thread[WORKERS + 1];
    int faults = 0;

    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_create(&thread[i], NULL, work, (void *)i);
    pthread_create(&thread[WORKERS], NULL, make_heaps, NULL);
    for (unsigned i = 0; i < rounds(SANITIZED ? 60 : 300, 20000) && faults == 0; i++) {
        void *p[100];
        for (size_t j = 0; j < COUNT_OF(p); j++)
            p[j] = jsm_malloc(j * 13);
        faults = jsm_check();
        for (size_t j = 0; j < COUNT_OF(p); j++)
            jsm_free(p[j]);
        if (i % 50 == 0) { /* not by jsm_malloc_trim(), in whose file options are read before we can set them */
            jsm_threads_trim();
            (void)jsm_purge_all(0);
        }
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(thread); i++)
        pthread_join(thread[i], NULL);
    return faults + jsm_check();
}

static const char *option_name, *option_value;

static int
check_with_option(void)
{
    if (option_name != NULL && !set_option(option_name, option_value))
        return UNFIT;
    if (option_name != NULL && strcmp(option_name, "guard_sample") == 0)
        jsm_guard_start();
    return check_while_others_work();
}

static void
is_silent(const char *name, const char *value)
{
    static struct child child;

    option_name = name;
    option_value = value;
    in_child(&child, check_with_option);
    if (!ok(ended_well(&child) && strstr(child.text, "heap check") == NULL,
            "nothing is found while others work%s%s%s%s", name != NULL ? ", with " : "", name != NULL ? name : "",
            name != NULL ? "=" : "", name != NULL ? value : ""))
        tell_child(&child);
}

int
main(void)
{
    end_if_stuck();
    plan(4);
    is_silent(NULL, NULL);
    is_silent("guard_sample", "1");
    is_silent("harden", "on");
    is_silent("harden", "full");
    return done();
}
