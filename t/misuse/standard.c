/* t/misuse/standard.c - a block is freed twice, by the standard names.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = malloc(100), *q = malloc(100);

    misuse_at(p);
    free(p);
    free(hide(p));
    free(q);
    return misuse_survived();
}
