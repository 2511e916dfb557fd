/* t/misuse/sized-freed.c - free_sized is given a block that is free.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(100);
    void *p = jsm_malloc(100);

    misuse_at(p);
    jsm_free(p);
    jsm_free_sized(hide(p), 100);
    return misuse_survived();
}
