/* t/misuse/foreign-static.c - a static variable is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

static long here[8];

int
main(void)
{
    void *p = hide(here);

    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(p);
    return misuse_survived();
}
