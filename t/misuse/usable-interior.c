/* t/misuse/usable-interior.c - the usable size is asked of a pointer into a block.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(1000);

    misuse_at(p + 16);
    if (jsm_malloc_usable_size(hide(p + 16)) != 0)
        return 2; /* there is no such block */
    return misuse_survived();
}
