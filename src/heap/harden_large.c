/* heap/harden_large.c - option harden: inaccessible pages, and blocks that are not of slabs.
 *
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <errno.h>
#include <string.h>

enum {
    CUTS_MAX = 8192,                    /* what protection does, as it may cost mappings: at most so much, */
    CUTS_SHARE = 8,                     /* and such a part of the mappings that a process may have */
    CANARY_BYTES = 16,                  /* behind a large block that has no guard page */
    CANARY_BYTES_MAX_ON = 64,
    GUARDED_BYTES_MIN_ON = 1 << 20,     /* to write less takes little longer than to make a guard page and undo it */
    WIPE_BYTES_ON = 1 << 10,
    PURGE_BYTES_MIN = 2 << 20,          /* below it, to write zeros is cheaper than to have pages made anew */
    KEEP_RESIDENT_BYTES_MAX = 4 << 20   /* of those below it that a thread holds back, with their memory */
};
#define KEEP_BYTES_MAX ((size_t)256 << 20) /* and of all others, without */

/* ---- Canaries ---- */

size_t
jsm_canary_bytes(const struct jsm_span *span)
{
    size_t bytes = jsm_size_bytes(span), to_page = jsm_round_up(bytes, jsm_os_page_bytes()) - bytes;
    size_t all = to_page + ((span->traits & JSM_TRAIT_GUARDED) != 0 ? 0 : CANARY_BYTES);

    return jsm_harden_is_full() ? all : jsm_min(all, (size_t)CANARY_BYTES_MAX_ON);
}

void
jsm_canary_write(struct jsm_span *span)
{
    memset(span->base + jsm_size_bytes(span), (int)(jsm_secret.padding & 0xff), jsm_canary_bytes(span));
}

bool
jsm_canary_is_whole(const struct jsm_span *span)
{
    const uint8_t *at = span->base + jsm_size_bytes(span), *end = at + jsm_canary_bytes(span);

    while (at < end && *at == (uint8_t)jsm_secret.padding)
        at++;
    return at == end;
}

/* ---- Inaccessible pages ---- */

/* Protection may cut a mapping in two.  How often it may is asked when it first does. */
static _Atomic(uint32_t) n_cuts, max_cuts;

static uint32_t
cuts_max(void)
{
    /* ORDER: relaxed, both; a number, which is the same whoever asks. */
    uint32_t max = jsm_load_relaxed(&max_cuts);

    if (jsm_unlikely(max == 0)) {
        size_t mappings = jsm_os_read_number("/proc/sys/vm/max_map_count"); /* 65,530 by default */
        max = (uint32_t)jsm_min(mappings / CUTS_SHARE, (size_t)CUTS_MAX) | 1;
        jsm_store_relaxed(&max_cuts, max);
    }
    return max;
}

/* Makes part of a span inaccessible by protection, with its memory or without; false if that cannot be.  What it holds
 * is lost. */
static bool
cut(struct jsm_span *span, void *addr, size_t bytes, int (*protect)(void *addr, size_t bytes))
{
    /* ORDER: relaxed; a budget. */
    bool may = jsm_fetch_add_relaxed(&n_cuts, 1) < cuts_max();

    /* The kernel makes one mapping of the parts again only if they got their first pages before they were parts. */
    if (may)
        *(volatile uint8_t *)addr = 0;
    /* Of what the kernel has as several mappings a part may have become inaccessible when it fails.  If that cannot be
     * taken back either, all of it counts as if it were. */
    if (!may || (protect(addr, bytes) != 0 && jsm_os_commit(addr, bytes) == 0)) {
        /* ORDER: relaxed, as above. */
        jsm_fetch_sub_relaxed(&n_cuts, 1);
        return false;
    }
    span->traits |= JSM_TRAIT_CUT;
    return true;
}

/* Makes part of a span inaccessible, and takes its memory; false if that cannot be. */
static bool
shut(struct jsm_span *span, void *addr, size_t bytes)
{
    return jsm_os_guard(addr, bytes) == 0 || cut(span, addr, bytes, jsm_os_decommit);
}

/* And makes it accessible; false if the system does not let us: then nobody may have it any more. */
static bool
open_up(struct jsm_span *span, void *addr, size_t bytes)
{
    if ((span->traits & JSM_TRAIT_CUT) == 0)
        return jsm_os_unguard(addr, bytes) == 0;
    span->traits &= (uint8_t)~JSM_TRAIT_CUT;
    /* ORDER: relaxed; a budget. */
    jsm_fetch_sub_relaxed(&n_cuts, 1);
    return jsm_os_commit(addr, bytes) == 0;
}

/* The page of a span that is inaccessible when it is guarded: behind a large block, or the last of a slab.  One
 * alone, as those who have the memory next would have to fault each in again. */
static uint8_t *
guard_of(const struct jsm_span *span)
{
    size_t page = jsm_os_page_bytes(), last = ((size_t)span->n_slices << JSM_SLICE_SHIFT) - page;

    return span->base + ((span->traits & JSM_TRAIT_LARGE) != 0 ? jsm_round_up(jsm_size_bytes(span), page) : last);
}

void
jsm_harden_guard(struct jsm_span *span)
{
    if (!jsm_is_own_memory(span) && shut(span, guard_of(span), jsm_os_page_bytes()))
        span->traits |= JSM_TRAIT_GUARDED;
}

bool
jsm_harden_unguard(struct jsm_span *span)
{
    if (!open_up(span, guard_of(span), jsm_os_page_bytes()))
        return false;
    span->traits &= (uint8_t)~JSM_TRAIT_GUARDED;
    return true;
}

void
jsm_harden_large(struct jsm_span *span)
{
    span->traits |= JSM_TRAIT_HARD | JSM_TRAIT_LARGE;
    /* A mapping of its own has its guard already. */
    if (span->n_slices != 0 && (jsm_harden_is_full() || jsm_size_bytes(span) >= GUARDED_BYTES_MIN_ON))
        jsm_harden_guard(span);
    jsm_canary_write(span);
}

/* ---- Freed blocks ---- */

static size_t
span_bytes(const struct jsm_span *span)
{
    return (size_t)span->n_slices << JSM_SLICE_SHIFT;
}

static bool
keeps_memory(const struct jsm_span *span)
{
    return span_bytes(span) < PURGE_BYTES_MIN;
}

static void
release_oldest(struct jsm_quarantine *q)
{
    struct jsm_span *span = q->large[0];

    memmove(q->large, q->large + 1, --q->n_large * sizeof q->large[0]);
    *(keeps_memory(span) ? &q->large_resident_bytes : &q->large_bytes) -= span_bytes(span);
    if (open_up(span, span->base, span_bytes(span)))
        jsm_span_free(span);
}

bool
jsm_quarantine_keep_large(struct jsm_quarantine *q, struct jsm_span *span)
{
    bool with_memory = keeps_memory(span);

    if (span_bytes(span) > KEEP_BYTES_MAX / 4 || !jsm_claim_kind(span, JSM_KIND_LARGE, JSM_KIND_BUSY))
        return false;
    if ((span->traits & JSM_TRAIT_GUARDED) != 0 && !jsm_harden_unguard(span))
        return true;
    /* Its pages would have to be made anew one by one: so they stay, and nobody may access them. */
    if (with_memory)
        jsm_harden_wipe_large(span);
    if (!(with_memory ? cut(span, span->base, span_bytes(span), jsm_os_shut)
                      : shut(span, span->base, span_bytes(span)))) {
        jsm_set_kind(span, JSM_KIND_LARGE);
        return false;
    }
    *(with_memory ? &q->large_resident_bytes : &q->large_bytes) += span_bytes(span);
    while (q->n_large == JSM_HARDEN_LARGE || q->large_bytes > KEEP_BYTES_MAX ||
           q->large_resident_bytes > KEEP_RESIDENT_BYTES_MAX)
        release_oldest(q);
    q->large[q->n_large++] = span;
    return true;
}

void
jsm_quarantine_drain_large(struct jsm_quarantine *q)
{
    while (q->n_large > 0)
        release_oldest(q);
}

void
jsm_quarantine_check_large(const struct jsm_quarantine *q, struct jsm_faults *faults)
{
    size_t bytes = 0, resident_bytes = 0;

    for (uint32_t i = 0; i < q->n_large; i++) {
        const struct jsm_span *span = q->large[i];
        if (!jsm_pagemap_holds(span) || jsm_kind(span) != JSM_KIND_BUSY) {
            jsm_fault(faults, "quarantine with what was not freed, in ", &q->large[i]);
            return;
        }
        *(keeps_memory(span) ? &resident_bytes : &bytes) += span_bytes(span);
    }
    if (bytes != q->large_bytes || resident_bytes != q->large_resident_bytes)
        jsm_fault(faults, "wrong number of bytes in the quarantine at ", q);
}

void
jsm_harden_wipe_large(struct jsm_span *span)
{
    size_t page = jsm_os_page_bytes(), bytes = jsm_round_up(jsm_size_bytes(span), page);

    if (jsm_kind(span) == JSM_KIND_HUGE) /* it is going to be unmapped */
        return;
    if (!jsm_harden_is_full()) {
        memset(span->base, 0, WIPE_BYTES_ON);
        return;
    }
    if (bytes < PURGE_BYTES_MIN || jsm_is_own_memory(span) || jsm_os_purge(span->base, bytes) != 0)
        memset(span->base, 0, bytes);
}
