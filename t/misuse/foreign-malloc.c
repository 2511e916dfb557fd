/* t/misuse/foreign-malloc.c - a block of libc's own allocator is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    char *p = malloc(1000);

    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(hide(p));
    free(p);
    return misuse_survived();
}
