/* t/misuse/double-huge.c - a block that is a mapping of its own is freed twice.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = jsm_malloc(100 * MIB);

    misuse_at(p);
    jsm_free(p);
    jsm_free(hide(p));
    return misuse_survived();
}
