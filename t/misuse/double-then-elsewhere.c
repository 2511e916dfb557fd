/* t/misuse/double-then-elsewhere.c - the owner frees a block, then another thread does.
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
    misuse_free_elsewhere(hide(p));
    return misuse_survived();
}
