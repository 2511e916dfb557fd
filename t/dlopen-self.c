/* t/dlopen-self.c - the library itself as a plug-in of a program that has libc's malloc: its jsm_*
 * functions work beside that one, in all threads, and after dlclose.
 *
 * This program is linked to nothing of ours.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <dlfcn.h>
#include <pthread.h>

static struct {
    void *(*malloc)(size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
    int (*is_ours)(const void *);
    int (*check)(void);
    const char *(*version)(void);
} lib;

/* Looks all functions up; false if one is missing. */
static bool
bind(void *handle)
{
    *(void **)&lib.malloc = dlsym(handle, "jsm_malloc");
    *(void **)&lib.realloc = dlsym(handle, "jsm_realloc");
    *(void **)&lib.free = dlsym(handle, "jsm_free");
    *(void **)&lib.is_ours = dlsym(handle, "jsm_is_ours");
    *(void **)&lib.check = dlsym(handle, "jsm_check");
    *(void **)&lib.version = dlsym(handle, "jsm_version");
    return lib.malloc && lib.realloc && lib.free && lib.is_ours && lib.check && lib.version;
}

/* Blocks of both allocators side by side, grown and freed; NULL when one was not as it should be. */
static void *
use_both(void *arg)
{
    enum { MANY = 500 };
    unsigned char *p[MANY], *q[MANY];
    unsigned bad = 0;

    for (unsigned i = 0; i < MANY; i++) {
        p[i] = lib.malloc(i * 11);
        q[i] = malloc(i * 11 + 1);
        bad += p[i] == NULL || q[i] == NULL || lib.is_ours(q[i]) || !lib.is_ours(p[i]);
        fill(p[i], i * 11, i);
        fill(q[i], i * 11, i + MANY);
    }
    for (unsigned i = 0; i < MANY; i++) {
        p[i] = lib.realloc(p[i], i * 50 + 1);
        q[i] = realloc(q[i], i * 50 + 1);
        bad += p[i] == NULL || !is_filled(p[i], i * 11, i * 11, i);
        bad += q[i] == NULL || !is_filled(q[i], i * 11, i * 11, i + MANY);
        lib.free(p[i]);
        free(q[i]);
    }
    return bad == 0 ? arg : NULL;
}

static pthread_barrier_t is_loaded;

/* A thread that is older than the library. */
static void *
wait_and_use(void *arg)
{
    pthread_barrier_wait(&is_loaded);
    return use_both(arg);
}

int
main(void)
{
    const char *path = getenv("JSM_LIB");
    pthread_t t[4], older;
    unsigned good = 0;
    void *verdict;

    if (path == NULL || path[0] == '\0')
        skip_all("there is no shared library in this build");
    plan(8);
    pthread_barrier_init(&is_loaded, NULL, 2);
    if (pthread_create(&older, NULL, wait_and_use, t) != 0)
        return 1;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL && !IS_GLIBC && strstr(dlerror(), "initial-exec TLS") != NULL) {
        skip(8, "musl loads no library with initial-exec TLS at run time");
        return done();
    }
    if (!ok(handle != NULL, "the library can be opened as a plug-in")) {
        diag("%s", dlerror());
        return 1;
    }
    if (!ok(bind(handle), "its functions are found"))
        return 1;
    is_str(lib.version(), JSM_VERSION_STRING, "it is of this version");
    ok(use_both(t) != NULL, "it works beside libc's malloc");
    pthread_barrier_wait(&is_loaded);
    ok(pthread_join(older, &verdict) == 0 && verdict == t, "in a thread that was there before it, too");
    for (unsigned i = 0; i < COUNT_OF(t); i++)
        if (pthread_create(&t[i], NULL, use_both, t) != 0)
            return 1;
    for (unsigned i = 0; i < COUNT_OF(t); i++)
        good += pthread_join(t[i], &verdict) == 0 && verdict == t;
    is_int(good, COUNT_OF(t), "in threads as well");
    void *kept = lib.malloc(100);
    dlclose(handle);
    ok(use_both(t) != NULL && lib.is_ours(kept), "it stays after dlclose, and so do its blocks");
    lib.free(kept);
    is_int(lib.check(), 0, "its heap is sound");
    return done();
}
