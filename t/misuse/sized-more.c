/* t/misuse/sized-more.c - free_sized is told more than the block has.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(1000);
    void *p = jsm_malloc(1000);

    misuse_at(p);
    jsm_free_sized(p, 5000);
    if (!jsm_is_ours(p))
        return 2; /* the call had to do nothing */
    jsm_free(p);
    return misuse_survived();
}
