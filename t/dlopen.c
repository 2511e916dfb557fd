/* t/dlopen.c - plug-ins that know nothing of this library and allocate all the same, again and again.
 * SPDX-License-Identifier: MIT
 */
#include "blackbox.h"

#include <dlfcn.h>
#include <pthread.h>

enum { TIMES = 1000 };

static void *left[TIMES];

/* Where libtool has put the module. */
static const char *
module_path(void)
{
    static char path[4096];
    const char *top = getenv("top_builddir");

    snprintf(path, sizeof path, "%s/t/.libs/dlopen-module.so", top != NULL ? top : ".");
    return path;
}

/* Opens the plug-in, lets it work, keeps one of its blocks, closes it. */
static bool
use_module(unsigned i)
{
    void *module = dlopen(module_path(), RTLD_NOW | RTLD_LOCAL);
    void *(*make)(size_t);
    int (*work)(void);

    if (module == NULL) {
        diag("%s", dlerror());
        return false;
    }
    *(void **)&make = dlsym(module, "module_make");
    *(void **)&work = dlsym(module, "module_work");
    bool good = make != NULL && work != NULL && work() == 0;
    left[i] = good ? make(1000 + i) : NULL;
    if (left[i] != NULL)
        fill(left[i], 1000 + i, i);
    return dlclose(module) == 0 && good;
}

static void *
use_in_thread(void *arg)
{
    return use_module(*(unsigned *)arg) ? arg : NULL;
}

int
main(void)
{
    unsigned failed = 0, foreign = 0, spoilt = 0;

    plan(6);
    for (unsigned i = 0; i < TIMES / 2; i++)
        failed += !use_module(i);
    is_int(failed, 0, "a plug-in is opened, allocates, and is closed, again and again");
    failed = 0;
    for (unsigned i = TIMES / 2; i < TIMES; i++) {
        pthread_t t;
        void *verdict = NULL;
        if (pthread_create(&t, NULL, use_in_thread, &i) == 0)
            pthread_join(t, &verdict);
        failed += verdict == NULL;
    }
    is_int(failed, 0, "and in threads that end with it");
    for (unsigned i = 0; i < TIMES; i++) {
        foreign += !jsm_is_ours(left[i]);
        spoilt += left[i] == NULL || !is_filled(left[i], 1000 + i, 1000 + i, i);
        free(left[i]);
    }
    is_int(foreign, 0, "what it allocates comes from this library");
    is_int(spoilt, 0, "and outlives it");
    ok(dlopen("/nonexistent/no-such-plugin.so", RTLD_NOW) == NULL && dlerror() != NULL,
       "a failing dlopen does no harm");
    is_int(jsm_check(), 0, "the heap is sound");
    return done();
}
