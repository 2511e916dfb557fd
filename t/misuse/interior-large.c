/* t/misuse/interior-large.c - a pointer into a block of the page heap is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(300000);

    misuse_at(p + 65536);
    jsm_free(hide(p + 65536));
    jsm_free(p);
    return misuse_survived();
}
