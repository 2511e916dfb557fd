/* t/thread-key.c - threads for which libc has no memory, or no key, to tell the library that they end: they work, and
 * leave nothing behind; and have a heap of their own as soon as they can be told.
 *
 * pthread_setspecific() takes memory for keys from the 33rd on.  Here it fails as often as the test wants.
 * SPDX-License-Identifier: MIT
 */
#include "unit.h"

#include "tcache/tcache.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>

enum { ALWAYS = -1, BLOCKS = 400 };

static _Thread_local int refusals; /* still to come in this thread */
static int (*real_setspecific)(pthread_key_t, const void *);

/* In place of libc's. */
int set_or_refuse(pthread_key_t key, const void *value) __asm__("pthread_setspecific");

int
set_or_refuse(pthread_key_t key, const void *value)
{
    if (refusals != 0) {
        refusals -= refusals > 0;
        return ENOMEM;
    }
    return real_setspecific(key, value);
}

/* Takes blocks of all sizes, so that a heap that is not given back would be missed. */
static bool
use_heap(void)
{
    unsigned char *p[BLOCKS];
    unsigned bad = 0;

    for (unsigned i = 0; i < BLOCKS; i++) {
        p[i] = jsm_malloc(i * 50 + 1);
        bad += p[i] == NULL;
        fill(p[i], i * 50 + 1, i);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        bad += !is_filled(p[i], i * 50 + 1, i * 50 + 1, i);
        jsm_free(p[i]);
    }
    return bad == 0;
}

static void *
live(void *arg)
{
    refusals = *(int *)arg;
    bool good = use_heap();
    bool owns = jsm_theap_peek() != NULL;

    return good && owns == (*(int *)arg != ALWAYS) ? arg : NULL;
}

/* How much the heap grows while threads come and go; SIZE_MAX if one of them did not do as it should. */
static size_t
growth(int n_refusals)
{
    const unsigned n_threads = is_emulated() ? 50 : 200;
    size_t at_first = 0;

    for (unsigned i = 0; i < n_threads; i++) {
        pthread_t t;
        void *verdict = NULL;
        if (pthread_create(&t, NULL, live, &n_refusals) != 0 || pthread_join(t, &verdict) != 0 || verdict == NULL)
            return SIZE_MAX;
        if (i == n_threads / 10)
            at_first = jsm_mallinfo2().arena;
    }
    size_t at_last = jsm_mallinfo2().arena;
    return at_last > at_first ? at_last - at_first : 0;
}

/* All keys are the program's before the library is first used; then it gives one back. */
static int
use_without_keys(void)
{
    static pthread_key_t keys[PTHREAD_KEYS_MAX];
    unsigned n = 0;

    while (n < PTHREAD_KEYS_MAX && pthread_key_create(&keys[n], NULL) == 0)
        n++;
    if (n == 0 || growth(ALWAYS) > MIB || jsm_check() != 0)
        return 1;
    pthread_key_delete(keys[n - 1]);
    return growth(0) > MIB ? 2 : jsm_check() != 0;
}

int
main(void)
{
    *(void **)&real_setspecific = dlsym(RTLD_NEXT, "pthread_setspecific");
    if (SANITIZED || real_setspecific == NULL)
        skip_all("nothing can be put in place of libc's function here");
    plan(7);
    if (under_qemu()) {
        skip(1, "an emulator does not run children of programs with threads");
    } else {
        pid_t child = fork_timed();
        if (child == 0)
            _exit(use_without_keys());
        is_int(verdict_of(child), 0, "without a key threads share a heap, until there is one");
    }
    is_uint(growth(0) / MIB, 0, "threads give back what they had");
    is_uint(growth(1) / MIB, 0, "also when they could not be told of their end at first");
    is_uint(growth(3) / MIB, 0, "or not for some time");
    is_uint(growth(ALWAYS) / MIB, 0, "or never");
    ok(use_heap() && jsm_theap_peek() != NULL, "the main thread has its own heap");
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
