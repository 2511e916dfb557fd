/* t/misuse/interior-medium.c - a pointer into a block of several pages is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(20000);

    misuse_at(p + 4096);
    jsm_free(hide(p + 4096));
    jsm_free(p);
    return misuse_survived();
}
