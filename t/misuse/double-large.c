/* t/misuse/double-large.c - a block of the page heap is freed twice.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(300000);
    void *p = jsm_malloc(300000);

    misuse_at(p);
    jsm_free(p);
    jsm_free(hide(p));
    return misuse_survived();
}
