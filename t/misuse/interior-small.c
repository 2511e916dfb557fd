/* t/misuse/interior-small.c - a pointer into a small block is freed, aligned as blocks are.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(64);

    misuse_at(p + 16);
    jsm_free(hide(p + 16));
    jsm_free(p);
    return misuse_survived();
}
