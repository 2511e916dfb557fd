/* t/misuse/interior-large-near.c - a pointer just behind the start of a block of the page heap is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(300000);

    misuse_at(p + 16);
    jsm_free(hide(p + 16));
    jsm_free(p);
    return misuse_survived();
}
