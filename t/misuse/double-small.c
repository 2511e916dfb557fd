/* t/misuse/double-small.c - a small block is freed twice.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(64);
    void *p = jsm_malloc(64);

    misuse_at(p);
    jsm_free(p);
    jsm_free(hide(p));
    return misuse_survived();
}
