/* heap/harden.c - option harden: faults that the default build cannot see.
 *
 * doc/hardening.md has the invariants, N1 to N9, and what each costs.
 *
 * A block of `n` bytes in a slab:
 *
 *   | n bytes of the program | padding, each byte the same | trailer, 8 bytes |
 *   start                    n                             block_bytes - 8
 *
 * The trailer: | padding byte 8 | code 32 | length of the padding 16 | origin 8 |, lowest address first.
 * SPDX-License-Identifier: MIT
 */
#include <config.h>

#include "heap/heap.h"

#include <errno.h>
#include <string.h>

enum {
    TRAILER_BYTES = JSM_HARDEN_TRAILER_BYTES,
    CUTS_MAX = 8192,                /* guards where the kernel has no cheap ones */
    CANARY_BYTES = 16,              /* behind a large block that has no guard page */
    KEEP_BYTES_ON = 16 << 10,       /* in a thread's quarantine: half of a processor's first cache */
    KEEP_BYTES_FULL = 1 << 20,
    KEEP_ENTRIES_ON = 1 << 8,
    KEEP_ENTRIES_FULL = 1 << 13,
    WIPE_BYTES_ON = 1 << 10,        /* of each block */
    KEEP_LARGE = 16,                /* large blocks, of which addresses alone are kept */
    PURGE_BYTES_MIN = 256 << 10     /* below it, to write zeros is cheaper than to have pages made anew */
};
#define KEEP_LARGE_BYTES_MAX ((size_t)256 << 20)

typedef uint64_t __attribute__((may_alias)) word;
typedef uint64_t __attribute__((may_alias, vector_size(16), aligned(8))) pair;

_Atomic(uint8_t) jsm_harden_level;

/* Of this process.  [const] from the start on. */
static struct {
    uint64_t add, multiply;
    uint64_t padding; /* one byte, eight times */
    uint32_t wipe_bytes; /* of a block in a slab, at most */
} secret;

/* Blocks that a thread has freed and holds back. */
struct jsm_quarantine {
    uint64_t random;
    size_t bytes, max_bytes;
    uint32_t n, max_n, max_block_bytes;
    struct jsm_span *large[KEEP_LARGE]; /* the oldest first */
    uint32_t n_large;
    size_t large_bytes;
    struct {
        struct jsm_span *slab;
        uint32_t index;
    } kept[];
};

static bool
is_full(void)
{
    /* ORDER: relaxed; as in jsm_hardened(). */
    return jsm_load_relaxed(&jsm_harden_level) == JSM_HARDEN_FULL;
}

static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

bool
jsm_harden_start(void)
{
    static struct jsm_lock lock = { .rank = JSM_RANK_OPTIONS };
    uint8_t level = 0;

    if (!jsm_options_fix())
        return false;
    jsm_lock(&lock);
    /* ORDER: relaxed; it changes under the lock that we hold. */
    if (jsm_load_relaxed(&jsm_harden_level) == JSM_HARDEN_OFF)
        level = (uint8_t)jsm_option(JSM_OPT_HARDEN);
    if (level != 0) {
        uint64_t bits = jsm_os_entropy();
        secret.add = mix(bits);
        secret.multiply = mix(secret.add + bits) | 1;
        /* Neither a character of ASCII, nor 0, nor what -1 is made of: what strings and small numbers write is seen. */
        secret.padding = (0x81 + mix(secret.multiply) % 126) * UINT64_C(0x0101010101010101);
        secret.wipe_bytes = level == JSM_HARDEN_FULL ? UINT32_MAX : WIPE_BYTES_ON;
        jsm_huge_guards = true;
        jsm_slab_scatter = level == JSM_HARDEN_FULL;
        /* ORDER: release, with the lock, or with how a thread came to be: each that has a theap was here. */
        jsm_store_release(&jsm_harden_level, level);
    }
    jsm_unlock(&lock);
    return level != 0;
}

void
jsm_harden_theap(struct jsm_theap *th)
{
    th->no_adopt = true;
    jsm_theap_leave_all(th);
    th->no_adopt = false;
}

/* ---- Memory ---- */

/* Whole blocks: `bytes` is 8, or a multiple of 16. */
JSM_INLINE void
make_zero(void *p, size_t bytes)
{
    pair *at = p;
    word *first = p;

    if (jsm_unlikely(bytes > 256)) {
        memset(p, 0, bytes);
        return;
    }
    if (jsm_unlikely((bytes & 8) != 0))
        *first = 0;
    if ((bytes & 16) != 0)
        *at++ = (pair){ 0, 0 };
    for (bytes >>= 5; bytes > 0; bytes--, at += 2) {
        at[0] = at[1] = (pair){ 0, 0 };
        __asm__("" : "+r"(at)); /* or it would become a call of memset() */
    }
}

JSM_INLINE bool
is_zero(const void *p, size_t bytes)
{
    const pair *at = p;
    const word *first = p;
    pair all = { 0, 0 };

    if (jsm_unlikely((bytes & 8) != 0))
        return *first == 0;
    if ((bytes & 16) != 0)
        all = *at++;
    for (bytes >>= 5; bytes > 0; bytes--, at += 2)
        all |= at[0] | at[1];
    return (all[0] | all[1]) == 0;
}

/* How much of a block is wiped. */
static uint32_t
wiped_bytes(const struct jsm_span *slab)
{
    return jsm_min(slab->block_bytes, secret.wipe_bytes);
}

/* ---- Trailers ---- */

static word *
trailer_of(const struct jsm_span *slab, void *block)
{
    return (word *)(void *)((uint8_t *)block + slab->block_bytes - TRAILER_BYTES);
}

/* The bytes of a word in the order of their addresses, lowest first in its lowest bits. */
static uint64_t
in_order(uint64_t n)
{
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(n) : n;
}

/* What the trailer of the block is with this tag: the length of the padding and the origin. */
static uint64_t
trailer_with(const void *block, uint32_t tag)
{
    uint64_t code = ((uintptr_t)block + secret.add + ((uint64_t)tag << 40)) * secret.multiply;

    code = (code ^ code >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return in_order((uint64_t)tag << 40 | (code >> 32) << 8 | (secret.padding & 0xff));
}

static uint32_t
tag_of(uint64_t trailer)
{
    return (uint32_t)(in_order(trailer) >> 40);
}

static uint32_t
tag_with(size_t padding_bytes, enum jsm_origin origin)
{
    return (uint32_t)padding_bytes | (uint32_t)origin << 16;
}

static size_t
padding_of(uint32_t tag)
{
    return tag & 0xffff;
}

static enum jsm_origin
origin_of(uint32_t tag)
{
    return (enum jsm_origin)(tag >> 16);
}

/* Writes padding and trailer.  The up to seven bytes before the padding become what they like. */
JSM_INLINE void
dress(const struct jsm_span *slab, void *block, size_t bytes, enum jsm_origin origin)
{
    word *trailer = trailer_of(slab, block), *from = trailer;
    uint8_t *padding = (uint8_t *)block + bytes;

    while ((uint8_t *)from > padding)
        *--from = secret.padding;
    *trailer = trailer_with(block, tag_with((size_t)((uint8_t *)trailer - padding), origin));
}

/* Whether the padding in front of the trailer is whole. */
JSM_INLINE bool
padding_is_whole(const word *trailer, size_t bytes)
{
    uint64_t differ = 0;

    for (; bytes >= 8; bytes -= 8)
        differ |= *--trailer ^ secret.padding;
    if (bytes > 0)
        differ |= in_order(*--trailer ^ secret.padding) >> (64 - 8 * bytes);
    return differ == 0;
}

/* Whether trailer and padding are whole; and the tag. */
JSM_INLINE bool
is_whole(const struct jsm_span *slab, void *block, uint32_t *tag)
{
    const word *trailer = trailer_of(slab, block);

    *tag = tag_of(*trailer);
    return *trailer == trailer_with(block, *tag) && padding_is_whole(trailer, padding_of(*tag));
}

/* ---- Large blocks ---- */

/* Bytes behind a large block that only an overflow writes to. */
static size_t
canary_bytes(const struct jsm_span *span)
{
    size_t bytes = jsm_size_bytes(span), to_page = jsm_round_up(bytes, jsm_os_page_bytes()) - bytes;

    return to_page + ((span->traits & JSM_TRAIT_GUARDED) != 0 ? 0 : CANARY_BYTES);
}

static bool
is_large(const struct jsm_span *span)
{
    return jsm_kind(span) == JSM_KIND_LARGE || jsm_kind(span) == JSM_KIND_HUGE;
}

static bool
is_own_memory(const struct jsm_span *span)
{
    return jsm_arena_at(span->arena)->shard == JSM_SHARD_OWN;
}

/* Guards by protection each cut a mapping in two, of the 65,530 that a process may have. */
static _Atomic(uint32_t) n_cuts;

/* Makes part of a span inaccessible, and takes its memory; false if that cannot be. */
static bool
shut(struct jsm_span *span, void *addr, size_t bytes)
{
    if (jsm_os_guard(addr, bytes) == 0)
        return true;
    /* ORDER: relaxed; a budget. */
    if (jsm_fetch_add_relaxed(&n_cuts, 1) >= CUTS_MAX || jsm_os_decommit(addr, bytes) != 0) {
        /* ORDER: relaxed, as above. */
        jsm_fetch_sub_relaxed(&n_cuts, 1);
        return false;
    }
    span->traits |= JSM_TRAIT_CUT;
    return true;
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

static void
guard(struct jsm_span *span)
{
    if (!is_own_memory(span) && shut(span, guard_of(span), jsm_os_page_bytes()))
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
    size_t bytes = jsm_size_bytes(span);

    span->traits |= JSM_TRAIT_HARD | JSM_TRAIT_LARGE;
    if (span->n_slices != 0) /* else it is a mapping of its own */
        guard(span);
    memset(span->base + bytes, (int)(secret.padding & 0xff), canary_bytes(span));
}

void
jsm_harden_slab(struct jsm_span *slab, const struct jsm_heap *heap)
{
    /* One of a thread's cache may have it already. */
    if (is_full() && (slab->traits & JSM_TRAIT_GUARDED) == 0)
        guard(slab);
    slab->traits |= JSM_TRAIT_HARD;
    if (!jsm_heap_is_user(heap)) /* else it may end at any time */
        slab->traits |= JSM_TRAIT_KEEP;
}

/* ---- Reports ---- */

/* "offset N of M bytes reads XX XX ..." of the bytes from `at` to `end`. */
static void
tell_bytes(char *buffer, size_t size, const uint8_t *start, const uint8_t *at, const uint8_t *end)
{
    static const char digit[] = "0123456789abcdef";
    struct jsm_text t;

    jsm_text_init(&t, buffer, size);
    jsm_text_str(&t, "from offset ");
    jsm_text_dec(&t, (uint64_t)(at - start));
    jsm_text_str(&t, " on was written to; what is there now is");
    end = end - at > 8 ? at + 8 : end;
    for (; at < end; at++) {
        const char two[] = { ' ', digit[*at >> 4], digit[*at & 15] };
        jsm_text_chars(&t, two, sizeof two);
    }
}

/* The first byte of [at, end) that is not `byte`. */
static const uint8_t *
first_other(const uint8_t *at, const uint8_t *end, uint8_t byte)
{
    while (at < end && *at == byte)
        at++;
    return at;
}

static void
report_written(const char *function, struct jsm_span *slab, const void *block)
{
    const uint8_t *start = block, *end = start + wiped_bytes(slab);
    struct jsm_block found;
    char detail[120];

    jsm_block_find(block, &found);
    found.found = JSM_FOUND_FREE;
    tell_bytes(detail, sizeof detail, start, first_other(start, end, 0), end);
    jsm_misuse_kind(function, block, &found, "write after free", detail);
}

/* The first wrong byte of padding or trailer. */
static const uint8_t *
first_wrong(const struct jsm_span *slab, void *block)
{
    const uint8_t *start = block, *trailer = start + slab->block_bytes - TRAILER_BYTES;
    uint64_t is = *trailer_of(slab, block);
    uint32_t tag = tag_of(is);
    uint64_t wanted = trailer_with(block, tag);
    size_t padding = padding_of(tag);

    if (padding > slab->block_bytes - TRAILER_BYTES || origin_of(tag) > JSM_ORIGIN_NEW_ARRAY)
        return trailer; /* overwritten as well: nobody knows where the block ended */
    const uint8_t *at = first_other(trailer - padding, trailer, (uint8_t)secret.padding);
    if (at == trailer)
        for (is = in_order(is), wanted = in_order(wanted); (is & 0xff) == (wanted & 0xff) && is != wanted; at++) {
            is >>= 8;
            wanted >>= 8;
        }
    return at;
}

bool
jsm_harden_expect(const char *function, const struct jsm_block *block)
{
    struct jsm_span *span = block->span;
    const uint8_t *start = block->start, *at, *end;
    uint32_t tag;
    char detail[120];

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return true;
    if (is_large(span)) {
        end = start + block->bytes + canary_bytes(span);
        at = first_other(start + block->bytes, end, (uint8_t)secret.padding);
        if (at == end)
            return true;
    } else {
        if (is_whole(span, block->start, &tag))
            return true;
        at = first_wrong(span, block->start);
        end = start + span->block_bytes;
    }
    tell_bytes(detail, sizeof detail, start, at, end);
    jsm_misuse_kind(function, start, block, "heap overflow", detail);
    return false;
}

bool
jsm_harden_expect_origin(const char *function, const struct jsm_block *block, enum jsm_origin origin)
{
    static const char *const names[] = { "it was allocated by malloc", "it was allocated by operator new",
                                         "it was allocated by operator new[]" };
    struct jsm_span *span = block->span;

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return true;
    unsigned is = is_large(span) ? (unsigned)span->traits / JSM_TRAIT_ORIGIN % 4
                                 : (unsigned)origin_of(tag_of(*trailer_of(span, block->start)));
    if (is == (unsigned)origin)
        return true;
    jsm_misuse_kind(function, block->start, block, "wrong deallocation function", names[is % 3]);
    return false;
}

/* ---- Blocks ---- */

size_t
jsm_harden_bytes(const struct jsm_span *slab, void *block)
{
    size_t most = slab->block_bytes - TRAILER_BYTES, padding = padding_of(tag_of(*trailer_of(slab, block)));

    return padding <= most ? most - padding : most;
}

static struct jsm_span *
span_of(const void *block)
{
    struct jsm_span *span = jsm_pagemap_find(block);

    return jsm_kind(span) == JSM_KIND_SLAB_PART ? span - span->back : span;
}

/* Level full: what is handed out has not been written to since it was made zero. */
static void
expect_zero(struct jsm_span *slab, void *block)
{
    if (jsm_likely(is_zero(block, slab->block_bytes)))
        return;
    report_written("malloc", slab, block);
    make_zero(block, slab->block_bytes);
}

void
jsm_harden_new(void *block, size_t bytes)
{
    struct jsm_span *span = span_of(block);

    if (is_large(span) || (span->traits & JSM_TRAIT_HARD) == 0)
        return;
    if (is_full())
        expect_zero(span, block);
    dress(span, block, bytes, JSM_ORIGIN_MALLOC);
}

void
jsm_harden_set_origin(void *block, enum jsm_origin origin)
{
    struct jsm_span *span = span_of(block);

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return;
    if (is_large(span)) {
        span->traits = (uint8_t)((span->traits & ~(3 * JSM_TRAIT_ORIGIN)) | (unsigned)origin * JSM_TRAIT_ORIGIN);
    } else {
        word *trailer = trailer_of(span, block);
        *trailer = trailer_with(block, tag_with(padding_of(tag_of(*trailer)), origin));
    }
}

void *
jsm_harden_malloc(struct jsm_theap_front *front, size_t bytes, enum jsm_origin origin)
{
    /* 0 bytes are more than all. */
    if (jsm_unlikely(bytes - 1 >= (size_t)jsm_option(JSM_OPT_SLAB_MAX) - TRAILER_BYTES) ||
        jsm_unlikely(front->slow != JSM_SLOW_HARDENED))
        return NULL;
    struct jsm_span *slab = front->active[jsm_class_of(bytes + TRAILER_BYTES)];
    if (jsm_unlikely(slab->head == JSM_LINK_END))
        return NULL;
    void *block = jsm_slab_pop(slab);
    if (is_full())
        expect_zero(slab, block);
    dress(slab, block, bytes, origin);
    return block;
}

bool
jsm_harden_resize(const struct jsm_block *block, size_t bytes)
{
    struct jsm_span *span = block->span;

    if (bytes == block->bytes)
        return true;
    if ((span->traits & JSM_TRAIT_HARD) == 0 || bytes == 0)
        return false;
    if (is_large(span)) {
        size_t page = jsm_os_page_bytes();
        if (jsm_round_up(bytes, page) != jsm_round_up(block->bytes, page))
            return false;
        jsm_set_size_bytes(span, bytes);
        memset(span->base + bytes, (int)(secret.padding & 0xff), canary_bytes(span));
        return true;
    }
    size_t room = bytes + TRAILER_BYTES;
    if (room > JSM_CLASS_MAX_BYTES || jsm_class_bytes[jsm_class_of(room)] != span->block_bytes)
        return false;
    word *trailer = trailer_of(span, block->start);
    enum jsm_origin origin = origin_of(tag_of(*trailer));
    size_t padding = span->block_bytes - room;
    memset((uint8_t *)trailer - padding, (int)(secret.padding & 0xff), padding);
    *trailer = trailer_with(block->start, tag_with(padding, origin));
    return true;
}

/* ---- Quarantine ---- */

static struct jsm_quarantine *
quarantine_of(struct jsm_theap *th)
{
    if (jsm_likely(th->quarantine != NULL))
        return th->quarantine;
    uint32_t max_n = is_full() ? KEEP_ENTRIES_FULL : KEEP_ENTRIES_ON;
    struct jsm_quarantine *q = jsm_meta_alloc(sizeof *q + max_n * sizeof q->kept[0], JSM_CACHE_LINE);
    if (q != NULL) {
        q->max_n = max_n;
        q->max_bytes = is_full() ? KEEP_BYTES_FULL : KEEP_BYTES_ON;
        q->max_block_bytes = (uint32_t)q->max_bytes / 4;
        q->random = mix(secret.add ^ (uintptr_t)th);
    }
    th->quarantine = q;
    return q;
}

/* As jsm_free_in_slab(), which it calls for blocks of others. */
JSM_INLINE void
free_now(struct jsm_theap *th, struct jsm_span *slab, uint32_t index)
{
    /* ORDER: relaxed, as there. */
    if (jsm_unlikely(jsm_load_relaxed(&slab->theap) != th))
        jsm_free_in_slab(th, slab, index);
    else if (jsm_unlikely(jsm_slab_push(slab, index)))
        jsm_theap_event(slab);
}

/* Frees the entry `i` for good. */
JSM_INLINE void
release(struct jsm_theap *th, struct jsm_quarantine *q, uint32_t i)
{
    struct jsm_span *slab = q->kept[i].slab;
    uint32_t index = q->kept[i].index;
    void *block = jsm_slab_block(slab, index);

    q->kept[i] = q->kept[--q->n];
    q->bytes -= slab->block_bytes;
    if (jsm_unlikely(!is_zero(block, wiped_bytes(slab)))) {
        report_written("free", slab, block);
        make_zero(block, wiped_bytes(slab));
    }
    free_now(th, slab, index);
}

JSM_INLINE void
keep(struct jsm_theap *th, struct jsm_quarantine *q, struct jsm_span *slab, uint32_t index)
{
    jsm_slab_set_cell(slab, index, JSM_LINK_QUARANTINED);
    q->bytes += slab->block_bytes;
    while (q->bytes > q->max_bytes || q->n == q->max_n) {
        q->random = q->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        release(th, q, (uint32_t)(((q->random >> 32) * q->n) >> 32));
    }
    q->kept[q->n].slab = slab;
    q->kept[q->n++].index = index;
}

static size_t
span_bytes(const struct jsm_span *span)
{
    return (size_t)span->n_slices << JSM_SLICE_SHIFT;
}

static void
release_large(struct jsm_quarantine *q)
{
    struct jsm_span *span = q->large[0];

    memmove(q->large, q->large + 1, --q->n_large * sizeof q->large[0]);
    q->large_bytes -= span_bytes(span);
    if (open_up(span, span->base, span_bytes(span)))
        jsm_span_free(span);
}

/* Level full: who touches the block that was freed gets a signal, until so many others were. */
static bool
keep_large(struct jsm_quarantine *q, struct jsm_span *span)
{
    if (span_bytes(span) > KEEP_LARGE_BYTES_MAX / 4)
        return false;
    if (!jsm_claim_kind(span, JSM_KIND_LARGE, JSM_KIND_BUSY))
        return false;
    if ((span->traits & JSM_TRAIT_GUARDED) != 0 && !jsm_harden_unguard(span))
        return true;
    if (!shut(span, span->base, span_bytes(span))) {
        jsm_set_kind(span, JSM_KIND_LARGE);
        return false;
    }
    q->large_bytes += span_bytes(span);
    while (q->n_large == KEEP_LARGE || q->large_bytes > KEEP_LARGE_BYTES_MAX)
        release_large(q);
    q->large[q->n_large++] = span;
    return true;
}

void
jsm_quarantine_drain(struct jsm_theap *th)
{
    struct jsm_quarantine *q = th->quarantine;

    if (q == NULL)
        return;
    while (q->n > 0)
        release(th, q, q->n - 1);
    while (q->n_large > 0)
        release_large(q);
}

void
jsm_quarantine_forget(struct jsm_quarantine *q)
{
    if (q != NULL) {
        q->n = q->n_large = 0;
        q->bytes = q->large_bytes = 0;
    }
}

void
jsm_quarantine_sweep(struct jsm_span *slab)
{
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

static void
wipe_large(struct jsm_span *span)
{
    size_t page = jsm_os_page_bytes(), bytes = jsm_round_up(jsm_size_bytes(span), page);

    if (jsm_kind(span) == JSM_KIND_HUGE) /* it is going to be unmapped */
        return;
    if (!is_full()) {
        memset(span->base, 0, WIPE_BYTES_ON);
        return;
    }
    if (bytes < PURGE_BYTES_MIN || is_own_memory(span) || jsm_os_purge(span->base, bytes) != 0)
        memset(span->base, 0, bytes);
}

bool
jsm_harden_keep(struct jsm_theap *th, const struct jsm_block *block)
{
    struct jsm_span *span = block->span;

    if ((span->traits & JSM_TRAIT_HARD) == 0 || (!is_large(span) && jsm_kind(span) != JSM_KIND_SLAB))
        return false;
    struct jsm_quarantine *q = th != NULL ? quarantine_of(th) : NULL;
    if (is_large(span)) {
        bool may_keep = q != NULL && is_full() && jsm_kind(span) == JSM_KIND_LARGE &&
            !jsm_heap_is_user(jsm_span_heap(span)) && !is_own_memory(span);
        if (may_keep && keep_large(q, span))
            return true;
        wipe_large(span);
        return false;
    }
    make_zero(block->start, wiped_bytes(span));
    if (q == NULL || span->block_bytes > q->max_block_bytes || (span->traits & JSM_TRAIT_KEEP) == 0)
        return false;
    keep(th, q, span, block->index);
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
    if (slab == NULL || th == NULL || th->quarantine == NULL || th->front.slow != JSM_SLOW_HARDENED)
        return false;
    if (jsm_kind(slab) == JSM_KIND_SLAB_PART)
        slab -= slab->back;
    if (jsm_kind(slab) != JSM_KIND_SLAB || !jsm_slab_index(slab, p, &i) || slab->link[i] != JSM_LINK_USED ||
        (slab->traits & usual) != usual || !is_whole(slab, p, &tag) || origin_of(tag) != origin)
        return false;
    if (bytes != JSM_SIZE_UNSAID && bytes + padding_of(tag) + TRAILER_BYTES != slab->block_bytes)
        return false;
    make_zero(p, wiped_bytes(slab));
    if (jsm_likely(slab->block_bytes <= th->quarantine->max_block_bytes))
        keep(th, th->quarantine, slab, i);
    else
        free_now(th, slab, i);
    return true;
}

/* ---- Checks ---- */

bool
jsm_harden_is_whole(struct jsm_span *span, void *block)
{
    const uint8_t *end = span->base + jsm_size_bytes(span);
    uint32_t tag;

    if ((span->traits & JSM_TRAIT_HARD) == 0)
        return true;
    if (!is_large(span))
        return is_whole(span, block, &tag);
    return first_other(end, end + canary_bytes(span), (uint8_t)secret.padding) == end + canary_bytes(span);
}

void
jsm_quarantine_check(const struct jsm_quarantine *q, struct jsm_faults *faults)
{
    size_t bytes = 0, before = faults->n;

    for (uint32_t i = 0; i < q->n; i++) {
        const struct jsm_span *slab = q->kept[i].slab;
        uint32_t index = q->kept[i].index;
        if (!jsm_pagemap_holds(slab) || index >= slab->capacity || jsm_slab_cell(slab, index) != JSM_LINK_QUARANTINED)
            jsm_fault(faults, "quarantine with what was not freed, in ", &q->kept[i]);
        else if (!is_zero(jsm_slab_block(slab, index), wiped_bytes(slab)))
            jsm_fault(faults, "block that was written to after it was freed, at ", jsm_slab_block(slab, index));
        else
            bytes += slab->block_bytes;
    }
    if (faults->n == before && bytes != q->bytes)
        jsm_fault(faults, "wrong number of bytes in the quarantine at ", q);
}
