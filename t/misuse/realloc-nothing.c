/* t/misuse/realloc-nothing.c - realloc shall free a block that is free.
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
    void *q = jsm_realloc(p, hide_size(0));
    if (q != NULL || errno != EINVAL)
        return 2; /* the call had to refuse */
    return misuse_survived();
}
