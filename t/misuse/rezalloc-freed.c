/* t/misuse/rezalloc-freed.c - rezalloc is given a block that is free.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(100);
    char *p = jsm_malloc(100);

    jsm_free(p);
    p = hide(p);

    misuse_at(p);
    errno = 0;
    void *q = jsm_rezalloc(p, 100, 200);
    if (q != NULL || errno != EINVAL)
        return 2; /* the call had to refuse */
    return misuse_survived();
}
