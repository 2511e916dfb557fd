/* t/misuse/double-trimmed.c - a block is freed again after its memory went back to the system.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = jsm_malloc(3000);

    misuse_at(p);
    jsm_free(p);
    (void)jsm_malloc_trim(0);
    jsm_free(hide(p));
    return misuse_survived();
}
