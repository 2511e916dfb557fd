/* t/misuse/reused.c - a block is freed again when its memory is part of a larger block.
 * SPDX-License-Identifier: MIT
 */
#include "misuse.h"

int
main(void)
{
    enum { MANY = 24, SMALL = 100000, LARGE = 600000 };
    char *p[MANY], *large[MANY], *old = NULL, *container = NULL;

    for (unsigned i = 0; i < MANY; i++)
        p[i] = jsm_malloc(SMALL);
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(p[i]);
    for (unsigned i = 0; i < MANY; i++) {
        large[i] = jsm_malloc(LARGE);
        for (unsigned j = 0; j < MANY; j++)
            if ((uintptr_t)hide(p[j]) > (uintptr_t)large[i] && (uintptr_t)hide(p[j]) < (uintptr_t)large[i] + LARGE) {
                old = hide(p[j]);
                container = large[i];
            }
    }
    if (old == NULL)
        return MISUSE_SKIP; /* the memory has not been used again in this way */
    memset(container, 0x77, LARGE);
    misuse_at(old);
    jsm_free(old);
    unsigned bad = !is_all(container, LARGE, 0x77);
    for (unsigned i = 0; i < MANY; i++)
        jsm_free(large[i]);
    return bad != 0 ? 3 : misuse_survived();
}
