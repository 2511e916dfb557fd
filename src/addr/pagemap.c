/* addr/pagemap.c - windows of descriptors, made as addresses come into use.
 *
 * A window is reserved whole and made readable, so that any pointer may be looked up; only the
 * descriptors of arenas and direct mappings are writable, and only those that were written
 * take memory.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "addr/addr.h"

#include <errno.h>

JSM_SPARSE _Atomic(struct jsm_span *) jsm_pagemap_root[JSM_WINDOWS];
struct jsm_lock jsm_pagemap_lock = { .rank = JSM_RANK_PAGEMAP };

static struct jsm_span *
window_new(void)
{
    size_t bytes = JSM_WINDOW_SLICES * sizeof(struct jsm_span);
    void *window = jsm_os_reserve(bytes, jsm_os_page_bytes());

    if (window != NULL && jsm_os_commit_read(window, bytes) != 0) {
        jsm_os_unmap(window, bytes);
        window = NULL;
    }
    return window;
}

static int
prepare_locked(uintptr_t first_slice, uintptr_t last_slice)
{
    size_t w = first_slice / JSM_WINDOW_SLICES;
    /* ORDER: relaxed; written under the lock that we hold. */
    struct jsm_span *window = jsm_load_relaxed(&jsm_pagemap_root[w]);

    if (window == NULL) {
        window = window_new();
        if (window == NULL)
            return ENOMEM;
        /* ORDER: relaxed; see jsm_pagemap_find(). */
        jsm_store_relaxed(&jsm_pagemap_root[w], window);
    }
    size_t page = jsm_os_page_bytes();
    uintptr_t from = (uintptr_t)&window[first_slice % JSM_WINDOW_SLICES];
    uintptr_t to = (uintptr_t)(&window[last_slice % JSM_WINDOW_SLICES] + 1);
    from = jsm_round_down(from, page);
    to = jsm_round_up(to, page);
    return jsm_os_commit((void *)from, to - from);
}

JSM_CORE int
jsm_pagemap_prepare(const void *addr, size_t bytes)
{
    uintptr_t slice = (uintptr_t)addr >> JSM_SLICE_SHIFT;
    uintptr_t last = ((uintptr_t)addr + bytes - 1) >> JSM_SLICE_SHIFT;
    int error = 0;

    if (last / JSM_WINDOW_SLICES >= JSM_WINDOWS)
        return ENOMEM;
    jsm_lock(&jsm_pagemap_lock);
    while (error == 0 && slice <= last) {
        uintptr_t end = jsm_round_down(slice, (uintptr_t)JSM_WINDOW_SLICES) + JSM_WINDOW_SLICES - 1;
        end = jsm_min(end, last);
        error = prepare_locked(slice, end);
        slice = end + 1;
    }
    jsm_unlock(&jsm_pagemap_lock);
    return error;
}
