/* t/misuse/foreign-last.c - the last pointer of all is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = hide((void *)(UINTPTR_MAX - 15));

    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(p);
    return misuse_survived();
}
