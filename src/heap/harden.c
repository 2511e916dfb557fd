/* heap/harden.c - option harden: faults that the default build cannot see.
 *
 * doc/hardening.md has the invariants, N1 to N9, and what each costs; heap/harden.h what a block looks like.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <string.h>

enum {
    TRAILER_BYTES = JSM_HARDEN_TRAILER_BYTES,
    /* What a thread holds back of each class: blocks, and bytes of them. */
    KEEP_BLOCKS_ON = 1 << JSM_HARDEN_SHIFT_ON,
    KEEP_BYTES_ON = 1 << 10,
    KEEP_BLOCKS_FULL = 1 << JSM_HARDEN_SHIFT_FULL,
    KEEP_BYTES_FULL = 16 << 10,
    /* The longest block of which one is held back, although it is more than that. */
    KEEP_BLOCK_BYTES_ON = 4 << 10,
    KEEP_BLOCK_BYTES_FULL = 64 << 10
};

_Atomic(uint8_t) jsm_harden_level;
struct jsm_secret jsm_secret;

_Static_assert(sizeof jsm_secret == JSM_SECRET_PAGE_BYTES, "it has a page to itself, where pages are not longer");

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static void
draw_secret(uint32_t wipe_bytes)
{
    uint64_t bits = jsm_os_entropy();

    jsm_secret.add = mix(bits);
    jsm_secret.multiply = mix(jsm_secret.add + bits) | 1;
    /* Neither a character of ASCII, nor 0, nor what -1 is made of: what strings and small numbers write is seen. */
    jsm_secret.tag = (uint32_t)(0x81 + mix(jsm_secret.multiply) % 126);
    jsm_secret.padding = jsm_secret.tag * UINT64_C(0x0101010101010101);
    jsm_secret.wipe_bytes = wipe_bytes;
    if (jsm_os_page_bytes() == sizeof jsm_secret)
        (void)jsm_os_commit_read(&jsm_secret, sizeof jsm_secret);
}

JSM_CORE bool
jsm_harden_start(void)
{
    uint8_t level = 0;

    if (!jsm_options_fix() || jsm_option(JSM_OPT_HARDEN) == JSM_HARDEN_OFF)
        return false;
    jsm_lock(&jsm_options_lock); /* one that fork() takes: the child may begin as well */
    /* ORDER: relaxed; it changes under the lock that we hold. */
    if (jsm_load_relaxed(&jsm_harden_level) == JSM_HARDEN_OFF)
        level = (uint8_t)jsm_option(JSM_OPT_HARDEN);
    if (level != 0) {
        jsm_slab_wipe_bytes = level == JSM_HARDEN_FULL ? UINT32_MAX : JSM_HARDEN_HEAD_BYTES;
        draw_secret(jsm_slab_wipe_bytes);
        jsm_huge_guards = true;
        jsm_slab_scatter = level == JSM_HARDEN_FULL;
        /* ORDER: relaxed; the lock, or how a thread came to be, orders it: each that has a theap was here. */
        jsm_store_relaxed(&jsm_harden_level, level);
    }
    jsm_unlock(&jsm_options_lock);
    return level != 0;
}

void
jsm_harden_theap(struct jsm_theap *th)
{
    th->no_adopt = true;
    jsm_theap_leave_all(th);
    th->no_adopt = false;
}

void
jsm_harden_slab(struct jsm_span *slab, const struct jsm_heap *heap)
{
    /* One of a thread's cache may have it already.  Pages of 64 KiB are whole slabs, or half of them. */
    bool is_worth_it = ((size_t)slab->n_slices << JSM_SLICE_SHIFT) >= 4 * jsm_os_page_bytes();
    if (jsm_harden_is_full() && is_worth_it && (slab->traits & JSM_TRAIT_GUARDED) == 0)
        jsm_harden_guard(slab);
    slab->traits |= JSM_TRAIT_HARD;
    if (!jsm_heap_is_user(heap)) /* else it may end at any time */
        slab->traits |= slab->n_slices == 1 ? JSM_TRAIT_KEEP | JSM_TRAIT_USUAL : JSM_TRAIT_KEEP;
}

/* ---- Memory ---- */

void
jsm_wipe_long(void *p, size_t bytes)
{
    jsm_pair *at = p;

    if (bytes > 256) {
        memset(p, 0, bytes);
        return;
    }
    for (bytes >>= 4; bytes > 0; bytes--) {
        *at++ = (jsm_pair){ 0, 0 };
        __asm__("" : "+r"(at)); /* or it would become a call of memset() */
    }
}

bool
jsm_is_zero_long(const void *p, size_t bytes)
{
    const jsm_pair *at = p;
    jsm_pair a = { 0, 0 }, b = a;

    if ((bytes & 16) != 0)
        a |= *at++;
    if ((bytes & 32) != 0) {
        a |= at[0];
        b |= at[1];
        at += 2;
    }
    for (bytes >>= 6; bytes > 0; bytes--, at += 4) {
        a |= at[0] | at[1];
        b |= at[2] | at[3];
    }
    a |= b;
    return (a[0] | a[1]) == 0;
}

void
jsm_padding_fill(jsm_word *trailer, size_t bytes)
{
    if (bytes > 128)
        memset((uint8_t *)trailer - bytes, (uint8_t)jsm_secret.padding, bytes);
    else
        for (; bytes >= 8; bytes -= 8) { /* the first word is written already */
            *--trailer = jsm_secret.padding;
            __asm__("" : "+r"(trailer));
        }
}

bool
jsm_padding_is_whole(const jsm_word *trailer, size_t bytes)
{
    uint64_t differ = 0;

    for (; bytes >= 8; bytes -= 8) /* the first word was looked at already */
        differ |= *--trailer ^ jsm_secret.padding;
    return differ == 0;
}

/* ---- Blocks ---- */

size_t
jsm_harden_bytes(const struct jsm_span *slab, void *block)
{
    size_t most = slab->block_bytes - TRAILER_BYTES, padding = jsm_padding_of(jsm_tag_of(*jsm_trailer_of(slab, block)));

    return padding <= most ? most - padding : most;
}

static struct jsm_span *
span_of(const void *block)
{
    struct jsm_span *span = jsm_pagemap_find(block);

    return jsm_kind(span) == JSM_KIND_SLAB_PART ? span - span->back : span;
}

bool
jsm_harden_new(void *block, size_t bytes)
{
    struct jsm_span *span = span_of(block);

    if (jsm_is_large(span) || (span->traits & JSM_TRAIT_HARD) == 0)
        return false;
    if (jsm_unlikely(!jsm_is_zero_block(span, block, jsm_secret.wipe_bytes)))
        jsm_harden_written("malloc", span, block);
    jsm_harden_dress(span, block, bytes, JSM_ORIGIN_MALLOC, jsm_harden_is_full());
    return bytes <= jsm_secret.wipe_bytes;
}

void
jsm_harden_set_origin(void *block, enum jsm_origin origin)
{
    struct jsm_span *span = span_of(block);

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return;
    if (jsm_is_large(span)) {
        span->traits = (uint8_t)((span->traits & ~(3 * JSM_TRAIT_ORIGIN)) | (unsigned)origin * JSM_TRAIT_ORIGIN);
    } else {
        jsm_word *trailer = jsm_trailer_of(span, block);
        *trailer = jsm_trailer_with(block, jsm_tag_with(jsm_padding_of(jsm_tag_of(*trailer)), origin));
    }
}

bool
jsm_harden_resize(const struct jsm_block *block, size_t bytes)
{
    struct jsm_span *span = block->span;

    if (bytes == block->bytes)
        return true;
    if ((span->traits & JSM_TRAIT_HARD) == 0 || bytes == 0)
        return false;
    if (jsm_is_large(span)) {
        size_t page = jsm_os_page_bytes();
        if (jsm_round_up(bytes, page) != jsm_round_up(block->bytes, page))
            return false;
        jsm_set_size_bytes(span, bytes);
        jsm_canary_write(span);
        return true;
    }
    size_t room = jsm_harden_room(bytes);
    if (room > JSM_CLASS_MAX_BYTES || jsm_class_bytes[jsm_class_of(room)] != span->block_bytes)
        return false;
    enum jsm_origin origin = jsm_origin_of(jsm_tag_of(*jsm_trailer_of(span, block->start)));
    jsm_harden_dress(span, block->start, bytes, origin, jsm_harden_is_full());
    return true;
}

/* ---- Quarantine ---- */

/* The greatest power of two up to `n`, which is not 0. */
static uint32_t
power_below(size_t n)
{
    return 1u << jsm_log2(n);
}

static struct jsm_quarantine *
quarantine_of(struct jsm_theap *th)
{
    if (jsm_likely(th->quarantine != NULL))
        return th->quarantine;
    bool is_full = jsm_harden_is_full();
    uint32_t blocks = is_full ? KEEP_BLOCKS_FULL : KEEP_BLOCKS_ON;
    size_t bytes = is_full ? KEEP_BYTES_FULL : KEEP_BYTES_ON;
    struct jsm_quarantine *q = jsm_meta_alloc(sizeof *q + JSM_CLASSES * blocks * sizeof q->kept[0], JSM_CACHE_LINE);
    if (q != NULL) {
        q->random = mix(jsm_secret.add ^ (uintptr_t)th);
        q->max_block_bytes = is_full ? KEEP_BLOCK_BYTES_FULL : KEEP_BLOCK_BYTES_ON;
        for (unsigned c = 0; c < JSM_CLASSES; c++) {
            uint32_t places = power_below(jsm_max(bytes / jsm_class_bytes[c], (size_t)1));
            q->mask[c] = (uint16_t)(jsm_min(places, blocks) - 1);
        }
    }
    th->quarantine = q;
    return q;
}

bool
jsm_quarantine_prepare(struct jsm_theap *th)
{
    return quarantine_of(th) != NULL;
}

/* The places of a class. */
static uint64_t *
places_of(struct jsm_quarantine *q, unsigned c)
{
    return &q->kept[(size_t)c << (jsm_harden_is_full() ? JSM_HARDEN_SHIFT_FULL : JSM_HARDEN_SHIFT_ON)];
}

/* Two threads that free a block at the same moment may both hold it back, with level on: the second of them that lets
 * it go finds that it is not in quarantine any more. */
static bool
is_kept(struct jsm_span *slab, uint32_t index)
{
    struct jsm_block block = { .found = JSM_FOUND_FREE, .span = slab, .start = jsm_slab_block(slab, index),
                               .bytes = slab->block_bytes, .index = index };

    if (jsm_likely(jsm_slab_cell(slab, index) == JSM_LINK_QUARANTINED))
        return true;
    jsm_block_freed_meanwhile("free", &block);
    return false;
}

void
jsm_harden_release(struct jsm_theap *th, struct jsm_span *slab, uint32_t index)
{
    void *block = jsm_slab_block(slab, index);

    if (!is_kept(slab, index))
        return;
    if (jsm_harden_is_full() && jsm_unlikely(!jsm_is_zero_block(slab, block, UINT32_MAX)))
        jsm_harden_written("free", slab, block);
    jsm_free_in_slab(th, slab, index);
}

JSM_CORE void
jsm_quarantine_drain(struct jsm_theap *th)
{
    struct jsm_quarantine *q = th->quarantine;

    if (q == NULL)
        return;
    for (unsigned c = 0; c < JSM_CLASSES; c++) {
        for (uint64_t *place = places_of(q, c), *last = place + q->mask[c]; place <= last; place++) {
            if (*place == 0)
                continue;
            struct jsm_span *slab = (struct jsm_span *)(uintptr_t)(*place >> 16);
            uint32_t index = (uint32_t)*place & 0xffff;
            void *block = jsm_slab_block(slab, index);
            *place = 0;
            if (!is_kept(slab, index))
                continue;
            if (jsm_unlikely(!jsm_is_zero_block(slab, block, jsm_secret.wipe_bytes)))
                jsm_harden_written("free", slab, block);
            jsm_free_in_slab(th, slab, index);
        }
    }
    jsm_quarantine_drain_large(q);
}

void
jsm_quarantine_forget(struct jsm_quarantine *q)
{
    if (q == NULL)
        return;
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        memset(places_of(q, c), 0, (q->mask[c] + 1u) * sizeof q->kept[0]);
    q->n_large = 0;
    q->large_bytes = q->large_resident_bytes = 0;
}

void
jsm_quarantine_clean(struct jsm_span *slab)
{
    for (uint32_t i = 0, carved = slab->carved; i < carved; i++) {
        void *block = jsm_slab_block(slab, i);
        if (slab->link[i] == JSM_LINK_QUARANTINED && !jsm_is_zero_block(slab, block, jsm_secret.wipe_bytes))
            jsm_wipe_block(slab, block, jsm_secret.wipe_bytes);
    }
}

void
jsm_quarantine_sweep(struct jsm_span *slab)
{
    jsm_quarantine_clean(slab);
    for (uint32_t i = 0, carved = slab->carved; i < carved; i++) {
        if (slab->link[i] == JSM_LINK_QUARANTINED && jsm_slab_push(slab, i)) {
            bool is_empty = slab->state != JSM_SLAB_FULL;
            jsm_theap_event(slab);
            if (is_empty)
                return;
        }
    }
}

/* ---- Freeing ---- */

bool
jsm_harden_keep(struct jsm_theap *th, const struct jsm_block *block)
{
    struct jsm_span *span = block->span;

    if ((span->traits & JSM_TRAIT_HARD) == 0 || (!jsm_is_large(span) && jsm_kind(span) != JSM_KIND_SLAB))
        return false;
    struct jsm_quarantine *q = th != NULL ? quarantine_of(th) : NULL;
    if (jsm_is_large(span)) {
        bool may_keep = q != NULL && jsm_harden_is_full() && jsm_kind(span) == JSM_KIND_LARGE &&
            !jsm_heap_is_user(jsm_span_heap(span)) && !jsm_is_own_memory(span);
        if (may_keep && jsm_quarantine_keep_large(q, span))
            return true;
        jsm_harden_wipe_large(span);
        return false;
    }
    bool may_keep = (span->traits & JSM_TRAIT_KEEP) != 0;
    if (may_keep && jsm_harden_is_full() && !jsm_harden_claim(span, block->index)) {
        jsm_block_freed_meanwhile("free", block);
        return true;
    }
    jsm_wipe_block(span, block->start, jsm_secret.wipe_bytes);
    if (!may_keep || q == NULL || span->block_bytes > q->max_block_bytes)
        return false;
    jsm_harden_hold(th, q, span, block->start, block->index, jsm_harden_is_full());
    return true;
}

bool
jsm_harden_free(struct jsm_theap *th, void *p, enum jsm_origin origin, size_t bytes)
{
    const unsigned usual = JSM_TRAIT_HARD | JSM_TRAIT_KEEP;
    struct jsm_span *slab = jsm_pagemap_find(p);
    uint32_t i, tag;

    if (p == NULL)
        return true;
    if (slab == NULL || th == NULL || th->quarantine == NULL || th->front.slow < JSM_SLOW_HARDENED ||
        th->front.slow > JSM_SLOW_COUNTED)
        return false;
    if (jsm_kind(slab) == JSM_KIND_SLAB_PART)
        slab -= slab->back;
    bool is_full = jsm_harden_is_full();
    if (jsm_kind(slab) != JSM_KIND_SLAB || !jsm_slab_index(slab, p, &i) || slab->link[i] != JSM_LINK_USED ||
        (slab->traits & usual) != usual || !jsm_harden_is_whole(slab, p, &tag, is_full) || jsm_origin_of(tag) != origin)
        return false;
    if (bytes != JSM_SIZE_UNSAID && bytes + jsm_padding_of(tag) + TRAILER_BYTES != slab->block_bytes)
        return false;
    if (is_full && !jsm_harden_claim(slab, i))
        return false;
    jsm_wipe_block(slab, p, jsm_secret.wipe_bytes);
    if (jsm_likely(slab->block_bytes <= th->quarantine->max_block_bytes))
        jsm_harden_hold(th, th->quarantine, slab, p, i, is_full);
    else
        jsm_free_in_slab(th, slab, i);
    return true;
}

/* ---- Checks ---- */

bool
jsm_harden_is_sound(struct jsm_span *span, void *block)
{
    uint32_t tag;

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return true;
    if (jsm_is_large(span))
        return jsm_canary_is_whole(span);
    return jsm_harden_is_whole(span, block, &tag, jsm_harden_is_full());
}

static void
check_kept(const struct jsm_quarantine *q, unsigned c, const uint64_t *place, struct jsm_faults *faults)
{
    const struct jsm_span *slab = (const struct jsm_span *)(uintptr_t)(*place >> 16);
    uint32_t index = (uint32_t)*place & 0xffff;

    if (!jsm_pagemap_holds(slab) || slab->class_id != c || slab->block_bytes > q->max_block_bytes ||
        index >= slab->capacity || jsm_slab_cell(slab, index) != JSM_LINK_QUARANTINED)
        jsm_fault(faults, "quarantine with what was not freed, in ", place);
    else if (!jsm_is_zero_block(slab, jsm_slab_block(slab, index), jsm_secret.wipe_bytes))
        jsm_fault(faults, "block that was written to after it was freed, at ", jsm_slab_block(slab, index));
}

void
jsm_quarantine_check(struct jsm_quarantine *q, struct jsm_faults *faults)
{
    for (unsigned c = 0; c < JSM_CLASSES; c++)
        for (const uint64_t *place = places_of(q, c), *last = place + q->mask[c]; place <= last; place++)
            if (*place != 0)
                check_kept(q, c, place, faults);
    jsm_quarantine_check_large(q, faults);
}
