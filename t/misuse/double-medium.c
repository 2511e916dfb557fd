/* t/misuse/double-medium.c - a block of several pages, from a slab, is freed twice.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(20000);
    void *p = jsm_malloc(20000);

    misuse_at(p);
    jsm_free(p);
    jsm_free(hide(p));
    return misuse_survived();
}
