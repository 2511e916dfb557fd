/* t/misuse/sized-over.c - free_sized is told a size that no block can have.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(1000);
    void *p = jsm_malloc(1000);

    misuse_at(p);
    jsm_free_sized(p, hide_size(SIZE_MAX));
    if (!jsm_is_ours(p))
        return 2; /* the call had to do nothing */
    jsm_free(p);
    return misuse_survived();
}
