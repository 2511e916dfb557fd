/* t/misuse/double-lone.c - the only block of its slab is freed twice.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = jsm_malloc(48);

    misuse_at(p);
    jsm_free(p);
    jsm_free(hide(p));
    return misuse_survived();
}
