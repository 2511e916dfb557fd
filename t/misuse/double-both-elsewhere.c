/* t/misuse/double-both-elsewhere.c - another thread frees a block twice.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

static void *
free_twice(void *p)
{
    jsm_free(p);
    jsm_free(hide(p));
    return NULL;
}

int
main(void)
{
    misuse_surround(64);
    void *p = jsm_malloc(64);
    pthread_t t;

    misuse_at(p);
    if (pthread_create(&t, NULL, free_twice, p) != 0)
        return MISUSE_SKIP;
    pthread_join(t, NULL);
    return misuse_survived();
}
