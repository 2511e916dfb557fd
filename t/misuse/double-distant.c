/* t/misuse/double-distant.c - a block is freed twice, with many other frees in between.
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
    for (unsigned i = 0; i < MISUSE_BYSTANDERS / 2; i++) {
        jsm_free(misuse_bystander[i]);
        misuse_bystander[i] = NULL;
    }
    jsm_free(hide(p));
    return misuse_survived();
}
