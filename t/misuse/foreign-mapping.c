/* t/misuse/foreign-mapping.c - a mapping of the program is freed.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

#include <sys/mman.h>

int
main(void)
{
    void *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return MISUSE_SKIP;
    jsm_free(jsm_malloc(64));
    misuse_at(p);
    jsm_free(p);
    memset(p, 1, MIB);
    return misuse_survived();
}
