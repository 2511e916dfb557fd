/* t/misuse/beyond.c - a pointer is freed to where blocks of this size may come to lie one day.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = jsm_malloc(64), *q = hide(p);

    while (jsm_is_ours(q))
        q += 64;
    misuse_at(q);
    jsm_free(q);
    jsm_free(p);
    return misuse_survived();
}
