/* t/misuse/misaligned.c - a pointer is freed that no block can have.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(64);

    misuse_at(p + 1);
    jsm_free(hide(p + 1));
    jsm_free(p);
    return misuse_survived();
}
