/* t/misuse/foreign-wild.c - a pointer out of text is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    void *p = hide((void *)(uintptr_t)UINT64_C(0x4141414141414141));

    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(p);
    return misuse_survived();
}
