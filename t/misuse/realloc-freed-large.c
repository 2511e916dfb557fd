/* t/misuse/realloc-freed-large.c - realloc is given a block of the page heap that is free.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(300000);
    char *p = jsm_malloc(300000);

    jsm_free(p);
    p = hide(p);

    misuse_at(p);
    errno = 0;
    void *q = jsm_realloc(p, 400000);
    if (q != NULL || errno != EINVAL)
        return 2; /* the call had to refuse */
    return misuse_survived();
}
