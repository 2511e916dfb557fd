/* t/dlopen-module.c - a plug-in for t/dlopen.c: linked to nothing, allocates when it comes, works, goes.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#define MODULE_API __attribute__((visibility("default")))

MODULE_API void *module_make(size_t size);
MODULE_API int module_work(void);

static char *own;
static __thread char *of_thread;

__attribute__((constructor)) static void
come(void)
{
    own = strdup("a plug-in");
}

__attribute__((destructor)) static void
go(void)
{
    free(own);
}

void *
module_make(size_t size)
{
    return malloc(size);
}

int
module_work(void)
{
    int bad = own == NULL || strcmp(own, "a plug-in") != 0;

    of_thread = calloc(1, 300);
    bad |= of_thread == NULL;
    for (size_t n = 1; n < 200000; n = n * 3 + 1) {
        void *p = NULL;
        bad |= posix_memalign(&p, 64, n) != 0;
        p = realloc(p, n * 2);
        bad |= p == NULL;
        free(p);
    }
    free(of_thread);
    return bad;
}
