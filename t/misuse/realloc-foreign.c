/* t/misuse/realloc-foreign.c - realloc is given the address of a variable.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    long here[8] = {0};

    misuse_at(here);
    errno = 0;
    void *q = jsm_realloc(hide(here), 2000);
    if (q != NULL || errno != EINVAL)
        return 2; /* the call had to refuse */
    return misuse_survived();
}
