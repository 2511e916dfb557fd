/* t/misuse/foreign-code.c - a function is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = hide((void *)(uintptr_t)main);

    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(p);
    return misuse_survived();
}
