/* t/misuse/realloc-interior.c - realloc is given a pointer into a block.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(1000);

    misuse_at(p + 32);
    errno = 0;
    void *q = jsm_realloc(hide(p + 32), 2000);
    if (q != NULL || errno != EINVAL)
        return 2; /* the call had to refuse */
    return misuse_survived();
}
