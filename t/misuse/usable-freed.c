/* t/misuse/usable-freed.c - the usable size is asked of a block that is free.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(100);
    char *p = jsm_malloc(100);

    jsm_free(p);

    misuse_at(p);
    if (jsm_malloc_usable_size(hide(p)) != 0)
        return 2; /* there is no such block */
    return misuse_survived();
}
