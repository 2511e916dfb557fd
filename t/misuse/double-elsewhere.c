/* t/misuse/double-elsewhere.c - another thread frees a block, then its owner does.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    misuse_surround(64);
    void *p = jsm_malloc(64);

    misuse_at(p);
    misuse_free_elsewhere(p);
    jsm_free(hide(p));
    return misuse_survived();
}
