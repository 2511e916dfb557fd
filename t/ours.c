/* t/ours.c - whether malloc, and libc's own calls of it, are the library's.
 * SPDX-License-Identifier: MIT */
#include <jsmalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(void)
{
    void *p = malloc(100);
    void *q = aligned_alloc(4096, 8192);
    char *s = strdup("libc's own calls");
    int ours = jsm_is_ours(p) && jsm_is_ours(q) && jsm_is_ours(s) && !jsm_is_ours(&p);
    free(p);
    free(q);
    free(s);
    puts(ours ? "ours" : "not ours");
    return ours ? EXIT_SUCCESS : EXIT_FAILURE;
}
