/* t/misuse/reallocarray-freed.c - reallocarray is given a block that is free.
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
    void *q = jsm_reallocarray(p, 10, 20);
    if (q != NULL || errno != EINVAL)
        return 2; /* the call had to refuse */
    return misuse_survived();
}
