/* t/misuse/sized-large.c - free_sized is told of a block of the page heap that it were small.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(1000);
    void *p = jsm_malloc(300000);

    misuse_at(p);
    jsm_free_sized(p, 300);
    if (!jsm_is_ours(p))
        return 2; /* the call had to do nothing */
    jsm_free(p);
    return misuse_survived();
}
