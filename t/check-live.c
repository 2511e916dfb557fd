/* t/check-live.c - jsm_check() finds nothing while other threads work, whatever they do.
 *
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "tcache/tcache.h"

#include <pthread.h>
#include <stdatomic.h>

enum { UNFIT = 90, NOT_SOUND };

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

/* ---- Two threads check, and the process forks ---- */

static void *
check_all_the_time(void *unused)
{
    int faults = 0;

    while (!atomic_load(&stop))
        faults += jsm_check();
    return faults == 0 ? unused : &stop;
}

static int
fork_while_checked(void)
{
    pthread_t thread[3];
    int worst = 0;
    void *answer;

    pthread_create(&thread[0], NULL, check_all_the_time, NULL);
    pthread_create(&thread[1], NULL, check_all_the_time, NULL);
    pthread_create(&thread[2], NULL, work, NULL);
    for (unsigned i = 0; i < rounds(40, 1000); i++) {
        pid_t child = fork_timed();
        if (child == 0) {
            jsm_free(jsm_malloc(i * 100));
            _exit(jsm_check());
        }
        int verdict = verdict_of(child);
        worst = verdict != 0 ? verdict : worst;
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(thread); i++) {
        pthread_join(thread[i], &answer);
        worst = answer != NULL ? NOT_SOUND : worst;
    }
    return worst;
}

static const char *option_name, *option_value;
static int (*scene)(void);

static int
check_with_option(void)
{
    if (option_name != NULL && !set_option(option_name, option_value))
        return UNFIT;
    if (option_name != NULL && strcmp(option_name, "guard_sample") == 0)
        jsm_guard_start();
    return scene();
}

static void
is_silent(int (*body)(void), const char *name, const char *value)
{
    static struct child child;

    scene = body;
    option_name = name;
    option_value = value;
    in_child(&child, check_with_option);
    bool good = ended_well(&child) && strstr(child.text, "heap check") == NULL;
    const char *fork = body == fork_while_checked ? " and fork" : "";
    if (name == NULL ? !ok(good, "nothing is found while others work%s", fork)
                     : !ok(good, "nothing is found while others work%s, with %s=%s", fork, name, value))
        tell_child(&child);
}

int
main(void)
{
    end_if_stuck();
    plan(7);
    is_silent(check_while_others_work, NULL, NULL);
    is_silent(check_while_others_work, "guard_sample", "1");
    is_silent(check_while_others_work, "harden", "on");
    is_silent(check_while_others_work, "harden", "full");
    is_silent(fork_while_checked, NULL, NULL);
    is_silent(fork_while_checked, "guard_sample", "1");
    is_silent(fork_while_checked, "harden", "full");
    return done();
}
