/* t/misuse/double-realloc.c - a block is freed that realloc has moved away from.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(64);
    char *p = jsm_malloc(64), *q;

    misuse_at(p);
    q = jsm_realloc(p, 50000);
    jsm_free(hide(p));
    jsm_free(q);
    return misuse_survived();
}
