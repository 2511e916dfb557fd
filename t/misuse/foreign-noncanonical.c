/* t/misuse/foreign-noncanonical.c - a pointer is freed that the processor does not have.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = hide((void *)((uintptr_t)1 << (sizeof(uintptr_t) * 8 - 1) | 0x1000));

    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(p);
    return misuse_survived();
}
