/* addr/check.c - descriptors and lists of them, for those who trust neither.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "addr/addr.h"

static bool
window_holds(size_t w, const struct jsm_span *span)
{
    /* ORDER: relaxed; see jsm_pagemap_find(). */
    uintptr_t window = (uintptr_t)jsm_load_relaxed(&jsm_pagemap_root[w]), offset = (uintptr_t)span - window;

    return window != 0 && offset < JSM_WINDOW_SLICES * sizeof *span && offset % sizeof *span == 0;
}

bool
jsm_pagemap_holds(const struct jsm_span *span)
{
    static _Atomic(size_t) last; /* most lists stay within a window */
    /* ORDER: relaxed, here and below; a place to begin. */
    size_t w = jsm_load_relaxed(&last);

    if (window_holds(w, span))
        return true;
    for (w = 0; w < JSM_WINDOWS; w++) {
        if (window_holds(w, span)) {
            jsm_store_relaxed(&last, w);
            return true;
        }
    }
    return false;
}

struct jsm_span *
jsm_walk_next(struct jsm_walk *walk)
{
    const struct jsm_link *at = walk->at, *next = at->next;

    /* No link has two that lead to it and are led back to: this comes to an end. */
    if (next == NULL && at == walk->list) {
        walk->is_broken = at->prev != NULL;
    } else if (next == walk->list) {
        walk->is_broken = next->prev != at;
    } else {
        struct jsm_span *span = (struct jsm_span *)((uintptr_t)next - walk->member);
        walk->at = next;
        walk->is_broken = !jsm_pagemap_holds(span) || next->prev != at;
        if (!walk->is_broken)
            return span;
    }
    return NULL;
}
