/* t/misuse/usable-foreign.c - the usable size is asked of a variable.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    long here[8] = {0};

    misuse_at(here);
    if (jsm_malloc_usable_size(hide(here)) != 0)
        return 2; /* there is no such block */
    return misuse_survived();
}
