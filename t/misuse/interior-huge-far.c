/* t/misuse/interior-huge-far.c - a pointer far into a mapping of its own is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(100 * MIB);

    misuse_at(p + 64 * MIB);
    jsm_free(hide(p + 64 * MIB));
    jsm_free(p);
    return misuse_survived();
}
