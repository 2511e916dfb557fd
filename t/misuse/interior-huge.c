/* t/misuse/interior-huge.c - a pointer into a mapping of its own is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(100 * MIB);

    misuse_at(p + 16);
    jsm_free(hide(p + 16));
    jsm_free(p);
    return misuse_survived();
}
