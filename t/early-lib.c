/* t/early-lib.c - a library that knows nothing of ours and comes after it on the command line: its
 * constructor runs before ours would, and its destructor after.
 * SPDX-License-Identifier: MIT
 */
#include <stdlib.h>
#include <string.h>

#include "early.h"

struct early_library early_library;

__attribute__((constructor)) static void
construct(void)
{
    early_library.p = malloc(EARLY_LIBRARY_BYTES);
    if (early_library.p != NULL)
        memset(early_library.p, 0x77, EARLY_LIBRARY_BYTES);
}

__attribute__((destructor)) static void
destruct(void)
{
    void *p = malloc(3 * EARLY_LIBRARY_BYTES);
    int good = p != NULL && early_library.p != NULL && early_library.p[EARLY_LIBRARY_BYTES - 1] == 0x77;

    free(p);
    free(early_library.p);
    if (early_library.report != NULL)
        early_library.report->good[LATE_LIBRARY] = good ? 1 : 2;
}
